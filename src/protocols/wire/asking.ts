/** The small classics from the other side: connect, perhaps ask, and take all there is until the server closes. */
import {
  Deferred,
  type DeferredClock,
  Failure,
  getDefaultClock,
  TimeoutError,
} from '../../deferred/index.ts';
import { ConnectionDone, type Data, type StreamClientEndpoint } from '../../reactor/index.ts';
import { checkLimits, checkTimes } from '../option-checks.ts';
import { Factory, Protocol } from '../protocol.ts';
import { TIME_EPOCH } from './simple.ts';

/** An answer was longer than was allowed, or was none. */
export class WireAnswerError extends Error {
  static {
    WireAnswerError.prototype.name = 'WireAnswerError';
  }
  readonly code: string = 'ERR_WIRE_ANSWER';
}

/** Options of those who ask. */
export interface AskingOptions {
  /** Longest answer that is taken, in bytes. Default 65536. */
  maxLength?: number;
  /** Seconds until the answer has to be there, connecting included; null waits for ever. Default 60. */
  timeout?: number | null;
  /** Whose seconds these are. Default: the reactor's. */
  clock?: DeferredClock;
}

/** Asks, and collects the answer. */
class Asking extends Protocol {
  readonly #question: Data | null;
  readonly #maxLength: number;
  readonly answered: Deferred<Buffer>;
  #chunks: Buffer[] = [];
  #length = 0;

  constructor(question: Data | null, maxLength: number) {
    super();
    this.#question = question;
    this.#maxLength = maxLength;
    this.answered = new Deferred<Buffer>(() => this.transport.abortConnection());
  }

  override connectionMade(): void {
    if (this.#question !== null) this.transport.write(this.#question);
  }

  override dataReceived(data: Buffer): void {
    this.#length += data.length;
    if (this.#length > this.#maxLength) {
      this.#chunks = [];
      this.transport.abortConnection();
      const message = `Cannot take the answer of ${this.transport.getPeer()}: it has more than ${this.#maxLength} bytes`;
      if (!this.answered.called) this.answered.errback(new WireAnswerError(message));
      return;
    }
    this.#chunks.push(data);
  }

  override connectionLost(reason: Failure): void {
    if (this.answered.called) return;
    if (reason.check(ConnectionDone) === null) this.answered.errback(reason);
    else this.answered.callback(Buffer.concat(this.#chunks));
  }
}

/**
 * Connects, sends `question` unless it is null, and fires with all that comes until the server closes. Fails as connecting does, as the connection does when it breaks, with
 * `WireAnswerError` when there is too much, and with `TimeoutError` when it takes too long. Cancelling ends the connection.
 * @throws {RangeError} for options that make no sense
 */
export function ask(
  endpoint: StreamClientEndpoint,
  question: Data | null,
  options: AskingOptions = {},
): Deferred<Buffer> {
  checkLimits(options, ['maxLength']);
  checkTimes(options, ['timeout']);
  const { maxLength = 65536, timeout = 60, clock = getDefaultClock() } = options;
  const factory = new Factory<Asking>();
  factory.noisy = false;
  factory.protocol = () => new Asking(question, maxLength);
  const answer = endpoint.connect(factory).addCallback((asking) => asking.answered);
  if (timeout === null) return answer;
  return answer.addTimeout(timeout, clock, (outcome, seconds) => {
    // Connecting, when it is cancelled, has an error of its own.
    if (!(outcome instanceof Failure)) return outcome;
    throw new TimeoutError(seconds, 'Answer', { cause: outcome.value });
  });
}

/** The quotation of a server (RFC 865). */
export function quoteOfTheDay(
  endpoint: StreamClientEndpoint,
  options?: AskingOptions,
): Deferred<string> {
  return ask(endpoint, null, options).addCallback((answer) => answer.toString().trimEnd());
}

/** The day and time as a server puts it (RFC 867). */
export function daytime(endpoint: StreamClientEndpoint, options?: AskingOptions): Deferred<string> {
  return ask(endpoint, null, options).addCallback((answer) => answer.toString('latin1').trimEnd());
}

/**
 * The time by a server (RFC 868), in seconds since 1970 UTC. What begins anew in 2036 is taken to be after 2000.
 * Fails with `WireAnswerError` when the answer has not got four bytes.
 */
export function timeOf(endpoint: StreamClientEndpoint, options?: AskingOptions): Deferred<number> {
  return ask(endpoint, null, options).addCallback((answer) => {
    if (answer.length !== 4) {
      throw new WireAnswerError(`Cannot read the time: ${answer.length} bytes came, not 4`);
    }
    const seconds = answer.readUInt32BE(0) - TIME_EPOCH;
    return seconds < 946_684_800 ? seconds + 2 ** 32 : seconds;
  });
}
