import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import { CannotListenError, LibuvReactor, serverFromString } from '../../src/reactor/index.ts';
import { Datagrams, HOST } from '../support/datagrams.ts';
import { RecordingFactory } from '../support/recorder.ts';
import { fixture } from '../support/twistd-child.ts';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
/** Which Node has it, and which systems. */
const NODE_HAS_IT = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
const SYSTEM_HAS_IT = process.platform === 'linux';

async function start(port: number): Promise<[ChildProcess, number]> {
  const child = fork(fixture('stdio/shares-port.ts'), [String(port)], {
    execArgv: ['--import', import.meta.resolve('tsx')],
  });
  const [listening] = (await once(child, 'message')) as [number];
  return [child, listening];
}

async function answer(port: number): Promise<string> {
  const socket = connect(port, HOST).setEncoding('utf8');
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}

describe('reusePort', () => {
  let reactor: LibuvReactor;

  beforeEach(() => {
    reactor = new LibuvReactor();
  });

  afterEach(async () => {
    const running = reactor.run(false);
    reactor.stop();
    await running;
    expect(reactor.openCount).to.equal(0);
  });

  const shared = { interface: HOST, reusePort: true };

  const errorOf = (f: () => unknown): Error => {
    try {
      f();
    } catch (error) {
      if (error instanceof Error) return error;
    }
    throw new Error('It did not throw');
  };

  describe('where Node and the system have it', () => {
    before(function () {
      if (!NODE_HAS_IT || !SYSTEM_HAS_IT) this.skip();
    });

    it('lets two processes share a port: both get connections', async () => {
      const [first, port] = await start(0);
      const [second, same] = await start(port);
      expect(same).to.equal(port);
      const pids = new Set<string>();
      // The kernel draws lots by the client's address and port: 64 times the same is as likely as 64 heads in a row.
      for (let i = 0; i < 64 && pids.size < 2; i++) pids.add(await answer(port));
      expect(pids).to.deep.equal(new Set([String(first.pid), String(second.pid)]));
      const ends = [once(first, 'exit'), once(second, 'exit')];
      first.disconnect();
      second.disconnect();
      await Promise.all(ends);
    });

    for (const method of ['onread', 'data'] as const) {
      it(`lets ports of one process share, IPv6 too, and only with each other (${method})`, async () => {
        const other = new LibuvReactor({ readMethod: method });
        for (const host of [HOST, '::1']) {
          const options = { interface: host, reusePort: true };
          const first = other.listenTCP(0, new RecordingFactory(), options);
          const { port } = first.getHost();
          const second = other.listenTCP(port, new RecordingFactory(), options);
          expect(second.getHost()).to.deep.equal(first.getHost());
          const alone = errorOf(() =>
            other.listenTCP(port, new RecordingFactory(), { interface: host }),
          );
          expect(alone).to.be.instanceOf(CannotListenError).and.have.nested.property('cause.code');
          await first.stopListening();
          await second.stopListening();
        }
        expect(other.openCount).to.equal(0);
      });
    }

    it('lets UDP ports share', () => {
      const first = reactor.listenUDP(0, new Datagrams(), shared);
      const { port } = first.getHost();
      const second = reactor.listenUDP(port, new Datagrams(), shared);
      expect(second.getHost()).to.deep.equal(first.getHost());
      expect(
        errorOf(() => reactor.listenUDP(port, new Datagrams(), { interface: HOST })),
      ).to.be.instanceOf(CannotListenError);
    });

    it('is an argument of the tcp: endpoint', async () => {
      const description = 'tcp:0:interface=127.0.0.1:reusePort=1';
      const port = await serverFromString(reactor, description).listen(new RecordingFactory());
      const address = port.getHost();
      if (!('port' in address)) throw new Error(`It has no port: ${address}`);
      reactor.listenTCP(address.port, new RecordingFactory(), shared);
    });
  });

  it('is never ignored: a Node that has it not says so, and which has it', function () {
    if (NODE_HAS_IT) this.skip();
    const message = `reusePort needs Node 22.12 or later: this is ${process.version}`;
    for (const listen of [
      () => reactor.listenTCP(0, new RecordingFactory(), shared),
      () => reactor.listenTCP(0, new RecordingFactory(), { interface: '::1', reusePort: true }),
      () => new LibuvReactor({ readMethod: 'data' }).listenTCP(0, new RecordingFactory(), shared),
      () => reactor.listenUDP(0, new Datagrams(), shared),
      () => reactor.listenMulticast(0, new Datagrams(), shared),
    ]) {
      const error = errorOf(listen);
      expect(error).to.be.instanceOf(CannotListenError);
      expect(error.message).to.contain(message);
    }
    expect(reactor.openCount).to.equal(0);
  });

  it('is true or false', () => {
    for (const reusePort of [1, 'yes', null]) {
      // A caller from JavaScript.
      const options = { reusePort: reusePort as unknown as boolean };
      const message = `reusePort must be true or false: got ${reusePort}`;
      expect(() => reactor.listenTCP(0, new RecordingFactory(), options)).to.throw(
        TypeError,
        message,
      );
      expect(() => reactor.listenUDP(0, new Datagrams(), options)).to.throw(TypeError, message);
    }
    expect(() => serverFromString(reactor, 'tcp:0:reusePort=yes')).to.throw("'reusePort' is 'yes'");
  });

  it('is off unless asked for', () => {
    const first = reactor.listenTCP(0, new RecordingFactory(), { interface: HOST });
    const { port } = first.getHost();
    expect(
      errorOf(() => reactor.listenTCP(port, new RecordingFactory(), { interface: HOST })).message,
    ).to.contain('EADDRINUSE');
  });
});
