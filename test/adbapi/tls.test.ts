/** Databases over TLS: real servers with certificates that the tests make. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { ConnectionPool } from '../../src/adbapi/index.ts';
import { type LogEvent, setLogObserver } from '../../src/reactor/index.ts';
import { type Certificates, certificates, type KeyAndCert } from '../support/certificates.ts';
import { MariadbServer } from '../support/mariadb-server.ts';
import { PostgresServer } from '../support/postgres-server.ts';

const SECRET = 'correct-horse';

interface TlsWorld {
  readonly driver: 'postgres' | 'mysql';
  needed(context: Mocha.Context): void;
  /** Starts a server on a port of the loopback, with a certificate whose files are in `folder`, or without one. */
  start(folder: string | null, port: number): Promise<PostgresServer | MariadbServer>;
  /** Makes a user 'guarded', who has to come by TLS and have the password. */
  readonly user: readonly string[];
  /** Tells whether the connection is encrypted: 'yes' and something else. */
  readonly encrypted: string;
  /** What a server without TLS is refused with. */
  readonly noTls: RegExp;
  /** What a user without TLS is refused with. */
  readonly plainRefused: RegExp;
  readonly sleep: string;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** The certificate and its key as files that only the server's user can read. */
function filesOf({ key, cert }: KeyAndCert, owner: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'strand-tls-'));
  writeFileSync(join(folder, 'key.pem'), key);
  writeFileSync(join(folder, 'cert.pem'), cert);
  chmodSync(join(folder, 'key.pem'), 0o600);
  if (process.getuid?.() === 0) execFileSync('chown', ['-R', `${owner}:`, folder]);
  return folder;
}

async function failureOf(thenable: PromiseLike<unknown>): Promise<Error> {
  try {
    await thenable;
  } catch (error) {
    return error as Error;
  }
  throw new Error('Expected a failure');
}

function tlsSuite(world: TlsWorld, owner: string): void {
  describe(`The ${world.driver} driver, over TLS`, function () {
    this.timeout(60_000);
    let made: Certificates;
    const running = new Map<KeyAndCert | null, { port: number; end: () => Promise<void> }>();
    const pools: ConnectionPool[] = [];
    let log: ReturnType<typeof setLogObserver>;
    let events: LogEvent[];

    before(function () {
      world.needed(this);
      made = certificates();
    });

    beforeEach(() => {
      events = [];
      log = setLogObserver((event) => events.push(event));
    });

    afterEach(async () => {
      setLogObserver(log);
      for (const pool of pools.splice(0)) await pool.close();
      expect(inspect(events, { depth: 9 })).not.to.contain(SECRET);
    });

    after(async () => {
      for (const { end } of running.values()) await end();
    });

    /** A server with that certificate; there is one for each. */
    async function serving(pair: KeyAndCert | null): Promise<number> {
      const known = running.get(pair);
      if (known !== undefined) return known.port;
      const folder = pair === null ? null : filesOf(pair, owner);
      const port = await freePort();
      const started = await world.start(folder, port);
      const end = async (): Promise<void> => {
        await started.stop();
        if (folder !== null) rmSync(folder, { recursive: true });
      };
      running.set(pair, { port, end });
      const pool = new ConnectionPool(world.driver, {
        ...started.options,
        ...(world.driver === 'postgres' ? { port } : {}),
        ...{ cp_min: 0, cp_max: 1 },
      });
      for (const sql of world.user) await pool.runOperation(sql);
      await pool.close();
      return port;
    }

    function open(port: number, options: Record<string, unknown>): ConnectionPool {
      const pool = new ConnectionPool(world.driver, {
        ...{ cp_min: 0, cp_max: 1, cp_acquire_timeout: 10 },
        ...{ host: 'localhost', port, user: 'guarded', password: SECRET, database: 'strand' },
        ...options,
      });
      pools.push(pool);
      return pool;
    }

    /** What a call fails with; nothing that can be seen of it, or of the pool, has the password. */
    async function refusal(port: number, options: Record<string, unknown>): Promise<Error> {
      const pool = open(port, options);
      const error = await failureOf(pool.runQuery('select 1'));
      const seen = [error, error.cause, pool].map((each) => inspect(each, { depth: 9 })).join('');
      expect(seen + inspect(error, { depth: 9, showHidden: true })).not.to.contain(SECRET);
      expect(pool.stats().open).to.equal(0);
      return error;
    }

    it('is encrypted, with a certificate that the authority it was told of has issued', async () => {
      const port = await serving(made.server);
      for (const host of ['localhost', '127.0.0.1']) {
        const pool = open(port, { host, ssl: { ca: made.ca.cert } });
        expect(await pool.runQuery(world.encrypted)).to.deep.equal([{ encrypted: 'yes' }]);
        const seen = await pool.runWithConnection((connection) =>
          inspect(connection.raw, { depth: 9 }),
        );
        expect(seen).not.to.contain(SECRET);
      }
    });

    it('stops a statement by another connection that is encrypted too', async () => {
      const pool = open(await serving(made.server), { ssl: { ca: made.ca.cert } });
      const failure = await failureOf(pool.runQuery(world.sleep, [], { timeout: 0.2 }));
      expect(failure.name).to.equal('StatementTimeout');
      await pool.runQuery('select 1');
      expect(pool.stats()).to.include({ open: 1, opened: 1, lost: 0 });
    });

    it('trusts nobody else: no other authority, no certificate that vouches for itself, none with an end in the past', async () => {
      const trust = { ssl: { ca: made.ca.cert } };
      const port = await serving(made.server);
      expect((await refusal(port, { ssl: true })).message).to.match(/certificate/);
      expect((await refusal(port, { ssl: { ca: made.otherCA.cert } })).message).to.match(
        /certificate/,
      );
      expect((await refusal(await serving(made.selfSigned), trust)).message).to.match(
        /self-signed/,
      );
      expect((await refusal(await serving(made.expired), trust)).message).to.match(/expired/);
    });

    it("refuses another one's certificate, by name and by address, whoever has issued it", async () => {
      const port = await serving(made.wrongName);
      for (const host of ['localhost', '127.0.0.1']) {
        const error = await refusal(port, { host, ssl: { ca: made.ca.cert } });
        expect(error.message).to.match(/altnames/);
      }
      // A certificate for localhost is none for another address, though we are there.
      const other = { host: '127.0.0.2', ssl: { ca: made.ca.cert } };
      expect((await refusal(await serving(made.server), other)).message).to.match(/altnames/);
    });

    it('looks at no certificate when it is told so', async () => {
      const pool = open(await serving(made.selfSigned), { ssl: { rejectUnauthorized: false } });
      expect(await pool.runQuery(world.encrypted)).to.deep.equal([{ encrypted: 'yes' }]);
    });

    it('sends no password to a server without TLS, and is refused without it by one that wants it', async () => {
      const plain = await refusal(await serving(null), { ssl: { ca: made.ca.cert } });
      expect(plain.message).to.match(world.noTls);
      const refused = await refusal(await serving(made.server), { ssl: false });
      expect(refused.message).to.match(world.plainRefused);
    });

    it('a wrong password over TLS is told, and not shown', async () => {
      const error = await refusal(await serving(made.server), {
        ...{ ssl: { ca: made.ca.cert }, password: `${SECRET}-not` },
      });
      expect(error.message).to.match(/password authentication failed|Access denied/);
    });
  });
}

