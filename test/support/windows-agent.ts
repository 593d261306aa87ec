/** Calls functions in a program on Windows, and gets what they return. The other end is wine-agent.ts. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Outcome, WindowsProcess } from './windows-process.ts';

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly message: string };
}

interface Call {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Gives the file to import in a module's place. */
type Locate = (module: string) => Promise<string>;

export class WindowsAgent {
  readonly #locate: Locate;
  readonly #process: WindowsProcess;
  readonly #socket: Socket;
  readonly #calls = new Map<number, Call>();
  #serial = 0;
  #gone = false;

  private constructor(running: WindowsProcess, socket: Socket, locate: Locate) {
    this.#locate = locate;
    this.#process = running;
    this.#socket = socket;
    socket.on('error', () => {});
    const lines = createInterface({ input: socket });
    lines.on('line', (line) => this.#answered(line));
    lines.on('close', () => this.#lost());
  }

  /** Starts the program that `program` starts, and waits until it has connected to the port given. */
  static async start(
    program: (port: number) => WindowsProcess,
    locate: Locate,
  ): Promise<WindowsAgent> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    // A server that listens on a port has an address of that kind.
    const running = program((server.address() as AddressInfo).port);
    const failed = running.ended.then(({ code, stdout }) => {
      throw new Error(`The agent ended with ${code} before it connected:\n${stdout}`);
    });
    failed.catch(() => {});
    try {
      const [socket] = await Promise.race([once(server, 'connection'), failed]);
      return new WindowsAgent(running, socket, locate);
    } finally {
      server.close();
    }
  }

  /**
   * Calls what a module exports under that name, there. Arguments and result travel as JSON (a BigInt arrives as text). An error arrives as an
   * Error with the same message, name and enumerable properties (`code`).
   * @param module a path, relative to the repository
   */
  async call(module: string, name: string, ...args: readonly unknown[]): Promise<unknown> {
    const file = await this.#locate(module);
    if (this.#gone) throw new Error(this.#obituary());
    const id = ++this.#serial;
    return await new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#socket.write(`${JSON.stringify({ id, module: file, name, args })}\n`);
    });
  }

  /** Ends the program as its own end does: what it holds is closed by the system. */
  async end(): Promise<void> {
    await this.finish();
  }

  /** As `end`; gives what it printed. */
  finish(): Promise<Outcome> {
    this.#socket.end();
    return this.#process.ended;
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    this.#process.kill();
    await this.#process.ended;
    this.#socket.destroy();
  }

  #answered(line: string): void {
    // Written by wine-agent.ts.
    const answer = JSON.parse(line) as Answer;
    const call = this.#calls.get(answer.id);
    this.#calls.delete(answer.id);
    if (answer.error === undefined) call?.resolve(answer.value);
    else call?.reject(Object.assign(new Error(answer.error.message), answer.error));
  }

  #lost(): void {
    this.#gone = true;
    for (const call of this.#calls.values()) call.reject(new Error(this.#obituary()));
    this.#calls.clear();
  }

  #obituary(): string {
    return `The agent has gone:\n${this.#process.output}`;
  }
}
