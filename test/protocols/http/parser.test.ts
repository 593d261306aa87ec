import { expect } from 'chai';
import type { HTTPParseErrorCode, ParserOptions } from '../../../src/protocols/http/index.ts';
import { get, lines, parseRequests, read, refusal, request, requests } from './parser-support.ts';

type Cases = ReadonlyArray<
  readonly [what: string, bytes: string, code: HTTPParseErrorCode | null, options?: ParserOptions]
>;

/** One test for each: that it is refused by this rule, or, with null, that it is taken. */
function cases(all: Cases): void {
  for (const [what, bytes, code, options] of all) {
    it(`${code === null ? 'takes' : 'refuses'} ${what}`, () => {
      expect(refusal(bytes, options)).to.equal(code);
    });
  }
}

const version = (text: string) => lines(`GET / ${text}`, 'Host: a');
const target = (text: string, method = 'GET') => lines(`${method} ${text} HTTP/1.1`, 'Host: a');
const host = (value: string) => lines('GET / HTTP/1.1', `Host: ${value}`);

describe('RequestParser: the request line', () => {
  it('gives method, target and version', () => {
    const { head } = request(lines('FIND-IT /a/b?c=d%20e HTTP/1.1', 'Host: a'));
    expect(head.method).to.equal('FIND-IT');
    expect(head.target).to.equal('/a/b?c=d%20e');
    expect(head.versionMinor).to.equal(1);
    expect(request(lines('GET / HTTP/1.0')).head.versionMinor).to.equal(0);
  });

  for (const method of [
    'GET',
    'HEAD',
    'POST',
    'PUT',
    'DELETE',
    'OPTIONS',
    'TRACE',
    'PATCH',
    'GOT',
    'SET',
    'GEM',
    'get',
  ]) {
    it(`gives method ${method} as it is`, () => {
      expect(request(target('/', method)).head.method).to.equal(method);
    });
  }

  cases([
    ['a method of all that a token may have', target('/', "!#$%&'*+-.^_`|~09azAZ"), null],
    ['an empty method', lines(' / HTTP/1.1', 'Host: a'), 'ERR_HTTP_METHOD'],
    ['a method with a character that no token has', target('/', 'G(T'), 'ERR_HTTP_METHOD'],
    ['a method with a byte above 0x7F', target('/', 'G\xc9T'), 'ERR_HTTP_METHOD'],
    ['the first bytes of TLS', '\x16\x03\x01\x02\x00\x01\x00', 'ERR_HTTP_METHOD'],
    ['two spaces before the target', lines('GET  / HTTP/1.1', 'Host: a'), 'ERR_HTTP_REQUEST_LINE'],
    ['a tab before the target', lines('GET\t/ HTTP/1.1', 'Host: a'), 'ERR_HTTP_METHOD'],
    ['two spaces before the version', lines('GET /  HTTP/1.1', 'Host: a'), 'ERR_HTTP_VERSION'],
    ['a tab before the version', lines('GET /\tHTTP/1.1', 'Host: a'), 'ERR_HTTP_TARGET'],
    ['a space behind the version', lines('GET / HTTP/1.1 ', 'Host: a'), 'ERR_HTTP_REQUEST_LINE'],
    ['a request line without a version (HTTP/0.9)', lines('GET /'), 'ERR_HTTP_REQUEST_LINE'],
    ['a request line of one word', lines('GET', 'Host: a'), 'ERR_HTTP_REQUEST_LINE'],
    ['a space within the target', target('/a b'), 'ERR_HTTP_VERSION'],
    ['a NUL in the target', target('/a\0b'), 'ERR_HTTP_TARGET'],
    ['a control character in the target', target('/a\x7fb'), 'ERR_HTTP_TARGET'],
    ['a byte above 0x7F in the target', target('/\xfc'), 'ERR_HTTP_TARGET'],
    ['a fragment in the target', target('/a#b'), 'ERR_HTTP_TARGET'],
    [
      'the other visible characters in a target',
      target('/!"$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'),
      null,
    ],
    [
      'a bare LF at the end of the request line',
      'GET / HTTP/1.1\nHost: a\r\n\r\n',
      'ERR_HTTP_BARE_LF',
    ],
    ['a bare LF behind the target', 'GET /\nHost: a\r\n\r\n', 'ERR_HTTP_BARE_LF'],
    ['a bare LF behind the method', 'GET\n/ HTTP/1.1\r\n\r\n', 'ERR_HTTP_BARE_LF'],
    [
      'a bare CR at the end of the request line',
      'GET / HTTP/1.1\rHost: a\r\n\r\n',
      'ERR_HTTP_BARE_CR',
    ],
  ]);
});

