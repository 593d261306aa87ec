import { expect } from 'chai';
import type { Deferred } from '../../../src/deferred/index.ts';
import { Failure } from '../../../src/deferred/index.ts';
import { Clock } from '../../../src/reactor/index.ts';
import type { AcceptedControl, ServiceRight } from '../../../src/service/windows/constants.ts';
import type { ControlEvent } from '../../../src/service/windows/control-events.ts';
import { controlEvent } from '../../../src/service/windows/control-events.ts';
import { WindowsError } from '../../../src/service/windows/errors.ts';
import type {
  RunningStatus,
  ScmManager,
  ScmService,
  ServiceDefinition,
  ServiceReporter,
} from '../../../src/service/windows/scm-api.ts';
import { MemoryScm, type MemoryScmProcess } from '../../../src/service/windows/scm-memory.ts';

const EXE = 'C:\\node.exe';

/** The number that a call was refused with; 0 when it was not. */
function refusal(f: () => unknown): number {
  try {
    f();
    return 0;
  } catch (error) {
    if (error instanceof WindowsError) return error.winerror;
    throw error;
  }
}

/** What a Deferred has failed with: the number, 0 for success, null while it is not fired. */
function outcome(d: Deferred<unknown>): number | null {
  if (!d.called) return null;
  const { result } = d;
  if (!(result instanceof Failure)) return 0;
  d.addErrback(() => undefined);
  if (result.value instanceof WindowsError) return result.value.winerror;
  throw result.value;
}

/** A service's process: a reporter for each of its services, and what they were told. */
class Program {
  readonly reporters = new Map<string, ServiceReporter>();
  readonly events: ControlEvent[] = [];
  readonly args: Array<readonly string[]> = [];
  accepts: AcceptedControl[] = ['stop'];
  initial: RunningStatus['state'] | null = 'running';
  answer: (event: ControlEvent) => number = () => 0;
  names: string[];
  process: MemoryScmProcess | undefined;
  dispatched: Deferred<void> | undefined;

  constructor(...names: string[]) {
    this.names = names;
  }

  readonly run = (process: MemoryScmProcess): void => {
    this.process = process;
    this.dispatched = process.startDispatcher(
      this.names.map((name) => ({ name, main: (args) => this.main(name, args) })),
    );
  };

  main(name: string, args: readonly string[]): void {
    this.args.push(args);
    const reporter = this.process?.registerHandler(name, (event) => {
      this.events.push(event);
      return this.answer(event);
    });
    if (reporter === undefined) return;
    this.reporters.set(name, reporter);
    if (this.initial !== null) this.report(this.initial);
  }

  report(state: RunningStatus['state'], checkPoint = 0, waitHint = 0, name = this.names[0]): void {
    const { accepts } = this;
    this.reporters.get(name ?? '')?.report({ state, accepts, checkPoint, waitHint });
  }

  stopped(
    win32ExitCode = 0,
    serviceExitCode = 0,
    name = this.names[0],
  ): Deferred<void> | undefined {
    return this.reporters.get(name ?? '')?.reportStopped({ win32ExitCode, serviceExitCode });
  }
}

