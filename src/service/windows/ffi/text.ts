/** Texts as Windows wants them: UTF-16, each ended by a zero, lists by one more. No pointers here. */

/** A text and its zero. */
export function wide(text: string): Buffer {
  return Buffer.from(`${text}\0`, 'utf16le');
}

/** MULTI_SZ. An empty list is two zeroes, which Windows reads as "none" where it reads a null pointer as "leave it". */
export function multiText(texts: readonly string[]): Buffer {
  return Buffer.from(`${texts.map((text) => `${text}\0`).join('') || '\0'}\0`, 'utf16le');
}

/** The text at an offset, up to its zero or the end. */
export function textAt(buffer: Buffer, offset: number): string {
  let end = offset;
  while (end + 1 < buffer.length && buffer.readUInt16LE(end) !== 0) end += 2;
  return buffer.toString('utf16le', offset, end);
}

/** The texts of a MULTI_SZ at an offset. */
export function textsAt(buffer: Buffer, offset: number): string[] {
  const texts: string[] = [];
  for (let at = offset; at + 1 < buffer.length; ) {
    const text = textAt(buffer, at);
    if (text === '') break;
    texts.push(text);
    at += 2 * (text.length + 1);
  }
  return texts;
}
