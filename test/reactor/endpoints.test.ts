import { expect } from 'chai';
import { type Failure, setUnhandledFailureHandler } from '../../src/deferred/index.ts';
import {
  type Address,
  HostnameAddress,
  IPv4Address,
  IPv6Address,
} from '../../src/reactor/address.ts';
import {
  connectProtocol,
  HostnameEndpoint,
  InvalidHostnameError,
  TCP4ClientEndpoint,
  TCP4ServerEndpoint,
  TCP6ClientEndpoint,
  TCP6ServerEndpoint,
} from '../../src/reactor/endpoints/index.ts';
import {
  CannotListenError,
  ConnectingCancelledError,
  ConnectionDone,
  ConnectionRefusedError,
  DNSLookupError,
  NoProtocol,
  TimeoutError,
} from '../../src/reactor/errors.ts';
import type {
  EndpointFactory,
  HostResolution,
  IProtocol,
  ResolutionReceiver,
  StreamClientEndpoint,
  Transport,
} from '../../src/reactor/interfaces.ts';
import {
  assertNoResult,
  ConnectionCompleter,
  FakeTransport,
  failureResultOf,
  type IOPump,
  MemoryReactorClock,
  RaisingMemoryReactor,
  successResultOf,
} from '../../src/reactor/testing.ts';

class Noting implements IProtocol {
  transport!: Transport;
  readonly calls: unknown[] = [];

  makeConnection(transport: Transport): void {
    this.transport = transport;
    this.calls.push('made');
  }

  dataReceived(data: Buffer): void {
    this.calls.push(data.toString());
  }

  connectionLost(reason: Failure): void {
    this.calls.push(reason.type);
  }
}

class HalfCloseable extends Noting {
  readConnectionLost(): void {
    this.calls.push('read closed');
  }

  writeConnectionLost(): void {
    this.calls.push('write closed');
  }

  logPrefix(): string {
    return 'Mine';
  }
}

/** A factory of one kind of protocol, that notes what it is told. */
class NotingFactory<P extends IProtocol = Noting> implements EndpointFactory<P> {
  readonly calls: unknown[] = [];
  readonly build: () => P | null | undefined;

  constructor(build: () => P | null | undefined) {
    this.build = build;
  }

  doStart(): void {
    this.calls.push('doStart');
  }

  doStop(): void {
    this.calls.push('doStop');
  }

  buildProtocol(addr: Address): P | null | undefined {
    this.calls.push(addr);
    return this.build();
  }
}

const HERE = new IPv4Address('TCP', '127.0.0.1', 80);

