import { expect } from 'chai';
import { openSession, sealSession } from '../../src/reactor/tls/session.ts';

describe('Sealed TLS sessions', () => {
  const session = Buffer.from([0x30, 0x82, 0x00, 0xff]);

  it('openSession() gives what was sealed for the same host, and nothing of another’s', () => {
    for (const hostname of ['example.org', undefined]) {
      const sealed = sealSession(session, hostname);
      expect(openSession(sealed, hostname)).to.deep.equal(session);
      expect(openSession(sealed, 'example.com')).to.equal(undefined);
      expect(openSession(sealed, hostname === undefined ? 'a' : undefined)).to.equal(undefined);
    }
  });

  it('openSession() takes bytes that are no Buffer, and what was not sealed as it is', () => {
    const sealed = new Uint8Array(sealSession(session, 'example.org'));
    expect(openSession(sealed, 'example.org')).to.deep.equal(session);
    expect(openSession(sealed, 'example.com')).to.equal(undefined);
    expect(openSession(new Uint8Array(session), 'example.org')).to.deep.equal(session);
  });
});
