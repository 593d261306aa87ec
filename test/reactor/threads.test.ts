import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type Deferred, Failure } from '../../src/deferred/index.ts';
import {
  blockingCallFromThread,
  callFromThread,
  deferToThread,
  deferToThreadPool,
  NotInThread,
  ThreadCloneError,
  transfer,
} from '../../src/reactor/threads.ts';
import { asked, notes } from '../fixtures/threads/main-side.ts';
import {
  eachTest,
  failureOf,
  slowReactor,
  type Threads,
  until,
  WORK,
} from '../fixtures/threads/support.ts';
import type * as work from '../fixtures/threads/work.ts';

describe('Threads', () => {
  let threads: Threads;
  eachTest((fresh) => {
    threads = fresh;
  });

  describe('deferToThread()', () => {
    it("runs a module's export in another thread of the reactor's pool", async () => {
      expect(await deferToThread(WORK, 'add', 1, 2)).to.equal(3);
      expect(await deferToThread(WORK, 'thread')).to.be.above(0);
    });

    it('takes the type of the export, so that arguments and result are checked', async () => {
      const sum = deferToThread<typeof work.add>(WORK, 'add', 1, 2);
      const typed: Deferred<number> = sum;
      // @ts-expect-error a string is no number
      const wrong = deferToThread<typeof work.add>(WORK, 'add', 1, '2');
      expect([await typed, await wrong]).to.deep.equal([3, '12']);
      expect(await deferToThread<string>(WORK.href, 'default')).to.equal('the default');
    });

    it('runs a self-contained function, with the names that its compiler gave to inner ones', async () => {
      const sum = await deferToThread(
        (a: number, b: number) => {
          const square = (x: number): number => x * x;
          function add(x: number, y: number): number {
            return x + y;
          }
          return `${add(square(a), square(b))} ${square.name}`;
        },
        3,
        4,
      );
      expect(sum).to.equal('25 square');
    });

    it('runs methods, async functions and what a promise brings', async () => {
      const shapes = {
        double(n: number): number {
          return n * 2;
        },
        async triple(n: number): Promise<number> {
          await null;
          return n * 3;
        },
      };
      expect(await deferToThread(shapes.double, 2)).to.equal(4);
      expect(await deferToThread(shapes.triple, 2)).to.equal(6);
      expect(await deferToThread(WORK, 'later', 'text')).to.equal('text');
    });

    it('runs what Node itself exports, and finds modules by absolute path', async () => {
      expect(await deferToThread('node:path', 'basename', '/a/b.txt')).to.equal('b.txt');
      expect(await deferToThread(fileURLToPath(WORK), 'add', 2, 2)).to.equal(4);
    });

    it('refuses at once what names no work', () => {
      expect(() => deferToThread('./work.ts', 'add')).to.throw(TypeError, "'./work.ts'");
      expect(() => deferToThread(WORK, '')).to.throw(TypeError, 'name of an export');
      expect(() => deferToThread(Math.max as (n: number) => number, 1)).to.throw(
        TypeError,
        'native',
      );
      const bound = function f(this: unknown): unknown {
        return this;
      }.bind(1);
      expect(() => deferToThread(bound)).to.throw(TypeError, 'native or bound');
    });

    it('fails when the module has no such function, or cannot be loaded', async () => {
      expect(await failureOf(deferToThread(WORK, 'nothing')))
        .to.be.instanceOf(TypeError)
        .with.property('message')
        .that.includes('nothing of')
        .and.includes('exports nothing of that name');
      expect(await failureOf(deferToThread(WORK, 'notAFunction')))
        .to.have.property('message')
        .that.includes('not a function');
      const missing = await failureOf(deferToThread(new URL('./missing.ts', WORK), 'f'));
      expect(missing).to.have.property('code', 'ERR_MODULE_NOT_FOUND');
    });

    it('fires in a later turn of the reactor that was given', async () => {
      const pool = threads.startPool();
      const { slow, turns } = slowReactor();
      const deferred = deferToThreadPool(slow, pool, WORK, 'add', 1, 1);
      await until(() => turns.length > 0);
      expect(deferred.called).to.equal(false);
      turns[0]?.();
      expect(await deferred).to.equal(2);
    });
  });

  describe('What goes between threads', () => {
    it('is a Buffer on both sides if it was one', async () => {
      const pool = threads.startPool();
      expect(await threads.run(pool, 'isBuffer', Buffer.from('x'))).to.equal(true);
      expect(await threads.run(pool, 'isBuffer', new Uint8Array(1))).to.equal(false);
      const result = await threads.run(pool, 'doubled', Buffer.from('ab'));
      expect(Buffer.isBuffer(result)).to.equal(true);
      expect(String(result)).to.equal('abab');
    });

    it('is the bytes of a Buffer only, not what shares its memory, and leaves the Buffer alone', async () => {
      const part = Buffer.alloc(65_536, 1).subarray(10, 20);
      expect(await threads.run(threads.startPool(), 'memoryUnder', part)).to.equal(10);
      expect(part).to.deep.equal(Buffer.alloc(10, 1));
    });

    it('is as it was when it was given, for a Buffer', async () => {
      const pool = threads.makePool();
      const buffer = Buffer.from('ab');
      const result = threads.run(pool, 'doubled', buffer);
      buffer.fill('x');
      pool.start();
      expect(String(await result)).to.equal('abab');
    });

    it('is handed over by transfer(), there and back', async () => {
      const pool = threads.startPool();
      const bytes = new Uint8Array(1000);
      expect(await threads.run(pool, 'memoryUnder', transfer(bytes))).to.equal(1000);
      expect(bytes.byteLength).to.equal(0);
      const result = await threads.runCalls(pool, 'filled', 3);
      expect(result).to.deep.equal(new Uint8Array([7, 7, 7]));
      const inner = new ArrayBuffer(8);
      await threads.run(pool, 'later', transfer({ inner }, [inner]));
      expect(inner.byteLength).to.equal(0);
    });

    it('cannot be a function: the failure says so, and the pool goes on', async () => {
      const pool = threads.startPool();
      const argument = await failureOf(threads.run(pool, 'later', () => 1));
      expect(argument).to.be.instanceOf(ThreadCloneError).with.property('code', 'ERR_THREAD_CLONE');
      expect(argument)
        .to.have.property('message')
        .that.includes('Cannot send the arguments of later');
      const result = await failureOf(threads.run(pool, 'returnsFunction'));
      expect(result).to.be.instanceOf(ThreadCloneError);
      expect(result)
        .to.have.property('message')
        .that.matches(/^Cannot send the result of returnsFunction .*could not be cloned/);
      expect(await threads.run(pool, 'add', 1, 1)).to.equal(2);
    });
  });

  describe('An error', () => {
    it("arrives with its class's name, message, stack, code, properties and cause", async () => {
      const error = await failureOf(threads.run(threads.startPool(), 'fails', 'out of order'));
      if (!(error instanceof TypeError)) throw error;
      expect(error.constructor.name).to.equal('OwnError');
      expect(error.message).to.equal('out of order');
      expect(error.stack).to.match(/at .*fails .*work\.ts/);
      expect(error).to.include({ code: 'ERR_OWN' });
      expect(error).to.have.deep.property('detail', { attempts: 3 });
      expect(error.cause).to.be.instanceOf(RangeError).with.property('message', 'below');
      expect(new Failure(error).check('OwnError')).to.equal('OwnError');
    });

    it('arrives with its parts, or as the value that was thrown', async () => {
      const pool = threads.startPool();
      const many = await failureOf(threads.run(pool, 'failsWithMany'));
      expect(many).to.have.property('message', 'several');
      const { errors } = many as AggregateError;
      expect(errors[0]).to.be.instanceOf(RangeError).with.property('message', 'one');
      expect(errors[1]).to.equal('two');
      expect(await failureOf(threads.run(pool, 'throwsValue'))).to.equal('just text');
    });

    it('ends no thread', async () => {
      const pool = threads.startPool();
      const before = await threads.run(pool, 'thread');
      await failureOf(threads.run(pool, 'fails', 'x'));
      expect(await threads.run(pool, 'thread')).to.equal(before);
    });
  });

  describe('Calls from threads', () => {
    beforeEach(() => {
      notes.length = 0;
      asked.length = 0;
    });

    it('callFromThread() calls in the main thread, in order, with the state it has there', async () => {
      await threads.runCalls(threads.startPool(), 'notesInMain', 'one', 'two', 'three');
      expect(notes).to.deep.equal(['one', 'two', 'three']);
      expect(globalThis).to.have.property('noteOfFunction', 'from a function');
    });

    it('callFromThread() reports what fails', async () => {
      await threads.runCalls(threads.startPool(), 'failsInMain');
      expect(threads.trap.caught[0]?.failure.getErrorMessage()).to.equal('nobody waits');
      expect(threads.trap.caught[0]?.origin).to.equal('Unhandled error in callFromThread');
    });

    it('callFromThread() throws what cannot be sent', async () => {
      const error = await failureOf(threads.runCalls(threads.startPool(), 'sendsFunctionToMain'));
      expect(error).to.have.property('code', 'ERR_THREAD_CLONE');
    });

    it('blockingCallFromThread() returns what the main thread does', async () => {
      const pool = threads.startPool();
      expect(await threads.runCalls(pool, 'asksMain', 'length', Buffer.from('abc'))).to.equal(
        'true 3 true',
      );
      expect(await threads.runCalls(pool, 'asksMainThroughReactor')).to.equal('true 4 true');
    });

    it('blockingCallFromThread() waits for a Deferred', async () => {
      const answer = threads.runCalls(threads.startPool(), 'asksMain', 'ask');
      await until(() => asked.length > 0);
      asked[0]?.callback('at last');
      expect(await answer).to.equal('at last');
    });

    it('blockingCallFromThread() throws in the thread what fails in the main one', async () => {
      const pool = threads.startPool();
      expect(await threads.runCalls(pool, 'catchesFromMain')).to.equal(
        'RangeError: for the one who waits',
      );
      expect(await failureOf(threads.runCalls(pool, 'asksMain', 'nothing'))).to.be.instanceOf(
        TypeError,
      );
      const unsendable = await failureOf(threads.runCalls(pool, 'asksMain', 'returnsFunction'));
      expect(unsendable).to.have.property('code', 'ERR_THREAD_CLONE');
      expect(threads.trap.caught).to.deep.equal([]);
    });

    it('does not outlive the thread: cancelling ends one that waits for the main thread', async () => {
      const pool = threads.startPool();
      const answer = threads.runCalls(pool, 'asksMain', 'ask');
      await until(() => asked.length > 0);
      answer.cancel();
      await failureOf(answer);
      asked[0]?.callback('to nobody');
      expect(await threads.run(pool, 'add', 1, 1)).to.equal(2);
    });

    it('are refused outside of a thread', () => {
      expect(() => callFromThread(WORK, 'add')).to.throw(NotInThread, 'add of');
      expect(() => blockingCallFromThread(WORK, 'add')).to.throw(NotInThread);
    });
  });

  describe('A program with threads', () => {
    const program = fileURLToPath(new URL('../fixtures/threads/program.ts', import.meta.url));
    const tsx = import.meta.resolve('tsx');
    const cli = fileURLToPath(import.meta.resolve('tsx/cli'));

    /** What the program says. Fails unless it ends by itself, in good order. */
    async function said(...args: string[]): Promise<string> {
      const env = { ...process.env };
      delete env['NODE_OPTIONS'];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], env });
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      const [code] = await once(child, 'close');
      expect(code).to.equal(0);
      return text.trim();
    }

    it('ends by itself though its pool was not stopped, and loads TypeScript under tsx', async () => {
      expect(await said(cli, program)).to.equal('23');
    });

    for (const loader of [tsx, import.meta.resolve('tsx/esm')]) {
      it(`loads TypeScript in its threads with --import ${loader.split('/node_modules/')[1]}`, async () => {
        expect(await said('--import', loader, '--expose-gc', program)).to.equal('23');
      });
    }

    // Since Node strips types by itself; @types/node of an older one does not know.
    if ((process.features as { typescript?: unknown }).typescript) {
      it('loads TypeScript in its threads without a loader where Node itself does', async () => {
        expect(await said(program)).to.equal('23');
      });
    }

    it('finishes its work when its reactor stops', async () => {
      expect(await said('--import', tsx, program, 'stop')).to.equal('finished 23 true 0');
    });
  });
});
