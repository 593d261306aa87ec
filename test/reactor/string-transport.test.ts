import { expect } from 'chai';
import type { Failure } from '../../src/deferred/index.ts';
import { IPv4Address, UNIXAddress } from '../../src/reactor/address.ts';
import {
  ConnectionAborted,
  ConnectionDone,
  ProducerAlreadyRegistered,
} from '../../src/reactor/errors.ts';
import type { Data, IProtocol } from '../../src/reactor/interfaces.ts';
import {
  StringTransport,
  StringTransportWithDisconnection,
  TransportStateError,
} from '../../src/reactor/testing/string-transport.ts';

const idle = { pauseProducing() {}, resumeProducing() {}, stopProducing() {} };

/** What the types forbid and JavaScript does not. */
function wrong(value: unknown): Data {
  return value as Data;
}

describe('StringTransport', () => {
  it('value() gives all that was written, as bytes, whatever it was written as', () => {
    const transport = new StringTransport();
    transport.write('grün ');
    transport.write(Buffer.from('b '));
    transport.write(new Uint8Array([99]));
    transport.writeSequence(['d', Buffer.from('e')]);
    expect(transport.value()).to.deep.equal(Buffer.from('grün b cde'));
    transport.write('f');
    expect(transport.value().toString()).to.equal('grün b cdef');
  });

  it('value() gives a buffer that belongs to the caller', () => {
    const transport = new StringTransport();
    transport.write('abc');
    transport.value().fill(0);
    expect(transport.value().toString()).to.equal('abc');
  });

  it('write() does not copy, so a buffer that is used again is found out', () => {
    const transport = new StringTransport();
    const bytes = Buffer.from('abc');
    transport.write(bytes);
    bytes.fill('x');
    expect(transport.value().toString()).to.equal('xxx');
  });

  it('clear() forgets what was written', () => {
    const transport = new StringTransport();
    transport.write('abc');
    transport.clear();
    transport.write('d');
    expect(transport.value().toString()).to.equal('d');
  });

  for (const bad of [null, undefined, 5, {}, ['a']]) {
    it(`write() refuses ${JSON.stringify(bad)}`, () => {
      const transport = new StringTransport();
      expect(() => transport.write(wrong(bad))).to.throw(TypeError, 'Data must be');
      expect(transport.value()).to.have.length(0);
    });
  }

  it('writeSequence() keeps nothing when one of its chunks is no data, nor takes one string', () => {
    const transport = new StringTransport();
    expect(() => transport.writeSequence(['a', wrong(5)])).to.throw(TypeError);
    expect(() => transport.writeSequence('abc')).to.throw(TypeError);
    expect(transport.value()).to.have.length(0);
  });

  it('loseConnection() only says so, and what is written after it is kept', () => {
    const transport = new StringTransport();
    expect(transport.disconnecting).to.equal(false);
    transport.loseConnection();
    transport.write('bye');
    expect(transport.disconnecting).to.equal(true);
    expect(transport.disconnected).to.equal(false);
    expect(transport.connected).to.equal(true);
    expect(transport.value().toString()).to.equal('bye');
  });

  it('abortConnection() says that it is disconnected and disconnecting', () => {
    const transport = new StringTransport();
    transport.abortConnection();
    expect([transport.disconnected, transport.disconnecting]).to.deep.equal([true, true]);
  });

  it('loseWriteConnection() is noted', () => {
    const transport = new StringTransport();
    transport.loseWriteConnection();
    expect(transport.writeDisconnecting).to.equal(true);
    expect(transport.disconnecting).to.equal(false);
  });

  it('getHost() and getPeer() give what it was made with, or the customary addresses', () => {
    const transport = new StringTransport();
    expect(transport.getHost()).to.deep.equal(new IPv4Address('TCP', '10.0.0.1', 12345));
    expect(transport.getPeer()).to.deep.equal(new IPv4Address('TCP', '192.168.1.1', 54321));
    const host = new UNIXAddress('/a');
    const peer = new UNIXAddress('/b');
    const other = new StringTransport(host, peer);
    expect([other.getHost(), other.getPeer()]).to.deep.equal([host, peer]);
    const named = new StringTransport({ peerAddress: peer, lenient: true });
    expect([named.getHost(), named.getPeer()]).to.deep.equal([transport.getHost(), peer]);
    named.loseConnection();
    expect(() => named.pauseProducing()).to.not.throw();
  });

  it('registerProducer() notes the producer, once', () => {
    const transport = new StringTransport();
    transport.registerProducer(idle, true);
    expect([transport.producer, transport.streaming]).to.deep.equal([idle, true]);
    expect(() => transport.registerProducer(idle, true)).to.throw(ProducerAlreadyRegistered);
    transport.unregisterProducer();
    expect([transport.producer, transport.streaming]).to.deep.equal([null, null]);
    transport.registerProducer(idle, false);
    expect(transport.streaming).to.equal(false);
  });

  it('unregisterProducer() throws when there is none', () => {
    expect(() => new StringTransport().unregisterProducer()).to.throw(TransportStateError);
  });

  it('pauseProducing(), resumeProducing() and stopProducing() show in producerState', () => {
    const transport = new StringTransport();
    expect(transport.producerState).to.equal('producing');
    transport.pauseProducing();
    expect(transport.producerState).to.equal('paused');
    transport.resumeProducing();
    expect(transport.producerState).to.equal('producing');
    transport.stopProducing();
    expect(transport.producerState).to.equal('stopped');
  });

  it('pauseProducing() and resumeProducing() throw once it is stopped or disconnecting', () => {
    const stopped = new StringTransport();
    stopped.stopProducing();
    const leaving = new StringTransport();
    leaving.loseConnection();
    for (const transport of [stopped, leaving]) {
      expect(() => transport.pauseProducing()).to.throw(TransportStateError, 'pause');
      expect(() => transport.resumeProducing()).to.throw(TransportStateError, 'resume');
    }
  });

  it('a lenient one puts up with that and stays as it is', () => {
    const transport = new StringTransport(null, null, true);
    transport.stopProducing();
    transport.resumeProducing();
    expect(transport.producerState).to.equal('stopped');
    const leaving = new StringTransport(null, null, true);
    leaving.loseConnection();
    leaving.pauseProducing();
    expect(leaving.producerState).to.equal('producing');
  });

  it('setTcpNoDelay() and setTcpKeepAlive() are read back', () => {
    const transport = new StringTransport();
    expect([transport.getTcpNoDelay(), transport.getTcpKeepAlive()]).to.deep.equal([true, false]);
    transport.setTcpNoDelay(false);
    transport.setTcpKeepAlive(true);
    expect([transport.getTcpNoDelay(), transport.getTcpKeepAlive()]).to.deep.equal([false, true]);
  });
});

describe('StringTransportWithDisconnection', () => {
  function connected(): { transport: StringTransportWithDisconnection; reasons: Failure[] } {
    const reasons: Failure[] = [];
    const protocol: IProtocol = {
      makeConnection() {},
      dataReceived() {},
      connectionLost: (reason) => reasons.push(reason),
    };
    const transport = new StringTransportWithDisconnection();
    transport.protocol = protocol;
    return { transport, reasons };
  }

  it('loseConnection() tells the protocol, once', () => {
    const { transport, reasons } = connected();
    transport.loseConnection();
    transport.loseConnection();
    transport.abortConnection();
    expect(reasons.map((reason) => reason.type)).to.deep.equal([ConnectionDone]);
    expect([transport.connected, transport.disconnecting]).to.deep.equal([false, true]);
  });

  it('abortConnection() tells the protocol that it was aborted', () => {
    const { transport, reasons } = connected();
    transport.abortConnection();
    expect(reasons.map((reason) => reason.type)).to.deep.equal([ConnectionAborted]);
  });

  it('loseConnection() without a protocol says what is missing', () => {
    const transport = new StringTransportWithDisconnection();
    expect(() => transport.loseConnection()).to.throw(TransportStateError, 'transport.protocol');
  });
});
