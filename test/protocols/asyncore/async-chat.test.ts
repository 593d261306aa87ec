import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  AsyncChat,
  BufferLimitError,
  type DispatcherOptions,
  Fifo,
  SimpleProducer,
  SocketMap,
  StreamSocket,
  type Terminator,
} from '../../../src/protocols/asyncore/index.ts';
import { type LogEvent, setLogObserver } from '../../../src/reactor/index.ts';
import { byteByByte, cutAt, StringTransport, someCuts } from '../support.ts';

/** Collects messages; each may say what ends the next. */
class Chat extends AsyncChat {
  readonly messages: string[] = [];
  readonly errors: unknown[] = [];
  readonly next: Terminator[] = [];
  closes = 0;
  onMessage: ((message: string) => unknown) | undefined;

  override collectIncomingData(data: Buffer): unknown {
    expect(data.length).to.be.above(0);
    return this._collectIncomingData(data);
  }

  override foundTerminator(): unknown {
    const message = this._getData().toString('latin1');
    this.messages.push(message);
    const next = this.next.shift();
    if (next !== undefined) this.setTerminator(next);
    return this.onMessage?.(message);
  }

  override handleError(error: unknown): unknown {
    this.errors.push(error);
    return super.handleError(error);
  }

  override handleClose(): unknown {
    this.closes += 1;
    return this.close();
  }
}

function connected(
  options: DispatcherOptions = {},
): [chat: Chat, socket: StreamSocket, transport: StringTransport] {
  const socket = new StreamSocket(() => {});
  const transport = new StringTransport();
  socket.makeConnection(transport);
  const chat = new Chat(socket, { map: new SocketMap(), ...options });
  return [chat, socket, transport];
}

/** The messages in `pieces`, and what was collected behind the last. */
function read(terminators: readonly Terminator[], pieces: readonly Buffer[]): string[] {
  const [chat, socket] = connected();
  const [first = null, ...next] = terminators;
  chat.next.push(...next);
  chat.setTerminator(first);
  for (const piece of pieces) socket.dataReceived(piece);
  expect(chat.errors).to.deep.equal([]);
  return [...chat.messages, chat._getData().toString('latin1')];
}

