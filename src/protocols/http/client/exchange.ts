/** One request and its response, from the call to the last byte: what it waits for, until when, and who hears of its end. */
import { CancelledError, Deferred, type Failure } from '../../../deferred/index.ts';
import {
  ConnectionAborted,
  type IProtocol,
  type ReactorTime,
  type StreamClientEndpoint,
} from '../../../reactor/index.ts';
import type { Watched } from '../channel-deadlines.ts';
import { Headers } from '../headers.ts';
import type { ResponseHead } from '../heads.ts';
import { type BodySource, RequestBody } from '../request-body.ts';
import type { BodyCollectorReceiver } from './body-collector.ts';
import { isReplayable, type RequestContent } from './content.ts';
import {
  failureOf,
  RequestNotSent,
  type RequestPhase,
  RequestTimeoutError,
  RequestTransmissionFailed,
  ResponseFailed,
  ResponseNeverReceived,
} from './errors.ts';
import type { RequestTimeouts } from './limits.ts';
import type { ClientRequest, RequestText } from './request-text.ts';
import { Response, type ResponseSource } from './response.ts';

export const NEVER = Number.POSITIVE_INFINITY;

/** The connection that an exchange takes place on. */
export interface ExchangeConnection {
  pauseReading(): void;
  resumeReading(): void;
  /** Breaks the connection off; the exchange fails with `error`. */
  breakOff(error: Error): void;
  handOver(protocol: IProtocol): void;
}

/** Whoever finds connections for exchanges. */
export interface ExchangeHost {
  readonly clock: ReactorTime;
  /** It waits for a connection no longer. */
  exchangeLeft(exchange: Exchange): void;
  /** It may be sent again, over a connection that was never used. */
  exchangeAgain(exchange: Exchange): void;
}

/** Methods that can be repeated without harm (RFC 9110 section 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PUT',
  'DELETE',
]);

function after(now: number, seconds: number | null): number {
  return seconds === null ? NEVER : now + seconds;
}

/** Where an exchange goes. */
export interface Destination {
  readonly key: string;
  readonly endpoint: StreamClientEndpoint;
}

export class Exchange implements BodySource, ResponseSource, Watched {
  readonly destination: Destination;
  readonly request: ClientRequest;
  readonly content: RequestContent | null;
  readonly text: RequestText;
  readonly times: RequestTimeouts;
  readonly deferred: Deferred<Response>;
  /** The attempt to connect, if there is one for this exchange. */
  connecting: Deferred<unknown> | undefined;
  connection: ExchangeConnection | undefined;
  response: Response | undefined;
  /** Whether a byte of the response has come. */
  touched = false;
  /** Whether the connection had been used before. */
  reused = false;
  readonly #host: ExchangeHost;
  /** Whether it may be sent once more. */
  #repeatable: boolean;
  #body: RequestBody | undefined;
  #collector: BodyCollectorReceiver | undefined;
  /** Bytes of the body that came since. */
  #received = 0;
  #wanted = false;
  #over = false;
  #phase: RequestPhase = 'queue';
  #phaseBy = NEVER;
  #phaseSeconds = 0;
  #wholeBy: number;
  #bodyBy = NEVER;
  /** Stands for the whole of the exchange towards an AbortSignal. */
  #watch: Deferred<void> | undefined;

  constructor(
    host: ExchangeHost,
    destination: Destination,
    request: ClientRequest,
    content: RequestContent | null,
    text: RequestText,
    times: RequestTimeouts,
    retries: boolean,
  ) {
    this.#host = host;
    this.destination = destination;
    this.request = request;
    this.content = content;
    this.text = text;
    this.times = times;
    this.#repeatable = retries && IDEMPOTENT.has(request.method) && isReplayable(content);
    this.#wholeBy = times.timeout === null ? NEVER : host.clock.seconds() + times.timeout;
    this.deferred = new Deferred<Response>((_, cause) => this.#cancelled(cause));
    const signal = request.options?.signal;
    if (signal !== undefined) this.#obey(signal);
  }

  #obey(signal: AbortSignal): void {
    const watch = new Deferred<void>((_, cause) => {
      if (this.response === undefined) this.deferred.cancel(cause);
      else this.#breakOff(new CancelledError('The request was cancelled', { cause }));
    });
    this.#watch = watch;
    watch.cancelOn(signal).addErrback(() => undefined);
  }

  /** Whether it has come to its end, whatever that was. */
  get over(): boolean {
    return this.#over;
  }

  // ------------------------------------------------------------------------------------------- time

