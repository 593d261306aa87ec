/** An open service of Windows' manager. */
import { Deferred } from '../../../deferred/index.ts';
import {
  CONTROL_CODES,
  ERROR_CONTROL_CODES,
  INTERACTIVE_BIT,
  type NamedControl,
  START_TYPE_CODES,
  TYPE_CODES,
} from '../constants.ts';
import { WindowsError } from '../errors.ts';
import {
  changeServiceConfig,
  controlService,
  deleteService,
  enumDependentServices,
  queryServiceConfig,
  queryServiceStatusEx,
  startService,
} from '../ffi/advapi32.ts';
import { isWine } from '../ffi/kernel32.ts';
import { addressOf, check, memory, type Pointer } from '../ffi/koffi.ts';
import {
  Block,
  readConfig,
  readListings,
  readStatus,
  STATUS_PROCESS_SIZE,
  STATUS_SIZE,
} from '../ffi/structs.ts';
import { multiText, wide } from '../ffi/text.ts';
import type {
  EnumerateFilter,
  ScmService,
  ServiceConfig,
  ServiceConfigChange,
  ServiceListing,
  ServiceSettings,
  ServiceStatus,
} from '../scm-api.ts';
import { answerOf, type ServiceHandle } from './handle.ts';
import {
  changeSetting,
  isMarkedDeleted,
  querySetting,
  registeredDependencies,
} from './settings.ts';
import { type WatchClock, watchBy } from './watch.ts';

const NO_CHANGE = 0xffffffff;
export const STATES = { active: 1, inactive: 2, all: 3 } as const;

/** SERVICE_TYPE of a definition, or of a change to what is there. */
export function typeCode(change: ServiceConfigChange, before?: ServiceConfig): number {
  if (before !== undefined && change.type === undefined && change.interactive === undefined) {
    return NO_CHANGE;
  }
  const type = TYPE_CODES[change.type ?? before?.type ?? 'own-process'];
  return (change.interactive ?? before?.interactive) === true ? type | INTERACTIVE_BIT : type;
}

/** The password, for whoever has one: a null pointer is what accounts without take. */
export function passwordOf({ password }: ServiceConfigChange): string | null {
  return password === undefined || password === '' ? null : password;
}

/** MULTI_SZ in memory that stays; null for undefined. */
export function dependencyList(names: readonly string[] | undefined): Buffer | null {
  if (names === undefined) return null;
  const list = multiText(names);
  const target = memory(list.length);
  list.copy(target);
  return target;
}

/** Where a service is, whose clock it is watched by. */
export interface Surroundings {
  /** Null for this one, the only one whose registry is read. */
  readonly machine: string | null;
  readonly clock: WatchClock;
}

/** What it needs to know of the others. Neither asks for the manager's handle that the service was opened through. */
interface Others extends Surroundings {
  list(): ServiceListing[];
  /** Null when there is no such service, or none that may be asked. */
  statusOf(name: string): ServiceStatus | null;
}

export class KoffiService implements ScmService {
  readonly name: string;
  readonly #handle: ServiceHandle;
  readonly #others: Others;
  readonly #watches = new Set<() => void>();

  constructor(name: string, handle: ServiceHandle, others: Others) {
    this.name = name;
    this.#handle = handle;
    this.#others = others;
  }

