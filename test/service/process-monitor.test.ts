import { expect } from 'chai';
import { Failure } from '../../src/deferred/index.ts';
import {
  Clock,
  type IProcessProtocol,
  ProcessDone,
  type ProcessTransport,
  type ReactorProcess,
  reactor,
} from '../../src/reactor/index.ts';
import {
  capturedLogs,
  DuplicateServiceName,
  NoSuchService,
  ProcessMonitor,
  type ProcessMonitorOptions,
} from '../../src/service/index.ts';
import { killChildren, run, start } from '../support/twistd-child.ts';

/** A program that does what the test says. */
class Program {
  readonly signals: string[] = [];
  readonly args: readonly string[];
  readonly #protocol: IProcessProtocol;

  constructor(protocol: IProcessProtocol, args: readonly string[], pid: number) {
    this.args = args;
    this.#protocol = protocol;
    const transport: Partial<ProcessTransport> = {
      pid,
      signalProcess: (signal) => this.signals.push(String(signal)),
      killTree: () => void this.signals.push('tree'),
    };
    protocol.makeConnection(transport as ProcessTransport); // all that the monitor uses
  }

  write(text: string): void {
    this.#protocol.childDataReceived(1, Buffer.from(text));
  }

  end(): void {
    const reason = new Failure(new ProcessDone(0));
    this.#protocol.processExited(reason);
    this.#protocol.processEnded(reason);
  }
}

class Machine extends Clock implements ReactorProcess {
  readonly programs: Program[] = [];

  get last(): Program {
    const program = this.programs.at(-1);
    if (program === undefined) throw new Error('nothing was started');
    return program;
  }

  spawnProcess(
    protocol: IProcessProtocol,
    _: string,
    args: readonly string[] = [],
  ): ProcessTransport {
    this.programs.push(new Program(protocol, args, 100 + this.programs.length));
    return (protocol as unknown as { transport: ProcessTransport }).transport; // a ProcessProtocol
  }
}

