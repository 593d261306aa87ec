/** Shared memory, mailslots, jobs, and what is told of processes, between programs on Windows. */
import { expect } from 'chai';
import { failure } from '../../../support/windows-failure.ts';
import { twoPrograms } from '../ipc/two-programs.ts';

const PAGE = 4096;

describe('On Windows, what programs share', function () {
  this.timeout(60_000);
  const [one, two] = twoPrograms();
  const a = one.call;
  const b = two.call;

  describe('shared memory', () => {
    it('is the same bytes in both', async () => {
      expect(await a('make', 'm', 'SharedMemory.create', 'wc-memory', 5000)).to.equal(true);
      expect(await a('get', 'm', 'size')).to.equal(5000);
      await b('make', 'm', 'SharedMemory.open', 'wc-memory');
      expect(await b('get', 'm', 'size'), 'whole pages').to.equal(2 * PAGE);
      await a('writeText', 'm', 4990, 'from one');
      expect(await b('readText', 'm', 4990, 4998)).to.equal('from one');
      await b('writeText', 'm', 0, 'from two');
      expect(await a('readText', 'm', 0, 8)).to.equal('from two');
    });

    it('stays as long as somebody has it open', async () => {
      await a('make', 'm', 'SharedMemory.create', 'wc-lasting', 10);
      await a('writeText', 'm', 0, 'kept');
      await b('make', 'm', 'SharedMemory.open', 'wc-lasting', { size: 4 });
      await one.kill();
      expect(await b('readText', 'm', 0, 4)).to.equal('kept');
      await b('call', 'm', 'close');
      const gone = await failure(b('make', 'n', 'SharedMemory.open', 'wc-lasting'));
      expect(gone['winerror']).to.equal(2);
    });

    it('of another size is refused when it is too small', async () => {
      await a('make', 'm', 'SharedMemory.create', 'wc-size', PAGE);
      expect(await b('make', 'm', 'SharedMemory.create', 'wc-size', 100)).to.equal(false);
      for (const args of [
        ['SharedMemory.create', 'wc-size', PAGE + 1],
        ['SharedMemory.open', 'wc-size', { size: PAGE + 1 }],
      ]) {
        const small = await failure(b('make', 'n', ...args));
        expect(small).to.include({
          code: 'ERR_SHARED_MEMORY_TOO_SMALL',
          message: 'Cannot map 4097 bytes of shared memory "wc-size": it has 4096',
        });
      }
    });

    it('that is closed leaves Buffers without bytes, which do no harm', async () => {
      await a('make', 'm', 'SharedMemory.create', null, 100);
      expect(await a('useAfterClose', 'm')).to.deep.equal({ length: 0, byte: null, words: 0 });
      expect((await failure(a('get', 'm', 'buffer')))['winerror']).to.equal(6);
      await a('call', 'm', 'close');
    });

    it('that is not writable keeps writes to itself', async () => {
      await a('make', 'm', 'SharedMemory.create', 'wc-copy', PAGE);
      await a('writeText', 'm', 0, 'original');
      await b('make', 'm', 'SharedMemory.open', 'wc-copy', { writable: false });
      expect(await b('readText', 'm', 0, 8)).to.equal('original');
      await b('writeText', 'm', 0, 'changed!');
      expect(await a('readText', 'm', 0, 8)).to.equal('original');
    });
  });

  describe('a mailslot', () => {
    it('hands on whole messages in order, from any process', async () => {
      await a('make', 's', 'Mailslot', 'wc-slot');
      await b('make', 'w', 'Mailslot.connect', 'wc-slot');
      for (const text of ['one', '', 'three', 'ü'.repeat(30_000)])
        await b('call', 'w', 'write', text);
      const waiting = a('readMessages', 's', 5);
      await b('call', 'w', 'write', 'last');
      expect(await waiting).to.deep.equal(['one', '', 'three', 'ü'.repeat(30_000), 'last']);
    });

    it('waits for a message, for so long', async () => {
      await a('make', 's', 'Mailslot', 'wc-late');
      const late = await failure(a('call', 's', 'receive', { timeout: 0.1 }));
      expect(late['code']).to.equal('ERR_TIMEOUT');
      const waiting = failure(a('call', 's', 'receive'));
      await a('call', 's', 'close');
      expect((await waiting)['winerror']).to.equal(6);
    });

    it('that nobody reads, or somebody reads already, is told', async () => {
      expect((await failure(a('make', 'w', 'Mailslot.connect', 'wc-none')))['winerror']).to.equal(
        2,
      );
      await a('make', 's', 'Mailslot', 'wc-taken');
      const taken = await failure(b('make', 's', 'Mailslot', 'wc-taken'));
      expect(taken['winerror']).to.be.oneOf([5, 183]);
      await a('call', 's', 'close');
      await b('make', 's', 'Mailslot', 'wc-taken');
    });
  });

  describe('a job', () => {
    it('ends its processes when it is closed', async () => {
      await a('make', 'j', 'JobObject', 'wc-job');
      const pid = Number(await b('startIdle'));
      expect(await a('call', 'j', 'contains', pid)).to.equal(false);
      await a('call', 'j', 'assign', pid);
      expect(await a('call', 'j', 'contains', pid)).to.equal(true);
      expect(await a('call', 'j', 'processIds')).to.deep.equal([pid]);
      await a('call', 'j', 'close');
      expect(await b('exitCode', pid)).to.be.a('number');
      expect(await a('run', 'processRuns', pid)).to.equal(false);
    });

    it('ends the children of a process that is in it and is killed', async () => {
      await a('make', 'j', 'JobObject', null);
      await a('call', 'j', 'assignSelf');
      expect(await a('call', 'j', 'contains')).to.equal(true);
      const pid = Number(await a('startIdle'));
      expect(await a('call', 'j', 'processIds')).to.include(pid);
      expect(await b('run', 'processRuns', pid)).to.equal(true);
      await one.kill();
      await b('run', 'waitForProcess', pid);
      expect(await b('run', 'processRuns', pid)).to.equal(false);
    });

    it('ends its processes with a code, and keeps others out of it', async () => {
      await a('make', 'j', 'JobObject', 'wc-code', { killOnClose: false });
      await b('make', 'j', 'JobObject.open', 'wc-code');
      const [inside, outside] = [Number(await a('startIdle')), Number(await a('startIdle'))];
      await a('call', 'j', 'assign', inside);
      await b('call', 'j', 'terminate', 7);
      expect(await a('exitCode', inside)).to.equal(7);
      expect(await a('run', 'processRuns', outside)).to.equal(true);
    });

    it('takes limits, and tells what was used', async () => {
      const limits = {
        activeProcesses: 5,
        processMemory: 2 ** 30,
        jobMemory: 2 ** 31,
        breakaway: true,
      };
      await a('make', 'j', 'JobObject', null, limits);
      await a('call', 'j', 'setLimits', { activeProcesses: 6 });
      expect(await a('call', 'j', 'accounting')).to.have.all.keys(
        'userTime',
        'kernelTime',
        'totalProcesses',
        'activeProcesses',
        'terminatedProcesses',
        'peakProcessMemory',
        'peakJobMemory',
      );
      const wrong = await failure(a('call', 'j', 'setLimits', { activeProcesses: 0 }));
      expect(wrong['message']).to.equal(
        'Limit activeProcesses must be a whole number above 0: got 0',
      );
    });

    it('a process that is not there is told', async () => {
      await a('make', 'j', 'JobObject', null);
      const none = await failure(a('call', 'j', 'assign', 4_000_000_000));
      expect(none['winerror']).to.equal(1168);
    });
  });

  describe('what is told of processes', () => {
    it('is their program, parent and times', async () => {
      const [own, pid] = [Number(await a('processId')), Number(await a('startIdle'))];
      const info = (await a('run', 'processInfo', pid)) as Record<string, unknown>; // a ProcessInfo
      expect(info['path']).to.match(/node\.exe$/i);
      expect(info).to.include({ pid, endedAt: null, exitCode: null });
      expect(info['workingSet']).to.be.above(1e6);
      // Within an hour of now, whatever the clocks say to each other.
      expect(Math.abs(Date.parse(String(info['startedAt'])) - Date.now())).to.be.below(3.6e6);
      const list = (await b('run', 'listProcesses')) as {
        pid: number;
        parentPid: number;
        name: string;
      }[];
      const entry = list.find((found) => found.pid === pid);
      expect(entry).to.include({ parentPid: own, name: 'node.exe' });
      const tree = (await b('run', 'processTree', own)) as { pid: number }[];
      expect(tree.map((found) => found.pid)).to.deep.equal([pid]);
    });

    it('is when they end, and how', async () => {
      const pid = Number(await a('startIdle'));
      const late = await failure(b('run', 'waitForProcess', pid, { timeout: 0.05 }));
      expect(late['code']).to.equal('ERR_TIMEOUT');
      const ended = b('run', 'waitForProcess', pid);
      await a('make', 'j', 'JobObject', null);
      await a('call', 'j', 'assign', pid);
      await a('call', 'j', 'terminate', 9);
      expect(await ended).to.equal(9);
      expect(await a('exitCode', pid)).to.equal(9);
    });

    it('is that there is none', async () => {
      const none = await failure(a('run', 'processInfo', 4_000_000_000));
      expect(none['winerror']).to.equal(1168);
      const gone = await failure(a('run', 'waitForProcess', 4_000_000_000));
      expect(gone['winerror']).to.equal(1168);
      expect(await a('run', 'processRuns', 4_000_000_000)).to.equal(false);
    });
  });
});
