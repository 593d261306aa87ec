import { expect } from 'chai';
import {
  type IClientFactory,
  type IProtocolFactory,
  LibuvReactor,
  type LibuvReactorOptions,
  type ListeningPort,
} from '../../src/reactor/index.ts';
import { type Recorder, RecordingFactory } from '../support/recorder.ts';
import type { Pair, StreamWorld } from './stream.ts';

function turns(n: number): Promise<void> {
  return new Promise((resolve) => {
    const next = (left: number): void => {
      if (left === 0) resolve();
      else setImmediate(next, left - 1);
    };
    next(n);
  });
}

/** Connections over real sockets, each through a port of its own. Subclasses say of which kind. */
export abstract class LibuvWorld implements StreamWorld {
  protected readonly reactor: LibuvReactor;

  constructor(options: LibuvReactorOptions) {
    this.reactor = new LibuvReactor(options);
  }

  /** Listens somewhere with `servers`, and connects `clients` to that. */
  protected abstract open(servers: IProtocolFactory, clients: IClientFactory): ListeningPort;

  async connect<S extends Recorder, C extends Recorder>(server: S, client: C): Promise<Pair<S, C>> {
    await this.connectTo(() => server, client);
    await Promise.all([server.until(() => server.made), client.until(() => client.made)]);
    return { server, client };
  }

  async connectTo(build: () => Recorder | null, client: Recorder): Promise<void> {
    const servers = new RecordingFactory(build);
    const port = this.open(servers, new RecordingFactory(() => client));
    await Promise.all([
      servers.until(() => servers.peers.length > 0),
      client.until(() => client.made),
    ]);
    await port.stopListening();
  }

  wait<T>(promise: Promise<T>): Promise<T> {
    return promise;
  }

  settle(): Promise<void> {
    return turns(40);
  }

  async close(): Promise<void> {
    const running = this.reactor.run(false);
    this.reactor.stop();
    await running;
    expect(this.reactor.openCount).to.equal(0);
  }
}
