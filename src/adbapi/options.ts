/** The options of a pool: one table says of each its default, its least value and its reason, and checks what it is given. */
import { inspect } from 'node:util';
import type { OpenFunction } from './connection.ts';
import type { DriverOptions, PoolReactor } from './driver.ts';
import type { PoolLimits } from './pool/limits.ts';
import type { PoolMetrics } from './pool/stats.ts';

/** Options of a `ConnectionPool`. Times are in seconds, fractions allowed; null means "never" or "no limit". What does not start with `cp_` goes to the driver. */
export interface PoolOptions {
  /** Connections kept open when nobody wants one, so that the next call need not wait; held to `cp_max`. Default 3. */
  readonly cp_min?: number;
  /** Connections at most: a database is fastest with few, and refuses too many. Default 5. */
  readonly cp_max?: number;
  /** What messages, the log and metrics call it. Default `'pool'`. */
  readonly cp_name?: string;
  /** Keeps time, starts the pool when it runs, and closes it when it stops. Default: the process's. */
  readonly cp_reactor?: PoolReactor;
  /** Logs each statement at level debug, without its parameters. Default `false`. */
  readonly cp_noisy?: boolean;
  /** Called with each new connection before anybody gets it: session settings, functions, pragmas. May return a Deferred or promise. Default `null`. */
  readonly cp_openfun?: OpenFunction | null;
  /** A call whose connection broke fails with `ConnectionLost`, with the driver's error as its cause; `false` hands out the driver's error. Default `true`. */
  readonly cp_reconnect?: boolean;
  /** The statement by which an idle connection is tried. Default: the driver's. */
  readonly cp_good_sql?: string | null;
  /** Wait for a connection at most: a forgotten connection must become an error, not silence. Default 30. */
  readonly cp_acquire_timeout?: number | null;
  /** Calls that may wait beyond those for which a connection can still be opened: a queue without end only hides that the database does not keep up. Default 10000. */
  readonly cp_max_waiting?: number;
  /** Deadline for a new connection, from looking up the name to being let in; one that arrives later is closed. Default 15. */
  readonly cp_connect_timeout?: number;
  /** A connection that was idle longer is tried before it is handed out: servers and firewalls drop idle ones without a word. Default 0.5. */
  readonly cp_validate_after?: number | null;
  /** How long such a trial may take: a dead network gives no answer at all. Default 5. */
  readonly cp_validate_timeout?: number;
  /** Idle time after which a connection beyond `cp_min` is closed: a peak need not cost for ever. Default 600. */
  readonly cp_idle_timeout?: number | null;
  /** Age at which a connection is replaced when it comes back: it lets load move to new servers, and servers free memory. Default 1800. */
  readonly cp_max_lifetime?: number | null;
  /** Share of `cp_max_lifetime` by which the life of each is shortened at random: those opened together must not end together. Default 0.1. */
  readonly cp_lifetime_jitter?: number;
  /** How often a connection is handed out before it is replaced, for servers that leak memory. Default null. */
  readonly cp_max_uses?: number | null;
  /** Wait after a failed attempt to connect; doubles with each, half of it left to chance. Default 0.1. */
  readonly cp_backoff?: number;
  /** The longest such wait: how long after a server is back it may take to be noticed. Default 5. */
  readonly cp_backoff_max?: number;
  /** Time after which whoever holds a connection is logged with the stack that acquired it; costs a stack trace for each call. Default null. */
  readonly cp_leak_after?: number | null;
  /** Time for each statement, unless the call says otherwise; it is then cancelled in the database. Default null. */
  readonly cp_statement_timeout?: number | null;
  /** How long a cancelled statement has to stop before its connection is dropped. Default 5. */
  readonly cp_cancel_timeout?: number;
  /** Silence on a running statement after which the database is asked, by another connection, whether it still works on it; if not, the connection is dropped. Default 60. */
  readonly cp_watchdog?: number | null;
  /** How long `close` waits for what runs before it takes the connections away. Default 30. */
  readonly cp_close_timeout?: number | null;
  /** How often an interaction that lost against another one (serialization failure, deadlock) is done again; 0 because its function must bear being called twice. Default 0. */
  readonly cp_retries?: number;
  /** Wait before the first such retry; doubles with each, half of it left to chance. Default 0.01. */
  readonly cp_retry_delay?: number;
  /** The longest such wait. Default 1. */
  readonly cp_retry_delay_max?: number;
  /** Rows fetched at a time by `stream`: memory against round trips. Default 256. */
  readonly cp_page_size?: number;
  /** An object with methods that hear of every wait, use, opening and failure. Default `null`. */
  readonly cp_metrics?: PoolMetrics | null;
}

