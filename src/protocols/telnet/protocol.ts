/** Protocols over telnet, to subclass (Twisted: `TelnetProtocol`, `StatefulTelnetProtocol`). */
import { type IProtocolFactory, logEvent } from '../../reactor/index.ts';
import { LineReceiver } from '../line-receiver.ts';
import { type Factory, Protocol } from '../protocol.ts';
import type { ITelnetProtocol, ITelnetTransport } from './interfaces.ts';

/** A protocol over telnet that refuses every option. Twisted: `TelnetProtocol`. */
export class TelnetProtocol<F extends IProtocolFactory = Factory>
  extends Protocol<F>
  implements ITelnetProtocol
{
  declare transport: ITelnetTransport;

  unhandledCommand(_command: number): void {}

  unhandledSubnegotiation(_option: number, _data: Buffer): void {}

  enableLocal(_option: number): boolean {
    return false;
  }

  enableRemote(_option: number): boolean {
    return false;
  }

  disableLocal(_option: number): void {}

  disableRemote(_option: number): void {}
}

/**
 * Has each line go to the method of the state that it is in: `telnet_Discard(line)` in state 'Discard', with which it begins. What the method returns is the next state, if it is text.
 *
 * Twisted: `StatefulTelnetProtocol`.
 */
export class StatefulTelnetProtocol<F extends IProtocolFactory = Factory>
  extends LineReceiver<F>
  implements ITelnetProtocol
{
  declare transport: ITelnetTransport;
  override delimiter: Buffer | string = '\n';
  /** Which method gets the next line. */
  state = 'Discard';

  override lineReceived(line: Buffer): unknown {
    const { state } = this;
    const method: unknown = Reflect.get(this, `telnet_${state}`);
    if (typeof method !== 'function') {
      throw new TypeError(`Cannot take a line in state '${state}': there is no telnet_${state}()`);
    }
    const next: unknown = method.call(this, line);
    if (typeof next !== 'string') return next;
    if (this.state === state) this.state = next;
    else {
      const message = `telnet_${state}() set a state, and returned another: '${next}' is ignored`;
      logEvent({ level: 'warn', system: this.logPrefix(), message });
    }
    return undefined;
  }

  /** Takes a line, and does nothing with it. */
  telnet_Discard(_line: Buffer): unknown {
    return undefined;
  }

  unhandledCommand(_command: number): void {}

  unhandledSubnegotiation(_option: number, _data: Buffer): void {}

  enableLocal(_option: number): boolean {
    return false;
  }

  enableRemote(_option: number): boolean {
    return false;
  }

  disableLocal(_option: number): void {}

  disableRemote(_option: number): void {}
}
