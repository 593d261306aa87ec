import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Application, FilePasswordDB, Portal, TCPServer } from '../../src/index.ts';
import { FTPFactory, FTPRealm, Permissions } from '../../src/protocols/ftp/index.ts';

const folder = process.env['FTP_FOLDER'] ?? 'ftp';
mkdirSync(join(folder, 'home'), { recursive: true });

// Guests may look at everything, and leave something in one folder.
const guest = new Permissions('elr', [{ path: '/incoming', letters: 'elw' }]);

const realm = new FTPRealm(null, join(folder, 'home'), {
  createHome: true,
  shell: (user) => (user === 'guest' ? { permissions: guest } : { keepPartial: true }),
  quota: { maxBytes: 10 * 1024 ** 3 },
});

// Lines of NAME:HASH; hashPassword() makes the hashes.
const users = new FilePasswordDB(join(folder, 'passwords'));

const factory = new FTPFactory(new Portal(realm, [users]), {
  allowAnonymous: false,
  maxSessionsPerUser: 5,
  maxUserRate: 50 * 1024 ** 2,
  transferLog: join(folder, 'xferlog'),
});

export const application = Application('ftp');
const port = Number(process.env['PORT'] ?? 2121);
new TCPServer(port, factory).setServiceParent(application);
