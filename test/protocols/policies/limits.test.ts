import { expect } from 'chai';
import fc from 'fast-check';
import { Failure } from '../../../src/deferred/index.ts';
import { ClientFactory, Factory, Protocol } from '../../../src/protocols/index.ts';
import {
  LimitConnectionRate,
  LimitConnectionsByPeer,
  LimitTotalConnectionsFactory,
} from '../../../src/protocols/policies/index.ts';
import { peerName } from '../../../src/protocols/policies/peer-name.ts';
import {
  type Address,
  Clock,
  ConnectionDone,
  HostnameAddress,
  type IProtocol,
  IPv4Address,
  IPv6Address,
  LibuvReactor,
  type LogEvent,
  StringTransport,
  setLogObserver,
  UNIXAddress,
} from '../../../src/reactor/index.ts';
import { Progress } from '../../support/recorder.ts';

const DONE = new Failure(new ConnectionDone());
const PEER = new IPv4Address('TCP', '192.0.2.1', 4711);

function v6(host: string): IPv6Address {
  return new IPv6Address('TCP', host, 1);
}

function quiet(): Factory {
  const factory = Factory.forProtocol(Protocol);
  factory.noisy = false;
  return factory;
}

function made(protocol: IProtocol | null): IProtocol {
  if (protocol === null) throw new Error('The connection was refused');
  protocol.makeConnection(new StringTransport());
  return protocol;
}

