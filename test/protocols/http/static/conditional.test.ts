import { expect } from 'chai';
import {
  evaluateConditions,
  ifRangeHolds,
  type Validators,
} from '../../../../src/protocols/http/static/conditional.ts';
import {
  fileETag,
  isEntityTag,
  parseEntityTags,
  strongMatch,
  weakened,
  weakMatch,
} from '../../../../src/protocols/http/static/etags.ts';

const CHANGED = 784_111_777;
const AT = 'Sun, 06 Nov 1994 08:49:37 GMT';
const BEFORE = 'Sun, 06 Nov 1994 08:49:36 GMT';
const AFTER = 'Sun, 06 Nov 1994 08:49:38 GMT';
const STATE: Validators = { etag: '"a"', lastModified: CHANGED + 0.5 };

function judge(
  headers: Record<string, string>,
  method = 'GET',
  state: Validators = STATE,
): 200 | 304 | 412 {
  return evaluateConditions(method, (name) => headers[name], state);
}

describe('Entity tags', () => {
  it('isEntityTag() knows weak and strong ones', () => {
    for (const tag of ['""', '"a"', 'W/"a"', '"a,b!#"', '"\u00e9"']) {
      expect(isEntityTag(tag), tag).to.equal(true);
    }
    for (const tag of [
      '',
      'a',
      '"a',
      'a"',
      'w/"a"',
      '"a"b',
      '"a b"',
      'W/',
      '*',
      '"\r"',
      '"\x7f"',
    ]) {
      expect(isEntityTag(tag), tag).to.equal(false);
    }
  });

  it('parseEntityTags() reads a list, with commas inside of tags', () => {
    expect(parseEntityTags('"a", W/"b" ,,\t"c,d"')).to.deep.equal(['"a"', 'W/"b"', '"c,d"']);
    expect(parseEntityTags(' * ')).to.equal('*');
    expect(parseEntityTags('')).to.deep.equal([]);
    expect(parseEntityTags('"a", b, "c"')).to.deep.equal(['"a"']);
  });

  it('parseEntityTags() reads a long hostile list in one pass', () => {
    const before = process.cpuUsage();
    expect(parseEntityTags(`${' '.repeat(200_000)}x`)).to.deep.equal([]);
    expect(parseEntityTags('W/'.repeat(100_000))).to.deep.equal([]);
    expect(process.cpuUsage(before).user).to.be.below(500_000);
  });

  it('compares strongly and weakly as RFC 9110 8.8.3.2 has it', () => {
    const table: [string, string, boolean, boolean][] = [
      ['W/"1"', 'W/"1"', false, true],
      ['W/"1"', 'W/"2"', false, false],
      ['W/"1"', '"1"', false, true],
      ['"1"', '"1"', true, true],
    ];
    for (const [a, b, strong, weak] of table) {
      expect(strongMatch(a, b), `${a} ${b}`).to.equal(strong);
      expect(weakMatch(a, b), `${a} ${b}`).to.equal(weak);
      expect(weakMatch(b, a), `${b} ${a}`).to.equal(weak);
    }
  });

  it('weakened() leaves a weak tag alone', () => {
    expect(weakened('"a"')).to.equal('W/"a"');
    expect(weakened('W/"a"')).to.equal('W/"a"');
  });

  it('fileETag() changes with the size and with the microsecond', () => {
    const tag = fileETag({ size: 10, mtimeMs: 1_700_000_000_000 });
    expect(isEntityTag(tag)).to.equal(true);
    expect(fileETag({ size: 11, mtimeMs: 1_700_000_000_000 })).to.not.equal(tag);
    expect(fileETag({ size: 10, mtimeMs: 1_700_000_000_000.001 })).to.not.equal(tag);
  });
});

