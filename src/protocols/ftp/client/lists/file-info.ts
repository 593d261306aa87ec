/** What a listing says of a file. */

/** One name of a listing; null is what the listing does not say. */
export interface RemoteFile {
  /** Its name, without a path. */
  readonly name: string;
  /** What it is. */
  readonly type: 'file' | 'directory' | 'link' | 'other';
  /** Bytes. */
  readonly size: number | null;
  /** Seconds since 1970. In UTC if `isExact`; LIST has the server's own time, of which nobody knows the zone: it is taken for UTC. */
  readonly modified: number | null;
  /** Whether `modified` is in UTC, to the second. */
  readonly isExact: boolean;
  /** Permission bits, such as 0o644. */
  readonly permissions: number | null;
  /** How many links there are to it; null where the server does not say. */
  readonly hardlinks: number | null;
  /** Null where the server does not say. */
  readonly owner: string | null;
  /** Null where the server does not say. */
  readonly group: string | null;
  /** Where a link leads. */
  readonly target: string | null;
}

const UNKNOWN: Omit<RemoteFile, 'name' | 'type'> = {
  size: null,
  modified: null,
  isExact: false,
  permissions: null,
  hardlinks: null,
  owner: null,
  group: null,
  target: null,
};

/** A file of which no more is known than what is given. */
export function remoteFile(
  known: Pick<RemoteFile, 'name' | 'type'> & Partial<RemoteFile>,
): RemoteFile {
  return { ...UNKNOWN, ...known };
}

/** A size in digits; null for what is none, or more than a number can hold. */
export function sizeOf(text: string | undefined): number | null {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return null;
  const size = Number(text);
  return Number.isSafeInteger(size) ? size : null;
}
