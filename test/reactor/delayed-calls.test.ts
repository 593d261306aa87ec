import { expect } from 'chai';
import fc from 'fast-check';
import { DelayedCallQueue, setDelayedCallDebugging } from '../../src/reactor/delayed-calls.ts';
import { AlreadyCalled, AlreadyCancelled } from '../../src/reactor/errors.ts';
import type { DelayedCall } from '../../src/reactor/interfaces.ts';

/** A queue on a clock that the test moves, and everything it reports. */
class Bench {
  now = 0;
  heads = 0;
  readonly log: unknown[] = [];
  readonly errors: unknown[] = [];
  readonly queue: DelayedCallQueue = new DelayedCallQueue(
    () => this.now,
    () => {
      this.heads++;
    },
  );

  later(delay: number, name: unknown): DelayedCall {
    return this.queue.callLater(delay, (n: unknown) => this.log.push(n), [name]);
  }

  runAt(now: number): void {
    this.now = now;
    this.queue.runDue(now, (error) => this.errors.push(error));
  }
}

describe('DelayedCallQueue', () => {
  let bench: Bench;

  beforeEach(() => {
    bench = new Bench();
  });

  describe('callLater()', () => {
    it('callLater() runs the call with its arguments once it is due, and once only', () => {
      const seen: unknown[][] = [];
      const call = bench.queue.callLater(2, (...args: unknown[]) => seen.push(args), ['a', 1]);
      expect(call.getTime()).to.equal(2);
      bench.runAt(1.999);
      expect(seen).to.deep.equal([]);
      expect(call.active()).to.equal(true);
      bench.runAt(2);
      bench.runAt(3);
      expect(seen).to.deep.equal([['a', 1]]);
      expect(call.active()).to.equal(false);
    });

    it('callLater() passes no argument when none was given', () => {
      let count = -1;
      bench.queue.callLater(0, (...args: unknown[]) => {
        count = args.length;
      });
      bench.queue.callLater(0, () => {}, []);
      bench.runAt(0);
      expect(count).to.equal(0);
    });

    it('callLater() runs calls by time, and those of one time in the order asked for', () => {
      for (const name of ['b1', 'b2', 'b3', 'b4', 'b5', 'b6']) bench.later(2, name);
      for (const name of ['a1', 'a2', 'a3', 'a4', 'a5', 'a6']) bench.later(1, name);
      bench.later(3, 'c');
      bench.runAt(5);
      expect(bench.log.join(' ')).to.equal('a1 a2 a3 a4 a5 a6 b1 b2 b3 b4 b5 b6 c');
    });

    for (const bad of [-1, -0.001, NaN, Infinity, -Infinity, '1', null, undefined, 1n]) {
      it(`callLater() refuses a delay of ${typeof bad} ${String(bad)} and names it`, () => {
        // The type forbids it; JavaScript does not.
        const delay = bad as number;
        expect(() => bench.later(delay, 'x')).to.throw(RangeError, `${bad}`);
        expect(bench.queue.size).to.equal(0);
      });
    }

    it('callLater() refuses what is no function', () => {
      // The type forbids it; JavaScript does not.
      const f = 'soon' as unknown as () => void;
      expect(() => bench.queue.callLater(1, f)).to.throw(TypeError, "'soon'");
    });
  });

  describe('runDue()', () => {
    it('runDue() leaves what is asked for meanwhile to the next turn, even if it is due', () => {
      bench.queue.callLater(0, () => {
        bench.log.push('first');
        bench.later(0, 'asked for meanwhile');
      });
      bench.later(0, 'second');
      bench.runAt(0);
      expect(bench.log).to.deep.equal(['first', 'second']);
      expect(bench.queue.size).to.equal(1);
      expect(bench.queue.nextTime()).to.equal(0);
      bench.runAt(0);
      expect(bench.log).to.deep.equal(['first', 'second', 'asked for meanwhile']);
    });

    it('runDue() runs what was due although something newer stands before it', () => {
      bench.queue.callLater(1, () => {
        bench.now = 0;
        bench.later(0.5, 'newer but earlier');
        bench.now = 2;
      });
      bench.later(2, 'older');
      bench.runAt(2);
      expect(bench.log).to.deep.equal(['older']);
      bench.runAt(2);
      expect(bench.log).to.deep.equal(['older', 'newer but earlier']);
    });

    it('runDue() leaves a call that was reset meanwhile to the next turn', () => {
      let moved: DelayedCall | undefined;
      bench.queue.callLater(0, () => moved?.reset(0));
      moved = bench.later(0, 'moved');
      bench.runAt(0);
      expect(bench.log).to.deep.equal([]);
      bench.runAt(0);
      expect(bench.log).to.deep.equal(['moved']);
    });

    it('runDue() lets a held call be cancelled, reset and seen until the turn ends', () => {
      const seen: unknown[] = [];
      const made: DelayedCall[] = [];
      bench.queue.callLater(0, () => {
        for (const name of ['p', 'q', 'r']) made.push(bench.later(0, name));
      });
      bench.queue.callLater(0.5, () => {
        const [p, q] = made;
        seen.push(bench.queue.size, bench.queue.getDelayedCalls().length, bench.queue.nextTime());
        p?.cancel();
        q?.reset(5);
        seen.push(p?.active(), q?.active(), bench.queue.size);
      });
      bench.now = 0;
      bench.queue.runDue(1, () => {});
      expect(seen).to.deep.equal([3, 3, 0, false, true, 2]);
      bench.runAt(1);
      expect(bench.log).to.deep.equal(['r']);
      bench.runAt(5);
      expect(bench.log).to.deep.equal(['r', 'q']);
    });

    it('runDue() keeps the other held calls right whichever of them is taken out', () => {
      const made: DelayedCall[] = [];
      bench.queue.callLater(0, () => {
        for (const name of ['p', 'q', 'r', 's']) made.push(bench.later(0, name));
      });
      bench.queue.callLater(0.5, () => {
        const [p, , , s] = made;
        // The last takes the place of the first, and is then taken out of there.
        p?.cancel();
        s?.cancel();
      });
      bench.now = 0;
      bench.queue.runDue(1, () => {});
      expect(made.map((call) => call.active())).to.deep.equal([false, true, true, false]);
      expect(bench.queue.size).to.equal(2);
      bench.runAt(1);
      expect(bench.log).to.deep.equal(['q', 'r']);
      expect(bench.queue.size).to.equal(0);
    });

    it('runDue() hands on what a call throws and runs the others', () => {
      const failed: unknown[] = [];
      const call = bench.queue.callLater(0, () => {
        throw new Error('broken');
      });
      bench.later(0, 'fine');
      bench.queue.runDue(0, (error, which) => failed.push(error, which));
      expect(failed[0]).to.have.property('message', 'broken');
      expect(failed[1]).to.equal(call);
      expect(bench.log).to.deep.equal(['fine']);
    });

    it('runDue() hands on the rejection of an async function', async () => {
      bench.queue.callLater(0, async () => {
        throw new Error('broken later');
      });
      bench.runAt(0);
      expect(bench.errors).to.deep.equal([]);
      await Promise.resolve();
      await Promise.resolve();
      expect(bench.errors[0]).to.have.property('message', 'broken later');
    });

    it('runDue() within a call is a turn of its own', () => {
      bench.queue.callLater(0, () => {
        bench.later(0, 'inner');
        bench.runAt(0);
        bench.log.push('outer goes on');
        bench.later(0, 'next turn');
      });
      bench.later(0, 'second');
      bench.runAt(0);
      expect(bench.log).to.deep.equal(['second', 'inner', 'outer goes on']);
      bench.runAt(0);
      expect(bench.log.at(-1)).to.equal('next turn');
    });

    it('runDue() loses nothing when onError throws', () => {
      bench.queue.callLater(0, () => {
        bench.later(0, 'held');
        throw new Error('broken');
      });
      bench.later(0, 'left');
      const rethrow = (error: unknown): void => {
        throw error;
      };
      expect(() => bench.queue.runDue(0, rethrow)).to.throw('broken');
      bench.runAt(0);
      expect(bench.log).to.deep.equal(['left', 'held']);
    });
  });

  describe('runNext()', () => {
    it('runNext() runs the earliest due call and lets its error through', () => {
      bench.queue.callLater(1, () => {
        throw new Error('broken');
      });
      bench.later(2, 'second');
      expect(bench.queue.runNext(0.5)).to.equal(false);
      expect(() => bench.queue.runNext(2)).to.throw('broken');
      expect(bench.queue.runNext(2)).to.equal(true);
      expect(bench.queue.runNext(2)).to.equal(false);
      expect(bench.log).to.deep.equal(['second']);
    });
  });

  describe('a DelayedCall', () => {
    it('cancel() removes it at once and lets go of its function and arguments', () => {
      const call = bench.later(1, 'x');
      bench.later(2, 'y');
      call.cancel();
      expect(call.active()).to.equal(false);
      expect(bench.queue.size).to.equal(1);
      expect(bench.queue.nextTime()).to.equal(2);
      // Looks inside on purpose: only the object itself can tell what it holds on to.
      const inside = call as unknown as { f: unknown; args: unknown };
      expect([inside.f, inside.args]).to.deep.equal([undefined, undefined]);
      bench.runAt(3);
      expect(bench.log).to.deep.equal(['y']);
    });

    it('cancel(), reset() and delay() throw AlreadyCancelled after cancel()', () => {
      const call = bench.later(1, 'x');
      call.cancel();
      expect(() => call.cancel()).to.throw(AlreadyCancelled, 'Cannot cancel DelayedCall');
      expect(() => call.reset(1)).to.throw(AlreadyCancelled, 'Cannot reset DelayedCall');
      expect(() => call.delay(1)).to.throw(AlreadyCancelled, 'Cannot delay DelayedCall');
    });

    it('cancel(), reset() and delay() throw AlreadyCalled from within its function on', () => {
      const attempts: unknown[] = [];
      const attempt = (): void => {
        for (const f of [() => call.cancel(), () => call.reset(1), () => call.delay(1)]) {
          try {
            f();
          } catch (error) {
            attempts.push(error instanceof AlreadyCalled);
          }
        }
        attempts.push(call.active());
      };
      const call: DelayedCall = bench.queue.callLater(0, attempt);
      bench.runAt(0);
      attempt();
      expect(attempts).to.deep.equal([true, true, true, false, true, true, true, false]);
    });

    it('reset() counts from now, and puts it behind those of the same time', () => {
      const call = bench.later(1, 'reset');
      bench.now = 0.5;
      bench.later(2, 'other');
      call.reset(2);
      expect(call.getTime()).to.equal(2.5);
      bench.runAt(2.4);
      expect(bench.log).to.deep.equal([]);
      bench.runAt(2.5);
      expect(bench.log).to.deep.equal(['other', 'reset']);
    });

    it('reset() to an earlier moment brings it forward', () => {
      bench.later(2, 'other');
      bench.later(3, 'moved').reset(1);
      expect(bench.queue.nextTime()).to.equal(1);
      bench.runAt(3);
      expect(bench.log).to.deep.equal(['moved', 'other']);
    });

    it('delay() counts from its time, in both directions', () => {
      const call = bench.later(1, 'x');
      bench.now = 0.75;
      call.delay(3);
      expect(call.getTime()).to.equal(4);
      call.delay(-2);
      expect(call.getTime()).to.equal(2);
      expect(bench.queue.nextTime()).to.equal(2);
    });

    it('reset() and delay() refuse what is no time and leave the call as it was', () => {
      const call = bench.later(1, 'x');
      expect(() => call.reset(-1)).to.throw(RangeError, '-1');
      expect(() => call.reset(NaN)).to.throw(RangeError, 'NaN');
      expect(() => call.delay(Infinity)).to.throw(RangeError, 'Infinity');
      expect(call.getTime()).to.equal(1);
    });

    it('toString() names the function and its state', () => {
      function tick(): void {}
      const call = bench.queue.callLater(1.5, tick);
      expect(call.toString()).to.equal('DelayedCall of tick (due in 1.500 s)');
      call.cancel();
      expect(call.toString()).to.equal('DelayedCall (cancelled)');
      const other = bench.later(0, 'x');
      bench.runAt(0);
      expect(other.toString()).to.equal('DelayedCall (called)');
    });

    it('toString() shows where it was asked for when debugging is on, and only then', () => {
      setDelayedCallDebugging(true);
      try {
        expect(bench.later(1, 'x').toString()).to.contain('delayed-calls.test.ts');
      } finally {
        setDelayedCallDebugging(false);
      }
      expect(bench.later(1, 'x').toString()).not.to.contain('delayed-calls.test.ts');
    });
  });

  describe('onHeadChange', () => {
    it('onHeadChange is called for the first call and for each that becomes the earliest', () => {
      bench.later(5, 'a');
      expect(bench.heads).to.equal(1);
      bench.later(6, 'b');
      bench.later(5, 'same time');
      expect(bench.heads).to.equal(1);
      const early = bench.later(4, 'c');
      expect(bench.heads).to.equal(2);
      early.cancel();
      expect(bench.heads).to.equal(2);
      bench.later(9, 'd').reset(1);
      expect(bench.heads).to.equal(3);
    });

    it('onHeadChange is called when the last call is cancelled', () => {
      const calls = [bench.later(1, 'a'), bench.later(2, 'b')];
      bench.heads = 0;
      calls[0]?.cancel();
      expect(bench.heads).to.equal(0);
      calls[1]?.cancel();
      expect(bench.heads).to.equal(1);
      expect(bench.queue.nextTime()).to.equal(undefined);
    });

    it('onHeadChange is not called from within runDue()', () => {
      bench.queue.callLater(1, () => {
        bench.later(0, 'x');
        bench.later(0, 'y').cancel();
      });
      bench.heads = 0;
      bench.runAt(1);
      expect(bench.heads).to.equal(0);
      expect(bench.queue.nextTime()).to.equal(1);
    });

    it('a timer armed as onHeadChange says never comes too late', () => {
      const deeds = fc.array(
        fc.record({
          deed: fc.constantFrom('call', 'call', 'cancel', 'reset', 'delay', 'look'),
          pick: fc.nat(1000),
          seconds: fc.nat(8),
        }),
        { maxLength: 60 },
      );
      fc.assert(
        fc.property(deeds, (list) => {
          let armed: number | undefined;
          const queue: DelayedCallQueue = new DelayedCallQueue(
            () => 0,
            () => {
              armed = queue.nextTime();
            },
          );
          const calls: DelayedCall[] = [];
          for (const { deed, pick, seconds } of list) {
            const call = calls[pick % (calls.length || 1)];
            if (deed === 'call') calls.push(queue.callLater(seconds, () => {}));
            else if (deed === 'look') queue.nextTime();
            else if (call?.active()) {
              if (deed === 'cancel') call.cancel();
              else if (deed === 'reset') call.reset(seconds);
              else call.delay(seconds - 4);
            }
            const times = calls.filter((c) => c.active()).map((c) => c.getTime());
            if (times.length > 0) expect(armed).to.be.at.most(Math.min(...times));
          }
        }),
      );
    });
  });

  it('keeps the order when what fills a gap is earlier than what is above the gap', () => {
    // By slots of the heap: the last call, 10, is below 1; the one that is cancelled, 101, is below 100.
    const times = [0, 100, 1, 2, 3, 101, 102, 103, 104, 10];
    const calls = times.map((time) => bench.later(time, time));
    calls[5]?.cancel();
    for (let time = 200; time < 206; time++) bench.later(time, time);
    bench.runAt(50);
    expect(bench.log).to.deep.equal([0, 1, 2, 3, 10]);
    bench.runAt(150);
    expect(bench.log.slice(5)).to.deep.equal([100, 102, 103, 104]);
  });

  it('behaves as a sorted list would, whatever is done to it', () => {
    const deeds = fc.array(
      fc.record({
        deed: fc.constantFrom('call', 'call', 'call', 'cancel', 'reset', 'delay', 'run'),
        pick: fc.nat(100000),
        seconds: fc.nat(6),
      }),
      { minLength: 1, maxLength: 300 },
    );
    fc.assert(
      fc.property(deeds, (list) => {
        const it = new Bench();
        let model: { id: number; time: number; order: number; call: DelayedCall }[] = [];
        let id = 0;
        let order = 0;
        for (const { deed, pick, seconds } of list) {
          const entry = model[pick % (model.length || 1)];
          if (deed === 'call') {
            model.push({ id, time: it.now + seconds, order: order++, call: it.later(seconds, id) });
            id++;
          } else if (deed === 'run') {
            it.log.length = 0;
            it.runAt(it.now + seconds / 2);
            const due = model
              .filter((e) => e.time <= it.now)
              .sort((a, b) => a.time - b.time || a.order - b.order);
            model = model.filter((e) => e.time > it.now);
            expect(it.log).to.deep.equal(due.map((e) => e.id));
          } else if (entry !== undefined) {
            entry.order = order++;
            if (deed === 'cancel') {
              entry.call.cancel();
              model = model.filter((e) => e !== entry);
            } else if (deed === 'reset') {
              entry.call.reset(seconds);
              entry.time = it.now + seconds;
            } else {
              entry.call.delay(seconds - 2);
              entry.time += seconds - 2;
            }
          }
          expect(it.queue.size).to.equal(model.length);
          const times = model.map((e) => e.time);
          expect(it.queue.nextTime()).to.equal(times.length ? Math.min(...times) : undefined);
        }
        expect(it.queue.getDelayedCalls().map((c) => c.getTime())).to.deep.equal(
          model.map((e) => e.time).sort((a, b) => a - b),
        );
      }),
    );
  });

  it('holds a million calls, runs them in order, and gives the room back', () => {
    const count = 1_000_000;
    let ran = 0;
    let last = -1;
    let ordered = true;
    const check = (time: number): void => {
      ordered &&= time >= last;
      last = time;
      ran++;
    };
    for (let i = 0; i < count; i++) {
      const time = (i * 7919) % 1009;
      bench.queue.callLater(time, check, [time]);
    }
    expect(bench.queue.size).to.equal(count);
    bench.runAt(2000);
    expect([ran, ordered, bench.queue.size]).to.deep.equal([count, true, 0]);
  });
});
