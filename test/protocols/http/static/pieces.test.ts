/** Memory that is used again: only where nobody else can still need it. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTLS } from 'node:tls';
import { expect } from 'chai';
import { File, Request, Site, type SiteOptions } from '../../../../src/protocols/http/index.ts';
import { FileBody, type Releasing } from '../../../../src/protocols/http/static/file-body.ts';
import { ProtocolWrapper, WrappingFactory } from '../../../../src/protocols/index.ts';
import {
  type Consumer,
  type Data,
  type IProtocolFactory,
  LibuvReactor,
  type ListeningPort,
  type PullProducer,
  type PushProducer,
} from '../../../../src/reactor/index.ts';
import { certificates } from '../../../support/certificates.ts';

const PIECE = 131_072;
const CONTENT = randomBytes(20 * PIECE + 5);
const HASH = createHash('sha256').update(CONTENT).digest('hex');

/** Takes pieces, keeps where their bytes were, and lets the producer go on in a later turn. */
class Slow implements Consumer {
  readonly memory = new Set<ArrayBufferLike>();
  writes = 0;
  readonly hash = createHash('sha256');
  readonly #pauses: boolean;
  producer: FileBody | undefined;

  constructor(pauses: boolean) {
    this.#pauses = pauses;
  }

  registerProducer(_producer: PullProducer): void {}
  unregisterProducer(): void {}

  write(data: Data): void {
    if (typeof data === 'string') throw new TypeError('Files are bytes');
    this.memory.add(data.buffer);
    this.writes += 1;
    // As a kernel does it: the bytes are copied at some time before it resumes.
    if (!this.#pauses) {
      this.hash.update(data);
      return;
    }
    this.producer?.pauseProducing();
    setImmediate(() => {
      this.hash.update(data);
      setImmediate(() => this.producer?.resumeProducing());
    });
  }
}

