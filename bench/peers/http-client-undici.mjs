// The same as http-client-strand.ts, with undici's `request`.
import { Agent, request } from 'undici';

const [port, path = '/', concurrency = '1', count = '1000'] = process.argv.slice(2);
const url = `http://127.0.0.1:${port}${path}`;
const lanes = Number(concurrency);
const dispatcher = new Agent({ connections: lanes, pipelining: 1 });

async function ask(times) {
  let left = times;
  const lane = async () => {
    while (left > 0) {
      left -= 1;
      const { body } = await request(url, { dispatcher });
      await body.arrayBuffer();
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
await dispatcher.close();
