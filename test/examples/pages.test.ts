/** What the pages on protocols, TLS, coming from node:net and Twisted's names show does what they say. */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect as netConnect, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { connect as tlsConnect } from 'node:tls';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import * as echoes from '../../docs/examples/from-net-echo.ts';
import { Lines } from '../../docs/examples/from-net-iterate.ts';
import { after as addingAfter } from '../../docs/examples/from-net-lines.ts';
import { before as addingBefore } from '../../docs/examples/from-net-lines-before.ts';
import { sendStream } from '../../docs/examples/from-net-stream.ts';
import { remember, StoreClient } from '../../docs/examples/protocol-client.ts';
import { type Shelf, Store } from '../../docs/examples/protocol-store.ts';
import { Listener, listenTo, ownAuthority, pinned, usual } from '../../docs/examples/tls-client.ts';
import { asMember, Club, membersOnly } from '../../docs/examples/tls-clients.ts';
import { Greeting, severalNames } from '../../docs/examples/tls-names.ts';
import { Asker, Keeper } from '../../docs/examples/tls-start.ts';
import {
  Certificate,
  CertificateOptions,
  ConnectionLost,
  clientFromString,
  connectedServerAndClient,
  connectProtocol,
  Factory,
  failureResultOf,
  type IProtocol,
  type ListeningPort,
  PrivateCertificate,
  Protocol,
  reactor,
  serverFromString,
  successResultOf,
  TCP4ClientEndpoint,
  type TLSContext,
  TLSError,
  TLSVerificationError,
} from '../../src/index.ts';
import { certificates, type KeyAndCert } from '../support/certificates.ts';
import { killChildren, ROOT, start } from '../support/twistd-child.ts';

const LOOPBACK = { interface: '127.0.0.1' };
const ports: ListeningPort[] = [];
const servers: Server[] = [];

function factoryFor<P extends IProtocol>(make: () => P): Factory<P> {
  const factory = new Factory<P>();
  factory.noisy = false;
  factory.buildProtocol = make;
  return factory;
}

/** The port something listens on, until the test is over. */
function listening(port: ListeningPort | Server): Promise<number> | number {
  if ('stopListening' in port) {
    ports.push(port);
    const { port: number } = port.getHost() as { port: number }; // all of them are TCP's
    return number;
  }
  servers.push(port);
  return once(port, 'listening').then(() => (port.address() as AddressInfo).port);
}

afterEach(async () => {
  for (const port of ports.splice(0)) await port.stopListening();
  for (const server of servers.splice(0)) await new Promise((done) => server.close(done));
  await killChildren();
});

/** Sends `text`, ends our side, and gives all that comes back. */
async function exchange(port: number, text: string): Promise<string> {
  const socket = netConnect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.end(text);
  let said = '';
  for await (const data of socket) said += data;
  return said;
}

/** What an example prints that does its work when it is imported. */
async function says(name: string): Promise<unknown[]> {
  const lines: unknown[] = [];
  const { log } = console;
  console.log = (line: unknown) => lines.push(line);
  try {
    await import(pathToFileURL(join(ROOT, `docs/examples/${name}.ts`)).href);
  } finally {
    console.log = log;
  }
  return lines;
}

