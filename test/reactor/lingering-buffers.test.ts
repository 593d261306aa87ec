/** Which buffer a socket is read into next. */
import { expect } from 'chai';
import { IPv4Address } from '../../src/reactor/index.ts';
import {
  type OwnedSocket,
  READ_BUFFER,
  sharedBuffer,
} from '../../src/reactor/libuv/owned-socket.ts';
import { giveBackReadBuffer, LARGE_READ_BUFFER } from '../../src/reactor/libuv/read-buffers.ts';
import { SocketHandle } from '../../src/reactor/libuv/socket-handle.ts';
import { NO_LISTENER } from '../../src/reactor/stream-handle.ts';

const ADDRESS = new IPv4Address('TCP', '127.0.0.1', 1);

/** A handle whose reads the test makes. */
class Reading {
  readonly handle: SocketHandle<IPv4Address>;
  readonly got: Buffer[] = [];
  buffer = sharedBuffer();

  constructor() {
    const socket = { setNoDelay() {}, pause() {}, resume() {} } as unknown as OwnedSocket; // nothing else of it is used
    this.handle = new SocketHandle(socket, 'onread', ADDRESS, ADDRESS);
    this.handle.listener = { ...NO_LISTENER, handleData: (data) => void this.got.push(data) };
  }

  /** So many bytes came, all of them `byte`. */
  read(length: number, byte = 1): this {
    this.buffer.fill(byte, 0, length);
    this.buffer = this.handle.received(length, this.buffer) ?? this.buffer;
    return this;
  }

  get isShared(): boolean {
    return this.buffer === sharedBuffer();
  }
}

describe('A socket is read into', () => {
  it('the buffer that all share, as long as little comes', () => {
    const one = new Reading().read(100).read(READ_BUFFER / 2 - 1);
    expect(one.isShared).to.equal(true);
    expect(one.got.map((data) => data.length)).to.deep.equal([100, READ_BUFFER / 2 - 1]);
  });

  it('a buffer of its own behind much, also when the end of that was little', () => {
    const one = new Reading().read(READ_BUFFER, 1);
    expect(one.isShared).to.equal(false);
    one.read(100, 2);
    expect(one.isShared).to.equal(false);
    const own = one.buffer;
    one.read(READ_BUFFER, 3);
    // It was given away as it is, and not copied.
    expect(one.got.at(-1)?.buffer).to.equal(own.buffer);
    expect(one.buffer).to.not.equal(own);
    one.handle.closed();
    expect(one.got.map((data) => [data.length, data[0], data.at(-1)])).to.deep.equal([
      [READ_BUFFER, 1, 1],
      [100, 2, 2],
      [READ_BUFFER, 3, 3],
    ]);
  });

  it('the shared one again when little comes twice in a row', () => {
    const one = new Reading().read(READ_BUFFER).read(100).read(100);
    expect(one.isShared).to.equal(true);
  });

  it('the shared one at once, when many others have one of their own over little', () => {
    const many = Array.from({ length: 70 }, () => new Reading().read(READ_BUFFER).read(1));
    expect(many.filter((one) => !one.isShared)).to.have.length(64);
    for (const one of many) one.handle.closed();
    const next = new Reading().read(READ_BUFFER).read(1);
    expect(next.isShared).to.equal(false);
    next.read(1);
    const after = new Reading().read(READ_BUFFER).read(1);
    expect(after.isShared).to.equal(false);
    after.handle.closed();
  });

  it('what was given back, after a full read', () => {
    const one = new Reading().read(READ_BUFFER, 1);
    const [first] = one.got;
    if (first !== undefined) giveBackReadBuffer(first);
    const other = new Reading().read(READ_BUFFER, 2);
    expect(other.got[0]?.buffer).to.equal(first?.buffer);
    one.handle.closed();
    other.handle.closed();
  });

  describe('a large one', () => {
    /** One that has got it. */
    function trusted(): Reading {
      const one = new Reading();
      while (one.buffer.length === READ_BUFFER) one.read(READ_BUFFER - 1);
      return one;
    }

    it('when much has come eight times in a row', () => {
      const one = trusted();
      expect(one.got).to.have.length(8);
      expect(one.buffer).to.have.length(LARGE_READ_BUFFER);
      const { buffer } = one;
      one.read(LARGE_READ_BUFFER, 1).read(LARGE_READ_BUFFER / 2, 2);
      expect(one.got[8]?.buffer).to.equal(buffer.buffer);
      expect(one.got.slice(8).map((data) => [data.length, data[0], data.at(-1)])).to.deep.equal([
        [LARGE_READ_BUFFER, 1, 1],
        [LARGE_READ_BUFFER / 2, 2, 2],
      ]);
      one.handle.closed();
    });

    it('not when little came in between', () => {
      const one = new Reading();
      for (let n = 0; n < 20; n += 1) one.read(READ_BUFFER).read(READ_BUFFER).read(10);
      expect(one.buffer).to.have.length(READ_BUFFER);
      one.handle.closed();
    });

    it('without holding more than twice of what came', () => {
      const one = trusted()
        .read(READ_BUFFER, 1)
        .read(LARGE_READ_BUFFER / 2 - 1, 2)
        .read(40_000, 3);
      for (const data of one.got.slice(8)) {
        expect(data.buffer.byteLength).to.be.at.most(2 * data.length);
        expect(data[0]).to.equal(data.at(-1));
      }
      one.handle.closed();
    });

    it('no longer when that is mostly empty, and the next time after many more reads', () => {
      const one = trusted();
      for (let n = 0; n < 8; n += 1) {
        expect(one.buffer).to.have.length(LARGE_READ_BUFFER);
        one.read(READ_BUFFER);
      }
      for (let n = 0; n < 64; n += 1) {
        expect(one.buffer).to.have.length(READ_BUFFER);
        one.read(READ_BUFFER);
      }
      expect(one.buffer).to.have.length(LARGE_READ_BUFFER);
      one.handle.closed();
    });

    it('for as long as it is mostly of use', () => {
      const one = trusted();
      for (let n = 0; n < 100; n += 1) one.read(LARGE_READ_BUFFER).read(READ_BUFFER);
      expect(one.buffer).to.have.length(LARGE_READ_BUFFER);
      one.handle.closed();
    });

    it('no longer when little comes', () => {
      const one = trusted().read(10);
      expect(one.isShared).to.equal(false);
      expect(one.buffer).to.have.length(READ_BUFFER);
      expect(one.read(10).isShared).to.equal(true);
    });

    it('no longer, and not at all, when it is paused', () => {
      const one = trusted();
      one.handle.listener = { ...NO_LISTENER, handleData: () => one.handle.readStop() };
      for (let n = 0; n < 20; n += 1) {
        one.read(READ_BUFFER);
        expect(one.buffer).to.have.length(READ_BUFFER);
        one.handle.readStart();
      }
      one.handle.closed();
    });

    it('again, when what came was copied out of it', () => {
      const one = trusted();
      const { buffer } = one;
      expect(one.read(40_000).buffer.buffer).to.equal(buffer.buffer);
      one.handle.closed();
    });

    it('that was given back', () => {
      const one = trusted().read(LARGE_READ_BUFFER, 1);
      const data = one.got.at(-1);
      if (data !== undefined) giveBackReadBuffer(data);
      const used = one.read(LARGE_READ_BUFFER, 2).buffer;
      expect(used.buffer).to.equal(data?.buffer);
      one.handle.closed();
    });
  });
});
