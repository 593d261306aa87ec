/** What answers requests: a tree of resources (Twisted: `twisted.web.resource`). */
import type { Deferred } from '../../deferred/index.ts';
import type { Data } from '../../reactor/index.ts';
import { NoResource } from './pages.ts';
import type { Request } from './request.ts';
import type { RequestBody } from './request-body.ts';

/** What `render` returns when the answer comes later, by `request.write` and `request.finish`. Twisted: `server.NOT_DONE_YET`. */
export const NOT_DONE_YET: unique symbol = Symbol('NOT_DONE_YET');

/** What is rendered: the body of the answer, now or later, or `NOT_DONE_YET`. */
export type Rendered =
  | Data
  | typeof NOT_DONE_YET
  | Deferred<Data | typeof NOT_DONE_YET>
  | PromiseLike<Data | typeof NOT_DONE_YET>;

/** What a child may be looked up as: itself, or the promise of it. */
export type Lookup = IResource | Deferred<IResource> | PromiseLike<IResource>;

/** A request to any resource, whether it takes its body whole or as it comes. Methods of resources say which: `Request`, or `Request<RequestBody>`. */
export type AnyRequest = Request<Buffer & RequestBody>;

/** What a realm is asked for when somebody logs in who wants to see resources (see `HTTPAuthSessionWrapper`). */
export const IResource: unique symbol = Symbol('IResource');

/** What a server asks of a resource (Twisted: `IResource`). */
export interface IResource {
  /** Whether it answers for all that is below it as well. */
  readonly isLeaf: boolean;
  /** The child of this name, which is one segment of a path, decoded. Called for what is no leaf. */
  getChildWithDefault(name: string, request: Request): Lookup;
  /** Answers. */
  render(request: Request): Rendered;
  /** Whether `request.content` is the body as it comes, and the resource is rendered as soon as the head is there. */
  readonly streamsBody?: boolean;
  /** Whether bodies with a Content-Encoding are taken; else they are answered with 415. */
  readonly decodesBody?: boolean;
  /** Bytes of a body that is kept in memory; the server's limit of this name unless it is here. */
  readonly maxContentLength?: number;
  /**
   * Called when the head of a request with a body has come, before any of the body is read, and before '100 Continue' is sent: false refuses it. What is answered then is the
   * request's code, if it was set; else 417 to those who asked, and 413 to others.
   */
  acceptBody?(request: Request): boolean;
}

/** The method is not one that the resource has. Answered with 405 and `Allow`, or with 501 when nobody knows it. Twisted: `UnsupportedMethod`. */
export class UnsupportedMethod extends Error {
  static {
    UnsupportedMethod.prototype.name = 'UnsupportedMethod';
  }
  readonly code: string = 'ERR_UNSUPPORTED_METHOD';
  /** The methods that there are. */
  readonly allowedMethods: readonly string[];

  constructor(allowedMethods: readonly string[]) {
    super(`Method is none of ${allowedMethods.join(', ')}`);
    this.allowedMethods = allowedMethods;
  }
}

type Renderer = (this: Resource, request: Request) => Rendered;

/** The methods that a resource has a `render_` for, its own ones first, then those of its class. */
function allowedMethodsOf(resource: object): readonly string[] {
  const found = new Set<string>();
  for (
    let level: object | null = resource;
    level !== null && level !== Object.prototype;
    level = Object.getPrototypeOf(level)
  ) {
    for (const name of Object.getOwnPropertyNames(level)) {
      if (name.startsWith('render_')) found.add(name.slice(7));
    }
  }
  // What answers GET answers HEAD, and anything answers OPTIONS.
  if (found.has('GET')) found.add('HEAD');
  found.add('OPTIONS');
  return [...found];
}

/**
 * Something that can be asked for. Subclass it and define `render_GET` and its kin; each gets the request and returns bytes, text, a Deferred or Promise of one of them, or
 * `NOT_DONE_YET`. HEAD is answered by `render_GET`, its body left out. A resource with `isLeaf = true` answers for everything below it too; others hand on to a child.
 *
 * Twisted: `twisted.web.resource.Resource`.
 *
 * @example
 * class Hello extends Resource {
 *   override isLeaf = true;
 *   override render_GET(request: Request): string {
 *     return `Hello, ${request.args['name']?.[0] ?? 'world'}!`;
 *   }
 * }
 * reactor.listenTCP(8080, new Site(new Hello()));
 */
