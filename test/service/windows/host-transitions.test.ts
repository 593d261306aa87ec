import { expect } from 'chai';
import * as fc from 'fast-check';
import { CancelledError, Deferred } from '../../../src/deferred/index.ts';
import { Clock } from '../../../src/reactor/index.ts';
import { capturedLogs } from '../../../src/service/index.ts';
import type { NamedControl, ServiceState } from '../../../src/service/windows/constants.ts';
import { controlEvent } from '../../../src/service/windows/control-events.ts';
import { WindowsError } from '../../../src/service/windows/errors.ts';
import { ServiceHost } from '../../../src/service/windows/host.ts';
import type { HostedService, ServiceHostOptions } from '../../../src/service/windows/hosted.ts';
import type {
  ExitCodes,
  ReportedStatus,
  ScmService,
} from '../../../src/service/windows/scm-api.ts';
import { MemoryScm } from '../../../src/service/windows/scm-memory.ts';

/** Where a service may go from each state, in one report. */
const LEGAL: Readonly<Record<ServiceState, readonly ServiceState[]>> = {
  stopped: ['start-pending'],
  'start-pending': ['start-pending', 'running', 'stop-pending'],
  running: ['running', 'pause-pending', 'stop-pending'],
  'pause-pending': ['pause-pending', 'paused', 'running', 'stop-pending'],
  paused: ['paused', 'continue-pending', 'stop-pending'],
  'continue-pending': ['continue-pending', 'running', 'paused', 'stop-pending'],
  'stop-pending': ['stop-pending', 'stopped'],
};

/** A service whose steps last until they are told to end. */
class Steps implements HostedService {
  /** What is under way, newest last. */
  readonly open: Deferred<void>[] = [];
  stops = 0;
  begins = 0;

  start(): Deferred<void> {
    this.begins += 1;
    return this.#step();
  }

  stop(): Deferred<void> {
    this.stops += 1;
    return this.#step();
  }

  pause = (): Deferred<void> => this.#step();
  continue = (): Deferred<void> => this.#step();

  control = ({ code }: { readonly code: number }): number => (code === 200 ? 0 : 120);

  #step(): Deferred<void> {
    const step = new Deferred<void>();
    this.open.push(step);
    return step;
  }

  /** Ends the oldest step. */
  end(error?: unknown): void {
    const step = this.open.shift();
    if (error === undefined) step?.callback();
    else step?.errback(error);
  }
}

/** A service with its manager, up to the moment at which it has begun to start. */
class World {
  readonly clock = new Clock();
  readonly scm = new MemoryScm({ clock: this.clock });
  readonly steps = new Steps();
  readonly service: ScmService;
  host!: ServiceHost;
  ended: ExitCodes | undefined;
  exit: number | undefined;

  constructor(more: Partial<ServiceHostOptions> = {}) {
    this.scm.program('node', (process) => {
      this.host = new ServiceHost({
        scm: process,
        clock: this.clock,
        name: 'echo',
        service: this.steps,
        exit: (code) => {
          this.exit ??= code;
          process.exit(code);
        },
        ...{ startTimeout: 50, stopTimeout: 40, pauseTimeout: 30 },
        ...more,
      });
      this.host.run().addCallbacks(
        (codes) => {
          this.ended = codes;
        },
        () => undefined,
      );
    });
    this.service = this.scm
      .openManager({ rights: ['create-service'] })
      .createService({ name: 'echo', imagePath: 'node' }, ['all']);
    this.service.start().addErrback(() => undefined);
    this.soon();
  }

  get state(): ServiceState {
    return this.service.queryStatus().state;
  }

  get history(): readonly ReportedStatus[] {
    return this.scm.history('echo');
  }

  soon(): void {
    this.clock.pump([0, 0, 0, 0]);
  }

  /** 0, or the number of the refusal. */
  send(control: NamedControl | number): number {
    let outcome = -1;
    this.service.control(control).addCallbacks(
      () => {
        outcome = 0;
      },
      ({ value }) => {
        outcome = value instanceof WindowsError ? value.winerror : -2;
      },
    );
    return outcome;
  }

  /** Brings it there by the shortest way. */
  bring(state: ServiceState): void {
    const way: Partial<Record<ServiceState, () => void>> = {
      running: () => this.steps.end(),
      'pause-pending': () => {
        this.bring('running');
        this.send('pause');
      },
      paused: () => {
        this.bring('pause-pending');
        this.soon();
        this.steps.end();
      },
      'continue-pending': () => {
        this.bring('paused');
        this.send('continue');
      },
      'stop-pending': () => {
        this.bring('running');
        this.send('stop');
      },
      stopped: () => {
        this.bring('stop-pending');
        this.soon();
        this.steps.end();
      },
    };
    way[state]?.();
    this.soon();
    expect(this.state).to.equal(state);
  }
}