/** Those that are numbers, as they are used: all there. */
export interface NumberOptions {
  cp_min: number;
  cp_max: number;
  cp_acquire_timeout: number | null;
  cp_max_waiting: number;
  cp_connect_timeout: number;
  cp_validate_after: number | null;
  cp_validate_timeout: number;
  cp_idle_timeout: number | null;
  cp_max_lifetime: number | null;
  cp_lifetime_jitter: number;
  cp_max_uses: number | null;
  cp_backoff: number;
  cp_backoff_max: number;
  cp_leak_after: number | null;
  cp_statement_timeout: number | null;
  cp_cancel_timeout: number;
  cp_watchdog: number | null;
  cp_close_timeout: number | null;
  cp_retries: number;
  cp_retry_delay: number;
  cp_retry_delay_max: number;
  cp_page_size: number;
}

/** What is known of an option that is a number. */
export interface NumberRule {
  readonly initial: number | null;
  /** The least it may be. */
  readonly least: number;
  readonly most?: number;
  /** Whether it is a count, and not a time or a share. */
  readonly whole?: true;
  /** Whether null may stand for "never" or "no limit". */
  readonly nullable?: true;
  readonly reason: string;
}

export const NUMBER_OPTIONS: { readonly [K in keyof NumberOptions]: NumberRule } = {
  cp_min: {
    initial: 3,
    least: 0,
    whole: true,
    reason:
      'Connections kept open when nobody wants one, so that the next call need not wait; held to `cp_max`',
  },
  cp_max: {
    initial: 5,
    least: 1,
    whole: true,
    reason: 'Connections at most: a database is fastest with few, and refuses too many',
  },
  cp_acquire_timeout: {
    initial: 30,
    least: 0.01,
    nullable: true,
    reason:
      'Wait for a connection at most: a forgotten connection must become an error, not silence',
  },
  cp_max_waiting: {
    initial: 10_000,
    least: 0,
    whole: true,
    reason:
      'Calls that may wait beyond those for which a connection can still be opened: a queue without end only hides that the database does not keep up',
  },
  cp_connect_timeout: {
    initial: 15,
    least: 0.01,
    reason:
      'Deadline for a new connection, from looking up the name to being let in; one that arrives later is closed',
  },
  cp_validate_after: {
    initial: 0.5,
    least: 0,
    nullable: true,
    reason:
      'A connection that was idle longer is tried before it is handed out: servers and firewalls drop idle ones without a word',
  },
  cp_validate_timeout: {
    initial: 5,
    least: 0.01,
    reason: 'How long such a trial may take: a dead network gives no answer at all',
  },
  cp_idle_timeout: {
    initial: 600,
    least: 0.01,
    nullable: true,
    reason:
      'Idle time after which a connection beyond `cp_min` is closed: a peak need not cost for ever',
  },
  cp_max_lifetime: {
    initial: 1800,
    least: 0.01,
    nullable: true,
    reason:
      'Age at which a connection is replaced when it comes back: it lets load move to new servers, and servers free memory',
  },
  cp_lifetime_jitter: {
    initial: 0.1,
    least: 0,
    most: 0.9,
    reason:
      'Share of `cp_max_lifetime` by which the life of each is shortened at random: those opened together must not end together',
  },
  cp_max_uses: {
    initial: null,
    least: 1,
    whole: true,
    nullable: true,
    reason:
      'How often a connection is handed out before it is replaced, for servers that leak memory',
  },
  cp_backoff: {
    initial: 0.1,
    least: 0.001,
    reason: 'Wait after a failed attempt to connect; doubles with each, half of it left to chance',
  },
  cp_backoff_max: {
    initial: 5,
    least: 0.001,
    reason: 'The longest such wait: how long after a server is back it may take to be noticed',
  },
  cp_leak_after: {
    initial: null,
    least: 0.01,
    nullable: true,
    reason:
      'Time after which whoever holds a connection is logged with the stack that acquired it; costs a stack trace for each call',
  },
  cp_statement_timeout: {
    initial: null,
    least: 0.001,
    nullable: true,
    reason:
      'Time for each statement, unless the call says otherwise; it is then cancelled in the database',
  },
  cp_cancel_timeout: {
    initial: 5,
    least: 0.001,
    reason: 'How long a cancelled statement has to stop before its connection is dropped',
  },
  cp_watchdog: {
    initial: 60,
    least: 0.01,
    nullable: true,
    reason:
      'Silence on a running statement after which the database is asked, by another connection, whether it still works on it; if not, the connection is dropped',
  },
  cp_close_timeout: {
    initial: 30,
    least: 0,
    nullable: true,
    reason: 'How long `close` waits for what runs before it takes the connections away',
  },
  cp_retries: {
    initial: 0,
    least: 0,
    whole: true,
    reason:
      'How often an interaction that lost against another one (serialization failure, deadlock) is done again; 0 because its function must bear being called twice',
  },
  cp_retry_delay: {
    initial: 0.01,
    least: 0.001,
    reason: 'Wait before the first such retry; doubles with each, half of it left to chance',
  },
  cp_retry_delay_max: { initial: 1, least: 0.001, reason: 'The longest such wait' },
  cp_page_size: {
    initial: 256,
    least: 1,
    whole: true,
    reason: 'Rows fetched at a time by `stream`: memory against round trips',
  },
};