describe('The page on protocols', () => {
  const shelf = (): Shelf => ({ values: new Map(), maxValues: 3, maxLength: 100, idle: 60 });

  it('has tests that pass', async () => {
    expect(await says('protocol-store-test')).to.deep.equal(['ok']);
    expect(await says('protocol-store-cuts')).to.deep.equal(['ok']);
  });

  it('has a client that asks several things at once, and hears of the end', () => {
    const [client, server, pump] = connectedServerAndClient(
      () => new Store(shelf()),
      () => new StoreClient(),
    );
    const answers = [
      client.get('a'),
      client.set('a', Buffer.from('x\r\ny')),
      client.get('a'),
      client.set('b', Buffer.alloc(0)),
      client.get('b'),
      client.get('a'),
    ];
    pump.flush();
    const [none, stored, value, storedToo, empty, again] = answers.map((answer) =>
      successResultOf(answer),
    );
    expect([none, stored, storedToo]).to.deep.equal([null, null, null]);
    expect([value, empty, again].map(String)).to.deep.equal(['x\r\ny', '', 'x\r\ny']);
    const late = client.get('a');
    server.transport.abortConnection();
    pump.flush();
    failureResultOf(late, ConnectionLost);
    failureResultOf(client.get('a'), ConnectionLost);
  });

  it('connects by a description, and leaves nothing behind', async () => {
    let gone: () => void = () => {};
    const lost = new Promise<void>((resolve) => {
      gone = resolve;
    });
    class Watched extends Store {
      override connectionLost(...args: Parameters<Store['connectionLost']>): void {
        super.connectionLost(...args);
        gone();
      }
    }
    const factory = factoryFor(() => new Watched(shelf()));
    const port = await listening(reactor.listenTCP(0, factory, LOOPBACK));
    expect(await remember(reactor, `tcp:127.0.0.1:${port}`, 'hello')).to.equal('hello');
    await lost;
  });

  it('is hosted', async () => {
    const child = start(['--service', 'docs/examples/protocol-app.ts'], {
      env: { LISTEN: 'tcp:0:interface=127.0.0.1' },
    });
    expect(await exchange(await child.port(), 'SET a 2\r\nhiGET a\r\n')).to.equal(
      'STORED\r\nVALUE 2\r\nhi',
    );
    expect((await child.stop()).code).to.equal(0);
  }).timeout(30_000);
});

