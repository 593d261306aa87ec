/** What HTTP authentication schemes provide (Twisted: `twisted.web.iweb.ICredentialFactory`). */
import type { Request } from '../request.ts';

/** One scheme of HTTP authentication: asks, and understands the answer. Twisted: `ICredentialFactory`. */
export interface CredentialFactory {
  /** The name of the scheme, in small letters: what an `Authorization` header begins with. */
  readonly scheme: string;
  /** What `WWW-Authenticate` says besides the scheme. Values are quoted by the caller, but for those in `unquoted`. */
  getChallenge(request: Request): Readonly<Record<string, string>>;
  /** Parameters of the challenge that are written without quotes. */
  readonly unquoted?: ReadonlySet<string>;
  /**
   * The credentials in an `Authorization` header.
   * @param response what follows the scheme
   * @throws {LoginFailed} when it cannot be right
   */
  decode(response: string, request: Request): object;
}
