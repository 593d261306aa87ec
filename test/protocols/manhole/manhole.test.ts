/** Who gets in: a portal, addresses, limits. */
import { expect } from 'chai';
import { Failure } from '../../../src/deferred/index.ts';
import { InMemoryUsernamePasswordDatabase, Portal } from '../../../src/protocols/cred/index.ts';
import {
  ManholeError,
  ManholeFactory,
  type ManholeFactoryOptions,
  ManholeRealm,
  makeManholeService,
  SlowingGate,
} from '../../../src/protocols/manhole/index.ts';
import {
  type Address,
  Clock,
  ConnectionDone,
  type IProtocol,
  IPv4Address,
  IPv6Address,
  type LogEvent,
  StringTransport,
  setLogObserver,
  UNIXAddress,
} from '../../../src/reactor/index.ts';
import { TCPServer } from '../../../src/service/index.ts';

let clock: Clock;
let factory: ManholeFactory;
let log: LogEvent[];
let restoreLog: () => void;
let asked: number;

const HERE = new IPv4Address('TCP', '127.0.0.1', 50_000);

function portal(): Portal {
  const database = new InMemoryUsernamePasswordDatabase({ ann: 'secret' });
  return new Portal(new ManholeRealm({ namespace: { app: 'the application' }, clock }), [
    {
      credentialInterfaces: database.credentialInterfaces,
      requestAvatarId: (credentials) => {
        asked += 1;
        return database.requestAvatarId(credentials as never); // of the kinds named above
      },
    },
  ]);
}

function begin(options: ManholeFactoryOptions = {}): void {
  clock = new Clock();
  asked = 0;
  factory = new ManholeFactory(portal(), { clock, ...options });
}

class Visitor {
  readonly transport: StringTransport;
  readonly protocol: IProtocol;

  constructor(address: Address = HERE) {
    const protocol = factory.buildProtocol(address);
    if (protocol === null) throw new Error('refused');
    this.protocol = protocol;
    this.transport = new StringTransport({ peerAddress: address });
    protocol.makeConnection(this.transport);
  }

  type(text: string): this {
    this.protocol.dataReceived(Buffer.from(text));
    return this;
  }

  get shown(): string {
    // Without negotiation.
    return this.transport
      .value()
      .toString('latin1')
      .replace(/\xff\xfa.*?\xff\xf0|\xff../gs, '');
  }

  leave(): void {
    this.protocol.connectionLost(new Failure(new ConnectionDone()));
  }
}

const warnings = (): string[] => log.filter(({ level }) => level === 'warn').map((e) => e.message);

describe('ManholeFactory', () => {
  beforeEach(() => {
    log = [];
    const previous = setLogObserver((event) => log.push(event));
    restoreLog = () => setLogObserver(previous);
    begin();
  });
  afterEach(() => restoreLog());

  it('is not to be had without a portal', () => {
    for (const nothing of [undefined, null, {}]) {
      expect(() => new ManholeFactory(nothing as unknown as Portal)).to.throw(
        ManholeError,
        'without a portal',
      );
    }
  });

  it('leads to a session, with the right password', () => {
    const visitor = new Visitor().type('ann\r\nsecret\r\napp\r\n');
    expect(visitor.shown).to.match(
      /^Manhole\r\nUsername: Password: \r\nManhole: .*\r\n> 'the application'\r\n> $/,
    );
    visitor.leave();
    expect(factory.connections).to.equal(0);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
    expect(log.map(({ message }) => message)).to.deep.equal([
      'Login of "ann" from 127.0.0.1:50000',
      '"ann" from 127.0.0.1:50000: session begins',
      '"ann" from 127.0.0.1:50000: evaluates "app"',
      '"ann" from 127.0.0.1:50000: session ends',
    ]);
  });

  it('evaluates nothing without it', () => {
    const marked = globalThis as { manholeWasHere?: boolean };
    const code =
      'process.mainModule; globalThis.constructor.constructor("manholeWasHere = true")()';
    const visitor = new Visitor();
    for (const line of [
      code,
      code,
      '',
      '',
      'ann',
      '',
      'root',
      'secret',
      'ann',
      'Secret',
      code,
      code,
    ]) {
      visitor.type(`${line}\r\n`);
      clock.advance(60);
    }
    expect(visitor.transport.disconnecting).to.equal(true);
    expect(visitor.shown).to.not.match(/application|secret|> /i);
    expect(marked.manholeWasHere).to.equal(undefined);
    expect(log.some(({ message }) => message.includes('session'))).to.equal(false);
  });

  it('refuses connections from other machines, unless told otherwise', () => {
    const elsewhere = [
      new IPv4Address('TCP', '192.0.2.1', 5),
      new IPv4Address('TCP', '128.0.0.1', 5),
      new IPv6Address('TCP', '2001:db8::1', 5),
      new IPv6Address('TCP', '::ffff:192.0.2.1', 5),
      new IPv6Address('TCP', 'fe80::1', 5),
    ];
    for (const address of elsewhere) {
      expect(factory.buildProtocol(address), address.host).to.equal(null);
    }
    expect(warnings()[0]).to.equal(
      'Connection from 192.0.2.1:5 refused: it is not on this machine',
    );
    expect(warnings()).to.have.length(5);
    const here = [
      ...[HERE, new IPv4Address('TCP', '127.1.2.3', 5), new IPv6Address('TCP', '::1', 5)],
      ...[new IPv6Address('TCP', '::ffff:127.0.0.1', 5), new UNIXAddress('/tmp/x')],
    ];
    for (const address of here) expect(factory.buildProtocol(address)).to.not.equal(null);
    begin({ allowRemote: true });
    expect(factory.buildProtocol(elsewhere[0] ?? HERE)).to.not.equal(null);
  });

  it('has no more connections than it may', () => {
    begin({ maxSessions: 2 });
    const visitors = [new Visitor(), new Visitor()];
    expect(factory.buildProtocol(HERE)).to.equal(null);
    expect(warnings().at(-1)).to.match(/refused: there are 2 already$/);
    visitors[0]?.leave();
    expect(factory.buildProtocol(HERE)).to.not.equal(null);
  });

  it('lets passwords be tried only so fast, over however many connections', () => {
    begin({ maxSessions: 1000, maxAttempts: 3 });
    // An attacker who opens a connection for each try and does not wait for the answer.
    for (let i = 0; i < 500; i++) new Visitor().type(`ann\r\nguess${i}\r\n`);
    expect(asked).to.equal(1);
    clock.pump(Array.from({ length: 600 }, () => 1));
    // 1 + 2 + 4 + 8 + 16 s, then one in 30 s.
    expect(asked).to.be.within(20, 26);
  });

  it('forgets no failure because somebody hangs up before the next try', () => {
    new Visitor().type('ann\r\nwrong\r\n');
    const impatient = new Visitor().type('ann\r\nwrong\r\n');
    impatient.leave();
    clock.advance(1);
    expect(asked).to.equal(1);
    // The second failure: from here it is 2 s.
    new Visitor().type('ann\r\nwrong\r\n');
    expect(asked).to.equal(2);
    new Visitor().type('ann\r\nwrong\r\n');
    clock.advance(1.9);
    expect(asked).to.equal(2);
    clock.advance(0.1);
    expect(asked).to.equal(3);
  });

  it('a password that is right is taken after others were wrong', () => {
    for (let i = 0; i < 3; i++) new Visitor().type('ann\r\nwrong\r\n');
    const visitor = new Visitor().type('ann\r\nsecret\r\n');
    expect(visitor.shown).to.not.match(/> /);
    clock.pump(Array.from({ length: 60 }, () => 1));
    expect(visitor.shown).to.match(/> $/);
  });

  it('closes sessions when it stops', () => {
    const [inside, outside] = [new Visitor().type('ann\r\nsecret\r\n'), new Visitor()];
    outside.transport.unregisterProducer = () => {}; // a real one does not mind
    factory.stopFactory();
    expect(inside.transport.producer).to.equal(null);
    expect([inside.transport.disconnecting, outside.transport.disconnecting]).to.deep.equal([
      true,
      true,
    ]);
  });
});

