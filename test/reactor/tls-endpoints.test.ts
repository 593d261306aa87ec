/** Endpoints under TLS: what they ask of a reactor, what their descriptions mean, and that they work over loopback. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Deferred, type Failure, fail, succeed } from '../../src/deferred/index.ts';
import {
  clientFromString,
  connectProtocol,
  EndpointSyntaxError,
  HostnameEndpoint,
  quoteStringArgument,
  SSL4ClientEndpoint,
  SSL4ServerEndpoint,
  serverFromString,
  wrapClientTLS,
} from '../../src/reactor/endpoints/index.ts';
import {
  CannotListenError,
  ConnectingCancelledError,
  ConnectionRefusedError,
  type EndpointFactory,
  type IProtocol,
  type IPv4Address,
  LibuvReactor,
  type ListeningPort,
  MemoryReactorClock,
  NoProtocol,
  type Reactor,
  type StartTLSOptions,
  type StreamClientEndpoint,
  StringTransport,
  type TLSContext,
  type TLSContextFactory,
  TLSError,
  type TLSTransport,
  TLSVerificationError,
  type Transport,
} from '../../src/reactor/index.ts';
import {
  CertificateOptions,
  optionsForClientTLS,
  TLSVersion,
  tlsContextFactory,
} from '../../src/reactor/tls/index.ts';
import { certificates } from '../support/certificates.ts';
import { FailureTrap, HalfCloseRecorder, Recorder } from '../support/recorder.ts';

const factory = {
  buildProtocol: (): IProtocol | null => null,
  doStart() {},
  doStop() {},
};

/** What a Deferred that has fired already failed with. */
function failureOf(deferred: Deferred<unknown>): unknown {
  let failure: unknown = 'it has not failed';
  deferred.addErrback((reason: Failure) => {
    failure = reason.value;
  });
  return failure;
}

/** What a promise is rejected with. */
async function rejection(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('Expected a failure');
}

/** A transport that only notes how TLS was asked for. */
class NotingTransport extends StringTransport {
  readonly started: Array<readonly [TLSContext, StartTLSOptions | boolean | undefined]> = [];

  startTLS(context: TLSContext, options?: StartTLSOptions | boolean): void {
    this.started.push([context, options]);
  }
}

/** An endpoint that connects to a given transport at once. */
class ImmediateEndpoint implements StreamClientEndpoint {
  readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  connect<P extends IProtocol>(connecting: EndpointFactory<P>): Deferred<P> {
    const protocol = connecting.buildProtocol(this.transport.getPeer());
    if (protocol === null || protocol === undefined) return fail(new NoProtocol('none'));
    protocol.makeConnection(this.transport);
    return succeed(protocol) as Deferred<P>; // no protocol is a promise
  }
}

describe('SSL4ServerEndpoint', () => {
  const { a, b, server } = certificates();

  it('asks the reactor for what it was told', async () => {
    const reactor = new MemoryReactorClock();
    const endpoint = new SSL4ServerEndpoint(reactor, 443, server, {
      interface: '127.0.0.1',
      backlog: 5,
    });
    await endpoint.listen(factory);
    expect(reactor.sslServers).to.deep.equal([[443, factory, server, 5, '127.0.0.1']]);
  });

  it('fails through its Deferred, and binds nothing', () => {
    const reactor = new MemoryReactorClock();
    for (const [context, Class] of [
      [{}, TLSError],
      [{ cert: a.cert, key: b.key }, TLSError],
      [{ certt: 'x' } as never, TypeError],
      [optionsForClientTLS('a.example'), TypeError],
    ] as const) {
      const endpoint = new SSL4ServerEndpoint(reactor, 443, context);
      expect(failureOf(endpoint.listen(factory))).to.be.instanceOf(Class);
    }
    expect(reactor.sslServers).to.deep.equal([]);
  });
});

