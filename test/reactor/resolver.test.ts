import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  Clock,
  DNSLookupError,
  EventLoggingObserver,
  failureResultOf,
  HostnameEndpoint,
  type HostnameResolver,
  type HostResolution,
  IPv4Address,
  IPv6Address,
  LibuvReactor,
  MemoryReactorClock,
  MemoryResolver,
  type ResolutionReceiver,
  resolveAll,
  SystemResolver,
  successResultOf,
} from '../../src/reactor/index.ts';
import { parseHosts } from '../../src/reactor/resolver/hosts-file.ts';
import {
  type AddressType,
  DNSResolver,
  HostsResolver,
  type HostsResolverOptions,
  ResolverBase,
  type ResolverOptions,
} from '../../src/reactor/resolver/index.ts';
import { DNSServer } from '../support/dns-server.ts';
import { FailureTrap } from '../support/recorder.ts';

/** What a look-up tells its receiver, in order. */
class Receiver {
  readonly calls: string[] = [];
  readonly complete: Promise<void>;
  resolutionComplete: () => void = () => {};

  constructor() {
    this.complete = new Promise((resolve) => {
      this.resolutionComplete = () => {
        this.calls.push('complete');
        resolve();
      };
    });
  }

  resolutionBegan(resolution: HostResolution): void {
    this.calls.push(`began ${resolution.name}`);
  }

  addressResolved(address: IPv4Address | IPv6Address): void {
    this.calls.push(String(address));
  }
}

/** A resolver that the test answers for. */
class TestResolver extends ResolverBase {
  readonly asked: Array<[name: string, types: readonly AddressType[]]> = [];
  cancelled = 0;
  found: (hosts: readonly string[]) => void = () => {};

  protected override lookUp(
    name: string,
    types: readonly AddressType[],
    found: (hosts: readonly string[]) => void,
  ): () => void {
    this.asked.push([name, types]);
    this.found = found;
    return () => {
      this.cancelled += 1;
    };
  }
}

function hostsOf(
  resolver: HostnameResolver,
  name: string,
  types?: readonly AddressType[],
): Promise<string[]> {
  return resolveAll(resolver, name, 80, types)
    .addCallback((addresses) => addresses.map(({ host }) => host))
    .toPromise();
}

