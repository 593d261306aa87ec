/** What users of an FTP server get (Twisted: `FTPRealm`). */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { maybeDeferred } from '../../deferred/index.ts';
import {
  ANONYMOUS,
  type AvatarId,
  type AvatarInterface,
  type Eventually,
  type LoginResult,
  type Realm,
  UnauthorizedLogin,
} from '../cred/index.ts';
import { FTPAnonymousShell, type FTPAnonymousShellOptions } from './anonymous-shell.ts';
import { FTPShell, type FTPShellOptions } from './file-shell.ts';
import { checkName } from './jail.ts';
import { Quota, type QuotaLimits } from './quota.ts';
import { type FTPShellInterface, IFTPShell } from './shell.ts';

/** What a realm takes that is the same for all, or is told of each user. */
export type ForUser<T> = T | ((user: string) => Eventually<T>);

/** Options of `FTPRealm`. */
export interface FTPRealmOptions {
  /** A user's folder. Default: the one of the user's name in `userHome`. */
  readonly home?: ((user: string) => Eventually<string>) | undefined;
  /** Whether folders of users are made that are not there. Default false. */
  readonly createHome?: boolean | undefined;
  /** What users' shells are like: permissions, links and the rest. */
  readonly shell?: ForUser<Omit<FTPShellOptions, 'quota'>> | undefined;
  /** What each user may store, in all sessions together; undefined for no end of it. */
  readonly quota?: ForUser<QuotaLimits | undefined> | undefined;
  /** What the shell of anonymous users is like. */
  readonly anonymousShell?: FTPAnonymousShellOptions | undefined;
}

interface Store {
  readonly quota: Quota;
  sessions: number;
}

/**
 * Gives anonymous users a shell that shows a folder, and others one in which they may do as they like in a folder of their own.
 * @example
 * const realm = new FTPRealm('/srv/ftp/public', '/srv/ftp/home', { quota: { maxBytes: 1e9 } });
 */
export class FTPRealm implements Realm {
  /** The folder of those who don't say who they are; null for none. */
  readonly anonymousRoot: string | null;
  /** The folder that has the folders of the users. */
  readonly userHome: string;
  readonly #options: FTPRealmOptions;
  /** Of users who have a quota and are here: by their folders. */
  readonly #stores = new Map<string, Store>();

  /**
   * @param anonymousRoot the folder of anonymous users; null if there are none
   * @param userHome where users have their folders
   */
  constructor(
    anonymousRoot: string | null,
    userHome: string = '/home',
    options: FTPRealmOptions = {},
  ) {
    this.anonymousRoot = anonymousRoot;
    this.userHome = userHome;
    this.#options = options;
  }

  /**
   * The folder of a user. Twisted: `getHomeDirectory`.
   * Fails with `UnauthorizedLogin` for those whose names can be none of a folder.
   */
  getHomeDirectory(avatarId: AvatarId): Eventually<string> {
    if (typeof avatarId !== 'string') throw new UnauthorizedLogin();
    const { home } = this.#options;
    if (home !== undefined) return home(avatarId);
    try {
      checkName(avatarId);
    } catch (cause) {
      throw new UnauthorizedLogin('No folder can have the name of this user', { cause });
    }
    return join(this.userHome, avatarId);
  }

  /** Fails with `TypeError` when something else than {@link IFTPShell} is asked for. */
  requestAvatar(
    avatarId: AvatarId,
    _mind: unknown,
    ...interfaces: AvatarInterface[]
  ): Eventually<LoginResult<FTPShellInterface>> {
    return maybeDeferred(() => this.#avatar(avatarId, interfaces));
  }

  #avatar(
    avatarId: AvatarId,
    interfaces: readonly AvatarInterface[],
  ): Eventually<LoginResult<FTPShellInterface>> {
    if (!interfaces.includes(IFTPShell)) {
      throw new TypeError('Realm has nothing but shells of FTP: ask it for IFTPShell');
    }
    if (avatarId === ANONYMOUS) {
      if (this.anonymousRoot === null) throw new UnauthorizedLogin();
      const shell = new FTPAnonymousShell(this.anonymousRoot, this.#options.anonymousShell);
      return [IFTPShell, shell, () => {}];
    }
    const { shell, quota, createHome = false } = this.#options;
    const user = String(avatarId);
    const home = this.getHomeDirectory(avatarId);
    const isKnown = typeof home === 'string' && !createHome;
    // Nothing has to be asked for, or made.
    if (isKnown && typeof shell !== 'function' && typeof quota !== 'function') {
      return this.#shellFor(home, shell, quota);
    }
    return this.#asked(user, home);
  }

  async #asked(user: string, home: Eventually<string>): Promise<LoginResult<FTPShellInterface>> {
    const folder = await home;
    const shell = await told(this.#options.shell, user);
    const limits = await told(this.#options.quota, user);
    if (this.#options.createHome) await mkdir(folder, { recursive: true, mode: 0o750 });
    return this.#shellFor(folder, shell, limits);
  }

  #shellFor(
    home: string,
    options: Omit<FTPShellOptions, 'quota'> | undefined,
    limits: QuotaLimits | undefined,
  ): LoginResult<FTPShellInterface> {
    if (limits === undefined) return [IFTPShell, new FTPShell(home, options), () => {}];
    const store = this.#enter(home, limits);
    const shell = new FTPShell(home, { ...options, quota: store.quota });
    return [IFTPShell, shell, () => this.#leave(home, store)];
  }

  /** Sessions of one folder reckon together, with what was known of it when the first began. */
  #enter(home: string, limits: QuotaLimits): Store {
    const store = this.#stores.get(home) ?? { quota: new Quota(limits), sessions: 0 };
    store.sessions += 1;
    this.#stores.set(home, store);
    return store;
  }

  #leave(home: string, store: Store): void {
    store.sessions -= 1;
    if (store.sessions === 0) this.#stores.delete(home);
  }
}

async function told<T>(option: ForUser<T> | undefined, user: string): Promise<T | undefined> {
  if (typeof option !== 'function') return option;
  // What is a function is the one that tells: neither options nor limits are functions.
  const tell = option as (user: string) => Eventually<T>;
  return await tell(user);
}