describe('SSL4ClientEndpoint', () => {
  it('asks the reactor for what it was told', () => {
    const reactor = new MemoryReactorClock();
    const context = new CertificateOptions();
    const options = { timeout: 5, bindAddress: ['127.0.0.2', 0] } as const;
    new SSL4ClientEndpoint(reactor, 'a.example', 443, context, options).connect(factory);
    new SSL4ClientEndpoint(reactor, 'b.example', 444, context).connect(factory);
    expect(
      reactor.sslClients.map(([host, port, , ...rest]) => [host, port, ...rest]),
    ).to.deep.equal([
      ['a.example', 443, context, 5, ['127.0.0.2', 0]],
      ['b.example', 444, context, 30, null],
    ]);
  });

  it('fails through its Deferred, and connects to nothing', () => {
    const reactor = new MemoryReactorClock();
    const { a, b } = certificates();
    for (const [context, Class] of [
      [{ cert: a.cert, key: b.key }, TLSError],
      [{ certt: 'x' } as never, TypeError],
    ] as const) {
      const endpoint = new SSL4ClientEndpoint(reactor, 'a.example', 443, context);
      expect(failureOf(endpoint.connect(factory))).to.be.instanceOf(Class);
    }
    expect(reactor.sslClients).to.deep.equal([]);
  });
});

describe('wrapClientTLS()', () => {
  const context = optionsForClientTLS('a.example');

  it('starts TLS before the protocol sees the transport, and fires with the protocol', async () => {
    const transport = new NotingTransport();
    const seen: number[] = [];
    const recorder = new Recorder({ made: () => seen.push(transport.started.length) });
    const endpoint = wrapClientTLS(context, new ImmediateEndpoint(transport), {
      hostname: 'a.example',
      handshakeTimeout: 5,
    });
    expect(await connectProtocol(endpoint, recorder)).to.equal(recorder);
    expect(seen).to.deep.equal([1]);
    expect(transport.started).to.deep.equal([
      [context, { isClient: true, hostname: 'a.example', handshakeTimeout: 5 }],
    ]);
  });

  it('leaves the name to the transport where nobody said it', async () => {
    const transport = new NotingTransport();
    await connectProtocol(
      wrapClientTLS(new CertificateOptions(), new ImmediateEndpoint(transport)),
      new Recorder(),
    );
    expect(transport.started[0]?.[1]).to.deep.equal({ isClient: true });
  });

  it('verifies the host of a HostnameEndpoint, not the address it came to', async () => {
    const reactor = new MemoryReactorClock();
    reactor.hosts.set('a.example', ['10.0.0.1']);
    const names: Array<string | undefined> = [];
    const noting: TLSContextFactory = {
      serverSettings: () => tlsContextFactory({}).serverSettings(),
      clientSettings(hostname) {
        names.push(hostname);
        return context.clientSettings();
      },
    };
    const endpoint = new HostnameEndpoint(reactor, 'a.example', 443);
    const connecting = wrapClientTLS(noting, endpoint).connect(factory);
    expect(names).to.deep.equal(['a.example']);
    connecting.addErrback(() => {});
    connecting.cancel();
  });

  it('passes everything on, and further interfaces exactly when they are there', async () => {
    const transport = new NotingTransport();
    let under: (IProtocol & Partial<HalfCloseRecorder>) | undefined;
    const spying: StreamClientEndpoint = {
      connect<P extends IProtocol>(connecting: EndpointFactory<P>): Deferred<P> {
        const protocol = connecting.buildProtocol(transport.getPeer());
        if (protocol === null || protocol === undefined) throw new TypeError('Expected one');
        protocol.makeConnection(transport);
        under = protocol;
        return succeed(protocol) as Deferred<P>; // no protocol is a promise
      },
    };
    const recorder = new HalfCloseRecorder();
    await connectProtocol(wrapClientTLS(context, spying), recorder);
    under?.dataReceived(Buffer.from('x'));
    under?.readConnectionLost?.();
    under?.writeConnectionLost?.();
    expect(recorder.calls).to.deep.equal(['made', 'data', 'readLost', 'writeLost']);
    expect(under).to.not.have.property('handshakeCompleted');
    await connectProtocol(wrapClientTLS(context, spying), new Recorder());
    expect(under).to.not.have.property('readConnectionLost');
    expect(under?.logPrefix?.()).to.equal('Recorder');
  });

  it('fails clearly where the transport has no TLS, and the protocol hears nothing', async () => {
    const transport = new StringTransport();
    const recorder = new Recorder();
    const endpoint = wrapClientTLS(context, new ImmediateEndpoint(transport));
    const error = await rejection(connectProtocol(endpoint, recorder));
    expect(error).to.be.instanceOf(TLSError);
    expect(error)
      .to.have.property('message')
      .that.matches(/^Cannot start TLS to .*: the transport/);
    expect(transport.disconnecting || !transport.connected).to.equal(true);
    expect(recorder.calls).to.deep.equal([]);
  });

  it('fails before anything is connected when the credentials cannot be used', async () => {
    const { a, b } = certificates();
    const never: StreamClientEndpoint = {
      connect() {
        throw new Error('It was connected');
      },
    };
    for (const wrong of [{ cert: a.cert, key: b.key }, { certt: 'x' } as never]) {
      const endpoint = wrapClientTLS(wrong, never, { hostname: 'a.example' });
      const error = await rejection(endpoint.connect(factory));
      expect(error)
        .to.have.property('message')
        .that.matches(/^Cannot use/);
    }
  });

  it('fails as the endpoint beneath does', async () => {
    const refused = new ConnectionRefusedError('refused');
    const endpoint = wrapClientTLS(context, { connect: () => fail(refused) });
    expect(await rejection(endpoint.connect(factory))).to.equal(refused);
    const none = wrapClientTLS(context, new ImmediateEndpoint(new NotingTransport()));
    expect(await rejection(none.connect(factory))).to.be.instanceOf(NoProtocol);
  });

  it('cancelling ends the attempt beneath', () => {
    const reactor = new MemoryReactorClock();
    const endpoint = wrapClientTLS(context, clientFromString(reactor, 'tcp:127.0.0.1:443'));
    const connecting = endpoint.connect(factory);
    const failed = connecting.addErrback((reason: Failure) => reason.value);
    connecting.cancel();
    let outcome: unknown;
    failed.addCallback((value) => {
      outcome = value;
    });
    expect(outcome).to.be.instanceOf(ConnectingCancelledError);
  });
});

