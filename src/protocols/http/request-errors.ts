/** What can go wrong between a request and the resource that answers it. */

/** An answer was used in a way that its state does not allow: written to after its end, or with more bytes than its Content-Length says. */
export class RequestStateError extends Error {
  static {
    RequestStateError.prototype.name = 'RequestStateError';
  }
  readonly code: string = 'ERR_REQUEST_STATE';
}

/** The client went away, or was sent away, before the request was complete; what reads its body gets this. */
export class RequestAborted extends Error {
  static {
    RequestAborted.prototype.name = 'RequestAborted';
  }
  readonly code: string = 'ERR_REQUEST_ABORTED';
}
