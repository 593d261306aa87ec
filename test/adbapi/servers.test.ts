/** What the drivers for servers know without one. */
import { expect } from 'chai';
import { createDriver as mysql } from '../../src/adbapi/drivers/mysql.ts';
import { createDriver as postgres } from '../../src/adbapi/drivers/postgres.ts';
import { changesSession, SessionWatch } from '../../src/adbapi/drivers/session-changes.ts';
import type { Driver } from '../../src/adbapi/index.ts';

const SECRET = 'correct-horse';

describe('changesSession()', () => {
  for (const sql of [
    'set search_path to shop',
    '  SET SESSION sql_mode = ""',
    'reset all',
    'listen news',
    'prepare plan as select 1',
    'create temporary table t (n integer)',
    'create temp view v as select 1',
    'select 1 into temp t',
    "select set_config('work_mem', '1MB', false)",
    'select pg_advisory_lock(1)',
    "select get_lock('a', 1)",
    'select @total := 1',
    'use shop',
    'lock tables t write',
    'declare c cursor with hold for select 1',
    '/* for the shop */ set search_path to shop',
    '-- for the shop\nset search_path to shop',
    '# for the shop\nset sql_mode = ""',
    '/* a **/ /* b */\n/**/set role admin',
    'select 1; set role admin',
    '/*!40101 SET sql_mode = "" */',
    'select count(*) from t into @total',
  ]) {
    it(`sees it in: ${JSON.stringify(sql)}`, () => {
      expect(changesSession(sql)).to.equal(true);
    });
  }

  for (const sql of [
    'select 1',
    'set local work_mem to 1024',
    'set transaction isolation level serializable',
    'set constraints all deferred',
    'update t set a = 1',
    '/* set */ select 1',
    '-- set a\nselect 1; select 2',
    'create table t (temperature integer)',
    'select pg_advisory_xact_lock(1)',
    'lock table t in share mode',
    "select 'listen', name from users where mail like '%@%'",
  ]) {
    it(`does not see it in: ${JSON.stringify(sql)}`, () => {
      expect(changesSession(sql)).to.equal(false);
    });
  }

  it('takes no longer for many comments than for few', () => {
    expect(changesSession(`${'/**/'.repeat(5000)}offset`)).to.equal(false);
    expect(changesSession(`${'/* * / '.repeat(5000)}offset`)).to.equal(false);
    expect(changesSession(`offset ${';/*'.repeat(100_000)}`)).to.equal(false);
    expect(changesSession(`offset ${';declare '.repeat(100_000)}`)).to.equal(false);
  });

  it('counts from the first transaction on', () => {
    const watch = new SessionWatch();
    watch.saw('set a = 1');
    watch.check();
    watch.began();
    watch.saw('select 1');
    watch.check();
    watch.saw('SET a = 2');
    expect(() => watch.check()).to.throw('Session was changed by a statement that began with SET');
  });
});

describe('A URL of a database', () => {
  it('is refused when it asks for what is not known, lest a connection is less safe than was meant', () => {
    const url = `//shop:${SECRET}@db.example/shop`;
    for (const query of [
      'ssl=true',
      'sslMode=verify-full',
      'sslmode=Verify-Full',
      'sslmode=',
      '__proto__=x',
    ]) {
      expect(() => postgres({ url: `postgres:${url}?${query}` }), query)
        .to.throw(TypeError, /^Cannot use option url of postgres: /)
        .with.property('message')
        .that.does.not.include(SECRET);
    }
    for (const mode of ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full']) {
      postgres({ url: `postgres:${url}?sslmode=${mode}&host=other&application_name=a&options=-c` });
    }
    expect(() => mysql({ url: `mysql:${url}?ssl-mode=REQUIRED` })).to.throw(TypeError, 'ssl-mode');
  });

  it('may have any part encoded, and is refused when that is wrong', async () => {
    const made = (await postgres({ url: 'postgres://%2Frun%2Fpg/a%20shop' })) as Driver;
    expect(made.where).to.equal('/run/pg:5432/a shop');
    for (const driver of [postgres, mysql]) {
      const name = driver === mysql ? 'mysql' : 'postgres';
      expect(() => driver({ url: `${name}://shop:100%@db.example/shop` }))
        .to.throw(TypeError, `Cannot use option url of ${name}: its password has a '%'`)
        .with.property('message')
        .that.does.not.include('100');
    }
  });
});

