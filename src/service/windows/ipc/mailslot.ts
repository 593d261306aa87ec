/** Mailslots: messages from any process to the one that reads. */
import { Deferred, reportFailure } from '../../../deferred/index.ts';
import { reactor as processReactor, type ReactorTime } from '../../../reactor/index.ts';
import type { MailslotKernel } from './kernel.ts';
import { KernelObject } from './kernel-object.ts';
import { mailslotPath } from './names.ts';
import { kernelFor } from './platform.ts';
import { checkTimeout, limited, type WaitOptions } from './waitable.ts';

/** Gets the messages of a {@link Mailslot}, as a protocol does. */
export interface MailslotReceiver {
  /** One message, whole. */
  messageReceived(message: Buffer): void;
}

/** Options of a {@link Mailslot}. */
export interface MailslotOptions {
  /** Gets each message. Without it they are read by {@link Mailslot.receive} or `for await`. */
  readonly receiver?: MailslotReceiver;
  /** Bytes of the longest message; longer ones cannot be written, and are thrown away where they are (Wine). Default 65536. */
  readonly maxMessageSize?: number;
  /** Seconds between two looks for messages while somebody wants one: Windows does not tell. Default 0.05. */
  readonly interval?: number;
  /** Who may write to it, in SDDL (see `accessList`). Default: Windows' own. */
  readonly access?: string | null;
  /** What measures the times. Default: the process's reactor. */
  readonly clock?: Pick<ReactorTime, 'seconds' | 'callLater'>;
  /** What stands for Windows, in tests. */
  readonly kernel?: MailslotKernel;
}

const INTERVAL = 0.05;
const MAX_MESSAGE_SIZE = 65536;
/** Messages that are handed on in one turn, so that a flood does not hold the loop. */
const AT_ONCE = 100;

/**
 * The reading end of a mailslot, which only one process can have. Messages wait in Windows, in order, until they are read, and go when this is closed. Its writers learn nothing of
 * what becomes of them. pywin32: `win32file.CreateMailslot`.
 *
 * @example
 * using slot = new Mailslot('orders');
 * for await (const message of slot) console.log(message.toString()); // until it is closed
 */
export class Mailslot extends KernelObject<MailslotKernel> {
  /** `\\.\mailslot\` and the name. */
  readonly path: string;
  readonly #receiver: MailslotReceiver | null;
  readonly #limit: number;
  readonly #interval: number;
  readonly #clock: Pick<ReactorTime, 'seconds' | 'callLater'>;
  readonly #waiting = new Set<Deferred<Buffer>>();
  #look: { cancel(): void } | null = null;

