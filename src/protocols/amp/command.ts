/** Commands: a name, what is asked with it, what is answered, and what can go wrong (Twisted: `twisted.protocols.amp.Command`). */
import { type Deferred, Failure, maybeDeferred, reportFailure } from '../../deferred/index.ts';
import { boxToObjects, type Input, type Output, objectsToBox, type Schema } from './arguments.ts';
import { AmpBox } from './box.ts';
import type { BoxDispatcher, CallOptions } from './dispatcher.ts';
import {
  AmpError,
  BadLocalReturn,
  InvalidSignature,
  RemoteAmpError,
  UnhandledCommand,
  UnknownRemoteError,
} from './errors.ts';
import type { BoxResponder } from './interfaces.ts';

/** A schema that has nothing in it. */
export type NoArguments = Readonly<Record<never, never>>;

/** A class of errors that can be made from a message. */
export type ErrorClass = new (message: string) => Error;

/** What a command is. */
export interface CommandDefinition<A extends Schema, R extends Schema, Q extends boolean> {
  /** What is asked with it. Default: nothing. */
  arguments?: A;
  /** What is answered. Default: nothing. */
  response?: R;
  /** Errors that a responder may throw or fail with, by what they are called on the wire; the caller gets one of that class. */
  errors?: Readonly<Record<string, ErrorClass>>;
  /** Such errors after which the connection ends. */
  fatalErrors?: Readonly<Record<string, ErrorClass>>;
  /** Whether it is answered at all. Default true. */
  requiresAnswer?: Q;
}

/** What the caller of a command gets. */
export type ResultOf<C> = C extends Command<infer _A, infer R, infer _Q> ? Output<R> : never;

/** A responder that gives nothing, where a command has nothing that must be in its answer. */
// biome-ignore lint/suspicious/noConfusingVoidType: a responder without a result returns nothing
type Nothing<T> = object extends T ? void | undefined : never;

/** Answers a command: gets its arguments, gives its response, now or later. `dispatcher` asks back. */
export type Responder<A extends Schema, R extends Schema> = (
  args: Output<A>,
  dispatcher: BoxDispatcher,
) => Input<R> | Nothing<Input<R>> | PromiseLike<Input<R> | Nothing<Input<R>>>;

/**
 * A command. Both sides have to mean the same by it; on the wire there are only its name and the keys.
 *
 * Twisted: a subclass of `Command`, whose class attributes are the definition.
 *
 * @example
 * class DivisionByZero extends Error {}
 * const Divide = new Command('Divide', {
 *   arguments: { numerator: new Integer(), denominator: new Integer() },
 *   response: { result: new Float() },
 *   errors: { ZERO_DIVISION: DivisionByZero },
 * });
 * const { result } = await amp.callRemote(Divide, { numerator: 1, denominator: 2 });
 */
export class Command<
  A extends Schema = NoArguments,
  R extends Schema = NoArguments,
  Q extends boolean = true,
