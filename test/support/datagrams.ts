/** A protocol that writes down which datagrams come and lets a test wait for them; and a reactor to try it on. */
import dgram from 'node:dgram';
import { expect } from 'chai';
import sinon from 'sinon';
import type { Failure } from '../../src/deferred/index.ts';
import type {
  IDatagramProtocol,
  ListenMulticastOptions,
  MulticastTransport,
  UDPListeningPort,
} from '../../src/reactor/index.ts';
import { LibuvReactor } from '../../src/reactor/index.ts';
import { FailureTrap, Progress } from './recorder.ts';

export const HOST = '127.0.0.1';
export const LOOPBACK = { interface: HOST };

/** A datagram protocol that writes down what happens to it. */
export class Datagrams implements IDatagramProtocol {
  readonly progress = new Progress();
  readonly calls: string[] = [];
  readonly got: Buffer[] = [];
  readonly from: Array<[string, number]> = [];
  readonly failures: Failure[] = [];
  readonly failedTo: Array<[string, number]> = [];
  transport!: MulticastTransport;
  onStart: ((transport: MulticastTransport) => unknown) | undefined;
  onData: ((data: Buffer, addr: [string, number]) => unknown) | undefined;
  onStop: (() => unknown) | undefined;

  #note(call: string): void {
    this.calls.push(call);
    this.progress.changed();
  }

  makeConnection(transport: MulticastTransport): unknown {
    this.transport = transport;
    this.#note('start');
    return this.onStart?.(transport);
  }

  datagramReceived(data: Buffer, addr: [string, number]): unknown {
    this.got.push(data);
    this.from.push(addr);
    this.#note('data');
    return this.onData?.(data, addr);
  }

  connectionRefused(): void {
    this.#note('refused');
  }

  connectionFailed(reason: Failure): void {
    this.failures.push(reason);
    this.#note('connectionFailed');
  }

  sendFailed(reason: Failure, addr: [string, number]): void {
    this.failures.push(reason);
    this.failedTo.push(addr);
    this.#note('sendFailed');
  }

  doStop(): unknown {
    this.#note('stop');
    return this.onStop?.();
  }

  get texts(): string[] {
    return this.got.map(String);
  }

  count(call: string): number {
    return this.calls.filter((one) => one === call).length;
  }

  /** Resolves once so many datagrams have come. */
  received(count: number): Promise<void> {
    return this.progress.until(() => this.got.length >= count);
  }

  heard(call: string, count = 1): Promise<void> {
    return this.progress.until(() => this.count(call) >= count);
  }
}

/** Hears only what it must. */
export class Minimal implements IDatagramProtocol {
  transport!: MulticastTransport;
  makeConnection(transport: MulticastTransport): void {
    this.transport = transport;
  }
  datagramReceived(): void {}
  connectionRefused(): void {}
  doStop(): void {}
}

/** Whether this host has an IPv6 loopback. */
export function hasIPv6(): boolean {
  const socket = dgram.createSocket({
    type: 'udp6',
    lookup: (host, _options, callback) => callback(null, host, 6),
  });
  let works = true;
  socket.on('error', () => {
    works = false;
  });
  socket.bind({ port: 0, address: '::1', exclusive: true });
  socket.close();
  return works;
}

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A protocol, its port and the number of that. */
export interface Started {
  readonly protocol: Datagrams;
  readonly port: UDPListeningPort;
  readonly number: number;
}

/** A reactor and a trap for failures, new for each test of the suite that it is made in; nothing may stay open. */
export class UDPSuite {
  reactor = new LibuvReactor();
  trap = new FailureTrap();

  constructor() {
    this.trap.restore();
    beforeEach(() => {
      this.reactor = new LibuvReactor();
      this.trap = new FailureTrap();
    });
    afterEach(async () => {
      sinon.restore();
      await this.shutDown();
      expect(this.reactor.openCount).to.equal(0);
      this.trap.restore();
    });
  }

  /** Does nothing the second time. */
  async shutDown(): Promise<void> {
    if (this.#stopped === this.reactor) return;
    this.#stopped = this.reactor;
    const running = this.reactor.run(false);
    this.reactor.stop();
    await running;
  }
  #stopped: LibuvReactor | undefined;

  readonly listen = (
    protocol: IDatagramProtocol,
    options: ListenMulticastOptions = LOOPBACK,
    number = 0,
  ): UDPListeningPort => this.reactor.listenMulticast(number, protocol, options);

  readonly start = (options?: ListenMulticastOptions, number = 0): Started => {
    const protocol = new Datagrams();
    const port = this.listen(protocol, options, number);
    return { protocol, port, number: port.getHost().port };
  };

  /** A port that nobody listens on. */
  readonly freePort = async (): Promise<number> => {
    const { port, number } = this.start();
    await port.stopListening();
    return number;
  };

  /** What was reported, as text. */
  readonly reports = (): string[] =>
    this.trap.caught.map(({ origin, failure }) => `${origin}: ${failure.value}`);
}
