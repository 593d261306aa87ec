import { expect } from 'chai';
import {
  ConnectionCompleter,
  EventLoggingObserver,
  LibuvReactor,
  MemoryReactor,
  MemoryReactorClock,
} from '../../src/reactor/index.ts';
import { FailureTrap, RecordingFactory } from '../support/recorder.ts';

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

  it('whose factory cannot build a protocol closes the connection, tells the factory, and reports', () => {
    const trap = new FailureTrap();
    try {
      const reactor = new MemoryReactor();
      reactor.listenTCP(9, new RecordingFactory());
      const factory = new RecordingFactory(() => {
        throw new RangeError('no protocol today');
      });
      const connector = reactor.connectTCP('127.0.0.1', 9, factory);
      new ConnectionCompleter(reactor).succeedOnce()?.flush();
      expect(connector.state).to.equal('disconnected');
      expect(factory.calls).to.deep.equal(['start', 'connecting', 'build', 'lost', 'stop']);
      expect(trap.caught.map(({ failure }) => failure.type)).to.deep.equal([RangeError]);
    } finally {
      trap.restore();
    }
  });

  it('connects no more once its reactor closes everything, however often it is told to', async () => {
    const reactor = new LibuvReactor();
    const port = reactor.listenTCP(0, new RecordingFactory(), { interface: '127.0.0.1' });
    const factory = new RecordingFactory();
    factory.onFailed = (connector) => connector.connect();
    factory.onLost = (connector) => connector.connect();
    reactor.connectTCP('127.0.0.1', port.getHost().port, factory);
    await factory.until(() => factory.built.length === 1);
    const running = reactor.run(false);
    reactor.stop();
    await running;
    expect(factory.calls.filter((call) => call === 'connecting')).to.have.length(1);
    expect(factory.calls.at(-1)).to.equal('stop');
  });
});

describe('A listening port', () => {
  it('of a factory that is not to be noisy says what it does for those only who want to know all', async () => {
    const log = new EventLoggingObserver();
    try {
      const reactor = new MemoryReactor();
      for (const noisy of [true, false]) {
        const factory = Object.assign(new RecordingFactory(), { noisy });
        await reactor.listenTCP(9, factory).stopListening();
      }
      expect(log.events.map(({ level }) => level)).to.deep.equal([
        'info',
        'info',
        'debug',
        'debug',
      ]);
    } finally {
      log.remove();
    }
  });
});
