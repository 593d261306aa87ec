import type { Deferred } from '../../deferred/index.ts';
import type { EndpointFactory, IProtocol, StreamClientEndpoint } from '../interfaces.ts';
import { logPrefixOf } from '../log-prefix.ts';

/**
 * Connects one protocol that is there already, without a factory of one's own (Twisted: `connectProtocol`). Use a protocol for one connection only.
 * @returns fires with `protocol` once it is connected; otherwise as `endpoint.connect`
 */
export function connectProtocol<P extends IProtocol>(
  endpoint: StreamClientEndpoint,
  protocol: P,
): Deferred<P> {
  const factory: EndpointFactory<P> = {
    buildProtocol: () => protocol,
    doStart() {},
    doStop() {},
    logPrefix: () => logPrefixOf(protocol),
  };
  return endpoint.connect(factory);
}
