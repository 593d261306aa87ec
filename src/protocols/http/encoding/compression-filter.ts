import type { Transform } from 'node:stream';
import type { Data, DelayedCall, PullProducer, PushProducer } from '../../../reactor/index.ts';
import { bytesOf } from '../../data.ts';
import type { Request } from '../request.ts';
import { processingFailed } from '../request-render.ts';
import { isCompressible } from '../static/content-types.ts';
import { weakened } from '../static/etags.ts';
import { isBodiless } from '../status.ts';
import type { BodyFilter } from './body-filter.ts';
import { addVary } from './vary.ts';

/** A stream of node:zlib that compresses. */
export interface CompressingStream extends Transform {
  flush(kind: number): void;
}

/** When a body is compressed. */
export interface FilterSettings {
  /** Bytes below which a body is left alone. */
  readonly minLength: number;
  readonly compressible?: ((type: string) => boolean) | undefined;
  /** Seconds that what was written stays in the compressor at most; null for as long as the compressor likes. */
  readonly flushAfter: number | null;
}

/** How bytes are compressed. */
export interface Compressor {
  /** What `Content-Encoding` calls it. */
  readonly coding: string;
  /** For bodies that come in parts. */
  stream(): CompressingStream;
  /** What its `flush` is called with to have all that was written come out, without forgetting it. */
  readonly flushing: number;
  /** For a small body that is there. */
  once(body: Uint8Array): Buffer;
}

/** Whole bodies up to this many bytes are compressed here and now: that takes less than what a stream and the way to another thread and back cost. */
const AT_ONCE = 8192;

/**
 * Compresses the body of an answer, if that is of any use: it is not small, of a type that gets smaller, complete (no range), and not encoded yet. Whether or not it is, the answer says that it
 * depends on `Accept-Encoding`. The entity tag becomes a weak one, since the bytes are other ones (RFC 9110 8.8.3.3).
 *
 * Compressing text that has a secret in it together with text that an attacker chose, and sending it under TLS, tells the attacker about the secret by its length (BREACH). Leave such pages out.
 */
export class CompressionFilter implements BodyFilter, PushProducer {
  /** null: the client wants it plain, and only what the answer says of itself changes. */
  readonly #compressor: Compressor | null;
  readonly #settings: FilterSettings;
  #request: Request | undefined;
  #whole: Buffer[] | undefined;
  #stream: CompressingStream | undefined;
  /** Runs while something is in the compressor that is to come out. */
  #timer: DelayedCall | undefined;
  #producer: PullProducer | undefined;
  #isPush = false;
  #asking = false;
  /** Whether the connection paces the compressor. */
  #downstream = false;
  #over = false;

  constructor(compressor: Compressor | null, settings: FilterSettings) {
    this.#compressor = compressor;
    this.#settings = settings;
  }

  begin(request: Request, length: number | null): boolean {
    if (request.hasResponseHeader('content-encoding')) return false;
    if (request.code === 304) {
      // What is said of a stored answer has to fit to it. Of which type that is nobody says here: it may have been compressed.
      addVary(request, 'Accept-Encoding');
      if (this.#compressor !== null) this.#weakenTag(request);
      return false;
    }
    if (isBodiless(request.code) || request.code === 206) return false;
    const type = request.getResponseHeader('content-type') ?? request.site.defaultContentType;
    const { minLength, compressible = isCompressible } = this.#settings;
    if (!compressible(type)) return false;
    addVary(request, 'Accept-Encoding');
    const compressor = this.#compressor;
    if (compressor === null) return false;
    if (
      /(?:^|[ ,])no-transform(?:$|[ ,])/i.test(request.getResponseHeader('cache-control') ?? '')
    ) {
      return false;
    }
    const announced = request.getResponseHeader('content-length');
    const known =
      announced !== undefined && (length === null || length === 0) ? Number(announced) : length;
    if (known !== null && known < minLength) return false;
    this.#request = request;
    request.setHeader('Content-Encoding', compressor.coding);
    request.removeResponseHeader('content-length');
    // Ranges are of the bytes as they are sent, and those are not made again for a part of them.
    request.removeResponseHeader('accept-ranges');
    this.#weakenTag(request);
    if (request.method === 'HEAD') return true;
    if (length !== null && length <= AT_ONCE) this.#whole = [];
    else this.#stream = this.#open(compressor.stream());
    return true;
  }

  #weakenTag(request: Request): void {
    const tag = request.getResponseHeader('etag');
    if (tag !== undefined) request.setHeader('ETag', weakened(tag));
  }

