/** Protocols without connections: what is said in datagrams. */
import { type Failure, reportFailure } from '../deferred/index.ts';
import { type IDatagramProtocol, logEvent, type MulticastTransport } from '../reactor/index.ts';

/** A datagram protocol was given to a second port while it serves the first. */
export class ProtocolInUseError extends Error {
  static {
    ProtocolInUseError.prototype.name = 'ProtocolInUseError';
  }
  readonly code: string = 'ERR_PROTOCOL_IN_USE';
}

/**
 * What every datagram protocol is: it has a port for a transport and hears when that starts and stops.
 *
 * The order of calls is fixed: `startProtocol`, any number of `datagramReceived`, one `stopProtocol`; and again when the port listens again. It serves one
 * port at a time.
 *
 * Twisted: `twisted.internet.protocol.AbstractDatagramProtocol`.
 */
export abstract class AbstractDatagramProtocol implements IDatagramProtocol {
  /** The port; there from `startProtocol` on. Once the port has stopped, what is written to it goes nowhere. */
  transport!: MulticastTransport;
  /** Whether starting and stopping is logged, at level info. */
  noisy = true;
  #started = false;

  /** Called by the port when it starts: takes it, then calls `startProtocol`. @throws {ProtocolInUseError} */
  makeConnection(transport: MulticastTransport): unknown {
    if (this.#started) {
      throw new ProtocolInUseError(
        `Cannot start protocol ${this.logPrefix()}: it serves another port`,
      );
    }
    this.transport = transport;
    this.#log('Starting');
    // Returned, because an async `startProtocol` may fail later.
    const result: unknown = this.startProtocol();
    this.#started = true;
    return result;
  }

  /** Called by the port when it has stopped: calls `stopProtocol`. */
  doStop(): unknown {
    this.#started = false;
    this.#log('Stopping');
    return this.stopProtocol();
  }

  /** The port is bound: the place to connect, to join groups, to send first. */
  startProtocol(): void {}

  /** The port has stopped. */
  stopProtocol(): void {}

  /** One datagram came, whole, perhaps empty. The buffer is yours. */
  datagramReceived(_datagram: Buffer, _addr: [host: string, port: number]): void {}

  /** Nobody listens at the peer that `transport.connect` named. What was sent is lost; the port goes on. */
  connectionRefused(): void {}

  /**
   * The system would not send a datagram: `reason` holds MessageLengthError, or the system's own error (with `code` 'EACCES' for a broadcast that is not
   * allowed, 'ENETUNREACH' without a route). Reported as unhandled until overridden.
   */
  sendFailed(reason: Failure, _addr: [host: string, port: number]): void {
    reportFailure(reason, `Unhandled error in sending of ${this.logPrefix()}`);
  }

  /** How log lines name this protocol. */
  logPrefix(): string {
    return this.constructor.name;
  }

  #log(what: string): void {
    if (!this.noisy) return;
    const system = this.logPrefix();
    logEvent({ level: 'info', system, message: `${what} protocol ${system}` });
  }
}

/**
 * A protocol that talks to anybody: subclass it and override `datagramReceived`.
 *
 * Twisted: `twisted.internet.protocol.DatagramProtocol`.
 *
 * @example
 * class Echo extends DatagramProtocol {
 *   override datagramReceived(datagram: Buffer, addr: [string, number]): void {
 *     this.transport.write(datagram, addr);
 *   }
 * }
 * reactor.listenUDP(8007, new Echo());
 */
export class DatagramProtocol extends AbstractDatagramProtocol {}

/**
 * A protocol that talks to one peer, which `startProtocol` connects to; so `datagramReceived` need not be told who it was.
 *
 * Twisted: `twisted.internet.protocol.ConnectedDatagramProtocol`.
 *
 * @example
 * class Ask extends ConnectedDatagramProtocol {
 *   override startProtocol(): void {
 *     this.transport.connect('127.0.0.1', 8007);
 *     this.transport.write('what time is it?');
 *   }
 * }
 */
export class ConnectedDatagramProtocol extends DatagramProtocol {
  /** One datagram of the peer came. The buffer is yours. */
  override datagramReceived(_datagram: Buffer): void {}

  /**
   * The system would not have `transport.connect`; `reason` holds a ConnectError, such as NoRouteError. The port has no peer, and may try another. Reported
   * as unhandled until overridden.
   */
  connectionFailed(reason: Failure): void {
    reportFailure(reason, `Unhandled error in connecting ${this.logPrefix()}`);
  }
}
