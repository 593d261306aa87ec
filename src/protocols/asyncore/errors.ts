/** What can go wrong in asyncore's shape. */

/** `recv()` was called when nothing had come. Python: `BlockingIOError`. */
export class WouldBlockError extends Error {
  static {
    WouldBlockError.prototype.name = 'WouldBlockError';
  }
  readonly code: string = 'ERR_WOULD_BLOCK';

  constructor(message = 'Cannot receive: nothing has come yet') {
    super(message);
  }
}

/** A dispatcher was asked for something that its state does not allow: to send without a connection, to listen without an address. */
export class DispatcherStateError extends Error {
  static {
    DispatcherStateError.prototype.name = 'DispatcherStateError';
  }
  readonly code: string = 'ERR_DISPATCHER_STATE';
}

/** More came in front of a terminator, or was pushed and not taken by the peer, than may be kept. */
export class BufferLimitError extends Error {
  static {
    BufferLimitError.prototype.name = 'BufferLimitError';
  }
  readonly code: string = 'ERR_BUFFER_LIMIT';
  /** In bytes. */
  readonly limit: number;

  constructor(what: string, limit: number) {
    super(`${what}: more than ${limit} bytes`);
    this.limit = limit;
  }
}
