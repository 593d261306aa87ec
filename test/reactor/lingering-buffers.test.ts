/** Which buffer a socket is read into next. */
import { expect } from 'chai';
import { IPv4Address } from '../../src/reactor/index.ts';
import {
  type OwnedSocket,
  READ_BUFFER,
  sharedBuffer,
} from '../../src/reactor/libuv/owned-socket.ts';
import { giveBackReadBuffer } from '../../src/reactor/libuv/read-buffers.ts';
import { SocketHandle } from '../../src/reactor/libuv/socket-handle.ts';
import { NO_LISTENER } from '../../src/reactor/stream-handle.ts';

const ADDRESS = new IPv4Address('TCP', '127.0.0.1', 1);

/** A handle whose reads the test makes. */
class Reading {
  readonly handle: SocketHandle<IPv4Address>;
  readonly got: Buffer[] = [];
  buffer = sharedBuffer();

  constructor() {
    const socket = { setNoDelay() {} } as unknown as OwnedSocket; // nothing else of it is used
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
});
