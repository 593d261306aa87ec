/** Parameters of authentication schemes (RFC 9110, 11.2): `name=token, name="quoted"`. */

const PARAMETER =
  /[ \t,]*([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+\-.^_`|~0-9A-Za-z]+))[ \t]*(?=,|$)/gy;

/**
 * Reads parameters. Names are made small.
 * @returns null when it is no list of them, or has one twice
 */
export function parseParameters(text: string): ReadonlyMap<string, string> | null {
  const found = new Map<string, string>();
  PARAMETER.lastIndex = 0;
  let end = 0;
  for (let match = PARAMETER.exec(text); match !== null; match = PARAMETER.exec(text)) {
    const [, name = '', quoted, token = ''] = match;
    const key = name.toLowerCase();
    if (found.has(key)) return null;
    found.set(key, quoted === undefined ? token : quoted.replaceAll(/\\(.)/gs, '$1'));
    end = PARAMETER.lastIndex;
  }
  return /^[ \t,]*$/.test(text.slice(end)) ? found : null;
}

/** A value as a quoted string. */
export function quoted(value: string): string {
  return `"${value.replaceAll(/["\\]/g, '\\$&')}"`;
}
