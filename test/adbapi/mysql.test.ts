import { inspect } from 'node:util';
import { expect } from 'chai';
import {
  type Connection,
  ConnectionPool,
  type PoolOptions,
  TransactionDone,
} from '../../src/adbapi/index.ts';
import { MariadbServer } from '../support/mariadb-server.ts';
import { driverSuite } from './conformance.ts';

describe('The mysql driver', function () {
  this.timeout(60_000);
  let server: MariadbServer;
  const pools: ConnectionPool[] = [];

  before(async function () {
    MariadbServer.needed(this);
    server = await MariadbServer.start();
  });

  afterEach(async () => {
    for (const pool of pools.splice(0)) await pool.close();
  });

  after(() => server?.stop());

  function open(options: PoolOptions & Record<string, unknown> = {}): ConnectionPool {
    const pool = new ConnectionPool('mysql', { cp_min: 0, ...server.options, ...options });
    pools.push(pool);
    return pool;
  }

  driverSuite({
    name: 'MariaDB',
    makePool: (options = {}) => new ConnectionPool('mysql', { ...server.options, ...options }),
    placeholder: () => '?',
    types: {
      id: 'integer primary key auto_increment',
      text: 'text',
      bytes: 'blob',
      real: 'double',
      integer: 'integer',
    },
    sleep: (seconds) => `select sleep(${seconds})`,
    numbers: (count) => `select seq as n from seq_1_to_${count}`,
    connections: 5,
    tellsLastRowId: true,
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
      const pool = new ConnectionPool('mysql', { ...server.options, cp_min: 0 });
      await pool.runOperation(`create user guarded@localhost identified by '${SECRET}'`);
      await pool.runOperation('grant all on strand.* to guarded@localhost');
      await pool.close();
    });

    const guarded = (password: unknown): ConnectionPool => open({ user: 'guarded', password });

    it('let in, as text or from a function', async () => {
      for (const password of [SECRET, () => SECRET, async () => SECRET]) {
        const [row] = await guarded(password).runQuery('select user() as name');
        expect(row).to.deep.equal({ name: 'guarded@localhost' });
      }
    });

    it('that are wrong fail the call at once, and are not in the error', async () => {
      const error = await failureOf(guarded('battery-staple').runQuery('select 1'));
      expect(error.message).to.match(/Access denied/);
      expect(inspect(error, { depth: 9 })).not.to.contain('battery-staple');
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
  });

  it('parameters are not in the error of a statement', async () => {
    const error = await failureOf(open().runQuery('select * from nowhere where a = ?', [SECRET]));
    expect(inspect(error, { depth: 9 })).not.to.contain(SECRET);
  });

  for (const [name, value] of [
    ['port', 0],
    ['url', 'postgres://host/'],
    ['statements', 0],
    ['hots', 'x'],
  ] as const) {
    it(`refuses option ${name}: ${value}`, async () => {
      const pool = new ConnectionPool('mysql', { [name]: value });
      expect((await failureOf(pool.runQuery('select 1'))).message).to.contain(name);
    });
  }

  describe('a session', () => {
    const zone = 'select @@time_zone as zone';

    it('that an interaction has changed is replaced; what cp_openfun did is there again', async () => {
      const pool = open({
        cp_max: 1,
        cp_openfun: (connection: Connection) => connection.execute("set time_zone = '+03:00'"),
      });
      await pool.runInteraction((tx) => tx.execute("set time_zone = '+05:00'"));
      expect(await pool.runQuery(zone)).to.deep.equal([{ zone: '+03:00' }]);
      expect(pool.stats().opened).to.equal(2);
    });

    it('is kept as it is with resetOnRelease: false', async () => {
      const pool = open({ cp_max: 1, resetOnRelease: false });
      await pool.runInteraction((tx) => tx.execute("set time_zone = '+05:00'"));
      expect(await pool.runQuery(zone)).to.deep.equal([{ zone: '+05:00' }]);
    });
  });

  it('stopping a statement never stops one that comes later', async () => {
    const pool = open({ cp_max: 1 });
    await pool.runQuery('select 1');
    for (let n = 0; n < 30; n++) {
      const first = pool.runQuery(`select sleep(${(n % 6) / 2000})`);
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

  it('a stream fetches no more than is read, and is stopped in the database when it is left', async () => {
    const pool = open({ cp_max: 1 });
    let count = 0;
    for await (const _ of pool.stream('select seq as n from seq_1_to_2000000000', [], {
      pageSize: 10,
    })) {
      if (++count === 25) break;
    }
    expect(await pool.runQuery('select 1 as one')).to.deep.equal([{ one: 1 }]);
    expect(pool.stats().opened).to.equal(1);
  });

  it('a stream takes parameters', async () => {
    const rows: object[] = [];
    const sql = 'select seq + ? as n from seq_1_to_5';
    for await (const row of open().stream(sql, [10], { pageSize: 2 })) rows.push(row);
    expect(rows.map((row) => Number(Reflect.get(row, 'n')))).to.deep.equal([11, 12, 13, 14, 15]);
  });

  it('knows that a statement has ended the transaction by itself', async () => {
    const pool = open({ cp_max: 1 });
    const error = await failureOf(
      pool.runInteraction(async (tx) => {
        await tx.execute('create table implied (n integer)');
        await tx.execute('insert into implied values (1)');
      }),
    );
    expect(error).to.be.instanceOf(TransactionDone);
    await pool.runOperation('drop table implied');
  });

  it('whole numbers too large to be exact come as text', async () => {
    const [row] = await open().runQuery('select 9007199254740993 as n, 12 as m');
    expect(row).to.deep.equal({ n: '9007199254740993', m: 12 });
  });

  it('of the results of a procedure, the last one with rows counts', async () => {
    const pool = open({ cp_max: 1 });
    await pool.runOperation('create procedure two() begin select 1 as a; select 2 as b; end');
    expect(await pool.runQuery('call two()')).to.deep.equal([{ b: 2 }]);
    expect(await pool.runQuery('select 3 as c')).to.deep.equal([{ c: 3 }]);
    await pool.runOperation('drop procedure two');
  });
});
