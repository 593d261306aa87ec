import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Deferred, Failure } from '../../../src/deferred/index.ts';
import { Factory, HAProxyWrappingFactory } from '../../../src/protocols/index.ts';
import { ThrottlingFactory, TimeoutFactory } from '../../../src/protocols/policies/index.ts';
import {
  ForwardingFactory,
  type ForwardingOptions,
  type ProxyClient,
  ProxyFactory,
  type ProxyServer,
  portForward,
} from '../../../src/protocols/portforward/index.ts';
import {
  Clock,
  ConnectionDone,
  ConnectionLost,
  type EndpointFactory,
  type IProtocol,
  type IPv4Address,
  LibuvReactor,
  type ListeningPort,
  type LogEvent,
  type StreamClientEndpoint,
  StringTransport,
  setLogObserver,
} from '../../../src/reactor/index.ts';
import { HalfCloseRecorder, Recorder, RecordingFactory } from '../../support/recorder.ts';

/** Connects when the test says so. */
class PendingEndpoint implements StreamClientEndpoint {
  readonly attempts: Array<{
    deferred: Deferred<IProtocol>;
    factory: EndpointFactory<IProtocol>;
    cancelled: boolean;
  }> = [];

  connect<P extends IProtocol>(factory: EndpointFactory<P>): Deferred<P> {
    const attempt = {
      deferred: new Deferred<IProtocol>(() => {
        attempt.cancelled = true;
      }),
      factory,
      cancelled: false,
    };
    this.attempts.push(attempt);
    return attempt.deferred as Deferred<P>; // of what the factory builds
  }

  succeed(transport: StringTransport): ProxyClient {
    const attempt = this.attempts.at(-1);
    const client = attempt?.factory.buildProtocol(transport.getPeer());
    client?.makeConnection(transport);
    attempt?.deferred.callback(client as IProtocol); // our factories build one
    return client as ProxyClient; // and of this class
  }
}

