import { expect } from 'chai';
import { Application, ConnectionPoolService, DatabaseNotRunning } from '../../src/service/index.ts';

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
});
