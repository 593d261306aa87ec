import dgram from 'node:dgram';
import { expect } from 'chai';
import sinon from 'sinon';
import {
  CannotListenError,
  InvalidAddressError,
  IPv4Address,
  NotListeningError,
} from '../../src/reactor/index.ts';
import { UDPPort } from '../../src/reactor/libuv/udp.ts';
import { Datagrams, HOST, LOOPBACK, turn, UDPSuite } from '../support/datagrams.ts';

describe('A UDP port on libuv', () => {
  const suite = new UDPSuite();
  const { listen, start, freePort, reports } = suite;

  describe('listenUDP()', () => {
    it('has bound, and started the protocol, when it returns', () => {
      const { protocol, port, number } = start();
      expect(protocol.calls).to.deep.equal(['start']);
      expect(protocol.transport).to.equal(port);
      expect(number).to.be.above(0);
      expect(port.getHost().equals(new IPv4Address('UDP', HOST, number))).to.equal(true);
      expect(suite.reactor.openCount).to.equal(1);
    });

    it('throws CannotListenError there and then for an address in use, and starts nothing', () => {
      const { number } = start();
      const protocol = new Datagrams();
      let error: unknown;
      try {
        listen(protocol, LOOPBACK, number);
      } catch (caught) {
        error = caught;
      }
      expect(error).to.be.instanceOf(CannotListenError);
      expect(error).to.include({ port: number, interface: HOST, code: 'ERR_CANNOT_LISTEN' });
      expect(error).to.have.property('socketError').with.property('code', 'EADDRINUSE');
      expect(protocol.calls).to.deep.equal([]);
      expect(suite.reactor.openCount).to.equal(1);
    });

    it('throws CannotListenError for an address that is not ours', () => {
      expect(() => listen(new Datagrams(), { interface: '198.51.100.1' })).to.throw(
        CannotListenError,
        'EADDRNOTAVAIL',
      );
    });

    it('throws CannotListenError where the system can only answer later', () => {
      sinon.stub(dgram.Socket.prototype, 'address').throws(new Error('getsockname EBADF'));
      expect(() => listen(new Datagrams())).to.throw(CannotListenError, 'cannot tell in time');
      expect(suite.reactor.openCount).to.equal(0);
    });

    it('listens on every IPv4 address without an interface, and takes localhost for one', () => {
      expect(listen(new Datagrams(), {}).getHost().host).to.equal('0.0.0.0');
      expect(listen(new Datagrams(), { interface: 'localhost' }).getHost().host).to.equal(HOST);
    });

    it('refuses ports, interfaces and sizes that make no sense', () => {
      for (const number of [-1, 65_536, 1.5, Number.NaN, '53' as unknown as number]) {
        expect(() => listen(new Datagrams(), {}, number)).to.throw(RangeError, 'Port must be');
      }
      for (const named of ['example.org', '300.0.0.1', '::g']) {
        expect(() => listen(new Datagrams(), { interface: named })).to.throw(
          InvalidAddressError,
          JSON.stringify(named),
        );
      }
      for (const size of [0, -1, 1.5, Number.NaN]) {
        expect(() => listen(new Datagrams(), { maxPacketSize: size })).to.throw(
          RangeError,
          'maxPacketSize must be a whole number above 0',
        );
        expect(() => listen(new Datagrams(), { maxSendQueue: size })).to.throw(
          RangeError,
          'maxSendQueue must be',
        );
      }
    });

    it('refuses what is no datagram protocol, and says so', () => {
      for (const protocol of [undefined, null, Datagrams, {}]) {
        expect(() => listen(protocol as never)).to.throw(
          TypeError,
          /^Cannot listen with .*: expected a datagram protocol, with a method makeConnection\(\)$/s,
        );
      }
    });

    it('lets an error of the start through, and does not stay bound', async () => {
      const number = await freePort();
      const protocol = new Datagrams();
      protocol.onStart = () => {
        throw new RangeError('no start');
      };
      expect(() => listen(protocol, LOOPBACK, number)).to.throw(RangeError, 'no start');
      expect(suite.reactor.openCount).to.equal(0);
      protocol.onStart = undefined;
      expect(listen(protocol, LOOPBACK, number).getHost().port).to.equal(number);
    });

    it('reports a rejection of an async start; the port stays', async () => {
      const protocol = new Datagrams();
      protocol.onStart = async () => {
        throw new RangeError('late');
      };
      const port = listen(protocol);
      await turn();
      expect(reports()).to.deep.equal(['Unhandled error in Datagrams (UDP): RangeError: late']);
      expect(port.getHost().port).to.be.above(0);
    });

    it('lets the protocol send, connect and set while it starts', async () => {
      const server = start();
      const client = new Datagrams();
      client.onStart = (transport) => {
        transport.setBroadcastAllowed(true);
        transport.connect(HOST, server.number);
        transport.write('hello');
      };
      const port = listen(client);
      await server.protocol.received(1);
      expect(server.protocol.texts).to.deep.equal(['hello']);
      expect(server.protocol.from).to.deep.equal([[HOST, port.getHost().port]]);
      expect(port.getBroadcastAllowed()).to.equal(true);
    });
  });

  describe('stopListening()', () => {
    it('fires after the protocol has stopped', async () => {
      const { protocol, port } = start();
      let fired = false;
      const stopping = port.stopListening().addCallback(() => {
        fired = true;
        expect(protocol.calls).to.deep.equal(['start', 'stop']);
      });
      expect(protocol.calls).to.deep.equal(['start']);
      expect(fired).to.equal(false);
      await stopping;
      expect(suite.reactor.openCount).to.equal(0);
    });

    it('frees the address, which can be listened on again, by the same port too', async () => {
      const { protocol, port, number } = start();
      await port.stopListening();
      const other = listen(new Datagrams(), LOOPBACK, number);
      await other.loseConnection();
      const again = new UDPPort(suite.reactor, number, protocol, LOOPBACK);
      again.startListening();
      await again.stopListening();
      again.startListening();
      expect(again.getHost().port).to.equal(number);
      expect(protocol.calls).to.deep.equal(['start', 'stop', 'start', 'stop', 'start']);
      const client = start();
      client.port.write('hello', [HOST, number]);
      await protocol.received(1);
      expect(protocol.texts).to.deep.equal(['hello']);
    });

    it('gives a port that listens again no peer and the settings of a new socket', async () => {
      const { port, number } = start();
      port.connect(HOST, number);
      port.setBroadcastAllowed(true);
      port.setTTL(7);
      port.setLoopbackMode(false);
      port.setOutgoingInterface(HOST);
      await port.stopListening();
      port.startListening();
      expect(port.getBroadcastAllowed()).to.equal(false);
      expect(port.getTTL()).to.equal(1);
      expect(port.getLoopbackMode()).to.equal(true);
      expect(port.getOutgoingInterface()).to.equal('0.0.0.0');
      expect(() => port.write('to whom?')).to.throw(InvalidAddressError);
    });

    it('fires at once when it has stopped, and for everybody who asks', async () => {
      const { protocol, port } = start();
      await Promise.all([port.stopListening(), port.stopListening()]);
      await port.stopListening();
      expect(protocol.calls).to.deep.equal(['start', 'stop']);
    });

    it('fails with what the protocol throws when it stops', async () => {
      const { protocol, port } = start();
      protocol.onStop = () => {
        throw new RangeError('no stop');
      };
      let message = '';
      await port.stopListening().addErrback((failure) => {
        message = String(failure.value);
      });
      expect(message).to.equal('RangeError: no stop');
      expect(suite.reactor.openCount).to.equal(0);
    });

    it('reports a rejection of an async stop', async () => {
      const { protocol, port } = start();
      protocol.onStop = async () => {
        throw new RangeError('late');
      };
      await port.stopListening();
      await turn();
      expect(reports()).to.deep.equal(['Unhandled error in Datagrams (UDP): RangeError: late']);
    });

    it('works from within the start', async () => {
      const protocol = new Datagrams();
      let stopped = false;
      protocol.onStart = (transport) => {
        transport.stopListening().addCallback(() => {
          stopped = true;
        });
        expect(stopped).to.equal(false);
      };
      const port = listen(protocol);
      await protocol.heard('stop');
      await turn();
      expect(stopped).to.equal(true);
      expect(() => port.getHost()).to.throw(NotListeningError);
      expect(suite.reactor.openCount).to.equal(0);
    });

    it('delivers nothing from there on, though more has come', async () => {
      const { protocol, number } = start();
      protocol.onData = () => {
        protocol.transport.stopListening();
      };
      const client = start();
      for (const text of ['one', 'two', 'three']) client.port.write(text, [HOST, number]);
      await protocol.heard('stop');
      await turn();
      expect(protocol.calls).to.deep.equal(['start', 'data', 'stop']);
    });

    it('leaves a port that drops what is written and refuses the rest', async () => {
      const { port, number } = start();
      await port.stopListening();
      port.write('nowhere', [HOST, number]);
      expect(() => port.getHost()).to.throw(NotListeningError);
      expect(() => port.connect(HOST, number)).to.throw(NotListeningError);
      expect(() => port.setBroadcastAllowed(true)).to.throw(NotListeningError);
      expect(() => port.setTTL(3)).to.throw(NotListeningError);
      expect(port.getTTL()).to.equal(1);
    });
  });

  describe('the shutdown of the reactor', () => {
    it('stops ports and waits for them, even when a protocol throws', async () => {
      const calm = start();
      const wild = start();
      wild.protocol.onStop = () => {
        throw new RangeError('no stop');
      };
      await suite.shutDown();
      expect(calm.protocol.calls).to.deep.equal(['start', 'stop']);
      expect(wild.protocol.calls).to.deep.equal(['start', 'stop']);
      expect(reports()).to.deep.equal([
        `Unhandled error in stopping UDP 127.0.0.1:${wild.number}: RangeError: no stop`,
      ]);
    });
  });
});
