import { Deferred } from '../../../deferred/index.ts';
import type { Consumer, Data } from '../../../reactor/index.ts';
import { bytesOf } from '../../data.ts';
import { type BodyProducer, UNKNOWN_LENGTH } from './body-producer.ts';

/**
 * Sends what an iterable gives, at the pace of the connection: nothing is asked of it while the connection takes no more. A request that fails ends the iteration.
 */
export class IterableBodyProducer implements BodyProducer {
  readonly length: number | typeof UNKNOWN_LENGTH;
  readonly #source: AsyncIterable<Data> | Iterable<Data>;
  #stopped = false;
  #paused = false;
  #go: (() => void) | undefined;

  /** @param length in bytes, if it is known */
  constructor(
    source: AsyncIterable<Data> | Iterable<Data>,
    length: number | typeof UNKNOWN_LENGTH = UNKNOWN_LENGTH,
  ) {
    this.#source = source;
    this.length = length;
  }

  startProducing(consumer: Consumer): Deferred<unknown> {
    return Deferred.fromPromise(this.#pump(consumer));
  }

  async #pump(consumer: Consumer): Promise<void> {
    // Leaving the loop early closes the iterator.
    for await (const chunk of this.#source) {
      if (this.#stopped) return;
      const bytes = bytesOf(chunk, 'send a piece of a body');
      if (bytes.length > 0) consumer.write(bytes);
      if (this.#paused) {
        await new Promise<void>((resolve) => {
          this.#go = resolve;
        });
      }
      if (this.#stopped) return;
    }
  }

  pauseProducing(): void {
    this.#paused = true;
  }

  resumeProducing(): void {
    this.#paused = false;
    const go = this.#go;
    this.#go = undefined;
    go?.();
  }

  stopProducing(): void {
    this.#stopped = true;
    this.resumeProducing();
  }
}
