/** Accounts: the right to log on as a service, and whether this process is an administrator's. */
import { WindowsError } from '../errors.ts';
import { closeHandle, getCurrentProcess } from './kernel32.ts';
import {
  type Address,
  addressOf,
  check,
  lastError,
  memory,
  native,
  type Pointer,
} from './koffi.ts';
import { wide } from './text.ts';

const A = 'advapi32.dll';
const TOKEN_QUERY = 0x8;
const TOKEN_ELEVATION = 20;
const POLICY_CREATE_ACCOUNT = 0x10;
const POLICY_LOOKUP_NAMES = 0x800;
const INSUFFICIENT_BUFFER = 122;

const openProcessToken = native<[process: Pointer, access: number, token: Buffer], number>(
  A,
  'OpenProcessToken',
  'int32',
  ['void *', 'uint32', 'void *'],
);

const getTokenInformation = native<
  [token: Pointer, kind: number, answer: Buffer, size: number, needed: Buffer],
  number
>(A, 'GetTokenInformation', 'int32', ['void *', 'int32', 'void *', 'uint32', 'void *']);

const lookupAccountName = native<
  [
    system: null,
    name: string,
    sid: Address,
    sidSize: Buffer,
    domain: Address,
    domainLetters: Buffer,
    use: Buffer,
  ],
  number
>(A, 'LookupAccountNameW', 'int32', [
  'str16',
  'str16',
  'void *',
  'void *',
  'void *',
  'void *',
  'void *',
]);

const lsaOpenPolicy = native<
  [system: null, attributes: Buffer, access: number, policy: Buffer],
  number
>(A, 'LsaOpenPolicy', 'int32', ['void *', 'void *', 'uint32', 'void *']);

const lsaAddAccountRights = native<
  [policy: Pointer, sid: Buffer, rights: Buffer, count: number],
  number
>(A, 'LsaAddAccountRights', 'int32', ['void *', 'void *', 'void *', 'uint32']);

const lsaClose = native<[policy: Pointer], number>(A, 'LsaClose', 'int32', ['void *']);

const lsaNtStatusToWinError = native<[status: number], number>(
  A,
  'LsaNtStatusToWinError',
  'uint32',
  ['int32'],
);

/** Whether this process has an administrator's rights now. @throws {WindowsError} */
export function isElevated(): boolean {
  const token = memory(8);
  check(openProcessToken(getCurrentProcess(), TOKEN_QUERY, token), 'open the process token');
  const handle = token.readBigUInt64LE();
  try {
    const elevated = memory(4);
    const needed = memory(4);
    check(
      getTokenInformation(handle, TOKEN_ELEVATION, elevated, 4, needed),
      'query the process token',
    );
    return elevated.readUInt32LE() !== 0;
  } finally {
    closeHandle(handle);
  }
}

/** Accounts that may run services by their nature: system accounts, virtual ones, managed ones. */
export function mayRunServices(account: string): boolean {
  const name = account.toLowerCase();
  return (
    ['', 'localsystem', '.\\localsystem', 'localservice', 'networkservice'].includes(name) ||
    name.startsWith('nt authority\\') ||
    name.startsWith('nt service\\') ||
    name.endsWith('$')
  );
}

/** LSA knows no `.` for this machine. @param machine its name */
export function expandedAccount(account: string, machine: string): string {
  return account.startsWith('.\\') ? `${machine}\\${account.slice(2)}` : account;
}

function securityIdentifier(account: string): Buffer {
  const operation = `look up the account "${account}"`;
  const sidSize = memory(4);
  const letters = memory(4);
  const use = memory(4);
  lookupAccountName(null, account, null, sidSize, null, letters, use);
  const error = lastError();
  if (error !== INSUFFICIENT_BUFFER) throw new WindowsError(error, operation);
  const sid = memory(sidSize.readUInt32LE());
  const domain = memory(2 * letters.readUInt32LE());
  check(lookupAccountName(null, account, sid, sidSize, domain, letters, use), operation);
  return sid;
}

/** Gives an account `SeServiceLogonRight`. @throws {WindowsError} 5, 1332 */
export function addServiceLogonRight(account: string): void {
  const operation = `grant the account "${account}" the right to log on as a service`;
  const checked = (status: number): void => {
    if (status !== 0) throw new WindowsError(lsaNtStatusToWinError(status), operation);
  };
  const sid = securityIdentifier(account);
  const policy = memory(8);
  checked(lsaOpenPolicy(null, memory(48), POLICY_CREATE_ACCOUNT | POLICY_LOOKUP_NAMES, policy));
  const handle = policy.readBigUInt64LE();
  try {
    const right = wide('SeServiceLogonRight');
    const text = memory(right.length);
    right.copy(text);
    // LSA_UNICODE_STRING: bytes without and with the zero, address.
    const rights = memory(16);
    rights.writeUInt16LE(right.length - 2, 0);
    rights.writeUInt16LE(right.length, 2);
    rights.writeBigUInt64LE(addressOf(text), 8);
    checked(lsaAddAccountRights(handle, sid, rights, 1));
  } finally {
    lsaClose(handle);
  }
}
