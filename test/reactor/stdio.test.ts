import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { clientFromString, LibuvReactor, serverFromString } from '../../src/reactor/index.ts';
import { StandardIO } from '../../src/reactor/libuv/stdio.ts';
import { Recorder } from '../support/recorder.ts';
import { fixture } from '../support/twistd-child.ts';

const POSIX = process.platform !== 'win32';
const ARGUMENTS = ['--import', import.meta.resolve('tsx'), fixture('stdio/talks.ts')];

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

/** All that were started, so that a test that fails leaves none behind. */
const talkers: ChildProcess[] = [];

/** A child whose standard streams are sockets: what Node makes for children. */
class Talker {
  readonly process: ChildProcess;
  readonly ended: Promise<number | null>;
  readonly #texts = ['', '', ''];
  readonly #waiting: Array<() => void> = [];

  constructor(mode: string, reading = true) {
    this.process = spawn(process.execPath, [...ARGUMENTS, mode], { stdio: 'pipe' });
    this.ended = once(this.process, 'exit').then(([code]) => code as number | null);
    talkers.push(this.process);
    // What cannot be written to one that has ended is no concern of the test's.
    this.process.stdin?.on('error', () => {});
    this.#collect(2);
    if (reading) this.#collect(1);
  }

  #collect(fd: 1 | 2): void {
    const stream = this.process.stdio[fd];
    stream?.on('data', (data) => {
      this.#texts[fd] += String(data);
      for (const look of this.#waiting) look();
    });
  }

  get out(): string {
    return this.#texts[1] ?? '';
  }

  get said(): string[] {
    return (this.#texts[2] ?? '').split('\n').filter((line) => line !== '');
  }

  write(data: string): void {
    this.process.stdin?.write(data);
  }

  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (condition()) resolve();
      };
      this.#waiting.push(look);
      look();
    });
  }

  /** The exit code, once all that it wrote has come. */
  async closed(): Promise<number | null> {
    await once(this.process, 'close');
    return this.ended;
  }
}

