/** Counts, converts and slows what goes from a producer to a consumer. */
import type {
  Consumer,
  Data,
  DelayedCall,
  PullProducer,
  PushProducer,
  ReactorTime,
} from '../../../reactor/index.ts';

/** Makes bytes of other bytes. */
export interface Conversion {
  convert(data: Buffer): Buffer;
  end(): Buffer;
}

/** How many bytes a second may pass; shared by all that have to keep to it together. */
export class RateLimit {
  readonly rate: number;
  #freeAt = Number.NEGATIVE_INFINITY;

  /** @param rate bytes a second, above 0; Infinity for no limit */
  constructor(rate: number) {
    if (!(rate > 0)) throw new RangeError(`Bad rate ${rate}: expected bytes a second, above 0`);
    this.rate = rate;
  }

  /** Says that bytes pass. Gives the seconds until more may. */
  pass(bytes: number, now: number): number {
    if (this.rate === Number.POSITIVE_INFINITY) return 0;
    this.#freeAt = Math.max(this.#freeAt, now) + bytes / this.rate;
    return this.#freeAt - now;
  }
}

/** What a meter goes by. */
export interface MeterOptions {
  readonly clock: ReactorTime;
  readonly conversion?: Conversion | undefined;
  readonly limits?: readonly RateLimit[];
  /** Called with each piece's bytes, as they go over the wire. */
  readonly passed?: (bytes: number) => void;
  /** Whether what is written is what comes from the wire; else it is what goes there. */
  readonly incoming?: boolean;
  /** Whether the target is a transport: it has sent all that it was given when it resumes its producer. */
  readonly intoTransport?: boolean;
}

/** Waits of less than this, in seconds, are put off until they are worth a timer. */
const SHORTEST_WAIT = 0.02;

export class Meter implements Consumer, PushProducer {
  /** Whether nothing that was written is needed any more once the producer is resumed: its memory may be used again. */
  readonly releasesWritten: boolean;
  readonly #target: Consumer;
  readonly #options: MeterOptions;
  #producer: PushProducer | PullProducer | null = null;
  #streaming = false;
  #targetWaits = false;
  #timer: DelayedCall | null = null;
  /** A pull producer that was asked for while it had to wait. */
  #asked = false;

  #stopped = false;

  constructor(target: Consumer, options: MeterOptions) {
    this.#target = target;
    this.#options = options;
    const { conversion, intoTransport = false, limits = [] } = options;
    this.releasesWritten = intoTransport && conversion === undefined && limits.length === 0;
  }

  /** Whether the target has said that it wants no more. */
  get stopped(): boolean {
    return this.#stopped;
  }

  registerProducer(producer: PushProducer | PullProducer, streaming: boolean): void {
    this.#producer = producer;
    this.#streaming = streaming;
    if (streaming) this.#target.registerProducer(this, true);
    else this.#target.registerProducer(this, false);
  }

  unregisterProducer(): void {
    this.#producer = null;
    this.#stopTimer();
    this.#target.unregisterProducer();
  }

  write(data: Data): void {
    const bytes = typeof data === 'string' ? Buffer.from(data) : bufferOf(data);
    const { conversion, incoming = false } = this.#options;
    const converted = conversion === undefined ? bytes : conversion.convert(bytes);
    if (converted.length > 0) this.#target.write(converted);
    this.#count(incoming ? bytes.length : converted.length);
  }

  /** Nothing more comes: writes what the conversion has held back. */
  end(): void {
    const rest = this.#options.conversion?.end();
    if (rest === undefined || rest.length === 0) return;
    this.#target.write(rest);
    if (!this.#options.incoming) this.#options.passed?.(rest.length);
  }

  pauseProducing(): void {
    this.#targetWaits = true;
    if (this.#timer === null) this.#pause();
  }

  resumeProducing(): void {
    this.#targetWaits = false;
    if (this.#timer === null) this.#producer?.resumeProducing();
    else this.#asked = true;
  }

  stopProducing(): void {
    this.#stopped = true;
    this.#stopTimer();
    this.#producer?.stopProducing();
  }

  #count(bytes: number): void {
    const { clock, limits = [], passed } = this.#options;
    passed?.(bytes);
    if (limits.length === 0) return;
    const now = clock.seconds();
    const wait = Math.max(...limits.map((limit) => limit.pass(bytes, now)));
    if (wait < SHORTEST_WAIT || this.#timer !== null) return;
    this.#timer = clock.callLater(wait, () => this.#goOn());
    if (!this.#targetWaits) this.#pause();
  }

  #pause(): void {
    const producer = this.#producer;
    if (this.#streaming && producer !== null && 'pauseProducing' in producer) {
      producer.pauseProducing();
    }
  }

  #goOn(): void {
    this.#timer = null;
    if (this.#streaming ? this.#targetWaits : !this.#asked) return;
    this.#asked = false;
    this.#producer?.resumeProducing();
  }

  #stopTimer(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}

function bufferOf(data: Uint8Array): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
