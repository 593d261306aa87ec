/** Host names between people and the network: internationalised names in both forms (RFC 5890), and what cannot be a name. */
import { isIP } from 'node:net';
import { domainToASCII, domainToUnicode } from 'node:url';

/** Longest name and longest label (RFC 1035, 2.3.4). */
const LONGEST_NAME = 253;
const LONGEST_LABEL = 63;

/** Delimiters of a URL, which Node's conversion would stop at, or decode, without a word. */
const FORBIDDEN = /[\s/?#@:%\\[\]]/;

/** The form in which a name is looked up ('xn--bcher-kva.ch' for 'bücher.ch'), or undefined for what cannot be a name. IP literals are left as they are. */
export function hostNameToASCII(name: string): string | undefined {
  if (isIP(name) !== 0) return name;
  if (FORBIDDEN.test(name)) return undefined;
  const ascii = domainToASCII(name);
  const labels = (ascii.endsWith('.') ? ascii.slice(0, -1) : ascii).split('.');
  const wellFormed = labels.every((label) => label.length > 0 && label.length <= LONGEST_LABEL);
  return wellFormed && ascii.length <= LONGEST_NAME + 1 ? ascii : undefined;
}

/** The form in which a name is shown ('bücher.ch' for 'xn--bcher-kva.ch'); what cannot be a name is left as it is. */
export function hostNameToText(name: string): string {
  const ascii = hostNameToASCII(name);
  if (ascii === undefined || isIP(ascii) !== 0) return name;
  return domainToUnicode(ascii) || name;
}
