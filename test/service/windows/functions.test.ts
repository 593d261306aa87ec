import { expect } from 'chai';
import { Deferred } from '../../../src/deferred/index.ts';
import {
  assertNoResult,
  Clock,
  failureResultOf,
  successResultOf,
} from '../../../src/reactor/index.ts';
import {
  changeServiceConfig,
  installService,
  MemoryScm,
  queryServiceStatus,
  removeService,
  restartService,
  SERVICE_PAUSED,
  SERVICE_RUNNING,
  SERVICE_STOPPED,
  type ServiceSetup,
  startService,
  stopService,
  UnexpectedServiceState,
  WindowsError,
  waitForServiceStatus,
} from '../../../src/service/index.ts';
import { ServiceHost } from '../../../src/service/windows/host.ts';
import type { HostedService } from '../../../src/service/windows/hosted.ts';

describe('functions for services', () => {
  let clock: Clock;
  let scm: MemoryScm;
  let how: { scm: MemoryScm; clock: Clock };
  /** What the service does. */
  let part: HostedService;
  let started: string[];
  beforeEach(() => {
    clock = new Clock();
    scm = new MemoryScm({ clock });
    how = { scm, clock };
    started = [];
    part = { start: () => undefined, stop: () => undefined };
    scm.program('node', (process) => {
      const exit = (code: number): void => process.exit(code);
      const service: HostedService = {
        ...part,
        start: (start) => {
          started.push(start.args.join(' '));
          return part.start(start);
        },
      };
      const name = process.imagePath.split(' ')[1] ?? '';
      new ServiceHost({ scm: process, clock, name, service, exit, stopTimeout: 300 })
        .run()
        .addBoth(() => process.exit(0));
    });
  });

  const install = (more: Partial<ServiceSetup> = {}): void => {
    const { name = 'echo' } = more;
    successResultOf(installService({ name, imagePath: `node ${name}`, ...more }, how));
  };
  const running = (name = 'echo'): void => {
    const start = startService(name, [], how);
    clock.pump([0, 0, 0, 0, 0]);
    successResultOf(start);
  };
  const look = <T>(name: string, f: (service: ReturnType<typeof open>) => T): T => {
    const service = open(name);
    try {
      return f(service);
    } finally {
      service.close();
    }
  };
  const open = (name: string) => scm.openManager().openService(name, ['all']);
  const state = (name = 'echo'): string => look(name, (service) => service.queryStatus().state);
  const winerror = (deferred: Deferred<unknown>): number => {
    const { value } = failureResultOf(deferred);
    if (!(value instanceof WindowsError)) throw value;
    return value.winerror;
  };

  describe('installService()', () => {
    it('completes a recovery, which is for stops with an error, too, unless told otherwise', () => {
      const settings = () =>
        look('echo', (service) => [
          service.querySetting('recovery'),
          service.querySetting('recoverOnErrorExit'),
        ]);
      const actions = [{ type: 'restart', delay: 5 }] as const;
      install({ recovery: { actions } });
      const plan = { actions, resetPeriod: 86_400, rebootMessage: '', command: '' };
      expect(settings()).to.deep.equal([plan, true]);
      install({ recovery: { actions, resetPeriod: null }, recoverOnErrorExit: false });
      expect(settings()).to.deep.equal([{ ...plan, resetPeriod: null }, false]);
      install({ description: 'x' });
      expect(settings()).to.deep.equal([{ ...plan, resetPeriod: null }, false]);
      install({ recovery: { actions: [] } });
      expect(settings()).to.deep.equal([{ ...plan, actions: [] }, false]);
    });

    it('registers a service with configuration and settings', () => {
      const result = successResultOf(
        installService(
          {
            name: 'echo',
            imagePath: 'node',
            displayName: 'Echo',
            startType: 'automatic',
            delayedStart: true,
            description: 'Says it again',
            recovery: {
              actions: [{ type: 'restart', delay: 5 }],
              resetPeriod: 60,
              rebootMessage: '',
              command: '',
            },
            environment: { A: '1' },
          },
          how,
        ),
      );
      expect(result).to.deep.equal({ updated: false, unsupported: [] });
      look('echo', (service) => {
        expect(service.queryConfig()).to.include({ displayName: 'Echo', startType: 'automatic' });
        expect(service.querySetting('delayedStart')).to.equal(true);
        expect(service.querySetting('description')).to.equal('Says it again');
        expect(service.querySetting('recovery').resetPeriod).to.equal(60);
        expect(service.querySetting('environment')).to.deep.equal({ A: '1' });
      });
    });

    it('changes one that is there, and leaves what is not given', () => {
      install({ description: 'old', displayName: 'Echo' });
      const result = successResultOf(
        installService({ name: 'ECHO', imagePath: 'node 2', startType: 'automatic' }, how),
      );
      expect(result).to.deep.equal({ updated: true, unsupported: [] });
      look('echo', (service) => {
        expect(service.queryConfig()).to.include({
          imagePath: 'node 2',
          startType: 'automatic',
          displayName: 'Echo',
        });
        expect(service.querySetting('description')).to.equal('old');
      });
    });

    it('takes a new one back when it cannot be given its settings', () => {
      const bad = installService({ name: 'echo', imagePath: 'node', preshutdownTimeout: -1 }, how);
      expect(winerror(bad)).to.equal(87);
      expect(winerror(queryServiceStatus('echo', how))).to.equal(1060);
    });

    it('tells which settings the system does not know', () => {
      const old = withoutSettings(scm, 'sidType', 'delayedStart');
      const setup: ServiceSetup = {
        ...{ name: 'echo', imagePath: 'node', startType: 'automatic' },
        ...{ sidType: 'restricted', delayedStart: true, description: 'x' },
      };
      expect(successResultOf(installService(setup, { ...how, scm: old }))).to.deep.equal({
        updated: false,
        unsupported: ['delayedStart', 'sidType'],
      });
      expect(look('echo', (service) => service.querySetting('description'))).to.equal('x');
    });

    for (const [title, more, code] of [
      ['an empty name', { name: '' }, 123],
      ['a name with a slash', { name: 'a/b' }, 123],
      ['a name with a backslash', { name: 'a\\b' }, 123],
      ['a name of 257 letters', { name: 'x'.repeat(257) }, 123],
      ['no command line', { imagePath: '' }, 87],
      ['an account that is not there', { account: '.\\nobody' }, 1057],
      ['itself as a dependency', { dependencies: ['echo'] }, 1059],
      ['a display name that is taken', { displayName: 'Other' }, 1078],
      ['delayed start without automatic start', { delayedStart: true }, 87],
    ] as const) {
      it(`fails with ${code} for ${title}`, () => {
        install({ name: 'other', displayName: 'Other' });
        expect(
          winerror(installService({ name: 'echo', imagePath: 'node', ...more }, how)),
        ).to.equal(code);
        expect(scm.openManager({ rights: ['enumerate'] }).enumerate()).to.have.length(1);
      });
    }

    it('fails with 5 for who is no administrator, and with 1072 while the old one is being deleted', () => {
      install();
      const held = open('echo');
      held.delete();
      expect(winerror(installService({ name: 'echo', imagePath: 'node' }, how))).to.equal(1072);
      held.close();
      scm.elevated = false;
      expect(winerror(installService({ name: 'echo', imagePath: 'node' }, how))).to.equal(5);
    });
  });

  describe('changeServiceConfig()', () => {
    it('changes what is given, by name or display name', () => {
      install({ displayName: 'The echo' });
      const change = changeServiceConfig(
        'the ECHO',
        { startType: 'disabled', description: 'd' },
        how,
      );
      expect(successResultOf(change)).to.deep.equal([]);
      look('echo', (service) => {
        expect(service.queryConfig()).to.include({ startType: 'disabled', imagePath: 'node echo' });
        expect(service.querySetting('description')).to.equal('d');
      });
    });

    it('fails with 1060 for one that is not there, with 5 without the right', () => {
      install();
      expect(winerror(changeServiceConfig('none', {}, how))).to.equal(1060);
      scm.elevated = false;
      expect(winerror(changeServiceConfig('echo', { startType: 'manual' }, how))).to.equal(5);
    });
  });

  describe('startService()', () => {
    it('hands on arguments, and fires when the service runs', () => {
      const ready = new Deferred<void>();
      part = { ...part, start: () => ready };
      install();
      const start = startService('echo', ['a', 'b'], how);
      clock.pump([0, 0, 0]);
      assertNoResult(start);
      ready.callback();
      expect(successResultOf(start).state).to.equal('running');
      expect(started).to.deep.equal(['a b']);
    });

    it('goes on waiting as long as there is progress', () => {
      const ready = new Deferred<void>();
      part = { ...part, start: () => ready };
      install();
      const start = startService('echo', [], { ...how, patience: 12 });
      for (let i = 0; i < 100; i++) clock.advance(1);
      assertNoResult(start);
      ready.callback();
      expect(successResultOf(start).state).to.equal('running');
    });

    it('fails with 1053 when there is no more progress', () => {
      scm.program('node', (process) => {
        void process.startDispatcher([
          {
            name: 'echo',
            main: () => {
              const reporter = process.registerHandler('echo', () => 0);
              reporter.report({ state: 'start-pending', accepts: [], checkPoint: 1, waitHint: 40 });
            },
          },
        ]);
      });
      install();
      const start = startService('echo', [], how);
      clock.pump([0, 0, 0]);
      clock.advance(39.9); // it has announced 40
      assertNoResult(start);
      clock.advance(0.2);
      expect(winerror(start)).to.equal(1053);
    });

    it('fails at once, with its exit code, when the service stops again', () => {
      part = {
        ...part,
        start: () => {
          throw new WindowsError(2, 'open its file');
        },
      };
      install();
      const start = startService('echo', [], how);
      clock.pump([0, 0, 0, 0, 0]);
      const { value } = failureResultOf(start);
      expect(value).to.be.instanceOf(UnexpectedServiceState);
      expect(value)
        .to.have.property('message')
        .that.matches(/^Cannot wait until service "echo" is running: it stopped with exit code 2:/);
      expect(value).to.have.property('winerror', 2);
      expect(clock.seconds()).to.equal(0);
    });

    it('fails with 1067 when its process ends without a word, with 1062 when it stops without an error', () => {
      part = { ...part, start: () => new Deferred<void>() };
      install();
      const start = startService('echo', [], how);
      clock.pump([0, 0, 0]);
      scm.processOf('echo')?.exit(0);
      expect(winerror(start)).to.equal(1067);
      scm.program('node', (process) => {
        void process.startDispatcher([
          {
            name: 'echo',
            main: () =>
              void process
                .registerHandler('echo', () => 0)
                .reportStopped({ win32ExitCode: 0, serviceExitCode: 0 }),
          },
        ]);
      });
      const again = startService('echo', [], how);
      clock.pump([0, 0, 0, 0]);
      expect(winerror(again)).to.equal(1062);
    });

    it('with wait false fires when the process has begun, with a time waits no longer than that', () => {
      part = { ...part, start: () => new Deferred<void>() };
      install();
      const begun = startService('echo', [], { ...how, wait: false });
      clock.pump([0, 0, 0]);
      expect(successResultOf(begun).state).to.equal('start-pending');
      scm.processOf('echo')?.exit(1);
      const start = startService('echo', [], { ...how, wait: 7 });
      clock.pump([0, 0, 0, 6.9]);
      assertNoResult(start);
      clock.advance(0.2);
      expect(winerror(start)).to.equal(1053);
    });

    it('needs no more rights than to start', () => {
      install();
      scm.elevated = false;
      expect(winerror(startService('echo', [], how))).to.equal(5);
      scm.grant('echo', ['start']);
      running();
    });

    const refused: Array<[title: string, code: number, arrange: () => void]> = [
      ['that runs already', 1056, () => running()],
      [
        'that is disabled',
        1058,
        () => void changeServiceConfig('echo', { startType: 'disabled' }, how),
      ],
      [
        'whose program is missing',
        2,
        () => void changeServiceConfig('echo', { imagePath: 'gone' }, how),
      ],
      [
        'that needs one which is not there',
        1075,
        () => void changeServiceConfig('echo', { dependencies: ['none'] }, how),
      ],
      [
        'that needs one which fails',
        1068,
        () => {
          install({ name: 'base', imagePath: 'gone' });
          void changeServiceConfig('echo', { dependencies: ['base'] }, how);
        },
      ],
      [
        'whose account may not log on',
        1069,
        () => {
          scm.addAccount('.\\anna', 'secret');
          void changeServiceConfig('echo', { account: '.\\anna', password: 'secret' }, how);
        },
      ],
      [
        'while the list of services is locked',
        1055,
        () => {
          scm.locked = true;
        },
      ],
      ['while the system goes down', 1115, () => void scm.shutdown()],
      ['that is being deleted', 1072, () => open('echo').delete()],
      ['whose program does not connect', 1053, () => scm.program('node', () => {})],
    ];
    for (const [title, code, arrange] of refused) {
      it(`fails with ${code} for one ${title}`, () => {
        install();
        arrange();
        const start = startService('echo', [], how);
        clock.pump([0, 0, 0, 31, 0]);
        expect(winerror(start)).to.equal(code);
      });
    }
  });

  describe('stopService()', () => {
    it('fires when the service has stopped, however long it shows progress', () => {
      const stopped = new Deferred<void>();
      part = { ...part, stop: () => stopped };
      install();
      running();
      const stop = stopService('echo', how);
      for (let i = 0; i < 100; i++) clock.advance(1);
      assertNoResult(stop);
      stopped.callback();
      clock.pump([0, 0]);
      expect(successResultOf(stop)).to.include({ state: 'stopped', win32ExitCode: 0 });
    });

    it('with wait false fires when the service was told', () => {
      part = { ...part, stop: () => new Deferred<void>() };
      install();
      running();
      const stop = stopService('echo', { ...how, wait: false });
      clock.advance(0);
      expect(successResultOf(stop).state).to.equal('stop-pending');
    });

    it('waits for one that stops already, and tells one again that starts', () => {
      const stopped = new Deferred<void>();
      const ready = new Deferred<void>();
      part = { start: () => ready, stop: () => stopped };
      install();
      void startService('echo', [], { ...how, wait: false });
      clock.pump([0, 0, 0]);
      const first = stopService('echo', how);
      clock.advance(1);
      ready.callback();
      clock.pump([0, 0, 0]);
      expect(state()).to.equal('stop-pending');
      const second = stopService('echo', how);
      clock.advance(1);
      assertNoResult(second);
      stopped.callback();
      clock.pump([0, 0, 0]);
      expect(successResultOf(first).state).to.equal('stopped');
      expect(successResultOf(second).state).to.equal('stopped');
    });

    it('fires for one that was to be told when it runs, and fails to start', () => {
      const ready = new Deferred<void>();
      part = { ...part, start: () => ready };
      install();
      void startService('echo', [], { ...how, wait: false });
      clock.pump([0, 0, 0]);
      const stop = stopService('echo', how);
      ready.errback(new WindowsError(2, 'start'));
      clock.pump([0, 0, 0]);
      expect(successResultOf(stop)).to.include({ state: 'stopped', win32ExitCode: 2 });
    });

    it('with dependents stops those first, the outermost before the others', () => {
      install({ name: 'base' });
      install({ name: 'middle', dependencies: ['base'] });
      install({ name: 'top', dependencies: ['middle'] });
      running('top');
      expect(state('base')).to.equal('running');
      const refused = stopService('base', how);
      clock.advance(0);
      expect(winerror(refused)).to.equal(1051);
      const stop = stopService('base', { ...how, dependents: true });
      const order: string[] = [];
      for (let i = 0; i < 30; i++) {
        for (const name of ['top', 'middle', 'base']) {
          if (state(name) === 'stopped' && !order.includes(name)) order.push(name);
        }
        clock.advance(0);
      }
      expect(successResultOf(stop).state).to.equal('stopped');
      expect(order).to.deep.equal(['top', 'middle', 'base']);
    });

    it('fails with 1062 for one that does not run, with 1061 for one that starts when it is not to wait', () => {
      part = { ...part, start: () => new Deferred<void>() };
      install();
      expect(winerror(stopService('echo', how))).to.equal(1062);
      void startService('echo', [], { ...how, wait: false });
      clock.pump([0, 0, 0]);
      expect(winerror(stopService('echo', { ...how, wait: false }))).to.equal(1061);
    });

    it('fails with 1053 when nobody answers, or the time is up', () => {
      part = { ...part, stop: () => new Deferred<void>() };
      install();
      running();
      scm.processOf('echo')?.freeze();
      const stop = stopService('echo', how);
      clock.advance(30);
      expect(winerror(stop)).to.equal(1053);
      scm.processOf('echo')?.thaw();
      clock.advance(0);
      const late = stopService('echo', { ...how, wait: 5 });
      clock.advance(4.9);
      assertNoResult(late);
      clock.advance(0.2);
      expect(winerror(late)).to.equal(1053);
    });
  });

  describe('restartService()', () => {
    it('stops, waits, and starts again with arguments', () => {
      install();
      running();
      const before = scm.processOf('echo');
      const restart = restartService('echo', ['again'], how);
      clock.pump([0, 0, 0, 0, 0, 0, 0]);
      expect(successResultOf(restart).state).to.equal('running');
      expect(scm.processOf('echo')).not.to.equal(before);
      expect(started).to.deep.equal(['', 'again']);
    });

    it('starts one that does not run', () => {
      install();
      const restart = restartService('echo', [], how);
      clock.pump([0, 0, 0, 0, 0]);
      expect(successResultOf(restart).state).to.equal('running');
    });

    it('with wait false waits for the stop all the same', () => {
      const stopped = new Deferred<void>();
      part = { start: () => undefined, stop: () => stopped };
      install();
      running();
      const restart = restartService('echo', [], { ...how, wait: false });
      clock.pump([0, 1, 1]);
      assertNoResult(restart);
      stopped.callback();
      clock.pump([0, 0, 0, 0]);
      expect(successResultOf(restart).state).to.be.oneOf(['start-pending', 'running']);
    });

    it('with dependents starts each after what it depends on', () => {
      install({ name: 'base' });
      install({ name: 'middle', dependencies: ['base'] });
      install({ name: 'top', dependencies: ['middle'] });
      running('top');
      const restart = restartService('base', [], { ...how, dependents: true });
      clock.pump(Array.from({ length: 40 }, () => 0.1));
      expect(successResultOf(restart).state).to.equal('running');
      expect(['middle', 'top'].map((name) => state(name))).to.deep.equal(['running', 'running']);
      const stopped = scm.events.filter(({ id, code }) => id === 7000 || code === 1056);
      expect(stopped).to.deep.equal([]);
    });

    it('with dependents starts those again that it has stopped, and no others', () => {
      install({ name: 'base' });
      install({ name: 'one', dependencies: ['base'] });
      install({ name: 'two', dependencies: ['base'] });
      running('one');
      const restart = restartService('base', [], { ...how, dependents: true });
      for (let i = 0; i < 40; i++) clock.advance(0);
      expect(successResultOf(restart).state).to.equal('running');
      expect(['base', 'one', 'two'].map((name) => state(name))).to.deep.equal([
        'running',
        'running',
        'stopped',
      ]);
    });

    it('fails with what keeps it from stopping, and does not start it', () => {
      install();
      install({ name: 'needs', dependencies: ['echo'] });
      running('needs');
      const restart = restartService('echo', [], how);
      clock.pump([0, 0]);
      expect(winerror(restart)).to.equal(1051);
      expect(state()).to.equal('running');
    });
  });

  describe('removeService()', () => {
    it('stops it first, and fires when it is gone', () => {
      const stopped = new Deferred<void>();
      part = { ...part, stop: () => stopped };
      install();
      running();
      const remove = removeService('echo', how);
      clock.advance(3);
      assertNoResult(remove);
      stopped.callback();
      clock.pump([0, 0, 0.25, 0.25]);
      successResultOf(remove);
      expect(winerror(queryServiceStatus('echo', how))).to.equal(1060);
    });

    it('waits until others have closed it, and fails with 1072 when they do not', () => {
      install();
      const held = open('echo');
      const remove = removeService('echo', how);
      clock.advance(5);
      assertNoResult(remove);
      held.close();
      clock.advance(0.25);
      successResultOf(remove);

      install();
      const kept = open('echo');
      const fails = removeService('echo', how);
      for (let i = 0; i < 50; i++) clock.advance(0.25);
      expect(winerror(fails)).to.equal(1072);
      kept.close();
    });

    it('goes on with one that somebody has deleted already', () => {
      install();
      const held = open('echo');
      held.delete();
      const remove = removeService('echo', how);
      clock.advance(0.25);
      held.close();
      clock.advance(0.25);
      successResultOf(remove);
    });

    it('with wait false does not wait for it to go', () => {
      install();
      const held = open('echo');
      successResultOf(removeService('echo', { ...how, wait: false }));
      held.close();
    });

    it('removes one that crashed while others that need it run', () => {
      install();
      install({ name: 'needs', dependencies: ['echo'] });
      running('needs');
      scm.processOf('echo')?.exit(3);
      const remove = removeService('echo', how);
      clock.advance(0.25);
      successResultOf(remove);
    });

    it('fails with 1060, 1051 and 5, and leaves it as it was', () => {
      expect(winerror(removeService('echo', how))).to.equal(1060);
      install();
      install({ name: 'needs', dependencies: ['echo'] });
      running('needs');
      const refused = removeService('echo', how);
      clock.advance(0);
      expect(winerror(refused)).to.equal(1051);
      scm.elevated = false;
      expect(winerror(removeService('echo', how))).to.equal(5);
      scm.elevated = true;
      expect(state()).to.equal('running');
    });
  });

  describe('queryServiceStatus() and waitForServiceStatus()', () => {
    it('give the status, also by the display name', () => {
      install({ displayName: 'The echo' });
      expect(successResultOf(queryServiceStatus('The echo', how))).to.include({
        state: 'stopped',
        win32ExitCode: 1077,
      });
    });

    it('wait for a state by name or number', () => {
      install();
      const byName = waitForServiceStatus('echo', 'running', undefined, how);
      const byNumber = waitForServiceStatus('echo', SERVICE_RUNNING, 20, how);
      assertNoResult(byName);
      running();
      expect(successResultOf(byName).state).to.equal('running');
      expect(successResultOf(byNumber).state).to.equal('running');
      expect(successResultOf(waitForServiceStatus('echo', 'running', 0, how)).pid).to.be.above(0);
    });

    it('fail as soon as it has gone elsewhere, when the time is up, and when it is deleted', () => {
      install();
      running();
      const paused = waitForServiceStatus('echo', SERVICE_PAUSED, 60, how);
      const late = waitForServiceStatus('echo', SERVICE_PAUSED, 3, how);
      clock.advance(3);
      expect(winerror(late)).to.equal(1053);
      void stopService('echo', how);
      clock.pump([0, 0, 0]);
      expect(winerror(paused)).to.equal(1062);
      const gone = waitForServiceStatus('echo', 'running', 60, how);
      void removeService('echo', how);
      clock.advance(0);
      expect(winerror(gone)).to.equal(1060);
    });

    it('refuse a number that is no state', () => {
      install();
      const { value } = failureResultOf(waitForServiceStatus('echo', 99, 1, how));
      expect(value)
        .to.be.instanceOf(RangeError)
        .and.to.have.property('message', 'Cannot wait for state 99: there is none of that number');
      expect(SERVICE_STOPPED).to.equal(1);
    });

    it('leave nothing open and no timer behind', () => {
      install();
      running();
      const given = waitForServiceStatus('echo', 'paused', 60, how);
      given.addErrback(() => {});
      given.cancel();
      void stopService('echo', how);
      clock.pump([0, 0, 0]);
      expect(clock.getDelayedCalls()).to.deep.equal([]);
      successResultOf(removeService('echo', how)); // which waits for handles that are open
    });
  });

  it('name another machine to the manager', () => {
    install();
    const there = queryServiceStatus('echo', { ...how, machine: 'machine' });
    expect(successResultOf(there).state).to.equal('stopped');
    expect(winerror(queryServiceStatus('echo', { ...how, machine: 'other' }))).to.equal(1722);
  });
});

/** The same manager, of a system that does not know some settings. */
function withoutSettings(scm: MemoryScm, ...unknown: string[]): MemoryScm {
  const wrap = <T extends object>(inner: T, method: string, f: (result: never) => unknown): T =>
    new Proxy(inner, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          if (key === 'changeSetting' && unknown.includes(String(args[0]))) {
            throw new WindowsError(124, 'change it');
          }
          const result: unknown = Reflect.apply(value, target, args);
          return key === method ? f(result as never) : result; // whatever it is, it is handed on
        };
      },
    });
  return wrap(scm, 'openManager', (manager: object) =>
    wrap(manager, 'createService', (service: object) => wrap(service, '', (value) => value)),
  );
}
