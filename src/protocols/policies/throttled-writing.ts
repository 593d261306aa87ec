/** What a throttled connection sends: it reaches the transport no faster than it may, and whoever makes it is told to wait meanwhile. */
import { reportFailure } from '../../deferred/index.ts';
import type { Data, PullProducer, PushProducer, Transport } from '../../reactor/index.ts';
import { bytesOf } from '../data.ts';
import { Flow } from './flow.ts';
import type { TokenBucket } from './token-bucket.ts';

/** Bytes that wait here above which a push producer is paused; as in a transport. */
const ENOUGH = 65536;

/** The consumer that the protocol writes to in the transport's place. */
export class ThrottledWriting extends Flow {
  readonly #transport: Transport;
  #queue: Buffer[] = [];
  /** Where in it what waits begins. */
  #head = 0;
  #queued = 0;
  #producer: PushProducer | PullProducer | undefined;
  /** The same, if it can be paused. */
  #push: PushProducer | undefined;
  #producerPaused = false;
  /** The transport has enough to send. */
  #full = false;
  /** What is to follow when everything has passed. */
  #closing: 'no' | 'half' | 'whole' = 'no';
  #over = false;

  constructor(transport: Transport, buckets: readonly TokenBucket[]) {
    super(buckets);
    this.#transport = transport;
  }

  /** Whether the connection is to be closed once everything has passed. */
  get isClosing(): boolean {
    return this.#closing === 'whole';
  }

  write(data: Data): void {
    const bytes = bytesOf(data, 'write data');
    if (bytes.length === 0 || this.#over) return;
    if (this.#queued === 0 && !this.#full && this.spendAll(bytes.length)) {
      this.#transport.write(bytes);
      return;
    }
    this.#queue.push(bytes);
    this.#queued += bytes.length;
    if (!this.#full) this.pump();
    if (this.#queued > ENOUGH) this.#pauseProducer();
  }

  writeSequence(data: Iterable<Data>): void {
    if (typeof data === 'string') {
      throw new TypeError('Data must be a sequence of chunks: got one string');
    }
    const chunks = Array.from(data, (chunk) => bytesOf(chunk, 'write data'));
    for (const chunk of chunks) this.write(chunk);
  }

  registerProducer(producer: PushProducer | PullProducer, streaming: boolean): void {
    const registered = this.#producer;
    if (registered === undefined) {
      this.#producer = producer;
      // The overloads of Consumer pair `true` with a push producer.
      this.#push = streaming ? (producer as PushProducer) : undefined;
      this.#producerPaused = false;
    }
    // Ours, so that it hears of the transport what the producer has to know. Where there is one already, this throws.
    if (streaming) this.#transport.registerProducer(this.#forPush, true);
    else this.#transport.registerProducer(this.#forPull, false);
    if (this.#queued > ENOUGH) this.#pauseProducer();
  }

  /** A transport asks a pull producer at once, and again whenever all has left. */
  readonly #forPull: PullProducer = {
    resumeProducing: () => {
      if (this.#queued === 0) this.#producer?.resumeProducing();
    },
    stopProducing: () => this.#stopProducer(),
  };

  readonly #forPush: PushProducer = {
    pauseProducing: () => {
      this.#full = true;
      this.halt();
      this.#pauseProducer();
    },
    resumeProducing: () => {
      this.#full = false;
      this.pump();
      if (this.#queued === 0) this.#resumeProducer();
    },
    stopProducing: () => this.#stopProducer(),
  };

  #stopProducer(): void {
    const producer = this.#producer;
    this.#producer = undefined;
    this.#push = undefined;
    this.#full = false;
    producer?.stopProducing();
  }

  /** The peer has ended its side, and nobody would make more for it; what was written still leaves. */
  endWithPeer(): void {
    if (this.#producer !== undefined) {
      this.#stopProducer();
      this.#transport.unregisterProducer();
    }
    this.loseConnection();
    this.pump();
  }

  unregisterProducer(): void {
    this.#producer = undefined;
    this.#push = undefined;
    this.#full = false;
    this.#transport.unregisterProducer();
    this.pump();
    this.#finish();
  }

  loseConnection(): void {
    if (this.#closing === 'whole') return;
    this.#closing = 'whole';
    this.#finish();
  }

  loseWriteConnection(): void {
    if (this.#closing !== 'no') return;
    this.#closing = 'half';
    this.#finish();
  }

  /** Everything passes now, and is owed. */
  flush(): void {
    const bytes = this.#queued;
    if (bytes === 0) return;
    this.halt();
    this.owe(bytes);
    this.#transport.writeSequence(this.#take(bytes));
  }

  /** Nothing passes any more. */
  stop(): void {
    this.#over = true;
    this.halt();
    this.#queue = [];
    this.#head = 0;
    this.#queued = 0;
  }

  protected override wanted(): number {
    return this.#full ? 0 : this.#queued;
  }

  protected override pass(bytes: number): void {
    this.#transport.writeSequence(this.#take(bytes));
    if (this.#queued > 0) return;
    try {
      if (!this.#full) this.#resumeProducer();
    } catch (error) {
      // It is not for those whose turn comes after this connection's to hear of it.
      reportFailure(error, 'Unhandled error in resumeProducing() of a producer');
      this.stop();
      this.#transport.abortConnection();
      return;
    }
    this.#finish();
  }

  /** The first `bytes` of those that wait, which are as many at least. */
  #take(bytes: number): Buffer[] {
    const queue = this.#queue;
    const chunks: Buffer[] = [];
    let left = bytes;
    for (
      let chunk = queue[this.#head];
      chunk !== undefined && left > 0;
      chunk = queue[this.#head]
    ) {
      if (chunk.length > left) {
        chunks.push(chunk.subarray(0, left));
        queue[this.#head] = chunk.subarray(left);
        break;
      }
      chunks.push(chunk);
      left -= chunk.length;
      this.#head += 1;
    }
    this.#queued -= bytes;
    // What has been taken is let go of, at a cost that stays the same for each chunk however many wait.
    if (this.#head * 2 >= queue.length) {
      queue.splice(0, this.#head);
      this.#head = 0;
    }
    return chunks;
  }

  #pauseProducer(): void {
    if (this.#push === undefined || this.#producerPaused) return;
    this.#producerPaused = true;
    this.#push.pauseProducing();
  }

  #resumeProducer(): void {
    if (this.#push === undefined || !this.#producerPaused) return;
    this.#producerPaused = false;
    this.#push.resumeProducing();
  }

  /** Closes what is to be closed, once nothing waits and nobody makes more. */
  #finish(): void {
    if (this.#closing === 'no' || this.#queued > 0 || this.#producer !== undefined) return;
    if (this.#closing === 'half') this.#transport.loseWriteConnection();
    else this.#transport.loseConnection();
  }
}
