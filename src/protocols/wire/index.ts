/** The small classics that every network has, as servers and clients (Twisted: `twisted.protocols.wire`, `finger`, `ident`). */
export {
  type AskingOptions,
  ask,
  daytime,
  quoteOfTheDay,
  timeOf,
  WireAnswerError,
} from './asking.ts';
export { Finger, type FingerAnswer, type FingerOptions, finger } from './finger.ts';
export {
  HiddenUser,
  type IdentAnswer,
  IdentClient,
  type IdentEnd,
  IdentError,
  IdentServer,
  InvalidPort,
  NoUser,
} from './ident.ts';
export { ProcIdentServer } from './proc-ident.ts';
export { Chargen, Daytime, Discard, Echo, QOTD, TIME_EPOCH, Time, Who } from './simple.ts';
