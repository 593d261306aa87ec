/**
 * How a stream connection behaves, whatever carries it. Each reactor and each transport runs this suite through a fixture of its own; a test that
 * makes sense for only one of them does not belong here.
 */
import { expect } from 'chai';
import type { Failure } from '../../src/deferred/index.ts';
import {
  ConnectionAborted,
  ConnectionDone,
  ConnectionLost,
  type Transport,
} from '../../src/reactor/index.ts';
import {
  FailureTrap,
  HalfCloseRecorder,
  Recorder,
  type RecorderHooks,
} from '../support/recorder.ts';

/** The two ends of one connection. */
export interface Pair<S extends Recorder, C extends Recorder> {
  readonly server: S;
  readonly client: C;
}

/** A place where connections can be made. */
export interface StreamWorld {
  /** Connects `client` to `server`; resolves when both have their transports. With null for a protocol, that side is closed at once. */
  connect<S extends Recorder, C extends Recorder>(server: S, client: C): Promise<Pair<S, C>>;
  /** Connects to a server whose `buildProtocol` is this. */
  connectTo(build: () => Recorder | null, client: Recorder): Promise<void>;
  /** Lets things happen until `promise` settles. */
  wait<T>(promise: Promise<T>): Promise<T>;
  /** Lets things happen for a few turns, to see that something does not. */
  settle(): Promise<void>;
  /** Closes everything and checks that nothing is left open. */
  close(): Promise<void>;
}

const MIB = 1024 * 1024;

function pattern(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 7 + (i >> 8)) & 0xff;
  return bytes;
}

class TestProducer {
  readonly calls: string[] = [];
  onResume: (() => void) | undefined;

  pauseProducing(): void {
    this.calls.push('pause');
  }

  resumeProducing(): void {
    this.calls.push('resume');
    this.onResume?.();
  }

  stopProducing(): void {
    this.calls.push('stop');
  }
}

/** What not every transport can do. */
export interface StreamAbilities {
  /** Whether an abort looks to the peer like a loss; without a reset it looks like an end. Default true. */
  readonly resets?: boolean;
  /** Whether the end that connected has an address of its own. Default true. */
  readonly namesClients?: boolean;
}

