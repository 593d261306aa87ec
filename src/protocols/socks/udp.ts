/** Datagrams through a SOCKS server (RFC 1928, 7): a port for the client, and one for each family of targets. */
import { isIPv6 } from 'node:net';
import { type Deferred, type DeferredTimer, Failure } from '../../deferred/index.ts';
import {
  type Address,
  CannotListenError,
  MessageLengthError,
  type Reactor,
  type ReactorUDP,
  type Transport,
  type UDPListeningPort,
} from '../../reactor/index.ts';
import { DatagramProtocol } from '../datagram.ts';
import { SOCKSRefusedError } from './errors.ts';
import { decodeAddress, encodeAddress, SOCKSReply, type SOCKSRequest } from './messages.ts';
import { sameHost } from './networks.ts';

/** Longest datagram there is. */
const LONGEST = 65535;
/** Targets that are remembered, for their answers to be let in; beyond that, the one that was first is forgotten. */
const MOST_TARGETS = 256;
/** Datagrams that may wait for a look-up or a rule; what comes on top is dropped, as a network would. */
const MOST_WAITING = 16;

export interface UDPAssociationOptions {
  readonly reactor: Pick<Reactor, 'callLater' | 'seconds'>;
  /** The connection that the association lives as long as. */
  readonly transport: Transport;
  /** Seconds. */
  readonly idleTimeout: number | null | undefined;
  /** Where a datagram may go. */
  readonly permitted: (request: SOCKSRequest) => Deferred<string[]>;
}

type Received = (datagram: Buffer, from: [host: string, port: number]) => void;

class Port extends DatagramProtocol {
  override noisy = false;
  readonly #received: Received;

  constructor(received: Received) {
    super();
    this.#received = received;
  }

  override datagramReceived(datagram: Buffer, from: [host: string, port: number]): void {
    this.#received(datagram, from);
  }

  /** What cannot be sent is lost, as on the way. */
  override sendFailed(): void {}
}

function withUDP(reactor: object): ReactorUDP {
  // Whether the method is there is asked first.
  if ('listenUDP' in reactor) return reactor as ReactorUDP;
  throw new SOCKSRefusedError('The reactor has no datagrams', 5, SOCKSReply.COMMAND_NOT_SUPPORTED);
}

/**
 * One client's datagrams. They are taken from the host of its connection only, and from the one port that it named or used first. Targets answer if the client has sent to
 * them; what else comes is dropped. Fragments are dropped, as RFC 1928 allows.
 */
export class UDPAssociation {
  readonly #options: UDPAssociationOptions;
  readonly #reactor: ReactorUDP;
  readonly #inside: UDPListeningPort;
  readonly #outside = new Map<boolean, UDPListeningPort>();
  readonly #clientHost: string;
  #clientPort: number;
  /** Verdicts: where a target's datagrams go, or null for one that is refused. */
  readonly #targets = new Map<string, readonly [host: string, port: number] | null>();
  /** Where answers may come from, and how many of the targets that is: one may have several names. */
  readonly #known = new Map<string, number>();
  #waiting = 0;
  #seenAt: number;
  #timer: DeferredTimer | undefined;
  #stopped = false;

  /** @throws {CannotListenError} @throws {SOCKSRefusedError} when it cannot be */
  constructor(request: SOCKSRequest, options: UDPAssociationOptions) {
    this.#options = options;
    this.#reactor = withUDP(options.reactor);
    const here = options.transport.getHost();
    const peer = options.transport.getPeer();
    if (!('host' in here && 'host' in peer)) {
      throw new SOCKSRefusedError(
        'Datagrams need a connection over IP',
        5,
        SOCKSReply.GENERAL_FAILURE,
      );
    }
    this.#clientHost = peer.host;
    this.#clientPort = request.port;
    this.#inside = this.#reactor.listenUDP(
      0,
      new Port((datagram, from) => this.#fromClient(datagram, from)),
      { interface: here.host, maxPacketSize: LONGEST },
    );
    this.#seenAt = options.reactor.seconds();
    const { idleTimeout = 7440 } = options;
    if (idleTimeout !== null) this.#watch(idleTimeout, idleTimeout);
  }

