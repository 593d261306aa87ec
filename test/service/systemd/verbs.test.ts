import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { StartError, UsageError } from '../../../src/service/index.ts';
import {
  type ProgramResult,
  type SystemdSystem,
  thisSystem,
} from '../../../src/service/posix/systemd/system.ts';
import { manageOnSystemd } from '../../../src/service/posix/systemd/verbs.ts';
import { parseOptions } from '../../../src/service/twistd/options.ts';
import { fixture, run } from '../../support/twistd-child.ts';

const APP = fixture('apps/who.ts');

/** A machine whose systemd does as it is told, and keeps what it was told. */
class TestSystem implements SystemdSystem {
  readonly calls: string[] = [];
  out = '';
  err = '';
  boots = true;
  answers: Record<string, Partial<ProgramResult>> = {};
  readonly streams = {
    out: (text: string): void => {
      this.out += text;
    },
    err: (text: string): void => {
      this.err += text;
    },
  };
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  booted(): boolean {
    return this.boots;
  }

  unitFolder(forUser: boolean): string {
    return join(this.#folder, forUser ? 'user' : 'system');
  }

  async run(program: string, args: readonly string[], timeout = 0): Promise<ProgramResult> {
    const call = [program, ...args, ...(timeout === 0 ? [] : [`(${timeout} s)`])].join(' ');
    this.calls.push(call);
    const known = Object.keys(this.answers).find((start) => call.startsWith(start));
    return { code: 0, out: '', err: '', ...(known === undefined ? {} : this.answers[known]) };
  }
}

describe('twistd with systemd', function () {
  this.timeout(30_000);
  let folder: string;
  let system: TestSystem;
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'strand-systemd-')));
    system = new TestSystem(folder);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const unitFile = (name = 'who.service'): string => join(folder, 'system', name);
  const unit = (name?: string): string => readFileSync(unitFile(name), 'utf8');

  async function perform(...argv: string[]): Promise<number> {
    const request = parseOptions(['--service', APP, '-d', folder, ...argv], 'linux');
    if (request.kind !== 'verb') throw new Error('it is no command');
    return await manageOnSystemd(request.command, system.streams, system);
  }

  async function failure(...argv: string[]): Promise<unknown> {
    return await perform(...argv).then(
      () => undefined,
      (error: unknown) => error,
    );
  }

  it('install writes a unit that runs the application, and has systemd read it', async () => {
    expect(
      await perform('install', '--startup', 'auto', '--workers', '3', '--', '--port', '80'),
    ).to.equal(0);
    expect(unit())
      .to.match(/^Type=notify$/m)
      .and.to.match(/^WatchdogSec=30$/m)
      .and.to.match(/^Restart=on-failure\nRestartSec=1$/m)
      .and.to.match(/^ExecReload=\/bin\/kill -HUP \$MAINPID$/m)
      .and.to.include(`WorkingDirectory=${folder}\n`);
    const [, command = ''] = /^ExecStart=(.*)$/m.exec(unit()) ?? [];
    expect(command.startsWith(process.execPath)).to.equal(true);
    expect(command).to.include(` --service ${APP} --rundir ${folder} --workers 3 -- --port 80`);
    expect(system.calls).to.deep.equal(['systemctl daemon-reload', 'systemctl enable who.service']);
    expect(system.out).to.equal(`Installed service "who": ${unitFile()}\n`);
    expect(readdirSync(join(folder, 'system'))).to.deep.equal(['who.service']);
  });

  it('update changes what is given and keeps the rest', async () => {
    await perform(
      'install',
      '--username',
      'www-data',
      '--watchdog',
      '0',
      '--env',
      'A=1',
      '--',
      'x',
    );
    await perform('update', '--description', 'Who is there', '--umask', '027');
    expect(unit())
      .to.include('Description=Who is there\n')
      .and.to.include('User=www-data\n')
      .and.to.include('UMask=0027\n')
      .and.to.include('Environment="A=1"\n')
      .and.to.match(/ -- x$/m);
    expect(unit()).not.to.include('WatchdogSec');
    expect(system.out).to.include('Updated service "who"');
    await perform('install');
    expect(unit(), 'install begins anew').not.to.include('www-data');
  });

  it('update and remove end with 4 where nothing is installed', async () => {
    for (const verb of ['update', 'remove', 'doctor']) {
      expect(await perform(verb)).to.equal(4);
    }
    expect(system.err).to.include(`There is no unit ${unitFile()}`);
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('leaves a unit alone that somebody else has written', async () => {
    await perform('install');
    writeFileSync(unitFile(), '[Service]\nExecStart=/bin/true\n');
    expect(await perform('install')).to.equal(1);
    expect(system.err).to.include('was not written by twistd: remove it first');
    expect(unit()).to.equal('[Service]\nExecStart=/bin/true\n');
  });

  it('install has systemd listen for it', async () => {
    await perform('install', '--socket', '8080', '--socket', '/run/who', '--startup', 'auto');
    expect(unit('who.socket')).to.include('ListenStream=8080\nListenStream=/run/who\n');
    expect(unit()).to.include('Requires=who.socket\n');
    expect(system.calls).to.include('systemctl enable who.socket');
    await perform('update', '--startup', 'disabled');
    for (const name of ['who.service', 'who.socket']) {
      expect(unit(name)).to.include('RefuseManualStart=yes\n');
    }
    expect(system.calls.at(-1)).to.equal('systemctl disable who.socket');
    await perform('install');
    expect(system.calls.at(-2)).to.equal('systemctl disable --now who.socket');
    expect(readdirSync(join(folder, 'system'))).to.deep.equal(['who.service']);
    expect(unit()).not.to.include('RefuseManualStart');
    await perform('install', '--socket', '8080');
    await perform('remove');
    expect(readdirSync(join(folder, 'system'))).to.deep.equal([]);
    expect(system.calls).to.include('systemctl disable --now who.socket');
  });

  it('remove stops it, and leaves nothing', async () => {
    await perform('install');
    system.calls.length = 0;
    expect(await perform('remove')).to.equal(0);
    expect(existsSync(unitFile())).to.equal(false);
    expect(system.calls).to.deep.equal([
      'systemctl disable --now who.service',
      'systemctl daemon-reload',
      'systemctl reset-failed who.service',
    ]);
  });

  it('is for a user with --user', async () => {
    await perform('install', '--user');
    expect(readFileSync(join(folder, 'user', 'who.service'), 'utf8')).to.include('default.target');
    expect(system.calls).to.deep.equal(['systemctl --user daemon-reload']);
    expect(String(await failure('install', '--user', '--uid', 'www-data'))).to.include('--user');
  });

  it('start, stop and restart say how it went', async () => {
    for (const [verb, done] of [
      ['start', 'Started'],
      ['stop', 'Stopped'],
      ['restart', 'Restarted'],
    ] as const) {
      system.out = '';
      expect(await perform(verb)).to.equal(0);
      expect(system.out).to.equal(`${done} service "who"\n`);
      expect(system.calls.at(-1)).to.equal(`systemctl ${verb} who.service`);
    }
    await perform('start', '--no-wait');
    expect(system.calls.at(-1)).to.equal('systemctl start --no-block who.service');
    system.answers = { 'systemctl start': { code: 5, err: 'Unit who.service not found.\n' } };
    expect(await perform('start')).to.equal(5);
    expect(system.err).to.equal(
      'twistd: Cannot start service "who": Unit who.service not found.\n',
    );
    system.answers = { 'systemctl stop': { code: 124 } };
    expect(await perform('stop', '--timeout', '3')).to.equal(1);
    expect(system.calls.at(-1)).to.equal('systemctl stop who.service (3 s)');
  });

  it('status tells people and programs, and ends with 0, 3 or 4', async () => {
    const show = (text: string): void => {
      system.answers = { 'systemctl show': { out: text } };
    };
    show(
      'LoadState=loaded\nActiveState=active\nSubState=running\nMainPID=42\nStatusText=who runs\n',
    );
    expect(await perform('status')).to.equal(0);
    expect(system.out)
      .to.match(/^who: active \(running\)\n/)
      .and.to.match(/pid +42\n/);
    system.out = '';
    show('LoadState=loaded\nActiveState=failed\nSubState=failed\nExecMainStatus=1\n');
    expect(await perform('status', '--json')).to.equal(3);
    expect(JSON.parse(system.out)).to.include({
      ...{ command: 'status', unit: 'who', state: 'failed', exitCode: '1', code: 3 },
    });
    show('LoadState=not-found\nActiveState=inactive\nSubState=dead\n');
    expect(await perform('status')).to.equal(4);
    expect(system.err).to.include('Service "who" is not installed');
  });

  it('logs and doctor show what systemd has', async () => {
    system.answers = { journalctl: { out: 'a line\n' } };
    expect(await perform('logs', '--lines', '7')).to.equal(0);
    expect(system.calls).to.deep.equal(['journalctl --no-pager --lines=7 --unit who.service']);
    expect(system.out).to.equal('a line\n');
    await perform('install');
    expect(await perform('doctor')).to.equal(0);
    expect(system.out).to.include('Nothing is wrong with');
    system.answers = { 'systemd-analyze': { code: 1, err: 'who.service: no such user\n' } };
    expect(await perform('doctor')).to.equal(1);
    expect(system.out).to.include('Problem: who.service: no such user');
  });

  it('install --print shows the unit, and changes nothing, also without systemd', async () => {
    system.boots = false;
    expect(await perform('install', '--print', '--socket', '80')).to.equal(0);
    expect(system.out).to.include(`# ${unitFile()}\n[Unit]\n`).and.to.include('ListenStream=80');
    expect(system.calls).to.deep.equal([]);
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('says what is missing where systemd does not run', async () => {
    system.boots = false;
    for (const verb of ['install', 'start', 'status', 'remove']) {
      const error = await failure(verb);
      expect(error).to.be.instanceOf(StartError);
      expect(String(error)).to.include(
        `Cannot ${verb} "who": systemd does not run this machine (there is no /run/systemd/system). 'install --print' shows the unit`,
      );
    }
  });

  it('refuses what has no sense', async () => {
    for (const [argv, reason] of [
      [['pause'], 'Command "pause" has no sense with systemd'],
      [['install', '--sid', 'none'], 'Option --sid has no sense with systemd'],
      [['install', '--daemonize'], 'Option --daemonize does not go with command "install"'],
      [['start', '--workers', '2'], 'Option --workers does not go with command "start"'],
      [['start', '--', 'x'], 'Command "start" takes no arguments for the service'],
      [['install', '--name', 'a b'], 'Cannot call a unit "a b"'],
      [['install', '--name=-H'], 'Cannot call a unit "-H"'],
      [
        ['install', '--socket', '80', '--workers', '2'],
        'Options --socket and --workers exclude each other',
      ],
      [['install', '--socket', 'nowhere'], 'Bad value "nowhere" of --socket'],
      [['install', '--depends', 'a b'], 'Cannot depend on "a b"'],
      [['install', '--recovery', 'reboot/5s'], 'Recovery "reboot" has no sense with systemd'],
    ] as const) {
      const error = await failure(...argv);
      expect(error, reason).to.be.instanceOf(UsageError);
      expect(String(error)).to.include(reason);
    }
    expect(() => parseOptions(['--service', APP, '--socket', '80'])).to.throw(
      UsageError,
      'Option --socket needs a command',
    );
  });

  it('keeps the unit that was there when it cannot write', async () => {
    writeFileSync(join(folder, 'system'), 'a file where the folder should be');
    const error = await failure('install');
    expect(error).to.be.instanceOf(StartError);
    expect(String(error)).to.match(/Cannot write unit .*system\/who.service: .*Run this as root/);
    expect(system.calls).to.deep.equal([]);
  });

  it('runs programs of this machine, and is told how they end', async () => {
    const { run: call } = thisSystem(system.streams);
    expect(await call('sh', ['-c', 'echo out; echo err >&2; exit 3'])).to.deep.equal({
      ...{ code: 3, out: 'out\n', err: 'err\n' },
    });
    expect((await call('no-such-program-of-systemd', [])).code).to.equal(127);
    expect((await call('sleep', ['60'], 0.05)).code).to.equal(124);
  });

  it('is what the program does on Linux', async function () {
    if (process.platform !== 'linux' || existsSync('/run/systemd/system')) this.skip();
    const { code, stderr } = await run(['--service', APP, 'start']);
    expect(code).to.equal(1);
    expect(stderr).to.match(/^twistd: Cannot start "who": systemd does not run this machine/);
    const printed = await run(['--service', APP, 'install', '--print']);
    expect(printed.code).to.equal(0);
    expect(printed.stdout).to.match(/^# \/etc\/systemd\/system\/who.service\n\[Unit\]/);
  });
});
