import { expect } from 'chai';
import fc from 'fast-check';
import type { Deferred } from '../../../src/deferred/index.ts';
import {
  SOCKS4ClientEndpoint,
  SOCKS5ClientEndpoint,
  type SOCKS5ClientOptions,
  SOCKSAuthenticationError,
  SOCKSError,
  SOCKSProtocolError,
  SOCKSRefusedError,
} from '../../../src/protocols/socks/index.ts';
import { encodeAnswer, encodeAnswer4 } from '../../../src/protocols/socks/messages.ts';
import {
  assertNoResult,
  ConnectingCancelledError,
  ConnectionCompleter,
  ConnectionDone,
  ConnectionLost,
  ConnectionRefusedError,
  clientFromString,
  type EndpointFactory,
  EndpointSyntaxError,
  failureResultOf,
  HostnameAddress,
  type IOPump,
  type IProtocol,
  IPv4Address,
  MemoryReactorClock,
  NoProtocol,
  type StreamClientEndpoint,
  successResultOf,
  TCP4ClientEndpoint,
  TimeoutError,
} from '../../../src/reactor/index.ts';
import { Recorder, RecordingFactory } from '../../support/recorder.ts';
import { byteByByte, cutAt, someCuts } from '../support.ts';

const REFUSALS: ReadonlyArray<readonly [number, string]> = [
  [1, 'general failure'],
  [2, 'not allowed by its rules'],
  [3, 'network unreachable'],
  [4, 'host unreachable'],
  [5, 'connection refused'],
  [6, 'took too long'],
  [7, 'command not supported'],
  [8, 'kind of address not supported'],
  [99, 'unknown reason'],
];

/** A client, and a proxy that the test plays. */
class World {
  readonly reactor = new MemoryReactorClock();
  readonly proxy = new Recorder();
  readonly endpoint = new TCP4ClientEndpoint(this.reactor, '192.0.2.1', 1080);
  readonly inner = new Recorder();
  readonly calls: string[] = [];
  readonly addresses: unknown[] = [];
  #pump: IOPump | undefined;

  constructor() {
    this.reactor.listenTCP(1080, new RecordingFactory(() => this.proxy));
  }

  factory(build: () => IProtocol | null = () => this.inner): EndpointFactory<IProtocol> {
    return {
      buildProtocol: (address) => {
        this.addresses.push(address);
        return build();
      },
      doStart: () => this.calls.push('start'),
      doStop: () => this.calls.push('stop'),
    };
  }

  connect(endpoint: StreamClientEndpoint, build?: () => IProtocol | null): Deferred<IProtocol> {
    const connecting = endpoint.connect(this.factory(build));
    this.#pump = new ConnectionCompleter(this.reactor).succeedOnce();
    return connecting;
  }

  five(options: SOCKS5ClientOptions = {}, host = 'example.org'): SOCKS5ClientEndpoint {
    return new SOCKS5ClientEndpoint(this.endpoint, host, 80, { clock: this.reactor, ...options });
  }

  pump(): void {
    this.#pump?.flush();
  }

  /** What the proxy was told since the last call, in hex. */
  told(): string {
    const all = this.proxy.received.toString('hex');
    this.proxy.chunks.length = 0;
    return all;
  }

  answer(...pieces: Array<Buffer | readonly number[]>): void {
    for (const piece of pieces) this.proxy.transport.write(Buffer.from(piece));
    this.pump();
  }
}

const hex = (text: string): string => Buffer.from(text).toString('hex');

