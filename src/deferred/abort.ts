import { reportFailure } from './report.ts';

const watches = new WeakMap<AbortSignal, Watch>();

/**
 * Runs `act` when `signal` is aborted, at once if it already is. The returned function takes it back: nothing of it stays with
 * a signal that lives as long as the process.
 */
export function onAbort(signal: AbortSignal, act: () => void): () => void {
  if (signal.aborted) {
    act();
    return () => {};
  }
  let watch = watches.get(signal);
  if (watch === undefined) {
    watch = new Watch(signal);
    watches.set(signal, watch);
  }
  return watch.add(act);
}

/**
 * The one listener that a signal has from here, whoever wants to know. Taking a listener from a signal is linear in their number,
 * and Node warns of a leak from the eleventh on, where hundreds of Deferreds may well depend on one signal.
 */
class Watch {
  readonly #signal: AbortSignal;
  readonly #acts = new Set<() => void>();

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this, { once: true });
  }

  add(act: () => void): () => void {
    const own = (): void => act(); // the same `act` may be there twice
    this.#acts.add(own);
    return () => {
      this.#acts.delete(own);
      if (this.#acts.size > 0) return;
      this.#signal.removeEventListener('abort', this);
      if (watches.get(this.#signal) === this) watches.delete(this.#signal);
    };
  }

  /** What the signal calls. */
  handleEvent(): void {
    for (const act of this.#acts) {
      try {
        act();
      } catch (error) {
        reportFailure(error, 'Error in a canceller'); // the others are cancelled all the same
      }
    }
  }
}
