/**
 * Sub-commands of twistd: `twistd web --port 8080`. Each is a module like any application's, with `makeService` and `Options`. Ours are in a table; other packages name theirs in their package.json:
 *
 *     "strand": { "plugins": { "mail": { "module": "./dist/mail.js", "description": "an SMTP server" } } }
 *
 * They are looked for when a name is asked for that is none of ours, and for the help: there is no cache that could be out of date (Twisted: `dropin.cache`).
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, extname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LoadError, UsageError } from '../errors.ts';
import { suggestion } from '../windows/cli-names.ts';

/** A sub-command, found and not loaded yet. */
export interface Plugin {
  readonly name: string;
  readonly description: string;
  /** Its module. */
  readonly file: string;
  /** Where it comes from: a folder with a package.json; null for our own. */
  readonly origin: string | null;
}

/** A package whose plugins cannot be used, and why. */
export interface BrokenPlugin {
  readonly origin: string;
  readonly problem: string;
}

export interface FoundPlugins {
  readonly plugins: readonly Plugin[];
  readonly broken: readonly BrokenPlugin[];
}

/** What comes with the framework: names, what each does, and where it is from here. */
const OWN: ReadonlyArray<readonly [name: string, description: string, module: string]> = [
  ['ftp', 'serve a folder over FTP', '../plugins/ftp'],
  ['inetd', 'start a program for each connection, as inetd.conf says', '../plugins/inetd'],
  ['manhole', 'open a prompt in the process, over telnet', '../plugins/manhole'],
  ['portforward', 'hand connections on to another place', '../plugins/portforward'],
  ['procmon', 'keep another program running', '../plugins/procmon'],
  ['proxy', 'hand requests on to HTTP servers', '../plugins/proxy'],
  ['socks', 'connect others to where they want', '../plugins/socks'],
  ['web', 'serve a folder over HTTP', '../plugins/web'],
];

/** Names that can be told from options, paths and words of the command line. */
const NAME = /^[a-z][a-z0-9-]{0,62}$/;

/**
 * The module of a sub-command.
 * @param from folders: packages are looked for in their node_modules and in those of the folders above, and these folders may be packages themselves
 * @throws {UsageError} if there is none of that name
 * @throws {LoadError} if there are two, or its package is broken
 */
export function findPlugin(name: string, from: readonly string[]): Plugin {
  const own = ownPlugins();
  const ours = own.find((plugin) => plugin.name === name);
  if (ours !== undefined) return ours;
  const { plugins, broken } = packagedPlugins(from);
  const [found, other] = plugins.filter((plugin) => plugin.name === name);
  if (found !== undefined && other !== undefined) {
    throw new LoadError(
      `Cannot tell which ${JSON.stringify(name)} is meant: ${found.origin} and ${other.origin} both have one`,
    );
  }
  if (found !== undefined) {
    if (isFile(found.file)) return found;
    throw new LoadError(
      `Cannot load ${JSON.stringify(name)} of ${found.origin}: there is no file ${found.file}`,
    );
  }
  const [problem] = broken.filter((entry) => entry.problem.includes(JSON.stringify(name)));
  if (problem !== undefined) throw new LoadError(`${problem.problem}, in ${problem.origin}`);
  const meant = suggestion(
    name,
    [...own, ...plugins].map((plugin) => plugin.name),
  );
  throw new UsageError(
    `Unknown command ${JSON.stringify(name)}${meant}: name an application with --service NAME|PATH or -y FILE, or give one of the commands in --help`,
  );
}

/** Every sub-command there is, ours first. */
export function listPlugins(from: readonly string[]): FoundPlugins {
  const { plugins, broken } = packagedPlugins(from);
  return { plugins: [...ownPlugins(), ...plugins], broken };
}

function ownPlugins(): Plugin[] {
  // Beside this file there are sources or what was built of them.
  const extension = extname(fileURLToPath(import.meta.url));
  return OWN.map(([name, description, module]) => ({
    name,
    description,
    file: fileURLToPath(new URL(module + extension, import.meta.url)),
    origin: null,
  }));
}

function packagedPlugins(from: readonly string[]): FoundPlugins {
  const plugins: Plugin[] = [];
  const broken: BrokenPlugin[] = [];
  const seen = new Set<string>();
  for (const home of from.flatMap(packagesAround)) {
    if (seen.has(home)) continue;
    seen.add(home);
    const declared = declaredIn(home);
    if (declared === null) continue;
    if (typeof declared === 'string') broken.push({ origin: home, problem: declared });
    else {
      for (const entry of Object.entries(declared)) {
        const plugin = pluginOf(home, ...entry);
        if (typeof plugin === 'string') broken.push({ origin: home, problem: plugin });
        else if (!plugins.some((other) => isSamePackage(other, plugin))) plugins.push(plugin);
      }
    }
  }
  return { plugins, broken };
}

/** A package that is there twice, in node_modules further up as well: the nearest is meant. */
function isSamePackage(a: Plugin, b: Plugin): boolean {
  const nameIn = ({ origin }: Plugin): string | undefined =>
    origin?.split(/[\\/]node_modules[\\/]/).at(-1);
  return (
    a.name === b.name && /[\\/]node_modules[\\/]/.test(a.origin ?? '') && nameIn(a) === nameIn(b)
  );
}

/** The folders with a package.json that can be imported from a folder, nearest first: the one it is in, and what is in node_modules. */
function packagesAround(folder: string): string[] {
  const found: string[] = [];
  for (let above = resolve(folder); ; above = dirname(above)) {
    found.push(above);
    const modules = join(above, 'node_modules');
    for (const name of foldersIn(modules)) {
      if (name.startsWith('@')) {
        found.push(...foldersIn(join(modules, name)).map((inner) => join(modules, name, inner)));
      } else found.push(join(modules, name));
    }
    if (above === dirname(above)) return found;
  }
}

function foldersIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith('.'))
      .sort();
  } catch {
    return []; // It is not there, or is not ours to read.
  }
}

/** What a package says of plugins: nothing (null), what is wrong with it (text), or a table. */
function declaredIn(home: string): Record<string, unknown> | string | null {
  let text: string;
  try {
    text = readFileSync(join(home, 'package.json'), 'utf8');
  } catch {
    return null;
  }
  if (!text.includes('"strand"')) return null;
  let description: unknown;
  try {
    description = JSON.parse(text);
  } catch (error) {
    return `Bad package.json: ${error instanceof Error ? error.message : String(error)}`;
  }
  const strand = fieldOf(description, 'strand');
  const declared = fieldOf(strand, 'plugins');
  if (declared === undefined) return null;
  if (typeof declared === 'object' && declared !== null && !Array.isArray(declared)) {
    return { ...declared };
  }
  return 'Bad package.json: expected "strand": { "plugins": { NAME: { "module": PATH } } }';
}

function pluginOf(home: string, name: string, declared: unknown): Plugin | string {
  const what = `Bad plugin ${JSON.stringify(name)}`;
  if (!NAME.test(name)) return `${what}: expected a name of small letters, digits and hyphens`;
  const module = typeof declared === 'string' ? declared : fieldOf(declared, 'module');
  if (typeof module !== 'string' || module === '') return `${what}: expected a "module"`;
  const file = resolve(home, module);
  const inside = relative(home, file);
  if (inside === '' || inside.startsWith('..') || resolve(inside) === inside) {
    return `${what}: its module ${JSON.stringify(module)} is not in the package`;
  }
  const description = fieldOf(declared, 'description');
  return {
    name,
    description: typeof description === 'string' ? description : '',
    file,
    origin: home,
  };
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
