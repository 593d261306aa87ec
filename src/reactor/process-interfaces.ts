/** The contracts of child processes: who starts them, who hears of them (Twisted: `IReactorProcess`, `IProcessTransport`, `IProcessProtocol`). */
import type { Failure } from '../deferred/index.ts';
import type { Consumer, Data, PushProducer } from './interfaces.ts';

/** What runs a child and hears of it (Twisted: `IProcessProtocol`). */
export interface IProcessProtocol {
  /** Called once, before anything else. A program that could not be started is connected too, and ended in the next turn. */
  makeConnection(transport: ProcessTransport): void;
  /** Bytes from the child's descriptor; `ProcessProtocol` hands 1 and 2 to `outReceived` and `errReceived`. The buffer belongs to the protocol. */
  childDataReceived(childFD: number, data: Buffer): void;
  /** A descriptor is closed: by the child, or by us. Once for each that is a pipe. */
  childConnectionLost(childFD: number): void;
  /** The child has exited; its descriptors may still be open in its own children. */
  processExited(reason: Failure): void;
  /** It has exited and all its descriptors are closed: the last call. `ProcessDone` or `ProcessTerminated`. */
  processEnded(reason: Failure): void;
  /** What log lines call it. */
  logPrefix?(): string;
}

/**
 * A running child (Twisted: `IProcessTransport`). As a consumer it is the child's standard input; as a producer, all of the child's
 * descriptors that we read. What is written to a descriptor that is closed is dropped.
 */
export interface ProcessTransport extends Consumer, PushProducer {
  /** Null once it has exited, and for a program that could not be started. */
  readonly pid: number | null;
  /** Writes all of it to standard input, one behind the other. */
  writeSequence(data: Iterable<Data>): void;
  /** @throws {RangeError} when the child has no such descriptor that can be written */
  writeToChild(childFD: number, data: Data): void;
  /** Closes standard input once everything written has left and a registered producer is done. */
  closeStdin(): void;
  /** Closes our end of its standard output. */
  closeStdout(): void;
  /** Closes our end of its standard error. */
  closeStderr(): void;
  /** @throws {RangeError} when the child has no pipe on that descriptor */
  closeChildFD(childFD: number): void;
  /** Closes standard input, output and error. */
  loseConnection(): void;
  /** Nothing is read from the child until `resumeProducing`, so that it will wait, and cannot end before its output is read. */
  pauseProducing(): void;
  /**
   * @param signal a name with or without 'SIG' ('KILL', 'SIGTERM'), or a number
   * @throws {ProcessExitedAlready} @throws {RangeError} for a signal that does not exist
   */
  signalProcess(signal: string | number): void;
  /** Ends the child and all that it has started, at once and without appeal. @throws {ProcessExitedAlready} */
  killTree(): void;
}

/** Options of `spawnProcess`. */
export interface SpawnProcessOptions {
  /** Environment; null (default) hands ours on. */
  env?: Readonly<Record<string, string>> | null;
  /** Working directory. Default: ours. */
  path?: string | null;
  /** User to run as; POSIX only. Default: ours. */
  uid?: number | null;
  /** Group to run as; POSIX only. Default: ours. */
  gid?: number | null;
  /** A terminal instead of pipes: not supported, asking for it throws. */
  usePTY?: false;
  /**
   * The child's descriptors: 'w' one that we write, 'r' one that we read, a number one of ours. Default { 0: 'w', 1: 'r', 2: 'r' }. Of those that are not named,
   * 0 to 2 are the null device, and the others closed.
   */
  childFDs?: Readonly<Record<number, 'r' | 'w' | number>>;
  /** Seconds that a child has after SIGTERM when the reactor shuts down; then its whole tree is killed. Default 5. */
  killTimeout?: number;
}

/** Child processes (Twisted: `IReactorProcess`). */
export interface ReactorProcess {
  /**
   * Starts a program. A program that cannot be started ends its protocol with a `ProcessTerminated` whose cause says why.
   * @param executable a path, or a name that is looked for in PATH
   * @param args with the program's own name first, as in Twisted
   * @throws {TypeError} for arguments or environment that are not strings or have a NUL in them
   */
  spawnProcess(
    protocol: IProcessProtocol,
    executable: string,
    args?: readonly string[],
    options?: SpawnProcessOptions,
  ): ProcessTransport;
}
