import { connect, createServer, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import {
  CannotListenError,
  ConnectBindError,
  ConnectError,
  ConnectionLost,
  ConnectionRefusedError,
  ConnectorStateError,
  DNSLookupError,
  type HostnameResolver,
  IPv4Address,
  IPv6Address,
  LibuvReactor,
  MemoryResolver,
  NotConnectingError,
  NotListeningError,
  ServiceNameUnknownError,
  type TCPTransport,
  TimeoutError,
  UserError,
} from '../../src/reactor/index.ts';
import { FailureTrap, Recorder, RecordingFactory } from '../support/recorder.ts';

const LOOPBACK = { interface: '127.0.0.1' };

function hasIPv6(): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(false));
    server.listen(0, '::1', () => server.close(() => resolve(true)));
  });
}

for (const readMethod of ['onread', 'data'] as const) {
  describe(`TCP on libuv (${readMethod})`, () => {
    let reactor: LibuvReactor;
    let trap: FailureTrap;

    beforeEach(() => {
      reactor = new LibuvReactor({ readMethod });
      trap = new FailureTrap();
    });

    afterEach(async () => {
      const running = reactor.run(false);
      reactor.stop();
      await running;
      expect(reactor.openCount).to.equal(0);
      trap.restore();
    });

    const listen = (
      factory = new RecordingFactory(),
    ): { port: number; factory: RecordingFactory } => {
      const address = reactor.listenTCP(0, factory, LOOPBACK).getHost();
      if (!(address instanceof IPv4Address)) throw new Error(`Not IPv4: ${address}`);
      return { port: address.port, factory };
    };

    /** A port that nobody listens on. */
    const freePort = async (): Promise<number> => {
      const port = reactor.listenTCP(0, new RecordingFactory(), LOOPBACK);
      const { port: number } = port.getHost() as IPv4Address;
      await port.stopListening();
      return number;
    };

    describe('listenTCP()', () => {
      it('has bound when it returns', async () => {
        const { port } = listen();
        expect(port).to.be.above(0);
        const socket = connect(port, '127.0.0.1');
        await new Promise((resolve) => socket.once('connect', resolve));
        socket.destroy();
      });

      it('throws CannotListenError there and then for an address in use', () => {
        const { port } = listen();
        let error: unknown;
        try {
          reactor.listenTCP(port, new RecordingFactory(), LOOPBACK);
        } catch (caught) {
          error = caught;
        }
        expect(error).to.be.instanceOf(CannotListenError);
        if (!(error instanceof CannotListenError)) return;
        expect(error.port).to.equal(port);
        expect(error.interface).to.equal('127.0.0.1');
        expect(error.socketError).to.have.property('code', 'EADDRINUSE');
        expect(error.message).to.contain(`127.0.0.1:${port}`).and.to.contain('EADDRINUSE');
        expect(error.code).to.equal('ERR_CANNOT_LISTEN');
      });

      it('throws CannotListenError for an address that is not ours', () => {
        expect(() =>
          reactor.listenTCP(0, new RecordingFactory(), { interface: '192.0.2.1' }),
        ).to.throw(CannotListenError, 'EADDRNOTAVAIL');
      });

      it('does not start the factory when it cannot bind', () => {
        const { port } = listen();
        const factory = new RecordingFactory();
        expect(() => reactor.listenTCP(port, factory, LOOPBACK)).to.throw(CannotListenError);
        expect(factory.calls).to.deep.equal([]);
      });

      it('refuses ports, interfaces and backlogs that make no sense', () => {
        const factory = new RecordingFactory();
        for (const port of [-1, 65_536, 1.5, Number.NaN, '80' as unknown as number]) {
          expect(() => reactor.listenTCP(port, factory)).to.throw(RangeError, 'Port must be');
        }
        expect(() => reactor.listenTCP(0, factory, { interface: 'example.org' })).to.throw(
          TypeError,
          'IP literal',
        );
        expect(() => reactor.listenTCP(0, factory, { backlog: 0 })).to.throw(RangeError);
      });

      it('refuses what is no factory, and says so', () => {
        for (const factory of [undefined, Recorder, new Recorder()]) {
          expect(() => reactor.listenTCP(0, factory as never)).to.throw(
            TypeError,
            /^Cannot listen with .*: expected a factory, with a method buildProtocol\(\)$/s,
          );
        }
      });

      it("takes 'localhost' for an interface", () => {
        const port = reactor.listenTCP(0, new RecordingFactory(), { interface: 'localhost' });
        // Without a cast: a TCP port has the address of one.
        expect(port.getHost().host).to.equal('127.0.0.1');
      });

      it('without an interface listens on every IPv4 address', async () => {
        const factory = new RecordingFactory();
        const port = reactor.listenTCP(0, factory);
        const address = port.getHost() as IPv4Address;
        expect(address.host).to.equal('0.0.0.0');
        const client = new Recorder();
        reactor.connectTCP('127.0.0.1', address.port, new RecordingFactory(() => client));
        await factory.until(() => factory.built.length === 1);
        const [server] = factory.built as Recorder[];
        expect(String(server?.transport.getHost())).to.contain('127.0.0.1');
      });

      it('listens on IPv6', async function () {
        if (!(await hasIPv6())) this.skip();
        const factory = new RecordingFactory();
        const port = reactor.listenTCP(0, factory, { interface: '::1' });
        const address = port.getHost();
        expect(address).to.be.instanceOf(IPv6Address);
        const client = new Recorder();
        reactor.connectTCP(
          '::1',
          (address as IPv6Address).port,
          new RecordingFactory(() => client),
        );
        await client.until(() => client.made);
        expect(client.transport.getPeer().equals(address)).to.equal(true);
      });

      it('stopListening() fires once the port is free and the factory stopped; connections go on', async () => {
        const { port, factory } = listen();
        const client = new Recorder();
        reactor.connectTCP('127.0.0.1', port, new RecordingFactory(() => client));
        await factory.until(() => factory.built.length === 1);
        const listening = reactor.listenTCP(0, factory, LOOPBACK);
        await listening.stopListening();
        expect(factory.calls.filter((call) => call === 'stop')).to.have.length(1);
        await listening.stopListening();
        expect(() => listening.getHost()).to.throw(NotListeningError);
        client.transport.write('still');
        const [server] = factory.built as Recorder[];
        await server?.until(() => server.bytes === 5);
      });

      it('stopListening() fails when doStop throws, and the port can be started again', async () => {
        const factory = new RecordingFactory();
        const port = reactor.listenTCP(0, factory, LOOPBACK);
        const { doStop } = factory;
        factory.doStop = () => {
          throw new Error('doStop broke');
        };
        let message = '';
        await port.stopListening().addErrback((failure) => {
          message = failure.getErrorMessage();
        });
        expect(message).to.equal('doStop broke');
        factory.doStop = doStop;
        port.startListening();
        expect((port.getHost() as IPv4Address).port).to.be.above(0);
      });

      it('a doStop that throws is reported when the reactor stops the port', async () => {
        const own = new LibuvReactor({ readMethod });
        const factory = new RecordingFactory();
        factory.doStop = () => {
          throw new Error('doStop broke');
        };
        own.listenTCP(0, factory, LOOPBACK);
        const running = own.run(false);
        own.stop();
        await running;
        expect(trap.caught.map(({ failure }) => failure.getErrorMessage())).to.deep.equal([
          'doStop broke',
        ]);
      });

      it('is free again when doStart throws', async () => {
        const number = await freePort();
        const factory = new RecordingFactory();
        factory.doStart = () => {
          throw new Error('not today');
        };
        expect(() => reactor.listenTCP(number, factory, LOOPBACK)).to.throw('not today');
        await reactor.iterate();
        const port = reactor.listenTCP(number, new RecordingFactory(), LOOPBACK);
        await port.stopListening();
      });

      it('stopListening() twice tells both of the end, and only the first of a doStop that throws', async () => {
        const factory = new RecordingFactory();
        factory.doStop = () => {
          throw new Error('cannot stop');
        };
        const port = reactor.listenTCP(0, factory, LOOPBACK);
        const first = port.stopListening();
        const second = port.stopListening();
        await second;
        let message = '';
        first.addErrback((failure) => {
          message = failure.getErrorMessage();
        });
        expect(message).to.equal('cannot stop');
      });

      it('cannot be started again before it has stopped', async () => {
        const port = reactor.listenTCP(0, new RecordingFactory(), LOOPBACK);
        const stopped = port.stopListening();
        expect(() => port.startListening()).to.throw(NotListeningError, 'still stopping');
        await stopped;
        port.startListening();
      });

      it('frees the port for the next', async () => {
        const first = reactor.listenTCP(0, new RecordingFactory(), LOOPBACK);
        const { port } = first.getHost() as IPv4Address;
        await first.stopListening();
        reactor.listenTCP(port, new RecordingFactory(), LOOPBACK);
      });
    });

    describe('connectTCP()', () => {
      it('tells the factory and the protocol in order', async () => {
        const { port } = listen();
        const seen: string[] = [];
        const client = new Recorder({ lost: () => seen.push('protocol lost') });
        const factory = new RecordingFactory(() => client);
        factory.onLost = () => seen.push('factory lost');
        const connector = reactor.connectTCP('127.0.0.1', port, factory);
        expect(connector.state).to.equal('connecting');
        expect(factory.calls).to.deep.equal(['start', 'connecting']);
        await client.until(() => client.made);
        expect(connector.state).to.equal('connected');
        expect(connector.getDestination()).to.deep.equal(new IPv4Address('TCP', '127.0.0.1', port));
        connector.disconnect();
        await factory.until(() => factory.calls.includes('stop'));
        expect(factory.calls).to.deep.equal(['start', 'connecting', 'build', 'lost', 'stop']);
        expect(seen).to.deep.equal(['protocol lost', 'factory lost']);
        expect(connector.state).to.equal('disconnected');
      });

      it('fails with ConnectionRefusedError where nobody listens', async () => {
        const factory = new RecordingFactory();
        const port = await freePort();
        reactor.connectTCP('127.0.0.1', port, factory);
        await factory.until(() => factory.reason !== undefined);
        const error = factory.reason?.value;
        expect(error).to.be.instanceOf(ConnectionRefusedError).and.instanceOf(ConnectError);
        expect((error as ConnectError).osError?.code).to.equal('ECONNREFUSED');
        expect(factory.calls).to.deep.equal(['start', 'connecting', 'failed', 'stop']);
      });

      it('connects again from within the notification, without stopping the factory', async () => {
        const port = await freePort();
        const factory = new RecordingFactory();
        let tries = 0;
        factory.onFailed = (connector) => {
          tries += 1;
          if (tries < 3) connector.connect();
        };
        reactor.connectTCP('127.0.0.1', port, factory);
        await factory.until(() => factory.calls.includes('stop'));
        expect(tries).to.equal(3);
        expect(factory.calls.filter((call) => call === 'start' || call === 'stop')).to.deep.equal([
          'start',
          'stop',
        ]);
      });

      it('reconnects after a loss', async () => {
        const { port, factory: servers } = listen();
        const factory = new RecordingFactory();
        let losses = 0;
        factory.onLost = (connector) => {
          losses += 1;
          if (losses === 1) connector.connect();
        };
        const connector = reactor.connectTCP('127.0.0.1', port, factory);
        await servers.until(() => servers.built.length === 1);
        await factory.until(() => factory.built.length === 1);
        connector.disconnect();
        await factory.until(() => factory.built.length === 2);
        expect(() => connector.connect()).to.throw(ConnectorStateError);
        connector.disconnect();
        await factory.until(() => factory.calls.includes('stop'));
      });

      it('stopConnecting() fails the attempt with UserError, also from startedConnecting', async () => {
        const { port, factory: servers } = listen();
        const factory = new RecordingFactory();
        factory.onStarted = (connector) => connector.stopConnecting();
        const connector = reactor.connectTCP('127.0.0.1', port, factory);
        await factory.until(() => factory.calls.includes('stop'));
        expect(factory.reason?.check(UserError)).to.equal(UserError);
        expect(factory.reason?.check(TimeoutError)).to.equal(null);
        expect(() => connector.stopConnecting()).to.throw(NotConnectingError);
        connector.disconnect();
        await reactor.iterate();
        expect(servers.built).to.deep.equal([]);
      });

      it('fails with TimeoutError when it takes too long, the look-up included', async () => {
        let cancelled = 0;
        const silent: HostnameResolver = {
          resolveHostName(receiver, name) {
            const resolution = {
              name,
              cancel: () => {
                cancelled += 1;
              },
            };
            receiver.resolutionBegan(resolution);
            return resolution;
          },
        };
        reactor.installNameResolver(silent);
        const factory = new RecordingFactory();
        reactor.connectTCP('silent.invalid', 1, factory, { timeout: 0.01 });
        await factory.until(() => factory.reason !== undefined);
        expect(factory.reason?.check(TimeoutError)).to.equal(TimeoutError);
        expect(factory.reason?.getErrorMessage()).to.contain('0.01 s');
        expect(cancelled).to.equal(1);
        expect(reactor.getDelayedCalls()).to.deep.equal([]);
      });

      it('fails with DNSLookupError for a name without an address', async () => {
        const empty: HostnameResolver = {
          resolveHostName(receiver, name) {
            const resolution = { name, cancel() {} };
            receiver.resolutionBegan(resolution);
            receiver.resolutionComplete();
            return resolution;
          },
        };
        reactor.installNameResolver(empty);
        const factory = new RecordingFactory();
        reactor.connectTCP('nowhere.invalid', 1, factory);
        expect(factory.reason).to.equal(undefined);
        await factory.until(() => factory.reason !== undefined);
        expect(factory.reason?.check(DNSLookupError)).to.equal(DNSLookupError);
        expect(factory.reason?.getErrorMessage()).to.contain('nowhere.invalid');
      });

      it('tries the addresses of a name one after the other', async () => {
        const { port } = listen();
        reactor.installNameResolver({
          resolveHostName(receiver, name, portNumber = 0) {
            const resolution = { name, cancel() {} };
            receiver.resolutionBegan(resolution);
            receiver.addressResolved(new IPv6Address('TCP', '::1', portNumber));
            receiver.addressResolved(new IPv4Address('TCP', '127.0.0.2', portNumber));
            receiver.addressResolved(new IPv4Address('TCP', '127.0.0.1', portNumber));
            receiver.resolutionComplete();
            return resolution;
          },
        });
        const client = new Recorder();
        reactor.connectTCP('two.invalid', port, new RecordingFactory(() => client));
        await client.until(() => client.made);
        expect(String(client.transport.getPeer())).to.contain('127.0.0.1');
      });

      it('tries a name’s IPv4 addresses first, whichever came first', async function () {
        let port: ReturnType<LibuvReactor['listenTCP']>;
        try {
          port = reactor.listenTCP(0, new RecordingFactory(), { interface: '::' });
        } catch {
          return this.skip(); // a machine without IPv6
        }
        const table = new Map([['both.invalid', ['::1', '127.0.0.1']]]);
        reactor.installNameResolver(new MemoryResolver(table));
        const factory = new RecordingFactory();
        reactor.connectTCP('both.invalid', port.getHost().port, factory);
        await factory.until(() => factory.built.length === 1);
        expect(factory.peers[0]).to.have.property('host', '127.0.0.1');
      });

      it('connects to localhost by name', async () => {
        const { port } = listen();
        const client = new Recorder();
        reactor.connectTCP('localhost', port, new RecordingFactory(() => client));
        await client.until(() => client.made);
        expect(client.transport.getPeer()).to.deep.equal(new IPv4Address('TCP', '127.0.0.1', port));
      });

      it('takes a service name for a port, and fails for an unknown one', async () => {
        const factory = new RecordingFactory();
        reactor.connectTCP('127.0.0.1', 'no-such-service', factory);
        expect(factory.reason).to.equal(undefined);
        await factory.until(() => factory.reason !== undefined);
        expect(factory.reason?.check(ServiceNameUnknownError)).to.equal(ServiceNameUnknownError);
        expect(factory.reason?.getErrorMessage()).to.contain('no-such-service');
        const known = new RecordingFactory();
        known.onStarted = (connector) => {
          expect(String(connector.getDestination())).to.contain('443');
          connector.stopConnecting();
        };
        reactor.connectTCP('127.0.0.1', 'https', known);
        await known.until(() => known.reason !== undefined);
        expect(known.reason?.check(UserError)).to.equal(UserError);
      });

      it('connects from a given local address, and says when it cannot', async () => {
        const { port, factory: servers } = listen();
        const client = new Recorder();
        reactor.connectTCP('127.0.0.1', port, new RecordingFactory(() => client), {
          bindAddress: ['127.0.0.5', 0],
        });
        await servers.until(() => servers.peers.length === 1);
        expect(String(servers.peers[0])).to.contain('127.0.0.5');
        await client.until(() => client.made);
        expect(String(client.transport.getHost())).to.contain('127.0.0.5');
        const factory = new RecordingFactory();
        reactor.connectTCP('127.0.0.1', port, factory, { bindAddress: ['192.0.2.1', 0] });
        await factory.until(() => factory.reason !== undefined);
        expect(factory.reason?.check(ConnectBindError)).to.equal(ConnectBindError);
        const named = new RecordingFactory();
        reactor.connectTCP('127.0.0.1', port, named, { bindAddress: ['no.such.host', 0] });
        await named.until(() => named.reason !== undefined);
        expect(named.reason?.check(ConnectBindError)).to.equal(ConnectBindError);
      });

      it('refuses what is no factory of clients, and says so', () => {
        for (const factory of [undefined, Recorder, { buildProtocol() {}, doStart() {} }]) {
          expect(() => reactor.connectTCP('127.0.0.1', 1, factory as never)).to.throw(
            TypeError,
            /^Cannot connect with .*: expected a factory, with a method/s,
          );
        }
      });

      it('refuses ports and timeouts that make no sense', () => {
        const factory = new RecordingFactory();
        expect(() => reactor.connectTCP('127.0.0.1', 70_000, factory)).to.throw(RangeError);
        expect(() => reactor.connectTCP('127.0.0.1', 1, factory, { timeout: -1 })).to.throw(
          RangeError,
        );
        expect(factory.calls).to.deep.equal([]);
      });

      it('closes in good order when buildProtocol gives none', async () => {
        const { port } = listen();
        const factory = new RecordingFactory(() => null);
        reactor.connectTCP('127.0.0.1', port, factory);
        await factory.until(() => factory.calls.includes('stop'));
        expect(factory.calls).to.deep.equal(['start', 'connecting', 'build', 'lost', 'stop']);
      });
    });

    it('the switches of TCP keep what they are set to', async () => {
      const { port } = listen();
      const client = new Recorder();
      reactor.connectTCP('127.0.0.1', port, new RecordingFactory(() => client));
      await client.until(() => client.made);
      const transport = client.transport as TCPTransport;
      for (const value of [false, true]) {
        transport.setTcpNoDelay(value);
        transport.setTcpKeepAlive(value);
        expect(transport.getTcpNoDelay()).to.equal(value);
        expect(transport.getTcpKeepAlive()).to.equal(value);
      }
    });

    it('tells a reset by the peer from an orderly close', async () => {
      const { port, factory } = listen();
      const socket = connect(port, '127.0.0.1');
      await factory.until(() => factory.built.length === 1);
      const [server] = factory.built as Recorder[];
      socket.resetAndDestroy();
      await server?.until(() => server.lost);
      expect(server?.reason?.check(ConnectionLost)).to.equal(ConnectionLost);
      expect(server?.reason?.value).to.have.nested.property('cause.code', 'ECONNRESET');
    });

    it('abortConnection() resets the peer', async () => {
      const { port, factory } = listen();
      const socket = connect(port, '127.0.0.1');
      const failed = new Promise<NodeJS.ErrnoException>((resolve) => socket.once('error', resolve));
      await factory.until(() => factory.built.length === 1);
      const [server] = factory.built as Recorder[];
      server?.transport.abortConnection();
      expect((await failed).code).to.equal('ECONNRESET');
      await server?.until(() => server.lost);
    });

    it('a shutdown closes ports, connections and attempts, and sends what was written', async () => {
      const own = new LibuvReactor({ readMethod });
      const factory = new RecordingFactory();
      const port = own.listenTCP(0, factory, LOOPBACK);
      const running = own.run(false);
      const socket = connect((port.getHost() as IPv4Address).port, '127.0.0.1');
      let text = '';
      socket.on('data', (data) => {
        text += data;
      });
      const closed = new Promise((resolve) => socket.once('close', resolve));
      await factory.until(() => factory.built.length === 1);
      const [server] = factory.built as Recorder[];
      server?.transport.write('goodbye');
      own.stop();
      await running;
      expect(server?.reason?.check(ConnectionLost)).to.equal(ConnectionLost);
      expect(factory.calls).to.include('stop');
      await closed;
      expect(text).to.equal('goodbye');
      expect(own.openCount).to.equal(0);
    });

    it('serves a plain node:net server as well as a client', async () => {
      const echo: Server = createServer((socket: Socket) => socket.pipe(socket));
      await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
      const address = echo.address();
      const client = new Recorder({ made: (self) => self.transport.write('over the fence') });
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      reactor.connectTCP('127.0.0.1', port, new RecordingFactory(() => client));
      await client.until(() => client.bytes === 14);
      client.transport.loseConnection();
      await client.until(() => client.lost);
      await new Promise((resolve) => echo.close(resolve));
    });
  });
}
