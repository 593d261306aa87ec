/** What becomes of the body of a request: who gets it, how long it may be, and by when it has to have come. */
import type { Deferred } from '../../deferred/index.ts';
import type { ReactorTime } from '../../reactor/index.ts';
import { codingsOf } from './encoding/codings.ts';
import type { RequestHead } from './heads.ts';
import type { ServerLimits } from './http-limits.ts';
import type { Request } from './request.ts';
import { BodyCollector, type BodySource, RequestBody } from './request-body.ts';
import { RequestAborted } from './request-errors.ts';
import { processingFailed } from './request-render.ts';
import type { IResource } from './resource.ts';
import { HTTPError } from './status.ts';

/** What it needs of its connection. */
export interface IntakeOwner {
  /** The parser is to go on, or to wait. */
  continueReading(): void;
  stopReading(): void;
  /** Bytes that came and were not looked at. */
  readonly bytesHeld: number;
  /** Its deadline is another now. */
  intakeChanged(): void;
  send(text: string): void;
}

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';

type Sink = 'deciding' | 'kept' | 'streamed' | 'dropped';

export class BodyIntake implements BodySource {
  readonly #owner: IntakeOwner;
  readonly #request: Request;
  readonly #head: RequestHead;
  readonly #limits: ServerLimits;
  readonly #clock: ReactorTime;
  #sink: Sink = 'deciding';
  #collector: BodyCollector | undefined;
  #body: RequestBody | undefined;
  #most = Number.POSITIVE_INFINITY;
  #came = 0;
  /** Whether the client was told to go on, or did not wait. */
  #continued: boolean;
  /** When its request and itself began, moved by the time in which it was not read. */
  #requestBegun: number;
  #begun: number;
  #pausedAt: number | undefined;

  constructor(
    owner: IntakeOwner,
    request: Request,
    head: RequestHead,
    limits: ServerLimits,
    clock: ReactorTime,
    requestBegun: number,
  ) {
    this.#owner = owner;
    this.#request = request;
    this.#head = head;
    this.#limits = limits;
    this.#clock = clock;
    this.#continued = !head.expectContinue;
    this.#requestBegun = requestBegun;
    this.#begun = clock.seconds();
  }

