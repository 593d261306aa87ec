/** What holds for every driver: one suite, run against each database as it really is. */
import { expect } from 'chai';
import {
  type ConnectionPool,
  type PoolOptions,
  type RowStream,
  StatementTimeout,
  TransactionDone,
} from '../../src/adbapi/index.ts';
import { CancelledError } from '../../src/deferred/index.ts';

/** A database to run the suite against. */
export interface DriverWorld {
  readonly name: string;
  /** A pool on the database; its tables are the suite's, and are dropped by it. */
  makePool(options?: PoolOptions): ConnectionPool;
  /** The placeholder of the nth parameter, from 1. */
  placeholder(n: number): string;
  readonly types: {
    /** A column that numbers rows by itself. */
    readonly id: string;
    readonly text: string;
    readonly bytes: string;
    readonly real: string;
    readonly integer: string;
  };
  /** What comes after `create table (...)`. */
  readonly tableSuffix?: string;
  /** A statement that runs about that long, in seconds, and can be had by a query. */
  sleep(seconds: number): string;
  /** A statement that gives the numbers from 1 to `count` as `n`, one a row. */
  numbers(count: number): string;
  /** How many connections may be open at a time. */
  readonly connections: number;
  /** Whether the database tells the key of a new row without being asked. */
  readonly tellsLastRowId: boolean;
  /** A transaction that works on `rows` beside one that does so too fails with a conflict that retries mend. */
  readonly transferOptions?: { readonly retries: number; readonly isolation?: 'serializable' };
}

const caught = (error: unknown): Error => error as Error;

async function failureOf(thenable: PromiseLike<unknown>): Promise<Error> {
  let value: unknown;
  try {
    value = await thenable;
  } catch (error) {
    return caught(error);
  }
  throw new Error(`Expected a failure, got ${JSON.stringify(value)}`);
}

