import { expect } from 'chai';
import fc from 'fast-check';
import { Deferred, setUnhandledFailureHandler } from '../../../src/deferred/index.ts';
import { Factory } from '../../../src/protocols/index.ts';
import {
  ask,
  Chargen,
  Daytime,
  Discard,
  daytime,
  Echo,
  QOTD,
  quoteOfTheDay,
  Time,
  timeOf,
  Who,
  WireAnswerError,
} from '../../../src/protocols/wire/index.ts';
import {
  Clock,
  connectedServerAndClient,
  type IProtocol,
  LibuvReactor,
  type PullProducer,
  StringTransport,
  TCP4ClientEndpoint,
} from '../../../src/reactor/index.ts';
import { HalfCloseRecorder, Recorder, RecordingFactory } from '../../support/recorder.ts';

/** A transport that has enough as soon as something is written. */
class FullTransport extends StringTransport {
  override write(data: Buffer): void {
    super.write(data);
    if (this.producer !== null && 'pauseProducing' in this.producer) {
      this.producer.pauseProducing();
    }
  }
}

function said(protocol: IProtocol): { text: string; closed: boolean } {
  const transport = new StringTransport();
  protocol.makeConnection(transport);
  return { text: transport.value().toString('latin1'), closed: transport.disconnecting };
}

describe('The small classics', () => {
  it('Echo sends back what comes, however it is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (pieces) => {
        const echo = new Echo();
        const transport = new StringTransport();
        echo.makeConnection(transport);
        for (const piece of pieces) echo.dataReceived(Buffer.from(piece));
        expect(transport.value().equals(Buffer.concat(pieces))).to.equal(true);
        expect(transport.producer).to.equal(null);
      }),
    );
  });

  it('Echo takes no more while the peer takes nothing', () => {
    const echo = new Echo();
    const transport = new FullTransport();
    echo.makeConnection(transport);
    echo.dataReceived(Buffer.from('one '));
    expect([transport.producerState, transport.producer]).to.deep.equal(['paused', echo]);
    echo.dataReceived(Buffer.from('two'));
    echo.resumeProducing();
    expect([transport.producerState, transport.producer]).to.deep.equal(['producing', null]);
    expect(transport.value().toString()).to.equal('one two');
    echo.dataReceived(Buffer.from('!'));
    expect(transport.producerState).to.equal('paused');
  });

  it('Echo sends all of it before it closes, behind a peer that has ended its side', () => {
    const [client, , pump] = connectedServerAndClient(Echo, HalfCloseRecorder);
    client.transport.write(Buffer.alloc(500_000, 'x'));
    client.transport.loseWriteConnection();
    pump.flush();
    expect([client.bytes, client.lost]).to.deep.equal([500_000, true]);
  });

  it('Discard says nothing', () => {
    const discard = new Discard();
    const transport = new StringTransport();
    discard.makeConnection(transport);
    discard.dataReceived(Buffer.alloc(1e6));
    expect([transport.value().length, transport.disconnecting]).to.deep.equal([0, false]);
  });

  it('Chargen sends lines of 72 characters, each one further on, when it is asked', () => {
    const chargen = new Chargen();
    const transport = new StringTransport();
    chargen.makeConnection(transport);
    const producer = transport.producer as PullProducer;
    expect([transport.streaming, transport.value().length]).to.deep.equal([false, 0]);
    for (let i = 0; i < 3; i++) producer.resumeProducing();
    const lines = transport.value().toString('latin1').split('\r\n');
    expect(lines.pop()).to.equal('');
    expect(lines).to.have.length(3 * 95);
    const all = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('');
    for (const [i, line] of lines.entries()) {
      const from = i % 95;
      expect(line).to.equal((all + all).slice(from, from + 72));
    }
    transport.disconnecting = true;
    producer.resumeProducing();
    expect(transport.producer).to.equal(null);
  });

  it('Chargen goes no faster than its peer, and stops with it', async () => {
    const reactor = new LibuvReactor();
    const factory = Factory.forProtocol(Chargen);
    factory.noisy = false;
    const port = reactor.listenTCP(0, factory, { interface: '127.0.0.1' });
    const client = new Recorder({
      data: (recorder) => {
        if (recorder.bytes > 1e6) recorder.transport.loseConnection();
      },
    });
    reactor.connectTCP('127.0.0.1', port.getHost().port, new RecordingFactory(() => client));
    await client.until(() => client.lost);
    expect(client.received.toString('latin1', 0, 4)).to.equal(' !"#');
    await port.stopListening();
    // The server's end knows a turn later at most.
    for (let i = 0; i < 100 && reactor.openCount > 0; i++) await reactor.iterate();
    expect(reactor.openCount).to.equal(0);
  });

  it('QOTD and Who say what they are given, now or later, and close', async () => {
    expect(said(new QOTD()).closed).to.equal(true);
    expect(said(new QOTD()).text).to.match(/\r\n$/);
    expect(said(new Who())).to.deep.equal({ text: 'root\r\n', closed: true });
    const later = new Deferred<string>();
    class Later extends QOTD {
      override getQuote(): Deferred<string> {
        return later;
      }
    }
    const transport = new StringTransport();
    new Later().makeConnection(transport);
    expect(transport.disconnecting).to.equal(false);
    later.callback('wise words\r\n');
    await later;
    expect([transport.value().toString(), transport.disconnecting]).to.deep.equal([
      'wise words\r\n',
      true,
    ]);
  });

  it('QOTD ends the connection, and says why, when there is no quotation', async () => {
    const reports: string[] = [];
    const before = setUnhandledFailureHandler((failure) => reports.push(failure.getErrorMessage()));
    try {
      class Failing extends QOTD {
        override getQuote(): Promise<string> {
          return Promise.reject(new Error('speechless'));
        }
      }
      const transport = new StringTransport();
      await new Failing().makeConnection(transport);
      expect([reports, transport.disconnected]).to.deep.equal([['speechless'], true]);
      class Wrong extends QOTD {
        override getQuote(): Promise<string> {
          return Promise.resolve(5 as unknown as string);
        }
      }
      const other = new StringTransport();
      await new Wrong().makeConnection(other);
      expect([reports.length, other.disconnected]).to.deep.equal([2, true]);
    } finally {
      setUnhandledFailureHandler(before);
    }
  });

  it('Daytime and Time say the time', () => {
    class Then extends Daytime {
      override now(): number {
        return 383_247_463.9;
      }
    }
    expect(said(new Then())).to.deep.equal({
      text: 'Mon Feb 22 17:37:43 1982 UTC\r\n',
      closed: true,
    });
    expect(said(new Daytime()).text).to.match(/^\w{3} \w{3} \d\d \d\d:\d\d:\d\d 20\d\d UTC\r\n$/);
    // The examples of RFC 868.
    for (const [now, hex] of [
      [0, '83aa7e80'],
      [-2_208_988_799, '00000001'],
      [2 ** 32 - 2_208_988_800 + 5, '00000005'],
    ] as const) {
      class At extends Time {
        override now(): number {
          return now;
        }
      }
      expect(Buffer.from(said(new At()).text, 'latin1').toString('hex')).to.equal(hex);
    }
    expect(said(new Time()).text).to.have.length(4);
  });
});

