/** Files of this machine's, and streams, as ends of transfers. */
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable, type Writable } from 'node:stream';
import { Deferred, type Failure, inlineCallbacks, wait } from '../../../deferred/index.ts';
import type { Consumer, Data } from '../../../reactor/index.ts';
import { bytesOf } from '../../data.ts';
import { Protocol } from '../../protocol.ts';
import { AsciiDecoder, AsciiEncoder } from '../text/ascii.ts';
import type { FTPClient } from './client.ts';
import { CommandFailed } from './errors.ts';

/** Where a download may go. */
export type DownloadTarget = string | URL | Writable | Consumer;

/** Where an upload may come from: a path, or a `file:` URL; bytes; a stream, or anything that gives pieces one after the other. */
export type UploadSource =
  | string
  | URL
  | Uint8Array
  | Readable
  | AsyncIterable<Data>
  | Iterable<Data>;

/** Hears how far a transfer is. @param bytes so far, those left out not counted */
export type OnProgress = (bytes: number, path: string) => void;

/** How a file, or a tree of them, is fetched into a local one. */
export interface DownloadOptions {
  /** Bytes to leave out at the beginning. Default 0. */
  readonly offset?: number;
  /** Of a file: go on from where it ends. What it has is not compared. Default false. */
  readonly resume?: boolean;
  /** Whether it is text, whose lines end here with LF, and on the way with CRLF (TYPE A). Such a transfer cannot be resumed. Default false. */
  readonly ascii?: boolean;
  /** Hears how far it is, after each part. */
  readonly onProgress?: OnProgress;
}

/** How a local file, or a tree of them, is stored. */
export interface UploadOptions {
  /** Of a file: go on from where the server's ends; what that has is not compared. Default false. */
  readonly resume?: boolean;
  /** Whether to write behind what the server's file has (APPE). Default false. */
  readonly append?: boolean;
  /** As of a download. */
  readonly ascii?: boolean;
  /** Hears how far it is, after each part. */
  readonly onProgress?: OnProgress;
}

/** See `FTPClient.download`. */
export const download = inlineCallbacks(function* (
  client: FTPClient,
  path: string,
  target: DownloadTarget,
  options: DownloadOptions,
) {
  const { resume = false, ascii = false, onProgress } = options;
  refuseToResume(ascii && resume);
  const isFile = typeof target === 'string' || target instanceof URL;
  let { offset = 0 } = options;
  if (resume) {
    if (!isFile) throw new TypeError('Cannot resume a download: only one to a file can be');
    offset = yield* wait(sizeOrNothing(target));
    // Not all servers take an offset at the very end.
    if (offset > 0 && (yield* wait(client.size(path))) === offset) return 0;
  }
  const flags = resume ? 'a' : 'w';
  const open = isFile ? () => createWriteStream(target, { flags }) : () => target as Writable;
  const isConsumer = !isFile && 'registerProducer' in target;
  const receiver = isConsumer
    ? new ToConsumer(target, path, ascii, onProgress)
    : new ToStream(open, path, ascii, onProgress);
  try {
    yield* wait(client.retrieveFile(path, receiver, { offset, type: typeOf(ascii) }));
    if (receiver instanceof ToStream) yield* wait(receiver.end());
  } catch (error) {
    if (receiver instanceof ToStream) receiver.giveUp();
    throw (receiver instanceof ToStream ? receiver.problem : null) ?? error;
  }
  return receiver.bytes;
});

function typeOf(ascii: boolean): 'A' | 'I' {
  return ascii ? 'A' : 'I';
}

function refuseToResume(isText: boolean): void {
  if (isText) {
    throw new TypeError(
      'Cannot resume a transfer of text: what is there is of another length here',
    );
  }
}

function sizeOrNothing(path: string | URL): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return 0;
      throw error;
    },
  );
}

/** Counts what comes, and passes it on. */
abstract class Receiver extends Protocol {
  bytes = 0;
  readonly #path: string;
  readonly #onProgress: OnProgress | undefined;
  readonly #decoder: AsciiDecoder | null;

  constructor(path: string, ascii: boolean, onProgress: OnProgress | undefined) {
    super();
    this.#path = path;
    this.#decoder = ascii ? new AsciiDecoder() : null;
    this.#onProgress = onProgress;
  }

  protected abstract take(data: Buffer): void;

  override dataReceived(data: Buffer): void {
    this.bytes += data.length;
    const converted = this.#decoder === null ? data : this.#decoder.convert(data);
    if (converted.length > 0) this.take(converted);
    this.#onProgress?.(this.bytes, this.#path);
  }

  /** Takes what the conversion has held back. */
  protected takeRest(): void {
    const rest = this.#decoder?.end();
    if (rest !== undefined && rest.length > 0) this.take(rest);
  }
}

class ToConsumer extends Receiver {
  readonly #consumer: Consumer;

  constructor(
    consumer: Consumer,
    path: string,
    ascii: boolean,
    onProgress: OnProgress | undefined,
  ) {
    super(path, ascii, onProgress);
    this.#consumer = consumer;
  }

