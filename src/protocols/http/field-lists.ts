/** What stands in the values of fields, with the blanks of RFC 9110 around it: `String.trim` takes away others as well, which are part of a value, and must not make one element of two different texts. */

/** Without the optional whitespace, spaces and tabs only, at both ends (RFC 9110 section 5.6.3). */
export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return start === 0 && end === text.length ? text : text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** The elements of a list without their blanks, empty ones too (RFC 9110 section 5.6.1). */
export function listElements(value: string): string[] {
  return value.split(',').map(trimBlanks);
}

/** The elements of a list of tokens that are the same in small and capital letters: in small ones, without the empty ones, which mean nothing. */
export function listTokens(value: string): string[] {
  return listElements(value.toLowerCase()).filter((element) => element !== '');
}

/** What stands before the parameters of a Content-Type, in small letters (RFC 9110 section 8.3.1). */
export function mediaType(contentType: string): string {
  const end = contentType.indexOf(';');
  return trimBlanks(end < 0 ? contentType : contentType.slice(0, end)).toLowerCase();
}
