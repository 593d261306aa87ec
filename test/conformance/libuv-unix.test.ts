import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

/** Connections over UNIX sockets, each through a file of its own. */
class UNIXWorld implements StreamWorld {
  readonly #reactor: LibuvReactor;
  readonly #folder = mkdtempSync(join(tmpdir(), 'strand-'));
  #count = 0;

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
    this.#count += 1;
    const path = join(this.#folder, `${this.#count}.sock`);
    const port = this.#reactor.listenUNIX(path, servers);
    this.#reactor.connectUNIX(path, new RecordingFactory(() => client));
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
    rmSync(this.#folder, { recursive: true });
  }
}

const abilities = { resets: false, namesClients: false };

describeStream('UNIX sockets on libuv', async () => new UNIXWorld({}), abilities);
describeStream(
  'UNIX sockets on libuv, read by stream events',
  async () => new UNIXWorld({ readMethod: 'data' }),
  abilities,
);
