/** What can go wrong between a client and a server, with Twisted's names. Each class has a stable `code`. */
import { Failure } from '../../../deferred/index.ts';
import type { Response } from './response.ts';

/** Base of the errors of HTTP's client. */
export abstract class HTTPClientError extends Error {
  /** Stable, for programs to compare; the message is for people. */
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

function said(reasons: readonly Failure[]): string {
  return reasons.map(({ value }) => (value instanceof Error ? value.message : value)).join('; ');
}

/** Something failed for reasons that have errors of their own; the first is the `cause`. */
abstract class WrappedError extends HTTPClientError {
  /** What went wrong. */
  readonly reasons: readonly Failure[];

  constructor(what: string, reasons: readonly Failure[]) {
    super(`${what}: ${said(reasons)}`, { cause: reasons[0]?.value });
    this.reasons = reasons;
  }
}

/** No connection was there to send the request over: not a byte of it has left. Twisted: `RequestNotSent`. */
export class RequestNotSent extends HTTPClientError {
  readonly code = 'ERR_HTTP_REQUEST_NOT_SENT';
}

/** The body of a request could not be made. Twisted: `RequestGenerationFailed`. */
export class RequestGenerationFailed extends WrappedError {
  readonly code = 'ERR_HTTP_REQUEST_GENERATION';

  constructor(reasons: readonly Failure[]) {
    super('Cannot make the body of the request', reasons);
  }
}

/** The connection was lost while the request was being sent. Twisted: `RequestTransmissionFailed`. */
export class RequestTransmissionFailed extends WrappedError {
  readonly code = 'ERR_HTTP_REQUEST_TRANSMISSION';

  constructor(reasons: readonly Failure[]) {
    super('Cannot send all of the request', reasons);
  }
}

/** A response is not complete, or not to be understood. Twisted: `ResponseFailed`. */
export class ResponseFailed extends WrappedError {
  readonly code: string = 'ERR_HTTP_RESPONSE_FAILED';
  /** What there is of it; null if that is less than its head. */
  readonly response: Response | null;

  constructor(
    reasons: readonly Failure[],
    response: Response | null = null,
    what = 'Cannot read the response',
  ) {
    super(what, reasons);
    this.response = response;
  }
}

/** Not a byte of a response came. Twisted: `ResponseNeverReceived`. */
export class ResponseNeverReceived extends ResponseFailed {
  override readonly code = 'ERR_HTTP_RESPONSE_NEVER_RECEIVED';

  constructor(reasons: readonly Failure[]) {
    super(reasons, null, 'No response came');
  }
}

/** The body of a response is complete: what the protocol that it was delivered to gets as its reason. Twisted: `ResponseDone`. */
export class ResponseDone extends HTTPClientError {
  readonly code = 'ERR_HTTP_RESPONSE_DONE';

  constructor() {
    super('The response is complete');
  }
}

/** The body of a response ended with the connection, so nobody can tell whether it is complete. Twisted: `PotentialDataLoss`. */
export class PotentialDataLoss extends HTTPClientError {
  readonly code = 'ERR_HTTP_POTENTIAL_DATA_LOSS';

  constructor() {
    super('The response ended with the connection, and may not be complete');
  }
}

/** What `readBody` got, of a body that may not be complete. Twisted: `PartialDownloadError`. */
export class PartialDownloadError extends HTTPClientError {
  readonly code = 'ERR_HTTP_PARTIAL_DOWNLOAD';
  /** The status of the answer. */
  readonly status: number;
  /** What came. */
  readonly response: Buffer;

  constructor(status: number, response: Buffer) {
    super(`The response ended with the connection, after ${response.length} bytes of its body`);
    this.status = status;
    this.response = response;
  }
}

/** A body has another length than it was said to have. Twisted: `WrongBodyLength`. */
export class WrongBodyLength extends HTTPClientError {
  readonly code = 'ERR_HTTP_WRONG_BODY_LENGTH';

  constructor(announced: number, length: number | 'more') {
    super(
      `Cannot send a body of ${length === 'more' ? 'more bytes' : `${length} bytes`}: ${announced} were announced`,
    );
  }
}

/** A body is longer than whoever collects it wants to keep. */
export class BodyTooLongError extends HTTPClientError {
  readonly code = 'ERR_HTTP_BODY_TOO_LONG_TO_KEEP';
  /** In bytes. */
  readonly limit: number;

