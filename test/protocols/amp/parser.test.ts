import { expect } from 'chai';
import fc from 'fast-check';
import {
  AmpBox,
  AmpError,
  type BoxLimits,
  BoxParser,
  parseBoxes,
  TooLong,
} from '../../../src/protocols/amp/index.ts';
import { byteByByte, cutAt, someCuts } from '../support.ts';

type Outcome = Array<Record<string, string> | string>;

/** The boxes of `pieces` as plain objects, and the name of what was thrown at the end if anything was. */
function outcome(pieces: readonly Buffer[], limits?: BoxLimits): Outcome {
  const parser = new BoxParser(limits);
  const found: Outcome = [];
  try {
    for (const piece of pieces) {
      parser.append(piece);
      for (let box = parser.next(); box !== undefined; box = parser.next()) {
        found.push(
          Object.fromEntries([...box].map(([key, value]) => [key, value.toString('latin1')])),
        );
      }
      parser.trim();
    }
  } catch (error) {
    found.push((error as Error).name); // whatever it is, its name is compared
  }
  return found;
}

/** The outcome, which must be the same however the bytes are cut. */
function parse(bytes: Buffer, limits?: BoxLimits): Outcome {
  const expected = outcome([bytes], limits);
  expect(outcome(byteByByte(bytes), limits)).to.deep.equal(expected);
  for (let at = 1; at < Math.min(bytes.length, 300); at++) {
    expect(
      outcome([bytes.subarray(0, at), bytes.subarray(at)], limits),
      `cut at ${at}`,
    ).to.deep.equal(expected);
  }
  return expected;
}

const wire = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('AmpBox', () => {
  it('serialize() writes lengths of two bytes, and an empty key at the end', () => {
    const box = new AmpBox({ a: 'bc', é: Buffer.of(0, 255) });
    expect(box.serialize()).to.deep.equal(wire('\0\x01a\0\x02bc\0\x01\xe9\0\x02\0\xff\0\0'));
  });

  it('set() takes 255 bytes of key and 65,535 of value, and not one more', () => {
    const box = new AmpBox();
    box.set('k'.repeat(255), Buffer.alloc(65_535));
    expect(parseBoxes(box.serialize())).to.deep.equal([box]);
    expect(() => box.set('k'.repeat(256), '')).to.throw(TooLong, 'keys end at 255 bytes');
    expect(() => box.set('k', Buffer.alloc(65_536))).to.throw(TooLong, '65536 bytes');
    expect(() => box.set('k', 'ü'.repeat(40_000))).to.throw(TooLong, '80000 bytes');
  });

  it('set() refuses a key that is empty, or has characters of more than a byte', () => {
    expect(() => new AmpBox({ '': 'x' })).to.throw(AmpError, 'its key is empty');
    expect(() => new AmpBox({ 日: 'x' })).to.throw(AmpError, 'characters of one byte only');
    expect(() => new AmpBox().set('k', 1 as unknown as string)).to.throw(TypeError);
  });
});

describe('BoxParser', () => {
  it('next() finds boxes wherever they are cut', () => {
    expect(parse(wire('\0\x01a\0\x02bc\0\x01d\0\0\0\0\0\x01a\0\x01z\0\0\0\x05half'))).to.deep.equal(
      [{ a: 'bc', d: '' }, { a: 'z' }],
    );
  });

  it('next() refuses a box without keys', () => {
    expect(parse(wire('\0\x01a\0\x01b\0\0\0\0'))).to.deep.equal([{ a: 'b' }, 'MalformedAmpBox']);
  });

  it('next() refuses a key that is there twice', () => {
    expect(parse(wire('\0\x01a\0\x01b\0\x01a\0\x01c\0\0'))).to.deep.equal(['MalformedAmpBox']);
    expect(parse(wire('\0\x01a\0\x01b\0\0\0\x01a\0\x01c\0\0'))).to.have.length(2);
  });

  it('next() refuses a key of more than 255 bytes as soon as its length is there', () => {
    expect(parse(wire('\x01\0'))).to.deep.equal(['TooLong']);
    expect(parse(wire('GET / HTTP/1.1\r\n\r\n'))).to.deep.equal(['TooLong']);
    expect(parse(wire(`\0\xff${'k'.repeat(255)}\0\x01v\0\0`))).to.deep.equal([
      { ['k'.repeat(255)]: 'v' },
    ]);
  });

  it('next() refuses one key more than maxBoxKeys', () => {
    const keys = (n: number): Buffer =>
      new AmpBox(
        Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, 'v'])),
      ).serialize();
    expect(parse(keys(3), { maxBoxKeys: 3 })).to.have.nested.property('[0].k2', 'v');
    expect(parse(keys(4), { maxBoxKeys: 3 })).to.deep.equal(['TooLong']);
  });

  it('next() refuses one byte more than maxBoxSize, before it has come', () => {
    const bytes = new AmpBox({ key: 'value' }).serialize();
    expect(parse(bytes, { maxBoxSize: bytes.length })).to.deep.equal([{ key: 'value' }]);
    expect(parse(bytes, { maxBoxSize: bytes.length - 1 })).to.deep.equal(['TooLong']);
    expect(parse(wire('\0\x01a\xff\xff'), { maxBoxSize: 1000 })).to.deep.equal(['TooLong']);
  });

  it('next() gives what was serialized, cut anywhere', () => {
    const key = fc.string({
      ...{ minLength: 1, maxLength: 20 },
      unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    });
    const contents = fc.dictionary(key, fc.uint8Array({ maxLength: 300 }), { minKeys: 1 });
    fc.assert(
      fc.property(fc.array(contents, { maxLength: 5 }), someCuts, (boxes, cuts) => {
        const bytes = Buffer.concat(boxes.map((box) => new AmpBox(box).serialize()));
        const parsed: AmpBox[] = [];
        const parser = new BoxParser();
        for (const piece of cutAt(bytes, cuts)) {
          parser.append(piece);
          for (let box = parser.next(); box !== undefined; box = parser.next()) parsed.push(box);
        }
        expect(parsed).to.deep.equal(boxes.map((box) => new AmpBox(box)));
        expect(parser.waiting).to.equal(0);
      }),
    );
  });

  it('next() makes the same of any bytes, cut anywhere', () => {
    const likely = fc.oneof(
      fc.constantFrom(wire('\0\0'), wire('\0\x01a'), wire('\0\x03abc'), wire('\x02\0')),
      fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
    );
    fc.assert(
      fc.property(fc.array(likely, { maxLength: 20 }), someCuts, (parts, cuts) => {
        const bytes = Buffer.concat(parts);
        const limits = { maxBoxSize: 2000, maxBoxKeys: 3 };
        expect(outcome(cutAt(bytes, cuts), limits)).to.deep.equal(outcome([bytes], limits));
      }),
      { numRuns: 500 },
    );
  });
});

describe('parseBoxes()', () => {
  it('refuses bytes that do not end with a box', () => {
    expect(parseBoxes(Buffer.alloc(0))).to.deep.equal([]);
    for (const end of ['\0', '\0\x01a', '\0\x01a\0\0']) {
      expect(() => parseBoxes(wire(`\0\x01a\0\0\0\0${end}`)), end).to.throw(AmpError, 'no end');
    }
  });
});
