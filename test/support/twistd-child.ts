/** Drives twistd as a child process: waits for what it prints, never for time to pass. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The root of the repository. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A path below test/fixtures. */
export function fixture(path: string): string {
  return fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
}

/** How a child ended. */
export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to start a child. */
export interface ChildOptions {
  /** Default: the repository. */
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Arguments for node itself. Default: `--import tsx`. */
  nodeArguments?: readonly string[];
  /** The program. Default: the repository's twistd.ts. */
  program?: string;
}

interface Waiter {
  readonly pattern: RegExp;
  readonly resolve: (match: RegExpExecArray) => void;
  readonly reject: (error: Error) => void;
}

const TSX = import.meta.resolve('tsx');

/** One running twistd. */
export class TwistdChild {
  readonly #process: ChildProcess;
  readonly ended: Promise<Outcome>;
  #stdout = '';
  #stderr = '';
  #waiters: Waiter[] = [];
  #outcome: Outcome | null = null;

  constructor(args: readonly string[], options: ChildOptions = {}) {
    this.#process = spawn(
      process.execPath,
      [
        ...(options.nodeArguments ?? ['--import', TSX]),
        options.program ?? `${ROOT}twistd.ts`,
        ...args,
      ],
      {
        cwd: options.cwd ?? ROOT,
        env: { ...process.env, ...options.env },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#look();
    });
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#look();
    });
    this.ended = new Promise((resolve, reject) => {
      this.#process.on('error', reject);
      this.#process.on('close', (code, signal) => {
        this.#outcome = { code, signal, stdout: this.#stdout, stderr: this.#stderr };
        resolve(this.#outcome);
        this.#look();
      });
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** What it has printed so far, both streams. */
  get output(): string {
    return this.#stdout + this.#stderr;
  }

  /** The first match of `pattern` in what it has printed or prints from now on. Rejects, showing the output, when it ends without. */
  waitForLine(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ pattern, resolve, reject });
      this.#look();
    });
  }

  /** The port that the first listener is on, as the log says. */
  async port(): Promise<number> {
    const match = await this.waitForLine(/listening on .*?(\d+)$/im);
    return Number(match[1]);
  }

  /** Sends a signal, waits for the end. */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Outcome> {
    this.signal(signal);
    return this.ended;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#outcome === null) this.#process.kill(signal);
  }

  /** Closes our end of its standard output: what it writes from here on fails. */
  closeOutput(): void {
    this.#process.stdout?.destroy();
  }

  #look(): void {
    const waiting = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiting) {
      const match = waiter.pattern.exec(this.#stdout) ?? waiter.pattern.exec(this.#stderr);
      if (match !== null) waiter.resolve(match);
      else if (this.#outcome !== null) waiter.reject(new Error(this.#describe(waiter.pattern)));
      else this.#waiters.push(waiter);
    }
  }

  #describe(pattern: RegExp): string {
    const { code, signal } = this.#outcome ?? { code: null, signal: null };
    return `twistd ended (code ${code}, signal ${signal}) and never printed ${pattern}\n--- stdout\n${this.#stdout}--- stderr\n${this.#stderr}`;
  }
}

const children = new Set<TwistdChild>();

/** Starts twistd with these arguments. */
export function start(args: readonly string[], options?: ChildOptions): TwistdChild {
  const child = new TwistdChild(args, options);
  children.add(child);
  void child.ended.catch(() => {}).then(() => children.delete(child));
  return child;
}

/** Starts twistd and waits for its end: for command lines that do not run. */
export function run(args: readonly string[], options?: ChildOptions): Promise<Outcome> {
  return start(args, options).ended;
}

/** Ends every child that a test has left behind; for `afterEach`. */
export async function killChildren(): Promise<void> {
  const left = [...children];
  for (const child of left) child.signal('SIGKILL');
  await Promise.allSettled(left.map((child) => child.ended));
}