  #open(stream: CompressingStream): CompressingStream {
    const request = this.#request;
    stream.on('data', (chunk: Buffer) => {
      // An error may have been answered past this while it was at work.
      if (request?.finished === true) this.stop();
      if (this.#over || request === undefined) return;
      try {
        request.writeRaw(chunk);
      } catch (error) {
        // Its head cannot be sent. Nobody is further up in the stack who could say so.
        this.stop();
        processingFailed(request, error);
      }
    });
    stream.on('drain', () => this.#ask());
    stream.on('end', () => this.#finish());
    stream.on('error', () => {
      // Compressors do not fail for what they are given. If one should, half an answer must not pass for a whole one.
      if (!this.#over) request?.channel.abortConnection();
    });
    return stream;
  }

  write(data: Data): void {
    // The stream keeps what it gets, so text has to become bytes in any case.
    const bytes = bytesOf(data, 'write a body');
    if (this.#over || bytes.length === 0) return;
    if (this.#whole !== undefined) {
      this.#whole.push(bytes);
      return;
    }
    const stream = this.#stream;
    if (stream !== undefined) this.#flushSoon();
    if (stream === undefined || stream.write(bytes)) {
      if (!this.#isPush) this.#askSoon();
    } else if (this.#isPush) {
      (this.#producer as PushProducer | undefined)?.pauseProducing(); // it was registered as one
    }
  }

  // What was written comes out a moment later at the latest, all of it together: a burst is not taken apart, and who waits for the next event has seen the last.

  #flushSoon(): void {
    const { flushAfter } = this.#settings;
    const request = this.#request;
    if (flushAfter === null || request === undefined || this.#timer?.active()) return;
    this.#timer = request.clock.callLater(flushAfter, this.#flush);
  }

  readonly #flush = (): void => {
    const stream = this.#stream;
    if (stream === undefined) return;
    // While it has more than enough to do, things come out anyway.
    if (stream.writableNeedDrain) this.#flushSoon();
    else stream.flush(this.#compressor?.flushing ?? 0);
  };

  #cancelFlush(): void {
    if (this.#timer?.active()) this.#timer.cancel();
  }

  end(): void {
    if (this.#over) return;
    this.#cancelFlush();
    const request = this.#request;
    if (this.#stream !== undefined) {
      this.#stream.end();
    } else if (this.#whole !== undefined && this.#compressor !== null) {
      const body = this.#compressor.once(Buffer.concat(this.#whole));
      request?.setHeader('Content-Length', body.length);
      request?.writeRaw(body);
      this.#finish();
    } else {
      request?.writeRaw(''); // HEAD: a head without the length, as GET has it
      this.#finish();
    }
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    const request = this.#request;
    if (this.#downstream) request?.unregisterRaw();
    if (request?.finished === false) request.finishRaw();
  }

  // ------------------------------------------------------------------------------------------ producers
  // The resource's producer is paced by the compressor's buffer, and the compressor by the connection.

  registerProducer(producer: PullProducer, streaming: boolean): void {
    this.#producer = producer;
    this.#isPush = streaming;
    if (!this.#downstream && this.#stream !== undefined) {
      this.#downstream = true;
      this.#request?.registerRaw(this, true);
    }
    if (!streaming) this.#askSoon();
  }

  unregisterProducer(): void {
    this.#producer = undefined;
  }

  #askSoon(): void {
    if (this.#asking || this.#producer === undefined) return;
    this.#asking = true;
    queueMicrotask(() => {
      this.#asking = false;
      this.#ask();
    });
  }

  #ask(): void {
    if (!this.#over) this.#producer?.resumeProducing();
  }

  pauseProducing(): void {
    this.#stream?.pause();
  }

  resumeProducing(): void {
    this.#stream?.resume();
  }

  stopProducing(): void {
    this.stop();
  }

  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#cancelFlush();
    const producer = this.#producer;
    this.#producer = undefined;
    this.#stream?.destroy();
    producer?.stopProducing();
  }
}
