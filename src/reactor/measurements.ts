/** Numbers that parts of a program have to tell about themselves, for whoever watches it. */

/** One number. */
export interface Measurement {
  /** As Prometheus has names: `strand_connections_open`, with the unit at the end where there is one; those that only grow end in `_total`. */
  readonly name: string;
  /** What it means, in a sentence. */
  readonly help: string;
  /** Whether it only grows. */
  readonly type: 'counter' | 'gauge';
  /** The number. */
  readonly value: number;
  /** What it is about, where there are several of the name. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** What has numbers to tell: a reactor, a factory, a pool, a service. */
export interface Measurable {
  /** How they stand now. */
  measurements(): Iterable<Measurement>;
}

/** Whether `value` has numbers to tell. */
export function isMeasurable(value: unknown): value is Measurable {
  return (
    typeof value === 'object' &&
    value !== null &&
    'measurements' in value &&
    typeof value.measurements === 'function'
  );
}