describe('RequestParser: the version', () => {
  cases([
    ['HTTP/1.0', version('HTTP/1.0'), null],
    ['HTTP/1.1', version('HTTP/1.1'), null],
    ['HTTP/1.2', version('HTTP/1.2'), 'ERR_HTTP_VERSION_UNSUPPORTED'],
    ['HTTP/1.9 if told so', version('HTTP/1.9'), null, { lenient: { higherMinorVersion: true } }],
    ['HTTP/2.0', version('HTTP/2.0'), 'ERR_HTTP_VERSION_UNSUPPORTED'],
    [
      'HTTP/2.1 even if told to take HTTP/1.2',
      version('HTTP/2.1'),
      'ERR_HTTP_VERSION_UNSUPPORTED',
      { lenient: { higherMinorVersion: true } },
    ],
    ['HTTP/0.9', version('HTTP/0.9'), 'ERR_HTTP_VERSION_UNSUPPORTED'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'ERR_HTTP_TARGET_FORM'],
    ['a version of small letters', version('http/1.1'), 'ERR_HTTP_VERSION'],
    ['a version with a comma', version('HTTP/1,1'), 'ERR_HTTP_VERSION'],
    ['a version with a sign', version('HTTP/+1.1'), 'ERR_HTTP_VERSION'],
    ['a version of two digits', version('HTTP/1.10'), 'ERR_HTTP_REQUEST_LINE'],
    ['a version without digits', version('HTTP/x.y'), 'ERR_HTTP_VERSION'],
    ['a version that ends too early', version('HTTP/1'), 'ERR_HTTP_VERSION'],
    ['another protocol', version('ICY/1.1x'), 'ERR_HTTP_VERSION'],
  ]);

  it('reads a higher minor version, if it may, as HTTP/1.1', () => {
    const { head } = request(version('HTTP/1.7'), { lenient: { higherMinorVersion: true } });
    expect([head.versionMinor, head.keepAlive]).to.deep.equal([1, true]);
  });

  it('answers a wrong version by 505, and what is no version by 400', () => {
    expect(parseRequests(version('HTTP/3.0')).status).to.equal(505);
    expect(parseRequests(version('HTTP/3')).status).to.equal(400);
  });
});

