/** Windows' own service manager, called through koffi. See `scm-api.ts` for what it can do, `scm-memory.ts` for one that needs no Windows. */
import type { Deferred } from '../../deferred/index.ts';
import { reactor } from '../../reactor/index.ts';
import {
  addServiceLogonRight,
  expandedAccount,
  isElevated,
  mayRunServices,
} from './ffi/accounts.ts';
import { KoffiManager } from './koffi/manager.ts';
import { KoffiProcess } from './koffi/process.ts';
import type { WatchClock } from './koffi/watch.ts';
import type {
  ControlHandler,
  OpenManagerOptions,
  ScmApi,
  ScmManager,
  ServiceEntry,
  ServiceReporter,
} from './scm-api.ts';

/** Options of `KoffiScm`. */
export interface KoffiScmOptions {
  /** By which `watch` looks at a service four times a second. Default: the reactor. */
  readonly clock?: WatchClock;
}

/** Making one loads nothing; the first call loads koffi, and fails with {NativeCallsUnavailable} where there is none. */
export class KoffiScm implements ScmApi {
  readonly #clock: WatchClock;
  readonly #process = new KoffiProcess();

  constructor({ clock = reactor }: KoffiScmOptions = {}) {
    this.#clock = clock;
  }

  openManager({ rights = ['connect'], machine }: OpenManagerOptions = {}): ScmManager {
    return KoffiManager.open({ machine: machine ?? null, clock: this.#clock }, rights);
  }

  grantLogonRight(account: string): boolean {
    if (mayRunServices(account)) return false;
    addServiceLogonRight(expandedAccount(account, process.env['COMPUTERNAME'] ?? '.'));
    return true;
  }

  isElevated(): boolean {
    return isElevated();
  }

  startDispatcher(entries: readonly ServiceEntry[]): Deferred<void> {
    return this.#process.startDispatcher(entries);
  }

  registerHandler(name: string, handler: ControlHandler): ServiceReporter {
    return this.#process.registerHandler(name, handler);
  }
}
