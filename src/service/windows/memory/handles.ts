/** The handles of the manager in memory: who holds one may do what it was opened for. */
import { type Deferred, fail } from '../../../deferred/index.ts';
import type { ManagerRight, NamedControl, ServiceRight } from '../constants.ts';
import { WindowsError } from '../errors.ts';
import type {
  EnumerateFilter,
  ScmManager,
  ScmService,
  ServiceConfig,
  ServiceConfigChange,
  ServiceDefinition,
  ServiceListing,
  ServiceSettings,
  ServiceStatus,
} from '../scm-api.ts';
import type { ServiceDatabase } from './database.ts';
import type { ServiceRecord } from './record.ts';

/** What the handles need of the manager. */
export interface HandleOwner {
  readonly database: ServiceDatabase;
  /** Whether the caller may have these rights to this service. */
  allows(record: ServiceRecord | null, rights: readonly ServiceRight[]): boolean;
  start(record: ServiceRecord, args: readonly string[]): Deferred<void>;
  control(record: ServiceRecord, control: NamedControl | number): Deferred<ServiceStatus>;
}

const DEFAULT_RIGHTS: readonly ServiceRight[] = ['query-status', 'query-config'];

export class MemoryManager implements ScmManager {
  readonly #owner: HandleOwner;
  readonly #rights: readonly ManagerRight[];
  #closed = false;

  constructor(owner: HandleOwner, rights: readonly ManagerRight[]) {
    this.#owner = owner;
    this.#rights = rights;
  }

  createService(
    definition: ServiceDefinition,
    rights: readonly ServiceRight[] = DEFAULT_RIGHTS,
  ): ScmService {
    this.#check('create-service', `create service ${JSON.stringify(definition.name)}`);
    return new MemoryService(this.#owner, this.#owner.database.create(definition), rights);
  }

  openService(name: string, rights: readonly ServiceRight[] = DEFAULT_RIGHTS): ScmService {
    const operation = `open service ${JSON.stringify(name)}`;
    this.#check('connect', operation);
    const record = this.#owner.database.get(name, operation);
    if (!this.#owner.allows(record, rights)) throw new WindowsError(5, operation);
    return new MemoryService(this.#owner, record, rights);
  }

  enumerate(filter?: EnumerateFilter): ServiceListing[] {
    this.#check('enumerate', 'list the services');
    return this.#owner.database.select(filter).map(({ listing }) => listing);
  }

  keyName(displayName: string): string {
    const operation = `find the service with display name ${JSON.stringify(displayName)}`;
    this.#check('connect', operation);
    const wanted = displayName.toLowerCase();
    const record = this.#owner.database
      .select()
      .find(({ config }) => config.displayName.toLowerCase() === wanted);
    if (record === undefined) throw new WindowsError(1060, operation);
    return record.name;
  }

  displayName(name: string): string {
    const operation = `find the display name of service ${JSON.stringify(name)}`;
    this.#check('connect', operation);
    return this.#owner.database.get(name, operation).config.displayName;
  }

  close(): void {
    this.#closed = true;
  }

  #check(right: ManagerRight, operation: string): void {
    if (this.#closed) throw new WindowsError(6, operation);
    // Every handle may connect; the other rights are those it was opened with.
    if (right === 'connect' || this.#rights.includes('all') || this.#rights.includes(right)) return;
    throw new WindowsError(5, operation);
  }
}

/** Which right sends which control. */
function rightFor(control: NamedControl | number): ServiceRight {
  if (typeof control === 'number') return 'user-defined-control';
  return control === 'stop' || control === 'interrogate' ? control : 'pause-continue';
}

export class MemoryService implements ScmService {
  readonly name: string;
  readonly #owner: HandleOwner;
  readonly #record: ServiceRecord;
  readonly #rights: readonly ServiceRight[];
  readonly #watches = new Set<() => void>();
  #closed = false;

  constructor(owner: HandleOwner, record: ServiceRecord, rights: readonly ServiceRight[]) {
    this.name = record.name;
    this.#owner = owner;
    this.#record = record;
    this.#rights = rights;
    record.handles += 1;
  }

  queryStatus(): ServiceStatus {
    this.#check('query-status', 'query the status');
    return this.#record.status;
  }

  queryConfig(): ServiceConfig {
    this.#check('query-config', 'query the configuration');
    return this.#record.config;
  }

  changeConfig(change: ServiceConfigChange): void {
    this.#check('change-config', 'change the configuration');
    this.#owner.database.change(this.#record, change);
  }

  querySetting<K extends keyof ServiceSettings>(setting: K): ServiceSettings[K] {
    this.#check('query-config', `query the ${setting}`);
    return this.#record.settings[setting];
  }

  changeSetting<K extends keyof ServiceSettings>(setting: K, value: ServiceSettings[K]): void {
    const operation = `change the ${setting}`;
    this.#check('change-config', operation);
    const record = this.#record;
    if (record.deletePending) throw this.#error(1072, operation);
    const settings = { ...record.settings, [setting]: value };
    if (
      (settings.delayedStart && record.config.startType !== 'automatic') ||
      !(settings.preshutdownTimeout >= 0) ||
      settings.recovery.actions.some(({ delay }) => !(delay >= 0))
    ) {
      throw this.#error(87, operation);
    }
    if (
      setting === 'recovery' &&
      settings.recovery.actions.some(({ type }) => type === 'restart')
    ) {
      this.#check('start', operation);
    }
    record.settings = settings;
  }

  start(args: readonly string[] = []): Deferred<void> {
    const refused = this.#refusal('start', 'start');
    return refused === undefined ? this.#owner.start(this.#record, args) : fail(refused);
  }

  control(control: NamedControl | number): Deferred<ServiceStatus> {
    const refused = this.#refusal(rightFor(control), `send control ${control} to`);
    return refused === undefined ? this.#owner.control(this.#record, control) : fail(refused);
  }

  dependents({ state = 'all' }: EnumerateFilter = {}): ServiceListing[] {
    this.#check('enumerate-dependents', 'list the dependents');
    return this.#owner.database
      .dependents(this.#record)
      .map(({ listing }) => listing)
      .filter(
        ({ status }) => state === 'all' || (state === 'inactive') === (status.state === 'stopped'),
      );
  }

  watch(listener: (status: ServiceStatus | null) => void): () => void {
    this.#check('query-status', 'watch');
    const stop = this.#record.watch((status) => {
      if (status === null) end();
      listener(status);
    });
    const end = (): void => {
      stop();
      this.#watches.delete(end);
    };
    this.#watches.add(end);
    return end;
  }

  delete(): void {
    this.#check('delete', 'delete');
    if (this.#record.deletePending) throw this.#error(1072, 'delete');
    this.#record.markDeleted();
    this.#owner.database.sweep(this.#record);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const end of [...this.#watches]) end();
    this.#record.handles -= 1;
    this.#owner.database.sweep(this.#record);
  }

  #check(right: ServiceRight, operation: string): void {
    const refused = this.#refusal(right, operation);
    if (refused !== undefined) throw refused;
  }

  #refusal(right: ServiceRight, operation: string): WindowsError | undefined {
    if (this.#closed) return this.#error(6, operation);
    if (this.#rights.includes('all') || this.#rights.includes(right)) return undefined;
    return this.#error(5, operation);
  }

  #error(winerror: number, operation: string): WindowsError {
    // "start service", "query the status of service", "send control stop to service"
    const of = /^(start|watch|delete)$|\bto$/.test(operation) ? '' : ' of';
    return new WindowsError(winerror, `${operation}${of} service ${JSON.stringify(this.name)}`);
  }
}
