/** Connections: kept, shared, limited, timed out, cancelled. */
import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { CancelledError } from '../../../src/deferred/index.ts';
import {
  ConnectionQueueFull,
  HTTPConnectionPool,
  type RequestOptions,
  RequestTimeoutError,
  ResponseFailed,
  ResponseNeverReceived,
} from '../../../src/protocols/http/client/index.ts';
import { Protocol } from '../../../src/protocols/index.ts';
import { Clock, failureResultOf, Memory, ok, successResultOf } from './memory.ts';

describe('HTTPConnectionPool', () => {
  it('keeps a connection and uses it again', () => {
    const memory = new Memory();
    expect(memory.answer(ok('1')).connectionReused).to.equal(false);
    expect(memory.answer(ok('2')).connectionReused).to.equal(true);
    expect(memory.server.connections).to.have.lengthOf(1);
  });

  it('keeps none if it is told so', () => {
    for (const options of [false, { persistent: false }, { maxPersistentPerHost: 0 }]) {
      const memory = new Memory(options);
      memory.answer(ok('1'));
      expect(memory.connection.closing).to.equal(true);
      memory.answer(ok('2'));
      expect(memory.server.connections).to.have.lengthOf(2);
    }
  });

  it('does not mix hosts, ports and schemes', () => {
    const memory = new Memory();
    for (const uri of ['http://a/', 'http://b/', 'http://a:81/', 'https://a/']) {
      const asked = memory.agent.request('GET', uri);
      memory.connection.say(ok());
      successResultOf(asked);
    }
    expect(memory.server.connections).to.have.lengthOf(4);
    memory.agent.request('GET', 'http://A:80/');
    expect(memory.server.connections).to.have.lengthOf(4);
  });

  it('uses the connection that was used last first', () => {
    const memory = new Memory();
    const [first, second] = [memory.get(), memory.get()];
    memory.server.connection(0).say(ok());
    memory.server.connection(1).say(ok());
    successResultOf(first);
    successResultOf(second);
    memory.server.connection(0).heard();
    memory.server.connection(1).heard();
    memory.get('/x');
    expect(memory.server.connection(1).heard()).to.include('/x');
    memory.get('/y');
    expect(memory.server.connection(0).heard()).to.include('/y');
  });

  it('keeps so many to each host, and closes the one that was longest unused', () => {
    const memory = new Memory({ maxPersistentPerHost: 2 });
    const asked = [memory.get(), memory.get(), memory.get()];
    for (const each of memory.server.connections) each.say(ok());
    for (const each of asked) successResultOf(each);
    expect(memory.server.connections.map(({ closing }) => closing)).to.deep.equal([
      true,
      false,
      false,
    ]);
    expect(memory.pool.idleConnections('http://host')).to.equal(0);
    expect(memory.pool.idleConnections()).to.equal(2);
  });

  it('closes a connection that was unused for too long', () => {
    const memory = new Memory({ cachedConnectionTimeout: 10 });
    memory.answer(ok());
    memory.clock.advance(9);
    memory.answer(ok());
    memory.clock.pump([9, 0.5]);
    expect(memory.connection.closing).to.equal(false);
    memory.clock.pump([1, 0.3]);
    expect(memory.connection.closing).to.equal(true);
    memory.get();
    expect(memory.server.connections).to.have.lengthOf(2);
  });

  for (const [value, seconds] of [
    ['timeout=5', 4],
    ['max=100, timeout=3', 2],
    ['timeout=1', 0],
  ] as const) {
    it(`closes a connection before the server does: Keep-Alive: ${value}`, () => {
      const memory = new Memory();
      memory.answer(ok('', `Keep-Alive: ${value}`));
      if (seconds > 0) memory.clock.advance(seconds - 0.1);
      expect(memory.connection.closing).to.equal(false);
      memory.clock.pump([0.3, 0.3]);
      expect(memory.connection.closing).to.equal(true);
    });
  }

  for (const [what, text] of [
    ['Connection: close', ok('', 'Connection: close')],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n'],
    ['more than was asked for', `${ok()}HTTP/1.1 200 OK\r\n`],
    ['a second response', ok() + ok('evil')],
  ] as const) {
    it(`does not use a connection again after ${what}`, () => {
      const memory = new Memory();
      memory.answer(text);
      expect(memory.connection.closing).to.equal(true);
      const next = memory.get();
      expect(memory.server.connections).to.have.lengthOf(2);
      expect(next.called).to.equal(false);
    });
  }

  it('uses a connection of HTTP/1.0 again if the server says so', () => {
    const memory = new Memory();
    memory.answer('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n');
    expect(memory.pool.idleConnections()).to.equal(1);
  });

  it('does not use a connection again if the request said that it is the last', () => {
    const memory = new Memory();
    memory.agent.request('GET', 'http://host/', { Connection: 'close' });
    memory.connection.say(ok());
    expect(memory.connection.closing).to.equal(true);
  });

  it('closes a connection on which something comes that nobody asked for', () => {
    const memory = new Memory();
    memory.answer(ok());
    memory.connection.say(ok('evil'));
    expect(memory.connection.closing).to.equal(true);
    memory.get();
    expect(memory.server.connections).to.have.lengthOf(2);
  });

  it('forgets a connection that is lost', () => {
    const memory = new Memory();
    memory.answer(ok());
    memory.connection.lose();
    expect(memory.pool.idleConnections()).to.equal(0);
    memory.get();
    expect(memory.server.connections).to.have.lengthOf(2);
  });

  it('has one request at a time on a connection', () => {
    const memory = new Memory();
    memory.answer(ok());
    memory.get();
    memory.get();
    expect(memory.server.connections).to.have.lengthOf(2);
  });

  it('lets requests beyond the limit wait, and serves them in turn', () => {
    const memory = new Memory({ maxPerHost: 2, maxPersistentPerHost: 0 });
    const paths: string[] = [];
    for (let n = 0; n < 5; n += 1) memory.get(`/${n}`).addCallback(() => paths.push(`/${n}`));
    expect(memory.server.connections).to.have.lengthOf(2);
    const [first, second] = memory.server.connections;
    expect(first?.heard()).to.include('/0');
    first?.say(ok());
    expect(first?.heard()).to.include('GET /2 ');
    second?.heard();
    second?.say(ok());
    expect(second?.heard()).to.include('GET /3 ');
    second?.say(ok());
    expect(second?.heard()).to.include('GET /4 ');
    second?.say(ok());
    first?.say(ok());
    expect(paths).to.deep.equal(['/0', '/1', '/3', '/4', '/2']);
  });

  it('does not give a connection to the next in line after more than was asked for', () => {
    const memory = new Memory({ maxPerHost: 1 });
    memory.get('/1');
    const waiting = memory.get('/2');
    memory.connection.say(ok('1') + ok('evil'));
    expect(memory.connection.closing).to.equal(true);
    expect(waiting.called).to.equal(false);
    memory.connection.lose();
    memory.connection.say(ok('2'));
    expect(successResultOf(successResultOf(waiting).bytes()).toString()).to.equal('2');
  });

  it('does not count a connection that was given to another protocol', () => {
    const memory = new Memory({ maxPerHost: 1 });
    const headers = { Connection: 'upgrade', Upgrade: 'x' };
    const asked = memory.agent.request('GET', 'http://host/', headers);
    memory.get('/2');
    memory.connection.say('HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
    expect(memory.server.connections).to.have.lengthOf(1);
    successResultOf(asked).upgrade(new Protocol());
    expect(memory.server.connections).to.have.lengthOf(2);
    expect(memory.connection.heard()).to.include('/2');
    memory.server.connection(0).lose();
    memory.get('/3');
    expect(memory.server.connections).to.have.lengthOf(2);
  });

  it('makes another connection for those who wait when one is lost', () => {
    const memory = new Memory({ maxPerHost: 1 });
    const first = memory.get('/1');
    memory.get('/2');
    memory.connection.lose();
    failureResultOf(first, ResponseNeverReceived);
    expect(memory.server.connections).to.have.lengthOf(2);
    expect(memory.connection.heard()).to.include('/2');
  });

  it('serves those who wait when connecting fails', () => {
    const memory = new Memory({ maxPerHost: 1 });
    memory.server.error = new Error('refused');
    failureResultOf(memory.get());
    failureResultOf(memory.get());
    memory.server.error = undefined;
    memory.get('/3');
    expect(memory.connection.heard()).to.include('/3');
  });

  it('lets a request wait for so long', () => {
    const memory = new Memory({ maxPerHost: 1, acquireTimeout: 5 });
    memory.get();
    const waiting = memory.get();
    memory.clock.advance(4.9);
    expect(waiting.called).to.equal(false);
    memory.clock.advance(0.3);
    const { value } = failureResultOf(waiting, RequestTimeoutError);
    expect(value).to.include({ phase: 'queue', seconds: 5 });
  });

  it('refuses a request when too many wait', () => {
    const memory = new Memory({ maxPerHost: 1, maxWaiting: 1 });
    memory.get();
    const waiting = memory.get();
    failureResultOf(memory.get(), ConnectionQueueFull);
    waiting.cancel();
    failureResultOf(waiting, CancelledError);
    expect(memory.get().called).to.equal(false);
  });

  it('closes what it keeps, and says when that is done', () => {
    const memory = new Memory();
    memory.answer(ok());
    const closed = memory.pool.closeCachedConnections();
    expect(memory.connection.closing).to.equal(true);
    expect(closed.called).to.equal(false);
    memory.connection.lose();
    successResultOf(closed);
    successResultOf(memory.pool.closeCachedConnections());
  });

  it('leaves nothing behind in the clock', () => {
    const memory = new Memory({ maxPerHost: 1 });
    memory.answer(ok());
    memory.get();
    const waiting = memory.get();
    waiting.addErrback(() => undefined);
    waiting.cancel();
    memory.connection.say(ok());
    memory.connection.lose();
    expect(memory.clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('wants limits that make sense', () => {
    for (const options of [
      { maxPerHost: 0 },
      { maxPersistentPerHost: -1 },
      { headTimeout: Number.NaN },
      { maxBodyLength: null },
    ]) {
      expect(() => new HTTPConnectionPool(new Clock(), options as never)).to.throw(RangeError);
    }
    failureResultOf(
      new Memory().agent.request('GET', 'http://a/', null, null, { timeout: -1 }),
      RangeError,
    );
  });
});

describe('A request over a connection that turns out to be closed', () => {
  function reused(method: string, body: string | null = null, options?: RequestOptions) {
    const memory = new Memory();
    memory.answer(ok());
    const asked = memory.agent.request(method, 'http://host/', null, body, options);
    return { memory, asked };
  }

  for (const method of ['GET', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE', 'PUT']) {
    it(`is sent once more, on a new one: ${method}`, () => {
      const { memory, asked } = reused(method, method === 'PUT' ? 'body' : null);
      memory.connection.break();
      expect(memory.server.connections).to.have.lengthOf(2);
      const sent = memory.connection.heard();
      expect(sent).to.match(new RegExp(`^${method} `));
      if (method === 'PUT') expect(sent).to.match(/body$/);
      memory.connection.say('HTTP/1.1 204 No\r\n\r\n');
      expect(successResultOf(asked).code).to.equal(204);
    });
  }

  for (const method of ['POST', 'PATCH', 'LOCK']) {
    it(`is not sent once more: ${method}`, () => {
      const { memory, asked } = reused(method, 'body');
      memory.connection.break();
      failureResultOf(asked, ResponseNeverReceived);
      expect(memory.server.connections).to.have.lengthOf(1);
    });
  }

  it('is sent once more only once', () => {
    const { memory, asked } = reused('GET');
    memory.connection.break();
    memory.connection.break();
    failureResultOf(asked, ResponseNeverReceived);
    expect(memory.server.connections).to.have.lengthOf(2);
  });

  it('is not sent once more if it was the first on its connection', () => {
    const memory = new Memory();
    const asked = memory.get();
    memory.connection.break();
    failureResultOf(asked, ResponseNeverReceived);
    expect(memory.server.connections).to.have.lengthOf(1);
  });

  it('is not sent once more if a byte of the response has come', () => {
    const { memory, asked } = reused('GET');
    memory.connection.say('H').break();
    failureResultOf(asked, ResponseFailed);
    expect(memory.server.connections).to.have.lengthOf(1);
  });

  it('is not sent once more if the body cannot be', () => {
    const memory = new Memory();
    memory.answer(ok());
    const asked = memory.agent.request('PUT', 'http://host/', null, ['a']);
    memory.connection.break();
    expect(failureResultOf(asked).value).to.have.property('code', 'ERR_HTTP_REQUEST_TRANSMISSION');
    expect(memory.server.connections).to.have.lengthOf(1);
  });

  it('is not sent once more if nobody wants that', () => {
    const { memory, asked } = reused('GET', null, { retry: false });
    memory.connection.break();
    failureResultOf(asked, ResponseNeverReceived);
    expect(memory.server.connections).to.have.lengthOf(1);
  });

  it('is not sent once more when it was cancelled or took too long', () => {
    const first = reused('GET');
    first.asked.cancel();
    failureResultOf(first.asked, CancelledError);
    expect(first.memory.server.connections).to.have.lengthOf(1);
    const second = reused('GET', null, { headTimeout: 1 });
    second.memory.clock.advance(1.3);
    failureResultOf(second.asked, RequestTimeoutError);
    expect(second.memory.server.connections).to.have.lengthOf(1);
  });

  it('goes to a new connection, though others are kept', () => {
    const memory = new Memory();
    const both = [memory.get(), memory.get()];
    for (const each of memory.server.connections) each.say(ok());
    for (const each of both) successResultOf(each);
    memory.get('/x');
    memory.server.connection(1).break();
    expect(memory.server.connections).to.have.lengthOf(3);
    expect(memory.connection.heard()).to.include('/x');
  });
});

describe('Timeouts of requests', () => {
  function ask(options: RequestOptions, memory: Memory = new Memory()) {
    return { memory, asked: memory.agent.request('GET', 'http://host/', null, null, options) };
  }

  it('end the wait for a head', () => {
    const { memory, asked } = ask({ headTimeout: 3 });
    memory.clock.advance(2);
    memory.connection.say('HTTP/1.1 200 OK\r\n');
    memory.clock.advance(0.9);
    expect(asked.called).to.equal(false);
    memory.clock.advance(0.4);
    expect(failureResultOf(asked, RequestTimeoutError).value).to.include({
      phase: 'head',
      seconds: 3,
    });
    expect(memory.connection.aborted).to.equal(true);
  });

  it('end the wait for a head after 60 seconds, unless they are switched off', () => {
    const { memory, asked } = ask({});
    memory.clock.pump([59, 1.3]);
    failureResultOf(asked, RequestTimeoutError);
    const off = ask({ headTimeout: null });
    off.memory.clock.pump([59, 1000]);
    expect(off.asked.called).to.equal(false);
  });

  it('are not put off by responses of status 1xx', () => {
    const { memory, asked } = ask({ headTimeout: 3 });
    for (let n = 0; n < 4; n += 1) {
      memory.clock.advance(1);
      if (!asked.called) memory.connection.say('HTTP/1.1 102 Processing\r\n\r\n');
    }
    failureResultOf(asked, RequestTimeoutError);
  });

  it('end a body that does not go on', () => {
    const { memory, asked } = ask({ idleTimeout: 3 });
    memory.connection.say('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n');
    const body = successResultOf(asked).bytes();
    for (let n = 0; n < 4; n += 1) {
      memory.clock.advance(2);
      memory.connection.say('x');
    }
    expect(body.called).to.equal(false);
    memory.clock.pump([3, 0.3]);
    const { value } = failureResultOf(body, ResponseFailed);
    expect((value as ResponseFailed).reasons[0]?.value).to.include({ phase: 'body', seconds: 3 });
    expect(memory.connection.aborted).to.equal(true);
  });

  it('do not count time in which the program does not read', () => {
    const { memory, asked } = ask({ idleTimeout: 3 });
    memory.connection.say('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n');
    const response = successResultOf(asked);
    response.deliverTo({ write() {}, end() {}, fail() {} });
    response.pause();
    memory.connection.say('x'.repeat(70_000));
    memory.clock.pump([10, 10]);
    expect(memory.connection.closing).to.equal(false);
    response.resume();
    memory.clock.pump([3, 0.3]);
    expect(memory.connection.aborted).to.equal(true);
  });

  it('end a response that nobody reads', () => {
    const { memory, asked } = ask({ idleTimeout: 3 });
    memory.connection.say(`HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(70_000)}`);
    successResultOf(asked);
    memory.clock.pump([3, 0.3]);
    expect(memory.connection.aborted).to.equal(true);
  });

  it('end a body as a whole', () => {
    const { memory, asked } = ask({ bodyTimeout: 5, idleTimeout: 60 });
    memory.connection.say('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n');
    const body = successResultOf(asked).bytes();
    for (let n = 0; n < 4; n += 1) {
      memory.clock.advance(1.2);
      memory.connection.say('x');
    }
    expect(body.called).to.equal(false);
    memory.clock.advance(0.5);
    const { value } = failureResultOf(body, ResponseFailed);
    expect((value as ResponseFailed).reasons[0]?.value).to.include({ phase: 'body', seconds: 5 });
  });

  it('end a request as a whole: while it waits for its turn', () => {
    const memory = new Memory({ maxPerHost: 1 });
    memory.get();
    const { asked } = ask({ timeout: 5 }, memory);
    memory.clock.pump([5, 0.3]);
    expect(failureResultOf(asked, RequestTimeoutError).value).to.include({
      phase: 'whole',
      seconds: 5,
    });
  });

  it('end a request as a whole: while it connects', () => {
    const memory = new Memory();
    memory.server.holds = true;
    const { asked } = ask({ timeout: 5 }, memory);
    memory.clock.pump([5, 0.3]);
    expect(failureResultOf(asked, RequestTimeoutError).value).to.include({
      phase: 'whole',
      seconds: 5,
    });
    expect(memory.server.cancelled).to.equal(1);
  });

  it('end a request as a whole: from the call to the last byte', () => {
    const { memory, asked } = ask({ timeout: 5 });
    memory.clock.advance(3);
    memory.connection.say('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n');
    const body = successResultOf(asked).bytes();
    memory.clock.advance(1.5);
    memory.connection.say('x');
    memory.clock.pump([0.5, 0.3]);
    const { value } = failureResultOf(body, ResponseFailed);
    expect((value as ResponseFailed).reasons[0]?.value).to.include({ phase: 'whole', seconds: 5 });
  });

  it('end a request whose body the server does not take', () => {
    const memory = new Memory();
    const never = { length: 9, startProducing: () => new Promise(() => {}) };
    const nothing = { pauseProducing() {}, resumeProducing() {}, stopProducing() {} };
    const asked = memory.agent.request(
      'POST',
      'http://host/',
      null,
      { ...never, ...nothing },
      { idleTimeout: 3 },
    );
    memory.clock.pump([3, 0.3]);
    expect(failureResultOf(asked, RequestTimeoutError).value).to.include({
      phase: 'send',
      seconds: 3,
    });
    expect(memory.connection.aborted).to.equal(true);
  });
});

describe('Requests that are given up', () => {
  it('leave the line', () => {
    const memory = new Memory({ maxPerHost: 1 });
    memory.get();
    const waiting = memory.get('/waiting');
    const behind = memory.get('/behind');
    waiting.cancel();
    failureResultOf(waiting, CancelledError);
    memory.connection.heard();
    memory.connection.say(ok());
    expect(memory.connection.heard()).to.include('/behind');
    expect(behind.called).to.equal(false);
  });

  it('end the attempt to connect', () => {
    const memory = new Memory({ maxPerHost: 1 });
    memory.server.holds = true;
    const asked = memory.get();
    asked.cancel('enough');
    const { value } = failureResultOf(asked, CancelledError);
    expect((value as Error).cause).to.equal('enough');
    expect(memory.server.cancelled).to.equal(1);
    memory.get();
    expect(memory.server.attempts).to.have.lengthOf(2);
  });

  it('close the connection, which makes place for another', () => {
    const memory = new Memory({ maxPerHost: 1 });
    const asked = memory.get();
    const waiting = memory.get('/waiting');
    asked.cancel();
    failureResultOf(asked, CancelledError);
    expect(memory.connection.aborted).to.equal(true);
    memory.connection.break();
    expect(memory.connection.heard()).to.include('/waiting');
    expect(waiting.called).to.equal(false);
  });

  it('close the connection when their signal is aborted, with the reason', () => {
    const memory = new Memory();
    const controller = new AbortController();
    const asked = memory.agent.request('GET', 'http://host/', null, null, {
      signal: controller.signal,
    });
    controller.abort('enough');
    const { value } = failureResultOf(asked, CancelledError);
    expect((value as Error).cause).to.equal('enough');
    expect(memory.connection.aborted).to.equal(true);
  });

  it('close the connection when their signal is aborted during the body', () => {
    const memory = new Memory();
    const controller = new AbortController();
    const asked = memory.agent.request('GET', 'http://host/', null, null, {
      signal: controller.signal,
    });
    memory.connection.say('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nxx');
    const body = successResultOf(asked).bytes();
    controller.abort('enough');
    const { value } = failureResultOf(body, ResponseFailed);
    expect((value as ResponseFailed).reasons[0]?.value).to.be.instanceOf(CancelledError);
    expect(memory.connection.aborted).to.equal(true);
  });

  it('do not even connect when their signal was aborted before', () => {
    const memory = new Memory();
    const asked = memory.agent.request('GET', 'http://host/', null, null, {
      signal: AbortSignal.abort(),
    });
    failureResultOf(asked, CancelledError);
    expect(memory.server.connections).to.deep.equal([]);
  });

  it('leave nothing with their signal when they are over', () => {
    const { signal } = new AbortController();
    const memory = new Memory();
    for (let round = 0; round < 3; round += 1) {
      const asked = memory.agent.request('GET', 'http://host/', null, null, { signal });
      memory.connection.say(ok('x'));
      successResultOf(asked);
      expect(getEventListeners(signal, 'abort')).to.deep.equal([]);
    }
  });

  it('do not mind a signal that is aborted when they are over', () => {
    const memory = new Memory();
    const controller = new AbortController();
    const asked = memory.agent.request('GET', 'http://host/', null, null, {
      signal: controller.signal,
    });
    memory.connection.say(ok('x'));
    const response = successResultOf(asked);
    memory.get();
    controller.abort();
    expect(memory.connection.aborted).to.equal(false);
    expect(successResultOf(response.bytes()).toString()).to.equal('x');
  });
});
