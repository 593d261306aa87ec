import { expect } from 'chai';
import { LibuvReactor, type LibuvReactorOptions } from '../../src/reactor/index.ts';
import { type Recorder, RecordingFactory } from '../support/recorder.ts';
import { describeStream, type Pair, type StreamWorld } from './stream.ts';

function turns(n: number): Promise<void> {
  return new Promise((resolve) => {
    const next = (left: number): void => {
      if (left === 0) resolve();
      else setImmediate(next, left - 1);
    };
    next(n);
  });
}

/** Connections over TCP on loopback, each through a port of its own. */
class TCPWorld implements StreamWorld {
  readonly #reactor: LibuvReactor;

  constructor(options: LibuvReactorOptions) {
    this.#reactor = new LibuvReactor(options);
  }

  async connect<S extends Recorder, C extends Recorder>(server: S, client: C): Promise<Pair<S, C>> {
    await this.connectTo(() => server, client);
    await Promise.all([server.until(() => server.made), client.until(() => client.made)]);
    return { server, client };
  }

  async connectTo(build: () => Recorder | null, client: Recorder): Promise<void> {
    const servers = new RecordingFactory(build);
    const port = this.#reactor.listenTCP(0, servers, { interface: '127.0.0.1' });
    const address = port.getHost();
    if (!('port' in address)) throw new Error(`Not a TCP address: ${address}`);
    this.#reactor.connectTCP('127.0.0.1', address.port, new RecordingFactory(() => client));
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
    const running = this.#reactor.run(false);
    this.#reactor.stop();
    await running;
    expect(this.#reactor.openCount).to.equal(0);
  }
}

describeStream('TCP on libuv', async () => new TCPWorld({}));
describeStream(
  'TCP on libuv, read by stream events',
  async () => new TCPWorld({ readMethod: 'data' }),
);
