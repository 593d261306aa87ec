import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTLS, type TLSSocket } from 'node:tls';
import { expect } from 'chai';
import type { FactName, ListedFile, Segments } from '../../../src/protocols/ftp/index.ts';
import { certificates } from '../../support/certificates.ts';
import { turns } from '../../support/faults.ts';
import { acceptor, Control, collect, Served } from './control.ts';

const FILES = { '/a.txt': 'hello' };

describe("An FTP server's defences", () => {
  let served: Served;
  let client: Control;
  afterEach(async () => {
    client?.close();
    await served.stop();
  });

  async function begin(...args: ConstructorParameters<typeof Served>): Promise<void> {
    served = new Served(...args);
    client = await Control.open(served.port);
  }

  /** Another session is served. */
  async function othersGoOn(): Promise<void> {
    const other = await Control.open(served.port);
    await other.login('bob', 'builder');
    expect((await other.fetch('RETR a.txt'))[1]).to.equal('hello');
    other.close();
    await once(other.socket, 'close');
  }

  it('connects to nobody but the client (bounce), by PORT or EPRT, and to no low port', async () => {
    await begin({}, FILES);
    await client.login();
    const { server, port } = await acceptor('127.0.0.2');
    let reached = false;
    server.on('connection', () => (reached = true));
    expect(await client.say(`PORT 127,0,0,2,${port >> 8},${port & 255}`)).to.match(
      /^501 .*your own address/,
    );
    expect(await client.say(`EPRT |1|127.0.0.2|${port}|`)).to.match(/^501/);
    expect(await client.say('PORT 127,0,0,1,0,25')).to.match(/^501 .*1024/);
    expect(await client.say('EPRT |1|127.0.0.1|1023|')).to.match(/^501/);
    expect(await client.say('RETR a.txt')).to.match(/^425/);
    expect(reached).to.equal(false);
    server.close();
    await othersGoOn();
  });

  it('does so where that is allowed', async () => {
    await begin({ allowForeignData: true }, FILES);
    await client.login();
    const { server, port, next } = await acceptor('127.0.0.2');
    expect(await client.say(`EPRT |1|127.0.0.2|${port}|`)).to.match(/^200/);
    client.send('RETR a.txt');
    expect(String(await collect(await next()))).to.equal('hello');
    server.close();
  });

  it('knows no active mode where that is switched off', async () => {
    await begin({ allowActive: false }, FILES);
    await client.login();
    expect(await client.say('PORT 127,0,0,1,10,10')).to.match(/^502/);
  });

  it("gives a passive port to nobody else (port theft), and still to whom it's meant for", async () => {
    await begin({}, FILES);
    await client.login();
    const port = Number(/\|\|\|(\d+)\|/.exec(await client.say('EPSV'))?.[1]);
    const thief = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.2' });
    thief.on('error', () => {});
    expect((await collect(thief)).length).to.equal(0);
    const own = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.1' });
    await once(own, 'connect');
    const data = collect(own);
    expect(await client.say('RETR a.txt')).to.match(/^1/);
    expect(String(await data)).to.equal('hello');
  });

  it('takes one data connection for each PASV', async () => {
    await begin({}, FILES);
    await client.login();
    const port = Number(/\|\|\|(\d+)\|/.exec(await client.say('EPSV'))?.[1]);
    const first = connect(port, '127.0.0.1');
    await once(first, 'connect');
    const data = collect(first);
    expect(await client.say('RETR a.txt')).to.match(/^1/);
    expect(String(await data)).to.equal('hello');
    const second = connect(port, '127.0.0.1');
    const [error] = await once(second, 'error');
    expect(error).to.have.property('code', 'ECONNREFUSED');
  });

  it('chooses passive ports of the range, in no order that can be told, and says 425 when there is none', async () => {
    await begin({ passivePortRange: [1] }, FILES);
    await client.login();
    const { setLogObserver } = await import('../../../src/reactor/index.ts');
    const before = setLogObserver(() => {});
    // Port 1 can be listened on by root; then it is what is told.
    const reply = await client.say('EPSV');
    setLogObserver(before);
    expect(reply).to.match(/^425|^229 .*\|\|\|1\|/);
  });

  it("chooses among the ports that are nobody's where there is no range, in no order either", async () => {
    await begin({}, FILES);
    await client.login();
    const ports: number[] = [];
    for (let n = 0; n < 12; n++) {
      ports.push(Number(/\|\|\|(\d+)\|/.exec(await client.say('EPSV'))?.[1]));
    }
    expect(Math.min(...ports)).to.be.at.least(49_152);
    const steps = ports.slice(1).map((port, at) => port - (ports[at] ?? 0));
    expect(new Set(steps).size).to.be.above(2);
    expect(steps.some((step) => step > 0) && steps.some((step) => step < 0)).to.equal(true);
  });

  it('tells the address that clients behind a translating router see', async () => {
    for (const passiveAddress of [
      '203.0.113.5',
      { '10.0.0.0/8': '10.1.1.1', '127.0.0.0/8': '203.0.113.5' },
      { '10.0.0.0/8': '10.1.1.1', default: '203.0.113.5' },
      async () => '203.0.113.5',
    ]) {
      await begin({ passiveAddress }, FILES);
      await client.login();
      expect(await client.say('PASV')).to.match(/^227 .*\(203,0,113,5,\d+,\d+\)\.$/);
      client.close();
      await served.stop();
    }
  });

  it('takes only EPSV after EPSV ALL', async () => {
    await begin({}, FILES);
    await client.login();
    expect(await client.say('EPSV ALL')).to.match(/^200/);
    for (const command of ['PASV', 'PORT 127,0,0,1,10,10', 'EPRT |1|127.0.0.1|2570|']) {
      expect(await client.say(command)).to.match(/^503/);
    }
    expect(await client.say('EPSV')).to.match(/^229/);
  });

  it('drops command lines that are too long, and goes on with the next', async () => {
    await begin({ maxLineLength: 100 }, FILES);
    await client.login();
    expect(await client.say(`MKD ${'x'.repeat(200)}`)).to.equal('500 Command line too long.');
    expect(await client.say('NOOP')).to.match(/^200/);
    // Without an end, for as long as it pleases.
    for (let more = 0; more < 50; more++) client.socket.write('y'.repeat(10_000));
    expect(await client.reply()).to.equal('500 Command line too long.');
    client.send('');
    expect(await client.say('NOOP')).to.match(/^200/);
    await othersGoOn();
  });

  it('takes no command that is not UTF-8, or has NUL or CR in it', async () => {
    await begin({}, FILES);
    await client.login();
    for (const bytes of [
      [0x4d, 0x4b, 0x44, 0x20, 0xc3, 0x28],
      [0x4d, 0x4b, 0x44, 0x20, 0],
      [0x4d, 13, 0x4b],
    ]) {
      client.socket.write(Buffer.from([...bytes, 13, 10]));
      expect(await client.reply()).to.equal('501 Command is not text in UTF-8.');
    }
    await client.say('MKD grüße');
    expect(served.shell.files.has('/grüße')).to.equal(true);
  });

  it('reads no further while many commands wait, and answers all of them in order', async () => {
    await begin({ maxQueuedCommands: 2 }, FILES);
    await client.login();
    client.socket.write(
      `${Array.from({ length: 100 }, (_, n) => `MKD d${n}\r\n`).join('')}NOOP\r\n`,
    );
    for (let n = 0; n < 100; n++)
      expect(await client.reply()).to.match(new RegExp(`^257 "/d${n}"`));
    expect(await client.reply()).to.match(/^200/);
  });

  it('never says who may log in, and lets nobody try fast', async () => {
    await begin({ loginDelay: 0.05 }, FILES);
    await client.reply();
    const { reactor } = await import('../../../src/reactor/index.ts');
    const start = reactor.seconds();
    await client.say('USER alice');
    const known = await client.say('PASS x');
    await client.say('USER mallory');
    const unknown = await client.say('PASS x');
    expect(known).to.equal(unknown);
    expect(reactor.seconds() - start).to.be.least(0.1);
  });

  it('ends an upload that is larger than files may be, and keeps nothing of it', async () => {
    await begin({ maxFileSize: 1000 }, FILES);
    await client.login();
    await client.say('TYPE I');
    const socket = await client.passive();
    socket.on('error', () => {});
    await client.say('STOR big');
    socket.write(Buffer.alloc(5000));
    expect(await client.reply()).to.match(/^552/);
    expect(served.shell.files.has('/big')).to.equal(false);
    expect(served.shell.aborted).to.equal(1);
    await othersGoOn();
  });

  it('asks for no more of a listing than the client takes, and tells so many names in STAT', async () => {
    await begin({ maxStatNames: 20 }, FILES);
    let asked = 0;
    const { shell } = served;
    const endless = function* (keys?: readonly FactName[]): Generator<ListedFile> {
      for (;;) yield [`file ${asked++}`, shell.stat(['a.txt'], keys)];
    };
    // Its own gives a whole array.
    Object.assign(shell, { list: (_path: Segments, keys?: readonly FactName[]) => endless(keys) });
    await client.login();
    for (const command of ['LIST', 'NLST', 'MLSD']) {
      served.shell.files.set('/sub', null);
      const socket = await client.passive();
      socket.on('error', () => {});
      socket.pause();
      expect(await client.say(`${command} sub`)).to.match(/^125/);
      await turns(300);
      const before = asked;
      await turns(300);
      expect(asked, command).to.equal(before);
      expect(await client.say('ABOR')).to.match(/^426/);
      expect(await client.reply()).to.match(/^226/);
      socket.destroy();
    }
    asked = 0;
    const lines = (await client.say('STAT sub')).split('\r\n');
    expect(asked).to.be.at.most(22);
    expect(lines).to.have.lengthOf(23);
    expect(lines.at(-2)).to.equal(' (and more)');
    await othersGoOn();
  });

  describe('with TLS', () => {
    const tls = (): { cert: string; key: string } => certificates().server;

    /** Goes on under TLS. */
    async function secure(control: Control): Promise<TLSSocket> {
      expect(await control.say('AUTH TLS')).to.match(/^234/);
      control.socket.removeAllListeners('data');
      const secured = connectTLS({ socket: control.socket, rejectUnauthorized: false });
      await once(secured, 'secureConnect');
      return secured;
    }

    it('lets nobody log in without it where it is required', async () => {
      await begin({ tls: tls(), requireTLS: true }, FILES);
      await client.reply();
      expect(await client.say('USER alice')).to.match(/^530 TLS is required/);
      expect(await client.say('PASS wonder')).to.match(/^503/);
      expect(await client.say('FEAT'))
        .to.contain(' AUTH TLS')
        .and.contain(' PBSZ')
        .and.contain(' PROT');
      expect(await client.say('AUTH X')).to.match(/^504/);
    });

    it('takes nothing under TLS that was said in clear before it (injection)', async () => {
      await begin({ tls: tls() }, FILES);
      await client.reply();
      client.socket.write('AUTH TLS\r\nUSER alice\r\nPASS wonder\r\nDELE a.txt\r\n');
      expect(await client.reply()).to.match(/^234/);
      client.socket.removeAllListeners('data');
      const secured = connectTLS({ socket: client.socket, rejectUnauthorized: false });
      await once(secured, 'secureConnect');
      const control = new Control(secured);
      expect(await control.say('PWD')).to.match(/^530/);
      expect(served.shell.files.has('/a.txt')).to.equal(true);
      secured.destroy();
    });

    it('begins anew after AUTH, takes PBSZ before PROT, refuses CCC, and clear data where it must not be', async () => {
      await begin({ tls: tls(), requireDataTLS: true }, FILES);
      await client.login();
      expect(await client.say('PASV')).to.match(/^521/);
      const control = new Control(await secure(client));
      expect(await control.say('PWD')).to.match(/^530/);
      await control.say('USER alice');
      expect(await control.say('PASS wonder')).to.match(/^230/);
      expect(await control.say('PROT P')).to.match(/^503/);
      expect(await control.say('PBSZ 0')).to.match(/^200/);
      expect(await control.say('PROT C')).to.match(/^534/);
      expect(await control.say('PROT S')).to.match(/^536/);
      expect(await control.say('PROT X')).to.match(/^504/);
      expect(await control.say('LIST')).to.match(/^521/);
      expect(await control.say('PROT P')).to.match(/^200/);
      expect(await control.say('CCC')).to.match(/^534/);
      expect(await control.say('AUTH TLS')).to.match(/^503/);
      control.close();
    });

    it('hangs up on a data connection that resumes no session, where it has to', async () => {
      await begin({ tls: { ...tls(), maxVersion: 'TLSv1.2' }, requireSessionReuse: true }, FILES);
      await client.reply();
      const secured = await secure(client);
      const session = secured.getSession();
      const control = new Control(secured);
      await control.say('USER alice');
      await control.say('PASS wonder');
      await control.say('PBSZ 0');
      await control.say('PROT P');
      for (const [resumed, last] of [
        [undefined, /^522/],
        [session, /^226/],
      ] as const) {
        const raw = await control.passive();
        expect(await control.say('RETR a.txt')).to.match(/^1/);
        const data = connectTLS({
          socket: raw,
          rejectUnauthorized: false,
          ...(resumed === undefined ? {} : { session: resumed }),
        });
        const all = collect(data as never);
        expect(await control.reply()).to.match(last);
        expect(String(await all)).to.equal(resumed === undefined ? '' : 'hello');
      }
      control.close();
    });
  });
});
