/** twistd's command line. One table holds the options; parsing, help and refusals follow from it. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError, Option } from 'commander';
import { type LogLevel, reactorNames } from '../../reactor/index.ts';
import { UsageError } from '../errors.ts';
import { isLogLevel, LOG_LEVELS } from '../logging/entry.ts';
import { LOG_FORMATS, type LogFormat } from '../logging/sink.ts';
import {
  givenSystemdOptions,
  SYSTEMD_OPTIONS,
  type SystemdCliOptions,
  systemdOptionsOf,
} from '../posix/systemd/options.ts';
import { suggestion } from '../windows/cli-names.ts';
import {
  type HostOptions,
  isServiceVerb,
  longName,
  misplacedOptions,
  SERVICE_OPTIONS,
  SERVICE_VERBS,
  type ServiceCliOptions,
  serviceOptionsOf,
  withBareWaitLast,
} from '../windows/cli-options.ts';
import {
  type ConfigOptions,
  configuredPlugin,
  entryOf,
  type LoadedConfig,
  wordsOf,
} from './config.ts';
import { badValue, type OptionRow } from './option-row.ts';
import { listPlugins } from './plugins.ts';
import {
  defaultLogFile,
  type FoundProcessOptions,
  PROCESS_OPTIONS,
  type ProcessOptions,
  processOptionsOf,
  REFUSED_OPTIONS,
} from './process-options.ts';
import type { ServiceCommand, ServiceProcess } from './service-manager.ts';
import type { Target } from './target.ts';

/** A command line that asks for an application to be hosted. */
export interface RunOptions {
  readonly target: Target;
  /** What came after `--`: the application's own. */
  readonly args: readonly string[];
  /** A path, or `-` for standard output. */
  readonly logfile: string;
  readonly logFormat: LogFormat;
  readonly logLevel: LogLevel;
  readonly rundir: string;
  readonly reactor: string;
  /** Seconds. */
  readonly stopTimeout: number;
  readonly process: ProcessOptions;
}

/** What a command line asks for: text to be shown, an application to be hosted, something of the service manager, or to be a service that it has started. */
export type Request =
  | { readonly kind: 'show'; readonly text: string }
  | { readonly kind: 'run'; readonly options: RunOptions }
  | { readonly kind: 'verb'; readonly command: ServiceCommand }
  | { readonly kind: 'service'; readonly process: ServiceProcess };

/** What commander finds, by the long names of the table. */
interface Found extends ServiceCliOptions, FoundProcessOptions, SystemdCliOptions {
  readonly service?: string;
  readonly python?: string;
  readonly logFormat: LogFormat;
  readonly reactor: string;
  readonly stopTimeout: number;
  readonly helpReactors?: true;
  readonly runService?: string;
}

/** Every option there is. `--help` and `--version` are commander's own. */
const OPTIONS: readonly OptionRow[] = [
  {
    flags: '--service <name>',
    description:
      'application to host: a path, a name in the run directory, or an installed package',
    parse: once('--service'),
  },
  {
    flags: '-y, --python <file>',
    description: 'application to host: a file',
    parse: once('-y'),
  },
  {
    flags: '-l, --logfile <file>',
    description:
      'append the log to this file, - for standard output (which is the default in the foreground)',
    default: '-',
  },
  {
    flags: '--log-format <format>',
    description: `how the log is written: ${LOG_FORMATS.join(' or ')}`,
    default: 'text',
    parse: oneOf('--log-format', LOG_FORMATS),
  },
  {
    flags: '--log-level <level>',
    description: `the mildest level that is logged: ${LOG_LEVELS.join(', ')}`,
    default: 'info',
    parse: (text) => {
      if (isLogLevel(text)) return text;
      throw badValue('--log-level', text, `one of ${LOG_LEVELS.join(', ')}`);
    },
  },
  { flags: '-d, --rundir <dir>', description: 'change to this directory first', default: '.' },
  {
    flags: '-r, --reactor <name>',
    description: 'which reactor to use, see --help-reactors',
    default: 'default',
    parse: oneOf('--reactor', reactorNames()),
  },
  { flags: '--help-reactors', description: 'list the reactors and exit' },
  {
    flags: '--stop-timeout <seconds>',
    description: 'how long a stop may take before what hangs is left behind',
    default: 10,
    parse: (text) => {
      const seconds = Number(text);
      if (text.trim() !== '' && Number.isFinite(seconds) && seconds >= 0) return seconds;
      throw badValue('--stop-timeout', text, 'a number of seconds, 0 or more');
    },
  },
  ...PROCESS_OPTIONS,
  { flags: '--run-service <name>', description: 'be a service that was installed', hidden: true },
];

