/** Time and rates of an FTP server: the connections are real, the clock is the test's. */
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Failure } from '../../../src/deferred/index.ts';
import { Portal } from '../../../src/protocols/cred/index.ts';
import {
  type FTPEvent,
  FTPFactory,
  type FTPFactoryOptions,
  transferLogLine,
} from '../../../src/protocols/ftp/index.ts';
import {
  Clock,
  type Connector,
  IPv4Address,
  type ReactorTCP,
  type ReactorTime,
  reactor,
  TCPTimedOutError,
} from '../../../src/reactor/index.ts';
import { certificates } from '../../support/certificates.ts';
import { turns } from '../../support/faults.ts';
import { Control, collect, Served, until } from './control.ts';

/** What this process has open, by its path. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // that of the folder that was read
    }
  });
}

describe('Limits of an FTP server', () => {
  let clock: Clock;
  let mixed: ReactorTCP & ReactorTime;
  let served: Served;
  let client: Control;
  const clients: Control[] = [];

  async function begin(
    options: FTPFactoryOptions = {},
    files: Readonly<Record<string, string | Buffer | null>> = {},
  ): Promise<void> {
    clock = new Clock();
    mixed = {
      listenTCP: (...args) => reactor.listenTCP(...args),
      connectTCP: (...args) => reactor.connectTCP(...args),
      seconds: () => clock.seconds(),
      callLater: (...args) => clock.callLater(...args),
      getDelayedCalls: () => clock.getDelayedCalls(),
    };
    served = new Served({ reactor: mixed, ...options }, files);
    client = await another();
  }

  async function another(): Promise<Control> {
    const control = await Control.open(served.port);
    clients.push(control);
    return control;
  }

  afterEach(async () => {
    for (const control of clients.splice(0)) control.close();
    await served.listening.stopListening();
    const gone = served.factory.drain(1);
    await until('no session is left', () => served.factory.sessionCount === 0);
    await gone;
    expect(clock.getDelayedCalls(), 'timers that are left').to.deep.equal([]);
  });

  it('are numbers that make sense', async () => {
    const portal = new Portal({ requestAvatar: () => ['', null, () => {}] });
    const limits: Array<FTPFactoryOptions> = [
      { timeOut: -1 },
      { timeOut: Number.NaN },
      { maxSessions: '5' as never },
      { maxRate: 0 },
      { maxUserRate: 0 },
      { maxQueuedCommands: 0 },
    ];
    for (const options of limits) {
      const [name = ''] = Object.keys(options);
      expect(() => new FTPFactory(portal, options)).to.throw(RangeError, `The option ${name} must`);
    }
    new FTPFactory(portal, { timeOut: 0, maxSessions: 0, maxRate: Number.POSITIVE_INFINITY });
    await begin();
  });

  it('ends a session that says nothing for so long, but none that does or transfers', async () => {
    await begin({ timeOut: 60, stallTimeout: 1000 }, { '/big': Buffer.alloc(30_000_000) });
    await client.login();
    clock.advance(59);
    expect(await client.say('NOOP')).to.match(/^200/);
    const socket = await client.passive();
    socket.pause();
    expect(await client.say('RETR big')).to.match(/^125/);
    clock.advance(600);
    const data = collect(socket);
    socket.resume();
    expect(await data).to.have.length(30_000_000);
    expect(await client.reply()).to.match(/^226/);
    clock.advance(59);
    expect(await client.say('NOOP')).to.match(/^200/);
    clock.advance(61);
    expect(await client.reply()).to.match(/^421 Idle/);
    expect(await client.reply()).to.equal('');
  });

  it('ends a session that has not logged in after so long, whatever it says', async () => {
    await begin({ loginTimeout: 20, timeOut: 60 });
    await client.reply();
    for (let n = 0; n < 2; n++) {
      clock.advance(9);
      expect(await client.say('USER alice')).to.match(/^331/);
    }
    clock.advance(3);
    expect(await client.reply()).to.match(/^421 Login timeout/);
    const other = await another();
    await other.login();
    clock.advance(30);
    expect(await other.say('NOOP')).to.match(/^200/);
  });

  it('waits for a data connection for so long, and closes its port then', async () => {
    await begin({ dtpTimeout: 30 }, { '/file': 'text' });
    await client.login();
    const open = reactor.openCount;
    await client.say('PASV');
    expect(reactor.openCount).to.equal(open + 1);
    expect(await client.say('RETR file')).to.match(/^150/);
    clock.advance(31);
    expect(await client.reply()).to.match(/^425 /);
    await client.say('PASV');
    clock.advance(31);
    expect(await client.say('RETR file')).to.match(/^425 /);
    await until('the port is closed', () => reactor.openCount <= open);
  });

  it('waits for a client to be connected to for so long, and gives up then', async () => {
    await begin({ dtpTimeout: 30 }, { '/file': 'text' });
    let timeout = 0;
    let given = 0;
    // A client that does not answer: of a real one nobody can say how long its system takes.
    mixed.connectTCP = (host, port, factory, options) => {
      timeout = options?.timeout ?? 0;
      const fail = (): void =>
        factory.clientConnectionFailed?.(connector, new Failure(new TCPTimedOutError('Too late')));
      const late = clock.callLater(timeout, fail);
      const connector: Connector = {
        state: 'connecting',
        connect() {},
        stopConnecting() {},
        disconnect() {
          given += 1;
          late.cancel();
          fail();
        },
        getDestination: () => new IPv4Address('TCP', host, Number(port)),
      };
      return connector;
    };
    await client.login();
    expect(await client.say('PORT 127,0,0,1,200,200')).to.match(/^200 /);
    client.send('RETR file');
    expect(await client.reply()).to.match(/^150 /);
    expect(timeout).to.equal(30);
    clock.advance(29);
    expect(await client.say('STAT')).to.match(/Transfer under way/);
    clock.advance(2);
    expect(await client.reply()).to.match(/^425 Cannot connect/);
    expect(given).to.equal(0);
    // Whoever gives up sooner has the attempt ended.
    await client.say('EPRT |1|127.0.0.1|51400|');
    client.send('STOR file');
    expect(await client.reply()).to.match(/^150 /);
    expect(await client.say('ABOR')).to.match(/^426 /);
    expect(await client.reply()).to.match(/^226 /);
    expect(given).to.equal(1);
    expect(String(served.shell.files.get('/file'))).to.equal('text');
    // The address was for one transfer.
    expect(await client.say('RETR file')).to.match(/^425 Use PASV/);
  });

  it('breaks off a transfer in which nothing moves for so long, either way', async () => {
    await begin({ stallTimeout: 40 }, { '/big': Buffer.alloc(30_000_000), '/file': 'before' });
    await client.login();
    for (const command of ['RETR big', 'STOR file']) {
      const socket = await client.passive();
      socket.on('error', () => {});
      socket.pause();
      expect(await client.say(command)).to.match(/^125/);
      // Until the system takes no more of it.
      await turns(100);
      clock.advance(39);
      expect(await client.say('STAT')).to.match(/Transfer under way/);
      clock.advance(2);
      expect(await client.reply(), command).to.match(/^426 Transfer stalled/);
      socket.destroy();
    }
    expect(String(served.shell.files.get('/file'))).to.equal('before');
    expect(await client.say('NOOP')).to.match(/^200/);
  });

  it('gives up a data connection that does not come under TLS in time', async () => {
    await begin({ tls: certificates().server, handshakeTimeout: 0.1 }, { '/file': 'text' });
    await client.reply();
    const { connect } = await import('node:tls');
    client.send('AUTH TLS');
    expect(await client.reply()).to.match(/^234/);
    client.socket.removeAllListeners('data');
    const secure = connect({ socket: client.socket, rejectUnauthorized: false });
    const control = new Control(secure);
    clients.push(control);
    for (const command of ['USER alice', 'PASS wonder', 'PBSZ 0', 'PROT P']) {
      expect(await control.say(command), command).to.match(/^[23]/);
    }
    const socket = await control.passive();
    socket.on('error', () => {});
    expect(await control.say('RETR file')).to.match(/^125/);
    expect(await control.reply()).to.match(/^425 Cannot secure the data connection/);
    expect(await control.say('NOOP')).to.match(/^200/);
    socket.destroy();
  });

  it('answers a failed login so late', async () => {
    await begin({ loginDelay: 3 });
    await client.reply();
    await client.say('USER alice');
    let reply = '';
    client.send('PASS wrong');
    const answered = client.reply().then((text) => (reply = text));
    await turns(50);
    clock.advance(2.9);
    await turns(50);
    expect(reply).to.equal('');
    clock.advance(0.2);
    await answered;
    expect(reply).to.match(/^530/);
  });

  describe('rates', () => {
    /** How many bytes have come. */
    function counted(socket: Socket): { bytes: number } {
      const count = { bytes: 0 };
      socket.on('data', (data: Buffer) => {
        count.bytes += data.length;
      });
      return count;
    }

    async function settledAt(isSo: () => boolean): Promise<void> {
      await until('so many bytes have come', isSo);
      await turns(50);
    }

    it('hold for each transfer, either way', async () => {
      await begin({ maxRate: 1000 }, { '/file': Buffer.alloc(3000) });
      served.shell.piece = 1000;
      await client.login();
      const socket = await client.passive();
      const count = counted(socket);
      expect(await client.say('RETR file')).to.match(/^125/);
      for (const bytes of [1000, 2000, 3000]) {
        await settledAt(() => count.bytes >= bytes);
        expect(count.bytes).to.equal(bytes);
        clock.advance(1);
      }
      expect(await client.reply()).to.match(/^226/);
      const up = await client.passive();
      expect(await client.say('STOR up')).to.match(/^125/);
      const told: FTPEvent[] = [];
      served.factory.events$.subscribe((event) => told.push(event));
      up.on('error', () => {});
      up.end(Buffer.alloc(2_000_000));
      await turns(200);
      expect(told.some(({ type }) => type === 'transfer-finished')).to.equal(false);
      await until('the transfer is over', () => {
        clock.advance(60);
        return told.some(({ type }) => type === 'transfer-finished');
      });
      expect(clock.seconds()).to.be.above(1900);
      expect(await client.reply()).to.match(/^226/);
    });

    it('hold for all transfers of a user together', async () => {
      await begin({ maxUserRate: 1000 }, { '/file': Buffer.alloc(2000) });
      served.shell.piece = 1000;
      const counts: Array<{ bytes: number }> = [];
      const sum = (): number => counts.reduce((all, { bytes }) => all + bytes, 0);
      for (const control of [client, await another()]) {
        await control.login();
        const socket = await control.passive();
        counts.push(counted(socket));
        expect(await control.say('RETR file')).to.match(/^125/);
      }
      // Bob has his own.
      const other = await another();
      await other.login('bob', 'builder');
      const theirs = counted(await other.passive());
      expect(await other.say('RETR file')).to.match(/^125/);
      await settledAt(() => sum() >= 2000 && theirs.bytes >= 1000);
      expect(sum()).to.equal(2000);
      clock.advance(0.9);
      await turns(50);
      expect(sum()).to.equal(2000);
      clock.advance(1.2);
      await settledAt(() => sum() >= 3000);
      expect(clock.seconds()).to.be.above(2);
      clock.advance(2);
      await settledAt(() => sum() === 4000 && theirs.bytes === 2000);
      for (const control of [client, other]) expect(await control.reply()).to.match(/^226/);
    });
  });

  describe('transfer log', () => {
    const facts = { session: 1, peer: '192.0.2.1', user: 'alice' };

    it('has a line for each transfer, as xferlog(5) has it, and nothing in it that could begin another', () => {
      const event = {
        ...{ type: 'transfer-finished', kind: 'upload', path: '/a b\n/c', bytes: 5, seconds: 0.2 },
        ...facts,
      } as FTPEvent; // as the server makes them
      const time = Date.UTC(2026, 1, 3, 4, 5, 6) / 1000;
      expect(transferLogLine(event, time)).to.equal(
        'Tue Feb  3 04:05:06 2026 1 192.0.2.1 5 /a_b_/c b _ i r alice ftp 0 * c',
      );
      expect(transferLogLine({ type: 'login', ...facts }, time)).to.equal(null);
    });

    it('is written when the server has stopped', async () => {
      const folder = realpathSync(mkdtempSync(join(tmpdir(), 'strand-ftp-')));
      const file = join(folder, 'xferlog');
      try {
        await begin({ transferLog: file }, { '/file': 'text' });
        await client.login();
        await client.fetch('RETR file');
        expect(await client.put('STOR new', 'more text')).to.match(/^226/);
        await served.factory.drain(0);
        expect(readFileSync(file, 'utf8')).to.match(
          /^.* 4 \/file b _ o r alice ftp 0 \* c\n.* 9 \/new b _ i r alice ftp 0 \* c\n$/,
        );
        if (process.platform === 'linux') expect(openFiles()).to.not.include(file);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  });
});
