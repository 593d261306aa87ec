/** Clients that say, in a PROXY header ahead of all else, for whom they connect. */
import type { Deferred } from '../../deferred/index.ts';
import type {
  Address,
  EndpointFactory,
  IProtocol,
  IProtocolFactory,
  StreamClientEndpoint,
  Transport,
} from '../../reactor/index.ts';
import { ProtocolWrapper, type WrapperClass, WrappingFactory } from '../policies/wrapping.ts';
import { encodeProxyHeader, type ProxyHeaderContents } from './encode.ts';
import type { ProxyAddress } from './header.ts';

/** What a header is to say, or a function that finds it out for each connection, whose transport it is given. */
export type ProxyHeaderSource =
  | ProxyHeaderContents
  | ((transport: Transport) => ProxyHeaderContents);

/** A header for those who speak for themselves: it tells the addresses of the connection that it is sent on. */
export function ownAddresses(transport: Transport): ProxyHeaderContents {
  return {
    source: transport.getHost() as ProxyAddress, // a connection that stands has numeric addresses
    destination: transport.getPeer() as ProxyAddress,
  };
}

/**
 * Wraps a client's factory: each connection begins with a PROXY header, before the protocol hears of it. A header that cannot be written ends the connection.
 *
 * Over TLS the header goes through TLS, which is not what servers expect: use `proxyClientEndpoint` beneath `wrapClientTLS`.
 */
export class HAProxyClientFactory extends WrappingFactory {
  override protocol: WrapperClass = HAProxyClientProtocol;
  /** What is said in front of everything else. */
  readonly header: ProxyHeaderSource;

  constructor(wrappedFactory: IProtocolFactory, header: ProxyHeaderSource = ownAddresses) {
    super(wrappedFactory);
    this.header = header;
  }
}

/** One connection that begins with a header of ours. */
export class HAProxyClientProtocol extends ProtocolWrapper {
  override makeConnection(transport: Transport): unknown {
    const header = this.factory instanceof HAProxyClientFactory ? this.factory.header : {};
    try {
      const contents = typeof header === 'function' ? header(transport) : header;
      transport.write(encodeProxyHeader(contents));
    } catch (error) {
      // The protocol hears of nothing: it never had a connection.
      this.wrappedProtocol = null;
      transport.abortConnection();
      throw error;
    }
    return super.makeConnection(transport);
  }
}

/** For an endpoint, whose factories need not know of connectors. */
class EndpointWrappingFactory<P extends IProtocol> extends HAProxyClientFactory {
  readonly #factory: EndpointFactory<P>;
  readonly #built: WeakMap<ProtocolWrapper, P> = new WeakMap();

  constructor(factory: EndpointFactory<P>, header: ProxyHeaderSource) {
    super(factory, header);
    this.#factory = factory;
  }

  override buildProtocol(addr: Address): ProtocolWrapper | null {
    const protocol = this.#factory.buildProtocol(addr);
    if (protocol === null || protocol === undefined) return null;
    const wrapper = new this.protocol(this, protocol);
    this.#built.set(wrapper, protocol);
    return wrapper;
  }

  /** The protocol in a wrapper, even after its connection. */
  protocolIn(wrapper: ProtocolWrapper): P {
    return this.#built.get(wrapper) as P; // there are no other wrappers of this factory
  }
}

class ProxyClientEndpoint implements StreamClientEndpoint {
  readonly #endpoint: StreamClientEndpoint;
  readonly #header: ProxyHeaderSource;

  constructor(endpoint: StreamClientEndpoint, header: ProxyHeaderSource) {
    this.#endpoint = endpoint;
    this.#header = header;
  }

  connect<P extends IProtocol = IProtocol>(factory: EndpointFactory<P>): Deferred<P> {
    const wrapping = new EndpointWrappingFactory(factory, this.#header);
    const connected = this.#endpoint.connect<ProtocolWrapper>(wrapping);
    return connected.addCallback((wrapper) => wrapping.protocolIn(wrapper));
  }
}

/**
 * An endpoint that connects as `endpoint` does and sends a PROXY header first. Fails with `TypeError` or `RangeError` for a header that cannot be written; see `encodeProxyHeader`.
 *
 * @param header what it says; by default the addresses of the connection itself
 *
 * @example
 * const header = { version: 1, source: client.getPeer(), destination: client.getHost() };
 * const endpoint = wrapClientTLS(context, proxyClientEndpoint(new HostnameEndpoint(reactor, 'example.org', 443), header));
 */
export function proxyClientEndpoint(
  endpoint: StreamClientEndpoint,
  header: ProxyHeaderSource = ownAddresses,
): StreamClientEndpoint {
  return new ProxyClientEndpoint(endpoint, header);
}
