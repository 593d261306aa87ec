/** What a process says of itself: its services, and its numbers. */
import { isMeasurable, type Measurement, type ReactorTime } from '../../reactor/index.ts';
import { describeService, type IService } from '../service.ts';

/** A service, as it stands. */
export interface ServiceReport {
  /** Its name. */
  readonly name: string;
  /** The class. */
  readonly kind: string;
  /** Whether it runs. */
  readonly running: boolean;
  /** Where it listens, if it does. */
  readonly address?: string;
  /** Those that are in it. */
  readonly children: readonly ServiceReport[];
}

/** Whether the application can serve. */
export type Phase = 'starting' | 'ready' | 'stopping';

/** A process, as it stands. */
export interface ProcessReport {
  /** Of the process. */
  readonly pid: number;
  /** Which of the workers it is; null when there are none. */
  readonly worker: number | null;
  /** Which part of its life it is in. */
  readonly phase: Phase;
  /** Why it is not ready, for people; empty when it is. */
  readonly reasons: readonly string[];
  /** Seconds since it began to be hosted. */
  readonly uptime: number;
  /** Bytes of memory. */
  readonly memory: number;
  /** The tree of its services. */
  readonly services: ServiceReport;
  /** Its numbers. */
  readonly measurements: readonly Measurement[];
}

/** A service that knows whether it can serve: what it returns is why it cannot, or null. Looked for on each service of the tree. */
export interface KnowsReadiness {
  /** Why it is not ready; null when it is. */
  notReady(): string | null;
}

/** What is reported on. */
export interface Reported {
  readonly service: IService;
  readonly reactor: ReactorTime;
  readonly worker: number | null;
}

/** Reports on this process. */
export class Reporter {
  phase: Phase = 'starting';
  readonly #reported: Reported;
  readonly #since: number;

  constructor(reported: Reported) {
    this.#reported = reported;
    this.#since = reported.reactor.seconds();
  }

  report(): ProcessReport {
    const { service, reactor, worker } = this.#reported;
    const reasons = [...notReady(service)];
    if (this.phase !== 'ready') reasons.unshift(`it is ${this.phase}`);
    return {
      pid: process.pid,
      ...{ worker, reasons, phase: this.phase },
      uptime: reactor.seconds() - this.#since,
      memory: process.memoryUsage.rss(),
      services: describe(service),
      measurements: [...measurementsOf(() => reactor), ...measurementsIn(service)],
    };
  }
}

function childrenOf(service: IService): readonly IService[] {
  return Symbol.iterator in service ? [...(service as Iterable<IService>)] : []; // a collection iterates over services
}

function describe(service: IService): ServiceReport {
  const address = addressOf(service);
  return {
    name: describeService(service),
    kind: service.constructor.name,
    running: service.running,
    ...(address === null ? {} : { address }),
    children: childrenOf(service).map(describe),
  };
}

/** Where a service listens that has a port. */
function addressOf(service: IService): string | null {
  try {
    const port: unknown = Reflect.get(service, 'port');
    if (typeof port !== 'object' || port === null || !('getHost' in port)) return null;
    return String((port as { getHost(): unknown }).getHost()); // a listening port
  } catch {
    return null;
  }
}

function* notReady(service: IService): Generator<string> {
  if ('notReady' in service && typeof service.notReady === 'function') {
    const reason = reasonOf(service.notReady.bind(service));
    if (typeof reason === 'string') yield `${describeService(service)}: ${reason}`;
  }
  for (const child of childrenOf(service)) yield* notReady(child);
}

/** One that cannot say whether it is ready is not. */
function reasonOf(notReady: () => unknown): unknown {
  try {
    return notReady();
  } catch (error) {
    return `it cannot say: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** What a service and those in it have to tell, and what they have that does: a factory, a pool. */
function* measurementsIn(service: IService): Generator<Measurement> {
  const label = { service: describeService(service) };
  for (const source of [
    () => service,
    ...['factory', 'measured'].map((key) => () => Reflect.get(service, key)),
  ]) {
    for (const each of measurementsOf(source)) {
      yield { ...each, labels: { ...label, ...each.labels } };
    }
  }
  for (const child of childrenOf(service)) yield* measurementsIn(child);
}

/** One that fails to tell has nothing to say this time. */
function measurementsOf(get: () => unknown): Measurement[] {
  try {
    const source = get();
    return isMeasurable(source) ? [...source.measurements()] : [];
  } catch {
    return [];
  }
}