describe('The pieces of a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'strand-pieces-'));
  const path = join(folder, 'file');
  before(() => writeFileSync(path, CONTENT));
  after(() => rmSync(folder, { recursive: true }));

  async function send(releasing: Releasing | null, pauses = true): Promise<Slow> {
    const consumer = new Slow(pauses);
    await new Promise<void>((resolve, reject) => {
      const body = new FileBody(
        openSync(path, 'r'),
        [{ position: 0, length: CONTENT.length }],
        consumer,
        (error) => (error === null ? resolve() : reject(error)),
        () => {},
        releasing,
      );
      consumer.producer = body;
      body.start();
    });
    expect(consumer.hash.digest('hex')).to.equal(HASH);
    return consumer;
  }

  it('are used again when the consumer is done with them: two of each size, and the last', async () => {
    await send({ releasesWritten: true });
    const { memory, writes } = await send({ releasesWritten: true });
    expect(memory.size).to.be.at.most(5).and.below(writes);
  });

  it('are not used again by whoever does not know', async () => {
    for (const releasing of [null, { releasesWritten: false }]) {
      const { memory, writes } = await send(releasing);
      expect(memory.size).to.equal(writes);
    }
    // Nobody was made to wait, so that nobody can tell when it is done.
    const { memory, writes } = await send({ releasesWritten: true }, false);
    expect(memory.size).to.be.at.least(writes - 4);
  });

  it('are not used again by who is made to wait only after they were written', async () => {
    const memory = new Set<ArrayBufferLike>();
    let writes = 0;
    await new Promise<void>((resolve) => {
      let body: FileBody | undefined;
      const consumer = {
        write(data: Buffer): void {
          memory.add(data.buffer);
          writes += 1;
          // It has the piece still, and is full for another reason.
          setImmediate(() => {
            body?.pauseProducing();
            setImmediate(() => body?.resumeProducing());
          });
        },
      } as unknown as Consumer; // nothing else of it is used
      const parts = [{ position: 0, length: CONTENT.length }];
      const done = (): void => resolve();
      const releasing = { releasesWritten: true };
      body = new FileBody(openSync(path, 'r'), parts, consumer, done, () => {}, releasing);
      body.start();
    });
    expect(memory.size).to.equal(writes);
  });

  it('grow, but not for who is slower than the disk', async () => {
    const sizes = async (waits: boolean): Promise<number[]> => {
      const lengths: number[] = [];
      await new Promise<void>((resolve) => {
        let body: FileBody | undefined;
        const consumer = {
          write(data: Data): void {
            lengths.push(data.length);
            if (!waits) return;
            body?.pauseProducing();
            const wait = (): void => {
              // Until what is read next has come.
              if (process.getActiveResourcesInfo().includes('FSReqCallback')) setImmediate(wait);
              else body?.resumeProducing();
            };
            setImmediate(wait);
          },
        } as unknown as Consumer; // nothing else of it is used
        const parts = [{ position: 0, length: CONTENT.length }];
        body = new FileBody(openSync(path, 'r'), parts, consumer, () => resolve());
        body.start();
      });
      return lengths;
    };
    const eight = Array(8).fill(PIECE);
    expect(await sizes(false)).to.deep.equal([...eight, 4 * PIECE, 4 * PIECE, 4 * PIECE, 5]);
    expect(await sizes(true)).to.deep.equal([...eight, ...Array(12).fill(PIECE), 5]);
  });

  it('are not used again after a stop, when they may be on their way still', async () => {
    const consumer = new Slow(true);
    const body = new FileBody(
      openSync(path, 'r'),
      [{ position: 0, length: CONTENT.length }],
      consumer,
      () => {},
      () => {},
      { releasesWritten: true },
    );
    consumer.producer = body;
    body.start();
    while (consumer.memory.size === 0) await new Promise(setImmediate);
    body.stopProducing();
    body.resumeProducing();
    const [kept] = consumer.memory;
    const other = new Slow(true);
    await new Promise<void>((resolve) => {
      const next = new FileBody(
        openSync(path, 'r'),
        [{ position: 0, length: CONTENT.length }],
        other,
        () => resolve(),
      );
      other.producer = next;
      next.start();
    });
    expect(other.memory.has(kept as ArrayBufferLike)).to.equal(false);
  });

  describe('arrive as they are', () => {
    const reactor = new LibuvReactor();
    const ports: ListeningPort[] = [];
    const sites: Site[] = [];
    afterEach(async () => {
      for (const port of ports.splice(0)) await port.stopListening();
      for (const site of sites.splice(0)) await site.drain(0);
    });

    function site(options: SiteOptions = {}): Site {
      // Nothing is kept in memory: all comes from the disk.
      const made = new Site(new File(folder, { cacheLength: 0 }), { reactor, ...options });
      made.noisy = false;
      sites.push(made);
      return made;
    }

    function listen(factory: IProtocolFactory, secure = false): number {
      const options = { interface: '127.0.0.1' };
      const port = secure
        ? reactor.listenSSL(0, factory, certificates().server, options)
        : reactor.listenTCP(0, factory, options);
      ports.push(port);
      return (port.getHost() as { port: number }).port; // it listens on TCP
    }

    /** Asks three times on one connection, stopping to read now and then. */
    function ask(port: number, secure: boolean, chunked: number): Promise<string[]> {
      return new Promise((resolve, reject) => {
        const options = { port, host: '127.0.0.1', rejectUnauthorized: false };
        const socket = secure ? connectTLS(options) : connect(options);
        const chunks: Buffer[] = [];
        let count = 0;
        let length = 0;
        let headLength = 0;
        const finish = (): void => {
          socket.destroy();
          const all = Buffer.concat(chunks);
          const each = headLength + CONTENT.length;
          resolve(
            [0, 1, 2].map((n) => {
              const body = all.subarray(n * each + headLength, (n + 1) * each);
              return createHash('sha256').update(body).digest('hex');
            }),
          );
        };
        socket.on('error', reject);
        socket.on('close', () => reject(new Error(`Only ${length} bytes came`)));
        socket.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          count += 1;
          length += chunk.length;
          // Their heads are of the same length.
          if (headLength === 0) headLength = Buffer.concat(chunks).indexOf('\r\n\r\n') + 4;
          if (length === 3 * (headLength + CONTENT.length)) {
            finish();
          } else if (count % chunked === 0) {
            socket.pause();
            setImmediate(() => socket.resume());
          }
        });
        socket.write('GET /file HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(3));
      });
    }

    async function check(port: number, secure = false): Promise<void> {
      const all = await Promise.all([1, 2, 3, 5, 8, 50].map((n) => ask(port, secure, n)));
      expect(all).to.deep.equal(all.map(() => [HASH, HASH, HASH]));
    }

    it('over TCP, by many connections at once', () => check(listen(site())));

    it('under TLS', () => check(listen(site(), true), true));

    /** Passes on what it gets after it has asked for more. */
    class Late {
      producer: PushProducer | undefined;
      #kept: Data[] = [];

      take(data: Data, pass: (data: Data) => void): void {
        this.#kept.push(data);
        this.producer?.pauseProducing();
        if (this.#kept.length > 1) return;
        setImmediate(() => {
          const kept = this.#kept;
          this.#kept = [];
          this.producer?.resumeProducing();
          setImmediate(() => {
            for (const each of kept) pass(each);
          });
        });
      }
    }

    it('through a wrapper that keeps what it is given', () => {
      class Keeping extends ProtocolWrapper {
        readonly #late = new Late();
        override registerProducer(producer: PullProducer): void {
          this.#late.producer = producer as PushProducer; // which is what a channel registers first
        }
        override unregisterProducer(): void {
          this.#late.producer = undefined;
        }
        override write(data: Data): void {
          this.#late.take(data, (each) => super.write(each));
        }
      }
      class Wrapping extends WrappingFactory {
        override protocol = Keeping;
      }
      const wrapping = new Wrapping(site());
      wrapping.noisy = false;
      return check(listen(wrapping));
    });

    it('through a request that keeps what it is given', () => {
      class Keeping extends Request {
        readonly #late = new Late();
        override registerProducer(producer: PullProducer): void {
          this.#late.producer = producer as PushProducer; // which is what files register
        }
        override unregisterProducer(): void {
          this.#late.producer = undefined;
        }
        override write(data: Data): void {
          this.#late.take(data, (each) => super.write(each));
        }
        override finish(): void {
          setImmediate(() => setImmediate(() => setImmediate(() => super.finish())));
        }
      }
      return check(listen(site({ requestFactory: Keeping as typeof Request })));
    });
  });
});
