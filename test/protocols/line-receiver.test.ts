import { expect } from 'chai';
import fc from 'fast-check';
import { LineReceiver, NotImplementedError } from '../../src/protocols/index.ts';
import { byteByByte, connect, cutAt, someCuts } from './support.ts';

/** Notes each call; a test may hook in. */
class Lines extends LineReceiver {
  readonly calls: string[] = [];
  onLine: (line: string) => void = () => {};
  onRaw: (data: Buffer) => void = () => {};

  override lineReceived(line: Buffer): void {
    expect(Buffer.isBuffer(line)).to.equal(true);
    this.calls.push(line.toString());
    this.onLine(line.toString());
  }

  override rawDataReceived(data: Buffer): void {
    this.calls.push(`raw ${data}`);
    this.onRaw(data);
  }
}

function feed(protocol: LineReceiver, text: string): unknown {
  return protocol.dataReceived(Buffer.from(text));
}

describe('LineReceiver', () => {
  let protocol: Lines;
  let transport: ReturnType<typeof connect>;

  beforeEach(() => {
    protocol = new Lines();
    transport = connect(protocol);
  });

  describe('lines', () => {
    it('are ended by CRLF and handed over without it', () => {
      feed(protocol, 'one\r\ntwo\r\n\r\nfour\nstill\rfour\r\nrest');
      expect(protocol.calls).to.deep.equal(['one', 'two', '', 'four\nstill\rfour']);
    });

    it('are made of text and of plain bytes as well, for tests in a hurry, and always Buffers', () => {
      const anything = protocol as { dataReceived(data: unknown): unknown };
      anything.dataReceived('o');
      anything.dataReceived(new Uint8Array(Buffer.from('ne\r\ntwo\r\n')));
      expect(protocol.calls).to.deep.equal(['one', 'two']);
      expect(() => anything.dataReceived(5)).to.throw(
        TypeError,
        'Cannot receive data of type number',
      );
    });

    it('are put together from any pieces', () => {
      for (const piece of ['o', 'ne\r', '\nt', 'wo', '\r\n', '\r', '\n']) feed(protocol, piece);
      expect(protocol.calls).to.deep.equal(['one', 'two', '']);
    });

    for (const delimiter of ['\n', Buffer.from('\0'), '\r\n', 'aa', '--end--', 'é']) {
      it(`are ended by a delimiter of ${JSON.stringify(String(delimiter))}, however cut`, () => {
        const text = ['x', '', 'a-long-one'.repeat(4), '-'].join(String(delimiter));
        for (const pieces of [
          [Buffer.from(text + delimiter)],
          byteByByte(Buffer.from(text + delimiter)),
        ]) {
          const lines = new Lines();
          lines.delimiter = delimiter;
          connect(lines);
          for (const piece of pieces) lines.dataReceived(piece);
          expect(lines.calls).to.deep.equal(text.split(String(delimiter)));
        }
      });
    }

    it('are ended by a delimiter that a subclass sets as a field', () => {
      class Unix extends Lines {
        override delimiter = '\n';
      }
      const unix = new Unix();
      connect(unix);
      feed(unix, 'one\r\ntwo\n');
      expect(unix.calls).to.deep.equal(['one\r', 'two']);
    });

    it('follow a delimiter that is changed between them, in what was searched before too', () => {
      protocol.onLine = (line) => {
        if (line === 'lf') protocol.delimiter = '\n';
      };
      feed(protocol, 'lf\r\na\nb\n');
      expect(protocol.calls).to.deep.equal(['lf', 'a', 'b']);
      feed(protocol, 'c;d;');
      protocol.delimiter = ';';
      feed(protocol, 'e');
      expect(protocol.calls.slice(3)).to.deep.equal(['c', 'd']);
    });

    it('cannot be ended by nothing, nor by something that is not data', () => {
      protocol.delimiter = '';
      expect(() => feed(protocol, 'x')).to.throw(TypeError, 'empty delimiter');
      protocol.delimiter = 10 as unknown as string; // as from JavaScript
      expect(() => feed(protocol, 'x')).to.throw(TypeError, 'of type number');
    });

    it('belong to the receiver: later data does not change them', () => {
      const kept: Buffer[] = [];
      class Keeper extends LineReceiver {
        override lineReceived(line: Buffer): void {
          kept.push(line);
        }
      }
      const keeper = new Keeper();
      connect(keeper);
      const expected: string[] = [];
      let text = '';
      for (let i = 0; i < 200; i += 1) {
        expected.push(`line ${i} ${'x'.repeat((i * 37) % 300)}`);
        text += `${expected.at(-1)}\r\n`;
      }
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; at += 23) {
        keeper.dataReceived(Buffer.from(bytes.subarray(at, at + 23)));
      }
      expect(kept.map(String)).to.deep.equal(expected);
    });

    it('are no more delivered once the transport is disconnecting', () => {
      protocol.onLine = (line) => {
        if (line === 'bye') transport.loseConnection();
      };
      feed(protocol, 'hello\r\nbye\r\nmore\r\n');
      feed(protocol, 'and more\r\n');
      expect(protocol.calls).to.deep.equal(['hello', 'bye']);
      expect(protocol.clearLineBuffer()).to.have.length(0);
    });

    it('throw NotImplementedError where the subclass does not take them', () => {
      class Deaf extends LineReceiver {}
      const deaf = new Deaf();
      connect(deaf);
      expect(() => feed(deaf, 'x\r\n'))
        .to.throw(NotImplementedError, 'Cannot call lineReceived() of Deaf')
        .with.property('code', 'ERR_NOT_IMPLEMENTED');
      deaf.setRawMode();
      expect(() => feed(deaf, 'x')).to.throw(NotImplementedError, 'rawDataReceived');
    });

    it('go on behind one whose callback threw', () => {
      protocol.onLine = (line) => {
        if (line === 'bad') throw new Error('oops');
      };
      expect(() => feed(protocol, 'bad\r\nnext\r\n')).to.throw('oops');
      feed(protocol, 'last\r\n');
      expect(protocol.calls).to.deep.equal(['bad', 'next', 'last']);
    });

    it('arrive without a transport as well', () => {
      const alone = new Lines();
      feed(alone, 'x\r\n');
      expect(alone.calls).to.deep.equal(['x']);
    });
  });

  describe('length limit', () => {
    let exceeded: string[];
    class Limited extends Lines {
      override MAX_LENGTH = 5;
      override lineLengthExceeded(line: Buffer): unknown {
        exceeded.push(line.toString());
        return 'what dataReceived returns';
      }
    }

    beforeEach(() => {
      exceeded = [];
      protocol = new Limited();
      transport = connect(protocol);
    });

    it('is 16384 by default, and closes the connection', () => {
      const lines = new Lines();
      const own = connect(lines);
      feed(lines, `${'x'.repeat(16384)}\r\n`);
      expect(lines.calls).to.have.length(1);
      expect(own.disconnecting).to.equal(false);
      feed(lines, `${'x'.repeat(16385)}\r\nmore\r\n`);
      expect(lines.calls).to.have.length(1);
      expect(own.disconnecting).to.equal(true);
    });

    it('lets a line of MAX_LENGTH pass, with its delimiter half there too', () => {
      feed(protocol, '12345\r');
      feed(protocol, '\n');
      expect(protocol.calls).to.deep.equal(['12345']);
      expect(exceeded).to.deep.equal([]);
    });

    it('hands all that is there, from the start of the line on, to lineLengthExceeded', () => {
      expect(feed(protocol, 'ok\r\n123456\r\nrest\r\nre')).to.equal('what dataReceived returns');
      expect(protocol.calls).to.deep.equal(['ok']);
      expect(exceeded).to.deep.equal(['123456\r\nrest\r\nre']);
      expect(protocol.clearLineBuffer()).to.have.length(0);
    });

    it('holds for a line without an end, from MAX_LENGTH and a delimiter on', () => {
      feed(protocol, '123456');
      expect(exceeded).to.deep.equal([]);
      expect(feed(protocol, '7')).to.equal('what dataReceived returns');
      expect(exceeded).to.deep.equal(['1234567']);
    });

    it('goes on with what lineLengthExceeded puts back', () => {
      protocol.lineLengthExceeded = (line) => protocol.setLineMode(line.subarray(7));
      feed(protocol, '1234567ok\r\nnext\r\n');
      expect(protocol.calls).to.deep.equal(['ok', 'next']);
    });

    it('holds for a line that ends in a big chunk behind the rest of another', () => {
      feed(protocol, '12');
      feed(protocol, `3456\r\n${'ok\r\n'.repeat(300)}`);
      expect(exceeded).to.deep.equal([`123456\r\n${'ok\r\n'.repeat(300)}`]);
      expect(protocol.calls).to.deep.equal([]);
    });

    it('keeps memory bounded where lineLengthExceeded does not close', () => {
      for (let i = 0; i < 1000; i += 1) feed(protocol, 'xxx');
      expect(Math.max(...exceeded.map((line) => line.length))).to.be.below(5 + 2 + 3);
      expect(protocol.clearLineBuffer().length).to.be.below(7);
    });
  });

  describe('raw mode', () => {
    it('setRawMode() in lineReceived has the rest of the chunk go to rawDataReceived at once', () => {
      protocol.onLine = () => protocol.setRawMode();
      feed(protocol, 'head\r\nbo\r\ndy');
      feed(protocol, 'more\r\n');
      expect(protocol.calls).to.deep.equal(['head', 'raw bo\r\ndy', 'raw more\r\n']);
      expect(protocol.lineMode).to.equal(false);
    });

    it('setLineMode(extra) has the extra received as lines again', () => {
      protocol.setRawMode();
      protocol.onRaw = (data) => protocol.setLineMode(data.subarray(3));
      feed(protocol, 'rawone\r\ntw');
      feed(protocol, 'o\r\n');
      expect(protocol.calls).to.deep.equal(['raw rawone\r\ntw', 'one', 'two']);
    });

    it('setLineMode(extra) from outside delivers before it returns, and takes text', () => {
      protocol.setRawMode();
      protocol.setLineMode('now\r\n');
      expect(protocol.calls).to.deep.equal(['now']);
    });

    it('is where it begins when a subclass sets lineMode to false', () => {
      class RawFirst extends Lines {
        override lineMode = false;
      }
      const raw = new RawFirst();
      connect(raw);
      feed(raw, 'x\r\n');
      expect(raw.calls).to.deep.equal(['raw x\r\n']);
    });

    it('flips 100,000 times on one buffer without growing the stack', () => {
      let flips = 0;
      class Flipper extends LineReceiver {
        override delimiter = '\n';
        override lineReceived(): void {
          this.setRawMode();
        }
        override rawDataReceived(data: Buffer): void {
          flips += 1;
          this.setLineMode(data.subarray(1));
        }
      }
      const flipper = new Flipper();
      connect(flipper);
      feed(flipper, 'a\nb'.repeat(100_000));
      expect(flips).to.equal(100_000);
    });
  });

  describe('re-entrance', () => {
    it('dataReceived() from within a callback only adds to what is there', () => {
      let depth = 0;
      protocol.onLine = (line) => {
        depth += 1;
        expect(depth).to.equal(1);
        if (line === 'one') feed(protocol, 'four\r\n');
        depth -= 1;
      };
      feed(protocol, 'one\r\ntwo\r\nthree\r\n');
      expect(protocol.calls).to.deep.equal(['one', 'two', 'three', 'four']);
    });

    it('holds for big chunks as well', () => {
      const many = 'x\r\n'.repeat(400);
      protocol.onLine = (line) => {
        if (line === 'one') feed(protocol, many);
        if (line === 'two') feed(protocol, many);
      };
      feed(protocol, 'one\r\ntwo\r\nha');
      feed(protocol, 'lf\r\n');
      expect(protocol.calls).to.have.length(2 + 800 + 1);
      expect(protocol.calls.slice(0, 3)).to.deep.equal(['one', 'two', 'hax']);
      expect(protocol.calls.at(-1)).to.equal('lf');
    });
  });

  describe('clearLineBuffer()', () => {
    it('takes out what is there', () => {
      feed(protocol, 'one\r\nha');
      expect(protocol.clearLineBuffer().toString()).to.equal('ha');
      feed(protocol, 'lf\r\n');
      expect(protocol.calls).to.deep.equal(['one', 'lf']);
    });

    it('takes out the rest of the chunk when called in lineReceived', () => {
      let taken = '';
      protocol.onLine = () => {
        taken = protocol.clearLineBuffer().toString();
      };
      feed(protocol, 'o');
      feed(protocol, `ne\r\n${'two\r\n'.repeat(200)}`);
      expect(protocol.calls).to.deep.equal(['one']);
      expect(taken).to.equal('two\r\n'.repeat(200));
    });
  });

  describe('pausing', () => {
    it('pauseProducing() stops delivery in the middle of a chunk, and reading', () => {
      protocol.onLine = () => protocol.pauseProducing();
      feed(protocol, 'one\r\ntwo\r\n');
      expect(protocol.calls).to.deep.equal(['one']);
      expect(protocol.paused).to.equal(true);
      expect(transport.producerState).to.equal('paused');
    });

    it('resumeProducing() delivers what is there before it returns, and may be paused again', () => {
      protocol.onLine = () => protocol.pauseProducing();
      feed(protocol, 'one\r\ntwo\r\nthree\r\n');
      protocol.resumeProducing();
      expect(protocol.calls).to.deep.equal(['one', 'two']);
      expect(transport.producerState).to.equal('paused');
      protocol.onLine = () => {};
      protocol.resumeProducing();
      expect(protocol.calls).to.deep.equal(['one', 'two', 'three']);
      expect(transport.producerState).to.equal('producing');
    });

    it('resumeProducing() from within the callback that paused goes on in the same loop', () => {
      protocol.onLine = () => {
        protocol.pauseProducing();
        protocol.resumeProducing();
      };
      feed(protocol, 'x\r\n'.repeat(50_000));
      expect(protocol.calls).to.have.length(50_000);
    });

    it('holds in raw mode', () => {
      protocol.onLine = () => {
        protocol.setRawMode();
        protocol.pauseProducing();
      };
      feed(protocol, 'head\r\nbody');
      expect(protocol.calls).to.deep.equal(['head']);
      protocol.resumeProducing();
      expect(protocol.calls).to.deep.equal(['head', 'raw body']);
    });

    it('keeps the order of what comes, in chunks small and big, while it is paused', () => {
      const expected: string[] = [];
      const some = (count: number): string => {
        const lines = Array.from({ length: count }, (_, i) => `line ${expected.length + i}`);
        expected.push(...lines);
        return lines.map((line) => `${line}\r\n`).join('');
      };
      feed(protocol, some(1).slice(0, 3));
      const [first] = expected;
      protocol.pauseProducing();
      feed(protocol, `${first?.slice(3)}\r\n`);
      for (const count of [200, 1, 300, 200, 2, 1, 400]) feed(protocol, some(count));
      expect(protocol.calls).to.deep.equal([]);
      protocol.resumeProducing();
      expect(protocol.calls).to.deep.equal(expected);
    });

    it('stopProducing() stops delivery and the transport', () => {
      protocol.onLine = () => protocol.stopProducing();
      feed(protocol, 'one\r\ntwo\r\n');
      expect(protocol.calls).to.deep.equal(['one']);
      expect(transport.producerState).to.equal('stopped');
    });
  });

  describe('sendLine()', () => {
    for (const line of [
      'text é',
      Buffer.from('bytes'),
      new Uint8Array([65, 66]),
      '',
      'x'.repeat(9000),
      Buffer.alloc(9000, 'y'),
    ]) {
      it(`writes ${typeof line === 'string' ? 'text' : line.constructor.name} of ${line.length} and the delimiter`, () => {
        protocol.sendLine(line);
        expect(transport.value().toString()).to.equal(`${Buffer.from(line as Buffer)}\r\n`);
      });
    }

    it('writes once for a short line', () => {
      let writes = 0;
      const { write } = transport;
      transport.write = (data) => {
        writes += 1;
        write.call(transport, data);
      };
      protocol.sendLine('text');
      protocol.sendLine(Buffer.from('bytes'));
      expect(writes).to.equal(2);
      expect(transport.value().toString()).to.equal('text\r\nbytes\r\n');
    });

    it('writes a delimiter that is not text as it is', () => {
      protocol.delimiter = Buffer.from([0xff, 0xfe]);
      protocol.sendLine('x');
      expect([...transport.value()]).to.deep.equal([0x78, 0xff, 0xfe]);
    });

    it('throws TypeError for anything else, and writes nothing', () => {
      for (const wrong of [5, null, undefined, {}, ['x']]) {
        expect(() => protocol.sendLine(wrong as unknown as string)).to.throw(
          TypeError,
          'send a line',
        );
      }
      expect(transport.value()).to.have.length(0);
    });
  });

  describe('however the input is cut', () => {
    /** Acts on what it reads: 'raw N' is followed by N raw bytes, 'pause' pauses. */
    class Script extends LineReceiver {
      override MAX_LENGTH = 40;
      readonly calls: string[] = [];
      #rawLeft = 0;

      override lineReceived(line: Buffer): void {
        const text = line.toString('latin1');
        this.calls.push(text);
        if (text.startsWith('raw ')) {
          this.#rawLeft = Number(text.slice(4));
          this.calls.push('');
          if (this.#rawLeft > 0) this.setRawMode();
        } else if (text === 'pause') {
          this.pauseProducing();
        }
      }

      override rawDataReceived(data: Buffer): void {
        const mine = data.subarray(0, this.#rawLeft);
        this.#rawLeft -= mine.length;
        this.calls[this.calls.length - 1] += mine.toString('latin1');
        if (this.#rawLeft === 0) this.setLineMode(data.subarray(mine.length));
      }

      override lineLengthExceeded(): unknown {
        this.calls.push('too long');
        return this.transport.loseConnection();
      }
    }

    function play(delimiter: string, pieces: readonly Buffer[]): string[] {
      const script = new Script();
      script.delimiter = delimiter;
      connect(script);
      for (const piece of pieces) {
        script.dataReceived(piece);
        // As on a real transport, nothing comes while it is paused.
        while (script.paused) script.resumeProducing();
      }
      return script.calls;
    }

    const oneStep = (delimiter: string): fc.Arbitrary<string> =>
      fc.oneof(
        {
          weight: 6,
          arbitrary: fc.string({ size: 'max', maxLength: 38 }).map((s) => s + delimiter),
        },
        { weight: 2, arbitrary: fc.constantFrom('\r', '\n', '\r\r\n', 'a', 'aa', delimiter) },
        { weight: 2, arbitrary: fc.constant(`pause${delimiter}`) },
        {
          weight: 2,
          arbitrary: fc
            .string({ size: 'max', maxLength: 60, unit: fc.constantFrom('\r', '\n', 'a', 'b') })
            .map((s) => `raw ${s.length}${delimiter}${s}`),
        },
        { weight: 1, arbitrary: fc.string({ size: 'max', minLength: 300, maxLength: 900 }) },
      );

    for (const delimiter of ['\r\n', '\n', 'aa', 'aab']) {
      it(`the calls are the same with ${JSON.stringify(delimiter)}`, () => {
        fc.assert(
          fc.property(
            fc.array(oneStep(delimiter), { size: 'max', maxLength: 40 }),
            someCuts,
            (steps, cuts) => {
              const bytes = Buffer.from(steps.join(''), 'latin1');
              const whole = play(delimiter, [bytes]);
              expect(play(delimiter, byteByByte(bytes))).to.deep.equal(whole);
              expect(play(delimiter, cutAt(bytes, cuts))).to.deep.equal(whole);
            },
          ),
          { numRuns: 300 },
        );
      });
    }

    it('big chunks behind a rest give the same calls, lone bytes of the delimiter among them', () => {
      const text = `half${'\n'.repeat(30)}${'line\r\n'.repeat(500)}${'\r'.repeat(30)}\r\n${'\n\r\n'.repeat(800)}`;
      const bytes = Buffer.from(text);
      const whole = play('\r\n', [bytes]);
      for (let cut = 1; cut < 80; cut += 1) {
        expect(play('\r\n', [bytes.subarray(0, cut), bytes.subarray(cut)])).to.deep.equal(whole);
      }
      expect(whole).to.have.length(text.split('\r\n').length - 1);
    });
  });
});
