import { read as readDescriptor } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { inspect } from 'node:util';
import { Deferred } from '../deferred/index.ts';
import type { Consumer, Data, PullProducer } from '../reactor/index.ts';
import { bytesOf, EMPTY } from './data.ts';
import { TransferInProgressError, TransferStoppedError } from './errors.ts';

/** Anything that can be read to its end piece by piece. */
export interface ReadableFile {
  /**
   * The next bytes, `size` at most; nothing (an empty buffer or null) at the end. Not called again before a promise it returned has settled. What it
   * returns must not be changed afterwards.
   */
  read(size: number): Data | null | PromiseLike<Data | null>;
}

/** What can be sent: something to read from, a handle from `node:fs/promises`, or a file descriptor. */
export type FileSource = ReadableFile | FileHandle | number;

type Read = (size: number) => Data | null | PromiseLike<Data | null>;

type Transform = (chunk: Buffer) => Data;

interface Transfer {
  readonly read: Read;
  readonly consumer: Consumer;
  readonly transform: Transform | undefined;
  readonly deferred: Deferred<Buffer>;
  /** `reading`: a read is under way. `writing`: the consumer is in `write` and may ask for more from there. */
  phase: 'idle' | 'reading' | 'writing';
  /** Another piece is wanted as soon as this one is out. */
  again: boolean;
}

function isPromise(
  value: Data | null | PromiseLike<Data | null>,
): value is PromiseLike<Data | null> {
  return typeof value === 'object' && value !== null && 'then' in value;
}

function isFileHandle(file: ReadableFile | FileHandle): file is FileHandle {
  return 'fd' in file && typeof file.fd === 'number' && 'readFile' in file;
}

/** How to read from `file`, at its own position. Each piece gets memory of its own, because the consumer keeps it. */
function readerOf(file: FileSource): Read {
  if (typeof file === 'number') {
    return (size) =>
      new Promise((resolve, reject) => {
        const bytes = Buffer.allocUnsafeSlow(size);
        readDescriptor(file, bytes, 0, size, null, (error, count) => {
          if (error) reject(error);
          else resolve(bytes.subarray(0, count));
        });
      });
  }
  // Callers from JavaScript may hand in a path.
  if (typeof file !== 'object' || file === null || typeof file.read !== 'function') {
    throw new TypeError(
      `Cannot send ${inspect(file, { depth: 0 })}: expected a file descriptor or something with a method read()`,
    );
  }
  if (isFileHandle(file)) {
    return async (size) => {
      const bytes = Buffer.allocUnsafeSlow(size);
      const { bytesRead } = await file.read(bytes, 0, size, null);
      return bytes.subarray(0, bytesRead);
    };
  }
  return (size) => file.read(size);
}

/**
 * Sends a file to a consumer, piece by piece, as fast as the consumer asks: it never has more than one piece in memory, nor two reads
 * under way. The file is read from where it stands and is left open.
 *
 * Twisted: `twisted.protocols.basic.FileSender`.
 *
 * @example
 * const file = await open('/etc/motd');
 * await new FileSender().beginFileTransfer(file, this.transport);
 * await file.close();
 */
export class FileSender implements PullProducer {
  /** Bytes that are read at once. */
  CHUNK_SIZE = 16_384;
  /** The last byte sent so far; empty before the first. */
  lastSent: Buffer = EMPTY;
  #transfer: Transfer | null = null;

  /**
   * Sends `file` to `consumer`.
   * @param transform makes of each piece what is sent instead; may be given as an option, `{ transform }`
   * @returns fires with the last byte that was sent, in a buffer of its own (empty if there was none). Fails with
   *   {@link TransferStoppedError} when the consumer stops it, and with what reading, transforming or writing throws. Cancelling stops it.
   * @throws {TypeError} when `file` cannot be read from
   * @throws {TransferInProgressError} when it still sends another
   * @throws {ProducerAlreadyRegistered} when the consumer has a producer
   */
  beginFileTransfer(
    file: FileSource,
    consumer: Consumer,
    transform?: Transform | { transform?: Transform | undefined },
  ): Deferred<Buffer> {
    if (this.#transfer !== null) throw new TransferInProgressError();
    const deferred = new Deferred<Buffer>(() => {
      if (this.#transfer !== transfer) return;
      this.#transfer = null;
      consumer.unregisterProducer();
    });
    const transfer: Transfer = {
      read: readerOf(file),
      consumer,
      transform: typeof transform === 'object' ? transform.transform : transform,
      deferred,
      phase: 'idle',
      again: false,
    };
    this.#transfer = transfer;
    this.lastSent = EMPTY;
    try {
      consumer.registerProducer(this, false);
    } catch (error) {
      this.#transfer = null;
      throw error;
    }
    return deferred;
  }

  /** Sends one piece. Called by the consumer; while a read is under way it changes nothing, the piece is coming. */
  resumeProducing(): void {
    const transfer = this.#transfer;
    if (transfer === null || transfer.phase === 'reading') return;
    // From within write() it only leaves word: the loop beneath goes on, and the stack does not grow with the file.
    if (transfer.phase === 'writing') transfer.again = true;
    else this.#pump(transfer);
  }

  /** Gives the transfer up. Called by the consumer when its connection is gone. */
  stopProducing(): void {
    const transfer = this.#transfer;
    this.#transfer = null;
    transfer?.deferred.errback(new TransferStoppedError());
  }

  #pump(transfer: Transfer): void {
    do {
      transfer.again = false;
      transfer.phase = 'reading';
      let chunk: ReturnType<Read>;
      try {
        chunk = transfer.read(this.CHUNK_SIZE);
      } catch (error) {
        this.#fail(transfer, error);
        return;
      }
      if (isPromise(chunk)) {
        chunk.then(
          (piece) => {
            this.#send(transfer, piece);
            if (transfer.again) this.#pump(transfer);
          },
          (error: unknown) => this.#fail(transfer, error),
        );
        return;
      }
      this.#send(transfer, chunk);
    } while (transfer.again);
  }

  /** Writes what was read, or ends the transfer if that is nothing. Asks for more if nothing came of the piece. */
  #send(transfer: Transfer, piece: Data | null): void {
    if (this.#transfer !== transfer) return; // stopped while it was being read
    try {
      const read = piece === null ? EMPTY : bytesOf(piece, 'send a piece of a file');
      if (read.length === 0) {
        this.#transfer = null;
        transfer.consumer.unregisterProducer();
        transfer.deferred.callback(this.lastSent);
        return;
      }
      const bytes =
        transfer.transform === undefined
          ? read
          : bytesOf(transfer.transform(read), 'send a piece of a file');
      if (bytes.length === 0) {
        transfer.again = true;
        transfer.phase = 'idle';
        return;
      }
      // A copy, so that one byte does not keep its whole piece in memory.
      this.lastSent = Buffer.from(bytes.subarray(bytes.length - 1));
      transfer.phase = 'writing';
      transfer.consumer.write(bytes);
      transfer.phase = 'idle';
      if (this.#transfer !== transfer) transfer.again = false;
    } catch (error) {
      this.#fail(transfer, error);
    }
  }

  #fail(transfer: Transfer, error: unknown): void {
    if (this.#transfer !== transfer) return;
    this.#transfer = null;
    transfer.again = false;
    transfer.consumer.unregisterProducer();
    transfer.deferred.errback(error);
  }
}
