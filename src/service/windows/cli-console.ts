/** What a command says: lines for people, or one JSON object for programs. */
import { ServiceError } from '../errors.ts';
import type { Streams } from '../twistd/main.ts';
import { WindowsError } from './errors.ts';
import { describeExit } from './exit-codes.ts';
import { UnexpectedServiceState } from './service-wait.ts';

/** Windows' numbers for what is no refusal of its own: a file that is missing, a library that is. */
const FILE_NOT_FOUND = 2;
const MODULE_NOT_FOUND = 126;
const ACCESS_DENIED = 5;
const GENERAL_FAILURE = 31;
const SYSTEM_CODES: Readonly<Record<string, number>> = {
  ENOENT: FILE_NOT_FOUND,
  EACCES: ACCESS_DENIED,
  EPERM: ACCESS_DENIED,
};

/** What to do about a refusal, where that is known. */
const ADVICE: ReadonlyMap<number, string> = new Map([
  [5, 'Run this in a terminal that was opened with "Run as administrator".'],
  [1051, 'With --force they are stopped first.'],
  [1053, 'Its log may say why. The command doctor looks for the usual reasons.'],
  [1057, 'Spell the account DOMAIN\\user, or .\\user for one of this machine.'],
  [1058, 'Enable it: update --startup manual.'],
  [1060, 'The command install registers it.'],
  [1067, 'Its log may say why. The command doctor looks for the usual reasons.'],
  [1069, 'Set account and password anew, which also grants the right: update --username ...'],
  [1072, 'Close the Services window, Task Manager and whatever else has it open, and try again.'],
]);

export class CommandConsole {
  readonly #streams: Streams;
  readonly #json: boolean;
  readonly #fields: Record<string, unknown>;
  readonly #warnings: string[] = [];

  constructor(streams: Streams, json: boolean, fields: Record<string, unknown>) {
    this.#streams = streams;
    this.#json = json;
    this.#fields = fields;
  }

  /** A line for people. */
  say(line: string): void {
    if (!this.#json) this.#streams.out(`${line}\n`);
  }

  /** Something that people should know, and that does not stop the command. */
  warn(line: string): void {
    this.#warnings.push(line);
    if (!this.#json) this.#streams.err(`Warning: ${line}\n`);
  }

  /** A field of the JSON object. */
  tell(fields: Readonly<Record<string, unknown>>): void {
    Object.assign(this.#fields, fields);
  }

  /** Lines that go with a failure. */
  complain(lines: readonly string[]): void {
    if (!this.#json) this.#streams.err(lines.map((line) => `${line}\n`).join(''));
  }

  /** The command has failed. Gives its exit code. */
  fail(doing: string, error: unknown): number {
    const { code, text } = explain(error);
    this.tell({ ok: false, code, error: text });
    this.complain([`Error ${doing}: ${text} (${code})`]);
    const advice = ADVICE.get(code);
    if (advice !== undefined) this.complain([advice]);
    return code;
  }

  /** Prints the object, if that is asked for. */
  end(code: number): number {
    if (!this.#json) return code;
    const warnings = this.#warnings.length === 0 ? {} : { warnings: this.#warnings };
    const object = { ok: code === 0, code, ...this.#fields, ...warnings };
    this.#streams.out(`${JSON.stringify(object)}\n`);
    return code;
  }
}

/** What went wrong, in a number of Windows and in words. Errors that are nobody's fault but ours are thrown on. */
function explain(error: unknown): { readonly code: number; readonly text: string } {
  if (error instanceof UnexpectedServiceState) {
    const { winerror, status } = error;
    const text =
      status.state === 'stopped' ? `It stopped: ${describeExit(status)}` : `It is ${status.state}`;
    return { code: winerror, text };
  }
  if (error instanceof WindowsError) return { code: error.winerror, text: error.strerror };
  if (error instanceof ServiceError) {
    const code =
      error.code === 'ERR_LOAD'
        ? FILE_NOT_FOUND
        : error.code === 'ERR_NATIVE_CALLS_UNAVAILABLE'
          ? MODULE_NOT_FOUND
          : GENERAL_FAILURE;
    return { code, text: error.message };
  }
  if (error instanceof Error && 'syscall' in error && 'code' in error) {
    return { code: SYSTEM_CODES[String(error.code)] ?? GENERAL_FAILURE, text: error.message };
  }
  throw error;
}
