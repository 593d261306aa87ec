import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IClientFactory, IProtocolFactory, ListeningPort } from '../../src/reactor/index.ts';
import { LibuvWorld } from './libuv-world.ts';
import { describeStream } from './stream.ts';

/** Over UNIX sockets, each through a file of its own. */
class UNIXWorld extends LibuvWorld {
  readonly #folder = mkdtempSync(join(tmpdir(), 'strand-'));
  #count = 0;

  protected override open(servers: IProtocolFactory, clients: IClientFactory): ListeningPort {
    this.#count += 1;
    const path = join(this.#folder, `${this.#count}.sock`);
    const port = this.reactor.listenUNIX(path, servers);
    this.reactor.connectUNIX(path, clients);
    return port;
  }

  override async close(): Promise<void> {
    await super.close();
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