describe('AsyncChat', () => {
  let logged: LogEvent[];
  let before: ReturnType<typeof setLogObserver>;

  beforeEach(() => {
    logged = [];
    before = setLogObserver((event) => logged.push(event));
  });

  afterEach(() => {
    setLogObserver(before);
  });

  it('setTerminator() with text or bytes cuts there, and keeps what may be the beginning of one', () => {
    for (const terminator of ['\r\n', Buffer.from('\r\n'), new Uint8Array([13, 10])]) {
      const bytes = Buffer.from('one\r\n\r\ntwo\rtwo\r\nrest\r');
      const whole = ['one', '', 'two\rtwo', 'rest'];
      expect(read([terminator], [bytes])).to.deep.equal(whole);
      expect(read([terminator], byteByByte(bytes))).to.deep.equal(whole);
    }
  });

  it('setTerminator() with a number takes so many bytes, and all that comes once it is used up', () => {
    const bytes = Buffer.from('headbodyandmore');
    for (const pieces of [[bytes], byteByByte(bytes)]) {
      expect(read([4, 4], pieces)).to.deep.equal(['head', 'body', 'andmore']);
    }
    const [chat, socket] = connected();
    chat.setTerminator(10);
    socket.dataReceived(Buffer.from('four'));
    expect(chat.getTerminator()).to.equal(6);
  });

  it('setTerminator() with null, 0 or nothing collects as it comes', () => {
    for (const terminator of [null, 0, ''])
      expect(read([terminator], [Buffer.from('a\r\nb')])).to.deep.equal(['a\r\nb']);
  });

  it('setTerminator() in foundTerminator() holds from the next byte on: head, body, head', () => {
    const bytes = Buffer.from('5\n12345\n3\nabc\n0\n');
    const run = (pieces: Buffer[]): string[] => {
      const [chat, socket] = connected();
      chat.setTerminator('\n');
      let isBody = false;
      chat.onMessage = (message) => {
        isBody = !isBody && message !== '0' && message !== '';
        chat.setTerminator(isBody ? Number(message) : '\n');
      };
      for (const piece of pieces) socket.dataReceived(piece);
      return chat.messages;
    };
    const whole = run([bytes]);
    expect(whole).to.deep.equal(['5', '12345', '', '3', 'abc', '', '0']);
    fc.assert(
      fc.property(someCuts, (cuts) => {
        expect(run(cutAt(bytes, cuts))).to.deep.equal(whole);
      }),
    );
  });

  it('setTerminator() at any other time has what was kept looked at again', () => {
    const [chat, socket] = connected();
    chat.setTerminator('abc');
    socket.dataReceived(Buffer.from('xab'));
    chat.setTerminator('b');
    socket.dataReceived(Buffer.from('|'));
    expect(chat.messages).to.deep.equal(['xa']);
    expect(chat._getData().toString()).to.equal('|');
  });

  it('setTerminator() refuses what can be none', () => {
    const [chat] = connected();
    for (const wrong of [-1, 1.5, Number.NaN])
      expect(() => chat.setTerminator(wrong)).to.throw(RangeError, String(wrong));
    expect(() => chat.setTerminator(true as never)).to.throw(TypeError, 'boolean');
    expect(chat.getTerminator()).to.equal(null);
  });

  it('does with bytes and terminators what asynchat of Python does', function () {
    const probe = spawnSync('/usr/bin/python3', ['-W', 'ignore', '-c', 'import asynchat']);
    if (probe.status !== 0) {
      const why = 'No asynchat in /usr/bin/python3: apt-get install python3, 3.11 or older';
      if (process.env['CI'] === 'true') throw new Error(why);
      process.stderr.write(`${why}\n`);
      this.skip();
    }
    const letters = fc
      .array(fc.constantFrom('a', 'b', '\r', '\n'), { maxLength: 30 })
      .map((some) => some.join(''));
    const terminator = fc.oneof(
      fc.constantFrom('\r\n', '\n', 'ab', 'aab', 'abab', '\r\n\r\n', ''),
      fc.nat({ max: 6 }),
      fc.constant(null),
    );
    const cases = fc.sample(
      fc.record({
        pieces: fc.array(letters, { maxLength: 8 }),
        terminators: fc.array(terminator, { minLength: 1, maxLength: 6 }),
      }),
      { numRuns: 3000, seed: 20 },
    );
    const program = `
import asynchat, json, sys
class Chat(asynchat.async_chat):
    def __init__(self, first, more):
        asynchat.async_chat.__init__(self)
        self.more, self.messages = more, []
        self.set(first)
    def set(self, term):
        self.set_terminator(term.encode() if isinstance(term, str) else term)
    def recv(self, size):
        return self.piece
    def collect_incoming_data(self, data):
        self._collect_incoming_data(data)
    def found_terminator(self):
        self.messages.append(self._get_data().decode())
        if self.more:
            self.set(self.more.pop(0))
out = []
for case in json.load(sys.stdin):
    chat = Chat(case['terminators'][0], case['terminators'][1:])
    for piece in case['pieces']:
        chat.piece = piece.encode()
        chat.handle_read()
    out.append(chat.messages + [chat._get_data().decode()])
json.dump(out, sys.stdout)
`;
    const { stdout, stderr } = spawnSync('/usr/bin/python3', ['-W', 'ignore', '-c', program], {
      input: JSON.stringify(cases),
      maxBuffer: 1 << 24,
    });
    expect(stderr.toString()).to.equal('');
    const theirs: unknown = JSON.parse(stdout.toString());
    const ours = cases.map(({ pieces, terminators }) =>
      read(
        terminators,
        pieces.filter((piece) => piece !== '').map((piece) => Buffer.from(piece)),
      ),
    );
    expect(ours).to.deep.equal(theirs);
  });

  it('stops cutting when it is closed, and while readable() says no', async () => {
    const [chat, socket] = connected();
    chat.setTerminator('\n');
    chat.onMessage = (message) => message === 'bye' && chat.close();
    socket.dataReceived(Buffer.from('hello\nbye\nmore\n'));
    expect(chat.messages).to.deep.equal(['hello', 'bye']);

    let open = true;
    class Reluctant extends Chat {
      override readable(): boolean {
        return open;
      }
    }
    const slow = new StreamSocket(() => {});
    const transport = new StringTransport();
    slow.makeConnection(transport);
    const reluctant = new Reluctant(slow, { map: new SocketMap() });
    reluctant.setTerminator('\n');
    reluctant.onMessage = () => {
      open = false;
    };
    slow.dataReceived(Buffer.from('one\ntwo\n'));
    expect(reluctant.messages).to.deep.equal(['one']);
    expect(transport.producerState).to.equal('paused');
    open = true;
    reluctant.update();
    expect(reluctant.messages).to.deep.equal(['one', 'two']);
    open = true;
    reluctant.update();
    expect(transport.producerState).to.equal('producing');
  });

  it('closes the connection, and says why, when more than maxIncoming comes without an end', () => {
    const cases: Array<[Terminator, number]> = [
      ['\n', 1],
      [50, 1],
      ['\n', 0],
      [null, 0],
    ];
    for (const [terminator, fails] of cases) {
      const [chat, socket, transport] = connected();
      chat.maxIncoming = 10;
      chat.setTerminator(terminator);
      for (let i = 0; i < 12; i += 1)
        socket.dataReceived(Buffer.from(fails === 0 && terminator === '\n' ? 'a\nb\n' : 'abcd'));
      expect(chat.errors).to.have.length(fails);
      expect(transport.disconnecting).to.equal(fails === 1);
      if (fails === 1) expect(chat.errors[0]).to.be.instanceOf(BufferLimitError);
    }
    expect(
      logged.map(({ level, message }) => [level, /more than 10 bytes$/.test(message)]),
    ).to.deep.equal([
      ['error', true],
      ['error', true],
    ]);
  });

  it('an error in a callback goes to handleError(), which closes this connection', async () => {
    for (const where of ['found', 'async', 'collect'] as const) {
      const [chat, socket, transport] = connected();
      chat.setTerminator('\n');
      if (where === 'collect') {
        chat.collectIncomingData = () => {
          throw new Error('No more');
        };
      } else {
        chat.onMessage =
          where === 'async'
            ? () => Promise.reject(new Error('No more'))
            : () => {
                throw new Error('No more');
              };
      }
      socket.dataReceived(Buffer.from('x\n'));
      await Promise.resolve();
      await Promise.resolve();
      expect(String(chat.errors[0]), where).to.equal('Error: No more');
      expect(transport.disconnecting, where).to.equal(true);
      expect(logged.at(-1)?.message).to.match(
        /^Closing channel <Chat connected 192.168.1.1:54321>: No more$/,
      );
    }
  });

  it('says which methods are missing', () => {
    const socket = new StreamSocket(() => {});
    socket.makeConnection(new StringTransport());
    const plain = new AsyncChat(socket, { map: new SocketMap() });
    plain.setTerminator('\n');
    socket.dataReceived(Buffer.from('\n'));
    expect(logged[0]?.message).to.include('foundTerminator() of AsyncChat');
  });

  // --------------------------------------------------------------------------------------- sending

  it('push() sends in order with producers, which are asked only when there is room', () => {
    const [chat, socket, transport] = connected();
    let asked = 0;
    socket.pauseProducing();
    chat.push('one ');
    chat.pushWithProducer({
      more: () => {
        asked += 1;
        return asked <= 3 ? `${asked} ` : null;
      },
    });
    chat.pushWithProducer(new SimpleProducer('x'.repeat(600)));
    chat.push(Buffer.from(' last'));
    expect([transport.value().length, asked]).to.deep.equal([0, 0]);
    socket.resumeProducing();
    expect(transport.value().toString()).to.equal(`one 1 2 3 ${'x'.repeat(600)} last`);
    expect(asked).to.equal(4);
    expect(chat.producerFifo.isEmpty()).to.equal(true);
  });

  it('stops asking a producer as soon as there is no room', () => {
    const [chat, socket, transport] = connected();
    let asked = 0;
    chat.pushWithProducer({
      more: () => {
        asked += 1;
        if (asked % 2 === 0) socket.pauseProducing();
        return asked <= 6 ? 'ab' : '';
      },
    });
    expect(asked).to.equal(2);
    socket.resumeProducing();
    expect(asked).to.equal(4);
    socket.resumeProducing();
    socket.resumeProducing();
    expect([asked, transport.value().toString()]).to.deep.equal([7, 'ab'.repeat(6)]);
  });

  it('push() before the connection stands waits for it, and takes nothing but data', () => {
    const socket = new StreamSocket();
    const chat = new Chat(null, { map: new SocketMap() });
    chat.setSocket(socket);
    chat.push('early');
    const transport = new StringTransport();
    socket.makeConnection(transport);
    expect(transport.value().toString()).to.equal('early');
    expect(() => chat.push(5 as never)).to.throw(TypeError, 'number');
  });

  it('closeWhenDone() closes behind all that was pushed', async () => {
    const [chat, socket, transport] = connected();
    socket.pauseProducing();
    chat.push('goodbye');
    chat.closeWhenDone();
    await Promise.resolve();
    expect([chat.closes, transport.disconnecting]).to.deep.equal([0, false]);
    socket.resumeProducing();
    expect([chat.closes, transport.disconnecting, transport.value().toString()]).to.deep.equal([
      1,
      true,
      'goodbye',
    ]);
    const [idle, , closing] = connected();
    idle.closeWhenDone();
    await Promise.resolve();
    expect([idle.closes, closing.disconnecting]).to.deep.equal([1, true]);
  });

  it('closes a connection whose peer does not take what is pushed, whoever pushes', () => {
    const [chat, socket, transport] = connected();
    chat.maxOutgoing = 100;
    socket.pauseProducing();
    chat.push('x'.repeat(100));
    expect(transport.disconnecting).to.equal(false);
    chat.push('y');
    expect(chat.errors[0]).to.be.instanceOf(BufferLimitError);
    expect(transport.disconnecting).to.equal(true);
    const [quick] = connected();
    quick.maxOutgoing = 100;
    for (let i = 0; i < 50; i += 1) quick.push('x'.repeat(100));
    expect(quick.errors).to.deep.equal([]);
  });

  it('push() refuses to cut what it is given into pieces of nothing', () => {
    const [chat] = connected();
    for (const wrong of [0, -1, Number.NaN]) {
      chat.acOutBufferSize = wrong;
      expect(() => chat.push('x'), String(wrong)).to.throw(RangeError, `pieces of ${wrong} bytes`);
    }
  });

  it('a producer that throws costs its connection', () => {
    const [chat, , transport] = connected();
    chat.pushWithProducer({
      more: () => {
        throw new Error('Disk full');
      },
    });
    expect(String(chat.errors[0])).to.equal('Error: Disk full');
    expect(transport.disconnecting).to.equal(true);
  });

  it('discardBuffers() forgets all that has come and is to be sent', () => {
    const [chat, socket, transport] = connected();
    chat.setTerminator('\r\n');
    socket.dataReceived(Buffer.from('half\r'));
    socket.pauseProducing();
    chat.push('unsent');
    chat.discardBuffers();
    socket.resumeProducing();
    socket.dataReceived(Buffer.from('\nx\r\n'));
    expect(chat.messages).to.deep.equal(['\nx']);
    expect(transport.value().length).to.equal(0);
  });

  it('hears of the end behind all that came before', () => {
    const [chat, socket, transport] = connected();
    chat.setTerminator('\n');
    socket.dataReceived(Buffer.from('last\n'));
    socket.readConnectionLost();
    expect([chat.messages, chat.closes, transport.disconnecting]).to.deep.equal([
      ['last'],
      1,
      true,
    ]);
  });
});