describe('ResolverBase', () => {
  let clock: Clock;
  let receiver: Receiver;

  beforeEach(() => {
    clock = new Clock();
    receiver = new Receiver();
  });

  function make(options: ResolverOptions = {}): TestResolver {
    return new TestResolver({ clock, ...options });
  }

  it('resolveHostName() tells the addresses that were found, and that these are all', () => {
    const resolver = make();
    resolver.resolveHostName(receiver, 'example.org', 80, undefined, 'UDP');
    expect(receiver.calls).to.deep.equal(['began example.org']);
    resolver.found(['192.0.2.1', '2001:db8::1', 'nonsense']);
    resolver.found(['192.0.2.2']);
    expect(receiver.calls.slice(1)).to.deep.equal([
      String(new IPv4Address('UDP', '192.0.2.1', 80)),
      String(new IPv6Address('UDP', '2001:db8::1', 80)),
      'complete',
    ]);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  for (const [literal, address] of [
    ['192.0.2.1', new IPv4Address('TCP', '192.0.2.1', 0)],
    ['2001:db8::1', new IPv6Address('TCP', '2001:db8::1', 0)],
  ] as const) {
    it(`resolveHostName() answers ${literal} at once and asks nobody`, () => {
      const resolver = make();
      resolver.resolveHostName(receiver, literal);
      expect(receiver.calls.slice(1)).to.deep.equal([String(address), 'complete']);
      expect(resolver.asked).to.deep.equal([]);
    });
  }

  it('resolveHostName() gives the kinds of addresses that were asked for only', () => {
    const resolver = make();
    resolver.resolveHostName(receiver, '192.0.2.1', 0, ['IPv6']);
    expect(receiver.calls.slice(1)).to.deep.equal(['complete']);
    resolver.resolveHostName(receiver, 'a', 0, ['IPv6']);
    expect(resolver.asked).to.deep.equal([['a', ['IPv6']]]);
    resolver.found(['192.0.2.1', '::1']);
    expect(receiver.calls.slice(3)).to.deep.equal([
      String(new IPv6Address('TCP', '::1', 0)),
      'complete',
    ]);
  });

  for (const [order, expected] of [
    ['verbatim', ['192.0.2.1', '::1', '192.0.2.2', '::2']],
    ['ipv4first', ['192.0.2.1', '192.0.2.2', '::1', '::2']],
    ['ipv6first', ['::1', '::2', '192.0.2.1', '192.0.2.2']],
  ] as const) {
    it(`resolveHostName() gives addresses in the order ${order}`, async () => {
      const resolver = make({ order });
      const hosts = hostsOf(resolver, 'a');
      resolver.found(['192.0.2.1', '::1', '192.0.2.2', '::2']);
      expect(await hosts).to.deep.equal(expected);
    });
  }

  it('resolveHostName() looks names up in ASCII and lower case', () => {
    const resolver = make();
    for (const name of ['Bücher.CH', 'xn--bcher-kva.ch', 'Example.Org.']) {
      const resolution = resolver.resolveHostName(receiver, name);
      expect(resolution.name).to.equal(name);
      resolution.cancel();
    }
    expect(resolver.asked.map(([name]) => name)).to.deep.equal([
      'xn--bcher-kva.ch',
      'xn--bcher-kva.ch',
      'example.org',
    ]);
  });

  it('resolveHostName() finds nothing for what cannot be a name', () => {
    const resolver = make();
    resolver.resolveHostName(receiver, 'a b');
    expect(receiver.calls).to.deep.equal(['began a b', 'complete']);
    expect(resolver.asked).to.deep.equal([]);
  });

  it('cancel() gives the look-up up, and nothing is told any more', () => {
    const resolver = make();
    const resolution = resolver.resolveHostName(receiver, 'a');
    resolution.cancel();
    resolution.cancel();
    resolver.found(['192.0.2.1']);
    clock.advance(100);
    expect(receiver.calls).to.deep.equal(['began a']);
    expect(resolver.cancelled).to.equal(1);
  });

  it('cancel() from the receiver ends what is told, before the look-up and within', () => {
    const resolver = make();
    const began: ResolutionReceiver = {
      resolutionBegan: (resolution) => resolution.cancel(),
      addressResolved() {},
      resolutionComplete() {},
    };
    resolver.resolveHostName(began, 'a');
    expect(resolver.asked).to.deep.equal([]);
    const seen: string[] = [];
    const resolution = resolver.resolveHostName(
      {
        resolutionBegan() {},
        addressResolved({ host }) {
          seen.push(host);
          resolution.cancel();
        },
        resolutionComplete: () => seen.push('complete'),
      },
      'a',
    );
    resolver.found(['192.0.2.1', '192.0.2.2']);
    expect(seen).to.deep.equal(['192.0.2.1']);
    expect(resolver.cancelled).to.equal(0);
  });

  it('gives a look-up up that takes longer than it may, 60 s unless told otherwise', () => {
    const resolver = make();
    resolver.resolveHostName(receiver, 'a');
    clock.advance(59.9);
    expect(receiver.calls).to.deep.equal(['began a']);
    clock.advance(0.1);
    expect(receiver.calls).to.deep.equal(['began a', 'complete']);
    expect(resolver.cancelled).to.equal(1);
    resolver.found(['192.0.2.1']);
    expect(receiver.calls).to.have.length(2);
    make({ timeout: 2 }).resolveHostName(receiver, 'b');
    clock.advance(2);
    expect(receiver.calls.slice(2)).to.deep.equal(['began b', 'complete']);
    make({ timeout: null }).resolveHostName(receiver, 'c');
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('refuses options that make no sense', () => {
    expect(() => make({ timeout: 0 })).to.throw(RangeError);
    expect(() => make({ timeout: Number.NaN })).to.throw(RangeError);
    expect(() => make({ order: 'random' as 'verbatim' })).to.throw(TypeError);
  });

  it('serves HostnameEndpoint, whose cancellation reaches it', () => {
    const reactor = new MemoryReactorClock();
    const resolver = new TestResolver({ clock: reactor });
    reactor.installNameResolver(resolver);
    const factory = { buildProtocol: () => null, doStart() {}, doStop() {} };
    new HostnameEndpoint(reactor, 'bücher.ch', 80).connect(factory).addErrback(() => undefined);
    resolver.found(['192.0.2.1']);
    expect(resolver.asked[0]?.[0]).to.equal('xn--bcher-kva.ch');
    expect(reactor.tcpClients[0]?.slice(0, 2)).to.deep.equal(['192.0.2.1', 80]);
    const second = new HostnameEndpoint(reactor, 'a', 80).connect(factory);
    second.addErrback(() => undefined);
    second.cancel();
    expect(resolver.cancelled).to.equal(1);
  });
});

describe('SystemResolver', () => {
  it('finds the loopback', async () => {
    const clock = new Clock();
    const resolver = new SystemResolver({ clock });
    expect(await hostsOf(resolver, 'localhost', ['IPv4'])).to.deep.equal(['127.0.0.1']);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('is cancelled without a word', async () => {
    const receiver = new Receiver();
    const clock = new Clock();
    const resolver = new SystemResolver({ clock });
    resolver.resolveHostName(receiver, 'localhost').cancel();
    await hostsOf(resolver, 'localhost');
    expect(receiver.calls).to.deep.equal(['began localhost']);
  });
});

describe('resolve() of a reactor', () => {
  it('leaves no time limit behind, found or not, and none that is none', () => {
    const reactor = new MemoryReactorClock();
    reactor.hosts.set('a', ['2001:db8::1', '192.0.2.1']);
    expect(successResultOf(reactor.resolve('a', [1, 2]))).to.equal('192.0.2.1');
    failureResultOf(reactor.resolve('b', { timeout: 5 }), DNSLookupError);
    let asked = 0;
    reactor.installNameResolver({
      resolveHostName() {
        asked += 1;
        throw new Error('not to be asked');
      },
    });
    for (const timeout of [-1, Number.NaN, [Number.POSITIVE_INFINITY]]) {
      expect(() => reactor.resolve('a', timeout)).to.throw(RangeError);
    }
    expect(asked).to.equal(0);
    expect(reactor.getDelayedCalls()).to.deep.equal([]);
  });
});

describe('MemoryResolver', () => {
  it('answers from its table, before the call returns', () => {
    const receiver = new Receiver();
    const resolver = new MemoryResolver(new Map([['a', ['::1']]]));
    resolver.resolveHostName(receiver, 'A', 1);
    resolver.resolveHostName(receiver, 'b', 1);
    expect(receiver.calls).to.deep.equal([
      'began A',
      String(new IPv6Address('TCP', '::1', 1)),
      'complete',
      'began b',
      'complete',
    ]);
  });
});

describe('parseHosts()', () => {
  it('parseHosts() reads names and aliases and leaves out what it does not understand', () => {
    const table = parseHosts(
      [
        '# a comment',
        '127.0.0.1\tlocalhost  loopback # two names',
        '::1 LocalHost\r',
        '',
        'not-an-address host',
        '192.0.2.1 bücher.ch a/b trailing.dot.',
        '192.0.2.2',
        '127.0.0.1 localhost',
      ].join('\n'),
    );
    expect([...table]).to.deep.equal([
      ['localhost', ['127.0.0.1', '::1']],
      ['loopback', ['127.0.0.1']],
      ['xn--bcher-kva.ch', ['192.0.2.1']],
      ['trailing.dot', ['192.0.2.1']],
    ]);
  });
});

describe('HostsResolver', () => {
  let folder: string;
  let file: string;
  let clock: Clock;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'strand-hosts-'));
    file = join(folder, 'hosts');
    clock = new Clock();
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  function make(options: HostsResolverOptions = {}): HostsResolver {
    return new HostsResolver({ file, clock, ...options });
  }

  it('answers from its file, which is read again when it has changed', async () => {
    writeFileSync(file, '192.0.2.1 a\n::1 a\n');
    const resolver = make();
    expect(await hostsOf(resolver, 'A')).to.deep.equal(['192.0.2.1', '::1']);
    expect(await hostsOf(resolver, 'a', ['IPv6'])).to.deep.equal(['::1']);
    writeFileSync(file, '192.0.2.22 a\n');
    expect(await hostsOf(resolver, 'a')).to.deep.equal(['192.0.2.22']);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('sees that its file has changed though its time is what it was', async () => {
    const write = (text: string): void => {
      writeFileSync(file, text);
      utimesSync(file, 1, 1);
    };
    write('192.0.2.1 a\n');
    const resolver = make();
    expect(await hostsOf(resolver, 'a')).to.deep.equal(['192.0.2.1']);
    write('192.0.2.22 a\n');
    expect(await hostsOf(resolver, 'a')).to.deep.equal(['192.0.2.22']);
  });

  it('finds nothing without a file, until there is one', async () => {
    const resolver = make();
    let error: unknown;
    await hostsOf(resolver, 'a').catch((reason) => {
      error = reason;
    });
    expect(error).to.be.instanceOf(DNSLookupError);
    writeFileSync(file, '192.0.2.1 a\n');
    expect(await hostsOf(resolver, 'a')).to.deep.equal(['192.0.2.1']);
  });

  it('asks its fallback for what the file does not have, of the kind that is asked for', async () => {
    writeFileSync(file, '192.0.2.1 a\n');
    const table = new Map([
      ['a', ['2001:db8::1', '192.0.2.99']],
      ['b', ['192.0.2.2']],
    ]);
    const resolver = make({ fallback: new MemoryResolver(table) });
    expect(await hostsOf(resolver, 'a')).to.deep.equal(['192.0.2.1']);
    expect(await hostsOf(resolver, 'a', ['IPv6'])).to.deep.equal(['2001:db8::1']);
    expect(await hostsOf(resolver, 'b')).to.deep.equal(['192.0.2.2']);
  });

  it('cancels the fallback with itself', async () => {
    const fallback = new TestResolver({ clock, timeout: null });
    const asked = new Promise<void>((resolve) => {
      fallback.asked.push = (...args): number => {
        resolve();
        return Array.prototype.push.apply(fallback.asked, args);
      };
    });
    const receiver = new Receiver();
    const resolution = make({ fallback }).resolveHostName(receiver, 'a');
    await asked;
    resolution.cancel();
    expect(fallback.cancelled).to.equal(1);
    expect(receiver.calls).to.deep.equal(['began a']);
  });

  it('finds nothing when its fallback throws, which is reported', async () => {
    const trap = new FailureTrap();
    try {
      const fallback: HostnameResolver = {
        resolveHostName() {
          throw new RangeError('out of order');
        },
      };
      let error: unknown;
      await hostsOf(make({ fallback }), 'a').catch((reason) => {
        error = reason;
      });
      expect(error).to.be.instanceOf(DNSLookupError);
      expect(trap.caught.map(({ failure }) => failure.getErrorMessage())).to.deep.equal([
        'out of order',
      ]);
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    } finally {
      trap.restore();
    }
  });

  it('says once that the file cannot be read, and asks its fallback', async () => {
    const log = new EventLoggingObserver();
    try {
      const fallback = new MemoryResolver(new Map([['a', ['192.0.2.2']]]));
      const resolver = make({ file: folder, fallback });
      expect(await hostsOf(resolver, 'a')).to.deep.equal(['192.0.2.2']);
      expect(await hostsOf(resolver, 'a')).to.deep.equal(['192.0.2.2']);
      expect(log.messages('warn')).to.have.length(1);
      expect(log.messages('warn')[0]).to.match(/^Cannot read the hosts file: .*EISDIR/);
    } finally {
      log.remove();
    }
  });

  it('reads the system’s file unless told otherwise', async () => {
    const resolver = new HostsResolver({ clock });
    expect(await hostsOf(resolver, 'localhost', ['IPv4'])).to.deep.equal(['127.0.0.1']);
  });
});

describe('DNSResolver', () => {
  let server: DNSServer;
  let servers: string[];
  let clock: Clock;

  beforeEach(async () => {
    clock = new Clock();
    server = new DNSServer({
      'both.test': { A: ['192.0.2.1', '192.0.2.2'], AAAA: ['2001:db8:0:0:0:0:0:1'] },
      'old.test': { A: ['192.0.2.3'] },
      'xn--bcher-kva.test': { A: ['192.0.2.4'] },
      'loop.test': { A: ['127.0.0.1'] },
      'silent.test': 'silent',
    });
    servers = [await server.start()];
  });

  afterEach(() => server.stop());

  it('asks for both kinds of addresses and gives IPv6 first', async () => {
    const resolver = new DNSResolver({ servers, clock });
    const hosts = await hostsOf(resolver, 'both.test');
    expect(hosts[0]).to.equal('2001:db8::1');
    expect(hosts.slice(1).sort()).to.deep.equal(['192.0.2.1', '192.0.2.2']);
    expect([...server.questions].sort()).to.deep.equal(['A both.test', 'AAAA both.test']);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('gives what there is, and asks only for what is wanted', async () => {
    const resolver = new DNSResolver({ servers, clock, order: 'ipv4first' });
    expect(await hostsOf(resolver, 'old.test')).to.deep.equal(['192.0.2.3']);
    server.questions.length = 0;
    expect((await hostsOf(resolver, 'both.test', ['IPv6'])).length).to.equal(1);
    expect(server.questions).to.deep.equal(['AAAA both.test']);
    expect((await hostsOf(resolver, 'both.test')).at(-1)).to.equal('2001:db8::1');
  });

  it('finds nothing for a name that does not exist', async () => {
    const receiver = new Receiver();
    new DNSResolver({ servers, clock }).resolveHostName(receiver, 'nowhere.test');
    await receiver.complete;
    expect(receiver.calls).to.deep.equal(['began nowhere.test', 'complete']);
  });

  it('asks for names outside ASCII in their other form', async () => {
    const resolver = new DNSResolver({ servers, clock });
    expect(await hostsOf(resolver, 'Bücher.test')).to.deep.equal(['192.0.2.4']);
  });

  it('does not ask for the loopback', async () => {
    const resolver = new DNSResolver({ servers, clock });
    expect(await hostsOf(resolver, 'localhost')).to.deep.equal(['127.0.0.1', '::1']);
    expect(await hostsOf(resolver, 'a.localhost', ['IPv6'])).to.deep.equal(['::1']);
    expect(server.questions).to.deep.equal([]);
  });

  it('gives up at its time-out, by its clock, while the server says nothing', async () => {
    const receiver = new Receiver();
    new DNSResolver({ servers, clock, timeout: 3 }).resolveHostName(receiver, 'silent.test');
    await server.asked();
    clock.advance(3);
    expect(receiver.calls).to.deep.equal(['began silent.test', 'complete']);
  });

  it('asks no more often than it is told to', async () => {
    const receiver = new Receiver();
    const options = { servers, clock, tryTimeout: 0.05, tries: 1 };
    const asked = server.asked();
    new DNSResolver(options).resolveHostName(receiver, 'silent.test', 0, ['IPv4']);
    // On a busy machine the time may be over before the server has read the question.
    await Promise.all([asked, receiver.complete]);
    expect(server.questions).to.deep.equal(['A silent.test']);
  });

  it('ends one look-up when that is cancelled, and not the others', async () => {
    const resolver = new DNSResolver({ servers, clock });
    const receiver = new Receiver();
    const cancelled = resolver.resolveHostName(receiver, 'silent.test');
    const other = hostsOf(resolver, 'old.test');
    await server.asked();
    cancelled.cancel();
    expect(await other).to.deep.equal(['192.0.2.3']);
    expect(receiver.calls).to.deep.equal(['began silent.test']);
  });

  it('refuses options that make no sense', () => {
    expect(() => new DNSResolver({ servers: ['example.org'] })).to.throw(TypeError);
    expect(() => new DNSResolver({ tries: 0 })).to.throw(RangeError);
    expect(() => new DNSResolver({ tryTimeout: 0 })).to.throw(RangeError);
  });

  it('serves a real HostnameEndpoint, behind a hosts file', async () => {
    const reactor = new LibuvReactor();
    const fallback = new DNSResolver({ servers, clock: reactor });
    reactor.installNameResolver(
      new HostsResolver({ file: join(tmpdir(), 'strand-no-hosts'), fallback, clock: reactor }),
    );
    const port = reactor.listenTCP(
      0,
      { buildProtocol: () => null, doStart() {}, doStop() {} },
      { interface: '127.0.0.1' },
    );
    const ended = new Promise<void>((resolve) => {
      const protocol = {
        makeConnection() {},
        dataReceived() {},
        connectionLost: () => resolve(),
      };
      new HostnameEndpoint(reactor, 'loop.test', port.getHost().port).connect({
        buildProtocol: () => protocol,
        doStart() {},
        doStop() {},
      });
    });
    await ended;
    await port.stopListening();
    expect(server.questions).to.include('A loop.test');
    expect(reactor.getDelayedCalls()).to.deep.equal([]);
  });
});
