/**
 * A service manager in memory, which behaves as Windows' does: for tests, on any system. Time is a clock's, and programs are functions.
 *
 * What of Windows it has: the states and who may do what in them, all refusals with their numbers, starting with dependencies, waiting for processes to connect and to answer, deletion that
 * waits for open handles, recovery after failures, the boot and the shutdown of the system. What it lacks: remote machines, access lists, triggers.
 */
import {
  Deferred,
  type DeferredClock,
  DeferredList,
  fail,
  reportFailure,
} from '../../deferred/index.ts';
import type {
  ManagerRight,
  NamedControl,
  RecoveryActionType,
  ServiceRight,
  StartReason,
} from './constants.ts';
import { type ControlEvent, controlEvent } from './control-events.ts';
import { WindowsError } from './errors.ts';
import { acceptsEvent, refusesControl } from './memory/controls.ts';
import { isSystemAccount, ServiceDatabase } from './memory/database.ts';
import { type HandleOwner, MemoryManager } from './memory/handles.ts';
import { MemoryScmProcess, type ProcessOwner } from './memory/process.ts';
import type { ServiceRecord } from './memory/record.ts';
import { Starter, type StartOwner } from './memory/starting.ts';
import type {
  OpenManagerOptions,
  ReportedStatus,
  ScmApi,
  ScmManager,
  ServiceReporter,
  ServiceStatus,
} from './scm-api.ts';

export { MemoryScmProcess } from './memory/process.ts';

/** What a program does when the manager starts it. */
export type MemoryProgram = (process: MemoryScmProcess) => void;

/** Options of `MemoryScm`. Times in seconds. */
export interface MemoryScmOptions {
  /** Whose time everything goes by: a `Clock`, in tests. */
  readonly clock: DeferredClock;
  /** Default 'MACHINE'. */
  readonly machine?: string;
  /** How long a process may take to connect. Default 30, as in Windows. */
  readonly connectTimeout?: number;
  /** How long a control handler may take. Default 30. */
  readonly controlTimeout?: number;
  /** How long a service may be pending without progress, beyond its wait hint. Default 80. */
  readonly hangTimeout?: number;
  /** How long after the boot the delayed services start. Default 120. */
  readonly delayedStart?: number;
  /** How long all services together may take to stop at the shutdown. Default 5. */
  readonly shutdownTimeout?: number;
}

/** A line that Windows would have written to the system's event log. */
export interface SystemEvent {
  /** 7000 start failed, 7001 dependency failed, 7009 did not connect, 7011 no answer, 7022 hung, 7023 and 7024 ended with an error, 7031 and 7034 crashed, 7036 changed state, 7038 logon failed. */
  readonly id: number;
  readonly service: string;
  /** The error number; 0 for none. */
  readonly code: number;
}

/** A service manager in memory, which behaves as Windows' does, for tests on any system. Programs are functions that are registered with it, and time is its clock's. */
export class MemoryScm implements ScmApi {
  /** What the system's event log has, oldest first. */
  readonly events: SystemEvent[] = [];
  /** What recovery did other than start services, oldest first: command lines, and messages of reboots. */
  readonly recoveries: Array<{ readonly type: RecoveryActionType; readonly text: string }> = [];
  /** Every process that was started, oldest first. */
  readonly processes: MemoryScmProcess[] = [];
  /** Whether the caller is an administrator; who is not may only query, and what `grant` allows. */
  elevated = true;
  /** Another program holds the database's lock (1055). */
  locked = false;
  readonly #clock: DeferredClock;
  readonly #database: ServiceDatabase;
  readonly #controlTimeout: number;
  readonly #delayedStart: number;
  readonly #shutdownTimeout: number;
  readonly #programs = new Map<string, MemoryProgram>();
  readonly #grants = new Map<string, readonly ServiceRight[]>();
  readonly #starter: Starter;
  readonly #handleOwner: HandleOwner;
  readonly #processOwner: ProcessOwner;
  #shuttingDown = false;

