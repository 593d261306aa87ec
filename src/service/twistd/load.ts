/** Finds an application and imports it. */
import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, extname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { LoadError, UsageError } from '../errors.ts';
import { describeService, type IService, Service } from '../service.ts';
import { isModule, recogniseModules } from './module-kind.ts';
import { findPlugin, listPlugins } from './plugins.ts';
import { askedFor, type Target } from './target.ts';

/** What the file of an application may end in. */
const EXTENSIONS: readonly string[] = ['.ts', '.js', '.mts', '.mjs', '.cts', '.cjs'];

/** An application and what it is called. */
export interface LoadedApplication {
  readonly service: IService;
  readonly name: string;
}

/** Where to look, and what to hand on. */
export interface LoadOptions {
  /** Directories that a relative path is sought from, in turn. */
  readonly from: readonly string[];
  /** Arguments for `makeService`. */
  readonly args?: readonly string[];
}

/**
 * Finds, imports and unwraps an application.
 * @throws {LoadError} when there is none, it throws while it is imported, or it exports none
 * @throws {UsageError} when its arguments are wrong
 */
export async function loadApplication(
  target: Target,
  { from, args = [] }: LoadOptions,
): Promise<LoadedApplication> {
  const asked = askedFor(target);
  const file = findModule(target, from);
  const found = await importModule(file, asked);
  const program = target.kind === 'plugin' ? `twistd ${asked}` : asked;
  const service = await applicationOf(found, asked, args, program);
  return { service, name: service.name ?? nameOf(file) ?? describeService(service) };
}

/**
 * The file that a target means.
 * @throws {LoadError} that lists what was tried
 * @throws {UsageError} if it is a sub-command that is not there
 */
export function findModule(target: Target, from: readonly string[]): string {
  if (target.kind === 'plugin') return target.file ?? findPlugin(target.name, from).file;
  const tried: string[] = [];
  const folders = [...new Set(from)];
  const asked = askedFor(target);
  for (const folder of folders) {
    for (const candidate of target.kind === 'file'
      ? [resolve(folder, asked)]
      : candidates(asked, folder)) {
      if (tried.includes(candidate)) continue;
      if (isFile(candidate)) return candidate;
      tried.push(candidate);
    }
  }
  if (target.kind === 'name' && isPackageName(asked)) {
    for (const folder of folders) {
      const entry = findPackage(asked, folder);
      if (entry !== null) return entry;
    }
    const plugin = listPlugins(folders).plugins.find(({ name }) => name === asked);
    if (plugin !== undefined) return plugin.file;
    tried.push(`installed package ${JSON.stringify(asked)}`, 'commands of installed packages');
  }
  throw new LoadError(
    `Cannot find application ${JSON.stringify(asked)}: tried ${tried.join(', ')}`,
  );
}

function candidates(name: string, folder: string): string[] {
  const path = name.startsWith('file:') ? fileURLToPath(name) : resolve(folder, name);
  return [
    ...(EXTENSIONS.includes(extname(path)) ? [path] : []),
    ...['.ts', '.js', '.mts', '.mjs'].map((extension) => path + extension),
    join(path, 'index.ts'),
    join(path, 'index.js'),
  ];
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function isPackageName(name: string): boolean {
  return /^(@[\w.~-]+\/)?[\w~-][\w.~-]*$/.test(name) && !isAbsolute(name);
}

/** The entry of an installed package as `import` would find it from `folder`, whose resolution Node lends to nobody. */
function findPackage(name: string, folder: string): string | null {
  for (let above = folder; ; above = dirname(above)) {
    const home = join(above, 'node_modules', name);
    const description = join(home, 'package.json');
    if (isFile(description)) {
      // Whatever a package.json holds is looked at before it is used.
      const { exports, main } = jsonIn(description) as Record<string, unknown>;
      const entry = entryOf(exports) ?? (typeof main === 'string' ? main : 'index.js');
      return (
        [entry, `${entry}.js`, join(entry, 'index.js')]
          .map((path) => join(home, path))
          .find(isFile) ?? null
      );
    }
    if (above === dirname(above)) return null;
  }
}

/** @throws {LoadError} */
function jsonIn(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new LoadError(`Cannot read ${file}: ${messageOf(cause)}`, { cause });
  }
}

/** What `exports` gives for the package itself, under the conditions that hold for `import`. */
function entryOf(exports: unknown): string | null {
  if (typeof exports === 'string') return exports;
  if (typeof exports !== 'object' || exports === null) return null;
  if (Array.isArray(exports)) return exports.map(entryOf).find((entry) => entry !== null) ?? null;
  for (const [condition, value] of Object.entries(exports)) {
    if (!['.', 'node', 'import', 'module-sync', 'default'].includes(condition)) continue;
    const entry = entryOf(value);
    if (entry !== null) return entry;
  }
  return null;
}

