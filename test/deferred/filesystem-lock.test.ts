import { spawnSync } from 'node:child_process';
import fs, { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  AlreadyTryingToLockError,
  CancelledError,
  type DeferredClock,
  DeferredFilesystemLock,
  NotAcquiredError,
  TimeoutError,
} from '../../src/deferred/index.ts';
import { collectReports, errorOf, StillClock, stateOf } from './support.ts';

describe('DeferredFilesystemLock', () => {
  collectReports();
  let directory = '';
  let name = '';
  let clock = new StillClock();

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'strand-lock-'));
    name = join(directory, 'lock');
    clock = new StillClock();
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  /** The id of a process that has ended. */
  function goneProcess(): number {
    return spawnSync(process.execPath, ['--version']).pid;
  }

  it('lock() makes a file with the process id, unlock() removes it', () => {
    const lock = new DeferredFilesystemLock(name, clock);
    expect(lock.lock()).to.equal(true);
    expect(lock.locked).to.equal(true);
    expect(lock.clean).to.equal(true);
    expect(readFileSync(name, 'utf8')).to.equal(String(process.pid));
    expect(readdirSync(directory)).to.deep.equal(['lock']);
    lock.unlock();
    expect(lock.locked).to.equal(false);
    expect(readdirSync(directory)).to.deep.equal([]);
  });

  it('lock() says no while another one has it, in this process or not', () => {
    const lock = new DeferredFilesystemLock(name, clock);
    expect(lock.lock()).to.equal(true);
    expect(lock.lock()).to.equal(false);
    expect(new DeferredFilesystemLock(name, clock).lock()).to.equal(false);
    lock.unlock();
    writeFileSync(name, String(process.ppid));
    expect(lock.lock()).to.equal(false);
    expect(readdirSync(directory)).to.deep.equal(['lock']);
  });

  it('lock() takes over the lock of a process that is gone, and is then not clean', () => {
    writeFileSync(name, String(goneProcess()));
    const lock = new DeferredFilesystemLock(name, clock);
    expect(lock.lock()).to.equal(true);
    expect(lock.clean).to.equal(false);
    expect(readFileSync(name, 'utf8')).to.equal(String(process.pid));
    expect(readdirSync(directory)).to.deep.equal(['lock']);
    lock.unlock();
    expect(lock.lock()).to.equal(true);
    expect(lock.clean).to.equal(true);
  });

  it('lock() gives back what it took for stale when another one was quicker', () => {
    writeFileSync(name, String(goneProcess()));
    const { renameSync } = fs;
    fs.renameSync = (from, to) => {
      writeFileSync(name, '1'); // meanwhile somebody who lives has taken it over
      renameSync(from, to);
    };
    syncBuiltinESMExports();
    try {
      expect(new DeferredFilesystemLock(name, clock).lock()).to.equal(false);
    } finally {
      fs.renameSync = renameSync;
      syncBuiltinESMExports();
    }
    expect(readFileSync(name, 'utf8')).to.equal('1');
    expect(readdirSync(directory)).to.deep.equal(['lock']);
  });

  it('lock() leaves the lock of another user’s process alone', () => {
    writeFileSync(name, String(process.pid));
    const { kill } = process;
    process.kill = () => {
      throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' });
    };
    try {
      expect(new DeferredFilesystemLock(name, clock).lock()).to.equal(false);
    } finally {
      process.kill = kill;
    }
  });

  it('lock() is not held up by what a process of the same number left when it died', () => {
    for (let i = 0; i < 500; i++) writeFileSync(`${name}.${process.pid}.${i}`, '');
    const lock = new DeferredFilesystemLock(name, clock);
    expect(lock.lock()).to.equal(true);
    expect(readdirSync(directory)).to.have.length(501);
    lock.unlock();
  });

  it('lock() leaves alone a file that is no lock', () => {
    writeFileSync(name, 'precious');
    expect(new DeferredFilesystemLock(name, clock).lock()).to.equal(false);
    expect(readFileSync(name, 'utf8')).to.equal('precious');
  });

  it('lock() throws the error of the file system', () => {
    const lock = new DeferredFilesystemLock(join(directory, 'absent', 'lock'), clock);
    expect(() => lock.lock())
      .to.throw()
      .with.property('code', 'ENOENT');
    expect(errorOf(lock.deferUntilLocked())).to.have.property('code', 'ENOENT');
  });

  it('unlock() of what it does not have throws', () => {
    const lock = new DeferredFilesystemLock(name, clock);
    expect(() => lock.unlock()).to.throw(
      NotAcquiredError,
      `Cannot unlock '${name}': nobody has it`,
    );
    const other = new DeferredFilesystemLock(name, clock);
    other.lock();
    expect(() => lock.unlock()).to.throw(NotAcquiredError);
    expect(other.locked).to.equal(true);
    writeFileSync(name, String(process.ppid));
    expect(() => other.unlock()).to.throw(NotAcquiredError, `process ${process.ppid} has it`);
    expect(other.locked).to.equal(false);
  });

  it('deferUntilLocked() fires at once if it is free', () => {
    const lock = new DeferredFilesystemLock(name, clock);
    expect(stateOf(lock.deferUntilLocked())).to.deep.equal(['value', undefined]);
    expect(lock.locked).to.equal(true);
    expect(clock.pending).to.deep.equal([]);
  });

  it('deferUntilLocked() tries every second', () => {
    const owner = new DeferredFilesystemLock(name, clock);
    owner.lock();
    const lock = new DeferredFilesystemLock(name, clock);
    const d = lock.deferUntilLocked();
    clock.advance(2.5);
    owner.unlock();
    clock.advance(0.4);
    expect(d.called).to.equal(false);
    clock.advance(0.1);
    expect(d.called).to.equal(true);
    expect(lock.locked).to.equal(true);
    expect(clock.pending).to.deep.equal([]);
  });

  it('deferUntilLocked(timeout) tries a last time, then fails with TimeoutError', () => {
    const owner = new DeferredFilesystemLock(name, clock);
    owner.lock();
    const lock = new DeferredFilesystemLock(name, clock);
    const late = lock.deferUntilLocked(2.5);
    clock.advance(2.5);
    const error = errorOf(late);
    expect(error)
      .to.be.instanceOf(TimeoutError)
      .with.property('message', `Locking '${name}' timed out after 2.5 s`);
    expect(clock.pending).to.deep.equal([]);
    const justInTime = lock.deferUntilLocked(2.5);
    clock.advance(2.2);
    owner.unlock();
    clock.advance(0.3);
    expect(justInTime.called).to.equal(true);
    expect(lock.locked).to.equal(true);
    expect(clock.pending).to.deep.equal([]);
  });

  it('takes the scheduler and the timeout as options as well', () => {
    const owner = new DeferredFilesystemLock(name, { scheduler: clock });
    owner.lock();
    const lock = new DeferredFilesystemLock(name, { scheduler: clock });
    const late = lock.deferUntilLocked({ timeout: 2.5 });
    expect(clock.pending).to.deep.equal([1, 2.5]);
    clock.advance(2.5);
    expect(errorOf(late)).to.be.instanceOf(TimeoutError);
    const d = lock.deferUntilLocked({});
    owner.unlock();
    clock.advance(1);
    expect(d.called).to.equal(true);
  });

  it('deferUntilLocked() that throws, for a clock that takes no such time, can be tried again', () => {
    const owner = new DeferredFilesystemLock(name, clock);
    owner.lock();
    const strict: DeferredClock = {
      seconds: () => clock.seconds(),
      callLater: (delay, f, ...args) => {
        if (!(delay >= 0)) throw new RangeError('no such time');
        return clock.callLater(delay, f, ...args);
      },
    };
    const lock = new DeferredFilesystemLock(name, strict);
    expect(() => lock.deferUntilLocked(-1)).to.throw(RangeError);
    expect(clock.pending).to.deep.equal([]);
    const d = lock.deferUntilLocked(5);
    owner.unlock();
    clock.advance(1);
    expect(d.called).to.equal(true);
    expect(lock.locked).to.equal(true);
  });

  it('a second deferUntilLocked() at the same time fails', () => {
    const owner = new DeferredFilesystemLock(name, clock);
    owner.lock();
    const lock = new DeferredFilesystemLock(name, clock);
    const first = lock.deferUntilLocked();
    expect(errorOf(lock.deferUntilLocked())).to.be.instanceOf(AlreadyTryingToLockError);
    owner.unlock();
    clock.advance(1);
    expect(first.called).to.equal(true);
    lock.unlock();
    expect(lock.deferUntilLocked().called).to.equal(true);
  });

  it('cancel() stops both timers, and does not lock', () => {
    const owner = new DeferredFilesystemLock(name, clock);
    owner.lock();
    const lock = new DeferredFilesystemLock(name, clock);
    const d = lock.deferUntilLocked(10);
    owner.unlock();
    d.cancel();
    expect(errorOf(d)).to.be.instanceOf(CancelledError);
    expect(clock.pending).to.deep.equal([]);
    expect(lock.locked).to.equal(false);
    expect(lock.deferUntilLocked().called).to.equal(true);
  });
});
