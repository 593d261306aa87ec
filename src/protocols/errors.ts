/** What can go wrong in the base protocols and receivers. Each class has a stable `code`. */

/** A method that a subclass has to provide was called, and nobody provided it. */
export class NotImplementedError extends Error {
  static {
    NotImplementedError.prototype.name = 'NotImplementedError';
  }
  readonly code: string = 'ERR_NOT_IMPLEMENTED';

  /**
   * @param owner the object that lacks it
   * @param method its name
   */
  constructor(owner: object, method: string) {
    super(`Cannot call ${method}() of ${owner.constructor.name}: the class does not define it`);
  }
}

/** A string is longer than its length prefix can say. Twisted: `StringTooLongError`. */
export class StringTooLongError extends Error {
  static {
    StringTooLongError.prototype.name = 'StringTooLongError';
  }
  readonly code: string = 'ERR_STRING_TOO_LONG';
  /** How long it is, in bytes. */
  readonly length: number;
  /** The longest that can be sent, in bytes. */
  readonly limit: number;

  constructor(length: number, limit: number) {
    super(`Cannot send a string of ${length} bytes: the length prefix ends at ${limit}`);
    this.length = length;
    this.limit = limit;
  }
}

/** The consumer of a file wants no more of it, most likely because its connection is gone. */
export class TransferStoppedError extends Error {
  static {
    TransferStoppedError.prototype.name = 'TransferStoppedError';
  }
  readonly code: string = 'ERR_TRANSFER_STOPPED';

  constructor(message = 'Consumer asked us to stop producing') {
    super(message);
  }
}

/** A FileSender was given a file while it is still sending another. */
export class TransferInProgressError extends Error {
  static {
    TransferInProgressError.prototype.name = 'TransferInProgressError';
  }
  readonly code: string = 'ERR_TRANSFER_IN_PROGRESS';

  constructor(message = 'Cannot begin a file transfer: this sender is still sending another file') {
    super(message);
  }
}

/** A factory was asked to retry before it ever had a connector. */
export class NoConnectorError extends Error {
  static {
    NoConnectorError.prototype.name = 'NoConnectorError';
  }
  readonly code: string = 'ERR_NO_CONNECTOR';

  constructor(message = 'Cannot retry: the factory has no connector yet') {
    super(message);
  }
}
