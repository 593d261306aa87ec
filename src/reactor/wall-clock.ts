/**
 * The time of day, in seconds since 1970 UTC. For saying when something happened, never for measuring or scheduling: it jumps when the clock is set. What measures takes
 * `seconds()` of a reactor.
 */
export function wallTime(): number {
  return Date.now() / 1000;
}
