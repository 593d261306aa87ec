/** A resource whose answers come from another server (Twisted: `twisted.web.proxy.ReverseProxyResource`). */
import { getDefaultClock } from '../../../deferred/index.ts';
import type { ReactorCore } from '../../../reactor/index.ts';
import type { Request } from '../request.ts';
import { unquote } from '../request-query.ts';
import { type IResource, NOT_DONE_YET, type Rendered, UnsupportedMethod } from '../resource.ts';
import { HTTPError } from '../status.ts';
import type { Backend } from './balancing.ts';
import { HealthChecks } from './health.ts';
import { ProxyHost } from './host.ts';
import type { ProxyReactor, ReverseProxyOptions } from './options.ts';
import { Passage, type StreamingRequest } from './passage.ts';

const PROXIED = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** The segments of a raw path, and of its decoded ones none that leads elsewhere. */
function checkSegments(segments: readonly string[]): void {
  for (const segment of segments) {
    for (const part of unquote(segment).split(/[/\\]/)) {
      // What is above the path is not to be had by asking for it.
      if (part === '.' || part === '..') throw new HTTPError(400, 'The path leads elsewhere');
    }
  }
}

/**
 * Answers with what another server answers to the same request. Bodies stream both ways and each side waits for the other; protocols such as WebSocket are gone on with. Every message is read,
 * understood and written anew: nothing is passed on as it came, so that no two readers can disagree about where it ends. What was for one hop only stays behind, and the backend is told who asked.
 *
 * It answers for everything below it: a request for what is below its place asks the backend for the same below `path`. A backend that cannot be reached is answered for with 502, one that is
 * too slow with 504, and 503 says that there is none; the pages tell nothing of it.
 *
 * A request that can be repeated without harm is sent again, once, when the connection that was kept for it turns out to be closed; and any, to another backend, when there was no connection.
 *
 * Twisted: `twisted.web.proxy.ReverseProxyResource`.
 *
 * @example
 * const root = new Resource();
 * root.putChild('api', new ReverseProxyResource('127.0.0.1', 3000, '/v1'));
 * reactor.listenTCP(8080, new Site(root));
 */
export class ReverseProxyResource implements IResource {
  readonly isLeaf: boolean = true;
  readonly streamsBody: boolean = true;
  readonly decodesBody: boolean = true;
  /** Below which path the backend is asked; without a slash at the end. */
  readonly path: string;
  readonly #host: ProxyHost;
  readonly #checks: HealthChecks | undefined;
  readonly #reactor: ProxyReactor;
  #checking = false;

  /**
   * @param host of the backend: a name, or the number of an address
   * @param port of the backend
   * @param path below which it is asked: '' for the same paths as here
   * @throws {RangeError} @throws {TypeError} for options that make no sense
   */
  constructor(
    host: string,
    port: number,
    path = '',
    reactor?: ProxyReactor,
    options: ReverseProxyOptions = {},
  ) {
    this.#reactor = reactor ?? (getDefaultClock() as ProxyReactor); // the default is a reactor
    this.path = path.replace(/\/+$/, '');
    if (this.path !== '' && !/^\/[\x21\x22\x24-\x3e\x40-\x7e]*$/.test(this.path)) {
      throw new TypeError(
        `Cannot proxy to path ${JSON.stringify(path)}: expected one as it is sent`,
      );
    }
    this.#host = new ProxyHost(this.#reactor, { host, port }, this.path, options);
    if (options.healthCheck !== undefined) {
      const { pool, balancer } = this.#host;
      const { backends } = balancer;
      this.#checks = new HealthChecks(pool, this.#reactor, backends, options.healthCheck);
    }
  }

  /** The backends, and how they fare. */
  get backends(): readonly Backend[] {
    return this.#host.balancer.backends;
  }

  // ------------------------------------------------------------------------------------------ health

  /** Begins to ask the backends how they are, as the first request does too. */
  startChecking(): void {
    if (this.#checks === undefined) return;
    this.#checks.start();
    if (this.#checking) return;
    this.#checking = true;
    const reactor = this.#reactor as Partial<ReactorCore>; // asked whether it has that
    reactor.addSystemEventTrigger?.('before', 'shutdown', () => this.stopChecking());
  }

  /** Asks them no more. */
  stopChecking(): void {
    this.#checks?.stop();
  }

  /** Closes the connections that nobody uses, and asks backends no more: for when the resource is not needed any longer. */
  close(): void {
    this.stopChecking();
    this.#host.pool.closeCachedConnections().addErrback(() => undefined);
  }

  // -------------------------------------------------------------------------------------------- requests

  getChildWithDefault(): IResource {
    return this;
  }

  render(request: Request): Rendered {
    const streaming = request as unknown as StreamingRequest; // it says so: streamsBody
    const { method } = request;
    // TRACE would show what this server and its client know of each other.
    if (method === 'TRACE' || method === 'CONNECT') throw new UnsupportedMethod(PROXIED);
    const target = this.#targetOf(request);
    if (!this.#checking) this.startChecking();
    new Passage(this.#host, streaming, target).begin();
    return NOT_DONE_YET;
  }

  /** Path and query for the backend: below `path`, what is below this resource here, encoded as it came. */
  #targetOf(request: Request): string {
    const raw = request.path.split('/').slice(1 + request.prepath.length);
    const { postpath } = request;
    const asCame =
      raw.length === postpath.length && raw.every((part, at) => unquote(part) === postpath[at]);
    const segments = asCame ? raw : postpath.map(encodeURIComponent);
    checkSegments(segments);
    const path = segments.length === 0 ? this.path : `${this.path}/${segments.join('/')}`;
    const { pathAndQuery } = request.head;
    const query = pathAndQuery.indexOf('?');
    const rest = query < 0 ? '' : pathAndQuery.slice(query);
    return `${path === '' ? '/' : path}${rest.includes('#') ? rest.slice(0, rest.indexOf('#')) : rest}`;
  }
}
