import { fstatSync, read as readDescriptor, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { Deferred } from '../../../deferred/index.ts';
import type { Consumer } from '../../../reactor/index.ts';
import type { BodyProducer } from './body-producer.ts';

const readAt = promisify(readDescriptor);

/** Options of a `FileBodyProducer`. */
export interface FileBodyOptions {
  /** The first byte to send. Default 0. */
  readonly start?: number | undefined;
  /** The byte behind the last one to send. Default: the end of the file as it is now. */
  readonly end?: number | undefined;
  /** Bytes that are read at once. Default 65536. */
  readonly readSize?: number | undefined;
}

/**
 * Sends a file, or a part of it, by the path or an open descriptor, which is left open (Twisted: `FileBodyProducer`). It reads one piece ahead of what the connection takes, and can be sent
 * again. A file that has become shorter meanwhile fails the request.
 *
 * @example
 * await agent.request('PUT', 'http://example.org/upload', null, new FileBodyProducer('video.mp4'));
 */
export class FileBodyProducer implements BodyProducer {
  readonly length: number;
  readonly replayable = true;
  readonly #file: string | number | FileHandle;
  readonly #start: number;
  readonly #readSize: number;
  #run: { paused: boolean; stopped: boolean; go: (() => void) | undefined } | undefined;

  /** @throws the system's error if there is no such file */
  constructor(file: string | number | FileHandle, options: FileBodyOptions = {}) {
    const stats =
      typeof file === 'string'
        ? statSync(file)
        : fstatSync(typeof file === 'number' ? file : file.fd);
    const { start = 0, end = stats.size, readSize = 65_536 } = options;
    if (!(start >= 0 && end >= start && readSize > 0)) {
      throw new RangeError(
        `Cannot send bytes ${start} to ${end} of a file, ${readSize} at a time: there are none`,
      );
    }
    this.#file = file;
    this.#start = start;
    this.#readSize = readSize;
    this.length = Math.max(0, Math.min(end, stats.size) - start);
  }

  startProducing(consumer: Consumer): Deferred<unknown> {
    this.stopProducing();
    return Deferred.fromPromise(this.#produce(consumer));
  }

  async #produce(consumer: Consumer): Promise<void> {
    const run = { paused: false, stopped: false, go: undefined as (() => void) | undefined }; // filled in below
    this.#run = run;
    const opened = typeof this.#file === 'string' ? await open(this.#file) : undefined;
    try {
      let at = this.#start;
      const end = at + this.length;
      while (at < end && !run.stopped) {
        const bytes = await this.#read(opened, at, Math.min(this.#readSize, end - at));
        if (bytes.length === 0) return;
        at += bytes.length;
        if (run.paused && !run.stopped) {
          await new Promise<void>((resolve) => {
            run.go = resolve;
          });
        }
        if (!run.stopped) consumer.write(bytes);
      }
    } finally {
      if (this.#run === run) this.#run = undefined;
      await opened?.close();
    }
  }

  async #read(opened: FileHandle | undefined, at: number, size: number): Promise<Buffer> {
    // Memory of its own, because the transport keeps it until it has been sent.
    const bytes = Buffer.allocUnsafeSlow(size);
    const file = opened ?? this.#file;
    const { bytesRead } =
      typeof file === 'object'
        ? await file.read(bytes, 0, size, at)
        : await readAt(Number(file), bytes, 0, size, at);
    return bytes.subarray(0, bytesRead);
  }

  pauseProducing(): void {
    if (this.#run !== undefined) this.#run.paused = true;
  }

  resumeProducing(): void {
    const run = this.#run;
    if (run === undefined) return;
    run.paused = false;
    const { go } = run;
    run.go = undefined;
    go?.();
  }

  stopProducing(): void {
    if (this.#run === undefined) return;
    this.#run.stopped = true;
    this.resumeProducing();
  }
}
