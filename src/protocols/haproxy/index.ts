/** The PROXY protocol, by which a proxy says whose connections it hands on: version 1 and 2, reading and writing. */
import './endpoint.ts';

export {
  HAProxyClientFactory,
  HAProxyClientProtocol,
  ownAddresses,
  type ProxyHeaderSource,
  proxyClientEndpoint,
} from './client.ts';
export { encodeProxyHeader, type ProxyHeaderContents } from './encode.ts';
export { InvalidNetworkProtocol, InvalidProxyHeader, MissingAddressData } from './errors.ts';
export { type ProxyAddress, type ProxyHeader, type ProxyTLV, ProxyTLVType } from './header.ts';
export {
  type ParsedProxyHeader,
  ProxyHeaderParser,
  type ProxyHeaderParserOptions,
} from './parser.ts';
export { encodeProxyTLS, type ProxyTLS, proxyTLSOf, proxyValueOf } from './tls-values.ts';
export {
  type HAProxyOptions,
  HAProxyProtocolWrapper,
  HAProxyWrappingFactory,
  proxyEndpoint,
  proxyHeaderOf,
} from './wrapper.ts';
