import { expect } from 'chai';
import { Deferred, Failure, setUnhandledFailureHandler } from '../../../src/deferred/index.ts';
import { Resource } from '../../../src/protocols/http/index.ts';
import {
  connectWebSocket,
  WebSocketClientFactory,
  type WebSocketFactory,
  WebSocketHandshakeError,
  WebSocketProtocol,
  WebSocketResource,
  type WebSocketResourceOptions,
} from '../../../src/protocols/websocket/index.ts';
import {
  ConnectionDone,
  type EndpointFactory,
  type IProtocol,
  MemoryReactorClock,
  type StreamClientEndpoint,
} from '../../../src/reactor/index.ts';
import { answersIn, Connection, get, type Parsed } from '../http/serving-memory.ts';
import { Clock, failureResultOf, StringTransport } from '../support.ts';
import { frame, text } from './support.ts';
import { clientEnd, proofOf, Recorder, SAMPLE_KEY, serverEnd, upgrade } from './world.ts';

function asked(request: string, options: WebSocketResourceOptions = {}, built?: unknown): Parsed {
  const clock = new Clock();
  const root = new Resource();
  const factory = {
    buildProtocol: () => (built === undefined ? new Recorder() : (built as Recorder)), // tests give other things
  };
  root.putChild('chat', new WebSocketResource(factory, { reactor: clock, ...options }));
  const connection = new Connection(root, {}, clock).receive(request);
  const [answer] = answersIn(connection.said());
  if (answer === undefined) throw new Error('No answer');
  return answer;
}

