/**
 * The client's end of an HTTP connection (Twisted: `HTTP11ClientProtocol`): one request at a time, never a second one before the response to the first is complete. What comes
 * without having been asked for ends the connection: nobody can say what it is an answer to.
 */

import type { Failure } from '../../../deferred/index.ts';
import { ConnectionDone, giveBackReadBuffer, type IProtocol } from '../../../reactor/index.ts';
import { listElements } from '../field-lists.ts';
import type { ResponseHead } from '../heads.ts';
import { HTTPParseError } from '../parse-errors.ts';
import type { ResponseEvents } from '../parser-events.ts';
import { ResponseParser } from '../response-parser.ts';
import { BodySender, type SenderOwner } from './body-sender.ts';
import { ConnectionBase, type ConnectionSetting } from './connection-base.ts';
import type { RequestContent } from './content.ts';
import {
  ClientStateError,
  failureOf,
  RequestTransmissionFailed,
  ResponseFailed,
  ResponseNeverReceived,
} from './errors.ts';
import { type Exchange, type ExchangeConnection, NEVER } from './exchange.ts';
import { keepAliveSeconds } from './keep-alive.ts';

/** Whoever keeps connections. */
export interface ConnectionOwner extends ConnectionSetting {
  /** It can be used again. */
  connectionFree(connection: HTTP11ClientProtocol): void;
  /** It is lost. */
  connectionGone(connection: HTTP11ClientProtocol): void;
}

/** Bodies up to this many bytes leave in one piece with their head: copying them costs less than a second piece. */
const JOINED = 16_384;

/** Bytes of a read that may have been into a buffer of its own. */
const LARGE = 32_768;

/** Seconds to wait for '100 Continue' unless somebody says otherwise. */
const CONTINUE_WAIT = 1;

