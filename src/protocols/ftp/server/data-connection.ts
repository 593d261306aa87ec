/** One data connection (RFC 959, 3.2). */
import { Deferred, type Failure } from '../../../deferred/index.ts';
import {
  ConnectionDone,
  type Consumer,
  logEvent,
  type TLSContext,
  type TLSTransport,
  type Transport,
} from '../../../reactor/index.ts';
import { Protocol } from '../../protocol.ts';
import { PortConnectionError } from '../command-errors.ts';
import { FTPCmdError } from '../errors.ts';

/** How data connections are put under TLS. */
export interface DataTLS {
  readonly context: TLSContext;
  /** Seconds. */
  readonly handshakeTimeout: number;
  /** Whether a client has to resume the session of its control connection, or one like it. */
  readonly requireSessionReuse: boolean;
}

export class DataConnection extends Protocol {
  /** Fires once data may pass; fails with an `FTPCmdError` if it may not. */
  readonly ready: Deferred<void> = new Deferred();
  /** Fires once the connection is over, whatever the reason, which `lost` has. */
  readonly closed: Deferred<void> = new Deferred();
  readonly #tls: DataTLS | null;
  #receiver: Consumer | null = null;
  #isReady = false;
  #lost: Failure | null = null;

  constructor(tls: DataTLS | null) {
    super();
    this.#tls = tls;
  }

  /** Why it is over; null while it stands. */
  get lost(): Failure | null {
    return this.#lost;
  }

  /** Whether it ended as it should: the peer closed it in good order. */
  get endedWell(): boolean {
    return this.#lost?.value instanceof ConnectionDone;
  }

  override connectionMade(): void {
    if (this.#tls === null) {
      this.transport.pauseProducing();
      this.#isReady = true;
      this.ready.callback();
      return;
    }
    const { context, handshakeTimeout } = this.#tls;
    // The client begins: the server of FTP is that of TLS, whoever has connected to whom (RFC 4217, 7).
    secured(this.transport).startTLS(context, { isClient: false, handshakeTimeout });
  }

  handshakeCompleted(): void {
    this.transport.pauseProducing();
    if (this.#tls?.requireSessionReuse && !secured(this.transport).isSessionReused()) {
      this.ready.errback(
        new FTPCmdError('TLS session of the control connection must be resumed', 522),
      );
      this.transport.abortConnection();
      return;
    }
    this.#isReady = true;
    this.ready.callback();
  }

  /** Has what comes go to `receiver`, which may slow it down. */
  receiveInto(receiver: Consumer): void {
    this.#receiver = receiver;
    receiver.registerProducer(this.transport, true);
    this.transport.resumeProducing();
  }

  override dataReceived(data: Buffer): void {
    // Clients that send where they should read are heard to the end, and what they say dropped.
    this.#receiver?.write(data);
  }

  /** What was written leaves, then the connection ends. */
  finish(): void {
    this.transport.resumeProducing();
    this.transport.loseConnection();
  }

  abort(): void {
    this.transport.abortConnection();
  }

  override connectionLost(reason: Failure): void {
    this.#lost = reason;
    if (!this.#isReady) {
      const why = reason.getErrorMessage();
      logEvent({
        level: 'debug',
        system: this.logPrefix(),
        message: `Data connection lost: ${why}`,
      });
      if (!this.ready.called) {
        this.ready.errback(new PortConnectionError('Cannot secure the data connection'));
      }
    }
    this.closed.callback();
  }
}

/** Connections that the reactor makes over TCP can all be put under TLS. */
function secured(transport: Transport): TLSTransport {
  if ('startTLS' in transport) return transport as TLSTransport;
  throw new TypeError('Transport of a data connection has no startTLS()');
}
