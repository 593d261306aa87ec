/** A PostgreSQL server for tests, in a temporary folder, on a UNIX socket that nobody else sees. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  as,
  findProgram,
  needs,
  postgresFolders,
  removeFolder,
  ServerProcess,
  serverFolder,
} from './database-server.ts';

const USER = 'postgres';

export class PostgresServer {
  readonly folder: string;
  readonly #data: string;
  #process: ServerProcess | null = null;

  private constructor(folder: string) {
    this.folder = folder;
    this.#data = join(folder, 'data');
  }

  /** Skips those tests where it is not installed. */
  static needed(context: Mocha.Context): void {
    needs(context, findProgram('postgres', postgresFolders()));
  }

  /** @param settings lines of postgresql.conf */
  static async start(settings: readonly string[] = []): Promise<PostgresServer> {
    const server = new PostgresServer(serverFolder('strand-pg-', USER));
    const initdb = findProgram('initdb', postgresFolders());
    const options = ['-D', server.#data, '-U', 'strand', '-A', 'trust', '-E', 'UTF8', '--locale=C'];
    const [command, args] = as(USER, initdb, [...options, '--no-sync']);
    execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: '/' });
    const conf = [
      "listen_addresses = ''",
      `unix_socket_directories = '${server.folder}'`,
      'fsync = off',
      'shared_buffers = 16MB',
      'deadlock_timeout = 100ms',
      ...settings,
    ];
    appendFileSync(join(server.#data, 'postgresql.conf'), `${conf.join('\n')}\n`);
    // One user needs a password.
    const access = ['local all guarded scram-sha-256', 'local all all trust'];
    writeFileSync(join(server.#data, 'pg_hba.conf'), `${access.join('\n')}\n`);
    await server.run();
    return server;
  }

  /** The driver's options for it. */
  get options(): { host: string; user: string; database: string } {
    return { host: this.folder, user: 'strand', database: 'postgres' };
  }

  /** The path of its socket. */
  get socket(): string {
    return join(this.folder, '.s.PGSQL.5432');
  }

  get running(): boolean {
    return this.#process !== null;
  }

  /** Starts it again. */
  async run(): Promise<void> {
    const [command, args] = as(USER, findProgram('postgres', postgresFolders()), [
      '-D',
      this.#data,
    ]);
    const started = new ServerProcess(command, args);
    await started.whenReady(/ready to accept connections/);
    this.#process = started;
  }

  /** Ends it at once, with every connection as it is; it recovers when it runs again. */
  async kill(): Promise<void> {
    const ended = this.#process;
    this.#process = null;
    await ended?.end('SIGQUIT');
  }

  /** Ends it and takes away its folder. */
  async stop(): Promise<void> {
    await this.kill();
    removeFolder(this.folder);
  }
}
