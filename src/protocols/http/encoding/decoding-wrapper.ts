/** Bodies of requests that come compressed. */

import type { Transform } from 'node:stream';
import { inspect } from 'node:util';
import * as zlib from 'node:zlib';
import type { Request } from '../request.ts';
import { type BodySource, RequestBody } from '../request-body.ts';
import {
  type AnyRequest,
  type IResource,
  type Lookup,
  NOT_DONE_YET,
  type Rendered,
} from '../resource.ts';
import { HTTPError } from '../status.ts';
import { codingsOf } from './codings.ts';
import { hasZstd } from './encoders.ts';

/** Options of `DecodingResourceWrapper`. */
export interface DecodingOptions {
  /** Bytes that a body may have once it is decoded; beyond: 413. Default 1 MiB. */
  readonly maxLength?: number | undefined;
  /** How many times longer than what came a body may be; beyond: 413. Default 100; bodies up to 64 KiB may be what they are. */
  readonly maxRatio?: number | undefined;
  /** Codings that may be used on top of each other. Default 1; beyond: 415. */
  readonly maxCodings?: number | undefined;
}

/** Up to so many bytes, no ratio is suspicious: a line of blanks compresses to nearly nothing. */
const HARMLESS = 65_536;

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: () => zlib.createGunzip(),
  'x-gzip': () => zlib.createGunzip(),
  deflate: () => zlib.createInflate(),
  br: () => zlib.createBrotliDecompress(),
};

/** The part of node:zlib that came with Node 22.15. */
interface ZstdModule {
  createZstdDecompress(): Transform;
}

function decoderFor(coding: string): (() => Transform) | undefined {
  if (coding === 'zstd' && hasZstd) {
    return () => (zlib as unknown as ZstdModule).createZstdDecompress(); // as hasZstd says
  }
  return Object.hasOwn(DECODERS, coding) ? DECODERS[coding] : undefined;
}

/** The codings that can be decoded, as `Accept-Encoding` of an answer says it (RFC 9110 12.5.3). */
const ACCEPTED = ['gzip', 'br', 'deflate', ...(hasZstd ? ['zstd'] : [])].join(', ');

/**
 * `source` decoded, as it comes.
 * @throws {HTTPError} 413 beyond the limits, 400 for what does not decode
 */
async function* decoded(
  source: AsyncIterable<Buffer>,
  decoders: readonly Transform[],
  { maxLength = 1_048_576, maxRatio = 100 }: DecodingOptions,
): AsyncGenerator<Buffer, void, undefined> {
  let came = 0;
  let made = 0;
  let chain: AsyncIterable<Buffer> = (async function* () {
    for await (const chunk of source) {
      came += chunk.length;
      yield chunk;
    }
  })();
  for (const decoder of decoders) chain = through(chain, decoder);
  try {
    for await (const chunk of chain) {
      made += chunk.length;
      if (made > maxLength) {
        throw new HTTPError(413, `The decoded body is longer than ${maxLength} bytes`);
      }
      if (made > HARMLESS && made > came * maxRatio) {
        throw new HTTPError(413, `The decoded body is more than ${maxRatio} times what was sent`);
      }
      yield chunk;
    }
  } finally {
    for (const decoder of decoders) decoder.destroy();
  }
}

/** What `decoder` makes of `source`. The source is read as the decoder takes it, and that as this is iterated. */
async function* through(
  source: AsyncIterable<Buffer>,
  decoder: Transform,
): AsyncGenerator<Buffer, void, undefined> {
  const feeding = (async () => {
    for await (const chunk of source) {
      if (decoder.destroyed) return;
      if (!decoder.write(chunk)) await drained(decoder);
    }
    decoder.end();
  })();
  let sourceFailed: { readonly error: unknown } | undefined;
  feeding.catch((error: unknown) => {
    sourceFailed = { error };
    decoder.destroy(new Error('The source failed'));
  });
  try {
    // A decoder gives Buffers, for it was not told otherwise.
    for await (const chunk of decoder) yield chunk as Buffer;
    await feeding;
  } catch (error) {
    if (sourceFailed !== undefined) throw (sourceFailed as { error: unknown }).error; // set meanwhile
    throw new HTTPError(400, 'The body is not what its Content-Encoding says', { cause: error });
  }
}

/** A body that is decoded as it is read. */
class DecodedBody implements BodySource {
  readonly body: RequestBody = new RequestBody(this, null);
  readonly #chunks: AsyncGenerator<Buffer, void, undefined>;
  readonly #source: RequestBody;
  #paused = false;
  #resumed: (() => void) | undefined;

