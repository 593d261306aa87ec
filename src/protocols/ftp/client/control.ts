import {
  CancelledError,
  Deferred,
  Failure,
  fail,
  getDefaultClock,
} from '../../../deferred/index.ts';
import {
  type DelayedCall,
  logEvent,
  type ReactorTCP,
  type ReactorTime,
} from '../../../reactor/index.ts';
import { LineOnlyReceiver } from '../../line-only-receiver.ts';
import {
  BadResponse,
  CommandFailed,
  ControlConnectionLost,
  ResponseTooLong,
  ServerStalled,
  UnexpectedResponse,
  UnsafeCommand,
} from './errors.ts';
import {
  checkOptions,
  DEFAULT_FTP_CLIENT_OPTIONS,
  type FTPClientOptions,
  type FTPClientSettings,
} from './options.ts';
import { type Reply, ReplyReader } from './replies.ts';

/** A command that was sent and is not answered yet. */
interface Exchange {
  /** As errors tell of it: no secrets. */
  readonly shown: string;
  readonly reply: Deferred<Reply>;
  /** Hears of replies 1xx. */
  readonly preliminary: ((reply: Reply) => void) | null;
}

/** Work that has the connection to itself: one command, or several that belong together. */
interface Task {
  readonly run: () => Deferred<unknown>;
  /** Fires when the work is done; nobody minds if it has been cancelled before. */
  readonly result: Deferred<unknown>;
  work: Deferred<unknown> | null;
}

/**
 * The connection that commands go over: tasks wait in a queue, and one command at a time is on its way. Nothing is known here of files.
 *
 * Twisted: `twisted.protocols.ftp.FTPClientBasic`.
 */
export class FTPClientBasic extends LineOnlyReceiver {
  override delimiter: Buffer | string = '\n';
  /** What the server said first; empty before it did. */
  greeting: readonly string[] = [];
  protected readonly settings: FTPClientSettings;
  readonly #reader: ReplyReader;
  readonly #tasks: Task[] = [];
  #task: Task | null = null;
  #exchange: Exchange | null;
  /** Sent while `#exchange` was waited for: its reply comes behind the other's. */
  #behind: Exchange | null = null;
  #timer: DelayedCall | null = null;
  #activity = 0;
  #waitsForPeer: (() => boolean) | null = null;
  #lost: Error | null = null;
  /** NOOPs whose replies are still to come. */
  #strays = 0;

  constructor(options: FTPClientOptions = {}) {
    super();
    checkOptions(options);
    const { hostname: _hostname, passive: _passive, ...given } = options;
    const reactor = getDefaultClock() as ReactorTCP & ReactorTime; // the default is a reactor
    this.settings = { ...DEFAULT_FTP_CLIENT_OPTIONS, reactor, ...given };
    this.MAX_LENGTH = this.settings.maxReply;
    this.#reader = new ReplyReader(this.settings.maxReply);
    // The greeting is the reply to being connected to.
    const reply = new Deferred<Reply>();
    this.#exchange = { shown: 'connecting', reply, preliminary: null };
    reply.addCallbacks(
      ({ lines }) => {
        this.greeting = lines;
      },
      (failure) => this.fail(failure.value),
    );
  }

  // ------------------------------------------------------------------------------------------ commands

  /**
   * Sends a command when those before it are done. Fires with the lines of the reply; fails with {@link CommandFailed} if the server says no.
   * @param isPublic false keeps what follows the command's name out of error messages (Twisted's `public`)
   */
  queueStringCommand(command: string, isPublic: boolean | number = true): Deferred<string[]> {
    return this.enqueue(() =>
      this.exchange(command, isPublic ? {} : { secret: true }).addCallback(({ lines }) => [
        ...lines,
      ]),
    );
  }

