import { expect } from 'chai';
import type { Failure } from '../../src/deferred/index.ts';
import {
  HostnameAddress,
  IPv4Address,
  IPv6Address,
  UNIXAddress,
} from '../../src/reactor/address.ts';
import type {
  IDatagramProtocol,
  MulticastTransport,
} from '../../src/reactor/datagram-interfaces.ts';
import {
  CannotListenError,
  ConnectionRefusedError,
  ConnectorStateError,
  NotConnectingError,
  NotListeningError,
  ProcessDone,
  ProcessExitedAlready,
  ProcessTerminated,
  ReactorAlreadyRunning,
  ReactorNotRestartable,
  ReactorNotRunning,
  TimeoutError,
  TriggerNotFound,
  UnsupportedAddressFamily,
  UserError,
} from '../../src/reactor/errors.ts';
import type { Connector, IClientFactory, IProtocol } from '../../src/reactor/interfaces.ts';
import type { IProcessProtocol, ProcessTransport } from '../../src/reactor/process-interfaces.ts';
import {
  AccumulatingProtocol,
  MemoryReactor,
  MemoryReactorClock,
  RaisingMemoryReactor,
  successResultOf,
} from '../../src/reactor/testing.ts';

/** A factory that notes what it is told. */
class NotingFactory implements IClientFactory {
  readonly calls: unknown[] = [];
  onFailed: ((connector: Connector) => void) | undefined;

  doStart(): void {
    this.calls.push('doStart');
  }

  doStop(): void {
    this.calls.push('doStop');
  }

  buildProtocol(): IProtocol | null {
    return null;
  }

  startedConnecting(): void {
    this.calls.push('startedConnecting');
  }

  clientConnectionFailed(connector: Connector, reason: Failure): void {
    this.calls.push(reason.type);
    this.onFailed?.(connector);
  }

  clientConnectionLost(): void {
    this.calls.push('clientConnectionLost');
  }
}

