/** Asks the shop of amp-server.ts for prices: `npx tsx docs/examples/amp-client.ts 4321 tea coffee`. */
import { connectProtocol, Deferred, reactor, TCP4ClientEndpoint } from '../../src/index.ts';
import * as amp from '../../src/protocols/amp/index.ts';
import { Changed, Price, Subscribe, UnknownItem } from './amp-commands.ts';

const [port = '4321', ...items] = process.argv.slice(2);

const told = new Deferred<string[]>();
const shop = new amp.AMP({ timeout: 10 });
shop.responder(Changed, (changed) => told.callback(changed.items));

await connectProtocol(new TCP4ClientEndpoint(reactor, '127.0.0.1', Number(port)), shop);
await shop.callRemote(Subscribe);
console.log(`Prices of ${(await told).join(' and ')} may change`);
for (const item of items) {
  try {
    const { total } = await shop.callRemote(Price, { item, amount: 2 });
    console.log(`${item}: ${total}`);
  } catch (error) {
    if (!(error instanceof UnknownItem)) throw error;
    console.log(error.message);
  }
}
shop.transport.loseConnection();
