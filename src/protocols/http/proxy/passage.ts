/** One request on its way to a backend, and the answer on its way back. */
import { Deferred, type Failure, reportFailure } from '../../../deferred/index.ts';
import {
  ConnectError,
  ConnectionClosed,
  type Consumer,
  logEvent,
  type PushProducer,
  TimeoutError,
} from '../../../reactor/index.ts';
import {
  type BodyProducer,
  ConnectionQueueFull,
  HTTPClientError,
  type HTTPConnectionPool,
  RequestGenerationFailed,
  RequestTimeoutError,
  type Response,
  UNKNOWN_LENGTH,
} from '../client/index.ts';
import { Headers } from '../headers.ts';
import type { ResponseHead } from '../heads.ts';
import { renderErrorPage } from '../pages.ts';
import type { Request } from '../request.ts';
import type { BodyReceiver, RequestBody } from '../request-body.ts';
import { processingFailed } from '../request-render.ts';
import { HTTPError, isBodiless } from '../status.ts';
import type { Backend, Balancer } from './balancing.ts';
import { passResponseFields } from './forwarding.ts';
import { Tunnel } from './tunnel.ts';

export type StreamingRequest = Request<RequestBody>;

/** What a proxy has that its requests need. */
export interface PassageHost {
  readonly pool: HTTPConnectionPool;
  readonly balancer: Balancer;
  readonly upgradeIdleTimeout: number | null;
  /** The fields of `request` for a backend. */
  fieldsFor(request: StreamingRequest, backend: Backend): string[];
  /** What `Location` is to say; null for what it says. */
  locationFor(location: string, request: StreamingRequest, backend: Backend): string | null;
}

/** The client's body as the body of the request to the backend. */
class PassingBody implements BodyProducer, BodyReceiver {
  readonly length: number | typeof UNKNOWN_LENGTH;
  readonly #body: RequestBody;
  #consumer: Consumer | undefined;
  #done: Deferred<void> | undefined;
  /** Whether some of it may have gone to a backend. */
  begun = false;

  constructor(body: RequestBody) {
    this.#body = body;
    this.length = body.length ?? UNKNOWN_LENGTH;
  }

  startProducing(consumer: Consumer): Deferred<void> {
    this.begun = true;
    this.#consumer = consumer;
    const done = new Deferred<void>();
    this.#done = done;
    this.#body.deliverTo(this);
    return done;
  }

  write(chunk: Buffer): void {
    this.#consumer?.write(chunk);
  }

  end(): void {
    const done = this.#done;
    this.#done = undefined;
    done?.callback(undefined);
  }

  fail(error: Error): void {
    const done = this.#done;
    this.#done = undefined;
    done?.errback(error);
  }

  pauseProducing(): void {
    this.#body.pause();
  }

  resumeProducing(): void {
    this.#body.resume();
  }

  stopProducing(): void {
    this.#consumer = undefined;
    this.#done = undefined;
    // What else comes is the server's to drop, or to close the connection over.
    this.#body.pause();
  }

  trailers(): [string, string][] {
    const found: [string, string][] = [];
    passResponseFields(this.#body.trailers, (name, value) => found.push([name, value]));
    return found;
  }
}

/** The type of what nobody named a type for. */
const UNTYPED = 'application/octet-stream';

export class Passage implements BodyReceiver, PushProducer {
  readonly #host: PassageHost;
  readonly #request: StreamingRequest;
  readonly #target: string;
  readonly #body: PassingBody | null;
  #tried: Set<Backend> | null = null;
  #backend: Backend | null = null;
  #asking: Deferred<Response> | undefined;
  #response: Response | undefined;
  #over = false;

  /** @param target path and query, as the backend is to see them */
  constructor(host: PassageHost, request: StreamingRequest, target: string) {
    this.#host = host;
    this.#request = request;
    this.#target = target;
    this.#body = request.head.framing === 'none' ? null : new PassingBody(request.content);
  }

