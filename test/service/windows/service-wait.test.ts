import { expect } from 'chai';
import { CancelledError } from '../../../src/deferred/index.ts';
import { Clock, failureResultOf, successResultOf } from '../../../src/reactor/index.ts';
import { WindowsError } from '../../../src/service/index.ts';
import type {
  ReportedStatus,
  ScmService,
  ServiceStatus,
} from '../../../src/service/windows/scm-api.ts';
import { waitForState } from '../../../src/service/windows/service-wait.ts';

const STATUS: ServiceStatus = {
  ...{ type: 'own-process', state: 'start-pending', accepts: [], pid: 7 },
  ...{ win32ExitCode: 0, serviceExitCode: 0, checkPoint: 1, waitHint: 2 },
};

/** A service that tells whoever watches it what the test says. */
class Told {
  readonly watchers = new Set<(status: ServiceStatus | null) => void>();
  status: ServiceStatus = STATUS;

  readonly service = {
    name: 'told',
    queryStatus: () => this.status,
    watch: (watcher: (status: ServiceStatus | null) => void) => {
      this.watchers.add(watcher);
      return () => this.watchers.delete(watcher);
    },
  } as unknown as ScmService; // all that is asked of it here

  tell(change: Partial<ReportedStatus>): void {
    this.status = { ...this.status, ...change };
    for (const watcher of [...this.watchers]) watcher(this.status);
  }
}

describe('waitForState()', () => {
  let clock: Clock;
  let told: Told;

  beforeEach(() => {
    clock = new Clock();
    told = new Told();
  });

  /** Whatever it came to, nothing of it is left. */
  afterEach(() => {
    expect(told.watchers.size).to.equal(0);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('fires in the state', () => {
    const waiting = waitForState(told.service, 'running', { clock });
    told.tell({ checkPoint: 2 });
    told.tell({ state: 'running' });
    expect(successResultOf(waiting)).to.include({ state: 'running', pid: 7 });
  });

  it('fires at once in a state that it has already', () => {
    successResultOf(waitForState(told.service, 'start-pending', { clock, timeout: 5 }));
  });

  it('fails in another state that lasts, when there is no progress, and when it is deleted', () => {
    const stopped = waitForState(told.service, 'running', { clock });
    told.tell({ state: 'stopped', win32ExitCode: 5 });
    expect(failureResultOf(stopped, WindowsError).value).to.have.property('winerror', 5);

    told.status = STATUS;
    const hanging = waitForState(told.service, 'running', { clock, patience: 1 });
    clock.advance(1.9);
    told.tell({ checkPoint: 2 });
    clock.advance(1.9);
    expect(told.watchers.size, 'the wait hint counts').to.equal(1);
    clock.advance(0.1);
    expect(failureResultOf(hanging, WindowsError).value).to.have.property('winerror', 1053);

    const deleted = waitForState(told.service, 'running', { clock });
    for (const watcher of [...told.watchers]) watcher(null);
    expect(failureResultOf(deleted, WindowsError).value).to.have.property('winerror', 1060);
  });

  it('fails after its time, whatever the progress', () => {
    const waiting = waitForState(told.service, 'running', { clock, timeout: 3 });
    for (let checkPoint = 2; checkPoint < 5; checkPoint++) {
      clock.advance(0.9);
      told.tell({ checkPoint });
    }
    clock.advance(0.3);
    expect(failureResultOf(waiting, WindowsError).value).to.have.property('winerror', 1053);
  });

  it('ends when it is cancelled, and when the service cannot be asked', () => {
    const waiting = waitForState(told.service, 'running', { clock, timeout: 3 });
    waiting.cancel();
    failureResultOf(waiting, CancelledError);
    Object.assign(told.service, {
      queryStatus: () => {
        throw new WindowsError(5, 'ask');
      },
    });
    const refused = waitForState(told.service, 'running', { clock, timeout: 3 });
    expect(failureResultOf(refused, WindowsError).value).to.have.property('winerror', 5);
  });
});
