import { expect } from 'chai';
import fc from 'fast-check';
import * as amp from '../../../src/protocols/amp/index.ts';

type Kind<In, Out> = amp.Argument<In, Out>;

/** What goes over the wire for a value, as text of a character per byte. */
function sent<In>(kind: Kind<In, unknown>, value: In): string {
  const box = new amp.AmpBox();
  kind.toBox('x', { x: value }, box);
  return (box.get('x') ?? Buffer.from('(nothing)')).toString('latin1');
}

/** What a value is that came over the wire. */
function read<Out>(kind: Kind<never, Out>, bytes: string): Out {
  const objects: Record<string, unknown> = {};
  kind.fromBox('x', new amp.AmpBox({ x: Buffer.from(bytes, 'latin1') }), objects);
  return objects['x'] as Out; // it is what the kind makes
}

const refusedToSend = <In>(kind: Kind<In, unknown>, value: unknown): void => {
  expect(() => sent(kind, value as In), String(value)).to.throw(
    amp.BadArgument,
    'Cannot send "x": ',
  );
};
const refusedToRead = (kind: Kind<never, unknown>, bytes: string): void => {
  expect(() => read(kind, bytes), bytes).to.throw(amp.BadArgument, 'Cannot read "x": ');
};

describe('Numbers', () => {
  it('are refused as quickly as they come, however long they are', () => {
    // With a pattern that tries every way to cut the digits in two, this takes minutes.
    const long = `${'1'.repeat(65_000)}x`;
    for (const kind of [new amp.Float(), new amp.Decimal(), new amp.Integer()]) {
      for (let i = 0; i < 20; i += 1) refusedToRead(kind, long);
      refusedToRead(kind, `${'1'.repeat(30_000)}.${'1'.repeat(30_000)}x`);
    }
  }).timeout(5000);
});

describe('Integer', () => {
  it('is decimal digits', () => {
    const kind = new amp.Integer();
    expect(sent(kind, -12)).to.equal('-12');
    expect(sent(kind, 2n ** 70n)).to.equal('1180591620717411303424');
    expect(read(kind, '+7')).to.equal(7);
    expect(Object.is(read(kind, '-0'), 0)).to.equal(true);
    expect(read(kind, '9007199254740991')).to.equal(Number.MAX_SAFE_INTEGER);
  });

  it('refuses what it cannot hold exactly', () => {
    for (const bad of [0.5, 2 ** 53, Number.NaN, '1']) refusedToSend(new amp.Integer(), bad);
    for (const bad of ['9007199254740992', '', ' 1', '1_0', '0x1', '1.0', '1e3', '١']) {
      refusedToRead(new amp.Integer(), bad);
    }
  });

  it('has BigInteger for any size', () => {
    const kind = new amp.BigInteger();
    fc.assert(
      fc.property(fc.bigInt(), (value) => {
        expect(read(kind, sent(kind, value))).to.equal(value);
      }),
    );
    expect(read(kind, '+5')).to.equal(5n);
    refusedToRead(kind, '1.0');
    refusedToSend(kind, 1.5);
  });
});

describe('String and Unicode', () => {
  it('are bytes, and text as UTF-8', () => {
    expect(sent(new amp.String(), Buffer.of(0, 255))).to.equal('\0\xff');
    expect(read(new amp.String(), '\0\xff')).to.deep.equal(Buffer.of(0, 255));
    expect(sent(new amp.Unicode(), 'é')).to.equal('\xc3\xa9');
    expect(read(new amp.Unicode(), '\xef\xbb\xbf\xc3\xa9')).to.equal('\ufeffé');
    expect(read(new amp.Path(), '/tmp')).to.equal('/tmp');
  });

  it('refuse what is neither, and what is no UTF-8', () => {
    refusedToSend(new amp.String(), 5);
    refusedToSend(new amp.Unicode(), Buffer.from('x'));
    refusedToRead(new amp.Unicode(), '\xff');
  });
});

describe('Boolean', () => {
  it('is True or False, and nothing else', () => {
    const kind = new amp.Boolean();
    expect([sent(kind, true), sent(kind, false)]).to.deep.equal(['True', 'False']);
    expect([read(kind, 'True'), read(kind, 'False')]).to.deep.equal([true, false]);
    for (const bad of ['true', '1', '']) refusedToRead(kind, bad);
  });
});

describe('Float', () => {
  const kind = new amp.Float();

  it('is written as Python reads it', () => {
    expect([1, -0, 0.1, 1e22, -1 / 0, Number.NaN].map((value) => sent(kind, value))).to.deep.equal([
      ...['1.0', '-0.0', '0.1', '1e+22', '-inf', 'nan'],
    ]);
  });

  it('comes back as it was', () => {
    fc.assert(
      fc.property(fc.double(), (value) => {
        expect(Object.is(read(kind, sent(kind, value)), value)).to.equal(true);
      }),
    );
    expect(read(kind, '1e-05')).to.equal(0.00001);
    for (const bad of ['', '0x1', '1,5', ' 1', 'infinite']) refusedToRead(kind, bad);
    refusedToSend(kind, '1');
  });
});

