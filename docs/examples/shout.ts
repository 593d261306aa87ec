import { Application, Factory, LineReceiver, TCPServer } from '../../src/index.ts';

class Shout extends LineReceiver {
  override delimiter = '\n';

  override connectionMade(): void {
    this.sendLine('Say something');
  }

  override lineReceived(line: Buffer): void {
    const text = line.toString().trim();
    if (text === 'bye') this.transport.loseConnection();
    else this.sendLine(text.toUpperCase());
  }
}

export const application = Application('shout');
const port = Number(process.env['PORT'] ?? 8007);
new TCPServer(port, Factory.forProtocol(Shout)).setServiceParent(application);
