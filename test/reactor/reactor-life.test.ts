import { expect } from 'chai';
import { Deferred, succeed } from '../../src/deferred/index.ts';
import {
  LibuvReactor,
  ReactorAlreadyRunning,
  ReactorNotRestartable,
  ReactorNotRunning,
  TriggerNotFound,
} from '../../src/reactor/index.ts';
import type { StreamConnection } from '../../src/reactor/stream-connection.ts';
import { FailureTrap } from '../support/recorder.ts';

/** One turn of the loop. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('The life of a reactor', () => {
  let reactor: LibuvReactor;
  let trap: FailureTrap;

  beforeEach(() => {
    reactor = new LibuvReactor();
    trap = new FailureTrap();
  });

  afterEach(() => trap.restore());

  /** Runs it until everything that was set up has happened. */
  const runAndStop = async (): Promise<void> => {
    const running = reactor.run(false);
    reactor.stop();
    await running;
  };

  describe('run() and stop()', () => {
    it('run() fires the start-up triggers at once and settles when shutdown is over', async () => {
      const events: string[] = [];
      for (const phase of ['after', 'during', 'before'] as const) {
        reactor.addSystemEventTrigger(phase, 'startup', () =>
          events.push(`${phase} startup ${reactor.running}`),
        );
        reactor.addSystemEventTrigger(phase, 'shutdown', () =>
          events.push(`${phase} shutdown ${reactor.running}`),
        );
      }
      const running = reactor.run(false);
      expect(events).to.deep.equal([
        'before startup false',
        'during startup true',
        'after startup true',
      ]);
      reactor.stop();
      expect(events).to.have.length(3);
      await running;
      expect(events.slice(3)).to.deep.equal([
        'before shutdown true',
        'during shutdown false',
        'after shutdown false',
      ]);
      expect(reactor.running).to.equal(false);
    });

    it('run() throws when it runs already, and after a stop', async () => {
      const running = reactor.run(false);
      expect(() => reactor.run(false)).to.throw(ReactorAlreadyRunning);
      reactor.stop();
      expect(() => reactor.run(false)).to.throw(ReactorAlreadyRunning);
      await running;
      expect(() => reactor.run(false)).to.throw(ReactorNotRestartable);
    });

    it('stop() throws when it does not run, or is stopping', async () => {
      expect(() => reactor.stop()).to.throw(ReactorNotRunning);
      const running = reactor.run(false);
      reactor.stop();
      expect(() => reactor.stop()).to.throw(ReactorNotRunning, 'stopping already');
      await running;
      expect(() => reactor.stop()).to.throw(ReactorNotRunning);
    });

    it('stop() may be called from a start-up trigger', async () => {
      reactor.callWhenRunning(() => reactor.stop());
      await reactor.run(false);
    });

    it('crash() leaves without the shutdown triggers, and run() may be called again', async () => {
      let shutdowns = 0;
      reactor.addSystemEventTrigger('during', 'shutdown', () => {
        shutdowns += 1;
      });
      const first = reactor.run(false);
      reactor.crash();
      await first;
      expect(reactor.running).to.equal(false);
      await runAndStop();
      expect(shutdowns).to.equal(1);
    });

    it('start-up triggers that waited for a `before` which came after the end do not run', async () => {
      const ready = new Deferred<void>();
      let ran = 0;
      reactor.addSystemEventTrigger('before', 'startup', () => ready);
      reactor.addSystemEventTrigger('during', 'startup', () => {
        ran += 1;
      });
      reactor.callWhenRunning(() => {
        ran += 1;
      });
      await runAndStop();
      ready.callback(undefined);
      expect(ran).to.equal(0);
      expect(reactor.running).to.equal(false);
    });

    it('crash() during a shutdown that waits calls the rest of it off, also for the next run()', async () => {
      const wait = new Deferred<void>();
      const events: string[] = [];
      reactor.addSystemEventTrigger('before', 'shutdown', () => wait);
      reactor.addSystemEventTrigger('during', 'shutdown', () => events.push('during'));
      const first = reactor.run(false);
      reactor.stop();
      await turn();
      reactor.crash();
      await first;
      const second = reactor.run(false);
      wait.callback(undefined);
      await turn();
      expect(events).to.deep.equal([]);
      expect([reactor.running, reactor.closing]).to.deep.equal([true, false]);
      reactor.stop();
      await second;
      expect(events).to.deep.equal(['during']);
    });

    it('a connection or a port that is made while all is being closed is closed as well', async () => {
      const held = new Deferred<void>();
      reactor.opened({ close: () => held });
      const running = reactor.run(false);
      reactor.stop();
      await turn();
      expect(reactor.closing).to.equal(true);
      let disconnected = 0;
      const connection = {
        disconnect() {
          disconnected += 1;
          reactor.connectionClosed(late);
        },
      };
      const late = connection as unknown as StreamConnection; // all that the reactor uses of it
      reactor.connectionOpened(late);
      let closed = 0;
      const latePort = {
        close: () => {
          closed += 1;
          reactor.closed(latePort);
          return succeed(undefined);
        },
      };
      reactor.opened(latePort);
      expect([disconnected, closed]).to.deep.equal([0, 0]);
      await turn();
      expect([disconnected, closed]).to.deep.equal([1, 1]);
      held.callback(undefined);
      reactor.crash();
      await running;
    });

    it('leaves no signal handler behind', async () => {
      const count = (): number =>
        process.listenerCount('SIGTERM') + process.listenerCount('SIGINT');
      const before = count();
      const running = reactor.run();
      expect(count()).to.equal(before + 2);
      reactor.stop();
      await running;
      expect(count()).to.equal(before);
    });
  });

  describe('event triggers', () => {
    it('`during` waits for what the `before` triggers returned: Deferreds and promises', async () => {
      const events: string[] = [];
      const deferred = new Deferred<void>();
      let resolve: () => void = () => {};
      reactor.addSystemEventTrigger('before', 'shutdown', () => deferred);
      reactor.addSystemEventTrigger(
        'before',
        'shutdown',
        () =>
          new Promise<void>((done) => {
            resolve = done;
          }),
      );
      reactor.addSystemEventTrigger('during', 'shutdown', () => events.push('during'));
      const running = reactor.run(false);
      reactor.stop();
      await turn();
      resolve();
      await turn();
      expect(events).to.deep.equal([]);
      deferred.callback(undefined);
      await running;
      expect(events).to.deep.equal(['during']);
    });

    it('a trigger that fails is reported, and the others run', async () => {
      const events: string[] = [];
      reactor.addSystemEventTrigger('before', 'shutdown', () => {
        throw new Error('one');
      });
      reactor.addSystemEventTrigger('before', 'shutdown', async () => {
        throw new Error('two');
      });
      reactor.addSystemEventTrigger('during', 'shutdown', () => {
        throw new Error('three');
      });
      reactor.addSystemEventTrigger('during', 'shutdown', () => events.push('ran'));
      await runAndStop();
      expect(events).to.deep.equal(['ran']);
      expect(trap.caught.map(({ failure }) => failure.getErrorMessage())).to.have.members([
        'one',
        'two',
        'three',
      ]);
      expect(trap.caught[0]?.origin).to.contain('before shutdown');
    });

    it('passes arguments, and removes a trigger once', async () => {
      const seen: unknown[] = [];
      const id = reactor.addSystemEventTrigger('before', 'shutdown', () => seen.push('removed'));
      reactor.addSystemEventTrigger(
        'before',
        'shutdown',
        (a: string, b: number) => seen.push(a, b),
        'x',
        1,
      );
      reactor.removeSystemEventTrigger(id);
      expect(() => reactor.removeSystemEventTrigger(id)).to.throw(TriggerNotFound);
      await runAndStop();
      expect(seen).to.deep.equal(['x', 1]);
    });

    it('a trigger may remove one that has not run yet, and add another', () => {
      const seen: string[] = [];
      reactor.addSystemEventTrigger('during', 'mine', () => {
        reactor.removeSystemEventTrigger(second);
        reactor.addSystemEventTrigger('during', 'mine', () => seen.push('third'));
      });
      const second = reactor.addSystemEventTrigger('during', 'mine', () => seen.push('second'));
      reactor.fireSystemEvent('mine');
      expect(seen).to.deep.equal(['third']);
    });

    it('refuses an unknown phase and what cannot be called', () => {
      const add = (phase: unknown, f: unknown): void => {
        reactor.addSystemEventTrigger(phase as 'before', 'startup', f as () => void);
      };
      expect(() => add('while', () => {})).to.throw(TypeError, 'while');
      expect(() => add('before', 5)).to.throw(TypeError, '5');
    });

    it('callWhenRunning() calls at once when running, else in order after start-up', async () => {
      const seen: unknown[] = [];
      expect(reactor.callWhenRunning((n: number) => seen.push(n), 1)).to.not.equal(undefined);
      reactor.callWhenRunning((n: number) => seen.push(n), 2);
      const running = reactor.run(false);
      expect(reactor.callWhenRunning((n: number) => seen.push(n), 3)).to.equal(undefined);
      expect(seen).to.deep.equal([1, 2, 3]);
      reactor.stop();
      await running;
    });

    it('callWhenRunning() reports what an async function fails with, whether it runs at once or later', async () => {
      const fails = async (message: string): Promise<void> => {
        throw new Error(message);
      };
      reactor.callWhenRunning(fails, 'queued');
      const running = reactor.run(false);
      reactor.callWhenRunning(fails, 'at once');
      reactor.stop();
      await running;
      expect(trap.caught.map(({ failure }) => failure.getErrorMessage()).sort()).to.deep.equal([
        'at once',
        'queued',
      ]);
    });
  });

  describe('time', () => {
    it('callLater(0) runs in a later turn, in order, and what it asks for in a still later one', async () => {
      const seen: string[] = [];
      const done = new Promise<void>((resolve) => {
        reactor.callLater(0, () => {
          seen.push('a');
          reactor.callLater(0, () => {
            seen.push('c');
            resolve();
          });
        });
        reactor.callLater(0, () => seen.push('b'));
      });
      expect(seen).to.deep.equal([]);
      await done;
      expect(seen).to.deep.equal(['a', 'b', 'c']);
    });

    it('runs 1,000 calls that are due at about the same time in their order', async () => {
      const seen: number[] = [];
      await new Promise<void>((resolve) => {
        for (let i = 0; i < 1000; i++) reactor.callLater(0.005, (n: number) => seen.push(n), i);
        reactor.callLater(0.006, resolve);
      });
      expect(seen).to.deep.equal(Array.from({ length: 1000 }, (_, i) => i));
    });

    it('never runs a call before it is due, and seconds() never goes back', async () => {
      const start = reactor.seconds();
      const at = await new Promise<number>((resolve) => {
        reactor.callLater(0.02, () => resolve(reactor.seconds()));
      });
      expect(at - start).to.be.at.least(0.02);
      let last = reactor.seconds();
      for (let i = 0; i < 1000; i++) {
        const now = reactor.seconds();
        expect(now).to.be.at.least(last);
        last = now;
      }
    });

    it('an earlier call that comes later overtakes, and a cancelled one is never made', async () => {
      const seen: string[] = [];
      await new Promise<void>((resolve) => {
        const late = reactor.callLater(60, () => seen.push('never'));
        const moved = reactor.callLater(50, () => seen.push('moved'));
        reactor.callLater(0.002, () => seen.push('soon'));
        moved.reset(0.004);
        reactor.callLater(0.008, resolve);
        late.cancel();
      });
      expect(seen).to.deep.equal(['soon', 'moved']);
      expect(reactor.getDelayedCalls()).to.deep.equal([]);
    });

    it('takes a call that is further off than any timer of Node’s', async () => {
      const warnings: Error[] = [];
      const warned = (warning: Error): void => void warnings.push(warning);
      process.on('warning', warned);
      try {
        const call = reactor.callLater(2 ** 31 / 1000, () => {});
        await turn();
        await reactor.iterate(0.005);
        expect(call.active()).to.equal(true);
        expect(warnings).to.deep.equal([]);
        call.cancel();
      } finally {
        process.off('warning', warned);
      }
    });

    it('keeps no timer for a call that was cancelled, once it has been left by crash()', async () => {
      const timers = (): number =>
        process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
      await turn(); // mocha sets one of its own once a test has returned a promise
      const before = timers();
      const running = reactor.run(false);
      reactor.callLater(3600, () => {}).cancel();
      await turn();
      reactor.crash();
      await running;
      expect(timers()).to.be.at.most(before);
    });

    it('what is due only after the end is still called, if the process lives that long', async () => {
      const called = new Promise<string>((resolve) => {
        reactor.addSystemEventTrigger('after', 'shutdown', () => {
          reactor.callLater(0, () => {});
          reactor.callLater(0.005, resolve, 'called');
        });
      });
      await runAndStop();
      expect(reactor.getDelayedCalls()).to.have.length(2);
      expect(await called).to.equal('called');
    });

    it('an error in a call is reported, and the next one runs', async () => {
      await new Promise<void>((resolve) => {
        reactor.callLater(0, () => {
          throw new Error('late error');
        });
        reactor.callLater(0, resolve);
      });
      expect(trap.caught).to.have.length(1);
      expect(trap.caught[0]?.failure.getErrorMessage()).to.equal('late error');
    });
  });

  it('callFromThread() reports what an async function fails with', async () => {
    reactor.callFromThread(async () => {
      throw new Error('thread');
    });
    await turn();
    await turn();
    expect(trap.caught.map(({ failure }) => failure.getErrorMessage())).to.deep.equal(['thread']);
  });

  it('callFromThread() calls in order, in a later turn, and goes on after an error', async () => {
    const seen: number[] = [];
    reactor.callFromThread((n: number) => seen.push(n), 1);
    reactor.callFromThread(() => {
      throw new Error('in between');
    });
    reactor.callFromThread((n: number) => seen.push(n), 2);
    expect(seen).to.deep.equal([]);
    await turn();
    await turn();
    expect(seen).to.deep.equal([1, 2]);
    expect(trap.caught).to.have.length(1);
  });

  it('iterate() resolves after a turn', async () => {
    let ran = false;
    reactor.callLater(0, () => {
      ran = true;
    });
    await reactor.iterate();
    await reactor.iterate();
    expect(ran).to.equal(true);
  });
});
