/** What a pool of connections does: finds connections for requests, keeps them, has requests wait. */
import { Deferred, type Failure, fail, gatherResults } from '../../../deferred/index.ts';
import type { ReactorTime, StreamClientEndpoint } from '../../../reactor/index.ts';
import { Deadlines } from '../channel-deadlines.ts';
import { type ParserSettings, parserSettings } from '../parser-limits.ts';
import { type ConnectionOwner, HTTP11ClientProtocol } from './connection.ts';
import { contentOf, isReplayable, type RequestContent } from './content.ts';
import { ConnectionQueueFull } from './errors.ts';
import { Exchange, type ExchangeHost } from './exchange.ts';
import {
  checkRequestOptions,
  type HTTPPoolLimits,
  type HTTPPoolOptions,
  poolLimits,
  type RequestOptions,
  type RequestTimeouts,
} from './limits.ts';
import { type ClientRequest, type RequestText, requestText } from './request-text.ts';
import type { Response } from './response.ts';

/** What there is to one host. */
class Host {
  /** Unused connections; the one that was used last is last. */
  idle: HTTP11ClientProtocol[] = [];
  /** Connections in all, those being made included. */
  total = 0;
  /** Exchanges that wait for one, in the order in which they came. */
  readonly waiting = new Set<Exchange>();
}

function withoutExpectation(request: ClientRequest): ClientRequest {
  const headers = request.headers?.copy();
  headers?.removeHeader('expect');
  return { ...request, headers, options: { ...request.options, expectContinue: false } };
}

/** The works of an `HTTPConnectionPool`. */
export class ConnectionStore implements ConnectionOwner, ExchangeHost {
  readonly clock: ReactorTime;
  readonly limits: HTTPPoolLimits;
  readonly persistent: boolean;
  readonly retryAutomatically: boolean;
  readonly parserSettings: ParserSettings;
  readonly deadlines: Deadlines;
  readonly #hosts = new Map<string, Host>();
  /** Waits for kept connections to be lost. */
  readonly #closing = new Map<HTTP11ClientProtocol, Deferred<void>>();

  constructor(reactor: ReactorTime, given: HTTPPoolOptions) {
    this.clock = reactor;
    this.limits = poolLimits(given);
    this.persistent = given.persistent ?? true;
    this.retryAutomatically = given.retryAutomatically ?? true;
    this.deadlines = new Deadlines(reactor);
    const { maxHeadLength, maxHeaders, maxBodyLength, maxTrailersLength } = this.limits;
    const { maxChunkLineLength, maxChunkExtensionsLength } = this.limits;
    this.parserSettings = parserSettings({
      maxHeadLength,
      maxHeaders,
      maxBodyLength,
      maxTrailersLength,
      maxChunkLineLength,
      maxChunkExtensionsLength,
    });
  }

  request(key: string, endpoint: StreamClientEndpoint, request: ClientRequest): Deferred<Response> {
    let content: RequestContent | null;
    let text: RequestText;
    try {
      if (request.options !== undefined) checkRequestOptions(request.options);
      content = contentOf(request.body);
      text = requestText(request, content, this.persistent);
    } catch (error) {
      return fail(error);
    }
    const retries = request.options?.retry ?? this.retryAutomatically;
    const exchange = new Exchange(
      this,
      { key, endpoint },
      request,
      content,
      text,
      this.#timesOf(request.options),
      retries,
    );
    if (!exchange.over) this.#dispatch(exchange, true);
    if (!text.expects || !isReplayable(content)) return exchange.deferred;
    return exchange.deferred.addCallback((response): Response | Deferred<Response> => {
      if (response.code !== 417) return response;
      // Something on the way does not know what was expected of it (RFC 9110 section 10.1.1).
      response.discard();
      return this.request(key, endpoint, withoutExpectation(request));
    });
  }

