/** Files of which every byte counts: memory that is used again must not be used too early. */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { InMemoryUsernamePasswordDatabase, Portal } from '../../../src/protocols/cred/index.ts';
import {
  connectFTP,
  FTPFactory,
  type FTPFactoryOptions,
  FTPRealm,
} from '../../../src/protocols/ftp/index.ts';
import {
  type Consumer,
  type Data,
  type PushProducer,
  reactor,
} from '../../../src/reactor/index.ts';
import { certificates } from '../../support/certificates.ts';
import { folders } from './support-files.ts';

const SIZE = 12_345_678;

/** Sums up what is written to it, and has its producer wait again and again. */
class Fitful implements Consumer {
  readonly #hash = createHash('sha256');
  #pieces = 0;
  #producer: PushProducer | null = null;
  registerProducer(producer: PushProducer): void {
    this.#producer = producer;
  }
  unregisterProducer(): void {
    this.#producer = null;
  }
  write(data: Data): void {
    this.#hash.update(data);
    this.#pieces += 1;
    if (this.#pieces % 7 !== 0) return;
    const producer = this.#producer;
    producer?.pauseProducing();
    setImmediate(() => producer?.resumeProducing());
  }
  get sum(): string {
    return this.#hash.digest('hex');
  }
}

describe('An FTP server with large files', function () {
  this.timeout(60_000);
  const on = folders();
  const bytes = randomBytes(SIZE);
  const sum = createHash('sha256').update(bytes).digest('hex');

  for (const [title, security, options] of [
    ['in clear', 'none', {}],
    ['under TLS', 'explicit', { tls: certificates().server, requireDataTLS: true }],
    ['slowed down', 'none', { maxRate: 1e9 }],
  ] as ReadonlyArray<readonly [string, 'none' | 'explicit', FTPFactoryOptions]>) {
    it(`sends and stores them as they are, several at a time, ${title}`, async () => {
      writeFileSync(join(on.root, 'large'), bytes);
      const realm = new FTPRealm(null, on.base, { home: () => on.root });
      const users = new InMemoryUsernamePasswordDatabase({ alice: 'wonder' });
      const factory = new FTPFactory(new Portal(realm, [users]), options);
      factory.noisy = false;
      const listening = reactor.listenTCP(0, factory, { interface: '127.0.0.1' });
      const { port } = listening.getHost();
      const session = async (number: number): Promise<void> => {
        const client = await connectFTP('127.0.0.1', {
          ...{ port, username: 'alice', password: 'wonder', security },
          tls: { ca: certificates().ca.cert },
        });
        const there = new Fitful();
        expect(await client.download('large', there)).to.equal(SIZE);
        expect(there.sum).to.equal(sum);
        expect(await client.upload(bytes.subarray(number), `new${number}`)).to.equal(SIZE - number);
        await client.quit();
        expect(readFileSync(join(on.root, `new${number}`)).equals(bytes.subarray(number))).to.equal(
          true,
        );
      };
      await Promise.all([0, 1, 2, 3].map(session));
      await listening.stopListening();
      await factory.drain(1);
    });
  }
});