export function describeStream(
  name: string,
  open: () => Promise<StreamWorld>,
  { resets = true, namesClients = true }: StreamAbilities = {},
): void {
  describe(`A stream connection over ${name}`, () => {
    let world: StreamWorld;
    let trap: FailureTrap;

    beforeEach(async () => {
      trap = new FailureTrap();
      world = await open();
    });

    afterEach(async () => {
      await world.close();
      trap.restore();
    });

    const pair = (
      server: RecorderHooks = {},
      client: RecorderHooks = {},
    ): Promise<Pair<Recorder, Recorder>> =>
      world.connect(new Recorder(server), new Recorder(client));

    const bothLost = async ({ server, client }: Pair<Recorder, Recorder>): Promise<void> => {
      await world.wait(server.until(() => server.lost));
      await world.wait(client.until(() => client.lost));
    };

    describe('writing', () => {
      it('delivers bytes and text in order', async () => {
        const { server, client } = await pair();
        client.transport.write('päck ');
        client.transport.write(new Uint8Array([1, 2, 3]));
        client.transport.writeSequence([Buffer.from(' a'), 'b', new Uint8Array([99])]);
        const expected = Buffer.from('päck \x01\x02\x03 abc');
        await world.wait(server.until(() => server.bytes >= expected.length));
        expect(server.received).to.deep.equal(expected);
      });

      it('sends what is written in one turn in one piece', async () => {
        const { server, client } = await pair();
        for (let i = 0; i < 100; i++) client.transport.write(`${i},`);
        await world.wait(server.until(() => server.bytes >= 290));
        expect(server.chunks).to.have.length(1);
      });

      it('delivers large writes whole', async () => {
        const { server, client } = await pair();
        const bytes = pattern(3 * MIB);
        client.transport.write(bytes.subarray(0, 10));
        client.transport.write(bytes.subarray(10, 2 * MIB));
        client.transport.write(bytes.subarray(2 * MIB));
        await world.wait(server.until(() => server.bytes >= bytes.length));
        expect(server.received.equals(bytes)).to.equal(true);
      });

      it('throws TypeError for what is not data, and sends nothing of that call', async () => {
        const { server, client } = await pair();
        const write = (data: unknown): void => client.transport.write(data as string);
        for (const data of [undefined, null, 1, {}, ['a'], new ArrayBuffer(2)]) {
          expect(() => write(data)).to.throw(TypeError, 'Data must be');
        }
        expect(() => client.transport.writeSequence(['lost', 5 as unknown as string])).to.throw(
          TypeError,
        );
        expect(() => client.transport.writeSequence('text')).to.throw(TypeError);
        client.transport.write('ok');
        await world.wait(server.until(() => server.bytes >= 2));
        expect(server.received.toString()).to.equal('ok');
      });

      it('never calls the protocol from inside a write', async () => {
        const { server, client } = await pair({ data: (self, data) => self.transport.write(data) });
        client.calling(() => {
          for (let i = 0; i < 50; i++) client.transport.write('x'.repeat(5000));
        });
        await world.wait(client.until(() => client.bytes >= 250_000));
        expect(client.reentered).to.equal(false);
        expect(server.bytes).to.equal(250_000);
      });

      it('does nothing once the connection is lost', async () => {
        const { server, client } = await pair();
        client.transport.loseConnection();
        await bothLost({ server, client });
        for (const end of [server, client]) {
          end.calling(() => {
            end.transport.write('late');
            end.transport.writeSequence(['later']);
            end.transport.loseConnection();
            end.transport.loseWriteConnection();
            end.transport.abortConnection();
            end.transport.pauseProducing();
            end.transport.resumeProducing();
            end.transport.stopProducing();
            end.transport.unregisterProducer();
          });
          expect(end.transport.connected).to.equal(false);
        }
        await world.settle();
        expect(client.calls.filter((call) => call === 'lost')).to.have.length(1);
        expect(() => client.transport.write(null as unknown as string)).to.throw(TypeError);
      });
    });

    describe('reading', () => {
      it('tells the protocol of its connection before anything else', async () => {
        const { server, client } = await pair({}, { made: (self) => self.transport.write('hi') });
        await world.wait(server.until(() => server.bytes > 0));
        expect(server.calls).to.deep.equal(['made', 'data']);
        expect(client.calls[0]).to.equal('made');
      });

      it('gives away buffers that it does not touch again', async () => {
        const { server, client } = await pair();
        client.transport.write('first');
        await world.wait(server.until(() => server.bytes >= 5));
        client.transport.write('other');
        await world.wait(server.until(() => server.bytes >= 10));
        expect(server.chunks.map(String)).to.deep.equal(['first', 'other']);
      });

      it('delivers nothing while paused, and all of it afterwards', async () => {
        const { server, client } = await pair({ data: (self) => self.transport.pauseProducing() });
        client.transport.write('a');
        await world.wait(server.until(() => server.bytes > 0));
        client.transport.write('b'.repeat(200_000));
        await world.settle();
        expect(server.received.toString()).to.equal('a');
        server.calling(() => server.transport.resumeProducing());
        expect(server.reentered).to.equal(false);
        await world.wait(server.until(() => server.chunks.length === 2));
        await world.settle();
        expect(server.chunks).to.have.length(2);
      });

      it('can be paused from within connectionMade', async () => {
        const { server, client } = await pair({ made: (self) => self.transport.pauseProducing() });
        client.transport.write('x');
        await world.settle();
        expect(server.bytes).to.equal(0);
        server.transport.resumeProducing();
        await world.wait(server.until(() => server.bytes === 1));
      });
    });

    describe('producers', () => {
      it('pauses a push producer once when too much is unsent, and resumes it once when all is sent', async () => {
        const { server, client } = await pair({ made: (self) => self.transport.pauseProducing() });
        const producer = new TestProducer();
        client.transport.registerProducer(producer, true);
        client.transport.write(Buffer.alloc(65_536));
        expect(producer.calls).to.deep.equal([]);
        client.transport.write('x');
        expect(producer.calls).to.deep.equal(['pause']);
        client.transport.write(Buffer.alloc(16 * MIB));
        client.transport.write('y');
        await world.settle();
        expect(producer.calls).to.deep.equal(['pause']);
        const resumed = new Promise<void>((resolve) => {
          producer.onResume = resolve;
        });
        server.transport.resumeProducing();
        await world.wait(resumed);
        expect(producer.calls).to.deep.equal(['pause', 'resume']);
        client.transport.unregisterProducer();
        await world.wait(server.until(() => server.bytes === 65_536 + 16 * MIB + 2));
      });

      it('asks a pull producer for one piece at a time until it is done', async () => {
        const { server, client } = await pair();
        const producer = new TestProducer();
        let left = 20;
        producer.onResume = () => {
          client.transport.write(`${left};`);
          left -= 1;
          if (left === 0) client.transport.unregisterProducer();
        };
        client.transport.registerProducer(producer, false);
        expect(producer.calls).to.deep.equal(['resume']);
        await world.wait(server.until(() => server.received.toString().endsWith(';1;')));
        expect(producer.calls).to.have.length(20);
      });

      it('keeps a pull producer waiting for a peer that does not read', async () => {
        const { server, client } = await pair({ made: (self) => self.transport.pauseProducing() });
        const producer = new TestProducer();
        const chunk = Buffer.alloc(MIB);
        let done = false;
        producer.onResume = () => {
          if (done) client.transport.unregisterProducer();
          else client.transport.write(chunk);
        };
        client.transport.registerProducer(producer, false);
        await world.settle();
        const before = producer.calls.length;
        await world.settle();
        expect(producer.calls.length).to.equal(before);
        expect(before).to.be.below(40);
        done = true;
        server.transport.resumeProducing();
        await world.wait(server.until(() => server.bytes === before * MIB));
      });

      it('refuses a second producer', async () => {
        const { client } = await pair();
        client.transport.registerProducer(new TestProducer(), true);
        expect(() => client.transport.registerProducer(new TestProducer(), true)).to.throw(
          'has one already',
        );
        client.transport.unregisterProducer();
        client.transport.registerProducer(new TestProducer(), true);
        client.transport.unregisterProducer();
      });

      it('stops a producer when the connection is lost, or was lost before', async () => {
        const { server, client } = await pair();
        const before = new TestProducer();
        client.transport.registerProducer(before, true);
        server.transport.abortConnection();
        await bothLost({ server, client });
        expect(before.calls).to.deep.equal(['stop']);
        const after = new TestProducer();
        client.transport.registerProducer(after, true);
        expect(after.calls).to.deep.equal(['stop']);
      });
    });

    it('stops a producer when the peer has ended, and waits for it no longer', async () => {
      const { server, client } = await pair();
      const producer = new TestProducer();
      server.transport.registerProducer(producer, true);
      client.transport.loseConnection();
      await bothLost({ server, client });
      expect(producer.calls).to.deep.equal(['stop']);
      expect(server.reason?.check(ConnectionDone)).to.equal(ConnectionDone);
    });

    describe('loseConnection()', () => {
      it('sends what was written before, and what is written until it closes', async () => {
        const { server, client } = await pair();
        const bytes = pattern(2 * MIB);
        client.transport.write(bytes);
        client.calling(() => client.transport.loseConnection());
        client.transport.loseConnection();
        client.transport.write('tail');
        expect(client.transport.disconnecting).to.equal(true);
        await bothLost({ server, client });
        expect(server.received.equals(Buffer.concat([bytes, Buffer.from('tail')]))).to.equal(true);
        expect(client.reason?.check(ConnectionDone)).to.equal(ConnectionDone);
        expect(server.reason?.check(ConnectionDone)).to.equal(ConnectionDone);
        expect(client.calls.filter((call) => call === 'lost')).to.have.length(1);
        expect(client.reentered).to.equal(false);
      });

      it('waits for a registered producer', async () => {
        const { server, client } = await pair();
        const producer = new TestProducer();
        client.transport.registerProducer(producer, true);
        client.transport.loseConnection();
        server.transport.write('not wanted any more');
        await world.settle();
        expect(server.lost).to.equal(false);
        expect(client.bytes).to.equal(0);
        client.transport.write('last words');
        client.transport.unregisterProducer();
        await bothLost({ server, client });
        expect(server.received.toString()).to.equal('last words');
        expect(producer.calls).to.deep.equal([]);
      });

      it('takes what still comes off the peer’s hands, though it was paused', async () => {
        const { server, client } = await pair();
        client.transport.pauseProducing();
        client.transport.registerProducer(new TestProducer(), true);
        client.transport.loseConnection();
        const producer = new TestProducer();
        const resumed = new Promise<void>((resolve) => {
          producer.onResume = resolve;
        });
        server.transport.registerProducer(producer, true);
        server.transport.write(Buffer.alloc(32 * MIB));
        await world.wait(resumed);
        expect(client.bytes).to.equal(0);
        server.transport.unregisterProducer();
        client.transport.unregisterProducer();
        await bothLost({ server, client });
      });

      it('delivers nothing more, though the peer goes on sending', async () => {
        const { server, client } = await pair(
          {},
          { data: (self) => self.transport.loseConnection() },
        );
        server.transport.write('1');
        await world.wait(client.until(() => client.bytes > 0));
        server.transport.write('2'.repeat(100_000));
        await bothLost({ server, client });
        expect(client.received.toString()).to.equal('1');
      });

      it('works from within connectionMade', async () => {
        const { server, client } = await pair({
          made: (self) => {
            self.transport.write('busy');
            self.transport.loseConnection();
          },
        });
        await bothLost({ server, client });
        expect(client.received.toString()).to.equal('busy');
      });

      it('ends a paused connection too', async () => {
        const { server, client } = await pair();
        client.transport.pauseProducing();
        client.transport.loseConnection();
        await bothLost({ server, client });
        expect(client.reason?.check(ConnectionDone)).to.equal(ConnectionDone);
      });
    });

    describe('abortConnection()', () => {
      it('drops what was not sent and tells both sides, later and once', async () => {
        const { server, client } = await pair({ made: (self) => self.transport.pauseProducing() });
        client.transport.write(Buffer.alloc(32 * MIB));
        await world.settle();
        client.calling(() => {
          client.transport.abortConnection();
          client.transport.abortConnection();
          client.transport.loseConnection();
          client.transport.write('x');
        });
        server.transport.resumeProducing();
        await bothLost({ server, client });
        expect(client.reentered).to.equal(false);
        expect(client.reason?.check(ConnectionAborted)).to.equal(ConnectionAborted);
        // What the kernel tells the peer when it holds unread bytes differs between systems.
        expect(server.bytes).to.be.below(32 * MIB);
        expect(client.calls).to.deep.equal(['made', 'lost']);
      });

      it('ends a connection that is just ending by itself', async () => {
        for (const close of ['loseConnection', 'loseWriteConnection'] as const) {
          const { server, client } = await pair();
          client.transport[close]();
          // Once the end is under way, and before anybody knows.
          setImmediate(() => client.transport.abortConnection());
          await bothLost({ server, client });
          expect(client.calls).to.deep.equal(['made', 'lost']);
        }
      });

      it('ends a connection that would end once all is sent', async () => {
        const { server, client } = await pair({ made: (self) => self.transport.pauseProducing() });
        client.transport.write(Buffer.alloc(32 * MIB));
        client.transport.loseWriteConnection();
        await world.settle();
        client.transport.abortConnection();
        server.transport.resumeProducing();
        await bothLost({ server, client });
        expect(client.reason?.check(ConnectionAborted)).to.equal(ConnectionAborted);
        expect(server.bytes).to.be.below(32 * MIB);
      });

      it('looks like a loss to the peer', async () => {
        const { server, client } = await pair();
        client.transport.abortConnection();
        await bothLost({ server, client });
        const reason = resets ? ConnectionLost : ConnectionDone;
        expect(server.reason?.check(reason)).to.equal(reason);
      });

      it('delivers nothing more', async () => {
        const { server, client } = await pair({ data: (self) => self.transport.abortConnection() });
        client.transport.write('1');
        await bothLost({ server, client });
        expect(server.calls).to.deep.equal(['made', 'data', 'lost']);
      });
    });

    describe('half-close', () => {
      it('ends one direction and leaves the other', async () => {
        const { server, client } = await world.connect(
          new HalfCloseRecorder(),
          new HalfCloseRecorder(),
        );
        client.transport.write('question');
        client.calling(() => client.transport.loseWriteConnection());
        client.transport.loseWriteConnection();
        await world.wait(server.until(() => server.calls.includes('readLost')));
        await world.wait(client.until(() => client.calls.includes('writeLost')));
        client.transport.write('lost');
        server.transport.write('answer');
        await world.wait(client.until(() => client.received.toString() === 'answer'));
        expect(server.lost || client.lost).to.equal(false);
        server.transport.loseConnection();
        await bothLost({ server, client });
        expect(server.received.toString()).to.equal('question');
        expect(server.calls).to.deep.equal(['made', 'data', 'readLost', 'lost']);
        expect(client.calls).to.deep.equal(['made', 'writeLost', 'data', 'readLost', 'lost']);
        expect(client.reason?.check(ConnectionDone)).to.equal(ConnectionDone);
        expect(client.reentered).to.equal(false);
      });

      it('waits for a registered producer', async () => {
        const { server, client } = await world.connect(
          new HalfCloseRecorder(),
          new HalfCloseRecorder(),
        );
        client.transport.registerProducer(new TestProducer(), true);
        client.transport.loseWriteConnection();
        client.transport.write('last words');
        await world.wait(server.until(() => server.bytes === 10));
        await world.settle();
        expect(server.calls).to.not.include('readLost');
        client.transport.unregisterProducer();
        await world.wait(server.until(() => server.calls.includes('readLost')));
        expect(server.received.toString()).to.equal('last words');
        expect(server.lost || client.lost).to.equal(false);
      });

      it('closes a connection whose both directions have ended', async () => {
        const ends = await world.connect(new HalfCloseRecorder(), new HalfCloseRecorder());
        ends.client.transport.loseWriteConnection();
        ends.server.transport.loseWriteConnection();
        await bothLost(ends);
        expect(
          ends.server.reason?.check(ConnectionDone),
          String(ends.server.reason?.value),
        ).to.equal(ConnectionDone);
        expect(ends.client.reason?.check(ConnectionDone)).to.equal(ConnectionDone);
      });

      it('closes a peer that does not know of it, once its answer has left', async () => {
        const answer = pattern(MIB);
        const { server, client } = await world.connect(
          new Recorder({ data: (self) => self.transport.write(answer) }),
          new HalfCloseRecorder(),
        );
        client.transport.write('?');
        client.transport.loseWriteConnection();
        await bothLost({ server, client });
        expect(client.received.equals(answer)).to.equal(true);
        expect(server.reason?.check(ConnectionDone)).to.equal(ConnectionDone);
      });

      it('loses the connection when the notification throws', async () => {
        const server = new HalfCloseRecorder();
        server.readHook = () => {
          throw new RangeError('readConnectionLost broke');
        };
        const ends = await world.connect(server, new HalfCloseRecorder());
        ends.client.transport.loseWriteConnection();
        await bothLost(ends);
        expect(server.reason?.check(RangeError)).to.equal(RangeError);
        expect(trap.caught).to.have.length(1);
      });
    });

    describe('a fault in user code', () => {
      it('in dataReceived costs that connection only, and is reported once with its origin', async () => {
        const good = await pair();
        const bad = await pair({
          data: () => {
            throw new SyntaxError('bad byte');
          },
        });
        bad.client.transport.write('x');
        await bothLost(bad);
        expect(bad.server.reason?.check(SyntaxError)).to.equal(SyntaxError);
        expect(trap.caught).to.have.length(1);
        expect(trap.caught[0]?.origin).to.match(/Recorder,/);
        expect(trap.caught[0]?.failure.getErrorMessage()).to.contain('bad byte');
        good.client.transport.write('still here');
        await world.wait(good.server.until(() => good.server.bytes === 10));
      });

      it('in an async method costs that connection too, and is no unhandled rejection', async () => {
        class Async extends Recorder {
          readonly #where: string;
          constructor(where: string) {
            super();
            this.#where = where;
          }
          override makeConnection(transport: Transport): Promise<void> {
            super.makeConnection(transport);
            return this.#fail('made');
          }
          override dataReceived(data: Buffer): Promise<void> {
            super.dataReceived(data);
            return this.#fail('data');
          }
          override connectionLost(reason: Failure): Promise<void> {
            super.connectionLost(reason);
            return this.#fail('lost');
          }
          async #fail(where: string): Promise<void> {
            if (where === this.#where) throw new RangeError(`${where} broke`);
          }
        }
        for (const where of ['made', 'data']) {
          const { server, client } = await world.connect(new Async(where), new Recorder());
          client.transport.write('x');
          await bothLost({ server, client });
          expect(server.reason?.getErrorMessage()).to.equal(`${where} broke`);
        }
        const { server, client } = await world.connect(new Async('lost'), new Recorder());
        client.transport.loseConnection();
        await bothLost({ server, client });
        await world.settle();
        expect(trap.caught.map(({ failure }) => failure.getErrorMessage())).to.deep.equal([
          'made broke',
          'data broke',
          'lost broke',
        ]);
        for (const { origin } of trap.caught) expect(origin).to.match(/Async,/);
      });

      it('outranks an abort in the same call', async () => {
        const { server, client } = await pair({
          data: (self) => {
            self.transport.abortConnection();
            throw new SyntaxError('after abort');
          },
        });
        client.transport.write('x');
        await bothLost({ server, client });
        expect(server.reason?.check(SyntaxError)).to.equal(SyntaxError);
      });

      it('in connectionMade and in connectionLost is reported and leaks nothing', async () => {
        const made = await pair({
          made: () => {
            throw new Error('made broke');
          },
        });
        await bothLost(made);
        const lost = await pair({
          lost: () => {
            throw new Error('lost broke');
          },
        });
        lost.client.transport.loseConnection();
        await bothLost(lost);
        expect(trap.caught.map(({ failure }) => failure.getErrorMessage())).to.deep.equal([
          'made broke',
          'lost broke',
        ]);
      });

      it('in a producer costs the connection', async () => {
        const { server, client } = await pair();
        const producer = new TestProducer();
        client.transport.registerProducer(producer, true);
        producer.onResume = () => {
          throw new Error('producer broke');
        };
        client.transport.write(Buffer.alloc(MIB));
        await bothLost({ server, client });
        expect(client.reason?.getErrorMessage()).to.equal('producer broke');
        expect(trap.caught).to.have.length(1);
      });
    });

    describe('buildProtocol()', () => {
      it('closes the connection in good order when it gives none', async () => {
        const client = new Recorder();
        await world.connectTo(() => null, client);
        await world.wait(client.until(() => client.lost));
        expect(client.reason?.check(ConnectionDone)).to.equal(ConnectionDone);
        expect(trap.caught).to.have.length(0);
      });

      it('closes the connection and is reported when it throws', async () => {
        const client = new Recorder();
        await world.connectTo(() => {
          throw new Error('no protocol today');
        }, client);
        await world.wait(client.until(() => client.lost));
        expect(trap.caught.map(({ failure }) => failure.getErrorMessage())).to.deep.equal([
          'no protocol today',
        ]);
      });
    });

    it('tells each end the address of the other', async () => {
      const { server, client } = await pair();
      const end = (transport: Transport): string[] => [
        String(transport.getHost()),
        String(transport.getPeer()),
      ];
      expect(end(server.transport)).to.deep.equal(end(client.transport).reverse());
      if (namesClients) expect(new Set(end(client.transport))).to.have.property('size', 2);
    });

    it('carries 50 connections at once without mixing them up', async () => {
      const pairs = await Promise.all(
        Array.from({ length: 50 }, () =>
          pair({ data: (self, data) => self.transport.write(data) }),
        ),
      );
      for (const [i, { client }] of pairs.entries()) {
        for (let n = 0; n < 20; n++) client.transport.write(`${i}:${n};`);
      }
      for (const [i, { client }] of pairs.entries()) {
        await world.wait(client.until(() => client.received.toString().endsWith(`:19;`)));
        const expected = Array.from({ length: 20 }, (_, n) => `${i}:${n};`).join('');
        expect(client.received.toString()).to.equal(expected);
      }
    });
  });
}