describe('RequestParser: the target', () => {
  const form = (text: string, method?: string) => {
    const { head } = request(target(text, method));
    return [head.targetForm, head.host, head.pathAndQuery];
  };

  it('has origin form, with the host from Host', () => {
    expect(form('/a?b')).to.deep.equal(['origin', 'a', '/a?b']);
    expect(form('//b/c')).to.deep.equal(['origin', 'a', '//b/c']);
  });

  it('has absolute form, whose host counts instead of that in Host', () => {
    expect(form('http://b.example:80/c?d')).to.deep.equal(['absolute', 'b.example:80', '/c?d']);
    expect(form('HTTPS://B?d')).to.deep.equal(['absolute', 'B', '/?d']);
    expect(form('http://[::1]:8080')).to.deep.equal(['absolute', '[::1]:8080', '/']);
  });

  it('has authority form for CONNECT', () => {
    expect(form('b.example:443', 'CONNECT')).to.deep.equal(['authority', 'b.example:443', '']);
    expect(form('[::1]:443', 'CONNECT')).to.deep.equal(['authority', '[::1]:443', '']);
  });

  it('has asterisk form for OPTIONS', () => {
    expect(form('*', 'OPTIONS')).to.deep.equal(['asterisk', 'a', '*']);
  });

  cases([
    ['an asterisk for GET', target('*'), 'ERR_HTTP_TARGET_FORM'],
    ['an asterisk with more behind it', target('*/', 'OPTIONS'), 'ERR_HTTP_TARGET_FORM'],
    ['an authority for GET', target('b.example:443'), 'ERR_HTTP_TARGET_FORM'],
    ['a path for CONNECT', target('/', 'CONNECT'), 'ERR_HTTP_TARGET_FORM'],
    ['a URI for CONNECT', target('http://b:80/', 'CONNECT'), 'ERR_HTTP_TARGET_FORM'],
    ['a host without a port for CONNECT', target('b', 'CONNECT'), 'ERR_HTTP_TARGET_FORM'],
    ['a host with an empty port for CONNECT', target('b:', 'CONNECT'), 'ERR_HTTP_TARGET_FORM'],
    ['a port without a host for CONNECT', target(':80', 'CONNECT'), 'ERR_HTTP_TARGET_FORM'],
    ['an address without a port for CONNECT', target('[::1]', 'CONNECT'), 'ERR_HTTP_TARGET_FORM'],
    ['a port too high for CONNECT', target('b:65536', 'CONNECT'), 'ERR_HTTP_TARGET_FORM'],
    ['user information for CONNECT', target('u@b:80', 'CONNECT'), 'ERR_HTTP_TARGET_FORM'],
    ['a relative path', target('a/b'), 'ERR_HTTP_TARGET_FORM'],
    ['a query alone', target('?a'), 'ERR_HTTP_TARGET_FORM'],
    ['a URI without a host', target('http:///a'), 'ERR_HTTP_TARGET_FORM'],
    ['a URI with a port but no host', target('http://:80/a'), 'ERR_HTTP_TARGET_FORM'],
    ['a URI with user information', target('http://u:p@b/a'), 'ERR_HTTP_TARGET_FORM'],
    ['a URI whose port is no number', target('http://b:http/'), 'ERR_HTTP_TARGET_FORM'],
    ['a URI without an authority', target('urn:isbn:1'), 'ERR_HTTP_TARGET_FORM'],
    ['a URI whose scheme begins with a digit', target('1http://b/'), 'ERR_HTTP_TARGET_FORM'],
    ['a URI whose host is wrong', target('http://a,b/'), 'ERR_HTTP_TARGET_FORM'],
  ]);

  it('still wants a right Host beside an absolute target', () => {
    expect(refusal(lines('GET http://b/ HTTP/1.1'))).to.equal('ERR_HTTP_NO_HOST');
    expect(refusal(lines('GET http://b/ HTTP/1.1', 'Host: b c'))).to.equal('ERR_HTTP_HOST');
  });
});

