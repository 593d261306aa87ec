/** SOCKS: a server of versions 4, 4a and 5, and client endpoints that connect through one. */
import './endpoint.ts';

export {
  SOCKS4ClientEndpoint,
  type SOCKS4ClientOptions,
  SOCKS5ClientEndpoint,
  type SOCKS5ClientOptions,
  type SOCKSClientOptions,
} from './client.ts';
export {
  SOCKSAuthenticationError,
  SOCKSError,
  SOCKSProtocolError,
  SOCKSRefusedError,
} from './errors.ts';
export {
  type SOCKSLoginCheck,
  SOCKSRealm,
  SOCKSServerFactory,
  type SOCKSServerOptions,
  type SOCKSSession,
  type SOCKSTarget,
  SOCKSUser,
} from './factory.ts';
export {
  SOCKS4Reply,
  type SOCKSAddress,
  type SOCKSAnswer,
  type SOCKSClientMessage,
  type SOCKSCommand,
  type SOCKSGreeting,
  type SOCKSLogin,
  type SOCKSLoginResult,
  SOCKSMethod,
  type SOCKSMethodChoice,
  SOCKSReply,
  type SOCKSRequest,
  type SOCKSServerMessage,
} from './messages.ts';
export { NetworkList, NOT_PUBLIC } from './networks.ts';
export type { SOCKSReactor } from './opening.ts';
export { SOCKSClientParser, type SOCKSExpected, SOCKSServerParser } from './parser.ts';
export { SOCKSServer } from './server.ts';
