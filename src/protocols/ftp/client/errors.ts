/** What can go wrong for an FTP client (Twisted: `FTPError` and its kin in `twisted.protocols.ftp`). */

/** Anything that an FTP client finds wrong. Twisted: `FTPError`. */
export class FTPError extends Error {
  static {
    FTPError.prototype.name = 'FTPError';
  }
  readonly code: string = 'ERR_FTP';
}

/** The server said no: a reply of 4xx or 5xx. Twisted: `CommandFailed`. */
export class CommandFailed extends FTPError {
  static {
    CommandFailed.prototype.name = 'CommandFailed';
  }
  override readonly code: string = 'ERR_FTP_COMMAND_FAILED';
  /** The lines of the reply, as they came. */
  readonly lines: readonly string[];
  /** Three digits (RFC 959, 4.2). */
  readonly replyCode: number;

  constructor(command: string, lines: readonly string[], options?: ErrorOptions) {
    super(`Cannot do ${JSON.stringify(command)}: ${lines.join(' / ').slice(0, 1000)}`, options);
    this.lines = lines;
    this.replyCode = Number((lines.at(-1) ?? '').slice(0, 3));
  }
}

/** What the server sent is no reply, or not one that makes sense there. Twisted: `BadResponse`. */
export class BadResponse extends FTPError {
  static {
    BadResponse.prototype.name = 'BadResponse';
  }
  override readonly code: string = 'ERR_FTP_BAD_RESPONSE';
}

/** A reply that nothing was asked for. Logged, never thrown. Twisted: `UnexpectedResponse`. */
export class UnexpectedResponse extends FTPError {
  static {
    UnexpectedResponse.prototype.name = 'UnexpectedResponse';
  }
  override readonly code: string = 'ERR_FTP_UNEXPECTED_RESPONSE';
}

/** Bytes that nothing was asked for: a server sends where it should take. Logged, never thrown. Twisted: `UnexpectedData`. */
export class UnexpectedData extends FTPError {
  static {
    UnexpectedData.prototype.name = 'UnexpectedData';
  }
  override readonly code: string = 'ERR_FTP_UNEXPECTED_DATA';
}

/** A reply or a listing is longer than the client was told to take. */
export class ResponseTooLong extends FTPError {
  static {
    ResponseTooLong.prototype.name = 'ResponseTooLong';
  }
  override readonly code: string = 'ERR_FTP_RESPONSE_TOO_LONG';
}

/** The connection that commands go over ended; `cause` says how. Twisted: `ftp.ConnectionLost`. */
export class ControlConnectionLost extends FTPError {
  static {
    ControlConnectionLost.prototype.name = 'ControlConnectionLost';
  }
  override readonly code: string = 'ERR_FTP_CONTROL_CONNECTION_LOST';
}

/** The connection that a file or listing goes over could not be made, or ended too early; `cause` says how. */
export class DataConnectionFailed extends FTPError {
  static {
    DataConnectionFailed.prototype.name = 'DataConnectionFailed';
  }
  override readonly code: string = 'ERR_FTP_DATA_CONNECTION_FAILED';
}

/** The server names another host for data than the one it is: see `foreignDataAddress`. */
export class ForeignDataAddress extends FTPError {
  static {
    ForeignDataAddress.prototype.name = 'ForeignDataAddress';
  }
  override readonly code: string = 'ERR_FTP_FOREIGN_DATA_ADDRESS';
}

/** The server does not answer, or the data do not move. */
export class ServerStalled extends FTPError {
  static {
    ServerStalled.prototype.name = 'ServerStalled';
  }
  override readonly code: string = 'ERR_FTP_SERVER_STALLED';
}

/** A command or path that cannot be sent as one line. */
export class UnsafeCommand extends FTPError {
  static {
    UnsafeCommand.prototype.name = 'UnsafeCommand';
  }
  override readonly code: string = 'ERR_FTP_UNSAFE_COMMAND';
}

/** A name in a listing that would lead out of the folder it is listed in. */
export class UnsafeName extends FTPError {
  static {
    UnsafeName.prototype.name = 'UnsafeName';
  }
  override readonly code: string = 'ERR_FTP_UNSAFE_NAME';
}

/** The server does not offer what was asked for. */
export class FeatureMissing extends FTPError {
  static {
    FeatureMissing.prototype.name = 'FeatureMissing';
  }
  override readonly code: string = 'ERR_FTP_FEATURE_MISSING';
}
