import { expect } from 'chai';
import fc from 'fast-check';
import { TerminatorSearch } from '../../../src/protocols/asyncore/terminator.ts';
import { cutAt, someCuts } from '../support.ts';

/** The messages in `pieces`, and what is behind the last. */
function messages(terminator: Buffer, pieces: readonly Buffer[]): string[] {
  const search = new TerminatorSearch(terminator);
  const found: string[] = [];
  let current: Buffer[] = [];
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const step = search.step(piece, at);
      for (const bytes of step.before) expect(bytes.length).to.be.above(0);
      current.push(...step.before);
      at = step.end;
      if (!step.found) continue;
      found.push(Buffer.concat(current).toString('latin1'));
      current = [];
    }
  }
  return [...found, Buffer.concat([...current, search.takeMatched()]).toString('latin1')];
}

describe('TerminatorSearch', () => {
  it('finds what a split finds, however the bytes are cut', () => {
    // Few letters, so that beginnings of the terminator are everywhere.
    const letters = (max: number): fc.Arbitrary<string> =>
      fc.array(fc.constantFrom('a', 'b'), { maxLength: max }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(letters(80), letters(7), someCuts, (text, more, cuts) => {
        const terminator = `a${more}`;
        const bytes = Buffer.from(text, 'latin1');
        expect(messages(Buffer.from(terminator), cutAt(bytes, cuts))).to.deep.equal(
          text.split(terminator),
        );
        expect(
          messages(
            Buffer.from(terminator),
            Array.from(bytes, (b) => Buffer.of(b)),
          ),
        ).to.deep.equal(text.split(terminator));
      }),
      { numRuns: 2000 },
    );
  });

  it('begins anew in what looked like the beginning of a terminator', () => {
    const pieces = ['aab', 'aa', 'baa', 'c|'].map((text) => Buffer.from(text));
    expect(messages(Buffer.from('aabaac'), pieces)).to.deep.equal(['aab', '|']);
  });

  it('keeps no byte that cannot be of a terminator', () => {
    const search = new TerminatorSearch(Buffer.from('\r\n'));
    expect(search.step(Buffer.from('one\r'), 0)).to.deep.equal({
      before: [Buffer.from('one')],
      end: 4,
      found: false,
    });
    expect(search.matched).to.equal(1);
    expect(search.step(Buffer.from('\r'), 0).before).to.deep.equal([Buffer.from('\r')]);
    expect(search.step(Buffer.from('x'), 0).before).to.deep.equal([
      Buffer.from('\r'),
      Buffer.from('x'),
    ]);
    expect(search.matched).to.equal(0);
  });

  it('hands out copies of what it kept, never its terminator', () => {
    const terminator = Buffer.from('abc');
    const search = new TerminatorSearch(terminator);
    search.step(Buffer.from('ab'), 0);
    for (const piece of search.step(Buffer.from('x'), 0).before) piece.fill(0);
    search.step(Buffer.from('ab'), 0);
    search.takeMatched().fill(0);
    expect(terminator.toString()).to.equal('abc');
  });

  it('looks at each byte a bounded number of times, whatever terminator and cuts', () => {
    // Counted through the terminator, at which every comparison of the automaton looks.
    const steps = (size: number): number => {
      let looks = 0;
      const plain = Buffer.from(`${'a'.repeat(size)}b`);
      const counted = new Proxy(plain, {
        get(target, key) {
          if (typeof key === 'string' && /^\d+$/.test(key)) looks += 1;
          const value: unknown = Reflect.get(target, key);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
      const search = new TerminatorSearch(counted);
      // One byte has no room for a terminator, and what looks for one does not take a proxy.
      const byte = Object.assign(Buffer.from('a'), { indexOf: () => -1 });
      for (let i = 0; i < 4 * size; i += 1) search.step(byte, 0);
      return looks;
    };
    expect(steps(4000)).to.be.below(steps(500) * 8 * 1.5);
  });
});
