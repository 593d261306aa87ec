/** What the real database servers that tests start have in common: a temporary folder, a user who may run them, and an end in any case. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** A folder for a server, that this user owns if we are root. Short, since UNIX sockets are in it. */
export function serverFolder(prefix: string, user: string): string {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  if (process.getuid?.() === 0) execFileSync('chown', [`${user}:`, folder]);
  return folder;
}

/** A command as that user, if we are root; these servers refuse to run as root. */
export function as(user: string, command: string, args: readonly string[]): [string, string[]] {
  if (process.getuid?.() !== 0) return [command, [...args]];
  const run = ['--reuid', user, '--regid', user, '--init-groups', command, ...args];
  return ['setpriv', run];
}

/** The first of the places where a program is; its name alone if it is nowhere, so that starting it says what is missing. */
export function findProgram(name: string, folders: readonly string[]): string {
  for (const folder of folders) {
    const path = join(folder, name);
    if (existsSync(path)) return path;
  }
  return name;
}

/**
 * Skips the tests that need a server whose program is not installed; where everything has to be there, that is a failure.
 * @param program its path, as `findProgram` gave it
 */
export function needs(context: Mocha.Context, program: string): void {
  if (isAbsolute(program)) return;
  if (process.env['CI'] === 'true') throw new Error(`Install the package that has ${program}`);
  context.skip();
}

/** Debian's folders of PostgreSQL, the newest first. */
export function postgresFolders(): string[] {
  const base = '/usr/lib/postgresql';
  if (!existsSync(base)) return [];
  const versions = readdirSync(base).sort((a, b) => Number(b) - Number(a));
  return versions.map((version) => join(base, version, 'bin'));
}

/** A process that says on its standard error when it is ready. */
export class ServerProcess {
  readonly child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #forget: () => void;
  #said = '';

  constructor(command: string, args: readonly string[]) {
    this.child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: '/' });
    this.#exited = once(this.child, 'exit').catch(() => {});
    const kill = (): void => {
      this.child.kill('SIGQUIT');
    };
    process.once('exit', kill);
    this.#forget = () => process.off('exit', kill);
    this.#exited.then(this.#forget);
  }

  /** @param ready what it says then */
  async whenReady(ready: RegExp): Promise<void> {
    const { stderr } = this.child;
    await new Promise<void>((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('exit', (code) =>
        reject(new Error(`Server ended with ${code} before it was ready: ${this.#said}`)),
      );
      stderr?.setEncoding('utf8').on('data', (text: string) => {
        this.#said = (this.#said + text).slice(-20_000);
        if (ready.test(this.#said)) resolve();
      });
    });
  }

  /** Ends it and waits until it is gone. */
  async end(signal: NodeJS.Signals): Promise<void> {
    this.child.kill(signal);
    await this.#exited;
  }
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
