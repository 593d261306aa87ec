/** Files in memory: for tests, and as an example of a file system that is none. */
import { Deferred } from '../../deferred/index.ts';
import {
  type Consumer,
  type Data,
  type PullProducer,
  type PushProducer,
  wallTime,
} from '../../reactor/index.ts';
import { bytesOf } from '../data.ts';
import { TransferStoppedError } from '../errors.ts';
import {
  DirectoryNotEmptyError,
  FileExistsError,
  FileNameNotAllowedError,
  FileNotFoundError,
  FTPCmdError,
  IsADirectoryError,
  IsNotADirectoryError,
  PermissionDeniedError,
} from './errors.ts';
import { ALL_FACTS, pickFacts } from './facts.ts';
import { type Segments, toPath, toSegments } from './paths.ts';
import { Permissions } from './permissions.ts';
import { Quota, type QuotaLimits } from './quota.ts';
import type {
  FactName,
  FactValues,
  FileReceiver,
  FTPShellInterface,
  ListedFile,
  PermissionLetter,
  ReadFile,
  ReadOptions,
  WriteFile,
  WriteOptions,
} from './shell.ts';

interface Folder {
  readonly kind: 'folder';
  readonly unique: string;
  readonly names: Map<string, Folder | File>;
  modified: number;
  mode: number;
}

interface File {
  readonly kind: 'file';
  readonly unique: string;
  data: Buffer;
  modified: number;
  mode: number;
}

/** Options of `MemoryShell`. */
export interface MemoryShellOptions {
  /** What may be done, and where. Default: everything. */
  readonly permissions?: Permissions | string;
  /** How much may be stored. Default: no end of it. */
  readonly quota?: QuotaLimits;
  /** Tells the time, in seconds since 1970, UTC. Default: the system's. */
  readonly now?: () => number;
}

/** Bytes that are written at once. */
const PIECE = 131_072;

/**
 * A file system in memory. One may serve many sessions.
 * @example
 * new MemoryShell({ '/README': 'Hello\n', '/incoming/': '' }, { permissions: 'elrw' });
 */
export class MemoryShell implements FTPShellInterface {
  readonly #root: Folder;
  readonly #permissions: Permissions;
  readonly #quota: Quota;
  readonly #now: () => number;
  #count = 0;

  /** @param contents what there is to begin with, by paths; those that end with '/' are folders. Folders on the way are made. */
  constructor(contents: Readonly<Record<string, Data>> = {}, options: MemoryShellOptions = {}) {
    const { permissions, quota = {}, now = wallTime } = options;
    this.#permissions =
      permissions instanceof Permissions ? permissions : new Permissions(permissions);
    this.#quota = new Quota(quota);
    this.#now = now;
    this.#root = this.#newFolder();
    for (const [path, data] of Object.entries(contents)) {
      const segments = toSegments([], path);
      const folders = path.endsWith('/') ? segments : segments.slice(0, -1);
      for (let depth = 1; depth <= folders.length; depth++) {
        if (this.#find(folders.slice(0, depth)) === undefined) {
          this.makeDirectory(folders.slice(0, depth));
        }
      }
      if (!path.endsWith('/')) this.#store(segments, bytesOf(data, 'make a file'));
    }
  }

  /** What a file has in it; null if there is none. */
  contents(path: string): Buffer | null {
    const node = this.#find(toSegments([], path));
    return node?.kind === 'file' ? node.data : null;
  }

  permits(letter: PermissionLetter, path: Segments): boolean {
    return this.#permissions.permits(letter, path);
  }

