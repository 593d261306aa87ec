/** One direction of one throttled connection: the part that reading and writing have in common. */
import type { TokenBucket, Waiter } from './token-bucket.ts';

/** Bytes that wait until every one of some buckets lets them pass. */
export abstract class Flow implements Waiter {
  readonly #buckets: readonly TokenBucket[];
  /** In whose line it stands. */
  #waitsAt: TokenBucket | undefined;

  constructor(buckets: readonly TokenBucket[]) {
    this.#buckets = buckets;
  }

  /** How many bytes wait and may pass as far as this connection is concerned. */
  protected abstract wanted(): number;
  /** Passes `bytes` of those that wait, which are as many at least. */
  protected abstract pass(bytes: number): void;

  /** Whether `bytes` may pass at once, all of them; then they are spent. */
  protected spendAll(bytes: number): boolean {
    if (this.#waitsAt !== undefined) return false;
    for (const bucket of this.#buckets) if (bucket.available() < bytes) return false;
    for (const bucket of this.#buckets) bucket.spend(bytes);
    return true;
  }

  /** `bytes` pass that were not waited for; others wait for them instead. */
  protected owe(bytes: number): void {
    for (const bucket of this.#buckets) bucket.spend(bytes);
  }

  /** Passes what may pass now, and gets in line for the rest. */
  protected pump(): void {
    while (this.#waitsAt === undefined && this.wanted() > 0) {
      if (!this.#passSome(undefined, Number.POSITIVE_INFINITY)) return;
    }
  }

  /** Leaves the line: there is nothing that may pass. */
  protected halt(): void {
    this.#waitsAt?.leave(this);
    this.#waitsAt = undefined;
  }

  serve(bucket: TokenBucket, most: number): void {
    this.#waitsAt = undefined;
    if (this.wanted() === 0 || !this.#passSome(bucket, most)) return;
    // It has had its slice, and others come first. What has passed may have got it in line already.
    if (this.wanted() > 0 && this.#waitsAt === undefined) this.#wait(bucket);
  }

  /** Passes as much as every bucket has; `granted` has said already how much that is. */
  #passSome(granted: TokenBucket | undefined, most: number): boolean {
    let bytes = Math.min(this.wanted(), most);
    for (const bucket of this.#buckets) {
      if (bucket === granted) continue;
      const available = bucket.available();
      if (available < 1) {
        this.#wait(bucket);
        return false;
      }
      bytes = Math.min(bytes, available);
    }
    for (const bucket of this.#buckets) bucket.spend(bytes);
    this.pass(bytes);
    return true;
  }

  #wait(bucket: TokenBucket): void {
    this.#waitsAt = bucket;
    bucket.wait(this);
  }
}
