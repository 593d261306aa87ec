/** Buffers that were read into are read into again, but none that somebody has got. */
import { createHash, randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import {
  type Request,
  type RequestBody,
  Resource,
  Site,
} from '../../../src/protocols/http/index.ts';
import { Protocol, ProtocolWrapper, WrappingFactory } from '../../../src/protocols/index.ts';
import {
  type IProtocolFactory,
  LibuvReactor,
  type ListeningPort,
} from '../../../src/reactor/index.ts';

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Around the size of a read, and of what counts as much. */
const SIZES = [1, 100, 32_000, 65_300, 65_386, 65_536, 65_700, 131_000, 200_000, 10, 65_536];

/** What a resource got, and kept for as long as the test runs: it is looked at in the end. */
const kept: { readonly chunks: readonly Uint8Array[]; readonly hash: string }[] = [];

class Keeping extends Resource {
  override isLeaf = true;
  constructor(streams: boolean) {
    super();
    this.streamsBody = streams;
  }
  override async render_POST(request: Request | Request<RequestBody>): Promise<string> {
    const { content } = request;
    const chunks: Buffer[] = [];
    if (Buffer.isBuffer(content)) chunks.push(content);
    else for await (const chunk of content) chunks.push(chunk);
    kept.push({ chunks, hash: request.getHeader('x-hash') ?? '' });
    return 'ok';
  }
}

/** Takes a connection over, and keeps all that comes. */
class Taking extends Protocol {
  readonly chunks: Buffer[] = [];
  length = 0;
  override dataReceived(data: Buffer): void {
    this.chunks.push(data);
    this.length += data.length;
    if (this.length >= 400_000) this.transport.write('all');
  }
}

describe('Buffers of a connection', () => {
  const reactor = new LibuvReactor();
  const ports: ListeningPort[] = [];
  const sites: Site[] = [];
  const takers: Taking[] = [];

  afterEach(async () => {
    for (const port of ports.splice(0)) await port.stopListening();
    for (const site of sites.splice(0)) await site.drain(0);
    kept.length = 0;
    takers.length = 0;
  });

  function site(): Site {
    const root = new Resource();
    root.putChild('whole', new Keeping(false));
    root.putChild('stream', new Keeping(true));
    const upgrade = new Resource();
    upgrade.isLeaf = true;
    upgrade.render = (request: Request) => {
      const taking = new Taking();
      takers.push(taking);
      request.upgradeTo('any', taking);
      return '';
    };
    root.putChild('upgrade', upgrade);
    const made = new Site(root, { reactor });
    made.noisy = false;
    sites.push(made);
    return made;
  }

  function listen(factory: IProtocolFactory): number {
    const port = reactor.listenTCP(0, factory, { interface: '127.0.0.1' });
    ports.push(port);
    return port.getHost().port;
  }

  function post(path: string, length: number): Buffer {
    const body = randomBytes(length);
    const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nX-Hash: ${hashOf(body)}\r\nContent-Length: ${length}\r\n\r\n`;
    return Buffer.concat([Buffer.from(head), body]);
  }

  /** Sends requests, each when the one before is answered, or all at once. */
  function send(port: number, requests: readonly Buffer[], atOnce: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      let answered = 0;
      socket.on('error', reject);
      socket.setEncoding('latin1').on('data', (text: string) => {
        answered += text.split('HTTP/1.1 200').length - 1;
        if (answered === requests.length) {
          socket.destroy();
          resolve();
        } else if (!atOnce) {
          socket.write(requests[answered] ?? '');
        }
      });
      if (atOnce) socket.write(Buffer.concat(requests));
      else socket.write(requests[0] ?? '');
    });
  }

  async function check(port: number): Promise<void> {
    const clients = Array.from({ length: 8 }, (_, client) => {
      const path = client % 2 === 0 ? '/whole' : '/stream';
      const requests = [...SIZES, ...SIZES].map((length) => post(path, length));
      return send(port, requests, client % 4 > 1);
    });
    await Promise.all(clients);
    expect(kept).to.have.length(8 * 2 * SIZES.length);
    for (const { chunks, hash } of kept) expect(hashOf(Buffer.concat(chunks))).to.equal(hash);
  }

  it('are not used again while a resource has a body in them', () => check(listen(site())));

  it('are not used again by a server that is wrapped: the wrapper may have kept them', async () => {
    const seen: { readonly data: Buffer; readonly hash: string }[] = [];
    class Watching extends ProtocolWrapper {
      override dataReceived(data: Buffer): unknown {
        seen.push({ data, hash: hashOf(data) });
        return super.dataReceived(data);
      }
    }
    class Wrapping extends WrappingFactory {
      override protocol = Watching;
    }
    const wrapping = new Wrapping(site());
    wrapping.noisy = false;
    await check(listen(wrapping));
    expect(seen.some(({ data }) => data.length === 65_536)).to.equal(true);
    for (const { data, hash } of seen) expect(hashOf(data)).to.equal(hash);
  });

  it('are not used again when another protocol has got what is in them', async () => {
    const port = listen(site());
    const sent = randomBytes(400_000);
    const head = 'GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: any\r\n\r\n';
    const sockets: Socket[] = [];
    const done = new Promise<void>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      sockets.push(socket);
      socket.write(Buffer.concat([Buffer.from(head), sent]));
      socket.on('data', (data) => {
        if (data.toString('latin1').endsWith('all')) resolve();
      });
    });
    await done;
    // Others may need buffers now.
    await send(
      port,
      Array.from({ length: 20 }, () => post('/whole', 200_000)),
      false,
    );
    for (const socket of sockets) socket.destroy();
    const [taking] = takers;
    expect(hashOf(Buffer.concat(taking?.chunks ?? []))).to.equal(hashOf(sent));
  });
});
