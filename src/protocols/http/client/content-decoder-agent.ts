/** Responses that come compressed (Twisted: `ContentDecoderAgent`). */

import type { Transform } from 'node:stream';
import { type Deferred, reportFailure } from '../../../deferred/index.ts';
import { checkLimits } from '../../option-checks.ts';
import { codingsOf } from '../encoding/codings.ts';
import { Headers, type HeadersInit } from '../headers.ts';
import { type BodyReceiver, type BodySource, RequestBody } from '../request-body.ts';
import { headersOf, type IAgent } from './agent.ts';
import type { RequestBodySource } from './content.ts';
import { type ContentDecoder, defaultDecoders } from './decoders.ts';
import { ContentDecodingError, failureOf, ResponseFailed } from './errors.ts';
import type { RequestOptions } from './limits.ts';
import type { Response } from './response.ts';

/** Options of a `ContentDecoderAgent`. */
export interface DecodingLimits {
  /** Bytes that a body may have once it is decoded; beyond, it fails. Default 256 MiB. */
  readonly maxLength?: number | undefined;
  /** Codings on top of each other that are taken off; more are left as they are. Default 2. */
  readonly maxCodings?: number | undefined;
}

/** A body on its way through decoders. They are made when somebody reads. */
class Decoding implements BodySource, BodyReceiver {
  readonly body: RequestBody;
  readonly #response: Response;
  readonly #decoders: readonly ContentDecoder[];
  /** What was made of them so far. Each is made when something comes for it. */
  readonly #stages: Transform[] = [];
  #left: number;
  #over = false;
  #paused = false;

  constructor(response: Response, decoders: readonly ContentDecoder[], maxLength: number) {
    this.#response = response;
    this.#decoders = decoders;
    this.#left = maxLength;
    this.body = new RequestBody(this, null);
  }

  // ----------------------------------------------------------------------- told by the decoded body

  bodyWanted(): void {
    this.#response.deliverTo(this);
  }

  pauseBody(): void {
    this.#paused = true;
    this.#last?.pause();
  }

  resumeBody(): void {
    this.#paused = false;
    this.#last?.resume();
  }

  /** The one that makes the body, if it is there. */
  get #last(): Transform | undefined {
    return this.#stages[this.#decoders.length - 1];
  }

  bodyDropped(): void {
    this.#stop();
    this.#response.abort();
  }

  // ---------------------------------------------------------------------- told by the response's body

  write(chunk: Buffer): void {
    if (this.#over) return;
    const stage = this.#stages[0] ?? this.#begin(0, chunk, () => this.#response.resume());
    if (!stage.write(chunk)) this.#response.pause();
  }

  #begin(index: number, first: Buffer, resume: () => void): Transform {
    const decoder = this.#decoders[index];
    if (decoder === undefined) throw new RangeError(`There is no decoder ${index}`);
    const stage = decoder(first);
    this.#stages.push(stage);
    const isLast = index + 1 === this.#decoders.length;
    stage.on('error', (error) => this.#fail(error));
    stage.on('drain', resume);
    stage.on('data', (data: Buffer) => {
      if (this.#over) return;
      if (isLast) this.#made(data);
      else this.#pass(stage, index + 1, data);
    });
    stage.on('end', () => {
      const next = this.#stages[index + 1];
      if (next === undefined) this.#finish();
      else next.end();
    });
    if (isLast && this.#paused) stage.pause();
    return stage;
  }

  #pass(from: Transform, to: number, data: Buffer): void {
    const next = this.#stages[to] ?? this.#begin(to, data, () => from.resume());
    if (!next.write(data)) from.pause();
  }

  #made(data: Buffer): void {
    this.#left -= data.length;
    if (this.#left < 0) this.#fail(new Error('it is longer than allowed'));
    else this.#give(data);
  }

  #give(data: Buffer): void {
    try {
      this.body.push(data);
    } catch (error) {
      // What whoever reads throws costs the connection, as it does without a decoder in between.
      this.#stop();
      this.#response.abort();
      reportFailure(error, 'Unhandled error in who reads a response');
    }
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.body.finished(this.#response.trailers);
  }

  #stop(): void {
    this.#over = true;
    for (const stage of this.#stages) stage.destroy();
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.#stop();
    const why = new ContentDecodingError(`Cannot decode the response: ${error.message}`, {
      cause: error,
    });
    this.#response.abort();
    this.body.failed(new ResponseFailed([failureOf(why)], this.#response));
  }

  end(): void {
    const [first] = this.#stages;
    if (first === undefined) this.#finish();
    else first.end();
  }

  fail(error: Error): void {
    if (this.#over) return;
    this.#stop();
    this.body.failed(error);
  }
}

/**
 * Asks for compressed responses, and decodes them as they come: gzip, deflate and Brotli, and Zstandard where Node has it. A decoded response has no Content-Encoding and no Content-Length; what
 * has a coding that nobody knows is left as it is, as are parts of documents (206). A request that has an Accept-Encoding of its own keeps that.
 *
 * @example
 * const agent = new ContentDecoderAgent(new Agent(reactor), [['gzip', GzipDecoder]]);
 */
export class ContentDecoderAgent implements IAgent {
  readonly #agent: IAgent;
  readonly #decoders: ReadonlyMap<string, ContentDecoder>;
  readonly #accept: string;
  readonly #maxLength: number;
  readonly #maxCodings: number;

  /**
   * @param decoders names of codings and what takes them off, the one that is wanted most first
   * @throws {RangeError} for limits that are none
   */
  constructor(
    agent: IAgent,
    decoders: Iterable<readonly [name: string, decoder: ContentDecoder]> = defaultDecoders,
    { maxLength = 268_435_456, maxCodings = 2 }: DecodingLimits = {},
  ) {
    checkLimits({ maxLength, maxCodings }, ['maxLength', 'maxCodings']);
    this.#agent = agent;
    this.#decoders = new Map(decoders);
    this.#accept = [...this.#decoders.keys()].join(', ');
    this.#maxLength = maxLength;
    this.#maxCodings = maxCodings;
  }

  request(
    method: string,
    uri: string | URL,
    headers: Headers | HeadersInit | null = null,
    body: RequestBodySource | null = null,
    options?: RequestOptions,
  ): Deferred<Response> {
    let all: Headers | null;
    try {
      all = headersOf(headers);
    } catch {
      return this.#agent.request(method, uri, headers, body, options);
    }
    if (!all?.hasHeader('accept-encoding')) {
      all = all?.copy() ?? new Headers();
      all.set('Accept-Encoding', this.#accept);
    }
    return this.#agent
      .request(method, uri, all, body, options)
      .addCallback((response) => this.#decoded(response));
  }

  #decoded(response: Response): Response {
    const { code, head, length } = response;
    if (code === 206 || head.framing === 'none' || head.framing === 'tunnel' || length === 0) {
      return response;
    }
    const codings = codingsOf(response.headers);
    const decoders: ContentDecoder[] = [];
    // The last one was put on last.
    while (codings.length > 0 && decoders.length < this.#maxCodings) {
      const decoder = this.#decoders.get((codings.at(-1) ?? '').replace(/^x-gzip$/, 'gzip'));
      if (decoder === undefined) break;
      decoders.push(decoder);
      codings.pop();
    }
    if (decoders.length === 0) return response;
    const headers = response.headers.copy();
    headers.removeHeader('content-length');
    if (codings.length === 0) headers.removeHeader('content-encoding');
    else headers.set('Content-Encoding', codings.join(', '));
    return response.withBody(new Decoding(response, decoders, this.#maxLength).body, headers);
  }
}