  makeDirectory(path: Segments): void {
    if (this.#find(path) !== undefined) throw new FileExistsError(toPath(path));
    const [folder, name] = this.#place(path);
    this.#quota.take(toPath(path), 0, 1);
    folder.names.set(name, this.#newFolder());
    folder.modified = this.#now();
  }

  removeDirectory(path: Segments): void {
    const [folder, name] = this.#place(path);
    const node = this.#get(path);
    if (node.kind !== 'folder') throw new IsNotADirectoryError(toPath(path));
    if (node.names.size > 0) throw new DirectoryNotEmptyError(toPath(path));
    this.#remove(folder, name, 0);
  }

  removeFile(path: Segments): void {
    const [folder, name] = this.#place(path);
    this.#remove(folder, name, this.#file(path).data.length);
  }

  rename(from: Segments, to: Segments): void {
    const node = this.#get(from);
    const [source, sourceName] = this.#place(from);
    const [target, targetName] = this.#place(to);
    const there = this.#find(to);
    if (there === node) return;
    if (to.length > from.length && from.every((name, at) => name === to[at])) {
      throw new FileNameNotAllowedError(toPath(to)); // into itself
    }
    if (there?.kind === 'folder' || (there !== undefined && node.kind === 'folder')) {
      throw new FileExistsError(toPath(to));
    }
    if (there !== undefined) {
      if (!this.permits('w', to) && !this.permits('d', to))
        throw new PermissionDeniedError(toPath(to));
      this.#quota.give(there.data.length, 1);
    }
    source.names.delete(sourceName);
    target.names.set(targetName, node);
    source.modified = target.modified = this.#now();
  }

  access(path: Segments): void {
    if (this.#get(path).kind !== 'folder') throw new IsNotADirectoryError(toPath(path));
  }

  stat(path: Segments, keys: readonly FactName[] = ALL_FACTS): FactValues {
    return factsOf(this.#get(path), keys);
  }

  *#listed(folder: Folder, keys: readonly FactName[]): Generator<ListedFile> {
    for (const [name, node] of folder.names) yield [name, factsOf(node, keys)];
  }

  list(path: Segments, keys: readonly FactName[] = ALL_FACTS): Iterable<ListedFile> {
    const node = this.#get(path);
    if (node.kind === 'file') return [[path.at(-1) ?? '', factsOf(node, keys)]];
    return this.#listed(node, keys);
  }

  openForReading(path: Segments, { offset = 0, end }: ReadOptions = {}): ReadFile {
    const { data } = this.#file(path);
    if (offset > data.length) {
      throw new FTPCmdError(`${toPath(path)}: Cannot begin behind its end`, 554);
    }
    const bytes = data.subarray(offset, end);
    return { size: bytes.length, send: (consumer) => send(bytes, consumer), close() {} };
  }

  openForWriting(path: Segments, options: WriteOptions = {}): WriteFile {
    const { offset = 0, append = false, unique = false } = options;
    const [folder, first] = this.#place(path);
    let name = first;
    for (let tries = 1; unique && folder.names.has(name); tries++) name = `${first}.${tries}`;
    const place = [...path.slice(0, -1), name];
    const there = this.#find(place);
    if (there?.kind === 'folder') throw new IsADirectoryError(toPath(place));
    const before = there?.data ?? Buffer.alloc(0);
    const start = append ? before.length : offset;
    if (start > before.length) {
      throw new FTPCmdError(`${toPath(path)}: Cannot begin behind its end`, 554);
    }
    // It holds the name until the rest is there.
    if (unique) this.#store(place, before);
    const writing = new MemoryWriting(name, toPath(place), this.#quota);
    writing.whenComplete = (bytes) =>
      this.#store(place, Buffer.concat([before.subarray(0, start), ...bytes]));
    writing.whenAborted = () => {
      if (unique) this.#remove(folder, name, 0);
    };
    return writing;
  }

  setModified(path: Segments, seconds: number): void {
    this.#get(path).modified = seconds;
  }

  changeMode(path: Segments, mode: number): void {
    this.#get(path).mode = mode & 0o777;
  }

  #newFolder(): Folder {
    this.#count += 1;
    const unique = String(this.#count);
    return { kind: 'folder', unique, names: new Map(), modified: this.#now(), mode: 0o755 };
  }

  #find(path: Segments): Folder | File | undefined {
    let node: Folder | File | undefined = this.#root;
    for (const name of path) {
      if (node?.kind !== 'folder') return undefined;
      node = node.names.get(name);
    }
    return node;
  }

  #get(path: Segments): Folder | File {
    const node = this.#find(path);
    if (node === undefined) throw new FileNotFoundError(toPath(path));
    return node;
  }

  #file(path: Segments): File {
    const node = this.#get(path);
    if (node.kind === 'folder') throw new IsADirectoryError(toPath(path));
    return node;
  }

  #place(path: Segments): [folder: Folder, name: string] {
    const name = path.at(-1);
    if (name === undefined) throw new PermissionDeniedError('/');
    const folder = this.#get(path.slice(0, -1));
    if (folder.kind !== 'folder') throw new IsNotADirectoryError(toPath(path.slice(0, -1)));
    return [folder, name];
  }

  #store(path: Segments, data: Buffer): void {
    const [folder, name] = this.#place(path);
    const there = this.#find(path);
    if (there?.kind === 'folder') throw new IsADirectoryError(toPath(path));
    const more = data.length - (there?.data.length ?? 0);
    if (more >= 0) this.#quota.take(toPath(path), more, there === undefined ? 1 : 0);
    else this.#quota.give(-more);
    const modified = this.#now();
    folder.modified = modified;
    if (there !== undefined) Object.assign(there, { data, modified });
    else {
      this.#count += 1;
      const unique = String(this.#count);
      folder.names.set(name, { kind: 'file', unique, data, modified, mode: 0o644 });
    }
  }

  #remove(folder: Folder, name: string, bytes: number): void {
    if (!folder.names.delete(name)) return;
    folder.modified = this.#now();
    this.#quota.give(bytes, 1);
  }
}

