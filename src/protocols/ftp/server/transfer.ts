/** One transfer: from the preliminary reply to the last one, whatever happens in between. */

import { type Consumer, type DelayedCall, giveBackReadBuffer } from '../../../reactor/index.ts';
import { FTPCmdError, StorageExceededError } from '../errors.ts';
import type { ReadFile, WriteFile } from '../shell.ts';
import { AsciiDecoder, AsciiEncoder } from '../text/ascii.ts';
import type { DataConnection } from './data-connection.ts';
import type { TransferKind } from './events.ts';
import type { FTP } from './ftp.ts';
import { isThenable } from './later.ts';
import { Meter } from './meter.ts';

/** Bytes after which a transfer tells of its progress again. */
const PROGRESS_STEP = 1024 * 1024;

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
      const { clock } = this.#session;
      const conversion = ascii ? new AsciiEncoder() : undefined;
      const limits = this.kind === 'listing' ? [] : this.#session.rates();
      const meter = new Meter(connection.transport, {
        ...{ clock, conversion, limits, intoTransport: true },
        passed: (bytes) => this.#passed(bytes),
      });
      const sending = source(meter);
      if (isThenable(sending)) {
        try {
          await Promise.race([sending, connection.closed]);
        } catch (error) {
          // What the connection has stopped fails for that; it says below why.
          if (!meter.stopped) throw error;
          await connection.closed;
        }
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
        const { clock, limits } = this.#session;
        const receiver = await file.receive();
        // What a conversion has made is not the transport's, and it may have kept what it was made of.
        if (!ascii && 'release' in receiver) receiver.release = giveBackReadBuffer;
        const meter = new Meter(receiver, {
          ...{ clock, conversion: ascii ? new AsciiDecoder() : undefined, incoming: true },
          limits: this.#session.rates(),
          passed: (bytes) => {
            this.#passed(bytes);
            if (this.#bytes > limits.maxFileSize) this.abort(new StorageExceededError(this.path));
          },
        });
        connection.receiveInto(meter);
        await connection.closed;
        meter.end();
        meter.unregisterProducer();
        this.#checkEnd(connection);
        this.#checkClient();
        isSafe = true;
        await file.close();
      });
    } finally {
      if (!isSafe) await file.abort();
    }
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
