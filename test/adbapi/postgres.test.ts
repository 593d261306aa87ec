import { expect } from 'chai';
import { TransactionDone } from '../../src/adbapi/index.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { failureOf, SECRET, serverSuite } from './server-suite.ts';

const ZONE = "select current_setting('timezone') as zone";
let server: PostgresServer;

serverSuite(
  {
    driver: 'postgres',
    name: 'PostgreSQL',
    needed: (context) => PostgresServer.needed(context),
    start: async () => {
      server = await PostgresServer.start();
      return server;
    },
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
    tellsLastRowId: false,
    guarded: {
      sql: [
        `create role guarded login password '${SECRET}'`,
        'create database guarded owner guarded',
      ],
      options: { database: 'guarded' },
      who: 'current_user',
      refused: /password authentication failed/,
    },
    impossible: [
      ['port', 0],
      ['ssl', 'yes'],
      ['statements', -1],
      ['hots', 'x'],
    ],
    zone: {
      ask: ZONE,
      set: (zone) => `set timezone to '${zone}'`,
      values: ['Asia/Tokyo', 'Europe/Paris'],
    },
  },
  (open) => {
    it('takes a url', async () => {
      const { user, database, host } = server.options;
      const url = `postgres://${user}@/${database}?host=${encodeURIComponent(host)}`;
      const names = { host: undefined, user: undefined, database: undefined };
      const pool = open({ ...names, url: url.replace('@/', '@unused/') });
      expect(await pool.runQuery('select 1 as one')).to.deep.equal([{ one: 1 }]);
    });

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

    it('a session whose change ends with its transaction is kept', async () => {
      const zone = ZONE;
      const pool = open({ cp_max: 1 });
      await pool.runInteraction((tx) => tx.execute("set local timezone to 'Europe/Paris'"));
      const [row] = await pool.runQuery<{ zone: string }>(zone);
      expect(row?.zone).not.to.equal('Europe/Paris');
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
  },
);
