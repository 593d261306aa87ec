/** The commands that change how a service is registered: install, update, remove. */
import { UsageError } from '../errors.ts';
import type { CommandConsole } from './cli-console.ts';
import { type CommandContext, DOING } from './cli-context.ts';
import { commandLineOf, readCommandLine, setupOf } from './cli-install.ts';
import { describeService } from './cli-status.ts';
import { isWindowsError, WindowsError } from './errors.ts';
import { changeServiceConfig, installService, removeService } from './functions.ts';
import { defaultLogFile, defaultSource, logFileOf } from './logs.ts';
import { isUser, passwordFor } from './passwords.ts';
import type { ServiceSettings } from './scm-api.ts';
import { openService } from './service-access.ts';
import type { ServiceSetup } from './service-setup.ts';

/** The exit code when the caller's own last step fails; pywin32 has it so. */
const CUSTOMIZE_FAILED = -1;

export async function install(context: CommandContext): Promise<number> {
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
  const code = await customized(context, async () => {
    await removeService(target.name, how);
    system.events.unregister(sourceOf(context, setup.imagePath));
  });
  if (code !== 0) return code;
  console.tell({ updated });
  console.say(updated ? 'Service updated' : 'Service installed');
  return 0;
}

export async function update(context: CommandContext): Promise<number> {
  const service = openService(context.target.name, ['query-config'], context.how);
  service.close(); // so that 5 and 123 come before anybody is asked for a password
  const existing = current(context);
  if (existing === null) {
    throw new WindowsError(1060, `open service ${JSON.stringify(context.target.name)}`);
  }
  return await change(context, existing);
}

async function change(context: CommandContext, existing: Existing): Promise<number> {
  const { target, system, console, how } = context;
  console.say('Changing service configuration');
  const setup = await setupFor(context, existing);
  const unsupported = await changeServiceConfig(target.name, setup, how);
  const before = installedSource(existing.imagePath) ?? defaultSource(target.name);
  if (before !== sourceOf(context, setup.imagePath)) {
    attempt(console, 'Cannot take back its source of events', () => {
      system.events.unregister(before);
    });
  }
  finish(context, setup, unsupported);
  const code = await customized(context, async () => {});
  if (code !== 0) return code;
  console.tell({ updated: true });
  console.say('Service updated');
  return 0;
}

/** The caller's own last step. What it throws is its word for what is wrong. */
async function customized(
  { target, console, verb }: CommandContext,
  undo: () => Promise<void>,
): Promise<number> {
  try {
    await target.customize?.();
    return 0;
  } catch (error) {
    await undo();
    const text = error instanceof Error ? error.message : String(error);
    console.tell({ error: text });
    console.complain([`Error ${DOING[verb]}: ${text}`]);
    return CUSTOMIZE_FAILED;
  }
}

export async function remove(context: CommandContext): Promise<number> {
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

function current({ target, how }: CommandContext): Existing | null {
  try {
    const { name, config, settings } = describeService(target.name, how);
    // One that only displays this name is another service.
    if (name.toLowerCase() !== target.name.toLowerCase()) return null;
    return { imagePath: config.imagePath, settings };
  } catch (error) {
    // Also a name that Windows refuses, and a registration that is not for everybody's eyes: what comes next says so.
    if (isWindowsError(error, 1060, 1072, 123, 5)) return null;
    throw error;
  }
}

async function setupFor(context: CommandContext, existing: Existing | null): Promise<ServiceSetup> {
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

export function plannedCommandLine(
  { target, options, host, args, system }: CommandContext,
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
  context: CommandContext,
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
export function sourceOf({ target, options }: CommandContext, imagePath: string): string {
  return options.eventSource ?? installedSource(imagePath) ?? defaultSource(target.name);
}

/** What the command line of a service makes it; null for one that is not of ours. */
function installedSource(imagePath: string): string | null {
  const read = readCommandLine(imagePath);
  return read === null ? null : (read.flags['--event-source'] ?? defaultSource(read.name));
}
