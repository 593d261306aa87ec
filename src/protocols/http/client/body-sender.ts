/** The way of a request's body to the transport: as it is, or in chunks (RFC 9112 section 7.1). */
import {
  type Consumer,
  type Data,
  ProducerAlreadyRegistered,
  type PushProducer,
  type Transport,
} from '../../../reactor/index.ts';
import { bytesOf, writeFramed } from '../../data.ts';
import { Headers } from '../headers.ts';
import { headData } from '../request-output.ts';
import { type BodyProducer, UNKNOWN_LENGTH } from './body-producer.ts';
import { failureOf, RequestGenerationFailed, WrongBodyLength } from './errors.ts';

const CRLF = Buffer.from('\r\n');

/** Hears how the sending of a body goes. */
export interface SenderOwner {
  /** Some of it went on. */
  bodyAdvanced(): void;
  /** All of it was written. */
  bodySent(): void;
  /** It cannot be completed. */
  bodyFailed(error: Error): void;
}

/** Has one producer write one body. It is the producer that the transport sees, so that the owner learns of progress. */
export class BodySender implements Consumer, PushProducer {
  readonly #transport: Transport;
  readonly #producer: BodyProducer;
  readonly #owner: SenderOwner;
  readonly #length: number | null;
  #written = 0;
  /** Nothing is written any more. */
  #over = false;

  constructor(transport: Transport, producer: BodyProducer, owner: SenderOwner) {
    this.#transport = transport;
    this.#producer = producer;
    this.#owner = owner;
    this.#length = producer.length === UNKNOWN_LENGTH ? null : producer.length;
  }

  start(): void {
    this.#transport.registerProducer(this, true);
    // A connection that is gone has said so by now.
    if (this.#over) return;
    let producing: PromiseLike<unknown>;
    try {
      producing = this.#producer.startProducing(this);
    } catch (error) {
      this.#fail(error);
      return;
    }
    producing.then(
      () => this.#done(),
      (error: unknown) => this.#fail(error),
    );
  }

  /** Whether all bytes that were announced have been written; what is left is for the producer to say so. */
  get complete(): boolean {
    return this.#written === this.#length;
  }

  /** Nobody wants the rest. */
  stop(): void {
    if (this.#over) return;
    this.#end();
    this.#producer.stopProducing();
  }

  #end(): void {
    this.#over = true;
    this.#transport.unregisterProducer();
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    this.#end();
    this.#owner.bodyFailed(
      error instanceof WrongBodyLength ? error : new RequestGenerationFailed([failureOf(error)]),
    );
  }

  #done(): void {
    if (this.#over) return;
    if (this.#length === null) {
      try {
        this.#writeEnd();
      } catch (error) {
        this.#fail(error);
        return;
      }
    } else if (this.#written < this.#length) {
      this.#fail(new WrongBodyLength(this.#length, this.#written));
      return;
    }
    this.#end();
    this.#owner.bodySent();
  }

  #writeEnd(): void {
    const trailers = this.#producer.trailers?.();
    const fields = trailers === undefined ? '' : new Headers(trailers).toWire();
    this.#transport.write(headData(`0\r\n${fields}\r\n`));
  }

  // ----------------------------------------------------------------------------- told by the producer

  write(data: Data): void {
    const bytes = bytesOf(data, 'send a piece of a body');
    if (this.#over || bytes.length === 0) return;
    if (this.#length === null) {
      const size = Buffer.from(`${bytes.length.toString(16)}\r\n`, 'latin1');
      writeFramed(this.#transport, size, bytes, CRLF);
    } else if (this.#written + bytes.length > this.#length) {
      // What is too much would be taken for the next request.
      this.#producer.stopProducing();
      this.#fail(new WrongBodyLength(this.#length, 'more'));
      return;
    } else {
      this.#transport.write(bytes);
    }
    this.#written += bytes.length;
    this.#owner.bodyAdvanced();
  }

  registerProducer(): void {
    throw new ProducerAlreadyRegistered(
      'Cannot register a producer: the body of the request has one already',
    );
  }

  unregisterProducer(): void {
    // The connection does so itself.
  }

  // ---------------------------------------------------------------------------- told by the transport

  pauseProducing(): void {
    if (!this.#over) this.#producer.pauseProducing();
  }

  resumeProducing(): void {
    if (this.#over) return;
    this.#owner.bodyAdvanced();
    this.#producer.resumeProducing();
  }

  stopProducing(): void {
    if (this.#over) return;
    this.#over = true;
    this.#producer.stopProducing();
  }
}
