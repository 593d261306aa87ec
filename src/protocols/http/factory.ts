/** What all connections of one server share (Twisted: `twisted.web.http.HTTPFactory`). */
import {
  type Deferred,
  Deferred as DeferredClass,
  getDefaultClock,
  reportFailure,
  succeed,
} from '../../deferred/index.ts';
import type {
  Address,
  Measurement,
  ReactorCore,
  ReactorTime,
  TriggerID,
} from '../../reactor/index.ts';
import { IPv4Address, IPv6Address, wallTime } from '../../reactor/index.ts';
import { ServerFactory } from '../protocol.ts';
import {
  AccessLogFile,
  type AccessRecord,
  accessRecord,
  combinedLogFormatter,
  type LogFormatter,
  type Loggable,
  type LogTarget,
  logTimestamp,
} from './access-log.ts';
import { HTTPChannel } from './channel.ts';
import { Deadlines } from './channel-deadlines.ts';
import { DateText, type WallClock } from './date.ts';
import type { RequestHead } from './heads.ts';
import { type LimitOptions, type ServerLimits, serverLimits } from './http-limits.ts';
import {
  DEFAULT_PARSER_LIMITS,
  type ParserOptions,
  type ParserSettings,
  parserSettings,
} from './parser-limits.ts';
import { Request } from './request.ts';
import type { RequestChannel } from './request-channel.ts';
import { HeadStart } from './request-head.ts';
import { OutputFields } from './request-output.ts';
import type { Lookup } from './resource.ts';
import { Session, Sessions } from './session.ts';

/** Makes a request of its head. */
export type RequestClass = new (channel: RequestChannel, head: RequestHead) => Request;

/** Options of `HTTPFactory` and `Site`: these, and every limit of `HTTPLimits`. */
export interface HTTPFactoryOptions extends LimitOptions {
  /** Whose time it goes by; by default that of the reactor. A whole reactor is also asked to wait at its stop until requests under way are answered. */
  readonly reactor?: ReactorTime;
  /** Tells the time of day, in seconds since 1970 UTC; by default the system's. */
  readonly wallTime?: WallClock;
  /** The class of requests. Default `Request`. */
  readonly requestFactory?: RequestClass;
  /** A file to which a line is added for each request. Default none. */
  readonly logPath?: string | null;
  /** Where such lines go otherwise. */
  readonly logFile?: LogTarget | null;
  /** How such a line reads. Default `combinedLogFormatter`. */
  readonly logFormatter?: LogFormatter;
  /** Called with a record of each request. */
  readonly accessLog?: ((record: AccessRecord) => void) | null;
  /** The text of the `Server` field; null for none. Default 'Strand'. */
  readonly server?: string | null;
  /** The type of answers that have none; '' for none. Default 'text/html'. */
  readonly defaultContentType?: string;
  /** Whether pages of errors show where they came from: for development. Default false. */
  readonly displayTracebacks?: boolean;
  /** Whether a client that has closed its sending side is still answered. Default false: it is taken to be gone, which is how a browser's going shows. */
  readonly allowHalfClose?: boolean;
  /** The name of the cookie of sessions. Default 'TWISTED_SESSION', as in Twisted. */
  readonly sessionCookie?: string;
  /** The name of the cookie of sessions under TLS. Default 'TWISTED_SECURE_SESSION'. */
  readonly secureSessionCookie?: string;
}

/** Connections that are to end, and who waits for that. */
interface Drain {
  readonly channels: Set<HTTPChannel>;
  readonly done: Deferred<void>;
}

function isReactor(clock: ReactorTime): clock is ReactorTime & ReactorCore {
  return typeof (clock as Partial<ReactorCore>).addSystemEventTrigger === 'function';
}

/** The part of an address that counts for `maxConnectionsPerPeer`: the host, or the first 64 bits of an IPv6 one, which is what a single customer gets. */
function peerKey(address: Address): string {
  if (address instanceof IPv4Address) return address.host;
  if (!(address instanceof IPv6Address)) return 'local';
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address.host);
  if (mapped?.[1] !== undefined) return mapped[1];
  const [left = '', right] = address.host.split('::');
  const groups = left === '' ? [] : left.split(':');
  if (right !== undefined) {
    const behind = right === '' ? [] : right.split(':');
    while (groups.length + behind.length < 8) groups.push('0');
    groups.push(...behind);
  }
  return groups.slice(0, 4).join(':');
}

/**
 * Makes a channel for each connection, and holds what they share: limits, the one timer for all of their deadlines, the text of their dates, the access log. Give it a class of
 * requests whose `process` answers them, or use `Site`.
 */
