/** Context factories: what they ask for, what they refuse, and that they hand out the same objects. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  type ClientTLSSettings,
  type ServerTLSSettings,
  type TLSContextFactory,
  TLSError,
  type TLSOptions,
} from '../../src/reactor/index.ts';
import {
  Certificate,
  CertificateOptions,
  type CertificateOptionsInit,
  KeyPair,
  optionsForClientTLS,
  PrivateCertificate,
  platformTrust,
  TLSVersion,
  tlsContextFactory,
} from '../../src/reactor/tls/index.ts';
import { certificates, type KeyAndCert } from '../support/certificates.ts';

/** For calls that the types forbid, and JavaScript does not. */
function untyped(value: unknown): never {
  return value as never;
}

function whole({ cert, key }: KeyAndCert): PrivateCertificate {
  return PrivateCertificate.loadPEM(cert + key);
}

describe('CertificateOptions', () => {
  const { a, b, ca, chained, client, intermediate, server, wild } = certificates();
  const own = { privateKey: server.key, certificate: server.cert };

  it('takes keys and certificates in every form', () => {
    const expected = new CertificateOptions(own).serverSettings().credentials;
    expect(expected.cert).to.equal(server.cert);
    const forms: CertificateOptionsInit[] = [
      { privateKey: Buffer.from(server.key), certificate: Buffer.from(server.cert) },
      { privateKey: KeyPair.loadPEM(server.key), certificate: Certificate.loadPEM(server.cert) },
      { privateKey: createPrivateKey(server.key), certificate: new X509Certificate(server.cert) },
      { certificate: whole(server) },
    ];
    for (const form of forms) {
      const { credentials } = new CertificateOptions(form).serverSettings();
      expect(credentials.cert).to.equal(expected.cert);
      const key = KeyPair.loadPEM(untyped(credentials.key));
      expect(key.keyHash()).to.equal(KeyPair.loadPEM(server.key).keyHash());
    }
  });

  it('takes an encrypted key with its passphrase', () => {
    const privateKey = KeyPair.loadPEM(server.key).dumpPEM('open sesame');
    const given = { privateKey, certificate: server.cert };
    new CertificateOptions({ ...given, passphrase: 'open sesame' }).serverSettings();
    expect(() => new CertificateOptions(given).serverSettings()).to.throw(
      TLSError,
      'Cannot read the private key: it is encrypted, and no passphrase was given',
    );
    const wrong = new CertificateOptions({ ...given, passphrase: 'open' });
    expect(() => wrong.serverSettings()).to.throw(TLSError, 'the passphrase is wrong');
  });

  it('puts the chain behind the certificate', () => {
    const certificate = PrivateCertificate.loadPEM(chained.cert + intermediate.cert + chained.key);
    for (const options of [
      new CertificateOptions({ certificate }),
      new CertificateOptions({
        privateKey: chained.key,
        certificate: chained.cert,
        extraCertChain: [Certificate.loadPEM(intermediate.cert)],
      }),
    ]) {
      const { cert } = options.serverSettings().credentials;
      const shown = Certificate.loadAllPEM(untyped(cert));
      expect(shown.map((each) => each.dumpPEM())).to.deep.equal([chained.cert, intermediate.cert]);
    }
  });

  it('hands out the same objects each time', () => {
    const options = new CertificateOptions({ ...own, serverNames: { 'a.example': a } });
    expect(options.serverSettings()).to.equal(options.serverSettings());
    const first = options.clientSettings('a.example');
    expect(options.clientSettings('a.example')).to.equal(first);
    const other = options.clientSettings('b.example');
    expect(other.hostname).to.equal('b.example');
    expect(other.credentials).to.equal(first.credentials);
    const { forServerName } = options.serverSettings();
    expect(forServerName?.('a.example')).to.equal(forServerName?.('a.example')).and.include(a);
  });

  describe('versions', () => {
    function range(init: CertificateOptionsInit): unknown[] {
      const { credentials } = new CertificateOptions(init).clientSettings('localhost');
      return [credentials.minVersion, credentials.maxVersion];
    }

    for (const [init, expected] of [
      [{}, ['TLSv1.2', 'TLSv1.3']],
      [{ raiseMinimumTo: TLSVersion.TLSv1_3 }, ['TLSv1.3', 'TLSv1.3']],
      [{ raiseMinimumTo: TLSVersion.TLSv1_1 }, ['TLSv1.2', 'TLSv1.3']],
      [{ insecurelyLowerMinimumTo: TLSVersion.TLSv1_0 }, ['TLSv1', 'TLSv1.3']],
      [{ lowerMaximumSecurityTo: TLSVersion.TLSv1_2 }, ['TLSv1.2', 'TLSv1.2']],
      [
        {
          insecurelyLowerMinimumTo: TLSVersion.TLSv1_0,
          lowerMaximumSecurityTo: TLSVersion.TLSv1_1,
        },
        ['TLSv1', 'TLSv1.1'],
      ],
    ] as const) {
      it(`are ${expected.join(' to ')} with ${JSON.stringify(init)}`, () => {
        expect(range(init)).to.deep.equal(expected);
      });
    }

    for (const [init, message] of [
      [{ raiseMinimumTo: 'SSLv3' }, "Cannot use raiseMinimumTo 'SSLv3': expected one of TLSv1, "],
      [{ lowerMaximumSecurityTo: 'TLSv1.1' }, "the oldest version to speak is newer, 'TLSv1.2'"],
      [
        { raiseMinimumTo: 'TLSv1.3', lowerMaximumSecurityTo: 'TLSv1.2' },
        "the oldest version to speak is newer, 'TLSv1.3'",
      ],
      [{ raiseMinimumTo: 'TLSv1.3', insecurelyLowerMinimumTo: 'TLSv1' }, 'together with'],
    ] as const) {
      it(`refuse ${JSON.stringify(init)}`, () => {
        expect(() => new CertificateOptions(untyped(init))).to.throw(TypeError, message);
      });
    }

    it('before TLS 1.2 come with the security level that OpenSSL needs for them, and no others do', () => {
      const ciphers = (init: CertificateOptionsInit): string | undefined =>
        new CertificateOptions(init).clientSettings('localhost').credentials.ciphers;
      const lowered = { insecurelyLowerMinimumTo: TLSVersion.TLSv1_0 };
      expect(ciphers(lowered)).to.match(/:@SECLEVEL=0$/);
      expect(ciphers({})).to.not.include('@SECLEVEL');
      const said = { ...lowered, acceptableCiphers: 'DEFAULT:@SECLEVEL=1' };
      expect(ciphers(said)).to.equal('DEFAULT:@SECLEVEL=1');
    });
  });

  it('passes ciphers on, as text or as a list', () => {
    for (const acceptableCiphers of [
      'ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256',
      ['ECDHE-ECDSA-AES128-GCM-SHA256', 'TLS_AES_128_GCM_SHA256'],
    ]) {
      const { credentials } = new CertificateOptions({ acceptableCiphers }).clientSettings('x');
      expect(credentials.ciphers).to.equal('ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256');
    }
    expect(() => new CertificateOptions({ acceptableCiphers: [] })).to.throw(TypeError, 'none');
    const nonsense = new CertificateOptions({ acceptableCiphers: 'NOPE' });
    expect(() => nonsense.clientSettings('x')).to.throw(
      TLSError,
      "Cannot use the ciphers 'NOPE': no cipher match",
    );
  });

  it('says which part of Diffie-Hellman is missing', () => {
    new CertificateOptions({ ...own, dhParameters: 'auto' }).serverSettings();
    const without = new CertificateOptions({ ...own, dhParameters: server.cert });
    expect(() => without.serverSettings()).to.throw(TLSError, 'Cannot read the DH parameters');
  });

  describe('clients', () => {
    it('verify the host that was connected to, and whom the platform trusts', () => {
      const settings = new CertificateOptions().clientSettings('a.example');
      expect(settings).to.include({ verify: true, hostname: 'a.example' });
      expect(settings.credentials.ca).to.equal(undefined);
    });

    it('refuse to verify nobody in particular', () => {
      const options = new CertificateOptions();
      expect(() => options.clientSettings()).to.throw(TLSError, 'nobody said whom');
      expect(() => options.clientSettings('no name')).to.throw(TLSError, "'no name'");
      const careless = new CertificateOptions({ verify: false });
      expect(careless.clientSettings()).to.include({ verify: false, hostname: undefined });
    });

    it('send names as the network writes them', () => {
      const options = new CertificateOptions();
      for (const [given, sent] of [
        ['Bücher.example', 'xn--bcher-kva.example'],
        ['a.example.', 'a.example'],
        ['::1', '::1'],
        ['127.0.0.1', '127.0.0.1'],
      ] as const) {
        expect(options.clientSettings(given).hostname).to.equal(sent);
      }
    });

    it('trust exactly whom they are told to', () => {
      const { credentials } = new CertificateOptions({ trustRoot: ca.cert }).clientSettings('x');
      expect(credentials.ca).to.deep.equal([ca.cert]);
      const several = new CertificateOptions({ trustRoot: [ca.cert, whole(server)] });
      expect(several.clientSettings('x').credentials.ca).to.deep.equal([ca.cert, server.cert]);
      expect(() => new CertificateOptions({ trustRoot: '' })).to.throw(TLSError, 'no certificate');
      expect(() => new CertificateOptions({ trustRoot: [] })).to.throw(TypeError);
    });
  });

  describe('servers', () => {
    function asked(init: CertificateOptionsInit): ServerTLSSettings['clientCertificate'] {
      return new CertificateOptions({ ...own, ...init }).serverSettings().clientCertificate;
    }

    it('ask clients for a certificate when told whom to trust', () => {
      const trustRoot = ca.cert;
      expect(asked({})).to.equal('none');
      expect(asked({ trustRoot })).to.equal('required');
      expect(asked({ trustRoot: platformTrust() })).to.equal('required');
      expect(asked({ trustRoot, requireCertificate: true })).to.equal('required');
      expect(asked({ trustRoot, requireCertificate: false })).to.equal('wanted');
      expect(asked({ trustRoot, verify: false })).to.equal('none');
    });

    it('refuse to verify clients against nobody said whom', () => {
      for (const init of [{ verify: true }, { requireCertificate: true }]) {
        expect(() => asked(init)).to.throw(TypeError, 'nobody said who may vouch');
      }
      expect(() => asked({ verify: false, requireCertificate: true })).to.throw(TypeError);
    });

    it('need a certificate and its key', () => {
      const { certificate, privateKey } = own;
      expect(() => new CertificateOptions({}).serverSettings()).to.throw(
        TLSError,
        'Cannot serve TLS: there is no certificate and no private key',
      );
      expect(() => new CertificateOptions({ certificate })).to.throw(
        TypeError,
        'Cannot use certificate without privateKey',
      );
      expect(() => new CertificateOptions({ privateKey })).to.throw(
        TypeError,
        'Cannot use privateKey without certificate',
      );
      expect(() => new CertificateOptions({ extraCertChain: [ca.cert] })).to.throw(
        TypeError,
        'Cannot use extraCertChain without certificate',
      );
    });

    it('keep sessions of one trust from another', () => {
      const context = (init: CertificateOptionsInit): unknown =>
        new CertificateOptions({ ...own, ...init }).serverSettings().credentials.sessionIdContext;
      const contexts = [
        context({}),
        context({ trustRoot: ca.cert }),
        context({ trustRoot: ca.cert, requireCertificate: false }),
        context({ trustRoot: server.cert }),
      ];
      expect(new Set(contexts).size).to.equal(4);
      expect(context({ trustRoot: ca.cert })).to.equal(contexts[1]);
    });
  });

  describe('server names', () => {
    const serverNames = {
      'a.example': a,
      'B.Example': whole(b),
      '*.wild.example': new CertificateOptions({ privateKey: wild.key, certificate: wild.cert }),
      'one.wild.example': a,
    };
    const { forServerName } = new CertificateOptions({ ...own, serverNames }).serverSettings();

    for (const [asked, expected] of [
      ['a.example', a],
      ['A.EXAMPLE', a],
      ['a.example.', a],
      ['b.example', b],
      ['x.wild.example', wild],
      ['X.Wild.Example', wild],
      ['one.wild.example', a],
      ['x.y.wild.example', undefined],
      ['wild.example', undefined],
      ['.wild.example', undefined],
      ['c.example', undefined],
      ['example', undefined],
      ['', undefined],
      ['*.wild.example', wild],
      ['not a name', undefined],
    ] as const) {
      const who = expected === undefined ? 'the default' : Certificate.loadPEM(expected.cert);
      it(`show ${who} to who asks for '${asked}'`, () => {
        expect(forServerName?.(asked)?.cert).to.equal(expected?.cert);
      });
    }

    it('share all but who they are with the default', () => {
      const options = new CertificateOptions({ ...own, serverNames, trustRoot: ca.cert });
      const settings = options.serverSettings();
      const { ca: trusted, sessionIdContext } = settings.credentials;
      expect(trusted).to.deep.equal([ca.cert]);
      for (const name of ['a.example', 'b.example', 'x.wild.example']) {
        expect(settings.forServerName?.(name)).to.deep.include({ ca: trusted, sessionIdContext });
      }
    });

    it('do not inherit a passphrase, or a key', () => {
      const options = { pfx: 'x', passphrase: 'secret', serverNames: { 'a.example': a } };
      // The PFX is none; what matters is what the entry has got of it.
      expect(() => tlsContextFactory(options).serverSettings()).to.throw(TLSError, 'the PFX');
      const half = tlsContextFactory({ ...server, serverNames: { 'a.example': { cert: a.cert } } });
      expect(() => half.serverSettings()).to.throw(
        TLSError,
        "Cannot use the certificate: there is no private key for it (server name 'a.example')",
      );
    });

    it('are absent without any', () => {
      expect(new CertificateOptions(own).serverSettings()).to.not.have.property('forServerName');
    });

    it('are found whatever their case, and only for one label', () => {
      const label = fc.stringMatching(/^[a-z0-9]([a-z0-9]{0,10})$/);
      fc.assert(
        fc.property(label, fc.boolean(), (name, upper) => {
          const asked = `${name}.wild.example`;
          const found = forServerName?.(upper ? asked.toUpperCase() : asked);
          expect(found?.cert).to.equal(name === 'one' ? a.cert : wild.cert);
          expect(forServerName?.(`x.${asked}`)).to.equal(undefined);
        }),
        { numRuns: 50 },
      );
    });

    for (const name of ['', '*', '*.', 'a.*.example', 'x*.example', '127.0.0.1', '::1', 'a b']) {
      it(`refuse '${name}'`, () => {
        const init = { ...own, serverNames: { [name]: a } };
        expect(() => new CertificateOptions(init)).to.throw(TypeError, `'${name}'`);
      });
    }

    it('refuse what is the same name twice, or no credentials', () => {
      const twice = { ...own, serverNames: { 'a.example': a, 'A.example.': b } };
      expect(() => new CertificateOptions(twice)).to.throw(TypeError, "'A.example.' twice");
      for (const given of [5, 'pem', null, { kee: a.key }]) {
        const init = { ...own, serverNames: { 'a.example': untyped(given) } };
        expect(() => new CertificateOptions(init)).to.throw(TypeError, "'a.example'");
      }
    });

    it('name the one whose credentials cannot be used', () => {
      const serverNames = { 'a.example': { key: b.key, cert: a.cert } };
      const options = new CertificateOptions({ ...own, serverNames });
      expect(() => options.serverSettings()).to.throw(
        TLSError,
        "does not match the certificate (server name 'a.example')",
      );
    });
  });

  for (const [init, message] of [
    [{ privateKye: server.key }, "unknown option 'privateKye': did you mean 'privateKey'?"],
    [{ method: 'TLSv1' }, "unknown option 'method': known are privateKey, "],
    [{ certificate: 5, privateKey: server.key }, 'Cannot use 5 as a certificate'],
    [{ certificate: server.cert, privateKey: 5 }, 'expected a KeyPair, KeyObject, or PEM'],
    [{ verify: 'yes' }, "Cannot use verify 'yes': expected true or false"],
    [{ requireCertificate: 1 }, 'Cannot use requireCertificate 1'],
    [{ acceptableProtocols: 'h2' }, "Cannot use acceptableProtocols 'h2'"],
    [{ acceptableProtocols: [''] }, 'expected a list of names of 1 to 255 bytes'],
    [{ acceptableProtocols: ['x'.repeat(256)] }, 'expected a list of names of 1 to 255 bytes'],
    [{ session: 'x' }, 'Cannot use session: expected a Buffer'],
    [{ passphrase: 5, ...own }, 'with passphrase: expected a string'],
    [null, 'Cannot use null as CertificateOptions: expected an object'],
    [[own], 'expected an object'],
    ['x', "Cannot use 'x' as CertificateOptions"],
  ] as const) {
    it(`refuses what makes no sense: ${message}`, () => {
      expect(() => new CertificateOptions(untyped(init))).to.throw(TypeError, message);
    });
  }

  it('never shows a secret in an error', () => {
    for (const init of [
      { ...own, passphrase: { secret: 'open sesame' } },
      { ...own, privateKey: { secret: 'open sesame' } },
      { ...own, session: 'open sesame' },
      [server.key],
      server.key,
    ]) {
      expect(() => new CertificateOptions(untyped(init)))
        .to.throw(TypeError)
        .that.has.property('message')
        .that.does.not.match(/sesame|MIG/);
    }
  });

  it('shows a client’s certificate as well', () => {
    const { credentials } = new CertificateOptions({ certificate: whole(client) }).clientSettings(
      'x',
    );
    expect(credentials.cert).to.equal(client.cert);
  });
});

