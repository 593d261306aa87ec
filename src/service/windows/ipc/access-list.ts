/** Access lists in Windows' own notation, SDDL, without having to know it. Pure: it runs anywhere. */

/** Whom an entry is for: one of these, or a SID such as 'S-1-5-21-...-1001', or the two letters that SDDL has for one ('PU'). */
export type Trustee =
  | 'everyone'
  | 'authenticated-users'
  | 'users'
  | 'administrators'
  | 'local-system'
  | 'local-service'
  | 'network-service'
  | 'owner'
  | 'interactive'
  | 'network'
  | 'anonymous'
  | (string & {});

/**
 * What they may do. 'connect', for pipes: connect, read and write, but not pose as the server. 'use', for everything else: wait, signal, read and write. 'all': that, and change or delete it.
 * 'read' and 'write': Windows' general rights. A number: bits of the access mask.
 */
export type AccessRight = 'connect' | 'use' | 'all' | 'read' | 'write' | number;

/** One line of an access list: who may do what, or may not (Windows: an ACE). */
export interface AccessEntry {
  /** Whom it is for. */
  readonly who: Trustee;
  /** What they may do. */
  readonly may: AccessRight;
  /** Refuses it instead; refusals go first. */
  readonly deny?: boolean;
}

const TRUSTEES: ReadonlyMap<string, string> = new Map([
  ['everyone', 'WD'],
  ['authenticated-users', 'AU'],
  ['users', 'BU'],
  ['administrators', 'BA'],
  ['local-system', 'SY'],
  ['local-service', 'LS'],
  ['network-service', 'NS'],
  ['owner', 'OW'],
  ['interactive', 'IU'],
  ['network', 'NU'],
  ['anonymous', 'AN'],
]);

const RIGHTS: ReadonlyMap<unknown, string> = new Map([
  // FILE_GENERIC_READ and FILE_GENERIC_WRITE, of which the first goes without FILE_CREATE_PIPE_INSTANCE. The same bits hold what waiting (SYNCHRONIZE),
  // signalling and mapping take.
  ['connect', '0x12019b'],
  ['use', '0x12019f'],
  ['all', 'GA'],
  ['read', 'GR'],
  ['write', 'GW'],
]);

/**
 * An access list as `access` options take it. Whoever is not in it may do nothing, except that the system and administrators get 'all' unless `only` is set: otherwise not even the service
 * that makes the object could serve it.
 *
 * @throws {TypeError} a trustee or a right that there is not
 * @example
 * new NamedPipeServer('shop', factory, { access: accessList([{ who: 'users', may: 'connect' }]) });
 */
export function accessList(
  entries: readonly AccessEntry[],
  options: { readonly only?: boolean } = {},
): string {
  const own: AccessEntry[] =
    options.only === true
      ? []
      : ['local-system', 'administrators', 'owner'].map((who) => ({ who, may: 'all' as const }));
  const all = [...entries, ...own];
  const refusals = all.filter(({ deny }) => deny === true);
  const grants = all.filter(({ deny }) => deny !== true);
  return `D:${[...refusals, ...grants].map(written).join('')}`;
}

function written({ who, may, deny = false }: AccessEntry): string {
  return `(${deny ? 'D' : 'A'};;${rightOf(may)};;;${trusteeOf(who)})`;
}

function rightOf(right: unknown): string {
  const known = RIGHTS.get(right);
  if (known !== undefined) return known;
  if (typeof right === 'number' && Number.isInteger(right) && right > 0 && right < 2 ** 32) {
    return `0x${right.toString(16)}`;
  }
  throw new TypeError(
    `Right must be 'connect', 'use', 'all', 'read', 'write' or a number of bits: got ${String(right)}`,
  );
}

function trusteeOf(who: unknown): string {
  const known = typeof who === 'string' ? TRUSTEES.get(who) : undefined;
  if (known !== undefined) return known;
  if (typeof who === 'string' && /^(?:S-1(?:-\d+)+|[A-Z]{2})$/.test(who)) return who;
  throw new TypeError(
    `Cannot grant to '${String(who)}': expected one of ${[...TRUSTEES.keys()].join(', ')}, or a SID`,
  );
}
