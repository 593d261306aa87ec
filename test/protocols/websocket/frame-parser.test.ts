import { expect } from 'chai';
import fc from 'fast-check';
import {
  FrameParser,
  type FrameParserOptions,
  isCloseCode,
} from '../../../src/protocols/websocket/index.ts';
import { byteByByte, cutAt, someCuts, workOf } from '../support.ts';
import { close, type Frame, frame, parsePieces, type Said, text, USUAL } from './support.ts';

/** What comes of bytes, which must be the same however they are cut. */
function parse(bytes: Buffer | Buffer[], options: Partial<FrameParserOptions> = {}): Said[] {
  const whole = Array.isArray(bytes) ? Buffer.concat(bytes) : bytes;
  const said = parsePieces([whole], options);
  expect(parsePieces(byteByByte(whole), options), 'byte by byte').to.deep.equal(said);
  for (let at = 1; at < Math.min(whole.length, 200); at += 1) {
    const pieces = [whole.subarray(0, at), whole.subarray(at)];
    expect(parsePieces(pieces, options), `cut at ${at}`).to.deep.equal(said);
  }
  return said;
}

const PROTOCOL_ERROR = ['error 1002'];

describe('FrameParser', () => {
  describe('with the examples of RFC 6455 section 5.7', () => {
    it('reads a single-frame unmasked text message', () => {
      expect(parse(Buffer.from('810548656c6c6f', 'hex'), { masked: false })).to.deep.equal([
        'text Hello',
      ]);
    });

    it('reads a single-frame masked text message', () => {
      expect(parse(Buffer.from('818537fa213d7f9f4d5158', 'hex'))).to.deep.equal(['text Hello']);
    });

    it('reads a fragmented unmasked text message', () => {
      expect(parse(Buffer.from('010348656c80026c6f', 'hex'), { masked: false })).to.deep.equal([
        'text Hello',
      ]);
    });

    it('reads an unmasked Ping and a masked Pong', () => {
      expect(parse(Buffer.from('890548656c6c6f', 'hex'), { masked: false })).to.deep.equal([
        'ping Hello',
      ]);
      expect(parse(Buffer.from('8a8537fa213d7f9f4d5158', 'hex'))).to.deep.equal(['pong Hello']);
    });

    it('reads 256 bytes with a length of two bytes, and 64 KiB with one of eight', () => {
      const small = Buffer.alloc(256, 'a');
      const large = Buffer.alloc(65_536, 'b');
      const bytes = [
        Buffer.from('827e0100', 'hex'),
        small,
        Buffer.from('827f0000000000010000', 'hex'),
        large,
      ];
      expect(parsePieces([Buffer.concat(bytes)], { masked: false })).to.deep.equal([
        `binary ${small.toString('hex')}`,
        `binary ${large.toString('hex')}`,
      ]);
    });
  });

  describe('section 5.1: who masks', () => {
    it('refuses a frame without a mask from a client', () => {
      expect(parse(frame({ opcode: 1, payload: 'x', key: null }))).to.deep.equal(PROTOCOL_ERROR);
    });

    it('refuses a frame with a mask from a server', () => {
      expect(parse(text('x'), { masked: false })).to.deep.equal(PROTOCOL_ERROR);
    });
  });

  describe('section 5.2: the header', () => {
    for (const reserved of [0x40, 0x20, 0x10, 0x70]) {
      it(`refuses the reserved bits ${reserved.toString(16)} where no extension was agreed upon`, () => {
        expect(parse(frame({ opcode: 1, payload: 'x', reserved }))).to.deep.equal(PROTOCOL_ERROR);
      });
    }

    it('takes the first of them where messages may be compressed, on the first frame of a message only', () => {
      const options = { compression: true };
      const first = frame({ opcode: 2, payload: 'a', reserved: 0x40, fin: false });
      expect(parse([first, frame({ opcode: 0, payload: 'b' })], options)).to.deep.equal([
        'compressed 6162',
      ]);
      const again = frame({ opcode: 0, payload: 'b', reserved: 0x40 });
      expect(parse([first, again], options)).to.deep.equal(PROTOCOL_ERROR);
      const ping = frame({ opcode: 9, reserved: 0x40 });
      expect(parse(ping, options)).to.deep.equal(PROTOCOL_ERROR);
      expect(parse(frame({ opcode: 1, reserved: 0x60 }), options)).to.deep.equal(PROTOCOL_ERROR);
    });

    for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
      it(`refuses the reserved opcode ${opcode}`, () => {
        expect(parse(frame({ opcode, payload: 'x' }))).to.deep.equal(PROTOCOL_ERROR);
      });
    }

    for (const [length, lengthBytes] of [
      [0, 2],
      [125, 2],
      [0, 8],
      [126, 8],
      [65_535, 8],
    ] as const) {
      it(`refuses a length of ${length} in ${lengthBytes} bytes, which is not the shortest form`, () => {
        const bytes = frame({ opcode: 2, payload: Buffer.alloc(length), lengthBytes });
        expect(parse(bytes.subarray(0, 20))).to.deep.equal(PROTOCOL_ERROR);
      });
    }

    for (const length of [0, 1, 125, 126, 127, 65_535, 65_536]) {
      it(`takes ${length} bytes in the shortest form`, () => {
        const payload = Buffer.alloc(length, 7);
        const bytes = frame({ opcode: 2, payload });
        expect(parsePieces([bytes])).to.deep.equal([`binary ${payload.toString('hex')}`]);
        expect(parsePieces([bytes.subarray(0, 20), bytes.subarray(20)])).to.have.length(1);
      });
    }

    it('refuses a length with its first bit set', () => {
      const bytes = frame({ opcode: 2, announced: 0x8000_0000_0000_0001n });
      expect(parse(bytes)).to.deep.equal(PROTOCOL_ERROR);
    });
  });

  describe('section 5.3: the mask', () => {
    it('undoes any key, at every place in memory, for every length', () => {
      fc.assert(
        fc.property(
          fc.uint8Array({ minLength: 0, maxLength: 200 }),
          fc.uint8Array({ minLength: 4, maxLength: 4 }),
          fc.nat({ max: 9 }),
          fc.nat({ max: 9 }),
          (payload, key, before, cut) => {
            const lead = frame({ opcode: 10, payload: 'p'.repeat(before) });
            const one = frame({ opcode: 2, payload: Buffer.from(payload), key: Buffer.from(key) });
            const bytes = Buffer.concat([lead, one]);
            const at = Math.min(bytes.length, lead.length + 6 + cut);
            const expected = `binary ${Buffer.from(payload).toString('hex')}`;
            expect(parsePieces([bytes])[1]).to.equal(expected);
            expect(parsePieces([bytes.subarray(0, at), bytes.subarray(at)])[1]).to.equal(expected);
          },
        ),
      );
    });
  });

  describe('section 5.4: fragments', () => {
    it('puts a message together, empty fragments and all', () => {
      const frames = [
        text('', false),
        frame({ opcode: 0, payload: 'a', fin: false }),
        frame({ opcode: 0, fin: false }),
        frame({ opcode: 0, payload: 'b' }),
        text('c'),
      ];
      expect(parse(frames)).to.deep.equal(['text ab', 'text c']);
    });

    it('takes control frames between them, each when it comes', () => {
      const frames = [
        text('a', false),
        frame({ opcode: 9, payload: '1' }),
        frame({ opcode: 10, payload: '2' }),
        frame({ opcode: 0, payload: 'b' }),
      ];
      expect(parse(frames)).to.deep.equal(['ping 1', 'pong 2', 'text ab']);
    });

    it('refuses a continuation of nothing', () => {
      expect(parse(frame({ opcode: 0, payload: 'x' }))).to.deep.equal(PROTOCOL_ERROR);
      expect(parse([text('x'), frame({ opcode: 0 })])).to.deep.equal(['text x', 'error 1002']);
    });

    it('refuses a message that begins within another', () => {
      expect(parse([text('a', false), text('b')])).to.deep.equal(PROTOCOL_ERROR);
      expect(parse([text('a', false), frame({ opcode: 2 })])).to.deep.equal(PROTOCOL_ERROR);
    });

    it('refuses more fragments than there may be', () => {
      const more = frame({ opcode: 0, fin: false });
      const frames = [text('a', false), more, more, frame({ opcode: 0 })];
      expect(parse(frames, { maxFragments: 4 })).to.deep.equal(['text a']);
      expect(parse(frames, { maxFragments: 3 })).to.deep.equal(['error 1008']);
    });
  });

  describe('section 5.5: control frames', () => {
    for (const opcode of [8, 9, 10]) {
      it(`refuses opcode ${opcode} in fragments, or with more than 125 bytes`, () => {
        expect(parse(frame({ opcode, fin: false }))).to.deep.equal(PROTOCOL_ERROR);
        const long = frame({ opcode, payload: Buffer.alloc(126, 0x61) });
        expect(parse(long)).to.deep.equal(PROTOCOL_ERROR);
      });
    }

    it('takes 125 bytes', () => {
      const payload = 'p'.repeat(125);
      expect(parse(frame({ opcode: 9, payload }))).to.deep.equal([`ping ${payload}`]);
    });

    it('reads a Close with and without a code and a reason, and nothing behind it', () => {
      expect(parse([close(), text('x')])).to.deep.equal(['close 1005 ']);
      expect(parse([close(1000), text('x')])).to.deep.equal(['close 1000 ']);
      expect(parse([close(4999, 'bye ✓'), close()])).to.deep.equal(['close 4999 bye ✓']);
    });

    it('refuses a Close of one byte', () => {
      expect(parse(frame({ opcode: 8, payload: '\x03' }))).to.deep.equal(PROTOCOL_ERROR);
    });

    it('refuses a Close whose reason is not UTF-8', () => {
      const payload = Buffer.from([0x03, 0xe8, 0xff]);
      expect(parse(frame({ opcode: 8, payload }))).to.deep.equal(['error 1007']);
    });
  });

  describe('section 7.4: codes', () => {
    const good = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
    for (const code of [...good, 3000, 3999, 4000, 4999]) {
      it(`takes ${code}`, () => {
        expect(isCloseCode(code)).to.equal(true);
        expect(parse(close(code))).to.deep.equal([`close ${code} `]);
      });
    }
    for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]) {
      it(`refuses ${code}`, () => {
        expect(isCloseCode(code)).to.equal(false);
        expect(parse(close(code))).to.deep.equal(PROTOCOL_ERROR);
      });
    }
  });

  describe('section 8.1: UTF-8', () => {
    it('takes text of all kinds of characters, cut anywhere, in fragments too', () => {
      const all = 'aé€𝄞\u{10ffff}\ud7ff\ue000z';
      expect(parse(text(all))).to.deep.equal([`text ${all}`]);
      const bytes = Buffer.from(all);
      for (let at = 0; at <= bytes.length; at += 1) {
        const frames = [
          frame({ opcode: 1, payload: bytes.subarray(0, at), fin: false }),
          frame({ opcode: 0, payload: bytes.subarray(at) }),
        ];
        expect(parsePieces([Buffer.concat(frames)]), `cut at ${at}`).to.deep.equal([`text ${all}`]);
      }
    });

    const wrong = {
      'a lone continuation': '80',
      'a byte that is never used': 'ff',
      'an overlong slash': 'c0af',
      'an overlong NUL of three bytes': 'e08080',
      'a surrogate': 'eda080',
      'what is beyond U+10FFFF': 'f4908080',
      'five bytes': 'f888808080',
      'a character that is cut off': 'ceba61e282',
      'a long text with one wrong byte': `${'61'.repeat(100)}ff${'61'.repeat(100)}`,
    };
    for (const [what, hex] of Object.entries(wrong)) {
      it(`refuses ${what}`, () => {
        const payload = Buffer.from(hex, 'hex');
        expect(parse(frame({ opcode: 1, payload }))).to.deep.equal(['error 1007']);
        const fragments = [
          frame({ opcode: 1, payload: payload.subarray(0, 1), fin: false }),
          frame({ opcode: 0, payload: payload.subarray(1) }),
        ];
        expect(parse(fragments)).to.deep.equal(['error 1007']);
        expect(parse(frame({ opcode: 2, payload }))).to.deep.equal([`binary ${hex}`]);
      });
    }

    it('refuses it as soon as it shows, not when the message is complete', () => {
      const begin = (hex: string): Said[] => {
        const payload = Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(1000, 0x61)]);
        const bytes = frame({ opcode: 1, payload });
        return parsePieces([bytes.subarray(0, 8 + hex.length / 2)]);
      };
      expect(begin('61eda0')).to.deep.equal(['error 1007']);
      expect(begin('61f490')).to.deep.equal(['error 1007']);
      expect(begin('61f48f')).to.deep.equal([]);
      expect(begin('61c0')).to.deep.equal(['error 1007']);
      const fragment = frame({ opcode: 1, payload: Buffer.from('ff', 'hex'), fin: false });
      expect(parsePieces([fragment])).to.deep.equal(['error 1007']);
    });

    it('agrees with the decoder of Node about any bytes', () => {
      const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
      const odd = fc.constantFrom(0x80, 0xbf, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xa0, 0x9f, 0x8f);
      const byte = fc.oneof({ weight: 3, arbitrary: odd }, fc.nat({ max: 255 }));
      fc.assert(
        fc.property(fc.array(byte, { maxLength: 12 }), someCuts, (bytes, cuts) => {
          const payload = Buffer.from(bytes);
          let expected: string;
          try {
            expected = `text ${decoder.decode(payload)}`;
          } catch {
            expected = 'error 1007';
          }
          const whole = frame({ opcode: 1, payload });
          expect(parsePieces([whole])).to.deep.equal([expected]);
          expect(parsePieces(cutAt(whole, cuts))).to.deep.equal([expected]);
          const parts = cutAt(payload, cuts);
          const frames = parts.map((part, at) =>
            frame({ opcode: at === 0 ? 1 : 0, payload: part, fin: at === parts.length - 1 }),
          );
          if (frames.length > 0) expect(parsePieces(frames)).to.deep.equal([expected]);
        }),
        { numRuns: 300 },
      );
    });
  });

  describe('and its limits', () => {
    it('refuses a frame that is too long by what it announces', () => {
      const bytes = frame({ opcode: 2, announced: 1001n });
      expect(parse(bytes, { maxFrameLength: 1000 })).to.deep.equal(['error 1009']);
      const fits = frame({ opcode: 2, payload: Buffer.alloc(1000) });
      expect(parsePieces([fits], { maxFrameLength: 1000 })).to.have.length(1);
      expect(parsePieces([fits], { maxFrameLength: 1000 })[0]).to.match(/^binary/);
    });

    it('refuses a message whose fragments are too long together', () => {
      const frames = [text('12345', false), frame({ opcode: 0, payload: '67890' })];
      expect(parse(frames, { maxMessageLength: 10 })).to.deep.equal(['text 1234567890']);
      expect(parse(frames, { maxMessageLength: 9 })).to.deep.equal(['error 1009']);
    });

    it('makes no memory for what is only announced', () => {
      const begin = frame({ opcode: 2, announced: 900_000n });
      const parser = new FrameParser(quiet, USUAL);
      const slow = Buffer.allocUnsafeSlow;
      let made = 0;
      Buffer.allocUnsafeSlow = (size) => {
        made += size;
        return slow(size);
      };
      try {
        parser.push(Buffer.concat([begin, Buffer.alloc(10)]));
      } finally {
        Buffer.allocUnsafeSlow = slow;
      }
      expect(made).to.be.within(10, 70_000);
    });

    it('copies each byte a bounded number of times, however it comes', () => {
      const bytes = Buffer.concat(
        Array.from({ length: 20_000 }, (_, at) =>
          frame({ opcode: at === 0 ? 2 : 0, payload: 'abc', fin: false }),
        ),
      );
      let made = 0;
      const slow = Buffer.allocUnsafeSlow;
      Buffer.allocUnsafeSlow = (size) => {
        made += size;
        return slow(size);
      };
      try {
        const parser = new FrameParser(quiet, { ...USUAL, maxFragments: Infinity });
        workOf(() => parser.push(bytes));
      } finally {
        Buffer.allocUnsafeSlow = slow;
      }
      expect(made).to.be.below(60_000 * 4);
    });
  });

  describe('pause() and resume()', () => {
    it('hold back what follows, in order, and give it here and now', () => {
      const said: string[] = [];
      const parser: FrameParser = new FrameParser(
        {
          ...quiet,
          onMessage: (data) => {
            said.push(data.toString());
            if (data.toString() === 'b') parser.pause();
          },
        },
        USUAL,
      );
      parser.push(Buffer.concat([text('a'), text('b'), text('c')]));
      parser.push(text('d'));
      expect(said).to.deep.equal(['a', 'b']);
      parser.resume();
      expect(said).to.deep.equal(['a', 'b', 'c', 'd']);
      parser.push(text('e'));
      expect(said.at(-1)).to.equal('e');
    });

    it('may both be called by an event', () => {
      const said: string[] = [];
      const parser: FrameParser = new FrameParser(
        {
          ...quiet,
          onMessage: (data) => {
            said.push(data.toString());
            parser.pause();
            parser.resume();
          },
        },
        USUAL,
      );
      parser.push(Buffer.concat([text('a'), text('b')]));
      expect(said).to.deep.equal(['a', 'b']);
    });
  });

  it('goes on after an event that threw, with what follows', () => {
    const said: string[] = [];
    const parser = new FrameParser(
      {
        ...quiet,
        onMessage: (data) => {
          if (data.toString() === 'bad') throw new Error('no');
          said.push(data.toString());
        },
      },
      USUAL,
    );
    expect(() => parser.push(Buffer.concat([text('bad'), text('good')]))).to.throw('no');
    parser.push(text('better'));
    expect(said).to.deep.equal(['good', 'better']);
  });

  it('says the same however any frames are cut', () => {
    const someFrame: fc.Arbitrary<Frame> = fc.record(
      {
        opcode: fc.constantFrom(0, 0, 1, 2, 8, 9, 10, 3),
        payload: fc.oneof(
          fc.string({ maxLength: 40 }),
          fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
          fc.nat({ max: 3000 }).map((length) => Buffer.alloc(length, 'x')),
        ),
        fin: fc.boolean(),
        reserved: fc.constantFrom(0, 0, 0, 0x40, 0x20),
        lengthBytes: fc.constantFrom(0 as const, 0 as const, 2 as const, 8 as const),
      },
      { requiredKeys: ['opcode', 'payload'] },
    );
    const limits = { maxMessageLength: 5000, maxFrameLength: 2500, maxFragments: 5 };
    fc.assert(
      fc.property(
        fc.array(someFrame, { maxLength: 8 }),
        someCuts,
        fc.boolean(),
        (parts, cuts, z) => {
          const bytes = Buffer.concat(parts.map(frame));
          const options = { ...limits, compression: z };
          const said = parsePieces([bytes], options);
          expect(parsePieces(cutAt(bytes, cuts), options)).to.deep.equal(said);
          expect(parsePieces(byteByByte(bytes), options)).to.deep.equal(said);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('survives any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), someCuts, (bytes, cuts) => {
        const whole = Buffer.from(bytes);
        const said = parsePieces([whole], { masked: false });
        expect(parsePieces(cutAt(whole, cuts), { masked: false })).to.deep.equal(said);
      }),
      { numRuns: 500 },
    );
  });
});

const quiet = {
  onMessage: (): void => {},
  onPing: (): void => {},
  onPong: (): void => {},
  onClose: (): void => {},
  onError: (): void => {},
};
