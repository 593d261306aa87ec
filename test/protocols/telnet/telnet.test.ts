import { expect } from 'chai';
import fc from 'fast-check';
import { Deferred, Failure } from '../../../src/deferred/index.ts';
import {
  InMemoryUsernamePasswordDatabase,
  Portal,
  UnauthorizedLogin,
} from '../../../src/protocols/cred/index.ts';
import { Protocol } from '../../../src/protocols/protocol.ts';
import * as telnet from '../../../src/protocols/telnet/index.ts';
import {
  Clock,
  ConnectionDone,
  connectedServerAndClient,
  type LogEvent,
  StringTransport,
  setLogObserver,
} from '../../../src/reactor/index.ts';
import { FailureTrap } from '../../support/recorder.ts';
import { byteByByte, cutAt, failureResultOf, someCuts, successResultOf } from '../support.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** What commands and options are called, so that tests can be read. */
const NAMES: Readonly<Record<string, string>> = {
  '\xff\xfb\x01': '<WILL ECHO>',
  '\xff\xfc\x01': '<WONT ECHO>',
  '\xff\xfb\x03': '<WILL SGA>',
  '\xff\xfd\x03': '<DO SGA>',
  '\xff\xfd\x18': '<DO TTYPE>',
  '\xff\xfd\x1f': '<DO NAWS>',
  '\xff\xfd\x22': '<DO LINEMODE>',
  '\xff\xfe\x22': '<DONT LINEMODE>',
  '\xff\xfa\x18\x01\xff\xf0': '<SEND TTYPE>',
  '\xff\xfa\x22\x01\0\xff\xf0': '<LINEMODE MODE 0>',
};

/** What was written since the last time. */
function said(transport: StringTransport): string {
  const text = transport.value().toString('latin1');
  transport.clear();
  return text.replace(
    /\xff(?:\xfa[\s\S]*?\xff\xf0|[\s\S]{2})/g,
    (command) => NAMES[command] ?? command,
  );
}

class Inner extends telnet.TelnetProtocol {
  readonly heard: string[] = [];
  onData: (text: string) => unknown = () => undefined;

  override dataReceived(data: Buffer): unknown {
    const text = data.toString('latin1');
    this.heard.push(text);
    return this.onData(text);
  }
  override connectionLost(reason: Failure): void {
    this.heard.push(`lost: ${reason.type?.name}`);
  }
  override enableLocal(option: number): boolean {
    this.heard.push(`+us ${option}`);
    return option === telnet.TRANSMIT_BINARY;
  }
  override enableRemote(option: number): boolean {
    this.heard.push(`+him ${option}`);
    return option === telnet.TRANSMIT_BINARY;
  }
  override unhandledCommand(command: number): void {
    this.heard.push(`command ${command}`);
  }
  override unhandledSubnegotiation(option: number, data: Buffer): void {
    this.heard.push(`about ${option}: ${data.toString('latin1')}`);
  }
}

let clock: Clock;
let log: LogEvent[];
let trap: FailureTrap;
let restoreLog: () => void;

beforeEach(() => {
  clock = new Clock();
  log = [];
  const previous = setLogObserver((event) => log.push(event));
  restoreLog = () => setLogObserver(previous);
  trap = new FailureTrap();
});
afterEach(() => {
  restoreLog();
  trap.restore();
});

const messages = (level: string): string[] =>
  log.filter((event) => event.level === level).map(({ message }) => message);

