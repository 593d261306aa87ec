import { expect } from 'chai';
import {
  CancelledError,
  Deferred,
  Failure,
  setUnhandledFailureHandler,
  succeed,
} from '../../src/deferred/index.ts';
import { Factory, Protocol } from '../../src/protocols/index.ts';
import {
  assertNoResult,
  Clock,
  ConnectionLost,
  ConnectionRefusedError,
  type EndpointFactory,
  failureResultOf,
  type IProtocol,
  IPv4Address,
  reactor,
  type StreamClientEndpoint,
  StringTransportWithDisconnection,
  successResultOf,
  TCP4ClientEndpoint,
} from '../../src/reactor/index.ts';
import {
  ClientService,
  type ClientServiceOptions,
  capturedLogs,
  TCPServer,
} from '../../src/service/index.ts';

const ADDRESS = new IPv4Address('TCP', '127.0.0.1', 1);

interface Attempt {
  readonly factory: EndpointFactory<IProtocol>;
  readonly deferred: Deferred<IProtocol>;
  cancelled: boolean;
}

/** An endpoint whose attempts come to what the test says. */
class ScriptedEndpoint implements StreamClientEndpoint {
  readonly attempts: Attempt[] = [];
  heedsCancel = true;

  connect<P extends IProtocol>(factory: EndpointFactory<P>): Deferred<P> {
    const attempt: Attempt = {
      factory,
      cancelled: false,
      deferred: new Deferred<IProtocol>((deferred) => {
        attempt.cancelled = true;
        // What does not heed its cancellation leaves the Deferred to fail by itself.
        if (this.heedsCancel) deferred.errback(new CancelledError());
      }),
    };
    this.attempts.push(attempt);
    return attempt.deferred as Deferred<IProtocol> as Deferred<P>; // what the factory builds is a P
  }

  get last(): Attempt {
    const attempt = this.attempts.at(-1);
    if (attempt === undefined) throw new Error('nobody has connected');
    return attempt;
  }

  /** Lets the last attempt succeed. */
  succeed(): StringTransportWithDisconnection {
    const { factory, deferred } = this.last;
    const protocol = factory.buildProtocol(ADDRESS);
    if (protocol === null || protocol === undefined) throw new Error('no protocol');
    const transport = new StringTransportWithDisconnection();
    transport.protocol = protocol;
    protocol.makeConnection(transport);
    deferred.callback(protocol);
    return transport;
  }

  fail(error: Error = new ConnectionRefusedError('no')): void {
    this.last.deferred.errback(error);
  }
}

class Talk extends Protocol {
  readonly heard: string[] = [];

  override dataReceived(data: Buffer): void {
    this.heard.push(String(data));
  }

  override connectionLost(reason: Failure): void {
    this.heard.push(reason.type?.name ?? '');
  }
}

function make(options: ClientServiceOptions<Talk> = {}): {
  service: ClientService<Talk>;
  endpoint: ScriptedEndpoint;
  clock: Clock;
} {
  const clock = new Clock();
  const endpoint = new ScriptedEndpoint();
  const factory = Factory.forProtocol(Talk);
  factory.noisy = false;
  const service = new ClientService<Talk>(endpoint, factory as EndpointFactory<Talk>, {
    clock,
    retryPolicy: () => 1,
    ...options,
  });
  return { service, endpoint, clock };
}