  constructor(limit: number) {
    super(`Cannot keep the body of the response: it is longer than ${limit} bytes`);
    this.limit = limit;
  }
}

/** What a request was waiting for: a place among the connections, a connection, the head of the response, its body, or simply its end. */
export type RequestPhase = 'queue' | 'connect' | 'send' | 'head' | 'body' | 'whole';

const WAITED: Readonly<Record<RequestPhase, string>> = {
  queue: 'There was no connection to be had',
  connect: 'There was no connection',
  send: 'The server did not take the request',
  head: 'There was no response',
  body: 'The response did not go on',
  whole: 'The request was not over',
};

/** Something took longer than it may. */
export class RequestTimeoutError extends HTTPClientError {
  readonly code = 'ERR_HTTP_REQUEST_TIMEOUT';
  /** What it waited for. */
  readonly phase: RequestPhase;
  /** In seconds. */
  readonly seconds: number;

  constructor(phase: RequestPhase, seconds: number, what: string) {
    super(`${WAITED[phase]} within ${seconds} s: ${what}`);
    this.phase = phase;
    this.seconds = seconds;
  }
}

/** As many requests wait for a connection to one host as may. */
export class ConnectionQueueFull extends HTTPClientError {
  readonly code = 'ERR_HTTP_CONNECTION_QUEUE_FULL';

  constructor(key: string, waiting: number) {
    super(`Cannot ask ${key}: ${waiting} requests wait for a connection already`);
  }
}

/** A URI has a scheme that no agent knows. Twisted: `SchemeNotSupported`. */
export class SchemeNotSupported extends HTTPClientError {
  readonly code = 'ERR_HTTP_SCHEME_NOT_SUPPORTED';

  constructor(uri: string) {
    super(`Cannot request '${uri}': expected http or https`);
  }
}

/** What should be a URI is none, or one that cannot be asked for. */
export class InvalidURIError extends HTTPClientError {
  readonly code = 'ERR_HTTP_INVALID_URI';
}

/** A response that an agent cannot do anything with. */
abstract class UnusableResponse extends HTTPClientError {
  /** The status of the response. */
  readonly status: number;
  /** The response itself. Its body was not read. */
  readonly response: Response;

  constructor(message: string, response: Response) {
    super(message);
    this.status = response.code;
    this.response = response;
  }
}

/** One redirect after the other, more of them than are followed. Twisted: `InfiniteRedirection`. */
export class InfiniteRedirection extends UnusableResponse {
  readonly code = 'ERR_HTTP_INFINITE_REDIRECTION';

  constructor(limit: number, response: Response) {
    super(`Cannot follow more than ${limit} redirects`, response);
  }
}

/** A redirect does not say where to. Twisted: `RedirectWithNoLocation`. */
export class RedirectWithNoLocation extends UnusableResponse {
  readonly code = 'ERR_HTTP_REDIRECT_WITHOUT_LOCATION';

  constructor(uri: string, response: Response) {
    super(`Cannot follow the redirect from '${uri}': it has no Location`, response);
  }
}

/** A redirect that is not followed: by a method that would be repeated, with a body that cannot be, or to where the request may not go. Twisted: `PageRedirect`. */
export class RedirectNotFollowed extends UnusableResponse {
  readonly code = 'ERR_HTTP_REDIRECT_NOT_FOLLOWED';
  /** Where to. */
  readonly location: string;

  constructor(location: string, why: string, response: Response) {
    super(`Cannot follow the redirect to '${location}': ${why}`, response);
    this.location = location;
  }
}

/** The body of a response cannot be decoded, or is too long once it is. */
export class ContentDecodingError extends HTTPClientError {
  readonly code = 'ERR_HTTP_CONTENT_DECODING';
}

/** A proxy did not make the connection that it was asked for. */
export class ProxyConnectFailed extends UnusableResponse {
  readonly code = 'ERR_HTTP_PROXY_CONNECT';

  constructor(authority: string, response: Response) {
    super(
      `Cannot connect to ${authority}: the proxy answered ${response.code} ${response.phrase}`,
      response,
    );
  }
}

/** `raiseForStatus` of a response that has a status of 400 or more. */
export class StatusError extends UnusableResponse {
  readonly code = 'ERR_HTTP_STATUS_OF_RESPONSE';

  constructor(response: Response) {
    const { method, absoluteURI } = response.request;
    super(
      `${method} ${absoluteURI ?? ''} was answered ${response.code} ${response.phrase}`,
      response,
    );
  }
}

/** Something was asked of a connection that it cannot do now: a second request, a second reading of one body. */
export class ClientStateError extends HTTPClientError {
  readonly code = 'ERR_HTTP_CLIENT_STATE';
}

/** An error as a Failure, as it is if it is one. */
export function failureOf(error: unknown): Failure {
  return error instanceof Failure ? error : new Failure(error);
}
