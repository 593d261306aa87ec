/**
 * The way out of a connection. What is sent while something that came is worked on leaves in one write, so pipelined requests cost one system call together. Large bodies go
 * in pieces, each once the one before has left: so it can be seen whether the client reads, and the transport does not hold what it cannot send.
 */
import { reportFailure } from '../../deferred/index.ts';
import type { Data, PullProducer, PushProducer, Transport } from '../../reactor/index.ts';
import { ProducerAlreadyRegistered } from '../../reactor/index.ts';

/** Bytes of a piece. */
const PIECE = 131_072;
/** Bytes that are gathered before they are written in mid-batch, so that the transport can say that it is enough. */
const BATCH = 65_536;
/** Parts of a batch up to this many bytes are joined to one: copying costs less than a vector of them. */
const JOINED = 16_384;

/** Hears of the way out. */
export interface OutputOwner {
  /** Something was sent that the transport is not rid of yet, and nothing more should be; or it should again. */
  outputBlocked(): void;
  outputResumed(): void;
  /** All that was sent is with the transport, which takes more. */
  outputFree(): void;
}

type Registered =
  | { readonly kind: 'push'; readonly producer: PushProducer }
  | { readonly kind: 'pull'; readonly producer: PullProducer };

function lengthOf(data: Data): number {
  return typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength;
}

function join(parts: readonly Data[]): Buffer {
  let length = 0;
  for (const part of parts) length += lengthOf(part);
  const joined = Buffer.allocUnsafe(length);
  let at = 0;
  for (const part of parts) {
    if (typeof part === 'string') {
      at += joined.write(part, at);
    } else {
      joined.set(part, at);
      at += part.byteLength;
    }
  }
  return joined;
}

export class ChannelOutput implements PushProducer {
  readonly #transport: Transport;
  readonly #owner: OutputOwner;
  /** Whether the transport takes no more for now. */
  paused = false;
  #batching = false;
  #text = '';
  #parts: Data[] | undefined;
  #bytes = 0;
  /** The large body under way, and how far. */
  #rest: Uint8Array | undefined;
  #at = 0;
  /** What was sent behind it, and how much of that has gone. */
  #behind: Data[] | undefined;
  #behindAt = 0;
  #producer: Registered | undefined;
  #atEnd: (() => void) | undefined;
  #ended = false;
  #released = false;
  /** Whether something was written since the transport last asked for a piece. */
  #unasked = false;

  constructor(transport: Transport, owner: OutputOwner) {
    this.#transport = transport;
    this.#owner = owner;
    transport.registerProducer(this, true);
  }

  // -------------------------------------------------------------------------------------------- sending

  /** What is sent until `flush` leaves together. */
  gather(): void {
    this.#batching = true;
  }

  /** Writes what was gathered. */
  flush(): void {
    this.#batching = false;
    this.#writeBatch();
  }

