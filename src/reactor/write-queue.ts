/**
 * Arrays for what connections have to send. A connection has one only while something waits: an idle one keeps none, and a busy one nearly always gets the
 * array that was just used, whose store is still there and in the processor's cache.
 */
import type { Data } from './interfaces.ts';

export type WriteQueue = Data[];

/** As many as connections may write at the end of one turn without making new ones. */
const SPARES = 64;
const spares: WriteQueue[] = [];

/** An empty one. */
export function takeQueue(): WriteQueue {
  return spares.pop() ?? [];
}

/** For the next who has something to send. @param queue whose chunks were taken */
export function giveBackQueue(queue: WriteQueue): void {
  // Nearly always there was one chunk; popping it keeps the array's store. Of more than that nothing would be left to keep.
  if (queue.length !== 1 || spares.length === SPARES) return;
  queue.pop();
  spares.push(queue);
}
