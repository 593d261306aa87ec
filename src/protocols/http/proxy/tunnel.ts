/** A connection that was upgraded, and the one to the backend, made one. */
import type { Failure } from '../../../deferred/index.ts';
import type { IHalfCloseableProtocol, IProtocol, Transport } from '../../../reactor/index.ts';
import { Relay, type RelayEnd, type RelayOptions } from '../../relay.ts';

/** One side. What comes before the other one stands is kept; it is no more than came with the head. */
class Side implements IHalfCloseableProtocol {
  transport: Transport | undefined;
  end: RelayEnd | undefined;
  lost: Failure | undefined;
  kept: Buffer[] = [];
  readonly #ready: () => void;

  constructor(ready: () => void) {
    this.#ready = ready;
  }

  logPrefix(): string {
    return 'ReverseProxy';
  }

  makeConnection(transport: Transport): void {
    this.transport = transport;
    this.#ready();
  }

  dataReceived(data: Buffer): void {
    if (this.end === undefined) this.kept.push(data);
    else this.end.dataReceived(data);
  }

  readConnectionLost(): void {
    if (this.end === undefined) this.transport?.loseConnection();
    else this.end.readConnectionLost();
  }

  writeConnectionLost(): void {
    this.end?.writeConnectionLost();
  }

  connectionLost(reason: Failure): void {
    this.lost = reason;
    this.end?.connectionLost(reason);
  }

  /** What a server asks of a connection that it handed over when it is to stop. What came so far is still sent. */
  drain(): void {
    this.transport?.unregisterProducer();
    this.transport?.loseConnection();
  }
}

/** Two protocols: what comes to either leaves by the other. */
export class Tunnel {
  readonly client: IProtocol;
  readonly #backend: Side;

  constructor(options: RelayOptions) {
    const ready = (): void => {
      const [a, b] = [client.transport, backend.transport];
      if (a === undefined || b === undefined) return;
      const relay = new Relay(a, b, options);
      this.#join(client, relay.first);
      this.#join(backend, relay.second);
    };
    const client = new Side(ready);
    const backend = new Side(ready);
    this.client = client;
    this.#backend = backend;
  }

  get backend(): IProtocol {
    return this.#backend;
  }

  /** Breaks off what there is of it. */
  abort(): void {
    this.#backend.transport?.abortConnection();
  }

  #join(side: Side, end: RelayEnd): void {
    side.end = end;
    for (const data of side.kept.splice(0)) end.dataReceived(data);
    if (side.lost !== undefined) end.connectionLost(side.lost);
  }
}
