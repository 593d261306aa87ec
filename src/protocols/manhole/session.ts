/** One session: a prompt in a terminal, and what is evaluated at it (Twisted: `twisted.conch.manhole.Manhole`). */
import {
  Deferred,
  type DeferredClock,
  type DeferredTimer,
  Failure,
  getDefaultClock,
} from '../../deferred/index.ts';
import { type Address, logEvent, type PushProducer, type Transport } from '../../reactor/index.ts';
import { checkLimits, checkTimes } from '../option-checks.ts';
import { connectionDone } from '../protocol.ts';
import type { ITerminalProtocol } from '../telnet/index.ts';
import { Interpreter, type InterpreterOptions } from './interpreter.ts';
import { KeyParser } from './keys.ts';
import { type EditorHost, type EditorOptions, LineEditor } from './line-editor.ts';
import { sessionConsole, showError, showValue } from './show.ts';

/** Options of a session. */
export interface ManholeOptions extends InterpreterOptions, EditorOptions {
  /** Seconds after which a session that types nothing is closed; null: never. Default 600. */
  idleTimeout?: number | null;
  /** Characters of code, of all lines that belong together. Default 65,536. */
  maxCodeLength?: number;
  /** Whether what is evaluated is logged, as info. Default true. */
  logCommands?: boolean;
  /** What is said first. Default: that ^D ends it. */
  banner?: string;
  /** Whose seconds these are. Default: the reactor's. */
  clock?: DeferredClock;
}

const PROMPT = '> ';
const MORE = '... ';
/** Terminals that do not know colours; and "network" is what has no type. */
const PLAIN = /^(?:dumb|unknown|network|vt\d+.*)$/i;
/** Bytes that may be typed ahead while something is awaited. */
const MAX_AHEAD = 65_536;
/** Characters of code in a log line. */
const MAX_LOGGED = 1000;
const INTERRUPT = 3;

/**
 * Reads code, evaluates it, and shows what comes of it: at once, or when it arrives, for Deferreds and promises. `await` waits for it, and ^C stops the waiting. `_` is the last result.
 */
export class Manhole implements ITerminalProtocol, EditorHost, PushProducer {
  readonly #options: ManholeOptions;
  readonly #user: string;
  readonly #editor: LineEditor;
  readonly #keys: KeyParser;
  readonly #interpreter: Interpreter;
  #transport: Transport | undefined;
  #colors = false;
  /** Lines that belong together and are not complete. */
  #lines: string[] = [];
  /** Characters of these. */
  #length = 0;
  #evaluating = false;
  /** Set while something is awaited: what comes of that is of interest only as long as it is the same. */
  #awaiting: object | undefined;
  #ahead: Buffer[] = [];
  #aheadBytes = 0;
  /** Numbers what is shown later. */
  #counter = 0;
  #lastActive = 0;
  #idle: DeferredTimer | undefined;
  /** Whether the peer does not read, and what was not shown to it for that. */
  #choked = false;
  #dropped = 0;
  #closed = false;

