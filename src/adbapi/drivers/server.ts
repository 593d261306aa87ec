/** What the drivers for database servers have in common: their options, and the ways to a server that are opened beside a connection, for its sake. */
import { isFlag, isFlagOrObject, isPort, isText, type OptionRule, readUrl } from './parameters.ts';

/** Options of every driver for a server. */
export interface ServerOptions {
  readonly user?: string;
  /** The password, or what gives it for each new connection. */
  readonly password?: string | (() => string | Promise<string>);
  readonly database?: string;
  /**
   * Whether to use TLS; or `tls.connect`'s options for it, such as `{ ca }`. The server's certificate has to be for `host`, and issued by an authority that is trusted;
   * with `rejectUnauthorized: false` it is not looked at. Default false.
   */
  readonly ssl?: boolean | object;
  /** Whether a connection whose session an interaction has changed is replaced. Default true. */
  readonly resetOnRelease?: boolean;
  /** Default: the database's own. */
  readonly port?: number;
}

export const SERVER_RULES: Readonly<Record<keyof ServerOptions | 'url', OptionRule>> = {
  url: ['some text', isText],
  port: ['a port', isPort],
  user: ['some text', isText],
  password: [
    'some text or a function',
    (value) => typeof value === 'string' || typeof value === 'function',
  ],
  database: ['some text', isText],
  ssl: ["true, false, or tls.connect's options", isFlagOrObject],
  resetOnRelease: ['true or false', isFlag],
};

/** How many statements a server keeps parsed for each connection where nobody says. */
export const STATEMENTS = 256;

/**
 * The parts of a database's URL as options.
 * @param known what may stand behind its `?`: what is not known might have been meant to make the connection safe
 * @throws {TypeError} without showing it, since a password may be in it
 */
export function partsOfUrl(
  driver: string,
  url: string,
  schemes: readonly string[],
  known: readonly string[],
): { parts: Record<string, unknown>; query: URLSearchParams } {
  const { hostname, port, username, password, pathname, searchParams } = readUrl(
    driver,
    url,
    schemes,
  );
  for (const name of searchParams.keys()) {
    if (known.includes(name)) continue;
    throw new TypeError(
      `Cannot use option url of ${driver}: ?${name}= is unknown${known.length === 0 ? '' : `; known are ${known.join(', ')}`}; others are options beside it`,
    );
  }
  const parts: Record<string, unknown> = {};
  const put = (name: string, text: string): void => {
    if (text === '') return;
    try {
      parts[name] = decodeURIComponent(text);
    } catch {
      throw new TypeError(
        `Cannot use option url of ${driver}: its ${name} has a '%' that two hexadecimal digits do not follow, or that is no UTF-8`,
      );
    }
  };
  put('host', hostname.replace(/^\[(.*)\]$/, '$1'));
  if (port !== '') parts['port'] = Number(port);
  put('user', username);
  put('password', password);
  put('database', pathname.slice(1));
  return { parts, query: searchParams };
}

/** Takes what ends an attempt to connect, and returns what takes that back. */
export type Endable = (end: () => void) => () => void;

/** An attempt that the pool may give up. */
export function endableBy(signal: AbortSignal): Endable {
  return (end) => {
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
    return () => signal.removeEventListener('abort', end);
  };
}

/** Connections that were opened beside another one, to stop what runs there or to ask about it. They end with it. */
export class Helpers {
  readonly #ends = new Set<() => void>();

  /** Ends all that are there. */
  end(): void {
    for (const end of [...this.#ends]) end();
  }

  /** Calls `f` with what it is to tell how its connection is ended; that counts until what `f` returns is settled. */
  async during<T>(f: (endable: Endable) => Promise<T>): Promise<T> {
    let mine: () => void = () => {};
    try {
      return await f((end) => {
        mine = end;
        this.#ends.add(end);
        return () => {};
      });
    } finally {
      this.#ends.delete(mine);
    }
  }
}
