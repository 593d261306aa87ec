/** Starting a thread that understands what its parent understands: TypeScript too, when a loader is at work. */
import { Worker } from 'node:worker_threads';
import { workerExecArgv } from '../../reactor/threads/index.ts';
import type { ThreadData } from './protocol.ts';

export function startThread(data: ThreadData, name: string): Worker {
  // Beside this file, under whichever name it has: the compiler does not rewrite this one.
  const entry = new URL(import.meta.url.replace(/start(\.\w+)(\?.*)?$/, 'entry$1'));
  const execArgv = workerExecArgv();
  return new Worker(entry, {
    workerData: data,
    transferList: [data.port],
    name,
    ...(execArgv === undefined ? {} : { execArgv }),
  });
}
