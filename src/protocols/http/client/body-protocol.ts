import { Failure, reportFailure } from '../../../deferred/index.ts';
import {
  type Address,
  HostnameAddress,
  type IProtocol,
  type Transport,
} from '../../../reactor/index.ts';
import type { BodyReceiver, RequestBody } from '../request-body.ts';
import { ClientStateError, failureOf, PotentialDataLoss, ResponseDone } from './errors.ts';
import type { Response } from './response.ts';

/** One for all; each gets a Failure of its own, since one that nobody handled is reported once. */
const DONE = new ResponseDone();

/** The transport that a protocol sees to which a body is delivered: it can be paused and closed, but not written to. */
class BodyTransport implements Transport {
  readonly #response: Response;
  readonly #body: RequestBody;
  connected = true;
  disconnecting = false;

  constructor(response: Response, body: RequestBody) {
    this.#response = response;
    this.#body = body;
  }

  pauseProducing(): void {
    this.#body.pause();
  }

  resumeProducing(): void {
    this.#body.resume();
  }

  stopProducing(): void {
    this.abortConnection();
  }

  loseConnection(): void {
    this.abortConnection();
  }

  abortConnection(): void {
    this.disconnecting = true;
    this.#response.abort();
  }

  loseWriteConnection(): void {}

  write(): void {
    throw new ClientStateError('Cannot write to the body of a response');
  }

  writeSequence(): void {
    this.write();
  }

  registerProducer(): void {
    this.write();
  }

  unregisterProducer(): void {}

  getHost(): Address {
    return this.getPeer();
  }

  getPeer(): Address {
    const uri = this.#response.request.absoluteURI;
    const url = uri !== null && URL.canParse(uri) ? new URL(uri) : undefined;
    if (url === undefined) return new HostnameAddress('', 0);
    return new HostnameAddress(
      url.hostname,
      Number(url.port || (url.protocol === 'https:' ? 443 : 80)),
    );
  }
}

/** Gives a body to a protocol. What that throws costs the connection, and is reported. */
export class BodyProtocolReceiver implements BodyReceiver {
  readonly #protocol: IProtocol;
  readonly #response: Response;
  readonly #transport: BodyTransport;
  #lost = false;

  constructor(protocol: IProtocol, response: Response, body: RequestBody) {
    this.#protocol = protocol;
    this.#response = response;
    this.#transport = new BodyTransport(response, body);
  }

  begin(): void {
    this.#protocol.makeConnection(this.#transport);
  }

  write(chunk: Buffer): void {
    if (this.#transport.disconnecting) return;
    try {
      this.#protocol.dataReceived(chunk);
    } catch (error) {
      this.#report(error);
      this.#transport.disconnecting = true;
      this.#lose(failureOf(error));
      this.#response.abort();
    }
  }

  #report(error: unknown): void {
    reportFailure(error, `Unhandled error in ${this.#protocol.constructor.name}`);
  }

  end(): void {
    const { endsWithConnection } = this.#response;
    this.#lose(new Failure(endsWithConnection ? new PotentialDataLoss() : DONE));
  }

  fail(error: Error): void {
    this.#lose(new Failure(error));
  }

  #lose(reason: Failure): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#transport.connected = false;
    try {
      this.#protocol.connectionLost(reason);
    } catch (error) {
      this.#report(error);
    }
  }
}
