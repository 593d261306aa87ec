import { ConnectionDone, DeferredQueue, type Failure, LineReceiver } from '../../src/index.ts';

/** The lines of a connection, for `for await`. No further one is read while the loop works on the last. */
export class Lines extends LineReceiver {
  override delimiter = '\n';
  readonly #queue = new DeferredQueue<string | null>();
  #reason: Failure | null = null;

  override lineReceived(line: Buffer): void {
    this.pauseProducing();
    this.#queue.put(line.toString());
  }

  override connectionLost(reason: Failure): void {
    this.#reason = reason;
    this.#queue.put(null);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void> {
    try {
      for (;;) {
        const line = await this.#queue.get();
        if (line === null) break;
        yield line;
        if (this.#reason === null) this.resumeProducing();
      }
    } finally {
      // Also when the loop is left early.
      this.transport.loseConnection();
    }
    // Ended otherwise than in good order: the loop throws.
    if (this.#reason?.check(ConnectionDone) === null) throw this.#reason.value;
  }
}
