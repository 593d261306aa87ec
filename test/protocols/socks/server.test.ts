import { expect } from 'chai';
import fc from 'fast-check';
import { Deferred, setUnhandledFailureHandler } from '../../../src/deferred/index.ts';
import { InMemoryUsernamePasswordDatabase, Portal } from '../../../src/protocols/index.ts';
import {
  type SOCKSCommand,
  SOCKSRealm,
  type SOCKSServer,
  SOCKSServerFactory,
  type SOCKSServerOptions,
  type SOCKSTarget,
  SOCKSUser,
} from '../../../src/protocols/socks/index.ts';
import {
  encodeGreeting,
  encodeLogin,
  encodeRequest,
  encodeRequest4,
} from '../../../src/protocols/socks/messages.ts';
import {
  ConnectionCompleter,
  ConnectionDone,
  ConnectionLost,
  ConnectionRefusedError,
  connectTransports,
  FakeTransport,
  type IOPump,
  IPv4Address,
  IPv6Address,
  type LogEvent,
  MemoryReactorClock,
  NoRouteError,
  StringTransport,
  setLogObserver,
  UNIXAddress,
} from '../../../src/reactor/index.ts';
import { HalfCloseRecorder, RecordingFactory } from '../../support/recorder.ts';
import { byteByByte, cutAt, someCuts } from '../support.ts';

const HERE = new IPv4Address('TCP', '127.0.0.1', 1080);
const CLIENT = new IPv4Address('TCP', '127.0.0.1', 40000);
const PUBLIC = '93.184.216.34';

/** A client, the server, and what that connects to, all in memory. */
class World {
  readonly reactor = new MemoryReactorClock();
  readonly factory: SOCKSServerFactory;
  readonly client = new HalfCloseRecorder();
  readonly server: SOCKSServer;
  readonly targets = new RecordingFactory(() => new HalfCloseRecorder());
  readonly #pumps: IOPump[];

  constructor(options: SOCKSServerOptions = {}) {
    this.factory = new SOCKSServerFactory(this.reactor, options);
    const server = this.factory.buildProtocol(CLIENT);
    if (server === null) throw new Error('Expected a protocol');
    this.server = server;
    const near = new FakeTransport(true, { hostAddress: HERE, peerAddress: CLIENT });
    const far = new FakeTransport(false, { hostAddress: CLIENT, peerAddress: HERE });
    this.#pumps = [connectTransports(server, near, this.client, far)];
    this.reactor.hosts.set('example.org', [PUBLIC]);
    this.reactor.hosts.set('inside.example', ['10.0.0.7', PUBLIC]);
    this.reactor.hosts.set('secret.example', ['10.0.0.7', '127.0.0.1']);
    this.reactor.listenTCP(80, this.targets);
  }

  get target(): HalfCloseRecorder {
    const built = this.targets.built.at(-1);
    if (built instanceof HalfCloseRecorder) return built;
    throw new Error('Nothing was connected to');
  }

  pump(): void {
    while (this.#pumps.map((pump) => pump.pump()).includes(true)) {
      // pump is the body.
    }
  }

  say(...pieces: Uint8Array[]): void {
    this.client.transport.writeSequence(pieces);
    this.pump();
  }

  /** The attempt that is under way succeeds. */
  connect(): void {
    const pump = new ConnectionCompleter(this.reactor).succeedOnce({ greet: false });
    if (pump === undefined) throw new Error('Nothing is being connected');
    this.#pumps.push(pump);
    this.pump();
  }

  /** Whether the server has closed the client's connection, in good order. */
  get isClosed(): boolean {
    return this.client.calls.at(-1) === 'readLost' && this.factory.protocols.size === 0;
  }

  /** What the client was told since the last call, in hex. */
  told(): string {
    const all = this.client.received.toString('hex');
    this.client.chunks.length = 0;
    return all;
  }
}

const request = (host: string, port = 80, command: SOCKSCommand = 'connect'): Buffer =>
  encodeRequest(command, { host, port });
