import type { ChildProcess, spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { CancelledError } from '../../src/deferred/index.ts';
import { Clock } from '../../src/reactor/index.ts';
import { capturedLogs, StartError } from '../../src/service/index.ts';
import type { ToWorker } from '../../src/service/twistd/workers/messages.ts';
import { WorkerSupervisor } from '../../src/service/twistd/workers/supervisor.ts';

/** A process that does what the test says. */
class FakeWorker extends EventEmitter {
  readonly pid: number | undefined;
  readonly number: string;
  connected = true;
  readonly signals: string[] = [];
  readonly told: ToWorker[] = [];

  constructor(pid: number | undefined, number: string) {
    super();
    this.pid = pid;
    this.number = number;
  }

  send(message: ToWorker, _: unknown, sent: () => void): void {
    this.told.push(message);
    sent();
  }

  kill(signal: string): void {
    this.signals.push(signal);
  }

  say(message: object, socket?: object): void {
    this.emit('message', message, socket);
  }

  end(code: number | null, signal: string | null = null, closes = true): void {
    this.connected = false;
    this.emit('exit', code, signal);
    if (closes) this.emit('close', code, signal);
  }
}

/** Everything that promises have to do. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('WorkerSupervisor', () => {
  let clock: Clock;
  let made: FakeWorker[];
  let logs: ReturnType<typeof capturedLogs>;
  let supervisor: WorkerSupervisor;

  beforeEach(() => {
    clock = new Clock();
    made = [];
    logs = capturedLogs();
  });
  afterEach(() => {
    logs.stop();
    process.removeAllListeners('SIGHUP');
  });

  function supervise(workers: number, root: string | null = null): WorkerSupervisor {
    const make = (_: string, __: readonly string[], options: { env: NodeJS.ProcessEnv }) => {
      const worker = new FakeWorker(made.length + 100, options.env['STRAND_WORKER'] ?? '');
      made.push(worker);
      return worker as unknown as ChildProcess; // all that is used of one
    };
    supervisor = new WorkerSupervisor({
      ...{ workers, argv: [], directory: '/', stopTimeout: 5, clock, root, log: null },
      retryPolicy: (attempts) => attempts,
      spawn: make as unknown as typeof spawn, // in the one way that it is called
    });
    return supervisor;
  }

  /** Has the newest worker start. */
  async function begin(worker = made.at(-1)): Promise<void> {
    worker?.say({ strand: 'started' });
    await settled();
  }

  async function running(workers: number): Promise<void> {
    const start = supervise(workers).startService();
    await begin();
    for (const worker of made.slice(1)) await begin(worker);
    await start;
    expect(made).to.have.length(workers);
  }

  const messages = (): string[] => logs.entries.map(({ message }) => message);
  const pids = (): number[] => supervisor.pids;

  it('starts the others when the first has bound what they share', async () => {
    const start = supervise(2).startService();
    const socket = { close: () => {} };
    made[0]?.say({ strand: 'bound', address: 'tcp:x' }, socket);
    expect(made).to.have.length(1);
    await begin();
    expect(made[1]?.told).to.deep.equal([
      { strand: 'socket', address: 'tcp:x' },
      { strand: 'start' },
    ]);
    await begin();
    await start;
    expect(pids()).to.deep.equal([100, 101]);
    // What an application says over the same channel is its own.
    for (const odd of [null, 5, {}, { strand: 'started' }, { strand: 'bound', address: 'y' }]) {
      made[0]?.emit('message', odd, null);
    }
    expect(pids()).to.deep.equal([100, 101]);
  });

  it('waits longer each time before it starts one again, until one has lived', async () => {
    await running(1);
    made[0]?.end(1);
    expect(supervisor.notReady()).to.equal('worker 1 does not run');
    clock.advance(1);
    expect(made).to.have.length(2);
    made[1]?.end(1);
    await settled();
    clock.advance(1.9);
    expect(made).to.have.length(2);
    clock.advance(0.1);
    expect(made).to.have.length(3);
    await begin();
    clock.advance(60);
    made[2]?.end(null, 'SIGSEGV');
    expect(messages().at(-1)).to.equal('Worker 1 starts again in 1.0 s');
    expect(messages()).to.include('Worker 1 (process 102) has ended with SIGSEGV');
    clock.advance(1);
    expect(made).to.have.length(4);
  });

  it('notices an end though what the worker has started holds its streams', async () => {
    await running(1);
    made[0]?.end(1, null, false);
    expect(pids()).to.deep.equal([100]);
    clock.advance(1);
    expect(pids()).to.deep.equal([]);
    clock.advance(1);
    expect(made).to.have.length(2);
  });

  it('does not take a worker for ended that cannot be signalled', async () => {
    await running(1);
    made[0]?.emit('error', new Error('kill EPERM'));
    made[0]?.emit('error', new Error('kill EPERM'));
    expect(pids()).to.deep.equal([100]);
  });

  it('stops during the start, of which nothing is left', async () => {
    const start = supervise(2).startService();
    const stop = supervisor.stopService();
    expect(made[0]?.signals).to.deep.equal(['SIGTERM']);
    // It was about to say so.
    made[0]?.say({ strand: 'started' });
    await settled();
    expect(made, 'the second is not started any more').to.have.length(1);
    expect(pids()).to.deep.equal([]);
    expect(messages().filter((text) => text.includes('has started'))).to.deep.equal([]);
    made[0]?.end(0);
    await stop;
    const error = await start.catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(CancelledError);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('stops while it waits to start one again, of which nothing is left', async () => {
    await running(2);
    made[0]?.end(1);
    expect(clock.getDelayedCalls()).to.have.length(1);
    const stop = supervisor.stopService();
    made[1]?.end(0);
    await stop;
    expect(clock.getDelayedCalls()).to.deep.equal([]);
    expect(made).to.have.length(2);
  });

  it('kills what does not stop', async () => {
    await running(1);
    const stop = supervisor.stopService();
    clock.advance(7);
    expect(made[0]?.signals).to.deep.equal(['SIGTERM', 'SIGKILL']);
    made[0]?.end(null, 'SIGKILL');
    await stop;
  });

  it('says why the first could not start', async () => {
    const start = supervise(2).startService();
    made[0]?.say({ strand: 'failed', text: 'twistd: no database\n' });
    made[0]?.end(1);
    const error = await start.catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(StartError);
    expect(String(error)).to.include('Worker 1 has not started: no database');
  });

  describe('replacing them', () => {
    it('keeps an old one whose replacement fails', async () => {
      await running(2);
      const restart = supervisor.restart();
      await settled();
      made[2]?.say({ strand: 'failed', text: 'twistd: a mistake\n' });
      made[2]?.end(1);
      await restart;
      expect(pids()).to.deep.equal([100, 101]);
      expect(messages().at(-1)).to.match(/^Worker 1 stays as it is: .*a mistake/);
      clock.advance(100);
      expect(made).to.have.length(3);
    });

    it('has one in each place when the old one dies while the new one starts', async () => {
      await running(1);
      const restart = supervisor.restart();
      await settled();
      made[0]?.end(1);
      await begin(made[1]);
      await restart;
      clock.advance(100);
      expect(made).to.have.length(2);
      expect(pids()).to.deep.equal([101]);
    });

    it('starts one after a while when both have failed', async () => {
      await running(1);
      const restart = supervisor.restart();
      await settled();
      made[0]?.end(1);
      made[1]?.end(1);
      await restart;
      clock.advance(1);
      expect(made).to.have.length(3);
      await begin();
      expect(pids()).to.deep.equal([102]);
    });

    it('waits for one that is being started again, which it then replaces', async () => {
      await running(1);
      made[0]?.end(1);
      clock.advance(1);
      const restart = supervisor.restart();
      await settled();
      expect(made).to.have.length(2);
      await begin(made[1]);
      await begin(made[2]);
      expect(made[1]?.signals).to.deep.equal(['SIGTERM']);
      made[1]?.end(0);
      await restart;
      expect(pids()).to.deep.equal([102]);
      expect(made).to.have.length(3);
    });

    it('waits for the start, and is done again when it is asked for meanwhile', async () => {
      const start = supervise(1).startService();
      process.emit('SIGHUP');
      await settled();
      expect(made).to.have.length(1);
      await begin();
      await start;
      await settled();
      expect(made).to.have.length(2);
      const restart = supervisor.restart();
      await begin(made[1]);
      made[0]?.end(0);
      await settled();
      expect(made, 'the code may have changed since').to.have.length(3);
      await begin(made[2]);
      made[1]?.end(0);
      await restart;
      expect(pids()).to.deep.equal([102]);
    });

    it('closes sockets that nobody listens on any more', async () => {
      const closed: string[] = [];
      const socket = (name: string) => ({ close: () => void closed.push(name) });
      const start = supervise(1).startService();
      made[0]?.say({ strand: 'bound', address: 'old' }, socket('old'));
      made[0]?.say({ strand: 'bound', address: 'both' }, socket('both'));
      await begin();
      await start;
      const restart = supervisor.restart();
      await settled();
      made[1]?.say({ strand: 'taken', address: 'both' });
      await begin();
      expect(closed).to.deep.equal([]);
      made[0]?.end(0);
      await restart;
      expect(closed).to.deep.equal(['old']);
      expect(made[1]?.told.at(-1)).to.deep.equal({ strand: 'drop', address: 'old' });
      const stop = supervisor.stopService();
      made[1]?.end(0);
      await stop;
      expect(closed).to.deep.equal(['old', 'both']);
    });
  });

  it('does not wait for what a worker that has ended would say', async () => {
    await running(2);
    const reports = supervisor.reports();
    const report = { strand: 'report', question: 1, metrics: { report: {}, runtime: [] } };
    made[0]?.say(report);
    made[1]?.end(1);
    expect(await reports).to.have.length(1);
  });

  it('tells which workers do not say how they stand', async () => {
    await running(2);
    const reports = supervisor.reports();
    const report = { strand: 'report', question: 1, metrics: { report: {}, runtime: [] } };
    made[0]?.say(report);
    clock.advance(2);
    expect(await reports).to.have.length(1);
    expect(supervisor.notReady()).to.equal('worker 2 does not answer');
    const again = supervisor.reports();
    for (const worker of made) worker.say({ ...report, question: 2 });
    await again;
    expect(supervisor.notReady()).to.equal(null);
  });

  it('removes the files of UNIX sockets from the root directory they were bound in, and no other', async function () {
    if (process.platform === 'win32') this.skip();
    const folder = mkdtempSync(join(tmpdir(), 'strand-root-'));
    try {
      for (const name of ['jail', 'outside']) {
        mkdirSync(join(folder, name));
        for (const file of ['sock', 'sock.lock']) writeFileSync(join(folder, name, file), '');
      }
      symlinkSync('../outside', join(folder, 'jail/link'));
      const start = supervise(1, join(folder, 'jail')).startService();
      for (const path of ['/sock', '/link/sock', `${folder}/outside/sock`]) {
        made[0]?.say({ strand: 'bound', address: `unix:${path}` }, {});
      }
      await begin();
      await start;
      const stop = supervisor.stopService();
      made[0]?.end(0);
      await stop;
      expect(existsSync(join(folder, 'jail/sock'))).to.equal(false);
      expect(existsSync(join(folder, 'jail/sock.lock'))).to.equal(false);
      expect(existsSync(join(folder, 'outside/sock'))).to.equal(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