describe('TelnetTransport', () => {
  let inner: Inner;
  let transport: StringTransport;
  let server: telnet.TelnetTransport;
  const begin = (options: telnet.TelnetOptions = {}): void => {
    inner = new Inner();
    transport = new StringTransport();
    server = new telnet.TelnetTransport(() => inner, { clock, ...options });
    server.makeConnection(transport);
  };
  beforeEach(() => begin());

  it('gives its protocol what is said, commands and options', () => {
    server.dataReceived(bytes('a\r\n\xff\xf4\xff\xfa\x18x\xff\xf0\xff\xfd\x01\xff\xfb\x18'));
    expect(inner.heard).to.deep.equal(['a\n', 'command 244', 'about 24: x', '+us 1', '+him 24']);
    expect(transport.value()).to.deep.equal(bytes('\xff\xfc\x01\xff\xfe\x18'));
  });

  it('write() sends LF as CR LF, CR as CR NUL, and 255 twice', () => {
    inner.transport.write('a\nb\r\nc\rd');
    inner.transport.write(Buffer.of(255, 10));
    inner.transport.writeSequence(['x', '\n']);
    expect(transport.value()).to.deep.equal(bytes('a\r\nb\r\nc\r\0d\xff\xff\r\nx\r\n'));
  });

  it('writeSequence() writes nothing when a part of it is no data', () => {
    expect(() => inner.transport.writeSequence(['a', 5 as unknown as string])).to.throw(TypeError);
    expect(() => inner.transport.writeSequence('ab')).to.throw(TypeError, 'got one string');
    expect(transport.value()).to.have.length(0);
  });

  it('write() leaves line ends alone once both agree on binary, and so does what comes', () => {
    server.dataReceived(bytes('\xff\xfd\0\xff\xfb\0a\r\nb\r\0'));
    transport.clear();
    inner.transport.write(bytes('a\nb\r\xff'));
    expect(transport.value()).to.deep.equal(bytes('a\nb\r\xff\xff'));
    expect(inner.heard.join('|')).to.equal('+us 0|+him 0|a\r\nb\r\0');
  });

  it('requestNegotiation() escapes what it sends', () => {
    server.requestNegotiation(31, Buffer.of(0, 255));
    expect(transport.value()).to.deep.equal(bytes('\xff\xfa\x1f\0\xff\xff\xff\xf0'));
  });

  it('requestNegotiation() in the answer to an offer comes behind it', () => {
    inner.enableLocal = (option) => {
      inner.transport.requestNegotiation(option, 'x');
      return true;
    };
    server.dataReceived(bytes('\xff\xfd\x1f'));
    expect(transport.value()).to.deep.equal(bytes('\xff\xfb\x1f\xff\xfa\x1fx\xff\xf0'));
  });

  it('negotiationMap and commandMap come before the protocol', () => {
    const got: unknown[] = [];
    server.negotiationMap.set(31, (data) => got.push(data.toString()));
    server.commandMap.set(telnet.AYT, () => got.push('ayt'));
    server.dataReceived(bytes('\xff\xfa\x1fab\xff\xf0\xff\xf6'));
    expect(got).to.deep.equal(['ab', 'ayt']);
    expect(inner.heard).to.deep.equal([]);
  });

  it('connectionLost() tells its protocol, and fails what is being negotiated', () => {
    const asked = server.do(telnet.NAWS);
    server.connectionLost(new Failure(new ConnectionDone()));
    expect(failureResultOf(asked).value).to.be.instanceOf(ConnectionDone);
    expect(inner.heard).to.deep.equal(['lost: ConnectionDone']);
    expect(server.protocol).to.equal(null);
  });

  it('aborts the connection when negotiations come faster than they may', () => {
    begin({ maxNegotiationsPerSecond: 5 });
    const five = bytes('\xff\xfb\x63'.repeat(5));
    server.dataReceived(five);
    expect(transport.disconnecting).to.equal(false);
    clock.advance(1);
    server.dataReceived(five);
    expect(transport.disconnecting).to.equal(false);
    clock.advance(1);
    server.dataReceived(Buffer.concat([five, bytes('\xff\xfa\x63\xff\xf0after')]));
    expect(transport.disconnected).to.equal(true);
    expect(inner.heard).to.not.include('after');
    expect(messages('warn')).to.deep.equal([
      'Connection aborted: TelnetLimitExceeded: More than 5 negotiations in a second',
    ]);
    server.dataReceived(bytes('more'));
    expect(inner.heard).to.not.include('more');
  });

  it('ends a loop with a peer that never takes no for an answer', () => {
    // What the peer says to each DONT is WILL.
    let rounds = 0;
    while (!transport.disconnected && rounds < 1000) {
      server.dataReceived(bytes('\xff\xfb\x63'));
      expect(said(transport)).to.equal(transport.disconnected ? '' : '\xff\xfe\x63');
      rounds += 1;
    }
    expect(rounds).to.equal(101);
  });

  it('aborts the connection when a subnegotiation does not end', () => {
    server.dataReceived(bytes(`before\xff\xfa\x18${'x'.repeat(1025)}`));
    expect(transport.disconnected).to.equal(true);
    expect(inner.heard).to.deep.equal(['before']);
    expect(messages('warn')[0]).to.match(/TelnetLimitExceeded.* more than 1024 bytes/);
  });

  it('ends the connection when a callback fails later, and says so when it throws', async () => {
    inner.onData = async () => {
      throw new Error('later');
    };
    server.dataReceived(bytes('x'));
    await Promise.resolve();
    await Promise.resolve();
    expect(transport.disconnected).to.equal(true);
    expect(trap.caught[0]?.failure.getErrorMessage()).to.equal('later');
    begin();
    inner.onData = () => {
      throw new Error('at once');
    };
    expect(() => server.dataReceived(bytes('x'))).to.throw('at once');
  });
});

