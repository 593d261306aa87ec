/** One transfer: from the preliminary reply to the last one, whatever happens in between. */

import { reportFailure } from '../../../deferred/index.ts';
import {
  type Consumer,
  type DelayedCall,
  giveBackReadBuffer,
  type ReactorTime,
} from '../../../reactor/index.ts';
import { FTPCmdError, StorageExceededError } from '../errors.ts';
import { compressor, decompressor, isOfZlib, ZlibPipe } from '../mode-z.ts';
import type { FileReceiver, ReadFile, WriteFile } from '../shell.ts';
import { AsciiDecoder, AsciiEncoder } from '../text/ascii.ts';
import type { DataConnection } from './data-connection.ts';
import type { TransferKind } from './events.ts';
import type { FTP } from './ftp.ts';
import { isThenable } from './later.ts';
import { type Conversion, Meter } from './meter.ts';

/** Bytes after which a transfer tells of its progress again. */
const PROGRESS_STEP = 1024 * 1024;

/** Bytes that an upload in MODE Z may become whatever it came from. */
const HARMLESS = 1024 * 1024;

/** What is said when all has gone well. */
const COMPLETE = 'Transfer complete.';

export class Transfer {
  readonly #session: FTP;
  readonly kind: TransferKind;
  /** What it is about, as the client reads it. */
  readonly path: string;
  readonly #started: number;
  #bytes = 0;
  #told = 0;
  #connection: DataConnection | null = null;
  /** Of MODE Z. */
  #pipe: ZlibPipe | null = null;
  #stall: DelayedCall | null = null;
  /** Why it was broken off from this side. */
  #broken: FTPCmdError | null = null;
  readonly #afterwards: Array<() => void> = [];

  constructor(session: FTP, kind: TransferKind, path: string) {
    this.#session = session;
    this.kind = kind;
    this.path = path;
    this.#started = session.clock.seconds();
  }

