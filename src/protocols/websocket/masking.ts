/**
 * The mask of RFC 6455 section 5.3: each byte of a client's payload is combined with one of four. Done in words of four bytes as far as possible; the views that takes are
 * made once for each piece of memory, of which Node hands out the same for many small reads.
 */

/** Bytes below which words gain nothing. */
const SHORT = 16;
/** Memory of up to this many bytes has its view kept. It is what reads come in. */
const KEPT = 65_536;

/** Whether the first byte of a word is its lowest, as on nearly every processor. */
const LITTLE = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

let memory: ArrayBufferLike | undefined;
let words: Int32Array = new Int32Array(0);

function wordsOf(bytes: Uint8Array): Int32Array {
  const { buffer } = bytes;
  if (buffer === memory) return words;
  const found = new Int32Array(buffer, 0, buffer.byteLength >>> 2);
  if (buffer.byteLength <= KEPT) {
    memory = buffer;
    words = found;
  }
  return found;
}

function swapped(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

/** The byte of a key for a place in the payload. Keys are numbers of 32 bits whose lowest byte comes first. */
function keyAt(key: number, place: number): number {
  return (key >>> ((place & 3) << 3)) & 0xff;
}

/**
 * Masks, or unmasks, bytes where they are.
 * @param key the four bytes as a number, the first one lowest
 * @param phase how many bytes of the payload were before `start`
 */
export function maskInPlace(
  bytes: Uint8Array,
  start: number,
  end: number,
  key: number,
  phase: number,
): void {
  let at = start;
  if (end - start >= SHORT) {
    while (((bytes.byteOffset + at) & 3) !== 0) {
      bytes[at] = (bytes[at] ?? 0) ^ keyAt(key, phase + at - start);
      at += 1;
    }
    const turn = ((phase + at - start) & 3) << 3;
    let turned = turn === 0 ? key : (key >>> turn) | (key << (32 - turn));
    if (!LITTLE) turned = swapped(turned);
    const all = wordsOf(bytes);
    let word = (bytes.byteOffset + at) >>> 2;
    const last = (bytes.byteOffset + end) >>> 2;
    at += (last - word) << 2;
    for (; word < last; word += 1) all[word] = (all[word] ?? 0) ^ turned;
  }
  for (; at < end; at += 1) bytes[at] = (bytes[at] ?? 0) ^ keyAt(key, phase + at - start);
}

/** Reads a key, or writes one: four bytes at `at`. */
export function readKey(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  );
}

export function writeKey(bytes: Uint8Array, at: number, key: number): void {
  bytes[at] = key & 0xff;
  bytes[at + 1] = (key >>> 8) & 0xff;
  bytes[at + 2] = (key >>> 16) & 0xff;
  bytes[at + 3] = key >>> 24;
}
