/** Typed options for an application's command line: one table, from which parsing, help, refusals and types follow (Twisted: `usage.Options`). */
import { createRequire } from 'node:module';
import type { Option } from 'commander';
import { HelpRequested, UsageError } from '../errors.ts';
import { isServiceVerb } from '../windows/cli-options.ts';

let loaded: typeof import('commander') | undefined;

/** Loaded when a command line is read, not by everybody who imports the room. */
function commander(): typeof import('commander') {
  // What require returns has no type; this is the package's own.
  loaded ??= createRequire(import.meta.url)('commander') as typeof import('commander');
  return loaded;
}

interface Described {
  readonly description: string;
  /** One letter: `p` makes `-p` another name of it. */
  readonly short?: string;
}

/** A switch: false unless it is given. */
export interface FlagOption extends Described {
  readonly type: 'flag';
}

/** An option with a value. */
export interface ValueOption<T> extends Described {
  /** What the help calls the value. Default: the type, in capitals. */
  readonly value?: string;
  readonly default?: T;
  /** It has to be given. */
  readonly required?: true;
  /** It may be given several times; all values make an array, empty when there are none. */
  readonly repeat?: true;
}

export interface TextOption extends ValueOption<string> {
  readonly type: 'string';
  /** The only values that are taken. */
  readonly choices?: readonly string[];
}

export interface NumberOption extends ValueOption<number> {
  /** `port` is a whole number from 0 to 65535; `seconds` a number from 0. */
  readonly type: 'number' | 'integer' | 'port' | 'seconds';
  readonly min?: number;
  readonly max?: number;
}

export interface ParsedOption<T> extends ValueOption<T> {
  readonly type: 'parsed';
  /** Makes the value of the text. Throws an Error whose message says what is expected. */
  readonly parse: (text: string) => T;
}

/** One option of a command line. `type` says what it takes. */
export type OptionSpec = FlagOption | TextOption | NumberOption | ParsedOption<unknown>;

/** Options by their names in camelCase; `logFile` is `--log-file` on the command line. */
export type OptionTable = Readonly<Record<string, OptionSpec>>;

type BaseValue<S> = S extends { type: 'flag' }
  ? boolean
  : S extends { type: 'parsed'; parse: (text: string) => infer T }
    ? T
    : S extends { type: 'string'; choices: ReadonlyArray<infer C> }
      ? C
      : S extends { type: 'string' }
        ? string
        : number;

/** What the value of an option is. */
export type OptionValue<S> = S extends { repeat: true }
  ? ReadonlyArray<BaseValue<S>>
  : S extends { type: 'flag' } | { required: true } | { default: unknown }
    ? BaseValue<S>
    : BaseValue<S> | undefined;

/** What a table gives once a command line has been read. */
export type OptionValues<T extends OptionTable> = { readonly [K in keyof T]: OptionValue<T[K]> };

/** Arguments that are no options. */
export interface OperandsDescription {
  /** What the help calls them: 'COMMAND'. */
  readonly name: string;
  /** What they are, for the help. */
  readonly description: string;
  /** How many there have to be. Default 0. */
  readonly min?: number;
  /** Whether all that follows the first of them is one too, options included: a command line of another program's. Default false. */
  readonly commandLine?: boolean;
}

/** What goes with a table. */
export interface CommandDescription {
  /** Arguments that are no options; none are taken unless they are described. */
  readonly operands?: OperandsDescription;
  /** What the command does, in a sentence, for its help. */
  readonly description?: string;
  /** What stands in the help after the options. */
  readonly epilog?: string;
  /** Looks at the values together. Throws UsageError. Twisted: `postOptions`. */
  readonly check?: (values: never) => void;
}

/** Options that read a command line. */
export interface ParsesOptions {
  /** The arguments that are no options. */
  readonly operands: readonly string[];
  /**
   * @param name what the program is called in the help
   * @throws {UsageError}
   * @throws {HelpRequested} at `--help`
   */
  parseOptions(args: readonly string[], name?: string): void;
}

/**
 * Makes the `Options` that a module with `makeService(options)` exports.
 * @example
 * export const Options = defineOptions({
 *   port: { type: 'port', default: 8080, description: 'port to listen on' },
 *   root: { type: 'string', required: true, value: 'DIR', description: 'folder to serve' },
 * });
 * export function makeService({ port, root }: InstanceType<typeof Options>): Service { ... }
 */
export function defineOptions<const T extends OptionTable>(
  table: T,
  command: Omit<CommandDescription, 'check'> & {
    readonly check?: (values: OptionValues<T>) => void;
  } = {},
): new () => OptionValues<T> & ParsesOptions {
  class Options implements ParsesOptions {
    #operands: readonly string[] = [];

    get operands(): readonly string[] {
      return this.#operands;
    }

    parseOptions(args: readonly string[], name = 'twistd'): void {
      const { values, operands } = readOptions(table, args, name, command);
      Object.assign(this, values);
      this.#operands = operands;
      // The table made these values, so they are of its types.
      command.check?.(values as OptionValues<T>);
    }
  }
  // Its instances get the table's properties when they read a command line.
  return Options as unknown as new () => OptionValues<T> & ParsesOptions;
}

