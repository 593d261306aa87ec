/** Talks to the service manager of the tests' Windows through an agent there. Errors come back with `winerror`. */
import type {
  ManagerRight,
  ServiceRight,
  ServiceState,
} from '../../src/service/windows/constants.ts';
import type {
  ScmManager,
  ScmService,
  ServiceDefinition,
  ServiceStatus,
} from '../../src/service/windows/scm-api.ts';
import type { WindowsAgent } from './windows-agent.ts';
import type { WindowsMachine } from './wine.ts';

const CALLS = 'test/fixtures/windows/scm-calls.ts';

type Method<T> = Extract<
  { [K in keyof T]: T[K] extends (...args: never[]) => unknown ? K : never }[keyof T],
  string
>;

export class WindowsScm {
  readonly agent: WindowsAgent;
  readonly #windows: WindowsMachine;
  /** What `create` made. */
  readonly #names = new Set<string>();

  private constructor(windows: WindowsMachine, agent: WindowsAgent) {
    this.#windows = windows;
    this.agent = agent;
  }

  static async start(windows: WindowsMachine): Promise<WindowsScm> {
    return new WindowsScm(windows, await windows.agent());
  }

  manager(method: Method<ScmManager>, rights: readonly ManagerRight[], ...args: unknown[]) {
    return this.agent.call(CALLS, 'onManager', rights, method, ...args);
  }

  /** Opens a service for one call. */
  service(
    name: string,
    method: Method<ScmService>,
    rights: readonly ServiceRight[],
    ...args: unknown[]
  ) {
    return this.agent.call(CALLS, 'onService', name, rights, method, ...args);
  }

  call(name: string, ...args: unknown[]) {
    return this.agent.call(CALLS, name, ...args);
  }

  /** Makes a service, which is stopped and deleted in the end. */
  async create(definition: ServiceDefinition): Promise<void> {
    await this.manager('createService', ['create-service'], definition);
    this.#names.add(definition.name);
  }

  /** Makes a service that runs a script of the tests. */
  async createScript(
    name: string,
    script: string,
    args: readonly string[],
    more: Partial<ServiceDefinition> = {},
  ): Promise<void> {
    const file = await this.#windows.bundle(script);
    const words = [this.#windows.node(), this.#windows.path(file), ...args];
    const imagePath = words.map((word) => `"${word}"`).join(' ');
    await this.create({ ...more, name, imagePath });
  }

  async status(name: string): Promise<ServiceStatus> {
    // What `queryStatus` returns is plain data.
    return (await this.service(name, 'queryStatus', ['query-status'])) as ServiceStatus;
  }

  start(name: string, ...args: string[]) {
    return this.service(name, 'start', ['start'], args);
  }

  async control(name: string, control: string | number): Promise<ServiceStatus> {
    const rights = [control === 'stop' ? 'stop' : rightFor(control), 'query-status'] as const;
    return (await this.service(name, 'control', rights, control)) as ServiceStatus; // as above
  }

  /** Waits until a service is in this state. Gives what it said of itself on the way; of states that pass quickly some may be missing. */
  async until(name: string, state: ServiceState): Promise<ServiceStatus[]> {
    return (await this.agent.call(CALLS, 'until', name, state)) as ServiceStatus[]; // what it returns
  }

  /** Stops and deletes what was made. */
  async clear(): Promise<void> {
    for (const name of this.#names) {
      const { state } = await this.status(name).catch(() => ({ state: 'gone' }));
      if (state === 'gone') continue;
      if (state !== 'stopped') {
        await this.control(name, 'stop').then(
          () => this.until(name, 'stopped'),
          // Wine takes one whose process has died for running.
          () => {},
        );
      }
      await this.service(name, 'delete', ['delete']).catch(() => {});
    }
    this.#names.clear();
  }

  async end(): Promise<void> {
    await this.clear();
    await this.agent.end();
  }
}

function rightFor(control: string | number): ServiceRight {
  if (typeof control === 'number') return 'user-defined-control';
  return control === 'interrogate' ? 'interrogate' : 'pause-continue';
}
