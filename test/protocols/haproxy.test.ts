import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Failure } from '../../src/deferred/index.ts';
import {
  encodeProxyHeader,
  Factory,
  HAProxyWrappingFactory,
  Protocol,
  type ProtocolWrapper,
  ProxyTLVType,
  proxyEndpoint,
  proxyHeaderOf,
  WrappingFactory,
} from '../../src/protocols/index.ts';
import {
  type Address,
  Clock,
  ConnectionDone,
  IPv4Address,
  LibuvReactor,
  type LogEvent,
  MemoryReactorClock,
  type StreamServerEndpoint,
  StringTransport,
  serverFromString,
  setLogObserver,
  TCP4ServerEndpoint,
} from '../../src/reactor/index.ts';
import { Recorder } from '../support/recorder.ts';

const SOURCE = new IPv4Address('TCP', '192.0.2.1', 4711);
const DESTINATION = new IPv4Address('TCP', '198.51.100.2', 443);
const HEADER = encodeProxyHeader({ version: 1, source: SOURCE, destination: DESTINATION });

class Inner extends Protocol {
  readonly calls: unknown[] = [];
  override connectionMade(): void {
    this.calls.push(`made by ${(this.transport.getPeer() as IPv4Address).host}`);
  }
  override dataReceived(data: Buffer): void {
    this.calls.push(data.toString());
  }
  override connectionLost(reason: Failure): void {
    this.calls.push(reason.type);
  }
}

class InnerFactory extends Factory<Inner> {
  override noisy = false;
  override protocol: new () => Inner = Inner;
  readonly asked: Address[] = [];
  readonly built: Inner[] = [];
  refuses = false;
  override buildProtocol(addr: Address): Inner | null {
    this.asked.push(addr);
    if (this.refuses) return null;
    const protocol = super.buildProtocol(addr);
    if (protocol !== null) this.built.push(protocol);
    return protocol;
  }
}

