import { expect } from 'chai';
import {
  listElements,
  listTokens,
  mediaType,
  trimBlanks,
} from '../../../src/protocols/http/field-lists.ts';

describe('the values of fields', () => {
  it('lose spaces and tabs at both ends, and no other blanks', () => {
    expect(trimBlanks(' \t a b\t')).to.equal('a b');
    expect(trimBlanks('a')).to.equal('a');
    expect(trimBlanks(' \t ')).to.equal('');
    for (const other of ['\xa0', '\u2003', '\ufeff', '\v', '\f', '\r', '\n']) {
      expect(trimBlanks(` ${other}a${other} `)).to.equal(`${other}a${other}`);
    }
  });

  it('that are lists have elements, of which the empty ones may count', () => {
    expect(listElements(' A ,,b\t,\xa0c')).to.deep.equal(['A', '', 'b', '\xa0c']);
    expect(listTokens(' A ,,b\t,\xa0c,')).to.deep.equal(['a', 'b', '\xa0c']);
    expect(listTokens('')).to.deep.equal([]);
  });

  it('that are types have parameters, which are not part of what is said', () => {
    expect(mediaType('Text/HTML ; charset=x')).to.equal('text/html');
    expect(mediaType('\ttext/html')).to.equal('text/html');
    expect(mediaType('text/html\xa0')).not.to.equal('text/html');
  });
});
