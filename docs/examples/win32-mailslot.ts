/** Messages from any program to one that reads: `win32-mailslot.ts read`, then elsewhere `win32-mailslot.ts write hello`. */
import { Mailslot } from '../../src/index.ts';

const [, , verb, text = ''] = process.argv;

if (verb === 'read') {
  const slot = new Mailslot('strand\\orders');
  console.log('Reading');
  for await (const message of slot) {
    console.log(`Got ${message}`);
    if (message.toString() === 'stop') slot.close();
  }
} else {
  const writer = Mailslot.connect('strand\\orders');
  writer.write(text);
  writer.close();
}
