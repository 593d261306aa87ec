import { inspect } from 'node:util';
import { expect } from 'chai';
import {
  type Connection,
  ConnectionPool,
  type PoolOptions,
  TransactionDone,
} from '../../src/adbapi/index.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { driverSuite } from './conformance.ts';

describe('The postgres driver', function () {
  this.timeout(60_000);
  let server: PostgresServer;
  const pools: ConnectionPool[] = [];

  before(async function () {
    PostgresServer.needed(this);
    server = await PostgresServer.start();
  });

  afterEach(async () => {
    for (const pool of pools.splice(0)) await pool.close();
  });

  after(() => server?.stop());

  function open(options: PoolOptions & Record<string, unknown> = {}): ConnectionPool {
    const pool = new ConnectionPool('postgres', { cp_min: 0, ...server.options, ...options });
    pools.push(pool);
    return pool;
  }

  driverSuite({
    name: 'PostgreSQL',
    makePool: (options = {}) => new ConnectionPool('postgres', { ...server.options, ...options }),
    placeholder: (n) => `$${n}`,
    types: {
      id: 'serial primary key',
      text: 'text',
      bytes: 'bytea',
      real: 'double precision',
      integer: 'integer',
    },
    sleep: (seconds) => `select pg_sleep(${seconds})`,
    numbers: (count) => `select generate_series(1, ${count}) as n`,
    connections: 5,
    tellsLastRowId: false,
    transferOptions: { retries: 50, isolation: 'serializable' },
  });

  async function failureOf(thenable: PromiseLike<unknown>): Promise<Error> {
    try {
      await thenable;
    } catch (error) {
      return error as Error;
    }
    throw new Error('Expected a failure');
  }

  const SECRET = 'correct-horse';

  describe('passwords', () => {
    before(async () => {
      const pool = new ConnectionPool('postgres', { ...server.options, cp_min: 0 });
      await pool.runOperation(`create role guarded login password '${SECRET}'`);
      await pool.runOperation('create database guarded owner guarded');
      await pool.close();
    });

    const guarded = (password: unknown): ConnectionPool =>
      open({ user: 'guarded', database: 'guarded', password });

    it('let in, as text or from a function', async () => {
      for (const password of [SECRET, () => SECRET, async () => SECRET]) {
        const [row] = await guarded(password).runQuery('select current_user as name');
        expect(row).to.deep.equal({ name: 'guarded' });
      }
    });

    it('that are wrong fail the call at once, and are not in the error', async () => {
      const error = await failureOf(guarded('battery-staple').runQuery('select 1'));
      expect(error.message).to.match(/password authentication failed/);
      expect(inspect(error, { depth: 9, showHidden: true })).not.to.contain('battery-staple');
    });

    it('are not to be seen in a pool, a connection, or what they belong to', async () => {
      const pool = guarded(SECRET);
      const seen = await pool.runWithConnection((connection) => [
        inspect(connection, { depth: 9 }),
        inspect(connection.raw, { depth: 9 }),
      ]);
      expect(seen.join('')).not.to.contain(SECRET);
      expect(inspect(pool, { depth: 9 })).not.to.contain(SECRET);
    });

    it('are not in what is said about options', async () => {
      const wrong = { url: `http://user:${SECRET}@host/` };
      const error = await failureOf(new ConnectionPool('postgres', wrong).runQuery('select 1'));
      expect(error).to.be.instanceOf(TypeError);
      expect(inspect(error, { depth: 9 })).not.to.contain(SECRET);
    });
  });

  it('takes a url', async () => {
    const { user, database, host } = server.options;
    const url = `postgres://${user}@/${database}?host=${encodeURIComponent(host)}`;
    const pool = new ConnectionPool('postgres', { url: url.replace('@/', '@unused/'), cp_min: 0 });
    pools.push(pool);
    expect(await pool.runQuery('select 1 as one')).to.deep.equal([{ one: 1 }]);
  });

  for (const [name, value] of [
    ['port', 0],
    ['ssl', 'yes'],
    ['statements', -1],
    ['hots', 'x'],
  ] as const) {
    it(`refuses option ${name}: ${value}`, async () => {
      const pool = new ConnectionPool('postgres', { [name]: value });
      expect((await failureOf(pool.runQuery('select 1'))).message).to.contain(name);
    });
  }

  describe('statements that the server knows', () => {
    it('go on when their table has changed', async () => {
      const pool = open({ cp_max: 1 });
      await pool.runOperation('create table shapes (a integer)');
      await pool.runOperation('insert into shapes values ($1)', [1]);
      const sql = 'select * from shapes where a = $1';
      expect(await pool.runQuery(sql, [1])).to.deep.equal([{ a: 1 }]);
      await pool.runOperation("alter table shapes add b text default 'new'");
      expect(await pool.runQuery(sql, [1])).to.deep.equal([{ a: 1, b: 'new' }]);
      await pool.runOperation('discard all');
      expect(await pool.runQuery(sql, [1])).to.deep.equal([{ a: 1, b: 'new' }]);
      await pool.runOperation('drop table shapes');
      expect(pool.stats().opened).to.equal(1);
    });

    it('are as many as they may be', async () => {
      const pool = open({ cp_max: 1, statements: 2 });
      for (let n = 0; n < 6; n++) {
        expect(await pool.runQuery(`select $1::integer + ${n} as s`, [1])).to.deep.equal([
          { s: n + 1 },
        ]);
      }
      const [row] = await pool.runQuery(
        'select count(*)::integer as c from pg_prepared_statements',
      );
      expect(row).to.deep.equal({ c: 2 });
    });

    it('are none with statements: 0', async () => {
      const pool = open({ cp_max: 1, statements: 0 });
      expect(await pool.runQuery('select $1::integer as n', [5])).to.deep.equal([{ n: 5 }]);
      expect(await pool.runQuery('select name from pg_prepared_statements')).to.deep.equal([]);
    });
  });

  it('a transaction in which a statement failed cannot be committed', async () => {
    const pool = open({ cp_max: 1 });
    const error = await failureOf(
      pool.runInteraction(async (tx) => {
        await tx.execute('select * from nowhere').addErrback(() => null);
      }),
    );
    expect(error).to.be.instanceOf(TransactionDone);
    expect(pool.stats()).to.include({ open: 1, opened: 1 });
  });

  it('executemany() changes nothing when one set of parameters is wrong, and the connection stays usable', async () => {
    const pool = open({ cp_max: 1 });
    await pool.runOperation('create table sets (n integer)');
    const sql = 'insert into sets values ($1)';
    await failureOf(pool.runInteraction((tx) => tx.executemany(sql, [[1], ['x'], [3]])));
    expect(await pool.runQuery('select * from sets')).to.deep.equal([]);
    expect(await pool.runInteraction((tx) => tx.executemany(sql, [[1], [2]]))).to.equal(2);
    await pool.runOperation('drop table sets');
    expect(pool.stats().opened).to.equal(1);
  });

  describe('a session', () => {
    const zone = "select current_setting('timezone') as zone";

    it('that an interaction has changed is replaced; what cp_openfun did is there again', async () => {
      const pool = open({
        cp_max: 1,
        cp_openfun: (connection: Connection) => connection.execute("set timezone to 'Asia/Tokyo'"),
      });
      await pool.runInteraction((tx) => tx.execute("set timezone to 'Europe/Paris'"));
      expect(await pool.runQuery(zone)).to.deep.equal([{ zone: 'Asia/Tokyo' }]);
      expect(pool.stats().opened).to.equal(2);
    });

    it('whose change ends with its transaction is kept', async () => {
      const pool = open({ cp_max: 1 });
      await pool.runInteraction((tx) => tx.execute("set local timezone to 'Europe/Paris'"));
      const [row] = await pool.runQuery<{ zone: string }>(zone);
      expect(row?.zone).not.to.equal('Europe/Paris');
      expect(pool.stats().opened).to.equal(1);
    });

    it('is kept as it is with resetOnRelease: false', async () => {
      const pool = open({ cp_max: 1, resetOnRelease: false });
      await pool.runInteraction((tx) => tx.execute("set timezone to 'Europe/Paris'"));
      expect(await pool.runQuery(zone)).to.deep.equal([{ zone: 'Europe/Paris' }]);
    });
  });

  it('stopping a statement never stops one that comes later', async () => {
    const pool = open({ cp_max: 1 });
    await pool.runQuery('select 1');
    for (let n = 0; n < 30; n++) {
      const first = pool.runQuery(`select pg_sleep(${(n % 6) / 2000})`);
      first.addErrback(() => {});
      await pool
        .runQuery('select 1', [], { timeout: 0.5 })
        .addErrback(() => {})
        .cancel();
      first.cancel();
      expect(await pool.runQuery('select 1 as one')).to.deep.equal([{ one: 1 }]);
    }
    expect(pool.stats().opened).to.equal(1);
  });

  it('a stream fetches no more than is read, in a transaction and outside of one', async () => {
    const pool = open({ cp_max: 1 });
    const endless = 'select generate_series(1, 2000000000) as n';
    const read = async (stream: AsyncIterable<object>): Promise<void> => {
      let count = 0;
      for await (const _ of stream) if (++count === 25) break;
    };
    await read(pool.stream(endless, [], { pageSize: 10 }));
    await pool.runInteraction(async (tx) => {
      await read(tx.stream(endless, [], { pageSize: 10 }));
      await tx.execute('select 1');
    });
    expect(pool.stats().opened).to.equal(1);
  });

  it('a stream that fails in the middle leaves the connection usable', async () => {
    const pool = open({ cp_max: 1 });
    const sql = 'select 10 / (5 - n) as q from generate_series(1, 9) as n';
    const seen: unknown[] = [];
    const error = await failureOf(
      (async () => {
        for await (const row of pool.stream(sql, [], { pageSize: 2 })) seen.push(row['q']);
      })(),
    );
    expect(error.message).to.equal('division by zero');
    expect(seen).to.deep.equal([2, 3, 5, 10]);
    expect(await pool.runQuery('select 1 as one')).to.deep.equal([{ one: 1 }]);
    expect(pool.stats().opened).to.equal(1);
  });

  it('of several statements in one text, the last one counts', async () => {
    expect(await open().runQuery('select 1 as a; select 2 as b')).to.deep.equal([{ b: 2 }]);
    expect(await open().runQuery('select 1 as a; set local work_mem to 1024')).to.deep.equal([]);
  });

  it('refuses parameters by name, and COPY from the client, with an error', async () => {
    const pool = open({ cp_max: 1 });
    const byName = await failureOf(pool.runQuery('select $1', { a: 1 }));
    expect(byName).to.be.instanceOf(TypeError);
    await pool.runOperation('create table copied (n integer)');
    const copy = await failureOf(pool.runOperation('copy copied from stdin'));
    expect(copy.message).to.match(/not supported/);
    await pool.runOperation('drop table copied');
    expect(pool.stats().opened).to.equal(1);
  });
});
