/** The program: from a command line to an exit code. */
import { writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { reportFailure } from '../../deferred/index.ts';
import { BindError, installReactor, reactor } from '../../reactor/index.ts';
import { HelpRequested, StartError, UsageError } from '../errors.ts';
import { type LogEntry, severity } from '../logging/entry.ts';
import { Logger } from '../logging/logger.ts';
import { globalLogPublisher, writeToStandardError } from '../logging/publisher.ts';
import { collectFrameworkEvents } from '../logging/start-logging.ts';
import { type StatusReporter, startDaemon, statusReporter } from '../posix/daemonize.ts';
import { loadConfig } from './config.ts';
import { loadApplication, nameOf } from './load.ts';
import { parseOptions, type Request, type RunOptions } from './options.ts';
import { HostProcess, type ProcessWishes } from './process.ts';
import { asSupervisor, asWorker } from './process-options.ts';
import { runApplication } from './runner.ts';
import { manageService, runService } from './service-manager.ts';
import { askedFor } from './target.ts';
import { Watch } from './watched.ts';
import { WorkerLink } from './workers/link.ts';
import type { WorkerSupervisor } from './workers/supervisor.ts';

const log = new Logger('twistd');

/** Exit codes. */
const STOPPED = 0;
const FAILED_TO_START = 1;
const WRONG_USAGE = 2;

/** Where the program writes what is not the log. */
export interface Streams {
  out(text: string): void;
  err(text: string): void;
}

const STANDARD_STREAMS: Streams = {
  out: (text) => writeTo(1, text),
  err: (text) => writeTo(2, text),
};

/**
 * Runs twistd: reads the command line, loads the application, begins the log, starts, runs, stops; or does what a command asks for. Never rejects.
 * @param argv the arguments, without the names of node and twistd
 * @returns the exit code: 0 stopped as asked, 1 failed to start, 2 wrong usage; of a command and of a service: 0, or Windows' error number. When it is there the log has been written; the caller ends the process, because
 *   an application may have left something open that would keep it alive.
 */
export async function main(
  argv: readonly string[],
  streams: Streams = STANDARD_STREAMS,
): Promise<number> {
  let request: Request;
  try {
    request = parseOptions(argv, process.platform, await loadConfig(process.cwd()));
  } catch (error) {
    return complain(error, streams);
  }
  if (request.kind === 'show') {
    streams.out(request.text);
    return STOPPED;
  }
  if (request.kind === 'verb' || request.kind === 'service') {
    try {
      if (request.kind === 'service') return await runService(request.process);
      return await manageService(request.command, streams);
    } catch (error) {
      return complain(error, streams);
    }
  }
  const { options } = request;
  const link = WorkerLink.ofThisProcess();
  if (link !== null) return await hostAsWorker(options, link);
  if (!options.process.daemonize) return await hostHere(options, { argv, streams });
  const reporter = statusReporter();
  return reporter === null
    ? await inBackground(argv, options, streams)
    : await hostAsDaemon(options, argv, reporter);
}

/** How an application is hosted in this process. */
interface Here {
  readonly argv: readonly string[];
  readonly streams: Streams;
  /** Called once the application has started. */
  readonly started?: (() => void) | undefined;
  /** What each line of the log has. */
  readonly label?: string | undefined;
  /** To the supervisor, of a worker. */
  readonly link?: WorkerLink | undefined;
}

/** Starts the daemon, and gives the exit code once it is known how that went. */
async function inBackground(
  argv: readonly string[],
  options: RunOptions,
  streams: Streams,
): Promise<number> {
  try {
    new HostProcess(options, process.cwd()).check();
    const { code, text } = await startDaemon(argv);
    streams.err(text);
    return code;
  } catch (error) {
    return complain(error, streams);
  }
}

/** What would be for a terminal goes to whoever started the daemon. */
async function hostAsDaemon(
  options: RunOptions,
  argv: readonly string[],
  reporter: StatusReporter,
): Promise<number> {
  const { streams, said } = collectingStreams();
  const started = (): void => reporter.report(0, '');
  const code = await hostHere(options, { argv, streams, started });
  reporter.report(code, said());
  return code;
}

/** What would be for a terminal goes to the supervisor. */
async function hostAsWorker(options: RunOptions, link: WorkerLink): Promise<number> {
  const { number } = link;
  await link.begin(() => process.kill(process.pid, 'SIGTERM'));
  const { streams, said } = collectingStreams();
  const code = await hostHere(asWorker(options, number), {
    ...{ argv: [], streams, link, label: `#${number} ` },
    started: () => link.started(),
  });
  if (code !== STOPPED) await link.failed(said());
  return code;
}

function collectingStreams(): { readonly streams: Streams; said(): string } {
  let all = '';
  const say = (text: string): void => {
    all += text;
  };
  return { streams: { out: say, err: say }, said: () => all };
}

async function hostHere(options: RunOptions, here: Here): Promise<number> {
  // Whatever is said from here on belongs in the log, which begins once the application is there.
  const release = globalLogPublisher.hold();
  const detach = collectFrameworkEvents(globalLogPublisher);
  const stopCatching = catchStrayErrors();
  try {
    return await host(options, here);
  } finally {
    stopCatching();
    detach();
    release();
  }
}

async function host(options: RunOptions, here: Here): Promise<number> {
  const { streams, started } = here;
  let watch: Watch | undefined;
  const invokedFrom = process.cwd();
  const supervises = options.process.workers > 1;
  const own = new HostProcess(
    supervises ? asSupervisor(options) : options,
    invokedFrom,
    here.label,
  );
  try {
    if (options.reactor !== 'default') installReactor(options.reactor);
    enter(options.rundir);
    own.prepare();
    const supervisor = supervises ? await supervisorOf(options, here.argv, own, invokedFrom) : null;
    const application =
      supervisor === null
        ? await loadApplication(options.target, {
            from: [process.cwd(), invokedFrom],
            args: options.args,
          })
        : { service: supervisor, name: supervisedName(options) };
    const wishes = application.service as ProcessWishes; // an Application has them, another service need not
    await own.beginLog();
    await own.settle(wishes);
    // What workers take to stop is theirs to keep to; their supervisor waits.
    const stopTimeout = options.stopTimeout * (supervises ? 2 : 1) + (supervises ? 5 : 0);
    watch = await Watch.begin({
      ...{ application, reactor, supervisor, admin: options.process.admin },
      link: here.link ?? null,
    });
    // What has no rights any more can still say how it is.
    await own.confine();
    await runApplication({
      ...application,
      ...{ reactor, stopTimeout },
      shed: () => own.shed(),
      started: () => {
        watch?.started();
        started?.();
      },
      stopping: () => watch?.stopping(),
    });
    return STOPPED;
  } catch (error) {
    if (error instanceof HelpRequested) {
      streams.out(error.text);
      return STOPPED;
    }
    if (!(error instanceof UsageError)) {
      // The reason belongs in the log as well, unless it is that there can be none.
      if (!own.logs) await own.beginLog().catch(() => {});
      if (!own.logs) globalLogPublisher.takeHistory().forEach(showIfUrgent);
      else logReason(error);
    }
    return complain(error, streams);
  } finally {
    await watch?.finish();
    await own.finish();
  }
}

/** The service that supervises the workers of an application. */
async function supervisorOf(
  options: RunOptions,
  argv: readonly string[],
  own: HostProcess,
  directory: string,
): Promise<WorkerSupervisor> {
  const { WorkerSupervisor } = await import('./workers/supervisor.ts');
  const { workers, syslog, logger, chroot } = options.process;
  const toTerminal = options.logfile === '-' || syslog !== null || logger !== null;
  return new WorkerSupervisor({
    ...{ workers, argv, directory, stopTimeout: options.stopTimeout, clock: reactor },
    log: toTerminal ? null : (lines) => own.append(lines),
    root: chroot === null ? null : resolve(directory, chroot),
  });
}

/** What an application is called that is loaded elsewhere. */
function supervisedName({ target }: RunOptions): string {
  const asked = askedFor(target);
  return nameOf(asked) ?? asked;
}

/** @throws {StartError} */
function enter(rundir: string): void {
  try {
    process.chdir(rundir);
  } catch (error) {
    throw new StartError(
      `Cannot change to directory ${JSON.stringify(rundir)}: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/**
 * Has errors that escaped everybody logged. The application goes on, as it does after an error in any call the reactor makes: one connection's fault is not the
 * others'. (Node would end the process, which suits a program that does one thing at a time.)
 */
function catchStrayErrors(): () => void {
  const onException = (error: unknown): void => reportFailure(error, 'Uncaught exception');
  const onRejection = (error: unknown): void => reportFailure(error, 'Unhandled promise rejection');
  process.on('uncaughtException', onException);
  process.on('unhandledRejection', onRejection);
  return () => {
    process.off('uncaughtException', onException);
    process.off('unhandledRejection', onRejection);
  };
}

/** Says on standard error what is wrong, and gives the exit code that goes with it. */
function complain(error: unknown, streams: Streams): number {
  if (error instanceof UsageError) {
    streams.err(`twistd: ${error.message}\nTry 'twistd --help' for more information.\n`);
    return WRONG_USAGE;
  }
  const fault = userFaultIn(error);
  streams.err(`twistd: ${messageOf(error)}\n${fault === null ? '' : `${stackOf(fault)}\n`}`);
  return FAILED_TO_START;
}

function logReason(error: unknown): void {
  const fault = userFaultIn(error);
  if (fault === null) log.critical('{reason}', { reason: messageOf(error) });
  else log.failure('{reason}', fault, { reason: messageOf(error) });
}

/** What some program did wrong, of which the stack is worth the most. Null when the message says it all, because the matter is outside of any program. */
function userFaultIn(error: unknown): unknown {
  if (!(error instanceof StartError)) return error;
  const { cause } = error;
  return cause === undefined || isFromOutside(cause) ? null : cause;
}

/** A port that is taken, a file that cannot be opened, a module that is not there. */
function isFromOutside(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false;
  return (
    cause instanceof BindError ||
    'syscall' in cause ||
    ('code' in cause &&
      (cause.code === 'ERR_MODULE_NOT_FOUND' || cause.code === 'ERR_UNKNOWN_FILE_EXTENSION'))
  );
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function showIfUrgent(entry: LogEntry): void {
  if (severity(entry.level) >= severity('warn')) writeToStandardError(entry);
}

/** Written before it returns: the process may end right after. */
function writeTo(descriptor: number, text: string): void {
  try {
    writeSync(descriptor, text);
  } catch {
    // Nobody is there to read it.
  }
}
