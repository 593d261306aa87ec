import type { PullProducer, PushProducer } from './interfaces.ts';

/** A registered producer, of either kind. A push producer is paused at most once until it is resumed; a pull producer is resumed for each piece. */
export class ProducerSlot {
  readonly #producer: PushProducer | PullProducer;
  /** The same, if it can be paused. */
  readonly #push: PushProducer | undefined;
  #paused = false;

  constructor(producer: PushProducer | PullProducer, streaming: boolean) {
    this.#producer = producer;
    // The overloads of Consumer pair `true` with a push producer.
    this.#push = streaming ? (producer as PushProducer) : undefined;
  }

  get streaming(): boolean {
    return this.#push !== undefined;
  }

  /** There is more to send than should be. */
  pause(): void {
    if (this.#push === undefined || this.#paused) return;
    this.#paused = true;
    this.#push.pauseProducing();
  }

  /** All has been sent. */
  resume(): void {
    if (this.#push !== undefined && !this.#paused) return;
    this.#paused = false;
    this.#producer.resumeProducing();
  }

  /** Nothing more will be sent. */
  stop(): void {
    this.#producer.stopProducing();
  }
}
