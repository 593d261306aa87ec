/** The examples of docs/win32-toolbox.md, run on Windows as they are. */
import { expect } from 'chai';
import { type WindowsProcess, wine } from '../../../support/wine.ts';

describe('On Windows, the example', function () {
  this.timeout(60_000);
  const windows = wine();
  before(windows.prepare);
  afterEach(() => windows.killPrograms());

  async function start(name: string, ...args: readonly string[]): Promise<WindowsProcess> {
    return windows.start(await windows.bundle(`docs/examples/win32-${name}.ts`), args);
  }
  const output = async (name: string, ...args: readonly string[]): Promise<string> =>
    (await (await start(name, ...args)).ended).stdout.trim();

  it('win32-once.ts runs once at a time', async () => {
    const first = await start('once');
    await first.waitForLine(/Running/);
    const second = await (await start('once')).ended;
    expect(second.code).to.equal(1);
    expect(second.stdout).to.include("Cannot take the name 'strand example'");
    first.kill();
    await first.ended;
    await (await start('once')).waitForLine(/Running/);
  });

  it('win32-count.ts counts together', async () => {
    const counts = await Promise.all([output('count'), output('count'), output('count')]);
    const highest = Math.max(...counts.map((text) => Number(/^Counted to (\d+)$/.exec(text)?.[1])));
    // All of it when they overlap, as they mostly do; the number is new for one that comes when the others have gone.
    expect(highest).to.be.oneOf([100, 200, 300]);
  });

  it('win32-signal.ts waits for another', async () => {
    expect(await output('signal', 'set')).to.equal('Nobody waits');
    const waiting = await start('signal', 'wait');
    await waiting.waitForLine(/Waiting/);
    expect(await output('signal', 'set')).to.equal('');
    expect(await waiting.ended).to.include({ code: 0, stdout: 'Waiting\nIt was set\n' });
  });

  it('win32-mailslot.ts reads what others write', async () => {
    const reading = await start('mailslot', 'read');
    await reading.waitForLine(/Reading/);
    for (const text of ['hello', 'stop']) await output('mailslot', 'write', text);
    expect((await reading.ended).stdout).to.equal('Reading\nGot hello\nGot stop\n');
  });

  it('win32-pipe.ts greets', async () => {
    const server = await start('pipe', 'serve');
    await server.waitForLine(/Serving/);
    expect(await output('pipe', 'ask')).to.match(/^Hello, ./m);
    await server.waitForLine(/Process \d+ comes in/);
  });

  it('win32-children.ts takes its child along', async () => {
    const { code, stdout } = await (await start('children')).ended;
    expect(code).to.equal(0);
    expect(stdout).to.match(
      /^node\.exe \d+, started by \d+: in the job true\n .*node\.exe, \d+ MiB, since \d{4}-/,
    );
  });

  it('win32-watch.ts tells what becomes of a service', async () => {
    await windows.tool('sc', ['create', 'strand-seen', 'binPath=', 'c:\\nothing.exe']);
    const watching = await start('watch', 'strand-seen');
    await watching.waitForLine(/strand-seen is stopped/);
    await windows.tool('sc', ['delete', 'strand-seen']);
    expect((await watching.ended).stdout).to.match(/strand-seen is removed\n$/);
    expect(await output('watch', 'strand-seen')).to.match(/There is no such service/);
  });
});
