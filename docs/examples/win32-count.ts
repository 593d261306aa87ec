/** Programs that count together: start several at a time, and each adds its hundred to the same number. */
import { Mutex, SharedMemory } from '../../src/index.ts';

const mutex = new Mutex('strand count');
const memory = SharedMemory.create('strand count memory', 4);
for (let n = 0; n < 100; n += 1) {
  const hold = await mutex.acquire({ timeout: 10 });
  if (hold.abandoned) console.log('Another one has ended in the middle of it');
  memory.buffer.writeUInt32LE(memory.buffer.readUInt32LE(0) + 1);
  hold.release();
}
console.log(`Counted to ${memory.buffer.readUInt32LE(0)}`);
memory.close(); // the number goes with the last one that has it open
mutex.close();
