import { expect } from 'chai';
import fc from 'fast-check';
import { Failure, setUnhandledFailureHandler } from '../../../src/deferred/index.ts';
import { Factory, LineReceiver, Protocol } from '../../../src/protocols/index.ts';
import {
  ThrottlingFactory,
  type ThrottlingOptions,
  type ThrottlingProtocol,
} from '../../../src/protocols/policies/index.ts';
import {
  Clock,
  ConnectionDone,
  connectedServerAndClient,
  connectTransports,
  FakeTransport,
  type IOPump,
  type LogEvent,
  type PushProducer,
  StringTransport,
  setLogObserver,
} from '../../../src/reactor/index.ts';

const DONE = new Failure(new ConnectionDone());

class Counting extends Protocol {
  bytes = 0;
  readonly calls: string[] = [];
  override dataReceived(data: Buffer): void {
    this.bytes += data.length;
  }
  override connectionLost(reason: Failure): void {
    this.calls.push(String((reason.type as { name?: string }).name));
  }
}

class HalfCloseable extends Counting {
  readConnectionLost(): void {
    this.calls.push(`read end after ${this.bytes}`);
  }
  writeConnectionLost(): void {
    this.calls.push('write end');
  }
}

/** A transport of which one reads in pieces of a size, as long as it is not paused. */
class Flooded extends StringTransport {
  readonly chunk: number;
  wrapper: ThrottlingProtocol | undefined;
  delivered = 0;
  constructor(chunk: number) {
    super({ lenient: true });
    this.chunk = chunk;
  }
  /** One turn: a read. */
  turn(): void {
    if (this.producerState !== 'producing' || this.wrapper === undefined) return;
    this.delivered += this.chunk;
    this.wrapper.dataReceived(Buffer.alloc(this.chunk));
  }
}