describe('Endpoints', () => {
  let reactor: MemoryReactorClock;
  let factory: NotingFactory;
  let completer: ConnectionCompleter;

  beforeEach(() => {
    reactor = new MemoryReactorClock();
    factory = new NotingFactory(() => new Noting());
    completer = new ConnectionCompleter(reactor);
  });

  /** A port 80 that takes what comes. */
  function serve(protocol: Noting = new Noting()): Noting {
    reactor.listenTCP(80, new NotingFactory(() => protocol));
    return protocol;
  }

  describe('TCP4ServerEndpoint and TCP6ServerEndpoint', () => {
    it('listen() fires with the port and passes the options on', () => {
      const options = { backlog: 5, interface: '127.0.0.1' };
      const port = successResultOf(new TCP4ServerEndpoint(reactor, 80, options).listen(factory));
      expect(port.getHost()).to.deep.equal(HERE);
      expect(reactor.tcpServers).to.deep.equal([[80, factory, 5, '127.0.0.1']]);
      expect(factory.calls).to.deep.equal(['doStart']);
    });

    it('listen() uses the reactor’s defaults, and :: for IPv6', () => {
      new TCP4ServerEndpoint(reactor, 80).listen(factory);
      new TCP6ServerEndpoint(reactor, 81).listen(factory);
      new TCP6ServerEndpoint(reactor, 82, { interface: '::1' }).listen(factory);
      expect(
        reactor.tcpServers.map(([port, , backlog, iface]) => [port, backlog, iface]),
      ).to.deep.equal([
        [80, 511, ''],
        [81, 511, '::'],
        [82, 511, '::1'],
      ]);
    });

    it('listen() fails, and does not throw, when the port cannot be bound', () => {
      const endpoint = new TCP4ServerEndpoint(new RaisingMemoryReactor(), 80);
      failureResultOf(endpoint.listen(factory), CannotListenError);
    });
  });

  const clients: [string, (r: MemoryReactorClock) => StreamClientEndpoint][] = [
    ['TCP4ClientEndpoint', (r) => new TCP4ClientEndpoint(r, '127.0.0.1', 80)],
    ['TCP6ClientEndpoint', (r) => new TCP6ClientEndpoint(r, '::1', 80)],
    ['HostnameEndpoint', (r) => new HostnameEndpoint(r, '127.0.0.1', 80)],
  ];
  for (const [name, make] of clients) {
    describe(`${name} as any client endpoint`, () => {
      let endpoint: StreamClientEndpoint;

      beforeEach(() => {
        endpoint = make(reactor);
      });

      it('connect() fires with the protocol once it is connected', () => {
        const server = serve();
        const connected = endpoint.connect(factory);
        assertNoResult(connected);
        const pump = completer.succeedOnce() as IOPump; // there is an attempt and a port
        const protocol = successResultOf(connected);
        expect(protocol).to.be.instanceOf(Noting);
        expect(protocol.calls).to.deep.equal(['made']);
        protocol.transport.write('hello');
        server.transport.write('welcome');
        pump.flush();
        expect(server.calls).to.deep.equal(['made', 'hello']);
        expect(protocol.calls).to.deep.equal(['made', 'welcome']);
        protocol.transport.loseConnection();
        pump.flush();
        expect(protocol.calls.at(-1)).to.equal(ConnectionDone);
        expect(factory.calls.at(0)).to.equal('doStart');
        expect(factory.calls.at(-1)).to.equal('doStop');
        expect(reactor.getDelayedCalls()).to.deep.equal([]);
      });

      it('connect() passes a protocol’s further interfaces and its log prefix on', () => {
        const server = serve();
        const own = new NotingFactory(() => new HalfCloseable());
        const connected = endpoint.connect(own);
        const pump = completer.succeedOnce();
        const protocol = successResultOf(connected);
        const transport = protocol.transport as FakeTransport; // as the completer makes them
        expect(transport.logPrefix()).to.equal('Mine,client');
        transport.loseWriteConnection();
        pump?.flush();
        expect(protocol.calls).to.deep.equal([
          'made',
          'write closed',
          'read closed',
          ConnectionDone,
        ]);
        expect(server.calls.at(-1)).to.equal(ConnectionDone);
      });

      it('connect() leaves a protocol without half-close as it is', () => {
        const server = serve();
        const connected = endpoint.connect(factory);
        const pump = completer.succeedOnce();
        server.transport.loseWriteConnection();
        pump?.flush();
        expect(successResultOf(connected).calls).to.deep.equal(['made', ConnectionDone]);
      });

      it('connect() fails with what the attempt fails with', () => {
        const connected = endpoint.connect(factory);
        assertNoResult(connected);
        const error = new ConnectionRefusedError('nobody there');
        completer.failOnce(error);
        expect(failureResultOf(connected).value).to.equal(error);
        expect(factory.calls).to.deep.equal(['doStart', 'doStop']);
      });

      it('connect() fails with what buildProtocol throws, and closes the connection', () => {
        const server = serve();
        const error = new RangeError('broken');
        const connected = endpoint.connect(
          new NotingFactory<Noting>(() => {
            throw error;
          }),
        );
        const pump = completer.succeedOnce();
        expect(failureResultOf(connected).value).to.equal(error);
        pump?.flush();
        expect(server.calls).to.deep.equal(['made', ConnectionDone]);
      });

      for (const nothing of [null, undefined]) {
        it(`connect() fails with NoProtocol when buildProtocol gives ${nothing}`, () => {
          const server = serve();
          const connected = endpoint.connect(new NotingFactory<Noting>(() => nothing));
          const pump = completer.succeedOnce();
          failureResultOf(connected, NoProtocol);
          pump?.flush();
          expect(server.calls.at(-1)).to.equal(ConnectionDone);
        });
      }

      it('connect() fails with what makeConnection throws, which is reported as well', () => {
        const unhandled: unknown[] = [];
        const previous = setUnhandledFailureHandler((failure) => unhandled.push(failure.value));
        try {
          serve();
          const error = new RangeError('broken');
          class Breaking extends Noting {
            override makeConnection(): void {
              throw error;
            }
          }
          const connected = endpoint.connect(new NotingFactory(() => new Breaking()));
          completer.succeedOnce();
          expect(failureResultOf(connected).value).to.equal(error);
          expect(unhandled).to.deep.equal([error]);
        } finally {
          setUnhandledFailureHandler(previous);
        }
      });

      it('connect() is ended by cancel(), and so is the attempt', () => {
        const connected = endpoint.connect(factory);
        const connector = reactor.connectors[0];
        expect(connector?.state).to.equal('connecting');
        connected.cancel();
        const error = failureResultOf(connected, ConnectingCancelledError).value;
        expect(error).to.have.property('address').with.property('port', 80);
        expect(connector?.state).to.equal('disconnected');
        expect(factory.calls).to.deep.equal(['doStart', 'doStop']);
        expect(reactor.getDelayedCalls()).to.deep.equal([]);
      });

      it('connect() gives the attempt up after 30 seconds', () => {
        const connected = endpoint.connect(factory);
        reactor.advance(29.9);
        assertNoResult(connected);
        reactor.advance(0.1);
        failureResultOf(connected, TimeoutError);
      });

      it('connect() fails, and does not throw, when the reactor does', () => {
        const broken = make(new RaisingMemoryReactor());
        failureResultOf(broken.connect(factory), ConnectionRefusedError);
      });
    });
  }

  describe('TCP4ClientEndpoint', () => {
    it('connect() passes its options on', () => {
      const options = { timeout: 5, bindAddress: ['127.0.0.2', 0] } as const;
      new TCP4ClientEndpoint(reactor, 'example.com', 80, options).connect(factory);
      expect(reactor.tcpClients[0]?.filter((_, index) => index !== 2)).to.deep.equal([
        'example.com',
        80,
        5,
        ['127.0.0.2', 0],
      ]);
    });

    it('a cancelled attempt names its address', () => {
      const connected = new TCP4ClientEndpoint(reactor, '127.0.0.1', 80).connect(factory);
      connected.cancel();
      expect(failureResultOf(connected).value).to.have.deep.property('address', HERE);
    });
  });

  describe('TCP6ClientEndpoint', () => {
    it('connect() tries only the IPv6 addresses of a name', () => {
      reactor.hosts.set('example.com', ['10.0.0.1', '2001:db8::1']);
      new TCP6ClientEndpoint(reactor, 'example.com', 80, { timeout: 5 }).connect(factory);
      reactor.advance(1);
      expect(reactor.tcpClients.map(([host, , , timeout]) => [host, timeout])).to.deep.equal([
        ['2001:db8::1', 5],
      ]);
    });

    it('connect() fails when a name has none', () => {
      reactor.hosts.set('example.com', ['10.0.0.1']);
      const connected = new TCP6ClientEndpoint(reactor, 'example.com', 80).connect(factory);
      failureResultOf(connected, DNSLookupError);
    });
  });

  describe('HostnameEndpoint', () => {
    /** The hosts that have been tried, in order. */
    const tried = (): string[] => reactor.tcpClients.map(([host]) => host);

    beforeEach(() => {
      reactor.hosts.set('example.com', ['2001:db8::1', '10.0.0.1', '10.0.0.2']);
    });

    it('connect() fails with RangeError for times that are none, before anything is looked up', () => {
      let asked = 0;
      reactor.installNameResolver({
        resolveHostName() {
          asked += 1;
          throw new Error('not to be asked');
        },
      });
      for (const seconds of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
        for (const options of [{ timeout: seconds }, { attemptDelay: seconds }]) {
          const endpoint = new HostnameEndpoint(reactor, 'example.com', 80, options);
          failureResultOf(endpoint.connect(factory), RangeError);
        }
        const six = new TCP6ClientEndpoint(reactor, 'example.com', 80, { timeout: seconds });
        failureResultOf(six.connect(factory), RangeError);
      }
      expect(asked).to.equal(0);
      expect(tried()).to.deep.equal([]);
      expect(reactor.getDelayedCalls()).to.deep.equal([]);
    });

    it('connect() tries the addresses in order, one more every 0.3 seconds, and gives none up', () => {
      const connected = new HostnameEndpoint(reactor, 'example.com', 80).connect(factory);
      expect(tried()).to.deep.equal(['2001:db8::1']);
      reactor.advance(0.29);
      expect(tried()).to.have.length(1);
      reactor.advance(0.01);
      expect(tried()).to.deep.equal(['2001:db8::1', '10.0.0.1']);
      reactor.advance(0.3);
      expect(tried()).to.deep.equal(['2001:db8::1', '10.0.0.1', '10.0.0.2']);
      reactor.advance(5);
      expect(reactor.connectors.map(({ state }) => state)).to.deep.equal(
        Array(3).fill('connecting'),
      );
      assertNoResult(connected);
    });

    it('connect() passes timeout and bindAddress to every attempt, and takes another delay', () => {
      const options = { timeout: 7, bindAddress: ['1.2.3.4', 0], attemptDelay: 1 } as const;
      new HostnameEndpoint(reactor, 'example.com', 80, options).connect(factory);
      reactor.pump([0.5, 0.5, 1]);
      expect(reactor.tcpClients.map(([, port, , ...rest]) => [port, ...rest])).to.deep.equal(
        Array(3).fill([80, 7, ['1.2.3.4', 0]]),
      );
    });

    it('connect() keeps the first connection and ends all other attempts', () => {
      serve();
      const connected = new HostnameEndpoint(reactor, 'example.com', 80).connect(factory);
      reactor.advance(0.3);
      const second = reactor.connectors[1];
      second?.succeed(new FakeTransport(false, { owner: second }));
      expect(successResultOf(connected)).to.be.instanceOf(Noting);
      expect(reactor.connectors.map(({ state }) => state)).to.deep.equal([
        'disconnected',
        'connected',
      ]);
      expect(reactor.getDelayedCalls()).to.deep.equal([]);
      reactor.advance(5);
      expect(tried()).to.have.length(2);
      expect(factory.calls.filter((call) => typeof call !== 'string')).to.have.length(1);
    });

    it('connect() tries the next address at once when no attempt is left', () => {
      const connected = new HostnameEndpoint(reactor, 'example.com', 80).connect(factory);
      completer.failOnce();
      expect(tried()).to.deep.equal(['2001:db8::1', '10.0.0.1']);
      reactor.advance(0.29);
      expect(tried()).to.have.length(2);
      reactor.advance(0.01);
      expect(tried()).to.have.length(3);
      completer.failOnce();
      assertNoResult(connected);
    });

    it('connect() fails with the last failure when all have failed', () => {
      const connected = new HostnameEndpoint(reactor, 'example.com', 80).connect(factory);
      reactor.advance(0.3);
      const [first, second, third] = [new Error('1'), new Error('2'), new Error('3')];
      reactor.connectors[1]?.fail(second);
      reactor.connectors[0]?.fail(first);
      assertNoResult(connected);
      reactor.connectors[2]?.fail(third);
      expect(failureResultOf(connected).value).to.equal(third);
      expect(reactor.getDelayedCalls()).to.deep.equal([]);
      expect(factory.calls.filter((call) => call === 'doStop')).to.have.length(3);
    });

    it('connect() is ended by cancel() with all its attempts', () => {
      const connected = new HostnameEndpoint(reactor, 'example.com', 80).connect(factory);
      reactor.advance(0.3);
      connected.cancel();
      expect(failureResultOf(connected, ConnectingCancelledError).value).to.have.deep.property(
        'address',
        new HostnameAddress('example.com', 80),
      );
      expect(reactor.connectors.map(({ state }) => state)).to.deep.equal([
        'disconnected',
        'disconnected',
      ]);
      reactor.advance(5);
      expect(tried()).to.have.length(2);
      expect(reactor.getDelayedCalls()).to.deep.equal([]);
    });

    it('connect() fails with DNSLookupError for a name that has no address', () => {
      const connected = new HostnameEndpoint(reactor, 'nowhere.example', 80).connect(factory);
      expect(failureResultOf(connected, DNSLookupError).getErrorMessage()).to.contain(
        "'nowhere.example'",
      );
    });

    for (const bad of [
      '',
      'a b',
      'a/b',
      'user@host',
      'a..b',
      `${'a'.repeat(64)}.com`,
      'xn--ü',
      'a:1',
    ]) {
      it(`connect() fails for ${JSON.stringify(bad)}, which its constructor takes`, () => {
        const connected = new HostnameEndpoint(reactor, bad, 80).connect(factory);
        const failure = failureResultOf(connected, InvalidHostnameError);
        expect(failure.getErrorMessage()).to.contain(JSON.stringify(bad));
        expect(tried()).to.deep.equal([]);
      });
    }

    it('names outside ASCII are looked up in their xn-- form and shown as people write them', () => {
      reactor.hosts.set('xn--bcher-kva.example', ['10.0.0.9']);
      for (const name of ['bücher.example', 'xn--bcher-kva.example']) {
        const endpoint = new HostnameEndpoint(reactor, name, 80);
        endpoint.connect(factory);
        expect(endpoint.hostText).to.equal('bücher.example');
      }
      expect(tried()).to.deep.equal(['10.0.0.9', '10.0.0.9']);
    });

    describe('with a resolver that takes its time', () => {
      let receiver: ResolutionReceiver;
      let cancelled: boolean;

      beforeEach(() => {
        cancelled = false;
        reactor.installNameResolver({
          resolveHostName(given, name): HostResolution {
            receiver = given;
            const resolution = {
              name,
              cancel() {
                cancelled = true;
              },
            };
            receiver.resolutionBegan(resolution);
            return resolution;
          },
        });
      });

      it('cancel() ends the look-up', () => {
        const connected = new HostnameEndpoint(reactor, 'example.com', 80).connect(factory);
        connected.cancel();
        failureResultOf(connected, ConnectingCancelledError);
        expect(cancelled).to.equal(true);
        receiver.addressResolved(HERE);
        receiver.resolutionComplete();
        expect(tried()).to.deep.equal([]);
        expect(reactor.getDelayedCalls()).to.deep.equal([]);
      });

      it('the look-up may take as long as the timeout', () => {
        const options = { timeout: 4 };
        const connected = new HostnameEndpoint(reactor, 'example.com', 80, options).connect(
          factory,
        );
        reactor.advance(3.9);
        assertNoResult(connected);
        reactor.advance(0.1);
        expect(failureResultOf(connected, DNSLookupError).getErrorMessage()).to.contain('4 s');
        expect(cancelled).to.equal(true);
      });

      it('addresses of a kind that cannot be connected to are passed over', () => {
        new HostnameEndpoint(reactor, 'example.com', 80).connect(factory);
        // A resolver in the wild may know more kinds of addresses than the types allow.
        receiver.addressResolved(new HostnameAddress('other', 80) as unknown as IPv4Address);
        receiver.addressResolved(new IPv6Address('TCP', '::1', 80));
        receiver.resolutionComplete();
        expect(tried()).to.deep.equal(['::1']);
      });

      it('what the resolver throws is the failure', () => {
        const error = new TypeError('broken');
        reactor.installNameResolver({
          resolveHostName() {
            throw error;
          },
        });
        const connected = new HostnameEndpoint(reactor, 'example.com', 80).connect(factory);
        expect(failureResultOf(connected).value).to.equal(error);
        expect(reactor.getDelayedCalls()).to.deep.equal([]);
      });
    });
  });

  describe('connectProtocol()', () => {
    it('connectProtocol() connects the protocol it is given', () => {
      serve();
      const mine = new HalfCloseable();
      const connected = connectProtocol(new TCP4ClientEndpoint(reactor, '127.0.0.1', 80), mine);
      completer.succeedOnce();
      expect(successResultOf(connected)).to.equal(mine);
      expect(mine.calls).to.deep.equal(['made']);
    });

    it('connectProtocol() can be cancelled', () => {
      const endpoint = new TCP4ClientEndpoint(reactor, '127.0.0.1', 80);
      const connected = connectProtocol(endpoint, new Noting());
      connected.cancel();
      failureResultOf(connected, ConnectingCancelledError);
    });
  });
});
