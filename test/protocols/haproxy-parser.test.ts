import { expect } from 'chai';
import fc from 'fast-check';
import {
  encodeProxyHeader,
  InvalidNetworkProtocol,
  InvalidProxyHeader,
  MissingAddressData,
  type ParsedProxyHeader,
  ProxyHeaderParser,
  type ProxyHeaderParserOptions,
  ProxyTLVType,
} from '../../src/protocols/index.ts';
import { IPv4Address, IPv6Address, UNIXAddress } from '../../src/reactor/index.ts';
import { byteByByte, cutAt, someCuts } from './support.ts';

type Outcome = ParsedProxyHeader | 'incomplete' | string;

/** What comes of `pieces`: the header and all that follows it, or the name of what was thrown. */
function outcome(pieces: readonly Buffer[], options?: ProxyHeaderParserOptions): Outcome {
  const parser = new ProxyHeaderParser(options);
  for (const [i, piece] of pieces.entries()) {
    try {
      const parsed = parser.receive(piece);
      if (parsed === undefined) continue;
      return {
        header: parsed.header,
        rest: Buffer.concat([parsed.rest, ...pieces.slice(i + 1)]),
      };
    } catch (error) {
      return (error as Error).name; // whatever it is, its name is compared
    }
  }
  return 'incomplete';
}

/** The outcome, which must be the same however the bytes are cut. */
function parse(bytes: Buffer | string, options?: ProxyHeaderParserOptions): Outcome {
  const whole = Buffer.from(bytes as string, 'latin1');
  const expected = outcome([whole], options);
  expect(outcome(byteByByte(whole), options)).to.deep.equal(expected);
  for (let at = 1; at < Math.min(whole.length, 300); at++) {
    const pieces = [whole.subarray(0, at), whole.subarray(at)];
    expect(outcome(pieces, options), `cut at ${at}`).to.deep.equal(expected);
  }
  return expected;
}

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';

/** A version 2 header byte by byte, with its right length unless told otherwise. */
function v2(command: number, family: number, body: Buffer | string, length?: number): Buffer {
  const bytes = Buffer.from(body as string, 'latin1');
  const fixed = Buffer.from(`${SIGNATURE}${String.fromCharCode(command, family)}\0\0`, 'latin1');
  fixed.writeUInt16BE(length ?? bytes.length, 14);
  return Buffer.concat([fixed, bytes]);
}

const INET = Buffer.from([192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x34, 0x01, 0xbb]);
const INET_ENDS = {
  source: new IPv4Address('TCP', '192.0.2.1', 0x1234),
  destination: new IPv4Address('TCP', '198.51.100.2', 443),
};
const INET6 = Buffer.from(
  `20010db8${'00'.repeat(11)}01${'00'.repeat(10)}ffffc0000207ffff0001`,
  'hex',
);

