import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  concat,
  concatMap,
  filter,
  ignoreElements,
  lastValueFrom,
  map,
  mergeMap,
  NEVER,
  type Observable,
  of,
  Subject,
  type Subscription,
  share,
  switchMap,
  take,
  tap,
  throwError,
  toArray,
} from 'rxjs';
import { Deferred, Failure, setUnhandledFailureHandler } from '../../src/deferred/index.ts';
import { connectionDone } from '../../src/protocols/index.ts';
import {
  Connection,
  ConnectionInUseError,
  connection$,
  connections$,
  data$,
  LineTooLongError,
  lines$,
  mapInTurn,
  writer,
} from '../../src/protocols/rx.ts';
import {
  AccumulatingProtocol,
  CannotListenError,
  ConnectionLost,
  ConnectionRefusedError,
  connectProtocol,
  LibuvReactor,
  type ListeningPort,
  MemoryReactor,
  TCP4ClientEndpoint,
  TCP4ServerEndpoint,
} from '../../src/reactor/index.ts';
import { byteByByte, cutAt, StringTransport, someCuts } from './support.ts';

function record(observable: Observable<unknown>): { log: unknown[]; subscription: Subscription } {
  const log: unknown[] = [];
  const subscription = observable.subscribe({
    next: (value) => log.push(Buffer.isBuffer(value) ? value.toString() : value),
    error: (error: unknown) => log.push(error instanceof Error ? error.name : error),
    complete: () => log.push('done'),
  });
  return { log, subscription };
}

function connected(): [connection: Connection, transport: StringTransport] {
  const connection = new Connection(
    () => {},
    () => {},
  );
  const transport = new StringTransport();
  connection.makeConnection(transport);
  return [connection, transport];
}

/** What was put off to the end of the turn happens. */
const turn = (): Promise<void> => Promise.resolve();

describe('data$()', () => {
  it('reads while it is subscribed to, and completes when the peer ends, which closes', async () => {
    const [connection, transport] = connected();
    expect(transport.producerState).to.equal('paused');
    const { log } = record(data$(connection));
    await turn();
    expect(transport.producerState).to.equal('producing');
    connection.dataReceived(Buffer.from('one'));
    connection.dataReceived(Buffer.from('two'));
    connection.readConnectionLost();
    expect(log).to.deep.equal(['one', 'two', 'done']);
    expect(transport.disconnecting).to.equal(true);
  });

  it('stops reading when it is unsubscribed from; the next one goes on', async () => {
    const [connection, transport] = connected();
    const first = record(data$(connection));
    await turn();
    connection.dataReceived(Buffer.from('one'));
    first.subscription.unsubscribe();
    expect(transport.producerState).to.equal('paused');
    connection.dataReceived(Buffer.from('under way'));
    const second = record(data$(connection));
    await turn();
    connection.dataReceived(Buffer.from('two'));
    expect([first.log, second.log]).to.deep.equal([['one'], ['under way', 'two']]);
  });

  it('gives what was kept to whoever stays, not to one who left in the same turn', async () => {
    const [connection] = connected();
    connection.dataReceived(Buffer.from('kept'));
    const first = record(data$(connection));
    first.subscription.unsubscribe();
    const second = record(data$(connection));
    await turn();
    connection.dataReceived(Buffer.from('more'));
    expect([first.log, second.log]).to.deep.equal([[], ['kept', 'more']]);
  });

  it('has one subscriber at a time; share() serves several', async () => {
    const [connection] = connected();
    const shared = data$(connection).pipe(share());
    const all = [record(shared), record(shared), record(data$(connection))];
    await turn();
    connection.dataReceived(Buffer.from('x'));
    expect(all.map(({ log }) => log)).to.deep.equal([['x'], ['x'], [ConnectionInUseError.name]]);
  });

  it('ends with the reason of a connection that broke, also for who comes later', async () => {
    const [connection] = connected();
    const { log } = record(data$(connection));
    await turn();
    connection.connectionLost(new Failure(new ConnectionLost()));
    expect(log).to.deep.equal(['ConnectionLost']);
    const late = record(data$(connection));
    await turn();
    expect(late.log).to.deep.equal(['ConnectionLost']);
    const [done] = connected();
    done.dataReceived(Buffer.from('rest'));
    done.connectionLost(connectionDone);
    const after = record(data$(done));
    await turn();
    expect(after.log).to.deep.equal(['rest', 'done']);
  });
});

