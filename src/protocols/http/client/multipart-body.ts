/** Forms with files (RFC 7578). */
import { randomBytes } from 'node:crypto';
import { Deferred } from '../../../deferred/index.ts';
import type { Consumer, Data } from '../../../reactor/index.ts';
import { Headers } from '../headers.ts';
import { type BodyProducer, UNKNOWN_LENGTH } from './body-producer.ts';
import { contentOf, isReplayable, type RequestBodySource, type RequestContent } from './content.ts';
import { WrongBodyLength } from './errors.ts';

/** A file in a form, or anything that is to look like one. */
export interface FilePart {
  /** Its bytes. */
  readonly content: RequestBodySource;
  /** What the server is told that it is called. Without a path. */
  readonly filename: string;
  /** Its Content-Type. Default `application/octet-stream`. */
  readonly type?: string | undefined;
}

/** What a field of a form may have. */
export type PartValue = string | number | boolean | FilePart;

interface Part {
  readonly head: Buffer;
  readonly content: RequestContent;
}

/** As browsers write names into quoted strings (HTML, multipart/form-data encoding). */
function quoted(text: string): string {
  return text.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function partOf(boundary: string, name: string, value: PartValue): Part {
  const start = `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(name)}"`;
  if (typeof value !== 'object') {
    return { head: Buffer.from(`${start}\r\n\r\n`), content: Buffer.from(String(value)) };
  }
  const { filename, type = 'application/octet-stream' } = value;
  // Headers look over what callers say.
  const more = new Headers({ 'Content-Type': type }).toWire();
  return {
    head: Buffer.from(`${start}; filename="${quoted(filename)}"\r\n${more}\r\n`),
    content: contentOf(value.content) ?? Buffer.alloc(0),
  };
}

const CRLF = Buffer.from('\r\n');

/**
 * Sends a form as `multipart/form-data`: fields, and files that are sent as they are read. Its length is known if that of each file is, and it can be sent again if each of them can.
 *
 * @example
 * const body = new MultipartBody({ title: 'Me', picture: { filename: 'me.png', content: new FileBodyProducer('me.png'), type: 'image/png' } });
 * await agent.request('POST', url, { 'Content-Type': body.contentType }, body);
 */
export class MultipartBody implements BodyProducer {
  readonly length: number | typeof UNKNOWN_LENGTH;
  readonly replayable: boolean;
  /** What Content-Type has to say. */
  readonly contentType: string;
  readonly #parts: readonly Part[];
  readonly #end: Buffer;
  #current: BodyProducer | undefined;
  #paused = false;
  #stopped = false;
  #go: (() => void) | undefined;

  /** @throws {TypeError} for values that cannot be sent */
  constructor(fields: Readonly<Record<string, PartValue | readonly PartValue[]>>) {
    const boundary = `----strand${randomBytes(18).toString('hex')}`;
    this.contentType = `multipart/form-data; boundary=${boundary}`;
    this.#end = Buffer.from(`--${boundary}--\r\n`);
    this.#parts = Object.entries(fields).flatMap(([name, value]) =>
      (isList(value) ? value : [value]).map((each) => partOf(boundary, name, each)),
    );
    let length: number | typeof UNKNOWN_LENGTH = this.#end.length;
    for (const { head, content } of this.#parts) {
      const own: number | typeof UNKNOWN_LENGTH = content.length;
      if (length === UNKNOWN_LENGTH || own === UNKNOWN_LENGTH) length = UNKNOWN_LENGTH;
      else length += head.length + own + CRLF.length;
    }
    this.length = length;
    this.replayable = this.#parts.every(({ content }) => isReplayable(content));
  }

  startProducing(consumer: Consumer): Deferred<unknown> {
    this.#stopped = false;
    this.#paused = false;
    return Deferred.fromPromise(this.#produce(consumer));
  }

  async #produce(consumer: Consumer): Promise<void> {
    for (const { head, content } of this.#parts) {
      await this.#turn();
      if (this.#stopped) return;
      consumer.write(head);
      // A part that has not begun would not hear that it is to wait.
      await this.#turn();
      if (this.#stopped) return;
      if (Buffer.isBuffer(content)) consumer.write(content);
      else await this.#pass(content, consumer);
      if (this.#stopped) return;
      consumer.write(CRLF);
    }
    consumer.write(this.#end);
  }

  /** Has one part written, which must be as long as it said: the next one would be in the wrong place. */
  async #pass(content: BodyProducer, consumer: Consumer): Promise<void> {
    let written = 0;
    this.#current = content;
    try {
      await content.startProducing({
        write: (data: Data) => {
          written += typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength;
          consumer.write(data);
        },
        registerProducer: () => consumer.registerProducer(content, true),
        unregisterProducer() {},
      });
    } finally {
      this.#current = undefined;
    }
    if (this.#stopped || content.length === UNKNOWN_LENGTH || written === content.length) return;
    throw new WrongBodyLength(content.length, written);
  }

  /** Settles when more may be written. */
  #turn(): Promise<void> | undefined {
    if (!this.#paused) return undefined;
    return new Promise((resolve) => {
      this.#go = resolve;
    });
  }

  pauseProducing(): void {
    this.#paused = true;
    this.#current?.pauseProducing();
  }

  resumeProducing(): void {
    this.#paused = false;
    const go = this.#go;
    this.#go = undefined;
    go?.();
    this.#current?.resumeProducing();
  }

  stopProducing(): void {
    this.#stopped = true;
    const current = this.#current;
    this.#current = undefined;
    current?.stopProducing();
    this.resumeProducing();
  }
}

function isList(value: PartValue | readonly PartValue[]): value is readonly PartValue[] {
  return Array.isArray(value);
}