describe('optionsForClientTLS()', () => {
  const { ca, client, otherServer, server } = certificates();

  it('verifies the name it was given, whatever is connected to', () => {
    const options = optionsForClientTLS('a.example', { trustRoot: Certificate.loadPEM(ca.cert) });
    expect(options.clientSettings('127.0.0.1')).to.include({ hostname: 'a.example', verify: true });
    expect(options.clientSettings().credentials.ca).to.deep.equal([ca.cert]);
    expect(options.clientSettings('x')).to.equal(options.clientSettings('y'));
  });

  it('has all that a client may want', () => {
    const session = Buffer.from('session');
    const settings = optionsForClientTLS('bücher.example', {
      clientCertificate: whole(client),
      acceptableProtocols: ['h2'],
      session,
      extraCertificateOptions: { raiseMinimumTo: TLSVersion.TLSv1_3 },
    }).clientSettings();
    expect(settings.hostname).to.equal('xn--bcher-kva.example');
    expect(settings.credentials).to.include({ cert: client.cert, minVersion: 'TLSv1.3' });
    expect(settings.acceptableProtocols).to.deep.equal(['h2']);
    expect(settings.session).to.equal(session);
  });

  it('serves nobody', () => {
    expect(() => optionsForClientTLS('a.example').serverSettings()).to.throw(
      TypeError,
      'a.example',
    );
  });

  for (const [hostname, options, message] of [
    [undefined, {}, 'Cannot make TLS options for undefined'],
    [Buffer.from('x'), {}, 'expected a host name'],
    ['', {}, "''"],
    ['not a name', {}, "'not a name'"],
    ['a.example', { trustroot: ca.cert }, "did you mean 'trustRoot'?"],
    ['a.example', { verify: false }, "unknown option 'verify'"],
    ['a.example', { extraCertificateOptions: { verify: false } }, "unknown option 'verify'"],
    ['a.example', { extraCertificateOptions: 5 }, 'Cannot use 5 as extraCertificateOptions'],
    ['a.example', { clientCertificate: Certificate.loadPEM(server.cert) }, 'without privateKey'],
  ] as const) {
    it(`refuses what makes no sense: ${message}`, () => {
      const attempt = (): unknown => optionsForClientTLS(untyped(hostname), untyped(options));
      expect(attempt).to.throw(TypeError, message);
    });
  }

  it('refuses a trust root without certificates', () => {
    const attempt = (): unknown => optionsForClientTLS('x', { trustRoot: otherServer.key });
    expect(attempt).to.throw(TLSError, 'no certificate');
  });
});

