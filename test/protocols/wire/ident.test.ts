import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { endianness, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { Failure, setUnhandledFailureHandler } from '../../../src/deferred/index.ts';
import { Factory } from '../../../src/protocols/index.ts';
import {
  HiddenUser,
  type IdentAnswer,
  IdentClient,
  type IdentEnd,
  IdentError,
  IdentServer,
  InvalidPort,
  NoUser,
  ProcIdentServer,
} from '../../../src/protocols/wire/index.ts';
import {
  Clock,
  ConnectionDone,
  connectProtocol,
  failureResultOf,
  IPv4Address,
  IPv6Address,
  LibuvReactor,
  StringTransport,
  successResultOf,
  TCP4ClientEndpoint,
} from '../../../src/reactor/index.ts';
import { cutAt, someCuts } from '../support.ts';

class Known extends IdentServer {
  readonly asked: number[][] = [];
  override lookup(server: IdentEnd, client: IdentEnd): IdentAnswer | Promise<IdentAnswer> {
    this.asked.push([server.port, client.port]);
    if (server.port === 1) throw new HiddenUser('hush');
    if (server.port === 2) throw new Error('broken');
    if (server.port === 3) return super.lookup(server, client) as IdentAnswer;
    if (server.port === 4) return Promise.resolve(['UNIX', 'late\r\nuser']);
    return ['UNIX', 'ada'];
  }
}

/** As long as it takes for what is answered at once to be answered. */
async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

describe('IdentServer', () => {
  let clock: Clock;
  let transport: StringTransport;

  function connect<S extends IdentServer>(server: S): S {
    clock = new Clock();
    transport = new StringTransport({ lenient: true });
    server.clock = clock;
    server.makeConnection(transport);
    return server;
  }

  it('answers one question after the other, however they are cut', async () => {
    const reports: string[] = [];
    const before = setUnhandledFailureHandler((failure) => reports.push(failure.getErrorMessage()));
    try {
      const questions = '4, 23\r\n 6193 ,\t23 \r\n1,1\n2,1\r\n3,1\r\n0,1\r\n1,65536\r\nwho?\r\n';
      await fc.assert(
        fc.asyncProperty(someCuts, async (cuts) => {
          const server = connect(new Known());
          for (const piece of cutAt(Buffer.from(questions), cuts)) {
            server.dataReceived(piece);
            await turns();
          }
          for (let i = 0; i < 10; i++) await turns();
          expect(transport.value().toString().split('\r\n')).to.deep.equal([
            '4, 23 : USERID : UNIX : late??user',
            '6193, 23 : USERID : UNIX : ada',
            '1, 1 : ERROR : HIDDEN-USER',
            '2, 1 : ERROR : UNKNOWN-ERROR',
            '3, 1 : ERROR : NO-USER',
            '0, 1 : ERROR : INVALID-PORT',
            '1, 65536 : ERROR : INVALID-PORT',
            '0, 0 : ERROR : INVALID-PORT',
            '',
          ]);
        }),
        { numRuns: 15 },
      );
      expect(new Set(reports)).to.deep.equal(new Set(['broken']));
    } finally {
      setUnhandledFailureHandler(before);
    }
  });

  it('looks up one at a time', async () => {
    const server = connect(new Known());
    server.dataReceived(Buffer.from('4,1\r\n4,2\r\n4,3\r\n'));
    expect(server.asked).to.deep.equal([[4, 1]]);
    for (let i = 0; i < 10; i++) await turns();
    expect(server.asked).to.deep.equal([
      [4, 1],
      [4, 2],
      [4, 3],
    ]);
  });

  it('says nothing any more to whoever is gone when the answer is there', async () => {
    const server = connect(new Known());
    server.dataReceived(Buffer.from('4,1\r\n'));
    transport.connected = false;
    server.connectionLost(new Failure(new ConnectionDone()));
    for (let i = 0; i < 3; i++) await turns();
    expect(transport.value()).to.have.length(0);
    expect(transport.producerState).to.equal('paused');
  });

  it('closes after too many questions, too long a one, and none', () => {
    const many = connect(new Known());
    many.maxQuestions = 2;
    many.dataReceived(Buffer.from('0,0\r\n0,0\r\n0,0\r\n0,0\r\n'));
    expect(transport.value().toString().split('\r\n')).to.have.length(3);
    expect(transport.disconnecting).to.equal(true);
    connect(new Known()).dataReceived(Buffer.alloc(1000, '1'));
    expect(transport.disconnecting).to.equal(true);
    connect(new Known());
    clock.advance(60);
    expect(transport.disconnecting).to.equal(true);
    const gone = connect(new Known());
    gone.connectionLost(new Failure(new ConnectionDone()));
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });
});

describe('IdentClient', () => {
  let client: IdentClient;
  let transport: StringTransport;

  beforeEach(() => {
    client = new IdentClient();
    transport = new StringTransport();
    client.makeConnection(transport);
  });

  it('asks one question after the other', () => {
    const [first, second] = [client.lookup(6193, 23), client.lookup(1, 2)];
    expect(transport.value().toString()).to.equal('6193, 23\r\n');
    client.dataReceived(Buffer.from('6193, 23 : USERID : UNIX , UTF-8 :a: b\r\n'));
    expect(successResultOf(first)).to.deep.equal(['UNIX', 'a: b']);
    expect(transport.value().toString()).to.equal('6193, 23\r\n1, 2\r\n');
    // Blanks behind the user are the user's.
    client.dataReceived(Buffer.from('1,2:USERID:OTHER: x \u00a0\r\n'));
    expect(successResultOf(second)).to.deep.equal(['OTHER', 'x \u00a0']);
  });

  for (const [answer, error] of [
    ['1, 2 : ERROR : NO-USER', NoUser],
    ['1, 2 : error : hidden-user', HiddenUser],
    ['1, 2 : ERROR : INVALID-PORT', InvalidPort],
    ['1, 2 : ERROR : UNKNOWN-ERROR', IdentError],
    ['1, 2 : ERROR : X-ODD', IdentError],
    ['2, 1 : USERID : UNIX : mallory', IdentError],
    ['1, 2 : USERID : UNIX', IdentError],
    ['', IdentError],
  ] as const) {
    it(`fails with ${error.name} at ${JSON.stringify(answer)}`, () => {
      const asked = client.lookup(1, 2);
      client.dataReceived(Buffer.from(`${answer}\r\n`));
      expect(failureResultOf(asked).type).to.equal(error);
    });
  }

  it('fails what was asked when the connection is lost, and what is asked afterwards', () => {
    const asked = [client.lookup(1, 2), client.lookup(3, 4)];
    asked[1]?.cancel();
    failureResultOf(asked[1] as never);
    client.connectionLost(new Failure(new ConnectionDone()));
    expect(failureResultOf(asked[0] as never).type).to.equal(ConnectionDone);
    expect(failureResultOf(client.lookup(5, 6)).type).to.equal(ConnectionDone);
  });

  it('closes a connection over which something comes that was not asked for', () => {
    client.dataReceived(Buffer.from('1, 2 : USERID : UNIX : x\r\n'));
    expect(transport.disconnecting).to.equal(true);
  });
});

describe('ProcIdentServer', () => {
  it('tells whose a real connection is, to its other end only', async function () {
    if (!existsSync('/proc/net/tcp')) this.skip();
    const reactor = new LibuvReactor();
    const factory = Factory.forProtocol(ProcIdentServer);
    factory.noisy = false;
    const port = reactor.listenTCP(0, factory, { interface: '127.0.0.1' });
    try {
      const endpoint = new TCP4ClientEndpoint(reactor, '127.0.0.1', port.getHost().port);
      const client = await connectProtocol(endpoint, new IdentClient());
      const own = client.transport.getHost() as IPv4Address; // over TCP
      // The connection that we ask over: at its other end it is ours as well.
      const [system, user] = await client.lookup(port.getHost().port, own.port);
      expect([system, user]).to.deep.equal(['UNIX', userInfo().username]);
      for (const [here, there] of [
        [1, own.port],
        [port.getHost().port, 1],
      ] as const) {
        let failure: unknown;
        try {
          await client.lookup(here, there);
        } catch (error) {
          failure = error;
        }
        expect(failure).to.be.instanceOf(NoUser);
      }
      client.transport.loseConnection();
    } finally {
      await port.stopListening();
    }
  });

  it('reads both tables, for IPv6 and for IPv4 within it', async function () {
    // The tables have words in the machine's own order; these are of the usual one.
    if (endianness() !== 'LE') this.skip();
    const folder = mkdtempSync(join(tmpdir(), 'strand-ident-'));
    try {
      const head =
        '  sl  local_address remote_address st tx_queue rx_queue tr tm->when retrnsmt uid\n';
      const line = (local: string, remote: string, state: string, uid: number): string =>
        `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000  ${uid}        0 1 1\n`;
      writeFileSync(
        join(folder, 'tcp'),
        head +
          line('0100007F:0016', '0200007F:1000', '0A', 1) +
          line('0100007F:0016', '0200007F:1000', '01', 7),
      );
      const mapped = (last: string): string => `0000000000000000FFFF0000${last}`;
      writeFileSync(
        join(folder, 'tcp6'),
        head +
          line(
            `B80D0120000000000000000001000000:0016`,
            `B80D0120000000000000000002000000:1000`,
            '01',
            8,
          ) +
          line(`${mapped('0100007F')}:0017`, `${mapped('0200007F')}:1000`, '01', 9),
      );
      writeFileSync(join(folder, 'passwd'), 'root:x:0:0\nada:x:7:7\nbob:x:8:8\n');
      const server = new ProcIdentServer();
      server.folder = folder;
      server.passwd = join(folder, 'passwd');
      const v4 = (host: string, port: number) => ({
        address: new IPv4Address('TCP', host, 1),
        port,
      });
      const v6 = (host: string, port: number) => ({
        address: new IPv6Address('TCP', host, 1),
        port,
      });
      expect(await server.lookup(v4('127.0.0.1', 22), v4('127.0.0.2', 4096))).to.deep.equal([
        'UNIX',
        'ada',
      ]);
      expect(await server.lookup(v6('2001:db8::1', 22), v6('2001:db8::2', 4096))).to.deep.equal([
        'UNIX',
        'bob',
      ]);
      const refused: unknown[] = [];
      for (const [here, there] of [
        [v4('127.0.0.1', 23), v4('127.0.0.2', 4096)],
        [v6('::ffff:127.0.0.1', 23), v6('::ffff:127.0.0.2', 4096)],
        [v4('127.0.0.1', 22), v4('127.0.0.3', 4096)],
      ] as const) {
        await server.lookup(here, there).catch((error: Error) => refused.push(error.message));
      }
      expect(refused).to.deep.equal([
        `Cannot name user 9: there is none in ${server.passwd}`,
        `Cannot name user 9: there is none in ${server.passwd}`,
        'Cannot say whose connection it is: none from 4096 to 22',
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
