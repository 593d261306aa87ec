import { expect } from 'chai';
import {
  isWindowsError,
  knownWindowsErrors,
  WindowsError,
  windowsErrorName,
  windowsErrorText,
} from '../../../src/service/windows/errors.ts';
import {
  exitOf,
  ownExit,
  processExitCode,
  SUCCESS_EXIT,
  windowsExit,
} from '../../../src/service/windows/exit-codes.ts';

describe('WindowsError', () => {
  it('says what was tried, what the number means, and the number', () => {
    const error = new WindowsError(1060, 'open service "echo"');
    expect(error.message).to.equal('Cannot open service "echo": There is no such service (1060)');
    expect(error).to.include({
      name: 'WindowsError',
      code: 'ERROR_SERVICE_DOES_NOT_EXIST',
      winerror: 1060,
      operation: 'open service "echo"',
      strerror: 'There is no such service',
    });
  });

  it('has a text for every number that services meet, each with its own name', () => {
    const met = [
      2, 5, 6, 87, 120, 123, 124, 183, 1051, 1052, 1053, 1054, 1055, 1056, 1057, 1058, 1059, 1060,
      1061, 1062, 1063, 1064, 1066, 1067, 1068, 1069, 1070, 1072, 1073, 1075, 1077, 1078, 1079,
      1083, 1115, 1243,
    ];
    expect(knownWindowsErrors()).to.include.members(met);
    const names = knownWindowsErrors().map((code) => windowsErrorName(code));
    expect(new Set(names).size).to.equal(names.length);
    for (const code of knownWindowsErrors()) {
      expect(windowsErrorText(code)).to.match(/^[A-Z].*[^.]$/);
    }
  });

  it('gives the number alone when it is not in the table', () => {
    const error = new WindowsError(4711, 'do it');
    expect(error.message).to.equal('Cannot do it: Windows error 4711');
    expect(error.code).to.equal('ERR_WINDOWS');
  });

  it('isWindowsError() looks at the number or the name', () => {
    const error = new WindowsError(5, 'do it');
    expect(isWindowsError(error)).to.equal(true);
    expect(isWindowsError(error, 6, 5)).to.equal(true);
    expect(isWindowsError(error, 6)).to.equal(false);
    expect(isWindowsError(error, 6, 'ERROR_ACCESS_DENIED')).to.equal(true);
    expect(isWindowsError(error, 'ERROR_INVALID_HANDLE')).to.equal(false);
    expect(isWindowsError(new Error('5'), 5)).to.equal(false);
  });
});

describe('exit codes', () => {
  it("ownExit() marks a code as the application's own", () => {
    expect(ownExit(0)).to.equal(SUCCESS_EXIT);
    expect(ownExit(3)).to.deep.equal({ win32ExitCode: 1066, serviceExitCode: 0x20000003 });
    for (const code of [-1, 1.5, 0x20000000, Number.NaN]) {
      expect(() => ownExit(code)).to.throw(RangeError, `with exit code ${code}`);
    }
  });

  it('exitOf() finds the number in an error or its causes', () => {
    const fallback = windowsExit(1064);
    const windows = new WindowsError(5, 'do it');
    expect(exitOf(windows, fallback)).to.deep.equal(windowsExit(5));
    expect(exitOf(new Error('x', { cause: windows }), fallback)).to.deep.equal(windowsExit(5));
    expect(exitOf(new Error('x'), fallback)).to.equal(fallback);
    expect(exitOf('x', fallback)).to.equal(fallback);
    const round = new Error('round');
    round.cause = round;
    expect(exitOf(round, fallback)).to.equal(fallback);
  });

  it("processExitCode() is the application's own code, or Windows' number", () => {
    expect(processExitCode(SUCCESS_EXIT)).to.equal(0);
    expect(processExitCode(ownExit(3))).to.equal(3);
    expect(processExitCode(windowsExit(1064))).to.equal(1064);
  });
});
