import { expect } from 'chai';
import {
  type Connection,
  ConnectionBusy,
  ConnectionLost,
  ConnectionPool,
  type RowStream,
  StatementTimeout,
  type Transaction,
  TransactionDone,
} from '../../src/adbapi/index.ts';
import { CancelledError, Deferred, Failure, inlineCallbacks } from '../../src/deferred/index.ts';
import { Clock, type LogEvent, setLogObserver } from '../../src/reactor/index.ts';
import { FakeDriver, FakeError, type FakeOptions, outcome, pass, settle } from './fake-driver.ts';

describe('Interactions', () => {
  let clock: Clock;
  let events: LogEvent[];
  let before: ReturnType<typeof setLogObserver>;
  const pools: ConnectionPool[] = [];

  beforeEach(() => {
    clock = new Clock();
    events = [];
    before = setLogObserver((event) => events.push(event));
  });

  afterEach(async () => {
    for (const pool of pools.splice(0)) {
      const closed = outcome(pool.close());
      await pass(clock, 31);
      expect(closed.pending, 'closes').to.equal(false);
    }
    expect(clock.getDelayedCalls(), 'timers left').to.deep.equal([]);
    setLogObserver(before);
  });

  function make(options: Record<string, unknown> = {}, fake: FakeOptions = {}) {
    const driver = new FakeDriver(fake);
    const pool = new ConnectionPool(driver, {
      cp_reactor: clock,
      cp_min: 0,
      cp_max: 1,
      ...options,
    });
    pools.push(pool);
    const log = (): string[] => driver.connections.flatMap((connection) => connection.log);
    return { driver, pool, log };
  }

  describe('runInteraction()', () => {
    it('begins, calls the function with a transaction and the arguments, commits, and gives what it gave', async () => {
      const { driver, pool, log } = make();
      driver.answer = (sql) => (sql === 'select' ? [{ n: 1 }] : []);
      const result = await pool.runInteraction(async (tx, factor: number) => {
        const [row] = await tx.execute('select');
        return Number(row?.['n']) * factor;
      }, 21);
      expect(result).to.equal(21);
      expect(log()).to.deep.equal(['begin', 'select', 'commit']);
    });

    it('rolls back when the function throws, and fails with what it threw', async () => {
      const { pool, log } = make();
      const wrong = new Error('not enough');
      for (const f of [
        () => {
          throw wrong;
        },
        async () => Promise.reject(wrong),
        () => new Failure(wrong),
        (tx: Transaction) =>
          tx.execute('x').addCallback(() => {
            throw wrong;
          }),
      ]) {
        const call = outcome(pool.runInteraction(f as (tx: Transaction) => unknown));
        await settle();
        expect(call.error).to.equal(wrong);
      }
      expect(log()).to.deep.equal([
        ...[
          'begin',
          'rollback',
          'begin',
          'rollback',
          'begin',
          'rollback',
          'begin',
          'x',
          'rollback',
        ],
      ]);
    });

    it('takes functions that return Deferreds, and inlineCallbacks', async () => {
      const { driver, pool } = make();
      driver.answer = (sql) => (sql === 'select' ? [{ n: 7 }] : []);
      const f = inlineCallbacks(function* (
        tx: Transaction,
      ): Generator<Deferred<unknown>, unknown, never> {
        const rows: Array<{ n: number }> = yield tx.execute('select');
        return rows[0]?.n;
      });
      expect(await pool.runInteraction(f)).to.equal(7);
    });

    it("gives the driver's error of a failed commit as it is, and the connection goes on", async () => {
      const { driver, pool, log } = make();
      const refused = new FakeError('constraint violated');
      driver.answer = (sql) => {
        if (sql === 'commit') throw refused;
        return [];
      };
      const call = outcome(pool.runInteraction(() => 1));
      await settle();
      expect(call.error).to.equal(refused);
      await pool.runQuery('next');
      expect(log()).to.deep.equal(['begin', 'commit', 'rollback', 'next']);
    });

    it('drops the connection when the rollback fails, logs that, and gives the first error', async () => {
      const { driver, pool } = make();
      driver.answer = (sql) => {
        if (sql === 'rollback') throw new FakeError('rollback refused');
        return [];
      };
      const first = new Error('first');
      const call = outcome(
        pool.runInteraction(() => {
          throw first;
        }),
      );
      await settle();
      expect(call.error).to.equal(first);
      expect(driver.connections[0]?.destroyed).to.equal(true);
      expect(
        events.some(({ level, message }) => level === 'warn' && /rollback refused/.test(message)),
      ).to.equal(true);
    });

    it('fails with ConnectionLost when the connection breaks in the middle, and does not try to roll back', async () => {
      const { driver, pool, log } = make();
      driver.answer = (sql) => (sql === 'wait' ? new Deferred() : []);
      const call = outcome(pool.runInteraction((tx) => tx.execute('wait')));
      await settle();
      driver.connections[0]?.break();
      await settle();
      expect(call.error).to.be.instanceOf(ConnectionLost);
      expect(log()).to.deep.equal(['begin', 'wait']);
      await pool.runQuery('next');
      expect(driver.connections).to.have.length(2);
    });

    it('runs statements one after the other, in order, though they are asked for at once', async () => {
      const { driver, pool, log } = make();
      const waits: Deferred<never[]>[] = [];
      driver.answer = (sql) => {
        if (!sql.startsWith('s')) return [];
        const wait = new Deferred<never[]>();
        waits.push(wait);
        return wait;
      };
      const call = pool.runInteraction((tx) =>
        Promise.all([tx.execute('s1'), tx.execute('s2'), tx.execute('s3')]),
      );
      for (let n = 1; n <= 3; n++) {
        await settle();
        expect(log().at(-1)).to.equal(`s${n}`);
        waits[n - 1]?.callback([]);
      }
      await call;
      expect(log()).to.deep.equal(['begin', 's1', 's2', 's3', 'commit']);
    });

    it('commits after statements that nobody waited for', async () => {
      const { driver, pool, log } = make();
      const wait = new Deferred<never[]>();
      driver.answer = (sql) => (sql === 'slow' ? wait : []);
      const call = outcome(
        pool.runInteraction((tx) => {
          tx.execute('slow');
          tx.execute('after');
        }),
      );
      await settle();
      expect(log()).to.deep.equal(['begin', 'slow']);
      wait.callback([]);
      await settle();
      expect(call.pending).to.equal(false);
      expect(log()).to.deep.equal(['begin', 'slow', 'after', 'commit']);
    });

    it('refuses statements once its function has ended, with TransactionDone', async () => {
      const { pool, log } = make();
      let kept: Transaction | undefined;
      await pool.runInteraction(function buy(tx) {
        kept = tx;
      });
      const late = outcome(kept?.execute('late') ?? new Deferred());
      expect(late.error).to.be.instanceOf(TransactionDone);
      expect(late.error?.message).to.equal(
        'Cannot run late in interaction of buy: its function has ended',
      );
      expect(log()).to.not.include('late');
    });

    it('runs nothing more when the database has ended the transaction by itself', async () => {
      const { driver, pool, log } = make();
      driver.answer = (sql, _, connection) => {
        if (sql !== 'deadlock') return [];
        connection.inTransaction = false;
        throw new FakeError('deadlock');
      };
      const call = outcome(
        pool.runInteraction(async (tx) => {
          await tx.execute('deadlock').addErrback(() => {});
          await tx.execute('update');
        }),
      );
      await settle();
      expect(call.error).to.be.instanceOf(TransactionDone);
      expect(call.error?.message).to.match(
        /Cannot run update: the database has ended the transaction/,
      );
      const second = outcome(
        pool.runInteraction((tx) => tx.execute('deadlock').addErrback(() => {})),
      );
      await settle();
      expect(second.error?.message).to.match(/Cannot run commit: the database has ended/);
      expect(log()).to.deep.equal(['begin', 'deadlock', 'begin', 'deadlock']);
    });

    it('throws TypeError at once for what cannot be called', () => {
      const { pool } = make();
      expect(() => pool.runInteraction('select 1' as never)).to.throw(
        TypeError,
        "Cannot call 'select 1'",
      );
    });
  });

  describe('cancelling', () => {
    it('stops the statement that runs, rolls back, and frees the connection without waiting for the function', async () => {
      const { driver, pool, log } = make({}, { cancels: true });
      const wait = new Deferred<never[]>();
      driver.answer = (sql) => (sql === 'wait' ? wait : []);
      let told: unknown;
      const interaction = pool.runInteraction(async (tx) => {
        await tx.execute('wait').addErrback((failure) => {
          told = failure.value;
        });
        await new Promise(() => {}); // never ends
      });
      const call = outcome(interaction);
      await settle();
      interaction.cancel('enough');
      expect(call.error).to.be.instanceOf(CancelledError);
      await settle();
      expect(driver.connections[0]?.cancels).to.equal(1);
      wait.errback(new FakeError('stopped', 'cancelled'));
      await pool.runQuery('next');
      expect(told).to.be.instanceOf(CancelledError);
      expect(log()).to.deep.equal(['begin', 'wait', 'rollback', 'next']);
    });

    it('a function that goes on after it was cancelled runs nothing more', async () => {
      const { pool, log } = make();
      const gate = new Deferred<void>();
      let late: unknown;
      const interaction = pool.runInteraction(async (tx) => {
        await gate;
        await tx.execute('late').addErrback((failure) => {
          late = failure.value;
        });
        return 'too late';
      });
      const call = outcome(interaction);
      await settle();
      interaction.cancel();
      await settle();
      gate.callback();
      await settle();
      expect(call.error).to.be.instanceOf(CancelledError);
      expect(late).to.be.instanceOf(TransactionDone);
      expect(log()).to.deep.equal(['begin', 'rollback']);
    });

    it('cancels the Deferred that the function returned', async () => {
      const { pool } = make();
      let cancelled = false;
      const interaction = pool.runInteraction(
        () =>
          new Deferred(() => {
            cancelled = true;
          }),
      );
      interaction.addErrback(() => {});
      await settle();
      interaction.cancel();
      expect(cancelled).to.equal(true);
    });

    it('takes back what it was told when it is cancelled as it begins', async () => {
      const { driver, pool } = make({}, { cancels: true });
      const begin = new Deferred<never[]>();
      driver.answer = (sql) => (sql === 'begin' ? begin : []);
      let called = false;
      const interaction = pool.runInteraction(() => {
        called = true;
      });
      const call = outcome(interaction);
      await settle();
      interaction.cancel();
      expect(driver.connections[0]?.cancels).to.equal(1);
      begin.errback(new FakeError('stopped', 'cancelled'));
      await settle();
      expect(call.error).to.be.instanceOf(CancelledError);
      expect(called).to.equal(false);
      expect(pool.stats()).to.include({ busy: 0, open: 1 });
    });
  });

  it('does not call the function of one that was cancelled, though it could begin after all', async () => {
    const { driver, pool, log } = make({}, { cancels: true });
    const begin = new Deferred<never[]>();
    driver.answer = (sql) => (sql === 'begin' ? begin : []);
    let called = false;
    const interaction = pool.runInteraction(() => {
      called = true;
    });
    const call = outcome(interaction);
    await settle();
    interaction.cancel();
    begin.callback([]);
    await settle();
    expect(call.error).to.be.instanceOf(CancelledError);
    expect(called).to.equal(false);
    expect(log()).to.deep.equal(['begin', 'rollback']);
    expect(pool.stats()).to.include({ busy: 0, open: 1 });
  });

  describe('runInteractionWith()', () => {
    it('leaves no timer behind when its function ends in time', async () => {
      const { pool } = make({ cp_idle_timeout: null, cp_max_lifetime: null, cp_watchdog: null });
      await pool.runInteractionWith({ timeout: 1000 }, (tx) => tx.execute('a'));
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('counts a conflict in a savepoint, whatever its function made of it', async () => {
      const { driver, pool } = make();
      let calls = 0;
      driver.answer = (sql) => {
        if (sql === 'update' && calls === 1) throw new FakeError('deadlock', 'retry');
        return [];
      };
      const done = pool.runInteractionWith({ retries: 1 }, async (tx) => {
        calls += 1;
        await tx
          .savepoint((inner) => inner.execute('update'))
          .addErrback(() => {
            throw new Error('my own');
          });
        return calls;
      });
      const call = outcome(done);
      await settle();
      await pass(clock, 1);
      expect(call.value).to.equal(2);
    });

    it('passes isolation and read-only on', async () => {
      const { pool, log } = make();
      await pool.runInteractionWith({ isolation: 'serializable', readOnly: true }, (tx) =>
        tx.execute('x'),
      );
      expect(log()[0]).to.equal('begin serializable read only');
    });

    it('throws for options that cannot be, of which some become part of a statement', () => {
      const { pool } = make();
      const wrong: [object, string][] = [
        [{ isolation: 'serializable; drop table guests' }, 'isolation'],
        [{ isolation: 'toString' }, 'isolation'],
        [{ readOnly: 'no' }, 'readOnly'],
        [{ retries: -1 }, 'retries'],
        [{ retries: Number.NaN }, 'retries'],
        [{ timeout: -1 }, 'timeout'],
      ];
      for (const [options, name] of wrong) {
        expect(() => pool.runInteractionWith(options, () => 1)).to.throw(
          `Cannot use option ${name}`,
        );
      }
      expect(pool.stats().open).to.equal(0);
    });

    it('rolls back after its timeout, even when the function never ends', async () => {
      const { pool, log } = make();
      const call = outcome(
        pool.runInteractionWith({ timeout: 3 }, function forget() {
          return new Promise(() => {});
        }),
      );
      await settle();
      await pass(clock, 2.9);
      expect(call.pending).to.equal(true);
      await pass(clock, 0.1);
      expect(call.error).to.be.instanceOf(StatementTimeout);
      expect(call.error?.message).to.equal('Took longer than 3 s: interaction of forget');
      expect(log()).to.deep.equal(['begin', 'rollback']);
    });

    it('does it again after a conflict, with growing waits, as often as `retries` says', async () => {
      const { driver, pool, log } = make({
        cp_retry_delay: 1,
        cp_retry_delay_max: 1.5,
        cp_validate_after: null,
      });
      let conflicts = 2;
      driver.answer = (sql) => {
        if (sql === 'update' && conflicts-- > 0)
          throw new FakeError('serialization failure', 'retry');
        return [];
      };
      let calls = 0;
      const call = outcome(
        pool.runInteractionWith({ retries: 2 }, async (tx) => {
          calls += 1;
          await tx.execute('update');
          return 'done';
        }),
      );
      await settle();
      expect([calls, pool.stats().busy]).to.deep.equal([1, 0]);
      await pass(clock, 0.49);
      expect(calls).to.equal(1);
      await pass(clock, 0.51);
      expect(calls).to.equal(2);
      await pass(clock, 1.5);
      expect(call.value).to.equal('done');
      expect(log()).to.deep.equal([
        ...[
          'begin',
          'update',
          'rollback',
          'begin',
          'update',
          'rollback',
          'begin',
          'update',
          'commit',
        ],
      ]);
    });

    it('counts a conflict that the function wrapped in an error of its own, or that came with the commit', async () => {
      const { driver, pool } = make({ cp_retries: 5, cp_retry_delay: 0.01 });
      let conflicts = 1;
      driver.answer = (sql) => {
        if (sql === 'update' && conflicts-- > 0) throw new FakeError('deadlock', 'retry');
        return [];
      };
      const wrapped = outcome(
        pool.runInteraction(async (tx) => {
          await tx.execute('update').addErrback(() => {
            throw new Error('could not update');
          });
        }),
      );
      await settle();
      await pass(clock, 1);
      expect([wrapped.pending, wrapped.error]).to.deep.equal([false, undefined]);
      let commits = 0;
      driver.answer = (sql) => {
        if (sql === 'commit' && commits++ === 0)
          throw new FakeError('serialization failure', 'retry');
        return [];
      };
      const atCommit = outcome(pool.runInteraction(() => 'x'));
      await settle();
      await pass(clock, 1);
      expect(atCommit.value).to.equal('x');
    });

    it("does nothing again by default, and gives the driver's error when its retries are used up", async () => {
      const { driver, pool } = make();
      const conflict = new FakeError('serialization failure', 'retry');
      let calls = 0;
      driver.answer = (sql) => {
        if (sql === 'update') throw conflict;
        return [];
      };
      const f = (tx: Transaction) => {
        calls += 1;
        return tx.execute('update');
      };
      const once = outcome(pool.runInteraction(f));
      await settle();
      expect([calls, once.error]).to.deep.equal([1, conflict]);
      const thrice = outcome(pool.runInteractionWith({ retries: 2 }, f));
      await pass(clock, 5, 10);
      expect([calls, thrice.error]).to.deep.equal([4, conflict]);
    });

    it('can be cancelled while it waits to do it again', async () => {
      const { driver, pool, log } = make({ cp_retry_delay: 1 });
      driver.answer = (sql) => {
        if (sql === 'update') throw new FakeError('deadlock', 'retry');
        return [];
      };
      let calls = 0;
      const interaction = pool.runInteractionWith({ retries: 9 }, (tx) => {
        calls += 1;
        return tx.execute('update');
      });
      const call = outcome(interaction);
      await settle();
      interaction.cancel();
      await pass(clock, 10);
      expect(call.error).to.be.instanceOf(CancelledError);
      expect(calls).to.equal(1);
      expect(log().filter((line) => line === 'begin')).to.have.length(1);
    });
  });

  describe('savepoint()', () => {
    it('keeps what it did, or undoes only that, and nests', async () => {
      const { pool, log } = make();
      await pool.runInteraction(async (tx) => {
        expect(
          await tx.savepoint(
            async (inner, n: number) => inner.execute('a').addCallback(() => n),
            5,
          ),
        ).to.equal(5);
        const failed = await tx
          .savepoint(async (inner) => {
            await inner.savepoint((innermost) => innermost.execute('b'));
            throw new Error('undo');
          })
          .addErrback((failure) => failure.value);
        expect((failed as Error).message).to.equal('undo');
      });
      expect(log()).to.deep.equal([
        ...['begin', 'savepoint strand_1', 'a', 'release strand_1'],
        ...[
          'savepoint strand_1',
          'savepoint strand_2',
          'b',
          'release strand_2',
          'rollback to strand_1',
          'commit',
        ],
      ]);
    });

    it('its transaction is over when it is', async () => {
      const { pool } = make();
      await pool.runInteraction(async (tx) => {
        let kept: Transaction | undefined;
        await tx.savepoint((inner) => {
          kept = inner;
        });
        expect(outcome(kept?.execute('late') ?? new Deferred()).error).to.be.instanceOf(
          TransactionDone,
        );
      });
    });

    it('commits nothing when a savepoint could not be undone, though its function goes on', async () => {
      const { driver, pool, log } = make();
      const broken = new FakeError('no such savepoint');
      driver.answer = (sql) => {
        if (sql.startsWith('rollback to')) throw broken;
        return [];
      };
      const call = outcome(
        pool.runInteraction(async (tx) => {
          await tx
            .savepoint(() => {
              throw new Error('undo');
            })
            .addErrback(() => {});
        }),
      );
      await settle();
      expect(call.error).to.equal(broken);
      expect(log().at(-1)).to.equal('rollback');
    });

    it('commits nothing, either, when that was within another one', async () => {
      const { driver, pool, log } = make();
      const broken = new FakeError('no such savepoint');
      driver.answer = (sql) => {
        if (sql === 'rollback to strand_2') throw broken;
        return [];
      };
      const call = outcome(
        pool.runInteraction((tx) =>
          tx.savepoint(async (outer) => {
            const inner = outer.savepoint(() => {
              throw new Error('undo');
            });
            await inner.addErrback(() => {});
          }),
        ),
      );
      await settle();
      expect(call.error).to.equal(broken);
      expect(log().at(-1)).to.equal('rollback');
    });

    it('undoes what it did when it is cancelled, and calls nothing when that was before it began', async () => {
      const { driver, pool, log } = make();
      const begun = new Deferred<never[]>();
      driver.answer = (sql) => (sql === 'savepoint strand_1' && !begun.called ? begun : []);
      let calls = 0;
      await pool.runInteraction(async (tx) => {
        const early = outcome(cancelled(tx.savepoint(() => ++calls)));
        expect(early.error).to.be.instanceOf(CancelledError);
        begun.callback([]);
        await settle();
        const never = new Deferred<void>();
        const late = tx.savepoint(async (inner) => {
          await inner.execute('a');
          await never;
        });
        await settle();
        expect(outcome(cancelled(late)).error).to.be.instanceOf(CancelledError);
        await settle();
      });
      expect(calls).to.equal(0);
      const part = ['savepoint strand_1', 'rollback to strand_1'];
      const other = ['savepoint strand_1', 'a', 'rollback to strand_1'];
      expect(log()).to.deep.equal(['begin', ...part, ...other, 'commit']);
    });

    it('two at once are a mistake that is told', async () => {
      const { pool } = make();
      const gate = new Deferred<void>();
      const call = outcome(
        pool.runInteraction((tx) =>
          Promise.all([
            tx.savepoint((inner) => inner.execute('a')),
            tx.savepoint(async () => {
              await gate;
            }),
          ]),
        ),
      );
      await settle();
      gate.callback();
      await settle();
      expect(call.error).to.be.instanceOf(TransactionDone);
      expect(call.error?.message).to.match(/savepoint strand_1: another one was begun meanwhile/);
    });
  });

  describe('Cursor', () => {
    it('keeps the last result, as DB-API does', async () => {
      const { driver, pool } = make();
      const rows = [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }];
      driver.answer = (sql) => (sql === 'select' ? rows : []);
      await pool.runInteraction(async (tx) => {
        expect([tx.rowcount, tx.lastrowid, tx.description]).to.deep.equal([-1, null, null]);
        await tx.execute('select');
        expect([tx.rowcount, tx.description]).to.deep.equal([4, ['n']]);
        expect(tx.fetchone()).to.deep.equal({ n: 1 });
        expect(tx.fetchmany(2)).to.deep.equal([{ n: 2 }, { n: 3 }]);
        expect(tx.fetchall()).to.deep.equal([{ n: 4 }]);
        expect([tx.fetchone(), tx.fetchmany(3)]).to.deep.equal([null, []]);
      });
    });

    it('gives the rows of the last result one by one, a few at a time, or the rest', async () => {
      const { driver, pool } = make();
      const rows = Array.from({ length: 6 }, (_, n) => ({ n }));
      driver.answer = (sql) => (sql === 'select' ? rows : []);
      await pool.runInteraction(async (tx) => {
        expect(tx.fetchone()).to.equal(null);
        await tx.execute('select');
        expect(tx.fetchone()).to.deep.equal({ n: 0 });
        expect(tx.fetchmany()).to.deep.equal([{ n: 1 }]);
        expect(tx.fetchmany(2)).to.deep.equal([{ n: 2 }, { n: 3 }]);
        expect(tx.fetchmany(-1)).to.deep.equal([]);
        expect(tx.fetchall()).to.deep.equal([{ n: 4 }, { n: 5 }]);
        expect(tx.fetchall()).to.deep.equal([]);
        expect(tx.fetchone()).to.equal(null);
        await tx.execute('select');
        expect(tx.fetchone()).to.deep.equal({ n: 0 });
      });
    });

    it('a time limit that cannot be is refused, and nothing runs', async () => {
      const { driver, pool, log } = make();
      for (const timeout of [-1, Number.NaN, Number.POSITIVE_INFINITY, '1']) {
        const options = { timeout: timeout as number };
        const wrong =
          timeout === -1 || timeout === Number.POSITIVE_INFINITY ? RangeError : TypeError;
        expect(outcome(pool.runQuery('a', [], options)).error).to.be.instanceOf(wrong);
        expect(outcome(pool.runOperation('a', [], options)).error).to.be.instanceOf(wrong);
        await pool.runInteraction((tx) => {
          expect(outcome(tx.execute('a', [], options)).error).to.be.instanceOf(wrong);
        });
        expect(() => pool.runInteractionWith(options, () => 1)).to.throw(wrong, 'timeout');
      }
      expect(log()).to.not.include('a');
      expect(pool.stats()).to.include({ busy: 0, open: 1 });
      expect(driver.connections).to.have.length(1);
    });

    it('executemany() runs a statement for each set, and fires with how many rows changed', async () => {
      const { driver, pool } = make();
      const seen: unknown[] = [];
      driver.answer = (sql, params) => {
        if (sql !== 'insert') return [];
        seen.push(params);
        return [{}, {}];
      };
      const count = await pool.runInteraction((tx) => tx.executemany('insert', [[1], [2], [3]]));
      expect(count).to.equal(6);
      expect(seen).to.deep.equal([[1], [2], [3]]);
    });
  });

  describe('runWithConnection()', () => {
    it('begins with the first statement, commits at the end, or where it is told to', async () => {
      const { pool, log } = make();
      await pool.runWithConnection(async (connection: Connection) => {
        await connection.execute('a');
        await connection.commit();
        await connection.execute('b');
        await connection.rollback();
        await connection.execute('c');
        connection.close();
      });
      expect(log()).to.deep.equal([
        'begin',
        'a',
        'commit',
        'begin',
        'b',
        'rollback',
        'begin',
        'c',
        'commit',
      ]);
    });

    it('rolls back when its function throws', async () => {
      const { pool, log } = make();
      const call = outcome(
        pool.runWithConnection(async (connection) => {
          await connection.execute('a');
          throw new Error('no');
        }),
      );
      await settle();
      expect(call.error?.message).to.equal('no');
      expect(log()).to.deep.equal(['begin', 'a', 'rollback']);
    });

    it('needs no transaction with autocommit, or without a statement', async () => {
      const { driver, pool, log } = make();
      const raw = await pool.runWithConnection(async (connection) => {
        connection.autocommit = true;
        await connection.execute('vacuum');
        return connection.raw;
      });
      await pool.runWithConnection(() => 1);
      expect(raw).to.equal(driver.connections[0]);
      expect(log()).to.deep.equal(['vacuum']);
    });

    it('does not run a statement whose transaction could not begin', async () => {
      const { driver, pool, log } = make();
      const refused = new FakeError('begin refused');
      driver.answer = (sql) => {
        if (sql === 'begin') throw refused;
        return [];
      };
      const call = outcome(pool.runWithConnection((connection) => connection.execute('a')));
      await settle();
      expect(call.error).to.equal(refused);
      expect(log()).to.deep.equal(['begin']);
    });

    it('resets the connection before it goes back, and drops one that cannot be', async () => {
      let broken = false;
      const reset = () => {
        if (broken) throw new FakeError('reset refused');
      };
      const { driver, pool, log } = make({}, { reset });
      await pool.runWithConnection((connection) => connection.execute('a'));
      await pool.runQuery('b');
      expect(log()).to.deep.equal(['begin', 'a', 'commit', 'reset', 'b']);
      broken = true;
      await pool.runInteraction((tx) => tx.execute('c'));
      await settle();
      expect(driver.connections[0]?.destroyed).to.equal(true);
    });
  });

  describe('stream()', () => {
    const rows = Array.from({ length: 5 }, (_, n) => ({ n }));

    function streaming(options = {}) {
      const made = make(options);
      made.driver.answer = (sql) => (sql === 'select' ? rows : []);
      return made;
    }

    it('gives the rows page by page, and the connection back at the end', async () => {
      const { pool, log } = streaming();
      const seen: number[] = [];
      for await (const row of pool.stream<{ n: number }>('select', [], { pageSize: 2 })) {
        seen.push(row.n);
        expect(pool.stats().busy).to.equal(1);
      }
      expect(seen).to.deep.equal([0, 1, 2, 3, 4]);
      expect(log()).to.deep.equal(['select', 'open 2', 'page', 'page', 'page', 'page']);
      expect(pool.stats()).to.include({ busy: 0, open: 1 });
    });

    it('fetches no more than it is asked for', async () => {
      const { pool, log } = streaming({ cp_page_size: 2 });
      const stream = pool.stream('select');
      expect(pool.stats().open).to.equal(0);
      await stream.next();
      await stream.next();
      await settle();
      expect(log()).to.deep.equal(['select', 'open 2', 'page']);
      await stream.close();
      expect(log().at(-1)).to.equal('close pages');
      expect(await stream.next()).to.deep.equal({ done: true, value: undefined });
      expect(pool.stats().busy).to.equal(0);
    });

    it('ends when its loop is left', async () => {
      const { pool, log } = streaming();
      for await (const row of pool.stream('select', [], { pageSize: 2 })) {
        if (row['n'] === 1) break;
      }
      expect(log().at(-1)).to.equal('close pages');
      expect(pool.stats().busy).to.equal(0);
    });

    it("fails with the statement's error, and gives the connection back", async () => {
      const { driver, pool } = streaming();
      const wrong = new FakeError('no such table');
      driver.answer = () => {
        throw wrong;
      };
      const error = await pool
        .stream('selct')
        .next()
        .then(
          () => null,
          (caught: unknown) => caught,
        );
      expect(error).to.equal(wrong);
      expect(pool.stats().busy).to.equal(0);
    });

    it('in a transaction, other statements fail with ConnectionBusy until it is closed', async () => {
      const { pool, log } = streaming();
      await pool.runInteraction(async (tx) => {
        const stream = tx.stream('select', [], { pageSize: 2 });
        await stream.next();
        const busy = outcome(tx.execute('other'));
        expect(busy.error).to.be.instanceOf(ConnectionBusy);
        await stream.close();
        await tx.execute('other');
      });
      expect(log()).to.deep.equal([
        'begin',
        'select',
        'open 2',
        'page',
        'close pages',
        'other',
        'commit',
      ]);
    });

    it('that its function left open is ended when an interaction fails, and whoever reads on hears of it', async () => {
      const { driver, pool, log } = streaming({ cp_page_size: 2 });
      const wrong = new Error('no more');
      let left: RowStream | undefined;
      const undone = outcome(
        pool.runInteraction(async (tx) => {
          left = tx.stream('select');
          await left.next();
          throw wrong;
        }),
      );
      await settle();
      expect(undone.error).to.equal(wrong);
      const ended = ['begin', 'select', 'open 2', 'page', 'close pages', 'rollback'];
      expect(log()).to.deep.equal(ended);
      // Somebody else has the connection by now, and a stream of their own.
      const gate = new Deferred<void>();
      const other = outcome(
        pool.runInteraction(async (tx) => {
          const stream = tx.stream('select');
          await stream.next();
          await gate;
          await stream.close();
        }),
      );
      await settle();
      const late = await left?.next().catch((error: unknown) => error);
      expect(late).to.be.instanceOf(TransactionDone);
      await left?.close();
      gate.callback();
      await settle();
      expect(other.error).to.equal(undefined);
      expect(other.pending).to.equal(false);
      expect(driver.connections.map(({ destroyed }) => destroyed)).to.deep.equal([false]);
    });

    it('that was read when an interaction ran out of time does no harm to the next one', async () => {
      const { driver, pool, log } = streaming({ cp_page_size: 2 });
      const gate = new Deferred<void>();
      let seen: unknown;
      const late = outcome(
        pool.runInteractionWith({ timeout: 1 }, async (tx) => {
          try {
            for await (const row of tx.stream<{ n: number }>('select')) if (row.n === 1) await gate;
          } catch (error) {
            seen = error;
          }
        }),
      );
      await settle();
      await pass(clock, 1);
      expect(late.error).to.be.instanceOf(StatementTimeout);
      expect(log().slice(-2)).to.deep.equal(['close pages', 'rollback']);
      driver.answer = () => new Deferred<never>();
      const next = outcome(pool.runQuery('slow'));
      gate.callback();
      await settle();
      expect(seen).to.be.instanceOf(TransactionDone);
      expect(next.pending).to.equal(true);
      expect(driver.connections[0]?.destroyed).to.equal(false);
      driver.connections[0]?.break();
    });

    it('that its function forgot keeps an interaction from committing, and the connection is as before', async () => {
      for (const run of ['runInteraction', 'runWithConnection'] as const) {
        const { driver, pool, log } = streaming();
        const done = outcome(
          pool[run](async (cursor: Transaction | Connection) => {
            if ('autocommit' in cursor) cursor.autocommit = true;
            await cursor.stream('select', [], { pageSize: 2 }).next();
          }),
        );
        await settle();
        expect(done.error).to.be.instanceOf(ConnectionBusy);
        expect(log()).to.include('close pages');
        expect(pool.stats()).to.include({ busy: 0, open: 1 });
        await pool.runWithConnection((connection) => connection.execute('other'));
        expect(driver.connections).to.have.length(1);
      }
    });

    it('that cp_openfun left open is ended', async () => {
      const { pool, log } = streaming({
        cp_openfun: async (connection: Connection) => {
          await connection.stream('select', [], { pageSize: 2 }).next();
        },
      });
      await pool.runInteraction((tx) => tx.execute('a'));
      const opened = ['select', 'open 2', 'page', 'close pages'];
      expect(log()).to.deep.equal([...opened, 'begin', 'a', 'commit']);
    });

    it('that cannot be ended in time costs the connection, not the one who waits for it', async () => {
      const { driver, pool } = streaming({ cp_connect_timeout: 2 });
      const never = new Deferred<never>();
      const undone = outcome(
        pool.runInteraction(async (tx) => {
          const connection = driver.connections[0];
          if (connection !== undefined) {
            connection.stream = async () => ({ next: () => [{ n: 1 }], close: () => never });
          }
          await tx.stream('select').next();
          throw new Error('no more');
        }),
      );
      await settle();
      expect(undone.pending).to.equal(true);
      await pass(clock, 2);
      expect(undone.error?.message).to.equal('no more');
      expect(driver.connections[0]?.destroyed).to.equal(true);
    });

    it('two at once: the second fails with ConnectionBusy, the first goes on', async () => {
      const { driver, pool } = streaming({ cp_page_size: 2 });
      const seen = await pool.runInteraction(async (tx) => {
        const first = tx.stream<{ n: number }>('select');
        const second = tx.stream('select');
        const [one, two] = await Promise.allSettled([first.next(), second.next()]);
        const rest: number[] = [];
        for await (const { n } of first) rest.push(n);
        return [one.status, two.status === 'rejected' ? two.reason : two.status, rest];
      });
      expect(seen[0]).to.equal('fulfilled');
      expect(seen[1]).to.be.instanceOf(ConnectionBusy);
      expect(seen[2]).to.deep.equal([1, 2, 3, 4]);
      expect(driver.connections[0]?.destroyed).to.equal(false);
    });

    it('does not begin when its turn comes after the end of its transaction', async () => {
      const { driver, pool, log } = streaming();
      const gate = new Deferred<never[]>();
      driver.answer = (sql) => (sql === 'slow' ? gate : rows);
      const late: Promise<unknown>[] = [];
      const undone = outcome(
        pool.runInteraction((tx) => {
          tx.execute('slow').addErrback(() => {});
          const next = tx.stream('select').next();
          late.push(next.catch((error: unknown) => error));
          throw new Error('no more');
        }),
      );
      await settle();
      gate.callback([]);
      await settle();
      expect(undone.error?.message).to.equal('no more');
      expect(await late[0]).to.be.instanceOf(TransactionDone);
      expect(log()).to.deep.equal(['begin', 'slow', 'rollback']);
      expect(driver.connections[0]?.destroyed).to.equal(false);
    });

    it('does not begin in a transaction that the database has ended by itself', async () => {
      const { driver, pool, log } = streaming();
      const call = outcome(
        pool.runInteraction(async (tx) => {
          const [connection] = driver.connections;
          if (connection) connection.inTransaction = false;
          await tx.stream('select').next();
        }),
      );
      await settle();
      expect(call.error).to.be.instanceOf(TransactionDone);
      expect(log()).to.deep.equal(['begin']);
    });

    it('throws at once for what cannot be a statement, parameters, or the size of a page', async () => {
      const { pool } = streaming();
      const stream = pool.stream as (...args: unknown[]) => unknown;
      expect(() => stream.call(pool, 5)).to.throw(TypeError, 'Cannot run 5');
      expect(() => stream.call(pool, 'select', 5)).to.throw(TypeError, 'Cannot bind a number');
      for (const pageSize of [0, -1, 1.5, Number.POSITIVE_INFINITY]) {
        expect(() => pool.stream('select', [], { pageSize })).to.throw(RangeError, 'pageSize');
      }
      expect(() => pool.stream('select', [], { pageSize: Number.NaN })).to.throw(TypeError);
      await pool.runInteraction((tx) => {
        expect(() => tx.stream('select', [], { pageSize: 0 })).to.throw(RangeError, 'pageSize');
      });
    });

    it('toObservable() waits with the next row until the one before is done with', async () => {
      const { pool, log } = streaming({ cp_page_size: 2 });
      const gates: Deferred<string>[] = [];
      const seen: string[] = [];
      let complete = false;
      pool
        .stream<{ n: number }>('select')
        .toObservable(() => {
          const gate = new Deferred<string>();
          gates.push(gate);
          return gate;
        })
        .subscribe({
          next: (value) => seen.push(value),
          complete: () => {
            complete = true;
          },
        });
      await settle();
      expect(gates).to.have.length(1);
      gates[0]?.callback('first');
      await settle();
      expect(seen).to.deep.equal(['first']);
      expect(gates).to.have.length(2);
      expect(log().filter((line) => line === 'page')).to.have.length(1);
      for (let n = 1; n < 5; n++) {
        gates[n]?.callback(`row ${n}`);
        await settle();
      }
      expect(seen).to.have.length(5);
      expect(complete).to.equal(true);
    });

    it('toObservable() ends the statement when it is unsubscribed from', async () => {
      const { pool, log } = streaming({ cp_page_size: 2 });
      const subscription = pool
        .stream('select')
        .toObservable(() => new Deferred())
        .subscribe();
      await settle();
      subscription.unsubscribe();
      await settle();
      expect(log().at(-1)).to.equal('close pages');
      expect(pool.stats().busy).to.equal(0);
    });
  });
});

/** The same, cancelled. */
function cancelled<T>(deferred: Deferred<T>): Deferred<T> {
  deferred.cancel();
  return deferred;
}
