import { expect } from 'chai';
import { Clock } from '../../../src/reactor/index.ts';
import { WATCH_INTERVAL, watchBy } from '../../../src/service/windows/koffi/watch.ts';
import type { ServiceStatus } from '../../../src/service/windows/scm-api.ts';

const STOPPED: ServiceStatus = {
  type: 'own-process',
  state: 'stopped',
  accepts: [],
  win32ExitCode: 0,
  serviceExitCode: 0,
  checkPoint: 0,
  waitHint: 0,
  pid: 0,
};
const RUNNING: ServiceStatus = { ...STOPPED, state: 'running', accepts: ['stop'], pid: 7 };

describe('watchBy()', () => {
  let clock: Clock;
  let now: ServiceStatus | null | Error;
  let told: (ServiceStatus | null)[];
  beforeEach(() => {
    clock = new Clock();
    now = STOPPED;
    told = [];
  });

  const look = (): ServiceStatus | null => {
    if (now instanceof Error) throw now;
    return now;
  };
  const watch = (changed = (status: ServiceStatus | null) => void told.push(status)) =>
    watchBy(clock, STOPPED, look, changed);

  it('tells of changes, each once, and of nothing else', () => {
    watch();
    clock.pump([WATCH_INTERVAL, WATCH_INTERVAL]);
    now = RUNNING;
    expect(told).to.deep.equal([]);
    clock.pump([WATCH_INTERVAL, WATCH_INTERVAL]);
    now = { ...RUNNING };
    clock.advance(WATCH_INTERVAL);
    now = { ...RUNNING, checkPoint: 1 };
    clock.advance(WATCH_INTERVAL);
    expect(told).to.deep.equal([RUNNING, { ...RUNNING, checkPoint: 1 }]);
  });

  for (const [why, end] of [
    ['is no more', null],
    ['cannot be asked any more', new Error('gone')],
  ] as const) {
    it(`tells null, and nothing after it, when the service ${why}`, () => {
      watch();
      now = end;
      clock.advance(WATCH_INTERVAL);
      now = RUNNING;
      clock.pump([WATCH_INTERVAL, WATCH_INTERVAL]);
      expect(told).to.deep.equal([null]);
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    });
  }

  it('looks no more once it was ended, also from within the listener', () => {
    const end = watch();
    end();
    end();
    expect(clock.getDelayedCalls()).to.deep.equal([]);
    const again = watch((status) => {
      told.push(status);
      again();
    });
    now = RUNNING;
    clock.pump([WATCH_INTERVAL, WATCH_INTERVAL]);
    expect(told).to.deep.equal([RUNNING]);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('goes on when the listener throws', () => {
    let failures = 0;
    watch(() => {
      failures += 1;
      throw new Error('The listener failed');
    });
    for (const status of [RUNNING, STOPPED]) {
      now = status;
      try {
        clock.advance(WATCH_INTERVAL);
      } catch {}
    }
    expect(failures).to.equal(2);
  });
});