describe('Limits on connections', () => {
  let logged: LogEvent[];
  let before: ReturnType<typeof setLogObserver>;

  beforeEach(() => {
    logged = [];
    before = setLogObserver((event) => logged.push(event));
  });

  afterEach(() => setLogObserver(before));

  describe('LimitTotalConnectionsFactory', () => {
    class Busy extends Protocol {}

    it('serves as many connections as it may, and more when one is over', () => {
      const factory = new LimitTotalConnectionsFactory(quiet(), { connectionLimit: 2 });
      const first = made(factory.buildProtocol(PEER));
      made(factory.buildProtocol(PEER));
      expect(factory.connectionCount).to.equal(2);
      expect(factory.buildProtocol(PEER)).to.equal(null);
      first.connectionLost(DONE);
      first.connectionLost(DONE);
      expect(factory.connectionCount).to.equal(1);
      made(factory.buildProtocol(PEER));
      expect(factory.buildProtocol(PEER)).to.equal(null);
      expect(logged.map(({ message }) => message)).to.deep.equal([
        'Refusing connections: 2 stand, as many as may',
      ]);
    });

    it('has no limit unless it is given one', () => {
      const factory = new LimitTotalConnectionsFactory(quiet());
      for (let i = 0; i < 1000; i++) made(factory.buildProtocol(PEER));
      expect(factory.connectionCount).to.equal(1000);
    });

    it('gives further connections the protocol for those that overflow, up to a number of its own', () => {
      const factory = new LimitTotalConnectionsFactory(quiet(), {
        connectionLimit: 1,
        overflowProtocol: Busy,
        overflowLimit: 2,
      });
      made(factory.buildProtocol(PEER));
      const over = [made(factory.buildProtocol(PEER)), made(factory.buildProtocol(PEER))];
      for (const each of over as unknown as Array<{ wrappedProtocol: Busy }>) {
        expect(each.wrappedProtocol).to.be.instanceOf(Busy);
        expect(each.wrappedProtocol.factory).to.equal(factory);
      }
      expect(factory.buildProtocol(PEER)).to.equal(null);
      expect(factory.connectionCount).to.equal(3);
      over[0]?.connectionLost(DONE);
      made(factory.buildProtocol(PEER));
      expect(factory.buildProtocol(PEER)).to.equal(null);
    });

    it('counts one that is lost once, even if it is told so twice', () => {
      const factory = new LimitTotalConnectionsFactory(quiet(), {
        connectionLimit: 0,
        overflowProtocol: () => new Busy(),
        overflowLimit: 1,
      });
      const over = made(factory.buildProtocol(PEER));
      over.connectionLost(DONE);
      over.connectionLost(DONE);
      made(factory.buildProtocol(PEER));
      expect(factory.buildProtocol(PEER)).to.equal(null);
    });

    it('does not let those that overflow keep others out', () => {
      const factory = new LimitTotalConnectionsFactory(quiet(), {
        connectionLimit: 1,
        overflowProtocol: () => new Busy(),
      });
      const first = made(factory.buildProtocol(PEER));
      for (let i = 0; i < 10; i++) made(factory.buildProtocol(PEER));
      first.connectionLost(DONE);
      const next = made(factory.buildProtocol(PEER)) as IProtocol & { wrappedProtocol: unknown };
      expect(next.wrappedProtocol).not.to.be.instanceOf(Busy);
    });

    it("serves a subclass's own protocol", () => {
      class Own extends LimitTotalConnectionsFactory {
        override protocol = Protocol;
        override connectionLimit = 1;
        override overflowProtocol = Busy;
        override noisy = false;
      }
      const factory = new Own();
      const wrapper = made(factory.buildProtocol(PEER)) as IProtocol & {
        wrappedProtocol: Protocol;
      };
      expect(wrapper.wrappedProtocol.factory).to.equal(factory);
      expect(factory.buildProtocol(PEER)?.logPrefix?.()).to.match(/^Busy/);
    });

    it('starts and stops the factory in it, and passes on a refusal of its', () => {
      const calls: string[] = [];
      const factory = new LimitTotalConnectionsFactory({
        buildProtocol: () => null,
        doStart: () => calls.push('start'),
        doStop: () => calls.push('stop'),
      });
      factory.doStart();
      factory.doStop();
      expect(calls).to.deep.equal(['start', 'stop']);
      expect(factory.buildProtocol(PEER)).to.equal(null);
    });
  });

  describe('LimitConnectionsByPeer', () => {
    it('allows five connections of each peer, whatever the ports', () => {
      const factory = new LimitConnectionsByPeer(quiet());
      const connections = [1, 2, 3, 4, 5].map((port) =>
        made(factory.buildProtocol(new IPv4Address('TCP', '192.0.2.1', port))),
      );
      expect(factory.buildProtocol(PEER)).to.equal(null);
      expect(factory.countOf(PEER)).to.equal(5);
      made(factory.buildProtocol(new IPv4Address('TCP', '192.0.2.2', 1)));
      connections[0]?.connectionLost(DONE);
      connections[0]?.connectionLost(DONE);
      expect(factory.countOf(PEER)).to.equal(4);
      made(factory.buildProtocol(PEER));
      expect(factory.buildProtocol(PEER)).to.equal(null);
    });

    it('counts an IPv6 network of 64 bits as one peer, and IPv4 in IPv6 as IPv4', () => {
      const factory = new LimitConnectionsByPeer(quiet(), { maxConnectionsPerPeer: 1 });
      made(factory.buildProtocol(v6('2001:db8:0:1::1')));
      expect(factory.buildProtocol(v6('2001:db8:0:1:ffff::2'))).to.equal(null);
      made(factory.buildProtocol(v6('2001:db8:0:2::1')));
      made(factory.buildProtocol(PEER));
      expect(factory.buildProtocol(v6('::ffff:192.0.2.1'))).to.equal(null);
    });

    it('tells addresses of one network apart when it is told so', () => {
      const factory = new LimitConnectionsByPeer(quiet(), {
        maxConnectionsPerPeer: 1,
        ipv6Prefix: 128,
        ipv4Prefix: 24,
      });
      made(factory.buildProtocol(v6('2001:db8::1')));
      made(factory.buildProtocol(v6('2001:db8::2')));
      made(factory.buildProtocol(PEER));
      expect(factory.buildProtocol(new IPv4Address('TCP', '192.0.2.99', 1))).to.equal(null);
      made(factory.buildProtocol(new IPv4Address('TCP', '192.0.3.1', 1)));
    });

    it('has no limit for whom is exempt, and where peers cannot be told apart', () => {
      const factory = new LimitConnectionsByPeer(quiet(), {
        maxConnectionsPerPeer: 1,
        exempt: (addr: Address) => addr.equals(PEER),
      });
      for (const address of [PEER, new UNIXAddress('/run/x'), new HostnameAddress('x', 1)]) {
        for (let i = 0; i < 10; i++) made(factory.buildProtocol(address));
      }
      expect(factory.protocols.size).to.equal(30);
    });

    it('remembers nobody who has no connection', () => {
      const factory = new LimitConnectionsByPeer(quiet());
      const connections = Array.from({ length: 100 }, (_, i) => {
        const addr = new IPv4Address('TCP', `198.51.100.${i}`, 1);
        // Those that are built and never connected do not count.
        factory.buildProtocol(addr);
        return [addr, made(factory.buildProtocol(addr))] as const;
      });
      const forgotten = new Set<unknown>();
      const { delete: forget } = Map.prototype;
      Map.prototype.delete = function (this: Map<unknown, unknown>, key: unknown): boolean {
        forgotten.add(key);
        return forget.call(this, key);
      };
      try {
        for (const [, protocol] of connections) protocol.connectionLost(DONE);
      } finally {
        Map.prototype.delete = forget;
      }
      for (const [{ host }] of connections) expect([...forgotten]).to.include(host);
      for (const [addr] of connections) expect(factory.countOf(addr)).to.equal(0);
    });

    it('refuses a prefix that is none', () => {
      for (const wrong of [-1, 1.5, 129]) {
        expect(() => new LimitConnectionsByPeer(quiet(), { ipv6Prefix: wrong })).to.throw(
          RangeError,
          `Cannot use prefix ${wrong}`,
        );
      }
      expect(() => new LimitConnectionRate(quiet(), { ipv4Prefix: 33 })).to.throw(RangeError);
    });
  });

  describe('LimitConnectionRate', () => {
    let clock: Clock;

    beforeEach(() => {
      clock = new Clock();
    });

    function accepted(factory: LimitConnectionRate, attempts: number, peer: Address): number {
      let count = 0;
      for (let i = 0; i < attempts; i++) if (factory.buildProtocol(peer) !== null) count += 1;
      return count;
    }

    it('accepts a burst, and then as many as flow in', () => {
      const factory = new LimitConnectionRate(quiet(), { rate: 10, clock });
      expect(accepted(factory, 100, PEER)).to.equal(10);
      clock.advance(0.35);
      expect(accepted(factory, 100, PEER)).to.equal(3);
      clock.advance(100);
      expect(accepted(factory, 100, PEER)).to.equal(10);
    });

    it('holds the rate exactly, however often one tries', () => {
      const factory = new LimitConnectionRate(quiet(), { rate: 0.5, burst: 3, clock });
      let count = 0;
      for (let i = 0; i < 10_000; i++) {
        count += accepted(factory, 1, PEER);
        clock.advance(0.01);
      }
      expect(count).to.equal(3 + 49);
    });

    it('holds each peer to a rate of its own, at no cost to others', () => {
      const factory = new LimitConnectionRate(quiet(), { rate: 100, ratePerPeer: 2, clock });
      expect(accepted(factory, 1000, PEER)).to.equal(2);
      expect(accepted(factory, 1000, v6('2001:db8::1'))).to.equal(2);
      expect(accepted(factory, 1000, v6('2001:db8::2'))).to.equal(0);
      for (let i = 0; i < 1000; i++) {
        factory.buildProtocol(new IPv4Address('TCP', `10.0.${i >> 8}.${i & 255}`, 1));
      }
      // What was refused to a peer was not taken from all.
      expect(accepted(factory, 10, new IPv4Address('TCP', '10.9.9.9', 1))).to.equal(0);
      clock.advance(1);
      expect(accepted(factory, 10, PEER)).to.equal(2);
    });

    it('remembers a limited number of peers, and forgets the one it has not seen the longest', () => {
      const factory = new LimitConnectionRate(quiet(), { ratePerPeer: 1, maxPeers: 2, clock });
      const peers = [1, 2, 3].map((n) => new IPv4Address('TCP', `192.0.2.${n}`, 1));
      const [a = PEER, b = PEER, c = PEER] = peers;
      expect(accepted(factory, 1, a) + accepted(factory, 1, b)).to.equal(2);
      expect(accepted(factory, 1, a)).to.equal(0);
      expect(accepted(factory, 1, c)).to.equal(1);
      expect([accepted(factory, 1, a), accepted(factory, 1, b)]).to.deep.equal([0, 1]);
    });

    it('refuses what is no rate', () => {
      for (const wrong of [0, -1, Number.NaN]) {
        expect(() => new LimitConnectionRate(quiet(), { rate: wrong })).to.throw(RangeError);
        expect(() => new LimitConnectionRate(quiet(), { ratePerPeer: wrong })).to.throw(RangeError);
      }
    });
  });

  describe('peerName()', () => {
    it('peerName() keeps the leading bits, and no others', () => {
      for (const [host, ipv6Prefix, name] of [
        ['2001:db8:1:2:3:4:5:6', 128, '2001:db8:1:2:3:4:5:6'],
        ['2001:db8:1:2:3:4:5:6', 64, '2001:db8:1:2::/64'],
        ['2001:db8:1:ffff::', 50, '2001:db8:1:c000::/50'],
        ['fe80::1%eth0', 64, 'fe80::/64'],
        ['::1', 0, '::/0'],
      ] as const) {
        expect(peerName(v6(host), { ipv6Prefix })).to.equal(name);
      }
      expect(peerName(PEER, { ipv4Prefix: 20 })).to.equal('192.0.0.0/20');
      expect(peerName(v6('::ffff:192.0.2.1'), { ipv4Prefix: 20 })).to.equal('192.0.0.0/20');
      expect(peerName(new UNIXAddress('/x'))).to.equal(undefined);
    });

    it('peerName() is the same for two addresses exactly when their leading bits are', () => {
      const address = fc.uint8Array({ minLength: 16, maxLength: 16 });
      const host = (bytes: Uint8Array): string =>
        Array.from({ length: 8 }, (_, i) =>
          (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
        ).join(':');
      const bits = (bytes: Uint8Array): string =>
        Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('');
      fc.assert(
        fc.property(address, fc.nat({ max: 127 }), fc.nat({ max: 128 }), (one, flip, prefix) => {
          one[0] = 0x20; // none that stands for IPv4
          const other = Uint8Array.from(one);
          const at = Math.max(8, flip);
          other[at >> 3] = (other[at >> 3] ?? 0) ^ (0x80 >> (at & 7));
          const names = [one, other].map((each) =>
            peerName(v6(host(each)), { ipv6Prefix: prefix }),
          );
          const same = bits(one).slice(0, prefix) === bits(other).slice(0, prefix);
          expect(names[0] === names[1]).to.equal(same);
        }),
      );
    });
  });

  it('hold in a storm of real connections, and nothing is left behind', async () => {
    const reactor = new LibuvReactor();
    const progress = new Progress();
    let most = 0;
    let standing = 0;
    class Held extends Protocol {
      override connectionMade(): void {
        standing += 1;
        most = Math.max(most, standing);
        this.transport.write('x');
      }
      override connectionLost(): void {
        standing -= 1;
        progress.changed();
      }
    }
    const inner = Factory.forProtocol(Held);
    inner.noisy = false;
    const byPeer = new LimitConnectionsByPeer(inner, { maxConnectionsPerPeer: 20 });
    const total = new LimitTotalConnectionsFactory(byPeer, { connectionLimit: 15 });
    const port = reactor.listenTCP(0, total, { interface: '127.0.0.1' });
    let over = 0;
    const served: Protocol[] = [];
    class Client extends Protocol {
      override dataReceived(): void {
        served.push(this);
        progress.changed();
      }
    }
    class Clients extends ClientFactory {
      override noisy = false;
      override protocol = Client;
      override clientConnectionLost(): void {
        over += 1;
        progress.changed();
      }
      override clientConnectionFailed(): void {
        over += 1;
        progress.changed();
      }
    }
    const clients = new Clients();
    for (let i = 0; i < 200; i++) reactor.connectTCP('127.0.0.1', port.getHost().port, clients);
    await progress.until(() => over + served.length === 200);
    expect([served.length, most, total.connectionCount]).to.deep.equal([15, 15, 15]);
    for (const each of served) each.transport.loseConnection();
    await progress.until(() => over === 200 && standing === 0);
    expect([total.connectionCount, byPeer.protocols.size, byPeer.countOf(PEER)]).to.deep.equal([
      0, 0, 0,
    ]);
    expect(logged.filter(({ level }) => level === 'warn')).to.have.length(1);
    await port.stopListening();
    expect(reactor.openCount).to.equal(0);
  });
});
