/** What somebody logs in with (Twisted: `twisted.cred.credentials`). A checker says by these classes which kinds it can check. */
import { inspect } from 'node:util';
import { sameText } from './compare.ts';

/** A class of credentials, as checkers name the kinds that they check. */
export type CredentialsClass<C = unknown> = abstract new (...args: never[]) => C;

/** Nobody in particular: for realms that let anybody in. Twisted: `Anonymous`. */
export class Anonymous {}

/**
 * A user name of which it can be asked whether a password belongs to it, without it being a password itself, as in a challenge and its answer. Subclass it for a
 * mechanism of your own. Twisted: `IUsernameHashedPassword`.
 */
export abstract class UsernameHashedPassword {
  /** Who it claims to be. */
  abstract readonly username: string;

  /** Whether these credentials were made with this (clear) password. */
  abstract checkPassword(password: string): boolean;
}

/** A user name and a clear password. The password shows in no inspection and no JSON. Twisted: `UsernamePassword`. */
export class UsernamePassword {
  /** Who it claims to be. */
  readonly username: string;
  readonly #password: string;

  /** @throws {TypeError} if either is not a string */
  constructor(username: string, password: string) {
    if (typeof username !== 'string' || typeof password !== 'string') {
      throw new TypeError(
        `Expected a user name and a password, both strings: got ${typeof username} and ${typeof password}`,
      );
    }
    this.username = username;
    this.#password = password;
  }

  /** The password, in clear. */
  get password(): string {
    return this.#password;
  }

  /** Whether this is the password. Takes the same time whatever is different. */
  checkPassword(password: string): boolean {
    return sameText(this.#password, password);
  }

  [inspect.custom](): string {
    return `UsernamePassword { username: ${JSON.stringify(this.username)} }`;
  }
}