describe('The page on TLS', () => {
  const privately = ({ cert, key }: KeyAndCert): PrivateCertificate =>
    PrivateCertificate.loadPEM(`${cert}\n${key}`);
  const publicly = ({ cert }: KeyAndCert): Certificate => Certificate.loadPEM(cert);

  const serve = (make: () => Protocol, context: TLSContext): Promise<number> | number =>
    listening(reactor.listenSSL(0, factoryFor(make), context, LOOPBACK));

  async function hear(port: number, context: Parameters<typeof listenTo>[3]): Promise<string> {
    return (await listenTo(reactor, 'localhost', port, context)).said;
  }

  /** What fails, or undefined. */
  async function failure(promise: PromiseLike<unknown>): Promise<unknown> {
    try {
      await promise;
      return undefined;
    } catch (error) {
      return error;
    }
  }

  it('hosts a server with TLS', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'strand-tls-'));
    try {
      const { selfSigned } = certificates();
      const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
      writeFileSync(cert, selfSigned.cert);
      writeFileSync(key, selfSigned.key);
      const child = start(['--service', 'docs/examples/tls-server.ts'], {
        env: { PORT: '0', CERTIFICATE: cert, PRIVATE_KEY: key },
      });
      const port = await child.port();
      const socket = tlsConnect({ port, host: 'localhost', ca: selfSigned.cert }, () =>
        socket.write('hello'),
      );
      const [echo] = await once(socket, 'data');
      expect(String(echo)).to.equal('hello');
      socket.destroy();
      expect((await child.stop()).code).to.equal(0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }).timeout(30_000);

  it('listens by a description', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'strand-tls-'));
    try {
      const { ca, server } = certificates();
      writeFileSync(join(folder, 'both.pem'), `${server.cert}${server.key}`);
      writeFileSync(join(folder, 'ca.pem'), ca.cert);
      const description = `ssl:0:privateKey=${folder}/both.pem:interface=127.0.0.1`;
      const endpoint = serverFromString(reactor, description);
      const port = await listening(await endpoint.listen(factoryFor(() => new Greeting())));
      const client = `tls:localhost:${port}:trustRoots=${folder}/ca.pem`;
      const listener = await connectProtocol(clientFromString(reactor, client), new Listener());
      expect(await listener.said).to.equal('localhost null TLSv1.3');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('shows each name its certificate, and agrees on a protocol', async () => {
    const { ca, server, a, b } = certificates();
    const context = severalNames(privately(server), {
      'a.example': privately(a),
      'b.example': privately(b),
    });
    const port = await serve(() => new Greeting(), context);
    const ask = async (servername: string, ALPNProtocols: string[]): Promise<string[]> => {
      const socket = tlsConnect({
        ...{ port, host: '127.0.0.1', ca: ca.cert },
        ...{ servername, ALPNProtocols },
      });
      const [said] = await once(socket, 'data');
      const { subject } = socket.getPeerCertificate();
      socket.destroy();
      return [String(said), String(subject.CN)];
    };
    expect(await ask('a.example', ['greeting/1', 'greeting/2'])).to.deep.equal([
      'a.example greeting/2 TLSv1.3',
      'a.example',
    ]);
    expect(await ask('b.example', ['greeting/1'])).to.deep.equal([
      'b.example greeting/1 TLSv1.3',
      'b.example',
    ]);
    expect(await ask('localhost', ['greeting/1'])).to.deep.equal([
      'localhost greeting/1 TLSv1.3',
      'localhost',
    ]);
    // Who speaks no ALPN is let in; who speaks something else is not.
    expect(await hear(port, ownAuthority('localhost', ca.cert))).to.equal('localhost null TLSv1.3');
    expect(await failure(ask('localhost', ['greeting/3']))).to.be.an.instanceOf(Error);
  });

  it('lets in members only', async () => {
    const { ca, server, client, otherClient } = certificates();
    const port = await serve(() => new Club(), membersOnly(privately(server), publicly(ca)));
    const as = (member: KeyAndCert): Promise<string> =>
      hear(port, asMember('localhost', publicly(ca), privately(member)));
    expect(await as(client)).to.equal('Hello good client');
    expect(await failure(as(otherClient))).to.be.an.instanceOf(ConnectionLost);
    expect(await failure(hear(port, ownAuthority('localhost', ca.cert)))).to.be.an.instanceOf(
      ConnectionLost,
    );
  });

  it('has clients that know whom they talk to', async () => {
    const { selfSigned, otherCA: other } = certificates();
    const context = new CertificateOptions({ certificate: privately(selfSigned) });
    const port = await serve(() => new Greeting(), context);
    const digest = publicly(selfSigned).digest();
    const own = ownAuthority('localhost', selfSigned.cert);
    expect(await hear(port, own)).to.equal('localhost null TLSv1.3');
    expect(await hear(port, pinned(own, digest))).to.equal('localhost null TLSv1.3');
    const strangers = [
      usual('localhost'),
      ownAuthority('localhost', other.cert),
      ownAuthority('a.example', selfSigned.cert),
      pinned(own, publicly(other).digest()),
    ];
    for (const stranger of strangers) {
      expect(await failure(hear(port, stranger))).to.be.an.instanceOf(TLSVerificationError);
    }
  });

  it('resumes sessions', async () => {
    const { ca, server } = certificates();
    const context = new CertificateOptions({ certificate: privately(server) });
    const port = await serve(() => new Greeting(), context);
    const first = await listenTo(reactor, 'localhost', port, ownAuthority('localhost', ca.cert));
    await first.said;
    expect([first.resumed, first.session]).to.satisfy(
      ([resumed, session]: unknown[]) => resumed === false && Buffer.isBuffer(session),
    );
    const again = ownAuthority('localhost', ca.cert, first.session);
    const second = await listenTo(reactor, 'localhost', port, again);
    await second.said;
    expect(second.resumed).to.equal(true);
  });

  it('starts TLS in mid-stream, on both sides', async () => {
    const { ca, server } = certificates();
    const context = new CertificateOptions({ certificate: privately(server) });
    const factory = factoryFor(() => new Keeper(context));
    const port = await listening(reactor.listenTCP(0, factory, LOOPBACK));
    expect(await exchange(port, 'SECRET\r\n')).to.equal('NO\r\n');
    const asker = async (authority: string): Promise<[string | null, unknown]> => {
      const asking = new Asker(ownAuthority('localhost', authority));
      const lost = new Promise<unknown>((resolve) => {
        asking.connectionLost = (reason) => resolve(reason?.value);
      });
      await connectProtocol(new TCP4ClientEndpoint(reactor, '127.0.0.1', port), asking);
      const reason = await lost;
      return [asking.answer, reason];
    };
    expect((await asker(ca.cert))[0]).to.equal('42');
    const [answer, reason] = await asker(certificates().otherCA.cert);
    expect(answer).to.equal(null);
    expect(reason).to.be.an.instanceOf(TLSError);
  });
});

