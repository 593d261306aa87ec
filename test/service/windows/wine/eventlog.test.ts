import { expect } from 'chai';
import { type WindowsAgent, wine } from '../../../support/wine.ts';

const CALLS = 'test/fixtures/windows/eventlog-calls.ts';

describe('EventLog on Windows', () => {
  const windows = wine();
  let agent: WindowsAgent;

  before(async function () {
    await windows.ready(this);
    agent = await windows.agent();
  });
  after(() => agent?.end());

  it('register() writes what the viewer looks for, and unregister() leaves nothing', async () => {
    expect(await agent.call(CALLS, 'isRegistered', 'Strand test')).to.equal(false);
    await agent.call(CALLS, 'register', 'Strand test');
    expect(await agent.call(CALLS, 'registered', 'Strand test')).to.deep.equal({
      file: '%SystemRoot%\\System32\\EventCreate.exe',
      types: 7,
      custom: 1,
    });
    await agent.call(CALLS, 'register', 'Strand test', 'C:\\own.dll');
    expect(await agent.call(CALLS, 'registered', 'Strand test')).to.include({
      file: 'C:\\own.dll',
    });
    expect(await agent.call(CALLS, 'isRegistered', 'strand TEST')).to.equal(true);
    expect(await agent.call(CALLS, 'unregister', 'Strand test')).to.equal(true);
    expect(await agent.call(CALLS, 'unregister', 'Strand test')).to.equal(false);
    expect(await agent.call(CALLS, 'registered', 'Strand test')).to.equal(null);
  });

  it('events are written, and none after the end', async () => {
    expect(await agent.call(CALLS, 'write', 'Strand test')).to.match(
      /^Cannot write to the event log of "Strand test": .* \(6\)$/,
    );
  });

  it('events of all levels reach Windows with their text', async function () {
    // Wine keeps no log, but says what it was given where its warnings go.
    if (!windows.isWine) this.skip();
    const env = { WINEDEBUG: 'warn+eventlog,trace+eventlog' };
    const talking = await windows.agent({ env });
    await talking.call(CALLS, 'write', 'Strand test');
    const { stdout } = await talking.finish();
    expect(stdout).to.match(/An information: .*\\00fc|An information: ü/);
    expect(stdout).to.include('A warning');
    expect(stdout).to.include('(1/4) xxx');
    expect(stdout).to.include('(4/4) xxx');
  });
});
