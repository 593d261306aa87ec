import { expect } from 'chai';
import type { ConnectionPool } from '../../src/adbapi/index.ts';
import { Deferred } from '../../src/deferred/index.ts';
import {
  Application,
  ConnectionPoolService,
  DatabaseNotRunning,
  Service,
} from '../../src/service/index.ts';

/** Tells what happens to it, and stops when it is let. */
class Told extends Service {
  readonly log: string[];
  readonly stopped = new Deferred<void>();

  constructor(log: string[]) {
    super();
    this.log = log;
  }

  override startService(): void {
    super.startService();
    this.log.push('start');
  }

  override stopService(): Deferred<void> {
    super.stopService();
    this.log.push('stop');
    return this.stopped;
  }
}

describe('ConnectionPoolService', () => {
  it('opens a pool when it starts, closes it when it stops, and opens another when it starts again', async () => {
    const application = Application('notes');
    const database = new ConnectionPoolService('sqlite', { filename: ':memory:' });
    await database.setServiceParent(application);
    expect(() => database.pool).to.throw(DatabaseNotRunning);
    for (let times = 0; times < 2; times++) {
      await application.startService();
      const { pool } = database;
      expect(await pool.runQuery('select 1 as one')).to.deep.equal([{ one: 1 }]);
      await application.stopService();
      expect(() => database.pool).to.throw(DatabaseNotRunning);
      let error: unknown;
      await pool.runQuery('select 1').addErrback((failure) => {
        error = failure.value;
      });
      expect(error).to.have.property('name', 'PoolClosed');
    }
  });

  it('starts the services in it once it is prepared, and closes when they have stopped', async () => {
    const log: string[] = [];
    class Notes extends ConnectionPoolService {
      protected override prepare(pool: ConnectionPool): Deferred<unknown> {
        return pool
          .runOperation('create table notes (text)')
          .addCallback(() => log.push('prepared'));
      }
    }
    const notes = new Notes('sqlite', { filename: ':memory:' });
    const user = new Told(log);
    user.setServiceParent(notes);
    const started = notes.startService();
    expect([log, notes.running]).to.deep.equal([[], false]);
    expect(() => notes.pool).to.throw(DatabaseNotRunning);
    expect(notes.notReady()).to.equal('its database is not open');
    await started;
    expect([log, notes.running]).to.deep.equal([['prepared', 'start'], true]);
    expect(notes.notReady()).to.equal(null);
    const names = notes.measurements().map(({ name }) => name);
    expect(names).to.include('strand_pool_connections_open');
    const stopped = notes.stopService();
    expect(log).to.deep.equal(['prepared', 'start', 'stop']);
    // What stops still has its database.
    expect(await notes.pool.runQuery('select * from notes')).to.deep.equal([]);
    const { pool } = notes;
    user.stopped.callback();
    await stopped;
    expect(pool.running).to.equal(false);
  });

  it('does not start, and closes its pool, when it cannot be prepared; nor after it was stopped meanwhile', async () => {
    const log: string[] = [];
    let prepared = new Deferred<void>();
    let pool: ConnectionPool | undefined;
    class Notes extends ConnectionPoolService {
      protected override prepare(mine: ConnectionPool): Deferred<void> {
        pool = mine;
        return prepared;
      }
    }
    const notes = new Notes('sqlite', { filename: ':memory:' });
    const user = new Told(log);
    user.stopped.callback();
    user.setServiceParent(notes);
    const failing = Promise.resolve(notes.startService()).then(
      () => 'no error',
      (error: unknown) => error,
    );
    prepared.errback(new Error('No room'));
    expect(await failing).to.have.property('message', 'No room');
    expect([pool?.running, log]).to.deep.equal([false, []]);
    expect(notes.measurements()).to.deep.equal([]);
    expect(() => notes.pool).to.throw(DatabaseNotRunning);
    prepared = new Deferred<void>();
    const started = notes.startService();
    await notes.stopService();
    log.length = 0;
    prepared.callback();
    await started;
    expect([notes.running, pool?.running, log]).to.deep.equal([false, false, []]);
  });
});
