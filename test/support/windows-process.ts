/** One program on Windows, watched from the tests. Wine's node.exe cannot write into a pipe of Linux, so its output goes to a file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { WatchedFile } from './watched-file.ts';
import { exitOf } from './wine-cache.ts';

/** How a program ended. */
export interface Outcome {
  /** All 32 bits of it, where the program is a script that ended by itself. */
  readonly code: number | null;
  /** Both streams. */
  readonly stdout: string;
}

export class WindowsProcess {
  readonly #child: ChildProcess;
  readonly #output: WatchedFile;
  #running = true;

  /** Resolves when it has ended, however. */
  readonly ended: Promise<Outcome>;

  constructor(
    base: string,
    file: string,
    args: readonly string[],
    options: { cwd: string; env: NodeJS.ProcessEnv },
  ) {
    this.#output = new WatchedFile(`${base}.out`);
    const out = openSync(this.#output.path, 'a');
    this.#child = spawn(file, args, { ...options, stdio: ['ignore', out, out] });
    closeSync(out);
    this.ended = exitOf(this.#child)
      .catch(() => null)
      .then((status) => {
        const exact = `${base}.code`;
        const code = existsSync(exact) ? Number(readFileSync(exact, 'utf8')) : status;
        this.#running = false;
        this.#output.close(`It ended with ${code}`);
        return { code, stdout: this.output };
      });
  }

  /** What it has printed so far. */
  get output(): string {
    return this.#output.text;
  }

  /** The first match in what it has printed or prints from now on. Rejects, showing the output, when it ends without. */
  waitForLine(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#output.waitFor(pattern);
  }

  /** Ends it at once, without a word to it. */
  kill(): void {
    if (this.#running) this.#child.kill('SIGKILL');
  }
}
