/** The client's side of SOCKS: endpoints that connect through a proxy, for any protocol. */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import {
  Deferred,
  type DeferredClock,
  type DeferredTimer,
  type Failure,
  getDefaultClock,
  succeed,
} from '../../deferred/index.ts';
import {
  type Address,
  ConnectingCancelledError,
  ConnectionDone,
  type EndpointFactory,
  HostnameAddress,
  type HostnameResolver,
  type IProtocol,
  IPv4Address,
  IPv6Address,
  NoProtocol,
  type StartTLSOptions,
  type StreamClientEndpoint,
  TimeoutError,
  type TLSContext,
  type TLSTransport,
  type Transport,
} from '../../reactor/index.ts';
import { checkTimes } from '../option-checks.ts';
import { ProtocolWrapper, WrappingFactory } from '../policies/wrapping.ts';
import { SOCKSAuthenticationError, SOCKSError, SOCKSRefusedError } from './errors.ts';
import {
  encodeGreeting,
  encodeLogin,
  encodeRequest,
  encodeRequest4,
  SOCKS4Reply,
  type SOCKSAddress,
  SOCKSMethod,
  SOCKSReply,
  type SOCKSServerMessage,
} from './messages.ts';
import { addressesOf } from './opening.ts';
import { SOCKSClientParser, type SOCKSExpected } from './parser.ts';

/** Options of both endpoints. */
export interface SOCKSClientOptions {
  /** Seconds in which the proxy, once connected, has to connect to the host; null never gives up. Default 60. */
  timeout?: number | null;
  /** Looks the host up here. Default: the proxy is told the name, and nobody else hears of it. */
  resolver?: HostnameResolver;
  /** Whose seconds these are. Default: the reactor's. */
  clock?: DeferredClock;
}

/** Options of a `SOCKS5ClientEndpoint`. */
export interface SOCKS5ClientOptions extends SOCKSClientOptions {
  /** As whom to log in (RFC 1929): 1 to 255 bytes. They go to the proxy in clear. Default: no log-in. */
  username?: string;
  /** 1 to 255 bytes. */
  password?: string;
}

/** Options of a `SOCKS4ClientEndpoint`. */
export interface SOCKS4ClientOptions extends SOCKSClientOptions {
  /** What the proxy is told the user is called. Default none. */
  userId?: string;
}

const REPLIES: Readonly<Record<number, string>> = {
  [SOCKSReply.GENERAL_FAILURE]: 'general failure',
  [SOCKSReply.NOT_ALLOWED]: 'not allowed by its rules',
  [SOCKSReply.NETWORK_UNREACHABLE]: 'network unreachable',
  [SOCKSReply.HOST_UNREACHABLE]: 'host unreachable',
  [SOCKSReply.CONNECTION_REFUSED]: 'connection refused',
  [SOCKSReply.TTL_EXPIRED]: 'took too long',
  [SOCKSReply.COMMAND_NOT_SUPPORTED]: 'command not supported',
  [SOCKSReply.ADDRESS_TYPE_NOT_SUPPORTED]: 'kind of address not supported',
  91: 'refused or failed',
  92: 'cannot reach identd on the client',
  93: 'identd reports another user',
};

/** What to say to the proxy, and what to make of its answers. */
interface Conversation {
  readonly first: Buffer;
  readonly expect: SOCKSExpected;
  /** The answer to `message`, and what is expected then; undefined when all is said. May throw `SOCKSError`. */
  next(message: SOCKSServerMessage): { say: Buffer; expect: SOCKSExpected } | undefined;
}

function refused(where: string, version: 4 | 5, reply: number): SOCKSRefusedError {
  const why = REPLIES[reply] ?? 'unknown reason';
  return new SOCKSRefusedError(
    `Could not connect to ${where} through the SOCKS proxy: ${why} (${reply})`,
    version,
    reply,
  );
}

function talk5(target: SOCKSAddress, where: string, options: SOCKS5ClientOptions): Conversation {
  const { username, password } = options;
  const login =
    username === undefined && password === undefined
      ? undefined
      : encodeLogin(username ?? '', password ?? '');
  const { NONE, PASSWORD } = SOCKSMethod;
  const request = { say: encodeRequest('connect', target), expect: 'answer' } as const;
  return {
    first: encodeGreeting(login === undefined ? [NONE] : [NONE, PASSWORD]),
    expect: 'method',
    next(message) {
      if (message.type === 'method') {
        if (message.method === NONE) return request;
        if (message.method === PASSWORD && login !== undefined) {
          return { say: login, expect: 'loginResult' };
        }
        const why = login === undefined ? 'it wants a log-in' : 'it takes no log-in by password';
        throw new SOCKSAuthenticationError(`Cannot use the SOCKS proxy: ${why}`);
      }
      if (message.type === 'loginResult') {
        if (message.accepted) return request;
        throw new SOCKSAuthenticationError('Cannot use the SOCKS proxy: it refused the log-in');
      }
      if (message.reply !== SOCKSReply.SUCCEEDED) throw refused(where, 5, message.reply);
      return undefined;
    },
  };
}

