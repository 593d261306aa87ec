import { expect } from 'chai';
import fc from 'fast-check';
import {
  quoteArgument,
  serviceCommandLine,
  splitCommandLine,
  UsageError,
} from '../../../src/service/index.ts';

/** Arguments with what makes quoting hard, and any letters. */
const argument = fc.oneof(
  fc.string({ unit: 'grapheme' }).filter((text) => !/\0/.test(text)),
  fc
    .array(fc.constantFrom('\\', '"', ' ', '\t', '\n', 'a', 'ж', '漢', '😀', '&', '^', "'"))
    .map((parts) => parts.join('')),
);
const program = fc
  .array(fc.constantFrom('\\', ' ', 'a', 'Program Files', 'é', 'ж'), { minLength: 1 })
  .map((parts) => `C:\\${parts.join('')}.exe`);

describe('command lines of Windows', () => {
  it('splitCommandLine() gives what serviceCommandLine() was given', () => {
    fc.assert(
      fc.property(program, fc.array(argument), (path, args) => {
        const hasVariable = args.some((arg) => /%[^%]+%/.test(arg));
        fc.pre(!hasVariable);
        expect(splitCommandLine(serviceCommandLine([path, ...args]))).to.deep.equal([
          path,
          ...args,
        ]);
      }),
      { numRuns: 2000 },
    );
  });

  it('splitCommandLine() makes something of any text', () => {
    fc.assert(fc.property(argument, (line) => splitCommandLine(line).length > 0));
  });

  // The first columns are Microsoft's own examples of what programs make of their command lines.
  for (const [line, ...words] of [
    ['p "a b c" d e', 'p', 'a b c', 'd', 'e'],
    ['p "ab\\"c" "\\\\" d', 'p', 'ab"c', '\\', 'd'],
    ['p a\\\\\\b d"e f"g h', 'p', 'a\\\\\\b', 'de fg', 'h'],
    ['p a\\\\\\"b c d', 'p', 'a\\"b', 'c', 'd'],
    ['p a\\\\\\\\"b c" d e', 'p', 'a\\\\b c', 'd', 'e'],
    ['p a"b"" c d', 'p', 'ab" c d'],
    ['p ""', 'p', ''],
    ['"C:\\a b\\p.exe"  x ', 'C:\\a b\\p.exe', 'x'],
    ['"C:\\p.exe" "C:\\a b\\\\" x', 'C:\\p.exe', 'C:\\a b\\', 'x'],
    ['C:\\a\\p.exe\tx', 'C:\\a\\p.exe', 'x'],
    ['', ''],
  ] as const) {
    it(`splitCommandLine() reads ${JSON.stringify(line)}`, () => {
      expect(splitCommandLine(line)).to.deep.equal(words);
    });
  }

  for (const [word, quoted] of [
    ['plain', 'plain'],
    ['C:\\a\\b', 'C:\\a\\b'],
    ['', '""'],
    ['a b', '"a b"'],
    ['a b\\', '"a b\\\\"'],
    ['say "hi"', '"say \\"hi\\""'],
    ['\\"', '"\\\\\\""'],
    ['Мой сервис', '"Мой сервис"'],
  ] as const) {
    it(`quoteArgument() writes ${JSON.stringify(word)} as ${quoted}`, () => {
      expect(quoteArgument(word)).to.equal(quoted);
    });
  }

  it('serviceCommandLine() quotes the program always', () => {
    expect(serviceCommandLine(['C:\\node.exe', 'a', 'b c'])).to.equal('"C:\\node.exe" a "b c"');
  });

  for (const [words, why] of [
    [['p', 'a%PATH%b'], /^Cannot put "a%PATH%b" on .*: Windows would replace what is between/],
    [['C:\\%x%\\p'], /Windows would replace/],
    [['p', 'a\0b'], /it has a zero character$/],
    [['p"q'], /^Cannot run "p\\"q" as a service: it names no program$/],
    [[''], /^Cannot run "" as a service/],
  ] as const) {
    it(`serviceCommandLine() refuses ${JSON.stringify(words)}`, () => {
      expect(() => serviceCommandLine(words)).to.throw(UsageError, why);
    });
  }

  it('serviceCommandLine() takes percent signs that are no variable', () => {
    expect(serviceCommandLine(['p', '100%', '%%'])).to.equal('"p" 100% %%');
  });
});
