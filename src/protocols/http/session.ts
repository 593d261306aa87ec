/** Sessions: what a server remembers of a client from one request to the next (Twisted: `twisted.web.server.Session`). */
import { randomBytes } from 'node:crypto';
import { type DelayedCall, logEvent, type ReactorTime } from '../../reactor/index.ts';

/** A session: an unguessable name, and whatever is remembered under it. It ends when it was not used for `sessionTimeout` seconds. */
export class Session {
  /** Seconds that it lives without being used. Set it before the session is made, on the class, or on a session with `touch()` after. */
  static sessionTimeout = 900;
  /** Seconds that this one lives without being used. */
  sessionTimeout: number;
  /** What its cookie says. */
  readonly uid: string;
  /** When it was used last, in seconds of the clock. */
  lastModified: number;
  readonly #clock: ReactorTime;
  readonly #data: Map<unknown, unknown> = new Map();
  readonly #ended: (session: Session) => void;
  readonly #callbacks: (() => void)[] = [];
  #timer: DelayedCall;
  #expired = false;

  /** @param ended called once, when it is over */
  constructor(uid: string, clock: ReactorTime, timeout: number, ended: (session: Session) => void) {
    this.uid = uid;
    this.sessionTimeout = timeout;
    this.#clock = clock;
    this.#ended = ended;
    this.lastModified = clock.seconds();
    this.#timer = clock.callLater(timeout, () => this.expire());
  }

  /** Whether it is over. */
  get expired(): boolean {
    return this.#expired;
  }

  /** It was used: its time begins anew. */
  touch(): void {
    if (this.#expired) return;
    this.lastModified = this.#clock.seconds();
    this.#timer.reset(this.sessionTimeout);
  }

  /** Ends it. Does nothing when it is over. */
  expire(): void {
    if (this.#expired) return;
    this.#expired = true;
    if (this.#timer.active()) this.#timer.cancel();
    this.#ended(this);
    for (const callback of this.#callbacks.splice(0)) {
      try {
        callback();
      } catch (error) {
        logEvent({
          level: 'error',
          system: 'Session',
          message: `A callback of an expired session failed: ${String(error)}`,
        });
      }
    }
  }

  /** Has `callback` called when it is over. */
  notifyOnExpire(callback: () => void): void {
    this.#callbacks.push(callback);
  }

  /** What was remembered under `key`: a class, a symbol or a name. Twisted: `getComponent`. */
  get<T>(key: unknown): T | undefined {
    return this.#data.get(key) as T | undefined; // whoever put it there knows what it is
  }

  /** Remembers `value` under `key`, or forgets what was there if it is undefined. Twisted: `setComponent`. */
  set(key: unknown, value: unknown): void {
    if (value === undefined) this.#data.delete(key);
    else this.#data.set(key, value);
  }
}

/** The sessions of a server, in the order in which they were used. */
export class Sessions {
  readonly #sessions: Map<string, Session> = new Map();
  readonly #most: number;

  /** @param most how many there may be */
  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** The session of this name, used now. */
  find(uid: string | undefined): Session | undefined {
    const session = uid === undefined ? undefined : this.#sessions.get(uid);
    if (session === undefined) return undefined;
    session.touch();
    this.#sessions.delete(session.uid);
    this.#sessions.set(session.uid, session);
    return session;
  }

  make(clock: ReactorTime, timeout: number): Session {
    if (this.#sessions.size >= this.#most) {
      const [oldest] = this.#sessions.values();
      oldest?.expire();
    }
    const uid = randomBytes(32).toString('hex');
    const session = new Session(uid, clock, timeout, (over) => this.#sessions.delete(over.uid));
    this.#sessions.set(uid, session);
    return session;
  }

  /** Ends all of them. */
  clear(): void {
    for (const session of [...this.#sessions.values()]) session.expire();
  }
}
