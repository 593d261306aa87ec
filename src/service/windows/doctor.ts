/** Looks for what keeps a service from being installed, from starting, or from being found out when it fails. Changes nothing. */
import { win32 } from 'node:path';
import { readCommandLine, typeScriptOptions } from './cli-install.ts';
import { splitCommandLine } from './cli-quoting.ts';
import { describeService, type ServiceDescription } from './cli-status.ts';
import type { ServiceSystem } from './cli-system.ts';
import { isWindowsError } from './errors.ts';
import { describeExit } from './exit-codes.ts';
import { logFileOf } from './logs.ts';

/** One thing that was looked at. */
export interface Finding {
  readonly level: 'ok' | 'warn' | 'fail';
  /** What was looked at: 'node', 'koffi', 'rights', 'service', 'command line', ... */
  readonly check: string;
  readonly text: string;
  /** What to do about it. */
  readonly advice?: string;
}

export interface Examination {
  readonly name: string;
  readonly system: ServiceSystem;
  /** The account it should run as; null when that was not said. */
  readonly account: string | null;
  /** The command line that an update would write. @throws when there is no such application */
  readonly expected: (previous: string) => string;
  /** Its name in the event log. */
  readonly source: (imagePath: string) => string;
}

/** Windows' number for a service that has never been started, which is no failure. */
const NEVER_STARTED = 1077;

export function examine(examination: Examination): Finding[] {
  const { system } = examination;
  const findings = [nodeVersion(system), ...nativeCalls(system)];
  if (findings.some(({ check, level }) => check === 'koffi' && level === 'fail')) return findings;
  let description: ServiceDescription;
  try {
    description = describeService(examination.name, { scm: system.scm });
  } catch (error) {
    const missing = isWindowsError(error, 1060);
    findings.push({
      level: missing ? 'warn' : 'fail',
      check: 'service',
      text: missing ? `Service ${examination.name} is not installed` : messageOf(error),
      ...(missing ? { advice: 'The command install registers it.' } : {}),
    });
    return findings;
  }
  return [
    ...findings,
    ...configuration(description, examination),
    ...commandLine(description, examination),
    ...traces(description, examination),
  ];
}

function nodeVersion({ nodeVersion: version }: ServiceSystem): Finding {
  try {
    const flags = typeScriptOptions(version, 'it');
    const how = flags.length === 0 ? 'by itself' : `with ${flags.join(' ')}`;
    return { level: 'ok', check: 'node', text: `Node ${version} reads TypeScript ${how}` };
  } catch {
    return {
      level: 'warn',
      check: 'node',
      text: `Node ${version} does not read TypeScript, and services run without tsx`,
      advice: 'Compile the application, or use Node 22.18 or later.',
    };
  }
}

function nativeCalls({ scm }: ServiceSystem): Finding[] {
  let elevated: boolean;
  try {
    elevated = scm.isElevated();
  } catch (error) {
    return [
      {
        level: 'fail',
        check: 'koffi',
        text: messageOf(error),
        advice: 'npm install koffi, with the node that the service runs on.',
      },
    ];
  }
  return [
    { level: 'ok', check: 'koffi', text: 'Windows can be called' },
    elevated
      ? { level: 'ok', check: 'rights', text: 'This terminal has the rights of an administrator' }
      : {
          level: 'warn',
          check: 'rights',
          text: 'This terminal lacks the rights of an administrator, so that services can be looked at, but not changed',
          advice: 'Open one with "Run as administrator".',
        },
  ];
}

