/** A named pipe that every user of the machine may connect to, even if a service serves it: `win32-pipe.ts serve`, then elsewhere `win32-pipe.ts ask`. */
import {
  accessList,
  ClientFactory,
  clientFromString,
  Factory,
  LineReceiver,
  NamedPipeServer,
  reactor,
} from '../../src/index.ts';

class Greeter extends LineReceiver {
  override lineReceived(line: Buffer): void {
    this.sendLine(`Hello, ${line}`);
  }
}

class Guest extends LineReceiver {
  override connectionMade(): void {
    this.sendLine(process.env['USERNAME'] ?? 'stranger');
  }
  override lineReceived(line: Buffer): void {
    console.log(line.toString());
    this.transport.loseConnection();
  }
  override connectionLost(): void {
    reactor.stop();
  }
}

if (process.argv[2] === 'serve') {
  const server = new NamedPipeServer('strand greeter', Factory.forProtocol(Greeter), {
    access: accessList([{ who: 'users', may: 'connect' }]),
    admit: ({ processId }) => {
      console.log(`Process ${processId} comes in`);
      return true;
    },
  });
  server.startListening();
  console.log('Serving');
} else {
  void clientFromString(reactor, 'pipe:strand greeter').connect(ClientFactory.forProtocol(Guest));
}
await reactor.run();
