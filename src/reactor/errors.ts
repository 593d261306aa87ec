/** What can go wrong on a network, with the names and the tree of `twisted.internet.error`. Each class has a stable `code`. */
import type { Address } from './address.ts';

/** Base of every error of this room. `cause` carries what lay beneath, where something did. */
export abstract class ReactorError extends Error {
  /** Stable, for programs to compare; the message is for people. */
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

// ------------------------------------------------------------------------------------------------ binding

/** An address could not be bound. */
export class BindError extends ReactorError {
  readonly code: string = 'ERR_BIND';
}

/** A port could not be listened on (Twisted: `CannotListenError(interface, port, socketError)`). */
export class CannotListenError extends BindError {
  override readonly code = 'ERR_CANNOT_LISTEN';
  /** The address that was to be listened on. */
  readonly interface: string;
  /** The port, or the path. */
  readonly port: number | string;
  /** The system's error, with its own `code` such as 'EADDRINUSE'. */
  readonly socketError: Error;

  constructor(iface: string, port: number | string, socketError: Error) {
    super(`Cannot listen on ${iface || 'any'}:${port}: ${socketError.message}`, {
      cause: socketError,
    });
    this.interface = iface;
    this.port = port;
    this.socketError = socketError;
  }
}

/** A multicast group could not be joined or left. */
export class MulticastJoinError extends ReactorError {
  readonly code = 'ERR_MULTICAST_JOIN';
}

/** A datagram was too long for its network. */
export class MessageLengthError extends ReactorError {
  readonly code = 'ERR_MESSAGE_LENGTH';
}

/** A datagram port has a peer already; it cannot get another one. */
export class AlreadyConnected extends ReactorError {
  readonly code = 'ERR_ALREADY_CONNECTED';
}

/** Something that should be an IP literal of a certain family is not. */
export class InvalidAddressError extends ReactorError {
  readonly code = 'ERR_INVALID_ADDRESS';
  /** What was given for an address. */
  readonly address: unknown;

  constructor(address: unknown, message: string) {
    super(`Cannot use address ${JSON.stringify(address)}: ${message}`);
    this.address = address;
  }
}

/** A host name has no address, or nobody could say in time. */
export class DNSLookupError extends ReactorError {
  readonly code = 'ERR_DNS_LOOKUP';
}

// --------------------------------------------------------------------------------------------- connecting

/** Options of a `ConnectError`. */
export interface ConnectErrorOptions {
  /** The system's error, with its own `code` such as 'ECONNREFUSED'. */
  osError?: NodeJS.ErrnoException;
}

/** An outgoing connection failed. */
export class ConnectError extends ReactorError {
  readonly code: string = 'ERR_CONNECT';
  /** What the system says; undefined where it was not asked. */
  readonly osError: NodeJS.ErrnoException | undefined;

  constructor(message = 'Could not connect', options: ConnectErrorOptions = {}) {
    super(message, options.osError === undefined ? undefined : { cause: options.osError });
    this.osError = options.osError;
  }
}

/** The local address of an outgoing connection could not be bound. */
export class ConnectBindError extends ConnectError {
  override readonly code = 'ERR_CONNECT_BIND';
}

/** The host is not known. */
export class UnknownHostError extends ConnectError {
  override readonly code = 'ERR_UNKNOWN_HOST';
}

/** No route to the host. */
export class NoRouteError extends ConnectError {
  override readonly code = 'ERR_NO_ROUTE';
}

/** Nothing listens there. */
export class ConnectionRefusedError extends ConnectError {
  override readonly code = 'ERR_CONNECTION_REFUSED';
}

/** The system gave up waiting for the peer. */
export class TCPTimedOutError extends ConnectError {
  override readonly code = 'ERR_TCP_TIMED_OUT';
}

/** A UNIX socket's file is missing or not a socket. */
export class BadFileError extends ConnectError {
  override readonly code = 'ERR_BAD_FILE';
}

/** The service name that was given as a port is in no table. */
export class ServiceNameUnknownError extends ConnectError {
  override readonly code = 'ERR_SERVICE_NAME_UNKNOWN';
}

/** The user gave the attempt up. */
export class UserError extends ConnectError {
  override readonly code: string = 'ERR_USER';
}

/** The attempt took longer than its timeout. */
export class TimeoutError extends UserError {
  override readonly code = 'ERR_CONNECT_TIMEOUT';
}

/** TLS failed. */
export class SSLError extends ConnectError {
  override readonly code = 'ERR_SSL';
}

/** A client endpoint's attempt was cancelled. */
export class ConnectingCancelledError extends ReactorError {
  readonly code = 'ERR_CONNECTING_CANCELLED';
  /** Where it was connecting to. */
  readonly address: Address;

