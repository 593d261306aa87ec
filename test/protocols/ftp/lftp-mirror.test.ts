/** A whole tree, both ways, by lftp. */
import { execFile, spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { InMemoryUsernamePasswordDatabase, Portal } from '../../../src/protocols/cred/index.ts';
import { FTPFactory, FTPRealm } from '../../../src/protocols/ftp/index.ts';
import { type ListeningPort, reactor } from '../../../src/reactor/index.ts';
import { certificates } from '../../support/certificates.ts';

const run = promisify(execFile);

/** Folders of a hundred files each. */
const FOLDERS = 10;
const FILES = 100;

function textOf(folder: number, file: number): string {
  return `file ${file} of ${folder}\n`.repeat(1 + ((folder + file) % 50));
}

/** All files below a folder, with what is in them. */
function contents(folder: string): Map<string, string> {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return new Map(
    found.map((path) => [path.slice(folder.length), readFileSync(path, 'utf8')] as const).sort(),
  );
}

for (const way of ['in clear', 'with AUTH TLS', 'with implicit TLS'] as const) {
  const secure = way !== 'in clear';
  describe(`lftp and an FTP server over files, ${way}`, function () {
    // lftp holds back its part of each handshake until the system confirms what it has sent before, which takes 40 ms.
    this.timeout(120_000);
    let base = '';
    let factory: FTPFactory;
    let listening: ListeningPort;

    before(function () {
      if (spawnSync('lftp', ['--version']).status === 0) return;
      if (process.env['CI'] === 'true') throw new Error('Install lftp');
      this.skip();
    });

    beforeEach(() => {
      base = realpathSync(mkdtempSync(join(tmpdir(), 'strand-ftp-')));
      mkdirSync(join(base, 'root'));
      for (let folder = 0; folder < FOLDERS; folder++) {
        mkdirSync(join(base, 'tree', `d${folder}`), { recursive: true });
        for (let file = 0; file < FILES; file++) {
          writeFileSync(join(base, 'tree', `d${folder}`, `f${file}`), textOf(folder, file));
        }
      }
      const root = join(base, 'root');
      const realm = new FTPRealm(null, root, { home: () => root });
      const users = new InMemoryUsernamePasswordDatabase({ alice: 'wonder' });
      const tls = certificates().server;
      factory = new FTPFactory(new Portal(realm, [users]), secure ? { tls, requireTLS: true } : {});
      factory.noisy = false;
      const options = { interface: '127.0.0.1' };
      listening =
        way === 'with implicit TLS'
          ? reactor.listenSSL(0, factory, tls, options)
          : reactor.listenTCP(0, factory, options);
    });

    afterEach(async () => {
      await listening?.stopListening();
      await factory?.drain(1);
      if (base !== '') rmSync(base, { recursive: true });
    });

    it(`mirror ${FOLDERS * FILES} files both ways`, async () => {
      const authority = join(base, 'ca.pem');
      writeFileSync(authority, certificates().ca.cert);
      const { port } = listening.getHost() as { port: number }; // of TCP
      const scheme = way === 'with implicit TLS' ? 'ftps' : 'ftp';
      const script = [
        `set ssl:ca-file ${authority}`,
        // The name in the certificate is looked up for addresses as well, but not by lftp.
        'set ssl:check-hostname no',
        `set ftp:ssl-force ${secure}`,
        'set ftp:ssl-protect-data yes',
        'set net:max-retries 1',
        'set cmd:fail-exit yes',
        `open -u alice,wonder ${scheme}://127.0.0.1:${port}`,
        `mirror -R --parallel=10 ${join(base, 'tree')} /tree`,
        `mirror --parallel=10 /tree ${join(base, 'back')}`,
        'bye',
      ].join('; ');
      await run('lftp', ['-c', script], { timeout: 100_000 });
      const expected = contents(join(base, 'tree'));
      expect(expected.size).to.equal(FOLDERS * FILES);
      expect(contents(join(base, 'root', 'tree'))).to.deep.equal(expected);
      expect(contents(join(base, 'back'))).to.deep.equal(expected);
    });
  });
}
