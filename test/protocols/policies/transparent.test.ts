/** What stands behind a policy behaves as if it were not there, and what it throws costs its own connection only. */
import { expect } from 'chai';
import fc from 'fast-check';
import { type DeferredClock, setUnhandledFailureHandler } from '../../../src/deferred/index.ts';
import { Data, Resource, Site } from '../../../src/protocols/http/index.ts';
import { Factory, LineReceiver, Protocol } from '../../../src/protocols/index.ts';
import {
  LimitConnectionRate,
  LimitConnectionsByPeer,
  LimitTotalConnectionsFactory,
  SpewingFactory,
  ThrottlingFactory,
  TimeoutFactory,
  TrafficLoggingFactory,
  WrappingFactory,
} from '../../../src/protocols/policies/index.ts';
import {
  Clock,
  connectTransports,
  FakeTransport,
  type IProtocolFactory,
  LibuvReactor,
  setLogObserver,
  type TLSTransport,
} from '../../../src/reactor/index.ts';
import { certificates } from '../../support/certificates.ts';
import { Recorder, RecordingFactory } from '../../support/recorder.ts';
import { cutAt, someCuts } from '../support.ts';

type Wrap = (factory: IProtocolFactory, clock: DeferredClock) => IProtocolFactory;

const EACH: Readonly<Record<string, Wrap>> = {
  WrappingFactory: (factory) => new WrappingFactory(factory),
  TimeoutFactory: (factory, clock) => new TimeoutFactory(factory, 1e6, { clock }),
  'ThrottlingFactory without limits': (factory, clock) => new ThrottlingFactory(factory, { clock }),
  ThrottlingFactory: (factory, clock) =>
    new ThrottlingFactory(factory, {
      clock,
      readLimit: 1000,
      writeLimit: 2000,
      readLimitPerConnection: 900,
      writeLimitPerConnection: 1500,
    }),
  LimitTotalConnectionsFactory: (factory) => new LimitTotalConnectionsFactory(factory),
  LimitConnectionsByPeer: (factory) => new LimitConnectionsByPeer(factory),
  LimitConnectionRate: (factory, clock) => new LimitConnectionRate(factory, { clock }),
  TrafficLoggingFactory: (factory) => new TrafficLoggingFactory(factory, () => ({ write() {} })),
  SpewingFactory: (factory) => new SpewingFactory(factory),
};
const allOfThem: Wrap = (factory, clock) =>
  Object.values(EACH).reduce((all, wrap) => wrap(all, clock), factory);

const POLICIES: Readonly<Record<string, Wrap>> = { ...EACH, 'all of them': allOfThem };

class Shouting extends LineReceiver {
  override lineReceived(line: Buffer): void {
    const text = line.toString('latin1');
    if (text.startsWith('raw ')) {
      this.sendLine('go on');
      this.setRawMode();
      return;
    }
    if (text === 'bye') {
      this.sendLine('bye');
      this.transport.loseConnection();
      return;
    }
    if (text === 'pause') {
      this.pauseProducing();
      this.sendLine('paused');
      this.resumeProducing();
      return;
    }
    this.sendLine(text.toUpperCase());
  }
  override rawDataReceived(data: Buffer): unknown {
    const end = data.indexOf('!') + 1;
    this.transport.write(end === 0 ? data : data.subarray(0, end));
    return end === 0 ? undefined : this.setLineMode(data.subarray(end));
  }
}

const page = new Resource();
page.putChild('page', new Data('x'.repeat(5000), 'text/plain'));

const SERVERS: Readonly<Record<string, () => IProtocolFactory>> = {
  'a LineReceiver': () => Factory.forProtocol(Shouting),
  'a Site': () => new Site(page, { timeout: null }),
};

const SAID: Readonly<Record<string, string>> = {
  'a LineReceiver': 'hello\r\npause\r\nraw 5\r\nabcdefg!more\r\nlast\r\npause\r\nbye\r\nnever\r\n',
  'a Site':
    'GET /page HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(3) +
    'POST /page HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello' +
    'GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
};

/** What a client hears that says `pieces`, and how its connection ends. */
function conversation(factory: IProtocolFactory, clock: Clock, pieces: Buffer[], ends: boolean) {
  const [serverIO, clientIO] = [new FakeTransport(true), new FakeTransport(false)];
  const client = new Recorder();
  const server = factory.buildProtocol(serverIO.getPeer()) ?? null;
  const pump = connectTransports(server, serverIO, client, clientIO);
  for (const piece of pieces) {
    client.transport.write(piece);
    pump.flush();
    clock.advance(0.02);
  }
  if (ends) client.transport.loseWriteConnection();
  for (let i = 0; i < 400; i++) {
    pump.flush();
    clock.advance(0.05);
  }
  const heard = Buffer.concat(client.chunks)
    .toString('latin1')
    .replace(/Date: .*\r\n/g, '');
  return { heard, ended: client.reason?.getErrorMessage() };
}