describe('lines$()', () => {
  const read = async (pieces: readonly Buffer[], options = {}): Promise<unknown[]> => {
    const [connection] = connected();
    const { log } = record(lines$(connection, options));
    await turn();
    for (const piece of pieces) connection.dataReceived(piece);
    connection.readConnectionLost();
    return log;
  };

  it('gives lines without their ends, however they are cut', async () => {
    const bytes = Buffer.from('one\ntwo\r\n\nthree \u00e4\r\nno end');
    const whole = await read([bytes]);
    expect(whole).to.deep.equal(['one', 'two', '', 'three \u00e4', 'done']);
    expect(await read(byteByByte(bytes))).to.deep.equal(whole);
    await fc.assert(
      fc.asyncProperty(someCuts, async (cuts) => {
        expect(await read(cutAt(bytes, cuts))).to.deep.equal(whole);
      }),
    );
  });

  it('takes another delimiter, another encoding, and the last line without an end', async () => {
    const bytes = [Buffer.from('a\r||b|\xe9||c', 'latin1')];
    const options = { delimiter: '||', encoding: 'latin1' as const, partial: true };
    expect(await read(bytes, options)).to.deep.equal(['a\r', 'b|\xe9', 'c', 'done']);
    expect(() => lines$(connected()[0], { delimiter: '' })).to.throw(RangeError);
  });

  it('ends, and aborts, when a line is too long, and not when it is just as long', async () => {
    for (const cut of [(bytes: Buffer) => [bytes], byteByByte]) {
      const [connection, transport] = connected();
      const { log } = record(lines$(connection, { maxLength: 4 }));
      await turn();
      for (const piece of cut(Buffer.from('1234\r\n12345\nmore\n'))) connection.dataReceived(piece);
      expect(log).to.deep.equal(['1234', LineTooLongError.name]);
      expect(transport.disconnected).to.equal(true);
    }
  });

  it('leaves what it did not give on to the next subscriber: lines first, then a body', async () => {
    for (const cut of [(bytes: Buffer) => [bytes], byteByByte]) {
      const [connection] = connected();
      const all = record(concat(lines$(connection).pipe(take(2)), data$(connection)));
      await turn();
      for (const piece of cut(Buffer.from('GET /\nHost: x\nbody\r\nmore'))) {
        connection.dataReceived(piece);
        await turn();
      }
      await turn();
      expect(all.log.slice(0, 2)).to.deep.equal(['GET /', 'Host: x']);
      expect(all.log.slice(2).join('')).to.equal('body\r\nmore');
    }
  });

  it('leaves half a line, too', async () => {
    const [connection] = connected();
    const first = record(lines$(connection, { delimiter: '\r\n' }));
    await turn();
    connection.dataReceived(Buffer.from('half\r'));
    first.subscription.unsubscribe();
    const second = record(data$(connection));
    await turn();
    expect(second.log).to.deep.equal(['half\r']);
  });
});

