import type { Data } from './interfaces.ts';

/** Throws unless `data` can be written. @internal */
export function checkData(data: unknown): asserts data is Data {
  if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
    const what = data === null ? 'null' : typeof data === 'object' ? 'an object' : typeof data;
    throw new TypeError(`Data must be a Buffer, a Uint8Array or a string: got ${what}`);
  }
}
