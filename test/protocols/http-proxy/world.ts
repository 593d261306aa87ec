/** A proxy on loopback, and backends that say what they are told to. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import {
  type IResource,
  Resource,
  Site,
  type SiteOptions,
} from '../../../src/protocols/http/index.ts';
import {
  type ReverseProxyOptions,
  ReverseProxyResource,
} from '../../../src/protocols/http/proxy/index.ts';
import { LibuvReactor, type TCPListeningPort } from '../../../src/reactor/index.ts';

export const HOST = '127.0.0.1';

/** A backend by hand: keeps what it is asked, and answers each request with what `answer` gives. */
export class RawBackend {
  readonly #server: Server;
  port = 0;
  readonly sockets: Socket[] = [];
  /** The requests that came, heads and bodies as they were sent. */
  readonly asked: string[] = [];
  answer: (head: string, socket: Socket, body: string) => string | null = () =>
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
  /** Called for each piece that comes; by default requests are put together. */
  onData: ((data: Buffer, socket: Socket) => void) | undefined;
  onSocket: (socket: Socket) => void = () => {};

  private constructor() {
    this.#server = createServer({ allowHalfOpen: false }, (socket) => this.#serve(socket));
  }

  static async start(): Promise<RawBackend> {
    const backend = new RawBackend();
    backend.#server.listen(0, HOST);
    await once(backend.#server, 'listening');
    backend.port = (backend.#server.address() as AddressInfo).port; // it listens on a port
    return backend;
  }

  #serve(socket: Socket): void {
    this.sockets.push(socket);
    socket.on('error', () => {});
    this.onSocket(socket);
    let text = '';
    socket.on('data', (data) => {
      if (this.onData !== undefined) {
        this.onData(data, socket);
        return;
      }
      text += data.toString('latin1');
      for (;;) {
        const end = text.indexOf('\r\n\r\n');
        if (end < 0) return;
        const head = text.slice(0, end + 4);
        let stop = end + 4;
        const length = /\r\nContent-Length: (\d+)/i.exec(head)?.[1];
        if (length !== undefined) stop += Number(length);
        else if (/\r\nTransfer-Encoding: chunked/i.test(head)) {
          const last = text.indexOf('\r\n0\r\n', end + 2);
          const done = last < 0 ? -1 : text.indexOf('\r\n\r\n', last + 2);
          if (done < 0) return;
          stop = done + 4;
        }
        if (text.length < stop) return;
        const body = text.slice(end + 4, stop);
        this.asked.push(text.slice(0, stop));
        text = text.slice(stop);
        const answer = this.answer(head, socket, body);
        if (answer !== null) socket.write(answer, 'latin1');
      }
    });
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** A server that proxies. */
export class ProxyServer {
  readonly reactor: LibuvReactor = new LibuvReactor();
  readonly proxy: ReverseProxyResource;
  readonly site: Site;
  readonly port: number;
  readonly #listening: TCPListeningPort;

  /** @param at where it is in the tree: '' for all of it */
  constructor(
    backend: number,
    options: ReverseProxyOptions = {},
    { path = '', at = '', site = {} as SiteOptions } = {},
  ) {
    this.proxy = new ReverseProxyResource(HOST, backend, path, this.reactor, options);
    let root: IResource = this.proxy;
    if (at !== '') {
      const tree = new Resource();
      tree.putChild(at, this.proxy);
      root = tree;
    }
    this.site = new Site(root, { reactor: this.reactor, ...site });
    this.#listening = this.reactor.listenTCP(0, this.site, { interface: HOST });
    this.port = this.#listening.getHost().port;
  }

  /** Sends text over a connection of its own, and gives all that comes until it is closed. */
  raw(text: string): Promise<string> {
    return new Promise((resolve) => {
      const chunks: Buffer[] = [];
      const socket = connect(this.port, HOST, () => socket.write(text, 'latin1'));
      socket.on('data', (chunk) => chunks.push(chunk));
      socket.on('error', () => {});
      socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
    });
  }

  /** Sends a request that is to be the last. */
  ask(line: string, fields: readonly string[] = [], body = ''): Promise<string> {
    const lines = [`${line} HTTP/1.1`, 'Host: front.example', 'Connection: close', ...fields];
    return this.raw(`${lines.join('\r\n')}\r\n\r\n${body}`);
  }

  async stop(): Promise<void> {
    await this.#listening.stopListening();
    await this.site.drain(0);
    this.proxy.close();
  }
}

/** The body of an answer, its chunks put together. */
export function bodyOf(answer: string): string {
  const at = answer.indexOf('\r\n\r\n') + 4;
  const head = answer.slice(0, at);
  let rest = answer.slice(at);
  if (!/transfer-encoding: chunked/i.test(head)) return rest;
  let body = '';
  for (;;) {
    const line = rest.indexOf('\r\n');
    const size = Number.parseInt(rest.slice(0, line), 16);
    if (!(size > 0)) return body;
    body += rest.slice(line + 2, line + 2 + size);
    rest = rest.slice(line + 4 + size);
  }
}

/** The fields of a message, in small letters. */
export function fieldsOf(message: string): Record<string, string> {
  const fields: Record<string, string> = {};
  const [, ...lines] = message.slice(0, message.indexOf('\r\n\r\n')).split('\r\n');
  for (const line of lines) {
    const colon = line.indexOf(': ');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 2);
    fields[name] = name in fields ? `${fields[name]} | ${value}` : value;
  }
  return fields;
}
