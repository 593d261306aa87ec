/** A MariaDB server for tests, in a temporary folder, on a UNIX socket that nobody else sees. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  as,
  findProgram,
  needs,
  removeFolder,
  ServerProcess,
  serverFolder,
} from './database-server.ts';

const USER = 'mysql';
const FOLDERS = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin'];

export class MariadbServer {
  readonly folder: string;
  readonly #settings: readonly string[];
  #process: ServerProcess | null = null;

  private constructor(folder: string, settings: readonly string[]) {
    this.folder = folder;
    this.#settings = settings;
  }

  /** Skips those tests where it is not installed. */
  static needed(context: Mocha.Context): void {
    needs(context, findProgram('mariadbd', FOLDERS));
  }

  /** @param settings options of mariadbd */
  static async start(settings: readonly string[] = []): Promise<MariadbServer> {
    const server = new MariadbServer(serverFolder('strand-my-', USER), settings);
    const [command, args] = as(USER, findProgram('mariadb-install-db', FOLDERS), [
      '--no-defaults',
      `--datadir=${join(server.folder, 'data')}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
      '--skip-name-resolve',
    ]);
    execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: '/' });
    writeFileSync(join(server.folder, 'init.sql'), 'create database if not exists strand;\n');
    await server.run();
    return server;
  }

  /** The driver's options for it; the database is there from the start. */
  get options(): { socketPath: string; user: string; database: string } {
    return { socketPath: this.socket, user: 'root', database: 'strand' };
  }

  get socket(): string {
    return join(this.folder, 'socket');
  }

  get running(): boolean {
    return this.#process !== null;
  }

  /** Starts it again. */
  async run(): Promise<void> {
    const [command, args] = as(USER, findProgram('mariadbd', FOLDERS), [
      '--no-defaults',
      `--datadir=${join(this.folder, 'data')}`,
      `--socket=${this.socket}`,
      `--pid-file=${join(this.folder, 'pid')}`,
      `--init-file=${join(this.folder, 'init.sql')}`,
      '--skip-networking',
      '--innodb-buffer-pool-size=16M',
      '--innodb-log-file-size=8M',
      '--innodb-flush-log-at-trx-commit=2',
      '--innodb-flush-method=nosync',
      '--character-set-server=utf8mb4',
      ...this.#settings,
    ]);
    const started = new ServerProcess(command, args);
    await started.whenReady(/ready for connections/);
    this.#process = started;
  }

  /** Ends it at once, as a crash would; it recovers when it runs again. */
  async kill(): Promise<void> {
    const ended = this.#process;
    this.#process = null;
    await ended?.end('SIGKILL');
  }

  /** Ends it and takes away its folder. */
  async stop(): Promise<void> {
    await this.kill();
    removeFolder(this.folder);
  }
}
