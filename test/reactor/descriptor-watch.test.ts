import { expect } from 'chai';
import { Clock, type LogEvent, setLogObserver } from '../../src/reactor/index.ts';
import { DescriptorWatch } from '../../src/reactor/libuv/descriptor-watch.ts';

describe('DescriptorWatch', () => {
  const LIMIT = 1024;
  let events: LogEvent[];
  let before: ReturnType<typeof setLogObserver>;
  let clock: Clock;

  beforeEach(() => {
    events = [];
    clock = new Clock();
    before = setLogObserver((event) => events.push(event));
  });

  afterEach(() => {
    setLogObserver(before);
  });

  const watchOf = (limit: number): DescriptorWatch =>
    new DescriptorWatch(limit, () => clock.seconds());

  it('warns when a connection gets one of the last descriptors, and not before', () => {
    const watch = watchOf(LIMIT);
    watch.accepted(LIMIT - 9);
    expect(events).to.deep.equal([]);
    watch.accepted(LIMIT - 8);
    expect(events).to.have.length(1);
    expect(events[0]).to.deep.include({
      level: 'warn',
      system: 'reactor',
      fields: { fd: 1016, limit: 1024 },
    });
    expect(events[0]?.message).to.match(/number 1016.*may have 1024/);
  });

  it('warns at most once in 60 seconds', () => {
    const watch = watchOf(LIMIT);
    for (let i = 0; i < 120; i++) {
      watch.accepted(LIMIT - 1);
      clock.advance(0.5);
    }
    expect(events).to.have.length(1);
    watch.accepted(LIMIT - 1);
    expect(events).to.have.length(2);
  });

  it('says nothing where descriptors or their limit are unknown', () => {
    watchOf(LIMIT).accepted(undefined);
    watchOf(Number.POSITIVE_INFINITY).accepted(1e6);
    expect(events).to.deep.equal([]);
  });
});
