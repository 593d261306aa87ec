/** Services watched as Observables. The only file here that knows rxjs, which is loaded when the first one is made. */
import { createRequire } from 'node:module';
import type { Observable, Subscriber } from 'rxjs';
import { reactor as processReactor, type ReactorTime } from '../../../reactor/index.ts';
import type { ManagerRight } from '../constants.ts';
import { isWindowsError } from '../errors.ts';
import type {
  EnumerateFilter,
  ScmClientApi,
  ScmManager,
  ServiceListing,
  ServiceStatus,
} from '../scm-api.ts';
import { KoffiScm } from '../scm-koffi.ts';

let loaded: typeof import('rxjs') | undefined;

function rxjs(): typeof import('rxjs') {
  // What require returns has no type; this is the package's own.
  loaded ??= createRequire(import.meta.url)('rxjs') as typeof import('rxjs');
  return loaded;
}

/** How services are watched. */
export interface WatchServiceOptions {
  /** Default: that of Windows. */
  readonly scm?: Pick<ScmClientApi, 'openManager'>;
  /** Another machine's name. Default: this one. */
  readonly machine?: string;
  /** Seconds from one look to the next. Default 0.25 for one service, 1 for all. */
  readonly interval?: number;
  /** What measures the interval. Default: the process's reactor. */
  readonly clock?: Pick<ReactorTime, 'callLater'>;
}

const ERROR_SERVICE_DOES_NOT_EXIST = 1060;

/**
 * An Observable that asks again and again. Every subscriber has a connection of its own, which is closed when it is told the end or unsubscribes.
 * @param watcher gives each subscriber what looks for it; what that throws is the end
 */
function asking<T>(
  rights: readonly ManagerRight[],
  { scm = new KoffiScm(), machine, interval = 1, clock = processReactor }: WatchServiceOptions,
  watcher: (manager: ScmManager, subscriber: Subscriber<T>) => () => void,
): Observable<T> {
  if (!(interval > 0 && interval < Number.POSITIVE_INFINITY))
    throw new RangeError(`Interval must be above 0 s: got ${interval}`);
  const { Observable } = rxjs();
  return new Observable<T>((subscriber) => {
    const manager = scm.openManager(machine === undefined ? { rights } : { rights, machine });
    subscriber.add(() => manager.close());
    let timer: { cancel(): void } | null = null;
    subscriber.add(() => timer?.cancel());
    const look = watcher(manager, subscriber);
    const turn = (): void => {
      timer = null;
      try {
        look();
      } catch (error) {
        subscriber.error(error);
      }
      if (!subscriber.closed) timer = clock.callLater(interval, turn);
    };
    turn();
  });
}

/**
 * The status of a service: what it is now, then each change. Completes when the service is removed; ends with a {WindowsError}, 1060 when there is none of that name. It is asked every `interval`,
 * so states that pass more quickly are missing; between two looks nothing is kept open, which would keep a deleted service from going.
 * @throws {RangeError} an interval that makes no sense
 * @example
 * watchService('Spooler').subscribe(({ state, pid }) => console.log(state, pid));
 */
export function watchService(
  name: string,
  options: WatchServiceOptions = {},
): Observable<ServiceStatus> {
  const settings = { interval: 0.25, ...options };
  return asking(['connect'], settings, (manager, subscriber: Subscriber<ServiceStatus>) => {
    let last: string | null = null;
    return () => {
      const status = statusOf(manager, name, last !== null);
      if (status === null) {
        subscriber.complete();
        return;
      }
      const text = JSON.stringify(status);
      if (text === last) return;
      last = text;
      subscriber.next(status);
    };
  });
}

/** @param mayBeGone whether null is given when there is no such service */
function statusOf(manager: ScmManager, name: string, mayBeGone: boolean): ServiceStatus | null {
  try {
    const service = manager.openService(name, ['query-status']);
    try {
      return service.queryStatus();
    } finally {
      service.close();
    }
  } catch (error) {
    if (mayBeGone && isWindowsError(error, ERROR_SERVICE_DOES_NOT_EXIST)) return null;
    throw error;
  }
}

/** What has happened among the services of a machine. */
export type ServicesChange =
  | { readonly type: 'added' | 'changed'; readonly service: ServiceListing }
  | { readonly type: 'removed'; readonly name: string };

/** Options of {@link watchServices}. */
export interface WatchServicesOptions extends WatchServiceOptions {
  /** Which of them. Default: all. */
  readonly filter?: EnumerateFilter;
}

/**
 * The services of a machine: each that is there as 'added', then what is added, changes, and is removed. Looks every `interval`, so what passes more quickly is missing. Ends with a
 * {WindowsError}.
 * @throws {RangeError} an interval that makes no sense
 */
export function watchServices(options: WatchServicesOptions = {}): Observable<ServicesChange> {
  const { filter = {} } = options;
  const rights = ['connect', 'enumerate'] as const;
  return asking(rights, options, (manager, subscriber: Subscriber<ServicesChange>) => {
    let known = new Map<string, string>();
    return () => {
      const found = new Map<string, string>();
      for (const service of manager.enumerate(filter)) {
        const text = JSON.stringify(service);
        found.set(service.name, text);
        const before = known.get(service.name);
        if (before === text) continue;
        subscriber.next({ type: before === undefined ? 'added' : 'changed', service });
      }
      for (const name of known.keys()) {
        if (!found.has(name)) subscriber.next({ type: 'removed', name });
      }
      known = found;
    };
  });
}
