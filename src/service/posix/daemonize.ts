/**
 * Going into the background. Node cannot fork, so the daemon is the same command line once more, in a session of its own and without a terminal. It tells through a pipe whether the
 * application has started; until then the first process waits, so that whoever called it learns of a failure and of its reason.
 */
import { spawn } from 'node:child_process';
import { closeSync, writeSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { StartError } from '../errors.ts';

/** The variable that tells a process that it is the daemon, and which descriptor the pipe is. */
const VARIABLE = 'STRAND_DAEMON_STATUS';
const DESCRIPTOR = 3;
/** What a reason may take in the pipe, in characters: longer ones are cut. */
const LONGEST = 64 * 1024;

/** How a daemon's start ended. */
export interface DaemonStatus {
  /** The exit code for whoever started it. */
  readonly code: number;
  /** For standard error; empty when it runs. */
  readonly text: string;
  /** The daemon's process. */
  readonly pid: number | undefined;
}

/** The daemon's end of the pipe. */
export interface StatusReporter {
  /** Says once how the start ended; later calls do nothing. */
  report(code: number, text: string): void;
}

/**
 * Starts the daemon, and waits until it has said how its start ended.
 * @param argv twistd's arguments
 * @throws {StartError} through the promise, when there can be no process
 */
export async function startDaemon(argv: readonly string[]): Promise<DaemonStatus> {
  const script = process.argv[1];
  if (script === undefined)
    throw new StartError('Cannot start a daemon: there is no program to run');
  const child = spawn(process.execPath, [...process.execArgv, script, ...argv], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    env: { ...process.env, [VARIABLE]: String(DESCRIPTOR) },
  });
  const pipe = child.stdio[DESCRIPTOR];
  const decoder = new StringDecoder('utf8');
  let said = '';
  pipe?.on('data', (data: Buffer) => {
    if (said.length < LONGEST) said += decoder.write(data);
  });
  const end = await new Promise<string>((resolve, reject) => {
    child.once('error', (cause) => {
      reject(new StartError(`Cannot start a daemon: ${cause.message}`, { cause }));
    });
    // The pipe ends when the daemon has spoken, and closes it; and when it ends without a word, of which the exit tells how.
    pipe?.once('close', () => {
      if (said !== '') resolve('');
    });
    child.once('close', (code, signal) => resolve(signal ?? `code ${code}`));
  });
  child.unref();
  const { pid } = child;
  const match = /^(\d+)\n([\s\S]*)$/.exec(said);
  if (match !== null) return { code: Number(match[1]), text: match[2] ?? '', pid };
  return { code: 1, text: `twistd: The daemon ended before it had started, with ${end}\n`, pid };
}

/** The reporter of a process that is a daemon; null for any other. What it starts is none, so it is told once. */
export function statusReporter(): StatusReporter | null {
  const descriptor = Number(process.env[VARIABLE] ?? Number.NaN);
  delete process.env[VARIABLE];
  if (!Number.isInteger(descriptor) || descriptor < 3) return null;
  let open = true;
  return {
    report: (code, text) => {
      if (!open) return;
      open = false;
      try {
        writeSync(descriptor, `${code}\n${text.slice(0, LONGEST)}`);
      } catch {
        // Whoever started it has not waited.
      }
      closeSync(descriptor);
    },
  };
}
