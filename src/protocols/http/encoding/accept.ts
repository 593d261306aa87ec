/** What a peer says it would rather have: lists with q-values (RFC 9110 12.4.2). Pure. */
import { trimBlanks } from '../field-lists.ts';

/** The weight in `parameter` ('q=0.5'), 0 to 1; null when it is no weight, 0 when it is a broken one. */
function weightOf(parameter: string): number | null {
  const text = trimBlanks(parameter);
  if (!/^q[ \t]*=/i.test(text)) return null;
  const value = trimBlanks(text.slice(text.indexOf('=') + 1));
  return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(value) ? Number(value) : 0;
}

/**
 * The members of an `Accept-...` list with their weights, names in lower case. A weight that breaks the syntax counts as 0: what the peer did not say clearly it does
 * not get. Of a name said twice the last holds.
 */
export function parseQualities(field: string): Map<string, number> {
  const qualities = new Map<string, number>();
  for (const member of field.split(',')) {
    const [name = '', ...parameters] = member.split(';');
    const key = trimBlanks(name).toLowerCase();
    if (key === '') continue;
    let quality = 1;
    for (const parameter of parameters) {
      const weight = weightOf(parameter);
      if (weight !== null) quality = weight;
    }
    qualities.set(key, quality);
  }
  return qualities;
}

/** Older names of codings, which mean the same (RFC 9110 8.4.1). */
const ALIASES: Readonly<Record<string, string>> = { gzip: 'x-gzip', compress: 'x-compress' };

/**
 * The content coding to send, of those `offered` (best first), by what `Accept-Encoding` says: the one with the highest weight, ties to the one offered first.
 * @returns null for no coding: none is acceptable, the peer would rather have the plain body, or it did not say anything
 */
export function acceptedCoding(
  field: string | undefined,
  offered: readonly string[],
): string | null {
  if (field === undefined || field === '' || offered.length === 0) return null;
  const qualities = parseQualities(field);
  const others = qualities.get('*');
  let best: string | null = null;
  // Plain is wanted only where it is named with a higher weight; unnamed it is the last resort.
  let bestQuality = 0;
  for (const coding of offered) {
    const quality = qualities.get(coding) ?? qualities.get(ALIASES[coding] ?? '') ?? others ?? 0;
    if (quality > bestQuality) {
      best = coding;
      bestQuality = quality;
    }
  }
  return (qualities.get('identity') ?? 0) > bestQuality ? null : best;
}
