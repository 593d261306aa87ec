import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { Clock } from '../../../src/reactor/index.ts';
import { capturedLogs, LogEntry, openSink } from '../../../src/service/index.ts';
import { serviceNotifier } from '../../../src/service/posix/systemd/notify.ts';
import { fixture, killChildren, ROOT, start } from '../../support/twistd-child.ts';

/** A socket that takes what services tell systemd. */
class NotifySocket {
  readonly path: string;
  readonly #child: ChildProcess;
  readonly #said: string[] = [];
  #wake: (() => void) | undefined;

  private constructor(path: string, child: ChildProcess) {
    this.path = path;
    this.#child = child;
  }

  static async open(path: string): Promise<NotifySocket> {
    const code = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace('@', '\\0', 1) if sys.argv[1][0] == '@' else sys.argv[1])
print('ready', flush=True)
while True: print(ascii(s.recv(4096).decode()), flush=True)`;
    const child = spawn('python3', ['-c', code, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const self = new NotifySocket(path, child);
    const lines = createInterface({ input: child.stdout });
    await once(lines, 'line');
    lines.on('line', (line) => {
      self.#said.push(line.slice(1, -1).replaceAll('\\n', '\n'));
      self.#wake?.();
    });
    return self;
  }

  /** The next message that matches. */
  async next(pattern: RegExp): Promise<string> {
    for (;;) {
      const at = this.#said.findIndex((message) => pattern.test(message));
      if (at >= 0) return this.#said.splice(0, at + 1).at(-1) ?? '';
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await once(this.#child, 'close');
  }
}

describe('serviceNotifier()', () => {
  it('tells the watchdog while the loop turns, at twice its rate', () => {
    const clock = new Clock();
    const sent: string[] = [];
    const environment = {
      ...{ NOTIFY_SOCKET: '/run/x', WATCHDOG_USEC: '10000000', WATCHDOG_PID: `${process.pid}` },
    };
    const notifier = serviceNotifier(clock, environment, (path, text) =>
      sent.push(`${path} ${text}`),
    );
    expect(environment, 'children are not to speak for it').to.deep.equal({});
    expect(sent.splice(0)).to.deep.equal(['/run/x WATCHDOG=1']);
    clock.advance(4.9);
    expect(sent).to.deep.equal([]);
    clock.advance(0.1);
    expect(sent.splice(0)).to.deep.equal(['/run/x WATCHDOG=1']);
    notifier?.ready('all\nwell');
    notifier?.stopping();
    expect(sent.splice(0)).to.deep.equal(['/run/x READY=1\nSTATUS=all well', '/run/x STOPPING=1']);
    notifier?.close();
    clock.advance(100);
    expect(sent).to.deep.equal([]);
  });

  it('keeps nothing from being done when nobody can be told', () => {
    const clock = new Clock();
    const logs = capturedLogs();
    const environment = { NOTIFY_SOCKET: '/run/x', WATCHDOG_USEC: '1000000' };
    const notifier = serviceNotifier(clock, environment, () => {
      throw new Error('no way there');
    });
    notifier?.ready('all well');
    notifier?.stopping();
    clock.advance(5);
    notifier?.close();
    logs.stop();
    expect(logs.entries.map(({ message }) => message)).to.deep.equal([
      'Cannot tell systemd: no way there',
    ]);
  });

  it('leaves the watchdog of another process alone, and is none without a socket', () => {
    const sent: string[] = [];
    const send = (_: string, text: string): void => void sent.push(text);
    const other = { NOTIFY_SOCKET: '@x', WATCHDOG_USEC: '1000', WATCHDOG_PID: '1' };
    expect(serviceNotifier(new Clock(), other, send)).not.to.equal(null);
    expect(serviceNotifier(new Clock(), {}, send)).to.equal(null);
    expect(serviceNotifier(new Clock(), { NOTIFY_SOCKET: 'relative' }, send)).to.equal(null);
    expect(sent).to.deep.equal([]);
  });
});

describe('a service of systemd', function () {
  this.timeout(30_000);
  let folder: string;
  let socket: NotifySocket | undefined;
  before(function () {
    if (process.platform !== 'linux') this.skip();
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'strand-notify-'));
  });
  afterEach(async () => {
    await killChildren();
    await socket?.close();
    socket = undefined;
    rmSync(folder, { recursive: true });
  });

  for (const kind of ['a path', 'an abstract name']) {
    it(`says when it is ready, that it lives, and that it stops, to ${kind}`, async () => {
      socket = await NotifySocket.open(
        kind === 'a path' ? join(folder, 'notify') : `@strand-${process.pid}`,
      );
      const child = start(['--service', fixture('apps/echo.ts')], {
        env: { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '100000' },
      });
      expect(await socket.next(/READY/)).to.equal('READY=1\nSTATUS=echo runs');
      expect(child.output).to.include('Started echo');
      for (let n = 0; n < 3; n++) await socket.next(/^WATCHDOG=1$/);
      const stopped = child.stop();
      await socket.next(/^STOPPING=1$/);
      expect((await stopped).code).to.equal(0);
    });
  }

  it('says it once for all of its workers', async () => {
    socket = await NotifySocket.open(join(folder, 'notify'));
    const child = start(['--service', fixture('apps/echo.ts'), '--workers', '2'], {
      env: { NOTIFY_SOCKET: socket.path },
    });
    await socket.next(/^READY=1\nSTATUS=echo runs$/);
    expect(child.output).to.match(/Worker 1 has started[\s\S]*Worker 2 has started/);
    const stopped = child.stop();
    expect(await socket.next(/./)).to.equal('STOPPING=1');
    await stopped;
  });

  it('serves the sockets that it is given', async function () {
    if (spawnSync('systemd-socket-activate', ['--version']).status !== 0) {
      if (process.env['CI'] === 'true') throw new Error('Install systemd');
      this.skip();
    }
    const path = join(folder, 'echo');
    const activator = spawn(
      'systemd-socket-activate',
      [
        ...['--listen', path, process.execPath, '--import', import.meta.resolve('tsx')],
        ...[`${ROOT}twistd.ts`, '--service', fixture('apps/activated.ts')],
      ],
      { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    try {
      const lines = createInterface({ input: activator.stderr });
      for await (const line of lines) if (line.includes('Listening on')) break;
      const client = connect({ path });
      client.write('hello');
      const [data] = await once(client, 'data');
      expect(String(data)).to.equal('hello');
      client.destroy();
    } finally {
      activator.kill('SIGTERM');
      await once(activator, 'exit');
    }
  });

  it('logs lines with their severity to the journal', async () => {
    const file = join(folder, 'log');
    const sink = await openSink({ file, format: 'journal', label: '#2 ' });
    sink.observer(
      new LogEntry({ level: 'error', namespace: 'chat', format: 'one\n<0>two', time: 0 }),
    );
    sink.close();
    const { readFileSync } = await import('node:fs');
    expect(readFileSync(file, 'utf8')).to.equal('<3>#2 [chat] error: one\n<3><0>two\n');
    // Where standard output is the journal, it finds out by itself.
    const program = `JOURNAL_STREAM=$(stat -L -c %d:%i /proc/$$/fd/1) exec "$0" "$@"`;
    const args = ['--import', import.meta.resolve('tsx'), `${ROOT}twistd.ts`];
    const child = spawn(
      'sh',
      ['-c', program, process.execPath, ...args, '--service', fixture('apps/echo.ts')],
      { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const ended = once(child, 'exit');
    const lines = createInterface({ input: child.stdout });
    const seen: string[] = [];
    for await (const line of lines) {
      seen.push(line);
      if (line.includes('Started echo')) break;
    }
    child.kill('SIGTERM');
    await ended;
    expect(seen[0]).to.match(/^<6>\[twistd\] info: Starting echo/);
  });
});
