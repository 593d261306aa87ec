/** Servers behind a proxy that says, in a PROXY header, whose connections it hands on (Twisted: `twisted.protocols.haproxy`). */
import { type DeferredTimer, getDefaultClock, reportFailure } from '../../deferred/index.ts';
import {
  type Address,
  type IProtocol,
  type IProtocolFactory,
  logEvent,
  type ReactorTime,
  type StartTLSOptions,
  type StreamServerEndpoint,
  type TLSContext,
  type TLSTransport,
  type Transport,
  UNIXAddress,
} from '../../reactor/index.ts';
import { checkLimits, checkTimes } from '../option-checks.ts';
import { Refusals } from '../policies/refusals.ts';
import { ProtocolWrapper, type WrapperClass, WrappingFactory } from '../policies/wrapping.ts';
import { NetworkList } from '../socks/networks.ts';
import { InvalidProxyHeader } from './errors.ts';
import type { ProxyHeader } from './header.ts';
import { ProxyHeaderParser, type ProxyHeaderParserOptions } from './parser.ts';

/** Options of a `HAProxyWrappingFactory`. */
export interface HAProxyOptions extends ProxyHeaderParserOptions {
  /** Seconds in which the header has to be there; null waits for ever. Default 10. */
  headerTimeout?: number | null;
  /**
   * From whom connections are taken that begin with a header: addresses and networks ('10.0.0.0/8', '::1'), 'unix' for UNIX sockets, or a function that says. Default: from everybody,
   * so that none but the proxy may be able to connect.
   */
  trusted?: Iterable<string> | ((addr: Address) => boolean);
  /** What becomes of connections from others: they are closed, 'refuse', which is the default; or they are served as they are, without a header: 'direct'. */
  untrusted?: 'refuse' | 'direct';
  /** Whose seconds these are. Default: the reactor's. */
  clock?: Pick<ReactorTime, 'callLater'>;
}

/**
 * Wraps protocols whose connections begin with a PROXY header, of version 1 or 2. The wrapped factory hears of a connection when its header has been read: it is asked for a
 * protocol for the address that the header tells, and its protocol sees that address as `getPeer()`, and the one that was connected to as `getHost()`. A connection that
 * begins otherwise, or too late, is aborted and a warning logged; then the wrapped factory never hears of it.
 *
 * Anybody can send such a header: listen only where none but the proxy can connect, or name it in `trusted`.
 *
 * Twisted: `twisted.protocols.haproxy._wrapper.HAProxyWrappingFactory`.
 */
export class HAProxyWrappingFactory extends WrappingFactory {
  override protocol: WrapperClass = HAProxyProtocolWrapper;
  /** As they were given. */
  readonly options: HAProxyOptions;
  readonly #trusts: (addr: Address) => boolean;
  readonly #refusals = new Refusals();

  /** @throws {RangeError} for options that make no sense @throws {TypeError} for a network that is none */
  constructor(wrappedFactory: IProtocolFactory, options: HAProxyOptions = {}) {
    super(wrappedFactory);
    checkTimes(options, ['headerTimeout']);
    checkLimits(options, ['maxHeaderLength']);
    this.options = options;
    this.#trusts = trusts(options.trusted);
  }

  /** The wrapper only: what it wraps is made when it is known for whom. */
  override buildProtocol(addr: Address): ProtocolWrapper | null {
    if (this.#trusts(addr)) return new this.protocol(this, null);
    if (this.options.untrusted === 'direct') {
      const wrapped = this.wrappedFactory.buildProtocol(addr);
      return wrapped === null || wrapped === undefined ? null : new ProtocolWrapper(this, wrapped);
    }
    return this.#refusals.refuse(this.logPrefix(), `${addr} is no proxy that is trusted`);
  }
}

function trusts(trusted: HAProxyOptions['trusted']): (addr: Address) => boolean {
  if (trusted === undefined) return () => true;
  if (typeof trusted === 'function') return trusted;
  const names = [...trusted];
  const networks = new NetworkList(names.filter((name) => name !== 'unix'));
  const unix = names.includes('unix');
  return (addr) => {
    if (addr instanceof UNIXAddress) return unix;
    return 'host' in addr && networks.has(addr.host);
  };
}

type State = 'header' | 'open' | 'refused';

/** One connection that begins with a PROXY header. */
export class HAProxyProtocolWrapper extends ProtocolWrapper {
  /** What the proxy said; null before it has. */
  proxyHeader: ProxyHeader | null = null;
  readonly #options: HAProxyOptions;
  readonly #parser: ProxyHeaderParser;
  #state: State = 'header';
  #timer: DeferredTimer | undefined;
  #handshakeCompleted = false;
  /** Bytes from behind the header that wait because the protocol does not want any. */
  #held: Buffer | undefined;
  #paused = false;

  constructor(factory: WrappingFactory, wrappedProtocol: IProtocol | null) {
    super(factory, wrappedProtocol);
    this.#options = factory instanceof HAProxyWrappingFactory ? factory.options : {};
    this.#parser = new ProxyHeaderParser(this.#options);
  }

