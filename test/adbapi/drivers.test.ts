import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { importPeer } from '../../src/adbapi/drivers/peer.ts';
import {
  ConnectionPool,
  DriverMissing,
  driverNames,
  registerDriver,
  UnknownDriver,
} from '../../src/adbapi/index.ts';
import { Clock, setLogObserver } from '../../src/reactor/index.ts';
import { FakeDriver } from './fake-driver.ts';

const fixture = (name: string): string =>
  fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

describe('Drivers', () => {
  let log: ReturnType<typeof setLogObserver>;
  const pools: ConnectionPool[] = [];

  before(() => {
    log = setLogObserver(() => {});
  });

  afterEach(async () => {
    for (const pool of pools.splice(0)) await pool.close();
  });

  after(() => {
    setLogObserver(log);
  });

  function make(
    driver: ConstructorParameters<typeof ConnectionPool>[0],
    options = {},
  ): ConnectionPool {
    const pool = new ConnectionPool(driver, { cp_reactor: new Clock(), cp_min: 0, ...options });
    pools.push(pool);
    return pool;
  }

  async function failureOf(thenable: PromiseLike<unknown>): Promise<Error> {
    try {
      await thenable;
    } catch (error) {
      return error as Error;
    }
    throw new Error('Expected a failure');
  }

  it('are known by name, those of this package under their common ones', () => {
    expect(driverNames()).to.include.members([
      'sqlite',
      'sqlite3',
      'postgres',
      'pg',
      'mysql',
      'mariadb',
    ]);
  });

  it('can be an object, or a function that makes one of the options', async () => {
    expect(await make(new FakeDriver({ answer: () => [{ n: 1 }] })).runQuery('x')).to.deep.equal([
      { n: 1 },
    ]);
    const pool = make(async (options) => new FakeDriver({ answer: () => [{ ...options }] }), {
      host: 'db',
      cp_max: 2,
    });
    expect(await pool.runQuery('x')).to.deep.equal([{ host: 'db' }]);
  });

  it('can be registered under a name', async () => {
    registerDriver('invented', () => new FakeDriver({ answer: () => [{ n: 2 }] }));
    expect(driverNames()).to.include('invented');
    expect(await make('invented').runQuery('x')).to.deep.equal([{ n: 2 }]);
    expect(() => registerDriver('', () => new FakeDriver())).to.throw(TypeError);
  });

  it('can be a module that exports createDriver, by its path', async () => {
    const pool = make(fixture('driver-module.ts'), { port: 5 });
    expect(await pool.runQuery('x')).to.deep.equal([{ port: 5 }]);
  });

  it('of an unknown name are refused at once', () => {
    expect(() => make('oracel')).to.throw(
      UnknownDriver,
      /^Cannot find driver 'oracel': known are sqlite, .*, and no module of that name is installed$/,
    );
    expect(() => make(5 as never)).to.throw(TypeError, 'Cannot use 5 as a driver');
  });

  it('that are none are told when they are needed', async () => {
    const wrong = await failureOf(make(fixture('no-driver.ts')).runQuery('x'));
    expect(wrong.message).to.match(
      /made as a driver: \{ no: 'driver' \} has no connect\(\) and classify\(\)/,
    );
    const empty = await failureOf(make(fixture('blocking.ts')).runQuery('x'));
    expect(empty).to.be.instanceOf(UnknownDriver);
    expect(empty.message).to.match(/exports neither createDriver nor a default function/);
  });

  it('whose package is missing say what to install', async () => {
    const error = await failureOf(
      importPeer('no-such-package-at-all', 'invented', 'no-such-package-at-all@3'),
    );
    expect(error).to.be.instanceOf(DriverMissing);
    expect(error.message).to.equal(
      "Cannot load driver 'invented': it needs the package 'no-such-package-at-all', which is not installed: npm install no-such-package-at-all@3",
    );
  });

  it('a package that is there is imported', async () => {
    expect(await importPeer('rxjs', 'x')).to.have.property('Observable');
  });
});
