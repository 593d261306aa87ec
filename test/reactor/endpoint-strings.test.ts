import { expect } from 'chai';
import fc from 'fast-check';
import {
  clientFromString,
  EndpointDescription,
  EndpointSyntaxError,
  endpointArgument,
  HostnameEndpoint,
  quoteStringArgument,
  registerClientEndpointParser,
  registerServerEndpointParser,
  serverFromString,
  TCP4ClientEndpoint,
  TCP4ServerEndpoint,
  TCP6ClientEndpoint,
  TCP6ServerEndpoint,
} from '../../src/reactor/endpoints/index.ts';
import type { IProtocol } from '../../src/reactor/interfaces.ts';
import { MemoryReactorClock } from '../../src/reactor/testing.ts';

const factory = {
  buildProtocol: (): IProtocol | null => null,
  doStart() {},
  doStop() {},
};

describe('serverFromString()', () => {
  /** What listening as described asks of the reactor: port, backlog, interface. */
  function listening(description: string): unknown[] {
    const reactor = new MemoryReactorClock();
    serverFromString(reactor, description).listen(factory);
    const [port, , backlog, iface] = reactor.tcpServers[0] ?? [];
    return [port, backlog, iface];
  }

  for (const [description, expected] of [
    ['tcp:80', [80, 511, '']],
    ['tcp:0', [0, 511, '']],
    ['tcp:port=80', [80, 511, '']],
    ['tcp:80:127.0.0.1', [80, 511, '127.0.0.1']],
    ['tcp:80:127.0.0.1:5', [80, 5, '127.0.0.1']],
    ['tcp:80:interface=127.0.0.1', [80, 511, '127.0.0.1']],
    ['tcp:80::5', [80, 5, '']],
    ['tcp:backlog=7:port=81', [81, 7, '']],
    ['tcp:80:interface=\\:\\:1', [80, 511, '::1']],
    ['tcp:8\\0', [80, 511, '']],
    ['tcp6:80', [80, 511, '::']],
    ['tcp6:80:interface=\\:\\:1:backlog=9', [80, 9, '::1']],
  ] as const) {
    it(`serverFromString() understands ${description}`, () => {
      expect(listening(description)).to.deep.equal(expected);
    });
  }

  it('serverFromString() gives the endpoint of the prefix', () => {
    const reactor = new MemoryReactorClock();
    expect(serverFromString(reactor, 'tcp:80')).to.be.instanceOf(TCP4ServerEndpoint);
    expect(serverFromString(reactor, 'tcp6:80')).to.be.instanceOf(TCP6ServerEndpoint);
  });

  for (const [description, position, message] of [
    ['', 0, "unknown server prefix ''"],
    ['80', 0, "unknown server prefix '80': known are tcp:, tcp6:"],
    ['Tcp:80', 0, "unknown server prefix 'Tcp'"],
    ['tcp', 3, "argument 'port' is missing"],
    ['tcp:', 4, "argument 'port' is '': expected a whole number from 0 to 65535"],
    ['tcp:http', 4, "argument 'port' is 'http'"],
    ['tcp:65536', 4, "argument 'port' is '65536'"],
    ['tcp:-1', 4, "argument 'port' is '-1'"],
    ['tcp:8.5', 4, "argument 'port' is '8.5'"],
    ['tcp:port=x', 9, "argument 'port' is 'x'"],
    ['tcp:80:port=81', 7, "argument 'port' is given twice"],
    ['tcp:80:backlog=1:backlog=2', 17, "argument 'backlog' is given twice"],
    [
      'tcp:80:127.0.0.1:5:0:6',
      21,
      'too many arguments: tcp takes port, interface, backlog, reusePort',
    ],
    ['tcp:port=80:127.0.0.1', 12, 'an argument without a name cannot follow'],
    ['tcp:80:colour=red', 7, "unknown argument 'colour': tcp takes port, interface, backlog"],
    ['tcp:80:toString=x', 7, "unknown argument 'toString'"],
    [
      'tcp:80:interface=example.org',
      17,
      "argument 'interface' is 'example.org': expected an IP address",
    ],
    ['tcp:80:::1', 8, "argument 'backlog' is ''"],
    ['tcp:80::', 8, "argument 'backlog' is ''"],
    ['tcp6:80:interface=127.0.0.1', 18, 'expected an IPv6 address'],
    ['tcp:80:backlog=0', 15, "argument 'backlog' is '0'"],
    ['tcp:80\\', 6, 'nothing follows the backslash'],
  ] as const) {
    it(`serverFromString() refuses '${description}' and says where and why`, () => {
      const attempt = (): unknown => serverFromString(new MemoryReactorClock(), description);
      expect(attempt).to.throw(EndpointSyntaxError, message).that.includes({
        code: 'ERR_ENDPOINT_SYNTAX',
        description,
        position,
      });
      expect(attempt).to.throw(`at character ${position + 1}`);
    });
  }

  it('serverFromString() refuses what is no text', () => {
    // The type forbids it; JavaScript does not.
    const description = 80 as unknown as string;
    expect(() => serverFromString(new MemoryReactorClock(), description)).to.throw(TypeError, '80');
  });
});

