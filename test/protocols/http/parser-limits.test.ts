import { expect } from 'chai';
import {
  type LenientParsing,
  type ParserOptions,
  parserSettings,
} from '../../../src/protocols/http/index.ts';
import { get, lines, parseRequests, refusal, request } from './parser-support.ts';

const POST = lines('POST / HTTP/1.1', 'Host: a', 'Content-Length: 3');

describe('RequestParser: limits', () => {
  it('of the head count its start line, its headers and its line ends', () => {
    const head = (length: number) => get(`X: ${'x'.repeat(length - get('X: ').length)}`);
    expect(head(100)).to.have.length(100);
    expect(refusal(head(100), { maxHeadLength: 100 })).to.equal(null);
    expect(refusal(head(101), { maxHeadLength: 100 })).to.equal('ERR_HTTP_HEAD_TOO_LONG');
    expect(parseRequests(head(101), { maxHeadLength: 100 }).status).to.equal(431);
    expect(refusal(head(16_384))).to.equal(null);
    expect(refusal(head(16_385))).to.equal('ERR_HTTP_HEAD_TOO_LONG');
  });

  it('of the head hold for each head alone', () => {
    const { messages, error } = parseRequests(get().repeat(20), { maxHeadLength: get().length });
    expect([messages.length, error]).to.deep.equal([20, null]);
  });

  it('of the head hold without an end of it', () => {
    expect(refusal(`GET / HTTP/1.1\r\nX: ${'x'.repeat(100)}`, { maxHeadLength: 100 })).to.equal(
      'ERR_HTTP_HEAD_TOO_LONG',
    );
    expect(refusal(`GET / HTTP/1.1\r\n${'X: x\r\n'.repeat(100)}`, { maxHeadLength: 100 })).to.equal(
      'ERR_HTTP_HEAD_TOO_LONG',
    );
  });

  it('of the head do not hide what is wrong before them', () => {
    expect(refusal(`GET / HTTP/1.1\r\nX : ${'x'.repeat(100)}`, { maxHeadLength: 100 })).to.equal(
      'ERR_HTTP_SPACE_BEFORE_COLON',
    );
  });

  it('of the request line count it without its line end', () => {
    const line = (length: number) => lines(`GET /${'x'.repeat(length - 14)} HTTP/1.1`, 'Host: a');
    expect(refusal(line(50), { maxRequestLineLength: 50 })).to.equal(null);
    expect(refusal(line(51), { maxRequestLineLength: 50 })).to.equal(
      'ERR_HTTP_REQUEST_LINE_TOO_LONG',
    );
    expect(parseRequests(line(51), { maxRequestLineLength: 50 }).status).to.equal(414);
    expect(refusal(line(8192))).to.equal(null);
    expect(refusal(line(8193))).to.equal('ERR_HTTP_REQUEST_LINE_TOO_LONG');
    expect(refusal(`GET /${'x'.repeat(60)}`, { maxRequestLineLength: 50 })).to.equal(
      'ERR_HTTP_REQUEST_LINE_TOO_LONG',
    );
    expect(refusal('G'.repeat(60), { maxRequestLineLength: 50 })).to.equal(
      'ERR_HTTP_REQUEST_LINE_TOO_LONG',
    );
  });

  it('of the number of headers count lines', () => {
    const head = (count: number) => get(...Array<string>(count - 1).fill('X: y'));
    expect(request(head(3), { maxHeaders: 3 }).rawHeaders).to.have.length(6);
    expect(refusal(head(4), { maxHeaders: 3 })).to.equal('ERR_HTTP_TOO_MANY_HEADERS');
    expect(parseRequests(head(4), { maxHeaders: 3 }).status).to.equal(431);
    expect(refusal(head(500))).to.equal(null);
    expect(refusal(head(501))).to.equal('ERR_HTTP_TOO_MANY_HEADERS');
  });

  it('of a body hold for Content-Length before any of it has come', () => {
    expect(request(`${POST}abc`, { maxBodyLength: 3 }).body).to.equal('abc');
    const { messages, error, status } = parseRequests(`${POST}abc`, { maxBodyLength: 2 });
    expect([messages.length, error, status]).to.deep.equal([0, 'ERR_HTTP_BODY_TOO_LONG', 413]);
  });

  it('of empty lines hold before each request', () => {
    const { messages, error } = parseRequests(`\r\n${get()}\r\n${get()}`);
    expect([messages.length, error]).to.deep.equal([2, null]);
    expect(refusal(`\r\n\r\n${get()}`)).to.equal('ERR_HTTP_EMPTY_LINES');
    expect(refusal(`${get()}\r\n\r\n${get()}`)).to.equal('ERR_HTTP_EMPTY_LINES');
    expect(refusal(`\r\n\r\n\r\n${get()}`, { maxEmptyLines: 3 })).to.equal(null);
    expect(refusal(`\r\n${get()}`, { maxEmptyLines: 0 })).to.equal('ERR_HTTP_EMPTY_LINES');
    expect(refusal(`\n${get()}`)).to.equal('ERR_HTTP_BARE_LF');
    expect(refusal(`\r${get()}`)).to.equal('ERR_HTTP_BARE_CR');
  });
});

describe('parserSettings()', () => {
  it('refuses limits that are none', () => {
    for (const value of [-1, Number.NaN, '5', null]) {
      const options = { maxHeaders: value } as ParserOptions; // wrong on purpose
      expect(() => parserSettings(options), String(value)).to.throw(
        RangeError,
        "Cannot set 'maxHeaders'",
      );
    }
  });

  it('refuses names that are none, and switches that are not booleans', () => {
    const misspelled = { maxHeader: 5 } as ParserOptions; // wrong on purpose
    expect(() => parserSettings(misspelled)).to.throw(TypeError, 'there is no such limit');
    const unknown = { lenient: { bareCR: true } as Partial<LenientParsing> }; // wrong on purpose
    expect(() => parserSettings(unknown)).to.throw(TypeError, 'there is no such lenient switch');
    const text = { lenient: { bareLF: 'yes' } } as unknown as ParserOptions; // wrong on purpose
    expect(() => parserSettings(text)).to.throw(TypeError, "Cannot set 'bareLF' to 'yes'");
  });

  it('gives all limits, with the defaults for what is not given, and takes them again as they are', () => {
    const settings = parserSettings({ maxHeaders: 5, lenient: { bareLF: true } });
    expect(settings.limits).to.include({ maxHeaders: 5, maxHeadLength: 16_384 });
    expect(settings.lenient).to.include({ bareLF: true, foldedHeaders: false });
    expect(parserSettings(settings)).to.equal(settings);
    expect(Object.isFrozen(settings.limits)).to.equal(true);
  });

  it('leaves every lenient switch off', () => {
    expect(Object.values(parserSettings().lenient)).to.deep.equal(Array(9).fill(false));
  });
});
