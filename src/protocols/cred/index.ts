/** Who somebody is, and what they get: portals, realms, checkers (Twisted: `twisted.cred`). */
export {
  AllowAnonymousAccess,
  CallableChecker,
  InMemoryUsernamePasswordDatabase,
  type PasswordCredentials,
} from './checkers.ts';
export {
  Anonymous,
  type CredentialsClass,
  UsernameHashedPassword,
  UsernamePassword,
} from './credentials.ts';
export {
  LoginFailed,
  PasswordFileError,
  TooManyLogins,
  UnauthorizedLogin,
  UnhandledCredentials,
} from './errors.ts';
export { FilePasswordDB, type FilePasswordDBOptions } from './file-password-db.ts';
export { type HashCost, hashPassword, isPasswordHash, verifyPassword } from './password-hash.ts';
export {
  ANONYMOUS,
  type AvatarId,
  type AvatarInterface,
  type CredentialsChecker,
  type Eventually,
  type LoginResult,
  Portal,
  type Realm,
} from './portal.ts';