  /** Bytes that have gone over the wire. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Breaks it off. */
  abort(reason: FTPCmdError = new FTPCmdError('Transfer aborted', 426)): void {
    this.#broken ??= reason;
    if (this.#connection === null) this.#session.data.close();
    else this.#connection.abort();
    // What has come already may be much, once it is decompressed.
    this.#pipe?.stopProducing();
  }

  /** Has `f` called right after the last reply. */
  whenOver(f: () => void): void {
    this.#afterwards.push(f);
  }

  /**
   * Sends what `source` writes. Gives when all of it is over, and answered.
   * @param reply what is said at the end
   */
  async send(
    source: (consumer: Consumer) => unknown,
    ascii: boolean,
    reply: string = COMPLETE,
  ): Promise<void> {
    await this.#run(reply, async (connection) => {
      const { clock, state } = this.#session;
      const conversion = ascii ? new AsciiEncoder() : undefined;
      const limits = this.kind === 'listing' ? [] : this.#session.rates();
      const isCompressed = state.mode === 'Z';
      const meter = new Meter(connection.transport, {
        ...{ clock, limits, intoTransport: true },
        conversion: isCompressed ? undefined : conversion,
        passed: (bytes) => this.#passed(bytes),
      });
      const failed = (error: unknown): void => this.abort(broken(error));
      const pipe = isCompressed ? new ZlibPipe(compressor(state.level), meter, { failed }) : null;
      this.#pipe = pipe;
      try {
        const sending = source(pipe === null ? meter : converted(pipe, conversion, clock));
        if (isThenable(sending)) {
          try {
            await Promise.race([sending, connection.closed]);
          } catch (error) {
            // What the connection has stopped fails for that; it says below why.
            if (!meter.stopped) throw error;
            await connection.closed;
          }
        }
        if (pipe !== null) await Promise.race([pipe.end(), connection.closed]);
      } finally {
        pipe?.stopProducing();
      }
      if (connection.lost === null) {
        meter.end();
        connection.finish();
      }
      await connection.closed;
      this.#checkEnd(connection);
    });
  }

  /** Sends an open file, and closes it. */
  async download(file: ReadFile, ascii: boolean): Promise<void> {
    try {
      await this.send((consumer) => file.send(consumer), ascii);
    } finally {
      await file.close();
    }
  }

  /** Takes what comes into an open file. It is where it belongs before the last reply is sent; if anything goes wrong, what was there before still is. */
  async upload(file: WriteFile, ascii: boolean, reply: string = COMPLETE): Promise<void> {
    let isSafe = false;
    try {
      await this.#run(reply, async (connection) => {
        const receiver = await file.receive();
        const conversion = ascii ? new AsciiDecoder() : undefined;
        if (this.#session.state.mode === 'Z') {
          await this.#decompress(connection, receiver, conversion);
        } else {
          // What a conversion has made is not the transport's, and it may have kept what it was made of.
          if (!ascii && 'release' in receiver) receiver.release = giveBackReadBuffer;
          const meter = this.#received(receiver, conversion, (bytes) => {
            this.#passed(bytes);
            this.#checkSize(this.#bytes);
          });
          connection.receiveInto(meter);
          await connection.closed;
          meter.end();
          meter.unregisterProducer();
        }
        this.#checkEnd(connection);
        this.#checkClient();
        isSafe = true;
        await file.close();
      });
    } finally {
      if (!isSafe) await file.abort();
    }
  }

  #received(
    target: Consumer,
    conversion: Conversion | undefined,
    passed: (bytes: number) => void,
  ): Meter {
    const limits = this.#session.rates();
    const { clock } = this.#session;
    return new Meter(target, { clock, conversion, incoming: true, limits, passed });
  }

  /** MODE Z: what comes is small, what is made of it may not be. */
  async #decompress(
    connection: DataConnection,
    receiver: FileReceiver,
    conversion: Conversion | undefined,
  ): Promise<void> {
    const { clock, limits } = this.#session;
    const last = new Meter(receiver, { clock, conversion, incoming: true });
    let all = 0;
    const pipe = new ZlibPipe(decompressor(), last, {
      made: (bytes) => {
        all += bytes;
        this.#touch();
        this.#checkSize(all);
        if (all > HARMLESS && all > this.#bytes * limits.maxInflation) {
          this.abort(new StorageExceededError(this.path));
        }
      },
      failed: (error) => this.abort(broken(error)),
    });
    this.#pipe = pipe;
    try {
      const meter = this.#received(pipe, undefined, (bytes) => this.#passed(bytes));
      connection.receiveInto(meter);
      await connection.closed;
      meter.unregisterProducer();
      // Of nothing at all nothing is made, though it is no stream of zlib's.
      if (this.#broken === null && connection.endedWell && this.#bytes > 0) await pipe.end();
      last.end();
    } finally {
      pipe.stopProducing();
    }
  }

  #checkSize(bytes: number): void {
    const { maxFileSize } = this.#session.limits;
    if (bytes > maxFileSize) this.abort(new StorageExceededError(this.path));
  }

  async #run(reply: string, carry: (connection: DataConnection) => Promise<void>): Promise<void> {
    const session = this.#session;
    session.begin(this);
    let failure: unknown = null;
    try {
      session.emitTransfer('transfer-started', this);
      const { data } = session;
      const isThere = data.connected;
      const opening = data.open();
      // What cannot be opened is told by one reply, without a preliminary one.
      if (isThere || data.prepared || data.connecting) {
        session.reply(isThere ? 125 : 150, this.#announcement(isThere));
      }
      this.#touch();
      const connection = await opening;
      this.#connection = connection;
      if (this.#broken !== null) connection.abort();
      await connection.ready;
      await carry(connection);
      session.emitTransfer('transfer-finished', this, this.#seconds());
      session.reply(226, reply);
    } catch (error) {
      failure = this.#broken ?? error;
      this.#connection?.abort();
      const reason = failure instanceof Error ? failure.message : String(failure);
      session.emitTransfer('transfer-failed', this, this.#seconds(), reason);
      throw failure;
    } finally {
      this.#stall?.cancel();
      this.#stall = null;
      // An error is answered by whoever catches it, which comes first.
      session.ended(this, () => {
        for (const f of this.#afterwards) f();
      });
    }
  }

  #announcement(isThere: boolean): string {
    const what = this.kind === 'listing' ? 'directory listing' : this.path;
    return isThere
      ? `Data connection already open, starting transfer of ${what}.`
      : `File status okay, about to open data connection for ${what}.`;
  }

  #checkEnd(connection: DataConnection): void {
    if (this.#broken !== null) throw this.#broken;
    if (connection.endedWell) return;
    throw new FTPCmdError('Data connection was closed too early', 426, {
      cause: connection.lost?.value,
    });
  }

  /** The end of the data is the end of the file, unless it is the end of the client: then its system has closed whatever it had open. */
  #checkClient(): void {
    const { connected, disconnecting } = this.#session.transport;
    if (!connected || disconnecting) throw new FTPCmdError('Control connection was closed', 426);
  }

  #passed(bytes: number): void {
    this.#bytes += bytes;
    this.#touch();
    if (this.#bytes - this.#told < PROGRESS_STEP) return;
    this.#told = this.#bytes;
    this.#session.emitTransfer('transfer-progress', this);
  }

  /** Something has moved: begins to wait anew. */
  #touch(): void {
    const { clock, limits } = this.#session;
    if (limits.stallTimeout === Number.POSITIVE_INFINITY) return;
    if (this.#stall?.active()) this.#stall.reset(limits.stallTimeout);
    else {
      this.#stall = clock.callLater(limits.stallTimeout, () => {
        this.#stall = null;
        this.abort(new FTPCmdError('Transfer stalled', 426));
      });
    }
  }

  #seconds(): number {
    return this.#session.clock.seconds() - this.#started;
  }
}

/** What converts, and then has it compressed. */
function converted(
  pipe: ZlibPipe,
  conversion: Conversion | undefined,
  clock: ReactorTime,
): Consumer {
  return conversion === undefined ? pipe : new Meter(pipe, { clock, conversion });
}

function broken(cause: unknown): FTPCmdError {
  if (!isOfZlib(cause)) {
    reportFailure(cause, 'FTP transfer');
    return new FTPCmdError('Requested action aborted: local error in processing.', 451, { cause });
  }
  return new FTPCmdError('Data are not compressed as MODE Z has it', 426, { cause });
}
