import {
  Certificate,
  CertificateOptions,
  type IHandshakeListener,
  optionsForClientTLS,
  type PrivateCertificate,
  Protocol,
  type TLSContextFactory,
  type TLSTransport,
} from '../../src/index.ts';

/** With a `trustRoot`, a server lets in only who shows a certificate that `authority` has issued. */
export function membersOnly(
  certificate: PrivateCertificate,
  authority: Certificate,
): CertificateOptions {
  return new CertificateOptions({ certificate, trustRoot: authority });
}

/** The other side of it. */
export function asMember(
  hostname: string,
  authority: Certificate,
  member: PrivateCertificate,
): TLSContextFactory {
  return optionsForClientTLS(hostname, { trustRoot: authority, clientCertificate: member });
}

/** Greets members by the name in their certificates. */
export class Club extends Protocol implements IHandshakeListener {
  declare transport: TLSTransport;

  handshakeCompleted(): void {
    const member = Certificate.peerFromTransport(this.transport);
    this.transport.write(`Hello ${member.subject.commonName}`);
    this.transport.loseConnection();
  }
}
