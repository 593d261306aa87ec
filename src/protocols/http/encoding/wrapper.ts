import type { Request } from '../request.ts';
import type { IResource } from '../resource.ts';
import { ResourceWrapper } from '../wrappers/resource-wrapper.ts';
import { defaultEncoders, type EncoderFactory, filterFor } from './encoders.ts';

/**
 * A resource whose answers, and those of all that is below it, are compressed for clients that take that. What is not compressed, and why, is said at `CompressionFilter`.
 *
 * Twisted: `resource.EncodingResourceWrapper`.
 *
 * @example
 * const site = new Site(new EncodingResourceWrapper(new File('/srv/www'), [new GzipEncoderFactory()]));
 */
export class EncodingResourceWrapper extends ResourceWrapper {
  readonly #encoders: readonly EncoderFactory[];

  /** @param encoders best first; by default one of each kind: Brotli, Zstandard where Node has it, gzip */
  constructor(original: IResource, encoders: readonly EncoderFactory[] = defaultEncoders()) {
    super(original);
    this.#encoders = encoders;
  }

  protected override prepare(request: Request): null {
    // One is enough: what another wrapper, further out, has put there stays.
    request.bodyFilter ??= filterFor(request, this.#encoders);
    return null;
  }
}