export class Resource implements IResource {
  isLeaf = false;
  streamsBody = false;
  decodesBody = false;
  /** The children that were put. */
  readonly children: Map<string, IResource> = new Map();
  /** The methods to name in `Allow`; null for those that have a `render_` method. */
  allowedMethods: readonly string[] | null = null;

  /** Answers GET. */
  render_GET?(request: AnyRequest): Rendered;
  /** Answers HEAD. Where it is not there, `render_GET` does, without the body. */
  render_HEAD?(request: AnyRequest): Rendered;
  /** Answers POST. */
  render_POST?(request: AnyRequest): Rendered;
  /** Answers PUT. */
  render_PUT?(request: AnyRequest): Rendered;
  /** Answers PATCH. */
  render_PATCH?(request: AnyRequest): Rendered;
  /** Answers DELETE. */
  render_DELETE?(request: AnyRequest): Rendered;
  /** Answers OPTIONS. */
  render_OPTIONS?(request: AnyRequest): Rendered;

  /**
   * Makes the child of a name that none was put for; by default a page that says 404. Override it for names that are known only when they are asked for.
   * @param name one segment of the path, decoded; '' for what follows a slash at the end
   */
  getChild(_name: string, _request: Request): Lookup {
    return new NoResource();
  }

  getChildWithDefault(name: string, request: Request): Lookup {
    return this.children.get(name) ?? this.getChild(name, request);
  }

  /** Has `child` answer for `name`, one segment of a path as it reads decoded. @throws {TypeError} when the name has a slash, since no segment has */
  putChild(name: string | Buffer, child: IResource): void {
    const text = String(name);
    if (text.includes('/')) {
      throw new TypeError(
        `Cannot put a child at ${JSON.stringify(text)}: the name of a child is one segment of a path`,
      );
    }
    this.children.set(text, child);
  }

  /**
   * Calls the method for the request's method.
   * @throws {UnsupportedMethod} when there is none
   */
  render(request: Request): Rendered {
    const renderer = this.#rendererFor(request.method);
    if (renderer !== undefined) return renderer.call(this, request);
    const methods = this.allowedMethods ?? allowedMethodsOf(this);
    if (request.method !== 'OPTIONS') throw new UnsupportedMethod(methods);
    request.setHeader('Allow', methods.join(', '));
    request.setResponseCode(204);
    return '';
  }

  #rendererFor(method: string): Renderer | undefined {
    // The names that nearly all requests have, spelled out, so that no name is put together for them.
    if (method === 'GET') return this.render_GET as Renderer | undefined; // a request is what it says it takes: streamsBody decides
    if (method === 'POST') return this.render_POST as Renderer | undefined;
    if (method === 'HEAD') return (this.render_HEAD ?? this.render_GET) as Renderer | undefined;
    const renderer: unknown = Reflect.get(this, `render_${method}`);
    return typeof renderer === 'function' ? (renderer as Renderer) : undefined; // whoever names a method so means it so
  }
}

function isLater(found: Lookup): found is Deferred<IResource> | PromiseLike<IResource> {
  return typeof (found as { then?: unknown }).then === 'function'; // resources have no such method
}

/**
 * Follows the rest of a request's path from `resource` on: each segment moves from `postpath` to `prepath`. Ends at a leaf, or when nothing is left. Twisted: `getChildForRequest`.
 * @returns a promise only if a resource on the way gave one
 */
export function getChildForRequest(resource: IResource, request: Request): Lookup {
  let found = resource;
  while (!found.isLeaf && request.postpath.length > 0) {
    const name = request.postpath.shift() ?? '';
    request.prepath.push(name);
    const child = found.getChildWithDefault(name, request);
    if (isLater(child)) {
      // A Deferred is a PromiseLike too, which its type does not say.
      const later: PromiseLike<IResource> = Promise.resolve(child as PromiseLike<IResource>);
      return later.then((next) => getChildForRequest(next, request) as PromiseLike<IResource>); // or a resource, which `then` takes as well
    }
    found = child;
  }
  return found;
}