describe('mapInTurn()', () => {
  it('has the peer wait while a value is in work: no further line of those that came, either', async () => {
    const [connection, transport] = connected();
    const works: Array<Deferred<string>> = [];
    const begun: string[] = [];
    const { log } = record(
      lines$(connection).pipe(
        filter((line) => line !== ''),
        map((line) => line.toUpperCase()),
        mapInTurn(connection, (line, index) => {
          begun.push(`${index} ${line}`);
          const work = new Deferred<string>();
          works.push(work);
          return work;
        }),
      ),
    );
    await turn();
    connection.dataReceived(Buffer.from('a\n\nb\nc\nd'));
    expect(begun).to.deep.equal(['0 A']);
    expect(transport.producerState).to.equal('paused');
    works[0]?.callback('done a');
    await turn();
    await turn();
    expect([begun, log]).to.deep.equal([['0 A', '1 B'], ['done a']]);
    expect(transport.producerState).to.equal('paused');
    works[1]?.callback('done b');
    await turn();
    await turn();
    works[2]?.callback('done c');
    await turn();
    await turn();
    expect(log).to.deep.equal(['done a', 'done b', 'done c']);
    expect(transport.producerState).to.equal('producing');
  });

  it('does not pause for what is done at once', async () => {
    const [connection, transport] = connected();
    let pauses = 0;
    const pause = transport.pauseProducing.bind(transport);
    transport.pauseProducing = () => {
      pauses += 1;
      pause();
    };
    const { log } = record(
      lines$(connection).pipe(mapInTurn(connection, (line) => of(line, `${line}!`))),
    );
    await turn();
    connection.dataReceived(Buffer.from('a\nb\n'));
    expect([log, pauses]).to.deep.equal([['a', 'a!', 'b', 'b!'], 0]);
  });

  it('works on several at a time, and has as many wait as it is told', () => {
    const source = new Subject<number>();
    let paused = 0;
    let resumed = 0;
    const works = Array.from({ length: 6 }, () => new Subject<string>());
    const producer = {
      pauseProducing: () => {
        paused += 1;
      },
      resumeProducing: () => {
        resumed += 1;
      },
    };
    const { log } = record(
      source.pipe(
        mapInTurn(producer, (n): Observable<string> => works[n] ?? NEVER, {
          concurrency: 2,
          highWater: 2,
        }),
      ),
    );
    for (const n of [0, 1, 2]) source.next(n);
    expect([paused, resumed]).to.deep.equal([0, 0]);
    source.next(3);
    source.next(4);
    expect([paused, resumed]).to.deep.equal([1, 0]);
    works[1]?.next('1');
    works[1]?.complete();
    expect([paused, resumed, works[2]?.observed, works[3]?.observed]).to.deep.equal([
      1,
      0,
      true,
      false,
    ]);
    works[0]?.complete();
    expect([paused, resumed]).to.deep.equal([1, 1]);
    source.complete();
    for (const work of works.slice(2, 5)) work.complete();
    expect(log).to.deep.equal(['1', 'done']);
  });

  it('passes errors on, of the source, of the work, and of what makes it, and leaves nothing behind', () => {
    const cases: Array<[Observable<number>, (n: number) => Observable<number>]> = [
      [throwError(() => new RangeError('source')), of],
      [of(1), () => throwError(() => new RangeError('work'))],
      [
        of(1),
        () => {
          throw new RangeError('project');
        },
      ],
    ];
    for (const [source, project] of cases) {
      const calls: string[] = [];
      const producer = {
        pauseProducing: () => calls.push('pause'),
        resumeProducing: () => calls.push('resume'),
        holdOpen: () => {
          calls.push('hold');
          return () => calls.push('let go');
        },
      };
      const { log } = record(source.pipe(mapInTurn(producer, project)));
      expect(log).to.deep.equal(['RangeError']);
      expect(calls.filter((call) => /h|g/.test(call))).to.deep.equal(['hold', 'let go']);
      expect(calls.filter((call) => call === 'pause').length).to.equal(
        calls.filter((call) => call === 'resume').length,
      );
    }
  });

  it('unsubscribing lets the producer go on, and drops what waits and works', async () => {
    const [connection, transport] = connected();
    const works: Array<Subject<string>> = [];
    const { subscription } = record(
      lines$(connection).pipe(
        mapInTurn(connection, () => {
          const work = new Subject<string>();
          works.push(work);
          return work;
        }),
      ),
    );
    await turn();
    connection.dataReceived(Buffer.from('a\nb\nc\n'));
    subscription.unsubscribe();
    expect(works.map(({ observed }) => observed)).to.deep.equal([false]);
    expect([connection.isWaiting, transport.producerState]).to.deep.equal([false, 'paused']);
    const rest = record(lines$(connection));
    await turn();
    expect(rest.log).to.deep.equal(['b', 'c']);
  });

  it('lets any producer go on when it is unsubscribed from', () => {
    const calls: string[] = [];
    const producer = {
      pauseProducing: () => calls.push('pause'),
      resumeProducing: () => calls.push('resume'),
    };
    const { subscription } = record(of(1).pipe(mapInTurn(producer, () => NEVER)));
    expect(calls).to.deep.equal(['pause']);
    subscription.unsubscribe();
    expect(calls).to.deep.equal(['pause', 'resume']);
  });

  it('does not pile up on the stack', () => {
    const source = new Subject<number>();
    const gate = new Subject<void>();
    let done = 0;
    const producer = { pauseProducing() {}, resumeProducing() {} };
    source
      .pipe(mapInTurn(producer, (n) => (n === 0 ? gate.pipe(take(1), ignoreElements()) : of(n))))
      .subscribe(() => {
        done += 1;
      });
    for (let n = 0; n < 20_000; n += 1) source.next(n);
    gate.next();
    expect(done).to.equal(19_999);
  });

  it('refuses numbers that make no sense', () => {
    const producer = { pauseProducing() {}, resumeProducing() {} };
    for (const options of [{ concurrency: 0 }, { concurrency: Number.NaN }, { highWater: -1 }]) {
      expect(() => mapInTurn(producer, of, options)).to.throw(RangeError);
    }
  });
});

