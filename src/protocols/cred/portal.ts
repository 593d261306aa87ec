/** Portals: where credentials come in and avatars go out (Twisted: `twisted.cred.portal`). */
import { type Deferred, fail, maybeDeferred } from '../../deferred/index.ts';
import type { CredentialsClass } from './credentials.ts';
import { UnhandledCredentials } from './errors.ts';

/**
 * What an avatar shall be able to do, as it is asked for and given: a class that the avatar is of, or any other token (a symbol, a string) that realm and caller agree on.
 */
export type AvatarInterface<A = unknown> = (abstract new (...args: never[]) => A) | symbol | string;

/** An avatar, what it was asked for as, and what has to be called when its user goes. */
export type LoginResult<A = unknown> = readonly [
  interface_: AvatarInterface<A>,
  avatar: A,
  logout: () => unknown,
];

/** What may be given where Twisted takes "a value, maybe a Deferred". */
export type Eventually<T> = T | Deferred<T> | PromiseLike<T>;

/** Who somebody is, as a checker says it and a realm takes it: usually the user's name, or {@link ANONYMOUS}. */
export type AvatarId = unknown;

/** What a checker says of nobody in particular. Twisted: `ANONYMOUS`. */
export const ANONYMOUS: unique symbol = Symbol('anonymous');

/** Checks credentials of the kinds that it names. Twisted: `ICredentialsChecker`. */
export interface CredentialsChecker<C = unknown> {
  /** The classes of credentials that it checks. */
  readonly credentialInterfaces: ReadonlyArray<CredentialsClass<C>>;
  /** Gives who it is. Fails with `UnauthorizedLogin` if the credentials are not right. */
  requestAvatarId(credentials: C): Eventually<AvatarId>;
}

/** Makes avatars. Twisted: `IRealm`. */
export interface Realm {
  /**
   * Gives an avatar for whoever was let in: one that is the first it can be of what is asked for.
   * @param mind what the caller has to say of itself; often null
   */
  requestAvatar(
    avatarId: AvatarId,
    mind: unknown,
    ...interfaces: AvatarInterface[]
  ): Eventually<LoginResult>;
}

/**
 * Where users log in: checkers say who they are, the realm gives them an avatar. Neither knows of the other, nor of the protocol.
 * @example
 * const portal = new Portal(realm, [new InMemoryUsernamePasswordDatabase({ alice: 'secret' })]);
 * const [, shell, logout] = await portal.login(new UsernamePassword('alice', 'secret'), null, Shell);
 */
export class Portal {
  /** What makes avatars of those who are let in. */
  readonly realm: Realm;
  readonly #checkers = new Map<CredentialsClass, CredentialsChecker>();

  /** @param checkers the first one of a kind of credentials is asked; one that is registered later takes its place */
  constructor(realm: Realm, checkers: Iterable<CredentialsChecker> = []) {
    this.realm = realm;
    for (const checker of checkers) this.registerChecker(checker);
  }

  /** The kinds of credentials that can be checked. Twisted: `listCredentialsInterfaces`. */
  listCredentialsInterfaces(): CredentialsClass[] {
    return [...this.#checkers.keys()];
  }

  /**
   * Has a checker check credentials of its kinds, or of those that are named, instead of the one that did.
   * @throws {TypeError} if it is not a checker
   */
  registerChecker<C>(
    checker: CredentialsChecker<C>,
    ...credentialInterfaces: ReadonlyArray<CredentialsClass<C>>
  ): void {
    if (typeof checker?.requestAvatarId !== 'function') {
      throw new TypeError('Expected a credentials checker: it has no requestAvatarId()');
    }
    const kinds =
      credentialInterfaces.length > 0 ? credentialInterfaces : checker.credentialInterfaces;
    // It is only ever given credentials of the kinds that it is registered for.
    for (const kind of kinds) this.#checkers.set(kind, checker as CredentialsChecker);
  }

  /**
   * Logs somebody in.
   * Fails with `UnauthorizedLogin` if the credentials are not right, `UnhandledCredentials` if no checker takes them, and whatever the realm fails with.
   * @param mind goes to the realm as it is; null if there is nothing to say
   * @param interfaces what the avatar shall be, the most wanted first
   * @returns what it is asked for as, the avatar, and the function to be called at logout
   */
  login<A = unknown>(
    credentials: object,
    mind: unknown,
    ...interfaces: ReadonlyArray<AvatarInterface<A>>
  ): Deferred<LoginResult<A>> {
    const checker = this.#checkerFor(credentials);
    if (checker === undefined) {
      const kind = credentials?.constructor?.name ?? typeof credentials;
      return fail(
        new UnhandledCredentials(`No checker of this portal takes credentials of kind ${kind}`),
      );
    }
    return maybeDeferred(() => checker.requestAvatarId(credentials)).addCallback((avatarId) =>
      // The realm gives what it was asked for: its type is that of the interfaces.
      maybeDeferred(
        () => this.realm.requestAvatar(avatarId, mind, ...interfaces) as Eventually<LoginResult<A>>,
      ),
    ) as Deferred<LoginResult<A>>;
  }

  #checkerFor(credentials: object): CredentialsChecker | undefined {
    for (const [kind, checker] of this.#checkers) {
      if (credentials instanceof kind) return checker;
    }
    return undefined;
  }
}
