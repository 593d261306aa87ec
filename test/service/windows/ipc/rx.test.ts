/** Services watched as Observables, on the service manager in memory. */
import { expect } from 'chai';
import { take } from 'rxjs';
import { Clock } from '../../../../src/reactor/index.ts';
import { WindowsError } from '../../../../src/service/windows/errors.ts';
import {
  type ServicesChange,
  watchService,
  watchServices,
} from '../../../../src/service/windows/ipc/index.ts';
import type { ScmClientApi, ServiceStatus } from '../../../../src/service/windows/scm-api.ts';
import { MemoryScm } from '../../../../src/service/windows/scm-memory.ts';

describe('watching services', () => {
  let clock: Clock;
  let scm: MemoryScm;
  beforeEach(() => {
    clock = new Clock();
    scm = new MemoryScm({ clock });
    const manager = scm.openManager({ rights: ['connect', 'create-service'] });
    manager.createService({ name: 'echo', imagePath: 'c:\\echo.exe' }).close();
    manager.close();
    scm.program('c:\\echo.exe', (process) => {
      const main = (): void => {
        const reporter = process.registerHandler('echo', () => {
          void reporter.reportStopped({ win32ExitCode: 0, serviceExitCode: 0 });
          return 0;
        });
        reporter.report({ state: 'running', accepts: ['stop'], checkPoint: 0, waitHint: 0 });
      };
      void process.startDispatcher([{ name: 'echo', main }]);
    });
  });

  /** Runs what is due, and what that brings about. */
  const settle = (): void => {
    for (let n = 0; n < 20; n += 1) clock.advance(0.1);
  };
  const open = () =>
    scm.openManager().openService('echo', ['start', 'stop', 'delete', 'query-status']);

  it('watchService() tells the status now and each change, until the service is deleted', () => {
    const states: string[] = [];
    let completed = false;
    watchService('echo', { scm, clock, interval: 0.05 }).subscribe({
      next: (status: ServiceStatus) => states.push(status.state),
      complete: () => {
        completed = true;
      },
    });
    expect(states).to.deep.equal(['stopped']);
    const service = open();
    void service.start();
    settle();
    void service.control('stop');
    settle();
    expect(states[0]).to.equal('stopped');
    expect(states).to.include('running');
    expect(states.at(-1)).to.equal('stopped');
    expect(completed).to.equal(false);
    service.delete();
    service.close();
    settle();
    expect(completed).to.equal(true);
  });

  it('watchService() fails when there is no such service, and does not keep one that is deleted from going', () => {
    let failure: unknown;
    watchService('none', { scm, clock }).subscribe({
      error: (error: unknown) => {
        failure = error;
      },
    });
    expect(failure).to.include({ code: 'ERROR_SERVICE_DOES_NOT_EXIST' });
    watchService('echo', { scm, clock }).subscribe();
    const service = open();
    service.delete();
    service.close();
    settle();
    expect(() => scm.openManager().openService('echo'))
      .to.throw(WindowsError)
      .with.property('winerror', 1060);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('watchService() closes what it opened, however it ends', () => {
    let [managers, services] = [0, 0];
    let refused = false;
    const counting: Pick<ScmClientApi, 'openManager'> = {
      openManager: (options) => {
        managers += 1;
        const manager = scm.openManager(options);
        return Object.assign(Object.create(manager), {
          openService: (name: string) => {
            if (refused) throw new WindowsError(5, 'open');
            services += 1;
            const service = manager.openService(name);
            return { queryStatus: () => service.queryStatus(), close: () => (services -= 1) };
          },
          close: () => (managers -= 1),
        });
      },
    };
    const left = (): unknown => [managers, services, clock.getDelayedCalls().length];
    const subscription = watchService('echo', { scm: counting, clock }).subscribe();
    expect(left()).to.deep.equal([1, 0, 1]);
    subscription.unsubscribe();
    expect(left()).to.deep.equal([0, 0, 0]);
    watchService('echo', { scm: counting, clock }).pipe(take(1)).subscribe();
    expect(left()).to.deep.equal([0, 0, 0]);
    let failure: unknown;
    watchService('echo', { scm: counting, clock }).subscribe({
      error: (error: unknown) => {
        failure = error;
      },
    });
    refused = true;
    clock.advance(0.25);
    expect(failure).to.include({ winerror: 5 });
    expect(left()).to.deep.equal([0, 0, 0]);
    for (const interval of [0, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => watchService('echo', { scm, interval })).to.throw(RangeError);
    }
  });

  it('watchServices() tells what is there, and what comes, changes and goes', () => {
    const changes: string[] = [];
    const subscription = watchServices({ scm, clock, interval: 1 }).subscribe(
      (change: ServicesChange) => {
        const name = change.type === 'removed' ? change.name : change.service.name;
        const state = change.type === 'removed' ? '' : ` ${change.service.status.state}`;
        changes.push(`${change.type} ${name}${state}`);
      },
    );
    expect(changes).to.deep.equal(['added echo stopped']);
    const service = open();
    void service.start();
    settle();
    expect(changes.at(-1)).to.equal('changed echo running');
    void service.control('stop');
    settle();
    service.delete();
    service.close();
    settle();
    expect(changes.at(-1)).to.equal('removed echo');
    subscription.unsubscribe();
    expect(clock.getDelayedCalls()).to.deep.equal([]);
    expect(() => watchServices({ scm, clock, interval: 0 })).to.throw(RangeError);
  });
});
