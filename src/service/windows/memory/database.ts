/** The list of services of the manager in memory, and what Windows demands of what comes into it. */
import { WindowsError } from '../errors.ts';
import type {
  EnumerateFilter,
  ServiceConfig,
  ServiceConfigChange,
  ServiceDefinition,
} from '../scm-api.ts';
import { ServiceRecord } from './record.ts';

/** A user that services may run as. */
export interface MemoryAccount {
  readonly password: string;
  /** Whether it may log on as a service. */
  logonRight: boolean;
}

/** Longest name, in characters. */
const LONGEST_NAME = 256;

export class ServiceDatabase {
  /** By their names in lower case. */
  readonly #records = new Map<string, ServiceRecord>();
  readonly accounts = new Map<string, MemoryAccount>();
  readonly machine: string;

  constructor(machine: string) {
    this.machine = machine;
  }

  /** Those that match, in the order in which they were created. */
  select({ state = 'all' }: EnumerateFilter = {}): ServiceRecord[] {
    return [...this.#records.values()].filter(
      (record) => state === 'all' || (state === 'inactive') === (record.state === 'stopped'),
    );
  }

  find(name: string): ServiceRecord | undefined {
    return this.#records.get(name.toLowerCase());
  }

  /** @throws {WindowsError} 123, 1060 */
  get(name: string, operation: string): ServiceRecord {
    checkName(name, operation);
    const record = this.find(name);
    if (record === undefined) throw new WindowsError(1060, operation);
    return record;
  }

  /** @throws {WindowsError} 87, 123, 1057, 1059, 1072, 1073, 1078 */
  create(definition: ServiceDefinition): ServiceRecord {
    const { name } = definition;
    const operation = `create service ${JSON.stringify(name)}`;
    checkName(name, operation);
    const existing = this.find(name);
    if (existing !== undefined) {
      throw new WindowsError(existing.deletePending ? 1072 : 1073, operation);
    }
    const record = new ServiceRecord(definition);
    this.#check(record.name, record.config, operation);
    this.#records.set(name.toLowerCase(), record);
    return record;
  }

  /** @throws {WindowsError} 87, 1057, 1059, 1072, 1078 */
  change(record: ServiceRecord, { password, ...changes }: ServiceConfigChange): void {
    const operation = `change the configuration of service ${JSON.stringify(record.name)}`;
    if (record.deletePending) throw new WindowsError(1072, operation);
    const given = Object.entries(changes).filter(([, value]) => value !== undefined);
    const config: ServiceConfig = { ...record.config, ...Object.fromEntries(given) };
    this.#check(record.name, config, operation);
    if (record.settings.delayedStart && config.startType !== 'automatic') {
      record.settings = { ...record.settings, delayedStart: false };
    }
    record.config = config;
    if (password !== undefined) record.password = password;
  }

  /** Drops it if it was deleted and nothing holds it any more. */
  sweep(record: ServiceRecord): void {
    const held = record.handles > 0 || record.state !== 'stopped' || record.starting;
    if (record.deletePending && !held) this.#records.delete(record.name.toLowerCase());
  }

  /** The services that depend on it, directly or not, in the order in which to stop them. */
  dependents(record: ServiceRecord): ServiceRecord[] {
    const found = new Set<ServiceRecord>();
    const visit = (one: ServiceRecord): void => {
      for (const other of this.#records.values()) {
        if (other === record || found.has(other) || !this.dependencies(other).includes(one)) {
          continue;
        }
        visit(other);
        found.add(other);
      }
    };
    visit(record);
    return [...found];
  }

  /** The services it names as dependencies, those of a group included; not the ones that do not exist. */
  dependencies({ config }: Pick<ServiceRecord, 'config'>): ServiceRecord[] {
    return config.dependencies.flatMap((name) =>
      name.startsWith('+') ? this.group(name.slice(1)) : (this.find(name) ?? []),
    );
  }

  group(name: string): ServiceRecord[] {
    const wanted = name.toLowerCase();
    return this.select().filter(({ config }) => config.loadOrderGroup.toLowerCase() === wanted);
  }

  /** What logging on as the account of `record` gives: 0, or 1069. */
  logOn({ config, password }: ServiceRecord): number {
    if (isSystemAccount(config.account)) return 0;
    const account = this.account(config.account);
    return account?.password === password && account.logonRight ? 0 : 1069;
  }

  account(name: string): MemoryAccount | undefined {
    return this.accounts.get(name.replace(/^\./, this.machine).toLowerCase());
  }

  #check(name: string, config: ServiceConfig, operation: string): void {
    const { displayName, account } = config;
    if (displayName.length > LONGEST_NAME) throw new WindowsError(123, operation);
    const driver = config.type.endsWith('driver');
    if (config.imagePath === '' || (!driver && /^(boot|system)$/.test(config.startType))) {
      throw new WindowsError(87, operation);
    }
    if (config.interactive && (driver || account.toLowerCase() !== 'localsystem')) {
      throw new WindowsError(87, operation);
    }
    const taken = this.select().some(
      (other) =>
        other.name.toLowerCase() !== name.toLowerCase() &&
        [other.name, other.config.displayName].some(
          (text) => text.toLowerCase() === displayName.toLowerCase(),
        ),
    );
    if (taken) throw new WindowsError(1078, operation);
    if (!isSystemAccount(account) && this.account(account) === undefined) {
      throw new WindowsError(1057, operation);
    }
    if (this.#dependsOn(name.toLowerCase(), config, new Set())) {
      throw new WindowsError(1059, operation);
    }
  }

  #dependsOn(name: string, config: ServiceConfig, seen: Set<ServiceRecord>): boolean {
    if (config.dependencies.some((dependency) => dependency.toLowerCase() === name)) return true;
    return this.dependencies({ config }).some((record) => {
      if (seen.has(record)) return false;
      seen.add(record);
      return this.#dependsOn(name, record.config, seen);
    });
  }
}

/** Accounts that need no password and have the right to log on as a service by their nature. */
export function isSystemAccount(name: string): boolean {
  return (
    /^(\.\\)?(localsystem)$/i.test(name) ||
    /^nt authority\\(system|local ?service|network ?service)$/i.test(name) ||
    /^nt service\\[^\\]+$/i.test(name) ||
    /^[^\\]+\\[^\\]+\$$/.test(name)
  );
}

/** @throws {WindowsError} 123 */
function checkName(name: string, operation: string): void {
  if (name === '' || name.length > LONGEST_NAME || /[/\\]/.test(name)) {
    throw new WindowsError(123, operation);
  }
}
