/**
 * The server's end of an HTTP connection (Twisted: `twisted.web.http.HTTPChannel`): one request at a time, answered in the order in which they came.
 *
 * The parser tells of requests; while one is being answered it is paused, and what the client sends behind is read up to a limit. A request that is answered at once costs no
 * pause: the parser goes on to the next, and the answers leave together.
 */
import { Failure } from '../../deferred/index.ts';
import {
  ConnectionDone,
  type Data,
  giveBackReadBuffer,
  type IHalfCloseableProtocol,
  type IProtocol,
  logEvent,
  type PullProducer,
  type TLSTransport,
} from '../../reactor/index.ts';
import { numberOf, type RefusalReason } from './access-log.ts';
import { Heir } from './channel-heir.ts';
import { BodyIntake, type IntakeOwner } from './channel-intake.ts';
import { ChannelOutput, type OutputOwner } from './channel-output.ts';
import { NEVER, PhasedChannel } from './channel-phases.ts';
import type { RequestHead } from './heads.ts';
import type { HTTPParseError } from './parse-errors.ts';
import { RequestParser } from './parser.ts';
import type { RequestEvents } from './parser-events.ts';
import { RefusedRequest } from './refused-request.ts';
import type { Request } from './request.ts';
import type { RequestChannel } from './request-channel.ts';
import { processingFailed } from './request-render.ts';
import { HTTPError } from './status.ts';

/** What came in a buffer of its own: bytes from which on it is worth giving back. */
const LARGE = 32_768;

/**
 * A server's side of one connection: reads requests with a `RequestParser`, has each made and processed in its turn, frames the answers, and lets go of clients that exceed the factory's limits.
 * Made by `HTTPFactory`. Twisted: `twisted.web.http.HTTPChannel`.
 */
