import type {
  Consumer,
  Data,
  PullProducer,
  PushProducer,
  Transport,
} from '../../../reactor/index.ts';
import { bytesOf } from '../../data.ts';
import type { DataLink } from './data-link.ts';

/**
 * Takes what is to be uploaded: write to it, or register a producer, then call `finish`. The file is there once the second Deferred of `storeFile` has fired.
 *
 * Twisted: `twisted.protocols.ftp.SenderProtocol`.
 */
export class FTPUpload implements Consumer {
  readonly #link: DataLink;

  /** @internal */
  constructor(link: DataLink) {
    this.#link = link;
  }

  /** The data connection. */
  get transport(): Transport {
    return this.#link.transport;
  }

  /** Bytes written so far. */
  get bytes(): number {
    return this.#link.bytes;
  }

  write(data: Data): void {
    this.#link.send(bytesOf(data, 'upload'));
  }

  registerProducer(producer: PushProducer | PullProducer, streaming: boolean): void {
    if (streaming && 'pauseProducing' in producer) this.#link.attach(producer);
    else this.#link.attachPull(producer);
  }

  unregisterProducer(): void {
    this.#link.detach();
  }

  /** All has been written. */
  finish(): void {
    this.unregisterProducer();
    this.#link.finish();
  }

  /** What was written is not all there is: the connection is cut, so that the server does not take it for the end of the file. */
  abort(): void {
    this.unregisterProducer();
    this.#link.abort();
  }
}
