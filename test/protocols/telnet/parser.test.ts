import { expect } from 'chai';
import fc from 'fast-check';
import {
  type TelnetEvents,
  TelnetLimitExceeded,
  TelnetParser,
  type TelnetParserOptions,
} from '../../../src/protocols/telnet/index.ts';
import { byteByByte, cutAt, someCuts } from '../support.ts';

type Event = string | number[];

interface Way extends TelnetParserOptions {
  binary?: boolean;
  stopAfter?: number;
}

/** What is heard of `pieces`; text that comes in several calls is one. */
function hear(pieces: readonly Buffer[], way: Way = {}): Event[] {
  const events: Event[] = [];
  const parser = new TelnetParser(
    {
      applicationDataReceived(data) {
        const last = events.at(-1);
        const text = data.toString('latin1');
        if (typeof last === 'string') events[events.length - 1] = last + text;
        else events.push(text);
      },
      commandReceived: (command) => events.push([command]),
      negotiationReceived: (command, option) => events.push([command, option]),
      subnegotiationReceived: (option, data) => events.push([250, option, ...data]),
      stopped: () =>
        events.filter((event) => typeof event !== 'string').length >= (way.stopAfter ?? 1e9),
    },
    way,
  );
  parser.binary = way.binary ?? false;
  try {
    for (const piece of pieces) parser.receive(piece);
  } catch (error) {
    events.push((error as Error).name); // whatever it is, its name is compared
  }
  return events;
}

/** What is heard, which must be the same however the bytes are cut. */
function parse(bytes: string, way?: Way): Event[] {
  const whole = Buffer.from(bytes, 'latin1');
  const expected = hear([Buffer.from(whole)], way);
  expect(hear(byteByByte(whole), way)).to.deep.equal(expected);
  for (let at = 1; at < Math.min(300, whole.length); at++) {
    const pieces = [Buffer.from(whole.subarray(0, at)), Buffer.from(whole.subarray(at))];
    expect(hear(pieces, way), `cut at ${at}`).to.deep.equal(expected);
  }
  return expected;
}

describe('TelnetParser', () => {
  it('receive() passes on what is said', () => {
    expect(parse('hello\n')).to.deep.equal(['hello\n']);
    expect(parse('')).to.deep.equal([]);
  });

  it('receive() makes CR LF a LF, and CR NUL a CR', () => {
    expect(parse('a\r\nb\r\0c\r')).to.deep.equal(['a\nb\rc']);
    expect(parse('a\rb\r\r\n')).to.deep.equal(['a\rb\r\n']);
    expect(parse('a\r\xff\xf1b')).to.deep.equal(['a\r', [241], 'b']);
  });

  it('receive() leaves CR alone where bytes are as they are', () => {
    expect(parse('a\r\nb\r\0\xff\xff', { binary: true })).to.deep.equal(['a\r\nb\r\0\xff']);
  });

  it('receive() makes IAC IAC one byte', () => {
    expect(parse('a\xff\xffb')).to.deep.equal(['a\xffb']);
  });

  it('receive() tells commands and negotiations apart, in order', () => {
    expect(parse('a\xff\xf4b\xff\xfb\x01\xff\xfc\x02\xff\xfd\xff\xff\xfe\x04c')).to.deep.equal([
      ...['a', [244], 'b', [251, 1], [252, 2], [253, 255], [254, 4], 'c'],
    ]);
  });

  it('receive() takes subnegotiations, with IAC doubled in them', () => {
    expect(parse('a\xff\xfa\x1f\0\x50\xff\xff\x18\xff\xf0b')).to.deep.equal([
      ...['a', [250, 31, 0, 80, 255, 24], 'b'],
    ]);
    expect(parse('\xff\xfa\x18\xff\xf0')).to.deep.equal([[250, 24]]);
  });

  it('receive() drops a subnegotiation that another command breaks off, and hears that', () => {
    expect(parse('\xff\xfa\x18abc\xff\xfb\x01d')).to.deep.equal([[251, 1], 'd']);
    expect(parse('\xff\xfa\x18abc\xff\xf1d')).to.deep.equal([[241], 'd']);
    expect(parse('\xff\xfa\x18abc\xff\xfa\x1fx\xff\xf0')).to.deep.equal([[250, 31, 120]]);
  });

  it('receive() refuses a subnegotiation that is too long', () => {
    const way = { maxSubnegotiation: 3 };
    expect(parse('\xff\xfa\x18abc\xff\xf0', way)).to.deep.equal([[250, 24, 97, 98, 99]]);
    expect(parse('\xff\xfa\x18abcd', way)).to.deep.equal(['TelnetLimitExceeded']);
    const deaf = new TelnetParser({ stopped: () => false } as unknown as TelnetEvents); // nothing else is called
    const long = Buffer.from(`\xff\xfa\x18${'x'.repeat(1025)}`, 'latin1');
    expect(() => deaf.receive(long)).to.throw(TelnetLimitExceeded, 'more than 1024 bytes');
  });

  it('receive() stops as soon as it is told to', () => {
    expect(hear([Buffer.from('a\xff\xf1b\xff\xf1c', 'latin1')], { stopAfter: 1 })).to.deep.equal([
      ...['a', [241]],
    ]);
  });

  it('receive() hears the same of any bytes, however they are cut', () => {
    const likely = fc.oneof(
      fc.constantFrom('\xff', '\xff\xfa', '\xff\xf0', '\xff\xfb\x01', '\r', '\n', '\0', 'text'),
      fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    );
    fc.assert(
      fc.property(
        fc.array(likely, { maxLength: 30 }),
        someCuts,
        fc.boolean(),
        (parts, cuts, binary) => {
          const bytes = Buffer.from(parts.join(''), 'latin1');
          const way = { maxSubnegotiation: 10, binary };
          const whole = hear([Buffer.from(bytes)], way);
          expect(hear(cutAt(bytes, cuts), way)).to.deep.equal(whole);
          expect(hear(byteByByte(bytes), way)).to.deep.equal(whole);
        },
      ),
      { numRuns: 500 },
    );
  });
});