describe('A telnet connection', () => {
  const calls: ReadonlyArray<[what: string, sent: string]> = [
    ['connectionMade', ''],
    ['dataReceived', 'x'],
    ['unhandledCommand', '\xff\xf1'],
    ['unhandledSubnegotiation', '\xff\xfa\x18\xff\xf0'],
    ['enableLocal', '\xff\xfd\x01'],
    ['enableRemote', '\xff\xfb\x01'],
    ['connectionLost', ''],
  ];
  for (const [what, sent] of calls) {
    it(`ends, and that only, when ${what}() of its protocol throws`, () => {
      const broken = Object.assign(new Inner(), {
        [what]: () => {
          throw new Error(`broken ${what}`);
        },
      });
      const [client, server, pump] = connectedServerAndClient(
        () => new telnet.TelnetTransport(() => broken, { clock }),
        () => new Protocol(),
      );
      client.transport.write(bytes(sent));
      pump.flush();
      if (what === 'connectionLost') client.transport.loseConnection();
      pump.flush();
      expect(trap.caught.map(({ failure }) => failure.getErrorMessage())).to.deep.equal([
        `broken ${what}`,
      ]);
      expect(server.transport.connected).to.equal(false);
    });
  }
});

describe('A connection that is lost', () => {
  it('reports an async connectionLost() that fails, wherever its protocol is', async () => {
    class Late extends Protocol {
      override async connectionLost(): Promise<void> {
        throw new Error('late');
      }
    }
    const late = (): telnet.ITelnetProtocol =>
      Object.assign(new telnet.TelnetProtocol(), { connectionLost: new Late().connectionLost });
    const login = new Portal({ requestAvatar: () => [telnet.ITelnetProtocol, late(), () => {}] }, [
      new InMemoryUsernamePasswordDatabase({ ann: 'x' }),
    ]);
    for (const make of [
      late,
      () => new telnet.TelnetBootstrapProtocol(() => new Late()),
      () => new telnet.AuthenticatingTelnetProtocol(login, { clock }),
    ]) {
      const server = new telnet.TelnetTransport(make, { clock });
      server.makeConnection(new StringTransport({ lenient: true }));
      server.dataReceived(bytes('ann\r\nx\r\n'));
      server.connectionLost(new Failure(new ConnectionDone()));
      for (let i = 0; i < 5; i += 1) await Promise.resolve();
      expect(trap.caught.splice(0).map(({ failure }) => failure.getErrorMessage())).to.deep.equal([
        'late',
      ]);
    }
  });
});

describe('StatefulTelnetProtocol', () => {
  it('gives each line to the method of its state', () => {
    const heard: string[] = [];
    class Game extends telnet.StatefulTelnetProtocol {
      override state = 'Name';
      telnet_Name(line: Buffer): string {
        heard.push(`name ${line}`);
        return 'Guess';
      }
      telnet_Guess(line: Buffer): undefined {
        heard.push(`guess ${line}`);
      }
    }
    const server = new telnet.TelnetTransport(() => new Game(), { clock });
    server.makeConnection(new StringTransport());
    server.dataReceived(bytes('ann\r\n1\r\n2\r\n'));
    expect(heard).to.deep.equal(['name ann', 'guess 1', 'guess 2']);
  });
});

