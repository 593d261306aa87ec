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
  /** All groups of that user. What is undefined is asked for when they are needed. */
  readonly groups?: readonly number[] | undefined;
}

/** What was asked for: names or numbers. */
export interface WantedIdentity {
  readonly uid?: string | number | null | undefined;
  readonly gid?: string | number | null | undefined;
}

/**
 * Finds the numbers. A user without a group gets its primary one.
 * @throws {StartError} for a name that is unknown, and for a number of which nobody knows the group: it would keep that of root
 */
export function findIdentity({ uid, gid }: WantedIdentity): Identity {
  const user = uid === undefined || uid === null ? undefined : entry('passwd', String(uid));
  const group = gid === undefined || gid === null ? undefined : entry('group', String(gid));
  const primary = user?.fields[3];
  if (user && !group && primary === undefined && user.id !== process.geteuid?.()) {
    throw new StartError(
      `Cannot become user ${user.id}: no user has this number, so its group is not known; name one too`,
    );
  }
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
 * Adds the groups of a user, for when the files that name them are out of reach: within another root directory they may be anybody's.
 * @throws {StartError} when that is not allowed
 */
export function withGroups(identity: Identity): Identity {
  const { uid, gid, user } = identity;
  const { getgroups, setgroups, getegid, setegid } = process;
  // Not in the types of the oldest Node.
  const { initgroups } = process as { initgroups?: (user: string, group: number) => void };
  if (user === undefined || gid === undefined || uid === process.geteuid?.()) return identity;
  if (!getgroups || !setgroups || !getegid || !setegid || !initgroups) return identity;
  const [groups, group] = [getgroups.call(process), getegid.call(process)];
  try {
    // The list that Node gives has the group in effect as well, which is not to be root's.
    setegid.call(process, gid);
    initgroups.call(process, user, gid);
    return { ...identity, groups: getgroups.call(process) };
  } catch (cause) {
    throw cannotBecome(identity, cause);
  } finally {
    setegid.call(process, group);
    if (process.geteuid?.() === 0) setgroups.call(process, groups);
  }
}

function cannotBecome({ uid, gid }: Identity, cause: unknown): StartError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StartError(`Cannot become ${describe({ uid, gid })}: ${reason}`, { cause });
}

/**
 * Becomes somebody else, with all of that user's groups.
 * @param effective only in effect: the process may become what it was again (Twisted: `--euid`)
 * @returns false when it is that already
 * @throws {StartError} when that is not allowed, or did not take
 */
export function becomeIdentity(identity: Identity, effective = false): boolean {
  const { uid, gid } = identity;
  const { setuid, setgid, seteuid, setegid, setgroups } = process;
  if (!setuid || !setgid || !seteuid || !setegid || !setgroups) {
    throw new StartError(`Cannot change the user: '${process.platform}' has no such thing`);
  }
  const is = (id: number | undefined, real?: number, inEffect?: number): boolean =>
    id === undefined || (id === inEffect && (effective || id === real));
  const sameUser = is(uid, process.getuid?.(), process.geteuid?.());
  const sameGroup = is(gid, process.getgid?.(), process.getegid?.());
  if (sameUser && sameGroup) return false;
  const { groups } = identity.groups === undefined ? withGroups(identity) : identity;
  try {
    if (groups !== undefined) setgroups.call(process, [...groups]);
    // Groups first: afterwards nothing may be changed any more.
    if (gid !== undefined) (effective ? setegid : setgid).call(process, gid);
    if (uid !== undefined) (effective ? seteuid : setuid).call(process, uid);
  } catch (cause) {
    throw cannotBecome(identity, cause);
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