  constructor(address: Address) {
    super(`Cancelled connecting to ${address}`);
    this.address = address;
  }
}

/** `buildProtocol` gave no protocol, so there is nothing to connect. */
export class NoProtocol extends ReactorError {
  readonly code = 'ERR_NO_PROTOCOL';
}

/** `stopConnecting` on something that is not connecting. */
export class NotConnectingError extends ReactorError {
  readonly code = 'ERR_NOT_CONNECTING';
}

/** A connector was told to connect while it is connecting or connected. */
export class ConnectorStateError extends ReactorError {
  readonly code = 'ERR_CONNECTOR_STATE';
}

/** Something was asked of a port that does not listen. */
export class NotListeningError extends ReactorError {
  readonly code = 'ERR_NOT_LISTENING';
}

/** A single-use server endpoint was used twice. */
export class AlreadyListened extends ReactorError {
  readonly code = 'ERR_ALREADY_LISTENED';
}

// ------------------------------------------------------------------------------------------ connection end

/** A connection is over. */
export class ConnectionClosed extends ReactorError {
  readonly code: string = 'ERR_CONNECTION_CLOSED';

  constructor(message = 'Connection was closed', options?: ErrorOptions) {
    super(message, options);
  }
}

/** It ended otherwise than in good order. `cause` is the system's error. */
export class ConnectionLost extends ConnectionClosed {
  override readonly code: string = 'ERR_CONNECTION_LOST';

  constructor(message = 'Connection to the other side was lost', options?: ErrorOptions) {
    super(message, options);
  }
}

/** This side ended it with `abortConnection`. */
export class ConnectionAborted extends ConnectionLost {
  override readonly code = 'ERR_CONNECTION_ABORTED';

  constructor(message = 'Connection was aborted locally') {
    super(message);
  }
}

/** It ended in good order. */
export class ConnectionDone extends ConnectionClosed {
  override readonly code: string = 'ERR_CONNECTION_DONE';

  constructor(message = 'Connection was closed cleanly', options?: ErrorOptions) {
    super(message, options);
  }
}

/** The descriptor beneath a connection vanished. */
export class ConnectionFdescWentAway extends ConnectionLost {
  override readonly code = 'ERR_CONNECTION_FDESC_WENT_AWAY';
}

/** TLS could not be established, or broke. `cause` is the TLS library's error. */
export class TLSError extends ConnectionLost {
  override readonly code: string = 'ERR_TLS';
}

/** The peer's certificate is not to be trusted, has expired, or names somebody else. */
export class TLSVerificationError extends TLSError {
  override readonly code = 'ERR_TLS_VERIFICATION';
}

/** The handshake took longer than it may. */
export class TLSHandshakeTimeoutError extends TLSError {
  override readonly code = 'ERR_TLS_HANDSHAKE_TIMEOUT';
}

/** More descriptors were passed than can be taken. */
export class FileDescriptorOverrun extends ConnectionLost {
  override readonly code = 'ERR_FILE_DESCRIPTOR_OVERRUN';
}

// ------------------------------------------------------------------------------------------ delayed calls

/** A delayed call has run already. */
export class AlreadyCalled extends ReactorError {
  readonly code = 'ERR_DELAYED_CALL_CALLED';

  constructor(message = 'The delayed call has run already') {
    super(message);
  }
}

/** A delayed call was cancelled already. */
export class AlreadyCancelled extends ReactorError {
  readonly code = 'ERR_DELAYED_CALL_CANCELLED';

  constructor(message = 'The delayed call was cancelled already') {
    super(message);
  }
}

// --------------------------------------------------------------------------------------------- processes

/** A child exited with status 0. */
export class ProcessDone extends ConnectionDone {
  override readonly code = 'ERR_PROCESS_DONE';
  /** Always 0. */
  readonly exitCode = 0;
  /** Always null. */
  readonly signal = null;
  /** The exit code, as the system has it. */
  readonly status: number | null;

