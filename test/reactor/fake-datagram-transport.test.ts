import { expect } from 'chai';
import {
  AlreadyConnected,
  FakeDatagramTransport,
  InvalidAddressError,
  IPv6Address,
  MessageLengthError,
  MulticastJoinError,
} from '../../src/reactor/index.ts';

const ADDR = ['192.0.2.7', 9] as const;

describe('FakeDatagramTransport', () => {
  let transport: FakeDatagramTransport;

  beforeEach(() => {
    transport = new FakeDatagramTransport();
  });

  it('keeps every datagram with its address', () => {
    transport.write('text: ü', ADDR);
    transport.write(new Uint8Array([1, 2]), ADDR);
    transport.writeSequence(['a', Buffer.from('b')], ADDR);
    transport.writeSequence([], ADDR);
    expect(transport.written).to.deep.equal([
      [Buffer.from('text: ü'), ADDR],
      [Buffer.of(1, 2), ADDR],
      [Buffer.from('ab'), ADDR],
      [Buffer.alloc(0), ADDR],
    ]);
  });

  it('does not copy bytes, as a real transport does not', () => {
    const data = Buffer.from('abc');
    transport.write(data, ADDR);
    data.fill('x');
    expect(String(transport.written[0]?.[0])).to.equal('xxx');
  });

  it('refuses what a real port refuses', () => {
    expect(() => transport.write(1 as never, ADDR)).to.throw(TypeError);
    expect(() => transport.write('x')).to.throw(InvalidAddressError);
    expect(() => transport.write('x', ['::1', 9])).to.throw(InvalidAddressError);
    expect(() => transport.write('x', ['192.0.2.7', 0])).to.throw(RangeError);
    expect(() => transport.write(Buffer.alloc(65_508), ADDR)).to.throw(MessageLengthError);
    expect(() => transport.connect('example.org', 9)).to.throw(InvalidAddressError);
    expect(transport.written).to.deep.equal([]);
  });

  it('is of the family of its address', () => {
    const six = new FakeDatagramTransport(new IPv6Address('UDP', '2001:db8::1', 53));
    expect(six.getHost().port).to.equal(53);
    six.write(Buffer.alloc(65_527), ['2001:db8::2', 9]);
    expect(() => six.write('x', ADDR)).to.throw(InvalidAddressError);
    expect(six.written).to.have.length(1);
    expect(six.getOutgoingInterface()).to.equal('::');
  });

  it('connect() happens once; from there on datagrams need no address', () => {
    transport.connect(...ADDR);
    transport.write('a');
    transport.write('b', ADDR);
    expect(transport.peer).to.deep.equal(ADDR);
    expect(transport.written).to.deep.equal([
      [Buffer.from('a'), undefined],
      [Buffer.from('b'), undefined],
    ]);
    expect(() => transport.write('c', ['192.0.2.8', 9])).to.throw(InvalidAddressError);
    expect(() => transport.connect(...ADDR)).to.throw(AlreadyConnected);
  });

  it('stopListening() fires at once; what is written then goes nowhere', () => {
    let fired = false;
    transport.loseConnection().addCallback(() => {
      fired = true;
    });
    transport.write('x', ADDR);
    expect(fired).to.equal(true);
    expect(transport.stopped).to.equal(true);
    expect(transport.written).to.deep.equal([]);
  });

  it('keeps the groups that are joined, and fails for what is none', async () => {
    await transport.joinGroup('239.1.2.3');
    await transport.joinGroup('224.0.0.1', '192.0.2.1');
    expect(transport.groups).to.deep.equal([
      ['239.1.2.3', ''],
      ['224.0.0.1', '192.0.2.1'],
    ]);
    await transport.leaveGroup('239.1.2.3');
    expect(transport.groups).to.deep.equal([['224.0.0.1', '192.0.2.1']]);
    for (const joining of [
      transport.joinGroup('224.0.0.1', '192.0.2.1'),
      transport.joinGroup('192.0.2.7'),
      transport.joinGroup('ff02::1'),
      transport.leaveGroup('239.1.2.3'),
    ]) {
      const error = await joining.addErrback(({ value }) => value);
      expect(error).to.be.instanceOf(MulticastJoinError);
    }
    const six = new FakeDatagramTransport(new IPv6Address('UDP', '::1', 9));
    await six.joinGroup('FF12::1');
    expect(six.groups).to.deep.equal([['FF12::1', '']]);
  });

  it('keeps the settings', () => {
    const settings = (): unknown[] => [
      transport.getBroadcastAllowed(),
      transport.getLoopbackMode(),
      transport.getTTL(),
      transport.getOutgoingInterface(),
    ];
    expect(settings()).to.deep.equal([false, true, 1, '0.0.0.0']);
    transport.setBroadcastAllowed(true);
    transport.setLoopbackMode(false);
    transport.setTTL(5);
    transport.setOutgoingInterface('192.0.2.1');
    expect(settings()).to.deep.equal([true, false, 5, '192.0.2.1']);
    expect(() => transport.setTTL(256)).to.throw(RangeError);
    expect(() => transport.setOutgoingInterface('eth0')).to.throw(InvalidAddressError);
    expect(settings()).to.deep.equal([true, false, 5, '192.0.2.1']);
  });
});
