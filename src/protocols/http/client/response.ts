/** Responses as programs see them (Twisted: `twisted.web._newclient.Response`, `readBody`). */
import { Deferred } from '../../../deferred/index.ts';
import type { IProtocol } from '../../../reactor/index.ts';
import { checkLimits } from '../../option-checks.ts';
import { Headers } from '../headers.ts';
import type { ResponseHead } from '../heads.ts';
import type { BodyReceiver, RequestBody } from '../request-body.ts';
import { BodyCollectorReceiver, type CollectOptions } from './body-collector.ts';
import { UNKNOWN_LENGTH } from './body-producer.ts';
import { BodyProtocolReceiver } from './body-protocol.ts';
import { ClientStateError, PartialDownloadError, StatusError } from './errors.ts';

/** What was asked for. */
export interface SentRequest {
  /** Such as 'GET'. */
  readonly method: string;
  /** Null if whoever sent it did not say. */
  readonly absoluteURI: string | null;
  /** The header fields, as they were sent. */
  readonly headers: Headers;
}

/** What a response needs of whatever it comes from. */
export interface ResponseSource {
  /** Breaks the connection off; a body that is not complete fails. */
  abort(): void;
  /** Gives the connection to another protocol. */
  upgrade(protocol: IProtocol): void;
  /** All of the body goes to `collector` from here on. */
  collects?(collector: BodyCollectorReceiver): void;
}

/** What a response is made of. */
export interface ResponseParts {
  readonly head: ResponseHead;
  readonly request: SentRequest;
  readonly body: RequestBody;
  readonly source: ResponseSource;
  readonly connectionReused: boolean;
  /** In place of those of the head. */
  readonly headers?: Headers;
  /** In place of what the head says. */
  readonly length?: number | typeof UNKNOWN_LENGTH;
}

/** Bytes that `discard` reads at most before it closes the connection instead. */
const MOST_DISCARDED = 65_536;

/** Reads a body and drops it. */
class Discarder implements BodyReceiver {
  readonly #abort: () => void;
  #left = MOST_DISCARDED;

  constructor(abort: () => void) {
    this.#abort = abort;
  }

  write(chunk: Buffer): void {
    this.#left -= chunk.length;
    if (this.#left < 0) this.#abort();
  }

  end(): void {}

  fail(): void {}
}

const CHARSET = /;\s*charset\s*=\s*"?([^\s;"]+)/i;

function decode(bytes: Buffer, contentType: string): string {
  const charset = CHARSET.exec(contentType)?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    // Nobody knows that one; bytes that are no UTF-8 show as what they are.
    return new TextDecoder().decode(bytes);
  }
}

/**
 * A response: its head is here, its body comes when somebody wants it. Read it once, in one of these ways: as a whole (`bytes`, `text`, `json`), in a loop (`for await`), by a protocol
 * (`deliverBody`), by a receiver (`deliverTo`), or not at all (`discard`, `abort`). Until then at most 64 KiB of it are read. A response that is neither read nor given up
 * keeps its connection busy until it is overdue.
 *
 * A body that does not come to its end fails with `ResponseFailed`, whose `reasons` say why. One that is delimited by nothing but the end of its connection counts as complete if that ended
 * in good order, but for `deliverBody` and `readBody`, which give `PotentialDataLoss` and `PartialDownloadError` as Twisted's do.
 */
export class Response implements AsyncIterable<Buffer> {
  /** The status. */
  readonly code: number;
  /** The reason phrase; may be empty. */
  readonly phrase: string;
  /** The version of HTTP that the server speaks. */
  readonly version: readonly [name: 'HTTP', major: 1, minor: number];
  /** Bytes of the body, or `UNKNOWN_LENGTH`. 0 where there is no body, as in answer to HEAD. */
  readonly length: number | typeof UNKNOWN_LENGTH;
  /** What it answers. */
  readonly request: SentRequest;
  /** The response that redirected here. */
  previousResponse: Response | null = null;
  /** Whether the connection had been used before. */
  readonly connectionReused: boolean;
  /** Status, reason and fields, as they came. */
  readonly head: ResponseHead;
  readonly #body: RequestBody;
  readonly #source: ResponseSource;
  #headers: Headers | undefined;
  #taken = false;

  constructor(parts: ResponseParts) {
    const { head } = parts;
    this.head = head;
    this.code = head.status;
    this.phrase = head.reason;
    this.version = ['HTTP', 1, head.versionMinor];
    this.request = parts.request;
    this.connectionReused = parts.connectionReused;
    this.#body = parts.body;
    this.#source = parts.source;
    this.#headers = parts.headers;
    this.length = parts.length ?? lengthOf(head);
  }

  /** The header fields. */
  get headers(): Headers {
    this.#headers ??= Headers.fromRaw(this.head);
    return this.#headers;
  }

  /** Trailer fields behind the body: name, value, name, value. Empty until the body has ended. */
  get trailers(): readonly string[] {
    return this.#body.trailers;
  }

  /** Whether the status is from 200 to 299. */
  get ok(): boolean {
    return this.code >= 200 && this.code < 300;
  }

  /** Whether nothing but the end of the connection says where the body ends. */
  get endsWithConnection(): boolean {
    return this.head.framing === 'close';
  }

