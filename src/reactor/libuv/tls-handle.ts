/**
 * TLS over a Node socket, by node:tls.
 *
 * A `TLSSocket` is a stream; what it decrypts is taken at its `push`, before the stream's buffers, which saves their work for each chunk and tells, while libuv
 * still knows, whether an end was announced: TLS says so with a close_notify, and without one somebody may have cut the connection.
 */
import { X509Certificate } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import {
  checkServerIdentity,
  connect,
  type PeerCertificate,
  type SecureContext,
  TLSSocket,
} from 'node:tls';
import type { Address } from '../address.ts';
import { ConnectionLost, TLSError, TLSVerificationError } from '../errors.ts';
import type { Data } from '../interfaces.ts';
import {
  NO_LISTENER,
  type SecureStreamHandle,
  type SecureStreamListener,
  type StreamHandle,
  type TLSSide,
} from '../stream-handle.ts';
import { secureContext } from '../tls/secure-context.ts';
import { openSession, sealSession } from '../tls/session.ts';
import type { ClientTLSSettings, ServerTLSSettings, TLSCredentials } from '../tls-interfaces.ts';
import { writeChunks } from './write-chunks.ts';

/** Bytes that a TLS socket may hold before it counts as busy: it encrypts in a later turn, and waiting for each small write would cost more than it. */
const UNSENT_LIMIT = 16384;

/** Seconds that a peer has for its own goodbye once we have said ours. */
const PATIENCE = 2;

const NO_SECURE_LISTENER: SecureStreamListener = { ...NO_LISTENER, handleSecured() {} };

const NO_CERTIFICATE: NodeJS.ErrnoException = Object.assign(new Error('it showed no certificate'), {
  code: 'NO_CERTIFICATE',
});

/** Parts of Node's sockets that are in no types: each is looked for before it is used. */
interface Internals {
  readonly _handle?: {
    readStart?(): number;
    readStop?(): number;
    verifyError?(): NodeJS.ErrnoException | null | undefined;
  } | null;
}

function internals(socket: Socket): NonNullable<Internals['_handle']> {
  return (socket as unknown as Internals)._handle ?? {}; // see above
}

/** RFC 6125, as `checkServerIdentity` says it. */
function identityError(name: string, certificate: PeerCertificate): Error | undefined {
  const error = checkServerIdentity(name, certificate);
  if (error === undefined || isIP(name) !== 6) return error;
  // Node 22.23 knows no address of IPv6.
  const isNamed = new X509Certificate(certificate.raw).checkIP(name) !== undefined;
  return isNamed ? undefined : error;
}

/** Whether the peer has ended, and how. */
type End = 'none' | 'announced' | 'cut';

export class TLSHandle implements SecureStreamHandle {
  listener: SecureStreamListener = NO_SECURE_LISTENER;
  /** OpenSSL gives clear text by records of at most 16 KiB. */
  readonly piecemeal = true;
  negotiatedProtocol: string | null = null;
  serverName: string | null = null;
  tlsVersion: string | null = null;
  cipher: string | null = null;
  peerVerified = false;
  readonly #beneath: StreamHandle;
  readonly #raw: Socket;
  readonly #socket: TLSSocket;
  #secured = false;
  #sessionReused = false;
  #peerCertificate: X509Certificate | null = null;
  #session: Buffer | null = null;
  #identityError: Error | undefined;
  #error: Error | undefined;
  #reading = false;
  /** Whether the socket was told to stop, and reads nothing until it is asked again. */
  #stopped = false;
  /** What was decrypted while nobody wanted it: at most what one read brought. */
  #backlog: Buffer[] = [];
  #end: End = 'none';
  #deliveryDue = false;
  #shutdownDue = false;
  /** Runs while the connection closes. */
  #patience: NodeJS.Timeout | undefined;

