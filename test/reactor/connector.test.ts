import { expect } from 'chai';
import { LibuvReactor, MemoryReactorClock } from '../../src/reactor/index.ts';
import { RecordingFactory } from '../support/recorder.ts';

describe('A connector', () => {
  it('takes no timeout that is no number of seconds, and has begun nothing then', () => {
    const reactor = new LibuvReactor();
    for (const timeout of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      const factory = new RecordingFactory();
      expect(() => reactor.connectTCP('127.0.0.1', 9, factory, { timeout })).to.throw(
        RangeError,
        `got ${timeout}`,
      );
      expect(factory.calls).to.deep.equal([]);
    }
    expect(reactor.openCount).to.equal(0);
    expect(reactor.getDelayedCalls()).to.deep.equal([]);
  });

  it('waits for ever with null', () => {
    const reactor = new MemoryReactorClock();
    const connector = reactor.connectTCP('192.0.2.1', 9, new RecordingFactory(), { timeout: null });
    reactor.advance(1e9);
    expect(connector.state).to.equal('connecting');
  });

  it('whose factory cannot start is as before, and may be tried again', () => {
    const reactor = new MemoryReactorClock();
    const factory = new RecordingFactory();
    const connector = reactor.connectTCP('192.0.2.1', 9, factory);
    connector.stopConnecting();
    let starts = 0;
    factory.doStart = () => {
      starts += 1;
      if (starts === 1) throw new Error('not now');
    };
    expect(() => connector.connect()).to.throw('not now');
    expect(connector.state).to.equal('disconnected');
    connector.connect();
    expect(starts).to.equal(2);
    expect(connector.state).to.equal('connecting');
  });
});
