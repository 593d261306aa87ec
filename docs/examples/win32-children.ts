/** Programs that end with this one, however it ends, and what Windows tells of them. */
import { spawn } from 'node:child_process';
import { JobObject, processInfo, processTree } from '../../src/index.ts';

const job = new JobObject(null, { activeProcesses: 10 }); // open until this process ends: that closes it
job.assignSelf();
spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });

for (const { pid, name, parentPid } of processTree()) {
  const { path, startedAt, workingSet } = processInfo(pid);
  console.log(`${name} ${pid}, started by ${parentPid}: in the job ${job.contains(pid)}`);
  console.log(
    `  ${path}, ${Math.round(workingSet / 2 ** 20)} MiB, since ${startedAt.toISOString()}`,
  );
}
process.exit(); // and the child goes, too
