import { fstatSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect } from 'chai';
import { setUnhandledFailureHandler } from '../../../../src/deferred/index.ts';
import {
  assertNoResult,
  Clock,
  failureResultOf,
  type IProtocolFactory,
  MemoryReactorClock,
  successResultOf,
} from '../../../../src/reactor/index.ts';
import { WindowsError } from '../../../../src/service/windows/errors.ts';
import { detach } from '../../../../src/service/windows/ffi/ipc-memory.ts';
import {
  Mailslot,
  NamedPipeServer,
  NamedPipeServerEndpoint,
  SharedMemory,
} from '../../../../src/service/windows/ipc/index.ts';
import { FakeKernel } from './fake-kernel.ts';

describe('SharedMemory', () => {
  const kernel = new FakeKernel();
  afterEach(() => expect([kernel.handles.size, kernel.views.length]).to.deep.equal([0, 0]));

  it('create() and open() give the same bytes', () => {
    const one = SharedMemory.create('x', 10, { kernel });
    const two = SharedMemory.open('x', { kernel });
    one.buffer.write('hello');
    expect(two.buffer.toString('latin1', 0, 5)).to.equal('hello');
    expect([one.created, two.created, one.size, two.size]).to.deep.equal([true, false, 10, 4096]);
    one.close();
    two.close();
  });

  it('refuses a size that is not there, and leaves nothing open', () => {
    const one = SharedMemory.create('x', 10, { kernel });
    expect(() => SharedMemory.open('x', { kernel, size: 5000 }))
      .to.throw('Cannot map 5000 bytes of shared memory "x": it has 4096')
      .with.property('code', 'ERR_SHARED_MEMORY_TOO_SMALL');
    one.close();
  });

  it('refuses sizes that make no sense', () => {
    for (const size of [0, -1, 1.5, Number.NaN, 2 ** 60]) {
      expect(() => SharedMemory.create('x', size, { kernel })).to.throw(RangeError);
      expect(() => SharedMemory.open('x', { kernel, size })).to.throw(RangeError);
    }
  });

  it('has no buffer once it is closed', () => {
    const one = SharedMemory.create(null, 10, { kernel });
    one.close();
    one.close();
    expect(() => one.buffer)
      .to.throw(WindowsError)
      .with.property('winerror', 6);
  });

  it('what is detached has no bytes left in any view', () => {
    // Memory that is not Node's own, as Windows' is not. The part of koffi that is used here.
    const koffi = createRequire(import.meta.url)('koffi') as {
      alloc(type: string, count: number): bigint;
      view(address: bigint, length: number): ArrayBuffer;
      free(address: bigint): void;
    };
    const address = koffi.alloc('uint8', 16);
    for (const bytes of [new ArrayBuffer(16), koffi.view(address, 16)]) {
      const views = [Buffer.from(bytes, 4), new Float64Array(bytes)];
      detach(bytes);
      expect(views.map((view) => view.length)).to.deep.equal([0, 0]);
    }
    koffi.free(address);
  });
});

