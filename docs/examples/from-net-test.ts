import { equal } from 'node:assert/strict';
import { Clock, StringTransport } from '../../src/index.ts';
import { Adder } from './from-net-lines.ts';

const adder = new Adder();
const transport = new StringTransport();
const clock = new Clock();
adder.clock = clock;
adder.makeConnection(transport);

adder.dataReceived(Buffer.from('1 2'));
adder.dataReceived(Buffer.from(' 3\n'));
equal(transport.value().toString(), '6\n');

clock.advance(61);
equal(transport.disconnected, true);
console.log('ok');