export class HTTPFactory extends ServerFactory<HTTPChannel> {
  /** All of them, those that were given and the defaults. */
  readonly limits: ServerLimits;
  /** @internal */
  readonly parserSettings: ParserSettings;
  /** @internal */
  readonly deadlines: Deadlines;
  /** @internal */
  readonly headStart: HeadStart;
  /** Whose time it goes by. */
  readonly clock: ReactorTime;
  /** Tells the time of day, in seconds since 1970 UTC. */
  readonly wallTime: WallClock;
  /** The class of requests. */
  requestFactory: RequestClass;
  /** How a line of the access log reads. */
  logFormatter: LogFormatter;
  /** Whether pages of errors show where they came from. */
  displayTracebacks: boolean;
  /** The type of answers that have none; '' for none. */
  readonly defaultContentType: string;
  /** Whether a client that has closed its sending side is still answered. */
  readonly allowHalfClose: boolean;
  /** The class whose `sessionTimeout` says how long sessions live. */
  sessionFactory: typeof Session = Session;
  /** All sessions that last. */
  readonly sessions: Sessions;
  readonly #sessionCookies: readonly [clear: string, secure: string];
  readonly #channels: Set<HTTPChannel> = new Set();
  readonly #perPeer: Map<string, number> = new Map();
  readonly #logTarget: LogTarget | null;
  readonly #accessLog: ((record: AccessRecord) => void) | null;
  /** Whether requests are logged. */
  readonly logging: boolean;
  #draining = false;
  readonly #drains: Set<Drain> = new Set();
  #trigger: TriggerID | undefined;

  /** @throws {RangeError} @throws {TypeError} for options that make no sense */
  constructor(options: HTTPFactoryOptions = {}) {
    super();
    this.limits = serverLimits(options);
    this.parserSettings = parserSettings(parserOptions(options));
    this.clock = options.reactor ?? (getDefaultClock() as ReactorTime); // the default is a reactor
    this.wallTime = options.wallTime ?? wallTime;
    this.deadlines = new Deadlines(this.clock);
    const server = options.server === undefined ? 'Strand' : options.server;
    const fields = new OutputFields();
    if (server !== null) fields.set('Server', server);
    this.defaultContentType = options.defaultContentType ?? 'text/html';
    if (this.defaultContentType !== '') fields.set('Content-Type', this.defaultContentType);
    this.headStart = new HeadStart(new DateText(this.wallTime), server);
    this.requestFactory = options.requestFactory ?? Request;
    this.displayTracebacks = options.displayTracebacks ?? false;
    this.allowHalfClose = options.allowHalfClose ?? false;
    this.sessions = new Sessions(this.limits.maxSessions);
    const { sessionCookie = 'TWISTED_SESSION', secureSessionCookie = 'TWISTED_SECURE_SESSION' } =
      options;
    this.#sessionCookies = [sessionCookie, secureSessionCookie];
    this.logFormatter = options.logFormatter ?? combinedLogFormatter;
    this.#accessLog = options.accessLog ?? null;
    this.#logTarget =
      options.logFile ?? (options.logPath ? new AccessLogFile(options.logPath, this.clock) : null);
    this.logging = this.#logTarget !== null || this.#accessLog !== null;
  }

  // --------------------------------------------------------------------------------------- connections

