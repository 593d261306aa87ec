/** Server-sent events (the HTML standard, 9.2): a stream of messages to a browser's EventSource. */
import { reportFailure } from '../../deferred/index.ts';
import type { Data, DelayedCall, PushProducer } from '../../reactor/index.ts';
import { checkLimits, checkTimes } from '../option-checks.ts';
import type { Request } from './request.ts';
import { NOT_DONE_YET, Resource } from './resource.ts';

/** One message. Text is a message with nothing but data. */
export interface ServerSentEvent {
  /** Text, of any number of lines. */
  readonly data?: string;
  /** The name that scripts listen for; 'message' if there is none. */
  readonly event?: string;
  /** What a client that comes back says it saw last. */
  readonly id?: string;
  /** Seconds after which a client whose connection broke is to come back. */
  readonly retry?: number;
  /** A remark, which clients ignore. */
  readonly comment?: string;
}

/** What `subscribe` of an Observable is given. */
interface Observer {
  next(event: ServerSentEvent | string): void;
  error(error: unknown): void;
  complete(): void;
}

/** What can be subscribed to: rxjs's Observable is one. */
export interface Subscribable {
  subscribe(observer: Observer): { unsubscribe(): void };
}

/** Where events come from. */
export type EventSource = AsyncIterable<ServerSentEvent | string> | Subscribable;

/** Makes the source for one client. @param lastEventId what it saw last, if it was here before */
export type EventSourceFactory = (
  request: Request,
  lastEventId: string | null,
) => EventSource | PromiseLike<EventSource>;

/** Options of `ServerSentEvents`. */
export interface ServerSentEventsOptions {
  /** Seconds without an event after which a comment is sent, so that nothing on the way takes the connection for dead; null for never. Default 15. */
  readonly heartbeat?: number | null;
  /** Seconds after which clients are to come back, said at the beginning. Default: what browsers think fit. */
  readonly retry?: number;
  /**
   * Bytes that wait for a client that reads too slowly, from a source that cannot be made to wait (an Observable). Beyond, the connection is broken off; the client comes back and says
   * what it saw last. Default 1 MiB.
   */
  readonly maxBuffered?: number;
  /**
   * Whether an `EncodingResourceWrapper` may compress the events; proxies may then as well, and some keep events back when they do. Default false: `Cache-Control: no-transform` forbids it to all.
   */
  readonly compress?: boolean;
}

function lines(name: string, text: string): string {
  let out = '';
  for (const line of text.split(/\r\n|\n|\r/)) out += `${name}: ${line}\n`;
  return out;
}

function checkOneLine(name: string, text: string): string {
  if (/[\r\n\0]/.test(text)) {
    throw new TypeError(`The ${name} of an event must be one line: got ${JSON.stringify(text)}`);
  }
  return text;
}

/** A message as it is sent. @throws {TypeError} when its name or id is more than one line, which would make other fields of it */
export function formatEvent(message: ServerSentEvent | string): string {
  if (typeof message === 'string') return `${lines('data', message)}\n`;
  const { comment, event, id, retry, data } = message;
  let out = comment === undefined ? '' : lines('', comment);
  if (event !== undefined) out += `event: ${checkOneLine('name', event)}\n`;
  if (id !== undefined) out += `id: ${checkOneLine('id', id)}\n`;
  if (retry !== undefined) out += `retry: ${Math.round(retry * 1000)}\n`;
  if (data !== undefined) out += lines('data', data);
  return `${out}\n`;
}

/**
 * A resource that sends events to each client that asks, until its source ends or the client goes; then the source is cancelled: its iterator's `return` is called, or it is unsubscribed from.
 *
 * A source that is an async iterable waits for slow clients. An Observable cannot, so what it gives is kept for the client, up to a limit.
 *
 * @example
 * root.putChild('clock', new ServerSentEvents(() => interval(1000).pipe(map((n) => ({ id: String(n), data: 'tick' })))));
 */
export class ServerSentEvents extends Resource {
  override isLeaf = true;
  readonly #source: EventSourceFactory;
  readonly #options: ServerSentEventsOptions;

  /** @throws {RangeError} for times and sizes that make no sense */
  constructor(source: EventSourceFactory, options: ServerSentEventsOptions = {}) {
    super();
    checkTimes(options, ['heartbeat', 'retry']);
    checkLimits(options, ['maxBuffered']);
    if (options.heartbeat === 0)
      throw new RangeError('The option heartbeat must be above 0: got 0');
    this.#source = source;
    this.#options = options;
  }