describe('clientFromString()', () => {
  /** What connecting as described asks of the reactor: host, port, timeout, bindAddress. */
  function connecting(description: string): unknown[] {
    const reactor = new MemoryReactorClock();
    reactor.hosts.set('example.com', ['10.0.0.1', '2001:db8::1']);
    clientFromString(reactor, description).connect(factory);
    const [host, port, , timeout, bindAddress] = reactor.tcpClients[0] ?? [];
    return [host, port, timeout, bindAddress];
  }

  for (const [description, expected] of [
    ['tcp:127.0.0.1:80', ['127.0.0.1', 80, 30, null]],
    ['tcp:host=127.0.0.1:port=80', ['127.0.0.1', 80, 30, null]],
    ['tcp:127.0.0.1:port=80:timeout=5', ['127.0.0.1', 80, 5, null]],
    ['tcp:127.0.0.1:80:2.5', ['127.0.0.1', 80, 2.5, null]],
    ['tcp:127.0.0.1:80:bindAddress=127.0.0.2', ['127.0.0.1', 80, 30, ['127.0.0.2', 0]]],
    ['tcp:\\:\\:1:80', ['::1', 80, 30, null]],
    ['tcp:example.com:80:timeout=7', ['10.0.0.1', 80, 7, null]],
    ['tcp:host=example.com:port=80:bindAddress=1.2.3.4', ['10.0.0.1', 80, 30, ['1.2.3.4', 0]]],
    ['tcp6:example.com:80', ['2001:db8::1', 80, 30, null]],
    ['tcp6:\\:\\:1:80:timeout=4', ['::1', 80, 4, null]],
  ] as const) {
    it(`clientFromString() understands ${description}`, () => {
      expect(connecting(description)).to.deep.equal(expected);
    });
  }

  it('clientFromString() gives the endpoint that serves best', () => {
    const reactor = new MemoryReactorClock();
    expect(clientFromString(reactor, 'tcp:a.example:80')).to.be.instanceOf(HostnameEndpoint);
    expect(clientFromString(reactor, 'tcp:10.0.0.1:80')).to.be.instanceOf(TCP4ClientEndpoint);
    expect(clientFromString(reactor, 'tcp:\\:\\:1:80')).to.be.instanceOf(TCP6ClientEndpoint);
    expect(clientFromString(reactor, 'tcp6:a.example:80')).to.be.instanceOf(TCP6ClientEndpoint);
  });

  for (const [description, message] of [
    ['udp:a:1', "unknown client prefix 'udp': known are tcp:, tcp6:"],
    ['tcp:example.com', "argument 'port' is missing"],
    ['tcp:port=80', "argument 'host' is missing"],
    ['tcp::80', "argument 'host' is '': expected some text"],
    ['tcp:a:0', "argument 'port' is '0': expected a whole number from 1 to 65535"],
    ['tcp:a:80:timeout=soon', "argument 'timeout' is 'soon': expected seconds"],
    ['tcp:a:80:timeout=-1', "argument 'timeout' is '-1'"],
    ['tcp:a:80:timeout=1.2.3', "argument 'timeout' is '1.2.3'"],
    [`tcp:a:80:timeout=${'9'.repeat(400)}`, 'expected seconds'],
    ['tcp:a:80:bindAddress=b', "argument 'bindAddress' is 'b': expected an IP address"],
  ] as const) {
    it(`clientFromString() refuses '${description}'`, () => {
      const attempt = (): unknown => clientFromString(new MemoryReactorClock(), description);
      expect(attempt).to.throw(EndpointSyntaxError, message);
    });
  }
});

