/** What happens to a pool when a real server, or the network before it, fails. */
import { expect } from 'chai';
import {
  AcquireTimeout,
  ConnectionLost,
  ConnectionPool,
  type PoolOptions,
  StatementTimeout,
  type Transaction,
} from '../../src/adbapi/index.ts';
import { getDefaultClock } from '../../src/deferred/index.ts';
import { BlackHoleProxy } from '../support/black-hole-proxy.ts';
import { MariadbServer } from '../support/mariadb-server.ts';
import { PostgresServer } from '../support/postgres-server.ts';
import { transferMoney } from './transfers.ts';

interface FaultWorld {
  readonly driver: 'postgres' | 'mysql';
  needed(context: Mocha.Context): void;
  start(): Promise<PostgresServer | MariadbServer>;
  /** The driver's options for the server behind a port. */
  through(port: number): Record<string, unknown>;
  placeholder(n: number): string;
  sleep(seconds: number): string;
  /** Gives more rows than fit into any buffer. */
  readonly numbers: string;
  /** How many sessions of this user the server has, and how many of them run something that has `sleep` in it. */
  readonly sessions: string;
  readonly sleepers: string;
  /** Makes a user 'limited' who may have two connections. */
  readonly limitUser: readonly string[];
}

async function failureOf(thenable: PromiseLike<unknown>): Promise<Error> {
  try {
    await thenable;
  } catch (error) {
    return error as Error;
  }
  throw new Error('Expected a failure');
}

const later = (seconds: number): Promise<void> =>
  new Promise((resolve) => {
    getDefaultClock().callLater(seconds, resolve);
  });