describe('Port forwarding', () => {
  let logged: LogEvent[];
  let before: ReturnType<typeof setLogObserver>;

  beforeEach(() => {
    logged = [];
    before = setLogObserver((event) => {
      if (event.level !== 'info' && event.level !== 'debug') logged.push(event);
    });
  });

  afterEach(() => setLogObserver(before));

  describe('in memory', () => {
    let clock: Clock;
    let endpoint: PendingEndpoint;
    let near: StringTransport;
    let far: StringTransport;
    let factory: ForwardingFactory;

    beforeEach(() => {
      clock = new Clock();
      endpoint = new PendingEndpoint();
      near = new StringTransport({ lenient: true });
      far = new StringTransport({ lenient: true });
    });

    function accept(options: ForwardingOptions = {}): ProxyServer {
      factory = new ForwardingFactory(endpoint, { clock, ...options });
      const server = factory.buildProtocol(near.getPeer()) as ProxyServer; // its own
      server.makeConnection(near);
      return server;
    }

    it('takes nothing until the onward connection stands, then passes on both ways', () => {
      const server = accept();
      expect(near.producerState).to.equal('paused');
      const client = endpoint.succeed(far);
      expect(near.producerState).to.equal('producing');
      server.dataReceived(Buffer.from('there'));
      client.dataReceived(Buffer.from('back'));
      expect([far.value().toString(), near.value().toString()]).to.deep.equal(['there', 'back']);
      expect([server.relay?.first.bytes, server.relay?.second.bytes]).to.deep.equal([5, 4]);
    });

    it('keeps what comes all the same, in order', () => {
      const server = accept();
      server.dataReceived(Buffer.from('one '));
      server.dataReceived(Buffer.from('two '));
      server.readConnectionLost();
      endpoint.succeed(far);
      expect(far.value().toString()).to.equal('one two ');
      expect(far.writeDisconnecting).to.equal(true);
    });

    it('aborts a connection from which too much comes before', () => {
      const server = accept({ maxPending: 10 });
      server.dataReceived(Buffer.alloc(10));
      expect(near.disconnected).to.equal(false);
      server.dataReceived(Buffer.alloc(1));
      server.dataReceived(Buffer.alloc(1));
      expect([near.disconnected, endpoint.attempts[0]?.cancelled]).to.deep.equal([true, true]);
      expect(logged[0]?.message).to.match(/more than 10 bytes came before/);
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('closes a connection that cannot be handed on, and says why', () => {
      const server = accept();
      endpoint.attempts[0]?.deferred.errback(new Error('nobody there'));
      expect(near.disconnecting).to.equal(true);
      expect(logged.map(({ level, message }) => [level, message])).to.deep.equal([
        ['warn', `Cannot forward the connection of ${near.getPeer()}: nobody there`],
      ]);
      server.dataReceived(Buffer.from('too late'));
      server.connectionLost(new Failure(new ConnectionDone()));
      expect(factory.protocols.size).to.equal(0);
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('gives connecting up after connectTimeout', () => {
      accept({ connectTimeout: 5 });
      clock.advance(4.9);
      expect(near.disconnecting).to.equal(false);
      clock.advance(0.1);
      expect([near.disconnecting, endpoint.attempts[0]?.cancelled]).to.deep.equal([true, true]);
    });

    it('gives connecting up, without a word, when nobody waits for it any more', () => {
      accept({ connectTimeout: null }).connectionLost(new Failure(new ConnectionLost()));
      expect(endpoint.attempts[0]?.cancelled).to.equal(true);
      expect([logged, factory.protocols.size]).to.deep.equal([[], 0]);
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('closes when the onward connection is over before it is known', () => {
      accept();
      const attempt = endpoint.attempts[0];
      const client = attempt?.factory.buildProtocol(far.getPeer());
      client?.makeConnection(far);
      client?.connectionLost(new Failure(new ConnectionLost()));
      attempt?.deferred.callback(client as IProtocol); // it is one
      expect(near.disconnecting).to.equal(true);
    });

    it('has idle and close timeouts', () => {
      const server = accept({ idleTimeout: 60, closeTimeout: 7 });
      endpoint.succeed(far);
      clock.advance(50);
      server.dataReceived(Buffer.from('x'));
      clock.advance(59);
      expect([near.disconnected, far.disconnected]).to.deep.equal([false, false]);
      clock.advance(1);
      expect([near.disconnected, far.disconnected]).to.deep.equal([true, true]);

      near = new StringTransport({ lenient: true });
      far = new StringTransport({ lenient: true });
      const other = accept({ closeTimeout: 7 });
      endpoint.succeed(far);
      other.connectionLost(new Failure(new ConnectionDone()));
      expect([far.disconnecting, far.disconnected]).to.deep.equal([true, false]);
      clock.advance(7);
      expect(far.disconnected).to.equal(true);
    });

    it('disconnectAll() ends both connections of each, and those that are not connected yet', () => {
      const server = accept();
      endpoint.succeed(far);
      factory.disconnectAll();
      expect([near.disconnected, far.disconnected]).to.deep.equal([true, true]);
      server.connectionLost(new Failure(new ConnectionLost()));
      near = new StringTransport({ lenient: true });
      accept();
      factory.disconnectAll();
      expect(near.disconnected).to.equal(true);
    });
  });

  describe('over the loopback', () => {
    let reactor: LibuvReactor;
    let ports: ListeningPort[];

    beforeEach(() => {
      reactor = new LibuvReactor();
      ports = [];
    });

    afterEach(async () => {
      for (const port of ports) await port.stopListening();
      // Both ends of whatever a test has begun are over by now.
      expect(reactor.openCount).to.equal(0);
    });

    function listen(factory: ConstructorParameters<typeof TimeoutFactory>[0]): number {
      const port = reactor.listenTCP(0, factory, { interface: '127.0.0.1' });
      ports.push(port);
      return port.getHost().port;
    }

    function connect(port: number, client: Recorder): Recorder {
      reactor.connectTCP('127.0.0.1', port, new RecordingFactory(() => client));
      return client;
    }

    for (const [how, wrap] of [
      ['plain', (factory: ProxyFactory) => factory],
      [
        'behind policies',
        (factory: ProxyFactory) =>
          new TimeoutFactory(new ThrottlingFactory(factory, { readLimit: 1e8, writeLimit: 1e8 })),
      ],
    ] as const) {
      it(`hands on megabytes both ways at once, and the end of each direction: ${how}`, async () => {
        const [there, back] = [randomBytes(3e6), randomBytes(2e6)];
        const server = new HalfCloseRecorder({
          made: ({ transport }) => {
            transport.write(back);
          },
        });
        server.readHook = () => {
          server.transport.write('and this is all');
          server.transport.loseConnection();
        };
        const target = listen(new RecordingFactory(() => server));
        const proxy = new ProxyFactory('127.0.0.1', target, { reactor });
        const client = new HalfCloseRecorder({
          made: ({ transport }) => {
            transport.write(there);
            transport.loseWriteConnection();
          },
        });
        connect(listen(wrap(proxy)), client);
        client.readHook = () => client.transport.loseConnection();
        await server.until(() => server.lost);
        await client.until(() => client.lost);
        const sum = (data: Buffer): string => createHash('sha256').update(data).digest('hex');
        expect(sum(server.received)).to.equal(sum(there));
        const all = Buffer.concat([back, Buffer.from('and this is all')]);
        expect(sum(client.received)).to.equal(sum(all));
        expect(logged).to.deep.equal([]);
      });
    }

    it('closes a connection when nothing listens where it is to go', async () => {
      const gone = reactor.listenTCP(0, new Factory(), { interface: '127.0.0.1' });
      const { port } = gone.getHost();
      await gone.stopListening();
      const factory = new ProxyFactory('127.0.0.1', port, { reactor });
      expect([factory.host, factory.port]).to.deep.equal(['127.0.0.1', port]);
      const client = connect(listen(factory), new Recorder());
      await client.until(() => client.lost);
      expect(logged[0]?.message).to.match(/^Cannot forward the connection of .*: .*ECONNREFUSED/);
    });

    for (const version of [1, 2] as const) {
      it(`tells the server whose connection it is, in a PROXY header of version ${version}`, async () => {
        const server = new Recorder({
          data: ({ transport }) => {
            transport.loseConnection();
          },
        });
        const target = listen(
          new HAProxyWrappingFactory(new RecordingFactory(() => server), { clock: reactor }),
        );
        const proxy = new ProxyFactory('127.0.0.1', target, { reactor, proxyProtocol: version });
        const client = new Recorder({
          made: ({ transport }) => {
            transport.write('hello');
          },
        });
        connect(listen(proxy), client);
        await client.until(() => client.lost);
        expect(server.received.toString()).to.equal('hello');
        expect(server.transport.getPeer()).to.deep.equal(client.transport.getHost());
        expect(server.transport.getHost()).to.deep.equal(client.transport.getPeer());
      });
    }

    it('portForward() takes descriptions for both sides, and UNIX sockets', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'strand-forward-'));
      try {
        const server = new Recorder({
          data: ({ transport }, data) => {
            transport.write(`${data} to you`);
            transport.loseConnection();
          },
        });
        const target = listen(new RecordingFactory(() => server));
        const path = join(folder, 'socket');
        // Version 1 has no words for a UNIX socket, and says so.
        const options = { proxyProtocol: 1 } as const;
        const last = await portForward(reactor, `unix:${path}`, `tcp:127.0.0.1:${target}`, options);
        const first = await portForward(reactor, 'tcp:0:interface=127.0.0.1', `unix:${path}`);
        const client = new Recorder({
          made: ({ transport }) => {
            transport.write('hello');
          },
        });
        connect((first.getHost() as IPv4Address).port, client);
        await client.until(() => client.lost);
        expect(server.received.toString()).to.match(/^PROXY UNKNOWN\r\n/);
        expect(client.received.toString()).to.match(/ to you$/);
        expect(() => portForward(reactor, 'tcp:0', 'nonsense:1')).to.throw();
        await first.stopListening();
        await last.stopListening();
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  });
});
