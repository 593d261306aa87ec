/** The commands and options by which services are managed. One table holds them; twistd's command line and that of `handleCommandLine` follow from it. */
import type { LogLevel } from '../../reactor/index.ts';
import type { LogFormat } from '../logging/sink.ts';
import {
  listOf,
  parseCount,
  parseDuration,
  parseEventSource,
  parseRecovery,
  parseResetPeriod,
  parseSidType,
  parseStartup,
  parseVariable,
  type Startup,
} from './cli-values.ts';
import type { SidType } from './constants.ts';
import { PASSWORD_VARIABLE } from './passwords.ts';
import type { RecoveryAction } from './scm-api.ts';

/** What may be asked of a service manager. */
export type ServiceVerb = keyof typeof SERVICE_VERBS;

/** The commands, and what they do. */
export const SERVICE_VERBS = {
  install: 'register the service; one that is there is updated',
  update: 'change how it is registered; what is not given stays',
  remove: 'stop it and take it out of the registration',
  start: 'start it; arguments after -- are for the service',
  stop: 'stop it',
  restart: 'stop it and start it again',
  pause: 'have it pause',
  continue: 'have it go on after a pause',
  status: 'show its state and how it is registered',
  control: 'send it a control of its own: a number from 128 to 255',
  debug: 'run it here, in the foreground, as the service manager would',
  logs: 'show the end of its log',
  doctor: 'look for what could keep it from running, and say what to do',
} as const;

/** Whether `word` is a command. */
export function isServiceVerb(word: string): word is ServiceVerb {
  return Object.hasOwn(SERVICE_VERBS, word);
}

/** The options, read. Times in seconds. What was not given is absent. */
export interface ServiceCliOptions {
  readonly name?: string;
  readonly displayName?: string;
  readonly description?: string;
  readonly startup?: Startup;
  readonly delayed?: true;
  readonly username?: string;
  readonly password?: string;
  readonly passwordEnv?: string;
  readonly passwordStdin?: true;
  readonly interactive?: true;
  readonly depends?: readonly string[];
  readonly recovery?: readonly RecoveryAction[];
  readonly reset?: number | 'never';
  readonly recoveryCommand?: string;
  readonly rebootMessage?: string;
  readonly onNonzeroExit?: boolean;
  readonly preshutdown?: number;
  readonly sid?: SidType;
  readonly privileges?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly nodeOption?: readonly string[];
  readonly eventSource?: string;
  /** True for '--wait' without a number, false for '--no-wait'. */
  readonly wait?: boolean | number;
  readonly timeout?: number;
  readonly force?: true;
  readonly machine?: string;
  readonly json?: true;
  readonly lines?: number;
  readonly perfmonini?: string;
  readonly perfmondll?: string;
}

/** How the service's process runs; what was not given is absent. */
export interface HostOptions {
  readonly logfile?: string;
  readonly logFormat?: LogFormat;
  readonly logLevel?: LogLevel;
  /** Seconds. */
  readonly stopTimeout?: number;
  readonly reactor?: string;
}

/** A row of the table, in the words of commander. */
export interface ServiceOptionRow {
  readonly key: keyof ServiceCliOptions;
  readonly flags: string;
  readonly description: string;
  /** The commands that it goes with; all when absent. */
  readonly verbs?: readonly ServiceVerb[];
  /** Left out of the help. */
  readonly hidden?: true;
  /** @throws {UsageError} */
  readonly parse?: (text: string, previous: unknown) => unknown;
}

const SETUP: readonly ServiceVerb[] = ['install', 'update', 'doctor'];
const WAITING: readonly ServiceVerb[] = ['remove', 'start', 'stop', 'restart', 'pause', 'continue'];

