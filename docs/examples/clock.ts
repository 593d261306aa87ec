/** Tells everybody who connects what time it is. */
import { Application, Factory, Protocol, TCPServer, wallTime } from '../../src/index.ts';

class Clock extends Protocol {
  override connectionMade(): void {
    this.transport.write(`${new Date(wallTime() * 1000).toISOString()}\n`);
    this.transport.loseConnection();
  }
}

export const application = Application('clock');
new TCPServer(8013, Factory.forProtocol(Clock)).setServiceParent(application);