  /**
   * Begins the handshake.
   * @param raw a socket that is connected and not read
   * @param beneath its handle
   * @throws {TLSError} when the credentials cannot be used
   */
  constructor(raw: Socket, beneath: StreamHandle, side: TLSSide) {
    this.#raw = raw;
    this.#beneath = beneath;
    const socket =
      side.part === 'client' ? this.#asClient(side.settings) : this.#asServer(side.settings);
    this.#socket = socket;
    socket.push = (chunk: Buffer | null) => this.#pushed(chunk);
    socket.on('finish', () => {
      if (socket.destroyed) return;
      if (this.#patience === undefined) this.listener.handleShutdown();
      else if (this.#end !== 'none') socket.destroy();
    });
    const broken = (error: NodeJS.ErrnoException): void => this.#broken(error);
    socket.on('error', broken);
    // What goes wrong later is told only so, unless the socket belongs to a `tls.Server`.
    socket.on('_tlsError', broken);
    socket.on('close', () => this.#closed());
  }

  #asClient(settings: ClientTLSSettings): TLSSocket {
    const { hostname, verify, acceptableProtocols } = settings;
    const session =
      settings.session === undefined ? undefined : openSession(settings.session, hostname);
    const check = (name: string, certificate: PeerCertificate): Error | undefined => {
      this.#identityError = (settings.checkServerIdentity ?? identityError)(name, certificate);
      return this.#identityError;
    };
    if (verify && hostname === undefined && settings.checkServerIdentity === undefined) {
      throw new TLSError(
        `Cannot verify ${this.getPeer()}: no host name is known that its certificate could be compared with`,
      );
    }
    const socket = connect({
      socket: this.#raw,
      secureContext: secureContext(settings.credentials),
      rejectUnauthorized: verify,
      checkServerIdentity: check,
      ...(hostname === undefined
        ? {}
        : isIP(hostname)
          ? { host: hostname }
          : { servername: hostname }),
      ...(acceptableProtocols.length === 0 ? {} : { ALPNProtocols: [...acceptableProtocols] }),
      ...(session === undefined ? {} : { session }),
    });
    socket.on('session', (fresh: Buffer) => {
      this.#session = sealSession(fresh, hostname);
    });
    socket.on('secureConnect', () => {
      this.#established(socket.authorized);
    });
    return socket;
  }

  #asServer(settings: ServerTLSSettings): TLSSocket {
    const { clientCertificate, acceptableProtocols, forServerName } = settings;
    const socket = new TLSSocket(this.#raw, {
      isServer: true,
      secureContext: secureContext(settings.credentials),
      requestCert: clientCertificate !== 'none',
      rejectUnauthorized: clientCertificate === 'required',
      ...(acceptableProtocols.length === 0 ? {} : { ALPNProtocols: [...acceptableProtocols] }),
      ...(forServerName === undefined ? {} : { SNICallback: selectBy(forServerName) }),
    });
    socket.disableRenegotiation();
    socket.on('secure', () => {
      if (clientCertificate === 'none') {
        this.#established(false);
        return;
      }
      // A session that was resumed may be from where no certificate was asked for, so there has to be one.
      const shown = socket.getPeerX509Certificate() !== undefined;
      const error = shown ? verificationError(socket) : NO_CERTIFICATE;
      if (error !== null && clientCertificate === 'required') this.#broken(error);
      else this.#established(error === null);
    });
    return socket;
  }

  /** All is asked for now: once the socket is closed it has nothing to tell. */
  #established(verified: boolean): void {
    const socket = this.#socket;
    this.#secured = true;
    this.peerVerified = verified;
    this.negotiatedProtocol = socket.alpnProtocol || null;
    this.serverName = socket.servername || null;
    this.tlsVersion = socket.getProtocol();
    this.cipher = socket.getCipher().standardName;
    this.#sessionReused = socket.isSessionReused();
    this.#peerCertificate = socket.getPeerX509Certificate() ?? null;
    this.listener.handleSecured();
    // Not from inside the handshake: OpenSSL would then not notice the peer's own close_notify behind it.
    if (this.#shutdownDue) setImmediate(() => socket.destroyed || void socket.end());
  }

  // ------------------------------------------------------------------------------------------ reading