  /** @param source what `chunks` are decoded from */
  constructor(chunks: AsyncGenerator<Buffer, void, undefined>, source: RequestBody) {
    this.#chunks = chunks;
    this.#source = source;
  }

  bodyWanted(): void {
    this.#pump().catch((error: unknown) => this.body.failed(error as Error)); // what decoding throws is an error
  }

  async #pump(): Promise<void> {
    for await (const chunk of this.#chunks) {
      this.body.push(chunk);
      if (!this.#paused) continue;
      await new Promise<void>((resume) => {
        this.#resumed = resume;
      });
    }
    this.body.finished(this.#source.trailers);
  }

  pauseBody(): void {
    this.#paused = true;
  }

  resumeBody(): void {
    this.#paused = false;
    this.#resumed?.();
    this.#resumed = undefined;
  }

  bodyDropped(): void {
    this.resumeBody();
    this.#chunks.return().catch(() => undefined); // nobody is left who could be told
  }
}

function drained(decoder: Transform): Promise<void> {
  return new Promise((done) => {
    const settle = (): void => {
      decoder.off('drain', settle);
      decoder.off('close', settle);
      done();
    };
    decoder.on('drain', settle);
    decoder.on('close', settle);
  });
}

/**
 * Takes bodies with a `Content-Encoding` for a resource, and for all below it, that gets them decoded, under a limit. Without it they are answered with 415. What the wrapper cannot decode is,
 * too, with the codings that it can in `Accept-Encoding`.
 */
export class DecodingResourceWrapper implements IResource {
  /** What gets the requests. */
  readonly original: IResource;
  readonly #options: DecodingOptions;
  readonly decodesBody = true;
  readonly maxContentLength?: number;

  /** @throws {RangeError} when a limit is not a number above 0 */
  constructor(original: IResource, options: DecodingOptions = {}) {
    this.original = original;
    this.#options = options;
    if (original.maxContentLength !== undefined) this.maxContentLength = original.maxContentLength;
    for (const [name, value] of Object.entries(options)) {
      if (value !== undefined && !(typeof value === 'number' && value > 0)) {
        throw new RangeError(`The option ${name} must be above 0: got ${inspect(value)}`);
      }
    }
  }

  get isLeaf(): boolean {
    return this.original.isLeaf;
  }

  get streamsBody(): boolean {
    return this.original.streamsBody ?? false;
  }

  /** Refuses what cannot be decoded before it is sent. */
  acceptBody(request: Request): boolean {
    const codings = codingsOf(request.requestHeaders);
    const { maxCodings = 1 } = this.#options;
    if (codings.length > maxCodings || codings.some((coding) => decoderFor(coding) === undefined)) {
      request.setHeader('Accept-Encoding', ACCEPTED);
      request.setResponseCode(415);
      return false;
    }
    return this.original.acceptBody?.(request) ?? true;
  }

  getChildWithDefault(name: string, request: Request): Lookup {
    const child = this.original.getChildWithDefault(name, request);
    if ('render' in child) return new DecodingResourceWrapper(child, this.#options);
    return Promise.resolve(child).then(
      (found) => new DecodingResourceWrapper(found, this.#options),
    );
  }

  render(request: Request): Rendered {
    const any = request as AnyRequest; // which of the two its content is, is looked at below
    const codings = codingsOf(any.requestHeaders);
    if (codings.length === 0) return this.original.render(request);
    const decoders: Transform[] = [];
    // The one that was applied last is the first to come off.
    for (const coding of codings.reverse()) {
      const make = decoderFor(coding);
      if (make === undefined) throw new HTTPError(415);
      decoders.push(make());
    }
    any.requestHeaders.removeHeader('content-encoding');
    any.requestHeaders.removeHeader('content-length');
    const content: Buffer | RequestBody = any.content;
    if (!Buffer.isBuffer(content)) {
      const { body } = new DecodedBody(decoded(content, decoders, this.#options), content);
      request.content = body as unknown as Buffer; // what a resource that streams asked for
      return this.original.render(request);
    }
    return this.#renderWhole(request, content, decoders);
  }

  async #renderWhole(
    request: Request,
    content: Buffer,
    decoders: readonly Transform[],
  ): Promise<typeof NOT_DONE_YET> {
    const chunks: Buffer[] = [];
    for await (const chunk of decoded(once(content), decoders, this.#options)) chunks.push(chunk);
    request.content = Buffer.concat(chunks);
    request.requestHeaders.setRawHeaders('content-length', [String(request.content.length)]);
    request.render(this.original);
    return NOT_DONE_YET;
  }
}

async function* once(content: Buffer): AsyncGenerator<Buffer, void, undefined> {
  yield content;
}