function faultSuite(world: FaultWorld): void {
  const p = world.placeholder;

  describe(`A pool on ${world.driver}, when things fail`, function () {
    this.timeout(120_000);
    let server: PostgresServer | MariadbServer;
    let watcher: ConnectionPool;
    const pools: ConnectionPool[] = [];

    before(async function () {
      world.needed(this);
      server = await world.start();
    });

    beforeEach(async () => {
      if (!server.running) await server.run();
      watcher = new ConnectionPool(world.driver, { ...server.options, cp_min: 0, cp_max: 1 });
    });

    afterEach(async () => {
      for (const pool of pools.splice(0)) {
        expect(pool.stats()).to.include({ busy: 0, waiting: 0 });
        await pool.close();
        expect(pool.stats()).to.include({ open: 0, opening: 0 });
      }
      await watcher.close();
    });

    after(() => server?.stop());

    function open(options: PoolOptions & Record<string, unknown> = {}): ConnectionPool {
      const pool = new ConnectionPool(world.driver, { cp_min: 0, ...server.options, ...options });
      pools.push(pool);
      return pool;
    }

    const number = async (sql: string): Promise<number> =>
      Number((await watcher.runQuery<{ n: unknown }>(sql))[0]?.n);

    async function untilAsleep(): Promise<void> {
      while ((await number(world.sleepers)) === 0) await later(0.01);
    }

    describe('a server that is killed', () => {
      it('in the middle of a query: the call fails with ConnectionLost, and the next one works once it is back', async () => {
        const pool = open();
        const failure = failureOf(pool.runQuery(world.sleep(30)));
        await untilAsleep();
        await server.kill();
        expect(await failure).to.be.instanceOf(ConnectionLost);
        expect((await failure).cause).to.be.instanceOf(Error);
        await server.run();
        expect(await pool.runQuery('select 1 as one')).to.deep.equal([{ one: 1 }]);
      });

      it('in the middle of a transaction: it fails with ConnectionLost, and nothing of it is there', async () => {
        const pool = open();
        await pool.runOperation('create table marks (n integer)');
        const failure = await failureOf(
          pool.runInteraction(async (tx) => {
            await tx.execute('insert into marks values (1)');
            await server.kill();
            await tx.execute('insert into marks values (2)');
          }),
        );
        expect(failure).to.be.instanceOf(ConnectionLost);
        await server.run();
        expect(await pool.runQuery('select * from marks')).to.deep.equal([]);
        await pool.runOperation('drop table marks');
      });

      it('between two pages of a stream: it fails with ConnectionLost, and does not look as if it had ended', async () => {
        for (const leave of [false, true]) {
          const pool = open({ cp_max: 1 });
          const stream = pool.stream(world.numbers, [], { pageSize: 10 });
          let count = 0;
          const failure = await failureOf(
            (async () => {
              for await (const _ of stream) {
                count += 1;
                if (count !== 10) continue;
                await server.kill();
                await server.run();
                // The socket has ended by now, or does so while it is read.
                if (leave) break;
              }
              if (leave) throw new Error('Left');
            })(),
          );
          if (leave) expect(failure.message).to.equal('Left');
          else expect(failure).to.be.instanceOf(ConnectionLost);
          expect(await pool.runQuery('select 1 as one')).to.deep.equal([{ one: 1 }]);
          expect(pool.stats()).to.include({ open: 1, opened: 2, lost: 1 });
        }
      });

      it('while its connections are idle: no call hears of it', async () => {
        const pool = open({ cp_max: 3, cp_validate_after: null });
        await Promise.all([1, 2, 3].map(() => pool.runQuery(world.sleep(0.05))));
        expect(pool.stats().idle).to.equal(3);
        await server.kill();
        await server.run();
        while (pool.stats().open > 0) await later(0.01);
        expect(await pool.runQuery('select 1 as one')).to.deep.equal([{ one: 1 }]);
      });

      it('and comes back after 5 s: calls wait for it', async () => {
        const pool = open({ cp_max: 2, cp_backoff_max: 0.5 });
        await pool.runQuery('select 1 as one');
        await server.kill();
        while (pool.stats().open > 0) await later(0.01);
        const calls = Array.from({ length: 10 }, () => pool.runQuery('select 1 as one'));
        await later(5);
        expect(pool.stats()).to.include({ waiting: 10 });
        await server.run();
        for (const call of calls) expect(await call).to.deep.equal([{ one: 1 }]);
      });
    });

    describe('a network that has died without a word', () => {
      let proxy: BlackHoleProxy;

      before(async () => {
        proxy = await BlackHoleProxy.start(server.socket);
      });

      afterEach(() => proxy.lighten());
      after(() => proxy.stop());

      const through = (options: PoolOptions = {}): ConnectionPool => {
        const { user, database } = server.options;
        const base = { user, database, cp_min: 0, cp_max: 1, ...world.through(proxy.port) };
        const pool = new ConnectionPool(world.driver, { ...base, ...options });
        pools.push(pool);
        return pool;
      };

      it('is noticed by the watchdog in the middle of a query; a statement that only takes long is not taken for that', async () => {
        const pool = through({ cp_watchdog: 0.2, cp_connect_timeout: 3 });
        await pool.runQuery(world.sleep(0.7));
        expect(pool.stats().opened).to.equal(1);
        const failure = failureOf(pool.runQuery(world.sleep(0.5)));
        await untilAsleep();
        proxy.darken();
        expect(await failure).to.be.instanceOf(ConnectionLost);
      });

      it('does not hold up the time limit of a statement', async () => {
        const pool = through({ cp_cancel_timeout: 0.1 });
        await pool.runQuery('select 1 as one');
        proxy.darken();
        const failure = await failureOf(pool.runQuery('select 1 as one', [], { timeout: 0.1 }));
        expect(failure).to.be.instanceOf(StatementTimeout);
        expect(pool.stats().open).to.equal(0);
      });

      it('is found when an idle connection is tried; calls then wait no longer than they may, and work once it is back', async () => {
        const pool = through({
          cp_validate_after: 0.05,
          cp_validate_timeout: 0.1,
          cp_cancel_timeout: 0.1,
          cp_connect_timeout: 1,
          cp_acquire_timeout: 4,
          cp_backoff_max: 0.1,
        });
        await pool.runQuery('select 1 as one');
        proxy.darken();
        await later(0.1);
        const failure = await failureOf(pool.runQuery('select 1 as one'));
        expect(failure).to.be.instanceOf(AcquireTimeout);
        expect((failure.cause as Error).message).to.match(/not connected within 1 s/);
        proxy.lighten();
        expect(await pool.runQuery('select 1 as one')).to.deep.equal([{ one: 1 }]);
      });

      it('leaves no connection behind that came too late', async () => {
        const before = proxy.connections;
        const pool = through({ cp_connect_timeout: 0.1, cp_acquire_timeout: 0.3 });
        proxy.darken();
        await failureOf(pool.runQuery('select 1 as one'));
        await pool.close();
        proxy.lighten();
        while (proxy.connections > before) await later(0.01);
      });
    });

    it('a server at its limit of connections: calls share those that there are', async () => {
      for (const sql of world.limitUser) await watcher.runOperation(sql);
      const pool = open({ user: 'limited', cp_max: 5 });
      const sleeps = Array.from({ length: 12 }, () => pool.runQuery(world.sleep(0.05)));
      await Promise.all(sleeps);
      expect(pool.stats().opened).to.be.at.most(2);
    });

    it('two interactions that wait for each other: one loses, is done again if asked for, and both take effect', async () => {
      const pool = open({ cp_max: 2 });
      await pool.runOperation('create table two (id integer primary key, n integer)');
      await pool.runOperation('insert into two values (1, 0), (2, 0)');
      let meeting: Array<() => void> = [];
      const together = (): Promise<void> =>
        new Promise((resolve) => {
          meeting.push(resolve);
          if (meeting.length < 2) return;
          for (const go of meeting) go();
          meeting = [];
        });
      const cross = async (tx: Transaction, first: number, attempts: number[]): Promise<void> => {
        attempts.push(first);
        const change = `update two set n = n + 1 where id = ${p(1)}`;
        await tx.execute(change, [first]);
        if (attempts.length <= 2) await together();
        await tx.execute(change, [3 - first]);
      };
      const run = (retries: number, attempts: number[]): Promise<Array<Error | undefined>> =>
        Promise.all(
          [1, 2].map((first) =>
            pool.runInteractionWith({ retries }, cross, first, attempts).then(
              () => undefined,
              (error: unknown) => error as Error,
            ),
          ),
        );
      const alone = (await run(0, [])).filter((error) => error !== undefined);
      expect(alone).to.have.length(1);
      expect(alone[0]?.message).to.match(/deadlock/i);
      const attempts: number[] = [];
      expect(await run(3, attempts)).to.deep.equal([undefined, undefined]);
      expect(attempts).to.have.length(3);
      const rows = await pool.runQuery('select n from two order by id');
      expect(rows).to.deep.equal([{ n: 3 }, { n: 3 }]);
      await pool.runOperation('drop table two');
    });

    it('20,000 transfers of 8 writers, the server killed at random: none is lost, none is done twice', async () => {
      const pool = open({ cp_max: 8, cp_backoff_max: 0.3, cp_retries: 20 });
      const lost = await transferMoney(pool, p, 20_000, 5, async () => {
        await server.kill();
        await server.run();
      });
      expect(lost).to.be.at.least(5);
      // Nothing leaked: the server has the pool's connections, and the one that asks.
      expect(await number(world.sessions)).to.equal(pool.stats().open + 1);
    });
  });
}

