/**
 * Money from one account to another, in a transaction: `npx tsx docs/examples/bank.ts`.
 */
import { ConnectionPool, type Transaction } from '../../src/adbapi/index.ts';

const pool = new ConnectionPool('sqlite', { filename: process.env['BANK'] ?? ':memory:' });

async function transfer(tx: Transaction, from: number, to: number, amount: number) {
  const [account] = await tx.execute('select balance from accounts where id = ?', [from]);
  if (Number(account?.['balance']) < amount) throw new Error('not enough'); // rolls back
  await tx.execute('update accounts set balance = balance - ? where id = ?', [amount, from]);
  await tx.execute('update accounts set balance = balance + ? where id = ?', [amount, to]);
  return amount;
}

await pool.runOperation(
  'create table if not exists accounts (id integer primary key, balance integer)',
);
await pool.runOperation('insert or ignore into accounts values (1, 100), (2, 0)');

const moved = await pool.runInteraction(transfer, 1, 2, 60);
console.log(`Moved ${moved}`);

const options = { isolation: 'serializable', retries: 5 } as const;
await pool.runInteractionWith(options, transfer, 1, 2, 60).addErrback((failure) => {
  console.log(`Moved nothing: ${failure.getErrorMessage()}`);
});

for await (const row of pool.stream('select id, balance from accounts')) console.log(row);
await pool.close();