> {
  /** What it is called on the wire. */
  readonly commandName: string;
  /** The arguments of the question, by their names. */
  readonly arguments: A;
  /** Those of the answer. */
  readonly response: R;
  /** The errors that go over the wire, by the codes they have there. */
  readonly errors: Readonly<Record<string, ErrorClass>>;
  /** Those after which the connection is closed. */
  readonly fatalErrors: Readonly<Record<string, ErrorClass>>;
  /** Whether an answer is waited for. */
  readonly requiresAnswer: Q;

  /** @throws {AmpError} @throws {TooLong} when a name cannot be sent */
  constructor(commandName: string, definition: CommandDefinition<A, R, Q> = {}) {
    this.commandName = commandName;
    // What is not given has the type that stands for nothing.
    this.arguments = definition.arguments ?? ({} as A);
    this.response = definition.response ?? ({} as R);
    this.errors = definition.errors ?? {};
    this.fatalErrors = definition.fatalErrors ?? {};
    this.requiresAnswer = definition.requiresAnswer ?? (true as Q);
    const box = new AmpBox({ _command: commandName });
    for (const name of Object.keys({ ...this.arguments, ...this.response })) box.set(name, '');
    for (const code of Object.keys({ ...this.errors, ...this.fatalErrors })) box.set('code', code);
    if (commandName === '') throw new AmpError('Cannot make a command: its name is empty');
  }

  /** The arguments in a box. @throws {InvalidSignature} @throws {BadArgument} @throws {TooLong} */
  makeArguments(objects: Input<A>): AmpBox {
    for (const name of Object.keys(objects)) {
      if (Object.hasOwn(this.arguments, name)) continue;
      throw new InvalidSignature(
        `Cannot call ${this.commandName} with ${JSON.stringify(name)}: it has no such argument`,
      );
    }
    return objectsToBox(objects, this.arguments, new AmpBox());
  }

  /** The arguments of a box. @throws {BadArgument} */
  parseArguments(box: AmpBox): Output<A> {
    return boxToObjects(box, this.arguments) as Output<A>; // the schema makes just that
  }

  /** The response in a box. @throws {InvalidSignature} @throws {BadArgument} @throws {TooLong} */
  makeResponse(objects: Input<R>): AmpBox {
    return objectsToBox(objects, this.response, new AmpBox());
  }

  /** The response of a box. @throws {BadArgument} */
  parseResponse(box: AmpBox): Output<R> {
    return boxToObjects(box, this.response) as Output<R>; // the schema makes just that
  }

  /**
   * Makes a function on arguments one on boxes. Errors that are in one of the maps, subclasses of them included, become what they are called on the wire.
   * Twisted: `Command.responder`, with what its locator does.
   */
  responder(respond: Responder<A, R>): BoxResponder {
    return (box, dispatcher) => this.answer(box, dispatcher, respond);
  }

  /** What a responder's function does with a box. */
  protected answer(
    box: AmpBox,
    dispatcher: BoxDispatcher,
    respond: Responder<A, R>,
  ): Deferred<AmpBox> {
    const args = this.parseArguments(box);
    return maybeDeferred(respond, args, dispatcher)
      .addCallback(this.#response)
      .addErrback(this.#known);
  }

  // Functions, and made once: a closure for each question would cost as much as the rest.
  readonly #response = (objects: unknown): AmpBox => {
    try {
      return this.makeResponse((objects ?? {}) as Input<R>); // the types of the responder say so
    } catch (error) {
      throw new BadLocalReturn(
        `Cannot answer ${this.commandName}: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
    }
  };

  readonly #known = (failure: Failure): Failure => {
    for (const [map, fatal] of [[this.errors, false] as const, [this.fatalErrors, true] as const]) {
      for (const [code, kind] of Object.entries(map)) {
        const { value } = failure;
        if (value instanceof kind) {
          return new Failure(new RemoteAmpError(code, value.message, fatal, { cause: value }));
        }
      }
    }
    return failure;
  };

  /** Asks it. Called by `callRemote`. */
  ask(
    dispatcher: BoxDispatcher,
    objects: Input<A>,
    options: CallOptions,
  ): Deferred<Output<R>> | undefined {
    const box = this.makeArguments(objects);
    return dispatcher
      .sendBoxCommand(this.commandName, box, { ...options, requiresAnswer: this.requiresAnswer })
      ?.addCallbacks(this.#result, this.#localError) as Deferred<Output<R>> | undefined; // the errback never gives anything but a failure
  }

  readonly #result = (answer: AmpBox): Output<R> => this.parseResponse(answer);

  /** What the peer said went wrong, as the class that stands for it here. */
  readonly #localError = (failure: Failure): Failure => {
    const error: unknown = failure.value;
    if (!(error instanceof RemoteAmpError)) return failure;
    const { errorCode, description, fatal } = error;
    for (const map of [this.errors, this.fatalErrors]) {
      const kind = Object.hasOwn(map, errorCode) ? map[errorCode] : undefined;
      if (kind !== undefined) return new Failure(new kind(description));
    }
    return new Failure(new UnknownRemoteError(errorCode, description, fatal));
  };
}

/** What a remote error with a code that AMP itself has is here. */
export function remoteError(code: string, description: string): Error {
  if (code === UNHANDLED) return new UnhandledCommand(description);
  return new RemoteAmpError(code, description);
}

/** What an error is on the wire. Those that nobody foresaw are reported here, say nothing there, and end the connection. */
export function wireError(failure: Failure): RemoteAmpError {
  const error: unknown = failure.value;
  if (error instanceof RemoteAmpError) return error;
  reportFailure(failure, 'Unhandled error in a responder of AMP');
  return new RemoteAmpError(UNKNOWN, 'Unknown Error', true);
}

/** The code of an error that the command does not foresee. */
const UNKNOWN = 'UNKNOWN';
/** The code that says that there is no responder. */
export const UNHANDLED = 'UNHANDLED';
