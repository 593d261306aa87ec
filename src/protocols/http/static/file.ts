import { close, read, type Stats } from 'node:fs';
import { join, resolve } from 'node:path';
import { logEvent } from '../../../reactor/index.ts';
import { acceptedCoding } from '../encoding/accept.ts';
import { addVary } from '../encoding/vary.ts';
import { ForbiddenResource, NoResource } from '../pages.ts';
import type { Request } from '../request.ts';
import { type IResource, NOT_DONE_YET, type Rendered, Resource } from '../resource.ts';
import { HTTPError } from '../status.ts';
import { fieldOf, type Selection, selectBody } from './answer.ts';
import { endingOf, typeOfEnding, withCharset } from './content-types.ts';
import { fileETag, weakened } from './etags.ts';
import { type BodyDone, type BodyPart, FileBody, ignore } from './file-body.ts';
import {
  checkEnding,
  type FileOptions,
  type FileSettings,
  PRECOMPRESSED,
  settingsOf,
} from './file-options.ts';
import { frameBuffer } from './frame-buffer.ts';
import { type Kept, SMALL } from './kept-files.ts';
import { DirectoryLister } from './listing.ts';
import { Root, refusalOf } from './open-file.ts';
import { isHidden, isOrdinaryName } from './segments.ts';

const WINDOWS = process.platform === 'win32';

/** What was found under a name. */
interface Found {
  readonly path: string;
  readonly stats: Stats;
  /** The open file, to be closed; null when it is kept in memory. */
  readonly fd: number | null;
  readonly kept: Kept | null;
}

function release(found: Found): void {
  if (found.fd !== null) close(found.fd, ignore);
}

/**
 * A file, or a folder and all that is below it.
 *
 * Nothing outside of the folder can be reached: a segment of a URL is the name of one file or it is nothing (no `..`, no separators however encoded, no devices and streams of Windows), and what was
 * opened is compared with what was to be opened, so that symbolic links lead nowhere unless `followSymlinks` says so. Hidden files are not there, either.
 *
 * Answers have a type by the file's ending, `Last-Modified` and an entity tag; conditional requests and ranges are answered as RFC 9110 has it. A file of any size takes the memory of two pieces.
 * A folder is asked for with a slash at its end, and to who leaves it out the right URL is told.
 *
 * Twisted: `static.File`.
 *
 * @example
 * reactor.listenTCP(8080, new Site(new File('/srv/www', { listing: true })));
 */
export class File extends Resource {
  /** The absolute path. */
  readonly path: string;
  /** What answers when there is no such file. */
  childNotFound: IResource = new NoResource();
  /** What answers when it must not be read, or is a folder that is not listed. */
  forbidden: IResource = new ForbiddenResource();
  readonly #settings: FileSettings;
  readonly #root: Root;
  /** Asked for with a slash at the end: only a folder will do. */
  readonly #isFolder: boolean;

