import {
  CertificateOptions,
  type IHandshakeListener,
  type PrivateCertificate,
  Protocol,
  type TLSTransport,
} from '../../src/index.ts';

/** One port, several names: who asks for a name that is not among `others`, or for none, is shown `main`. */
export function severalNames(
  main: PrivateCertificate,
  others: Readonly<Record<string, PrivateCertificate>>,
): CertificateOptions {
  return new CertificateOptions({
    certificate: main,
    serverNames: others,
    acceptableProtocols: ['greeting/2', 'greeting/1'],
  });
}

/** Tells a client whom it asked for, and what was agreed on. */
export class Greeting extends Protocol implements IHandshakeListener {
  declare transport: TLSTransport;

  handshakeCompleted(): void {
    const { serverName, negotiatedProtocol, tlsVersion } = this.transport;
    this.transport.write(`${serverName} ${negotiatedProtocol} ${tlsVersion}`);
    this.transport.loseConnection();
  }
}
