/** One worker, as its supervisor sees it. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { ReactorTime, SharedListener } from '../../../reactor/index.ts';
import type { ProcessMetrics } from '../../admin/prometheus.ts';
import { Lines } from '../../lines.ts';
import { type FromWorker, isMessage, type ToWorker, WORKER_VARIABLE } from './messages.ts';

/** What a worker tells. */
export interface WorkerListener {
  bound(address: string, socket: SharedListener): void;
  started(worker: WorkerProcess): void;
  /** It has ended; `text` says why it has not started, if it has said so. */
  ended(worker: WorkerProcess, how: string, text: string): void;
}

/** How workers are started. */
export interface WorkerCommand {
  /** twistd's arguments. */
  readonly argv: readonly string[];
  /** The directory that they were given in. */
  readonly directory: string;
  /** Where what a worker writes goes, line by line; null for this process's own streams. */
  readonly log: ((lines: string) => void) | null;
  readonly clock: ReactorTime;
  /** How a process is started; default: as node does. */
  readonly spawn?: typeof spawn | undefined;
}

/** Seconds that what a worker has started may keep its streams open after its end. */
const LAST_WORDS = 1;

export class WorkerProcess {
  readonly number: number;
  /** Whether it has started. */
  started = false;
  /** Whether it has been told to stop. */
  stopping = false;
  /** Where it listens. */
  readonly addresses = new Set<string>();
  readonly #child: ChildProcess;
  readonly #clock: ReactorTime;
  #failure = '';
  #questions = 0;
  readonly #answers = new Map<number, (metrics: ProcessMetrics | null) => void>();

  /** Starts it, with all sockets that there are. */
  constructor(
    number: number,
    { argv, directory, log, clock, spawn: make = spawn }: WorkerCommand,
    sockets: ReadonlyMap<string, readonly SharedListener[]>,
    listener: WorkerListener,
  ) {
    this.number = number;
    this.#clock = clock;
    const out = log === null ? 'inherit' : 'pipe';
    const child = make(process.execPath, [...process.execArgv, process.argv[1] ?? '', ...argv], {
      cwd: directory,
      stdio: ['ignore', out, out, 'ipc'],
      // What a terminal sends to all it has started is for the supervisor, which passes it on.
      detached: process.platform !== 'win32',
      env: { ...process.env, [WORKER_VARIABLE]: String(number) },
    });
    this.#child = child;
    if (log !== null) {
      for (const stream of [child.stdout, child.stderr]) {
        if (stream !== null) byLines(stream.setEncoding('utf8'), log);
      }
    }
    child.on('message', (message, socket) => {
      if (!isMessage(message)) return;
      const said = message as FromWorker; // nobody else says such things
      if (said.strand === 'bound' && typeof socket === 'object' && socket !== null) {
        this.addresses.add(said.address);
        listener.bound(said.address, socket);
      } else if (said.strand === 'taken') {
        this.addresses.add(said.address);
      } else if (said.strand === 'failed') {
        this.#failure = said.text;
      } else if (said.strand === 'report') {
        this.#answers.get(said.question)?.(said.metrics);
      } else if (said.strand === 'started' && !this.started) {
        this.started = true;
        listener.started(this);
      }
    });
    let over = false;
    const ended = (how: string): void => {
      if (over) return;
      over = true;
      for (const answer of this.#answers.values()) answer(null);
      listener.ended(this, how, this.#failure);
    };
    // Also that it could not be signalled, by which it has not ended.
    child.on('error', (error) => void (child.pid === undefined && ended(error.message)));
    child.once('exit', (code, signal) => {
      const how = signal ?? `code ${code}`;
      const late = clock.callLater(LAST_WORDS, () => ended(how));
      // Not before all that it has said was heard.
      child.once('close', () => {
        if (late.active()) late.cancel();
        ended(how);
      });
    });
    for (const [address, all] of sockets) {
      for (const socket of all) this.#send({ strand: 'socket', address }, socket);
    }
    this.#send({ strand: 'start' });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** How it stands; null when it does not say within `timeout` seconds. */
  report(timeout: number): Promise<ProcessMetrics | null> {
    const question = ++this.#questions;
    return new Promise((resolve) => {
      const late = this.#clock.callLater(timeout, () => answered(null));
      const answered = (metrics: ProcessMetrics | null): void => {
        if (!this.#answers.delete(question)) return;
        if (late.active()) late.cancel();
        resolve(metrics);
      };
      this.#answers.set(question, answered);
      this.#send({ strand: 'report', question });
    });
  }

  /** Has it close what it was given of an address. */
  drop(address: string): void {
    this.#send({ strand: 'drop', address });
  }

  stop(): void {
    this.stopping = true;
    this.#child.kill('SIGTERM');
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #send(message: ToWorker, socket?: SharedListener): void {
    if (!this.#child.connected) return;
    // What is sent was received from a worker, by the same means.
    this.#child.send(message, socket as Parameters<ChildProcess['send']>[1], () => {
      // One that cannot be reached has ended, which is told elsewhere.
    });
  }
}

function byLines(stream: NodeJS.ReadableStream, log: (lines: string) => void): void {
  const lines = new Lines((line) => log(`${line}\n`));
  stream.on('data', (text: string) => lines.add(text));
  stream.on('end', () => lines.end());
}
