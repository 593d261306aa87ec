/** AMP, the Asynchronous Messaging Protocol (Twisted: `twisted.protocols.amp.AMP`). */
import type { Deferred } from '../../deferred/index.ts';
import type { Data, IProtocolFactory } from '../../reactor/index.ts';
import type { Factory } from '../protocol.ts';
import type { Schema } from './arguments.ts';
import type { AmpBox } from './box.ts';
import { BinaryBoxProtocol, type BoxProtocolOptions } from './box-protocol.ts';
import type { Command, Responder } from './command.ts';
import {
  BoxDispatcher,
  type CallArguments,
  type Called,
  type DispatcherOptions,
  type StringCallOptions,
} from './dispatcher.ts';
import type { BoxReceiver, BoxResponder, ResponderLocator } from './interfaces.ts';
import { CommandLocator, methodFor } from './locator.ts';

/** Options of `AMP`. */
export interface AMPOptions extends BoxProtocolOptions, DispatcherOptions {
  /** Who gets the boxes. Default: a `BoxDispatcher` of its own. */
  boxReceiver?: BoxReceiver;
  /** Who finds responders. Default: this protocol, with those registered on it. */
  locator?: ResponderLocator;
}

/**
 * One end of an AMP connection: asks the peer with `callRemote`, and answers it with what is registered with `responder`. Both ends can do both at once.
 *
 * A responder that fails with an error which its command does not name answers "Unknown Error", is reported, and the connection ends, as in Twisted. Unlike there, an error that a
 * caller does not take is reported and nothing more.
 *
 * @example
 * const Sum = new Command('Sum', {
 *   arguments: { a: new Integer(), b: new Integer() },
 *   response: { total: new Integer() },
 * });
 * class Adder extends AMP {
 *   constructor() {
 *     super();
 *     this.responder(Sum, ({ a, b }) => ({ total: a + b }));
 *   }
 * }
 * const amp = await connectProtocol(endpoint, new AMP());
 * const { total } = await amp.callRemote(Sum, { a: 1, b: 2 }, { timeout: 5 });
 */
export class AMP<F extends IProtocolFactory = Factory>
  extends BinaryBoxProtocol<F>
  implements ResponderLocator
{
  readonly #dispatcher: BoxDispatcher;
  readonly #responders = new CommandLocator();

  constructor(options: AMPOptions = {}) {
    const locator: ResponderLocator = {
      locateResponder: (name) => (options.locator ?? self()).locateResponder(name),
    };
    const dispatcher = new BoxDispatcher(locator, options);
    super(options.boxReceiver ?? dispatcher, options);
    this.#dispatcher = dispatcher;
    // The dispatcher has to be there before there is a `this`; it asks for it with the first command.
    const self = (): this => this;
  }

  /** How many questions of ours are open. */
  get pendingQuestions(): number {
    return this.#dispatcher.pendingQuestions;
  }

  /** Has `respond` answer `command`, in place of what did until now. Returns this protocol. */
  responder<A extends Schema, R extends Schema, Q extends boolean>(
    command: Command<A, R, Q>,
    respond: Responder<A, R>,
  ): this {
    this.#responders.responder(command, respond);
    return this;
  }

  /** What answers a command: what is registered for it, or the method `amp_NAME`, from box to box. Override it to decide yourself. */
  locateResponder(name: string): BoxResponder | null {
    return this.#responders.locateResponder(name) ?? methodFor(this, name);
  }

  /** See {@link BoxDispatcher.callRemote}. */
  callRemote<A extends Schema, R extends Schema, Q extends boolean>(
    command: Command<A, R, Q>,
    ...args: CallArguments<A>
  ): Called<R, Q> {
    return this.#dispatcher.callRemote(command, ...args);
  }

  /** See {@link BoxDispatcher.callRemoteString}. */
  callRemoteString(
    command: string,
    values: Readonly<Record<string, Data>> = {},
    options: StringCallOptions = {},
  ): Deferred<AmpBox> | undefined {
    return this.#dispatcher.callRemoteString(command, values, options);
  }
}
