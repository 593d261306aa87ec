import type { Request } from '../request.ts';
import type { IResource, Lookup, Rendered } from '../resource.ts';

/**
 * A resource around another one, and around all that is below it: what it does, it does to each request on the way in. Subclasses say what in `prepare`.
 */
export abstract class ResourceWrapper implements IResource {
  /** What gets the requests. */
  readonly original: IResource;
  readonly maxContentLength?: number;

  constructor(original: IResource) {
    this.original = original;
    if (original.maxContentLength !== undefined) this.maxContentLength = original.maxContentLength;
  }

  get isLeaf(): boolean {
    return this.original.isLeaf;
  }

  get streamsBody(): boolean {
    return this.original.streamsBody ?? false;
  }

  get decodesBody(): boolean {
    return this.original.decodesBody ?? false;
  }

  /**
   * Called with each request that comes by, once or more often.
   * @returns null to let it pass, or what answers it instead
   */
  protected abstract prepare(request: Request): IResource | null;

  acceptBody(request: Request): boolean {
    return this.original.acceptBody?.(request) ?? true;
  }

  getChildWithDefault(name: string, request: Request): Lookup {
    return this.prepare(request) ?? this.original.getChildWithDefault(name, request);
  }

  render(request: Request): Rendered {
    return (this.prepare(request) ?? this.original).render(request);
  }
}
