/**
 * Certificates to test TLS with, made by the `openssl` command when they are first asked for. One openssl run makes all of them;
 * they live in memory, the files they come from are gone before anybody sees them.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A private key and the certificate that goes with it, in PEM. */
export interface KeyAndCert {
  readonly key: string;
  readonly cert: string;
}

/** What there is to test with. All keys are EC P-256. */
export interface Certificates {
  /** Issued everything but what says otherwise. */
  readonly ca: KeyAndCert;
  /** Has nothing to do with the first. */
  readonly otherCA: KeyAndCert;
  /** Issued by `ca`, and the issuer of `chained`. */
  readonly intermediate: KeyAndCert;
  /** For localhost, 127.0.0.1 and ::1. */
  readonly server: KeyAndCert;
  /** For localhost and both loopback addresses as well, issued by `intermediate`. */
  readonly chained: KeyAndCert;
  /** For a.example. */
  readonly a: KeyAndCert;
  /** For b.example. */
  readonly b: KeyAndCert;
  /** For *.wild.example. */
  readonly wild: KeyAndCert;
  /** For localhost and both loopback addresses, until 2021. */
  readonly expired: KeyAndCert;
  /** For wrong.example only. */
  readonly wrongName: KeyAndCert;
  /** For localhost, issued by `otherCA`. */
  readonly otherServer: KeyAndCert;
  /** For localhost and both loopback addresses, issued by itself. */
  readonly selfSigned: KeyAndCert;
  /** A client's, CN=good client. */
  readonly client: KeyAndCert;
  /** A client's, CN=other client, issued by `otherCA`. */
  readonly otherClient: KeyAndCert;
}

interface Wanted {
  readonly subject: string;
  /** Whose key signs it; itself if it is not said. */
  readonly issuer?: keyof Certificates;
  readonly extensions: readonly string[];
  readonly expired?: boolean;
}

const AUTHORITY = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];
const LOOPBACK = 'DNS:localhost,IP:127.0.0.1,IP:::1';

function forServer(names: string): readonly string[] {
  return [
    'basicConstraints=critical,CA:FALSE',
    'keyUsage=critical,digitalSignature',
    'extendedKeyUsage=serverAuth',
    `subjectAltName=${names}`,
  ];
}

const FOR_CLIENT = [
  'basicConstraints=critical,CA:FALSE',
  'keyUsage=critical,digitalSignature',
  'extendedKeyUsage=clientAuth',
];

/** Issuers come before what they issue. */
const WANTED: { readonly [K in keyof Certificates]: Wanted } = {
  ca: { subject: 'test authority', extensions: AUTHORITY },
  otherCA: { subject: 'other authority', extensions: AUTHORITY },
  intermediate: { subject: 'intermediate authority', issuer: 'ca', extensions: AUTHORITY },
  server: { subject: 'localhost', issuer: 'ca', extensions: forServer(LOOPBACK) },
  chained: { subject: 'localhost', issuer: 'intermediate', extensions: forServer(LOOPBACK) },
  a: { subject: 'a.example', issuer: 'ca', extensions: forServer('DNS:a.example') },
  b: { subject: 'b.example', issuer: 'ca', extensions: forServer('DNS:b.example') },
  wild: { subject: 'wild.example', issuer: 'ca', extensions: forServer('DNS:*.wild.example') },
  expired: { subject: 'localhost', issuer: 'ca', extensions: forServer(LOOPBACK), expired: true },
  wrongName: { subject: 'wrong.example', issuer: 'ca', extensions: forServer('DNS:wrong.example') },
  otherServer: { subject: 'localhost', issuer: 'otherCA', extensions: forServer(LOOPBACK) },
  selfSigned: { subject: 'localhost', extensions: forServer(LOOPBACK) },
  client: { subject: 'good client', issuer: 'ca', extensions: FOR_CLIENT },
  otherClient: { subject: 'other client', issuer: 'otherCA', extensions: FOR_CLIENT },
};

/** `openssl ca` is the one that sets any dates at all; it wants a configuration and a ledger. */
function configuration(): string {
  const sections = Object.entries(WANTED).map(
    ([name, { extensions }]) => `[ext_${name}]\n${extensions.join('\n')}\n`,
  );
  return `[req]
distinguished_name = dn
prompt = no
[dn]
CN = placeholder
[ca]
default_ca = ledger
[ledger]
database = ledger.txt
rand_serial = yes
new_certs_dir = .
default_md = sha256
policy = anything
unique_subject = no
[anything]
commonName = supplied
${sections.join('')}`;
}

const PAST = { from: '20200101000000Z', to: '20210101000000Z' };
const NOW = { from: '20200101000000Z', to: '20490101000000Z' };

function make(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'strand-certificates-'));
  const openssl = (...args: readonly string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  };
  const read = (name: string): string => readFileSync(join(folder, name), 'latin1');
  const made = (name: string, wanted: Wanted): KeyAndCert => {
    const [key, cert, request] = [`${name}.key`, `${name}.pem`, `${name}.csr`];
    openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', key);
    openssl(
      ...['req', '-new', '-config', 'openssl.cnf', '-key', key],
      ...['-subj', `/CN=${wanted.subject}`, '-out', request],
    );
    const { from, to } = wanted.expired === true ? PAST : NOW;
    const issuer = wanted.issuer ?? name;
    openssl(
      ...['ca', '-batch', '-notext', '-config', 'openssl.cnf', '-extensions', `ext_${name}`],
      ...(wanted.issuer === undefined ? ['-selfsign'] : ['-cert', `${issuer}.pem`]),
      ...['-keyfile', `${issuer}.key`, '-startdate', from, '-enddate', to],
      ...['-in', request, '-out', cert],
    );
    return { key: read(key), cert: read(cert) };
  };
  try {
    writeFileSync(join(folder, 'openssl.cnf'), configuration());
    writeFileSync(join(folder, 'ledger.txt'), '');
    return {
      ca: made('ca', WANTED.ca),
      otherCA: made('otherCA', WANTED.otherCA),
      intermediate: made('intermediate', WANTED.intermediate),
      server: made('server', WANTED.server),
      chained: made('chained', WANTED.chained),
      a: made('a', WANTED.a),
      b: made('b', WANTED.b),
      wild: made('wild', WANTED.wild),
      expired: made('expired', WANTED.expired),
      wrongName: made('wrongName', WANTED.wrongName),
      otherServer: made('otherServer', WANTED.otherServer),
      selfSigned: made('selfSigned', WANTED.selfSigned),
      client: made('client', WANTED.client),
      otherClient: made('otherClient', WANTED.otherClient),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

let cached: Certificates | undefined;

/** The certificates, made on the first call of a process (about a quarter of a second). */
export function certificates(): Certificates {
  cached ??= make();
  return cached;
}
