/** A file that somebody else writes to, read as it grows. */
import { closeSync, type FSWatcher, openSync, readFileSync, watch } from 'node:fs';

interface Waiter {
  readonly pattern: RegExp;
  readonly resolve: (match: RegExpExecArray) => void;
  readonly reject: (error: Error) => void;
}

export class WatchedFile {
  readonly path: string;
  readonly #watcher: FSWatcher;
  #waiters: Waiter[] = [];
  #over: string | null = null;

  /** Makes the file, if it is not there. */
  constructor(path: string) {
    this.path = path;
    closeSync(openSync(path, 'a'));
    this.#watcher = watch(path, () => this.#look());
  }

  /** What is in it, with the line ends of Linux. */
  get text(): string {
    return readFileSync(this.path, 'utf8').replaceAll('\r\n', '\n');
  }

  /** The first match in what is in it or comes into it. Rejects, showing the text, when it is closed without. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ pattern, resolve, reject });
      this.#look();
    });
  }

  /** Ceases to watch it. @param why for those who still wait */
  close(why = 'It was closed'): void {
    this.#watcher.close();
    this.#over = why;
    this.#look();
  }

  #look(): void {
    const waiting = this.#waiters;
    if (waiting.length === 0) return;
    this.#waiters = [];
    const { text } = this;
    for (const waiter of waiting) {
      const match = waiter.pattern.exec(text);
      if (match !== null) waiter.resolve(match);
      else if (this.#over === null) this.#waiters.push(waiter);
      else waiter.reject(new Error(`${this.#over} and never said ${waiter.pattern}\n${text}`));
    }
  }
}