describe('Descriptions of endpoints under TLS', () => {
  const { a, b, ca, chained, client, intermediate, otherCA, server } = certificates();
  let folder: string;

  function file(name: string, content: string): string {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  }

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'strand-tls-strings-'));
    file('both.pem', server.cert + server.key);
    file('server.key', server.key);
    file('server.crt', server.cert);
    file('chained.pem', chained.cert + chained.key);
    file('chain.pem', intermediate.cert);
    file('client.pem', client.key + client.cert);
    file('dh.pem', '-----BEGIN DH PARAMETERS-----\nx\n-----END DH PARAMETERS-----\n');
    mkdirSync(join(folder, 'roots'));
    file('roots/one.pem', ca.cert);
    file('roots/two.pem', otherCA.cert + ca.cert);
    file('roots/notes.txt', 'not a certificate');
    mkdirSync(join(folder, 'empty'));
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  const path = (name: string): string => quoteStringArgument(join(folder, name));

  /** The settings of the context that a server from a description asks the reactor for. */
  function serving(description: string): ReturnType<TLSContextFactory['serverSettings']> {
    const reactor = new MemoryReactorClock();
    const failed = failureOf(serverFromString(reactor, description).listen(factory));
    const context = reactor.sslServers[0]?.[2];
    if (context === undefined) throw failed;
    return tlsContextFactory(context).serverSettings();
  }

  function connecting(description: string): ReturnType<TLSContextFactory['clientSettings']> {
    const reactor = new MemoryReactorClock();
    const failed = failureOf(clientFromString(reactor, description).connect(factory));
    const context = reactor.sslClients[0]?.[3];
    if (context === undefined) throw failed;
    return tlsContextFactory(context).clientSettings('what was connected to');
  }

  describe('of servers', () => {
    for (const prefix of ['ssl', 'tls']) {
      it(`${prefix}: takes port, files, interface and backlog`, () => {
        const reactor = new MemoryReactorClock();
        const files = `privateKey=${path('server.key')}:certKey=${path('server.crt')}`;
        const description = `${prefix}:443:${files}:interface=127.0.0.1:backlog=5`;
        const endpoint = serverFromString(reactor, description);
        expect(endpoint).to.be.instanceOf(SSL4ServerEndpoint);
        endpoint.listen(factory);
        const [port, , context, backlog, iface] = reactor.sslServers[0] ?? [];
        expect([port, backlog, iface]).to.deep.equal([443, 5, '127.0.0.1']);
        expect(tlsContextFactory(context ?? {}).serverSettings()).to.include({
          clientCertificate: 'none',
        });
      });
    }

    it('take key and certificate from one file, by position', () => {
      const { credentials } = serving(`ssl:443:${path('both.pem')}`);
      expect(credentials.cert).to.equal(server.cert);
      expect(credentials).to.include({ minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' });
    });

    it('read server.pem unless told otherwise', () => {
      const error = failureOf(
        serverFromString(new MemoryReactorClock(), 'ssl:443').listen(factory),
      );
      expect(error)
        .to.be.instanceOf(TLSError)
        .and.to.have.property('message')
        .that.matches(/'server\.pem'/);
    });

    it('show the chain', () => {
      const description = `ssl:443:${path('chained.pem')}:extraCertChain=${path('chain.pem')}`;
      expect(serving(description).credentials.cert).to.equal(
        `${chained.cert}\n${intermediate.cert}`,
      );
    });

    for (const [method, version] of [
      ['TLSv1.2', TLSVersion.TLSv1_2],
      ['TLSv1.3', TLSVersion.TLSv1_3],
      ['TLSv1_2_METHOD', TLSVersion.TLSv1_2],
      ['TLSv1_3_METHOD', TLSVersion.TLSv1_3],
    ] as const) {
      it(`speak one version with sslmethod=${method}`, () => {
        const { credentials } = serving(`ssl:443:${path('both.pem')}:sslmethod=${method}`);
        expect(credentials).to.include({ minVersion: version, maxVersion: version });
      });
    }

    it('take DHE parameters', () => {
      const description = `ssl:443:${path('both.pem')}:dhParameters=${path('dh.pem')}`;
      expect(String(serving(description).credentials.dhparam)).to.include('DH PARAMETERS');
    });

    it('read the files again after a failure', () => {
      const reactor = new MemoryReactorClock();
      const endpoint = serverFromString(reactor, `ssl:443:${path('late.pem')}`);
      expect(failureOf(endpoint.listen(factory))).to.be.instanceOf(TLSError);
      file('late.pem', server.cert + server.key);
      endpoint.listen(factory);
      expect(reactor.sslServers).to.have.length(1);
    });

    for (const [what, description, message] of [
      ['a missing file', 'ssl:443:FOLDER/nothing.pem', "from 'FOLDER/nothing.pem': ENOENT"],
      [
        'a file without a key',
        'ssl:443:FOLDER/server.crt',
        "Cannot read a private key from 'FOLDER/server.crt': ",
      ],
      [
        'a file without a certificate',
        'ssl:443:FOLDER/server.key',
        "Cannot read certificates from 'FOLDER/server.key': ",
      ],
      [
        'a key that does not match',
        'ssl:443:FOLDER/client.pem:certKey=FOLDER/server.crt',
        "the private key in 'FOLDER/client.pem': it does not match the certificate in 'FOLDER/server.crt'",
      ],
      [
        'a chain without certificates',
        'ssl:443:FOLDER/both.pem:extraCertChain=FOLDER/server.key',
        "Cannot read certificates from 'FOLDER/server.key': ",
      ],
      [
        'parameters that are none',
        'ssl:443:FOLDER/both.pem:dhParameters=FOLDER/server.key',
        "Cannot read DH parameters from 'FOLDER/server.key': ",
      ],
      ['a folder', 'ssl:443:FOLDER/empty', "from 'FOLDER/empty': EISDIR"],
    ] as const) {
      it(`fail when they listen, naming the file, for ${what}`, () => {
        const reactor = new MemoryReactorClock();
        const quoted = description.replaceAll('FOLDER', quoteStringArgument(folder));
        const error = failureOf(serverFromString(reactor, quoted).listen(factory));
        expect(error).to.be.instanceOf(TLSError);
        expect(String(error)).to.include(message.replaceAll('FOLDER', folder));
        expect(reactor.sslServers).to.deep.equal([]);
      });
    }

    for (const [description, position, message] of [
      ['ssl', 3, "argument 'port' is missing"],
      ['ssl:https', 4, "argument 'port' is 'https'"],
      ['ssl:443:', 8, "argument 'privateKey' is ''"],
      ['ssl:443:sslmethod=SSLv3', 18, 'expected TLSv1.2 or TLSv1.3'],
      ['ssl:443:sslmethod=TLSv1_METHOD', 18, 'expected TLSv1.2 or TLSv1.3'],
      ['tls:443:interface=nowhere', 18, 'expected an IP address'],
      ['tls:443:certKye=x', 8, "unknown argument 'certKye'"],
    ] as const) {
      it(`refuse '${description}' and say where and why`, () => {
        expect(() => serverFromString(new MemoryReactorClock(), description))
          .to.throw(EndpointSyntaxError, message)
          .that.includes({ position });
      });
    }
  });

  describe('of clients', () => {
    it('ssl: connects to the host, and verifies it against the platform’s roots', () => {
      const reactor = new MemoryReactorClock();
      const description = 'ssl:a.example:443:timeout=5:bindAddress=127.0.0.2';
      const endpoint = clientFromString(reactor, description);
      expect(endpoint).to.be.instanceOf(SSL4ClientEndpoint);
      endpoint.connect(factory);
      const [host, port, , , timeout, bindAddress] = reactor.sslClients[0] ?? [];
      expect([host, port, timeout, bindAddress]).to.deep.equal([
        ...['a.example', 443, 5],
        ['127.0.0.2', 0],
      ]);
      const settings = connecting(description);
      expect(settings).to.include({ verify: true, hostname: 'a.example' });
      expect(settings.credentials.ca).to.equal(undefined);
    });

    it('ssl: takes a name to verify, roots from a folder, and a certificate', () => {
      const settings = connecting(
        `ssl:127.0.0.1:443:hostname=a.example:caCertsDir=${path('roots')}:certKey=${path('client.pem')}`,
      );
      expect(settings).to.include({ verify: true, hostname: 'a.example' });
      expect(settings.credentials.ca).to.deep.equal([ca.cert, otherCA.cert]);
      expect(settings.credentials.cert).to.equal(client.cert);
      expect(connecting(`ssl:x:443:privateKey=${path('client.pem')}`).credentials.cert).to.equal(
        client.cert,
      );
    });

    it('ssl: takes roots from one file as well', () => {
      const { credentials } = connecting(`ssl:x:443:caCertsDir=${path('roots/one.pem')}`);
      expect(credentials.ca).to.deep.equal([ca.cert]);
    });

    for (const [what, description, message] of [
      ['missing roots', 'caCertsDir=FOLDER/nowhere', "from 'FOLDER/nowhere': ENOENT"],
      [
        'an empty folder',
        'caCertsDir=FOLDER/empty',
        "'FOLDER/empty': no file in it ends in '.pem'",
      ],
      ['a root that is none', 'caCertsDir=FOLDER/server.key', "from 'FOLDER/server.key': "],
      ['a missing certificate', 'certKey=FOLDER/nothing', "from 'FOLDER/nothing': ENOENT"],
      ['a certificate without key', 'certKey=FOLDER/server.crt', 'Cannot read a private key'],
    ] as const) {
      it(`ssl: fails when it connects, naming the file, for ${what}`, () => {
        const quoted = description.replaceAll('FOLDER', quoteStringArgument(folder));
        const error = (() => {
          try {
            return connecting(`ssl:x:443:${quoted}`);
          } catch (failure) {
            return failure;
          }
        })();
        expect(error).to.be.instanceOf(TLSError);
        expect(String(error)).to.include(message.replaceAll('FOLDER', folder));
      });
    }

    it('tls: connects to whichever address of the name answers', () => {
      const reactor = new MemoryReactorClock();
      reactor.hosts.set('a.example', ['10.0.0.1']);
      clientFromString(reactor, 'tls:a.example:443:5:127.0.0.2').connect(factory);
      const [host, port, , timeout, bindAddress] = reactor.tcpClients[0] ?? [];
      expect([host, port, timeout, bindAddress]).to.deep.equal([
        ...['10.0.0.1', 443, 5],
        ['127.0.0.2', 0],
      ]);
    });

    it('tls: connects as another description says', () => {
      const reactor = new MemoryReactorClock();
      const endpoint = quoteStringArgument('tcp:10.0.0.2:8443:timeout=3');
      clientFromString(reactor, `tls:a.example:443:endpoint=${endpoint}`).connect(factory);
      const [host, port, , timeout] = reactor.tcpClients[0] ?? [];
      expect([host, port, timeout]).to.deep.equal(['10.0.0.2', 8443, 3]);
    });

    for (const [description, message] of [
      ['tls:a.example', "argument 'port' is missing"],
      ['tls:a b:443', "argument 'host' is 'a b': expected a host name"],
      ['tls:a.example:443:trustRoots=', "argument 'trustRoots' is ''"],
      ['tls:a.example:443:endpoint=tcp', "Cannot understand endpoint 'tcp'"],
      ['tls:a.example:443:endpoint=nothing', "unknown client prefix 'nothing'"],
      ['ssl:a.example:443:hostname=a b', "argument 'hostname' is 'a b': expected a host name"],
      ['ssl:a.example:443:trustRoots=x', "unknown argument 'trustRoots'"],
    ] as const) {
      it(`refuse '${description}'`, () => {
        const attempt = (): unknown => clientFromString(new MemoryReactorClock(), description);
        expect(attempt).to.throw(EndpointSyntaxError, message);
      });
    }
  });

  it('need a reactor that knows TLS', () => {
    // What matters is what is not there.
    const without = { listenTCP() {}, connectTCP() {} } as unknown as Reactor;
    for (const attempt of [
      () => serverFromString(without, 'ssl:443'),
      () => clientFromString(without, 'ssl:x:443'),
    ]) {
      expect(attempt).to.throw(EndpointSyntaxError, "prefix 'ssl' cannot be served here");
    }
  });

  describe('over loopback', () => {
    let reactor: LibuvReactor;
    let trap: FailureTrap;
    let servers: Recorder[];
    const echoing = {
      buildProtocol(): IProtocol {
        const recorder = new Recorder({ data: (self, data) => self.transport.write(data) });
        servers.push(recorder);
        return recorder;
      },
      doStart() {},
      doStop() {},
    };
    let ports: ListeningPort[];

    beforeEach(() => {
      reactor = new LibuvReactor();
      trap = new FailureTrap();
      servers = [];
      ports = [];
    });

    afterEach(async () => {
      for (const port of ports) await port.stopListening();
      for (const each of servers) {
        each.transport.abortConnection();
        await each.until(() => each.lost);
      }
      trap.restore();
      expect(trap.caught).to.deep.equal([]);
      expect(reactor.openCount).to.equal(0);
      expect(reactor.getDelayedCalls()).to.have.length(0);
    });

    async function listen(context: TLSContext | string): Promise<number> {
      const endpoint =
        typeof context === 'string'
          ? serverFromString(reactor, context)
          : new SSL4ServerEndpoint(reactor, 0, context, { interface: '127.0.0.1' });
      const port = await endpoint.listen(echoing);
      ports.push(port);
      return (port.getHost() as IPv4Address).port; // a TCP port has no other kind of address
    }

    /** Says something, waits for the echo, and says how the connection ended. */
    async function talk(endpoint: StreamClientEndpoint): Promise<Recorder> {
      const recorder = new Recorder({ data: (self) => self.transport.loseConnection() });
      await connectProtocol(endpoint, recorder);
      recorder.transport.write('hello');
      await recorder.until(() => recorder.lost);
      return recorder;
    }

    const tlsOf = (recorder: Recorder | undefined): TLSTransport =>
      recorder?.transport as TLSTransport; // every transport here is one

    it('ssl: and tls: talk to each other', async () => {
      const both = `ssl:0:${path('both.pem')}:interface=127.0.0.1`;
      const port = await listen(both);
      const roots = path('roots');
      for (const description of [
        `ssl:127.0.0.1:${port}:caCertsDir=${roots}`,
        `ssl:127.0.0.1:${port}:caCertsDir=${roots}:hostname=localhost`,
        `tls:localhost:${port}:trustRoots=${roots}`,
        `tls:127.0.0.1:${port}:trustRoots=${roots}`,
        `tls:localhost:1:trustRoots=${roots}:endpoint=tcp\\:127.0.0.1\\:${port}`,
      ]) {
        const recorder = await talk(clientFromString(reactor, description));
        expect(String(recorder.received), description).to.equal('hello');
        expect(tlsOf(recorder).peerVerified).to.equal(true);
      }
    });

    it('a server that is not who it should be is refused by all of them', async () => {
      const port = await listen(`ssl:0:${path('both.pem')}:interface=127.0.0.1`);
      const roots = path('roots');
      for (const description of [
        `ssl:127.0.0.1:${port}:caCertsDir=${roots}:hostname=a.example`,
        `ssl:127.0.0.1:${port}`,
        `tls:127.0.0.1:${port}`,
        `tls:a.example:1:trustRoots=${roots}:endpoint=tcp\\:127.0.0.1\\:${port}`,
      ]) {
        const recorder = await talk(clientFromString(reactor, description));
        expect(recorder.reason?.value, description).to.be.instanceOf(TLSVerificationError);
        expect(recorder.bytes).to.equal(0);
      }
    });

    it('the chain of a description leads clients to their root', async () => {
      const files = `${path('chained.pem')}:extraCertChain=${path('chain.pem')}`;
      const with_ = await listen(`ssl:0:${files}:interface=127.0.0.1`);
      const trusting = optionsForClientTLS('localhost', { trustRoot: ca.cert });
      const found = await talk(new SSL4ClientEndpoint(reactor, '127.0.0.1', with_, trusting));
      expect(String(found.received)).to.equal('hello');
      const without = await listen(`ssl:0:${path('chained.pem')}:interface=127.0.0.1`);
      const lost = await talk(new SSL4ClientEndpoint(reactor, '127.0.0.1', without, trusting));
      expect(lost.reason?.value).to.be.instanceOf(TLSVerificationError);
    });

    it('CertificateOptions shows each name its certificate, and verifies clients under all of them', async () => {
      const port = await listen(
        new CertificateOptions({
          privateKey: server.key,
          certificate: server.cert,
          trustRoot: ca.cert,
          serverNames: { 'a.example': a, '*.example': b },
        }),
      );
      const { client: good, otherClient } = certificates();
      for (const [name, subject] of [
        ['a.example', 'CN=a.example'],
        ['b.example', 'CN=b.example'],
        ['localhost', 'CN=localhost'],
      ] as const) {
        const as = (own: object): StreamClientEndpoint =>
          new SSL4ClientEndpoint(reactor, '127.0.0.1', port, {
            ca: ca.cert,
            servername: name,
            ...own,
          });
        const recorder = await talk(as(good));
        expect(String(recorder.received), name).to.equal('hello');
        expect(tlsOf(recorder).getPeerCertificate()?.subject).to.equal(subject);
        expect(tlsOf(servers.at(-1)).serverName).to.equal(name);
        expect(tlsOf(servers.at(-1)).peerVerified).to.equal(true);
        for (const [own, Class] of [
          [otherClient, TLSVerificationError],
          [{}, TLSError],
        ] as const) {
          const refused = await talk(as(own));
          expect(refused.bytes, name).to.equal(0);
          const end = servers.at(-1);
          await end?.until(() => end.lost);
          expect(end?.reason?.value, name).to.be.instanceOf(Class);
        }
      }
    });

    it('versions before TLS 1.2 are spoken only when both sides insist', async () => {
      const own = { privateKey: server.key, certificate: server.cert };
      const lowered = {
        insecurelyLowerMinimumTo: TLSVersion.TLSv1_1,
        lowerMaximumSecurityTo: TLSVersion.TLSv1_1,
      };
      const old = optionsForClientTLS('localhost', {
        trustRoot: ca.cert,
        extraCertificateOptions: lowered,
      });
      const modern = await listen(new CertificateOptions(own));
      const refused = await talk(new SSL4ClientEndpoint(reactor, '127.0.0.1', modern, old));
      expect(refused.reason?.value).to.be.instanceOf(TLSError);
      const ancient = await listen(new CertificateOptions({ ...own, ...lowered }));
      const recorder = await talk(new SSL4ClientEndpoint(reactor, '127.0.0.1', ancient, old));
      expect(String(recorder.received)).to.equal('hello');
      expect(tlsOf(recorder).tlsVersion).to.equal('TLSv1.1');
    });

    it('ciphers and protocols are those that were asked for', async () => {
      const port = await listen(
        new CertificateOptions({
          privateKey: server.key,
          certificate: server.cert,
          acceptableCiphers: ['TLS_CHACHA20_POLY1305_SHA256'],
          raiseMinimumTo: TLSVersion.TLSv1_3,
          acceptableProtocols: ['h2', 'http/1.1'],
        }),
      );
      const context = optionsForClientTLS('localhost', {
        trustRoot: ca.cert,
        acceptableProtocols: ['http/1.1'],
      });
      const recorder = await talk(new SSL4ClientEndpoint(reactor, '127.0.0.1', port, context));
      expect(tlsOf(recorder)).to.include({
        tlsVersion: 'TLSv1.3',
        cipher: 'TLS_CHACHA20_POLY1305_SHA256',
        negotiatedProtocol: 'http/1.1',
      });
    });

    it('DHE is spoken with parameters from a file', async () => {
      // DHE takes an RSA key; of parameters, well-known ones (RFC 7919), so that none have to be found.
      const openssl = (...args: string[]): unknown =>
        execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
      openssl(
        ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost'],
        ...['-addext', 'subjectAltName=DNS:localhost', '-keyout', 'rsa.key', '-out', 'rsa.crt'],
      );
      const group = ['-algorithm', 'DH', '-pkeyopt', 'group:ffdhe2048'];
      openssl('genpkey', '-genparam', ...group, '-out', 'ffdhe.pem');
      const files = `${path('rsa.key')}:${path('rsa.crt')}:dhParameters=${path('ffdhe.pem')}`;
      const port = await listen(`ssl:0:${files}:interface=127.0.0.1`);
      const context = optionsForClientTLS('localhost', {
        trustRoot: readFileSync(join(folder, 'rsa.crt')),
        extraCertificateOptions: {
          acceptableCiphers: 'DHE-RSA-AES128-GCM-SHA256',
          lowerMaximumSecurityTo: TLSVersion.TLSv1_2,
        },
      });
      const recorder = await talk(new SSL4ClientEndpoint(reactor, '127.0.0.1', port, context));
      expect(String(recorder.received)).to.equal('hello');
      expect(tlsOf(recorder).cipher).to.equal('TLS_DHE_RSA_WITH_AES_128_GCM_SHA256');
    });

    it('a session is resumed by who hands it on', async () => {
      const port = await listen(server);
      const connect = (session?: Buffer): Promise<Recorder> => {
        const context = optionsForClientTLS('localhost', {
          trustRoot: ca.cert,
          ...(session === undefined ? {} : { session }),
        });
        return talk(new SSL4ClientEndpoint(reactor, '127.0.0.1', port, context));
      };
      const first = tlsOf(await connect());
      expect(first.isSessionReused()).to.equal(false);
      const session = first.getSession();
      if (session === null) throw new Error('Expected a session');
      expect(tlsOf(await connect(session)).isSessionReused()).to.equal(true);
    });

    it('a port that is taken is a failure of the endpoint', async () => {
      const port = await listen(server);
      const again = new SSL4ServerEndpoint(reactor, port, server, { interface: '127.0.0.1' });
      expect(await rejection(again.listen(echoing))).to.be.instanceOf(CannotListenError);
    });

    it('wrapClientTLS() verifies the host of the connection where nobody said whom', async () => {
      const port = await listen(server);
      const beneath = clientFromString(reactor, `tcp:127.0.0.1:${port}`);
      const found = await talk(wrapClientTLS({ ca: ca.cert }, beneath));
      expect(String(found.received)).to.equal('hello');
      const wrong = wrapClientTLS({ ca: ca.cert }, beneath, { hostname: 'a.example' });
      expect((await talk(wrong)).reason?.value).to.be.instanceOf(TLSVerificationError);
    });
  });
});
