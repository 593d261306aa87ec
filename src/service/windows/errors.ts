/** What Windows says when it refuses something: its numbers, their names, and what they mean. */
import { ServiceError } from '../errors.ts';

interface Entry {
  readonly name: string;
  readonly text: string;
}

const entry = (name: string, text: string): Entry => ({ name, text });

/** The numbers that services meet. The texts are ours, so that they are the same in every language of Windows and on Wine. */
const ERRORS: ReadonlyMap<number, Entry> = new Map([
  [0, entry('NO_ERROR', 'No error')],
  [2, entry('ERROR_FILE_NOT_FOUND', 'There is no program, file or object of this name')],
  [3, entry('ERROR_PATH_NOT_FOUND', 'A folder on the way to the file does not exist')],
  [4, entry('ERROR_TOO_MANY_OPEN_FILES', 'The process has too many files open')],
  [
    5,
    entry(
      'ERROR_ACCESS_DENIED',
      'Access is denied: it takes more rights, often those of an administrator',
    ),
  ],
  [6, entry('ERROR_INVALID_HANDLE', 'It is closed, or the name belongs to something else')],
  [8, entry('ERROR_NOT_ENOUGH_MEMORY', 'There is not enough memory')],
  [13, entry('ERROR_INVALID_DATA', 'The data makes no sense')],
  [53, entry('ERROR_BAD_NETPATH', 'The machine was not found on the network')],
  [87, entry('ERROR_INVALID_PARAMETER', 'An argument is wrong, or does not go with the others')],
  [109, entry('ERROR_BROKEN_PIPE', 'The other end of the pipe is closed')],
  [120, entry('ERROR_CALL_NOT_IMPLEMENTED', 'The service does not understand this control')],
  [
    123,
    entry(
      'ERROR_INVALID_NAME',
      'The name is empty, too long, or has a character that names must not have',
    ),
  ],
  [124, entry('ERROR_INVALID_LEVEL', 'This system does not know the setting')],
  [183, entry('ERROR_ALREADY_EXISTS', 'It exists already')],
  [231, entry('ERROR_PIPE_BUSY', 'All instances of the pipe are busy')],
  [234, entry('ERROR_MORE_DATA', 'There is more data than fits')],
  [288, entry('ERROR_NOT_OWNER', 'The caller does not own the mutex')],
  [298, entry('ERROR_TOO_MANY_POSTS', 'The semaphore would exceed its maximum')],
  [1051, entry('ERROR_DEPENDENT_SERVICES_RUNNING', 'Services that depend on it are running')],
  [1052, entry('ERROR_INVALID_SERVICE_CONTROL', 'The service does not accept this control')],
  [1053, entry('ERROR_SERVICE_REQUEST_TIMEOUT', 'The service did not answer in time')],
  [1054, entry('ERROR_SERVICE_NO_THREAD', 'No thread could be created for the service')],
  [1055, entry('ERROR_SERVICE_DATABASE_LOCKED', 'The list of services is locked')],
  [1056, entry('ERROR_SERVICE_ALREADY_RUNNING', 'The service is running already')],
  [
    1057,
    entry(
      'ERROR_INVALID_SERVICE_ACCOUNT',
      'The account does not exist, is spelled without its domain, or its password is wrong',
    ),
  ],
  [1058, entry('ERROR_SERVICE_DISABLED', 'The service is disabled')],
  [1059, entry('ERROR_CIRCULAR_DEPENDENCY', 'The service would depend on itself')],
  [1060, entry('ERROR_SERVICE_DOES_NOT_EXIST', 'There is no such service')],
  [
    1061,
    entry(
      'ERROR_SERVICE_CANNOT_ACCEPT_CTRL',
      'The service cannot take controls in the state it is in',
    ),
  ],
  [1062, entry('ERROR_SERVICE_NOT_ACTIVE', 'The service is not running')],
  [
    1063,
    entry(
      'ERROR_FAILED_SERVICE_CONTROLLER_CONNECT',
      'The process was not started by the service manager',
    ),
  ],
  [1064, entry('ERROR_EXCEPTION_IN_SERVICE', 'An error in the service made it fail')],
  [1066, entry('ERROR_SERVICE_SPECIFIC_ERROR', 'The service ended with an error code of its own')],
  [1067, entry('ERROR_PROCESS_ABORTED', 'The process ended without a word')],
  [1068, entry('ERROR_SERVICE_DEPENDENCY_FAIL', 'A service that it depends on failed to start')],
  [
    1069,
    entry(
      'ERROR_SERVICE_LOGON_FAILED',
      'The account could not log on: its password is wrong, or it lacks the right to log on as a service',
    ),
  ],
  [1070, entry('ERROR_SERVICE_START_HANG', 'The service hangs while it starts')],
  [
    1072,
    entry(
      'ERROR_SERVICE_MARKED_FOR_DELETE',
      'The service is being deleted, which waits for whoever has it open',
    ),
  ],
  [1073, entry('ERROR_SERVICE_EXISTS', 'The service exists already')],
  [
    1075,
    entry(
      'ERROR_SERVICE_DEPENDENCY_DELETED',
      'A service that it depends on does not exist or is being deleted',
    ),
  ],
  [1077, entry('ERROR_SERVICE_NEVER_STARTED', 'The service was not started since the system was')],
  [
    1078,
    entry(
      'ERROR_DUPLICATE_SERVICE_NAME',
      'Another service has this name as its name or display name',
    ),
  ],
  [
    1079,
    entry(
      'ERROR_DIFFERENT_SERVICE_ACCOUNT',
      'The account is not that of the other services in the same process',
    ),
  ],
  [1083, entry('ERROR_SERVICE_NOT_IN_EXE', 'The program does not contain this service')],
  [1115, entry('ERROR_SHUTDOWN_IN_PROGRESS', 'The system is going down')],
  [1168, entry('ERROR_NOT_FOUND', 'There is none, or not any more')],
  [1243, entry('ERROR_SERVICE_NOT_FOUND', 'There is no such service')],
  [1305, entry('ERROR_UNKNOWN_REVISION', 'The revision of the security descriptor is unknown')],
  [1314, entry('ERROR_PRIVILEGE_NOT_HELD', 'The account lacks a privilege that this needs')],
  [1332, entry('ERROR_NONE_MAPPED', 'There is no such account')],
  [1336, entry('ERROR_INVALID_ACL', 'The access list makes no sense')],
  [1337, entry('ERROR_INVALID_SID', 'The security identifier makes no sense')],
  [1338, entry('ERROR_INVALID_SECURITY_DESCR', 'The security descriptor makes no sense')],
  [1455, entry('ERROR_COMMITMENT_LIMIT', 'There is not that much memory')],
  [1722, entry('RPC_S_SERVER_UNAVAILABLE', 'The machine does not answer')],
]);