describe('Asking the small classics', () => {
  let reactor: LibuvReactor;

  beforeEach(() => {
    reactor = new LibuvReactor();
  });

  async function serving<T>(
    protocol: new () => IProtocol,
    use: (endpoint: TCP4ClientEndpoint) => PromiseLike<T>,
  ): Promise<T> {
    const factory = Factory.forProtocol(protocol);
    factory.noisy = false;
    const port = reactor.listenTCP(0, factory, { interface: '127.0.0.1' });
    try {
      return await use(new TCP4ClientEndpoint(reactor, '127.0.0.1', port.getHost().port));
    } finally {
      await port.stopListening();
      for (let i = 0; i < 100 && reactor.openCount > 0; i++) await reactor.iterate();
      expect(reactor.openCount).to.equal(0);
      expect(reactor.getDelayedCalls()).to.deep.equal([]);
    }
  }

  const clock = {
    get clock(): LibuvReactor {
      return reactor;
    },
  };

  async function failureOf(attempt: PromiseLike<unknown>): Promise<unknown> {
    try {
      await attempt;
    } catch (error) {
      return error;
    }
    throw new Error('It did not fail');
  }

  it('daytime(), timeOf() and quoteOfTheDay() give what the servers say', async () => {
    expect(await serving(Daytime, (endpoint) => daytime(endpoint, clock))).to.match(/UTC$/);
    const now = await serving(Time, (endpoint) => timeOf(endpoint, clock));
    expect(Math.abs(now - new Time().now())).to.be.below(5);
    expect(await serving(QOTD, (endpoint) => quoteOfTheDay(endpoint, clock))).to.match(/away\.$/);
    class In2040 extends Time {
      override now(): number {
        return 2_208_988_800;
      }
    }
    expect(await serving(In2040, (endpoint) => timeOf(endpoint, clock))).to.equal(2_208_988_800);
  });

  it('timeOf() fails when what comes is no time', async () => {
    expect(await serving(QOTD, (endpoint) => failureOf(timeOf(endpoint, clock)))).to.be.instanceOf(
      WireAnswerError,
    );
  });

  it('ask() takes no more than it may', async () => {
    const failed = await serving(Chargen, (endpoint) =>
      failureOf(ask(endpoint, null, { ...clock, maxLength: 1000 })),
    );
    expect(failed).to.include({ code: 'ERR_WIRE_ANSWER' });
    expect(String(failed)).to.match(/more than 1000 bytes/);
  });

  it('ask() fails as the connection does, and ends it when it takes too long or is cancelled', async () => {
    class Breaking extends Discard {
      override dataReceived(): void {
        this.transport.abortConnection();
      }
    }
    const broken = await serving(Breaking, (endpoint) => failureOf(ask(endpoint, 'x', clock)));
    expect(broken).to.have.property('name', 'ConnectionLost');
    const time = new Clock();
    const late = await serving(Discard, (endpoint) => {
      const answer = ask(endpoint, 'x', { clock: time, timeout: 3 });
      time.advance(3);
      return failureOf(answer);
    });
    expect(late).to.have.property('name', 'TimeoutError');
    const cancelled = await serving(Discard, (endpoint) => {
      const answer = ask(endpoint, 'x', { timeout: null });
      reactor.callLater(0.02, () => answer.cancel());
      return failureOf(answer);
    });
    expect(cancelled).to.have.property('name', 'CancelledError');
  });
});
