import { readFileSync } from 'node:fs';
import { Application, CertificateOptions, Factory, Protocol, SSLServer } from '../../src/index.ts';

class Echo extends Protocol {
  override dataReceived(data: Buffer): void {
    this.transport.write(data);
  }
}

const context = new CertificateOptions({
  // The server's own certificate first, then those that lead from it to a root.
  certificate: readFileSync(process.env['CERTIFICATE'] ?? 'cert.pem'),
  privateKey: readFileSync(process.env['PRIVATE_KEY'] ?? 'key.pem'),
});

export const application = Application('secure echo');
const port = Number(process.env['PORT'] ?? 8443);
new SSLServer(port, Factory.forProtocol(Echo), context).setServiceParent(application);
