/** Files in a Map, for tests of the server: no more than it asks for. */
import { Deferred, fail } from '../../../src/deferred/index.ts';
import type {
  FactName,
  FactValues,
  FTPShellInterface,
  ListedFile,
  PermissionLetter,
  ReadFile,
  ReadOptions,
  Segments,
  WriteFile,
  WriteOptions,
} from '../../../src/protocols/ftp/index.ts';
import {
  FileExistsError,
  FileNotFoundError,
  IsADirectoryError,
  IsNotADirectoryError,
} from '../../../src/protocols/ftp/index.ts';
import type { Consumer, Data, PushProducer } from '../../../src/reactor/index.ts';

/** The time that all files have: 2020-02-03 04:05:06 UTC. */
export const MODIFIED = Date.UTC(2020, 1, 3, 4, 5, 6) / 1000;

export class FakeShell implements FTPShellInterface {
  /** Paths with slashes; null is a folder. */
  readonly files = new Map<string, Buffer | null>([['/', null]]);
  /** Letters that nobody has. */
  denied = '';
  aborted = 0;
  /** Bytes that were written to files, whatever became of them. */
  received = 0;
  /** Bytes of a piece that is read. */
  piece = 65_536;

  constructor(files: Readonly<Record<string, string | Buffer | null>> = {}) {
    for (const [path, content] of Object.entries(files)) {
      this.files.set(path, content === null ? null : Buffer.from(content as Buffer));
    }
  }

  permits(letter: PermissionLetter): boolean {
    return !this.denied.includes(letter);
  }

  content(path: Segments): Buffer | null {
    const found = this.files.get(nameOf(path));
    if (found === undefined) throw new FileNotFoundError(path.at(-1) ?? '/');
    return found;
  }

  async makeDirectory(path: Segments): Promise<void> {
    if (this.files.has(nameOf(path))) throw new FileExistsError(nameOf(path));
    this.files.set(nameOf(path), null);
  }

  removeDirectory(path: Segments): void {
    if (this.content(path) !== null) throw new IsNotADirectoryError(nameOf(path));
    this.files.delete(nameOf(path));
  }

  removeFile(path: Segments): Deferred<void> {
    if (this.content(path) === null) return fail(new IsADirectoryError(nameOf(path)));
    this.files.delete(nameOf(path));
    const done = new Deferred<void>();
    done.callback();
    return done;
  }

  rename(from: Segments, to: Segments): void {
    this.files.set(nameOf(to), this.content(from));
    this.files.delete(nameOf(from));
  }

  access(path: Segments): void {
    if (this.content(path) !== null) throw new IsNotADirectoryError(nameOf(path));
  }

  stat(path: Segments, keys: readonly FactName[] = []): FactValues {
    const content = this.content(path);
    const facts = {
      size: content?.length ?? 0,
      directory: content === null,
      permissions: content === null ? 0o755 : 0o644,
      hardlinks: 1,
      modified: MODIFIED,
      owner: 'me',
      group: 'us',
      unique: '1',
    };
    return keys.map((key) => facts[key]);
  }

  list(path: Segments, keys: readonly FactName[] = []): ListedFile[] {
    const content = this.content(path);
    if (content !== null) return [[path.at(-1) ?? '', this.stat(path, keys)]];
    const folder = nameOf(path) === '/' ? '/' : `${nameOf(path)}/`;
    return [...this.files.keys()]
      .filter((name) => name.startsWith(folder) && name.length > folder.length)
      .map((name) => name.slice(folder.length))
      .filter((name) => !name.includes('/'))
      .map((name) => [name, this.stat([...path, name], keys)]);
  }

  openForReading(path: Segments, { offset = 0 }: ReadOptions = {}): ReadFile {
    const content = this.content(path);
    if (content === null) throw new IsADirectoryError(nameOf(path));
    return new FakeReadFile(content.subarray(offset), this.piece);
  }

  openForWriting(path: Segments, options: WriteOptions = {}): WriteFile {
    let name = nameOf(path);
    if (this.files.get(name) === null) throw new IsADirectoryError(name);
    for (let more = 1; options.unique && this.files.has(name); more++)
      name = `${nameOf(path)}.${more}`;
    const before = this.files.get(name) ?? Buffer.alloc(0);
    const kept = options.append ? before : before.subarray(0, options.offset ?? 0);
    return new FakeWriteFile(this, name, kept);
  }

  setModified(path: Segments): void {
    this.content(path);
  }

  changeMode(path: Segments): void {
    this.content(path);
  }

  checksum(path: Segments, algorithm: string, start: number, end?: number): string {
    return `${algorithm}-${this.content(path)?.subarray(start, end).length}`;
  }
}

function nameOf(path: Segments): string {
  return `/${path.join('/')}`;
}

class FakeReadFile implements ReadFile, PushProducer {
  readonly size: number;
  #rest: Buffer;
  readonly #piece: number;
  #paused = false;
  #consumer: Consumer | null = null;
  readonly #done = new Deferred<void>();

  constructor(content: Buffer, piece: number) {
    this.size = content.length;
    this.#rest = content;
    this.#piece = piece;
  }

  send(consumer: Consumer): Deferred<void> {
    this.#consumer = consumer;
    consumer.registerProducer(this, true);
    this.#pump();
    return this.#done;
  }

  #pump(): void {
    while (!this.#paused && this.#rest.length > 0) {
      const piece = this.#rest.subarray(0, this.#piece);
      this.#rest = this.#rest.subarray(this.#piece);
      this.#consumer?.write(piece);
    }
    if (this.#rest.length === 0 && !this.#done.called) {
      this.#consumer?.unregisterProducer();
      this.#done.callback();
    }
  }

  pauseProducing(): void {
    this.#paused = true;
  }

  resumeProducing(): void {
    this.#paused = false;
    this.#pump();
  }

  stopProducing(): void {
    this.#paused = true;
    if (!this.#done.called) this.#done.errback(new Error('stopped'));
  }

  close(): void {}
}

class FakeWriteFile implements WriteFile {
  readonly #shell: FakeShell;
  readonly #path: string;
  readonly #pieces: Buffer[];

  constructor(shell: FakeShell, path: string, kept: Buffer) {
    this.#shell = shell;
    this.#path = path;
    this.#pieces = [kept];
  }

  get name(): string {
    return this.#path.slice(this.#path.lastIndexOf('/') + 1);
  }

  receive(): Consumer {
    return {
      registerProducer: () => {},
      unregisterProducer: () => {},
      write: (data: Data) => {
        this.#pieces.push(Buffer.from(data as Buffer));
        this.#shell.received += data.length;
      },
    };
  }

  async close(): Promise<void> {
    this.#shell.files.set(this.#path, Buffer.concat(this.#pieces));
  }

  abort(): void {
    this.#shell.aborted += 1;
  }
}
