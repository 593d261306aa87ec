/** Following redirects (RFC 9110 section 15.4; Twisted: `RedirectAgent`, `BrowserLikeRedirectAgent`). */
import { Deferred, fail } from '../../../deferred/index.ts';
import { type ReactorTime, reactor } from '../../../reactor/index.ts';
import type { Headers, HeadersInit } from '../headers.ts';
import { headersOf, type IAgent } from './agent.ts';
import { contentOf, isReplayable, type RequestBodySource, type RequestContent } from './content.ts';
import {
  InfiniteRedirection,
  RedirectNotFollowed,
  RedirectWithNoLocation,
  RequestTimeoutError,
} from './errors.ts';
import type { RequestOptions } from './limits.ts';
import type { Response } from './response.ts';
import { type RequestTarget, targetOf } from './target.ts';

/** Options of a `RedirectAgent`. */
export interface RedirectOptions {
  /** Redirects that are followed, one after the other. Default 20; beyond: `InfiniteRedirection`. */
  readonly limit?: number | undefined;
  /** Headers that are not sent to another origin, besides Authorization, Cookie, Cookie2, Proxy-Authorization and WWW-Authenticate. */
  readonly sensitiveHeaderNames?: Iterable<string> | undefined;
  /** Whether redirects from https to http are followed. Default false: `RedirectNotFollowed`. */
  readonly allowDowngrade?: boolean | undefined;
  /** What `timeout` of a request, which is for all of its redirects together, is measured by. Default: the reactor. */
  readonly clock?: ReactorTime | undefined;
}

/** What is not for others. */
const SENSITIVE: readonly string[] = [
  'authorization',
  'cookie',
  'cookie2',
  'proxy-authorization',
  'www-authenticate',
];

/** What says something about a body. */
const ABOUT_BODY: readonly string[] = [
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-type',
  'expect',
];

/** What the next request does with the method and the body: both stay, it becomes GET without a body, or there is none. */
export type RedirectRule = 'repeat' | 'get' | 'refuse';

function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD';
}

interface Hop {
  readonly method: string;
  readonly target: RequestTarget;
  readonly headers: Headers | null;
  readonly body: RequestContent | null;
  readonly options: RequestOptions | undefined;
  readonly count: number;
  /** When all of it has to be over. */
  readonly until: number;
  readonly clock: ReactorTime | undefined;
}

/**
 * Follows redirects of requests that only ask for something: 301, 302, 307 and 308 for GET and HEAD, and 303 by GET for all methods. Any other redirect fails with `RedirectNotFollowed`,
 * whose `response` is the one that redirects. What is meant for one origin is not sent to another.
 */
export class RedirectAgent implements IAgent {
  readonly #agent: IAgent;
  readonly #limit: number;
  readonly #sensitive: readonly string[];
  readonly #allowDowngrade: boolean;
  readonly #clock: ReactorTime | undefined;

  /** @param options or Twisted's `redirectLimit` */
  constructor(agent: IAgent, options: RedirectOptions | number = {}) {
    const given = typeof options === 'number' ? { limit: options } : options;
    const { limit = 20, sensitiveHeaderNames = [], allowDowngrade = false, clock } = given;
    if (!(limit >= 0)) throw new RangeError(`The option limit must be 0 or more: got ${limit}`);
    this.#agent = agent;
    this.#limit = limit;
    this.#sensitive = [...SENSITIVE, ...sensitiveHeaderNames];
    this.#allowDowngrade = allowDowngrade;
    this.#clock = clock;
  }

  request(
    method: string,
    uri: string | URL,
    headers: Headers | HeadersInit | null = null,
    body: RequestBodySource | null = null,
    options?: RequestOptions,
  ): Deferred<Response> {
    try {
      const timeout = options?.timeout ?? null;
      const clock = timeout === null ? undefined : (this.#clock ?? reactor);
      return this.#ask(
        {
          method,
          target: targetOf(uri),
          headers: headersOf(headers),
          body: contentOf(body),
          options,
          count: 0,
          until: timeout === null ? Number.POSITIVE_INFINITY : secondsOf(clock) + timeout,
          clock,
        },
        // User information is for the agent beneath to judge.
        uri,
      );
    } catch (error) {
      return fail(error);
    }
  }

