import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect } from 'chai';
import { fixture, killChildren, run, start } from '../../support/twistd-child.ts';

/** The exit code of a process, of which Linux keeps eight bits. */
const seen = (code: number): number => (process.platform === 'win32' ? code : code & 0xff);

describe('debug', () => {
  afterEach(killChildren);

  it('runs an application as the service manager would, until Ctrl+C', async () => {
    const child = start(['debug', '--service', fixture('apps/echo.ts'), '--log-level', 'debug']);
    expect(await child.port()).to.be.greaterThan(0);
    await child.waitForLine(/^.*Started echo$/m);
    const { code, stdout } = await child.stop('SIGINT');
    expect(code).to.equal(0);
    expect(stdout)
      .to.match(/^Debugging service echo - press Ctrl\+C to stop\.\n/)
      .and.to.match(/Stopping service echo \(self\)/)
      .and.to.match(/Stopped echo/);
  });

  it('works where it is told to, and finds the application from where it was started', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'strand-debug-'));
    try {
      const child = start(['--service', 'where', 'debug', '-d', folder], { cwd: fixture('apps') });
      await child.waitForLine(new RegExp(`imported in .*${basename(folder)}`));
      await child.waitForLine(/Started where$/m);
      expect((await child.stop('SIGTERM')).code).to.equal(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('ends with the code that the service manager would be told', async () => {
    const { code, stdout } = await run(['--service', fixture('apps/throws.ts'), 'debug']);
    expect(stdout).to.match(/Service throws failed to start/);
    expect(code).to.equal(seen(1064));
  });

  it('runs a class with handleCommandLine()', async () => {
    const child = start(['debug', 'one', '--', '-two'], { program: fixture('windows/ping.ts') });
    await child.waitForLine(/^args strand-ping one -two$/m);
    const { code, stdout } = await child.stop('SIGINT');
    expect(code).to.equal(0);
    expect(stdout).to.match(/^stop$/m);
  });

  it('ends a class that fails with its own code 1', async () => {
    const { code, stdout } = await run(['debug', 'fail'], { program: fixture('windows/ping.ts') });
    expect(code).to.equal(1);
    expect(stdout).to.match(/Service strand-ping failed.*I was told to fail/s);
  });
});
