/**
 * The sockets that systemd hands to the process it starts (sd_listen_fds(3)): descriptors from 3 on, and three variables that tell whom they are for, how many there
 * are, and what they are called.
 *
 * Node closes inherited descriptors for the programs it starts (it sets FD_CLOEXEC on them as it starts up), so that only the variables are to be kept from them.
 */
import type { AddressFamily, ReactorSocket } from '../adopt-interfaces.ts';
import { AdoptedStreamServerEndpoint } from './adopted.ts';
import {
  type ArgumentReader,
  type EndpointDescription,
  EndpointSyntaxError,
  endpointArgument,
} from './description.ts';

/** SD_LISTEN_FDS_START: the first that is passed. */
const FIRST = 3;
const VARIABLES = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID'] as const;
/** What sd_listen_fds_with_names calls a socket without a name. */
const UNNAMED = 'unknown';

/** The sockets that were passed to this process (Twisted: `twisted.python.systemd.ListenFDs`). */
export class ListenFDs {
  readonly #descriptors: readonly number[];
  readonly #names: readonly string[];
  /** Why there are none; empty when there are some. */
  readonly absence: string;

  private constructor(descriptors: readonly number[], names: readonly string[], absence: string) {
    this.#descriptors = descriptors;
    this.#names = names;
    this.absence = absence;
  }

  /**
   * Reads the variables, and removes them, so that the programs this process starts do not take the sockets for theirs. What was meant for another process, or is
   * garbled, gives no sockets.
   */
  static fromEnvironment(env: NodeJS.ProcessEnv = process.env): ListenFDs {
    const { LISTEN_PID: pid, LISTEN_FDS: fds, LISTEN_FDNAMES: joined } = env;
    for (const variable of VARIABLES) delete env[variable];
    const none = (why: string): ListenFDs => new ListenFDs([], [], why);
    if (pid === undefined || fds === undefined)
      return none('LISTEN_PID and LISTEN_FDS are not set');
    if (pid !== String(process.pid)) {
      return none(`LISTEN_PID is ${JSON.stringify(pid)} and this is process ${process.pid}`);
    }
    const count = /^[1-9]\d{0,5}$/.test(fds) ? Number(fds) : 0;
    if (count === 0) return none(`LISTEN_FDS is ${JSON.stringify(fds)}`);
    const names = joined === undefined || joined === '' ? [] : joined.split(':');
    if (names.length !== 0 && names.length !== count) {
      return none(`LISTEN_FDNAMES has ${names.length} names and LISTEN_FDS is ${count}`);
    }
    const descriptors = Array.from({ length: count }, (_, i) => FIRST + i);
    return new ListenFDs(
      descriptors,
      descriptors.map((_, i) => names[i] ?? UNNAMED),
      '',
    );
  }

  /** The descriptors, in the order of the socket unit. */
  inheritedDescriptors(): number[] {
    return [...this.#descriptors];
  }

  /** The descriptors by name (`FileDescriptorName=` of the socket unit); a name may have several. */
  inheritedNamedDescriptors(): Map<string, number[]> {
    const named = new Map<string, number[]>();
    this.#names.forEach((name, i) => {
      named.set(name, [...(named.get(name) ?? []), FIRST + i]);
    });
    return named;
  }
}

let passed: ListenFDs | undefined;

/** Those of this process: the variables can be read once. */
function passedSockets(): ListenFDs {
  passed ??= ListenFDs.fromEnvironment();
  return passed;
}

// ------------------------------------------------------------------------------------ description

const { matching, optional } = endpointArgument;

const DOMAIN = matching((value) => /^(INET6?|UNIX)$/.test(value), "'INET', 'INET6' or 'UNIX'");

/** Reads an argument as the descriptor that `find` sees in it. */
function socketReader(
  sockets: ListenFDs,
  find: (value: string) => readonly number[],
  kind: string,
): ArgumentReader<number> {
  const count = sockets.inheritedDescriptors().length;
  return {
    read(value) {
      const [fd, second] = find(value);
      if (fd === undefined) {
        return {
          expected: `the ${kind} of one of the ${count} sockets passed by systemd${sockets.absence && ` (${sockets.absence})`}`,
        };
      }
      if (second === undefined) return { value: fd };
      return { expected: `a name of one socket, and several have this one: use index` };
    },
  };
}

/** A socket that is asked for again is the same endpoint, which knows that it was used: its number may be something else's by now. */
const known = new WeakMap<ReactorSocket, Map<number, AdoptedStreamServerEndpoint>>();

/** Reads `systemd:domain=INET:index=0` and `systemd:domain=UNIX:name=web.socket`. @throws {EndpointSyntaxError} */
export function parseSystemd(
  reactor: ReactorSocket,
  description: EndpointDescription,
): AdoptedStreamServerEndpoint {
  const sockets = passedSockets();
  const descriptors = sockets.inheritedDescriptors();
  const named = sockets.inheritedNamedDescriptors();
  const byIndex = (value: string): number[] => {
    const fd = /^\d{1,6}$/.test(value) ? descriptors[Number(value)] : undefined;
    return fd === undefined ? [] : [fd];
  };
  const { domain, index, name } = description.read({
    domain: DOMAIN,
    index: optional(socketReader(sockets, byIndex, 'number'), undefined),
    name: optional(
      socketReader(sockets, (value) => named.get(value) ?? [], 'name'),
      undefined,
    ),
  });
  const fd = index ?? name;
  if (fd === undefined || (index !== undefined && name !== undefined)) {
    const message = "expected either 'index' or 'name'";
    throw new EndpointSyntaxError(description.text, description.text.length, message);
  }
  const endpoints = known.get(reactor) ?? new Map<number, AdoptedStreamServerEndpoint>();
  known.set(reactor, endpoints);
  const found = endpoints.get(fd);
  if (found !== undefined) return found;
  // DOMAIN lets nothing else through.
  const endpoint = new AdoptedStreamServerEndpoint(reactor, fd, domain as AddressFamily);
  endpoints.set(fd, endpoint);
  return endpoint;
}
