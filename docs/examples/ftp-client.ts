/** Brings a folder of an FTP server here: `npx tsx docs/examples/ftp-client.ts HOST PORT PATH FOLDER`. Who logs in is in FTP_USER and FTP_PASSWORD. */
import { CommandFailed, connectFTP } from '../../src/protocols/ftp/index.ts';

const [host = '127.0.0.1', port = '21', path = '/', folder = '.'] = process.argv.slice(2);

try {
  const client = await connectFTP(host, {
    port: Number(port),
    username: process.env['FTP_USER'] ?? 'anonymous',
    password: process.env['FTP_PASSWORD'] ?? 'anonymous@',
  });
  client.progress$.subscribe(({ state, kind, path: what, bytes }) => {
    if (state === 'done' && kind === 'download') console.log(`${what}: ${bytes} bytes`);
  });
  console.log(`${await client.downloadDirectory(path, folder)} files`);
  await client.quit();
} catch (error) {
  // The server's no is told; anything else is a mistake of ours, or of the network.
  if (!(error instanceof CommandFailed)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
