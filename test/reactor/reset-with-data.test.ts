import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import { ConnectionDone, ConnectionLost, LibuvReactor } from '../../src/reactor/index.ts';
import { stopReactor } from '../support/faults.ts';
import { Recorder, RecordingFactory } from '../support/recorder.ts';

for (const readMethod of ['onread', 'data'] as const) {
  describe(`A TCP connection whose peer writes and resets it at once (${readMethod})`, () => {
    it('is lost, and not ended in good order: what came may have been cut off', async () => {
      const reactor = new LibuvReactor({ readMethod });
      const factory = new RecordingFactory(() => new Recorder());
      const port = reactor.listenTCP(0, factory, { interface: '127.0.0.1' });
      try {
        for (const reset of [true, false]) {
          const socket = connect(port.getHost().port, '127.0.0.1');
          await once(socket, 'connect');
          await factory.until(() => factory.built.length > (reset ? 0 : 1));
          const ours = factory.built.at(-1) as Recorder; // what its factory makes
          socket.write('half of i');
          if (reset) socket.resetAndDestroy();
          else socket.end();
          await ours.until(() => ours.lost);
          expect(String(ours.received)).to.be.oneOf(['half of i', '']);
          expect(ours.reason?.value).to.be.instanceOf(reset ? ConnectionLost : ConnectionDone);
          socket.destroy();
        }
      } finally {
        await port.stopListening();
        await stopReactor(reactor);
      }
    });
  });
}