describe('A policy', () => {
  let beforeLog: ReturnType<typeof setLogObserver>;

  before(() => {
    beforeLog = setLogObserver(() => {});
  });

  after(() => setLogObserver(beforeLog));

  for (const [policy, wrap] of Object.entries(POLICIES)) {
    for (const [server, make] of Object.entries(SERVERS)) {
      it(`leaves ${server} as it is: ${policy}`, () => {
        const said = Buffer.from(SAID[server] ?? '', 'latin1');
        const whole = Object.values([true, false]).map((ends) =>
          conversation(make(), new Clock(), [said], ends),
        );
        expect(whole[0]?.heard.length).to.be.above(30);
        fc.assert(
          fc.property(someCuts, fc.boolean(), (cuts, ends) => {
            const clock = new Clock();
            const wrapped = wrap(make(), clock);
            expect(conversation(wrapped, clock, cutAt(said, cuts), ends)).to.deep.equal(
              whole[ends ? 0 : 1],
            );
          }),
          { numRuns: 8 },
        );
      });
    }

    for (const where of ['made', 'received', 'lost'] as const) {
      for (const how of ['throws', 'rejects'] as const) {
        it(`costs one connection what its protocol ${how} when ${where}: ${policy}`, async () => {
          const reports: string[] = [];
          const beforeFailures = setUnhandledFailureHandler((failure) =>
            reports.push(failure.getErrorMessage()),
          );
          try {
            class Bad extends Protocol {
              readonly #is: boolean;
              constructor(is: boolean) {
                super();
                this.#is = is;
              }
              #fail(at: typeof where): unknown {
                if (!this.#is || at !== where) return undefined;
                const error = new Error(`bad when ${at}`);
                if (how === 'throws') throw error;
                return Promise.reject(error);
              }
              override connectionMade(): unknown {
                return this.#fail('made');
              }
              override dataReceived(data: Buffer): unknown {
                this.transport.write(data);
                return this.#fail('received');
              }
              override connectionLost(): unknown {
                return this.#fail('lost');
              }
            }
            const clock = new Clock();
            let count = 0;
            const inner = new Factory();
            inner.noisy = false;
            inner.protocol = () => new Bad(count++ === 0);
            const factory = wrap(inner, clock);
            const ends = [0, 1].map(() => {
              const [serverIO, clientIO] = [new FakeTransport(true), new FakeTransport(false)];
              const client = new Recorder();
              const server = factory.buildProtocol(serverIO.getPeer()) ?? null;
              return { client, pump: connectTransports(server, serverIO, client, clientIO) };
            });
            const settle = async (): Promise<void> => {
              for (let i = 0; i < 5; i++) {
                for (const { pump } of ends) pump.flush();
                clock.advance(1);
                await new Promise(process.nextTick);
              }
            };
            await settle();
            for (const { client } of ends) client.transport.write(Buffer.alloc(300));
            await settle();
            const [bad, good] = ends.map(({ client }) => client);
            if (where === 'lost') bad?.transport.loseConnection();
            await settle();
            expect(bad?.reason, 'the bad one').not.to.equal(undefined);
            expect(good?.reason, 'the good one').to.equal(undefined);
            expect(good?.bytes).to.equal(300);
            // One that failed before another piece of what came was delivered has failed once.
            expect(new Set(reports)).to.deep.equal(new Set([`bad when ${where}`]));
            good?.transport.loseConnection();
            await settle();
            expect(good?.reason).not.to.equal(undefined);
            expect(clock.getDelayedCalls()).to.deep.equal([]);
            if ('protocols' in factory) expect(factory.protocols).to.have.property('size', 0);
          } finally {
            setUnhandledFailureHandler(beforeFailures);
          }
        });
      }
    }
  }

  it('lets a protocol see TLS beneath all of them, and start it', async () => {
    const reactor = new LibuvReactor();
    const { server: credentials } = certificates();
    const seen: unknown[] = [];
    class Server extends Protocol {
      handshakeCompleted(): void {
        const { TLS, tlsVersion, negotiatedProtocol } = this.transport as TLSTransport; // it is
        seen.push([TLS, tlsVersion, negotiatedProtocol]);
      }
      override dataReceived(data: Buffer): void {
        seen.push(data.toString());
        if (data.toString() !== 'secure') {
          this.transport.loseConnection();
          return;
        }
        this.transport.write('go on');
        (this.transport as TLSTransport).startTLS({ ...credentials, ALPNProtocols: ['x'] });
      }
    }
    const inner = Factory.forProtocol(Server);
    inner.noisy = false;
    const factory = allOfThem(inner, reactor);
    const port = reactor.listenTCP(0, factory, { interface: '127.0.0.1' });
    const client = new Recorder({
      made: ({ transport }) => {
        transport.write('secure');
      },
      data: ({ transport }) => {
        const context = { rejectUnauthorized: false, ALPNProtocols: ['x'] };
        (transport as TLSTransport).startTLS(context, { hostname: 'localhost' });
        transport.write('hidden');
      },
    });
    reactor.connectTCP('127.0.0.1', port.getHost().port, new RecordingFactory(() => client));
    await client.until(() => client.lost);
    expect(seen).to.deep.equal(['secure', [true, 'TLSv1.3', 'x'], 'hidden']);
    await port.stopListening();
    expect(reactor.openCount).to.equal(0);
    expect(reactor.getDelayedCalls()).to.deep.equal([]);
  });
});
