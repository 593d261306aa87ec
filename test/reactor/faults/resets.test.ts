import { expect } from 'chai';
import {
  ConnectError,
  ConnectionAborted,
  ConnectionDone,
  ConnectionLost,
  LibuvReactor,
} from '../../../src/reactor/index.ts';
import {
  BlockingPeer,
  type PeerSocket,
  type SocketKind,
  stopReactor,
  tcpKind,
  turns,
  unixKind,
} from '../../support/faults.ts';
import { LeakWatch } from '../../support/leaks.ts';
import {
  FailureTrap,
  HalfCloseRecorder,
  Recorder,
  type RecorderHooks,
  RecordingFactory,
} from '../../support/recorder.ts';

/** More than a kernel takes for a peer that does not read. */
const MUCH = Buffer.alloc(16 * 1024 * 1024, 'much');

/** Our end of a connection, and the peer's. */
interface Ends {
  readonly ours: HalfCloseRecorder;
  readonly theirs: PeerSocket;
}

type Reason = typeof ConnectionDone | typeof ConnectionLost | typeof ConnectionAborted;

/** A state that a connection is in when its peer resets it. */
interface State {
  readonly name: string;
  /** Whether our end knows of half-closed connections. */
  readonly half?: boolean;
  /** Brings it into that state, resets it, and does what is needed for our end to notice. */
  run(ends: Ends, peer: BlockingPeer): Promise<void> | void;
  /** What our end is told, by TCP; a UNIX socket may tell an end in good order instead. */
  readonly reason: Reason;
  readonly check?: (ours: HalfCloseRecorder) => void;
}

const reasonOf = (ours: Recorder): unknown => Object(ours.reason?.value).constructor;

const seen = (ours: Recorder, call: string): number =>
  ours.calls.filter((one) => one === call).length;

function producer(): { calls: string[]; push: object } {
  const calls: string[] = [];
  const push = {
    pauseProducing: () => calls.push('pause'),
    resumeProducing: () => calls.push('resume'),
    stopProducing: () => calls.push('stop'),
  };
  return { calls, push };
}

