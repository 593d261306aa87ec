import { inspect } from 'node:util';
import * as zlib from 'node:zlib';
import type { Request } from '../request.ts';
import { acceptedCoding } from './accept.ts';
import type { BodyFilter } from './body-filter.ts';
import {
  type CompressingStream,
  CompressionFilter,
  type Compressor,
  type FilterSettings,
} from './compression-filter.ts';

/** Makes what encodes the body of an answer. Twisted: `_IRequestEncoderFactory`. */
export interface EncoderFactory {
  /** What `Content-Encoding` calls it. */
  readonly coding: string;
  /** Encodes the answer to `request`; null when the client would not take that. */
  encoderForRequest(request: Request): BodyFilter | null;
}

/** Options of the encoders. */
export interface EncoderOptions {
  /** How hard to try: gzip 1 to 9 (default 6), Brotli 0 to 11 (default 4), Zstandard 1 to 19 (default 3). More costs much time for little. */
  readonly level?: number | undefined;
  /** Bodies that are known to be shorter are left alone. Bytes; default 1024. */
  readonly minLength?: number | undefined;
  /** Which types are compressed; by default text, and what else is known to get smaller. */
  readonly compressible?: ((type: string) => boolean) | undefined;
  /**
   * Seconds that what a resource writes may stay in the compressor, so that a page or events that come bit by bit are seen bit by bit; what is written within that time comes out together. Each time
   * costs a few bytes. null: it comes out when the compressor has enough of it, and at the end. Default 0.01.
   */
  readonly flushAfter?: number | null | undefined;
}

function levelOf(options: EncoderOptions, usual: number, least: number, most: number): number {
  const { level = usual } = options;
  if (!Number.isInteger(level) || level < least || level > most) {
    throw new RangeError(
      `The option level must be a whole number from ${least} to ${most}: got ${inspect(level)}`,
    );
  }
  return level;
}

abstract class CompressorFactory implements EncoderFactory, Compressor {
  abstract readonly coding: string;
  abstract readonly flushing: number;
  abstract stream(): CompressingStream;
  abstract once(body: Uint8Array): Buffer;
  readonly #settings: FilterSettings;

  constructor(options: EncoderOptions) {
    const { minLength = 1024, compressible, flushAfter = 0.01 } = options;
    if (flushAfter !== null && !(flushAfter >= 0)) {
      throw new RangeError(
        `The option flushAfter must be 0 or more, in seconds, or null: got ${inspect(flushAfter)}`,
      );
    }
    this.#settings = { minLength, compressible, flushAfter };
  }

  encoderForRequest(request: Request): BodyFilter | null {
    return acceptedCoding(acceptEncodingOf(request), [this.coding]) === null
      ? null
      : this.filter(true);
  }

  /** @param wanted whether the client takes it; the filter for one that does not says only that others may get it */
  filter(wanted: boolean): BodyFilter {
    return new CompressionFilter(wanted ? this : null, this.#settings);
  }
}

/** What a client takes, its lines put together; undefined when it did not say. */
export function acceptEncodingOf(request: Request): string | undefined {
  return request.getHeader('accept-encoding') === undefined
    ? undefined
    : request.requestHeaders.getRawHeaders('accept-encoding')?.join(', ');
}

/** Compresses with gzip, which every client knows. Twisted: `server.GzipEncoderFactory`. */
export class GzipEncoderFactory extends CompressorFactory {
  override readonly coding = 'gzip';
  override readonly flushing = zlib.constants.Z_SYNC_FLUSH;
  /** 1 to 9. Twisted: `compressLevel`. */
  readonly compressLevel: number;

  /** @throws {RangeError} for a level that there is not */
  constructor(options: EncoderOptions = {}) {
    super(options);
    this.compressLevel = levelOf(options, 6, 1, 9);
  }

  override stream(): CompressingStream {
    return zlib.createGzip({ level: this.compressLevel });
  }

  override once(body: Uint8Array): Buffer {
    return zlib.gzipSync(body, { level: this.compressLevel });
  }
}

/** Compresses with Brotli: smaller than gzip for the same time. Browsers take it under TLS only. */
export class BrotliEncoderFactory extends CompressorFactory {
  override readonly coding = 'br';
  override readonly flushing = zlib.constants.BROTLI_OPERATION_FLUSH;
  readonly #params: Record<number, number>;

  /** @throws {RangeError} for a level that there is not */
  constructor(options: EncoderOptions = {}) {
    super(options);
    this.#params = {
      [zlib.constants.BROTLI_PARAM_QUALITY]: levelOf(options, 4, 0, 11),
      // A window of 512 KiB instead of 4 MiB, so that many answers at a time do not need much memory.
      [zlib.constants.BROTLI_PARAM_LGWIN]: 19,
    };
  }

  override stream(): CompressingStream {
    return zlib.createBrotliCompress({ params: this.#params });
  }

  override once(body: Uint8Array): Buffer {
    return zlib.brotliCompressSync(body, { params: this.#params });
  }
}

/** The part of node:zlib that came with Node 22.15. */
interface ZstdModule {
  createZstdCompress(options: { params: Record<number, number> }): CompressingStream;
  zstdCompressSync(body: Uint8Array, options: { params: Record<number, number> }): Buffer;
  readonly constants: { readonly ZSTD_c_compressionLevel: number; readonly ZSTD_e_flush: number };
}

/** Whether this Node has Zstandard (22.15 and later do). */
export const hasZstd: boolean = 'createZstdCompress' in zlib;

/** Compresses with Zstandard (RFC 8878): the fastest of them. Only where Node has it, see {@link hasZstd}. */
export class ZstdEncoderFactory extends CompressorFactory {
  override readonly coding = 'zstd';
  override readonly flushing: number;
  readonly #zstd: ZstdModule;
  readonly #params: Record<number, number>;

  /** @throws {RangeError} for a level that there is not @throws {TypeError} where Node has no Zstandard */
  constructor(options: EncoderOptions = {}) {
    super(options);
    if (!hasZstd) throw new TypeError(`Cannot use Zstandard: Node ${process.version} is without`);
    this.#zstd = zlib as unknown as ZstdModule; // which hasZstd just said
    this.flushing = this.#zstd.constants.ZSTD_e_flush;
    this.#params = {
      [this.#zstd.constants.ZSTD_c_compressionLevel]: levelOf(options, 3, 1, 19),
    };
  }

  override stream(): CompressingStream {
    return this.#zstd.createZstdCompress({ params: this.#params });
  }

  override once(body: Uint8Array): Buffer {
    return this.#zstd.zstdCompressSync(body, { params: this.#params });
  }
}

/** An encoder of each kind that this Node has, best first. */
export function defaultEncoders(options: Omit<EncoderOptions, 'level'> = {}): EncoderFactory[] {
  const encoders: EncoderFactory[] = [new BrotliEncoderFactory(options)];
  if (hasZstd) encoders.push(new ZstdEncoderFactory(options));
  encoders.push(new GzipEncoderFactory(options));
  return encoders;
}

/** The filter for the answer to `request`: of the encoder that the client likes best, ties to the one named first. */
export function filterFor(
  request: Request,
  encoders: readonly EncoderFactory[],
): BodyFilter | null {
  const codings = encoders.map(({ coding }) => coding);
  const coding = acceptedCoding(acceptEncodingOf(request), codings);
  if (coding !== null) {
    const chosen = encoders[codings.indexOf(coding)];
    return chosen?.encoderForRequest(request) ?? null;
  }
  // Whoever stores the plain answer has to know that there are others.
  const first = encoders.find((encoder) => encoder instanceof CompressorFactory);
  return first?.filter(false) ?? null;
}
