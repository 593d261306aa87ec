/** Services watched as Observables. The only file here that knows rxjs, which is loaded when the first one is made. */
import { createRequire } from 'node:module';
import type { Observable } from 'rxjs';
import { reactor as processReactor, type ReactorTime } from '../../../reactor/index.ts';
import type { EnumerateFilter, ScmClientApi, ServiceListing, ServiceStatus } from '../scm-api.ts';

let loaded: typeof import('rxjs') | undefined;

function rxjs(): typeof import('rxjs') {
  // What require returns has no type; this is the package's own.
  loaded ??= createRequire(import.meta.url)('rxjs') as typeof import('rxjs');
  return loaded;
}

/** How a service is reached. */
export interface WatchOptions {
  /** Another machine's name. Default: this one. */
  readonly machine?: string;
}

/**
 * The status of a service: what it is now, then each change. Completes when the service is deleted; ends with a {WindowsError}, 1060 when there is none of that name. Every subscriber has a
 * connection of its own, which is closed when it unsubscribes. States that pass quickly may be missing, where Windows has to be asked.
 */
export function watchService(
  scm: Pick<ScmClientApi, 'openManager'>,
  name: string,
  options: WatchOptions = {},
): Observable<ServiceStatus> {
  const { Observable } = rxjs();
  return new Observable<ServiceStatus>((subscriber) => {
    const { machine } = options;
    const manager = scm.openManager(machine === undefined ? {} : { machine });
    subscriber.add(() => manager.close());
    const service = manager.openService(name, ['query-status']);
    subscriber.add(() => service.close());
    let last = '';
    const next = (status: ServiceStatus): void => {
      const text = JSON.stringify(status);
      if (text === last) return;
      last = text;
      subscriber.next(status);
    };
    // Watched first: what happens between the two is not lost, and seen twice is told once.
    const end = service.watch((status) => {
      if (status === null) subscriber.complete();
      else next(status);
    });
    subscriber.add(end);
    next(service.queryStatus());
  });
}

/** What has happened among the services of a machine. */
export type ServicesChange =
  | { readonly type: 'added' | 'changed'; readonly service: ServiceListing }
  | { readonly type: 'removed'; readonly name: string };

/** Options of {@link watchServices}. */
export interface WatchServicesOptions extends WatchOptions {
  /** Seconds from one look to the next. Default 1. */
  readonly interval?: number;
  readonly filter?: EnumerateFilter;
  /** What measures the interval. Default: the process's reactor. */
  readonly clock?: Pick<ReactorTime, 'callLater'>;
}

/**
 * The services of a machine: each that is there as 'added', then what is added, changes, and is removed. Looks every `interval`, so what passes more quickly is missing. Ends with a
 * {WindowsError}.
 * @throws {RangeError} an interval that makes no sense
 */
export function watchServices(
  scm: Pick<ScmClientApi, 'openManager'>,
  options: WatchServicesOptions = {},
): Observable<ServicesChange> {
  const { interval = 1, clock = processReactor, filter = {}, machine } = options;
  if (!(interval > 0)) throw new RangeError(`Interval must be above 0 s: got ${interval}`);
  const { Observable } = rxjs();
  return new Observable<ServicesChange>((subscriber) => {
    const rights = ['connect', 'enumerate'] as const;
    const manager = scm.openManager(machine === undefined ? { rights } : { rights, machine });
    subscriber.add(() => manager.close());
    let known = new Map<string, string>();
    let timer: { cancel(): void } | null = null;
    subscriber.add(() => timer?.cancel());
    const look = (): void => {
      timer = null;
      const found = new Map<string, string>();
      try {
        for (const service of manager.enumerate(filter)) {
          const text = JSON.stringify(service);
          found.set(service.name, text);
          const before = known.get(service.name);
          if (before === text) continue;
          subscriber.next({ type: before === undefined ? 'added' : 'changed', service });
        }
      } catch (error) {
        subscriber.error(error);
        return;
      }
      for (const name of known.keys()) {
        if (!found.has(name)) subscriber.next({ type: 'removed', name });
      }
      known = found;
      if (!subscriber.closed) timer = clock.callLater(interval, look);
    };
    look();
  });
}
