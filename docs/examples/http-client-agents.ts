/** The parts by themselves, put together as Twisted has them: `npx tsx docs/examples/http-client-agents.ts URL FILE` uploads a file. */
import {
  Agent,
  BrowserLikeRedirectAgent,
  ContentDecoderAgent,
  FileBodyProducer,
  HTTPConnectionPool,
  readBody,
} from '../../src/protocols/http/client/index.ts';
import { reactor } from '../../src/reactor/index.ts';

const [url = '', path = ''] = process.argv.slice(2);

const pool = new HTTPConnectionPool(reactor, {
  maxPersistentPerHost: 4,
  maxPerHost: 8,
  headTimeout: 20,
});
const agent = new BrowserLikeRedirectAgent(
  new ContentDecoderAgent(new Agent(reactor, undefined, { pool, connectTimeout: 5 })),
);

const response = await agent.request(
  'PUT',
  url,
  { 'Content-Type': 'application/octet-stream' },
  new FileBodyProducer(path),
  // The file is sent when the server has said that it wants it.
  { expectContinue: true },
);
console.log(`${response.code} ${response.phrase}`);
console.log(String(await readBody(response)));
await pool.closeCachedConnections();
