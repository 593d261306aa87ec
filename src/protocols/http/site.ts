/** A server of resources (Twisted: `twisted.web.server.Site`). */
import { HTTPFactory, type HTTPFactoryOptions } from './factory.ts';
import type { Request } from './request.ts';
import { processingFailed } from './request-render.ts';
import { getChildForRequest, type IResource, type Lookup } from './resource.ts';
import { HTTPError } from './status.ts';

/** Options of `Site`. */
export type SiteOptions = HTTPFactoryOptions;

/**
 * Serves a tree of resources.
 *
 * @example
 * const root = new Resource();
 * root.putChild('hello', new Hello());
 * reactor.listenTCP(8080, new Site(root, { timeout: 30 }));
 */
export class Site extends HTTPFactory {
  /** The root of the tree. */
  resource: IResource;

  constructor(resource: IResource, options: SiteOptions = {}) {
    super(options);
    this.resource = resource;
  }

  /** The resource for a request's path. Twisted: `getResourceFor`. */
  getResourceFor(request: Request): Lookup {
    return getChildForRequest(this.resource, request);
  }

  override lookUp(request: Request): Lookup | undefined {
    const { method, uri } = request;
    // '*' is no path: it stands for the server itself.
    if (uri === '*' || method === 'CONNECT') return undefined;
    return this.getResourceFor(request);
  }

  /** Answers a request: finds its resource, and has that rendered. */
  override serve(request: Request): void {
    const known = request.resource;
    if (known !== undefined) {
      request.render(known);
      return;
    }
    try {
      const found = this.lookUp(request);
      if (found === undefined) this.#serveItself(request);
      else if ('render' in found) request.render(found);
      else this.#serveLater(request, found);
    } catch (error) {
      processingFailed(request, error);
    }
  }

  #serveLater(request: Request, found: Exclude<Lookup, IResource>): void {
    Promise.resolve(found).then(
      (resource) => request.render(resource),
      (error) => processingFailed(request, error),
    );
  }

  /** Answers what is asked of the server as a whole. */
  #serveItself(request: Request): void {
    if (request.method !== 'OPTIONS')
      throw new HTTPError(405, undefined, { headers: { Allow: 'OPTIONS' } });
    request.setHeader('Allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS');
    request.finishWith('');
  }
}