  get deadline(): number {
    return Math.min(this.#phaseBy, this.#wholeBy, this.#bodyBy);
  }

  /** It waits for something else now, for so many seconds at most. */
  enter(phase: RequestPhase, seconds: number | null): void {
    this.#phase = phase;
    this.#phaseSeconds = seconds ?? 0;
    this.#phaseBy = seconds === null ? NEVER : this.#host.clock.seconds() + seconds;
  }

  /** What it waits for goes on. */
  advanced(): void {
    const { idleTimeout } = this.times;
    if (idleTimeout !== null) this.#phaseBy = this.#host.clock.seconds() + idleTimeout;
  }

  overdue(now: number): void {
    this.giveUp(this.#overdueError(now));
  }

  #overdueError(now: number): RequestTimeoutError {
    const { method, absoluteURI, target, host } = this.request;
    const what = `${method} ${absoluteURI ?? `${host}${target}`}`;
    if (this.#wholeBy <= now) {
      return new RequestTimeoutError('whole', this.times.timeout ?? 0, what);
    }
    if (this.#bodyBy <= now) {
      return new RequestTimeoutError('body', this.times.bodyTimeout ?? 0, what);
    }
    return new RequestTimeoutError(this.#phase, this.#phaseSeconds, what);
  }

  // ------------------------------------------------------------------------------------------- ends

  /** It is not going on, because of `error`: lets go of everything. */
  giveUp(error: Error): void {
    if (this.#over) return;
    if (this.connection !== undefined) this.connection.breakOff(error);
    else this.#fail(error);
  }

  /** There will be no connection. */
  notConnected(reason: Failure): void {
    this.connecting = undefined;
    if (!this.#over) this.#fail(reason);
  }

  /** The connection failed it. */
  failed(error: Error): void {
    this.connection = undefined;
    if (this.#over) return;
    if (this.response === undefined && this.#mayRepeat(error)) {
      this.#repeatable = false;
      this.#host.exchangeAgain(this);
    } else {
      this.#fail(error);
    }
  }

  /** Only a connection that was closed while nobody used it fails so, and the server has seen nothing of the request. */
  #mayRepeat(error: Error): boolean {
    if (!this.#repeatable || !this.reused || this.touched) return false;
    return (
      error instanceof ResponseNeverReceived ||
      error instanceof RequestTransmissionFailed ||
      error instanceof RequestNotSent
    );
  }

  #fail(error: Error | Failure): void {
    const body = this.#body;
    const response = this.response;
    this.#end();
    if (response === undefined || body === undefined) {
      if (!this.deferred.called) this.deferred.errback(error);
      return;
    }
    const failed =
      error instanceof ResponseFailed && error.response === response
        ? error
        : new ResponseFailed(
            error instanceof ResponseFailed ? error.reasons : [failureOf(error)],
            response,
          );
    body.failed(failed);
  }

  /** All of the response has come. */
  completed(trailers: readonly string[] | null): void {
    this.#end();
    this.#body?.finished(trailers);
  }

  #end(): void {
    this.#over = true;
    this.#host.exchangeLeft(this);
    const connecting = this.connecting;
    this.connecting = undefined;
    this.connection = undefined;
    connecting?.cancel();
    if (this.#watch?.called === false) this.#watch.callback(undefined);
  }

  #cancelled(cause: unknown): void {
    if (this.#over) return;
    const { connection } = this;
    // The Deferred fails by itself, with CancelledError.
    this.#end();
    connection?.breakOff(new CancelledError('The request was cancelled', { cause }));
  }

  // ------------------------------------------------------------------------ told by the connection

  /** The head of the response is here. */
  begun(head: ResponseHead): void {
    const { request, times } = this;
    const length =
      head.framing === 'length' ? head.contentLength : head.framing === 'none' ? 0 : null;
    this.#body = new RequestBody(this, length);
    this.response = new Response({
      head,
      request: {
        method: request.method,
        absoluteURI: request.absoluteURI ?? null,
        headers: request.headers ?? new Headers(),
      },
      body: this.#body,
      source: this,
      connectionReused: this.reused,
    });
    this.enter('body', times.idleTimeout);
    if (times.bodyTimeout !== null) {
      this.#bodyBy = after(this.#host.clock.seconds(), times.bodyTimeout);
    }
    this.deferred.callback(this.response);
  }

  received(chunk: Buffer): void {
    this.advanced();
    this.#received += chunk.length;
    this.#body?.push(chunk);
  }

  collects(collector: BodyCollectorReceiver): void {
    this.#collector = collector;
    this.#received = collector.copied;
  }

  /** Whether all of the body that came since somebody began to collect it has been copied, so that what it came in can be used again. */
  get copied(): boolean {
    return this.#collector?.copied === this.#received;
  }

  // ---------------------------------------------------------------------------- told by the response

  bodyWanted(): void {
    this.#wanted = true;
  }

  pauseBody(): void {
    if (this.#over) return;
    // A response that nobody begins to read does not keep its connection for ever.
    if (this.#wanted) this.#phaseBy = NEVER;
    this.connection?.pauseReading();
  }

  resumeBody(): void {
    if (this.#over) return;
    this.advanced();
    this.connection?.resumeReading();
  }

  bodyDropped(): void {
    this.abort();
  }

  #breakOff(error: Error): void {
    if (!this.#over) this.connection?.breakOff(error);
  }

  abort(): void {
    this.#breakOff(new ConnectionAborted());
  }

  upgrade(protocol: IProtocol): void {
    const { connection } = this;
    this.#end();
    if (connection === undefined) {
      throw new RequestNotSent('Cannot upgrade the connection: it was lost');
    }
    connection.handOver(protocol);
  }
}
