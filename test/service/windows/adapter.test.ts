import { expect } from 'chai';
import { Deferred } from '../../../src/deferred/index.ts';
import { MemoryReactorClock } from '../../../src/reactor/index.ts';
import {
  capturedLogs,
  type MaybeDeferred,
  MultiService,
  Service,
} from '../../../src/service/index.ts';
import { type ApplicationToHost, HostedApplication } from '../../../src/service/windows/adapter.ts';
import type { AcceptedControl } from '../../../src/service/windows/constants.ts';
import { type ControlEvent, controlEvent } from '../../../src/service/windows/control-events.ts';
import type { Controllable } from '../../../src/service/windows/controllable.ts';
import { WindowsError } from '../../../src/service/windows/errors.ts';
import { ServiceHost } from '../../../src/service/windows/host.ts';
import type { ExitCodes, ScmService } from '../../../src/service/windows/scm-api.ts';
import { MemoryScm } from '../../../src/service/windows/scm-memory.ts';

class Part extends Service {
  readonly events: string[];
  starts: () => MaybeDeferred = () => undefined;
  stops: () => MaybeDeferred = () => undefined;

  constructor(name: string, events: string[]) {
    super();
    this.setName(name);
    this.events = events;
  }

  override startService(): MaybeDeferred {
    super.startService();
    this.events.push(`start ${this.name}`);
    return this.starts();
  }

  override stopService(): MaybeDeferred {
    super.stopService();
    this.events.push(`stop ${this.name}`);
    return this.stops();
  }
}

class PausablePart extends Part implements Controllable {
  fails: string | undefined;
  answers: number | undefined = 120;
  acceptedControls: readonly AcceptedControl[] = [];

  pauseService(): MaybeDeferred {
    this.#note('pause');
  }

  continueService(): MaybeDeferred {
    this.#note('continue');
  }

  controlReceived(event: ControlEvent): number | undefined {
    this.events.push(`${event.type} ${this.name}`);
    return this.answers;
  }

  #note(what: string): void {
    this.events.push(`${what} ${this.name}`);
    if (this.fails === what) throw new Error(`cannot ${what}`);
  }
}

