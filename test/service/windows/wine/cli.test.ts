import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { serviceCommandLine } from '../../../../src/service/index.ts';
import { fixture, ROOT } from '../../../support/twistd-child.ts';
import type { WindowsAgent } from '../../../support/windows-agent.ts';
import { wine } from '../../../support/wine.ts';

const CALLS = 'test/fixtures/windows/cli-calls.ts';

describe("twistd's commands on Windows itself", function () {
  this.timeout(180_000); // a command takes a second, and many when the machine is busy
  const windows = wine();
  let agent: WindowsAgent;
  before(async function () {
    await windows.ready(this);
    agent = await windows.agent();
  });
  const made: string[] = [];
  after(async () => {
    for (const folder of made) rmSync(folder, { recursive: true });
    await agent?.end();
  });

  /** Runs twistd where the application is. */
  async function twistd(cwd: string, ...argv: string[]) {
    const { code, stdout } = await windows.run('twistd.ts', argv, { cwd });
    return { code, text: stdout };
  }

  /** A folder with blanks and letters from elsewhere, with an application in it. */
  function folderWith(app: string, name: string): string {
    const folder = join(windows.scratch, `${app} Мой сервис é 漢`);
    mkdirSync(folder, { recursive: true });
    const framework = windows.path('src/index.ts').replaceAll('\\', '/');
    const source = readFileSync(fixture(`windows/${app}.ts`), 'utf8');
    const url = framework.startsWith('/') ? framework : `/${framework}`;
    writeFileSync(
      join(folder, name),
      source.replaceAll('../../../src/index.ts', encodeURI(`file://${url}`)),
    );
    return folder;
  }

  /** A server on Linux that the services' children connect to. */
  async function listener(): Promise<{ server: Server; port: number }> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { server, port: (server.address() as AddressInfo).port }; // it listens on a port
  }

  async function echoed(port: number, text: string): Promise<string> {
    const socket = connect(port, '127.0.0.1');
    socket.write(text);
    const [answer] = await once(socket, 'data');
    socket.destroy();
    return String(answer);
  }

  const traces = (name: string) => agent.call(CALLS, 'traces', name);

  it('install, start, show, control, restart and remove an application, which leaves nothing', async () => {
    const folder = folderWith('app-with-child', 'my app.ts');
    const app = ['--service', './my app.ts'];
    const { server, port } = await listener();
    try {
      const installed = await twistd(
        ...[folder, 'install', ...app, '-l', 'log ä.txt', '--description', 'Ein Dienst'],
        ...['--recovery', 'restart/5s', '--', String(port)],
      );
      expect(installed.code, installed.text).to.equal(0);
      expect(installed.text).to.match(/^Installing service my app\n.*Service installed\n$/s);
      expect(await traces('my app')).to.deep.equal({ service: true, eventSource: true });

      const again = await twistd(folder, 'install', ...app, '--display-name', 'Meine App');
      expect(again.code, again.text).to.equal(0);
      expect(again.text).to.match(/exists already: changing it instead\n.*Service updated\n$/s);

      const child = once(server, 'connection') as Promise<[Socket]>; // what the event brings
      const started = await twistd(folder, ...app, 'start', '--wait', '--json');
      expect(started.code, started.text).to.equal(0);
      expect(JSON.parse(started.text)).to.have.nested.property('status.state', 'running');

      const log = (): string => readFileSync(join(folder, 'log ä.txt'), 'utf8');
      const listening = Number(/listening on 127\.0\.0\.1:(\d+)/.exec(log())?.[1]);
      expect(await echoed(listening, 'hällo')).to.equal('hällo');
      const [connection] = await child;

      const status = JSON.parse((await twistd(folder, '--json', 'status', ...app)).text);
      expect(status).to.deep.include({ ok: true, code: 0, service: 'my app' });
      expect(status.status).to.deep.include({
        state: 'running',
        accepts: ['stop', 'pause-continue', 'shutdown'],
      });
      expect(status.config).to.include({ displayName: 'Meine App', startType: 'manual' });
      expect(status.settings.description).to.equal('Ein Dienst');

      expect((await twistd(folder, ...app, 'control', '200')).text).to.match(
        /^Sending control 200 to service my app\nService is running, process \d+\n$/,
      );

      const gone = once(connection.resume(), 'close').catch(() => {}); // reset or ended
      const next = once(server, 'connection') as Promise<[Socket]>; // as above
      const restarted = await twistd(folder, ...app, 'restart');
      expect(restarted.code, restarted.text).to.equal(0);
      await gone; // the child of the process before has ended with it
      const [second] = await next;
      const goneToo = once(second.resume(), 'close').catch(() => {});

      expect(log()).to.match(/control 200.*Stopped app.*Started app/s);

      const removed = await twistd(folder, ...app, 'remove'); // which runs
      expect(removed).to.deep.equal({
        code: 0,
        text: 'Removing service my app\nService removed\n',
      });
      await goneToo;
      expect(log()).to.match(/Stopped app\n$/);
      expect(await traces('my app')).to.deep.equal({ service: false, eventSource: false });
    } finally {
      server.close();
    }
  });

  it('tell why an application does not start, or is not there', async () => {
    const folder = folderWith('app-with-child', 'late.ts');
    const app = ['--service', 'late'];
    expect((await twistd(folder, ...app, 'install', '-l', 'late.log')).code).to.equal(0);
    rmSync(join(folder, 'late.ts'));
    const started = await twistd(folder, ...app, 'start');
    expect(started.code).to.equal(1064);
    expect(started.text, readFileSync(join(folder, 'late.log'), 'utf8'))
      .to.match(/Error starting service: It stopped: 1064: .* \(1064\)\nThe end of its log, /)
      .and.to.match(/Cannot find application ".*late\.ts": tried/);
    const doctor = await twistd(folder, ...app, 'doctor');
    expect(doctor.code).to.equal(1);
    expect(doctor.text)
      .to.match(/\[FAIL\] Its application is not there: .*late\.ts/)
      .and.to.match(/\[warn\] Last time it ended with 1064/);
    expect((await twistd(folder, ...app, 'remove')).code).to.equal(0);
    expect(await traces('late')).to.deep.equal({ service: false, eventSource: false });
  });

  it('are there for a class with handleCommandLine(), too', async () => {
    const notes = windows.file('ping notes.txt');
    const script = await windows.bundle('test/fixtures/windows/ping.ts');
    const ping = (...argv: string[]) => windows.run(script, argv, { cwd: windows.scratch });
    const notesFile = `notes=${windows.path(notes.path)}`;
    const { code, stdout } = await ping(
      ...['--startup', 'auto', 'install', '--logfile', 'ping.log', '--', notesFile],
    );
    expect(stdout).to.equal('Installing service strand-ping\nService installed\n');
    expect(code).to.equal(0);
    const started = await ping('start', 'ä b', '"c"');
    expect(started.code, started.stdout).to.equal(0);
    await notes.waitFor(/^args strand-ping notes=.* ä b "c"$/m);
    const [, port] = await notes.waitFor(/^port (\d+)$/m);
    expect(await echoed(Number(port), 'ping')).to.equal('pong\n');
    expect((await ping('control', '130')).code).to.equal(0);
    await notes.waitFor(/^control 130$/m);
    expect((await ping('pause')).stdout).to.match(/Service is paused/);
    expect((await ping('continue')).stdout).to.match(/Service is running/);
    await notes.waitFor(/^pause\ncontinue$/m);
    expect((await ping('logs', '--lines', '1')).stdout).to.match(/^\d{4}-.* \[.*\n$/);
    const stopped = await ping('stop', '--wait', '20');
    expect(stopped.stdout).to.equal('Stopping service strand-ping\nService stopped\n');
    expect((await ping('stop')).code).to.equal(1062);

    // The example of the how-to.
    const example = await windows.bundle('docs/examples/windows-backup.ts');
    const backup = (...argv: string[]) => windows.run(example, argv, { cwd: windows.scratch });
    expect(await backup('save', 'strand-ping', 'ping.json')).to.deep.equal({ code: 0, stdout: '' });
    expect((await ping('remove')).code).to.equal(0);
    expect((await ping('start')).code).to.equal(1060);
    expect(await backup('restore', 'ping.json')).to.deep.equal({ code: 0, stdout: 'Installed\n' });
    const restored = JSON.parse((await ping('status', '--json')).stdout);
    expect(restored.config).to.include({ displayName: 'Strand ping', startType: 'automatic' });
    expect(restored.settings.description).to.equal('Answers pings');
    expect((await ping('remove')).code).to.equal(0);
  });

  it('install what is built, for an application that imports the installed package', async () => {
    // Elsewhere than what Wine has two names for: by the one a program would not see that it is the same by the other.
    const folder = mkdtempSync(join(tmpdir(), 'strand built '));
    made.push(folder);
    const home = join(folder, 'node_modules', 'strand');
    mkdirSync(home, { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(home, 'node_modules'));
    copyFileSync(join(ROOT, 'package.json'), join(home, 'package.json'));
    // What does not fit the types elsewhere is the type check's business, not this test's.
    spawnSync(process.execPath, [
      ...[join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', join(ROOT, 'tsconfig.build.json')],
      ...['--outDir', join(home, 'dist')],
    ]);
    const text = `import { Application } from 'strand';\nexport default Application('built');\n`;
    writeFileSync(join(folder, 'plain.mjs'), text);
    const twistd = async (...argv: string[]) => {
      const script = join(home, 'dist', 'twistd.js');
      const { code, stdout } = await windows.run(script, argv, { cwd: folder });
      return { code, text: stdout };
    };
    const app = ['--service', 'plain', '--name', 'strand built'];
    const installed = await twistd(...app, 'install', '-l', 'plain.log', '--json');
    expect(installed.code, installed.text).to.equal(0);
    expect(JSON.parse(installed.text).imagePath)
      .to.match(/^".*\\node\.exe" ".*\\dist\\twistd\.js" --run-service "strand built" --service /)
      .and.to.include('plain.mjs');
    const started = await twistd(...app, 'start');
    expect(started.code, started.text).to.equal(0);
    expect((await twistd(...app, 'remove')).code).to.equal(0);
    expect(readFileSync(join(folder, 'plain.log'), 'utf8')).to.match(
      /Started built.*Stopped built/s,
    );
  });

  it('write command lines that Windows itself reads as they were meant', async () => {
    const word = fc
      .array(fc.constantFrom('\\', '"', ' ', '\t', 'a', 'ж', '漢', '😀', '&', '^', "'", '%'))
      .map((parts) => parts.join(''));
    const program = fc.constantFrom('C:\\Program Files\\node.exe', 'C:\\я\\node.exe');
    const samples = fc
      .sample(fc.tuple(program, fc.array(word, { maxLength: 5 })), 300)
      .map(([path, args]) => [path, ...args])
      .filter((words) => !words.some((one) => /%[^%]+%/.test(one)));
    const read = await agent.call(CALLS, 'split', samples.map(serviceCommandLine));
    expect(read).to.deep.equal(samples);
  });
});
