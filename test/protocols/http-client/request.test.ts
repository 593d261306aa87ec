/** Requests as they leave. */
import { expect } from 'chai';
import { Deferred } from '../../../src/deferred/index.ts';
import {
  Agent,
  type BodyProducer,
  type IAgent,
  InvalidURIError,
  IterableBodyProducer,
  RequestGenerationFailed,
  SchemeNotSupported,
  UNKNOWN_LENGTH,
  WrongBodyLength,
} from '../../../src/protocols/http/client/index.ts';
import { Headers } from '../../../src/protocols/http/index.ts';
import type { Consumer, NameConnector } from '../../../src/reactor/index.ts';
import { errorOf, failureResultOf, Memory, ok, successResultOf } from './memory.ts';

/** A producer that the test drives. */
class Manual implements BodyProducer {
  readonly length: number | typeof UNKNOWN_LENGTH;
  readonly done: Deferred<unknown> = new Deferred<unknown>();
  consumer: Consumer | undefined;
  readonly calls: string[] = [];

  constructor(length: number | typeof UNKNOWN_LENGTH = UNKNOWN_LENGTH) {
    this.length = length;
  }

  startProducing(consumer: Consumer): Deferred<unknown> {
    this.consumer = consumer;
    return this.done;
  }

  pauseProducing(): void {
    this.calls.push('pause');
  }

  resumeProducing(): void {
    this.calls.push('resume');
  }

  stopProducing(): void {
    this.calls.push('stop');
  }
}