describe('WebSocketResource', () => {
  it('answers the example of RFC 6455 section 1.3 as it is there', () => {
    const { answer } = serverEnd();
    expect(answer).to.match(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
    expect(answer).to.match(/\r\nUpgrade: websocket\r\n/i);
    expect(answer).to.match(/\r\nConnection: upgrade\r\n/i);
    expect(answer).to.match(/\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/);
    expect(answer).to.not.match(/Sec-WebSocket-(Protocol|Extensions)|Content-/i);
  });

  it('takes Upgrade and Connection in any letters, among others', () => {
    const fields = { Upgrade: 'h2c, WebSocket', Connection: 'UPGRADE' };
    expect(asked(upgrade(fields)).code).to.equal(101);
  });

  it('answers what is no WebSocket with 426, which says what is wanted', () => {
    const answer = asked(get('/chat'));
    expect(answer.code).to.equal(426);
    expect(answer.headers).to.include({ upgrade: 'websocket', connection: 'upgrade' });
    expect(asked(upgrade({ Upgrade: 'h2c' })).code).to.equal(426);
    expect(asked(upgrade({ Upgrade: 'websocket\xa0' })).code).to.equal(426);
    expect(asked(upgrade({ Connection: 'keep-alive' })).code).to.equal(426);
    expect(asked(upgrade({ Upgrade: null })).code).to.equal(426);
    expect(asked(upgrade({}, { version: '1.0' })).code).to.equal(426);
  });

  it('answers other versions with 426 and the one that there is', () => {
    for (const version of ['8', '14', '013', null]) {
      const answer = asked(upgrade({ 'Sec-WebSocket-Version': version }));
      expect(answer.code, String(version)).to.equal(426);
      expect(answer.headers['sec-websocket-version']).to.equal('13');
    }
  });

  it('refuses other methods, and a body', () => {
    expect(asked(upgrade({}, { method: 'POST' })).code).to.equal(400);
    expect(asked(upgrade({ 'Content-Length': '1' }, { body: 'x' })).code).to.equal(400);
  });

  for (const key of [
    null,
    '',
    'abc',
    `${SAMPLE_KEY}\n${SAMPLE_KEY}`,
    'dGhlIHNhbXBsZSBub25jZR==',
    `${SAMPLE_KEY}=`,
  ]) {
    it(`refuses the key ${JSON.stringify(key)}`, () => {
      expect(asked(upgrade({ 'Sec-WebSocket-Key': key })).code).to.equal(400);
    });
  }

  it('refuses lists that are none', () => {
    for (const bad of ['', 'a,,b', 'a, a', 'a b', '"a"']) {
      expect(asked(upgrade({ 'Sec-WebSocket-Protocol': bad })).code, bad).to.equal(400);
    }
    for (const bad of [',', 'a;', 'a; b=', 'a; =b', 'a; b="c d"', 'a b']) {
      expect(asked(upgrade({ 'Sec-WebSocket-Extensions': bad })).code, bad).to.equal(400);
    }
  });

  it('agrees upon the first subprotocol of the client that it speaks, and else upon none', () => {
    const options = { protocols: ['v1.chat', 'v2.chat'] };
    const offer = { 'Sec-WebSocket-Protocol': 'v9.chat\nv2.chat, v1.chat' };
    const end = serverEnd(options, offer);
    expect(end.answer).to.match(/Sec-WebSocket-Protocol: v2\.chat\r\n/i);
    expect(end.protocol.transport.subprotocol).to.equal('v2.chat');
    const none = serverEnd(options, { 'Sec-WebSocket-Protocol': 'other' });
    expect(none.answer).to.not.match(/Sec-WebSocket-Protocol/i);
    expect(none.protocol.transport.subprotocol).to.equal(null);
  });

  it('refuses subprotocols in its options that are no tokens', () => {
    expect(() => new WebSocketResource(Recorder, { protocols: ['a b'] })).to.throw(
      TypeError,
      'a b',
    );
    expect(() => new WebSocketResource(Recorder, { protocols: ['a', 'a'] })).to.throw(TypeError);
  });

  describe('asks where a page comes from', () => {
    const codeFor = (
      origin: string | null,
      origins?: WebSocketResourceOptions['origins'],
      host = 'example.org',
    ): number =>
      asked(upgrade({ Origin: origin, Host: host }), origins === undefined ? {} : { origins }).code;

    it('and takes by default those of its own host, and who is no browser', () => {
      expect(codeFor(null)).to.equal(101);
      expect(codeFor('http://example.org')).to.equal(101);
      expect(codeFor('https://example.org')).to.equal(101);
      expect(codeFor('http://EXAMPLE.org:80')).to.equal(101);
      expect(codeFor('http://example.org:8080', undefined, 'example.org:8080')).to.equal(101);
      expect(codeFor('https://example.org', undefined, 'example.org:443')).to.equal(101);
    });

    it('and refuses others with 403', () => {
      for (const origin of [
        'http://evil.example',
        'http://example.org.evil.example',
        'http://evil.example/example.org',
        'http://example.org:8080',
        'https://example.org:80',
        'null',
        'file://',
        'chrome-extension://example.org',
        'http://example.org\nhttp://example.org',
      ]) {
        expect(codeFor(origin), origin).to.equal(403);
      }
    });

    it('and under TLS only those that came by TLS, too', () => {
      for (const [origin, code] of [
        ['https://example.org', '101'],
        ['http://example.org', '403'],
      ] as const) {
        const clock = new Clock();
        const root = new Resource();
        root.putChild('chat', new WebSocketResource(Recorder, { reactor: clock }));
        const connection = new Connection(root, {}, clock);
        Object.assign(connection.transport, { TLS: true });
        const said = connection.receive(upgrade({ Origin: origin })).said();
        expect(said.slice(9, 12), origin).to.equal(code);
      }
    });

    it('or as a list, a function, or everybody', () => {
      expect(codeFor('https://a.example', ['https://A.example'])).to.equal(101);
      expect(codeFor('http://example.org', ['https://a.example'])).to.equal(403);
      expect(codeFor('https://b.example', (origin) => origin.endsWith('b.example'))).to.equal(101);
      expect(codeFor('https://c.example', (origin) => origin.endsWith('b.example'))).to.equal(403);
      expect(codeFor('null', '*')).to.equal(101);
    });
  });

  describe('has a factory build the protocol', () => {
    it('which may refuse, with null', () => {
      expect(asked(upgrade(), {}, null).code).to.equal(403);
    });

    it('which may take its time, with what comes meanwhile kept', async () => {
      const clock = new Clock();
      const built = new Deferred<Recorder>();
      const root = new Resource();
      root.putChild(
        'chat',
        new WebSocketResource({ buildProtocol: () => built }, { reactor: clock }),
      );
      const connection = new Connection(root, {}, clock).receive(upgrade());
      connection.channel.dataReceived(text('early'));
      expect(connection.said()).to.equal('');
      const protocol = new Recorder();
      built.callback(protocol as never);
      await new Promise(setImmediate);
      expect(connection.said()).to.match(/^HTTP\/1\.1 101 /);
      expect(protocol.heard).to.deep.equal(['made', 'early']);
    });

    it('which may take longer than the client waits', async () => {
      const clock = new Clock();
      const built = new Deferred<Recorder>();
      const root = new Resource();
      root.putChild(
        'chat',
        new WebSocketResource({ buildProtocol: () => built }, { reactor: clock }),
      );
      const connection = new Connection(root, {}, clock).receive(upgrade());
      connection.channel.connectionLost(new Failure(new ConnectionDone()));
      const reported: unknown[] = [];
      const before = setUnhandledFailureHandler((failure) => reported.push(failure.value));
      const protocol = new Recorder();
      built.callback(protocol as never);
      await new Promise(setImmediate);
      setUnhandledFailureHandler(before);
      expect([protocol.heard, reported]).to.deep.equal([[], []]);
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('which may fail, without telling the client why', async () => {
      const reported: string[] = [];
      const before = setUnhandledFailureHandler((failure) => reported.push(String(failure.value)));
      const built = Promise.reject(new Error('secret'));
      const clock = new Clock();
      const root = new Resource();
      root.putChild(
        'chat',
        new WebSocketResource({ buildProtocol: () => built }, { reactor: clock }),
      );
      const connection = new Connection(root, {}, clock).receive(upgrade());
      await new Promise(setImmediate);
      setUnhandledFailureHandler(before);
      const answer = connection.said();
      expect(reported).to.deep.equal(['Error: secret']);
      expect(answer).to.match(/^HTTP\/1\.1 500 /);
      expect(answer).to.not.contain('secret');
    });

    it('and a class of protocols will do for one', () => {
      const made: WebSocketFactory[] = [];
      class Hello extends WebSocketProtocol {
        override connectionMade(): void {
          made.push(this.factory);
          this.transport.sendMessage('hello');
        }
      }
      const root = new Resource();
      const clock = new Clock();
      root.putChild('chat', new WebSocketResource(Hello, { reactor: clock }));
      const said = new Connection(root, {}, clock).receive(upgrade()).said();
      expect(said.slice(said.indexOf('\r\n\r\n') + 4)).to.equal('\x81\x05hello');
      expect(made[0]?.connections.size).to.equal(1);
    });
  });

  it('delivers what came in the same read as the request', () => {
    const clock = new Clock();
    const protocol = new Recorder();
    const root = new Resource();
    root.putChild(
      'chat',
      new WebSocketResource({ buildProtocol: () => protocol }, { reactor: clock }),
    );
    const connection = new Connection(root, {}, clock);
    connection.channel.dataReceived(Buffer.concat([Buffer.from(upgrade()), text('now')]));
    expect(protocol.heard).to.deep.equal(['made', 'now']);
  });
});

describe('WebSocketClientFactory', () => {
  const ANSWER =
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: PROOF\r\n';

  it('asks as RFC 6455 section 4.1 has it', () => {
    const { request, key } = clientEnd({
      protocols: ['a', 'b'],
      headers: { Authorization: 'Bearer x', Origin: 'https://example.org' },
    });
    expect(request.split('\r\n')).to.deep.equal([
      'GET /chat?room=1 HTTP/1.1',
      'Host: example.org:8080',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Key: ${key}`,
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Protocol: a, b',
      'Authorization: Bearer x',
      'Origin: https://example.org',
      '',
      '',
    ]);
    expect(Buffer.from(key, 'base64')).to.have.length(16);
    expect(clientEnd().key).to.not.equal(key);
  });

  it('is a WebSocket once the server has agreed, with what came in the same read', () => {
    const end = clientEnd({}, null);
    expect(end.protocol.heard).to.deep.equal([]);
    const frames = frame({ opcode: 1, payload: 'hi', key: null }).toString('latin1');
    end.answer(`${ANSWER}\r\n${frames}`);
    expect(end.protocol.heard).to.deep.equal(['made', 'hi']);
    expect(end.failures).to.deep.equal([]);
    expect(end.clock.getDelayedCalls()).to.have.length(1);
  });

  it('takes an answer byte by byte, behind others of 1xx', () => {
    const end = clientEnd({}, null);
    for (const byte of `HTTP/1.1 103 Early Hints\r\n\r\n${ANSWER}\r\n`.replace(
      'PROOF',
      proofOf(end.key),
    )) {
      end.answer(byte);
    }
    expect(end.protocol.heard).to.deep.equal(['made']);
  });

  const wrong: Record<string, string> = {
    'another status': 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n',
    'a redirect': 'HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n',
    'no proof': `${ANSWER.replace('Sec-WebSocket-Accept: PROOF\r\n', '')}\r\n`,
    'a wrong proof': `${ANSWER.replace('PROOF', 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=')}\r\n`,
    'no Upgrade': `${ANSWER.replace('Upgrade: websocket\r\n', '')}\r\n`,
    'no Connection': `${ANSWER.replace('Connection: Upgrade\r\n', '')}\r\n`,
    'two fields Upgrade': `${ANSWER}Upgrade: websocket\r\n\r\n`,
    'an upgrade to something else': `${ANSWER.replace(': websocket', ': h2c')}\r\n`,
    'a subprotocol that was not offered': `${ANSWER}Sec-WebSocket-Protocol: x\r\n\r\n`,
    'two subprotocols': `${ANSWER}Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n\r\n`,
    'an extension that was not offered': `${ANSWER}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n`,
    'extensions that are no list': `${ANSWER}Sec-WebSocket-Extensions: ;\r\n\r\n`,
    'what is no HTTP': 'SSH-2.0-OpenSSH_9\r\n',
  };
  for (const [what, answer] of Object.entries(wrong)) {
    it(`refuses ${what}`, () => {
      const end = clientEnd({ protocols: ['a'] }, answer);
      expect(end.transport.disconnected).to.equal(true);
      end.lose();
      expect(end.protocol.heard).to.deep.equal([]);
      expect(end.failures).to.have.length(1);
      const [error] = end.failures as [WebSocketHandshakeError];
      expect(error).to.be.instanceOf(WebSocketHandshakeError);
      expect(error.code).to.equal('ERR_WEBSOCKET_HANDSHAKE');
      expect(error.message).to.contain('ws://example.org:8080/chat');
      expect(end.clock.getDelayedCalls()).to.deep.equal([]);
    });
  }

  it('reports a handshakeDone() that throws, and breaks the connection off', () => {
    const reported: string[] = [];
    const before = setUnhandledFailureHandler((failure) => reported.push(String(failure.value)));
    try {
      class Broken extends WebSocketClientFactory<Recorder> {
        override handshakeDone(): void {
          throw new Error('broken');
        }
      }
      const clock = new Clock();
      const factory = new Broken('ws://example.org/', Recorder, { reactor: clock });
      const transport = new StringTransport();
      const protocol = factory.buildProtocol(transport.getPeer());
      protocol?.makeConnection(transport);
      const key = /Sec-WebSocket-Key: (.*)\r/.exec(`${transport.value()}`)?.[1] ?? '';
      protocol?.dataReceived(Buffer.from(`${ANSWER.replace('PROOF', proofOf(key))}\r\n`));
      expect(reported).to.deep.equal(['Error: broken']);
      expect(transport.disconnected).to.equal(true);
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    } finally {
      setUnhandledFailureHandler(before);
    }
  });

  it('tells the status and the fields of an answer that refuses', () => {
    const end = clientEnd(
      {},
      'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n',
    );
    end.lose();
    const [error] = end.failures as [WebSocketHandshakeError];
    expect(error.status).to.equal(401);
    expect(error.rawHeaders).to.deep.equal(['WWW-Authenticate', 'Basic', 'Content-Length', '0']);
  });

  it('gives up when no answer comes in time, or the connection is lost before', () => {
    const late = clientEnd({ handshakeTimeout: 5 }, null);
    late.clock.advance(4.9);
    expect(late.transport.disconnected).to.equal(false);
    late.clock.advance(0.2);
    expect(late.transport.disconnected).to.equal(true);
    late.lose();
    expect(String(late.failures[0])).to.contain('within 5 seconds');
    const lost = clientEnd({}, null);
    lost.lose();
    expect(String(lost.failures[0])).to.contain('lost before the server answered');
    expect(lost.clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('refuses URLs and fields that cannot be meant', () => {
    const make = (url: string, headers = {}): unknown =>
      new WebSocketClientFactory(url, Recorder, { headers, reactor: new Clock() });
    expect(() => make('ftp://example.org')).to.throw(TypeError, 'expected ws: or wss:');
    expect(() => make('ws://example.org/#top')).to.throw(TypeError, 'fragment');
    expect(() => make('ws://alice:secret@example.org')).to.throw(TypeError, 'names a user');
    expect(() => make('ws://alice:secret@example.org')).to.not.throw('secret');
    expect(() => make('no url')).to.throw(TypeError, 'no URL');
    expect(() => make('ws://example.org', { Upgrade: 'x' })).to.throw(TypeError, 'handshake');
    expect(() => make('ws://example.org', { 'X-A': 'a\r\nb: c' })).to.throw(TypeError);
  });
});

describe('connectWebSocket()', () => {
  it('connects to host and port of the URL, and can be cancelled', () => {
    const reactor = new MemoryReactorClock();
    const result = connectWebSocket('ws://127.0.0.1:8081/', Recorder, { reactor });
    expect(reactor.tcpClients.map(([host, port]) => [host, port])).to.deep.equal([
      ['127.0.0.1', 8081],
    ]);
    result.cancel();
    expect(failureResultOf(result).value).to.have.property('name');
    expect(reactor.getDelayedCalls()).to.deep.equal([]);
  });

  it('fails after handshakeTimeout, wherever it is then', () => {
    const reactor = new MemoryReactorClock();
    const result = connectWebSocket('ws://127.0.0.1/', Recorder, { reactor, handshakeTimeout: 3 });
    reactor.advance(3);
    expect(failureResultOf(result).value).to.be.instanceOf(Error);
    expect(reactor.getDelayedCalls()).to.deep.equal([]);
  });

  it('takes no connection that comes after it was given up', () => {
    const factories: EndpointFactory<IProtocol>[] = [];
    const endpoint: StreamClientEndpoint = {
      connect: <P extends IProtocol>(factory: EndpointFactory<P>) => {
        factories.push(factory);
        return new Deferred<P>();
      },
    };
    const reactor = new MemoryReactorClock();
    const result = connectWebSocket('ws://x/', Recorder, { reactor, endpoint });
    result.cancel();
    expect(failureResultOf(result).value).to.have.property('name', 'CancelledError');
    expect(factories[0]?.buildProtocol(new StringTransport().getPeer())).to.equal(null);
  });

  it('gives the protocol over an endpoint of your own', () => {
    const reactor = new MemoryReactorClock();
    const end = clientEnd({}, null);
    expect(end.failures).to.deep.equal([]);
    const connected = new Deferred<never>();
    const endpoint = { connect: () => connected };
    const result = connectWebSocket('ws://x/', Recorder, { reactor, endpoint });
    connected.errback(new Error('no way'));
    expect(failureResultOf(result).value).to.have.property('message', 'no way');
  });
});