  #ask(hop: Hop, uri: string | URL): Deferred<Response> {
    const { method, headers, body, options } = hop;
    return this.#agent
      .request(method, uri, headers, body, this.#optionsOf(hop, options))
      .addCallback((response): Response | Deferred<Response> => {
        const rule = this.ruleFor(response.code, method);
        if (rule === null) return response;
        // Its body is of no use, but its connection is, if the body has come by the end of this turn.
        response.discard();
        return Deferred.fromPromise(Promise.resolve()).addCallback(() =>
          this.#follow(hop, response, rule),
        );
      });
  }

  #optionsOf(
    { until, clock }: Hop,
    options: RequestOptions | undefined,
  ): RequestOptions | undefined {
    if (until === Number.POSITIVE_INFINITY) return options;
    return { ...options, timeout: Math.max(0, until - secondsOf(clock)) };
  }

  /** What to do about a status; null if it is no redirect. */
  protected ruleFor(code: number, method: string): RedirectRule | null {
    switch (code) {
      case 303:
        return 'get';
      case 301:
      case 302:
      case 307:
      case 308:
        return isSafe(method) ? 'repeat' : 'refuse';
      default:
        return null;
    }
  }

  #follow(hop: Hop, response: Response, rule: RedirectRule): Deferred<Response> {
    const { target, method } = hop;
    if (hop.count >= this.#limit) throw new InfiniteRedirection(this.#limit, response);
    const location = response.headers.getRawHeaders('location')?.[0];
    if (location === undefined) throw new RedirectWithNoLocation(target.uri, response);
    const refuse = (why: string): never => {
      throw new RedirectNotFollowed(location, why, response);
    };
    if (rule === 'refuse') refuse(`${method} is not repeated elsewhere`);
    let next: RequestTarget;
    try {
      next = targetOf(new URL(location, target.uri).href);
    } catch {
      return refuse('it is not a URI of http or https');
    }
    if (target.scheme === 'https' && next.scheme === 'http' && !this.#allowDowngrade) {
      refuse('it leads from https to http');
    }
    const get = rule === 'get' && !isSafe(method);
    if (!get && !isReplayable(hop.body)) refuse('the body of the request cannot be sent again');
    if (hop.until <= secondsOf(hop.clock)) {
      const seconds = hop.options?.timeout ?? 0;
      throw new RequestTimeoutError('whole', seconds, `${method} ${target.uri}`);
    }
    return this.#ask(
      {
        ...hop,
        method: get ? 'GET' : method,
        body: get ? null : hop.body,
        headers: this.#headersFor(hop, next, get),
        target: next,
        count: hop.count + 1,
      },
      next.uri,
    ).addCallback((last) => {
      let first = last;
      while (first.previousResponse !== null) first = first.previousResponse;
      first.setPreviousResponse(response);
      return last;
    });
  }

  #headersFor({ headers, target }: Hop, next: RequestTarget, get: boolean): Headers | null {
    const elsewhere = next.origin !== target.origin;
    if (headers === null || !(elsewhere || get)) return headers;
    const kept = headers.copy();
    if (get) for (const name of ABOUT_BODY) kept.removeHeader(name);
    if (elsewhere) {
      kept.removeHeader('host');
      for (const name of this.#sensitive) kept.removeHeader(name);
    }
    return kept;
  }
}

function secondsOf(clock: ReactorTime | undefined): number {
  return clock?.seconds() ?? 0;
}

/**
 * Follows redirects as browsers do: 301 and 302 turn POST into GET, 303 turns everything but HEAD into it, and any other request is repeated with its body, if that can be sent again.
 */
export class BrowserLikeRedirectAgent extends RedirectAgent {
  protected override ruleFor(code: number, method: string): RedirectRule | null {
    const rule = super.ruleFor(code, method);
    if (rule !== 'refuse') return rule;
    return (code === 301 || code === 302) && method === 'POST' ? 'get' : 'repeat';
  }
}
