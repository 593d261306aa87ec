/** Requests keep their turns, and connections their owners, whoever calls what from within what. */
import { expect } from 'chai';
import { setUnhandledFailureHandler } from '../../../src/deferred/index.ts';
import {
  HTTPFactory,
  type IResource,
  NOT_DONE_YET,
  type Request,
  RequestBody,
  Resource,
  Site,
} from '../../../src/protocols/http/index.ts';
import { Protocol } from '../../../src/protocols/index.ts';
import { type PushProducer, StringTransportWithDisconnection } from '../../../src/reactor/index.ts';
import { Clock } from '../support.ts';
import { answersIn, Connection, get, leaf, post } from './serving-memory.ts';
import { turns } from './turns.ts';

const HEAD = 'POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n';

/** Below 'early' a resource that reads one piece of a body, and wants no more; below 'later' one that waits. Both answer when they are told to. */
class Waiting extends Resource {
  readonly requests: Request[] = [];

  constructor() {
    super();
    const keep = (request: Request): typeof NOT_DONE_YET => {
      this.requests.push(request);
      return NOT_DONE_YET;
    };
    this.putChild('later', leaf(keep));
    const early = leaf(
      (request) => {
        const { content } = request as unknown as Request<RequestBody>;
        void (async () => {
          for await (const _ of content) break;
        })();
        return keep(request);
      },
      { streamsBody: true },
    );
    this.putChild('early', early);
  }

  /** What was asked for so far. */
  get asked(): string[] {
    return this.requests.map(({ uri }) => uri);
  }

  answer(index: number, body: string): void {
    this.requests[index]?.write(body);
    this.requests[index]?.finish();
  }
}

function bodiesOf(connection: Connection): string[] {
  return answersIn(connection.said()).map(({ body }) => body);
}

function producerOf({ transport }: Connection): PushProducer {
  return transport.producer as PushProducer; // a channel registers one that can be paused
}

/** The connection's transport says that it is enough whenever something is written. */
function readsSlowly(connection: Connection): void {
  const { transport } = connection;
  const write = transport.write.bind(transport);
  transport.write = (data) => {
    write(data);
    (transport.producer as PushProducer | null)?.pauseProducing();
  };
}

/** The messages of what is reported while `f` runs. */
function reportsOf(f: () => void): string[] {
  const reports: string[] = [];
  const before = setUnhandledFailureHandler(({ value }) => reports.push((value as Error).message)); // tests throw errors
  try {
    f();
  } finally {
    setUnhandledFailureHandler(before);
  }
  return reports;
}

describe('HTTPChannel and whose turn it is', () => {
  it('has the next request but one wait when the rest of a body that nobody wanted is dropped', async () => {
    const waiting = new Waiting();
    const connection = new Connection(waiting).receive(`${HEAD}\r\nhello`);
    await turns(5);
    connection.receive(`world${get('/later?2')}${get('/later?3')}`);
    waiting.answer(0, 'enough');
    expect(waiting.asked).to.deep.equal(['/early', '/later?2']);
    waiting.answer(1, 'two');
    waiting.answer(2, 'three');
    expect(bodiesOf(connection)).to.deep.equal(['enough', 'two', 'three']);
  });

  it('looks at nothing behind the last request, whose body nobody wanted', async () => {
    const waiting = new Waiting();
    const connection = new Connection(waiting).receive(`${HEAD}Connection: close\r\n\r\nhello`);
    await turns(5);
    connection.receive(`world${get('/later?2')}`);
    waiting.answer(0, 'enough');
    expect(waiting.asked).to.deep.equal(['/early']);
    expect(bodiesOf(connection)).to.deep.equal(['enough']);
    expect(connection.ending).to.equal(true);
  });

  it('does not read a body for who cannot take it because another one, dropped before, is read late', async () => {
    const bodies: AsyncIterator<Buffer>[] = [];
    const requests: Request[] = [];
    const connection = new Connection(
      leaf(
        (request) => {
          requests.push(request);
          const { content } = request as unknown as Request<RequestBody>;
          bodies.push(content[Symbol.asyncIterator]());
          return NOT_DONE_YET;
        },
        { streamsBody: true },
      ),
      { maxDiscardedLength: 1e9 },
    );
    // So much that the client has to wait.
    connection.receive(post('/1', 'x'.repeat(70_000), 'X: 1').slice(0, -10));
    requests[0]?.finish();
    connection.receive('x'.repeat(10));
    connection.receive(post('/2', 'y'.repeat(200_000)).slice(0, 100_000));
    connection.receive('y'.repeat(20_000));
    expect(connection.transport.producerState).to.equal('paused');
    await bodies[0]?.next();
    connection.clock.advance(0);
    expect(connection.transport.producerState).to.equal('paused');
  });

  it('answers what came before the client closed its sending side, slowly as it reads, with allowHalfClose', () => {
    const connection = new Connection(
      leaf((request) => request.uri.padEnd(70_000)),
      { allowHalfClose: true },
    );
    readsSlowly(connection);
    connection.receive(get('/1') + get('/2') + get('/3'));
    connection.channel.readConnectionLost();
    for (let round = 0; round < 10 && !connection.ending; round += 1) {
      producerOf(connection).resumeProducing();
    }
    expect(bodiesOf(connection).map((body) => body.trimEnd())).to.deep.equal(['/1', '/2', '/3']);
    expect(connection.transport.disconnecting).to.equal(true);
  });

  it('is done with a client that has closed its sending side and does not read, without allowHalfClose', () => {
    const connection = new Connection(leaf((request) => request.uri.padEnd(70_000)));
    readsSlowly(connection);
    connection.receive(get('/1') + get('/2'));
    connection.channel.readConnectionLost();
    producerOf(connection).resumeProducing();
    expect(bodiesOf(connection).map((body) => body.trimEnd())).to.deep.equal(['/1']);
    expect(connection.transport.disconnecting).to.equal(true);
  });
});