const OPEN = encodeGreeting([0]);

describe('SOCKSServerFactory', () => {
  let logged: LogEvent[];
  let reported: unknown[];
  let before: ReturnType<typeof setLogObserver>;

  beforeEach(() => {
    logged = [];
    reported = [];
    before = setLogObserver((event) => logged.push(event));
    setUnhandledFailureHandler((failure) => reported.push(failure.value));
  });

  afterEach(() => {
    setLogObserver(before);
    setUnhandledFailureHandler(null);
    expect(reported).to.deep.equal([]);
  });

  const warnings = (): string[] =>
    logged.filter(({ level }) => level === 'warn').map(({ message }) => message);

  it('connects a client of version 5 to a host by name, and tells it from where', () => {
    const world = new World();
    world.say(OPEN);
    expect(world.told()).to.equal('0500');
    world.say(request('example.org'));
    expect(world.told()).to.equal('');
    expect(world.reactor.tcpClients.map(([host, port]) => [host, port])).to.deep.equal([
      [PUBLIC, 80],
    ]);
    world.connect();
    // 127.0.0.1:32768 is where a memory connection comes from.
    expect(world.told()).to.equal('050000017f0000018000');
    world.say(Buffer.from('GET'));
    expect(world.target.received.toString()).to.equal('GET');
    world.target.transport.write('200');
    world.pump();
    expect(world.client.received.toString()).to.equal('200');
    expect(world.server.request).to.include({ host: 'example.org', command: 'connect' });
    world.client.transport.loseConnection();
    world.pump();
    world.target.transport.loseConnection();
    world.pump();
    expect(logged.at(-1)?.message).to.equal(
      `connect 'example.org' port 80 of ${CLIENT}: done, 3 bytes sent and 3 received`,
    );
    expect(world.factory.protocols.size).to.equal(0);
    expect(world.reactor.getDelayedCalls()).to.deep.equal([]);
  });

  it('connects a client of version 4, and of 4a', () => {
    for (const host of [PUBLIC, 'example.org']) {
      const world = new World();
      world.say(encodeRequest4('connect', { host, port: 80 }, 'me'));
      world.connect();
      expect(world.told()).to.equal('005a80007f000001');
      world.target.transport.write('hello');
      world.pump();
      expect(world.client.received.toString()).to.equal('hello');
      expect(world.server.request?.userId).to.equal('me');
    }
  });

  it('passes on what a client sends before it has its answer', () => {
    const world = new World();
    world.say(OPEN, request('example.org'), Buffer.from('early '));
    world.client.transport.write('and late');
    world.client.transport.loseWriteConnection();
    world.pump();
    world.connect();
    expect(world.target.received.toString()).to.equal('early and late');
    expect(world.target.calls.at(-1)).to.equal('readLost');
    world.target.transport.write('answer');
    world.target.transport.loseConnection();
    world.pump();
    expect(world.told()).to.equal(
      `0500050000017f0000018000${Buffer.from('answer').toString('hex')}`,
    );
    expect(world.client.reason?.check(ConnectionDone)).to.equal(ConnectionDone);
  });

  it('passes on the end that a client told behind its request', () => {
    const world = new World();
    world.say(OPEN, request('example.org'));
    world.client.transport.loseWriteConnection();
    world.pump();
    world.connect();
    expect(world.target.calls.at(-1)).to.equal('readLost');
    expect(world.client.lost).to.equal(false);
  });

  it('passes on an end that came in the moment it stopped reading', () => {
    const world = new World();
    world.say(OPEN, request('example.org'));
    world.server.readConnectionLost();
    world.connect();
    expect(world.target.calls.at(-1)).to.equal('readLost');
  });

  it('gives a connection up whose client goes, and aborts one that breaks', () => {
    const waiting = new World();
    waiting.say(OPEN, request('example.org'));
    waiting.client.transport.abortConnection();
    waiting.pump();
    expect(waiting.reactor.connectors.map(({ state }) => state)).to.deep.equal(['disconnected']);
    expect(waiting.reactor.getDelayedCalls()).to.deep.equal([]);
    const joined = new World();
    joined.say(OPEN, request('example.org'));
    joined.connect();
    joined.client.transport.abortConnection();
    joined.pump();
    expect(joined.target.reason?.check(ConnectionLost)).to.equal(ConnectionLost);
    expect(joined.reactor.getDelayedCalls()).to.deep.equal([]);
  });

  // ------------------------------------------------------------------------------------- places

  it('connects to public addresses only: names are judged by what they come to', () => {
    const hidden = [
      '127.0.0.1',
      '10.0.0.7',
      '169.254.169.254',
      '::1',
      '::ffff:127.0.0.1',
      'secret.example',
      '0.0.0.0',
      'fe80::1',
      '192.168.1.1',
    ];
    for (const host of hidden) {
      const world = new World();
      world.say(OPEN, request(host));
      expect(world.told(), host).to.equal('050005020001000000000000');
      expect(world.isClosed, host).to.equal(true);
      expect(world.reactor.tcpClients, host).to.have.length(0);
    }
    expect(warnings()).to.have.length(hidden.length);
    expect(warnings()[0]).to.equal(
      `Refused connect '127.0.0.1' port 80 of ${CLIENT}: Not allowed to connect to '127.0.0.1' port 80`,
    );
    const world = new World();
    world.say(encodeRequest4('connect', { host: '127.0.0.1', port: 80 }, ''));
    expect(world.told()).to.equal('005b000000000000');
  });

  it('leaves out the addresses of a name that are not allowed', () => {
    const world = new World();
    world.say(OPEN, request('inside.example'));
    expect(world.reactor.tcpClients.map(([host]) => host)).to.deep.equal([PUBLIC]);
  });

  it('looks at the first 16 addresses of a name, and no more', () => {
    const judged: string[] = [];
    const world = new World({ rule: ({ address }) => judged.push(address) > 16 });
    const many = Array.from({ length: 20 }, (_, i) => `93.184.216.${i + 1}`);
    world.reactor.hosts.set('many.example', many);
    world.say(OPEN, request('many.example'));
    expect(judged).to.deep.equal(many.slice(0, 16));
    expect(world.told()).to.equal('050005020001000000000000');
  });

  it('does not connect to its own address, unless it is allowed', () => {
    const own = new IPv4Address('TCP', '198.41.0.4', 1080);
    const target: SOCKSTarget = {
      command: 'connect',
      host: own.host,
      address: own.host,
      port: 22,
      client: CLIENT,
      user: null,
      userId: '',
    };
    const verdicts: unknown[] = [];
    const reactor = new MemoryReactorClock();
    new SOCKSServerFactory(reactor).permits(target, own).addCallback((v) => verdicts.push(v));
    new SOCKSServerFactory(reactor).permits(target, HERE).addCallback((v) => verdicts.push(v));
    new SOCKSServerFactory(reactor, { allow: ['198.41.0.4'] })
      .permits(target, own)
      .addCallback((v) => verdicts.push(v));
    expect(verdicts).to.deep.equal([false, true, true]);
  });

  it('allows what allow has, not what deny has, and ports only that are listed', () => {
    const options: SOCKSServerOptions = {
      allow: ['10.0.0.0/8'],
      deny: ['10.9.0.0/16', '93.0.0.0/8'],
      ports: [80, 443],
    };
    const asked: Array<[string, number, boolean]> = [
      ['10.1.2.3', 80, true],
      ['10.9.0.1', 80, false],
      [PUBLIC, 80, false],
      ['8.8.8.8', 443, true],
      ['8.8.8.8', 25, false],
      ['192.168.0.1', 80, false],
    ];
    for (const [host, port, allowed] of asked) {
      const world = new World(options);
      world.say(OPEN, request(host, port));
      expect(world.reactor.tcpClients.length === 1, `${host} ${port}`).to.equal(allowed);
    }
  });

  it('asks rule, which may take its time, with all that is known', () => {
    const answer = new Deferred<boolean>();
    const asked: SOCKSTarget[] = [];
    const world = new World({
      rule: (target) => {
        asked.push(target);
        return answer;
      },
    });
    world.say(OPEN, request('example.org'));
    expect(asked).to.deep.equal([
      {
        command: 'connect',
        host: 'example.org',
        address: PUBLIC,
        port: 80,
        client: CLIENT,
        user: null,
        userId: '',
      },
    ]);
    expect(world.reactor.tcpClients).to.have.length(0);
    answer.callback(false);
    world.pump();
    expect(world.told()).to.equal('050005020001000000000000');
  });

  it('takes nothing but true for a yes', () => {
    for (const verdict of ['no', 1, {}, undefined, null, false, true]) {
      const world = new World({ rule: () => verdict as boolean });
      world.say(OPEN, request('example.org'));
      expect(world.reactor.tcpClients.length, String(verdict)).to.equal(verdict === true ? 1 : 0);
    }
  });

  it('reports a rule that throws, and refuses', () => {
    const world = new World({
      rule: () => {
        throw new Error('Broken rule');
      },
    });
    world.say(OPEN, request('example.org'));
    expect(world.told()).to.equal('050005010001000000000000');
    expect(String(reported.splice(0))).to.include('Broken rule');
  });

  it('tries the next address when one fails, and tells why the last did', () => {
    const world = new World({ allow: ['10.0.0.0/8'] });
    world.say(OPEN, request('inside.example'));
    world.reactor.connectors[0]?.fail();
    expect(world.reactor.tcpClients.map(([host]) => host)).to.deep.equal(['10.0.0.7', PUBLIC]);
    world.reactor.connectors[1]?.fail(new ConnectionRefusedError('Refused'));
    world.pump();
    expect(world.told()).to.equal('050005050001000000000000');
  });

  it('answers when the reactor will not even try', () => {
    const world = new World({ allow: ['10.0.0.0/8'] });
    world.say(OPEN, request('inside.example'));
    world.reactor.connectTCP = () => {
      throw new RangeError('not that one');
    };
    world.reactor.connectors[0]?.fail();
    world.pump();
    expect(world.told()).to.equal('050005010001000000000000');
    expect(String(reported.splice(0))).to.include('not that one');
  });

  it('has a reply for each reason', () => {
    const unreachable = (code: string): NoRouteError =>
      new NoRouteError('No route', { osError: Object.assign(new Error(code), { code }) });
    const reasons: ReadonlyArray<readonly [Error, string]> = [
      [unreachable('ENETUNREACH'), '03'],
      [unreachable('EHOSTUNREACH'), '04'],
      [new ConnectionRefusedError('Refused'), '05'],
    ];
    for (const [error, reply] of reasons) {
      const world = new World();
      world.say(OPEN, request('example.org'));
      world.reactor.connectors[0]?.fail(error);
      world.pump();
      expect(world.told()).to.equal(`050005${reply}0001000000000000`);
    }
    const unknown = new World();
    unknown.say(OPEN, request('nowhere.example'));
    expect(unknown.told()).to.equal('050005040001000000000000');
    const slow = new World({ connectTimeout: 3 });
    slow.say(OPEN, request('example.org'));
    slow.reactor.advance(3);
    slow.pump();
    expect(slow.told()).to.equal('050005040001000000000000');
    expect(slow.reactor.getDelayedCalls()).to.deep.equal([]);
  });

  it('refuses commands that are not offered: bind and udp as it comes', () => {
    for (const command of ['bind', 'udp'] as const) {
      const world = new World();
      world.say(OPEN, request(PUBLIC, 80, command));
      expect(world.told()).to.equal('050005070001000000000000');
    }
    const world = new World();
    const odd = request(PUBLIC);
    odd[1] = 77;
    world.say(OPEN, odd);
    expect(world.told()).to.equal('050005070001000000000000');
  });

  // -------------------------------------------------------------------------------------- people

  it('serves this host only as long as nobody has to log in', () => {
    const reactor = new MemoryReactorClock();
    const stranger = new IPv4Address('TCP', '192.0.2.8', 5);
    const neighbours = [
      CLIENT,
      new IPv6Address('TCP', '::1', 5),
      new IPv4Address('TCP', '127.8.8.8', 5),
      new UNIXAddress(null),
    ];
    const open = new SOCKSServerFactory(reactor);
    expect(open.buildProtocol(stranger)).to.equal(null);
    expect(warnings()).to.deep.equal([
      `Closing the connection of ${stranger}: it may not use this server`,
    ]);
    for (const client of neighbours)
      expect(open.buildProtocol(client), String(client)).to.not.equal(null);
    const guarded = new SOCKSServerFactory(reactor, { login: () => true });
    expect(guarded.buildProtocol(stranger)).to.not.equal(null);
    const near = new SOCKSServerFactory(reactor, { clients: ['192.0.2.0/24'] });
    expect(near.buildProtocol(stranger)).to.not.equal(null);
    expect(near.buildProtocol(CLIENT)).to.equal(null);
  });

  it('serves maxConnections clients at the same time', () => {
    const world = new World({ maxConnections: 1 });
    expect(world.factory.buildProtocol(CLIENT)).to.equal(null);
    expect(warnings()[0]).to.include('there are 1 already');
    world.client.transport.loseConnection();
    world.pump();
    expect(world.factory.buildProtocol(CLIENT)).to.not.equal(null);
  });

  const portal = (): Portal =>
    new Portal(new SOCKSRealm(), [new InMemoryUsernamePasswordDatabase({ alice: 'secret' })]);

  it('has clients log in to a portal', () => {
    const world = new World({ login: portal() });
    world.say(encodeGreeting([0, 1, 2]));
    expect(world.told()).to.equal('0502');
    world.say(encodeLogin('alice', 'secret'));
    expect(world.told()).to.equal('0100');
    expect(world.server.user).to.be.instanceOf(SOCKSUser);
    world.say(request('example.org'));
    world.connect();
    expect(world.told()).to.match(/^050000/);
  });

  it('refuses a wrong password, and clients that cannot log in', () => {
    const wrong = new World({ login: portal() });
    wrong.say(encodeGreeting([2]), encodeLogin('alice', 'guess'), request('example.org'));
    wrong.reactor.advance(2.9);
    wrong.pump();
    expect(wrong.told()).to.equal('0502');
    wrong.reactor.advance(0.1);
    wrong.pump();
    expect(wrong.told()).to.equal('0101');
    expect(wrong.isClosed).to.equal(true);
    expect(warnings().at(-1)).to.equal(
      `Refused request of ${CLIENT}: user "alice" could not log in`,
    );
    expect(JSON.stringify(logged)).to.not.include('guess');
    const without = new World({ login: portal() });
    without.say(encodeGreeting([0]), request('example.org'));
    expect(without.told()).to.equal('05ff');
    expect(without.isClosed).to.equal(true);
    const four = new World({ login: portal() });
    four.say(encodeRequest4('connect', { host: PUBLIC, port: 80 }, 'alice'));
    expect(four.told()).to.equal('005b000000000000');
    for (const { reactor } of [wrong, without, four]) expect(reactor.tcpClients).to.have.length(0);
  });

  it('takes a function for logging in, in whose time nothing else is read', () => {
    const answer = new Deferred<unknown>();
    const targets: SOCKSTarget[] = [];
    const world = new World({
      login: (username, password, client) => {
        expect([username, password, client]).to.deep.equal(['bob', 'word', CLIENT]);
        return answer;
      },
      rule: (target) => targets.push(target) > 0,
    });
    world.say(encodeGreeting([2]), encodeLogin('bob', 'word'), request('example.org'));
    expect(world.told()).to.equal('0502');
    world.say(Buffer.from('more'));
    expect(targets).to.have.length(0);
    answer.callback('Bob');
    world.pump();
    expect(targets[0]?.user).to.equal('Bob');
    world.connect();
    expect(world.target.received.toString()).to.equal('more');
  });

  it('refuses, and reports, when the log-in breaks', () => {
    const world = new World({
      failedLoginDelay: 0,
      login: () => {
        throw new Error('No database');
      },
    });
    world.say(encodeGreeting([2]), encodeLogin('bob', 'word'));
    world.reactor.advance(0);
    world.pump();
    expect(world.told()).to.equal('05020101');
    expect(String(reported.splice(0))).to.include('No database');
  });

  it('logs out who logged in, also when that came too late', () => {
    let out = 0;
    const answer = new Deferred<string>();
    const late = new Portal(
      { requestAvatar: (id) => [SOCKSUser, new SOCKSUser(id), () => (out += 1)] },
      [],
    );
    const checker = new InMemoryUsernamePasswordDatabase();
    late.registerChecker({
      credentialInterfaces: checker.credentialInterfaces,
      requestAvatarId: () => answer,
    });
    const gone = new World({ login: late });
    gone.say(encodeGreeting([2]), encodeLogin('bob', 'word'));
    gone.client.transport.abortConnection();
    gone.pump();
    expect(out).to.equal(0);
    answer.callback('bob');
    expect(out).to.equal(1);
    const usual = new World({ login: late });
    usual.say(encodeGreeting([2]), encodeLogin('bob', 'word'));
    expect(usual.told()).to.equal('05020100');
    usual.client.transport.loseConnection();
    usual.pump();
    expect(out).to.equal(2);
  });

  it('asks the avatar as well', () => {
    class OnlyWeb extends SOCKSUser {
      override permits({ port }: SOCKSTarget): boolean {
        return port === 443;
      }
    }
    const realm = {
      requestAvatar: (id: unknown) => [SOCKSUser, new OnlyWeb(id), () => {}] as const,
    };
    const users = new InMemoryUsernamePasswordDatabase({ alice: 'secret' });
    for (const port of [80, 443]) {
      const world = new World({ login: new Portal(realm, [users]) });
      world.say(encodeGreeting([2]), encodeLogin('alice', 'secret'), request('example.org', port));
      expect(world.told()).to.equal(
        port === 443 ? '05020100' : '05020100050200010000'.padEnd(28, '0'),
      );
      expect(world.reactor.tcpClients).to.have.length(port === 443 ? 1 : 0);
    }
  });

  // --------------------------------------------------------------------------------------- limits

  it('speaks the versions of its options only', () => {
    const four = new World({ versions: [4] });
    four.say(OPEN);
    expect(four.told()).to.equal('05ff');
    const five = new World({ versions: [5] });
    five.say(encodeRequest4('connect', { host: PUBLIC, port: 80 }, ''));
    expect(five.told()).to.equal('005b000000000000');
  });

  it('aborts who has not said what it wants in handshakeTimeout', () => {
    const world = new World({ handshakeTimeout: 4 });
    world.say(OPEN);
    world.reactor.advance(3.9);
    expect(world.client.lost).to.equal(false);
    world.reactor.advance(0.1);
    world.pump();
    expect(world.client.reason?.check(ConnectionLost)).to.equal(ConnectionLost);
    expect(warnings()[0]).to.include('no complete request in 4 s');
    expect(world.factory.protocols.size).to.equal(0);
    expect(new World({ handshakeTimeout: null }).reactor.getDelayedCalls()).to.deep.equal([]);
  });

  it('forgets who goes before it is told that its log-in failed', () => {
    const world = new World({ login: () => null });
    world.say(encodeGreeting([2]), encodeLogin('bob', 'word'));
    world.client.transport.abortConnection();
    world.pump();
    expect(world.reactor.getDelayedCalls()).to.deep.equal([]);
  });

  it('aborts who sends more than is kept for it before it has its answer', () => {
    const transport = new StringTransport({ hostAddress: HERE, peerAddress: CLIENT });
    const server = new SOCKSServerFactory(new MemoryReactorClock(), {
      login: () => new Deferred(),
    }).buildProtocol(CLIENT);
    server?.makeConnection(transport);
    server?.dataReceived(Buffer.concat([encodeGreeting([2]), encodeLogin('a', 'b')]));
    server?.dataReceived(Buffer.alloc(200_000));
    expect([transport.producerState, transport.disconnected]).to.deep.equal(['paused', false]);
    server?.dataReceived(Buffer.alloc(100_000));
    expect(transport.disconnected).to.equal(true);
  });

  it('closes who does not speak SOCKS, with no answer but what SOCKS has for it', () => {
    const http = new World();
    http.say(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    expect(http.told()).to.equal('');
    expect(http.isClosed).to.equal(true);
    const odd = new World();
    odd.say(OPEN, Buffer.from([5, 1, 0, 9]));
    expect(odd.told()).to.equal('050005080001000000000000');
    expect(warnings()).to.have.length(2);
  });

  it('answers any bytes alike, whole or cut anywhere, and lets nothing through', () => {
    const outcome = (login: boolean, pieces: readonly Buffer[]): unknown => {
      const reactor = new MemoryReactorClock();
      const options = login ? { login: (name: string) => name === 'a' } : {};
      const factory = new SOCKSServerFactory(reactor, { failedLoginDelay: 0, ...options });
      const transport = new StringTransport({
        hostAddress: HERE,
        peerAddress: CLIENT,
        lenient: true,
      });
      const server = factory.buildProtocol(CLIENT);
      server?.makeConnection(transport);
      for (const piece of pieces) {
        if (!transport.disconnecting) server?.dataReceived(piece);
      }
      reactor.advance(0);
      const asked = reactor.tcpClients.map(([host, port]) => `${host} ${port}`);
      const { disconnecting, disconnected } = transport;
      return { asked, disconnecting, disconnected, told: transport.value().toString('hex') };
    };
    const part = fc.oneof(
      fc.constantFrom(
        OPEN,
        encodeGreeting([0, 2]),
        encodeLogin('a', 'b'),
        encodeLogin('b', 'b'),
        request(PUBLIC),
        request('10.0.0.1'),
        request('a.b'),
        encodeRequest4('connect', { host: PUBLIC, port: 80 }, 'x'),
      ),
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    );
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(part, { maxLength: 5 }),
        someCuts,
        (login, parts, cuts) => {
          const bytes = Buffer.concat(parts);
          const whole = outcome(login, [bytes]);
          expect(outcome(login, cutAt(bytes, cuts))).to.deep.equal(whole);
          expect(outcome(login, byteByByte(bytes))).to.deep.equal(whole);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('closes what is idle, and has a second time limit for what is left to send', () => {
    const world = new World({ idleTimeout: 20, closeTimeout: 5 });
    world.say(OPEN, request('example.org'));
    world.connect();
    world.reactor.advance(20);
    world.pump();
    expect([world.client.lost, world.target.lost]).to.deep.equal([true, true]);
    expect(world.reactor.getDelayedCalls()).to.deep.equal([]);
  });

  it('stops reading a client whose target does not take more', () => {
    const world = new World();
    world.say(OPEN, request('example.org'));
    world.connect();
    world.target.transport.pauseProducing();
    let written = 0;
    world.client.transport.registerProducer(
      {
        resumeProducing(): void {
          if (written >= 4_000_000) return;
          written += 10_000;
          world.client.transport.write(Buffer.alloc(10_000));
        },
        stopProducing(): void {},
      },
      false,
    );
    world.pump();
    expect(written).to.be.below(800_000);
    world.target.transport.resumeProducing();
    world.pump();
    expect(world.target.bytes).to.equal(4_000_000);
  });
});
