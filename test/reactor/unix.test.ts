import { spawnSync } from 'node:child_process';
import fs, {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  BadFileError,
  CannotListenError,
  ConnectError,
  ConnectionRefusedError,
  clientFromString,
  EndpointSyntaxError,
  EventLoggingObserver,
  LibuvReactor,
  serverFromString,
  UNIXAddress,
  UserError,
} from '../../src/reactor/index.ts';
import { FailureTrap, Recorder, RecordingFactory } from '../support/recorder.ts';

/** A program that leaves a socket file and a lock behind, as one that is killed does. */
const DIES = `
  const { listen } = require('node:net').createServer();
  require('node:net').createServer().listen(process.argv[1], () => {
    require('node:fs').writeFileSync(process.argv[1] + '.lock', String(process.pid));
    process.kill(process.pid, 'SIGKILL');
  });
`;

for (const readMethod of ['onread', 'data'] as const) {
  describe(`UNIX sockets on libuv (${readMethod})`, () => {
    let reactor: LibuvReactor;
    let trap: FailureTrap;
    let folder: string;
    let path: string;

    beforeEach(() => {
      reactor = new LibuvReactor({ readMethod });
      trap = new FailureTrap();
      folder = mkdtempSync(join(tmpdir(), 'strand-'));
      path = join(folder, 'a.sock');
    });

    afterEach(async () => {
      const running = reactor.run(false);
      reactor.stop();
      await running;
      expect(reactor.openCount).to.equal(0);
      expect(trap.caught).to.deep.equal([]);
      trap.restore();
      rmSync(folder, { recursive: true });
    });

    const failure = async (to: string, options?: object): Promise<unknown> => {
      const factory = new RecordingFactory();
      reactor.connectUNIX(to, factory, options);
      await factory.until(() => factory.reason !== undefined);
      return factory.reason?.value;
    };

    it('listenUNIX() has bound when it returns, with the permissions asked for', async () => {
      const factory = new RecordingFactory();
      const port = reactor.listenUNIX(path, factory, { mode: 0o600 });
      expect(port.getHost()).to.deep.equal(new UNIXAddress(path));
      expect(statSync(path).mode & 0o777).to.equal(0o600);
      const socket = connect(path);
      await factory.until(() => factory.built.length === 1);
      const [server] = factory.built as Recorder[];
      expect(server?.transport.getHost()).to.deep.equal(new UNIXAddress(path));
      expect(server?.transport.getPeer()).to.deep.equal(new UNIXAddress(null));
      socket.write('over a file');
      await server?.until(() => server.bytes === 11);
      socket.destroy();
    });

    it('the file has its permissions before anybody can connect', function () {
      // Node's own server cannot be stopped between the two.
      if (readMethod === 'data' || process.platform !== 'linux') this.skip();
      const { chmodSync } = fs;
      const listens: boolean[] = [];
      fs.chmodSync = (file, mode) => {
        chmodSync(file, mode);
        const flags = /^(?:\S+ +){3}(\S+).* (.+)$/;
        for (const line of readFileSync('/proc/net/unix', 'utf8').split('\n')) {
          const [, bits = '', name] = flags.exec(line) ?? [];
          if (name === path) listens.push((Number.parseInt(bits, 16) & 0x10000) !== 0); // __SO_ACCEPTCON
        }
      };
      syncBuiltinESMExports();
      try {
        reactor.listenUNIX(path, new RecordingFactory(), { mode: 0o600 });
      } finally {
        fs.chmodSync = chmodSync;
        syncBuiltinESMExports();
      }
      expect(listens).to.deep.equal([false]);
      expect(statSync(path).mode & 0o777).to.equal(0o600);
    });

    it('is not there when its permissions cannot be set', () => {
      const { chmodSync } = fs;
      fs.chmodSync = () => {
        throw new Error('read only');
      };
      syncBuiltinESMExports();
      try {
        expect(() => reactor.listenUNIX(path, new RecordingFactory())).to.throw(
          CannotListenError,
          'read only',
        );
      } finally {
        fs.chmodSync = chmodSync;
        syncBuiltinESMExports();
      }
      expect(existsSync(path)).to.equal(false);
      expect(reactor.openCount).to.equal(0);
    });

    it('the file goes with the port, and the path is free again', async () => {
      const port = reactor.listenUNIX(path, new RecordingFactory(), { wantPID: true });
      expect(existsSync(`${path}.lock`)).to.equal(true);
      await port.stopListening();
      expect(existsSync(path)).to.equal(false);
      expect(existsSync(`${path}.lock`)).to.equal(false);
      reactor.listenUNIX(path, new RecordingFactory(), { wantPID: true });
    });

    it('listenUNIX() throws CannotListenError for a path in use, and leaves that alone', async () => {
      reactor.listenUNIX(path, new RecordingFactory());
      for (const wantPID of [false, true]) {
        const factory = new RecordingFactory();
        expect(() => reactor.listenUNIX(path, factory, { wantPID }))
          .to.throw(CannotListenError, 'EADDRINUSE')
          .with.nested.property('socketError.code', 'EADDRINUSE');
        expect(factory.calls).to.deep.equal([]);
        expect(existsSync(`${path}.lock`)).to.equal(false);
      }
      const client = new Recorder();
      reactor.connectUNIX(path, new RecordingFactory(() => client));
      await client.until(() => client.made);
    });

    it('listenUNIX() with a lock throws while another living process holds it', () => {
      writeFileSync(`${path}.lock`, '1');
      expect(() => reactor.listenUNIX(path, new RecordingFactory(), { wantPID: true })).to.throw(
        CannotListenError,
        'a living process holds',
      );
    });

    it('listenUNIX() with a lock takes the place of a process that died', async () => {
      spawnSync(process.execPath, ['-e', DIES, path]);
      expect(existsSync(path)).to.equal(true);
      expect(await failure(path, { checkPID: true })).to.be.instanceOf(ConnectionRefusedError);
      expect(await failure(path)).to.be.instanceOf(ConnectionRefusedError);
      expect(() => reactor.listenUNIX(path, new RecordingFactory())).to.throw(CannotListenError);
      writeFileSync(`${path}.lock`, '4194305');
      reactor.listenUNIX(path, new RecordingFactory(), { wantPID: true });
      const client = new Recorder();
      reactor.connectUNIX(path, new RecordingFactory(() => client), { checkPID: true });
      await client.until(() => client.made);
      expect(client.transport.getPeer()).to.deep.equal(new UNIXAddress(path));
    });

    it('listenUNIX() with a lock removes a socket that is left, but no file of another kind', () => {
      writeFileSync(path, 'something of value');
      writeFileSync(`${path}.lock`, '4194305');
      expect(() => reactor.listenUNIX(path, new RecordingFactory(), { wantPID: true })).to.throw(
        CannotListenError,
        'EADDRINUSE',
      );
      expect(readFileSync(path, 'utf8')).to.equal('something of value');
      expect(existsSync(`${path}.lock`)).to.equal(false);
    });

    it('a port whose lock somebody has removed, or taken, stops all the same and says so', async () => {
      const log = new EventLoggingObserver();
      try {
        for (const meddle of [
          () => rmSync(`${path}.lock`),
          () => writeFileSync(`${path}.lock`, '1'),
        ]) {
          const factory = new RecordingFactory();
          const port = reactor.listenUNIX(path, factory, { wantPID: true });
          meddle();
          await port.stopListening();
          expect(factory.calls).to.include('stop');
        }
        expect(log.messages('warn')).to.have.length(2);
        expect(log.messages('warn')[0]).to.match(/^Cannot unlock .*nobody has it$/);
      } finally {
        log.remove();
      }
    });

    it('connectUNIX() fails with BadFileError where there is no socket', async () => {
      expect(await failure(join(folder, 'missing'))).to.be.instanceOf(BadFileError);
      writeFileSync(path, 'just a file');
      expect(await failure(path)).to.be.instanceOf(ConnectError);
      expect(await failure(join(folder, 'x'.repeat(200)))).to.be.instanceOf(ConnectError);
    });

    it('connectUNIX() can be given up', async () => {
      reactor.listenUNIX(path, new RecordingFactory());
      const factory = new RecordingFactory();
      factory.onStarted = (connector) => connector.stopConnecting();
      reactor.connectUNIX(path, factory);
      await factory.until(() => factory.calls.includes('stop'));
      expect(factory.reason?.check(UserError)).to.equal(UserError);
      expect(factory.built).to.deep.equal([]);
    });

    it('refuses a path that is too long instead of binding another', () => {
      const long = join(folder, 'x'.repeat(120));
      expect(() => reactor.listenUNIX(long, new RecordingFactory())).to.throw(
        CannotListenError,
        'ENAMETOOLONG',
      );
    });

    it('refuses paths, modes and backlogs that make no sense', () => {
      const factory = new RecordingFactory();
      for (const bad of ['', '\0', 'a\0b', 5 as unknown as string]) {
        expect(() => reactor.listenUNIX(bad, factory)).to.throw(TypeError, 'Path of a UNIX');
        expect(() => reactor.connectUNIX(bad, factory)).to.throw(TypeError, 'Path of a UNIX');
      }
      expect(() => reactor.listenUNIX(path, factory, { mode: 0o1777 })).to.throw(RangeError);
      expect(() => reactor.listenUNIX(path, factory, { backlog: -1 })).to.throw(RangeError);
      expect(existsSync(path)).to.equal(false);
    });

    it('throws CannotListenError for a folder that is not there', () => {
      for (const wantPID of [false, true]) {
        expect(() =>
          reactor.listenUNIX(join(folder, 'no/a.sock'), new RecordingFactory(), { wantPID }),
        ).to.throw(CannotListenError, /EACCES|ENOENT/);
      }
    });

    it('is served by endpoints from text', async () => {
      const servers = new RecordingFactory();
      const port = await serverFromString(reactor, `unix:${path}:mode=0600`).listen(servers);
      expect(statSync(path).mode & 0o777).to.equal(0o600);
      expect(existsSync(`${path}.lock`)).to.equal(true);
      const client = await clientFromString(reactor, `unix:path=${path}:lockfile=1`).connect(
        new RecordingFactory(),
      );
      await servers.until(() => servers.built.length === 1);
      expect((client as Recorder).transport.getPeer()).to.deep.equal(port.getHost());
      for (const bad of [`unix:${path}:mode=9`, `unix:${path}:lockfile=2`, 'unix:', 'pipe:app']) {
        expect(() => serverFromString(reactor, bad), bad).to.throw(EndpointSyntaxError);
      }
    });

    it('keeps names in the abstract namespace apart, and they leave no file', async function () {
      if (process.platform !== 'linux') this.skip();
      const name = `\0strand-${process.pid}-${readMethod}`;
      const [one, two] = [new RecordingFactory(), new RecordingFactory()];
      reactor.listenUNIX(`${name}-1`, one);
      reactor.listenUNIX(`${name}-2`, two);
      expect(() => reactor.listenUNIX(`${name}-2`, new RecordingFactory())).to.throw(
        CannotListenError,
        'EADDRINUSE',
      );
      const client = new Recorder();
      reactor.connectUNIX(`${name}-2`, new RecordingFactory(() => client));
      await two.until(() => two.built.length === 1);
      expect(one.built).to.deep.equal([]);
    });
  });
}