describe('SimpleProducer', () => {
  it('more() gives pieces of 512 bytes, or of what it is told, and nothing at the end', () => {
    const lengths = (producer: SimpleProducer): number[] => {
      const all: number[] = [];
      for (let piece = producer.more(); ; piece = producer.more()) {
        all.push(piece.length);
        if (piece.length === 0) return all;
      }
    };
    expect(lengths(new SimpleProducer('x'.repeat(1100)))).to.deep.equal([512, 512, 76, 0]);
    expect(lengths(new SimpleProducer(Buffer.alloc(4), 2))).to.deep.equal([2, 2, 0]);
  });
});

describe('Fifo', () => {
  it('does what an array does', () => {
    const step = fc.oneof(
      fc.nat({ max: 9 }),
      fc.constantFrom('pop' as const, 'unshift' as const, 'clear' as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const fifo = new Fifo<number>([1, 2]);
        const model = [1, 2];
        for (const what of steps) {
          if (what === 'pop') expect(fifo.pop()).to.equal(model.shift());
          else if (what === 'unshift') {
            fifo.unshift(99);
            model.unshift(99);
          } else if (what === 'clear') {
            fifo.clear();
            model.length = 0;
          } else {
            fifo.push(what);
            model.push(what);
          }
          expect([fifo.length, fifo.first(), fifo.isEmpty()]).to.deep.equal([
            model.length,
            model[0],
            model.length === 0,
          ]);
        }
      }),
    );
  });
});
