import { expect } from 'chai';
import fc from 'fast-check';
import { scan } from '../../../src/protocols/manhole/scan.ts';
import { asStatements } from '../../../src/protocols/manhole/top-level-await.ts';

const statements = (code: string): string[] =>
  scan(code).statements.map(({ start, end }) => code.slice(start, end));

describe('scan()', () => {
  it('tells what is open at the end', () => {
    for (const code of [
      '(',
      'f(1, {',
      '[1, [2]',
      '`a',
      `\`a \${b`,
      '`a ${`b`',
      '/* c',
      'a = {\n',
      '({a: "}"',
    ]) {
      expect(scan(code).open, code).to.equal(true);
    }
    for (const code of [
      '',
      '()',
      `\`a \${b}\``,
      "'('",
      '"("',
      '// (',
      '/* ( */',
      '/(/',
      'a / (b) / c',
      ')',
      '/[/(]/.test(x)',
    ]) {
      expect(scan(code).open, code).to.equal(false);
    }
  });

  it('tells division from regular expressions', () => {
    for (const code of [
      'a /(b)/ c',
      'x = /\\(/',
      'f(/[(]/)',
      'return /(/.x',
      '(a) / "(" / b',
      `1 /2/ 3; \`\${/\`/}\``,
    ]) {
      expect(scan(code).open, code).to.equal(false);
    }
  });

  it('finds where statements begin and end', () => {
    expect(statements('a; b;c')).to.deep.equal(['a', 'b', 'c']);
    expect(statements('a\nb\n\nc()')).to.deep.equal(['a', 'b', 'c()']);
    expect(statements('a\n.b()\n+ c\n(d)')).to.deep.equal(['a\n.b()\n+ c\n(d)']);
    expect(statements('a +\nb\nc')).to.deep.equal(['a +\nb', 'c']);
    expect(statements('const x = 1, y = 2\nlet z')).to.deep.equal(['const x = 1, y = 2', 'let z']);
    expect(statements('if (a) { b; c } else { d }\ne')).to.deep.equal([
      ...['if (a) { b; c } else { d }', 'e'],
    ]);
    expect(statements('function f() { a; b } g')).to.deep.equal(['function f() { a; b }', 'g']);
    expect(statements('do { a } while (b)\nc')).to.deep.equal(['do { a } while (b)', 'c']);
    expect(statements(`x = { a: 1 }\ny = \`\${1}\n;\`\nz`)).to.deep.equal([
      ...['x = { a: 1 }', `y = \`\${1}\n;\``, 'z'],
    ]);
    expect(statements(';;a /* ; */ // ;\n;b')).to.deep.equal(['a', 'b']);
    expect(statements('i++\nj')).to.deep.equal(['i++', 'j']);
  });

  it('comes to an end with any text', () => {
    const parts = fc.constantFrom(
      ...[
        '(',
        ')',
        '{',
        '}',
        '`',
        '${',
        "'",
        '"',
        '/',
        '//',
        '/*',
        '*/',
        '\\',
        '\n',
        ';',
        'a',
        'let',
        ' ',
        '=',
        '[',
        ']',
        'é',
        '😀',
        '\u2028',
      ],
    );
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 40 }), (some) => {
        const code = some.join('');
        let last = 0;
        for (const { start, end } of scan(code).statements) {
          expect(start).to.be.at.least(last);
          expect(end).to.be.above(start);
          last = start;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('asStatements()', () => {
  it('makes assignments of declarations, and returns the last value', () => {
    expect(asStatements('const x = await f()\nx + 1')).to.equal(
      '(async () => {\n( x = await f()\n);\nreturn (x + 1\n);\n})()',
    );
    expect(asStatements('let x\nfunction g() {}\nclass K {}\nawait 1')).to.equal(
      '(async () => {\n x = undefined;\ng = function g() {};\nK = class K {};\nreturn (await 1\n);\n})()',
    );
  });
});
