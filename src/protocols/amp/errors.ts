/** What can go wrong between two that speak AMP (Twisted: the exceptions of `twisted.protocols.amp`). Each class has a stable `code`. */

/** Something went wrong in AMP. Base of the kinds below. Twisted: `AmpError`. */
export class AmpError extends Error {
  static {
    AmpError.prototype.name = 'AmpError';
  }
  readonly code: string = 'ERR_AMP';
}

/** What came is not a box, or one that says nothing that makes sense. It ends the connection. Twisted: `MalformedAmpBox`. */
export class MalformedAmpBox extends AmpError {
  static {
    MalformedAmpBox.prototype.name = 'MalformedAmpBox';
  }
  override readonly code: string = 'ERR_MALFORMED_AMP_BOX';
}

/** A box came that neither asks nor answers. It ends the connection. Twisted: `NoEmptyBoxes`. */
export class NoEmptyBoxes extends MalformedAmpBox {
  static {
    NoEmptyBoxes.prototype.name = 'NoEmptyBoxes';
  }
  override readonly code = 'ERR_NO_EMPTY_BOXES';
}

/** A key, a value or a whole box is longer than it may be. Received, it ends the connection. Twisted: `TooLong`. */
export class TooLong extends AmpError {
  static {
    TooLong.prototype.name = 'TooLong';
  }
  override readonly code = 'ERR_AMP_TOO_LONG';
  /** How long it is, as far as that is known, in bytes; of keys of a box, how many. */
  readonly length: number;
  /** The most it may be. */
  readonly limit: number;

  constructor(message: string, length: number, limit: number) {
    super(message);
    this.length = length;
    this.limit = limit;
  }
}

/** A command was called with an argument that it does not have, or without one that it needs. Twisted: `InvalidSignature`. */
export class InvalidSignature extends AmpError {
  static {
    InvalidSignature.prototype.name = 'InvalidSignature';
  }
  override readonly code = 'ERR_AMP_SIGNATURE';
}

/** A value cannot be what the argument says: it cannot be sent, or it came and cannot be read. */
export class BadArgument extends AmpError {
  static {
    BadArgument.prototype.name = 'BadArgument';
  }
  override readonly code = 'ERR_AMP_ARGUMENT';
}

/** A responder gave something that does not fit the response of its command. The peer is told of an unknown error. Twisted: `BadLocalReturn`. */
export class BadLocalReturn extends AmpError {
  static {
    BadLocalReturn.prototype.name = 'BadLocalReturn';
  }
  override readonly code = 'ERR_AMP_LOCAL_RETURN';
}

/**
 * The peer answered with an error. A responder may throw one as well, to answer with a code that is in no map.
 *
 * Twisted: `RemoteAmpError`.
 */
export class RemoteAmpError extends AmpError {
  static {
    RemoteAmpError.prototype.name = 'RemoteAmpError';
  }
  override readonly code: string = 'ERR_REMOTE_AMP';
  /** What the error is called on the wire. */
  readonly errorCode: string;
  /** What the peer says of it. */
  readonly description: string;
  /** Whether the connection ends with it. */
  readonly fatal: boolean;

  constructor(errorCode: string, description: string, fatal = false, options?: ErrorOptions) {
    super(`Code<${errorCode}>: ${description}`, options);
    this.errorCode = errorCode;
    this.description = description;
    this.fatal = fatal;
  }
}

/** The peer answered with an error that the command does not know; most likely its responder failed. Twisted: `UnknownRemoteError`. */
export class UnknownRemoteError extends RemoteAmpError {
  static {
    UnknownRemoteError.prototype.name = 'UnknownRemoteError';
  }
  override readonly code = 'ERR_UNKNOWN_REMOTE';
}

/** The peer has nothing that answers this command. Twisted: `UnhandledCommand`. */
export class UnhandledCommand extends AmpError {
  static {
    UnhandledCommand.prototype.name = 'UnhandledCommand';
  }
  override readonly code = 'ERR_UNHANDLED_COMMAND';
}

/** So many questions are open that one more was not asked. */
export class TooManyQuestions extends AmpError {
  static {
    TooManyQuestions.prototype.name = 'TooManyQuestions';
  }
  override readonly code = 'ERR_TOO_MANY_QUESTIONS';
}

/** The connection goes on with another protocol, or is about to. Twisted: `ProtocolSwitched`. */
export class ProtocolSwitched extends AmpError {
  static {
    ProtocolSwitched.prototype.name = 'ProtocolSwitched';
  }
  override readonly code = 'ERR_PROTOCOL_SWITCHED';
}

/** The connection is under TLS already, or on its way there. Twisted: `OnlyOneTLS`. */
export class OnlyOneTLS extends AmpError {
  static {
    OnlyOneTLS.prototype.name = 'OnlyOneTLS';
  }
  override readonly code = 'ERR_ONLY_ONE_TLS';
}