  send(data: Data): void {
    if (this.#ended) return;
    if (!this.#batching) {
      this.#put(data);
      return;
    }
    if (typeof data === 'string' && this.#parts === undefined) {
      this.#text += data;
      if (this.#text.length > BATCH) this.#writeBatch();
      return;
    }
    if (this.#parts === undefined) {
      this.#parts = [];
      if (this.#text !== '') {
        this.#parts.push(this.#text);
        this.#bytes = this.#text.length;
        this.#text = '';
      }
    }
    this.#parts.push(data);
    this.#bytes += data.length;
    if (this.#bytes > BATCH) this.#writeBatch();
  }

  #writeBatch(): void {
    if (this.#text !== '') {
      const text = this.#text;
      this.#text = '';
      this.#put(text);
      return;
    }
    const parts = this.#parts;
    if (parts === undefined) return;
    this.#parts = undefined;
    if (this.#bytes <= JOINED && parts.length > 1) this.#put(join(parts));
    else for (const part of parts) this.#put(part);
    this.#bytes = 0;
  }

  #put(data: Data): void {
    if (this.#rest !== undefined || this.#behind !== undefined) {
      this.#behind ??= [];
      this.#behind.push(data);
    } else if (data.length > PIECE) {
      this.#rest = typeof data === 'string' ? Buffer.from(data) : data;
      this.#at = 0;
      this.#advance();
    } else {
      this.#write(data);
    }
  }

  #write(data: Data): void {
    this.#transport.write(data);
    if (this.#unasked || !this.pulling) return;
    this.#unasked = true;
    this.#owner.outputBlocked();
  }

  /** Goes on with what waits, as far as the transport takes it. */
  #advance(): void {
    // A transport that asks for each piece is given one; another says when it is enough, if need be within `write`.
    const single = this.#producer?.kind === 'pull';
    do {
      const rest = this.#rest;
      if (rest !== undefined) {
        const piece = rest.subarray(this.#at, this.#at + PIECE);
        this.#at += PIECE;
        if (this.#at >= rest.byteLength) this.#rest = undefined;
        this.#write(piece);
      } else if (this.#behind !== undefined) {
        this.#putBehind(this.#behind);
      } else {
        return;
      }
    } while (!this.paused && !single);
  }

  /** As far as the next large one. There may be very many, and taking the first of a long list away moves all others. */
  #putBehind(behind: Data[]): void {
    let at = this.#behindAt;
    this.#behind = undefined;
    while (at < behind.length && this.#rest === undefined) {
      const next = behind[at] ?? '';
      behind[at] = '';
      at += 1;
      this.#put(next);
    }
    const isLeft = at < behind.length;
    this.#behind = isLeft ? behind : undefined;
    this.#behindAt = isLeft ? at : 0;
  }

  get #waiting(): boolean {
    return this.#rest !== undefined || this.#behind !== undefined;
  }

  /** Calls `f` once all that was sent is with the transport, at once if it is. Nothing is sent afterwards. */
  end(f: () => void): void {
    if (this.#atEnd !== undefined || this.#ended) return;
    this.#writeBatch();
    this.#atEnd = f;
    if (!this.#waiting && !this.paused) this.#finish();
  }

  #finish(): void {
    const f = this.#atEnd;
    this.#ended = true;
    this.release();
    f?.();
  }

  /** Leaves the transport to others. A producer that is still there is told that nobody wants the rest. */
  release(): void {
    const registered = this.#producer;
    this.#producer = undefined;
    try {
      (registered?.producer as PushProducer | undefined)?.stopProducing(); // both kinds can be stopped
    } catch (error) {
      // What it was to write is given up in any case, and nobody is there to whom it could be said.
      reportFailure(error, 'Unhandled error in a producer that was stopped');
    }
    if (this.#released) return;
    this.#released = true;
    this.#transport.unregisterProducer();
  }

  // ----------------------------------------------------------------------------------------- producers

  /** Lets `producer` send. @throws {ProducerAlreadyRegistered} when there is one */
  registerProducer(producer: PullProducer, streaming: boolean): void {
    if (this.#producer !== undefined) {
      throw new ProducerAlreadyRegistered(
        `Cannot register producer ${String(producer)}: the request has one already`,
      );
    }
    if (streaming) {
      const push = producer as PushProducer; // the caller's overloads pair `true` with one
      this.#producer = { kind: 'push', producer: push };
      if (this.paused || this.#waiting) push.pauseProducing();
      return;
    }
    this.#producer = { kind: 'pull', producer };
    // The transport's own way of asking for each piece: it asks when the one before has left.
    this.#transport.unregisterProducer();
    this.#transport.registerProducer(this, false);
  }

  unregisterProducer(): void {
    const { kind } = this.#producer ?? {};
    this.#producer = undefined;
    this.#unasked = false;
    if (kind !== 'pull' || this.#released) return;
    this.#transport.unregisterProducer();
    this.#transport.registerProducer(this, true);
  }

  get producing(): boolean {
    return this.#producer !== undefined;
  }

  /** Whether the transport is asking for each piece. */
  get pulling(): boolean {
    return this.#producer?.kind === 'pull';
  }

  // Called by the transport.

  pauseProducing(): void {
    if (this.paused) return;
    this.paused = true;
    if (this.#producer?.kind === 'push') this.#producer.producer.pauseProducing();
    this.#owner.outputBlocked();
  }

  resumeProducing(): void {
    this.paused = false;
    this.#unasked = false;
    this.#owner.outputResumed();
    const waited = this.#waiting;
    if (waited) this.#advance();
    const registered = this.#producer;
    // A push producer was told to wait: once all that it wrote has gone on, nobody else tells it that it may go on.
    if (
      registered !== undefined &&
      !this.#waiting &&
      !this.paused &&
      !(waited && registered.kind === 'pull')
    ) {
      registered.producer.resumeProducing();
    }
    if (this.#waiting || this.paused) return;
    if (this.#atEnd !== undefined) this.#finish();
    else this.#owner.outputFree();
  }

  stopProducing(): void {
    const registered = this.#producer;
    this.#producer = undefined;
    this.#released = true;
    this.#ended = true;
    this.#rest = undefined;
    this.#behind = undefined;
    (registered?.producer as PushProducer | undefined)?.stopProducing(); // both kinds can be stopped
  }
}
