import { expect } from 'chai';
import { type Failure, setUnhandledFailureHandler } from '../../../src/deferred/index.ts';
import {
  CACHED,
  HTTPError,
  NOT_DONE_YET,
  type Request,
  Resource,
  type SiteOptions,
} from '../../../src/protocols/http/index.ts';
import { IPv4Address, setLogObserver } from '../../../src/reactor/index.ts';
import { answersIn, Connection, get, leaf, NOW, type Parsed, post } from './serving-memory.ts';
import { turns } from './turns.ts';

type Render = Parameters<typeof leaf>[0];

/** What a request is answered with. */
function answerTo(text: string, render: Render, options?: SiteOptions): Parsed {
  const heads = text.startsWith('HEAD') ? [0] : [];
  const [answer] = answersIn(new Connection(leaf(render), options).receive(text).said(), heads);
  if (answer === undefined) throw new Error('There is no answer');
  return answer;
}

/** What `look` sees of a request. */
function seen<T>(text: string, look: (request: Request) => T): T {
  let result: { value: T } | undefined;
  answerTo(text, (request) => {
    result = { value: look(request) };
    return '';
  });
  if (result === undefined) throw new Error('Nothing was rendered');
  return result.value;
}

/** Runs `f` and gives the errors that were reported meanwhile. */
function reported(f: () => void): unknown[] {
  const errors: unknown[] = [];
  const before = setUnhandledFailureHandler((failure: Failure) => errors.push(failure.value));
  try {
    f();
  } finally {
    setUnhandledFailureHandler(before);
  }
  return errors;
}