describe('ServiceHost: every control in every state', () => {
  let logs: ReturnType<typeof capturedLogs>;
  beforeEach(() => {
    logs = capturedLogs();
  });
  afterEach(() => logs.stop());

  type Outcome = readonly [answer: number, state: ServiceState];
  const CONTROLS = ['stop', 'pause', 'continue', 'interrogate', 'param-change', 200, 201] as const;
  const dead = (answer: number, state: ServiceState): readonly Outcome[] =>
    CONTROLS.map(() => [answer, state] as const);

  /** What comes of the controls, in their order: the manager's answer and the state right after. */
  const TABLE: Readonly<Record<ServiceState, readonly Outcome[]>> = {
    'start-pending': dead(1061, 'start-pending'),
    running: [
      [0, 'stop-pending'],
      [0, 'pause-pending'],
      [0, 'running'],
      [0, 'running'],
      [1052, 'running'],
      [0, 'running'],
      [120, 'running'],
    ],
    'pause-pending': [
      [0, 'stop-pending'],
      [1052, 'pause-pending'],
      [1052, 'pause-pending'],
      [0, 'pause-pending'],
      [1052, 'pause-pending'],
      [0, 'pause-pending'],
      [120, 'pause-pending'],
    ],
    paused: [
      [0, 'stop-pending'],
      [0, 'paused'],
      [0, 'continue-pending'],
      [0, 'paused'],
      [1052, 'paused'],
      [0, 'paused'],
      [120, 'paused'],
    ],
    'continue-pending': [
      [0, 'stop-pending'],
      [1052, 'continue-pending'],
      [1052, 'continue-pending'],
      [0, 'continue-pending'],
      [1052, 'continue-pending'],
      [0, 'continue-pending'],
      [120, 'continue-pending'],
    ],
    'stop-pending': dead(1061, 'stop-pending'),
    stopped: dead(1062, 'stopped'),
  };

  // A key of the table is a state.
  for (const state of Object.keys(TABLE) as ServiceState[]) {
    for (const [n, control] of CONTROLS.entries()) {
      const [answer, then] = TABLE[state][n] ?? [0, state];
      it(`${control} while it is ${state}: ${answer}, and it is ${then}`, () => {
        const world = new World();
        world.bring(state);
        expect(world.send(control)).to.equal(answer);
        expect(world.state).to.equal(then);
      });
    }

    it(`the system's shutdown while it is ${state}`, () => {
      const world = new World();
      world.bring(state);
      world.scm.broadcast(controlEvent('shutdown'));
      // Before it has started and once it stops it does not hear of it; and it is to stop only once.
      const deaf = ['start-pending', 'stop-pending', 'stopped'].includes(state);
      expect(world.state).to.equal(deaf ? state : 'stop-pending');
      expect(world.host.stopReason).to.equal(
        deaf ? (state === 'start-pending' ? null : 'stop') : 'shutdown',
      );
    });

    it(`stop() and fail() from within while it is ${state}`, () => {
      for (const fails of [false, true]) {
        const world = new World();
        world.bring(state);
        if (fails) world.host.fail(new WindowsError(5, 'go on'));
        else world.host.stop(7);
        expect(world.state).to.equal(state === 'stopped' ? 'stopped' : 'stop-pending');
        world.soon();
        while (world.steps.open.length > 0) world.steps.end();
        world.soon();
        expect(world.state).to.equal('stopped');
        expect(world.steps.stops).to.equal(1);
        const code = state === 'stopped' ? 0 : fails ? 5 : 1066;
        expect(world.service.queryStatus().win32ExitCode).to.equal(code);
        expect(world.ended?.win32ExitCode).to.equal(code);
      }
    });

    it(`its process ends without a word while it is ${state}`, () => {
      const world = new World();
      world.bring(state);
      world.scm.processOf('echo')?.exit(3);
      expect(world.state).to.equal('stopped');
      expect(world.service.queryStatus().win32ExitCode).to.equal(state === 'stopped' ? 0 : 1067);
      // What was under way comes to its end, or to its limit, and tells nobody any more.
      const told = world.history.length;
      world.clock.pump(Array.from({ length: 30 }, () => 10));
      while (world.steps.open.length > 0) world.steps.end(new CancelledError());
      world.clock.pump(Array.from({ length: 30 }, () => 10));
      expect(world.history.length).to.equal(told);
      expect(world.clock.getDelayedCalls()).to.deep.equal([]);
    });
  }
});