  /** @param user whose session it is, for log lines @throws {RangeError} for options that make no sense */
  constructor(user: string, options: ManholeOptions = {}) {
    checkTimes(options, ['idleTimeout', 'evalTimeout']);
    checkLimits(options, ['maxCodeLength', 'maxLineLength', 'historySize']);
    this.#user = user;
    this.#options = options;
    this.#editor = new LineEditor(this, options);
    // What is typed behind the end of the session is nothing any more, even if it came with it.
    this.#keys = new KeyParser({
      text: (character) => {
        if (!this.#closed) this.#editor.text(character);
      },
      key: (name) => {
        if (!this.#closed) this.#editor.key(name);
      },
    });
    const console = sessionConsole(
      (text) => this.#say(text),
      () => ({ colors: this.#colors, columns: this.#editor.columns }),
    );
    this.#interpreter = new Interpreter(console, options);
  }

  get #clock(): DeferredClock {
    return this.#options.clock ?? getDefaultClock();
  }

  logPrefix(): string {
    return 'Manhole';
  }

  // ----------------------------------------------------------------------------------- connection

  makeConnection(transport: Transport): void {
    this.#transport = transport;
    this.#log('info', 'session begins');
    transport.registerProducer(this, true);
    this.#lastActive = this.#clock.seconds();
    this.#watchIdle();
    this.show(`${this.#options.banner ?? 'Manhole: ^D ends it.'}\n`);
    this.#prompt(PROMPT);
  }

  connectionLost(_reason: Failure = connectionDone): void {
    if (this.#idle?.active() === true) this.#idle.cancel();
    this.logout();
    if (this.#transport !== undefined) this.#log('info', 'session ends');
    this.#transport = undefined;
    this.#awaiting = undefined;
  }

  /** Takes back what the session put into the application's scope. Nothing can be evaluated any more. */
  logout(): void {
    this.#interpreter.close();
  }

  dataReceived(data: Buffer): void {
    this.#lastActive = this.#clock.seconds();
    this.#type(data);
  }

  /** Types line by line, because a line may have something awaited. */
  #type(data: Buffer): void {
    let rest = data;
    while (rest.length > 0 && this.#transport !== undefined && !this.#transport.disconnecting) {
      if (this.#awaiting !== undefined) {
        const at = rest.lastIndexOf(INTERRUPT);
        if (at < 0) {
          this.#typeAhead(rest);
          return;
        }
        this.#stopAwaiting();
        rest = rest.subarray(at + 1);
        continue;
      }
      let end = 0;
      while (end < rest.length && rest[end] !== 10 && rest[end] !== 13) end += 1;
      this.#keys.receive(rest.subarray(0, end + 1));
      rest = rest.subarray(end + 1);
    }
  }

  #typeAhead(data: Buffer): void {
    if (this.#aheadBytes + data.length > MAX_AHEAD) return;
    this.#ahead.push(data);
    this.#aheadBytes += data.length;
  }

  #close(): void {
    const transport = this.#transport;
    if (transport === undefined || transport.disconnecting) return;
    this.#closed = true;
    // With a producer the connection would wait for it.
    transport.unregisterProducer();
    transport.loseConnection();
  }

  /** One timer, which looks whether it is time whenever it might be. */
  #watchIdle(): void {
    const { idleTimeout = 600 } = this.#options;
    if (idleTimeout === null) return;
    const left = this.#lastActive + idleTimeout - this.#clock.seconds();
    if (left > 0) {
      this.#idle = this.#clock.callLater(left, () => this.#watchIdle());
      return;
    }
    this.#log('info', `session was idle for ${idleTimeout} s`);
    this.show('\nIdle for too long\n');
    this.#close();
  }

  // -------------------------------------------------------------------------------------- terminal

  terminalSize(width: number, _height: number): void {
    if (width > 0) this.#editor.columns = width;
  }

  terminalType(name: string): void {
    this.#colors = !PLAIN.test(name);
  }

