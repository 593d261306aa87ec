/** One session of an FTP server: its control connection (RFC 959; Twisted: `FTP`). */
import { Deferred, type Failure, maybeDeferred, reportFailure } from '../../../deferred/index.ts';
import {
  type DelayedCall,
  logEvent,
  type ReactorTime,
  type TLSTransport,
} from '../../../reactor/index.ts';
import { Protocol } from '../../protocol.ts';
import {
  AuthorizationError,
  CmdArgSyntaxError,
  CmdNotImplementedError,
  CmdSyntaxError,
} from '../command-errors.ts';
import { errorOfSystem, FTPCmdError, InvalidPath, PermissionDeniedError } from '../errors.ts';
import { DEFAULT_LEVEL } from '../mode-z.ts';
import { type Segments, toSegments } from '../paths.ts';
import type { FTPShellInterface, PermissionLetter } from '../shell.ts';
import { WIRE_FACTS } from '../text/listing.ts';
import { hostOf } from './addresses.ts';
import type { CommandRow } from './commands.ts';
import { ControlLines } from './control-lines.ts';
import { DataChannel } from './data-channel.ts';
import type { DataTLS } from './data-connection.ts';
import type { FTPEvent } from './events.ts';
import type { FTPFactory } from './factory.ts';
import { isThenable } from './later.ts';
import type { RateLimit } from './meter.ts';
import type { FTPLimits } from './options.ts';
import type { Transfer } from './transfer.ts';

/** Somebody who has logged in. */
export interface Login {
  readonly user: string;
  readonly shell: FTPShellInterface;
  readonly logout: () => unknown;
}

/** Those that are told unless OPTS says otherwise: one set for all sessions. */
const TOLD_FACTS: ReadonlySet<string> = new Set(
  [...WIRE_FACTS].filter(([, isTold]) => isTold).map(([fact]) => fact),
);

/** What a new session, and one that begins anew, goes by. */
function initialState() {
  return {
    /** What USER said. */
    name: null as string | null,
    login: null as Login | null,
    cwd: [] as string[],
    type: 'A' as 'A' | 'I',
    /** How data go: as they are ('S'), or compressed ('Z'). */
    mode: 'S' as 'S' | 'Z',
    /** How much they are: 1 to 9. */
    level: DEFAULT_LEVEL,
    /** Where the next transfer begins, in bytes. */
    restart: 0,
    /** Where it ends: the first byte that is left out. null for the end of the file. */
    rangeEnd: null as number | null,
    renameFrom: null as Segments | null,
    /** What SITE CPFR has named. */
    copyFrom: null as Segments | null,
    /** Whether only EPSV is taken from here on. */
    epsvAll: false,
    /** What MLST and MLSD tell. */
    facts: TOLD_FACTS,
    checksum: 'sha256' as 'crc32' | 'md5' | 'sha1' | 'sha256' | 'sha512',
  };
}

/** What a session remembers, and REIN forgets. */
export type SessionState = ReturnType<typeof initialState>;

/**
 * One client's session: its control connection, who it is, where it is, and the transfer under way. Made by `FTPFactory`, whose options and shells decide what it may do (RFC 959, RFC 4217;
 * Twisted: `twisted.protocols.ftp.FTP`).
 */
export class FTP extends Protocol<FTPFactory> {
  /** What REIN forgets. */
  state: SessionState = initialState();
  /** What data connections are under: nothing ('C') or TLS ('P'). */
  protection: 'C' | 'P' = 'C';
  /** Whether PBSZ has come. */
  protectionBuffer = false;
  /** Log-ins that failed. */
  failures = 0;
  /** The address of the client. */
  peerHost = '';
  #localHost: string | null = null;
  #data: DataChannel | null = null;
  #number = 0;
  #lines!: ControlLines;
  readonly #queue: string[] = [];
  #isBusy = false;
  #isCatchingUp = false;
  /** Whether so many commands wait that no more is read. */
  #isFull = false;
  #transfer: Transfer | null = null;
  #isClosing = false;
  #timer: DelayedCall | null = null;
  #idleSince = 0;
  /** When it ends, unless somebody logs in. */
  #loginBy = Number.POSITIVE_INFINITY;
  #afterReply: Array<() => void> = [];

  /** Whose time it goes by. */
  get clock(): ReactorTime {
    return this.factory.reactor;
  }

