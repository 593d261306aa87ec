/** The commands by which a service is managed: which there are, and what they may be given. */
import { UsageError } from '../errors.ts';
import { CommandConsole } from './cli-console.ts';
import { type CommandContext, DOING, type VerbRequest } from './cli-context.ts';
import type { Installable } from './cli-install.ts';
import { control, restart, start, stop, turn } from './cli-life.ts';
import { doctor, logs, status } from './cli-look.ts';
import { misplacedOptions, type ServiceVerb } from './cli-options.ts';
import { install, remove, update } from './cli-registration.ts';
import type { ServiceSystem } from './cli-system.ts';
import type { StopServiceOptions } from './functions.ts';

const RUN: Readonly<Record<ServiceVerb, (context: CommandContext) => Promise<number>>> = {
  install,
  update,
  remove,
  start,
  stop,
  restart,
  pause: (context) => turn(context, 'pause', 'paused', 'Pausing'),
  continue: (context) => turn(context, 'continue', 'running', 'Continuing'),
  status,
  control,
  debug: ({ target, args, host }) => target.debug(args, host),
  logs,
  doctor,
};

/**
 * Does what a command asks for.
 * @returns the exit code: 0, or Windows' error number
 * @throws {UsageError} through the promise, when the command makes no sense
 */
export async function performVerb(
  request: VerbRequest,
  target: Installable,
  system: ServiceSystem,
): Promise<number> {
  const { verb, options, operands } = request;
  check(request);
  const console = new CommandConsole(system.streams, options.json === true, {
    command: verb,
    service: target.name,
  });
  const wait = options.wait === false ? false : (options.timeout ?? options.wait);
  const how: StopServiceOptions = {
    scm: system.scm,
    clock: system.clock,
    machine: options.machine,
    wait: wait === 0 ? false : wait,
    dependents: options.force,
  };
  try {
    return console.end(await RUN[verb]({ ...request, target, system, console, how, operands }));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    return console.end(console.fail(DOING[verb], error));
  }
}

/** @throws {UsageError} */
function check({ verb, operands, args, options, host }: VerbRequest): void {
  const [option] = misplacedOptions(options, verb);
  if (option !== undefined) {
    throw new UsageError(`Option ${option} does not go with command ${JSON.stringify(verb)}`);
  }
  if (
    options.delayed &&
    options.startup !== undefined &&
    options.startup.startType !== 'automatic'
  ) {
    throw new UsageError('Option --delayed goes with an automatic start only');
  }
  if (host.logfile === '-' && verb !== 'debug') {
    throw new UsageError('A service has no standard output to log to: give --logfile a file');
  }
  for (const name of ['perfmonini', 'perfmondll'] as const) {
    if (options[name] === undefined) continue;
    throw new UsageError(
      `Option --${name} is not supported: performance counters need a library of their own`,
    );
  }
  const wanted = verb === 'control' ? 1 : 0;
  const stray = operands[wanted];
  if (stray !== undefined) {
    throw new UsageError(
      `Unexpected argument ${JSON.stringify(stray)} of command ${JSON.stringify(verb)}`,
    );
  }
  if (operands.length < wanted) {
    throw new UsageError('Command "control" needs a number from 128 to 255');
  }
  if (args.length > 0 && !['install', 'update', 'start', 'restart', 'debug'].includes(verb)) {
    throw new UsageError(`Command ${JSON.stringify(verb)} takes no arguments for the service`);
  }
}
