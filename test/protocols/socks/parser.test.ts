import { expect } from 'chai';
import fc from 'fast-check';
import {
  NetworkList,
  NOT_PUBLIC,
  SOCKSClientParser,
  type SOCKSExpected,
  SOCKSProtocolError,
  SOCKSServerParser,
} from '../../../src/protocols/socks/index.ts';
import {
  encodeAnswer,
  encodeAnswer4,
  encodeGreeting,
  encodeLogin,
  encodeLoginResult,
  encodeMethodChoice,
  encodeRequest,
  encodeRequest4,
} from '../../../src/protocols/socks/messages.ts';
import { byteByByte, cutAt, someCuts } from '../support.ts';

/** What a server makes of `pieces`: its messages, then the error or the rest. It expects a log-in when password is offered. */
function serverReads(pieces: readonly Buffer[]): unknown[] {
  const parser = new SOCKSServerParser();
  const said: unknown[] = [];
  try {
    for (const piece of pieces) {
      parser.receive(piece);
      for (let message = parser.next(); message !== undefined; message = parser.next()) {
        said.push(message);
        if (message.type === 'greeting') {
          parser.expect(message.methods.includes(2) ? 'login' : 'request');
        } else if (message.type === 'login') parser.expect('request');
      }
    }
  } catch (error) {
    if (!(error instanceof SOCKSProtocolError)) throw error;
    return [...said, { error: error.message, reply: error.reply }];
  }
  return [...said, { rest: parser.takeRest().toString('hex') }];
}

function clientReads(expected: readonly SOCKSExpected[], pieces: readonly Buffer[]): unknown[] {
  const [first = 'method', ...more] = expected;
  const left = [...more];
  const parser = new SOCKSClientParser(first);
  const said: unknown[] = [];
  try {
    for (const piece of pieces) {
      parser.receive(piece);
      for (let message = parser.next(); message !== undefined; message = parser.next()) {
        said.push(message);
        const next = left.shift();
        if (next !== undefined) parser.expect(next);
      }
    }
  } catch (error) {
    if (!(error instanceof SOCKSProtocolError)) throw error;
    return [...said, { error: error.message }];
  }
  return [...said, { rest: parser.takeRest().toString('hex') }];
}

const name = fc.stringMatching(/^[a-z0-9.-]{1,40}$/).filter((text) => !/^[0-9.]+$/.test(text));
const ipv4 = fc.ipV4();
const port = fc.nat({ max: 65535 });
const text = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 60 })
  .filter((value) => Buffer.byteLength(value) <= 255);

