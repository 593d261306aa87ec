import { join } from 'node:path';
import { Application, FilePasswordDB, Portal, reactor, TCPServer } from '../../src/index.ts';
import { SOCKSRealm, SOCKSServerFactory } from '../../src/protocols/socks/index.ts';

// Lines of NAME:HASH; hashPassword() makes the hashes.
const users = new FilePasswordDB(process.env['SOCKS_USERS'] ?? join('socks', 'passwords'));

const factory = new SOCKSServerFactory(reactor, {
  login: new Portal(new SOCKSRealm(), [users]),
  // One inside network besides the Internet, but not its gateway; and no mail.
  allow: (process.env['SOCKS_ALLOW'] ?? '10.1.0.0/16').split(','),
  deny: ['10.1.0.1'],
  rule: ({ port }) => port !== 25,
});

export const application = Application('socks');
const port = Number(process.env['PORT'] ?? 1080);
new TCPServer(port, factory).setServiceParent(application);
