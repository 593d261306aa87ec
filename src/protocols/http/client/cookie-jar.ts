/** Cookies between requests (RFC 6265), kept by the package `tough-cookie`, which is loaded when the first jar is used. */
import type { CookieJar as ToughJar } from 'tough-cookie';

/** Limits of a `CookieJar`. */
export interface CookieJarOptions {
  /** Bytes of one Set-Cookie; a longer one is not kept. Default 4096. */
  readonly maxCookieLength?: number | undefined;
  /** Cookies that one response may set; further ones are not kept. Default 50. */
  readonly maxPerResponse?: number | undefined;
  /** Cookies in all. When there are more, the one that was longest unused makes place. Default 3000. */
  readonly maxCookies?: number | undefined;
}

/** What a jar can be written down as: `toJSON`, `CookieJar.fromJSON`. */
export type CookiesAsJSON = Readonly<Record<string, unknown>>;

/**
 * Keeps cookies and says which go where, as browsers do: by domain, path, Secure and expiry, and never for a public suffix such as `co.uk`. `__Host-` and `__Secure-` mean what they say.
 *
 * @example
 * const agent = new CookieAgent(new Agent(reactor), new CookieJar());
 */
export class CookieJar {
  readonly #limits: Required<{ [K in keyof CookieJarOptions]: number }>;
  #jar: Promise<ToughJar> | undefined;
  #count = 0;

  constructor(options: CookieJarOptions = {}) {
    const { maxCookieLength = 4096, maxPerResponse = 50, maxCookies = 3000 } = options;
    this.#limits = { maxCookieLength, maxPerResponse, maxCookies };
  }

  #loaded(): Promise<ToughJar> {
    this.#jar ??= import('tough-cookie').then(
      ({ CookieJar: Jar }) =>
        new Jar(undefined, { rejectPublicSuffixes: true, prefixSecurity: 'strict' }),
    );
    return this.#jar;
  }

  /** The value of Cookie for a URI; empty if there is none for it. */
  async cookiesFor(uri: string): Promise<string> {
    const jar = await this.#loaded();
    return jar.getCookieString(uri);
  }

  /** Keeps the cookies that a response from `uri` sets. Those that it may not set, or that make no sense, are left out. */
  async keep(uri: string, setCookie: readonly string[]): Promise<void> {
    const jar = await this.#loaded();
    const { maxCookieLength, maxPerResponse } = this.#limits;
    for (const line of setCookie.slice(0, maxPerResponse)) {
      if (line.length > maxCookieLength) continue;
      const kept = await jar.setCookie(line, uri, { ignoreError: true });
      if (kept !== undefined) this.#count += 1;
    }
    if (this.#count > this.#limits.maxCookies) await this.#makePlace(jar);
  }

  async #makePlace(jar: ToughJar): Promise<void> {
    const { cookies } = await jar.serialize();
    const byUse = cookies.sort(
      (a, b) => Date.parse(String(a['lastAccessed'])) - Date.parse(String(b['lastAccessed'])),
    );
    for (const { domain, path, key } of byUse.slice(
      0,
      Math.max(0, byUse.length - this.#limits.maxCookies),
    )) {
      await jar.store.removeCookie(String(domain), String(path), String(key));
    }
    this.#count = Math.min(byUse.length, this.#limits.maxCookies);
  }

  /** All cookies. */
  async toJSON(): Promise<CookiesAsJSON> {
    const jar = await this.#loaded();
    return { ...(await jar.serialize()) };
  }

  /** A jar with the cookies of another. */
  static async fromJSON(cookies: CookiesAsJSON, options?: CookieJarOptions): Promise<CookieJar> {
    const made = new CookieJar(options);
    const { CookieJar: Jar } = await import('tough-cookie');
    const jar = await Jar.deserialize(JSON.stringify(cookies));
    made.#jar = Promise.resolve(jar);
    made.#count = (await jar.serialize()).cookies.length;
    return made;
  }

  /** Drops all cookies. */
  async clear(): Promise<void> {
    const jar = await this.#loaded();
    await jar.removeAllCookies();
    this.#count = 0;
  }
}
