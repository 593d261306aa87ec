import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { ConnectionAborted, ConnectionDone, LibuvReactor } from '../../../src/reactor/index.ts';
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
import { HalfCloseRecorder, Recorder, RecordingFactory } from '../../support/recorder.ts';

const FIXTURE = fileURLToPath(new URL('../../fixtures/faults/vanishing-peers.ts', import.meta.url));
const MIB = 1024 * 1024;
const MUCH = Buffer.alloc(16 * MIB, 'much');

/** Whether this user may have a network of its own here, with settings of its own. */
function canUnshare(): boolean {
  if (process.platform !== 'linux') return false;
  const script = 'ip link set lo up && echo 3 > /proc/sys/net/ipv4/tcp_retries2';
  return spawnSync('unshare', ['-n', 'sh', '-c', script]).status === 0;
}

for (const open of [tcpKind, unixKind]) {
  const kind: SocketKind = open();
  describe(`A ${kind.name} peer`, () => {
    let peer: BlockingPeer;
    let reactor: LibuvReactor;
    let watch: LeakWatch;

    before(async () => {
      peer = await BlockingPeer.start();
    });

    after(async () => {
      await peer.stop();
      kind.close();
    });

    beforeEach(() => {
      reactor = new LibuvReactor();
      watch = new LeakWatch(reactor);
    });

    afterEach(async () => {
      peer.clear();
      await stopReactor(reactor);
      await watch.check();
    });

    const accept = async <R extends Recorder>(server: R): Promise<[R, PeerSocket]> => {
      const { where } = kind.listen(reactor, new RecordingFactory(() => server));
      const socket = peer.connect(where);
      await server.until(() => server.made);
      return [server, socket];
    };

    it('that has ended its side and goes on reading gets all of the answer', async () => {
      const [server, socket] = await accept(
        new Recorder({ data: (self) => self.transport.write(MUCH) }),
      );
      peer.write(socket, '?');
      peer.end(socket);
      const [bytes] = await Promise.all([peer.readToEnd(socket), server.until(() => server.lost)]);
      expect(bytes).to.equal(MUCH.length);
      expect(server.reason?.check(ConnectionDone)).to.equal(ConnectionDone);
    });

    it('that has ended its side gets what a half-closeable protocol still writes, until that closes', async () => {
      const [server, socket] = await accept(new HalfCloseRecorder());
      peer.end(socket);
      await server.until(() => server.calls.includes('readLost'));
      await turns(5);
      expect(server.lost).to.equal(false);
      server.transport.write(MUCH);
      server.transport.write(MUCH);
      server.transport.loseConnection();
      expect(await peer.readToEnd(socket)).to.equal(2 * MUCH.length);
      await server.until(() => server.lost);
      expect(server.calls).to.deep.equal(['made', 'readLost', 'lost']);
    });

    it('that never reads holds loseConnection() up, but not abortConnection()', async () => {
      const [server] = await accept(new Recorder());
      server.transport.write(MUCH);
      server.transport.loseConnection();
      await turns(50);
      expect(server.lost).to.equal(false);
      expect(server.transport.disconnecting).to.equal(true);
      server.transport.abortConnection();
      await server.until(() => server.lost);
      expect(server.reason?.check(ConnectionAborted)).to.equal(ConnectionAborted);
      expect(server.calls).to.deep.equal(['made', 'lost']);
    });

    it('that never reads does not hold up a shutdown, nor the others', async () => {
      const [server] = await accept(new Recorder());
      server.transport.write(MUCH);
      const [other, socket] = await accept(
        new Recorder({ data: (self, data) => self.transport.write(data) }),
      );
      peer.write(socket, 'hello');
      await other.until(() => other.bytes === 5);
      await stopReactor(reactor);
      expect(server.calls).to.deep.equal(['made', 'lost']);
      expect(other.calls.at(-1)).to.equal('lost');
      reactor = new LibuvReactor();
    });

    it('that takes its time holds up neither order nor end of what it is sent', async () => {
      const [server, socket] = await accept(new Recorder());
      for (let i = 0; i < 16; i++) {
        server.transport.write(MUCH.subarray(0, MIB));
        await turns(2);
      }
      server.transport.loseConnection();
      expect(await peer.readToEnd(socket)).to.equal(16 * MIB);
      await server.until(() => server.lost);
      expect(server.reason?.check(ConnectionDone)).to.equal(ConnectionDone);
    });
  });
}

describe('A TCP peer that vanishes without a word', () => {
  it('is lost once the system gives it up, if it is probed or written to', async function () {
    if (!canUnshare()) this.skip();
    const node = [process.execPath, '--import', import.meta.resolve('tsx'), FIXTURE];
    const { stdout } = await promisify(execFile)('unshare', [
      '-n',
      'sh',
      '-c',
      'ip link set lo up && exec "$@"',
      'sh',
      ...node,
    ]);
    const { outcome } = JSON.parse(stdout);
    for (const name of ['probed', 'written to']) {
      expect(outcome[name]?.[0], name).to.be.oneOf([
        'TimeoutError',
        'ConnectionLost',
        'TCPTimedOutError',
      ]);
      expect(outcome[name]?.[1], name).to.be.oneOf(['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH']);
    }
    // Nobody asked for it, so nobody knows.
    expect(outcome['silent still connected']).to.equal(true);
  });
});
