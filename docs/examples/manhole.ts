import {
  Application,
  FilePasswordDB,
  LineReceiver,
  Portal,
  ServerFactory,
  TCPServer,
} from '../../src/index.ts';
import { ManholeRealm, makeManholeService } from '../../src/protocols/manhole/index.ts';

class Counter extends LineReceiver<CounterFactory> {
  override lineReceived(line: Buffer): void {
    this.factory.lines += 1;
    this.sendLine(`${this.factory.greeting} ${line}`);
  }
}

class CounterFactory extends ServerFactory {
  override protocol = Counter;
  greeting = 'Hello';
  lines = 0;
}

const factory = new CounterFactory();
export const application = Application('counter');
new TCPServer(Number(process.env['PORT'] ?? 8007), factory).setServiceParent(application);

// Only if it is asked for.
const passwords = process.env['MANHOLE_PASSWORDS'];
if (passwords !== undefined) {
  const realm = new ManholeRealm({ namespace: { application, factory } });
  const portal = new Portal(realm, [new FilePasswordDB(passwords)]);
  const port = Number(process.env['MANHOLE_PORT'] ?? 2323);
  makeManholeService({ portal, port }, TCPServer).setServiceParent(application);
}