describe('tlsContextFactory()', () => {
  const { a, b, ca, server } = certificates();

  it('leaves a context factory as it is', () => {
    const factory: TLSContextFactory = {
      serverSettings: () => untyped(0),
      clientSettings: () => untyped(0),
    };
    expect(tlsContextFactory(factory)).to.equal(factory);
  });

  it('reads the options of a server', () => {
    const settings = tlsContextFactory({
      ...server,
      ca: ca.cert,
      requestCert: true,
      ALPNProtocols: ['h2'],
      serverNames: { 'a.example': a },
    }).serverSettings();
    expect(settings.credentials).to.include({ ...server, ca: ca.cert, honorCipherOrder: true });
    expect(settings.credentials).to.not.have.any.keys(
      'requestCert',
      'ALPNProtocols',
      'serverNames',
    );
    expect(settings.clientCertificate).to.equal('required');
    expect(settings.acceptableProtocols).to.deep.equal(['h2']);
    expect(settings.forServerName?.('A.example')).to.include({ ...a, ca: ca.cert });
  });

  it('asks clients for certificates as Node does, but trusts nobody unasked', () => {
    const asked = (options: TLSOptions): ServerTLSSettings['clientCertificate'] =>
      tlsContextFactory({ ...server, ...options }).serverSettings().clientCertificate;
    expect(asked({})).to.equal('none');
    expect(asked({ rejectUnauthorized: true })).to.equal('none');
    expect(asked({ requestCert: true, rejectUnauthorized: false })).to.equal('wanted');
    expect(asked({ requestCert: true, ca: ca.cert })).to.equal('required');
    expect(() => asked({ requestCert: true })).to.throw(TypeError, 'nobody said who may vouch');
  });

  it('reads the options of a client', () => {
    const session = Buffer.from('session');
    const settings = (options: TLSOptions): ClientTLSSettings =>
      tlsContextFactory(options).clientSettings('127.0.0.1');
    expect(settings({})).to.include({ verify: true, hostname: '127.0.0.1' });
    expect(settings({ servername: 'a.example', session })).to.include({
      verify: true,
      hostname: 'a.example',
      session,
    });
    expect(settings({ rejectUnauthorized: false })).to.include({ verify: false });
  });

  it('gives the same factory for the same options, until one of them is set to something else', () => {
    const options: TLSOptions = { ...server };
    const first = tlsContextFactory(options);
    expect(tlsContextFactory(options)).to.equal(first);
    Object.assign(options, b);
    const second = tlsContextFactory(options);
    expect(second).to.not.equal(first);
    expect(second.serverSettings().credentials).to.include(b);
    options.ALPNProtocols = ['h2'];
    expect(tlsContextFactory(options).serverSettings().acceptableProtocols).to.deep.equal(['h2']);
    delete options.ALPNProtocols;
    expect(tlsContextFactory(options).serverSettings().acceptableProtocols).to.deep.equal([]);
  });

  it('passes over options that are undefined', () => {
    const options = { ...server, ca: undefined, ciphers: undefined, session: undefined };
    expect(tlsContextFactory(untyped(options)).clientSettings('x')).to.not.have.property('session');
  });

  for (const [options, message] of [
    [{ ...server, certt: server.cert }, "unknown option 'certt': did you mean 'cert'?"],
    [{ ...server, sslmethod: 'TLSv1_2_method' }, "unknown option 'sslmethod': known are"],
    [{ CA: ca.cert }, "did you mean 'ca'?"],
    [createSecureContext(), "unknown option 'context'"],
    [{ key: 5 }, 'Cannot use TLS options with key: expected PEM text'],
    [{ ca: { pem: ca.cert } }, 'with ca { pem:'],
    [{ cert: true }, 'with cert true: expected PEM text'],
    [{ ALPNProtocols: 'h2' }, "with ALPNProtocols 'h2': expected a list"],
    [{ ALPNCallback: () => 'h2' }, 'expected ALPNProtocols instead'],
    [{ requestCert: 'yes' }, "with requestCert 'yes': expected true or false"],
    [{ rejectUnauthorized: 0 }, 'with rejectUnauthorized 0: expected true or false'],
    [{ servername: 5 }, 'with servername 5: expected a string'],
    [{ serverNames: [a] }, 'expected an object of credentials by name'],
    [{ serverNames: { 'a.example': { certt: a.cert } } }, "the credentials for 'a.example' with"],
    [{ ticketKeys: 'x' }, 'with ticketKeys: expected a Buffer'],
    [null, 'Cannot use null for TLS'],
    [undefined, 'Cannot use undefined for TLS'],
    ['server.pem', "Cannot use 'server.pem' for TLS: expected a context factory or TLS options"],
    [[server], 'expected an object'],
  ] as const) {
    it(`refuses at once what makes no sense: ${message}`, () => {
      expect(() => tlsContextFactory(untyped(options))).to.throw(TypeError, message);
    });
  }

  for (const [options, message] of [
    [{}, 'Cannot serve TLS: there is no certificate and no private key'],
    [{ cert: server.cert }, 'Cannot use the certificate: there is no private key for it'],
    [{ key: server.key }, 'Cannot use the private key: there is no certificate for it'],
    [{ cert: server.cert, key: [] }, 'Cannot use the certificate: there is no private key for it'],
    [{ cert: a.cert, key: b.key }, 'Cannot use the private key: it does not match the certificate'],
    [{ cert: 'x', key: a.key }, 'Cannot read the certificate: it holds no certificate in PEM'],
    [{ cert: a.cert, key: 'x' }, 'Cannot read the private key: it holds no private key in PEM'],
    [
      { cert: [a.cert, b.cert], key: [a.key, server.key] },
      'Cannot use the private key number 2: it does not match the certificate',
    ],
    [{ ...server, ca: 'x' }, 'Cannot read the CA certificate: it holds no certificate in PEM'],
    [{ ...server, ca: '' }, 'Cannot read the CA certificate: it holds no certificate in PEM'],
    [{ ...server, ca: [ca.cert, server.key] }, 'Cannot read the CA certificate number 2: '],
    [{ ...server, crl: 'x' }, 'Cannot use the revocation list'],
    [{ ...server, ciphers: 'NOPE' }, "Cannot use the ciphers 'NOPE': no cipher match"],
    [{ ...server, ecdhCurve: 'NOPE' }, "Cannot use the ECDH curves 'NOPE'"],
    [{ ...server, sigalgs: 'NOPE' }, "Cannot use the signature algorithms 'NOPE'"],
    [{ ...server, dhparam: 'x' }, 'Cannot read the DH parameters'],
    [{ pfx: Buffer.from('x') }, 'Cannot use the PFX: '],
  ] as const) {
    it(`refuses to serve what cannot be used: ${message}`, () => {
      const factory = tlsContextFactory(untyped(options));
      expect(() => factory.serverSettings()).to.throw(TLSError, message);
      // And not only the first time.
      expect(() => factory.serverSettings()).to.throw(TLSError, message);
    });
  }

  it('refuses versions that Node does not know', () => {
    const factory = tlsContextFactory(untyped({ ...server, minVersion: 'TLSv9' }));
    expect(() => factory.serverSettings()).to.throw(TypeError, 'TLSv9');
  });

  it('clients refuse what cannot be used as well', () => {
    for (const options of [{ ca: 'x' }, { cert: a.cert }, { cert: a.cert, key: b.key }]) {
      expect(() => tlsContextFactory(options).clientSettings('x')).to.throw(TLSError);
    }
  });
});