/** Lets promises that are settled be heard. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

describe('Requests', () => {
  it('have a request line, Host, and nothing that was not asked for', () => {
    const memory = new Memory();
    memory.get('/a/b?c=d#e');
    expect(memory.connection.heard()).to.equal('GET /a/b?c=d HTTP/1.1\r\nHost: host\r\n\r\n');
  });

  for (const [uri, host, path] of [
    ['http://host', 'host', '/'],
    ['http://host:80/', 'host', '/'],
    ['http://host:8080/', 'host:8080', '/'],
    ['https://host:443/', 'host', '/'],
    ['https://host:80/', 'host:80', '/'],
    ['http://[2001:DB8::1]:81/x', '[2001:db8::1]:81', '/x'],
    ['http://HOST/%7Ea', 'host', '/%7Ea'],
    ['http://bücher.example/ü?ä', 'xn--bcher-kva.example', '/%C3%BC?%C3%A4'],
    ['http://host?query', 'host', '/?query'],
  ] as const) {
    it(`to ${uri} are for ${host}`, () => {
      const memory = new Memory();
      memory.agent.request('GET', uri);
      expect(memory.connection.heard()).to.equal(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    });
  }

  it('have the headers that they were given, which are not changed', () => {
    const memory = new Memory();
    const headers = new Headers({ 'x-a': ['1', '2'], host: 'other' });
    memory.agent.request('GET', 'http://host/', headers);
    expect(memory.connection.heard()).to.equal(
      'GET / HTTP/1.1\r\nX-A: 1\r\nX-A: 2\r\nHost: other\r\n\r\n',
    );
    memory.agent.request('POST', 'http://host/', headers, 'x');
    expect([...headers].map(([name]) => name)).to.deep.equal(['X-A', 'Host']);
  });

  it('send values as Latin-1', () => {
    const memory = new Memory();
    memory.agent.request('POST', 'http://host/', { 'X-A': 'ü' }, 'ü');
    const sent = memory.connection.transport.value();
    expect(sent.includes(Buffer.from('X-A: \u00fc\r\n', 'latin1'))).to.equal(true);
    expect(sent.subarray(-2)).to.deep.equal(Buffer.from('ü'));
  });

  it('say that the connection is to be closed if it is not kept', () => {
    const memory = new Memory(false);
    memory.get();
    memory.agent.request('GET', 'http://host/', { 'X-A': 'b' });
    const [first, second] = memory.server.connections;
    expect(first?.heard()).to.include('Connection: close\r\n\r\n');
    expect(second?.heard()).to.include('X-A: b\r\nConnection: close\r\n\r\n');
  });

  for (const [what, uri] of [
    ['no URI', 'nonsense'],
    ['a line end', 'http://host/a\r\nX: y'],
    ['a tab', 'http://host/a\tb'],
    ['a space', 'http://host/a b'],
    ['a NUL', 'http://host/a\0'],
    ['a backslash', 'http://host\\@evil/'],
    ['no host', 'http://'],
    ['a port beyond 65535', 'http://host:99999/'],
    ['a line end in the host', 'http://ho\nst/'],
    ['a user name', 'http://user:password@host/'],
  ] as const) {
    it(`are refused for a URI with ${what}`, () => {
      const memory = new Memory();
      failureResultOf(memory.agent.request('GET', uri), InvalidURIError);
      expect(memory.server.connections).to.deep.equal([]);
    });
  }

  it('are refused for schemes other than http and https', () => {
    const memory = new Memory();
    failureResultOf(memory.agent.request('GET', 'ftp://host/'), SchemeNotSupported);
    failureResultOf(memory.agent.request('GET', 'file:///etc/passwd'), SchemeNotSupported);
  });

  for (const method of ['', 'GE T', 'GET\r\nX: y', 'GÉT', 'CONNECT', 7]) {
    it(`are refused with method ${JSON.stringify(method)}`, () => {
      const memory = new Memory();
      // As a caller without types may do.
      failureResultOf(memory.agent.request(method as string, 'http://host/'), TypeError);
      expect(memory.server.connections).to.deep.equal([]);
    });
  }

  for (const [what, headers] of [
    ['a line end in a value', { 'X-A': 'b\r\nX-C: d' }],
    ['a line feed in a value', { 'X-A': 'b\nX-C: d' }],
    ['a NUL in a value', { 'X-A': 'b\0' }],
    ['a line end in a name', { 'X-A: b\r\nX-C': 'd' }],
    ['a space in a name', { 'X A': 'b' }],
    ['two Hosts', { Host: ['a', 'b'] }],
    ['Transfer-Encoding', { 'Transfer-Encoding': 'chunked' }],
    ['another length', { 'Content-Length': '5' }],
    ['Upgrade without Connection', { Upgrade: 'websocket' }],
    ['two lengths', { 'Content-Length': ['4', '4'] }],
    ['a length with a sign', { 'Content-Length': '+4' }],
  ] as const) {
    it(`are refused with headers that have ${what}`, () => {
      const memory = new Memory();
      failureResultOf(memory.agent.request('POST', 'http://host/', headers, 'body'), TypeError);
      expect(memory.server.connections).to.deep.equal([]);
    });
  }

  for (const target of ['/a b', '/a\r\nX: y', '/ä', '', '/a#b']) {
    it(`are refused by a pool with target ${JSON.stringify(target)}`, () => {
      const memory = new Memory();
      const asked = memory.pool.request('key', memory.server, { method: 'GET', target, host: 'a' });
      failureResultOf(asked, InvalidURIError);
    });
  }

  for (const host of ['a\r\nX: y', 'a b', 'a/b', 'user@a', 'a,b']) {
    it(`are refused by a pool with host ${JSON.stringify(host)}`, () => {
      const memory = new Memory();
      const asked = memory.pool.request('key', memory.server, { method: 'GET', target: '/', host });
      failureResultOf(asked, TypeError);
    });
  }

  it('send the user name of a URI as Basic credentials if that was asked for', () => {
    const memory = new Memory();
    const { pool, server, clock } = memory;
    const agent: IAgent = new Agent(clock as unknown as NameConnector, undefined, {
      pool,
      endpoints: server,
      userinfo: 'basic',
    });
    agent.request('GET', 'http://us%3ar:p%40ss@host/').addErrback(() => undefined);
    expect(server.connections).to.deep.equal([]); // a colon cannot be in a name
    agent.request('GET', 'http://user:p%40ss@host/');
    const credentials = Buffer.from('user:p@ss').toString('base64');
    expect(memory.connection.heard()).to.equal(
      `GET / HTTP/1.1\r\nHost: host\r\nAuthorization: Basic ${credentials}\r\n\r\n`,
    );
  });
});

describe('Bodies of requests', () => {
  it('that are data go out with their length, in one piece with the head', () => {
    const memory = new Memory();
    memory.agent.request('POST', 'http://host/', null, 'grüße');
    expect(memory.connection.heard()).to.equal(
      `POST / HTTP/1.1\r\nHost: host\r\nContent-Length: 7\r\n\r\n${Buffer.from('grüße').toString('latin1')}`,
    );
    memory.agent.request('PUT', 'http://host/', null, new Uint8Array([65, 66]));
    expect(memory.connection.heard()).to.match(/Content-Length: 2\r\n\r\nAB$/);
  });

  it('may be announced by the caller, if rightly', () => {
    const memory = new Memory();
    memory.agent.request('POST', 'http://host/', { 'Content-Length': '4' }, 'body');
    expect(memory.connection.heard()).to.equal(
      'POST / HTTP/1.1\r\nHost: host\r\nContent-Length: 4\r\n\r\nbody',
    );
  });

  it('that are missing are said to be, for POST, PUT and PATCH only', () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'GET', 'DELETE', 'OPTIONS']) {
      const memory = new Memory();
      memory.agent.request(method, 'http://host/');
      const says = memory.connection.heard().includes('Content-Length: 0\r\n');
      expect(says, method).to.equal(method.startsWith('P'));
    }
  });

  it('are refused with TRACE', () => {
    failureResultOf(new Memory().agent.request('TRACE', 'http://host/', null, 'x'), TypeError);
  });

  it('are refused if they are nothing that can be sent', () => {
    const memory = new Memory();
    failureResultOf(memory.agent.request('POST', 'http://host/', null, 7 as never), TypeError);
    failureResultOf(memory.agent.request('POST', 'http://host/', null, {} as never), TypeError);
    failureResultOf(memory.agent.request('POST', 'http://host/', null, new Manual(-1)), TypeError);
  });

  it('of unknown length go out in chunks, with trailers behind them', async () => {
    const memory = new Memory();
    const body = new Manual();
    Object.assign(body, { trailers: () => ({ 'x-sum': '1' }) });
    memory.agent.request('POST', 'http://host/', null, body);
    expect(memory.connection.heard()).to.match(/\r\nTransfer-Encoding: chunked\r\n\r\n$/);
    body.consumer?.write('hello');
    body.consumer?.write('');
    body.consumer?.write(Buffer.alloc(17, 'x'));
    expect(memory.connection.heard()).to.equal('5\r\nhello\r\n11\r\nxxxxxxxxxxxxxxxxx\r\n');
    body.done.callback(undefined);
    await settled();
    expect(memory.connection.heard()).to.equal('0\r\nX-Sum: 1\r\n\r\n');
    expect(memory.connection.transport.producer).to.equal(null);
  });

  it('of known length go out as they are', async () => {
    const memory = new Memory();
    const body = new Manual(5);
    const asked = memory.agent.request('POST', 'http://host/', null, body);
    body.consumer?.write('he');
    body.consumer?.write('llo');
    body.done.callback(undefined);
    await settled();
    expect(memory.connection.heard()).to.match(/Content-Length: 5\r\n\r\nhello$/);
    memory.connection.say(ok('x'));
    expect(successResultOf(asked).code).to.equal(200);
    expect(memory.pool.idleConnections()).to.equal(1);
  });

  it('that are longer than announced are cut off before a byte too much leaves', async () => {
    const memory = new Memory();
    const body = new Manual(3);
    const asked = memory.agent.request('POST', 'http://host/', null, body);
    body.consumer?.write('abc');
    body.consumer?.write('d');
    failureResultOf(asked, WrongBodyLength);
    expect(memory.connection.heard()).to.match(/\r\n\r\nabc$/);
    expect(memory.connection.aborted).to.equal(true);
    expect(body.calls).to.deep.equal(['stop']);
  });

  it('that are shorter than announced fail the request', async () => {
    const memory = new Memory();
    const body = new Manual(3);
    const asked = memory.agent.request('POST', 'http://host/', null, body);
    body.consumer?.write('ab');
    body.done.callback(undefined);
    await settled();
    failureResultOf(asked, WrongBodyLength);
    expect(memory.connection.aborted).to.equal(true);
  });

  it('that cannot be made fail the request', async () => {
    const memory = new Memory();
    const body = new Manual();
    const asked = memory.agent.request('POST', 'http://host/', null, body);
    body.done.errback(new Error('no more'));
    await settled();
    const { value } = failureResultOf(asked, RequestGenerationFailed);
    expect((value as RequestGenerationFailed).reasons[0]?.value).to.have.property(
      'message',
      'no more',
    );
    expect(memory.connection.aborted).to.equal(true);
  });

  it('wait while the connection takes no more', () => {
    const memory = new Memory();
    const body = new Manual();
    memory.agent.request('POST', 'http://host/', null, body);
    const { producer, streaming } = memory.connection.transport;
    expect(streaming).to.equal(true);
    (producer as { pauseProducing(): void }).pauseProducing(); // a push producer, as `streaming` says
    producer?.resumeProducing();
    expect(body.calls).to.deep.equal(['pause', 'resume']);
    expect(() => body.consumer?.registerProducer(body, true)).to.throw('has one already');
  });

  it('are stopped when the connection breaks', () => {
    const memory = new Memory();
    const body = new Manual();
    const asked = memory.agent.request('POST', 'http://host/', null, body);
    memory.connection.break();
    expect(failureResultOf(asked).value).to.have.property('code', 'ERR_HTTP_REQUEST_TRANSMISSION');
    expect(body.calls).to.deep.equal(['stop']);
    body.consumer?.write('late');
    body.done.callback(undefined);
  });

  it('are stopped when the response is complete before them, and the connection is closed', () => {
    const memory = new Memory();
    const body = new Manual();
    const asked = memory.agent.request('POST', 'http://host/', null, body);
    memory.connection.say('HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n');
    expect(successResultOf(asked).code).to.equal(413);
    expect(body.calls).to.deep.equal(['stop']);
    expect(memory.connection.closing).to.equal(true);
    expect(memory.pool.idleConnections()).to.equal(0);
  });

  it('may come from an iterable, which is asked at the pace of the connection', async () => {
    const memory = new Memory();
    let given = 0;
    let closed = false;
    async function* source(): AsyncGenerator<string> {
      try {
        for (;;) {
          given += 1;
          yield 'x';
        }
      } finally {
        closed = true;
      }
    }
    const body = new IterableBodyProducer(source());
    const consumer = {
      written: 0,
      write(): void {
        this.written += 1;
        if (this.written === 3) body.pauseProducing();
      },
      registerProducer() {},
      unregisterProducer() {},
    };
    const done = body.startProducing(consumer);
    for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
    expect(given).to.equal(3);
    body.resumeProducing();
    await settled();
    expect(given).to.be.greaterThan(3);
    body.stopProducing();
    await done;
    expect(closed).to.equal(true);
    memory.agent.request('POST', 'http://host/', null, ['a', Buffer.from('bc')]);
    for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
    expect(memory.connection.heard()).to.match(/\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n$/);
  });

  it('of an iterable that gives something else fail the request', async () => {
    const memory = new Memory();
    const asked = memory.agent.request('POST', 'http://host/', null, [7] as never);
    expect(await errorOf(asked)).to.be.instanceOf(RequestGenerationFailed);
  });
});

describe('Expect: 100-continue', () => {
  const options = { expectContinue: true };

  it('holds the body back until the server wants it', () => {
    const memory = new Memory();
    const seen: number[] = [];
    const asked = memory.agent.request('POST', 'http://host/', null, 'body', {
      ...options,
      onInformation: ({ status }) => seen.push(status),
    });
    expect(memory.connection.heard()).to.match(/Expect: 100-continue\r\n\r\n$/);
    memory.connection.say('HTTP/1.1 100 Continue\r\n\r\n');
    expect(memory.connection.heard()).to.equal('body');
    memory.connection.say(ok('x'));
    expect(successResultOf(asked).code).to.equal(200);
    expect(seen).to.deep.equal([100]);
    expect(memory.pool.idleConnections()).to.equal(1);
  });

  it('holds it back for one second, or as many as it was told to', () => {
    for (const expectContinue of [true, 4]) {
      const memory = new Memory();
      memory.agent.request('POST', 'http://host/', null, 'body', { expectContinue });
      memory.connection.heard();
      memory.clock.advance(expectContinue === true ? 0.9 : 3.9);
      expect(memory.connection.heard()).to.equal('');
      memory.clock.advance(0.3);
      expect(memory.connection.heard()).to.equal('body');
    }
  });

  it('does not send the body after a final response, and closes the connection', () => {
    const memory = new Memory();
    const asked = memory.agent.request('POST', 'http://host/', { Expect: '100-continue' }, 'body');
    memory.connection.heard();
    memory.connection.say('HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n');
    expect(successResultOf(asked).code).to.equal(403);
    memory.clock.advance(5);
    expect(memory.connection.heard()).to.equal('');
    expect(memory.connection.closing).to.equal(true);
  });

  it('is not said again to a server that does not know it, if the body can be sent again', () => {
    const memory = new Memory();
    const asked = memory.agent.request('POST', 'http://host/', { Expect: '100-continue' }, 'body');
    memory.connection.say('HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n');
    expect(memory.server.connections).to.have.lengthOf(2);
    expect(memory.connection.heard())
      .to.match(/^POST .*\r\n\r\nbody$/s)
      .and.not.include('Expect');
    memory.connection.say('HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n');
    expect(successResultOf(asked).code).to.equal(417);
    const once = memory.agent.request('POST', 'http://host/', null, ['a'], options);
    memory.connection.say('HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n');
    expect(successResultOf(once).code).to.equal(417);
  });

  it('is not said without a body', () => {
    const memory = new Memory();
    memory.agent.request('POST', 'http://host/', null, '', options);
    memory.agent.request('GET', 'http://host/', null, null, options);
    for (const each of memory.server.connections) expect(each.heard()).not.to.include('Expect');
  });
});
