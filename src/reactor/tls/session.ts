/**
 * TLS sessions as they are handed out: with the host they are good for.
 *
 * A server that resumes a session shows no certificate, so nobody could notice a session that is offered to somebody else. One that was kept for another
 * host is therefore not offered, and the handshake is a full one.
 */

const MAGIC = Buffer.from('strand tls session\0');

/** A session, to be kept for `hostname`. */
export function sealSession(session: Buffer, hostname: string | undefined): Buffer {
  return Buffer.concat([MAGIC, Buffer.from(`${hostname ?? ''}\0`), session]);
}

/** What can be resumed with `hostname`; undefined when it is another's. What was not sealed here is taken as it is. */
export function openSession(given: Uint8Array, hostname: string | undefined): Buffer | undefined {
  const session = Buffer.from(given.buffer, given.byteOffset, given.byteLength);
  if (!session.subarray(0, MAGIC.length).equals(MAGIC)) return session;
  const end = session.indexOf(0, MAGIC.length);
  const name = session.toString('utf8', MAGIC.length, end);
  return name === (hostname ?? '') ? session.subarray(end + 1) : undefined;
}
