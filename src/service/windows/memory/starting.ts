/** How the manager in memory starts a service: first what it depends on, then its process, then its main function. */
import {
  Deferred,
  type DeferredClock,
  type DeferredTimer,
  inlineCallbacks,
  wait,
} from '../../../deferred/index.ts';
import type { StartReason } from '../constants.ts';
import { isWindowsError, WindowsError } from '../errors.ts';
import type { ServiceDatabase } from './database.ts';
import type { MemoryScmProcess } from './process.ts';
import type { ServiceRecord } from './record.ts';

/** What a start needs of the manager. */
export interface StartOwner {
  readonly clock: DeferredClock;
  readonly database: ServiceDatabase;
  /** Seconds for a new process to connect. */
  readonly connectTimeout: number;
  /** Seconds that a service may be pending beyond its wait hint before it counts as hung. */
  readonly hangTimeout: number;
  /** 0, or why nothing may be started now: 1055, 1115. */
  refusesStarts(): number;
  /** Runs the program of a command line in a new process; null when there is none. */
  launch(record: ServiceRecord): MemoryScmProcess | null;
  /** A process that runs this command line already. */
  processFor(imagePath: string): MemoryScmProcess | undefined;
  note(id: number, service: string, code?: number): void;
}

export class Starter {
  readonly #owner: StartOwner;
  /** Those who wait for a process to connect. */
  readonly #connecting = new Map<MemoryScmProcess, Deferred<boolean>>();

  constructor(owner: StartOwner) {
    this.#owner = owner;
  }

  /**
   * Fires when its main function has been called.
   * Fails with {WindowsError}
   */
  start(
    record: ServiceRecord,
    args: readonly string[],
    reasons: readonly StartReason[],
  ): Deferred<void> {
    return this.#start(record, args, reasons, []);
  }

  /** A process has connected (true), or ended before it did (false). */
  connected(process: MemoryScmProcess, alive: boolean): void {
    const waiting = this.#connecting.get(process);
    this.#connecting.delete(process);
    waiting?.callback(alive);
  }

