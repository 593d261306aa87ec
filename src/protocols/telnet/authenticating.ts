/** Logging in over telnet (Twisted: `twisted.conch.telnet.AuthenticatingTelnetProtocol`). */
import {
  type Deferred,
  type DeferredClock,
  type DeferredTimer,
  type Failure,
  getDefaultClock,
  maybeDeferred,
  reportFailure,
} from '../../deferred/index.ts';
import { type IProtocolFactory, logEvent } from '../../reactor/index.ts';
import { watch } from '../buffered-receiver.ts';
import { LoginFailed, type LoginResult, type Portal, UsernamePassword } from '../cred/index.ts';
import { checkLimits, checkTimes } from '../option-checks.ts';
import { connectionDone, type Factory } from '../protocol.ts';
import { BRK, ECHO, IP, LINEMODE_ABORT, LINEMODE_EOF } from './constants.ts';
import { ITelnetProtocol } from './interfaces.ts';
import { StatefulTelnetProtocol } from './protocol.ts';

/** What an attempt to log in came to; one is given up when its connection is lost before it is made. */
export type LoginOutcome = 'succeeded' | 'failed' | 'given up';

/** Lets attempts to log in pass one by one, for all connections that share it. */
export interface LoginGate {
  /** Fires when the next attempt may be made. Its result has to be called, once, with what that came to. */
  enter(): Deferred<(outcome: LoginOutcome) => void>;
}

/** Options of `AuthenticatingTelnetProtocol`. */
export interface AuthenticatingOptions {
  /** Failed attempts after which the connection is closed. Default 3. */
  maxAttempts?: number;
  /** Seconds that a failed attempt is answered late. Default 2. */
  failureDelay?: number;
  /** Seconds in which somebody has to be logged in; null waits for ever. Default 60. */
  loginTimeout?: number | null;
  /** Bytes of a user name, or of a password. Default 256. */
  maxLineLength?: number;
  /** Bytes that may come while a password is checked; with more the connection is aborted. Default 4096. */
  maxTypedAhead?: number;
  /** What is said first. Default: nothing. */
  greeting?: string;
  /** What every attempt has to pass. Default: nothing. */
  gate?: LoginGate;
  /** Whose seconds these are. Default: the reactor's. */
  clock?: DeferredClock;
}

const ERASE = new Set([0x08, 0x7f]);
const ERASE_LINE = 0x15;
/** ^C and ^D, in a line of those who have no commands for them. */
const INTERRUPT = 0x03;
const END_OF_FILE = 0x04;
/** Commands by which somebody wants to leave who is not in yet. */
const HANG_UP = new Set([IP, BRK, LINEMODE_ABORT, LINEMODE_EOF]);
const LF = 0x0a;
const CR = 0x0d;

/**
 * Asks for a user name and a password, which is not shown, and has a portal check them: the avatar, an {@link ITelnetProtocol}, gets the connection, and with it what came behind the
 * password. When the connection is lost, `logout` is called.
 *
 * Successes are logged as info and failures as a warning, with the name and from where, and never with the password.
 *
 * Twisted: `AuthenticatingTelnetProtocol`, which has no limits.
 */
export class AuthenticatingTelnetProtocol<
  F extends IProtocolFactory = Factory,
