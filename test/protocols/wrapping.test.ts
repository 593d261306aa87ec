import { expect } from 'chai';
import { Failure } from '../../src/deferred/index.ts';
import {
  ClientFactory,
  Factory,
  Protocol,
  ProtocolWrapper,
  WrappingFactory,
} from '../../src/protocols/index.ts';
import {
  ConnectionDone,
  type Connector,
  connectedServerAndClient,
  type IHalfCloseableProtocol,
  IPv4Address,
  MemoryReactorClock,
  type PushProducer,
  StringTransport,
  setLogObserver,
} from '../../src/reactor/index.ts';

const SOMEBODY = new IPv4Address('TCP', '192.0.2.1', 4711);

class Inner extends Protocol {
  readonly calls: unknown[] = [];
  override connectionMade(): void {
    this.calls.push('made');
  }
  override dataReceived(data: Buffer): void {
    this.calls.push(data.toString());
  }
  override connectionLost(reason: Failure): void {
    this.calls.push(reason.type);
  }
}

class HalfCloseable extends Inner implements IHalfCloseableProtocol {
  readConnectionLost(): void {
    this.calls.push('read lost');
  }
  writeConnectionLost(): void {
    this.calls.push('write lost');
  }
}

/** A transport with more to it than every transport has. */
class SecureTransport extends StringTransport {
  TLS = false;
  negotiatedProtocol: string | null = null;
  readonly started: unknown[][] = [];
  get cipher(): string {
    return 'NULL';
  }
  startTLS(...args: unknown[]): string {
    this.started.push(args);
    this.TLS = true;
    return 'started';
  }
}

function quiet<F extends { noisy: boolean }>(factory: F): F {
  factory.noisy = false;
  return factory;
}

function wrap<P extends Inner>(inner: new () => P): [ProtocolWrapper, P, WrappingFactory] {
  const factory = new WrappingFactory(quiet(Factory.forProtocol(inner)));
  const wrapper = factory.buildProtocol(SOMEBODY);
  if (wrapper === null) throw new Error('no protocol was built');
  return [wrapper, wrapper.wrappedProtocol as P, factory]; // the factory makes nothing else
}