export const SERVICE_OPTIONS: readonly ServiceOptionRow[] = [
  {
    key: 'name',
    flags: '--name <name>',
    description: 'what the service manager calls it; default: after the application',
  },
  setup('displayName', '--display-name <text>', 'what people see; default: the name'),
  setup('description', '--description <text>', 'what it is for'),
  setup('startup', '--startup <when>', 'manual (default), auto, delayed or disabled', (text) =>
    parseStartup('--startup', text),
  ),
  setup('delayed', '--delayed', 'with an automatic start: some two minutes after the others'),
  setup(
    'username',
    '--username <account>',
    'account to run as: LocalSystem (default), LocalService, NetworkService, virtual, DOMAIN\\user, DOMAIN\\managed$',
  ),
  setup(
    'password',
    '--password <password>',
    'its password; anybody may see it here: leave it out to be asked, or use one of the next two',
  ),
  setup('passwordEnv', '--password-env <variable>', 'environment variable that has the password'),
  setup(
    'passwordStdin',
    '--password-stdin',
    `read the password from standard input; without any of these, variable ${PASSWORD_VARIABLE} is looked at`,
  ),
  setup('interactive', '--interactive', 'let it show windows, where Windows still lets it'),
  setup(
    'depends',
    '--depends <names>',
    'services that must run before it, groups with a +, separated by commas',
    listOf,
  ),
  setup(
    'recovery',
    '--recovery <actions>',
    'what to do when it fails the first time, the second and so on: restart/5s,restart/1min,none',
    (text) => parseRecovery('--recovery', text),
  ),
  setup(
    'reset',
    '--reset <time>',
    'how long without a failure until counting begins anew (default 1d), or never',
    (text) => parseResetPeriod('--reset', text),
  ),
  setup('recoveryCommand', '--recovery-command <line>', 'command line of the action run-command'),
  setup('rebootMessage', '--reboot-message <text>', 'what users are told before the action reboot'),
  setup(
    'onNonzeroExit',
    '--on-nonzero-exit',
    'recover also when it stops in good order with an error (the default with --recovery)',
  ),
  setup('onNonzeroExit', '--no-on-nonzero-exit', 'recover only when its process crashes'),
  setup(
    'preshutdown',
    '--preshutdown <time>',
    'hear early that the system goes down, and have this long to stop; 0 takes that back',
    (text) => parseDuration('--preshutdown', text),
  ),
  setup('sid', '--sid <type>', 'an identity of its own: none, unrestricted or restricted', (text) =>
    parseSidType('--sid', text),
  ),
  setup('privileges', '--privileges <names>', 'the only privileges it keeps', listOf),
  setup(
    'env',
    '--env <name=value>',
    'variable of its environment; may be given again; in an update these replace all it had',
    (text, previous) => {
      const [name, value] = parseVariable('--env', text);
      return { ...(previous as ServiceCliOptions['env']), [name]: value }; // what this returned before
    },
  ),
  setup('cwd', '--cwd <folder>', 'where it works; default: where it is installed from'),
  setup(
    'nodeOption',
    '--node-option <option>',
    'option for node itself; may be given again',
    (text, previous) => [...((previous as string[] | undefined) ?? []), text], // as above
  ),
  setup(
    'eventSource',
    '--event-source <name>',
    'its name in the event log; default: its name',
    (text) => parseEventSource('--event-source', text),
  ),
  {
    key: 'wait',
    flags: '--wait [seconds]',
    description: 'wait at most so long (the default is to wait while there is progress)',
    verbs: WAITING,
    parse: (text) => parseDuration('--wait', text),
  },
  {
    key: 'wait',
    flags: '--no-wait',
    description: 'do not wait until it is done',
    verbs: WAITING,
  },
  {
    key: 'timeout',
    flags: '--timeout <time>',
    description: 'the same as --wait with a time',
    verbs: WAITING,
    hidden: true,
    parse: (text) => parseDuration('--timeout', text),
  },
  {
    key: 'force',
    flags: '--force',
    description: 'stop the services that depend on it first; restart starts them again',
    verbs: ['stop', 'restart', 'remove'],
  },
  {
    key: 'machine',
    flags: '--machine <name>',
    description: 'ask the service manager of another machine',
    verbs: ['start', 'stop', 'restart', 'pause', 'continue', 'status', 'control'],
  },
  { key: 'json', flags: '--json', description: 'print one JSON object, for programs' },
  {
    key: 'lines',
    flags: '--lines <count>',
    description: 'how many lines of the log (default 50)',
    verbs: ['logs'],
    parse: (text) => parseCount('--lines', text),
  },
  { ...setup('perfmonini', '--perfmonini <file>', 'not supported'), hidden: true },
  { ...setup('perfmondll', '--perfmondll <file>', 'not supported'), hidden: true },
];

/** The long name of an option: '--display-name'. */
export function longName({ flags }: Pick<ServiceOptionRow, 'flags'>): string {
  return /--[\w-]+/.exec(flags)?.[0] ?? flags;
}

/** The options of this table among all that were found. */
export function serviceOptionsOf(found: ServiceCliOptions): ServiceCliOptions {
  return Object.fromEntries(
    SERVICE_OPTIONS.map(({ key }) => [key, found[key]]).filter(([, value]) => value !== undefined),
  );
}

/** '--wait' may go without a time: a word behind it that is none is not its own. It is put at the end, where nothing comes behind it. */
export function withBareWaitLast(argv: readonly string[]): string[] {
  const isBare = (word: string, at: number): boolean =>
    word === '--wait' && !/^\d/.test(argv[at + 1] ?? '');
  const bare = argv.filter(isBare);
  return [...argv.filter((word, at) => !isBare(word, at)), ...bare];
}

/** Given options that do not go with `verb`, by their long names. With null: all that were given. */
export function misplacedOptions(found: ServiceCliOptions, verb: ServiceVerb | null): string[] {
  return SERVICE_OPTIONS.filter(
    ({ key, verbs }) =>
      found[key] !== undefined && (verb === null || (verbs !== undefined && !verbs.includes(verb))),
  )
    .filter(({ key }, index, all) => all.findIndex((other) => other.key === key) === index)
    .map(longName);
}

function setup(
  key: ServiceOptionRow['key'],
  flags: string,
  description: string,
  parse?: ServiceOptionRow['parse'],
): ServiceOptionRow {
  return { key, flags, description, verbs: SETUP, ...(parse === undefined ? {} : { parse }) };
}
