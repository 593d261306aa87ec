import { expect } from 'chai';
import type { Failure } from '../../../src/deferred/index.ts';
import {
  ConnectingCancelledError,
  DNSLookupError,
  HostnameEndpoint,
  type HostnameResolver,
  IPv4Address,
  LibuvReactor,
  type ResolutionReceiver,
  TimeoutError,
  UserError,
} from '../../../src/reactor/index.ts';
import { stopReactor, turns } from '../../support/faults.ts';
import { LeakWatch } from '../../support/leaks.ts';
import { FailureTrap, Recorder, RecordingFactory } from '../../support/recorder.ts';

/** Does what a test makes of it: keeps who asked, and does not answer by itself. */
class HeldResolver implements HostnameResolver {
  receiver: ResolutionReceiver | undefined;
  cancelled = 0;

  resolveHostName(
    receiver: ResolutionReceiver,
    name: string,
  ): { name: string; cancel: () => void } {
    this.receiver = receiver;
    const resolution = {
      name,
      cancel: () => {
        this.cancelled += 1;
      },
    };
    receiver.resolutionBegan(resolution);
    return resolution;
  }

  answer(port: number, ...hosts: string[]): void {
    for (const host of hosts) this.receiver?.addressResolved(new IPv4Address('TCP', host, port));
    this.receiver?.resolutionComplete();
  }
}

const NAME = 'held.invalid';

