import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import type { WatchedFile } from '../../../support/watched-file.ts';
import { WindowsScm } from '../../../support/windows-scm.ts';
import { wine } from '../../../support/wine.ts';

const SCRIPT = 'test/fixtures/windows/raw-service.ts';

describe('KoffiScm on Windows: the life of a service', function () {
  this.timeout(40_000);
  const windows = wine();
  let scm: WindowsScm;
  let serial = 0;

  before(async function () {
    await windows.ready(this);
    scm = await WindowsScm.start(windows);
  });
  afterEach(() => scm.clear());
  after(() => scm?.end());

  /** Makes a service of the fixture, which notes into the file what happens. */
  async function make(...options: string[]): Promise<{ name: string; notes: WatchedFile }> {
    const name = `strand-life-${++serial}`;
    const notes = windows.file(`${name}.txt`);
    await scm.createScript(name, SCRIPT, [name, windows.path(notes.path), ...options]);
    return { name, notes };
  }

  async function started(...options: string[]) {
    const { name, notes } = await make(...options);
    await scm.start(name, 'one', 'zwei ü');
    const [, port] = await notes.waitFor(/^port (\d+)$/m);
    await scm.until(name, 'running');
    return { name, notes, port: Number(port) };
  }

  async function refusal(done: Promise<unknown>): Promise<unknown> {
    try {
      await done;
    } catch (error) {
      return (error as { winerror?: number }).winerror ?? error; // as the agent gives it
    }
    return 'none';
  }

  async function echoed(port: number, text: string): Promise<string> {
    const socket = connect(port, '127.0.0.1');
    socket.end(text);
    let got = '';
    socket.setEncoding('utf8').on('data', (part: string) => {
      got += part;
    });
    await once(socket, 'close');
    return got;
  }

  it('starts, serves clients of Linux, stops with code 0, and is gone when deleted', async () => {
    const { name, notes, port } = await started();
    const status = await scm.status(name);
    expect(status).to.include({ state: 'running', win32ExitCode: 0, checkPoint: 0, waitHint: 0 });
    expect(status.pid).to.be.greaterThan(0);
    expect(status.accepts).to.have.members([
      'stop',
      'pause-continue',
      'param-change',
      'preshutdown',
    ]);
    expect(await echoed(port, 'hello')).to.equal('hello');

    const told = scm.call('watched', name, 'stopped');
    expect((await scm.control(name, 'stop')).state).to.be.oneOf(['stop-pending', 'stopped']);
    await scm.until(name, 'stopped');
    expect(await scm.status(name)).to.include({ win32ExitCode: 0, serviceExitCode: 0 });
    expect(await told).to.satisfy((states: string[]) => states.at(-1) === 'stopped');
    // The dispatcher's Deferred fires, and nothing keeps the process.
    await notes.waitFor(/^dispatcher returned$/m);
    await notes.waitFor(/^exit 0$/m);
    await scm.service(name, 'delete', ['delete']);
    await scm.call('gone', name);
  });

  it('gives main its name and the arguments of start()', async () => {
    const { name, notes } = await started();
    expect(notes.text).to.include(`main ${JSON.stringify([name, 'one', 'zwei ü'])}`);
  });

  it('reportStopped() reaches the manager once, whoever asks again, and nothing after it', async () => {
    const { name, notes } = await started('stop=42');
    await scm.control(name, 'stop');
    await scm.until(name, 'stopped');
    await notes.waitFor(/^again$/m);
    expect(notes.text).to.include('reported stopped');
    expect(await scm.status(name)).to.include({
      state: 'stopped',
      win32ExitCode: 1066,
      serviceExitCode: 42,
      pid: 0,
    });
  });

  it('reportStopped() may be called inside the handler', async () => {
    const { name, notes } = await started('stop-at-once', 'stop=7');
    await scm.control(name, 'stop');
    await notes.waitFor(/^exit 0$/m);
    await scm.until(name, 'stopped');
    expect(await scm.status(name)).to.include({ win32ExitCode: 1066, serviceExitCode: 7 });
  });

  it('pauses and continues', async () => {
    const { name, notes } = await started();
    expect((await scm.control(name, 'pause')).state).to.equal('paused');
    expect((await scm.status(name)).state).to.equal('paused');
    expect((await scm.control(name, 'continue')).state).to.equal('running');
    expect(notes.text).to.match(
      /control {"type":"pause","code":2}\ncontrol {"type":"continue","code":3}/,
    );
  });

  it('gets the other controls', async () => {
    const { name, notes } = await started();
    await scm.control(name, 130);
    await scm.control(name, 'param-change');
    await scm.control(name, 'interrogate');
    expect(notes.text).to.include('control {"type":"custom","code":130}');
    expect(notes.text).to.include('control {"type":"param-change","code":6}');
  });

  it('lives on when its handler throws', async () => {
    const { name } = await started();
    await refusal(scm.control(name, 201));
    expect((await scm.status(name)).state).to.equal('running');
    expect((await scm.control(name, 'pause')).state).to.equal('paused');
  });

  it('refuses controls it does not accept (1052), and a second start (1056)', async () => {
    const { name } = await started();
    expect(await refusal(scm.control(name, 'net-bind-add'))).to.equal(1052);
    expect(await refusal(scm.start(name))).to.equal(1056);
  });

  it('a main that throws ends the service with 1064, and its process', async () => {
    const { name, notes } = await make('throw');
    // Wine has it that a service which is stopped before it ran did not answer.
    expect(await refusal(scm.start(name))).to.be.oneOf(['none', 1053, 1064]);
    await notes.waitFor(/^dispatcher failed main threw$/m);
    await notes.waitFor(/^exit 3$/m);
    await scm.until(name, 'stopped');
    expect(await scm.status(name)).to.include({ win32ExitCode: 1064, pid: 0 });
  });

  it('process.exit() in a running service ends its process at once', async () => {
    const { name, notes, port } = await started();
    // The system closes it with the process.
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    const closed = once(socket, 'close');
    await refusal(scm.control(name, 200));
    await notes.waitFor(/^exit 7$/m);
    await closed;
    // Wine 8 does not look after processes; Windows does.
    if (windows.isWine) return;
    await scm.until(name, 'stopped');
    expect(await scm.status(name)).to.include({ win32ExitCode: 1067, pid: 0 });
  });

  it('stops well while controls rain on it', async () => {
    const { name } = await started();
    const rain = Array.from({ length: 40 }, () => refusal(scm.control(name, 150)));
    const stop = scm.control(name, 'stop');
    await Promise.all(rain);
    await refusal(stop);
    await scm.until(name, 'stopped');
    expect(await scm.status(name)).to.include({ win32ExitCode: 0 });
  });

  it('runs again and again without leaving handles', async () => {
    const { name, notes } = await started();
    for (let turn = 0; turn < 3; turn++) {
      await scm.control(name, 'stop');
      await scm.until(name, 'stopped');
      await scm.start(name);
      await scm.until(name, 'running');
    }
    expect(notes.text.match(/^port /gm)).to.have.length.within(3, 4);
    await scm.control(name, 'stop');
    await scm.until(name, 'stopped');
    await scm.service(name, 'delete', ['delete']);
    await scm.call('gone', name);
  });

  it('does its work without a thread of the pool', async () => {
    const { name, notes } = await started();
    await scm.control(name, 202);
    await notes.waitFor(/^pool is free$/m);
    expect((await scm.control(name, 'interrogate')).state).to.equal('running');
  });
});
