import { expect } from 'chai';
import {
  CancelledError,
  Deferred,
  type Failure,
  setUnhandledFailureHandler,
  succeed,
} from '../../src/deferred/index.ts';
import { ClientFactory, Factory, Protocol } from '../../src/protocols/index.ts';
import {
  assertNoResult,
  CannotListenError,
  failureResultOf,
  type ListeningPort,
  MemoryReactorClock,
  reactor as processReactor,
  RaisingMemoryReactor,
  successResultOf,
} from '../../src/reactor/index.ts';
import {
  MultiService,
  StreamServerEndpointService,
  service,
  TCPClient,
  TCPServer,
  TimerService,
} from '../../src/service/index.ts';

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
