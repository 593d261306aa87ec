/** MODE Z, the client's side: with a server that is played by the test. */
import { randomBytes } from 'node:crypto';
import { deflateSync, inflateSync } from 'node:zlib';
import { expect } from 'chai';
import { FTPClient, type FTPUpload } from '../../../src/protocols/ftp/index.ts';
import { connectionDone, Protocol } from '../../../src/protocols/index.ts';
import {
  AccumulatingProtocol,
  type IProtocol,
  IPv4Address,
  MemoryReactorClock,
  StringTransport,
} from '../../../src/reactor/index.ts';
import { until } from './control.ts';

const SERVER = new IPv4Address('TCP', '192.0.2.1', 21);
const NOISE = randomBytes(300_000);

class Scene {
  readonly reactor = new MemoryReactorClock();
  readonly transport = new StringTransport(undefined, SERVER);
  readonly client: FTPClient;

  constructor() {
    this.client = new FTPClient('alice', 'secret', { reactor: this.reactor, modeZ: true });
    this.client.makeConnection(this.transport);
  }

  sent(): string {
    const text = this.transport.value().toString();
    this.transport.clear();
    return text;
  }

  say(...lines: string[]): void {
    for (const line of lines) this.client.dataReceived(Buffer.from(`${line}\r\n`));
  }

  logIn(): void {
    this.say('220 Hello', '331 Password', '230 In', '200 Binary');
    this.say('211-Features', ' MODE Z', '211 End', '200 MODE Z ok');
    this.sent();
  }

  /** Answers EPSV, and takes the data connection. */
  data(): [link: IProtocol, transport: StringTransport] {
    this.say('229 Go (|||2000|)');
    const [host = '', port = 0, factory] = this.reactor.tcpClients.at(-1) ?? [];
    const address = new IPv4Address('TCP', host, Number(port));
    const link = factory?.buildProtocol(address);
    if (link === null || link === undefined) throw new Error('No protocol');
    const transport = new StringTransport(undefined, address);
    link.makeConnection(transport);
    return [link, transport];
  }
}

async function codeOf(work: PromiseLike<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return null;
}

