import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Deferred } from '../../../src/deferred/index.ts';
import { MemoryReactorClock } from '../../../src/reactor/index.ts';
import { type MaybeDeferred, MultiService } from '../../../src/service/index.ts';
import { type ControlEvent, controlEvent } from '../../../src/service/windows/control-events.ts';
import { WindowsError } from '../../../src/service/windows/errors.ts';
import {
  runFrameworkService,
  ServiceFramework,
  type ServiceFrameworkClass,
} from '../../../src/service/windows/framework.ts';
import type { ScmService } from '../../../src/service/windows/scm-api.ts';
import { MemoryScm } from '../../../src/service/windows/scm-memory.ts';
import {
  runApplicationAsService,
  type ServiceMainOptions,
} from '../../../src/service/windows/service-main.ts';
import {
  SERVICE_PAUSED,
  SERVICE_STOP_PENDING,
  SERVICE_STOPPED,
} from '../../../src/service/windows/win32service.ts';

describe('service process', () => {
  let reactor: MemoryReactorClock;
  let scm: MemoryScm;
  let service: ScmService;
  let folder: string;
  let logfile: string;
  let written: string[];
  let exits: number[];
  let exitCode: number | undefined;
  let events: string[];
  let from: string;
  /** Tells a wait that its test is over. */
  let current = 0;
  beforeEach(() => {
    reactor = new MemoryReactorClock();
    scm = new MemoryScm({ clock: reactor });
    folder = mkdtempSync(join(tmpdir(), 'strand-service-'));
    logfile = join(folder, 'service.log');
    written = [];
    exits = [];
    exitCode = undefined;
    events = [];
    from = process.cwd();
    service = scm
      .openManager({ rights: ['create-service'] })
      .createService({ name: 'echo', imagePath: 'node' }, ['all']);
  });
  afterEach(() => {
    current += 1;
    process.chdir(from);
    rmSync(folder, { recursive: true });
  });

  /** Lets promises, files, and calls that are due follow each other until it is so. */
  const until = async (reached: () => boolean): Promise<void> => {
    const test = current;
    while (!reached()) {
      if (current !== test) throw new Error('The test is over');
      await new Promise<void>((resolve) => setImmediate(resolve));
      reactor.advance(0);
    }
  };
  const ended = (): Promise<void> => until(() => exitCode !== undefined);
  /** Has `run` be the program of the service, starts that, and waits until it runs or has ended. */
  const start = async (
    run: (options: Omit<ServiceMainOptions, 'name'>) => Promise<number>,
    more: Partial<ServiceMainOptions> = {},
    ...args: string[]
  ): Promise<void> => {
    scm.program('node', (process) => {
      void run({
        reactor,
        scm: () => process,
        log: { file: logfile },
        events: { write: (level, text) => void written.push(`${level}: ${text}`) },
        exit: (code) => {
          exits.push(code);
          process.exit(code);
        },
        ...more,
      }).then((code) => {
        exitCode = code;
      });
    });
    // What it fails with when the service ends before it runs is not the tests' concern.
    service.start(args).addErrback(() => {});
    await until(() => exitCode !== undefined || state() === 'running');
  };
  /** Sends a control, and gives what the service answered. */
  const send = async (
    control: 'stop' | 'pause' | 'continue' | 'param-change' | number,
  ): Promise<number> => {
    let outcome: number | undefined;
    service.control(control).addCallbacks(
      () => {
        outcome = 0;
      },
      ({ value }) => {
        outcome = value instanceof WindowsError ? value.winerror : -1;
      },
    );
    await until(() => outcome !== undefined);
    return outcome ?? -1;
  };
  const stop = async (): Promise<void> => {
    expect(await send('stop')).to.equal(0);
    await ended();
  };
  const state = (): string => service.queryStatus().state;
  const log = (): string => readFileSync(logfile, 'utf8');

  describe('runApplicationAsService()', () => {
    const app = (root: MultiService) => (options: Omit<ServiceMainOptions, 'name'>) =>
      runApplicationAsService({
        ...options,
        name: 'echo',
        load: () => ({ service: root, name: 'app' }),
      });

    it('logs, runs and ends with 0', async () => {
      const before = process.listenerCount('uncaughtException');
      await start(app(new MultiService()), { directory: folder });
      expect(state()).to.equal('running');
      expect(process.cwd()).to.contain('strand-service-');
      await stop();
      expect(exitCode).to.equal(0);
      expect(log()).to.match(
        /Starting app.*Started app.*Stopping service echo \(stop\).*Stopped app/s,
      );
      expect(written).to.deep.equal(['info: Service echo started', 'info: Service echo stopped']);
      expect(process.listenerCount('uncaughtException')).to.equal(before);
    });

    it('what keeps the application from being loaded is in the log, the event log, and the exit code', async () => {
      const run = (options: Omit<ServiceMainOptions, 'name'>): Promise<number> =>
        runApplicationAsService({
          ...options,
          name: 'echo',
          load: () => Promise.reject(new Error('module missing')),
        });
      await start(run);
      expect(exitCode).to.equal(1064);
      expect(service.queryStatus().win32ExitCode).to.equal(1064);
      expect(log()).to.match(/Service echo failed to start.*module missing/s);
      expect(written[0]).to.match(
        /^error: Service echo failed to start: module missing \(exit code 1064/,
      );
    });

    it('a log that cannot be opened is a failure to start, which the manager hears of', async () => {
      logfile = join(folder, 'missing', 'service.log');
      await start(app(new MultiService()));
      expect(exitCode).to.equal(1064);
      expect(service.queryStatus().win32ExitCode).to.equal(1064);
      expect(written[0]).to.match(/failed to start: Cannot open log file/);
    });

    it('a folder that cannot be entered is one likewise', async () => {
      await start(app(new MultiService()), { directory: join(folder, 'missing') });
      expect(exitCode).to.equal(1064);
      expect(log()).to.match(/Service echo failed to start.*ENOENT/s);
    });

    it('a manager that cannot be reached is in the log, the event log, and the exit code', async () => {
      await start(app(new MultiService()), {
        scm: () => {
          throw new Error('no koffi here');
        },
      });
      expect(exitCode).to.equal(1064);
      expect(log()).to.match(/Cannot run service echo.*no koffi here/s);
      expect(written).to.deep.equal([
        'error: Cannot run service echo: no koffi here (exit code 1064)',
      ]);
    });

    it('a process that the manager did not start ends with 1063', async () => {
      await start(app(new MultiService()), { scm: () => scm });
      expect(exitCode).to.equal(1063);
    });

    describe('an error that escapes', () => {
      /** Only the service's own listeners hear of it: mocha has one, too. */
      const stray = async (error: Error): Promise<void> => {
        const mine = process.listeners('uncaughtException').at(-1);
        mine?.(error, 'uncaughtException');
        await until(() => log().includes(`Error: ${error.message}`));
      };

      it('is logged, and the service goes on', async () => {
        await start(app(new MultiService()));
        await stray(new Error('stray'));
        expect(state()).to.equal('running');
        expect(log()).to.match(/Uncaught exception.*stray/s);
        await stop();
        expect(exitCode).to.equal(0);
      });

      it('stops it with an error, where that is wanted', async () => {
        await start(app(new MultiService()), { onStrayError: 'stop' });
        await stray(new Error('stray'));
        await ended();
        expect(exitCode).to.equal(1);
        expect(service.queryStatus()).to.include({
          win32ExitCode: 1066,
          serviceExitCode: 0x20000001,
        });
      });

      it('ends its process, where that is wanted', async () => {
        await start(app(new MultiService()), { onStrayError: 'crash' });
        await stray(new Error('stray'));
        expect(exits).to.deep.equal([1064]);
        expect(service.queryStatus().win32ExitCode).to.equal(1067);
        expect(log()).to.match(/Uncaught exception.*stray/s);
        expect(state()).to.equal('stopped');
      });
    });
  });

  describe('ServiceFramework', () => {
    const framework = (cls: ServiceFrameworkClass) => (options: Omit<ServiceMainOptions, 'name'>) =>
      runFrameworkService(cls, options);
    /** A service whose methods note that they were called. */
    class Echo extends ServiceFramework {
      static readonly _svc_name_: string = 'echo';
      override SvcDoRun(): MaybeDeferred {
        events.push(`run ${this.args.join(' ')} ${state()}`);
      }
      override SvcStop(): MaybeDeferred {
        events.push('stop');
      }
    }

    it('runs until it is stopped, when SvcDoRun gives nothing', async () => {
      await start(framework(Echo), {}, '-v');
      await until(() => events.length > 0);
      expect(events).to.deep.equal(['run echo -v running']);
      expect(service.queryStatus().accepts).to.deep.equal(['stop', 'shutdown']);
      expect(await send('pause')).to.equal(1052);
      expect(await send(200)).to.equal(120);
      await stop();
      expect(events.at(-1)).to.equal('stop');
      expect(exitCode).to.equal(0);
    });

    for (const given of [null, { port: 1 }]) {
      it(`runs until it is stopped, too, when SvcDoRun gives ${JSON.stringify(given)}, which cannot be waited for`, async () => {
        class Port extends Echo {
          override SvcDoRun(): MaybeDeferred {
            super.SvcDoRun();
            return given as never; // as a program in JavaScript may
          }
        }
        await start(framework(Port));
        await until(() => events.length > 0);
        expect(state()).to.equal('running');
        await stop();
        expect(events.at(-1)).to.equal('stop');
      });
    }

    it('runs as long as SvcDoRun does', async () => {
      const work = new Deferred<void>();
      class Worker extends Echo {
        override SvcDoRun(): MaybeDeferred {
          return work;
        }
      }
      await start(framework(Worker));
      expect(state()).to.equal('running');
      work.callback();
      await ended();
      expect(state()).to.equal('stopped');
      expect(events).to.deep.equal([]); // no SvcStop: it has ended by itself
      expect(exitCode).to.equal(0);
    });

    it('is stopped when SvcStop and SvcDoRun are both done', async () => {
      const work = new Deferred<void>();
      let begun = false;
      class Worker extends Echo {
        override async SvcDoRun(): Promise<void> {
          begun = true;
          await work;
          events.push('done');
        }
      }
      await start(framework(Worker));
      await until(() => begun);
      await send('stop');
      await until(() => events.length > 0);
      expect(events).to.deep.equal(['stop']);
      expect(state()).to.equal('stop-pending');
      work.callback();
      await ended();
      expect(events).to.deep.equal(['stop', 'done']);
      expect(exitCode).to.equal(0);
    });

    it('ends with an error when SvcDoRun fails', async () => {
      const work = new Deferred<void>();
      class Worker extends Echo {
        override SvcDoRun(): MaybeDeferred {
          return work;
        }
      }
      await start(framework(Worker));
      work.errback(new Error('lost'));
      await ended();
      expect(service.queryStatus()).to.include({
        win32ExitCode: 1066,
        serviceExitCode: 0x20000001,
      });
      expect(exitCode).to.equal(1);
      expect(events).to.deep.equal([]);
    });

    it('ends with an error when SvcDoRun fails while it stops', async () => {
      const work = new Deferred<void>();
      let begun = false;
      class Worker extends Echo {
        override SvcDoRun(): MaybeDeferred {
          begun = true;
          return work;
        }
        override SvcStop(): MaybeDeferred {
          work.errback(new WindowsError(5, 'tidy up'));
        }
      }
      await start(framework(Worker));
      await until(() => begun);
      await stop();
      expect(log()).to.match(/failed to stop.*Cannot tidy up/s);
      expect(exitCode).to.equal(5);
    });

    it('a stop right after the start keeps SvcDoRun from being called', async () => {
      service.watch((status) => {
        if (status?.state === 'running') reactor.stop();
      });
      await start(framework(Echo));
      await ended();
      expect(events).to.deep.equal(['stop']);
      expect(exitCode).to.equal(0);
    });

    it('ends with an error when SvcDoRun throws at once', async () => {
      class Broken extends Echo {
        override SvcDoRun(): MaybeDeferred {
          throw new WindowsError(5, 'begin');
        }
      }
      await start(framework(Broken));
      await ended();
      expect(exitCode).to.equal(5);
    });

    it('ends with 1064 when it cannot be made', async () => {
      class Broken extends Echo {
        constructor(args: readonly string[]) {
          super(args);
          throw new Error('not today');
        }
      }
      await start(framework(Broken));
      expect(exitCode).to.equal(1064);
      expect(log()).to.contain('not today');
    });

    it('SvcShutdown serves the shutdown, and without it SvcStop does', async () => {
      class Careful extends Echo {
        override SvcShutdown(): MaybeDeferred {
          events.push('shutdown');
        }
      }
      await start(framework(Careful));
      await until(() => events.length > 0);
      scm.broadcast(controlEvent('shutdown'));
      await ended();
      expect(events).to.deep.equal(['run echo running', 'shutdown']);
      expect(exitCode).to.equal(0);
    });

    it('without SvcShutdown it is SvcStop', async () => {
      await start(framework(Echo));
      scm.broadcast(controlEvent('shutdown'));
      await ended();
      expect(events.at(-1)).to.equal('stop');
    });

    it('pauses and continues when it has both methods, and gets the controls it adds', async () => {
      class Pausable extends Echo {
        override SvcPause(): MaybeDeferred {
          events.push('pause');
          this.ReportServiceStatus(SERVICE_PAUSED); // as pywin32's users do: the host does it anyway
        }
        override SvcContinue(): MaybeDeferred {
          events.push('continue');
        }
        override SvcOther(control: number): number | undefined {
          events.push(`other ${control}`);
          return control === 201 ? 87 : undefined;
        }
        override GetAcceptedControls(): number {
          return super.GetAcceptedControls() | 0x8;
        }
      }
      await start(framework(Pausable));
      await until(() => events.length > 0);
      events.length = 0;
      expect(service.queryStatus().accepts).to.include.members(['pause-continue', 'param-change']);
      await send('pause');
      await until(() => state() === 'paused');
      await send('continue');
      await until(() => state() === 'running');
      expect([await send(200), await send(201), await send('param-change')]).to.deep.equal([
        0, 87, 0,
      ]);
      expect(events).to.deep.equal(['pause', 'continue', 'other 200', 'other 201', 'other 6']);
    });

    it('SvcOtherEx gets the event', async () => {
      class Watching extends Echo {
        override SvcOtherEx(control: number, eventType: number, event: ControlEvent): void {
          events.push(`${control} ${eventType} ${event.type}`);
        }
        override GetAcceptedControls(): number {
          return super.GetAcceptedControls() | 0x80;
        }
      }
      await start(framework(Watching));
      scm.broadcast(controlEvent('session-change'));
      expect(events.at(-1)).to.equal('14 0 session-change');
    });

    it('ReportServiceStatus() shows progress, and ends the service with a code', async () => {
      const done = new Deferred<void>();
      class Slow extends Echo {
        override SvcStop(): MaybeDeferred {
          this.ReportServiceStatus(SERVICE_STOP_PENDING, 30_000);
          return done;
        }
      }
      await start(framework(Slow));
      await send('stop');
      await until(() => service.queryStatus().checkPoint > 1);
      expect(service.queryStatus()).to.include({ checkPoint: 2, waitHint: 30 });
      done.callback();
      await ended();
      expect(exitCode).to.equal(0);
    });

    for (const [win32, specific, expected] of [
      [0, 0, 0],
      [1066, 9, 9],
      [5, 0, 5],
    ] as const) {
      it(`ReportServiceStatus() of SERVICE_STOPPED with ${win32} and ${specific} ends it so`, async () => {
        class Quitter extends Echo {
          override SvcDoRun(): MaybeDeferred {
            this.ReportServiceStatus(SERVICE_STOPPED, 0, win32, specific);
          }
        }
        await start(framework(Quitter));
        await ended();
        expect(state()).to.equal('stopped');
        expect(service.queryStatus().win32ExitCode).to.equal(win32);
        expect(exitCode).to.equal(expected);
        expect(events).to.deep.equal([]);
      });
    }
  });
});