describe('SOCKS5ClientEndpoint', () => {
  it('has the proxy connect to a host by name, which nobody here looks up', () => {
    const world = new World();
    const connecting = world.connect(world.five());
    expect(world.told()).to.equal('050100');
    world.answer([5, 0]);
    expect(world.told()).to.equal(`050100030b${hex('example.org')}0050`);
    assertNoResult(connecting);
    expect(world.inner.calls).to.deep.equal([]);
    world.answer(encodeAnswer(0, { host: '198.51.100.1', port: 5000 }));
    expect(successResultOf(connecting)).to.equal(world.inner);
    expect(world.addresses).to.deep.equal([new HostnameAddress('example.org', 80)]);
    expect(world.inner.transport.getPeer()).to.deep.equal(new HostnameAddress('example.org', 80));
    world.inner.transport.write('GET');
    world.answer(Buffer.from('200'));
    expect(world.told()).to.equal(hex('GET'));
    expect(world.inner.received.toString()).to.equal('200');
    world.proxy.transport.loseConnection();
    world.pump();
    expect(world.inner.reason?.check(ConnectionDone)).to.equal(ConnectionDone);
    expect(world.calls).to.deep.equal(['start', 'stop']);
    expect(world.reactor.getDelayedCalls()).to.deep.equal([]);
  });

  it('asks for IP literals as such, and gives their addresses', () => {
    for (const [host, asked] of [
      ['192.0.2.7', '01c0000207'],
      ['2001:db8::7', `0420010db8${'0'.repeat(22)}07`],
    ] as const) {
      const world = new World();
      const connecting = world.connect(world.five({}, host));
      world.told();
      world.answer([5, 0]);
      expect(world.told()).to.equal(`050100${asked}0050`);
      world.answer(encodeAnswer(0));
      successResultOf(connecting);
      expect(world.inner.transport.getPeer()).to.have.property('host', host);
    }
  });

  it('looks a name up with the resolver that it is given', () => {
    const world = new World();
    world.reactor.hosts.set('example.org', ['192.0.2.9']);
    const connecting = world.connect(world.five({ resolver: world.reactor.nameResolver }));
    world.told();
    world.answer([5, 0]);
    expect(world.told()).to.equal('05010001c00002090050');
    world.answer(encodeAnswer(0));
    successResultOf(connecting);
    expect(world.inner.transport.getPeer()).to.deep.equal(new HostnameAddress('example.org', 80));
    const unknown = new World();
    const failing = unknown
      .five({ resolver: unknown.reactor.nameResolver }, 'nowhere.example')
      .connect(unknown.factory());
    expect(failureResultOf(failing).getErrorMessage()).to.include("'nowhere.example'");
    expect(unknown.reactor.tcpClients).to.have.length(0);
  });

  it('logs in if the proxy wants it, and only then', () => {
    const options = { username: 'alice', password: 'secret' };
    const wanted = new World();
    const connecting = wanted.connect(wanted.five(options));
    expect(wanted.told()).to.equal('05020002');
    wanted.answer([5, 2]);
    expect(wanted.told()).to.equal(`0105${hex('alice')}06${hex('secret')}`);
    wanted.answer([1, 0]);
    expect(wanted.told()).to.match(/^05010003/);
    wanted.answer(encodeAnswer(0));
    successResultOf(connecting);
    const unwanted = new World();
    unwanted.connect(unwanted.five(options)).addErrback(() => {});
    unwanted.told();
    unwanted.answer([5, 0]);
    expect(unwanted.told()).to.match(/^05010003/);
  });

  it('fails with SOCKSAuthenticationError when it cannot log in', () => {
    const login = { username: 'alice', password: 'secret' };
    const cases: ReadonlyArray<readonly [SOCKS5ClientOptions, number[][], RegExp]> = [
      [{}, [[5, 255]], /wants a log-in/],
      [{}, [[5, 2]], /wants a log-in/],
      [login, [[5, 255]], /takes no log-in by password/],
      [login, [[5, 1]], /takes no log-in by password/],
      [
        login,
        [
          [5, 2],
          [1, 1],
        ],
        /refused the log-in/,
      ],
    ];
    for (const [options, answers, message] of cases) {
      const world = new World();
      const connecting = world.connect(world.five(options));
      for (const answer of answers) world.answer(answer);
      const failure = failureResultOf(connecting, SOCKSAuthenticationError);
      expect(failure.getErrorMessage()).to.match(message);
      expect(failure.getErrorMessage()).to.not.include('secret');
      world.pump();
      expect(world.proxy.lost).to.equal(true);
      expect(world.inner.calls).to.deep.equal([]);
      expect(world.calls).to.deep.equal(['start', 'stop']);
    }
  });

  it('fails with SOCKSRefusedError and why the proxy did not connect', () => {
    for (const [reply, why] of REFUSALS) {
      const world = new World();
      const connecting = world.connect(world.five());
      world.answer([5, 0], encodeAnswer(reply));
      const failure = failureResultOf(connecting, SOCKSRefusedError);
      expect(failure.value).to.include({ reply, version: 5, code: 'ERR_SOCKS_REFUSED' });
      expect(failure.getErrorMessage()).to.equal(
        `Could not connect to example.org:80 through the SOCKS proxy: ${why} (${reply})`,
      );
    }
  });

  it('fails when the proxy does not speak SOCKS, goes away, or cannot be reached', () => {
    const other = new World();
    const odd = other.connect(other.five());
    other.answer(Buffer.from('HTTP/1.1 400 Bad Request\r\n'));
    failureResultOf(odd, SOCKSProtocolError);
    const gone = new World();
    const leaving = gone.connect(gone.five());
    gone.proxy.transport.loseConnection();
    gone.pump();
    expect(failureResultOf(leaving, SOCKSError).getErrorMessage()).to.include('it was closed');
    const away = new World();
    const refused = away.five().connect(away.factory());
    new ConnectionCompleter(away.reactor).failOnce(new ConnectionRefusedError('Refused'));
    failureResultOf(refused, ConnectionRefusedError);
    expect(away.calls).to.deep.equal(['start', 'stop']);
  });

  it('fails with TimeoutError when the proxy takes longer than it may', () => {
    const world = new World();
    const connecting = world.connect(world.five({ timeout: 7 }));
    world.answer([5, 0]);
    world.reactor.advance(6.9);
    assertNoResult(connecting);
    world.reactor.advance(0.1);
    expect(failureResultOf(connecting, TimeoutError).getErrorMessage()).to.include(
      'no answer in 7 s',
    );
    world.pump();
    expect(world.proxy.reason?.check(ConnectionLost)).to.equal(ConnectionLost);
    const patient = new World();
    patient.connect(patient.five({ timeout: null }));
    expect(patient.reactor.getDelayedCalls()).to.deep.equal([]);
  });

  it('gives up when it is cancelled: while it reaches for the proxy, and while it talks to it', () => {
    const early = new World();
    const first = early.five().connect(early.factory());
    first.cancel();
    expect(failureResultOf(first, ConnectingCancelledError).getErrorMessage()).to.include(
      'example.org',
    );
    expect(early.reactor.connectors[0]?.state).to.equal('disconnected');
    const late = new World();
    const second = late.connect(late.five());
    second.cancel();
    failureResultOf(second, ConnectingCancelledError);
    late.pump();
    expect(late.proxy.lost).to.equal(true);
    expect(late.reactor.getDelayedCalls()).to.deep.equal([]);
  });

  it('gives the protocol what came in one piece with the answer', () => {
    const world = new World();
    world.inner.hooks.made = ({ transport }) => transport.write('me first');
    const connecting = world.connect(world.five());
    world.told();
    world.answer(Buffer.concat([Buffer.from([5, 0]), encodeAnswer(0), Buffer.from('banner')]));
    successResultOf(connecting);
    expect(world.inner.calls).to.deep.equal(['made', 'data']);
    expect(world.inner.received.toString()).to.equal('banner');
    expect(world.told()).to.match(new RegExp(`${hex('me first')}$`));
  });

  it('reads the answers byte by byte as well', () => {
    const world = new World();
    const connecting = world.connect(world.five({ username: 'a', password: 'b' }));
    const answers = Buffer.concat([
      Buffer.from([5, 2, 1, 0]),
      encodeAnswer(0, { host: 'proxy.example', port: 9 }),
    ]);
    for (const byte of answers) world.answer([byte]);
    successResultOf(connecting);
  });

  it('makes the same of any answers, whole or cut anywhere', () => {
    const outcome = (pieces: readonly Buffer[]): unknown => {
      const world = new World();
      const login = { username: 'a', password: 'b' };
      let result: unknown = 'nothing';
      world.connect(world.five(login)).addCallbacks(
        () => {
          result = 'connected';
        },
        (failure) => {
          result = failure.getErrorMessage();
        },
      );
      for (const piece of pieces) world.answer(piece);
      // What was said in the turn in which it fails never leaves.
      const told = result === 'connected' ? world.told() : '';
      return { result, got: world.inner.received.toString('hex'), told };
    };
    const part = fc.oneof(
      fc.constantFrom(
        Buffer.from([5, 0]),
        Buffer.from([5, 2]),
        Buffer.from([5, 2, 1, 0]),
        encodeAnswer(0),
        encodeAnswer(5),
        encodeAnswer(0, { host: 'a.example', port: 1 }),
      ),
      fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), someCuts, (parts, cuts) => {
        const bytes = Buffer.concat(parts);
        const whole = outcome([bytes]);
        expect(outcome(cutAt(bytes, cuts))).to.deep.equal(whole);
        expect(outcome(byteByByte(bytes))).to.deep.equal(whole);
      }),
      { numRuns: 150 },
    );
  });

  it('fails when there is no protocol, or none that can be connected', () => {
    const without = new World();
    const none = without.connect(without.five(), () => null);
    without.answer([5, 0], encodeAnswer(0));
    failureResultOf(none, NoProtocol);
    const broken = new World();
    const thrown = broken.connect(broken.five(), () => {
      throw new Error('No protocol today');
    });
    broken.answer([5, 0], encodeAnswer(0));
    expect(failureResultOf(thrown).getErrorMessage()).to.equal('No protocol today');
    broken.pump();
    expect(broken.proxy.lost).to.equal(true);
  });

  it('fails before it says anything when what it has to say does not fit', () => {
    const world = new World();
    const connecting = world.five({}, 'a'.repeat(300)).connect(world.factory());
    expect(failureResultOf(connecting, SOCKSError).getErrorMessage()).to.include(
      '255 bytes: got 300',
    );
    expect(world.reactor.tcpClients).to.have.length(0);
  });
});

