/** Questions and answers over boxes, both ways at once (Twisted: `twisted.protocols.amp.BoxDispatcher`). */
import {
  Deferred,
  type DeferredClock,
  type Failure,
  fail,
  maybeDeferred,
} from '../../deferred/index.ts';
import { ConnectionLost, type Data } from '../../reactor/index.ts';
import { checkLimits, checkTimes } from '../option-checks.ts';
import type { Input, Output, Schema } from './arguments.ts';
import { AmpBox, QuitBox } from './box.ts';
import { type Command, remoteError, UNHANDLED, wireError } from './command.ts';
import {
  AmpError,
  MalformedAmpBox,
  NoEmptyBoxes,
  ProtocolSwitched,
  RemoteAmpError,
  TooManyQuestions,
} from './errors.ts';
import type { BoxReceiver, BoxSender, ResponderLocator } from './interfaces.ts';

const ASK = '_ask';
const ANSWER = '_answer';
const COMMAND = '_command';
const ERROR = '_error';
const ERROR_CODE = '_error_code';
const ERROR_DESCRIPTION = '_error_description';

/** Options of a `BoxDispatcher`. */
export interface DispatcherOptions {
  /** Questions of ours that may be open; one more fails with `TooManyQuestions`. Default 10,000. */
  maxPendingQuestions?: number;
  /** Questions of the peer's that may be open; one more is answered with the error TOO_MANY_QUESTIONS. Default 10,000. */
  maxPendingAnswers?: number;
  /** Seconds in which each question has to be answered, unless its call says otherwise; null waits for ever. Default null. */
  timeout?: number | null;
  /** Whose seconds these are. Default: the reactor's. */
  clock?: DeferredClock;
}

/** Options of one call. */
export interface CallOptions {
  /** Seconds in which it has to be answered, else it fails with `TimeoutError`; null waits for ever. Default: that of the dispatcher. */
  timeout?: number | null;
  /** Aborted, it has the call fail with `CancelledError`. The peer is not told. */
  signal?: AbortSignal;
}

/** Options of a call by boxes. */
export interface StringCallOptions extends CallOptions {
  /** Whether to ask for an answer. Default true. */
  requiresAnswer?: boolean;
}

/** What `callRemote` takes after the command: arguments may be left out where none is required. */
export type CallArguments<A extends Schema> =
  object extends Input<A>
    ? [args?: Input<A>, options?: CallOptions]
    : [args: Input<A>, options?: CallOptions];

/** What `callRemote` gives. */
export type Called<R extends Schema, Q extends boolean> = Q extends true
  ? Deferred<Output<R>>
  : undefined;

/**
 * Turns calls into boxes and boxes into calls. It knows nothing of the connection but a {@link BoxSender}.
 *
 * Answers may come in any order. What comes for a call that was given up is ignored; an answer to what was never asked ends the connection.
 */
export class BoxDispatcher implements BoxReceiver {
  readonly #locator: ResponderLocator;
  readonly #options: DispatcherOptions;
  readonly #pending = new Map<string, Deferred<AmpBox>>();
  /** Questions that nobody waits for any more, whose answers may still come. */
  readonly #abandoned = new Set<string>();
  #answering = 0;
  #counter = 0;
  #sender: BoxSender | undefined;
  /** Why there will be no more answers. */
  #over: Failure | undefined;

  constructor(locator: ResponderLocator, options: DispatcherOptions = {}) {
    checkLimits(options, ['maxPendingQuestions', 'maxPendingAnswers']);
    checkTimes(options, ['timeout']);
    this.#locator = locator;
    this.#options = options;
  }

