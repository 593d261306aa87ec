import { expect } from 'chai';
import { Deferred, setUnhandledFailureHandler } from '../../src/deferred/index.ts';
import { MemoryReactorClock } from '../../src/reactor/index.ts';
import {
  Application,
  capturedLogs,
  type MaybeDeferred,
  MultiService,
  Service,
  StartError,
} from '../../src/service/index.ts';
import { runApplication } from '../../src/service/twistd/runner.ts';

class Part extends Service {
  readonly events: string[];
  starts: () => MaybeDeferred = () => undefined;
  stops: () => MaybeDeferred = () => undefined;

  constructor(name: string, events: string[]) {
    super();
    this.setName(name);
    this.events = events;
  }

  override privilegedStartService(): MaybeDeferred {
    this.events.push(`privileged ${this.name}`);
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

describe('runApplication', () => {
  let logs: ReturnType<typeof capturedLogs>;
  let reactor: MemoryReactorClock;
  let events: string[];
  let root: MultiService;
  beforeEach(() => {
    logs = capturedLogs();
    reactor = new MemoryReactorClock();
    events = [];
    root = new MultiService();
  });
  afterEach(() => logs.stop());

  const add = (name: string): Part => {
    const part = new Part(name, events);
    part.setServiceParent(root);
    return part;
  };
  const host = (service: Service = root): Promise<void> =>
    runApplication({ service, name: 'app', reactor, stopTimeout: 10 });
  const logged = (level: string): string[] =>
    logs.entries.filter((entry) => entry.level === level).map((entry) => entry.message);
  const failureOf = (running: Promise<void>): Promise<unknown> =>
    running.then(
      () => null,
      (error: unknown) => error,
    );

  it('leaves no listener for signals behind, and no trigger in a reactor that does not run', async () => {
    const signals = ['SIGINT', 'SIGTERM', 'SIGBREAK'];
    const listeners = (): number[] => signals.map((signal) => process.listenerCount(signal));
    const before = listeners();
    add('a');
    const running = host();
    expect(listeners()).to.deep.equal(before);
    events.length = 0;
    // It runs already.
    expect(await failureOf(host(new Part('b', events)))).to.be.instanceOf(StartError);
    expect(events).to.deep.equal(['privileged b', 'start b', 'stop b']);
    expect(listeners()).to.deep.equal(before);
    const bad = new Part('bad', events);
    bad.starts = () => {
      throw new Error('no start');
    };
    expect(await failureOf(host(bad))).to.be.instanceOf(StartError);
    expect(listeners()).to.deep.equal(before);
    events.length = 0;
    reactor.stop();
    await running;
    expect(events, 'the others are not told again').to.deep.equal(['stop a']);
  });

  it('hears of a stop that is done after it was given up, and does nothing', async () => {
    const reports: unknown[] = [];
    const before = setUnhandledFailureHandler((failure) => reports.push(failure.value));
    const stopped = new Deferred<void>();
    add('a').stops = () => stopped;
    const running = host();
    reactor.stop();
    await Promise.resolve();
    reactor.advance(10);
    await running;
    stopped.callback();
    await new Promise<void>((resolve) => setImmediate(resolve));
    setUnhandledFailureHandler(before);
    expect(reports).to.deep.equal([]);
    expect(logged('critical')).to.deep.equal([]);
  });

  it('starts, runs the reactor, and stops before the reactor shuts down', async () => {
    add('a');
    add('b');
    reactor.callWhenRunning(() => events.push('running'));
    reactor.addSystemEventTrigger('during', 'shutdown', () => events.push('shutdown'));
    const running = host();
    reactor.stop();
    await running;
    expect(events).to.deep.equal([
      'privileged a',
      'privileged b',
      'start a',
      'start b',
      'running',
      'stop b',
      'stop a',
      'shutdown',
    ]);
    expect(logged('info').map((text) => text.split(':')[0])).to.deep.equal([
      'Starting app',
      'Started app',
      'Stopping app',
      'Stopped app',
    ]);
    expect(reactor.getDelayedCalls()).to.deep.equal([]);
  });

  it('waits for the stop', async () => {
    const stopped = new Deferred<void>();
    add('a').stops = () => stopped;
    let over = false;
    const running = host().then(() => {
      over = true;
    });
    reactor.stop();
    await Promise.resolve();
    reactor.advance(9.9);
    await Promise.resolve();
    expect(over).to.equal(false);
    stopped.callback();
    await running;
    expect(logged('error')).to.deep.equal([]);
  });

  it('names what hangs, and goes on, when the stop takes too long', async () => {
    const inner = new MultiService();
    inner.setName('inner');
    inner.setServiceParent(root);
    const pool = new Part('pool', events);
    const stopped = new Deferred<void>();
    pool.stops = () => stopped;
    pool.setServiceParent(inner);
    add('fine');
    const running = host();
    reactor.stop();
    await Promise.resolve();
    reactor.advance(10);
    await running;
    expect(logged('error')).to.deep.equal([
      'Gave up waiting after 10 s for what did not stop: app/inner/pool',
    ]);
    stopped.callback(); // which nobody waits for any more
  });

  it('a start that throws stops what was started, and the reactor does not run', async () => {
    add('a');
    add('b').starts = () => {
      throw new Error('no b');
    };
    add('c');
    const error = await failureOf(host());
    expect(error).to.be.instanceOf(StartError);
    expect(error).to.have.property('message', 'Cannot start application "app": no b');
    expect(error).to.have.nested.property('cause.message', 'no b');
    expect(events.slice(-3)).to.deep.equal(['stop c', 'stop b', 'stop a']); // all three had their privileged start
    expect(reactor.hasRun).to.equal(false);
  });

  it('a start that takes its time goes on while the reactor runs', async () => {
    const ready = new Deferred<void>();
    add('a').starts = () => ready;
    add('b');
    const running = host();
    expect(reactor.running).to.equal(true);
    expect(events).not.to.include('start b');
    ready.callback();
    expect(events).to.include('start b');
    reactor.stop();
    await running;
  });

  it('a start that fails later stops what was started, and the reactor', async () => {
    const ready = new Deferred<void>();
    add('a');
    add('b').starts = () => ready;
    const running = failureOf(host());
    ready.errback(new Error('no b'));
    const error = await running;
    expect(error).to.be.instanceOf(StartError);
    expect(error).to.have.property('message', 'Cannot start application "app": no b');
    expect(events.slice(-2)).to.deep.equal(['stop b', 'stop a']);
    expect(reactor.hasStopped).to.equal(true);
  });

  it('a stop during a start that takes its time is no failure', async () => {
    const ready = new Deferred<void>();
    const a = add('a');
    a.starts = () => ready;
    a.stops = () => ready.cancel();
    add('b');
    const running = host();
    reactor.stop();
    await running;
    expect(events).not.to.include('start b');
  });

  it('a service that fails to stop is reported and does not stop the stop', async () => {
    add('a');
    add('b').stops = () => {
      throw new Error('stuck');
    };
    const running = host();
    reactor.stop();
    await running;
    expect(logged('critical')).to.deep.equal(['Service b failed to stop']);
    expect(events).to.include('stop a');
  });

  it('hosts a single service as well', async () => {
    const running = host(new Part('alone', events));
    reactor.stop();
    await running;
    expect(events).to.deep.equal(['privileged alone', 'start alone', 'stop alone']);
  });

  it('fails when the reactor runs already', async () => {
    add('a');
    void reactor.run();
    const error = await failureOf(host());
    expect(error).to.be.instanceOf(StartError);
    expect(events.at(-1)).to.equal('stop a');
    reactor.stop();
  });

  it('refuses to run with more rights than the application asks for', async function () {
    if (process.getuid === undefined) this.skip();
    const application = Application('app', { uid: process.getuid() + 1 });
    const error = await failureOf(host(application));
    expect(String(error)).to.match(/: It wants uid \d+, this process has \d+/);
    expect(application.running).to.equal(false);
  });
});
