import { expect } from 'chai';
import { Deferred } from '../../../src/deferred/index.ts';
import { encodeAddress } from '../../../src/protocols/socks/messages.ts';
import { UDPAssociation } from '../../../src/protocols/socks/udp.ts';
import {
  CannotListenError,
  IPv4Address,
  MemoryReactorClock,
  type MemoryUDPPort,
  StringTransport,
} from '../../../src/reactor/index.ts';

const CLIENT: [string, number] = ['127.0.0.1', 40000];
const ADDRESS = '192.0.2.7';

describe('UDPAssociation', () => {
  let reactor: MemoryReactorClock;
  let transport: StringTransport;
  let association: UDPAssociation;
  /** Those whose verdict is to come. */
  let asked: Array<{ host: string; verdict: Deferred<string[]> }>;

  function begin(port = 0, idleTimeout: number | null = 100): void {
    reactor = new MemoryReactorClock();
    transport = new StringTransport({
      hostAddress: new IPv4Address('TCP', '127.0.0.1', 1080),
      peerAddress: new IPv4Address('TCP', ...CLIENT),
      lenient: true,
    });
    asked = [];
    association = new UDPAssociation(
      { type: 'request', version: 5, command: 'udp', userId: '', host: '0.0.0.0', port },
      {
        reactor,
        transport,
        idleTimeout,
        permitted: ({ host }) => {
          const verdict = new Deferred<string[]>();
          asked.push({ host, verdict });
          return verdict;
        },
      },
    );
  }

  beforeEach(() => begin());

  const port = (index: number): MemoryUDPPort => {
    const found = reactor.udpPorts[index];
    if (found === undefined) throw new Error(`There is no port ${index}`);
    return found;
  };

  function receive(index: number, datagram: Buffer, from: [string, number]): void {
    reactor.udpServers[index]?.[1].datagramReceived(datagram, from);
  }

  function say(host: string, text: string, from = CLIENT, head = '000000'): void {
    const to = encodeAddress({ host, port: 53 });
    receive(0, Buffer.concat([Buffer.from(head, 'hex'), to, Buffer.from(text)]), from);
  }

  /** Lets the last target be connected to, as an address of its own unless it is said which. */
  function allow(addresses: string[] = [ADDRESS]): void {
    asked.pop()?.verdict.callback(addresses);
  }

  const sent = (index: number): string[] =>
    port(index).written.map(([datagram, to]) => `${datagram} to ${to?.join(' ')}`);

  it('sends what the client says where it may go, and asks once for each target', () => {
    say('dns.example', 'one');
    expect(reactor.udpPorts).to.have.length(1);
    allow();
    say('dns.example', 'two');
    expect(asked).to.deep.equal([]);
    expect(sent(1)).to.deep.equal([`one to ${ADDRESS} 53`, `two to ${ADDRESS} 53`]);
    say('bad.example', 'three');
    asked.pop()?.verdict.errback(new Error('no'));
    say('bad.example', 'four');
    expect([asked.length, sent(1).length]).to.deep.equal([0, 2]);
  });

  it('takes nothing but whole datagrams of its client, from one port', () => {
    say(ADDRESS, 'x', ['127.0.0.2', 40000]);
    say(ADDRESS, 'x', CLIENT, '000001');
    say(ADDRESS, 'x', CLIENT, '000100');
    receive(0, Buffer.from('00000001', 'hex'), CLIENT);
    receive(0, Buffer.alloc(2), CLIENT);
    expect(asked).to.have.length(0);
    say(ADDRESS, 'x');
    expect(asked).to.have.length(1);
    say(ADDRESS, 'x', ['127.0.0.1', 40001]);
    expect(asked).to.have.length(1);
    begin(40002);
    say(ADDRESS, 'x');
    expect(asked).to.have.length(0);
    say(ADDRESS, 'x', ['127.0.0.1', 40002]);
    expect(asked).to.have.length(1);
  });

  it('has so many wait for a verdict and no more', () => {
    for (let i = 0; i < 20; i += 1) say(`${i}.example`, 'x');
    expect(asked).to.have.length(16);
    allow();
    say('more.example', 'x');
    say('too-many.example', 'x');
    expect(asked.map(({ host }) => host).at(-1)).to.equal('more.example');
    expect(asked).to.have.length(16);
  });

  it('lets targets answer, and nobody else', () => {
    say('dns.example', 'x');
    allow();
    receive(1, Buffer.from('answer'), [ADDRESS, 53]);
    receive(1, Buffer.from('answer'), [ADDRESS, 54]);
    receive(1, Buffer.from('answer'), ['192.0.2.8', 53]);
    const head = Buffer.concat([Buffer.alloc(3), encodeAddress({ host: ADDRESS, port: 53 })]);
    expect(port(0).written).to.deep.equal([[Buffer.concat([head, Buffer.from('answer')]), CLIENT]]);
  });

  it('goes on hearing a target as long as one of its names is remembered', () => {
    say('first.example', 'x');
    allow();
    for (let i = 0; i < 254; i += 1) {
      say(`${i}.example`, 'x');
      allow([`198.51.100.${i}`]);
    }
    say('second.example', 'x');
    allow();
    // One more, for which the first is forgotten.
    say('last.example', 'x');
    allow(['203.0.113.1']);
    const before = port(0).written.length;
    receive(1, Buffer.from('answer'), [ADDRESS, 53]);
    expect(port(0).written.length).to.equal(before + 1);
    say('first.example', 'again');
    expect(asked).to.have.length(1);
    // And nobody who is forgotten altogether: this is the 257th, and the next one goes for it.
    allow(['203.0.113.2']);
    receive(1, Buffer.from('answer'), ['198.51.100.0', 53]);
    expect(port(0).written.length).to.equal(before + 1);
  });

  it('forgets a target that was asked for twice at once like any other', () => {
    for (const word of ['one', 'two']) say('first.example', word);
    expect(asked).to.have.length(2);
    allow();
    allow();
    expect(sent(1)).to.have.length(2);
    for (let i = 0; i < 256; i += 1) {
      say(`${i}.example`, 'x');
      allow([`198.51.100.${i}`]);
    }
    receive(1, Buffer.from('answer'), [ADDRESS, 53]);
    receive(1, Buffer.from('answer'), ['198.51.100.0', 53]);
    expect(port(0).written).to.have.length(1);
  });

  it('loses what goes to a family that the system has not got', () => {
    const { listenUDP } = reactor;
    reactor.listenUDP = (...args) => {
      if (args[2]?.interface === '::')
        throw new CannotListenError('::', 0, new Error('EAFNOSUPPORT'));
      return listenUDP.apply(reactor, args);
    };
    say('six.example', 'x');
    allow(['2001:db8::1']);
    say('six.example', 'x');
    say('four.example', 'x');
    allow();
    expect(sent(1)).to.deep.equal([`x to ${ADDRESS} 53`]);
  });

  it('ends its connection after idleTimeout without a datagram, and all its ports with that', () => {
    reactor.advance(90);
    say('dns.example', 'x');
    allow();
    reactor.advance(90);
    expect(transport.disconnecting).to.equal(false);
    reactor.advance(10);
    expect(transport.disconnecting).to.equal(true);
    association.stop();
    expect(reactor.udpPorts.map(({ listening }) => listening)).to.deep.equal([false, false]);
    begin(0, null);
    expect(reactor.getDelayedCalls()).to.deep.equal([]);
    say('late.example', 'x');
    association.stop();
    allow();
    expect(reactor.udpPorts).to.have.length(1);
  });
});
