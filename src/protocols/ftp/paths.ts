/** Paths as clients write them, and as shells get them. */
import { InvalidPath } from './errors.ts';

/** A path from the root of what a user sees, one name each. The root itself is `[]`. */
export type Segments = readonly string[];

/** Characters of a name, at most; file systems have 255 bytes. */
const MAX_NAME = 1024;
/** Names of a path, at most. */
const MAX_DEPTH = 256;

/**
 * The path that a client means by `path` when it is in the folder `cwd`. Twisted: `toSegments`.
 * @throws {InvalidPath} when it leads out of the root, or has a name with NUL, CR, LF, or of absurd length
 */
export function toSegments(cwd: Segments, path: string): string[] {
  const segments = path.startsWith('/') ? [] : [...cwd];
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      if (segments.length === 0) throw new InvalidPath(path);
      segments.pop();
    } else {
      if (name.length > MAX_NAME || /[\0\r\n]/.test(name)) throw new InvalidPath(path);
      segments.push(name);
    }
  }
  if (segments.length > MAX_DEPTH) throw new InvalidPath(path);
  return segments;
}

/** A path as clients read it. */
export function toPath(segments: Segments): string {
  return `/${segments.join('/')}`;
}
