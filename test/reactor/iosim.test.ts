import { expect } from 'chai';
import { Deferred, type Failure, setUnhandledFailureHandler } from '../../src/deferred/index.ts';
import { IPv4Address } from '../../src/reactor/address.ts';
import {
  ConnectionAborted,
  ConnectionDone,
  ConnectionLost,
  ConnectionRefusedError,
} from '../../src/reactor/errors.ts';
import type {
  Connector,
  IClientFactory,
  IProtocol,
  Transport,
} from '../../src/reactor/interfaces.ts';
import { CAPACITY } from '../../src/reactor/testing/memory-handle.ts';
import {
  Clock,
  ConnectionCompleter,
  connectedServerAndClient,
  connectTransports,
  FakeTransport,
  MemoryReactorClock,
} from '../../src/reactor/testing.ts';

/** A protocol that notes what it is told. */
class Noting implements IProtocol {
  transport!: Transport;
  readonly data: string[] = [];
  readonly reasons: unknown[] = [];
  onData: ((data: Buffer) => void) | undefined;

  makeConnection(transport: Transport): void {
    this.transport = transport;
  }

  dataReceived(data: Buffer): void {
    this.data.push(data.toString('latin1'));
    this.onData?.(data);
  }

  connectionLost(reason: Failure): void {
    this.reasons.push(reason.type);
  }
}

class HalfCloseable extends Noting {
  readonly ends: string[] = [];

  readConnectionLost(): void {
    this.ends.push('read');
  }

  writeConnectionLost(): void {
    this.ends.push('write');
  }
}

class Greeter extends Noting {
  override makeConnection(transport: Transport): void {
    super.makeConnection(transport);
    transport.write('hello');
  }
}

