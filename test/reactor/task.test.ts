import { expect } from 'chai';
import { CancelledError, Deferred, setUnhandledFailureHandler } from '../../src/deferred/index.ts';
import { ReactorNotRunning } from '../../src/reactor/errors.ts';
import type { Reactor } from '../../src/reactor/interfaces.ts';
import { LibuvReactor } from '../../src/reactor/libuv/reactor.ts';
import {
  Clock,
  deferLater,
  LoopingCall,
  type Main,
  react,
  SystemExit,
} from '../../src/reactor/task.ts';
import {
  assertNoResult,
  failureResultOf,
  MemoryReactorClock,
  successResultOf,
} from '../../src/reactor/testing.ts';

describe('deferLater()', () => {
  it('deferLater() fires with what the function returns, after the delay', () => {
    const clock = new Clock();
    const deferred = deferLater(clock, 2, (a: number, b: number) => a + b, 3, 4);
    clock.advance(1.5);
    assertNoResult(deferred);
    clock.advance(0.5);
    expect(successResultOf(deferred)).to.equal(7);
  });

  it('deferLater() without a function fires with undefined', () => {
    const clock = new Clock();
    const deferred = deferLater(clock, 1);
    clock.advance(1);
    expect(successResultOf(deferred)).to.equal(undefined);
  });

  it('deferLater() fails with what the function throws', () => {
    const clock = new Clock();
    const deferred = deferLater(clock, 1, () => {
      throw new TypeError('broken');
    });
    clock.advance(1);
    failureResultOf(deferred, TypeError);
  });

  it('deferLater() waits for the Deferred that the function returns', () => {
    const clock = new Clock();
    const inner = new Deferred<string>();
    const deferred = deferLater(clock, 1, () => inner);
    clock.advance(1);
    assertNoResult(deferred);
    inner.callback('x');
    expect(successResultOf(deferred)).to.equal('x');
  });

  it('deferLater() is called off by cancel()', () => {
    const clock = new Clock();
    let called = false;
    const deferred = deferLater(clock, 1, () => {
      called = true;
    });
    deferred.cancel();
    expect(clock.getDelayedCalls()).to.deep.equal([]);
    failureResultOf(deferred, CancelledError);
    clock.advance(1);
    expect(called).to.equal(false);
  });

  it('deferLater() refuses a negative delay', () => {
    expect(() => deferLater(new Clock(), -1)).to.throw(RangeError);
  });
});

describe('react()', () => {
  let unhandled: unknown[];
  let previous: ReturnType<typeof setUnhandledFailureHandler>;

  beforeEach(() => {
    unhandled = [];
    previous = setUnhandledFailureHandler((failure) => unhandled.push(failure.value));
  });

  afterEach(() => {
    setUnhandledFailureHandler(previous);
  });

  /** Has `main` run on a reactor of its own; `exits` gets the codes that would have been exited with. */
  function started(main: Main<[]>): {
    reactor: MemoryReactorClock;
    done: Promise<void>;
    exits: number[];
  } {
    const reactor = new MemoryReactorClock();
    const exits: number[] = [];
    const done = react(main, [], { reactor, exit: (code) => exits.push(code) });
    return { reactor, done, exits };
  }

  it('react() runs the reactor until the Deferred fires, then exits with 0', async () => {
    const finished = new Deferred<void>();
    let got: Reactor | undefined;
    const { reactor, done, exits } = started((r) => {
      got = r;
      return finished;
    });
    expect(got).to.equal(reactor);
    expect([reactor.running, exits]).to.deep.equal([true, []]);
    finished.callback(undefined);
    await done;
    expect([reactor.hasStopped, reactor.running]).to.deep.equal([true, false]);
    expect(exits).to.deep.equal([0]);
  });

  it('react() passes argv to main, after the reactor', async () => {
    const seen: unknown[] = [];
    const reactor = new MemoryReactorClock();
    const main = (_reactor: Reactor, ...argv: string[]): void => void seen.push(...argv);
    await react(main, ['a', 'b'], { reactor, exit: (code) => seen.push(code) });
    expect(seen).to.deep.equal(['a', 'b', 0]);
  });

  it('react() takes an async main', async () => {
    const { reactor, done, exits } = started(async (r) => {
      await deferLater(r, 3);
    });
    reactor.advance(3);
    await done;
    expect(exits).to.deep.equal([0]);
  });

  it('react() exits with 0 when main is done at once', async () => {
    const { done, exits } = started(() => undefined);
    await done;
    expect(exits).to.deep.equal([0]);
  });

  for (const [how, main] of [
    ['fails', () => new Deferred<void>()],
    ['throws', undefined],
  ] as const) {
    it(`react() reports what main ${how} with and exits with 1`, async () => {
      const error = new Error('broken');
      const finished = main?.();
      const { done, exits } = started(() => {
        if (finished === undefined) throw error;
        return finished;
      });
      finished?.errback(error);
      await done;
      expect(unhandled).to.deep.equal([error]);
      expect(exits).to.deep.equal([1]);
    });
  }

  it('react() exits with the code of a SystemExit, without a word', async () => {
    const { done, exits } = started(async () => {
      throw new SystemExit(23);
    });
    await done;
    expect(exits).to.deep.equal([23]);
    expect(unhandled).to.deep.equal([]);
  });

  it('react() does not stop a reactor that is stopping already', async () => {
    const finished = new Deferred<void>();
    const { reactor, done, exits } = started((r) => {
      r.addSystemEventTrigger('during', 'shutdown', () => finished.callback(undefined));
      return finished;
    });
    reactor.stop();
    await done;
    expect(unhandled).to.deep.equal([]);
    expect(exits).to.deep.equal([0]);
  });

  it('react() says how main failed even when the reactor is stopping already', async () => {
    const finished = new Deferred<void>();
    const { reactor, done, exits } = started((r) => {
      r.addSystemEventTrigger('before', 'shutdown', () => finished.errback(new Error('broken')));
      return finished;
    });
    reactor.stop();
    await done;
    expect(unhandled).to.have.length(1);
    expect(exits).to.deep.equal([1]);
  });

  it('react() ends when the reactor is stopped while main is under way', async () => {
    const { reactor, done, exits } = started(() => new Deferred<void>());
    reactor.stop();
    await done;
    expect(exits).to.deep.equal([0]);
  });

  it('react() runs the real reactor', async () => {
    const seen: unknown[] = [];
    const reactor = new LibuvReactor();
    await react(
      async (r, name: string) => {
        const loop: LoopingCall<[]> = new LoopingCall(() => {
          seen.push(name);
          if (seen.length === 3) loop.stop();
        });
        loop.clock = r;
        await loop.start(0.001);
        await deferLater(r, 0.001);
      },
      ['tick'],
      { reactor, exit: (code) => seen.push(code, reactor.running) },
    );
    expect(seen).to.deep.equal(['tick', 'tick', 'tick', 0, false]);
    expect(() => reactor.stop()).to.throw(ReactorNotRunning);
  });

  it('react() sets process.exitCode when it is given no exit', async () => {
    const before = process.exitCode;
    try {
      await react(
        () => {
          throw new SystemExit(7);
        },
        [],
        { reactor: new MemoryReactorClock() },
      );
      expect(process.exitCode).to.equal(7);
    } finally {
      process.exitCode = before;
    }
  });
});