function configuration(
  { status, config, settings }: ServiceDescription,
  { account }: Examination,
): Finding[] {
  const findings: Finding[] = [
    { level: 'ok', check: 'service', text: `Service is installed, and ${status.state}` },
  ];
  if (config.startType === 'disabled') {
    findings.push({
      level: 'fail',
      check: 'start',
      text: 'The service is disabled (1058)',
      advice: 'Enable it: update --startup manual.',
    });
  }
  if (status.state === 'stopped' && ![0, NEVER_STARTED].includes(status.win32ExitCode)) {
    findings.push({
      level: 'warn',
      check: 'exit code',
      text: `Last time it ended with ${describeExit(status)}`,
      advice: 'The command logs shows the end of its log.',
    });
  }
  if (account !== null && account.toLowerCase() !== config.account.toLowerCase()) {
    findings.push({
      level: 'warn',
      check: 'account',
      text: `It runs as ${config.account}, not as ${account}`,
      advice: `Change it: update --username ${account}.`,
    });
  }
  const acts = settings.recovery?.actions.some(({ type }) => type !== 'none') ?? false;
  if (acts && settings.recoverOnErrorExit === false) {
    findings.push({
      level: 'warn',
      check: 'recovery',
      text: 'Recovery waits for a crash: a service that stops with an error stays stopped',
      advice: 'Change that: update --on-nonzero-exit.',
    });
  }
  if (config.interactive) {
    findings.push({
      level: 'warn',
      check: 'interactive',
      text: 'It may show windows, which nobody sees since Windows Vista',
    });
  }
  return findings;
}

function commandLine(
  { config: { imagePath } }: ServiceDescription,
  { expected, system }: Examination,
): Finding[] {
  const check = 'command line';
  const findings: Finding[] = [];
  const [program = ''] = splitCommandLine(imagePath);
  if (!imagePath.startsWith('"') && /^[^"]*\.exe\b/i.exec(imagePath)?.[0].includes(' ')) {
    findings.push({
      level: 'fail',
      check,
      text: `The program's path has blanks and no quotation marks: ${imagePath}`,
      advice: 'The command update writes it anew.',
    });
    return findings;
  }
  const read = readCommandLine(imagePath);
  const application = read?.flags['--service'] ?? read?.flags['--python'];
  const directory = read?.flags['--rundir'];
  for (const [what, path] of [
    ['program', program],
    ['script', read?.script],
    ['application', application],
    ['folder', directory],
  ] as const) {
    if (path === undefined || system.exists(path)) continue;
    findings.push({
      level: 'fail',
      check,
      text: `Its ${what} is not there: ${path}`,
      advice: 'Put it back, or have the command update write the command line anew.',
    });
  }
  if ([program, read?.script ?? '', application ?? ''].some(isUnderHome)) {
    findings.push({
      level: 'warn',
      check,
      text: "It lies in a user's own folder, which other accounts may not read",
      advice: 'Move node and the application to a folder of their own, such as C:\\apps.',
    });
  }
  let wanted: string | null = null;
  try {
    wanted = expected(imagePath);
  } catch (error) {
    findings.push({ level: 'warn', check, text: messageOf(error) });
  }
  if (wanted !== null && wanted !== imagePath) {
    findings.push({
      level: 'warn',
      check,
      text: `It is ${imagePath}, and would now be ${wanted}`,
      advice: 'The command update writes it anew.',
    });
  }
  if (findings.length > 0) return findings;
  return [{ level: 'ok', check, text: 'Its command line is as it should be' }];
}

function traces(
  { config: { imagePath } }: ServiceDescription,
  { source, system }: Examination,
): Finding[] {
  const findings: Finding[] = [];
  const name = source(imagePath);
  findings.push(
    system.events.isRegistered(name)
      ? { level: 'ok', check: 'event log', text: `Source ${name} is registered in the event log` }
      : {
          level: 'warn',
          check: 'event log',
          text: `Source ${name} is not registered in the event log: its events lack their text`,
          advice: 'The command update registers it.',
        },
  );
  const file = logFileOf(imagePath);
  if (file === null) {
    findings.push({ level: 'warn', check: 'log', text: 'Its command line names no log file' });
    return findings;
  }
  const folder = /^[a-z]:|^\\/i.test(file) ? win32.dirname(file) : file.replace(/\/[^/]*$/, '');
  findings.push(
    system.exists(folder)
      ? { level: 'ok', check: 'log', text: `Its log is ${file}` }
      : {
          level: 'fail',
          check: 'log',
          text: `The folder of its log is not there: ${folder}`,
          advice: 'The command update makes it.',
        },
  );
  return findings;
}

function isUnderHome(path: string): boolean {
  return /^[a-z]:\\users\\(?!public\\)/i.test(path);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