  /**
   * @param name such as 'orders' or 'shop\orders', or the whole path
   * @throws {UnsupportedPlatform} when this is not Windows
   * @throws {WindowsError} 123 no name for Windows, 183 another process, or this, reads it already
   */
  constructor(name: string, options: MailslotOptions = {}) {
    const kernel = kernelFor('a Mailslot', options.kernel);
    const { maxMessageSize = MAX_MESSAGE_SIZE, interval = INTERVAL, access = null } = options;
    if (!Number.isInteger(maxMessageSize) || maxMessageSize < 1 || maxMessageSize > 2 ** 31) {
      throw new RangeError(`Longest message must be from 1 to 2147483648: got ${maxMessageSize}`);
    }
    if (!(interval > 0 && interval < Number.POSITIVE_INFINITY))
      throw new RangeError(`Interval must be above 0 s: got ${interval}`);
    const path = mailslotPath(name, false);
    const operation = `make mailslot "${path}"`;
    const handle = kernel.createMailslot(path, { name: path, access, operation }, maxMessageSize);
    super(kernel, 'mailslot', path, { handle, created: true });
    this.path = path;
    this.#limit = maxMessageSize;
    this.#interval = interval;
    this.#clock = options.clock ?? processReactor;
    this.#receiver = options.receiver ?? null;
    if (this.#receiver !== null) this.#later();
  }

  /**
   * Opens a mailslot to write to.
   * @param name as that of the reader; or on another machine: `\\machine\mailslot\name`, which current Windows does not deliver by default
   * @throws {UnsupportedPlatform} when this is not Windows
   * @throws {WindowsError} 2 nobody reads it, 5 no right to, 123 no name for Windows
   */
  static connect(name: string, options: Pick<MailslotOptions, 'kernel'> = {}): MailslotWriter {
    return new MailslotWriter(name, options);
  }

  /**
   * The next message. Fails with {TimeoutError}, {CancelledError}, or {WindowsError} 6 when this is closed meanwhile.
   * @throws {WindowsError} 6 closed
   * @throws {TypeError} when it has a receiver, which gets them all
   */
  receive(options: WaitOptions = {}): Deferred<Buffer> {
    checkTimeout(String(this), options);
    this.handleTo('read');
    if (this.#receiver !== null) {
      throw new TypeError(`Cannot read ${this}: its receiver gets the messages`);
    }
    const deferred = new Deferred<Buffer>(() => this.#leave(deferred));
    this.#waiting.add(deferred);
    if (options.signal?.aborted) deferred.cancel(options.signal.reason);
    else if (this.#waiting.size === 1) this.#deliver();
    return limited(deferred, String(this), options, this.#clock);
  }

  /** The messages, until it is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    while (!this.closed) {
      const next = this.receive();
      try {
        yield await next;
      } catch (error) {
        if (this.closed) return;
        throw error;
      }
    }
  }

  #later(): void {
    this.#look = this.#clock.callLater(this.#interval, () => {
      this.#look = null;
      this.#deliver();
    });
  }

  get #wanted(): boolean {
    return !this.closed && (this.#receiver !== null || this.#waiting.size > 0);
  }

  #deliver(): void {
    this.#look?.cancel();
    this.#look = null;
    for (let count = 0; count < AT_ONCE && this.#wanted; count += 1) {
      let message: Buffer | null;
      try {
        message = this.kernel.readMailslot(this.handleTo('read'), this.operation('read'));
      } catch (error) {
        this.#failed(error);
        return;
      }
      if (message === null) break;
      if (message.length <= this.#limit) this.#hand(message);
    }
    if (this.#wanted && this.#look === null) this.#later();
  }

  #hand(message: Buffer): void {
    if (this.#receiver === null) {
      const [first] = this.#waiting;
      if (first === undefined) return;
      this.#waiting.delete(first);
      first.callback(message);
      return;
    }
    try {
      this.#receiver.messageReceived(message);
    } catch (error) {
      reportFailure(error, `Error in the receiver of ${this}`);
    }
  }

  #failed(error: unknown): void {
    if (this.#receiver !== null) {
      reportFailure(error, `Cannot read ${this} any more`);
      this.close();
      return;
    }
    for (const deferred of this.#takeWaiting()) deferred.errback(error);
  }

  #takeWaiting(): Deferred<Buffer>[] {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    return waiting;
  }

  #leave(deferred: Deferred<Buffer>): void {
    this.#waiting.delete(deferred);
    if (this.#wanted) return;
    this.#look?.cancel();
    this.#look = null;
  }

  protected override closing(): boolean {
    this.#look?.cancel();
    this.#look = null;
    for (const deferred of this.#takeWaiting()) deferred.errback(this.closedError('read'));
    return true;
  }
}

/** The writing end of a mailslot. See {@link Mailslot.connect}. */
export class MailslotWriter extends KernelObject<MailslotKernel> {
  /** @internal */
  constructor(name: string, options: Pick<MailslotOptions, 'kernel'> = {}) {
    const kernel = kernelFor('a Mailslot', options.kernel);
    const path = mailslotPath(name, true);
    const handle = kernel.openMailslot(path, `open mailslot "${path}"`);
    super(kernel, 'mailslot', path, { handle, created: false });
  }

  /**
   * Writes one message; never waits.
   * @param message text is UTF-8
   * @throws {TypeError} when it is something else
   * @throws {WindowsError} 6 closed, 87 longer than the reader takes. Whether it is told that the reader has gone depends on the system
   */
  write(message: Uint8Array | string): void {
    const handle = this.handleTo('write to');
    this.kernel.writeMailslot(handle, bytesOf(message), this.operation('write to'));
  }
}

function bytesOf(message: unknown): Buffer {
  if (typeof message === 'string') return Buffer.from(message);
  if (message instanceof Uint8Array) {
    return Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  }
  throw new TypeError(`Message must be text or bytes: got ${typeof message}`);
}