  /** Has `run` called once the connection is its own; it stays so until the Deferred that it returns fires. Cancelling the result ends the work. */
  protected enqueue<T>(run: () => Deferred<T>): Deferred<T> {
    if (this.#lost !== null) return fail(this.#lost);
    const result = new Deferred<T>(() => {
      const at = this.#tasks.indexOf(task);
      if (at >= 0) this.#tasks.splice(at, 1);
      task.work?.cancel();
    });
    // Neither is looked into where the type would matter.
    const task = { run, result, work: null } as unknown as Task;
    this.#tasks.push(task);
    this.#next();
    return result;
  }

  /** Sends a command now: for tasks. Fires with a reply 2xx or 3xx; fails with {@link CommandFailed} for others. */
  protected exchange(
    command: string,
    options: {
      readonly secret?: boolean;
      readonly preliminary?: (reply: Reply) => void;
      /** Codes to take, if not all of 2xx and 3xx. */
      readonly expect?: readonly number[];
    } = {},
  ): Deferred<Reply> {
    const { secret = false, preliminary = null, expect } = options;
    const shown = secret ? command.replace(/ .*/s, ' ...') : command;
    if (/[\r\n\0]/.test(command)) {
      return fail(
        new UnsafeCommand(`Cannot send ${JSON.stringify(shown)}: it has a line end or NUL in it`),
      );
    }
    if (this.#lost !== null) return fail(this.#lost);
    const reply = new Deferred<Reply>();
    this.#exchange = { shown, reply, preliminary };
    this.touch();
    this.transport.write(Buffer.from(`${command}\r\n`, this.settings.encoding));
    return reply.addCallback((answer) => {
      if (expect !== undefined && !expect.includes(answer.code)) {
        throw new BadResponse(
          `Cannot make sense of ${JSON.stringify(answer.lines.join(' / '))} after ${JSON.stringify(shown)}`,
        );
      }
      return answer;
    });
  }

  /**
   * Sends a command while another one is under way, whose last reply comes before this one's. For ABOR: hardly anything else is heard then (RFC 959, 4.1.3).
   * Fires with the reply, whatever it says.
   */
  protected exchangeBehind(command: string): Deferred<Reply> {
    if (this.#lost !== null) return fail(this.#lost);
    const reply = new Deferred<Reply>();
    this.#behind = { shown: command, reply, preliminary: null };
    this.touch();
    this.transport.write(`${command}\r\n`);
    return reply;
  }

  /** Whether a command is on its way that has not been answered. */
  protected get isWaiting(): boolean {
    return this.#exchange !== null;
  }

  /** Sends a NOOP in the middle of a transfer: its reply is expected whenever it comes. */
  protected sendStray(): void {
    this.#strays += 1;
    this.transport.write('NOOP\r\n');
  }

  /** Something has moved: the server's time for the next reply begins again. */
  protected touch(): void {
    this.#activity = this.settings.reactor.seconds();
    this.#timer ??= this.settings.reactor.callLater(this.settings.timeout, () => this.#checkTime());
  }

  /** Has the time run only while `waits` says that it is the server that is waited for; null: always. */
  protected waitFor(waits: (() => boolean) | null): void {
    this.#waitsForPeer = waits;
    if (this.#lost === null) this.touch();
  }

  /** Gives up: ends the connection, and fails whatever waits for it. Twisted: `fail`. */
  fail(error: unknown): void {
    const reason = error instanceof Failure ? error.value : error;
    if (this.#lost === null) {
      this.#end(reason instanceof Error ? reason : new ControlConnectionLost(String(reason)));
    }
    this.transport?.abortConnection();
  }

  // ---------------------------------------------------------------------------------------- connection

  override connectionMade(): void {
    this.touch();
  }

  override lineReceived(line: Buffer): void {
    let text = line.toString(this.settings.encoding);
    if (text.endsWith('\r')) text = text.slice(0, -1);
    let reply: Reply | null;
    try {
      reply = this.#reader.take(text);
    } catch (error) {
      this.fail(error);
      return;
    }
    if (reply !== null) this.#replied(reply);
  }

  override lineLengthExceeded(): void {
    this.fail(new ResponseTooLong(`Reply of the server is longer than ${this.MAX_LENGTH} bytes`));
  }

  override connectionLost(reason: Failure): void {
    if (this.#lost !== null) return;
    const what = this.#exchange?.shown;
    const when = what === undefined ? '' : ` before the reply to ${JSON.stringify(what)}`;
    const message = `Control connection was lost${when}: ${reason.getErrorMessage()}`;
    this.#end(new ControlConnectionLost(message, { cause: reason.value }));
  }

  #replied(reply: Reply): void {
    const exchange = this.#exchange;
    this.#activity = this.settings.reactor.seconds();
    // Transfers do not end with one of these.
    if (this.#strays > 0 && [200, 500, 501, 502, 503].includes(reply.code)) {
      this.#strays -= 1;
      this.#next();
      return;
    }
    if (exchange === null) {
      const message = new UnexpectedResponse(
        `Server sent ${JSON.stringify(reply.lines.join(' / ').slice(0, 1000))}: nothing was asked`,
      ).message;
      logEvent({ level: 'warn', system: this.logPrefix(), message });
      // It says why the connection ends.
      if (reply.code === 421) this.fail(new ControlConnectionLost(message));
      return;
    }
    if (reply.code < 200) {
      exchange.preliminary?.(reply);
      return;
    }
    this.#exchange = this.#behind;
    this.#behind = null;
    if (reply.code < 400) exchange.reply.callback(reply);
    else exchange.reply.errback(new CommandFailed(exchange.shown, reply.lines));
    this.#next();
  }

  #next(): void {
    // A task that was cancelled may have left a command behind it that the server has still to answer.
    if (this.#exchange !== null || this.#task !== null || this.#strays > 0 || this.#lost !== null) {
      return;
    }
    const task = this.#tasks.shift();
    if (task === undefined) {
      this.#timer?.cancel();
      this.#timer = null;
      return;
    }
    this.#task = task;
    const work = task.run();
    task.work = work;
    work.addBoth((outcome: unknown) => {
      this.#task = null;
      this.#waitsForPeer = null;
      if (!task.result.called) task.result.callback(this.#explained(outcome));
      this.#next();
    });
  }

  /** What was cancelled because the connection ended has failed for that reason. */
  #explained(outcome: unknown): unknown {
    const isCancelled = outcome instanceof Failure && outcome.check(CancelledError) !== null;
    return isCancelled && this.#lost !== null ? new Failure(this.#lost) : outcome;
  }

  #checkTime(): void {
    this.#timer = null;
    const { reactor, timeout } = this.settings;
    if (this.#exchange === null && this.#task === null && this.#strays === 0) return;
    if (this.#waitsForPeer !== null && !this.#waitsForPeer()) this.#activity = reactor.seconds();
    const left = this.#activity + timeout - reactor.seconds();
    // What is left may be less than a clock can tell.
    if (left > 1e-6) {
      this.#timer = reactor.callLater(left, () => this.#checkTime());
      return;
    }
    const what = this.#exchange?.shown ?? 'the transfer';
    this.fail(
      new ServerStalled(
        `Cannot wait longer for ${JSON.stringify(what)}: the server was silent for ${timeout} s`,
      ),
    );
  }

  #end(reason: Error): void {
    this.#lost = reason;
    this.#timer?.cancel();
    this.#timer = null;
    const exchange = this.#exchange;
    const behind = this.#behind;
    this.#exchange = this.#behind = null;
    exchange?.reply.errback(reason);
    behind?.reply.errback(reason);
    this.#task?.work?.cancel();
    for (const task of this.#tasks.splice(0)) task.result.errback(reason);
    this.ended(reason);
  }

  /** The connection is over; `reason` says why. */
  protected ended(_reason: Error): void {}

  /** Why the connection is over; null while it stands. */
  protected get lostBecause(): Error | null {
    return this.#lost;
  }
}
