/** A client that vanishes in each state, and files that cannot be written any more: nothing is left behind, and other sessions go on. */
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTLS, type TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { Deferred } from '../../../src/deferred/index.ts';
import {
  type CredentialsChecker,
  InMemoryUsernamePasswordDatabase,
  Portal,
  UsernamePassword,
} from '../../../src/protocols/cred/index.ts';
import {
  FTPFactory,
  type FTPFactoryOptions,
  FTPRealm,
  type FTPShellOptions,
} from '../../../src/protocols/ftp/index.ts';
import { type ListeningPort, reactor } from '../../../src/reactor/index.ts';
import { certificates } from '../../support/certificates.ts';
import { turns } from '../../support/faults.ts';
import { Control, until } from './control.ts';

/** More than the system holds for a connection. */
const BIG = 40_000_000;

function descriptors(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
}

/** Checks passwords when it is told to. */
class SlowChecker implements CredentialsChecker {
  readonly credentialInterfaces = [UsernamePassword];
  readonly waiting: Array<Deferred<string>> = [];
  requestAvatarId(): Deferred<string> {
    const result = new Deferred<string>();
    this.waiting.push(result);
    return result;
  }
}

/** Whatever becomes of it is of no interest. */
function deaf<T extends Socket>(socket: T): T {
  socket.on('error', () => {});
  return socket;
}

