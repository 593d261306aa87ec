/** From what a resource returns, or throws, to an answer. */
import { Deferred, Failure, reportFailure } from '../../deferred/index.ts';
import type { Data } from '../../reactor/index.ts';
import { errorHTML, renderErrorPage } from './pages.ts';
import type { Request } from './request.ts';
import { RequestBody } from './request-body.ts';
import { RequestAborted } from './request-errors.ts';
import { type AnyRequest, type IResource, NOT_DONE_YET, UnsupportedMethod } from './resource.ts';
import { HTTPError } from './status.ts';

/** Methods that are known here (RFC 9110 9, RFC 5789): a resource without one of them refuses it with 405; any other is not implemented at all. */
const KNOWN_METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'CONNECT',
  'TRACE',
]);

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as { then?: unknown }).then === 'function' // looked at only to see whether it is there
  );
}

/** Has `resource` answer `request`. */
export function renderResource(request: AnyRequest, resource: IResource): void {
  // A request without a body comes here with an empty Buffer, and one through a wrapper that does not know of streaming with a full one.
  if (resource.streamsBody === true && Buffer.isBuffer(request.content)) {
    (request as unknown as Request<RequestBody>).content = RequestBody.of(request.content); // what the resource asked for
  }
  let rendered: unknown;
  try {
    rendered = resource.render(request);
  } catch (error) {
    processingFailed(request, error);
    return;
  }
  if (typeof rendered === 'string' || rendered instanceof Uint8Array) complete(request, rendered);
  else if (rendered !== NOT_DONE_YET) later(request, resource, rendered);
}

function later(request: AnyRequest, resource: IResource, rendered: unknown): void {
  const came = (value: unknown): void => {
    if (value === NOT_DONE_YET) return;
    if (typeof value === 'string' || value instanceof Uint8Array) complete(request, value);
    // An async method that wrote the answer itself has nothing to return.
    else if (value !== undefined || !(request.finished || request.lost !== undefined)) {
      refuseType(request, resource, value);
    }
  };
  const failed = (error: unknown): void => processingFailed(request, error);
  if (rendered instanceof Deferred) rendered.addCallbacks(came, failed);
  else if (isThenable(rendered)) rendered.then(came, failed);
  else refuseType(request, resource, rendered);
}

function complete(request: AnyRequest, body: Data): void {
  try {
    if (request.finished && body.length === 0) return;
    request.finishWith(body);
  } catch (error) {
    processingFailed(request, error);
  }
}

function refuseType(request: AnyRequest, resource: IResource, value: unknown): void {
  const name = resource.constructor.name;
  const kind = value === null ? 'null' : typeof value;
  const message = `${name} must render bytes, text, NOT_DONE_YET, or a Deferred or promise of them: ${request.method} ${request.uri} gave ${kind}`;
  processingFailed(request, new TypeError(message));
}

/**
 * Answers a request that could not be answered as it should. What a resource throws is reported, unless it is an answer itself (`HTTPError`, `UnsupportedMethod`), and the client
 * learns nothing of it. If the answer has begun, the connection is broken off, so that nobody takes the part for the whole.
 */
export function processingFailed<C>(request: Request<C>, cause: unknown): void {
  const failure = Failure.of(cause);
  const error = failure.value;
  const isAnswer = error instanceof HTTPError || error instanceof UnsupportedMethod;
  // Who reads the body of a client that went away is told so by this error; there is nothing else to be told, and nobody to answer.
  const isLoss =
    request.lost !== undefined && (error instanceof RequestAborted || error === request.lost.value);
  if (!isAnswer && !isLoss) {
    reportFailure(failure, `Unhandled error answering ${request.method} ${request.uri}`);
  }
  if (request.lost !== undefined || request.finished) return;
  if (request.startedWriting) {
    request.channel.abortConnection();
    return;
  }
  try {
    request.forgetContent();
    request.finishWith(pageFor(request, failure));
  } catch (second) {
    reportFailure(second, `Unhandled error answering ${request.method} ${request.uri}`);
    request.channel.abortConnection();
  }
}

function pageFor<C>(request: Request<C>, failure: Failure): string {
  const error = failure.value;
  if (error instanceof UnsupportedMethod) {
    const known = KNOWN_METHODS.has(request.method);
    if (known) request.setHeader('Allow', error.allowedMethods.join(', '));
    return renderErrorPage(request, known ? 405 : 501);
  }
  if (error instanceof HTTPError) {
    for (const [name, value] of Object.entries(error.headers)) request.setHeader(name, value);
    return renderErrorPage(request, error.status, error.message);
  }
  const page = renderErrorPage(request, 500);
  const { displayTracebacks } = request.site;
  return displayTracebacks
    ? errorHTML('500 - Internal Server Error', failure.getTraceback())
    : page;
}
