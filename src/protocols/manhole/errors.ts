/** What can go wrong with a manhole. The class has a stable `code`. */

/** A manhole cannot be opened as was asked: it would be in reach of others, or be without a portal. */
export class ManholeError extends Error {
  static {
    ManholeError.prototype.name = 'ManholeError';
  }
  readonly code: string = 'ERR_MANHOLE';
}
