/** SOCKS over real connections: with curl as client, with microsocks and Dante as servers, and with ourselves at both ends. */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import {
  Factory,
  InMemoryUsernamePasswordDatabase,
  Portal,
  Protocol,
} from '../../../src/protocols/index.ts';
import {
  SOCKS4ClientEndpoint,
  SOCKS5ClientEndpoint,
  SOCKSAuthenticationError,
  SOCKSRealm,
  SOCKSRefusedError,
  SOCKSServerFactory,
  type SOCKSServerOptions,
} from '../../../src/protocols/socks/index.ts';
import { encodeGreeting, encodeRequest } from '../../../src/protocols/socks/messages.ts';
import {
  AccumulatingProtocol,
  clientFromString,
  connectProtocol,
  LibuvReactor,
  type ListeningPort,
  type LogEvent,
  optionsForClientTLS,
  setLogObserver,
  TCP4ClientEndpoint,
  TLSVerificationError,
  wrapClientTLS,
} from '../../../src/reactor/index.ts';
import { certificates } from '../../support/certificates.ts';

const LOOPBACK: SOCKSServerOptions = { allow: ['127.0.0.0/8', '::1'] };
const PAGE = randomBytes(3_000_000);

/** A web server as small as can be, which ends its side as soon as it has answered. */
class Page extends Protocol {
  #asked = '';

