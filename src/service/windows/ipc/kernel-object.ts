/** What everything with a handle has in common: a name, and being closed once. */
import { WindowsError } from '../errors.ts';
import type { Created, Handle, HandleKernel } from './kernel.ts';
import { describe } from './names.ts';

const ERROR_INVALID_HANDLE = 6;

/** How an object is made or opened. */
export interface KernelObjectOptions {
  /** Open what is there and never make a new one. Default false. */
  readonly mustExist?: boolean;
  /**
   * Who may use it, as an access list in SDDL (`accessList` makes one). Default: Windows' own, which lets the same user and administrators. What a service makes for the users of the machine
   * needs one. Counts only when the object is new.
   */
  readonly access?: string | null;
}

/** An object of Windows' that has a handle. Close it: the handle is not collected with it. */
export abstract class KernelObject<K extends HandleKernel> implements Disposable {
  /** Null for one without a name. */
  readonly name: string | null;
  /** Whether this made it; false when it was there already. */
  readonly created: boolean;
  protected readonly kernel: K;
  readonly #kind: string;
  readonly #handle: Handle;
  #open = true;

  protected constructor(kernel: K, kind: string, name: string | null, made: Created) {
    this.kernel = kernel;
    this.#kind = kind;
    this.name = name;
    this.created = made.created;
    this.#handle = made.handle;
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return !this.#open;
  }

  /** Gives the handle back. The object itself goes with the last handle that any process has of it. Closing twice is nothing. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.closing(this.#handle)) this.kernel.closeHandle(this.#handle);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  toString(): string {
    return describe(this.#kind, this.name);
  }

  /** Called once, before the handle is closed. Returns whether it may be closed now; otherwise whoever says no closes it. */
  protected closing(_handle: Handle): boolean {
    return true;
  }

  /** What is done, for messages: 'release mutex "x"'. */
  protected operation(verb: string): string {
    return `${verb} ${this}`;
  }

  /** The handle. @throws {WindowsError} 6 when this is closed */
  protected handleTo(verb: string): Handle {
    if (!this.#open) throw this.closedError(verb);
    return this.#handle;
  }

  protected closedError(verb: string): WindowsError {
    return new WindowsError(ERROR_INVALID_HANDLE, this.operation(verb));
  }
}
