/** Endpoints from text, and the table of prefixes that say how it is read (Twisted: `serverFromString`, `clientFromString`). */
import { isIPv4, isIPv6 } from 'node:net';
import type { ReactorSocket } from '../adopt-interfaces.ts';
import type {
  Reactor,
  ReactorUNIX,
  StreamClientEndpoint,
  StreamServerEndpoint,
} from '../interfaces.ts';
import type { StandardIOHost } from '../libuv/stdio.ts';
import { EndpointDescription, EndpointSyntaxError, endpointArgument } from './description.ts';
import { HostnameEndpoint } from './hostname-endpoint.ts';
import { StandardIOEndpoint } from './stdio.ts';
import { parseSystemd } from './systemd.ts';
import {
  TCP4ClientEndpoint,
  TCP4ServerEndpoint,
  TCP6ClientEndpoint,
  TCP6ServerEndpoint,
} from './tcp.ts';
import {
  BACKLOG,
  connectOptions,
  listenOptions,
  TCP_CLIENT,
  TCP_SERVER,
  TCP6_SERVER,
} from './tcp-arguments.ts';
import { parseSSLClient, parseSSLServer, parseTLSClient } from './tls-strings.ts';
import { UNIXClientEndpoint, UNIXServerEndpoint } from './unix.ts';

/** Makes the server endpoint that a description with its prefix stands for. May throw `EndpointSyntaxError`. */
export type ServerEndpointParser = (
  reactor: Reactor,
  description: EndpointDescription,
) => StreamServerEndpoint;

/** Makes the client endpoint that a description with its prefix stands for. May throw `EndpointSyntaxError`. */
export type ClientEndpointParser = (
  reactor: Reactor,
  description: EndpointDescription,
) => StreamClientEndpoint;

const serverParsers = new Map<string, ServerEndpointParser>();
const clientParsers = new Map<string, ClientEndpointParser>();

/** Has `parser` read server descriptions that begin with `prefix:`, instead of whoever did before, whom it returns. */
export function registerServerEndpointParser(
  prefix: string,
  parser: ServerEndpointParser,
): ServerEndpointParser | undefined {
  return register(serverParsers, prefix, parser);
}

/** Has `parser` read client descriptions that begin with `prefix:`, instead of whoever did before, whom it returns. */
export function registerClientEndpointParser(
  prefix: string,
  parser: ClientEndpointParser,
): ClientEndpointParser | undefined {
  return register(clientParsers, prefix, parser);
}

function register<T>(parsers: Map<string, T>, prefix: string, parser: T): T | undefined {
  if (!/^[^\\:=]+$/.test(prefix)) {
    throw new TypeError(`Cannot register prefix '${prefix}': expected text without : = \\`);
  }
  const previous = parsers.get(prefix);
  parsers.set(prefix, parser);
  return previous;
}

/** Prefixes of ours that another part of the package registers when it is loaded. */
const BROUGHT_BY: ReadonlyMap<string, string> = new Map([
  ['server haproxy', 'strand/protocols'],
  ['client socks', 'strand/protocols/socks'],
]);

function parserFor<T>(kind: string, parsers: Map<string, T>, description: EndpointDescription): T {
  const parser = parsers.get(description.prefix);
  if (parser !== undefined) return parser;
  const room = BROUGHT_BY.get(`${kind} ${description.prefix}`);
  if (room !== undefined) {
    const what = `prefix '${description.prefix}' is known once '${room}' has been imported`;
    throw new EndpointSyntaxError(description.text, 0, what);
  }
  const known = [...parsers.keys()].map((prefix) => `${prefix}:`).join(', ');
  throw new EndpointSyntaxError(
    description.text,
    0,
    `unknown ${kind} prefix '${description.prefix}': known are ${known}`,
  );
}