/** Options of the host that a service keeps, by what commander calls them. */
const HOST_KEYS: ReadonlyArray<keyof HostOptions> = [
  'logfile',
  'logFormat',
  'logLevel',
  'stopTimeout',
  'reactor',
];

/** Their rows. */
export const HOST_OPTIONS: readonly OptionRow[] = OPTIONS.filter(({ flags }) =>
  /--(logfile|log-format|log-level|stop-timeout|reactor)\b/.test(flags),
);

const EXAMPLES = `
Examples:
  twistd --service ./chat.ts                 host ./chat.ts, log to the terminal
  twistd --service chat -l chat.log          the same, found by its name, log to a file
  twistd --service chat --log-format json    one JSON object a line, for machines
  twistd --service chat -- --port 4000       what follows -- is for the application
  twistd --service chat --daemonize -u www   in the background, as user www once its ports are bound
  twistd --service chat install              register it with the service manager

An application is a module that exports \`application\` (or \`default\`), or \`makeService(options)\`.
Exit codes: 0 stopped as asked, 1 failed to start, 2 wrong usage; of a command: 0, or Windows' error number.`;

const VERBS_HELP = `
Commands (Windows and systemd; debug anywhere):
${Object.entries(SERVICE_VERBS)
  .map(([verb, does]) => `  ${verb.padEnd(10)} ${does}`)
  .join('\n')}
`;

/**
 * Reads a command line (without the names of node and twistd).
 * @param config what the project wants each time; the command line goes before
 * @throws {UsageError}
 */
export function parseOptions(
  argv: readonly string[],
  platform: NodeJS.Platform = process.platform,
  config: LoadedConfig | null = null,
): Request {
  const request = readOptions(argv, platform, config);
  const defaults = wordsOf(withoutContradicted(config?.twistd ?? {}, argv));
  // What a project wants each time is for hosting.
  if (request.kind !== 'run' || defaults.length === 0) return request;
  return readOptions([...defaults, ...argv], platform, config);
}

/** Options of which one is enough: who names one of a row on the command line does not mean another one that the project has. */
const CONTRADICTIONS: ReadonlyArray<readonly string[]> = [
  ['--daemonize', '--nodaemon', '-n'],
  ['--logfile', '--syslog', '--logger', '-l'],
];

function withoutContradicted(options: ConfigOptions, argv: readonly string[]): ConfigOptions {
  const end = argv.indexOf('--');
  const own = end < 0 ? argv : argv.slice(0, end);
  const words = own.slice(0, subCommandIn(own) ?? own.length);
  const given = (flag: string): boolean =>
    words.some((word) => word === flag || word.startsWith(`${flag}=`));
  const out = CONTRADICTIONS.filter((row) => row.some(given)).flat();
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => {
      return !wordsOf({ [name]: value }).some((word) => out.includes(word.replace(/=.*/s, '')));
    }),
  );
}

