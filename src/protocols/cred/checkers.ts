/** Checkers that need nothing but what they are given (Twisted: `twisted.cred.checkers`). */
import { maybeDeferred } from '../../deferred/index.ts';
import {
  Anonymous,
  type CredentialsClass,
  UsernameHashedPassword,
  UsernamePassword,
} from './credentials.ts';
import { UnauthorizedLogin } from './errors.ts';
import { ANONYMOUS, type AvatarId, type CredentialsChecker, type Eventually } from './portal.ts';

/** Lets everybody in who does not say who it is. Twisted: `AllowAnonymousAccess`. */
export class AllowAnonymousAccess implements CredentialsChecker<Anonymous> {
  /** The classes of credentials that it checks. */
  readonly credentialInterfaces = [Anonymous];

  requestAvatarId(_credentials: Anonymous): AvatarId {
    return ANONYMOUS;
  }
}

/** Credentials that can be checked by somebody who has the password. */
export type PasswordCredentials = UsernamePassword | UsernameHashedPassword;

/** Users and clear passwords in memory: for tests and examples. Twisted: `InMemoryUsernamePasswordDatabaseDontUse`. */
export class InMemoryUsernamePasswordDatabase implements CredentialsChecker<PasswordCredentials> {
  /** The classes of credentials that it checks. */
  readonly credentialInterfaces: ReadonlyArray<CredentialsClass<PasswordCredentials>> = [
    UsernamePassword,
    UsernameHashedPassword,
  ];
  readonly #users = new Map<string, string>();

  constructor(users: Readonly<Record<string, string>> = {}) {
    for (const [username, password] of Object.entries(users)) this.addUser(username, password);
  }

  /** Adds a user, or gives one another password. @throws {TypeError} if either is not a string */
  addUser(username: string, password: string): void {
    const { username: name } = new UsernamePassword(username, password);
    this.#users.set(name, password);
  }

  requestAvatarId(credentials: PasswordCredentials): AvatarId {
    const password = this.#users.get(credentials.username);
    // Of a user who is not there, the same is done.
    const right = credentials.checkPassword(password ?? '');
    if (password === undefined || !right) throw new UnauthorizedLogin();
    return credentials.username;
  }
}

/**
 * A checker made of a function: it is given user name and password, and gives who that is; or true, for the user name itself. Nothing (or false) refuses.
 * @example
 * new CallableChecker(async (username, password) => (await ldap.bind(username, password)) && username);
 */
export class CallableChecker implements CredentialsChecker<UsernamePassword> {
  /** The classes of credentials that it checks. */
  readonly credentialInterfaces = [UsernamePassword];
  readonly #check: (username: string, password: string) => Eventually<unknown>;

  constructor(check: (username: string, password: string) => Eventually<unknown>) {
    if (typeof check !== 'function') throw new TypeError('Expected a function that checks');
    this.#check = check;
  }

  requestAvatarId({ username, password }: UsernamePassword): Eventually<AvatarId> {
    return maybeDeferred(this.#check, username, password).addCallback((found: unknown) => {
      if (found === undefined || found === null || found === false) throw new UnauthorizedLogin();
      return found === true ? username : found;
    });
  }
}
