/**
 * AMP, the Asynchronous Messaging Protocol: typed questions and answers over one connection, both ways, as Twisted speaks it. Some names, such as `String`, are those of things that
 * JavaScript has as well: `import * as amp from 'strand/protocols/amp'`.
 */
export { AMP, type AMPOptions } from './amp.ts';
export {
  AmpBoolean,
  AmpBoolean as Boolean,
  AmpList,
  AmpString,
  AmpString as String,
  type AnyArgument,
  Argument,
  type ArgumentOptions,
  BigInteger,
  DateTime,
  Decimal,
  Float,
  type Input,
  Integer,
  ListOf,
  LocalArgument,
  type Output,
  Path,
  type Schema,
  Unicode,
} from './arguments.ts';
export { AmpBox, AmpBox as Box, MAX_KEY_LENGTH, MAX_VALUE_LENGTH, QuitBox } from './box.ts';
export { BinaryBoxProtocol, type BoxProtocolOptions } from './box-protocol.ts';
export {
  Command,
  type CommandDefinition,
  type ErrorClass,
  type NoArguments,
  type Responder,
  type ResultOf,
} from './command.ts';
export {
  BoxDispatcher,
  type CallArguments,
  type Called,
  type CallOptions,
  type DispatcherOptions,
  type StringCallOptions,
} from './dispatcher.ts';
export {
  AmpError,
  BadArgument,
  BadLocalReturn,
  InvalidSignature,
  MalformedAmpBox,
  NoEmptyBoxes,
  OnlyOneTLS,
  ProtocolSwitched,
  RemoteAmpError,
  TooLong,
  TooManyQuestions,
  UnhandledCommand,
  UnknownRemoteError,
} from './errors.ts';
export type { BoxReceiver, BoxResponder, BoxSender, ResponderLocator } from './interfaces.ts';
export { CommandLocator } from './locator.ts';
export { type BoxLimits, BoxParser, parseBoxes, parseBoxes as parseString } from './parser.ts';
export { ProtocolSwitchCommand, type SwitchFactory } from './protocol-switch.ts';
export { StartTLS, StartTLSCommand } from './start-tls.ts';