  override async render_GET(request: Request): Promise<typeof NOT_DONE_YET | string> {
    const lastEventId = request.getHeader('last-event-id') ?? null;
    const source = request.method === 'HEAD' ? null : await this.#source(request, lastEventId);
    request.setHeader('Content-Type', 'text/event-stream; charset=utf-8');
    request.setHeader(
      'Cache-Control',
      this.#options.compress === true ? 'no-cache' : 'no-cache, no-transform',
    );
    // Proxies that gather answers before they pass them on can be told not to.
    request.setHeader('X-Accel-Buffering', 'no');
    if (source === null) return '';
    new Stream(request, this.#options).run(source);
    return NOT_DONE_YET;
  }
}

/** The events of one client. */
class Stream implements PushProducer, Observer {
  readonly #request: Request;
  readonly #heartbeat: number | null;
  readonly #maxBuffered: number;
  #timer: DelayedCall | undefined;
  #cancel: (() => void) | undefined;
  #paused = false;
  #resumed: (() => void) | undefined;
  /** What waits, as one text: there may be very many events, and they leave together. */
  #waiting = '';
  #waitingBytes = 0;
  #ended: 'no' | 'soon' | 'yes' = 'no';

  constructor(request: Request, options: ServerSentEventsOptions) {
    this.#request = request;
    this.#heartbeat = options.heartbeat === undefined ? 15 : options.heartbeat;
    this.#maxBuffered = options.maxBuffered ?? 1_048_576;
    request.registerProducer(this, true);
    // The head leaves now, so that the client knows that it is connected.
    this.#send(options.retry === undefined ? ':\n\n' : formatEvent({ retry: options.retry }));
  }

  run(source: EventSource): void {
    if (this.#ended !== 'no') return;
    if ('subscribe' in source) {
      const subscription = source.subscribe(this);
      // It may have ended, or the client gone, within that call.
      if (this.#ended === 'no') this.#cancel = () => subscription.unsubscribe();
      else subscription.unsubscribe();
    } else {
      void this.#iterate(source[Symbol.asyncIterator]());
    }
  }

  async #iterate(iterator: AsyncIterator<ServerSentEvent | string>): Promise<void> {
    this.#cancel = () => {
      void iterator.return?.().then(undefined, () => {}); // nobody is left who could be told
    };
    try {
      for (;;) {
        const { done, value } = await iterator.next();
        if (this.#ended !== 'no') return;
        if (done === true) break;
        this.next(value);
        if (this.#paused) {
          await new Promise<void>((resume) => {
            this.#resumed = resume;
          });
          if (this.#ended !== 'no') return;
        }
      }
      this.complete();
    } catch (error) {
      this.error(error);
    }
  }

  // ------------------------------------------------------------------------------------------- the source

  next(event: ServerSentEvent | string): void {
    if (this.#ended !== 'no') return;
    let text: string;
    try {
      text = formatEvent(event);
    } catch (error) {
      this.error(error);
      return;
    }
    if (!this.#paused) {
      this.#send(text);
      return;
    }
    this.#waiting += text;
    this.#waitingBytes += Buffer.byteLength(text);
    if (this.#waitingBytes > this.#maxBuffered) {
      this.stopProducing();
      this.#request.channel.abortConnection();
    }
  }

  /** The source failed: it is reported, and the connection broken off, so that the client comes back. */
  error(error: unknown): void {
    if (this.#ended !== 'no') return;
    this.stopProducing();
    reportFailure(error, `The source of events for ${this.#request.uri} failed`);
    this.#request.channel.abortConnection();
  }

  complete(): void {
    if (this.#ended !== 'no') return;
    this.#ended = 'soon';
    this.#cancel = undefined;
    if (this.#waiting === '') this.#finish();
  }

  // ------------------------------------------------------------------------------------------- the client

  #send(text: Data): void {
    this.#request.write(text);
    this.#restartTimer();
  }

  #restartTimer(): void {
    const { clock } = this.#request;
    if (this.#heartbeat === null || this.#ended !== 'no') return;
    if (this.#timer?.active()) this.#timer.reset(this.#heartbeat);
    else this.#timer = clock.callLater(this.#heartbeat, () => this.#beat());
  }

  #beat(): void {
    // A client that does not read has no use for it.
    if (this.#paused) this.#restartTimer();
    else this.#send(':\n\n');
  }

  pauseProducing(): void {
    this.#paused = true;
  }

  resumeProducing(): void {
    this.#paused = false;
    const text = this.#waiting;
    this.#waiting = '';
    this.#waitingBytes = 0;
    if (text !== '') this.#send(text);
    if (this.#paused) return;
    if (this.#ended === 'soon') {
      this.#finish();
      return;
    }
    const resumed = this.#resumed;
    this.#resumed = undefined;
    resumed?.();
  }

  stopProducing(): void {
    if (this.#ended === 'yes') return;
    this.#ended = 'yes';
    this.#waiting = '';
    if (this.#timer?.active()) this.#timer.cancel();
    const cancel = this.#cancel;
    this.#cancel = undefined;
    cancel?.();
  }

  #finish(): void {
    this.#ended = 'yes';
    if (this.#timer?.active()) this.#timer.cancel();
    this.#request.unregisterProducer();
    this.#request.finish();
  }
}
