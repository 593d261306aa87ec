import type { Request } from '../request.ts';
import type { IResource } from '../resource.ts';
import { ResourceWrapper } from './resource-wrapper.ts';

/** Which fields are set; null leaves one out. */
export interface SecurityHeadersOptions {
  /** `Content-Security-Policy`. Default "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'; object-src 'none'". */
  readonly contentSecurityPolicy?: string | null;
  /** Seconds for which browsers are to come by TLS only (`Strict-Transport-Security`, RFC 6797), said under TLS. Default 15,552,000: half a year. */
  readonly strictTransportSecurity?: number | null;
  /** Whether that holds for all hosts below this one. Default false. */
  readonly includeSubDomains?: boolean;
  /** `X-Frame-Options`, for browsers that do not know frame-ancestors. Default 'SAMEORIGIN'. */
  readonly frameOptions?: 'DENY' | 'SAMEORIGIN' | null;
  /** `Referrer-Policy`. Default 'strict-origin-when-cross-origin'. */
  readonly referrerPolicy?: string | null;
  /** `Cross-Origin-Opener-Policy`. Default 'same-origin'. */
  readonly openerPolicy?: string | null;
  /** `Cross-Origin-Resource-Policy`. Default 'same-origin'. */
  readonly resourcePolicy?: string | null;
  /** `Permissions-Policy`. Default none. */
  readonly permissionsPolicy?: string | null;
}

const POLICY =
  "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'; object-src 'none'";

/**
 * Sets the header fields by which browsers protect the users of a site, on all answers of a resource and of what is below it. A resource that sets one of them itself has the last word, and so has
 * a wrapper further in.
 * `X-Content-Type-Options: nosniff` is always among them.
 */
export class SecurityHeadersWrapper extends ResourceWrapper {
  readonly #fields: readonly (readonly [name: string, value: string])[];
  readonly #transport: string | null;

  /** @throws {RangeError} when the time is no whole number of seconds, 0 or more */
  constructor(original: IResource, options: SecurityHeadersOptions = {}) {
    super(original);
    const {
      contentSecurityPolicy = POLICY,
      strictTransportSecurity = 15_552_000,
      includeSubDomains = false,
      frameOptions = 'SAMEORIGIN',
      referrerPolicy = 'strict-origin-when-cross-origin',
      openerPolicy = 'same-origin',
      resourcePolicy = 'same-origin',
      permissionsPolicy = null,
    } = options;
    if (
      strictTransportSecurity !== null &&
      !(Number.isInteger(strictTransportSecurity) && strictTransportSecurity >= 0)
    ) {
      throw new RangeError(
        `The option strictTransportSecurity must be a whole number of seconds: got ${strictTransportSecurity}`,
      );
    }
    const all: [string, string | null][] = [
      ['X-Content-Type-Options', 'nosniff'],
      ['Content-Security-Policy', contentSecurityPolicy],
      ['X-Frame-Options', frameOptions],
      ['Referrer-Policy', referrerPolicy],
      ['Cross-Origin-Opener-Policy', openerPolicy],
      ['Cross-Origin-Resource-Policy', resourcePolicy],
      ['Permissions-Policy', permissionsPolicy],
    ];
    this.#fields = all.flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]));
    this.#transport =
      strictTransportSecurity === null
        ? null
        : `max-age=${strictTransportSecurity}${includeSubDomains ? '; includeSubDomains' : ''}`;
  }

  protected override prepare(request: Request): null {
    for (const [name, value] of this.#fields) request.setHeader(name, value);
    // In clear it would be worth nothing: whoever can write it could leave it out (RFC 6797 7.2).
    if (this.#transport !== null && request.isSecure()) {
      request.setHeader('Strict-Transport-Security', this.#transport);
    }
    return null;
  }
}
