/** What a request needs of the connection it came by: `HTTPChannel` is one, and so may be a stream of another version of HTTP. */
import type { Data, IProtocol, PullProducer, ReactorTime, Transport } from '../../reactor/index.ts';
import type { HTTPFactory } from './factory.ts';

/** What a `Request` needs of the connection it came by. `HTTPChannel` is one, and so may be a stream of another version of HTTP. */
export interface RequestChannel {
  /** The connection. Writing to it directly breaks the framing: write to the request. */
  readonly transport: Transport;
  /** What it shares with the other connections of the server. */
  readonly factory: HTTPFactory;
  /** Whose time it goes by. */
  readonly clock: ReactorTime;
  /** Whether the connection is to stay open after the answer under way. */
  readonly persistent: boolean;
  /** Whether what is sent is needed no more once a push producer is resumed that was paused while it was sent. Absent: it is not known, and nobody may touch it. */
  readonly releasesWritten?: boolean;
  /** Whether it comes by TLS. */
  isSecure(): boolean;
  /** Sends part of the answer under way. What is sent in one turn leaves together. */
  send(data: Data): void;
  /** The answer under way is to be the last. */
  closeAfterwards(): void;
  /** The answer under way is complete. */
  requestDone(): void;
  /** Has a producer write the answer under way. `streaming`: it is a push producer. */
  registerProducer(producer: PullProducer, streaming: boolean): void;
  /** The producer is done. */
  unregisterProducer(): void;
  /** Gives the connection to another protocol, and to it what came for it already. */
  handOver(protocol: IProtocol): void;
  /** Closes the connection, once what was sent is on its way. */
  loseConnection(): void;
  /** Closes the connection, now. */
  abortConnection(): void;
}
