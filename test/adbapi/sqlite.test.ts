import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { type Connection, ConnectionPool, type PoolOptions } from '../../src/adbapi/index.ts';
import { type DriverWorld, driverSuite } from './conformance.ts';
import { transferMoney } from './transfers.ts';

const world = (name: string, filename: () => string, connections: number): DriverWorld => ({
  name,
  makePool: (options = {}) => new ConnectionPool('sqlite', { filename: filename(), ...options }),
  placeholder: () => '?',
  types: {
    id: 'integer primary key',
    text: 'text',
    bytes: 'blob',
    real: 'real',
    integer: 'integer',
  },
  sleep: (seconds) =>
    `with recursive c(x) as (select 1 union all select x + 1 from c where x < ${Math.round(seconds * 4e6)}) select count(*) as c from c`,
  numbers: (count) =>
    `with recursive c(n) as (select 1 union all select n + 1 from c where n < ${count}) select n from c`,
  connections,
  tellsLastRowId: true,
});

describe('The sqlite driver', function () {
  this.timeout(30_000);
  let folder: string;
  const pools: ConnectionPool[] = [];

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'strand-sqlite-'));
  });

  afterEach(async () => {
    for (const pool of pools.splice(0)) await pool.close();
  });

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function open(options: PoolOptions & Record<string, unknown>): ConnectionPool {
    const pool = new ConnectionPool('sqlite', { cp_min: 0, ...options });
    pools.push(pool);
    return pool;
  }

  it('columns and parameters may have the names that every object has', async () => {
    const pool = open({ filename: ':memory:' });
    const [row] = await pool.runQuery(`select x'01' as "__proto__", 2 as "constructor"`);
    expect(Object.keys(row ?? {})).to.deep.equal(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(row)).to.equal(Object.prototype);
    const missing = await failureOf(pool.runQuery('select :constructor', {}));
    expect(missing.message).to.include('Missing named parameter');
    const given = await pool.runQuery('select :constructor as it', { constructor: 1 });
    expect(given).to.deep.equal([{ it: 1 }]);
  });

  it('a stream that is cut off in the middle of a page does not keep a database in memory busy', async () => {
    const pool = open({ filename: ':memory:' });
    await pool.runOperation('create table t (n)');
    const rows = `with recursive c(n) as (select 1 union all select n + 1 from c where n < 3000000)
      select n from c where n < 3 or n > 2999000`;
    let cut = (): void => {};
    const cutting = pool.runInteraction(async (tx) => {
      const stream = tx.stream(rows, [], { pageSize: 2 });
      await stream.next();
      await stream.next();
      const last = stream.next();
      setImmediate(() => cut());
      await last;
    });
    cut = () => cutting.cancel();
    await failureOf(cutting);
    await pool.runOperation('insert into t values (1)');
    expect(await pool.runQuery('select n from t')).to.deep.equal([{ n: 1 }]);
  });

  async function failureOf(thenable: PromiseLike<unknown>): Promise<Error> {
    try {
      await thenable;
    } catch (error) {
      return error as Error;
    }
    throw new Error('Expected a failure');
  }

  driverSuite(world('a SQLite file', () => join(folder, 'suite.db'), 3));

  describe(':memory:', () => {
    it('is one database, for all calls at once, and survives what a file would', async () => {
      const pool = open({ filename: ':memory:', cp_max: 5, cp_max_uses: 1 });
      await pool.runOperation('create table t (n integer)');
      await Promise.all(
        Array.from({ length: 20 }, (_, n) => pool.runOperation('insert into t values (?)', [n])),
      );
      expect(await pool.runQuery('select sum(n) as s from t')).to.deep.equal([{ s: 190 }]);
      expect(pool.stats().max).to.equal(1);
      expect(pool.stats().closed).to.be.above(1);
    });

    it('keeps its data when a statement is cancelled', async () => {
      const pool = open({ filename: ':memory:' });
      await pool.runOperation('create table t (n integer)');
      await pool.runOperation('insert into t values (1)');
      const long = pool.runQuery(world('', () => '', 1).sleep(0.3), [], { timeout: 0.02 });
      await failureOf(long);
      expect(await pool.runQuery('select n from t')).to.deep.equal([{ n: 1 }]);
    });

    it('undoes what an interaction did whose statement was cancelled', async () => {
      const pool = open({ filename: ':memory:' });
      await pool.runOperation('create table t (n integer)');
      const error = await failureOf(
        pool.runInteraction(async (tx) => {
          await tx.execute('insert into t values (1)');
          await tx.execute(world('', () => '', 1).sleep(0.3), [], { timeout: 0.02 });
        }),
      );
      expect(error.name).to.equal('StatementTimeout');
      expect(await pool.runQuery('select n from t')).to.deep.equal([]);
    });
  });

  describe('a file', () => {
    it('is shared by the connections, of which readers do not wait for a writer', async () => {
      const pool = open({ filename: join(folder, 'wal.db'), cp_max: 2 });
      await pool.runOperation('create table t (n integer)');
      await pool.runInteraction(async (tx) => {
        await tx.execute('insert into t values (1)');
        expect(await pool.runQuery('select n from t')).to.deep.equal([]);
      });
      expect(await pool.runQuery('select n from t')).to.deep.equal([{ n: 1 }]);
      expect(await pool.runQuery('pragma journal_mode')).to.deep.equal([{ journal_mode: 'wal' }]);
    });

    it('can be named by a URL, and opened for reading only', async () => {
      const path = join(folder, 'url.db');
      await open({ filename: pathToFileURL(path) }).runOperation('create table t (n integer)');
      const reader = open({ filename: pathToFileURL(path).href, readonly: true });
      expect(await reader.runQuery('select * from t')).to.deep.equal([]);
      expect((await failureOf(reader.runOperation('insert into t values (1)'))).message).to.match(
        /readonly/,
      );
      await reader.runInteraction((tx) => tx.execute('select * from t'));
    });

    it("that cannot be opened, or is no database, fails at once with the library's error", async () => {
      const nowhere = open({ filename: join(folder, 'no', 'such', 'folder.db') });
      expect((await failureOf(nowhere.runQuery('select 1'))).message).to.match(/open/);
      const path = join(folder, 'text.db');
      writeFileSync(
        path,
        'This is text and no database, and it is long enough to be looked at. '.repeat(40),
      );
      const text = open({ filename: path });
      expect((await failureOf(text.runQuery('select * from t'))).message).to.match(
        /not a database/,
      );
    });

    it('that is full fails the transaction, undoes it, and goes on when there is room', async () => {
      const pool = open({ filename: join(folder, 'full.db'), cp_max: 1 });
      await pool.runOperation('create table t (b blob)');
      await pool.runQuery('pragma max_page_count = 20');
      const error = await failureOf(
        pool.runInteraction(async (tx) => {
          await tx.execute('insert into t values (zeroblob(100))');
          await tx.execute('insert into t values (zeroblob(200000))');
        }),
      );
      expect(error.message).to.match(/full/);
      expect(await pool.runQuery('select count(*) as c from t')).to.deep.equal([{ c: 0 }]);
      await pool.runQuery('pragma max_page_count = 10000');
      await pool.runInteraction((tx) => tx.execute('insert into t values (zeroblob(200000))'));
      expect(await pool.runQuery('select count(*) as c from t')).to.deep.equal([{ c: 1 }]);
    });

    it('that another one has locked is waited for, `timeout` long, and then lost against as a conflict', async () => {
      const path = join(folder, 'locked.db');
      const holder = open({ filename: path, cp_max: 1 });
      await holder.runOperation('create table t (n integer)');
      const impatient = open({ filename: path, cp_max: 1, timeout: 0.05 });
      let release: () => void = () => {};
      let held: () => void = () => {};
      const holding = new Promise<void>((resolve) => {
        held = resolve;
      });
      const interaction = holder.runInteraction(async (tx) => {
        await tx.execute('insert into t values (1)');
        held();
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      });
      await holding;
      const error = await failureOf(impatient.runOperation('insert into t values (2)'));
      expect(error.message).to.match(/locked/);
      const patient = impatient.runInteractionWith({ retries: 50 }, async (tx) =>
        tx.execute('insert into t values (3)'),
      );
      release();
      await interaction;
      await patient;
      expect(await holder.runQuery('select n from t order by n')).to.deep.equal([
        { n: 1 },
        { n: 3 },
      ]);
    });
  });

  describe('faults', () => {
    it('20,000 transfers of 8 writers, threads ended at random: none is lost, none is done twice, and nothing leaks', async function () {
      this.timeout(120_000);
      const threads = new Set<Worker>();
      const watch = (thread: Worker): void => {
        threads.add(thread);
        thread.once('exit', () => threads.delete(thread));
      };
      process.on('worker', watch);
      try {
        const pool = open({
          filename: join(folder, 'transfers.db'),
          ...{ cp_min: 3, cp_max: 3, cp_retries: 20 },
          // A thread that ends is no loss of power, and the disk of the tests is not what is tried.
          synchronous: 'off',
        });
        const lost = await transferMoney(
          pool,
          () => '?',
          20_000,
          12,
          () => Promise.all([...threads].map((thread) => thread.terminate())),
        );
        expect(lost).to.be.at.least(12);
        expect(pool.stats().lost).to.be.at.least(12);
        expect(pool.stats().open).to.be.at.most(3);
        await pool.close();
        expect(threads.size).to.equal(0);
      } finally {
        process.off('worker', watch);
      }
    });

    it('a running statement that is cancelled frees its caller and its place at once; its thread ends by itself, and undoes what it did', async () => {
      const threads = new Set<Worker>();
      const watch = (thread: Worker): void => {
        threads.add(thread);
        thread.once('exit', () => threads.delete(thread));
      };
      process.on('worker', watch);
      try {
        const filename = join(folder, 'cancelled.db');
        // With a small cache, what is written reaches the log long before the end of the statement.
        const openfun = (connection: Connection) => connection.execute('pragma cache_size = 5');
        const pool = open({ filename, cp_max: 1, cp_openfun: openfun });
        await pool.runOperation('create table t (n integer)');
        const size = (): number => statSync(`${filename}-wal`).size;
        const before = size();
        const long = `insert into t ${world('', () => '', 1).numbers(3_000_000)}`;
        const call = pool.runInteraction((tx) => tx.execute(long));
        const failed = failureOf(call);
        const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
        while (size() === before) await turn();
        call.cancel();
        expect((await failed).name).to.equal('CancelledError');
        await turn();
        expect(pool.stats()).to.include({ open: 0, busy: 0, lost: 1 });
        // Beside the one that still computes: readers do not wait for it.
        expect(await pool.runQuery('select n from t')).to.deep.equal([]);
        expect(threads.size).to.equal(2);
        await pool.runOperation('insert into t values (2)');
        expect(await pool.runQuery('select n from t')).to.deep.equal([{ n: 2 }]);
        expect(threads.size).to.equal(1);
        expect(pool.stats()).to.include({ open: 1, opened: 2 });
      } finally {
        process.off('worker', watch);
      }
    });

    it('waits for a lock that a thread left behind which could not be interrupted', async () => {
      const pool = open({ filename: join(folder, 'stuck.db'), cp_max: 2 });
      await pool.runOperation('create table t (n integer)');
      const stuck = pool.runInteraction(async (tx) => {
        await tx.execute('insert into t values (1)');
        await tx.execute(world('', () => '', 1).sleep(0.5), [], { timeout: 0.05 });
      });
      expect((await failureOf(stuck)).name).to.equal('StatementTimeout');
      await pool.runOperation('insert into t values (2)');
      expect(await pool.runQuery('select n from t')).to.deep.equal([{ n: 2 }]);
    });
  });

  describe('statements', () => {
    it('may have their parameters by name, and booleans, which SQLite has as numbers', async () => {
      const pool = open({ filename: ':memory:' });
      expect(
        await pool.runQuery('select :a as a, @b as b, $c as c', { a: 1, b: 'two', c: true }),
      ).to.deep.equal([{ a: 1, b: 'two', c: 1 }]);
      expect((await failureOf(pool.runQuery('select :a, :b', { a: 1 }))).message).to.equal(
        'Missing named parameter "b"',
      );
      expect(await pool.runQuery('select ? as yes, ? as no', [true, false])).to.deep.equal([
        { yes: 1, no: 0 },
      ]);
    });

    it('refuse too many parameters and more than one statement', async () => {
      const pool = open({ filename: ':memory:' });
      expect((await failureOf(pool.runQuery('select ?', [1, 2]))).message).to.match(
        /^Too many parameter values/,
      );
      expect((await failureOf(pool.runQuery('select 1; select 2'))).message).to.match(
        /more than one statement/,
      );
      expect(await pool.runQuery('select 1 as one; -- that is all')).to.deep.equal([{ one: 1 }]);
    });

    it('give whole numbers that do not fit a number as bigints, exactly', async () => {
      const pool = open({ filename: ':memory:' });
      const big = 9_007_199_254_740_993n;
      await pool.runOperation('create table t (n integer)');
      await pool.runOperation('insert into t values (?)', [big]);
      expect(await pool.runQuery('select n, 5 as five, 1e300 as huge from t')).to.deep.equal([
        { n: big, five: 5, huge: 1e300 },
      ]);
      expect(
        await pool.runQuery('insert into t values (7) returning n, ? as b', [big]),
      ).to.deep.equal([{ n: 7, b: big }]);
      const rows: unknown[] = [];
      for await (const row of pool.stream('select n from t order by n')) rows.push(row['n']);
      expect(rows).to.deep.equal([7, big]);
    });

    it('see changes of the schema, by other connections too', async () => {
      const pool = open({ filename: join(folder, 'schema.db'), cp_max: 2 });
      await pool.runOperation('create table t (a integer)');
      await pool.runOperation('insert into t values (1)');
      const both = (): Promise<unknown[]> =>
        Promise.all([
          pool.runInteraction((tx) => tx.execute('select * from t')),
          pool.runInteractionWith({ readOnly: true }, (tx) => tx.execute('select * from t')),
        ]);
      expect(await both()).to.deep.equal([[{ a: 1 }], [{ a: 1 }]]);
      await pool.runOperation('alter table t rename column a to b');
      expect(await both()).to.deep.equal([[{ b: 1 }], [{ b: 1 }]]);
    });

    it('tell the key of a new row', async () => {
      const pool = open({ filename: ':memory:' });
      await pool.runOperation('create table t (id integer primary key, n integer)');
      await pool.runInteraction(async (tx) => {
        await tx.execute('insert into t (n) values (5)');
        expect([tx.lastrowid, tx.rowcount]).to.deep.equal([1, 1]);
        await tx.execute('update t set n = n + 1');
        expect([tx.lastrowid, tx.rowcount]).to.deep.equal([null, 1]);
      });
    });

    it('do not hold up those beside them: a short one is answered while a long one runs', async () => {
      const pool = open({ filename: join(folder, 'beside.db'), cp_min: 2, cp_max: 2 });
      await pool.runOperation('create table t (id integer primary key)');
      while (pool.stats().idle < 2) await new Promise<void>((resolve) => setImmediate(resolve));
      const order: string[] = [];
      const long = pool
        .runQuery(world('', () => '', 1).sleep(0.5))
        .addCallback(() => order.push('long'));
      const short = Array.from({ length: 20 }, () =>
        pool.runQuery('select id from t where id = ?', [1]).addCallback(() => order.push('short')),
      );
      await Promise.all([long, ...short]);
      expect(order.at(-1)).to.equal('long');
    });
  });

  describe('options', () => {
    it('that are unknown, missing or impossible are refused with the reason', async () => {
      const cases: ReadonlyArray<readonly [Record<string, unknown>, RegExp]> = [
        [{}, /option filename is missing: expected a path or ':memory:'/],
        [{ filename: 5 }, /option filename of sqlite: 5: expected a path/],
        [
          { filename: ':memory:', constructor: 'x' },
          /option constructor of sqlite: unknown; known are filename, readonly/,
        ],
        [
          JSON.parse('{ "filename": ":memory:", "__proto__": {} }'),
          /option __proto__ of sqlite: unknown; known are filename, readonly/,
        ],
        [
          { filename: ':memory:', file: 'x' },
          /option file of sqlite: unknown; known are filename, readonly/,
        ],
        [
          { filename: ':memory:', timeout: -1 },
          /option timeout of sqlite: -1: expected a number of seconds/,
        ],
        [
          { filename: ':memory:', mode: 'eager' },
          /option mode of sqlite: 'eager': expected 'deferred'/,
        ],
      ];
      for (const [options, message] of cases) {
        const error = await failureOf(open(options).runQuery('select 1'));
        expect(error).to.be.instanceOf(TypeError);
        expect(error.message).to.match(message);
      }
    });

    it('of a transaction, likewise', async () => {
      const pool = open({ filename: ':memory:' });
      const error = await failureOf(pool.runInteractionWith({ mode: 'eager' }, () => 1));
      expect(error.message).to.equal(
        "Cannot begin a transaction in mode 'eager': expected deferred, immediate, exclusive",
      );
      expect(await pool.runQuery('select 1 as one')).to.deep.equal([{ one: 1 }]);
    });
  });
});
