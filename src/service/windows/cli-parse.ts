/** The command line of `handleCommandLine`: pywin32's verbs and options, ours besides, in any order. */
import { Command, CommanderError } from 'commander';
import { UsageError } from '../errors.ts';
import { addOptions, givenOptions, HOST_OPTIONS } from '../twistd/options.ts';
import type { VerbRequest } from './cli-context.ts';
import { RUN_SERVICE } from './cli-install.ts';
import { suggestion } from './cli-names.ts';
import {
  isServiceVerb,
  SERVICE_OPTIONS,
  SERVICE_VERBS,
  type ServiceCliOptions,
  serviceOptionsOf,
  withBareWaitLast,
} from './cli-options.ts';

/** What a command line asks for. */
export type FrameworkRequest =
  | { readonly kind: 'show'; readonly text: string }
  | {
      readonly kind: 'verb';
      readonly request: VerbRequest;
      /** The caller's own options, in getopt's shape: [['-a', ''], ['-b', 'value']]. */
      readonly custom: ReadonlyArray<readonly [string, string]>;
    }
  | { readonly kind: 'run'; readonly name: string; readonly request: Omit<VerbRequest, 'verb'> };

/** Verbs whose operands are arguments for the service. */
const WITH_ARGUMENTS: readonly string[] = ['start', 'restart', 'debug'];

const ROWS = SERVICE_OPTIONS.filter(({ key }) => key !== 'name');

/**
 * @param customInstallOptions the caller's own options, as getopt has them: 'ab:' for -a and -b VALUE
 * @throws {UsageError}
 */
export function parseFrameworkCommand(
  argv: readonly string[],
  { program, customInstallOptions = '' }: { program: string; customInstallOptions?: string },
): FrameworkRequest {
  const end = argv.indexOf('--');
  const own = end < 0 ? argv : argv.slice(0, end);
  const args = end < 0 ? [] : argv.slice(end + 1);
  const custom = [...customInstallOptions.matchAll(/([A-Za-z])(:?)/g)].map(
    ([, letter = '', colon]) => ({ letter, value: colon === ':' }),
  );

  let shown = '';
  const command = new Command(program)
    .usage('[options] command [argument...]')
    .helpOption(
      customInstallOptions.includes('h') ? '--help' : '-h, --help',
      'show this text and exit',
    )
    .allowExcessArguments()
    .exitOverride()
    .configureOutput({ writeOut: (text) => (shown += text), writeErr: () => {} })
    .addHelpText('after', helpOfVerbs);
  addOptions(command, [
    { flags: `${RUN_SERVICE} <name>`, description: 'be the service', hidden: true },
    { flags: '--rundir <folder>', description: 'where it works', hidden: true },
    ...custom.map(({ letter, value }) => ({
      flags: value ? `-${letter} <value>` : `-${letter}`,
      description: 'option of this service',
    })),
  ]);
  addOptions(command, ROWS);
  // The caller's own letters go before ours.
  const isTaken = (flags: string): boolean => custom.some(({ letter }) => flags[1] === letter);
  addOptions(
    command,
    // Without twistd's defaults, which are not those of services.
    HOST_OPTIONS.map(({ default: _, ...row }) =>
      isTaken(row.flags) ? { ...row, flags: row.flags.replace(/^-\w, /, '') } : row,
    ),
  );
  try {
    command.parse(withBareWaitLast(unabbreviated(own, command)), { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: 'show', text: shown };
    const text = error.message.replace(/^error: /, '').replaceAll('\n', ' ');
    throw new UsageError(text.charAt(0).toUpperCase() + text.slice(1), { cause: error });
  }

  const [verb, ...operands] = command.args;
  const found = command.opts<ServiceCliOptions & { runService?: string; rundir?: string }>();
  const { runService, rundir } = found;
  const options = {
    ...serviceOptionsOf(found),
    ...(rundir === undefined ? {} : { cwd: rundir }),
  };
  const host = givenOptions(command);
  if (runService !== undefined) {
    return { kind: 'run', name: runService, request: { operands, args, options, host } };
  }
  if (verb === undefined) throw new UsageError('No command: give one of those below');
  if (!isServiceVerb(verb)) {
    throw new UsageError(
      `Unknown command - '${verb}'${suggestion(verb, Object.keys(SERVICE_VERBS))}`,
    );
  }
  const toService = WITH_ARGUMENTS.includes(verb);
  return {
    kind: 'verb',
    request: {
      ...{ verb, options, host },
      operands: toService ? [] : operands,
      args: toService ? [...operands, ...args] : args,
    },
    custom: custom.flatMap(({ letter }) => {
      const value: unknown = command.getOptionValue(letter);
      if (value === undefined) return [];
      return [[`-${letter}`, typeof value === 'string' ? value : ''] as const];
    }),
  };
}

/** The text that is shown for a command line that makes no sense. */
export function frameworkUsage(program: string): string {
  const request = parseFrameworkCommand(['--help'], { program });
  return request.kind === 'show' ? request.text : '';
}

/** The commands with what they do, for the help. */
export function helpOfVerbs(): string {
  const lines = Object.entries(SERVICE_VERBS).map(([verb, does]) => `  ${verb.padEnd(10)} ${does}`);
  return `\nCommands:\n${lines.join('\n')}`;
}

/** Those of pywin32, which keep their abbreviations whatever we have besides. */
const FIRST: readonly string[] = [
  '--username',
  '--password',
  '--startup',
  '--interactive',
  '--wait',
];

/** getopt takes the beginning of a long option for the whole, where that is clear. */
function unabbreviated(argv: readonly string[], command: Command): string[] {
  let isValue = false;
  return argv.map((word) => {
    if (isValue || !word.startsWith('--')) {
      const short = isValue ? undefined : command.options.find((one) => one.short === word);
      isValue = short?.required === true;
      return word;
    }
    const [name = ''] = word.split('=', 1);
    const exact = command.options.find(({ long }) => long === name);
    const candidates = command.options.filter(({ long }) => long?.startsWith(name));
    const first = candidates.filter(({ long = '' }) => FIRST.includes(long));
    const [only, ...others] = first.length > 0 ? first : candidates;
    const option = exact ?? (others.length === 0 ? only : undefined);
    isValue = option?.required === true && !word.includes('=');
    return option?.long === undefined ? word : option.long + word.slice(name.length);
  });
}
