/**
 * Which options are on, on either side, and the talk about it (RFC 1143, the "Q method"). Pure: it is told what was heard, and says what to send.
 *
 * Each option has two sides, and they are the same with the words swapped: of ours we say WILL and WONT and hear DO and DONT, of the peer's we say DO and DONT and hear WILL and
 * WONT. What is heard is answered only if it changes something, so two that follow the method never go round in circles.
 */
import { Deferred, type Failure } from '../../deferred/index.ts';
import { DO, DONT, WILL, WONT } from './constants.ts';
import { AlreadyDisabled, AlreadyEnabled, AlreadyNegotiating, OptionRefused } from './errors.ts';

/** Decides on options and sends what is said of them. */
export interface OptionHost {
  /** Sends IAC, command, option. */
  sendNegotiation(command: number, option: number): void;
  /** Whether we will do it; then it is on. What it returns does not matter when we wanted it. */
  enableLocal(option: number): boolean;
  /** Whether the peer may do it; then it is on. What it returns does not matter when we wanted it. */
  enableRemote(option: number): boolean;
  /** We do not do it any more. */
  disableLocal(option: number): void;
  /** The peer does not do it any more. */
  disableRemote(option: number): void;
}

/** Whose doing an option is. */
export type OptionSide = 'local' | 'remote';

/** On, off, or asked to become so. */
type State = 'no' | 'yes' | 'want-no' | 'want-yes';

interface Negotiation {
  state: State;
  /** What fires when the peer has answered. */
  asked: Deferred<true> | undefined;
  /** Set when the opposite is to be asked for as soon as it has. */
  next: Deferred<true> | undefined;
}

/** Both sides of all options of a connection. */
export class OptionNegotiator {
  readonly #host: OptionHost;
  readonly #options: Record<OptionSide, Map<number, Negotiation>> = {
    local: new Map(),
    remote: new Map(),
  };
  /** Why nothing can be asked any more. */
  #over: Failure | undefined;

  constructor(host: OptionHost) {
    this.#host = host;
  }

  /** Whether an option is on. */
  isEnabled(side: OptionSide, option: number): boolean {
    return this.#options[side].get(option)?.state === 'yes';
  }

  /**
   * Asks for an option to be on, or off. Fires with true once it is so. Fails with `OptionRefused`, `AlreadyEnabled`, `AlreadyDisabled`, and with `AlreadyNegotiating` when it was asked
   * already. Asked for the opposite of what is under way, that comes next. After `failAll`, it fails with the reason for that.
   */
  ask(side: OptionSide, option: number, on: boolean): Deferred<true> {
    const negotiation = this.#of(side, option);
    const { state } = negotiation;
    const result = new Deferred<true>();
    if (this.#over !== undefined) {
      result.errback(this.#over);
    } else if (state === (on ? 'yes' : 'no')) {
      result.errback(
        on
          ? new AlreadyEnabled(`Cannot enable ${side} option ${option}: it is on`, option)
          : new AlreadyDisabled(`Cannot disable ${side} option ${option}: it is off`, option),
      );
    } else if (state === 'yes' || state === 'no') {
      this.#begin(side, option, negotiation, on, result);
    } else if (negotiation.next === undefined && state === (on ? 'want-no' : 'want-yes')) {
      negotiation.next = result;
    } else {
      const message = `Cannot negotiate ${side} option ${option}: it is being negotiated`;
      result.errback(new AlreadyNegotiating(message, option));
    }
    return result;
  }

  /** Takes what the peer said of an option. */
  hear(command: number, option: number): void {
    const side = command === DO || command === DONT ? 'local' : 'remote';
    const on = command === DO || command === WILL;
    const negotiation = this.#of(side, option);
    switch (negotiation.state) {
      case 'no':
        if (on) this.#offered(side, option, negotiation);
        return;
      case 'yes':
        if (on) return;
        negotiation.state = 'no';
        this.#send(side, option, false);
        this.#disabled(side, option);
        return;
      case 'want-yes':
        if (on) this.#settle(side, option, negotiation, true);
        else this.#refused(side, option, negotiation);
        return;
      case 'want-no':
        // One that answers "stop" with "I begin" is mistaken. Unless that is what we want by now, it is as if it had stopped.
        if (on && negotiation.next !== undefined) this.#keep(negotiation);
        else this.#settle(side, option, negotiation, false);
    }
  }

  /** Fails all that is open, and all that is asked from here on: the connection is over. */
  failAll(reason: Failure): void {
    this.#over = reason;
    for (const options of Object.values(this.#options)) {
      for (const negotiation of options.values()) {
        const { asked, next } = negotiation;
        negotiation.asked = undefined;
        negotiation.next = undefined;
        asked?.errback(reason);
        next?.errback(reason);
      }
    }
  }

  #of(side: OptionSide, option: number): Negotiation {
    let negotiation = this.#options[side].get(option);
    if (negotiation === undefined) {
      negotiation = { state: 'no', asked: undefined, next: undefined };
      this.#options[side].set(option, negotiation);
    }
    return negotiation;
  }

  #begin(
    side: OptionSide,
    option: number,
    negotiation: Negotiation,
    on: boolean,
    asked: Deferred<true>,
  ): void {
    negotiation.state = on ? 'want-yes' : 'want-no';
    negotiation.asked = asked;
    this.#send(side, option, on);
  }

  /** The peer wants an option on that is off. */
  #offered(side: OptionSide, option: number, negotiation: Negotiation): void {
    const agreed =
      side === 'local' ? this.#host.enableLocal(option) : this.#host.enableRemote(option);
    if (agreed) negotiation.state = 'yes';
    this.#send(side, option, agreed);
  }

  /** It has become as was asked for. */
  #settle(side: OptionSide, option: number, negotiation: Negotiation, on: boolean): void {
    negotiation.state = on ? 'yes' : 'no';
    const { asked, next } = negotiation;
    negotiation.asked = undefined;
    negotiation.next = undefined;
    if (!on) this.#disabled(side, option);
    else if (side === 'local') this.#host.enableLocal(option);
    else this.#host.enableRemote(option);
    if (next !== undefined) this.#begin(side, option, negotiation, !on, next);
    asked?.callback(true);
  }

  /** It was to be off and then on again, and stays on. */
  #keep(negotiation: Negotiation): void {
    negotiation.state = 'yes';
    const { asked, next } = negotiation;
    negotiation.asked = undefined;
    negotiation.next = undefined;
    asked?.callback(true);
    next?.callback(true);
  }

  /** The peer does not want an option on. */
  #refused(side: OptionSide, option: number, negotiation: Negotiation): void {
    negotiation.state = 'no';
    const { asked, next } = negotiation;
    negotiation.asked = undefined;
    negotiation.next = undefined;
    asked?.errback(new OptionRefused(`The peer refused ${side} option ${option}`, option));
    // What was to come next was that it is off.
    next?.callback(true);
  }

  #disabled(side: OptionSide, option: number): void {
    if (side === 'local') this.#host.disableLocal(option);
    else this.#host.disableRemote(option);
  }

  #send(side: OptionSide, option: number, on: boolean): void {
    if (side === 'local') this.#host.sendNegotiation(on ? WILL : WONT, option);
    else this.#host.sendNegotiation(on ? DO : DONT, option);
  }
}
