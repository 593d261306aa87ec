/** Names looked up in a table. */
import { type AddressType, ResolverBase } from '../resolver/resolver-base.ts';

/** Answers at once, before `resolveHostName` returns: IP literals as themselves, names from its table, and other names with nothing. */
export class MemoryResolver extends ResolverBase {
  readonly #hosts: ReadonlyMap<string, readonly string[]>;

  constructor(hosts: ReadonlyMap<string, readonly string[]>) {
    super();
    this.#hosts = hosts;
  }

  protected override lookUp(
    name: string,
    _types: readonly AddressType[],
    found: (hosts: readonly string[]) => void,
  ): undefined {
    found(this.#hosts.get(name) ?? []);
  }
}