describe('SlowingGate', () => {
  it('lets one in at a time, later after each failure, and at once after a success', () => {
    clock = new Clock();
    const gate = new SlowingGate({ clock, retryDelay: 1, maxRetryDelay: 3 });
    const entered: string[] = [];
    const leave: Array<(outcome: 'succeeded' | 'failed' | 'given up') => void> = [];
    const enter = (name: string): void => {
      gate.enter().addCallback((leaving) => {
        entered.push(name);
        leave.push(leaving);
      });
    };
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) enter(name);
    expect(entered.join('')).to.equal('a');
    leave[0]?.('failed');
    leave[0]?.('succeeded'); // twice counts once
    expect(entered.join('')).to.equal('a');
    clock.advance(1);
    expect(entered.join('')).to.equal('ab');
    leave[1]?.('failed');
    clock.advance(1.9);
    expect(entered.join('')).to.equal('ab');
    clock.advance(0.1);
    expect(entered.join('')).to.equal('abc');
    leave[2]?.('failed');
    clock.advance(3);
    expect(entered.join('')).to.equal('abcd');
    // One that was given up says nothing of passwords: the next fails as the fourth.
    leave[3]?.('given up');
    expect(entered.join('')).to.equal('abcde');
    leave[4]?.('failed');
    clock.advance(2.9);
    expect(entered.join('')).to.equal('abcde');
    clock.advance(0.1);
    expect(entered.join('')).to.equal('abcdef');
    leave[5]?.('succeeded');
    enter('f2');
    leave[6]?.('failed');
    enter('g');
    clock.advance(1);
    expect(entered.join('')).to.equal('abcdeff2g');
  });
});

describe('makeManholeService()', () => {
  it('listens on this machine only, unless told otherwise', async () => {
    clock = new Clock();
    const service = makeManholeService({ portal: portal(), port: 0 }, TCPServer);
    service.startService();
    try {
      expect(service.port?.getHost()).to.have.property('host', '127.0.0.1');
    } finally {
      await service.stopService();
    }
    for (const host of ['0.0.0.0', '::', '', '192.0.2.1', 'example.org', '127.0.0.1.example.org']) {
      expect(
        () => makeManholeService({ portal: portal(), port: 0, interface: host }, TCPServer),
        host,
      ).to.throw(ManholeError, 'allowRemote');
    }
    const remote = { portal: portal(), port: 0, interface: '0.0.0.0', allowRemote: true };
    expect(makeManholeService(remote, TCPServer)).to.be.instanceOf(TCPServer);
  });

  it('is not to be had without a portal', () => {
    expect(() => makeManholeService({ port: 0 } as never, TCPServer)).to.throw(
      ManholeError,
      'without a portal',
    );
  });
});