describe('MemoryScm', () => {
  let clock: Clock;
  let scm: MemoryScm;
  let manager: ScmManager;
  let program: Program;
  beforeEach(() => {
    clock = new Clock();
    scm = new MemoryScm({ clock });
    manager = scm.openManager({ rights: ['create-service', 'enumerate'] });
    program = new Program('echo');
    scm.program(EXE, program.run);
  });

  const create = (name = 'echo', more: Partial<ServiceDefinition> = {}): ScmService =>
    manager.createService({ name, imagePath: `"${EXE}" ${name}.js`, ...more }, ['all']);
  /** Another service, with a program of its own. */
  const other = (name: string, more: Partial<ServiceDefinition> = {}): [ScmService, Program] => {
    const its = new Program(name);
    scm.program(`C:\\${name}.exe`, its.run);
    return [create(name, { imagePath: `C:\\${name}.exe`, ...more }), its];
  };
  const started = (service: ScmService): ScmService => {
    const start = service.start();
    clock.pump([0, 0]);
    expect(outcome(start)).to.equal(0);
    return service;
  };
  const stop = (its = program, win32 = 0, specific = 0): void => {
    void its.stopped(win32, specific);
    clock.advance(0);
  };

  describe('list of services', () => {
    it('a new service has defaults, and has never been started', () => {
      const service = create();
      expect(service.queryConfig()).to.deep.equal({
        type: 'own-process',
        interactive: false,
        startType: 'manual',
        errorControl: 'normal',
        imagePath: `"${EXE}" echo.js`,
        loadOrderGroup: '',
        dependencies: [],
        account: 'LocalSystem',
        displayName: 'echo',
      });
      expect(service.queryStatus()).to.deep.equal({
        type: 'own-process',
        state: 'stopped',
        accepts: [],
        win32ExitCode: 1077,
        serviceExitCode: 0,
        checkPoint: 0,
        waitHint: 0,
        pid: 0,
      });
    });

    it('names are compared without regard to case, and found by display name', () => {
      create('echo', { displayName: 'Echo server' });
      expect(manager.openService('ECHO').name).to.equal('echo');
      expect(manager.keyName('echo SERVER')).to.equal('echo');
      expect(manager.displayName('Echo')).to.equal('Echo server');
      expect(refusal(() => manager.keyName('echo'))).to.equal(1060);
    });

    it('createService() refuses what Windows refuses', () => {
      create('echo', { displayName: 'Echo server' });
      expect(refusal(() => create('Echo'))).to.equal(1073);
      expect(refusal(() => create('other', { displayName: 'echo server' }))).to.equal(1078);
      expect(refusal(() => create('other', { displayName: 'ECHO' }))).to.equal(1078);
      expect(refusal(() => create(''))).to.equal(123);
      expect(refusal(() => create('a/b'))).to.equal(123);
      expect(refusal(() => create('a\\b'))).to.equal(123);
      expect(refusal(() => create('x'.repeat(257)))).to.equal(123);
      expect(refusal(() => create('x'.repeat(256)))).to.equal(0);
      expect(refusal(() => create('other', { startType: 'boot' }))).to.equal(87);
      expect(refusal(() => create('other', { imagePath: '' }))).to.equal(87);
      const account = 'NT AUTHORITY\\LocalService';
      expect(refusal(() => create('other', { interactive: true, account }))).to.equal(87);
      expect(refusal(() => create('other', { account: 'bob' }))).to.equal(1057);
      expect(refusal(() => create('other', { account: '.\\bob' }))).to.equal(1057);
      expect(refusal(() => create('other', { dependencies: ['OTHER'] }))).to.equal(1059);
      expect(refusal(() => manager.openService('other'))).to.equal(1060);
      expect(refusal(() => manager.openService('a/b'))).to.equal(123);
    });

    it('a handle may do what it was opened for, and nothing once it is closed', () => {
      create().close();
      const cases: Array<[ServiceRight, (service: ScmService) => unknown]> = [
        ['query-status', (service) => service.queryStatus()],
        ['query-status', (service) => service.watch(() => {})],
        ['query-config', (service) => service.queryConfig()],
        ['query-config', (service) => service.querySetting('description')],
        ['change-config', (service) => service.changeConfig({})],
        ['change-config', (service) => service.changeSetting('description', 'x')],
        ['enumerate-dependents', (service) => service.dependents()],
        ['delete', (service) => service.delete()],
      ];
      for (const [right, use] of cases) {
        const without = manager.openService('echo', []);
        expect(
          refusal(() => use(without)),
          right,
        ).to.equal(5);
        without.close();
        expect(
          refusal(() => use(without)),
          right,
        ).to.equal(6);
        const having = manager.openService('echo', [right]);
        expect(
          refusal(() => use(having)),
          right,
        ).to.equal(0);
        having.close();
      }
      const service = create('second');
      const handle = manager.openService('second', []);
      expect(outcome(handle.start())).to.equal(5);
      expect(outcome(handle.control('stop'))).to.equal(5);
      service.close();
      expect(outcome(service.start())).to.equal(6);
      expect(outcome(service.control(200))).to.equal(6);
      manager.close();
      expect(refusal(() => manager.openService('second'))).to.equal(6);
    });

    it('who is no administrator may look, and do what was granted', () => {
      create().close();
      scm.elevated = false;
      expect(scm.isElevated()).to.equal(false);
      expect(refusal(() => scm.openManager({ rights: ['create-service'] }))).to.equal(5);
      const reader = scm.openManager({ rights: ['enumerate'] });
      expect(reader.enumerate().map(({ name }) => name)).to.deep.equal(['echo']);
      expect(refusal(() => reader.createService({ name: 'x', imagePath: 'x' }))).to.equal(5);
      expect(refusal(() => scm.openManager().enumerate())).to.equal(5);
      expect(refusal(() => reader.openService('echo', ['query-status']))).to.equal(0);
      expect(refusal(() => reader.openService('echo', ['start']))).to.equal(5);
      scm.grant('Echo', ['start']);
      expect(refusal(() => reader.openService('echo', ['start', 'query-status']))).to.equal(0);
      expect(refusal(() => reader.openService('echo', ['start', 'stop']))).to.equal(5);
      expect(refusal(() => scm.grantLogonRight('.\\bob'))).to.equal(5);
    });

    it('another machine does not answer', () => {
      expect(refusal(() => scm.openManager({ machine: 'elsewhere' }))).to.equal(1722);
      expect(refusal(() => scm.openManager({ machine: 'machine' }))).to.equal(0);
    });

    it('changeConfig() changes what is given, and checks like createService()', () => {
      const service = create();
      create('other', { displayName: 'The other' });
      service.changeConfig({ startType: 'automatic', displayName: undefined });
      expect(service.queryConfig()).to.include({ startType: 'automatic', displayName: 'echo' });
      expect(refusal(() => service.changeConfig({ displayName: 'the OTHER' }))).to.equal(1078);
      expect(refusal(() => service.changeConfig({ account: 'nobody' }))).to.equal(1057);
      service.changeConfig({ dependencies: ['other'] });
      const second = manager.openService('other', ['all']);
      expect(refusal(() => second.changeConfig({ dependencies: ['Echo'] }))).to.equal(1059);
      expect(second.queryConfig().dependencies).to.deep.equal([]);
    });

    it('settings are kept one by one, and checked', () => {
      const service = create();
      service.changeSetting('description', 'Says it again');
      expect(service.querySetting('description')).to.equal('Says it again');
      expect(service.querySetting('requiredPrivileges')).to.deep.equal([]);
      expect(refusal(() => service.changeSetting('delayedStart', true))).to.equal(87);
      service.changeConfig({ startType: 'automatic' });
      service.changeSetting('delayedStart', true);
      service.changeConfig({ startType: 'manual' });
      expect(service.querySetting('delayedStart')).to.equal(false);
      expect(refusal(() => service.changeSetting('preshutdownTimeout', -1))).to.equal(87);
      const recovery = {
        actions: [{ type: 'restart', delay: 5 }],
        resetPeriod: 60,
        rebootMessage: '',
        command: '',
      } as const;
      const weak = manager.openService('echo', ['change-config']);
      expect(refusal(() => weak.changeSetting('recovery', recovery))).to.equal(5);
      expect(refusal(() => service.changeSetting('recovery', recovery))).to.equal(0);
    });

    it('a deleted service stays until it is stopped and nobody has it open', () => {
      const service = started(create());
      const second = manager.openService('echo', ['all']);
      const seen: Array<string | null> = [];
      second.watch((status) => seen.push(status?.state ?? null));
      service.delete();
      expect(seen).to.deep.equal([null]);
      expect(refusal(() => second.delete())).to.equal(1072);
      expect(refusal(() => second.changeConfig({ startType: 'disabled' }))).to.equal(1072);
      expect(refusal(() => second.changeSetting('description', ''))).to.equal(1072);
      expect(refusal(() => create())).to.equal(1072);
      service.close();
      stop();
      expect(outcome(second.start())).to.equal(1072);
      second.close();
      expect(seen).to.deep.equal([null]);
      expect(refusal(() => manager.openService('echo'))).to.equal(1060);
      expect(refusal(() => create())).to.equal(0);
    });
  });

  describe('start', () => {
    it('runs the program, and its main function with the arguments', () => {
      const service = create();
      const seen: string[] = [];
      service.watch((status) => seen.push(`${status?.state} ${status?.pid}`));
      const start = service.start(['-v', 'x']);
      expect(service.queryStatus()).to.include({ state: 'start-pending', waitHint: 2 });
      expect(outcome(start)).to.equal(null);
      clock.pump([0, 0]);
      expect(outcome(start)).to.equal(0);
      expect(program.args).to.deep.equal([['echo', '-v', 'x']]);
      const { pid } = service.queryStatus();
      expect(pid).to.be.above(0);
      expect(seen).to.deep.equal([`start-pending ${pid}`, `running ${pid}`]);
      expect(program.reporters.get('echo')?.startReasons()).to.deep.equal(['demand']);
      expect(scm.processOf('echo')).to.equal(program.process);
    });

    it('refuses what runs (1056), is disabled (1058), missing (2), while the list is locked (1055)', () => {
      const service = create();
      const first = service.start();
      expect(outcome(service.start())).to.equal(1056);
      clock.pump([0, 0]);
      expect(outcome(first)).to.equal(0);
      expect(outcome(service.start())).to.equal(1056);
      expect(outcome(create('off', { startType: 'disabled' }).start())).to.equal(1058);
      expect(outcome(create('gone', { imagePath: 'C:\\gone.exe -x' }).start())).to.equal(2);
      scm.locked = true;
      expect(outcome(create('later').start())).to.equal(1055);
    });

    it('1053 when the process does not connect in time, and it is ended', () => {
      scm.program(EXE, () => {});
      const service = create();
      const start = service.start();
      clock.advance(29.9);
      expect(outcome(start)).to.equal(null);
      clock.advance(0.1);
      expect(outcome(start)).to.equal(1053);
      expect(service.queryStatus()).to.include({ state: 'stopped', win32ExitCode: 1053, pid: 0 });
      expect(scm.processes[0]?.exitCode).to.equal(1);
      expect(scm.events.map(({ id }) => id)).to.deep.equal([7009, 7000]);
    });

    it('1053 at once when the process ends before it connects', () => {
      scm.program(EXE, (process) => process.exit(3));
      const start = create().start();
      clock.advance(0);
      expect(outcome(start)).to.equal(1053);
      expect(scm.history('echo').map(({ state }) => state)).to.deep.equal([
        'start-pending',
        'stopped',
      ]);
    });

    it('1083 when a shared program does not contain it, 1054 when there is no thread for it', () => {
      const start = create('alien', { type: 'share-process' }).start();
      clock.pump([0, 0]);
      expect(outcome(start)).to.equal(1083);
      scm.program(EXE, (process) => {
        process.refuseThread = true;
        program.run(process);
      });
      const second = create().start();
      clock.pump([0, 0]);
      expect(outcome(second)).to.equal(1054);
    });

    it('a process of its own runs its only service whatever it is called there', () => {
      started(create('renamed'));
      expect(program.args).to.deep.equal([['renamed']]);
    });

    it('services share a process, unless their accounts differ (1079)', () => {
      program.names = ['a', 'b'];
      const shared = { type: 'share-process', imagePath: EXE } as const;
      started(create('a', shared));
      started(create('b', shared));
      expect(scm.processes).to.have.length(1);
      const account = 'NT AUTHORITY\\LocalService';
      expect(outcome(create('c', { ...shared, account }).start())).to.equal(1079);
      void program.stopped(0, 0, 'a');
      clock.advance(0);
      expect(program.dispatched?.called).to.equal(false);
      void program.stopped(0, 0, 'b');
      clock.advance(0);
      expect(program.dispatched?.called).to.equal(true);
    });

    it('1069 when the account cannot log on', () => {
      scm.addAccount('.\\bob', 'secret');
      const service = create('echo', { account: '.\\bob', password: 'secret' });
      expect(outcome(service.start())).to.equal(1069);
      expect(scm.grantLogonRight('MACHINE\\Bob')).to.equal(true);
      expect(scm.grantLogonRight('.\\bob')).to.equal(false);
      expect(scm.grantLogonRight('NT SERVICE\\echo')).to.equal(false);
      expect(refusal(() => scm.grantLogonRight('.\\eve'))).to.equal(1332);
      service.changeConfig({ password: 'wrong' });
      expect(outcome(service.start())).to.equal(1069);
      service.changeConfig({ password: 'secret' });
      started(service);
      expect(program.process?.account).to.equal('.\\bob');
      expect(scm.events.filter(({ id }) => id === 7038)).to.have.length(2);
    });

    it('starts what it depends on first, and waits until that runs', () => {
      const [, database] = other('db');
      database.initial = 'start-pending';
      const service = create('echo', { dependencies: ['DB'] });
      const start = service.start();
      clock.pump([0, 0, 79]);
      expect(service.queryStatus().state).to.equal('stopped');
      database.report('start-pending', 1, 10);
      clock.advance(89);
      database.report('running');
      clock.pump([0, 0]);
      expect(outcome(start)).to.equal(0);
      expect(service.queryStatus().state).to.equal('running');
    });

    it('1075 without a dependency, 1068 when it fails, stops at once, or hangs (7022)', () => {
      const service = create('echo', { dependencies: ['db'] });
      expect(outcome(service.start())).to.equal(1075);
      const [, database] = other('db');
      manager.openService('db', ['all']).changeConfig({ startType: 'disabled' });
      expect(outcome(service.start())).to.equal(1068);
      manager.openService('db', ['all']).changeConfig({ startType: 'manual' });
      database.initial = null;
      const second = service.start();
      clock.pump([0, 0]);
      stop(database, 1064);
      expect(outcome(second)).to.equal(1068);
      const third = service.start();
      clock.pump([0, 0, 81]);
      expect(outcome(third)).to.equal(null);
      clock.advance(1);
      expect(outcome(third)).to.equal(1068);
      expect(scm.events).to.deep.include({ id: 7022, service: 'db', code: 1070 });
      expect(service.queryStatus().state).to.equal('stopped');
    });

    it('one service of a group is enough', () => {
      const service = create('echo', { dependencies: ['+net'] });
      expect(outcome(service.start())).to.equal(1075);
      other('broken', { loadOrderGroup: 'NET', startType: 'disabled' });
      expect(outcome(service.start())).to.equal(1068);
      other('fine', { loadOrderGroup: 'net' });
      const start = service.start();
      clock.pump([0, 0, 0, 0]);
      expect(outcome(start)).to.equal(0);
    });

    it('1059 when the dependencies turn out to be a circle, by way of a group', () => {
      const service = create('echo', { dependencies: ['+net'] });
      const [second] = other('second', { dependencies: ['echo'] });
      expect(refusal(() => second.changeConfig({ loadOrderGroup: 'net' }))).to.equal(0);
      expect(outcome(service.start())).to.equal(1059);
    });
  });

  describe('controls', () => {
    it('reach a process of its own under whatever name it registered', () => {
      const service = started(create('called otherwise'));
      expect(outcome(service.control('stop'))).to.equal(0);
      expect(program.events.map(({ type }) => type)).to.deep.equal(['stop']);
    });

    it('reach the handler, whose answer is the outcome', () => {
      const service = started(create());
      program.answer = ({ code }) => (code === 200 ? 0 : 120);
      expect(outcome(service.control(200))).to.equal(0);
      expect(outcome(service.control(201))).to.equal(120);
      expect(program.events).to.deep.equal([
        { type: 'custom', code: 200 },
        { type: 'custom', code: 201 },
      ]);
    });

    it('give the status that the service has then', () => {
      const service = started(create());
      program.answer = () => {
        program.report('stop-pending', 1, 3);
        return 0;
      };
      const { result } = service.control('stop');
      expect(result).to.include({ state: 'stop-pending', checkPoint: 1, waitHint: 3 });
    });

    it('what may not be sent is 87', () => {
      const service = started(create());
      for (const code of [0, 127, 256, 128.5, -1, 1]) {
        expect(outcome(service.control(code)), String(code)).to.equal(87);
      }
      for (const name of ['shutdown', 'preshutdown', 'session-change', 'power-event'] as const) {
        expect(outcome(service.control(name)), name).to.equal(87);
      }
    });

    it('1062 when it does not run, 1061 while it starts or stops, 1052 when it is not accepted', () => {
      const service = create();
      expect(outcome(service.control('stop'))).to.equal(1062);
      program.initial = 'start-pending';
      program.accepts = [];
      started(service);
      expect(outcome(service.control('stop'))).to.equal(1061);
      expect(outcome(service.control('interrogate'))).to.equal(1061);
      program.accepts = ['stop'];
      program.report('start-pending');
      expect(outcome(service.control('stop'))).to.equal(0);
      program.report('running');
      for (const name of ['pause', 'continue', 'param-change', 'net-bind-add'] as const) {
        expect(outcome(service.control(name)), name).to.equal(1052);
      }
      program.accepts = ['pause-continue'];
      program.report('pause-pending');
      expect(outcome(service.control('pause'))).to.equal(0);
      expect(outcome(service.control('stop'))).to.equal(1052);
      program.report('stop-pending');
      expect(outcome(service.control(200))).to.equal(1061);
    });

    it('1051 while a service that depends on it runs', () => {
      const [database] = other('db');
      started(create('echo', { dependencies: ['db'] }));
      create('idle', { dependencies: ['echo'], imagePath: 'C:\\idle.exe' });
      expect(database.dependents().map(({ name }) => name)).to.deep.equal(['idle', 'echo']);
      expect(database.dependents({ state: 'active' }).map(({ name }) => name)).to.deep.equal([
        'echo',
      ]);
      expect(outcome(database.control('stop'))).to.equal(1051);
      stop();
      expect(outcome(database.control('stop'))).to.equal(0);
    });

    it('1053 when the process does not answer in time; the control comes late all the same', () => {
      const service = started(create());
      program.process?.freeze();
      const first = service.control(200);
      clock.advance(10);
      const second = service.control(201);
      clock.advance(20);
      expect(outcome(first)).to.equal(1053);
      expect(outcome(second)).to.equal(null);
      program.process?.thaw();
      expect(outcome(second)).to.equal(0);
      expect(program.events.map(({ code }) => code)).to.deep.equal([200, 201]);
      expect(scm.events.at(-1)).to.deep.equal({ id: 7011, service: 'echo', code: 1053 });
    });

    it('1053 when the process ends instead of answering', () => {
      const service = started(create());
      program.process?.freeze();
      const control = service.control(200);
      program.process?.exit(1);
      expect(outcome(control)).to.equal(1053);
    });

    it('a control that a handler sends waits until the handler is done', () => {
      const service = started(create());
      const order: string[] = [];
      program.answer = ({ code }) => {
        order.push(`in ${code}`);
        if (code === 200) void service.control(201);
        order.push(`out ${code}`);
        return 0;
      };
      void service.control(200);
      expect(order).to.deep.equal(['in 200', 'out 200', 'in 201', 'out 201']);
    });

    it('events of the system reach those that accept them', () => {
      program.accepts = ['session-change'];
      started(create());
      scm.broadcast(controlEvent('session-change'));
      scm.broadcast(controlEvent('power-event'));
      expect(program.events.map(({ type }) => type)).to.deep.equal(['session-change']);
    });
  });

  describe('service process', () => {
    it('startDispatcher() is for processes of the manager (1063), once (1056), with entries (87)', () => {
      expect(outcome(scm.startDispatcher())).to.equal(1063);
      expect(refusal(() => scm.registerHandler('echo'))).to.equal(1063);
      const codes: Array<number | null> = [];
      scm.program(EXE, (process) => {
        codes.push(refusal(() => process.registerHandler('echo', () => 0)));
        codes.push(outcome(process.startDispatcher([])));
        const entries = [{ name: 'echo', main: () => {} }];
        void process.startDispatcher(entries);
        codes.push(outcome(process.startDispatcher(entries)));
        codes.push(refusal(() => process.registerHandler('other', () => 0)));
      });
      void create().start();
      clock.pump([0, 0]);
      expect(codes).to.deep.equal([1063, 87, 1056, 1083]);
    });

    it('reportStopped() comes later and counts once; reports after it are nothing', () => {
      const service = started(create());
      const first = program.stopped(0);
      const second = program.stopped(1066, 5);
      program.report('running');
      expect(service.queryStatus().state).to.equal('running');
      expect(first?.called).to.equal(false);
      clock.advance(0);
      expect([first?.called, second?.called]).to.deep.equal([true, true]);
      expect(service.queryStatus()).to.include({ state: 'stopped', win32ExitCode: 0, pid: 0 });
      expect(program.dispatched?.called).to.equal(true);
      expect(scm.history('echo')).to.have.length(3);
    });

    it('a status that makes no sense is 13', () => {
      started(create());
      expect(refusal(() => program.report('running', -1))).to.equal(13);
      expect(refusal(() => program.report('running', 0, Number.NaN))).to.equal(13);
    });
  });

  describe('recovery', () => {
    const plan = {
      actions: [
        { type: 'restart', delay: 5 },
        { type: 'run-command', delay: 10 },
        { type: 'reboot', delay: 0 },
      ],
      resetPeriod: 100,
      rebootMessage: 'Going down',
      command: 'notify.exe',
    } as const;

    it('follows a crash (1067), one action after the other', () => {
      const service = create();
      service.changeSetting('recovery', plan);
      started(service);
      program.process?.exit(7);
      expect(service.queryStatus()).to.include({ state: 'stopped', win32ExitCode: 1067 });
      expect(scm.events.at(-1)).to.deep.equal({ id: 7031, service: 'echo', code: 1067 });
      clock.advance(4.9);
      expect(service.queryStatus().state).to.equal('stopped');
      clock.pump([0.1, 0, 0]);
      expect(service.queryStatus().state).to.equal('running');
      expect(program.reporters.get('echo')?.startReasons()).to.deep.equal(['recovery']);
      program.process?.exit(7);
      clock.advance(10);
      expect(scm.recoveries).to.deep.equal([{ type: 'run-command', text: 'notify.exe' }]);
      for (const expected of [2, 3]) {
        started(service);
        program.process?.exit(7);
        clock.advance(0);
        expect(scm.recoveries).to.have.length(expected); // the last action serves for all that follow
      }
      expect(scm.recoveries.at(-1)).to.deep.equal({ type: 'reboot', text: 'Going down' });
      clock.advance(100);
      started(service);
      program.process?.exit(7);
      clock.pump([5, 0, 0]);
      expect(service.queryStatus().state).to.equal('running'); // counting has begun anew
    });

    it('follows an error exit only when told to', () => {
      const service = create();
      service.changeSetting('recovery', plan);
      started(service);
      stop(program, 1066, 42);
      clock.pump([5, 0, 0]);
      expect(service.queryStatus()).to.include({ state: 'stopped', serviceExitCode: 42 });
      expect(scm.events.at(-1)).to.deep.equal({ id: 7024, service: 'echo', code: 42 });
      service.changeSetting('recoverOnErrorExit', true);
      started(service);
      stop(program, 0);
      clock.pump([5, 0, 0]);
      expect(service.queryStatus().state).to.equal('stopped');
      started(service);
      stop(program, 1064);
      clock.pump([5, 0, 0]);
      expect(service.queryStatus().state).to.equal('running');
    });
  });

  describe('system', () => {
    it('boot() starts the automatic services, the delayed ones later, and finds those that hang', () => {
      const [, hangs] = other('hangs', { startType: 'automatic' });
      hangs.initial = 'start-pending';
      const [slow] = other('slow', { startType: 'automatic' });
      slow.changeSetting('delayedStart', true);
      const [manual] = other('manual');
      const service = create('echo', { startType: 'automatic' });
      const booted = scm.boot();
      clock.pump([0, 0]);
      expect(service.queryStatus().state).to.equal('running');
      expect(booted.called).to.equal(false);
      clock.advance(82);
      expect(booted.called).to.equal(true);
      expect(scm.events).to.deep.include({ id: 7022, service: 'hangs', code: 1070 });
      expect(slow.queryStatus().state).to.equal('stopped');
      clock.pump([38, 0, 0]);
      expect(slow.queryStatus().state).to.equal('running');
      expect(manual.queryStatus().state).to.equal('stopped');
    });

    it('shutdown() announces, waits as long as is due, then ends all; nothing starts any more (1115)', () => {
      program.accepts = ['stop', 'preshutdown'];
      const service = started(create());
      service.changeSetting('preshutdownTimeout', 20);
      const [second, late] = other('late');
      late.accepts = ['stop', 'shutdown'];
      started(second);
      let down = false;
      scm.shutdown().addCallback(() => {
        down = true;
      });
      expect(program.events.map(({ type }) => type)).to.deep.equal(['preshutdown']);
      expect(late.events).to.deep.equal([]);
      expect(outcome(create('third').start())).to.equal(1115);
      clock.advance(19);
      stop();
      expect(late.events.map(({ type }) => type)).to.deep.equal(['shutdown']);
      clock.advance(4.9);
      expect(down).to.equal(false);
      clock.advance(0.1);
      expect(down).to.equal(true);
      expect(late.process?.exitCode).to.equal(1);
      expect(service.queryStatus().win32ExitCode).to.equal(0);
    });
  });
});
