/** All that the objects of `ipc/` need, from Windows itself. Importing it loads nothing. */
import type { IpcKernel } from '../ipc/kernel.ts';
import { jobKernel } from './ipc-job.ts';
import { mailslotKernel } from './ipc-mailslot.ts';
import { memoryKernel } from './ipc-memory.ts';
import { pipeKernel } from './ipc-pipe.ts';
import { processKernel } from './ipc-process.ts';
import { syncKernel } from './ipc-sync.ts';

export const windowsKernel: IpcKernel = {
  ...syncKernel,
  ...memoryKernel,
  ...mailslotKernel,
  ...pipeKernel,
  ...jobKernel,
  ...processKernel,
};
