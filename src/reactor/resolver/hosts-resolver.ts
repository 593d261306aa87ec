/** Names looked up in the hosts file first. */
import { reportFailure } from '../../deferred/index.ts';
import type { HostnameResolver, HostResolution } from '../interfaces.ts';
import { logEvent } from '../log.ts';
import { HostsFile, systemHostsFile } from './hosts-file.ts';
import {
  type AddressType,
  type CancelLookUp,
  ResolverBase,
  type ResolverOptions,
} from './resolver-base.ts';

/** Options of a `HostsResolver`. */
export interface HostsResolverOptions extends ResolverOptions {
  /** The hosts file. Default: the system's. It need not be there. */
  file?: string;
  /** Whom to ask for names that it does not have, or not with an address of the kind that is looked for. Default: nobody. */
  fallback?: HostnameResolver | null;
}

/**
 * Looks names up in a hosts file, which is read again when it has changed, and asks another resolver for those that are not there. A file that cannot be read counts as empty, and the log
 * says so.
 *
 * Twisted: `twisted.names.hosts.Resolver`.
 *
 * @example
 * reactor.installNameResolver(new HostsResolver({ fallback: new DNSResolver() }));
 */
export class HostsResolver extends ResolverBase {
  readonly #file: HostsFile;
  readonly #fallback: HostnameResolver | null;
  /** The complaint that the log has, so that it is not repeated with every look-up. */
  #complaint = '';

  constructor(options: HostsResolverOptions = {}) {
    super(options);
    this.#file = new HostsFile(options.file ?? systemHostsFile());
    this.#fallback = options.fallback ?? null;
  }

  protected override lookUp(
    name: string,
    types: readonly AddressType[],
    found: (hosts: readonly string[]) => void,
  ): CancelLookUp {
    let cancelled = false;
    let further: HostResolution | undefined;
    const go = (known: readonly string[]): void => {
      if (cancelled) return;
      const wanted = known.filter((host) => types.includes(host.includes(':') ? 'IPv6' : 'IPv4'));
      if (wanted.length > 0 || this.#fallback === null) {
        found(wanted);
        return;
      }
      const hosts: string[] = [];
      const receiver = {
        resolutionBegan: (resolution: HostResolution) => {
          further = resolution;
        },
        addressResolved: ({ host }: { readonly host: string }) => {
          hosts.push(host);
        },
        resolutionComplete: () => found(hosts),
      };
      try {
        this.#fallback.resolveHostName(receiver, name, 0, types);
      } catch (error) {
        reportFailure(error, 'Unhandled error in a resolver');
        found(hosts);
      }
    };
    this.#file.table().then(
      (table) => {
        this.#complaint = '';
        go(table.get(name) ?? []);
      },
      (error: Error) => {
        this.#complain(error);
        go([]);
      },
    );
    return () => {
      cancelled = true;
      further?.cancel();
    };
  }

  #complain({ message }: Error): void {
    if (this.#complaint === message) return;
    this.#complaint = message;
    const system = this.constructor.name;
    logEvent({ level: 'warn', system, message: `Cannot read the hosts file: ${message}` });
  }
}
