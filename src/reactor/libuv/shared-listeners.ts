/**
 * Listening sockets that the processes of one application share. The first process to listen on an address binds it, and hands the socket to whoever supervises them; the others are given
 * it before they start, and take it when they listen on the same address. So a socket outlives each of these processes, and no connection that waits to be accepted is lost with one of them.
 */

/** A listening socket, as it can be sent to another process and received from one (`process.send`). */
export type SharedListener = object;

/** How a process shares its listening sockets. */
export interface ListenerSharing {
  /** The next one of this address that other processes have bound; undefined where there is none. It is this process's from then on. */
  take(address: string): SharedListener | undefined;
  /** Whether there is a next one. */
  has(address: string): boolean;
  /** This process has bound one. */
  bound(address: string, listener: SharedListener): void;
}

let sharing: ListenerSharing | undefined;

/**
 * Has all listening stream sockets of this process shared from here on. Datagram ports and adopted descriptors are not.
 * @returns a function that ends it
 */
export function shareListeners(how: ListenerSharing): () => void {
  sharing = how;
  return () => {
    sharing = undefined;
  };
}

/** How they are shared; undefined where they are not. */
export function listenerSharing(): ListenerSharing | undefined {
  return sharing;
}
