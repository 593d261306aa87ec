import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Failure, setUnhandledFailureHandler } from '../../src/deferred/index.ts';
import {
  ClientFactory,
  encodeProxyTLS,
  Factory,
  HAProxyClientFactory,
  HAProxyWrappingFactory,
  InvalidProxyHeader,
  Protocol,
  type ProxyHeader,
  ProxyTLVType,
  proxyClientEndpoint,
  proxyHeaderOf,
  proxyTLSOf,
  proxyValueOf,
} from '../../src/protocols/index.ts';
import {
  clientFromString,
  IPv4Address,
  IPv6Address,
  LibuvReactor,
  type LogEvent,
  StringTransport,
  setLogObserver,
  TCP4ClientEndpoint,
  UNIXAddress,
  UNIXClientEndpoint,
} from '../../src/reactor/index.ts';
import { certificates } from '../support/certificates.ts';
import { HalfCloseRecorder, Recorder, RecordingFactory } from '../support/recorder.ts';

const SOURCE = new IPv4Address('TCP', '203.0.113.7', 4711);
const DESTINATION = new IPv4Address('TCP', '198.51.100.2', 443);
const HAPROXY = '/usr/sbin/haproxy';

function quiet<F extends { noisy: boolean }>(factory: F): F {
  factory.noisy = false;
  return factory;
}

/** Notes what it is told of those who connect, and answers. */
class Noting extends Protocol {
  static seen: Array<{ header: ProxyHeader | null; peer: unknown; said: string }> = [];
  override dataReceived(data: Buffer): void {
    const header = proxyHeaderOf(this.transport);
    Noting.seen.push({ header, peer: this.transport.getPeer(), said: data.toString() });
    this.transport.write('HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok');
    this.transport.loseConnection();
  }
}

