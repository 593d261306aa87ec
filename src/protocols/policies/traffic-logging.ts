/** A record of all that passes, for finding out what goes wrong (Twisted: `TrafficLoggingFactory`, `SpewingFactory`). It has passwords in it, so keep it nowhere for long. */
import { createWriteStream, type WriteStream } from 'node:fs';
import type { Failure } from '../../deferred/index.ts';
import {
  type Address,
  type Data,
  type IProtocol,
  type IProtocolFactory,
  logEvent,
} from '../../reactor/index.ts';
import { bytesOf } from '../data.ts';
import { ProtocolWrapper, type WrapperClass, WrappingFactory } from './wrapping.ts';

/** Where the record of one connection goes. */
export interface TrafficLog {
  /** Takes a line, with its end. */
  write(line: string): unknown;
  /** Nothing more comes. */
  end?(): unknown;
}

/** Options of a `TrafficLoggingFactory`. */
export interface TrafficLoggingOptions {
  /** How many bytes of each piece are shown; null for all, which is the default. */
  lengthLimit?: number | null;
}

/** Bytes as the text of a string: what is no visible ASCII is escaped. */
function shown(data: Uint8Array, lengthLimit: number | null): string {
  const most = lengthLimit ?? data.length;
  const text = Buffer.from(data.buffer, data.byteOffset, Math.min(most, data.length));
  const visible = text.toString('latin1').replace(/[^ -~]|["\\]/g, escaped);
  const rest = data.length > most ? `... (${data.length} bytes)` : '';
  return `"${visible}"${rest}`;
}

const SHORT: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '"': '\\"',
  '\\': '\\\\',
};

function escaped(character: string): string {
  return SHORT[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

/**
 * Keeps a record of each connection of the wrapped factory, in a file of its own: the name that was given, with '-1', '-2' and so on behind it. A line begins with 'C' for what the
 * peer sent, 'S' for what we sent, '*' for what happened.
 *
 * Twisted: `twisted.protocols.policies.TrafficLoggingFactory`.
 *
 * @example
 * reactor.listenTCP(8007, new TrafficLoggingFactory(new EchoFactory(), '/tmp/echo.log'));
 */
export class TrafficLoggingFactory extends WrappingFactory {
  override protocol: WrapperClass = TrafficLoggingProtocol;
  /** Bytes that are shown of each chunk; null for all. */
  readonly lengthLimit: number | null;
  readonly #log: string | ((number: number, addr: Address) => TrafficLog);
  #counter = 0;
  #current: readonly [number, TrafficLog] | undefined;

  /** @param log the first part of the files' names, or a function that gives what to write a connection's record to */
  constructor(
    wrappedFactory: IProtocolFactory,
    log: string | ((number: number, addr: Address) => TrafficLog),
    { lengthLimit = null }: TrafficLoggingOptions = {},
  ) {
    super(wrappedFactory);
    this.#log = log;
    this.lengthLimit = lengthLimit;
  }

  override buildProtocol(addr: Address): ProtocolWrapper | null {
    const wrapped = this.wrappedFactory.buildProtocol(addr);
    if (wrapped === null || wrapped === undefined) return null;
    this.#counter += 1;
    const log = this.open(this.#counter, addr);
    this.#current = [this.#counter, log];
    try {
      return new this.protocol(this, wrapped);
    } finally {
      this.#current = undefined;
    }
  }

  /** Has the next connection be number 1 again. */
  resetCounter(): void {
    this.#counter = 0;
  }

  /** What the record of connection `number` is written to. */
  protected open(number: number, addr: Address): TrafficLog {
    if (typeof this.#log === 'function') return this.#log(number, addr);
    return openFile(`${this.#log}-${number}`, this.logPrefix());
  }

  /** The number and the record of the wrapper that is being made. @internal */
  takeLog(): readonly [number, TrafficLog] {
    return this.#current ?? [this.#counter, { write() {} }];
  }
}

/** A file that may be told more than it can take without harm to the connection. */
function openFile(name: string, system: string): WriteStream {
  const file = createWriteStream(name, { mode: 0o600 });
  file.on('error', (error) => {
    logEvent({ level: 'warn', system, message: `Cannot record traffic: ${error.message}` });
  });
  return file;
}

/**
 * One connection whose traffic is recorded.
 *
 * Twisted: `twisted.protocols.policies.TrafficLoggingProtocol`.
 */
export class TrafficLoggingProtocol extends ProtocolWrapper {
  readonly #number: number;
  readonly #log: TrafficLog;
  readonly #lengthLimit: number | null;

  constructor(factory: WrappingFactory, wrappedProtocol: IProtocol | null) {
    super(factory, wrappedProtocol);
    const own = factory instanceof TrafficLoggingFactory ? factory : undefined;
    [this.#number, this.#log] = own?.takeLog() ?? [0, { write() {} }];
    this.#lengthLimit = own?.lengthLimit ?? null;
  }

  /** Adds a line to the record. */
  log(line: string): void {
    this.#log.write(`${line}\n`);
  }

  protected override startWrapped(): unknown {
    this.log(`* ${this.#number}: connection with ${this.getPeer()}`);
    return super.startWrapped();
  }

  override dataReceived(data: Buffer): unknown {
    this.log(`C ${this.#number}: ${shown(data, this.#lengthLimit)}`);
    return super.dataReceived(data);
  }

  override write(data: Data): void {
    this.log(`S ${this.#number}: ${shown(bytesOf(data, 'write data'), this.#lengthLimit)}`);
    super.write(data);
  }

  override writeSequence(data: Iterable<Data>): void {
    const chunks = typeof data === 'string' ? data : [...data];
    if (typeof chunks !== 'string') {
      const bytes = chunks.map((chunk) => bytesOf(chunk, 'write data'));
      this.log(`S ${this.#number}: ${shown(Buffer.concat(bytes), this.#lengthLimit)}`);
    }
    super.writeSequence(chunks);
  }

  override loseConnection(): void {
    this.log(`* ${this.#number}: we close it`);
    super.loseConnection();
  }

  override abortConnection(): void {
    this.log(`* ${this.#number}: we abort it`);
    super.abortConnection();
  }

  override connectionLost(reason: Failure): unknown {
    this.log(`* ${this.#number}: connection lost: ${reason.getErrorMessage()}`);
    try {
      return super.connectionLost(reason);
    } finally {
      this.#log.end?.();
    }
  }
}

/**
 * Logs all that passes, at level debug.
 *
 * Twisted: `twisted.protocols.policies.SpewingFactory`.
 */
export class SpewingFactory extends WrappingFactory {
  override protocol: WrapperClass = SpewingProtocol;
}

/** One connection whose traffic is logged. Twisted: `twisted.protocols.policies.SpewingProtocol`. */
export class SpewingProtocol extends ProtocolWrapper {
  override dataReceived(data: Buffer): unknown {
    this.#spew('Received', data);
    return super.dataReceived(data);
  }

  override write(data: Data): void {
    this.#spew('Sending', data);
    super.write(data);
  }

  override writeSequence(data: Iterable<Data>): void {
    const chunks = typeof data === 'string' ? data : [...data];
    if (typeof chunks !== 'string') for (const chunk of chunks) this.#spew('Sending', chunk);
    super.writeSequence(chunks);
  }

  #spew(what: string, data: Data): void {
    const message = `${what}: ${shown(bytesOf(data, 'write data'), null)}`;
    logEvent({ level: 'debug', system: this.logPrefix(), message });
  }
}
