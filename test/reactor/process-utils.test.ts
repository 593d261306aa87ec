import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { CancelledError, type Deferred, Failure } from '../../src/deferred/index.ts';
import { LibuvReactor, ProcessTerminated } from '../../src/reactor/index.ts';
import { spawnProcess } from '../../src/reactor/libuv/process.ts';
import type {
  IProcessProtocol,
  ProcessTransport,
  ReactorProcess,
  SpawnProcessOptions,
} from '../../src/reactor/process-interfaces.ts';
import {
  getProcessOutput,
  getProcessOutputAndValue,
  getProcessValue,
  ProcessOutputTooLong,
  ProcessSignalled,
  UnexpectedErrorOutput,
} from '../../src/reactor/process-utils.ts';

describe('Running a program for its outcome', () => {
  let libuv: LibuvReactor;
  let reactor: ReactorProcess;

  beforeEach(() => {
    libuv = new LibuvReactor();
    reactor = {
      spawnProcess: (
        protocol: IProcessProtocol,
        executable: string,
        args?: readonly string[],
        options?: SpawnProcessOptions,
      ) => spawnProcess(libuv, protocol, executable, args, options),
    };
  });

  afterEach(async () => {
    const running = libuv.run(false);
    libuv.stop();
    await running;
    expect(libuv.openCount).to.equal(0);
  });

  const { execPath } = process;

  const failureOf = async (deferred: Deferred<unknown>): Promise<unknown> => {
    try {
      await deferred;
    } catch (error) {
      return error instanceof Failure ? error.value : error;
    }
    throw new Error('It did not fail');
  };

  describe('getProcessOutput()', () => {
    it('gives all that the program writes, whatever its exit code', async () => {
      const code = 'process.stdout.write("x".repeat(300000)); process.exitCode = 3';
      const output = await getProcessOutput(execPath, ['-e', code], { reactor });
      expect(output).to.be.instanceOf(Buffer);
      expect(output.equals(Buffer.alloc(300_000, 'x'))).to.equal(true);
    });

    it('hands on arguments, environment and working directory, and no input', async () => {
      const folder = realpathSync(tmpdir());
      const code =
        'process.stdin.on("end", () => console.log(process.argv[1], process.env.A, process.cwd())).resume()';
      const output = await getProcessOutput(execPath, ['-e', code, 'arg'], {
        reactor,
        env: { A: 'b' },
        path: folder,
      });
      expect(output.toString()).to.equal(`arg b ${folder}\n`);
    });

    it('fails on error output, before the program has ended, and lets go of it', async () => {
      const code =
        'console.error("oops"); process.stdout.on("error", () => process.exit()); setInterval(() => process.stdout.write("x"), 1)';
      const error = await failureOf(getProcessOutput(execPath, ['-e', code], { reactor }));
      if (!(error instanceof UnexpectedErrorOutput)) throw error;
      expect(error.text.toString()).to.equal('oops\n');
      expect(error.message).to.include(execPath).and.to.include('oops');
      expect(error.code).to.equal('ERR_UNEXPECTED_ERROR_OUTPUT');
      expect(libuv.openCount).to.equal(1);
      await error.processEnded;
    });

    it('takes error output for output with errortoo', async () => {
      const code =
        'const { writeSync } = require("node:fs"); writeSync(2, "a"); process.stdout.write("b")';
      const output = await getProcessOutput(execPath, ['-e', code], { reactor, errortoo: true });
      expect([...output.toString()].sort().join('')).to.equal('ab');
    });

    it('fails when the program cannot be started', async () => {
      const error = await failureOf(getProcessOutput('/no/such/program', [], { reactor }));
      if (!(error instanceof ProcessTerminated)) throw error;
      expect(error.message).to.include('Could not start "/no/such/program"');
      expect(error.cause).to.have.property('code', 'ENOENT');
    });

    it('kills a program that writes more than may be kept', async () => {
      const code = 'setInterval(() => process.stdout.write("x".repeat(600)), 1)';
      const options = { reactor, maxOutput: 1000 };
      const error = await failureOf(getProcessOutput(execPath, ['-e', code], options));
      if (!(error instanceof ProcessOutputTooLong)) throw error;
      expect(error.limit).to.equal(1000);
      expect(error.message).to.include('over 1000 bytes');
      // The reactor stops only when the child is gone; that it was killed is what makes it stop.
    });

    it('keeps output that is just as long as it may be', async () => {
      const options = { reactor, maxOutput: 5 };
      const code = 'process.stdout.write("12345")';
      const output = await getProcessOutput(execPath, ['-e', code], options);
      expect(output.toString()).to.equal('12345');
    });

    it('kills the program when it is cancelled', async () => {
      let pid: number | null = null;
      const watching: ReactorProcess = {
        spawnProcess(...args) {
          const transport = reactor.spawnProcess(...args);
          pid = transport.pid;
          return transport;
        },
      };
      const deferred = getProcessOutput(execPath, ['-e', 'setInterval(() => {}, 1e6)'], {
        reactor: watching,
      });
      expect(pid).to.be.above(0);
      expect(libuv.openCount).to.equal(1);
      deferred.cancel();
      expect(await failureOf(deferred)).to.be.instanceOf(CancelledError);
      // Without a shutdown to end it, only the kill can.
      while (libuv.openCount > 0) await libuv.iterate();
    });

    it('lets go of the output when it is cancelled after the program has ended, whoever still has it', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'strand-'));
      const pidFile = join(folder, 'pid');
      let transport: ProcessTransport | undefined;
      const watching: ReactorProcess = {
        spawnProcess(...args) {
          transport = reactor.spawnProcess(...args);
          return transport;
        },
      };
      // The sleeper inherits the pipes, and is no longer of the program's tree.
      const deferred = getProcessOutput('sh', ['-c', 'sleep 1000 & echo $! > "$0"', pidFile], {
        reactor: watching,
      });
      while (transport?.pid !== null) await libuv.iterate();
      const sleeper = Number(readFileSync(pidFile, 'utf8'));
      try {
        expect(libuv.openCount).to.equal(1);
        deferred.cancel();
        expect(await failureOf(deferred)).to.be.instanceOf(CancelledError);
        while (libuv.openCount > 0) await libuv.iterate();
      } finally {
        process.kill(sleeper);
        rmSync(folder, { recursive: true });
      }
    });

    it('refuses a limit that makes no sense', () => {
      for (const maxOutput of [-1, Number.NaN]) {
        expect(() => getProcessOutput(execPath, [], { reactor, maxOutput })).to.throw(RangeError);
      }
    });
  });

  describe('getProcessValue()', () => {
    it('gives the exit code, and drops the output', async () => {
      const run = (code: string): Deferred<number> =>
        getProcessValue(execPath, ['-e', code], { reactor });
      expect(await run('console.log("x"); console.error("y")')).to.equal(0);
      expect(await run('process.exit(7)')).to.equal(7);
    });

    it('fails when a signal ended the program, or it was never there', async () => {
      const killed = await failureOf(
        getProcessValue(execPath, ['-e', 'process.kill(process.pid, "SIGKILL")'], { reactor }),
      );
      if (!(killed instanceof ProcessTerminated)) throw killed;
      expect(killed.signal).to.equal('SIGKILL');
      const missing = await failureOf(getProcessValue('/no/such/program', [], { reactor }));
      if (!(missing instanceof ProcessTerminated)) throw missing;
      expect(missing.cause).to.have.property('code', 'ENOENT');
    });
  });

  describe('getProcessOutputAndValue()', () => {
    it('gives both streams and the exit code', async () => {
      const code = 'process.stdout.write("out"); process.stderr.write("err"); process.exitCode = 2';
      const [out, err, value] = await getProcessOutputAndValue(execPath, ['-e', code], { reactor });
      expect([out.toString(), err.toString(), value]).to.deep.equal(['out', 'err', 2]);
    });

    it('fails with what there was when a signal ended the program', async () => {
      const code =
        'const { writeSync } = require("node:fs"); writeSync(1, "out"); writeSync(2, "err"); process.kill(process.pid, "SIGKILL")';
      const error = await failureOf(getProcessOutputAndValue(execPath, ['-e', code], { reactor }));
      if (!(error instanceof ProcessSignalled)) throw error;
      const { out, err, signal, cause } = error;
      expect([out.toString(), err.toString(), signal]).to.deep.equal(['out', 'err', 'SIGKILL']);
      expect(cause).to.be.instanceOf(ProcessTerminated);
    });

    it('fails when the program cannot be started', async () => {
      const error = await failureOf(getProcessOutputAndValue('/no/such/program', [], { reactor }));
      expect(error).to.be.instanceOf(ProcessTerminated);
    });
  });
});
