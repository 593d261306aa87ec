/**
 * A Windows to run programs in: Wine with a prefix of this test run's own, or, where the tests run on Windows, that.
 *
 *     describe('on Windows', () => {
 *       const windows = wine();
 *       before(windows.prepare);
 *       it('...', async () => {
 *         const { code, stdout } = await windows.run('test/fixtures/windows/program.ts', ['one']);
 *         const agent = await windows.agent();
 *         const answer = await agent.call('test/fixtures/windows/calls.ts', 'createMutex', 'name');
 *
 * Without Wine the tests are skipped, and say what to install; with CI=true they fail. All is ended and removed after the last test.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Context } from 'mocha';
import { WatchedFile } from './watched-file.ts';
import { WindowsAgent } from './windows-agent.ts';
import { WindowsProcess } from './windows-process.ts';
import { bundled, removeBundles } from './wine-bundle.ts';
import {
  endPrefix,
  exitOf,
  makePrefix,
  nodeExe,
  windowsPath,
  wineEnvironment,
  wineVersion,
} from './wine-cache.ts';

export type { WindowsAgent } from './windows-agent.ts';
export type { Outcome, WindowsProcess } from './windows-process.ts';

const NATIVE = process.platform === 'win32';
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const MISSING =
  'Wine is missing: to run the tests of Windows, install it (apt-get install --no-install-recommends wine wine64)';

/** How to run a program. */
export interface RunOptions {
  /** A path of this machine. Default: the repository. */
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Arguments for node.exe itself. */
  nodeArguments?: readonly string[];
}

export class WindowsMachine {
  #prefix: string | null = null;
  #preparing: Promise<void> | null = null;
  #scratch = '';
  #sentinel: ChildProcess | null = null;
  #serial = 0;
  readonly #running = new Set<WindowsProcess>();
  readonly #watched = new Set<WatchedFile>();

  /** For `before`: gets everything ready, once for all files of a run, or skips the tests. */
  readonly prepare = async function (this: Context): Promise<void> {
    await machine.ready(this);
  };

  /** As `prepare`, when called by hand. */
  async ready(context: Context): Promise<void> {
    context.timeout(180_000);
    const version = NATIVE ? 'native' : await wineVersion();
    if (version === null) {
      if (process.env['CI'] === 'true') throw new Error(MISSING);
      if (this.#preparing === null) console.log(`      ${MISSING}`);
      this.#preparing ??= Promise.resolve();
      context.skip();
    }
    this.#preparing ??= this.#prepare(version);
    await this.#preparing;
  }

  async #prepare(version: string): Promise<void> {
    if (NATIVE) {
      this.#scratch = await mkdtemp(join(tmpdir(), 'strand-windows-'));
      return;
    }
    this.#prefix = await makePrefix(version);
    this.#scratch = join(this.#prefix, 'drive_c', 'strand');
    await mkdir(this.#scratch);
    // As long as one ordinary program runs, services.exe and its services do. This one ends with us, however we end: it reads from us.
    this.#sentinel = spawn('wine', ['cmd.exe', '/d', '/q'], {
      env: wineEnvironment(this.#prefix),
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#sentinel.on('error', () => {});
    this.#sentinel.stdin?.on('error', () => {});
    // services.exe is started by the first who asks; from now on it is there.
    await this.#program('wine', ['net', 'start'], {}).ended;
  }

  /** Whether what runs the programs is Wine, of which parts are missing. */
  get isWine(): boolean {
    return !NATIVE;
  }

  /** How Windows names a path of this machine. Relative ones start at the repository. */
  path(path: string): string {
    const whole = resolve(ROOT, path);
    return NATIVE ? whole : windowsPath(whole);
  }

  /** A folder that is removed after the last test; a path of this machine. */
  get scratch(): string {
    return this.#scratch;
  }

  /** node.exe, as Windows names it. */
  node(): string {
    return NATIVE ? process.execPath : windowsPath(nodeExe());
  }

  /** Starts a script, by its path on this machine. */
  start(script: string, args: readonly string[] = [], options: RunOptions = {}): WindowsProcess {
    const before = options.nodeArguments ?? [];
    const words = [...before, this.path(script), ...args];
    if (NATIVE) return this.#program(process.execPath, words, options);
    return this.#program('wine', [nodeExe(), ...words], options);
  }

  /** Runs a script to its end. */
  async run(script: string, args: readonly string[] = [], options: RunOptions = {}) {
    return await this.start(script, args, options).ended;
  }

  /** A file in the scratch folder to be told things through, by programs whose output goes nowhere: services. */
  file(name: string): WatchedFile {
    const file = new WatchedFile(join(this.#scratch, name));
    this.#watched.add(file);
    return file;
  }

  /** A file that does what a script does and imports nothing, so that it starts quickly; a path of this machine. */
  bundle(script: string): Promise<string> {
    return bundled(resolve(ROOT, script));
  }

  /** Runs one of Windows' own programs, such as `sc`, to its end. */
  async tool(name: string, args: readonly string[] = []) {
    const running = NATIVE
      ? this.#program(name, args, {})
      : this.#program('wine', [name, ...args], {});
    return await running.ended;
  }

  /** A program on Windows that calls functions for the tests: cheaper than a process for each, and able to hold things open. */
  agent(options: RunOptions = {}): Promise<WindowsAgent> {
    return WindowsAgent.start(
      (port) => this.start('test/support/wine-agent.ts', [String(port)], options),
      async (module) => this.path(await this.bundle(module)),
    );
  }

  #program(file: string, args: readonly string[], options: RunOptions): WindowsProcess {
    const base = join(this.#scratch, `program-${++this.#serial}`);
    const preload = this.path('test/support/wine-exit.cjs').replaceAll('\\', '/');
    const env = {
      ...options.env,
      STRAND_EXIT_FILE: NATIVE ? `${base}.code` : windowsPath(`${base}.code`),
      NODE_OPTIONS: `--require "${preload}" --no-warnings`,
    };
    const running = new WindowsProcess(base, file, args, {
      cwd: resolve(ROOT, options.cwd ?? '.'),
      env: this.#prefix === null ? { ...process.env, ...env } : wineEnvironment(this.#prefix, env),
    });
    this.#running.add(running);
    void running.ended.finally(() => this.#running.delete(running));
    return running;
  }

  /** Ends every program that a test left running, but for services. */
  async killPrograms(): Promise<void> {
    const left = [...this.#running];
    for (const running of left) running.kill();
    await Promise.allSettled(left.map((running) => running.ended));
  }

  /** Ends and removes everything. */
  async end(): Promise<void> {
    if (this.#preparing === null) return;
    await this.#preparing.catch(() => {});
    this.#preparing = null;
    await this.killPrograms();
    for (const file of this.#watched) file.close();
    this.#watched.clear();
    if (this.#sentinel !== null) {
      const ended = exitOf(this.#sentinel);
      this.#sentinel.stdin?.end();
      this.#sentinel = null;
      if (this.#prefix !== null) await endPrefix(this.#prefix);
      await ended;
    }
    await rm(this.#prefix ?? this.#scratch, { recursive: true, force: true });
    await removeBundles();
    this.#prefix = null;
  }
}

const machine = new WindowsMachine();

/** The Windows of this run. To be called while mocha reads the files, at the top of a suite. */
export function wine(): WindowsMachine {
  return machine;
}

// Mocha reads files as children of the root suite, so this is after the last test of all.
after(async function () {
  this.timeout(30_000);
  await machine.end();
});
