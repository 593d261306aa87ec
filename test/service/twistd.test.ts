import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { main } from '../../src/service/twistd/index.ts';
import { fixture, killChildren, ROOT, run, start } from '../support/twistd-child.ts';

/** Runs twistd's program here: for what ends before the reactor would run. */
async function runHere(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const code = await main(argv, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
}

describe('twistd', () => {
  let folder: string;
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'strand-twistd-')));
  });
  afterEach(async () => {
    await killChildren();
    rmSync(folder, { recursive: true });
  });

  it('hosts an application that serves clients, logs to standard output, and exits 0 on SIGTERM', async () => {
    const child = start(['--service', fixture('apps/echo.ts')]);
    const client = connect(await child.port(), '127.0.0.1');
    client.write('hello');
    const [data] = await once(client, 'data');
    expect(String(data)).to.equal('hello');
    client.destroy();
    const { code, signal, stdout, stderr } = await child.stop('SIGTERM');
    expect({ code, signal, stderr }).to.deep.equal({ code: 0, signal: null, stderr: '' });
    expect(stdout)
      .to.match(/\[twistd\] info: Starting echo/)
      .and.to.match(/\[twistd\] info: Stopping echo on SIGTERM/);
    expect(stdout.trimEnd().split('\n').at(-1)).to.match(/\[twistd\] info: Stopped echo$/);
    expect(stdout).not.to.include('\x1b');
  });

  it('exits 0 on SIGINT, with connections open, and hangs up on them', async () => {
    const child = start(['-ny', fixture('apps/echo.ts')]);
    const client = connect(await child.port(), '127.0.0.1');
    client.write('x');
    await once(client, 'data');
    client.on('error', () => {});
    const closed = once(client, 'close');
    const { code } = await child.stop('SIGINT');
    expect(code).to.equal(0);
    await closed;
  });

  it('finds an application by its name in the run directory, logs JSON, and ends though something keeps the loop alive', async () => {
    const child = start(['--service', 'where', '-d', fixture('apps'), '--log-format', 'json']);
    await child.waitForLine(/^up$/m);
    const { code, stdout } = await child.stop();
    expect(code).to.equal(0);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .filter((line) => line !== 'up')
      .map((line) => JSON.parse(line));
    expect(lines[0]).to.include({
      level: 'info',
      namespace: 'where',
      message: `imported in ${join(ROOT, 'test/fixtures/apps')}`,
    });
    expect(lines.map(({ message }) => message)).to.include.members([
      'Started where',
      'Stopping where on SIGTERM',
      'Stopped where',
    ]);
  });

  it('finds what is named relative to where it is called, and puts the log there, whatever the run directory', async () => {
    const rundir = mkdtempSync(join(folder, 'run-'));
    copyFileSync(fixture('apps/where.ts'), join(folder, 'where.ts'));
    // The copy is elsewhere, so it says where the framework is.
    const app = join(folder, 'where.ts');
    const text = readFileSync(app, 'utf8').replace(
      '../../../src/index.ts',
      pathToFileURL(join(ROOT, 'src/index.ts')).href,
    );
    writeFileSync(app, text);
    const child = start(['--service', './where', '-d', rundir, '-l', 'twistd.log', '-n'], {
      cwd: folder,
    });
    const log = join(folder, 'twistd.log');
    await child.waitForLine(/up/);
    const { code, stdout, stderr } = await child.stop();
    expect({ code, stdout, stderr }).to.deep.equal({ code: 0, stdout: 'up\n', stderr: '' });
    const logged = readFileSync(log, 'utf8');
    expect(logged).to.include(`imported in ${rundir}`).and.to.include('Stopped where');
  });

  it('gives up on what does not stop, names it in the log, and exits 0', async () => {
    const child = start(['--service', fixture('apps/hangs.ts'), '--stop-timeout', '0.05']);
    await child.waitForLine(/Started hangs/);
    const { code, stdout } = await child.stop();
    expect(code).to.equal(0);
    expect(stdout).to.match(
      /error: Gave up waiting after 0.05 s for what did not stop: hangs\/storage\/Pool$/m,
    );
    expect(stdout).to.include('polite one stopped');
  });

  it('logs errors that nobody caught, with their tracebacks, and goes on', async () => {
    const child = start(['--service', fixture('apps/stray-errors.ts')]);
    await child.waitForLine(/still here/);
    const { code, stdout, stderr } = await child.stop();
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    for (const [origin, message] of [
      ['Uncaught exception', 'thrown in a tick'],
      ['Unhandled promise rejection', 'rejected for nobody'],
      ['Unhandled error in Deferred', 'failed for nobody'],
      ['Unhandled error in .*', 'thrown in a timed call'],
    ]) {
      expect(stdout).to.match(
        new RegExp(`critical: ${origin}\n\tError: ${message}\n\t +at .*stray-errors.ts`),
      );
    }
  });

  it('waits for a start that takes its time', async () => {
    const child = start(['--service', fixture('apps/slow-start.ts')]);
    await child.waitForLine(/reached it[\s\S]*Started slow-start/);
    expect((await child.stop()).code).to.equal(0);
  });

  it('exits 1 when a start fails in its own time', async () => {
    const { code, stdout, stderr } = await run([
      '--service',
      fixture('apps/slow-start.ts'),
      '--',
      'fail',
    ]);
    expect(code).to.equal(1);
    expect(stderr).to.match(
      /^twistd: Cannot start application "slow-start": no database\nError: no database\n +at /,
    );
    expect(stdout).to.match(
      /critical: Cannot start application "slow-start": no database\n\tError: no database\n/,
    );
    expect(stdout).not.to.include('reached it');
    expect(stdout).to.include('second one stopped'); // it had its privileged start
  });

  it('exits 0 when it is stopped while it starts', async () => {
    const child = start(['--service', fixture('apps/slow-start.ts'), '--', 'never']);
    await child.waitForLine(/no answer yet/);
    const { code, stdout } = await child.stop();
    expect(code).to.equal(0);
    expect(stdout).not.to.include('Started slow-start');
  });

  for (const during of ['privilegedStartService', 'startService']) {
    it(`stops in good order on a signal that comes during ${during}()`, async () => {
      const { code, signal, stdout } = await run([
        '--service',
        fixture('apps/stopped-at-once.ts'),
        '--',
        during,
      ]);
      expect({ code, signal }).to.deep.equal({ code: 0, signal: null });
      expect(stdout).to.match(
        /Stopping stopped-at-once on SIGTERM[\s\S]*told to stop[\s\S]*Stopped/,
      );
    });
  }

  it('exits 1 with the reason when a port is in use, and stops what had been started', async () => {
    const { code, stdout, stderr } = await run(['--service', fixture('apps/port-in-use.ts')]);
    expect(code).to.equal(1);
    const port = /taken: (\d+)/.exec(stdout)?.[1];
    expect(stderr).to.match(
      new RegExp(
        `^twistd: Cannot start application "port-in-use": Cannot listen on 127.0.0.1:${port}: .*EADDRINUSE.*\n$`,
      ),
    );
    expect(stdout).to.match(/critical: Cannot start application "port-in-use": Cannot listen on/);
    expect(stdout).not.to.include('stopped though never started');
    expect(stdout).to.match(/closed 127.0.0.1/);
  });

  it('exits 1 with the stack when the module throws on import', async () => {
    const { code, stdout, stderr } = await run(['--service', fixture('apps/throws.ts')]);
    expect(code).to.equal(1);
    expect(stderr).to.match(
      /^twistd: Cannot load application ".*": importing .*throws.ts failed: no application today\nRangeError: no application today\n +at .*throws.ts:2/,
    );
    expect(stdout).to.match(
      /critical: Cannot load application .*\n\tRangeError: no application today/,
    );
  });

  it('exits 1 when the import never comes to an end', async () => {
    writeFileSync(join(folder, 'never.mjs'), 'await new Promise(() => {});');
    const { code, stderr } = await run(['--service', 'never'], { cwd: folder });
    expect(code).to.equal(1);
    expect(stderr).to.match(
      /^twistd: Cannot load application "never": .* It waits for something that never comes\n/,
    );
  });

  it('exits 1 when the module exports no application', async () => {
    const { code, stderr } = await run(['--service', fixture('apps/no-application.ts')]);
    expect(code).to.equal(1);
    expect(stderr).to.match(
      /^twistd: Cannot host application ".*": it exports 'app', but no 'application', 'default' or 'makeService'\n$/,
    );
  });

  it('exits 1 when the module does not exist', async () => {
    const { code, stdout, stderr } = await run(['--service', 'nowhere'], { cwd: folder });
    expect(code).to.equal(1);
    expect(stderr)
      .to.include('twistd: Cannot find application "nowhere": tried ')
      .and.to.include(join(folder, 'nowhere.ts'));
    expect(stdout).to.include('critical: Cannot find application "nowhere"');
  });

  it('exits 1 when the log file cannot be opened', async () => {
    const { code, stdout, stderr } = await run(
      ['--service', fixture('apps/echo.ts'), '-l', 'missing/twistd.log'],
      { cwd: folder },
    );
    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' });
    expect(stderr).to.match(/^twistd: Cannot open log file ".*missing\/twistd.log": ENOENT.*\n$/);
  });

  it('exits 1 when the run directory is missing', async () => {
    const { code, err } = await runHere(
      '--service',
      'x',
      '-d',
      join(folder, 'missing'),
      '-l',
      join(folder, 'log'),
    );
    expect(code).to.equal(1);
    expect(err).to.match(/^twistd: Cannot change to directory ".*missing": ENOENT.*\n$/);
    expect(readFileSync(join(folder, 'log'), 'utf8')).to.include(
      'critical: Cannot change to directory',
    );
  });

  it('exits 2 with the reason for wrong usage', async () => {
    const { code, stderr, stdout } = await run(['--service', 'x', '--bogus']);
    expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' });
    expect(stderr).to.equal(
      "twistd: Unknown option '--bogus'\nTry 'twistd --help' for more information.\n",
    );
    for (const argv of [
      [],
      ['--service', 'a', '-y', 'b'],
      ['--service', 'a', '--log-format', 'xml'],
      ['--service', 'a', '--stop-timeout', 'x'],
      ['--service', 'a', '--reactor', 'x'],
      ['--service', 'a', 'strat'],
    ]) {
      expect((await runHere(...argv)).code, argv.join(' ')).to.equal(2);
    }
  });

  it('exits 0 after --help, --version and --help-reactors', async () => {
    const { code, stdout, stderr } = await run(['--help']);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    expect(stdout).to.match(/^Usage: twistd/);
    expect((await runHere('--version')).out).to.match(/^twistd \(Strand\) \d/);
    expect((await runHere('--help-reactors')).code).to.equal(0);
  });

  it('goes on when nobody reads its standard output any more', async () => {
    const child = start(['--service', fixture('apps/echo.ts')]);
    const port = await child.port();
    child.closeOutput();
    const client = connect(port, '127.0.0.1'); // whose connection is logged, for nobody
    client.write('hello');
    const [data] = await once(client, 'data');
    expect(String(data)).to.equal('hello');
    client.destroy();
    const { code, signal } = await child.stop();
    expect({ code, signal }).to.deep.equal({ code: 0, signal: null });
  });

  it('goes on, says so once, and ends, when the disk of its log is full', async function () {
    if (!existsSync('/dev/full')) this.skip();
    const child = start(['--service', fixture('apps/where.ts'), '-l', '/dev/full']);
    await child.waitForLine(/up/);
    const { code, stderr } = await child.stop();
    expect(code).to.equal(0);
    expect(stderr.match(/ENOSPC/g)).to.have.length(1);
  });

  it('gives an application outside of any ES module package the same copy of the framework', async () => {
    const app = join(folder, 'app.ts');
    const framework = pathToFileURL(join(ROOT, 'src/index.ts')).href;
    writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs" }');
    writeFileSync(join(folder, 'helper.ts'), `export { Logger } from '${framework}';\n`);
    writeFileSync(
      app,
      `import { Application, reactor } from '${framework}';
       import { Logger } from './helper.ts';
       export const application = Application('outside');
       reactor.callWhenRunning(() => new Logger('outside').info('running'));\n`,
    );
    const child = start(['--service', 'app'], { cwd: folder });
    await child.waitForLine(/\[outside\] info: running/);
    expect((await child.stop()).code).to.equal(0);
  });
});