describe('StandardIO', () => {
  before(function () {
    if (!POSIX) this.skip();
  });

  describe('over sockets', () => {
    afterEach(() => {
      for (const child of talkers.splice(0)) child.kill('SIGKILL');
    });

    it('reads and writes, and ends with its input once all is written', async () => {
      const talker = new Talker('shout');
      talker.write('hello ');
      await talker.until(() => talker.out === 'HELLO ');
      talker.process.stdin?.end('world');
      expect(await talker.closed()).to.equal(0);
      expect(talker.out).to.equal('HELLO WORLD');
      expect(talker.said).to.deep.equal(['lost ERR_CONNECTION_DONE']);
    });

    it('ends its output with its input, though the process goes on', async () => {
      const talker = new Talker('stays');
      const { stdout } = talker.process;
      if (stdout === null) throw new Error('It has no output');
      const ended = once(stdout, 'end');
      talker.process.stdin?.end('bye');
      await ended;
      expect(talker.out).to.equal('BYE');
      expect(talker.process.exitCode).to.equal(null);
      talker.process.kill('SIGUSR2');
      expect(await talker.closed()).to.equal(0);
    });

    it('goes on when its input has ended, if the protocol knows how', async () => {
      const talker = new Talker('halves');
      talker.process.stdin?.end('in');
      expect(await talker.closed()).to.equal(0);
      expect(talker.out).to.equal('INthe last words');
      expect(talker.said).to.deep.equal(['readLost', 'writeLost', 'lost ERR_CONNECTION_DONE']);
    });

    it('loseWriteConnection() ends the output for its reader, and reading goes on', async () => {
      const talker = new Talker('outputFirst');
      const { stdout } = talker.process;
      if (stdout === null) throw new Error('It has no output');
      await once(stdout, 'end');
      expect(talker.out).to.equal('nothing more');
      talker.write('more input');
      await talker.until(() => talker.said.includes('got more input'));
      talker.process.stdin?.end();
      expect(await talker.closed()).to.equal(0);
      expect(talker.said).to.deep.equal([
        'writeLost',
        'got more input',
        'readLost',
        'lost ERR_CONNECTION_DONE',
      ]);
    });

    it('reads nothing while it is paused', async () => {
      const talker = new Talker('paused');
      talker.write('wait');
      await talker.until(() => talker.said.includes('ready'));
      talker.process.kill('SIGUSR2');
      await talker.until(() => talker.out === 'WAIT');
      expect(talker.said).to.deep.equal(['ready', 'resumed']);
      talker.process.stdin?.end();
      expect(await talker.closed()).to.equal(0);
    });

    it('is lost when nobody reads what it writes', async () => {
      const talker = new Talker('shout');
      const { stdout } = talker.process;
      if (stdout === null) throw new Error('It has no output');
      const gone = once(stdout, 'close');
      stdout.destroy();
      await gone;
      talker.write('anybody?');
      expect(await talker.ended).to.equal(0);
      expect(talker.said).to.deep.equal(['lost ERR_CONNECTION_LOST EPIPE']);
    });

    it('holds a producer back while nobody reads, and its memory stays flat', async () => {
      const talker = new Talker('pours', false);
      await talker.until(() => talker.said.length > 0);
      expect(Number(/^paused after (\d+)$/.exec(talker.said[0] ?? '')?.[1])).to.be.below(2 ** 20);
      let bytes = 0;
      talker.process.stdout?.on('data', (data: Buffer) => {
        bytes += data.length;
      });
      expect(await talker.closed()).to.equal(0);
      expect(bytes).to.equal(128 * 2 ** 20);
      expect(talker.said[1]).to.equal('lost ERR_CONNECTION_DONE');
      // In KiB; an idle process with the same modules has some 90 MiB, and what was poured is 128 MiB.
      expect(Number(/^peak (\d+)$/.exec(talker.said[2] ?? '')?.[1])).to.be.below(200 * 1024);
    });

    it('abortConnection() does not wait for a reader that does not read', async () => {
      const talker = new Talker('muchThenAbort', false);
      expect(await talker.ended).to.equal(0);
      await talker.until(() => talker.said.length > 0);
      expect(talker.said).to.deep.equal(['lost ERR_CONNECTION_ABORTED']);
      talker.process.stdout?.destroy();
    });

    it('an exception in the protocol ends it', async () => {
      const talker = new Talker('throws');
      talker.write('data');
      expect(await talker.closed()).to.equal(0);
      expect(talker.said.join()).to.contain('no data, please').and.contain('Throws,stdio');
      expect(talker.said).to.include('lost ');
    });

    it('leaves console.log alone', async () => {
      const talker = new Talker('logsToo');
      expect(await talker.closed()).to.equal(0);
      expect(talker.out).to.match(/^written\nlogged\nwritten too\n/);
      expect(talker.said).to.deep.equal(['lost ERR_CONNECTION_DONE']);
    });

    it('is one at a time, and another when the first is lost', async () => {
      const talker = new Talker('again');
      await talker.until(() => talker.said.length === 3);
      expect(talker.said).to.deep.equal([
        'AlreadyListened: Cannot use descriptor 0 as stdin: it is in use as such',
        'lost ERR_CONNECTION_DONE',
        'made',
      ]);
      talker.process.stdin?.end();
      expect(await talker.closed()).to.equal(0);
    });

    it('is closed by the shutdown of its reactor, and the process ends', async () => {
      const talker = new Talker('shutDown');
      expect(await talker.closed()).to.equal(0);
      expect(talker.said).to.deep.equal(['lost ERR_CONNECTION_LOST', 'open 0']);
    });

    it('is an endpoint: stdio:', async () => {
      const talker = new Talker('endpoint');
      talker.process.stdin?.end('by endpoint');
      expect(await talker.closed()).to.equal(0);
      expect(talker.out).to.equal('BY ENDPOINT');
      expect(talker.said.slice(0, 4)).to.deep.equal([
        'start',
        'listening on UNIXAddress(null)',
        'ERR_ALREADY_LISTENED',
        'stop',
      ]);
    });
  });

  describe('over other things', () => {
    let folder: string;

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'strand-'));
    });

    afterEach(() => {
      rmSync(folder, { recursive: true });
    });

    /** Runs a line of shell, in which `talk` is the program. */
    const shell = (line: string): { out: string; said: string[]; status: number | null } => {
      const talk = 'talk() { "$NODE" --import "$TSX" "$PROGRAM" "$@"; }; set -o pipefail; ';
      const [, TSX, PROGRAM] = ARGUMENTS;
      const { stdout, stderr, status } = spawnSync('bash', ['-c', talk + line], {
        cwd: folder,
        env: { ...process.env, NODE: process.execPath, TSX, PROGRAM },
        encoding: 'utf8',
        maxBuffer: 2 ** 26,
        timeout: 15_000,
      });
      return { out: stdout, said: stderr.split('\n').filter((text) => text !== ''), status };
    };

    const DONE = ['lost ERR_CONNECTION_DONE'];

    it('pipes', () => {
      const { out, said, status } = shell('printf "through pipes" | talk shout | cat');
      expect([out, said, status]).to.deep.equal(['THROUGH PIPES', DONE, 0]);
    });

    it('pipes: everything written leaves before the process does, though its input goes on', () => {
      const { out, said, status } = shell('mkfifo in; exec 3<>in; talk muchThenLose <&3 | wc -c');
      expect([out.trim(), said, status]).to.deep.equal([String(4 * 2 ** 20), DONE, 0]);
    });

    it('pipes: the reader goes away', () => {
      const { said } = shell('yes | talk shout | head -c 10 > some; cat some >&2');
      expect(said).to.include('lost ERR_CONNECTION_LOST EPIPE');
    });

    it('pipes: half-closing is heard of, and the reader sees the end when the process ends', () => {
      const { out, said, status } = shell('printf in | talk halves | cat');
      expect([out, said, status]).to.deep.equal([
        'INthe last words',
        ['readLost', 'writeLost', ...DONE],
        0,
      ]);
    });

    it('pipes: console.log works when it is closed', () => {
      const { out, said } = shell('mkfifo in; exec 3<>in; talk logsToo <&3 | cat');
      expect([out, said]).to.deep.equal(['written\nlogged\nwritten too\nlogged after\n', DONE]);
    });

    it('files', () => {
      const input = 'all of a file\n'.repeat(20_000);
      writeFileSync(join(folder, 'in'), input);
      const { said, status } = shell('talk shout < in > out');
      expect([said, status]).to.deep.equal([DONE, 0]);
      expect(readFileSync(join(folder, 'out'), 'utf8')).to.equal(input.toUpperCase());
    });

    it('files: a full disk ends it', function () {
      if (process.platform !== 'linux') this.skip();
      const { said } = shell('mkfifo in; exec 3<>in; printf x >&3; talk shout <&3 > /dev/full');
      expect(said).to.deep.equal(['lost ERR_CONNECTION_LOST ENOSPC']);
    });

    it('the null device', () => {
      const { said, status } = shell('talk shout < /dev/null > /dev/null');
      expect([said, status]).to.deep.equal([DONE, 0]);
    });

    it('closed descriptors, which Node opens on the null device', () => {
      const { said, status } = shell('talk shout <&- >&-');
      expect([said, status]).to.deep.equal([DONE, 0]);
    });

    it('further descriptors, which are closed at the end: pipes and files', () => {
      const pipes = shell('printf "by number" | talk others 3<&0 4>&1 | cat');
      expect([pipes.out, pipes.said, pipes.status]).to.deep.equal(['BY NUMBER', DONE, 0]);
      writeFileSync(join(folder, 'in'), 'by file');
      const files = shell('talk others 3< in 4> out');
      expect([files.said, files.status]).to.deep.equal([DONE, 0]);
      expect(readFileSync(join(folder, 'out'), 'utf8')).to.equal('BY FILE');
    });

    it('a terminal, which is left as it was', function () {
      if (spawnSync('python3', ['--version']).status !== 0) this.skip();
      const { stdout, stderr } = spawnSync(
        'python3',
        [fixture('stdio/terminal.py'), process.execPath, ...ARGUMENTS, 'shout'],
        { encoding: 'utf8', timeout: 15_000 },
      );
      expect(stderr.trim()).to.equal(DONE[0]);
      expect(stdout.trim().split('\n')).to.deep.equal([
        'status 0',
        'settings same',
        'blocking True',
      ]);
    });
  });

  it('closes descriptors of its own when it is aborted, before either has come to its end', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'strand-'));
    try {
      const file = join(folder, 'in');
      writeFileSync(file, 'something');
      const stdin = openSync(file, 'r');
      const stdout = openSync(join(folder, 'out'), 'w');
      const reactor = new LibuvReactor();
      const protocol = new Recorder({ made: ({ transport }) => transport.abortConnection() });
      new StandardIO(protocol, { stdin, stdout, reactor });
      await protocol.until(() => protocol.lost);
      for (const fd of [stdin, stdout]) {
        while (isOpen(fd)) await reactor.iterate();
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  describe('with what it cannot use', () => {
    const reactor = new LibuvReactor();

    it('throws, and nothing is in use afterwards', () => {
      const attempt = (options: object, protocol: unknown = new Recorder()) => {
        return () => new StandardIO(protocol as Recorder, { reactor, ...options });
      };
      for (const fd of ['0', 1.5, -1, null, process.stdout]) {
        expect(attempt({ stdin: fd })).to.throw(TypeError, 'stdin must be the number');
        expect(attempt({ stdout: fd })).to.throw(TypeError, 'stdout must be the number');
      }
      const file = openSync('/dev/null', 'r');
      expect(attempt({ stdin: 2 })).to.throw(RangeError, 'stdin must be descriptor 0 or one above');
      expect(attempt({ stdout: 0, stdin: file })).to.throw(
        RangeError,
        'stdout must be descriptor 1, 2',
      );
      expect(attempt({ stdin: 0, stdout: 0 })).to.throw(TypeError, 'adoptStreamConnection()');
      // It is still ours: nothing was taken.
      closeSync(file);
      for (const options of [{ stdin: 30_000 }, { stdout: 30_000 }]) {
        expect(attempt(options))
          .to.throw('descriptor 30000')
          .with.property('code', 'ERR_CONNECTION_FDESC_WENT_AWAY');
      }
      const folder = openSync(tmpdir(), 'r');
      expect(attempt({ stdin: folder }))
        .to.throw('it is no pipe, socket, file or device')
        .with.property('code', 'ERR_UNSUPPORTED_SOCKET_TYPE');
      closeSync(folder);
      expect(attempt({}, null)).to.throw(TypeError, 'expected a protocol');
      expect(attempt({}, {})).to.throw(TypeError, 'with a method makeConnection()');
      expect(reactor.openCount).to.equal(0);
    });

    it('its description takes no arguments', () => {
      expect(() => serverFromString(reactor, 'stdio:1')).to.throw('too many arguments');
      expect(() => serverFromString(reactor, 'stdio:x=1')).to.throw("unknown argument 'x'");
      expect(() => clientFromString(reactor, 'stdio:')).to.throw("unknown client prefix 'stdio'");
      serverFromString(reactor, 'stdio');
    });
  });
});
