/** What the requests of one proxy share: connections, backends, and what is said to and of them. */

import {
  HostnameEndpoint,
  type StreamClientEndpoint,
  wrapClientTLS,
} from '../../../reactor/index.ts';
import { HTTPConnectionPool } from '../client/index.ts';
import { listElements } from '../field-lists.ts';
import type { Request } from '../request.ts';
import { Backend, type BackendOptions, Balancer } from './balancing.ts';
import { requestFields } from './forwarding.ts';
import type { ProxyReactor, ReverseProxyOptions } from './options.ts';
import type { PassageHost, StreamingRequest } from './passage.ts';

/** What is passed through unless it is said otherwise. */
const UPGRADES: readonly string[] = ['websocket'];
const AUTHORITY = /^(https?):\/\/([^/?#]*)/i;

function authorityOf(host: string, port: number, secure: boolean): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === (secure ? 443 : 80) ? name : `${name}:${port}`;
}

/** What is left of a list of protocols; null for nothing. */
function allowedUpgrade(asked: string | null, allowed: readonly string[]): string | null {
  if (asked === null) return null;
  const left = listElements(asked).filter((name) => allowed.includes(name.toLowerCase()));
  return left.length === 0 ? null : left.join(', ');
}

let count = 0;

function unique(): number {
  count += 1;
  return count;
}

export class ProxyHost implements PassageHost {
  readonly pool: HTTPConnectionPool;
  readonly balancer: Balancer;
  readonly upgradeIdleTimeout: number | null;
  /** Below which path backends are asked. */
  readonly #path: string;
  readonly #reactor: ProxyReactor;
  readonly #options: ReverseProxyOptions;
  readonly #secure: boolean;
  readonly #isTrusted: (request: Request) => boolean;

  /** @throws {RangeError} for options that make no sense */
  constructor(
    reactor: ProxyReactor,
    first: BackendOptions,
    path: string,
    options: ReverseProxyOptions,
  ) {
    this.#reactor = reactor;
    this.#path = path;
    this.#options = options;
    const { tls = null, headTimeout, idleTimeout, trusted = [] } = options;
    this.#secure = tls !== null;
    const times = {
      ...(headTimeout === undefined ? {} : { headTimeout }),
      ...(idleTimeout === undefined ? {} : { idleTimeout }),
    };
    this.pool = new HTTPConnectionPool(reactor, {
      maxPersistentPerHost: 64,
      maxPerHost: 1000,
      ...times,
      ...options.pool,
    });
    const { balance = 'round-robin', maxFails = 3, failTimeout = 10 } = options;
    for (const [name, value] of [
      ['maxFails', maxFails],
      ['failTimeout', failTimeout],
    ] as const) {
      if (value > 0) continue;
      throw new RangeError(`The option ${name} must be a number above 0: got ${String(value)}`);
    }
    this.balancer = new Balancer(
      [first, ...(options.backends ?? [])].map((one) => this.#backendOf(one)),
      balance,
      { maxFails, failTimeout },
      reactor,
    );
    this.upgradeIdleTimeout =
      options.upgradeIdleTimeout === undefined ? 7440 : options.upgradeIdleTimeout;
    this.#isTrusted =
      typeof trusted === 'function'
        ? trusted
        : (request) => {
            const ip = request.getClientIP();
            return ip !== null && trusted.includes(ip);
          };
  }

  #backendOf({ host, port = this.#secure ? 443 : 80, endpoint }: BackendOptions): Backend {
    const authority = authorityOf(host, port, this.#secure);
    const { tls = null, connectTimeout = 10 } = this.#options;
    const beneath: StreamClientEndpoint =
      endpoint ?? new HostnameEndpoint(this.#reactor, host, port, { timeout: connectTimeout });
    const secured =
      tls === null
        ? beneath
        : wrapClientTLS(tls, beneath, { hostname: host, handshakeTimeout: connectTimeout });
    // Endpoints of one's own may lead anywhere, whatever they are called.
    const key = `${this.#secure ? 'https' : 'http'}://${authority}`;
    return new Backend(authority, endpoint === undefined ? key : `${key}#${unique()}`, secured);
  }

  fieldsFor(request: StreamingRequest, backend: Backend): string[] {
    const { forwarding = 'x-forwarded', via = 'strand', upgrades = UPGRADES } = this.#options;
    const { host = 'backend' } = this.#options;
    const { head } = request;
    const plain = request as unknown as Request; // whether it streams does not matter here
    const said = head.host;
    const name =
      host === 'backend'
        ? backend.authority
        : host === 'client'
          ? (said ?? backend.authority)
          : host.name;
    return requestFields(
      head.rawHeaders,
      name,
      {
        ip: request.getClientIP(),
        host: said,
        secure: request.isSecure(),
        trusted: this.#isTrusted(plain),
      },
      {
        style: forwarding,
        via,
        versionMinor: head.versionMinor,
        upgrade: head.framing === 'none' ? allowedUpgrade(head.upgrade, upgrades) : null,
      },
    );
  }

  locationFor(location: string, request: StreamingRequest, backend: Backend): string | null {
    if (this.#options.rewriteRedirects === false) return null;
    const parts = AUTHORITY.exec(location);
    let path = location;
    if (parts !== null) {
      const secure = parts[1]?.toLowerCase() === 'https';
      const named = (parts[2] ?? '').toLowerCase().replace(secure ? /:443$/ : /:80$/, '');
      const isBackend = named === backend.authority.toLowerCase() && secure === this.#secure;
      if (!isBackend && named !== request.head.host?.toLowerCase()) return null;
      path = location.slice(parts[0].length);
      if (!path.startsWith('/')) path = `/${path}`;
    } else if (!location.startsWith('/') || location.startsWith('//')) {
      return null;
    }
    const own = request.path
      .split('/')
      .slice(0, 1 + request.prepath.length)
      .join('/');
    const below =
      path === this.#path ||
      path.startsWith(`${this.#path}/`) ||
      /^[?#]/.test(path.slice(this.#path.length));
    if (!path.startsWith(this.#path) || !below) return parts === null ? null : path;
    const moved = `${own}${path.slice(this.#path.length)}`;
    return moved.startsWith('/') ? moved : `/${moved}`;
  }
}
