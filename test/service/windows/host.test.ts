import { expect } from 'chai';
import { CancelledError, Deferred } from '../../../src/deferred/index.ts';
import { Clock } from '../../../src/reactor/index.ts';
import { capturedLogs, type MaybeDeferred } from '../../../src/service/index.ts';
import type { NamedControl } from '../../../src/service/windows/constants.ts';
import { controlEvent } from '../../../src/service/windows/control-events.ts';
import { WindowsError } from '../../../src/service/windows/errors.ts';
import { ServiceHost } from '../../../src/service/windows/host.ts';
import type { HostedService, ServiceHostOptions } from '../../../src/service/windows/hosted.ts';
import type { ExitCodes, ScmService, ServiceStatus } from '../../../src/service/windows/scm-api.ts';
import { MemoryScm } from '../../../src/service/windows/scm-memory.ts';

type Hook = () => MaybeDeferred;

/** A service whose every step can be held up or fail. */
class Part implements HostedService {
  readonly events: string[] = [];
  starts: Hook = () => undefined;
  stops: Hook = () => undefined;
  pauses: Hook = () => undefined;
  continues: Hook = () => undefined;
  start: HostedService['start'] = ({ args, reasons }) => {
    this.events.push(`start ${[...args, ...reasons].join(' ')}`);
    return this.starts();
  };
  stop: HostedService['stop'] = (reason) => {
    this.events.push(`stop ${reason}`);
    return this.stops();
  };
  pause: HostedService['pause'] = () => {
    this.events.push('pause');
    return this.pauses();
  };
  continue: HostedService['continue'] = () => {
    this.events.push('continue');
    return this.continues();
  };
  control: HostedService['control'];
  accepts: HostedService['accepts'];
}

