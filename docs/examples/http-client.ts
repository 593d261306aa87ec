/** Asks a small JSON service for its items, adds one, and says what came of it: `npx tsx docs/examples/http-client.ts http://127.0.0.1:8080`. */
import { CookieJar, HTTPClient, StatusError } from '../../src/protocols/http/client/index.ts';

interface Item {
  readonly name: string;
}

const [service = 'http://127.0.0.1:8080'] = process.argv.slice(2);

// Thirty seconds for each call, redirects and the whole body included.
const client = new HTTPClient({ timeout: 30, cookies: new CookieJar() });

try {
  const login = await client.post(`${service}/login`, { form: { name: 'ada', password: 'pw' } });
  login.raiseForStatus().discard();

  const page = await client.get(`${service}/items`, { query: { page: 2 } });
  const items = await page.raiseForStatus().json<Item[]>();
  console.log(items.map(({ name }) => name).join(', '));

  const added = await client.post(`${service}/items`, { json: { name: 'new' } });
  console.log(`${added.code} ${await added.text()}`);
} catch (error) {
  if (!(error instanceof StatusError)) throw error;
  console.log(`The service says ${error.status}: ${error.message}`);
} finally {
  // Otherwise the connections that are kept would keep the process for four seconds.
  await client.close();
}
