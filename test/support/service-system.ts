/** A Windows in memory for the commands of services: its service manager, event log and files, and what is said to whoever gives the commands. */
import { Clock } from '../../src/reactor/index.ts';
import { UsageError } from '../../src/service/index.ts';
import { parseOptions } from '../../src/service/twistd/options.ts';
import type { ServiceSystem } from '../../src/service/windows/cli-system.ts';
import { manageOnWindows } from '../../src/service/windows/cli-twistd.ts';
import { MemoryEventLog } from '../../src/service/windows/eventlog-memory.ts';
import { ServiceHost } from '../../src/service/windows/host.ts';
import type { HostedService } from '../../src/service/windows/hosted.ts';
import type { ScmClientApi, ScmService } from '../../src/service/windows/scm-api.ts';
import { MemoryScm } from '../../src/service/windows/scm-memory.ts';
import { fixture } from './twistd-child.ts';

/** How a command ended. */
export interface CommandOutcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export class MemorySystem implements ServiceSystem {
  readonly clock = new Clock();
  readonly memory = new MemoryScm({ clock: this.clock });
  scm: ScmClientApi = this.memory;
  readonly events = new MemoryEventLog();
  readonly execPath = 'C:\\Program Files\\nodejs\\node.exe';
  nodeVersion = '22.18.0';
  environment: Record<string, string | undefined> = { ProgramData: 'D:\\Data' };
  /** What standard input gives. */
  input = '';
  prompt: ServiceSystem['prompt'] = null;
  /** What is there; null for everything. */
  files: Set<string> | null = null;
  readonly folders: string[] = [];
  /** Lines of log files. */
  readonly logs = new Map<string, readonly string[]>();
  /** What the system says when the folder of a file is to be made. */
  folderFailure: Error | null = null;
  #out = '';
  #err = '';
  readonly streams = {
    out: (text: string) => {
      this.#out += text;
    },
    err: (text: string) => {
      this.#err += text;
    },
  };

  readonly readInput = async (): Promise<string> => this.input;

  exists(path: string): boolean {
    return this.files === null || this.files.has(path);
  }

  makeFolderOf(file: string): void {
    if (this.folderFailure !== null) throw this.folderFailure;
    this.folders.push(file);
  }

  lastLines(file: string, count: number): string[] {
    const lines = this.logs.get(file);
    if (lines !== undefined) return lines.slice(-count);
    const error = new Error(`ENOENT: no such file or directory, open '${file}'`);
    throw Object.assign(error, { code: 'ENOENT', syscall: 'open' });
  }

  /** Has node.exe be a program that hosts `service`. */
  host(service: HostedService): void {
    this.memory.program(this.execPath, (process) => {
      const exit = (code: number): void => process.exit(code);
      const host = new ServiceHost({
        ...{ scm: process, clock: this.clock, name: 'echo', service, exit },
        stopTimeout: 20,
        startTimeout: 200,
      });
      host.run().addBoth(() => process.exit(0));
    });
  }

  /** The registration of a service. Closed by the caller. */
  open(name: string): ScmService {
    return this.memory.openManager().openService(name, ['all']);
  }

  /** What `read` gives of a service, which is closed again. */
  look<T>(name: string, read: (service: ScmService) => T): T {
    const service = this.open(name);
    try {
      return read(service);
    } finally {
      service.close();
    }
  }

  imagePath(name: string): string {
    return this.look(name, (service) => service.queryConfig().imagePath);
  }

  state(name: string): string {
    return this.look(name, (service) => service.queryStatus().state);
  }

  /** Waits for what takes turns and time: the clock goes on until it is done. */
  async until<T>(promise: PromiseLike<T>): Promise<T> {
    let done = false;
    const end = (): void => {
      done = true;
    };
    promise.then(end, end);
    while (!done) {
      await new Promise((resolve) => setImmediate(resolve));
      this.clock.advance(0.25);
    }
    return await promise;
  }

  /** Does what a command line of twistd asks for. */
  async twistd(...argv: string[]): Promise<CommandOutcome> {
    return await this.command(() => {
      const request = parseOptions(argv);
      if (request.kind !== 'verb') throw new Error(`It is no command, but ${request.kind}`);
      return manageOnWindows(request.command, this.streams, this);
    });
  }

  /** `twistd` with the application of test/fixtures/apps/echo.ts, whose service is called echo. */
  echo(...argv: string[]): Promise<CommandOutcome> {
    return this.twistd('--service', fixture('apps/echo.ts'), ...argv);
  }

  async command(run: () => Promise<number>): Promise<CommandOutcome> {
    this.#out = '';
    this.#err = '';
    let code: number;
    try {
      code = await this.until(run());
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      return { code: 2, out: this.#out, err: error.message };
    }
    return { code, out: this.#out, err: this.#err };
  }
}