describe('ServiceHost', () => {
  let clock: Clock;
  let scm: MemoryScm;
  let service: ScmService;
  let part: Part;
  let host: ServiceHost;
  let more: Partial<ServiceHostOptions>;
  let written: string[];
  let exits: number[];
  let ended: ExitCodes | undefined;
  let onceConnecting: () => void;
  let logs: ReturnType<typeof capturedLogs>;
  beforeEach(() => {
    clock = new Clock();
    scm = new MemoryScm({ clock });
    part = new Part();
    more = {};
    written = [];
    exits = [];
    ended = undefined;
    onceConnecting = () => {};
    logs = capturedLogs();
    scm.program('node', (process) => {
      host = new ServiceHost({
        scm: process,
        clock,
        name: 'echo',
        service: part,
        events: { write: (level, text) => void written.push(`${level}: ${text}`) },
        exit: (code) => {
          exits.push(code);
          process.exit(code);
        },
        ...more,
      });
      host.run().addCallback((codes) => {
        ended = codes;
      });
      onceConnecting();
    });
    service = scm
      .openManager({ rights: ['create-service'] })
      .createService({ name: 'echo', imagePath: 'node' }, ['all']);
  });
  afterEach(() => logs.stop());

  const soon = (): void => clock.pump([0, 0, 0]);
  const start = (...args: string[]): void => {
    void service.start(args).addErrback(() => undefined);
    soon();
  };
  const status = (): ServiceStatus => service.queryStatus();
  const states = (): string[] => {
    const all = scm.history('echo').map(({ state }) => state as string);
    return all.filter((state, index) => state !== all[index - 1]);
  };
  /** The outcome of a control: the state that the service has when it has taken it, or the error. */
  const send = (control: NamedControl | number): string | number => {
    let outcome: string | number = 'waiting';
    service.control(control).addCallbacks(
      ({ state }) => {
        outcome = state;
      },
      ({ value }) => {
        outcome = value instanceof WindowsError ? value.winerror : String(value);
      },
    );
    return outcome;
  };
  const checkPoints = (state: string): number[] =>
    scm
      .history('echo')
      .filter((one) => one.state === state)
      .map(({ checkPoint }) => checkPoint);
  const failing = (error: unknown) => (): never => {
    throw error;
  };

  describe('start', () => {
    it('goes from start-pending to running, and accepts controls only then', () => {
      const ready = new Deferred<void>();
      part.starts = () => ready;
      start('-v');
      expect(part.events).to.deep.equal(['start -v demand']);
      expect(status()).to.include({ state: 'start-pending', checkPoint: 1, waitHint: 10 });
      expect(status().accepts).to.deep.equal([]);
      ready.callback();
      expect(status()).to.include({ state: 'running', checkPoint: 0, waitHint: 0 });
      expect(status().accepts).to.deep.equal(['stop', 'shutdown', 'pause-continue']);
      expect(written).to.deep.equal(['info: Service echo started']);
      expect(host.state).to.equal('running');
    });

    it('shows progress each third of the wait hint while it starts, and none afterwards', () => {
      const ready = new Deferred<void>();
      part.starts = () => ready;
      more = { waitHint: 9 };
      start();
      clock.pump([3, 3, 3]);
      expect(checkPoints('start-pending')).to.deep.equal([0, 1, 2, 3, 4]); // the manager begins at 0
      ready.callback();
      clock.advance(300);
      expect(checkPoints('running')).to.deep.equal([0]);
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('progress() asks for the time that the next step takes', () => {
      part.starts = () => new Deferred<void>();
      start();
      host.progress(30);
      expect(status()).to.include({ checkPoint: 2, waitHint: 30 });
      clock.advance(9.9);
      expect(status().checkPoint).to.equal(2);
      clock.advance(0.1);
      expect(status()).to.include({ checkPoint: 3, waitHint: 30 });
    });

    it('progress() of a step that takes no time does not tell the manager in every turn', () => {
      part.starts = () => new Deferred<void>();
      start();
      host.progress(0);
      for (let turn = 0; turn < 50; turn++) clock.advance(0);
      expect(status()).to.include({ checkPoint: 2, waitHint: 0 });
      clock.advance(0.1);
      expect(status().checkPoint).to.equal(3);
    });

    it('progress() throws for what is no time', () => {
      part.starts = () => new Deferred<void>();
      start();
      for (const hint of [-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32 / 1000]) {
        expect(() => host.progress(hint), String(hint)).to.throw(RangeError, 'wait hint');
      }
      expect(status()).to.include({ checkPoint: 1, waitHint: 10 });
    });

    it('a start that fails ends the service with 1064', () => {
      part.starts = failing(new Error('no port'));
      start();
      expect(states()).to.deep.equal(['start-pending', 'stop-pending', 'stopped']);
      expect(ended).to.deep.equal({ win32ExitCode: 1064, serviceExitCode: 0 });
      expect(status().win32ExitCode).to.equal(1064);
      expect(part.events).to.deep.equal(['start demand']); // what fails to start cleans up by itself
      expect(written[0]).to.equal(
        'error: Service echo failed to start: no port (exit code 1064: An error in the service made it fail)',
      );
      expect(logs.entries.find(({ level }) => level === 'critical')?.message).to.equal(
        'Service echo failed to start',
      );
    });

    it('a start that fails later ends it with the Windows number that the error or its cause has', () => {
      const ready = new Deferred<void>();
      part.starts = () => ready;
      start();
      const cause = new WindowsError(5, 'open the door');
      ready.errback(new Error('locked out', { cause }));
      soon();
      expect(ended).to.deep.equal({ win32ExitCode: 5, serviceExitCode: 0 });
    });

    it('a start that takes too long is given up with 1070', () => {
      part.starts = () => new Deferred<void>();
      more = { startTimeout: 60 };
      start();
      clock.advance(59.9);
      expect(status().state).to.equal('start-pending');
      clock.advance(0.1);
      expect(states()).to.deep.equal(['start-pending', 'stop-pending', 'stopped']);
      expect(part.events).to.deep.equal(['start demand', 'stop failure']);
      expect(ended?.win32ExitCode).to.equal(1070);
    });

    it('a stop while it starts is refused (1061), and taken where that is wanted', () => {
      const ready = new Deferred<void>();
      part.starts = () => ready;
      start();
      expect(send('stop')).to.equal(1061);
      ready.callback();
      send('stop');
      soon();

      more = { stopWhileStarting: true };
      const cancelled = new Deferred<void>();
      part.starts = () => cancelled;
      part.stops = () => cancelled.errback(new CancelledError());
      part.events.length = 0;
      start();
      expect(status().accepts).to.deep.equal(['stop']);
      expect(send('stop')).to.equal('stop-pending');
      soon();
      expect(part.events).to.deep.equal(['start demand', 'stop stop']);
      expect(ended).to.deep.equal({ win32ExitCode: 0, serviceExitCode: 0 });
      expect(logs.entries.filter(({ level }) => level === 'critical')).to.deep.equal([]);
    });

    it('a start that ends well after the stop was asked for does not bring it back', () => {
      const ready = new Deferred<void>();
      const stopped = new Deferred<void>();
      part.starts = () => ready;
      part.stops = () => stopped;
      start();
      host.stop();
      soon();
      ready.callback();
      expect(status().state).to.equal('stop-pending');
      stopped.callback();
      soon();
      expect(states()).to.deep.equal(['start-pending', 'stop-pending', 'stopped']);
    });

    it('a start that fails after the stop was asked for is in the log, and the service ends well', () => {
      const ready = new Deferred<void>();
      const stopped = new Deferred<void>();
      part.starts = () => ready;
      part.stops = () => stopped;
      start();
      host.stop();
      soon();
      ready.errback(new Error('too late'));
      stopped.callback();
      soon();
      expect(ended?.win32ExitCode).to.equal(0);
      expect(logs.entries.map(({ message }) => message)).to.include(
        'Service echo failed to start, and was to stop anyway',
      );
    });

    it('a stop before the manager has it started keeps it from starting', () => {
      onceConnecting = () => host.stop(3);
      start();
      expect(part.events).to.deep.equal([]);
      expect(states()).to.deep.equal(['start-pending', 'stop-pending', 'stopped']);
      expect(ended).to.deep.equal({ win32ExitCode: 1066, serviceExitCode: 0x20000003 });
    });
  });

  describe('stop', () => {
    for (const reason of ['stop', 'shutdown', 'preshutdown'] as const) {
      it(`reports stop-pending within the handler, on ${reason}, and works later`, () => {
        more = { preshutdown: reason === 'preshutdown' };
        start();
        const end = reason === 'preshutdown' ? 'preshutdown' : 'shutdown';
        expect(status().accepts).to.deep.equal(['stop', end, 'pause-continue']);
        if (reason === 'stop') expect(send('stop')).to.equal('stop-pending');
        else scm.broadcast(controlEvent(reason));
        expect(status()).to.include({ state: 'stop-pending', checkPoint: 1, waitHint: 10 });
        expect(status().accepts).to.deep.equal([]);
        expect(part.events).to.deep.equal(['start demand']);
        soon();
        expect(part.events).to.deep.equal(['start demand', `stop ${reason}`]);
        expect(states()).to.deep.equal(['start-pending', 'running', 'stop-pending', 'stopped']);
        expect(ended).to.deep.equal({ win32ExitCode: 0, serviceExitCode: 0 });
        expect(written.at(-1)).to.equal('info: Service echo stopped');
        expect(clock.getDelayedCalls()).to.deep.equal([]);
      });
    }

    it('shows progress while it stops', () => {
      const stopped = new Deferred<void>();
      part.stops = () => stopped;
      start();
      send('stop');
      clock.pump([0, 3.4, 3.4]);
      expect(checkPoints('stop-pending')).to.deep.equal([1, 2, 3]);
      stopped.callback();
      soon();
      expect(status()).to.include({ state: 'stopped', checkPoint: 0 });
    });

    it('a second stop is refused by the manager, and ignored by the host', () => {
      const stopped = new Deferred<void>();
      part.stops = () => stopped;
      start();
      send('stop');
      expect(send('stop')).to.equal(1061);
      soon();
      void scm.processOf('echo')?.control('echo', controlEvent('shutdown'));
      host.stop(9);
      stopped.callback();
      soon();
      expect(part.events).to.deep.equal(['start demand', 'stop stop']);
      expect(scm.history('echo').filter(({ state }) => state === 'stopped')).to.have.length(1);
      expect(ended?.win32ExitCode).to.equal(1066); // that it wants to end with 9 still counts
    });

    it('a stop that fails ends it with a code of its own, and is in both logs', () => {
      part.stops = failing(new Error('stuck'));
      start();
      send('stop');
      soon();
      expect(ended).to.deep.equal({ win32ExitCode: 1066, serviceExitCode: 0x20000001 });
      expect(status()).to.include({ win32ExitCode: 1066, serviceExitCode: 0x20000001 });
      expect(written).to.include(
        'error: Service echo failed to stop: stuck (exit code 1066: its own code 1)',
      );
    });

    it('a crash of the process while it stops is 1067, and nothing is left waiting', () => {
      part.stops = () => new Deferred<void>();
      start();
      send('stop');
      soon();
      scm.processOf('echo')?.exit(3);
      expect(status()).to.include({ state: 'stopped', win32ExitCode: 1067 });
      expect(scm.events.at(-1)?.id).to.equal(7034);
    });

    it('a stop that hangs ends the process with 1053 by the deadline', () => {
      part.stops = () => new Deferred<void>();
      more = { stopTimeout: 20 };
      start();
      send('stop');
      clock.advance(0);
      clock.advance(19.9);
      expect(exits).to.deep.equal([]);
      clock.advance(0.1);
      soon();
      expect(exits).to.deep.equal([1053]);
      expect(status()).to.include({ state: 'stopped', win32ExitCode: 1053 });
      expect(written.at(-1)).to.match(
        /^error: Service echo hangs while it stops: It has not stopped within 20 s/,
      );
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('a stop that is done after it was given up changes nothing any more', () => {
      const stopped = new Deferred<void>();
      let closings = 0;
      part.stops = () => stopped;
      more = {
        beforeStopped: () => {
          closings += 1;
        },
        exit: (code) => void exits.push(code),
      };
      start();
      send('stop');
      clock.advance(0);
      clock.advance(60);
      stopped.callback();
      soon();
      expect(closings).to.equal(0);
      expect(exits).to.deep.equal([1053]);
      expect(written.at(-1)).to.match(/hangs while it stops/);
      expect(scm.history('echo').filter(({ state }) => state === 'stopped')).to.have.length(1);
    });

    it('nor does what comes before the report, when that is done only then', () => {
      const closed = new Deferred<void>();
      more = { beforeStopped: () => closed, exit: (code) => void exits.push(code) };
      start();
      send('stop');
      clock.advance(0);
      clock.advance(60);
      const before = [...written];
      closed.callback();
      soon();
      expect(exits).to.deep.equal([1053]);
      expect(written).to.deep.equal(before);
      expect(scm.history('echo').filter(({ state }) => state === 'stopped')).to.have.length(1);
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('does not wait for ever for the manager to take the last report', () => {
      start();
      const process = scm.processOf('echo');
      // The manager is gone: nothing that is reported comes through.
      if (process !== undefined) process.exitCode = 0;
      host.stop(2);
      soon();
      expect(exits).to.deep.equal([]);
      clock.advance(5);
      expect(exits).to.deep.equal([2]);
    });

    it('beforeStopped comes between the stop and the report, and its failure shows', () => {
      const flushed = new Deferred<void>();
      more = { beforeStopped: () => flushed };
      start();
      send('stop');
      soon();
      expect(part.events).to.include('stop stop');
      expect(status().state).to.equal('stop-pending');
      flushed.errback(new Error('disk full'));
      soon();
      expect(ended?.win32ExitCode).to.equal(1066);
      expect(status().state).to.equal('stopped');
    });

    it('stop() from within ends it with the code given', () => {
      start();
      host.stop(7);
      expect(status().state).to.equal('stop-pending');
      soon();
      expect(part.events).to.include('stop self');
      expect(ended).to.deep.equal({ win32ExitCode: 1066, serviceExitCode: 0x20000007 });
      expect(() => host.stop(-1)).to.throw(RangeError, 'Cannot end a service with exit code -1');
    });
  });

  describe('failure', () => {
    it('fail() while it runs stops it with an error', () => {
      start();
      host.fail(new Error('lost the disk'));
      soon();
      expect(states()).to.deep.equal(['start-pending', 'running', 'stop-pending', 'stopped']);
      expect(part.events.at(-1)).to.equal('stop failure');
      expect(ended).to.deep.equal({ win32ExitCode: 1066, serviceExitCode: 0x20000001 });
      expect(written).to.include(
        'error: Service echo failed: lost the disk (exit code 1066: its own code 1)',
      );
    });

    it('fail() while it stops makes the end an error, and the first error decides', () => {
      const stopped = new Deferred<void>();
      part.stops = () => stopped;
      start();
      send('stop');
      soon();
      host.fail(new WindowsError(5, 'write'));
      host.fail(new Error('and again'));
      stopped.callback();
      soon();
      expect(ended).to.deep.equal({ win32ExitCode: 5, serviceExitCode: 0 });
      expect(part.events).to.deep.equal(['start demand', 'stop stop']);
    });

    it("an event log that fails is none of the service's business", () => {
      more = { events: { write: failing(new Error('full')) } };
      start();
      send('stop');
      soon();
      expect(ended?.win32ExitCode).to.equal(0);
      expect(logs.entries.map(({ message }) => message)).to.include(
        'Cannot write to the event log',
      );
    });

    it('run() fails with 1063 in a process that the manager did not start', () => {
      const stray = new ServiceHost({ scm, clock, name: 'echo', service: part });
      let failure: unknown;
      stray.run().addErrback(({ value }) => {
        failure = value;
      });
      expect(failure).to.have.property('winerror', 1063);
    });

    it('a manager that goes away stops the service', () => {
      start();
      scm.processOf('echo')?.dispatchingEnded();
      soon();
      expect(part.events.at(-1)).to.equal('stop stop');
      expect(ended?.win32ExitCode).to.equal(0);
    });
  });

  describe('pause and continue', () => {
    it('go through the pending states, with progress', () => {
      const paused = new Deferred<void>();
      const continued = new Deferred<void>();
      part.pauses = () => paused;
      part.continues = () => continued;
      start();
      expect(send('pause')).to.equal('pause-pending');
      expect(part.events).not.to.include('pause');
      clock.pump([0, 3.4]);
      expect(checkPoints('pause-pending')).to.deep.equal([1, 2]);
      expect(status().accepts).to.deep.equal(['stop', 'shutdown']);
      paused.callback();
      expect(status().state).to.equal('paused');
      expect(status().accepts).to.include('pause-continue');
      expect(send('continue')).to.equal('continue-pending');
      soon();
      continued.callback();
      expect(status().state).to.equal('running');
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('are not offered by a service that lacks one of them', () => {
      part.continue = undefined;
      start();
      expect(status().accepts).to.deep.equal(['stop', 'shutdown']);
      expect(send('pause')).to.equal(1052);
    });

    it('a failure leaves it as it was', () => {
      part.pauses = failing(new Error('busy'));
      start();
      send('pause');
      soon();
      expect(status().state).to.equal('running');
      expect(written.at(-1)).to.equal('error: Service echo failed to pause: busy');
      part.pauses = () => undefined;
      send('pause');
      soon();
      part.continues = failing(new Error('still busy'));
      send('continue');
      soon();
      expect(status().state).to.equal('paused');
    });

    it('what it is already is nothing to do', () => {
      start();
      expect(send('continue')).to.equal('running');
      send('pause');
      soon();
      expect(send('pause')).to.equal('paused');
      soon();
      expect(part.events).to.deep.equal(['start demand', 'pause']);
    });

    it('a pause that takes too long shows no more progress; when it is done after all, it counts', () => {
      const paused = new Deferred<void>();
      part.pauses = () => paused;
      more = { pauseTimeout: 7 };
      start();
      send('pause');
      clock.pump([0, 3.4, 3.4, 3.4, 3.4]);
      expect(checkPoints('pause-pending')).to.deep.equal([1, 2, 3]);
      expect(written.at(-1)).to.equal('warn: Service echo takes long to pause');
      host.progress(); // whoever says so is believed, once
      clock.pump([3.4, 3.4]);
      expect(checkPoints('pause-pending')).to.deep.equal([1, 2, 3, 4]);
      paused.callback();
      expect(status().state).to.equal('paused');
    });

    it('a stop while it pauses wins', () => {
      const paused = new Deferred<void>();
      part.pauses = () => paused;
      start();
      send('pause');
      soon();
      expect(send('stop')).to.equal('stop-pending');
      paused.callback();
      soon();
      expect(states().slice(-2)).to.deep.equal(['stop-pending', 'stopped']);
    });

    it('a stop in the same turn as the pause keeps it from pausing', () => {
      start();
      send('pause');
      send('stop');
      soon();
      expect(part.events).to.deep.equal(['start demand', 'stop stop']);
    });

    it('a paused service can be stopped', () => {
      start();
      send('pause');
      soon();
      send('stop');
      soon();
      expect(states().slice(-3)).to.deep.equal(['paused', 'stop-pending', 'stopped']);
    });
  });

  describe('other controls', () => {
    it('interrogate reports the state that it is in', () => {
      start();
      send('pause');
      soon();
      const before = scm.history('echo').length;
      expect(send('interrogate')).to.equal('paused');
      expect(
        scm
          .history('echo')
          .slice(before)
          .map(({ state }) => state),
      ).to.deep.equal(['paused']);
    });

    it('interrogate while something is pending reports its checkpoint and no progress', () => {
      part.pauses = () => new Deferred<void>();
      start();
      send('pause');
      clock.pump([0, 3.4]);
      expect(send('interrogate')).to.equal('pause-pending');
      expect(status().checkPoint).to.equal(2);
    });

    it('go to the service, whose answer is the outcome', () => {
      const seen: unknown[] = [];
      part.accepts = ['param-change', 'session-change'];
      part.control = (event) => {
        seen.push(event.type === 'custom' ? event.code : event.type);
        if (event.code === 129) return 87;
        if (event.code === 130) throw new Error('oops');
        return undefined;
      };
      start();
      expect(status().accepts).to.include.members(['param-change', 'session-change']);
      expect(send(128)).to.equal('running');
      expect(send(129)).to.equal(87);
      expect(send(130)).to.equal(120);
      expect(send('param-change')).to.equal('running');
      scm.broadcast(controlEvent('session-change'));
      expect(seen).to.deep.equal([128, 129, 130, 'param-change', 'session-change']);
    });

    it('are not understood (120) by a service that takes none', () => {
      start();
      expect(send(128)).to.equal(120);
    });
  });
});
