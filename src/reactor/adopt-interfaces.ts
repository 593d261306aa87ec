/** The contract of adopted descriptors: sockets that somebody else has opened (Twisted: `IReactorSocket`). */
import type { IDatagramProtocol, UDPListeningPort } from './datagram-interfaces.ts';
import type { IProtocolFactory, ListeningPort, Transport } from './interfaces.ts';

/** What a socket's addresses are: IPv4 and port, IPv6 and port, or a path. */
export type AddressFamily = 'INET' | 'INET6' | 'UNIX';

/**
 * Takes descriptors over that this process was started with, or that other code has opened.
 *
 * Unlike Twisted, which duplicates it, this takes the descriptor itself: from a call that succeeds on it belongs to the reactor, which closes it with the
 * port or connection. Nobody else may close it, or use it in Node. A call that throws leaves it open, with one exception: the family of a socket
 * shows only once it is taken, so one of the wrong family is closed.
 */
export interface ReactorSocket {
  /**
   * Accepts connections on a stream socket that is bound; it need not listen yet. `stopListening` closes it for good: the port cannot listen again.
   * @throws {UnsupportedAddressFamily} when it is of another family
   * @throws {UnsupportedSocketType} when it is no stream socket, or not open
   * @throws {CannotListenError} when it cannot listen: it is connected, or in use in this process
   */
  adoptStreamPort(
    fileDescriptor: number,
    addressFamily: AddressFamily,
    factory: IProtocolFactory,
  ): ListeningPort;
  /**
   * Serves a connection that somebody else has accepted or made. `factory.buildProtocol` is called with the peer's address; what it throws is thrown, and the
   * connection is closed. The address of a UNIX socket's peer is not known.
   * @returns the connection's transport
   * @throws {UnsupportedAddressFamily} when it is of another family
   * @throws {UnsupportedSocketType} when it is no stream socket, not connected, or not open
   * @throws {ConnectError} when it cannot be taken: it is in use in this process
   */
  adoptStreamConnection(
    fileDescriptor: number,
    addressFamily: AddressFamily,
    factory: Pick<IProtocolFactory, 'buildProtocol'>,
  ): Transport;
  /**
   * Receives datagrams on a UDP socket that is bound.
   * @param maxPacketSize longest datagram that is delivered whole, in bytes. Default 8192
   * @throws {UnsupportedAddressFamily} when it is of another family; 'UNIX' always is
   * @throws {UnsupportedSocketType} when it is no UDP socket, not open, or descriptor 0, which Node does not take
   * @throws {CannotListenError} when it cannot be taken: it is in use in this process
   */
  adoptDatagramPort(
    fileDescriptor: number,
    addressFamily: AddressFamily,
    protocol: IDatagramProtocol,
    maxPacketSize?: number,
  ): UDPListeningPort;
}