describe('ServiceHost: what is done too late', () => {
  for (const state of ['pause-pending', 'continue-pending'] as const) {
    for (const error of [undefined, new Error('Cannot')]) {
      it(`a step of ${state} that ${error ? 'fails' : 'is done'} while it stops does not bring it back`, () => {
        const logs = capturedLogs();
        const world = new World();
        world.bring(state);
        world.send('stop');
        world.soon();
        world.steps.end(error);
        expect(world.state).to.equal('stop-pending');
        world.steps.end();
        world.soon();
        expect(world.state).to.equal('stopped');
        expect(world.ended?.win32ExitCode).to.equal(0);
        logs.stop();
      });
    }
  }
});

describe('ServiceHost: what fails once the manager was told the end', () => {
  it('is in the log, and the process ends with what the manager was told', () => {
    const logs = capturedLogs();
    const world = new World();
    world.bring('stop-pending');
    world.steps.end(); // 'stopped' is on its way to the manager
    world.host.fail(new WindowsError(5, 'tidy up'));
    world.soon();
    expect(world.service.queryStatus().win32ExitCode).to.equal(0);
    expect(world.ended).to.deep.equal({ win32ExitCode: 0, serviceExitCode: 0 });
    expect(logs.entries.map(({ message }) => message)).to.include('Service echo failed');
    logs.stop();
  });
});

describe('ServiceHost: whatever comes in whatever order', () => {
  const step = fc.oneof(
    fc.constantFrom<NamedControl | number>(
      'stop',
      'pause',
      'continue',
      'interrogate',
      'param-change',
      200,
    ),
    fc.constantFrom('end', 'fail', 'stop self', 'fail self', 'progress', 'turn', 'shutdown'),
    fc.integer({ min: 0, max: 25 }).map((wait) => ({ wait })),
  );

  function perform(world: World, one: typeof step extends fc.Arbitrary<infer T> ? T : never): void {
    if (typeof one === 'object') world.clock.advance(one.wait);
    else if (one === 'end') world.steps.end();
    else if (one === 'fail') world.steps.end(new WindowsError(5, 'take the step'));
    else if (one === 'stop self') world.host.stop(9);
    else if (one === 'fail self') world.host.fail(new Error('Failed from within'));
    else if (one === 'progress') world.host.progress(3);
    else if (one === 'turn') world.clock.advance(0);
    else if (one === 'shutdown') world.scm.broadcast(controlEvent('shutdown'));
    else world.send(one);
  }

  function check(history: readonly ReportedStatus[]): void {
    let before: ReportedStatus | undefined;
    for (const status of history) {
      const { state, checkPoint, waitHint, accepts } = status;
      const pending = state.endsWith('-pending');
      const way = `${before?.state} -> ${state}`;
      // The manager's own first entry stands for the process that is being started.
      if (before !== undefined) expect(LEGAL[before.state], way).to.include(state);
      if (!pending) expect([checkPoint, waitHint], way).to.deep.equal([0, 0]);
      if (pending && checkPoint > 0) expect(waitHint, way).to.be.greaterThan(0);
      if (before?.state === state && pending) {
        expect(checkPoint, way).to.be.at.least(before.checkPoint);
      }
      if (state === 'stop-pending' || state === 'stopped') expect(accepts, way).to.deep.equal([]);
      if (state === 'running' || state === 'paused') {
        expect(accepts, way).to.have.members(['stop', 'shutdown', 'pause-continue']);
      }
      before = status;
    }
    expect(history.filter(({ state }) => state === 'stopped').length).to.be.at.most(1);
  }

  it('it goes legal ways, shows progress, stops once, says how, and leaves no timers', () => {
    const logs = capturedLogs();
    try {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 30 }), fc.boolean(), (steps, stopWhileStarting) => {
          const world = new World({ stopWhileStarting });
          const first = world.history.length;
          for (const one of steps) perform(world, one);
          check(world.history);

          // However it stands: told to stop, and with all its steps done or given up, it stops.
          world.host.stop();
          world.clock.pump(Array.from({ length: 30 }, () => 5));
          check(world.history);
          expect(world.history.length).to.be.at.least(first);
          expect(world.state).to.equal('stopped');
          expect(world.clock.getDelayedCalls()).to.deep.equal([]);
          expect(world.steps.begins).to.equal(1);
          expect(world.steps.stops).to.be.at.most(1);
          const { win32ExitCode } = world.service.queryStatus();
          if (world.ended !== undefined) expect(win32ExitCode).to.equal(world.ended.win32ExitCode);
          else expect(world.exit).to.equal(win32ExitCode);
        }),
        { numRuns: 300 },
      );
    } finally {
      logs.stop();
    }
  });
});
