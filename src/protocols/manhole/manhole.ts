/** Who gets into a manhole and from where (Twisted: `twisted.conch.manhole_tap`). */

import type { Failure } from '../../deferred/index.ts';
import type { Address, IProtocol, IProtocolFactory } from '../../reactor/index.ts';
import { logEvent } from '../../reactor/index.ts';
import type { AvatarId, AvatarInterface, LoginResult, Portal, Realm } from '../cred/index.ts';
import { NotImplementedError } from '../errors.ts';
import { checkLimits, checkTimes } from '../option-checks.ts';
import { connectionDone, ServerFactory } from '../protocol.ts';
import {
  type AuthenticatingOptions,
  AuthenticatingTelnetProtocol,
  ITelnetProtocol,
  TelnetBootstrapProtocol,
  type TelnetOptions,
  TelnetTransport,
} from '../telnet/index.ts';
import { ManholeError } from './errors.ts';
import { type GateOptions, SlowingGate } from './gate.ts';
import { Manhole, type ManholeOptions, place } from './session.ts';

/**
 * Gives everybody who is let in a session: of the options given, or of those that a function gives for whoever it is.
 *
 * Twisted: the `_StupidRealm` of `manhole_tap`.
 *
 * @example
 * const realm = new ManholeRealm({ namespace: { app } });
 * const portal = new Portal(realm, [new FilePasswordDB('manhole.passwords')]);
 */
export class ManholeRealm implements Realm {
  readonly #options: (avatarId: AvatarId) => ManholeOptions;

  constructor(options: ManholeOptions | ((avatarId: AvatarId) => ManholeOptions) = {}) {
    this.#options = typeof options === 'function' ? options : () => options;
  }

  requestAvatar(
    avatarId: AvatarId,
    _mind: unknown,
    ...interfaces: AvatarInterface[]
  ): LoginResult<ITelnetProtocol> {
    if (!interfaces.includes(ITelnetProtocol)) throw new NotImplementedError(this, 'requestAvatar');
    const options = this.#options(avatarId);
    const session = new Manhole(String(avatarId), options);
    return [ITelnetProtocol, new TelnetBootstrapProtocol(() => session), () => session.logout()];
  }
}

/** Options of a `ManholeFactory`. */
export interface ManholeFactoryOptions
  extends TelnetOptions,
    Omit<AuthenticatingOptions, 'gate'>,
    GateOptions {
  /** Connections at a time, of those who are logged in and of those who are not. Default 8. */
  maxSessions?: number;
  /** Whether other machines may connect. Telnet is not encrypted: whoever is on the way sees the password. Default false. */
  allowRemote?: boolean;
}

/**
 * A manhole: telnet connections that lead, past a portal, to a session in this very process. Whoever is let in can do all that the process can.
 *
 * It refuses connections from other machines, whatever it listens on, and those above its limit; each is logged. When it stops, sessions are closed.
 *
 * Twisted: the factory of `manhole_tap`.
 */
export class ManholeFactory extends ServerFactory {
  readonly #portal: Portal;
  readonly #options: ManholeFactoryOptions;
  readonly #gate: SlowingGate;
  readonly #connections = new Set<TelnetTransport<IProtocolFactory>>();

  /** @throws {ManholeError} without a portal @throws {RangeError} for options that make no sense */
  constructor(portal: Portal, options: ManholeFactoryOptions = {}) {
    super();
    if (typeof portal?.login !== 'function') {
      throw new ManholeError(
        'Cannot open a manhole without a portal: it would be open to everybody',
      );
    }
    checkLimits(options, ['maxSessions', 'maxAttempts', 'maxLineLength', 'maxTypedAhead']);
    checkLimits(options, ['maxNegotiationsPerSecond', 'maxSubnegotiation']);
    checkTimes(options, ['failureDelay', 'loginTimeout']);
    this.#portal = portal;
    this.#options = options;
    this.#gate = new SlowingGate(options);
  }

  /** How many are connected, logged in or not. */
  get connections(): number {
    return this.#connections.size;
  }

  override buildProtocol(addr: Address): IProtocol | null {
    const { maxSessions = 8, allowRemote = false } = this.#options;
    if (!allowRemote && !isHere(addr)) {
      this.#refuse(addr, 'it is not on this machine');
      return null;
    }
    if (this.#connections.size >= maxSessions) {
      this.#refuse(addr, `there are ${maxSessions} already`);
      return null;
    }
    const authenticating: AuthenticatingOptions = {
      greeting: 'Manhole\n',
      ...this.#options,
      gate: this.#gate,
    };
    const connection = new Connection(
      () => new AuthenticatingTelnetProtocol(this.#portal, authenticating),
      this.#options,
      this.#connections,
    );
    connection.factory = this;
    this.#connections.add(connection);
    return connection;
  }

  /** Closes all sessions. */
  override stopFactory(): void {
    for (const connection of this.#connections) {
      // A session is the producer of its connection, which would be waited for.
      connection.unregisterProducer();
      connection.loseConnection();
    }
  }

  #refuse(addr: Address, why: string): void {
    const message = `Connection from ${place(addr)} refused: ${why}`;
    logEvent({ level: 'warn', system: this.logPrefix(), message });
  }
}

class Connection extends TelnetTransport<IProtocolFactory> {
  readonly #all: Set<TelnetTransport<IProtocolFactory>>;

  constructor(
    make: () => AuthenticatingTelnetProtocol,
    options: TelnetOptions,
    all: Set<TelnetTransport<IProtocolFactory>>,
  ) {
    super(make, options);
    this.#all = all;
  }

  override connectionLost(reason: Failure = connectionDone): void {
    this.#all.delete(this);
    super.connectionLost(reason);
  }
}

/** Whether an address is one of this machine's own, that no other can use: loopback, or a UNIX socket. */
export function isHere(address: Address): boolean {
  if ('host' in address) return isLoopback(String(address.host));
  return 'name' in address;
}

/** Whether an address, or name, to listen on is in reach of this machine only. */
export function isLoopback(host: string): boolean {
  return (
    host === 'localhost' ||
    host === '::1' ||
    /^(?:::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/i.test(host)
  );
}

/** Options of `makeManholeService`. */
export interface ManholeServiceOptions extends ManholeFactoryOptions {
  /** Who is let in. Its realm gives sessions: a `ManholeRealm`. */
  portal: Portal;
  /** TCP port to listen on. */
  port: number;
  /** Address to listen on. Default '127.0.0.1'; any other but loopback ones needs `allowRemote`. */
  interface?: string;
}

/** Makes what listens: a class such as `TCPServer`. */
export type ServerClass<S> = new (
  port: number,
  factory: IProtocolFactory,
  options: { interface: string },
) => S;

/**
 * A service that has a manhole open while it runs.
 *
 * Twisted: `manhole_tap.makeService`.
 * @param Server what listens: `TCPServer` of strand/service
 * @throws {ManholeError} without a portal, and for an address in reach of others unless that is allowed
 * @example
 * makeManholeService({ portal, port: 2323 }, TCPServer).setServiceParent(application);
 */
export function makeManholeService<S>(options: ManholeServiceOptions, Server: ServerClass<S>): S {
  const { portal, port, interface: host = '127.0.0.1', ...rest } = options;
  if (rest.allowRemote !== true && !isLoopback(host)) {
    throw new ManholeError(
      `Cannot open a manhole on ${JSON.stringify(host)}: other machines can reach that, and allowRemote is not set`,
    );
  }
  return new Server(port, new ManholeFactory(portal, rest), { interface: host });
}
