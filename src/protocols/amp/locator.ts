/** Where responders are kept (Twisted: `CommandLocator`). */
import type { Schema } from './arguments.ts';
import type { Command, Responder } from './command.ts';
import type { BoxResponder, ResponderLocator } from './interfaces.ts';

/**
 * Responders by command. One may serve any number of connections: `new AMP({ locator })`.
 *
 * @example
 * const locator = new CommandLocator();
 * locator.responder(Sum, ({ a, b }) => ({ total: a + b }));
 */
export class CommandLocator implements ResponderLocator {
  readonly #responders = new Map<string, BoxResponder>();

  /** Has `respond` answer `command`, in place of what did until now. Returns this locator. */
  responder<A extends Schema, R extends Schema, Q extends boolean>(
    command: Command<A, R, Q>,
    respond: Responder<A, R>,
  ): this {
    this.#responders.set(command.commandName, command.responder(respond));
    return this;
  }

  locateResponder(name: string): BoxResponder | null {
    return this.#responders.get(name) ?? null;
  }
}

/** What methods that answer a command on boxes begin with. */
const PREFIX = 'amp_';

/** The method of `owner` that answers a command box by box: `amp_PING` answers PING. Twisted: `SimpleStringLocator`. */
export function methodFor(owner: object, name: string): BoxResponder | null {
  const method: unknown = Reflect.get(owner, PREFIX + name);
  if (typeof method !== 'function') return null;
  return (box, dispatcher) => (method as BoxResponder).call(owner, box, dispatcher); // by its name it says that it is one
}
