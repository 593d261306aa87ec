import { expect } from 'chai';
import fc from 'fast-check';
import {
  Int8StringReceiver,
  Int16StringReceiver,
  Int32StringReceiver,
  NotImplementedError,
  StringTooLongError,
} from '../../src/protocols/index.ts';
import { byteByByte, connect, cutAt, someCuts } from './support.ts';

/** A receiver that notes what it gets. */
function noting(
  Base: typeof Int8StringReceiver | typeof Int16StringReceiver | typeof Int32StringReceiver,
) {
  // The three differ in nothing that matters to the type of a subclass.
  return class extends (Base as typeof Int32StringReceiver) {
    readonly calls: string[] = [];
    readonly exceeded: number[] = [];
    onString: (string: string) => void = () => {};

    override stringReceived(string: Buffer): void {
      this.calls.push(string.toString());
      this.onString(string.toString());
    }
  };
}

function framed(size: number, string: string): Buffer {
  const bytes = Buffer.from(string);
  const prefix = Buffer.alloc(size);
  prefix.writeUIntBE(bytes.length, 0, size);
  return Buffer.concat([prefix, bytes]);
}

for (const [Base, size] of [
  [Int8StringReceiver, 1],
  [Int16StringReceiver, 2],
  [Int32StringReceiver, 4],
] as const) {
  describe(Base.name, () => {
    const Strings = noting(Base);
    let protocol: InstanceType<typeof Strings>;
    let transport: ReturnType<typeof connect>;
    const message = (string: string): Buffer => framed(size, string);

    beforeEach(() => {
      protocol = new Strings();
      transport = connect(protocol);
    });

    it('takes strings with a big-endian length in front, the empty one too', () => {
      protocol.dataReceived(
        Buffer.concat([message('hello'), message(''), message('x'.repeat(200))]),
      );
      expect(protocol.calls).to.deep.equal(['hello', '', 'x'.repeat(200)]);
    });

    it('sendString() writes what stringReceived gets', () => {
      const strings = ['', 'é', 'x'.repeat(255)];
      for (const string of strings) protocol.sendString(string);
      protocol.sendString(new Uint8Array([65]));
      expect(transport.value().equals(Buffer.concat([...strings, 'A'].map(message)))).to.equal(
        true,
      );
      protocol.dataReceived(transport.value());
      expect(protocol.calls).to.deep.equal([...strings, 'A']);
      expect(() => protocol.sendString({} as unknown as string)).to.throw(TypeError);
    });

    it('lengthLimitExceeded() is called as soon as the prefix is there, and closes the connection', () => {
      protocol.MAX_LENGTH = 10;
      protocol.dataReceived(message('x'.repeat(10)));
      expect(transport.disconnecting).to.equal(false);
      protocol.dataReceived(message('y'.repeat(11)).subarray(0, size));
      expect(transport.disconnecting).to.equal(true);
      expect(protocol.calls).to.deep.equal(['x'.repeat(10)]);
    });

    it('a string above the limit is not delivered, and is dropped where that does not close', () => {
      const exceeded: unknown[] = [];
      protocol.MAX_LENGTH = 10;
      protocol.lengthLimitExceeded = (length) => exceeded.push(length, protocol.recvd.length);
      protocol.dataReceived(message('y'.repeat(11)));
      for (let i = 0; i < 100; i += 1) protocol.dataReceived(message('ok'));
      expect(exceeded).to.deep.equal([11, size + 11]);
      expect(protocol.calls).to.deep.equal([]);
      expect(protocol.recvd).to.have.length(0);
    });

    it('goes on where lengthLimitExceeded() raises the limit or replaces recvd', () => {
      protocol.MAX_LENGTH = 10;
      protocol.lengthLimitExceeded = () => {
        protocol.MAX_LENGTH = 20;
      };
      protocol.dataReceived(Buffer.concat([message('y'.repeat(11)), message('z')]));
      protocol.lengthLimitExceeded = () => {
        protocol.recvd = message('instead');
      };
      protocol.dataReceived(message('y'.repeat(21)));
      expect(protocol.calls).to.deep.equal(['y'.repeat(11), 'z', 'instead']);
    });

    it('recvd holds what was not delivered, in stringReceived and outside', () => {
      const seen: string[] = [];
      protocol.onString = () => seen.push(protocol.recvd.toString('latin1'));
      const rest = message('two').subarray(0, size + 2);
      protocol.dataReceived(Buffer.concat([message('one'), rest]));
      expect(seen).to.deep.equal([rest.toString('latin1')]);
      expect(protocol.recvd.equals(rest)).to.equal(true);
      protocol.dataReceived(Buffer.from('o'));
      expect(protocol.calls).to.deep.equal(['one', 'two']);
      expect(protocol.recvd).to.have.length(0);
    });

    it('recvd may be replaced in stringReceived, and what was there is forgotten', () => {
      protocol.onString = (string) => {
        if (string === 'one') protocol.recvd = Buffer.concat([message('two'), message('three')]);
      };
      protocol.dataReceived(Buffer.concat([message('one'), message('ignored')]));
      expect(protocol.calls).to.deep.equal(['one', 'two', 'three']);
    });

    it('what is skipped in recvd is not looked at again', () => {
      const mark = Buffer.from('\0\0\0\0');
      protocol.onString = () => {
        protocol.recvd = protocol.recvd.subarray(mark.length);
      };
      const strings = ['a', 'b', '', 'c'.repeat(99)];
      protocol.dataReceived(Buffer.concat(strings.flatMap((string) => [message(string), mark])));
      expect(protocol.calls).to.deep.equal(strings);
      expect(protocol.recvd).to.have.length(0);
    });

    it('delivers nothing more once the transport is disconnecting', () => {
      protocol.onString = () => transport.loseConnection();
      protocol.dataReceived(Buffer.concat([message('one'), message('two')]));
      protocol.dataReceived(message('three'));
      expect(protocol.calls).to.deep.equal(['one']);
    });

    it('can be paused and resumed in the middle of a chunk', () => {
      protocol.onString = () => protocol.pauseProducing();
      protocol.dataReceived(Buffer.concat([message('one'), message('two')]));
      expect(protocol.calls).to.deep.equal(['one']);
      protocol.resumeProducing();
      expect(protocol.calls).to.deep.equal(['one', 'two']);
    });

    it('dataReceived() from within stringReceived only adds to what is there', () => {
      protocol.onString = (string) => {
        if (string === 'one') {
          for (let i = 0; i < 4; i += 1) protocol.dataReceived(message('x'.repeat(200)));
          protocol.dataReceived(Buffer.concat(Array(4).fill(message('y'.repeat(200)))));
        }
      };
      protocol.dataReceived(Buffer.concat([message('one'), message('two')]));
      expect(protocol.calls.map((call) => call.slice(0, 3))).to.deep.equal([
        ...['one', 'two'],
        ...['xxx', 'xxx', 'xxx', 'xxx'],
        ...['yyy', 'yyy', 'yyy', 'yyy'],
      ]);
    });

    it('gives the same calls however the input is cut', () => {
      const play = (pieces: readonly Buffer[]): unknown => {
        const strings = new Strings();
        strings.MAX_LENGTH = 200;
        connect(strings);
        strings.lengthLimitExceeded = (length) => {
          strings.exceeded.push(length);
          strings.transport.loseConnection();
        };
        strings.onString = (string) => {
          if (string.startsWith('p')) strings.pauseProducing();
        };
        for (const piece of pieces) {
          strings.dataReceived(piece);
          while (strings.paused) strings.resumeProducing();
        }
        return [strings.calls, strings.exceeded];
      };
      const one = fc.oneof(
        { weight: 9, arbitrary: fc.string({ size: 'max', maxLength: 200, unit: 'binary-ascii' }) },
        { weight: 4, arbitrary: fc.string({ size: 'max', maxLength: 9 }).map((s) => `p${s}`) },
        { weight: 1, arbitrary: fc.constant('x'.repeat(210)) },
      );
      fc.assert(
        fc.property(fc.array(one, { size: 'max', maxLength: 15 }), someCuts, (strings, cuts) => {
          const bytes = Buffer.concat(strings.map(message));
          const whole = play([bytes]);
          expect(play(byteByByte(bytes))).to.deep.equal(whole);
          expect(play(cutAt(bytes, cuts))).to.deep.equal(whole);
        }),
        { numRuns: 100 },
      );
    });
  });
}

