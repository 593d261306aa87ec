/** A request, and the answer to it (Twisted: `twisted.web.http.Request` and `twisted.web.server.Request`, which are one class here). */
import { Deferred, type Failure, succeed } from '../../deferred/index.ts';
import {
  type Data,
  type IProtocol,
  logEvent,
  type PullProducer,
  type PushProducer,
} from '../../reactor/index.ts';
import { RequestAnswer } from './request-answer.ts';
import { RequestBody } from './request-body.ts';
import { RequestStateError } from './request-errors.ts';
import { type BodyFraming, headText } from './request-head.ts';
import { CONNECTION, CONTENT_LENGTH, headData, OutputFields } from './request-output.ts';
import { renderResource } from './request-render.ts';
import type { IResource } from './resource.ts';
import type { Session } from './session.ts';
import { checkCode, isBodiless, phraseOf } from './status.ts';

const TEXT_TYPE = 'text/html; charset=utf-8';

function checkData(data: unknown): asserts data is Data {
  if (typeof data === 'string' || data instanceof Uint8Array) return;
  throw new TypeError(
    `A body must be a Buffer, a Uint8Array or a string: got ${data === null ? 'null' : typeof data}`,
  );
}

/**
 * One request and its answer. The answer's head leaves with the first `write`, or with `finish`; until then its code and its header fields can be set. Afterwards, setting them
 * has no effect.
 *
 * What is written while the client is away, or after it went, is dropped: its going is no mistake of whoever answers. `notifyFinish` and `signal` tell of it.
 *
 * @typeParam C what `content` is: a Buffer, or a `RequestBody` in resources with `streamsBody = true`
 */
export class Request<C = Buffer> extends RequestAnswer<C> {
  /** Bytes of the body that were sent. */
  sentLength = 0;
  /** Whether the head has been sent. */
  startedWriting = false;
  /** Whether the answer is complete. */
  finished = false;
  /** What answers it, once that is known. */
  resource: IResource | undefined = undefined;
  /** Why the client is gone; undefined while it is there. */
  lost: Failure | undefined = undefined;
  #framing: BodyFraming = 'none';
  /** The length that the head announces; -1 if it does not. */
  #announced = -1;
  #filtering = false;

  // ----------------------------------------------------------------------------- the body of the answer

