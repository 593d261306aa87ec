/** Sending an open file. */
import { close } from 'node:fs';
import { promisify } from 'node:util';
import { Deferred } from '../../deferred/index.ts';
import type { Consumer } from '../../reactor/index.ts';
import { TransferStoppedError } from '../errors.ts';
import { FileBody, type Releasing } from '../http/static/file-body.ts';
import type { ReadFile } from './shell.ts';

const closeDescriptor = promisify(close);

/** An open file, from an offset to the end that it had when it was opened. */
export class FileReading implements ReadFile {
  readonly size: number;
  readonly #offset: number;
  /** null once somebody else closes it. */
  #fd: number | null;

  /** @param size bytes from `offset` on */
  constructor(fd: number, offset: number, size: number) {
    this.#fd = fd;
    this.#offset = offset;
    this.size = size;
  }

  /** Fails with `TransferStoppedError` when the consumer wants no more, with what reading fails with, and with `FileTruncatedError` if the file was made shorter. */
  send(consumer: Consumer): Deferred<void> {
    const fd = this.#fd;
    if (fd === null) throw new TypeError('A file can be sent once only, and not after close()');
    this.#fd = null;
    const stretch = { position: this.#offset, length: this.size };
    const sent = new Deferred<void>(() => {
      body.stopProducing();
      consumer.unregisterProducer();
    });
    const done = (error: Error | null): void => {
      consumer.unregisterProducer();
      if (error === null) sent.callback();
      else sent.errback(error);
    };
    const stretches = this.size > 0 ? [stretch] : [];
    const releasing = isReleasing(consumer) ? consumer : null;
    const body = new FileBody(fd, stretches, consumer, done, undefined, releasing);
    const producer = {
      pauseProducing: () => body.pauseProducing(),
      resumeProducing: () => body.resumeProducing(),
      stopProducing: () => {
        body.stopProducing();
        sent.errback(new TransferStoppedError());
      },
    };
    try {
      consumer.registerProducer(producer, true);
    } catch (error) {
      body.stopProducing();
      throw error;
    }
    body.start();
    return sent;
  }

  async close(): Promise<void> {
    const fd = this.#fd;
    this.#fd = null;
    if (fd !== null) await closeDescriptor(fd);
  }
}

function isReleasing(consumer: Consumer): consumer is Consumer & Releasing {
  return 'releasesWritten' in consumer;
}