  #timesOf(options: RequestOptions | undefined): RequestTimeouts {
    const { limits } = this;
    if (options === undefined) return limits;
    const { timeout, headTimeout, idleTimeout, bodyTimeout } = options;
    return {
      timeout: timeout === undefined ? limits.timeout : timeout,
      headTimeout: headTimeout === undefined ? limits.headTimeout : headTimeout,
      idleTimeout: idleTimeout === undefined ? limits.idleTimeout : idleTimeout,
      bodyTimeout: bodyTimeout === undefined ? limits.bodyTimeout : bodyTimeout,
    };
  }

  #hostOf(key: string): Host {
    let host = this.#hosts.get(key);
    if (host === undefined) {
      host = new Host();
      this.#hosts.set(key, host);
    }
    return host;
  }

  #dispatch(exchange: Exchange, mayReuse: boolean): void {
    const { key } = exchange.destination;
    const host = this.#hostOf(key);
    if (mayReuse && host.waiting.size === 0) {
      for (let kept = host.idle.pop(); kept !== undefined; kept = host.idle.pop()) {
        if (!kept.usable) continue;
        kept.start(exchange);
        return;
      }
    }
    if (host.total < this.limits.maxPerHost) {
      this.#connect(host, exchange);
    } else if (host.waiting.size >= this.limits.maxWaiting) {
      exchange.giveUp(new ConnectionQueueFull(key, host.waiting.size));
    } else {
      exchange.enter('queue', this.limits.acquireTimeout);
      host.waiting.add(exchange);
      this.deadlines.add(exchange);
    }
  }

  #connect(host: Host, exchange: Exchange): void {
    const { key, endpoint } = exchange.destination;
    let made = false;
    host.total += 1;
    exchange.enter('connect', null);
    this.deadlines.add(exchange);
    const connecting = endpoint
      .connect({
        buildProtocol: () => new HTTP11ClientProtocol(this, key),
        doStart() {},
        doStop() {},
      })
      .addCallback((connection) => {
        // From here on the connection itself says when it is gone.
        made = true;
        return connection.whenReady();
      });
    exchange.connecting = connecting;
    connecting.addCallbacks(
      (connection) => {
        exchange.connecting = undefined;
        this.deadlines.remove(exchange);
        connection.start(exchange);
      },
      (reason: Failure) => {
        if (!made) this.#left(key);
        exchange.notConnected(reason);
      },
    );
  }

  /** There is one connection less to this host. */
  #left(key: string): void {
    const host = this.#hostOf(key);
    host.total -= 1;
    const next = this.#nextOf(host);
    if (next !== undefined) this.#connect(host, next);
    else if (host.total === 0) this.#hosts.delete(key);
  }

  /** Takes out the exchange whose turn it is. */
  #nextOf(host: Host): Exchange | undefined {
    for (const exchange of host.waiting) {
      host.waiting.delete(exchange);
      this.deadlines.remove(exchange);
      return exchange;
    }
    return undefined;
  }

  closeCachedConnections(): Deferred<void> {
    const closed: Deferred<void>[] = [];
    for (const { idle } of this.#hosts.values()) {
      for (const connection of [...idle]) {
        const deferred = new Deferred<void>();
        this.#closing.set(connection, deferred);
        closed.push(deferred);
        connection.close();
      }
      idle.length = 0;
    }
    return gatherResults(closed).addCallback(() => undefined);
  }

  idleConnections(key?: string): number {
    let count = 0;
    for (const [name, { idle }] of this.#hosts)
      if (key === undefined || key === name) count += idle.length;
    return count;
  }

  // ------------------------------------------------------------------------ told by connections

  connectionFree(connection: HTTP11ClientProtocol): void {
    const host = this.#hostOf(connection.key);
    const next = this.#nextOf(host);
    if (next !== undefined) {
      connection.start(next);
      return;
    }
    if (!this.persistent || this.limits.maxPersistentPerHost === 0) {
      connection.close();
      return;
    }
    host.idle.push(connection);
    if (host.idle.length > this.limits.maxPersistentPerHost) host.idle.shift()?.close();
  }

  connectionGone(connection: HTTP11ClientProtocol): void {
    const host = this.#hostOf(connection.key);
    const at = host.idle.indexOf(connection);
    if (at >= 0) host.idle.splice(at, 1);
    this.#left(connection.key);
    const closing = this.#closing.get(connection);
    this.#closing.delete(connection);
    closing?.callback(undefined);
  }

  // -------------------------------------------------------------------------- told by exchanges

  exchangeLeft(exchange: Exchange): void {
    if (exchange.connection !== undefined) return;
    this.#hosts.get(exchange.destination.key)?.waiting.delete(exchange);
    this.deadlines.remove(exchange);
  }

  exchangeAgain(exchange: Exchange): void {
    this.#dispatch(exchange, false);
  }
}