describe('Request.upgradeTo() to a client that does not read', () => {
  class Other extends Protocol {
    readonly log: string[] = [];
    override connectionMade(): void {
      this.log.push('made');
    }
    override dataReceived(data: Buffer): void {
      this.log.push(data.toString());
    }
    override connectionLost(): void {
      this.log.push('lost');
    }
  }
  const ASK = get('/', 'Connection: upgrade', 'Upgrade: other/1');

  function upgraded(): { other: Other; connection: Connection } {
    const other = new Other();
    const connection = new Connection(
      leaf((request) => {
        request.upgradeTo('other/1', other);
        return NOT_DONE_YET;
      }),
    );
    readsSlowly(connection);
    connection.receive(`${ASK}1`);
    return { other, connection };
  }

  it('makes the connection before it gives what comes', () => {
    const { other, connection } = upgraded();
    connection.receive('2');
    expect(other.log).to.deep.equal([]);
    expect(connection.transport.producerState).to.equal('paused');
    producerOf(connection).resumeProducing();
    expect(other.log).to.deep.equal(['made', '1', '2']);
    expect(connection.transport.producerState).to.equal('producing');
    connection.receive('3');
    connection.lose();
    expect(other.log.slice(3)).to.deep.equal(['3', 'lost']);
  });

  it('makes the connection before it says that it is lost', () => {
    const { other, connection } = upgraded();
    connection.lose();
    expect(other.log).to.deep.equal(['made', 'lost']);
  });

  it('lets the client have writeTimeout seconds', () => {
    const { connection } = upgraded();
    connection.clock.advance(59.9);
    expect(connection.transport.disconnected).to.equal(false);
    connection.clock.advance(0.4);
    expect(connection.transport.disconnected).to.equal(true);
  });

  it('counts the time from when the client stopped to read', () => {
    const waiting = new Waiting();
    const connection = new Connection(waiting).receive(ASK.replace('GET /', 'GET /later'));
    producerOf(connection).pauseProducing();
    waiting.requests[0]?.upgradeTo('other/1', new Other());
    connection.clock.advance(60.3);
    expect(connection.transport.disconnected).to.equal(true);
  });

  it('leaves the other protocol what the request can still do: to close', () => {
    for (const [deed, how] of [
      ['loseConnection', 'disconnecting'],
      ['abortConnection', 'disconnected'],
    ] as const) {
      const other = new Other();
      const waiting = new Waiting();
      const connection = new Connection(waiting).receive(ASK.replace('GET /', 'GET /later'));
      waiting.requests[0]?.upgradeTo('other/1', other);
      waiting.requests[0]?.channel[deed]();
      expect(connection.transport[how], deed).to.equal(true);
      connection.receive('1');
      connection.lose();
      expect(other.log, deed).to.deep.equal(['made', '1', 'lost']);
    }
  });
});

