/** What is registered for a service: its command line, and the settings that follow from the options. */
import { existsSync } from 'node:fs';
import { dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LoadError } from '../errors.ts';
import type { HostOptions, ServiceCliOptions } from './cli-options.ts';
import { serviceCommandLine, splitCommandLine } from './cli-quoting.ts';
import type { StartType } from './constants.ts';
import { fullAccount } from './passwords.ts';
import type { RecoveryPlan, ServiceSettings } from './scm-api.ts';
import type { ServiceSetup } from './service-setup.ts';

/** The option that tells a process it was started as a service. */
export const RUN_SERVICE = '--run-service';

/** What the commands install and manage. */
export interface Installable {
  /** What the service manager calls it. */
  readonly name: string;
  readonly displayName?: string | undefined;
  readonly description?: string | undefined;
  readonly dependencies?: readonly string[] | undefined;
  readonly startType?: StartType | undefined;
  /**
   * The program that the manager is to start.
   * @throws {LoadError} it cannot be run, or is not there
   */
  program(): ServiceProgram;
  /** Runs it in the foreground. Gives the exit code. */
  debug(args: readonly string[], host: HostOptions): Promise<number>;
  /** The last step of an installation; one that throws undoes it. */
  customize?(): void | Promise<void>;
}

/** What a service's command line is made of. */
export interface ServiceProgram {
  /** The script that node runs. An absolute path. */
  readonly script: string;
  /** What there is to run, besides the script, that must be there. Absolute paths. */
  readonly files: readonly string[];
  /** Options of the script after `--run-service NAME`, each with its value. */
  readonly flags: Readonly<Record<string, string>>;
  /** Arguments for the application. */
  readonly args: readonly string[];
  /** Where it works, unless told otherwise. An absolute path. */
  readonly directory: string;
  /** Another program instead of node and the script, and its arguments as they are. */
  readonly other?: { readonly program: string; readonly args: string } | undefined;
}

/** What it takes to write a command line. */
export interface CommandLineOptions {
  readonly service: ServiceCliOptions;
  readonly host: HostOptions;
  /** node.exe. */
  readonly execPath: string;
  /** Its version: '22.18.0'. */
  readonly nodeVersion: string;
  /** The log, if nothing else is said. */
  readonly logfile: string;
  /** The command line that it has now, whose options stay where no others are given. */
  readonly previous?: string | undefined;
}

/**
 * The command line of a service: plain node, with absolute paths.
 * @throws {LoadError} this node cannot run the program
 * @throws {UsageError} something cannot be part of a service's command line
 */
export function commandLineOf(
  name: string,
  program: ServiceProgram,
  { service, host, execPath, nodeVersion, logfile, previous }: CommandLineOptions,
): string {
  if (program.other !== undefined) {
    const { program: other, args } = program.other;
    return `${serviceCommandLine([other])}${args === '' ? '' : ` ${args}`}`;
  }
  const old = previous === undefined ? null : readCommandLine(previous);
  const given: Record<string, string | null | undefined> = {
    '--rundir': service.cwd === undefined ? undefined : resolve(service.cwd),
    '--logfile':
      host.logfile === undefined || host.logfile === '-' ? undefined : resolve(host.logfile),
    '--log-format': host.logFormat,
    '--log-level': host.logLevel,
    '--stop-timeout': numberText(host.stopTimeout),
    '--reactor': host.reactor,
    '--preshutdown': service.preshutdown === 0 ? null : numberText(service.preshutdown),
    '--event-source': service.eventSource,
  };
  const { '--service': _, '--python': __, ...kept } = old?.flags ?? {};
  const flags: Record<string, string | null> = {
    ...program.flags,
    '--rundir': program.directory,
    '--logfile': logfile,
    ...kept,
  };
  for (const [flag, value] of Object.entries(given)) {
    if (value !== undefined) flags[flag] = value;
  }
  const needed = [program.script, ...program.files].some(isTypeScript)
    ? typeScriptOptions(nodeVersion, program.script)
    : [];
  const nodeOptions = service.nodeOption ?? old?.nodeOptions ?? [];
  const args = program.args.length > 0 ? program.args : (old?.args ?? []);
  return serviceCommandLine([
    execPath,
    ...new Set([...needed, ...nodeOptions]),
    program.script,
    RUN_SERVICE,
    name,
    ...Object.entries(flags).flatMap(([flag, value]) => (value === null ? [] : [flag, value])),
    ...(args.length === 0 ? [] : ['--', ...args]),
  ]);
}

/** The parts of a command line that `commandLineOf` wrote. */
export interface ReadCommandLine {
  readonly execPath: string;
  readonly nodeOptions: readonly string[];
  readonly script: string;
  readonly name: string;
  readonly flags: Readonly<Record<string, string>>;
  readonly args: readonly string[];
}

