/** Starts an application, runs the reactor, stops the application. */
import {
  CancelledError,
  Deferred,
  Failure,
  maybeDeferred,
  reportFailure,
} from '../../deferred/index.ts';
import { type ReactorCore, ReactorNotRunning, type ReactorTime } from '../../reactor/index.ts';
import { StartError } from '../errors.ts';
import { Logger } from '../logging/logger.ts';
import { type IService, unfinishedStops } from '../service.ts';

const log = new Logger('twistd');

/** What `runApplication` needs. */
export interface Hosting {
  readonly service: IService;
  /** What the application is called in the log. */
  readonly name: string;
  readonly reactor: ReactorCore & ReactorTime & { readonly exitSignal?: string | undefined };
  /** Seconds that the stop may take; what takes longer is named in the log and left behind. */
  readonly stopTimeout: number;
  /** Gives up the rights that the application does not want; called between its privileged start and its start. What it throws keeps the application from starting. */
  readonly shed?: (() => void) | undefined;
  /** Called when the application has started, and the reactor runs. */
  readonly started?: (() => void) | undefined;
  /** Called when the stop begins. */
  readonly stopping?: (() => void) | undefined;
  /** Called when the stop has taken too long. */
  readonly gaveUp?: (() => void) | undefined;
  /** Called when the application, or a service in it, has failed to stop; with the first of the failures, which are in the log by then. */
  readonly stopFailed?: ((failure: Failure) => void) | undefined;
}

/**
 * Starts the application (privileged start, then start), runs the reactor until it is stopped, and stops the application before the reactor's own shutdown. A start
 * that takes its time goes on while the reactor runs. One that fails stops again whatever has been started.
 * @throws {StartError} through the promise, with what was thrown as its cause
 */
export async function runApplication(hosting: Hosting): Promise<void> {
  const { service, name, reactor } = hosting;
  const shed = hosting.shed ?? checkUser;
  let failed: Failure | undefined;
  let stopping = false;
  const stop = (): Deferred<void> => {
    stopping = true;
    hosting.stopping?.();
    return stopApplication(hosting);
  };

  log.info('Starting {name}: process {pid}, Node {version}', {
    name,
    pid: process.pid,
    version: process.version,
  });
  const release = holdSignals();
  let starting = true;
  const start = maybeDeferred(() => service.privilegedStartService())
    .addCallback(() => {
      shed(service);
      return service.startService();
    })
    .addCallbacks(
      () => {
        starting = false;
      },
      (failure) => {
        starting = false;
        // Stopped before it had started: that it did not go on starting is as it should be.
        if (stopping && failure.check(CancelledError) !== null) return;
        failed = failure;
      },
    );

  if (!starting && failed !== undefined) {
    release();
    await stop();
    throw startError(name, failed);
  }
  const shutdown = reactor.addSystemEventTrigger('before', 'shutdown', () => {
    log.info('Stopping {name}{why}', {
      name,
      why: reactor.exitSignal === undefined ? '' : ` on ${reactor.exitSignal}`,
    });
    return stop();
  });
  let running: Promise<void>;
  try {
    running = reactor.run();
  } catch (error) {
    release();
    reactor.removeSystemEventTrigger(shutdown);
    await stop();
    throw startError(name, Failure.of(error));
  }
  release();
  // Not before the reactor runs: from here on a signal stops the application in good order, and who waits for this line may send one.
  start
    .addCallback(() => {
      if (stopping) return;
      if (failed !== undefined) return reactor.stop();
      log.info('Started {name}', { name });
      hosting.started?.();
    })
    .addErrback((failure) => void failure.trap(ReactorNotRunning)); // it has been stopped in this very turn
  await running;
  if (failed !== undefined) throw startError(name, failed);
  log.info('Stopped {name}', { name });
}

/**
 * Keeps a signal that comes while the start is in a call from ending the process half-way: Node delivers it once the call is over, and by then the reactor, which listens
 * from its `run` on, gets it as well. Who is told that a port listens may send one at once. Returns a function that ends it.
 */
function holdSignals(): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGBREAK'];
  const wait = (): void => {};
  for (const signal of signals) process.on(signal, wait);
  return () => {
    for (const signal of signals) process.off(signal, wait);
  };
}

/** Stops it, and fires when that is done or has taken too long. Never fails. */
function stopApplication({
  service,
  name,
  reactor,
  stopTimeout,
  gaveUp,
  stopFailed,
}: Hosting): Deferred<void> {
  const done = new Deferred<void>();
  const timeout = reactor.callLater(stopTimeout, () => {
    const paths = unfinishedStops(service).map((path) => `${name}/${path}`);
    log.error('Gave up waiting after {seconds} s for what did not stop: {services}', {
      seconds: stopTimeout,
      services: (paths.length === 0 ? [name] : paths).join(', '),
    });
    gaveUp?.();
    done.callback();
  });
  maybeDeferred(() => service.stopService())
    .addErrback((failure) => {
      reportFailure(failure, `Application ${name} failed to stop`);
      return [[false, failure]];
    })
    .addCallback((results) => {
      const failure = failureAmong(results);
      if (failure !== undefined) stopFailed?.(failure);
      if (!timeout.active()) return; // too late: nobody waits any more
      timeout.cancel();
      done.callback();
    });
  return done;
}

/** The first failure in what the stop of a collection gives, those of the collections in it included. */
function failureAmong(results: unknown): Failure | undefined {
  if (!Array.isArray(results)) return undefined;
  for (const pair of results) {
    if (!Array.isArray(pair) || pair.length !== 2) continue;
    const [succeeded, result]: unknown[] = pair;
    const failure =
      succeeded === false && result instanceof Failure ? result : failureAmong(result);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

function startError(name: string, failure: Failure): StartError {
  const { value } = failure;
  // What it says is all there is to say.
  const cause = value instanceof StartError ? value.cause : value;
  return new StartError(
    `Cannot start application ${JSON.stringify(name)}: ${failure.getErrorMessage()}`,
    { cause },
  );
}

/** An application that asks for less rights must not run with more, so one that nobody here can give them to does not run. */
function checkUser(service: IService): void {
  const { uid, gid } = service as { uid?: unknown; gid?: unknown }; // an Application has them, another service need not
  for (const [what, wanted, actual] of [
    ['uid', uid, process.getuid?.()],
    ['gid', gid, process.getgid?.()],
  ] as const) {
    if (typeof wanted === 'number' && wanted !== actual) {
      throw new StartError(
        `It wants ${what} ${wanted}, this process has ${actual}, and nothing here changes it`,
      );
    }
  }
}