/** The others, for the documentation. */
export const OTHER_OPTIONS: Readonly<Record<string, { initial: string; reason: string }>> = {
  cp_name: { initial: "`'pool'`", reason: 'What messages, the log and metrics call it' },
  cp_reactor: {
    initial: "the process's",
    reason: 'Keeps time, starts the pool when it runs, and closes it when it stops',
  },
  cp_noisy: {
    initial: '`false`',
    reason: 'Logs each statement at level debug, without its parameters',
  },
  cp_openfun: {
    initial: '`null`',
    reason:
      'Called with each new connection before anybody gets it: session settings, functions, pragmas. May return a Deferred or promise',
  },
  cp_reconnect: {
    initial: '`true`',
    reason:
      "A call whose connection broke fails with `ConnectionLost`, with the driver's error as its cause; `false` hands out the driver's error",
  },
  cp_good_sql: {
    initial: "the driver's",
    reason: 'The statement by which an idle connection is tried',
  },
  cp_metrics: {
    initial: '`null`',
    reason: 'An object with methods that hear of every wait, use, opening and failure',
  },
};

/** A pool's options as they are used. */
export interface ResolvedOptions extends NumberOptions {
  cp_name: string;
  cp_reactor: PoolReactor | null;
  cp_noisy: boolean;
  cp_openfun: OpenFunction | null;
  cp_reconnect: boolean;
  cp_good_sql: string | null;
  cp_metrics: PoolMetrics | null;
}

function fault(name: string, value: unknown, expected: string): string {
  return `Cannot use option ${name}: ${inspect(value, { depth: 0 })}: expected ${expected}`;
}

/**
 * What an option that is a number comes to.
 * @throws {TypeError} @throws {RangeError} for one that cannot be
 */
export function checkNumber(name: string, value: unknown, rule: NumberRule): number | null {
  const { least, most = Number.POSITIVE_INFINITY, whole, nullable } = rule;
  if (value === undefined) return rule.initial;
  if (value === null && nullable === true) return null;
  const expected = `a ${whole === true ? 'whole ' : ''}number of ${least} or more${
    most === Number.POSITIVE_INFINITY ? '' : `, ${most} at most`
  }${nullable === true ? ', or null' : ''}`;
  if (typeof value !== 'number' || Number.isNaN(value)) {
    throw new TypeError(fault(name, value, expected));
  }
  if (value < least || value > most || value === Number.POSITIVE_INFINITY) {
    throw new RangeError(fault(name, value, expected));
  }
  if (whole === true && !Number.isInteger(value))
    throw new RangeError(fault(name, value, expected));
  return value;
}