  constructor(status: number | null = 0) {
    super('Process ended in good order');
    this.status = status;
  }
}

/** A child exited with another status, or by a signal. */
export class ProcessTerminated extends ConnectionLost {
  override readonly code = 'ERR_PROCESS_TERMINATED';
  /** Its exit code; null when a signal ended it. */
  readonly exitCode: number | null;
  /** The signal that ended it, such as 'SIGTERM'; null when it ended by itself. */
  readonly signal: string | null;
  /** What the system says, as Twisted has it: the exit code, or the number of the signal. */
  readonly status: number | null;

  constructor(
    exitCode: number | null = null,
    signal: string | null = null,
    status: number | null = null,
  ) {
    super(
      signal === null
        ? `Process ended with exit code ${exitCode}`
        : `Process ended by signal ${signal}`,
    );
    this.exitCode = exitCode;
    this.signal = signal;
    this.status = status;
  }
}

/** A signal was to be sent to a child that is gone. */
export class ProcessExitedAlready extends ReactorError {
  readonly code = 'ERR_PROCESS_EXITED_ALREADY';
}

// ----------------------------------------------------------------------------------------------- reactor

/** The reactor does not run, or is stopping already. */
export class ReactorNotRunning extends ReactorError {
  readonly code = 'ERR_REACTOR_NOT_RUNNING';
}

/** A reactor that was stopped cannot run again. */
export class ReactorNotRestartable extends ReactorError {
  readonly code = 'ERR_REACTOR_NOT_RESTARTABLE';
}

/** The reactor runs already. */
export class ReactorAlreadyRunning extends ReactorError {
  readonly code = 'ERR_REACTOR_ALREADY_RUNNING';
}

/** `installReactor` came after the reactor was first used. */
export class ReactorAlreadyInstalledError extends ReactorError {
  readonly code = 'ERR_REACTOR_ALREADY_INSTALLED';
}

/** No reactor has that name. */
export class NoSuchReactor extends ReactorError {
  readonly code = 'ERR_NO_SUCH_REACTOR';
}

/** `removeSystemEventTrigger` got an id that is not, or no longer, registered. */
export class TriggerNotFound extends ReactorError {
  readonly code = 'ERR_TRIGGER_NOT_FOUND';
}

/** A consumer has a producer already. */
export class ProducerAlreadyRegistered extends ReactorError {
  readonly code = 'ERR_PRODUCER_ALREADY_REGISTERED';
}

/** An adopted descriptor is of an address family that is not supported. */
export class UnsupportedAddressFamily extends ReactorError {
  readonly code = 'ERR_UNSUPPORTED_ADDRESS_FAMILY';
}

/** An adopted descriptor is of a socket type that is not supported. */
export class UnsupportedSocketType extends ReactorError {
  readonly code = 'ERR_UNSUPPORTED_SOCKET_TYPE';
}

// ---------------------------------------------------------------------------------------------- mapping

const CONNECT_ERRORS: ReadonlyMap<string, new (m: string, o: ConnectErrorOptions) => ConnectError> =
  new Map<string, new (m: string, o: ConnectErrorOptions) => ConnectError>([
    ['ECONNREFUSED', ConnectionRefusedError],
    ['ENETUNREACH', NoRouteError],
    ['EHOSTUNREACH', NoRouteError],
    ['EHOSTDOWN', NoRouteError],
    ['ENETDOWN', NoRouteError],
    ['ETIMEDOUT', TCPTimedOutError],
    ['EINVAL', UnknownHostError],
    ['ENOENT', BadFileError],
    ['ENOTSOCK', BadFileError],
    ['EADDRINUSE', ConnectBindError],
    ['EADDRNOTAVAIL', ConnectBindError],
  ]);

/** The class that stands for a system error met while connecting to `destination` (Twisted: `getConnectError`). */
export function getConnectError(
  osError: NodeJS.ErrnoException,
  destination: unknown = 'the peer',
): ConnectError {
  const Class = CONNECT_ERRORS.get(osError.code ?? '') ?? ConnectError;
  return new Class(`Could not connect to ${destination}: ${osError.message}`, { osError });
}

/** The reason for `connectionLost` that stands for a system error met on a standing connection. */
export function getConnectionLostError(osError: NodeJS.ErrnoException): ConnectionLost {
  if (osError instanceof ConnectionLost) return osError;
  return new ConnectionLost(`Connection to the other side was lost: ${osError.message}`, {
    cause: osError,
  });
}
