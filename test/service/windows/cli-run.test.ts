import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseOptions } from '../../../src/service/twistd/options.ts';
import { debugOptions, serviceMainOptions } from '../../../src/service/windows/cli-run.ts';
import { runServiceOnWindows } from '../../../src/service/windows/cli-twistd.ts';
import { MemorySystem } from '../../support/service-system.ts';
import { fixture } from '../../support/twistd-child.ts';

describe('the process of an installed service', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'strand-run-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('has a log, a source of events, and limits, as its command line says', () => {
    const logfile = join(folder, 'new', 'a.log');
    const options = serviceMainOptions({
      name: 'echo',
      host: { logfile, logFormat: 'json', logLevel: 'warn', stopTimeout: 7 },
      directory: folder,
      preshutdown: true,
      eventSource: 'My echo',
    });
    expect(options).to.deep.include({
      name: 'echo',
      log: { file: logfile, format: 'json', level: 'warn' },
      directory: folder,
      preshutdown: true,
      stopTimeout: 7,
    });
    expect(options.events).to.have.property('source', 'My echo');
    expect(existsSync(join(folder, 'new'))).to.equal(true);
  });

  it('has defaults: no limit of its own, its name as source', () => {
    const options = serviceMainOptions({ name: 'x'.repeat(256), host: {} });
    expect(options).not.to.have.property('stopTimeout');
    expect(options.events).to.have.property('source', 'x'.repeat(255));
    expect(options.log).to.deep.equal({ file: '-' });
  });

  it('has no event log and no file while it is debugged, unless told otherwise', () => {
    const { memory } = new MemorySystem();
    const options = debugOptions({ name: 'echo', host: {}, directory: folder }, memory);
    expect(options).to.deep.include({ log: {}, directory: folder });
    expect(options).not.to.have.property('events');
    expect(options.scm()).to.equal(memory);
  });

  it('notes in its log that Windows cannot be called, and ends with an error', async function () {
    if (process.platform === 'win32') this.skip();
    const logfile = join(folder, 'a.log');
    const request = parseOptions([
      ...['--run-service', 'echo', '--service', fixture('apps/echo.ts'), '--logfile', logfile],
    ]);
    if (request.kind !== 'service') throw new Error('It is no service');
    expect(await runServiceOnWindows(request.process)).to.equal(1064);
    expect(readFileSync(logfile, 'utf8'))
      .to.match(/warn: Child processes may outlive the service/)
      .and.to.match(/critical: Cannot run service echo\n\tNativeCallsUnavailable: /);
  });
});
