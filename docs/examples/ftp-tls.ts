import { readFileSync } from 'node:fs';
import {
  AllowAnonymousAccess,
  Application,
  Portal,
  SSLServer,
  TCPServer,
} from '../../src/index.ts';
import { FTPFactory, FTPRealm } from '../../src/protocols/ftp/index.ts';

const tls = {
  cert: readFileSync(process.env['CERTIFICATE'] ?? 'cert.pem'),
  key: readFileSync(process.env['PRIVATE_KEY'] ?? 'key.pem'),
};

const realm = new FTPRealm(process.env['FTP_FOLDER'] ?? '.');
const factory = new FTPFactory(new Portal(realm, [new AllowAnonymousAccess()]), {
  tls,
  requireTLS: true,
  // What takes over a data connection of somebody else has not the session of its control connection.
  requireSessionReuse: true,
});

export const application = Application('ftps');
// Here clients ask for TLS (AUTH TLS); at the other port they speak it from the first byte.
new TCPServer(Number(process.env['PORT'] ?? 2121), factory).setServiceParent(application);
new SSLServer(Number(process.env['TLS_PORT'] ?? 9900), factory, tls).setServiceParent(application);
