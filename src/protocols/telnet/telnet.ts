/** One end of a telnet connection (Twisted: `twisted.conch.telnet.Telnet` and `TelnetTransport`). */
import {
  type Deferred,
  type DeferredClock,
  type Failure,
  getDefaultClock,
  reportFailure,
} from '../../deferred/index.ts';
import { type Data, type IProtocolFactory, logEvent } from '../../reactor/index.ts';
import { bytesOf } from '../data.ts';
import { checkLimits } from '../option-checks.ts';
import { connectionDone, type Factory } from '../protocol.ts';
import { CR, IAC, LF, SB, SE, TRANSMIT_BINARY } from './constants.ts';
import { TelnetError, TelnetLimitExceeded } from './errors.ts';
import type { ITelnetProtocol, ITelnetTransport, Subnegotiation } from './interfaces.ts';
import { type OptionHost, OptionNegotiator, type OptionSide } from './options.ts';
import { type TelnetEvents, TelnetParser, type TelnetParserOptions } from './parser.ts';
import { ProtocolTransport } from './protocol-transport.ts';

/** Options of `Telnet`. */
export interface TelnetOptions extends TelnetParserOptions {
  /** Negotiations and subnegotiations that may come in a second; with more the connection is aborted. Default 100. */
  maxNegotiationsPerSecond?: number;
  /** Whose seconds these are. Default: the reactor's. */
  clock?: DeferredClock;
}

/**
 * Speaks telnet: takes commands out of what comes, and negotiates options. Every option is refused unless `enableLocal` or `enableRemote` are overridden.
 *
 * A peer that breaks a limit has its connection aborted, and a warning logged.
 *
 * Twisted: `twisted.conch.telnet.Telnet`.
 */
export class Telnet<F extends IProtocolFactory = Factory>
  extends ProtocolTransport<F>
  implements ITelnetTransport, OptionHost, TelnetEvents
{
  readonly negotiationMap: Map<number, Subnegotiation> = new Map();
  readonly commandMap: Map<number, () => void> = new Map();
  readonly #parser: TelnetParser;
  readonly #options: OptionNegotiator;
  readonly #limit: number;
  readonly #clock: DeferredClock | undefined;
  #broken = false;
  /** Subnegotiations that are asked for while an option is decided on: they wait until the peer knows that it is on. */
  #requests: Buffer[] | undefined;
  /** Negotiations that came since `#since`. */
  #count = 0;
  #since = Number.NEGATIVE_INFINITY;

  constructor(options: TelnetOptions = {}) {
    super();
    checkLimits(options, ['maxNegotiationsPerSecond']);
    this.#parser = new TelnetParser(this, options);
    this.#options = new OptionNegotiator(this);
    this.#limit = options.maxNegotiationsPerSecond ?? 100;
    this.#clock = options.clock;
  }

  // -------------------------------------------------------------------------------------- to override

  /** What was said, without commands: lines end with LF. The buffer is yours. */
  applicationDataReceived(_data: Buffer): unknown {
    return undefined;
  }

  /** A command came that is not in `commandMap`. */
  unhandledCommand(_command: number): void {}

  /** A subnegotiation came that is not in `negotiationMap`. The buffer is yours. */
  unhandledSubnegotiation(_option: number, _data: Buffer): void {}

  /** Whether we will do what the peer asks for. */
  enableLocal(_option: number): boolean {
    return false;
  }

  /** Whether the peer may do what it offers. */
  enableRemote(_option: number): boolean {
    return false;
  }

  /** We must not do it any more. */
  disableLocal(_option: number): void {}

  /** The peer does not do it any more. */
  disableRemote(_option: number): void {}

  // ------------------------------------------------------------------------------------------ options

  do(option: number): Deferred<true> {
    return this.#options.ask('remote', option, true);
  }

  dont(option: number): Deferred<true> {
    return this.#options.ask('remote', option, false);
  }

  will(option: number): Deferred<true> {
    return this.#options.ask('local', option, true);
  }

  wont(option: number): Deferred<true> {
    return this.#options.ask('local', option, false);
  }

  isEnabled(side: OptionSide, option: number): boolean {
    return this.#options.isEnabled(side, option);
  }

  requestNegotiation(about: number, data: Data): void {
    const bytes = escapeIAC(bytesOf(data, 'send a subnegotiation'));
    const request = Buffer.concat([Buffer.of(IAC, SB, about), bytes, Buffer.of(IAC, SE)]);
    if (this.#requests === undefined) this.transport.write(request);
    else this.#requests.push(request);
  }

  /** Sends a command without an option: `GA`, `AYT`, ... */
  sendCommand(command: number): void {
    this.transport.write(Buffer.of(IAC, command));
  }

  sendNegotiation(command: number, option: number): void {
    this.transport.write(Buffer.of(IAC, command, option));
  }

  // ---------------------------------------------------------------------------------------- receiving

  override dataReceived(data: Buffer): void {
    if (this.stopped()) return;
    // From here on CR is a character like others, if the peer said so.
    this.#parser.binary = this.isEnabled('remote', TRANSMIT_BINARY);
    try {
      this.#parser.receive(data);
    } catch (error) {
      if (!(error instanceof TelnetError)) throw error;
      this.#break(error);
    }
  }

  stopped(): boolean {
    return this.#broken || this.transport.disconnecting;
  }

  commandReceived(command: number): void {
    const take = this.commandMap.get(command);
    if (take === undefined) this.unhandledCommand(command);
    else take();
  }

  negotiationReceived(command: number, option: number): void {
    this.#meter();
    this.#requests = [];
    try {
      this.#options.hear(command, option);
    } finally {
      const requests = this.#requests;
      this.#requests = undefined;
      for (const request of requests) this.transport.write(request);
    }
    if (option === TRANSMIT_BINARY) this.#parser.binary = this.isEnabled('remote', option);
  }

  subnegotiationReceived(option: number, data: Buffer): void {
    this.#meter();
    const take = this.negotiationMap.get(option);
    if (take === undefined) this.unhandledSubnegotiation(option, data);
    else take(data);
  }

  /** @throws {TelnetLimitExceeded} */
  #meter(): void {
    const now = (this.#clock ?? getDefaultClock()).seconds();
    if (now - this.#since >= 1) {
      this.#since = now;
      this.#count = 0;
    }
    this.#count += 1;
    if (this.#count > this.#limit) {
      throw new TelnetLimitExceeded(`More than ${this.#limit} negotiations in a second`);
    }
  }

  #break(error: TelnetError): void {
    this.#broken = true;
    const message = `Connection aborted: ${error.name}: ${error.message}`;
    logEvent({ level: 'warn', system: this.logPrefix(), message });
    this.transport.abortConnection();
  }

  override connectionLost(reason: Failure = connectionDone): void {
    this.connected = false;
    this.#options.failAll(reason);
  }
}