describe('TelnetBootstrapProtocol', () => {
  const heard: unknown[] = [];
  let transport: StringTransport;
  let server: telnet.TelnetTransport;
  let bootstrap: telnet.TelnetBootstrapProtocol;
  class Terminal extends telnet.TelnetProtocol implements telnet.ITerminalProtocol {
    override connectionMade(): void {
      this.transport.write('hi\n');
    }
    override dataReceived(data: Buffer): void {
      heard.push(data.toString());
    }
    terminalSize(width: number, height: number): void {
      heard.push([width, height]);
    }
    terminalType(name: string): void {
      heard.push(name);
    }
    terminalEcho(echo: boolean): void {
      heard.push(echo);
    }
  }
  beforeEach(() => {
    heard.length = 0;
    transport = new StringTransport();
    bootstrap = new telnet.TelnetBootstrapProtocol(() => new Terminal());
    server = new telnet.TelnetTransport(() => bootstrap, { clock });
    server.makeConnection(transport);
  });

  it('asks for what a terminal needs, and greets', () => {
    expect(said(transport)).to.equal(
      '<DO LINEMODE><DO NAWS><DO SGA><DO TTYPE><WILL ECHO><WILL SGA>hi\r\n',
    );
  });

  it('tells its protocol what the terminal is, and does not ask twice', () => {
    said(transport);
    server.dataReceived(
      bytes('\xff\xfb\x22\xff\xfb\x1f\xff\xfb\x03\xff\xfb\x18\xff\xfd\x01\xff\xfd\x03'),
    );
    expect(said(transport)).to.equal('<LINEMODE MODE 0><SEND TTYPE>');
    server.dataReceived(bytes('\xff\xfa\x1f\0\x50\0\x18\xff\xf0\xff\xfa\x18\0XTERM\xff\xf0'));
    expect(heard).to.deep.equal([true, [80, 24], 'XTERM']);
    expect([bootstrap.width, bootstrap.height]).to.deep.equal([80, 24]);
    expect(said(transport)).to.equal('');
  });

  it('does without what the peer refuses', () => {
    server.dataReceived(
      bytes('\xff\xfc\x22\xff\xfc\x1f\xff\xfc\x03\xff\xfc\x18\xff\xfe\x01\xff\xfe\x03x'),
    );
    expect(heard).to.deep.equal(['x']);
    expect(trap.caught).to.deep.equal([]);
  });

  it('ignores a size or a type that makes no sense', () => {
    server.dataReceived(bytes('\xff\xfa\x1f\0\x50\0\xff\xf0\xff\xfa\x18\0\x1b[31m\xff\xf0'));
    server.dataReceived(bytes(`\xff\xfa\x18\0${'x'.repeat(41)}\xff\xf0\xff\xfa\x18\xff\xf0`));
    server.dataReceived(bytes('\xff\xfa\x1f\0\x50\0\x18\0\xff\xf0'));
    expect(heard).to.deep.equal([]);
    expect(messages('debug')).to.have.length(5);
  });

  it('makes characters of commands that stand for them', () => {
    server.dataReceived(bytes('\xff\xf4\xff\xec\xff\xf7\xff\xf8\xff\xee\xff\xf3'));
    expect(heard).to.deep.equal(['\x03', '\x04', '\x7f', '\x15', '\x03', '\x03']);
    said(transport);
    server.dataReceived(bytes('\xff\xf6\xff\xf5'));
    expect(said(transport)).to.equal('[yes]\r\n');
  });

  it('knows which characters a client has for what', () => {
    server.dataReceived(bytes('\xff\xfa\x22\x03\x03\x62\x03\x0a\x82\x7f\x0b\xff\xf0'));
    expect(bootstrap.localCharacters).to.deep.equal([
      { function: 3, level: 2, acknowledged: false, value: 3 },
      { function: 10, level: 2, acknowledged: true, value: 127 },
    ]);
  });
});