const STATES: readonly State[] = [
  {
    name: 'nothing is under way',
    run: ({ ours, theirs }, peer) => {
      ours.transport.write('unread');
      peer.reset(theirs);
    },
    reason: ConnectionLost,
  },
  {
    name: 'what was written has left',
    async run({ ours, theirs }, peer) {
      ours.transport.write('unread');
      await turns(3);
      peer.reset(theirs);
    },
    reason: ConnectionLost,
  },
  {
    name: 'data is being delivered, and is answered',
    async run({ ours, theirs }, peer) {
      ours.hooks.data = () => {
        peer.reset(theirs);
        ours.transport.write('answer');
      };
      peer.write(theirs, 'question');
      await ours.until(() => ours.bytes > 0);
    },
    reason: ConnectionLost,
  },
  {
    name: 'data is being delivered, and is answered by loseConnection()',
    async run({ ours, theirs }, peer) {
      ours.hooks.data = () => {
        peer.reset(theirs);
        ours.transport.write('answer');
        ours.transport.loseConnection();
      };
      peer.write(theirs, 'question');
      await ours.until(() => ours.bytes > 0);
    },
    reason: ConnectionLost,
  },
  {
    name: 'data is being delivered, and is answered by abortConnection()',
    async run({ ours, theirs }, peer) {
      ours.hooks.data = () => {
        peer.reset(theirs);
        ours.transport.abortConnection();
      };
      peer.write(theirs, 'question');
      await ours.until(() => ours.bytes > 0);
    },
    reason: ConnectionAborted,
  },
  {
    name: 'data is queued that the peer does not read',
    async run({ ours, theirs }, peer) {
      ours.transport.write(MUCH);
      await turns(3);
      ours.transport.write('behind it');
      peer.reset(theirs);
    },
    reason: ConnectionLost,
  },
  {
    name: 'it is paused, as is seen once it is resumed',
    async run({ ours, theirs }, peer) {
      ours.transport.pauseProducing();
      ours.transport.write('unread');
      await turns(3);
      peer.reset(theirs);
      await turns(3);
      ours.transport.resumeProducing();
    },
    reason: ConnectionLost,
  },
  {
    name: 'it is paused, as is seen once something is written',
    async run({ ours, theirs }, peer) {
      ours.transport.pauseProducing();
      ours.transport.write('unread');
      await turns(3);
      peer.reset(theirs);
      ours.transport.write('x');
    },
    reason: ConnectionLost,
  },
  {
    name: 'it is paused, as is seen once it is to be closed',
    async run({ ours, theirs }, peer) {
      ours.transport.pauseProducing();
      ours.transport.write('unread');
      await turns(3);
      peer.reset(theirs);
      ours.transport.loseConnection();
    },
    // All that was written had left: nothing is lost that we know of.
    reason: ConnectionDone,
  },
  {
    name: 'our side has ended and the peer goes on',
    half: true,
    async run({ ours, theirs }, peer) {
      ours.transport.write('unread');
      ours.transport.loseWriteConnection();
      await ours.until(() => seen(ours, 'writeLost') === 1);
      peer.reset(theirs);
    },
    reason: ConnectionLost,
    check: (ours) => expect(seen(ours, 'readLost')).to.be.at.most(1),
  },
  {
    name: 'the peer has ended its side and we go on',
    half: true,
    async run({ ours, theirs }, peer) {
      peer.end(theirs);
      await ours.until(() => seen(ours, 'readLost') === 1);
      peer.reset(theirs);
      ours.transport.write('x');
      await turns(2);
      ours.transport.write('x');
    },
    reason: ConnectionLost,
    check: (ours) => expect(seen(ours, 'readLost')).to.equal(1),
  },
  {
    name: 'it is being closed and data is still to be sent',
    async run({ ours, theirs }, peer) {
      ours.transport.write(MUCH);
      ours.transport.loseConnection();
      await turns(3);
      peer.reset(theirs);
    },
    reason: ConnectionLost,
  },
  {
    name: 'it is aborted in the same turn',
    run({ ours, theirs }, peer) {
      peer.reset(theirs);
      ours.transport.abortConnection();
    },
    reason: ConnectionAborted,
  },
  {
    name: 'a push producer is paused, which is then stopped',
    async run({ ours, theirs }, peer) {
      const { calls, push } = producer();
      ours.transport.registerProducer(push as never, true);
      ours.transport.write(MUCH);
      await turns(3);
      ours.hooks.lost = () => expect(calls).to.deep.equal(['pause', 'stop']);
      peer.reset(theirs);
    },
    reason: ConnectionLost,
  },
  {
    name: 'a pull producer is waiting to be asked, which is then stopped',
    async run({ ours, theirs }, peer) {
      let stopped = 0;
      ours.transport.registerProducer(
        {
          resumeProducing: () => ours.transport.write(MUCH),
          stopProducing: () => {
            stopped += 1;
          },
        },
        false,
      );
      await turns(3);
      ours.hooks.lost = () => expect(stopped).to.equal(1);
      peer.reset(theirs);
    },
    reason: ConnectionLost,
  },
];

const KINDS: ReadonlyArray<() => SocketKind> = [tcpKind, unixKind];