describe('Mailslot', () => {
  let clock: Clock;
  let kernel: FakeKernel;
  beforeEach(() => {
    clock = new Clock();
    kernel = new FakeKernel();
  });
  const nothingOpen = (): void => {
    expect(kernel.handles.size).to.equal(0);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  };

  it('receive() gives messages in order to those who asked, and looks only while somebody does', () => {
    const slot = new Mailslot('s', { kernel, clock, interval: 1 });
    const writer = Mailslot.connect('\\\\.\\mailslot\\s', { kernel });
    writer.write('one');
    expect(successResultOf(slot.receive()).toString()).to.equal('one');
    expect(clock.getDelayedCalls()).to.have.length(0);
    const [two, three] = [slot.receive(), slot.receive()];
    writer.write(new Uint8Array([50]));
    writer.write(Buffer.from('3'));
    assertNoResult(two);
    clock.advance(1);
    expect(successResultOf(two).toString()).to.equal('2');
    expect(successResultOf(three).toString()).to.equal('3');
    slot.close();
    writer.close();
    nothingOpen();
  });

  it('receive() ends by time, by cancel, and by close()', () => {
    const slot = new Mailslot('s', { kernel, clock });
    const [late, cancelled, closed] = [
      slot.receive({ timeout: 1 }),
      slot.receive(),
      slot.receive(),
    ];
    clock.advance(1);
    cancelled.cancel();
    slot.close();
    expect(failureResultOf(late).value).to.include({ code: 'ERR_TIMEOUT' });
    expect(failureResultOf(cancelled).value).to.include({ code: 'ERR_CANCELLED' });
    expect(failureResultOf(closed).value).to.include({ winerror: 6 });
    expect(() => slot.receive()).to.throw(WindowsError);
    nothingOpen();
  });

  it('a signal that was aborted before takes no message', () => {
    const slot = new Mailslot('s', { kernel, clock });
    Mailslot.connect('s', { kernel }).write('x');
    failureResultOf(slot.receive({ signal: AbortSignal.abort() }));
    expect(successResultOf(slot.receive()).toString()).to.equal('x');
  });

  it('for await gives messages until it is closed', async () => {
    const slot = new Mailslot('s', { kernel, clock });
    const writer = Mailslot.connect('s', { kernel });
    for (const text of ['1', '2', '3']) writer.write(text);
    const found: string[] = [];
    for await (const message of slot) {
      found.push(message.toString());
      if (found.length === 3) slot.close();
    }
    expect(found).to.deep.equal(['1', '2', '3']);
    writer.close();
    nothingOpen();
  });

  it('a receiver gets all, few at a time, and what it throws is reported', () => {
    const found: string[] = [];
    const reports: unknown[] = [];
    const previous = setUnhandledFailureHandler((failure) => reports.push(failure.value));
    try {
      const receiver = {
        messageReceived(message: Buffer): void {
          found.push(message.toString());
          if (found.length === 2) throw new Error('bad message');
        },
      };
      const slot = new Mailslot('s', { kernel, clock, receiver });
      const writer = Mailslot.connect('s', { kernel });
      for (let n = 0; n < 150; n += 1) writer.write(`${n}`);
      clock.advance(0.05);
      expect(found).to.have.length(100);
      clock.advance(0.05);
      expect(found).to.have.length(150);
      expect(reports).to.have.length(1);
      expect(() => slot.receive()).to.throw(TypeError, 'its receiver gets the messages');
      slot.close();
      writer.close();
      nothingOpen();
    } finally {
      setUnhandledFailureHandler(previous);
    }
  });

  it('throws away what is longer than it takes', () => {
    const slot = new Mailslot('s', { kernel, clock, maxMessageSize: 3 });
    const writer = Mailslot.connect('s', { kernel });
    writer.write('long');
    writer.write('ok');
    expect(successResultOf(slot.receive()).toString()).to.equal('ok');
  });

  it('refuses what makes no sense', () => {
    const slot = new Mailslot('s', { kernel, clock });
    const writer = Mailslot.connect('s', { kernel });
    // A caller from JavaScript.
    expect(() => writer.write(5 as unknown as string)).to.throw(TypeError);
    expect(() => new Mailslot('t', { kernel, maxMessageSize: 0 })).to.throw(RangeError);
    for (const interval of [0, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => new Mailslot('t', { kernel, interval })).to.throw(RangeError);
    }
    expect(() => new Mailslot('s', { kernel }))
      .to.throw(WindowsError)
      .with.property('winerror', 183);
    expect(() => Mailslot.connect('t', { kernel }))
      .to.throw(WindowsError)
      .with.property('winerror', 2);
    slot.close();
    writer.close();
    nothingOpen();
  });
});

