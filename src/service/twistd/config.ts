/** `strand.config.ts`: what a project wants of twistd each time, and sub-commands of its own. */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { LoadError } from '../errors.ts';
import { importModule } from './load.ts';

/** The value of an option: true for a switch, several for one that may be given again. */
export type ConfigValue = string | number | boolean | ReadonlyArray<string | number>;

/** Options by their long names, `log-level` or `logLevel`. */
export type ConfigOptions = Readonly<Record<string, ConfigValue>>;

/** What a `strand.config` module exports as its default. */
export interface StrandConfig {
  /** Options of twistd; what the command line says goes before. They are for hosting, not for the commands to service managers. */
  readonly twistd?: ConfigOptions;
  /** Sub-commands of the project: a module with `makeService`, by a path from the config file. */
  readonly plugins?: Readonly<
    Record<string, { readonly module: string; readonly description?: string }>
  >;
  /** Options of sub-commands, by their names; what the command line says goes before. */
  readonly options?: Readonly<Record<string, ConfigOptions>>;
}

/** A config that was found. */
export interface LoadedConfig extends StrandConfig {
  /** Its file. */
  readonly file: string;
}

const NAMES = ['strand.config.ts', 'strand.config.js', 'strand.config.mjs'];

/** Gives an editor the types of a config. */
export function defineConfig(config: StrandConfig): StrandConfig {
  return config;
}

/**
 * The config of a folder; null when it has none.
 * @throws {LoadError} through the promise, when it cannot be imported, or is not one
 */
export async function loadConfig(folder: string): Promise<LoadedConfig | null> {
  const file = NAMES.map((name) => join(folder, name)).find((path) => existsSync(path));
  if (file === undefined) return null;
  const { default: config } = await importModule(file, file);
  const wrong = problemOf(config);
  if (wrong !== null) throw new LoadError(`Cannot use ${file}: ${wrong}`);
  return { ...(config as StrandConfig), file }; // it was looked at
}

/** What is wrong with a config; null for nothing. */
function problemOf(config: unknown): string | null {
  if (!isTable(config)) return 'its default export is not an object';
  for (const [key, value] of Object.entries(config)) {
    if (!['twistd', 'plugins', 'options'].includes(key))
      return `it has an unknown part ${JSON.stringify(key)}`;
    if (!isTable(value)) return `${key} is not an object`;
  }
  const {
    twistd = {},
    plugins = {},
    options = {},
  } = config as Record<string, Record<string, unknown>>;
  for (const [where, table] of [['twistd', twistd], ...Object.entries(options)] as const) {
    if (!isTable(table)) return `options.${where} is not an object`;
    for (const [name, value] of Object.entries(table)) {
      if (!isValue(value))
        return `option ${JSON.stringify(name)} of ${where} is neither text, number, boolean nor a list`;
    }
  }
  for (const [name, plugin] of Object.entries(plugins)) {
    if (!/^[a-z][a-z0-9-]{0,62}$/.test(name))
      return `${JSON.stringify(name)} is no name of a plugin`;
    if (!isTable(plugin) || typeof plugin['module'] !== 'string')
      return `plugin ${name} has no module`;
  }
  return null;
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isValue(value: unknown): boolean {
  if (Array.isArray(value))
    return value.every((each) => ['string', 'number'].includes(typeof each));
  return ['string', 'number', 'boolean'].includes(typeof value);
}

/** Options as words of a command line. */
export function wordsOf(options: ConfigOptions = {}): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const flag = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (typeof value === 'boolean') return value ? [flag] : [];
    const values = typeof value === 'object' ? value : [value];
    return values.map((each) => `${flag}=${each}`);
  });
}

/** The module of a sub-command that the config has; undefined when it has none of that name. */
export function configuredPlugin(config: LoadedConfig | null, name: string): string | undefined {
  const plugin = entryOf(config?.plugins, name);
  return config === null || plugin === undefined
    ? undefined
    : resolve(dirname(config.file), plugin.module);
}

/** What a table has of that name; a name may be that of something which every object has. */
export function entryOf<T>(
  table: Readonly<Record<string, T>> | undefined,
  name: string,
): T | undefined {
  return table !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
}
