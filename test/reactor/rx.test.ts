import { expect } from 'chai';
import {
  bufferTime,
  config,
  debounceTime,
  delay,
  interval,
  map,
  NEVER,
  Observable,
  of,
  type SchedulerAction,
  Subject,
  type Subscription,
  take,
  throttleTime,
  timeout,
  timer,
} from 'rxjs';
import { setUnhandledFailureHandler } from '../../src/deferred/index.ts';
import {
  Clock,
  ConnectionCompleter,
  type Connector,
  type IClientFactory,
  LibuvReactor,
  MemoryReactor,
} from '../../src/reactor/index.ts';
import {
  type ConnectorStatus,
  reactorScheduler,
  reportRxErrors,
  watchFactory,
} from '../../src/reactor/rx.ts';
import { Recorder, RecordingFactory } from '../support/recorder.ts';

function record(observable: Observable<unknown>): { log: unknown[]; subscription: Subscription } {
  const log: unknown[] = [];
  const subscription = observable.subscribe({
    next: (value) => log.push(value),
    error: (error: unknown) => log.push(error),
    complete: () => log.push('done'),
  });
  return { log, subscription };
}

describe('reactorScheduler()', () => {
  let clock: Clock;
  let scheduler: ReturnType<typeof reactorScheduler>;

  beforeEach(() => {
    clock = new Clock();
    scheduler = reactorScheduler(clock);
  });

  afterEach(() => {
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('now() is the time of its clock, in milliseconds', () => {
    clock.advance(1.5);
    expect(scheduler.now()).to.equal(1500);
  });

  it('interval() and timer() count its seconds', () => {
    const ticks = record(interval(1000, scheduler).pipe(take(3)));
    const late = record(timer(2500, 500, scheduler).pipe(take(2)));
    clock.pump([0.5, 0.5, 1, 0.4]);
    expect(ticks.log).to.deep.equal([0, 1]);
    expect(late.log).to.deep.equal([]);
    clock.pump([0.1, 0.5]);
    expect(late.log).to.deep.equal([0, 1, 'done']);
    expect(ticks.log).to.deep.equal([0, 1, 2, 'done']);
  });

  it('keeps its beat: late ticks do not make later ones late, missed ones are left out', () => {
    const times: number[] = [];
    const { subscription } = record(
      interval(1000, scheduler).pipe(map(() => times.push(clock.seconds()))),
    );
    clock.pump([1.3, 0.7, 1, 3.6, 0.4, 1]);
    expect(times).to.deep.equal([1.3, 2, 3, 6.6, 7, 8]);
    subscription.unsubscribe();
  });

  it('delay(), debounceTime(), throttleTime() and bufferTime() wait its seconds', () => {
    const delayed = record(of('x').pipe(delay(1000, scheduler)));
    const source = new Subject<number>();
    const debounced = record(source.pipe(debounceTime(1000, scheduler)));
    const throttled = record(source.pipe(throttleTime(1000, scheduler)));
    const buffered = record(source.pipe(bufferTime(1000, scheduler)));
    source.next(1);
    clock.advance(0.6);
    source.next(2);
    clock.advance(0.6);
    expect(delayed.log).to.deep.equal(['x', 'done']);
    expect(debounced.log).to.deep.equal([]);
    clock.advance(0.4);
    expect(debounced.log).to.deep.equal([2]);
    source.next(3);
    source.complete();
    expect(debounced.log).to.deep.equal([2, 3, 'done']);
    expect(throttled.log).to.deep.equal([1, 3, 'done']);
    expect(buffered.log).to.deep.equal([[1, 2], [3], 'done']);
    clock.advance(1);
  });

  it('timeout() fails by its time', () => {
    const { log } = record(NEVER.pipe(timeout({ each: 2000, scheduler })));
    clock.advance(2);
    expect(String(log[0])).to.include('TimeoutError');
  });

  it('unsubscribing calls off what waits', () => {
    const { log, subscription } = record(interval(1000, scheduler));
    clock.advance(1);
    subscription.unsubscribe();
    expect(clock.getDelayedCalls()).to.deep.equal([]);
    clock.advance(5);
    expect(log).to.deep.equal([0]);
  });

  it('schedule() hands the state on, may be asked again from within, and never runs what is never due', () => {
    const seen: unknown[] = [];
    scheduler.schedule<number>(
      function (n = 0) {
        seen.push(n);
        if (n < 3) this.schedule(n + 1, n === 1 ? 0 : 500);
      },
      100,
      1,
    );
    scheduler.schedule(() => seen.push('never'), Number.POSITIVE_INFINITY);
    scheduler.schedule(() => seen.push('soon'), -5);
    clock.pump([0, 0.1, 0.5, 9]);
    expect(seen).to.deep.equal(['soon', 1, 2, 3]);
  });

  it('work that is asked for again later begins a beat of its own', () => {
    const times: number[] = [];
    let action: SchedulerAction<unknown> | undefined;
    scheduler.schedule(function () {
      action = this;
      times.push(clock.seconds());
    }, 1000);
    clock.pump([1, 0.5]);
    action?.schedule(undefined, 1000);
    clock.pump([0.9, 0.1]);
    expect(times).to.deep.equal([1, 2.5]);
  });

  it('what work throws comes out of the clock, and the work is not done again', () => {
    let runs = 0;
    scheduler.schedule(function () {
      runs += 1;
      this.schedule(undefined, 10);
      throw new Error('Oh');
    }, 10);
    expect(() => clock.advance(1)).to.throw('Oh');
    clock.advance(1);
    expect(runs).to.equal(1);
  });
});

describe('reportRxErrors()', () => {
  it('has errors that nobody handles reported, until it is taken back', async () => {
    const reported: unknown[] = [];
    setUnhandledFailureHandler((failure) => reported.push(failure.value));
    const restore = reportRxErrors();
    try {
      of(1).subscribe(() => {
        throw new Error('In next');
      });
      new Observable((subscriber) => subscriber.error(new Error('Unheard'))).subscribe();
      // rxjs reports in a timer of its own.
      const reactor = new LibuvReactor();
      for (let i = 0; i < 100 && reported.length < 2; i += 1) await reactor.iterate(0.001);
      expect(reported.map(String)).to.deep.equal(['Error: In next', 'Error: Unheard']);
    } finally {
      restore();
      setUnhandledFailureHandler(null);
    }
    expect(config.onUnhandledError).to.equal(null);
  });
});

describe('watchFactory()', () => {
  const summary = (status: ConnectorStatus): unknown =>
    status.state === 'disconnected' ? (status.reason?.type?.name ?? null) : status.state;

  it('tells how a connector fares, at once and then as it changes, and the factory hears all', () => {
    const reactor = new MemoryReactor();
    const client = new Recorder();
    const inner = new RecordingFactory(() => client);
    const { factory, status$ } = watchFactory(inner);
    const { log, subscription } = record(status$.pipe(map(summary)));
    expect(log).to.deep.equal([null]);
    const port = reactor.listenTCP(80, new RecordingFactory());
    const connector = reactor.connectTCP('192.0.2.1', 80, factory);
    const completer = new ConnectionCompleter(reactor);
    completer.failOnce();
    expect(log).to.deep.equal([null, 'connecting', 'ConnectionRefusedError']);
    connector.connect();
    const pump = completer.succeedOnce();
    expect(record(status$.pipe(map(summary))).log).to.deep.equal(['connected']);
    client.transport.loseConnection();
    pump?.flush();
    expect(log.slice(3)).to.deep.equal(['connecting', 'connected', 'ConnectionDone']);
    expect(inner.calls).to.deep.equal([
      'start',
      'connecting',
      'failed',
      'stop',
      'start',
      'connecting',
      'build',
      'lost',
      'stop',
    ]);
    subscription.unsubscribe();
    port.stopListening();
  });

  it('a factory that connects again at once is told of in order; one that gives no protocol is never connected', () => {
    const reactor = new MemoryReactor();
    const inner = new RecordingFactory(() => null);
    let tries = 0;
    inner.onFailed = (connector: Connector) => {
      tries += 1;
      if (tries < 3) connector.connect();
    };
    const watched: { factory: IClientFactory; status$: Observable<ConnectorStatus> } =
      watchFactory(inner);
    const { log } = record(watched.status$.pipe(map(({ state }) => state)));
    reactor.listenTCP(80, new RecordingFactory());
    reactor.connectTCP('192.0.2.1', 80, watched.factory);
    const completer = new ConnectionCompleter(reactor);
    while (completer.failOnce()) {
      // failOnce is the body.
    }
    expect(log).to.deep.equal([
      'disconnected',
      ...Array.from({ length: 3 }, () => ['connecting', 'disconnected']).flat(),
    ]);
    reactor.connectTCP('192.0.2.1', 80, watched.factory);
    completer.succeedOnce()?.flush();
    expect(log.slice(7)).to.deep.equal(['connecting', 'disconnected']);
  });
});
