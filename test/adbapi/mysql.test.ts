import { expect } from 'chai';
import { TransactionDone } from '../../src/adbapi/index.ts';
import { MariadbServer } from '../support/mariadb-server.ts';
import { failureOf, SECRET, serverSuite } from './server-suite.ts';

serverSuite(
  {
    driver: 'mysql',
    name: 'MariaDB',
    needed: (context) => MariadbServer.needed(context),
    start: () => MariadbServer.start(),
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
    tellsLastRowId: true,
    guarded: {
      sql: [
        `create user guarded@localhost identified by '${SECRET}'`,
        'grant all on strand.* to guarded@localhost',
      ],
      options: {},
      who: 'user()',
      refused: /Access denied/,
    },
    impossible: [
      ['port', 0],
      ['url', 'postgres://host/'],
      ['statements', 0],
      ['hots', 'x'],
    ],
    zone: {
      ask: 'select @@time_zone as zone',
      set: (zone) => `set time_zone = '${zone}'`,
      values: ['+03:00', '+05:00'],
    },
  },
  (open) => {
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
  },
);