describe('ProxyHeaderParser', () => {
  describe('with version 1', () => {
    it('receive() reads TCP4 and hands back what follows', () => {
      expect(parse('PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\nGET /')).to.deep.equal({
        header: { version: 1, command: 'PROXY', tlvs: [], ...INET_ENDS },
        rest: Buffer.from('GET /'),
      });
    });

    it('receive() reads TCP6, in whatever form the addresses are written', () => {
      expect(parse('PROXY TCP6 2001:0DB8:0:0:0:0:0:1 ::ffff:192.0.2.7 65535 1\r\n')).to.deep.equal({
        header: {
          version: 1,
          command: 'PROXY',
          tlvs: [],
          source: new IPv6Address('TCP', '2001:db8::1', 65535),
          destination: new IPv6Address('TCP', '::ffff:192.0.2.7', 1),
        },
        rest: Buffer.alloc(0),
      });
    });

    for (const line of [
      'PROXY UNKNOWN',
      'PROXY UNKNOWN ffff:f::1 ffff::2 65535 65535',
      `PROXY UNKNOWN ${'x'.repeat(91)}`,
    ]) {
      it(`receive() takes no address from ${line.slice(0, 40)}`, () => {
        expect(parse(`${line}\r\nx`)).to.deep.equal({
          header: { version: 1, command: 'PROXY', tlvs: [], source: null, destination: null },
          rest: Buffer.from('x'),
        });
      });
    }

    for (const [line, error] of [
      ['GET / HTTP/1.1\r\n', InvalidProxyHeader],
      ['PROXYTCP4 1.1.1.1 2.2.2.2 1 2\r\n', InvalidProxyHeader],
      [' PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n', InvalidProxyHeader],
      ['proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n', InvalidProxyHeader],
      ['PROXY \r\n', InvalidNetworkProtocol],
      ['PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n', InvalidNetworkProtocol],
      ['PROXY TCP 1.1.1.1 2.2.2.2 1 2\r\n', InvalidNetworkProtocol],
      ['PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n', InvalidNetworkProtocol],
      ['PROXY UNKNOWNX\r\n', InvalidNetworkProtocol],
      ['PROXY TCP4\r\n', MissingAddressData],
      ['PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n', MissingAddressData],
      ['PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n', InvalidProxyHeader],
      ['PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n', InvalidProxyHeader],
      ['PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n', InvalidProxyHeader],
      ['PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n', InvalidProxyHeader],
      ['PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n', InvalidProxyHeader],
      ['PROXY TCP4 ::1 ::1 1 2\r\n', InvalidProxyHeader],
      ['PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n', InvalidProxyHeader],
      ['PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n', InvalidProxyHeader],
      ['PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n', InvalidProxyHeader],
      ['PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n', InvalidProxyHeader],
      ['PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n', InvalidProxyHeader],
      ['PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n\r\n', InvalidProxyHeader],
    ] as const) {
      it(`receive() refuses ${JSON.stringify(line)} as ${error.name}`, () => {
        expect(parse(line)).to.equal(error.name);
      });
    }

    it('receive() refuses a line of more than 107 bytes, and not sooner', () => {
      const line = `PROXY UNKNOWN ${'x'.repeat(91)}\r\n`;
      expect(line.length).to.equal(107);
      expect(parse(line)).to.be.an('object');
      expect(parse(line.replace('\r', 'x\r'))).to.equal('InvalidProxyHeader');
      expect(parse(line.slice(0, 106))).to.equal('incomplete');
      expect(parse('x'.repeat(5))).to.equal('InvalidProxyHeader');
    });

    it('receive() says what came', () => {
      expect(() => new ProxyHeaderParser().receive(Buffer.from('GET / HTTP/1.1\r\n'))).to.throw(
        InvalidProxyHeader,
        '"GET / HTTP/1.1\\r\\n"',
      );
    });
  });

  describe('with version 2', () => {
    it('receive() reads IPv4 over TCP and hands back what follows', () => {
      expect(parse(Buffer.concat([v2(0x21, 0x11, INET), Buffer.from('rest')]))).to.deep.equal({
        header: { version: 2, command: 'PROXY', tlvs: [], ...INET_ENDS },
        rest: Buffer.from('rest'),
      });
    });

    it('receive() reads IPv6, and datagrams', () => {
      const parsed = parse(v2(0x21, 0x22, INET6));
      expect(parsed)
        .to.have.property('header')
        .that.deep.includes({
          source: new IPv6Address('UDP', '2001:db8::1', 65535),
          destination: new IPv6Address('UDP', '::ffff:192.0.2.7', 1),
        });
      expect(parse(v2(0x21, 0x12, INET)))
        .to.have.nested.property('header.source')
        .that.deep.equals(new IPv4Address('UDP', '192.0.2.1', 0x1234));
    });

    it('receive() reads UNIX addresses', () => {
      const body = `${'/run/app.sock'.padEnd(108, '\0')}${'\0abstract'.padEnd(108, '\0')}`;
      expect(parse(v2(0x21, 0x31, body)))
        .to.have.property('header')
        .that.deep.includes({
          source: new UNIXAddress('/run/app.sock'),
          destination: new UNIXAddress('\0abstract'),
        });
      expect(parse(v2(0x21, 0x31, '\0'.repeat(216))))
        .to.have.nested.property('header.source')
        .that.deep.equals(new UNIXAddress(null));
    });

    it('receive() keeps further values, without padding', () => {
      const tlvs = '\x01\0\x02h2\x04\0\x03\0\0\0\xea\0\0';
      const parsed = parse(v2(0x21, 0x11, Buffer.concat([INET, Buffer.from(tlvs, 'latin1')])));
      expect(parsed)
        .to.have.nested.property('header.tlvs')
        .that.deep.equals([
          { type: ProxyTLVType.ALPN, value: Buffer.from('h2') },
          { type: 0xea, value: Buffer.alloc(0) },
        ]);
    });

    it('receive() takes no address from LOCAL, whatever it holds', () => {
      for (const header of [v2(0x20, 0, ''), v2(0x20, 0x11, INET), v2(0x20, 0xff, 'abcdef')]) {
        expect(parse(header)).to.deep.equal({
          header: { version: 2, command: 'LOCAL', source: null, destination: null, tlvs: [] },
          rest: Buffer.alloc(0),
        });
      }
    });

    it('receive() takes no address from an unspecified family, but further values', () => {
      const header = { version: 2, command: 'PROXY', source: null, destination: null } as const;
      expect(parse(v2(0x21, 0, '\x05\0\x01u'))).to.deep.equal({
        header: { ...header, tlvs: [{ type: ProxyTLVType.UNIQUE_ID, value: Buffer.from('u') }] },
        rest: Buffer.alloc(0),
      });
      expect(parse(v2(0x21, 0, 'neither addresses nor values'))).to.deep.equal({
        header: { ...header, tlvs: [] },
        rest: Buffer.alloc(0),
      });
    });

    it('receive() checks the checksum', () => {
      const header = encodeProxyHeader({ ...INET_ENDS, checksum: true });
      expect(parse(header)).to.have.property('header').that.deep.includes(INET_ENDS);
      for (let at = 16; at < header.length; at++) {
        const wrong = Buffer.from(header);
        wrong[at] = (wrong[at] ?? 0) ^ 0x10;
        if (at === 28) continue; // then it is a value of another type
        expect(outcome([wrong]), `byte ${at}`).to.equal('InvalidProxyHeader');
      }
    });

    for (const [what, bytes, error] of [
      [
        'another signature',
        Buffer.from('\r\n\r\n\0\r\nQUIX\n!\x11\0\0', 'latin1'),
        InvalidProxyHeader,
      ],
      ['version 1 in binary', v2(0x11, 0x11, INET), InvalidProxyHeader],
      ['version 3', v2(0x31, 0x11, INET), InvalidProxyHeader],
      ['command 2', v2(0x22, 0x11, INET), InvalidProxyHeader],
      ['family 4', v2(0x21, 0x41, INET), InvalidNetworkProtocol],
      ['transport 3', v2(0x21, 0x13, INET), InvalidNetworkProtocol],
      ['a family without a transport', v2(0x21, 0x10, INET), InvalidNetworkProtocol],
      ['a transport without a family', v2(0x21, 0x01, INET), InvalidNetworkProtocol],
      ['IPv4 addresses cut short', v2(0x21, 0x11, INET.subarray(1)), MissingAddressData],
      ['IPv6 addresses cut short', v2(0x21, 0x21, INET), MissingAddressData],
      ['UNIX addresses cut short', v2(0x21, 0x31, INET6), MissingAddressData],
      [
        'a value cut short',
        v2(0x21, 0x11, Buffer.concat([INET, Buffer.from([1, 0, 1])])),
        InvalidProxyHeader,
      ],
      [
        'a checksum of two bytes',
        v2(0x21, 0x11, Buffer.concat([INET, Buffer.from([3, 0, 2, 0, 0])])),
        InvalidProxyHeader,
      ],
      [
        'the head of a value cut short',
        v2(0x21, 0x11, Buffer.concat([INET, Buffer.from([1, 0])])),
        InvalidProxyHeader,
      ],
    ] as const) {
      it(`receive() refuses ${what} as ${error.name}`, () => {
        expect(parse(bytes)).to.equal(error.name);
      });
    }

    it('receive() refuses a header that is longer than allowed before it has come', () => {
      const start = v2(0x21, 0x11, '', 4081);
      expect(parse(start)).to.equal('InvalidProxyHeader');
      start.writeUInt16BE(4080, 14);
      expect(parse(start)).to.equal('incomplete');
      expect(parse(v2(0x21, 0x11, INET), { maxHeaderLength: 27 })).to.equal('InvalidProxyHeader');
      expect(parse(v2(0x21, 0x11, INET), { maxHeaderLength: 28 })).to.be.an('object');
    });
  });

  it('receive() ends the same however any bytes are cut, and never otherwise than it says', () => {
    const start = fc.constantFrom(
      '',
      'PROXY ',
      'PROXY TCP4 ',
      SIGNATURE,
      `${SIGNATURE}!\x11\0\x0c`,
    );
    const bytes = fc
      .tuple(start, fc.uint8Array({ maxLength: 130 }))
      .map(([head, tail]) => Buffer.concat([Buffer.from(head, 'latin1'), tail]));
    fc.assert(
      fc.property(bytes, someCuts, (input, cuts) => {
        const whole = outcome([input]);
        if (typeof whole === 'string') {
          expect(whole).to.match(
            /^(incomplete|InvalidProxyHeader|InvalidNetworkProtocol|MissingAddressData)$/,
          );
        }
        expect(outcome(cutAt(input, cuts))).to.deep.equal(whole);
      }),
    );
  });
});