tlsSuite(
  {
    driver: 'postgres',
    needed: (context) => PostgresServer.needed(context),
    start: async (folder, port) => {
      const rules = mkdtempSync(join(tmpdir(), 'strand-hba-'));
      const file = join(rules, 'pg_hba.conf');
      const encrypted = folder === null ? 'host' : 'hostssl';
      writeFileSync(file, `local all all trust\n${encrypted} all all all scram-sha-256\n`);
      chmodSync(rules, 0o755);
      const keys = [
        'ssl = on',
        `ssl_cert_file = '${folder}/cert.pem'`,
        `ssl_key_file = '${folder}/key.pem'`,
      ];
      try {
        return await PostgresServer.start([
          "listen_addresses = '127.0.0.1,127.0.0.2'",
          `hba_file = '${file}'`,
          `port = ${port}`,
          ...(folder === null ? [] : keys),
        ]);
      } finally {
        rmSync(rules, { recursive: true });
      }
    },
    user: [`create role guarded login password '${SECRET}'`, 'create database strand'],
    encrypted:
      "select case when ssl then 'yes' else 'no' end as encrypted from pg_stat_ssl where pid = pg_backend_pid()",
    noTls: /does not support SSL/,
    plainRefused: /no encryption/,
    sleep: 'select pg_sleep(30)',
  },
  'postgres',
);

tlsSuite(
  {
    driver: 'mysql',
    needed: (context) => MariadbServer.needed(context),
    start: (folder, port) =>
      MariadbServer.start([
        '--skip-networking=0',
        '--bind-address=127.0.0.1,127.0.0.2',
        `--port=${port}`,
        ...(folder === null
          ? ['--skip-ssl']
          : [`--ssl-cert=${folder}/cert.pem`, `--ssl-key=${folder}/key.pem`]),
      ]),
    user: [
      `create user guarded@'%' identified by '${SECRET}' require ssl`,
      "grant all on strand.* to guarded@'%'",
    ],
    encrypted:
      "select case when variable_value = '' then 'no' else 'yes' end as encrypted from information_schema.session_status where variable_name = 'Ssl_cipher'",
    noTls: /secure connection/,
    plainRefused: /Access denied/,
    sleep: 'select sleep(30)',
  },
  'mysql',
);