  override dataReceived(data: Buffer): void {
    this.#asked += data.toString();
    if (!this.#asked.endsWith('\r\n\r\n')) return;
    this.transport.write(`HTTP/1.0 200 OK\r\nContent-Length: ${PAGE.length}\r\n\r\n`);
    this.transport.write(PAGE);
    this.transport.loseConnection();
  }
}

/** Says by which name it was asked for. */
class Named extends Protocol {
  override dataReceived(): void {
    this.transport.write('serverName' in this.transport ? `${this.transport.serverName}` : '');
    this.transport.loseConnection();
  }
}

class Echo extends Protocol {
  override dataReceived(data: Buffer): void {
    this.transport.write(data);
  }
}

async function failureOf(work: PromiseLike<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error('Expected a failure');
}

function missing(program: string, what: string): string | undefined {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
    ? undefined
    : `No ${program}: apt-get install ${what}`;
}

function needs(context: Mocha.Context, program: string, what: string): void {
  const why = missing(program, what);
  if (why === undefined) return;
  if (process.env['CI'] === 'true') throw new Error(why);
  process.stderr.write(`${why}\n`);
  context.skip();
}

const portOf = (port: ListeningPort): number => {
  const address = port.getHost();
  return 'port' in address ? address.port : 0;
};

describe('SOCKS over real connections', () => {
  let reactor: LibuvReactor;
  let web: ListeningPort;
  let echo: ListeningPort;
  let ports: ListeningPort[];
  let logged: LogEvent[];
  let observer: ReturnType<typeof setLogObserver>;

  const listen = (factory: Factory): ListeningPort => {
    factory.noisy = false;
    const port = reactor.listenTCP(0, factory, { interface: '127.0.0.1' });
    ports.push(port);
    return port;
  };

  const serve = (options: SOCKSServerOptions = LOOPBACK): ListeningPort =>
    listen(new SOCKSServerFactory(reactor, options));

  beforeEach(() => {
    reactor = new LibuvReactor();
    ports = [];
    logged = [];
    observer = setLogObserver((event) => logged.push(event));
    web = listen(Factory.forProtocol(Page));
    echo = listen(Factory.forProtocol(Echo));
  });

  afterEach(async () => {
    for (const port of ports) await port.stopListening();
    // What is closed by either end takes a turn or two to be gone.
    for (let i = 0; i < 200 && reactor.openCount > 0; i += 1) await reactor.iterate();
    setLogObserver(observer);
    expect(reactor.openCount).to.equal(0);
    expect(reactor.getDelayedCalls()).to.deep.equal([]);
  });

  describe('curl through SOCKSServerFactory', () => {
    const fetchPage = async (
      port: ListeningPort,
      flag: string,
      user: string[],
      host = '127.0.0.1',
    ): Promise<Buffer> => {
      const url = `http://${host}:${portOf(web)}/`;
      const args = [
        '-sS',
        '--noproxy',
        '',
        flag,
        `127.0.0.1:${portOf(port)}`,
        ...user,
        '--max-time',
        '15',
        url,
      ];
      const { stdout } = await promisify(execFile)('curl', args, {
        encoding: 'buffer',
        maxBuffer: 10_000_000,
      });
      return stdout;
    };

    before(function () {
      needs(this, 'curl', 'curl');
    });

    for (const flag of ['--socks4', '--socks4a', '--socks5', '--socks5-hostname']) {
      it(`${flag} fetches a page whole`, async () => {
        const page = await fetchPage(
          serve(),
          flag,
          [],
          flag.endsWith('me') || flag.endsWith('a') ? 'localhost' : '127.0.0.1',
        );
        expect(page.equals(PAGE)).to.equal(true);
      });
    }

    it('logs in, or is refused', async () => {
      const login = new Portal(new SOCKSRealm(), [
        new InMemoryUsernamePasswordDatabase({ alice: 's3cret' }),
      ]);
      const port = serve({ ...LOOPBACK, login, failedLoginDelay: 0 });
      const page = await fetchPage(port, '--socks5', ['--proxy-user', 'alice:s3cret']);
      expect(page.equals(PAGE)).to.equal(true);
      const wrong = await failureOf(fetchPage(port, '--socks5', ['--proxy-user', 'alice:wrong']));
      expect(wrong).to.have.property('code', 97);
      const without = await failureOf(fetchPage(port, '--socks5', []));
      expect(without).to.have.property('code', 97);
    });

    it('is told that a place is not allowed', async () => {
      for (const flag of ['--socks5', '--socks4']) {
        const error = await failureOf(fetchPage(serve({}), flag, []));
        expect(error).to.have.property('code', 97);
      }
      expect(
        logged
          .filter(({ level }) => level === 'warn')
          .map(({ message }) => message)
          .join(),
      ).to.include('Not allowed');
    });
  });

  it('both ends are ours: echo, half-close, and a proxy behind a proxy', async () => {
    const [first, second] = [serve(), serve()].map(
      (port) => new TCP4ClientEndpoint(reactor, '127.0.0.1', portOf(port)),
    );
    if (first === undefined || second === undefined) throw new Error('Expected two');
    const secondAgain = ports.at(-1);
    const chained = new SOCKS5ClientEndpoint(
      first,
      '127.0.0.1',
      secondAgain === undefined ? 0 : portOf(secondAgain),
    );
    const factory = Factory.forProtocol(Echo);
    factory.noisy = false;
    const echo6 = reactor.listenTCP(0, factory, { interface: '::1' });
    ports.push(echo6);
    for (const endpoint of [
      new SOCKS5ClientEndpoint(first, '::1', portOf(echo6)),
      new SOCKS5ClientEndpoint(first, 'localhost', portOf(echo)),
      new SOCKS4ClientEndpoint(first, '127.0.0.1', portOf(echo)),
      new SOCKS5ClientEndpoint(chained, '127.0.0.1', portOf(echo)),
      clientFromString(
        reactor,
        `socks:127.0.0.1:${portOf(echo)}:endpoint=tcp\\:127.0.0.1\\:${secondAgain === undefined ? 0 : portOf(secondAgain)}`,
      ),
    ]) {
      const client = await connectProtocol(endpoint, new AccumulatingProtocol());
      const bytes = randomBytes(2_000_000);
      client.transport.write(bytes);
      client.transport.loseWriteConnection();
      await client.disconnected;
      const digest = (data: Buffer): string => createHash('sha1').update(data).digest('hex');
      expect(digest(client.data)).to.equal(digest(bytes));
    }
  });

  it('TLS behind a proxy is with the host, who has to prove to be that one', async () => {
    const { server, ca } = certificates();
    const factory = Factory.forProtocol(Named);
    factory.noisy = false;
    const secure = reactor.listenSSL(0, factory, server, { interface: '127.0.0.1' });
    ports.push(secure);
    const proxy = new TCP4ClientEndpoint(reactor, '127.0.0.1', portOf(serve()));
    const endpoint = (host: string): SOCKS5ClientEndpoint =>
      new SOCKS5ClientEndpoint(proxy, host, portOf(secure));
    const good = await connectProtocol(
      wrapClientTLS({ ca: ca.cert }, endpoint('localhost')),
      new AccumulatingProtocol(),
    );
    good.transport.write('hello');
    await good.disconnected;
    // Had it been with the proxy, there would be no name.
    expect(good.data.toString()).to.equal('localhost');
    const options = optionsForClientTLS('other.example', { trustRoot: ca.cert });
    const bad = await connectProtocol(
      wrapClientTLS(options, endpoint('localhost')),
      new AccumulatingProtocol(),
    );
    await bad.disconnected;
    expect(bad.closedReason?.check(TLSVerificationError)).to.equal(TLSVerificationError);
  });

  it('binds a port for a client, for its peer alone', async () => {
    const proxy = serve({ ...LOOPBACK, commands: ['bind'] });
    const client = await connectProtocol(
      new TCP4ClientEndpoint(reactor, '127.0.0.1', portOf(proxy)),
      new AccumulatingProtocol(),
    );
    client.transport.writeSequence([
      encodeGreeting([0]),
      encodeRequest('bind', { host: '127.0.0.1', port: 0 }),
    ]);
    while (client.data.length < 12) await reactor.iterate();
    const told = client.data.subarray(2);
    expect(told.subarray(0, 8).toString('hex')).to.equal('050000017f000001');
    const bound = told.readUInt16BE(8);
    const elsewhere = { bindAddress: ['127.0.0.2', 0] } as const;
    const stranger = await connectProtocol(
      new TCP4ClientEndpoint(reactor, '127.0.0.1', bound, elsewhere),
      new AccumulatingProtocol(),
    );
    await stranger.disconnected;
    expect(client.data.length).to.equal(12);
    const visitor = await connectProtocol(
      new TCP4ClientEndpoint(reactor, '127.0.0.1', bound),
      new AccumulatingProtocol(),
    );
    visitor.transport.write('hello');
    visitor.transport.loseConnection();
    await client.disconnected;
    expect(client.data.subarray(12, 20).toString('hex')).to.equal('050000017f000001');
    expect(client.data.subarray(22).toString()).to.equal('hello');
  });

  it('passes datagrams on, to and from where the client sent some, and stops with its connection', async () => {
    const proxy = serve({ ...LOOPBACK, commands: ['udp'] });
    const client = await connectProtocol(
      new TCP4ClientEndpoint(reactor, '127.0.0.1', portOf(proxy)),
      new AccumulatingProtocol(),
    );
    client.transport.writeSequence([
      encodeGreeting([0]),
      encodeRequest('udp', { host: '0.0.0.0', port: 0 }),
    ]);
    while (client.data.length < 12) await reactor.iterate();
    const relayPort = client.data.readUInt16BE(10);
    const answerer = createSocket('udp4');
    const mine = createSocket('udp4');
    const stranger = createSocket('udp4');
    try {
      const got: string[] = [];
      const heard: Buffer[] = [];
      const sources: number[] = [];
      await Promise.all(
        [answerer, mine, stranger].map(
          (socket) => new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve)),
        ),
      );
      answerer.on('message', (message, from) => {
        got.push(message.toString());
        sources.push(from.port);
        answerer.send(`re: ${message}`, from.port, from.address);
      });
      mine.on('message', (message) => heard.push(message));
      const head = (host: string, port: number): Buffer =>
        Buffer.concat([Buffer.alloc(2), encodeRequest('udp', { host, port }).subarray(2)]);
      const { port } = answerer.address();
      const send = (socket: typeof mine, data: Buffer): void =>
        socket.send(data, relayPort, '127.0.0.1');
      send(mine, Buffer.concat([head('127.0.0.1', port), Buffer.from('one')]));
      while (heard.length < 1) await reactor.iterate();
      send(mine, Buffer.from('junk'));
      send(mine, Buffer.alloc(0));
      const fragment = Buffer.concat([head('127.0.0.1', port), Buffer.from('a fragment')]);
      fragment[2] = 1;
      send(mine, fragment);
      send(mine, Buffer.concat([head('10.0.0.1', port), Buffer.from('not allowed')]));
      send(stranger, Buffer.concat([head('127.0.0.1', port), Buffer.from('from another port')]));
      stranger.send('unasked', sources[0] ?? 0, '127.0.0.1');
      send(mine, Buffer.concat([head('localhost', port), Buffer.from('two')]));
      while (heard.length < 2) await reactor.iterate();
      expect(got).to.deep.equal(['one', 'two']);
      expect(heard.map(String)).to.deep.equal(
        ['one', 'two'].map((text) => `${head('127.0.0.1', port)}re: ${text}`),
      );
      client.transport.loseConnection();
      await client.disconnected;
    } finally {
      for (const socket of [answerer, mine, stranger]) socket.close();
    }
  });