faultSuite({
  driver: 'postgres',
  needed: (context) => PostgresServer.needed(context),
  start: () => PostgresServer.start(),
  through: (port) => ({ host: '127.0.0.1', port }),
  placeholder: (n) => `$${n}`,
  sleep: (seconds) => `select pg_sleep(${seconds})`,
  numbers: 'select generate_series(1, 5000000) as n',
  sessions: "select count(*) as n from pg_stat_activity where backend_type = 'client backend'",
  sleepers:
    "select count(*) as n from pg_stat_activity where state = 'active' and query like '%pg_sleep%' and pid <> pg_backend_pid()",
  limitUser: ['create role limited login connection limit 2'],
});

faultSuite({
  driver: 'mysql',
  needed: (context) => MariadbServer.needed(context),
  start: () => MariadbServer.start(),
  through: (port) => ({ host: '127.0.0.1', port }),
  placeholder: () => '?',
  sleep: (seconds) => `select sleep(${seconds}) as slept`,
  numbers: 'select seq as n from seq_1_to_5000000',
  sessions: "select count(*) as n from information_schema.processlist where user = 'root'",
  sleepers:
    "select count(*) as n from information_schema.processlist where info like 'select sleep%'",
  limitUser: [
    'create user limited@localhost with max_user_connections 2',
    'grant all on strand.* to limited@localhost',
  ],
});
