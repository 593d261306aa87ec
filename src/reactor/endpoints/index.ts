/** Places to listen and to connect to, as objects and as text (Twisted: `twisted.internet.endpoints`). */
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
  type ClientEndpointParser,
  clientFromString,
  registerClientEndpointParser,
  registerServerEndpointParser,
  type ServerEndpointParser,
  serverFromString,
} from './strings.ts';
export {
  TCP4ClientEndpoint,
  TCP4ServerEndpoint,
  TCP6ClientEndpoint,
  TCP6ServerEndpoint,
} from './tcp.ts';
export { UNIXClientEndpoint, UNIXServerEndpoint } from './unix.ts';
