import { createServer } from 'node:net';
import { expect } from 'chai';
import { CannotListenError, LibuvReactor } from '../../../src/reactor/index.ts';
import { type SocketKind, stopReactor, tcpKind, unixKind } from '../../support/faults.ts';
import { LeakWatch } from '../../support/leaks.ts';
import { Recorder, RecordingFactory } from '../../support/recorder.ts';

const KINDS: ReadonlyArray<() => SocketKind> = [tcpKind, unixKind];

for (const open of KINDS) {
  for (const readMethod of ['onread', 'data'] as const) {
    const kind = open();
    describe(`A ${kind.name} port that somebody else takes while it is stopped (${readMethod})`, () => {
      after(() => kind.close());

      it('cannot be listened on, and can be again once it is free', async () => {
        const reactor = new LibuvReactor({ readMethod });
        const watch = new LeakWatch(reactor);
        const servers = new RecordingFactory();
        const { port, where } = kind.listen(reactor, servers);
        // Port 0 would give a stopped port another number.
        const fixed =
          'port' in where
            ? reactor.listenTCP(await given(port, where.port), servers, { interface: where.host })
            : port;
        await fixed.stopListening();

        const thief = createServer();
        await new Promise<void>((resolve) => thief.listen(where, resolve));
        for (let i = 0; i < 2; i++) {
          expect(() => fixed.startListening())
            .to.throw(CannotListenError)
            .with.nested.property('socketError.code', 'EADDRINUSE');
          expect(reactor.openCount).to.equal(0);
        }
        await fixed.stopListening();
        const started = servers.calls.filter((call) => call === 'start').length;
        expect(servers.calls.filter((call) => call === 'stop')).to.have.length(started);
        await new Promise((resolve) => thief.close(resolve));

        fixed.startListening();
        const client = new Recorder();
        kind.connect(reactor, where, new RecordingFactory(() => client));
        await servers.until(() => servers.built.length === 1);
        await client.until(() => client.made);
        await stopReactor(reactor);
        await watch.check();
      });
    });
  }
}

/** The number of a port once that is free. */
async function given(
  port: { stopListening(): PromiseLike<void> },
  number: number,
): Promise<number> {
  await port.stopListening();
  return number;
}
