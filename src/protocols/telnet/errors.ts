/** What can go wrong in telnet (Twisted: the exceptions of `twisted.conch.telnet`). Each class has a stable `code`. */

/** Something went wrong in telnet. Base of the kinds below. Twisted: `TelnetError`. */
export class TelnetError extends Error {
  static {
    TelnetError.prototype.name = 'TelnetError';
  }
  readonly code: string = 'ERR_TELNET';
}

/** The peer breaks a limit: a subnegotiation is too long, or there are too many. It ends the connection. */
export class TelnetLimitExceeded extends TelnetError {
  static {
    TelnetLimitExceeded.prototype.name = 'TelnetLimitExceeded';
  }
  override readonly code = 'ERR_TELNET_LIMIT';
}

/** An option cannot be what was asked for. Twisted: `NegotiationError`. */
export class NegotiationError extends TelnetError {
  static {
    NegotiationError.prototype.name = 'NegotiationError';
  }
  override readonly code: string = 'ERR_TELNET_NEGOTIATION';
  /** Which option. */
  readonly option: number;

  constructor(message: string, option: number) {
    super(message);
    this.option = option;
  }
}

/** The peer will not. Twisted: `OptionRefused`. */
export class OptionRefused extends NegotiationError {
  static {
    OptionRefused.prototype.name = 'OptionRefused';
  }
  override readonly code = 'ERR_OPTION_REFUSED';
}

/** The option is on already. Twisted: `AlreadyEnabled`. */
export class AlreadyEnabled extends NegotiationError {
  static {
    AlreadyEnabled.prototype.name = 'AlreadyEnabled';
  }
  override readonly code = 'ERR_ALREADY_ENABLED';
}

/** The option is off already. Twisted: `AlreadyDisabled`. */
export class AlreadyDisabled extends NegotiationError {
  static {
    AlreadyDisabled.prototype.name = 'AlreadyDisabled';
  }
  override readonly code = 'ERR_ALREADY_DISABLED';
}

/** It is being negotiated already, or that is decided to come next. Twisted: `AlreadyNegotiating`. */
export class AlreadyNegotiating extends NegotiationError {
  static {
    AlreadyNegotiating.prototype.name = 'AlreadyNegotiating';
  }
  override readonly code = 'ERR_ALREADY_NEGOTIATING';
}
