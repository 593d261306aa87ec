/** What a throttled connection receives: it reaches the protocol no faster than it may, and is not read from the network meanwhile. */
import type { Transport } from '../../reactor/index.ts';
import { Flow } from './flow.ts';
import type { TokenBucket } from './token-bucket.ts';

/** To whom a `ThrottledReading` delivers. */
export interface ReadingSide {
  /** Bytes, or, with none, the end of what the peer sends. What goes wrong in it does not come back. */
  deliver(data: Buffer | undefined): void;
  /** Calls `f` in a later turn. */
  later(f: () => void): void;
}

/**
 * Holds what came before it may pass: one read of the transport, which is paused until all of it is through.
 */
export class ThrottledReading extends Flow {
  readonly #transport: Transport;
  readonly #side: ReadingSide;
  #held: Buffer | undefined;
  /** The peer has ended its side, behind what is held. */
  #ended = false;
  /** The protocol wants nothing for now. */
  #paused = false;
  #stopped = false;

  constructor(transport: Transport, side: ReadingSide, buckets: readonly TokenBucket[]) {
    super(buckets);
    this.#transport = transport;
    this.#side = side;
  }

  /** Whether `data`, which has just come, may be delivered by the caller at once; else it is kept. */
  passes(data: Buffer): boolean {
    if (this.#stopped) return false;
    if (this.#held === undefined) {
      if (this.spendAll(data.length)) return true;
      // A copy, because it is delivered in pieces, and who gets a piece may give back to the transport the memory that it is part of.
      this.#held = Buffer.from(data);
      this.#transport.pauseProducing();
    } else {
      this.#held = Buffer.concat([this.#held, data]);
    }
    if (!this.#paused) this.pump();
    return false;
  }

  /** Whether the end of what the peer sends may be told at once; else it is told behind what is held. */
  ends(): boolean {
    if (this.#held === undefined) return !this.#stopped;
    this.#ended = true;
    return false;
  }

  pause(): void {
    this.#paused = true;
    this.halt();
    this.#transport.pauseProducing();
  }

  resume(): void {
    this.#paused = false;
    if (this.#stopped) return;
    if (this.#held === undefined) {
      this.#transport.resumeProducing();
      return;
    }
    // Nothing is delivered within a call of the protocol's.
    this.#side.later(() => {
      if (!this.#paused) this.pump();
    });
  }

  /** Nothing more is to be delivered. The transport goes on, so that the end is noticed. */
  stop(): void {
    this.#stopped = true;
    this.halt();
    if (this.#held === undefined && !this.#paused) return;
    this.#held = undefined;
    this.#transport.resumeProducing();
  }

  /** The connection is over: what came before that is due now, unless the protocol did not want it. */
  lost(): Buffer | undefined {
    this.halt();
    const held = this.#paused || this.#stopped ? undefined : this.#held;
    this.#held = undefined;
    this.#stopped = true;
    return held;
  }

  /** Gives away what is held: it is not for the protocol after all. */
  takeHeld(): Buffer | undefined {
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined) return undefined;
    this.halt();
    if (!this.#paused) this.#transport.resumeProducing();
    return held;
  }

  protected override wanted(): number {
    return this.#paused ? 0 : (this.#held?.length ?? 0);
  }

  protected override pass(bytes: number): void {
    const held = this.#held;
    if (held === undefined) return;
    const all = bytes >= held.length;
    this.#held = all ? undefined : held.subarray(bytes);
    this.#side.deliver(all ? held : held.subarray(0, bytes));
    // The protocol may have paused, closed, or taken what was held.
    if (this.#held !== undefined || this.#paused || this.#stopped || !all) return;
    if (this.#ended) {
      this.#ended = false;
      this.#side.deliver(undefined);
    }
    this.#transport.resumeProducing();
  }
}