describe('AuthenticatingTelnetProtocol', () => {
  let inner: Inner;
  let transport: StringTransport;
  let server: telnet.TelnetTransport;
  let logouts: number;
  let checks: Array<Deferred<string>> | undefined;

  function begin(options: telnet.AuthenticatingOptions = {}): void {
    inner = new Inner();
    clock = new Clock();
    logouts = 0;
    transport = new StringTransport();
    const database = new InMemoryUsernamePasswordDatabase({ ann: 'se cret' });
    const portal = new Portal(
      {
        requestAvatar: (_id, _mind, ...interfaces) => {
          expect(interfaces).to.deep.equal([telnet.ITelnetProtocol]);
          return [telnet.ITelnetProtocol, inner, () => (logouts += 1)];
        },
      },
      [database],
    );
    if (checks !== undefined) {
      const waiting = checks;
      portal.registerChecker({
        credentialInterfaces: database.credentialInterfaces,
        requestAvatarId: () => {
          const deferred = new Deferred<string>();
          waiting.push(deferred);
          return deferred;
        },
      });
    }
    server = new telnet.TelnetTransport(
      () => new telnet.AuthenticatingTelnetProtocol(portal, { clock, ...options }),
      { clock },
    );
    server.makeConnection(transport);
  }
  beforeEach(() => {
    checks = undefined;
    begin();
  });

  const type = (text: string): void => server.dataReceived(bytes(text));

  it('asks for a name and for a password that is not shown, and connects the avatar', () => {
    expect(said(transport)).to.equal('Username: ');
    type('ann\r\n');
    expect(said(transport)).to.equal('<WILL ECHO>Password: ');
    type('se cret\r\n');
    expect(said(transport)).to.equal('\r\n');
    expect(messages('info')).to.deep.equal(['Login of "ann" from 192.168.1.1:54321']);
    type('\xff\xfd\x01hello\r\n');
    expect(said(transport)).to.equal('<WONT ECHO>');
    // The client agreed to what is over by now; the avatar is told of the one, and will be of the other.
    expect(inner.heard).to.deep.equal(['+us 1', 'hello\n']);
    expect(inner.transport).to.equal(server);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
    server.connectionLost(new Failure(new ConnectionDone()));
    expect(inner.heard).to.include('lost: ConnectionDone');
    expect(logouts).to.equal(1);
    server.connectionLost(new Failure(new ConnectionDone()));
    expect(logouts).to.equal(1);
  });

  it('takes what comes in one piece, from a terminal or from a line client', () => {
    for (const end of ['\r\n', '\r\0', '\n']) {
      begin();
      type(['ann', 'se cret', 'hello', ''].join(end));
      expect(inner.heard, JSON.stringify(end)).to.deep.equal(['hello\n']);
      expect(transport.producerState).to.equal('producing');
    }
  });

  it('lets what was mistyped be rubbed out', () => {
    type('anx\x7fn\r\0wrong\x15se crexx\b\x7ft\r\0');
    expect(messages('info')).to.have.length(1);
  });

  it('answers a failure late, and the last one by hanging up', () => {
    begin({ maxAttempts: 2, failureDelay: 2 });
    type('ann\r\nwrong\r\n');
    said(transport);
    type('ann\r\nse cret\r\n');
    clock.advance(1.9);
    expect(said(transport)).to.equal('');
    clock.advance(0.1);
    // What came meanwhile counts now.
    expect(said(transport)).to.match(/^\r\nAuthentication failed\r\nUsername: .*Password: /);
    expect(messages('info')).to.have.length(1);
    begin({ maxAttempts: 2 });
    for (const name of ['ann', 'bob']) {
      type(`${name}\r\nwrong\r\n`);
      clock.advance(2);
    }
    expect(transport.disconnecting).to.equal(true);
    expect(said(transport)).to.match(/Authentication failed\r\n$/);
    expect(messages('warn')).to.deep.equal([
      'Login of "ann" from 192.168.1.1:54321 failed (1)',
      'Login of "ann" from 192.168.1.1:54321 failed (1)',
      'Login of "bob" from 192.168.1.1:54321 failed (2)',
    ]);
  });

  it('never says the password, to the client or the log', () => {
    type('ann\r\nhidden\r\n');
    clock.advance(2);
    type('ann\r\nse cret\r\n');
    expect(said(transport)).to.not.match(/hidden|se cret/);
    expect(JSON.stringify(log)).to.not.match(/hidden|se cret/);
  });

  it('writes names to the log so that they stay in one line', () => {
    type(`a\x1b[31m\xc2\x9b${'x'.repeat(100)}\r\nwrong\r\n`);
    expect(messages('warn')[0]).to.match(/^Login of "a\[31m\ufffdx{58}\.\.\." from /);
  });

  it('hangs up on ^C and ^D, on lines that are too long, and when nobody logs in', () => {
    for (const key of ['a\x03\r\n', '\x04\r\n', '\xff\xf4', '\xff\xec', 'x'.repeat(258)]) {
      begin();
      type(key);
      expect(transport.disconnecting, JSON.stringify(key)).to.equal(true);
    }
    begin();
    clock.advance(59);
    expect(transport.disconnecting).to.equal(false);
    clock.advance(1);
    expect(transport.disconnecting).to.equal(true);
    expect(messages('warn').at(-1)).to.equal('Nobody logged in from 192.168.1.1:54321 within 60 s');
  });

  it('takes no more than it may while a password is checked', () => {
    checks = [];
    begin({ maxTypedAhead: 10 });
    type('ann\r\nx\r\n');
    type('0123\r\n');
    type('45678');
    expect(transport.disconnecting).to.equal(false);
    type('9');
    expect(transport.disconnected).to.equal(true);
    expect(messages('warn')).to.deep.equal([
      'Login from 192.168.1.1:54321 ended: 11 bytes were typed ahead',
    ]);
  });

  it('counts anew what is typed ahead of each check', () => {
    begin({ maxTypedAhead: 100 });
    for (let attempt = 0; attempt < 2; attempt += 1) {
      type('ann\r\nwrong\r\n');
      type('\n'.repeat(80));
      expect(transport.disconnected).to.equal(false);
      clock.advance(2);
    }
  });

  it('gives an avatar that closes at once nothing of what came behind the password', () => {
    inner.connectionMade = () => inner.transport.loseConnection();
    type('ann\r\nse cret\r\nmore\r\n');
    expect(inner.heard).to.deep.equal([]);
    expect(transport.disconnecting).to.equal(true);
  });

  it('counts no time against whoever waits for a gate', () => {
    const gates: Array<Deferred<(outcome: telnet.LoginOutcome) => void>> = [];
    const outcomes: string[] = [];
    begin({
      gate: {
        enter: () => {
          const gate = new Deferred<(outcome: telnet.LoginOutcome) => void>();
          gates.push(gate);
          return gate;
        },
      },
    });
    type('ann\r\nse cret\r\n');
    clock.advance(1000);
    expect(transport.disconnecting).to.equal(false);
    gates[0]?.callback((outcome) => outcomes.push(outcome));
    expect(outcomes).to.deep.equal(['succeeded']);
    expect(messages('info')).to.have.length(1);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('logs out again whoever is gone when the check is over, and leaves no timer', () => {
    checks = [];
    begin();
    type('ann\r\nx\r\n');
    server.connectionLost(new Failure(new ConnectionDone()));
    checks[0]?.callback('ann');
    expect(logouts).to.equal(1);
    expect(inner.heard).to.deep.equal([]);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
    checks = [];
    begin();
    type('ann\r\nx\r\n');
    checks[0]?.errback(new UnauthorizedLogin());
    server.connectionLost(new Failure(new ConnectionDone()));
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('reports what is not a refusal, and says the same as to one', () => {
    checks = [];
    begin();
    type('ann\r\nx\r\n');
    checks[0]?.errback(new Error('the database is gone'));
    clock.advance(2);
    expect(trap.caught[0]?.failure.getErrorMessage()).to.equal('the database is gone');
    expect(said(transport))
      .to.match(/Authentication failed/)
      .and.not.match(/database/);
  });

  it('does the same with any bytes, however they are cut', () => {
    const parts = fc.oneof(
      fc.constantFrom(
        'ann',
        'se cret',
        'x',
        '\r\n',
        '\r\0',
        '\n',
        '\x7f',
        '\x15',
        '\x03',
        '\xff\xff',
        '\xff',
      ),
      fc.constantFrom(
        '\xff\xfb\x1f',
        '\xff\xfd\x01',
        '\xff\xfe\x01',
        '\xff\xfa\x18\0x\xff\xf0',
        '\xff\xf4',
      ),
      fc.uint8Array({ maxLength: 4 }).map((some) => Buffer.from(some).toString('latin1')),
    );
    const outcome = (pieces: readonly Buffer[]): unknown => {
      begin({ failureDelay: 0.5, maxAttempts: 2, maxLineLength: 20 });
      for (const piece of pieces) server.dataReceived(Buffer.from(piece));
      clock.pump([0.5, 0.5, 0.5]);
      const heard = inner.heard.filter((each) => !/^[+ca]/.test(each)).join('');
      return [transport.value().toString('latin1'), heard, transport.disconnecting];
    };
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 25 }), someCuts, (some, cuts) => {
        const all = bytes(some.join(''));
        const whole = outcome([all]);
        expect(outcome(cutAt(all, cuts))).to.deep.equal(whole);
        expect(outcome(byteByByte(all))).to.deep.equal(whole);
      }),
      { numRuns: 300 },
    );
  });

  it('refuses to be made without a portal', () => {
    expect(() => new telnet.AuthenticatingTelnetProtocol(undefined as unknown as Portal)).to.throw(
      TypeError,
      'expected a Portal',
    );
  });

  it('has options refused until somebody is logged in', () => {
    said(transport);
    type('\xff\xfb\x1f\xff\xfd\x03');
    expect(transport.value()).to.deep.equal(bytes('\xff\xfe\x1f\xff\xfc\x03'));
  });
});

