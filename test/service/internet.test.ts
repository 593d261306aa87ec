import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  CancelledError,
  Deferred,
  type Failure,
  setUnhandledFailureHandler,
  succeed,
} from '../../src/deferred/index.ts';
import { ClientFactory, DatagramProtocol, Factory, Protocol } from '../../src/protocols/index.ts';
import {
  AccumulatingProtocol,
  assertNoResult,
  CannotListenError,
  Clock,
  failureResultOf,
  type IPv4Address,
  LibuvReactor,
  type ListeningPort,
  MemoryReactorClock,
  reactor as processReactor,
  RaisingMemoryReactor,
  SchedulerStopped,
  successResultOf,
} from '../../src/reactor/index.ts';
import {
  CooperatorService,
  MulticastServer,
  MultiService,
  type Service,
  SSLClient,
  SSLServer,
  StreamServerEndpointService,
  service,
  TCPClient,
  TCPServer,
  TimerService,
  UDPServer,
  UNIXClient,
  UNIXServer,
} from '../../src/service/index.ts';
import { certificates } from '../support/certificates.ts';

function quietFactory(): Factory {
  const factory = Factory.forProtocol(Protocol);
  factory.noisy = false;
  return factory;
}

describe('TCPServer', () => {
  it('listens from the privileged start on, once, with its options', () => {
    const reactor = new MemoryReactorClock();
    const factory = quietFactory();
    const server = new TCPServer(8080, factory, { interface: '127.0.0.1', backlog: 7, reactor });
    server.privilegedStartService();
    server.startService();
    expect(reactor.tcpServers).to.deep.equal([[8080, factory, 7, '127.0.0.1']]);
    expect(server.port).to.equal(reactor.ports[0]);
  });

  it('listens when it is started without a privileged start', () => {
    const reactor = new MemoryReactorClock();
    const server = new TCPServer(8080, quietFactory(), { reactor });
    server.startService();
    expect(reactor.tcpServers).to.have.length(1);
  });

  it('stopService() stops listening and it can be started again', async () => {
    const reactor = new MemoryReactorClock();
    const server = new TCPServer(8080, quietFactory(), { reactor });
    server.startService();
    const [port] = reactor.ports;
    await server.stopService();
    expect(port?.listening).to.equal(false);
    expect(server.port).to.equal(null);
    server.startService();
    expect(reactor.tcpServers).to.have.length(2);
  });

  it('stopService() does nothing before a start', () => {
    expect(new TCPServer(8080, quietFactory()).stopService()).to.equal(undefined);
  });

  it('throws CannotListenError out of the start', () => {
    const error = new CannotListenError('', 8080, new Error('taken'));
    const server = new TCPServer(8080, quietFactory(), {
      reactor: new RaisingMemoryReactor(error),
    });
    expect(() => server.privilegedStartService()).to.throw(error.message);
  });

  it('serves on a real port and frees it', async () => {
    const openBefore = processReactor.openCount;
    const server = new TCPServer(0, quietFactory(), { interface: '127.0.0.1' });
    server.startService();
    const port = server.port?.getHost();
    if (port === undefined || !('port' in port)) throw new Error('no port');
    const again = new TCPServer(port.port, quietFactory(), { interface: '127.0.0.1' });
    expect(() => again.startService()).to.throw(CannotListenError);
    await server.stopService();
    again.startService();
    await again.stopService();
    expect(processReactor.openCount).to.equal(openBefore);
  });
});

describe('TCPClient', () => {
  it('connects when it starts and disconnects when it stops', () => {
    const reactor = new MemoryReactorClock();
    const factory = ClientFactory.forProtocol(Protocol);
    factory.noisy = false;
    const client = new TCPClient('example.com', 80, factory, { timeout: 5, reactor });
    client.startService();
    expect(reactor.tcpClients).to.deep.equal([['example.com', 80, factory, 5, null]]);
    const [connector] = reactor.connectors;
    expect(connector?.state).to.equal('connecting');
    client.stopService();
    expect(connector?.state).to.equal('disconnected');
  });

  it('stopService() is fine when the connection is gone already', () => {
    const reactor = new MemoryReactorClock();
    const factory = ClientFactory.forProtocol(Protocol);
    factory.noisy = false;
    const client = new TCPClient('example.com', 80, factory, { reactor });
    client.startService();
    reactor.connectors[0]?.fail();
    client.stopService();
    expect(client.running).to.equal(false);
  });
});

