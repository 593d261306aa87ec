import { createHash } from 'node:crypto';
import type { Data as Bytes } from '../../../reactor/index.ts';
import { bytesOf } from '../../data.ts';
import type { Request } from '../request.ts';
import { Resource } from '../resource.ts';
import { selectBody } from './answer.ts';
import { frameBuffer } from './frame-buffer.ts';
import { checkRangeLimits, type RangeLimits } from './ranges.ts';

/**
 * Bytes that do not change, with their type. They have a strong entity tag, by which clients that have them already are spared them, and can be asked for in ranges.
 *
 * Twisted: `static.Data`, which has no tag.
 */
export class Data extends Resource {
  /** What it sends. */
  readonly data: Buffer;
  /** Its content type. */
  readonly type: string;
  readonly #limits: RangeLimits;
  #etag: string | undefined;

  /** @throws {TypeError} when `data` is neither bytes nor text @throws {RangeError} for limits that are none */
  constructor(data: Bytes, type: string, limits: RangeLimits = {}) {
    super();
    checkRangeLimits(limits);
    this.data = bytesOf(data, 'serve data');
    this.type = type;
    this.#limits = limits;
  }

  override render_GET(request: Request): Buffer {
    this.#etag ??= `"${createHash('sha256').update(this.data).digest('base64url').slice(0, 22)}"`;
    const { data, type } = this;
    const selection = selectBody(
      request,
      { size: data.length, type, etag: this.#etag, lastModified: null },
      this.#limits,
    );
    return frameBuffer(data, selection);
  }
}
