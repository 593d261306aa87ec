/** Heads that are put up with: they are rewritten as they should have been, and only then read. */
import type { LenientParsing } from './parser-limits.ts';

/** The same head, with CRLF at the end of each line and no folds, as far as the switches say so. It ends with its empty line. */
export function straighten(
  head: Buffer,
  lenient: Pick<LenientParsing, 'bareLF' | 'foldedHeaders'>,
): Buffer {
  let text = head.toString('latin1');
  if (lenient.bareLF) text = text.replace(/\r?\n/g, '\r\n');
  if (lenient.foldedHeaders) text = unfold(text);
  return Buffer.from(text, 'latin1');
}

/** One space for each fold, but for one right behind the start line, since that is of no header. */
function unfold(text: string): string {
  const start = text.indexOf('\r\n') + 2;
  const folds = /[ \t]*\r\n[ \t]+/g;
  return (
    text.slice(0, start) +
    text.slice(start).replace(folds, (fold, at: number) => (at === 0 ? fold : ' '))
  );
}
