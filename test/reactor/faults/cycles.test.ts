import { expect } from 'chai';
import { ConnectionAborted, LibuvReactor } from '../../../src/reactor/index.ts';
import {
  BlockingPeer,
  type SocketKind,
  stopReactor,
  tcpKind,
  unixKind,
} from '../../support/faults.ts';
import { LeakWatch } from '../../support/leaks.ts';
import { FailureTrap, Progress, Recorder, RecordingFactory } from '../../support/recorder.ts';

const ABREAST = 100;

interface Course {
  readonly open: () => SocketKind;
  readonly cycles: number;
}

/** Most of them over TCP, where resets are hardest. */
const COURSES: readonly Course[] = [
  { open: tcpKind, cycles: 10_000 },
  { open: unixKind, cycles: 2_000 },
];

for (const { open, cycles } of COURSES) {
  const kind = open();
  describe(`${cycles} ${kind.name} connections`, () => {
    let peer: BlockingPeer;
    let reactor: LibuvReactor;
    let trap: FailureTrap;

    before(async () => {
      peer = await BlockingPeer.start();
    });

    after(async () => {
      await peer.stop();
      kind.close();
    });

    beforeEach(() => {
      reactor = new LibuvReactor();
      trap = new FailureTrap();
    });

    afterEach(async () => {
      trap.restore();
      await stopReactor(reactor);
    });

    it('that are made and reset leave nothing behind, neither open nor to be called', async () => {
      const progress = new Progress();
      const count = { made: 0, lost: 0 };
      const factory = new RecordingFactory(
        () =>
          new Recorder({
            made: () => {
              count.made += 1;
            },
            lost: () => {
              count.lost += 1;
              progress.changed();
            },
          }),
      );
      const watch = new LeakWatch(reactor);
      const { port, where } = kind.listen(reactor, factory);
      await peer.churn(where, cycles, ABREAST);
      const last = new Recorder();
      kind.connect(reactor, where, new RecordingFactory(() => last));
      // Behind all others in the queue of the port: when it is over, so are they.
      const before = factory.built.length;
      await last.until(() => last.made);
      await factory.until(() => factory.built.length > before);
      last.transport.loseConnection();
      await progress.until(() => count.lost === count.made);
      await port.stopListening();
      await watch.check();
      // Some were reset before they were accepted.
      expect(count.made).to.be.above(cycles / 10);
      expect(trap.caught).to.have.length(0);
    });

    it('that we make and abort leave nothing behind', async () => {
      const watch = new LeakWatch(reactor);
      const { port, where } = kind.listen(reactor, new RecordingFactory());
      let left = cycles / 5;
      const lane = async (): Promise<void> => {
        while (left-- > 0) {
          const client = new Recorder({ made: (self) => self.transport.abortConnection() });
          const factory = new RecordingFactory(() => client);
          kind.connect(reactor, where, factory);
          await factory.until(() => factory.calls.includes('stop'));
          expect(client.calls).to.deep.equal(['made', 'lost']);
          expect(client.reason?.check(ConnectionAborted)).to.equal(ConnectionAborted);
        }
      };
      await Promise.all(Array.from({ length: ABREAST }, lane));
      await port.stopListening();
      await watch.check();
      expect(trap.caught).to.have.length(0);
    });
  });
}
