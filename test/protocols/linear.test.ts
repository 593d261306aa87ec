import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import {
  Int32StringReceiver,
  LineOnlyReceiver,
  LineReceiver,
  NetstringReceiver,
} from '../../src/protocols/index.ts';
import { connect, workOf } from './support.ts';

const MiB = 1024 * 1024;

class Lines extends LineReceiver {
  override delimiter = '\n';
  lines = 0;
  bytes = 0;
  override lineReceived(line: Buffer): void {
    this.lines += 1;
    this.bytes += line.length;
  }
}

class OnlyLines extends LineOnlyReceiver {
  lines = 0;
  override lineReceived(): void {
    this.lines += 1;
  }
}

class Netstrings extends NetstringReceiver {
  override MAX_LENGTH = 2 * MiB;
  strings = 0;
  override stringReceived(): void {
    this.strings += 1;
  }
}

class Prefixed extends Int32StringReceiver {
  override MAX_LENGTH = 2 * MiB;
  strings = 0;
  override stringReceived(): void {
    this.strings += 1;
  }
}

function inPieces(
  protocol: { dataReceived(data: Buffer): unknown },
  bytes: Buffer,
  size: number,
): void {
  for (let at = 0; at < bytes.length; at += size)
    protocol.dataReceived(bytes.subarray(at, at + size));
}

function prefixed(string: Buffer): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32BE(string.length);
  return Buffer.concat([prefix, string]);
}

/** What the work may come to, in bytes per byte of input: any small number that does not depend on the input's size. */
const FACTOR = 8;

