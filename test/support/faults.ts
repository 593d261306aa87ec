/** What tests of broken connections share: a peer in a thread of its own, and the kinds of sockets it is reached by. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type {
  IClientFactory,
  IProtocolFactory,
  LibuvReactor,
  ListeningPort,
} from '../../src/reactor/index.ts';

/** Seconds after which a call on the peer is given up. */
const PATIENCE = 10;

/** Where something listens, as `net.connect` takes it. */
export type Where = { readonly host: string; readonly port: number } | { readonly path: string };

/** A number for a connection of the peer's. */
export type PeerSocket = number & { readonly peer?: never };

interface Answer {
  readonly value?: unknown;
  readonly error?: string;
}

/**
 * Plain `node:net` sockets in another thread. Each call blocks this thread until it is done, so that what the peer does can be made to
 * happen within any callback, or between any two turns. A socket reads nothing before `read`.
 */
export class BlockingPeer {
  readonly #state = new Int32Array(new SharedArrayBuffer(16));
  readonly #text = new Uint8Array(new SharedArrayBuffer(4096));
  readonly #worker: Worker;

  private constructor(worker: (data: object) => Worker) {
    this.#worker = worker({ state: this.#state.buffer, text: this.#text.buffer });
  }

  static async start(): Promise<BlockingPeer> {
    const url = new URL('../fixtures/faults/peer.mjs', import.meta.url);
    const peer = new BlockingPeer((workerData) => new Worker(url, { workerData, execArgv: [] }));
    await new Promise((resolve) => peer.#worker.once('online', resolve));
    peer.#worker.unref();
    return peer;
  }

  #send(command: string, args: readonly unknown[], blocking: boolean): void {
    this.#worker.postMessage({ command, args, blocking });
  }

  #answer(command: string): unknown {
    if (Atomics.wait(this.#state, 0, 0, PATIENCE * 1000) === 'timed-out') {
      throw new Error(`The peer did not ${command} within ${PATIENCE} s`);
    }
    Atomics.store(this.#state, 0, 0);
    const text = Buffer.from(this.#text.slice(0, this.#state[2]));
    const answer: Answer = JSON.parse(text.toString());
    if (answer.error !== undefined) throw new Error(`Peer: ${command}: ${answer.error}`);
    return answer.value;
  }

  #call(command: string, ...args: unknown[]): unknown {
    this.#send(command, args, true);
    return this.#answer(command);
  }

  connect(where: Where): PeerSocket {
    return Number(this.#call('connect', where));
  }

  /** @returns where it listens, in full */
  listen(where: Where): Where {
    const bound = this.#call('listen', where);
    return 'path' in where ? where : { host: where.host, port: Number(bound) };
  }

  accept(): PeerSocket {
    return Number(this.#call('accept'));
  }

  unlisten(): void {
    this.#call('unlisten');
  }

  write(id: PeerSocket, text: string): void {
    this.#call('write', id, text);
  }

  end(id: PeerSocket): void {
    this.#call('end', id);
  }

  reset(id: PeerSocket): void {
    this.#call('reset', id);
  }

  destroy(id: PeerSocket): void {
    this.#call('destroy', id);
  }

  read(id: PeerSocket): void {
    this.#call('read', id);
  }

  clear(): void {
    this.#call('clear');
  }

  /** Accepts nothing from here until `refuse`, though the system goes on completing connections for it. */
  listenInVain(): void {
    this.#send('listenInVain', [], true);
    Atomics.wait(this.#state, 3, 0, PATIENCE * 1000);
    Atomics.store(this.#state, 3, 0);
  }

  /** Stops listening; the system resets whoever it had connected. */
  refuse(): void {
    Atomics.store(this.#state, 1, 1);
    Atomics.notify(this.#state, 1);
    this.#answer('refuse');
  }

  /** Without blocking: the bytes that come until this side ends. */
  async readToEnd(id: PeerSocket): Promise<number> {
    return Number(await this.#later('readToEnd', id));
  }

  /** Without blocking: connects and resets `count` times, `abreast` at once. */
  async churn(where: Where, count: number, abreast: number): Promise<void> {
    await this.#later('churn', where, count, abreast);
  }

  async #later(command: string, ...args: unknown[]): Promise<unknown> {
    this.#worker.ref();
    this.#send(command, args, false);
    const answer = await new Promise<Answer>((resolve) => this.#worker.once('message', resolve));
    this.#worker.unref();
    if (answer.error !== undefined) throw new Error(`Peer: ${command}: ${answer.error}`);
    return answer.value;
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** One kind of socket: how we listen and connect on it, and where its peers go. */
export interface SocketKind {
  readonly name: string;
  /** Whether a peer can reset it whatever it has read. */
  readonly resets: boolean;
  listen(reactor: LibuvReactor, factory: IProtocolFactory): { port: ListeningPort; where: Where };
  connect(reactor: LibuvReactor, where: Where, factory: IClientFactory): void;
  /** Somewhere to listen that is free. */
  free(): Where;
  /** Removes what it made. */
  close(): void;
}

export function tcpKind(): SocketKind {
  const host = '127.0.0.1';
  return {
    name: 'TCP',
    resets: true,
    listen(reactor, factory) {
      const port = reactor.listenTCP(0, factory, { interface: host });
      return { port, where: { host, port: port.getHost().port } };
    },
    connect(reactor, where, factory) {
      if ('port' in where) reactor.connectTCP(where.host, where.port, factory);
    },
    free: () => ({ host, port: 0 }),
    close() {},
  };
}

export function unixKind(): SocketKind {
  let folder: string | undefined;
  let count = 0;
  const free = (): { path: string } => {
    folder ??= mkdtempSync(join(tmpdir(), 'strand-'));
    count += 1;
    return { path: join(folder, `${count}.sock`) };
  };
  return {
    name: 'UNIX',
    resets: false,
    listen(reactor, factory) {
      const where = free();
      return { port: reactor.listenUNIX(where.path, factory), where };
    },
    connect(reactor, where, factory) {
      if ('path' in where) reactor.connectUNIX(where.path, factory);
    },
    free,
    close() {
      if (folder !== undefined) rmSync(folder, { recursive: true });
    },
  };
}

/** Turns of the loop, to see that something does not happen. */
export function turns(n: number): Promise<void> {
  return new Promise((resolve) => {
    const next = (left: number): void => {
      if (left === 0) resolve();
      else setImmediate(next, left - 1);
    };
    next(n);
  });
}

/** Ends a reactor in the ordinary way, with all that is open on it. */
export async function stopReactor(reactor: LibuvReactor): Promise<void> {
  const running = reactor.run(false);
  reactor.stop();
  await running;
}