describe('ProcessMonitor', () => {
  let machine: Machine;
  let logs: ReturnType<typeof capturedLogs>;
  beforeEach(() => {
    machine = new Machine();
    logs = capturedLogs();
  });
  afterEach(() => logs.stop());

  function monitor(options: ProcessMonitorOptions = {}): ProcessMonitor {
    const made = new ProcessMonitor({ reactor: machine, ...options });
    made.addProcess('a', ['prog', 'x']);
    return made;
  }

  it('starts programs when it starts, and those that are added later at once', () => {
    const service = monitor();
    expect(machine.programs).to.deep.equal([]);
    service.startService();
    service.addProcess('b', ['other']);
    expect(machine.programs.map(({ args }) => args)).to.deep.equal([['prog', 'x'], ['other']]);
    expect([...service.processes]).to.deep.equal([
      ['a', 100],
      ['b', 101],
    ]);
  });

  it('starts one again that has ended, later each time while it fails quickly', () => {
    const service = monitor({ maxRestartDelay: 5 });
    service.startService();
    for (const delay of [1, 2, 4, 5, 5]) {
      const { length } = machine.programs;
      machine.last.end();
      machine.advance(delay - 0.5);
      expect(machine.programs, `after ${delay}`).to.have.length(length);
      machine.advance(0.5);
      expect(machine.programs).to.have.length(length + 1);
    }
    machine.advance(1);
    machine.last.end();
    machine.advance(1);
    expect(machine.programs, 'it had lived').to.have.length(7);
  });

  it('stops them with SIGTERM, by force if that does not help, and waits for them', async () => {
    const service = monitor({ killTime: 3 });
    service.startService();
    let stopped = false;
    const stop = service.stopService().then(() => {
      stopped = true;
    });
    const { last } = machine;
    expect(last.signals).to.deep.equal(['TERM']);
    machine.advance(2.9);
    expect(last.signals).to.deep.equal(['TERM']);
    machine.advance(0.1);
    expect(last.signals).to.deep.equal(['TERM', 'tree']);
    expect(stopped).to.equal(false);
    last.end();
    await stop;
    machine.advance(100);
    expect(machine.programs).to.have.length(1);
    expect(machine.getDelayedCalls()).to.deep.equal([]);
  });

  it('leaves alone what has ended in time, and has it wait no longer than others', () => {
    const service = monitor({ killTime: 3 });
    service.startService();
    // Told to end, so that it was not quick by itself.
    for (let times = 1; times < 4; times++) {
      const { last } = machine;
      void service.stopProcess('a');
      last.end();
      machine.advance(0.9);
      expect(machine.programs).to.have.length(times);
      machine.advance(0.1);
      expect(machine.programs).to.have.length(times + 1);
      machine.advance(0.5);
      expect(last.signals).to.deep.equal(['TERM']);
    }
    machine.advance(10);
    expect(machine.programs.map(({ signals }) => signals.length)).to.deep.equal([1, 1, 1, 0]);
  });

  it('stops and removes single ones, and restarts all', () => {
    const service = monitor();
    service.startService();
    service.restartAll();
    expect(machine.last.signals).to.deep.equal(['TERM']);
    machine.last.end();
    machine.advance(1);
    expect(machine.programs).to.have.length(2);
    let removed = false;
    service.removeProcess('a').addCallback(() => {
      removed = true;
    });
    expect(removed).to.equal(false);
    machine.last.end();
    expect(removed).to.equal(true);
    machine.advance(100);
    expect(machine.programs).to.have.length(2);
    expect(() => service.stopProcess('a')).to.throw(NoSuchService, '"a"');
  });

  it('lets one wait on that is told to stop while it waits to be started again', () => {
    const service = monitor();
    service.startService();
    machine.last.end();
    void service.stopProcess('a');
    service.restartAll();
    machine.advance(1);
    expect(machine.programs).to.have.length(2);
    machine.last.end();
    void service.removeProcess('a');
    machine.advance(100);
    expect(machine.programs).to.have.length(2);
  });

  it('does not start one again that waits to be, once it is stopped', async () => {
    const service = monitor();
    service.startService();
    machine.last.end();
    await service.stopService();
    expect(machine.getDelayedCalls()).to.deep.equal([]);
  });

  it('logs what they write, line by line, of any length', () => {
    const service = monitor();
    service.startService();
    machine.last.write('one\ntw');
    machine.last.write('o\r\n');
    machine.last.write(`${'x'.repeat(20_000)}\nlast`);
    machine.last.end();
    const said = logs.entries.filter(({ namespace }) => namespace === 'a').map((e) => e.message);
    expect(said.slice(0, 2)).to.deep.equal(['one', 'two']);
    expect(said.slice(2).join('')).to.equal(`${'x'.repeat(20_000)}last`);
    expect(Math.max(...said.map(({ length }) => length))).to.be.below(20_000);
  });

  it('refuses what makes no sense', () => {
    const service = monitor();
    expect(() => service.addProcess('a', ['y'])).to.throw(DuplicateServiceName);
    expect(() => service.addProcess('b', [])).to.throw(TypeError, 'no program was given');
    expect(() => new ProcessMonitor({ killTime: -1 })).to.throw(RangeError, 'killTime -1');
  });

  it('keeps a real program running that cannot be started at first', async () => {
    const service = new ProcessMonitor({ reactor, minRestartDelay: 0.01 });
    service.addProcess('missing', ['/no/such/program']);
    service.startService();
    while (logs.entries.filter(({ message }) => /starts again/.test(message)).length < 2) {
      await new Promise((resolve) => reactor.callLater(0.01, resolve, undefined));
    }
    await service.stopService();
    expect(service.processes.size).to.equal(0);
  });
});

describe('twistd procmon', function () {
  this.timeout(30_000);
  afterEach(killChildren);

  it('keeps a program running, with its own options', async () => {
    const program = ['sh', '-c', 'echo "here $0 $1"; exit 3', '-m', '--help'];
    const child = start(['procmon', '-m', '0.05', ...program]);
    await child.waitForLine(
      /\[sh\] info: here -m --help\n[\s\S]*exit code 3[\s\S]*\[sh\] info: here/,
    );
    expect((await child.stop()).code).to.equal(0);
  });

  it('explains itself, and says when there is no program', async () => {
    const help = await run(['procmon', '--help']);
    expect(help.stdout)
      .to.match(/^Usage: twistd procmon \[options\] COMMAND/)
      .and.to.include('Example');
    const none = await run(['procmon']);
    expect(none).to.include({ code: 2 });
    expect(none.stderr).to.match(/^twistd: COMMAND is missing: the program and its arguments/);
  });
});
