import dgram from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { expect } from 'chai';
import sinon from 'sinon';
import {
  CannotListenError,
  InvalidAddressError,
  IPv6Address,
  MessageLengthError,
  MulticastJoinError,
} from '../../src/reactor/index.ts';
import { Datagrams, HOST, hasIPv6, type Started, UDPSuite } from '../support/datagrams.ts';

describe('UDP on libuv beyond IPv4 unicast', () => {
  const { listen, start } = new UDPSuite();

  describe('IPv6', () => {
    before(function () {
      if (!hasIPv6()) this.skip();
    });

    it('carries datagrams, the longest among them', async () => {
      const server = start({ interface: '::1', maxPacketSize: 65_527 });
      const client = start({ interface: '::1' });
      expect(server.port.getHost()).to.be.instanceOf(IPv6Address).and.include({ type: 'UDP' });
      client.port.write('hello', ['::1', server.number]);
      client.port.write(Buffer.alloc(65_527), ['::1', server.number]);
      expect(() => client.port.write(Buffer.alloc(65_528), ['::1', server.number])).to.throw(
        MessageLengthError,
      );
      await server.protocol.received(2);
      expect(server.protocol.from[0]).to.deep.equal(['::1', client.number]);
      expect(server.protocol.got.map(({ length }) => length)).to.deep.equal([5, 65_527]);
      client.port.connect('::1', server.number);
      client.port.write('connected');
      await server.protocol.received(3);
    });

    it('refuses IPv4 literals', () => {
      const { port } = start({ interface: '::1' });
      expect(() => port.write('x', [HOST, 9])).to.throw(InvalidAddressError, 'IPv6');
      expect(() => port.write('x', ['<broadcast>', 9])).to.throw(InvalidAddressError, 'IPv6');
      expect(() => port.connect(HOST, 9)).to.throw(InvalidAddressError, 'IPv6');
    });

    it("hears both kinds on '::', and reaches IPv4 by mapped addresses", async () => {
      const both = start({ interface: '::' });
      const four = start();
      four.port.write('over IPv4', [HOST, both.number]);
      await both.protocol.received(1);
      expect(both.protocol.from).to.deep.equal([['::ffff:127.0.0.1', four.number]]);
      both.port.write('back', ['::ffff:127.0.0.1', four.number]);
      await four.protocol.received(1);
    });

    it('tells sendFailed of MessageLengthError when only the system could know', async () => {
      const { protocol, port } = start({ interface: '::' });
      port.write(Buffer.alloc(65_520), ['::ffff:127.0.0.1', 9]);
      await protocol.heard('sendFailed');
      expect(protocol.failures[0]?.value)
        .to.be.instanceOf(MessageLengthError)
        .and.have.property('message')
        .that.contains('[::ffff:127.0.0.1]:9')
        .and.contains('EMSGSIZE');
      expect(protocol.failedTo).to.deep.equal([['::ffff:127.0.0.1', 9]]);
    });

    it('joins and leaves groups', async () => {
      const { port } = start({ interface: '::' });
      await port.joinGroup('ff12::5:1');
      await port.leaveGroup('ff12::5:1');
      const error = await port.joinGroup('239.255.10.1').addErrback(({ value }) => value);
      expect(error).to.be.instanceOf(MulticastJoinError);
      expect(port.getOutgoingInterface()).to.equal('::');
    });
  });

  describe('multicast', () => {
    const GROUP = '239.255.77.10';

    /** A member of the group on the loopback interface, sending there too. */
    const member = (number = 0): Started => {
      const started = start({ listenMultiple: true }, number);
      started.port.setOutgoingInterface(HOST);
      return started;
    };

    it('reaches every member that shares the port, until it leaves', async () => {
      const one = member();
      const two = member(one.number);
      await one.port.joinGroup(GROUP, HOST);
      await two.port.joinGroup(GROUP, HOST);
      one.port.write('to all', [GROUP, one.number]);
      await one.protocol.received(1);
      await two.protocol.received(1);
      await two.port.leaveGroup(GROUP, HOST);
      // Some systems hand a socket whatever any socket has joined for; so nobody may be a member.
      await one.port.leaveGroup(GROUP, HOST);
      one.port.write('to nobody', [GROUP, one.number]);
      const last = start();
      last.port.write('marker', [HOST, one.number]);
      await Promise.race([one.protocol.received(2), two.protocol.received(2)]);
      expect([...one.protocol.texts, ...two.protocol.texts].sort()).to.deep.equal([
        'marker',
        'to all',
        'to all',
      ]);
    });

    it('shares a port with nobody unless both say so', () => {
      const { number } = member();
      expect(() => listen(new Datagrams(), {}, number)).to.throw(CannotListenError, 'EADDRINUSE');
      const alone = start({});
      expect(() => member(alone.number)).to.throw(CannotListenError, 'EADDRINUSE');
    });

    it('fails with MulticastJoinError for what is no group, is joined already or is not joined', async () => {
      const { port } = member();
      const errorOf = async (joining: ReturnType<typeof port.joinGroup>): Promise<unknown> =>
        joining.addErrback(({ value }) => value);
      for (const bad of [HOST, 'example.org', 'ff02::1', '']) {
        const error = await errorOf(port.joinGroup(bad, HOST));
        expect(error).to.be.instanceOf(MulticastJoinError);
        expect(String(error)).to.contain(`Cannot join group ${JSON.stringify(bad)} on 127.0.0.1`);
      }
      expect(await errorOf(port.joinGroup(GROUP, 'lo'))).to.be.instanceOf(MulticastJoinError);
      expect(await errorOf(port.joinGroup(GROUP, '198.51.100.1'))).to.be.instanceOf(
        MulticastJoinError,
      );
      expect(String(await errorOf(port.leaveGroup(GROUP, HOST)))).to.contain('Cannot leave group');
      await port.joinGroup(GROUP, HOST);
      const twice = await errorOf(port.joinGroup(GROUP, HOST));
      expect(twice).to.be.instanceOf(MulticastJoinError).and.have.property('cause');
      await port.stopListening();
      expect(String(await errorOf(port.joinGroup(GROUP)))).to.contain('it does not listen');
    });

    it('keeps TTL, loopback mode and outgoing interface', () => {
      const { port } = start({});
      expect([port.getTTL(), port.getLoopbackMode(), port.getOutgoingInterface()]).to.deep.equal([
        1,
        true,
        '0.0.0.0',
      ]);
      const set = sinon.spy(dgram.Socket.prototype, 'setMulticastTTL');
      port.setTTL(33);
      expect(set.calledOnceWithExactly(33)).to.equal(true);
      port.setLoopbackMode(false);
      port.setOutgoingInterface(HOST);
      expect([port.getTTL(), port.getLoopbackMode(), port.getOutgoingInterface()]).to.deep.equal([
        33,
        false,
        HOST,
      ]);
    });

    it('changes nothing when a setting is refused', () => {
      const { port } = start({});
      for (const ttl of [-1, 256, 1.5, Number.NaN]) {
        expect(() => port.setTTL(ttl)).to.throw(RangeError, 'TTL must be');
      }
      for (const addr of ['198.51.100.1', '::1', 'lo', '']) {
        expect(() => port.setOutgoingInterface(addr)).to.throw(InvalidAddressError);
      }
      expect([port.getTTL(), port.getOutgoingInterface()]).to.deep.equal([1, '0.0.0.0']);
    });

    it('hears itself in loopback mode only', async function () {
      // The loopback network brings everything back in either mode. On another one, a TTL of 0 keeps it all in this host.
      const outside = Object.values(networkInterfaces())
        .flatMap((addresses) => addresses ?? [])
        .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
      // Windows asks for the receiver's mode.
      if (process.platform === 'win32' || outside === undefined) this.skip();
      const { protocol, port, number } = member();
      await port.joinGroup(GROUP, outside);
      port.setOutgoingInterface(outside);
      port.setTTL(0);
      port.setLoopbackMode(false);
      port.write('not heard', [GROUP, number]);
      port.setLoopbackMode(true);
      port.write('heard', [GROUP, number]);
      await protocol.received(1);
      expect(protocol.texts).to.deep.equal(['heard']);
    });
  });
});