describe('Decimal', () => {
  it('is the text of a decimal number', () => {
    const kind = new amp.Decimal();
    for (const text of ['1', '-1.50', '1E+2', '1.5E-7', 'Infinity', '-Infinity', 'NaN', 'sNaN']) {
      expect(sent(kind, text)).to.equal(text);
      expect(read(kind, text)).to.equal(text);
    }
    for (const bad of ['', '.', '1.2.3', 'x', '1 ']) {
      refusedToSend(kind, bad);
      refusedToRead(kind, bad);
    }
  });
});

describe('DateTime', () => {
  const kind = new amp.DateTime();

  it('has 32 characters, with microseconds and an offset', () => {
    expect(sent(kind, new Date('2012-01-23T12:34:56.054Z'))).to.equal(
      '2012-01-23T12:34:56.054000-00:00',
    );
    expect(read(kind, '2012-01-23T12:34:56.054321-01:23')).to.deep.equal(
      new Date('2012-01-23T13:57:56.054Z'),
    );
    expect(read(kind, '2012-01-23T00:30:00.999999+01:00')).to.deep.equal(
      new Date('2012-01-22T23:30:00.999Z'),
    );
  });

  it('comes back as it was', () => {
    const dates = fc.date({
      ...{ min: new Date('0000-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z') },
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(dates, (date) => {
        expect(read(kind, sent(kind, date))).to.deep.equal(date);
      }),
    );
  });

  it('refuses days and times that there are not', () => {
    for (const bad of [
      '2011-02-29T00:00:00.000000+00:00',
      '2012-13-01T00:00:00.000000+00:00',
      '2012-01-01T24:00:00.000000+00:00',
      '2012-01-01T00:60:00.000000+00:00',
      '2012-01-01T00:00:00.000000+24:00',
      '2012-01-01T00:00:00.000000Z',
      '2012-01-01',
    ]) {
      refusedToRead(kind, bad);
    }
    refusedToSend(kind, new Date(Number.NaN));
    refusedToSend(kind, new Date('+012012-01-01T00:00:00Z'));
    refusedToSend(kind, 'today');
  });
});

describe('ListOf', () => {
  const kind = new amp.ListOf(new amp.Integer());

  it('puts two bytes of length before each element', () => {
    expect(sent(kind, [3, 17, -1])).to.equal('\0\x013\0\x0217\0\x02-1');
    expect(read(kind, '\0\x013\0\x0217')).to.deep.equal([3, 17]);
    expect(sent(kind, [])).to.equal('');
    expect(read(kind, '')).to.deep.equal([]);
  });

  it('refuses a list that ends within an element, or is too long for a value', () => {
    for (const bad of ['\0', '\0\x02', '\0\x021', '\0\x011\0']) refusedToRead(kind, bad);
    const bytes = new amp.ListOf(new amp.String());
    expect(() => sent(bytes, [Buffer.alloc(65_534)])).to.throw(amp.TooLong);
    refusedToSend(bytes, [Buffer.alloc(65_536)]);
  });
});

describe('AmpList', () => {
  const kind = new amp.AmpList({
    a: new amp.Integer(),
    b: new amp.Unicode({ optional: true }),
  });

  it('is boxes, one after the other', () => {
    const list = [{ a: 1, b: 'x' }, { a: 2 }];
    expect(sent(kind, list)).to.equal('\0\x01a\0\x011\0\x01b\0\x01x\0\0\0\x01a\0\x012\0\0');
    expect(read(kind, sent(kind, list))).to.deep.equal(list);
  });

  it('refuses elements that do not fit', () => {
    refusedToSend(kind, [{ b: 'x' }]);
    refusedToRead(kind, '\0\x01b\0\x01x\0\0');
    refusedToRead(kind, '\0\x01a\0\x011');
  });
});

describe('An argument', () => {
  it('is left out when it is optional, and missed when not', () => {
    const box = new amp.AmpBox();
    new amp.Integer({ optional: true }).toBox('x', { x: null }, box);
    expect(box.size).to.equal(0);
    const objects = {};
    new amp.Integer({ optional: true }).fromBox('x', box, objects);
    expect(objects).to.deep.equal({});
    expect(() => new amp.Integer().toBox('x', {}, box)).to.throw(amp.InvalidSignature, '"x"');
    expect(() => new amp.Integer().toBox('toString', {}, box)).to.throw(amp.InvalidSignature);
    expect(() => new amp.Integer().fromBox('x', box, {})).to.throw(amp.BadArgument, '"x"');
  });

  it('may be called __proto__ without harm', () => {
    const objects: Record<string, unknown> = {};
    new amp.Unicode().fromBox('__proto__', new amp.AmpBox({ ['__proto__']: 'x' }), objects);
    expect(Object.keys(objects)).to.deep.equal(['__proto__']);
    expect(Object.getPrototypeOf(objects)).to.equal(Object.prototype);
  });
});
