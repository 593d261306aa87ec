import { closeSync, openSync } from 'node:fs';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { CancelledError } from '../../src/deferred/index.ts';
import {
  FileSender,
  type ReadableFile,
  TransferInProgressError,
  TransferStoppedError,
} from '../../src/protocols/index.ts';
import { assertNoResult, type Data, ProducerAlreadyRegistered } from '../../src/reactor/index.ts';
import { failureResultOf, StringTransport, successResultOf } from './support.ts';

/** A file in memory, read at once. */
class MemoryFile implements ReadableFile {
  readonly sizes: number[] = [];
  readonly #bytes: Buffer;
  #at = 0;

  constructor(text: string) {
    this.#bytes = Buffer.from(text);
  }

  read(size: number): Buffer {
    this.sizes.push(size);
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }
}

/** A file whose reads are answered by the test. */
class SlowFile implements ReadableFile {
  reads: { resolve(data: Data | null): void; reject(error: Error): void }[] = [];

  read(): Promise<Data | null> {
    return new Promise((resolve, reject) => this.reads.push({ resolve, reject }));
  }

  async answer(data: Data | null): Promise<void> {
    this.reads.at(-1)?.resolve(data);
    await Promise.resolve(); // the sender hears of it in the next microtask
    await Promise.resolve();
  }
}

/** A consumer that asks for more as soon as it has been given something, from within write(). */
class Greedy extends StringTransport {
  depth = 0;
  deepest = 0;

  override write(data: Data): void {
    this.depth += 1;
    this.deepest = Math.max(this.deepest, this.depth);
    super.write(data);
    this.producer?.resumeProducing();
    this.depth -= 1;
  }
}

