/** Which counts of which nonces have been used, for a bounded number of nonces. */

/** How far behind the highest count one may come: browsers send several requests at once. */
const WINDOW = 64;

interface Uses {
  highest: number;
  /** Bit n: the count `highest - n` was used. */
  seen: bigint;
}

export class NonceCounts {
  readonly #limit: number;
  readonly #uses = new Map<string, Uses>();
  /** Nonces that were made before this time and are not known any more may have been used with any count. */
  #forgottenBefore = Number.NEGATIVE_INFINITY;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether nothing can be said of a nonce of this age, because it may be one of those that were given up. */
  isForgotten(nonce: string, made: number): boolean {
    return made <= this.#forgottenBefore && !this.#uses.has(nonce);
  }

  isFree(nonce: string, count: number): boolean {
    const uses = this.#uses.get(nonce);
    if (uses === undefined || count > uses.highest) return true;
    const behind = uses.highest - count;
    return behind < WINDOW && (uses.seen & (1n << BigInt(behind))) === 0n;
  }

  /** Uses a count up. False if it is used up already. */
  use(nonce: string, count: number): boolean {
    if (!this.isFree(nonce, count)) return false;
    const uses = this.#uses.get(nonce);
    if (uses === undefined) {
      this.#uses.set(nonce, { highest: count, seen: 1n });
      this.#forget();
    } else if (count > uses.highest) {
      const ahead = count - uses.highest;
      uses.seen = ahead >= WINDOW ? 1n : BigInt.asUintN(WINDOW, uses.seen << BigInt(ahead)) | 1n;
      uses.highest = count;
    } else uses.seen |= 1n << BigInt(uses.highest - count);
    return true;
  }

  #forget(): void {
    if (this.#uses.size <= this.#limit) return;
    for (const nonce of this.#uses.keys()) {
      this.#uses.delete(nonce);
      const made = Buffer.from(nonce, 'base64url').readDoubleBE(0);
      this.#forgottenBefore = Math.max(this.#forgottenBefore, made);
      if (this.#uses.size <= this.#limit) return;
    }
  }
}