for (const open of KINDS) {
  for (const readMethod of ['onread', 'data'] as const) {
    const kind = open();
    describe(`A peer that resets a ${kind.name} connection (${readMethod})`, () => {
      let peer: BlockingPeer;
      let reactor: LibuvReactor;
      let trap: FailureTrap;
      let watch: LeakWatch;

      before(async () => {
        peer = await BlockingPeer.start();
      });

      after(async () => {
        await peer.stop();
        kind.close();
      });

      beforeEach(() => {
        reactor = new LibuvReactor({ readMethod });
        trap = new FailureTrap();
        watch = new LeakWatch(reactor);
      });

      afterEach(async () => {
        trap.restore();
        peer.clear();
        await stopReactor(reactor);
        await watch.check();
        expect(trap.caught.map(({ failure }) => failure.getErrorMessage())).to.deep.equal([]);
      });

      /** That the reactor goes on: a further connection is served. */
      const serves = async (): Promise<void> => {
        const server = new Recorder({ data: (self, data) => self.transport.write(data) });
        const client = new Recorder({ made: (self) => self.transport.write('still there?') });
        const { port, where } = kind.listen(reactor, new RecordingFactory(() => server));
        kind.connect(reactor, where, new RecordingFactory(() => client));
        await client.until(() => client.bytes === 12);
        client.transport.loseConnection();
        await Promise.all([client.until(() => client.lost), server.until(() => server.lost)]);
        await port.stopListening();
      };

      const accepted = async (hooks: RecorderHooks, half: boolean): Promise<Ends> => {
        const ours = half ? new HalfCloseRecorder(hooks) : new Recorder(hooks);
        const { where } = kind.listen(reactor, new RecordingFactory(() => ours));
        const theirs = peer.connect(where);
        await ours.until(() => ours.made);
        return { ours: ours as HalfCloseRecorder, theirs };
      };

      const connected = async (hooks: RecorderHooks, half: boolean): Promise<Ends> => {
        const ours = half ? new HalfCloseRecorder(hooks) : new Recorder(hooks);
        const where = peer.listen(kind.free());
        kind.connect(reactor, where, new RecordingFactory(() => ours));
        await ours.until(() => ours.made);
        return { ours: ours as HalfCloseRecorder, theirs: peer.accept() };
      };

      for (const [role, make] of [
        ['accepted', accepted],
        ['made', connected],
      ] as const) {
        for (const { name, half = false, run, reason, check } of STATES) {
          it(`that we ${role}, while ${name}: it is lost once`, async () => {
            const ends = await make({}, half);
            await run(ends, peer);
            const { ours } = ends;
            await ours.until(() => ours.lost);
            await turns(5);
            expect(seen(ours, 'lost')).to.equal(1);
            expect(ours.calls.at(-1)).to.equal('lost');
            const allowed = kind.resets ? [reason] : [reason, ConnectionDone];
            expect(allowed, `${ours.reason?.value}`).to.include(reasonOf(ours));
            expect(ours.transport.connected).to.equal(false);
            check?.(ours);
            await serves();
          });
        }
      }

      it('that we accepted, in connectionMade: it is lost once', async () => {
        let theirs: PeerSocket = 0;
        const server = new Recorder({
          made: (self) => {
            self.transport.write('hello');
            peer.reset(theirs);
            self.transport.write('anybody?');
          },
        });
        const { where } = kind.listen(reactor, new RecordingFactory(() => server));
        theirs = peer.connect(where);
        await server.until(() => server.lost);
        await turns(5);
        expect(server.calls).to.deep.equal(['made', 'lost']);
        await serves();
      });

      it('that we made, in connectionMade: it is lost once', async () => {
        const client = new Recorder({
          made: (self) => {
            self.transport.write('hello');
            peer.reset(peer.accept());
            self.transport.write('anybody?');
          },
        });
        const factory = new RecordingFactory(() => client);
        kind.connect(reactor, peer.listen(kind.free()), factory);
        await factory.until(() => factory.calls.includes('stop'));
        expect(client.calls).to.deep.equal(['made', 'lost']);
        expect(factory.calls).to.deep.equal(['start', 'connecting', 'build', 'lost', 'stop']);
        await serves();
      });

      it('before it was accepted: no protocol is made for a TCP one, and others are served', async () => {
        const factory = new RecordingFactory();
        const { port, where } = kind.listen(reactor, factory);
        for (let i = 0; i < 20; i++) peer.reset(peer.connect(where));
        // Behind those, so that they have been dealt with when it is accepted.
        peer.write(peer.connect(where), 'last');
        const last = (): Recorder | undefined => factory.built.at(-1) as Recorder | undefined;
        await factory.until(() => factory.built.length === (kind.resets ? 1 : 21));
        await last()?.until(() => last()?.bytes === 4);
        const others = factory.built.slice(0, -1) as Recorder[];
        await Promise.all(others.map((one) => one.until(() => one.lost)));
        for (const one of others) expect(one.calls).to.deep.equal(['made', 'lost']);
        await port.stopListening();
        await serves();
      });

      it('while we connect: the attempt fails once, and the reactor goes on', async () => {
        const factory = new RecordingFactory(() => new Recorder());
        const where = peer.listen(kind.free());
        peer.listenInVain();
        kind.connect(reactor, where, factory);
        // By now the system has been asked, and the loop has not turned since.
        await new Promise<void>((resolve) => process.nextTick(process.nextTick, resolve));
        peer.refuse();
        await factory.until(() => factory.calls.includes('stop'));
        await turns(5);
        if (factory.calls.includes('failed')) {
          expect(factory.calls).to.deep.equal(['start', 'connecting', 'failed', 'stop']);
          expect(factory.reason?.check(ConnectError)).to.equal(ConnectError);
        } else {
          // A UNIX socket is connected before it can be told.
          expect(kind.resets).to.equal(false);
          expect(factory.calls).to.deep.equal(['start', 'connecting', 'build', 'lost', 'stop']);
        }
        await serves();
      });
    });
  }
}