describe('SOCKS4ClientEndpoint', () => {
  it('has the proxy connect to an address, or with 4a to a name', () => {
    for (const [host, asked] of [
      ['192.0.2.7', '04010050c00002076d6500'],
      ['example.org', `04010050000000016d6500${hex('example.org')}00`],
    ] as const) {
      const world = new World();
      const options = { clock: world.reactor, userId: 'me' };
      const connecting = world.connect(new SOCKS4ClientEndpoint(world.endpoint, host, 80, options));
      expect(world.told()).to.equal(asked);
      world.answer(Buffer.concat([encodeAnswer4(90), Buffer.from('hi')]));
      successResultOf(connecting);
      expect(world.inner.received.toString()).to.equal('hi');
      expect(world.inner.transport.getHost()).to.be.instanceOf(IPv4Address);
    }
  });

  it('fails with why the proxy refused', () => {
    for (const [reply, why] of [
      [91, /refused or failed/],
      [93, /another user/],
      [0, /unknown reason/],
    ] as const) {
      const world = new World();
      const connecting = world.connect(
        new SOCKS4ClientEndpoint(world.endpoint, '192.0.2.7', 80, { clock: world.reactor }),
      );
      world.answer(encodeAnswer4(reply));
      const failure = failureResultOf(connecting, SOCKSRefusedError);
      expect(failure.value).to.include({ reply, version: 4 });
      expect(failure.getErrorMessage()).to.match(why);
    }
  });

  it('does not know IPv6', () => {
    const world = new World();
    const connecting = new SOCKS4ClientEndpoint(world.endpoint, '::1', 80, {
      clock: world.reactor,
    }).connect(world.factory());
    expect(failureResultOf(connecting, SOCKSError).getErrorMessage()).to.include('IPv4 only');
  });
});

