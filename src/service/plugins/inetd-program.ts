/** A program for each connection: what comes is its input, and what it writes goes back. */
import type { Failure } from '../../deferred/index.ts';
import { connectionDone, Factory, ProcessProtocol, Protocol } from '../../protocols/index.ts';
import {
  type Address,
  type ProcessTransport,
  type PushProducer,
  reactor,
  type SpawnProcessOptions,
} from '../../reactor/index.ts';
import { Logger } from '../logging/logger.ts';

const log = new Logger('inetd');

/** Makes one for each connection, up to a limit. */
export class ProgramFactory extends Factory<ProgramConnection> {
  readonly program: string;
  readonly args: readonly string[];
  readonly identity: Pick<SpawnProcessOptions, 'uid' | 'gid'>;
  /** Programs that run. */
  running = 0;
  readonly #most: number;

  constructor(
    program: string,
    args: readonly string[],
    most: number,
    identity: Pick<SpawnProcessOptions, 'uid' | 'gid'>,
  ) {
    super();
    this.program = program;
    this.args = args;
    this.identity = identity;
    this.#most = most;
  }

  override buildProtocol(peer: Address): ProgramConnection | null {
    if (this.running >= this.#most) {
      log.warn('Closing the connection of {peer}: {most} of {program} run already', {
        ...{ peer: String(peer), most: this.#most, program: this.program },
      });
      return null;
    }
    const connection = new ProgramConnection();
    connection.factory = this;
    return connection;
  }
}

/** A connection and its program, each of which waits for the other when that reads slowly. */
class ProgramConnection extends Protocol<ProgramFactory> {
  #process: ProcessTransport | undefined;
  #lost = false;

  override connectionMade(): void {
    const { factory, transport } = this;
    factory.running += 1;
    const child = this.#spawn();
    this.#process = child;
    transport.registerProducer(child, true);
    const pace: PushProducer = {
      pauseProducing: () => transport.pauseProducing(),
      resumeProducing: () => transport.resumeProducing(),
      stopProducing: () => transport.loseConnection(),
    };
    child.registerProducer(pace, true);
  }

  /** What throws has started nothing, and the connection ends by it. */
  #spawn(): ProcessTransport {
    const { factory } = this;
    try {
      return reactor.spawnProcess(new Child(this), factory.program, factory.args, factory.identity);
    } catch (error) {
      factory.running -= 1;
      throw error;
    }
  }

  override dataReceived(data: Buffer): void {
    this.#process?.write(data);
  }

  /** The peer has said all: the program may go on answering. */
  readConnectionLost(): void {
    // Its input ends once nobody is there who could have more for it.
    this.#process?.unregisterProducer();
    this.#process?.closeStdin();
  }

  writeConnectionLost(): void {}

  override connectionLost(_reason: Failure = connectionDone): void {
    this.#lost = true;
    this.#process?.loseConnection();
    if (this.#process !== undefined) signal(this.#process, 'HUP');
  }

  programWrote(data: Buffer): void {
    if (!this.#lost) this.transport.write(data);
  }

  programEnded(reason: Failure): void {
    this.factory.running -= 1;
    this.#process = undefined;
    if (reason.getErrorMessage() !== '') {
      log.debug('{program} has ended: {reason}', {
        ...{ program: this.factory.program, reason: reason.getErrorMessage() },
      });
    }
    if (this.#lost) return;
    this.transport.unregisterProducer();
    this.transport.loseConnection();
  }
}

class Child extends ProcessProtocol {
  readonly #connection: ProgramConnection;

  constructor(connection: ProgramConnection) {
    super();
    this.#connection = connection;
  }

  override outReceived(data: Buffer): void {
    this.#connection.programWrote(data);
  }

  /** As inetd has it: both go to whoever connected. */
  override errReceived(data: Buffer): void {
    this.#connection.programWrote(data);
  }

  override processEnded(reason: Failure): void {
    this.#connection.programEnded(reason);
  }
}

function signal(child: ProcessTransport, name: string): void {
  try {
    child.signalProcess(name);
  } catch {
    // It has ended.
  }
}
