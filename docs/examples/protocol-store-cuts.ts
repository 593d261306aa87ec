import { deepEqual } from 'node:assert/strict';
import fc from 'fast-check';
import { Clock, StringTransport } from '../../src/index.ts';
import { Store } from './protocol-store.ts';

/** What it says, and what it keeps, when `input` comes cut at `cuts`. */
function outcome(input: Buffer, cuts: readonly number[]): unknown {
  const values = new Map<string, Buffer>();
  const store = new Store({ values, maxValues: 3, maxLength: 8, idle: 60 });
  const transport = new StringTransport();
  store.clock = new Clock();
  store.makeConnection(transport);
  let from = 0;
  for (const cut of [...cuts, input.length]) {
    // Each piece is a buffer of its own, as from the network.
    store.dataReceived(Buffer.from(input.subarray(from, cut)));
    from = cut;
  }
  return [transport.value().toString('latin1'), [...values], transport.disconnecting];
}

const key = fc.constantFrom('a', 'b', 'c', 'd');
const set = fc
  .tuple(key, fc.uint8Array({ maxLength: 9 }))
  .map(([name, value]) => Buffer.concat([Buffer.from(`SET ${name} ${value.length}\r\n`), value]));
const get = key.map((name) => Buffer.from(`GET ${name}\r\n`));
const noise = fc.uint8Array({ maxLength: 5 }).map((bytes) => Buffer.from(bytes));
// Mostly what makes sense: noise ends the conversation.
const input = fc
  .array(
    fc.oneof(
      { weight: 5, arbitrary: set },
      { weight: 5, arbitrary: get },
      { weight: 1, arbitrary: noise },
    ),
    { maxLength: 12 },
  )
  .map((commands) => Buffer.concat(commands));

fc.assert(
  fc.property(input, fc.array(fc.nat()), (bytes, places) => {
    const whole = outcome(bytes, []);
    const each = Array.from({ length: bytes.length }, (_, index) => index);
    const anywhere = places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b);
    deepEqual(outcome(bytes, each), whole);
    deepEqual(outcome(bytes, anywhere), whole);
  }),
);
console.log('ok');
