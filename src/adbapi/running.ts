/**
 * Operations that run, in the order in which they began: a doubly linked list through them. (A Set whose members come and go by the hundred thousand copies itself again and again, and
 * the old copies keep dead members alive until a major collection: it cost more than everything else about a statement.)
 */
export interface Linked {
  next: Linked | null;
  previous: Linked | null;
}

export class Running<T extends Linked> {
  #first: T | null = null;
  #last: T | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The one that began first. */
  get first(): T | null {
    return this.#first;
  }

  add(item: T): void {
    item.previous = this.#last;
    item.next = null;
    if (this.#last === null) this.#first = item;
    else this.#last.next = item;
    this.#last = item;
    this.#size += 1;
  }

  /** It has to be here. */
  delete(item: T): void {
    // The neighbours are of this list, and so of its type.
    const previous = item.previous as T | null;
    const next = item.next as T | null;
    if (previous === null) this.#first = next;
    else previous.next = next;
    if (next === null) this.#last = previous;
    else next.previous = previous;
    item.next = null;
    item.previous = null;
    this.#size -= 1;
  }

  /** A copy, so that what is done with them may change the list. */
  toArray(): T[] {
    const items: T[] = [];
    for (let item = this.#first; item !== null; item = item.next as T | null) items.push(item); // as above
    return items;
  }
}
