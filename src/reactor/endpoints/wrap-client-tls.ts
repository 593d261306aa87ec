/** TLS over whatever a client endpoint connects to (Twisted: `wrapClientTLS`). */
import { type Deferred, type Failure, fail } from '../../deferred/index.ts';
import type { Address } from '../address.ts';
import { TLSError } from '../errors.ts';
import type { EndpointFactory, IProtocol, StreamClientEndpoint, Transport } from '../interfaces.ts';
import { logPrefixOf } from '../log-prefix.ts';
import { tlsContextFactory } from '../tls/index.ts';
import type {
  StartTLSOptions,
  TLSContext,
  TLSContextFactory,
  TLSTransport,
} from '../tls-interfaces.ts';
import { WrappingProtocol } from './connecting-factory.ts';
import { HostnameEndpoint } from './hostname-endpoint.ts';

/** Options of `wrapClientTLS`. */
export interface WrapClientTLSOptions {
  /** Whom the server's certificate has to name. Default: what the context says, then the host of a `HostnameEndpoint`, then what the transport is connected to. */
  readonly hostname?: string;
  /** Seconds the handshake may take, once connected; null never gives up. Default 30. */
  readonly handshakeTimeout?: number | null;
}

function isTLSTransport(transport: Transport): transport is TLSTransport {
  return 'startTLS' in transport && typeof transport.startTLS === 'function';
}

/** Has TLS begun before the protocol in it sees the transport. */
class StartingTLS<P extends IProtocol> extends WrappingProtocol {
  readonly wrapped: P;
  readonly #context: TLSContextFactory;
  readonly #options: StartTLSOptions;
  /** Why there is no TLS. The protocol hears of nothing then: it never had a connection. */
  error: unknown;

  constructor(wrapped: P, context: TLSContextFactory, options: StartTLSOptions) {
    // The endpoint beneath has a wrapper of its own, which tells how it went.
    super(
      wrapped,
      () => {},
      () => {},
    );
    this.wrapped = wrapped;
    this.#context = context;
    this.#options = options;
  }

  override makeConnection(transport: Transport): unknown {
    try {
      if (!isTLSTransport(transport)) {
        throw new TLSError(`Cannot start TLS to ${transport.getPeer()}: the transport has none`);
      }
      transport.startTLS(this.#context, this.#options);
    } catch (error) {
      this.error = error;
      transport.abortConnection();
      return undefined;
    }
    return super.makeConnection(transport);
  }

  override dataReceived(data: Buffer): unknown {
    return this.error === undefined ? super.dataReceived(data) : undefined;
  }

  override connectionLost(reason: Failure): unknown {
    return this.error === undefined ? super.connectionLost(reason) : undefined;
  }
}

class TLSWrapperEndpoint implements StreamClientEndpoint {
  readonly #context: TLSContext;
  readonly #endpoint: StreamClientEndpoint;
  readonly #options: StartTLSOptions;

  constructor(context: TLSContext, endpoint: StreamClientEndpoint, options: WrapClientTLSOptions) {
    const { hostname, handshakeTimeout } = options;
    const known = endpoint instanceof HostnameEndpoint ? endpoint.hostText : undefined;
    const name = hostname ?? known;
    this.#context = context;
    this.#endpoint = endpoint;
    this.#options = {
      isClient: true,
      ...(name === undefined ? {} : { hostname: name }),
      ...(handshakeTimeout === undefined ? {} : { handshakeTimeout }),
    };
  }

  connect<P extends IProtocol = IProtocol>(factory: EndpointFactory<P>): Deferred<P> {
    let context: TLSContextFactory;
    const { hostname } = this.#options;
    try {
      context = tlsContextFactory(this.#context);
      // Without a name, the transport alone knows whom it is connected to.
      if (hostname !== undefined) context.clientSettings(hostname);
    } catch (error) {
      return fail(error);
    }
    const wrapping: EndpointFactory<StartingTLS<P>> = {
      buildProtocol: (address: Address) => {
        const protocol = factory.buildProtocol(address);
        if (protocol === null || protocol === undefined) return protocol;
        return new StartingTLS(protocol, context, this.#options);
      },
      doStart: () => factory.doStart(),
      doStop: () => factory.doStop(),
      logPrefix: () => logPrefixOf(factory),
    };
    return this.#endpoint.connect(wrapping).addCallback((starting) => {
      if (starting.error !== undefined) throw starting.error;
      return starting.wrapped;
    });
  }
}

/**
 * An endpoint that connects as `endpoint` does and goes on under TLS: `connectionMade` finds a transport that encrypts already. As everywhere, the Deferred fires before the
 * handshake; that it failed is for the protocol's `connectionLost` to hear. Fails with `TLSError` where the transport knows no TLS, and for credentials that cannot
 * be used, in most cases before anything is connected.
 *
 * @example
 * const endpoint = wrapClientTLS(optionsForClientTLS('example.org'), new HostnameEndpoint(reactor, 'example.org', 443));
 */
export function wrapClientTLS(
  context: TLSContext,
  endpoint: StreamClientEndpoint,
  options: WrapClientTLSOptions = {},
): StreamClientEndpoint {
  return new TLSWrapperEndpoint(context, endpoint, options);
}