/** Reads what `commandLineOf` wrote; null for any other command line. */
export function readCommandLine(line: string): ReadCommandLine | null {
  const words = splitCommandLine(line);
  const at = words.indexOf(RUN_SERVICE);
  const [execPath, ...before] = words.slice(0, Math.max(at, 0));
  const script = before.pop();
  const name = words[at + 1];
  if (execPath === undefined || script === undefined || name === undefined) return null;
  const rest = words.slice(at + 2);
  const end = rest.indexOf('--');
  const pairs = end < 0 ? rest : rest.slice(0, end);
  const flags: Record<string, string> = {};
  for (let index = 0; index + 1 < pairs.length; index += 2) {
    flags[pairs[index] ?? ''] = pairs[index + 1] ?? '';
  }
  return {
    ...{ execPath, nodeOptions: before, script, name, flags },
    args: end < 0 ? [] : rest.slice(end + 1),
  };
}

/** Options that have this version of node read TypeScript. @throws {LoadError} it cannot */
export function typeScriptOptions(nodeVersion: string, file: string): string[] {
  const [major = 0, minor = 0] = nodeVersion.replace(/^v/, '').split('.').map(Number);
  if (major > 23 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18)) return [];
  if (major === 23 || (major === 22 && minor >= 6)) return ['--experimental-strip-types'];
  throw new LoadError(
    `Cannot run ${JSON.stringify(file)} as a service: Node ${nodeVersion} does not read TypeScript, and a service runs without tsx. Compile it, or use Node 22.18 or later`,
  );
}

/** twistd's own script: the source, or what was built from it where node cannot run that. @throws {LoadError} there is none that it can run */
export function twistdScript(nodeVersion: string): string {
  const self = fileURLToPath(import.meta.url);
  const root = resolve(dirname(self), '../../..');
  const script = join(root, `twistd${extname(self)}`);
  if (!isTypeScript(script)) return script;
  try {
    typeScriptOptions(nodeVersion, script);
    return script;
  } catch (error) {
    const built = join(root, 'dist', 'twistd.js');
    if (existsSync(built)) return built;
    throw error;
  }
}

/**
 * What the options make of a service.
 * @param existing the settings it has now; null when it is not there yet, and gets defaults for what is not given
 */
export function setupOf(
  target: Installable,
  options: ServiceCliOptions,
  imagePath: string,
  existing: Partial<ServiceSettings> | null,
): ServiceSetup {
  const { startup, recovery, delayed } = options;
  const fresh = existing === null;
  const startType =
    startup?.startType ??
    (delayed ? 'automatic' : fresh ? (target.startType ?? 'manual') : undefined);
  // To be taken back only where it is there: not every system knows it, and none for other starts.
  const delayedStart =
    delayed || startup?.delayedStart
      ? true
      : startType === 'automatic' && existing?.delayedStart
        ? false
        : undefined;
  const isPlanned =
    recovery !== undefined ||
    options.reset !== undefined ||
    options.recoveryCommand !== undefined ||
    options.rebootMessage !== undefined;
  return clean({
    name: target.name,
    imagePath,
    displayName: options.displayName ?? target.displayName ?? (fresh ? target.name : undefined),
    description: options.description ?? target.description,
    dependencies: options.depends ?? target.dependencies,
    startType,
    delayedStart,
    interactive: options.interactive,
    account:
      options.username === undefined ? undefined : fullAccount(options.username, target.name),
    recovery: isPlanned ? recoveryPlan(options, existing?.recovery) : undefined,
    // Without it hardly any failure counts as one: a program that ends with an error has ended in good order.
    recoverOnErrorExit:
      options.onNonzeroExit ??
      (recovery === undefined ? undefined : recovery.some(({ type }) => type !== 'none')),
    sidType: options.sid,
    requiredPrivileges: options.privileges,
    preshutdownTimeout: options.preshutdown === 0 ? undefined : options.preshutdown,
    environment: options.env,
  });
}

const DAY = 86_400;

function recoveryPlan(options: ServiceCliOptions, plan: RecoveryPlan | undefined): RecoveryPlan {
  // A service without actions has a period all the same, which says nothing.
  const before = plan === undefined || plan.actions.length === 0 ? DAY : plan.resetPeriod;
  return {
    actions: options.recovery ?? plan?.actions ?? [],
    resetPeriod: options.reset === 'never' ? null : (options.reset ?? before),
    rebootMessage: options.rebootMessage ?? plan?.rebootMessage ?? '',
    command: options.recoveryCommand ?? plan?.command ?? '',
  };
}

/** Without what is undefined. */
function clean(setup: { [K in keyof ServiceSetup]: ServiceSetup[K] | undefined }): ServiceSetup {
  const given = Object.entries(setup).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as unknown as ServiceSetup; // name and imagePath are always there
}

function isTypeScript(file: string): boolean {
  return /\.[cm]?ts$/.test(file);
}

function numberText(value: number | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}
