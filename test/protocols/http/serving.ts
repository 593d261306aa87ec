/** A server on loopback for tests, and a client that says what it is told to. */
import { Agent, type IncomingHttpHeaders, request as nodeRequest } from 'node:http';
import { connect } from 'node:net';
import { type IResource, Site, type SiteOptions } from '../../../src/protocols/http/index.ts';
import { LibuvReactor, type TCPListeningPort } from '../../../src/reactor/index.ts';

const HOST = '127.0.0.1';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: Buffer | string;
}

/** A site that listens. */
export class Serving {
  readonly port: number;
  readonly reactor: LibuvReactor = new LibuvReactor();
  readonly #listening: TCPListeningPort;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 });
  readonly site: Site;

  constructor(resource: IResource, options: SiteOptions = {}) {
    this.site = new Site(resource, { reactor: this.reactor, ...options });
    this.#listening = this.reactor.listenTCP(0, this.site, { interface: HOST });
    this.port = this.#listening.getHost().port;
  }

  get url(): string {
    return `http://${HOST}:${this.port}`;
  }

  /** Asks for `path`, just as it is written. */
  ask(path: string, { method = 'GET', headers = {}, body }: Ask = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = nodeRequest(
        { host: HOST, port: this.port, path, method, headers, agent: this.#agent },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const all = Buffer.concat(chunks);
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: all,
              text: all.toString(),
            });
          });
        },
      );
      request.on('error', reject);
      request.end(body);
    });
  }

  /** Sends `text` over a connection of its own and gives all that comes until it is closed. */
  raw(text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      const socket = connect(this.port, HOST, () => socket.write(text, 'latin1'));
      socket.on('data', (chunk) => chunks.push(chunk));
      socket.on('error', reject);
      socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
    });
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    await this.#listening.stopListening();
    await this.site.drain(0);
  }
}
