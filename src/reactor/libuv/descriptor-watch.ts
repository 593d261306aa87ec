/**
 * Says that descriptors run out. When a process has none left, libuv accepts and closes whoever comes, to keep the port from spinning, and tells nobody. But new descriptors
 * get the lowest number that is free: one close to the limit shows that all below it are taken.
 */
import { readFileSync } from 'node:fs';
import { logEvent } from '../log.ts';

/** How close to the limit is worth a word. Descriptors. */
const FEW = 8;
/** Seconds between two words. */
const PAUSE = 60;

export class DescriptorWatch {
  readonly #limit: number;
  readonly #seconds: () => number;
  #quietUntil = Number.NEGATIVE_INFINITY;

  /** @param limit how many descriptors the process may have; Infinity where nobody knows */
  constructor(limit: number, seconds: () => number) {
    this.#limit = limit;
    this.#seconds = seconds;
  }

  /** A connection was accepted and got this descriptor; undefined where connections have none. */
  accepted(fd: number | undefined): void {
    if (fd === undefined || fd < this.#limit - FEW) return;
    const now = this.#seconds();
    if (now < this.#quietUntil) return;
    this.#quietUntil = now + PAUSE;
    const message = `Descriptors run out: a connection got number ${fd}, and the process may have ${this.#limit} (ulimit -n). Once all are taken, whoever connects is turned away`;
    logEvent({ level: 'warn', system: 'reactor', message, fields: { fd, limit: this.#limit } });
  }
}

/** The soft limit, which Node raises as far as it may when it starts. Linux only. */
function limitOfProcess(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    return Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

let watch: DescriptorWatch | undefined;

/** The process has them, so there is one watch for all ports. */
export function watchDescriptors(fd: number | undefined): void {
  watch ??= new DescriptorWatch(limitOfProcess(), () => performance.now() / 1000);
  watch.accepted(fd);
}
