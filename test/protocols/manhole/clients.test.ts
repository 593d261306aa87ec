/** A manhole over loopback, with the telnet clients that people have. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { connect as connectTLS } from 'node:tls';
import { expect } from 'chai';
import { InMemoryUsernamePasswordDatabase, Portal } from '../../../src/protocols/cred/index.ts';
import { ManholeFactory, ManholeRealm } from '../../../src/protocols/manhole/index.ts';
import {
  type ListeningPort,
  type LogEvent,
  reactor,
  setLogObserver,
} from '../../../src/reactor/index.ts';
import { certificates } from '../../support/certificates.ts';
import { Progress } from '../../support/recorder.ts';

/** A program that is talked to, as far as it is understood. */
class Talk {
  readonly child: ChildProcess;
  readonly #progress = new Progress();
  all = '';
  ended = false;
  #from = 0;

  constructor(command: string, args: readonly string[]) {
    this.child = spawn(command, args, { env: { ...process.env, TERM: 'xterm' } });
    this.child.stdout?.setEncoding('latin1').on('data', (text: string) => {
      this.all += text;
      this.#progress.changed();
    });
    this.child.on('exit', () => {
      this.ended = true;
      this.#progress.changed();
    });
  }

  /** Waits for text behind that which was waited for last. */
  async expect(text: string): Promise<void> {
    await this.#progress.until(() => this.ended || this.all.includes(text, this.#from));
    const at = this.all.indexOf(text, this.#from);
    if (at < 0)
      throw new Error(`It ended without ${JSON.stringify(text)}: ${this.all.slice(this.#from)}`);
    this.#from = at + text.length;
  }

  say(text: string): void {
    this.child.stdin?.write(text, 'latin1');
  }

  async end(): Promise<void> {
    await this.#progress.until(() => this.ended);
  }
}

/** Runs telnet in a pseudo-terminal. */
const IN_TERMINAL = `
import os, pty, sys, select
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
ins = [0, fd]
while True:
    ready, _, _ = select.select(ins, [], [])
    if fd in ready:
        try:
            data = os.read(fd, 4096)
        except OSError:
            break
        if not data:
            break
        os.write(1, data)
    if 0 in ready:
        data = os.read(0, 4096)
        if data:
            os.write(fd, data)
        else:
            ins.remove(0)
`;

const TELNETLIB = `
import sys, telnetlib, warnings
client = telnetlib.Telnet('127.0.0.1', int(sys.argv[1]), 10)
client.read_until(b'Username: ', 10)
client.write(b'ann\\r\\n')
client.read_until(b'Password: ', 10)
client.write(b'secret\\r\\n')
client.read_until(b'> ', 10)
client.write(b'"a" + app.name\\r\\n')
print(client.read_until(b'> ', 10).decode())
client.write(b'\\x04')
print(repr(client.read_all().decode()))
`;

function need(
  context: Mocha.Context,
  command: string,
  args: readonly string[],
  what: string,
): void {
  if (spawnSync(command, args).error === undefined && spawnSync(command, args).status === 0) return;
  if (process.env['CI'] === 'true') throw new Error(`Install ${what}`);
  console.log(`      (install ${what} to run this)`);
  context.skip();
}

describe('A manhole that listens', function () {
  this.timeout(60_000);
  let listening: ListeningPort;
  let factory: ManholeFactory;
  let port: number;
  let talk: Talk | undefined;
  let log: LogEvent[];
  let restoreLog: () => void;

  beforeEach(() => {
    log = [];
    const previous = setLogObserver((event) => log.push(event));
    restoreLog = () => setLogObserver(previous);
    const realm = new ManholeRealm({ namespace: { app: { name: 'app' } } });
    const portal = new Portal(realm, [new InMemoryUsernamePasswordDatabase({ ann: 'secret' })]);
    factory = new ManholeFactory(portal, { failureDelay: 0, retryDelay: 0 });
    factory.noisy = false;
    listening = reactor.listenTCP(0, factory, { interface: '127.0.0.1' });
    const address = listening.getHost();
    port = 'port' in address ? Number(address.port) : 0;
  });
  afterEach(async () => {
    await listening.stopListening();
    if (talk !== undefined && !talk.ended) {
      talk.child.kill('SIGKILL');
      await talk.end();
    }
    talk = undefined;
    restoreLog();
  });

  it('serves telnet in a terminal: echo, editing, history, size, colours, ^C, ^D', async function () {
    need(this, '/usr/bin/python3', ['-c', ''], 'python3');
    need(this, 'sh', ['-c', 'command -v telnet'], 'telnet');
    talk = new Talk('/usr/bin/python3', [
      '-c',
      IN_TERMINAL,
      'telnet',
      '-E',
      '127.0.0.1',
      String(port),
    ]);
    await talk.expect('Username: ');
    talk.say('ann\r');
    await talk.expect('Password: ');
    talk.say('secret\r');
    // The client has answered what it was asked when the terminal's type is known.
    while (!talk.all.includes('\x1b[33m7')) {
      talk.say('7\r');
      await talk.expect('7');
      await talk.expect('> ');
    }
    talk.say('app.nae\x1b[Dm\r');
    await talk.expect("\x1b[32m'app'\x1b[39m");
    await talk.expect('> ');
    talk.say('\x1b[A\x1b[A\x1b[B + 1\r');
    await talk.expect("app1'");
    await talk.expect('> ');
    talk.say('half a line\x03');
    await talk.expect('^C');
    await talk.expect('> ');
    talk.say('await new Promise(() => {})\r');
    // Shown only once it was understood.
    await talk.expect('{})');
    talk.say('\x03');
    await talk.expect('^C');
    await talk.expect('> ');
    talk.say('2 ** 10\r');
    await talk.expect('1024');
    await talk.expect('> ');
    talk.say('\x04');
    await talk.end();
    expect(talk.all).to.not.include('secret');
  });

  it('never shows a password that is wrong either', async function () {
    need(this, '/usr/bin/python3', ['-c', ''], 'python3');
    need(this, 'sh', ['-c', 'command -v telnet'], 'telnet');
    talk = new Talk('/usr/bin/python3', [
      '-c',
      IN_TERMINAL,
      'telnet',
      '-E',
      '127.0.0.1',
      String(port),
    ]);
    for (let i = 0; i < 3; i++) {
      await talk.expect('Username: ');
      talk.say('ann\r');
      await talk.expect('Password: ');
      talk.say('wrongpw\r');
    }
    await talk.end();
    expect(talk.all).to.not.include('wrongpw');
    expect(log.filter(({ level }) => level === 'warn')).to.have.length(3);
  });

  it("serves Python's telnetlib, which refuses every option", async function () {
    need(
      this,
      '/usr/bin/python3',
      ['-W', 'ignore', '-c', 'import telnetlib'],
      'python3 up to 3.12',
    );
    talk = new Talk('/usr/bin/python3', ['-W', 'ignore', '-c', TELNETLIB, String(port)]);
    await talk.end();
    expect(talk.all).to.include("'aapp'\r\n> ");
    expect(talk.all).to.match(/'\\r\\n'\s*$/);
  });

  it('cannot be reached by another address of this machine', async function () {
    const other = Object.values(networkInterfaces())
      .flat()
      .find((address) => address?.family === 'IPv4' && !address.internal);
    if (other === undefined) this.skip();
    const socket = connect(port, other.address);
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]; // as the event has it
    expect(error.code).to.equal('ECONNREFUSED');
  });

  it('is reached under TLS as well', async () => {
    const { server, ca } = certificates();
    const secure = reactor.listenSSL(0, factory, server, { interface: '127.0.0.1' });
    const socket = connectTLS({ port: secure.getHost().port, host: '127.0.0.1', ca: ca.cert });
    socket.write('ann\r\nsecret\r\napp.name\r\n');
    let shown = '';
    for await (const data of socket) {
      shown += String(data);
      if (shown.includes("'app'\r\n> ")) socket.write('\x04');
    }
    expect(shown).to.include("'app'\r\n> ");
    await secure.stopListening();
  });

  it('closes its sessions when it stops', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.resume();
    socket.write('ann\r\nsecret\r\n');
    let shown = '';
    for await (const data of socket) {
      shown += String(data);
      if (!/> $/.test(shown)) continue;
      await listening.stopListening();
    }
    while (factory.connections > 0) await new Promise(setImmediate);
  });
});