describe('RequestParser: Host', () => {
  cases([
    ['no Host in HTTP/1.1', lines('GET / HTTP/1.1', 'Accept: */*'), 'ERR_HTTP_NO_HOST'],
    [
      'no Host in HTTP/1.1 if told so',
      lines('GET / HTTP/1.1'),
      null,
      { lenient: { missingHost: true } },
    ],
    ['no Host in HTTP/1.0', lines('GET / HTTP/1.0'), null],
    ['two Hosts', get('Host: b'), 'ERR_HTTP_MANY_HOSTS'],
    ['two Hosts that are the same', get('host: a'), 'ERR_HTTP_MANY_HOSTS'],
    ['two Hosts in HTTP/1.0', lines('GET / HTTP/1.0', 'Host: a', 'Host: a'), 'ERR_HTTP_MANY_HOSTS'],
    ['an empty Host', host(''), null],
    ['a name', host('www.example-1.org'), null],
    ['a name and a port', host('www.example.org:8080'), null],
    ['a name and an empty port', host('www.example.org:'), null],
    ['an underscore in a name', host('a_b'), null],
    ['a percent-encoding in a name', host('a%C3%bc'), null],
    ['half a percent-encoding in a name', host('a%C'), 'ERR_HTTP_HOST'],
    ['a percent-encoding with a wrong first digit', host('a%g0b'), 'ERR_HTTP_HOST'],
    ['a percent-encoding with a wrong second digit', host('a%0gb'), 'ERR_HTTP_HOST'],
    ['an IPv4 address', host('127.0.0.1:80'), null],
    ['an IPv6 address', host('[fe80::1]'), null],
    ['an IPv6 address and a port', host('[::ffff:1.2.3.4]:80'), null],
    ['an address of a later kind', host('[v7.a:b]'), null],
    ['an IPv6 address without brackets', host('fe80::1'), 'ERR_HTTP_HOST'],
    ['an IPv6 address with a zone', host('[fe80::1%25eth0]'), 'ERR_HTTP_HOST'],
    ['an IPv6 address with a plain zone', host('[fe80::1%eth0]'), 'ERR_HTTP_HOST'],
    ['an open bracket', host('[::1'), 'ERR_HTTP_HOST'],
    [
      'a bracket that a later header closes',
      lines('GET / HTTP/1.1', 'Host: [::1', 'A: ]'),
      'ERR_HTTP_HOST',
    ],
    ['something behind the bracket', host('[::1]80'), 'ERR_HTTP_HOST'],
    ['nothing in brackets', host('[]'), 'ERR_HTTP_HOST'],
    ['a name in brackets', host('[localhost]'), 'ERR_HTTP_HOST'],
    ['user information', host('u@a'), 'ERR_HTTP_HOST'],
    ['a path', host('a/b'), 'ERR_HTTP_HOST'],
    ['a query', host('a?b'), 'ERR_HTTP_HOST'],
    ['a list', host('a,b'), 'ERR_HTTP_HOST'],
    ['a list with spaces', host('a, b'), 'ERR_HTTP_HOST'],
    ['a space', host('a b'), 'ERR_HTTP_HOST'],
    ['a byte above 0x7F', host('\xfc'), 'ERR_HTTP_HOST'],
    ['a port that is no number', host('a:b'), 'ERR_HTTP_HOST'],
    ['a port with a sign', host('a:+80'), 'ERR_HTTP_HOST'],
    ['the highest port', host('a:65535'), null],
    ['a port that is too high', host('a:65536'), 'ERR_HTTP_HOST'],
    ['two ports', host('a:80:80'), 'ERR_HTTP_HOST'],
  ]);

  it('is given as it came', () => {
    expect(request(host(' A.example:80 ')).head.host).to.equal('A.example:80');
    expect(request(host('')).head.host).to.equal('');
    expect(request(lines('GET / HTTP/1.0')).head.host).to.equal(null);
  });
});