  constructor({
    clock,
    machine = 'MACHINE',
    connectTimeout = 30,
    controlTimeout = 30,
    hangTimeout = 80,
    delayedStart = 120,
    shutdownTimeout = 5,
  }: MemoryScmOptions) {
    const database = new ServiceDatabase(machine);
    this.#clock = clock;
    this.#database = database;
    this.#controlTimeout = controlTimeout;
    this.#delayedStart = delayedStart;
    this.#shutdownTimeout = shutdownTimeout;
    const startOwner: StartOwner = {
      clock,
      database,
      connectTimeout,
      hangTimeout,
      refusesStarts: () => (this.#shuttingDown ? 1115 : this.locked ? 1055 : 0),
      launch: (record) => this.#launch(record),
      processFor: (imagePath) =>
        this.processes.find((one) => one.connected && one.imagePath === imagePath),
      note: (id, service, code = 0) => this.#note(id, service, code),
    };
    this.#starter = new Starter(startOwner);
    this.#handleOwner = {
      database,
      allows: (record, rights) => this.#allows(record, rights),
      start: (record, args) => this.#starter.start(record, args, ['demand']),
      control: (record, control) => this.#control(record, control),
    };
    this.#processOwner = {
      connected: (process) => this.#starter.connected(process, true),
      reported: (process, service, status) => this.#reported(process, service, status),
      exited: (process) => this.#exited(process),
      startReasons: (service) => database.find(service)?.startReasons ?? [],
      later: (f) => void clock.callLater(0, f),
    };
  }

  // ---------------------------------------------------------------------------------- for tests

  /** Says what happens when a command line with this executable is run. Whatever else is started is missing (2). */
  program(executable: string, run: MemoryProgram): void {
    this.#programs.set(executable.toLowerCase(), run);
  }

  /** Adds a user of this machine ('.\\user') or a domain ('DOMAIN\\user'). Without the right to log on as a service, unless told otherwise. */
  addAccount(name: string, password: string, { logonRight = false } = {}): void {
    const full = name.replace(/^\./, this.#database.machine).toLowerCase();
    this.#database.accounts.set(full, { password, logonRight });
  }

  /** Gives who is no administrator rights to one service. */
  grant(service: string, rights: readonly ServiceRight[]): void {
    this.#grants.set(service.toLowerCase(), rights);
  }

  /** Every status that a service had, oldest first. */
  history(service: string): readonly ReportedStatus[] {
    return this.#database.find(service)?.history ?? [];
  }

  /** The process that runs a service; undefined for none. */
  processOf(service: string): MemoryScmProcess | undefined {
    return this.#database.find(service)?.process ?? undefined;
  }

  /** Sends an event that comes from the system, such as a change of session, to every service that accepts it. */
  broadcast(event: ControlEvent): void {
    for (const record of this.#database.select({ state: 'active' })) {
      if (acceptsEvent(record, event)) record.process?.control(record.name, event);
    }
  }

  /** Starts the automatic services, the delayed ones later. Fires when those that are not delayed run, have failed, or hang (7022). Never fails. */
  boot(): Deferred<unknown> {
    const automatic = this.#database
      .select()
      .filter(({ config }) => config.startType === 'automatic');
    const start = (record: ServiceRecord, reason: StartReason): Deferred<unknown> =>
      this.#starter
        .start(record, [], [reason])
        .addCallback(() => this.#starter.settled(record))
        .addErrback((failure) => void failure.trap(WindowsError));
    const [delayed, prompt] = [true, false].map((wanted) =>
      automatic.filter(({ settings }) => settings.delayedStart === wanted),
    );
    this.#clock.callLater(this.#delayedStart, () => {
      for (const record of delayed ?? []) void start(record, 'delayed');
    });
    return new DeferredList((prompt ?? []).map((record) => start(record, 'automatic')));
  }

  /**
   * Takes the system down: tells those that accept it of 'preshutdown' and waits as long as each of them may take, then the same with 'shutdown' for a short while for all of them
   * together, then ends every process. Nothing starts from here on. Fires at the end; never fails.
   */
  shutdown(): Deferred<unknown> {
    this.#shuttingDown = true;
    return this.#announce('preshutdown', ({ settings }) => settings.preshutdownTimeout)
      .addCallback(() => this.#announce('shutdown', () => this.#shutdownTimeout))
      .addCallback(() => {
        for (const process of this.processes) process.exit(1);
      });
  }

  // ---------------------------------------------------------------------------------- ScmClientApi

  openManager({ rights = ['connect'], machine }: OpenManagerOptions = {}): ScmManager {
    const operation = 'open the service manager';
    if (machine !== undefined && machine.toLowerCase() !== this.#database.machine.toLowerCase()) {
      throw new WindowsError(1722, `${operation} of ${JSON.stringify(machine)}`);
    }
    const harmless: readonly ManagerRight[] = ['connect', 'enumerate', 'query-lock'];
    if (!this.elevated && rights.some((right) => !harmless.includes(right))) {
      throw new WindowsError(5, operation);
    }
    return new MemoryManager(this.#handleOwner, rights);
  }

  grantLogonRight(account: string): boolean {
    const operation = `let ${JSON.stringify(account)} log on as a service`;
    if (!this.elevated) throw new WindowsError(5, operation);
    if (isSystemAccount(account)) return false;
    const found = this.#database.account(account);
    if (found === undefined) throw new WindowsError(1332, operation);
    const had = found.logonRight;
    found.logonRight = true;
    return !had;
  }

  isElevated(): boolean {
    return this.elevated;
  }

  // --------------------------------------------------------------------------------- ScmProcessApi

  /** This is not a process that the manager started: those get their own. */
  startDispatcher(): Deferred<void> {
    return fail(new WindowsError(1063, 'connect to the service manager'));
  }

  registerHandler(name: string): ServiceReporter {
    throw new WindowsError(1063, `register a control handler for service ${JSON.stringify(name)}`);
  }

  // --------------------------------------------------------------------------------------- inside

  #allows(record: ServiceRecord | null, rights: readonly ServiceRight[]): boolean {
    const harmless: readonly ServiceRight[] = [
      'query-config',
      'query-status',
      'enumerate-dependents',
      'interrogate',
      'user-defined-control',
      ...(this.#grants.get(record?.name.toLowerCase() ?? '') ?? []),
    ];
    return this.elevated || rights.every((right) => harmless.includes(right));
  }

  #note(id: number, service: string, code = 0): void {
    this.events.push({ id, service, code });
  }

  #launch(record: ServiceRecord): MemoryScmProcess | null {
    const { imagePath, account } = record.config;
    const [, quoted, bare] = /^"([^"]+)"|^(\S+)/.exec(imagePath) ?? [];
    const run = this.#programs.get((quoted ?? bare ?? '').toLowerCase());
    if (run === undefined) return null;
    const { environment } = record.settings;
    const pid = 1000 + 4 * this.processes.length;
    const process = new MemoryScmProcess(this.#processOwner, {
      pid,
      imagePath,
      account,
      environment,
    });
    this.processes.push(process);
    this.#clock.callLater(0, () => {
      try {
        if (process.exitCode === null) run(process);
      } catch (error) {
        reportFailure(error, `Program of service ${record.name} failed`);
        process.exit(1);
      }
    });
    return process;
  }

  #reported(process: MemoryScmProcess, service: string, status: ReportedStatus): void {
    const record = this.#recordOf(process, service);
    if (record === undefined) return;
    const before = record.state;
    if (status.state === 'stopped') record.process = null;
    record.setStatus(status);
    if (status.state === before) return;
    if (['running', 'paused', 'stopped'].includes(status.state)) this.#note(7036, record.name);
    if (status.state !== 'stopped') return;
    const { win32ExitCode, serviceExitCode } = status;
    if (win32ExitCode === 1066) this.#note(7024, record.name, serviceExitCode);
    else if (win32ExitCode !== 0) this.#note(7023, record.name, win32ExitCode);
    if (this.#servicesOf(process).length === 0) process.dispatchingEnded();
    if (win32ExitCode !== 0 && record.settings.recoverOnErrorExit) this.#recover(record);
    this.#database.sweep(record);
  }

  /** With a process of its own a service is found by its process: the name it registers under does not matter. */
  #recordOf(process: MemoryScmProcess, service: string): ServiceRecord | undefined {
    const services = this.#servicesOf(process);
    return (
      services.find(({ name }) => name.toLowerCase() === service.toLowerCase()) ??
      services.find(({ config }) => config.type === 'own-process')
    );
  }

  #servicesOf(process: MemoryScmProcess): ServiceRecord[] {
    return this.#database.select().filter((record) => record.process === process);
  }

  #exited(process: MemoryScmProcess): void {
    const left = this.#servicesOf(process);
    this.#starter.connected(process, false);
    for (const record of left) {
      if (record.process !== process) continue; // it never connected, and its start has dealt with it
      record.process = null;
      record.setStatus({
        state: 'stopped',
        accepts: [],
        win32ExitCode: 1067,
        serviceExitCode: 0,
        checkPoint: 0,
        waitHint: 0,
      });
      if (!this.#shuttingDown) {
        const planned = record.settings.recovery.actions.length > 0;
        this.#note(planned ? 7031 : 7034, record.name, 1067);
        this.#recover(record);
      }
      this.#database.sweep(record);
    }
  }

  #recover(record: ServiceRecord): void {
    const { actions, resetPeriod, command, rebootMessage } = record.settings.recovery;
    const now = this.#clock.seconds();
    if (resetPeriod !== null && now - record.lastFailure >= resetPeriod) record.failures = 0;
    record.lastFailure = now;
    record.failures += 1;
    const action = actions[Math.min(record.failures, actions.length) - 1];
    if (action === undefined || action.type === 'none' || this.#shuttingDown) return;
    this.#clock.callLater(action.delay, () => {
      if (action.type !== 'restart') {
        const text = action.type === 'reboot' ? rebootMessage : command;
        this.recoveries.push({ type: action.type, text });
        return;
      }
      this.#starter
        .start(record, [], ['recovery'])
        .addErrback((failure) => void failure.trap(WindowsError)); // which is in the events
    });
  }

  #control(record: ServiceRecord, control: NamedControl | number): Deferred<ServiceStatus> {
    const operation = `send control ${control} to service ${JSON.stringify(record.name)}`;
    const refusal = refusesControl(record, control, this.#database);
    if (refusal !== 0) return fail(new WindowsError(refusal, operation));
    const { process } = record;
    if (process === null) return fail(new WindowsError(1062, operation));
    const done = new Deferred<ServiceStatus>();
    const timeout = this.#clock.callLater(this.#controlTimeout, () => {
      this.#note(7011, record.name, 1053);
      done.errback(new WindowsError(1053, operation));
    });
    process.control(record.name, controlEvent(control)).addCallback((answer) => {
      if (!timeout.active()) return; // too late: nobody waits any more
      timeout.cancel();
      if (answer === 0) done.callback(record.status);
      else done.errback(new WindowsError(answer, operation));
    });
    return done;
  }

  /** Tells all that accept it, and waits until they have stopped or their time is up. */
  #announce(
    control: 'preshutdown' | 'shutdown',
    limit: (record: ServiceRecord) => number,
  ): Deferred<unknown> {
    const told = this.#database
      .select({ state: 'active' })
      .filter((record) => record.status.accepts.includes(control));
    const stops = told.map((record) => {
      const stopped = new Deferred<void>();
      const unwatch = record.watch(() => {
        if (record.state === 'stopped') this.#clock.callLater(0, end); // its process gets a turn to hear of it
      });
      const timer = this.#clock.callLater(limit(record), () => end());
      const end = (): void => {
        unwatch();
        if (timer.active()) timer.cancel();
        if (!stopped.called) stopped.callback(undefined);
      };
      record.process?.control(record.name, controlEvent(control));
      return stopped;
    });
    return new DeferredList(stops);
  }
}
