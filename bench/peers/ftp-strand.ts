/** Our FTP server: alice, whose password is "secret", sees the folder that is given. Prints its port. */
import { InMemoryUsernamePasswordDatabase, Portal } from '../../src/protocols/cred/index.ts';
import { FTPFactory, FTPRealm } from '../../src/protocols/ftp/index.ts';
import { LibuvReactor } from '../../src/reactor/index.ts';

const [folder = '.'] = process.argv.slice(2);
const reactor = new LibuvReactor();
const portal = new Portal(new FTPRealm(null, folder, { home: () => folder }), [
  new InMemoryUsernamePasswordDatabase({ alice: 'secret' }),
]);
const factory = new FTPFactory(portal, {
  reactor,
  maxSessions: 10_000,
  maxSessionsPerPeer: 10_000,
  timeOut: 3600,
});
console.log(
  reactor.listenTCP(0, factory, { interface: '127.0.0.1', backlog: 1024 }).getHost().port,
);
