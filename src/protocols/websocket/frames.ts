/** What frames are made of (RFC 6455 section 5.2), and the codes that a connection is closed with (section 7.4). */

/** The kinds of frames. From 8 on they are control frames. */
export const OPCODE = Object.freeze({
  continuation: 0,
  text: 1,
  binary: 2,
  close: 8,
  ping: 9,
  pong: 10,
});

/** The first byte: the last frame of its message; its payload is compressed (RFC 7692 section 6); and the opcode. */
export const FIN = 0x80;
export const RSV1 = 0x40;
export const RESERVED = 0x70;
export const OPCODE_BITS = 0x0f;
/** The second byte: whether there is a mask, and the length, or what says how long the length is. */
export const MASKED = 0x80;
export const LENGTH_BITS = 0x7f;
export const LENGTH_16 = 126;
export const LENGTH_64 = 127;
/** Bytes of a control frame's payload, at most. */
export const MAX_CONTROL = 125;
/** Bytes of a header, at most: two, a length of eight, a mask of four. */
export const MAX_HEADER = 14;

/**
 * Codes that say why a connection was closed (RFC 6455 section 7.4.1, and the registry that follows from it). `noStatus` and `abnormal` are never sent: the first stands for a
 * Close without a code, the second for no Close at all. 3000 to 3999 are for libraries and registered, 4000 to 4999 for applications.
 */
export const CloseCode = Object.freeze({
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  unsupportedData: 1003,
  noStatus: 1005,
  abnormal: 1006,
  invalidPayload: 1007,
  policyViolation: 1008,
  messageTooBig: 1009,
  mandatoryExtension: 1010,
  internalError: 1011,
  serviceRestart: 1012,
  tryAgainLater: 1013,
  badGateway: 1014,
});

/** Whether a Close may carry this code. */
export function isCloseCode(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  if (code >= 3000) return code <= 4999;
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}
