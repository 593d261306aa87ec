import { expect } from 'chai';
import { NativeCallsUnavailable } from '../../../src/service/index.ts';
import { MemorySystem } from '../../support/service-system.ts';
import { fixture, ROOT } from '../../support/twistd-child.ts';

interface Finding {
  readonly level: string;
  readonly check: string;
  readonly text: string;
  readonly advice?: string;
}

describe('doctor', () => {
  let system: MemorySystem;
  beforeEach(() => {
    system = new MemorySystem();
    system.host({ start: () => undefined, stop: () => undefined });
  });

  /** What it finds besides that all is well. */
  async function findings(...argv: string[]): Promise<Finding[]> {
    const { out } = await system.echo('doctor', '--json', ...argv);
    const { findings } = JSON.parse(out) as { findings: Finding[] };
    return findings.filter(({ level }) => level !== 'ok');
  }

  async function only(...argv: string[]): Promise<Finding> {
    const [finding, ...more] = await findings(...argv);
    expect(more).to.deep.equal([]);
    if (finding === undefined) throw new Error('It found nothing');
    return finding;
  }

  it('says that all is well', async () => {
    await system.echo('install');
    expect(await system.echo('doctor')).to.deep.equal({
      code: 0,
      out: [
        '[ok]   Node 22.18.0 reads TypeScript by itself',
        '[ok]   Windows can be called',
        '[ok]   This terminal has the rights of an administrator',
        '[ok]   Service is installed, and stopped',
        '[ok]   Its command line is as it should be',
        '[ok]   Source echo is registered in the event log',
        '[ok]   Its log is D:\\Data\\strand\\logs\\echo.log\n',
      ].join('\n'),
      err: '',
    });
  });

  it('finds that the service is not installed', async () => {
    expect(await system.echo('doctor')).to.include({ code: 0 });
    expect(await only()).to.include({ level: 'warn', text: 'Service echo is not installed' });
  });

  it('ends with 1 for what fails, and says what to do', async () => {
    await system.echo('install', '--startup', 'disabled');
    const { code, out } = await system.echo('doctor');
    expect(code).to.equal(1);
    expect(out).to.include(
      '[FAIL] The service is disabled (1058)\n       Enable it: update --startup manual.\n',
    );
    expect(JSON.parse((await system.echo('doctor', '--json')).out)).to.include({
      ok: false,
      code: 1,
      command: 'doctor',
    });
  });

  it('finds that Windows cannot be called, and looks no further', async () => {
    const unavailable = (): never => {
      throw new NativeCallsUnavailable('koffi is missing');
    };
    system.scm = {
      openManager: unavailable,
      grantLogonRight: unavailable,
      isElevated: unavailable,
    };
    expect(await only()).to.deep.equal({
      level: 'fail',
      check: 'koffi',
      text: 'koffi is missing',
      advice: 'npm install koffi, with the node that the service runs on.',
    });
  });

  it('finds a node that reads no TypeScript, and one that needs to be told', async () => {
    await system.echo('install');
    system.nodeVersion = '20.19.0';
    const [node, line] = await findings();
    expect(node).to.include({ level: 'warn', check: 'node' });
    expect(line?.text).to.match(/Node 20\.19\.0 does not read TypeScript/);
    system.nodeVersion = '22.6.0';
    expect((await only()).text).to.match(/would now be .* --experimental-strip-types /);
    expect((await system.echo('doctor')).out).to.match(/reads TypeScript with --experimental-/);
  });

  it('finds that rights are missing', async () => {
    await system.echo('install');
    system.memory.elevated = false;
    expect(await only()).to.include({
      level: 'warn',
      check: 'rights',
      advice: 'Open one with "Run as administrator".',
    });
  });

  it('finds how it ended', async () => {
    system.host({ start: () => Promise.reject(new Error('no')), stop: () => undefined });
    await system.echo('install');
    await system.echo('start');
    expect(await only()).to.include({
      check: 'exit code',
      text: 'Last time it ended with 1064: An error in the service made it fail',
      advice: 'The command logs shows the end of its log.',
    });
  });

  it('finds another account than is expected', async () => {
    await system.echo('install');
    expect(await findings('--username', 'localsystem')).to.deep.equal([]);
    expect(await only('--username', 'virtual')).to.include({
      check: 'account',
      text: 'It runs as LocalSystem, not as NT SERVICE\\echo',
      advice: 'Change it: update --username NT SERVICE\\echo.',
    });
  });

  it('finds recovery that waits for crashes only, and windows that nobody sees', async () => {
    await system.echo(
      'install',
      '--recovery',
      'restart/1s',
      '--no-on-nonzero-exit',
      '--interactive',
    );
    expect((await findings()).map(({ check }) => check)).to.deep.equal(['recovery', 'interactive']);
    await system.echo('update', '--on-nonzero-exit');
    expect((await only()).check).to.equal('interactive');
  });

  it('finds what the command line names and is not there', async () => {
    await system.echo('install');
    const { execPath } = system;
    system.files = new Set(['D:\\Data\\strand\\logs']);
    expect((await findings()).map(({ text }) => text)).to.deep.equal([
      `Its program is not there: ${execPath}`,
      `Its script is not there: ${ROOT}twistd.ts`,
      `Its application is not there: ${fixture('apps/echo.ts')}`,
      `Its folder is not there: ${ROOT.slice(0, -1)}`,
    ]);
    system.files = null;
    expect((await system.twistd('--service', './gone/echo.ts', 'doctor')).out).to.match(
      /\[warn\] Cannot find application ".\/gone\/echo.ts"/,
    );
  });

  it('finds a command line that others could put a program before', async () => {
    await system.echo('install');
    system.look('echo', (service) =>
      service.changeConfig({ imagePath: 'C:\\Program Files\\nodejs\\node.exe x' }),
    );
    expect((await findings())[0]).to.include({
      level: 'fail',
      text: "The program's path has blanks and no quotation marks: C:\\Program Files\\nodejs\\node.exe x",
    });
  });

  it('finds a command line that would be another now', async () => {
    await system.echo('install');
    const finding = await only('--log-level', 'warn');
    expect(finding).to.include({ level: 'warn', check: 'command line' });
    expect(finding.text).to.match(/^It is "C:.*, and would now be .* --log-level warn$/);
  });

  it("finds a program in a user's own folder", async () => {
    await system.echo('install');
    const line = '"C:\\Users\\anna\\node.exe" C:\\t.js --run-service echo --logfile C:\\l\\a.log';
    system.look('echo', (service) => service.changeConfig({ imagePath: line }));
    expect((await findings())[0]?.text).to.match(/^It lies in a user's own folder/);
    system.look('echo', (service) =>
      service.changeConfig({ imagePath: line.replace('anna', 'Public') }),
    );
    expect((await findings())[0]?.text).to.match(/^It is "C:/);
  });

  it('finds a source of events that is not registered, and a log without a folder', async () => {
    await system.echo('install', '--event-source', 'My echo');
    system.events.unregister('My echo');
    expect((await only()).text).to.match(/^Source My echo is not registered in the event log/);
    system.events.register('My echo');
    system.files = new Set([
      ...[system.execPath, `${ROOT}twistd.ts`, fixture('apps/echo.ts'), ROOT.slice(0, -1)],
    ]);
    expect(await only()).to.include({
      level: 'fail',
      check: 'log',
      text: 'The folder of its log is not there: D:\\Data\\strand\\logs',
    });
  });
});
