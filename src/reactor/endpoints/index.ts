/** Places to listen and to connect to, as objects and as text (Twisted: `twisted.internet.endpoints`). */
export { AdoptedStreamServerEndpoint } from './adopted.ts';
export { connectProtocol } from './connect-protocol.ts';
export {
  type ArgumentReader,
  type ArgumentReaders,
  type ArgumentValues,
  EndpointDescription,
  EndpointSyntaxError,
  endpointArgument,
  quoteStringArgument,
} from './description.ts';
export { InvalidHostnameError, type NameConnector } from './happy-eyeballs.ts';
export { HostnameEndpoint, type HostnameEndpointOptions } from './hostname-endpoint.ts';
export {
  ProcessEndpoint,
  type ProcessEndpointOptions,
  type StandardErrorBehavior,
} from './process.ts';
export { SSL4ClientEndpoint, SSL4ServerEndpoint } from './ssl.ts';
export { StandardIOEndpoint } from './stdio.ts';
export {
  type ClientEndpointParser,
  clientFromString,
  registerClientEndpointParser,
  registerServerEndpointParser,
  type ServerEndpointParser,
  serverFromString,
} from './strings.ts';
export { ListenFDs } from './systemd.ts';
export {
  TCP4ClientEndpoint,
  TCP4ServerEndpoint,
  TCP6ClientEndpoint,
  TCP6ServerEndpoint,
} from './tcp.ts';
export { UNIXClientEndpoint, UNIXServerEndpoint } from './unix.ts';
export { type WrapClientTLSOptions, wrapClientTLS } from './wrap-client-tls.ts';
