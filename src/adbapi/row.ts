/** Making rows. */
import type { Row } from './driver.ts';

/** Sets a column of a row, whatever it is called: `__proto__`, too, is then a column and nothing else. */
export function putColumn(row: Row, name: string, value: unknown): void {
  if (name !== '__proto__') row[name] = value;
  else {
    const how = { value, writable: true, enumerable: true, configurable: true };
    Object.defineProperty(row, name, how);
  }
}