/**
 * The server endpoint that `description` stands for:
 *
 * | description | meaning |
 * |---|---|
 * | `tcp:8080` | TCP on port 8080 of every IPv4 address; `tcp:0` takes any free port |
 * | `tcp:8080:interface=127.0.0.1:backlog=50` | on one address, which may be IPv6 (`interface=\:\:1`), or on `localhost` |
 * | `tcp6:8080:interface=\:\:1` | TCP over IPv6; without `interface`, on `::` |
 * | `tcp:8080:reusePort=1` | beside others that say so too, who share the connections; `tcp6` as well |
 * | `ssl:443:privateKey=server.key:certKey=server.crt` | TLS over TCP, with `interface`, `backlog` and `reusePort` as for `tcp`; `tls:` means the same. Files are PEM and read when it listens. Without names, both are in `server.pem` |
 * | `ssl:443:server.pem:extraCertChain=chain.pem:dhParameters=dh.pem` | with the certificates that lead to a root, and parameters for DHE ciphers; `sslmethod=TLSv1.3` speaks that version only |
 * | `unix:/run/app.sock:mode=660` | a UNIX socket; `mode` is octal. A lock file beside it tells a stale file from a live one, unless `lockfile=0` |
 * | `pipe:app` | the named pipe `\\\\.\\pipe\\app`, on Windows |
 * | `systemd:domain=INET:index=0` | the first socket that systemd passed to this process; `INET6` and `UNIX` are the other domains |
 * | `systemd:domain=UNIX:name=web` | the one that its socket unit calls `web` |
 * | `stdio:` | standard input and output, as one connection |
 * | `haproxy:tcp:8080` | any other description, whose connections begin with a PROXY header (`strand/protocols`) |
 *
 * @throws {EndpointSyntaxError}
 */
export function serverFromString(reactor: Reactor, description: string): StreamServerEndpoint {
  const parsed = new EndpointDescription(description);
  return parserFor('server', serverParsers, parsed)(reactor, parsed);
}

/**
 * The client endpoint that `description` stands for:
 *
 * | description | meaning |
 * |---|---|
 * | `tcp:example.com:80` or `tcp:host=example.com:port=80` | TCP to whichever address of the name answers first |
 * | `tcp:127.0.0.1:80:timeout=5:bindAddress=127.0.0.2` | TCP to one address, which may be IPv6 (`tcp:\:\:1:80`) |
 * | `tcp6:example.com:80` | TCP over IPv6 only |
 * | `tls:example.com:443` | TLS to whichever address of the name answers first; the server has to prove that it is `example.com`, to authorities that Node trusts |
 * | `tls:example.com:443:trustRoots=ca:certificate=me.crt:privateKey=me.key` | to those of a file, or of the `.pem` files of a folder; and with a certificate to show |
 * | `tls:example.com:443:endpoint=unix\:/run/proxy.sock` | TLS over what another description connects to |
 * | `ssl:127.0.0.1:443:hostname=example.com:caCertsDir=ca:certKey=me.crt:privateKey=me.key` | TLS to one address; with `hostname`, the server has to prove that it is that one |
 * | `unix:/run/app.sock:timeout=5` | a UNIX socket; with `lockfile=1` the lock file beside it is looked at first |
 * | `pipe:app` | the named pipe `\\\\.\\pipe\\app`, on Windows |
 * | `socks:example.com:80:endpoint=tcp\:127.0.0.1\:1080` | through a SOCKS proxy (`strand/protocols/socks`) |
 *
 * A name gives a `HostnameEndpoint`, unlike Twisted's `tcp:`, which tries one IPv4 address only. `timeout` is in seconds, 30 unless given.
 * @throws {EndpointSyntaxError}
 */
export function clientFromString(reactor: Reactor, description: string): StreamClientEndpoint {
  const parsed = new EndpointDescription(description);
  return parserFor('client', clientParsers, parsed)(reactor, parsed);
}

// -------------------------------------------------------------------------------------------- tcp and tcp6

const { matching, optional, seconds, text, wholeNumber } = endpointArgument;

registerServerEndpointParser('tcp', (reactor, description) => {
  const values = description.read(TCP_SERVER);
  return new TCP4ServerEndpoint(reactor, values.port, listenOptions(values));
});

registerServerEndpointParser('tcp6', (reactor, description) => {
  const values = description.read(TCP6_SERVER);
  return new TCP6ServerEndpoint(reactor, values.port, listenOptions(values));
});

registerClientEndpointParser('tcp', (reactor, description) => {
  const values = description.read(TCP_CLIENT);
  const { host, port } = values;
  const options = connectOptions(values);
  if (isIPv4(host)) return new TCP4ClientEndpoint(reactor, host, port, options);
  if (isIPv6(host)) return new TCP6ClientEndpoint(reactor, host, port, options);
  return new HostnameEndpoint(reactor, host, port, options);
});