describe('The work of receivers grows with their input and no faster', () => {
  it('LineReceiver, 1,000,000 short lines in one chunk', () => {
    const bytes = Buffer.from('short line\n'.repeat(1_000_000));
    const protocol = new Lines();
    connect(protocol);
    const work = workOf(() => protocol.dataReceived(bytes));
    expect(protocol.lines).to.equal(1_000_000);
    expect(protocol.bytes).to.equal(10_000_000);
    expect(work.allocated).to.equal(0);
    expect(work.searched).to.equal(bytes.length);
  });

  it('LineReceiver, 1 MiB of lines byte by byte', () => {
    const bytes = Buffer.from('thirty bytes, the last is LF.\n'.repeat(MiB / 30));
    const protocol = new Lines();
    connect(protocol);
    const work = workOf(() => inPieces(protocol, bytes, 1));
    expect(protocol.lines).to.equal(Math.floor(MiB / 30));
    expect(work.allocated).to.be.below(FACTOR * bytes.length);
    expect(work.searched).to.be.below(FACTOR * bytes.length);
  });

  for (const delimiter of ['\n', '\r\n', '--end--']) {
    it(`LineReceiver, one line of 1 MiB byte by byte, ended by ${JSON.stringify(delimiter)}`, () => {
      const bytes = Buffer.from(`${'x\r'.repeat(MiB / 2)}${delimiter}`);
      const protocol = new Lines();
      (protocol as LineReceiver).delimiter = delimiter;
      protocol.MAX_LENGTH = 2 * MiB;
      connect(protocol);
      const work = workOf(() => inPieces(protocol, bytes, 1));
      expect(protocol.lines).to.equal(1);
      expect(protocol.bytes).to.equal(MiB);
      expect(work.allocated).to.be.below(FACTOR * bytes.length);
      expect(work.searched).to.be.below(FACTOR * bytes.length);
    });
  }

  it('LineReceiver, pausing behind each of 100,000 lines of one chunk', () => {
    class Pausing extends Lines {
      override lineReceived(): void {
        this.lines += 1;
        this.pauseProducing();
      }
    }
    const bytes = Buffer.from('short line\n'.repeat(100_000));
    const protocol = new Pausing();
    connect(protocol);
    const work = workOf(() => {
      protocol.dataReceived(bytes);
      while (protocol.paused) protocol.resumeProducing();
    });
    expect(protocol.lines).to.equal(100_000);
    expect(work.allocated).to.be.below(bytes.length);
    expect(work.searched).to.be.below(FACTOR * bytes.length);
  });

  it('LineReceiver, adding to what is there from within each of 20,000 lines', () => {
    let added = 0;
    class Adding extends Lines {
      override lineReceived(): void {
        this.lines += 1;
        if (added === 20_000) return;
        added += 1;
        this.dataReceived(Buffer.from('one more\nand another\n'));
      }
    }
    const protocol = new Adding();
    connect(protocol);
    const work = workOf(() => protocol.dataReceived(Buffer.from('first\n')));
    expect(protocol.lines).to.equal(40_001);
    expect(work.allocated).to.be.below(FACTOR * 20_000 * 21);
  });

  it('LineReceiver, big chunks behind a rest that grows while it is paused', () => {
    const protocol = new Lines();
    connect(protocol);
    protocol.dataReceived(Buffer.from('a'));
    protocol.pauseProducing();
    const chunk = Buffer.alloc(1024, 'x\n');
    const work = workOf(() => {
      for (let i = 0; i < 1024; i += 1) protocol.dataReceived(chunk);
      protocol.resumeProducing();
    });
    expect(protocol.lines).to.equal(MiB / 2);
    expect(work.allocated).to.be.below(FACTOR * MiB);
    expect(work.searched).to.be.below(FACTOR * MiB);
  });

  it('LineReceiver, nothing but last bytes of the delimiter behind a rest', () => {
    const protocol = new Lines();
    (protocol as LineReceiver).delimiter = '\r\n';
    protocol.MAX_LENGTH = 2 * MiB;
    connect(protocol);
    protocol.dataReceived(Buffer.from('a'));
    const work = workOf(() => protocol.dataReceived(Buffer.alloc(MiB, '\n')));
    expect(work.allocated).to.be.below(FACTOR * MiB);
    expect(work.searched).to.be.below(FACTOR * MiB);
    expect(work.views).to.be.below(100);
  });

  it('LineOnlyReceiver, 1 MiB of lines byte by byte, and in one chunk', () => {
    const bytes = Buffer.from('x\r\n'.repeat(MiB / 3));
    for (const size of [1, bytes.length]) {
      const protocol = new OnlyLines();
      connect(protocol);
      const work = workOf(() => inPieces(protocol, bytes, size));
      expect(protocol.lines).to.equal(Math.floor(MiB / 3));
      // A rest of one byte moves to memory for two: the factor is larger where the lines are this short.
      expect(work.allocated).to.be.below(FACTOR * bytes.length);
      expect(work.searched).to.be.below(FACTOR * bytes.length);
    }
  });

  it('NetstringReceiver and IntNStringReceiver, one string of 1 MiB byte by byte', () => {
    const string = Buffer.alloc(MiB, 'x');
    const netstrings = new Netstrings();
    connect(netstrings);
    const netstring = Buffer.concat([Buffer.from(`${MiB}:`), string, Buffer.from(',')]);
    expect(workOf(() => inPieces(netstrings, netstring, 1)).allocated).to.be.below(FACTOR * MiB);
    expect(netstrings.strings).to.equal(1);

    const ints = new Prefixed();
    connect(ints);
    expect(workOf(() => inPieces(ints, prefixed(string), 1)).allocated).to.be.below(FACTOR * MiB);
    expect(ints.strings).to.equal(1);
  });

  it('NetstringReceiver and IntNStringReceiver, 100,000 short strings in one chunk', () => {
    const netstrings = new Netstrings();
    connect(netstrings);
    const one = Buffer.from('5:hello,'.repeat(100_000));
    expect(workOf(() => netstrings.dataReceived(one)).allocated).to.equal(0);
    expect(netstrings.strings).to.equal(100_000);

    const ints = new Prefixed();
    connect(ints);
    const other = Buffer.concat(Array(100_000).fill(prefixed(Buffer.from('hello'))));
    expect(workOf(() => ints.dataReceived(other)).allocated).to.equal(0);
    expect(ints.strings).to.equal(100_000);
  });

  it('a rest of a few bytes does not keep the chunk it came in', () => {
    const chunk = Buffer.allocUnsafeSlow(262_144).fill('a line of the chunk\n');
    const protocol = new Lines();
    connect(protocol);
    protocol.dataReceived(chunk.subarray(0, 262_130));
    const rest = protocol.clearLineBuffer();
    expect(rest.length).to.be.within(1, 19);
    expect(rest.buffer.byteLength).to.be.at.most(Buffer.allocUnsafe(1).buffer.byteLength);
  });

  it('the chunk that a rest came in is let go of while the connection stands', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage: unknown = runInNewContext('gc');
    if (typeof collectGarbage !== 'function') throw new Error('No garbage collector to call');
    const protocol = new Lines();
    connect(protocol);
    const memory = receiveAndForget(protocol);
    await new Promise(setImmediate); // a WeakRef holds its target to the end of the turn
    collectGarbage();
    expect(memory.deref()).to.equal(undefined);
    expect(protocol.lines).to.equal(1);
    expect(protocol.clearLineBuffer().toString()).to.equal('rest');
  });
});

/** Gives a protocol a large chunk with a line and a rest, and keeps nothing of it. */
function receiveAndForget(protocol: Lines): WeakRef<ArrayBufferLike> {
  const chunk = Buffer.allocUnsafeSlow(262_144).fill('x');
  chunk.write('\nrest', chunk.length - 5 - 258_000);
  const data = chunk.subarray(0, chunk.length - 258_000);
  protocol.dataReceived(data);
  return new WeakRef(chunk.buffer);
}