describe('evaluateConditions()', () => {
  it('lets a request without conditions through', () => {
    expect(judge({})).to.equal(200);
  });

  it('If-Match wants the same strong tag, or any with *', () => {
    expect(judge({ 'if-match': '"a"' })).to.equal(200);
    expect(judge({ 'if-match': '"b", "a"' })).to.equal(200);
    expect(judge({ 'if-match': '*' })).to.equal(200);
    expect(judge({ 'if-match': '"b"' })).to.equal(412);
    expect(judge({ 'if-match': 'W/"a"' })).to.equal(412);
    expect(judge({ 'if-match': '"a"' }, 'GET', { etag: null, lastModified: null })).to.equal(412);
    expect(judge({ 'if-match': '"a"' }, 'PUT')).to.equal(200);
  });

  it('If-Unmodified-Since fails when it was changed after', () => {
    expect(judge({ 'if-unmodified-since': AT })).to.equal(200);
    expect(judge({ 'if-unmodified-since': AFTER })).to.equal(200);
    expect(judge({ 'if-unmodified-since': BEFORE })).to.equal(412);
    expect(judge({ 'if-unmodified-since': 'yesterday' })).to.equal(200);
    const undated = { etag: '"a"', lastModified: null };
    expect(judge({ 'if-unmodified-since': BEFORE }, 'GET', undated)).to.equal(200);
  });

  it('If-None-Match compares weakly: 304 for GET and HEAD, 412 for the rest', () => {
    expect(judge({ 'if-none-match': '"a"' })).to.equal(304);
    expect(judge({ 'if-none-match': 'W/"a"' }, 'HEAD')).to.equal(304);
    expect(judge({ 'if-none-match': '*' })).to.equal(304);
    expect(judge({ 'if-none-match': '"a"' }, 'PUT')).to.equal(412);
    expect(judge({ 'if-none-match': '*' }, 'PUT')).to.equal(412);
    expect(judge({ 'if-none-match': '"b"' })).to.equal(200);
    const untagged = { etag: null, lastModified: null };
    expect(judge({ 'if-none-match': '"b"' }, 'GET', untagged)).to.equal(200);
    expect(judge({ 'if-none-match': '*' }, 'GET', untagged)).to.equal(304);
  });

  it('If-Modified-Since gives 304 for GET and HEAD alone', () => {
    expect(judge({ 'if-modified-since': AT })).to.equal(304);
    expect(judge({ 'if-modified-since': AFTER }, 'HEAD')).to.equal(304);
    expect(judge({ 'if-modified-since': BEFORE })).to.equal(200);
    expect(judge({ 'if-modified-since': AT }, 'POST')).to.equal(200);
    expect(judge({ 'if-modified-since': '-1' })).to.equal(200);
  });

  it('goes by the order of RFC 9110 13.2.2', () => {
    // If-Match true: If-Unmodified-Since, which would fail, is not looked at
    expect(judge({ 'if-match': '"a"', 'if-unmodified-since': BEFORE })).to.equal(200);
    // If-Match true, then If-None-Match
    expect(judge({ 'if-match': '"a"', 'if-none-match': '"a"' })).to.equal(304);
    // a failed If-Match comes before a matching If-None-Match
    expect(judge({ 'if-match': '"b"', 'if-none-match': '"a"' })).to.equal(412);
    // a failed If-Unmodified-Since comes before it as well
    expect(judge({ 'if-unmodified-since': BEFORE, 'if-none-match': '"a"' })).to.equal(412);
    // If-None-Match without a match: If-Modified-Since, which would give 304, is not looked at
    expect(judge({ 'if-none-match': '"b"', 'if-modified-since': AT })).to.equal(200);
    // If-Unmodified-Since holds, then If-Modified-Since
    expect(judge({ 'if-unmodified-since': AT, 'if-modified-since': AT })).to.equal(304);
  });
});

describe('ifRangeHolds()', () => {
  it('wants the same strong tag', () => {
    expect(ifRangeHolds('"a"', STATE)).to.equal(true);
    expect(ifRangeHolds('"b"', STATE)).to.equal(false);
    expect(ifRangeHolds('W/"a"', STATE)).to.equal(false);
    expect(ifRangeHolds('W/"a"', { etag: 'W/"a"', lastModified: null })).to.equal(false);
  });

  it('wants exactly the same date', () => {
    expect(ifRangeHolds(AT, STATE)).to.equal(true);
    expect(ifRangeHolds(AFTER, STATE)).to.equal(false);
    expect(ifRangeHolds(BEFORE, STATE)).to.equal(false);
    expect(ifRangeHolds('never', STATE)).to.equal(false);
    expect(ifRangeHolds(AT, { etag: '"a"', lastModified: null })).to.equal(false);
  });
});
