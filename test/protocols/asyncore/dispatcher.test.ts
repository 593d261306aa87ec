import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Deferred, setUnhandledFailureHandler } from '../../../src/deferred/index.ts';
import { ConnectionLost, Failure } from '../../../src/index.ts';
import {
  AsyncChat,
  BufferLimitError,
  closeAll,
  Dispatcher,
  type DispatcherOptions,
  DispatcherStateError,
  DispatcherWithSend,
  loop,
  type SocketAddress,
  SocketMap,
  StreamSocket,
  WouldBlockError,
} from '../../../src/protocols/asyncore/index.ts';
import { Factory, Protocol } from '../../../src/protocols/protocol.ts';
import {
  Clock,
  LibuvReactor,
  type ListeningPort,
  type LogEvent,
  MemoryReactor,
  setLogObserver,
  TCP4ClientEndpoint,
  TCP4ServerEndpoint,
} from '../../../src/reactor/index.ts';
import { StringTransport } from '../support.ts';

/** Writes down what it hears. */
class Heard extends Dispatcher {
  readonly calls: string[] = [];
  wantsRead = true;
  take = 8192;

  override readable(): boolean {
    return this.wantsRead;
  }
  override writable(): boolean {
    return false;
  }
  override handleConnect(): unknown {
    return this.calls.push('connect');
  }
  override handleRead(): unknown {
    return this.calls.push(`read ${this.recv(this.take)}`);
  }
  override handleClose(): unknown {
    this.calls.push('close');
    return this.close();
  }
  override handleError(error: unknown): unknown {
    this.calls.push(`error ${(error as Error).name}`); // what is thrown here are errors
    return this.close();
  }
}

function accepted<D extends Dispatcher>(
  make: (socket: StreamSocket, options: DispatcherOptions) => D,
): [dispatcher: D, socket: StreamSocket, transport: StringTransport, map: SocketMap] {
  const socket = new StreamSocket(() => {});
  const transport = new StringTransport();
  socket.makeConnection(transport);
  const map = new SocketMap();
  return [make(socket, { map }), socket, transport, map];
}

const heard = (): ReturnType<typeof accepted<Heard>> =>
  accepted((socket, options) => new Heard(socket, options));