  override connectionMade(): void {
    this.#consumer.registerProducer(this.transport, true);
  }

  protected take(data: Buffer): void {
    this.#consumer.write(data);
  }

  override connectionLost(): void {
    this.takeRest();
    this.#consumer.unregisterProducer();
  }
}

/** Opens a stream when the first bytes come, so that a download that is refused leaves no file behind, nor empties one. */
class ToStream extends Receiver {
  problem: Error | null = null;
  readonly #open: () => Writable;
  #stream: Writable | null = null;
  readonly #ended: Deferred<void> = new Deferred();

  constructor(
    open: () => Writable,
    path: string,
    ascii: boolean,
    onProgress: OnProgress | undefined,
  ) {
    super(path, ascii, onProgress);
    this.#open = open;
  }

  protected take(data: Buffer): void {
    if (this.problem === null && !this.#opened().write(data)) this.transport.pauseProducing();
  }

  /** All has come: fires when it is written. */
  end(): Deferred<void> {
    this.takeRest();
    this.#opened().end();
    return this.#ended;
  }

  /** No more will come. What came is left for another attempt. */
  giveUp(): void {
    this.#ended.addErrback(() => undefined);
    this.#stream?.end();
  }

  #opened(): Writable {
    if (this.#stream !== null) return this.#stream;
    const stream = this.#open();
    this.#stream = stream;
    stream.on('drain', () => this.transport.resumeProducing());
    stream.once('finish', () => this.#settle(null));
    stream.once('error', (error: Error) => this.#settle(error));
    stream.once('close', () => this.#settle(new Error('Stream was closed before all was written')));
    return stream;
  }

  #settle(problem: Error | null): void {
    if (this.#ended.called) return;
    if (problem === null) {
      this.#ended.callback();
      return;
    }
    this.problem = problem;
    this.#ended.errback(problem);
    this.#ended.addErrback((failure: Failure) => failure);
    this.transport.abortConnection();
  }
}

/** See `FTPClient.upload`. */
export const upload = inlineCallbacks(function* (
  client: FTPClient,
  source: UploadSource,
  path: string,
  options: UploadOptions,
) {
  const { resume = false, append = false, ascii = false, onProgress } = options;
  refuseToResume(ascii && resume);
  const isFile = typeof source === 'string' || source instanceof URL;
  let start = 0;
  if (resume) {
    if (!isFile) throw new TypeError('Cannot resume an upload: only that of a file can be');
    start = yield* wait(remoteSizeOrNothing(client, path));
    const { size } = yield* wait(stat(source));
    if (start === size) return 0;
    if (start > size) {
      throw new RangeError(
        `Cannot resume the upload of ${JSON.stringify(path)}: the server has ${start} bytes of ${size}`,
      );
    }
  }
  // Opened first: what cannot be read is no reason to empty the server's file.
  const stream = yield* wait(readable(source, start));
  const type = typeOf(ascii);
  const encoder = ascii ? new AsciiEncoder() : null;
  const [consumer, done] =
    append || start > 0 ? client.appendFile(path, { type }) : client.storeFile(path, { type });
  consumer.addErrback(() => undefined);
  let problem: unknown = null;
  let bytes = 0;
  stream.once('error', (error) => {
    problem = error;
  });
  consumer.addCallback((to) => {
    if (to === undefined) return;
    if (problem !== null) {
      to.abort();
      return;
    }
    to.registerProducer(
      {
        pauseProducing: () => void stream.pause(),
        resumeProducing: () => void stream.resume(),
        stopProducing: () => void stream.destroy(),
      },
      true,
    );
    stream.on('data', (data: Data) => {
      to.write(encoder === null ? data : encoder.convert(bytesOf(data, 'upload')));
      bytes = to.bytes;
      onProgress?.(bytes, path);
    });
    stream.once('end', () => to.finish());
    stream.once('error', () => to.abort());
  });
  try {
    yield* wait(done);
  } catch (error) {
    throw problem ?? error;
  } finally {
    stream.destroy();
  }
  return bytes;
});

function remoteSizeOrNothing(client: FTPClient, path: string): Deferred<number> {
  return client.size(path).addErrback((failure: Failure) => {
    failure.trap(CommandFailed);
    if (failure.value instanceof CommandFailed && failure.value.replyCode === 550) return 0;
    return failure;
  }) as Deferred<number>; // a Failure that is returned goes on as one
}

/** A stream that can be read; of a file, once it is open. */
function readable(source: UploadSource, start: number): Promise<Readable> | Readable {
  if (source instanceof Readable) return source;
  if (source instanceof Uint8Array) return Readable.from([source]);
  if (typeof source !== 'string' && !(source instanceof URL)) return Readable.from(source);
  const stream = createReadStream(source, { start, highWaterMark: 256 * 1024 });
  return new Promise((resolve, reject) => {
    stream.once('open', () => resolve(stream));
    stream.once('error', reject);
  });
}
