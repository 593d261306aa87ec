import { once } from 'node:events';
import { createServer, type Server, type Socket, connect as tcp } from 'node:net';
import { expect } from 'chai';
import type { ServiceStatus } from '../../../../src/service/windows/scm-api.ts';
import type * as Calls from '../../../fixtures/windows/scm-calls.ts';
import { Lifelines } from '../../../support/lifelines.ts';
import type { WatchedFile } from '../../../support/watched-file.ts';
import { WindowsScm } from '../../../support/windows-scm.ts';
import { wine } from '../../../support/wine.ts';

const SCRIPT = 'test/fixtures/windows/hosted-service.ts';

/** A client on this side. */
class Client {
  readonly #socket: Socket;
  #got = '';
  #heard = (): void => {};
  /** All that came since the last question. */
  readonly closed: Promise<string>;

  constructor(port: number) {
    this.#socket = tcp(port, '127.0.0.1').setEncoding('utf8');
    this.#socket.on('data', (text: string) => {
      this.#got += text;
      this.#heard();
    });
    this.#socket.on('error', () => {});
    this.closed = new Promise((resolve) => this.#socket.on('close', () => resolve(this.#got)));
  }

  send(line: string): void {
    this.#socket.write(`${line}\n`);
  }

  /** Sends a line and gives what comes next; '' when it is not served. */
  async ask(line: string): Promise<string> {
    const heard = new Promise<void>((resolve) => {
      this.#heard = resolve;
    });
    this.send(line);
    await Promise.race([heard, this.closed]);
    const answer = this.#got.trim();
    this.#got = '';
    return answer;
  }

  end(): void {
    this.#socket.destroy();
  }
}

/** Whether a client is let in. */
async function isServed(port: number): Promise<boolean> {
  const client = new Client(port);
  const answer = await client.ask('echo there?');
  client.end();
  return answer === 'there?';
}

async function refusal(done: Promise<unknown>): Promise<unknown> {
  try {
    await done;
  } catch (error) {
    return (error as { winerror?: number }).winerror ?? error; // as the agent gives it
  }
  return 'none';
}