describe('IntNStringReceiver', () => {
  it('sendString() throws StringTooLongError for what the prefix cannot say, and writes nothing', () => {
    for (const [protocol, limit] of [
      [new Int8StringReceiver(), 255],
      [new Int16StringReceiver(), 65_535],
    ] as const) {
      const transport = connect(protocol);
      expect(() => protocol.sendString(Buffer.alloc(limit + 1)))
        .to.throw(StringTooLongError, `Cannot send a string of ${limit + 1} bytes`)
        .that.includes({ code: 'ERR_STRING_TOO_LONG', length: limit + 1, limit });
      expect(transport.value()).to.have.length(0);
      protocol.sendString(Buffer.alloc(limit));
      expect(transport.value()).to.have.length(protocol.prefixLength + limit);
    }
  });

  it('has a limit of 99999 bytes by default', () => {
    const protocol = new Int32StringReceiver();
    const transport = connect(protocol);
    protocol.dataReceived(Buffer.from([0, 1, 0x86, 0x9f])); // 99999
    expect(transport.disconnecting).to.equal(false);
    const other = new Int32StringReceiver();
    const otherTransport = connect(other);
    other.dataReceived(Buffer.from([0, 1, 0x86, 0xa0]));
    expect(otherTransport.disconnecting).to.equal(true);
  });

  it('throws NotImplementedError where the subclass does not take strings', () => {
    const protocol = new Int8StringReceiver();
    connect(protocol);
    expect(() => protocol.dataReceived(Buffer.of(0))).to.throw(NotImplementedError);
  });
});
