/** What of the toolbox works, or says why it does not, on every system. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import fc from 'fast-check';
import { WindowsError } from '../../../../src/service/windows/errors.ts';
import {
  accessList,
  Event,
  JobObject,
  listProcesses,
  Mailslot,
  Mutex,
  NamedPipeServer,
  processInfo,
  processRuns,
  processTree,
  Semaphore,
  SharedMemory,
  waitForProcess,
} from '../../../../src/service/windows/ipc/index.ts';
import type {
  JobKernel,
  JobLimits,
  ProcessKernel,
} from '../../../../src/service/windows/ipc/kernel.ts';
import {
  checkName,
  mailslotPath,
  nameKey,
  pipePath,
} from '../../../../src/service/windows/ipc/names.ts';

const WINDOWS = process.platform === 'win32';

describe('on a system without Windows', () => {
  before(function () {
    if (WINDOWS) this.skip();
  });

  for (const [what, use] of [
    ['a Mutex', () => new Mutex('x')],
    ['a Semaphore', () => new Semaphore('x')],
    ['an Event', () => new Event('x')],
    ['SharedMemory', () => SharedMemory.create('x', 1)],
    ['SharedMemory', () => SharedMemory.open('x')],
    ['a Mailslot', () => new Mailslot('x')],
    ['a Mailslot', () => Mailslot.connect('x')],
    ['a JobObject', () => new JobObject()],
    ['listProcesses', () => listProcesses()],
    ['processInfo', () => processInfo()],
    ['processRuns', () => processRuns(1)],
    ['waitForProcess', () => waitForProcess(1)],
    // What makes it is never asked for protocols.
    ['a NamedPipeServer', () => new NamedPipeServer('x', {} as never)],
  ] as const) {
    it(`${what} says that only Windows has it`, () => {
      expect(use)
        .to.throw(`Cannot use ${what} on '${process.platform}': only Windows has it`)
        .with.property('code', 'ERR_UNSUPPORTED_PLATFORM');
    });
  }

  it('importing it loads neither koffi nor rxjs', async () => {
    const program = `
      await import(${JSON.stringify(new URL('../../../../src/service/windows/ipc/index.ts', import.meta.url).href)});
      const { createRequire } = await import('node:module');
      console.log(Object.keys(createRequire(import.meta.url).cache).filter((path) => /rxjs|koffi/.test(path)).length);`;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', program];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(stdout.trim()).to.equal('0');
  });
});

describe('names', () => {
  const refused = (f: () => unknown): void => {
    expect(f).to.throw(WindowsError).with.property('code', 'ERROR_INVALID_NAME');
  };

  it('checkName() takes what Windows does', () => {
    for (const name of ['x', 'Global\\x', 'Local\\a b/c:é', 'x'.repeat(260)]) {
      expect(checkName('mutex', name)).to.equal(name);
    }
    expect([checkName('mutex', undefined), checkName('mutex', null)]).to.deep.equal([null, null]);
  });

  it('checkName() refuses the others', () => {
    for (const name of [
      '',
      'Global\\',
      'a\\b',
      'global\\x',
      'Global\\a\\b',
      'a\0b',
      'x'.repeat(261),
    ]) {
      refused(() => checkName('mutex', name));
    }
    expect(() => checkName('mutex', 5)).to.throw(
      TypeError,
      'Name of a mutex must be a text: got 5',
    );
  });

  it('nameKey() is one for all spellings of a name, and differs for others', () => {
    const name = fc.stringMatching(/^[a-zA-Z]{1,5}$/);
    fc.assert(
      fc.property(name, name, fc.constantFrom(0, 1), (one, two, session) => {
        expect(nameKey(`Local\\${one}`, session)).to.equal(nameKey(one, session));
        const global = nameKey(`Global\\${one}`, session) === nameKey(one, session);
        expect(global).to.equal(session === 0);
        if (one !== two) expect(nameKey(one, session)).not.to.equal(nameKey(two, session));
      }),
    );
  });

  it('pipePath() and mailslotPath() take a name or a path', () => {
    expect(pipePath('x')).to.equal('\\\\.\\pipe\\x');
    expect(pipePath('\\\\.\\PIPE\\x')).to.equal('\\\\.\\pipe\\x');
    expect(mailslotPath('a\\b', false)).to.equal('\\\\.\\mailslot\\a\\b');
    expect(mailslotPath('\\\\host\\mailslot\\x', true)).to.equal('\\\\host\\mailslot\\x');
    for (const name of ['', '\\\\.\\pipe\\', 'a\\b', '\\\\host\\pipe\\x', 'x'.repeat(260), 'a\0']) {
      refused(() => pipePath(name));
    }
    for (const name of ['', '\\x', 'x\\', 'a\\\\b', '\\\\host\\mailslot\\x', 'x'.repeat(260)]) {
      refused(() => mailslotPath(name, false));
    }
    expect(() => pipePath(undefined)).to.throw(TypeError);
  });
});

describe('accessList()', () => {
  it('writes SDDL, refusals first, with the system and administrators', () => {
    expect(
      accessList([
        { who: 'users', may: 'connect' },
        { who: 'S-1-5-21-1-2-3-1001', may: 'use' },
        { who: 'PU', may: 0x1f },
        { who: 'network', may: 'all', deny: true },
      ]),
    ).to.equal(
      'D:(D;;GA;;;NU)(A;;0x12019b;;;BU)(A;;0x12019f;;;S-1-5-21-1-2-3-1001)(A;;0x1f;;;PU)(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;OW)',
    );
    expect(accessList([{ who: 'everyone', may: 'read' }], { only: true })).to.equal(
      'D:(A;;GR;;;WD)',
    );
  });

  it('refuses whom and what there is not', () => {
    // What could smuggle an entry in, and callers from JavaScript.
    for (const who of ['nobody', 'WD)(A;;GA;;;WD', '', 5 as unknown as string]) {
      expect(() => accessList([{ who, may: 'use' }])).to.throw(TypeError, 'Cannot grant to');
    }
    for (const may of ['everything' as 'all', 0, -1, 1.5, 2 ** 32]) {
      expect(() => accessList([{ who: 'users', may }])).to.throw(TypeError, 'Right must be');
    }
  });
});

describe('JobObject', () => {
  class FakeJobs
    implements Pick<JobKernel, 'createJob' | 'openJob' | 'limits' | 'setLimits' | 'closeHandle'>
  {
    readonly set: JobLimits[] = [];
    exists = false;
    open = 0;
    refuse = false;
    createJob() {
      this.open += 1;
      return { handle: 1n, created: !this.exists };
    }
    openJob() {
      this.open += 1;
      return 1n;
    }
    closeHandle() {
      this.open -= 1;
    }
    limits(): JobLimits {
      return { ...DEFAULTS, breakaway: true, jobMemory: 9 };
    }
    setLimits(_handle: bigint, limits: JobLimits): void {
      if (this.refuse) throw new WindowsError(87, 'limit');
      this.set.push(limits);
    }
  }
  let jobs: FakeJobs;
  let kernel: JobKernel;
  beforeEach(() => {
    jobs = new FakeJobs();
    kernel = jobs as unknown as JobKernel; // the tests below call no more of it
  });
  const DEFAULTS = {
    killOnClose: true,
    breakaway: false,
    silentBreakaway: false,
    dieOnUnhandledException: false,
  };

  it('ends its processes when it is closed, unless told otherwise', () => {
    new JobObject(null, { kernel });
    new JobObject(null, { kernel, killOnClose: false, jobMemory: 5 });
    expect(jobs.set).to.deep.equal([DEFAULTS, { ...DEFAULTS, killOnClose: false, jobMemory: 5 }]);
  });

  it('setLimits() keeps what was set before', () => {
    const job = new JobObject(null, { kernel, activeProcesses: 3 });
    job.setLimits({ breakaway: true });
    expect(jobs.set.at(-1)).to.deep.equal({ ...DEFAULTS, activeProcesses: 3, breakaway: true });
  });

  it('setLimits() of one that was there keeps what it has', () => {
    jobs.exists = true;
    const job = new JobObject('j', { kernel, activeProcesses: 3 });
    const all = { ...DEFAULTS, breakaway: true, jobMemory: 9, activeProcesses: 3 };
    expect(jobs.set.at(-1)).to.deep.equal(all);
    job.setLimits({ jobMemory: undefined });
    expect(jobs.set.at(-1)).to.deep.equal({ ...all, jobMemory: undefined });
  });

  it('leaves the limits of one that was there, and closes one that cannot be limited', () => {
    jobs.exists = true;
    new JobObject('j', { kernel }).close();
    JobObject.open('j', { kernel }).close();
    expect(jobs.set).to.deep.equal([]);
    jobs.refuse = true;
    expect(() => new JobObject('j', { kernel, activeProcesses: 1 })).to.throw(WindowsError);
    expect(jobs.open).to.equal(0);
  });

  it('refuses what makes no sense before it asks Windows', () => {
    for (const limits of [{ activeProcesses: 0 }, { jobMemory: 1.5 }, { processMemory: -1 }]) {
      expect(() => new JobObject(null, { kernel, ...limits })).to.throw(RangeError);
    }
    const job = new JobObject(null, { kernel });
    for (const pid of [0, -1, 1.5, 2 ** 32]) expect(() => job.assign(pid)).to.throw(RangeError);
    expect(() => job.terminate(-1)).to.throw(RangeError);
    job.close();
    expect(() => job.assignSelf())
      .to.throw(WindowsError)
      .with.property('winerror', 6);
  });
});

describe('processTree()', () => {
  it('gives children before grandchildren, and ends where numbers were used anew', () => {
    const entry = (pid: number, parentPid: number) => ({ pid, parentPid, name: 'x', threads: 1 });
    const kernel = {
      // 2 and 4 each say that the other started them.
      processes: () => [
        entry(3, 2),
        entry(2, 4),
        entry(5, 9),
        entry(4, 2),
        entry(2, 1),
        entry(1, 1),
      ],
      process: () => {
        throw new WindowsError(1168, 'query');
      },
    } satisfies Pick<ProcessKernel, 'processes' | 'process'>;
    expect(processTree(1, { kernel }).map(({ pid }) => pid)).to.deep.equal([2, 3, 4]);
    expect(processRuns(7, { kernel })).to.equal(false);
  });
});
