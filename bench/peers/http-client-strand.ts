/**
 * Our HTTP client as a load: `http-client-strand PORT PATH CONCURRENCY COUNT` asks that often, after a warm-up, and prints requests per second and microseconds of processor time for each.
 */
import { Agent, HTTPConnectionPool } from '../../src/protocols/http/client/index.ts';
import { LibuvReactor } from '../../src/reactor/index.ts';

const [port, path = '/', concurrency = '1', count = '1000'] = process.argv.slice(2);
const url = `http://127.0.0.1:${port}${path}`;
const lanes = Number(concurrency);

const reactor = new LibuvReactor();
const pool = new HTTPConnectionPool(reactor, { maxPersistentPerHost: lanes });
const agent = new Agent(reactor, undefined, { pool });

async function ask(times: number): Promise<void> {
  let left = times;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const response = await agent.request('GET', url);
      await response.bytes();
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

await ask(Math.ceil(Number(count) / 4));
const cpu = process.cpuUsage();
const begun = process.hrtime.bigint();
await ask(Number(count));
const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
const { user, system } = process.cpuUsage(cpu);
console.log(`${Number(count) / seconds} ${(user + system) / Number(count)}`);
await pool.closeCachedConnections();