  readonly #start = inlineCallbacks(function* (
    this: Starter,
    record: ServiceRecord,
    args: readonly string[],
    reasons: readonly StartReason[],
    chain: readonly ServiceRecord[],
  ): Generator<unknown, void> {
    const { database } = this.#owner;
    const refuse = (code: number): WindowsError =>
      new WindowsError(code, `start service ${JSON.stringify(record.name)}`);
    const refusal = this.#refusal(record);
    if (refusal !== 0) throw refuse(refusal);
    record.starting = true;
    try {
      for (const name of record.config.dependencies) {
        const code = yield* wait(this.#startDependency(name, [...chain, record]));
        if (code === 1068) this.#owner.note(7001, record.name, code);
        if (code !== 0) throw refuse(code);
      }
      const code = database.logOn(record);
      if (code !== 0) {
        this.#owner.note(7038, record.name, code);
        throw refuse(code);
      }
      const failed = yield* wait(this.#run(record, args, reasons));
      if (failed !== 0) throw refuse(failed);
    } catch (error) {
      if (isWindowsError(error)) this.#owner.note(7000, record.name, error.winerror);
      throw error;
    } finally {
      record.starting = false;
      database.sweep(record);
    }
  });

  #refusal(record: ServiceRecord): number {
    if (record.deletePending) return 1072;
    if (record.starting || record.state !== 'stopped') return 1056;
    if (record.config.startType === 'disabled') return 1058;
    return this.#owner.refusesStarts();
  }

  /** Sees that a service, or one of a group, runs. Fires with 0 or the reason why not. */
  readonly #startDependency = inlineCallbacks(function* (
    this: Starter,
    name: string,
    chain: readonly ServiceRecord[],
  ): Generator<unknown, number> {
    const { database } = this.#owner;
    const group = name.startsWith('+');
    const found = group ? database.group(name.slice(1)) : [database.find(name)];
    const candidates = found.filter((one) => one !== undefined && !one.deletePending);
    if (candidates.length === 0) return 1075;
    let outcome = 1068;
    for (const one of candidates) {
      if (one === undefined) continue;
      if (chain.includes(one)) return 1059;
      try {
        if (one.state === 'stopped' && !one.starting) {
          yield* wait(this.#start(one, [], ['demand'], chain));
        }
        if ((yield* wait(this.settled(one))) === 'running') outcome = 0;
      } catch (error) {
        if (!isWindowsError(error)) throw error;
        if (error.winerror === 1059) return 1059;
      }
    }
    return outcome;
  });

  /** Waits until it is no longer 'start-pending': fires with what became of it, 'hung' when it stopped making progress. */
  settled(record: ServiceRecord): Deferred<'running' | 'failed' | 'hung'> {
    const done = new Deferred<'running' | 'failed' | 'hung'>();
    let timer: DeferredTimer | undefined;
    let checkPoint = -1;
    const end = (outcome: 'running' | 'failed' | 'hung'): void => {
      if (timer?.active() === true) timer.cancel();
      unwatch();
      done.callback(outcome);
    };
    const look = (): void => {
      const { status } = record;
      if (status.state === 'start-pending' || (status.state === 'stopped' && record.starting)) {
        if (status.checkPoint === checkPoint) return;
        checkPoint = status.checkPoint;
        if (timer?.active() === true) timer.cancel();
        timer = this.#owner.clock.callLater(status.waitHint + this.#owner.hangTimeout, () => {
          this.#owner.note(7022, record.name, 1070);
          end('hung');
        });
        return;
      }
      end(status.state === 'running' || status.state === 'paused' ? 'running' : 'failed');
    };
    const unwatch = record.watch(look);
    look();
    return done;
  }

  /** Starts its process, or finds the one that it shares, and calls its main function. Fires with 0 or the reason why not. */
  readonly #run = inlineCallbacks(function* (
    this: Starter,
    record: ServiceRecord,
    args: readonly string[],
    reasons: readonly StartReason[],
  ): Generator<unknown, number> {
    const owner = this.#owner;
    const { imagePath, type, account } = record.config;
    const shared = type === 'share-process' ? owner.processFor(imagePath) : undefined;
    if (shared !== undefined && shared.account.toLowerCase() !== account.toLowerCase()) return 1079;
    const process = shared ?? owner.launch(record);
    if (process === null) return 2;
    record.process = process;
    record.startReasons = reasons;
    record.setStatus({
      state: 'start-pending',
      accepts: [],
      win32ExitCode: 0,
      serviceExitCode: 0,
      checkPoint: 0,
      waitHint: 2,
    });
    let code = 0;
    if (shared === undefined && !(yield* wait(this.#connection(process)))) code = 1053;
    const entry = type === 'own-process' ? process.firstEntry : process.entry(record.name);
    if (code === 0 && entry === undefined) code = 1083;
    if (code === 0 && process.refuseThread) code = 1054;
    if (code !== 0 || entry === undefined) {
      if (code === 1053) owner.note(7009, record.name, code);
      record.process = null;
      record.setStatus({
        state: 'stopped',
        accepts: [],
        win32ExitCode: code,
        serviceExitCode: 0,
        checkPoint: 0,
        waitHint: 0,
      });
      if (shared === undefined) process.exit(1);
      return code;
    }
    record.startArgs = args;
    entry.main([record.name, ...args]);
    return 0;
  });

  /** Fires with true when the process has connected, with false when it ends before or takes too long. */
  #connection(process: MemoryScmProcess): Deferred<boolean> {
    const waiting = new Deferred<boolean>();
    if (process.exitCode !== null) {
      waiting.callback(false);
      return waiting;
    }
    this.#connecting.set(process, waiting);
    const timer = this.#owner.clock.callLater(this.#owner.connectTimeout, () => {
      this.connected(process, false);
    });
    waiting.addCallback((alive) => {
      if (timer.active()) timer.cancel();
      return alive;
    });
    return waiting;
  }
}
