/** Makes a terminal of a telnet connection (Twisted: `twisted.conch.telnet.TelnetBootstrapProtocol`). */
import { type Failure, reportFailure } from '../../deferred/index.ts';
import { type IProtocol, type IProtocolFactory, logEvent } from '../../reactor/index.ts';
import { connectionDone, type Factory } from '../protocol.ts';
import {
  AO,
  AYT,
  BRK,
  EC,
  ECHO,
  EL,
  IP,
  LINEMODE,
  LINEMODE_ABORT,
  LINEMODE_EOF,
  LINEMODE_MODE,
  LINEMODE_SLC,
  NAWS,
  SGA,
  TTYPE,
  TTYPE_IS,
  TTYPE_SEND,
} from './constants.ts';
import type { ITelnetProtocol, ITelnetTransport } from './interfaces.ts';
import { type LocalCharacter, parseLocalCharacters } from './linemode.ts';
import { ProtocolTransport } from './protocol-transport.ts';

/** What a protocol in a terminal may have besides, to hear of it. */
export interface ITerminalProtocol extends IProtocol {
  /** The window has this size now, in characters; 0 means that it is not known. */
  terminalSize?(width: number, height: number): void;
  /** What the terminal is: a name such as 'XTERM-256COLOR', of at most 40 printable characters. */
  terminalType?(name: string): void;
  /** Whether it is up to us to show what is typed, character by character. */
  terminalEcho?(echo: boolean): void;
}

/** Commands that are characters a terminal would have sent: ^C, rub out, ... */
const KEYS: ReadonlyMap<number, string> = new Map([
  [IP, '\x03'],
  [BRK, '\x03'],
  [LINEMODE_ABORT, '\x03'],
  [LINEMODE_EOF, '\x04'],
  [EC, '\x7f'],
  [EL, '\x15'],
]);

const TYPE_NAME = /^[!-~]{1,40}$/;

/**
 * Negotiates what a terminal needs: character by character (ECHO, SGA, LINEMODE), the size of its window (NAWS) and its type (TTYPE); and is the transport of a protocol in the terminal.
 * Commands such as IP reach that as the characters that stand for them. What the peer refuses it does without.
 *
 * Twisted: `TelnetBootstrapProtocol`.
 */
export class TelnetBootstrapProtocol<F extends IProtocolFactory = Factory>
  extends ProtocolTransport<F>
  implements ITelnetProtocol
{
  declare transport: ITelnetTransport;
  /** The protocol within; null before the connection is made and after it is lost. */
  protocol: ITerminalProtocol | null = null;
  /** Size of the window in characters, once it is known. */
  width = 0;
  /** Rows. */
  height = 0;
  /** Which characters stand for what in the client, if it said so; see RFC 1184. */
  localCharacters: readonly LocalCharacter[] = [];
  readonly #make: () => ITerminalProtocol;

  constructor(protocolFactory: () => ITerminalProtocol) {
    super();
    this.#make = protocolFactory;
  }

  override connectionMade(): void {
    const { transport } = this;
    transport.negotiationMap.set(NAWS, (data) => this.telnet_NAWS(data));
    transport.negotiationMap.set(TTYPE, (data) => this.telnet_TTYPE(data));
    transport.negotiationMap.set(LINEMODE, (data) => this.telnet_LINEMODE(data));
    for (const [command, key] of KEYS) {
      transport.commandMap.set(command, () => this.dataReceived(Buffer.from(key)));
    }
    transport.commandMap.set(AYT, () => this.write('[yes]\n'));
    transport.commandMap.set(AO, () => {});
    const protocol: ITerminalProtocol & { factory?: unknown } = this.#make();
    if (this.factory !== undefined) protocol.factory = this.factory;
    this.protocol = protocol;
    for (const option of [LINEMODE, NAWS, SGA, TTYPE]) this.#settled(transport.do(option));
    for (const option of [ECHO, SGA]) this.#settled(transport.will(option));
    this.#watch(protocol.makeConnection(this));
  }

  /** What is refused is done without, and of a lost connection everybody hears anyway. */
  #settled(negotiated: ReturnType<ITelnetTransport['do']>): void {
    negotiated.addErrback(() => undefined);
  }

  override dataReceived(data: Buffer): void {
    this.#watch(this.protocol?.dataReceived(data));
  }

  override connectionLost(reason: Failure = connectionDone): void {
    const { protocol } = this;
    this.connected = false;
    this.protocol = null;
    this.#watch(protocol?.connectionLost(reason));
  }

  #watch(result: unknown): void {
    if (!(result instanceof Promise)) return;
    result.catch((error: unknown) => {
      reportFailure(error, `Unhandled error in ${this.logPrefix()}`);
      this.transport.abortConnection();
    });
  }

  override logPrefix(): string {
    return this.protocol?.logPrefix?.() ?? super.logPrefix();
  }

  // ------------------------------------------------------------------------------------------ options

  enableLocal(option: number): boolean {
    if (option === ECHO) this.protocol?.terminalEcho?.(true);
    return option === ECHO || option === SGA;
  }

  enableRemote(option: number): boolean {
    if (option === LINEMODE) {
      // Every character as it is typed, ^C as well: a client that makes a command of it (TRAPSIG) drops what we say next.
      this.transport.requestNegotiation(LINEMODE, Buffer.of(LINEMODE_MODE, 0));
    }
    if (option === TTYPE) this.transport.requestNegotiation(TTYPE, Buffer.of(TTYPE_SEND));
    return option === LINEMODE || option === NAWS || option === SGA || option === TTYPE;
  }

  disableLocal(option: number): void {
    if (option === ECHO) this.protocol?.terminalEcho?.(false);
  }

  disableRemote(_option: number): void {}

  unhandledCommand(_command: number): void {}

  unhandledSubnegotiation(_option: number, _data: Buffer): void {}

  /** The size of the window: width and height, two bytes each. */
  telnet_NAWS(data: Buffer): void {
    if (data.length !== 4) {
      this.#odd(`a window size of ${data.length} bytes`);
      return;
    }
    this.width = data.readUInt16BE(0);
    this.height = data.readUInt16BE(2);
    this.protocol?.terminalSize?.(this.width, this.height);
  }

  /** The name of the terminal's type. */
  telnet_TTYPE(data: Buffer): void {
    const name = data.toString('latin1', 1);
    if (data[0] === TTYPE_IS && TYPE_NAME.test(name)) this.protocol?.terminalType?.(name);
    else this.#odd('a terminal type');
  }

  /** How far the client goes with modes is its own affair; of its characters we take note. */
  telnet_LINEMODE(data: Buffer): void {
    if (data[0] === LINEMODE_SLC) this.localCharacters = parseLocalCharacters(data);
  }

  #odd(what: string): void {
    const message = `The peer sent ${what} that makes no sense: ignored`;
    logEvent({ level: 'debug', system: this.logPrefix(), message });
  }
}
