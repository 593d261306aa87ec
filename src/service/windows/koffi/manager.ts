/** An open connection to Windows' service manager. */
import {
  bitsOf,
  ERROR_CONTROL_CODES,
  MANAGER_RIGHT_BITS,
  type ManagerRight,
  SERVICE_RIGHT_BITS,
  type ServiceRight,
  START_TYPE_CODES,
} from '../constants.ts';
import { WindowsError } from '../errors.ts';
import {
  createService,
  enumServicesStatusEx,
  getServiceDisplayName,
  getServiceKeyName,
  openSCManager,
  openService,
} from '../ffi/advapi32.ts';
import { check, memory, type Native, type Pointer } from '../ffi/koffi.ts';
import { readListings } from '../ffi/structs.ts';
import { textAt } from '../ffi/text.ts';
import type {
  EnumerateFilter,
  ScmManager,
  ScmService,
  ServiceDefinition,
  ServiceListing,
  ServiceStatus,
} from '../scm-api.ts';
import { answerOf, ServiceHandle } from './handle.ts';
import {
  dependencyList,
  KoffiService,
  passwordOf,
  STATES,
  type Surroundings,
  typeCode,
} from './service.ts';

const INVALID_NAME = 123;
const SERVICE_WIN32 = 0x30;
/** Letters of the longest name, and its zero. */
const LONGEST_NAME = 257;
const DEFAULT_RIGHTS: readonly ServiceRight[] = ['query-status', 'query-config'];

export class KoffiManager implements ScmManager {
  readonly #handle: ServiceHandle;
  readonly #of: Surroundings;

  private constructor(handle: ServiceHandle, of: Surroundings) {
    this.#handle = handle;
    this.#of = of;
  }

  /** Connects. @throws {WindowsError} 5, 1722 */
  static open(of: Surroundings, rights: readonly ManagerRight[]): KoffiManager {
    const where = of.machine === null ? '' : ` of ${JSON.stringify(of.machine)}`;
    const handle = openSCManager(of.machine, null, bitsOf(MANAGER_RIGHT_BITS, rights));
    return new KoffiManager(
      new ServiceHandle(check(handle, `open the service manager${where}`)),
      of,
    );
  }

  createService(
    definition: ServiceDefinition,
    rights: readonly ServiceRight[] = DEFAULT_RIGHTS,
  ): ScmService {
    const operation = `create service ${JSON.stringify(definition.name)}`;
    // Wine has an error of its own for it.
    if (definition.name.length >= LONGEST_NAME) throw new WindowsError(INVALID_NAME, operation);
    const handle = createService(
      this.#handle.get(operation),
      definition.name,
      definition.displayName ?? definition.name,
      bitsOf(SERVICE_RIGHT_BITS, rights),
      typeCode(definition),
      START_TYPE_CODES[definition.startType ?? 'manual'],
      ERROR_CONTROL_CODES[definition.errorControl ?? 'normal'],
      definition.imagePath,
      definition.loadOrderGroup ?? null,
      null,
      dependencyList(definition.dependencies),
      definition.account ?? null,
      passwordOf(definition),
    );
    return this.#service(definition.name, check(handle, operation));
  }

  openService(name: string, rights: readonly ServiceRight[] = DEFAULT_RIGHTS): ScmService {
    const operation = `open service ${JSON.stringify(name)}`;
    const manager = this.#handle.get(operation);
    const handle = openService(manager, name, bitsOf(SERVICE_RIGHT_BITS, rights));
    return this.#service(name, check(handle, operation));
  }

  #service(name: string, handle: bigint): KoffiService {
    return new KoffiService(name, new ServiceHandle(handle), {
      ...this.#of,
      list: () => this.#again(['connect', 'enumerate'], (manager) => manager.enumerate()),
      statusOf: (other) => this.#again(['connect'], (manager) => manager.#statusOf(other)),
    });
  }

  /** With a connection of its own: this one may be closed by then, or lack the right. */
  #again<T>(rights: readonly ManagerRight[], f: (manager: KoffiManager) => T): T {
    const manager = KoffiManager.open(this.#of, rights);
    try {
      return f(manager);
    } finally {
      manager.close();
    }
  }

  /** Null when there is no such service, or none that may be asked. */
  #statusOf(name: string): ServiceStatus | null {
    try {
      const service = this.openService(name, ['query-status']);
      try {
        return service.queryStatus();
      } finally {
        service.close();
      }
    } catch (error) {
      if (error instanceof WindowsError) return null;
      throw error;
    }
  }

  enumerate(filter: EnumerateFilter = {}): ServiceListing[] {
    const operation = 'list the services';
    const handle = this.#handle.get(operation);
    const state = STATES[filter.state ?? 'all'];
    const count = memory(4);
    const answer = answerOf(operation, (bytes, size, needed) =>
      // Each time from the start: an answer in pieces would be one of different moments.
      enumServicesStatusEx(
        handle,
        0,
        SERVICE_WIN32,
        state,
        bytes,
        size,
        needed,
        count,
        memory(4),
        null,
      ),
    );
    return readListings(answer, count.readUInt32LE(), true);
  }

  keyName(displayName: string): string {
    const what = `find the service with display name ${JSON.stringify(displayName)}`;
    return this.#name(getServiceKeyName, displayName, what);
  }

  displayName(name: string): string {
    const what = `find the display name of service ${JSON.stringify(name)}`;
    return this.#name(getServiceDisplayName, name, what);
  }

  #name(
    f: Native<[Pointer, string, Buffer, Buffer], number>,
    name: string,
    operation: string,
  ): string {
    const answer = memory(2 * LONGEST_NAME);
    const letters = memory(4);
    letters.writeUInt32LE(LONGEST_NAME);
    check(f(this.#handle.get(operation), name, answer, letters), operation);
    return textAt(answer, 0);
  }

  close(): void {
    this.#handle.close();
  }
}