describe('HTTPChannel and a resource that is found later', () => {
  it('does not ask it when the client has gone', async () => {
    for (const streamsBody of [false, true]) {
      let renders = 0;
      const found = leaf(
        () => {
          renders += 1;
          return 'x';
        },
        { streamsBody },
      );
      let find = (_: IResource): void => {};
      const finding = new Promise<IResource>((resolve) => {
        find = resolve;
      });
      const root = Object.assign(new Resource(), { getChild: () => finding });
      const connection = new Connection(root).receive(post('/x', 'abc'));
      connection.lose();
      find(found);
      await turns(10);
      expect(renders, String(streamsBody)).to.equal(0);
      expect(connection.said()).to.equal('');
    }
  });
});

describe('Request.registerProducer() and what is asked for', () => {
  it('asks a producer for more when all of a large piece has gone, and not before', () => {
    const waiting = new Waiting();
    const connection = new Connection(waiting).receive(get('/later'));
    const [request] = waiting.requests;
    let asked = 0;
    const producer = {
      resumeProducing(): void {
        asked += 1;
        request?.write(Buffer.alloc(300_000, 'x'));
      },
      stopProducing() {},
    };
    request?.registerProducer(producer, false);
    const asks: number[] = [];
    for (let turn = 0; turn < 6; turn += 1) {
      connection.transport.producer?.resumeProducing();
      asks.push(asked);
    }
    expect(asks).to.deep.equal([1, 1, 1, 1, 2, 2]);
  });
});

describe('HTTPChannel and a body that nobody wanted', () => {
  it('does not answer a second time when the client ends in its midst', async () => {
    const waiting = new Waiting();
    const lines: string[] = [];
    const logFile = { write: (line: string) => lines.push(line) };
    const connection = new Connection(waiting, { logFile, allowHalfClose: true });
    connection.receive(`${HEAD}\r\nhello`);
    await turns(5);
    waiting.answer(0, 'enough');
    connection.channel.readConnectionLost();
    expect(bodiesOf(connection)).to.deep.equal(['enough']);
    expect(connection.transport.disconnecting).to.equal(true);
    expect(lines).to.have.length(1);
  });
});

describe('HTTPFactory and an access log that throws', () => {
  const accessLog = (): never => {
    throw new Error('no place to log to');
  };

  it('answers as ever, and says what went wrong', () => {
    const waiting = new Waiting();
    const connection = new Connection(waiting, { accessLog }).receive(get('/later?1'));
    connection.receive(get('/later?2'));
    const reports = reportsOf(() => {
      waiting.answer(0, 'one');
      waiting.answer(1, 'two');
    });
    expect(bodiesOf(connection)).to.deep.equal(['one', 'two']);
    expect(reports).to.deep.equal(new Array(2).fill('no place to log to'));
  });

  it('lets go of who takes too long, and of the others too', () => {
    const clock = new Clock();
    const site = new Site(new Waiting(), { reactor: clock, accessLog, headTimeout: 30 });
    const connections = [1, 2, 3].map(() => new Connection(site, {}, clock).receive('GET /'));
    expect(reportsOf(() => clock.advance(30.3))).to.have.length(3);
    expect(connections.map(({ ending }) => ending)).to.deep.equal([true, true, true]);
  });
});

describe('HTTPFactory and a receiver that throws when it is told of a failure', () => {
  it('lets go of its client', () => {
    const connection = new Connection(
      leaf(
        (request) => {
          (request as unknown as Request<RequestBody>).content.deliverTo({
            write() {},
            end() {},
            fail() {
              throw new Error('cannot fail');
            },
          });
          return NOT_DONE_YET;
        },
        { streamsBody: true },
      ),
      { requestTimeout: 10 },
    ).receive(post('/', 'abc').slice(0, -1));
    expect(reportsOf(() => connection.clock.advance(10.3))).to.deep.equal(['cannot fail']);
    expect(connection.transport.disconnected).to.equal(true);
  });
});

describe('HTTPFactory and a producer that throws when it is stopped', () => {
  it('lets go of its client, and of the others too', () => {
    const clock = new Clock();
    const site = new Site(
      leaf((request) => {
        const producer = {
          pauseProducing() {},
          resumeProducing() {},
          stopProducing() {
            throw new Error('cannot stop');
          },
        };
        request.registerProducer(producer, true);
        request.write('x');
        return NOT_DONE_YET;
      }),
      { reactor: clock },
    );
    const connections = [1, 2, 3].map(() => new Connection(site, {}, clock).receive(get('/')));
    for (const connection of connections) producerOf(connection).pauseProducing();
    const reports = reportsOf(() => clock.advance(60.3));
    expect(connections.map(({ transport }) => transport.disconnected)).to.deep.equal([
      true,
      true,
      true,
    ]);
    expect(reports).to.deep.equal(new Array(3).fill('cannot stop'));
  });
});