function checkType<T>(
  name: string,
  value: unknown,
  fallback: T,
  expected: string,
  fits: (value: unknown) => boolean,
): T {
  if (value === undefined) return fallback;
  if (!fits(value)) throw new TypeError(fault(name, value, expected));
  return value as T; // `fits` has looked at it
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';
const isFlag = (value: unknown): boolean => typeof value === 'boolean';
const isObject = (value: unknown): boolean => typeof value === 'object';

/**
 * Tells the pool's options from the driver's.
 * @throws {TypeError} @throws {RangeError} for one that is unknown or cannot be: names it, the value, and what was expected
 */
export function resolveOptions(given: Readonly<Record<string, unknown>>): {
  pool: ResolvedOptions;
  driver: DriverOptions;
} {
  if (typeof given !== 'object' || given === null) {
    throw new TypeError(
      `Cannot use ${inspect(given)} as options of a pool: expected an object, such as { filename: 'shop.db', cp_max: 3 }`,
    );
  }
  const own = new Map<string, unknown>();
  const others: [string, unknown][] = [];
  for (const [name, value] of Object.entries(given)) {
    if (!name.startsWith('cp_')) others.push([name, value]);
    else if (name in NUMBER_OPTIONS || name in OTHER_OPTIONS) own.set(name, value);
    else {
      const known = [...Object.keys(NUMBER_OPTIONS), ...Object.keys(OTHER_OPTIONS)];
      throw new TypeError(
        `Cannot use option ${name}: unknown; known are ${known.sort().join(', ')}`,
      );
    }
  }
  const numbers = Object.fromEntries(
    Object.entries(NUMBER_OPTIONS).map(([name, rule]) => [
      name,
      checkNumber(name, own.get(name), rule),
    ]),
  ) as unknown as NumberOptions; // the table has a rule for each
  numbers.cp_min = Math.min(numbers.cp_min, numbers.cp_max);
  numbers.cp_backoff_max = Math.max(numbers.cp_backoff_max, numbers.cp_backoff);
  const openfun = (value: unknown): boolean => value === null || typeof value === 'function';
  return {
    driver: Object.fromEntries(others),
    pool: {
      ...numbers,
      cp_name: checkType('cp_name', own.get('cp_name'), 'pool', 'some text', isText),
      cp_reactor: checkType('cp_reactor', own.get('cp_reactor'), null, 'a reactor', isReactor),
      cp_noisy: checkType('cp_noisy', own.get('cp_noisy'), false, 'true or false', isFlag),
      cp_openfun: checkType('cp_openfun', own.get('cp_openfun'), null, 'a function', openfun),
      cp_reconnect: checkType(
        'cp_reconnect',
        own.get('cp_reconnect'),
        true,
        'true or false',
        isFlag,
      ),
      cp_good_sql: checkType(
        'cp_good_sql',
        own.get('cp_good_sql'),
        null,
        'a statement or null',
        (value) => value === null || isText(value),
      ),
      cp_metrics: checkType('cp_metrics', own.get('cp_metrics'), null, 'an object', isObject),
    },
  };
}

function isReactor(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof Reflect.get(value, 'callLater') === 'function' &&
    typeof Reflect.get(value, 'seconds') === 'function'
  );
}

/** The limits of a pool whose driver is not known yet: it says how many connections make sense. */
export function limitsOf(options: ResolvedOptions): {
  -readonly [K in keyof PoolLimits]: PoolLimits[K];
} {
  return {
    // Until the driver is there, and says how many make sense.
    min: Math.min(1, options.cp_min),
    max: 1,
    shares: 1,
    acquireTimeout: options.cp_acquire_timeout,
    maxWaiting: options.cp_max_waiting,
    openTimeout: options.cp_connect_timeout,
    idleTimeout: options.cp_idle_timeout,
    maxLifetime: options.cp_max_lifetime,
    lifetimeJitter: options.cp_lifetime_jitter,
    maxUses: options.cp_max_uses,
    validateAfter: options.cp_validate_after,
    backoff: options.cp_backoff,
    backoffMax: options.cp_backoff_max,
    leakAfter: options.cp_leak_after,
    closeTimeout: options.cp_close_timeout,
  };
}