describe('HostedApplication', () => {
  let reactor: MemoryReactorClock;
  let scm: MemoryScm;
  let service: ScmService;
  let root: MultiService;
  let events: string[];
  let host: ServiceHost;
  let load: () => ApplicationToHost | Promise<ApplicationToHost>;
  let ended: ExitCodes | undefined;
  let exits: number[];
  let logs: ReturnType<typeof capturedLogs>;
  beforeEach(() => {
    logs = capturedLogs();
    reactor = new MemoryReactorClock();
    scm = new MemoryScm({ clock: reactor });
    root = new MultiService();
    events = [];
    exits = [];
    load = () => ({ service: root, name: 'app' });
    ended = undefined;
    scm.program('node', (process) => {
      const application = new HostedApplication({
        load: () => load(),
        reactor,
        stopTimeout: 20,
        ending: () => host.stop(),
      });
      const exit = (code: number): void => void exits.push(code);
      host = new ServiceHost({
        ...{ scm: process, clock: reactor, name: 'app', service: application, exit },
        stopWhileStarting: true,
        stopTimeout: 30,
      });
      host.run().addCallback((codes) => {
        ended = codes;
      });
    });
    service = scm
      .openManager({ rights: ['create-service'] })
      .createService({ name: 'app', imagePath: 'node' }, ['all']);
  });
  afterEach(() => logs.stop());

  /** Lets promises and calls that are due follow each other until nothing is left. */
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 20; i += 1) {
      for (let tick = 0; tick < 5; tick += 1) await Promise.resolve();
      reactor.advance(0);
    }
  };
  const start = async (): Promise<void> => {
    void service.start();
    await settle();
  };
  const state = (): string => service.queryStatus().state;
  const send = async (control: 'stop' | 'pause' | 'continue' | number): Promise<number> => {
    let outcome = 0;
    service.control(control).addErrback(({ value }) => {
      outcome = value instanceof WindowsError ? value.winerror : -1;
    });
    await settle();
    return outcome;
  };
  const add = <P extends Part>(part: P): P => {
    part.setServiceParent(root);
    return part;
  };

  it('runs when the application does, and stops with it', async () => {
    const ready = new Deferred<void>();
    add(new Part('a', events)).starts = () => ready;
    await start();
    expect(reactor.hasRun).to.equal(true);
    expect(state()).to.equal('start-pending');
    ready.callback();
    await settle();
    expect(state()).to.equal('running');
    await send('stop');
    expect(events).to.deep.equal(['start a', 'stop a']);
    expect(reactor.hasStopped).to.equal(true);
    expect(ended).to.deep.equal({ win32ExitCode: 0, serviceExitCode: 0 });
    expect(reactor.getDelayedCalls()).to.deep.equal([]);
  });

  it('loads the application only when the manager has the service starting', async () => {
    let seen: string | undefined;
    const part = add(new Part('a', events));
    load = async () => {
      seen = state();
      await Promise.resolve();
      return { service: part.parent as MultiService, name: 'app' }; // its parent is root
    };
    await start();
    expect(seen).to.equal('start-pending');
    expect(state()).to.equal('running');
  });

  it('an application that cannot be loaded, or does not start, ends the service with 1064 or its number', async () => {
    load = () => Promise.reject(new Error('no such module'));
    await start();
    expect(ended?.win32ExitCode).to.equal(1064);
    expect(reactor.hasRun).to.equal(false);
    load = () => ({ service: root, name: 'app' });
    add(new Part('a', events)).starts = () => {
      throw new WindowsError(5, 'bind');
    };
    await start();
    expect(ended?.win32ExitCode).to.equal(5);
    expect(events).to.deep.equal(['start a', 'stop a']);
    expect(scm.history('app').filter((one) => one.state === 'running')).to.deep.equal([]);
  });

  it('a start that fails later stops what was started, and tells the reason', async () => {
    const ready = new Deferred<void>();
    add(new Part('a', events));
    add(new Part('b', events)).starts = () => ready;
    await start();
    ready.errback(new WindowsError(87, 'bind'));
    await settle();
    expect(events).to.deep.equal(['start a', 'start b', 'stop b', 'stop a']);
    expect(ended?.win32ExitCode).to.equal(87);
    expect(scm.history('app').filter((one) => one.state === 'stopped')).to.have.length(1);
  });

  it('an application that stops the reactor ends the service, which says so while it stops', async () => {
    const stopped = new Deferred<void>();
    add(new Part('a', events)).stops = () => stopped;
    await start();
    reactor.stop();
    await settle();
    expect(state()).to.equal('stop-pending');
    stopped.callback();
    await settle();
    expect(events).to.deep.equal(['start a', 'stop a']);
    expect(ended).to.deep.equal({ win32ExitCode: 0, serviceExitCode: 0 });
  });

  it('an application that stops the reactor before it has started ends the service well', async () => {
    const ready = new Deferred<void>();
    const part = add(new Part('a', events));
    part.starts = () => ready;
    part.stops = () => ready.cancel();
    await start();
    reactor.stop();
    await settle();
    expect(ended).to.deep.equal({ win32ExitCode: 0, serviceExitCode: 0 });
    expect(state()).to.equal('stopped');
  });

  it('a stop while it starts is no failure', async () => {
    const ready = new Deferred<void>();
    const part = add(new Part('a', events));
    part.starts = () => ready;
    part.stops = () => ready.cancel();
    await start();
    expect(await send('stop')).to.equal(0);
    expect(ended?.win32ExitCode).to.equal(0);
    expect(logs.entries.filter(({ level }) => level === 'critical')).to.deep.equal([]);
  });

  it('a stop while it is loaded keeps it from starting', async () => {
    let loaded = (_: ApplicationToHost): void => {};
    load = () =>
      new Promise((resolve) => {
        loaded = resolve;
      });
    add(new Part('a', events));
    await start();
    await send('stop');
    expect(ended?.win32ExitCode).to.equal(0);
    loaded({ service: root, name: 'app' });
    await settle();
    expect(events).to.deep.equal([]);
    expect(reactor.hasRun).to.equal(false);
  });

  it('a stop that takes too long ends with 1053, and names what hangs', async () => {
    add(new Part('pool', events)).stops = () => new Deferred<void>();
    await start();
    await send('stop');
    reactor.advance(19.9);
    await settle();
    expect(ended).to.equal(undefined);
    reactor.advance(0.1);
    await settle();
    expect(ended?.win32ExitCode).to.equal(1053);
    expect(exits).to.deep.equal([]);
    expect(logs.entries.map(({ message }) => message)).to.include(
      'Gave up waiting after 20 s for what did not stop: app/pool',
    );
  });

  it('a service that fails to stop, however deep, shows in the exit code; the others stop', async () => {
    const inner = new MultiService();
    inner.setServiceParent(root);
    const deep = new Part('deep', events);
    deep.stops = () => {
      throw new WindowsError(5, 'close');
    };
    deep.setServiceParent(inner);
    add(new Part('b', events)).starts = () => undefined;
    await start();
    await send('stop');
    expect(ended?.win32ExitCode).to.equal(5);
    expect(events.slice(-2)).to.deep.equal(['stop b', 'stop deep']);
  });

  it('a reactor that does not come to its end is given up by the host', async () => {
    add(new Part('a', events));
    reactor.addSystemEventTrigger('before', 'shutdown', () => new Deferred<void>());
    await start();
    await send('stop');
    for (let i = 0; i < 3; i += 1) {
      reactor.advance(10);
      await settle();
    }
    expect(exits).to.deep.equal([1053]);
    expect(service.queryStatus().win32ExitCode).to.equal(1053);
  });

  describe('pausing', () => {
    it('is offered when a service in the tree can', async () => {
      add(new Part('a', events));
      await start();
      expect(service.queryStatus().accepts).to.deep.equal(['stop', 'shutdown']);
      expect(await send('pause')).to.equal(1052);
    });

    it('goes from the last to the first, and back the other way', async () => {
      const inner = new MultiService();
      inner.setServiceParent(root);
      new PausablePart('a', events).setServiceParent(inner);
      add(new Part('b', events));
      add(new PausablePart('c', events));
      await start();
      events.length = 0;
      await send('pause');
      expect(state()).to.equal('paused');
      await send('continue');
      expect(state()).to.equal('running');
      expect(events).to.deep.equal(['pause c', 'pause a', 'continue a', 'continue c']);
    });

    it('a service that fails to pause has the others go on', async () => {
      add(new PausablePart('a', events)).fails = 'pause';
      add(new PausablePart('b', events));
      await start();
      events.length = 0;
      await send('pause');
      expect(events).to.deep.equal(['pause b', 'pause a', 'continue b']);
      expect(state()).to.equal('running');
    });

    it('a service that fails to continue has the others paused again', async () => {
      add(new PausablePart('a', events));
      add(new PausablePart('b', events)).fails = 'continue';
      await start();
      await send('pause');
      events.length = 0;
      await send('continue');
      expect(events).to.deep.equal(['continue a', 'continue b', 'pause a']);
      expect(state()).to.equal('paused');
    });

    it('a collection that can pause speaks for what is in it', async () => {
      class Group extends MultiService implements Controllable {
        pauseService(): void {
          events.push('pause group');
        }
        continueService(): void {}
      }
      const group = new Group();
      group.setServiceParent(root);
      new PausablePart('a', events).setServiceParent(group);
      await start();
      events.length = 0;
      await send('pause');
      expect(events).to.deep.equal(['pause group']);
    });
  });

  describe('other controls', () => {
    it('reach every service, and are understood when one does', async () => {
      const a = add(new PausablePart('a', events));
      const b = add(new PausablePart('b', events));
      a.acceptedControls = ['session-change'];
      b.acceptedControls = ['param-change', 'session-change'];
      await start();
      events.length = 0;
      expect(service.queryStatus().accepts).to.deep.equal([
        'stop',
        'shutdown',
        'pause-continue',
        'session-change',
        'param-change',
      ]);
      expect(await send(200)).to.equal(120);
      b.answers = undefined;
      expect(await send(200)).to.equal(0);
      a.answers = 87;
      expect(await send(200)).to.equal(87);
      scm.broadcast(controlEvent('session-change'));
      expect(events.slice(-2)).to.deep.equal(['session-change a', 'session-change b']);
    });

    it('a service that wants to hear of the shutdown early hears of it early', async () => {
      add(new PausablePart('a', events)).acceptedControls = ['preshutdown'];
      await start();
      expect(service.queryStatus().accepts).to.have.members([
        'stop',
        'preshutdown',
        'pause-continue',
      ]);
      void scm.shutdown();
      await settle();
      expect(events.at(-1)).to.equal('stop a');
      expect(ended?.win32ExitCode).to.equal(0);
    });
  });
});
