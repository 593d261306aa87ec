import { once } from 'node:events';
import { createServer, type TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { ConnectionDone, ConnectionLost, LibuvReactor } from '../../src/reactor/index.ts';
import { certificates } from '../support/certificates.ts';
import { stopReactor } from '../support/faults.ts';
import { Recorder, RecordingFactory } from '../support/recorder.ts';

describe('A TLS connection whose end comes while nothing is read', () => {
  for (const size of [10, 20_000, 300_000]) {
    for (const cut of [false, true]) {
      it(`tells an end that was ${cut ? 'cut off' : 'announced'} behind ${size} bytes`, async () => {
        const { server: identity, ca } = certificates();
        const server = createServer({ ...identity }, (socket: TLSSocket) => {
          socket.on('error', () => {});
          socket.once('data', () => {
            if (!cut) {
              socket.end(Buffer.alloc(size));
              return;
            }
            // The socket beneath is closed, so that TLS has no time for its goodbye.
            socket.write(Buffer.alloc(size), () => {
              const { _parent: raw } = socket as unknown as { _parent?: { end(): void } }; // Node's own name for it
              if (raw === undefined) socket.destroy();
              else raw.end();
            });
          });
        });
        server.listen(0, '127.0.0.1');
        await once(server, 'listening');
        const address = server.address();
        const reactor = new LibuvReactor();
        const ours: Recorder = new Recorder({
          made: () => ours.transport.write('go'),
          data: () => {
            ours.transport.pauseProducing();
            reactor.callLater(0.001, () => ours.transport.resumeProducing());
          },
        });
        reactor.connectSSL(
          '127.0.0.1',
          typeof address === 'object' ? (address?.port ?? 0) : 0,
          new RecordingFactory(() => ours),
          { ca: ca.cert },
        );
        await ours.until(() => ours.lost);
        if (!cut) expect(ours.received.length).to.equal(size);
        expect(ours.reason?.value).to.be.instanceOf(cut ? ConnectionLost : ConnectionDone);
        server.close();
        await stopReactor(reactor);
      });
    }
  }
});