  /** @throws {TypeError} when the path is no text, or an ending is none @throws {RangeError} for limits that are none */
  constructor(path: string, options?: FileOptions);
  /** @internal */
  constructor(path: string, parent: File, isFolder: boolean);
  constructor(path: string, given: FileOptions | File = {}, isFolder = false) {
    super();
    this.path = resolve(path);
    this.#isFolder = isFolder;
    if (given instanceof File) {
      this.#settings = given.#settings;
      this.#root = given.#root.has(this.path)
        ? given.#root
        : new Root(this.path, given.#settings.followSymlinks);
      this.childNotFound = given.childNotFound;
      this.forbidden = given.forbidden;
    } else {
      this.#settings = settingsOf(given);
      this.#root = new Root(this.path, this.#settings.followSymlinks);
    }
  }

  // --------------------------------------------------------- settings by their names in Twisted, shared with all below

  /** Types by ending; what is not in here goes by the usual table. */
  get contentTypes(): Record<string, string> {
    return this.#settings.contentTypes;
  }

  /** What takes files of some extensions in place of sending them. */
  get processors(): FileSettings['processors'] {
    return this.#settings.processors;
  }

  /** Names of files that stand for their folder. */
  get indexNames(): readonly string[] {
    return this.#settings.indexNames;
  }

  set indexNames(names: readonly string[]) {
    this.#settings.indexNames = names;
  }

  /** The type of files that say nothing about theirs. */
  get defaultType(): string {
    return this.#settings.defaultType;
  }

  /** Lets `ending` ('.html') be left out of URLs. @throws {TypeError} for what is no ending */
  ignoreExt(ending: string): void {
    this.#settings.ignoredExts.push(checkEnding(ending));
  }

  // ---------------------------------------------------------------------------------------------- finding

  /** The file of this name below; override it to have something else answer for some of them. The file system is not asked yet. */
  override getChild(name: string, _request: Request): IResource {
    if (name === '' && !this.#isFolder) return this.createSimilarFile(this.path, true);
    if (this.#isFolder || !isOrdinaryName(name, WINDOWS)) return this.childNotFound;
    if (!this.#settings.hidden && isHidden(name)) return this.childNotFound;
    return this.createSimilarFile(join(this.path, name));
  }

  /** Another file with the same settings; override it to make your own kind of `File` for what is below. */
  createSimilarFile(path: string, isFolder = false): IResource {
    return new File(path, this, isFolder);
  }

  /** What answers for a folder without an index. */
  directoryListing(): IResource {
    const { listing } = this.#settings;
    return listing === null ? this.forbidden : new DirectoryLister(this.path, listing);
  }

  override render_GET(request: Request): Rendered {
    return this.#answer(request);
  }

  async #answer(request: Request): Promise<Buffer | string | typeof NOT_DONE_YET> {
    const found = (await this.#open(this.path)) ?? (await this.#openWithEnding());
    if (found === null) return this.#instead(request, this.childNotFound);
    if (found.stats.isDirectory()) {
      release(found);
      return this.#answerFolder(request);
    }
    if (!found.stats.isFile() || this.#isFolder) {
      release(found);
      return this.#instead(request, this.childNotFound);
    }
    return this.#answerFile(request, found);
  }

  async #answerFolder(request: Request): Promise<Buffer | string | typeof NOT_DONE_YET> {
    // The root of a site is a folder whatever the path looks like.
    if (!this.#isFolder && !request.path.endsWith('/')) return redirectToFolder(request);
    for (const name of this.#settings.indexNames) {
      const index = await this.#open(join(this.path, name));
      if (index === null) continue;
      if (index.stats.isFile()) return this.#answerFile(request, index);
      release(index);
    }
    return this.#instead(request, this.directoryListing());
  }

  /** What is at `path`, null if nothing is. @throws {HTTPError} 403, 503 */
  #open(path: string): Promise<Found | null> {
    const { cache } = this.#settings;
    return new Promise((done, failed) => {
      const open = (): void =>
        this.#root.open(path, (error, file) => {
          if (error === null) {
            done(file === null ? null : { path, kept: null, ...file });
            return;
          }
          const code = refusalOf(error);
          if (code === 404) done(null);
          else failed(code === null ? error : new HTTPError(code, undefined, { cause: error }));
        });
      if (!cache.has(path)) {
        open();
        return;
      }
      cache.find(path, (kept) => {
        if (kept === null) open();
        else done({ path, fd: null, stats: kept.stats, kept });
      });
    });
  }

  async #openWithEnding(): Promise<Found | null> {
    if (this.#isFolder) return null;
    for (const ending of this.#settings.ignoredExts) {
      const found = await this.#open(this.path + ending);
      if (found !== null) return found;
    }
    return null;
  }

  /** Has another resource answer, from within the answer of this one. */
  #instead(request: Request, resource: IResource): typeof NOT_DONE_YET {
    request.render(resource);
    return NOT_DONE_YET;
  }

  // ---------------------------------------------------------------------------------------------- sending

