/** Codings of content, and what takes them off (RFC 9110 section 8.4.1). */
import type { Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { hasZstd } from '../encoding/encoders.ts';

/** Makes what takes one coding off. `first` are the first bytes of the body, for codings that come in more than one form. */
export type ContentDecoder = (first: Buffer) => Transform;

/** The part of node:zlib that came with Node 22.15. */
interface ZstdModule {
  createZstdDecompress(): Transform;
}

/** Twisted: `GzipDecoder`. */
export const GzipDecoder: ContentDecoder = () => zlib.createGunzip();

/** What is called deflate is in the format of zlib, and where it is not, without any. */
export const DeflateDecoder: ContentDecoder = (first) =>
  ((first[0] ?? 0) & 0x0f) === 8 ? zlib.createInflate() : zlib.createInflateRaw();

/** Coding `br` (RFC 7932). */
export const BrotliDecoder: ContentDecoder = () => zlib.createBrotliDecompress();

/** For Node from 22.15 on. */
export const ZstdDecoder: ContentDecoder = () =>
  (zlib as unknown as ZstdModule).createZstdDecompress(); // as hasZstd says

/** All that there are here, the one that is wanted most first. */
export const defaultDecoders: ReadonlyArray<readonly [name: string, decoder: ContentDecoder]> = [
  ['gzip', GzipDecoder],
  ['deflate', DeflateDecoder],
  ['br', BrotliDecoder],
  ...(hasZstd ? ([['zstd', ZstdDecoder]] as const) : []),
];