describe('Clients that send a PROXY header', () => {
  let reactor: LibuvReactor;

  beforeEach(() => {
    reactor = new LibuvReactor();
    Noting.seen = [];
  });

  async function serving(
    use: (port: number) => Promise<void>,
    options: ConstructorParameters<typeof HAProxyWrappingFactory>[1] = {},
  ): Promise<void> {
    const factory = new HAProxyWrappingFactory(quiet(Factory.forProtocol(Noting)), {
      clock: reactor,
      ...options,
    });
    const port = reactor.listenTCP(0, factory, { interface: '127.0.0.1' });
    try {
      await use(port.getHost().port);
    } finally {
      await port.stopListening();
      factory.disconnectAll();
    }
  }

  it('HAProxyClientFactory writes the header before anything of the protocol', () => {
    class Greeting extends Protocol {
      override connectionMade(): void {
        this.transport.write('hello');
      }
    }
    const inner = quiet(ClientFactory.forProtocol(Greeting));
    const header = { version: 1, source: SOURCE, destination: DESTINATION } as const;
    const transport = new StringTransport();
    const factory = new HAProxyClientFactory(inner, header);
    factory.buildProtocol(transport.getPeer())?.makeConnection(transport);
    const line = 'PROXY TCP4 203.0.113.7 198.51.100.2 4711 443\r\n';
    expect(transport.value().toString()).to.equal(`${line}hello`);

    transport.clear();
    const own = new HAProxyClientFactory(inner);
    own.buildProtocol(transport.getPeer())?.makeConnection(transport);
    expect(transport.value().subarray(16, 28).toString('hex')).to.equal('0a000001c0a801013039d431');
  });

  it('HAProxyClientFactory ends a connection whose header cannot be written', () => {
    const calls: string[] = [];
    class Never extends Protocol {
      override connectionMade(): void {
        calls.push('made');
      }
      override connectionLost(): void {
        calls.push('lost');
      }
    }
    const factory = new HAProxyClientFactory(quiet(ClientFactory.forProtocol(Never)), {
      source: SOURCE,
    });
    const transport = new StringTransport();
    const wrapper = factory.buildProtocol(transport.getPeer());
    expect(() => wrapper?.makeConnection(transport)).to.throw(TypeError, 'not of one kind');
    wrapper?.connectionLost(new Failure(new Error('over')));
    expect([transport.disconnected, transport.value().length, calls]).to.deep.equal([true, 0, []]);
  });

  for (const version of [1, 2] as const) {
    it(`proxyClientEndpoint() and a server of ours understand each other in version ${version}`, () =>
      serving(async (port) => {
        const endpoint = proxyClientEndpoint(
          new TCP4ClientEndpoint(reactor, '127.0.0.1', port),
          () => ({ version, source: SOURCE, destination: DESTINATION }),
        );
        const client = new Recorder();
        const connected = await endpoint.connect(new RecordingFactory(() => client));
        expect(connected).to.equal(client);
        client.transport.write('hello');
        await client.until(() => client.lost);
        expect(Noting.seen).to.have.length(1);
        expect(Noting.seen[0]).to.deep.include({ peer: SOURCE, said: 'hello' });
      }));
  }

  it('proxyClientEndpoint() fails when the header cannot be written', () =>
    serving(async (port) => {
      const before = setUnhandledFailureHandler(() => {});
      try {
        const endpoint = proxyClientEndpoint(
          new TCP4ClientEndpoint(reactor, '127.0.0.1', port),
          () => ({ source: SOURCE, destination: new UNIXAddress('/run/x') }),
        );
        const client = new Recorder();
        let failure: unknown;
        try {
          await endpoint.connect(new RecordingFactory(() => client));
        } catch (error) {
          failure = error;
        }
        expect(failure).to.be.instanceOf(TypeError);
        expect(client.calls).to.deep.equal([]);
      } finally {
        setUnhandledFailureHandler(before);
      }
    }));

  it('proxyClientEndpoint() lets a protocol go on when one side is closed', () =>
    serving(async (port) => {
      const endpoint = proxyClientEndpoint(new TCP4ClientEndpoint(reactor, '127.0.0.1', port));
      const client = new HalfCloseRecorder();
      await endpoint.connect(new RecordingFactory(() => client));
      client.transport.write('hello');
      await client.until(() => client.calls.includes('readLost'));
      client.transport.loseConnection();
      await client.until(() => client.lost);
    }));

  it('clientFromString() understands haproxy: before any other description', () =>
    serving(async (port) => {
      const endpoint = clientFromString(reactor, `haproxy:tcp:127.0.0.1:${port}`);
      const client = new Recorder();
      await endpoint.connect(new RecordingFactory(() => client));
      const own = client.transport.getHost();
      client.transport.write('hello');
      await client.until(() => client.lost);
      expect(Noting.seen[0]?.peer).to.deep.equal(own);
      expect(Noting.seen[0]?.header).to.include({ version: 2, command: 'PROXY' });
    }));

  it('curl sends a header that we understand', () =>
    serving(async (port) => {
      const { stdout } = await promisify(execFile)('curl', [
        '-s',
        '--haproxy-protocol',
        '--noproxy',
        '*',
        `http://127.0.0.1:${port}/`,
      ]);
      expect(stdout).to.equal('ok');
      expect(Noting.seen[0]?.header).to.deep.include({ version: 1, command: 'PROXY' });
      expect(Noting.seen[0]?.header?.destination).to.deep.equal(
        new IPv4Address('TCP', '127.0.0.1', port),
      );
    }));

  for (const [how, version, options] of [
    ['send-proxy', 1, ''],
    ['send-proxy-v2', 2, ''],
    ['send-proxy-v2', 2, 'proxy-v2-options crc32c,unique-id'],
  ] as const) {
    it(`HAProxy takes our header and hands it on, and we take that: ${how} ${options}`, async function () {
      await withHAProxy(this, 'accept-proxy', `${how} ${options}`, async (front) => {
        const sources = [SOURCE, new IPv6Address('TCP', '2001:db8::7', 4711)] as const;
        for (const source of sources) {
          for (const own of [1, 2] as const) {
            const destination =
              source === SOURCE ? DESTINATION : new IPv6Address('TCP', '2001:db8::2', 443);
            const endpoint = proxyClientEndpoint(new UNIXClientEndpoint(reactor, front), {
              version: own,
              source,
              destination,
            });
            const client = new Recorder();
            await endpoint.connect(new RecordingFactory(() => client));
            client.transport.write('hello');
            await client.until(() => client.lost);
            expect(client.received.toString()).to.match(/ok$/);
            const seen = Noting.seen.pop();
            expect(seen).to.deep.include({ peer: source, said: 'hello' });
            expect(seen?.header).to.deep.include({ version, source, destination });
            const id = proxyValueOf(seen?.header ?? null, ProxyTLVType.UNIQUE_ID)?.toString();
            const crc = proxyValueOf(seen?.header ?? null, ProxyTLVType.CRC32C);
            expect([id !== undefined, crc?.length]).to.deep.equal(
              options === '' ? [false, undefined] : [true, 4],
            );
          }
        }
      });
    });
  }

  it('HAProxy tells us of the TLS of its client', async function () {
    const { server } = certificates();
    await withHAProxy(
      this,
      'ssl crt FOLDER/pem alpn http/1.1',
      'send-proxy-v2-ssl-cn proxy-v2-options ssl,cert-cn,ssl-cipher,authority',
      async (front) => {
        const args = ['-s', '-k', '--http1.1', '--unix-socket', front, 'https://a.example/'];
        const { stdout } = await promisify(execFile)('curl', args);
        expect(stdout).to.equal('ok');
        const header = Noting.seen[0]?.header ?? null;
        expect(header?.version).to.equal(2);
        const tls = proxyTLSOf(header);
        expect(tls).to.include({
          isTLS: true,
          certificateOnConnection: false,
          certificateInSession: false,
          version: 'TLSv1.3',
        });
        expect(tls?.cipher).to.match(/^TLS_/);
        expect(proxyValueOf(header, ProxyTLVType.AUTHORITY)?.toString()).to.equal('a.example');
      },
      `${server.cert}${server.key}`,
    );
  });

  /** Whether a UNIX socket that was made as `path`, whatever is behind that in the name, listens: __SO_ACCEPTCON is what Linux calls the flag. */
  function isListening(path: string): boolean {
    return readFileSync('/proc/net/unix', 'latin1')
      .split('\n')
      .some(
        (line) =>
          line.includes(path) && (Number.parseInt(line.split(' ')[3] ?? '', 16) & 0x10000) !== 0,
      );
  }

  /** Runs HAProxy between a UNIX socket, `front`, and a server of ours. */
  async function withHAProxy(
    test: Mocha.Context,
    bind: string,
    towards: string,
    use: (front: string) => Promise<void>,
    pem = '',
  ): Promise<void> {
    if (!existsSync(HAPROXY)) {
      if (process.env['CI'] === 'true') throw new Error('Install haproxy');
      test.skip();
    }
    const folder = mkdtempSync(join(tmpdir(), 'strand-haproxy-'));
    let child: ChildProcess | undefined;
    try {
      await serving(async (port) => {
        writeFileSync(join(folder, 'pem'), pem);
        writeFileSync(
          join(folder, 'haproxy.cfg'),
          `defaults
  mode tcp
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend front
  bind unix@${folder}/front ${bind.replace('FOLDER', folder)}
  unique-id-format id-of-%pid
  default_backend back
backend back
  server one 127.0.0.1:${port} ${towards}
`,
        );
        const front = join(folder, 'front');
        child = spawn(HAPROXY, ['-db', '-f', join(folder, 'haproxy.cfg')], { stdio: 'ignore' });
        // The socket has its name some time before it listens.
        while (!existsSync(front) || !isListening(front)) {
          if (child.exitCode !== null) throw new Error(`HAProxy ended with ${child.exitCode}`);
          await new Promise(setImmediate);
        }
        await use(front);
      });
    } finally {
      if (child !== undefined && child.exitCode === null) {
        const gone = once(child, 'exit');
        child.kill();
        await gone;
      }
      rmSync(folder, { recursive: true });
    }
  }
});