describe('An FTP server over files', function () {
  this.timeout(20_000);
  let base = '';
  let root = '';
  let factory: FTPFactory;
  let listening: ListeningPort;
  let other: Control;
  const sockets: Socket[] = [];

  beforeEach(() => {
    base = realpathSync(mkdtempSync(join(tmpdir(), 'strand-ftp-')));
    root = join(base, 'root');
    mkdirSync(root);
    writeFileSync(join(root, 'file'), 'content');
    writeFileSync(join(root, 'big'), Buffer.alloc(BIG));
  });

  afterEach(async () => {
    other?.close();
    for (const socket of sockets.splice(0)) socket.destroy();
    await listening.stopListening();
    await factory.drain(0);
    rmSync(base, { recursive: true });
  });

  const temporary = (): string[] => readdirSync(root).filter((name) => name.endsWith('.part'));

  async function begin(
    options: FTPFactoryOptions = {},
    shell: FTPShellOptions = {},
    checker: CredentialsChecker = new InMemoryUsernamePasswordDatabase({ alice: 'wonder' }),
  ): Promise<void> {
    const portal = new Portal(new FTPRealm(null, root, { home: () => root, shell }), [checker]);
    factory = new FTPFactory(portal, options);
    factory.noisy = false;
    listening = reactor.listenTCP(0, factory, { interface: '127.0.0.1' });
  }

  async function open(): Promise<Control> {
    const { port } = listening.getHost() as { port: number }; // of TCP
    const control = await Control.open(port);
    sockets.push(control.socket);
    return control;
  }

  async function loggedIn(): Promise<Control> {
    const control = await open();
    await control.login();
    await control.say('TYPE I');
    return control;
  }

  async function passive(control: Control): Promise<Socket> {
    const socket = deaf(await control.passive());
    socket.pause();
    sockets.push(socket);
    return socket;
  }

  /** Under TLS, on top of a control connection. */
  async function secured(control: Control): Promise<Control> {
    await control.reply();
    await control.say('AUTH TLS');
    control.socket.removeAllListeners('data');
    const secure = connectTLS({ socket: control.socket, rejectUnauthorized: false });
    const above = new Control(secure);
    for (const command of ['USER alice', 'PASS wonder', 'PBSZ 0', 'PROT P', 'TYPE I']) {
      expect(await above.say(command), command).to.match(/^[23]/);
    }
    return above;
  }

  /** What a client has when it vanishes. */
  type Held = ReadonlyArray<Socket | TLSSocket>;

  /** Each state that a client can vanish in. */
  const STATES: Readonly<Record<string, () => Promise<Held>>> = {
    'right after it has connected': async () => [(await open()).socket],
    'when it has logged in': async () => [(await loggedIn()).socket],
    'in the middle of a command line': async () => {
      const { socket } = await loggedIn();
      socket.write('STOR fi');
      return [socket];
    },
    'after PASV, before it connects': async () => {
      const control = await loggedIn();
      expect(await control.say('PASV')).to.match(/^227/);
      return [control.socket];
    },
    'after PASV and RETR, before it connects': async () => {
      const control = await loggedIn();
      await control.say('PASV');
      expect(await control.say('RETR big')).to.match(/^150/);
      return [control.socket];
    },
    'with a data connection that nothing uses': async () => {
      const control = await loggedIn();
      return [control.socket, await passive(control)];
    },
    'in RETR': async () => {
      const control = await loggedIn();
      const data = await passive(control);
      expect(await control.say('RETR big')).to.match(/^125/);
      return [control.socket, data];
    },
    'in STOR': async () => {
      const control = await loggedIn();
      const data = await passive(control);
      expect(await control.say('STOR file')).to.match(/^125/);
      await new Promise((resolve) => data.write(Buffer.alloc(200_000), resolve));
      await until('a file is written', () => temporary().length === 1);
      return [control.socket, data];
    },
    'in APPE': async () => {
      const control = await loggedIn();
      const data = await passive(control);
      expect(await control.say('APPE file')).to.match(/^125/);
      await new Promise((resolve) => data.write(Buffer.alloc(200_000), resolve));
      await until('it grows', () => readFileSync(join(root, 'file')).length > 100_000);
      return [control.socket, data];
    },
    'in MLSD': async () => {
      mkdirSync(join(root, 'many'));
      for (let n = 0; n < 2000; n++)
        writeFileSync(join(root, 'many', `${'x'.repeat(200)}${n}`), '');
      const control = await loggedIn();
      const data = await passive(control);
      expect(await control.say('MLSD many')).to.match(/^125/);
      return [control.socket, data];
    },
    'in HASH': async () => {
      const control = await loggedIn();
      control.send('HASH big');
      await turns(2);
      return [control.socket];
    },
    'in the TLS handshake of its control connection': async () => {
      const control = await open();
      await control.reply();
      expect(await control.say('AUTH TLS')).to.match(/^234/);
      // The beginning of a ClientHello.
      control.socket.write(Buffer.from([22, 3, 1, 2, 0, 1, 0]));
      return [control.socket];
    },
    'in the TLS handshake of a data connection': async () => {
      const raw = await open();
      const control = await secured(raw);
      const data = await passive(control);
      expect(await control.say('STOR file')).to.match(/^125/);
      data.write(Buffer.from([22, 3, 1, 2, 0, 1, 0]));
      await until('a file is written', () => temporary().length === 1);
      return [raw.socket, data];
    },
    'in RETR under TLS': async () => {
      const raw = await open();
      const control = await secured(raw);
      const data = await passive(control);
      expect(await control.say('RETR big')).to.match(/^125/);
      const secure = deaf(connectTLS({ socket: data, rejectUnauthorized: false }));
      await new Promise<void>((resolve) => secure.once('secureConnect', () => resolve()));
      secure.pause();
      return [raw.socket, data];
    },
  };

  const WAYS: Readonly<Record<string, (socket: Socket) => void>> = {
    'ends its connections': (socket) => socket.destroy(),
    'resets its connections': (socket) => socket.resetAndDestroy(),
  };

  for (const [state, reach] of Object.entries(STATES)) {
    for (const [way, vanish] of Object.entries(WAYS)) {
      it(`leaves nothing behind of a client that ${way} ${state}, and serves others`, async () => {
        await begin({ tls: certificates().server });
        other = await loggedIn();
        const before = { open: reactor.openCount, descriptors: descriptors() };
        const held = await reach();
        for (const socket of held) vanish(deaf(socket));
        await until('the session is over', () => factory.sessionCount === 1);
        await until('nothing is open', () => reactor.openCount === before.open);
        await until('no descriptor is open', () => descriptors() <= before.descriptors);
        await until('no file is left', () => temporary().length === 0);
        expect(readFileSync(join(root, 'file'), 'utf8')).to.equal('content');
        expect(await other.say('NOOP')).to.match(/^200/);
        expect((await other.fetch('RETR file'))[1]).to.equal('content');
      });
    }
  }

  for (const [way, vanish] of Object.entries(WAYS)) {
    it(`logs out whom it lets in only after the client ${way}`, async () => {
      const checker = new SlowChecker();
      await begin({}, {}, checker);
      const control = await open();
      await control.reply();
      await control.say('USER alice');
      control.send('PASS wonder');
      await until('the password is checked', () => checker.waiting.length === 1);
      vanish(deaf(control.socket));
      await until('the session is over', () => factory.sessionCount === 0);
      const before = descriptors();
      checker.waiting[0]?.callback('alice');
      await turns(20);
      expect(descriptors()).to.be.at.most(before);
      const again = await open();
      await again.reply();
      await again.say('USER alice');
      again.send('PASS wonder');
      await until('the next password is checked', () => checker.waiting.length === 2);
      checker.waiting[1]?.callback('alice');
      expect(await again.reply()).to.match(/^230/);
      other = again;
    });
  }

  describe('where there is no room left', () => {
    let mounted = '';

    before(function () {
      if (process.platform === 'linux' && process.getuid?.() === 0) {
        mounted = mkdtempSync(join(tmpdir(), 'strand-ftp-full-'));
        const options = ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', mounted];
        if (spawnSync('mount', options).status === 0) return;
        rmSync(mounted, { recursive: true });
        mounted = '';
      }
      // Whoever is not root, or in a container, cannot make a small disk.
      this.skip();
    });

    after(() => {
      if (mounted === '') return;
      execFileSync('umount', [mounted]);
      rmSync(mounted, { recursive: true });
    });

    for (const keepPartial of [false, true]) {
      it(`says 552, ${keepPartial ? 'keeps what came if it is to' : 'leaves what was there'}, and goes on`, async () => {
        rmSync(root, { recursive: true });
        root = join(mounted, keepPartial ? 'kept' : 'plain');
        mkdirSync(root);
        writeFileSync(join(root, 'file'), 'content');
        await begin({}, { keepPartial });
        other = await loggedIn();
        for (const name of ['file', 'new']) {
          const data = await passive(other);
          data.resume();
          expect(await other.say(`STOR ${name}`)).to.match(/^125/);
          data.write(Buffer.alloc(8_000_000, 'x'));
          expect(await other.reply(), name).to.match(/^552 .*Exceeded storage allocation/);
        }
        expect(readFileSync(join(root, 'file'), 'utf8')).to.equal('content');
        expect(temporary()).to.deep.equal([]);
        expect(readdirSync(root).sort()).to.deep.equal(keepPartial ? ['file', 'new'] : ['file']);
        if (keepPartial) {
          expect(await other.say('DELE new')).to.match(/^250/);
        }
        expect(await other.put('STOR small', 'fits')).to.match(/^226/);
        const { port } = listening.getHost() as { port: number }; // of TCP
        const next = await Control.open(port);
        await next.login();
        expect((await next.fetch('RETR small'))[1]).to.equal('fits');
        next.close();
        rmSync(root, { recursive: true });
      });
    }
  });

  it('ends an upload in good order whose folder is taken away in the middle of it', async () => {
    mkdirSync(join(root, 'in'));
    await begin();
    other = await loggedIn();
    const before = descriptors();
    const data = await passive(other);
    expect(await other.say('STOR in/new')).to.match(/^125/);
    data.write('part');
    await until('it is written', () => readdirSync(join(root, 'in')).length === 1);
    rmSync(join(root, 'in'), { recursive: true });
    data.end();
    expect(await other.reply()).to.match(/^550 /);
    data.destroy();
    await until('no descriptor is open', () => descriptors() <= before);
    expect(await other.say('NOOP')).to.match(/^200/);
  });

  it('ends transfers whose permission is taken away in the middle of them, and keeps what was there', async function () {
    if (process.platform === 'win32') this.skip();
    const asRoot = process.getuid?.() === 0;
    mkdirSync(join(root, 'in'));
    writeFileSync(join(root, 'in', 'old'), 'before');
    await begin();
    other = await loggedIn();
    // Who may not write to the folder any more cannot put the file in its place; root may, unless the file system says no to everybody.
    const data = await passive(other);
    expect(await other.say('STOR in/old')).to.match(/^125/);
    data.write('after');
    await until('it is written', () => readdirSync(join(root, 'in')).length === 2);
    const folder = join(root, 'in');
    const take = (): boolean => {
      if (asRoot) return spawnSync('chattr', ['+i', folder]).status === 0;
      chmodSync(folder, 0o500);
      return true;
    };
    const give = (): void => {
      if (asRoot) spawnSync('chattr', ['-i', folder]);
      else chmodSync(folder, 0o700);
    };
    if (!take()) this.skip();
    try {
      data.end();
      expect(await other.reply()).to.match(/^550 .*Permission denied/);
      expect(readFileSync(join(root, 'in', 'old'), 'utf8')).to.equal('before');
    } finally {
      give();
    }
    // Reading goes on from what is open: what is open stays so, on every Unix.
    const down = await passive(other);
    expect(await other.say('RETR big')).to.match(/^125/);
    chmodSync(join(root, 'big'), 0);
    let bytes = 0;
    down.on('data', (piece: Buffer) => {
      bytes += piece.length;
    });
    const all = once(down, 'close');
    down.resume();
    expect(await other.reply()).to.match(/^226/);
    // The reply may overtake what is on its way.
    await all;
    expect(bytes).to.equal(BIG);
  });

  it('says so when a file becomes shorter while it is sent', async () => {
    await begin();
    other = await loggedIn();
    const data = await passive(other);
    expect(await other.say('RETR big')).to.match(/^125/);
    writeFileSync(join(root, 'big'), 'short');
    data.resume();
    expect(await other.reply()).to.match(/^4\d\d /);
    expect(await other.say('NOOP')).to.match(/^200/);
  });
});
