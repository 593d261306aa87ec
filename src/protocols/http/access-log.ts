/** Who asked for what: a line for people and their tools, or a record for machines. */

import { createWriteStream, type WriteStream } from 'node:fs';
import { Deferred } from '../../deferred/index.ts';
import {
  type Address,
  type DelayedCall,
  IPv4Address,
  IPv6Address,
  logEvent,
  type ReactorTime,
} from '../../reactor/index.ts';
import { trimBlanks } from './field-lists.ts';
import type { HTTPParseErrorCode } from './parse-errors.ts';

/** Why something was refused before it was a request: the rule that it broke, or that its head took too long to come. */
export type RefusalReason = HTTPParseErrorCode | 'timeout';

/** What can be logged: a `Request`, or what was refused before it was one, of which less is known. */
export interface Loggable {
  /** These three are empty where a refused request line could not be read. */
  readonly method: string;
  /** The target as it was sent. */
  readonly uri: string;
  /** Such as 'HTTP/1.1'. */
  readonly clientproto: string;
  /** The status of the answer. */
  readonly code: number;
  /** Bytes of the answer's body. */
  readonly sentLength: number;
  /** Why it was refused; not there, or null, for a request. */
  readonly refusal?: RefusalReason | null;
  /** Of what was refused: its first line, as far as it came. */
  readonly line?: string;
  /** The number of the client's address; null where it has none. */
  getClientIP(): string | null;
  /** The name that the client gave, '' if none. */
  getUser(): string;
  /** The value of a header field. */
  getHeader(name: string): string | undefined;
  /** The host that was asked for. */
  getRequestHostname(): string;
}

/** One answer. What is null was not said, or not understood. */
export interface AccessRecord {
  /** When the answer was complete, in seconds since 1970 UTC. */
  readonly time: number;
  /** The number of the client's address; null where it has none. */
  readonly client: string | null;
  /** Who logged in; null for nobody. */
  readonly user: string | null;
  /** Null when the request could not be read. */
  readonly method: string | null;
  /** The target as it was sent. */
  readonly uri: string | null;
  /** Such as 'HTTP/1.1'; null when the request could not be read. */
  readonly protocol: string | null;
  /** Null for none. */
  readonly host: string | null;
  /** The status of the answer. */
  readonly code: number;
  /** Why it was refused before it was a request; null for a request. */
  readonly refusal: RefusalReason | null;
  /** Of what was refused: its first line as far as it came, unchanged. Null for a request. */
  readonly line: string | null;
  /** Bytes of the body that were sent. */
  readonly length: number;
  /** Null for none. */
  readonly referrer: string | null;
  /** Null for none. */
  readonly agent: string | null;
}

/** Makes a line of a request, without its line end. @param timestamp as the combined format writes it: '[21/Nov/2026:15:04:05 +0000]' */
export type LogFormatter = (timestamp: string, request: Loggable) => string;

/** The number of an address; null where it has none. */
export function numberOf(address: Address | undefined): string | null {
  return address instanceof IPv4Address || address instanceof IPv6Address ? address.host : null;
}

/** What goes to a line must not be able to begin another, nor to speak to a terminal. */
function escaped(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
    /["\\\x00-\x1f\x7f-\uffff]/g,
    (character) => {
      if (character === '"' || character === '\\') return `\\${character}`;
      const code = character.charCodeAt(0);
      return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
    },
  );
}

function quoted(text: string | undefined): string {
  return `"${escaped(text ?? '-')}"`;
}

function line(client: string, timestamp: string, request: Loggable): string {
  const user = request.getUser();
  const asked = request.line ?? `${request.method} ${request.uri} ${request.clientproto}`;
  const length = request.sentLength > 0 ? request.sentLength : '-';
  const name = user === '' ? '-' : escaped(user).replaceAll(' ', '\\x20');
  return `${client} - ${name} ${timestamp} ${quoted(asked || undefined)} ${request.code} ${length} ${quoted(request.getHeader('referer'))} ${quoted(request.getHeader('user-agent'))}`;
}

