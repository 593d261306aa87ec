import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { Fifo } from '../../src/deferred/fifo.ts';
import { turn } from './support.ts';

const MIB = 1024 * 1024;

describe('Fifo', () => {
  let gc: () => void;

  before(() => {
    setFlagsFromString('--expose-gc');
    gc = runInNewContext('gc') as () => void; // what the flag makes
  });

  it('shift() lets go of what it takes out, though others are still there', async () => {
    const fifo = new Fifo<object>();
    const taken = ((): WeakRef<object> => {
      const item = { large: Buffer.alloc(10) };
      fifo.push(item);
      fifo.push({});
      fifo.shift();
      return new WeakRef(item);
    })();
    await turn(); // a WeakRef holds what it is made of until its turn ends
    gc();
    expect(taken.deref()).to.equal(undefined);
    expect(fifo.size).to.equal(1);
  });

  it('does not grow when as much is taken out as is put in', () => {
    const fifo = new Fifo<number>();
    fifo.push(0);
    gc();
    const before = process.memoryUsage().heapUsed;
    for (let i = 1; i <= 4_000_000; i++) {
      fifo.push(i);
      fifo.shift();
    }
    gc();
    // Four million places would be 32 MiB.
    expect(process.memoryUsage().heapUsed - before).to.be.below(8 * MIB);
    expect(fifo.toArray()).to.deep.equal([4_000_000]);
  });
});