describe('connectedServerAndClient()', () => {
  it('connectedServerAndClient() gives client, server and pump, greeted', () => {
    const [client, server] = connectedServerAndClient(Greeter, Noting);
    expect(server).to.be.instanceOf(Greeter);
    expect(client).to.be.instanceOf(Noting);
    expect([client.data, server.data]).to.deep.equal([['hello'], []]);
  });

  it('connectedServerAndClient() takes functions that make the protocols, and can leave the greeting', () => {
    const mine = new Greeter();
    const [client, server, pump] = connectedServerAndClient(
      () => mine,
      () => new Noting(),
      { greet: false },
    );
    expect(server).to.equal(mine);
    expect(client.data).to.deep.equal([]);
    pump.flush();
    expect(client.data).to.deep.equal(['hello']);
  });

  it('connectedServerAndClient() takes a clock in place of options, and moves it with the pump', () => {
    const clock = new Clock();
    const [client, server, pump] = connectedServerAndClient(Greeter, Noting, clock);
    clock.callLater(0, () => server.transport.write('later'));
    pump.flush();
    expect(client.data).to.deep.equal(['hello', 'later']);
  });

  it('connectedServerAndClient() takes a constructor in the old style', () => {
    function Old(this: Noting): void {
      Object.assign(this, new Noting());
    }
    Old.prototype = Object.create(Noting.prototype);
    // As JavaScript has it; TypeScript has no type for such a constructor.
    const [client] = connectedServerAndClient(Greeter, Old as unknown as new () => Noting);
    expect(client).to.be.instanceOf(Noting);
    expect(client.data).to.deep.equal(['hello']);
  });

  it('moves data on pump() only, and what was written in one turn at once', () => {
    const [client, server, pump] = connectedServerAndClient(Noting, Noting);
    client.transport.write('a');
    client.transport.write('b');
    server.transport.write('c');
    expect(server.data).to.deep.equal([]);
    expect(pump.pump()).to.equal(true);
    expect([server.data, client.data]).to.deep.equal([['ab'], ['c']]);
    expect(pump.pump()).to.equal(false);
  });

  it('an answer takes a turn of its own', () => {
    const [client, server, pump] = connectedServerAndClient(Noting, Noting);
    server.onData = () => server.transport.write('pong');
    client.transport.write('ping');
    pump.pump();
    expect(client.data).to.deep.equal([]);
    pump.pump();
    expect(client.data).to.deep.equal(['pong']);
  });

  it('flush() pumps until nothing happens any more', () => {
    const [client, server, pump] = connectedServerAndClient(Noting, Noting);
    let left = 5;
    const answer = (protocol: Noting): void => {
      protocol.onData = () => {
        if (left-- > 0) protocol.transport.write('x');
      };
    };
    answer(client);
    answer(server);
    client.transport.write('x');
    pump.flush();
    expect(left).to.equal(-1);
  });

  it('loseConnection() sends what was written and is told to both sides', () => {
    const [client, server, pump] = connectedServerAndClient(Noting, Noting);
    client.transport.write('bye');
    client.transport.loseConnection();
    expect(client.reasons).to.deep.equal([]);
    pump.flush();
    expect(server.data).to.deep.equal(['bye']);
    expect(client.reasons).to.deep.equal([ConnectionDone]);
    expect(server.reasons).to.deep.equal([ConnectionDone]);
  });

  it('loseConnection() on the server is told to both sides', () => {
    const [client, server, pump] = connectedServerAndClient(Noting, Noting);
    server.transport.loseConnection();
    pump.flush();
    expect([client.reasons, server.reasons]).to.deep.equal([[ConnectionDone], [ConnectionDone]]);
  });

  it('abortConnection() drops what was not sent, and the peer sees a break', () => {
    const [client, server, pump] = connectedServerAndClient(Noting, Noting);
    client.transport.write('lost');
    client.transport.abortConnection();
    expect(client.reasons).to.deep.equal([]);
    pump.flush();
    expect(server.data).to.deep.equal([]);
    expect(client.reasons).to.deep.equal([ConnectionAborted]);
    expect(server.reasons).to.deep.equal([ConnectionLost]);
  });

  it('loseWriteConnection() closes one direction', () => {
    const [client, server, pump] = connectedServerAndClient(HalfCloseable, HalfCloseable);
    client.transport.write('question');
    client.transport.loseWriteConnection();
    pump.flush();
    expect([client.ends, server.ends]).to.deep.equal([['write'], ['read']]);
    server.transport.write('answer');
    server.transport.loseConnection();
    pump.flush();
    expect(client.data).to.deep.equal(['answer']);
    expect(client.ends).to.deep.equal(['write', 'read']);
    expect([client.reasons, server.reasons]).to.deep.equal([[ConnectionDone], [ConnectionDone]]);
  });

  it('delivers nothing while reading is paused', () => {
    const [client, server, pump] = connectedServerAndClient(Noting, Noting);
    server.transport.pauseProducing();
    client.transport.write('a');
    pump.flush();
    expect(server.data).to.deep.equal([]);
    server.transport.resumeProducing();
    pump.flush();
    expect(server.data).to.deep.equal(['a']);
  });

  it('pauses a producer whose peer does not read, and resumes it when it does', () => {
    const [client, server, pump] = connectedServerAndClient(Noting, Noting);
    const calls: string[] = [];
    client.transport.registerProducer(
      {
        pauseProducing: () => calls.push('pause'),
        resumeProducing: () => calls.push('resume'),
        stopProducing: () => calls.push('stop'),
      },
      true,
    );
    server.transport.pauseProducing();
    client.transport.write(Buffer.alloc(CAPACITY + 1));
    pump.flush();
    expect(calls).to.deep.equal(['pause']);
    client.transport.write('more');
    pump.flush();
    expect(calls).to.deep.equal(['pause']);
    server.transport.resumeProducing();
    pump.flush();
    expect(calls).to.deep.equal(['pause', 'resume']);
    expect(server.data.join('')).to.have.length(CAPACITY + 5);
  });

  it('an exception in a protocol costs its connection and is reported', () => {
    const unhandled: unknown[] = [];
    const previous = setUnhandledFailureHandler((failure) => unhandled.push(failure.value));
    try {
      const [client, server, pump] = connectedServerAndClient(Noting, Noting);
      const error = new TypeError('broken');
      server.onData = () => {
        throw error;
      };
      client.transport.write('x');
      pump.flush();
      expect(unhandled).to.deep.equal([error]);
      expect(server.reasons).to.deep.equal([TypeError]);
      expect(client.reasons).to.deep.equal([ConnectionDone]);
    } finally {
      setUnhandledFailureHandler(previous);
    }
  });

  it('disconnect() asks a producer for nothing more, and tells it once', () => {
    const [client] = connectedServerAndClient(Noting, Noting);
    const transport = client.transport as FakeTransport; // what connectedServerAndClient gives
    const calls: string[] = [];
    transport.registerProducer(
      {
        resumeProducing: () => calls.push('resume'),
        stopProducing: () => calls.push('stop'),
      },
      false,
    );
    transport.write('something');
    transport.disconnect();
    transport.memory.settle();
    expect(calls).to.deep.equal(['resume', 'stop']);
    expect(client.reasons).to.deep.equal([ConnectionLost]);
  });

  it('disconnect() looks like a loss to a peer that has not taken all, and like an end to one that has', () => {
    for (const [size, reason] of [
      [CAPACITY, ConnectionDone],
      [CAPACITY + 1, ConnectionLost],
    ] as const) {
      const [client, server, pump] = connectedServerAndClient(Noting, Noting);
      client.transport.pauseProducing();
      server.transport.write(Buffer.alloc(size));
      pump.flush();
      (server.transport as FakeTransport).disconnect(); // what connectedServerAndClient gives
      client.transport.resumeProducing();
      pump.flush();
      expect(client.reasons).to.deep.equal([reason]);
      expect(server.reasons).to.deep.equal([ConnectionLost]);
    }
  });

  it('every end in good order that nobody handles is reported, not the first one only', async () => {
    const unhandled: unknown[] = [];
    const previous = setUnhandledFailureHandler((failure) => unhandled.push(failure.type));
    try {
      for (let i = 0; i < 2; i++) {
        const [client, server, pump] = connectedServerAndClient(Noting, Noting);
        server.connectionLost = (reason) => {
          new Deferred<void>().errback(reason);
        };
        client.transport.loseConnection();
        pump.flush();
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(unhandled).to.deep.equal([ConnectionDone, ConnectionDone]);
    } finally {
      setUnhandledFailureHandler(previous);
    }
  });

  it('pump() moves a clock by 0, so that calls which are due run', () => {
    const clock = new Clock();
    const [, , pump] = connectedServerAndClient(Noting, Noting, { clock });
    let called = false;
    clock.callLater(0, () => {
      called = true;
    });
    pump.pump();
    expect(called).to.equal(true);
  });

  it('connectTransports() keeps the addresses it was given', () => {
    const host = new IPv4Address('TCP', '10.0.0.1', 80);
    const client = new Noting();
    connectTransports(
      new Noting(),
      new FakeTransport(true),
      client,
      new FakeTransport(false, { peerAddress: host }),
    );
    expect(client.transport.getPeer()).to.equal(host);
  });
});

describe('ConnectionCompleter', () => {
  class NotingFactory implements IClientFactory {
    readonly calls: unknown[] = [];
    readonly protocol = new Noting();
    doStart(): void {}
    doStop(): void {}
    buildProtocol(): IProtocol {
      return this.protocol;
    }
    startedConnecting(): void {}
    clientConnectionFailed(_connector: Connector, reason: Failure): void {
      this.calls.push(reason.type);
    }
    clientConnectionLost(_connector: Connector, reason: Failure): void {
      this.calls.push(reason.type);
    }
  }

  it('succeedOnce() joins the oldest attempt with the port it is for', () => {
    const reactor = new MemoryReactorClock();
    const [server, client, other] = [new NotingFactory(), new NotingFactory(), new NotingFactory()];
    reactor.connectTCP('127.0.0.1', 79, other);
    const connector = reactor.connectTCP('127.0.0.1', 80, client);
    const completer = new ConnectionCompleter(reactor);
    expect(completer.succeedOnce()).to.equal(undefined);
    reactor.listenTCP(80, server);
    const pump = completer.succeedOnce();
    expect(connector.state).to.equal('connected');
    client.protocol.transport.write('hello');
    pump?.flush();
    expect(server.protocol.data).to.deep.equal(['hello']);
    expect(client.protocol.transport.getPeer()).to.deep.equal(
      new IPv4Address('TCP', '127.0.0.1', 80),
    );
    expect(completer.succeedOnce()).to.equal(undefined);
    connector.disconnect();
    pump?.flush();
    expect(client.calls).to.deep.equal([ConnectionDone]);
    expect(connector.state).to.equal('disconnected');
  });

  it('succeedOnce() does not join a port that has stopped', () => {
    const reactor = new MemoryReactorClock();
    const port = reactor.listenTCP(80, new NotingFactory());
    reactor.connectTCP('127.0.0.1', 80, new NotingFactory());
    port.stopListening();
    expect(new ConnectionCompleter(reactor).succeedOnce()).to.equal(undefined);
  });

  it('failOnce() has the oldest attempt fail', () => {
    const reactor = new MemoryReactorClock();
    const [first, second] = [new NotingFactory(), new NotingFactory()];
    reactor.connectTCP('127.0.0.1', 80, first);
    reactor.connectTCP('127.0.0.1', 80, second);
    const completer = new ConnectionCompleter(reactor);
    expect(completer.failOnce()).to.equal(true);
    expect([first.calls, second.calls]).to.deep.equal([[ConnectionRefusedError], []]);
    expect(completer.failOnce(new RangeError('mine'))).to.equal(true);
    expect(second.calls).to.deep.equal([RangeError]);
    expect(completer.failOnce()).to.equal(false);
  });
});
