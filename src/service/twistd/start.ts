/**
 * The first thing that twistd runs, and the only one that imports nothing: whatever keeps the rest from being imported (a package that is missing or broken, a Node that is too old) is told. A service
 * has no terminal, so there it goes to the log that its command line names, and to the event log; otherwise nobody would ever learn why the service "did not answer in time".
 */
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/** The exit code of a program that could not start. */
const FAILED = 1;

/** What twistd is made of, for tests. */
export interface Parts {
  /** Imports the program. */
  readonly load?: () => Promise<{ main(argv: readonly string[]): Promise<number> }>;
  /** Writes an error to the event log. */
  readonly writeEvent?: (source: string, text: string) => Promise<void>;
}

/**
 * Runs twistd. Gives the exit code, with which the caller ends the process. Never rejects.
 * @param argv the arguments, without the names of node and twistd
 */
export async function start(
  argv: readonly string[],
  { load = () => import('./main.ts'), writeEvent = toEventLog }: Parts = {},
): Promise<number> {
  let program: Awaited<ReturnType<typeof load>>;
  try {
    program = await load();
  } catch (error) {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const text = `twistd: Process ${process.pid} cannot load the program: ${reason}`;
    process.stderr.write(`${text}\n`);
    const { service, logfile, source } = serviceIn(argv);
    if (service !== undefined) {
      if (logfile !== undefined) attempt(() => append(logfile, `${text}\n`));
      await writeEvent(source ?? service, text).catch(() => {});
    }
    return FAILED;
  }
  return await program.main(argv);
}

function append(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  appendFileSync(file, text);
}

function attempt(f: () => void): void {
  try {
    f();
  } catch (error) {
    process.stderr.write(`twistd: Cannot write to the log: ${String(error)}\n`);
  }
}

/** It needs less than the program does, and may be there all the same. */
async function toEventLog(source: string, text: string): Promise<void> {
  const { EventLog } = await import('../windows/eventlog.ts');
  const log = new EventLog(source);
  log.error(text);
  log.close();
}

/** What the command lines of services have; see windows/cli-install.ts, which writes them. */
function serviceIn(argv: readonly string[]) {
  const end = argv.indexOf('--');
  const own = end < 0 ? argv : argv.slice(0, end);
  const after = (option: string): string | undefined => {
    const at = own.indexOf(option);
    return at < 0 ? undefined : own[at + 1];
  };
  return {
    service: after('--run-service'),
    logfile: after('--logfile'),
    source: after('--event-source'),
  };
}