/** A line in the combined format of Apache. Twisted: `combinedLogFormatter`. */
export function combinedLogFormatter(timestamp: string, request: Loggable): string {
  return line(request.getClientIP() ?? '-', timestamp, request);
}

/** The same, with the first address of `X-Forwarded-For`: for servers that only a trusted proxy can reach. Twisted: `proxiedLogFormatter`. */
export function proxiedLogFormatter(timestamp: string, request: Loggable): string {
  const forwarded = request.getHeader('x-forwarded-for');
  const first = trimBlanks(forwarded?.split(',', 1)[0] ?? '');
  const client = first ? escaped(first).replaceAll(' ', '\\x20') : null;
  return line(client ?? request.getClientIP() ?? '-', timestamp, request);
}

/** A request, or what was refused, as a record. */
export function accessRecord(time: number, request: Loggable): AccessRecord {
  return {
    time,
    client: request.getClientIP(),
    user: request.getUser() || null,
    method: request.method || null,
    uri: request.uri || null,
    protocol: request.clientproto || null,
    host: request.getRequestHostname() || null,
    code: request.code,
    refusal: request.refusal ?? null,
    line: request.line ?? null,
    length: request.sentLength,
    referrer: request.getHeader('referer') ?? null,
    agent: request.getHeader('user-agent') ?? null,
  };
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A moment, in seconds since 1970, as the combined format writes it, in UTC. */
export function logTimestamp(seconds: number): string {
  const date = new Date(seconds * 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(':');
  return `[${two(date.getUTCDate())}/${MONTHS[date.getUTCMonth()]}/${date.getUTCFullYear()}:${time} +0000]`;
}

/** Where lines go; each ends with a line end. */
export interface LogTarget {
  /** Takes a line, with its end. */
  write(text: string): void;
}

/** Characters that are kept until they are written, and the seconds that they are kept at most. */
const GATHERED = 32_768;
const PATIENCE = 1;

/**
 * A file that lines are added to. They are gathered, and written together: after a second, or when there are 32 KiB. While the disk does not keep up, lines beyond 4 MiB are
 * dropped, and counted in the server's log; a log must not be what a server dies of.
 */
export class AccessLogFile implements LogTarget {
  /** Where it is. */
  readonly path: string;
  readonly #clock: ReactorTime;
  #stream: WriteStream | undefined;
  #text = '';
  #timer: DelayedCall | undefined;
  #dropped = 0;

  constructor(path: string, clock: ReactorTime) {
    this.path = path;
    this.#clock = clock;
  }

  /** Adds a text. */
  write(text: string): void {
    this.#text += text;
    if (this.#text.length >= GATHERED) this.flush();
    else this.#timer ??= this.#clock.callLater(PATIENCE, () => this.flush());
  }

  /** Writes what was gathered. */
  flush(): void {
    if (this.#timer?.active()) this.#timer.cancel();
    this.#timer = undefined;
    if (this.#text === '') return;
    const stream = this.#open();
    if (stream.writableLength < 4 * 1024 * 1024) {
      stream.write(this.#text);
    } else {
      this.#dropped += 1;
      this.#say(
        `The access log ${this.path} cannot keep up: lines were dropped ${this.#dropped} times`,
      );
    }
    this.#text = '';
  }

  #open(): WriteStream {
    if (this.#stream === undefined) {
      const stream = createWriteStream(this.path, { flags: 'a' });
      stream.on('error', (error) => {
        // The next lines try anew.
        if (this.#stream === stream) this.#stream = undefined;
        this.#say(`Cannot write the access log: ${error.message}`);
      });
      this.#stream = stream;
    }
    return this.#stream;
  }

  #say(message: string): void {
    logEvent({ level: 'error', system: 'AccessLogFile', message });
  }

  /**
   * Writes what was gathered and closes the file; what is written later opens it again. So it serves after the file was moved away, too. Fires when all is with the system, or cannot be.
   */
  close(): Deferred<void> {
    this.flush();
    const done = new Deferred<void>();
    const stream = this.#stream;
    this.#stream = undefined;
    if (stream === undefined || stream.destroyed) done.callback(undefined);
    else {
      stream.once('close', () => done.callback(undefined));
      stream.end();
    }
    return done;
  }
}
