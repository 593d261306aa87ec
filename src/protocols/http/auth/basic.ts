/** HTTP Basic authentication (RFC 7617). Passwords travel in the clear: offer it over TLS only. */

import { LoginFailed, UsernamePassword } from '../../cred/index.ts';
import { trimBlanks } from '../field-lists.ts';
import type { CredentialFactory } from './interfaces.ts';

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** Asks for a user name and a password as they are. Twisted: `BasicCredentialFactory`. */
export class BasicCredentialFactory implements CredentialFactory {
  readonly scheme = 'basic';
  /** What browsers show when they ask for a password. */
  readonly authenticationRealm: string;

  /** @param authenticationRealm what the user is told the password is for */
  constructor(authenticationRealm: string) {
    this.authenticationRealm = authenticationRealm;
  }

  getChallenge(): Readonly<Record<string, string>> {
    return { realm: this.authenticationRealm, charset: 'UTF-8' };
  }

  decode(response: string): UsernamePassword {
    const text = trimBlanks(response);
    if (!BASE64.test(text)) throw new LoginFailed('Invalid credentials: not base64');
    const decoded = Buffer.from(text, 'base64').toString('utf8');
    const colon = decoded.indexOf(':');
    if (colon < 0) throw new LoginFailed('Invalid credentials: no colon after the user name');
    return new UsernamePassword(decoded.slice(0, colon), decoded.slice(colon + 1));
  }
}