describe('an application as a service of Windows', function () {
  this.timeout(40_000);
  const windows = wine();
  let scm: WindowsScm;
  let lifelines: Lifelines;
  let serial = 0;

  before(async function () {
    await windows.ready(this);
    scm = await WindowsScm.start(windows);
    lifelines = await Lifelines.listen();
  });
  afterEach(() => scm.clear());
  after(async () => {
    lifelines?.close();
    await scm?.end();
  });

  interface Made {
    readonly name: string;
    readonly notes: WatchedFile;
    readonly log: WatchedFile;
  }

  async function make(...options: string[]): Promise<Made> {
    const name = `strand-app-${++serial}`;
    const [notes, log] = [windows.file(`${name}.notes`), windows.file(`${name}.log`)];
    const files = [windows.path(notes.path), windows.path(log.path)];
    await scm.createScript(name, SCRIPT, [name, ...files, ...options]);
    return { name, notes, log };
  }

  async function started(...options: string[]): Promise<Made & { readonly port: number }> {
    const made = await make(...options);
    await scm.start(made.name, 'one', 'zwei ü');
    await scm.until(made.name, 'running');
    const [, port] = await made.notes.waitFor(/^port (\d+)$/m);
    return { ...made, port: Number(port) };
  }

  /** Starts one that does not come to run, and gives how it ended. */
  async function failed(...options: string[]): Promise<Made & { readonly status: ServiceStatus }> {
    const made = await make(...options);
    // One that is stopped before the manager has looked did not answer, as Wine has it.
    expect(await refusal(scm.start(made.name))).to.be.oneOf(['none', 1053]);
    await made.notes.waitFor(/^exit /m);
    const [status] = (await scm.until(made.name, 'stopped')).slice(-1);
    if (status === undefined) throw new Error('It has no status');
    return { ...made, status };
  }

  /** What the manager says of a service whose process is gone. */
  async function crashed(name: string): Promise<void> {
    if (windows.isWine) {
      // Wine 8 sees it only when it has something to tell it: 'The pipe is being closed'.
      expect(await refusal(scm.control(name, 150))).to.equal(232);
      return;
    }
    await scm.until(name, 'stopped');
    expect(await scm.status(name)).to.include({ win32ExitCode: 1067, pid: 0 });
  }

  it('starts, serves clients of Linux, and stops with code 0', async () => {
    const { name, notes, log, port } = await started();
    const status = await scm.status(name);
    expect(status).to.include({ state: 'running', win32ExitCode: 0, checkPoint: 0, waitHint: 0 });
    expect(status.accepts).to.have.members(['stop', 'shutdown', 'pause-continue', 'param-change']);
    const clients = Array.from({ length: 20 }, () => new Client(port));
    const answers = await Promise.all(clients.map((client, n) => client.ask(`echo ${n}`)));
    expect(answers).to.deep.equal(clients.map((_, n) => String(n)));
    await scm.control(name, 'stop');
    await scm.until(name, 'stopped');
    expect(await scm.status(name)).to.include({ win32ExitCode: 0, serviceExitCode: 0, pid: 0 });
    await notes.waitFor(/^exit 0$/m);
    await Promise.all(clients.map((client) => client.closed));
    expect(notes.text).to.include('load ["one","zwei ü"]');
    expect(log.text).to.match(/Starting strand-app.*Stopping service strand-app.*\(stop\)/s);
  });

  it('is paused, continues, and gets controls of its own', async () => {
    const { name, notes, port } = await started();
    const kept = new Client(port);
    expect(await kept.ask('echo before')).to.equal('before');

    await scm.control(name, 'pause');
    await scm.until(name, 'paused');
    expect(await isServed(port)).to.equal(false);
    expect(await kept.ask('echo still')).to.equal('still');
    await scm.control(name, 142);
    await scm.control(name, 'continue');
    await scm.until(name, 'running');
    expect(await isServed(port)).to.equal(true);
    await scm.control(name, 'param-change');
    expect(notes.text).to.match(/pause\ncontrol custom 142\ncontrol param-change 6\n/);
    expect(await refusal(scm.control(name, 'net-bind-add'))).to.equal(1052);
    kept.end();
  });

  it('a stop finishes what is in flight, and shows progress', async () => {
    const { name, notes, port } = await started('wait-hint=0.3');
    const waiting = Array.from({ length: 5 }, () => new Client(port));
    // The last has its answer before: all have been heard.
    for (const client of waiting) expect(await client.ask('echo x')).to.equal('x');
    for (const client of waiting) client.send('slow 1');
    const busy = Array.from({ length: 5 }, () => new Client(port));
    let answers = 0;
    const talks = busy.map(async (client) => {
      while ((await client.ask('echo y')) === 'y') answers += 1;
    });
    await new Client(port).ask('echo z');

    const seen = scm.until(name, 'stopped');
    expect((await scm.control(name, 'stop')).state).to.equal('stop-pending');
    await notes.waitFor(/^stop with/m);
    expect(await isServed(port)).to.equal(false);
    const pending = (await seen).filter(({ state }) => state === 'stop-pending');
    const points = pending.map(({ checkPoint }) => checkPoint);
    expect(points.length).to.be.greaterThan(2);
    expect(points).to.deep.equal([...new Set(points)].sort((a, b) => a - b));
    expect(pending.every(({ waitHint, accepts }) => waitHint > 0 && accepts.length === 0)).to.equal(
      true,
    );
    expect(await scm.status(name)).to.include({ win32ExitCode: 0 });
    expect(notes.text).to.match(/stop with 5 in flight\nstopped\n/);
    for (const client of waiting) expect(await client.closed).to.equal('done\n');
    await Promise.all(talks);
    expect(answers).to.be.greaterThan(0);
  });

  it('a second stop while it stops, and any other control, is refused (1061)', async () => {
    const { name, notes, port } = await started('wait-hint=5');
    const client = new Client(port);
    expect(await client.ask('echo x')).to.equal('x');
    client.send('slow 0.5');
    await client.ask('echo heard');
    await scm.control(name, 'stop');
    for (const control of ['stop', 'pause', 150]) {
      expect(await refusal(scm.control(name, control)), String(control)).to.equal(1061);
    }
    await scm.until(name, 'stopped');
    expect(notes.text.match(/^stop with/gm)).to.have.length(1);
    expect(await client.closed).to.equal('done\n');
  });

  it('ends with the codes it gives itself', async () => {
    const one = await started();
    await scm.control(one.name, 202);
    await one.notes.waitFor(/^exit 5$/m);
    await scm.until(one.name, 'stopped');
    expect(await scm.status(one.name)).to.include({
      win32ExitCode: 1066,
      serviceExitCode: 0x20000005,
    });
    const two = await started();
    await scm.control(two.name, 203);
    await two.notes.waitFor(/^exit 1326$/m);
    await scm.until(two.name, 'stopped');
    expect(await scm.status(two.name)).to.include({ win32ExitCode: 1326, serviceExitCode: 0 });
    expect(two.log.text).to.include('Cannot log on somewhere');
  });

  it('is started again by restartService()', async () => {
    const { name, notes, port } = await started();
    const { pid } = await scm.status(name);
    await scm.call('restart', name);
    const status = await scm.status(name);
    expect(status.state).to.equal('running');
    expect(status.pid).not.to.equal(pid);
    const [, again] = await notes.waitFor(/^exit 0$.*^port (\d+)$/ms);
    expect(await isServed(Number(again))).to.equal(true);
    if (Number(again) !== port) expect(await isServed(port)).to.equal(false);
  });

  describe('ends, and says why, when it fails to start:', () => {
    it('its module is missing (1064)', async () => {
      const { status, log, notes } = await failed('fail=module');
      expect(status).to.include({ win32ExitCode: 1064, pid: 0 });
      expect(log.text).to.match(/failed to start.*is-missing/s);
      expect(notes.text).to.include('exit 1064');
    });

    it('a service in it fails with a Windows error, which is the code', async () => {
      const { status, notes, log } = await failed('fail=start');
      expect(status).to.include({ win32ExitCode: 5, pid: 0 });
      // What had started is stopped.
      expect(notes.text).to.match(/^port \d+\nstop with 0 in flight\nstopped\nexit 5$/m);
      expect(log.text).to.include('Cannot open the safe');
    });

    it('its port is taken (1064)', async () => {
      const server: Server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      const port = typeof address === 'object' ? address?.port : undefined;
      const { status, log } = await failed('fail=port', `port=${port}`);
      server.close();
      expect(status).to.include({ win32ExitCode: 1064, pid: 0 });
      expect(log.text).to.match(new RegExp(`failed to start.*${port}`, 's'));
    });

    it('it does not come to an end (1070)', async () => {
      const { status, log } = await failed('fail=hang', 'start-timeout=0.5');
      expect(status).to.include({ win32ExitCode: 1070, pid: 0 });
      expect(log.text).to.include('hangs while it starts');
    });
  });

  describe('an error that nobody catches', () => {
    it('is logged, and the service goes on', async () => {
      const { name, log, port } = await started();
      await scm.control(name, 200);
      await log.waitFor(/thrown where nobody catches/);
      expect(await isServed(port)).to.equal(true);
      expect((await scm.status(name)).state).to.equal('running');
    });

    it('stops it with an error, where that is wanted', async () => {
      const { name, notes } = await started('stray=stop');
      await refusal(scm.control(name, 200));
      await notes.waitFor(/^stopped\nexit 1$/m);
      await scm.until(name, 'stopped');
      expect(await scm.status(name)).to.include({
        win32ExitCode: 1066,
        serviceExitCode: 0x20000001,
      });
    });

    it('ends its process without a word, where that is wanted', async () => {
      const life = lifelines.next('service');
      const { name, notes, log } = await started('stray=crash', `life=${lifelines.port}`);
      const { gone } = await life;
      const { pid } = await scm.status(name);
      await refusal(scm.control(name, 200));
      await notes.waitFor(/^exit 1064$/m);
      await gone;
      expect(log.text).to.include('thrown where nobody catches');
      await crashed(name);
      const life2 = lifelines.next('service');
      await scm.start(name);
      await life2;
      expect((await scm.until(name, 'running')).at(-1)?.pid).not.to.equal(pid);
    });
  });

  it('a stop that hangs is given up by the deadline (1053)', async () => {
    const life = lifelines.next('service');
    const { name, notes, log } = await started(
      'hang=yes',
      'stop-timeout=0.5',
      `life=${lifelines.port}`,
    );
    const { gone } = await life;
    await scm.control(name, 'stop');
    await gone;
    await scm.until(name, 'stopped');
    expect(await scm.status(name)).to.include({ win32ExitCode: 1053, pid: 0 });
    expect(notes.text).to.match(/^exit 1053$/m);
    expect(log.text).to.match(/Gave up waiting after 0.5 s .*door/);
  });

  describe('its child processes end with it', () => {
    async function startedWithChildren() {
      const lives = ['service', 'child', 'known child'].map((name) => lifelines.next(name));
      const { name } = await started(`life=${lifelines.port}`);
      const gone = (await Promise.all(lives)).map((life) => life.gone);
      return { name, gone };
    }

    it('when it stops', async () => {
      const { name, gone } = await startedWithChildren();
      await scm.control(name, 'stop');
      await scm.until(name, 'stopped');
      await Promise.all(gone);
    });

    it('when it is killed', async () => {
      const { name, gone } = await startedWithChildren();
      await refusal(scm.control(name, 201));
      await Promise.all(gone);
      await crashed(name);
    });
  });

  it('ten lives, from installation to removal, leave nothing', async () => {
    const [notes, log] = [windows.file('ten.notes'), windows.file('ten.log')];
    const file = await windows.bundle(SCRIPT);
    const words = [windows.node(), file, 'strand-ten', notes.path, log.path];
    const imagePath = words
      .map((word, n) => (n === 0 || n === 2 ? word : windows.path(word)))
      .map((word) => `"${word}"`)
      .join(' ');
    const usage = async () => (await scm.call('usage')) as ReturnType<typeof Calls.usage>; // that is what it calls
    const live = () => scm.call('live', { name: 'strand-ten', imagePath });
    await live(); // once, for what is opened with the first and kept
    const before = await usage();
    for (let turn = 0; turn < 10; turn++) await live();
    const after = await usage();
    // Whatever is left behind by each life would be ten.
    expect(after.own - before.own, 'handles of the client').to.be.below(5);
    expect(after.manager - before.manager, 'handles of the manager').to.be.below(5);
    expect(after.processes - before.processes, 'processes').to.be.below(1);
    expect(notes.text.match(/^exit 0$/gm)).to.have.length(11);
    expect(await scm.call('traces', 'strand-ten')).to.deep.equal([]);
    expect(await refusal(scm.status('strand-ten'))).to.equal(1060);
  });

  describe('a class of the service framework', () => {
    it('runs, pauses, continues, gets controls, and stops', async () => {
      const { name, notes, port } = await started('framework=yes');
      expect(await isServed(port)).to.equal(true);
      expect((await scm.status(name)).accepts).to.include('pause-continue');
      await scm.control(name, 'pause');
      await scm.until(name, 'paused');
      await scm.control(name, 'continue');
      await scm.until(name, 'running');
      await scm.control(name, 180);
      await scm.control(name, 'stop');
      await scm.until(name, 'stopped');
      expect(await scm.status(name)).to.include({ win32ExitCode: 0, pid: 0 });
      await notes.waitFor(/^exit 0$/m);
      expect(notes.text).to.match(
        /^run \["strand-app-\d+","one","zwei ü"\]\nport \d+\nSvcPause\nSvcContinue\nSvcOther 180\nSvcStop\nexit 0\n$/,
      );
    });

    it('whose SvcDoRun fails ends with a code of its own', async () => {
      const { name, notes, log } = await make('framework=yes');
      await scm.start(name, 'fail');
      await notes.waitFor(/^exit 1$/m);
      await scm.until(name, 'stopped');
      expect(await scm.status(name)).to.include({
        win32ExitCode: 1066,
        serviceExitCode: 0x20000001,
      });
      expect(log.text).to.include('I was told to fail');
    });
  });
});
