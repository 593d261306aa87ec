/** How long to wait before the next attempt. */

/** The seconds to wait after `failedAttempts` attempts in a row (1 or more) that failed. */
export type RetryPolicy = (failedAttempts: number) => number;

/** Options of `backoffPolicy`. */
export interface BackoffOptions {
  /** Seconds that the growth starts from. Default 1. */
  initialDelay?: number;
  /** Seconds that the growth ends at. Default 60. */
  maxDelay?: number;
  /** By how much each failure lengthens the wait. Default 1.5. */
  factor?: number;
  /** Seconds to add, anew for each wait, so that clients that lost a server together do not come back together. Default: at random from 0 to 1. */
  jitter?: () => number;
}

/** Beyond this, more attempts make the wait no longer: powers grow past what a number holds. */
const LARGEST_EXPONENT = 100;

/**
 * Waits that grow by a factor up to a maximum, each with some jitter: `min(initialDelay * factor ** attempts, maxDelay) + jitter()`.
 *
 * Twisted: `twisted.application.internet.backoffPolicy`.
 *
 * @throws {RangeError} when an option is not a finite number of 0 or more
 */
export function backoffPolicy({
  initialDelay = 1,
  maxDelay = 60,
  factor = 1.5,
  jitter = Math.random,
}: BackoffOptions = {}): RetryPolicy {
  for (const [name, value] of Object.entries({ initialDelay, maxDelay, factor })) {
    if (!(Number.isFinite(value) && value >= 0)) {
      throw new RangeError(
        `Cannot back off with ${name} ${String(value)}: expected a finite number of 0 or more`,
      );
    }
  }
  return (failedAttempts) => {
    const growth = factor ** Math.min(LARGEST_EXPONENT, failedAttempts);
    const delay = initialDelay * growth;
    // 0 times an infinite growth is not a number: a delay that starts at 0 stays there.
    return Math.min(Number.isNaN(delay) ? 0 : delay, maxDelay) + jitter();
  };
}