describe('FTPClient with modeZ', () => {
  it('asks for it only where it is to be had, and takes a no', () => {
    const scene = new Scene();
    scene.say('220 Hello', '331 Password', '230 In', '200 Binary');
    expect(scene.sent()).to.match(/TYPE I\r\nFEAT\r\n$/);
    scene.say('211-Features', ' SIZE', '211 End');
    expect(scene.sent()).to.equal('');
    const other = new Scene();
    other.say('220 Hello', '331 Password', '230 In', '200 Binary');
    other.say('211-Features', ' MODE Z', '211 End');
    expect(other.sent()).to.match(/MODE Z\r\n$/);
    other.say('504 Not now');
    const target = new AccumulatingProtocol();
    other.client.retrieveFile('x', target);
    const [link] = other.data();
    other.say('150 Here');
    link.dataReceived(Buffer.from('plain'));
    expect(String(target.data)).to.equal('plain');
  });

  it('takes what comes in pieces of any size, and an empty file of nothing', async () => {
    for (const [wire, size, content] of [
      [deflateSync(NOISE), 777, NOISE],
      [deflateSync('text'), 1, Buffer.from('text')],
      [deflateSync(''), 100, Buffer.alloc(0)],
      [Buffer.alloc(0), 1, Buffer.alloc(0)],
    ] as const) {
      const scene = new Scene();
      scene.logIn();
      const target = new AccumulatingProtocol();
      const done = scene.client.retrieveFile('x', target);
      const [link] = scene.data();
      scene.say('150 Here');
      for (let at = 0; at < wire.length; at += size) {
        link.dataReceived(wire.subarray(at, at + size));
      }
      scene.say('226 Done');
      link.connectionLost(connectionDone);
      expect(await done).to.deep.equal(['226 Done']);
      expect(Buffer.from(target.data).equals(content)).to.equal(true);
      expect(target.closed).to.equal(1);
    }
  });

  it('fails a download that is cut off in good order, or is no such data', async () => {
    for (const wire of [deflateSync(NOISE).subarray(0, 100_000), NOISE]) {
      const scene = new Scene();
      scene.logIn();
      const target = new AccumulatingProtocol();
      const code = codeOf(scene.client.retrieveFile('x', target));
      const [link, transport] = scene.data();
      scene.say('150 Here');
      link.dataReceived(wire);
      if (wire === NOISE) {
        await until('the connection is cut', () => transport.disconnected);
      }
      scene.say('226 Done');
      link.connectionLost(connectionDone);
      expect(await code).to.equal('ERR_FTP_DATA_CONNECTION_FAILED');
      expect(target.closedReason?.value).to.have.property('code', 'ERR_FTP_DATA_CONNECTION_FAILED');
      expect((await scene.client.whenReady()) === scene.client).to.equal(true);
    }
  });

  it('waits for a target that asks for a pause, though the connection is over', async () => {
    const scene = new Scene();
    scene.logIn();
    class Slow extends Protocol {
      bytes = 0;
      isOver = false;
      override connectionMade(): void {
        this.transport.pauseProducing();
      }
      override dataReceived(data: Buffer): void {
        this.bytes += data.length;
      }
      override connectionLost(): void {
        this.isOver = true;
      }
    }
    const target = new Slow();
    const done = scene.client.retrieveFile('x', target);
    const [link] = scene.data();
    scene.say('150 Here');
    link.dataReceived(deflateSync(Buffer.alloc(1_000_000)));
    scene.say('226 Done');
    link.connectionLost(connectionDone);
    for (let turn = 0; turn < 50; turn++) await new Promise((next) => setImmediate(next));
    expect([target.bytes, target.isOver]).to.deep.equal([0, false]);
    target.transport.resumeProducing();
    await done;
    expect([target.bytes, target.isOver]).to.deep.equal([1_000_000, true]);
  });

  it('ends the connection when what gets the data throws', async () => {
    const scene = new Scene();
    scene.logIn();
    const target = new AccumulatingProtocol();
    target.dataReceived = () => {
      throw new RangeError('Too much');
    };
    const done = scene.client.retrieveFile('x', target);
    const thrown = (async () => {
      try {
        return String(await done);
      } catch (error) {
        return String(error);
      }
    })();
    const [link, transport] = scene.data();
    scene.say('150 Here');
    link.dataReceived(deflateSync(NOISE));
    await until('the connection is cut', () => transport.disconnected);
    link.connectionLost(connectionDone);
    scene.say('426 Cut');
    expect(await thrown).to.equal('RangeError: Too much');
  });

  it('sends compressed, and ends the connection once all of it has gone', async () => {
    const scene = new Scene();
    scene.logIn();
    const [sender, done] = scene.client.storeFile('x');
    const [link, transport] = scene.data();
    scene.say('150 Go on');
    const upload: FTPUpload = await sender;
    upload.write(NOISE);
    upload.write('text');
    expect(upload.bytes).to.equal(NOISE.length + 4);
    upload.finish();
    expect(transport.disconnecting).to.equal(false);
    await until('it ends the connection', () => transport.disconnecting);
    const expected = Buffer.concat([NOISE, Buffer.from('text')]);
    expect(inflateSync(transport.value()).equals(expected)).to.equal(true);
    link.connectionLost(connectionDone);
    scene.say('226 Done');
    expect(await done).to.deep.equal(['226 Done']);
  });

  it('fails an upload whose connection the server ends before all of it has gone', async () => {
    const scene = new Scene();
    scene.logIn();
    const [sender, done] = scene.client.storeFile('x');
    const code = codeOf(done);
    const [link] = scene.data();
    scene.say('150 Go on');
    const upload = await sender;
    upload.write(NOISE);
    upload.finish();
    link.connectionLost(connectionDone);
    scene.say('226 Done');
    expect(await code).to.equal('ERR_FTP_DATA_CONNECTION_FAILED');
  });
});
