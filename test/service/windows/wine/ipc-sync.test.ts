/** Mutexes, semaphores and events between two programs on Windows. */
import { expect } from 'chai';
import { accessList } from '../../../../src/service/windows/ipc/index.ts';
import { failure } from '../../../support/windows-failure.ts';
import { twoPrograms } from '../ipc/two-programs.ts';

describe('On Windows, objects to synchronise by', function () {
  this.timeout(60_000);
  const [one, two] = twoPrograms();
  const a = one.call;
  const b = two.call;

  it('a mutex is had by one process at a time', async () => {
    expect(await a('make', 'm', 'Mutex', 'Global\\wc-one')).to.equal(true);
    expect(await b('make', 'm', 'Mutex', 'Global\\wc-one')).to.equal(false);
    expect(await a('call', 'm', 'tryAcquire')).to.deep.include({ abandoned: false });
    expect(await b('call', 'm', 'tryAcquire')).to.equal(null);
    const waiting = b('call', 'm', 'acquire');
    expect(await b('get', 'm', 'locked'), 'it still answers while it waits').to.equal(false);
    await a('call', 'm', 'release');
    expect(await waiting).to.deep.include({ abandoned: false });
    expect(await a('call', 'm', 'tryAcquire')).to.equal(null);
    const late = await failure(a('call', 'm', 'acquire', { timeout: 0.1 }));
    expect(late['code']).to.equal('ERR_TIMEOUT');
  });

  it('a mutex of a process that ended says that it was abandoned', async () => {
    await a('make', 'm', 'Mutex', 'wc-left');
    await b('make', 'm', 'Mutex', 'wc-left');
    await a('call', 'm', 'tryAcquire');
    const waiting = b('call', 'm', 'acquire');
    await one.kill();
    expect(await waiting).to.deep.include({ abandoned: true });
  });

  it('a mutex is released by closing it', async () => {
    await a('make', 'm', 'Mutex', 'wc-closed');
    await b('make', 'm', 'Mutex', 'wc-closed');
    await a('call', 'm', 'tryAcquire');
    await a('call', 'm', 'close');
    await a('call', 'm', 'close');
    expect(await b('call', 'm', 'tryAcquire')).to.deep.include({ abandoned: false });
    const used = await failure(a('call', 'm', 'tryAcquire'));
    expect(used).to.include({ code: 'ERROR_INVALID_HANDLE', winerror: 6 });
  });

  it('two processes that count under a mutex lose nothing', async () => {
    for (const agent of [a, b]) {
      await agent('make', 'm', 'Mutex', 'wc-count', { interval: 0.002 });
      await agent('make', 's', 'SharedMemory.create', 'wc-number', 4);
    }
    await Promise.all([a('addUp', 'm', 's', 50), b('addUp', 'm', 's', 50)]);
    expect(await a('addUp', 'm', 's', 0)).to.equal(100);
  });

  it('a semaphore has its places, whoever takes them', async () => {
    await a('make', 's', 'Semaphore', 'wc-places', { maximum: 2 });
    expect(await b('make', 's', 'Semaphore', 'wc-places', { maximum: 9 })).to.equal(false);
    expect(await a('call', 's', 'tryAcquire')).to.equal(true);
    expect(await b('call', 's', 'tryAcquire')).to.equal(true);
    expect(await a('call', 's', 'tryAcquire')).to.equal(false);
    const waiting = a('call', 's', 'acquire');
    expect(await b('call', 's', 'release')).to.equal(0);
    await waiting;
    expect(await b('call', 's', 'release', 2)).to.equal(0);
    const full = await failure(b('call', 's', 'release'));
    expect(full['winerror']).to.equal(298);
  });

  it('an event that resets itself lets one through, one that does not lets all through', async () => {
    for (const manualReset of [false, true]) {
      const name = `wc-event-${manualReset}`;
      await a('make', name, 'Event', name, { manualReset });
      await b('make', name, 'Event.open', name, { manualReset });
      const waits = [a('call', name, 'wait'), b('call', name, 'wait')].map((wait, n) =>
        wait.then(() => n),
      );
      // The wait of each is registered before its next answer.
      await Promise.all([a('get', name, 'name'), b('get', name, 'name')]);
      await a('call', name, 'set');
      const first = await Promise.race(waits);
      if (!manualReset) {
        const other = first === 0 ? b : a;
        expect(await other('get', name, 'waiting')).to.equal(1);
        await b('call', name, 'set');
      }
      await Promise.all(waits);
      expect(await a('call', name, 'tryWait')).to.equal(manualReset);
      await b('call', name, 'reset');
      expect(await a('call', name, 'tryWait')).to.equal(false);
    }
  });

  it('a wait that was given up takes nothing', async () => {
    await a('make', 'e', 'Event', 'wc-given-up');
    await a('start', 'w', 'e', 'wait');
    await a('cancel', 'w');
    await b('make', 'e', 'Event.open', 'wc-given-up');
    await b('call', 'e', 'set');
    expect(await b('call', 'e', 'tryWait')).to.equal(true);
    const late = await failure(a('call', 'e', 'wait', { timeout: 0.05 }));
    expect(late).to.include({
      code: 'ERR_TIMEOUT',
      message: 'Waiting for event "wc-given-up" timed out after 0.05 s',
    });
  });

  it('no signal gets lost when a wait is given up as it comes', async () => {
    expect(await a('cancelRaces', 60)).to.equal(0);
  });

  it('closing ends the waits', async () => {
    await a('make', 'e', 'Event', null);
    const waiting = failure(a('call', 'e', 'wait'));
    await a('get', 'e', 'name');
    await a('call', 'e', 'close');
    expect(await waiting).to.include({ winerror: 6 });
  });

  it('waiting does not block the loop', async () => {
    await a('make', 'e', 'Event', null);
    expect(await a('turnsWhileWaiting', 'e')).to.equal(50);
  });

  it('of several, the first that is set ends the wait', async () => {
    for (const name of ['wc-first', 'wc-second']) {
      await a('make', name, 'Event', name);
      await b('make', name, 'Event.open', name);
    }
    const any = a('waitForAny', 'wc-first', 'wc-second');
    await a('get', 'wc-first', 'name');
    await b('call', 'wc-second', 'set');
    expect(await any).to.equal(1);
    await b('call', 'wc-first', 'set');
    expect(await b('call', 'wc-first', 'tryWait')).to.equal(true);
  });

  it('hundreds wait at a time', async () => {
    await a('make', 'e', 'Semaphore', null, { initial: 0, maximum: 300 });
    const waits = Array.from({ length: 300 }, () => a('call', 'e', 'acquire'));
    expect(await a('get', 'e', 'waiting')).to.equal(300);
    await a('call', 'e', 'release', 300);
    await Promise.all(waits);
    expect(await a('get', 'e', 'waiting')).to.equal(0);
  });

  it('what is not there, has another kind, or cannot be a name is told', async () => {
    for (const [path, name] of [
      ['Mutex.open', 'wc-none'],
      ['Event.open', 'wc-none'],
      ['Semaphore.open', 'wc-none'],
      ['SharedMemory.open', 'wc-none'],
      ['JobObject.open', 'wc-none'],
    ] as const) {
      const none = await failure(a('make', 'x', path, name));
      expect(none, path).to.include({ winerror: 2, code: 'ERROR_FILE_NOT_FOUND' });
      expect(none['message']).to.match(/^Cannot open [a-z ]+ "wc-none": /);
    }
    await a('make', 'm', 'Mutex', 'wc-kind');
    for (const path of ['Event', 'Semaphore', 'JobObject', 'Event.open']) {
      expect((await failure(a('make', 'x', path, 'wc-kind')))['winerror'], path).to.equal(6);
    }
    expect((await failure(a('make', 'x', 'Mutex', 'a\\b')))['winerror']).to.equal(123);
  });

  it('an access list keeps out whom it does not let in', async () => {
    const refuse = accessList([{ who: 'everyone', may: 'all', deny: true }]);
    await a('make', 'e', 'Event', 'wc-refused', { access: refuse });
    const refused = await failure(b('make', 'e', 'Event.open', 'wc-refused'));
    expect(refused['code']).to.equal('ERROR_ACCESS_DENIED');
    // Asking for all rights fails; those of 'use' are enough all the same.
    const use = accessList([{ who: 'everyone', may: 'use' }], { only: true });
    for (const path of ['Mutex', 'Semaphore', 'Event']) {
      const name = `wc-use-${path}`;
      expect(await a('make', path, path, name, { access: use })).to.equal(true);
      expect(await b('make', path, path, name)).to.equal(false);
    }
    await a('make', 'm', 'SharedMemory.create', 'wc-use-memory', 10, { access: use });
    await b('make', 'm', 'SharedMemory.open', 'wc-use-memory');
    await b('call', 'Event', 'set');
    expect(await a('call', 'Event', 'tryWait')).to.equal(true);
    expect(await b('call', 'Mutex', 'tryAcquire')).to.deep.include({ abandoned: false });
    expect(await b('call', 'Semaphore', 'tryAcquire')).to.equal(true);
  });

  it('an access list that makes no sense is refused', async () => {
    const wrong = await failure(a('make', 'x', 'Event', 'wc-list', { access: 'nonsense' }));
    expect(wrong['name']).to.equal('WindowsError');
    expect(wrong['message']).to.match(/read the access list 'nonsense'/);
  });

  it('a single instance is refused to another process until the first has ended', async () => {
    await a('make', 'i', 'singleInstance', 'wc only: once');
    const other = await failure(b('make', 'i', 'singleInstance', 'wc only: once'));
    expect(other).to.include({ code: 'ERR_ALREADY_RUNNING', lockName: 'wc only: once' });
    await a('call', 'i', 'release');
    await b('make', 'i', 'singleInstance', 'wc only: once');
    expect(await b('get', 'i', 'clean')).to.equal(true);
    await two.kill();
    await a('make', 'j', 'singleInstance', 'wc only: once');
    // Windows forgets a mutex that nobody has open, so there is nobody left to be told.
    expect(await a('get', 'j', 'clean')).to.equal(true);
  });

  it('nothing stays open', async () => {
    // Node itself may open one or close one meanwhile.
    expect(await a('handlesLeftByLeak', 25), 'a leak shows').to.be.above(20);
    await a('reset');
    expect(await a('handlesLeftBy', 25)).to.be.below(10);
  });
});
