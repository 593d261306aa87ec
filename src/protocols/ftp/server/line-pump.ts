/** Writes lines to a consumer, no faster than it takes them. */
import type { Consumer, PushProducer } from '../../../reactor/index.ts';

/** Characters that are gathered before they are written. */
const GATHERED = 16_384;

/** Sends lines, each with CRLF behind it. Asks for no more of them than the consumer takes. */
export class LinePump implements PushProducer {
  readonly #lines: AsyncIterator<string> | Iterator<string>;
  readonly #consumer: Consumer;
  #paused = false;
  #stopped = false;
  #wake: (() => void) | null = null;

  constructor(lines: AsyncIterable<string> | Iterable<string>, consumer: Consumer) {
    this.#lines =
      Symbol.asyncIterator in lines ? lines[Symbol.asyncIterator]() : lines[Symbol.iterator]();
    this.#consumer = consumer;
  }

  /** Gives when all is written, or nobody wants it any more. */
  async run(): Promise<void> {
    this.#consumer.registerProducer(this, true);
    try {
      let text = '';
      for (;;) {
        // Results that are there at once take no turn of the loop.
        const next = this.#lines.next();
        const { done = false, value } = next instanceof Promise ? await next : next;
        if (!done) text += `${value}\r\n`;
        if (this.#stopped) return;
        if (text !== '' && (done || text.length >= GATHERED)) {
          this.#consumer.write(text);
          text = '';
        }
        if (done) return;
        if (this.#paused) await new Promise<void>((resolve) => (this.#wake = resolve));
        if (this.#stopped) return;
      }
    } finally {
      if (this.#stopped) await this.#lines.return?.();
      this.#consumer.unregisterProducer();
    }
  }

  pauseProducing(): void {
    this.#paused = true;
  }

  resumeProducing(): void {
    this.#paused = false;
    this.#goOn();
  }

  stopProducing(): void {
    this.#stopped = true;
    this.#goOn();
  }

  #goOn(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
