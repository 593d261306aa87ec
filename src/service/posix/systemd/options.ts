/** Options of the commands that only systemd understands. */
import { UsageError } from '../../errors.ts';
import type { OptionRow } from '../../twistd/option-row.ts';
import type { ServiceCliOptions } from '../../windows/cli-options.ts';
import { parseDuration } from '../../windows/cli-values.ts';

/** What commander finds. */
export interface SystemdCliOptions {
  /** The caller's own systemd, which takes no rights. */
  readonly user?: true;
  readonly print?: true;
  /** Where systemd listens for it, as in `ListenStream=`. */
  readonly socket?: readonly string[];
  /** Seconds; 0 for none. */
  readonly watchdog?: number;
  /** False when it was refused. */
  readonly hardening?: boolean;
  /** Further folders that it may write to. */
  readonly writable?: readonly string[];
}

const collect = (text: string, previous: unknown): string[] => [
  ...((previous as string[] | undefined) ?? []), // what this returned before
  text,
];

export const SYSTEMD_OPTIONS: readonly OptionRow[] = [
  { flags: '--user', description: "use the caller's own systemd, for which root is not needed" },
  { flags: '--print', description: 'with install: show the unit, and change nothing' },
  {
    flags: '--socket <address>',
    description:
      'have systemd listen there and start the service at the first connection: a port, ADDRESS:PORT or a path; may be given again. The application serves systemd:domain=INET:index=0',
    parse: (text, previous) => {
      if (/^(\d{1,5}|[\d.]+:\d{1,5}|\[[\da-f:.]+\]:\d{1,5}|[/@][^\s%]+)$/i.test(text)) {
        return collect(text, previous);
      }
      throw new UsageError(
        `Bad value ${JSON.stringify(text)} of --socket: expected a port, ADDRESS:PORT or an absolute path`,
      );
    },
  },
  {
    flags: '--watchdog <time>',
    description:
      'have it restarted when its event loop stands still for so long (default 30s), 0 for never',
    parse: (text) => parseDuration('--watchdog', text),
  },
  { flags: '--no-hardening', description: 'leave out the restrictions that a unit gets' },
  {
    flags: '--writable <folder>',
    description: 'folder that it may write to besides its own; may be given again',
    parse: collect,
  },
];

const KEYS = ['user', 'print', 'socket', 'watchdog', 'hardening', 'writable'] as const;

/** The options of this table among all that were found. */
export function systemdOptionsOf(found: SystemdCliOptions): SystemdCliOptions {
  return Object.fromEntries(
    KEYS.map((key) => [key, found[key]]).filter(
      ([key, value]) => value !== undefined && !(key === 'hardening' && value === true),
    ),
  );
}

/** Long names of the options that were given. */
export function givenSystemdOptions(found: SystemdCliOptions): string[] {
  return Object.keys(systemdOptionsOf(found)).map((key) =>
    key === 'hardening' ? '--no-hardening' : `--${key}`,
  );
}

/** The options of services that Linux has no sense for, by what commander calls them. */
export const WINDOWS_ONLY: Readonly<Partial<Record<keyof ServiceCliOptions, string>>> = {
  delayed: '--delayed',
  password: '--password',
  passwordEnv: '--password-env',
  passwordStdin: '--password-stdin',
  interactive: '--interactive',
  reset: '--reset',
  recoveryCommand: '--recovery-command',
  rebootMessage: '--reboot-message',
  onNonzeroExit: '--on-nonzero-exit',
  preshutdown: '--preshutdown',
  sid: '--sid',
  privileges: '--privileges',
  eventSource: '--event-source',
  force: '--force',
  machine: '--machine',
  perfmonini: '--perfmonini',
  perfmondll: '--perfmondll',
};
