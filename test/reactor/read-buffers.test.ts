import { expect } from 'chai';
import { giveBackReadBuffer } from '../../src/reactor/index.ts';
import { takeLargeReadBuffer, takeReadBuffer } from '../../src/reactor/libuv/read-buffers.ts';

describe('giveBackReadBuffer()', () => {
  /** Those that other tests have left. */
  function takeAll(): void {
    for (let n = 0; n < 100; n++) takeReadBuffer();
  }
  beforeEach(takeAll);

  it('has the memory of a buffer used again, whole, whatever part of it was given back', () => {
    const buffer = takeReadBuffer();
    giveBackReadBuffer(buffer.subarray(0, 40_000));
    const again = takeReadBuffer();
    expect(again.buffer).to.equal(buffer.buffer);
    expect(again).to.have.length(65_536);
    giveBackReadBuffer(again);
    expect(takeReadBuffer()).to.equal(again);
  });

  it('hands nothing out twice that was given back twice', () => {
    const buffer = takeReadBuffer();
    giveBackReadBuffer(buffer);
    giveBackReadBuffer(buffer);
    giveBackReadBuffer(buffer.subarray(1));
    expect(takeReadBuffer().buffer).to.equal(buffer.buffer);
    expect(takeReadBuffer().buffer).to.not.equal(buffer.buffer);
  });

  it('takes no memory that it has not made', () => {
    const foreign = Buffer.alloc(65_536);
    giveBackReadBuffer(foreign);
    giveBackReadBuffer(new Uint8Array(65_536));
    for (let n = 0; n < 3; n++) expect(takeReadBuffer().buffer).to.not.equal(foreign.buffer);
  });

  it('keeps 8 MiB of large ones at most, apart from the others', () => {
    const many = Array.from({ length: 50 }, takeLargeReadBuffer);
    for (const buffer of many) giveBackReadBuffer(buffer.subarray(1));
    const known = new Set(many.map(({ buffer }) => buffer));
    expect(known.has(takeReadBuffer().buffer)).to.equal(false);
    const again = Array.from({ length: 50 }, takeLargeReadBuffer);
    expect(again.filter(({ buffer }) => known.has(buffer))).to.have.length(32);
    expect(again.every((buffer) => buffer.length === 262_144)).to.equal(true);
  });

  it('keeps 4 MiB at most', () => {
    const many = Array.from({ length: 100 }, takeReadBuffer);
    for (const buffer of many) giveBackReadBuffer(buffer);
    const known = new Set(many.map(({ buffer }) => buffer));
    const again = Array.from({ length: 100 }, takeReadBuffer);
    expect(again.filter(({ buffer }) => known.has(buffer))).to.have.length(64);
  });
});
