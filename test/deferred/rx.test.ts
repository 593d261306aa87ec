import { expect } from 'chai';
import { EmptyError, from, lastValueFrom, NEVER, Observable, of, Subject, throwError } from 'rxjs';
import { CancelledError, Deferred, fail, succeed } from '../../src/deferred/index.ts';
import { cancellable, collectReports, errorOf, stateOf, turn } from './support.ts';

const boom = new Error('boom');

/** Subscribes, and writes down what comes. */
function record(observable: Observable<unknown>): { log: unknown[]; stop: () => void } {
  const log: unknown[] = [];
  const subscription = observable.subscribe({
    next: (value) => log.push(['next', value]),
    error: (error: unknown) => log.push(['error', error]),
    complete: () => log.push(['complete']),
  });
  return { log, stop: () => subscription.unsubscribe() };
}

describe('Deferred and rxjs', () => {
  const reports = collectReports();

  it('toObservable() is an Observable of rxjs: the value and then completion, at once if it is there', () => {
    const done = succeed(1).toObservable();
    expect(done).to.be.instanceOf(Observable);
    expect(record(done).log).to.deep.equal([['next', 1], ['complete']]);
    const d = new Deferred<string>();
    const { log } = record(d.toObservable());
    expect(log).to.deep.equal([]);
    d.callback('x');
    expect(log).to.deep.equal([['next', 'x'], ['complete']]);
  });

  it('toObservable() gives the original error, which then counts as handled', async () => {
    const { log } = record(fail(boom).toObservable());
    expect(log).to.deep.equal([['error', boom]]);
    await turn();
    expect(reports).to.deep.equal([]);
  });

  it('toObservable() looks on: each subscriber gets the result, and the callbacks go on', () => {
    const d = succeed(1);
    const result$ = d.toObservable();
    expect(record(result$).log).to.deep.equal(record(result$).log);
    expect(stateOf(d)).to.deep.equal(['value', 1]);
  });

  it('toObservable() without a subscriber, or with one that left, handles nothing', async () => {
    fail(boom).toObservable();
    const d = new Deferred<unknown>();
    record(d.toObservable()).stop();
    d.errback('left');
    await turn();
    expect(reports.map(({ failure }) => failure.value)).to.deep.equal([boom, 'left']);
  });

  it('unsubscribing cancels the Deferred only where asked for, and only before the result', () => {
    const cancelled: unknown[] = [];
    const d = cancellable(cancelled, 'first');
    record(d.toObservable()).stop();
    expect(cancelled).to.deep.equal([]);
    record(d.toObservable({ cancel: true })).stop();
    expect(cancelled).to.deep.equal(['first']);
    expect(errorOf(d)).to.be.instanceOf(CancelledError);
    const inner = cancellable(cancelled, 'inner');
    const late = succeed(1);
    const { stop } = record(late.toObservable({ cancel: true }));
    late.addCallback(() => inner);
    stop();
    expect(cancelled).to.deep.equal(['first']);
  });

  it('a Deferred is an input wherever rxjs takes one', async () => {
    expect(await lastValueFrom(from(succeed(3)))).to.equal(3);
  });

  it('fromObservable() has the last value, or the first', () => {
    expect(stateOf(Deferred.fromObservable(of(1, 2, 3)))).to.deep.equal(['value', 3]);
    expect(stateOf(Deferred.fromObservable(of(1, 2, 3), 'last'))).to.deep.equal(['value', 3]);
    expect(stateOf(Deferred.fromObservable(of(1, 2, 3), 'first'))).to.deep.equal(['value', 1]);
    expect(stateOf(Deferred.fromObservable(of(1, 2, 3), { take: 'first' }))).to.deep.equal([
      'value',
      1,
    ]);
    expect(stateOf(Deferred.fromObservable(of(undefined)))).to.deep.equal(['value', undefined]);
  });

  it('fromObservable() unsubscribes when it has the first, also inside subscribe()', () => {
    const subject = new Subject<number>();
    const d = Deferred.fromObservable(subject, 'first');
    expect(subject.observed).to.equal(true);
    subject.next(1);
    subject.next(2);
    expect(subject.observed).to.equal(false);
    expect(stateOf(d)).to.deep.equal(['value', 1]);
    let stopped = 0;
    const eager = new Observable<number>((subscriber) => {
      subscriber.next(1);
      return () => {
        stopped += 1;
      };
    });
    Deferred.fromObservable(eager, 'first');
    expect(stopped).to.equal(1);
  });

  it('fromObservable() fails with its error, or with EmptyError', () => {
    expect(errorOf(Deferred.fromObservable(throwError(() => boom)))).to.equal(boom);
    expect(errorOf(Deferred.fromObservable(of()))).to.be.instanceOf(EmptyError);
    expect(errorOf(Deferred.fromObservable(of(), 'first'))).to.be.instanceOf(EmptyError);
  });

  it('fromObservable() waits for a Deferred or a promise that is the value', async () => {
    const inner = new Deferred<number>();
    const last = Deferred.fromObservable(of(succeed(1), inner));
    const first = Deferred.fromObservable(of(inner), 'first');
    expect(last.called).to.equal(true);
    expect(stateOf(last)).to.deep.equal(['nothing']);
    inner.callback(7);
    expect(await last).to.equal(7);
    expect(first.paused).to.equal(0);
    expect(await Deferred.fromObservable(of(Promise.resolve(8)))).to.equal(8);
    const cancelled: unknown[] = [];
    const waiting = Deferred.fromObservable(of(cancellable(cancelled)));
    waiting.cancel();
    expect(cancelled).to.deep.equal(['cancelled']);
    expect(errorOf(waiting)).to.be.instanceOf(CancelledError);
  });

  it('cancel() unsubscribes', () => {
    const subject = new Subject<number>();
    const d = Deferred.fromObservable(subject);
    subject.next(1);
    d.cancel();
    expect(subject.observed).to.equal(false);
    expect(errorOf(d)).to.be.instanceOf(CancelledError);
    const never = Deferred.fromObservable(NEVER);
    never.cancel();
    expect(errorOf(never)).to.be.instanceOf(CancelledError);
  });
});