describe('encodeProxyHeader()', () => {
  it('encodeProxyHeader() writes version 1', () => {
    const line = (contents: object): string =>
      encodeProxyHeader({ version: 1, ...contents }).toString();
    expect(line({})).to.equal('PROXY UNKNOWN\r\n');
    expect(line(INET_ENDS)).to.equal('PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n');
    expect(
      line({ ...INET_ENDS, destination: new IPv6Address('TCP', '2001:DB8:0::1%eth0', 80) }),
    ).to.equal('PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 4660 80\r\n');
  });

  it('encodeProxyHeader() writes version 2', () => {
    expect(encodeProxyHeader()).to.deep.equal(v2(0x20, 0, ''));
    expect(encodeProxyHeader(INET_ENDS)).to.deep.equal(v2(0x21, 0x11, INET));
    expect(
      encodeProxyHeader({
        source: new IPv6Address('UDP', '2001:db8::1', 65535),
        destination: new IPv6Address('UDP', '::ffff:192.0.2.7', 1),
      }),
    ).to.deep.equal(v2(0x21, 0x22, INET6));
  });

  it('encodeProxyHeader() writes the checksum that a sum bit by bit gives', () => {
    const header = encodeProxyHeader({ tlvs: [{ type: 5, value: 'x' }], checksum: true });
    const zeroed = Buffer.from(header);
    zeroed.fill(0, header.length - 4);
    let crc = 0xffffffff;
    for (const byte of zeroed) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    }
    expect(header.readUInt32BE(header.length - 4)).to.equal((crc ^ 0xffffffff) >>> 0);
  });

  it('encodeProxyHeader() is read back as it was meant', () => {
    const port = fc.nat({ max: 65535 });
    const ipv4 = fc
      .tuple(fc.ipV4(), port)
      .map(([host, number]) => new IPv4Address('TCP', host, number));
    const ipv6 = fc
      .tuple(fc.ipV6(), port)
      .map(
        ([host, number]) =>
          new IPv6Address('TCP', new URL(`http://[${host}]`).hostname.slice(1, -1), number),
      );
    const unix = fc
      .string({ minLength: 1, maxLength: 108, unit: fc.constantFrom('a', '/', '.') })
      .map((name) => new UNIXAddress(name));
    const ends = fc.oneof(
      fc.tuple(ipv4, ipv4),
      fc.tuple(ipv6, ipv6),
      fc.tuple(unix, unix),
      fc.constant([null, null] as const),
    );
    const tlvs = fc.array(
      fc.record({
        type: fc.integer({ min: 5, max: 255 }),
        value: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      }),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(ends, tlvs, fc.boolean(), fc.uint8Array(), (pair, values, checksum, rest) => {
        const [source, destination] = pair;
        const bytes = encodeProxyHeader({ source, destination, tlvs: values, checksum });
        const parsed = outcome([bytes, Buffer.from(rest)]);
        if (typeof parsed === 'string') throw new Error(parsed);
        expect(parsed.rest).to.deep.equal(Buffer.from(rest));
        const text = ({ source: from, destination: to }: typeof parsed.header): string =>
          `${from} ${to}`;
        // The mapped form of IPv4 is written in two ways, of which ours is the one with dots.
        const plain = (s: string): string =>
          s.replace(/::ffff:(\d+\.\d+\.\d+\.\d+)/g, (_, host: string) =>
            new URL(`http://[::ffff:${host}]`).hostname.slice(1, -1),
          );
        expect(plain(text(parsed.header))).to.equal(`${source} ${destination}`);
        expect(parsed.header.tlvs.filter(({ type }) => type !== 3)).to.deep.equal(values);
      }),
    );
  });

  it('encodeProxyHeader() refuses what cannot be said', () => {
    const ip = INET_ENDS.source;
    const unix = new UNIXAddress('/x');
    const udp = new IPv4Address('UDP', '192.0.2.1', 1);
    for (const contents of [
      { source: ip },
      { destination: ip },
      { source: ip, destination: unix },
      { source: ip, destination: udp },
      { version: 1, source: unix, destination: unix },
      { version: 1, source: udp, destination: udp },
      { version: 1, tlvs: [] },
      { version: 1, checksum: true },
      { version: 3 },
      { source: ip, destination: new IPv4Address('TCP', '192.0.2.1', 65536) },
      { source: ip, destination: new IPv4Address('TCP', 'example.org', 1) },
      { source: unix, destination: new UNIXAddress('x'.repeat(109)) },
      { tlvs: [{ type: 256, value: '' }] },
    ]) {
      const given = contents as Parameters<typeof encodeProxyHeader>[0];
      expect(() => encodeProxyHeader(given), JSON.stringify(contents)).to.throw(
        TypeError,
        'Cannot write PROXY header',
      );
    }
    const value = Buffer.alloc(40_000);
    const tlvs = [1, 2].map((type) => ({ type, value }));
    expect(() => encodeProxyHeader({ tlvs })).to.throw(RangeError, 'more than 65535');
  });
});
