/** Commands about who one is, and what the connections are under (RFC 959, 4.1.1; RFC 4217; RFC 7151). */
import { Deferred, type Failure } from '../../../deferred/index.ts';
import { Anonymous, LoginFailed, TooManyLogins, UsernamePassword } from '../../cred/index.ts';
import {
  AuthorizationError,
  BadCmdSequenceError,
  CmdNotImplementedError,
  CmdNotImplementedForArgError,
} from '../command-errors.ts';
import { FTPCmdError } from '../errors.ts';
import { type FTPShellInterface, IFTPShell } from '../shell.ts';
import type { CommandRow } from './commands.ts';
import type { FTP } from './ftp.ts';

/** Says "no" after a while. */
function later(session: FTP, seconds: number): Deferred<void> {
  const result = new Deferred<void>();
  if (seconds <= 0) result.callback();
  else session.clock.callLater(seconds, () => result.callback());
  return result;
}

function user(session: FTP, argument: string): void {
  const { requireTLS = false } = session.factory.options;
  if (requireTLS && !session.isSecure) {
    throw new AuthorizationError('TLS is required on the control connection: use AUTH TLS.');
  }
  // Whoever says USER again begins anew.
  session.beginAnew();
  session.state.name = argument;
  // Whether there is such a user is nobody's business before the password.
  session.reply(
    331,
    isAnonymous(session, argument)
      ? 'Guest login ok, type your email address as password.'
      : `Password required for ${argument}.`,
  );
}

function isAnonymous({ factory }: FTP, name: string): boolean {
  if (!factory.allowAnonymous) return false;
  const known = factory.userAnonymous.toLowerCase();
  return [known, known === 'anonymous' ? 'ftp' : known].includes(name.toLowerCase());
}

function pass(session: FTP, argument: string): unknown {
  const { state, factory, clock, peerHost, limits } = session;
  const { name } = state;
  if (name === null) throw new BadCmdSequenceError('Login with USER first.');
  if (state.login !== null) throw new BadCmdSequenceError('Already logged in.');
  state.name = null;
  const anonymous = isAnonymous(session, name);
  const { guard } = factory;
  if (guard.isBlocked(peerHost, clock.seconds())) return refuse(session, name, limits.loginDelay);
  const credentials = anonymous ? new Anonymous() : new UsernamePassword(name, argument);
  // Deferreds rather than promises: what is known at once is answered at once.
  return factory.portal
    .login<FTPShellInterface>(credentials, null, IFTPShell)
    .addCallback(([, shell, logout]) => {
      // Meanwhile the client may have gone.
      if (!session.transport.connected) {
        logout();
        return;
      }
      if (!session.logIn({ user: name, shell, logout })) {
        throw new AuthorizationError('Too many sessions of this user.');
      }
      session.failures = 0;
      session.reply(
        230,
        anonymous ? 'Anonymous login ok, access restrictions apply.' : 'User logged in, proceed.',
      );
    })
    .addErrback((failure: Failure): Failure | Deferred<void> | undefined => {
      const { value } = failure;
      if (value instanceof TooManyLogins) {
        session.hangUp(421, 'Too many logins right now, try again later.');
        return undefined;
      }
      if (!(value instanceof LoginFailed)) return failure;
      guard.failed(peerHost, clock.seconds());
      return refuse(session, name, limits.loginDelay);
    });
}

function refuse(session: FTP, name: string, delay: number): Deferred<void> {
  session.failures += 1;
  session.emit({ type: 'login-failed', name });
  return later(session, delay).addCallback(() => {
    if (session.failures >= session.limits.maxLoginFailures) {
      session.hangUp(421, 'Too many failed logins: closing control connection.');
    } else session.reply(530, 'Sorry, Authentication failed.');
  });
}

