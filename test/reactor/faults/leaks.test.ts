import { createServer } from 'node:net';
import { expect } from 'chai';
import { Clock, LibuvReactor } from '../../../src/reactor/index.ts';
import { stopReactor, tcpKind, turns } from '../../support/faults.ts';
import { LeakWatch, report } from '../../support/leaks.ts';
import { Recorder, RecordingFactory } from '../../support/recorder.ts';

const FILE = 'leaks.test.ts';

describe('The leak check', () => {
  it('finds nothing where all is put back', async () => {
    const reactor = new LibuvReactor();
    const watch = new LeakWatch(reactor);
    reactor.callLater(0, () => {});
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    server.close();
    const listener = (): void => {};
    process.on('exit', listener);
    process.off('exit', listener);
    await turns(2);
    await watch.check();
  });

  it('names what was left open, and where it was made', async () => {
    const watch = new LeakWatch();
    const timer = setInterval(() => {}, 1e6);
    const server = createServer();
    // Without a name to look up it is made there and then.
    await new Promise<void>((resolve) => server.listen(0, resolve));
    const leaks = await watch.end();
    clearInterval(timer);
    server.close();
    expect(leaks.map(({ what }) => what).sort()).to.deep.equal(['TCPSERVERWRAP', 'Timeout']);
    for (const { what, madeAt } of leaks) expect(madeAt, what).to.contain(FILE);
    expect(report(leaks)).to.match(/^2 left open:\n1 x .*\n {4}at .*leaks\.test\.ts:\d+/);
  });

  it('names a listener of the process that was left, and where it was added', async () => {
    const watch = new LeakWatch();
    const listener = (): void => {};
    process.on('exit', listener);
    const leaks = await watch.end();
    process.off('exit', listener);
    expect(leaks.map(({ what }) => what)).to.deep.equal(["listener of process for 'exit'"]);
    expect(leaks[0]?.madeAt).to.contain(FILE);
  });

  it('names a delayed call of the reactor that was left, and who asked for it', async () => {
    const clock = Object.assign(new Clock(), { openCount: 0 });
    clock.callLater(1, function before() {});
    const watch = new LeakWatch(clock);
    clock.callLater(1, function forgotten() {});
    const leaks = await watch.end();
    expect(leaks).to.have.length(1);
    expect(leaks[0]?.what).to.match(/^delayed call .*forgotten/);
    expect(leaks[0]?.madeAt).to.contain(FILE);
    expect(Object.hasOwn(clock, 'callLater')).to.equal(false);
  });

  it('names a connection that was left, and the port that it came by', async () => {
    const reactor = new LibuvReactor();
    const kind = tcpKind();
    const watch = new LeakWatch(reactor);
    const server = new Recorder();
    const client = new Recorder();
    const { port, where } = kind.listen(reactor, new RecordingFactory(() => server));
    kind.connect(reactor, where, new RecordingFactory(() => client));
    await Promise.all([server.until(() => server.made), client.until(() => client.made)]);
    const stopped = port.stopListening();
    const leaks = await watch.end();
    await stopped;
    await stopReactor(reactor);
    expect(leaks.map(({ what }) => what)).to.have.members([
      'TCPWRAP',
      'TCPWRAP',
      '2 connections or ports of the reactor',
    ]);
    const places = leaks.map(({ madeAt }) => madeAt).filter(Boolean);
    expect(places).to.have.length(2);
    for (const place of places) expect(place).to.contain('support/faults.ts');
    expect(places.filter((place) => place.startsWith('accepted by'))).to.have.length(1);
  });
});
