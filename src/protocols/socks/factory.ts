/** What a SOCKS server lets whom do: its options, and the factory that holds them. */
import { type Deferred, maybeDeferred } from '../../deferred/index.ts';
import { type Address, logEvent, UNIXAddress } from '../../reactor/index.ts';
import { UsernamePassword } from '../cred/credentials.ts';
import { UnauthorizedLogin } from '../cred/errors.ts';
import type { AvatarId, Eventually, LoginResult, Portal, Realm } from '../cred/portal.ts';
import { checkLimits, checkTimes } from '../option-checks.ts';
import { ServerFactory } from '../protocol.ts';
import type { SOCKSCommand } from './messages.ts';
import { NetworkList, NOT_PUBLIC, sameHost } from './networks.ts';
import type { SOCKSReactor } from './opening.ts';
import { SOCKSServer } from './server.ts';

/** Where somebody wants to be connected to, for a rule to judge. */
export interface SOCKSTarget {
  /** What is asked for. */
  readonly command: SOCKSCommand;
  /** What was asked for: a name, or an IP literal. */
  readonly host: string;
  /** The IP literal that it came to, which is where the connection would go. */
  readonly address: string;
  /** The port. */
  readonly port: number;
  /** Who asks. */
  readonly client: Address;
  /** As whom: what the log-in gave, or null without one. */
  readonly user: unknown;
  /** What a client of version 4 calls its user; nobody checked it. Empty otherwise. */
  readonly userId: string;
}

/** The avatar that `SOCKSServerFactory` asks a portal for. Twisted has none. */
export class SOCKSUser {
  /** The name that the checker gave. */
  readonly avatarId: AvatarId;

  constructor(avatarId: AvatarId) {
    this.avatarId = avatarId;
  }

  /** Whether this user may be connected there; asked when all else allows it. */
  permits(_target: SOCKSTarget): Eventually<boolean> {
    return true;
  }
}

/** A realm in which everybody who logs in may do what the server's options allow. */
export class SOCKSRealm implements Realm {
  requestAvatar(avatarId: AvatarId): LoginResult<SOCKSUser> {
    return [SOCKSUser, new SOCKSUser(avatarId), () => {}];
  }
}

/** Says who somebody is: anything but undefined, null and false lets it in, and is the target's `user`. */
export type SOCKSLoginCheck = (
  username: string,
  password: string,
  client: Address,
) => Eventually<unknown>;

/** Options of a `SOCKSServerFactory`. Times are in seconds. */
export interface SOCKSServerOptions {
  /**
   * Who may use it: a portal (see `SOCKSRealm`) or a function. With either, clients have to log in by name and password (RFC 1929), and version 4, which cannot, is refused.
   * Without, only `clients` may use it.
   */
  login?: Portal | SOCKSLoginCheck;
  /** Networks from which it may be used. Default: any with `login`; without, this host only (`127.0.0.0/8`, `::1`, UNIX sockets). */
  clients?: readonly string[];
  /** Networks beside the public Internet that may be connected to, `['10.1.0.0/16']`. Default none: not this host, nor any private network. */
  allow?: readonly string[];
  /** Networks that may not be connected to, whatever else allows it. Default none. */
  deny?: readonly string[];
  /** Ports that may be connected to. Default all. */
  ports?: readonly number[];
  /** Asked when all else allows a target: false refuses it. */
  rule?: (target: SOCKSTarget) => Eventually<boolean>;
  /** What clients may ask for. Default `['connect']`; `'bind'` and `'udp'` have the server listen on their behalf. */
  commands?: readonly SOCKSCommand[];
  /** Versions that are spoken. Default `[4, 5]`. */
  versions?: ReadonlyArray<4 | 5>;
  /** Clients at the same time; further ones are closed unheard. Default 1000. */
  maxConnections?: number;
  /** Until a client has said what it wants, log-in included; null for ever. Default 10. */
  handshakeTimeout?: number | null;
  /** Before the answer to a log-in that failed, so that nobody guesses quickly. Default 3. */
  failedLoginDelay?: number;
  /** Until the target's addresses are known and allowed, and for each address until it is connected. Default 30. */
  connectTimeout?: number;
  /** Until the connection that a `bind` is for has come. Default 120. */
  bindTimeout?: number;
  /** Without a byte or a datagram either way; null for ever. Default 7440 (RFC 5382, REQ-5). */
  idleTimeout?: number | null;
  /** For what is still to be sent to one side once the other is gone; null for ever. Default 240. */
  closeTimeout?: number | null;
}

/** Somebody who has logged in. */
export interface SOCKSSession {
  /** Who logged in. */
  readonly user: unknown;
  /** Called once, when the connection is over. */
  readonly logout: () => unknown;
}

