import { expect } from 'chai';
import fc from 'fast-check';
import { AsciiDecoder, AsciiEncoder } from '../../../src/protocols/ftp/text/ascii.ts';
import { globMatcher, isPattern } from '../../../src/protocols/ftp/text/glob.ts';
import {
  factsLine,
  LIST_FACTS,
  listLine,
  MLST_FACTS,
  modeText,
  oneLine,
  parseTime,
  timeText,
  WIRE_FACTS,
} from '../../../src/protocols/ftp/text/listing.ts';

function convert(conversion: AsciiEncoder | AsciiDecoder, pieces: readonly string[]): string {
  const out = pieces.map((piece) => conversion.convert(Buffer.from(piece, 'latin1')));
  return Buffer.concat([...out, conversion.end()]).toString('latin1');
}

/** A text of line ends mostly, cut anywhere. */
const cutText = fc.array(fc.string({ unit: fc.constantFrom('a', '\r', '\n'), maxLength: 5 }));

describe('ASCII type', () => {
  it('sends lines that end with CRLF', () => {
    expect(convert(new AsciiEncoder(), ['a\nb\n\nc'])).to.equal('a\r\nb\r\n\r\nc');
  });

  it('does not double the CR of lines that end with CRLF already, wherever they are cut', () => {
    expect(convert(new AsciiEncoder(), ['a\r\nb\r', '\nc', '\n'])).to.equal('a\r\nb\r\nc\r\n');
  });

  it('stores lines that end with LF, wherever they are cut', () => {
    expect(convert(new AsciiDecoder(), ['a\r\nb\r', '\nc\r', '', '\n'])).to.equal('a\nb\nc\n');
  });

  it('keeps a CR that belongs to no line end, also the last byte', () => {
    expect(convert(new AsciiDecoder(), ['a\rb', '\r', '\r', '\nc\r'])).to.equal('a\rb\r\nc\r');
  });

  it('converts pieces as it does the whole, both ways', () => {
    fc.assert(
      fc.property(cutText, (pieces) => {
        const whole = pieces.join('');
        expect(convert(new AsciiEncoder(), pieces)).to.equal(whole.replace(/(?<!\r)\n/g, '\r\n'));
        expect(convert(new AsciiDecoder(), pieces)).to.equal(whole.replaceAll('\r\n', '\n'));
      }),
    );
  });

  it('gives back what was sent, if it had no CR', () => {
    fc.assert(
      fc.property(cutText, (pieces) => {
        const text = pieces.join('').replaceAll('\r', 'b');
        expect(convert(new AsciiDecoder(), [convert(new AsciiEncoder(), [text])])).to.equal(text);
      }),
    );
  });

  it('copies nothing when there is nothing to convert', () => {
    const data = Buffer.from('no line ends');
    expect(new AsciiEncoder().convert(data)).to.equal(data);
    expect(new AsciiDecoder().convert(data)).to.equal(data);
  });
});

describe('Patterns of names', () => {
  function matched(pattern: string, names: readonly string[]): string[] {
    return names.filter(globMatcher(pattern));
  }

  it('isPattern() says whether a name is one', () => {
    expect(['a*', 'b?', 'c[d]'].every(isPattern)).to.equal(true);
    expect(['', 'a.txt', 'a]b', 'a+b'].some(isPattern)).to.equal(false);
  });

  it('match any characters by *, one by ?', () => {
    const names = ['', 'a', 'ab', 'abc', 'b.txt', 'x\nb'];
    expect(matched('*', names)).to.deep.equal(names);
    expect(matched('a*', names)).to.deep.equal(['a', 'ab', 'abc']);
    expect(matched('*b*', names)).to.deep.equal(['ab', 'abc', 'b.txt', 'x\nb']);
    expect(matched('a?', names)).to.deep.equal(['ab']);
    expect(matched('?', ['é', '😀', 'ab'])).to.deep.equal(['é', '😀']);
  });

  it('match sets, ranges and their opposites', () => {
    expect(matched('[abc]', ['a', 'c', 'd', 'ab'])).to.deep.equal(['a', 'c']);
    expect(matched('[a-c][0-9]', ['b5', 'd5', 'bx'])).to.deep.equal(['b5']);
    expect(matched('[!a-c]', ['a', 'd'])).to.deep.equal(['d']);
    expect(matched('[]x]', [']', 'x', '[]x]'])).to.deep.equal([']', 'x']);
    expect(matched('[!]]', [']', 'x'])).to.deep.equal(['x']);
    expect(matched('[a-]', ['a', '-', 'b'])).to.deep.equal(['a', '-']);
  });

  it('take a bracket that is not closed for itself, and what regular expressions know for nothing', () => {
    expect(matched('[a', ['[a', 'a'])).to.deep.equal(['[a']);
    expect(matched('a.(b|c)+$', ['a.(b|c)+$', 'axb'])).to.deep.equal(['a.(b|c)+$']);
  });

  it('match hidden names only if they begin with a dot themselves', () => {
    const names = ['.profile', 'profile'];
    expect(matched('*', names)).to.deep.equal(['profile']);
    expect(matched('?profile', names)).to.deep.equal([]);
    expect(matched('.*', names)).to.deep.equal(['.profile']);
  });

  it('take no longer than name times pattern', () => {
    const before = process.cpuUsage();
    expect(globMatcher(`${'*a'.repeat(200)}*b`)('a'.repeat(4000))).to.equal(false);
    const { user } = process.cpuUsage(before);
    expect(user).to.be.below(2_000_000); // microseconds; going back to every star would take ages
  });
});

