import { expect } from 'chai';
import { NOT_DONE_YET, type Request, Resource } from '../../../src/protocols/http/index.ts';
import { Serving } from './serving.ts';

/** Answers by a push producer that writes a piece whenever it may. */
class Pieces extends Resource {
  override isLeaf = true;
  readonly #size: number;
  #left: number;

  constructor(size: number, count: number) {
    super();
    this.#size = size;
    this.#left = count;
  }

  override render_GET(request: Request): typeof NOT_DONE_YET {
    let running = true;
    const run = (): void => {
      while (running && this.#left > 0) {
        this.#left -= 1;
        request.write(Buffer.alloc(this.#size));
      }
      if (!running || this.#left < 0) return;
      this.#left = -1;
      request.unregisterProducer();
      request.finish();
    };
    const producer = {
      pauseProducing: () => {
        running = false;
      },
      resumeProducing: () => {
        running = true;
        run();
      },
      stopProducing: () => {
        running = false;
      },
    };
    request.registerProducer(producer, true);
    run();
    return NOT_DONE_YET;
  }
}

describe('A push producer of an answer', () => {
  for (const size of [1000, 131_072, 300_000, 1_000_000]) {
    it(`is resumed until it is done when it writes ${size} bytes at a time`, async () => {
      const serving = new Serving(new Pieces(size, 10));
      try {
        const { status, body } = await serving.ask('/');
        expect(status).to.equal(200);
        expect(body.length).to.equal(10 * size);
      } finally {
        await serving.close();
      }
    });
  }
});