describe('Dispatcher', () => {
  let logged: LogEvent[];
  let reported: unknown[];
  let before: ReturnType<typeof setLogObserver>;

  beforeEach(() => {
    logged = [];
    reported = [];
    before = setLogObserver((event) => logged.push(event));
    setUnhandledFailureHandler((failure) => reported.push(failure.value));
  });

  afterEach(() => {
    setLogObserver(before);
    setUnhandledFailureHandler(null);
    expect(reported).to.deep.equal([]);
  });

  it('handleRead() is called for what came, as long as recv() takes some of it', () => {
    const [dispatcher, socket, transport] = heard();
    dispatcher.take = 4;
    socket.dataReceived(Buffer.from('one two three'));
    expect(dispatcher.calls).to.deep.equal(['read one ', 'read two ', 'read thre', 'read e']);
    expect(transport.producerState).to.equal('producing');
    expect(() => dispatcher.recv(1)).to.throw(WouldBlockError);
    expect(dispatcher.addr).to.deep.equal(['192.168.1.1', 54321]);
    expect(dispatcher.getsockname()).to.deep.equal(['10.0.0.1', 12345]);
  });

  it('handleRead() that takes nothing is not called again before more comes, which is not read before that', () => {
    const [dispatcher, socket, transport] = heard();
    dispatcher.take = 0;
    socket.dataReceived(Buffer.from('x'));
    expect(dispatcher.calls).to.deep.equal(['read ']);
    expect(transport.producerState).to.equal('paused');
    dispatcher.take = 10;
    dispatcher.update();
    expect(dispatcher.calls.at(-1)).to.equal('read x');
    expect(transport.producerState).to.equal('producing');
  });

  it('has the peer wait while readable() says no', async () => {
    const [dispatcher, socket, transport, map] = heard();
    dispatcher.wantsRead = false;
    socket.dataReceived(Buffer.from('later'));
    expect(dispatcher.calls).to.deep.equal([]);
    expect(transport.producerState).to.equal('paused');
    dispatcher.wantsRead = true;
    // Something happens to another one of the map.
    map.touch();
    await Promise.resolve();
    expect(dispatcher.calls).to.deep.equal(['read later']);
    expect(transport.producerState).to.equal('producing');
  });

  it('tells of the end behind what came before: recv() gives nothing, and calls handleClose()', () => {
    const [dispatcher, socket, transport, map] = heard();
    dispatcher.wantsRead = false;
    socket.dataReceived(Buffer.from('rest'));
    socket.readConnectionLost();
    expect(dispatcher.calls).to.deep.equal([]);
    dispatcher.wantsRead = true;
    dispatcher.update();
    // The handler is called once more, and hears of the end from recv().
    expect(dispatcher.calls).to.deep.equal(['read rest', 'close', 'read ']);
    expect([transport.disconnecting, map.size, dispatcher.connected]).to.deep.equal([
      true,
      0,
      false,
    ]);
  });

  it('tells of the end who never asks', () => {
    class Deaf extends Heard {
      override handleRead(): void {}
    }
    const [dispatcher, socket] = accepted((s, options) => new Deaf(s, options));
    socket.readConnectionLost();
    expect(dispatcher.calls).to.deep.equal(['close']);
  });

  it('handleClose() is called once when the connection breaks, and not after close()', () => {
    const broken = new Failure(new ConnectionLost());
    const [dispatcher, socket, , map] = heard();
    socket.connectionLost(broken);
    expect(dispatcher.calls).to.deep.equal(['close']);
    expect(map.size).to.equal(0);
    const [closed, other, transport] = heard();
    closed.close();
    closed.close();
    expect(transport.disconnecting).to.equal(true);
    other.dataReceived(Buffer.from('x'));
    other.connectionLost(broken);
    expect(closed.calls).to.deep.equal([]);
  });

  it('may send after the peer has ended, until it closes', () => {
    class Polite extends Heard {
      override handleClose(): void {
        this.send('goodbye');
        this.close();
      }
    }
    const [, socket, transport] = accepted((s, options) => new Polite(s, options));
    socket.readConnectionLost();
    expect([transport.value().toString(), transport.disconnecting]).to.deep.equal([
      'goodbye',
      true,
    ]);
  });

  it('send() takes what there is room for, and handleWrite() tells when there is again', () => {
    class Sender extends Dispatcher {
      left = Buffer.alloc(200_000);
      sends: number[] = [];
      override writable(): boolean {
        return this.left.length > 0;
      }
      override handleWrite(): void {
        const sent = this.send(this.left);
        this.sends.push(sent);
        this.left = this.left.subarray(sent);
        if (this.sends.length === 2) this.socket?.pauseProducing();
      }
    }
    const [sender, socket] = accepted((s, options) => new Sender(s, options));
    sender.update();
    expect(sender.sends).to.deep.equal([65536, 65536]);
    expect(sender.send('more')).to.equal(0);
    socket.resumeProducing();
    expect(sender.sends).to.deep.equal([65536, 65536, 65536, 200_000 - 3 * 65536]);
    expect(() => sender.send(7 as never)).to.throw(TypeError, 'number');
    expect(() => new Dispatcher(null, { map: new SocketMap() }).send('x')).to.throw(
      DispatcherStateError,
    );
  });

  it('handleWrite() that sends nothing is not called again in vain', () => {
    let calls = 0;
    class Idle extends Dispatcher {
      override handleWrite(): void {
        calls += 1;
      }
    }
    const [idle] = accepted((s, options) => new Idle(s, options));
    idle.update();
    expect(calls).to.equal(1);
  });

  it('one that fills what another sends has that one asked in the same turn', async () => {
    const [reader, socket, , map] = heard();
    const far = new StreamSocket(() => {});
    const sink = new StringTransport();
    far.makeConnection(sink);
    class Writer extends Dispatcher {
      override writable(): boolean {
        return reader.calls.length > 0;
      }
      override handleWrite(): void {
        this.send(reader.calls.splice(0).join());
      }
    }
    new Writer(far, { map });
    await Promise.resolve();
    socket.dataReceived(Buffer.from('through'));
    await Promise.resolve();
    expect(sink.value().toString()).to.equal('read through');
  });

  it('an error in any callback goes to handleError(), which as it comes logs it and closes', async () => {
    const wrong = (): never => {
      throw new Error('Oh');
    };
    let failures = 0;
    const changes: Array<(dispatcher: Dispatcher) => void> = [
      (d) => Object.assign(d, { readable: wrong }),
      (d) => Object.assign(d, { handleRead: wrong }),
      (d) =>
        Object.assign(d, {
          handleRead: () => {
            failures += 1;
            return Promise.reject(new Error(failures === 1 ? 'Oh' : 'Too late'));
          },
        }),
      (d) => Object.assign(d, { writable: wrong, handleWrite: () => {} }),
      (d) => Object.assign(d, { handleWrite: wrong }),
    ];
    for (const change of changes) {
      logged.length = 0;
      const [dispatcher, socket, transport, map] = accepted(
        (s, options) => new Dispatcher(s, options),
      );
      change(dispatcher);
      socket.dataReceived(Buffer.from('x'));
      await Promise.resolve();
      await Promise.resolve();
      expect([transport.disconnecting, map.size]).to.deep.equal([true, 0]);
      expect(logged.map(({ message }) => message)).to.deep.equal([
        'Closing channel <Dispatcher connected 192.168.1.1:54321>: Oh',
      ]);
    }
    expect(reported.splice(0).map(String)).to.deep.equal(['Error: Too late']);
  });

  it('a handleError() that throws costs the connection, and is reported', () => {
    class Worse extends Heard {
      override handleRead(): never {
        throw new Error('Oh');
      }
      override handleError(): never {
        throw new Error('Worse');
      }
    }
    const [, socket, transport] = accepted((s, options) => new Worse(s, options));
    socket.dataReceived(Buffer.from('x'));
    expect(String(reported.splice(0))).to.equal('Error: Worse');
    expect(transport.disconnected).to.equal(true);
  });

  it('logs what nobody handles, unless its type is to be ignored', () => {
    const [dispatcher, socket] = accepted((s, options) => new Dispatcher(s, options));
    dispatcher.ignoreLogTypes = new Set();
    socket.dataReceived(Buffer.from('x'));
    expect(logged.map(({ level, message }) => `${level} ${message}`)).to.deep.equal([
      'warn unhandled read event',
    ]);
    dispatcher.log('a hit');
    expect(logged.at(-1)).to.include({ level: 'info', message: 'a hit' });
  });

  it('takes on a connection that has broken before, and tells of that', async () => {
    const socket = new StreamSocket(() => {});
    socket.makeConnection(new StringTransport());
    socket.connectionLost(new Failure(new ConnectionLost()));
    const dispatcher = new Heard(socket, { map: new SocketMap() });
    await Promise.resolve();
    expect(dispatcher.calls).to.deep.equal(['close']);
  });

  it('refuses what makes no sense', () => {
    const map = new SocketMap();
    const reactor = new MemoryReactor();
    const dispatcher = new Heard(null, { map, reactor });
    expect(() => dispatcher.listen(5)).to.throw(DispatcherStateError, 'bind()');
    dispatcher.connect(['192.0.2.1', 80]);
    expect(() => dispatcher.connect(['192.0.2.1', 80])).to.throw(DispatcherStateError, 'in use');
    const noUnix = { listenTCP: reactor.listenTCP, connectTCP: reactor.connectTCP };
    expect(() => new Heard(null, { map, reactor: noUnix }).connect('/run/x')).to.throw(
      DispatcherStateError,
      'UNIX',
    );
  });

  it('handleClose() that does not close is not called again', () => {
    let closes = 0;
    class Open extends Heard {
      override handleClose(): void {
        closes += 1;
      }
    }
    const [, socket] = accepted((s, options) => new Open(s, options));
    socket.readConnectionLost();
    expect(closes).to.equal(1);
    socket.connectionLost(new Failure(new ConnectionLost()));
    expect(closes).to.equal(1);
  });

  it('close() closes the connections that wait to be accepted', () => {
    const reactor = new MemoryReactor();
    const server = new Heard(null, { map: new SocketMap(), reactor });
    server.wantsRead = false;
    server.bind(['127.0.0.1', 8080]);
    server.listen();
    const factory = reactor.tcpServers[0]?.[1];
    const transport = new StringTransport();
    factory?.buildProtocol(transport.getPeer())?.makeConnection(transport);
    expect(transport.disconnecting).to.equal(false);
    server.close();
    expect(transport.disconnecting).to.equal(true);
  });

  it('close() has a port that comes too late stop at once', () => {
    const listened = new Deferred<ListeningPort>();
    const server = new Heard(null, { map: new SocketMap(), reactor: new MemoryReactor() });
    server.listenOn({ listen: () => listened });
    server.close();
    const reactor = new MemoryReactor();
    const port = reactor.listenTCP(0, Factory.forProtocol(Protocol));
    listened.callback(port);
    expect(port.listening).to.equal(false);
    expect(server.accepting).to.equal(false);
  });

  it('close() gives up a connection that is being made', () => {
    const map = new SocketMap();
    const reactor = new MemoryReactor();
    const dispatcher = new Heard(null, { map, reactor });
    dispatcher.connect(['192.0.2.1', 80]);
    expect([dispatcher.connecting, map.size]).to.deep.equal([true, 1]);
    dispatcher.close();
    expect(reactor.connectors[0]?.state).to.equal('disconnected');
    expect([dispatcher.calls, map.size]).to.deep.equal([[], 0]);
  });
});