/** Collects what is uploaded. */
class MemoryWriting implements WriteFile, FileReceiver {
  readonly name: string;
  whenComplete: (bytes: Buffer[]) => void = () => {};
  whenAborted: () => void = () => {};
  readonly #path: string;
  readonly #quota: Quota;
  #producer: PushProducer | PullProducer | null = null;
  #streaming = false;
  #bytes: Buffer[] = [];
  #reckoned = 0;
  #error: unknown;
  #over = false;

  constructor(name: string, path: string, quota: Quota) {
    this.name = name;
    this.#path = path;
    this.#quota = quota;
  }

  receive(): FileReceiver {
    return this;
  }

  registerProducer(producer: PushProducer | PullProducer, streaming: boolean): void {
    this.#producer = producer;
    this.#streaming = streaming;
    if (!streaming) producer.resumeProducing();
  }

  unregisterProducer(): void {
    this.#producer = null;
  }

  write(data: Data): void {
    if (this.#over || this.#error !== undefined) return;
    const bytes = bytesOf(data, 'write to a file');
    try {
      this.#quota.take(this.#path, bytes.length);
    } catch (error) {
      this.#error = error;
      this.#producer?.stopProducing();
      return;
    }
    this.#reckoned += bytes.length;
    this.#bytes.push(bytes);
    if (!this.#streaming) this.#producer?.resumeProducing();
  }

  close(): void {
    const bytes = this.#bytes;
    if (this.#error !== undefined) {
      this.abort();
      throw this.#error;
    }
    if (!this.#end()) return;
    try {
      this.whenComplete(bytes);
    } catch (error) {
      this.whenAborted();
      throw error;
    }
  }

  abort(): void {
    if (this.#end()) this.whenAborted();
  }

  #end(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#bytes = [];
    this.#quota.give(this.#reckoned);
    return true;
  }
}

/** Writes bytes to a consumer, piece by piece, as it asks for them. */
function send(bytes: Buffer, consumer: Consumer): Deferred<void> {
  let at = 0;
  let over = false;
  const end = (): boolean => {
    const first = !over;
    over = true;
    return first;
  };
  const sent = new Deferred<void>(() => {
    if (end()) consumer.unregisterProducer();
  });
  const producer: PullProducer = {
    resumeProducing() {
      if (over) return;
      const piece = bytes.subarray(at, at + PIECE);
      at += piece.length;
      if (piece.length > 0) consumer.write(piece);
      else if (end()) {
        consumer.unregisterProducer();
        sent.callback();
      }
    },
    stopProducing() {
      if (end()) sent.errback(new TransferStoppedError());
    },
  };
  consumer.registerProducer(producer, false);
  return sent;
}

function factsOf(node: Folder | File, keys: readonly FactName[]): FactValues {
  const isFolder = node.kind === 'folder';
  const facts = {
    size: isFolder ? 0 : node.data.length,
    directory: isFolder,
    permissions: node.mode,
    hardlinks: 1,
    modified: node.modified,
    owner: 'strand',
    group: 'strand',
    unique: node.unique,
  };
  return pickFacts(facts, keys);
}
