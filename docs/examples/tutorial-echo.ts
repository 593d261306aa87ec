import { Application, Factory, Protocol, TCPServer } from '../../src/index.ts';

class Echo extends Protocol {
  override dataReceived(data: Buffer): void {
    this.transport.write(data);
  }
}

export const application = Application('echo');
const port = Number(process.env['PORT'] ?? 8007);
new TCPServer(port, Factory.forProtocol(Echo)).setServiceParent(application);