  readStart(): void {
    this.#reading = true;
    if (this.#deliveryDue) return;
    this.#deliveryDue = true;
    setImmediate(() => this.#deliver());
  }

  /** The socket reads on until something comes: a handshake has to be finished though nobody reads. */
  readStop(): void {
    this.#reading = false;
  }

  #deliver(): void {
    this.#deliveryDue = false;
    while (this.#reading) {
      const data = this.#backlog.shift();
      if (data === undefined) break;
      this.listener.handleData(data);
    }
    if (!this.#reading || this.#socket.destroyed) return;
    if (this.#end === 'none') {
      this.#stopped = false;
      this.#socket._read(0);
    } else this.#tellEnd();
  }

  /** What the socket would put into its buffers. False has it stop reading. */
  #pushed(data: Buffer | null): boolean {
    if (this.#patience !== undefined) {
      if (data !== null) return true;
      this.#end = 'announced';
      if (this.#socket.writableFinished) this.#socket.destroy();
      return false;
    }
    if (data === null) {
      // An announced end is part of what was read; else libuv has seen the end itself, and reads no more. What comes while the socket was told to stop, it has read before.
      const cut = !this.#stopped && internals(this.#raw).readStart?.() === 0;
      this.#end = cut ? 'cut' : 'announced';
      if (!this.#secured || (this.#reading && this.#backlog.length === 0)) this.#tellEnd();
      return false;
    }
    if (this.#reading && this.#backlog.length === 0) this.listener.handleData(data);
    else this.#backlog.push(data);
    this.#stopped = !this.#reading;
    return this.#reading;
  }

  #tellEnd(): void {
    if (!this.#secured) this.#broken(new Error('the peer closed the connection'));
    else if (this.#end === 'announced') this.listener.handleEnd();
    else {
      const what = `${this.getPeer()} ended without a close_notify: what it sent may be cut off`;
      this.#broken(new ConnectionLost(what));
    }
  }

  // ------------------------------------------------------------------------------------------ writing

  write(chunks: readonly Data[]): boolean {
    const socket = this.#socket;
    if (socket.destroyed) return false;
    let unsent = socket.writableLength;
    for (const chunk of chunks) unsent += chunk.length;
    if (unsent <= UNSENT_LIMIT) {
      writeChunks(socket, chunks);
      return true;
    }
    writeChunks(socket, chunks, (error) => {
      if (!error && !socket.destroyed) this.listener.handleDrain();
    });
    return false;
  }

  shutdown(): void {
    // Without a handshake there would be nobody to send the close_notify to.
    if (this.#secured) this.#socket.end();
    else this.#shutdownDue = true;
  }

  /**
   * Says goodbye and waits for the peer's, dropping what comes. To be gone before the peer's last bytes were read (session tickets come unasked) would reset the
   * connection, and what was sent might be lost with it.
   */
  close(): void {
    const socket = this.#socket;
    if (this.#patience !== undefined) return;
    if (!this.#secured || socket.destroyed || (this.#end !== 'none' && socket.writableFinished)) {
      socket.destroy();
      return;
    }
    this.#backlog = [];
    this.#patience = setTimeout(() => socket.destroy(), PATIENCE * 1000);
    if (!socket.writableEnded) socket.end();
    if (this.#end === 'none') socket._read(0);
  }

  /** While a shutdown is under way there is no reset to be had (see `SocketHandle`); that it was cut the peer knows by the close_notify that does not come. */
  reset(): void {
    const socket = this.#socket;
    if (socket.writableEnded && !socket.writableFinished) socket.destroy();
    else this.#beneath.reset();
  }

  // ------------------------------------------------------------------------------------------- ending

  #broken(error: NodeJS.ErrnoException): void {
    this.#error ??= this.#explain(error);
    this.#socket.destroy();
  }

  #explain(error: NodeJS.ErrnoException): Error {
    if (error instanceof ConnectionLost) return error;
    const peer = this.getPeer();
    const options = { cause: error };
    if (this.#secured) {
      if (!error.code?.startsWith('ERR_')) return error;
      return new TLSError(`TLS with ${peer} broke: ${reasonOf(error)}`, options);
    }
    if (this.#isAboutCertificate(error)) {
      return new TLSVerificationError(`Cannot verify ${peer}: ${error.message}`, options);
    }
    return new TLSError(`TLS handshake with ${peer} failed: ${reasonOf(error)}`, options);
  }

  /** Whether it is the peer's certificate that is wrong, and not TLS itself or the network: only then the code is OpenSSL's for certificates. */
  #isAboutCertificate(error: NodeJS.ErrnoException): boolean {
    if (error === this.#identityError) return true;
    return error.code !== undefined && !/^(?:ERR_.*|E[A-Z]+)$/.test(error.code);
  }

  #closed(): void {
    clearTimeout(this.#patience);
    this.#reading = false;
    this.#backlog = [];
    this.listener.handleClosed(this.#error);
    this.listener = NO_SECURE_LISTENER;
  }

  // ------------------------------------------------------------------------------------------- telling

  getHost(): Address {
    return this.#beneath.getHost();
  }

  getPeer(): Address {
    return this.#beneath.getPeer();
  }

  getPeerCertificate(): X509Certificate | null {
    return this.#peerCertificate;
  }

  getSession(): Buffer | null {
    return this.#session;
  }

  isSessionReused(): boolean {
    return this.#sessionReused;
  }
}

/** What went wrong. OpenSSL's own text is a line of a log, with numbers and a file's name around the words that Node sets apart. */
function reasonOf(error: Error & { readonly reason?: unknown }): string {
  return typeof error.reason === 'string' ? error.reason : error.message;
}

function selectBy(forServerName: (name: string) => TLSCredentials | undefined) {
  return (name: string, done: (error: Error | null, context?: SecureContext) => void): void => {
    let context: SecureContext | undefined;
    try {
      const credentials = forServerName(name);
      context = credentials === undefined ? undefined : secureContext(credentials);
    } catch (error) {
      done(error instanceof Error ? error : new TLSError(String(error)));
      return;
    }
    done(null, context);
  };
}

/** What is wrong with the certificate a client showed, or null. Only Node's handle knows; where it cannot be asked, nothing is taken for verified. */
function verificationError(socket: TLSSocket): NodeJS.ErrnoException | null {
  const handle = internals(socket);
  if (handle.verifyError === undefined)
    return new Error('this Node cannot tell whether it is valid');
  return handle.verifyError() ?? null;
}