registerClientEndpointParser('tcp6', (reactor, description) => {
  const values = description.read(TCP_CLIENT);
  return new TCP6ClientEndpoint(reactor, values.host, values.port, connectOptions(values));
});

// --------------------------------------------------------------------------------------------- ssl and tls

for (const prefix of ['ssl', 'tls']) registerServerEndpointParser(prefix, parseSSLServer);
registerClientEndpointParser('ssl', parseSSLClient);
registerClientEndpointParser('tls', (reactor, description) =>
  parseTLSClient(reactor, description, clientFromString),
);

// -------------------------------------------------------------------------------------------- unix and pipe

const OCTAL = matching((value) => /^0*[0-7]{1,3}$/.test(value), 'an octal number up to 777');
const YES_OR_NO = wholeNumber(0, 1);
const UNIX_SERVER = {
  address: text(),
  mode: optional(OCTAL, '666'),
  ...BACKLOG,
  lockfile: optional(YES_OR_NO, 1),
};
const UNIX_CLIENT = {
  path: text(),
  timeout: optional(seconds(), 30),
  lockfile: optional(YES_OR_NO, 0),
};

/** @throws {EndpointSyntaxError} where there is nothing of the kind */
function withUNIX(reactor: Reactor, description: EndpointDescription): Reactor & ReactorUNIX {
  if ('listenUNIX' in reactor && 'connectUNIX' in reactor) {
    return reactor as Reactor & ReactorUNIX; // both names are Twisted's, nobody uses them for anything else
  }
  return description.refuse('the reactor has no UNIX sockets');
}

/** @throws {EndpointSyntaxError} where there is nothing of the kind */
function withPipes(reactor: Reactor, description: EndpointDescription): Reactor & ReactorUNIX {
  if (process.platform === 'win32') return withUNIX(reactor, description);
  return description.refuse('only Windows has named pipes');
}

function pipePath(name: string): string {
  return name.startsWith('\\\\') ? name : `\\\\.\\pipe\\${name}`;
}

registerServerEndpointParser('unix', (reactor, description) => {
  const { address, mode, backlog, lockfile } = description.read(UNIX_SERVER);
  return new UNIXServerEndpoint(withUNIX(reactor, description), address, {
    mode: Number.parseInt(mode, 8),
    wantPID: lockfile === 1,
    ...(backlog === undefined ? {} : { backlog }),
  });
});

registerClientEndpointParser('unix', (reactor, description) => {
  const { path, timeout, lockfile } = description.read(UNIX_CLIENT);
  return new UNIXClientEndpoint(withUNIX(reactor, description), path, {
    timeout,
    checkPID: lockfile === 1,
  });
});

registerServerEndpointParser('pipe', (reactor, description) => {
  const { name, backlog } = description.read({ name: text(), ...BACKLOG });
  const options = backlog === undefined ? {} : { backlog };
  return new UNIXServerEndpoint(withPipes(reactor, description), pipePath(name), options);
});

registerClientEndpointParser('pipe', (reactor, description) => {
  const { name, timeout } = description.read({ name: text(), timeout: optional(seconds(), 30) });
  return new UNIXClientEndpoint(withPipes(reactor, description), pipePath(name), {
    timeout,
  });
});

// -------------------------------------------------------------------------------------- systemd and stdio

registerServerEndpointParser('systemd', (reactor, description) => {
  if (!('adoptStreamPort' in reactor)) {
    return description.refuse('the reactor cannot adopt descriptors');
  }
  // The name is Twisted's, nobody uses it for anything else.
  return parseSystemd(reactor as Reactor & ReactorSocket, description);
});

registerServerEndpointParser('stdio', (reactor, description) => {
  // 'stdio:' has one argument, an empty one.
  if (description.rest !== '') description.read({});
  if (!('scheduleFlush' in reactor && 'opened' in reactor)) {
    return description.refuse('the reactor has no real connections');
  }
  // What reactors with real connections have in common, see above.
  return new StandardIOEndpoint(reactor as Reactor & StandardIOHost);
});
