/** What the tests of the parsers share: everything that a parser says about some bytes, written down. */
import { expect } from 'chai';
import {
  type HTTPParseErrorCode,
  type ParserOptions,
  type RequestHead,
  RequestParser,
  type ResponseHead,
  ResponseParser,
} from '../../../src/protocols/http/index.ts';
import { byteByByte } from '../support.ts';

/** One message, and what became of it. */
export interface Message {
  head: RequestHead | ResponseHead;
  rawHeaders: readonly string[];
  body: string;
  trailers: readonly string[] | null;
  complete: boolean;
}

/** All that came of some bytes. */
export interface Transcript {
  messages: Message[];
  /** Status of each response of 1xx. */
  information: number[];
  error: HTTPParseErrorCode | null;
  status: number | null;
}

type AnyParser = RequestParser | ResponseParser;

/** Writes down what a parser says, and complains when it says it in a wrong order. */
export class Recorder {
  readonly transcript: Transcript = { messages: [], information: [], error: null, status: null };
  /** Where given, the parser pauses after each event, so that nothing may come until it is resumed. */
  pausing: AnyParser | null = null;
  events = 0;
  #open: Message | null = null;

  #happened(): void {
    if (this.transcript.error !== null) throw new Error('Something came behind an error');
    if (this.pausing?.paused === true) throw new Error('Something came during a pause');
    this.events++;
    this.pausing?.pause();
  }

  onHead(head: RequestHead | ResponseHead): void {
    this.#happened();
    if (this.#open !== null) throw new Error('A head came within a message');
    const { rawHeaders } = head;
    this.#open = { head, rawHeaders, body: '', trailers: null, complete: false };
    this.transcript.messages.push(this.#open);
  }

  onInformation(head: ResponseHead): void {
    this.#happened();
    this.transcript.information.push(head.status);
  }

  onBody(chunk: Buffer): void {
    this.#happened();
    if (this.#open === null) throw new Error('A body came outside of a message');
    if (chunk.length === 0) throw new Error('An empty piece of a body came');
    this.#open.body += chunk.toString('latin1');
  }

  onEnd(trailers: readonly string[] | null): void {
    this.#happened();
    if (this.#open === null) throw new Error('An end came outside of a message');
    this.#open.trailers = trailers;
    this.#open.complete = true;
    this.#open = null;
  }

  onError(error: { code: HTTPParseErrorCode; status: number }): void {
    this.#happened();
    this.transcript.error = error.code;
    this.transcript.status = error.status;
  }
}

/** How to make the parser in question. */
export type MakeParser = (recorder: Recorder) => AnyParser;

export const requests =
  (options?: ParserOptions): MakeParser =>
  (recorder) =>
    new RequestParser(recorder, options);

export const responses =
  (methods: readonly string[], options?: ParserOptions): MakeParser =>
  (recorder) => {
    const parser = new ResponseParser(recorder, options);
    for (const method of methods) parser.expect(method);
    return parser;
  };

/** What comes of `pieces`, and then the end of the connection unless told otherwise. */
export function read(
  make: MakeParser,
  pieces: readonly Buffer[],
  { pausing = false, finish = true } = {},
): Transcript {
  const recorder = new Recorder();
  const parser = make(recorder);
  const goOn = () => {
    while (parser.paused) parser.resume();
  };
  if (pausing) recorder.pausing = parser;
  for (const piece of pieces) {
    parser.push(piece);
    goOn();
  }
  if (finish) parser.finish();
  goOn();
  return recorder.transcript;
}

/** What comes of the bytes, which must be the same however they are cut, and with pauses anywhere. */
export function readEveryWay(make: MakeParser, bytes: string | Buffer, finish = true): Transcript {
  const whole = Buffer.from(bytes as string, 'latin1');
  const expected = read(make, [whole], { finish });
  const check = (pieces: readonly Buffer[], how: string, pausing = false) =>
    expect(read(make, pieces, { finish, pausing }), how).to.deep.equal(expected);
  check(byteByByte(whole), 'byte by byte');
  check([whole], 'with pauses', true);
  check(byteByByte(whole), 'byte by byte with pauses', true);
  const step = Math.ceil(whole.length / 300);
  for (let at = 1; at < whole.length; at += step) {
    check([whole.subarray(0, at), whole.subarray(at)], `cut at ${at}`);
  }
  return expected;
}

export const parseRequests = (bytes: string | Buffer, options?: ParserOptions): Transcript =>
  readEveryWay(requests(options), bytes);

/** The rule that a request breaks; null if it is taken. */
export function refusal(
  bytes: string | Buffer,
  options?: ParserOptions,
): HTTPParseErrorCode | null {
  return parseRequests(bytes, options).error;
}

/** The only message in these bytes, which must be complete and right. */
export function request(bytes: string, options?: ParserOptions): Message & { head: RequestHead } {
  const { messages, error } = parseRequests(bytes, options);
  const [message] = messages;
  if (message === undefined || messages.length > 1 || error !== null || !message.complete) {
    throw new Error(`Expected one request, but there are ${messages.length}, and error ${error}`);
  }
  return message as Message & { head: RequestHead }; // requests have such heads
}

/** A request of these lines, and an empty one behind them. */
export function lines(...all: string[]): string {
  return `${all.join('\r\n')}\r\n\r\n`;
}

/** A GET of HTTP/1.1 with a Host and these headers. */
export function get(...headers: string[]): string {
  return lines('GET / HTTP/1.1', 'Host: a', ...headers);
}

/** A POST of HTTP/1.1 in chunks: these. */
export function chunked(chunks: string): string {
  return lines('POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked') + chunks;
}