describe('writer()', () => {
  it('writes what comes, and closes behind it; the peer that has ended gets its answers first', async () => {
    const [connection, transport] = connected();
    const work = new Deferred<string>();
    lines$(connection)
      .pipe(mapInTurn(connection, () => work))
      .subscribe(writer(connection));
    await turn();
    connection.dataReceived(Buffer.from('question\n'));
    connection.readConnectionLost();
    expect(transport.disconnecting).to.equal(false);
    work.callback('answer');
    await turn();
    await turn();
    expect([
      transport.value().toString(),
      transport.disconnecting,
      transport.disconnected,
    ]).to.deep.equal(['answer', true, false]);
  });

  it('reports an error and aborts', () => {
    const reported: unknown[] = [];
    setUnhandledFailureHandler((failure) => reported.push(failure.value));
    const [connection, transport] = connected();
    throwError(() => new Error('Oh')).subscribe(writer(connection));
    setUnhandledFailureHandler(null);
    expect([String(reported), transport.disconnected]).to.deep.equal(['Error: Oh', true]);
  });
});

describe('connections$() and connection$()', () => {
  let reactor: LibuvReactor;

  beforeEach(() => {
    reactor = new LibuvReactor();
  });

  afterEach(async () => {
    for (let i = 0; i < 200 && reactor.openCount > 0; i += 1) await reactor.iterate();
    expect(reactor.openCount).to.equal(0);
  });

  const local = (): TCP4ServerEndpoint =>
    new TCP4ServerEndpoint(reactor, 0, { interface: '127.0.0.1' });
  const portOf = (port: ListeningPort | undefined): number => {
    const address = port?.getHost();
    return address !== undefined && 'port' in address ? address.port : 0;
  };

  it('serve and connect: lines there and back, until the server is unsubscribed from', async () => {
    let port: ListeningPort | undefined;
    const serving = connections$(local(), {
      listening: (listening) => {
        port = listening;
      },
    }).subscribe((connection) => {
      lines$(connection)
        .pipe(mapInTurn(connection, (line) => Promise.resolve(`${line.length}\n`)))
        .subscribe(writer(connection));
    });
    const endpoint = new TCP4ClientEndpoint(reactor, '127.0.0.1', portOf(port));
    const answers = await lastValueFrom(
      connection$(endpoint).pipe(
        switchMap((connection) => {
          for (let n = 0; n < 300; n += 1) connection.write(`${'x'.repeat(n)}\n`);
          connection.transport.loseWriteConnection();
          return lines$(connection);
        }),
        toArray(),
      ),
    );
    expect(answers).to.deep.equal(Array.from({ length: 300 }, (_, n) => String(n)));
    serving.unsubscribe();
    for (let i = 0; i < 200 && reactor.openCount > 0; i += 1) await reactor.iterate();
    const refused = record(connection$(endpoint));
    while (refused.log.length === 0) await reactor.iterate();
    expect(refused.log).to.deep.equal([ConnectionRefusedError.name]);
  });

  it('a slow consumer slows its peer down: what is in memory stays small', async () => {
    let port: ListeningPort | undefined;
    let got = 0;
    const gate = new Subject<void>();
    const serving = connections$(
      (factory) => reactor.listenTCP(0, factory, { interface: '127.0.0.1' }),
      {
        listening: (listening) => {
          port = listening;
        },
      },
    )
      .pipe(
        mergeMap((connection) =>
          data$(connection).pipe(
            mapInTurn(connection, (data) => {
              got += data.length;
              return got > 100_000 && got < 20_000_000 ? gate.pipe(take(1)) : of(undefined);
            }),
          ),
        ),
      )
      .subscribe();
    const client = await connectProtocol(
      new TCP4ClientEndpoint(reactor, '127.0.0.1', portOf(port)),
      new AccumulatingProtocol(),
    );
    const chunk = randomBytes(100_000);
    let written = 0;
    client.transport.registerProducer(
      {
        resumeProducing: () => {
          if (written >= 30_000_000) {
            client.transport.unregisterProducer();
            client.transport.loseConnection();
            return;
          }
          written += chunk.length;
          client.transport.write(chunk);
        },
        stopProducing: () => {},
      },
      false,
    );
    for (let i = 0; i < 300; i += 1) await reactor.iterate();
    expect(got).to.be.below(300_000);
    // What fits into the buffers of the system, and no more.
    expect(written).to.be.below(20_000_000);
    while (got < 30_000_000) {
      gate.next();
      await reactor.iterate();
    }
    expect(got).to.equal(30_000_000);
    serving.unsubscribe();
  });

  it('unsubscribing closes what stands, unless it is to keep it', async () => {
    for (const keep of [false, true]) {
      let port: ListeningPort | undefined;
      let there: Connection | undefined;
      const serving = connections$(local(), {
        keep,
        listening: (listening) => {
          port = listening;
        },
      }).subscribe((connection) => {
        there = connection;
        connection.write('hello');
      });
      const client = await connectProtocol(
        new TCP4ClientEndpoint(reactor, '127.0.0.1', portOf(port)),
        new AccumulatingProtocol(),
      );
      while (client.data.length < 5) await reactor.iterate();
      serving.unsubscribe();
      for (let i = 0; i < 20; i += 1) await reactor.iterate();
      expect(client.closed).to.equal(keep ? 0 : 1);
      there?.close();
      await client.disconnected;
    }
  });

  it('connection$() gives up an attempt that is unsubscribed from, and closes its connection', async () => {
    const memory = new MemoryReactor();
    record(connection$(new TCP4ClientEndpoint(memory, '192.0.2.1', 80))).subscription.unsubscribe();
    expect(memory.connectors.map(({ state }) => state)).to.deep.equal(['disconnected']);
    let port: ListeningPort | undefined;
    const lost: string[] = [];
    const serving = connections$(local(), {
      listening: (l) => {
        port = l;
      },
    })
      .pipe(
        concatMap((connection) =>
          data$(connection).pipe(tap({ complete: () => lost.push('lost') })),
        ),
      )
      .subscribe();
    const client = connection$(new TCP4ClientEndpoint(reactor, '127.0.0.1', portOf(port)));
    await new Promise<void>((resolve) => {
      client.pipe(take(1)).subscribe({ complete: resolve });
    });
    while (lost.length === 0) await reactor.iterate();
    serving.unsubscribe();
  });

  it('connections$() ends with what keeps it from listening', async () => {
    let port: ListeningPort | undefined;
    const first = connections$(local(), {
      listening: (l) => {
        port = l;
      },
    }).subscribe();
    const endpoint = new TCP4ServerEndpoint(reactor, portOf(port), { interface: '127.0.0.1' });
    const second = record(connections$(endpoint));
    const third = record(
      connections$((factory) =>
        reactor.listenTCP(portOf(port), factory, { interface: '127.0.0.1' }),
      ),
    );
    expect([second.log, third.log]).to.deep.equal([
      [CannotListenError.name],
      [CannotListenError.name],
    ]);
    first.unsubscribe();
  });

  it('a port that comes too late is stopped', async () => {
    const late = new Deferred<ListeningPort>();
    const { subscription } = record(connections$(() => late));
    subscription.unsubscribe();
    const port = reactor.listenTCP(
      0,
      { buildProtocol: () => null, doStart() {}, doStop() {} },
      { interface: '127.0.0.1' },
    );
    late.callback(port);
    await turn();
  });
});
