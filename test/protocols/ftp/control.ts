/** The client's end of a control connection, as bare as can be: for tests that say what no decent client would. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import {
  AllowAnonymousAccess,
  InMemoryUsernamePasswordDatabase,
  Portal,
  type Realm,
} from '../../../src/protocols/cred/index.ts';
import { FTPFactory, type FTPFactoryOptions, IFTPShell } from '../../../src/protocols/ftp/index.ts';
import { type ListeningPort, reactor } from '../../../src/reactor/index.ts';
import { turns } from '../../support/faults.ts';
import { FakeShell } from './fake-shell.ts';

export class Control {
  readonly socket: Socket;
  #text = '';
  #waiting: (() => void) | null = null;
  ended = false;

  constructor(socket: Socket) {
    this.socket = socket;
    this.#listen(socket);
  }

  #listen(socket: Socket): void {
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      this.#text += text;
      this.#waiting?.();
    });
    socket.on('close', () => {
      this.ended = true;
      this.#waiting?.();
    });
    socket.on('error', () => {});
  }

  static async open(port: number, host = '127.0.0.1'): Promise<Control> {
    const socket = connect({ port, host });
    const control = new Control(socket);
    await once(socket, 'connect');
    return control;
  }

  /** The next reply, whole, without its last line end; '' once the connection is over. */
  async reply(): Promise<string> {
    for (;;) {
      const found = /^(\d{3})(?: .*|-[\s\S]*?\r\n\1 .*)\r\n/.exec(this.#text);
      if (found !== null) {
        this.#text = this.#text.slice(found[0].length);
        return found[0].slice(0, -2);
      }
      if (this.ended) return '';
      await new Promise<void>((resolve) => (this.#waiting = resolve));
    }
  }

  send(text: string): void {
    this.socket.write(`${text}\r\n`);
  }

  /** Sends a command, gives its reply. */
  async say(text: string): Promise<string> {
    this.send(text);
    return await this.reply();
  }

  async login(user = 'alice', password = 'wonder'): Promise<void> {
    await this.reply();
    await this.say(`USER ${user}`);
    const reply = await this.say(`PASS ${password}`);
    if (!reply.startsWith('230')) throw new Error(reply);
  }

  /** Opens a data connection by PASV. */
  async passive(): Promise<Socket> {
    const reply = await this.say('PASV');
    const numbers = /\(([\d,]+)\)/.exec(reply)?.[1]?.split(',').map(Number) ?? [];
    const socket = connect({
      host: numbers.slice(0, 4).join('.'),
      port: (numbers[4] ?? 0) * 256 + (numbers[5] ?? 0),
    });
    await once(socket, 'connect');
    return socket;
  }

  /** Has a command send its data; gives both of its replies, and the data. */
  async fetch(command: string): Promise<[first: string, data: string, last: string]> {
    const socket = await this.passive();
    const all = collect(socket);
    const first = await this.say(command);
    if (!first.startsWith('1')) {
      socket.destroy();
      return [first, '', ''];
    }
    return [first, (await all).toString(), await this.reply()];
  }

  /** Has a command take data; gives its last reply. */
  async put(command: string, data: string | Buffer): Promise<string> {
    const socket = await this.passive();
    socket.on('error', () => {}); // of those that are not taken
    const first = await this.say(command);
    if (!first.startsWith('1')) {
      socket.destroy();
      return first;
    }
    socket.end(data);
    return await this.reply();
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Seconds that something may take that is about to happen. */
const PATIENCE = 10;

/** Turns the loop until it is so. */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  const end = performance.now() + PATIENCE * 1000;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`It never came true that ${what}`);
    await turns(1);
  }
}

/** All that comes over a socket. */
export async function collect(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  socket.on('error', () => {});
  await new Promise((resolve) => socket.on('close', resolve));
  return Buffer.concat(pieces);
}

/** Something that can be connected to. */
export async function acceptor(host = '127.0.0.1'): Promise<{
  server: Server;
  port: number;
  next: () => Promise<Socket>;
}> {
  const server = createServer();
  const sockets: Socket[] = [];
  let waiting: ((socket: Socket) => void) | null = null;
  server.on('connection', (socket) => {
    if (waiting === null) sockets.push(socket);
    else waiting(socket);
  });
  server.listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  return {
    server,
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    next: () =>
      new Promise((resolve) => {
        const first = sockets.shift();
        if (first === undefined) waiting = resolve;
        else resolve(first);
      }),
  };
}

/** A server with alice (password wonder) and anonymous users, who all see the same files; `implicit`: under TLS from the first byte. */
export class Served {
  readonly shell: FakeShell;
  readonly factory: FTPFactory;
  readonly listening: ListeningPort;
  readonly port: number;
  logouts = 0;

  constructor(
    options: FTPFactoryOptions = {},
    files: Readonly<Record<string, string | Buffer | null>> = {},
    host = '127.0.0.1',
    implicit = false,
  ) {
    this.shell = new FakeShell(files);
    const realm: Realm = {
      requestAvatar: (_id, _mind, ...interfaces) => {
        if (!interfaces.includes(IFTPShell)) throw new Error('not asked for a shell');
        return [IFTPShell, this.shell, () => (this.logouts += 1)];
      },
    };
    const portal = new Portal(realm, [
      new InMemoryUsernamePasswordDatabase({ alice: 'wonder', bob: 'builder' }),
      new AllowAnonymousAccess(),
    ]);
    this.factory = new FTPFactory(portal, { loginDelay: 0, ...options });
    this.factory.noisy = false;
    this.listening =
      implicit && options.tls !== undefined
        ? reactor.listenSSL(0, this.factory, options.tls, { interface: host })
        : reactor.listenTCP(0, this.factory, { interface: host });
    const address = this.listening.getHost();
    this.port = 'port' in address ? Number(address.port) : 0;
  }

  async stop(): Promise<void> {
    await this.listening.stopListening();
    await this.factory.drain(0.01);
  }
}