export class HTTPChannel
  extends PhasedChannel
  implements RequestChannel, RequestEvents, OutputOwner, IntakeOwner, IHalfCloseableProtocol
{
  #parser!: RequestParser;
  #output!: ChannelOutput;
  /** The request under way. */
  #request: Request | undefined;
  /** Where its body goes, until that is complete. */
  #intake: BodyIntake | undefined;
  /** Whether the answer under way is the last. */
  #last = false;
  /** Whether the parser is at work, further up in the stack. */
  #parsing = false;
  #readPaused = false;
  /** Whether the client has closed its sending side. */
  #peerEnded = false;
  /** Whether bytes of a request that was given up may still come. */
  #cutOff = false;
  /** Whether somebody was given a part of what came last. */
  #given = false;
  #requests = 0;
  /** When the first byte of the request under way came. */
  #begun = 0;

  // ---------------------------------------------------------------------------------------- connection

  override connectionMade(): void {
    const { factory, transport } = this;
    this.#parser = new RequestParser(this, factory.parserSettings);
    this.#output = new ChannelOutput(transport, this);
    this.peer = transport.getPeer();
    this.until = this.clock.seconds() + factory.limits.timeout;
    factory.channelOpened(this, this.peer);
    factory.deadlines.add(this);
  }

  override dataReceived(data: Buffer): unknown {
    if (this.phase === 'other') return this.next?.dataReceived(data);
    if (this.phase === 'lingering' || this.phase === 'closing') return undefined;
    this.#given = false;
    this.#parse(data);
    // Heads and bodies in memory are copies. A transport that stands in between may still have the bytes.
    if (data.length >= LARGE && !this.#given && !this.#parser.holdsChunk && this.releasesWritten) {
      giveBackReadBuffer(data);
    }
    return undefined;
  }

  /** Has the parser work: on `data`, or on what it held while it was paused. */
  #parse(data?: Buffer): void {
    this.#parsing = true;
    this.#output.gather();
    if (data === undefined) this.#parser.resume();
    else this.#parser.push(data);
    this.#parsing = false;
    this.#output.flush();
    this.#settle();
  }

  /** After the parser has done what it could: what the connection waits for now. */
  #settle(): void {
    const phase = this.phase;
    if (phase === 'lingering' || phase === 'closing' || phase === 'other') return;
    const parser = this.#parser;
    if (this.#request === undefined && this.#intake === undefined) {
      if (this.#last || (this.#peerEnded && !parser.paused)) {
        this.close(this.#cutOff || parser.bytesHeld > 0);
        return;
      }
      if (parser.paused) {
        // It has enough to do with reading its answers.
        this.phase = 'handling';
        this.until = NEVER;
      } else if (parser.betweenMessages) {
        if (this.factory.draining && this.#requests > 0) this.close(false);
        else this.enter('idle', this.factory.limits.timeout);
      } else if (phase !== 'head') {
        this.enter('head', this.factory.limits.headTimeout);
        this.#begun = this.clock.seconds();
      }
    }
    if (parser.paused && !this.#readPaused && parser.bytesHeld > this.factory.limits.maxReadAhead) {
      this.#readPaused = true;
      this.transport.pauseProducing();
    }
  }

  /** Goes on with what was held, and reads again. */
  #goOn(): void {
    if (this.phase === 'closing' || this.phase === 'lingering') return;
    // A client that does not read its answers is not given more of them.
    if (this.#request === undefined && this.#output.paused) return;
    // The next request waits for its turn, whoever asks.
    if (this.#request !== undefined && this.#intake === undefined) return;
    if (this.#parsing) {
      this.#parser.resume();
      return;
    }
    this.#parse();
    if (this.#readPaused && this.#parser.bytesHeld <= this.factory.limits.maxReadAhead) {
      this.#readPaused = false;
      this.transport.resumeProducing();
    }
  }

  // ------------------------------------------------------------------------------- told by the parser

  onHead(head: RequestHead): void {
    const { factory } = this;
    this.#requests += 1;
    this.#last =
      !head.keepAlive ||
      factory.draining ||
      this.#requests >= factory.limits.maxRequestsPerConnection;
    const request = new factory.requestFactory(this, head);
    this.#request = request;
    if (head.framing !== 'none') this.#receive(request, head);
  }

  #receive(request: Request, head: RequestHead): void {
    if (this.phase !== 'head') this.#begun = this.clock.seconds();
    this.phase = 'body';
    const intake = new BodyIntake(
      this,
      request,
      head,
      this.factory.limits,
      this.clock,
      this.#begun,
    );
    this.#intake = intake;
    intake.begin();
    this.#watchBody();
  }

  #watchBody(): void {
    if (this.#intake === undefined || this.phase !== 'body') return;
    this.until = this.#intake.deadline;
    this.factory.deadlines.by(this.until);
  }

  onBody(chunk: Buffer): void {
    if (this.#intake?.push(chunk) === true) this.#given = true;
  }

  onEnd(trailers: readonly string[] | null): void {
    const request = this.#request;
    const intake = this.#intake;
    if (intake !== undefined) {
      this.#intake = undefined;
      this.phase = 'handling';
      this.until = NEVER;
      if (!intake.end(trailers) || request === undefined) {
        // It is being answered already, or has been.
        if (this.#request !== undefined || this.#output.paused) this.#parser.pause();
        return;
      }
    }
    if (request !== undefined) this.#process(request);
  }

  #process(request: Request): void {
    try {
      if (request.head.expectUnknown) throw new HTTPError(417);
      request.process();
    } catch (error) {
      processingFailed(request, error);
    }
    if (this.#request === request) {
      this.phase = 'handling';
      this.until = NEVER;
      this.#parser.pause();
    } else if (this.#output.paused) {
      this.#parser.pause();
    }
  }

  onError(error: HTTPParseError): void {
    const request = this.#request;
    const intake = this.#intake;
    const message = `Refused a request from ${String(this.peer)}: ${error.message}`;
    logEvent({ level: 'debug', system: this.logPrefix(), message, fields: { code: error.code } });
    this.#last = true;
    this.#cutOff = true;
    this.#intake = undefined;
    if (request === undefined) {
      // The rest of a body that nobody wanted belongs to a request that was answered.
      if (intake !== undefined) this.close(true);
      else this.#refuse(error.status, error.code, error.line);
      return;
    }
    if (intake?.fail(new HTTPError(error.status, undefined, { cause: error }))) return;
    processingFailed(request, new HTTPError(error.status));
  }

  /** Answers what is not even a request, and closes. */
  #refuse(status: number, reason: RefusalReason, line: string): void {
    const { factory } = this;
    const text = factory.headStart.text(status, null, 0);
    this.#output.send(`${text}Content-Length: 0\r\nConnection: close\r\n\r\n`);
    factory.count(status);
    if (factory.logging) {
      factory.log(new RefusedRequest(status, reason, numberOf(this.peer), line));
    }
    this.close(true);
  }

  // ------------------------------------------------------------------------------ told by the intake

  continueReading(): void {
    this.#goOn();
  }

  /** No more is read for now. */
  stopReading(): void {
    this.#parser.pause();
  }

  get bytesHeld(): number {
    return this.#parser.bytesHeld;
  }

  intakeChanged(): void {
    this.#watchBody();
  }

  // ----------------------------------------------------------------------------- told by the request

  get persistent(): boolean {
    // A body that is not going to be read to its end leaves nothing to go on with.
    if (!this.#last && this.#intake !== undefined && !this.#intake.canBeDropped) this.#last = true;
    return !this.#last;
  }

  get releasesWritten(): boolean {
    // A transport that stands in between may pass on what another one says of itself.
    return this.transport.releasing === this.transport;
  }

  isSecure(): boolean {
    const { TLS } = this.transport as Partial<TLSTransport>; // asked whether it has that
    return TLS === true;
  }

  send(data: Data): void {
    this.#output.send(data);
  }

  closeAfterwards(): void {
    this.#last = true;
  }

  registerProducer(producer: PullProducer, streaming: boolean): void {
    this.#output.registerProducer(producer, streaming);
  }

  unregisterProducer(): void {
    this.#output.unregisterProducer();
  }

  requestDone(): void {
    const request = this.#request;
    if (request === undefined) return;
    if (this.#output.producing) this.#output.unregisterProducer();
    this.#request = undefined;
    this.factory.count(request.code);
    if (this.factory.logging) this.factory.log(request);
    const intake = this.#intake;
    if (intake !== undefined) {
      if (this.#last) {
        this.#intake = undefined;
        this.close(true);
        intake.drop();
      } else {
        intake.drop();
        this.#goOn();
      }
    } else if (this.#last) {
      // In the parser's stack it is closed when what was answered has been gathered.
      if (this.#parsing) this.#parser.pause();
      else this.close(this.#cutOff || this.#parser.bytesHeld > 0);
    } else {
      this.#goOn();
    }
  }

  handOver(protocol: IProtocol): void {
    const request = this.#request;
    this.#request = undefined;
    if (request !== undefined) {
      this.factory.count(request.code);
      if (this.factory.logging) this.factory.log(request);
    }
    const rest = this.#parser.release();
    this.#given = true;
    this.phase = 'other';
    this.until = NEVER;
    const heir = new Heir(protocol, this.transport, rest);
    this.next = heir;
    this.#output.end(() => {
      this.readBy = NEVER;
      this.factory.deadlines.remove(this);
      if (this.#readPaused) this.transport.resumeProducing();
      this.next = protocol;
      heir.inherit();
    });
    if (this.next !== heir || this.#readPaused) return;
    this.#readPaused = true;
    this.transport.pauseProducing();
  }

  // ------------------------------------------------------------------------------------------ closing

  /** @param mayLinger whether the client may still be sending, so that closing at once could cost it the answer */
  protected override close(mayLinger: boolean): void {
    if (this.phase === 'closing' || this.phase === 'lingering') return;
    if (this.phase === 'other') {
      this.transport.loseConnection();
      return;
    }
    const { limits } = this.factory;
    const lingering = mayLinger && !this.#peerEnded;
    // What was sent last may take its time to leave.
    const isUnused = this.phase === 'idle' && !this.#last;
    this.patience = Math.max(limits.abortTimeout, isUnused ? 0 : limits.writeTimeout);
    this.#parser.pause();
    this.phase = lingering ? 'lingering' : 'closing';
    this.until = NEVER;
    this.#output.end(() => {
      this.readBy = NEVER;
      if (this.#readPaused) this.transport.resumeProducing();
      this.enter(this.phase, lingering ? limits.lingerTimeout : this.patience);
      if (lingering) this.transport.loseWriteConnection();
      else this.transport.loseConnection();
    });
  }

  loseConnection(): void {
    this.close(false);
  }

  abortConnection(): void {
    if (this.phase !== 'other') this.phase = 'closing';
    this.until = NEVER;
    this.#output.release();
    this.transport.abortConnection();
  }

  /** The server is to stop: closes what is idle, and lets the answer under way be the last. @internal */
  drain(): void {
    // The last request of a connection that is sending one now says so itself.
    if (this.#request !== undefined) this.#last = true;
    if (this.phase === 'idle') {
      // Whoever has just connected has something to ask, which is answered, and is the last.
      if (this.#requests === 0) this.enter('idle', this.factory.limits.drainGrace);
      else this.close(false);
    } else if (this.phase === 'other') {
      // Protocols that have a goodbye of their own may say it.
      const next = this.next as { drain?(): void } | undefined; // asked whether it has that
      if (next?.drain === undefined) this.transport.loseConnection();
      else next.drain();
    }
  }

  readConnectionLost(): void {
    const { transport } = this;
    if (this.phase === 'other') {
      this.otherReadLost();
      return;
    }
    if (this.phase === 'lingering' || this.phase === 'closing') {
      this.phase = 'closing';
      transport.loseConnection();
      return;
    }
    this.#peerEnded = true;
    this.#output.gather();
    this.#parser.finish();
    this.#output.flush();
    if (this.#request === undefined) {
      // What came before is answered as the client reads.
      if (!this.factory.allowHalfClose || !this.#parser.paused) this.close(false);
    } else if (!this.factory.allowHalfClose) {
      this.#lose(new Failure(new ConnectionDone()));
      this.close(false);
    }
  }

  #lose(reason: Failure): void {
    const intake = this.#intake;
    const request = this.#request;
    this.#intake = undefined;
    this.#request = undefined;
    request?.connectionLost(reason);
    intake?.lose(reason.value);
  }

  override connectionLost(reason: Failure): unknown {
    const { factory } = this;
    factory.deadlines.remove(this);
    if (this.peer !== undefined) factory.channelClosed(this, this.peer);
    this.phase = 'closing';
    this.#lose(reason);
    return this.next?.connectionLost(reason);
  }

  // --------------------------------------------------------------------------------- time and backlog

  protected override headOverdue(): void {
    this.#last = true;
    this.#refuse(408, 'timeout', this.#parser.lineHeld());
  }

  protected override bodyOverdue(now: number): void {
    const intake = this.#intake;
    const request = this.#request;
    if (intake === undefined) {
      this.until = NEVER;
      return;
    }
    if (!intake.isLate(now)) {
      this.#watchBody();
      return;
    }
    this.say('takes too long to send the body of a request');
    this.#last = true;
    this.#cutOff = true;
    this.#intake = undefined;
    this.until = NEVER;
    this.#parser.pause();
    if (request === undefined) this.close(false);
    else if (!intake.fail(new HTTPError(408))) {
      processingFailed(request, new HTTPError(408));
    }
  }

  outputFree(): void {
    if (this.#request === undefined && this.#parser.paused) this.#goOn();
  }
}