function auth(session: FTP, argument: string): void {
  if (session.factory.options.tls === undefined) {
    throw new CmdNotImplementedError('TLS is not available.');
  }
  if (session.isSecure) throw new BadCmdSequenceError('Control connection is secure already.');
  if (!['TLS', 'TLS-C', 'SSL', 'TLS-P'].includes(argument.toUpperCase())) {
    throw new CmdNotImplementedForArgError('AUTH mechanism not understood: use TLS.');
  }
  if (!('startTLS' in session.transport)) {
    throw new FTPCmdError('TLS is not available on this connection.', 431);
  }
  session.reply(234, 'Proceed with negotiation.');
  session.secure();
}

function needSecurity(session: FTP): void {
  if (!session.isSecure) throw new BadCmdSequenceError('Use AUTH TLS first.');
}

const tlsFeature =
  (text: string) =>
  ({ factory }: FTP): string | null =>
    factory.options.tls === undefined ? null : text;

export const ACCESS_COMMANDS: Readonly<Record<string, CommandRow>> = {
  USER: { argument: 'required', login: false, help: 'USER <SP> username', run: user },
  PASS: { argument: 'optional', login: false, help: 'PASS [<SP> password]', run: pass },
  ACCT: {
    ...{ argument: 'required', login: false, help: 'ACCT <SP> account (not needed)' },
    run: (session) => session.reply(202, 'No account is needed.'),
  },
  REIN: {
    ...{ argument: 'none', login: false, help: 'REIN (log out)' },
    run: (session) => {
      session.beginAnew();
      session.reply(220, 'Service ready for new user.');
    },
  },
  QUIT: {
    ...{ argument: 'none', login: false, duringTransfer: true, help: 'QUIT' },
    run: (session) => {
      const bye = (): void => session.hangUp(221, 'Goodbye.');
      if (session.transfer === null) bye();
      else session.transfer.whenOver(bye);
    },
  },
  AUTH: {
    ...{ argument: 'required', login: false, help: 'AUTH <SP> TLS' },
    feature: tlsFeature('AUTH TLS'),
    run: auth,
  },
  PBSZ: {
    ...{ argument: 'required', login: false, help: 'PBSZ <SP> 0' },
    feature: tlsFeature('PBSZ'),
    run: (session) => {
      needSecurity(session);
      session.protectionBuffer = true;
      session.reply(200, 'PBSZ=0');
    },
  },
  PROT: {
    ...{ argument: 'required', login: false, help: 'PROT <SP> (C|P)' },
    feature: tlsFeature('PROT'),
    run: (session, argument) => {
      needSecurity(session);
      if (!session.protectionBuffer) throw new BadCmdSequenceError('Use PBSZ 0 first.');
      const level = argument.toUpperCase();
      if (level === 'S' || level === 'E') {
        throw new FTPCmdError('Protection level not supported: use C or P.', 536);
      }
      if (level !== 'C' && level !== 'P') {
        throw new CmdNotImplementedForArgError('Protection level not understood: use C or P.');
      }
      const { requireTLS = false, requireDataTLS = requireTLS } = session.factory.options;
      if (level === 'C' && requireDataTLS) {
        throw new FTPCmdError('Data connections have to be protected.', 534);
      }
      session.protection = level;
      session.reply(200, `Protection level set to ${level}.`);
    },
  },
  CCC: {
    ...{ argument: 'none', login: false, help: 'CCC (refused)' },
    run: (session) => {
      needSecurity(session);
      // What follows in clear could be anybody's.
      throw new FTPCmdError('The control connection stays protected.', 534);
    },
  },
  HOST: {
    ...{ argument: 'required', login: false, help: 'HOST <SP> hostname', feature: 'HOST' },
    run: (session, argument) => {
      if (session.state.name !== null || session.state.login !== null) {
        throw new BadCmdSequenceError('HOST comes before USER.');
      }
      const { hosts } = session.factory.options;
      const name = argument.trim().toLowerCase().replace(/\.$/, '');
      if (hosts !== undefined && !hosts.some((host) => host.toLowerCase() === name)) {
        throw new CmdNotImplementedForArgError('Unknown host.');
      }
      session.reply(220, 'Host accepted.');
    },
  },
};
