import {
  Deferred,
  type Failure,
  fail,
  inlineCallbacks,
  succeed,
  wait,
} from '../../../deferred/index.ts';
import { type IProtocol, wallTime } from '../../../reactor/index.ts';
import { parseTime, timeText } from '../text/listing.ts';
import { Collector } from './collector.ts';
import { BadResponse, CommandFailed, FeatureMissing, UnsafeCommand } from './errors.ts';
import { parseList, parseMLSD, type RemoteFile } from './lists/index.ts';
import { parseMLSDLine } from './lists/mlsd.ts';
import {
  type DownloadOptions,
  type DownloadTarget,
  download,
  type UploadOptions,
  type UploadSource,
  upload,
} from './local-files.ts';
import type { FTPClientOptions } from './options.ts';
import { FTPClientSession, type TransferType } from './session.ts';
import {
  downloadDirectory,
  ensureDirectory,
  removeTree,
  type TreeOptions,
  uploadDirectory,
} from './trees.ts';
import { FTPUpload } from './upload.ts';

/** Where in a file a transfer begins, in bytes; Twisted's third argument, or an option. */
export type TransferOffset = number | TransferSettings;

/** How one transfer of `FTPClient` goes. */
export interface TransferSettings {
  /** Bytes. Default 0. */
  readonly offset?: number;
  /** 'A': the server ends lines with CRLF, and takes them so; nothing is converted here. Default 'I': bytes as they are. */
  readonly type?: TransferType;
}

/** Checksums that servers may offer. */
export type FTPChecksum = 'crc32' | 'md5' | 'sha1' | 'sha256' | 'sha512';

const CHECKSUM_COMMANDS: Readonly<Record<FTPChecksum, readonly [hash: string, command: string]>> = {
  crc32: ['CRC32', 'XCRC'],
  md5: ['MD5', 'XMD5'],
  sha1: ['SHA-1', 'XSHA1'],
  sha256: ['SHA-256', 'XSHA256'],
  sha512: ['SHA-512', 'XSHA512'],
};

/**
 * A client of an FTP server. Every method may be called at any time: what it takes is queued, and done in order, one at a time. Each returns a Deferred, which can be
 * awaited, and cancelled: that takes a command out of the queue, or cuts a transfer short.
 *
 * Once connected it logs in as it was told, and ends the connection if it cannot. `connectFTP` does all of that.
 *
 * Paths are the server's. One with a line end or NUL fails with {@link UnsafeCommand}: nothing of it is sent. The server's no is a {@link CommandFailed}.
 *
 * Twisted: `twisted.protocols.ftp.FTPClient`.
 *
 * @example
 * const client = await connectFTP('ftp.example.org', { username: 'alice', password: 'secret', security: 'explicit' });
 * for (const file of await client.files('/pub')) console.log(file.name, file.size);
 * await client.download('/pub/readme.txt', 'readme.txt');
 * await client.quit();
 */
export class FTPClient extends FTPClientSession {
  readonly #ready: Deferred<this>[] = [];
  #isReady = false;