  /**
   * Sends part of the body, and the head before the first. Without a Content-Length the parts go as chunks, or, to HTTP/1.0, until the connection ends.
   * @throws {TypeError} for anything that is not bytes or text
   * @throws {RequestStateError} after `finish`, or beyond the Content-Length
   */
  write(data: Data): void {
    if (this.bodyFilter !== null && this.#filters(null)) this.bodyFilter.write(data);
    else this.writeRaw(data);
  }

  /** Completes the answer. A second call does nothing, but is logged. */
  finish(): void {
    if (this.bodyFilter !== null && !this.finished && this.#filters(0)) this.bodyFilter.end();
    else this.finishRaw();
  }

  /** Completes the answer with all of its body, or all that is left of it. @internal */
  finishWith(body: Data): void {
    if (this.lost !== undefined) return;
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength;
    if (
      this.startedWriting ||
      this.finished ||
      (this.bodyFilter !== null && this.#filters(length))
    ) {
      if (length > 0) this.write(body);
      this.finish();
      return;
    }
    const ascii = typeof body !== 'string' || length === body.length;
    // A body of text that nobody named a type for is known to be UTF-8 at least.
    const head = this.#start(length, ascii ? this.channel.factory.defaultContentType : TEXT_TYPE);
    if (this.#framing === 'none' || length === 0) {
      this.channel.send(head);
    } else {
      this.sentLength = length;
      if (typeof head === 'string' && typeof body === 'string') {
        this.channel.send(head + body);
      } else {
        this.channel.send(head);
        this.channel.send(body);
      }
    }
    this.#done();
  }

  /** Whether the filter takes the body; asked when the first of it comes. */
  #filters(length: number | null): boolean {
    if (this.#filtering || this.startedWriting || this.bodyFilter === null) return this.#filtering;
    this.#filtering = this.bodyFilter.begin(this as unknown as Request, length); // filters do not look at `content`
    if (!this.#filtering) this.bodyFilter = null;
    return this.#filtering;
  }

  /**
   * Sends a response of status 1xx ahead of the answer (RFC 9110 section 15.2): 103 with `Link` fields has browsers fetch what they will need (RFC 8297), 102 says that it takes
   * its time. Left out for clients of HTTP/1.0, which know no such thing. 100 is sent without this, when the body is read, and 101 by `upgradeTo`.
   * @param headers names with their values, of which there may be several
   * @throws {RangeError} for a code other than 102 to 199
   * @throws {TypeError} for a code that is no whole number, a field that could not go out, and fields that say how a body is delimited
   * @throws {RequestStateError} when the answer has begun
   */
  writeInformation(
    code: number,
    headers: Iterable<readonly [name: string, values: readonly string[]]> = [],
  ): void {
    checkCode(code);
    if (code < 102 || code > 199) {
      throw new RangeError(
        `The code of a response ahead of the answer must be 102 to 199: got ${code}`,
      );
    }
    const fields = OutputFields.from(headers);
    if ((fields.present & CONTENT_LENGTH) !== 0) {
      throw new TypeError(
        'A response ahead of the answer has no body: Content-Length is not for it',
      );
    }
    if (this.startedWriting || this.finished) {
      throw new RequestStateError(
        `Cannot send ${code} ahead of the answer to ${this.method} ${this.uri}: it has begun`,
      );
    }
    if (this.lost !== undefined || this.head.versionMinor === 0) return;
    this.channel.send(
      headData(`HTTP/1.1 ${code} ${phraseOf(code)}\r\n${fields.lines(false, false)}\r\n`),
    );
  }

  /** `write` past the filter. @internal */
  writeRaw(data: Data): void {
    checkData(data);
    if (this.finished) {
      throw new RequestStateError(
        `Cannot write to the answer to ${this.method} ${this.uri}: it is finished`,
      );
    }
    if (this.lost !== undefined) return;
    const head = this.startedWriting
      ? ''
      : this.#start(-1, this.channel.factory.defaultContentType);
    const length = typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength;
    if (this.#framing === 'none' || length === 0) {
      if (head !== '') this.channel.send(head);
      return;
    }
    if (this.#announced >= 0 && this.sentLength + length > this.#announced) {
      if (head !== '') this.channel.send(head);
      throw new RequestStateError(
        `Cannot write ${length} bytes to the answer to ${this.method} ${this.uri}: its Content-Length is ${this.#announced}, and ${this.sentLength} were written`,
      );
    }
    this.sentLength += length;
    if (this.#framing === 'chunked') this.#sendChunk(head, data, length);
    else this.#sendBoth(head, data);
  }

  #sendBoth(head: string | Buffer, data: Data): void {
    if (typeof head === 'string' && typeof data === 'string') {
      this.channel.send(head + data);
      return;
    }
    if (head !== '') this.channel.send(head);
    this.channel.send(data);
  }

  #sendChunk(head: string | Buffer, data: Data, length: number): void {
    const size = `${length.toString(16)}\r\n`;
    if (typeof data === 'string') {
      this.#sendBoth(head, `${size}${data}\r\n`);
      return;
    }
    this.#sendBoth(head, size);
    this.channel.send(data);
    this.channel.send('\r\n');
  }

  /** `finish` past the filter. @internal */
  finishRaw(): void {
    if (this.finished) {
      const message = `The answer to ${this.method} ${this.uri} was finished twice`;
      logEvent({ level: 'warn', system: this.constructor.name, message });
      return;
    }
    if (this.lost !== undefined) return;
    if (!this.startedWriting) {
      this.channel.send(this.#start(0, this.channel.factory.defaultContentType));
    } else if (this.#framing === 'chunked') {
      const trailers = this.extras?.trailers?.lines(false, false) ?? '';
      this.channel.send(headData(`0\r\n${trailers}\r\n`));
    }
    if (this.#framing === 'length' && this.sentLength < this.#announced) {
      this.#cutShort();
      return;
    }
    this.#done();
  }

  /** Less was written than was announced: all that is left is to let the client see that it is not all. */
  #cutShort(): void {
    const message = `The answer to ${this.method} ${this.uri} ended after ${this.sentLength} of ${this.#announced} bytes`;
    logEvent({ level: 'error', system: this.constructor.name, message });
    this.finished = true;
    this.channel.abortConnection();
  }

  /** Decides how the body is framed, and gives the head. */
  #start(length: number, type: string): string | Buffer {
    const { channel, code, codeMessage, method } = this;
    const { versionMinor } = this.head;
    const { headStart } = channel.factory;
    const fields = this.takeFields();
    if (fields === undefined && code === 200 && codeMessage === null && length >= 0) {
      if (versionMinor === 1 && channel.persistent) {
        this.#announced = length;
        this.#framing = method === 'HEAD' ? 'none' : 'length';
        this.startedWriting = true;
        const typeLine = type === '' ? '' : `Content-Type: ${type}\r\n`;
        return `${headStart.text(200, null, 0)}${typeLine}Content-Length: ${length}\r\n\r\n`;
      }
    }
    const present = fields?.present ?? 0;
    if (
      (present & CONNECTION) !== 0 &&
      /(^|[ ,])close($|[ ,])/i.test(fields?.get('connection') ?? '')
    ) {
      channel.closeAfterwards();
    }
    this.#announced = this.#lengthFor(length, fields, present);
    this.#framing = this.#framingFor(versionMinor);
    if (this.#framing === 'close') channel.closeAfterwards();
    const text = headText(
      {
        start: headStart,
        code,
        message: codeMessage,
        fields,
        length: (present & CONTENT_LENGTH) === 0 ? this.#announced : -1,
        type,
        versionMinor,
        persistent: channel.persistent,
      },
      this.#framing,
    );
    this.startedWriting = true;
    return codeMessage !== null || fields?.latin1 === true ? headData(text) : text;
  }

  #lengthFor(length: number, fields: OutputFields | undefined, present: number): number {
    if (fields === undefined || (present & CONTENT_LENGTH) === 0) return length;
    const said = fields.get('content-length') ?? '';
    const knowsBetter = length >= 0 && String(length) !== said;
    // Who answers HEAD without a body, or says that nothing changed, may well say how long it would be.
    if (knowsBetter && !(length === 0 && (this.method === 'HEAD' || this.code === 304))) {
      fields.set('Content-Length', length);
      return length;
    }
    if (!/^\d{1,15}$/.test(said)) {
      throw new RequestStateError(
        `The Content-Length of an answer must be digits: got ${JSON.stringify(said)}`,
      );
    }
    return Number(said);
  }

  #framingFor(versionMinor: number): BodyFraming {
    if (this.method === 'HEAD' || isBodiless(this.code)) return 'none';
    if (this.#announced >= 0) return 'length';
    return versionMinor === 1 ? 'chunked' : 'close';
  }

  #done(): void {
    this.finished = true;
    this.channel.requestDone();
    this.#tellFinished();
  }

  #tellFinished(): void {
    const waiting = this.extras?.finishing;
    if (waiting !== undefined)
      for (const deferred of waiting.splice(0)) deferred.callback(undefined);
  }

