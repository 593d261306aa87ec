import { expect } from 'chai';
import {
  AcquireTimeout,
  ConnectDeadline,
  ConnectionLost,
  ConnectionPool,
  PoolClosed,
  PoolQueueFull,
  StatementTimeout,
} from '../../src/adbapi/index.ts';
import { CancelledError, Deferred, setUnhandledFailureHandler } from '../../src/deferred/index.ts';
import {
  Clock,
  type LogEvent,
  MemoryReactorClock,
  setLogObserver,
} from '../../src/reactor/index.ts';
import { FakeDriver, FakeError, type FakeOptions, outcome, pass, settle } from './fake-driver.ts';

describe('ConnectionPool, by its rules', () => {
  let clock: Clock;
  let events: LogEvent[];
  let before: ReturnType<typeof setLogObserver>;
  const pools: ConnectionPool[] = [];

  beforeEach(() => {
    clock = new Clock();
    events = [];
    before = setLogObserver((event) => events.push(event));
  });

  afterEach(async () => {
    for (const pool of pools.splice(0)) {
      const closed = outcome(pool.close());
      await settle();
      await pass(clock, 31);
      expect(closed.pending, 'closes').to.equal(false);
    }
    expect(clock.getDelayedCalls(), 'timers left').to.deep.equal([]);
    setLogObserver(before);
  });

  function make(options: Record<string, unknown> = {}, fake: FakeOptions = {}) {
    const driver = new FakeDriver(fake);
    const pool = new ConnectionPool(driver, {
      cp_reactor: clock,
      cp_min: 0,
      cp_max: 2,
      ...options,
    });
    pools.push(pool);
    return { driver, pool };
  }

  const pending = (): { deferred: Deferred<never[]>; answer: () => Deferred<never[]> } => {
    const deferred = new Deferred<never[]>();
    return { deferred, answer: () => deferred };
  };

  /** Statements that start with "wait" are answered when they are told to. */
  function waiting(driver: FakeDriver): Deferred<never[]>[] {
    const waits: Deferred<never[]>[] = [];
    driver.answer = (sql) => {
      if (!sql.startsWith('wait')) return [];
      const deferred = new Deferred<never[]>();
      waits.push(deferred);
      return deferred;
    };
    return waits;
  }

  describe('opening', () => {
    it('opens no connection before it is started or used', async () => {
      const { driver, pool } = make({ cp_min: 2 });
      await settle();
      expect(driver.attempts).to.equal(0);
      expect(pool.stats().open).to.equal(0);
    });

    it('start() opens cp_min connections, one after the other, and does so once', async () => {
      const { driver, pool } = make({ cp_min: 2, cp_max: 5 }, { manual: true });
      pool.start();
      pool.start();
      await settle();
      expect(driver.arriving).to.have.length(1);
      driver.arriving[0]?.let();
      await settle();
      expect(driver.arriving).to.have.length(2);
      driver.arriving[1]?.let();
      await settle();
      expect(driver.arriving).to.have.length(2);
      expect(pool.stats()).to.include({ open: 2, idle: 2, opening: 0 });
    });

    it('starts when its reactor does, and closes with it once what runs has ended', async () => {
      const driver = new FakeDriver();
      const waits = waiting(driver);
      const reactor = new MemoryReactorClock();
      const pool = new ConnectionPool(driver, { cp_reactor: reactor, cp_min: 1 });
      await settle();
      expect(driver.attempts).to.equal(0);
      let over = false;
      reactor.run({ installSignalHandlers: false }).then(() => {
        over = true;
      });
      await settle();
      expect(driver.attempts).to.equal(1);
      const call = outcome(pool.runInteraction((tx) => tx.execute('wait')));
      await settle();
      reactor.stop();
      await pass(reactor, 1);
      expect([over, call.pending]).to.deep.equal([false, true]);
      // What stops along with the pool may still use it.
      const last = outcome(pool.runQuery('goodbye'));
      waits[0]?.callback([]);
      await settle();
      await pass(reactor, 1);
      expect([last.pending, last.error]).to.deep.equal([false, undefined]);
      expect(over).to.equal(true);
      expect(pool.running).to.equal(false);
      expect(driver.open).to.deep.equal([]);
    });

    it('keeps no trigger in its reactor once it is closed', async () => {
      const reactor = new MemoryReactorClock();
      const ids: unknown[] = [];
      const add = reactor.addSystemEventTrigger.bind(reactor);
      const remove = reactor.removeSystemEventTrigger.bind(reactor);
      reactor.addSystemEventTrigger = (...args) => {
        const id = add(...args);
        ids.push(id);
        return id;
      };
      reactor.removeSystemEventTrigger = (id) => {
        ids.splice(ids.indexOf(id), 1);
        remove(id);
      };
      const unused = new ConnectionPool(new FakeDriver(), { cp_reactor: reactor });
      const used = new ConnectionPool(new FakeDriver(), { cp_reactor: reactor, cp_min: 0 });
      reactor.run({ installSignalHandlers: false });
      await used.runQuery('x');
      await unused.close();
      await used.close();
      expect(ids.filter((id) => (id as { event: string }).event === 'shutdown')).to.deep.equal([]);
    });

    it('opens as many as are needed, and cp_max at most', async () => {
      const { driver, pool } = make({ cp_max: 3 });
      const waits = waiting(driver);
      const calls = Array.from({ length: 5 }, () => outcome(pool.runQuery('wait')));
      await settle();
      expect(driver.attempts).to.equal(3);
      expect(pool.stats()).to.include({ open: 3, busy: 3, waiting: 2 });
      for (let n = 0; n < 5; n++) {
        waits.shift()?.callback([]);
        await settle();
      }
      expect(calls.map((call) => call.pending)).to.deep.equal([false, false, false, false, false]);
      expect(driver.attempts).to.equal(3);
    });

    it('holds cp_max to what the driver says', async () => {
      const { driver, pool } = make({ cp_max: 5 }, { maxConnections: 1 });
      waiting(driver);
      for (let n = 0; n < 3; n++) pool.runQuery('wait').addErrback(() => {});
      await settle();
      expect(driver.attempts).to.equal(1);
      expect(pool.stats().max).to.equal(1);
    });

    it('calls cp_openfun once for each connection, before anybody gets it', async () => {
      const opened: unknown[] = [];
      const { driver, pool } = make({
        cp_openfun: async (connection: { raw: unknown; execute(sql: string): unknown }) => {
          opened.push(connection.raw);
          await connection.execute('set up');
        },
      });
      await pool.runQuery('first');
      await pool.runQuery('second');
      expect(opened).to.deep.equal([driver.connections[0]]);
      expect(driver.connections[0]?.log).to.deep.equal(['set up', 'first', 'second']);
    });

    it('fails the call, and drops the connection, when cp_openfun fails', async () => {
      const wrong = new Error('no such setting');
      const { driver, pool } = make({
        cp_openfun: () => {
          throw wrong;
        },
      });
      const call = outcome(pool.runQuery('x'));
      await settle();
      expect(call.error).to.equal(wrong);
      expect(driver.connections[0]?.destroyed).to.equal(true);
    });

    it('fails at once with what time will not mend, for all who wait', async () => {
      const { driver, pool } = make();
      driver.refuse = new FakeError('wrong password');
      const calls = [outcome(pool.runQuery('x')), outcome(pool.runQuery('y'))];
      await settle();
      expect(calls.map((call) => call.error)).to.deep.equal([driver.refuse, driver.refuse]);
    });

    it('does not go on trying to fill its store in vain, but tries again for a call', async () => {
      const { driver, pool } = make({ cp_min: 1 });
      driver.refuse = new FakeError('wrong password');
      pool.start();
      await pass(clock, 60, 30);
      expect(driver.attempts).to.equal(1);
      driver.refuse = null;
      await pool.runQuery('x');
      expect(pool.stats().open).to.equal(1);
    });

    it('cancels the Deferred of a driver whose time to connect is over', async () => {
      let cancelled = false;
      const driver = new FakeDriver();
      driver.connect = () =>
        new Deferred(() => {
          cancelled = true;
        });
      const pool = new ConnectionPool(driver, {
        cp_reactor: clock,
        cp_min: 0,
        cp_connect_timeout: 2,
      });
      pools.push(pool);
      pool.runQuery('x').addErrback(() => {});
      await settle();
      await pass(clock, 2);
      expect(cancelled).to.equal(true);
    });

    it('waits longer and longer while the server is away, and serves those who waited once it is back', async () => {
      const { driver, pool } = make({ cp_backoff: 1, cp_backoff_max: 4, cp_acquire_timeout: 100 });
      driver.refuse = new FakeError('refused', 'away');
      const call = outcome(pool.runQuery('x'));
      const at: number[] = [];
      let seen = 0;
      for (let n = 0; n < 600; n++) {
        if (driver.attempts > seen) at.push(clock.seconds());
        seen = driver.attempts;
        await pass(clock, 0.05);
      }
      const gaps = at.slice(1).map((time, n) => time - (at[n] ?? 0));
      expect(gaps[0]).to.be.within(0.4, 1.2);
      expect(gaps[1]).to.be.within(0.9, 2.2);
      for (const gap of gaps.slice(2)) expect(gap).to.be.within(1.9, 4.2);
      expect(call.pending).to.equal(true);
      driver.refuse = null;
      await pass(clock, 4);
      expect(call.pending).to.equal(false);
      expect(call.error).to.equal(undefined);
    });

    it('gives up an attempt after cp_connect_timeout and closes the connection that comes late', async () => {
      const { driver, pool } = make(
        { cp_connect_timeout: 3, cp_acquire_timeout: 2.5 },
        { manual: true },
      );
      const call = outcome(pool.runQuery('x'));
      await settle();
      await pass(clock, 2.5);
      expect(call.error).to.be.instanceOf(AcquireTimeout);
      await pass(clock, 0.5);
      const [late] = driver.arriving;
      expect(late?.signal.aborted).to.equal(true);
      expect(late?.signal.reason).to.be.instanceOf(ConnectDeadline);
      const connection = late?.let();
      await settle();
      expect(connection?.destroyed).to.equal(true);
      expect(pool.stats().open).to.equal(0);
    });
  });

  describe('lending', () => {
    it('serves in the order of asking', async () => {
      const { driver, pool } = make({ cp_max: 1 });
      const waits = waiting(driver);
      const order: number[] = [];
      for (let n = 0; n < 5; n++) {
        if (n % 2 === 0) pool.runQuery('wait').addCallback(() => order.push(n));
        else pool.runInteraction((tx) => tx.execute('wait')).addCallback(() => order.push(n));
      }
      for (let n = 0; n < 5; n++) {
        await settle();
        waits.shift()?.callback([]);
      }
      await settle();
      expect(order).to.deep.equal([0, 1, 2, 3, 4]);
    });

    it('hands out the connection that was used last', async () => {
      const { driver, pool } = make({ cp_max: 2 });
      const waits = waiting(driver);
      const both = [pool.runQuery('wait'), pool.runQuery('wait')];
      await settle();
      waits[1]?.callback([]);
      waits[0]?.callback([]);
      await Promise.all(both);
      await pool.runQuery('again');
      expect(driver.connections[0]?.log).to.include('again');
    });

    it('fails with AcquireTimeout after cp_acquire_timeout, which says how things stand and who holds on', async () => {
      const { driver, pool } = make({ cp_max: 1, cp_acquire_timeout: 30, cp_name: 'shop' });
      const waits = waiting(driver);
      const slow = pool.runInteraction(async function transfer(tx) {
        await tx.execute('wait');
      });
      await settle();
      await pass(clock, 5);
      const call = outcome(pool.runQuery('x'));
      const later = outcome(pool.runQuery('y'));
      await pass(clock, 29.9);
      expect(call.pending).to.equal(true);
      await pass(clock, 0.1);
      expect(call.error).to.be.instanceOf(AcquireTimeout);
      expect(call.error?.message).to.equal(
        "Cannot get a connection of ConnectionPool 'shop' (fake at memory:1/test): none was free within 30 s: " +
          '1 open (1 busy, 0 idle), 0 opening, 1 waiting, at most 1; held longest, for 35.0 s, by interaction of transfer',
      );
      expect(later.error).to.be.instanceOf(AcquireTimeout);
      expect(pool.stats().timedOut).to.equal(2);
      waits[0]?.callback([]);
      await slow;
    });

    it('says in AcquireTimeout why it could not connect', async () => {
      const { driver, pool } = make({ cp_acquire_timeout: 10 });
      driver.refuse = new FakeError('connect ECONNREFUSED', 'away');
      const call = outcome(pool.runQuery('x'));
      await pass(clock, 10, 20);
      expect(call.error).to.be.instanceOf(AcquireTimeout);
      expect(call.error?.message).to.include(
        'the last attempt to connect failed: connect ECONNREFUSED',
      );
      expect(call.error?.cause).to.equal(driver.refuse);
    });

    it('lets cp_max_waiting wait, and refuses the next with PoolQueueFull', async () => {
      const { driver, pool } = make({ cp_max: 1, cp_max_waiting: 2 });
      const waits = waiting(driver);
      const calls = Array.from({ length: 3 }, () => outcome(pool.runQuery('wait')));
      await settle();
      const refused = outcome(pool.runQuery('x'));
      expect(refused.error).to.be.instanceOf(PoolQueueFull);
      expect(refused.error?.message).to.include('1 open (1 busy, 0 idle), 0 opening, 2 waiting');
      for (let n = 0; n < 3; n++) {
        waits.shift()?.callback([]);
        await settle();
      }
      expect(calls.every((call) => !call.pending && call.error === undefined)).to.equal(true);
    });

    it('a call that is cancelled while it waits leaves the line', async () => {
      const { driver, pool } = make({ cp_max: 1 });
      const waits = waiting(driver);
      const first = pool.runQuery('wait');
      await settle();
      const second = pool.runQuery('never');
      const third = pool.runInteraction((tx) => tx.execute('never'));
      const fourth = pool.runQuery('last');
      const seen = [outcome(second), outcome(third)];
      second.cancel();
      third.cancel();
      expect(seen.map(({ error }) => error)).to.satisfy((errors: unknown[]) =>
        errors.every((error) => error instanceof CancelledError),
      );
      expect(pool.stats()).to.include({ waiting: 1, withdrawn: 2 });
      waits[0]?.callback([]);
      await first;
      await fourth;
      expect(driver.connections[0]?.log).to.deep.equal(['wait', 'last']);
    });

    it('tries a connection that was idle longer than cp_validate_after, and replaces a dead one', async () => {
      const { driver, pool } = make({ cp_max: 1, cp_good_sql: 'are you there' });
      await pool.runQuery('a');
      await pass(clock, 0.4);
      await pool.runQuery('b');
      await pass(clock, 0.6);
      await pool.runQuery('c');
      expect(driver.connections[0]?.log).to.deep.equal(['a', 'b', 'are you there', 'c']);
      await pass(clock, 0.6);
      driver.answer = (sql, _, connection) => {
        if (sql === 'are you there' && connection.id === 1) throw new FakeError('gone', 'lost');
        return [];
      };
      await pool.runQuery('d');
      expect(driver.connections[0]?.destroyed).to.equal(true);
      expect(driver.connections[1]?.log).to.deep.equal(['d']);
      expect(pool.stats().lost).to.equal(1);
    });

    it('takes a connection for dead that does not answer within cp_validate_timeout', async () => {
      const { driver, pool } = make({ cp_max: 1, cp_good_sql: 'ping', cp_validate_timeout: 2 });
      await pool.runQuery('a');
      await pass(clock, 1);
      driver.answer = (sql) => (sql === 'ping' ? new Deferred() : []);
      const call = outcome(pool.runQuery('b'));
      await pass(clock, 1.9);
      expect(call.pending).to.equal(true);
      await pass(clock, 0.1);
      expect(call.pending).to.equal(false);
      expect(driver.connections[0]?.destroyed).to.equal(true);
      expect(driver.connections[1]?.log).to.deep.equal(['b']);
    });

    it('drops a connection that does not answer its trial at once: nothing is stopped in a database that is not heard', async () => {
      const { driver, pool } = make(
        { cp_max: 1, cp_good_sql: 'ping', cp_validate_timeout: 2, cp_cancel_timeout: 5 },
        { cancels: true },
      );
      await pool.runQuery('a');
      await pass(clock, 1);
      driver.answer = (sql) => (sql === 'ping' ? new Deferred() : []);
      const call = outcome(pool.runQuery('b'));
      await pass(clock, 2);
      expect(call.pending).to.equal(false);
      expect(driver.connections[0]).to.include({ destroyed: true, cancels: 0 });
      expect(driver.connections[1]?.log).to.deep.equal(['b']);
    });

    it('tries every idle connection with cp_validate_after: 0, once, and hands it out', async () => {
      // Time goes on while one looks at it, as it does.
      let looks = 0;
      const seconds = clock.seconds.bind(clock);
      clock.seconds = () => seconds() + ++looks * 1e-6;
      const { driver, pool } = make({ cp_max: 1, cp_good_sql: 'ping', cp_validate_after: 0 });
      const first = pool.runQuery('a');
      const second = pool.runQuery('b');
      await Promise.all([first, second]);
      await pass(clock, 0.01);
      const third = outcome(pool.runQuery('c'));
      await settle();
      expect(third.pending).to.equal(false);
      // Whoever waits gets what somebody else had a moment ago as it is.
      expect(driver.connections[0]?.log).to.deep.equal(['a', 'b', 'ping', 'c']);
      // A trial that nobody waits for any more does not count for the next call.
      const gone = pool.runQuery('d');
      gone.addErrback(() => {});
      gone.cancel();
      await settle();
      await pool.runQuery('e');
      expect(driver.connections[0]?.log.slice(4)).to.deep.equal(['ping', 'ping', 'e']);
    });
  });

  describe('growing old', () => {
    it('closes what was idle for cp_idle_timeout, and keeps cp_min', async () => {
      const { driver, pool } = make({ cp_min: 1, cp_max: 3, cp_idle_timeout: 10 });
      const waits = waiting(driver);
      const calls = Array.from({ length: 3 }, () => pool.runQuery('wait'));
      await settle();
      for (const wait of waits) wait.callback([]);
      await Promise.all(calls);
      await pass(clock, 9.9);
      expect(pool.stats().open).to.equal(3);
      await pass(clock, 0.2);
      expect(pool.stats().open).to.equal(1);
      expect(driver.connections.filter(({ log }) => log.includes('close'))).to.have.length(2);
      await pass(clock, 1000, 10);
      expect(pool.stats().open).to.equal(1);
    });

    it('replaces a connection at cp_max_lifetime, but never one in use, and not all at one moment', async () => {
      const { driver, pool } = make({
        cp_min: 2,
        cp_max: 2,
        cp_max_lifetime: 100,
        cp_lifetime_jitter: 0.2,
        cp_idle_timeout: null,
        cp_watchdog: null,
      });
      pool.start();
      await settle();
      const waits = waiting(driver);
      const busy = pool.runQuery('wait');
      await settle();
      const [used] = driver.connections.filter(({ log }) => log.includes('wait'));
      await pass(clock, 79);
      expect(driver.connections).to.have.length(2);
      await pass(clock, 22, 22);
      expect(driver.connections).to.have.length(3);
      expect(used?.closed).to.equal(false);
      waits[0]?.callback([]);
      await busy;
      await settle();
      expect(used?.log).to.deep.equal(['wait', 'close']);
      expect(pool.stats()).to.include({ open: 2, opened: 4, closed: 2 });
    });

    it('replaces a connection after cp_max_uses', async () => {
      const { driver, pool } = make({ cp_max: 1, cp_max_uses: 2 });
      for (const sql of ['a', 'b', 'c']) await pool.runQuery(sql);
      expect(driver.connections.map(({ log }) => log)).to.deep.equal([['a', 'b', 'close'], ['c']]);
    });
  });

  describe('leaks and long silence', () => {
    it('logs who holds a connection longer than cp_leak_after, with the stack that acquired it', async () => {
      const { driver, pool } = make({ cp_max: 1, cp_leak_after: 2 });
      const waits = waiting(driver);
      function forgetful() {
        return pool.runInteraction((tx) => tx.execute('wait'));
      }
      const call = forgetful();
      await settle();
      await pass(clock, 2);
      const warning = events.find(({ level }) => level === 'warn');
      expect(warning?.message).to.match(
        /held for 2 s and may be forgotten.*acquired\n.*forgetful.*pool\.test\.ts/s,
      );
      expect(pool.stats().leaks).to.equal(1);
      waits[0]?.callback([]);
      await call;
      await settle();
      expect(events.some(({ message }) => /came back/.test(message))).to.equal(true);
    });

    it('asks the database about a statement that has been silent for cp_watchdog, and drops the connection if it knows nothing of it', async () => {
      const { driver, pool } = make({ cp_max: 1, cp_watchdog: 60 });
      waiting(driver);
      const call = outcome(pool.runQuery('wait'));
      await settle();
      await pass(clock, 60);
      expect(driver.connections[0]?.log).to.deep.equal(['wait', 'probe']);
      expect(call.pending).to.equal(true);
      const [connection] = driver.connections;
      if (connection) connection.probeResult = false;
      await pass(clock, 60);
      expect(call.error).to.be.instanceOf(ConnectionLost);
      expect(connection?.destroyed).to.equal(true);
    });

    it('takes a database that does not answer the question for gone', async () => {
      const { driver, pool } = make({ cp_max: 1, cp_watchdog: 60, cp_connect_timeout: 4 });
      waiting(driver);
      const call = outcome(pool.runQuery('wait'));
      await settle();
      const [connection] = driver.connections;
      if (connection) connection.probeResult = new Deferred();
      await pass(clock, 60);
      await pass(clock, 3.9);
      expect(call.pending).to.equal(true);
      await pass(clock, 0.2);
      expect(call.error).to.be.instanceOf(ConnectionLost);
    });

    it("cancels a statement after cp_statement_timeout, or the call's own, and keeps the connection if that helps", async () => {
      const { driver, pool } = make({ cp_max: 1, cp_statement_timeout: 10 }, { cancels: true });
      const waits = waiting(driver);
      const call = outcome(pool.runQuery('wait  for\n it', undefined, { timeout: 2 }));
      await settle();
      await pass(clock, 2);
      const [connection] = driver.connections;
      expect(connection?.cancels).to.equal(1);
      waits[0]?.errback(new FakeError('cancelled on request', 'cancelled'));
      expect(call.error).to.be.instanceOf(StatementTimeout);
      expect(call.error?.message).to.equal('Statement took longer than 2 s: wait for it');
      await pool.runQuery('next');
      expect(connection?.log).to.deep.equal(['wait  for\n it', 'next']);
      const second = outcome(pool.runQuery('wait'));
      await settle();
      await pass(clock, 10);
      expect(connection?.cancels).to.equal(2);
      waits[1]?.errback(new FakeError('cancelled on request', 'cancelled'));
      expect(second.error).to.be.instanceOf(StatementTimeout);
    });

    it('drops the connection when a cancelled statement does not stop within cp_cancel_timeout', async () => {
      const { driver, pool } = make({ cp_max: 1, cp_cancel_timeout: 3 }, { cancels: true });
      waiting(driver);
      const query = pool.runQuery('wait');
      const call = outcome(query);
      await settle();
      query.cancel();
      expect(call.error).to.be.instanceOf(CancelledError);
      const next = outcome(pool.runQuery('next'));
      await pass(clock, 2.9);
      expect(next.pending).to.equal(true);
      await pass(clock, 0.1);
      expect(next.pending).to.equal(false);
      expect(driver.connections[0]?.destroyed).to.equal(true);
      expect(driver.connections[1]?.log).to.deep.equal(['next']);
    });

    it('drops the connection of a cancelled statement at once when the driver cannot cancel', async () => {
      const { driver, pool } = make({ cp_max: 1 });
      waiting(driver);
      const query = pool.runQuery('wait');
      const call = outcome(query);
      await settle();
      query.cancel();
      await settle();
      expect(call.error).to.be.instanceOf(CancelledError);
      expect(driver.connections[0]?.destroyed).to.equal(true);
      await pool.runQuery('next');
      expect(driver.connections[1]?.log).to.deep.equal(['next']);
    });
  });

  it('drops the connection of a cancelled statement at once when the database cannot be asked to stop it', async () => {
    for (const fails of [
      () => {
        throw new Error('no way there');
      },
      () => Promise.reject(new Error('no way there')),
    ]) {
      const { driver, pool } = make({ cp_max: 1 }, { cancels: true });
      waiting(driver);
      const query = pool.runQuery('wait');
      const call = outcome(query);
      await settle();
      const [connection] = driver.connections;
      if (connection) connection.cancel = fails;
      query.cancel();
      await settle();
      expect(call.error).to.be.instanceOf(CancelledError);
      expect(connection?.destroyed).to.equal(true);
      await pool.runQuery('next');
    }
  });

  describe('losing connections', () => {
    it("a statement whose connection breaks fails with ConnectionLost, caused by the driver's error", async () => {
      const { driver, pool } = make({ cp_max: 1, cp_name: 'shop' });
      waiting(driver);
      const call = outcome(pool.runQuery('wait'));
      await settle();
      driver.connections[0]?.break();
      await settle();
      expect(call.error).to.be.instanceOf(ConnectionLost);
      expect(call.error?.message).to.equal(
        "Lost a connection of ConnectionPool 'shop' (fake at memory:1/test): server closed the connection",
      );
      expect(call.error?.cause).to.be.instanceOf(FakeError);
      await pool.runQuery('next');
      expect(driver.connections[1]?.log).to.deep.equal(['next']);
    });

    it("gives the driver's error as it is with cp_reconnect: false", async () => {
      const { driver, pool } = make({ cp_max: 1, cp_reconnect: false });
      waiting(driver);
      const call = outcome(pool.runQuery('wait'));
      await settle();
      driver.connections[0]?.break();
      await settle();
      expect(call.error).to.be.instanceOf(FakeError);
    });

    it('replaces an idle connection that breaks, when cp_min asks for it', async () => {
      const { driver, pool } = make({ cp_min: 1, cp_max: 1 });
      await pool.runQuery('a');
      driver.connections[0]?.break();
      await settle();
      expect(driver.connections).to.have.length(2);
      expect(pool.stats()).to.include({ open: 1, lost: 1 });
    });

    it('uses a connection no more that the database says is not to be used', async () => {
      const { driver, pool } = make({ cp_max: 1 });
      const readOnly = new FakeError('cannot execute in a read-only transaction', 'evict');
      driver.answer = (sql) => {
        if (sql === 'insert') throw readOnly;
        return [];
      };
      const call = outcome(pool.runQuery('insert'));
      await settle();
      expect(call.error).to.equal(readOnly);
      expect(driver.connections[0]?.closed).to.equal(true);
    });

    it("the database's other errors come as they are, and the connection stays", async () => {
      const { driver, pool } = make({ cp_max: 1 });
      const wrong = new FakeError('syntax error');
      driver.answer = (sql) => {
        if (sql === 'selct') throw wrong;
        return [{ one: 1 }];
      };
      const call = outcome(pool.runQuery('selct'));
      await settle();
      expect(call.error).to.equal(wrong);
      expect(await pool.runQuery('select')).to.deep.equal([{ one: 1 }]);
      expect(driver.connections).to.have.length(1);
    });

    it('rolls back what a statement left open', async () => {
      const { driver, pool } = make({ cp_max: 1 });
      driver.answer = (sql, _, connection) => {
        if (sql === 'BEGIN') connection.inTransaction = true;
        return [];
      };
      await pool.runQuery('BEGIN');
      await pool.runQuery('next');
      expect(driver.connections[0]?.log).to.deep.equal(['BEGIN', 'rollback', 'next']);
    });
  });

  describe('sharing connections', () => {
    it('runs statements side by side on a driver with a pipeline, interactions alone', async () => {
      const { driver, pool } = make({ cp_max: 1 }, { pipeline: 3 });
      const waits = waiting(driver);
      const calls = Array.from({ length: 4 }, (_, n) => pool.runQuery(`wait ${n}`));
      const interaction = pool.runInteraction((tx) => tx.execute('in'));
      const after = pool.runQuery('after');
      await settle();
      expect(driver.connections[0]?.log).to.deep.equal(['wait 0', 'wait 1', 'wait 2']);
      waits[1]?.callback([]);
      await settle();
      expect(driver.connections[0]?.log.at(-1)).to.equal('wait 3');
      for (const wait of waits) if (!wait.called) wait.callback([]);
      await Promise.all([...calls, interaction, after]);
      expect(driver.connections[0]?.log.slice(4)).to.deep.equal(['begin', 'in', 'commit', 'after']);
    });

    it('moves what stands behind a slow statement to a connection that is idle', async () => {
      const { driver, pool } = make({ cp_max: 2 }, { pipeline: 4 });
      const waits = waiting(driver);
      await pool.runQuery('x');
      const calls = Array.from({ length: 4 }, (_, n) => outcome(pool.runQuery(`wait ${n}`)));
      const [first] = driver.connections;
      expect(first?.log).to.deep.equal(['x', 'wait 0', 'wait 1', 'wait 2', 'wait 3']);
      for (const sql of ['wait 2', 'wait 3']) first?.revocable.add(sql);
      await settle();
      await pass(clock, 0.006);
      const moved = driver.connections[1]?.log;
      expect(moved).to.have.members(['wait 2', 'wait 3']);
      for (const wait of waits.slice(0, 2)) wait.callback([]);
      for (const wait of waits.slice(4)) wait.callback([]);
      await settle();
      expect(calls.every(({ pending: still }) => !still)).to.equal(true);
    });

    it('takes back a statement that is cancelled before it began, and leaves the connection', async () => {
      const { driver, pool } = make({ cp_max: 1 }, { pipeline: 4 });
      const waits = waiting(driver);
      const first = pool.runQuery('wait 1');
      const second = pool.runQuery('wait 2');
      await settle();
      driver.connections[0]?.revocable.add('wait 2');
      const seen = outcome(second);
      second.cancel();
      expect(seen.error).to.be.instanceOf(CancelledError);
      expect(driver.connections[0]?.destroyed).to.equal(false);
      waits[0]?.callback([]);
      await first;
      expect(pool.stats()).to.include({ open: 1, busy: 0 });
    });
  });

  describe('closing', () => {
    it('lets what was called end, refuses what comes after with PoolClosed, and closes all', async () => {
      const { driver, pool } = make({ cp_max: 1 });
      const waits = waiting(driver);
      const running = pool.runInteraction((tx) => tx.execute('wait'));
      const queued = pool.runQuery('queued');
      await settle();
      const closed = outcome(pool.close());
      const late = outcome(pool.runQuery('late'));
      expect(late.error).to.be.instanceOf(PoolClosed);
      expect(late.error?.message).to.match(
        /^Cannot use ConnectionPool 'pool' \(fake at memory:1\/test\): it is closing$/,
      );
      expect(closed.pending).to.equal(true);
      waits[0]?.callback([]);
      await running;
      await queued;
      await settle();
      expect(closed.pending).to.equal(false);
      expect(driver.connections[0]?.log).to.deep.equal([
        'begin',
        'wait',
        'commit',
        'queued',
        'close',
      ]);
      expect(driver.closed).to.equal(1);
      expect(pool.running).to.equal(false);
      const later = outcome(pool.runInteraction(() => 1));
      expect(later.error?.message).to.match(/it is closed$/);
    });

    it('takes the connections away after cp_close_timeout', async () => {
      const { driver, pool } = make({ cp_max: 1, cp_close_timeout: 8 });
      waiting(driver);
      const running = outcome(pool.runQuery('wait'));
      const queued = outcome(pool.runQuery('queued'));
      await settle();
      const closed = outcome(pool.close());
      await pass(clock, 7.9);
      expect([running.pending, queued.pending, closed.pending]).to.deep.equal([true, true, true]);
      await pass(clock, 0.1);
      expect(running.error).to.be.instanceOf(ConnectionLost);
      expect(queued.error).to.be.instanceOf(PoolClosed);
      expect(closed.pending).to.equal(false);
      expect(driver.connections[0]?.destroyed).to.equal(true);
    });

    it('close() of a pool that was never used opens nothing, and can be called again', async () => {
      const { driver, pool } = make({ cp_min: 3 });
      await pool.close();
      await pool.close();
      await pool.finalClose();
      pool.start();
      await settle();
      expect(driver.attempts).to.equal(0);
    });

    it('opens nothing with a driver that is there only after it was closed, and has it let go', async () => {
      const driver = new FakeDriver();
      const loaded = new Deferred<FakeDriver>();
      const pool = new ConnectionPool(() => loaded, { cp_reactor: clock, cp_min: 1 });
      pools.push(pool);
      pool.start();
      await settle();
      const closed = outcome(pool.close());
      await settle();
      loaded.callback(driver);
      await settle();
      expect([driver.attempts, driver.closed, closed.pending]).to.deep.equal([0, 1, false]);
    });

    it('does not keep a connection that arrives while it closes', async () => {
      const { driver, pool } = make({ cp_min: 1 }, { manual: true });
      pool.start();
      await settle();
      const closed = outcome(pool.close());
      await settle();
      expect(closed.pending).to.equal(false);
      const connection = driver.arriving[0]?.let();
      await settle();
      expect(connection?.destroyed).to.equal(true);
    });
  });

  describe('telling', () => {
    it('stats() counts', async () => {
      const { driver, pool } = make({ cp_max: 1 });
      const waits = waiting(driver);
      const calls = [pool.runQuery('wait'), pool.runQuery('b')];
      await settle();
      await pass(clock, 3);
      expect(pool.stats()).to.include({
        open: 1,
        busy: 1,
        idle: 0,
        opening: 0,
        waiting: 1,
        min: 0,
        max: 1,
      });
      waits[0]?.callback([]);
      await Promise.all(calls);
      expect(pool.stats()).to.include({
        acquired: 2,
        waited: 2,
        waitedSeconds: 3,
        busySeconds: 3,
        opened: 1,
      });
    });

    it('measurements() are its stats, each with a name, what it means, and whose it is', async () => {
      const { pool } = make({ cp_name: 'shop' });
      await pool.runQuery('a');
      const measured = pool.measurements();
      const stats = pool.stats();
      expect(measured.map(({ value }) => value).sort()).to.deep.equal(Object.values(stats).sort());
      for (const { name, type, help, labels } of measured) {
        expect(name).to.match(/^strand_pool_[a-z_]+$/);
        expect(type).to.equal(name.endsWith('_total') ? 'counter' : 'gauge');
        expect(help).to.match(/^[A-Z].*\.$/);
        expect(labels).to.deep.equal({ pool: 'shop', driver: 'fake' });
      }
      const byName = new Map(measured.map(({ name, value }) => [name, value]));
      expect(byName.size).to.equal(measured.length);
      expect(byName.get('strand_pool_connections_open')).to.equal(1);
      expect(byName.get('strand_pool_acquired_total')).to.equal(1);
      expect(byName.get('strand_pool_connections_max')).to.equal(2);
    });

    it('stats$ tells how it stands at once, after each change, and completes at the end', async () => {
      const { pool } = make({ cp_max: 1 });
      const seen: number[] = [];
      let complete = false;
      pool.stats$.subscribe({
        next: ({ acquired }) => seen.push(acquired),
        complete: () => {
          complete = true;
        },
      });
      await pool.runQuery('a');
      await settle();
      expect(seen[0]).to.equal(0);
      expect(seen.at(-1)).to.equal(1);
      const before = seen.length;
      for (let n = 0; n < 3; n++) outcome(pool.runQuery('b'));
      await settle();
      expect(seen.slice(before), 'once a turn').to.deep.equal([4]);
      await pool.close();
      await settle();
      expect(complete).to.equal(true);
    });

    it('cp_metrics hears of waits, uses, openings and failures', async () => {
      const heard: string[] = [];
      const { driver, pool } = make({
        cp_max: 1,
        cp_metrics: {
          acquired: (waited: number) => heard.push(`acquired ${waited}`),
          released: (used: number) => heard.push(`released ${used}`),
          opened: () => heard.push('opened'),
          openFailed: (error: Error) => heard.push(error.message),
          closed: () => heard.push('closed'),
        },
      });
      driver.refuse = new FakeError('no');
      pool.runQuery('x').addErrback(() => {});
      await settle();
      driver.refuse = null;
      await pass(clock, 1);
      await pool.runQuery('x');
      await pool.close();
      expect(heard).to.deep.equal(['no', 'opened', 'acquired 0', 'released 0', 'closed']);
    });

    it('cp_metrics that throws is reported, and harms nothing', async () => {
      const reported: string[] = [];
      const handler = setUnhandledFailureHandler((failure, { origin }) =>
        reported.push(`${origin}: ${failure.getErrorMessage()}`),
      );
      const metrics = {
        acquired: () => {
          throw new Error('no room');
        },
      };
      const { pool } = make({ cp_metrics: metrics });
      await pool.runQuery('x');
      setUnhandledFailureHandler(handler);
      expect(reported).to.deep.equal(['Unhandled error in acquired() of cp_metrics: no room']);
      expect(pool.stats().busy).to.equal(0);
    });

    it('cp_noisy logs statements, but not their parameters', async () => {
      const { pool } = make({ cp_noisy: true });
      await pool.runQuery('select ?', ['secret']);
      const debug = events.filter(({ level }) => level === 'debug').map(({ message }) => message);
      expect(debug).to.deep.equal(['select ?']);
    });
  });

  it('a statement that is no text fails with TypeError, and nothing is opened for it', () => {
    const { driver, pool } = make();
    const call = outcome(pool.runQuery(undefined as never));
    expect(call.error).to.be.instanceOf(TypeError);
    expect(call.error?.message).to.equal('Cannot run undefined: expected a statement as text');
    expect(driver.attempts).to.equal(0);
  });

  it('a call that is answered at once frees what it used before its Deferred fires', async () => {
    const { driver, pool } = make({ cp_max: 1 });
    await pool.runQuery('a');
    const { deferred, answer } = pending();
    driver.answer = answer;
    let free = -1;
    const call = pool.runQuery('b').addCallback(() => {
      free = pool.stats().waiting;
    });
    deferred.callback([]);
    await call;
    expect(free).to.equal(0);
  });
});
