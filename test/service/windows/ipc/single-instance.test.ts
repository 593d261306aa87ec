/** Running once at a time: by a file here, by a mutex with Windows played. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { singleInstance } from '../../../../src/service/windows/ipc/index.ts';
import { FakeKernel } from './fake-kernel.ts';

const WINDOWS = process.platform === 'win32';

describe('singleInstance()', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'strand-single-'));
  });
  const running: ChildProcess[] = [];
  afterEach(() => {
    for (const child of running.splice(0)) child.kill('SIGKILL');
    rmSync(directory, { recursive: true });
  });

  it('by a file: a name is had once, and again once it is given back', function () {
    if (WINDOWS) this.skip();
    const one = singleInstance('the app', { directory });
    expect(one.clean).to.equal(true);
    expect(() => singleInstance('the app', { directory }))
      .to.throw(`Cannot take the name 'the app': process ${process.pid} has it`)
      .with.property('pid', process.pid);
    const other = singleInstance('another', { directory });
    one.release();
    one.release();
    const again = singleInstance('the app', { directory });
    again.release();
    other.release();
    expect(readdirSync(directory)).to.deep.equal([]);
  });

  it('by a file: takes over from a process that is gone, and says so', async function () {
    if (WINDOWS) this.skip();
    const { stdout } = await promisify(execFile)(process.execPath, ['-p', 'process.pid']);
    writeFileSync(join(directory, 'left.lock'), stdout.trim());
    const instance = singleInstance('left', { directory });
    expect(instance.clean).to.equal(false);
    instance.release();
  });

  it('the example win32-once.ts runs once at a time', async function () {
    if (WINDOWS) this.skip();
    this.timeout(60_000);
    const args = ['--import', 'tsx', 'docs/examples/win32-once.ts'];
    const env = { ...process.env, TMPDIR: directory };
    const first = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(first, 'exit');
    running.push(first);
    await once(first.stdout, 'data');
    const second = await promisify(execFile)(process.execPath, args, { env }).catch(
      (error: unknown) => error, // an object with what execFile tells
    );
    expect(second).to.include({ code: 1 });
    expect((second as { stdout: string }).stdout).to.equal(
      `Cannot take the name 'strand example': process ${first.pid} has it\n`,
    );
    first.kill('SIGTERM');
    expect((await ended)[0]).to.equal(0);
    expect(readdirSync(directory).filter((name) => name.endsWith('.lock'))).to.deep.equal([]);
  });

  it('by a file: release() minds no file that somebody has removed', function () {
    if (WINDOWS) this.skip();
    const one = singleInstance('the app', { directory });
    const file = join(directory, readdirSync(directory)[0] ?? '');
    writeFileSync(file, '1'); // another process has it since
    one.release();
    expect(readFileSync(file, 'utf8')).to.equal('1');
    rmSync(file);
    const two = singleInstance('the app', { directory });
    rmSync(file);
    two.release();
    expect(readdirSync(directory)).to.deep.equal([]);
  });

  it('by a mutex: the same', () => {
    const [one, two] = [new FakeKernel()].flatMap((kernel) => [
      kernel,
      new FakeKernel(kernel.machine),
    ]);
    const instance = singleInstance('the app', { kernel: one as FakeKernel });
    expect(() => singleInstance('the app', { kernel: two as FakeKernel }))
      .to.throw("Cannot take the name 'the app': another process has it")
      .with.property('code', 'ERR_ALREADY_RUNNING');
    expect(two?.handles.size).to.equal(0);
    instance.release();
    instance.release();
    expect(one?.handles.size).to.equal(0);
    expect(singleInstance('the app', { kernel: two as FakeKernel }).clean).to.equal(true);
  });

  it('names that differ in what files and objects cannot have are different names', () => {
    const kernel = new FakeKernel();
    const long = 'x'.repeat(300);
    for (const name of ['a/b', 'a:b', 'a\\b', 'a_b', long, `${long}y`, '..', 'ü']) {
      singleInstance(name, { kernel });
      if (!WINDOWS) singleInstance(name, { directory }).release();
    }
    expect(kernel.handles.size).to.equal(8);
    expect(() => singleInstance('', { kernel })).to.throw(TypeError);
  });
});
