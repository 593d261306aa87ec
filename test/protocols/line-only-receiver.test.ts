import { expect } from 'chai';
import fc from 'fast-check';
import { LineOnlyReceiver, NotImplementedError } from '../../src/protocols/index.ts';
import { byteByByte, connect, cutAt, someCuts } from './support.ts';

class Lines extends LineOnlyReceiver {
  readonly calls: string[] = [];
  onLine: (line: string) => void = () => {};

  override lineReceived(line: Buffer): void {
    this.calls.push(line.toString());
    this.onLine(line.toString());
  }
}

function feed(protocol: LineOnlyReceiver, text: string): unknown {
  return protocol.dataReceived(Buffer.from(text));
}

describe('LineOnlyReceiver', () => {
  let protocol: Lines;
  let transport: ReturnType<typeof connect>;

  beforeEach(() => {
    protocol = new Lines();
    transport = connect(protocol);
  });

  it('hands over lines without their CRLF, put together from any pieces', () => {
    for (const piece of ['one\r\ntw', 'o\r', '\n\r\nrest']) feed(protocol, piece);
    expect(protocol.calls).to.deep.equal(['one', 'two', '']);
  });

  it('takes another delimiter, set as a field or later', () => {
    class Unix extends Lines {
      override delimiter = '\n';
    }
    const unix = new Unix();
    connect(unix);
    feed(unix, 'one\r\ntwo;');
    unix.delimiter = ';';
    feed(unix, 'three;');
    expect(unix.calls).to.deep.equal(['one\r', 'two', 'three']);
  });

  it('delivers nothing more once the transport is disconnecting', () => {
    protocol.onLine = () => transport.loseConnection();
    feed(protocol, 'bye\r\nmore\r\n');
    feed(protocol, 'and more\r\n');
    expect(protocol.calls).to.deep.equal(['bye']);
  });

  it('throws NotImplementedError where the subclass does not take lines', () => {
    class Deaf extends LineOnlyReceiver {}
    const deaf = new Deaf();
    connect(deaf);
    expect(() => feed(deaf, 'x\r\n')).to.throw(NotImplementedError, 'lineReceived() of Deaf');
  });

  it('sendLine() writes the line and the delimiter, once', () => {
    protocol.sendLine('text');
    protocol.sendLine(Buffer.from('bytes'));
    expect(transport.value().toString()).to.equal('text\r\nbytes\r\n');
    expect(() => protocol.sendLine(7 as unknown as string)).to.throw(TypeError);
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
    });

    it('is 16384 by default, and closes the connection', () => {
      feed(protocol, `${'x'.repeat(16384)}\r\n`);
      expect(transport.disconnecting).to.equal(false);
      feed(protocol, `${'x'.repeat(16385)}\r\nmore\r\n`);
      expect(protocol.calls).to.have.length(1);
      expect(transport.disconnecting).to.equal(true);
    });

    it('hands a line that is too long, alone, to lineLengthExceeded', () => {
      const limited = new Limited();
      connect(limited);
      expect(feed(limited, 'ok\r\n123456\r\nnext\r\n')).to.equal('what dataReceived returns');
      expect(exceeded).to.deep.equal(['123456']);
      expect(limited.calls).to.deep.equal(['ok', 'next']);
    });

    it('holds for a line without an end, from one byte more than MAX_LENGTH on', () => {
      const limited = new Limited();
      connect(limited);
      feed(limited, '12345');
      expect(exceeded).to.deep.equal([]);
      expect(feed(limited, '6')).to.equal('what dataReceived returns');
      expect(exceeded).to.deep.equal(['123456']);
    });

    it('does not count a delimiter that is half there', () => {
      const limited = new Limited();
      connect(limited);
      feed(limited, '12345\r');
      feed(limited, '\n');
      expect(limited.calls).to.deep.equal(['12345']);
      expect(exceeded).to.deep.equal([]);
      feed(limited, '12345\r');
      feed(limited, 'x');
      expect(exceeded).to.deep.equal(['12345\rx']);
    });

    it('keeps memory bounded where lineLengthExceeded does not close', () => {
      const limited = new Limited();
      connect(limited);
      for (let i = 0; i < 1000; i += 1) feed(limited, 'xxx');
      expect(Math.max(...exceeded.map((line) => line.length))).to.be.below(5 + 1 + 3);
    });
  });

  it('gives the same calls however the input is cut', () => {
    class Closing extends Lines {
      override MAX_LENGTH = 10;
      override onLine = (line: string): void => {
        if (line.startsWith('p')) this.pauseProducing();
      };
      override lineLengthExceeded(): unknown {
        this.calls.push('too long');
        return this.transport.loseConnection();
      }
    }
    const play = (pieces: readonly Buffer[]): string[] => {
      const closing = new Closing();
      connect(closing);
      for (const piece of pieces) {
        closing.dataReceived(piece);
        while (closing.paused) closing.resumeProducing();
      }
      return closing.calls;
    };
    const text = fc.string({
      size: 'max',
      maxLength: 2000,
      unit: fc.constantFrom('\r\n', '\r\n', '\r', '\n', 'p', 'abc'),
    });
    fc.assert(
      fc.property(text, someCuts, (input, cuts) => {
        const bytes = Buffer.from(input);
        const whole = play([bytes]);
        expect(play(byteByByte(bytes))).to.deep.equal(whole);
        expect(play(cutAt(bytes, cuts))).to.deep.equal(whole);
      }),
      { numRuns: 300 },
    );
  });
});
