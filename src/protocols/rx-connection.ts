/** A connection as Observables need it: read only while somebody reads, and told to wait. What rxjs has to do with it is in `rx.ts`. */
import type { Failure } from '../deferred/index.ts';
import { ConnectionDone, type Data, type IProtocolFactory } from '../reactor/index.ts';
import { EMPTY } from './data.ts';
import { Protocol } from './protocol.ts';
import type { Reader } from './rx-readers.ts';

/** A connection was subscribed to while it has a subscriber. */
export class ConnectionInUseError extends Error {
  static {
    ConnectionInUseError.prototype.name = 'ConnectionInUseError';
  }
  readonly code: string = 'ERR_CONNECTION_IN_USE';

  constructor(
    message = 'Cannot read: the connection has a subscriber already; share() serves several',
  ) {
    super(message);
  }
}

/** Something that can be told to wait. `holdOpen`, where there is one, keeps it from closing by itself. */
export interface Pausable {
  /** No more is to come for now. */
  pauseProducing(): void;
  /** It may go on. */
  resumeProducing(): void;
  /** Keeps it open until what this returns is called. */
  holdOpen?(): () => void;
}

/**
 * One connection, for Observables: `data$` and `lines$` read it, `write` and `writer` write. It is read only while somebody is subscribed. When the peer ends, it is closed, once
 * nothing holds it open (`mapInTurn` and `writer` do, until they are done).
 */
export class Connection extends Protocol<IProtocolFactory> implements Pausable {
  readonly #made: (connection: Connection) => void;
  readonly #lost: (connection: Connection, reason: Failure) => void;
  #reader: Reader | undefined;
  /** Whether it has got what was kept before it came. */
  #isReading = false;
  #kept: Buffer = EMPTY;
  #isWaiting = false;
  #isPaused = false;
  #hasEnded = false;
  #reason: Failure | undefined;
  #holds = 0;

  /** Made by `connections$` and `connection$`. */
  constructor(
    made: (connection: Connection) => void,
    lost: (connection: Connection, reason: Failure) => void,
  ) {
    super();
    this.#made = made;
    this.#lost = lost;
  }

  /** Whether it has been told to wait. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** Sends bytes, or text as UTF-8. @throws {TypeError} */
  write(data: Data): void {
    this.transport.write(data);
  }

  /** Closes it, once what was written has left. */
  close(): void {
    this.transport?.loseConnection();
  }

  /** Closes it now. */
  abort(): void {
    this.transport?.abortConnection();
  }

  /** Has the peer wait. */
  pauseProducing(): void {
    this.#isWaiting = true;
    this.#regulate();
  }

  /** Goes on: what has come is given on before this returns, unless that makes it wait again. */
  resumeProducing(): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    if (this.#isReading) this.#reader?.resume();
    this.#settle();
    this.#regulate();
  }

  /** Keeps it from being closed when the peer ends, until what this returns is called. */
  holdOpen(): () => void {
    let isHeld = true;
    this.#holds += 1;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#holds -= 1;
      this.#closeIfEnded();
    };
  }

  /** Has `reader` get what comes, if nobody else does; from the end of this turn on. Called by `data$` and `lines$`. */
  attach(reader: Reader): boolean {
    if (this.#reader !== undefined) return false;
    this.#reader = reader;
    // Not from within the call: whoever subscribes has to have the subscription first, to be able to leave with what is left kept.
    queueMicrotask(() => {
      if (this.#reader !== reader) return;
      this.#isReading = true;
      const kept = this.#kept;
      this.#kept = EMPTY;
      if (kept.length > 0) reader.data(kept);
      this.#settle();
      this.#regulate();
    });
    return true;
  }

  /** The reader leaves. What it has not given on is kept for the next one. */
  detach(reader: Reader): void {
    if (this.#reader !== reader) return;
    this.#reader = undefined;
    this.#isReading = false;
    const rest = reader.takeRest();
    this.#kept = rest.length === 0 ? this.#kept : Buffer.concat([rest, this.#kept]);
    this.#isWaiting = false;
    this.#regulate();
  }

  #regulate(): void {
    if (this.transport === undefined || this.#hasEnded) return;
    const paused = !this.#isReading || this.#isWaiting;
    if (paused === this.#isPaused || this.transport.disconnecting) return;
    this.#isPaused = paused;
    if (paused) this.transport.pauseProducing();
    else this.transport.resumeProducing();
  }

  /** Tells the end, behind all that came before it. */
  #settle(): void {
    const reader = this.#reader;
    if (reader === undefined || !this.#isReading || reader.hasMore) return;
    if (this.#reason !== undefined && this.#reason.check(ConnectionDone) === null) {
      reader.failed(this.#reason.value);
    } else if (this.#reason !== undefined || this.#hasEnded) {
      reader.ended();
      this.#closeIfEnded();
    }
  }

  #closeIfEnded(): void {
    if (this.#hasEnded && this.#holds === 0 && this.#reader === undefined) this.close();
  }

  override connectionMade(): void {
    this.#isPaused = true;
    this.transport.pauseProducing();
    this.#made(this);
  }

  override dataReceived(data: Buffer): void {
    if (this.#reader === undefined || !this.#isReading) {
      this.#kept = this.#kept.length === 0 ? data : Buffer.concat([this.#kept, data]);
      return;
    }
    this.#reader.data(data);
  }

  /** The peer will send no more. */
  readConnectionLost(): void {
    this.#hasEnded = true;
    this.#settle();
    this.#closeIfEnded();
  }

  /** Nothing more can be sent. */
  writeConnectionLost(): void {}

  override connectionLost(reason: Failure): void {
    this.#reason = reason;
    this.#settle();
    this.#lost(this, reason);
  }
}
