/** Downloads a file, piece by piece, and gives up when told to: `npx tsx docs/examples/http-client-download.ts URL FILE`. */
import { open } from 'node:fs/promises';
import { defaultClient, get } from '../../src/protocols/http/client/index.ts';

const [url = '', path = 'download'] = process.argv.slice(2);

const controller = new AbortController();
process.once('SIGINT', () => controller.abort());

const file = await open(path, 'w');
try {
  // No limit for the whole, which may take long; but something has to come every ten seconds.
  const response = await get(url, { signal: controller.signal, idleTimeout: 10 });
  response.raiseForStatus();
  let bytes = 0;
  // The server is read no faster than the disk takes it.
  for await (const chunk of response) {
    await file.write(chunk);
    bytes += chunk.length;
  }
  console.log(`${bytes} bytes from ${response.request.absoluteURI}`);
} finally {
  await file.close();
  await defaultClient().close();
}
