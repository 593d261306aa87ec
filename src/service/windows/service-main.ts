/** What the process of a service does from its first line to its last: the log, the manager, the application, the exit code. */
import { Failure, maybeDeferred, reportFailure } from '../../deferred/index.ts';
import type { ReactorCore, ReactorTime } from '../../reactor/index.ts';
import { Logger } from '../logging/logger.ts';
import { globalLogPublisher, writeToStandardError } from '../logging/publisher.ts';
import { type Logging, type LoggingOptions, startLogging } from '../logging/start-logging.ts';
import { type ApplicationToHost, HostedApplication } from './adapter.ts';
import { EXCEPTION_IN_SERVICE, exitOf, processExitCode, windowsExit } from './exit-codes.ts';
import { ServiceHost } from './host.ts';
import type { EventWriter, HostedService, ServiceHostOptions, ServiceStart } from './hosted.ts';
import type { ScmProcessApi } from './scm-api.ts';

const log = new Logger('service');

/** Seconds that the host waits beyond the application's own time to stop, in which the reactor closes what is open. */
const CLOSING = 10;

/** What becomes of the service when an error escapes from everybody: it goes on, as twistd does; it stops with an error; or its process ends without a word (1067), which is what recovery waits for. */
export type StrayErrorPolicy = 'continue' | 'stop' | 'crash';

/** Options of every service's process. */
export interface ServiceMainOptions
  extends Omit<ServiceHostOptions, 'scm' | 'service' | 'clock' | 'beforeStopped'> {
  /** Whose loop the service runs in. */
  readonly reactor: ReactorCore & ReactorTime;
  /** Gives the service manager. A function, because what it needs may be missing, which should be in the log. */
  readonly scm: () => ScmProcessApi;
  /** The log. A service has no standard output, so give a file. */
  readonly log: LoggingOptions;
  /** Where the service works. Default: where it is, which for services is the system's own folder. */
  readonly directory?: string | undefined;
  /** Default 'continue'. */
  readonly onStrayError?: StrayErrorPolicy | undefined;
  /** The last thing before 'stopped' is reported, such as ending child processes. */
  readonly beforeStopped?: ServiceHostOptions['beforeStopped'];
}

/** Options of `runApplicationAsService`. */
export interface ApplicationServiceOptions extends ServiceMainOptions {
  /**
   * Gives the application. Called when the manager knows that the process lives, so this is the place to import it, which may take its time. What it fails with is why the service does not start.
   */
  readonly load: (
    start: ServiceStart,
    host: ServiceHost,
  ) => ApplicationToHost | PromiseLike<ApplicationToHost>;
}

/**
 * Runs an application as the service that this process was started for. Opens the log, connects to the manager, then loads the application and starts it.
 * @returns the exit code, with which the caller ends the process. Never rejects: whatever fails is in the log, in the event log, and in the exit code.
 */
export function runApplicationAsService(options: ApplicationServiceOptions): Promise<number> {
  const { load, reactor, stopTimeout = 60 } = options;
  return runServiceProcess({ ...options, stopTimeout: stopTimeout + CLOSING }, (host) => {
    return new HostedApplication({
      load: (start) => load(start, host()),
      reactor,
      stopTimeout,
      ending: () => host().stop(),
    });
  });
}

/** The same for anything else that a host can run. `make` gets a function that gives the host. */
export async function runServiceProcess(
  options: ServiceMainOptions,
  make: (host: () => ServiceHost) => HostedService,
): Promise<number> {
  const { name, reactor, events, exit = (code: number) => process.exit(code) } = options;
  const release = globalLogPublisher.hold();
  let logging: Logging | undefined;
  let host: ServiceHost | undefined;
  let stopCatching = (): void => {};
  try {
    const unready = await prepare(options, (begun) => {
      logging = begun;
    });
    const theHost = (): ServiceHost => {
      if (host === undefined) throw new Error(`Service ${JSON.stringify(name)} has no host yet`);
      return host;
    };
    const service = make(theHost);
    host = new ServiceHost({
      ...options,
      scm: options.scm(),
      clock: reactor,
      exit,
      service: unready === undefined ? service : unable(unready),
    });
    stopCatching = catchStrayErrors(options.onStrayError ?? 'continue', host, exit);
    return processExitCode(await host.run());
  } catch (error) {
    const exitCode = processExitCode(exitOf(error, windowsExit(EXCEPTION_IN_SERVICE)));
    log.failure('Cannot run service {name}', error, { name });
    tell(events, `Cannot run service ${name}: ${messageOf(error)} (exit code ${exitCode})`);
    return exitCode;
  } finally {
    stopCatching();
    release();
    if (logging === undefined) showHistory();
    logging?.stop();
  }
}

/**
 * Opens the log and enters the folder. What fails is not thrown but returned, because the manager should hear of it: a service that says nothing leaves whoever started it with "did not
 * answer in time" after half a minute.
 */
async function prepare(
  { log: logOptions, directory }: ServiceMainOptions,
  begun: (logging: Logging) => void,
): Promise<Failure | undefined> {
  try {
    begun(await startLogging(logOptions));
    if (directory !== undefined) process.chdir(directory);
    return undefined;
  } catch (error) {
    return Failure.of(error);
  }
}

/** A service that does not start, and says why. */
function unable(reason: Failure): HostedService {
  return { start: () => reason.raiseException(), stop: () => undefined };
}

function catchStrayErrors(
  policy: StrayErrorPolicy,
  host: ServiceHost,
  exit: (code: number) => void,
): () => void {
  const caught = (error: unknown, what: string): void => {
    if (policy === 'stop') {
      host.fail(error);
      return;
    }
    reportFailure(error, what);
    if (policy === 'crash') exit(EXCEPTION_IN_SERVICE);
  };
  const onException = (error: unknown): void => caught(error, 'Uncaught exception');
  const onRejection = (error: unknown): void => caught(error, 'Unhandled promise rejection');
  process.on('uncaughtException', onException);
  process.on('unhandledRejection', onRejection);
  return () => {
    process.off('uncaughtException', onException);
    process.off('unhandledRejection', onRejection);
  };
}

/** There is no log: what was meant for it goes to standard error, in case somebody looks. */
function showHistory(): void {
  for (const entry of globalLogPublisher.takeHistory()) writeToStandardError(entry);
}

function tell(events: EventWriter | undefined, text: string): void {
  maybeDeferred(() => events?.write('error', text)).addErrback((failure) => {
    log.failure('Cannot write to the event log', failure, {}, 'warn');
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