describe('Listings', () => {
  const MARCH = Date.UTC(2026, 2, 5, 7, 8, 9) / 1000;

  function line(changes: Record<string, unknown> = {}, now = MARCH + 100): string {
    const facts: Record<string, unknown> = {
      directory: false,
      permissions: 0o644,
      hardlinks: 1,
      owner: 'alice',
      group: 'users',
      size: 1234,
      modified: MARCH,
      ...changes,
    };
    return listLine('a name', LIST_FACTS.map((key) => facts[key]) as never, now); // such as a shell gives
  }

  it('modeText() writes permissions as ls does', () => {
    expect(modeText(false, 0o640)).to.equal('-rw-r-----');
    expect(modeText(true, 0o755)).to.equal('drwxr-xr-x');
    expect(modeText(false, 0)).to.equal('----------');
    expect(modeText(false, 0o777)).to.equal('-rwxrwxrwx');
  });

  it('LIST has the time of what changed lately', () => {
    expect(line()).to.equal('-rw-r--r--    1 alice    users             1234 Mar 05 07:08 a name');
  });

  it('LIST has the year of what changed half a year ago, or changes tomorrow only', () => {
    expect(line({}, MARCH + 181 * 86_400)).to.match(/ Mar 05 {2}2026 a name$/);
    expect(line({}, MARCH - 2 * 86_400)).to.match(/ Mar 05 {2}2026 a name$/);
    expect(line({}, MARCH - 3600)).to.match(/ Mar 05 07:08 a name$/);
  });

  it('LIST has columns that no owner can break', () => {
    expect(line({ owner: 'a b\nc', group: 'averylonggroup', directory: true })).to.equal(
      'drw-r--r--    1 a_b_c    averylon          1234 Mar 05 07:08 a name',
    );
  });

  it('timeText() and parseTime() are of one mind', () => {
    expect(timeText(MARCH + 0.9)).to.equal('20260305070809');
    expect(parseTime('20260305070809')).to.equal(MARCH);
    expect(parseTime('20260305070809.123')).to.equal(MARCH);
    expect(timeText(-1)).to.equal('19691231235959');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e9 }), (seconds) => {
        expect(parseTime(timeText(seconds))).to.equal(seconds);
      }),
    );
  });

  it('parseTime() takes a leap second, and nothing that is no time', () => {
    expect(parseTime('20161231235960')).to.equal(Date.UTC(2017, 0, 1) / 1000);
    const wrong = [
      '',
      '2026',
      '20260230000000',
      '20261301000000',
      '20260101240000',
      '20260101006000',
      'x0260101000000',
      '20260101000000.',
      '20260230000060',
    ];
    for (const text of wrong) expect(parseTime(text), text).to.equal(null);
  });

  function facts(name: string, wanted: string[], changes: Record<string, unknown> = {}): string {
    const known: Record<string, unknown> = {
      directory: false,
      size: 5,
      modified: MARCH,
      permissions: 0o644,
      unique: '1g2',
      owner: 'alice',
      group: 'users',
      ...changes,
    };
    return factsLine(
      name,
      MLST_FACTS.map((key) => known[key]) as never, // such as a shell gives
      new Set(wanted),
      'r',
    );
  }

  it('have one line for each name, whatever is in it', () => {
    expect(oneLine('a\r\nb\0')).to.equal('a??b?');
    expect(facts('a\nb', ['type'])).to.equal('type=file; a?b');
    expect(listLine('a\nb', [false, 0, 1, '', '', 0, 0], 0)).to.match(/ a\?b$/);
  });

  it('MLSD tells the facts that are wanted', () => {
    const usual = [...WIRE_FACTS].filter(([, told]) => told).map(([name]) => name);
    expect(facts('a b', usual)).to.equal(
      'type=file;size=5;modify=20260305070809;perm=r;unique=1g2; a b',
    );
    expect(facts('x', ['unix.mode', 'unix.owner'])).to.equal('unix.mode=0644;unix.owner=alice; x');
    expect(facts('x', [])).to.equal(' x');
  });

  it('MLSD tells folders from files, and of folders no size', () => {
    expect(facts('d', ['type', 'size'], { directory: true })).to.equal('type=dir; d');
  });

  it('MLSD has facts that no owner can break', () => {
    expect(facts('x', ['unix.owner'], { owner: 'a;size=1 b' })).to.equal(
      'unix.owner=a_size=1_b; x',
    );
    expect(facts('x', ['unique'], { unique: '' })).to.equal(' x');
  });
});