describe('ThrottlingFactory', () => {
  let clock: Clock;

  beforeEach(() => {
    clock = new Clock();
  });

  function factoryOf<P extends Counting>(
    protocol: new () => P,
    options: ThrottlingOptions,
  ): ThrottlingFactory {
    const inner = Factory.forProtocol(protocol);
    inner.noisy = false;
    return new ThrottlingFactory(inner, { clock, ...options });
  }

  function connect(
    factory: ThrottlingFactory,
    transport: StringTransport = new StringTransport({ lenient: true }),
  ): [ThrottlingProtocol, Counting] {
    const wrapper = factory.buildProtocol(transport.getPeer());
    if (wrapper === null) throw new Error('refused');
    wrapper.makeConnection(transport);
    return [wrapper as ThrottlingProtocol, wrapper.wrappedProtocol as Counting]; // of its factories
  }

  describe('what comes', () => {
    for (const [chunk, limit, connections, perConnection] of [
      [1, 1000, 1, false],
      [65536, 1000, 1, false],
      [1460, 100_000, 1, false],
      [65536, 10_000_000, 1, false],
      [65536, 100_000, 50, false],
      [10, 100_000, 200, false],
      [65536, 5000, 20, true],
      [7, 3, 1, false],
    ] as const) {
      const whose = perConnection ? 'each' : 'all';
      it(`holds ${limit} bytes a second of ${whose} for ${connections} connections in pieces of ${chunk}`, () => {
        const options = perConnection ? { readLimitPerConnection: limit } : { readLimit: limit };
        const factory = factoryOf(Counting, options);
        const floods = Array.from({ length: connections }, () => new Flooded(chunk));
        const inners = floods.map((flood) => {
          const [wrapper, inner] = connect(factory, flood);
          flood.wrapper = wrapper;
          return inner;
        });
        for (let i = 0; i < 1000; i++) {
          clock.advance(0.01);
          // What came within ten milliseconds comes in as many reads as it takes.
          for (let reads = 0; reads < 20_000 / connections; reads++) {
            const reading = floods.filter(({ producerState }) => producerState === 'producing');
            if (reading.length === 0) break;
            for (const flood of reading) flood.turn();
          }
        }
        const total = inners.reduce((sum, { bytes }) => sum + bytes, 0);
        const expected = limit * 10 * (perConnection ? connections : 1);
        expect(total).to.be.within(expected * 0.98 - 1, expected * 1.02 + 1);
        // Everybody has had his share, besides what was there at the start, and little waits.
        const least = Math.min(...inners.map(({ bytes }) => bytes));
        const most = Math.max(...inners.map(({ bytes }) => bytes)) - limit / 10;
        if (connections > 1) expect(least).to.be.above(most * 0.8);
        for (const [i, flood] of floods.entries()) {
          expect(flood.delivered - (inners[i]?.bytes ?? 0)).to.be.at.most(chunk);
        }
      });
    }

    it('lets a pause of the clock cost nothing of the rate', () => {
      const factory = factoryOf(Counting, { readLimit: 1000 });
      const flood = new Flooded(65536);
      const [wrapper, inner] = connect(factory, flood);
      flood.wrapper = wrapper;
      flood.turn();
      for (let i = 0; i < 10; i++) clock.advance(1);
      expect(inner.bytes).to.be.within(9900, 10_200);
    });

    it('does not save up more than a burst while nothing comes', () => {
      const factory = factoryOf(Counting, { readLimit: 1000, burst: 2 });
      const [wrapper, inner] = connect(factory);
      clock.advance(100);
      wrapper.dataReceived(Buffer.alloc(10_000));
      expect(inner.bytes).to.equal(2000);
    });

    it('delivers nothing while the protocol wants nothing, and in a later turn when it does', () => {
      const factory = factoryOf(Counting, { readLimit: 1000 });
      const transport = new StringTransport({ lenient: true });
      const [wrapper, inner] = connect(factory, transport);
      wrapper.dataReceived(Buffer.alloc(300));
      expect([inner.bytes, transport.producerState]).to.deep.equal([100, 'paused']);
      wrapper.pauseProducing();
      clock.advance(10);
      expect(inner.bytes).to.equal(100);
      wrapper.resumeProducing();
      expect(inner.bytes).to.equal(100);
      clock.advance(0.05);
      expect(inner.bytes).to.be.above(100);
      clock.advance(1);
      expect([inner.bytes, transport.producerState]).to.deep.equal([300, 'producing']);
      wrapper.pauseProducing();
      expect(transport.producerState).to.equal('paused');
      wrapper.resumeProducing();
      expect(transport.producerState).to.equal('producing');
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('holds a copy: the memory of what was delivered may be read into again', () => {
      const got: string[] = [];
      class Keeping extends Counting {
        override dataReceived(data: Buffer): void {
          got.push(data.toString());
        }
      }
      const [wrapper] = connect(factoryOf(Keeping, { readLimit: 1000 }));
      const read = Buffer.alloc(300, 'x');
      wrapper.dataReceived(read);
      read.fill('!');
      clock.advance(1);
      expect(got.join('')).to.equal('x'.repeat(300));
    });

    it('tells the end behind what is held', () => {
      const [wrapper, inner] = connect(factoryOf(HalfCloseable, { readLimit: 1000 }));
      wrapper.dataReceived(Buffer.alloc(300));
      (wrapper as unknown as HalfCloseable).readConnectionLost();
      expect(inner.calls).to.deep.equal([]);
      clock.advance(1);
      expect(inner.calls).to.deep.equal(['read end after 300']);
      (wrapper as unknown as HalfCloseable).writeConnectionLost();
      expect(inner.calls).to.deep.equal(['read end after 300', 'write end']);
    });

    it('delivers what is held before the connection is lost', () => {
      const [wrapper, inner] = connect(factoryOf(Counting, { readLimit: 1000 }));
      wrapper.dataReceived(Buffer.alloc(300));
      wrapper.connectionLost(DONE);
      expect([inner.bytes, inner.calls]).to.deep.equal([300, ['ConnectionDone']]);
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('delivers it to a protocol that hears nothing of a connection that is closing', () => {
      const lines: string[] = [];
      class Lines extends LineReceiver {
        override lineReceived(line: Buffer): void {
          lines.push(line.toString());
        }
      }
      const inner = Factory.forProtocol(Lines);
      inner.noisy = false;
      const factory = new ThrottlingFactory(inner, { clock, readLimit: 10 });
      const transport = new StringTransport({ lenient: true });
      const wrapper = factory.buildProtocol(transport.getPeer());
      wrapper?.makeConnection(transport);
      wrapper?.dataReceived(Buffer.from('one\r\ntwo\r\n'.repeat(5)));
      // So it is when the peer has ended its side.
      transport.disconnecting = true;
      wrapper?.connectionLost(DONE);
      expect(lines).to.have.length(10);
    });

    it('drops what is held when the protocol closes, and goes on reading', () => {
      const transport = new StringTransport({ lenient: true });
      const [wrapper, inner] = connect(factoryOf(Counting, { readLimit: 1000 }), transport);
      wrapper.dataReceived(Buffer.alloc(300));
      wrapper.loseConnection();
      expect([transport.disconnecting, transport.producerState]).to.deep.equal([true, 'producing']);
      clock.advance(10);
      wrapper.dataReceived(Buffer.alloc(300));
      wrapper.connectionLost(DONE);
      expect(inner.bytes).to.equal(100);
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('costs a connection, and no other, what its protocol throws in its turn', async () => {
      class Throwing extends Counting {
        override dataReceived(data: Buffer): unknown {
          super.dataReceived(data);
          if (this.bytes <= 100) return undefined;
          if (this.bytes <= 200) throw new Error('too much');
          return Promise.reject(new Error('much too much'));
        }
      }
      const reports: string[] = [];
      const before = setUnhandledFailureHandler((failure) =>
        reports.push(failure.getErrorMessage()),
      );
      try {
        const factory = factoryOf(Throwing, { readLimitPerConnection: 1000 });
        const transports = [1, 2, 3].map(() => new StringTransport({ lenient: true }));
        const [first, second, third] = transports.map((each) => connect(factory, each)[0]);
        first?.dataReceived(Buffer.alloc(200));
        third?.dataReceived(Buffer.alloc(80));
        clock.advance(0.2);
        second?.dataReceived(Buffer.alloc(90));
        clock.advance(1);
        second?.dataReceived(Buffer.alloc(300));
        clock.advance(1);
        await Promise.resolve();
        expect(reports.slice(0, 1)).to.deep.equal(['too much']);
        expect(transports.map((each) => each.disconnected)).to.deep.equal([true, true, false]);
      } finally {
        setUnhandledFailureHandler(before);
      }
    });
  });

  describe('what is sent', () => {
    for (const [chunk, limit, connections, perConnection] of [
      [1, 1000, 1, false],
      [1_000_000, 1000, 1, false],
      [1460, 100_000, 30, false],
      [65536, 5000, 20, true],
      [100_000, 10_000_000, 3, false],
    ] as const) {
      const whose = perConnection ? 'each' : 'all';
      it(`holds ${limit} bytes a second of ${whose} for ${connections} connections in pieces of ${chunk}`, () => {
        const options = perConnection ? { writeLimitPerConnection: limit } : { writeLimit: limit };
        const factory = factoryOf(Counting, options);
        const transports = Array.from({ length: connections }, () => new StringTransport());
        const producers = transports.map((transport) => {
          const [wrapper] = connect(factory, transport);
          const producer = {
            paused: false,
            pauseProducing(): void {
              this.paused = true;
            },
            resumeProducing(): void {
              this.paused = false;
              this.turn();
            },
            stopProducing(): void {},
            turn(): void {
              while (!this.paused) wrapper.write(Buffer.alloc(chunk));
            },
          };
          wrapper.registerProducer(producer, true);
          return producer;
        });
        for (let i = 0; i < 1000; i++) {
          for (const producer of producers) producer.turn();
          clock.advance(0.01);
        }
        const sent = transports.map((transport) => transport.value().length);
        const total = sent.reduce((sum, bytes) => sum + bytes, 0);
        const expected = limit * 10 * (perConnection ? connections : 1);
        expect(total).to.be.within(expected * 0.98, expected * 1.02);
        const most = Math.max(...sent) - limit / 10;
        if (connections > 1) expect(Math.min(...sent)).to.be.above(most * 0.8);
      });
    }

    it('keeps the bytes in order, however they are written, and copies none into others', () => {
      const data = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 30 });
      fc.assert(
        fc.property(data, fc.integer({ min: 1, max: 5000 }), fc.boolean(), (pieces, rate, seq) => {
          const time = new Clock();
          const factory = factoryOf(Counting, { writeLimit: rate, clock: time });
          const transport = new StringTransport();
          const [wrapper] = connect(factory, transport);
          for (const piece of pieces) {
            if (seq) wrapper.writeSequence([piece, 'ä']);
            else wrapper.write(piece);
            time.advance(0.02);
          }
          wrapper.loseConnection();
          time.advance(100_000);
          for (let i = 0; i < 100 && !transport.disconnecting; i++) time.advance(10_000);
          const all = Buffer.concat(
            pieces.flatMap((piece) => (seq ? [piece, Buffer.from('ä')] : [piece])),
          );
          expect(transport.value().equals(all)).to.equal(true);
          expect(transport.disconnecting).to.equal(true);
          expect(time.getDelayedCalls()).to.deep.equal([]);
        }),
        { numRuns: 60 },
      );
    });

    it('lets nobody pass before those who wait already', () => {
      const factory = factoryOf(Counting, { writeLimit: 1000 });
      const transports = [new StringTransport(), new StringTransport()];
      const [first, second] = transports.map((each) => connect(factory, each)[0]);
      first?.write(Buffer.alloc(1000));
      clock.advance(0.04);
      // There are tokens by now, and it is not its turn.
      second?.write(Buffer.alloc(10));
      expect(transports.map((each) => each.value().length)).to.deep.equal([100, 0]);
      clock.advance(0.01);
      expect(transports.map((each) => each.value().length)).to.deep.equal([150, 0]);
      clock.advance(0.05);
      expect(transports.map((each) => each.value().length)).to.deep.equal([190, 10]);
    });

    it('refuses what is no data at once', () => {
      const [wrapper] = connect(factoryOf(Counting, { writeLimit: 1 }));
      expect(() => wrapper.write(5 as unknown as string)).to.throw(TypeError);
      expect(() => wrapper.writeSequence('text')).to.throw(TypeError);
      expect(() => wrapper.writeSequence(['x', 5 as unknown as string])).to.throw(TypeError);
    });

    it('closes, either side or both, behind what is to be sent', () => {
      const transport = new StringTransport({ lenient: true });
      const [wrapper, inner] = connect(factoryOf(Counting, { writeLimit: 1000 }), transport);
      wrapper.write(Buffer.alloc(1000));
      wrapper.loseWriteConnection();
      expect(transport.writeDisconnecting).to.equal(false);
      clock.advance(1);
      expect([transport.value().length, transport.writeDisconnecting]).to.deep.equal([1000, true]);

      const second = new StringTransport({ lenient: true });
      const [whole, its] = connect(factoryOf(Counting, { writeLimit: 1000 }), second);
      whole.write(Buffer.alloc(1000));
      whole.loseConnection();
      expect([whole.disconnecting, second.disconnecting]).to.deep.equal([true, false]);
      whole.dataReceived(Buffer.from('too late'));
      whole.write('and this still leaves');
      clock.advance(1.2);
      expect([second.value().length, second.disconnecting]).to.deep.equal([1021, true]);
      expect([inner.bytes, its.bytes]).to.deep.equal([0, 0]);
    });

    it('waits with closing for a producer', () => {
      const transport = new StringTransport({ lenient: true });
      const [wrapper] = connect(factoryOf(Counting, { writeLimit: 1000 }), transport);
      const producer = { pauseProducing() {}, resumeProducing() {}, stopProducing() {} };
      wrapper.registerProducer(producer, true);
      expect(() => wrapper.registerProducer(producer, true)).to.throw('producer');
      wrapper.loseConnection();
      wrapper.write(Buffer.alloc(500));
      clock.advance(1);
      expect(transport.disconnecting).to.equal(false);
      wrapper.write(Buffer.alloc(500));
      wrapper.unregisterProducer();
      expect(transport.disconnecting).to.equal(false);
      clock.advance(1);
      expect([transport.value().length, transport.disconnecting]).to.deep.equal([1000, true]);
    });

    it('drops everything when the connection is aborted or lost', () => {
      for (const end of ['abortConnection', 'connectionLost'] as const) {
        const transport = new StringTransport({ lenient: true });
        const [wrapper] = connect(factoryOf(Counting, { writeLimit: 1000 }), transport);
        wrapper.write(Buffer.alloc(1000));
        if (end === 'abortConnection') wrapper.abortConnection();
        else wrapper.connectionLost(DONE);
        wrapper.write(Buffer.alloc(1000));
        clock.advance(10);
        expect(transport.value().length, end).to.equal(100);
        expect(clock.getDelayedCalls()).to.deep.equal([]);
      }
    });

    it('asks a pull producer for a piece when the last one has left', () => {
      const factory = factoryOf(Counting, { writeLimit: 1000 });
      const wrapper = factory.buildProtocol(new StringTransport().getPeer());
      const client = new Counting();
      const [serverIO, clientIO] = [new FakeTransport(true), new FakeTransport(false)];
      const pump: IOPump = connectTransports(wrapper, serverIO, client, clientIO);
      let pieces = 0;
      const producer = {
        resumeProducing(): void {
          pieces += 1;
          wrapper?.write(Buffer.alloc(100));
          if (pieces < 20) return;
          wrapper?.unregisterProducer();
          wrapper?.loseConnection();
        },
        stopProducing(): void {},
      };
      wrapper?.registerProducer(producer, false);
      for (let i = 0; i < 100; i++) {
        pump.flush();
        if (i === 50) expect(client.bytes).to.be.within(900, 1200);
        clock.advance(0.02);
      }
      pump.flush();
      clock.advance(0.2);
      pump.flush();
      expect([pieces, client.bytes]).to.deep.equal([20, 2000]);
      expect(client.calls).to.deep.equal(['ConnectionDone']);
    });

    it('pauses a producer at once that comes when much waits already', () => {
      const transport = new StringTransport({ lenient: true });
      const [wrapper] = connect(factoryOf(Counting, { writeLimit: 10_000 }), transport);
      wrapper.write(Buffer.alloc(80_000));
      const calls: string[] = [];
      const producer: PushProducer = {
        pauseProducing: () => calls.push('pause'),
        resumeProducing: () => calls.push('resume'),
        stopProducing: () => calls.push('stop'),
      };
      wrapper.registerProducer(producer, true);
      expect(calls).to.deep.equal(['pause']);
      clock.advance(10);
      expect(calls).to.deep.equal(['pause', 'resume']);
    });

    it('pauses a producer for the transport as well as for the rate', () => {
      const transport = new StringTransport({ lenient: true });
      const [wrapper] = connect(factoryOf(Counting, { writeLimit: 1e6 }), transport);
      const calls: string[] = [];
      const producer: PushProducer = {
        pauseProducing: () => calls.push('pause'),
        resumeProducing: () => calls.push('resume'),
        stopProducing: () => calls.push('stop'),
      };
      wrapper.registerProducer(producer, true);
      const ours = transport.producer as PushProducer; // a streaming one
      ours.pauseProducing();
      wrapper.write(Buffer.alloc(1000));
      clock.advance(1);
      expect([transport.value().length, calls]).to.deep.equal([0, ['pause']]);
      ours.resumeProducing();
      expect([transport.value().length, calls]).to.deep.equal([1000, ['pause', 'resume']]);
      wrapper.write(Buffer.alloc(1e6));
      expect(calls).to.deep.equal(['pause', 'resume', 'pause']);
      clock.advance(1);
      expect(calls).to.deep.equal(['pause', 'resume', 'pause', 'resume']);
      ours.stopProducing();
      expect(calls.at(-1)).to.equal('stop');
    });

    it('costs a connection, and no other, what its producer throws in its turn', () => {
      const reports: string[] = [];
      const before = setUnhandledFailureHandler((failure) =>
        reports.push(failure.getErrorMessage()),
      );
      try {
        const factory = factoryOf(Counting, { writeLimit: 10_000 });
        const [bad, good] = [1, 2].map(() => new StringTransport({ lenient: true }));
        const [wrapper] = connect(factory, bad);
        const [other] = connect(factory, good);
        const producer: PushProducer = {
          pauseProducing() {},
          resumeProducing() {
            throw new Error('broken');
          },
          stopProducing() {},
        };
        wrapper.registerProducer(producer, true);
        wrapper.write(Buffer.alloc(70_000));
        other.write(Buffer.alloc(70_000));
        clock.advance(30);
        expect(reports).to.deep.equal(['broken']);
        expect(bad?.disconnected).to.equal(true);
        expect([good?.value().length, good?.disconnected]).to.deep.equal([70_000, false]);
        other.write(Buffer.alloc(5000));
        clock.advance(1);
        expect(good?.value().length).to.equal(75_000);
      } finally {
        setUnhandledFailureHandler(before);
      }
    });

    it('still sends the answer when the peer has ended its side, with no producer going on for it', () => {
      class Echo extends Counting {
        override dataReceived(data: Buffer): void {
          this.transport.write(data);
        }
      }
      const factory = factoryOf(Echo, { writeLimit: 1000, readLimit: 1e6 });
      const [client, , pump] = connectedServerAndClient(
        () => factory.buildProtocol(new StringTransport().getPeer()) ?? new Counting(),
        HalfCloseable,
      );
      client.transport.write(Buffer.alloc(2000));
      client.transport.loseWriteConnection();
      for (let i = 0; i < 300; i++) {
        pump.flush();
        clock.advance(0.01);
      }
      pump.flush();
      expect(client.bytes).to.equal(2000);
      expect(client.calls).to.deep.equal(['write end', 'read end after 2000', 'ConnectionDone']);
      expect(factory.protocols.size).to.equal(0);
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('starts TLS behind what was written, and with what had come', () => {
      const started: unknown[] = [];
      class Securable extends StringTransport {
        startTLS(...args: unknown[]): void {
          started.push([this.value().length, ...args]);
        }
      }
      const transport = new Securable({ lenient: true });
      const limits = { writeLimit: 1000, readLimit: 1000 };
      const [wrapper] = connect(factoryOf(Counting, limits), transport);
      const secure = wrapper as unknown as Securable;
      wrapper.write(Buffer.alloc(500));
      wrapper.dataReceived(Buffer.alloc(150, 'x'));
      secure.startTLS('context', true);
      expect(started).to.deep.equal([
        [500, 'context', { isClient: false, received: Buffer.alloc(50, 'x') }],
      ]);
      expect(transport.producerState).to.equal('producing');
      // The 400 bytes that were not waited for are waited for now.
      wrapper.write(Buffer.alloc(10));
      clock.advance(0.35);
      expect(transport.value().length).to.equal(500);
      clock.advance(0.2);
      expect(transport.value().length).to.equal(510);
    });
  });

  it('takes another limit while connections stand, and none', () => {
    const transport = new StringTransport({ lenient: true });
    const factory = factoryOf(Counting, { writeLimit: 1000 });
    const [wrapper] = connect(factory, transport);
    wrapper.write(Buffer.alloc(20_000));
    clock.advance(1);
    expect(transport.value().length).to.be.within(1000, 1150);
    factory.writeLimit = 10_000;
    clock.advance(1);
    expect(transport.value().length).to.be.within(10_500, 11_200);
    factory.writeLimit = null;
    expect(factory.writeLimit).to.equal(null);
    clock.advance(0.1);
    expect(transport.value().length).to.equal(20_000);
    factory.writeLimit = 100;
    wrapper.write(Buffer.alloc(1000));
    clock.advance(1);
    expect(transport.value().length).to.be.within(20_090, 20_130);
    expect(factory.readLimit).to.equal(null);
  });

  it('refuses what is no rate', () => {
    for (const wrong of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      for (const name of [
        'readLimit',
        'writeLimit',
        'readLimitPerConnection',
        'writeLimitPerConnection',
      ]) {
        expect(() => factoryOf(Counting, { [name]: wrong }), name).to.throw(
          RangeError,
          `Cannot set ${name} to ${wrong}`,
        );
      }
    }
  });

  it('refuses connections beyond their number, in one line for all of them', () => {
    const logged: LogEvent[] = [];
    const before = setLogObserver((event) => logged.push(event));
    try {
      const factory = factoryOf(Counting, { maxConnectionCount: 2 });
      const wrappers = [connect(factory)[0], connect(factory)[0]];
      const peer = new StringTransport().getPeer();
      for (let i = 0; i < 100; i++) expect(factory.buildProtocol(peer)).to.equal(null);
      wrappers[0]?.connectionLost(DONE);
      expect(factory.buildProtocol(peer)).not.to.equal(null);
      expect(logged.map(({ level, message }) => [level, message])).to.deep.equal([
        ['warn', 'Refusing connections: 2 stand, as many as may'],
      ]);
    } finally {
      setLogObserver(before);
    }
  });

  it('leaves a connection without limits alone', () => {
    const transport = new StringTransport({ lenient: true });
    const [wrapper, inner] = connect(factoryOf(Counting, {}), transport);
    const producer = { pauseProducing() {}, resumeProducing() {}, stopProducing() {} };
    wrapper.registerProducer(producer, true);
    expect(transport.producer).to.equal(producer);
    wrapper.unregisterProducer();
    wrapper.write(Buffer.alloc(1e6));
    wrapper.writeSequence(['x']);
    wrapper.dataReceived(Buffer.alloc(1e6));
    expect([transport.value().length, inner.bytes]).to.deep.equal([1e6 + 1, 1e6]);
    wrapper.pauseProducing();
    expect(transport.producerState).to.equal('paused');
    wrapper.resumeProducing();
    wrapper.loseWriteConnection();
    expect(transport.writeDisconnecting).to.equal(true);
    wrapper.stopProducing();
    expect(transport.disconnecting).to.equal(true);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });
});
