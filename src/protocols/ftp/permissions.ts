/** Who may do what, and where. */
import { inspect } from 'node:util';
import type { Segments } from './paths.ts';
import { toSegments } from './paths.ts';
import type { PermissionLetter } from './shell.ts';

/** All that is allowed where nothing is said of that: all but what has to be named, `G` and `S`. */
export const ALL_PERMISSIONS = 'elradfmwMT';
/** What has to be named: it goes beyond what files are for. */
const NAMED_PERMISSIONS = 'GS';
/** What changes nothing. */
export const READ_PERMISSIONS = 'elr';

/** What is allowed in one folder, in place of what is allowed elsewhere. */
export interface DirectoryPermissions {
  /** The folder, from the root that the user sees. */
  readonly path: string;
  /** Letters; '' for nothing. */
  readonly letters: string;
  /** Whether that goes for all below it, rather than for the folder and what is in it. Default true. */
  readonly recursive?: boolean;
}

interface Rule {
  readonly segments: Segments;
  readonly letters: ReadonlySet<string>;
  readonly recursive: boolean;
}

/**
 * What a user may do, by pyftpdlib's letters; see `PermissionLetter`. Of several rules the one of the nearest folder holds. What would move or remove a folder with all that is in it takes that
 * every rule in there allows it.
 * @example
 * new Permissions('elr', [{ path: '/incoming', letters: 'elw' }]);
 */
export class Permissions {
  readonly #base: ReadonlySet<string>;
  readonly #rules: readonly Rule[];

  /** @throws {RangeError} for letters that there are not, `InvalidPath` for paths that can be none */
  constructor(letters: string = ALL_PERMISSIONS, directories: Iterable<DirectoryPermissions> = []) {
    this.#base = lettersOf(letters);
    const rules = [...directories].map(({ path, letters: inner, recursive = true }) => {
      return { segments: toSegments([], path), letters: lettersOf(inner), recursive };
    });
    // The longest first: the first that fits is the nearest.
    this.#rules = rules.sort((a, b) => b.segments.length - a.segments.length);
  }

  /** Whether that may be done with `path`: a folder, or a name in one. */
  permits(letter: PermissionLetter, path: Segments): boolean {
    const nearest = this.#rules.find((rule) => holdsFor(rule, path));
    if (!(nearest?.letters ?? this.#base).has(letter)) return false;
    if (letter !== 'f' && letter !== 'd') return true;
    return this.#rules.every(
      ({ segments, letters }) => !isBelow(segments, path) || letters.has(letter),
    );
  }
}

function lettersOf(letters: string): ReadonlySet<string> {
  if (typeof letters !== 'string' || /[^elradfmwMTGS]/.test(letters)) {
    throw new RangeError(
      `Bad permissions ${inspect(letters)}: expected letters of '${ALL_PERMISSIONS}${NAMED_PERMISSIONS}'`,
    );
  }
  return new Set(letters);
}

function isBelow(path: Segments, folder: Segments): boolean {
  return path.length > folder.length && folder.every((name, at) => name === path[at]);
}

function holdsFor({ segments, recursive }: Rule, path: Segments): boolean {
  if (segments.some((name, at) => name !== path[at])) return false;
  return recursive || path.length <= segments.length + 1;
}
