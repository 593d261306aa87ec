import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs, {
  chmodSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { StartError } from '../../src/service/index.ts';
import { checkPidFile, PidFile } from '../../src/service/posix/pid-file.ts';
import { Lifelines } from '../support/lifelines.ts';
import { fixture, killChildren, type Outcome, ROOT, run, start } from '../support/twistd-child.ts';
import { WatchedFile } from '../support/watched-file.ts';

const APP = fixture('apps/process-facts.ts');
/** Debian's, and everybody's. */
const NOBODY = 65534;

interface Facts {
  readonly pid: number;
  readonly uid: number;
  readonly euid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly cwd: string;
  readonly root: readonly string[];
  readonly title: string;
  readonly status: string | null;
}

describe("twistd's process", function () {
  this.timeout(60_000);
  let folder: string;
  let lifelines: Lifelines;
  let gone: Promise<unknown>[] = [];
  let pids: number[] = [];

  before(function () {
    if (process.platform === 'win32') this.skip();
  });
  beforeEach(async () => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'strand-daemon-')));
    lifelines = await Lifelines.listen();
    [gone, pids] = [[], []];
  });
  afterEach(async () => {
    for (const pid of pids) signal(pid, 'SIGKILL');
    await Promise.all(gone);
    await killChildren();
    lifelines.close();
    rmSync(folder, { recursive: true });
  });

  const at = (name: string): string => join(folder, name);
  const read = (name: string): string => readFileSync(at(name), 'utf8');
  const environment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
    FACTS_LIFELINE: String(lifelines.port),
    ...more,
  });

  /** What the application has said of its process. */
  function factsIn(text: string): Facts {
    const facts: Facts = JSON.parse(/facts (\{.*\})$/m.exec(text)?.[1] ?? 'null');
    return facts;
  }

  /** Starts a daemon in the folder, and gives what it said. */
  async function daemon(args: readonly string[] = [], env?: NodeJS.ProcessEnv): Promise<Facts> {
    const life = lifelines.next('facts');
    const { code, stdout, stderr } = await run(
      ['--service', APP, '--daemonize', '-d', folder, ...args],
      { env: environment(env) },
    );
    expect({ code, stdout, stderr }).to.deep.equal({ code: 0, stdout: '', stderr: '' });
    gone.push((await life).gone);
    const facts = factsIn(read('twistd.log'));
    pids.push(facts.pid);
    return facts;
  }

  /** Stops the daemon in good order. */
  async function stop({ pid }: Facts): Promise<void> {
    process.kill(pid, 'SIGTERM');
    await gone.at(-1);
  }

  describe('--daemonize', () => {
    it('returns once the application has started, which goes on in a session of its own, with pid file and log', async () => {
      const facts = await daemon();
      expect(read('twistd.pid')).to.equal(`${facts.pid}\n`);
      expect(facts.cwd).to.equal(folder);
      expect(facts.status, 'what tells it that it is a daemon is not for its children').to.equal(
        null,
      );
      expect(sessionOf(facts.pid)).to.equal(facts.pid);
      expect(statSync(at('twistd.log')).mode & 0o777, 'umask 077').to.equal(0o600);
      await stop(facts);
      expect(existsSync(at('twistd.pid'))).to.equal(false);
      expect(read('twistd.log')).to.match(/Stopping facts on SIGTERM[\s\S]*Stopped facts\n$/);
    });

    it('is refused while another one runs, which is left alone', async () => {
      const facts = await daemon();
      for (const args of [['--daemonize'], ['--pidfile', at('twistd.pid')]]) {
        const second = await run(['--service', APP, '-d', folder, ...args]);
        expect(second.code).to.equal(1);
        expect(second.stderr).to.equal(
          `twistd: Another server is running: process ${facts.pid}, according to "${at('twistd.pid')}"\n`,
        );
      }
      expect(read('twistd.pid')).to.equal(`${facts.pid}\n`);
      await stop(facts);
    });

    it('takes the place of one that was killed', async () => {
      const first = await daemon();
      process.kill(first.pid, 'SIGKILL');
      await gone.at(-1);
      expect(existsSync(at('twistd.pid'))).to.equal(true);
      writeFileSync(at('twistd.log'), '');
      const second = await daemon();
      expect(second.pid).not.to.equal(first.pid);
      expect(read('twistd.pid')).to.equal(`${second.pid}\n`);
      await stop(second);
    });

    it('says why the application has not started, exits 1, and leaves no pid file', async () => {
      const failed = await run(['--service', APP, '--daemonize', '-d', folder], {
        env: { FACTS_FAIL: 'no database' },
      });
      expect(failed.code).to.equal(1);
      expect(failed.stderr).to.match(
        /^twistd: Cannot start application "facts": no database\nError: no database\n +at /,
      );
      expect(read('twistd.log')).to.include('Cannot start application "facts": no database');
      expect(readdirSync(folder)).to.deep.equal(['twistd.log']);
    });

    it('says so when the daemon ends without a word', async () => {
      const failed = await run(['--service', APP, '--daemonize', '-d', folder], {
        env: { FACTS_EXIT: '7' },
      });
      expect(failed.code).to.equal(1);
      expect(failed.stderr).to.equal(
        'twistd: The daemon ended before it had started, with code 7\n',
      );
    });

    it('reports an application that cannot be found, and a log that cannot be written', async () => {
      const missing = await run(['--service', './nothing', '--daemonize', '-d', folder]);
      expect(missing).to.include({ code: 1, stdout: '' });
      expect(missing.stderr).to.match(/^twistd: Cannot find application ".\/nothing"/);
      const log = at('no-such-folder/log');
      const mute = await run(['--service', APP, '--daemonize', '-d', folder, '-l', log]);
      expect(mute.code).to.equal(1);
      expect(mute.stderr).to.match(/^twistd: Cannot open log file ".*no-such-folder\/log"/);
      expect(readdirSync(folder)).to.deep.equal(['twistd.log']);
      expect(read('twistd.log')).to.include('Cannot find application');
    });
  });

  describe('--pidfile', () => {
    it('is written in the foreground as well when it is asked for, where twistd was called', async () => {
      mkdirSync(at('run'));
      const child = start(['--service', APP, '--pidfile', 'here.pid', '-d', at('run')], {
        cwd: folder,
      });
      await child.waitForLine(/Started facts/);
      expect(read('here.pid')).to.equal(`${child.pid}\n`);
      expect((await child.stop()).code).to.equal(0);
      expect(readdirSync(folder)).to.deep.equal(['run']);
    });

    it('takes nothing for a process that is none', () => {
      for (const text of ['no number', '-5', '12 13', '99999999999999', '0']) {
        writeFileSync(at('pid'), text);
        expect(() => checkPidFile(at('pid'))).to.throw(
          StartError,
          `Pid file "${at('pid')}" holds ${JSON.stringify(text)}, which is no process id`,
        );
        expect(read('pid')).to.equal(text);
      }
    });

    it('holds the number from its first moment on, and one that was removed is not taken for it', () => {
      const { writeSync } = fs;
      const there: boolean[] = [];
      fs.writeSync = ((...args: Parameters<typeof writeSync>) => {
        there.push(existsSync(at('pid')));
        return writeSync(...args);
      }) as typeof writeSync; // called in one way
      syncBuiltinESMExports();
      try {
        const file = new PidFile(at('pid'));
        expect(there).to.deep.equal([false]);
        expect(read('pid')).to.equal(`${process.pid}\n`);
        expect(readdirSync(folder)).to.deep.equal(['pid']);
        rmSync(at('pid'));
        writeFileSync(at('pid'), "another one's");
        file.remove();
        expect(read('pid')).to.equal("another one's");
      } finally {
        fs.writeSync = writeSync;
        syncBuiltinESMExports();
      }
    });

    it('takes a process that is younger than the file for another one', async function () {
      if (process.platform !== 'linux') this.skip();
      writeFileSync(at('pid'), `${process.pid}\n`);
      const refused = await run(['--service', APP, '--pidfile', at('pid')]);
      expect(refused.stderr).to.include(`process ${process.pid}`);
      execFileSync('touch', ['-d', '2001-01-01', at('pid')]);
      const child = start(['--service', APP, '--pidfile', at('pid')]);
      await child.waitForLine(/Started facts/);
      await child.stop();
    });

    it('says why it cannot be written', async () => {
      const { code, stderr } = await run(['--service', APP, '--pidfile', at('none/pid')]);
      expect(code).to.equal(1);
      expect(stderr).to.match(/^twistd: Cannot write pid file ".*none\/pid": ENOENT/);
    });
  });

  describe('the log', () => {
    it('is put aside on SIGUSR1, and once it has its size', async () => {
      const child = start(
        ['--service', APP, '-l', 'log', '--log-rotate', '1k', '--log-keep', '2', '-d', folder],
        { cwd: folder },
      );
      const log = new WatchedFile(at('log'));
      await log.waitFor(/Started facts/);
      log.close();
      for (let n = 0; n < 4; n++) {
        const next = `The log goes on here`;
        const before = statSync(at('log')).ino;
        child.signal('SIGUSR1');
        await fileAfter(folder, 'log', (file) => {
          return statSync(file).ino !== before && readFileSync(file, 'utf8').includes(next);
        });
      }
      expect(readdirSync(folder).sort()).to.deep.equal(['log', 'log.1', 'log.2']);
      // Somebody else has put it aside.
      renameSync(at('log'), at('kept'));
      child.signal('SIGUSR1');
      await fileAfter(folder, 'log', (file) => readFileSync(file, 'utf8') !== '');
      expect(readdirSync(folder).sort()).to.deep.equal(['kept', 'log', 'log.1', 'log.2']);
      await child.stop();
      expect(read('log')).to.include('Stopped facts');
    });

    it('goes to an observer that a function makes', async () => {
      writeFileSync(
        at('observer.mjs'),
        `import { appendFileSync } from 'node:fs';
         export const make = () => (entry) => appendFileSync('seen', entry.level + ' ' + entry.message + '\\n');
         export const wrong = () => 5;`,
      );
      const child = start(['--service', APP, '--logger', './observer.mjs#make', '-d', folder], {
        cwd: folder,
        env: environment(),
      });
      await lifelines.next('facts').then((life) => gone.push(life.gone));
      const seen = new WatchedFile(at('seen'));
      await seen.waitFor(/info Started facts/);
      seen.close();
      expect((await child.stop()).stdout).to.equal('');
      for (const [reference, problem] of [
        ['./observer.mjs#nothing', '"nothing" is no function there'],
        ['./observer.mjs#wrong', 'what it returned is no function'],
      ] as const) {
        const bad = await run(['--service', APP, '--logger', reference], { cwd: folder });
        expect(bad.code).to.equal(1);
        expect(bad.stderr).to.include(`Cannot log with "${reference}": ${problem}`);
      }
    });

    it("goes to the system's", async function () {
      if (process.getuid?.() !== 0 || existsSync('/dev/log')) this.skip();
      const daemonLog = spawn(
        'python3',
        [
          '-c',
          `import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind('/dev/log')
print('ready', flush=True)
while True: print(s.recv(65536), flush=True)`,
        ],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      try {
        const lines = createInterface({ input: daemonLog.stdout });
        await once(lines, 'line');
        const told: string[] = [];
        const stopped = new Promise<void>((resolve) => {
          lines.on('line', (line) => {
            told.push(line);
            if (line.includes('Stopped facts')) resolve();
          });
        });
        // From within another root directory too, where there is no such socket.
        mkdirSync(at('jail'));
        const child = start(
          [
            ...['--service', APP, '--syslog', '--prefix', 'my facts'],
            ...['--chroot', at('jail'), '--uid', 'nobody'],
          ],
          { env: environment() },
        );
        await lifelines.next('facts').then((life) => gone.push(life.gone));
        await new Promise<void>((resolve) => {
          lines.on('line', (line) => void (line.includes('Started facts') && resolve()));
        });
        expect((await child.stop()).stdout).to.equal('');
        await stopped;
        // Facility daemon (3), severity informational (6).
        expect(told[0]).to.match(/^b'<30>.*my facts\[\d+\]: \[twistd\] info: Starting facts/);
      } finally {
        daemonLog.kill('SIGKILL');
        await once(daemonLog, 'close');
        rmSync('/dev/log', { force: true });
      }
    });
  });

  describe('its user', () => {
    before(function () {
      if (process.getuid?.() !== 0) this.skip();
    });

    it('is another one from the start of the application on, with that one groups and no way back', async () => {
      const child = start(['--service', APP, '-u', 'nobody']);
      await child.waitForLine(/Started facts/);
      const { stdout } = await child.stop();
      expect(stdout).to.include('at first user 0').and.to.include('Now user nobody (65534)');
      const facts = factsIn(stdout);
      expect(facts).to.include({ uid: NOBODY, euid: NOBODY, gid: NOBODY });
      expect(facts.groups.includes(0)).to.equal(false);
    });

    it('may be a number, a group, or only in effect', async () => {
      for (const [args, wanted] of [
        [['--uid', '12345', '--gid', '54321'], { uid: 12345, euid: 12345, gid: 54321 }],
        [['--gid', 'nogroup'], { uid: 0, euid: 0, gid: NOBODY }],
        [['--uid', 'nobody', '--euid'], { uid: 0, euid: NOBODY }],
      ] as const) {
        const child = start(['--service', APP, ...args]);
        await child.waitForLine(/Started facts/);
        expect(factsIn((await child.stop()).stdout)).to.include(wanted);
      }
    });

    it('is the one that the application wants, unless the command line names another', async () => {
      for (const [args, uid] of [
        [[], 4321],
        [['--uid', 'nobody'], NOBODY],
      ] as const) {
        const env = { FACTS_UID: '4321', FACTS_GID: '8765' };
        const child = start(['--service', APP, ...args], { env });
        await child.waitForLine(/Started facts/);
        const facts = factsIn((await child.stop()).stdout);
        const gid = uid === NOBODY ? NOBODY : 8765;
        expect(facts).to.deep.include({ uid, gid, groups: [gid] });
      }
    });

    it("does not stay in root's group because nobody knows its own", async () => {
      const { code, stderr } = await run(['--service', APP, '--uid', '4321']);
      expect(code).to.equal(1);
      expect(stderr).to.equal(
        'twistd: Cannot become user 4321: no user has this number, so its group is not known; name one too\n',
      );
    });

    it("keeps a log's owner from having files of root's by a link", async () => {
      chmodSync(folder, 0o755);
      writeFileSync(at('precious'), '', { mode: 0o600 });
      symlinkSync('precious', at('log'));
      const args = ['--service', APP, '-u', 'nobody', '-l', 'log'];
      const child = start(args, { cwd: folder });
      const log = new WatchedFile(at('precious'));
      await log.waitFor(/Started facts/);
      log.close();
      await child.stop();
      expect(read('precious')).to.match(/warn: Log .*log stays whose it is: .*ELOOP/);
      expect(statSync(at('precious')).uid, "the link was root's, and the file still is").to.equal(
        0,
      );
      lchownSync(at('log'), NOBODY, NOBODY);
      writeFileSync(at('precious'), '');
      const { code, stderr } = await run(args, { cwd: folder });
      expect(code).to.equal(1);
      expect(stderr).to.equal(
        `twistd: Cannot open log file "${at('log')}": it is a link that user ${NOBODY} has made\n`,
      );
      expect(read('precious')).to.equal('');
    });

    it('is told when it is unknown, and when it cannot be had', async () => {
      const unknown = await run(['--service', APP, '--uid', 'no-such-user']);
      expect(unknown).to.include({ code: 1, stderr: 'twistd: Unknown user "no-such-user"\n' });
      const group = await run(['--service', APP, '--gid', 'no-such-group', '--daemonize'], {
        cwd: folder,
      });
      expect(group).to.include({ code: 1, stderr: 'twistd: Unknown group "no-such-group"\n' });
      expect(readdirSync(folder)).to.deep.equal([]);
    });

    it('keeps a daemon able to say that it has ended, though it may not remove its pid file', async () => {
      chmodSync(folder, 0o755);
      const facts = await daemon(['--uid', 'nobody']);
      expect(statSync(at('twistd.log')).uid).to.equal(NOBODY);
      await stop(facts);
      expect(read('twistd.pid')).to.equal('');
      writeFileSync(at('twistd.log'), '');
      await stop(await daemon());
      expect(existsSync(at('twistd.pid'))).to.equal(false);
    });
  });

  it('says so when it has no rights to read, to bind or to write, and leaves nothing', async function () {
    if (process.getuid?.() !== 0) this.skip();
    chmodSync(folder, 0o755);
    const asNobody = (args: readonly string[]): Promise<[number, string]> =>
      new Promise((resolve) => {
        const program = [process.execPath, '--import', import.meta.resolve('tsx')];
        const command = [...program, `${ROOT}twistd.ts`, ...args];
        const options = { cwd: folder, uid: NOBODY, gid: NOBODY };
        const child = spawn(command[0] ?? '', command.slice(1), {
          ...options,
          stdio: ['ignore', 'ignore', 'pipe'],
        });
        let said = '';
        child.stderr.setEncoding('utf8').on('data', (text: string) => {
          said += text;
        });
        child.on('close', (code) => resolve([code ?? -1, said]));
      });
    writeFileSync(at('secret.mjs'), 'export const application = 5;', { mode: 0o600 });
    const [code, said] = await asNobody(['--service', './secret.mjs']);
    expect(code).to.equal(1);
    expect(said).to.match(/^twistd: Cannot load application ".\/secret.mjs": .*EACCES/);
    const [unwritten, reason] = await asNobody(['--service', APP, '-l', 'log']);
    expect(unwritten).to.equal(1);
    expect(reason).to.match(/^twistd: Cannot open log file ".*log": EACCES/);
    const [daemonless, why] = await asNobody(['--service', APP, '--daemonize', '-d', folder]);
    expect(daemonless).to.equal(1);
    expect(why).to.match(/EACCES/);
    // Where anybody may bind any port there is nothing to be refused.
    const lowest = readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8');
    if (Number(lowest) > 80) {
      const [unbound, refused] = await asNobody(['portforward', '-p', '79', '--to', 'localhost:1']);
      expect(unbound).to.equal(1);
      expect(refused).to.match(/Cannot listen on .*:79: .*EACCES/);
    }
    expect(readdirSync(folder)).to.deep.equal(['secret.mjs']);
  });

  it('--umask is what new files do not get', async () => {
    for (const [mask, mode] of [
      ['027', 0o640],
      ['0', 0o666],
    ] as const) {
      const file = at(`made-${mask}`);
      const child = start(['--service', APP, '--umask', mask], { env: { FACTS_FILE: file } });
      await child.waitForLine(/Started facts/);
      await child.stop();
      expect(statSync(file).mode & 0o777).to.equal(mode);
    }
  });

  it('--chroot leaves nothing else to be seen', async function () {
    if (process.getuid?.() !== 0) this.skip();
    mkdirSync(at('jail'));
    writeFileSync(at('jail/only-this'), '');
    mkdirSync(at('jail/etc'));
    // Whoever may write there is not to say who is who.
    writeFileSync(at('jail/etc/passwd'), 'nobody:x:0:0::/:\n');
    writeFileSync(at('jail/etc/group'), 'root:x:0:nobody\nnogroup:x:0:\n');
    const args = ['--chroot', 'jail', '--pidfile', 'pid', '--uid', 'nobody'];
    const child = start(['--service', APP, ...args, '--profile', 'run.cpuprofile'], {
      cwd: folder,
    });
    await child.waitForLine(/Started facts/);
    expect(read('pid')).to.equal(`${child.pid}\n`);
    const { stdout } = await child.stop();
    expect(factsIn(stdout)).to.deep.include({
      ...{ cwd: '/', root: ['etc', 'only-this'] },
      ...{ uid: NOBODY, gid: NOBODY, groups: [NOBODY] },
    });
    expect(JSON.parse(read('run.cpuprofile'))).to.include.keys('nodes');
    expect(read('pid'), 'out of its reach, so it is emptied').to.equal('');
    const missing = await run(['--service', APP, '--chroot', at('none')]);
    expect(missing.code).to.equal(1);
    expect(missing.stderr).to.equal(
      `twistd: Cannot change the root directory to "${at('none')}": ENOENT\n`,
    );
  });

  it('is called as the application wants, unless it is to keep its name', async function () {
    if (process.platform !== 'linux') this.skip();
    for (const [args, renamed] of [
      [[], true],
      [['--originalname'], false],
    ] as const) {
      const child = start(['--service', APP, ...args]);
      await child.waitForLine(/Started facts/);
      const { title } = factsIn((await child.stop()).stdout);
      expect(title === 'facts of life').to.equal(renamed);
    }
  });

  it('--profile writes what the time was spent on', async () => {
    const child = start(['--service', APP, '--profile', at('run.cpuprofile')]);
    await child.waitForLine(/Started facts/);
    expect((await child.stop()).code).to.equal(0);
    const profile: { nodes: unknown[]; samples: unknown[] } = JSON.parse(read('run.cpuprofile'));
    expect(profile.nodes).not.to.deep.equal([]);
    expect(profile.samples).not.to.deep.equal([]);
    const bad: Outcome = await run(['--service', APP, '--profile', at('none/profile')]);
    expect(bad.code).to.equal(1);
    expect(bad.stderr).to.match(/^twistd: Cannot write profile ".*none\/profile": ENOENT/);
  });

  it('--debug has a debugger listen on loopback', async () => {
    const child = start(['--service', APP, '--debug']);
    await child.waitForLine(/A debugger may attach at ws:\/\/127\.0\.0\.1:\d+\//);
    await child.waitForLine(/Started facts/);
    await child.stop();
  });

  it('says a word of options that do nothing', async () => {
    const child = start(['--service', APP, '-o']);
    await child.waitForLine(/warn: Option --no_save does nothing here/);
    await child.waitForLine(/Started facts/);
    expect((await child.stop()).code).to.equal(0);
  });
});

function sessionOf(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'sid=', '-p', String(pid)], { encoding: 'utf8' }).trim());
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}

/** Waits until the file of this name, which may be another one by then, is as it should be. */
async function fileAfter(
  folder: string,
  name: string,
  is: (file: string) => boolean,
): Promise<void> {
  const file = join(folder, name);
  const good = (): boolean => existsSync(file) && is(file);
  // Not the iterator of fs/promises, which watches from its first turn on, not from the call.
  const watcher = fs.watch(folder, { persistent: false });
  try {
    while (!good()) await once(watcher, 'change');
  } finally {
    watcher.close();
  }
}