describe('RequestParser: headers', () => {
  it('gives names and values in their order, as they came, without whitespace around the values', () => {
    const { rawHeaders } = request(
      get('X-One:1', 'x-two: \t two  words \t', 'X-THREE:', 'X-One:  \xfc\t-'),
    );
    expect(rawHeaders).to.deep.equal([
      'Host',
      'a',
      'X-One',
      '1',
      'x-two',
      'two  words',
      'X-THREE',
      '',
      'X-One',
      '\xfc\t-',
    ]);
  });

  it('gives frozen headers, and the same array each time', () => {
    const { head } = request(get());
    expect(head.rawHeaders).to.equal(head.rawHeaders);
    expect(Object.isFrozen(head.rawHeaders)).to.equal(true);
  });

  cases([
    ['a name of all that a token may have', get("!#$%&'*+-.^_`|~09azAZ: x"), null],
    ['an empty name', get(': x'), 'ERR_HTTP_HEADER_NAME'],
    ['a name with a character that no token has', get('X(: x'), 'ERR_HTTP_HEADER_NAME'],
    ['a name that begins with such a character', get('(X: x'), 'ERR_HTTP_HEADER_NAME'],
    ['a name with a NUL', get('X\0Y: x'), 'ERR_HTTP_HEADER_NAME'],
    ['a name with a byte above 0x7F', get('X\xfc: x'), 'ERR_HTTP_HEADER_NAME'],
    ['a space before the colon', get('X : x'), 'ERR_HTTP_SPACE_BEFORE_COLON'],
    ['a tab before the colon', get('X\t: x'), 'ERR_HTTP_SPACE_BEFORE_COLON'],
    ['a line without a colon', get('X'), 'ERR_HTTP_NO_COLON'],
    ['a line that ends in LF before its colon', get('X\nY: x'), 'ERR_HTTP_NO_COLON'],
    [
      'whitespace before the first header',
      lines('GET / HTTP/1.1', ' Host: a'),
      'ERR_HTTP_SPACE_BEFORE_HEADERS',
    ],
    [
      'a tab before the first header',
      lines('GET / HTTP/1.1', '\tHost: a'),
      'ERR_HTTP_SPACE_BEFORE_HEADERS',
    ],
    ['a header that goes on in a line with a space', get('X: y', ' z'), 'ERR_HTTP_FOLDED_HEADER'],
    ['a header that goes on in a line with a tab', get('X: y', '\tz'), 'ERR_HTTP_FOLDED_HEADER'],
    ['a line of whitespace', get('X: y', ' '), 'ERR_HTTP_FOLDED_HEADER'],
    [
      'a bare LF at the end of a header',
      'GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n',
      'ERR_HTTP_BARE_LF',
    ],
    ['a bare LF as the empty line', 'GET / HTTP/1.1\r\nHost: a\r\n\n', 'ERR_HTTP_BARE_LF'],
    ['bare LFs everywhere', 'GET / HTTP/1.1\nHost: a\n\n', 'ERR_HTTP_BARE_LF'],
    ['a bare CR in a value', get('X: a\rb'), 'ERR_HTTP_BARE_CR'],
    ['two CRs at the end of a value', get('X: a\r'), 'ERR_HTTP_BARE_CR'],
    ['a bare CR as the empty line', `${get().slice(0, -2)}\rX: y\r\n\r\n`, 'ERR_HTTP_BARE_CR'],
    ['a tab and bytes above 0x7F in a value', get('X: a\tb\x80\xff'), null],
  ]);

  for (const code of [...Array(32).keys(), 0x7f].filter((one) => ![9, 10, 13].includes(one))) {
    it(`refuses byte ${code} in a value, wherever it is`, () => {
      for (const pad of ['', 'a', 'ab', 'abc', 'abcd', 'abcdefghijkl'.repeat(20)]) {
        const bad = String.fromCharCode(code);
        expect(refusal(get(`X: ${pad}${bad}${pad}`))).to.equal('ERR_HTTP_HEADER_VALUE');
        expect(refusal(get(`X: y${pad.repeat(2)}${bad}`))).to.equal('ERR_HTTP_HEADER_VALUE');
      }
    });
  }

  it('takes every other byte in a long value, wherever it is', () => {
    for (let code = 0x20; code < 0x100; code++) {
      if (code === 0x7f) continue;
      const value = `a${'b'.repeat(code % 7)}${String.fromCharCode(code).repeat(5)}${'c'.repeat(200)}`;
      const { messages, error } = parseRequestsOnce(get(`X: ${value}`));
      expect(error).to.equal(null);
      expect(messages[0]?.rawHeaders[3]).to.equal(value);
    }
  });

  it('takes control characters in values if told so, but never NUL, CR or LF', () => {
    const options = { lenient: { controlsInValues: true } };
    expect(request(get('X: a\x01\x0b\x1f\x7fb'), options).rawHeaders[3]).to.equal(
      'a\x01\x0b\x1f\x7fb',
    );
    expect(refusal(get('X: a\0'), options)).to.equal('ERR_HTTP_HEADER_VALUE');
    expect(refusal(get('X: a\rb'), options)).to.equal('ERR_HTTP_BARE_CR');
    expect(refusal(get('X: a\nb'), options)).to.equal('ERR_HTTP_BARE_LF');
  });

  it('takes bytes above 0x7F in the target if told so', () => {
    const { head } = request(target('/\xc3\xbc'), { lenient: { nonASCIITarget: true } });
    expect(head.target).to.equal('/\xc3\xbc');
    const options = { lenient: { nonASCIITarget: true } };
    expect(refusal(target('/\x7f'), options)).to.equal('ERR_HTTP_TARGET');
  });
});