function readOptions(
  argv: readonly string[],
  platform: NodeJS.Platform,
  config: LoadedConfig | null,
): Request {
  const end = argv.indexOf('--');
  const own = end < 0 ? argv : argv.slice(0, end);
  const args = end < 0 ? [] : argv.slice(end + 1);

  const at = subCommandIn(own);
  if (at !== null) {
    const name = own[at] ?? '';
    const request = readOptions([...own.slice(0, at), '--service', name], platform, config);
    if (request.kind !== 'run') return request;
    const file = configuredPlugin(config, name);
    const target: Target = { kind: 'plugin', name, ...(file === undefined ? {} : { file }) };
    const args = [...wordsOf(entryOf(config?.options, name)), ...argv.slice(at + 1)];
    return { kind: 'run', options: { ...request.options, target, args } };
  }

  let shown = '';
  const command = new Command('twistd')
    .usage(
      '--service NAME|PATH [command] [options] [-- argument...]\n       twistd [options] NAME [options of NAME]',
    )
    .description(
      'Hosts an application: starts it, runs the reactor, and stops it on SIGINT or SIGTERM. With a command: has the service manager do that.',
    )
    .helpOption('-h, --help', 'show this text and exit')
    .version(`twistd (Strand) ${frameworkVersion()}`, '--version', 'show the version and exit')
    .addHelpText('after', () => subCommandsHelp(config) + VERBS_HELP + EXAMPLES)
    .allowExcessArguments()
    .exitOverride()
    .configureOutput({ writeOut: (text) => (shown += text), writeErr: () => {} });
  addOptions(command, OPTIONS);
  addOptions(command, SERVICE_OPTIONS, 'Options of the commands:');
  addOptions(command, SYSTEMD_OPTIONS, 'Options of the commands with systemd:');
  try {
    command.parse(withBareWaitLast(own), { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: 'show', text: shown };
    throw new UsageError(wordingOf(error), { cause: error });
  }

  const found = command.opts<Found>();
  if (found.helpReactors) return { kind: 'show', text: `${reactorNames().join('\n')}\n` };
  const { logFormat, logLevel, rundir, reactor, stopTimeout } = found;
  const logs = command.getOptionValueSource('logfile') === 'cli';
  const ofProcess = processOptionsOf(found, logs, platform);
  const logfile = logs ? found.logfile : defaultLogFile(ofProcess.daemonize, rundir);
  const run = {
    ...{ logfile, logFormat, logLevel, rundir, reactor, stopTimeout, args },
    process: ofProcess,
  };
  const service = serviceOptionsOf(found);
  const [verb = '', ...operands] = command.args;
  const host = givenOptions(command);
  if (isServiceVerb(verb)) {
    const target = targetOf(found, []);
    // What comes after -- is the application's; when it is started, it is added to what was installed.
    const toService = ['start', 'restart', 'debug'].includes(verb);
    const request = {
      ...{ verb, host, options: service },
      args: toService ? [...operands, ...args] : args,
      operands: toService ? [] : operands,
    };
    const processOptions = PROCESS_OPTIONS.filter((row) => isGiven(command, row)).map(longName);
    return {
      kind: 'verb',
      command: {
        ...{ request, processOptions, systemd: systemdOptionsOf(found) },
        run: { ...run, target, args: [] },
      },
    };
  }
  const target = targetOf(found, command.args);
  const { runService } = found;
  if (runService !== undefined) {
    const options = { ...run, target };
    return { kind: 'service', process: { name: runService, service, run: options, host } };
  }
  const [option] = [...misplacedOptions(service, null), ...givenSystemdOptions(found)];
  if (option !== undefined) {
    throw new UsageError(`Option ${option} needs a command, such as install`);
  }
  return { kind: 'run', options: { ...run, target } };
}

function subCommandsHelp(config: LoadedConfig | null): string {
  const { plugins, broken } = listPlugins([process.cwd()]);
  const own = Object.entries(config?.plugins ?? {}).map(([name, { description = '' }]) => {
    return { name, description };
  });
  const lines = [...plugins, ...own].map(
    ({ name, description }) => `  ${name.padEnd(10)} ${description}`,
  );
  const faults = broken.map(({ origin, problem }) => `  (${problem}, in ${origin})`);
  return `\nApplications that are there (see twistd NAME --help):\n${[...lines, ...faults].join('\n')}\n`;
}

/**
 * Where a sub-command stands: the first word that is no option nor an option's value, where no application is named. What follows it is its own.
 * Null where there is none, and where what comes before it cannot be read.
 */
function subCommandIn(own: readonly string[]): number | null {
  const command = new Command('twistd')
    .helpOption('-h, --help')
    .option('--version')
    .passThroughOptions()
    .allowExcessArguments()
    .exitOverride()
    .configureOutput({ writeOut: () => {}, writeErr: () => {} });
  addOptions(command, OPTIONS);
  addOptions(command, SERVICE_OPTIONS);
  addOptions(command, SYSTEMD_OPTIONS);
  try {
    command.parse([...own], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError || error instanceof UsageError) return null;
    throw error;
  }
  const { service, python } = command.opts<Found>();
  const [name] = command.args;
  // A command to the service manager without an application is a mistake that has its own message.
  if (service !== undefined || python !== undefined || name === undefined || isServiceVerb(name)) {
    return null;
  }
  return own.length - command.args.length;
}

/** Adds rows to a command line, under a heading of their own where one is given. */
export function addOptions(command: Command, rows: readonly OptionRow[], heading?: string): void {
  for (const row of rows) {
    const option = new Option(row.flags, row.description);
    if (row.default !== undefined) option.default(row.default);
    if (row.parse !== undefined) option.argParser(row.parse);
    if (row.hidden) option.hideHelp();
    if (heading !== undefined) option.helpGroup(heading);
    command.addOption(option);
  }
}

function isGiven(command: Command, row: OptionRow): boolean {
  const option = command.options.find(({ flags }) => flags === row.flags);
  return option !== undefined && command.getOptionValueSource(option.attributeName()) === 'cli';
}

/** The options of the host that were given, without those that have their default. */
export function givenOptions(command: Command): HostOptions {
  const given = HOST_KEYS.filter((key) => command.getOptionValueSource(key) === 'cli');
  return Object.fromEntries(given.map((key) => [key, command.getOptionValue(key)]));
}

function targetOf({ service, python }: Found, operands: readonly string[]): Target {
  const [operand] = operands;
  if (service !== undefined && python !== undefined) {
    throw new UsageError('Options --service and -y exclude each other: give one of them');
  }
  const name = service ?? python;
  if (name === undefined) {
    if (operand === undefined) {
      throw new UsageError('No application to host: give --service NAME|PATH or -y FILE');
    }
    throw new UsageError(
      `Unknown command ${JSON.stringify(operand)}: name the application with --service NAME|PATH or -y FILE`,
    );
  }
  if (operand !== undefined) {
    const what = JSON.stringify(operand);
    const meant = suggestion(operand, Object.keys(SERVICE_VERBS));
    throw new UsageError(
      meant === ''
        ? `Unexpected argument ${what}: arguments for the application come after --`
        : `Unknown command ${what}${meant}`,
    );
  }
  return service === undefined ? { kind: 'file', file: name } : { kind: 'name', name };
}

/** commander's message in our style. */
function wordingOf(error: CommanderError): string {
  const option = /unknown option '([^'=]+)/.exec(error.message)?.[1];
  const why = option === undefined ? undefined : REFUSED_OPTIONS[option];
  if (why !== undefined) return `Option '${option}' has no sense here: ${why}`;
  const text = error.message.replace(/^error: /, '').replaceAll('\n', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function oneOf(option: string, values: readonly string[]): (text: string) => string {
  return (text) => {
    if (values.includes(text)) return text;
    throw badValue(option, text, values.join(', ').replace(/, ([^,]*)$/, ' or $1'));
  };
}

function once(option: string): (text: string, previous: unknown) => string {
  return (text, previous) => {
    if (text === '') throw badValue(option, text, 'the name of an application');
    if (previous === undefined) return text;
    throw new UsageError(
      `Option ${option} was given twice, with ${JSON.stringify(previous)} and ${JSON.stringify(text)}`,
    );
  };
}

/** The version in our package.json, which lies further up in the sources than in what is built from them. */
export function frameworkVersion(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    try {
      const found: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      if (typeof found === 'object' && found !== null && 'version' in found)
        return String(found.version);
    } catch {
      // Not here; look above.
    }
    if (folder === dirname(folder)) return 'of unknown version';
  }
}
