import type { Failure } from '../deferred/index.ts';
import type { IProcessProtocol, ProcessTransport } from '../reactor/index.ts';

/**
 * One child process, from start to end: subclass it and override what you want to hear of. Every method but `makeConnection` and the two
 * that tell descriptors apart does nothing until overridden.
 *
 * The order of calls: `connectionMade`; then data, and the loss of each descriptor; `processExited` when the child is gone; `processEnded`
 * once it is gone and every descriptor is closed.
 *
 * Twisted: `twisted.internet.protocol.ProcessProtocol`.
 *
 * @example
 * class WordCount extends ProcessProtocol {
 *   override connectionMade(): void {
 *     this.transport.write('one two three');
 *     this.transport.closeStdin();
 *   }
 *   override outReceived(data: Buffer): void {
 *     console.log(`${data}`);
 *   }
 * }
 * reactor.spawnProcess(new WordCount(), 'wc', ['wc', '-w']);
 */
export class ProcessProtocol implements IProcessProtocol {
  /** The child; there from `connectionMade` on. */
  transport!: ProcessTransport;

  /** Called by the reactor, once: takes the transport, then calls `connectionMade`. */
  makeConnection(transport: ProcessTransport): unknown {
    this.transport = transport;
    // Returned, here and below, because an async method may fail later.
    return this.connectionMade();
  }

  /** The child runs: the place to write to it. */
  connectionMade(): void {}

  /** Bytes came from one of the child's descriptors: standard output and error have methods of their own, which this calls. */
  childDataReceived(childFD: number, data: Buffer): unknown {
    if (childFD === 1) return this.outReceived(data);
    if (childFD === 2) return this.errReceived(data);
    return undefined;
  }

  /** The child wrote to its standard output. The buffer is yours. */
  outReceived(_data: Buffer): void {}

  /** The child wrote to its standard error. The buffer is yours. */
  errReceived(_data: Buffer): void {}

  /** One of the child's descriptors is closed: the three standard ones have methods of their own, which this calls. */
  childConnectionLost(childFD: number): unknown {
    if (childFD === 0) return this.inConnectionLost();
    if (childFD === 1) return this.outConnectionLost();
    if (childFD === 2) return this.errConnectionLost();
    return undefined;
  }

  /** The child's standard input is closed: nothing more can be written to it. */
  inConnectionLost(): void {}

  /** The child's standard output is closed. */
  outConnectionLost(): void {}

  /** The child's standard error is closed. */
  errConnectionLost(): void {}

  /** The child is gone. Output that it left behind, or that its own children write, may still come. */
  processExited(_reason: Failure): void {}

  /** It is all over. `reason` holds ProcessDone for exit code 0, else ProcessTerminated with the code or the signal. */
  processEnded(_reason: Failure): void {}

  /** How log lines name this protocol. */
  logPrefix(): string {
    return this.constructor.name;
  }
}