  async #answerFile(
    request: Request,
    found: Found,
  ): Promise<Buffer | string | typeof NOT_DONE_YET> {
    const ending = endingOf(found.path);
    const processor = this.#settings.processors[ending];
    if (processor !== undefined) {
      release(found);
      return this.#instead(request, processor(found.path));
    }
    let file = found;
    // Whose the descriptor is: closing one twice could close somebody else's.
    let ours = true;
    try {
      const type = await this.#typeOf(ending);
      if (this.#settings.precompressed) file = await this.#smaller(request, found);
      const cacheControl = this.#settings.cacheControl(found.path);
      if (cacheControl !== undefined) request.setHeader('Cache-Control', cacheControl);
      const { size, mtimeMs } = file.stats;
      const etag = this.#tagOf(file);
      const selection = selectBody(
        request,
        // A moment yet to come would be none that it changed at (RFC 9110 8.8.2.1).
        { size, type, etag, lastModified: Math.min(mtimeMs / 1000, request.site.wallTime()) },
        this.#settings.limits,
      );
      if (selection.kind === 'none' || size === 0) return '';
      const kept = file.kept ?? (await this.#keep(request, file));
      if (kept !== null) return this.#sendKept(request, kept, selection);
      if (file.fd === null) return '';
      if (size <= SMALL) return frameBuffer(await readWhole(file.fd, size), selection);
      ours = false;
      const parts = partsOf(selection, size);
      const body = new FileBody(file.fd, parts, request, doneWith(request), ignore, request);
      send(request, body);
      return NOT_DONE_YET;
    } finally {
      if (ours) release(file);
    }
  }

  /** Reads a file whole if it is to be kept. */
  async #keep(request: Request, { path, stats, fd }: Found): Promise<Kept | null> {
    const { cache } = this.#settings;
    if (fd === null || !cache.wants(path, stats, request.site.wallTime())) return null;
    try {
      return cache.add(path, stats, await readWhole(fd, stats.size));
    } finally {
      cache.leave(path);
    }
  }

  #sendKept(request: Request, kept: Kept, selection: Selection): Buffer | typeof NOT_DONE_YET {
    const { bytes } = kept;
    if (bytes.length <= SMALL) return frameBuffer(bytes, selection);
    const parts = partsOf(selection, bytes.length);
    const freed = this.#settings.cache.use(kept);
    send(request, new FileBody(bytes, parts, request, doneWith(request), freed));
    return NOT_DONE_YET;
  }

  async #typeOf(ending: string): Promise<string> {
    const { contentTypes, defaultType, charset } = this.#settings;
    return withCharset(
      contentTypes[ending] ?? (await typeOfEnding(ending)) ?? defaultType,
      charset,
    );
  }

  #tagOf({ stats }: Found): string | null {
    const { etag } = this.#settings;
    if (etag === false) return null;
    return etag === 'weak' ? weakened(fileETag(stats)) : fileETag(stats);
  }

  /** The file beside `found` that holds the same in fewer bytes, as far as the client takes it; else `found`. The other one is closed. */
  async #smaller(request: Request, found: Found): Promise<Found> {
    addVary(request, 'Accept-Encoding');
    const offered = Object.keys(PRECOMPRESSED);
    const accepted = fieldOf(request, 'accept-encoding');
    for (;;) {
      const coding = acceptedCoding(accepted, offered);
      if (coding === null) return found;
      offered.splice(offered.indexOf(coding), 1);
      const other = await this.#open(found.path + (PRECOMPRESSED[coding] ?? ''));
      if (other === null) continue;
      // One that is older was made of something else.
      if (other.stats.isFile() && other.stats.mtimeMs >= found.stats.mtimeMs) {
        release(found);
        request.setHeader('Content-Encoding', coding);
        return other;
      }
      release(other);
    }
  }
}

/** Tells who asked for a folder without the slash at its end what to ask for: relative links on its page would lead astray. Twisted: `addSlash`. */
function redirectToFolder(request: Request): string {
  const query = request.uri.indexOf('?');
  // One slash only in front: with two, what follows would be the name of another host.
  const path = request.path.replace(/^[/\\]+/, '/');
  request.redirect(`${path}/${query < 0 ? '' : request.uri.slice(query)}`);
  return '';
}

/** All of a file. */
function readWhole(fd: number, size: number): Promise<Buffer> {
  return new Promise((done, failed) => {
    const bytes = Buffer.allocUnsafeSlow(size);
    let length = 0;
    const next = (): void => {
      read(fd, bytes, length, size - length, length, (error, count) => {
        length += count;
        if (error === null && count > 0 && length < size) {
          next();
          return;
        }
        if (error === null && length === size) done(bytes);
        else failed(error ?? new HTTPError(503, 'The file was changed while it was read'));
      });
    };
    next();
  });
}

function partsOf(selection: Selection, size: number): BodyPart[] {
  if (selection.kind !== 'ranges') return [{ position: 0, length: size }];
  const { ranges, frame } = selection;
  const parts: BodyPart[] = [];
  for (const [at, { first, last }] of ranges.entries()) {
    const head = frame?.heads[at];
    if (head !== undefined) parts.push(head);
    parts.push({ position: first, length: last - first + 1 });
  }
  if (frame !== null) parts.push(frame.tail);
  return parts;
}

/** What is to be done when all was sent, or it could not be. */
function doneWith(request: Request): BodyDone {
  return (error) => {
    request.unregisterProducer();
    if (error === null) {
      request.finish();
      return;
    }
    // What was announced cannot be sent any more: the client is to see that it is not all.
    const message = `Cannot send all of ${request.uri}: ${error.message}`;
    logEvent({ level: 'warn', system: 'File', message });
    request.channel.abortConnection();
  };
}

function send(request: Request, body: FileBody): void {
  request.registerProducer(body, true);
  body.start();
}
