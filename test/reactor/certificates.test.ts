/** Keys, certificates and trust roots as objects. */
import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { expect } from 'chai';
import { TLSError } from '../../src/reactor/index.ts';
import {
  Certificate,
  CertificateOptions,
  KeyPair,
  PrivateCertificate,
  platformTrust,
  TrustRoot,
  trustRootFromCertificates,
} from '../../src/reactor/tls/index.ts';
import { certificates } from '../support/certificates.ts';

/** For calls that the types forbid, and JavaScript does not. */
function untyped(value: unknown): never {
  return value as never;
}

describe('KeyPair', () => {
  it('generate() makes keys of the kind and size that is asked for', () => {
    expect(KeyPair.generate().keyObject.asymmetricKeyDetails?.namedCurve).to.equal('prime256v1');
    const p384 = KeyPair.generate({ kind: 'ec', size: 384 });
    expect(p384.keyObject.asymmetricKeyDetails?.namedCurve).to.equal('secp384r1');
    const rsa = KeyPair.generate({ kind: 'rsa' });
    expect(rsa.keyObject.asymmetricKeyDetails?.modulusLength).to.equal(2048);
    expect(KeyPair.generate({ kind: 'ed25519' }).keyObject.asymmetricKeyType).to.equal('ed25519');
    expect(KeyPair.generate().keyHash()).to.not.equal(KeyPair.generate().keyHash());
  });

  for (const [options, message] of [
    [{ kind: 'ec', size: 255 }, 'expected size 256, 384 or 521'],
    [{ kind: 'rsa', size: 1024 }, 'expected a size of 2048 or more'],
    [{ kind: 'rsa', size: 2048.5 }, 'expected a size of 2048 or more'],
    [{ kind: 'ed25519', size: 256 }, 'expected no size'],
    [{ kind: 'dsa' }, "expected kind 'ec', 'rsa' or 'ed25519'"],
  ] as const) {
    it(`generate() refuses ${JSON.stringify(options)}`, () => {
      expect(() => KeyPair.generate(untyped(options))).to.throw(TypeError, message);
    });
  }

  it('loadPEM() reads what dumpPEM() writes, encrypted or not', () => {
    const pair = KeyPair.generate();
    expect(KeyPair.loadPEM(pair.dumpPEM()).keyHash()).to.equal(pair.keyHash());
    const secret = pair.dumpPEM('open sesame');
    expect(secret).to.match(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
    expect(KeyPair.loadPEM(Buffer.from(secret), 'open sesame').keyHash()).to.equal(pair.keyHash());
  });

  it('loadPEM() says what is wrong', () => {
    const secret = KeyPair.generate().dumpPEM('open sesame');
    const { server } = certificates();
    expect(() => KeyPair.loadPEM(secret)).to.throw(TLSError, 'no passphrase was given');
    expect(() => KeyPair.loadPEM(secret, 'open')).to.throw(TLSError, 'the passphrase is wrong');
    expect(() => KeyPair.loadPEM('')).to.throw(TLSError, 'it holds no private key in PEM');
    expect(() => KeyPair.loadPEM(server.cert)).to.throw(TLSError, 'it holds no private key in PEM');
    expect(() => KeyPair.loadPEM(untyped(5))).to.throw(TypeError, 'expected PEM text');
    const damaged = server.key.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA');
    expect(() => KeyPair.loadPEM(damaged)).to.throw(TLSError, 'Cannot read the private key: ');
  });

  it('takes no public key for a private one', () => {
    const { publicKey } = new X509Certificate(certificates().server.cert);
    expect(() => new KeyPair(publicKey)).to.throw(TypeError, "of type 'private'");
  });

  it('keyHash() and dumpPublicPEM() are about the public half', () => {
    const { server } = certificates();
    const { publicKey } = new X509Certificate(server.cert);
    expect(KeyPair.loadPEM(server.key).dumpPublicPEM()).to.equal(
      publicKey.export({ format: 'pem', type: 'spki' }),
    );
    expect(KeyPair.loadPEM(server.key).keyHash()).to.match(/^[0-9a-f]{64}$/);
  });
});

describe('Certificate', () => {
  it('says whom it is about, who issued it, and when it is valid', () => {
    const { expired } = certificates();
    const certificate = Certificate.loadPEM(expired.cert);
    expect(certificate.subject).to.deep.equal({ commonName: 'localhost' });
    expect(certificate.issuer).to.deep.equal({ commonName: 'test authority' });
    expect(certificate.validFrom).to.deep.equal(new Date('2020-01-01T00:00:00Z'));
    expect(certificate.validTo).to.deep.equal(new Date('2021-01-01T00:00:00Z'));
    expect(certificate.serialNumber).to.equal(new X509Certificate(expired.cert).serialNumber);
    expect(String(certificate)).to.equal('Certificate(CN=localhost)');
    expect(certificate.privateKey).to.equal(undefined);
  });

  it('survives PEM and DER', () => {
    const { server } = certificates();
    const certificate = Certificate.loadPEM(`something before\n${server.cert}`);
    expect(certificate.dumpPEM()).to.equal(server.cert);
    expect(Certificate.load(certificate.dump()).dumpPEM()).to.equal(server.cert);
  });

  it('digest() is the fingerprint', () => {
    const { server } = certificates();
    const certificate = Certificate.loadPEM(server.cert);
    expect(certificate.digest()).to.equal(certificate.x509.fingerprint256);
    expect(certificate.digest('sha1')).to.equal(certificate.x509.fingerprint);
    expect(() => certificate.digest('sha0')).to.throw(TypeError, "'sha0'");
  });

  it('isIssuedBy() tells an issuer from a stranger', () => {
    const { ca, chained, intermediate, otherCA, server } = certificates();
    const of = (pair: { cert: string }): Certificate => Certificate.loadPEM(pair.cert);
    expect(of(server).isIssuedBy(of(ca))).to.equal(true);
    expect(of(server).isIssuedBy(of(otherCA))).to.equal(false);
    expect(of(chained).isIssuedBy(of(ca))).to.equal(false);
    expect(of(chained).isIssuedBy(of(intermediate))).to.equal(true);
  });

  it('loadAllPEM() keeps the order, and names the one that cannot be read', () => {
    const { ca, server } = certificates();
    const all = Certificate.loadAllPEM(server.cert + ca.cert);
    expect(all.map(({ subject }) => subject.commonName)).to.deep.equal([
      'localhost',
      'test authority',
    ]);
    const damaged = ca.cert.replace(/\n.{40}/, `\n${'A'.repeat(40)}`);
    expect(() => Certificate.loadAllPEM(server.cert + damaged)).to.throw(
      TLSError,
      'Cannot read the certificate, number 2 in it: ',
    );
  });

  it('loads nothing from what holds no certificate', () => {
    const { server } = certificates();
    for (const text of ['', 'nothing', server.key]) {
      expect(() => Certificate.loadPEM(text)).to.throw(TLSError, 'it holds no certificate in PEM');
    }
    expect(() => Certificate.load(Buffer.from('x'))).to.throw(TLSError, 'Cannot read');
    expect(() => Certificate.loadPEM(untyped({}))).to.throw(TypeError, 'expected PEM text');
    expect(() => new Certificate(untyped('x'))).to.throw(TypeError, "'x'");
  });

  it('peerFromTransport() gives what the peer showed, if anything', () => {
    const x509 = new X509Certificate(certificates().client.cert);
    const shown = Certificate.peerFromTransport({ getPeerCertificate: () => x509 });
    expect(shown.subject.commonName).to.equal('good client');
    const none = { getPeerCertificate: () => null };
    expect(() => Certificate.peerFromTransport(none)).to.throw(TLSError, 'there is none');
  });
});

describe('PrivateCertificate', () => {
  it('loadPEM() finds certificate, key and chain in any order', () => {
    const { chained, intermediate } = certificates();
    for (const pem of [
      chained.key + chained.cert + intermediate.cert,
      Buffer.from(chained.cert + intermediate.cert + chained.key),
    ]) {
      const certificate = PrivateCertificate.loadPEM(pem);
      expect(certificate.dumpPEM()).to.equal(chained.cert);
      expect(certificate.chain.map((each) => each.dumpPEM())).to.deep.equal([intermediate.cert]);
      expect(certificate.privateKey.keyHash()).to.equal(KeyPair.loadPEM(chained.key).keyHash());
    }
  });

  it('loadPEM() reads what dumpAllPEM() writes, encrypted or not', () => {
    const { chained, intermediate } = certificates();
    const before = PrivateCertificate.loadPEM(chained.cert + intermediate.cert + chained.key);
    for (const passphrase of [undefined, 'open sesame']) {
      const after = PrivateCertificate.loadPEM(before.dumpAllPEM(passphrase), passphrase);
      expect(after.dumpAllPEM()).to.equal(before.dumpAllPEM());
    }
  });

  it('refuses halves that do not match, or are missing', () => {
    const { a, b } = certificates();
    expect(() => PrivateCertificate.loadPEM(a.cert + b.key)).to.throw(
      TLSError,
      'it does not match the certificate',
    );
    const [certificate, key] = [Certificate.loadPEM(a.cert), KeyPair.loadPEM(b.key)];
    expect(() => PrivateCertificate.fromCertificateAndKeyPair(certificate, key)).to.throw(TLSError);
    expect(() => PrivateCertificate.loadPEM(a.cert)).to.throw(TLSError, 'no private key');
    expect(() => PrivateCertificate.loadPEM(a.key)).to.throw(TLSError, 'no certificate');
  });

  it('fromCertificateAndKeyPair() joins halves', () => {
    const { a } = certificates();
    const pair = KeyPair.loadPEM(a.key);
    const whole = PrivateCertificate.fromCertificateAndKeyPair(Certificate.loadPEM(a.cert), pair);
    expect(whole.privateKey).to.equal(pair);
  });

  it('options() shows it, and with roots insists on clients that have one', () => {
    const { ca, server } = certificates();
    const certificate = PrivateCertificate.loadPEM(server.cert + server.key);
    const open = certificate.options();
    expect(open).to.be.instanceOf(CertificateOptions);
    expect(open.serverSettings().clientCertificate).to.equal('none');
    expect(open.serverSettings().credentials.cert).to.include(server.cert.trim());
    const strict = certificate.options(Certificate.loadPEM(ca.cert)).serverSettings();
    expect(strict.clientCertificate).to.equal('required');
    expect(strict.credentials.ca).to.deep.equal([ca.cert]);
  });
});

describe('Trust roots', () => {
  it('platformTrust() leaves it to Node', () => {
    expect(platformTrust()).to.be.instanceOf(TrustRoot);
    expect(platformTrust().ca).to.equal(undefined);
    expect(trustRootFromCertificates([platformTrust()])).to.equal(platformTrust());
  });

  it('trustRootFromCertificates() takes all forms of certificates', () => {
    const { ca, otherCA, selfSigned } = certificates();
    const root = trustRootFromCertificates([
      Certificate.loadPEM(ca.cert),
      new X509Certificate(otherCA.cert),
      selfSigned.cert,
      Buffer.from(ca.cert + otherCA.cert),
      trustRootFromCertificates(selfSigned.cert as never), // one text is a list of one
    ]);
    expect(root.ca).to.deep.equal([
      ...[ca.cert, otherCA.cert, selfSigned.cert],
      ...[ca.cert, otherCA.cert, selfSigned.cert],
    ]);
  });

  it('trustRootFromCertificates() adds to what the platform trusts', () => {
    const { ca } = certificates();
    const root = trustRootFromCertificates([platformTrust(), ca.cert]);
    expect(root.ca)
      .to.have.length(rootCertificates.length + 1)
      .and.to.include(ca.cert);
  });

  it('trustRootFromCertificates() refuses to trust nobody, and what is no certificate', () => {
    expect(() => trustRootFromCertificates([])).to.throw(TypeError, 'no certificates');
    expect(() => trustRootFromCertificates([''])).to.throw(TLSError, 'no certificate in PEM');
    expect(() => trustRootFromCertificates([untyped(5)])).to.throw(TypeError);
  });
});
