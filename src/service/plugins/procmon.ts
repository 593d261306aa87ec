/** `twistd procmon`: keeps a program running (Twisted: `twistd procmon`). */
import { basename } from 'node:path';
import { ProcessMonitor } from '../process-monitor.ts';
import type { Service } from '../service.ts';
import { defineOptions } from '../twistd/command-options.ts';

const seconds = { type: 'seconds', value: 'SECONDS' } as const;

export const Options = defineOptions(
  {
    threshold: {
      ...{ ...seconds, short: 't', default: 1 },
      description: 'a program that ends sooner than this is taken to be failing',
    },
    killtime: {
      ...{ ...seconds, short: 'k', default: 5 },
      description: 'how long it has to end when it is told to, before it is killed',
    },
    minrestartdelay: {
      ...{ ...seconds, short: 'm', default: 1 },
      description: 'wait before it is started again',
    },
    maxrestartdelay: {
      ...{ ...seconds, short: 'M', default: 3600 },
      description: 'the longest wait, when it fails again and again',
    },
  },
  {
    description:
      'Keeps another program running: starts it again when it ends, and logs what it writes.',
    operands: {
      ...{ name: 'COMMAND', min: 1, commandLine: true },
      description: 'the program and its arguments',
    },
    epilog: 'Example:\n  twistd procmon -k 10 /usr/bin/node worker.js --queue mail',
  },
);

export function makeService(options: InstanceType<typeof Options>): Service {
  const { threshold, killtime, minrestartdelay, maxrestartdelay, operands } = options;
  const monitor = new ProcessMonitor({
    ...{ threshold, killTime: killtime },
    ...{ minRestartDelay: minrestartdelay, maxRestartDelay: maxrestartdelay },
  });
  monitor.addProcess(basename(operands[0] ?? ''), operands);
  return monitor;
}
