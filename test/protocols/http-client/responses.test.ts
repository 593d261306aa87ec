/** What comes back, and what is made of it. */
import { expect } from 'chai';
import sinon from 'sinon';
import { Deferred, type Failure, setUnhandledFailureHandler } from '../../../src/deferred/index.ts';
import {
  BodyTooLongError,
  ClientStateError,
  PartialDownloadError,
  type Response,
  ResponseFailed,
  ResponseNeverReceived,
  readBody,
  StatusError,
  UNKNOWN_LENGTH,
} from '../../../src/protocols/http/client/index.ts';
import { Protocol } from '../../../src/protocols/index.ts';
import { ConnectionLost } from '../../../src/reactor/index.ts';
import { errorOf, failureResultOf, Memory, ok, successResultOf } from './memory.ts';

/** Keeps what it is given. */
class Keeper extends Protocol {
  text = '';
  reason: Error | undefined;

  override dataReceived(data: Buffer): void {
    this.text += data.toString('latin1');
  }

  override connectionLost(reason: Failure): void {
    this.reason = reason.value as Error; // nothing else is given
  }
}

function textOf(response: Response): string {
  return successResultOf(response.bytes()).toString('latin1');
}

function codesOf(error: unknown): unknown[] {
  return (error as ResponseFailed).reasons.map(({ value }) => (value as { code?: unknown }).code);
}

