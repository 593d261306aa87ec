/** What holds for every driver of a database server, beside what holds for all drivers: passwords, sessions, stopping, streams of any length. */
import { inspect } from 'node:util';
import { expect } from 'chai';
import { type Connection, ConnectionPool, type PoolOptions } from '../../src/adbapi/index.ts';
import { type DriverWorld, driverSuite } from './conformance.ts';

/** A password that must not be seen anywhere. */
export const SECRET = 'correct-horse';

/** A server that a test has started. */
export interface Server {
  /** The driver's options for it. */
  readonly options: Readonly<Record<string, unknown>>;
  stop(): Promise<void>;
}

/** A kind of server to run the suite against. */
export interface ServerWorld
  extends Pick<
    DriverWorld,
    'name' | 'placeholder' | 'types' | 'sleep' | 'numbers' | 'tellsLastRowId'
  > {
  readonly driver: 'postgres' | 'mysql';
  needed(context: Mocha.Context): void;
  start(): Promise<Server>;
  /** Makes the user 'guarded', who needs the password, and says what is needed to be them. */
  readonly guarded: {
    readonly sql: readonly string[];
    readonly options: Readonly<Record<string, unknown>>;
    readonly who: string;
    readonly refused: RegExp;
  };
  /** Options that cannot be. */
  readonly impossible: ReadonlyArray<readonly [name: string, value: unknown]>;
  /** A setting of the session: how it is asked for as `zone`, how it is set, and three values it may have. */
  readonly zone: {
    readonly ask: string;
    set(zone: string): string;
    readonly values: readonly [string, string];
  };
}

export async function failureOf(thenable: PromiseLike<unknown>): Promise<Error> {
  try {
    await thenable;
  } catch (error) {
    return error as Error;
  }
  throw new Error('Expected a failure');
}

/** Opens a pool on the server; it is closed after the test. */
export type OpenPool = (options?: PoolOptions & Record<string, unknown>) => ConnectionPool;

/**
 * Describes the driver.
 * @param own adds what holds for this one only
 */
export function serverSuite(world: ServerWorld, own: (open: OpenPool) => void): void {
  const { driver } = world;

  describe(`The ${driver} driver`, function () {
    this.timeout(60_000);
    let server: Server;
    const pools: ConnectionPool[] = [];

    before(async function () {
      world.needed(this);
      server = await world.start();
    });

    afterEach(async () => {
      for (const pool of pools.splice(0)) await pool.close();
    });

    after(() => server?.stop());

    const open: OpenPool = (options = {}) => {
      const pool = new ConnectionPool(driver, { cp_min: 0, ...server.options, ...options });
      pools.push(pool);
      return pool;
    };

    driverSuite({
      ...world,
      makePool: (options = {}) => new ConnectionPool(driver, { ...server.options, ...options }),
      connections: 5,
      transferOptions: { retries: 50, isolation: 'serializable' },
    });

    describe('passwords', () => {
      const { sql, options, who, refused } = world.guarded;

      before(async () => {
        const pool = new ConnectionPool(driver, { ...server.options, cp_min: 0 });
        for (const statement of sql) await pool.runOperation(statement);
        await pool.close();
      });

      const guarded = (password: unknown): ConnectionPool =>
        open({ user: 'guarded', ...options, password });

      it('let in, as text or from a function', async () => {
        for (const password of [SECRET, () => SECRET, async () => SECRET]) {
          const [row] = await guarded(password).runQuery(`select ${who} as name`);
          expect(row?.['name']).to.match(/^guarded/);
        }
      });

      it('that are wrong fail the call at once, and are not in the error', async () => {
        const error = await failureOf(guarded('battery-staple').runQuery('select 1'));
        expect(error.message).to.match(refused);
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
        const error = await failureOf(new ConnectionPool(driver, wrong).runQuery('select 1'));
        expect(error).to.be.instanceOf(TypeError);
        expect(inspect(error, { depth: 9 })).not.to.contain(SECRET);
      });
    });

    it('parameters are not in the error of a statement', async () => {
      const sql = `select * from nowhere where a = ${world.placeholder(1)}`;
      const error = await failureOf(open().runQuery(sql, [SECRET]));
      expect(inspect(error, { depth: 9 })).not.to.contain(SECRET);
    });

    for (const [name, value] of world.impossible) {
      it(`refuses option ${name}: ${value}`, async () => {
        const pool = new ConnectionPool(driver, { [name]: value });
        expect((await failureOf(pool.runQuery('select 1'))).message).to.contain(name);
      });
    }

    describe('a session', () => {
      const { ask, set, values } = world.zone;
      const [first, second] = values;

      it('that an interaction has changed is replaced; what cp_openfun did is there again', async () => {
        const pool = open({
          cp_max: 1,
          cp_openfun: (connection: Connection) => connection.execute(set(first)),
        });
        await pool.runInteraction((tx) => tx.execute(set(second)));
        expect(await pool.runQuery(ask)).to.deep.equal([{ zone: first }]);
        expect(pool.stats().opened).to.equal(2);
      });

      it('is kept as it is with resetOnRelease: false', async () => {
        const pool = open({ cp_max: 1, resetOnRelease: false });
        await pool.runInteraction((tx) => tx.execute(set(second)));
        expect(await pool.runQuery(ask)).to.deep.equal([{ zone: second }]);
      });
    });

    it('stopping a statement never stops one that comes later', async () => {
      const pool = open({ cp_max: 1 });
      await pool.runQuery('select 1');
      for (let n = 0; n < 30; n++) {
        const first = pool.runQuery(world.sleep((n % 6) / 2000));
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
      const endless = world.numbers(2_000_000_000);
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

    own(open);
  });
}
