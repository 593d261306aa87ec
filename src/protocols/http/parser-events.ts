/** What a parser of HTTP/1 tells whoever it was made for. */
import type { RequestHead, ResponseHead } from './heads.ts';
import type { HTTPParseError } from './parse-errors.ts';

/**
 * How a body is delimited: there is none, by Content-Length, by chunks, or by the end of the connection. The last is for responses only, as is
 * 'tunnel': what follows is no longer HTTP.
 */
export type Framing = 'none' | 'length' | 'chunked';
/** How the end of a response's body is known: as a request's, or by the end of the connection ('close'), or never ('tunnel'). */
export type ResponseFraming = Framing | 'close' | 'tunnel';

interface MessageEvents {
  /** The next part of the body. It is a view of what was pushed: copy what is to be kept for long, above all when it is small. */
  onBody(chunk: Buffer): void;
  /** The message is complete. Trailers are name, value, name, value; null if there were none. */
  onEnd(trailers: readonly string[] | null): void;
  /** The message was refused. Nothing comes after this. */
  onError(error: HTTPParseError): void;
}

/** Events of a `RequestParser`, in this order for each message: `onHead`, any number of `onBody`, `onEnd`; or `onError` at any point. */
export interface RequestEvents extends MessageEvents {
  /** A message begins: its head is complete. */
  onHead(head: RequestHead): void;
}

/** Events of a `ResponseParser`: any number of `onInformation`, then as for requests. */
export interface ResponseEvents extends MessageEvents {
  /** A response of status 1xx other than 101, which has no body and comes before the one that counts. */
  onInformation(head: ResponseHead): void;
  /** A message begins: its head is complete. */
  onHead(head: ResponseHead): void;
}
