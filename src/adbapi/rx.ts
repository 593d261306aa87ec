/** The room's only file that knows rxjs, which is loaded when first needed. */
import { createRequire } from 'node:module';
import type { Observable } from 'rxjs';

export type { Observable };

let loaded: typeof import('rxjs') | undefined;

function rxjs(): typeof import('rxjs') {
  // What require returns has no type; this is the package's own.
  loaded ??= createRequire(import.meta.url)('rxjs') as typeof import('rxjs');
  return loaded;
}

/** An Observable of what `step` makes of each item, the next one taken only when that is there. Unsubscribing ends the source. */
export function observeInTurn<R, T>(
  source: AsyncIterableIterator<R>,
  step: (item: R) => Promise<T>,
): Observable<T> {
  const { Observable } = rxjs();
  return new Observable<T>((subscriber) => {
    const pump = async (): Promise<void> => {
      for await (const item of source) {
        const made = await step(item);
        if (subscriber.closed) return;
        subscriber.next(made);
        if (subscriber.closed) return;
      }
    };
    pump().then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    );
    return () => {
      source.return?.()?.catch(() => {}); // whoever unsubscribed hears nothing more
    };
  });
}

/**
 * An Observable of `read()`: at once when subscribed to, and after changes, of which `listen` tells, but once a turn at most. It completes when `read` gives one that is
 * `over`.
 */
export function observeChanges<T>(
  read: () => T,
  listen: (changed: () => void) => () => void,
  over: () => boolean,
): Observable<T> {
  const { Observable } = rxjs();
  return new Observable<T>((subscriber) => {
    let due = false;
    const emit = (): void => {
      due = false;
      if (subscriber.closed) return;
      subscriber.next(read());
      if (over()) subscriber.complete();
    };
    const stop = listen(() => {
      if (due) return;
      due = true;
      queueMicrotask(emit);
    });
    emit();
    return stop;
  });
}