describe('Request, as it came', () => {
  it('has method, uri, path, clientproto and args', () => {
    const request = seen(get('/a%20b/c?x=1&y=2&x=%C3%A9+%26&empty&=v'), (it) => ({
      method: it.method,
      uri: it.uri,
      path: it.path,
      clientproto: it.clientproto,
      args: { ...it.args },
    }));
    expect(request).to.deep.equal({
      method: 'GET',
      uri: '/a%20b/c?x=1&y=2&x=%C3%A9+%26&empty&=v',
      path: '/a%20b/c',
      clientproto: 'HTTP/1.1',
      args: { x: ['1', 'é &'], y: ['2'], empty: [''], '': ['v'] },
    });
    expect(seen('GET / HTTP/1.0\r\n\r\n', ({ clientproto }) => clientproto)).to.equal('HTTP/1.0');
  });

  it('has the path of an absolute target, whose host counts', () => {
    const [path, host] = seen(
      'GET http://other:81/p/q?z=1 HTTP/1.1\r\nHost: other:81\r\n\r\n',
      (it) => [it.path, it.getRequestHostname()] as const,
    );
    expect([path, host]).to.deep.equal(['/p/q', 'other']);
  });

  it('keeps args free of what objects have by themselves', () => {
    const args = seen(get('/?__proto__=x&constructor=y'), (it) => it.args);
    expect(Object.keys(args)).to.deep.equal(['__proto__', 'constructor']);
    expect('toString' in args).to.equal(false);
  });

  it('adds the fields of an urlencoded form to args, for POST only', () => {
    const form = post(
      '/?a=1',
      'a=2&b=%2B',
      'Content-Type: application/x-www-form-urlencoded; charset=utf-8',
    );
    expect({ ...seen(form, (it) => it.args) }).to.deep.equal({ a: ['1', '2'], b: ['+'] });
    expect({ ...seen(form.replace('POST', 'PUT'), (it) => it.args) }).to.deep.equal({ a: ['1'] });
    expect({ ...seen(post('/?a=1', 'a=2'), (it) => it.args) }).to.deep.equal({ a: ['1'] });
  });

  it('looks at no more than 1,000 fields', () => {
    const query = Array.from({ length: 1500 }, (_, n) => `f${n}`).join('&');
    expect(Object.keys(seen(get(`/?${query}`), (it) => it.args))).to.have.length(1000);
  });

  it('getHeader() gives the last value of a header in any case, with and without requestHeaders', () => {
    const text = get('/', 'X-One: 1', 'x-one: 2');
    expect(seen(text, (it) => [it.getHeader('x-ONE'), it.getHeader('x-two')])).to.deep.equal([
      '2',
      undefined,
    ]);
    expect(
      seen(text, (it) => {
        it.requestHeaders.addRawHeader('X-Two', '3');
        return [
          it.getHeader('X-One'),
          it.getHeader('x-two'),
          it.requestHeaders.getRawHeaders('x-one'),
        ];
      }),
    ).to.deep.equal(['2', '3', ['1', '2']]);
  });

  it('getAllHeaders() gives all of them by names in lower case', () => {
    expect({ ...seen(get('/', 'X-One: 1', 'X-one: 2'), (it) => it.getAllHeaders()) }).to.deep.equal(
      {
        host: 'test',
        'x-one': '2',
      },
    );
  });

  it('getCookie() gives cookies from all Cookie lines', () => {
    const cookies = seen(
      get('/', 'Cookie: a=1; b="two words"; a=3', 'Cookie: c = x=y '),
      (it) => it,
    );
    expect({ ...cookies.received_cookies }).to.deep.equal({ a: '3', b: 'two words', c: 'x=y' });
    expect(cookies.getCookie('a')).to.equal('3');
    expect(cookies.getCookie('d')).to.equal(undefined);
  });

  it('getUser() and getPassword() give what Basic authentication says', () => {
    const basic = (text: string): string =>
      get('/', `Authorization: Basic ${Buffer.from(text).toString('base64')}`);
    const both = (it: Request): string[] => [it.getUser(), it.getPassword()];
    expect(seen(basic('Aladdin:open:sesame é'), both)).to.deep.equal(['Aladdin', 'open:sesame é']);
    expect(seen(basic('nocolon'), both)).to.deep.equal(['', '']);
    expect(seen(get('/'), both)).to.deep.equal(['', '']);
    expect(seen(get('/', 'Authorization: Bearer YTpi'), both)).to.deep.equal(['', '']);
  });

  it('says who asks whom', () => {
    seen(get('/'), (request) => {
      expect(request.getClientAddress()).to.deep.equal(
        new IPv4Address('TCP', '192.168.1.1', 54321),
      );
      expect(request.getClientIP()).to.equal('192.168.1.1');
      expect(request.getHost()).to.deep.equal(new IPv4Address('TCP', '10.0.0.1', 12345));
      expect(request.getRequestHostname()).to.equal('test');
      expect(request.isSecure()).to.equal(false);
    });
    expect(seen(get('/').replace('test', '[::1]:80'), (it) => it.getRequestHostname())).to.equal(
      '::1',
    );
    expect(seen('GET / HTTP/1.0\r\n\r\n', (it) => it.getRequestHostname())).to.equal('10.0.0.1');
  });

  it('setHost() says how the client sees the server', () => {
    seen(get('/'), (request) => {
      request.setHost('example.org', 443, true);
      expect(request.getRequestHostname()).to.equal('example.org');
      expect(request.isSecure()).to.equal(true);
      expect(request.getHeader('host')).to.equal('example.org');
      request.setHost('example.org', 8080);
      expect(request.getHeader('host')).to.equal('example.org:8080');
      expect(request.getHost()).to.deep.equal(new IPv4Address('TCP', 'example.org', 8080));
    });
  });

  it('prePathURL() is the URL of the resource, as the client sees it', () => {
    const inner = new Resource();
    const root = new Resource();
    root.putChild('a b', inner);
    const urls: string[] = [];
    inner.putChild(
      'c',
      leaf((request) => {
        urls.push(request.prePathURL());
        request.setHost('example.org', 443, true);
        urls.push(request.prePathURL());
        return '';
      }),
    );
    new Connection(root).receive(get('/a%20b/c/d').replace('test', 'test:81'));
    expect(urls).to.deep.equal(['http://test:81/a%20b/c', 'https://example.org/a%20b/c']);
  });

  it('decodes segments of the path; what is not UTF-8 stays encoded', () => {
    const segments = (path: string): string[] => seen(get(path), (it) => it.postpath);
    expect(segments('/a/b%2Fc//%C3%A9/%ff/100%/%4')).to.deep.equal([
      'a',
      'b/c',
      '',
      'é',
      '%ff',
      '100%',
      '%4',
    ]);
    expect(segments('/')).to.deep.equal(['']);
  });
});