describe('Responses', () => {
  it('have a status, headers and a body', () => {
    const response = new Memory().answer(
      'HTTP/1.1 203 Some What\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 4\r\n\r\nbody',
    );
    expect(response.code).to.equal(203);
    expect(response.phrase).to.equal('Some What');
    expect(response.version).to.deep.equal(['HTTP', 1, 1]);
    expect(response.headers.getRawHeaders('X-A')).to.deep.equal(['1', '2']);
    expect(response.length).to.equal(4);
    expect(response.ok).to.equal(true);
    expect(response.previousResponse).to.equal(null);
    expect(response.request.method).to.equal('GET');
    expect(response.request.absoluteURI).to.equal('http://host/');
    expect(textOf(response)).to.equal('body');
  });

  it('are here before their bodies', () => {
    const memory = new Memory();
    const asked = memory.get();
    memory.connection.say('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r');
    expect(asked.called).to.equal(false);
    memory.connection.say('\n');
    const response = successResultOf(asked);
    const body = response.bytes();
    expect(body.called).to.equal(false);
    memory.connection.say('bo').say('dy');
    expect(successResultOf(body).toString()).to.equal('body');
  });

  it('come in chunks, with trailers', () => {
    const response = new Memory().answer(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\nX-Sum: 1\r\nContent-Length: 7\r\n\r\n',
    );
    expect(response.length).to.equal(UNKNOWN_LENGTH);
    expect(textOf(response)).to.equal('body');
    expect(response.trailers).to.deep.equal(['X-Sum', '1']);
  });

  for (const [what, method, head] of [
    ['to HEAD', 'HEAD', '200 OK\r\nContent-Length: 10'],
    ['to HEAD in chunks', 'HEAD', '200 OK\r\nTransfer-Encoding: chunked'],
    ['204', 'GET', '204 No Content'],
    ['304 with a length', 'GET', '304 Not Modified\r\nContent-Length: 10'],
  ] as const) {
    it(`have no body: ${what}`, () => {
      const memory = new Memory();
      const response = memory.answer(`HTTP/1.1 ${head}\r\n\r\n`, method);
      expect(textOf(response)).to.equal('');
      expect(response.length).to.equal(0);
      expect(memory.pool.idleConnections()).to.equal(1);
    });
  }

  it('may end with the connection, if that ends in good order', () => {
    const memory = new Memory();
    const response = memory.answer('HTTP/1.0 200 OK\r\n\r\nbo');
    const body = response.bytes();
    memory.connection.say('dy');
    expect(body.called).to.equal(false);
    memory.connection.lose();
    expect(successResultOf(body).toString()).to.equal('body');
    expect(response.endsWithConnection).to.equal(true);
  });

  it('that end with the connection fail if that breaks', () => {
    const memory = new Memory();
    const response = memory.answer('HTTP/1.1 200 OK\r\n\r\nbo');
    const body = response.bytes();
    memory.connection.break();
    const { value } = failureResultOf(body, ResponseFailed);
    expect((value as ResponseFailed).reasons[0]?.value).to.be.instanceOf(ConnectionLost);
    expect((value as ResponseFailed).response).to.equal(response);
  });

  for (const [what, text, code] of [
    [
      'before the length that was said',
      'Content-Length: 5\r\n\r\nbody',
      'ERR_HTTP_INCOMPLETE_BODY',
    ],
    ['within a chunk', 'Transfer-Encoding: chunked\r\n\r\n5\r\nbo', 'ERR_HTTP_INCOMPLETE_BODY'],
    [
      'before the last chunk',
      'Transfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n',
      'ERR_HTTP_INCOMPLETE_BODY',
    ],
    [
      'within the trailers',
      'Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n',
      'ERR_HTTP_INCOMPLETE_BODY',
    ],
  ] as const) {
    it(`fail if the connection ends ${what}`, () => {
      const memory = new Memory();
      const body = memory.answer(`HTTP/1.1 200 OK\r\n${text}`).bytes();
      memory.connection.lose();
      const { value } = failureResultOf(body, ResponseFailed);
      expect(codesOf(value)).to.deep.equal(['ERR_CONNECTION_DONE', code]);
    });
  }

  it('that never came are told from those that are cut short', () => {
    const memory = new Memory({ retryAutomatically: false });
    const never = memory.get();
    memory.connection.lose();
    failureResultOf(never, ResponseNeverReceived);
    const cut = memory.get();
    memory.connection.say('HTTP/1.1 200 OK\r\nCont').lose();
    const { value } = failureResultOf(cut, ResponseFailed);
    expect(value).not.to.be.instanceOf(ResponseNeverReceived);
    expect(codesOf(value)).to.deep.equal(['ERR_CONNECTION_DONE', 'ERR_HTTP_INCOMPLETE_HEAD']);
  });

  for (const [what, text, code] of [
    ['no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n', 'ERR_HTTP_VERSION'],
    ['HTTP/2.0', 'HTTP/2.0 200 OK\r\n\r\n', 'ERR_HTTP_VERSION_UNSUPPORTED'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n', 'ERR_HTTP_STATUS'],
    [
      'both lengths',
      'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n',
      'ERR_HTTP_LENGTH_AND_ENCODING',
    ],
    [
      'two lengths',
      'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n',
      'ERR_HTTP_CONTENT_LENGTH',
    ],
    [
      'a length with a sign',
      'HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\n',
      'ERR_HTTP_CONTENT_LENGTH',
    ],
    [
      'a negative length',
      'HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n',
      'ERR_HTTP_CONTENT_LENGTH',
    ],
    [
      'an unknown coding',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
      'ERR_HTTP_TRANSFER_CODING_UNKNOWN',
    ],
    [
      'chunked before another',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n',
      'ERR_HTTP_TRANSFER_ENCODING',
    ],
    ['a space before the colon', 'HTTP/1.1 200 OK\r\nA : b\r\n\r\n', 'ERR_HTTP_SPACE_BEFORE_COLON'],
    ['a bare CR', 'HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n', 'ERR_HTTP_BARE_CR'],
    ['a NUL', 'HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n', 'ERR_HTTP_HEADER_VALUE'],
    [
      'a head that is too long',
      `HTTP/1.1 200 OK\r\nA: ${'b'.repeat(70_000)}\r\n\r\n`,
      'ERR_HTTP_HEAD_TOO_LONG',
    ],
    [
      'too many headers',
      `HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(501)}\r\n`,
      'ERR_HTTP_TOO_MANY_HEADERS',
    ],
  ] as const) {
    it(`are refused: ${what}`, () => {
      const memory = new Memory();
      const asked = memory.get();
      memory.connection.say(text);
      expect(codesOf(failureResultOf(asked, ResponseFailed).value)).to.deep.equal([code]);
      expect(memory.connection.aborted).to.equal(true);
      expect(memory.pool.idleConnections()).to.equal(0);
    });
  }

  it('are refused in mid-body: what is no chunk fails the body', () => {
    const memory = new Memory();
    const response = memory.answer(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n',
    );
    const body = response.bytes();
    memory.connection.say('xx\r\n');
    expect(codesOf(failureResultOf(body, ResponseFailed).value)).to.deep.equal([
      'ERR_HTTP_CHUNK_SIZE',
    ]);
    expect(memory.connection.aborted).to.equal(true);
  });

  it('may be no longer than allowed', () => {
    for (const text of [
      ok('12345'),
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n123\r\n2\r\n45\r\n0\r\n\r\n',
      'HTTP/1.1 200 OK\r\n\r\n12345',
    ]) {
      const memory = new Memory({ maxBodyLength: 4 });
      const asked = memory.get();
      memory.connection.say(text);
      const failed = asked.addCallback((response) => response.bytes());
      expect(codesOf(failureResultOf(failed, ResponseFailed).value)).to.deep.equal([
        'ERR_HTTP_BODY_TOO_LONG',
      ]);
    }
  });
});

describe('Responses of status 1xx', () => {
  it('are skipped, and told to whoever asked for them', () => {
    const memory = new Memory();
    const seen: string[] = [];
    const asked = memory.agent.request('GET', 'http://host/', null, null, {
      onInformation: (head) => seen.push(`${head.status} ${head.rawHeaders.join(' ')}`),
    });
    memory.connection.say(
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
    );
    expect(asked.called).to.equal(false);
    memory.connection.say(ok('x'));
    expect(textOf(successResultOf(asked))).to.equal('x');
    expect(seen).to.deep.equal(['100 ', '103 Link </a>']);
  });

  it('are limited in number', () => {
    const memory = new Memory({ maxInformational: 2 });
    const asked = memory.get();
    memory.connection.say('HTTP/1.1 102 Processing\r\n\r\n'.repeat(2));
    expect(asked.called).to.equal(false);
    memory.connection.say('HTTP/1.1 102 Processing\r\n\r\n');
    failureResultOf(asked, ResponseFailed);
    expect(memory.connection.aborted).to.equal(true);
  });

  it('that nobody asked for do not count as what they are', () => {
    const memory = new Memory();
    const asked = memory.get();
    memory.connection.say(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
    );
    failureResultOf(asked, ResponseFailed);
    expect(memory.connection.aborted).to.equal(true);
  });
});

describe('An upgrade', () => {
  const headers = { Connection: 'Upgrade', Upgrade: 'WebSocket' };
  const switching =
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n';

  it('gives the connection to another protocol, with what came behind the head', () => {
    const memory = new Memory();
    const asked = memory.agent.request('GET', 'http://host/', headers);
    memory.connection.say(`${switching}he`);
    const response = successResultOf(asked);
    expect(response.code).to.equal(101);
    expect(memory.connection.paused).to.equal(true);
    const keeper = new Keeper();
    response.upgrade(keeper);
    expect(memory.connection.paused).to.equal(false);
    expect(keeper.text).to.equal('he');
    memory.connection.say('llo');
    expect(keeper.text).to.equal('hello');
    keeper.transport.write('out');
    expect(memory.connection.heard()).to.match(/\r\n\r\nout$/);
    memory.clock.advance(100_000);
    expect(memory.connection.closing).to.equal(false);
    memory.connection.lose();
    expect(keeper.reason).to.have.property('code', 'ERR_CONNECTION_DONE');
    expect(memory.pool.idleConnections()).to.equal(0);
  });

  it('happens once, and only where there is one', () => {
    const memory = new Memory();
    const asked = memory.agent.request('GET', 'http://host/', headers);
    memory.connection.say(switching);
    const response = successResultOf(asked);
    expect(() => response.deliverBody(new Keeper())).to.throw(ClientStateError);
    response.upgrade(new Keeper());
    expect(() => response.upgrade(new Keeper())).to.throw(ClientStateError);
    const other = new Memory().answer(ok('x'));
    expect(() => other.upgrade(new Keeper())).to.throw(ClientStateError);
  });

  it('to another protocol than was asked for is refused', () => {
    const memory = new Memory();
    const asked = memory.agent.request('GET', 'http://host/', headers);
    memory.connection.say(switching.replace('websocket', 'h2c'));
    failureResultOf(asked, ResponseFailed);
  });

  it('before the request is complete is refused', () => {
    const memory = new Memory();
    const body = {
      length: 10,
      startProducing: () => new Deferred<void>(),
      pauseProducing() {},
      resumeProducing() {},
      stopProducing() {},
    };
    const asked = memory.agent.request('POST', 'http://host/', headers, body);
    memory.connection.say(switching);
    failureResultOf(asked, ResponseFailed);
    expect(memory.connection.aborted).to.equal(true);
  });

  it('that is declined leaves an ordinary response, and a connection to use again', () => {
    const memory = new Memory();
    const asked = memory.agent.request('GET', 'http://host/', headers);
    memory.connection.say(ok('no'));
    expect(textOf(successResultOf(asked))).to.equal('no');
    expect(memory.pool.idleConnections()).to.equal(1);
  });

  it('that nobody wants after all is given up by abort()', () => {
    const memory = new Memory();
    const asked = memory.agent.request('GET', 'http://host/', headers);
    memory.connection.say(switching);
    successResultOf(asked).abort();
    expect(memory.connection.aborted).to.equal(true);
  });

  it('fails if the connection was lost meanwhile', () => {
    const memory = new Memory();
    const asked = memory.agent.request('GET', 'http://host/', headers);
    memory.connection.say(switching);
    const response = successResultOf(asked);
    memory.connection.lose();
    expect(() => response.upgrade(new Keeper())).to.throw('it was lost');
  });
});

describe('response.deliverBody', () => {
  it('gives what came and what comes, and says that it is done', () => {
    const memory = new Memory();
    const response = memory.answer('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo');
    const keeper = new Keeper();
    response.deliverBody(keeper);
    expect(keeper.text).to.equal('bo');
    memory.connection.say('dy');
    expect(keeper.text).to.equal('body');
    expect(keeper.reason).to.have.property('code', 'ERR_HTTP_RESPONSE_DONE');
  });

  it('says that data may be lost, of a body that ended with the connection', () => {
    const memory = new Memory();
    const keeper = new Keeper();
    memory.answer('HTTP/1.1 200 OK\r\n\r\nbody').deliverBody(keeper);
    memory.connection.lose();
    expect(keeper.reason).to.have.property('code', 'ERR_HTTP_POTENTIAL_DATA_LOSS');
  });

  it('says what the body was lost by', () => {
    const memory = new Memory();
    const keeper = new Keeper();
    memory.answer('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody').deliverBody(keeper);
    memory.connection.break();
    expect(keeper.reason).to.be.instanceOf(ResponseFailed);
  });

  it('can be had once', () => {
    const response = new Memory().answer(ok('x'));
    response.deliverBody(new Keeper());
    expect(() => response.deliverBody(new Keeper())).to.throw(ClientStateError);
    failureResultOf(response.bytes(), ClientStateError);
    expect(() => response[Symbol.asyncIterator]()).to.throw(ClientStateError);
  });

  it('can be paused and resumed, and holds the connection back meanwhile', () => {
    const memory = new Memory();
    const response = memory.answer(`HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n`);
    const keeper = new Keeper();
    response.deliverBody(keeper);
    keeper.transport.pauseProducing();
    memory.connection.say('x'.repeat(65_535));
    expect(memory.connection.paused).to.equal(false);
    memory.connection.say('y');
    expect(memory.connection.paused).to.equal(true);
    expect(keeper.text).to.equal('');
    keeper.transport.resumeProducing();
    expect(keeper.text.length).to.equal(65_536);
    expect(memory.connection.paused).to.equal(false);
  });

  it('ends with its transport', () => {
    const memory = new Memory();
    const response = memory.answer('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody');
    const keeper = new Keeper();
    response.deliverBody(keeper);
    keeper.transport.loseConnection();
    expect(memory.connection.aborted).to.equal(true);
    expect(keeper.reason).to.be.instanceOf(ResponseFailed);
    expect(() => keeper.transport.write('x')).to.throw(ClientStateError);
    expect(String(keeper.transport.getPeer())).to.equal("HostnameAddress('host', 80)");
  });

  it('ends the connection, and reports the error, when the protocol throws', () => {
    const reported = sinon.spy();
    const restore = setUnhandledFailureHandler(reported);
    try {
      const memory = new Memory();
      const response = memory.answer('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n');
      class Broken extends Keeper {
        override dataReceived(): void {
          throw new Error('mine');
        }
      }
      const broken = new Broken();
      response.deliverBody(broken);
      memory.connection.say('body');
      expect(memory.connection.aborted).to.equal(true);
      expect(broken.reason).to.have.property('message', 'mine');
      expect(reported.callCount).to.equal(1);
    } finally {
      setUnhandledFailureHandler(restore);
    }
  });
});

describe('Bodies of responses', () => {
  it('are held back when nobody reads them', () => {
    const memory = new Memory();
    const response = memory.answer(
      `HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(65_536)}`,
    );
    expect(memory.connection.paused).to.equal(true);
    const body = response.bytes();
    expect(memory.connection.paused).to.equal(false);
    memory.connection.say('y'.repeat(34_464));
    expect(successResultOf(body).length).to.equal(100_000);
    expect(memory.pool.idleConnections()).to.equal(1);
  });

  it('that are complete while they are held back leave a connection that is read again', () => {
    const memory = new Memory();
    const response = memory.answer(ok('x'.repeat(70_000)));
    expect(memory.connection.paused).to.equal(false);
    expect(memory.pool.idleConnections()).to.equal(1);
    expect(textOf(response).length).to.equal(70_000);
  });

  it('are collected up to a limit', () => {
    const memory = new Memory();
    const known = memory.answer(ok('12345')).bytes({ maxLength: 4 });
    failureResultOf(known, BodyTooLongError);
    const response = memory.answer(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n',
    );
    const body = response.bytes({ maxLength: 4 });
    expect(body.called).to.equal(false);
    memory.connection.say('1\r\n5\r\n');
    failureResultOf(body, BodyTooLongError);
    expect(memory.connection.aborted).to.equal(true);
  });

  it('that are announced to be too long are not even read', () => {
    const memory = new Memory();
    const response = memory.answer('HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n');
    failureResultOf(response.bytes(), BodyTooLongError);
    expect(memory.connection.aborted).to.equal(true);
  });

  it('are text in the charset that they say, or in UTF-8', () => {
    for (const [type, bytes] of [
      ['text/plain; charset=iso-8859-1', Buffer.from('grün', 'latin1')],
      ['text/plain; charset="UTF-16LE"', Buffer.from('grün', 'utf16le')],
      ['text/plain', Buffer.from('\ufeffgrün')],
      ['text/plain; charset=nonsense', Buffer.from('grün')],
    ] as const) {
      const response = new Memory().answer(ok(bytes.toString('latin1'), `Content-Type: ${type}`));
      expect(successResultOf(response.text()), type).to.equal('grün');
    }
  });

  it('are JSON, if they are', () => {
    const response = new Memory().answer(ok('{"a":[1]}'));
    expect(successResultOf(response.json())).to.deep.equal({ a: [1] });
    failureResultOf(new Memory().answer(ok('{')).json(), SyntaxError);
  });

  it('can be iterated over', async () => {
    const memory = new Memory();
    const response = memory.answer('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo');
    const pieces: string[] = [];
    const reading = (async () => {
      for await (const piece of response) pieces.push(piece.toString());
    })();
    memory.connection.say('dy');
    await reading;
    expect(pieces).to.deep.equal(['bo', 'dy']);
  });

  it('close the connection when a loop over them is left', async () => {
    const memory = new Memory();
    const response = memory.answer('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbo');
    for await (const piece of response) {
      expect(piece.toString()).to.equal('bo');
      break;
    }
    expect(memory.connection.aborted).to.equal(true);
  });

  it('fail a loop over them if they do not come to their end', async () => {
    const memory = new Memory();
    const response = memory.answer('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbo');
    const reading = (async () => {
      for await (const piece of response) expect(piece.toString()).to.equal('bo');
    })();
    memory.connection.break();
    expect(await errorOf(reading)).to.be.instanceOf(ResponseFailed);
  });

  it('are discarded, and the connection is kept', () => {
    const memory = new Memory();
    const response = memory.answer(`HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n`);
    response.discard();
    memory.connection.say('x'.repeat(65_536));
    expect(memory.pool.idleConnections()).to.equal(1);
    expect(memory.connection.closing).to.equal(false);
  });

  it('that are too long to be discarded close the connection', () => {
    const memory = new Memory();
    const response = memory.answer(`HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n`);
    response.discard();
    memory.connection.say('x'.repeat(65_537));
    expect(memory.connection.aborted).to.equal(true);
  });

  it('end what waits for them when they are aborted', () => {
    const memory = new Memory();
    const response = memory.answer('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbo');
    const body = response.bytes();
    response.abort();
    const { value } = failureResultOf(body, ResponseFailed);
    expect(codesOf(value)).to.deep.equal(['ERR_CONNECTION_ABORTED']);
    expect(memory.connection.aborted).to.equal(true);
  });

  it('that have come do not mind being aborted', () => {
    const memory = new Memory();
    const response = memory.answer(ok('body'));
    response.abort();
    expect(memory.connection.closing).to.equal(false);
    expect(textOf(response)).to.equal('body');
  });
});

describe('readBody', () => {
  it('gives the body', () => {
    expect(successResultOf(readBody(new Memory().answer(ok('body')))).toString()).to.equal('body');
  });

  it('fails with what came, for a body that ended with the connection', () => {
    const memory = new Memory();
    const body = readBody(memory.answer('HTTP/1.1 200 OK\r\n\r\nbody'));
    memory.connection.lose();
    const { value } = failureResultOf(body, PartialDownloadError);
    expect((value as PartialDownloadError).response.toString()).to.equal('body');
    expect((value as PartialDownloadError).status).to.equal(200);
  });

  it('closes the connection when it is cancelled', () => {
    const memory = new Memory();
    const body = readBody(memory.answer('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbo'));
    body.cancel();
    failureResultOf(body);
    expect(memory.connection.aborted).to.equal(true);
  });
});

describe('raiseForStatus', () => {
  it('throws for 400 and above, and lets go of the body', () => {
    const memory = new Memory();
    const response = memory.answer('HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno');
    expect(() => response.raiseForStatus()).to.throw(
      StatusError,
      'GET http://host/ was answered 404 Not Found',
    );
    expect(memory.pool.idleConnections()).to.equal(1);
    const fine = memory.answer(ok('x'));
    expect(fine.raiseForStatus()).to.equal(fine);
  });
});