  /** Those of its factory. */
  get limits(): FTPLimits {
    return this.factory.limits;
  }

  /** The transfer under way. */
  get transfer(): Transfer | null {
    return this.#transfer;
  }

  /** Whether the control connection is under TLS. */
  get isSecure(): boolean {
    return 'TLS' in this.transport && this.transport.TLS === true;
  }

  /** The address that the client connected to. */
  get localHost(): string {
    this.#localHost ??= hostOf(this.transport.getHost());
    return this.#localHost;
  }

  /** Its data connection. Many sessions never have one: it is made when it is first asked for. */
  get data(): DataChannel {
    const { limits, factory, localHost, peerHost } = this;
    this.#data ??= new DataChannel({
      ...{ reactor: factory.reactor, localHost, peerHost },
      ports: factory.ports,
      timeout: limits.dtpTimeout,
      allowForeign: factory.options.allowForeignData ?? false,
      tls: () => this.#dataTLS(),
    });
    return this.#data;
  }

  // ---------------------------------------------------------------------------------------- life

  override connectionMade(): void {
    const { limits, factory } = this;
    this.peerHost = hostOf(this.transport.getPeer());
    this.#lines = new ControlLines(
      {
        line: (text) => this.#line(text),
        tooLong: () => this.reply(500, 'Command line too long.'),
        notText: () => this.reply(501, 'Command is not text in UTF-8.'),
      },
      limits.maxLineLength,
    );
    // Under TLS from the first byte, data connections are too, as long as nobody says otherwise.
    if (this.isSecure) this.protection = 'P';
    this.#number = factory.joined(this, this.peerHost);
    this.emit({ type: 'connected' });
    this.#loginBy = this.clock.seconds() + limits.loginTimeout;
    this.#wait();
    const { welcomeMessage } = factory;
    this.reply(220, welcomeMessage.includes('\n') ? welcomeMessage.split(/\r?\n/) : welcomeMessage);
  }

  override dataReceived(data: Buffer): void {
    this.#lines.push(data);
  }

  override connectionLost(_reason?: Failure): void {
    this.#isClosing = true;
    this.#queue.length = 0;
    this.#timer?.cancel();
    this.#timer = null;
    this.#transfer?.abort();
    this.#data?.close();
    this.logOut();
    this.emit({ type: 'disconnected' });
    this.factory.left(this, this.peerHost);
  }

  /** Says something last and closes. */
  hangUp(code: number, text: string): void {
    this.reply(code, text);
    this.#isClosing = true;
    this.#queue.length = 0;
    this.transport.loseConnection();
  }

  /** Closes as soon as no transfer is under way. */
  shutDown(): void {
    const bye = (): void => this.hangUp(421, 'Server is going down.');
    if (this.#transfer === null) bye();
    else this.#transfer.whenOver(bye);
  }

  /** Goes on under TLS: nothing that came in clear counts any more. */
  secure(): void {
    const { tls } = this.factory.options;
    if (tls === undefined) throw new CmdNotImplementedError('TLS is not available');
    this.#lines.clear();
    this.#queue.length = 0;
    this.beginAnew();
    // Only transports that can be put under TLS get here, see AUTH.
    (this.transport as TLSTransport).startTLS(tls, {
      isClient: false,
      handshakeTimeout: this.limits.handshakeTimeout,
    });
  }

  /** As after the greeting; the connection stays, and what it is under. */
  beginAnew(): void {
    this.logOut();
    this.#data?.close();
    this.state = initialState();
  }

  #dataTLS(): DataTLS | null {
    const { tls, requireSessionReuse = false } = this.factory.options;
    if (this.protection === 'C' || tls === undefined) return null;
    const { handshakeTimeout } = this.limits;
    return { context: tls, handshakeTimeout, requireSessionReuse };
  }

  // --------------------------------------------------------------------------------------- login

  /** Somebody has logged in. False if there are too many sessions of that user. */
  logIn(login: Login): boolean {
    if (!this.factory.admit(login.user)) {
      this.#logOutOf(login);
      return false;
    }
    this.state.login = login;
    this.#loginBy = Number.POSITIVE_INFINITY;
    this.emit({ type: 'login' });
    return true;
  }

  /** Ends the log-in, if there is one: what the portal gave for that is called. */
  logOut(): void {
    const { login } = this.state;
    if (login === null) return;
    this.emit({ type: 'logout' });
    this.state.login = null;
    this.factory.dismiss(login.user);
    this.#logOutOf(login);
  }

  #logOutOf({ logout }: Login): void {
    maybeDeferred(logout).addErrback((failure) => reportFailure(failure, 'Logout failed'));
  }

  /** The user's files. @throws {FTPCmdError} 530 */
  get shell(): FTPShellInterface {
    const { login } = this.state;
    if (login === null) throw new AuthorizationError('Please login with USER and PASS.');
    return login.shell;
  }

  /** The path that an argument means. */
  path(argument: string): string[] {
    return toSegments(this.state.cwd, argument);
  }

  /** @throws {PermissionDeniedError} unless the user may */
  permit(letter: PermissionLetter, path: Segments, name: string): void {
    if (this.shell.permits?.(letter, path) === false) throw new PermissionDeniedError(name);
  }

  /** Rates that a transfer keeps to. */
  rates(): RateLimit[] {
    return this.factory.ratesFor(this.state.login?.user ?? '');
  }

  // ----------------------------------------------------------------------------------- transfers

  /** A transfer begins. @internal */
  begin(transfer: Transfer): void {
    this.#transfer = transfer;
  }

  /** A transfer is over; `afterwards` is called once the last reply is sent. @internal */
  ended(transfer: Transfer, afterwards: () => void): void {
    if (this.#transfer === transfer) this.#transfer = null;
    this.#afterReply.push(afterwards);
  }

  /** Where the next transfer begins; once. */
  takeRestart(): number {
    const { restart } = this.state;
    this.state.restart = 0;
    this.state.rangeEnd = null;
    return restart;
  }

  // ------------------------------------------------------------------------------------- replies

  /** Sends a reply; several lines as RFC 959, 4.2 has it. */
  reply(code: number, text: string | readonly string[]): void {
    if (!this.transport.connected) return;
    if (typeof text === 'string') {
      this.transport.write(`${code} ${clean(text)}\r\n`);
      return;
    }
    const inner = text.slice(1, -1).map((line) => ` ${clean(line)}\r\n`);
    const first = text.length > 1 ? `${code}-${clean(text[0] ?? '')}\r\n` : '';
    this.transport.write(`${first}${inner.join('')}${code} ${clean(text.at(-1) ?? '')}\r\n`);
  }

  /** Says that something has happened. */
  emit(event: { readonly type: FTPEvent['type'] } & Record<string, unknown>): void {
    this.factory.count(event as unknown as FTPEvent); // it has what there is to count
    if (!this.factory.isWatched) return;
    const { login } = this.state;
    const facts = { session: this.#number, peer: this.peerHost, user: login?.user ?? null };
    this.factory.emit({ ...facts, ...event } as unknown as FTPEvent); // callers give what belongs to the type
  }

  /** @internal */
  emitTransfer(type: FTPEvent['type'], transfer: Transfer, seconds = 0, reason = ''): void {
    const { kind, path, bytes } = transfer;
    this.emit({ type, kind, path, bytes, seconds, reason });
  }

  // ------------------------------------------------------------------------------------ commands

  /** False when enough wait. */
  #line(text: string): boolean {
    if (this.#isClosing) return true;
    if (!this.#isBusy) {
      this.#perform(text);
      return true;
    }
    const [verb] = split(text);
    if (this.#transfer !== null && this.#row(verb)?.duringTransfer === true) {
      this.#perform(text, true);
      return true;
    }
    this.#queue.push(text);
    if (this.#queue.length < this.limits.maxQueuedCommands) return true;
    this.#isFull = true;
    this.transport.pauseProducing();
    return false;
  }

  #row(verb: string): CommandRow | undefined {
    return this.factory.commands.get(verb);
  }

  /** @param aside while a transfer is under way, which stays what is waited for */
  #perform(text: string, aside = false): void {
    const [verb, argument] = split(text);
    if (!aside) this.#isBusy = true;
    let result: unknown;
    try {
      result = this.#run(verb, argument);
    } catch (error) {
      this.#fail(error, verb, argument);
    }
    if (!isThenable(result)) {
      this.#done(aside);
      return;
    }
    const done = (): void => this.#done(aside);
    const failed = (error: unknown): void => {
      this.#fail(error, verb, argument);
      this.#done(aside);
    };
    // A Deferred goes on at once when it has fired, where a promise takes a turn.
    if (result instanceof Deferred) result.addCallbacks(done, ({ value }) => failed(value));
    else result.then(done, failed);
  }

  #run(verb: string, argument: string): unknown {
    const row = this.#row(verb);
    if (row === undefined) {
      throw new CmdSyntaxError(verb === '' ? 'Command expected.' : `${verb} not understood.`);
    }
    const { state } = this;
    if (verb !== 'RNTO') state.renameFrom = null;
    if (row.login && state.login === null) {
      throw new AuthorizationError('Please login with USER and PASS.');
    }
    if (row.argument === 'none' && argument !== '') {
      throw new CmdArgSyntaxError(`Syntax error: ${verb} takes no argument.`);
    }
    if (row.argument === 'required' && argument === '') {
      throw new CmdArgSyntaxError(`Syntax error: ${verb} needs an argument.`);
    }
    if (row.transfers && this.protection === 'C' && this.#needsDataTLS()) {
      throw new FTPCmdError('Data connections have to be protected: use PROT P.', 521);
    }
    return row.run(this, argument);
  }

  #needsDataTLS(): boolean {
    const { requireTLS = false, requireDataTLS = requireTLS } = this.factory.options;
    return requireDataTLS;
  }

  #done(aside: boolean): void {
    if (aside) return;
    if (this.#afterReply.length > 0) for (const f of this.#afterReply.splice(0)) f();
    this.#isBusy = false;
    if (this.#isCatchingUp) return;
    this.#isCatchingUp = true;
    while (!this.#isBusy && !this.#isClosing) {
      const next = this.#queue.shift();
      if (next === undefined) break;
      this.#perform(next);
    }
    this.#isCatchingUp = false;
    if (this.#isClosing) return;
    if (!this.#isBusy) this.#wait();
    if (this.#isFull && this.#queue.length < this.limits.maxQueuedCommands) {
      this.#isFull = false;
      this.transport.resumeProducing();
      this.#lines.resume();
    }
  }

  #fail(thrown: unknown, verb: string, argument: string): void {
    const error = thrown instanceof InvalidPath ? thrown : errorOfSystem(thrown, argument);
    if (error instanceof InvalidPath) {
      this.reply(550, `${argument}: No such file or directory.`);
    } else if (error instanceof FTPCmdError) {
      this.reply(error.replyCode, error.message);
    } else {
      logEvent({ level: 'error', system: 'FTP', message: `${verb} of ${this.peerHost} failed` });
      reportFailure(error, `FTP command ${verb}`);
      this.reply(451, 'Requested action aborted: local error in processing.');
    }
  }

  /** Nothing is to be done from here on. The timer is left as it is, since commands come much more often than it is due. */
  #wait(): void {
    const now = this.clock.seconds();
    this.#idleSince = now;
    if (this.#timer === null) this.#watch(this.limits.timeOut, now);
  }

  /** One timer for both of its deadlines. @param idle seconds until it has been idle for too long */
  #watch(idle: number, now: number): void {
    const delay = Math.min(idle, this.#loginBy - now);
    if (delay === Number.POSITIVE_INFINITY) return;
    this.#timer = this.clock.callLater(Math.max(0, delay), () => this.#check());
  }

  #check(): void {
    this.#timer = null;
    const { timeOut } = this.limits;
    const now = this.clock.seconds();
    const idle = this.#isBusy ? timeOut : this.#idleSince + timeOut - now;
    // What is left may be less than a clock can tell.
    if (this.#loginBy - now <= 1e-6) this.hangUp(421, 'Login timeout: closing control connection.');
    else if (idle <= 1e-6) this.hangUp(421, 'Idle for too long: closing control connection.');
    else this.#watch(idle, now);
  }
}

/** Verb, in capitals, and argument. */
function split(text: string): [verb: string, argument: string] {
  const at = text.indexOf(' ');
  const verb = at < 0 ? text : text.slice(0, at);
  // Beyond ASCII there are letters whose capitals are those of ASCII.
  return [/^[a-zA-Z]*$/.test(verb) ? verb.toUpperCase() : verb, at < 0 ? '' : text.slice(at + 1)];
}

/** What is sent in a reply has nothing that could end its line. */
function clean(text: string): string {
  return /[\r\n\0]/.test(text) ? text.replaceAll(/[\r\n\0]/g, '?') : text;
}
