import { expect } from 'chai';
import fc from 'fast-check';
import { NetstringReceiver, NotImplementedError } from '../../src/protocols/index.ts';
import { byteByByte, connect, cutAt, someCuts } from './support.ts';

class Strings extends NetstringReceiver {
  readonly calls: string[] = [];
  onString: (string: string) => void = () => {};

  override stringReceived(string: Buffer): void {
    this.calls.push(string.toString());
    this.onString(string.toString());
  }
}

function feed(protocol: NetstringReceiver, text: string): void {
  protocol.dataReceived(Buffer.from(text));
}

describe('NetstringReceiver', () => {
  let protocol: Strings;
  let transport: ReturnType<typeof connect>;

  beforeEach(() => {
    protocol = new Strings();
    transport = connect(protocol);
  });

  it('takes strings one behind the other, the empty one too', () => {
    feed(protocol, '5:hello,0:,12:colon:comma,,');
    expect(protocol.calls).to.deep.equal(['hello', '', 'colon:comma,']);
    expect(protocol.brokenPeer).to.equal(false);
  });

  it('counts bytes, not characters', () => {
    feed(protocol, '3:é!,');
    expect(protocol.calls).to.deep.equal(['é!']);
  });

  it('sendString() writes text and bytes of any size as netstrings', () => {
    protocol.sendString('é');
    protocol.sendString(Buffer.from('abc'));
    protocol.sendString(new Uint8Array(0));
    protocol.sendString(Buffer.alloc(5000, 'x'));
    expect(transport.value().toString()).to.equal(`2:é,3:abc,0:,5000:${'x'.repeat(5000)},`);
    expect(() => protocol.sendString(3 as unknown as string)).to.throw(TypeError, 'send a string');
  });

  for (const [what, text] of [
    ['a length with a zero in front', '05:hello,'],
    ['two zeros', '00:,'],
    ['a negative length', '-1:x,'],
    ['a sign', '+1:x,'],
    ['a space', ' 1:x,'],
    ['no length', ':x,'],
    ['no length of nothing', ':,'],
    ['a letter in the length', '1x:x,'],
    ['no comma', '1:xx'],
    ['a length above MAX_LENGTH', '100000:'],
    ['a length that never ends', '9999999999'],
    ['a line of something else', 'GET / HTTP/1.1'],
  ] as const) {
    it(`${what} closes the connection and marks the peer as broken, however cut`, () => {
      for (const pieces of [
        [Buffer.from(`2:ok,${text}`)],
        byteByByte(Buffer.from(`2:ok,${text}`)),
      ]) {
        const strings = new Strings();
        const own = connect(strings);
        for (const piece of pieces) strings.dataReceived(piece);
        expect(strings.calls).to.deep.equal(['ok']);
        expect(strings.brokenPeer).to.equal(true);
        expect(own.disconnecting).to.equal(true);
      }
    });
  }

  it('notices a length that is too long before its colon comes', () => {
    feed(protocol, '99999');
    expect(protocol.brokenPeer).to.equal(false);
    feed(protocol, '9');
    expect(protocol.brokenPeer).to.equal(true);
  });

  it('takes a string of MAX_LENGTH', () => {
    protocol.MAX_LENGTH = 3;
    feed(protocol, '3:abc,4:');
    expect(protocol.calls).to.deep.equal(['abc']);
    expect(protocol.brokenPeer).to.equal(true);
  });

  it('takes no length that a number cannot hold, whatever MAX_LENGTH', () => {
    protocol.MAX_LENGTH = Number.POSITIVE_INFINITY;
    feed(protocol, '9007199254740991');
    expect(protocol.brokenPeer).to.equal(false);
    feed(protocol, '0');
    expect(protocol.brokenPeer).to.equal(true);
  });

  it('delivers nothing more from a peer that is broken', () => {
    feed(protocol, 'x');
    transport.disconnecting = false;
    feed(protocol, '2:no,');
    expect(protocol.calls).to.deep.equal([]);
  });

  it('delivers nothing more once the transport is disconnecting', () => {
    protocol.onString = () => transport.loseConnection();
    feed(protocol, '1:a,1:b,bad');
    feed(protocol, '1:c,');
    expect(protocol.calls).to.deep.equal(['a']);
    expect(protocol.brokenPeer).to.equal(false);
  });

  it('can be paused and resumed in the middle of a chunk', () => {
    protocol.onString = () => protocol.pauseProducing();
    feed(protocol, '1:a,1:b,1:c,');
    expect(protocol.calls).to.deep.equal(['a']);
    protocol.onString = () => {};
    protocol.resumeProducing();
    expect(protocol.calls).to.deep.equal(['a', 'b', 'c']);
  });

  it('dataReceived() from within stringReceived only adds to what is there', () => {
    protocol.onString = (string) => {
      if (string === 'a') feed(protocol, `600:${'x'.repeat(600)},`);
    };
    feed(protocol, '1:a,1:b,');
    expect(protocol.calls).to.deep.equal(['a', 'b', 'x'.repeat(600)]);
  });

  it('throws NotImplementedError where the subclass does not take strings', () => {
    class Deaf extends NetstringReceiver {}
    const deaf = new Deaf();
    connect(deaf);
    expect(() => feed(deaf, '0:,')).to.throw(NotImplementedError, 'stringReceived() of Deaf');
  });

  it('gives the same calls however the input is cut', () => {
    const play = (pieces: readonly Buffer[]): unknown => {
      const strings = new Strings();
      strings.MAX_LENGTH = 999;
      connect(strings);
      strings.onString = (string) => {
        if (string.startsWith('p')) strings.pauseProducing();
      };
      for (const piece of pieces) {
        strings.dataReceived(piece);
        while (strings.paused) strings.resumeProducing();
      }
      return [strings.calls, strings.brokenPeer];
    };
    const one = fc.oneof(
      {
        weight: 9,
        arbitrary: fc.string({ size: 'max', maxLength: 700 }).map((s) => `${s.length}:${s},`),
      },
      {
        weight: 4,
        arbitrary: fc.string({ size: 'max', maxLength: 9 }).map((s) => `${s.length + 1}:p${s},`),
      },
      { weight: 1, arbitrary: fc.constantFrom('01:x,', ':', '1:xy', '1000:', '5', 'x') },
    );
    fc.assert(
      fc.property(fc.array(one, { size: 'max', maxLength: 15 }), someCuts, (steps, cuts) => {
        const bytes = Buffer.from(steps.join(''), 'latin1');
        const whole = play([bytes]);
        expect(play(byteByByte(bytes))).to.deep.equal(whole);
        expect(play(cutAt(bytes, cuts))).to.deep.equal(whole);
      }),
      { numRuns: 200 },
    );
  });
});