> extends StatefulTelnetProtocol<F> {
  /** Who logs people in. */
  readonly portal: Portal;
  override state = 'User';
  /** The avatar, once somebody is logged in. */
  protocol: ITelnetProtocol | null = null;
  readonly #options: AuthenticatingOptions;
  #username = '';
  #failures = 0;
  #logout: (() => unknown) | undefined;
  #lost = false;
  /** Bytes that came since the password. */
  #ahead = 0;
  #timer: DeferredTimer | undefined;
  #pause: DeferredTimer | undefined;

  constructor(portal: Portal, options: AuthenticatingOptions = {}) {
    super();
    if (typeof portal?.login !== 'function') {
      throw new TypeError('Cannot let anybody log in: expected a Portal');
    }
    checkLimits(options, ['maxAttempts', 'maxLineLength', 'maxTypedAhead']);
    checkTimes(options, ['failureDelay', 'loginTimeout']);
    this.portal = portal;
    this.MAX_LENGTH = options.maxLineLength ?? 256;
    this.#options = options;
  }

  get #clock(): DeferredClock {
    return this.#options.clock ?? getDefaultClock();
  }

  /** From where somebody logs in, for log lines. */
  get #from(): string {
    const peer = this.transport.getPeer();
    return 'host' in peer ? `${String(peer.host)}:${String(peer.port)}` : peer.constructor.name;
  }

  override connectionMade(): void {
    const { greeting } = this.#options;
    this.#startTimer();
    if (greeting !== undefined) this.transport.write(greeting);
    this.transport.write('Username: ');
  }

  override dataReceived(data: Buffer): unknown {
    if (this.protocol !== null) return this.protocol.dataReceived(data);
    // A terminal may send CR alone, and a raw one its rubout.
    for (let at = data.indexOf(CR); at >= 0; at = data.indexOf(CR, at)) data[at] = LF;
    if (this.paused) {
      this.#ahead += data.length;
      if (this.#ahead > (this.#options.maxTypedAhead ?? 4096)) {
        this.#log('warn', `Login from ${this.#from} ended: ${this.#ahead} bytes were typed ahead`);
        this.transport.abortConnection();
        return undefined;
      }
    }
    return super.dataReceived(data);
  }

  override lineLengthExceeded(_line: Buffer): unknown {
    this.#log(
      'warn',
      `Login from ${this.#from} ended: a line of more than ${this.MAX_LENGTH} bytes`,
    );
    return super.lineLengthExceeded(_line);
  }

  override lineReceived(line: Buffer): unknown {
    if (!line.includes(INTERRUPT) && !line.includes(END_OF_FILE)) return super.lineReceived(line);
    this.transport.loseConnection();
    return undefined;
  }

  /** Takes the name. Returns the next state. */
  telnet_User(line: Buffer): string {
    this.#username = edited(line);
    // The client stops showing what is typed; what it thinks of that is not waited for.
    this.transport.will(ECHO).addErrback(() => undefined);
    this.transport.write('Password: ');
    return 'Password';
  }

  /** Takes the password. Returns the next state. */
  telnet_Password(line: Buffer): string {
    const credentials = new UsernamePassword(this.#username, edited(line));
    this.transport.wont(ECHO).addErrback(() => undefined);
    this.transport.write('\n');
    // The lines that follow wait; the connection goes on being read, so that its end is noticed.
    this.paused = true;
    this.#ahead = 0;
    const { gate } = this.#options;
    if (gate === undefined) this.#check(credentials, () => {});
    else {
      // It is not their fault how long this takes.
      this.#stopTimer();
      gate.enter().addCallback((leave) => {
        if (!this.#lost) this.#startTimer();
        this.#check(credentials, leave);
      });
    }
    return 'Discard';
  }

  #check(credentials: UsernamePassword, leave: (outcome: LoginOutcome) => void): void {
    if (this.#lost) {
      leave('given up');
      return;
    }
    this.portal
      .login<ITelnetProtocol>(credentials, null, ITelnetProtocol)
      .addCallbacks(
        (login: LoginResult<ITelnetProtocol>) => {
          leave('succeeded');
          this.#succeeded(login);
        },
        (failure: Failure) => {
          leave('failed');
          this.#failed(failure);
        },
      )
      .addErrback((failure) => {
        reportFailure(failure, `Unhandled error in ${this.logPrefix()}`);
        this.transport.abortConnection();
      });
  }

  #succeeded([, protocol, logout]: LoginResult<ITelnetProtocol>): void {
    this.#logout = logout;
    if (this.#lost) {
      this.#callLogout();
      return;
    }
    this.#stopTimer();
    this.#log('info', `Login of ${this.#name} from ${this.#from}`);
    this.protocol = protocol;
    const rest = this.clearLineBuffer();
    const made: unknown = protocol.makeConnection(this.transport);
    this[watch](made);
    this.paused = false;
    if (this.transport.disconnecting) return;
    if (rest.length > 0) this[watch](protocol.dataReceived(rest));
  }

  #failed(failure: Failure): void {
    if (!(failure.value instanceof LoginFailed)) {
      reportFailure(failure, `Login over ${this.logPrefix()} failed`);
    }
    if (this.#lost) return;
    this.#failures += 1;
    this.#log('warn', `Login of ${this.#name} from ${this.#from} failed (${this.#failures})`);
    const { failureDelay = 2, maxAttempts = 3 } = this.#options;
    this.#pause = this.#clock.callLater(failureDelay, () => {
      this.#pause = undefined;
      this.transport.write('\nAuthentication failed\n');
      if (this.#failures >= maxAttempts) {
        this.transport.loseConnection();
        return;
      }
      this.transport.write('Username: ');
      this.state = 'User';
      this.paused = false;
      // What was typed ahead counts now.
      this[watch](super.dataReceived(Buffer.alloc(0)));
    });
  }

  /** The user name as it may be in a log line. */
  get #name(): string {
    const name = this.#username.replace(/\p{C}/gu, '\ufffd');
    return JSON.stringify(name.length > 64 ? `${name.slice(0, 64)}...` : name);
  }

  #log(level: 'info' | 'warn', message: string): void {
    logEvent({ level, system: this.logPrefix(), message });
  }

  override connectionLost(reason: Failure = connectionDone): void {
    this.#lost = true;
    this.#stopTimer();
    if (this.#pause?.active() === true) this.#pause.cancel();
    const { protocol } = this;
    this.protocol = null;
    try {
      this[watch](protocol?.connectionLost(reason));
    } finally {
      this.#callLogout();
    }
  }

  #startTimer(): void {
    const { loginTimeout = 60 } = this.#options;
    if (loginTimeout === null) return;
    this.#timer = this.#clock.callLater(loginTimeout, () => {
      this.#log('warn', `Nobody logged in from ${this.#from} within ${loginTimeout} s`);
      this.transport.write('\nTimed out\n');
      this.transport.loseConnection();
    });
  }

  #stopTimer(): void {
    if (this.#timer?.active() === true) this.#timer.cancel();
    this.#timer = undefined;
  }

  #callLogout(): void {
    const logout = this.#logout;
    this.#logout = undefined;
    if (logout === undefined) return;
    maybeDeferred(logout).addErrback((failure) => reportFailure(failure, 'Logout failed'));
  }

  // ----------------------------------------------------------------- once somebody is logged in

  override unhandledCommand(command: number): void {
    if (this.protocol !== null) this.protocol.unhandledCommand(command);
    else if (HANG_UP.has(command)) this.transport.loseConnection();
  }

  override unhandledSubnegotiation(option: number, data: Buffer): void {
    this.protocol?.unhandledSubnegotiation(option, data);
  }

  override enableLocal(option: number): boolean {
    return this.protocol?.enableLocal(option) === true;
  }

  override enableRemote(option: number): boolean {
    return this.protocol?.enableRemote(option) === true;
  }

  override disableLocal(option: number): void {
    this.protocol?.disableLocal(option);
  }

  override disableRemote(option: number): void {
    this.protocol?.disableRemote(option);
  }
}

/** A line with what was rubbed out taken out, for clients that do not edit while nothing is shown. */
function edited(line: Buffer): string {
  const bytes: number[] = [];
  for (const byte of line) {
    if (byte === ERASE_LINE) bytes.length = 0;
    else if (ERASE.has(byte)) {
      // All bytes of a character that has several.
      while (((bytes.pop() ?? 0) & 0xc0) === 0x80);
    } else if (byte >= 0x20) bytes.push(byte);
  }
  return Buffer.from(bytes).toString();
}
