/** The commands by which a service is managed: what each does, says, and ends with. */
import { UsageError } from '../errors.ts';
import { CommandConsole } from './cli-console.ts';
import { commandLineOf, type Installable, readCommandLine, setupOf } from './cli-install.ts';
import {
  type HostOptions,
  misplacedOptions,
  type ServiceCliOptions,
  type ServiceVerb,
} from './cli-options.ts';
import { describeService, stateText, statusFields, statusLines } from './cli-status.ts';
import type { ServiceSystem } from './cli-system.ts';
import { parseControl } from './cli-values.ts';
import { examine } from './doctor.ts';
import { isWindowsError } from './errors.ts';
import { describeExit } from './exit-codes.ts';
import {
  changeServiceConfig,
  installService,
  openService,
  removeService,
  restartService,
  type ServiceSetup,
  type StopServiceOptions,
  startService,
  stopService,
  waitForServiceStatus,
} from './functions.ts';
import { defaultLogFile, defaultSource, logFileOf } from './logs.ts';
import { fullAccount, isUser, passwordFor } from './passwords.ts';
import type { ServiceSettings } from './scm-api.ts';

/** A command, as it was given. */
export interface VerbRequest {
  readonly verb: ServiceVerb;
  /** What stands behind the verb: the code of `control`. */
  readonly operands: readonly string[];
  /** For the service: what comes after `--`. */
  readonly args: readonly string[];
  readonly options: ServiceCliOptions;
  readonly host: HostOptions;
}

/** What a verb works with. */
interface Context extends VerbRequest {
  readonly target: Installable;
  readonly system: ServiceSystem;
  readonly console: CommandConsole;
  /** For the functions. */
  readonly how: StopServiceOptions;
}

/** How it is called that a verb is at it, for errors. */
const DOING: Readonly<Record<ServiceVerb, string>> = {
  install: 'installing service',
  update: 'changing service configuration',
  remove: 'removing service',
  start: 'starting service',
  stop: 'stopping service',
  restart: 'restarting service',
  pause: 'pausing service',
  continue: 'continuing service',
  status: 'querying service',
  control: 'sending control to service',
  debug: 'debugging service',
  logs: 'reading the log of service',
  doctor: 'examining service',
};

