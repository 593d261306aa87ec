/** HTTP authentication (Twisted: `twisted.web.guard`). */
export { BasicCredentialFactory } from './basic.ts';
export {
  type DigestAlgorithm,
  DigestCredentialFactory,
  DigestedCredentials,
  type DigestOptions,
} from './digest.ts';
export { HTTPAuthSessionWrapper, UnauthorizedResource } from './guard.ts';
export type { CredentialFactory } from './interfaces.ts';