describe('What is said about an option', () => {
  it('has nothing of a secret in it', () => {
    for (const driver of [postgres, mysql]) {
      for (const options of [{ password: [SECRET] }, { url: { SECRET } }, { ssl: SECRET }]) {
        expect(() => driver(options as never))
          .to.throw(TypeError, `Cannot use option ${Object.keys(options)[0]}`)
          .with.property('message')
          .that.does.not.include(SECRET);
      }
    }
  });
});

describe("A driver's where", () => {
  const where = async (driver: unknown): Promise<string> => ((await driver) as Driver).where;

  it('says where it connects to, and not the password', async () => {
    const url = `//shop:${SECRET}@db.example:1234/shop`;
    expect(await where(postgres({ url: `postgres:${url}` }))).to.equal('db.example:1234/shop');
    expect(await where(mysql({ url: `mysql:${url}` }))).to.equal('db.example:1234/shop');
    expect(await where(mysql({ socketPath: '/run/s', database: 'd' }))).to.equal('/run/s/d');
  });
});

describe('classify()', () => {
  const server = (fields: object): Error => Object.assign(new Error('no'), fields);
  const ofPostgres = (code: string): Error =>
    server({ code, severity: 'ERROR', routine: 'somewhere' });
  const ofMysql = (errno: number, message = 'no'): Error =>
    Object.assign(new Error(message), { errno, sqlState: 'HY000' });
  const kind = async (driver: unknown, error: unknown): Promise<string> =>
    ((await driver) as Driver).classify(error);

  for (const [code, expected] of [
    ['40001', 'retry'],
    ['40P01', 'retry'],
    ['57014', 'cancelled'],
    ['57P01', 'lost'],
    ['57P03', 'away'],
    ['53300', 'away'],
    ['25006', 'evict'],
    ['08P01', 'other'],
    ['42P01', 'other'],
    ['28P01', 'other'],
  ] as const) {
    it(`of postgres takes ${code} for '${expected}'`, async () => {
      expect(await kind(postgres({}), ofPostgres(code))).to.equal(expected);
    });
  }

  for (const [errno, expected, message] of [
    [1213, 'retry', 'no'],
    [1205, 'retry', 'no'],
    [1317, 'cancelled', 'no'],
    [1040, 'away', 'no'],
    [1053, 'lost', 'no'],
    [1927, 'lost', 'no'],
    [1290, 'evict', 'running with the --read-only option'],
    [1290, 'other', 'running with the --secure-file-priv option'],
    [1792, 'other', 'no'],
    [1045, 'other', 'no'],
    [1064, 'other', 'no'],
  ] as const) {
    it(`of mysql takes ${errno} (${message}) for '${expected}'`, async () => {
      expect(await kind(mysql({}), ofMysql(errno, message))).to.equal(expected);
    });
  }

  for (const [code, expected] of [
    ['ECONNREFUSED', 'away'],
    ['EAI_AGAIN', 'away'],
    ['ECONNRESET', 'lost'],
    ['EPIPE', 'lost'],
    ['ENOTFOUND', 'other'],
  ] as const) {
    it(`takes Node's ${code} for '${expected}'`, async () => {
      expect(await kind(postgres({}), server({ code }))).to.equal(expected);
      expect(await kind(mysql({}), server({ code, fatal: true }))).to.equal(expected);
    });
  }

  it('takes anything else for other', async () => {
    for (const error of [null, 'text', new Error('no'), 7]) {
      expect(await kind(postgres({}), error)).to.equal('other');
      expect(await kind(mysql({}), error)).to.equal('other');
    }
  });
});