describe('The page for those who know node:net', () => {
  for (const [which, serve] of [
    ['before', echoes.before],
    ['after', echoes.after],
  ] as const) {
    it(`echoes ${which}`, async () => {
      const text = 'x'.repeat(300_000);
      expect(await exchange(await listening(serve(0)), text)).to.equal(text);
    });
  }

  for (const [which, serve] of [
    ['before', addingBefore],
    ['after', addingAfter],
  ] as const) {
    it(`adds up ${which}`, async () => {
      expect(await exchange(await listening(serve(0)), '1 2 3\n10\n')).to.equal('6\n10\n');
    });
  }

  it('has a test that passes', async () => {
    expect(await says('from-net-test')).to.deep.equal(['ok']);
  });

  it('sends a stream at the pace of its reader', async () => {
    const pieces = Array.from({ length: 50 }, (_, index) => `${index};`.repeat(5000));
    const stream = Readable.from(pieces);
    let heard = '';
    class Reader extends Protocol {
      override dataReceived(data: Buffer): void {
        heard += data;
      }
    }
    const [client, server, pump] = connectedServerAndClient(Protocol, Reader);
    client.transport.pauseProducing();
    const sent = sendStream(stream, server.transport);
    // As far as it gets while nobody reads.
    for (let turn = 0; turn < 200; turn += 1) {
      await new Promise(setImmediate);
      pump.flush();
    }
    expect([sent.called, stream.isPaused(), heard]).to.deep.equal([false, true, '']);
    client.transport.resumeProducing();
    for (let turn = 0; turn < 2000 && !sent.called; turn += 1) {
      pump.flush();
      await new Promise(setImmediate);
    }
    await sent;
    pump.flush();
    expect(heard).to.equal(pieces.join(''));
  });

  it('says so when nobody wants the rest of a stream, or it fails', async () => {
    const outcome = async (end: (stream: Readable, transport: Protocol['transport']) => void) => {
      const stream = new Readable({ read() {} });
      const [, server, pump] = connectedServerAndClient(Protocol, Protocol);
      const sent = sendStream(stream, server.transport);
      stream.push('something');
      end(stream, server.transport);
      pump.flush();
      return sent.then(
        () => 'sent',
        (error: unknown) => (error as Error).message,
      );
    };
    expect(await outcome((stream) => stream.push(null))).to.equal('sent');
    expect(await outcome((stream) => stream.destroy(new Error('Broken')))).to.equal('Broken');
    expect(await outcome((_, transport) => transport.abortConnection())).to.equal(
      'Nobody wants the rest',
    );
  });

  it('reads lines with for await, one at a time', async () => {
    const [client, server, pump] = connectedServerAndClient(() => new Lines(), Protocol);
    client.transport.write('one\ntwo\nthr');
    pump.flush();
    const heard: string[] = [];
    const loop = (async () => {
      for await (const line of server) {
        heard.push(line);
        expect(server.paused).to.equal(true);
        if (line === 'two') {
          // The peer's end waits behind what it has said.
          client.transport.write('ee\n');
          client.transport.loseConnection();
          pump.flush();
          expect(heard).to.deep.equal(['one', 'two']);
        }
        queueMicrotask(() => pump.flush());
      }
    })();
    for (let turn = 0; turn < 20; turn += 1) {
      await new Promise(setImmediate);
      pump.flush();
    }
    await loop;
    expect(heard).to.deep.equal(['one', 'two', 'three']);
  });

  it('ends that loop with an error when the connection breaks, and the connection when the loop is left', async () => {
    const [client, server, pump] = connectedServerAndClient(() => new Lines(), Protocol);
    const loop = (async () => {
      for await (const line of server) expect(line).to.equal(undefined);
    })();
    client.transport.abortConnection();
    pump.flush();
    let error: unknown;
    await loop.catch((reason: unknown) => {
      error = reason;
    });
    expect(error).to.be.an.instanceOf(ConnectionLost);

    const [other, left, pumpToo] = connectedServerAndClient(() => new Lines(), Protocol);
    other.transport.write('one\ntwo\n');
    pumpToo.flush();
    for await (const line of left) {
      expect(line).to.equal('one');
      break;
    }
    pumpToo.flush();
    expect(other.transport.connected).to.equal(false);
  });
});