  /** Decides where the body goes, which the resource may have a say in. */
  begin(): void {
    const request = this.#request;
    try {
      if (this.#head.expectUnknown) throw new HTTPError(417);
      const found = request.site.lookUp(request);
      if (found !== undefined && !('render' in found)) this.#decideLater(found);
      else this.#decide(found);
    } catch (error) {
      processingFailed(request, error);
    }
  }

  #decideLater(found: Deferred<IResource> | PromiseLike<IResource>): void {
    this.pauseBody();
    Promise.resolve(found).then(
      (resource) => {
        if (this.#request.lost !== undefined) return;
        try {
          this.#decide(resource);
        } catch (error) {
          processingFailed(this.#request, error);
        }
        this.resumeBody();
      },
      (error) => processingFailed(this.#request, error),
    );
  }

  #decide(resource: IResource | undefined): void {
    const request = this.#request;
    request.resource = resource;
    this.#check(resource);
    if (resource?.streamsBody === true) {
      this.#sink = 'streamed';
      const { framing, contentLength } = this.#head;
      this.#body = new RequestBody(this, framing === 'length' ? contentLength : null);
      (request as unknown as Request<RequestBody>).content = this.#body; // the resource said so
      request.process();
      return;
    }
    this.#sink = 'kept';
    this.#collector = new BodyCollector(this.#head.contentLength);
    this.bodyWanted();
  }

  /** @throws {HTTPError} for a body that is not to be read */
  #check(resource: IResource | undefined): void {
    const request = this.#request;
    if (
      resource?.decodesBody !== true &&
      request.getHeader('content-encoding') !== undefined &&
      codingsOf(request.requestHeaders).length > 0
    ) {
      throw new HTTPError(415, undefined, { headers: { 'Accept-Encoding': 'identity' } });
    }
    if (resource?.acceptBody?.(request) === false) {
      const { code } = request;
      throw new HTTPError(code >= 400 ? code : this.#head.expectContinue ? 417 : 413);
    }
    if (resource?.streamsBody === true) return;
    this.#most = resource?.maxContentLength ?? this.#limits.maxContentLength;
    if (this.#head.contentLength > this.#most) throw new HTTPError(413);
  }

  /** @returns whether somebody has the chunk itself now, rather than a copy of it, or nothing */
  push(chunk: Buffer): boolean {
    this.#came += chunk.length;
    if (this.#sink === 'kept') {
      if (this.#came <= this.#most) return this.#collector?.push(chunk) === true;
      processingFailed(this.#request, new HTTPError(413));
      return false;
    }
    if (this.#sink !== 'streamed') return false;
    this.#body?.push(chunk);
    return true;
  }

  /** The body is complete. @returns whether the request is to be answered now */
  end(trailers: readonly string[] | null): boolean {
    if (this.#sink === 'streamed') this.#body?.finished(trailers);
    if (this.#sink !== 'kept') return false;
    this.#request.content = this.#collector?.take() ?? this.#request.content;
    if (trailers !== null) this.#request.trailers = trailers;
    return true;
  }

  /** The body will not be complete. @returns whether somebody was told who is to answer */
  fail(error: Error): boolean {
    if (this.#body === undefined || this.#request.finished || this.#request.startedWriting) {
      this.#body?.failed(error);
      return false;
    }
    this.#body.failed(error);
    return true;
  }

  /** The connection is gone. */
  lose(cause: unknown): void {
    const { method, uri } = this.#request;
    this.#body?.failed(
      new RequestAborted(`The client left before the body of ${method} ${uri} was complete`, {
        cause,
      }),
    );
  }

  /** Nobody wants the rest: the answer is complete. */
  drop(): void {
    this.#sink = 'dropped';
    this.#collector = undefined;
    this.#body?.failed(
      new RequestAborted('The answer was complete before the body of the request'),
    );
    this.resumeBody();
  }

  /** Whether what is left of it may be read and dropped, so that the connection can go on. */
  get canBeDropped(): boolean {
    if (!this.#continued || this.#head.framing !== 'length') return false;
    return this.#head.contentLength - this.#came <= this.#limits.maxDiscardedLength;
  }

  // ---------------------------------------------------------------------------------------- time

  /** When it is to be seen to next. */
  get deadline(): number {
    if (this.#pausedAt !== undefined) return Number.POSITIVE_INFINITY;
    const { requestTimeout, minBodyRate, bodyRateGrace } = this.#limits;
    const tooSlow =
      minBodyRate > 0
        ? this.#begun + bodyRateGrace + this.#came / minBodyRate
        : Number.POSITIVE_INFINITY;
    return Math.min(this.#requestBegun + requestTimeout, tooSlow);
  }

  isLate(now: number): boolean {
    return this.deadline <= now;
  }

  // --------------------------------------------------------------------------- told by who reads it

  bodyWanted(): void {
    if (this.#continued) return;
    this.#continued = true;
    // A client that did not wait needs not be told.
    if (this.#came === 0 && this.#owner.bytesHeld === 0 && !this.#request.startedWriting) {
      this.#owner.send(CONTINUE);
    }
  }

  pauseBody(): void {
    this.#pausedAt ??= this.#clock.seconds();
    this.#owner.stopReading();
    this.#owner.intakeChanged();
  }

  resumeBody(): void {
    // What is left of a body may be read long after it was dropped here; the connection is another request's then.
    if (this.#pausedAt === undefined) return;
    const waited = this.#clock.seconds() - this.#pausedAt;
    this.#pausedAt = undefined;
    this.#begun += waited;
    this.#requestBegun += waited;
    this.#owner.intakeChanged();
    this.#owner.continueReading();
  }

  bodyDropped(): void {
    if (this.#sink !== 'streamed') return;
    this.#sink = 'dropped';
    // It stays where it is until there is an answer, and then is read and dropped, or not.
    this.pauseBody();
  }
}
