/** Descriptions of endpoints under TLS: `ssl:` and `tls:`. Their files are read when they are first used, so that one that is missing is the endpoint's failure. */
import { TLSError } from '../errors.ts';
import type { Reactor, StreamClientEndpoint, StreamServerEndpoint } from '../interfaces.ts';
import {
  certificatesFromFile,
  dhParametersFromFile,
  keyFromFile,
  trustRootFromPath,
} from '../tls/files.ts';
import {
  CertificateOptions,
  optionsForClientTLS,
  PrivateCertificate,
  TLSVersion,
} from '../tls/index.ts';
import type {
  ClientTLSSettings,
  ReactorSSL,
  ServerTLSSettings,
  TLSContextFactory,
} from '../tls-interfaces.ts';
import { type EndpointDescription, endpointArgument } from './description.ts';
import { hostNameToASCII } from './host-name.ts';
import { HostnameEndpoint } from './hostname-endpoint.ts';
import { SSL4ClientEndpoint, SSL4ServerEndpoint } from './ssl.ts';
import { connectOptions, listenOptions, TCP_CLIENT, TCP_SERVER } from './tcp-arguments.ts';
import { wrapClientTLS } from './wrap-client-tls.ts';

const { matching, optional, text } = endpointArgument;

/** A context factory that is made when it is first asked for anything. What goes wrong then goes wrong again the next time, unless the files were put right. */
class LazyContext implements TLSContextFactory {
  readonly #make: () => TLSContextFactory;
  #made: TLSContextFactory | undefined;

  constructor(make: () => TLSContextFactory) {
    this.#make = make;
  }

  get #context(): TLSContextFactory {
    this.#made ??= this.#make();
    return this.#made;
  }

  serverSettings(): ServerTLSSettings {
    return this.#context.serverSettings();
  }

  clientSettings(hostname?: string): ClientTLSSettings {
    return this.#context.clientSettings(hostname);
  }
}

function certificateFromFiles(certificate: string, privateKey: string): PrivateCertificate {
  const [own, ...chain] = certificatesFromFile(certificate);
  const key = keyFromFile(privateKey);
  // Said here with both names; the error of the certificate itself knows neither.
  if (own.matches(key)) return new PrivateCertificate(own.x509, key, chain);
  const what = `the private key in '${privateKey}'`;
  throw new TLSError(`Cannot use ${what}: it does not match the certificate in '${certificate}'`);
}

/** @throws {EndpointSyntaxError} where there is nothing of the kind */
function withSSL(reactor: Reactor, description: EndpointDescription): Reactor & ReactorSSL {
  if ('listenSSL' in reactor && 'connectSSL' in reactor) {
    return reactor as Reactor & ReactorSSL; // both names are Twisted's, nobody uses them for anything else
  }
  return description.refuse('the reactor has no TLS');
}

// --------------------------------------------------------------------------------------------- servers

/** One version each, by Node's name and by OpenSSL's; those before are not served by a description. */
const METHODS: ReadonlyMap<string, TLSVersion> = new Map([
  ['TLSv1.2', TLSVersion.TLSv1_2],
  ['TLSv1.3', TLSVersion.TLSv1_3],
  ['TLSv1_2_METHOD', TLSVersion.TLSv1_2],
  ['TLSv1_3_METHOD', TLSVersion.TLSv1_3],
]);

const { port: PORT, ...OF_LISTENING } = TCP_SERVER;
const SSL_SERVER = {
  port: PORT,
  privateKey: optional(text(), 'server.pem'),
  certKey: optional(text(), undefined),
  sslmethod: optional(
    matching((value) => METHODS.has(value), 'TLSv1.2 or TLSv1.3'),
    undefined,
  ),
  ...OF_LISTENING,
  extraCertChain: optional(text(), undefined),
  dhParameters: optional(text(), undefined),
};

export function parseSSLServer(
  reactor: Reactor,
  description: EndpointDescription,
): StreamServerEndpoint {
  const values = description.read(SSL_SERVER);
  const { privateKey, certKey = privateKey, sslmethod, extraCertChain, dhParameters } = values;
  const version = sslmethod === undefined ? undefined : METHODS.get(sslmethod);
  const context = new LazyContext(
    () =>
      new CertificateOptions({
        certificate: certificateFromFiles(certKey, privateKey),
        ...(extraCertChain === undefined
          ? {}
          : { extraCertChain: certificatesFromFile(extraCertChain) }),
        ...(dhParameters === undefined ? {} : { dhParameters: dhParametersFromFile(dhParameters) }),
        ...(version === undefined
          ? {}
          : { raiseMinimumTo: version, lowerMaximumSecurityTo: version }),
      }),
  );
  const ssl = withSSL(reactor, description);
  return new SSL4ServerEndpoint(ssl, values.port, context, listenOptions(values));
}

// --------------------------------------------------------------------------------------------- clients

const HOSTNAME = matching((value) => hostNameToASCII(value) !== undefined, 'a host name');
const OWN_FILES = { privateKey: optional(text(), undefined) };

const SSL_CLIENT = {
  ...TCP_CLIENT,
  ...OWN_FILES,
  certKey: optional(text(), undefined),
  caCertsDir: optional(text(), undefined),
  hostname: optional(HOSTNAME, undefined),
};

const TLS_CLIENT = {
  ...TCP_CLIENT,
  // It is whom the certificate has to name.
  host: HOSTNAME,
  certificate: optional(text(), undefined),
  ...OWN_FILES,
  trustRoots: optional(text(), undefined),
  endpoint: optional(text(), undefined),
};

/** The files of a client; of certificate and key either may hold the other as well. */
interface ClientFiles {
  readonly certificate: string | undefined;
  readonly privateKey: string | undefined;
  readonly trustRoots: string | undefined;
}

function clientContext(hostname: string, files: ClientFiles): TLSContextFactory {
  const { certificate = files.privateKey, privateKey = certificate, trustRoots } = files;
  return new LazyContext(() =>
    optionsForClientTLS(hostname, {
      ...(certificate === undefined || privateKey === undefined
        ? {}
        : { clientCertificate: certificateFromFiles(certificate, privateKey) }),
      ...(trustRoots === undefined ? {} : { trustRoot: trustRootFromPath(trustRoots) }),
    }),
  );
}

export function parseSSLClient(
  reactor: Reactor,
  description: EndpointDescription,
): StreamClientEndpoint {
  const values = description.read(SSL_CLIENT);
  const { host, port, privateKey, certKey: certificate, caCertsDir: trustRoots } = values;
  const hostname = values.hostname ?? host;
  const context = clientContext(hostname, { certificate, privateKey, trustRoots });
  const ssl = withSSL(reactor, description);
  return new SSL4ClientEndpoint(ssl, host, port, context, connectOptions(values));
}

/** @param clientFromString reads the description in `endpoint` */
export function parseTLSClient(
  reactor: Reactor,
  description: EndpointDescription,
  clientFromString: (reactor: Reactor, description: string) => StreamClientEndpoint,
): StreamClientEndpoint {
  const values = description.read(TLS_CLIENT);
  const { host, port, endpoint } = values;
  const beneath =
    endpoint === undefined
      ? new HostnameEndpoint(reactor, host, port, connectOptions(values))
      : clientFromString(reactor, endpoint);
  return wrapClientTLS(clientContext(host, values), beneath, { hostname: host });
}
