import { equal } from 'node:assert/strict';
import { Clock, StringTransport } from '../../src/index.ts';
import { NoteTaker } from './tutorial-lines.ts';

const clock = new Clock();
const transport = new StringTransport();
const taker = new NoteTaker(['feed the cat']);
taker.clock = clock;
taker.makeConnection(transport);

// The network may cut what is sent anywhere.
taker.dataReceived(Buffer.from('buy mi'));
taker.dataReceived(Buffer.from('lk\n\n'));
equal(transport.value().toString(), 'Note 2\nfeed the cat\nbuy milk\n');

// A minute takes no time.
clock.advance(50);
taker.dataReceived(Buffer.from('call Bob\n'));
transport.clear();
clock.advance(50);
equal(transport.disconnecting, false);
clock.advance(11);
equal(transport.value().toString(), 'Goodbye\n');
equal(transport.disconnecting, true);
console.log('ok');
