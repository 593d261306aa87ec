/**
 * A manhole: a prompt over telnet, within a running application (Twisted: `twisted.conch.manhole`). There is none unless it is asked for; then on this machine only, and behind a
 * password.
 */
export { ManholeError } from './errors.ts';
export { type GateOptions, SlowingGate } from './gate.ts';
export {
  type Evaluation,
  Interpreter,
  type InterpreterOptions,
  type SessionConsole,
} from './interpreter.ts';
export { type KeyEvents, type KeyName, KeyParser } from './keys.ts';
export { type EditorHost, type EditorOptions, LineEditor } from './line-editor.ts';
export {
  ManholeFactory,
  type ManholeFactoryOptions,
  ManholeRealm,
  type ManholeServiceOptions,
  makeManholeService,
  type ServerClass,
} from './manhole.ts';
export { Manhole, type ManholeOptions } from './session.ts';
