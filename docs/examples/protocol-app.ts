import {
  Application,
  ClientService,
  clientFromString,
  Factory,
  LimitTotalConnectionsFactory,
  reactor,
  StreamServerEndpointService,
  serverFromString,
  TimerService,
} from '../../src/index.ts';
import { StoreClient } from './protocol-client.ts';
import { type Shelf, Store } from './protocol-store.ts';

const shelf: Shelf = { values: new Map(), maxValues: 10_000, maxLength: 1_000_000, idle: 60 };
const listen = process.env['LISTEN'] ?? 'tcp:8010:interface=127.0.0.1';

export const application = Application('store');

const factory = new LimitTotalConnectionsFactory(Factory.forProtocol(Store, shelf), {
  connectionLimit: 1000,
});
new StreamServerEndpointService(serverFromString(reactor, listen), factory).setServiceParent(
  application,
);

// Keeps a connection to another store, connects again when it is lost, and copies something there every ten seconds.
const other = process.env['COPY_TO'];
if (other !== undefined) {
  const client = new ClientService(
    clientFromString(reactor, other),
    Factory.forProtocol(StoreClient),
  );
  client.setServiceParent(application);
  new TimerService(10, async () => {
    const store = await client.whenConnected();
    for (const [key, value] of shelf.values) await store.set(key, value);
  }).setServiceParent(application);
}
