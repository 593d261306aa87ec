import { expect } from 'chai';
import type { Failure } from '../../../src/deferred/index.ts';
import { Deferred } from '../../../src/deferred/index.ts';
import {
  NOT_DONE_YET,
  type Request,
  type RequestBody,
  RequestStateError,
  Resource,
} from '../../../src/protocols/http/index.ts';
import { Protocol } from '../../../src/protocols/index.ts';
import { byteByByte } from '../support.ts';
import { answersIn, COMMON, Connection, get, leaf, post } from './serving-memory.ts';

class Echo extends Resource {
  override isLeaf = true;
  override render_GET(request: Request): string {
    return request.path;
  }
  override render_POST(request: Request): Buffer {
    return request.content;
  }
}

/** Answers when the test says so. */
class Later extends Resource {
  override isLeaf = true;
  readonly requests: Request[] = [];
  override render_GET(request: Request): typeof NOT_DONE_YET {
    this.requests.push(request);
    return NOT_DONE_YET;
  }
  override render_POST(request: Request): typeof NOT_DONE_YET {
    return this.render_GET(request);
  }
  answer(at: number, text = 'done'): void {
    const request = this.requests[at];
    request?.write(text);
    request?.finish();
  }
}

describe('HTTPChannel', () => {
  it('answers with head and body in one write', () => {
    const connection = new Connection(new Echo());
    let writes = 0;
    const { write } = connection.transport;
    connection.transport.write = (data) => {
      writes += 1;
      write.call(connection.transport, data);
    };
    connection.receive(get('/a'));
    expect(connection.said()).to.equal(
      `HTTP/1.1 200 OK\r\n${COMMON}Content-Type: text/html\r\nContent-Length: 2\r\n\r\n/a`,
    );
    expect(writes).to.equal(1);
  });

  it('answers bytes as it answers text, in one write', () => {
    const connection = new Connection(leaf(() => Buffer.from([0, 255, 13])));
    connection.receive(get('/'));
    const said = connection.transport.value();
    expect(said.subarray(-3)).to.deep.equal(Buffer.from([0, 255, 13]));
    expect(said.toString('latin1')).to.include('Content-Length: 3\r\n\r\n');
  });

  it('says the same however a request is cut', () => {
    const request = Buffer.from(`${get('/a')}${post('/b', 'body')}${get('/c')}`);
    const whole = new Connection(new Echo()).receive(request.toString()).said();
    const cut = new Connection(new Echo());
    for (const byte of byteByByte(request)) cut.channel.dataReceived(byte);
    expect(cut.said()).to.equal(whole);
    expect(answersIn(whole).map(({ body }) => body)).to.deep.equal(['/a', 'body', '/c']);
  });

  it('answers pipelined requests in order, in one write', () => {
    const connection = new Connection(new Echo());
    let writes = 0;
    const { write } = connection.transport;
    connection.transport.write = (data) => {
      writes += 1;
      write.call(connection.transport, data);
    };
    connection.receive(get('/1') + get('/2') + get('/3'));
    expect(answersIn(connection.said()).map(({ body }) => body)).to.deep.equal(['/1', '/2', '/3']);
    expect(writes).to.equal(1);
  });

  it('does not begin a request before the one before it is answered', () => {
    const later = new Later();
    const connection = new Connection(later).receive(get('/1') + get('/2') + get('/3'));
    expect(later.requests.map(({ uri }) => uri)).to.deep.equal(['/1']);
    later.answer(0, 'one');
    expect(later.requests.map(({ uri }) => uri)).to.deep.equal(['/1', '/2']);
    later.answer(1, 'two');
    later.answer(2, 'three');
    expect(answersIn(connection.said()).map(({ body }) => body)).to.deep.equal([
      'one',
      'two',
      'three',
    ]);
  });

  it('reads no further than maxReadAhead while a request waits for its answer, and goes on after it', () => {
    const later = new Later();
    const connection = new Connection(later, { maxReadAhead: 100 }).receive(get('/1'));
    connection.receive(get('/2'));
    expect(connection.transport.producerState).to.equal('producing');
    connection.receive(get('/3', `X: ${'x'.repeat(100)}`));
    expect(connection.transport.producerState).to.equal('paused');
    later.answer(0);
    later.answer(1);
    expect(connection.transport.producerState).to.equal('producing');
    later.answer(2);
    expect(answersIn(connection.said())).to.have.length(3);
  });

  it('starts no further request while the client does not read its answers', () => {
    const seen: string[] = [];
    const connection = new Connection(
      leaf((request) => {
        seen.push(request.uri);
        return 'x'.repeat(70_000);
      }),
    );
    // The transport of a client that does not read.
    const { write } = connection.transport;
    connection.transport.write = (data) => {
      write.call(connection.transport, data);
      connection.channel.dataReceived(Buffer.alloc(0));
      (connection.transport.producer as { pauseProducing(): void }).pauseProducing();
    };
    connection.receive(get('/1') + get('/2') + get('/3'));
    const first = seen.length;
    expect(first).to.be.below(3);
    connection.transport.producer?.resumeProducing();
    expect(seen.length).to.be.above(first);
  });

  it('starts no further request when an answer comes while the client does not read', () => {
    const later = new Later();
    const connection = new Connection(later).receive(get('/1') + get('/2'));
    const producer = connection.transport.producer as {
      pauseProducing(): void;
      resumeProducing(): void;
    };
    producer.pauseProducing();
    later.answer(0);
    expect(later.requests).to.have.length(1);
    producer.resumeProducing();
    expect(later.requests).to.have.length(2);
  });

  it('starts no further request behind a streamed one while the client does not read', () => {
    const seen: string[] = [];
    const connection = new Connection(
      leaf(
        (request) => {
          seen.push(request.uri);
          (request as unknown as Request<RequestBody>).content.deliverTo({
            write() {},
            end: () => request.finish(),
            fail() {},
          });
          return NOT_DONE_YET;
        },
        { streamsBody: true },
      ),
    );
    const producer = connection.transport.producer as {
      pauseProducing(): void;
      resumeProducing(): void;
    };
    connection.receive(post('/1', 'abc').slice(0, -1));
    producer.pauseProducing();
    connection.receive(`c${get('/2')}`);
    expect(seen).to.deep.equal(['/1']);
    producer.resumeProducing();
    expect(seen).to.deep.equal(['/1', '/2']);
  });

  describe('keep-alive', () => {
    const closes = (request: string, options = {}): Connection =>
      new Connection(new Echo(), options).receive(request);

    it('keeps a connection of HTTP/1.1', () => {
      const connection = closes(get('/'));
      expect(connection.said()).to.not.include('Connection:');
      expect(connection.ending).to.equal(false);
    });

    it('closes a connection of HTTP/1.1 that asks for it, and says so', () => {
      const connection = closes(get('/', 'Connection: close'));
      expect(connection.said()).to.include('\r\nConnection: close\r\n');
      expect(connection.transport.disconnecting).to.equal(true);
    });

    it('closes a connection of HTTP/1.0', () => {
      const connection = closes('GET / HTTP/1.0\r\n\r\n');
      expect(connection.said()).to.match(/^HTTP\/1\.1 200 OK\r\n.*Connection: close\r\n/s);
      expect(connection.transport.disconnecting).to.equal(true);
    });

    it('keeps a connection of HTTP/1.0 that asks for it, and says so', () => {
      const connection = closes('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
      expect(connection.said()).to.include('\r\nConnection: keep-alive\r\n');
      expect(connection.ending).to.equal(false);
    });

    it('does not look at what comes behind the last request', () => {
      const connection = closes(get('/1', 'Connection: close') + get('/2'));
      expect(answersIn(connection.said()).map(({ body }) => body)).to.deep.equal(['/1']);
    });

    it('closes after maxRequestsPerConnection', () => {
      const connection = closes(get('/1') + get('/2') + get('/3'), { maxRequestsPerConnection: 2 });
      const answers = answersIn(connection.said());
      expect(answers.map(({ headers }) => headers['connection'])).to.deep.equal([
        undefined,
        'close',
      ]);
      expect(connection.ending).to.equal(true);
    });

    it('does not close before the client has read', () => {
      const later = new Later();
      const connection = new Connection(later).receive(get('/', 'Connection: close'));
      const producer = connection.transport.producer as {
        pauseProducing(): void;
        resumeProducing(): void;
      };
      producer.pauseProducing();
      later.answer(0);
      expect(connection.transport.disconnecting).to.equal(false);
      producer.resumeProducing();
      expect(connection.transport.disconnecting).to.equal(true);
    });

    it('sends nothing after loseConnection()', () => {
      const connection = new Connection(
        leaf((request) => {
          request.write('a');
          request.loseConnection();
          request.write('b');
          request.finish();
          return NOT_DONE_YET;
        }),
      ).receive(get('/') + get('/'));
      expect(connection.said()).to.match(/\r\n\r\n1\r\na\r\n$/);
      expect(connection.transport.disconnecting).to.equal(true);
    });

    it('closes when the application sets Connection: close', () => {
      const connection = new Connection(
        leaf((request) => {
          request.setHeader('connection', 'close');
          return 'x';
        }),
      ).receive(get('/') + get('/'));
      const answers = answersIn(connection.said());
      expect(answers).to.have.length(1);
      expect(answers[0]?.headers['connection']).to.equal('close');
    });
  });

  describe('bodies', () => {
    it('gives the body whole', () => {
      const body = 'x'.repeat(100_000);
      const connection = new Connection(new Echo()).receive(post('/', body));
      expect(answersIn(connection.said())[0]?.body).to.equal(body);
    });

    it('gives a chunked body whole, and its trailers', () => {
      let trailers: readonly string[] = [];
      const connection = new Connection(
        leaf((request) => {
          ({ trailers } = request);
          return request.content;
        }),
      ).receive(
        'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 7\r\n\r\n',
      );
      expect(answersIn(connection.said())[0]?.body).to.equal('abcde');
      expect(trailers).to.deep.equal(['X-Sum', '7']);
    });

    it('refuses a body that says it is too long, before it comes', () => {
      const connection = new Connection(new Echo(), { maxContentLength: 10 });
      connection.receive('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n');
      const [answer] = answersIn(connection.said());
      expect(answer?.code).to.equal(413);
    });

    it('refuses a chunked body when it gets too long, and closes', () => {
      const connection = new Connection(new Echo(), { maxContentLength: 10 });
      connection.receive(
        'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n',
      );
      expect(connection.said()).to.equal('');
      connection.receive('8\r\n12345678\r\n0\r\n\r\n');
      const [answer] = answersIn(connection.said());
      expect(answer?.code).to.equal(413);
      expect(answer?.headers['connection']).to.equal('close');
      expect(connection.transport.writeDisconnecting).to.equal(true);
    });

    it("takes a resource's own maxContentLength", () => {
      const connection = new Connection(
        leaf((request) => request.content, { maxContentLength: 20 }),
        { maxContentLength: 10 },
      ).receive(post('/', 'x'.repeat(20)));
      expect(answersIn(connection.said())[0]?.body).to.equal('x'.repeat(20));
    });

    it('refuses a body with a Content-Encoding, unless the resource decodes', () => {
      const encoded = post('/', 'x', 'Content-Encoding: gzip');
      expect(answersIn(new Connection(new Echo()).receive(encoded).said())[0]?.code).to.equal(415);
      const decoding = leaf((request) => request.content, { decodesBody: true });
      expect(answersIn(new Connection(decoding).receive(encoded).said())[0]?.code).to.equal(200);
    });

    it('goes on after a refused body that is short enough to be dropped', () => {
      const connection = new Connection(new Echo(), { maxContentLength: 10 });
      connection.receive(post('/', 'x'.repeat(100)) + get('/next'));
      const answers = answersIn(connection.said());
      expect(answers.map(({ code }) => code)).to.deep.equal([413, 200]);
      expect(connection.ending).to.equal(false);
    });

    it('goes on after a refused body of just maxDiscardedLength, and not after one of a byte more', () => {
      for (const [length, ends] of [
        [1000, false],
        [1001, true],
      ] as const) {
        const options = { maxContentLength: 10, maxDiscardedLength: 1000 };
        const connection = new Connection(new Echo(), options);
        connection.receive(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`);
        expect(answersIn(connection.said())[0]?.code).to.equal(413);
        expect(connection.ending, String(length)).to.equal(ends);
      }
    });

    it('closes after a refused body that is longer than maxDiscardedLength', () => {
      const connection = new Connection(new Echo(), {
        maxContentLength: 10,
        maxDiscardedLength: 50,
      });
      connection.receive(post('/', 'x'.repeat(100)) + get('/next'));
      const answers = answersIn(connection.said());
      expect(answers.map(({ code }) => code)).to.deep.equal([413]);
      expect(answers[0]?.headers['connection']).to.equal('close');
      expect(connection.transport.writeDisconnecting).to.equal(true);
    });
  });

  describe('100-continue', () => {
    const HEAD = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n';

    it('tells the client to go on', () => {
      const connection = new Connection(new Echo()).receive(HEAD);
      expect(connection.said()).to.equal('HTTP/1.1 100 Continue\r\n\r\n');
      connection.receive('body');
      expect(answersIn(connection.said())[0]?.body).to.equal('body');
    });

    it('does not tell a client that did not wait', () => {
      const connection = new Connection(new Echo()).receive(`${HEAD}body`);
      expect(answersIn(connection.said()).map(({ code }) => code)).to.deep.equal([200]);
    });

    it('does not tell HTTP/1.0', () => {
      const connection = new Connection(new Echo()).receive(HEAD.replace('1.1', '1.0'));
      expect(connection.said()).to.equal('');
      connection.receive('body');
      expect(answersIn(connection.said())[0]?.code).to.equal(200);
    });

    it('lets a resource refuse, with 417 or a code of its own, and closes', () => {
      const refuses = leaf(() => 'never', { acceptBody: () => false });
      const connection = new Connection(refuses).receive(HEAD);
      const [answer, ...more] = answersIn(connection.said());
      expect(answer?.code).to.equal(417);
      expect(answer?.headers['connection']).to.equal('close');
      expect(more).to.deep.equal([]);
      expect(connection.ending).to.equal(true);
      const forbids = leaf(() => 'never', {
        acceptBody(request) {
          request.setResponseCode(401);
          return false;
        },
      });
      expect(answersIn(new Connection(forbids).receive(HEAD).said())[0]?.code).to.equal(401);
    });

    it('answers 417 to an expectation that nobody knows', () => {
      const connection = new Connection(new Echo()).receive(get('/', 'Expect: the-unexpected'));
      expect(answersIn(connection.said())[0]?.code).to.equal(417);
    });

    it('is left out when a resource answers without reading', () => {
      const connection = new Connection(leaf(() => 'no need', { streamsBody: true })).receive(HEAD);
      const [answer] = answersIn(connection.said());
      expect(answer?.code).to.equal(200);
      // Whether the body still comes cannot be known.
      expect(answer?.headers['connection']).to.equal('close');
    });

    it('is not sent into an answer that has begun', () => {
      const connection = new Connection(
        leaf(
          (request) => {
            request.write('begun');
            (request as unknown as Request<RequestBody>).content.deliverTo({
              write() {},
              end: () => request.finish(),
              fail() {},
            });
            return NOT_DONE_YET;
          },
          { streamsBody: true },
        ),
      ).receive(HEAD);
      connection.receive('body');
      expect(answersIn(connection.said()).map(({ code, body }) => [code, body])).to.deep.equal([
        [200, 'begun'],
      ]);
    });

    it('is sent when a resource begins to read', () => {
      let body: RequestBody | undefined;
      const streams = leaf(
        (request) => {
          body = (request as unknown as Request<RequestBody>).content;
          return NOT_DONE_YET;
        },
        { streamsBody: true },
      );
      const connection = new Connection(streams).receive(HEAD);
      expect(connection.said()).to.equal('');
      body?.deliverTo({ write() {}, end() {}, fail() {} });
      expect(connection.said()).to.equal('HTTP/1.1 100 Continue\r\n\r\n');
    });
  });

  describe('streamed bodies', () => {
    class Collecting extends Resource {
      override isLeaf = true;
      override streamsBody = true;
      body: RequestBody | undefined;
      request: Request<RequestBody> | undefined;
      readonly got: string[] = [];
      override render_POST(request: Request<RequestBody>): typeof NOT_DONE_YET {
        this.request = request;
        this.body = request.content;
        this.body.deliverTo({
          write: (chunk) => this.got.push(chunk.toString()),
          end: () => this.got.push('end'),
          fail: (error) => this.got.push(error.name),
        });
        return NOT_DONE_YET;
      }
    }

    it('are rendered when the head is there, and come as they come', () => {
      const resource = new Collecting();
      const connection = new Connection(resource);
      connection.receive('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n');
      expect(resource.body?.length).to.equal(6);
      connection.receive('abc');
      expect(resource.got).to.deep.equal(['abc']);
      connection.receive('def');
      expect(resource.got).to.deep.equal(['abc', 'def', 'end']);
      resource.request?.finish();
      expect(answersIn(connection.said())[0]?.code).to.equal(200);
    });

    it('are there, and empty, for a request without one', () => {
      for (const text of [post('/', ''), 'POST / HTTP/1.1\r\nHost: a\r\n\r\n']) {
        const resource = new Collecting();
        const connection = new Connection(resource).receive(text);
        resource.request?.finish();
        expect(resource.got).to.deep.equal(['end']);
        expect(answersIn(connection.said())[0]?.code).to.equal(200);
      }
    });

    it('fail when the connection is lost', () => {
      const resource = new Collecting();
      const connection = new Connection(resource);
      connection.receive('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nab');
      connection.lose();
      expect(resource.got).to.deep.equal(['ab', 'RequestAborted']);
    });

    it('can be iterated over', async () => {
      const parts: string[] = [];
      const connection = new Connection(
        leaf(
          async (request) => {
            for await (const part of (request as unknown as Request<RequestBody>).content)
              parts.push(part.toString());
            return parts.join('|');
          },
          { streamsBody: true },
        ),
      );
      connection.receive(
        'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
      );
      await Promise.resolve();
      connection.receive('2\r\nde\r\n0\r\n\r\n');
      await new Promise(setImmediate);
      expect(answersIn(connection.said())[0]?.body).to.equal('abc|de');
    });

    it('have the client wait while nobody reads, and are read again', () => {
      let body: RequestBody | undefined;
      const connection = new Connection(
        leaf(
          (request) => {
            body = (request as unknown as Request<RequestBody>).content;
            return NOT_DONE_YET;
          },
          { streamsBody: true },
        ),
      );
      connection.receive(
        `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n${'x'.repeat(65_536)}`,
      );
      expect(connection.transport.producerState).to.equal('producing');
      connection.receive('x'.repeat(20_000));
      expect(connection.transport.producerState).to.equal('paused');
      let length = 0;
      body?.deliverTo({
        write: (chunk) => {
          length += chunk.length;
        },
        end() {},
        fail() {},
      });
      expect(length).to.equal(85_536);
      expect(connection.transport.producerState).to.equal('producing');
    });

    it('may be answered before they are complete; the rest is dropped and the next request is read', () => {
      const connection = new Connection(leaf(() => 'early', { streamsBody: true }));
      connection.receive('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nab');
      connection.receive(`cdef${get('/')}`);
      expect(answersIn(connection.said()).map(({ body }) => body)).to.deep.equal([
        'early',
        'early',
      ]);
    });

    it('may be answered while the client waits to send more; the rest is read and dropped', () => {
      const waiting: Request[] = [];
      const connection = new Connection(
        leaf(
          (request) => {
            waiting.push(request);
            return NOT_DONE_YET;
          },
          { streamsBody: true },
        ),
      );
      connection.receive(
        `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n${'x'.repeat(66_000)}`,
      );
      connection.receive('x'.repeat(20_000));
      expect(connection.transport.producerState).to.equal('paused');
      waiting[0]?.finish();
      expect(connection.transport.producerState).to.equal('producing');
      connection.receive(`${'x'.repeat(4000)}${get('/')}`);
      expect(waiting).to.have.length(2);
      expect(answersIn(connection.said())).to.have.length(1);
    });

    it('fail with what was wrong with them, and 400 is answered', async () => {
      const connection = new Connection(
        leaf(
          async (request) => {
            for await (const _ of (request as unknown as Request<RequestBody>).content);
            return 'never';
          },
          { streamsBody: true },
        ),
      );
      connection.receive('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n');
      await new Promise(setImmediate);
      const [answer] = answersIn(connection.said());
      expect(answer?.code).to.equal(400);
      expect(answer?.headers['connection']).to.equal('close');
      expect(connection.ending).to.equal(true);
    });
  });

  describe('malformed requests', () => {
    it('are answered with the code of the rule, and the connection is closed, lingering', () => {
      for (const [text, code] of [
        ['GET / HTTP/1.1\r\n\r\n', 400],
        ['GET / HTTP/1.1\nHost: a\n\n', 400],
        ['G@T / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
        ['GET / HTTP/3.0\r\nHost: a\r\n\r\n', 505],
        [`GET /${'x'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
        [get('/', `X: ${'x'.repeat(20_000)}`), 431],
        ['POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', 501],
      ] as const) {
        const connection = new Connection(new Echo()).receive(text);
        const [answer] = answersIn(connection.said());
        expect(answer?.code, text.slice(0, 30)).to.equal(code);
        expect(answer?.headers['connection']).to.equal('close');
        expect(connection.transport.writeDisconnecting).to.equal(true);
      }
    });

    it('are answered after the requests before them', () => {
      const later = new Later();
      const connection = new Connection(later).receive(`${get('/')}NONSENSE\r\n\r\n`);
      expect(connection.said()).to.equal('');
      later.answer(0);
      expect(answersIn(connection.said()).map(({ code }) => code)).to.deep.equal([200, 400]);
    });

    it('are not answered twice, whatever follows them', () => {
      const connection = new Connection(new Echo()).receive('NONSENSE\r\n\r\n').receive(get('/'));
      expect(answersIn(connection.said())).to.have.length(1);
    });

    it('in a body that was kept are answered, and nothing is rendered', () => {
      let rendered = 0;
      const counting = leaf(() => {
        rendered += 1;
        return 'x';
      });
      const connection = new Connection(counting).receive(
        'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n',
      );
      const [answer] = answersIn(connection.said());
      expect(answer?.code).to.equal(400);
      expect(answer?.headers['connection']).to.equal('close');
      expect(rendered).to.equal(0);
      expect(connection.transport.writeDisconnecting).to.equal(true);
    });
  });

  describe('the end of the client', () => {
    it('closes an idle connection', () => {
      const connection = new Connection(new Echo()).receive(get('/'));
      connection.channel.readConnectionLost();
      expect(connection.transport.disconnecting).to.equal(true);
    });

    it('is the loss of a request that waits for its answer', () => {
      const later = new Later();
      const connection = new Connection(later).receive(get('/'));
      let reason: Failure | undefined;
      later.requests[0]?.notifyFinish().addErrback((failure: Failure) => {
        reason = failure;
      });
      connection.channel.readConnectionLost();
      expect(reason?.value).to.have.property('name', 'ConnectionDone');
      expect(connection.transport.disconnecting).to.equal(true);
      // What is written now goes nowhere, and is no mistake.
      later.answer(0);
      expect(connection.said()).to.equal('');
    });

    it('lets a request have its answer with allowHalfClose', () => {
      const later = new Later();
      const connection = new Connection(later, { allowHalfClose: true }).receive(get('/'));
      connection.channel.readConnectionLost();
      later.answer(0);
      expect(answersIn(connection.said())[0]?.body).to.equal('done');
      expect(connection.transport.disconnecting).to.equal(true);
    });

    it('needs no lingering', () => {
      const later = new Later();
      const connection = new Connection(later, { allowHalfClose: true }).receive(
        `${get('/')}NONSENSE\r\n\r\n`,
      );
      connection.channel.readConnectionLost();
      later.answer(0);
      expect(answersIn(connection.said()).map(({ code }) => code)).to.deep.equal([200, 400]);
      expect(connection.transport.disconnecting).to.equal(true);
      expect(connection.transport.writeDisconnecting).to.equal(false);
    });

    it('in mid-head is answered with 400', () => {
      const connection = new Connection(new Echo()).receive('GET / HT');
      connection.channel.readConnectionLost();
      expect(answersIn(connection.said())[0]?.code).to.equal(400);
    });
  });

  describe('upgrades', () => {
    class Other extends Protocol {
      readonly got: string[] = [];
      reason: Failure | undefined;
      override connectionMade(): void {
        this.transport.write('hello');
      }
      override dataReceived(data: Buffer): void {
        this.got.push(data.toString());
      }
      override connectionLost(reason: Failure): void {
        this.reason = reason;
      }
    }
    const ASK = get('/', 'Connection: upgrade', 'Upgrade: other/1');

    it('give the connection to another protocol, with what came for it', () => {
      const other = new Other();
      const connection = new Connection(
        leaf((request) => {
          request.setHeader('X-Key', 'k');
          request.upgradeTo('other/1', other);
          return NOT_DONE_YET;
        }),
      ).receive(`${ASK}behind`);
      expect(connection.said()).to.equal(
        `HTTP/1.1 101 Switching Protocols\r\n${COMMON}X-Key: k\r\nUpgrade: other/1\r\nConnection: upgrade\r\n\r\nhello`,
      );
      connection.receive('more');
      expect(other.got).to.deep.equal(['behind', 'more']);
      connection.clock.advance(10_000);
      expect(connection.ending).to.equal(false);
      connection.lose();
      expect(other.reason?.value).to.have.property('name', 'ConnectionLost');
      expect(connection.clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('hand over what was held, and read again, when they come late', () => {
      const other = new Other();
      const waiting: Request[] = [];
      const connection = new Connection(
        leaf((request) => {
          waiting.push(request);
          return NOT_DONE_YET;
        }),
        { maxReadAhead: 10 },
      ).receive(`${ASK}${'x'.repeat(100)}`);
      expect(connection.transport.producerState).to.equal('paused');
      waiting[0]?.upgradeTo('other/1', other);
      expect(other.got.join('')).to.equal('x'.repeat(100));
      expect(connection.transport.producerState).to.equal('producing');
      expect(connection.clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('let the other protocol say goodbye when the server stops, if it has one', () => {
      class Polite extends Other {
        drain(): void {
          this.transport.write('goodbye');
        }
      }
      for (const other of [new Other(), new Polite()]) {
        const connection = new Connection(
          leaf((request) => {
            request.upgradeTo('other/1', other);
            return NOT_DONE_YET;
          }),
        ).receive(ASK);
        connection.site.drain();
        const isPolite = other instanceof Polite;
        expect(connection.said().endsWith('goodbye')).to.equal(isPolite);
        expect(connection.transport.disconnecting).to.equal(!isPolite);
        connection.lose();
      }
    });

    it('are not to be had once the answer has begun', () => {
      const later = new Later();
      const connection = new Connection(later).receive(ASK);
      later.requests[0]?.write('x');
      const before = connection.said();
      expect(() => later.requests[0]?.upgradeTo('other/1', new Other())).to.throw(
        RequestStateError,
        'has begun',
      );
      expect(before).to.match(/^HTTP\/1\.1 200 /);
      expect(connection.said()).to.equal('');
    });

    it('are not to be had in the middle of a body', () => {
      const waiting: Request[] = [];
      const connection = new Connection(
        leaf(
          (request) => {
            waiting.push(request);
            return NOT_DONE_YET;
          },
          { streamsBody: true },
        ),
      ).receive(post('/', 'abc', 'Connection: upgrade', 'Upgrade: other/1').slice(0, -1));
      const other = new Other();
      const upgrade = (): unknown => waiting[0]?.upgradeTo('other/1', other);
      expect(upgrade).to.throw(RequestStateError, 'body');
      expect(connection.said()).to.equal('');
      connection.receive('c');
      upgrade();
      connection.receive('more');
      expect(other.got).to.deep.equal(['more']);
    });

    it('are not to be had from a client that did not ask', () => {
      let error: unknown;
      const refuses = leaf((request) => {
        try {
          request.upgradeTo('other/1', new Other());
        } catch (thrown) {
          error = thrown;
        }
        return 'no';
      });
      for (const text of [get('/'), get('/', 'Upgrade: other/1'), ASK.replace('1.1', '1.0')]) {
        error = undefined;
        const connection = new Connection(refuses).receive(text);
        expect(error).to.have.property('code', 'ERR_REQUEST_STATE');
        expect(answersIn(connection.said())[0]?.body).to.equal('no');
      }
    });
  });

  it('leaves no call in the clock once its connection is lost', () => {
    const connection = new Connection(new Echo()).receive(get('/'));
    expect(connection.clock.getDelayedCalls()).to.have.length(1);
    connection.lose();
    expect(connection.clock.getDelayedCalls()).to.deep.equal([]);
    expect(connection.site.connections).to.equal(0);
  });

  it('answers when a Deferred fires', () => {
    const deferred = new Deferred<string>();
    const connection = new Connection(leaf(() => deferred)).receive(get('/'));
    expect(connection.said()).to.equal('');
    deferred.callback('late');
    expect(answersIn(connection.said()).map(({ body }) => body)).to.deep.equal(['late']);
  });
});
