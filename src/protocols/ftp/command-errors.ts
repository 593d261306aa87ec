/** What can be wrong with a command itself, or with when it comes: each error is a reply (RFC 959, 4.2). */
import { FTPCmdError } from './errors.ts';

/** There is no such command, or what was sent is none: 500. Twisted: `CmdSyntaxError`. */
export class CmdSyntaxError extends FTPCmdError {
  static {
    CmdSyntaxError.prototype.name = 'CmdSyntaxError';
  }
  override readonly code: string = 'ERR_FTP_SYNTAX';

  constructor(message: string, options?: ErrorOptions) {
    super(message, 500, options);
  }
}

/** The argument of a command cannot be made sense of: 501. Twisted: `CmdArgSyntaxError`. */
export class CmdArgSyntaxError extends FTPCmdError {
  static {
    CmdArgSyntaxError.prototype.name = 'CmdArgSyntaxError';
  }
  override readonly code: string = 'ERR_FTP_ARGUMENT_SYNTAX';

  constructor(message: string, options?: ErrorOptions) {
    super(message, 501, options);
  }
}

/** The command is known, and not to be had here: 502. Twisted: `CmdNotImplementedError`. */
export class CmdNotImplementedError extends FTPCmdError {
  static {
    CmdNotImplementedError.prototype.name = 'CmdNotImplementedError';
  }
  override readonly code: string = 'ERR_FTP_NOT_IMPLEMENTED';

  constructor(message: string, options?: ErrorOptions) {
    super(message, 502, options);
  }
}

/** A command comes before another that has to be first, or twice: 503. Twisted: `BadCmdSequenceError`. */
export class BadCmdSequenceError extends FTPCmdError {
  static {
    BadCmdSequenceError.prototype.name = 'BadCmdSequenceError';
  }
  override readonly code: string = 'ERR_FTP_SEQUENCE';

  constructor(message: string, options?: ErrorOptions) {
    super(message, 503, options);
  }
}

/** The command is to be had, with another argument: 504. Twisted: `CmdNotImplementedForArgError`. */
export class CmdNotImplementedForArgError extends FTPCmdError {
  static {
    CmdNotImplementedForArgError.prototype.name = 'CmdNotImplementedForArgError';
  }
  override readonly code: string = 'ERR_FTP_ARGUMENT_NOT_IMPLEMENTED';

  constructor(message: string, options?: ErrorOptions) {
    super(message, 504, options);
  }
}

/** Nobody is logged in, or may not be: 530. Twisted: `AuthorizationError`. */
export class AuthorizationError extends FTPCmdError {
  static {
    AuthorizationError.prototype.name = 'AuthorizationError';
  }
  override readonly code: string = 'ERR_FTP_NOT_LOGGED_IN';

  constructor(message: string, options?: ErrorOptions) {
    super(message, 530, options);
  }
}

/** There is no data connection, and will be none: 425. Twisted: `PortConnectionError`. */
export class PortConnectionError extends FTPCmdError {
  static {
    PortConnectionError.prototype.name = 'PortConnectionError';
  }
  override readonly code: string = 'ERR_FTP_PORT_CONNECTION';

  constructor(message: string, options?: ErrorOptions) {
    super(message, 425, options);
  }
}