describe('FileSender', () => {
  let sender: FileSender;
  let transport: StringTransport;

  beforeEach(() => {
    sender = new FileSender();
    transport = new StringTransport();
  });

  it('registers as a pull producer and sends one piece of CHUNK_SIZE each time it is asked', () => {
    const text = 'x'.repeat(16384) + 'y'.repeat(99);
    const file = new MemoryFile(text);
    const deferred = sender.beginFileTransfer(file, transport);
    expect(transport.streaming).to.equal(false);
    sender.resumeProducing();
    expect(transport.value()).to.have.length(16384);
    sender.resumeProducing();
    expect(transport.value().toString()).to.equal(text);
    // The end shows only when it is asked once more.
    assertNoResult(deferred);
    sender.resumeProducing();
    expect(successResultOf(deferred).toString()).to.equal('y');
    expect(transport.producer).to.equal(null);
    expect(file.sizes).to.deep.equal([16384, 16384, 16384]);
  });

  it('fires with an empty buffer for an empty file', () => {
    const deferred = sender.beginFileTransfer(new MemoryFile(''), transport);
    sender.resumeProducing();
    expect(successResultOf(deferred)).to.have.length(0);
  });

  it('sends what transform makes of each piece, and reads on where that is nothing', () => {
    sender.CHUNK_SIZE = 3;
    const file = new MemoryFile('abcdefghi');
    const deferred = sender.beginFileTransfer(file, transport, (chunk) =>
      chunk.includes('e') ? '' : `<${chunk}é`,
    );
    for (let i = 0; i < 3; i += 1) sender.resumeProducing();
    expect(transport.value().toString()).to.equal('<abcé<ghié');
    expect([...successResultOf(deferred)]).to.deep.equal([0xa9]);
  });

  it('does not grow the stack with a consumer that asks from within write()', () => {
    const greedy = new Greedy();
    sender.CHUNK_SIZE = 1;
    const text = 'abcdefghij'.repeat(2000);
    const deferred = sender.beginFileTransfer(new MemoryFile(text), greedy);
    sender.resumeProducing();
    expect(successResultOf(deferred).toString()).to.equal('j');
    expect(greedy.value().toString()).to.equal(text);
    expect(greedy.deepest).to.equal(1);
  });

  it('never has two reads under way', async () => {
    const file = new SlowFile();
    const deferred = sender.beginFileTransfer(file, transport);
    sender.resumeProducing();
    sender.resumeProducing();
    expect(file.reads).to.have.length(1);
    await file.answer(Buffer.from('one'));
    expect(transport.value().toString()).to.equal('one');
    expect(file.reads).to.have.length(1);
    sender.resumeProducing();
    await file.answer('two');
    sender.resumeProducing();
    await file.answer(null);
    expect(successResultOf(deferred).toString()).to.equal('o');
    expect(transport.value().toString()).to.equal('onetwo');
  });

  it('stopProducing() fails the Deferred with TransferStoppedError, and what is still read is dropped', async () => {
    const file = new SlowFile();
    const deferred = sender.beginFileTransfer(file, transport);
    sender.resumeProducing();
    sender.stopProducing();
    const failure = failureResultOf(deferred, TransferStoppedError);
    expect(failure.getErrorMessage()).to.contain('Consumer asked us to stop producing');
    expect(failure.value).to.have.property('code', 'ERR_TRANSFER_STOPPED');
    await file.answer(Buffer.from('late'));
    sender.resumeProducing();
    sender.stopProducing();
    expect(transport.value()).to.have.length(0);
    expect(file.reads).to.have.length(1);
  });

  it('reads no more once it is stopped from within write()', () => {
    class Leaving extends StringTransport {
      override write(data: Data): void {
        super.write(data);
        sender.resumeProducing();
        sender.stopProducing();
      }
    }
    const file = new MemoryFile('abc');
    const deferred = sender.beginFileTransfer(file, new Leaving());
    sender.resumeProducing();
    failureResultOf(deferred, TransferStoppedError);
    expect(file.sizes).to.have.length(1);
  });

  it('does not keep a piece in memory for its last byte', () => {
    const piece = Buffer.alloc(100_000, 'z');
    let left = [piece];
    const file = { read: () => left.pop() ?? null };
    const deferred = sender.beginFileTransfer(file, transport);
    sender.resumeProducing();
    expect(sender.lastSent.buffer).to.not.equal(piece.buffer);
    left = [];
    sender.resumeProducing();
    expect(successResultOf(deferred).toString()).to.equal('z');
  });

  it('fails and unregisters when reading fails, at once or later', async () => {
    const broken: ReadableFile = {
      read: () => {
        throw new RangeError('bad sector');
      },
    };
    const deferred = sender.beginFileTransfer(broken, transport);
    sender.resumeProducing();
    failureResultOf(deferred, RangeError);
    expect(transport.producer).to.equal(null);

    const slow = new SlowFile();
    const later = sender.beginFileTransfer(slow, transport);
    sender.resumeProducing();
    slow.reads[0]?.reject(new RangeError('bad sector'));
    await Promise.resolve();
    await Promise.resolve();
    failureResultOf(later, RangeError);
    expect(transport.producer).to.equal(null);
  });

  it('takes transform as an option, and refuses what cannot be read', () => {
    const transport = new StringTransport();
    const sender = new FileSender();
    const transform = (piece: Buffer): string => piece.toString().toUpperCase();
    const deferred = sender.beginFileTransfer(new MemoryFile('abc'), transport, { transform });
    while (transport.producer !== null) transport.producer.resumeProducing();
    expect(successResultOf(deferred).toString()).to.equal('C');
    for (const file of ['/etc/passwd', null, {}]) {
      expect(() => sender.beginFileTransfer(file as never, transport)).to.throw(
        TypeError,
        'expected a file descriptor',
      );
    }
    expect(transport.producer).to.equal(null);
  });

  it('fails and unregisters when transform fails or gives something that is not data', () => {
    for (const transform of [
      () => {
        throw new TypeError('cannot');
      },
      () => 5 as unknown as string,
    ]) {
      const deferred = sender.beginFileTransfer(new MemoryFile('abc'), transport, transform);
      sender.resumeProducing();
      failureResultOf(deferred, TypeError);
      expect(transport.producer).to.equal(null);
    }
  });

  it('cancelling unregisters it', () => {
    const deferred = sender.beginFileTransfer(new MemoryFile('abc'), transport);
    deferred.cancel();
    failureResultOf(deferred, CancelledError);
    expect(transport.producer).to.equal(null);
    sender.resumeProducing();
    expect(transport.value()).to.have.length(0);
  });

  it('sends one file after the other, but not two at once', () => {
    const first = sender.beginFileTransfer(new MemoryFile('a'), transport);
    expect(() => sender.beginFileTransfer(new MemoryFile('b'), new StringTransport())).to.throw(
      TransferInProgressError,
    );
    sender.resumeProducing();
    sender.resumeProducing();
    successResultOf(first);
    const second = sender.beginFileTransfer(new MemoryFile(''), transport);
    sender.resumeProducing();
    expect(successResultOf(second)).to.have.length(0);
  });

  it('throws where the consumer has a producer already, and is free again', () => {
    transport.registerProducer({ resumeProducing() {}, stopProducing() {} }, false);
    expect(() => sender.beginFileTransfer(new MemoryFile('a'), transport)).to.throw(
      ProducerAlreadyRegistered,
    );
    sender.beginFileTransfer(new MemoryFile('a'), new StringTransport());
  });

  describe('from disk', () => {
    let folder: string;
    let path: string;
    const text = 'The quick brown fox. '.repeat(5000);

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'strand-file-sender-'));
      path = join(folder, 'file');
      await writeFile(path, text);
    });
    after(() => rm(folder, { recursive: true }));

    it('sends what a FileHandle reads', async () => {
      const greedy = new Greedy();
      const file = await open(path);
      const deferred = sender.beginFileTransfer(file, greedy);
      sender.resumeProducing();
      expect((await deferred).toString()).to.equal(' ');
      await file.close(); // still open until here, or this would throw
      expect(greedy.value().toString()).to.equal(text);
    });

    it('sends what a file descriptor reads', async () => {
      const greedy = new Greedy();
      const descriptor = openSync(path, 'r');
      const deferred = sender.beginFileTransfer(descriptor, greedy);
      sender.resumeProducing();
      await deferred;
      closeSync(descriptor);
      expect(greedy.value().toString()).to.equal(text);
    });

    it('fails with the error of the system', async () => {
      const descriptor = openSync(folder, 'r');
      const deferred = sender.beginFileTransfer(descriptor, transport);
      sender.resumeProducing();
      const error: unknown = await deferred.toPromise().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      closeSync(descriptor);
      expect(error).to.have.property('code', 'EISDIR');
    });
  });
});
