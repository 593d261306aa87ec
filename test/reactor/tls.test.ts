/** TLS on libuv: handshakes, what they settle, what they refuse, and the ends of connections under it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { expect } from 'chai';
import {
  ConnectionDone,
  ConnectionLost,
  type IHandshakeListener,
  LibuvReactor,
  type ListeningPort,
  type TLSContext,
  type TLSContextFactory,
  TLSError,
  TLSHandshakeTimeoutError,
  type TLSTransport,
  TLSVerificationError,
  tlsContextFactory,
  UserError,
} from '../../src/reactor/index.ts';
import { certificates } from '../support/certificates.ts';
import {
  FailureTrap,
  Recorder,
  type RecorderHooks,
  RecordingFactory,
} from '../support/recorder.ts';

/** A recorder that hears of the handshake. */
class TLSRecorder extends Recorder implements IHandshakeListener {
  secured: ((self: TLSRecorder) => unknown) | undefined;

  constructor(hooks: RecorderHooks & { secured?: (self: TLSRecorder) => unknown } = {}) {
    super(hooks);
    this.secured = hooks.secured;
  }

  get tls(): TLSTransport {
    return this.transport as TLSTransport; // what the ports of this file hand out
  }

  handshakeCompleted(): unknown {
    this.note('secured');
    try {
      return this.secured?.(this);
    } finally {
      this.progress.changed();
    }
  }

  get isSecured(): boolean {
    return this.calls.includes('secured');
  }
}