describe('HTTPFactory.drain() and its like', () => {
  function site(resource: IResource, clock: Clock): Site {
    const made = new Site(resource, { reactor: clock });
    made.noisy = false;
    return made;
  }

  it('breaks off only what stood when it was called, if the factory is started again', () => {
    const clock = new Clock();
    const waiting = new Waiting();
    const all = site(waiting, clock);
    all.doStart();
    const before = new Connection(all, {}, clock).receive(get('/later?1'));
    all.doStop();
    all.doStart();
    const after = new Connection(all, {}, clock).receive(get('/later?2'));
    clock.advance(10.3);
    expect(before.transport.disconnected).to.equal(true);
    expect(after.transport.disconnected).to.equal(false);
    waiting.answer(1, 'two');
    expect(answersIn(after.said())[0]?.headers).to.not.have.property('connection');
  });

  it('fires when what stood is gone, though the factory was started again', () => {
    const clock = new Clock();
    const all = site(new Waiting(), clock);
    all.doStart();
    const before = new Connection(all, {}, clock).receive(get('/later?1'));
    let drained = 0;
    all.drain().addCallback(() => {
      drained += 1;
    });
    all.doStart();
    all.startFactory();
    new Connection(all, {}, clock).receive(get('/later?2'));
    expect(drained).to.equal(0);
    before.lose();
    expect(drained).to.equal(1);
  });

  it('closes a connection that is found idle only later', () => {
    const clock = new Clock();
    const waiting = new Waiting();
    const all = site(waiting, clock);
    const connection = new Connection(all, {}, clock).receive(get('/later'));
    readsSlowly(connection);
    waiting.answer(0, 'one');
    all.drain();
    expect(connection.ending).to.equal(false);
    producerOf(connection).resumeProducing();
    expect(connection.transport.disconnecting).to.equal(true);
  });

  it('refuses a time that is none', () => {
    const all = site(new Waiting(), new Clock());
    for (const seconds of [-1, Number.NaN]) {
      expect(() => all.drain(seconds), String(seconds)).to.throw(RangeError, /drain/);
    }
    expect(all.draining).to.equal(false);
  });

  it('makes no connection that it refused', () => {
    const all = new HTTPFactory({ reactor: new Clock() });
    all.drain();
    expect(all.buildProtocol(new StringTransportWithDisconnection().getPeer())).to.equal(null);
  });
});

describe('Request.write() to a client that does not read', () => {
  it('takes very many pieces behind a large one, and sends them soon', () => {
    const waiting = new Waiting();
    const connection = new Connection(waiting).receive(get('/later', 'Connection: close'));
    readsSlowly(connection);
    const [request] = waiting.requests;
    request?.setHeader('Content-Length', 400_000);
    request?.write(Buffer.alloc(200_000, 'a'));
    for (let piece = 0; piece < 120_000; piece += 1) request?.write('b');
    request?.write(Buffer.alloc(80_000, 'c'));
    request?.finish();
    for (let round = 0; round < 10; round += 1) connection.transport.producer?.resumeProducing();
    const [answer] = answersIn(connection.said());
    expect(answer?.body).to.equal('a'.repeat(200_000) + 'b'.repeat(120_000) + 'c'.repeat(80_000));
  });
});

describe('RequestBody.deliverTo()', () => {
  it('says once that it ended, to a receiver that pauses and resumes while it is given something', () => {
    const log: string[] = [];
    const body = RequestBody.of(Buffer.from('abc'));
    body.deliverTo({
      write(chunk) {
        log.push(String(chunk));
        body.pause();
        body.resume();
      },
      end: () => log.push('end'),
      fail: () => log.push('fail'),
    });
    expect(log).to.deep.equal(['abc', 'end']);
  });

  it('has a client wait that sends very small pieces, many of them', () => {
    const connection = new Connection(
      leaf(() => NOT_DONE_YET, { streamsBody: true }),
      { maxReadAhead: 0 },
    );
    connection.receive('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    let sent = 0;
    while (connection.transport.producerState === 'producing' && sent < 65_000) {
      connection.receive('1\r\nx\r\n'.repeat(100));
      sent += 100;
    }
    expect(sent).to.be.below(2000);
  });
});