describe('NamedPipeServer', () => {
  class Recording implements IProtocolFactory {
    readonly calls: string[] = [];
    buildProtocol(): null {
      this.calls.push('buildProtocol');
      return null;
    }
    doStart(): void {
      this.calls.push('doStart');
    }
    doStop(): void {
      this.calls.push('doStop');
    }
  }
  let kernel: FakeKernel;
  let reactor: MemoryReactorClock;
  let factory: Recording;
  beforeEach(() => {
    kernel = new FakeKernel();
    reactor = new MemoryReactorClock();
    factory = new Recording();
  });
  const serve = (more = {}): NamedPipeServer => {
    const port = new NamedPipeServer('p', factory, { kernel, reactor, ...more });
    port.startListening();
    return port;
  };
  const waiting = (): number => kernel.pipes.filter((pipe) => pipe.waiting).length;

  it('keeps as many instances as its backlog, the first of which is the only one of its name', () => {
    const port = serve({ backlog: 2, access: 'D:(A;;GA;;;WD)', maxInstances: 9 });
    expect(waiting()).to.equal(2);
    expect(kernel.pipes.map(({ pipe }) => pipe.first)).to.deep.equal([true, false]);
    expect(kernel.pipes[1]?.pipe).to.include({
      access: 'D:(A;;GA;;;WD)',
      maxInstances: 9,
      allowRemote: false,
    });
    kernel.pipes[0]?.connect();
    expect(waiting()).to.equal(2);
    expect(reactor.adoptedStreamConnections.map((call) => call.slice(0, 2))).to.deep.equal([
      [99, 'UNIX'],
    ]);
    expect(factory.calls).to.deep.equal(['doStart', 'buildProtocol']);
    expect(port.getHost().name).to.equal('\\\\.\\pipe\\p');
  });

  it('closes the descriptor of a client that the reactor does not take', () => {
    serve();
    const [pipe] = kernel.pipes;
    if (pipe === undefined) throw new Error('no pipe');
    const descriptor = openSync(process.execPath, 'r');
    pipe.toDescriptor = () => descriptor;
    reactor.adoptStreamConnection = () => {
      throw new Error('not today');
    };
    const before = setUnhandledFailureHandler(() => {});
    pipe.connect();
    setUnhandledFailureHandler(before);
    expect(() => fstatSync(descriptor)).to.throw('EBADF');
    expect(waiting(), 'others may come').to.equal(4);
  });

  it('stopListening() closes what waits, and leaves the connections', () => {
    const port = serve();
    kernel.pipes[0]?.connect();
    successResultOf(port.stopListening());
    successResultOf(port.stopListening());
    expect(kernel.pipes.map(({ state }) => state)).to.deep.equal([
      'given',
      ...Array.from({ length: 4 }, () => 'closed'),
    ]);
    expect(factory.calls.at(-1)).to.equal('doStop');
    expect(reactor.getDelayedCalls()).to.deep.equal([]);
    port.startListening();
    expect(waiting()).to.equal(4);
  });

  it('stopListening() fires when the name is free, whoever asked', () => {
    const port = serve({ backlog: 2 });
    for (const pipe of kernel.pipes) pipe.slow = true;
    const stops = [port.stopListening(), port.stopListening()];
    kernel.pipes[0]?.settle();
    expect(factory.calls).to.deep.equal(['doStart']);
    expect(stops.map((stop) => stop.called)).to.deep.equal([false, false]);
    kernel.pipes[1]?.settle();
    for (const stop of stops) successResultOf(stop);
    expect(factory.calls).to.deep.equal(['doStart', 'doStop']);
  });

  it('stopListening() fails with what doStop throws, once', () => {
    const port = serve();
    factory.doStop = () => {
      throw new Error('not now');
    };
    const { value } = failureResultOf(port.stopListening());
    expect(value).to.have.property('message', 'not now');
    successResultOf(port.stopListening());
  });

  it('a factory that will not start leaves nothing behind', () => {
    factory.doStart = () => {
      throw new Error('not now');
    };
    expect(() => serve()).to.throw('not now');
    expect(waiting()).to.equal(0);
  });

  it('the reactor that stops ends it', () => {
    serve();
    reactor.fireSystemEvent('shutdown');
    expect(waiting()).to.equal(0);
    expect(factory.calls).to.deep.equal(['doStart', 'doStop']);
  });

  it('a client that has left again costs nothing but its instance', () => {
    serve({ backlog: 1 });
    kernel.pipes[0]?.connect(new WindowsError(232, 'listen'));
    expect(kernel.pipes[0]?.state).to.equal('closed');
    expect(waiting()).to.equal(1);
    expect(reactor.adoptedStreamConnections).to.deep.equal([]);
  });

  it('admits only whom it is told to', () => {
    const asked: number[] = [];
    serve({
      backlog: 1,
      admit: ({ processId }: { processId: number }) => {
        asked.push(processId);
        return asked.length > 1;
      },
    });
    kernel.pipes[0]?.connect();
    kernel.pipes[1]?.connect();
    expect(asked).to.deep.equal([4711, 4711]);
    expect(kernel.pipes.map(({ state }) => state)).to.deep.equal(['closed', 'given', 'open']);
  });

  it('tries again when all instances are in use', () => {
    serve({ backlog: 1 });
    kernel.pipeError = 231;
    kernel.pipes[0]?.connect();
    expect(waiting()).to.equal(0);
    reactor.advance(0.2);
    expect(waiting()).to.equal(1);
    expect(reactor.getDelayedCalls()).to.deep.equal([]);
  });

  it('a name that is taken cannot be listened on', () => {
    kernel.pipeError = 5;
    expect(() => serve())
      .to.throw(/Access is denied/)
      .with.property('code', 'ERR_CANNOT_LISTEN');
    expect(factory.calls).to.deep.equal([]);
    kernel.pipeError = 5;
    const endpoint = new NamedPipeServerEndpoint('p', { kernel, reactor });
    const { value } = failureResultOf(endpoint.listen(factory));
    expect(value).to.include({ code: 'ERR_CANNOT_LISTEN' });
    successResultOf(endpoint.listen(factory));
    expect(waiting()).to.equal(4);
  });

  it('refuses numbers that make no sense', () => {
    for (const options of [{ maxInstances: 0 }, { maxInstances: 256 }, { backlog: 0 }]) {
      expect(() => new NamedPipeServer('p', factory, { kernel, ...options })).to.throw(RangeError);
    }
  });
});