/** Imports a module, and says what is wrong when that fails. @throws {LoadError} through the promise */
export async function importModule(file: string, asked: string): Promise<Record<string, unknown>> {
  try {
    if (/\.tsx?$/.test(file) || (file.endsWith('.js') && isModule(file))) recogniseModules();
    return await settled(import(pathToFileURL(file).href));
  } catch (error) {
    if (isUnreadableTypeScript(error, file)) {
      throw new LoadError(
        `Cannot load application ${JSON.stringify(asked)}: Node ${process.version} does not read TypeScript by itself. ` +
          `Run "npx tsx ${process.argv[1] ?? 'twistd.ts'} ...", or use Node 22.18 or later`,
        { cause: error },
      );
    }
    throw new LoadError(
      `Cannot load application ${JSON.stringify(asked)}: importing ${file} failed: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/** As `promise`, but fails when nothing is left that could settle it; the process would end without a word. */
function settled<T>(promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onBeforeExit = (): void => reject(new Error('It waits for something that never comes'));
    process.once('beforeExit', onBeforeExit);
    promise.then(resolve, reject).finally(() => process.off('beforeExit', onBeforeExit));
  });
}

function isUnreadableTypeScript(error: unknown, file: string): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    error.code === 'ERR_UNKNOWN_FILE_EXTENSION' &&
    /\.[cm]?ts$/.test(file)
  );
}

async function applicationOf(
  found: Record<string, unknown>,
  asked: string,
  args: readonly string[],
  program: string,
): Promise<IService> {
  // A CommonJS module has its exports in `default`, and beside it only those that could be seen without running it.
  const { default: inner } = found;
  const module: Record<string, unknown> =
    typeof inner === 'object' && inner !== null && !isService(inner) && !('then' in inner)
      ? { ...inner, ...withoutDefault(found) }
      : found;
  const { makeService, Options } = module;
  for (const name of ['application', 'default']) {
    const value = await module[name];
    if (value === undefined) continue;
    if (isService(value)) {
      checkCopy(value, asked);
      if (args.length === 0) return value;
      throw new UsageError(
        `Unexpected argument ${JSON.stringify(args[0])}: application ${JSON.stringify(asked)} takes none`,
      );
    }
    if (name === 'default' && isCallable(makeService)) continue;
    throw new LoadError(
      `Cannot host application ${JSON.stringify(asked)}: its export '${name}' is ${kindOf(value)}, not a service`,
    );
  }
  if (isCallable(makeService)) {
    return await makeIt(makeService, Options, asked, args, program);
  }
  const names = Object.keys(module);
  throw new LoadError(
    `Cannot host application ${JSON.stringify(asked)}: it exports ${
      names.length === 0 ? 'nothing' : names.map((name) => `'${name}'`).join(', ')
    }, but no 'application', 'default' or 'makeService'`,
  );
}

/** Calls `makeService` with its options: an instance of the module's `Options` that has parsed the arguments, or an empty object. */
async function makeIt(
  makeService: (options: unknown) => unknown,
  Options: unknown,
  asked: string,
  args: readonly string[],
  program: string,
): Promise<IService> {
  let options: unknown = {};
  if (typeof Options === 'function') {
    const parsed: unknown = Reflect.construct(Options, []);
    if (
      typeof parsed !== 'object' ||
      parsed === null ||
      !('parseOptions' in parsed) ||
      typeof parsed.parseOptions !== 'function'
    ) {
      throw new LoadError(
        `Cannot host application ${JSON.stringify(asked)}: its Options has no method parseOptions`,
      );
    }
    parsed.parseOptions([...args], program);
    options = parsed;
  } else if (args.length > 0) {
    throw new UsageError(
      `Unexpected argument ${JSON.stringify(args[0])}: application ${JSON.stringify(asked)} takes none`,
    );
  }
  let made: unknown;
  try {
    made = await makeService(options);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new LoadError(
      `Cannot host application ${JSON.stringify(asked)}: its makeService failed: ${messageOf(error)}`,
      { cause: error },
    );
  }
  if (isService(made)) {
    checkCopy(made, asked);
    return made;
  }
  throw new LoadError(
    `Cannot host application ${JSON.stringify(asked)}: its makeService gave ${kindOf(made)}, not a service`,
  );
}

function withoutDefault(module: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(module).filter(([name]) => name !== 'default' && name !== 'module.exports'),
  );
}

/**
 * An application that was made with another copy of the framework has another reactor, which this program does not run, and another log.
 * @throws {LoadError}
 */
function checkCopy(service: IService, asked: string): void {
  if (service instanceof Service) return;
  for (let prototype = Object.getPrototypeOf(service); prototype !== null; ) {
    if (prototype.constructor?.name === Service.name) {
      throw new LoadError(
        `Cannot host application ${JSON.stringify(asked)}: it uses another copy of the framework than twistd, or the same one as CommonJS. ` +
          'Start the twistd that belongs to the framework it imports, and make it an ES module',
      );
    }
    prototype = Object.getPrototypeOf(prototype);
  }
}

/** Judged by what it can do: an application need not be of one of our classes. */
function isService(value: unknown): value is IService {
  if (typeof value !== 'object' || value === null) return false;
  return ['privilegedStartService', 'startService', 'stopService'].every(
    (method) => typeof Reflect.get(value, method) === 'function',
  );
}

function isCallable(value: unknown): value is (...args: unknown[]) => unknown {
  return typeof value === 'function';
}

function kindOf(value: unknown): string {
  if (typeof value === 'function') return `the function ${value.name || 'without a name'}`;
  return inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : inspect(error);
}

/** 'chat' for chat.ts and for chat/index.ts. */
export function nameOf(file: string): string | null {
  const name = basename(file, extname(file));
  return name === 'index' ? basename(dirname(file)) || null : name;
}
