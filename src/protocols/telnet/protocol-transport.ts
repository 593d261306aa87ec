/** Protocols that are the transport of another (Twisted: `ProtocolTransportMixin`). */
import type {
  Address,
  Data,
  IProtocolFactory,
  PullProducer,
  PushProducer,
  Transport,
} from '../../reactor/index.ts';
import { bytesOf } from '../data.ts';
import { type Factory, Protocol } from '../protocol.ts';

/** Passes on to its own transport whatever a protocol within asks of it. Override `write` to have something happen on the way. */
export abstract class ProtocolTransport<F extends IProtocolFactory = Factory>
  extends Protocol<F>
  implements Transport
{
  get disconnecting(): boolean {
    return this.transport.disconnecting;
  }

  write(data: Data): void {
    this.transport.write(data);
  }

  writeSequence(data: Iterable<Data>): void {
    if (typeof data === 'string') {
      throw new TypeError('Data must be a sequence of chunks: got one string');
    }
    // All are checked before any is written.
    const chunks = Array.from(data, (chunk) => bytesOf(chunk, 'write'));
    for (const chunk of chunks) this.write(chunk);
  }

  loseConnection(): void {
    this.transport.loseConnection();
  }

  abortConnection(): void {
    this.transport.abortConnection();
  }

  loseWriteConnection(): void {
    this.transport.loseWriteConnection();
  }

  getHost(): Address {
    return this.transport.getHost();
  }

  getPeer(): Address {
    return this.transport.getPeer();
  }

  registerProducer(producer: PushProducer, streaming: true): void;
  registerProducer(producer: PullProducer, streaming: boolean): void;
  registerProducer(producer: PullProducer, streaming: boolean): void {
    this.transport.registerProducer(producer, streaming);
  }

  unregisterProducer(): void {
    this.transport.unregisterProducer();
  }

  pauseProducing(): void {
    this.transport.pauseProducing();
  }

  resumeProducing(): void {
    this.transport.resumeProducing();
  }

  stopProducing(): void {
    this.transport.stopProducing();
  }
}
