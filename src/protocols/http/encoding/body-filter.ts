import type { Data, PullProducer } from '../../../reactor/index.ts';
import type { Request } from '../request.ts';

/**
 * What the body of an answer goes through on its way out: `request.bodyFilter`. It gets what the resource writes, and passes on what it makes of that by `request.writeRaw`,
 * `finishRaw`, `registerRaw` and `unregisterRaw`, now or later. (Twisted: `_IRequestEncoder`, which knows neither producers nor answers that end later.)
 */
export interface BodyFilter {
  /**
   * The head is about to be sent: the last moment to change it.
   * @param length of the body, if all of it is known, else null
   * @returns false to leave the body as it is; then nothing else is called
   */
  begin(request: Request, length: number | null): boolean;
  /** Takes a part of the body. */
  write(data: Data): void;
  /** All of the body was written. */
  end(): void;
  /** Has a producer write the body. `streaming`: it is a push producer. */
  registerProducer(producer: PullProducer, streaming: boolean): void;
  /** The producer is done. */
  unregisterProducer(): void;
  /** The connection is lost, or the answer given up: let go of everything. May be called at any time, and more than once. */
  stop(): void;
}