export function driverSuite(world: DriverWorld): void {
  const { types, tableSuffix = '' } = world;
  const p = (n: number): string => world.placeholder(n);
  const fill = (count: number): string =>
    Array.from({ length: count }, (_, n) => p(n + 1)).join(', ');

  describe(`A pool on ${world.name}`, () => {
    let pool: ConnectionPool;
    const others: ConnectionPool[] = [];

    function make(options: PoolOptions = {}): ConnectionPool {
      const other = world.makePool(options);
      others.push(other);
      return other;
    }

    before(async () => {
      pool = world.makePool({ cp_min: 0, cp_max: world.connections });
      await pool.runOperation('drop table if exists things');
      await pool.runOperation('drop table if exists accounts');
      await pool.runOperation(
        `create table things (id ${types.id}, name ${types.text}, bytes ${types.bytes}, amount ${types.real}, n ${types.integer})${tableSuffix}`,
      );
      await pool.runOperation(
        `create table accounts (id ${types.integer} primary key, balance ${types.integer})${tableSuffix}`,
      );
    });

    beforeEach(async () => {
      await pool.runOperation('delete from things');
    });

    afterEach(async () => {
      for (const other of others.splice(0)) await other.close();
      expect(pool.stats()).to.include({ busy: 0, waiting: 0 });
    });

    after(async () => {
      await pool.runOperation('drop table things');
      await pool.runOperation('drop table accounts');
      await pool.close();
    });

    const insert = `insert into things (name, n) values (${fill(2)})`;
    const count = async (): Promise<number> =>
      Number((await pool.runQuery('select count(*) as c from things'))[0]?.['c']);

    describe('values', () => {
      it('come back as they went: text, bytes, fractions, whole numbers, null', async () => {
        const bytes = Buffer.from([0, 1, 127, 128, 255]);
        const text = 'Ärger\'s \u{1f600} "quoted" \\ and\nlines';
        await pool.runOperation(`insert into things (name, bytes, amount, n) values (${fill(4)})`, [
          text,
          bytes,
          0.1,
          2_147_483_647,
        ]);
        const [row] = await pool.runQuery('select name, bytes, amount, n from things');
        expect(row?.['name']).to.equal(text);
        expect(Buffer.isBuffer(row?.['bytes'])).to.equal(true);
        expect(bytes.equals(row?.['bytes'] as Buffer)).to.equal(true);
        expect(Number(row?.['amount'])).to.equal(0.1);
        expect(Number(row?.['n'])).to.equal(2_147_483_647);
        await pool.runOperation('update things set name = null, bytes = null');
        const [empty] = await pool.runQuery('select name, bytes from things');
        expect(empty).to.deep.equal({ name: null, bytes: null });
      });

      it('are sent as values, whatever they hold: nothing of them is taken for SQL', async () => {
        const evil = "x'); drop table things; --";
        await pool.runOperation(insert, [evil, 1]);
        const rows = await pool.runQuery(`select n from things where name = ${p(1)}`, [evil]);
        expect(rows).to.have.length(1);
      });

      it('runQuery() gives no rows where there are none, and runOperation() gives nothing', async () => {
        expect(await pool.runQuery('select * from things')).to.deep.equal([]);
        expect(await pool.runOperation(insert, ['a', 1])).to.equal(undefined);
      });
    });

    describe("bad input fails with the library's error, and the connection stays usable", () => {
      const one = { cp_min: 0, cp_max: 1 };

      async function fails(run: (single: ConnectionPool) => PromiseLike<unknown>): Promise<Error> {
        const single = make(one);
        const error = await failureOf(run(single));
        await single.runQuery('select 1 as one');
        expect(single.stats()).to.include({ open: 1, opened: 1 });
        return error;
      }

      it('SQL that does not parse', async () => {
        const error = await fails((single) => single.runQuery('selct 1'));
        expect(error.message).to.match(/selct/);
      });

      it('a table that is not there, in a transaction too', async () => {
        const error = await fails((single) =>
          single.runInteraction((tx) => tx.execute('select * from nowhere')),
        );
        expect(error.message).to.match(/nowhere/);
      });

      it('too few parameters', async () => {
        await fails((single) =>
          single.runQuery(`select n from things where n = ${p(1)} and name = ${p(2)}`, [1]),
        );
      });

      it('too many parameters', async () => {
        await fails((single) =>
          single.runQuery(`select n from things where n = ${p(1)}`, [1, 'one too many']),
        );
      });

      it('parameters by name, where there are none, and no list', async () => {
        const sql = `select n from things where n = ${p(1)}`;
        await fails(async (single) => {
          await failureOf(single.runQuery(sql, { n: 1 }));
          for (const wrong of ['secret', 7, null]) {
            const params = wrong as unknown as unknown[];
            const error = await failureOf(single.runQuery(sql, params));
            expect(error).to.be.instanceOf(TypeError);
            expect(error.message).to.match(/^Cannot bind (a string|a number|null) as parameters/);
            await failureOf(single.runInteraction((tx) => tx.execute(sql, params)));
            await failureOf(single.runInteraction((tx) => tx.executemany(sql, [params])));
          }
          throw new Error('All failed');
        });
      });

      it('a value that cannot be sent', async () => {
        await fails((single) =>
          single.runQuery(`select n from things where name = ${p(1)}`, [Symbol('no')]),
        );
      });
    });

    describe('transactions', () => {
      it('take effect together, or not at all', async () => {
        await pool.runInteraction(async (tx) => {
          await tx.execute(insert, ['a', 1]);
          await tx.execute(insert, ['b', 2]);
          expect(tx.rowcount).to.equal(1);
          if (world.tellsLastRowId) expect(Number(tx.lastrowid)).to.be.above(0);
        });
        expect(await count()).to.equal(2);
        const error = await failureOf(
          pool.runInteraction(async (tx) => {
            await tx.execute('delete from things');
            throw new Error('changed my mind');
          }),
        );
        expect(error.message).to.equal('changed my mind');
        expect(await count()).to.equal(2);
      });

      it('a savepoint undoes its part only, and nests', async () => {
        await pool.runInteraction(async (tx) => {
          await tx.execute(insert, ['kept', 1]);
          await tx
            .savepoint(async (inner) => {
              await inner.execute(insert, ['undone', 2]);
              await inner.savepoint((innermost) => innermost.execute(insert, ['undone too', 3]));
              await inner.execute('select * from nowhere');
            })
            .addErrback(() => null);
          await tx.savepoint((inner) => inner.execute(insert, ['kept too', 4]));
        });
        const rows = await pool.runQuery<{ name: string }>('select name from things order by n');
        expect(rows.map(({ name }) => name)).to.deep.equal(['kept', 'kept too']);
      });

      it('executemany() runs a statement for each set of parameters', async () => {
        const sets = Array.from({ length: 100 }, (_, n) => [`name ${n}`, n]);
        expect(await pool.runInteraction((tx) => tx.executemany(insert, sets))).to.equal(100);
        const [row] = await pool.runQuery('select count(*) as c, sum(n) as s from things');
        expect([Number(row?.['c']), Number(row?.['s'])]).to.deep.equal([100, 4950]);
      });

      it('that are read-only change nothing, and the connection can write again afterwards', async () => {
        const single = make({ cp_min: 0, cp_max: 1 });
        await failureOf(
          single.runInteractionWith({ readOnly: true }, (tx) => tx.execute(insert, ['no', 1])),
        );
        expect(await count()).to.equal(0);
        await single.runInteraction((tx) => tx.execute(insert, ['yes', 1]));
        expect(await count()).to.equal(1);
      });

      it('runWithConnection() commits what was not, and rolls back when its function throws', async () => {
        await pool.runWithConnection(async (connection) => {
          await connection.execute(insert, ['a', 1]);
          await connection.commit();
          await connection.execute(insert, ['b', 2]);
          await connection.rollback();
          await connection.execute(insert, ['c', 3]);
        });
        await failureOf(
          pool.runWithConnection(async (connection) => {
            await connection.execute(insert, ['d', 4]);
            throw new Error('no');
          }),
        );
        const rows = await pool.runQuery<{ name: string }>('select name from things order by n');
        expect(rows.map(({ name }) => name)).to.deep.equal(['a', 'c']);
      });

      it('a transaction cannot be used after its end', async () => {
        const late = await pool.runInteraction((tx) => [tx]);
        expect(await failureOf(late[0]?.execute('select 1') ?? Promise.resolve())).to.be.instanceOf(
          TransactionDone,
        );
      });
    });

    describe('streams', () => {
      it('give every row once and in order, whatever the size of the page', async () => {
        for (const pageSize of [1, 7, 1000]) {
          let next = 1;
          for await (const row of pool.stream(world.numbers(500), [], { pageSize })) {
            expect(Number(row['n'])).to.equal(next++);
          }
          expect(next).to.equal(501);
        }
      });

      it('can be left early, and the connection goes on', async () => {
        const single = make({ cp_min: 0, cp_max: 1 });
        for await (const row of single.stream(world.numbers(10_000), [], { pageSize: 10 })) {
          if (Number(row['n']) === 25) break;
        }
        expect(await single.runQuery('select 1 as one')).to.have.length(1);
        expect(single.stats().opened).to.equal(1);
      });

      it('left open by an interaction that fails are ended, and the connection goes on', async () => {
        const single = make({ cp_min: 0, cp_max: 1 });
        let left: RowStream | undefined;
        const undone = single.runInteraction(async (tx) => {
          await tx.execute(insert, ['a', 1]);
          left = tx.stream(world.numbers(10_000), [], { pageSize: 10 });
          await left.next();
          throw new Error('no more');
        });
        expect((await failureOf(undone)).message).to.equal('no more');
        await single.runOperation(insert, ['b', 2]);
        for (let row = 1; row < 10; row++) await left?.next().catch(() => {});
        expect(await failureOf(left?.next() ?? Promise.resolve())).to.be.instanceOf(
          TransactionDone,
        );
        expect(await single.runQuery('select name from things')).to.deep.equal([{ name: 'b' }]);
        expect(single.stats().opened).to.equal(1);
      });

      it("work in a transaction, and fail with the statement's error", async () => {
        await pool.runInteraction(async (tx) => {
          await tx.execute(insert, ['a', 1]);
          const names: unknown[] = [];
          for await (const row of tx.stream('select name from things')) names.push(row['name']);
          expect(names).to.deep.equal(['a']);
        });
        const error = await failureOf(pool.stream('select * from nowhere').next());
        expect(error.message).to.match(/nowhere/);
      });
    });

    describe('many at once', () => {
      it('every call gets its own answer', async () => {
        const sums = await Promise.all(
          Array.from({ length: 200 }, async (_, n) => {
            const [row] = await pool.runQuery(
              `select n, name from things where n = ${p(1)} or n is null`,
              [n],
            );
            const [sum] = await pool.runQuery(`select ${n} + 1 as s`);
            return [row, Number(sum?.['s'])];
          }),
        );
        expect(sums).to.deep.equal(Array.from({ length: 200 }, (_, n) => [undefined, n + 1]));
      });

      it('no transfer is lost: the sum is exact', async function () {
        this.timeout(60_000);
        const accounts = 5;
        await pool.runOperation('delete from accounts');
        await pool.runInteraction((tx) =>
          tx.executemany(
            `insert into accounts (id, balance) values (${fill(2)})`,
            Array.from({ length: accounts }, (_, id) => [id, 1000]),
          ),
        );
        const transfer = (from: number, to: number, amount: number) =>
          pool.runInteractionWith(world.transferOptions ?? { retries: 20 }, async (tx) => {
            const [row] = await tx.execute(`select balance from accounts where id = ${p(1)}`, [
              from,
            ]);
            const balance = Number(row?.['balance']);
            if (balance < amount) throw new Error('not enough');
            const change = `update accounts set balance = balance + ${p(1)} where id = ${p(2)}`;
            await tx.execute(change, [-amount, from]);
            await tx.execute(change, [amount, to]);
          });
        let refused = 0;
        const writer = async (seed: number): Promise<void> => {
          for (let n = 0; n < 40; n++) {
            const from = (seed + n) % accounts;
            const to = (from + 1 + ((seed * n) % (accounts - 1))) % accounts;
            await transfer(from, to, 1 + ((seed * 7 + n * 13) % 400)).addErrback((failure) => {
              if (failure.getErrorMessage() !== 'not enough') return failure;
              refused += 1;
              return undefined;
            });
          }
        };
        await Promise.all([1, 2, 3, 4].map(writer));
        const [row] = await pool.runQuery(
          'select sum(balance) as s, min(balance) as m from accounts',
        );
        expect(Number(row?.['s'])).to.equal(accounts * 1000);
        expect(Number(row?.['m'])).to.be.at.least(0);
        expect(refused).to.be.below(160);
      });
    });

    describe('stopping', () => {
      it('a statement that takes longer than it may fails with StatementTimeout, and the pool goes on', async () => {
        const single = make({ cp_min: 0, cp_max: 1 });
        const error = await failureOf(single.runQuery(world.sleep(2), [], { timeout: 0.2 }));
        expect(error).to.be.instanceOf(StatementTimeout);
        await single.runQuery('select 1 as one');
      });

      it('a statement that is cancelled fails at once, and the pool goes on', async () => {
        const single = make({ cp_min: 0, cp_max: 1 });
        await single.runQuery('select 1 as one');
        const query = single.runQuery(world.sleep(2));
        const failure = failureOf(query);
        await single
          .runQuery('select 1 as one', [])
          .addErrback(() => {})
          .cancel();
        query.cancel();
        expect(await failure).to.be.instanceOf(CancelledError);
        await single.runQuery('select 1 as one');
      });

      it('an interaction that is cancelled is undone', async () => {
        const other = make({ cp_min: 0, cp_max: 1 });
        let begun: () => void = () => {};
        const inside = new Promise<void>((resolve) => {
          begun = resolve;
        });
        const interaction = other.runInteraction(async (tx) => {
          await tx.execute(insert, ['undone', 1]);
          begun();
          await new Promise(() => {});
        });
        const failure = failureOf(interaction);
        await inside;
        interaction.cancel();
        expect(await failure).to.be.instanceOf(CancelledError);
        await other.runQuery('select 1 as one');
        expect(await count()).to.equal(0);
      });

      it('close() waits for what runs', async () => {
        const other = make({ cp_min: 0, cp_max: 1 });
        const interaction = other.runInteraction(async (tx) => {
          await tx.execute(world.sleep(0.1));
          await tx.execute(insert, ['last', 1]);
        });
        await other.close();
        await interaction;
        expect(await count()).to.equal(1);
      });
    });
  });
}