describe('MemoryReactor', () => {
  let reactor: MemoryReactorClock;
  let factory: NotingFactory;

  beforeEach(() => {
    reactor = new MemoryReactorClock();
    factory = new NotingFactory();
  });

  describe('its life', () => {
    it('run() fires the start-up triggers in order and settles after the shutdown triggers', async () => {
      const seen: unknown[] = [];
      for (const event of ['startup', 'shutdown']) {
        for (const phase of ['after', 'during', 'before'] as const) {
          reactor.addSystemEventTrigger(
            phase,
            event,
            (name: string) => seen.push(name, reactor.running),
            `${phase} ${event}`,
          );
        }
      }
      expect([reactor.running, reactor.hasRun]).to.deep.equal([false, false]);
      const done = reactor.run();
      expect(seen).to.deep.equal([
        'before startup',
        false,
        'during startup',
        true,
        'after startup',
        true,
      ]);
      seen.length = 0;
      reactor.stop();
      expect([reactor.hasStopped, seen.length]).to.deep.equal([true, 0]);
      await done;
      expect(seen).to.deep.equal([
        'before shutdown',
        true,
        'during shutdown',
        false,
        'after shutdown',
        false,
      ]);
      expect([reactor.running, reactor.hasRun]).to.deep.equal([false, true]);
    });

    it('run(), stop() and crash() are refused as on a real reactor', async () => {
      expect(() => reactor.stop()).to.throw(ReactorNotRunning);
      const crashed = reactor.run();
      expect(() => reactor.run()).to.throw(ReactorAlreadyRunning);
      reactor.crash();
      await crashed;
      expect([reactor.hasCrashed, reactor.hasStopped, reactor.running]).to.deep.equal([
        true,
        false,
        false,
      ]);
      const done = reactor.run();
      reactor.stop();
      expect(() => reactor.stop()).to.throw(ReactorNotRunning, 'already');
      await done;
      expect(() => reactor.run()).to.throw(ReactorNotRestartable);
    });

    it('callWhenRunning() calls at the start, or at once', () => {
      const seen: string[] = [];
      expect(reactor.callWhenRunning((name: string) => seen.push(name), 'queued')).to.have.property(
        'event',
        'startup',
      );
      expect(seen).to.deep.equal([]);
      reactor.run();
      expect(reactor.callWhenRunning((name: string) => seen.push(name), 'at once')).to.equal(
        undefined,
      );
      expect(seen).to.deep.equal(['queued', 'at once']);
    });

    it('triggers shows what waits, with its arguments', () => {
      const f = (): void => {};
      const id = reactor.addSystemEventTrigger('before', 'shutdown', f);
      reactor.addSystemEventTrigger('after', 'startup', (_a: number) => {}, 5);
      expect(reactor.triggers.map((t) => [t.phase, t.event, t.args])).to.deep.equal([
        ['before', 'shutdown', []],
        ['after', 'startup', [5]],
      ]);
      expect(reactor.triggers[0]?.f).to.equal(f);
      reactor.removeSystemEventTrigger(id);
      reactor.run();
      expect(reactor.triggers).to.deep.equal([]);
      expect(() => reactor.removeSystemEventTrigger(id)).to.throw(TriggerNotFound);
    });

    it('fireSystemEvent() runs the triggers of an event of one’s own', () => {
      const seen: string[] = [];
      reactor.addSystemEventTrigger('during', 'persist', () => seen.push('persist'));
      reactor.fireSystemEvent('persist');
      expect(seen).to.deep.equal(['persist']);
    });

    it('install() is noted', () => {
      expect(reactor.hasInstalled).to.equal(false);
      reactor.install();
      expect(reactor.hasInstalled).to.equal(true);
    });

    it('a shutdown closes ports and gives up attempts', async () => {
      const port = reactor.listenTCP(1, factory);
      const other = new NotingFactory();
      reactor.connectTCP('127.0.0.1', 2, other);
      const done = reactor.run();
      reactor.stop();
      await done;
      expect(port.listening).to.equal(false);
      expect(factory.calls.at(-1)).to.equal('doStop');
      expect(other.calls.slice(-2)).to.deep.equal([UserError, 'doStop']);
    });
  });

  describe('its time', () => {
    it('moves by advance() and pump()', () => {
      const seen: unknown[] = [];
      reactor.callLater(2, (a: string) => seen.push(a, reactor.seconds()), 'x');
      expect(reactor.getDelayedCalls()).to.have.length(1);
      reactor.pump([1, 0.5]);
      expect(seen).to.deep.equal([]);
      reactor.advance(0.5);
      expect(seen).to.deep.equal(['x', 2]);
      expect(reactor.rightNow).to.equal(2);
    });

    it('callFromThread() calls in order when the time is next moved', () => {
      const seen: number[] = [];
      reactor.callFromThread((n: number) => seen.push(n), 1);
      reactor.callFromThread((n: number) => seen.push(n), 2);
      expect(seen).to.deep.equal([]);
      reactor.advance(0);
      expect(seen).to.deep.equal([1, 2]);
    });

    it('iterate() runs what is due, without a clock of one’s own as well', async () => {
      const still = new MemoryReactor();
      let called = false;
      still.callLater(1, () => {
        called = true;
      });
      await still.iterate();
      expect(called).to.equal(false);
      await still.iterate(1);
      expect(called).to.equal(true);
    });
  });

  describe('listenTCP()', () => {
    it('listenTCP() notes what it was asked for and starts the factory', () => {
      reactor.listenTCP(80, factory);
      const other = new NotingFactory();
      reactor.listenTCP(81, other, { backlog: 5, interface: '::1' });
      expect(reactor.tcpServers).to.deep.equal([
        [80, factory, 511, ''],
        [81, other, 5, '::1'],
      ]);
      expect(reactor.ports.map((port) => port.getHost())).to.deep.equal([
        new IPv4Address('TCP', '0.0.0.0', 80),
        new IPv6Address('TCP', '::1', 81),
      ]);
      expect(factory.calls).to.deep.equal(['doStart']);
    });

    it('listenTCP() gives another port each time 0 is asked for', () => {
      const [a, b] = [reactor.listenTCP(0, factory), reactor.listenTCP(0, factory)];
      expect(a.getHost().port).to.be.above(0);
      expect(b.getHost().port).to.not.equal(a.getHost().port);
    });

    it('its port stops and starts again as a real one does', () => {
      const port = reactor.listenTCP(80, factory);
      successResultOf(port.stopListening());
      expect([port.listening, factory.calls]).to.deep.equal([false, ['doStart', 'doStop']]);
      expect(() => port.getHost()).to.throw(NotListeningError);
      successResultOf(port.stopListening());
      port.startListening();
      expect(port.getHost().port).to.equal(80);
      expect(factory.calls).to.deep.equal(['doStart', 'doStop', 'doStart']);
    });
  });

  describe('connectTCP()', () => {
    it('connectTCP() notes what it was asked for and says that it began', () => {
      const connector = reactor.connectTCP('10.0.0.1', 80, factory);
      reactor.connectTCP('example.com', 81, factory, { timeout: 5, bindAddress: ['127.0.0.1', 0] });
      expect(reactor.tcpClients).to.deep.equal([
        ['10.0.0.1', 80, factory, 30, null],
        ['example.com', 81, factory, 5, ['127.0.0.1', 0]],
      ]);
      expect(reactor.connectors).to.have.length(2);
      expect(reactor.connectors[0]).to.equal(connector);
      expect(connector.state).to.equal('connecting');
      expect(factory.calls.slice(0, 2)).to.deep.equal(['doStart', 'startedConnecting']);
    });

    it('its connector knows its destination', () => {
      const destination = (host: string): unknown =>
        reactor.connectTCP(host, 80, factory).getDestination();
      expect(destination('10.0.0.1')).to.deep.equal(new IPv4Address('TCP', '10.0.0.1', 80));
      expect(destination('::1')).to.deep.equal(new IPv6Address('TCP', '::1', 80));
      expect(destination('example.com')).to.deep.equal(new HostnameAddress('example.com', 80));
    });

    it('its connector gives up when told to', () => {
      const connector = reactor.connectTCP('10.0.0.1', 80, factory);
      connector.stopConnecting();
      expect(factory.calls).to.deep.equal(['doStart', 'startedConnecting', UserError, 'doStop']);
      expect(connector.state).to.equal('disconnected');
      expect(() => connector.stopConnecting()).to.throw(NotConnectingError);
      expect(() => connector.fail()).to.throw(NotConnectingError);
      expect(reactor.getDelayedCalls()).to.deep.equal([]);
    });

    it('its connector may be told to try again from within the notification', () => {
      factory.onFailed = (connector) => {
        factory.onFailed = undefined;
        connector.connect();
      };
      const connector = reactor.connectTCP('10.0.0.1', 80, factory);
      expect(() => connector.connect()).to.throw(ConnectorStateError);
      connector.fail();
      expect(connector.state).to.equal('connecting');
      expect(factory.calls).to.deep.equal([
        'doStart',
        'startedConnecting',
        ConnectionRefusedError,
        'startedConnecting',
      ]);
    });

    it('its connector times out on the clock', () => {
      reactor.connectTCP('10.0.0.1', 80, factory, { timeout: 5 });
      reactor.advance(4.9);
      expect(factory.calls).to.not.include(TimeoutError);
      reactor.advance(0.1);
      expect(factory.calls.slice(-2)).to.deep.equal([TimeoutError, 'doStop']);
    });
  });

  describe('listenSSL() and connectSSL()', () => {
    const context = { key: 'a key', cert: 'a certificate' };

    it('note what they were asked for and give ports and connectors as TCP does', () => {
      const port = reactor.listenSSL(443, factory, context, { backlog: 5, interface: '::1' });
      reactor.listenSSL(444, factory, context);
      const connector = reactor.connectSSL('10.0.0.1', 443, factory, context);
      reactor.connectSSL('10.0.0.1', 'https', factory, context, {
        timeout: null,
        bindAddress: ['127.0.0.1', 0],
      });
      expect(reactor.sslServers).to.deep.equal([
        [443, factory, context, 5, '::1'],
        [444, factory, context, 511, ''],
      ]);
      expect(reactor.sslClients).to.deep.equal([
        ['10.0.0.1', 443, factory, context, 30, null],
        ['10.0.0.1', 'https', factory, context, null, ['127.0.0.1', 0]],
      ]);
      expect([reactor.tcpServers, reactor.tcpClients]).to.deep.equal([[], []]);
      expect([reactor.ports[0], reactor.connectors[0]]).to.deep.equal([port, connector]);
      expect([port.listening, connector.state]).to.deep.equal([true, 'connecting']);
    });
  });

  describe('listenUNIX() and connectUNIX()', () => {
    it('note what they were asked for', () => {
      const port = reactor.listenUNIX('/run/a', factory);
      reactor.listenUNIX('/run/b', factory, { backlog: 5, mode: 0o600, wantPID: true });
      const connector = reactor.connectUNIX('/run/a', factory);
      reactor.connectUNIX('/run/b', factory, { timeout: 5, checkPID: true });
      expect(reactor.unixServers).to.deep.equal([
        ['/run/a', factory, 511, 0o666, false],
        ['/run/b', factory, 5, 0o600, true],
      ]);
      expect(reactor.unixClients).to.deep.equal([
        ['/run/a', factory, 30, false],
        ['/run/b', factory, 5, true],
      ]);
      expect([reactor.unixPorts[0], reactor.unixConnectors[0]]).to.deep.equal([port, connector]);
      expect(port.getHost()).to.deep.equal(new UNIXAddress('/run/a'));
      expect(connector.getDestination()).to.deep.equal(new UNIXAddress('/run/a'));
    });

    it('their port stops, and their connector fails and times out, as real ones do', () => {
      const port = reactor.listenUNIX('/run/a', factory);
      successResultOf(port.stopListening());
      expect(factory.calls).to.deep.equal(['doStart', 'doStop']);
      factory.calls.length = 0;
      reactor.connectUNIX('/run/a', factory).fail();
      reactor.connectUNIX('/run/a', factory, { timeout: 5 });
      reactor.advance(5);
      expect(factory.calls).to.deep.equal([
        ...['doStart', 'startedConnecting', ConnectionRefusedError, 'doStop'],
        ...['doStart', 'startedConnecting', TimeoutError, 'doStop'],
      ]);
    });
  });

  describe('listenUDP() and listenMulticast()', () => {
    class Noting implements IDatagramProtocol {
      readonly calls: string[] = [];
      transport: MulticastTransport | undefined;
      makeConnection(transport: MulticastTransport): void {
        this.transport = transport;
        this.calls.push('start');
      }
      datagramReceived(): void {}
      connectionRefused(): void {}
      doStop(): void {
        this.calls.push('stop');
      }
    }

    it('note what they were asked for', () => {
      const protocol = new Noting();
      reactor.listenUDP(53, protocol);
      reactor.listenUDP(54, protocol, { interface: '::1', maxPacketSize: 100 });
      reactor.listenMulticast(55, protocol, { listenMultiple: true });
      expect(reactor.udpServers).to.deep.equal([
        [53, protocol, '', 8192],
        [54, protocol, '::1', 100],
      ]);
      expect(reactor.multicastServers).to.deep.equal([[55, protocol, '', 8192, true]]);
      expect(reactor.udpPorts.map((port) => port.getHost())).to.deep.equal([
        new IPv4Address('UDP', '0.0.0.0', 53),
        new IPv6Address('UDP', '::1', 54),
        new IPv4Address('UDP', '0.0.0.0', 55),
      ]);
    });

    it('their port keeps what is sent, and stops and starts again as a real one does', async () => {
      const protocol = new Noting();
      const port = reactor.listenUDP(0, protocol);
      expect(port.getHost().port).to.be.above(0);
      expect(protocol.transport).to.equal(port);
      port.write('hello', ['192.0.2.1', 9]);
      expect(port.written).to.deep.equal([[Buffer.from('hello'), ['192.0.2.1', 9]]]);
      successResultOf(port.stopListening());
      port.write('nobody hears', ['192.0.2.1', 9]);
      expect(port.written).to.have.length(1);
      expect(() => port.getHost()).to.throw(NotListeningError);
      successResultOf(port.stopListening());
      port.startListening();
      const done = reactor.run();
      reactor.stop();
      await done;
      expect(protocol.calls).to.deep.equal(['start', 'stop', 'start', 'stop']);
      expect(port.listening).to.equal(false);
    });
  });

  describe('spawnProcess()', () => {
    class Noting implements IProcessProtocol {
      readonly calls: unknown[] = [];
      makeConnection(transport: ProcessTransport): void {
        this.calls.push(['made', transport]);
      }
      childDataReceived(): void {}
      childConnectionLost(childFD: number): void {
        this.calls.push(['closed', childFD]);
      }
      processExited(reason: Failure): void {
        this.calls.push(['exited', reason.type]);
      }
      processEnded(reason: Failure): void {
        this.calls.push(['ended', reason.value]);
      }
    }

    it('notes what it was asked for and connects the protocol', () => {
      const protocol = new Noting();
      const child = reactor.spawnProcess(protocol, 'cat');
      const options = { childFDs: { 0: 'w', 3: 'r', 4: 2 } } as const;
      const other = reactor.spawnProcess(protocol, 'cat', ['cat', '-n'], options);
      expect(reactor.spawnedProcesses).to.deep.equal([
        [protocol, 'cat', ['cat'], {}],
        [protocol, 'cat', ['cat', '-n'], options],
      ]);
      expect(reactor.processes).to.deep.equal([child, other]);
      expect(protocol.calls[0]).to.deep.equal(['made', child]);
      expect([[...child.open], [...other.open]]).to.deep.equal([
        [0, 1, 2],
        [0, 3],
      ]);
      expect(child.pid).to.be.a('number').that.does.not.equal(other.pid);
    });

    it('its child keeps what is written and asked, and ends when the test says so', () => {
      const protocol = new Noting();
      const child = reactor.spawnProcess(protocol, 'cat');
      child.write('a');
      child.writeSequence(['b', Buffer.from('c')]);
      child.closeStdin();
      child.write('too late');
      expect(child.value().toString()).to.equal('abc');
      expect(() => child.writeToChild(1, 'x')).to.throw(RangeError);
      expect(() => child.closeChildFD(7)).to.throw(RangeError);
      child.signalProcess('TERM');
      child.killTree();
      expect([child.signals, child.treeKilled]).to.deep.equal([['TERM'], true]);
      protocol.calls.length = 0;
      child.exit(3);
      expect(protocol.calls.slice(0, 4)).to.deep.equal([
        ['closed', 0],
        ['closed', 1],
        ['closed', 2],
        ['exited', ProcessTerminated],
      ]);
      expect(protocol.calls[4]).to.have.nested.property('[1].exitCode', 3);
      expect(child.pid).to.equal(null);
      expect(() => child.signalProcess('TERM')).to.throw(ProcessExitedAlready);
      expect(() => child.exit()).to.throw(ProcessExitedAlready);
    });

    it('its child ends in good order, or by a signal', () => {
      const ended = (how?: string): unknown => {
        const protocol = new Noting();
        reactor.spawnProcess(protocol, 'cat').exit(how);
        return (protocol.calls.at(-1) as [string, unknown])[1];
      };
      expect(ended()).to.be.instanceOf(ProcessDone);
      expect(ended('SIGKILL')).to.include({ exitCode: null, signal: 'SIGKILL' });
    });
  });

  describe('adopted descriptors', () => {
    it('are noted and served', () => {
      const port = reactor.adoptStreamPort(3, 'INET', factory);
      const unix = reactor.adoptStreamPort(4, 'UNIX', factory);
      expect([port.listening, unix.listening]).to.deep.equal([true, true]);
      expect(reactor.adoptedPorts).to.deep.equal([
        [3, 'INET', factory],
        [4, 'UNIX', factory],
      ]);
      const protocol = new AccumulatingProtocol();
      const connections = { buildProtocol: () => protocol };
      const transport = reactor.adoptStreamConnection(5, 'INET6', connections);
      expect(protocol.transport).to.equal(transport);
      expect(reactor.adoptedStreamConnections).to.deep.equal([[5, 'INET6', connections]]);
      expect(() => reactor.adoptStreamPort(6, 'APPLETALK' as 'INET', factory)).to.throw(
        UnsupportedAddressFamily,
        'APPLETALK',
      );
    });
  });

  describe('names', () => {
    it('resolve() looks in hosts', () => {
      reactor.hosts.set('example.com', ['::1', '10.0.0.7', '10.0.0.8']);
      expect(successResultOf(reactor.resolve('example.com'))).to.equal('10.0.0.7');
      expect(successResultOf(reactor.resolve('10.1.1.1'))).to.equal('10.1.1.1');
      for (const timeout of [5, [1, 4], { timeout: 5 }, { timeout: [1, 4] }, {}]) {
        expect(successResultOf(reactor.resolve('example.com', timeout))).to.equal('10.0.0.7');
      }
    });

    it('installNameResolver() returns the one before', () => {
      const before = reactor.nameResolver;
      const mine = { resolveHostName: () => ({ name: '', cancel() {} }) };
      expect(reactor.installNameResolver(mine)).to.equal(before);
      expect(reactor.nameResolver).to.equal(mine);
    });
  });
});

describe('RaisingMemoryReactor', () => {
  it('throws what it was given', () => {
    const listen = new Error('no listening');
    const connect = new Error('no connecting');
    const reactor = new RaisingMemoryReactor(listen, connect);
    const factory = new NotingFactory();
    expect(() => reactor.listenTCP(80, factory))
      .to.throw()
      .and.equal(listen);
    expect(() => reactor.connectTCP('10.0.0.1', 80))
      .to.throw()
      .and.equal(connect);
  });

  it('throws the errors of a real one when it was given none', () => {
    const reactor = new RaisingMemoryReactor();
    for (const listen of [
      () => reactor.listenTCP(80, new NotingFactory()),
      () => reactor.listenSSL(80),
      () => reactor.listenUNIX('/run/a'),
      () => reactor.listenUDP(80),
      () => reactor.listenMulticast(80),
    ]) {
      expect(listen).to.throw(CannotListenError);
    }
    for (const connect of [
      () => reactor.connectTCP('10.0.0.1', 80),
      () => reactor.connectSSL('10.0.0.1', 80),
      () => reactor.connectUNIX('/run/a'),
    ]) {
      expect(connect).to.throw(ConnectionRefusedError);
    }
  });
});
