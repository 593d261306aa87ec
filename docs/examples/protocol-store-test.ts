import { equal } from 'node:assert/strict';
import { Clock, connectedServerAndClient, Protocol, StringTransport } from '../../src/index.ts';
import { type Shelf, Store } from './protocol-store.ts';

const shelf: Shelf = { values: new Map(), maxValues: 2, maxLength: 10, idle: 60 };

function connected(clock = new Clock()): [store: Store, transport: StringTransport] {
  const [store, transport] = [new Store(shelf), new StringTransport()];
  store.clock = clock;
  store.makeConnection(transport);
  return [store, transport];
}

// What it says.
const [store, transport] = connected();
store.dataReceived(Buffer.from('SET a 5\r\nhel'));
equal(transport.value().toString(), '');
store.dataReceived(Buffer.from('loGET a\r\nGET b\r\n'));
equal(transport.value().toString(), 'STORED\r\nVALUE 5\r\nhelloNONE\r\n');

// A limit: it says why, and closes.
transport.clear();
store.dataReceived(Buffer.from('SET a 11\r\n'));
equal(transport.value().toString(), 'ERROR Value too long\r\n');
equal(transport.disconnecting, true);

// A minute takes no time.
const clock = new Clock();
const [, silent] = connected(clock);
clock.advance(59);
equal(silent.disconnecting, false);
clock.advance(2);
equal(silent.value().toString(), 'ERROR Too slow\r\n');

// A client that does not read: the transport tells its producer to pause, and no question is answered until it resumes.
const [busy, slow] = connected();
equal(slow.producer, busy);
busy.pauseProducing();
equal(slow.producerState, 'paused');
busy.dataReceived(Buffer.from('GET b\r\n'));
equal(slow.value().toString(), '');
busy.resumeProducing();
equal(slow.value().toString(), 'NONE\r\n');

// Both ends, on the connections that a real reactor has, and the test is the network.
class Client extends Protocol {
  heard = '';

  override dataReceived(data: Buffer): void {
    this.heard += data;
  }
}
const [client, , pump] = connectedServerAndClient(() => new Store(shelf), Client);
client.transport.write('GET a\r\nbad\r\n');
pump.flush();
equal(client.heard, 'VALUE 5\r\nhelloERROR What?\r\n');
equal(client.transport.connected, false);
console.log('ok');
