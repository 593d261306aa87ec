/** The text of systemd's units (systemd.unit(5), systemd.service(5), systemd.exec(5)). Pure. */

import { UsageError } from '../../errors.ts';

/** What a unit is made of. */
export interface UnitDescription {
  readonly description: string;
  /** Program and arguments. */
  readonly command: readonly string[];
  /** Absolute. */
  readonly directory: string;
  /** Units that it needs. */
  readonly requires: readonly string[];
  readonly user: string | null;
  readonly group: string | null;
  readonly umask: number | null;
  readonly environment: Readonly<Record<string, string>>;
  /** Seconds until a restart after a failure; null for none. */
  readonly restart: number | null;
  /** Seconds; 0 for none. */
  readonly watchdog: number;
  /** Seconds. */
  readonly stopTimeout: number;
  /** Whether nobody may start it, not even by hand. */
  readonly disabled: boolean;
  /** Whether SIGHUP means something to it. */
  readonly reloads: boolean;
  readonly hardening: boolean;
  readonly writable: readonly string[];
  /** Whether it is for a user's own systemd. */
  readonly forUser: boolean;
  /** Unit of the sockets that it is given. */
  readonly socketUnit: string | null;
  /** Kept for an update. */
  readonly setup: unknown;
}

/** What any service can do without. V8 makes code at run time, so MemoryDenyWriteExecute= cannot be among it. */
const EVERYWHERE: readonly string[] = [
  'NoNewPrivileges=yes',
  'LockPersonality=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'SystemCallArchitectures=native',
];

/** What takes the rights of the system's own manager. */
const OF_THE_SYSTEM: readonly string[] = [
  'ProtectSystem=strict',
  'ProtectHome=read-only',
  'ProtectKernelTunables=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelLogs=yes',
  'ProtectControlGroups=yes',
  'ProtectClock=yes',
  'ProtectHostname=yes',
  'ProtectProc=invisible',
  'PrivateTmp=yes',
  'PrivateDevices=yes',
  'RestrictNamespaces=yes',
  'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
];

/** Seconds beyond what its own stop may take. */
const STOP_MARGIN = 5;

/** A `.service` unit. */
export function serviceUnit(unit: UnitDescription): string {
  const after = ['network-online.target', ...unit.requires];
  if (unit.socketUnit !== null) after.push(unit.socketUnit);
  const wanted = unit.forUser ? 'default.target' : 'multi-user.target';
  return sections([
    [
      'Unit',
      [
        `Description=${text(unit.description)}`,
        `After=${after.join(' ')}`,
        'Wants=network-online.target',
        ...(unit.disabled ? ['RefuseManualStart=yes'] : []),
        ...line(
          'Requires',
          [...unit.requires, ...(unit.socketUnit === null ? [] : [unit.socketUnit])].join(' '),
        ),
      ],
    ],
    [
      'Service',
      [
        'Type=notify',
        'NotifyAccess=main',
        `ExecStart=${unit.command.map(word).join(' ')}`,
        ...(unit.reloads ? ['ExecReload=/bin/kill -HUP $MAINPID'] : []),
        `WorkingDirectory=${path(unit.directory)}`,
        ...line('User', unit.user),
        ...line('Group', unit.group),
        `UMask=${(unit.umask ?? 0o077).toString(8).padStart(4, '0')}`,
        ...Object.entries(unit.environment).map(
          ([name, value]) => `Environment=${quoted(`${name}=${value}`)}`,
        ),
        ...(unit.restart === null
          ? ['Restart=no']
          : ['Restart=on-failure', `RestartSec=${unit.restart}`]),
        ...(unit.watchdog === 0 ? [] : [`WatchdogSec=${unit.watchdog}`]),
        'KillMode=mixed',
        `TimeoutStopSec=${unit.stopTimeout + STOP_MARGIN}`,
        ...(unit.hardening ? hardening(unit) : []),
      ],
    ],
    ['Install', [`WantedBy=${wanted}`]],
    // systemd leaves sections alone whose name begins so.
    ['X-Strand', [`Setup=${JSON.stringify(unit.setup)}`]],
  ]);
}

/** The `.socket` unit that goes with a service. */
export function socketUnit(
  description: string,
  addresses: readonly string[],
  disabled = false,
): string {
  return sections([
    [
      'Unit',
      [
        `Description=${text(description)}: its sockets`,
        ...(disabled ? ['RefuseManualStart=yes'] : []),
      ],
    ],
    ['Socket', addresses.map((address) => `ListenStream=${text(address)}`)],
    ['Install', ['WantedBy=sockets.target']],
  ]);
}

/** What a unit was made with, from its text; null when we have not written it. */
export function setupIn(unit: string): unknown {
  const json = /^\[X-Strand\]\nSetup=(.*)$/m.exec(unit)?.[1];
  try {
    return json === undefined ? null : JSON.parse(json);
  } catch {
    return null;
  }
}

function hardening({ forUser, user, directory, writable }: UnitDescription): string[] {
  if (forUser) return [...EVERYWHERE];
  return [
    ...EVERYWHERE,
    ...OF_THE_SYSTEM,
    `ReadWritePaths=${[directory, ...writable].map((folder) => quoted(`-${folder}`)).join(' ')}`,
    // Ports below 1024, for a user who is not root; root gives up all else by this.
    ...(user === null
      ? []
      : ['AmbientCapabilities=CAP_NET_BIND_SERVICE', 'CapabilityBoundingSet=CAP_NET_BIND_SERVICE']),
  ];
}

function sections(all: ReadonlyArray<readonly [string, readonly string[]]>): string {
  return all.map(([name, lines]) => `[${name}]\n${lines.join('\n')}\n`).join('\n');
}

function line(key: string, value: string | null): string[] {
  return value === null || value === '' ? [] : [`${key}=${text(value)}`];
}

/** One line; a percent sign would be a specifier, and a backslash at the end would take the next line in. */
function text(value: string): string {
  return value
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .replace(/[\s\\]+$/, '')
    .trimStart()
    .replaceAll('%', '%%');
}

/** A path on a line of its own, which needs no quotes and must not have any. @throws {UsageError} for one that cannot stand there */
function path(value: string): string {
  if (/\p{Cc}|^\s|[\s\\]$/u.test(value)) {
    throw new UsageError(`Cannot have directory ${JSON.stringify(value)} in a unit`);
  }
  return value.replaceAll('%', '%%');
}

/** A word of a command line: quoted where it has to be, and never expanded. */
function word(value: string): string {
  const plain = value.replaceAll('$', '$$$$');
  return /^[\w@:,./=+-]+$/.test(value) ? path(plain) : quoted(plain);
}

function hexEscape(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}

/** In double quotes, with C's escapes. */
function quoted(value: string): string {
  const escaped = value
    .replace(/[\\"]/g, '\\$&')
    .replaceAll('\n', '\\n')
    .replaceAll('\t', '\\t')
    // A carriage return ends a line as well.
    .replace(/\p{Cc}/gu, (c) => [...Buffer.from(c)].map(hexEscape).join(''))
    .replaceAll('%', '%%');
  return `"${escaped}"`;
}
