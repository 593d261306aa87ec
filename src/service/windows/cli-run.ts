/** The process of a service that a command line has installed: what it is run with, as a service or for debugging. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import type { DeferredClock } from '../../deferred/index.ts';
import { reactor } from '../../reactor/index.ts';
import { Logger } from '../logging/logger.ts';
import type { LoggingOptions } from '../logging/start-logging.ts';
import type { Streams } from '../twistd/main.ts';
import type { ApplicationToHost } from './adapter.ts';
import type { HostOptions } from './cli-options.ts';
import { isWindowsError } from './errors.ts';
import { EventLog } from './eventlog.ts';
import { JobObject } from './ipc/job-object.ts';
import { defaultSource } from './logs.ts';
import type { ScmProcessApi } from './scm-api.ts';
import { KoffiScm } from './scm-koffi.ts';
import { MemoryScm } from './scm-memory.ts';
import { runApplicationAsService, type ServiceMainOptions } from './service-main.ts';

const log = new Logger('service');

/** How a service runs. */
export interface ServiceRun {
  readonly name: string;
  readonly host: HostOptions;
  /** Where it works. An absolute path. */
  readonly directory?: string | undefined;
  /** Whether it hears early that the system goes down. */
  readonly preshutdown?: boolean | undefined;
  /** Its name in the event log. Default: its name. */
  readonly eventSource?: string | undefined;
}

/** What every service's process is run with. */
export function serviceMainOptions(run: ServiceRun): ServiceMainOptions {
  const { name, host, directory, preshutdown, eventSource = defaultSource(name) } = run;
  const { logfile = '-' } = host;
  if (logfile !== '-') makeFolder(logfile);
  return {
    ...mainOptions(run),
    log: { ...loggingOptions(host), file: logfile },
    directory,
    preshutdown,
    scm: () => {
      holdChildren();
      return new KoffiScm();
    },
    events: new EventLog(eventSource),
  };
}

/** The same for debugging: the log goes to standard output, and the service manager is one in memory. */
export function debugOptions(run: ServiceRun, scm: ScmProcessApi): ServiceMainOptions {
  return {
    ...mainOptions(run),
    log: loggingOptions(run.host),
    directory: run.directory,
    scm: () => scm,
  };
}

/** Runs an application as the service that this process was started for. Gives the exit code. Never rejects. */
export function runInstalledService(
  run: ServiceRun,
  load: (args: readonly string[]) => Promise<ApplicationToHost>,
): Promise<number> {
  return runApplicationAsService({ ...serviceMainOptions(run), load: ({ args }) => load(args) });
}

/** Runs an application as a service in the foreground. Gives the exit code. */
export function debugInstalledService(
  run: ServiceRun,
  args: readonly string[],
  load: (args: readonly string[]) => Promise<ApplicationToHost>,
  streams: Streams,
): Promise<number> {
  return debugUnder(run.name, args, streams, (scm) =>
    runApplicationAsService({ ...debugOptions(run, scm), load: (start) => load(start.args) }),
  );
}

/** Who steps through a program in a debugger takes his time. Seconds. */
const PATIENT = { connectTimeout: 86_400, controlTimeout: 86_400, hangTimeout: 86_400 };

/** The reactor's, which once it has stopped wakes nobody for what is due at once, but does for what is due in a moment. */
const CLOCK: DeferredClock = {
  seconds: () => reactor.seconds(),
  callLater: (delay, f, ...args) => reactor.callLater(Math.max(delay, 0.001), f, ...args),
};

/**
 * Has a service manager in memory start a service here. All but the manager is as it will be: the host, its time limits, the order of things. Ctrl+C is the reactor's stop, and so the service's.
 */
export function debugUnder(
  name: string,
  args: readonly string[],
  streams: Streams,
  run: (scm: ScmProcessApi) => Promise<number>,
): Promise<number> {
  streams.out(`Debugging service ${name} - press Ctrl+C to stop.\n`);
  const scm = new MemoryScm({ clock: CLOCK, ...PATIENT });
  const manager = scm.openManager({ rights: ['create-service'] });
  const service = manager.createService({ name, imagePath: 'debug' }, ['start']);
  const release = holdProcess();
  return new Promise<number>((resolve, reject) => {
    scm.program('debug', (process) => {
      run(process).then((code) => {
        process.exit(code);
        resolve(code);
      }, reject);
    });
    service.start(args).addErrback((failure) => {
      if (!isWindowsError(failure.value)) reject(failure.value);
    });
  }).finally(release);
}

/** A reactor that has stopped keeps no process alive, and that is when the service has still to say how it ended. A port that is listened to does. Returns a function that ends it. */
function holdProcess(): () => void {
  const { port1 } = new MessageChannel();
  port1.on('message', () => {});
  return () => port1.close();
}

function mainOptions({ name, host: { stopTimeout } }: ServiceRun) {
  return { name, reactor, ...(stopTimeout === undefined ? {} : { stopTimeout }) };
}

function loggingOptions({ logFormat, logLevel, logfile }: HostOptions): LoggingOptions {
  return {
    ...(logfile === undefined ? {} : { file: logfile }),
    ...(logFormat === undefined ? {} : { format: logFormat }),
    ...(logLevel === undefined ? {} : { level: logLevel }),
  };
}

/** What fails here fails again when the log is opened, where it is told. */
function makeFolder(file: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
  } catch {}
}

/** Kept open until the process ends, which is when it ends the others. */
let job: JobObject | undefined;

/** Child processes end with this one, however that ends. A service without this runs all the same. */
function holdChildren(): void {
  try {
    job ??= new JobObject();
    job.assignSelf();
  } catch (error) {
    log.failure('Child processes may outlive the service', error, {}, 'warn');
  }
}
