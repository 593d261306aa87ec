/** What Windows takes as a name, checked before it is asked, so that the answer is the same and clear for all kinds of objects. */
import { inspect } from 'node:util';
import { WindowsError } from '../errors.ts';

const ERROR_INVALID_NAME = 123;
/** MAX_PATH: the longest name, with its prefix. */
const LONGEST_NAME = 260;
/** Longest name of a pipe, with its prefix. */
const LONGEST_PIPE = 256;

/** How the name of a kernel object may begin. */
const SPACE = /^(?:Global|Local)\\/;

/** 'mutex "Global\x"', for messages. */
export function describe(kind: string, name: string | null): string {
  return name === null ? `unnamed ${kind}` : `${kind} "${name}"`;
}

/**
 * The name of a mutex, semaphore, event, mapping or job. It may begin with `Global\` (all sessions) or `Local\` (this one, as without); Windows knows the two in this
 * spelling only. Names matter to the letter.
 * @returns null for undefined, null
 * @throws {TypeError} when it is no text
 * @throws {WindowsError} 123 empty, over 260 characters, a backslash beyond the prefix, or NUL
 */
export function checkName(kind: string, name: unknown): string | null {
  if (name === undefined || name === null) return null;
  checkText(kind, name);
  const own = name.replace(SPACE, '');
  if (own === '' || name.length > LONGEST_NAME || own.includes('\\') || own.includes('\0')) {
    throw new WindowsError(ERROR_INVALID_NAME, `name a ${kind} ${inspect(name)}`);
  }
  return name;
}

/** As `checkName`, for what must have a name. */
export function requireName(kind: string, name: unknown): string {
  const checked = checkName(kind, name);
  if (checked === null) throw new TypeError(`Name of a ${kind} must be a text: got ${name}`);
  return checked;
}

/**
 * Where a name is kept between the processes of one session: two spellings of one name give the same key.
 * @param session services run in session 0, where names without a prefix are the global ones
 */
export function nameKey(name: string, session: number): string {
  const own = name.replace(/^Local\\/, '');
  return session === 0 ? own.replace(/^Global\\/, '') : own;
}

/**
 * The path of a pipe on this machine, made of its name or its path. Pipes' names do not matter to the letter.
 * @throws {TypeError} @throws {WindowsError} 123
 */
export function pipePath(name: unknown): string {
  return localPath('pipe', name, LONGEST_PIPE, () => false);
}

/**
 * The path of a mailslot, made of its name or its path; names may have backslashes inside.
 * @param anywhere whether it may be another machine's: `\\machine\mailslot\name`, or `\\*\mailslot\name` for all of a domain
 * @throws {TypeError} @throws {WindowsError} 123
 */
export function mailslotPath(name: unknown, anywhere: boolean): string {
  return localPath('mailslot', name, LONGEST_NAME, (path) => {
    return anywhere && /^\\\\[^\\]+\\mailslot\\[^\0]+$/i.test(path);
  });
}

function localPath(
  kind: 'pipe' | 'mailslot',
  name: unknown,
  longest: number,
  isOther: (path: string) => boolean,
): string {
  checkText(kind, name);
  if (isOther(name) && name.length <= longest) return name;
  const prefix = `\\\\.\\${kind}\\`;
  const given = name.toLowerCase().startsWith(prefix) ? name.slice(prefix.length) : name;
  const path = prefix + given;
  const inside = kind === 'pipe' ? /[\\\0]/ : /\0|^\\|\\\\|\\$/;
  if (given === '' || inside.test(given) || path.length > longest) {
    throw new WindowsError(ERROR_INVALID_NAME, `name a ${kind} ${inspect(name)}`);
  }
  return path;
}

function checkText(kind: string, name: unknown): asserts name is string {
  if (typeof name === 'string') return;
  throw new TypeError(`Name of a ${kind} must be a text: got ${inspect(name)}`);
}
