import { closeSync, mkdtempSync, openSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import sinon from 'sinon';
import {
  Clock,
  type DelayedCall,
  LibuvReactor,
  type LogEvent,
  ProcessDone,
  ProcessExitedAlready,
  ProcessTerminated,
  setLogObserver,
} from '../../src/reactor/index.ts';
import { spawnProcess } from '../../src/reactor/libuv/process.ts';
import type {
  ProcessTransport,
  SpawnProcessOptions,
} from '../../src/reactor/process-interfaces.ts';
import { type ProcessHooks, ProcessRecorder } from '../support/process-recorder.ts';
import { FailureTrap } from '../support/recorder.ts';

const posix = process.platform !== 'win32';
const root = process.getuid?.() === 0;

/** A reactor whose calls wait for a clock of the test's. */
class ClockedReactor extends LibuvReactor {
  readonly clock = new Clock();

  override callLater<A extends unknown[]>(
    delay: number,
    f: (...args: A) => unknown,
    ...args: A
  ): DelayedCall {
    return this.clock.callLater(delay, f, ...args);
  }
}

/** Without it, memory that nobody holds any more would count. */
function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc');
}

describe('spawnProcess()', () => {
  let reactor: ClockedReactor;
  let trap: FailureTrap;
  let stopped: Promise<void> | undefined;

  beforeEach(() => {
    reactor = new ClockedReactor();
    trap = new FailureTrap();
    stopped = undefined;
  });

  const stop = (): Promise<void> => {
    stopped = reactor.run(false);
    reactor.stop();
    return stopped;
  };

  afterEach(async () => {
    await (stopped ?? stop());
    expect(reactor.openCount).to.equal(0);
    expect(reactor.clock.getDelayedCalls()).to.deep.equal([]);
    trap.restore();
  });

  /** Has Node run `code`. */
  const node = (
    code: string,
    options: SpawnProcessOptions = {},
    hooks: ProcessHooks = {},
  ): ProcessRecorder => {
    const protocol = new ProcessRecorder(hooks);
    spawnProcess(reactor, protocol, process.execPath, ['node', '-e', code], options);
    return protocol;
  };

  const program = (
    executable: string,
    args: string[] = [],
    options: SpawnProcessOptions = {},
  ): ProcessRecorder => {
    const protocol = new ProcessRecorder();
    spawnProcess(reactor, protocol, executable, [executable, ...args], options);
    return protocol;
  };

  const terminated = (protocol: ProcessRecorder): ProcessTerminated => {
    const value = protocol.reason?.value;
    if (!(value instanceof ProcessTerminated)) throw new Error(`Not terminated: ${value}`);
    return value;
  };

  const CAT = 'process.stdin.pipe(process.stdout)';
  const WAIT = 'setInterval(() => {}, 1e6); console.log("ready");';

  describe('a child', () => {
    it('is connected before the call returns, and nothing else happens before it does', () => {
      const protocol = node(CAT);
      expect(protocol.calls).to.deep.equal(['made']);
      expect(protocol.transport.pid).to.be.above(0);
    });

    it('reads what is written to it and has its output delivered', async () => {
      const protocol = node(CAT);
      protocol.transport.write('one ');
      protocol.transport.writeSequence([Buffer.from('two '), 'three']);
      await protocol.untilText('one two three');
      protocol.transport.closeStdin();
      await protocol.untilEnded();
      expect(protocol.text()).to.equal('one two three');
      expect(protocol.reason?.value).to.be.instanceOf(ProcessDone);
    });

    it('sends everything that was written before its input is closed', async () => {
      const protocol = node(
        'let n = 0; process.stdin.on("data", (d) => (n += d.length)).on("end", () => console.log(n))',
      );
      protocol.transport.write(Buffer.alloc(3_000_000, 'x'));
      protocol.transport.closeStdin();
      await protocol.untilEnded();
      expect(protocol.text()).to.equal('3000000\n');
    });

    it('exits, then ends, once each, after all of its descriptors are lost', async () => {
      const protocol = node('console.log("out"); console.error("err")');
      await protocol.untilEnded();
      const { calls } = protocol;
      expect([...calls].sort()).to.deep.equal(
        ['made', 'data 1', 'data 2', 'lost 0', 'lost 1', 'lost 2', 'exited', 'ended'].sort(),
      );
      expect(calls.at(-1)).to.equal('ended');
      expect(calls.indexOf('data 1')).to.be.below(calls.indexOf('lost 1'));
      expect(calls.indexOf('data 2')).to.be.below(calls.indexOf('lost 2'));
      expect(protocol.exitReason).to.equal(protocol.reason);
      expect(protocol.text(1)).to.equal('out\n');
      expect(protocol.text(2)).to.equal('err\n');
    });

    it('has no pid once it has exited', async () => {
      let pid: number | null | undefined;
      const protocol = node('', {}, { exited: ({ transport }) => (pid = transport.pid) });
      await protocol.untilEnded();
      expect(pid).to.equal(null);
    });

    it('ends with ProcessTerminated and its exit code when that is not 0', async () => {
      const protocol = node('process.exit(3)');
      await protocol.untilEnded();
      const { exitCode, signal, status } = terminated(protocol);
      expect({ exitCode, signal }).to.deep.equal({ exitCode: 3, signal: null });
      if (posix) expect(status).to.equal(3 << 8);
    });

    it('ends only when its own children have closed what they inherited', async () => {
      // Standard input ends with the child, which is what the grandchild waits for.
      const grandchild =
        'process.stdin.on("end", () => process.stdout.write("late")).resume(); process.stdout.write("up ")';
      let textAtExit: string | undefined;
      const protocol = node(
        `require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(grandchild)}], { stdio: "inherit" }).on("spawn", () => process.exit())`,
        {},
        {
          exited: (recorder) => {
            textAtExit = recorder.text();
          },
        },
      );
      await protocol.untilEnded();
      expect(textAtExit).not.to.include('late');
      expect(protocol.text()).to.equal('up late');
      expect(protocol.calls.at(-1)).to.equal('ended');
    });

    it('gets its name, arguments, environment and working directory', async () => {
      const folder = realpathSync(tmpdir());
      const protocol = new ProcessRecorder();
      spawnProcess(
        reactor,
        protocol,
        process.execPath,
        [
          'another-name',
          '-e',
          'console.log(JSON.stringify([process.argv0, process.argv.slice(1), process.env.A, process.env.HOME ?? "none", process.cwd()]))',
          'one two',
          'ü"$(x)',
        ],
        { env: { A: 'é=1' }, path: folder },
      );
      await protocol.untilEnded();
      const [argv0, argv, a, home, cwd] = JSON.parse(protocol.text());
      expect(argv0).to.equal('another-name');
      expect(argv).to.deep.equal(['one two', 'ü"$(x)']);
      expect([a, cwd]).to.deep.equal(['é=1', folder]);
      if (posix) expect(home).to.equal('none');
    });

    it('has our environment when none is given, and its own name when it has no arguments', async () => {
      process.env['STRAND_PROCESS_TEST'] = 'here';
      try {
        const protocol = node('console.log(process.env.STRAND_PROCESS_TEST)', { env: null });
        await protocol.untilEnded();
        expect(protocol.text()).to.equal('here\n');
      } finally {
        delete process.env['STRAND_PROCESS_TEST'];
      }
      const bare = new ProcessRecorder({
        made: (transport) => transport.write('process.stdout.write(process.argv0)'),
      });
      spawnProcess(reactor, bare, process.execPath).closeStdin();
      await bare.untilEnded();
      expect(bare.text()).to.equal(process.execPath);
    });

    it('is found in the PATH', async function () {
      if (!posix) this.skip();
      const protocol = program('true');
      await protocol.untilEnded();
      expect(protocol.reason?.value).to.be.instanceOf(ProcessDone);
    });

    it('runs as another user and group when asked to', async function () {
      if (!root) this.skip();
      const protocol = program('/bin/sh', ['-c', 'id -u; id -g'], {
        uid: 65_534,
        gid: 65_533,
        path: '/',
      });
      await protocol.untilEnded();
      expect(protocol.text()).to.equal('65534\n65533\n');
    });
  });

  describe('descriptors', () => {
    it('may be more than the standard ones, both ways', async () => {
      const protocol = node(
        'const fs = require("node:fs"); const [a, b] = [4, 5].map((fd) => fs.readFileSync(fd, "utf8")); fs.writeSync(3, a + b); fs.writeSync(7, "seven")',
        { childFDs: { 2: 'r', 3: 'r', 4: 'w', 5: 'w', 7: 'r' } },
      );
      protocol.transport.writeToChild(4, 'four ');
      protocol.transport.writeToChild(5, 'five');
      protocol.transport.closeChildFD(4);
      protocol.transport.closeChildFD(5);
      await protocol.untilEnded();
      expect(protocol.text(2)).to.equal('');
      expect(protocol.text(3)).to.equal('four five');
      expect(protocol.text(7)).to.equal('seven');
      expect(protocol.calls.filter((call) => call.startsWith('lost')).sort()).to.deep.equal([
        'lost 2',
        'lost 3',
        'lost 4',
        'lost 5',
        'lost 7',
      ]);
    });

    it('may be ones of ours', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'strand-process-'));
      const fd = openSync(join(folder, 'out'), 'w');
      try {
        const protocol = node('console.log("to a file")', { childFDs: { 0: 'w', 1: fd, 2: 'r' } });
        await protocol.untilEnded();
        expect(protocol.calls).not.to.include('lost 1');
        expect(readFileSync(join(folder, 'out'), 'utf8')).to.equal('to a file\n');
      } finally {
        closeSync(fd);
        rmSync(folder, { recursive: true });
      }
    });

    it('that are standard and not named are the null device', async () => {
      const protocol = node(
        'process.stdin.on("end", () => console.log("no input")).resume(); console.error("lost")',
        {
          childFDs: { 1: 'r' },
        },
      );
      expect(() => protocol.transport.write('to nobody')).not.to.throw();
      await protocol.untilEnded();
      expect(protocol.text()).to.equal('no input\n');
      expect(protocol.calls).not.to.include('lost 0');
    });

    it('that the child closes early are lost at once, while it runs on', async function () {
      if (!posix) this.skip();
      const protocol = program(
        '/bin/sh',
        ['-c', 'echo unasked >&4; exec 0<&- 4<&-; echo closed; read x <&3; echo $x'],
        {
          childFDs: { 0: 'w', 1: 'r', 2: 'r', 3: 'w', 4: 'w' },
        },
      );
      await protocol.until(() => protocol.has('lost 0') && protocol.has('lost 4'));
      expect(protocol.has('exited')).to.equal(false);
      protocol.transport.write('dropped');
      protocol.transport.writeToChild(3, 'on\n');
      await protocol.untilEnded();
      expect(protocol.text()).to.equal('closed\non\n');
    });

    it('can be closed by us', async () => {
      const protocol = node(
        `${WAIT} process.stdout.on("error", (e) => { process.stderr.write(e.code); process.exit(9) }); process.stdin.on("data", () => console.log("x"))`,
      );
      await protocol.untilText('ready');
      protocol.transport.closeStdout();
      await protocol.until(() => protocol.has('lost 1'));
      protocol.transport.write('go');
      await protocol.untilEnded();
      expect(protocol.text(2)).to.equal('EPIPE');
      expect(terminated(protocol).exitCode).to.equal(9);
    });

    it('0 to 2 are closed by loseConnection()', async () => {
      const protocol = node(`${WAIT} process.stdin.on("end", () => process.exit(4)).resume()`);
      await protocol.untilText('ready');
      protocol.transport.loseConnection();
      expect(protocol.calls).to.deep.equal(['made', 'data 1']);
      await protocol.untilEnded();
      expect(protocol.calls).to.include.members(['lost 0', 'lost 1', 'lost 2']);
      expect(terminated(protocol).exitCode).to.equal(4);
    });

    it('that are not there, or not for writing, cannot be written or closed', () => {
      const { transport } = node('');
      expect(() => transport.writeToChild(3, 'x')).to.throw(RangeError, 'descriptor 3');
      expect(() => transport.writeToChild(1, 'x')).to.throw(RangeError, 'descriptor 1');
      expect(() => transport.closeChildFD(9)).to.throw(RangeError, 'descriptor 9');
    });

    it('that are closed take no more, and say nothing', async () => {
      const protocol = node('');
      await protocol.untilEnded();
      const { transport } = protocol;
      transport.write('x');
      transport.writeSequence(['x']);
      transport.writeToChild(0, 'x');
      transport.closeChildFD(0);
      transport.loseConnection();
      transport.pauseProducing();
      transport.resumeProducing();
      const producer = { resumeProducing: sinon.fake(), stopProducing: sinon.fake() };
      transport.registerProducer(producer, false);
      expect(producer.stopProducing.callCount).to.equal(1);
    });

    it('take data and nothing else', () => {
      const { transport } = node('');
      const wrong = 7 as unknown as string; // as a caller from JavaScript may
      expect(() => transport.write(wrong)).to.throw(TypeError);
      expect(() => transport.writeToChild(0, wrong)).to.throw(TypeError);
      expect(() => transport.writeSequence(['x', wrong])).to.throw(TypeError);
    });
  });

  describe('flow control', () => {
    it('pauses a producer while the child does not read, and goes on when it does', async () => {
      const protocol = node(
        'const fs = require("node:fs"); fs.readSync(3, Buffer.alloc(1)); let n = 0; process.stdin.on("data", (d) => (n += d.length)).on("end", () => console.log(n))',
        { childFDs: { 0: 'w', 1: 'r', 2: 'r', 3: 'w' } },
      );
      const { transport } = protocol;
      const events: string[] = [];
      transport.registerProducer(
        {
          pauseProducing: () => events.push('pause'),
          resumeProducing: () => {
            events.push('resume');
            transport.unregisterProducer();
            transport.closeStdin();
          },
          stopProducing: () => events.push('stop'),
        },
        true,
      );
      // More than any pipe holds.
      transport.write(Buffer.alloc(8_000_000));
      for (let turn = 0; turn < 10; turn += 1) await reactor.iterate();
      expect(events).to.deep.equal(['pause']);
      transport.writeToChild(3, '!');
      await protocol.untilEnded();
      expect(protocol.text()).to.equal('8000000\n');
      expect(events).to.deep.equal(['pause', 'resume']);
    });

    it('stops a producer when the child is gone', async () => {
      const protocol = node('');
      const producer = {
        pauseProducing() {},
        resumeProducing() {},
        stopProducing: sinon.fake(),
      };
      protocol.transport.registerProducer(producer, true);
      await protocol.untilEnded();
      expect(producer.stopProducing.callCount).to.equal(1);
    });

    it('delivers nothing while paused, not even when the child exits, and all of it afterwards', async () => {
      const protocol = node(
        'process.stdout.write("x".repeat(100000)); console.error("y")',
        {},
        {
          made: (transport) => transport.pauseProducing(),
        },
      );
      // The pipe holds less than that: only when it is read can the child exit.
      await reactor.iterate();
      protocol.transport.resumeProducing();
      await protocol.until(() => protocol.has('data 1'));
      protocol.transport.pauseProducing();
      const small = node(
        'console.log("short")',
        {},
        { made: (transport) => transport.pauseProducing() },
      );
      await small.until(() => small.has('exited'));
      for (let turn = 0; turn < 20; turn += 1) await reactor.iterate();
      expect(small.calls.filter((call) => /data|ended|lost 1/.test(call))).to.deep.equal([]);
      small.transport.resumeProducing();
      protocol.transport.resumeProducing();
      await small.untilEnded();
      await protocol.untilEnded();
      expect(small.text()).to.equal('short\n');
      expect(protocol.text()).to.have.lengthOf(100_000);
      expect(protocol.text(2)).to.equal('y\n');
    });

    it('keeps memory flat while 100 MiB pass through a protocol that pauses', async () => {
      const MIB = 1024 * 1024;
      const collectGarbage = garbageCollector();
      const held = (): number => {
        collectGarbage();
        return process.memoryUsage().arrayBuffers;
      };
      const before = held();
      let received = 0;
      let paused = false;
      let deliveredWhilePaused = 0;
      let rests = 0;
      let most = 0;
      class Slow extends ProcessRecorder {
        override childDataReceived(_fd: number, data: Buffer): void {
          if (paused) deliveredWhilePaused += 1;
          const mark = Math.floor(received / (4 * MIB));
          received += data.length;
          if (Math.floor(received / (4 * MIB)) === mark) return;
          // Counted here: with the last piece the child may be gone before the rest is over.
          rests += 1;
          paused = true;
          this.transport.pauseProducing();
          void this.#restAndGoOn();
        }

        async #restAndGoOn(): Promise<void> {
          for (let turn = 0; turn < 5; turn += 1) await reactor.iterate();
          most = Math.max(most, held() - before);
          paused = false;
          this.transport.resumeProducing();
        }
      }
      const protocol = new Slow();
      const flood =
        'const b = Buffer.alloc(1 << 20); let left = 100; const next = () => { if (left-- > 0) process.stdout.write(b, next) }; next()';
      spawnProcess(reactor, protocol, process.execPath, ['node', '-e', flood]);
      await protocol.untilEnded();
      expect(received).to.equal(100 * MIB);
      expect(deliveredWhilePaused).to.equal(0);
      expect(rests).to.equal(25);
      expect(most).to.be.below(16 * MIB);
    }).timeout(60_000);
  });

  describe('signals', () => {
    for (const signal of ['KILL', 'SIGTERM', 15, 'INT'] as const) {
      it(`${signal} ends the child, and the reason says so`, async () => {
        const protocol = node(WAIT);
        await protocol.untilText('ready');
        protocol.transport.signalProcess(signal);
        await protocol.untilEnded();
        const { exitCode, signal: by, status } = terminated(protocol);
        const names = { KILL: 'SIGKILL', SIGTERM: 'SIGTERM', 15: 'SIGTERM', INT: 'SIGINT' };
        expect({ exitCode, by }).to.deep.equal({ exitCode: null, by: names[signal] });
        if (signal === 'KILL') expect(status).to.equal(9);
      });
    }

    it('cannot be sent once the child has exited', async () => {
      const protocol = node('');
      await protocol.untilEnded();
      for (const act of [
        () => protocol.transport.signalProcess('KILL'),
        () => protocol.transport.killTree(),
      ]) {
        expect(act).to.throw(ProcessExitedAlready, 'has exited already');
      }
    });

    it('cannot be sent when it is already clear in processExited', async () => {
      let error: unknown;
      const protocol = node(
        '',
        {},
        {
          exited: ({ transport }) => {
            try {
              transport.signalProcess('TERM');
            } catch (caught) {
              error = caught;
            }
          },
        },
      );
      await protocol.untilEnded();
      expect(error).to.be.instanceOf(ProcessExitedAlready);
    });

    it('must exist', () => {
      const { transport } = node(CAT);
      for (const signal of ['NONSENSE', 'term', '', 'toString', -1, 1.5, 65]) {
        expect(() => transport.signalProcess(signal), String(signal)).to.throw(
          RangeError,
          'no such signal',
        );
      }
    });

    it('is for a child that is there, though we may not have heard of its end yet', async () => {
      const protocol = node(WAIT);
      await protocol.untilText('ready');
      const gone = Object.assign(new Error('kill ESRCH'), { code: 'ESRCH' });
      const kill = sinon.stub(process, 'kill').throws(gone);
      try {
        expect(() => protocol.transport.signalProcess('TERM')).to.throw(ProcessExitedAlready);
      } finally {
        kill.restore();
      }
    });

    it('killTree() ends the child with all that it has started', async () => {
      // Each generation keeps the output it inherited: that it is lost says that all are gone.
      const grandchild =
        'process.on("SIGTERM", () => {}); setInterval(() => {}, 1e6); console.log("deep")';
      const child = `require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(grandchild)}], { stdio: "inherit" }); setInterval(() => {}, 1e6)`;
      const protocol = node(
        `require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(child)}], { stdio: "inherit", detached: true }); setInterval(() => {}, 1e6)`,
      );
      await protocol.untilText('deep');
      protocol.transport.killTree();
      await protocol.untilEnded();
      expect(terminated(protocol).signal).to.equal('SIGKILL');
    });
  });

  describe('a program that cannot be started', () => {
    const fails = async (protocol: ProcessRecorder): Promise<ProcessTerminated> => {
      expect(protocol.calls).to.deep.equal(['made']);
      expect(protocol.transport.pid).to.equal(null);
      await protocol.untilEnded();
      expect(protocol.calls).to.deep.equal([
        'made',
        'lost 0',
        'lost 1',
        'lost 2',
        'exited',
        'ended',
      ]);
      return terminated(protocol);
    };

    it('ends its protocol with what is wrong, when it is missing', async () => {
      const error = await fails(program('/no/such/program', ['x']));
      expect(error.message).to.equal(
        'Could not start "/no/such/program": spawn /no/such/program ENOENT',
      );
      expect(error.stack).to.include('Could not start "/no/such/program"');
      expect(error.cause).to.have.property('code', 'ENOENT');
      expect([error.exitCode, error.signal]).to.deep.equal([null, null]);
    });

    it('ends its protocol in the same way whatever is wrong', async function () {
      if (!posix) this.skip();
      const folder = realpathSync(tmpdir());
      expect((await fails(program(folder))).cause).to.have.property('code', 'EACCES');
      expect((await fails(program('/etc/passwd/x'))).cause).to.have.property('code', 'ENOTDIR');
      const long = 'x'.repeat(4_000_000);
      expect((await fails(program('true', [long]))).cause).to.have.property('code', 'E2BIG');
    });

    it('is not blamed for a working directory that does not exist', async () => {
      const error = await fails(program(process.execPath, [], { path: '/no/such/folder' }));
      expect(error.message).to.include('the working directory "/no/such/folder" does not exist');
    });

    it('has nobody to send a signal to, and takes what is written', async () => {
      const protocol = program('/no/such/program');
      expect(() => protocol.transport.signalProcess('TERM')).to.throw(ProcessExitedAlready);
      protocol.transport.write('x');
      protocol.transport.closeStdin();
      await protocol.untilEnded();
      expect(trap.caught).to.deep.equal([]);
    });

    it('does not hold up a shutdown', async () => {
      const protocol = program('/no/such/program');
      await stop();
      expect(protocol.calls.at(-1)).to.equal('ended');
    });
  });

  describe('arguments that make no sense', () => {
    const attempt = (
      executable: string,
      args: readonly unknown[] = [],
      options: object = {},
    ): (() => ProcessTransport) => {
      // as a caller from JavaScript may
      return () =>
        spawnProcess(reactor, new ProcessRecorder(), executable, args as string[], options);
    };

    it('are refused at once: a NUL', () => {
      expect(attempt('no\0de')).to.throw(
        TypeError,
        'Executable must not have a NUL in it: got "no\\u0000de"',
      );
      expect(attempt('node', ['node', 'a\0b'])).to.throw(
        TypeError,
        'Argument 1 must not have a NUL',
      );
      expect(attempt('node', [], { path: 'a\0b' })).to.throw(TypeError, 'Working directory');
      expect(attempt('node', [], { env: { A: 'a\0b' } })).to.throw(
        TypeError,
        'Environment variable "A"',
      );
      expect(attempt('node', [], { env: { 'A\0': 'b' } })).to.throw(
        TypeError,
        'Environment variable',
      );
    });

    it('are refused at once: what is not text', () => {
      expect(attempt(7 as unknown as string)).to.throw(
        TypeError,
        'Executable must be a string: got number',
      );
      expect(attempt('')).to.throw(TypeError, 'Executable');
      expect(attempt('node', ['node', 7])).to.throw(TypeError, 'Argument 1');
      expect(attempt('node', [], { env: { A: undefined } })).to.throw(
        TypeError,
        'Environment variable "A"',
      );
      expect(attempt('node', [], { uid: 'root' })).to.throw(TypeError, 'uid');
    });

    it('are refused at once: descriptors, times and terminals', () => {
      for (const childFDs of [{ '-1': 'r' }, { 1024: 'r' }, { 1.5: 'r' }, { x: 'r' }]) {
        expect(attempt('node', [], { childFDs })).to.throw(RangeError, 'Child descriptor');
      }
      for (const use of ['rw', -1, 1.5, null]) {
        expect(attempt('node', [], { childFDs: { 0: use } })).to.throw(
          TypeError,
          "must be 'r', 'w'",
        );
      }
      for (const killTimeout of [-1, Number.NaN, Infinity, '5']) {
        expect(attempt('node', [], { killTimeout })).to.throw(RangeError, 'Kill timeout');
      }
      expect(attempt('node', [], { usePTY: true })).to.throw(TypeError, 'usePTY is not supported');
    });

    it('are refused at once: what is no protocol', () => {
      for (const protocol of [undefined, null, {}, { makeConnection() {} }]) {
        expect(() =>
          // as a caller from JavaScript may
          spawnProcess(reactor, protocol as unknown as ProcessRecorder, 'node'),
        ).to.throw(TypeError, 'its protocol has no method');
      }
    });
  });

  describe('exceptions', () => {
    it('in every method of the protocol are reported, and cost nothing else', async () => {
      class Broken extends ProcessRecorder {
        override makeConnection(transport: ProcessTransport): void {
          super.makeConnection(transport);
          throw new Error('made');
        }
        override childDataReceived(fd: number, data: Buffer): void {
          super.childDataReceived(fd, data);
          throw new Error('data');
        }
        override childConnectionLost(fd: number): void {
          super.childConnectionLost(fd);
          throw new Error(`lost ${fd}`);
        }
        override processExited(reason: never): void {
          super.processExited(reason);
          throw new Error('exited');
        }
        override processEnded(reason: never): void {
          super.processEnded(reason);
          throw new Error('ended');
        }
      }
      const protocol = new Broken();
      spawnProcess(reactor, protocol, process.execPath, ['node', '-e', 'console.log("x")']);
      const pid = protocol.transport.pid;
      await protocol.untilEnded();
      expect(protocol.text()).to.equal('x\n');
      expect(trap.caught.map(({ failure }) => failure.getErrorMessage()).sort()).to.deep.equal([
        'data',
        'ended',
        'exited',
        'lost 0',
        'lost 1',
        'lost 2',
        'made',
      ]);
      expect(trap.caught[0]?.origin).to.equal(
        `Unhandled error in Recorder,${process.execPath},${pid}`,
      );
    });

    it('of async methods are reported as well', async () => {
      class Broken extends ProcessRecorder {
        override async childDataReceived(): Promise<void> {
          throw new Error('later');
        }
        override async processExited(reason: never): Promise<void> {
          super.processExited(reason);
          throw new Error('exited later');
        }
      }
      const protocol = new Broken();
      spawnProcess(reactor, protocol, process.execPath, ['node', '-e', 'console.log("x")']);
      await protocol.untilEnded();
      await reactor.iterate();
      expect(trap.caught.map(({ failure }) => failure.getErrorMessage()).sort()).to.deep.equal([
        'exited later',
        'later',
      ]);
    });
  });

  describe('at shutdown', () => {
    it('a child gets SIGTERM, its last words are heard, and the reactor waits for its end', async () => {
      const protocol = node(
        `process.on("SIGTERM", () => process.stdout.write("bye", () => process.exit(6))); ${WAIT}`,
      );
      await protocol.untilText('ready');
      await stop();
      expect(protocol.calls.at(-1)).to.equal('ended');
      if (!posix) return;
      expect(protocol.text()).to.equal('ready\nbye');
      expect(terminated(protocol).exitCode).to.equal(6);
    });

    it('a child that ignores SIGTERM is killed with its tree after killTimeout', async function () {
      if (!posix) this.skip();
      const deaf = (then: string): string =>
        `setInterval(() => {}, 1e6); process.on("SIGTERM", () => console.log("no")); ${then}`;
      const grandchild = deaf('console.log("ready")');
      const protocol = node(
        deaf(
          `require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(grandchild)}], { stdio: "inherit" })`,
        ),
        { killTimeout: 3 },
      );
      await protocol.untilText('ready');
      const done = stop();
      await protocol.untilText('no');
      reactor.clock.advance(2.9);
      await reactor.iterate();
      expect(protocol.has('exited')).to.equal(false);
      reactor.clock.advance(0.2);
      await done;
      expect(terminated(protocol).signal).to.equal('SIGKILL');
      expect(protocol.calls.at(-1)).to.equal('ended');
    });

    it('a child has 5 seconds unless told otherwise', async function () {
      if (!posix) this.skip();
      const protocol = node(`process.on("SIGTERM", () => console.log("no")); ${WAIT}`);
      await protocol.untilText('ready');
      const done = stop();
      await protocol.untilText('no');
      const [call] = reactor.clock.getDelayedCalls();
      expect(call?.getTime()).to.equal(5);
      reactor.clock.advance(5);
      await done;
    });

    it('pipes that outlive the child in another process are closed after killTimeout', async function () {
      if (!posix) this.skip();
      // The stray ends when its descriptor 3 is closed, which only happens when we let go of it.
      const stray =
        'const s = new (require("node:net").Socket)({ fd: 3 }); s.on("end", () => process.exit()).resume(); process.on("SIGTERM", () => {}); console.log("ready")';
      const protocol = node(
        `require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(stray)}], { stdio: ["ignore", "inherit", "inherit", 3], detached: true }); setInterval(() => {}, 1e6)`,
        { childFDs: { 0: 'w', 1: 'r', 2: 'r', 3: 'w' } },
      );
      await protocol.untilText('ready');
      const done = stop();
      await protocol.until(() => protocol.has('exited'));
      for (let turn = 0; turn < 5; turn += 1) await reactor.iterate();
      expect(protocol.has('ended')).to.equal(false);
      reactor.clock.advance(5);
      await done;
      expect(protocol.calls.at(-1)).to.equal('ended');
      expect(terminated(protocol).signal).to.equal('SIGTERM');
    });

    it('what a paused protocol has not read is dropped', async () => {
      const running = node(
        `process.on("SIGTERM", () => { require("node:fs").writeSync(1, "unread"); process.exit() }); ${WAIT}`,
      );
      await running.untilText('ready');
      running.transport.pauseProducing();
      const exited = node(
        'console.log("x")',
        {},
        { made: (transport) => transport.pauseProducing() },
      );
      await exited.until(() => exited.has('exited'));
      expect(exited.has('ended')).to.equal(false);
      await stop();
      expect(running.calls.at(-1)).to.equal('ended');
      expect(running.text()).to.equal('ready\n');
      expect(exited.calls.at(-1)).to.equal('ended');
      expect(exited.text()).to.equal('');
    });

    it('a child that was started during it is ended too', async () => {
      const first = node(WAIT);
      await first.untilText('ready');
      let second: ProcessRecorder | undefined;
      first.hooks.exited = () => {
        second = node(WAIT);
      };
      await stop();
      expect(second?.calls.at(-1)).to.equal('ended');
    });

    it('a child that cannot be killed is left, with a word in the log', async function () {
      if (!posix) this.skip();
      const children = (): number =>
        process.getActiveResourcesInfo().filter((name) => name === 'ProcessWrap').length;
      const before = children();
      const protocol = node(WAIT);
      await protocol.untilText('ready');
      const { pid } = protocol.transport;
      const events: LogEvent[] = [];
      const observer = setLogObserver((event) => events.push(event));
      const refused = Object.assign(new Error('kill EPERM'), { code: 'EPERM' });
      const kill = sinon.stub(process, 'kill').throws(refused);
      try {
        const done = stop();
        while (reactor.clock.getDelayedCalls().length === 0) await reactor.iterate();
        reactor.clock.advance(5);
        reactor.clock.advance(5);
        await done;
        // Nor does the end of this process.
        expect(children()).to.be.at.most(before);
      } finally {
        kill.restore();
        setLogObserver(observer);
        if (typeof pid === 'number') process.kill(pid, 'SIGKILL');
      }
      expect(
        events.filter(({ level }) => level === 'error').map(({ message }) => message),
      ).to.deep.equal([`Left process ${pid} running: it could not be ended`]);
      expect(trap.caught.map(({ failure }) => failure.value)).to.deep.equal([refused, refused]);
      for (let turn = 0; turn < 5; turn += 1) await reactor.iterate();
      expect(protocol.has('ended')).to.equal(false);
    });
  });
});
