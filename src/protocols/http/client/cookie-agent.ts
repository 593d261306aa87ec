/** Requests with cookies (Twisted: `CookieAgent`). */
import { Deferred, fail } from '../../../deferred/index.ts';
import { Headers, type HeadersInit } from '../headers.ts';
import { headersOf, type IAgent } from './agent.ts';
import type { RequestBodySource } from './content.ts';
import type { CookieJar } from './cookie-jar.ts';
import type { RequestOptions } from './limits.ts';
import type { Response } from './response.ts';
import { targetOf } from './target.ts';

/**
 * Sends the cookies of a jar, and puts those that responses set into it. A request that has a Cookie header keeps that. Put a `RedirectAgent` in front of it, not behind: a redirect may set
 * cookies too.
 */
export class CookieAgent implements IAgent {
  readonly #agent: IAgent;
  /** The cookies. */
  readonly jar: CookieJar;

  constructor(agent: IAgent, jar: CookieJar) {
    this.#agent = agent;
    this.jar = jar;
  }

  request(
    method: string,
    uri: string | URL,
    headers: Headers | HeadersInit | null = null,
    body: RequestBodySource | null = null,
    options?: RequestOptions,
  ): Deferred<Response> {
    let address: string;
    let given: Headers | null;
    try {
      address = targetOf(uri).uri;
      given = headersOf(headers);
    } catch (error) {
      return fail(error);
    }
    const cookies = given?.hasHeader('cookie') ? Promise.resolve('') : this.jar.cookiesFor(address);
    return Deferred.fromPromise(cookies)
      .addCallback((value): Deferred<Response> => {
        if (value === '') return this.#agent.request(method, uri, given, body, options);
        const all = given?.copy() ?? new Headers();
        all.set('Cookie', value);
        return this.#agent.request(method, uri, all, body, options);
      })
      .addCallback((response): Response | Promise<Response> => {
        const lines = response.headers.getRawHeaders('set-cookie');
        if (lines === undefined) return response;
        return this.jar.keep(address, lines).then(() => response);
      });
  }
}
