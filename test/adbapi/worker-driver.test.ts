import type { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import {
  ConnectionLost,
  ConnectionPool,
  DriverThreadDied,
  WorkerDriver,
} from '../../src/adbapi/index.ts';
import { CancelledError } from '../../src/deferred/index.ts';
import { setLogObserver } from '../../src/reactor/index.ts';

const MODULE = new URL('./fixtures/blocking.ts', import.meta.url);

describe('WorkerDriver', function () {
  this.timeout(30_000);
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

  function make(options = {}, more: { open?: string; module?: URL; max?: number } = {}) {
    const driver = new WorkerDriver({
      name: 'words',
      where: 'here',
      module: more.module ?? MODULE,
      options,
      ...(more.open === undefined ? {} : { open: more.open }),
    });
    const pool = new ConnectionPool(driver, { cp_min: 0, cp_max: more.max ?? 1 });
    pools.push(pool);
    return pool;
  }

  const valueFrom = async (
    pool: ConnectionPool,
    sql: string,
    params?: unknown[],
  ): Promise<unknown> => (await pool.runQuery(sql, params))[0]?.['value'];

  /** The thread has begun with a 'hold'. */
  async function begun(gate: Int32Array): Promise<void> {
    while (Atomics.load(gate, 1) === 0) {
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  async function failureOf(thenable: PromiseLike<unknown>): Promise<Error> {
    try {
      await thenable;
    } catch (error) {
      return error as Error;
    }
    throw new Error('Expected a failure');
  }

  it('resets what the last user of a connection may have left behind, where the library can', async () => {
    const pool = make({}, { open: 'connectResetting' });
    expect(await valueFrom(pool, 'resets')).to.equal(0);
    await pool.runInteraction((tx) => tx.execute('echo'));
    expect(await valueFrom(pool, 'resets')).to.equal(1);
  });

  it('throws for a number of threads or statements that cannot be', () => {
    const made = { name: 'words', where: 'here', module: MODULE, options: {} };
    for (const name of ['pipeline', 'stragglers', 'maxConnections']) {
      for (const value of [0, -1, 1.5, Number.POSITIVE_INFINITY]) {
        expect(() => new WorkerDriver({ ...made, [name]: value })).to.throw(RangeError, name);
      }
      expect(() => new WorkerDriver({ ...made, [name]: '1' })).to.throw(TypeError, name);
    }
  });

  it('runs a library in a thread of its own, whose functions may block or return promises', async () => {
    const pool = make();
    expect(await valueFrom(pool, 'thread')).to.be.above(0);
    const all = await Promise.all([
      valueFrom(pool, 'block 0.01'),
      valueFrom(pool, 'later a'),
      valueFrom(pool, 'later b'),
      valueFrom(pool, 'block 0.02'),
    ]);
    expect(all).to.deep.equal(['0.01', 'a', 'b', '0.02']);
    await pool.runInteraction(async (tx) => {
      expect(await tx.execute('later c')).to.deep.equal([{ value: 'c' }]);
    });
  });

  it("hands on the library's error with its message, code, properties and stack", async () => {
    const error = await failureOf(make().runQuery('fail'));
    expect(error).to.include({
      message: 'it failed',
      code: 'E_OWN',
      position: 7,
    });
    expect(error.constructor.name).to.equal('OwnError');
    expect(error.stack).to.include('blocking.ts');
  });

  it('fails what ran with ConnectionLost when the thread dies, and starts another one', async () => {
    const pool = make();
    const first = await valueFrom(pool, 'thread');
    const error = await failureOf(pool.runQuery('die'));
    expect(error).to.be.instanceOf(ConnectionLost);
    expect(error.cause).to.be.instanceOf(DriverThreadDied);
    expect(error.message).to.match(/exited with code 3/);
    expect(await valueFrom(pool, 'thread')).to.not.equal(first);
    expect(pool.stats()).to.include({ open: 1, busy: 0, lost: 1 });
  });

  it('knows what a thread answered before it died, however late it looks', async () => {
    const pool = make();
    await pool.runQuery('thread');
    const calls = [pool.runQuery('echo', [1]), pool.runQuery('throw')];
    // The thread answers and dies while this one does not listen.
    await new Promise<void>((resolve) => setImmediate(resolve));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    expect(await Promise.all(calls)).to.deep.equal([[{ value: [1] }], [{ value: 'soon' }]]);
  });

  it('replaces a thread that died while nothing ran', async () => {
    const pool = make();
    expect(await valueFrom(pool, 'throw')).to.equal('soon');
    while (pool.stats().lost === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    expect(await valueFrom(pool, 'echo', [1])).to.deep.equal([1]);
  });

  it("undoes nothing of others when an interaction's thread dies", async () => {
    const pool = make({}, { max: 2 });
    const other = pool.runInteraction(async (tx) => tx.execute('block 0.05'));
    const error = await failureOf(
      pool.runInteraction(async (tx) => {
        await tx.execute('die');
      }),
    );
    expect(error).to.be.instanceOf(ConnectionLost);
    expect(await other).to.deep.equal([{ value: '0.05' }]);
  });

  it('copies of a Buffer no more than its bytes, and gives Buffers', async () => {
    const small = Buffer.from('small');
    expect(small.buffer.byteLength).to.be.above(100);
    const [seen] = (await valueFrom(make(), 'echo', [small])) as Uint8Array[];
    expect(Buffer.from(seen ?? []).toString()).to.equal('small');
    expect(seen?.buffer.byteLength).to.equal(5);
  });

  it('a value that cannot be sent fails its own statement only, on the way there and on the way back', async () => {
    const pool = make();
    const calls = [
      pool.runQuery('echo', [1]),
      pool.runQuery('echo', [() => 1]),
      pool.runQuery('function x'),
      pool.runQuery('echo', [2]),
    ];
    const [first, bad, worse, last] = await Promise.allSettled(
      calls.map((call) => call.toPromise()),
    );
    expect(first).to.include({ status: 'fulfilled' });
    expect(last).to.include({ status: 'fulfilled' });
    expect(bad?.status === 'rejected' && bad.reason).to.be.instanceOf(TypeError);
    expect(bad?.status === 'rejected' && bad.reason.message).to.match(/^Cannot bind a parameter/);
    expect(worse?.status === 'rejected' && worse.reason.message).to.match(/could not be cloned/);
    expect(pool.stats().opened).to.equal(1);
  });

  it('takes back what the thread has not begun with, so that cancelling it costs nothing', async () => {
    const pool = make();
    await pool.runQuery('thread');
    const gate = new Int32Array(new SharedArrayBuffer(8));
    const blocking = pool.runQuery('hold', [gate]);
    await begun(gate);
    const behind = pool.runQuery('echo', ['never']);
    await new Promise<void>((resolve) => setImmediate(resolve));
    const failure = failureOf(behind);
    behind.cancel();
    expect(await failure).to.be.instanceOf(CancelledError);
    Atomics.store(gate, 0, 1);
    Atomics.notify(gate, 0);
    await blocking;
    expect(pool.stats()).to.include({ opened: 1, lost: 0 });
  });

  it('ends the thread of a running statement that is cancelled, and does what stood behind it elsewhere', async () => {
    const pool = make();
    await pool.runQuery('thread');
    const gate = new Int32Array(new SharedArrayBuffer(8));
    const blocking = pool.runQuery('hold', [gate]);
    await begun(gate);
    const behind = valueFrom(pool, 'echo', ['behind']);
    await new Promise<void>((resolve) => setImmediate(resolve));
    const failure = failureOf(blocking);
    blocking.cancel();
    expect(await failure).to.be.instanceOf(CancelledError);
    expect(await behind).to.deep.equal(['behind']);
    expect(pool.stats()).to.include({ opened: 2, lost: 1 });
  });

  it('starts no other thread while as many as may be still work though they were told to end', async () => {
    let threads = 0;
    const watch = (thread: Worker): void => {
      threads += 1;
      thread.once('exit', () => {
        threads -= 1;
      });
    };
    process.on('worker', watch);
    const driver = new WorkerDriver({
      name: 'words',
      where: 'here',
      module: MODULE,
      options: {},
      stragglers: 2,
    });
    const pool = new ConnectionPool(driver, { cp_min: 0, cp_max: 1 });
    pools.push(pool);
    let most = 0;
    for (let times = 0; times < 4; times++) {
      // Cannot be interrupted: no JavaScript runs in it.
      const call = pool.runQuery('busy 1', [], { timeout: 0.02 });
      expect((await failureOf(call)).name).to.equal('StatementTimeout');
      most = Math.max(most, threads);
    }
    // Two that end, and the one in use.
    expect(most).to.be.at.most(3);
    expect(await valueFrom(pool, 'echo', [1])).to.deep.equal([1]);
    await pool.close();
    process.off('worker', watch);
    expect(threads).to.equal(0);
  });

  it('serves more statements at a time than there are places for', async () => {
    const pool = make();
    const values = await Promise.all(
      Array.from({ length: 3000 }, (_, n) => valueFrom(pool, 'echo', [n])),
    );
    expect(values).to.deep.equal(values.map((_, n) => [n]));
  });

  it('leaves no thread behind when the pool closes while one starts', async () => {
    const threads = new Set<Worker>();
    const watch = (thread: Worker): void => {
      threads.add(thread);
      thread.once('exit', () => threads.delete(thread));
    };
    process.on('worker', watch);
    const pool = make();
    const query = pool.runQuery('thread');
    const call = failureOf(query);
    while (threads.size === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    query.cancel();
    expect(await call).to.be.instanceOf(CancelledError);
    await pool.close();
    process.off('worker', watch);
    expect(threads.size).to.equal(0);
  });

  it('says what is wrong with its module', async () => {
    const refused = await failureOf(make({ refuse: 'not today' }).runQuery('x'));
    expect(refused).to.include({ message: 'not today', code: 'E_OWN' });
    const noFunction = await failureOf(make({}, { open: 'notAFunction' }).runQuery('x'));
    expect(noFunction.message).to.match(
      /^Cannot open a connection with notAFunction of .*not a function$/,
    );
    const missing = new URL('./fixtures/missing.ts', import.meta.url);
    expect((await failureOf(make({}, { module: missing }).runQuery('x'))).message).to.match(
      /missing/,
    );
  });
});