describe('A resolver', () => {
  let reactor: LibuvReactor;
  let resolver: HeldResolver;
  let servers: RecordingFactory;
  let port: number;
  let watch: LeakWatch;
  let trap: FailureTrap;

  beforeEach(() => {
    trap = new FailureTrap();
    reactor = new LibuvReactor();
    watch = new LeakWatch(reactor);
    resolver = new HeldResolver();
    reactor.installNameResolver(resolver);
    servers = new RecordingFactory();
    port = reactor.listenTCP(0, servers, { interface: '127.0.0.1' }).getHost().port;
  });

  afterEach(async () => {
    await stopReactor(reactor);
    trap.restore();
    await watch.check();
    expect(trap.caught.map(({ failure }) => failure.getErrorMessage())).to.deep.equal([]);
  });

  const asked = async (): Promise<void> => {
    while (resolver.receiver === undefined) await turns(1);
  };

  describe('for connectTCP()', () => {
    it('that answers after the timeout is not heard', async () => {
      const clients = new RecordingFactory();
      reactor.connectTCP(NAME, port, clients, { timeout: 0.01 });
      await clients.until(() => clients.calls.includes('stop'));
      expect(clients.reason?.check(TimeoutError)).to.equal(TimeoutError);
      expect(resolver.cancelled).to.equal(1);
      resolver.answer(port, '127.0.0.1');
      await turns(10);
      expect(clients.calls).to.deep.equal(['start', 'connecting', 'failed', 'stop']);
      expect(servers.built).to.deep.equal([]);
    });

    it('that answers after stopConnecting() is not heard', async () => {
      const clients = new RecordingFactory();
      const connector = reactor.connectTCP(NAME, port, clients);
      await asked();
      connector.stopConnecting();
      expect(clients.reason?.check(UserError)).to.equal(UserError);
      resolver.answer(port, '127.0.0.1');
      await turns(10);
      expect(clients.calls).to.deep.equal(['start', 'connecting', 'failed', 'stop']);
      expect(servers.built).to.deep.equal([]);
      expect(resolver.cancelled).to.equal(1);
    });

    it('that hangs does not hold up a shutdown', async () => {
      const clients = new RecordingFactory();
      reactor.connectTCP(NAME, port, clients, { timeout: null });
      await asked();
      await stopReactor(reactor);
      expect(clients.calls).to.deep.equal(['start', 'connecting', 'failed', 'stop']);
      reactor = new LibuvReactor();
    });

    it('that answers twice makes one connection', async () => {
      const client = new Recorder();
      const clients = new RecordingFactory(() => client);
      reactor.connectTCP(NAME, port, clients);
      await asked();
      resolver.answer(port, '127.0.0.1');
      resolver.answer(port, '127.0.0.1');
      await client.until(() => client.made);
      resolver.answer(port, '127.0.0.1');
      await turns(10);
      expect(servers.built).to.have.length(1);
      expect(clients.calls).to.deep.equal(['start', 'connecting', 'build']);
    });

    it('that throws fails the attempt, and costs nothing else', async () => {
      reactor.installNameResolver({
        resolveHostName() {
          throw new RangeError('no resolver today');
        },
      });
      const clients = new RecordingFactory();
      reactor.connectTCP(NAME, port, clients);
      expect(clients.calls).to.deep.equal(['start', 'connecting']);
      await clients.until(() => clients.calls.includes('stop'));
      expect(clients.reason?.getErrorMessage()).to.equal('no resolver today');
      expect(clients.calls).to.deep.equal(['start', 'connecting', 'failed', 'stop']);
    });

    it('that throws after it has answered is heard, and connects', async () => {
      reactor.installNameResolver({
        resolveHostName(receiver, name, number = 0) {
          receiver.resolutionBegan({ name, cancel() {} });
          receiver.addressResolved(new IPv4Address('TCP', '127.0.0.1', number));
          receiver.resolutionComplete();
          throw new RangeError('too late');
        },
      });
      const client = new Recorder();
      reactor.connectTCP(NAME, port, new RecordingFactory(() => client));
      await client.until(() => client.made);
    });
  });

  describe('for resolve()', () => {
    it('that throws is a failure', async () => {
      reactor.installNameResolver({
        resolveHostName() {
          throw new RangeError('no resolver today');
        },
      });
      let failure: Failure | undefined;
      await reactor.resolve(NAME).addErrback((caught) => {
        failure = caught;
      });
      expect(failure?.check(RangeError)).to.equal(RangeError);
    });

    it('that hangs is given up after the timeout, and not heard afterwards', async () => {
      let failure: Failure | undefined;
      await reactor.resolve(NAME, 0.01).addErrback((caught) => {
        failure = caught;
      });
      expect(failure?.check(DNSLookupError)).to.equal(DNSLookupError);
      expect(resolver.cancelled).to.equal(1);
      resolver.answer(0, '127.0.0.1');
    });
  });

  describe('for a HostnameEndpoint', () => {
    /** Connects, and keeps what comes of it. */
    const connect = (options = {}): { made: Recorder[]; failed: Failure[]; cancel: () => void } => {
      const made: Recorder[] = [];
      const failed: Failure[] = [];
      const clients = new RecordingFactory();
      const connecting = new HostnameEndpoint(reactor, NAME, port, options).connect(clients);
      connecting.addCallbacks(
        (protocol) => {
          // The factory makes no other kind.
          made.push(protocol as Recorder);
        },
        (failure) => {
          failed.push(failure);
        },
      );
      return { made, failed, cancel: () => connecting.cancel() };
    };

    it('that hangs is given up after the timeout, and not heard afterwards', async () => {
      const { made, failed } = connect({ timeout: 0.01 });
      while (failed.length === 0) await turns(1);
      expect(failed[0]?.check(DNSLookupError)).to.equal(DNSLookupError);
      expect(failed[0]?.getErrorMessage()).to.contain('0.01 s');
      expect(resolver.cancelled).to.equal(1);
      resolver.answer(port, '127.0.0.1', '127.0.0.1');
      await turns(10);
      expect(servers.built).to.deep.equal([]);
      expect(made).to.deep.equal([]);
    });

    it('that answers after cancel() is not heard', async () => {
      const { made, failed, cancel } = connect();
      cancel();
      expect(failed[0]?.check(ConnectingCancelledError)).to.equal(ConnectingCancelledError);
      expect(resolver.cancelled).to.equal(1);
      resolver.answer(port, '127.0.0.1', '127.0.0.1');
      await turns(10);
      expect(servers.built).to.deep.equal([]);
      expect(made).to.deep.equal([]);
    });

    it('that answers twice makes one connection', async () => {
      const { made, failed } = connect();
      resolver.answer(port, '127.0.0.1');
      resolver.answer(port, '127.0.0.1');
      while (made.length === 0) await turns(1);
      resolver.answer(port, '127.0.0.1');
      await turns(10);
      expect(servers.built).to.have.length(1);
      expect(failed).to.deep.equal([]);
    });

    it('that finds more after it was complete is not heard', async () => {
      const { made, failed } = connect();
      // Nobody listens there, so that a further address would be tried.
      resolver.receiver?.addressResolved(new IPv4Address('TCP', '127.0.0.1', 1));
      resolver.receiver?.resolutionComplete();
      resolver.receiver?.addressResolved(new IPv4Address('TCP', '127.0.0.1', port));
      while (made.length + failed.length === 0) await turns(1);
      expect(made).to.deep.equal([]);
      expect(failed).to.have.length(1);
    });

    it('that throws is a failure', async () => {
      reactor.installNameResolver({
        resolveHostName() {
          throw new RangeError('no resolver today');
        },
      });
      const { failed } = connect();
      expect(failed[0]?.check(RangeError)).to.equal(RangeError);
    });
  });
});
