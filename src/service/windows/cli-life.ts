/** The commands of a service's life: start, stop, restart, pause, continue, control. */
import { type CommandContext, DOING } from './cli-context.ts';
import { logOf } from './cli-look.ts';
import { stateText } from './cli-status.ts';
import { parseControl } from './cli-values.ts';
import { isWindowsError } from './errors.ts';
import { describeExit } from './exit-codes.ts';
import { restartService, startService, stopService, waitForServiceStatus } from './functions.ts';
import { openService } from './service-access.ts';

/** Lines of the log that are shown when a start has failed. */
const LOG_LINES = 20;

export async function start(context: CommandContext): Promise<number> {
  const { target, args, console, how } = context;
  console.say(`Starting service ${target.name}`);
  return await running(context, () => startService(target.name, args, how));
}

export async function restart(context: CommandContext): Promise<number> {
  const { target, args, console, how } = context;
  console.say(`Restarting service ${target.name}`);
  return await running(context, () => restartService(target.name, args, how));
}

/** Waits for a start, and shows the end of the log when that fails. */
async function running(
  context: CommandContext,
  begin: () => ReturnType<typeof startService>,
): Promise<number> {
  const { console, verb } = context;
  try {
    const reached = await begin();
    console.tell({ status: reached });
    console.say(`Service is ${stateText(reached)}`);
    return 0;
  } catch (error) {
    const code = console.fail(DOING[verb], error);
    if (isWindowsError(error, 5, 1056, 1058, 1060, 123)) return code; // nothing of it has run
    const shown = logOf(context, LOG_LINES);
    if (shown !== null && shown.lines.length > 0) {
      console.complain([`The end of its log, ${shown.file}:`, ...shown.lines]);
      console.tell({ logfile: shown.file, log: shown.lines });
    }
    return code;
  }
}

export async function stop({ target, console, how }: CommandContext): Promise<number> {
  console.say(`Stopping service ${target.name}`);
  const reached = await stopService(target.name, how);
  console.tell({ status: reached });
  const stopped = reached.state === 'stopped';
  console.say(stopped ? 'Service stopped' : `Service is ${stateText(reached)}`);
  if (stopped && reached.win32ExitCode !== 0) {
    console.warn(`It ended with ${describeExit(reached)}`);
  }
  return 0;
}

export async function turn(
  { target, console, how }: CommandContext,
  verb: 'pause' | 'continue',
  state: 'paused' | 'running',
  doing: string,
): Promise<number> {
  console.say(`${doing} service ${target.name}`);
  const service = openService(target.name, ['pause-continue', 'query-status'], how);
  try {
    let reached = await service.control(verb);
    if (how.wait !== false) {
      const timeout = typeof how.wait === 'number' ? how.wait : undefined;
      reached = await waitForServiceStatus(target.name, state, timeout, how);
    }
    console.tell({ status: reached });
    console.say(`Service is ${stateText(reached)}`);
    return 0;
  } finally {
    service.close();
  }
}

export async function control({ target, operands, console, how }: CommandContext): Promise<number> {
  const code = parseControl(operands[0] ?? '');
  console.say(`Sending control ${code} to service ${target.name}`);
  const service = openService(target.name, ['user-defined-control', 'query-status'], how);
  try {
    const reached = await service.control(code);
    console.tell({ control: code, status: reached });
    console.say(`Service is ${stateText(reached)}`);
    return 0;
  } finally {
    service.close();
  }
}