  // ----------------------------------------------------------------------------- servers of others

  interface Foreign {
    readonly port: number;
    stop(): Promise<void>;
  }

  const freePort = (): Promise<number> =>
    new Promise((resolve) => {
      const server = createServer().listen(0, '127.0.0.1', () => {
        const address = server.address();
        const port = typeof address === 'object' && address !== null ? address.port : 0;
        server.close(() => resolve(port));
      });
    });

  const isThere = (port: number): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });

  async function start(
    program: string,
    args: (port: number, folder: string) => string[],
  ): Promise<Foreign> {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'strand-socks-'));
    const child: ChildProcess = spawn(program, args(port, folder), { stdio: 'ignore' });
    const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const stop = async (): Promise<void> => {
      child.kill('SIGTERM');
      await gone;
      rmSync(folder, { recursive: true, force: true });
    };
    while (child.exitCode === null) {
      if (await isThere(port)) return { port, stop };
      // The start of a process is as good a pause as any, and needs no timer.
      spawnSync('true');
    }
    await stop();
    throw new Error(`${program} does not listen`);
  }

  async function echoes(endpoint: SOCKS5ClientEndpoint | SOCKS4ClientEndpoint): Promise<void> {
    const client = await connectProtocol(endpoint, new AccumulatingProtocol());
    const bytes = randomBytes(500_000);
    client.transport.write(bytes);
    while (client.data.length < bytes.length) await reactor.iterate();
    expect(client.data.equals(bytes)).to.equal(true);
    client.transport.loseConnection();
    await client.disconnected;
  }

  it('SOCKS5ClientEndpoint with microsocks', async function () {
    needs(this, 'microsocks', 'microsocks');
    const open = await start('microsocks', (port) => ['-i', '127.0.0.1', '-p', `${port}`]);
    const guarded = await start('microsocks', (port) => [
      '-i',
      '127.0.0.1',
      '-p',
      `${port}`,
      '-u',
      'alice',
      '-P',
      'secret',
    ]);
    try {
      const to = (foreign: Foreign): TCP4ClientEndpoint =>
        new TCP4ClientEndpoint(reactor, '127.0.0.1', foreign.port);
      await echoes(new SOCKS5ClientEndpoint(to(open), '127.0.0.1', portOf(echo)));
      await echoes(new SOCKS5ClientEndpoint(to(open), 'localhost', portOf(echo)));
      const login = { username: 'alice', password: 'secret' };
      await echoes(new SOCKS5ClientEndpoint(to(guarded), '127.0.0.1', portOf(echo), login));
      const without = new SOCKS5ClientEndpoint(to(guarded), '127.0.0.1', portOf(echo));
      expect(
        await failureOf(connectProtocol(without, new AccumulatingProtocol())),
      ).to.be.instanceOf(SOCKSAuthenticationError);
      const refusing = new SOCKS5ClientEndpoint(to(open), '127.0.0.1', await freePort());
      const refused = await failureOf(connectProtocol(refusing, new AccumulatingProtocol()));
      expect(refused).to.be.instanceOf(SOCKSRefusedError);
      expect(refused).to.have.property('reply', 5);
    } finally {
      await open.stop();
      await guarded.stop();
    }
  });

  it('both endpoints with Dante', async function () {
    needs(this, 'danted', 'dante-server');
    const dante = await start('danted', (port, folder) => {
      const file = join(folder, 'danted.conf');
      const user = process.getuid?.() === 0 ? 'nobody' : (process.env['USER'] ?? 'nobody');
      writeFileSync(
        file,
        [
          `logoutput: ${join(folder, 'log')}`,
          `internal: 127.0.0.1 port = ${port}`,
          'external: 127.0.0.1',
          'socksmethod: none',
          'clientmethod: none',
          `user.privileged: ${user}`,
          `user.unprivileged: ${user}`,
          'client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }',
          `socks block { from: 0.0.0.0/0 to: 127.0.0.0/8 port = ${portOf(web)} }`,
          'socks pass { from: 127.0.0.0/8 to: 127.0.0.0/8 }',
          '',
        ].join('\n'),
      );
      return ['-f', file, '-p', join(folder, 'pid'), '-N', '1'];
    });
    try {
      const proxy = new TCP4ClientEndpoint(reactor, '127.0.0.1', dante.port);
      await echoes(new SOCKS5ClientEndpoint(proxy, '127.0.0.1', portOf(echo)));
      await echoes(new SOCKS5ClientEndpoint(proxy, 'localhost', portOf(echo)));
      await echoes(new SOCKS4ClientEndpoint(proxy, '127.0.0.1', portOf(echo)));
      for (const Endpoint of [SOCKS5ClientEndpoint, SOCKS4ClientEndpoint]) {
        const refusing = new Endpoint(proxy, '127.0.0.1', portOf(web));
        const refused = await failureOf(connectProtocol(refusing, new AccumulatingProtocol()));
        expect(refused).to.be.instanceOf(SOCKSRefusedError);
      }
    } finally {
      await dante.stop();
    }
  });
});
