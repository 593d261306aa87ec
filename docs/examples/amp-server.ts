import { Application, type Failure, ServerFactory, TCPServer } from '../../src/index.ts';
import * as amp from '../../src/protocols/amp/index.ts';
import { Changed, Price, Subscribe, UnknownItem } from './amp-commands.ts';

const prices = new Map([
  ['tea', 2.5],
  ['coffee', 3],
]);
const subscribers = new Set<Shop>();

class Shop extends amp.AMP {
  constructor() {
    super({ maxPendingAnswers: 100 });
    this.responder(Price, ({ item, amount = 1 }) => {
      const price = prices.get(item);
      if (price === undefined) throw new UnknownItem(`We do not have ${item}`);
      return { total: (price * amount).toFixed(2), since: new Date('2026-01-01') };
    });
    this.responder(Subscribe, () => {
      subscribers.add(this);
      // Both ends may ask: this is heard by the one who subscribed.
      this.callRemote(Changed, { items: [...prices.keys()] });
    });
  }

  override connectionLost(reason: Failure): unknown {
    subscribers.delete(this);
    return super.connectionLost(reason);
  }
}

export const application = Application('shop');
const port = Number(process.env['PORT'] ?? 4321);
new TCPServer(port, ServerFactory.forProtocol(Shop), { interface: '127.0.0.1' }).setServiceParent(
  application,
);
