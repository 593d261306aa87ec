/** What a server does with clients that take their time, or too much of something. */
import { expect } from 'chai';
import {
  NOT_DONE_YET,
  type Request,
  type RequestBody,
  Site,
} from '../../../src/protocols/http/index.ts';
import { IPv4Address, IPv6Address, StringTransport } from '../../../src/reactor/index.ts';
import { Clock } from '../support.ts';
import { answersIn, Connection, get, leaf, post } from './serving-memory.ts';

const hello = leaf(() => 'hello');

describe('HTTPChannel and time', () => {
  it('closes a connection on which nothing comes for `timeout` seconds', () => {
    const connection = new Connection(hello, { timeout: 60 });
    connection.clock.advance(59.9);
    expect(connection.transport.disconnecting).to.equal(false);
    connection.clock.advance(0.1);
    expect(connection.transport.disconnecting).to.equal(true);
    expect(connection.said()).to.equal('');
  });

  it('counts the idle time from the last answer', () => {
    const connection = new Connection(hello, { timeout: 60 });
    for (let round = 0; round < 3; round += 1) {
      connection.clock.advance(50);
      connection.receive(get('/'));
    }
    connection.clock.advance(59.7);
    expect(connection.transport.disconnecting).to.equal(false);
    connection.clock.advance(0.6);
    expect(connection.transport.disconnecting).to.equal(true);
  });

  it('never closes an idle connection with timeout null', () => {
    const connection = new Connection(hello, { timeout: null });
    connection.clock.advance(1e7);
    expect(connection.transport.disconnecting).to.equal(false);
  });

  it('breaks a connection off that is not closed `abortTimeout` seconds later', () => {
    const connection = new Connection(hello, { timeout: 60, abortTimeout: 15 });
    connection.clock.advance(60);
    connection.clock.advance(14.9);
    expect(connection.transport.disconnected).to.equal(false);
    connection.clock.advance(0.4);
    expect(connection.transport.disconnected).to.equal(true);
  });

  it('lets a head take headTimeout seconds and no more, however busily it comes', () => {
    const connection = new Connection(hello, { headTimeout: 30 }).receive('GET / HTTP/1.1\r\nX: ');
    for (let second = 0; second < 29; second += 1) {
      connection.clock.advance(1);
      connection.receive('x');
    }
    expect(connection.said()).to.equal('');
    connection.clock.advance(1.3);
    expect(answersIn(connection.said())[0]).to.deep.include({ code: 408 });
    expect(connection.transport.writeDisconnecting).to.equal(true);
  });

  it('lets a request take requestTimeout seconds and no more, however busily its body comes', () => {
    const connection = new Connection(hello, { requestTimeout: 100 });
    connection.receive('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n');
    for (let second = 0; second < 99; second += 1) {
      connection.clock.advance(1);
      connection.receive('x'.repeat(1000));
    }
    expect(connection.said()).to.equal('');
    connection.clock.advance(1.3);
    const [answer] = answersIn(connection.said());
    expect(answer?.code).to.equal(408);
    expect(answer?.headers['connection']).to.equal('close');
    expect(connection.transport.writeDisconnecting).to.equal(true);
  });

  it('counts requestTimeout from the first byte of the head', () => {
    const connection = new Connection(hello, { requestTimeout: 100, minBodyRate: 0 });
    connection.receive('POST / HTTP/1.1\r\nHost: a\r\n');
    connection.clock.advance(20);
    connection.receive('Content-Length: 10\r\n\r\n');
    connection.clock.advance(79.9);
    expect(connection.said()).to.equal('');
    connection.clock.advance(0.4);
    expect(answersIn(connection.said())[0]?.code).to.equal(408);
  });

  it('counts requestTimeout anew for each request of a connection', () => {
    const connection = new Connection(hello, { requestTimeout: 10, minBodyRate: 0 });
    for (let round = 0; round < 3; round += 1) {
      connection.receive(post('/', 'abc').slice(0, -1));
      connection.clock.advance(8);
      connection.receive('c');
      expect(answersIn(connection.said())[0]?.code).to.equal(200);
    }
  });

  it('tells who reads a body, and renders nothing twice, when it takes too long', async () => {
    for (const begins of [false, true]) {
      let renders = 0;
      let error: unknown;
      const connection = new Connection(
        leaf(
          (request) => {
            renders += 1;
            if (begins) request.write('so far');
            (request as unknown as Request<RequestBody>).content.bytes(100).catch((thrown) => {
              error = thrown;
            });
            return NOT_DONE_YET;
          },
          { streamsBody: true },
        ),
        { requestTimeout: 10 },
      );
      connection.receive(post('/', 'x'.repeat(50)).slice(0, -10));
      connection.clock.advance(10.3);
      connection.receive(`${'x'.repeat(10)}${get('/')}`);
      await new Promise(setImmediate);
      expect(error).to.include({ status: 408 });
      expect(renders).to.equal(1);
      expect(connection.transport.disconnected).to.equal(begins);
    }
  });

  it('lets a last answer have writeTimeout seconds to leave, if that is longer than abortTimeout', () => {
    const options = { writeTimeout: 60, abortTimeout: 15 };
    const connection = new Connection(hello, options).receive(get('/', 'Connection: close'));
    expect(connection.transport.disconnecting).to.equal(true);
    connection.clock.advance(59.9);
    expect(connection.transport.disconnected).to.equal(false);
    connection.clock.advance(0.4);
    expect(connection.transport.disconnected).to.equal(true);
  });

  it('reads again when it closes, to hear when the client does', () => {
    const waiting: Request[] = [];
    const connection = new Connection(
      leaf((request) => {
        waiting.push(request);
        return NOT_DONE_YET;
      }),
      { maxReadAhead: 10 },
    ).receive(get('/', 'Connection: close') + get('/2'));
    expect(connection.transport.producerState).to.equal('paused');
    waiting[0]?.finish();
    expect(connection.transport.writeDisconnecting).to.equal(true);
    expect(connection.transport.producerState).to.equal('producing');
  });

  it('lets a client that is asked for each piece have writeTimeout seconds for it', () => {
    const pieces = ['one', 'two', 'three'];
    const connection = new Connection(
      leaf((request) => {
        const producer = {
          resumeProducing(): void {
            request.write(pieces.shift() ?? '');
          },
          stopProducing() {},
        };
        request.registerProducer(producer, false);
        return NOT_DONE_YET;
      }),
      { writeTimeout: 60 },
    ).receive(get('/'));
    const ask = (): unknown => connection.transport.producer?.resumeProducing();
    for (let round = 0; round < 2; round += 1) {
      ask();
      connection.clock.advance(50);
    }
    expect(connection.transport.disconnected).to.equal(false);
    connection.clock.advance(10.3);
    expect(connection.transport.disconnected).to.equal(true);
  });

  it('wants minBodyRate bytes a second on average, once bodyRateGrace seconds are over', () => {
    const begin = (): Connection =>
      new Connection(hello, { minBodyRate: 240, bodyRateGrace: 5 }).receive(
        'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n',
      );
    const slow = begin();
    slow.clock.advance(5.3);
    expect(answersIn(slow.said())[0]?.code).to.equal(408);
    const fast = begin();
    for (let second = 0; second < 60; second += 1) {
      fast.receive('x'.repeat(241));
      fast.clock.advance(1);
    }
    expect(fast.said()).to.equal('');
    fast.clock.advance(5.6);
    expect(answersIn(fast.said())[0]?.code).to.equal(408);
  });

  it('does not count the time in which nobody reads a streamed body', () => {
    let body: RequestBody | undefined;
    const stalls = leaf(
      (request) => {
        body = (request as unknown as Request<RequestBody>).content;
        return NOT_DONE_YET;
      },
      { streamsBody: true },
    );
    const connection = new Connection(stalls, { requestTimeout: 100 });
    connection.receive(
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n${'x'.repeat(70_000)}`,
    );
    connection.clock.advance(1000);
    expect(connection.said()).to.equal('');
    expect(connection.ending).to.equal(false);
    let error: Error | undefined;
    body?.deliverTo({
      write() {},
      end() {},
      fail(thrown) {
        error = thrown;
      },
    });
    connection.clock.advance(99);
    expect(error).to.equal(undefined);
    connection.clock.advance(2);
    expect(error).to.have.property('status', 408);
  });

  it('does not hurry whoever answers', () => {
    const connection = new Connection(leaf(() => NOT_DONE_YET)).receive(get('/'));
    connection.clock.advance(1e6);
    expect(connection.ending).to.equal(false);
  });

  it('breaks off a connection whose client does not read for writeTimeout seconds', () => {
    const connection = new Connection(hello, { writeTimeout: 60, timeout: null }).receive(get('/'));
    const producer = connection.transport.producer as {
      pauseProducing(): void;
      resumeProducing(): void;
    };
    producer.pauseProducing();
    connection.clock.advance(50);
    producer.resumeProducing();
    producer.pauseProducing();
    connection.clock.advance(59);
    expect(connection.transport.disconnected).to.equal(false);
    connection.clock.advance(1.3);
    expect(connection.transport.disconnected).to.equal(true);
  });

  it('gives a large body to the transport in pieces, so that its progress shows', () => {
    const body = Buffer.alloc(1_000_000, 'x');
    const connection = new Connection(leaf(() => body));
    const { transport } = connection;
    const write = transport.write.bind(transport);
    transport.write = (data) => {
      write(data);
      if (data.length > 65_536) (transport.producer as { pauseProducing(): void }).pauseProducing();
    };
    connection.receive(get('/', 'Connection: close'));
    expect(transport.value().length).to.be.below(200_000);
    let rounds = 0;
    while (transport.producer !== null && rounds < 100) {
      rounds += 1;
      expect(connection.transport.disconnecting).to.equal(false);
      transport.producer.resumeProducing();
    }
    expect(rounds).to.be.within(7, 9);
    expect(answersIn(connection.said())[0]?.body.length).to.equal(1_000_000);
    expect(connection.transport.disconnecting).to.equal(true);
  });

  it('keeps what is written behind a large piece in its place', () => {
    const waiting: Request[] = [];
    const connection = new Connection(
      leaf((request) => {
        waiting.push(request);
        return NOT_DONE_YET;
      }),
    ).receive(get('/'));
    const { transport } = connection;
    const write = transport.write.bind(transport);
    transport.write = (data) => {
      write(data);
      if (data.length > 65_536) (transport.producer as { pauseProducing(): void }).pauseProducing();
    };
    const [request] = waiting;
    request?.write(Buffer.alloc(200_000, 'a'));
    request?.write('b');
    transport.producer?.resumeProducing();
    request?.write('c');
    transport.producer?.resumeProducing();
    request?.write('d');
    request?.finish();
    expect(answersIn(connection.said())[0]?.body.replace(/^a+/, (all) => `${all.length}`)).to.equal(
      '200000bcd',
    );
  });

  it('drops what a client sends that is told to go, and closes after lingerTimeout seconds', () => {
    const connection = new Connection(hello, { lingerTimeout: 5 }).receive('NONSENSE\r\n\r\n');
    connection.said();
    connection.receive(get('/')).receive('x'.repeat(100_000));
    expect(connection.said()).to.equal('');
    expect(connection.transport.disconnecting).to.equal(false);
    connection.clock.advance(5.3);
    expect(connection.transport.disconnecting).to.equal(true);
  });

  it('ends to linger when the client has closed its side', () => {
    const connection = new Connection(hello).receive('NONSENSE\r\n\r\n');
    connection.channel.readConnectionLost();
    expect(connection.transport.disconnecting).to.equal(true);
  });

  it('has one timer for all connections', () => {
    const clock = new Clock();
    const site = new Site(hello, { reactor: clock });
    const all = Array.from({ length: 100 }, () => new Connection(site, {}, clock));
    for (const connection of all) connection.receive(get('/'));
    expect(clock.getDelayedCalls()).to.have.length(1);
    clock.advance(61);
    expect(all.every(({ transport }) => transport.disconnecting)).to.equal(true);
    for (const connection of all) connection.lose();
    expect(clock.getDelayedCalls()).to.have.length(0);
  });

  it('refuses limits that make no sense', () => {
    const make = (options: object) => () => new Site(hello, { reactor: new Clock(), ...options });
    expect(make({ timeout: -1 })).to.throw(RangeError, 'timeout');
    expect(make({ headTimeout: 'soon' })).to.throw(RangeError, 'headTimeout');
    expect(make({ maxHeadLength: Number.NaN })).to.throw(RangeError, 'maxHeadLength');
    expect(make({ lenient: { everything: true } })).to.throw(TypeError, 'everything');
    expect(make({ server: 'a\r\nb' })).to.throw(TypeError);
  });

  it('has the limits of its parser as options too', () => {
    const connection = new Connection(hello, { maxHeaders: 2 }).receive(get('/', 'A: 1', 'B: 2'));
    expect(answersIn(connection.said())[0]?.code).to.equal(431);
    const lenient = new Connection(hello, { lenient: { missingHost: true } });
    expect(answersIn(lenient.receive('GET / HTTP/1.1\r\n\r\n').said())[0]?.code).to.equal(200);
  });
});

describe('HTTPFactory and connections', () => {
  it('refuses connections beyond maxConnections', () => {
    const site = new Site(hello, { reactor: new Clock(), maxConnections: 2 });
    const first = new Connection(site);
    new Connection(site);
    const peer = new StringTransport().getPeer();
    expect(site.buildProtocol(peer)).to.equal(null);
    first.lose();
    expect(site.buildProtocol(peer)).to.not.equal(null);
  });

  it('refuses connections of one host beyond maxConnectionsPerPeer, an IPv6 network of 64 bits being one', () => {
    const site = new Site(hello, { reactor: new Clock(), maxConnectionsPerPeer: 1 });
    const open = (peer: IPv4Address | IPv6Address): boolean => {
      const transport = new StringTransport(null, peer);
      const channel = site.buildProtocol(peer);
      channel?.makeConnection(transport);
      return channel !== null;
    };
    expect(open(new IPv4Address('TCP', '10.0.0.1', 1))).to.equal(true);
    expect(open(new IPv4Address('TCP', '10.0.0.1', 2))).to.equal(false);
    expect(open(new IPv6Address('TCP', '::ffff:10.0.0.1', 2))).to.equal(false);
    expect(open(new IPv4Address('TCP', '10.0.0.2', 1))).to.equal(true);
    expect(open(new IPv6Address('TCP', '2001:db8:1:2::1', 1))).to.equal(true);
    expect(open(new IPv6Address('TCP', '2001:db8:1:2:ffff::9', 1))).to.equal(false);
    expect(open(new IPv6Address('TCP', '2001:db8:1:3::1', 1))).to.equal(true);
    expect(open(new IPv6Address('TCP', '2001:db8::1', 1))).to.equal(true);
    expect(open(new IPv6Address('TCP', '2001:db8:0:0:5::1', 1))).to.equal(false);
  });
});

describe('HTTPFactory.drain()', () => {
  it('closes idle connections at once, and the others with their answers, which say so', () => {
    const clock = new Clock();
    const requests: Request[] = [];
    const site = new Site(
      leaf((request) => {
        requests.push(request);
        return NOT_DONE_YET;
      }),
      { reactor: clock },
    );
    const idle = new Connection(site, {}, clock).receive(get('/'));
    requests.shift()?.finish();
    const busy = new Connection(site, {}, clock).receive(get('/'));
    const sending = new Connection(site, {}, clock).receive('GET / HTTP/1.1\r\n');
    let drained = false;
    site.drain().addCallback(() => {
      drained = true;
    });
    expect([idle, busy, sending].map(({ transport }) => transport.disconnecting)).to.deep.equal([
      true,
      false,
      false,
    ]);
    expect(site.buildProtocol(idle.transport.getPeer())).to.equal(null);
    requests[0]?.finish();
    expect(answersIn(busy.said())[0]?.headers['connection']).to.equal('close');
    expect(busy.transport.disconnecting).to.equal(true);
    sending.receive('Host: a\r\n\r\n');
    requests[1]?.finish();
    expect(answersIn(sending.said())[0]?.headers['connection']).to.equal('close');
    for (const connection of [idle, busy, sending]) connection.lose();
    expect(drained).to.equal(true);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('hears out who has just connected, for a moment', () => {
    const clock = new Clock();
    const site = new Site(hello, { reactor: clock });
    const asks = new Connection(site, {}, clock);
    const silent = new Connection(site, {}, clock);
    site.drain();
    expect(asks.transport.disconnecting).to.equal(false);
    asks.receive(get('/'));
    const [answer] = answersIn(asks.said());
    expect(answer?.headers['connection']).to.equal('close');
    expect(asks.transport.disconnecting).to.equal(true);
    expect(silent.transport.disconnecting).to.equal(false);
    clock.advance(1.25);
    expect(silent.transport.disconnecting).to.equal(true);
  });

  it('breaks off what is not done in time', () => {
    const clock = new Clock();
    const site = new Site(
      leaf(() => NOT_DONE_YET),
      { reactor: clock },
    );
    const busy = new Connection(site, {}, clock).receive(get('/'));
    site.drain(3);
    clock.advance(2.9);
    expect(busy.transport.disconnected).to.equal(false);
    clock.advance(0.1);
    expect(busy.transport.disconnected).to.equal(true);
  });

  it('is done at once without connections, and happens when the last port is closed', () => {
    const site = new Site(hello, { reactor: new Clock() });
    site.noisy = false;
    let drained = false;
    site.drain().addCallback(() => {
      drained = true;
    });
    expect(drained).to.equal(true);
    site.doStart();
    expect(site.draining).to.equal(false);
    const connection = new Connection(site).receive(get('/'));
    site.doStop();
    expect(connection.transport.disconnecting).to.equal(true);
  });

  it('tells a request with a body that is kept as well', () => {
    const clock = new Clock();
    const site = new Site(
      leaf((request) => request.content),
      { reactor: clock },
    );
    const connection = new Connection(site, {}, clock).receive(post('/', 'abc').slice(0, -1));
    site.drain();
    connection.receive('c');
    const [answer] = answersIn(connection.said());
    expect([answer?.body, answer?.headers['connection']]).to.deep.equal(['abc', 'close']);
  });
});

describe('HTTPFactory.measurements()', () => {
  it('counts answers by their kind, refusals included, and connections', () => {
    const site = new Site(hello, { reactor: new Clock() });
    site.noisy = false;
    const well = new Connection(site).receive(get('/'));
    well.receive(get('/'));
    new Connection(site).receive('GET / HTTP/1.1\r\n\r\n');
    const found = [...site.measurements()].map(({ name, labels, value }) => {
      return [labels?.['status'] ?? name, value];
    });
    expect(Object.fromEntries(found)).to.include({ '2xx': 2, '4xx': 1, '5xx': 0 });
    expect(Object.fromEntries(found)['strand_http_connections_open']).to.equal(2);
    well.lose();
    expect([...site.measurements()].at(-1)?.value).to.equal(1);
  });
});