/** A client's end, with a window and a type. */
class Client extends telnet.TelnetProtocol {
  heard = '';
  override connectionMade(): void {
    this.transport.negotiationMap.set(telnet.TTYPE, (data) => {
      if (data[0] !== telnet.TTYPE_SEND) return;
      this.transport.requestNegotiation(
        telnet.TTYPE,
        `${String.fromCharCode(telnet.TTYPE_IS)}vt255`,
      );
    });
  }
  override enableLocal(option: number): boolean {
    if (option === telnet.NAWS) {
      this.transport.requestNegotiation(telnet.NAWS, Buffer.of(0, 255, 0, 24));
    }
    return option === telnet.TTYPE || option === telnet.NAWS;
  }
  override enableRemote(option: number): boolean {
    return option === telnet.ECHO || option === telnet.SGA;
  }
  override dataReceived(data: Buffer): void {
    this.heard += data.toString();
  }
}

describe('Two TelnetTransports', () => {
  it('agree on what a terminal is', () => {
    const heard: unknown[] = [];
    class Terminal extends telnet.TelnetProtocol implements telnet.ITerminalProtocol {
      terminalSize(...size: number[]): void {
        heard.push(size);
      }
      terminalType(name: string): void {
        heard.push(name);
        this.transport.write('line\n');
      }
    }
    const user = new Client();
    const [client, server, pump] = connectedServerAndClient(
      () =>
        new telnet.TelnetTransport(() => new telnet.TelnetBootstrapProtocol(() => new Terminal()), {
          clock,
        }),
      () => new telnet.TelnetTransport(() => user, { clock }),
    );
    pump.flush();
    expect(heard).to.deep.equal([[255, 24], 'vt255']);
    expect(user.heard).to.equal('line\n');
    for (const option of [telnet.ECHO, telnet.SGA]) {
      expect(server.isEnabled('local', option)).to.equal(true);
      expect(client.isEnabled('remote', option)).to.equal(true);
    }
    for (const option of [telnet.LINEMODE, telnet.SGA]) {
      expect(server.isEnabled('remote', option)).to.equal(false);
    }
  });
});

describe('Telnet', () => {
  it('will() fires when the peer agrees', () => {
    const server = new telnet.Telnet({ clock });
    server.makeConnection(new StringTransport());
    const willing = server.will(telnet.ECHO);
    server.dataReceived(bytes('\xff\xfd\x01'));
    expect(successResultOf(willing)).to.equal(true);
    expect(server.isEnabled('local', telnet.ECHO)).to.equal(true);
  });
});