describe('HAProxyWrappingFactory, told whom to trust', () => {
  let logged: LogEvent[];
  let before: ReturnType<typeof setLogObserver>;

  beforeEach(() => {
    logged = [];
    before = setLogObserver((event) => logged.push(event));
  });

  afterEach(() => setLogObserver(before));

  const inner = quiet(Factory.forProtocol(Protocol));

  it('refuses others, in one line for all of them', () => {
    const factory = new HAProxyWrappingFactory(inner, { trusted: ['10.0.0.0/8', '2001:db8::1'] });
    const accepts = (host: string): boolean =>
      factory.buildProtocol(
        host.includes(':') ? new IPv6Address('TCP', host, 1) : new IPv4Address('TCP', host, 1),
      ) !== null;
    const hosts = ['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::1', '11.0.0.1', '2001:db8::2'];
    expect(hosts.map(accepts)).to.deep.equal([true, true, true, false, false]);
    expect(factory.buildProtocol(new UNIXAddress('/run/x'))).to.equal(null);
    expect(logged.map(({ message }) => message)).to.deep.equal([
      "Refusing connections: IPv4Address(TCP, '11.0.0.1', 1) is no proxy that is trusted",
    ]);
  });

  it('takes UNIX sockets when told so, and asks a function', () => {
    const address = new UNIXAddress('/run/x');
    const unix = new HAProxyWrappingFactory(inner, { trusted: ['unix'] });
    expect(unix.buildProtocol(address)).not.to.equal(null);
    expect(unix.buildProtocol(SOURCE)).to.equal(null);
    const asked = new HAProxyWrappingFactory(inner, { trusted: (addr) => addr === SOURCE });
    expect(asked.buildProtocol(SOURCE)).not.to.equal(null);
    expect(asked.buildProtocol(address)).to.equal(null);
    expect(() => new HAProxyWrappingFactory(inner, { trusted: ['somebody'] })).to.throw(TypeError);
  });

  it('serves others without a header when told so', () => {
    const built: Recorder[] = [];
    const factory = new HAProxyWrappingFactory(
      new RecordingFactory(() => {
        const recorder = new Recorder();
        built.push(recorder);
        return recorder;
      }),
      { trusted: ['10.0.0.0/8'], untrusted: 'direct' },
    );
    const transport = new StringTransport();
    const wrapper = factory.buildProtocol(SOURCE);
    wrapper?.makeConnection(transport);
    wrapper?.dataReceived(Buffer.from('GET / HTTP/1.1\r\n'));
    expect(built[0]?.received.toString()).to.equal('GET / HTTP/1.1\r\n');
    expect(built[0] && proxyHeaderOf(built[0].transport)).to.equal(null);
    const none = new HAProxyWrappingFactory(
      { buildProtocol: () => null, doStart() {}, doStop() {} },
      { trusted: [], untrusted: 'direct' },
    );
    expect(none.buildProtocol(SOURCE)).to.equal(null);
  });
});

