/** What is installed for an application: from options to a unit. */
import { basename, dirname, extname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../../errors.ts';
import type { RunOptions } from '../../twistd/options.ts';
import { askedFor, type Target } from '../../twistd/target.ts';
import type { HostOptions, ServiceCliOptions } from '../../windows/cli-options.ts';
import type { SystemdCliOptions } from './options.ts';
import type { UnitDescription } from './unit.ts';

/** What was asked for at an installation, as it is kept for updates. */
export interface SystemdSetup {
  readonly service: ServiceCliOptions;
  readonly systemd: SystemdCliOptions;
  readonly host: HostOptions;
  readonly process: Partial<Pick<RunOptions['process'], 'uid' | 'gid' | 'umask' | 'workers'>>;
  readonly args: readonly string[];
  readonly directory: string;
}

/** Seconds. */
const WATCHDOG = 30;
const RESTART = 1;
const STOP_TIMEOUT = 10;

/**
 * What the unit of an application is called, without its ending.
 * @throws {UsageError} for a name that systemd does not take
 */
export function unitNameOf(target: Target, name: string | undefined, from: string): string {
  const found = name ?? defaultName(target, from);
  if (/^[\w:][\w:.-]{0,199}$/.test(found)) return found;
  throw new UsageError(
    `Cannot call a unit ${JSON.stringify(found)}: give --name letters, digits and :_.- only, and neither - nor . first`,
  );
}

function defaultName(target: Target, from: string): string {
  const asked = askedFor(target);
  const path = asked.startsWith('file:') ? fileURLToPath(asked) : resolve(from, asked);
  const isScript = /^\.[cm]?[jt]s$/.test(extname(path));
  const name = isScript ? basename(path, extname(path)) : basename(path);
  return name === 'index' ? basename(dirname(path)) : name;
}

/** What an update makes of what was there: what is given goes before. */
export function merged(old: SystemdSetup | null, given: SystemdSetup): SystemdSetup {
  if (old === null) return given;
  return {
    service: { ...old.service, ...given.service },
    systemd: { ...old.systemd, ...given.systemd },
    host: { ...old.host, ...given.host },
    process: { ...old.process, ...given.process },
    args: given.args.length > 0 ? given.args : old.args,
    directory: given.service.cwd === undefined ? old.directory : given.directory,
  };
}

/**
 * The unit.
 * @param file the application's module
 * @param node the program, its options and twistd's script
 * @throws {UsageError} for what systemd has no sense for
 */
export function describeUnit(
  name: string,
  file: string,
  node: readonly string[],
  setup: SystemdSetup,
): UnitDescription {
  const { service, systemd, host, process: of } = setup;
  const { workers = 1 } = of;
  const recovery = service.recovery?.[0];
  const other = service.recovery?.find(({ type }) => type !== 'restart' && type !== 'none');
  if (other !== undefined) {
    throw new UsageError(`Recovery ${JSON.stringify(other.type)} has no sense with systemd`);
  }
  const directory = resolve(service.cwd ?? setup.directory);
  const forUser = systemd.user === true;
  if (forUser && (service.username !== undefined || of.uid !== undefined)) {
    throw new UsageError(
      'A unit of --user runs as that user: it takes neither --username nor --uid',
    );
  }
  if ((systemd.socket ?? []).length > 0 && workers > 1) {
    throw new UsageError(
      'Options --socket and --workers exclude each other: the sockets that systemd opens are for one process',
    );
  }
  const flags: Record<string, string | number | undefined> = {
    '--service': file,
    '--rundir': directory,
    '--logfile':
      host.logfile === undefined || host.logfile === '-' ? undefined : resolve(host.logfile),
    '--log-format': host.logFormat,
    '--log-level': host.logLevel,
    '--stop-timeout': host.stopTimeout,
    '--reactor': host.reactor,
    '--workers': workers === 1 ? undefined : workers,
  };
  const restart = service.recovery === undefined ? RESTART : (recovery?.delay ?? null);
  return {
    description: service.description ?? service.displayName ?? name,
    command: [
      ...node,
      ...Object.entries(flags).flatMap(([flag, value]) =>
        value === undefined ? [] : [flag, String(value)],
      ),
      ...(setup.args.length === 0 ? [] : ['--', ...setup.args]),
    ],
    ...{ directory, forUser, setup },
    requires: (service.depends ?? []).map(unitOf),
    user: service.username ?? of.uid ?? null,
    group: of.gid ?? null,
    umask: of.umask ?? null,
    environment: service.env ?? {},
    restart: recovery?.type === 'none' ? null : restart,
    watchdog: systemd.watchdog ?? WATCHDOG,
    stopTimeout: host.stopTimeout ?? STOP_TIMEOUT,
    disabled: service.startup?.startType === 'disabled',
    reloads: workers > 1,
    hardening: systemd.hardening !== false,
    writable: (systemd.writable ?? []).map((folder) => resolve(folder)),
    socketUnit: (systemd.socket ?? []).length === 0 ? null : `${name}.socket`,
  };
}

/** `postgresql` is `postgresql.service`. */
function unitOf(name: string): string {
  if (!/^[\w:.@\\-]+$/.test(name)) {
    throw new UsageError(`Cannot depend on ${JSON.stringify(name)}: that is no name of a unit`);
  }
  return /\.[a-z]+$/.test(name) ? name : `${name}.service`;
}