describe("The table of Twisted's names", () => {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    exports: Record<string, string | { default: string }>;
  };
  // What `strand` does not have under its own name: see the head of the page.
  const APART = /^strand\/protocols\/(amp|telnet|wire)$/;

  /** What an entry point leads to, as source. */
  function sourceOf(entry: string): string {
    const target = exports[entry.replace(/^strand/, '.')];
    const path = typeof target === 'object' ? target.default : '';
    expect(path, `The entry point ${entry}`).to.match(/^\.\/dist\//);
    return join(ROOT, path.replace('./dist/', '').replace(/\.js$/, '.ts'));
  }

  const importing = async (entry: string): Promise<Record<string, unknown>> =>
    import(pathToFileURL(sourceOf(entry)).href);

  /** A name, and perhaps what it has: 'Deferred.fromPromise', 'Deferred.addBoth', 'reactor.listenTCP'. */
  function find(name: string, module: Record<string, unknown>): unknown {
    return name.split('.').reduce<unknown>((within, part) => {
      if (within === null || within === undefined) return undefined;
      const object = Object(within);
      return object[part] ?? object.prototype?.[part];
    }, module);
  }

  it('names what is there, where it says', async () => {
    const text = readFileSync(join(ROOT, 'docs/twisted-names.md'), 'utf8');
    const rows = [...text.matchAll(/^\| (.+?) \| (.+?) \| (.+?) \| (?:.*\|)?$/gm)].filter(
      ([, twisted = '']) => twisted !== 'Twisted',
    );
    const root = await importing('strand');
    const contracts = ['interfaces', 'tls-interfaces', 'datagram-interfaces', 'process-interfaces']
      .map((name) => readFileSync(join(ROOT, `src/reactor/${name}.ts`), 'utf8'))
      .join('\n');
    const wrong: string[] = [];
    let checked = 0;
    for (const [, , ours = '', where = ''] of rows) {
      const entry = /`(strand[\w/]*)`/.exec(where)?.[1] ?? '';
      const module = await importing(entry);
      for (const [, name = ''] of ours.matchAll(/`([^`]+)`/g)) {
        checked += 1;
        if (where.endsWith('(types)')) {
          if (!contracts.includes(`export interface ${name} `)) wrong.push(`type ${name}`);
          continue;
        }
        const found = find(name, module);
        if (found === undefined) wrong.push(`${entry}: ${name}`);
        else if (!APART.test(entry) && find(name, root) !== found && name !== 'TimeoutError') {
          wrong.push(`strand: ${name}`);
        }
      }
    }
    expect(wrong).to.deep.equal([]);
    expect([rows.length, checked]).to.satisfy(
      ([lines = 0, names = 0]) => lines > 150 && names > 450,
    );
  });
});