describe('SOCKSServerParser', () => {
  it('reads a conversation of version 5 with a log-in, and keeps what comes behind it', () => {
    const bytes = Buffer.concat([
      encodeGreeting([0, 2]),
      encodeLogin('alice', 'geheim ä'),
      encodeRequest('connect', { host: 'example.org', port: 443 }),
      Buffer.from('early'),
    ]);
    const expected = [
      { type: 'greeting', methods: [0, 2] },
      { type: 'login', username: 'alice', password: 'geheim ä' },
      {
        type: 'request',
        version: 5,
        command: 'connect',
        userId: '',
        host: 'example.org',
        port: 443,
      },
      { rest: Buffer.from('early').toString('hex') },
    ];
    expect(serverReads([bytes])).to.deep.equal(expected);
    expect(serverReads(byteByByte(bytes))).to.deep.equal(expected);
  });

  it('reads IPv6 addresses in their canonical form, and all three commands', () => {
    const host = '2001:db8::1';
    const commands = (['connect', 'bind', 'udp'] as const).map((command) => {
      const bytes = [encodeGreeting([0]), encodeRequest(command, { host, port: 1 })];
      return serverReads(bytes)[1];
    });
    expect(commands).to.deep.equal(
      ['connect', 'bind', 'udp'].map((command) => ({
        type: 'request',
        version: 5,
        command,
        userId: '',
        host,
        port: 1,
      })),
    );
  });

  it('reads requests of version 4 and 4a', () => {
    expect(
      serverReads([encodeRequest4('connect', { host: '192.0.2.9', port: 80 }, 'root')])[0],
    ).to.deep.equal({
      type: 'request',
      version: 4,
      command: 'connect',
      userId: 'root',
      host: '192.0.2.9',
      port: 80,
    });
    expect(
      serverReads([encodeRequest4('bind', { host: 'example.org', port: 80 }, '')])[0],
    ).to.deep.equal({
      type: 'request',
      version: 4,
      command: 'bind',
      userId: '',
      host: 'example.org',
      port: 80,
    });
  });

  it('takes 0.0.0.0 in version 4 for an address, not for a name', () => {
    const bytes = Buffer.from([4, 1, 0, 80, 0, 0, 0, 0, 0, 0x78]);
    expect(serverReads([bytes])).to.deep.equal([
      { type: 'request', version: 4, command: 'connect', userId: '', host: '0.0.0.0', port: 80 },
      { rest: '78' },
    ]);
  });

  it('gives commands that it does not know as numbers; datagrams are unknown to version 4', () => {
    const request = Buffer.from([4, 3, 0, 80, 192, 0, 2, 1, 0]);
    expect(serverReads([request])[0]).to.include({ command: 3, version: 4 });
    const bytes = encodeRequest('connect', { host: '192.0.2.1', port: 80 });
    bytes[1] = 9;
    expect(serverReads([encodeGreeting([0]), bytes])[1]).to.include({ command: 9, version: 5 });
  });

  const broken: ReadonlyArray<readonly [string, Buffer, number | undefined]> = [
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n'), undefined],
    [
      'a request of another version',
      Buffer.concat([encodeGreeting([0]), Buffer.from([4, 1, 0, 1])]),
      undefined,
    ],
    [
      'a log-in of another version',
      Buffer.concat([encodeGreeting([2]), Buffer.from([5])]),
      undefined,
    ],
    [
      'an address of a kind that is not known',
      Buffer.concat([encodeGreeting([0]), Buffer.from([5, 1, 0, 7])]),
      8,
    ],
    ['an empty name', Buffer.concat([encodeGreeting([0]), Buffer.from([5, 1, 0, 3, 0, 0, 80])]), 4],
    [
      'a name with NUL',
      Buffer.concat([encodeGreeting([0]), Buffer.from([5, 1, 0, 3, 2, 0x61, 0, 0, 80])]),
      4,
    ],
    [
      'a name with a line break',
      Buffer.concat([encodeGreeting([0]), Buffer.from('\x05\x01\x00\x03\x03a\nb\x00\x50')]),
      4,
    ],
    [
      'a name with a space',
      Buffer.concat([encodeGreeting([0]), Buffer.from('\x05\x01\x00\x03\x03a b\x00\x50')]),
      4,
    ],
    [
      'a name with DEL',
      Buffer.concat([encodeGreeting([0]), Buffer.from('\x05\x01\x00\x03\x03a\x7fb\x00\x50')]),
      4,
    ],
    [
      'a name that is no UTF-8',
      Buffer.concat([
        encodeGreeting([0]),
        Buffer.from('\x05\x01\x00\x03\x03a\xffb\x00\x50', 'latin1'),
      ]),
      4,
    ],
    [
      'a user id without an end',
      Buffer.concat([Buffer.from([4, 1, 0, 80, 1, 2, 3, 4]), Buffer.alloc(256, 'a')]),
      undefined,
    ],
    [
      'a user id that is too long',
      Buffer.concat([
        Buffer.from([4, 1, 0, 80, 1, 2, 3, 4]),
        Buffer.alloc(256, 'a'),
        Buffer.from([0]),
      ]),
      undefined,
    ],
    [
      'a name of 4a without an end',
      Buffer.concat([Buffer.from([4, 1, 0, 80, 0, 0, 0, 1, 0]), Buffer.alloc(256, 'a')]),
      undefined,
    ],
    ['an empty name of 4a', Buffer.from([4, 1, 0, 80, 0, 0, 0, 1, 0, 0]), 4],
  ];
  for (const [what, bytes, reply] of broken) {
    it(`refuses ${what}, however it is cut`, () => {
      const whole = serverReads([bytes]);
      expect(whole.at(-1)).to.have.property('reply', reply);
      expect(whole.at(-1)).to.have.property('error');
      expect(serverReads(byteByByte(bytes))).to.deep.equal(whole);
    });
  }

  it('keeps no more than a message may be long', () => {
    const parser = new SOCKSServerParser();
    const flood = (): void => {
      parser.receive(Buffer.from([4, 1, 0, 80, 1, 2, 3, 4]));
      for (let i = 0; i < 1000; i += 1) {
        parser.receive(Buffer.from('a'));
        parser.next();
      }
    };
    expect(flood).to.throw(SOCKSProtocolError, /255 bytes/);
    expect(parser.kept).to.be.below(300);
  });

  it('reads back what is encoded, cut anywhere', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('connect' as const, 'bind' as const),
        fc.oneof(name, ipv4),
        port,
        text.filter((value) => !value.includes('\0')),
        someCuts,
        (command, host, number, userId, cuts) => {
          const bytes = encodeRequest4(command, { host, port: number }, userId);
          // 0.0.0.x is how 4a begins.
          fc.pre(!/^0\.0\.0\.[1-9]/.test(host));
          const expected = { type: 'request', version: 4, command, userId, host, port: number };
          expect(serverReads(cutAt(bytes, cuts))[0]).to.deep.equal(expected);
        },
      ),
    );
    fc.assert(
      fc.property(
        text,
        text,
        fc.oneof(name, ipv4),
        port,
        someCuts,
        (user, word, host, number, cuts) => {
          const bytes = Buffer.concat([
            encodeGreeting([2]),
            encodeLogin(user, word),
            encodeRequest('connect', { host, port: number }),
          ]);
          const [, login, request] = serverReads(cutAt(bytes, cuts));
          expect(login).to.deep.equal({ type: 'login', username: user, password: word });
          expect(request).to.include({ host, port: number });
        },
      ),
    );
  });

  it('makes the same of any bytes, whole or cut anywhere', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc
        .uint8Array({ maxLength: 300 })
        .map((tail) => Buffer.concat([encodeGreeting([0]), Buffer.from([5, 1, 0]), tail])),
      fc
        .uint8Array({ maxLength: 300 })
        .map((tail) => Buffer.concat([encodeGreeting([2]), Buffer.from([1]), tail])),
      fc
        .uint8Array({ maxLength: 600 })
        .map((tail) => Buffer.concat([Buffer.from([4, 1, 0, 80, 0, 0, 0, 1]), tail])),
    );
    fc.assert(
      fc.property(
        bytes.map((b) => Buffer.from(b)),
        someCuts,
        (input, cuts) => {
          const whole = serverReads([input]);
          expect(serverReads(cutAt(input, cuts))).to.deep.equal(whole);
          expect(serverReads(byteByByte(input))).to.deep.equal(whole);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('SOCKSClientParser', () => {
  it('reads the answers of both versions, with what comes behind them', () => {
    const bytes = Buffer.concat([
      encodeMethodChoice(2),
      encodeLoginResult(true),
      encodeAnswer(0, { host: '2001:db8::2', port: 4711 }),
      Buffer.from('banner'),
    ]);
    const expected = [
      { type: 'method', method: 2 },
      { type: 'loginResult', accepted: true },
      { type: 'answer', version: 5, reply: 0, host: '2001:db8::2', port: 4711 },
      { rest: Buffer.from('banner').toString('hex') },
    ];
    expect(clientReads(['method', 'loginResult', 'answer'], [bytes])).to.deep.equal(expected);
    expect(clientReads(['method', 'loginResult', 'answer'], byteByByte(bytes))).to.deep.equal(
      expected,
    );
    const answer4 = { type: 'answer', version: 4, reply: 91, host: '192.0.2.1', port: 80 };
    const four = encodeAnswer4(91, { host: '192.0.2.1', port: 80 });
    expect(clientReads(['answer4'], byteByByte(four))[0]).to.deep.equal(answer4);
    four[0] = 4;
    expect(clientReads(['answer4'], [four])[0]).to.deep.equal(answer4);
  });

  it('says all zeros in version 4 for an IPv6 address', () => {
    expect(encodeAnswer4(90, { host: '::1', port: 80 }).toString('hex')).to.equal(
      '005a005000000000',
    );
  });

  it('refuses what is no answer, cut anywhere', () => {
    const cases: ReadonlyArray<readonly [SOCKSExpected, Buffer]> = [
      ['method', Buffer.from('HTTP/1.1')],
      ['loginResult', Buffer.from([5, 0])],
      ['answer', Buffer.from([4, 90])],
      ['answer', Buffer.from([5, 0, 0, 9])],
      ['answer4', Buffer.from([5, 0])],
    ];
    for (const [expected, bytes] of cases) {
      expect(clientReads([expected], [bytes]).at(-1)).to.have.property('error');
      expect(clientReads([expected], byteByByte(bytes)).at(-1)).to.have.property('error');
    }
  });

  it('makes the same of any bytes, whole or cut anywhere', () => {
    const orders = fc.constantFrom<SOCKSExpected[]>(
      ['method', 'loginResult', 'answer'],
      ['answer4'],
      ['answer'],
    );
    const bytes = fc
      .uint8Array({ maxLength: 40 })
      .map((tail) => Buffer.concat([Buffer.from([5, 0, 1, 0, 5, 0, 0]), tail]));
    fc.assert(
      fc.property(orders, bytes, fc.nat({ max: 7 }), someCuts, (order, input, from, cuts) => {
        const some = input.subarray(from);
        const whole = clientReads(order, [some]);
        expect(clientReads(order, cutAt(some, cuts))).to.deep.equal(whole);
      }),
      { numRuns: 300 },
    );
  });
});

describe('What a SOCKS client says', () => {
  it('is refused before it is said when it does not fit', () => {
    expect(() => encodeLogin('', 'x')).to.throw(RangeError, '1 to 255 bytes: got 0');
    expect(() => encodeLogin('x', 'y'.repeat(256))).to.throw(RangeError, 'got 256');
    expect(() => encodeRequest('connect', { host: 'a'.repeat(256), port: 1 })).to.throw(
      RangeError,
      'got 256',
    );
    expect(() => encodeRequest('connect', { host: 'a', port: 65536 })).to.throw(
      RangeError,
      '65536',
    );
    expect(() => encodeRequest4('connect', { host: '::1', port: 1 }, '')).to.throw(
      RangeError,
      'IPv4 only',
    );
    expect(() => encodeRequest4('connect', { host: 'a\0b', port: 1 }, '')).to.throw(
      RangeError,
      'NUL',
    );
    expect(() => encodeRequest4('connect', { host: 'a', port: 1 }, 'x\0y')).to.throw(
      RangeError,
      'NUL',
    );
  });
});

describe('NetworkList', () => {
  it('has() the addresses of its networks, and of no others', () => {
    const list = new NetworkList([
      '10.0.0.0/8',
      '192.0.2.128/25',
      '2001:db8::/33',
      '198.51.100.7',
      '::1',
    ]);
    const inside = [
      '10.0.0.0',
      '10.255.255.255',
      '192.0.2.128',
      '2001:db8:7fff::1',
      '198.51.100.7',
      '::1',
      '::ffff:10.1.2.3',
    ];
    const outside = [
      '9.255.255.255',
      '11.0.0.0',
      '192.0.2.127',
      '2001:db8:8000::1',
      '198.51.100.8',
      '::2',
      'ten',
      '',
      '::a01:203',
    ];
    expect(inside.filter((host) => !list.has(host))).to.deep.equal([]);
    expect(outside.filter((host) => list.has(host))).to.deep.equal([]);
    expect(new NetworkList(['0.0.0.0/0']).has('203.0.113.9')).to.equal(true);
    expect(new NetworkList(['0.0.0.0/0']).has('2001:db8::1')).to.equal(false);
  });

  it('refuses what is no network', () => {
    for (const text of [
      'ten',
      '10.0.0.0/33',
      '10.0.0.0/',
      '10.0.0.0/-1',
      '::/129',
      '10.0.0/8',
      '',
    ]) {
      expect(() => new NetworkList([text]), text).to.throw(TypeError, `'${text}'`);
    }
  });

  it('NOT_PUBLIC has every network that is not the Internet', () => {
    const list = new NetworkList(NOT_PUBLIC);
    const hidden = [
      '127.0.0.1',
      '127.9.9.9',
      '0.0.0.0',
      '10.1.1.1',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '169.254.169.254',
      '100.64.0.1',
      '224.0.0.1',
      '255.255.255.255',
      '::',
      '::1',
      'fe80::1',
      'fe80::1%eth0',
      'fc00::1',
      'fd12::1',
      'ff02::1',
      '::ffff:127.0.0.1',
      '::ffff:7f00:1',
      '::127.0.0.1',
      '64:ff9b::7f00:1',
      '2002:7f00:1::',
      '2001:0:1::',
    ];
    const open = [
      '8.8.8.8',
      '172.15.0.1',
      '172.32.0.1',
      '100.128.0.1',
      '223.255.255.255',
      '2001:4860:4860::8888',
      '2a00:1450::1',
      '::ffff:8.8.8.8',
    ];
    expect(hidden.filter((host) => !list.has(host))).to.deep.equal([]);
    expect(open.filter((host) => list.has(host))).to.deep.equal([]);
  });
});