describe('TimerService', () => {
  it('calls its function at the start and every step, with its arguments, until it is stopped', () => {
    const clock = new MemoryReactorClock();
    const calls: string[] = [];
    const timer = new TimerService(2, (text: string) => calls.push(text), 'tick');
    timer.clock = clock;
    timer.startService();
    expect(calls).to.deep.equal(['tick']);
    clock.advance(2);
    clock.advance(2);
    expect(calls).to.have.length(3);
    timer.stopService();
    clock.advance(10);
    expect(calls).to.have.length(3);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('stopService() waits for the call that is under way', () => {
    const clock = new MemoryReactorClock();
    const call = new Deferred<void>();
    const timer = new TimerService(1, () => call);
    timer.clock = clock;
    timer.startService();
    const stopped = timer.stopService() as Deferred<void>; // as its docstring says
    assertNoResult(stopped);
    call.callback();
    successResultOf(stopped);
  });

  it('reports a failure, ends the calls, and can be stopped and started again', () => {
    const reports: Failure[] = [];
    const before = setUnhandledFailureHandler((failure) => reports.push(failure));
    try {
      const clock = new MemoryReactorClock();
      let calls = 0;
      const timer = new TimerService(1, () => {
        calls += 1;
        if (calls === 2) throw new Error('second');
      });
      timer.clock = clock;
      timer.startService();
      clock.advance(1);
      clock.advance(5);
      expect(calls).to.equal(2);
      expect(reports.map((failure) => failure.getErrorMessage())).to.deep.equal(['second']);
      successResultOf(timer.stopService() as Deferred<void>);
      timer.startService();
      clock.advance(1);
      expect(calls).to.equal(4);
      timer.stopService();
    } finally {
      setUnhandledFailureHandler(before);
    }
  });

  it('stopService() fires before any start', () => {
    successResultOf(new TimerService(1, () => {}).stopService() as Deferred<void>);
  });
});

/** An endpoint whose port comes when the test says so. */
class SlowEndpoint {
  readonly attempts: Array<Deferred<ListeningPort>> = [];
  cancelled = 0;

  listen(): Deferred<ListeningPort> {
    const attempt = new Deferred<ListeningPort>(() => {
      this.cancelled += 1;
    });
    this.attempts.push(attempt);
    return attempt;
  }
}

function portThatStops(
  stopped: Deferred<void> = succeed(undefined) as Deferred<void>,
): ListeningPort {
  const reactor = new MemoryReactorClock();
  const port = reactor.listenTCP(1, quietFactory());
  port.stopListening = () => stopped;
  return port;
}

describe('services of TLS, UNIX sockets and datagrams', () => {
  const context = { key: 'a key', cert: 'a certificate' };

  it('SSLServer listens from the privileged start on, once, with its options', async () => {
    const reactor = new MemoryReactorClock();
    const factory = quietFactory();
    const server = new SSLServer(443, factory, context, { interface: '::1', backlog: 7, reactor });
    server.privilegedStartService();
    server.startService();
    expect(reactor.sslServers).to.deep.equal([[443, factory, context, 7, '::1']]);
    expect(server.port).to.equal(reactor.ports[0]);
    await server.stopService();
    expect([server.port, reactor.ports[0]?.listening]).to.deep.equal([null, false]);
    expect(String(server)).to.equal('SSLServer(443)');
  });

  it('UNIXServer listens from the privileged start on, once, with its options', async () => {
    const reactor = new MemoryReactorClock();
    const factory = quietFactory();
    const server = new UNIXServer('/run/app', factory, { mode: 0o600, wantPID: true, reactor });
    server.privilegedStartService();
    server.startService();
    expect(reactor.unixServers).to.deep.equal([['/run/app', factory, 511, 0o600, true]]);
    expect(server.port).to.equal(reactor.unixPorts[0]);
    await server.stopService();
    expect([server.port, reactor.unixPorts[0]?.listening]).to.deep.equal([null, false]);
    expect(String(server)).to.equal('UNIXServer(/run/app)');
  });

  it('UDPServer and MulticastServer listen from the privileged start on, once', async () => {
    const reactor = new MemoryReactorClock();
    const protocols = [new DatagramProtocol(), new DatagramProtocol()] as const;
    for (const protocol of protocols) protocol.noisy = false;
    const options = { maxPacketSize: 100, reactor };
    const servers = [
      new UDPServer(53, protocols[0], options),
      new MulticastServer(54, protocols[1], { ...options, listenMultiple: true }),
    ];
    for (const server of servers) {
      server.privilegedStartService();
      server.startService();
    }
    expect(reactor.udpServers).to.deep.equal([[53, protocols[0], '', 100]]);
    expect(reactor.multicastServers).to.deep.equal([[54, protocols[1], '', 100, true]]);
    expect(servers.map(({ port }) => port)).to.deep.equal(reactor.udpPorts);
    for (const server of servers) await server.stopService();
    expect(reactor.udpPorts.map(({ listening }) => listening)).to.deep.equal([false, false]);
    expect(servers.map(String)).to.deep.equal(['UDPServer(53)', 'MulticastServer(54)']);
  });

  for (const make of [
    (reactor: MemoryReactorClock) => new SSLServer(443, quietFactory(), context, { reactor }),
    (reactor: MemoryReactorClock) => new UNIXServer('/run/app', quietFactory(), { reactor }),
    (reactor: MemoryReactorClock) => new UDPServer(53, new DatagramProtocol(), { reactor }),
    (reactor: MemoryReactorClock) => new MulticastServer(53, new DatagramProtocol(), { reactor }),
  ]) {
    const { name } = make(new MemoryReactorClock()).constructor;
    it(`${name} throws CannotListenError out of the start and can be started later`, () => {
      const server = make(new RaisingMemoryReactor());
      expect(() => server.privilegedStartService()).to.throw(CannotListenError);
      expect(server.port).to.equal(null);
      expect(server.stopService()).to.equal(undefined);
    });
  }

  it('SSLClient connects in the start and gives up in the stop', () => {
    const reactor = new MemoryReactorClock();
    const factory = new ClientFactory();
    factory.noisy = false;
    const client = new SSLClient('example.org', 443, factory, context, { timeout: 5, reactor });
    client.privilegedStartService();
    expect(reactor.sslClients).to.deep.equal([]);
    client.startService();
    expect(reactor.sslClients).to.deep.equal([['example.org', 443, factory, context, 5, null]]);
    client.stopService();
    expect(reactor.connectors[0]?.state).to.equal('disconnected');
    client.stopService();
    expect(String(client)).to.equal('SSLClient(example.org:443)');
  });

  it('UNIXClient connects in the start and gives up in the stop', () => {
    const reactor = new MemoryReactorClock();
    const factory = new ClientFactory();
    factory.noisy = false;
    const client = new UNIXClient('/run/app', factory, { checkPID: true, reactor });
    client.startService();
    expect(reactor.unixClients).to.deep.equal([['/run/app', factory, 30, true]]);
    client.stopService();
    expect(reactor.unixConnectors[0]?.state).to.equal('disconnected');
    expect(String(client)).to.equal('UNIXClient(/run/app)');
  });

  /** Runs `server`, then `client` until its connection has come and gone. */
  async function visit(
    server: Service,
    makeClient: (factory: ClientFactory) => Service,
  ): Promise<void> {
    server.startService();
    const factory = new ClientFactory<AccumulatingProtocol>();
    factory.noisy = false;
    const visitor = new AccumulatingProtocol();
    factory.buildProtocol = () => visitor;
    const client = makeClient(factory);
    client.startService();
    await visitor.disconnected;
    expect(visitor.data.toString()).to.equal('welcome');
    client.stopService();
    await server.stopService();
  }

  class Greeter extends Protocol {
    override connectionMade(): void {
      this.transport.write('welcome');
      this.transport.loseConnection();
    }
  }

  function greeters(): Factory {
    const factory = Factory.forProtocol(Greeter);
    factory.noisy = false;
    return factory;
  }

  it('SSLServer and SSLClient meet on a real port', async () => {
    const reactor = new LibuvReactor();
    const { ca, server: credentials } = certificates();
    const server = new SSLServer(0, greeters(), credentials, { interface: '127.0.0.1', reactor });
    await visit(server, (factory) => {
      const address = server.port?.getHost() as IPv4Address; // it is a TCP port
      return new SSLClient('127.0.0.1', address.port, factory, { ca: ca.cert }, { reactor });
    });
    expect(reactor.openCount).to.equal(0);
  });

  it('UNIXServer and UNIXClient meet on a real socket', async function () {
    if (process.platform === 'win32') this.skip();
    const folder = mkdtempSync(join(tmpdir(), 'strand-service-'));
    try {
      const reactor = new LibuvReactor();
      const path = join(folder, 'app.sock');
      await visit(
        new UNIXServer(path, greeters(), { reactor }),
        (factory) => new UNIXClient(path, factory, { reactor }),
      );
      expect(reactor.openCount).to.equal(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('UDPServer serves on a real port and frees it', async () => {
    const reactor = new LibuvReactor();
    class Once extends DatagramProtocol {
      override noisy = false;
      readonly heard = new Deferred<string>();
      override datagramReceived(datagram: Buffer): void {
        this.heard.callback(datagram.toString());
      }
    }
    const protocol = new Once();
    const server = new UDPServer(0, protocol, { interface: '127.0.0.1', reactor });
    server.startService();
    const { port = 0 } = server.port?.getHost() ?? {};
    protocol.transport.write('to myself', ['127.0.0.1', port]);
    expect(await protocol.heard).to.equal('to myself');
    await server.stopService();
    expect(reactor.openCount).to.equal(0);
  });
});

describe('CooperatorService', () => {
  it('has iterators take turns while it runs', () => {
    const clock = new Clock();
    const service = new CooperatorService({ clock });
    const seen: string[] = [];
    function* steps(name: string): Generator<undefined> {
      for (const n of [1, 2]) {
        seen.push(`${name}${n}`);
        yield undefined;
      }
    }
    const a = service.coiterate(steps('a'));
    clock.advance(1);
    expect(seen).to.deep.equal([]);
    service.startService();
    service.cooperate(steps('b'));
    for (let i = 0; i < 5; i++) clock.advance(0);
    expect(seen).to.deep.equal(['a1', 'b1', 'a2', 'b2']);
    successResultOf(a);
    service.stopService();
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('ends what is not done when it stops, and starts afresh', () => {
    const clock = new Clock();
    const service = new CooperatorService({ clock });
    let steps = 0;
    function* endless(): Generator<undefined> {
      while (true) {
        steps += 1;
        if (steps === 3) service.stopService();
        yield undefined;
      }
    }
    service.startService();
    const first = service.coiterate(endless());
    clock.advance(0);
    expect(steps).to.equal(3);
    failureResultOf(first, SchedulerStopped);
    failureResultOf(service.coiterate(endless()), SchedulerStopped);
    service.startService();
    const second = service.coiterate([1, 2]);
    for (let i = 0; i < 4; i++) clock.advance(0);
    successResultOf(second);
  });
});

describe('StreamServerEndpointService', () => {
  it('listens once, in the privileged start', () => {
    const endpoint = new SlowEndpoint();
    const server = new StreamServerEndpointService(endpoint, quietFactory());
    const started = server.privilegedStartService() as Deferred<void>;
    server.startService();
    expect(endpoint.attempts).to.have.length(1);
    assertNoResult(started);
    const port = portThatStops();
    endpoint.attempts[0]?.callback(port);
    successResultOf(started);
    expect(server.port).to.equal(port);
  });

  it('the start fails with what the endpoint fails with, and the next one tries again', () => {
    const endpoint = new SlowEndpoint();
    const server = new StreamServerEndpointService(endpoint, quietFactory());
    const started = server.privilegedStartService() as Deferred<void>;
    endpoint.attempts[0]?.errback(new CannotListenError('', 80, new Error('taken')));
    failureResultOf(started, CannotListenError);
    server.startService();
    expect(endpoint.attempts).to.have.length(2);
  });

  it('stopService() waits until the port is closed', () => {
    const endpoint = new SlowEndpoint();
    const closed = new Deferred<void>();
    const server = new StreamServerEndpointService(endpoint, quietFactory());
    server.startService();
    endpoint.attempts[0]?.callback(portThatStops(closed));
    const stopped = server.stopService() as Deferred<void>;
    assertNoResult(stopped);
    closed.callback();
    successResultOf(stopped);
    expect(server.port).to.equal(null);
  });

  it('stopService() cancels a listen that is under way, which fails nobody', () => {
    const endpoint = new SlowEndpoint();
    const server = new StreamServerEndpointService(endpoint, quietFactory());
    const started = server.startService() as Deferred<void>;
    const stopped = server.stopService() as Deferred<void>;
    expect(endpoint.cancelled).to.equal(1);
    successResultOf(stopped);
    successResultOf(started);
  });

  it('stopService() closes a port that comes in spite of the cancellation', () => {
    const listening = new Deferred<ListeningPort>((attempt) => attempt.callback(port));
    let closed = 0;
    const port = portThatStops();
    port.stopListening = () => {
      closed += 1;
      return succeed(undefined) as Deferred<void>;
    };
    const server = new StreamServerEndpointService({ listen: () => listening }, quietFactory());
    server.startService();
    successResultOf(server.stopService() as Deferred<void>);
    expect(closed).to.equal(1);
  });

  it('does not hold up its stop by what waits for its start', () => {
    const root = new MultiService();
    const endpoint = new SlowEndpoint();
    new StreamServerEndpointService(endpoint, quietFactory()).setServiceParent(root);
    const second = new SlowEndpoint();
    new StreamServerEndpointService(second, quietFactory()).setServiceParent(root);
    root.privilegedStartService();
    endpoint.attempts[0]?.callback(portThatStops());
    successResultOf(root.stopService());
    expect(second.cancelled).to.equal(1);
  });

  it('reports nothing when it is stopped before it listens', () => {
    const reports: Failure[] = [];
    const before = setUnhandledFailureHandler((failure) => reports.push(failure));
    try {
      const root = new MultiService();
      root.startService();
      const server = new StreamServerEndpointService(new SlowEndpoint(), quietFactory());
      server.setServiceParent(root);
      root.stopService();
      expect(reports.filter((failure) => failure.check(CancelledError))).to.deep.equal([]);
    } finally {
      setUnhandledFailureHandler(before);
    }
  });
});

describe('service', () => {
  it('service() listens where its description says', () => {
    const reactor = new MemoryReactorClock();
    const factory = quietFactory();
    const server = service('tcp:8007:interface=127.0.0.1', factory, reactor);
    server.privilegedStartService();
    expect(reactor.tcpServers[0]?.slice(0, 2)).to.deep.equal([8007, factory]);
    expect(reactor.tcpServers[0]?.[3]).to.equal('127.0.0.1');
  });

  it('service() throws for a description that cannot be read', () => {
    expect(() => service('carrier-pigeon:coop', quietFactory())).to.throw(/carrier-pigeon/);
  });
});
