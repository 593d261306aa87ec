/** What a connection waits for, and until when: a sign of life, a message, the goodbye. All connections with the same settings share one timer. */
import type { Watched } from '../http/channel-deadlines.ts';
import type { WebSocketSettings } from './options.ts';

const NEVER = Number.POSITIVE_INFINITY;

/** What there is to do when time is over. */
export interface LivenessOwner {
  /** The peer was silent for `pingInterval`. */
  sendPing(): void;
  /** It was silent after that for `pongTimeout`. */
  peerIsGone(): void;
  /** There was no message for `idleTimeout`. */
  peerIsIdle(): void;
  /** The goodbye took longer than `closeTimeout`. */
  goodbyeOverdue(): void;
}

export class Liveness implements Watched {
  readonly #owner: LivenessOwner;
  readonly #settings: WebSocketSettings;
  #phase: 'open' | 'suspended' | 'goodbye' | 'over' = 'open';
  #heard: number;
  #message: number;
  /** When a Ping was sent that nothing has followed. */
  #pinged = NEVER;
  #until = NEVER;

  constructor(owner: LivenessOwner, settings: WebSocketSettings) {
    this.#owner = owner;
    this.#settings = settings;
    this.#heard = settings.clock.seconds();
    this.#message = this.#heard;
    this.#plan();
    settings.deadlines.add(this);
  }

  get deadline(): number {
    return this.#until;
  }

  /** Something came. */
  heard(): void {
    this.#heard = this.#settings.clock.seconds();
  }

  /** What came was a message. */
  heardMessage(): void {
    this.#message = this.#heard;
  }

  /** The peer is not listened to, so nothing is expected of it. */
  suspend(): void {
    if (this.#phase !== 'open') return;
    this.#phase = 'suspended';
    this.#plan();
  }

  /** It is again, from now on. */
  resume(): void {
    if (this.#phase !== 'suspended') return;
    this.#phase = 'open';
    this.heard();
    this.heardMessage();
    this.#pinged = NEVER;
    this.#plan();
  }

  /** The goodbye has begun, or another part of it. */
  sayGoodbye(): void {
    if (this.#phase === 'over') return;
    this.#phase = 'goodbye';
    this.#until = this.#settings.clock.seconds() + this.#settings.closeTimeout;
    this.#settings.deadlines.by(this.#until);
  }

  /** It is over. */
  stop(): void {
    this.#phase = 'over';
    this.#until = NEVER;
    this.#settings.deadlines.remove(this);
  }

  #plan(): void {
    const { deadlines, pingInterval, pongTimeout, idleTimeout } = this.#settings;
    if (this.#phase === 'suspended') {
      this.#until = NEVER;
      return;
    }
    const life = this.#pinged === NEVER ? this.#heard + pingInterval : this.#pinged + pongTimeout;
    this.#until = Math.min(life, this.#message + idleTimeout);
    deadlines.by(this.#until);
  }

  overdue(now: number): void {
    if (this.#phase === 'goodbye') {
      this.#until = NEVER;
      this.#owner.goodbyeOverdue();
      return;
    }
    const { pingInterval, pongTimeout, idleTimeout } = this.#settings;
    if (this.#message + idleTimeout <= now) {
      // Once only: the goodbye may have to wait for a producer.
      this.#message = NEVER;
      this.#owner.peerIsIdle();
    } else if (this.#pinged === NEVER || this.#heard >= this.#pinged) {
      this.#pinged = NEVER;
      if (this.#heard + pingInterval <= now) {
        this.#pinged = now;
        this.#owner.sendPing();
      }
    } else if (this.#pinged + pongTimeout <= now) {
      this.#until = NEVER;
      this.#owner.peerIsGone();
      return;
    }
    if (this.#phase === 'open') this.#plan();
  }
}
