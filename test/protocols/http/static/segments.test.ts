import { expect } from 'chai';
import {
  endingOf,
  isCompressible,
  typeOfEnding,
  withCharset,
} from '../../../../src/protocols/http/static/content-types.ts';
import { readableSize } from '../../../../src/protocols/http/static/listing.ts';
import { isHidden, isOrdinaryName } from '../../../../src/protocols/http/static/segments.ts';

describe('isOrdinaryName()', () => {
  for (const name of [
    'a',
    'a.txt',
    'a b',
    '...',
    '..a',
    'é',
    '%2e',
    '-',
    '~',
    'a'.repeat(255),
    '😀',
  ]) {
    it(`takes '${name.slice(0, 20)}'`, () => {
      expect(isOrdinaryName(name, false)).to.equal(true);
    });
  }

  for (const name of [
    '',
    '.',
    '..',
    'a/b',
    '/',
    'a\\b',
    'a\0',
    'a\n',
    'a\x7f',
    'a'.repeat(256),
    'a\ud800',
  ]) {
    it(`refuses ${JSON.stringify(name.slice(0, 20))} anywhere`, () => {
      expect(isOrdinaryName(name, false)).to.equal(false);
      expect(isOrdinaryName(name, true)).to.equal(false);
    });
  }

  for (const name of [
    'a.',
    'a ',
    '...',
    '.. ',
    'c:',
    'a:stream',
    'a.txt::$DATA',
    'a*',
    'a?',
    'a|b',
    'a<b',
    'a"',
    'CON',
    'con.txt',
    'nul',
    'NUL.tar.gz',
    'com1',
    'LPT9.txt',
    'com¹',
    'CONOUT$',
    'aux',
    'PROGRA~1',
    'index~2.htm',
  ]) {
    it(`refuses '${name}' on Windows alone`, () => {
      expect(isOrdinaryName(name, true)).to.equal(false);
      expect(isOrdinaryName(name, false)).to.equal(true);
    });
  }

  for (const name of ['a.txt', 'console', 'nully.txt', 'com10', 'acon', 'a~b', '.a', 'a.b.c']) {
    it(`takes '${name}' on Windows`, () => {
      expect(isOrdinaryName(name, true)).to.equal(true);
    });
  }
});

describe('Names of files', () => {
  it('isHidden() goes by the dot, but knows .well-known', () => {
    expect(['.git', '.env', '..a', '.well-known2'].map(isHidden)).to.not.include(false);
    expect(['a', 'a.b', '.well-known'].map(isHidden)).to.not.include(true);
  });

  it('endingOf() gives the last ending, in lower case', () => {
    const table: [string, string][] = [
      ['/x/a.TXT', '.txt'],
      ['a.tar.gz', '.gz'],
      ['/x.y/a', ''],
      ['/x/.env', ''],
      ['a.', '.'],
      ['', ''],
    ];
    for (const [name, ending] of table) expect(endingOf(name), name).to.equal(ending);
  });

  it('typeOfEnding() knows common ones at once, and others when they are loaded', async () => {
    expect(typeOfEnding('.html')).to.equal('text/html');
    expect(await typeOfEnding('.epub')).to.equal('application/epub+zip');
    expect(typeOfEnding('.epub')).to.equal('application/epub+zip');
    expect(typeOfEnding('.xyzzy')).to.equal(undefined);
    expect(typeOfEnding('')).to.equal(undefined);
  });

  it('withCharset() is for text that does not say it', () => {
    expect(withCharset('text/css', 'utf-8')).to.equal('text/css; charset=utf-8');
    expect(withCharset('text/css; charset=x', 'utf-8')).to.equal('text/css; charset=x');
    expect(withCharset('text/css', null)).to.equal('text/css');
    expect(withCharset('image/png', 'utf-8')).to.equal('image/png');
  });

  it('isCompressible() tells text from what is small already', () => {
    for (const type of [
      'text/html; charset=utf-8',
      'text/event-stream',
      'TEXT/CSS',
      'application/json',
      'application/ld+json',
      'image/svg+xml',
      'application/wasm',
      'application/javascript',
      'font/ttf',
    ]) {
      expect(isCompressible(type), type).to.equal(true);
    }
    for (const type of [
      'image/png',
      'video/mp4',
      'application/zip',
      'application/octet-stream',
      'font/woff2',
      'multipart/byteranges; boundary=x',
      '',
    ]) {
      expect(isCompressible(type), type).to.equal(false);
    }
  });

  it('readableSize() rounds', () => {
    const table: [number, string][] = [
      [0, '0'],
      [1023, '1023'],
      [1024, '1.0 K'],
      [10_240, '10 K'],
      [1_048_575, '1.0 M'],
      [5_000_000_000, '4.7 G'],
    ];
    for (const [bytes, text] of table) expect(readableSize(bytes), String(bytes)).to.equal(text);
  });
});
