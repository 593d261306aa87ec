/** A worker's side of what it and its supervisor say to each other. */
import { type SharedListener, shareListeners } from '../../../reactor/index.ts';
import type { ProcessMetrics } from '../../admin/prometheus.ts';
import {
  closeHandle,
  type FromWorker,
  isMessage,
  type ToWorker,
  WORKER_VARIABLE,
} from './messages.ts';

export class WorkerLink {
  /** Which of the workers this is, from 1 on. */
  readonly number: number;
  readonly #sockets = new Map<string, SharedListener[]>();
  #metrics: (() => Promise<ProcessMetrics>) | undefined;

  private constructor(number: number) {
    this.number = number;
  }

  /** The link of this process; null when it is no worker. What it starts is none, so it is told once. */
  static ofThisProcess(): WorkerLink | null {
    const number = Number(process.env[WORKER_VARIABLE] ?? Number.NaN);
    delete process.env[WORKER_VARIABLE];
    if (!Number.isInteger(number) || process.send === undefined) return null;
    return new WorkerLink(number);
  }

  /**
   * Takes the sockets that other workers have bound, and has those that this one binds handed on. Resolves once it is to start.
   * @param orphaned called when the supervisor has gone
   */
  async begin(orphaned: () => void): Promise<void> {
    await new Promise<void>((resolve) => {
      process.on('message', (message, socket) => {
        if (!isMessage(message)) return;
        const said = message as ToWorker; // nobody else says such things
        if (said.strand === 'socket') this.#keep(said.address, socket);
        else if (said.strand === 'report') void this.#report(said.question);
        else if (said.strand === 'drop') this.#drop(said.address);
        else if (said.strand === 'start') resolve();
      });
      process.once('disconnect', () => {
        orphaned();
        resolve();
      });
    });
    shareListeners({
      has: (address) => (this.#sockets.get(address)?.length ?? 0) > 0,
      take: (address) => this.#take(address),
      bound: (address, listener) => this.#send({ strand: 'bound', address }, listener),
    });
  }

  started(): void {
    this.#send({ strand: 'started' });
  }

  /** @param text why it has not started; resolves when that was said */
  failed(text: string): Promise<void> {
    return new Promise((resolve) => this.#send({ strand: 'failed', text }, undefined, resolve));
  }

  /** @param metrics how this process stands */
  tellWhenAsked(metrics: () => Promise<ProcessMetrics>): void {
    this.#metrics = metrics;
  }

  async #report(question: number): Promise<void> {
    // One that cannot say has nothing to say.
    const metrics = await this.#metrics?.().catch(() => undefined);
    if (metrics !== undefined) this.#send({ strand: 'report', question, metrics });
  }

  #take(address: string): SharedListener | undefined {
    const socket = this.#sockets.get(address)?.shift();
    if (socket !== undefined) this.#send({ strand: 'taken', address });
    return socket;
  }

  #drop(address: string): void {
    this.#sockets.get(address)?.forEach(closeHandle);
    this.#sockets.delete(address);
  }

  #keep(address: string, socket: unknown): void {
    if (typeof socket !== 'object' || socket === null) return;
    const others = this.#sockets.get(address);
    if (others === undefined) this.#sockets.set(address, [socket]);
    else others.push(socket);
  }

  #send(message: FromWorker, socket?: SharedListener, said: () => void = () => {}): void {
    if (!process.connected) {
      said();
      return;
    }
    // Node's types know the handles that have a class of their own; what a reactor listens with is one of those inside.
    const send = process.send as (message: unknown, handle: unknown, done: () => void) => boolean;
    send.call(process, message, socket, said);
  }
}
