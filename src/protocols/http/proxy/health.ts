/** Asks backends from time to time how they are. */
import { logEvent, type ReactorTime } from '../../../reactor/index.ts';
import type { HTTPConnectionPool } from '../client/index.ts';
import type { Backend } from './balancing.ts';

/** How backends are looked after. */
export interface HealthCheckOptions {
  /** What is asked for. Default '/'. */
  readonly path?: string;
  /** Default: the backend's own. */
  readonly host?: string;
  /** Seconds between two questions. Default 10. */
  readonly interval?: number;
  /** Seconds in which the answer has to come. Default 5. */
  readonly timeout?: number;
  /** Bad answers in a row after which a backend is asked no more. Default 3. */
  readonly unhealthyAfter?: number;
  /** Good answers in a row after which it is again. Default 2. */
  readonly healthyAfter?: number;
  /** Which status is a good one. Default: 200 to 399. */
  readonly isHealthy?: (status: number) => boolean;
}

/** The checks of one backend. */
class Patient {
  readonly backend: Backend;
  /** Answers in a row that say otherwise than what is thought of it. */
  surprises = 0;
  busy = false;

  constructor(backend: Backend) {
    this.backend = backend;
  }
}

export class HealthChecks {
  readonly #pool: HTTPConnectionPool;
  readonly #clock: ReactorTime;
  readonly #patients: readonly Patient[];
  readonly #options: Required<Omit<HealthCheckOptions, 'host'>> & { readonly host: string | null };
  #timer: { active(): boolean; cancel(): void } | undefined;
  #running = false;

  /** @throws {RangeError} for times and counts that make no sense */
  constructor(
    pool: HTTPConnectionPool,
    clock: ReactorTime,
    backends: readonly Backend[],
    options: HealthCheckOptions,
  ) {
    this.#pool = pool;
    this.#clock = clock;
    this.#patients = backends.map((backend) => new Patient(backend));
    this.#options = {
      path: '/',
      host: null,
      interval: 10,
      timeout: 5,
      unhealthyAfter: 3,
      healthyAfter: 2,
      isHealthy: (status) => status >= 200 && status < 400,
      ...options,
    };
    for (const name of ['interval', 'timeout', 'unhealthyAfter', 'healthyAfter'] as const) {
      const value = this.#options[name];
      if (typeof value === 'number' && value > 0) continue;
      throw new RangeError(`The option ${name} must be a number above 0: got ${String(value)}`);
    }
  }

  /** Begins; does nothing if it has. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#round();
  }

  /** Asks no more, until it is started again. */
  stop(): void {
    this.#running = false;
    if (this.#timer?.active()) this.#timer.cancel();
  }

  #round(): void {
    if (!this.#running) return;
    this.#timer = this.#clock.callLater(this.#options.interval, () => this.#round());
    for (const patient of this.#patients) if (!patient.busy) this.#ask(patient);
  }

  #ask(patient: Patient): void {
    const { path, host, timeout, isHealthy } = this.#options;
    const { backend } = patient;
    patient.busy = true;
    this.#pool
      .request(backend.key, backend.endpoint, {
        method: 'GET',
        target: path,
        host: host ?? backend.authority,
        options: { timeout, retry: false },
      })
      .addCallback((response) => {
        response.discard();
        return { good: isHealthy(response.code), what: String(response.code) };
      })
      .addErrback((failure) => ({ good: false, what: failure.getErrorMessage() }))
      .addCallback(({ good, what }) => this.#heard(patient, good, what));
  }

  #heard(patient: Patient, good: boolean, what: string): void {
    const { backend } = patient;
    patient.busy = false;
    if (good === backend.healthy) {
      patient.surprises = 0;
      return;
    }
    patient.surprises += 1;
    const { healthyAfter, unhealthyAfter } = this.#options;
    if (patient.surprises < (good ? healthyAfter : unhealthyAfter)) return;
    patient.surprises = 0;
    backend.healthy = good;
    const message = `Backend ${backend.authority} is ${good ? 'healthy again' : `ill: ${what}`}`;
    logEvent({ level: good ? 'info' : 'warn', system: 'ReverseProxyResource', message });
  }
}