describe('HAProxyWrappingFactory', () => {
  let clock: Clock;
  let inner: InnerFactory;
  let factory: HAProxyWrappingFactory;
  let transport: StringTransport;
  let logged: LogEvent[];
  let before: ReturnType<typeof setLogObserver>;

  beforeEach(() => {
    clock = new Clock();
    inner = new InnerFactory();
    factory = new HAProxyWrappingFactory(inner, { clock });
    transport = new StringTransport();
    logged = [];
    before = setLogObserver((event) => logged.push(event));
  });

  afterEach(() => setLogObserver(before));

  function connect(): ProtocolWrapper {
    return connectWith(factory);
  }

  function connectWith(wrapping: HAProxyWrappingFactory): ProtocolWrapper {
    const wrapper = wrapping.buildProtocol(transport.getPeer());
    if (wrapper === null) throw new Error('The connection was refused');
    wrapper.makeConnection(transport);
    return wrapper;
  }

  it('has its protocol see whom the proxy speaks for, and the data behind the header', () => {
    const wrapper = connect();
    for (const byte of HEADER) wrapper.dataReceived(Buffer.of(byte));
    wrapper.dataReceived(Buffer.from('hello'));
    expect(inner.asked).to.deep.equal([SOURCE]);
    expect(inner.built[0]?.calls).to.deep.equal(['made by 192.0.2.1', 'hello']);
    expect(inner.built[0]?.transport.getHost()).to.equal(wrapper.getHost());
    expect(wrapper.getHost()).to.deep.equal(DESTINATION);
    expect(transport.disconnecting).to.equal(false);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('hands on at once what came together with the header', () => {
    connect().dataReceived(Buffer.concat([HEADER, Buffer.from('hello')]));
    expect(inner.built[0]?.calls).to.deep.equal(['made by 192.0.2.1', 'hello']);
  });

  it('tells the real addresses where the proxy tells none', () => {
    for (const header of [encodeProxyHeader({ version: 1 }), encodeProxyHeader()]) {
      inner = new InnerFactory();
      factory = new HAProxyWrappingFactory(inner, { clock });
      const wrapper = connect();
      wrapper.dataReceived(header);
      expect(inner.asked).to.deep.equal([transport.getPeer()]);
      expect(wrapper.getPeer()).to.equal(transport.getPeer());
      expect(wrapper.getHost()).to.equal(transport.getHost());
    }
  });

  it('tells the whole header to whoever asks, through other wrappers as well', () => {
    const outer = new HAProxyWrappingFactory(new WrappingFactory(inner), { clock });
    const wrapper = connectWith(outer);
    const tlvs = [{ type: ProxyTLVType.AUTHORITY, value: 'example.org' }];
    wrapper.dataReceived(encodeProxyHeader({ source: SOURCE, destination: DESTINATION, tlvs }));
    const seen = inner.built[0]?.transport;
    expect(seen).to.not.equal(wrapper);
    expect(seen && proxyHeaderOf(seen)?.tlvs).to.deep.equal([
      { type: ProxyTLVType.AUTHORITY, value: Buffer.from('example.org') },
    ]);
    expect(seen?.getPeer()).to.deep.equal(SOURCE);
    expect(proxyHeaderOf(transport)).to.equal(null);
  });

  for (const [what, bytes, why] of [
    [
      'no header',
      'GET / HTTP/1.1\r\n\r\n',
      /^Closing .*192\.168\.1\.1.*: InvalidProxyHeader: .*GET/,
    ],
    ['an unknown protocol', 'PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n', /: InvalidNetworkProtocol: /],
    ['missing addresses', 'PROXY TCP4 1.1.1.1\r\n', /: MissingAddressData: /],
  ] as const) {
    it(`aborts a connection with ${what} and says why`, () => {
      const wrapper = connect();
      wrapper.dataReceived(Buffer.from(bytes));
      wrapper.dataReceived(HEADER);
      expect(transport.disconnected).to.equal(true);
      expect(inner.asked).to.deep.equal([]);
      expect(logged.map(({ level }) => level)).to.deep.equal(['warn']);
      expect(logged[0]?.message).to.match(why);
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    });
  }

  it('aborts a connection whose header takes longer than it may', () => {
    const wrapper = connect();
    wrapper.dataReceived(HEADER.subarray(0, 20));
    clock.advance(9.9);
    wrapper.dataReceived(HEADER.subarray(20, 21));
    expect(transport.disconnected).to.equal(false);
    clock.advance(0.1);
    expect(transport.disconnected).to.equal(true);
    expect(logged[0]?.message).to.match(/no complete PROXY header in 10 s/);
    wrapper.dataReceived(HEADER.subarray(21));
    expect(inner.asked).to.deep.equal([]);
  });

  it('takes its limits from its options', () => {
    factory = new HAProxyWrappingFactory(inner, {
      clock,
      headerTimeout: null,
      maxHeaderLength: 20,
    });
    const wrapper = connect();
    expect(clock.getDelayedCalls()).to.deep.equal([]);
    wrapper.dataReceived(encodeProxyHeader({ source: SOURCE, destination: DESTINATION }));
    expect(transport.disconnected).to.equal(true);
  });

  it('says nothing to anybody of a connection that ends before its header', () => {
    const wrapper = connect();
    wrapper.connectionLost(new Failure(new ConnectionDone()));
    expect([inner.asked, logged, clock.getDelayedCalls()]).to.deep.equal([[], [], []]);
    expect(factory.protocols.size).to.equal(0);
  });

  it('closes in good order a connection that the wrapped factory refuses', () => {
    inner.refuses = true;
    connect().dataReceived(Buffer.concat([HEADER, Buffer.from('hello')]));
    expect([transport.disconnecting, transport.disconnected]).to.deep.equal([true, false]);
  });

  it('holds back what came with the header while the protocol wants nothing', async () => {
    inner.protocol = class extends Inner {
      override connectionMade(): void {
        this.transport.pauseProducing();
      }
    };
    const wrapper = connect();
    wrapper.dataReceived(Buffer.concat([HEADER, Buffer.from('hel')]));
    wrapper.dataReceived(Buffer.from('lo'));
    const [built] = inner.built;
    expect(built?.calls).to.deep.equal([]);
    built?.transport.resumeProducing();
    expect([built?.calls, transport.producerState]).to.deep.equal([[], 'paused']);
    await Promise.resolve();
    expect([built?.calls, transport.producerState]).to.deep.equal([['hello'], 'producing']);
    wrapper.dataReceived(Buffer.from('!'));
    expect(built?.calls).to.deep.equal(['hello', '!']);
  });

  it('goes on reading when the protocol pauses and goes on at once', async () => {
    inner.protocol = class extends Inner {
      override connectionMade(): void {
        this.transport.pauseProducing();
        this.transport.resumeProducing();
      }
    };
    connect().dataReceived(Buffer.concat([HEADER, Buffer.from('hello')]));
    expect(inner.built[0]?.calls).to.deep.equal(['hello']);
    await Promise.resolve();
    expect(transport.producerState).to.equal('producing');
  });

  it('drops what came with the header when the protocol closes at once', () => {
    inner.protocol = class extends Inner {
      override connectionMade(): void {
        this.transport.loseConnection();
      }
    };
    connect().dataReceived(Buffer.concat([HEADER, Buffer.from('hello')]));
    expect(inner.built[0]?.calls).to.deep.equal([]);
  });

  it('hands bytes that came with the header to TLS, when the protocol starts it at once', () => {
    const started: unknown[] = [];
    class SecureTransport extends StringTransport {
      startTLS(...args: unknown[]): void {
        started.push(args);
      }
    }
    inner.protocol = class extends Inner {
      override connectionMade(): void {
        (this.transport as unknown as SecureTransport).startTLS('context', false);
      }
    };
    transport = new SecureTransport();
    connect().dataReceived(HEADER);
    transport = new SecureTransport();
    connect().dataReceived(Buffer.concat([HEADER, Buffer.from('hello')]));
    expect(started).to.deep.equal([
      ['context', false],
      ['context', { isClient: true, received: Buffer.from('hello') }],
    ]);
    expect(inner.built[1]?.calls).to.deep.equal([]);
  });

  it('tells a protocol that it is half closed or secured exactly when that listens', () => {
    const heard: string[] = [];
    class Listening extends Inner {
      override connectionMade(): void {
        heard.push('made');
      }
      readConnectionLost(): void {
        heard.push('read lost');
      }
      writeConnectionLost(): void {
        heard.push('write lost');
      }
      handshakeCompleted(): void {
        heard.push('secured');
      }
    }
    const deaf = connect();
    deaf.dataReceived(HEADER);
    expect('readConnectionLost' in deaf).to.equal(false);

    inner.protocol = Listening;
    const wrapper = connect() as ProtocolWrapper & Listening;
    expect('readConnectionLost' in wrapper).to.equal(false);
    wrapper.handshakeCompleted();
    expect(heard).to.deep.equal([]);
    wrapper.dataReceived(HEADER);
    expect(heard).to.deep.equal(['made', 'secured']);
    wrapper.readConnectionLost();
    wrapper.writeConnectionLost();
    expect(heard.slice(2)).to.deep.equal(['read lost', 'write lost']);

    // And so to what stands around.
    const around = new WrappingFactory(factory).buildProtocol(transport.getPeer());
    around?.makeConnection(transport);
    expect('readConnectionLost' in (around ?? {})).to.equal(false);
    around?.dataReceived(HEADER);
    expect('readConnectionLost' in (around ?? {})).to.equal(true);
  });
});

describe('proxyEndpoint()', () => {
  it('proxyEndpoint() listens on the endpoint in it with a factory that reads the header', () => {
    const reactor = new MemoryReactorClock();
    const inner = new InnerFactory();
    proxyEndpoint(new TCP4ServerEndpoint(reactor, 80), { headerTimeout: 5 }).listen(inner);
    const [port, factory] = reactor.tcpServers[0] ?? [];
    expect(port).to.equal(80);
    expect(factory).to.be.instanceOf(HAProxyWrappingFactory);
    expect((factory as HAProxyWrappingFactory).wrappedFactory).to.equal(inner);
    expect((factory as HAProxyWrappingFactory).options.headerTimeout).to.equal(5);
  });

  it('serverFromString() understands haproxy: before any other description', () => {
    const reactor = new MemoryReactorClock();
    const endpoint: StreamServerEndpoint = serverFromString(
      reactor,
      'haproxy:tcp:8080:interface=\\:\\:1',
    );
    endpoint.listen(new InnerFactory());
    const [port, factory, , iface] = reactor.tcpServers[0] ?? [];
    expect([port, iface]).to.deep.equal([8080, '::1']);
    expect((factory as HAProxyWrappingFactory).options.clock).to.equal(reactor);
    expect(() => serverFromString(reactor, 'haproxy:pigeon:8080')).to.throw(
      "Cannot understand endpoint 'haproxy:pigeon:8080' at character 9 (before 'pigeon:8080')",
    );
    expect(() => serverFromString(reactor, 'haproxy:tcp:8O')).to.throw(
      "'haproxy:tcp:8O' at character 13 (before '8O'): argument 'port' is '8O'",
    );
    expect(() => serverFromString(reactor, 'haproxy')).to.throw(
      "'haproxy' at character 8 (at its end)",
    );
  });

  it('serverFromString() says what brings haproxy: to whoever has not imported it', async () => {
    const program = `
      const { MemoryReactorClock, serverFromString } = await import(${JSON.stringify(
        new URL('../../src/reactor/index.ts', import.meta.url).href,
      )});
      try {
        serverFromString(new MemoryReactorClock(), 'haproxy:tcp:80');
      } catch (error) {
        console.log(error.message);
      }`;
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--import',
      'tsx/esm',
      '--input-type=module',
      '--eval',
      program,
    ]);
    expect(stdout).to.match(/'haproxy' is known once 'strand\/protocols' has been imported/);
  });

  it('serves real connections', async () => {
    const reactor = new LibuvReactor();
    const server = new Recorder({
      data: (recorder) => recorder.transport.loseConnection(),
    });
    const asked: Address[] = [];
    const port = await proxyEndpoint(
      new TCP4ServerEndpoint(reactor, 0, { interface: '127.0.0.1' }),
      {
        clock: reactor,
      },
    ).listen({
      buildProtocol: (addr) => {
        asked.push(addr);
        return server;
      },
      doStart() {},
      doStop() {},
    });
    const client = new Recorder({
      made: ({ transport }) => {
        transport.writeSequence([HEADER, 'hello']);
      },
    });
    const { port: number } = port.getHost() as IPv4Address;
    reactor.connectTCP('127.0.0.1', number, {
      buildProtocol: () => client,
      doStart() {},
      doStop() {},
      startedConnecting() {},
      clientConnectionFailed() {},
      clientConnectionLost() {},
    });
    await client.progress.until(() => client.reason !== undefined);
    await server.progress.until(() => server.reason !== undefined);
    expect(asked).to.deep.equal([SOURCE]);
    expect(Buffer.concat(server.chunks).toString()).to.equal('hello');
    await port.stopListening();
    expect(reactor.openCount).to.equal(0);
  });
});
