/** Users and passwords in a text file (Twisted: `FilePasswordDB`). */
import { createHmac, randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { Deferred, maybeDeferred } from '../../deferred/index.ts';
import { logEvent } from '../../reactor/index.ts';
import { checkLimits } from '../option-checks.ts';
import type { PasswordCredentials } from './checkers.ts';
import { sameText } from './compare.ts';
import { type CredentialsClass, UsernameHashedPassword, UsernamePassword } from './credentials.ts';
import { PasswordFileError, UnauthorizedLogin } from './errors.ts';
import { hashCost, hashPassword, isPasswordHash, verifyPassword } from './password-hash.ts';
import type { AvatarId, CredentialsChecker, Eventually } from './portal.ts';

/** Twisted's arguments by name, and ours. */
export interface FilePasswordDBOptions {
  /** What is between the fields of a line. Default ':'. */
  readonly delim?: string;
  /** Which field is the user's name, from 0. Default 0. */
  readonly usernameField?: number;
  /** Which field is the password, from 0. Default 1. */
  readonly passwordField?: number;
  /** Whether the case of user names matters. Default true. */
  readonly caseSensitive?: boolean;
  /**
   * Makes of what somebody logs in with what is in the file, for files with hashes of another kind: (username, password, entry) gives text. Without it, entries that
   * {@link hashPassword} made are verified by it, and others are clear passwords.
   */
  readonly hash?: (username: string, password: string, entry: string) => Eventually<string>;
  /** Whether clear passwords in the file are good; each file with one is warned of once. Default true, as in Twisted. */
  readonly plain?: boolean;
  /** Bytes of the file, at most. Default 16 MiB. */
  readonly maxSize?: number;
}

/** Longer ones are refused before they cost anything, in UTF-16 units. */
const MAX_PASSWORD_LENGTH = 4096;

/** Users whose right passwords are remembered. */
const MAX_REMEMBERED = 1000;

interface Users {
  readonly entries: ReadonlyMap<string, string>;
  readonly stamp: string;
}

/**
 * Checks user names and passwords by a text file of `user:password` lines; empty lines and those that begin with # are left out. The password of an entry is best
 * what {@link hashPassword} gives. The file is read when it is first needed, and again when it has changed. A user who is not there takes as long as a wrong password.
 */
export class FilePasswordDB implements CredentialsChecker<PasswordCredentials> {
  /** The classes of credentials that it checks. */
  readonly credentialInterfaces: ReadonlyArray<CredentialsClass<PasswordCredentials>>;
  /** The file of names and passwords. */
  readonly filename: string;
  readonly #options: Required<Omit<FilePasswordDBOptions, 'hash'>>;
  readonly #hash: FilePasswordDBOptions['hash'];
  #users: Users | null = null;
  #warned = false;
  /** Keyed hashes of passwords that were right, by user. The key never leaves this object. */
  readonly #right = new Map<string, string>();
  readonly #markKey = randomBytes(32);
  /** What somebody who is not there is compared with. */
  #nobody: Deferred<string> | null = null;

  constructor(filename: string, options: FilePasswordDBOptions = {}) {
    checkLimits(options, ['maxSize']);
    const { hash, ...others } = options;
    this.filename = filename;
    this.#hash = hash;
    this.#options = {
      delim: ':',
      usernameField: 0,
      passwordField: 1,
      caseSensitive: true,
      plain: true,
      maxSize: 16 * 2 ** 20,
      ...others,
    };
    if (this.#options.delim === '')
      throw new TypeError('Bad delim "": fields need something between them');
    // A file with hashes of another kind says nothing to somebody who has but an answer to a challenge.
    this.credentialInterfaces =
      hash === undefined ? [UsernamePassword, UsernameHashedPassword] : [UsernamePassword];
  }

  /**
   * What the file has for a user.
   * Fails with `PasswordFileError` if the file cannot be used, `UnauthorizedLogin` if there is no such user. Twisted: `getUser` (KeyError).
   */
  getUser(username: string): Deferred<readonly [username: string, entry: string]> {
    return this.#load().addCallback(({ entries }) => {
      const entry = entries.get(this.#key(username));
      if (entry === undefined) throw new UnauthorizedLogin();
      return [this.#key(username), entry] as const;
    });
  }

  requestAvatarId(credentials: PasswordCredentials): Deferred<AvatarId> {
    const { username } = credentials;
    const password = credentials instanceof UsernamePassword ? credentials.password : '';
    if (password.length > MAX_PASSWORD_LENGTH || username.length > MAX_PASSWORD_LENGTH) {
      return maybeDeferred(() => {
        throw new UnauthorizedLogin();
      });
    }
    return this.#load()
      .addCallback(({ entries }) => {
        const entry = entries.get(this.#key(username));
        return entry === undefined
          ? this.#checkNobody(credentials)
          : this.#check(credentials, entry);
      })
      .addCallback((right: boolean) => {
        if (!right) throw new UnauthorizedLogin();
        // As everybody who knows this user calls it, not as it was typed.
        return this.#key(username);
      });
  }

  #check(credentials: PasswordCredentials, entry: string): Eventually<boolean> {
    if (!(credentials instanceof UsernamePassword)) {
      // An answer to a challenge can be checked by the clear password alone.
      return !isPasswordHash(entry) && this.#options.plain && credentials.checkPassword(entry);
    }
    const { username, password } = credentials;
    const hash = this.#hash;
    if (hash !== undefined) {
      return maybeDeferred(() => hash(username, password, entry)).addCallback((made) =>
        sameText(String(made), entry),
      );
    }
    return isPasswordHash(entry)
      ? this.#verify(username, password, entry)
      : credentials.checkPassword(entry);
  }

  /** A password that was right is known again at once: HTTP sends it with each request, and a hash is made to take its time. */
  #verify(username: string, password: string, entry: string): Eventually<boolean> {
    const mark = createHmac('sha256', this.#markKey).update(`${entry}\0${password}`).digest('hex');
    const known = this.#right.get(username);
    if (known !== undefined && sameText(known, mark)) return true;
    return verifyPassword(password, entry).addCallback((right) => {
      if (right) {
        if (this.#right.size >= MAX_REMEMBERED) this.#right.clear();
        this.#right.set(username, mark);
      }
      return right;
    });
  }

  #checkNobody(credentials: PasswordCredentials): Eventually<boolean> {
    const hash = this.#hash;
    if (hash !== undefined && credentials instanceof UsernamePassword) {
      const [entry = ''] = this.#users?.entries.values() ?? [];
      const { username, password } = credentials;
      return maybeDeferred(() => hash(username, password, entry)).addCallback(() => false);
    }
    const hashed = [...(this.#users?.entries.values() ?? [])].find(isPasswordHash);
    if (hashed === undefined || !(credentials instanceof UsernamePassword)) return false;
    this.#nobody ??= hashPassword('', hashCost(hashed));
    const result = new Deferred<boolean>();
    this.#nobody.addBoth((made) => {
      if (typeof made !== 'string') result.callback(false);
      else {
        verifyPassword(credentials.password, made).addCallbacks(
          () => result.callback(false),
          (failure) => result.errback(failure),
        );
      }
      return made;
    });
    return result;
  }

  #key(username: string): string {
    return this.#options.caseSensitive ? username : username.toLowerCase();
  }

  #load(): Deferred<Users> {
    return Deferred.fromPromise(this.#read());
  }

  async #read(): Promise<Users> {
    try {
      const { mtimeMs, size, ino } = await stat(this.filename);
      const stamp = `${mtimeMs} ${size} ${ino}`;
      if (this.#users?.stamp === stamp) return this.#users;
      if (size > this.#options.maxSize) {
        throw new RangeError(`it has ${size} bytes, and the limit is ${this.#options.maxSize}`);
      }
      const entries = this.#parsed(await readFile(this.filename, 'utf8'));
      this.#nobody = null;
      this.#users = { entries, stamp };
      return this.#users;
    } catch (cause) {
      if (cause instanceof PasswordFileError) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new PasswordFileError(`Cannot read password file '${this.filename}': ${why}`, {
        cause,
      });
    }
  }

  /** Fails as a whole: a line that means something else than was thought is no reason to go on. */
  #parsed(text: string): Map<string, string> {
    const { delim, usernameField, passwordField, plain } = this.#options;
    const entries = new Map<string, string>();
    for (const [index, raw] of text.split(/\r?\n/).entries()) {
      const line = index === 0 ? raw.replace(/^\uFEFF/, '') : raw;
      if (line.trim() === '' || line.startsWith('#')) continue;
      const fields = line.split(delim);
      const username = fields[usernameField];
      const password = fields[passwordField];
      if (username === undefined || username === '' || password === undefined) {
        throw new PasswordFileError(
          `Bad line ${index + 1} of password file '${this.filename}': expected a user name and a password with ${JSON.stringify(delim)} between them`,
        );
      }
      if (entries.has(this.#key(username))) {
        throw new PasswordFileError(
          `Bad line ${index + 1} of password file '${this.filename}': user ${JSON.stringify(username)} is there already`,
        );
      }
      if (this.#hash === undefined && !isPasswordHash(password)) {
        if (!plain) {
          throw new PasswordFileError(
            `Bad line ${index + 1} of password file '${this.filename}': the password of ${JSON.stringify(username)} is not hashed`,
          );
        }
        this.#warn();
      }
      if (this.#hash === undefined && isPasswordHash(password)) this.#sound(password, index + 1);
      entries.set(this.#key(username), password);
    }
    return entries;
  }

  #sound(hash: string, line: number): void {
    try {
      hashCost(hash);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new PasswordFileError(`Bad line ${line} of password file '${this.filename}': ${why}`, {
        cause,
      });
    }
  }

  #warn(): void {
    if (this.#warned) return;
    this.#warned = true;
    logEvent({
      level: 'warn',
      system: 'cred',
      message: `Password file '${this.filename}' has clear passwords: hashPassword() makes better ones`,
    });
  }
}