describe('ProtocolWrapper', () => {
  it('passes on to its protocol what the transport tells it', () => {
    const [wrapper, inner] = wrap(Inner);
    wrapper.makeConnection(new StringTransport());
    wrapper.dataReceived(Buffer.from('x'));
    wrapper.connectionLost(new Failure(new ConnectionDone()));
    expect(inner.calls).to.deep.equal(['made', 'x', ConnectionDone]);
    expect(inner.transport).to.equal(wrapper);
  });

  it('hands back what its protocol returns, which may be a promise', () => {
    class Promising extends Inner {
      override makeConnection(): unknown {
        return 'made';
      }
      override dataReceived(): string {
        return 'received';
      }
      override connectionLost(): string {
        return 'lost';
      }
    }
    const [wrapper] = wrap(Promising);
    expect(wrapper.makeConnection(new StringTransport())).to.equal('made');
    expect(wrapper.dataReceived(Buffer.from('x'))).to.equal('received');
    expect(wrapper.connectionLost(new Failure(new ConnectionDone()))).to.equal('lost');
  });

  it('passes on to the transport what its protocol asks of it', () => {
    const [wrapper] = wrap(Inner);
    const transport = new StringTransport();
    wrapper.makeConnection(transport);
    wrapper.write('a');
    wrapper.writeSequence(['b', Buffer.from('c')]);
    expect(transport.value().toString()).to.equal('abc');
    expect(() => wrapper.write(5 as unknown as string)).to.throw(TypeError);
    expect([wrapper.getHost(), wrapper.getPeer()]).to.deep.equal([
      transport.getHost(),
      transport.getPeer(),
    ]);
    const producer: PushProducer = {
      pauseProducing() {},
      resumeProducing() {},
      stopProducing() {},
    };
    wrapper.registerProducer(producer, true);
    expect([transport.producer, transport.streaming]).to.deep.equal([producer, true]);
    wrapper.unregisterProducer();
    expect(transport.producer).to.equal(null);
    wrapper.pauseProducing();
    expect(transport.producerState).to.equal('paused');
    wrapper.resumeProducing();
    expect(transport.producerState).to.equal('producing');
    wrapper.loseWriteConnection();
    expect(transport.writeDisconnecting).to.equal(true);
    expect([wrapper.connected, wrapper.disconnecting]).to.deep.equal([true, false]);
    wrapper.loseConnection();
    expect([transport.disconnecting, wrapper.disconnecting]).to.deep.equal([true, true]);
    wrapper.abortConnection();
    expect(transport.disconnected).to.equal(true);
    wrapper.stopProducing();
    expect(transport.producerState).to.equal('stopped');
  });

  it('has what its transport has besides, and nothing that it has not', () => {
    const [plain] = wrap(Inner);
    plain.makeConnection(new StringTransport());
    expect(plain).to.not.have.property('startTLS');
    expect('TLS' in plain).to.equal(false);
    expect(plain).to.have.property('getTcpNoDelay');

    for (const _ of [1, 2]) {
      const [wrapper] = wrap(Inner);
      const transport = new SecureTransport();
      wrapper.makeConnection(transport);
      const secure = wrapper as unknown as SecureTransport;
      expect([secure.TLS, secure.cipher]).to.deep.equal([false, 'NULL']);
      expect(secure.startTLS('context', true)).to.equal('started');
      expect(transport.started).to.deep.equal([['context', true]]);
      expect(secure.TLS).to.equal(true);
      secure.negotiatedProtocol = 'h2';
      expect(transport.negotiatedProtocol).to.equal('h2');
      secure.setTcpNoDelay(false);
      expect(transport.getTcpNoDelay()).to.equal(false);
    }
  });

  it('has what its transport has through another wrapper', () => {
    const [outer, inner] = wrap(Inner);
    const middle = new ProtocolWrapper(new WrappingFactory(new Factory()), inner);
    outer.wrappedProtocol = middle;
    outer.makeConnection(new SecureTransport());
    const seen = inner.transport as unknown as SecureTransport;
    expect(seen).to.equal(middle);
    expect(seen.cipher).to.equal('NULL');
    seen.startTLS();
    expect(seen.TLS).to.equal(true);
  });

  it('has the special methods of its protocol exactly when that has them', () => {
    const [plain] = wrap(Inner);
    plain.makeConnection(new StringTransport());
    const [half, inner] = wrap(HalfCloseable);
    half.makeConnection(new StringTransport());
    for (const name of ['readConnectionLost', 'writeConnectionLost']) {
      expect(name in plain, name).to.equal(false);
      expect(name in half, name).to.equal(true);
    }
    expect('handshakeCompleted' in half).to.equal(false);
    (half as unknown as HalfCloseable).readConnectionLost();
    expect(inner.calls).to.deep.equal(['made', 'read lost']);
  });

  it('lets its protocol go when the connection is lost, even when that throws', () => {
    class Throwing extends Inner {
      override connectionLost(): never {
        throw new Error('I am not well');
      }
    }
    const [wrapper, , factory] = wrap(Throwing);
    wrapper.makeConnection(new StringTransport());
    expect([...factory.protocols]).to.deep.equal([wrapper]);
    expect(() => wrapper.connectionLost(new Failure(new ConnectionDone()))).to.throw('not well');
    expect(wrapper.wrappedProtocol).to.equal(null);
    expect(factory.protocols.size).to.equal(0);
  });

  it('is named after what it wraps and after itself', () => {
    class Watching extends ProtocolWrapper {}
    const factory = new WrappingFactory(quiet(Factory.forProtocol(Inner)));
    factory.protocol = Watching;
    const wrapper = factory.buildProtocol(SOMEBODY);
    expect(wrapper?.logPrefix()).to.equal('Inner (Watching)');
    wrapper?.makeConnection(new StringTransport());
    expect(wrapper?.logPrefix()).to.equal('Inner (Watching)');
    expect(factory.logPrefix()).to.equal('Factory (WrappingFactory)');
  });

  it('stands between real connections without a difference', () => {
    const [server] = wrap(HalfCloseable);
    const [client] = wrap(HalfCloseable);
    const inners = [server, client].map((each) => each.wrappedProtocol as HalfCloseable);
    const [, , pump] = connectedServerAndClient(
      () => server,
      () => client,
    );
    client.write('hello');
    client.loseWriteConnection();
    pump.flush();
    expect(inners[0]?.calls).to.deep.equal(['made', 'hello', 'read lost']);
    expect(inners[1]?.calls).to.deep.equal(['made', 'write lost']);
    server.write('bye');
    server.loseConnection();
    pump.flush();
    expect(inners[1]?.calls.slice(2)).to.deep.equal(['bye', 'read lost', ConnectionDone]);
    expect(inners[0]?.calls.slice(3)).to.deep.equal([ConnectionDone]);
  });
});