  override makeConnection(transport: Transport): unknown {
    this.takeTransport(transport);
    const { headerTimeout = 10, clock = getDefaultClock() } = this.#options;
    if (headerTimeout !== null) {
      this.#timer = clock.callLater(headerTimeout, () => {
        this.#timer = undefined;
        this.#refuse(`no complete PROXY header in ${headerTimeout} s`);
      });
    }
    return undefined;
  }

  override dataReceived(data: Buffer): unknown {
    if (this.#state === 'open') {
      if (this.#held === undefined) return super.dataReceived(data);
      // It waits behind what is held.
      this.#held = Buffer.concat([this.#held, data]);
      return undefined;
    }
    if (this.#state === 'refused') return undefined;
    let parsed: ReturnType<ProxyHeaderParser['receive']>;
    try {
      parsed = this.#parser.receive(data);
    } catch (error) {
      if (!(error instanceof InvalidProxyHeader)) throw error;
      this.#refuse(`${error.name}: ${error.message}`);
      return undefined;
    }
    if (parsed === undefined) return undefined;
    this.#cancelTimer();
    this.proxyHeader = parsed.header;
    return this.#open(parsed.rest);
  }

  /** Connects the protocol and gives it what came behind the header. */
  #open(rest: Buffer): unknown {
    this.#state = 'open';
    const wrapped = this.factory.wrappedFactory.buildProtocol(this.getPeer());
    if (wrapped === null || wrapped === undefined) {
      this.loseConnection();
      return undefined;
    }
    this.wrappedProtocol = wrapped;
    if (rest.length > 0) this.#held = rest;
    if (this.#held !== undefined) this.#keepForTLS(this.transport);
    const result = this.startWrapped();
    if (this.#handshakeCompleted) this.#tellHandshake();
    if (this.#paused) return result;
    const delivered = this.#release();
    if (result === undefined || delivered === undefined) return result ?? delivered;
    return Promise.all([result, delivered]);
  }

  #release(): unknown {
    const held = this.#held;
    this.#held = undefined;
    return held === undefined || this.disconnecting ? undefined : super.dataReceived(held);
  }

  /** A protocol that starts TLS at once wants what came behind the header for its handshake. */
  #keepForTLS(transport: Transport & Partial<Pick<TLSTransport, 'startTLS'>>): void {
    if (transport.startTLS === undefined) return;
    Object.defineProperty(this, 'startTLS', {
      configurable: true,
      value: (context: TLSContext, options: StartTLSOptions | boolean = {}): void => {
        const received = this.#held;
        this.#held = undefined;
        const given = typeof options === 'boolean' ? { isClient: !options } : options;
        transport.startTLS?.(context, received === undefined ? given : { ...given, received });
      },
    });
  }

  /** Over TLS the handshake is over before the header comes; the protocol hears of it when it is there. */
  handshakeCompleted(): unknown {
    this.#handshakeCompleted = true;
    return this.#state === 'open' ? this.#tellHandshake() : undefined;
  }

  #tellHandshake(): unknown {
    const wrapped: (IProtocol & { handshakeCompleted?(): unknown }) | null = this.wrappedProtocol;
    return wrapped?.handshakeCompleted?.();
  }

  #refuse(why: string): void {
    this.#state = 'refused';
    this.#cancelTimer();
    logEvent({
      level: 'warn',
      system: this.logPrefix(),
      message: `Closing the connection of ${super.getPeer()}: ${why}`,
    });
    this.abortConnection();
  }

  #cancelTimer(): void {
    if (this.#timer?.active()) this.#timer.cancel();
    this.#timer = undefined;
  }

  override connectionLost(...[reason]: Parameters<ProtocolWrapper['connectionLost']>): unknown {
    this.#cancelTimer();
    this.#held = undefined;
    return super.connectionLost(reason);
  }

  /** Who connected to the proxy, if it says; else the proxy. */
  override getPeer(): Address {
    return this.proxyHeader?.source ?? super.getPeer();
  }

  /** What was connected to, if the proxy says; else where we listen. */
  override getHost(): Address {
    return this.proxyHeader?.destination ?? super.getHost();
  }

  override pauseProducing(): void {
    this.#paused = true;
    super.pauseProducing();
  }

  override resumeProducing(): void {
    this.#paused = false;
    if (this.#held === undefined) {
      super.resumeProducing();
      return;
    }
    // Not from within the call, as on any transport.
    queueMicrotask(() => {
      if (this.#paused) return;
      // What was held may have been delivered since, or be TLS's.
      if (this.#held === undefined) super.resumeProducing();
      else this.#deliverHeld();
    });
  }

  /** What the protocol throws, or fails with, costs the connection, as if the transport had called it. */
  #deliverHeld(): void {
    const fail = (error: unknown): void => {
      const message = `Unhandled error in ${this.logPrefix()}`;
      reportFailure(error, message);
      this.loseConnection();
    };
    try {
      const result = this.#release();
      if (result instanceof Promise) result.catch(fail);
    } catch (error) {
      fail(error);
      return;
    }
    if (!this.#paused) super.resumeProducing();
  }
}

/** What the proxy said of a connection: of the transport that a protocol got, however it is wrapped. Null for one that did not come through a proxy. */
export function proxyHeaderOf(transport: Transport): ProxyHeader | null {
  const header = 'proxyHeader' in transport ? transport.proxyHeader : null;
  // No transport but ours has something of that name, and those in between hand it on.
  return header as ProxyHeader | null;
}

/**
 * An endpoint whose connections begin with a PROXY header; see `HAProxyWrappingFactory`.
 *
 * Twisted: `twisted.protocols.haproxy.proxyEndpoint`.
 */
export function proxyEndpoint(
  wrappedEndpoint: StreamServerEndpoint,
  options: HAProxyOptions = {},
): StreamServerEndpoint {
  return {
    listen: (factory) => wrappedEndpoint.listen(new HAProxyWrappingFactory(factory, options)),
  };
}
