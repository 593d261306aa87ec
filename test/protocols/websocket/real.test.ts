/** With the package `ws` at the other end, over loopback, in clear and under TLS; and many at once. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { WebSocket, WebSocketServer } from 'ws';
import { Resource, Site } from '../../../src/protocols/http/index.ts';
import {
  type ConnectWebSocketOptions,
  connectWebSocket,
  WebSocketClientFactory,
  WebSocketClosed,
  WebSocketFactory,
  WebSocketHandshakeError,
  WebSocketProtocol,
  WebSocketResource,
  type WebSocketResourceOptions,
} from '../../../src/protocols/websocket/index.ts';
import {
  HostnameEndpoint,
  LibuvReactor,
  type TCPListeningPort,
} from '../../../src/reactor/index.ts';
import { ClientService, type Service } from '../../../src/service/index.ts';
import { certificates } from '../../support/certificates.ts';
import { Recorder } from './world.ts';

class Echo extends WebSocketProtocol {
  override messageReceived(data: Buffer, isBinary: boolean): void {
    this.transport.sendMessage(data, isBinary);
  }
}

const SIZES = [0, 1, 125, 126, 65_535, 65_536, 1_000_000];
const COMPRESSIONS = {
  'without compression': false,
  'with compression': { threshold: 0 },
  'with compression and context takeover': { threshold: 0, contextTakeover: true },
} as const;

function sample(size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, (_, at) => (at * at) % 251));
}

describe('A WebSocket server', function () {
  this.timeout(30_000);
  let reactor: LibuvReactor;
  let port: TCPListeningPort;
  let site: Site;
  let factory: WebSocketFactory<WebSocketProtocol>;

  function serve(options: WebSocketResourceOptions = {}, tls = false): string {
    const root = new Resource();
    factory = WebSocketFactory.forProtocol(Echo);
    root.putChild('echo', new WebSocketResource(factory, { reactor, ...options }));
    site = new Site(root, { reactor });
    const { key, cert } = certificates().server;
    const at = { interface: '127.0.0.1' };
    port = tls
      ? (reactor.listenSSL(0, site, { key, cert }, at) as typeof port) // over TCP
      : reactor.listenTCP(0, site, at);
    return `ws${tls ? 's' : ''}://127.0.0.1:${port.getHost().port}/echo`;
  }

  beforeEach(() => {
    reactor = new LibuvReactor();
  });

  afterEach(async () => {
    await port.stopListening();
    await site.drain(0);
  });

  for (const tls of [false, true]) {
    for (const [how, compression] of Object.entries(COMPRESSIONS)) {
      it(`echoes messages of all sizes to ws, ${tls ? 'under TLS, ' : ''}${how}`, async () => {
        const url = serve({ compression }, tls);
        const socket = new WebSocket(url, {
          rejectUnauthorized: false,
          perMessageDeflate: compression === false ? false : { threshold: 0 },
        });
        await once(socket, 'open');
        expect(socket.extensions).to.equal(compression === false ? '' : 'permessage-deflate');
        for (const size of SIZES) {
          const data = sample(size);
          const text = 'é'.repeat(size / 2);
          socket.send(data);
          const [bytes, isBinary] = await once(socket, 'message');
          expect(isBinary).to.equal(true);
          expect(Buffer.compare(bytes, data)).to.equal(0);
          socket.send(text);
          const [back, binary] = await once(socket, 'message');
          expect(binary).to.equal(false);
          expect(back.toString() === text).to.equal(true);
        }
        socket.send('frag', { fin: false });
        socket.ping('p');
        socket.send('ment', { fin: true });
        const pong = once(socket, 'pong');
        const [whole] = await once(socket, 'message');
        expect(whole.toString()).to.equal('fragment');
        expect(String((await pong)[0])).to.equal('p');
        socket.close(4000, 'bye');
        const [code] = await once(socket, 'close');
        expect(code).to.equal(4000);
      });
    }
  }

  it('tells ws why it closes', async () => {
    const socket = new WebSocket(serve());
    await once(socket, 'open');
    for (const { transport } of factory.connections) transport.close(4321, 'enough');
    const [code, reason] = await once(socket, 'close');
    expect([code, reason.toString()]).to.deep.equal([4321, 'enough']);
  });

  it('says 1001 when it stops, and is done once ws has answered', async () => {
    const socket = new WebSocket(serve());
    await once(socket, 'open');
    const closed = once(socket, 'close');
    await site.drain(10);
    expect((await closed)[0]).to.equal(1001);
  });

  it('tells ws 1009 when a message is too long, in the middle of it', async () => {
    const socket = new WebSocket(serve({ maxMessageLength: 100_000 }));
    await once(socket, 'open');
    socket.send(Buffer.alloc(5_000_000));
    const [code] = await once(socket, 'close');
    expect(code).to.equal(1009);
  });

  it('broadcasts to 1,000 sockets, of which some do not read', async () => {
    const url = serve({ maxBuffered: 300_000 });
    const sockets = Array.from({ length: 1000 }, () => new WebSocket(url));
    await Promise.all(sockets.map((socket) => once(socket, 'open')));
    const lazy = sockets.slice(0, 5);
    const rest = sockets.slice(5);
    for (const socket of lazy) {
      socket.pause();
      socket.on('error', () => {});
    }
    const gone = lazy.map((socket) => once(socket, 'close'));
    let bytes = 0;
    for (const socket of rest) {
      socket.on('message', (data: Buffer) => {
        bytes += data.length;
      });
    }
    expect(factory.connections.size).to.equal(1000);
    const firsts = rest.map((socket) => once(socket, 'message'));
    expect(factory.broadcast('hello')).to.equal(1000);
    await Promise.all(firsts);
    expect(bytes).to.equal(5 * 995);
    // Far more than a socket's buffers hold: who does not read is broken off, the others get all of it.
    const chunk = Buffer.alloc(250_000);
    const [one] = rest;
    const others = rest.slice(1);
    for (const socket of others) socket.terminate();
    let rounds = 0;
    while (factory.connections.size > 1) {
      rounds += 1;
      expect(rounds, 'the lazy ones are still there').to.be.below(2000);
      factory.broadcast(chunk);
      await once(one as WebSocket, 'message');
    }
    for (const socket of lazy) socket.resume();
    await Promise.all(gone);
    one?.close();
    await once(one as WebSocket, 'close');
    expect(factory.connections.size).to.equal(0);
  });
});

describe('A WebSocket client', function () {
  this.timeout(30_000);
  const reactor = new LibuvReactor();
  let server: Server;
  let sockets: WebSocketServer;
  let service: Service | undefined;

  async function serve(
    options: ConstructorParameters<typeof WebSocketServer>[0] = {},
    tls = false,
  ): Promise<string> {
    const { key, cert } = certificates().server;
    server = tls ? createSecureServer({ key, cert }) : createServer();
    sockets = new WebSocketServer({ server, ...options });
    sockets.on('connection', (socket) => {
      socket.on('message', (data, binary) => socket.send(data, { binary }));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo; // it listens on a port
    return `ws${tls ? 's' : ''}://127.0.0.1:${port}/chat`;
  }

  afterEach(async () => {
    for (const socket of sockets.clients) socket.terminate();
    sockets.close();
    server.closeAllConnections();
    if (server.listening) {
      server.close();
      await once(server, 'close');
    }
  });

  for (const tls of [false, true]) {
    for (const [how, compression] of Object.entries(COMPRESSIONS)) {
      it(`is echoed messages of all sizes by ws, ${tls ? 'under TLS, ' : ''}${how}`, async () => {
        const url = await serve(
          { perMessageDeflate: compression === false ? false : { threshold: 0 } },
          tls,
        );
        const options: ConnectWebSocketOptions = { reactor, compression };
        const trust = tls ? { tls: { ca: certificates().ca.cert } } : {};
        const socket = await connectWebSocket(url, { ...options, ...trust });
        expect(socket.transport.compressed).to.equal(compression !== false);
        expect(socket.transport.secure).to.equal(tls);
        const messages = socket[Symbol.asyncIterator]();
        for (const size of SIZES) {
          const data = sample(size);
          socket.send(data);
          expect(Buffer.compare((await messages.next()).value as Buffer, data)).to.equal(0);
          const text = 'é'.repeat(size / 2);
          socket.send(text);
          expect((await messages.next()).value === text).to.equal(true);
        }
        socket.close(4000, 'bye');
        expect((await messages.next()).done).to.equal(true);
      });
    }
  }

  it('hears why ws closes', async () => {
    const url = await serve();
    const lost = new Promise<unknown>((resolve) => {
      sockets.on('connection', (socket) => socket.close(4321, 'enough'));
      class Lost extends Recorder {
        override connectionLost(reason: Parameters<Recorder['connectionLost']>[0]): void {
          resolve(reason.value);
        }
      }
      connectWebSocket(url, Lost, { reactor }).addErrback(resolve);
    });
    const value = await lost;
    expect(value).to.be.instanceOf(WebSocketClosed);
    expect(value).to.include({ closeCode: 4321, closeReason: 'enough', byPeer: true });
  });

  it('connects again by a ClientService when the connection is lost', async () => {
    const url = await serve();
    let connections = 0;
    const heard = new Promise<string>((resolve) => {
      sockets.on('connection', (socket) => {
        connections += 1;
        if (connections === 1) socket.terminate();
        else socket.send('again');
      });
      class Listener extends Recorder {
        override messageReceived(data: Buffer): void {
          resolve(data.toString());
        }
      }
      const { port } = new URL(url);
      const endpoint = new HostnameEndpoint(reactor, '127.0.0.1', Number(port));
      const factory = new WebSocketClientFactory(url, Listener, { reactor });
      service = new ClientService(endpoint, factory, {
        retryPolicy: () => 0,
        clock: reactor,
      }) as Service; // of whatever protocol
      service.startService();
    });
    expect(await heard).to.equal('again');
    expect(connections).to.equal(2);
    await service?.stopService();
  });

  it('agrees with ws upon a subprotocol', async () => {
    const url = await serve({ handleProtocols: (offered) => [...offered].at(-1) ?? false });
    const socket = await connectWebSocket(url, { reactor, protocols: ['a', 'b'] });
    expect(socket.transport.subprotocol).to.equal('b');
    socket.close();
  });

  it('fails with the status when ws refuses', async () => {
    const url = await serve({ verifyClient: (_info, done) => done(false, 401, 'No') });
    const error = await connectWebSocket(url, { reactor }).then(
      () => undefined,
      (failure: unknown) => failure,
    );
    expect(error).to.be.instanceOf(WebSocketHandshakeError);
    expect(error).to.include({ status: 401 });
  });

  it('refuses a certificate that it does not trust', async () => {
    const url = await serve({}, true);
    const error = await connectWebSocket(url, { reactor }).then(
      () => undefined,
      (failure: unknown) => failure,
    );
    expect(error).to.be.instanceOf(Error);
    expect(error).to.not.be.instanceOf(TypeError);
  });

  it('fails with a ConnectError where nobody listens', async () => {
    const url = await serve();
    server.close();
    await once(server, 'close');
    const error = await connectWebSocket(url, { reactor }).then(
      () => undefined,
      (failure: unknown) => failure,
    );
    expect(error).to.have.property('code', 'ERR_CONNECTION_REFUSED');
  });
});