describe('TLS', () => {
  let reactor: LibuvReactor;
  let trap: FailureTrap;
  const { ca, server: cert } = certificates();
  const trusting = { ca: ca.cert };

  beforeEach(() => {
    reactor = new LibuvReactor();
    trap = new FailureTrap();
  });

  afterEach(async () => {
    trap.restore();
    const running = reactor.run(false);
    reactor.stop();
    await running;
    expect(reactor.openCount).to.equal(0);
    expect(reactor.getDelayedCalls()).to.have.length(0);
  });

  function portOf(port: ListeningPort): number {
    const host = port.getHost();
    if (!('port' in host)) throw new TypeError(`No port: ${host}`);
    return host.port;
  }

  /** Listens for one or more connections, with a recorder for each. */
  function listen(
    context: TLSContext = cert,
    make: (n: number) => Recorder = () => new TLSRecorder(),
    options: { handshakeTimeout?: number | null } = {},
  ): { port: number; servers: RecordingFactory; server: (n?: number) => Promise<TLSRecorder> } {
    const servers = new RecordingFactory(make);
    const port = reactor.listenSSL(0, servers, context, { interface: '127.0.0.1', ...options });
    return {
      port: portOf(port),
      servers,
      async server(n = 0) {
        await servers.until(() => servers.built.length > n);
        return servers.built[n] as TLSRecorder; // which `make` made
      },
    };
  }

  function connect(
    port: number,
    context: TLSContext = trusting,
    client = new TLSRecorder(),
    host = '127.0.0.1',
  ): TLSRecorder {
    reactor.connectSSL(host, port, new RecordingFactory(() => client), context);
    return client;
  }

  const lost = (end: Recorder): Promise<void> => end.until(() => end.lost);
  const secured = (end: TLSRecorder): Promise<void> => end.until(() => end.isSecured || end.lost);

  describe('handshake', () => {
    it('is told once to both sides, before data, and says what was settled', async () => {
      const { port, server } = listen({ ...cert, ALPNProtocols: ['h2', 'http/1.1'] });
      const client = connect(port, { ...trusting, ALPNProtocols: ['http/1.1', 'h2'] });
      await client.until(() => client.made);
      expect(client.tls.TLS).to.equal(true);
      expect(client.tls.negotiatedProtocol).to.equal(null);
      expect(client.tls.getPeerCertificate()).to.equal(null);
      expect(client.tls.tlsVersion).to.equal(null);
      client.transport.write('early');
      const other = await server();
      await other.until(() => other.bytes === 5);
      other.transport.write('back');
      await client.until(() => client.bytes === 4);
      expect(client.calls).to.deep.equal(['made', 'secured', 'data']);
      expect(other.calls).to.deep.equal(['made', 'secured', 'data']);
      // Neither side waits for its handshake any more, nor for the connection.
      expect(reactor.getDelayedCalls()).to.deep.equal([]);
      for (const end of [client, other]) {
        expect(end.tls.negotiatedProtocol).to.equal('h2');
        expect(end.tls.tlsVersion).to.equal('TLSv1.3');
        expect(end.tls.cipher).to.match(/^TLS_/);
        expect(end.tls.isSessionReused()).to.equal(false);
      }
      expect(client.tls.peerVerified).to.equal(true);
      expect(client.tls.getPeerCertificate()?.subjectAltName).to.contain('DNS:localhost');
      expect(other.tls.peerVerified).to.equal(false);
      expect(other.tls.getPeerCertificate()).to.equal(null);
      expect(other.tls.serverName).to.equal(null);
    });

    it('fails on both sides without a common protocol', async () => {
      const { port, server } = listen({ ...cert, ALPNProtocols: ['h2'] });
      const client = connect(port, { ...trusting, ALPNProtocols: ['ftp'] });
      const other = await server();
      await Promise.all([lost(client), lost(other)]);
      expect(client.reason?.check(TLSError)).to.equal(TLSError);
      expect(other.reason?.check(TLSError)).to.equal(TLSError);
      expect(other.reason?.getErrorMessage()).to.match(/TLS handshake with .* failed/);
    });

    it('fails where a server is to be verified and nobody says as whom', async () => {
      const { port } = listen();
      const client = connect(port, {
        clientSettings: () => ({
          credentials: trusting,
          acceptableProtocols: [],
          hostname: undefined,
          verify: true,
        }),
        serverSettings(): never {
          throw new TypeError('for clients only');
        },
      });
      await lost(client);
      expect(client.isSecured).to.equal(false);
      expect(client.reason?.check(TLSError)).to.equal(TLSError);
      expect(client.reason?.getErrorMessage()).to.match(/no host name is known/);
    });

    it('whose settings are not to be had fails once, or not at all when it was given up', async () => {
      for (const givenUp of [false, true]) {
        let asked = 0;
        const context = {
          clientSettings(hostname?: string) {
            asked += 1;
            if (asked > 1) throw new RangeError('no settings left');
            return tlsContextFactory(trusting).clientSettings(hostname);
          },
          serverSettings(): never {
            throw new TypeError('for clients only');
          },
        };
        const factory = new RecordingFactory();
        if (givenUp) factory.onStarted = (connector) => connector.stopConnecting();
        reactor.connectSSL('127.0.0.1', 9, factory, context);
        for (let turn = 0; turn < 3; turn++) await reactor.iterate();
        expect(factory.calls).to.deep.equal(['start', 'connecting', 'failed', 'stop']);
        const reason = givenUp ? UserError : RangeError;
        expect(factory.reason?.check(reason)).to.equal(reason);
      }
    });

    it('is not begun anew, which a client could ask for without end', async () => {
      const { port, server } = listen({ ...cert, maxVersion: 'TLSv1.2' });
      const socket = tls.connect({ port, host: '127.0.0.1', ca: ca.cert });
      await once(socket, 'secureConnect');
      const closed = once(socket, 'close');
      const other = await server();
      await secured(other);
      socket.on('error', () => {});
      socket.renegotiate({ rejectUnauthorized: false }, () => {});
      await lost(other);
      expect(other.reason?.check(TLSError)).to.equal(TLSError);
      expect(other.reason?.getErrorMessage()).to.match(/renegotiation/);
      await closed;
    });

    it('ends after its time, for a client that says nothing', async () => {
      const { port, server } = listen(cert, () => new TLSRecorder(), { handshakeTimeout: 0.05 });
      const socket = net.connect(port, '127.0.0.1');
      socket.on('error', () => {});
      const other = await server();
      await lost(other);
      expect(other.reason?.check(TLSHandshakeTimeoutError)).to.equal(TLSHandshakeTimeoutError);
      expect(other.calls).to.deep.equal(['made', 'lost']);
      socket.destroy();
    });

    it('refuses what is no TLS, and the port goes on', async () => {
      const { port, server } = listen();
      const socket = net.connect(port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      const other = await server();
      await lost(other);
      expect(other.reason?.check(TLSError)).to.equal(TLSError);
      expect(other.reason?.value).to.have.property('code', 'ERR_TLS');
      expect(other.reason?.getErrorMessage()).to.match(/failed: [a-z ]+$/);
      socket.destroy();
      const client = connect(port);
      await secured(client);
      expect(client.isSecured).to.equal(true);
    });

    it('ends with a clear reason when the peer goes away in the middle of it', async () => {
      const { port, server } = listen();
      const socket = net.connect(port, '127.0.0.1');
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.end(Buffer.from([0x16, 3, 1, 2, 0]));
      const other = await server();
      await lost(other);
      expect(other.reason?.check(TLSError)).to.equal(TLSError);
      expect(other.reason?.getErrorMessage()).to.contain('the peer closed the connection');
      socket.destroy();
    });

    it('completes though the protocol does not read', async () => {
      const { port, server } = listen(
        cert,
        () => new TLSRecorder({ made: (self) => self.transport.pauseProducing() }),
      );
      const client = connect(port);
      const other = await server();
      await Promise.all([secured(client), secured(other)]);
      client.transport.write('x');
      await client.until(() => client.isSecured);
      expect(other.bytes).to.equal(0);
      other.transport.resumeProducing();
      await other.until(() => other.bytes === 1);
    });

    it('costs the connection when handshakeCompleted throws or rejects', async () => {
      for (const secured of [
        () => {
          throw new RangeError('secured broke');
        },
        () => Promise.reject(new RangeError('secured broke')),
      ]) {
        const { port, server } = listen(cert, () => new TLSRecorder({ secured }));
        connect(port);
        const other = await server();
        await lost(other);
        expect(other.reason?.check(RangeError)).to.equal(RangeError);
      }
      expect(trap.caught).to.have.length(2);
    });
  });

  describe('verification', () => {
    async function refused(
      context: TLSContext,
      options: TLSContext = trusting,
      host = '127.0.0.1',
    ) {
      const { port, server } = listen(context);
      const client = connect(port, options, new TLSRecorder(), host);
      client.until(() => client.made).then(() => client.transport.write('secret'));
      const other = await server();
      await Promise.all([lost(client), lost(other)]);
      expect(client.isSecured).to.equal(false);
      expect(client.reason?.check(TLSVerificationError)).to.equal(TLSVerificationError);
      expect(other.bytes, 'bytes that reached an unverified server').to.equal(0);
      return client.reason?.getErrorMessage() ?? '';
    }

    it('refuses a certificate that has expired, names another, or comes from a stranger', async () => {
      const certs = certificates();
      expect(await refused(certs.expired)).to.match(/expired/);
      expect(await refused(certs.wrongName)).to.match(/altnames|does not match/);
      expect(await refused(certs.otherServer)).to.match(/unable|issuer|verify/);
      expect(await refused(certs.selfSigned)).to.match(/self[- ]signed/);
      expect(await refused(certs.server, {})).to.match(/unable|issuer|self/);
      expect(await refused(certs.a, trusting, '127.0.0.1')).to.match(/altnames|IP/);
    });

    it('takes what it is told to, and says that it was not verified', async () => {
      const { port } = listen(certificates().selfSigned);
      const client = connect(port, { rejectUnauthorized: false });
      await secured(client);
      expect(client.isSecured).to.equal(true);
      expect(client.tls.peerVerified).to.equal(false);
    });

    it('checks the name that is asked for instead of the host', async () => {
      const { port, server } = listen(certificates().a);
      const client = connect(port, { ...trusting, servername: 'a.example' });
      await secured(client);
      expect(client.isSecured).to.equal(true);
      const other = await server();
      await secured(other);
      expect(other.tls.serverName).to.equal('a.example');
    });

    it('knows addresses, those of IPv6 in any form of them', async () => {
      const { port } = listen();
      for (const servername of ['127.0.0.1', '::1', '0:0::0:1']) {
        const client = connect(port, { ...trusting, servername });
        await secured(client);
        expect(client.reason, servername).to.equal(undefined);
        expect(client.isSecured, servername).to.equal(true);
      }
      expect(await refused(cert, { ...trusting, servername: '::2' })).to.contain('::2');
      expect(await refused(cert, { ...trusting, servername: '127.0.0.2' })).to.contain('127.0.0.2');
    });

    it('leaves the last word to checkServerIdentity', async () => {
      const seen: string[] = [];
      const context: TLSContextFactory = {
        serverSettings: () => {
          throw new TypeError('for clients');
        },
        clientSettings: (hostname) => ({
          credentials: trusting,
          acceptableProtocols: [],
          hostname,
          verify: true,
          checkServerIdentity: (name, certificate) => {
            seen.push(`${name} ${certificate.subject.CN}`);
            return new Error('not today');
          },
        }),
      };
      expect(await refused(cert, context)).to.contain('not today');
      expect(seen).to.deep.equal(['127.0.0.1 localhost']);
    });
  });

  describe('several certificates on one port', () => {
    it('shows the one that was asked for, or else the first', async () => {
      const certs = certificates();
      const { port } = listen({
        ...cert,
        serverNames: { 'a.example': certs.a, 'B.Example': certs.b, '*.wild.example': certs.wild },
      });
      const shown = async (servername: string | undefined): Promise<string> => {
        const name = servername === undefined ? {} : { servername };
        const client = connect(port, { ...trusting, rejectUnauthorized: false, ...name });
        await secured(client);
        return client.tls.getPeerCertificate()?.subjectAltName ?? '';
      };
      expect(await shown('a.example')).to.contain('a.example');
      expect(await shown('b.example')).to.contain('b.example');
      expect(await shown('x.wild.example')).to.contain('*.wild.example');
      expect(await shown('x.y.wild.example')).to.contain('localhost');
      expect(await shown('c.example')).to.contain('localhost');
      expect(await shown(undefined)).to.contain('localhost');
    });
  });

  describe('client certificates', () => {
    it('are required, or wanted, and verified', async () => {
      const certs = certificates();
      const asking = { ...cert, ca: ca.cert, requestCert: true };
      const { port, server } = listen(asking);
      const good = connect(port, { ...trusting, ...certs.client });
      const first = await server();
      await secured(first);
      expect(first.isSecured).to.equal(true);
      expect(first.tls.peerVerified).to.equal(true);
      expect(first.tls.getPeerCertificate()?.subject).to.contain('good client');
      good.transport.loseConnection();

      for (const [n, credentials] of [{}, certs.otherClient].entries()) {
        const bad = connect(port, { ...trusting, ...credentials });
        const other = await server(n + 1);
        await Promise.all([lost(other), lost(bad)]);
        expect(other.isSecured).to.equal(false);
        expect(other.reason?.check(TLSError)).to.equal(TLSError);
      }

      const wanting = listen({ ...asking, rejectUnauthorized: false });
      for (const [n, credentials] of [{}, certs.otherClient, certs.client].entries()) {
        connect(wanting.port, { ...trusting, ...credentials });
        const other = await wanting.server(n);
        await secured(other);
        expect(other.isSecured).to.equal(true);
        expect(other.tls.peerVerified).to.equal(n === 2);
      }
    });

    it('cannot be avoided with a session from where none was asked for', async () => {
      const identity = { ...cert, ca: ca.cert };
      // Both ports share one set of keys, and so the keys of their session tickets.
      const settings = (clientCertificate: 'none' | 'required'): TLSContextFactory => ({
        serverSettings: () => ({
          credentials: identity,
          acceptableProtocols: [],
          clientCertificate,
        }),
        clientSettings: () => {
          throw new TypeError('for servers');
        },
      });
      const open = listen(
        settings('none'),
        () => new TLSRecorder({ secured: (self) => self.transport.write('hi') }),
      );
      const first = connect(open.port);
      await first.until(() => first.bytes === 2 && first.tls.getSession() !== null);
      const session = first.tls.getSession();
      const closed = listen(settings('required'));
      const sneak = connect(closed.port, { ...trusting, ...(session === null ? {} : { session }) });
      const other = await closed.server();
      await Promise.all([lost(other), lost(sneak)]);
      expect(other.isSecured).to.equal(false);
    });
  });

  describe('session resumption', () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      it(`goes on where an earlier connection was, over ${version}`, async () => {
        const { port, server } = listen(
          { ...cert, minVersion: version, maxVersion: version },
          () => new TLSRecorder({ secured: (self) => self.transport.write('hi') }),
        );
        const first = connect(port);
        await first.until(() => first.bytes === 2);
        const session = first.tls.getSession();
        expect(session).to.be.an.instanceOf(Buffer);
        const again = connect(port, { ...trusting, ...(session === null ? {} : { session }) });
        await again.until(() => again.bytes === 2);
        const other = await server(1);
        expect(again.tls.tlsVersion).to.equal(version);
        expect(again.tls.isSessionReused()).to.equal(true);
        expect(other.tls.isSessionReused()).to.equal(true);
        expect(again.tls.peerVerified).to.equal(true);
        // A server that resumes shows no certificate: a session must not be offered to whom it is not for.
        const wrong = connect(port, {
          ...trusting,
          ...(session === null ? {} : { session }),
          servername: 'a.example',
        });
        await lost(wrong);
        expect(wrong.reason?.check(TLSVerificationError)).to.equal(TLSVerificationError);
      });
    }
  });

  describe('startTLS()', () => {
    /** A server that speaks in clear until it is told 'secure'. */
    function clearServer(hooks: RecorderHooks = {}): { port: number; servers: RecordingFactory } {
      const servers = new RecordingFactory(
        () =>
          new TLSRecorder({
            data: (self, data) => {
              const { tls: transport } = self as TLSRecorder; // made just above
              if (transport.TLS) {
                transport.write(`[${data}]`);
              } else if (data.toString() === 'secure') {
                transport.write('go ahead');
                transport.startTLS(cert);
                transport.write('under TLS');
              }
            },
            ...hooks,
          }),
      );
      return {
        port: portOf(reactor.listenTCP(0, servers, { interface: '127.0.0.1' })),
        servers,
      };
    }

    it('secures what follows, after what was written before has left in clear', async () => {
      const { port } = clearServer();
      const clear = pattern(5_000_000);
      const secret = pattern(300_000);
      let sent = false;
      const client = new TLSRecorder({
        made: (self) => self.transport.write('secure'),
        data: (self, data) => {
          if (!data.toString().startsWith('go ahead') || sent) return;
          sent = true;
          (self as TLSRecorder).tls.startTLS({ ...trusting, servername: 'localhost' });
          self.transport.write('hello');
        },
      });
      reactor.connectTCP('127.0.0.1', port, new RecordingFactory(() => client));
      await client.until(() => client.received.toString() === 'go aheadunder TLS[hello]');
      expect(client.calls.indexOf('secured')).to.be.greaterThan(client.calls.indexOf('data'));

      // The same with more in clear than a socket takes at once, and more behind it.
      const servers = new RecordingFactory(
        () =>
          new TLSRecorder({
            made: (self) => {
              self.transport.write(clear);
              (self as TLSRecorder).tls.startTLS(cert);
              self.transport.write(secret);
            },
          }),
      );
      const busy = portOf(reactor.listenTCP(0, servers, { interface: '127.0.0.1' }));
      const reader = new TLSRecorder({
        data: (self) => {
          if (self.bytes === clear.length) (self as TLSRecorder).tls.startTLS(trusting);
        },
      });
      reactor.connectTCP('127.0.0.1', busy, new RecordingFactory(() => reader));
      await reader.until(() => reader.bytes === clear.length + secret.length);
      expect(reader.received.equals(Buffer.concat([clear, secret]))).to.equal(true);
    });

    it('lets the side that connected be the server when told so', async () => {
      const servers = new RecordingFactory(
        () =>
          new TLSRecorder({
            made: (self) =>
              (self as TLSRecorder).tls.startTLS(trusting, {
                isClient: true,
                hostname: 'localhost',
              }),
          }),
      );
      const port = portOf(reactor.listenTCP(0, servers, { interface: '127.0.0.1' }));
      const client = new TLSRecorder({
        made: (self) => (self as TLSRecorder).tls.startTLS(cert, false),
      });
      reactor.connectTCP('127.0.0.1', port, new RecordingFactory(() => client));
      await secured(client);
      expect(client.isSecured).to.equal(true);
    });

    it('keeps a registered producer', async () => {
      const { port } = clearServer();
      const pieces = 400;
      let left = pieces;
      const client = new TLSRecorder({
        made: (self) => self.transport.write('secure'),
        data: (self) => {
          const { tls: transport } = self as TLSRecorder;
          if (transport.TLS) return;
          transport.startTLS(trusting);
          transport.registerProducer(
            {
              resumeProducing() {
                transport.write('x');
                left -= 1;
                if (left === 0) transport.unregisterProducer();
              },
              stopProducing() {},
            },
            false,
          );
        },
      });
      reactor.connectTCP('127.0.0.1', port, new RecordingFactory(() => client));
      await client.until(
        () => client.received.toString().replaceAll(/[^x]/g, '').length === pieces,
      );
    });

    it('throws when TLS is on already, and for credentials that cannot be used', async () => {
      const { port, servers } = clearServer({ data: () => {} });
      const client = new TLSRecorder();
      reactor.connectTCP('127.0.0.1', port, new RecordingFactory(() => client));
      await client.until(() => client.made);
      expect(() => client.tls.startTLS({ ca: 'no certificate' })).to.throw(TLSError);
      expect(() => client.tls.startTLS(trusting, { handshakeTimeout: -1 })).to.throw(RangeError);
      expect(client.tls.TLS).to.equal(false);
      client.tls.startTLS(trusting);
      expect(() => client.tls.startTLS(trusting)).to.throw(TLSError, 'started before');
      client.transport.abortConnection();
      await lost(client);
      client.tls.startTLS === undefined || expect(client.transport.connected).to.equal(false);
      await servers.until(() => servers.built.length > 0);
    });

    it('takes the part of the handshake that was read already', async () => {
      const header = 'who is there?';
      const servers = new RecordingFactory(
        () =>
          new TLSRecorder({
            data: (self, data) => {
              const { tls: transport } = self as TLSRecorder; // made just above
              if (transport.TLS) transport.write(data);
              else transport.startTLS(cert, { received: data.subarray(header.length) });
            },
          }),
      );
      const port = portOf(reactor.listenTCP(0, servers, { interface: '127.0.0.1' }));
      // Stands between and sends the client's first bytes together with a header.
      const relay = net.createServer((near) => {
        near.once('data', (hello: Buffer) => {
          const far = net.connect(port, '127.0.0.1');
          far.write(Buffer.concat([Buffer.from(header), hello]));
          near.pipe(far).pipe(near);
        });
      });
      relay.listen(0, '127.0.0.1');
      await once(relay, 'listening');
      const client = connect((relay.address() as net.AddressInfo).port); // it listens on TCP
      await secured(client);
      client.transport.write('echo');
      await client.until(() => client.bytes === 4);
      client.transport.loseConnection();
      await lost(client);
      relay.close();
    });

    it('works over UNIX sockets, where the name to verify has to be given', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'strand-tls-'));
      try {
        const path = join(folder, 'tls.sock');
        const servers = new RecordingFactory(
          () => new TLSRecorder({ made: (self) => (self as TLSRecorder).tls.startTLS(cert) }),
        );
        reactor.listenUNIX(path, servers);
        const nameless = new TLSRecorder({
          made: (self) => (self as TLSRecorder).tls.startTLS(trusting),
        });
        reactor.connectUNIX(path, new RecordingFactory(() => nameless));
        await lost(nameless);
        expect(nameless.reason?.getErrorMessage()).to.contain('Cannot verify the server');
        const client = new TLSRecorder({
          made: (self) => (self as TLSRecorder).tls.startTLS(trusting, { hostname: 'localhost' }),
        });
        reactor.connectUNIX(path, new RecordingFactory(() => client));
        await secured(client);
        expect(client.isSecured).to.equal(true);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  });

  describe('the end of a connection', () => {
    it('that was announced is in good order, on either side', async () => {
      const { port, server } = listen();
      const client = connect(port);
      const other = await server();
      await secured(client);
      await reactor.iterate();
      const timers = (): number =>
        process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
      const before = timers();
      client.transport.write('bye');
      client.transport.loseConnection();
      await Promise.all([lost(client), lost(other)]);
      expect(timers()).to.be.at.most(before);
      expect(other.received.toString()).to.equal('bye');
      for (const end of [client, other]) {
        expect(end.reason?.check(ConnectionDone)).to.equal(ConnectionDone);
      }
    });

    it('that was not announced is a loss, though nothing is missing', async () => {
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const { port, server } = listen({ ...cert, minVersion: version, maxVersion: version });
        const raw = net.connect(port, '127.0.0.1');
        const socket = tls.connect({ socket: raw, ca: ca.cert, servername: 'localhost' });
        socket.on('error', () => {});
        await once(socket, 'secureConnect');
        const other = await server();
        await new Promise((resolve) => socket.write('all of it', resolve));
        await other.until(() => other.bytes === 9);
        // Beneath TLS, so that it cannot say goodbye.
        raw.destroy();
        await lost(other);
        expect(other.reason?.check(ConnectionLost)).to.equal(ConnectionLost);
        expect(other.reason?.getErrorMessage()).to.match(/close_notify|ECONNRESET/);
        socket.destroy();
      }
    });

    it('leaves the other direction open when only one is closed', async () => {
      const { port, server } = listen();
      const raw = net.connect(port, '127.0.0.1');
      const socket = tls.connect({ socket: raw, ca: ca.cert, servername: 'localhost' });
      const other = await server();
      socket.end('question');
      await other.until(() => other.bytes === 8);
      await once(socket.resume(), 'end');
      await lost(other);
      expect(other.reason?.check(ConnectionDone)).to.equal(ConnectionDone);
    });

    it('does not wait for ever for a peer that never says goodbye', async () => {
      const { port, server } = listen();
      const raw = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      const socket = tls.connect({
        socket: raw,
        ca: ca.cert,
        servername: 'localhost',
        allowHalfOpen: true,
      } as tls.ConnectionOptions);
      socket.on('error', () => {});
      await once(socket, 'secureConnect');
      const other = await server();
      await secured(other);
      other.transport.loseConnection();
      await lost(other);
      expect(other.reason?.check(ConnectionDone)).to.equal(ConnectionDone);
      socket.destroy();
      raw.destroy();
    });

    it('comes with an answer for the client when the reactor stops', async () => {
      const own = new LibuvReactor();
      const servers = new RecordingFactory(() => new TLSRecorder());
      const port = portOf(own.listenSSL(0, servers, cert, { interface: '127.0.0.1' }));
      const client = connect(port);
      await secured(client);
      const other = servers.built[0] as TLSRecorder; // made above
      await secured(other);
      const running = own.run(false);
      own.stop();
      await running;
      await lost(client);
      expect(client.reason?.check(ConnectionDone)).to.equal(ConnectionDone);
    });
  });

  describe('listenSSL() and connectSSL()', () => {
    it('refuse credentials and times that cannot be used, at once', () => {
      const factory = new RecordingFactory();
      for (const context of [{}, { key: cert.key }, { cert: cert.cert }, { key: 'x', cert: 'y' }]) {
        expect(() => reactor.listenSSL(0, factory, context), JSON.stringify(context)).to.throw(
          TLSError,
        );
      }
      expect(() => reactor.connectSSL('localhost', 1, factory, { ca: 'nobody' })).to.throw(
        TLSError,
      );
      for (const handshakeTimeout of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(() => reactor.listenSSL(0, factory, cert, { handshakeTimeout })).to.throw(
          RangeError,
        );
      }
      expect(factory.calls).to.deep.equal([]);
    });

    it('ask the context for each connection, so that certificates can be renewed', async () => {
      const certs = certificates();
      let current = certs.a;
      const context: TLSContextFactory = {
        serverSettings: () => ({
          credentials: current,
          acceptableProtocols: [],
          clientCertificate: 'none',
        }),
        clientSettings: () => {
          throw new TypeError('for servers');
        },
      };
      const { port } = listen(context);
      const names: string[] = [];
      for (const next of [certs.b, certs.wild]) {
        const client = connect(port, { ...trusting, rejectUnauthorized: false });
        await secured(client);
        names.push(client.tls.getPeerCertificate()?.subjectAltName ?? '');
        current = next;
      }
      expect(names).to.deep.equal(['DNS:a.example', 'DNS:b.example']);
    });

    it('drop a connection whose context fails, say so, and go on', async () => {
      let broken = false;
      const context: TLSContextFactory = {
        serverSettings: () => {
          if (broken) throw new RangeError('no certificates today');
          return { credentials: cert, acceptableProtocols: [], clientCertificate: 'none' };
        },
        clientSettings: () => {
          throw new TypeError('for servers');
        },
      };
      const { port, server } = listen(context);
      broken = true;
      const socket = net.connect(port, '127.0.0.1');
      socket.on('error', () => {});
      await lost(await server());
      socket.destroy();
      expect(trap.caught[0]?.failure.getErrorMessage()).to.equal('no certificates today');
      broken = false;
      const again = connect(port);
      await secured(again);
      expect(again.isSecured).to.equal(true);
    });
  });

  describe('with the openssl program', () => {
    let folder: string;

    before(() => {
      folder = mkdtempSync(join(tmpdir(), 'strand-openssl-'));
      const certs = certificates();
      for (const [name, { key, cert: pem }] of Object.entries(certs)) {
        writeFileSync(join(folder, `${name}.key`), key, { mode: 0o600 });
        writeFileSync(join(folder, `${name}.pem`), pem);
      }
    });

    after(() => rmSync(folder, { recursive: true }));

    const file = (name: string): string => join(folder, name);

    /** Runs s_client, sends `text`, and gives what it printed. */
    async function sClient(port: number, text: string, ...args: string[]): Promise<string> {
      const child = spawn(
        'openssl',
        ['s_client', '-connect', `127.0.0.1:${port}`, '-CAfile', file('ca.pem'), ...args],
        { stdio: ['pipe', 'pipe', 'pipe'] },
      );
      let printed = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (data: Buffer) => {
          printed += data;
          if (printed.includes(`<${text.trim()}>`)) child.stdin.end();
        });
      }
      child.stdin.on('error', () => {});
      child.stdin.write(text);
      await once(child, 'close');
      return printed;
    }

    const echo = (): Recorder =>
      new TLSRecorder({
        data: (self, data) => self.transport.write(`<${data.toString().trim()}>`),
      });

    it('s_client verifies us, agrees on a protocol and a version, and gets its echo', async () => {
      const { port } = listen(
        { ...cert, ALPNProtocols: ['strand/1'], serverNames: { 'a.example': certificates().a } },
        echo,
      );
      const printed = await sClient(
        port,
        'hello\n',
        '-alpn',
        'strand/1',
        '-servername',
        'a.example',
      );
      expect(printed).to.contain('Verification: OK');
      expect(printed).to.contain('ALPN protocol: strand/1');
      expect(printed).to.contain('CN = a.example');
      expect(printed).to.contain('TLSv1.3');
      expect(await sClient(port, 'hi\n', '-tls1_2')).to.contain('TLSv1.2');
      expect(await sClient(port, '', '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0')).to.match(
        /alert protocol version|unsupported protocol|no protocols available/,
      );
    });

    it('s_client resumes its session and shows its certificate', async () => {
      const { port, servers } = listen({ ...cert, ca: ca.cert, requestCert: true }, echo);
      const identity = ['-cert', file('client.pem'), '-key', file('client.key')];
      await sClient(port, 'one\n', ...identity, '-sess_out', file('session'));
      expect(readFileSync(file('session'), 'utf8')).to.contain('SSL SESSION');
      const printed = await sClient(port, 'two\n', ...identity, '-sess_in', file('session'));
      expect(printed).to.contain('Reused, TLSv1.3');
      const last = servers.built.at(-1) as TLSRecorder; // made by echo
      expect(last.tls.getPeerCertificate()?.subject).to.contain('good client');
      expect(await sClient(port, '')).to.match(/alert|error/i);
    });

    async function withServer(
      args: readonly string[],
      talk: (port: number) => Promise<void>,
    ): Promise<void> {
      // Port 0 is nothing s_server would tell of, so one is taken and given back.
      const probe = net.createServer().listen(0, '127.0.0.1');
      await once(probe, 'listening');
      const { port } = probe.address() as net.AddressInfo; // it listens on TCP
      await new Promise((resolve) => probe.close(resolve));
      const child = spawn('openssl', ['s_server', '-accept', `127.0.0.1:${port}`, ...args], {
        stdio: ['pipe', 'pipe', 'pipe'],
      });
      try {
        let printed = '';
        await new Promise<void>((resolve, reject) => {
          for (const stream of [child.stdout, child.stderr]) {
            stream.on('data', (data: Buffer) => {
              printed += data;
              if (printed.includes('ACCEPT')) resolve();
            });
          }
          child.once('exit', () => reject(new Error(printed)));
        });
        await talk(port);
      } finally {
        const ended = child.exitCode === null ? once(child, 'exit') : undefined;
        child.kill('SIGKILL');
        await ended;
      }
    }

    it('s_server is verified, and talks with us in either version', async () => {
      for (const version of ['-tls1_2', '-tls1_3']) {
        const identity = ['-cert', file('server.pem'), '-key', file('server.key')];
        await withServer([...identity, version, '-rev', '-alpn', 'strand/1'], async (port) => {
          const client = connect(port, { ...trusting, ALPNProtocols: ['strand/1'] });
          await secured(client);
          expect(client.tls.peerVerified).to.equal(true);
          expect(client.tls.negotiatedProtocol).to.equal('strand/1');
          client.transport.write('abc\n');
          await client.until(() => client.received.toString().includes('cba'));
          client.transport.loseConnection();
          await lost(client);
        });
      }
    });

    it('s_server with a certificate that has expired is refused', async () => {
      const identity = ['-cert', file('expired.pem'), '-key', file('expired.key')];
      await withServer(identity, async (port) => {
        const client = connect(port);
        await lost(client);
        expect(client.reason?.check(TLSVerificationError)).to.equal(TLSVerificationError);
      });
    });

    it('curl takes an answer, and knows a cut one', async () => {
      const { port } = listen(
        cert,
        () =>
          new TLSRecorder({
            data: (self) => {
              self.transport.write('HTTP/1.0 200 OK\r\n\r\nHello');
              self.transport.loseConnection();
            },
          }),
      );
      const body = await new Promise<string>((resolve, reject) => {
        const child = spawn('curl', [
          '-sS',
          '--cacert',
          file('ca.pem'),
          `https://localhost:${port}/`,
          '--resolve',
          `localhost:${port}:127.0.0.1`,
        ]);
        let out = '';
        child.stdout.on('data', (data: Buffer) => {
          out += data;
        });
        child.stderr.on('data', (data: Buffer) => {
          out += data;
        });
        child.once('error', reject);
        child.once('close', () => resolve(out));
      });
      expect(body).to.equal('Hello');
    });
  });
});

function pattern(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 7 + (i >> 8)) & 0xff;
  return bytes;
}