const ONLY_HERE: readonly string[] = ['127.0.0.0/8', '::1'];

/**
 * A SOCKS server, of versions 4, 4a and 5, for any stream it is listened with. As it comes, it serves this host only, connects to public addresses only, and listens for
 * nobody. What is refused is logged with its reason.
 *
 * Twisted: `twisted.protocols.socks.SOCKSv4Factory`, which speaks version 4 only, and asks nobody.
 * @example
 * reactor.listenTCP(1080, new SOCKSServerFactory(reactor, { login: portal, allow: ['10.0.0.0/8'] }));
 */
export class SOCKSServerFactory extends ServerFactory<SOCKSServer> {
  /** What listens, connects and tells the time. */
  readonly reactor: SOCKSReactor;
  /** As they were given. */
  readonly options: SOCKSServerOptions;
  /** Those whose connections stand. */
  readonly protocols: Set<SOCKSServer> = new Set();
  readonly #clients: NetworkList | undefined;
  readonly #allow: NetworkList;
  readonly #deny: NetworkList;
  readonly #notPublic = new NetworkList(NOT_PUBLIC);

  /** @throws {TypeError} for what is no network @throws {RangeError} for options that make no sense */
  constructor(reactor: SOCKSReactor, options: SOCKSServerOptions = {}) {
    super();
    checkLimits(options, ['maxConnections']);
    checkTimes(options, ['handshakeTimeout', 'failedLoginDelay', 'connectTimeout', 'bindTimeout']);
    checkTimes(options, ['idleTimeout', 'closeTimeout']);
    this.reactor = reactor;
    this.options = options;
    const clients = options.clients ?? (options.login === undefined ? ONLY_HERE : undefined);
    this.#clients = clients === undefined ? undefined : new NetworkList(clients);
    this.#allow = new NetworkList(options.allow ?? []);
    this.#deny = new NetworkList(options.deny ?? []);
  }

  override buildProtocol(client: Address): SOCKSServer | null {
    const { maxConnections = 1000 } = this.options;
    const refused = this.#mayUse(client)
      ? this.protocols.size >= maxConnections && `there are ${maxConnections} already`
      : 'it may not use this server';
    if (refused !== false) {
      this.log('warn', `Closing the connection of ${client}: ${refused}`);
      return null;
    }
    const protocol = new SOCKSServer();
    protocol.factory = this;
    return protocol;
  }

  #mayUse(client: Address): boolean {
    if (this.#clients === undefined || client instanceof UNIXAddress) return true;
    return 'host' in client && this.#clients.has(client.host);
  }

  /** Whether clients have to log in. */
  get needsLogin(): boolean {
    return this.options.login !== undefined;
  }

  /** Logs a client in. Fails with `UnauthorizedLogin`. */
  logIn(username: string, password: string, client: Address): Deferred<SOCKSSession> {
    const { login } = this.options;
    if (typeof login === 'function') {
      return maybeDeferred(login, username, password, client).addCallback((user: unknown) => {
        if (user === undefined || user === null || user === false) throw new UnauthorizedLogin();
        return { user, logout: () => {} };
      });
    }
    if (login === undefined) return maybeDeferred(() => ({ user: null, logout: () => {} }));
    const credentials = new UsernamePassword(username, password);
    return login
      .login(credentials, client, SOCKSUser)
      .addCallback(([, user, logout]) => ({ user, logout }));
  }

  /**
   * Whether a target may be connected to: not if `deny` has it, nor if it is not public and `allow` does not have it. The proxy's own address counts as not public.
   * @param own the address at which the client reached the proxy
   */
  permits(target: SOCKSTarget, own: Address): Deferred<boolean> {
    return maybeDeferred(() => this.#permits(target, own)).addCallback((permitted: unknown) => {
      if (permitted !== true) return false;
      return target.user instanceof SOCKSUser ? target.user.permits(target) : true;
    });
  }

  #permits(target: SOCKSTarget, own: Address): Eventually<boolean> {
    const { address, port } = target;
    const { ports, rule } = this.options;
    if (this.#deny.has(address)) return false;
    const isOwn = 'host' in own && sameHost(own.host, address);
    if ((isOwn || this.#notPublic.has(address)) && !this.#allow.has(address)) return false;
    if (ports !== undefined && !ports.includes(port)) return false;
    return rule === undefined ? true : rule(target);
  }

  /** Says something to the log. Override it to say it elsewhere. */
  log(level: 'info' | 'warn', message: string): void {
    logEvent({ level, system: this.logPrefix(), message });
  }
}