const RUN: Readonly<Record<ServiceVerb, (context: Context) => Promise<number>>> = {
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

/** Lines of the log that are shown when a start has failed, and by the command logs. */
const LOG_LINES_ON_FAILURE = 20;
const LOG_LINES = 50;
/** What `install --customize` gives when its last step fails; pywin32 has it so. */
const CUSTOMIZE_FAILED = -1;

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

// ------------------------------------------------------------------------------------ registration

async function install(context: Context): Promise<number> {
  const { target, system, console, how } = context;
  console.say(`Installing service ${target.name}`);
  const existing = current(context);
  if (existing !== null) {
    console.say('The service exists already: changing it instead');
    return await change(context, existing);
  }
  const setup = await setupFor(context, null);
  const { updated, unsupported } = await installService(setup, how);
  finish(context, setup, unsupported);
  try {
    await target.customize?.();
  } catch (error) {
    await removeService(target.name, how);
    system.events.unregister(sourceOf(context, setup.imagePath));
    const text = error instanceof Error ? error.message : String(error);
    console.tell({ ok: false, error: text });
    console.complain([`Error installing service: ${text}`]);
    return CUSTOMIZE_FAILED;
  }
  console.tell({ updated });
  console.say(updated ? 'Service updated' : 'Service installed');
  return 0;
}

async function update(context: Context): Promise<number> {
  const service = openService(context.target.name, ['query-config'], context.how);
  service.close(); // so that 1060 comes before anybody is asked for a password
  return await change(context, current(context) ?? { imagePath: '', settings: {} });
}

async function change(context: Context, existing: Existing): Promise<number> {
  const { target, console, how } = context;
  console.say('Changing service configuration');
  const setup = await setupFor(context, existing);
  const unsupported = await changeServiceConfig(target.name, setup, how);
  finish(context, setup, unsupported);
  await target.customize?.();
  console.tell({ updated: true });
  console.say('Service updated');
  return 0;
}

async function remove(context: Context): Promise<number> {
  const { target, system, console, how } = context;
  console.say(`Removing service ${target.name}`);
  const { config } = describeService(target.name, how);
  await removeService(target.name, how);
  system.events.unregister(sourceOf(context, config.imagePath));
  console.say('Service removed');
  return 0;
}

/** What is registered now. */
interface Existing {
  readonly imagePath: string;
  readonly settings: Partial<ServiceSettings>;
}

function current({ target, how }: Context): Existing | null {
  try {
    const { config, settings } = describeService(target.name, how);
    return { imagePath: config.imagePath, settings };
  } catch (error) {
    // Also a name that Windows refuses, and a registration that is not for everybody's eyes: what comes next says so.
    if (isWindowsError(error, 1060, 1072, 123, 5)) return null;
    throw error;
  }
}

async function setupFor(context: Context, existing: Existing | null): Promise<ServiceSetup> {
  const { target, options, system } = context;
  const imagePath = plannedCommandLine(context, existing?.imagePath);
  const setup = setupOf(target, options, imagePath, existing?.settings ?? null);
  const { account } = setup;
  if (account === undefined) {
    const way = (['password', 'passwordEnv', 'passwordStdin'] as const).find(
      (key) => options[key] !== undefined,
    );
    if (way !== undefined) throw new UsageError('A password needs an account: give --username');
    return setup;
  }
  // An empty password clears that of the account before.
  const password = isUser(account) ? await passwordFor(account, options, system) : '';
  return { ...setup, password };
}

function plannedCommandLine(
  { target, options, host, args, system }: Context,
  previous: string | undefined,
): string {
  const program = target.program();
  return commandLineOf(
    target.name,
    { ...program, args: args.length > 0 ? args : program.args },
    {
      service: options,
      host,
      execPath: system.execPath,
      nodeVersion: system.nodeVersion,
      logfile: defaultLogFile(target.name, system.environment),
      previous,
    },
  );
}

/** What belongs to an installation besides the registration. None of it keeps the service from being installed. */
function finish(
  context: Context,
  { imagePath, account }: ServiceSetup,
  unsupported: readonly string[],
): void {
  const { system, console, options } = context;
  for (const setting of unsupported) {
    console.warn(`This system does not know the setting ${setting}: the service does without`);
  }
  if (options.password !== undefined) {
    console.warn('A password on the command line may be seen by others: use --password-stdin');
  }
  if (account !== undefined && isUser(account)) {
    attempt(console, `Cannot let ${account} log on as a service, so that it fails to start`, () => {
      if (system.scm.grantLogonRight(account)) {
        console.say(`Gave ${account} the right to log on as a service`);
      }
    });
  }
  attempt(console, 'Cannot register its source of events', () => {
    system.events.register(sourceOf(context, imagePath));
  });
  const logfile = logFileOf(imagePath);
  if (logfile !== null) {
    attempt(console, 'Cannot make the folder of its log', () => system.makeFolderOf(logfile));
    console.tell({ logfile });
  }
  console.tell({ imagePath, ...(account === undefined ? {} : { account }) });
}

function attempt(console: CommandConsole, otherwise: string, f: () => void): void {
  try {
    f();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.warn(`${otherwise}: ${error.message}`);
  }
}

/** Its name in the event log: what is said now, or was when it was installed. */
function sourceOf({ target, options }: Context, imagePath: string): string {
  const installed = readCommandLine(imagePath)?.flags['--event-source'];
  return options.eventSource ?? installed ?? defaultSource(target.name);
}

// --------------------------------------------------------------------------------------------- life

async function start(context: Context): Promise<number> {
  const { target, args, console, how } = context;
  console.say(`Starting service ${target.name}`);
  return await running(context, () => startService(target.name, args, how));
}

async function restart(context: Context): Promise<number> {
  const { target, args, console, how } = context;
  console.say(`Restarting service ${target.name}`);
  return await running(context, () => restartService(target.name, args, how));
}

/** Waits for a start, and shows the end of the log when that fails. */
async function running(
  context: Context,
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
    const shown = logOf(context, LOG_LINES_ON_FAILURE);
    if (shown !== null && shown.lines.length > 0) {
      console.complain([`The end of its log, ${shown.file}:`, ...shown.lines]);
      console.tell({ logfile: shown.file, log: shown.lines });
    }
    return code;
  }
}

async function stop({ target, console, how }: Context): Promise<number> {
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

async function turn(
  { target, console, how }: Context,
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

async function control({ target, operands, console, how }: Context): Promise<number> {
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

// --------------------------------------------------------------------------------------------- looks

async function status({ target, console, how }: Context): Promise<number> {
  const description = describeService(target.name, how);
  console.tell(statusFields(description));
  for (const line of statusLines(description)) console.say(line);
  return 0;
}

async function logs(context: Context): Promise<number> {
  const { console, target, options, system } = context;
  const { config } = describeService(target.name, context.how);
  const file = logFileOf(config.imagePath) ?? defaultLogFile(target.name, system.environment);
  const lines = system.lastLines(file, options.lines ?? LOG_LINES);
  console.tell({ logfile: file, log: lines });
  for (const line of lines) console.say(line);
  return 0;
}

function logOf(
  { target, how, system }: Context,
  count: number,
): { file: string; lines: string[] } | null {
  try {
    const { config } = describeService(target.name, how);
    const file = logFileOf(config.imagePath);
    return file === null ? null : { file, lines: system.lastLines(file, count) };
  } catch {
    return null; // it was worth a try
  }
}

async function doctor(context: Context): Promise<number> {
  const { target, options, console, system } = context;
  const findings = examine({
    name: target.name,
    system,
    account: options.username === undefined ? null : fullAccount(options.username, target.name),
    expected: (previous) => plannedCommandLine(context, previous),
    source: (imagePath) => sourceOf(context, imagePath),
  });
  console.tell({ findings });
  for (const { level, text, advice } of findings) {
    console.say(`${{ ok: '[ok]  ', warn: '[warn]', fail: '[FAIL]' }[level]} ${text}`);
    if (advice !== undefined) console.say(`       ${advice}`);
  }
  return findings.some(({ level }) => level === 'fail') ? 1 : 0;
}