  begin(): void {
    this.#request.notifyFinish().addErrback(() => this.#clientLeft());
    if (!this.#over) this.#ask();
  }

  /** Nobody waits for the answer any more. */
  #clientLeft(): void {
    if (this.#over) return;
    this.#end();
    this.#asking?.cancel();
    this.#response?.abort();
  }

  #end(): void {
    this.#over = true;
    if (this.#backend !== null) this.#backend.active -= 1;
    this.#backend = null;
  }

  #ask(): void {
    const { balancer, pool } = this.#host;
    const request = this.#request;
    const backend = balancer.pick(this.#tried);
    if (backend === null) {
      this.#answer(this.#tried === null ? 503 : 502);
      return;
    }
    const fields = this.#host.fieldsFor(request, backend);
    this.#backend = backend;
    backend.active += 1;
    const asking = pool.request(backend.key, backend.endpoint, {
      method: request.method,
      target: this.#target,
      host: backend.authority,
      headers: Headers.fromRaw({ rawHeaders: fields }),
      body: this.#body,
      options: {
        expectContinue: request.head.expectContinue,
        onInformation: (head) => this.#passInformation(head),
      },
    });
    this.#asking = asking;
    asking.addCallbacks(
      (response) => this.#came(response),
      (failure: Failure) => this.#failed(failure),
    );
  }

  /** What comes ahead of the answer goes on, but for 100, of which each side has its own (RFC 9110 section 15.2). */
  #passInformation({ status, rawHeaders }: ResponseHead): void {
    if (this.#over || status === 100) return;
    const fields: [string, [string]][] = [];
    passResponseFields(rawHeaders, (name, value, lower) => {
      if (lower !== 'content-length') fields.push([name, [value]]);
    });
    try {
      this.#request.writeInformation(status, fields);
    } catch {
      // This server has answered by itself meanwhile; or it is a field that nobody may be sent. The answer is as good without.
    }
  }

  // ------------------------------------------------------------------------------- when there is no answer

  #failed(failure: Failure): void {
    this.#asking = undefined;
    const backend = this.#backend;
    if (this.#over || backend === null) return;
    const error = failure.value;
    const refused = error instanceof RequestGenerationFailed ? error.reasons[0]?.value : undefined;
    if (refused instanceof HTTPError) {
      // The server would not take the client's body: too slow, or too long.
      this.#end();
      processingFailed(this.#request, refused);
      return;
    }
    const full = error instanceof ConnectionQueueFull;
    const waited = error instanceof RequestTimeoutError && error.phase === 'queue';
    const { method } = this.#request;
    const message = `No answer from ${backend.authority} to ${method} ${this.#target}: ${failure.getErrorMessage()}`;
    logEvent({ level: 'warn', system: 'ReverseProxyResource', message });
    // What the client did is not the backend's fault, and neither is how many of them there are.
    const isExpected =
      error instanceof HTTPClientError ||
      error instanceof ConnectionClosed ||
      error instanceof ConnectError;
    if (!isExpected) reportFailure(failure, `Unhandled error proxying to ${backend.authority}`);
    if (!full && !waited) this.#host.balancer.failed(backend);
    backend.active -= 1;
    this.#backend = null;
    // No byte has left for a backend that there was no connection to: any request may go to another.
    if (error instanceof ConnectError && this.#body?.begun !== true) {
      this.#tried ??= new Set();
      this.#tried.add(backend);
      this.#askAgain();
      return;
    }
    const late = error instanceof RequestTimeoutError || error instanceof TimeoutError;
    this.#answer(full || waited ? 503 : late ? 504 : 502);
  }

  #askAgain(): void {
    try {
      this.#ask();
    } catch (error) {
      this.#over = true;
      processingFailed(this.#request, error);
    }
  }

  /** A page that tells nothing of what is behind. */
  #answer(code: number): void {
    const request = this.#request;
    if (!this.#over) this.#end();
    if (request.finished || request.lost !== undefined) return;
    if (request.startedWriting) {
      request.channel.abortConnection();
      return;
    }
    try {
      request.forgetContent();
      if (code === 503) request.setHeader('Retry-After', 10);
      request.finishWith(renderErrorPage(request, code));
    } catch (error) {
      processingFailed(request, error);
    }
  }

  // ----------------------------------------------------------------------------------- when there is one

  #came(response: Response): void {
    this.#asking = undefined;
    this.#response = response;
    const backend = this.#backend;
    if (this.#over || backend === null) {
      response.abort();
      return;
    }
    this.#host.balancer.succeeded(backend);
    try {
      this.#copyHead(response, backend);
    } catch (error) {
      // It has fields that nobody may be sent.
      response.abort();
      logEvent({
        level: 'warn',
        system: 'ReverseProxyResource',
        message: `Cannot pass on the answer of ${backend.authority}: ${(error as Error).message}`, // a TypeError of a field
      });
      this.#answer(502);
      return;
    }
    if (response.code === 101) this.#switch(response);
    else this.#pass(response);
  }

  #copyHead(response: Response, backend: Backend): void {
    const request = this.#request;
    const { head } = response;
    const bodiless = isBodiless(head.status);
    request.setResponseCode(head.status, head.reason === '' ? null : head.reason);
    let typed = bodiless;
    passResponseFields(head.rawHeaders, (name, value, lower) => {
      if (lower === 'content-type') typed = true;
      // How the body is delimited here follows from how it was there.
      if (lower === 'content-length') return;
      if (lower === 'trailer') return;
      const location =
        lower === 'location' ? this.#host.locationFor(value, request, backend) : null;
      request.addHeader(name, location ?? value);
    });
    // Without a type browsers guess; and this server would say that it is HTML.
    if (!typed) request.setHeader('Content-Type', UNTYPED);
    if (head.framing === 'length') request.setHeader('Content-Length', head.contentLength);
    else if (head.framing === 'none' && !bodiless) this.#copyLength(response);
  }

