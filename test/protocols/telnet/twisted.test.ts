/** Telnet to and from Twisted's own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { InMemoryUsernamePasswordDatabase, Portal } from '../../../src/protocols/cred/index.ts';
import { Factory } from '../../../src/protocols/protocol.ts';
import * as telnet from '../../../src/protocols/telnet/index.ts';
import { connectProtocol, reactor, TCP4ClientEndpoint } from '../../../src/reactor/index.ts';
import { Progress } from '../../support/recorder.ts';

const PYTHON = '/usr/bin/python3';
const PEER = fileURLToPath(new URL('twisted-peer.py', import.meta.url));

/** Writes down what it hears, and lets a test wait for it. */
class Client extends telnet.TelnetProtocol {
  readonly progress = new Progress();
  heard = '';
  override dataReceived(data: Buffer): void {
    this.heard += data.toString();
    this.progress.changed();
  }
  override enableRemote(option: number): boolean {
    this.heard += `<+${option}>`;
    return option === telnet.ECHO;
  }
  override disableRemote(option: number): void {
    this.heard += `<-${option}>`;
  }
  until(end: string): Promise<void> {
    return this.progress.until(() => this.heard.endsWith(end));
  }
}

describe('Telnet and Twisted', function () {
  this.timeout(60_000);
  let children: ChildProcess[];

  before(function () {
    if (spawnSync(PYTHON, ['-c', 'import twisted.conch.telnet']).status === 0) return;
    if (process.env['CI'] === 'true') throw new Error('Install python3-twisted');
    console.log('      (install python3-twisted to run these)');
    this.skip();
  });
  beforeEach(() => {
    children = [];
  });
  afterEach(async () => {
    for (const child of children) {
      const ended = once(child, 'exit');
      if (child.exitCode === null && child.kill('SIGKILL')) await ended;
    }
  });

  async function firstLine(...args: string[]): Promise<string> {
    const child = spawn(PYTHON, [PEER, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
    children.push(child);
    for await (const line of createInterface({ input: child.stdout })) return line;
    throw new Error('It said nothing');
  }

  it('a client is let in by its server, and negotiates with it', async () => {
    const port = Number(await firstLine('server'));
    const client = new Client();
    const transport = new telnet.TelnetTransport(() => client);
    await connectProtocol(new TCP4ClientEndpoint(reactor, '127.0.0.1', port), transport);
    await client.until('Username: ');
    transport.write('ann\n');
    await client.until('Password: ');
    expect(transport.isEnabled('remote', telnet.ECHO)).to.equal(true);
    transport.write('secret\n');
    await client.until('welcome\n');
    expect(transport.isEnabled('remote', telnet.ECHO)).to.equal(false);
    expect(client.heard).to.equal('Username: <+1>Password: <-1>welcome\n');
    expect(await transport.will(telnet.NAWS)).to.equal(true);
    transport.requestNegotiation(telnet.NAWS, Buffer.of(0, 255, 0, 24));
    await client.until('about 1f: 00ff0018\n');
    transport.write('é\n');
    await client.until('é\n');
    expect(await transport.do(telnet.SGA)).to.equal(true);
    let refused: unknown;
    await transport.will(telnet.TTYPE).addErrback((failure) => {
      refused = failure.value;
    });
    expect(refused).to.be.instanceOf(telnet.OptionRefused);
    transport.loseConnection();
  });

  it('its client is let in by a server, and is a terminal there', async () => {
    const sizes: number[][] = [];
    class Terminal extends telnet.TelnetProtocol implements telnet.ITerminalProtocol {
      terminalSize(...size: number[]): void {
        sizes.push(size);
        this.transport.write('size\n<end>\n');
      }
    }
    const portal = new Portal(
      {
        requestAvatar: () => [
          telnet.ITelnetProtocol,
          new telnet.TelnetBootstrapProtocol(() => new Terminal()),
          () => {},
        ],
      },
      [new InMemoryUsernamePasswordDatabase({ ann: 'secret' })],
    );
    const factory = new Factory();
    factory.noisy = false;
    factory.protocol = () =>
      new telnet.TelnetTransport(() => new telnet.AuthenticatingTelnetProtocol(portal));
    const listening = reactor.listenTCP(0, factory, { interface: '127.0.0.1' });
    try {
      const heard: unknown = JSON.parse(
        await firstLine('client', String(listening.getHost().port)),
      );
      expect(heard).to.deep.equal({
        said: 'Username: Password: \nsize\n<end>\n',
        // ECHO on and off for the password, and on again for the terminal.
        options: ['do 01', 'dont 01', 'will 22', 'will 1f', 'will 03', 'will 18', 'do 03', 'do 01'],
      });
      expect(sizes).to.deep.equal([[255, 24]]);
    } finally {
      await listening.stopListening();
    }
  });
});