describe('WrappingFactory', () => {
  it('starts and stops the factory in it, and itself once', () => {
    const calls: string[] = [];
    class Noting extends Factory {
      override noisy = false;
      override startFactory(): void {
        calls.push('start');
      }
      override stopFactory(): void {
        calls.push('stop');
      }
    }
    const factory = new WrappingFactory(new Noting());
    factory.startFactory = () => calls.push('own start');
    factory.doStart();
    factory.doStart();
    factory.doStop();
    factory.doStop();
    expect(calls).to.deep.equal(['start', 'own start', 'stop']);
    expect(factory.numPorts).to.equal(0);
  });

  it('has its ports say that they listen exactly when the factory in it does, and says nothing itself', () => {
    const logged: string[] = [];
    const before = setLogObserver(({ level, message }) => logged.push(`${level}: ${message}`));
    try {
      const loud = new WrappingFactory(new WrappingFactory(Factory.forProtocol(Inner)));
      loud.doStart();
      loud.doStop();
      expect(loud.noisy).to.equal(true);
      expect(logged).to.deep.equal([
        'info: Starting factory Factory',
        'info: Stopping factory Factory',
      ]);
      const silent = new WrappingFactory(quiet(Factory.forProtocol(Inner)));
      silent.doStart();
      silent.doStop();
      expect([silent.noisy, logged.length]).to.deep.equal([false, 2]);
    } finally {
      setLogObserver(before);
    }
  });

  it('refuses a connection that the factory in it refuses', () => {
    const factory = new WrappingFactory({ buildProtocol: () => null, doStart() {}, doStop() {} });
    expect(factory.buildProtocol(SOMEBODY)).to.equal(null);
  });

  it('tells a client factory in it how its attempts fare', () => {
    const calls: unknown[] = [];
    class Noting extends ClientFactory {
      override noisy = false;
      override startedConnecting(connector: Connector): void {
        calls.push(['started', connector]);
      }
      override clientConnectionFailed(connector: Connector, reason: Failure): void {
        calls.push(['failed', connector, reason.type]);
      }
    }
    const reactor = new MemoryReactorClock();
    const connector = reactor.connectTCP('127.0.0.1', 1, new WrappingFactory(new Noting()));
    const refusal = new ConnectionDone();
    connector.fail(refusal);
    expect(calls).to.deep.equal([
      ['started', connector],
      ['failed', connector, ConnectionDone],
    ]);
  });

  it('disconnectAll() closes the connections that stand', () => {
    const factory = new WrappingFactory(quiet(Factory.forProtocol(Inner)));
    const transports = [1, 2].map(() => {
      const transport = new StringTransport();
      factory.buildProtocol(SOMEBODY)?.makeConnection(transport);
      return transport;
    });
    factory.disconnectAll();
    expect(transports.map((transport) => transport.disconnecting)).to.deep.equal([true, true]);
  });
});