  /** An answer to HEAD says how long the body would be. */
  #copyLength({ head }: Response): void {
    const { rawHeaders } = head;
    for (let at = 0; at < rawHeaders.length; at += 2) {
      if ((rawHeaders[at] ?? '').toLowerCase() !== 'content-length') continue;
      this.#request.setHeader('Content-Length', rawHeaders[at + 1] ?? '');
    }
  }

  #switch(response: Response): void {
    const request = this.#request;
    const name = response.head.upgrade ?? '';
    const tunnel = new Tunnel({
      idleTimeout: this.#host.upgradeIdleTimeout,
      clock: request.clock,
      closed: () => this.#end(),
    });
    this.#response = undefined;
    try {
      response.upgrade(tunnel.backend);
      request.upgradeTo(name, tunnel.client);
    } catch (error) {
      // It is the tunnel's by now, or was lost.
      tunnel.abort();
      if (request.startedWriting) request.channel.abortConnection();
      else this.#answer(502);
      reportFailure(error, `Cannot go on with ${name}`);
    }
  }

  #pass(response: Response): void {
    const request = this.#request;
    request.registerProducer(this, true);
    response.deliverTo(this);
  }

  write(chunk: Buffer): void {
    if (!this.#over) this.#request.write(chunk);
  }

  end(): void {
    if (this.#over) return;
    const request = this.#request;
    const { trailers } = this.#response ?? { trailers: [] };
    this.#end();
    try {
      passResponseFields(trailers, (name, value) => request.addTrailer(name, value));
    } catch {
      // What cannot go behind a body stays out; the body is whole without it.
    }
    request.unregisterProducer();
    request.finish();
  }

  /** The answer is cut off, and so it has to be here. */
  fail(error: Error): void {
    if (this.#over) return;
    const backend = this.#backend;
    if (backend !== null) this.#host.balancer.failed(backend);
    const message = `The answer of ${backend?.authority} to ${this.#request.method} ${this.#target} was cut off: ${error.message}`;
    logEvent({ level: 'warn', system: 'ReverseProxyResource', message });
    if (this.#request.startedWriting) {
      this.#end();
      this.#request.channel.abortConnection();
      return;
    }
    this.#request.unregisterProducer();
    this.#answer(502);
  }

  // ------------------------------------------------------------------------------ told by the client's side

  pauseProducing(): void {
    this.#response?.pause();
  }

  resumeProducing(): void {
    this.#response?.resume();
  }

  stopProducing(): void {
    this.#clientLeft();
  }
}