  /** Where the client has to send its datagrams. */
  getHost(): Address {
    return this.#inside.getHost();
  }

  /** Closes all ports. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#inside.stopListening();
    for (const port of this.#outside.values()) port.stopListening();
  }

  #watch(idleTimeout: number, wait: number): void {
    const { reactor, transport } = this.#options;
    this.#timer = reactor.callLater(wait, () => {
      this.#timer = undefined;
      const left = this.#seenAt + idleTimeout - reactor.seconds();
      if (left > 0) this.#watch(idleTimeout, left);
      else transport.loseConnection();
    });
  }

  #fromClient(datagram: Buffer, [host, port]: [host: string, port: number]): void {
    if (!sameHost(host, this.#clientHost)) return;
    // Two bytes of nothing, and the number of the fragment.
    if (datagram.length < 4 || datagram.readUIntBE(0, 3) !== 0) return;
    if (this.#clientPort === 0) this.#clientPort = port;
    if (port !== this.#clientPort) return;
    const found = decodeAddress(datagram, 3);
    if (found === undefined || found === null || found.address.port === 0) return;
    this.#seenAt = this.#options.reactor.seconds();
    const { address, end } = found;
    const body = datagram.subarray(end);
    const key = `${address.host} ${address.port}`;
    const target = this.#targets.get(key);
    if (target === null) return;
    if (target !== undefined) {
      this.#send(body, target);
      return;
    }
    if (this.#waiting >= MOST_WAITING) return;
    this.#waiting += 1;
    const request: SOCKSRequest = {
      type: 'request',
      version: 5,
      command: 'udp',
      userId: '',
      ...address,
    };
    this.#options.permitted(request).addBoth((hosts) => {
      this.#waiting -= 1;
      const [first] = hosts instanceof Failure ? [] : hosts;
      this.#remember(key, first === undefined ? null : [first, address.port]);
      if (first !== undefined) this.#send(body, [first, address.port]);
    });
  }

  #remember(key: string, target: readonly [host: string, port: number] | null): void {
    this.#forget(key);
    this.#targets.set(key, target);
    this.#know(target, 1);
    if (this.#targets.size <= MOST_TARGETS) return;
    const [oldest] = this.#targets.keys();
    if (oldest !== undefined) this.#forget(oldest);
  }

  #forget(key: string): void {
    this.#know(this.#targets.get(key) ?? null, -1);
    this.#targets.delete(key);
  }

  #know(target: readonly [host: string, port: number] | null, by: 1 | -1): void {
    if (target === null) return;
    const name = `${target[0]} ${target[1]}`;
    const count = (this.#known.get(name) ?? 0) + by;
    if (count === 0) this.#known.delete(name);
    else this.#known.set(name, count);
  }

  #send(body: Buffer, target: readonly [host: string, port: number]): void {
    if (this.#stopped) return;
    const isV6 = isIPv6(target[0]);
    let port = this.#outside.get(isV6);
    if (port === undefined) {
      const received: Received = (datagram, from) => this.#fromTarget(datagram, from);
      try {
        port = this.#reactor.listenUDP(0, new Port(received), {
          interface: isV6 ? '::' : '0.0.0.0',
          maxPacketSize: LONGEST,
        });
      } catch (error) {
        // Without that family, or a port that is free, there is no way to the target: lost, as on the way.
        if (error instanceof CannotListenError) return;
        throw error;
      }
      this.#outside.set(isV6, port);
    }
    port.write(body, target);
  }

  #fromTarget(datagram: Buffer, [host, port]: [host: string, port: number]): void {
    if (!this.#known.has(`${host} ${port}`)) return;
    this.#seenAt = this.#options.reactor.seconds();
    const head = Buffer.concat([Buffer.alloc(3), encodeAddress({ host, port })]);
    try {
      this.#inside.writeSequence([head, datagram], [this.#clientHost, this.#clientPort]);
    } catch (error) {
      // With its head it is longer than a datagram may be: lost, as on the way.
      if (!(error instanceof MessageLengthError)) throw error;
    }
  }
}