  override buildProtocol(address: Address): HTTPChannel | null {
    const { maxConnections, maxConnectionsPerPeer } = this.limits;
    if (this.#draining || this.#channels.size >= maxConnections) return null;
    if (maxConnectionsPerPeer !== Number.POSITIVE_INFINITY) {
      if ((this.#perPeer.get(peerKey(address)) ?? 0) >= maxConnectionsPerPeer) return null;
    }
    const channel = new HTTPChannel(this);
    channel.factory = this;
    return channel;
  }

  /** How many connections stand. */
  get connections(): number {
    return this.#channels.size;
  }

  /** @internal */
  channelOpened(channel: HTTPChannel, peer: Address): void {
    this.#channels.add(channel);
    if (this.#draining) for (const { channels } of this.#drains) channels.add(channel);
    if (this.limits.maxConnectionsPerPeer === Number.POSITIVE_INFINITY) return;
    const key = peerKey(peer);
    this.#perPeer.set(key, (this.#perPeer.get(key) ?? 0) + 1);
  }

  /** @internal */
  channelClosed(channel: HTTPChannel, peer: Address): void {
    if (!this.#channels.delete(channel)) return;
    if (this.limits.maxConnectionsPerPeer !== Number.POSITIVE_INFINITY) {
      const key = peerKey(peer);
      const left = (this.#perPeer.get(key) ?? 1) - 1;
      if (left > 0) this.#perPeer.set(key, left);
      else this.#perPeer.delete(key);
    }
    for (const drain of this.#drains) {
      if (!drain.channels.delete(channel) || drain.channels.size > 0) continue;
      this.#drains.delete(drain);
      drain.done.callback(undefined);
    }
  }

  /** Whether connections are to end with the answer under way. */
  get draining(): boolean {
    return this.#draining;
  }

  // -------------------------------------------------------------------------------------- start and stop

  override startFactory(): void {
    this.#draining = false;
    const { clock } = this;
    if (isReactor(clock)) {
      this.#trigger = clock.addSystemEventTrigger('before', 'shutdown', () => this.#wind());
    }
  }

  /** Drains, and then has the log written. */
  #wind(): Deferred<void> {
    return this.drain().addBoth(() => {
      if (this.#logTarget instanceof AccessLogFile) return this.#logTarget.close();
      return undefined;
    }) as Deferred<void>; // whatever draining gave is gone
  }

  /** The last port was closed: connections end when they have nothing more to answer, or when their time is over. */
  override stopFactory(): void {
    const { clock } = this;
    const trigger = this.#trigger;
    this.#trigger = undefined;
    this.#wind().addBoth(() => {
      if (trigger === undefined || !isReactor(clock)) return;
      // A shutdown waits for all of that, and has used the trigger then.
      try {
        clock.removeSystemEventTrigger(trigger);
      } catch {}
    });
    this.sessions.clear();
  }

  /**
   * Ends all connections: idle ones now, the others with their answers, which say so; those that are not done in time are broken off. Fires when there are none left.
   * New ones are refused from here on, until the factory is started again.
   * @param deadline seconds that answers may take; by default the limit `drainTimeout`
   * @throws {RangeError} when that is not a number of 0 or more
   */
  drain(deadline: number = this.limits.drainTimeout): Deferred<void> {
    if (!(deadline >= 0)) {
      throw new RangeError(`Cannot drain for ${String(deadline)} seconds: expected 0 or more`);
    }
    this.#draining = true;
    for (const channel of [...this.#channels]) channel.drain();
    if (this.#channels.size === 0) return succeed(undefined);
    const done = new DeferredClass<void>();
    // The factory may be started again meanwhile: connections that are made then are none of these.
    const channels = new Set(this.#channels);
    this.#drains.add({ channels, done });
    if (deadline === Number.POSITIVE_INFINITY) return done;
    const timer = this.clock.callLater(deadline, () => {
      for (const channel of [...channels]) channel.abortConnection();
    });
    return done.addBoth((result) => {
      if (timer.active()) timer.cancel();
      return result;
    }) as Deferred<void>; // it passes on what it gets
  }

  // ------------------------------------------------------------------------------------------ requests

  /** The resource that answers `request`; undefined where there are none. Called once its head has come if it has a body, else when it is served. */
  lookUp(_request: Request): Lookup | undefined {
    return undefined;
  }

  /** Has `request` answered. @internal */
  serve(request: Request): void {
    request.setResponseCode(404);
    request.finishWith('');
  }

  /** The session that the request's cookie names, or a new one, whose cookie is set. */
  sessionFor(request: Request): Session {
    const name = this.#sessionCookies[request.isSecure() ? 1 : 0];
    const known = this.sessions.find(request.getCookie(name));
    if (known !== undefined) return known;
    const session = this.sessions.make(this.clock, this.sessionFactory.sessionTimeout);
    request.addCookie(name, session.uid, {
      path: '/',
      httpOnly: true,
      secure: request.isSecure(),
      sameSite: 'lax',
    });
    return session;
  }

  /** How often it was answered, by the first digit of the status. */
  readonly #answered = new Float64Array(6);

  /** @internal */
  count(code: number): void {
    const digit = (code / 100) | 0;
    if (digit < 6) this.#answered[digit] = (this.#answered[digit] ?? 0) + 1;
  }

  /** Connections that stand, and how many requests were answered how. */
  measurements(): Measurement[] {
    const answered = [1, 2, 3, 4, 5].map((digit): Measurement => {
      return {
        ...{
          name: 'strand_http_requests_total',
          type: 'counter',
          labels: { status: `${digit}xx` },
        },
        ...{ help: 'Requests that were answered.', value: this.#answered[digit] ?? 0 },
      };
    });
    return [
      ...answered,
      {
        ...{ name: 'strand_http_connections_open', type: 'gauge', value: this.#channels.size },
        help: 'Connections that stand.',
      },
    ];
  }

  /** Logs an answered request, or what was refused before it was one. Called when `logging`. */
  log(request: Loggable): void {
    const now = this.wallTime();
    try {
      this.#logTarget?.write(`${this.logFormatter(this.#timestamp(now), request)}\n`);
      this.#accessLog?.(accessRecord(now, request));
    } catch (error) {
      // An answer that nobody can write down has been given all the same.
      reportFailure(error, 'Unhandled error in the access log');
    }
  }

  #stampedSecond = Number.NaN;
  #stamp = '';

  #timestamp(now: number): string {
    const second = Math.floor(now);
    if (second !== this.#stampedSecond) {
      this.#stampedSecond = second;
      this.#stamp = logTimestamp(second);
    }
    return this.#stamp;
  }
}

/** Of all options, those for the parser. */
function parserOptions(options: HTTPFactoryOptions): ParserOptions {
  const picked: Record<string, unknown> = {};
  if (options.lenient !== undefined) picked['lenient'] = options.lenient;
  for (const name of Object.keys(DEFAULT_PARSER_LIMITS)) {
    const value = options[name as keyof typeof DEFAULT_PARSER_LIMITS]; // it is the name of a limit
    if (value !== undefined) picked[name] = value ?? Number.POSITIVE_INFINITY;
  }
  return picked as ParserOptions;
}
