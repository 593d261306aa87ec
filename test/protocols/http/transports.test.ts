/** HTTP over every kind of stream that the reactor has, and over none. */
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  NOT_DONE_YET,
  type Request,
  type RequestBody,
  Resource,
  Site,
} from '../../../src/protocols/http/index.ts';
import { FileSender, Protocol } from '../../../src/protocols/index.ts';
import {
  connectedServerAndClient,
  IPv4Address,
  LibuvReactor,
  type ListeningPort,
} from '../../../src/reactor/index.ts';
import { certificates } from '../../support/certificates.ts';
import { Clock } from '../support.ts';
import { answersIn, get } from './serving-memory.ts';

const SIZE = 5_000_000;

class Who extends Resource {
  override isLeaf = true;
  override render_GET(request: Request): string | Buffer {
    if (request.path === '/big') return Buffer.alloc(SIZE, 'x');
    return `${request.isSecure()} ${request.getRequestHostname()} ${request.getClientIP()}`;
  }
}

/** Sends a great deal by a producer, and takes a great deal. */
class Large extends Resource {
  override isLeaf = true;
  override streamsBody = true;
  override render_GET(request: Request<RequestBody>): typeof NOT_DONE_YET {
    let left = 100;
    const file = {
      read: (size: number): Buffer | null => (left-- > 0 ? Buffer.alloc(size, 'y') : null),
    };
    new FileSender().beginFileTransfer(file, request).addCallback(() => request.finish());
    return NOT_DONE_YET;
  }
  override async render_PUT(request: Request<RequestBody>): Promise<string> {
    let bytes = 0;
    for await (const chunk of request.content) {
      bytes += chunk.length;
      // Slower than it comes.
      await new Promise(setImmediate);
    }
    return String(bytes);
  }
}

interface Got {
  readonly status: number;
  readonly length: number;
  readonly text: string;
}

function ask(secure: boolean, options: RequestOptions, body?: Buffer): Promise<Got> {
  return new Promise((resolve, reject) => {
    const request = (secure ? httpsRequest : httpRequest)(options, (response) => {
      let length = 0;
      let text = '';
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length < 1000) text += chunk.toString();
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, length, text }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

describe('HTTP over', () => {
  const reactor = new LibuvReactor();
  const open: ListeningPort[] = [];
  let site: Site;
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'strand-http-'));
    const root = new Resource();
    root.putChild('', new Who());
    root.putChild('big', new Who());
    root.putChild('large', new Large());
    site = new Site(root, { reactor });
    site.noisy = false;
  });

  afterEach(async () => {
    for (const port of open.splice(0)) await port.stopListening();
    await site.drain(0);
    rmSync(folder, { recursive: true });
  });

  const checkAll = async (secure: boolean, where: RequestOptions): Promise<void> => {
    const agentOptions = { keepAlive: true, maxSockets: 1 };
    const agent = secure
      ? new (await import('node:https')).Agent(agentOptions)
      : new Agent(agentOptions);
    const options = { ...where, agent };
    expect((await ask(secure, { ...options, path: '/' })).text).to.match(new RegExp(`^${secure} `));
    expect((await ask(secure, { ...options, path: '/big' })).length).to.equal(SIZE);
    expect((await ask(secure, { ...options, path: '/large' })).length).to.be.above(1_000_000);
    const put = await ask(
      secure,
      { ...options, path: '/large', method: 'PUT' },
      Buffer.alloc(SIZE),
    );
    expect(put.text).to.equal(String(SIZE));
    expect(site.connections).to.equal(1);
    agent.destroy();
  };

  it('TCP', async () => {
    const port = reactor.listenTCP(0, site, { interface: '127.0.0.1' });
    open.push(port);
    await checkAll(false, { host: '127.0.0.1', port: port.getHost().port });
  });

  it('TLS', async () => {
    const { server, ca } = certificates();
    const port = reactor.listenSSL(0, site, server, { interface: '127.0.0.1' });
    open.push(port);
    await checkAll(true, {
      host: '127.0.0.1',
      port: port.getHost().port,
      ca: ca.cert,
    } as RequestOptions);
  });

  it('UNIX sockets', async () => {
    const path = join(folder, 'web.sock');
    open.push(reactor.listenUNIX(path, site));
    await checkAll(false, { socketPath: path });
    const answer = await ask(false, { socketPath: path, path: '/', headers: { Host: 'name' } });
    expect(answer.text).to.equal('false name null');
  });

  it('TCP, up to the stop of the reactor, which waits for requests under way', async () => {
    const own = new LibuvReactor();
    const waiting: Request[] = [];
    const resource = new Resource();
    resource.isLeaf = true;
    resource.render = (request: Request) => {
      waiting.push(request);
      return NOT_DONE_YET;
    };
    const stopping = new Site(resource, { reactor: own });
    stopping.noisy = false;
    const port = own.listenTCP(0, stopping, { interface: '127.0.0.1' });
    const running = own.run({ installSignalHandlers: false });
    const answer = ask(false, { host: '127.0.0.1', port: port.getHost().port, path: '/' });
    while (waiting.length === 0) await new Promise(setImmediate);
    own.stop();
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    expect(own.running).to.equal(true);
    waiting[0]?.write('in time');
    waiting[0]?.finish();
    expect((await answer).text).to.equal('in time');
    await running;
    expect(own.getDelayedCalls()).to.deep.equal([]);
  });

  it('a connection in memory', () => {
    class Client extends Protocol {
      text = '';
      closed = false;
      override connectionMade(): void {
        this.transport.write(get('/') + get('/', 'Connection: close'));
      }
      override dataReceived(data: Buffer): void {
        this.text += data.toString('latin1');
      }
      override connectionLost(): void {
        this.closed = true;
      }
    }
    const clock = new Clock();
    const memory = new Site(site.resource, { reactor: clock });
    const build = (): NonNullable<ReturnType<Site['buildProtocol']>> => {
      const channel = memory.buildProtocol(new IPv4Address('TCP', '10.0.0.1', 1));
      if (channel === null) throw new Error('It was refused');
      return channel;
    };
    const [client, , pump] = connectedServerAndClient(build, Client, { clock });
    pump.flush();
    expect(answersIn(client.text)).to.have.length(2);
    expect(client.closed).to.equal(true);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });
});