describe('RequestParser: crooked lines, if told to take them', () => {
  const bareLF = { lenient: { bareLF: true } };
  const folded = { lenient: { foldedHeaders: true } };

  it('takes LF without CR in heads', () => {
    const { head, rawHeaders } = request('\nGET /a HTTP/1.1\nHost: a\r\nX: y\n\n', bareLF);
    expect(head.target).to.equal('/a');
    expect(rawHeaders).to.deep.equal(['Host', 'a', 'X', 'y']);
    expect(request(get(), bareLF).head.host).to.equal('a');
  });

  it('takes LF without CR in heads, but still no CR without LF', () => {
    expect(refusal('GET / HTTP/1.1\nHost: a\nX: a\rb\n\n', bareLF)).to.equal('ERR_HTTP_BARE_CR');
    expect(refusal('GET / HTTP/1.1\nHost : a\n\n', bareLF)).to.equal('ERR_HTTP_SPACE_BEFORE_COLON');
  });

  it('takes LF without CR neither in chunks nor in trailers', () => {
    const head = 'POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n';
    expect(refusal(`${head}1\nx\r\n0\r\n\r\n`, bareLF)).to.equal('ERR_HTTP_BARE_LF');
    expect(refusal(`${head}0\r\nA: b\n\r\n`, bareLF)).to.equal('ERR_HTTP_BARE_LF');
  });

  it('reads a fold as one space', () => {
    const { rawHeaders } = request(get('X: a \r\n \t b', 'Y: c\r\n\td', 'Z:\r\n e'), folded);
    expect(rawHeaders.slice(2)).to.deep.equal(['X', 'a b', 'Y', 'c d', 'Z', 'e']);
  });

  it('reads what framing depends on behind the fold', () => {
    expect(request(`${get('Content-Length:\r\n 3')}abc`, folded).body).to.equal('abc');
    expect(refusal(get('Content-Length: 3\r\n 4'), folded)).to.equal('ERR_HTTP_CONTENT_LENGTH');
  });

  it('takes folds, but no whitespace before the first header, and no bare LF', () => {
    const first = lines('GET / HTTP/1.1', ' Host: a');
    expect(refusal(first, folded)).to.equal('ERR_HTTP_SPACE_BEFORE_HEADERS');
    expect(refusal('GET / HTTP/1.1\r\nHost: a\n\r\n', folded)).to.equal('ERR_HTTP_BARE_LF');
    expect(refusal('GET / HTTP/1.1\r\nHost: a\r\n\n', folded)).to.equal('ERR_HTTP_BARE_LF');
  });

  it('takes no folds when told to take LF', () => {
    expect(refusal('GET / HTTP/1.1\nHost: a\n b\n\n', bareLF)).to.equal('ERR_HTTP_FOLDED_HEADER');
  });

  it('takes both together', () => {
    const both = { lenient: { bareLF: true, foldedHeaders: true } };
    const { rawHeaders } = request('GET / HTTP/1.1\nHost: a\nX: b\n c\n\n', both);
    expect(rawHeaders.slice(2)).to.deep.equal(['X', 'b c']);
  });

  it('keeps the limit of a head', () => {
    const options = { maxHeadLength: 64, lenient: { bareLF: true } };
    const head = (length: number) => `GET / HTTP/1.1\nHost: a\nX: ${'x'.repeat(length - 28)}\n\n`;
    expect(head(64)).to.have.length(64);
    expect(refusal(head(64), options)).to.equal(null);
    expect(refusal(head(65), options)).to.equal('ERR_HTTP_HEAD_TOO_LONG');
  });
});

/** Without all the ways to cut it. */
function parseRequestsOnce(bytes: string) {
  return read(requests(), [Buffer.from(bytes, 'latin1')]);
}
