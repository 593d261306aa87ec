import { expect } from 'chai';
import { Observable, Subject } from 'rxjs';
import { Failure, setUnhandledFailureHandler } from '../../../../src/deferred/index.ts';
import {
  type EventSourceFactory,
  formatEvent,
  type ServerSentEvent,
  ServerSentEvents,
  type ServerSentEventsOptions,
  Site,
} from '../../../../src/protocols/http/index.ts';
import {
  Clock,
  ConnectionLost,
  IPv4Address,
  type PushProducer,
  StringTransport,
} from '../../../../src/reactor/index.ts';

/** Lets all that is ready happen. */
function settle(): Promise<void> {
  return new Promise((done) => setImmediate(done));
}

/** A client of a resource of events, in memory. */
class Client {
  readonly clock = new Clock();
  readonly transport = new StringTransport();
  readonly #protocol;

  constructor(source: EventSourceFactory, options?: ServerSentEventsOptions) {
    const site = new Site(new ServerSentEvents(source, options), { reactor: this.clock });
    const protocol = site.buildProtocol(new IPv4Address('TCP', '127.0.0.1', 1));
    if (protocol === null) throw new Error('There is no channel');
    this.#protocol = protocol;
    protocol.makeConnection(this.transport);
  }

  async ask(fields = '', method = 'GET'): Promise<void> {
    this.#protocol.dataReceived(Buffer.from(`${method} / HTTP/1.1\r\nHost: x\r\n${fields}\r\n`));
    await settle();
  }

  lose(): void {
    // As transports do: first whoever writes hears of it.
    this.transport.producer?.stopProducing();
    this.#protocol.connectionLost(new Failure(new ConnectionLost()));
  }

  /** The body so far, out of its chunks. */
  get body(): string {
    const all = this.transport.value().toString();
    const at = all.indexOf('\r\n\r\n');
    return all
      .slice(at + 4)
      .replace(/[0-9a-f]+\r\n([\s\S]*?)\r\n(?=[0-9a-f]+\r\n|$)/g, '$1')
      .replace(/\r\n$/, '');
  }

  get head(): string {
    return this.transport.value().toString().split('\r\n\r\n', 1)[0] ?? '';
  }
}

describe('formatEvent()', () => {
  const table: [ServerSentEvent | string, string][] = [
    ['text', 'data: text\n\n'],
    ['', 'data: \n\n'],
    ['a\nb\r\nc\rd', 'data: a\ndata: b\ndata: c\ndata: d\n\n'],
    [{ data: 'x', event: 'e', id: '7', retry: 1.5 }, 'event: e\nid: 7\nretry: 1500\ndata: x\n\n'],
    [{ comment: 'a\nb' }, ': a\n: b\n\n'],
    [{ id: '' }, 'id: \n\n'],
  ];
  for (const [message, text] of table) {
    it(`writes ${JSON.stringify(message)}`, () => {
      expect(formatEvent(message)).to.equal(text);
    });
  }

  it('refuses names and ids of several lines', () => {
    for (const bad of [{ event: 'a\nb' }, { id: 'a\rb' }, { id: 'a\0' }]) {
      expect(() => formatEvent(bad), JSON.stringify(bad)).to.throw(TypeError);
    }
  });
});

