import { expect } from 'chai';
import { Failure } from '../../src/deferred/index.ts';
import {
  AccumulatingProtocol,
  assertNoResult,
  Clock,
  ConnectionDone,
  ConnectionLost,
  connectedServerAndClient,
  EventLoggingObserver,
  logEvent,
  NonStreamingProducer,
  StringTransport,
  setLogObserver,
  successResultOf,
  waitUntilAllDisconnected,
} from '../../src/reactor/index.ts';

describe('AccumulatingProtocol', () => {
  it('keeps what it gets and says when', () => {
    const [client, server, pump] = connectedServerAndClient(
      AccumulatingProtocol,
      AccumulatingProtocol,
    );
    expect(successResultOf(server.connected)).to.equal(server);
    expect(server.peer).to.deep.equal(client.transport.getHost());
    client.transport.write('a');
    pump.pump();
    client.transport.write('b');
    client.transport.loseConnection();
    assertNoResult(server.disconnected);
    pump.flush();
    expect(successResultOf(server.disconnected)).to.equal(server);
    expect([server.made, server.closed, server.data.toString()]).to.deep.equal([1, 1, 'ab']);
    expect(server.closedReason?.type).to.equal(ConnectionDone);
  });

  it('keeps the reason that it is given', () => {
    const protocol = new AccumulatingProtocol();
    const reason = new Failure(new ConnectionLost());
    protocol.connectionLost(reason);
    protocol.connectionLost();
    expect([protocol.closed, protocol.closedReason?.type]).to.deep.equal([2, ConnectionDone]);
  });
});

describe('NonStreamingProducer', () => {
  it('writes ten numbers, each when it is asked', () => {
    const transport = new StringTransport();
    const producer = new NonStreamingProducer(transport);
    expect([transport.producer, transport.streaming]).to.deep.equal([producer, false]);
    for (let i = 0; i < 9; i++) producer.resumeProducing();
    expect(transport.producer).to.equal(producer);
    for (let i = 0; i < 3; i++) producer.resumeProducing();
    expect(transport.producer).to.equal(null);
    expect(transport.value().toString()).to.equal('0123456789');
  });

  it('writes nothing once it is stopped', () => {
    const transport = new StringTransport();
    const producer = new NonStreamingProducer(transport);
    producer.stopProducing();
    producer.resumeProducing();
    expect([producer.stopped, transport.value().length]).to.deep.equal([true, 0]);
  });
});

describe('EventLoggingObserver', () => {
  it('keeps what is logged until it is removed', () => {
    const others: string[] = [];
    const before = setLogObserver(({ message }) => others.push(message));
    try {
      const log = new EventLoggingObserver();
      logEvent({ level: 'info', system: 'test', message: 'one' });
      logEvent({ level: 'warn', system: 'test', message: 'two' });
      log.remove();
      logEvent({ level: 'warn', system: 'test', message: 'three' });
      expect([log.messages(), log.messages('warn')]).to.deep.equal([['one', 'two'], ['two']]);
      expect(others).to.deep.equal(['three']);
    } finally {
      setLogObserver(before);
    }
  });
});

describe('waitUntilAllDisconnected()', () => {
  it('waitUntilAllDisconnected() fires once none is connected', () => {
    const clock = new Clock();
    const protocols = [1, 2].map(() => ({ transport: new StringTransport() }));
    const done = waitUntilAllDisconnected(clock, protocols);
    for (const { transport } of protocols) {
      clock.advance(1);
      assertNoResult(done);
      transport.connected = false;
    }
    clock.advance(0.02);
    expect(successResultOf(done)).to.equal(undefined);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });
});
