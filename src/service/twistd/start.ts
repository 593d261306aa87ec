/**
 * The first thing that twistd runs, and the only one that imports nothing: whatever keeps the rest from being imported (a package that is missing or broken, a Node that is too old) is told. A service
 * has no terminal, so there it goes to the log that its command line names; otherwise nobody would ever learn why the service "did not answer in time".
 */
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/** The exit code of a program that could not start. */
const FAILED = 1;

/**
 * Runs twistd. Gives the exit code, with which the caller ends the process. Never rejects.
 * @param argv the arguments, without the names of node and twistd
 * @param load imports the program
 */
export async function start(
  argv: readonly string[],
  load: () => Promise<{ main(argv: readonly string[]): Promise<number> }> = () =>
    import('./main.ts'),
): Promise<number> {
  let program: Awaited<ReturnType<typeof load>>;
  try {
    program = await load();
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    tell(argv, `twistd: Process ${process.pid} cannot load the program: ${text}\n`);
    return FAILED;
  }
  return await program.main(argv);
}

function tell(argv: readonly string[], text: string): void {
  process.stderr.write(text);
  const file = logFileOfService(argv);
  if (file === undefined) return;
  try {
    mkdirSync(dirname(file), { recursive: true });
    appendFileSync(file, text);
  } catch (error) {
    process.stderr.write(`twistd: Cannot write to the log: ${String(error)}\n`);
  }
}

/** What the command lines of services have; see windows/cli-install.ts, which writes them. */
function logFileOfService(argv: readonly string[]): string | undefined {
  const end = argv.indexOf('--');
  const own = end < 0 ? argv : argv.slice(0, end);
  const at = own.indexOf('--logfile');
  return own.includes('--run-service') && at >= 0 ? own[at + 1] : undefined;
}