describe('EndpointDescription', () => {
  it('read() takes an equals sign in a value as it is', () => {
    const { path } = new EndpointDescription('x:path=foo=bar').read({
      path: endpointArgument.text(),
    });
    expect(path).to.equal('foo=bar');
  });

  it('rest is all after the first colon, as it was written', () => {
    expect(new EndpointDescription('wrap:tcp:a\\:b:c=d').rest).to.equal('tcp:a\\:b:c=d');
    expect(new EndpointDescription('wrap').rest).to.equal('');
    expect(new EndpointDescription('wrap').prefix).to.equal('wrap');
  });

  it('quoteStringArgument() lets any text come through, with a name or without', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (a, b) => {
        const description = `x:${quoteStringArgument(a)}:b=${quoteStringArgument(b)}`;
        const readers = { a: endpointArgument.text(), b: endpointArgument.text() };
        expect(new EndpointDescription(description).read(readers)).to.deep.equal({ a, b });
      }),
    );
  });

  it('quoteStringArgument() escapes backslashes and colons', () => {
    expect(quoteStringArgument('some : path \\ here')).to.equal('some \\: path \\\\ here');
  });

  it('fails with nothing but EndpointSyntaxError, whatever it is given', () => {
    const piece = fc.constantFrom('tcp', 'tcp6', ':', '=', '\\', 'port', '80', 'host', '::1', 'a');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const reactor = new MemoryReactorClock();
        for (const parse of [serverFromString, clientFromString]) {
          try {
            parse(reactor, pieces.join(''));
          } catch (error) {
            expect(error).to.be.instanceOf(EndpointSyntaxError);
          }
        }
      }),
    );
  });
});

describe('A prefix of one’s own', () => {
  it('registerServerEndpointParser() has a parser read what begins with it', () => {
    const reactor = new MemoryReactorClock();
    const previous = registerServerEndpointParser('test-twice', (r, description) => {
      expect(r).to.equal(reactor);
      return serverFromString(r, description.rest);
    });
    expect(previous).to.equal(undefined);
    serverFromString(reactor, 'test-twice:tcp:80:interface=\\:\\:1').listen(factory);
    expect(reactor.tcpServers[0]?.slice(2)).to.deep.equal([511, '::1']);
    expect(() => serverFromString(reactor, 'x:')).to.throw(
      /known are tcp:, tcp6:, ssl:, tls:, unix:, pipe:, systemd:, stdio:, .*test-twice:/,
    );
  });

  it('registerClientEndpointParser() has a parser read what begins with it', () => {
    const reactor = new MemoryReactorClock();
    const { text, optional, wholeNumber } = endpointArgument;
    registerClientEndpointParser('test-http', (r, description) => {
      const { host, port } = description.read({
        host: text(),
        port: optional(wholeNumber(1, 65535), 80),
      });
      return new TCP4ClientEndpoint(r, host, port);
    });
    clientFromString(reactor, 'test-http:10.0.0.1').connect(factory);
    expect(reactor.tcpClients[0]?.slice(0, 2)).to.deep.equal(['10.0.0.1', 80]);
  });

  it('registerServerEndpointParser() refuses a prefix that could not be written', () => {
    for (const bad of ['', 'a:b', 'a=b', 'a\\']) {
      expect(() =>
        registerServerEndpointParser(
          bad,
          () => new TCP4ServerEndpoint(new MemoryReactorClock(), 1),
        ),
      ).to.throw(TypeError, `'${bad}'`);
    }
  });
});
