/**
 * What an HTTP connection is doing, and for how long it may. `idle`: nothing of a request has come. `head`: part of a head has. `body`: a body comes. `handling`: a request waits
 * for its answer. `lingering`: the last answer has been sent and our side is closed, but the client may not know yet; what it sends is dropped until it closes too, since closing
 * over it would reset the connection and might destroy the answer on its way. `closing`: the transport was told to close. `other`: the connection belongs to another protocol now.
 */
import {
  type Address,
  type IHalfCloseableProtocol,
  type IProtocol,
  logEvent,
  type ReactorTime,
} from '../../reactor/index.ts';
import { Protocol } from '../protocol.ts';
import type { Watched } from './channel-deadlines.ts';
import type { HTTPFactory } from './factory.ts';

export type Phase = 'idle' | 'head' | 'body' | 'handling' | 'lingering' | 'closing' | 'other';

export const NEVER = Number.POSITIVE_INFINITY;

/** A connection with a phase and deadlines; what happens when one is over. */
export abstract class PhasedChannel extends Protocol<HTTPFactory> implements Watched {
  /** Whose time it goes by. */
  readonly clock: ReactorTime;
  protected phase: Phase = 'idle';
  /** When the phase is over. */
  protected until = NEVER;
  /** When the client has to have read something. */
  protected readBy = NEVER;
  /** Seconds from the wish to close until the connection is broken off. */
  protected patience = 0;
  /** The protocol that the connection belongs to, in the phase `other`. */
  protected next: IProtocol | undefined = undefined;
  protected peer: Address | undefined = undefined;

  constructor(factory: HTTPFactory) {
    super();
    this.factory = factory;
    this.clock = factory.clock;
  }

  protected enter(phase: Phase, seconds: number): void {
    this.phase = phase;
    this.until = this.clock.seconds() + seconds;
    this.factory.deadlines.by(this.until);
  }

  get deadline(): number {
    return this.until < this.readBy ? this.until : this.readBy;
  }

  overdue(now: number): void {
    try {
      this.#timeIsOver(now);
    } catch (error) {
      // Whoever threw that will not go on with the connection.
      this.abortConnection();
      throw error;
    }
  }

  #timeIsOver(now: number): void {
    if (this.readBy <= now) {
      this.say('does not read its answer');
      this.abortConnection();
      return;
    }
    switch (this.phase) {
      case 'idle':
        this.close(false);
        break;
      case 'head':
        this.say('takes too long to send the head of a request');
        this.headOverdue();
        break;
      case 'body':
        this.bodyOverdue(now);
        break;
      case 'lingering':
        this.enter('closing', this.patience);
        this.transport.loseConnection();
        break;
      default:
        this.abortConnection();
    }
  }

  protected say(what: string): void {
    const message = `The client ${String(this.peer)} ${what}`;
    logEvent({ level: 'debug', system: this.logPrefix(), message });
  }

  /** The client does not read: it has `writeTimeout` seconds to begin. */
  outputBlocked(): void {
    this.readBy = this.clock.seconds() + this.factory.limits.writeTimeout;
    this.factory.deadlines.by(this.readBy);
  }

  /** The client reads again. */
  outputResumed(): void {
    this.readBy = NEVER;
  }

  /** The peer of another protocol sends no more: what a transport would do then. */
  protected otherReadLost(): void {
    const next = this.next as Partial<IHalfCloseableProtocol> | undefined; // asked whether it has them
    if (next?.readConnectionLost && next.writeConnectionLost) next.readConnectionLost();
    else this.transport.loseConnection();
  }

  /** Our sending side is closed. */
  writeConnectionLost(): void {
    if (this.phase !== 'other') return;
    const next = this.next as Partial<IHalfCloseableProtocol> | undefined; // asked whether it has it
    next?.writeConnectionLost?.();
  }

  protected abstract headOverdue(): void;
  protected abstract bodyOverdue(now: number): void;
  protected abstract close(mayLinger: boolean): void;
  abstract abortConnection(): void;
}
