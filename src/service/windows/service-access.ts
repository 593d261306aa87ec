/** How services are got at: the manager, opened for what is to be done, and a service of it. */
import type { DeferredClock } from '../../deferred/index.ts';
import { reactor } from '../../reactor/index.ts';
import type { ManagerRight, ServiceRight } from './constants.ts';
import { isWindowsError } from './errors.ts';
import type { ScmClientApi, ScmManager, ScmService } from './scm-api.ts';
import { KoffiScm } from './scm-koffi.ts';

/** Options of all functions for services. */
export interface ServiceFunctionOptions {
  /** Default: that of Windows. */
  readonly scm?: ScmClientApi;
  /** Default: the reactor. */
  readonly clock?: DeferredClock;
  /** Another machine; default this one. */
  readonly machine?: string | undefined;
}

/**
 * Opens a service by its name, or else its display name. Close it.
 * @throws {WindowsError} 5, 123, 1060
 */
export function openService(
  name: string,
  rights: readonly ServiceRight[],
  options: ServiceFunctionOptions,
): ScmService {
  return withManager(options, ['connect'], (manager) => openBy(manager, name, rights));
}

/** Calls `f` with the manager, and closes it. @throws {WindowsError} 5, 1722 */
export function withManager<T>(
  { scm, machine }: ServiceFunctionOptions,
  rights: readonly ManagerRight[],
  f: (manager: ScmManager) => T,
): T {
  const manager = (scm ?? theScm()).openManager({ rights, machine });
  try {
    return f(manager);
  } finally {
    manager.close();
  }
}

let windowsScm: KoffiScm | undefined;

/** Windows' service manager. */
export function theScm(): KoffiScm {
  windowsScm ??= new KoffiScm();
  return windowsScm;
}

/** By what they wait. */
export function clockOf({ clock = reactor }: ServiceFunctionOptions): DeferredClock {
  return clock;
}

/** `openService` with a manager that is open already. */
export function openBy(
  manager: ScmManager,
  name: string,
  rights: readonly ServiceRight[],
): ScmService {
  try {
    return manager.openService(name, rights);
  } catch (error) {
    if (!isWindowsError(error, 1060, 123)) throw error;
    let key: string;
    try {
      key = manager.keyName(name);
    } catch {
      throw error; // what was said of the name is the better answer
    }
    return manager.openService(key, rights);
  }
}
