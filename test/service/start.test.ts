import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import sinon from 'sinon';
import { type Parts, start } from '../../src/service/twistd/start.ts';

describe('start()', () => {
  let folder: string;
  let shown: sinon.SinonStub;
  let events: string[];
  let broken: Parts;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'strand-start-'));
    shown = sinon.stub(process.stderr, 'write').returns(true);
    events = [];
    broken = {
      load: () => Promise.reject(new Error('Cannot find package "rxjs"')),
      writeEvent: async (source, text) => {
        events.push(`${source}: ${text}`);
      },
    };
  });
  afterEach(() => {
    shown.restore();
    rmSync(folder, { recursive: true });
  });

  it('runs the program, and gives its exit code', async () => {
    const main = (argv: readonly string[]): Promise<number> => Promise.resolve(argv.length);
    expect(await start(['a', 'b'], { load: () => Promise.resolve({ main }) })).to.equal(2);
  });

  it('tells log and event log of a service why the program cannot be loaded', async () => {
    const file = join(folder, 'new', 'a.log');
    const argv = ['--run-service', 'a', '--service', 'x', '--logfile', file];
    expect(await start(argv, broken)).to.equal(1);
    expect(await start([...argv, '--event-source', 'A'], broken)).to.equal(1);
    const text = readFileSync(file, 'utf8');
    const line = /^twistd: Process \d+ cannot load the program: Error: Cannot find pa/gm;
    expect(text.match(line)).to.have.length(2);
    expect(shown.callCount).to.equal(2);
    expect(events[0]).to.match(/^a: twistd: Process \d+ cannot load .* "rxjs"/);
    expect(events[1]).to.match(/^A: twistd/);
  });

  it('tells standard error alone where there is no service', async () => {
    const file = join(folder, 'a.log');
    for (const argv of [
      ['--service', 'x', '--logfile', file],
      ['--', '--run-service', 'a', '--logfile', file],
    ]) {
      expect(await start(argv, broken)).to.equal(1);
    }
    expect(() => readFileSync(file)).to.throw(/ENOENT/);
    expect(events).to.deep.equal([]);
    expect(shown.callCount).to.equal(2);
    expect(shown.firstCall.args[0]).to.match(/cannot load the program: Error: Cannot find package/);
  });

  it('goes on where neither log can be written', async () => {
    const writeEvent = (): Promise<void> => Promise.reject(new Error('no koffi'));
    const argv = ['--run-service', 'a', '--logfile', folder];
    expect(await start(argv, { ...broken, writeEvent })).to.equal(1);
    expect(shown.secondCall.args[0]).to.match(/^twistd: Cannot write to the log: /);
    expect(await start(['--run-service', 'a', '--logfile'], broken)).to.equal(1);
  });
});
