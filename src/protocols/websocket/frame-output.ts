/** The way out of a connection: what the transport does not take for now waits here, so that it can be seen how much that is. */
import {
  type Data,
  ProducerAlreadyRegistered,
  type PullProducer,
  type PushProducer,
  type Transport,
} from '../../reactor/index.ts';

/** Hears of the way out. */
export interface FrameOutputOwner {
  /** More waits than may. */
  outputOverflowed(bytes: number): void;
  /** The transport takes more, and nothing waits. */
  outputFree(): void;
}

/**
 * It is the transport's producer only while that matters: for the length of a write, in which a transport says that it is full, and from there on until it takes more. So somebody else who closes
 * the transport in good order does not wait for it.
 */
export class FrameOutput implements PushProducer {
  readonly #transport: Transport;
  readonly #owner: FrameOutputOwner;
  readonly #most: number;
  /** Whether the transport takes no more for now. */
  #paused = false;
  #waiting: Data[] = [];
  /** How many of them have left. */
  #left = 0;
  #bytes = 0;
  #producer: PushProducer | PullProducer | undefined;
  /** Whether the producer is asked for each piece. */
  #pulls = false;
  #atEnd: (() => void) | undefined;
  #ended = false;
  /** Whether it is the transport's producer. */
  #registered = false;

  /** @param most bytes that may wait */
  constructor(transport: Transport, owner: FrameOutputOwner, most: number) {
    this.#transport = transport;
    this.#owner = owner;
    this.#most = most;
  }

  /** Bytes that wait. */
  get bufferedAmount(): number {
    return this.#bytes;
  }

  /** Whether what is sent now has to wait. */
  get paused(): boolean {
    return this.#paused;
  }

  get producing(): boolean {
    return this.#producer !== undefined;
  }

  send(frame: Buffer): void {
    if (this.#paused || this.#bytes > 0) this.#keep(frame);
    else if (!this.#ended) this.#write(frame);
  }

  #write(frame: Data): void {
    this.#register();
    this.#transport.write(frame);
    this.#unregister();
  }

  #register(): void {
    if (this.#registered || this.#ended) return;
    this.#registered = true;
    this.#transport.registerProducer(this, true);
  }

  /** Unless there is something to hear of. */
  #unregister(): void {
    if (!this.#registered || this.#paused || this.#bytes > 0 || this.#producer !== undefined)
      return;
    this.#registered = false;
    this.#transport.unregisterProducer();
  }

  #keep(frame: Data): void {
    if (this.#ended) return;
    this.#waiting.push(frame);
    this.#bytes += frame.length;
    if (this.#bytes > this.#most) this.#owner.outputOverflowed(this.#bytes);
  }

  /** Calls `f` when all that was sent is with the transport, at once if it is. Nothing is sent afterwards; the transport is left to whoever closes it. */
  end(f: () => void): void {
    if (this.#atEnd !== undefined || this.#ended) return;
    this.#atEnd = f;
    this.#stopProducer();
    if (!this.#paused && this.#bytes === 0) this.#finish();
  }

  #finish(): void {
    const f = this.#atEnd;
    this.release();
    f?.();
  }

  /** Drops what waits and leaves the transport to others. A producer that is still there is told that nobody wants the rest. */
  release(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#waiting = [];
    this.#bytes = 0;
    if (this.#registered) this.#transport.unregisterProducer();
    this.#registered = false;
    this.#stopProducer();
  }

  #stopProducer(): void {
    const producer = this.#producer;
    this.#producer = undefined;
    producer?.stopProducing();
  }

  // ------------------------------------------------------------------------------------------- producers

  registerProducer(producer: PushProducer | PullProducer, streaming: boolean): void {
    if (this.#producer !== undefined) {
      throw new ProducerAlreadyRegistered(
        `Cannot register producer ${String(producer)}: the WebSocket has one already`,
      );
    }
    if (this.#ended || this.#atEnd !== undefined) {
      producer.stopProducing();
      return;
    }
    this.#producer = producer;
    this.#pulls = !streaming;
    if (!streaming) {
      this.#listen(false);
      return;
    }
    this.#register();
    if (this.#paused) (producer as PushProducer).pauseProducing(); // the caller's overloads pair `true` with one
  }

  unregisterProducer(): void {
    if (this.#producer === undefined) return;
    this.#producer = undefined;
    if (this.#pulls && this.#paused) this.#listen(true);
    this.#pulls = false;
    this.#unregister();
  }

  /** Has the transport tell when it is full, or ask for each piece. */
  #listen(streaming: boolean): void {
    if (this.#registered) this.#transport.unregisterProducer();
    this.#registered = true;
    this.#transport.registerProducer(this, streaming as true); // it is both kinds
  }

  // -------------------------------------------------------------------------- what the transport says

  pauseProducing(): void {
    this.#paused = true;
    if (!this.#pulls) (this.#producer as PushProducer | undefined)?.pauseProducing(); // it does not pull
  }

  resumeProducing(): void {
    this.#paused = false;
    if (this.#bytes > 0) {
      this.#flush();
      if (this.#bytes > 0) return;
    }
    this.#owner.outputFree();
    if (this.#paused) return;
    if (this.#atEnd !== undefined) {
      this.#finish();
      return;
    }
    this.#producer?.resumeProducing();
    this.#unregister();
  }

  #flush(): void {
    while (this.#left < this.#waiting.length) {
      const frame = this.#waiting[this.#left] ?? '';
      this.#left += 1;
      this.#bytes -= frame.length;
      this.#transport.write(frame);
      // A write may pause it.
      if (this.#paused && this.#bytes > 0) {
        if (this.#left > 1024) {
          this.#waiting.splice(0, this.#left);
          this.#left = 0;
        }
        return;
      }
    }
    this.#waiting = [];
    this.#left = 0;
  }

  /** The connection is lost. */
  stopProducing(): void {
    this.#ended = true;
    this.#registered = false;
    this.#waiting = [];
    this.#bytes = 0;
    this.#stopProducer();
  }
}