  get #local(): boolean {
    return this.#others.machine === null;
  }

  queryStatus(): ServiceStatus {
    const operation = this.#operation('query the status of');
    return this.#status(this.#handle.get(operation), operation);
  }

  #status(handle: Pointer, operation: string): ServiceStatus {
    const bytes = memory(STATUS_PROCESS_SIZE);
    check(queryServiceStatusEx(handle, 0, bytes, bytes.length, memory(4)), operation);
    return readStatus(bytes);
  }

  queryConfig(): ServiceConfig {
    const operation = this.#operation('query the configuration of');
    const handle = this.#handle.get(operation);
    const config = readConfig(
      answerOf(operation, (bytes, size, needed) => queryServiceConfig(handle, bytes, size, needed)),
    );
    return isWine() && config.dependencies.length === 0 && this.#local
      ? { ...config, dependencies: registeredDependencies(this.name) }
      : config;
  }

  changeConfig(change: ServiceConfigChange): void {
    const operation = this.#operation('change the configuration of');
    const handle = this.#handle.get(operation);
    // Half a type cannot be changed: the other half is what it was.
    const half = (change.type === undefined) !== (change.interactive === undefined);
    const type = half ? typeCode(change, this.queryConfig()) : typeCode(change, NOTHING);
    // Wine forgets the dependencies when it is told nothing about them.
    const kept = isWine() ? registeredDependencies(this.name) : undefined;
    check(
      changeServiceConfig(
        handle,
        type,
        change.startType === undefined ? NO_CHANGE : START_TYPE_CODES[change.startType],
        change.errorControl === undefined ? NO_CHANGE : ERROR_CONTROL_CODES[change.errorControl],
        change.imagePath ?? null,
        change.loadOrderGroup ?? null,
        null,
        dependencyList(change.dependencies ?? kept),
        change.account ?? null,
        passwordOf(change),
        change.displayName ?? null,
      ),
      operation,
    );
  }

  querySetting<K extends keyof ServiceSettings>(setting: K): ServiceSettings[K] {
    const handle = this.#handle.get(this.#operation(`query the ${setting} of`));
    return querySetting({ name: this.name, handle, local: this.#local }, setting);
  }

  changeSetting<K extends keyof ServiceSettings>(setting: K, value: ServiceSettings[K]): void {
    const handle = this.#handle.get(this.#operation(`change the ${setting} of`));
    changeSetting({ name: this.name, handle, local: this.#local }, setting, value);
  }

  start(args: readonly string[] = []): Deferred<void> {
    const operation = this.#operation('start');
    return Deferred.fromPromise(
      this.#handle.during(operation, async (handle) => {
        const list = pointersTo(args);
        const { result, error } = await startService.async(handle, args.length, list);
        if (result === 0) throw new WindowsError(error, operation);
      }),
    );
  }

  control(control: NamedControl | number): Deferred<ServiceStatus> {
    const operation = this.#operation(`send control ${control} to`);
    const code = typeof control === 'number' ? control : CONTROL_CODES[control];
    return Deferred.fromPromise(
      this.#handle.during(operation, async (handle) => {
        const bytes = memory(STATUS_SIZE);
        const { result, error } = await controlService.async(handle, code, bytes);
        if (result === 0) throw new WindowsError(error, operation);
        const status = readStatus(bytes, 0, false);
        return { ...status, pid: this.#pid(handle) };
      }),
    );
  }

  /** A control's answer does not carry it, and the handle need not have the right to ask. */
  #pid(handle: Pointer): number {
    try {
      return this.#status(handle, '').pid;
    } catch {
      return 0;
    }
  }

  dependents(filter: EnumerateFilter = {}): ServiceListing[] {
    const operation = this.#operation('list the dependents of');
    const handle = this.#handle.get(operation);
    // Wine says that there are none.
    if (isWine()) return this.#dependentsByRegistry(filter);
    const count = memory(4);
    const state = STATES[filter.state ?? 'all'];
    const answer = answerOf(operation, (bytes, size, needed) =>
      enumDependentServices(handle, state, bytes, size, needed, count),
    );
    return readListings(answer, count.readUInt32LE(), false).map((listing) => ({
      ...listing,
      status: this.#others.statusOf(listing.name) ?? listing.status,
    }));
  }

  /** Each before what it depends on itself: the order in which to stop them. */
  #dependentsByRegistry({ state = 'all' }: EnumerateFilter): ServiceListing[] {
    const needs = this.#others.list().map((listing) => {
      const names = registeredDependencies(listing.name).map((name) => name.toLowerCase());
      return { listing, names: new Set(names) };
    });
    const found = new Set<ServiceListing>();
    const visit = (wanted: string): void => {
      for (const { listing, names } of needs) {
        if (found.has(listing) || !names.has(wanted.toLowerCase())) continue;
        visit(listing.name);
        found.add(listing);
      }
    };
    visit(this.name);
    return [...found].filter(
      ({ status }) => state === 'all' || (state === 'inactive') === (status.state === 'stopped'),
    );
  }

  watch(listener: (status: ServiceStatus | null) => void): () => void {
    const first = this.queryStatus();
    const stop = watchBy(
      this.#others.clock,
      first,
      () => this.#look(),
      (status) => {
        if (status === null) end();
        listener(status);
      },
    );
    const end = (): void => {
      stop();
      this.#watches.delete(end);
    };
    this.#watches.add(end);
    return end;
  }

  /** Null when it is deleted, or would be but for this handle. */
  #look(): ServiceStatus | null {
    const status = this.queryStatus();
    if (status.state !== 'stopped') return status;
    if (this.#others.statusOf(this.name) === null) return null;
    return this.#local && isMarkedDeleted(this.name) ? null : status;
  }

  delete(): void {
    const operation = this.#operation('delete');
    check(deleteService(this.#handle.get(operation)), operation);
  }

  close(): void {
    for (const end of [...this.#watches]) end();
    this.#handle.close();
  }

  #operation(what: string): string {
    return `${what} service ${JSON.stringify(this.name)}`;
  }
}

/** Stands for a configuration when none of it matters. */
const NOTHING: ServiceConfig = {
  type: 'own-process',
  interactive: false,
  startType: 'manual',
  errorControl: 'normal',
  imagePath: '',
  loadOrderGroup: '',
  dependencies: [],
  account: '',
  displayName: '',
};

/** LPCWSTR[]. */
function pointersTo(texts: readonly string[]): Buffer | null {
  if (texts.length === 0) return null;
  const block = new Block(8 * texts.length);
  for (const [n, text] of texts.entries()) block.pointer(8 * n, wide(text));
  const target = memory(block.size);
  block.write(target, addressOf(target));
  return target;
}