describe('DispatcherWithSend', () => {
  it('send() takes everything, in order, and keeps what there is no room for', () => {
    const [sender, socket, transport] = accepted(
      (s, options) => new DispatcherWithSend(s, options),
    );
    socket.pauseProducing();
    expect(sender.send('one ')).to.equal(4);
    expect(sender.send('two')).to.equal(3);
    expect([sender.outBuffer.toString(), transport.value().length]).to.deep.equal(['one two', 0]);
    socket.resumeProducing();
    expect([sender.outBuffer.length, transport.value().toString()]).to.deep.equal([0, 'one two']);
    sender.send(Buffer.alloc(200_000));
    expect(transport.value().length).to.equal(200_007);
  });

  it('send() takes nothing but data, of which it keeps a copy', () => {
    const [sender, socket] = accepted((s, options) => new DispatcherWithSend(s, options));
    for (const wrong of [5, null, [65], new ArrayBuffer(3)]) {
      expect(() => sender.send(wrong as never), String(wrong)).to.throw(
        TypeError,
        'Cannot send data',
      );
    }
    socket.pauseProducing();
    const mine = Buffer.from('mine');
    sender.send(mine);
    mine.fill('x');
    sender.send(new Uint8Array([33]));
    expect(sender.outBuffer.toString()).to.equal('mine!');
  });

  it('closes when the peer does not take what is sent', () => {
    const [sender, socket, transport] = accepted(
      (s, options) => new DispatcherWithSend(s, options),
    );
    const observer = setLogObserver(() => {});
    const errors: unknown[] = [];
    sender.handleError = (error) => {
      errors.push(error);
      sender.close();
    };
    sender.maxOutgoing = 10;
    socket.pauseProducing();
    sender.send('12345678901');
    setLogObserver(observer);
    expect(errors[0]).to.be.instanceOf(BufferLimitError);
    expect(transport.disconnecting).to.equal(true);
  });
});

