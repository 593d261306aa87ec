/**
 * Two programs on Windows that make and use the objects of the toolbox for the tests. They live on from suite to suite, for starting one takes a second; after each test all that they made is closed,
 * and nothing may have stayed open.
 */
import { expect } from 'chai';
import { type WindowsAgent, wine } from '../../../support/wine.ts';

const PROGRAM = 'test/fixtures/windows/ipc.ts';

/** One of the two. */
export class Program {
  #agent: WindowsAgent | null = null;

  /** Calls what the fixture exports under that name. */
  readonly call = (name: string, ...args: readonly unknown[]): Promise<unknown> => {
    if (this.#agent === null) throw new Error('The program was ended by this test');
    return this.#agent.call(PROGRAM, name, ...args);
  };

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    await this.#agent?.kill();
    this.#agent = null;
  }

  /** Starts it, unless it runs. */
  async start(): Promise<void> {
    if (this.#agent !== null) {
      // Another suite may have ended all programs.
      await this.call('processId').catch(() => this.kill());
    }
    this.#agent ??= await wine().agent();
  }

  async reset(): Promise<void> {
    if (this.#agent === null) return;
    expect(await this.call('reset'), 'what stayed open').to.deep.equal({ open: 0, waits: 0 });
  }
}

const both = [new Program(), new Program()] as const;

/** To be called in a suite, whose hooks it adds. The programs end with the last suite of all. */
export function twoPrograms(): readonly [Program, Program] {
  before(wine().prepare);
  beforeEach(() => Promise.all(both.map((program) => program.start())));
  afterEach(() => Promise.all(both.map((program) => program.reset())));
  return both;
}