describe("clientFromString() with 'socks:'", () => {
  const connect = (text: string): World => {
    const world = new World();
    world.connect(clientFromString(world.reactor, text)).addErrback(() => {});
    return world;
  };

  it('connects through the proxy that endpoint leads to', () => {
    const world = connect(
      'socks:example.org:80:endpoint=tcp\\:192.0.2.1\\:1080:username=al:password=pw:timeout=5',
    );
    expect(world.reactor.tcpClients.map(([host, port]) => [host, port])).to.deep.equal([
      ['192.0.2.1', 1080],
    ]);
    expect(world.told()).to.equal('05020002');
    expect(world.reactor.getDelayedCalls().map((call) => call.getTime())).to.deep.equal([5]);
    world.answer([5, 2]);
    expect(world.told()).to.equal(`0102${hex('al')}02${hex('pw')}`);
  });

  it('has a proxy on this host when it is not told', () => {
    const world = connect('socks:example.org:80');
    expect(world.reactor.tcpClients.map(([host, port]) => [host, port])).to.deep.equal([
      ['127.0.0.1', 1080],
    ]);
    expect(world.told()).to.equal('050100');
  });

  it('speaks version 4 when it is told', () => {
    const world = connect('socks:example.org:80:version=4:username=me');
    expect(world.told()).to.equal(`04010050000000016d6500${hex('example.org')}00`);
  });

  it('says what cannot be understood', () => {
    const reactor = new MemoryReactorClock();
    const cases: ReadonlyArray<readonly [string, string]> = [
      ['socks:example.org', "argument 'port' is missing"],
      ['socks:example.org:65536', "argument 'port' is '65536'"],
      ['socks:example.org:0', "argument 'port' is '0'"],
      ['socks:example.org:80:version=6', 'expected 4 or 5'],
      ['socks:example.org:80:timeout=soon', 'expected seconds'],
      ['socks:example.org:80:version=4:password=x', 'SOCKS 4 knows no password'],
      ['socks:example.org:80:endpoint=pigeon\\:1', "unknown client prefix 'pigeon'"],
    ];
    for (const [text, message] of cases) {
      expect(() => clientFromString(reactor, text), text).to.throw(EndpointSyntaxError, message);
    }
  });
});
