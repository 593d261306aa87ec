/**
 * Telnet (RFC 854): a server's and a client's end, options by RFC 1143, terminals, and logging in. Many of its names are short: `import * as telnet from 'strand/protocols/telnet'`.
 *
 * Twisted: `twisted.conch.telnet`.
 */
export {
  type AuthenticatingOptions,
  AuthenticatingTelnetProtocol,
  type LoginGate,
  type LoginOutcome,
} from './authenticating.ts';
export { type ITerminalProtocol, TelnetBootstrapProtocol } from './bootstrap.ts';
export * from './constants.ts';
export {
  AlreadyDisabled,
  AlreadyEnabled,
  AlreadyNegotiating,
  NegotiationError,
  OptionRefused,
  TelnetError,
  TelnetLimitExceeded,
} from './errors.ts';
export { ITelnetProtocol, type ITelnetTransport, type Subnegotiation } from './interfaces.ts';
export { type LocalCharacter, parseLocalCharacters } from './linemode.ts';
export { type OptionHost, OptionNegotiator, type OptionSide } from './options.ts';
export { type TelnetEvents, TelnetParser, type TelnetParserOptions } from './parser.ts';
export { StatefulTelnetProtocol, TelnetProtocol } from './protocol.ts';
export {
  ProtocolTransport,
  ProtocolTransport as ProtocolTransportMixin,
} from './protocol-transport.ts';
export { Telnet, type TelnetOptions, type TelnetProtocolMaker, TelnetTransport } from './telnet.ts';
