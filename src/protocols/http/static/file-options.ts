import { checkLimits } from '../../option-checks.ts';
import type { IResource } from '../resource.ts';
import { KeptFiles } from './kept-files.ts';
import type { ListingOptions } from './listing.ts';
import type { FollowSymlinks } from './open-file.ts';
import { checkRangeLimits, type RangeLimits } from './ranges.ts';

/** Makes what answers for a file of some ending, from its path. Twisted: `processors`. */
export type Processor = (path: string) => IResource;

/** Codings in which files may lie beside the plain ones, and the endings that say so. */
export const PRECOMPRESSED: Readonly<Record<string, string>> = {
  br: '.br',
  zstd: '.zst',
  gzip: '.gz',
};

/** Options of `File`. */
export interface FileOptions extends RangeLimits {
  /** The type of files whose ending says nothing. Default 'application/octet-stream'; Twisted's is text/html, which lets whoever can name a file write pages. */
  readonly defaultType?: string | undefined;
  /** The charset that is said of text; null to say none. Default 'utf-8'. */
  readonly charset?: string | null | undefined;
  /** What stands for a folder, the first that is there. Default index.html, index.htm. */
  readonly indexNames?: readonly string[] | undefined;
  /** Endings that may be left out of a URL: with ['.html'], /about is about.html. Default none. */
  readonly ignoredExts?: readonly string[] | undefined;
  /** Types for endings ('.foo'), in place of the usual ones. */
  readonly contentTypes?: Readonly<Record<string, string>> | undefined;
  /** What answers for files of certain endings ('.rpy'), rather than their bytes. */
  readonly processors?: Readonly<Record<string, Processor>> | undefined;
  /** Whether a folder without an index is listed; with options for the listing. Default false: 403. */
  readonly listing?: boolean | ListingOptions | undefined;
  /** Whether symbolic links are followed: false, never (they are not found); 'inside', to what is below the root; true, anywhere. Default false. */
  readonly followSymlinks?: FollowSymlinks | undefined;
  /** Whether names that begin with a dot are served. Default false; `.well-known` is in any case. */
  readonly hidden?: boolean | undefined;
  /** Whether a file with `.br`, `.zst` or `.gz` behind its name is sent in its place, to clients that take it, unless it is older. Default false. */
  readonly precompressed?: boolean | undefined;
  /** The value of `Cache-Control`, or what gives it for a path. Default none. */
  readonly cacheControl?: string | ((path: string) => string | undefined) | undefined;
  /** Bytes of files (up to 1 MiB each) that are kept in memory; whether one has changed is looked at each time. 0 for none. Default 32 MiB. */
  readonly cacheLength?: number | undefined;
  /** Whether entity tags are sent: 'strong', by size and time; 'weak', for files that are written more than once in a tick of the clock; false, none. Default 'strong'. */
  readonly etag?: 'strong' | 'weak' | false | undefined;
}

/** The options that a `File` and all files below it share, made complete. */
export interface FileSettings {
  defaultType: string;
  charset: string | null;
  indexNames: readonly string[];
  ignoredExts: string[];
  contentTypes: Record<string, string>;
  processors: Record<string, Processor>;
  listing: ListingOptions | null;
  readonly followSymlinks: FollowSymlinks;
  readonly hidden: boolean;
  readonly precompressed: boolean;
  readonly cacheControl: (path: string) => string | undefined;
  readonly etag: 'strong' | 'weak' | false;
  readonly limits: RangeLimits;
  readonly cache: KeptFiles;
}

/** @throws {TypeError} for what is no ending */
export function checkEnding(ending: string): string {
  if (/^\.[^/\\\0]+$/.test(ending)) return ending;
  throw new TypeError(
    `An ending must begin with a dot and have no separators: got ${JSON.stringify(ending)}`,
  );
}

/** @throws {TypeError} for endings that are none @throws {RangeError} for limits that are none */
export function settingsOf(options: FileOptions): FileSettings {
  checkLimits(options, ['cacheLength']);
  checkRangeLimits(options);
  const { listing = false, hidden = false, followSymlinks = false, cacheControl } = options;
  for (const ending of Object.keys(options.contentTypes ?? {})) checkEnding(ending);
  for (const ending of Object.keys(options.processors ?? {})) checkEnding(ending);
  return {
    defaultType: options.defaultType ?? 'application/octet-stream',
    charset: options.charset === undefined ? 'utf-8' : options.charset,
    indexNames: options.indexNames ?? ['index.html', 'index.htm'],
    ignoredExts: (options.ignoredExts ?? []).map(checkEnding),
    contentTypes: { ...options.contentTypes },
    processors: { ...options.processors },
    listing:
      listing === false
        ? null
        : { hidden, links: followSymlinks !== false, ...(listing === true ? {} : listing) },
    followSymlinks,
    hidden,
    precompressed: options.precompressed ?? false,
    cacheControl: typeof cacheControl === 'function' ? cacheControl : () => cacheControl,
    etag: options.etag ?? 'strong',
    limits: options,
    cache: new KeptFiles(options.cacheLength ?? 33_554_432, followSymlinks !== false),
  };
}
