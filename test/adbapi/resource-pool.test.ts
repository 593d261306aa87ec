import { expect } from 'chai';
import { PoolClosed } from '../../src/adbapi/errors.ts';
import type { Lease } from '../../src/adbapi/pool/lease.ts';
import type { PoolLimits, ResourceSource } from '../../src/adbapi/pool/limits.ts';
import { ResourcePool } from '../../src/adbapi/pool/resource-pool.ts';
import { Waiter } from '../../src/adbapi/pool/waiting-line.ts';
import { Deferred } from '../../src/deferred/index.ts';
import { Clock, setLogObserver } from '../../src/reactor/index.ts';
import { outcome, pass, settle } from './fake-driver.ts';

interface Thing {
  readonly number: number;
}

/** Somebody who wants a thing, and what came of it. */
class Wanting extends Waiter<Thing> {
  readonly shared = false;
  readonly what = 'a test';
  lease: Lease<Thing> | null = null;
  error: Error | null = null;

  served(lease: Lease<Thing>): void {
    this.lease = lease;
  }

  refused(error: Error): void {
    this.error = error;
  }
}

const LIMITS: PoolLimits = {
  ...{ min: 0, max: 3, shares: 1, maxWaiting: 100, maxUses: null },
  ...{ acquireTimeout: 30, openTimeout: 15, closeTimeout: 30, leakAfter: null },
  ...{ idleTimeout: null, maxLifetime: null, lifetimeJitter: 0, validateAfter: 10 },
  ...{ backoff: 1, backoffMax: 8 },
};

/** Makes things, which the test has arrive, fail, and end. */
class Things implements ResourceSource<Thing> {
  readonly label = 'things';
  readonly opening: Deferred<Thing>[] = [];
  readonly validating: Deferred<void>[] = [];
  readonly closing: Deferred<void>[] = [];
  readonly discarded: Thing[] = [];
  recovers = true;
  #made = 0;

  open(): Deferred<Thing> {
    const deferred = new Deferred<Thing>();
    this.opening.push(deferred);
    return deferred;
  }