  /** This response. @throws {StatusError} for a status of 400 or more; the body is discarded then */
  raiseForStatus(): this {
    if (this.code < 400) return this;
    if (!this.#taken) this.discard();
    throw new StatusError(this);
  }

  /** Says which response led to this one. */
  setPreviousResponse(response: Response): void {
    this.previousResponse = response;
  }

  #take(): RequestBody {
    if (this.#taken) {
      throw new ClientStateError('Cannot read the body of a response twice: keep what came');
    }
    if (this.head.framing === 'tunnel') {
      throw new ClientStateError('Cannot read a body: the response has an upgraded connection');
    }
    this.#taken = true;
    return this.#body;
  }

  /**
   * Has the body given to `protocol`, whose `connectionLost` then says how it ended: `ResponseDone`, `PotentialDataLoss` or `ResponseFailed`. Its transport can be paused, resumed and closed.
   * @throws {ClientStateError} when somebody reads it already
   */
  deliverBody(protocol: IProtocol): void {
    const body = this.#take();
    const receiver = new BodyProtocolReceiver(protocol, this, body);
    receiver.begin();
    body.deliverTo(receiver);
  }

  /**
   * Has the body given to `receiver`, without a promise for each piece; `pause` and `resume` have it wait and go on.
   * @throws {ClientStateError} when somebody reads it already
   */
  deliverTo(receiver: BodyReceiver): void {
    this.#take().deliverTo(receiver);
  }

  /** No more of the body is to come for now. */
  pause(): void {
    this.#body.pause();
  }

  /** The body may go on. */
  resume(): void {
    this.#body.resume();
  }

  /** The body piece by piece; leaving the loop early closes the connection. @throws {ClientStateError} when somebody reads it already */
  [Symbol.asyncIterator](): AsyncIterator<Buffer, undefined> {
    return this.#take()[Symbol.asyncIterator]();
  }

  /**
   * All of the body. Cancelling closes the connection.
   * @returns fails with `BodyTooLongError` beyond `maxLength` bytes, with `ResponseFailed` if it does not come to its end, with `ClientStateError` when somebody reads it already, and
   *   with `RangeError` for a limit that is none
   */
  bytes(options: CollectOptions = {}): Deferred<Buffer> {
    const deferred = new Deferred<Buffer>(() => this.abort());
    const length = this.length === UNKNOWN_LENGTH ? 0 : this.length;
    try {
      checkLimits(options, ['maxLength']);
      const { maxLength } = options;
      const body = this.#take();
      const collector = new BodyCollectorReceiver(deferred, length, maxLength, () => this.abort());
      body.deliverTo(collector);
      this.#source.collects?.(collector);
    } catch (error) {
      deferred.errback(error);
    }
    return deferred;
  }

  /** All of the body as text, in the charset that Content-Type names, or else in UTF-8. Otherwise as `bytes`. */
  text(options: CollectOptions = {}): Deferred<string> {
    return this.bytes(options).addCallback((bytes) =>
      decode(bytes, this.headers.get('content-type') ?? ''),
    );
  }

  /** What the body says as JSON. Fails with `SyntaxError` if it does not; otherwise as `bytes`. */
  json<T = unknown>(options: CollectOptions = {}): Deferred<T> {
    const parsed = this.bytes(options).addCallback((bytes): unknown =>
      JSON.parse(new TextDecoder().decode(bytes)),
    );
    return parsed as Deferred<T>; // the caller's word for it
  }

  /** Reads the body and drops it, so that the connection can be used again; if it is longer than 64 KiB, closes the connection instead. */
  discard(): void {
    if (this.head.framing === 'tunnel') this.abort();
    else this.#take().deliverTo(new Discarder(() => this.abort()));
  }

  /** Closes the connection, unless the body has come already. Whoever reads it gets `ResponseFailed`. */
  abort(): void {
    this.#source.abort();
  }

  /**
   * Gives the connection to `protocol`, after 101 or a success of CONNECT: `makeConnection`, then `dataReceived` with what came behind the head, if anything did.
   * @throws {ClientStateError} for any other response, or the second time
   */
  upgrade(protocol: IProtocol): void {
    if (this.head.framing !== 'tunnel' || this.#taken) {
      throw new ClientStateError(
        `Cannot upgrade the connection: ${this.#taken ? 'it was given away' : `the response is ${this.code}`}`,
      );
    }
    this.#taken = true;
    this.#source.upgrade(protocol);
  }

  /** The same response with another body. Whatever gives that has to read this one. */
  withBody(body: RequestBody, headers: Headers): Response {
    const decoded = new Response({
      head: this.head,
      request: this.request,
      body,
      source: { abort: () => this.abort(), upgrade: (protocol) => this.upgrade(protocol) },
      connectionReused: this.connectionReused,
      headers,
      length: UNKNOWN_LENGTH,
    });
    decoded.previousResponse = this.previousResponse;
    return decoded;
  }
}

function lengthOf(head: ResponseHead): number | typeof UNKNOWN_LENGTH {
  if (head.framing === 'length' || head.framing === 'none') return head.contentLength;
  return UNKNOWN_LENGTH;
}

/**
 * All of a response's body. Twisted: `readBody`. Cancelling closes the connection.
 * @returns as `response.bytes`, but fails with `PartialDownloadError` for a body that only the end of its connection delimits; the error has what came
 */
export function readBody(response: Response, options: CollectOptions = {}): Deferred<Buffer> {
  return response.bytes(options).addCallback((bytes) => {
    if (response.endsWithConnection) throw new PartialDownloadError(response.code, bytes);
    return bytes;
  });
}
