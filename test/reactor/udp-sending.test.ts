import dgram from 'node:dgram';
import { expect } from 'chai';
import sinon from 'sinon';
import type { DatagramHandleListener } from '../../src/reactor/datagram-handle.ts';
import {
  AlreadyConnected,
  ConnectError,
  InvalidAddressError,
  MessageLengthError,
  type UDPListeningPort,
} from '../../src/reactor/index.ts';
import { Datagrams, HOST, LOOPBACK, Minimal, turn, UDPSuite } from '../support/datagrams.ts';

describe('UDP on libuv', () => {
  const suite = new UDPSuite();
  const { listen, start, freePort, reports } = suite;

  describe('write()', () => {
    it('sends bytes and text to an address; an answer finds its way back', async () => {
      const server = start();
      const client = start();
      server.protocol.onData = (data, addr) => server.port.write(data, addr);
      for (const data of [Buffer.from('buffer'), new Uint8Array([0, 255]), 'text: ü', '']) {
        client.port.write(data, [HOST, server.number]);
      }
      await client.protocol.received(4);
      expect(client.protocol.got).to.deep.equal([
        Buffer.from('buffer'),
        Buffer.of(0, 255),
        Buffer.from('text: ü'),
        Buffer.alloc(0),
      ]);
      expect(server.protocol.from[0]).to.deep.equal([HOST, client.number]);
      expect(client.protocol.from[0]).to.deep.equal([HOST, server.number]);
    });

    it('sends in the order of the calls', async () => {
      const server = start();
      const client = start();
      const texts = Array.from({ length: 50 }, (_, i) => `datagram ${i}`);
      for (const text of texts) {
        if (text.endsWith('7')) client.port.writeSequence([text], [HOST, server.number]);
        else client.port.write(text, [HOST, server.number]);
      }
      await server.protocol.received(texts.length);
      expect(server.protocol.texts).to.deep.equal(texts);
    });

    it('has writeSequence() send one datagram', async () => {
      const server = start();
      const client = start();
      const parts = new Set(['a', Buffer.from('b'), new Uint8Array([99])]);
      client.port.writeSequence(parts, [HOST, server.number]);
      client.port.writeSequence([], [HOST, server.number]);
      await server.protocol.received(2);
      expect(server.protocol.texts).to.deep.equal(['abc', '']);
    });

    it('throws TypeError for what is not data, and sends nothing of it', async () => {
      const server = start();
      const to = [HOST, server.number] as const;
      for (const data of [1, null, undefined, {}, ['a']]) {
        expect(() => server.port.write(data as never, to)).to.throw(TypeError, 'Data must be');
        expect(() => server.port.writeSequence(['x', data as never], to)).to.throw(TypeError);
      }
      expect(() => server.port.writeSequence('text', to)).to.throw(TypeError, 'one string');
      server.port.write('marker', to);
      await server.protocol.received(1);
      expect(server.protocol.texts).to.deep.equal(['marker']);
    });

    it('throws InvalidAddressError for a host that is not an IPv4 literal', () => {
      const { port } = start();
      for (const host of ['localhost', '', '1.2.3', '::1', undefined as never]) {
        expect(() => port.write('x', [host, 9]))
          .to.throw(InvalidAddressError, 'IPv4')
          .with.property('address', host);
      }
      expect(() => port.write('x')).to.throw(InvalidAddressError, 'where to send');
      expect(() => port.write('x', HOST as never)).to.throw(InvalidAddressError, '[host, port]');
    });

    it('throws RangeError for a port that is none', () => {
      const { port } = start();
      for (const number of [0, -1, 65_536, 1.5, '9' as never]) {
        expect(() => port.write('x', [HOST, number])).to.throw(RangeError, 'Port must be');
      }
    });

    it('throws MessageLengthError above 65507 bytes, and sends what is not above', async () => {
      const server = start({ ...LOOPBACK, maxPacketSize: 65_507 });
      const to = [HOST, server.number] as const;
      const longest = Buffer.alloc(65_507, 'x');
      expect(() => server.port.write(Buffer.alloc(65_508), to)).to.throw(
        MessageLengthError,
        '65508 bytes',
      );
      expect(() => server.port.write('ü'.repeat(32_754), to)).to.throw(MessageLengthError);
      expect(() => server.port.writeSequence([longest, 'y'], to)).to.throw(MessageLengthError);
      server.port.write(longest, to);
      await server.protocol.received(1);
      expect(server.protocol.got[0]?.equals(longest)).to.equal(true);
    });

    it('drops what comes on top of a full send queue', async () => {
      const server = start({ ...LOOPBACK, maxSendQueue: 1000 });
      const to = [HOST, server.number] as const;
      const queued = sinon.stub(dgram.Socket.prototype, 'getSendQueueSize').returns(990);
      server.port.write('0123456789', to);
      server.port.write('0123456789!', to);
      queued.returns(0);
      server.port.write(Buffer.alloc(1001), to);
      await server.protocol.received(2);
      expect(server.protocol.got.map(({ length }) => length)).to.deep.equal([10, 1001]);
    });

    it('tells sendFailed what the system would not send', async () => {
      const { protocol, port } = start({});
      port.write('x', ['255.255.255.255', 9]);
      expect(protocol.calls).to.deep.equal(['start']);
      await protocol.heard('sendFailed');
      expect(protocol.failures[0]?.value).to.have.property('code', 'EACCES');
      expect(protocol.failedTo).to.deep.equal([['255.255.255.255', 9]]);
    });

    it('reports what the system would not send when the protocol does not want to know', async () => {
      const port = listen(new Minimal(), {});
      port.write('x', ['<broadcast>', 9]);
      await turn();
      expect(reports()).to.deep.equal([
        'Unhandled error in Minimal (UDP): Error: send EACCES 255.255.255.255:9',
      ]);
    });

    it('says nothing of a port without listeners while it is not connected', async () => {
      const dead = await freePort();
      const { protocol, port, number } = start();
      port.write('lost', [HOST, dead]);
      port.write('lost', [HOST, dead]);
      port.write('marker', [HOST, number]);
      await protocol.received(1);
      await turn();
      expect(protocol.calls).to.deep.equal(['start', 'data']);
      expect(suite.trap.caught).to.deep.equal([]);
    });
  });

  describe('datagramReceived()', () => {
    it('gets a buffer that belongs to it', async () => {
      const server = start();
      const client = start();
      client.port.write('first', [HOST, server.number]);
      await server.protocol.received(1);
      const [first] = server.protocol.got;
      new Uint8Array(first?.buffer ?? new ArrayBuffer(0)).fill(0);
      client.port.write('second', [HOST, server.number]);
      client.port.write('third', [HOST, server.number]);
      await server.protocol.received(3);
      const [, second, third] = server.protocol.got;
      second?.fill(1);
      expect(String(third)).to.equal('third');
      expect(first?.every((byte) => byte === 0)).to.equal(true);
    });

    it('gets 8192 bytes of a datagram, or maxPacketSize', async () => {
      const usual = start();
      const small = start({ ...LOOPBACK, maxPacketSize: 5 });
      const client = start();
      for (const { number } of [usual, small]) {
        client.port.write(Buffer.alloc(8193, 'x'), [HOST, number]);
        client.port.write('12345', [HOST, number]);
        client.port.write('123456', [HOST, number]);
      }
      await usual.protocol.received(3);
      await small.protocol.received(3);
      expect(usual.protocol.got.map(({ length }) => length)).to.deep.equal([8192, 5, 6]);
      expect(small.protocol.texts).to.deep.equal(['xxxxx', '12345', '12345']);
    });

    it('costs nothing but a report when it throws or rejects', async () => {
      const server = start();
      const client = start();
      server.protocol.onData = (data) => {
        if (String(data) === 'throw') throw new RangeError('threw');
        return Promise.reject(new RangeError('rejected'));
      };
      client.port.write('throw', [HOST, server.number]);
      client.port.write('reject', [HOST, server.number]);
      await server.protocol.received(2);
      server.protocol.onData = undefined;
      client.port.write('more', [HOST, server.number]);
      await server.protocol.received(3);
      expect(reports()).to.deep.equal([
        'Unhandled error in Datagrams (UDP): RangeError: threw',
        'Unhandled error in Datagrams (UDP): RangeError: rejected',
      ]);
    });
  });

  describe('connect()', () => {
    it('sends to the peer without an address and hears nobody else', async () => {
      const server = start();
      const stranger = start();
      const client = start();
      client.port.connect(HOST, server.number);
      stranger.port.write('stranger', [HOST, client.number]);
      client.port.write('one');
      client.port.write('two', [HOST, server.number]);
      client.port.writeSequence(['thr', 'ee']);
      await server.protocol.received(3);
      server.port.write('answer', [HOST, client.number]);
      await client.protocol.received(1);
      expect(server.protocol.texts).to.deep.equal(['one', 'two', 'three']);
      expect(client.protocol.texts).to.deep.equal(['answer']);
      expect(client.protocol.from).to.deep.equal([[HOST, server.number]]);
    });

    it('tells the address of this end that leads to the peer', () => {
      const server = start();
      const client = start({});
      client.port.connect(HOST, server.number);
      expect(client.port.getHost().host).to.equal(HOST);
    });

    it('happens once', () => {
      const { port, number } = start();
      port.connect(HOST, number);
      expect(() => port.connect(HOST, number))
        .to.throw(AlreadyConnected, `connected to 127.0.0.1:${number} already`)
        .with.property('code', 'ERR_ALREADY_CONNECTED');
    });

    it('refuses names, other families and ports that are none', () => {
      const { port } = start();
      for (const host of ['localhost', '::1', '<broadcast>']) {
        expect(() => port.connect(host, 9)).to.throw(InvalidAddressError, JSON.stringify(host));
      }
      expect(() => port.connect(HOST, 0)).to.throw(RangeError, 'Port must be');
      // None of them counts as a connect.
      port.connect(HOST, 9);
    });

    it('leaves no way to write to others', () => {
      const { port, number } = start();
      port.connect(HOST, number);
      for (const addr of [
        [HOST, 9],
        ['127.0.0.2', number],
      ] as const) {
        expect(() => port.write('x', addr)).to.throw(InvalidAddressError, 'is connected to');
      }
    });

    it('has connectionRefused called when nobody listens there, and goes on', async () => {
      const dead = await freePort();
      const { protocol, port } = start();
      port.connect(HOST, dead);
      port.write('heard of by reading');
      await protocol.heard('refused');
      port.write('one');
      port.write('heard of by sending');
      await protocol.heard('refused', 2);
      expect(protocol.count('sendFailed')).to.equal(0);
      const late = new Datagrams();
      listen(late, LOOPBACK, dead);
      port.write('now');
      await late.progress.until(() => late.texts.includes('now'));
      expect(suite.trap.caught).to.deep.equal([]);
    });

    it('tells nobody of a refusal when nobody can tell whose it was', () => {
      const { protocol, port } = start();
      const refused = Object.assign(new Error('recvmsg ECONNREFUSED'), { code: 'ECONNREFUSED' });
      const listener = port as UDPListeningPort & DatagramHandleListener; // as every port of ours
      listener.handleReadError(refused);
      listener.handleSendError(refused, undefined);
      expect(protocol.calls).to.deep.equal(['start']);
      expect(suite.trap.caught).to.deep.equal([]);
    });

    it('reports an exception of connectionRefused', async () => {
      const dead = await freePort();
      const { protocol, port } = start();
      sinon.stub(protocol, 'connectionRefused').callsFake(() => {
        protocol.calls.push('refused');
        protocol.progress.changed();
        throw new RangeError('threw');
      });
      port.connect(HOST, dead);
      port.write('x');
      await protocol.heard('refused');
      await turn();
      expect(reports()).to.deep.equal(['Unhandled error in Datagrams (UDP): RangeError: threw']);
    });

    it('has connectionFailed called when the system will not have it; then others may be tried', async () => {
      const server = start();
      const { protocol, port } = start({});
      port.connect('255.255.255.255', 9);
      port.write('goes nowhere');
      expect(protocol.calls).to.deep.equal(['start']);
      await protocol.heard('connectionFailed');
      const error = protocol.failures[0]?.value;
      expect(error).to.be.instanceOf(ConnectError).and.have.property('osError');
      expect(String(error))
        .to.contain('Could not connect to 255.255.255.255:9')
        .and.contain('EACCES');
      port.connect(HOST, server.number);
      port.write('hello');
      await server.protocol.received(1);
      expect(server.protocol.texts).to.deep.equal(['hello']);
      expect(protocol.calls).to.deep.equal(['start', 'connectionFailed']);
    });

    it('has the failure reported when the protocol does not want to know', async () => {
      listen(new Minimal(), {}).connect('255.255.255.255', 9);
      await turn();
      expect(reports()).to.have.length(1);
      expect(reports()[0]).to.match(/^Unhandled error in Minimal \(UDP\): .*ConnectError.*EACCES/);
    });

    it('says nothing of a failure once the port has stopped', async () => {
      const { protocol, port } = start({});
      port.connect('255.255.255.255', 9);
      await port.stopListening();
      await turn();
      expect(protocol.calls).to.deep.equal(['start', 'stop']);
    });
  });

  describe('setBroadcastAllowed()', () => {
    it('is what a broadcast needs', async function () {
      // The loopback network has a broadcast address on Linux only.
      if (process.platform !== 'linux') this.skip();
      const server = start({});
      const client = start({});
      expect(client.port.getBroadcastAllowed()).to.equal(false);
      const everybody = ['127.255.255.255', server.number] as const;
      client.port.write('not allowed', everybody);
      await client.protocol.heard('sendFailed');
      client.port.setBroadcastAllowed(true);
      expect(client.port.getBroadcastAllowed()).to.equal(true);
      client.port.write('allowed', everybody);
      await server.protocol.received(1);
      expect(server.protocol.texts).to.deep.equal(['allowed']);
      client.port.setBroadcastAllowed(false);
      client.port.write('not allowed', everybody);
      await client.protocol.heard('sendFailed', 2);
    });
  });
});