/** What a Windows error number means, in English; "Windows error 4711" for one that is not in the table. */
export function windowsErrorText(winerror: number): string {
  return ERRORS.get(winerror)?.text ?? `Windows error ${winerror}`;
}

/** The name that Windows' headers give a number: 'ERROR_ACCESS_DENIED'. Undefined for one that is not in the table. */
export function windowsErrorName(winerror: number): string | undefined {
  return ERRORS.get(winerror)?.name;
}

/** The numbers of the table. */
export function knownWindowsErrors(): number[] {
  return [...ERRORS.keys()];
}

/**
 * Windows refused something. Its parts bear pywin32's names (`pywintypes.error`).
 *
 * `code` is the name of the number, such as 'ERROR_SERVICE_DOES_NOT_EXIST', or 'ERR_WINDOWS' where the table has none.
 */
export class WindowsError extends ServiceError {
  readonly code: string;
  /** Windows' number. */
  readonly winerror: number;
  /** What was tried: 'open service "echo"'. */
  readonly operation: string;
  /** What the number means. */
  readonly strerror: string;

  constructor(winerror: number, operation: string, options?: ErrorOptions) {
    const strerror = windowsErrorText(winerror);
    const number = windowsErrorName(winerror) === undefined ? '' : ` (${winerror})`;
    super(`Cannot ${operation}: ${strerror}${number}`, options);
    this.code = windowsErrorName(winerror) ?? 'ERR_WINDOWS';
    this.winerror = winerror;
    this.operation = operation;
    this.strerror = strerror;
  }
}

/**
 * Whether `error` is Windows' refusal, with one of these, or with any.
 * @param which numbers or names: 5, 'ERROR_ACCESS_DENIED'
 */
export function isWindowsError(
  error: unknown,
  ...which: ReadonlyArray<number | string>
): error is WindowsError {
  if (!(error instanceof WindowsError)) return false;
  return which.length === 0 || which.includes(error.winerror) || which.includes(error.code);
}
