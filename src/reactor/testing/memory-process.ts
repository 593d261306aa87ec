/** The child process of a `MemoryReactor`: the test plays the child. */
import { Failure } from '../../deferred/index.ts';
import { checkData } from '../check-data.ts';
import { ProcessDone, ProcessExitedAlready, ProcessTerminated } from '../errors.ts';
import type { Data, PullProducer, PushProducer } from '../interfaces.ts';
import type {
  IProcessProtocol,
  ProcessTransport,
  SpawnProcessOptions,
} from '../process-interfaces.ts';

let nextPID = 1000;

/**
 * Keeps what is written to the child and what is asked of it; never calls the protocol by itself. Give the protocol what the child says with
 * `protocol.childDataReceived(1, ...)`, and end the child with `exit`.
 */
export class MemoryProcess implements ProcessTransport {
  /** Null once it has exited. */
  pid: number | null = nextPID++;
  /** The signals that were sent, as they were named, in order. */
  readonly signals: Array<string | number> = [];
  /** `killTree` was called. */
  treeKilled = false;
  /** What `pauseProducing` and `resumeProducing` have made of it. */
  paused = false;
  /** The registered producer, or null. It is called by the test only. */
  producer: PushProducer | PullProducer | null = null;
  /** The child's descriptors that are pipes and open. */
  readonly open: Set<number> = new Set();
  readonly #protocol: IProcessProtocol;
  readonly #pipes: ReadonlyMap<number, 'r' | 'w'>;
  readonly #written = new Map<number, Buffer[]>();

  constructor(protocol: IProcessProtocol, options: SpawnProcessOptions = {}) {
    this.#protocol = protocol;
    const pipes = new Map<number, 'r' | 'w'>();
    for (const [fd, kind] of Object.entries(options.childFDs ?? { 0: 'w', 1: 'r', 2: 'r' })) {
      if (typeof kind === 'string') pipes.set(Number(fd), kind);
    }
    this.#pipes = pipes;
    for (const fd of pipes.keys()) this.open.add(fd);
  }

  /** What was written to one of the child's descriptors, by default its standard input. */
  value(childFD = 0): Buffer {
    return Buffer.concat(this.#written.get(childFD) ?? []);
  }

  /**
   * The child exits: the protocol hears that each descriptor is closed, that the child has exited, and that it has ended.
   * @param how its exit code, or the name of the signal that ended it ('SIGTERM')
   * @throws {ProcessExitedAlready}
   */
  exit(how: number | string = 0): void {
    this.#checkRuns('end a child');
    this.pid = null;
    const error =
      how === 0
        ? new ProcessDone()
        : typeof how === 'number'
          ? new ProcessTerminated(how, null, how)
          : new ProcessTerminated(null, how);
    for (const fd of this.#pipes.keys()) {
      this.open.delete(fd);
      this.#protocol.childConnectionLost(fd);
    }
    const reason = new Failure(error);
    this.#protocol.processExited(reason);
    this.#protocol.processEnded(reason);
  }

  write(data: Data): void {
    checkData(data);
    if (this.#pipes.get(0) === 'w') this.writeToChild(0, data);
  }

  writeSequence(data: Iterable<Data>): void {
    const chunks = [...data];
    for (const chunk of chunks) checkData(chunk);
    for (const chunk of chunks) this.write(chunk);
  }

  writeToChild(childFD: number, data: Data): void {
    checkData(data);
    if (this.#pipes.get(childFD) !== 'w') {
      throw new RangeError(`Cannot write to descriptor ${childFD} of the child: no such pipe`);
    }
    if (!this.open.has(childFD)) return;
    const written = this.#written.get(childFD) ?? [];
    written.push(Buffer.from(data));
    this.#written.set(childFD, written);
  }

  closeStdin(): void {
    this.open.delete(0);
  }

  closeStdout(): void {
    this.open.delete(1);
  }

  closeStderr(): void {
    this.open.delete(2);
  }

  closeChildFD(childFD: number): void {
    if (!this.#pipes.has(childFD)) {
      throw new RangeError(`Cannot close descriptor ${childFD} of the child: no such pipe`);
    }
    this.open.delete(childFD);
  }

  loseConnection(): void {
    for (const fd of [0, 1, 2]) this.open.delete(fd);
  }

  signalProcess(signal: string | number): void {
    this.#checkRuns(`send signal ${signal}`);
    this.signals.push(signal);
  }

  killTree(): void {
    this.#checkRuns('kill a child');
    this.treeKilled = true;
  }

  registerProducer(producer: PushProducer | PullProducer, _streaming: boolean): void {
    this.producer = producer;
  }

  unregisterProducer(): void {
    this.producer = null;
  }

  pauseProducing(): void {
    this.paused = true;
  }

  resumeProducing(): void {
    this.paused = false;
  }

  stopProducing(): void {
    this.loseConnection();
  }

  #checkRuns(deed: string): void {
    if (this.pid === null) throw new ProcessExitedAlready(`Cannot ${deed}: it has exited`);
  }
}
