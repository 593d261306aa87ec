import { lstat, type Stats } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { escapeHTML } from '../html.ts';
import type { Request } from '../request.ts';
import { Resource } from '../resource.ts';
import { endingOf, typeOfEnding } from './content-types.ts';
import { formatHTTPDate } from './http-date.ts';
import { isHidden, isOrdinaryName } from './segments.ts';

/** One line of a listing. */
export interface ListingEntry {
  /** Its name, without a path. */
  readonly name: string;
  /** Whether it is a folder. */
  readonly isDirectory: boolean;
  /** Bytes; 0 for folders. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly modified: number;
  /** The media type, by its ending; '' for folders and what nobody knows. */
  readonly type: string;
}

/** Options of a listing. */
export interface ListingOptions {
  /** Whether to show names that begin with a dot. Default false. */
  readonly hidden?: boolean | undefined;
  /** Whether to show symbolic links, as what they lead to is not looked at. Default false. */
  readonly links?: boolean | undefined;
  /** Names that are shown at most; the page says so when there are more. Default 10,000. */
  readonly maxEntries?: number | undefined;
}

/** Files that are asked about at a time: the system's threads are few, and others need them too. */
const AT_A_TIME = 8;

// Names are data, and what a browser may do with this page is nothing but show it.
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const STYLE =
  'body{font:1rem/1.5 system-ui,sans-serif;margin:2rem;color-scheme:light dark}' +
  'table{border-collapse:collapse}td,th{padding:.1rem 1.5rem .1rem 0;text-align:left}' +
  'td.size{text-align:right}td{white-space:nowrap}';

function statOf(path: string): Promise<Stats | null> {
  return new Promise((resolve) => {
    lstat(path, (error, stats) => resolve(error ? null : stats)); // gone meanwhile: not shown
  });
}

/** The names in a folder that can be asked for, folders first, by name. */
async function entriesOf(
  path: string,
  options: ListingOptions,
): Promise<{ entries: ListingEntry[]; more: boolean }> {
  const { hidden = false, links = false, maxEntries = 10_000 } = options;
  const windows = process.platform === 'win32';
  const found = (await readdir(path, { withFileTypes: true })).filter(
    (entry) =>
      isOrdinaryName(entry.name, windows) &&
      (hidden || !isHidden(entry.name)) &&
      (entry.isFile() || entry.isDirectory() || (links && entry.isSymbolicLink())),
  );
  found.sort((a, b) => {
    const order = Number(b.isDirectory()) - Number(a.isDirectory());
    return order === 0 ? (a.name < b.name ? -1 : 1) : order;
  });
  const shown = found.slice(0, maxEntries);
  const stats = new Array<Stats | null>(shown.length).fill(null);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < shown.length) {
      const at = next;
      next += 1;
      stats[at] = await statOf(join(path, shown[at]?.name ?? ''));
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_A_TIME, shown.length) }, worker));
  const entries: ListingEntry[] = [];
  for (const [at, entry] of shown.entries()) {
    const known = stats[at] ?? null;
    if (known === null) continue;
    const isDirectory = entry.isDirectory();
    entries.push({
      name: entry.name,
      isDirectory,
      size: isDirectory ? 0 : known.size,
      modified: Math.floor(known.mtimeMs / 1000),
      type: isDirectory ? '' : ((await typeOfEnding(endingOf(entry.name))) ?? ''),
    });
  }
  return { entries, more: found.length > shown.length };
}

/** Bytes as people read them: '512', '1.5 K', '20 M'. */
export function readableSize(bytes: number): string {
  if (bytes < 1024) return String(bytes);
  const units = ['K', 'M', 'G', 'T', 'P'];
  let size = bytes / 1024;
  let unit = 0;
  while (size >= 1023.5 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit] ?? ''}`;
}

/** A name as the target of a link from its folder's page. './' in front keeps a name with a colon from being taken for a scheme. */
function linkTo(name: string, isDirectory: boolean): string {
  return `./${encodeURIComponent(name)}${isDirectory ? '/' : ''}`;
}

function rowOf({ name, isDirectory, size, modified, type }: ListingEntry): string {
  const shown = `${name}${isDirectory ? '/' : ''}`;
  return (
    `<tr><td><a href="${escapeHTML(linkTo(name, isDirectory))}">${escapeHTML(shown)}</a></td>` +
    `<td class="size">${isDirectory ? '' : readableSize(size)}</td><td>${escapeHTML(type)}</td>` +
    `<td>${formatHTTPDate(modified)}</td></tr>\n`
  );
}

/**
 * A page that lists a folder. Names of files and of the folder are escaped, and the page forbids scripts. Twisted: `DirectoryLister`.
 */
export class DirectoryLister extends Resource {
  override isLeaf = true;
  /** The folder. */
  readonly path: string;
  readonly #options: ListingOptions;

  constructor(path: string, options: ListingOptions = {}) {
    super();
    this.path = path;
    this.#options = options;
  }

  override async render_GET(request: Request): Promise<string> {
    const { entries, more } = await entriesOf(this.path, this.#options);
    request.setHeader('Content-Type', 'text/html; charset=utf-8');
    request.setHeader('Content-Security-Policy', POLICY);
    request.setHeader('X-Content-Type-Options', 'nosniff');
    return this.page(`/${request.prepath.join('/')}`, entries, more);
  }

  /**
   * The page itself; override it to make it look otherwise.
   * @param title what is listed: the path that was asked for, decoded and not escaped
   * @param more whether there are entries that are not shown
   */
  page(title: string, entries: readonly ListingEntry[], more: boolean): string {
    const name = escapeHTML(title);
    const up =
      title === '/' ? '' : '<tr><td><a href="../">../</a></td><td></td><td></td><td></td></tr>\n';
    return (
      `<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>${name}</title>` +
      `<style>${STYLE}</style></head>\n<body>\n<h1>${name}</h1>\n<table>\n` +
      '<tr><th>Name</th><th>Size</th><th>Type</th><th>Changed</th></tr>\n' +
      `${up}${entries.map(rowOf).join('')}</table>\n` +
      `${more ? `<p>Only the first ${entries.length} are shown.</p>\n` : ''}</body>\n</html>\n`
    );
  }
}
