/** Who does what in AMP: boxes are sent, received, and found somebody to answer them. Nothing here runs. */
import type { Deferred, Failure } from '../../deferred/index.ts';
import type { IProtocol, StartTLSOptions, TLSContext, Transport } from '../../reactor/index.ts';
import type { AmpBox } from './box.ts';
import type { BoxDispatcher } from './dispatcher.ts';

/** Carries boxes to the peer (Twisted: `IBoxSender`). A `BinaryBoxProtocol` is one. */
export interface BoxSender {
  /** The connection. */
  readonly transport: Transport;
  /** @throws {ProtocolSwitched} once it speaks another protocol */
  sendBox(box: AmpBox): void;
  /** A failure that nobody took: it is reported, and the connection closed. */
  unhandledError(failure: Failure): void;
  /** Closes the connection, once what was sent is on its way. */
  loseConnection(): void;

  // What follows happens between two boxes.

  /** Keeps what comes until `release`. */
  hold(): void;
  /** Takes `hold` back. */
  release(): void;
  /** TLS is about to begin. @throws {OnlyOneTLS} @throws {AmpError} when the connection cannot have it */
  prepareTLS(): void;
  /** Keeps boxes until TLS begins. */
  waitForTLS(): void;
  /** TLS will not begin after all. */
  forgetTLS(): void;
  /** Goes on under TLS. */
  startTLS(context: TLSContext, options?: StartTLSOptions): void;
  /** No box is to be sent any more, because another protocol is about to take over. @throws {ProtocolSwitched} */
  lockForSwitch(): void;
  /** No other protocol takes over after all. */
  unlockFromSwitch(): void;
  /** Hands the connection over, with what has come and is not a box any more. */
  switchTo(protocol: IProtocol): void;
}

/** Takes what the peer sends (Twisted: `IBoxReceiver`). A `BoxDispatcher` is one. */
export interface BoxReceiver {
  /** Called once, before anything else. */
  startReceivingBoxes(sender: BoxSender): void;
  /** @throws {AmpError} when it makes no sense; that ends the connection */
  ampBoxReceived(box: AmpBox): void;
  /** The connection is over. */
  stopReceivingBoxes(reason: Failure): void;
}

/** Answers one command: a box in, a box out. It throws or fails with a `RemoteAmpError` to answer with that. */
export type BoxResponder = (
  box: AmpBox,
  dispatcher: BoxDispatcher,
) => AmpBox | Deferred<AmpBox> | PromiseLike<AmpBox>;

/** Finds what answers a command (Twisted: `IResponderLocator`). */
export interface ResponderLocator {
  /** @param name of the command, as it came; null if there is nothing for it */
  locateResponder(name: string): BoxResponder | null;
}
