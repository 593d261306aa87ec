/** Versions of TLS, and the range of them that is spoken (Twisted: `TLSVersion`). */
import type { TLSCredentials } from '../tls-interfaces.ts';
import { shown } from './shown.ts';

/** The versions, by Twisted's names, as Node writes them. SSL is not among them: nothing speaks it any more. */
export const TLSVersion = {
  TLSv1_0: 'TLSv1',
  TLSv1_1: 'TLSv1.1',
  TLSv1_2: 'TLSv1.2',
  TLSv1_3: 'TLSv1.3',
} as const satisfies Record<string, TLSCredentials['minVersion']>;

/** 'TLSv1', 'TLSv1.1', 'TLSv1.2' or 'TLSv1.3'. */
export type TLSVersion = (typeof TLSVersion)[keyof typeof TLSVersion];

const ORDER: readonly unknown[] = Object.values(TLSVersion);

/** The oldest version spoken unless somebody insists (RFC 8996 retired those before it). */
const LEAST: TLSVersion = TLSVersion.TLSv1_2;

function isOlder(a: TLSVersion, b: TLSVersion): boolean {
  return ORDER.indexOf(a) < ORDER.indexOf(b);
}

/** The options that say which versions to speak. */
export interface TLSVersionOptions {
  /** The oldest version to speak. One older than the default, TLS 1.2, leaves that as it is. */
  readonly raiseMinimumTo?: TLSVersion;
  /** The oldest version to speak, which may be TLS 1.0 or 1.1: both have known weaknesses, and need ciphers that do as well. */
  readonly insecurelyLowerMinimumTo?: TLSVersion;
  /** The newest version to speak. Default TLS 1.3. */
  readonly lowerMaximumSecurityTo?: TLSVersion;
}

/** @throws {TypeError} for what is no version, for both ways to say the minimum at once, and for a range with nothing in it */
export function versionRange(options: TLSVersionOptions): {
  readonly minVersion: TLSVersion;
  readonly maxVersion: TLSVersion;
} {
  const { raiseMinimumTo: raised, insecurelyLowerMinimumTo: lowered } = options;
  for (const name of [
    'raiseMinimumTo',
    'insecurelyLowerMinimumTo',
    'lowerMaximumSecurityTo',
  ] as const) {
    const version = options[name];
    if (version === undefined || ORDER.includes(version)) continue;
    const expected = `expected one of ${ORDER.join(', ')}`;
    throw new TypeError(`Cannot use ${name} ${shown(version)}: ${expected}`);
  }
  if (raised !== undefined && lowered !== undefined) {
    throw new TypeError('Cannot use raiseMinimumTo together with insecurelyLowerMinimumTo');
  }
  const atLeast = raised === undefined || isOlder(raised, LEAST) ? LEAST : raised;
  const minVersion = lowered ?? atLeast;
  const maxVersion = options.lowerMaximumSecurityTo ?? TLSVersion.TLSv1_3;
  if (isOlder(maxVersion, minVersion)) {
    const what = `lowerMaximumSecurityTo '${maxVersion}'`;
    throw new TypeError(
      `Cannot use ${what}: the oldest version to speak is newer, '${minVersion}' (see insecurelyLowerMinimumTo)`,
    );
  }
  return { minVersion, maxVersion };
}

/** The ciphers with which a range can be spoken: OpenSSL allows what versions before TLS 1.2 need at its security level 0 only. */
export function ciphersFor(minVersion: TLSVersion, ciphers: string): string {
  if (!isOlder(minVersion, LEAST) || ciphers.includes('@SECLEVEL')) return ciphers;
  return `${ciphers}:@SECLEVEL=0`;
}
