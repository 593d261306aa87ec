import { Application, Factory, Protocol, TCPServer } from '../../src/index.ts';
import {
  LimitConnectionRate,
  LimitConnectionsByPeer,
  LimitTotalConnectionsFactory,
  ThrottlingFactory,
  TimeoutFactory,
} from '../../src/protocols/policies/index.ts';
import { Echo } from '../../src/protocols/wire/index.ts';

class Busy extends Protocol {
  override connectionMade(): void {
    this.transport.write('Too many are here already\r\n');
    this.transport.loseConnection();
  }
}

// From the inside out: what counts bytes is next to the protocol, what refuses connections is outermost.
const echo = Factory.forProtocol(Echo);
const paced = new ThrottlingFactory(echo, {
  writeLimit: 1_000_000,
  writeLimitPerConnection: 50_000,
});
const timed = new TimeoutFactory(paced, 60, { countWrites: false });
const total = new LimitTotalConnectionsFactory(timed, {
  connectionLimit: Number(process.env['LIMIT'] ?? 1000),
  overflowProtocol: Busy,
});
const fair = new LimitConnectionsByPeer(total, { maxConnectionsPerPeer: 3 });
const calm = new LimitConnectionRate(fair, { rate: 1000, ratePerPeer: 100 });

export const application = Application('echo');
const port = Number(process.env['PORT'] ?? 8007);
new TCPServer(port, calm).setServiceParent(application);
