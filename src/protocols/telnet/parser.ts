/** Takes telnet apart into what is said and what is told by commands (RFC 854, 855). Pure: bytes in, calls out; they may come in any pieces. */
import { checkLimits } from '../option-checks.ts';
import { CR, DO, DONT, IAC, LF, NULL, SB, SE, WILL, WONT } from './constants.ts';
import { TelnetLimitExceeded } from './errors.ts';

/** Hears what a `TelnetParser` finds, in the order in which it came. */
export interface TelnetEvents {
  /** What was said, without commands: IAC IAC is one byte 255, CR LF is LF, CR NUL is CR. The buffer is yours. */
  applicationDataReceived(data: Buffer): void;
  /** A command without an option: IP, AYT, ... */
  commandReceived(command: number): void;
  /** WILL, WONT, DO or DONT. */
  negotiationReceived(command: number, option: number): void;
  /** What is between SB and SE, without the option. The buffer is yours. */
  subnegotiationReceived(option: number, data: Buffer): void;
  /** Whether nothing more is to be delivered. */
  stopped(): boolean;
}

/** Options of a `TelnetParser`. */
export interface TelnetParserOptions {
  /** Bytes that a subnegotiation may have. Default 1024. */
  maxSubnegotiation?: number;
}

type State = 'data' | 'cr' | 'iac' | 'option' | 'sb' | 'sb-data' | 'sb-iac';

/**
 * Finds commands in a stream. It holds at most one subnegotiation that is not complete.
 *
 * A subnegotiation that is broken off by another command is dropped, and the command heard.
 */
export class TelnetParser {
  /** Whether CR stands for itself (RFC 856). */
  binary = false;
  readonly #events: TelnetEvents;
  readonly #maxSubnegotiation: number;
  #state: State = 'data';
  /** The command whose option comes next. */
  #command = 0;
  #option = 0;
  #subnegotiation: number[] = [];

  constructor(events: TelnetEvents, options: TelnetParserOptions = {}) {
    checkLimits(options, ['maxSubnegotiation']);
    this.#events = events;
    this.#maxSubnegotiation = options.maxSubnegotiation ?? 1024;
  }

  /** Takes the next bytes. @throws {TelnetLimitExceeded} */
  receive(data: Buffer): void {
    if (this.#state === 'data' && data.indexOf(IAC) < 0 && (this.binary || data.indexOf(CR) < 0)) {
      if (data.length > 0) this.#events.applicationDataReceived(data);
      return;
    }
    // One more than comes: a CR may have been held back.
    const said = Buffer.allocUnsafe(data.length + 1);
    let from = 0;
    let to = 0;
    for (const byte of data) {
      const before = to;
      to = this.#say(byte, said, to);
      if (to >= 0) continue;
      to = before;
      // A command is complete: what was said before it comes first.
      if (to > from) this.#events.applicationDataReceived(said.subarray(from, to));
      from = to;
      if (this.#events.stopped()) return;
      this.#complete(byte);
      if (this.#events.stopped()) return;
    }
    if (to > from) this.#events.applicationDataReceived(said.subarray(from, to));
  }

  /** Takes a byte, and puts what it says into `said`. Returns where that ends now, or -1 when the byte completes a command. */
  #say(byte: number, said: Buffer, to: number): number {
    switch (this.#state) {
      case 'cr':
        this.#state = 'data';
        if (byte === LF || byte === NULL) {
          said[to] = byte === LF ? LF : CR;
          return to + 1;
        }
        said[to] = CR;
        return this.#data(byte, said, to + 1);
      case 'data':
        return this.#data(byte, said, to);
      case 'iac':
        if (byte === IAC) {
          this.#state = 'data';
          said[to] = IAC;
          return to + 1;
        }
        return this.#begin(byte) ? to : -1;
      case 'option':
        return -1;
      case 'sb':
        this.#option = byte;
        this.#state = 'sb-data';
        return to;
      case 'sb-data':
        if (byte !== IAC) return this.#collect(byte, to);
        this.#state = 'sb-iac';
        return to;
      case 'sb-iac':
        if (byte === SE) return -1;
        if (byte === IAC) {
          this.#state = 'sb-data';
          return this.#collect(IAC, to);
        }
        this.#subnegotiation = [];
        this.#state = 'iac';
        return this.#begin(byte) ? to : -1;
    }
  }

  #data(byte: number, said: Buffer, to: number): number {
    if (byte === IAC) this.#state = 'iac';
    else if (byte === CR && !this.binary) this.#state = 'cr';
    else {
      said[to] = byte;
      return to + 1;
    }
    return to;
  }

  /** Takes the byte behind an IAC. Returns whether more belongs to the command. */
  #begin(byte: number): boolean {
    if (byte === SB) this.#state = 'sb';
    else if (byte === WILL || byte === WONT || byte === DO || byte === DONT) {
      this.#command = byte;
      this.#state = 'option';
    } else return false;
    return true;
  }

  #complete(byte: number): void {
    const state = this.#state;
    this.#state = 'data';
    if (state === 'option') this.#events.negotiationReceived(this.#command, byte);
    else if (state === 'sb-iac') {
      const data = Buffer.from(this.#subnegotiation);
      this.#subnegotiation = [];
      this.#events.subnegotiationReceived(this.#option, data);
    } else if (state === 'sb-data') {
      throw new TelnetLimitExceeded(
        `Cannot take subnegotiation of option ${this.#option}: it has more than ${this.#maxSubnegotiation} bytes`,
      );
    } else this.#events.commandReceived(byte);
  }

  /** One that is too long is complete here: what was said before it is to be heard before it is refused. */
  #collect(byte: number, to: number): number {
    if (this.#subnegotiation.length >= this.#maxSubnegotiation) return -1;
    this.#subnegotiation.push(byte);
    return to;
  }
}
