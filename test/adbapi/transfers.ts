/** Money that moves between accounts while what it is kept in is killed: nothing may be lost, nothing done twice, nothing done in part. */
import { expect } from 'chai';
import { ConnectionLost, type ConnectionPool, type Transaction } from '../../src/adbapi/index.ts';

const ACCOUNTS = 50;
const BALANCE = 1000;
const WRITERS = 8;

/** Numbers below 1 that look like chance and are the same each time. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * Eight writers do `count` transfers, each with an entry in a ledger. Checks at the end that every one of them has been done, once, and that the accounts agree with the ledger.
 * @param placeholder of the nth parameter, from 1
 * @param kill called `kills` times at moments left to chance, once the one before is over; what it breaks fails with `ConnectionLost`
 * @returns how many attempts were lost
 */
export async function transferMoney(
  pool: ConnectionPool,
  placeholder: (n: number) => string,
  count: number,
  kills: number,
  kill: () => Promise<unknown>,
): Promise<number> {
  const p = placeholder;
  const random = chance(4711);
  await pool.runOperation(
    'create table accounts (id integer primary key, balance integer not null)',
  );
  await pool.runOperation(
    'create table ledger (id integer primary key, source integer, target integer, amount integer)',
  );
  await pool.runInteraction((tx) =>
    tx.executemany(
      `insert into accounts values (${p(1)}, ${p(2)})`,
      Array.from({ length: ACCOUNTS }, (_, id) => [id, BALANCE]),
    ),
  );
  const transfer = async (tx: Transaction, id: number): Promise<void> => {
    const from = Math.floor(random() * ACCOUNTS);
    const to = (from + 1 + Math.floor(random() * (ACCOUNTS - 1))) % ACCOUNTS;
    const amount = 1 + Math.floor(random() * 100);
    // In one order, so that they do not wait for each other in a circle; asked for at once, they run one after the other.
    const changes = [
      [-amount, from],
      [amount, to],
    ].sort(([, one = 0], [, two = 0]) => one - two);
    await Promise.all([
      tx.execute(`insert into ledger values (${p(1)}, ${p(2)}, ${p(3)}, ${p(4)})`, [
        ...[id, from, to, amount],
      ]),
      tx.executemany(`update accounts set balance = balance + ${p(1)} where id = ${p(2)}`, changes),
    ]);
  };
  /** Whether it has taken effect, which nobody knows when the connection broke in its commit. */
  const isDone = async (id: number): Promise<boolean> => {
    for (;;) {
      try {
        const sql = `select 1 as one from ledger where id = ${p(1)}`;
        return (await pool.runQuery(sql, [id])).length > 0;
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
      }
    }
  };
  const moments = Array.from({ length: kills }, (_, n) => ((n + random()) / kills) * count);
  let lost = 0;
  let next = 0;
  let failed = false;
  let killing = Promise.resolve<unknown>(undefined);
  const writer = async (): Promise<void> => {
    while (next < count && !failed) {
      const id = next++;
      if (id >= (moments[0] ?? count)) {
        moments.shift();
        killing = killing.then(kill);
      }
      for (;;) {
        try {
          await pool.runInteraction(transfer, id);
          break;
        } catch (error) {
          if (!(error instanceof ConnectionLost)) {
            failed = true;
            throw error;
          }
          lost += 1;
          if (await isDone(id)) break;
        }
      }
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
  await killing;
  const one = async (sql: string): Promise<unknown> =>
    Object.values((await pool.runQuery(sql))[0] ?? {})[0];
  expect(Number(await one('select count(*) from ledger'))).to.equal(count);
  expect(Number(await one('select sum(balance) from accounts'))).to.equal(ACCOUNTS * BALANCE);
  const wrong = await pool.runQuery(
    `select id from accounts a where balance <> ${BALANCE} + coalesce((select sum(amount) from ledger where target = a.id), 0) - coalesce((select sum(amount) from ledger where source = a.id), 0)`,
  );
  expect(wrong).to.deep.equal([]);
  await pool.runOperation('drop table accounts');
  await pool.runOperation('drop table ledger');
  return lost;
}