  // ------------------------------------------------------------------------------------------ producers

  /**
   * Lets `producer` write the body as fast as the client reads it.
   * @param streaming true for a push producer, false for one that is asked for each piece
   * @throws {ProducerAlreadyRegistered} when there is one
   */
  registerProducer(producer: PushProducer, streaming: true): void;
  registerProducer(producer: PullProducer, streaming: boolean): void;
  registerProducer(producer: PullProducer, streaming: boolean): void {
    if (this.bodyFilter !== null && this.#filters(null))
      this.bodyFilter.registerProducer(producer, streaming);
    else this.registerRaw(producer, streaming);
  }

  /** The producer is done. */
  unregisterProducer(): void {
    if (this.bodyFilter !== null && this.#filtering) this.bodyFilter.unregisterProducer();
    else this.unregisterRaw();
  }

  /** `registerProducer` past the filter. @internal */
  registerRaw(producer: PullProducer, streaming: boolean): void {
    if (this.lost === undefined && !this.finished)
      this.channel.registerProducer(producer, streaming);
    else (producer as PushProducer).stopProducing(); // both kinds can be stopped
  }

  /** `unregisterProducer` past the filter. @internal */
  unregisterRaw(): void {
    if (!this.finished) this.channel.unregisterProducer();
  }

  /** Whether what is written is needed no more once a push producer is resumed that was paused while it was written. @internal */
  get releasesWritten(): boolean {
    return (
      this.bodyFilter === null &&
      this.write === Request.prototype.write &&
      this.channel.releasesWritten === true
    );
  }

  // ---------------------------------------------------------------------------------------------- the end

  /** Fires when the answer is complete, or fails with the reason when the connection is lost before. A new one for each call. */
  notifyFinish(): Deferred<void> {
    if (this.finished) return succeed(undefined);
    const deferred = new Deferred<void>();
    if (this.lost !== undefined) deferred.errback(this.lost);
    else this.more().finishing.push(deferred);
    return deferred;
  }

  /** Aborted, with the reason, when the connection is lost before the answer is complete: for `fetch` and whatever else takes one. */
  get signal(): AbortSignal {
    const extras = this.more();
    if (extras.abort === undefined) {
      extras.abort = new AbortController();
      if (this.lost !== undefined) extras.abort.abort(this.lost.value);
    }
    return extras.abort.signal;
  }

  /** Closes the connection once all that was written has left. Twisted: `loseConnection`. */
  loseConnection(): void {
    this.channel.loseConnection();
  }

  /** The connection is gone. Called by the channel. @internal */
  connectionLost(reason: Failure): void {
    if (this.lost !== undefined || this.finished) return;
    this.lost = reason;
    this.bodyFilter?.stop();
    this.extras?.abort?.abort(reason.value);
    for (const deferred of this.extras?.finishing.splice(0) ?? []) deferred.errback(reason);
  }

  // ------------------------------------------------------------------------------------------- answering

  /** Finds the resource and has it answer. Override it for a server without resources. Called once the request is complete. Twisted: `process`. */
  process(): void {
    this.site.serve(this as unknown as Request); // whether it streams is not decided yet
  }

  /** Has `resource` answer: what it returns becomes the body, what it throws an error page. */
  render(resource: IResource): void {
    renderResource(this as unknown as Request<Buffer & RequestBody>, resource); // the resource knows which of the two it takes
  }

  /** The session of this client, made if there is none; its cookie is set in the answer. */
  getSession(): Session {
    const extras = this.more();
    extras.session ??= this.site.sessionFor(this as unknown as Request); // it looks at cookies only
    return extras.session;
  }

  /**
   * Answers 101 and gives the connection to `protocol`, which gets what the client sent behind its request as well. Header fields set before go along.
   * @param name what the client asked for, as it stands in `Upgrade`
   * @throws {RequestStateError} when the client did not ask for it, its body has not come in full, or the answer has begun
   */
  upgradeTo(name: string, protocol: IProtocol): void {
    const wrong = this.#whyNotUpgraded();
    if (wrong !== null) {
      throw new RequestStateError(`Cannot upgrade ${this.method} ${this.uri} to ${name}: ${wrong}`);
    }
    this.setResponseCode(101);
    this.setHeader('Upgrade', name);
    this.setHeader('Connection', 'Upgrade');
    this.channel.send(this.#start(-1, ''));
    this.finished = true;
    this.channel.handOver(protocol);
    this.#tellFinished();
  }

  #whyNotUpgraded(): string | null {
    if (this.startedWriting) return 'the answer has begun';
    if (this.head.upgrade === null) return 'the client did not ask for it';
    const content: unknown = this.content;
    // The rest of it would be taken for the other protocol's.
    return content instanceof RequestBody && content.length !== 0 && !content.complete
      ? 'the body of the request has not come in full'
      : null;
  }
}
