import { expect } from 'chai';
import fc from 'fast-check';
import { formatHTTPDate, parseHTTPDate } from '../../../../src/protocols/http/static/http-date.ts';

const MOMENT = 784_111_777; // the example of RFC 9110 5.6.7

describe('HTTP dates', () => {
  it('formatHTTPDate() writes an IMF-fixdate and cuts fractions off', () => {
    expect(formatHTTPDate(MOMENT)).to.equal('Sun, 06 Nov 1994 08:49:37 GMT');
    expect(formatHTTPDate(MOMENT + 0.999)).to.equal('Sun, 06 Nov 1994 08:49:37 GMT');
  });

  it('parseHTTPDate() reads all three formats', () => {
    expect(parseHTTPDate('Sun, 06 Nov 1994 08:49:37 GMT')).to.equal(MOMENT);
    expect(parseHTTPDate('Sunday, 06-Nov-94 08:49:37 GMT')).to.equal(MOMENT);
    expect(parseHTTPDate('Sun Nov  6 08:49:37 1994')).to.equal(MOMENT);
    expect(parseHTTPDate('Wed Nov 16 08:49:37 1994')).to.equal(MOMENT + 864_000);
  });

  it('parseHTTPDate() takes two-digit years for 1970 to 2069', () => {
    expect(parseHTTPDate('Thursday, 01-Jan-70 00:00:00 GMT')).to.equal(0);
    expect(parseHTTPDate('Tuesday, 01-Jan-69 00:00:00 GMT')).to.equal(Date.UTC(2069, 0, 1) / 1000);
  });

  it('parseHTTPDate() lets a leap second be the next minute', () => {
    expect(parseHTTPDate('Sat, 31 Dec 2016 23:59:60 GMT')).to.equal(Date.UTC(2017, 0, 1) / 1000);
  });

  for (const text of [
    '',
    'now',
    '0',
    '1994-11-06T08:49:37Z',
    'Sun, 06 Nov 1994 08:49:37',
    'Sun, 06 Nov 1994 08:49:37 CET',
    'Sun, 6 Nov 1994 08:49:37 GMT',
    'Sun, 06 nov 1994 08:49:37 GMT',
    'Sun, 31 Feb 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 24:49:37 GMT',
    'Sun, 06 Nov 1994 08:60:37 GMT',
    'Sun, 06 Nov 1994 08:49:61 GMT',
    'Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT',
    'Sun, 00 Nov 1994 08:49:37 GMT',
    ' Sun, 06 Nov 1994 08:49:37 GMT',
  ]) {
    it(`parseHTTPDate() gives null for '${text}'`, () => {
      expect(parseHTTPDate(text)).to.equal(null);
    });
  }

  it('reads back whatever it writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), (seconds) => {
        expect(parseHTTPDate(formatHTTPDate(seconds))).to.equal(seconds);
      }),
    );
  });
});
