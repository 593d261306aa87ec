/** What the manager in memory knows of one service. */
import type { StartReason } from '../constants.ts';
import type {
  ReportedStatus,
  ServiceConfig,
  ServiceDefinition,
  ServiceListing,
  ServiceSettings,
  ServiceStatus,
} from '../scm-api.ts';
import type { MemoryScmProcess } from './process.ts';

/** A status before anything was reported. */
const NEVER_STARTED: ReportedStatus = {
  state: 'stopped',
  accepts: [],
  win32ExitCode: 1077,
  serviceExitCode: 0,
  checkPoint: 0,
  waitHint: 0,
};

const DEFAULT_SETTINGS: ServiceSettings = {
  description: '',
  recovery: { actions: [], resetPeriod: 0, rebootMessage: '', command: '' },
  delayedStart: false,
  recoverOnErrorExit: false,
  sidType: 'none',
  requiredPrivileges: [],
  preshutdownTimeout: 10,
  environment: {},
  parameters: {},
};

/** A definition with everything in it. */
export function configOf(definition: ServiceDefinition): ServiceConfig {
  return {
    type: definition.type ?? 'own-process',
    interactive: definition.interactive ?? false,
    startType: definition.startType ?? 'manual',
    errorControl: definition.errorControl ?? 'normal',
    imagePath: definition.imagePath,
    loadOrderGroup: definition.loadOrderGroup ?? '',
    dependencies: [...(definition.dependencies ?? [])],
    account: definition.account || 'LocalSystem',
    displayName: definition.displayName || definition.name,
  };
}

export class ServiceRecord {
  readonly name: string;
  config: ServiceConfig;
  password: string;
  settings: ServiceSettings = DEFAULT_SETTINGS;
  /** Its process, from its launch to its end or the service's. */
  process: MemoryScmProcess | null = null;
  /** A start is under way, perhaps of what it depends on. */
  starting = false;
  startArgs: readonly string[] = [];
  startReasons: readonly StartReason[] = [];
  deletePending = false;
  /** How many have it open. */
  handles = 0;
  failures = 0;
  /** When it failed last, in the clock's seconds. */
  lastFailure = Number.NEGATIVE_INFINITY;
  /** Every status that it had, oldest first. */
  readonly history: ReportedStatus[] = [];
  #reported: ReportedStatus = NEVER_STARTED;
  readonly #watchers = new Set<(status: ServiceStatus | null) => void>();

  constructor(definition: ServiceDefinition) {
    this.name = definition.name;
    this.config = configOf(definition);
    this.password = definition.password ?? '';
  }

  get status(): ServiceStatus {
    return { ...this.#reported, type: this.config.type, pid: this.process?.pid ?? 0 };
  }

  get state(): ServiceStatus['state'] {
    return this.#reported.state;
  }

  get listing(): ServiceListing {
    return { name: this.name, displayName: this.config.displayName, status: this.status };
  }

  setStatus(status: ReportedStatus): void {
    this.#reported = status;
    this.history.push(status);
    for (const watcher of [...this.#watchers]) watcher(this.status);
  }

  markDeleted(): void {
    this.deletePending = true;
    for (const watcher of [...this.#watchers]) watcher(null);
  }

  watch(watcher: (status: ServiceStatus | null) => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }
}
