import { logEvent } from '../reactor/index.ts';
import { Protocol } from './protocol.ts';

// biome-ignore lint/suspicious/noExplicitAny: TypeScript demands any[] of the constructor of a mixin's base
type Base<P extends Protocol> = abstract new (...args: any[]) => P;

/** What {@link StatefulStringProtocol} adds to a protocol. */
export interface Stateful {
  /** The state it is in; 'init' at first. `proto_<state>` gets the next string. */
  state: string;
  /** Hands `string` to the method of the current state and goes to the state it returns. */
  stringReceived(string: Buffer): unknown;
}

function step(protocol: Protocol & Stateful, string: Buffer): unknown {
  const name = `proto_${protocol.state}`;
  const handle: unknown = Reflect.get(protocol, name);
  if (typeof handle !== 'function') {
    logEvent({
      level: 'error',
      system: protocol.logPrefix(),
      message: `Cannot handle a string in state "${protocol.state}": ${protocol.constructor.name} has no method ${name}`,
    });
    return undefined;
  }
  const next: unknown = handle.call(protocol, string);
  if (next instanceof Promise) return next.then((state: unknown) => enter(protocol, state));
  return enter(protocol, next);
}

function enter(protocol: Protocol & Stateful, next: unknown): void {
  if (typeof next === 'string') protocol.state = next;
  if (protocol.state === 'done') protocol.transport.loseConnection();
}

/**
 * A conversation as a state machine: each string goes to the method `proto_<state>`, which returns the next state; returning nothing
 * stays. An async method's state is entered when it ends; until then, strings go to the state before. The state 'done' closes the connection. A string that comes in a state without a method is dropped and logged.
 *
 * It says nothing about how strings are framed: {@link StatefulStringProtocol.over} puts it on a receiver.
 *
 * Twisted: `twisted.protocols.basic.StatefulStringProtocol`.
 *
 * @example
 * class Login extends StatefulStringProtocol.over(NetstringReceiver) {
 *   proto_init(name: Buffer): string {
 *     this.sendString(`Hello, ${name}`);
 *     return 'done';
 *   }
 * }
 */
export class StatefulStringProtocol extends Protocol implements Stateful {
  state = 'init';

  stringReceived(string: Buffer): unknown {
    return step(this, string);
  }

  /** A subclass of `receiver` whose `stringReceived` dispatches by state. */
  static over<R extends Protocol, B extends Base<R>>(
    receiver: B & Base<R>,
  ): B & Base<R & Stateful> {
    abstract class StatefulReceiver extends (receiver as Base<Protocol>) implements Stateful {
      state = 'init';

      stringReceived(string: Buffer): unknown {
        return step(this, string);
      }
    }
    // The class just made is `receiver` with Stateful added; TypeScript cannot follow a generic base that far.
    return StatefulReceiver as unknown as B & Base<R & Stateful>;
  }
}