export class HTTP11ClientProtocol
  extends ConnectionBase
  implements ResponseEvents, SenderOwner, ExchangeConnection
{
  readonly #owner: ConnectionOwner;
  readonly #parser: ResponseParser;
  #exchange: Exchange | undefined;
  #sender: BodySender | undefined;
  /** Whether all of the request has been written. */
  #sent = false;
  /** Whether the exchange under way is the last. */
  #last = false;
  #used = false;
  #readPaused = false;
  #informational = 0;
  /** Bytes of the body that came so far. */
  #bodyLength = 0;
  /** Until when the body waits for '100 Continue'; NEVER if it does not. */
  #continueBy = NEVER;
  /** Until when it may be unused, or be closing. */
  #idleBy = NEVER;
  /** Seconds that it may be unused, as the server says. */
  #patience: number | null | undefined;

  constructor(owner: ConnectionOwner, key: string) {
    super(owner, key);
    this.#owner = owner;
    this.#parser = new ResponseParser(this, owner.parserSettings);
  }

  // ---------------------------------------------------------------------------------------- connection

  override dataReceived(data: Buffer): unknown {
    if (this.state === 'busy') {
      const exchange = this.#exchange;
      if (exchange !== undefined) exchange.touched = true;
      this.#parser.push(data);
      // A head is text by now, and what the parser has not read it has copied. A wrapper in between may still have the bytes.
      const { transport } = this;
      if (data.length >= LARGE && exchange?.copied && transport.releasing === transport) {
        giveBackReadBuffer(data);
      }
      return undefined;
    }
    if (this.next !== undefined) return this.next.dataReceived(data);
    if (this.state === 'tunnel') this.#parser.push(data);
    else if (this.state === 'connecting') {
      // In clear, where TLS has been asked for: whoever sent it wants it to be taken for the server's word.
      this.refuseConnection('Something came before the handshake was over');
    } else if (this.state === 'idle') {
      this.say('sent something that it was not asked for');
      this.#close();
    }
    return undefined;
  }

  override connectionLost(reason: Failure): unknown {
    const exchange = this.#exchange;
    const connecting = this.state === 'connecting';
    const wasBusy = this.state === 'busy';
    this.loss = reason;
    this.#idleBy = NEVER;
    this.#owner.deadlines.remove(this);
    if (connecting) this.notReady(reason);
    if (wasBusy && exchange !== undefined) {
      // In good order or not: only what ended in good order may be complete.
      if (reason.check(ConnectionDone) !== null) this.#parser.finish();
      if (this.#exchange !== undefined) this.#failExchange(this.#errorOfLoss(exchange, reason));
    }
    this.state = 'lost';
    if (this.#exchange !== undefined) this.#failExchange(new ResponseFailed([reason]));
    if (this.next !== undefined) return this.next.connectionLost(reason);
    this.#owner.connectionGone(this);
    return undefined;
  }

  #errorOfLoss(exchange: Exchange, reason: Failure): Error {
    if (exchange.touched) return new ResponseFailed([reason], exchange.response ?? null);
    if (this.#sent) return new ResponseNeverReceived([reason]);
    return new RequestTransmissionFailed([reason]);
  }

  protected override stopSending(): void {
    this.#sender?.stop();
  }

  // ------------------------------------------------------------------------------------------ sending

  /** Sends the request of `exchange`. @throws {ClientStateError} when it cannot take one */
  start(exchange: Exchange): void {
    if (this.state !== 'idle') {
      throw new ClientStateError(`Cannot send a request: the connection is ${this.state}`);
    }
    const { text, content, request, times } = exchange;
    this.state = 'busy';
    this.#exchange = exchange;
    this.#informational = 0;
    this.#bodyLength = 0;
    this.#idleBy = NEVER;
    this.#last = !text.persistent;
    exchange.connection = this;
    exchange.reused = this.#used;
    this.#used = true;
    this.#parser.expect(request.method);
    if (content === null || (Buffer.isBuffer(content) && !text.expects)) {
      this.#writeWhole(text.head, content);
    } else {
      this.#sent = false;
      this.transport.write(text.head);
      if (text.expects) {
        const { expectContinue } = request.options ?? {};
        const wait = typeof expectContinue === 'number' ? expectContinue : CONTINUE_WAIT;
        this.#continueBy = this.#owner.clock.seconds() + wait;
        exchange.enter('send', null);
      } else {
        this.#sendBody(content);
      }
    }
    if (this.#sent) exchange.enter('head', times.headTimeout);
    this.#owner.deadlines.by(this.deadline);
  }

  #writeWhole(head: string | Buffer, content: Buffer | null): void {
    const { transport } = this;
    this.#sent = true;
    if (content === null || content.length === 0) {
      transport.write(head);
    } else if (content.length > JOINED) {
      transport.write(head);
      transport.write(content);
    } else {
      const joined = Buffer.allocUnsafe(head.length + content.length);
      if (typeof head === 'string') joined.write(head, 'latin1');
      else joined.set(head, 0);
      joined.set(content, head.length);
      transport.write(joined);
    }
  }

  #sendBody(content: RequestContent | null): void {
    const exchange = this.#exchange;
    if (exchange === undefined || content === null) return;
    this.#continueBy = NEVER;
    if (Buffer.isBuffer(content)) {
      this.transport.write(content);
      this.bodySent();
      return;
    }
    exchange.enter('send', exchange.times.idleTimeout);
    this.#sender = new BodySender(this.transport, content, this);
    this.#sender.start();
    this.#owner.deadlines.by(this.deadline);
  }

  bodyAdvanced(): void {
    this.#exchange?.advanced();
  }

  bodySent(): void {
    const exchange = this.#exchange;
    this.#sender = undefined;
    this.#sent = true;
    if (exchange === undefined || exchange.response !== undefined) return;
    exchange.enter('head', exchange.times.headTimeout);
    this.#owner.deadlines.by(this.deadline);
  }

  bodyFailed(error: Error): void {
    this.#sender = undefined;
    this.breakOff(error);
  }

  // ------------------------------------------------------------------------------- told by the parser

  onInformation(head: ResponseHead): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    this.#informational += 1;
    const { maxInformational } = this.#owner.limits;
    if (this.#informational > maxInformational) {
      this.#refuse(`It has more than ${maxInformational} responses of status 1xx before it`);
      return;
    }
    if (head.status === 100 && this.#continueBy !== NEVER) this.#sendBody(exchange.content);
    exchange.request.options?.onInformation?.(head);
  }

  onHead(head: ResponseHead): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    if (!head.keepAlive) this.#last = true;
    if (this.#patience === undefined) this.#patience = keepAliveSeconds(head);
    if (this.#continueBy !== NEVER) {
      // It does not want the body.
      this.#continueBy = NEVER;
      this.#last = true;
    }
    if (head.framing === 'tunnel') {
      const wrong = this.#wrongTunnel(exchange, head);
      if (wrong !== null) {
        this.#refuse(wrong);
        return;
      }
      this.state = 'tunnel';
      this.pauseReading();
    }
    exchange.begun(head);
    this.#owner.deadlines.by(this.deadline);
  }

  /** What is wrong with a change of protocols, or null. */
  #wrongTunnel(exchange: Exchange, head: ResponseHead): string | null {
    if (!this.#sent) return 'It changes the protocol before the request is complete';
    if (exchange.request.method === 'CONNECT' && head.status !== 101) return null;
    const wanted = exchange.text.upgrades;
    const given = listElements((head.upgrade ?? '').toLowerCase());
    const agreed = head.upgrade !== null && given.every((each) => wanted.includes(each));
    return agreed
      ? null
      : `It changes to ${head.upgrade ?? 'another protocol'}, which was not asked for`;
  }

  onBody(chunk: Buffer): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    this.#bodyLength += chunk.length;
    // The parser sees to it wherever a length is said.
    if (this.#bodyLength > this.#owner.limits.maxBodyLength) {
      this.onError(new HTTPParseError('ERR_HTTP_BODY_TOO_LONG', 'response'));
    } else {
      exchange.received(chunk);
    }
  }

  onEnd(trailers: readonly string[] | null): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    this.#exchange = undefined;
    if (!this.#sent) {
      // The rest of the request is not wanted, and without it there is no next one.
      this.#last = true;
      this.#sender?.stop();
      this.#sender = undefined;
    }
    // What follows was not asked for.
    if (this.#parser.bytesHeld > 0) this.#last = true;
    this.resumeReading();
    if (this.loss !== undefined) this.state = 'lost';
    else if (this.#last) this.#close();
    else this.#becomeIdle();
    exchange.completed(trailers);
  }

  #becomeIdle(): void {
    const { clock, deadlines, limits } = this.#owner;
    this.state = 'idle';
    const seconds = Math.min(this.#patience ?? NEVER, limits.cachedConnectionTimeout ?? NEVER);
    this.#idleBy = clock.seconds() + seconds;
    deadlines.by(this.#idleBy);
    this.#owner.connectionFree(this);
  }

  onError(error: HTTPParseError): void {
    const exchange = this.#exchange;
    if (exchange === undefined) {
      this.#close();
      return;
    }
    const reasons = [failureOf(error)];
    if (this.loss !== undefined) reasons.unshift(this.loss);
    this.breakOff(new ResponseFailed(reasons, exchange.response ?? null));
  }

  #refuse(why: string): void {
    const error = new ClientStateError(why);
    this.breakOff(new ResponseFailed([failureOf(error)], this.#exchange?.response ?? null));
  }

  // ------------------------------------------------------------------------------ told by the exchange

  pauseReading(): void {
    if (this.#readPaused) return;
    this.#readPaused = true;
    this.transport.pauseProducing();
  }

  resumeReading(): void {
    if (!this.#readPaused) return;
    this.#readPaused = false;
    this.#owner.deadlines.by(this.deadline);
    this.transport.resumeProducing();
  }

  breakOff(error: Error): void {
    if (this.loss === undefined) {
      this.state = 'closing';
      this.#parser.pause();
      this.#sender?.stop();
      this.#sender = undefined;
      this.transport.abortConnection();
    }
    this.#failExchange(error);
  }

  #failExchange(error: Error): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#continueBy = NEVER;
    this.#sender?.stop();
    this.#sender = undefined;
    exchange?.failed(error);
  }

  handOver(protocol: IProtocol): void {
    const rest = this.#parser.release();
    this.#exchange = undefined;
    this.next = protocol;
    // It is no longer one of those that there can be so many of.
    this.#owner.deadlines.remove(this);
    this.#owner.connectionGone(this);
    protocol.makeConnection(this.transport);
    if (rest.length > 0) protocol.dataReceived(rest);
    this.resumeReading();
  }

  // --------------------------------------------------------------------------------------------- time

  get deadline(): number {
    const exchange = this.#exchange;
    if (exchange === undefined) return this.#idleBy;
    return Math.min(exchange.deadline, this.#continueBy);
  }

  overdue(now: number): void {
    const exchange = this.#exchange;
    if (exchange === undefined) this.#overdueAlone();
    else if (this.#continueBy <= now) this.#sendBody(exchange.content);
    else exchange.overdue(now);
  }

  #overdueAlone(): void {
    this.#idleBy = NEVER;
    if (this.state === 'idle') this.#close();
    else this.transport.abortConnection();
  }

  /** Closes it, in good order, when nobody uses it. */
  close(): void {
    if (this.state === 'idle') this.#close();
  }

  #close(): void {
    const { clock, deadlines, limits } = this.#owner;
    this.state = 'closing';
    // What was written may wait for a server that does not read.
    this.#idleBy = clock.seconds() + limits.closeTimeout;
    deadlines.by(this.#idleBy);
    this.transport.loseConnection();
  }
}