function talk4(target: SOCKSAddress, where: string, options: SOCKS4ClientOptions): Conversation {
  return {
    first: encodeRequest4('connect', target, options.userId ?? ''),
    expect: 'answer4',
    next(message) {
      const reply = message.type === 'answer' ? message.reply : 0;
      if (reply !== SOCKS4Reply.GRANTED) throw refused(where, 4, reply);
      return undefined;
    },
  };
}

/** The factory that the proxy's endpoint gets: it starts and stops with the user's. */
class ThroughProxy<P extends IProtocol> extends WrappingFactory {
  readonly through: EndpointFactory<P>;
  readonly conversation: Conversation;
  readonly target: Address;
  readonly done: Deferred<P>;

  constructor(
    through: EndpointFactory<P>,
    conversation: Conversation,
    target: Address,
    done: Deferred<P>,
  ) {
    // What a wrapping factory asks for besides, an endpoint's factory has no need of.
    super({ ...stub, logPrefix: () => through.logPrefix?.() ?? through.constructor.name });
    this.through = through;
    this.conversation = conversation;
    this.target = target;
    this.done = done;
  }

  override doStart(): void {
    this.through.doStart();
  }

  override doStop(): void {
    this.through.doStop();
  }

  override buildProtocol(): SOCKSClientWrapper<P> {
    return new SOCKSClientWrapper(this);
  }
}

const stub = { buildProtocol: () => null, doStart() {}, doStop() {} };

/** Talks to the proxy, and is then the transport of a protocol that sees the host it wanted to be connected to. */
class SOCKSClientWrapper<P extends IProtocol> extends ProtocolWrapper {
  readonly #through: ThroughProxy<P>;
  readonly #parser: SOCKSClientParser;
  #isOpen = false;

  constructor(factory: ThroughProxy<P>) {
    super(factory, null);
    this.#through = factory;
    this.#parser = new SOCKSClientParser(factory.conversation.expect);
  }

  override makeConnection(transport: Transport): unknown {
    this.takeTransport(transport);
    transport.write(this.#through.conversation.first);
    return undefined;
  }

  override dataReceived(data: Buffer): unknown {
    if (this.#isOpen) return super.dataReceived(data);
    if (this.#through.done.called) return undefined;
    this.#parser.receive(data);
    try {
      for (;;) {
        const message = this.#parser.next();
        if (message === undefined) return undefined;
        const answer = this.#through.conversation.next(message);
        if (answer === undefined) return this.#open();
        this.transport.write(answer.say);
        this.#parser.expect(answer.expect);
      }
    } catch (error) {
      if (!(error instanceof SOCKSError)) throw error;
      this.#failed(error);
      return undefined;
    }
  }

  #open(): unknown {
    const { through, target, done } = this.#through;
    let protocol: P | null | undefined;
    try {
      protocol = through.buildProtocol(target);
      if (protocol === null || protocol === undefined) {
        throw new NoProtocol(`No protocol for the connection to ${target}`);
      }
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
    this.#isOpen = true;
    this.wrappedProtocol = protocol;
    const rest = this.#parser.takeRest();
    this.#forTLS(this.transport, rest);
    let result: unknown;
    try {
      result = this.startWrapped();
    } catch (error) {
      if (!done.called) done.errback(error);
      throw error;
    }
    if (!done.called) done.callback(protocol);
    if (this.#rest === undefined || this.disconnecting) return result;
    this.#rest = undefined;
    const delivered = super.dataReceived(rest);
    return result === undefined || delivered === undefined
      ? (result ?? delivered)
      : Promise.all([result, delivered]);
  }

  /** What came behind the proxy's answer, until it is the protocol's, or TLS's. */
  #rest: Buffer | undefined;

  /** TLS is with the host behind the proxy: that one has to prove who it is, and what came behind the proxy's answer is its. */
  #forTLS(transport: Transport & Partial<Pick<TLSTransport, 'startTLS'>>, rest: Buffer): void {
    if (rest.length > 0) this.#rest = rest;
    if (transport.startTLS === undefined) return;
    const { target } = this.#through;
    const hostname = target instanceof HostnameAddress ? target.hostname : hostOf(target);
    Object.defineProperty(this, 'startTLS', {
      configurable: true,
      value: (context: TLSContext, options: StartTLSOptions | boolean = {}): void => {
        const given = typeof options === 'boolean' ? { isClient: !options } : options;
        const received = this.#rest;
        this.#rest = undefined;
        transport.startTLS?.(context, {
          ...(hostname === undefined ? {} : { hostname }),
          ...given,
          ...(received === undefined ? {} : { received }),
        });
      },
    });
  }

  #failed(error: unknown): void {
    const { done } = this.#through;
    if (!done.called) done.errback(error);
    this.transport.abortConnection();
  }

  override connectionLost(reason: Failure): unknown {
    const { done } = this.#through;
    if (!done.called) {
      const how =
        reason.check(ConnectionDone) === null ? reason.getErrorMessage() : 'it was closed';
      done.errback(new SOCKSError(`Lost the connection to the SOCKS proxy: ${how}`));
    }
    return super.connectionLost(reason);
  }

  /** Where the proxy connected to. */
  override getPeer(): Address {
    return this.#isOpen ? this.#through.target : super.getPeer();
  }
}

function hostOf(address: Address): string | undefined {
  return 'host' in address ? address.host : undefined;
}

function addressOf({ host, port }: SOCKSAddress): Address {
  if (isIPv4(host)) return new IPv4Address('TCP', host, port);
  return isIPv6(host) ? new IPv6Address('TCP', host, port) : new HostnameAddress(host, port);
}

/** What cannot be said to a proxy is one more way not to be connected. */
function checked<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new SOCKSError(`Cannot ask the SOCKS proxy: ${error.message}`);
  }
}