  /** Where boxes go. @throws {AmpError} before there is a connection */
  get boxSender(): BoxSender {
    if (this.#sender === undefined) throw new AmpError('Cannot send a box: there is no connection');
    return this.#sender;
  }

  /** How many questions of ours are open. */
  get pendingQuestions(): number {
    return this.#pending.size + this.#abandoned.size;
  }

  startReceivingBoxes(sender: BoxSender): void {
    this.#sender = sender;
  }

  stopReceivingBoxes(reason: Failure): void {
    this.failAllOutgoing(reason);
  }

  /** Fails every question that is open, and all that are asked from here on. */
  failAllOutgoing(reason: Failure): void {
    this.#over ??= reason;
    const questions = [...this.#pending.values()];
    this.#pending.clear();
    this.#abandoned.clear();
    for (const question of questions) question.errback(reason);
  }

  // ------------------------------------------------------------------------------------------- asking

  /**
   * Asks the peer. Fails with an error of the command's maps, `UnknownRemoteError`, `UnhandledCommand`, `InvalidSignature` or `BadArgument` when it cannot be asked like that,
   * `TooManyQuestions`, `TimeoutError`, and with why the connection was lost.
   * @returns the response by name; undefined for a command that is not answered
   */
  callRemote<A extends Schema, R extends Schema, Q extends boolean>(
    command: Command<A, R, Q>,
    ...[args, options]: CallArguments<A>
  ): Called<R, Q> {
    let result: Deferred<Output<R>> | undefined;
    try {
      // Only where nothing is required may they be missing.
      result = command.ask(this, args ?? ({} as Input<A>), options ?? {});
    } catch (error) {
      if (!command.requiresAnswer) throw error;
      result = fail(error);
    }
    return result as Called<R, Q>; // there is one if an answer was asked for
  }

  /** Asks with values as they are, and gives the box that comes back. Twisted: `callRemoteString`. */
  callRemoteString(
    command: string,
    values: Readonly<Record<string, Data>> = {},
    options: StringCallOptions = {},
  ): Deferred<AmpBox> | undefined {
    return this.sendBoxCommand(command, new AmpBox(values), options);
  }

  /** Makes `box` a question and sends it. */
  sendBoxCommand(
    command: string,
    box: AmpBox,
    options: StringCallOptions = {},
  ): Deferred<AmpBox> | undefined {
    const { requiresAnswer = true, signal, timeout = this.#options.timeout ?? null } = options;
    // Before it is sent.
    if (typeof options.timeout === 'number') checkTimes(options, ['timeout']);
    box.set(COMMAND, command);
    if (!requiresAnswer) {
      if (this.#over === undefined) box.sendTo(this.boxSender);
      return undefined;
    }
    if (this.#over !== undefined) return fail(this.#over);
    if (signal?.aborted === true) return new Deferred<AmpBox>().cancelOn(signal);
    const limit = this.#options.maxPendingQuestions ?? 10_000;
    if (this.pendingQuestions >= limit) {
      return fail(
        new TooManyQuestions(`Cannot ask ${JSON.stringify(command)}: ${limit} questions are open`),
      );
    }
    this.#counter += 1;
    const tag = this.#counter.toString(16);
    box.set(ASK, tag);
    box.sendTo(this.boxSender);
    const question = new Deferred<AmpBox>(() => {
      if (this.#pending.delete(tag)) this.#abandoned.add(tag);
    });
    this.#pending.set(tag, question);
    if (timeout !== null) question.addTimeout(timeout, this.#options.clock);
    if (signal !== undefined) question.cancelOn(signal);
    return question;
  }

  // ------------------------------------------------------------------------------------------ hearing

  /** @throws {AmpError} when it makes no sense */
  ampBoxReceived(box: AmpBox): void {
    const answer = box.get(ANSWER);
    if (answer !== undefined) {
      this.#take(answer)?.callback(box);
      return;
    }
    const error = box.get(ERROR);
    if (error !== undefined) {
      const code = box.get(ERROR_CODE);
      const description = box.get(ERROR_DESCRIPTION);
      if (code === undefined || description === undefined) {
        throw new MalformedAmpBox('Cannot take an error: it has no code, or no description');
      }
      const made = remoteError(code.toString('latin1'), description.toString());
      this.#take(error)?.errback(made);
      return;
    }
    const command = box.get(COMMAND);
    if (command === undefined) {
      throw new NoEmptyBoxes(
        `Cannot take a box with the keys ${JSON.stringify([...box.keys()].slice(0, 10))}: it neither asks nor answers`,
      );
    }
    this.#commandReceived(command.toString('latin1'), box);
  }

  /** The question that a tag names; undefined if nobody waits for it any more. */
  #take(tag: Buffer): Deferred<AmpBox> | undefined {
    const name = tag.toString('latin1');
    const question = this.#pending.get(name);
    if (question !== undefined) {
      this.#pending.delete(name);
      return question;
    }
    if (this.#abandoned.delete(name)) return undefined;
    throw new MalformedAmpBox(
      `Cannot take an answer to ${JSON.stringify(name.slice(0, 40))}: there is no such question`,
    );
  }

  #commandReceived(command: string, box: AmpBox): void {
    const ask = box.get(ASK);
    const answered = this.dispatchCommand(command, box);
    this.#answering += 1;
    if (ask === undefined) {
      answered.addErrback(this.#unhandled).addBoth(this.#done);
      return;
    }
    answered
      .addCallbacks(this.#giveAnswer, this.#giveError, [ask], [ask])
      .addErrback(this.#unhandled);
  }

  /** Has a command carried out, without answering it. Fails with `RemoteAmpError` when there is nobody to. */
  dispatchCommand(command: string, box: AmpBox): Deferred<AmpBox> {
    const limit = this.#options.maxPendingAnswers ?? 10_000;
    if (this.#answering >= limit) {
      return fail(
        new RemoteAmpError('TOO_MANY_QUESTIONS', `More than ${limit} questions are open`),
      );
    }
    const responder = this.#locator.locateResponder(command);
    if (responder === null || responder === undefined) {
      const name = JSON.stringify(command.slice(0, 200));
      return fail(new RemoteAmpError(UNHANDLED, `Unhandled Command: ${name}`));
    }
    return maybeDeferred(responder, box, this);
  }

  readonly #giveAnswer = (box: AmpBox, ask: Buffer): void => {
    this.#emit(box, ANSWER, ask);
  };

  readonly #giveError = (failure: Failure, ask: Buffer): void => {
    const { errorCode, description, fatal } = wireError(failure);
    const box = fatal ? new QuitBox() : new AmpBox();
    box.set(ERROR_CODE, errorCode);
    // A description that does not fit is cut; half a character at its end shows as such.
    box.set(ERROR_DESCRIPTION, Buffer.from(description).subarray(0, 16_384));
    this.#emit(box, ERROR, ask);
  };

  readonly #done = (): void => {
    this.#answering -= 1;
  };

  #emit(box: AmpBox, key: string, ask: Buffer): void {
    this.#done();
    box.set(key, ask);
    // Nobody is left to take it.
    if (this.#over !== undefined) return;
    try {
      box.sendTo(this.boxSender);
    } catch (error) {
      if (!(error instanceof ProtocolSwitched || error instanceof ConnectionLost)) throw error;
    }
  }

  readonly #unhandled = (failure: Failure): void => {
    this.boxSender.unhandledError(failure);
  };
}
