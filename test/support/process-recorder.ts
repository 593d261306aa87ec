/** A process protocol that writes down what happens to it and lets a test wait for it. */
import type { Failure } from '../../src/deferred/index.ts';
import type { IProcessProtocol, ProcessTransport } from '../../src/reactor/process-interfaces.ts';
import { Progress } from './recorder.ts';

/** What a test may have a recorder do besides recording. */
export interface ProcessHooks {
  made?: (transport: ProcessTransport) => void;
  data?: (recorder: ProcessRecorder, fd: number, data: Buffer) => void;
  exited?: (recorder: ProcessRecorder) => void;
}

export class ProcessRecorder implements IProcessProtocol {
  /** 'made', 'data 1', 'lost 0', 'exited', 'ended'; data that follows data is not written again. */
  readonly calls: string[] = [];
  readonly progress = new Progress();
  readonly hooks: ProcessHooks;
  readonly #chunks = new Map<number, Buffer[]>();
  transport!: ProcessTransport;
  exitReason: Failure | undefined;
  reason: Failure | undefined;

  constructor(hooks: ProcessHooks = {}) {
    this.hooks = hooks;
  }

  #note(call: string): void {
    if (this.calls.at(-1) !== call) this.calls.push(call);
  }

  makeConnection(transport: ProcessTransport): void {
    this.transport = transport;
    this.#note('made');
    this.hooks.made?.(transport);
  }

  childDataReceived(childFD: number, data: Buffer): void {
    this.#note(`data ${childFD}`);
    const chunks = this.#chunks.get(childFD) ?? [];
    chunks.push(data);
    this.#chunks.set(childFD, chunks);
    this.hooks.data?.(this, childFD, data);
    this.progress.changed();
  }

  childConnectionLost(childFD: number): void {
    this.#note(`lost ${childFD}`);
    this.progress.changed();
  }

  processExited(reason: Failure): void {
    this.#note('exited');
    this.exitReason = reason;
    this.hooks.exited?.(this);
    this.progress.changed();
  }

  processEnded(reason: Failure): void {
    this.#note('ended');
    this.reason = reason;
    this.progress.changed();
  }

  logPrefix(): string {
    return 'Recorder';
  }

  /** What came from a descriptor. */
  text(fd = 1): string {
    return Buffer.concat(this.#chunks.get(fd) ?? []).toString();
  }

  has(call: string): boolean {
    return this.calls.includes(call);
  }

  until(condition: () => boolean): Promise<void> {
    return this.progress.until(condition);
  }

  untilText(text: string): Promise<void> {
    return this.until(() => this.text().includes(text));
  }

  untilEnded(): Promise<void> {
    return this.until(() => this.reason !== undefined);
  }
}
