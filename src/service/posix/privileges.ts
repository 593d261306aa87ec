/** Who a process is, and becoming somebody with less rights once the ports below 1024 are bound. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { StartError } from '../errors.ts';

/** Whom to become. What is undefined stays. */
export interface Identity {
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** The user's name, of whom all groups are taken; its number where it has none. */
  readonly user?: string | undefined;
}

/** What was asked for: names or numbers. */
export interface WantedIdentity {
  readonly uid?: string | number | null | undefined;
  readonly gid?: string | number | null | undefined;
}

/**
 * Finds the numbers. A user without a group gets its primary one.
 * @throws {StartError} for a name that is unknown
 */
export function findIdentity({ uid, gid }: WantedIdentity): Identity {
  const user = uid === undefined || uid === null ? undefined : entry('passwd', String(uid));
  const group = gid === undefined || gid === null ? undefined : entry('group', String(gid));
  const primary = user?.fields[3];
  return {
    uid: user?.id,
    gid: group?.id ?? (primary === undefined ? undefined : Number(primary)),
    user: user === undefined ? undefined : (user.fields[0] ?? String(user.id)),
  };
}

/** The line of a user or group. A number need not have one. */
function entry(
  database: 'passwd' | 'group',
  key: string,
): { readonly id: number; readonly fields: readonly string[] } {
  const numeric = /^\d{1,10}$/.test(key);
  const lines = (text: string): string[][] => text.split('\n').map((line) => line.split(':'));
  const found =
    /^[^:\n-][^:\n]*$/.test(key) &&
    (lines(ask(database, key))
      .concat(lines(readOr(`/etc/${database}`)))
      .find(({ 0: name, 2: id }) => name === key || (numeric && id === key)) ??
      false);
  if (found) return { id: Number(found[2]), fields: found };
  if (numeric) return { id: Number(key), fields: [] };
  throw new StartError(
    `Unknown ${database === 'passwd' ? 'user' : 'group'} ${JSON.stringify(key)}`,
  );
}

/** What the system's own resolver says, which also knows users that come from a directory service. */
function ask(database: string, key: string): string {
  try {
    return execFileSync('getent', [database, key], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 5000,
    });
  } catch {
    return '';
  }
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/**
 * Becomes somebody else, with all of that user's groups.
 * @param effective only in effect: the process may become what it was again (Twisted: `--euid`)
 * @returns false when it is that already
 * @throws {StartError} when that is not allowed, or did not take
 */
export function becomeIdentity({ uid, gid, user }: Identity, effective = false): boolean {
  const { setuid, setgid, seteuid, setegid } = process;
  // Not in the types of the oldest Node.
  const { initgroups } = process as { initgroups?: (user: string, group: number) => void };
  if (!setuid || !setgid || !seteuid || !setegid || !initgroups) {
    throw new StartError(`Cannot change the user: '${process.platform}' has no such thing`);
  }
  const sameUser = uid === undefined || uid === process.geteuid?.();
  const sameGroup = gid === undefined || gid === process.getegid?.();
  if (sameUser && sameGroup) return false;
  try {
    if (user !== undefined && gid !== undefined) initgroups.call(process, user, gid);
    // Groups first: afterwards nothing may be changed any more.
    if (gid !== undefined) (effective ? setegid : setgid).call(process, gid);
    if (uid !== undefined) (effective ? seteuid : setuid).call(process, uid);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StartError(`Cannot become ${describe({ uid, gid })}: ${reason}`, { cause });
  }
  if (!effective && uid !== undefined && uid !== 0) checkDropped({ uid, gid });
  return true;
}

/** A process that could take its rights back has not given them up. */
function checkDropped(identity: Identity): void {
  try {
    process.setuid?.(0);
  } catch {
    return;
  }
  throw new StartError(`Cannot become ${describe(identity)}: the rights of root can be had back`);
}

/** As people say it. */
export function describe({ uid, gid, user }: Identity): string {
  const who = uid === undefined ? '' : `user ${user === undefined ? uid : `${user} (${uid})`}`;
  const group = gid === undefined ? '' : `group ${gid}`;
  return [who, group].filter((text) => text !== '').join(', ');
}