describe('ServerSentEvents', () => {
  it('sends what an Observable gives, from the head on, and ends with it', async () => {
    const subject = new Subject<ServerSentEvent | string>();
    const client = new Client(() => subject);
    await client.ask();
    expect(client.head).to.match(/^HTTP\/1\.1 200 OK\r\n/);
    expect(client.head).to.include('Content-Type: text/event-stream; charset=utf-8');
    expect(client.head).to.include('Cache-Control: no-cache, no-transform');
    expect(client.body).to.equal(':\n\n');
    subject.next('one');
    subject.next({ id: '2', data: 'two' });
    await settle();
    expect(client.body).to.equal(':\n\ndata: one\n\nid: 2\ndata: two\n\n');
    subject.complete();
    await settle();
    expect(client.transport.value().toString().endsWith('0\r\n\r\n')).to.equal(true);
    expect(subject.observed).to.equal(false);
  });

  it('sends what an async iterable gives', async () => {
    const client = new Client(async function* () {
      yield 'one';
      await settle();
      yield { event: 'end' };
    });
    await client.ask();
    await settle();
    await settle();
    expect(client.body).to.include('data: one\n\nevent: end\n\n');
    expect(client.transport.value().toString().endsWith('0\r\n\r\n')).to.equal(true);
  });

  it('tells the source what the client saw last', async () => {
    const seen: (string | null)[] = [];
    for (const fields of ['Last-Event-ID: 17\r\n', '']) {
      const client = new Client((_request, last) => {
        seen.push(last);
        return new Subject();
      });
      await client.ask(fields);
      client.lose();
    }
    expect(seen).to.deep.equal(['17', null]);
  });

  it('may get its source later', async () => {
    const subject = new Subject<string>();
    const client = new Client(async () => subject);
    await client.ask();
    subject.next('x');
    await settle();
    expect(client.body).to.include('data: x');
  });

  it('sends a comment when nothing else was sent for a while', async () => {
    const subject = new Subject<string>();
    const client = new Client(() => subject, { heartbeat: 10 });
    await client.ask();
    client.clock.advance(9);
    subject.next('x');
    client.clock.advance(9);
    expect(client.body).to.equal(':\n\ndata: x\n\n');
    client.clock.advance(1);
    expect(client.body).to.equal(':\n\ndata: x\n\n:\n\n');
    client.clock.advance(10);
    expect(client.body).to.equal(':\n\ndata: x\n\n:\n\n:\n\n');
  });

  it('sends no comments if it is not to', async () => {
    const client = new Client(() => new Subject(), { heartbeat: null });
    await client.ask();
    client.clock.advance(50);
    expect(client.body).to.equal(':\n\n');
  });

  it('says first when to come back', async () => {
    const client = new Client(() => new Subject(), { retry: 3 });
    await client.ask();
    expect(client.body).to.equal('retry: 3000\n\n');
  });

  it('cancels an Observable when the client goes, and leaves no timer', async () => {
    const subject = new Subject<string>();
    const client = new Client(() => subject);
    await client.ask();
    expect(subject.observed).to.equal(true);
    client.lose();
    expect(subject.observed).to.equal(false);
    expect(client.clock.getDelayedCalls()).to.deep.equal([]);
  });

  it("calls an iterator's return when the client goes", async () => {
    let ended = false;
    let next: (value: IteratorResult<string>) => void = () => {};
    const source: AsyncIterable<string> = {
      [Symbol.asyncIterator]: () => ({
        next: () =>
          new Promise((done) => {
            next = done;
          }),
        return: async () => {
          ended = true;
          return { done: true, value: undefined };
        },
      }),
    };
    const client = new Client(() => source);
    await client.ask();
    client.lose();
    expect(ended).to.equal(true);
    const before = client.body;
    next({ done: false, value: 'late' });
    await settle();
    expect(client.body).to.equal(before);
  });

  it('unsubscribes when the client is gone within subscribe', async () => {
    let unsubscribed = 0;
    const client: Client = new Client(
      () =>
        new Observable<string>(() => {
          client.lose();
          return () => {
            unsubscribed += 1;
          };
        }),
    );
    await client.ask();
    expect(unsubscribed).to.equal(1);
  });

  it('has an iterable wait for a client that does not read', async () => {
    let asked = 0;
    const client = new Client(async function* () {
      for (;;) {
        asked += 1;
        yield `n${asked}`;
        if (asked > 50) return;
        await settle();
      }
    });
    await client.ask();
    (client.transport.producer as { pauseProducing(): void } | null)?.pauseProducing();
    await settle();
    await settle();
    const waitsAt = asked;
    for (let turn = 0; turn < 10; turn += 1) await settle();
    expect(asked).to.equal(waitsAt);
    client.transport.producer?.resumeProducing();
    await settle();
    await settle();
    expect(asked).to.be.above(waitsAt);
    client.lose();
  });

  it('keeps what an Observable gives meanwhile, in order', async () => {
    const subject = new Subject<string>();
    const client = new Client(() => subject, { heartbeat: 5 });
    await client.ask();
    const producer = client.transport.producer as {
      pauseProducing(): void;
      resumeProducing(): void;
    };
    producer.pauseProducing();
    subject.next('one');
    subject.next('two');
    client.clock.advance(5);
    expect(client.body).to.equal(':\n\n');
    subject.complete();
    producer.resumeProducing();
    await settle();
    expect(client.body).to.include('data: one\n\ndata: two\n\n');
    expect(client.transport.value().toString().endsWith('0\r\n\r\n')).to.equal(true);
  });

  it('breaks off when too much waits', async () => {
    const subject = new Subject<string>();
    const client = new Client(() => subject, { maxBuffered: 100 });
    await client.ask();
    (client.transport.producer as { pauseProducing(): void }).pauseProducing();
    subject.next('x'.repeat(60));
    expect(client.transport.disconnecting).to.equal(false);
    subject.next('x'.repeat(60));
    expect(client.transport.disconnecting || !client.transport.connected).to.equal(true);
    expect(subject.observed).to.equal(false);
  });

  it('counts bytes, not characters', async () => {
    const subject = new Subject<string>();
    const client = new Client(() => subject, { maxBuffered: 100 });
    await client.ask();
    (client.transport.producer as { pauseProducing(): void }).pauseProducing();
    subject.next('\u20ac'.repeat(30));
    expect(client.transport.disconnecting).to.equal(false);
    subject.next('\u20ac'.repeat(30));
    expect(client.transport.disconnecting).to.equal(true);
  });

  it('counts what waits now, and not what has gone', async () => {
    const subject = new Subject<string>();
    const client = new Client(() => subject, { maxBuffered: 100 });
    await client.ask();
    const producer = client.transport.producer as PushProducer;
    for (let round = 0; round < 5; round += 1) {
      producer.pauseProducing();
      subject.next('x'.repeat(60));
      producer.resumeProducing();
    }
    expect(client.transport.disconnecting).to.equal(false);
    expect(client.body.split('x'.repeat(60))).to.have.length(6);
  });

  it('goes on soon after very many small events', async () => {
    const subject = new Subject<string>();
    const client = new Client(() => subject, { maxBuffered: 4e6 });
    await client.ask();
    const producer = client.transport.producer as PushProducer;
    producer.pauseProducing();
    for (let event = 0; event < 300_000; event += 1) subject.next('');
    producer.resumeProducing();
    expect(client.body.split('data: \n\n')).to.have.length(300_001);
  });

  it('refuses options that make no sense', () => {
    const source = (): Subject<string> => new Subject();
    for (const options of [
      { heartbeat: 0 },
      { heartbeat: -1 },
      { heartbeat: Number.NaN },
      { heartbeat: Number.POSITIVE_INFINITY },
      { retry: -1 },
      { retry: Number.NaN },
      { maxBuffered: -1 },
      { maxBuffered: Number.NaN },
    ]) {
      expect(() => new ServerSentEvents(source, options), JSON.stringify(options)).to.throw(
        RangeError,
        Object.keys(options)[0],
      );
    }
    new ServerSentEvents(source, { heartbeat: null, retry: 0, maxBuffered: Infinity });
  });

  it('breaks off and reports it when the source fails', async () => {
    const reported: unknown[] = [];
    const before = setUnhandledFailureHandler((failure) => reported.push(failure.value));
    try {
      const error = new Error('no more');
      const subject = new Subject<string>();
      const client = new Client(() => subject);
      await client.ask();
      subject.error(error);
      expect(client.transport.disconnecting || !client.transport.connected).to.equal(true);
      expect(reported).to.deep.equal([error]);
      const other = new Client(async function* () {
        yield 'one';
        throw error;
      });
      await other.ask();
      await settle();
      expect(reported).to.deep.equal([error, error]);
      const broken = new Subject<ServerSentEvent>();
      const third = new Client(() => broken);
      await third.ask();
      broken.next({ id: 'a\nb' });
      expect(reported).to.have.length(3);
      expect(broken.observed).to.equal(false);
    } finally {
      setUnhandledFailureHandler(before);
    }
  });

  it('answers HEAD without a source', async () => {
    let made = 0;
    const client = new Client(() => {
      made += 1;
      return new Subject();
    });
    await client.ask('', 'HEAD');
    expect(client.head).to.include('text/event-stream');
    expect([client.body, made]).to.deep.equal(['', 0]);
  });
});
