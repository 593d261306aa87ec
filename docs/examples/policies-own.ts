import { Factory, LineReceiver, reactor } from '../../src/index.ts';
import {
  ProtocolWrapper,
  TimeoutMixin,
  WrappingFactory,
} from '../../src/protocols/policies/index.ts';

/** A wrapper of one's own: counts what passes, and says so at the end. */
class Counting extends ProtocolWrapper {
  received = 0;

  override dataReceived(data: Buffer): unknown {
    this.received += data.length;
    return super.dataReceived(data);
  }

  override connectionLost(...reason: Parameters<ProtocolWrapper['connectionLost']>): unknown {
    console.log(`${this.getPeer()} sent ${this.received} bytes`);
    return super.connectionLost(...reason);
  }
}

/** A timeout of a protocol's own: a minute for each line, an hour for those who have said who they are. */
class Impatient extends TimeoutMixin(LineReceiver) {
  override connectionMade(): void {
    this.setTimeout(60);
  }

  override lineReceived(line: Buffer): void {
    if (line.toString().startsWith('I am ')) this.setTimeout(3600);
    else this.resetTimeout();
    this.sendLine('Go on');
  }

  override timeoutConnection(): void {
    this.sendLine('You are very quiet');
    this.transport.loseConnection();
  }

  override connectionLost(): void {
    this.setTimeout(null);
  }
}

export const factory = new WrappingFactory(Factory.forProtocol(Impatient));
factory.protocol = Counting;

if (process.argv[1] === import.meta.filename) {
  reactor.listenTCP(8007, factory);
  reactor.run();
}