function readOptions(
  table: OptionTable,
  args: readonly string[],
  name: string,
  { description, epilog, operands }: Omit<CommandDescription, 'check'>,
): { readonly values: Record<string, unknown>; readonly operands: readonly string[] } {
  const { Command, CommanderError } = commander();
  let shown = '';
  const command = new Command(name)
    .usage(operands === undefined ? '[options]' : `[options] ${operands.name}`)
    .helpOption('-h, --help', 'show this text and exit')
    .allowExcessArguments()
    .exitOverride()
    .configureOutput({ writeOut: (text) => (shown += text), writeErr: () => {} });
  if (description !== undefined) command.description(description);
  if (operands?.commandLine) command.passThroughOptions();
  if (operands !== undefined) {
    command.addHelpText('after', `\n${operands.name}: ${operands.description}`);
  }
  if (epilog !== undefined) command.addHelpText('after', `\n${epilog}`);
  for (const [key, spec] of Object.entries(table)) command.addOption(optionOf(key, spec));
  try {
    command.parse([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) throw new HelpRequested(shown);
    const text = error.message.replace(/^error: /, '').replaceAll('\n', ' ');
    throw new UsageError(text.charAt(0).toUpperCase() + text.slice(1), { cause: error });
  }
  const [operand] = command.args;
  if (operands === undefined && operand !== undefined) {
    const advice = isServiceVerb(operand)
      ? `: commands go with --service, as in 'twistd --service NAME ${operand}', and options of NAME after --`
      : '';
    throw new UsageError(`Unexpected argument ${JSON.stringify(operand)}${advice}`);
  }
  if (command.args.length < (operands?.min ?? 0)) {
    throw new UsageError(`${operands?.name} is missing: ${operands?.description}`);
  }
  const values = Object.fromEntries(
    Object.entries(table).map(([key, spec]) => {
      const value: unknown = command.getOptionValue(key);
      if (value === undefined && 'required' in spec && spec.required) {
        throw new UsageError(`Option ${flagOf(key)} is required`);
      }
      if (spec.type === 'flag') return [key, value === true];
      return [key, value === undefined && spec.repeat ? [] : value];
    }),
  );
  return { values, operands: command.args };
}

function optionOf(key: string, spec: OptionSpec): Option {
  const { Option } = commander();
  if (/^no[A-Z]/.test(key)) {
    throw new TypeError(
      `Cannot have an option called ${JSON.stringify(key)}: ${flagOf(key)} would be the opposite of another`,
    );
  }
  const flag = flagOf(key);
  const short = spec.short === undefined ? '' : `-${spec.short}, `;
  if (spec.type === 'flag') return new Option(`${short}${flag}`, spec.description);
  const what = spec.value ?? (spec.type === 'parsed' ? 'VALUE' : spec.type.toUpperCase());
  const choices =
    spec.type === 'string' && spec.choices !== undefined ? ` (${spec.choices.join(', ')})` : '';
  const option = new Option(`${short}${flag} <${what}>`, spec.description + choices);
  if (spec.default !== undefined) option.default(spec.default);
  let given: unknown[] | undefined;
  option.argParser((text: string): unknown => {
    const value = parsedValue(flag, spec, text);
    if (!spec.repeat) {
      if (given !== undefined) throw new UsageError(`Option ${flag} was given twice`);
      given = [value];
      return value;
    }
    given = [...(given ?? []), value];
    return given;
  });
  return option;
}

function parsedValue(flag: string, spec: Exclude<OptionSpec, FlagOption>, text: string): unknown {
  const bad = (expected: string, cause?: unknown): UsageError =>
    new UsageError(`Bad value ${JSON.stringify(text)} of ${flag}: expected ${expected}`, { cause });
  if (spec.type === 'string') {
    if (spec.choices === undefined || spec.choices.includes(text)) return text;
    throw bad(`one of ${spec.choices.join(', ')}`);
  }
  if (spec.type === 'parsed') {
    try {
      return spec.parse(text);
    } catch (cause) {
      if (cause instanceof UsageError) throw cause;
      throw bad(cause instanceof Error ? cause.message : String(cause), cause);
    }
  }
  const { min = spec.type === 'port' || spec.type === 'seconds' ? 0 : Number.NEGATIVE_INFINITY } =
    spec;
  const { max = spec.type === 'port' ? 65535 : Number.POSITIVE_INFINITY } = spec;
  const value = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  const whole = spec.type === 'integer' || spec.type === 'port';
  if (value >= min && value <= max && Number.isFinite(value)) {
    if (!whole || Number.isSafeInteger(value)) return value;
  }
  throw bad(`${whole ? 'a whole number' : 'a number'}${rangeText(min, max)}`);
}

function rangeText(min: number, max: number): string {
  if (min === Number.NEGATIVE_INFINITY)
    return max === Number.POSITIVE_INFINITY ? '' : `, ${max} or less`;
  return max === Number.POSITIVE_INFINITY ? `, ${min} or more` : ` from ${min} to ${max}`;
}

function flagOf(key: string): string {
  return `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
