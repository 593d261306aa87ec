/** Port forwarding: connections that are handed on to somewhere else (Twisted: `twisted.protocols.portforward`). */
export {
  ForwardedConnection,
  ForwardingFactory,
  type ForwardingOptions,
  ProxyClient,
  ProxyClientFactory,
  ProxyFactory,
  type ProxyFactoryOptions,
  ProxyServer,
  portForward,
} from './proxy.ts';
