/** The head of the answer to a request, before it is sent. */
import type { Deferred } from '../../deferred/index.ts';
import { type CookieOptions, formatCookie } from './cookies.ts';
import type { BodyFilter } from './encoding/body-filter.ts';
import { Headers } from './headers.ts';
import { RequestInput } from './request-input.ts';
import { OutputFields } from './request-output.ts';
import type { Session } from './session.ts';
import { evaluateConditions } from './static/conditional.ts';
import { checkCode } from './status.ts';

/** What `setETag` and `setLastModified` return when the client has it already: the answer is then 304 or 412, and needs no body. Twisted: `http.CACHED`. */
export const CACHED: unique symbol = Symbol('CACHED');

/** What only some requests have. */
export interface Extras {
  finishing: Deferred<void>[];
  abort: AbortController | undefined;
  etag: string | null;
  lastModified: number | null;
  trailers: OutputFields | undefined;
  session: Session | undefined;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
const BAD_PHRASE = /[\x00-\x08\x0a-\x1f\x7f\u0100-\uffff]/;
/** The half of a `Request` that says what its answer is like. Nothing of it has an effect once the head has been sent. */
export class RequestAnswer<C = Buffer> extends RequestInput<C> {
  /** The code of the answer. */
  code = 200;
  /** Its phrase; null for the usual one. */
  codeMessage: string | null = null;
  /** What the body goes through on its way out, such as compression; null for nothing. To be set before the head is sent. */
  bodyFilter: BodyFilter | null = null;
  #fields: OutputFields | undefined = undefined;
  #headers: Headers | undefined = undefined;
  /** What few requests have. */
  protected extras: Extras | undefined = undefined;

  /** The header fields of the answer. For a few fields `setHeader` costs less. */
  get responseHeaders(): Headers {
    if (this.#headers === undefined) {
      this.#headers = new Headers();
      if (this.#fields !== undefined) {
        for (const [name, value] of this.#fields.entries()) this.#headers.addRawHeader(name, value);
      }
    }
    return this.#headers;
  }

  /**
   * Sets the code of the answer, and its phrase.
   * @throws {TypeError} when the code is no whole number, or the phrase could not go out
   */
  setResponseCode(code: number, message: string | Buffer | null = null): void {
    checkCode(code);
    const phrase = message === null ? null : message.toString();
    if (phrase !== null && BAD_PHRASE.test(phrase)) {
      throw new TypeError(
        `A response phrase must not have control characters: got ${JSON.stringify(phrase)}`,
      );
    }
    this.code = code;
    this.codeMessage = phrase;
  }

  /** Sets a header field, in place of any of this name. @throws {TypeError} when name or value could not go out */
  setHeader(name: string, value: string | number): void {
    if (this.#headers !== undefined) {
      this.#headers.setRawHeaders(name, [String(value)]);
      return;
    }
    this.#fields ??= new OutputFields();
    this.#fields.set(name, value);
  }

  /** Adds a header field, besides others of this name. @throws {TypeError} when name or value could not go out */
  addHeader(name: string, value: string | number): void {
    if (this.#headers !== undefined) {
      this.#headers.addRawHeader(name, String(value));
      return;
    }
    this.#fields ??= new OutputFields();
    this.#fields.add(name, value);
  }

  /** The last value set for a header field of the answer. */
  getResponseHeader(name: string): string | undefined {
    return this.#headers === undefined ? this.#fields?.get(name) : this.#headers.get(name);
  }

  /** Whether the answer has a header field of that name. */
  hasResponseHeader(name: string): boolean {
    return this.getResponseHeader(name) !== undefined;
  }

  /** Takes all header fields of that name out of the answer. */
  removeResponseHeader(name: string): void {
    if (this.#headers !== undefined) this.#headers.removeHeader(name);
    else this.#fields?.remove(name);
  }

  /** Sets a cookie. @throws {TypeError} when a part of it could not go out, or no browser would take it */
  addCookie(name: string, value: string, options?: CookieOptions): void {
    this.addHeader('Set-Cookie', formatCookie(name, value, options));
  }

  /** Answers 302 with `url`. Write a body, or none, and finish. @throws {TypeError} when the URL has control characters */
  redirect(url: string): void {
    this.setResponseCode(302);
    // What URLs may not have in them is encoded, as browsers do; what is encoded already stays.
    this.setHeader('Location', url.replace(/[ "<>\\^`{|}\u0080-\uffff]+/g, encodeURIComponent));
  }

  /** Says when the resource changed last, in seconds since 1970; of several calls the latest moment counts. @returns CACHED when the client has it, else null */
  setLastModified(when: number): typeof CACHED | null {
    const extras = this.more();
    const seconds = Math.ceil(when);
    extras.lastModified = Math.max(extras.lastModified ?? seconds, seconds);
    this.setHeader('Last-Modified', new Date(extras.lastModified * 1000).toUTCString());
    return this.#judge(extras);
  }

  /** Names the state of the resource; quotes are added where they are missing. @returns CACHED when the client has it, or must not change it, else null */
  setETag(etag: string): typeof CACHED | null {
    const extras = this.more();
    extras.etag = /^(W\/)?".*"$/.test(etag) ? etag : `"${etag}"`;
    this.setHeader('ETag', extras.etag);
    return this.#judge(extras);
  }

  #judge(extras: Extras): typeof CACHED | null {
    const outcome = evaluateConditions(this.method, (name) => this.#field(name), extras);
    if (outcome === 200) return null;
    this.setResponseCode(outcome);
    return CACHED;
  }

  #field(name: string): string | undefined {
    return this.getHeader(name) === undefined
      ? undefined
      : this.requestHeaders.getRawHeaders(name)?.join(', ');
  }

  /** Takes back what was set for an answer that will not be given: all that described its body. @internal */
  forgetContent(): void {
    this.bodyFilter = null;
    for (const [name] of [...this.responseHeaders.getAllRawHeaders()]) {
      if (
        /^(content-|etag$|last-modified$|cache-control$|expires$|accept-ranges$|location$|transfer-encoding$)/i.test(
          name,
        )
      )
        this.removeResponseHeader(name);
    }
  }

  /** Adds a field behind the body, where the answer is sent in chunks; elsewhere it is left out. @throws {TypeError} when name or value could not go out */
  addTrailer(name: string, value: string): void {
    const extras = this.more();
    extras.trailers ??= new OutputFields();
    extras.trailers.add(name, value);
  }

  /** The header fields that were set, as they go out. @throws {TypeError} for one that may not be set */
  protected takeFields(): OutputFields | undefined {
    if (this.#headers === undefined) return this.#fields;
    return OutputFields.from(this.#headers.getAllRawHeaders());
  }

  protected more(): Extras {
    this.extras ??= {
      finishing: [],
      abort: undefined,
      etag: null,
      lastModified: null,
      trailers: undefined,
      session: undefined,
    };
    return this.extras;
  }
}
