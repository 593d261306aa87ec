/** Has files digested, one at a time. What is to be done stands in the database: what a stop interrupts is done after the next start. */
import { join } from 'node:path';
import { type Deferred, deferToThread, Logger, Service } from '../../../src/index.ts';
import type { Digest } from './digest.ts';
import type { Board } from './store.ts';

export class Digester extends Service {
  readonly #board: Board;
  readonly #folder: string;
  readonly #log = new Logger('digester');
  #work: Promise<void> | null = null;
  #call: Deferred<Digest> | null = null;
  #again = false;

  constructor(board: Board, folder: string) {
    super();
    this.#board = board;
    this.#folder = folder;
    this.setName('digester');
  }

  override startService(): void {
    super.startService();
    this.wake();
  }

  /** The thread is ended in the middle of its work, if it has any. */
  override stopService(): Promise<void> | undefined {
    super.stopService();
    this.#call?.cancel();
    return this.#work ?? undefined;
  }

  /** There is something to do. */
  wake(): void {
    this.#again = true;
    if (!this.running || this.#work !== null) return;
    this.#work = this.#workOff().finally(() => {
      this.#work = null;
    });
  }

  async #workOff(): Promise<void> {
    try {
      while (this.#again && this.running) {
        this.#again = false;
        const entry = await this.#board.undigested();
        if (entry === undefined || !this.running) continue;
        const { sha256, picture } = await this.#digest(join(this.#folder, String(entry.file)));
        await this.#board.digested(entry.id, sha256, picture);
        this.#again = true;
      }
    } catch (error) {
      // The timer wakes it again.
      if (this.running) this.#log.error('Cannot digest: {error}', { error: String(error) });
    }
  }

  async #digest(path: string): Promise<Digest> {
    this.#call = deferToThread<typeof import('./digest.ts').digest>(
      new URL('./digest.ts', import.meta.url),
      'digest',
      path,
    );
    try {
      return (await this.#call) as Digest; // what a thread gives has crossed as a clone
    } catch (error) {
      if (!this.running) throw error;
      this.#log.warn('Cannot read {path}: {error}', { path, error: String(error) });
      return { sha256: 'unreadable', picture: '' };
    } finally {
      this.#call = null;
    }
  }
}