describe('ClientService', () => {
  let logs: ReturnType<typeof capturedLogs>;
  beforeEach(() => {
    logs = capturedLogs();
  });
  afterEach(() => logs.stop());

  it("connects when it is started, and whenConnected() fires with the user's protocol", () => {
    const { service, endpoint } = make();
    const early = service.whenConnected();
    expect(endpoint.attempts).to.have.length(0);
    service.startService();
    assertNoResult(early);
    endpoint.succeed().protocol?.dataReceived(Buffer.from('hi'));
    const protocol = successResultOf(early);
    expect(protocol).to.be.instanceOf(Talk);
    expect(protocol.heard).to.deep.equal(['hi']);
    expect(successResultOf(service.whenConnected())).to.equal(protocol);
  });

  it('starting twice connects once', () => {
    const { service, endpoint } = make();
    service.startService();
    service.startService();
    expect(endpoint.attempts).to.have.length(1);
  });

  it('connects again after the wait when an attempt fails, and waits by the number of failures', () => {
    const asked: number[] = [];
    const { service, endpoint, clock } = make({
      retryPolicy: (attempts) => {
        asked.push(attempts);
        return attempts * 10;
      },
    });
    service.startService();
    endpoint.fail();
    clock.advance(9.9);
    expect(endpoint.attempts).to.have.length(1);
    clock.advance(0.2);
    expect(endpoint.attempts).to.have.length(2);
    endpoint.fail();
    clock.advance(20);
    expect(endpoint.attempts).to.have.length(3);
    expect(asked).to.deep.equal([1, 2]);
  });

  it('connects again when the connection is lost, counting failures anew', () => {
    const asked: number[] = [];
    const { service, endpoint, clock } = make({
      retryPolicy: (attempts) => {
        asked.push(attempts);
        return 1;
      },
    });
    service.startService();
    endpoint.fail();
    clock.advance(1);
    const transport = endpoint.succeed();
    const first = successResultOf(service.whenConnected());
    transport.protocol?.connectionLost(new Failure(new ConnectionLost()));
    expect(first.heard).to.deep.equal(['ConnectionLost']);
    const next = service.whenConnected();
    assertNoResult(next);
    clock.advance(1);
    endpoint.succeed();
    expect(successResultOf(next)).not.to.equal(first);
    expect(asked).to.deep.equal([1, 1]);
  });

  it("whenConnected() fails after so many failures, with the last one's reason", () => {
    const { service, endpoint, clock } = make();
    service.startService();
    const once = service.whenConnected({ failAfterFailures: 1 });
    const twice = service.whenConnected({ failAfterFailures: 2 });
    const forever = service.whenConnected();
    endpoint.fail(new ConnectionRefusedError('first'));
    expect(failureResultOf(once).getErrorMessage()).to.equal('first');
    assertNoResult(twice);
    clock.advance(1);
    endpoint.fail(new ConnectionRefusedError('second'));
    expect(failureResultOf(twice).getErrorMessage()).to.equal('second');
    assertNoResult(forever);
    clock.advance(1);
    endpoint.succeed();
    successResultOf(forever);
  });

  it('whenConnected() throws for a number of failures below 1', () => {
    const { service } = make();
    expect(() => service.whenConnected({ failAfterFailures: 0 })).to.throw(
      RangeError,
      /0 failures/,
    );
  });

  it('whenConnected() can be cancelled', () => {
    const { service, endpoint } = make();
    service.startService();
    const waiting = service.whenConnected();
    waiting.cancel();
    failureResultOf(waiting, CancelledError);
    endpoint.succeed();
  });

  it('one that gives up waiting for the connection does not keep it from the others', () => {
    const { service, endpoint } = make();
    service.startService();
    const first = service.whenConnected();
    const second = service.whenConnected();
    first.addErrback(() => {});
    first.cancel();
    endpoint.succeed();
    expect(successResultOf(second)).to.be.instanceOf(Talk);
    expect(service.status.state).to.equal('connected');
  });

  it('closes the connection when it was stopped by who heard that it connects', () => {
    const { service, endpoint } = make();
    let stopped: Deferred<void> | undefined;
    const end = service.watchStatus(({ state }) => {
      if (state === 'connecting') stopped = service.stopService();
    });
    service.startService();
    end();
    if (stopped === undefined) throw new Error('nobody heard of it');
    assertNoResult(stopped);
    const transport = endpoint.succeed();
    expect(transport.disconnecting).to.equal(true);
    successResultOf(stopped);
    expect(service.status).to.deep.equal({ state: 'stopped' });
  });

  it('a connection that is lost before the endpoint tells of it is a failed attempt', () => {
    const clock = new Clock();
    const factory = Factory.forProtocol(Talk);
    factory.noisy = false;
    const endpoint: StreamClientEndpoint = {
      connect: (given) => {
        const protocol = given.buildProtocol(ADDRESS);
        if (protocol === null || protocol === undefined) throw new Error('no protocol');
        const transport = new StringTransportWithDisconnection();
        transport.protocol = protocol;
        protocol.makeConnection(transport);
        protocol.connectionLost(new Failure(new ConnectionLost('at once')));
        return succeed(protocol) as never; // a protocol is no promise
      },
    };
    const service = new ClientService<Talk>(endpoint, factory as EndpointFactory<Talk>, { clock });
    service.startService();
    expect(service.status).to.include({ state: 'waiting', attempt: 1 });
    service.stopService();
  });

  it('stopService() while connected closes, and fires when the connection is lost', () => {
    const { service, endpoint, clock } = make();
    service.startService();
    const transport = endpoint.succeed();
    let lose: (() => void) | undefined;
    transport.loseConnection = () => {
      lose = () => transport.protocol?.connectionLost(new Failure(new ConnectionLost()));
    };
    const stopped = service.stopService();
    assertNoResult(stopped);
    failureResultOf(service.whenConnected(), CancelledError);
    lose?.();
    successResultOf(stopped);
    clock.advance(100);
    expect(endpoint.attempts).to.have.length(1);
  });

  it('stopService() while connecting cancels the attempt and fails who waits', () => {
    const { service, endpoint } = make();
    service.startService();
    const waiting = service.whenConnected();
    successResultOf(service.stopService());
    expect(endpoint.last.cancelled).to.equal(true);
    failureResultOf(waiting, CancelledError);
  });

  it('stopService() closes the connection of an attempt that does not heed its cancellation', () => {
    const { service, endpoint } = make();
    endpoint.heedsCancel = false;
    service.startService();
    successResultOf(service.stopService());
    const protocol = endpoint.last.factory.buildProtocol(ADDRESS);
    const transport = new StringTransportWithDisconnection();
    if (protocol === null || protocol === undefined) throw new Error('no protocol');
    transport.protocol = protocol;
    protocol.makeConnection(transport);
    expect(transport.disconnecting).to.equal(true);
  });

  it('stopService() while waiting gives the wait up', () => {
    const { service, endpoint, clock } = make();
    service.startService();
    endpoint.fail();
    const waiting = service.whenConnected();
    successResultOf(service.stopService());
    failureResultOf(waiting, CancelledError);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('stopService() fires at once before any start, and when it is stopped already', () => {
    const { service } = make();
    successResultOf(service.stopService());
    successResultOf(service.stopService());
    failureResultOf(service.whenConnected(), CancelledError);
  });

  it('every stopService() fires when it is stopped', () => {
    const { service, endpoint } = make();
    service.startService();
    const transport = endpoint.succeed();
    let lose: (() => void) | undefined;
    transport.loseConnection = () => {
      lose = () => transport.protocol?.connectionLost(new Failure(new ConnectionLost()));
    };
    const [first, second] = [service.stopService(), service.stopService()];
    lose?.();
    successResultOf(first);
    successResultOf(second);
  });

  it('connects again when it is started while it disconnects', () => {
    const { service, endpoint } = make();
    service.startService();
    const transport = endpoint.succeed();
    let lose: (() => void) | undefined;
    transport.loseConnection = () => {
      lose = () => transport.protocol?.connectionLost(new Failure(new ConnectionLost()));
    };
    const stopped = service.stopService();
    service.startService();
    const next = service.whenConnected();
    expect(endpoint.attempts).to.have.length(1);
    lose?.();
    successResultOf(stopped);
    expect(endpoint.attempts).to.have.length(2);
    endpoint.succeed();
    successResultOf(next);
  });

  it('stops after all when it is stopped again while it restarts', () => {
    const { service, endpoint } = make();
    service.startService();
    const transport = endpoint.succeed();
    let lose: (() => void) | undefined;
    transport.loseConnection = () => {
      lose = () => transport.protocol?.connectionLost(new Failure(new ConnectionLost()));
    };
    service.stopService();
    service.startService();
    const stopped = service.stopService();
    lose?.();
    successResultOf(stopped);
    expect(endpoint.attempts).to.have.length(1);
  });

  it('starts again after a stop', () => {
    const { service, endpoint } = make();
    service.startService();
    endpoint.succeed();
    successResultOf(service.stopService());
    service.startService();
    endpoint.succeed();
    successResultOf(service.whenConnected());
    expect(endpoint.attempts).to.have.length(2);
  });

  it('counts as connected once prepareConnection is done', () => {
    const ready = new Deferred<void>();
    const prepared: Talk[] = [];
    const { service, endpoint } = make({
      prepareConnection: (protocol) => {
        prepared.push(protocol);
        return ready;
      },
    });
    service.startService();
    const waiting = service.whenConnected();
    endpoint.succeed();
    assertNoResult(waiting);
    ready.callback();
    expect(successResultOf(waiting)).to.equal(prepared[0]);
  });

  it('closes the connection and tries again when prepareConnection fails', () => {
    let failing = true;
    const { service, endpoint, clock } = make({
      prepareConnection: () => {
        if (failing) throw new Error('wrong password');
      },
    });
    service.startService();
    const once = service.whenConnected({ failAfterFailures: 1 });
    const forever = service.whenConnected();
    const transport = endpoint.succeed();
    expect(failureResultOf(once).getErrorMessage()).to.equal('wrong password');
    expect(transport.disconnecting).to.equal(true);
    failing = false;
    clock.advance(1);
    endpoint.succeed();
    successResultOf(forever);
    expect(endpoint.attempts).to.have.length(2);
  });

  it('gives the preparation up when the connection is lost meanwhile, and tries again', () => {
    const { service, endpoint, clock } = make({ prepareConnection: () => new Deferred<void>() });
    service.startService();
    const once = service.whenConnected({ failAfterFailures: 1 });
    endpoint.succeed().protocol?.connectionLost(new Failure(new ConnectionLost('gone')));
    expect(failureResultOf(once).getErrorMessage()).to.equal('gone');
    clock.advance(1);
    expect(endpoint.attempts).to.have.length(2);
  });

  it('stopService() while preparing cancels the preparation and waits for the close', () => {
    let cancelled = false;
    const { service, endpoint } = make({
      prepareConnection: () =>
        new Deferred<void>(() => {
          cancelled = true;
        }),
    });
    service.startService();
    const transport = endpoint.succeed();
    let lose: (() => void) | undefined;
    transport.loseConnection = () => {
      lose = () => transport.protocol?.connectionLost(new Failure(new ConnectionLost()));
    };
    const stopped = service.stopService();
    expect(cancelled).to.equal(true);
    assertNoResult(stopped);
    lose?.();
    successResultOf(stopped);
  });

  it('reports a retry policy that fails and falls back to the default one', () => {
    const reports: string[] = [];
    const before = setUnhandledFailureHandler((failure) => reports.push(failure.getErrorMessage()));
    try {
      const { service, endpoint, clock } = make({ retryPolicy: () => Number.NaN });
      service.startService();
      endpoint.fail();
      expect(reports.join()).to.match(/Cannot wait NaN seconds/);
      clock.advance(3);
      expect(endpoint.attempts).to.have.length(2);
    } finally {
      setUnhandledFailureHandler(before);
    }
  });

  it('says when it will try again', () => {
    const { service, endpoint } = make();
    service.startService();
    endpoint.fail(new ConnectionRefusedError('nobody there'));
    expect(logs.entries.map((entry) => entry.message)).to.deep.equal([
      'ClientService tries attempt 1 in 1 seconds: nobody there',
    ]);
  });

  it('passes half-closes and handshakes on to protocols that know them, and to no others', () => {
    const heard: string[] = [];
    class Knowing extends Protocol {
      readConnectionLost(): void {
        heard.push('read');
      }
      writeConnectionLost(): void {
        heard.push('write');
      }
      handshakeCompleted(): void {
        heard.push('handshake');
      }
    }
    const endpoint = new ScriptedEndpoint();
    const service = new ClientService(endpoint, Factory.forProtocol(Knowing));
    service.startService();
    const seen = endpoint.last.factory.buildProtocol(ADDRESS) as unknown as Knowing; // has what it has
    seen.handshakeCompleted();
    seen.readConnectionLost();
    seen.writeConnectionLost();
    expect(heard).to.deep.equal(['handshake', 'read', 'write']);
    const plain = make();
    plain.service.startService();
    const other = plain.endpoint.last.factory.buildProtocol(ADDRESS);
    expect(other).not.to.have.property('readConnectionLost');
    expect(other).not.to.have.property('handshakeCompleted');
    service.stopService();
  });

  it('keeps a real connection up', async () => {
    const sessions: Protocol[] = [];
    class Session extends Protocol {
      override connectionMade(): void {
        sessions.push(this);
      }
    }
    const serverFactory = Factory.forProtocol(Session);
    const server = new TCPServer(0, serverFactory, { interface: '127.0.0.1' });
    server.startService();
    const host = server.port?.getHost();
    if (host === undefined || !('port' in host)) throw new Error('no port');
    const client = new ClientService(
      new TCP4ClientEndpoint(reactor, '127.0.0.1', host.port),
      Factory.forProtocol(Talk) as EndpointFactory<Talk>,
      { retryPolicy: () => 0 },
    );
    client.startService();
    const first = await client.whenConnected();
    const lost = new Deferred<void>();
    first.connectionLost = () => lost.callback();
    first.transport.loseConnection();
    await lost;
    const second = await client.whenConnected();
    expect(second).not.to.equal(first);
    await client.stopService();
    await server.stopService();
    for (const session of sessions) session.transport.abortConnection();
  });
});

describe('A protocol under ClientService', () => {
  it('costs its connection when an async method fails', async () => {
    const origins: string[] = [];
    const previous = setUnhandledFailureHandler((_, { origin }) => origins.push(origin));
    const lost = new Deferred<[Failure]>();
    class Failing extends Protocol {
      override async dataReceived(): Promise<void> {
        throw new SyntaxError('too late');
      }
      override connectionLost(reason: Failure): void {
        if (!lost.called) lost.callback([reason]);
      }
    }
    class Greeter extends Protocol {
      override connectionMade(): void {
        this.transport.write('hello');
      }
    }
    const port = reactor.listenTCP(0, Factory.forProtocol(Greeter), { interface: '127.0.0.1' });
    const service = new ClientService(
      new TCP4ClientEndpoint(reactor, '127.0.0.1', port.getHost().port),
      Factory.forProtocol(Failing),
    );
    try {
      service.startService();
      const [reason] = await lost;
      expect(reason.check(SyntaxError)).to.equal(SyntaxError);
      expect(origins).to.have.length(1);
    } finally {
      await service.stopService();
      await port.stopListening();
      setUnhandledFailureHandler(previous);
    }
  });
});