  terminalEcho(echo: boolean): void {
    if (this.#editor.echo === echo) return;
    this.#editor.echo = echo;
    if (echo && this.#awaiting === undefined) this.#editor.redraw();
  }

  pauseProducing(): void {
    this.#choked = true;
  }

  resumeProducing(): void {
    this.#choked = false;
    if (this.#dropped === 0) return;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#say(`[${dropped} pieces of output were dropped: you do not read fast enough]`);
  }

  stopProducing(): void {}

  show(text: string): void {
    if (this.#choked) this.#dropped += 1;
    else this.#transport?.write(text);
  }

  /** Shows lines, and then whatever is being typed again. */
  #say(text: string): void {
    if (this.#transport === undefined) return;
    if (this.#evaluating || this.#awaiting !== undefined) {
      this.show(`${text}\n`);
      return;
    }
    this.#editor.hide();
    this.show(`${text}\n`);
    this.#editor.redraw();
  }

  #prompt(prompt: string): void {
    this.#editor.prompt = prompt;
    this.#editor.begin();
  }

  // ---------------------------------------------------------------------------------------- lines

  interrupt(): void {
    this.#lines = [];
    this.#length = 0;
    this.show('^C\n');
    this.#prompt(PROMPT);
  }

  endOfFile(): void {
    this.show('\n');
    this.#close();
  }

  line(text: string | null): void {
    const { maxCodeLength = 65_536 } = this.#options;
    if (text === null || this.#length + text.length > maxCodeLength) {
      this.#lines = [];
      this.#length = 0;
      this.show('Too long: nothing was evaluated\n');
      this.#prompt(PROMPT);
      return;
    }
    this.#editor.remember(text);
    this.#lines.push(text);
    this.#length += text.length + 1;
    const code = this.#lines.join('\n');
    if (code.trim() === '') this.#done();
    else this.#evaluate(code);
  }

  #evaluate(code: string): void {
    this.#evaluating = true;
    const evaluation = this.#interpreter.evaluate(code);
    this.#evaluating = false;
    if (evaluation.kind === 'incomplete') {
      this.#prompt(MORE);
      return;
    }
    if (this.#options.logCommands ?? true) this.#logCommand(code);
    if (evaluation.kind === 'error') {
      this.show(`${showError(evaluation.error, this.#look)}\n`);
      this.#done();
    } else if (evaluation.awaited)
      this.#await(evaluation.value as Promise<unknown>); // that of an async function
    else {
      this.#trying(() => this.#result(evaluation.value));
      this.#done();
    }
  }

  /** Whatever is evaluated may fail once more when it is looked at. */
  #trying(look: () => void): void {
    try {
      look();
    } catch (error) {
      this.show(`${showError(error, this.#look)}\n`);
    }
  }

  #done(): void {
    this.#lines = [];
    this.#length = 0;
    this.#prompt(PROMPT);
  }

  get #look(): { colors: boolean; columns: number } {
    return { colors: this.#colors, columns: this.#editor.columns };
  }

  // -------------------------------------------------------------------------------------- results

  /** Shows a result; one that is not there yet is shown when it is. */
  #result(value: unknown): void {
    this.#interpreter.last = value;
    const kind = value instanceof Deferred ? 'Deferred' : isPromise(value) ? 'Promise' : null;
    if (kind === null) {
      if (value !== undefined) this.show(`${showValue(value, this.#look)}\n`);
      return;
    }
    this.#counter += 1;
    const name = `${kind} #${this.#counter}`;
    let here = true;
    let arrived = false;
    const tell = (text: string): void => {
      arrived = true;
      if (here) this.show(`${text}\n`);
      else this.#say(text);
    };
    const succeeded = (result: unknown): void => tell(`${name}: ${showValue(result, this.#look)}`);
    const failed = (error: unknown): void =>
      tell(`${name} failed: ${showError(error, this.#look)}`);
    if (value instanceof Deferred) {
      // What comes of it goes on to whatever the application does with it.
      value.addBoth((result: unknown) => {
        if (result instanceof Failure) failed(result.value);
        else succeeded(result);
        return result;
      });
    } else if (isPromise(value)) value.then(succeeded, failed);
    here = false;
    if (!arrived) this.show(`${name}\n`);
  }

  #await(promise: Promise<unknown>): void {
    const token = {};
    this.#awaiting = token;
    const arrived = (what: () => void): void => {
      if (this.#awaiting !== token) return;
      this.#trying(what);
      this.#awaiting = undefined;
      this.#done();
      this.#typeWhatIsAhead();
    };
    promise.then(
      (value) =>
        arrived(() => {
          this.#interpreter.last = value;
          if (value !== undefined) this.show(`${showValue(value, this.#look)}\n`);
        }),
      (error: unknown) => arrived(() => this.show(`${showError(error, this.#look)}\n`)),
    );
  }

  #stopAwaiting(): void {
    this.#awaiting = undefined;
    this.#ahead = [];
    this.#aheadBytes = 0;
    this.interrupt();
  }

  #typeWhatIsAhead(): void {
    const ahead = Buffer.concat(this.#ahead);
    this.#ahead = [];
    this.#aheadBytes = 0;
    this.#type(ahead);
  }

  // ------------------------------------------------------------------------------------------ log

  #logCommand(code: string): void {
    const shown = code.length > MAX_LOGGED ? `${code.slice(0, MAX_LOGGED)}...` : code;
    this.#log('info', `evaluates ${JSON.stringify(shown)}`);
  }

  #log(level: 'info' | 'warn', what: string): void {
    const from = this.#transport === undefined ? '' : ` from ${place(this.#transport.getPeer())}`;
    const message = `${JSON.stringify(this.#user)}${from}: ${what}`;
    logEvent({ level, system: this.logPrefix(), message });
  }
}

/** An address as it is in log lines. */
export function place(address: Address): string {
  if ('host' in address && 'port' in address) return `${address.host}:${address.port}`;
  return String(address);
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof value.then === 'function'
  );
}
