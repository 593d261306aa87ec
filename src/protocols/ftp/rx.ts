/** The only file here that knows rxjs, which is loaded when somebody watches. */
import { createRequire } from 'node:module';
import type { Observable, Subject } from 'rxjs';

export type { Observable, Subject };

export function makeSubject<T>(): Subject<T> {
  // What require returns has no type; this is the package's own.
  const rxjs = createRequire(import.meta.url)('rxjs') as typeof import('rxjs');
  return new rxjs.Subject<T>();
}