/** Makes the protocol of a connection: a class without required arguments, or a function. */
export type TelnetProtocolMaker = (new () => ITelnetProtocol) | (() => ITelnetProtocol);

/**
 * The transport of a protocol over telnet: that gets what is said, and decides on options. What is written has LF made CR LF, a CR that stands alone CR NUL, and 255 doubled.
 *
 * `protocol` may be another one later; whoever changes it connects it.
 *
 * Twisted: `twisted.conch.telnet.TelnetTransport`.
 *
 * @example
 * reactor.listenTCP(2323, Factory.forProtocol(TelnetTransport, () => new Greeter()));
 */
export class TelnetTransport<F extends IProtocolFactory = Factory> extends Telnet<F> {
  /** The protocol within; null before the connection is made and after it is lost. */
  protocol: ITelnetProtocol | null = null;
  readonly #make: TelnetProtocolMaker | undefined;

  constructor(protocolFactory?: TelnetProtocolMaker, options: TelnetOptions = {}) {
    super(options);
    this.#make = protocolFactory;
  }

  override connectionMade(): void {
    if (this.#make === undefined) return;
    const protocol: ITelnetProtocol & { factory?: unknown } = make(this.#make);
    if (this.factory !== undefined) protocol.factory = this.factory;
    this.protocol = protocol;
    this.#watch(protocol.makeConnection(this));
  }

  override applicationDataReceived(data: Buffer): void {
    this.#watch(this.protocol?.dataReceived(data));
  }

  override unhandledCommand(command: number): void {
    this.protocol?.unhandledCommand(command);
  }

  override unhandledSubnegotiation(option: number, data: Buffer): void {
    this.protocol?.unhandledSubnegotiation(option, data);
  }

  override enableLocal(option: number): boolean {
    return this.protocol?.enableLocal(option) === true;
  }

  override enableRemote(option: number): boolean {
    return this.protocol?.enableRemote(option) === true;
  }

  override disableLocal(option: number): void {
    this.protocol?.disableLocal(option);
  }

  override disableRemote(option: number): void {
    this.protocol?.disableRemote(option);
  }

  override write(data: Data): void {
    const bytes = bytesOf(data, 'write');
    this.transport.write(
      this.isEnabled('local', TRANSMIT_BINARY) ? escapeIAC(bytes) : encode(bytes),
    );
  }

  override connectionLost(reason: Failure = connectionDone): void {
    const { protocol } = this;
    this.protocol = null;
    try {
      super.connectionLost(reason);
    } finally {
      this.#watch(protocol?.connectionLost(reason));
    }
  }

  /** A callback of the protocol that fails later costs the connection as one that throws. */
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
}

function make(maker: TelnetProtocolMaker): ITelnetProtocol {
  // An arrow function has no prototype and cannot be constructed; a class, or a function that returns an object, can.
  return maker.prototype === undefined
    ? (maker as () => ITelnetProtocol)()
    : new (maker as new () => ITelnetProtocol)();
}

/** Bytes with each IAC doubled; the same buffer if there is none. */
function escapeIAC(bytes: Buffer): Buffer {
  if (bytes.indexOf(IAC) < 0) return bytes;
  return Buffer.from(bytes.toString('latin1').replaceAll('\xff', '\xff\xff'), 'latin1');
}

const ENDS = /\r\n|\r|\n/g;

/** Bytes as they go over the network virtual terminal. */
function encode(bytes: Buffer): Buffer {
  if (bytes.indexOf(LF) < 0 && bytes.indexOf(CR) < 0) return escapeIAC(bytes);
  const text = bytes.toString('latin1').replace(ENDS, (end) => (end === '\r' ? '\r\0' : '\r\n'));
  return Buffer.from(text.replaceAll('\xff', '\xff\xff'), 'latin1');
}
