import {
  Factory,
  LineReceiver,
  reactor,
  type TCPListeningPort,
  TimeoutMixin,
} from '../../src/index.ts';

/** The same. Cutting, limits, the timeout and waiting for a slow reader are not yours to write. */
export class Adder extends TimeoutMixin(LineReceiver) {
  override delimiter = '\n';
  override MAX_LENGTH = 1000;

  override connectionMade(): void {
    this.setTimeout(60);
    this.transport.registerProducer(this, true);
  }

  override connectionLost(): void {
    this.setTimeout(null);
  }

  override lineReceived(line: Buffer): void {
    this.resetTimeout();
    const sum = line
      .toString()
      .split(' ')
      .reduce((total, each) => total + Number(each), 0);
    this.sendLine(`${sum}`);
  }

  override lineLengthExceeded(): void {
    this.transport.abortConnection();
  }

  override timeoutConnection(): void {
    this.transport.abortConnection();
  }
}

export function after(port: number): TCPListeningPort {
  return reactor.listenTCP(port, Factory.forProtocol(Adder), { interface: '127.0.0.1' });
}
