import type { Failure } from '../../deferred/index.ts';
import type { IProtocol, Transport } from '../../reactor/index.ts';

/** Stands in for the protocol that a connection is given to, until the client has read the answer that says so: what comes before is kept, and the connection is made before it is lost. */
export class Heir implements IProtocol {
  readonly #protocol: IProtocol;
  readonly #transport: Transport;
  readonly #came: Buffer[] = [];

  /** @param rest what came already */
  constructor(protocol: IProtocol, transport: Transport, rest: Buffer) {
    this.#protocol = protocol;
    this.#transport = transport;
    if (rest.length > 0) this.#came.push(rest);
  }

  /** Nothing is made of it yet: see `inherit`. */
  makeConnection(): void {}

  dataReceived(data: Buffer): void {
    this.#came.push(data);
  }

  /** The protocol has the connection from here on, and what came for it. */
  inherit(): void {
    this.#protocol.makeConnection(this.#transport);
    for (const data of this.#came) this.#protocol.dataReceived(data);
  }

  /** The protocol may keep something until it hears of this. */
  connectionLost(reason: Failure): unknown {
    this.#protocol.makeConnection(this.#transport);
    return this.#protocol.connectionLost(reason);
  }
}
