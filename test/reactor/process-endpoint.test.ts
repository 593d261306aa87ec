import { createHash } from 'node:crypto';
import { expect } from 'chai';
import {
  ConnectError,
  ConnectionAborted,
  connectProtocol,
  LibuvReactor,
  type LogEvent,
  NoProtocol,
  ProcessDone,
  ProcessEndpoint,
  type ProcessEndpointOptions,
  ProcessTerminated,
  setLogObserver,
} from '../../src/reactor/index.ts';
import { FailureTrap, HalfCloseRecorder, Recorder, RecordingFactory } from '../support/recorder.ts';

describe('ProcessEndpoint', () => {
  let reactor: LibuvReactor;
  let trap: FailureTrap;
  let events: LogEvent[];
  let previous: ReturnType<typeof setLogObserver>;

  before(function () {
    if (process.platform === 'win32') this.skip();
  });

  beforeEach(() => {
    reactor = new LibuvReactor();
    trap = new FailureTrap();
    events = [];
    previous = setLogObserver((event) => events.push(event));
  });

  afterEach(async () => {
    const running = reactor.run(false);
    reactor.stop();
    await running;
    expect(reactor.openCount).to.equal(0);
    setLogObserver(previous);
    trap.restore();
  });

  const shell = (line: string, options?: ProcessEndpointOptions): ProcessEndpoint =>
    new ProcessEndpoint(reactor, 'sh', ['sh', '-c', line], options);

  const failureOf = async (work: PromiseLike<unknown>): Promise<unknown> => {
    try {
      await work;
    } catch (error) {
      return error;
    }
    throw new Error('It did not fail');
  };

  it('talks to standard input and output; the reason is how the process ended', async () => {
    const protocol = await connectProtocol(
      new ProcessEndpoint(reactor, 'cat', ['cat']),
      new Recorder(),
    );
    protocol.transport.write('there and back');
    await protocol.until(() => protocol.bytes === 14);
    expect(protocol.received.toString()).to.equal('there and back');
    protocol.transport.loseConnection();
    await protocol.until(() => protocol.lost);
    expect(protocol.reason?.value).to.be.instanceOf(ProcessDone);
    expect(protocol.transport.connected).to.equal(false);
    expect(trap.caught).to.deep.equal([]);
  });

  it('the end of the output is the end of the connection, with the exit code', async () => {
    const protocol = await connectProtocol(shell('printf bye; exit 3'), new Recorder());
    await protocol.until(() => protocol.lost);
    expect(protocol.received.toString()).to.equal('bye');
    expect(protocol.reason?.value).to.be.instanceOf(ProcessTerminated);
    expect(protocol.reason?.value).to.have.property('exitCode', 3);
  });

  it('half-closing ends the input of the program, and its output is still read', async () => {
    const protocol = await connectProtocol(
      new ProcessEndpoint(reactor, 'sort', ['sort']),
      new HalfCloseRecorder(),
    );
    protocol.transport.write('b\nc\na\n');
    protocol.transport.loseWriteConnection();
    await protocol.until(() => protocol.lost);
    expect(protocol.received.toString()).to.equal('a\nb\nc\n');
    expect(protocol.calls).to.include.members(['writeLost', 'readLost']);
    expect(protocol.calls.at(-1)).to.equal('lost');
    expect(protocol.reason?.value).to.be.instanceOf(ProcessDone);
  });

  it('loseConnection() sends first what was written, however much', async () => {
    const size = 4 * 2 ** 20;
    const protocol = await connectProtocol(shell('exec wc -c >&2'), new Recorder());
    protocol.transport.write(Buffer.alloc(size));
    protocol.transport.loseConnection();
    await protocol.until(() => protocol.lost);
    expect(events.map((event) => event.message).join()).to.contain(String(size));
  });

  it('holds a producer back while the program does not read, and goes on when it does', async () => {
    const chunk = Buffer.alloc(65536, 'z');
    const total = 4 * 2 ** 20;
    const hash = createHash('sha256');
    let left = total;
    let paused = false;
    let pauses = 0;
    const protocol = await connectProtocol(
      shell('read go; exec sha256sum'),
      new HalfCloseRecorder(),
    );
    const producer = {
      pauseProducing(): void {
        paused = true;
        pauses += 1;
        // Only now may it read.
        if (pauses === 1) expect(total - left).to.be.below(2 ** 20);
      },
      resumeProducing(): void {
        paused = false;
        while (!paused && left > 0) {
          left -= chunk.length;
          hash.update(chunk);
          protocol.transport.write(chunk);
        }
        if (left > 0) return;
        protocol.transport.unregisterProducer();
        protocol.transport.loseWriteConnection();
      },
      stopProducing(): void {},
    };
    protocol.transport.write('go\n');
    protocol.transport.registerProducer(producer, true);
    producer.resumeProducing();
    await protocol.until(() => protocol.lost);
    expect(pauses).to.be.above(0);
    expect(protocol.received.toString()).to.contain(hash.digest('hex'));
  });

  it('reads nothing while it is paused', async () => {
    const protocol = new Recorder({ made: ({ transport }) => transport.pauseProducing() });
    await connectProtocol(shell('printf data; printf ready >&2; read x'), protocol);
    protocol.transport.resumeProducing();
    await protocol.until(() => protocol.bytes === 4);
    protocol.transport.write('x\n');
    await protocol.until(() => protocol.lost);
    expect(protocol.reason?.value).to.be.instanceOf(ProcessDone);
  });

  it('loseConnection() waits for nothing that a program which has closed its input could still take', async () => {
    const protocol = new Recorder({
      // More than any pipe holds.
      made: ({ transport }) => transport.write(Buffer.alloc(8_000_000)),
    });
    // It ends when nobody reads its output any more.
    await connectProtocol(shell('exec 0<&-; while printf x; do sleep 0.01; done'), protocol);
    // By then we have heard that its input is closed.
    await protocol.until(() => protocol.bytes > 10);
    protocol.transport.loseConnection();
    await protocol.until(() => protocol.lost);
    expect(protocol.reason?.value).to.be.instanceOf(ProcessTerminated);
  });

  it('abortConnection() kills the program', async () => {
    const protocol = await connectProtocol(
      shell('trap "" TERM; printf x; sleep 60'),
      new Recorder(),
    );
    await protocol.until(() => protocol.bytes === 1);
    protocol.transport.abortConnection();
    await protocol.until(() => protocol.lost);
    expect(protocol.reason?.value).to.be.instanceOf(ConnectionAborted);
  });

  it('an exception in the protocol ends the program, and is the reason', async () => {
    const protocol = new Recorder({
      data() {
        throw new Error('not this');
      },
    });
    await connectProtocol(shell('printf x; read y'), protocol);
    await protocol.until(() => protocol.lost);
    expect(protocol.reason?.value).to.have.property('message', 'not this');
    expect(trap.caught.map(({ failure }) => failure.getErrorMessage())).to.deep.equal(['not this']);
  });

  it('logs what the program writes to its standard error', async () => {
    const protocol = await connectProtocol(shell('echo oh dear >&2'), new Recorder());
    await protocol.until(() => protocol.lost);
    const [event] = events.filter(({ level }) => level === 'warn');
    expect(event?.message).to.equal('Error output of "sh": oh dear\n');
  });

  it('drops it when asked to', async () => {
    const protocol = await connectProtocol(
      shell('echo oh dear >&2; echo done', { errFlag: 'drop' }),
      new Recorder(),
    );
    await protocol.until(() => protocol.lost);
    expect(protocol.received.toString()).to.equal('done\n');
    expect(events).to.deep.equal([]);
  });

  it('hands environment and directory on', async () => {
    const options = { env: { PATH: process.env['PATH'] ?? '', GREETING: 'hello' }, path: '/' };
    const protocol = await connectProtocol(
      shell('echo $GREETING from $(pwd)', options),
      new Recorder(),
    );
    await protocol.until(() => protocol.lost);
    expect(protocol.received.toString()).to.equal('hello from /\n');
  });

  it('connect() fails when there is no such program, and builds no protocol', async () => {
    const factory = new RecordingFactory();
    const error = await failureOf(
      new ProcessEndpoint(reactor, '/no/such/program').connect(factory),
    );
    expect(error).to.be.instanceOf(ConnectError);
    expect(error).to.have.property('message').that.contains('Could not start "/no/such/program"');
    expect(error).to.have.nested.property('osError.code', 'ENOENT');
    expect(factory.calls).to.deep.equal(['start', 'stop']);
  });

  it('connect() fails without a protocol, and ends the program', async () => {
    const none = new RecordingFactory(() => null);
    expect(await failureOf(shell('sleep 60').connect(none))).to.be.instanceOf(NoProtocol);
    await none.until(() => none.calls.includes('stop'));
    const throwing = new RecordingFactory(() => {
      throw new Error('none today');
    });
    expect(await failureOf(shell('sleep 60').connect(throwing))).to.have.property(
      'message',
      'none today',
    );
    await throwing.until(() => throwing.calls.includes('stop'));
    const protocol = new Recorder({
      made() {
        throw new Error('not that');
      },
    });
    const failing = new RecordingFactory(() => protocol);
    expect(await failureOf(shell('read x').connect(failing))).to.have.property(
      'message',
      'not that',
    );
    await protocol.until(() => protocol.lost);
  });

  it('is closed with the reactor', async () => {
    const protocol = await connectProtocol(shell('exec sleep 60'), new Recorder());
    const running = reactor.run(false);
    reactor.stop();
    await running;
    expect(protocol.reason?.value).to.be.instanceOf(ProcessTerminated);
    expect(protocol.reason?.value).to.have.property('signal', 'SIGTERM');
    reactor = new LibuvReactor();
  });

  it('refuses what makes no sense at once', async () => {
    const errFlag = 'loud' as 'log';
    expect(() => new ProcessEndpoint(reactor, 'cat', ['cat'], { errFlag })).to.throw(
      TypeError,
      "errFlag must be 'log' or 'drop': got 'loud'",
    );
    const factory = new RecordingFactory();
    const error = await failureOf(new ProcessEndpoint(reactor, 'cat', ['a\0b']).connect(factory));
    expect(error).to.be.instanceOf(TypeError);
    expect(factory.calls).to.deep.equal(['start', 'stop']);
  });
});