type Talk = (target: SOCKSAddress) => Conversation;

function connectThrough<P extends IProtocol>(
  proxy: StreamClientEndpoint,
  target: SOCKSAddress,
  options: SOCKSClientOptions,
  talk: Talk,
  factory: EndpointFactory<P>,
): Deferred<P> {
  const where = `${target.host}:${target.port}`;
  const address = addressOf(target);
  const clock = options.clock ?? getDefaultClock();
  const { timeout = 60 } = options;
  let timer: DeferredTimer | undefined;
  let wrapper: SOCKSClientWrapper<P> | undefined;
  const done = new Deferred<P>(() => {
    done.errback(new ConnectingCancelledError(address));
    connecting.cancel();
    wrapper?.abortConnection();
  });
  const { resolver } = options;
  const looked: Deferred<string[]> =
    resolver !== undefined && isIP(target.host) === 0
      ? addressesOf(resolver, target.host, target.port)
      : succeed([target.host]);
  const connecting: Deferred<unknown> = looked.addCallback(([host = target.host]) => {
    const through = new ThroughProxy(factory, talk({ host, port: target.port }), address, done);
    return proxy.connect<SOCKSClientWrapper<P>>(through).addCallback((made) => {
      wrapper = made;
      if (done.called || timeout === null) return;
      timer = clock.callLater(timeout, () => {
        const message = `Could not connect to ${where} through the SOCKS proxy: no answer in ${timeout} s`;
        if (!done.called) done.errback(new TimeoutError(message));
        made.abortConnection();
      });
    });
  });
  connecting.addErrback((failure) => {
    if (!done.called) done.errback(failure);
  });
  done.addBoth((result) => {
    if (timer?.active()) timer.cancel();
    return result;
  });
  return done;
}

/**
 * Connects to `host` through a SOCKS 5 proxy (RFC 1928), by whatever endpoint reaches that: TCP, UNIX, TLS, another proxy. A name is looked up by the proxy, unless a
 * `resolver` is given. The protocol's transport says that it is connected to the host; TLS that is started on it is with the host.
 *
 * Fails with `SOCKSRefusedError`, `SOCKSAuthenticationError`, `SOCKSProtocolError` or another `SOCKSError`, with `TimeoutError`, or as the proxy's endpoint does.
 * @example
 * const proxy = new TCP4ClientEndpoint(reactor, '127.0.0.1', 1080);
 * const endpoint = new SOCKS5ClientEndpoint(proxy, 'example.org', 80, { username: 'alice', password: 'secret' });
 * const protocol = await connectProtocol(endpoint, new Greeter());
 */
export class SOCKS5ClientEndpoint implements StreamClientEndpoint {
  readonly #proxy: StreamClientEndpoint;
  readonly #target: SOCKSAddress;
  readonly #options: SOCKS5ClientOptions;

  constructor(
    proxy: StreamClientEndpoint,
    host: string,
    port: number,
    options: SOCKS5ClientOptions = {},
  ) {
    checkTimes(options, ['timeout']);
    this.#proxy = proxy;
    this.#target = { host, port };
    this.#options = options;
  }

  connect<P extends IProtocol = IProtocol>(factory: EndpointFactory<P>): Deferred<P> {
    const options = this.#options;
    const { host, port } = this.#target;
    const talk: Talk = (target) => checked(() => talk5(target, `${host}:${port}`, options));
    return connectThrough(this.#proxy, this.#target, options, talk, factory);
  }
}

/** Connects to `host` through a SOCKS 4 proxy; a name needs one that knows 4a, unless a `resolver` is given. Otherwise as `SOCKS5ClientEndpoint`. */
export class SOCKS4ClientEndpoint implements StreamClientEndpoint {
  readonly #proxy: StreamClientEndpoint;
  readonly #target: SOCKSAddress;
  readonly #options: SOCKS4ClientOptions;

  constructor(
    proxy: StreamClientEndpoint,
    host: string,
    port: number,
    options: SOCKS4ClientOptions = {},
  ) {
    checkTimes(options, ['timeout']);
    this.#proxy = proxy;
    this.#target = { host, port };
    this.#options = options;
  }

  connect<P extends IProtocol = IProtocol>(factory: EndpointFactory<P>): Deferred<P> {
    const options = this.#options;
    const { host, port } = this.#target;
    const talk: Talk = (target) => checked(() => talk4(target, `${host}:${port}`, options));
    return connectThrough(this.#proxy, this.#target, options, talk, factory);
  }
}
