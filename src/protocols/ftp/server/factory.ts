/** What all sessions of an FTP server share (Twisted: `FTPFactory`). */
import { Deferred, getDefaultClock, succeed } from '../../../deferred/index.ts';
import {
  type Address,
  logEvent,
  type Measurement,
  type ReactorCore,
  type ReactorTCP,
  type ReactorTime,
  type TriggerID,
} from '../../../reactor/index.ts';
import type { Portal } from '../../cred/index.ts';
import { Protocol, type ProtocolSource, ServerFactory } from '../../protocol.ts';
import { makeSubject, type Observable, type Subject } from '../rx.ts';
import { hostOf } from './addresses.ts';
import { COMMANDS, type CommandRow } from './commands.ts';
import type { FTPEvent } from './events.ts';
import { FTP } from './ftp.ts';
import { LoginGuard } from './login-guard.ts';
import { RateLimit } from './meter.ts';
import { type FTPFactoryOptions, type FTPLimits, ftpLimits } from './options.ts';
import { Statistics } from './statistics.ts';
import { TransferLogFile } from './transfer-log.ts';

/** Tells a client that there is no place. Twisted: `FTPOverflowProtocol`. */
class Overflow extends Protocol {
  readonly #message: string;
  constructor(message: string) {
    super();
    this.#message = message;
  }
  override connectionMade(): void {
    this.transport.write(`421 ${this.#message}\r\n`);
    this.transport.loseConnection();
  }
}

/**
 * Makes a session for each connection.
 * @example
 * const portal = new Portal(new FTPRealm('/srv/ftp'), [new AllowAnonymousAccess()]);
 * reactor.listenTCP(2121, new FTPFactory(portal));
 */
export class FTPFactory extends ServerFactory<Protocol> {
  override protocol: ProtocolSource<FTP> = FTP;
  /** Who logs people in. */
  readonly portal: Portal;
  /** As they were given. */
  readonly options: FTPFactoryOptions;
  /** All of them, those that were given and the defaults. */
  readonly limits: FTPLimits;
  /** What listens, connects and tells the time. */
  readonly reactor: ReactorTCP & ReactorTime;
  /** The ports that data connections are taken on; none for any. */
  readonly ports: readonly number[];
  /** The commands that there are: take one out and it is gone, from HELP and FEAT as well. */
  readonly commands: Map<string, CommandRow> = new Map(COMMANDS);
  /** The greeting. */
  welcomeMessage: string;
  /** Whether `userAnonymous` logs in as nobody in particular. */
  allowAnonymous: boolean;
  /** The name of nobody in particular. */
  userAnonymous: string;
  /** Counts log-ins that fail, by address. */
  readonly guard: LoginGuard;
  readonly #sessions = new Set<FTP>();
  readonly #perPeer = new Map<string, number>();
  readonly #perUser = new Map<string, number>();
  readonly #rates = new Map<string, RateLimit>();
  readonly #log: TransferLogFile | null;
  readonly #statistics = new Statistics();
  #count = 0;
  #events: Subject<FTPEvent> | undefined;
  #drained: Deferred<void> | null = null;
  #trigger: TriggerID | undefined;

  /** @throws {RangeError} for limits that make no sense */
  constructor(portal: Portal, options: FTPFactoryOptions = {}) {
    super();
    this.portal = portal;
    this.options = options;
    this.limits = ftpLimits(options);
    this.reactor = options.reactor ?? (getDefaultClock() as ReactorTCP & ReactorTime); // the default is a reactor
    this.ports = [...(options.passivePortRange ?? [])].filter((port) => port !== 0);
    for (const port of this.ports) {
      if (!Number.isInteger(port) || port < 1 || port > 65535) {
        throw new RangeError(`Bad port ${port} in passivePortRange`);
      }
    }
    this.welcomeMessage = options.welcomeMessage ?? 'Strand FTP server ready.';
    this.allowAnonymous = options.allowAnonymous ?? true;
    this.userAnonymous = options.userAnonymous ?? 'anonymous';
    this.guard = new LoginGuard(this.limits.maxPeerLoginFailures, this.limits.loginWindow);
    this.#log = options.transferLog ? new TransferLogFile(options.transferLog) : null;
  }

  /** How many sessions there are. */
  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** All that happens, from the subscription on. */
  get events$(): Observable<FTPEvent> {
    this.#events ??= makeSubject<FTPEvent>();
    return this.#events;
  }

  /** How many sessions there are, and what was done so far: logins, transfers, bytes. */
  measurements(): Measurement[] {
    return this.#statistics.measurements(this.#sessions.size);
  }