  /** The oldest attempt succeeds. */
  arrive(): void {
    this.#made += 1;
    this.opening.shift()?.callback({ number: this.#made });
  }

  fail(error: Error): void {
    this.opening.shift()?.errback(error);
  }

  mayRecover(): boolean {
    return this.recovers;
  }

  validate(): Deferred<void> {
    const deferred = new Deferred<void>();
    this.validating.push(deferred);
    return deferred;
  }

  close(): Deferred<void> {
    const deferred = new Deferred<void>();
    this.closing.push(deferred);
    return deferred;
  }

  discard(thing: Thing): void {
    this.discarded.push(thing);
  }
}

describe('ResourcePool', () => {
  let clock: Clock;
  let things: Things;
  let before: ReturnType<typeof setLogObserver>;

  beforeEach(() => {
    clock = new Clock();
    things = new Things();
    before = setLogObserver(() => {});
  });

  afterEach(() => {
    setLogObserver(before);
  });

  const make = (limits: Partial<PoolLimits> = {}): ResourcePool<Thing> =>
    new ResourcePool(things, clock, { ...LIMITS, ...limits }, null, () => 1);

  function want(pool: ResourcePool<Thing>, count = 1): Wanting[] {
    const all = Array.from({ length: count }, () => new Wanting());
    for (const one of all) pool.request(one);
    return all;
  }

  /** A pool with so many that nobody has. */
  async function filled(count: number, limits: Partial<PoolLimits> = {}) {
    const pool = make({ max: count, ...limits });
    const all = want(pool, count);
    await settle();
    while (things.opening.length > 0) things.arrive();
    await settle();
    for (const { lease } of all) if (lease !== null) pool.release(lease);
    expect(pool.stats()).to.include({ open: count, idle: count });
    return pool;
  }

  it('is closed when the last one has taken its leave, and leaves no timer behind', async () => {
    const pool = await filled(2);
    const closed = outcome(pool.close());
    await settle();
    expect(things.closing).to.have.length(2);
    things.closing[0]?.callback();
    await settle();
    expect(closed.pending).to.equal(true);
    things.closing[1]?.errback(new Error('it did not answer'));
    await settle();
    expect(closed.pending).to.equal(false);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('leaves no timer behind when it is closed while it waits to try again', async () => {
    const pool = make();
    const [one] = want(pool);
    await settle();
    things.fail(new Error('away'));
    await settle();
    expect(one?.error).to.equal(null);
    const closed = outcome(pool.close());
    pool.withdraw(one as Wanting); // there is one
    await settle();
    expect(closed.pending).to.equal(false);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('a holder may give back late what was taken away from it', async () => {
    const pool = make({ closeTimeout: 5 });
    const [one] = want(pool);
    await settle();
    things.arrive();
    await settle();
    const closed = outcome(pool.close());
    await pass(clock, 5);
    expect(closed.pending).to.equal(false);
    expect(things.discarded).to.have.length(1);
    const lease = one?.lease as Lease<Thing>; // it was served
    pool.release(lease);
    pool.release(lease);
    expect(pool.stats()).to.include({ open: 0, busy: 0, closed: 1 });
  });

  it('nobody may give back what nobody has', async () => {
    const pool = make();
    const [one] = want(pool);
    await settle();
    things.arrive();
    await settle();
    const lease = one?.lease as Lease<Thing>; // it was served
    pool.release(lease);
    expect(() => pool.release(lease)).to.throw('Cannot give back a connection of things: nobody');
  });

  it('looks at no more of those that were idle for long than are wanted', async () => {
    const pool = await filled(3);
    await pass(clock, 11);
    const [one, two] = want(pool, 2);
    expect(things.validating).to.have.length(2);
    things.validating[0]?.callback();
    things.validating[1]?.errback(new Error('dead'));
    await settle();
    expect(one?.lease?.resource).to.deep.equal({ number: 3 });
    expect(things.discarded).to.deep.equal([{ number: 2 }]);
    // In the place of the one that was dead, the third is looked at.
    expect(things.validating).to.have.length(3);
    expect(two?.lease).to.equal(null);
    things.validating[2]?.callback();
    await settle();
    expect(two?.lease?.resource).to.deep.equal({ number: 1 });
  });

  it('one that cannot be made refuses nobody as long as there is another', async () => {
    const pool = make({ max: 2 });
    const [holder, next] = want(pool, 2);
    await settle();
    things.arrive();
    things.recovers = false;
    things.fail(new Error('no such user'));
    await settle();
    expect(next?.error).to.equal(null);
    pool.release(holder?.lease as Lease<Thing>); // it was served
    expect(next?.lease?.resource).to.deep.equal({ number: 1 });
  });

  it('tries one at a time after a failure, later each time, and as before once it has succeeded', async () => {
    const pool = make();
    want(pool, 3);
    await settle();
    expect(things.opening).to.have.length(3);
    for (let n = 0; n < 3; n++) things.fail(new Error('away'));
    await settle();
    // Three failures in a row; the first one's wait counts.
    await pass(clock, 0.9);
    expect(things.opening).to.have.length(0);
    await pass(clock, 0.1);
    expect(things.opening, 'one at a time').to.have.length(1);
    things.fail(new Error('away'));
    await settle();
    await pass(clock, 7.9);
    expect(things.opening).to.have.length(0);
    await pass(clock, 0.1);
    expect(things.opening).to.have.length(1);
    things.arrive();
    await settle();
    expect(things.opening, 'for the others').to.have.length(2);
    things.fail(new Error('away'));
    things.arrive();
    await settle();
    await pass(clock, 1);
    expect(things.opening, 'after the shortest wait').to.have.length(1);
  });

  it('each waits as long as it may, whenever it came', async () => {
    const pool = make({ openTimeout: 1000 });
    const [one] = want(pool);
    await pass(clock, 5);
    const [two] = want(pool);
    await pass(clock, 5);
    const [three] = want(pool);
    pool.withdraw(two as Wanting); // there is one
    const expired = (): boolean[] => [one, two, three].map((each) => each?.error != null);
    await pass(clock, 19.9);
    expect(expired()).to.deep.equal([false, false, false]);
    await pass(clock, 0.1);
    expect(expired()).to.deep.equal([true, false, false]);
    await pass(clock, 9.9);
    expect(expired()).to.deep.equal([true, false, false]);
    await pass(clock, 0.1);
    expect(expired()).to.deep.equal([true, false, true]);
    expect(one?.error).to.have.property('code', 'ERR_ACQUIRE_TIMEOUT');
    expect(pool.stats()).to.include({ timedOut: 2, withdrawn: 1, waiting: 0 });
  });

  it('takes nothing more once it closes, and one that arrives meanwhile serves those who wait', async () => {
    const pool = make({ max: 1 });
    const [one] = want(pool);
    await settle();
    const closed = outcome(pool.close());
    const [late] = want(pool);
    expect(late?.error).to.be.instanceOf(PoolClosed);
    things.arrive();
    await settle();
    expect(one?.lease?.resource).to.deep.equal({ number: 1 });
    pool.release(one?.lease as Lease<Thing>); // it was served
    await settle();
    things.closing[0]?.callback();
    await settle();
    expect(closed.pending).to.equal(false);
  });
});