describe('Dispatcher over real connections', () => {
  let reactor: LibuvReactor;
  let map: SocketMap;
  let options: DispatcherOptions;
  let observer: ReturnType<typeof setLogObserver>;

  class EchoHandler extends DispatcherWithSend {
    override handleRead(): void {
      this.send(this.recv(8192));
    }
    override handleClose(): void {
      this.close();
    }
  }

  class Server extends Dispatcher {
    readonly from: SocketAddress[] = [];
    override handleAccepted(socket: StreamSocket, addr: SocketAddress): void {
      this.from.push(addr);
      new EchoHandler(socket, { map });
    }
  }

  class Client extends Dispatcher {
    readonly calls: string[] = [];
    readonly got: Buffer[] = [];
    left = randomBytes(1_000_000);
    readonly sent = createHash('sha1').update(this.left).digest('hex');
    bytes = 0;
    override writable(): boolean {
      return this.left.length > 0;
    }
    override handleConnect(): void {
      this.calls.push('connect');
    }
    override handleWrite(): void {
      this.left = this.left.subarray(this.send(this.left));
    }
    override handleRead(): void {
      const data = this.recv(8192);
      this.got.push(data);
      this.bytes += data.length;
      if (this.bytes === 1_000_000) this.close();
    }
    override handleError(error: unknown): void {
      this.calls.push((error as Error).name); // what is thrown here are errors
      this.close();
    }
    get digest(): string {
      return createHash('sha1').update(Buffer.concat(this.got)).digest('hex');
    }
  }

  beforeEach(() => {
    reactor = new LibuvReactor();
    map = new SocketMap();
    options = { reactor, map };
    observer = setLogObserver(() => {});
  });

  afterEach(async () => {
    closeAll(map);
    for (let i = 0; i < 200 && reactor.openCount > 0; i += 1) await reactor.iterate();
    setLogObserver(observer);
    expect([reactor.openCount, map.size, reactor.getDelayedCalls().length]).to.deep.equal([
      0, 0, 0,
    ]);
  });

  const empty = (): Promise<void> => new Promise((resolve) => map.whenEmpty(resolve));

  it('echoes over TCP, until loop() is done', async () => {
    const server = new Server(null, options);
    server.createSocket();
    server.setReuseAddr();
    server.bind(['127.0.0.1', 0]);
    server.listen(5);
    expect(server.accepting).to.equal(true);
    const where = server.getsockname();
    if (where === null || typeof where === 'string') throw new Error('Expected a port');
    const client = new Client(null, options);
    client.connect(where);
    const closing = client.handleRead.bind(client);
    client.handleRead = () => {
      closing();
      if (!client.connected) server.close();
    };
    let ran = false;
    const running = loop({ map, reactor, timeout: 5 }).addCallback(() => {
      ran = true;
    });
    expect(reactor.running).to.equal(true);
    await running;
    expect([ran, reactor.running]).to.deep.equal([true, false]);
    expect(client.digest).to.equal(client.sent);
    expect(server.from).to.have.length(1);
    expect(client.calls).to.deep.equal(['connect']);
  });

  it('echoes over a UNIX socket, and over endpoints', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'strand-asyncore-'));
    try {
      const server = new Server(null, options);
      server.bind(join(folder, 'echo'));
      server.listen();
      const client = new Client(null, options);
      client.connect(join(folder, 'echo'));
      while (client.bytes < 1_000_000) await reactor.iterate();
      expect(client.digest).to.equal(client.sent);
      server.close();
      const second = new Server(null, options);
      second.listenOn(new TCP4ServerEndpoint(reactor, 0, { interface: '127.0.0.1' }));
      const where = second.getsockname();
      if (where === null || typeof where === 'string') throw new Error('Expected a port');
      const other = new Client(null, options);
      other.connectTo(new TCP4ClientEndpoint(reactor, ...where));
      while (other.bytes < 1_000_000) await reactor.iterate();
      expect(other.digest).to.equal(other.sent);
      second.close();
      await empty();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('handleError() hears that nobody listens, by address and by endpoint', async () => {
    const server = new Server(null, options);
    server.bind(['127.0.0.1', 0]);
    server.listen(1);
    const where = server.getsockname();
    if (where === null || typeof where === 'string') throw new Error('Expected a port');
    server.close();
    for (let i = 0; i < 200 && reactor.openCount > 0; i += 1) await reactor.iterate();
    const [client, other] = [new Client(null, options), new Client(null, options)];
    client.connect(where);
    other.connectTo(new TCP4ClientEndpoint(reactor, ...where));
    await empty();
    expect([client.calls, other.calls]).to.deep.equal([
      ['ConnectionRefusedError'],
      ['ConnectionRefusedError'],
    ]);
  });

  it('a connection that nobody accepts waits, and one too many is closed', async () => {
    class Later extends Dispatcher {
      open = false;
      override readable(): boolean {
        return this.open;
      }
      override handleAccepted(socket: StreamSocket): void {
        new EchoHandler(socket, { map });
      }
    }
    const server = new Later(null, options);
    server.bind(['127.0.0.1', 0]);
    server.listen(1);
    const where = server.getsockname();
    if (where === null || typeof where === 'string') throw new Error('Expected a port');
    const first = new Client(null, options);
    first.connect(where);
    while (first.calls.length === 0) await reactor.iterate();
    await reactor.iterate();
    const second = new Client(null, options);
    second.connect(where);
    while (map.has(second)) await reactor.iterate();
    server.open = true;
    server.update();
    while (first.bytes < 1_000_000) await reactor.iterate();
    expect(first.digest).to.equal(first.sent);
    expect(second.bytes).to.equal(0);
  });

  it('talks with an asynchat of Python', async function () {
    if (spawnSync('/usr/bin/python3', ['-W', 'ignore', '-c', 'import asynchat']).status !== 0) {
      const why = 'No asynchat in /usr/bin/python3: apt-get install python3, 3.11 or older';
      if (process.env['CI'] === 'true') throw new Error(why);
      process.stderr.write(`${why}\n`);
      this.skip();
    }
    class Lengths extends AsyncChat {
      constructor(socket: StreamSocket) {
        super(socket, { map });
        this.setTerminator('\r\n');
      }
      override collectIncomingData(data: Buffer): void {
        this._collectIncomingData(data);
      }
      override foundTerminator(): void {
        this.push(`${this._getData().length}\r\n`);
      }
      override handleClose(): void {
        this.close();
      }
    }
    class Lines extends Dispatcher {
      override handleAccepted(socket: StreamSocket): void {
        new Lengths(socket);
        this.close();
      }
    }
    const server = new Lines(null, options);
    server.bind(['127.0.0.1', 0]);
    server.listen(1);
    const where = server.getsockname();
    if (where === null || typeof where === 'string') throw new Error('Expected a port');
    const program = `
import asynchat, asyncore, sys
class Client(asynchat.async_chat):
    def __init__(self):
        asynchat.async_chat.__init__(self)
        self.create_socket()
        self.connect(('127.0.0.1', int(sys.argv[1])))
        self.set_terminator(b'\\r\\n')
        self.lines = []
        for n in range(500):
            self.push(b'x' * (n * 37 % 4001) + b'\\r\\n')
    def handle_connect(self):
        pass
    def collect_incoming_data(self, data):
        self._collect_incoming_data(data)
    def found_terminator(self):
        self.lines.append(self._get_data().decode())
        if len(self.lines) == 500:
            print(','.join(self.lines))
            self.close_when_done()
Client()
asyncore.loop()
`;
    const child = spawn('/usr/bin/python3', ['-W', 'ignore', '-c', program, String(where[1])]);
    let said = '';
    child.stdout.on('data', (data: Buffer) => {
      said += data.toString();
    });
    child.stderr.pipe(process.stderr);
    await new Promise((resolve) => child.once('close', resolve));
    expect(said.trim()).to.equal(Array.from({ length: 500 }, (_, n) => (n * 37) % 4001).join());
    await empty();
  });
});

describe('loop()', () => {
  it('is done at once when nothing is open', async () => {
    await loop({ map: new SocketMap() });
  });

  it('asks every so many seconds, of a reactor that runs already, and leaves that alone', () => {
    const map = new SocketMap();
    const [dispatcher, socket] = ((): [Heard, StreamSocket] => {
      const s = new StreamSocket(() => {});
      s.makeConnection(new StringTransport());
      return [new Heard(s, { map }), s];
    })();
    const clock = new Clock();
    let stopped = 0;
    const reactor = Object.assign(clock, {
      running: true,
      run: () => Promise.reject(new Error('Runs already')),
      stop: () => {
        stopped += 1;
      },
    });
    let done = false;
    loop({ map, reactor, timeout: 7 }).addCallback(() => {
      done = true;
    });
    dispatcher.wantsRead = false;
    socket.dataReceived(Buffer.from('x'));
    dispatcher.wantsRead = true;
    clock.advance(6.9);
    expect(dispatcher.calls).to.deep.equal([]);
    clock.advance(0.1);
    expect(dispatcher.calls).to.deep.equal(['read x']);
    closeAll(map);
    expect([done, stopped, clock.getDelayedCalls().length]).to.deep.equal([true, 0, 0]);
  });
});