  /** Whether anybody wants to hear of events. @internal */
  get isWatched(): boolean {
    return this.#log !== null || this.#events !== undefined || this.options.onEvent !== undefined;
  }

  /** Counts what has happened, whether anybody hears of it or not. @internal */
  count(event: FTPEvent): void {
    this.#statistics.note(event);
  }

  /** Says that something has happened. @internal */
  emit(event: FTPEvent): void {
    this.#log?.record(event);
    try {
      this.options.onEvent?.(event);
    } catch (error) {
      logEvent({ level: 'error', system: 'FTP', message: `onEvent failed: ${String(error)}` });
    }
    this.#events?.next(event);
  }

  override buildProtocol(address: Address): Protocol | null {
    const peer = hostOf(address);
    const { maxSessions, maxSessionsPerPeer } = this.limits;
    if (this.#drained !== null) return new Overflow('Server is going down.');
    if (this.#sessions.size >= maxSessions) {
      return new Overflow('Too many users right now, try again in a few minutes.');
    }
    if ((this.#perPeer.get(peer) ?? 0) >= maxSessionsPerPeer) {
      return new Overflow('Too many sessions from your address.');
    }
    return super.buildProtocol(address);
  }

  /** A session begins. Gives its number. @internal */
  joined(session: FTP, peer: string): number {
    this.#sessions.add(session);
    add(this.#perPeer, peer, 1);
    this.#count += 1;
    return this.#count;
  }

  /** A session is over. @internal */
  left(session: FTP, peer: string): void {
    if (!this.#sessions.delete(session)) return;
    add(this.#perPeer, peer, -1);
    if (this.#sessions.size === 0) this.#drained?.callback();
  }

  /** Somebody has logged in: false if there are too many sessions of that user. @internal */
  admit(user: string): boolean {
    if ((this.#perUser.get(user) ?? 0) >= this.limits.maxSessionsPerUser) return false;
    add(this.#perUser, user, 1);
    return true;
  }

  /** @internal */
  dismiss(user: string): void {
    add(this.#perUser, user, -1);
    if (!this.#perUser.has(user)) this.#rates.delete(user);
  }

  /** The rates that a transfer of a user has to keep to. @internal */
  ratesFor(user: string): RateLimit[] {
    const { maxRate, maxUserRate } = this.limits;
    const limits: RateLimit[] = [];
    if (maxRate !== Number.POSITIVE_INFINITY) limits.push(new RateLimit(maxRate));
    if (maxUserRate !== Number.POSITIVE_INFINITY) {
      let shared = this.#rates.get(user);
      if (shared === undefined) {
        shared = new RateLimit(maxUserRate);
        this.#rates.set(user, shared);
      }
      limits.push(shared);
    }
    return limits;
  }

  override startFactory(): void {
    this.#drained = null;
    const { reactor } = this;
    if (isReactor(reactor)) {
      this.#trigger = reactor.addSystemEventTrigger('before', 'shutdown', () => this.drain());
    }
  }

  override stopFactory(): void {
    const { reactor } = this;
    const trigger = this.#trigger;
    this.#trigger = undefined;
    this.drain().addBoth(() => {
      if (trigger === undefined || !isReactor(reactor)) return;
      // A shutdown waits for that, and has used the trigger then.
      try {
        reactor.removeSystemEventTrigger(trigger);
      } catch {}
    });
  }

  /**
   * Ends all sessions: idle ones now, the others after their transfers, under a deadline. Fires when there are none left, and the transfer log is written.
   * @param deadline seconds; by default the limit `drainTimeout`
   */
  drain(deadline: number = this.limits.drainTimeout): Deferred<void> {
    const result = new Deferred<void>();
    const drained = this.#drained ?? new Deferred<void>();
    this.#drained = drained;
    for (const session of [...this.#sessions]) session.shutDown();
    if (this.#sessions.size === 0) return this.#log?.close() ?? succeed(undefined);
    const timer = this.reactor.callLater(deadline, () => {
      for (const session of [...this.#sessions]) session.transport.abortConnection();
    });
    drained.addCallback(() => {
      if (timer.active()) timer.cancel();
      const closed = this.#log?.close() ?? null;
      if (closed === null) result.callback();
      else closed.addCallback(() => result.callback());
    });
    return result;
  }
}

function isReactor(clock: ReactorTime): clock is ReactorTime & ReactorCore {
  return typeof (clock as Partial<ReactorCore>).addSystemEventTrigger === 'function';
}

function add(counts: Map<string, number>, key: string, change: number): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