describe('proxyTLSOf()', () => {
  const headerWith = (value: Buffer): ProxyHeader => ({
    version: 2,
    command: 'PROXY',
    source: null,
    destination: null,
    tlvs: [{ type: ProxyTLVType.SSL, value }],
  });
  const tls = {
    isTLS: true,
    certificateOnConnection: true,
    certificateInSession: false,
    verified: true,
    version: 'TLSv1.3',
    commonName: 'somebody',
    cipher: 'TLS_AES_256_GCM_SHA384',
  };

  it('proxyTLSOf() reads what encodeProxyTLS() writes', () => {
    for (const each of [
      tls,
      { ...tls, verified: false, signatureAlgorithm: 'SHA256', keyAlgorithm: 'RSA2048' },
      {
        isTLS: false,
        certificateOnConnection: false,
        certificateInSession: true,
        verified: false,
      },
    ]) {
      expect(proxyTLSOf(headerWith(encodeProxyTLS(each).value))).to.deep.equal(each);
    }
  });

  it('proxyTLSOf() reads bytes as the specification has them, and skips values it does not know', () => {
    const bytes = Buffer.from('0500000000' + '210007544c5376312e32' + '7f0001ff', 'hex');
    expect(proxyTLSOf(headerWith(bytes))).to.deep.equal({
      isTLS: true,
      certificateOnConnection: false,
      certificateInSession: true,
      verified: true,
      version: 'TLSv1.2',
    });
  });

  it('proxyTLSOf() is null where nothing is said, and refuses what is cut off', () => {
    expect(proxyTLSOf(null)).to.equal(null);
    expect(proxyTLSOf({ ...headerWith(Buffer.alloc(0)), tlvs: [] })).to.equal(null);
    const { value } = encodeProxyTLS(tls);
    for (let length = 0; length < value.length; length++) {
      const read = (): unknown => proxyTLSOf(headerWith(value.subarray(0, length)));
      // Cut between two values, it is whole.
      if ([5, 15, 26].includes(length)) expect(read).not.to.throw();
      else expect(read, String(length)).to.throw(InvalidProxyHeader);
    }
  });
});
