/** How a service's end is told: to the service manager as two numbers, to whoever looks at the process as one. */
import { windowsErrorText } from './errors.ts';
import type { ExitCodes } from './scm-api.ts';

/** Marks a number as a program's own, not Windows'. */
const APPLICATION_BIT = 0x20000000;
const SERVICE_SPECIFIC = 1066;
/** Windows' ERROR_EXCEPTION_IN_SERVICE: an error that has no number of its own. */
export const EXCEPTION_IN_SERVICE = 1064;
/** Windows' ERROR_SERVICE_REQUEST_TIMEOUT: what a service ends with that had to be given up. */
export const REQUEST_TIMEOUT = 1053;
/** Windows' ERROR_SERVICE_START_HANG. */
export const START_HANG = 1070;

/** All went as it should. */
export const SUCCESS_EXIT: ExitCodes = { win32ExitCode: 0, serviceExitCode: 0 };

/**
 * What an application's own exit code is to the manager: 0 is success; any other is 1066 with the code, marked as the application's own.
 * @param code 0 to 0x1fffffff
 * @throws {RangeError}
 */
export function ownExit(code: number): ExitCodes {
  if (!(Number.isInteger(code) && code >= 0 && code < APPLICATION_BIT)) {
    throw new RangeError(
      `Cannot end a service with exit code ${String(code)}: expected an integer from 0 to ${APPLICATION_BIT - 1}`,
    );
  }
  if (code === 0) return SUCCESS_EXIT;
  return { win32ExitCode: SERVICE_SPECIFIC, serviceExitCode: APPLICATION_BIT | code };
}

/** A Windows error number as the end of a service. */
export function windowsExit(winerror: number): ExitCodes {
  return { win32ExitCode: winerror, serviceExitCode: 0 };
}

/** How a service ends that failed: with the Windows number that the error, or one that caused it, carries as `winerror`; otherwise with `fallback`. */
export function exitOf(error: unknown, fallback: ExitCodes): ExitCodes {
  for (
    let one = error, depth = 0;
    one instanceof Error && depth < 16;
    one = one.cause, depth += 1
  ) {
    if ('winerror' in one && Number.isInteger(one.winerror) && one.winerror !== 0) {
      return windowsExit(Number(one.winerror));
    }
  }
  return fallback;
}

/** The exit code of the process: the application's own where there is one, else Windows' number. */
export function processExitCode({ win32ExitCode, serviceExitCode }: ExitCodes): number {
  return win32ExitCode === SERVICE_SPECIFIC ? serviceExitCode & ~APPLICATION_BIT : win32ExitCode;
}

/** The codes for people: '1066: its own code 3', '1064: An error in the service made it fail'. */
export function describeExit({ win32ExitCode, serviceExitCode }: ExitCodes): string {
  if (win32ExitCode !== SERVICE_SPECIFIC) {
    return `${win32ExitCode}: ${windowsErrorText(win32ExitCode)}`;
  }
  return `${win32ExitCode}: its own code ${serviceExitCode & ~APPLICATION_BIT}`;
}