describe('Request, as it is answered', () => {
  it('sends written parts as chunks to HTTP/1.1', () => {
    const text = new Connection(
      leaf((request) => {
        request.write('ab');
        request.write(Buffer.from('c'));
        request.write('');
        request.write('dé');
        request.finish();
        return NOT_DONE_YET;
      }),
    )
      .receive(get('/'))
      .said();
    expect(text.slice(text.indexOf('\r\n\r\n') + 4)).to.equal(
      '2\r\nab\r\n1\r\nc\r\n3\r\nd\xc3\xa9\r\n0\r\n\r\n',
    );
    expect(answersIn(text)[0]?.headers).to.include({ 'transfer-encoding': 'chunked' });
  });

  it('sends them as they are under a Content-Length', () => {
    const answer = answerTo(get('/'), (request) => {
      request.setHeader('Content-Length', 3);
      request.write('ab');
      request.write('c');
      request.finish();
      return NOT_DONE_YET;
    });
    expect(answer.body).to.equal('abc');
    expect(answer.headers).to.not.have.property('transfer-encoding');
  });

  it('ends the body with the connection for HTTP/1.0', () => {
    const connection = new Connection(
      leaf((request) => {
        request.write('ab');
        request.finish();
        return NOT_DONE_YET;
      }),
    ).receive('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    const [answer] = answersIn(connection.said());
    expect(answer?.headers).to.include({ connection: 'close' });
    expect(answer?.headers).to.not.have.any.keys('transfer-encoding', 'content-length');
    expect(answer?.body).to.equal('ab');
    expect(connection.transport.disconnecting).to.equal(true);
  });

  it('does not send more than its Content-Length says', () => {
    let error: unknown;
    const connection = new Connection(
      leaf((request) => {
        request.setHeader('Content-Length', 3);
        request.write('ab');
        try {
          request.write('cd');
        } catch (thrown) {
          error = thrown;
        }
        request.write('c');
        request.finish();
        return NOT_DONE_YET;
      }),
    ).receive(get('/'));
    expect(error).to.have.property('code', 'ERR_REQUEST_STATE');
    expect(answersIn(connection.said())[0]?.body).to.equal('abc');
  });

  it('breaks the connection off when it ends before its Content-Length', () => {
    const observer = setLogObserver(() => {});
    const connection = new Connection(
      leaf((request) => {
        request.setHeader('Content-Length', 3);
        request.write('ab');
        request.finish();
        return NOT_DONE_YET;
      }),
    ).receive(get('/') + get('/'));
    setLogObserver(observer);
    expect(connection.transport.disconnected).to.equal(true);
    expect(connection.said().match(/HTTP/g)).to.have.length(1);
  });

  it('puts the real length of what is returned in place of a wrong one', () => {
    const answer = answerTo(get('/'), (request) => {
      request.setHeader('Content-Length', 100);
      return 'abc';
    });
    expect(answer.headers).to.include({ 'content-length': '3' });
    expect(answer.body).to.equal('abc');
  });

  it('answers HEAD with the head of GET', () => {
    class Page extends Resource {
      override isLeaf = true;
      override render_GET(request: Request): string {
        request.setHeader('X-Here', 'yes');
        return 'a page';
      }
    }
    const connection = new Connection(new Page()).receive(
      get('/') + get('/').replace('GET', 'HEAD') + get('/'),
    );
    const [first, second, third] = answersIn(connection.said(), [1]);
    expect(second?.head).to.equal(first?.head);
    expect(third?.body).to.equal('a page');
  });

  it('sends no body, and no length, with 204', () => {
    const answer = answerTo(get('/'), (request) => {
      request.setResponseCode(204);
      request.setHeader('Content-Length', 5);
      return 'never';
    });
    expect(answer.head).to.match(/^HTTP\/1.1 204 No Content\r\n/);
    expect(answer.headers).to.not.have.any.keys(
      'content-length',
      'content-type',
      'transfer-encoding',
    );
  });

  it('sends no body with 304, but a length if one was set', () => {
    const not = answerTo(get('/'), (request) => {
      request.setResponseCode(304);
      return '';
    });
    expect(not.headers).to.not.have.any.keys('content-length', 'content-type', 'transfer-encoding');
    const set = answerTo(get('/'), (request) => {
      request.setResponseCode(304);
      request.setHeader('Content-Length', 5);
      return '';
    });
    expect(set.headers).to.include({ 'content-length': '5' });
  });

  it('counts sentLength without head and framing', () => {
    let request: Request | undefined;
    answerTo(get('/'), (it) => {
      request = it;
      it.write('abc');
      it.write('é');
      it.finish();
      return NOT_DONE_YET;
    });
    expect(request?.sentLength).to.equal(5);
    expect([request?.startedWriting, request?.finished]).to.deep.equal([true, true]);
  });

  it('names UTF-8 for text beyond ASCII that nobody named a type for', () => {
    expect(answerTo(get('/'), () => 'é').headers).to.include({
      'content-type': 'text/html; charset=utf-8',
      'content-length': '2',
    });
    expect(answerTo(get('/'), () => 'e').headers).to.include({ 'content-type': 'text/html' });
    const typed = answerTo(get('/'), (request) => {
      request.setHeader('content-type', 'text/plain');
      return 'é';
    });
    expect(typed.headers).to.include({ 'content-type': 'text/plain' });
  });

  it('sets, adds and removes header fields in any case, names in the usual spelling', () => {
    const answer = answerTo(get('/'), (request) => {
      request.setHeader('x-one', '1');
      request.setHeader('X-One', '2');
      request.addHeader('x-two', 'a');
      request.addHeader('X-TWO', 'b');
      request.setHeader('etag', '"x"');
      request.setHeader('x-gone', '1');
      request.removeResponseHeader('X-Gone');
      request.setHeader('X-One', '2');
      request.setHeader('Server', 'Mine');
      request.setHeader('date', 'today');
      expect(request.getResponseHeader('X-ONE')).to.equal('2');
      expect(request.hasResponseHeader('x-gone')).to.equal(false);
      return '';
    });
    expect(answer.head.split('\r\n').slice(1)).to.deep.equal([
      'Content-Type: text/html',
      'X-Two: a',
      'X-Two: b',
      'ETag: "x"',
      'X-One: 2',
      'Server: Mine',
      'Date: today',
      'Content-Length: 0',
    ]);
  });

  it('has the same fields in responseHeaders', () => {
    const answer = answerTo(get('/'), (request) => {
      request.setHeader('x-one', '1');
      expect(request.responseHeaders.getRawHeaders('X-One')).to.deep.equal(['1']);
      request.responseHeaders.addRawHeader('X-Two', '2');
      request.setHeader('X-Three', 3);
      request.responseHeaders.removeHeader('x-one');
      expect(request.getResponseHeader('x-three')).to.equal('3');
      return '';
    });
    expect(answer.headers).to.include({ 'x-two': '2', 'x-three': '3' });
    expect(answer.headers).to.not.have.property('x-one');
  });

  it('refuses what would break the head, where it is set', () => {
    answerTo(get('/'), (request) => {
      for (const value of ['a\r\nB: c', 'a\nb', 'a\0', 'a\x7f', 'ā']) {
        expect(() => request.setHeader('X', value), JSON.stringify(value)).to.throw(TypeError);
        expect(() => request.addHeader('X', value)).to.throw(TypeError);
        expect(() => request.redirect(`/${value === 'ā' ? '\n' : value}`)).to.throw(TypeError);
        expect(() => request.setResponseCode(200, value)).to.throw(TypeError);
      }
      for (const name of ['', 'a b', 'a:', 'a\r\n', 'é'])
        expect(() => request.setHeader(name, 'x')).to.throw(TypeError);
      expect(() => request.setHeader('Transfer-Encoding', 'chunked')).to.throw(
        TypeError,
        'Transfer-Encoding',
      );
      expect(() => request.setHeader('X', undefined as unknown as string)).to.throw(TypeError);
      expect(() => request.setResponseCode('200' as unknown as number)).to.throw(TypeError);
      expect(() => request.setResponseCode(20.5)).to.throw(TypeError);
      expect(() => request.setResponseCode(42)).to.throw(RangeError);
      return '';
    });
  });

  it('never sends two lengths, nor a framing that is not its own', () => {
    for (const add of [
      (request: Request): void => request.addHeader('content-length', 5),
      (request: Request): void =>
        request.responseHeaders.setRawHeaders('Content-Length', ['3', '5']),
    ]) {
      const text = new Connection(
        leaf((request) => {
          request.setHeader('Content-Length', 3);
          add(request);
          request.write('12345');
          request.finish();
          return NOT_DONE_YET;
        }),
      )
        .receive(get('/'))
        .said();
      expect(text.match(/Content-Length: 5\r\n/g)).to.have.length(1);
      expect(text).to.not.include('Content-Length: 3');
    }
    const errors = reported(() => {
      const answer = answerTo(get('/'), (request) => {
        request.responseHeaders.setRawHeaders('Transfer-Encoding', ['chunked']);
        return 'x';
      });
      expect([answer.code, answer.headers['transfer-encoding']]).to.deep.equal([500, undefined]);
    });
    expect(errors).to.have.length(1);
  });

  it('sends header values as Latin-1', () => {
    const answer = answerTo(get('/'), (request) => {
      request.setHeader('X', 'caf\xe9');
      return 'é';
    });
    expect(answer.headers['x']).to.equal('caf\xe9');
    expect(answer.body).to.equal('\xc3\xa9');
  });

  it('sends trailers behind chunks', () => {
    const text = new Connection(
      leaf((request) => {
        request.write('x');
        request.addTrailer('X-Sum', '7');
        request.finish();
        return NOT_DONE_YET;
      }),
    )
      .receive(get('/'))
      .said();
    expect(text.endsWith('1\r\nx\r\n0\r\nX-Sum: 7\r\n\r\n')).to.equal(true);
  });

  it('redirect() answers 302 with a Location that is a URL', () => {
    const answer = answerTo(get('/'), (request) => {
      request.redirect('/ä b?q="1"&r=%20');
      return '';
    });
    expect(answer.code).to.equal(302);
    expect(answer.headers['location']).to.equal('/%C3%A4%20b?q=%221%22&r=%20');
  });

  it('refuses to go on after finish()', () => {
    let request: Request | undefined;
    const warnings: string[] = [];
    const observer = setLogObserver(({ message }) => warnings.push(message));
    answerTo(get('/'), (it) => {
      request = it;
      return 'x';
    });
    expect(() => request?.write('y')).to.throw(Error, 'finished');
    request?.finish();
    setLogObserver(observer);
    expect(warnings.join()).to.include('finished twice');
  });

  it('refuses to write what is neither bytes nor text', () => {
    answerTo(get('/'), (request) => {
      expect(() => request.write(5 as unknown as string)).to.throw(TypeError);
      expect(() => request.write(null as unknown as string)).to.throw(TypeError);
      return '';
    });
  });
});

describe('Request and caches', () => {
  const tagged = (request: Request): string =>
    request.setETag('v1') === CACHED ? '' : 'the whole page';

  it('setETag() says CACHED when the client has it, and 304 is answered', () => {
    const answer = answerTo(get('/', 'If-None-Match: "v0", W/"v1"'), tagged);
    expect([answer.code, answer.headers['etag']]).to.deep.equal([304, '"v1"']);
    expect(answerTo(get('/', 'If-None-Match: "v0"'), tagged).body).to.equal('the whole page');
    expect(answerTo(get('/'), tagged).body).to.equal('the whole page');
  });

  it('setETag() answers 412 where a change was to be made', () => {
    expect(answerTo(post('/', '', 'If-None-Match: *'), tagged).code).to.equal(412);
    expect(answerTo(post('/', '', 'If-Match: "v0"'), tagged).code).to.equal(412);
    expect(answerTo(post('/', '', 'If-Match: "v1"'), tagged).code).to.equal(200);
  });

  it('setLastModified() says CACHED when nothing changed since, and keeps the latest moment', () => {
    const dated = (request: Request): string => {
      request.setLastModified(NOW - 100);
      return request.setLastModified(NOW - 200) === CACHED ? '' : 'the whole page';
    };
    const since = (seconds: number): string =>
      get('/', `If-Modified-Since: ${new Date((NOW + seconds) * 1000).toUTCString()}`);
    expect(answerTo(since(-100), dated).code).to.equal(304);
    const answer = answerTo(since(-101), dated);
    expect(answer.body).to.equal('the whole page');
    expect(answer.headers['last-modified']).to.equal(new Date((NOW - 100) * 1000).toUTCString());
  });
});

describe('Request and its end', () => {
  it('notifyFinish() fires when the answer is complete, once for each call', () => {
    const fired: unknown[] = [];
    let request: Request | undefined;
    new Connection(
      leaf((it) => {
        request = it;
        return NOT_DONE_YET;
      }),
    ).receive(get('/'));
    request?.notifyFinish().addCallback((value) => fired.push(value));
    request?.notifyFinish().addCallback((value) => fired.push(value));
    request?.write('x');
    expect(fired).to.deep.equal([]);
    request?.finish();
    request?.notifyFinish().addCallback((value) => fired.push(value));
    expect(fired).to.deep.equal([undefined, undefined, undefined]);
  });

  it('notifyFinish() fails, signal aborts and the producer stops when the connection is lost', () => {
    let request: Request | undefined;
    const heard: string[] = [];
    const connection = new Connection(
      leaf((it) => {
        request = it;
        return NOT_DONE_YET;
      }),
    ).receive(get('/'));
    request
      ?.notifyFinish()
      .addErrback((failure: Failure) => heard.push((failure.value as Error).name));
    request?.signal.addEventListener('abort', () => heard.push('abort'));
    request?.registerProducer(
      { pauseProducing() {}, resumeProducing() {}, stopProducing: () => heard.push('stop') },
      true,
    );
    (connection.transport.producer as { stopProducing(): void }).stopProducing();
    connection.lose();
    expect(heard.sort()).to.deep.equal(['ConnectionLost', 'abort', 'stop']);
    expect(request?.signal.aborted).to.equal(true);
    // What is done afterwards has no effect, and is no mistake.
    request?.write('x');
    request?.finish();
    let stopped = false;
    request?.registerProducer(
      {
        resumeProducing() {},
        stopProducing() {
          stopped = true;
        },
      },
      false,
    );
    expect(stopped).to.equal(true);
    expect(connection.said()).to.equal('');
  });

  it('pauses and resumes a push producer with the transport', () => {
    const heard: string[] = [];
    const producer = {
      pauseProducing: () => heard.push('pause'),
      resumeProducing: () => heard.push('resume'),
      stopProducing: () => heard.push('stop'),
    };
    let request: Request | undefined;
    const connection = new Connection(
      leaf((it) => {
        request = it;
        it.registerProducer(producer, true);
        expect(() => it.registerProducer(producer, true)).to.throw(Error, 'already');
        return NOT_DONE_YET;
      }),
    ).receive(get('/'));
    const ours = connection.transport.producer as typeof producer;
    ours.pauseProducing();
    ours.resumeProducing();
    request?.unregisterProducer();
    ours.pauseProducing();
    ours.resumeProducing();
    expect(heard).to.deep.equal(['pause', 'resume']);
    request?.finish();
    expect(answersIn(connection.said())).to.have.length(1);
  });

  it('is rid of its producer when it is finished', () => {
    const connection = new Connection(
      leaf((request) => {
        request.registerProducer(
          { pauseProducing() {}, resumeProducing() {}, stopProducing() {} },
          true,
        );
        request.write(request.uri);
        request.finish();
        return NOT_DONE_YET;
      }),
    ).receive(get('/1') + get('/2'));
    expect(answersIn(connection.said()).map(({ body }) => body)).to.deep.equal(['/1', '/2']);
  });

  it('has its producer wait from the beginning where the client does not read', () => {
    const heard: string[] = [];
    const waiting: Request[] = [];
    const connection = new Connection(
      leaf((request) => {
        waiting.push(request);
        return NOT_DONE_YET;
      }),
    ).receive(get('/'));
    const ours = connection.transport.producer as {
      pauseProducing(): void;
      resumeProducing(): void;
    };
    ours.pauseProducing();
    waiting[0]?.registerProducer(
      {
        pauseProducing: () => heard.push('pause'),
        resumeProducing: () => heard.push('resume'),
        stopProducing: () => heard.push('stop'),
      },
      true,
    );
    ours.resumeProducing();
    connection.channel.abortConnection();
    expect(heard).to.deep.equal(['pause', 'resume', 'stop']);
  });

  it('asks a pull producer for a piece whenever the transport wants one', () => {
    let pieces = 0;
    const connection = new Connection(
      leaf((request) => {
        request.registerProducer(
          {
            resumeProducing() {
              pieces += 1;
              request.write(`${pieces}`);
              if (pieces < 3) return;
              request.unregisterProducer();
              request.finish();
            },
            stopProducing() {},
          },
          false,
        );
        return NOT_DONE_YET;
      }),
    ).receive(get('/'));
    expect(connection.transport.streaming).to.equal(false);
    for (let round = 0; round < 3; round += 1) connection.transport.producer?.resumeProducing();
    expect(connection.transport.streaming).to.equal(true);
    expect(answersIn(connection.said())[0]?.body).to.equal('123');
  });
});

describe('What is rendered', () => {
  it('may be bytes or text, now or later', async () => {
    for (const value of ['text', Buffer.from('text'), new Uint8Array(Buffer.from('text'))]) {
      expect(answerTo(get('/'), () => value).body).to.equal('text');
      const connection = new Connection(leaf(() => Promise.resolve(value))).receive(get('/'));
      await new Promise(setImmediate);
      expect(answersIn(connection.said())[0]?.body).to.equal('text');
    }
  });

  it('may be nothing in the end, when an async method has answered by itself', async () => {
    const connection = new Connection(
      leaf(async (request) => {
        await Promise.resolve();
        request.write('x');
        request.finish();
      }),
    ).receive(get('/'));
    await new Promise(setImmediate);
    expect(answersIn(connection.said())[0]?.body).to.equal('x');
  });

  it('must not be anything else: 500, and it is reported', async () => {
    for (const value of [undefined, null, 5, {}, []]) {
      const errors = reported(() => {
        expect(answerTo(get('/'), () => value as unknown as string).code).to.equal(500);
      });
      expect(errors, String(value)).to.have.length(1);
      expect(errors[0]).to.be.instanceOf(TypeError);
    }
    const before = setUnhandledFailureHandler(() => {});
    const connection = new Connection(leaf(async () => 5)).receive(get('/'));
    await new Promise(setImmediate);
    setUnhandledFailureHandler(before);
    expect(answersIn(connection.said())[0]?.code).to.equal(500);
  });

  it('that throws is answered with 500, tells the client nothing, and is reported', async () => {
    const secret = new Error('the password is swordfish');
    const errors = reported(() => {
      const answer = answerTo(get('/'), (request) => {
        request.setHeader('ETag', '"x"');
        request.setHeader('Content-Length', 1000);
        request.setHeader('X-Kept', 'yes');
        throw secret;
      });
      expect(answer.code).to.equal(500);
      expect(answer.body).to.not.include('swordfish').and.not.include('at ');
      expect(answer.headers).to.not.have.property('etag');
      expect(answer.headers).to.include({ 'x-kept': 'yes' });
    });
    expect(errors).to.deep.equal([secret]);
    const later = new Connection(leaf(() => Promise.reject(secret))).receive(get('/'));
    const before = setUnhandledFailureHandler(() => {});
    await new Promise(setImmediate);
    setUnhandledFailureHandler(before);
    expect(answersIn(later.said())[0]?.code).to.equal(500);
  });

  it('shows where an error came from with displayTracebacks, escaped', () => {
    reported(() => {
      const answer = answerTo(
        get('/'),
        () => {
          throw new Error('<script>');
        },
        { displayTracebacks: true },
      );
      expect(answer.body)
        .to.include('&lt;script&gt;')
        .and.include('request.test')
        .and.not.include('<script>');
    });
  });

  it('that throws in mid-answer has the connection broken off', () => {
    reported(() => {
      const connection = new Connection(
        leaf((request) => {
          request.write('half');
          throw new Error('the other half');
        }),
      ).receive(get('/'));
      expect(connection.transport.disconnected).to.equal(true);
    });
  });

  it('that throws an HTTPError is answered with its code and fields, and not reported', () => {
    const errors = reported(() => {
      const answer = answerTo(get('/'), () => {
        throw new HTTPError(429, 'Not so <fast>', { headers: { 'Retry-After': '3' } });
      });
      expect(answer.code).to.equal(429);
      expect(answer.headers).to.include({ 'retry-after': '3' });
      expect(answer.body).to.include('Not so &lt;fast&gt;');
    });
    expect(errors).to.deep.equal([]);
    expect(() => new HTTPError(200)).to.throw(RangeError);
  });

  it('is not answered, only reported, when the connection was lost before', async () => {
    const errors: unknown[] = [];
    const connection = new Connection(
      leaf(async () => {
        await new Promise(setImmediate);
        throw new Error('late');
      }),
    ).receive(get('/'));
    connection.lose();
    const before = setUnhandledFailureHandler((failure: Failure) => errors.push(failure.value));
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    setUnhandledFailureHandler(before);
    expect(errors).to.have.length(1);
    expect(connection.said()).to.equal('');
  });
});

describe('Request.writeInformation()', () => {
  /** All that is said to a request whose answer is 'ok' behind what `act` does. */
  function saidTo(text: string, act: (request: Request) => void): string {
    const connection = new Connection(
      leaf((request) => {
        act(request);
        return 'ok';
      }),
    );
    return connection.receive(text).said();
  }

  const LINKS = [['link', ['</a.css>; rel=preload', '</b.js>; rel=preload']]] as const;

  it('sends responses ahead of the answer, which knows nothing of their fields', () => {
    const said = saidTo(get('/'), (request) => {
      request.writeInformation(102);
      request.writeInformation(103, LINKS);
    });
    expect(said).to.match(
      /^HTTP\/1\.1 102 Processing\r\n\r\nHTTP\/1\.1 103 Early Hints\r\nLink: <\/a\.css>; rel=preload\r\nLink: <\/b\.js>; rel=preload\r\n\r\nHTTP\/1\.1 200 OK\r\n(?!.*Link).*\r\n\r\nok$/s,
    );
  });

  it('sends them at once, and in turn with what else the connection answers', async () => {
    const requests: Request[] = [];
    const connection = new Connection(
      leaf((request) => {
        requests.push(request);
        request.writeInformation(103);
        return NOT_DONE_YET;
      }),
    );
    connection.receive(get('/1') + get('/2'));
    expect(connection.said()).to.equal('HTTP/1.1 103 Early Hints\r\n\r\n');
    requests[0]?.finish();
    await turns(2);
    expect(connection.said()).to.match(/\r\n\r\nHTTP\/1\.1 103 Early Hints\r\n\r\n$/);
    expect(requests).to.have.length(2);
  });

  it('has names of its own for codes that nobody registered', () => {
    const said = saidTo(get('/'), (request) => request.writeInformation(199, [['x', ['é']]]));
    expect(said).to.match(/^HTTP\/1\.1 199 Unknown Status\r\nX: \xe9\r\n\r\nHTTP\/1\.1 200 OK/);
  });

  it('sends nothing to clients of HTTP/1.0', () => {
    const said = saidTo('GET / HTTP/1.0\r\n\r\n', (request) =>
      request.writeInformation(103, LINKS),
    );
    expect(said).to.match(/^HTTP\/1\.[01] 200 OK\r\n/);
  });

  it('sends nothing to clients that are gone', () => {
    let kept: Request | undefined;
    const connection = new Connection(
      leaf((request) => {
        kept = request;
        return NOT_DONE_YET;
      }),
    );
    connection.receive(get('/')).lose();
    kept?.writeInformation(103, LINKS);
    expect(connection.said()).to.equal('');
  });

  it('refuses what is no such response, and sends nothing of it', () => {
    const bad: [RegExp, unknown, ...unknown[]][] = [
      [/102 to 199: got 100/, 100],
      [/102 to 199: got 101/, 101],
      [/102 to 199: got 200/, 200],
      [/three digits/, 99],
      [/whole number/, 102.5],
      [/whole number/, '103'],
      [/Content-Length is not for it/, 103, [['content-length', ['0']]]],
      [/Transfer-Encoding/, 103, [['transfer-encoding', ['chunked']]]],
      [/must be a token/, 103, [['a b', ['x']]]],
      [/control characters/, 103, [['a', ['x\r\nSet-Cookie: a=b']]]],
    ];
    for (const [message, ...args] of bad) {
      const said = saidTo(get('/'), (request) => {
        expect(() => Reflect.apply(request.writeInformation, request, args)).to.throw(message);
      });
      expect(said).to.match(/^HTTP\/1\.1 200 OK/);
    }
  });

  it('refuses what comes too late', () => {
    const said = saidTo(get('/'), (request) => {
      request.write('1');
      expect(() => request.writeInformation(103)).to.throw('it has begun');
    });
    expect(said).to.not.contain('103');
  });
});