  /**
   * @param username null: `login` is left to you. Default 'anonymous'
   * @param password null for none
   * @param options or Twisted's `passive`
   */
  constructor(
    username: string | null = 'anonymous',
    password: string | null = 'anonymous@',
    options: FTPClientOptions | boolean | number = {},
  ) {
    super(typeof options === 'object' ? options : { passive: options });
    if (username !== null) this.queueLogin(username, password);
    // As soon as the server has greeted. What may go wrong is told to whoever waits.
    else this.enqueue(() => succeed()).addCallbacks(this.#becomeReady, () => undefined);
  }

  override queueLogin(username: string, password: string | null): void {
    this.login(username, password).addCallbacks(this.#becomeReady, (failure: Failure) =>
      this.fail(failure.value),
    );
  }

  readonly #becomeReady = (): void => {
    this.#isReady = true;
    for (const waiting of this.#ready.splice(0)) waiting.callback(this as never); // as below
  };

  /** Fires with the client once it has logged in; fails with what kept it from that. */
  whenReady(): Deferred<this> {
    if (this.lostBecause !== null) return fail(this.lostBecause);
    const waiting = new Deferred<this>();
    if (this.#isReady)
      waiting.callback(this as never); // a Deferred of this, which TypeScript takes for a promise
    else this.#ready.push(waiting);
    return waiting;
  }

  protected override ended(reason: Error): void {
    super.ended(reason);
    for (const waiting of this.#ready.splice(0)) waiting.errback(reason);
  }

  // ------------------------------------------------------------------------------------------- folders

  /** Goes to a folder (CWD). */
  cwd(path: string): Deferred<string[]> {
    return this.queueStringCommand(`CWD ${path}`);
  }

  /** Goes to the folder above (CDUP). */
  cdup(): Deferred<string[]> {
    return this.queueStringCommand('CDUP');
  }

  /** What the server says of where it is (PWD): `getDirectory` gives the path alone. */
  pwd(): Deferred<string[]> {
    return this.queueStringCommand('PWD');
  }

  /** The folder that the client is in. Fails with {@link BadResponse} if the server does not say. */
  getDirectory(): Deferred<string> {
    return this.pwd().addCallback((lines) => {
      const quoted = /^257 "((?:[^"]|"")*)"/.exec(lines.at(-1) ?? '')?.[1];
      if (quoted === undefined) {
        throw new BadResponse(`Server sent ${JSON.stringify(lines.join(' / '))}: no path in it`);
      }
      return quoted.replaceAll('""', '"');
    });
  }

  /** Makes a folder (MKD). */
  makeDirectory(path: string): Deferred<string[]> {
    return this.queueStringCommand(`MKD ${path}`);
  }

  /** Removes an empty folder (RMD); `removeTree` removes others. */
  removeDirectory(path: string): Deferred<string[]> {
    return this.queueStringCommand(`RMD ${path}`);
  }

  /** Makes a folder and those above it, unless they are there. Nothing is gone to. */
  ensureDirectory(path: string): Deferred<void> {
    return ensureDirectory(this, path);
  }

  /** Removes a folder with all that is in it; of links, the links. */
  removeTree(path: string): Deferred<void> {
    return removeTree(this, path);
  }

  // --------------------------------------------------------------------------------------------- files

  /** Removes a file (DELE). */
  removeFile(path: string): Deferred<string[]> {
    return this.queueStringCommand(`DELE ${path}`);
  }

  /** Renames, or moves. Fires with the lines of both replies. */
  rename(from: string, to: string): Deferred<[from: string[], to: string[]]> {
    return this.enqueue(() => this.#rename(from, to));
  }

  readonly #rename = inlineCallbacks(function* (this: FTPClient, from: string, to: string) {
    // Before the first half is sent: the server would wait for the second.
    if (/[\r\n\0]/.test(to))
      throw new UnsafeCommand(
        `Cannot rename to ${JSON.stringify(to)}: it has a line end or NUL in it`,
      );
    const first = yield* wait(this.exchange(`RNFR ${from}`));
    const second = yield* wait(this.exchange(`RNTO ${to}`));
    return [[...first.lines], [...second.lines]] as [string[], string[]];
  });

  /** A file's size in bytes (SIZE). */
  size(path: string): Deferred<number> {
    return this.queueStringCommand(`SIZE ${path}`).addCallback((lines) => {
      const digits = /^213 +(\d{1,16})\s*$/.exec(lines.at(-1) ?? '')?.[1];
      if (digits === undefined)
        throw new BadResponse(`Server sent ${JSON.stringify(lines.join(' / '))}: no size in it`);
      return Number(digits);
    });
  }

  /** When a file was last changed (MDTM), in seconds since 1970, UTC. */
  modified(path: string): Deferred<number> {
    return this.queueStringCommand(`MDTM ${path}`).addCallback((lines) => {
      const seconds = parseTime((lines.at(-1) ?? '').slice(4).trim());
      if (seconds === null)
        throw new BadResponse(`Server sent ${JSON.stringify(lines.join(' / '))}: no time in it`);
      return seconds;
    });
  }

  /** Sets when a file was last changed (MFMT), in seconds since 1970, UTC. */
  setModified(path: string, seconds: number): Deferred<string[]> {
    return this.queueStringCommand(`MFMT ${timeText(seconds)} ${path}`);
  }

  /**
   * The server's checksum of a file, in hexadecimal, lower case: by HASH where it is offered, else by XMD5 and its like.
   * Fails with {@link FeatureMissing} if the server has neither.
   */
  checksum(path: string, algorithm: FTPChecksum): Deferred<string> {
    return this.#checksum(path, algorithm);
  }

  readonly #checksum = inlineCallbacks(function* (
    this: FTPClient,
    path: string,
    algorithm: FTPChecksum,
  ) {
    const features = yield* wait(this.features());
    const [hash, command] = CHECKSUM_COMMANDS[algorithm];
    const names = (features.get('HASH') ?? '')
      .toUpperCase()
      .split(';')
      .map((name) => name.replace('*', ''));
    let reply: string[];
    if (names.includes(hash)) {
      yield* wait(this.queueStringCommand(`OPTS HASH ${hash}`));
      reply = yield* wait(this.queueStringCommand(`HASH ${path}`));
    } else if (features.has(command) || (algorithm === 'md5' && features.has('MD5'))) {
      const which = features.has(command) ? command : 'MD5';
      reply = yield* wait(this.queueStringCommand(`${which} ${path}`));
    } else {
      throw new FeatureMissing(`Server offers no ${algorithm} checksums`);
    }
    const length = { crc32: 8, md5: 32, sha1: 40, sha256: 64, sha512: 128 }[algorithm];
    // A name may look like one: after HASH it comes behind, after others in front.
    const words = reply
      .map((line) => line.slice(4))
      .join(' ')
      .split(/\s+/);
    const found = words.filter(
      (word) =>
        word.length <= length &&
        /^[0-9a-f]+$/i.test(word) &&
        (word.length === length || algorithm === 'crc32'),
    );
    const sum = names.includes(hash) ? found[0] : found.at(-1);
    if (sum === undefined)
      throw new BadResponse(`Server sent ${JSON.stringify(reply.join(' / '))}: no checksum in it`);
    return sum.toLowerCase().padStart(length, '0');
  });

  // ------------------------------------------------------------------------------------------ listings

  /** Has what LIST sends go to `protocol`, such as an `FTPFileListProtocol`. Fires with the lines of the reply. */
  list(path: string, protocol: IProtocol): Deferred<string[]> {
    return this.transfer({ command: withPath('LIST', path), offset: 0, target: protocol });
  }

  /** Has what NLST sends, names alone, go to `protocol`. */
  nlst(path: string, protocol: IProtocol): Deferred<string[]> {
    return this.transfer({ command: withPath('NLST', path), offset: 0, target: protocol });
  }

  /** What is in a folder: by MLSD if the server has it, else by LIST, whichever way it is written. */
  files(path = ''): Deferred<RemoteFile[]> {
    return this.#files(path);
  }

  readonly #files = inlineCallbacks(function* (this: FTPClient, path: string) {
    const features = yield* wait(this.features());
    if (features.has('MLST') || features.has('MLSD')) {
      try {
        return parseMLSD(yield* wait(this.#text(withPath('MLSD', path))));
      } catch (error) {
        // Some promise it and do not know it.
        const lacksIt = error instanceof CommandFailed && [500, 502, 504].includes(error.replyCode);
        if (!lacksIt) throw error;
      }
    }
    return parseList(yield* wait(this.#text(withPath('LIST', path))), wallTime());
  });

  /** The names in a folder, by NLST. */
  names(path = ''): Deferred<string[]> {
    return this.#text(withPath('NLST', path)).addCallback((text) =>
      text.split(/\r?\n/).filter((name) => name !== ''),
    );
  }

  /** What the server knows of one file or folder, by MLST. */
  stat(path: string): Deferred<RemoteFile> {
    return this.queueStringCommand(withPath('MLST', path)).addCallback((lines) => {
      // The folder that one is in may be called 'cdir'; here that is no reason to leave it out.
      const line = (lines[1] ?? '').trimStart().replace(/^((?:[^ ]*;)?type=)[cp]dir;/i, '$1dir;');
      const file = parseMLSDLine(line);
      if (file === null)
        throw new BadResponse(`Server sent ${JSON.stringify(lines.join(' / '))}: no facts in it`);
      return file;
    });
  }

  #text(command: string): Deferred<string> {
    const collector = new Collector(this.settings.maxListing);
    return this.transfer({ command, offset: 0, target: collector }).addCallback(() =>
      collector.take().toString(this.settings.encoding),
    );
  }

  // ---------------------------------------------------------------------------------------- transfers

  /**
   * Has a file go to `protocol`, as if it came over a connection of its own. Fires with the lines of the reply when all of it is there.
   * @param offset bytes to leave out at the beginning
   */
  retrieveFile(path: string, protocol: IProtocol, offset: TransferOffset = 0): Deferred<string[]> {
    return this.transfer({ command: `RETR ${path}`, ...settingsOf(offset), target: protocol });
  }

  /**
   * Sends a file: Twisted's pair. The first Deferred gives what to write it to, the second fires with the lines of the reply when the server has all of it.
   * `upload` is simpler.
   * @param offset bytes of the file on the server that stay; what is written follows them
   */
  storeFile(path: string, offset: TransferOffset = 0): [Deferred<FTPUpload>, Deferred<string[]>] {
    return this.#store(`STOR ${path}`, settingsOf(offset));
  }

  /** The same, at the end of what is there (APPE). */
  appendFile(
    path: string,
    settings: Pick<TransferSettings, 'type'> = {},
  ): [Deferred<FTPUpload>, Deferred<string[]>] {
    return this.#store(`APPE ${path}`, settingsOf({ ...settings }));
  }

  #store(
    command: string,
    settings: Required<TransferSettings>,
  ): [Deferred<FTPUpload>, Deferred<string[]>] {
    const consumer = new Deferred<FTPUpload>();
    const done = this.transfer({
      command,
      ...settings,
      target: null,
      started: (link) => {
        if (!consumer.called) consumer.callback(new FTPUpload(link));
      },
    });
    done.addErrback((failure: Failure) => {
      if (!consumer.called) consumer.errback(failure);
      return failure;
    });
    return [consumer, done];
  }

  /**
   * Brings a file here: to a path of this machine's, a stream, or a consumer. Fires with the bytes that came.
   * Fails with {@link CommandFailed}, `DataConnectionFailed`, or what kept it from being written.
   */
  download(path: string, target: DownloadTarget, options: DownloadOptions = {}): Deferred<number> {
    return download(this, path, target, options);
  }

  /** Sends a file of this machine's, bytes, or what can be read piece by piece. Fires with the bytes that went. */
  upload(source: UploadSource, path: string, options: UploadOptions = {}): Deferred<number> {
    return upload(this, source, path, options);
  }

  /** Brings a folder here with all that is in it; links are left out. Fires with the number of files. */
  downloadDirectory(path: string, folder: string, options: TreeOptions = {}): Deferred<number> {
    return downloadDirectory(this, path, folder, options);
  }

  /** Sends a folder of this machine's with all that is in it; links are left out. Fires with the number of files. */
  uploadDirectory(folder: string, path: string, options: TreeOptions = {}): Deferred<number> {
    return uploadDirectory(this, folder, path, options);
  }

  // --------------------------------------------------------------------------------------------- ends

  /** Says goodbye when everything before is done, and ends the connection. */
  quit(): Deferred<string[]> {
    return this.queueStringCommand('QUIT').addCallback((lines) => {
      this.transport.loseConnection();
      return lines;
    });
  }

  /** Ends the connection here and now; what waits fails. */
  close(): void {
    this.fail('Cannot go on: the client was closed');
  }
}

function settingsOf(given: TransferOffset): Required<TransferSettings> {
  const { offset = 0, type = 'I' } = typeof given === 'number' ? { offset: given } : given;
  if (!Number.isSafeInteger(offset) || offset < 0)
    throw new RangeError(`Bad offset ${offset}: expected a whole number of 0 or more`);
  if (offset > 0 && type === 'A')
    throw new TypeError(
      'Cannot begin in the middle of a text: bytes are not the same on both ends',
    );
  return { offset, type };
}

/** A name that begins with a dash would be taken for an option. */
function withPath(command: string, path: string): string {
  if (path === '') return command;
  return `${command} ${path.startsWith('-') ? './' : ''}${path}`;
}
