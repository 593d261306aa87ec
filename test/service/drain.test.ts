import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Deferred } from '../../src/deferred/index.ts';
import { NOT_DONE_YET, Resource, Site } from '../../src/protocols/http/index.ts';
import { Factory, Protocol, WrappingFactory } from '../../src/protocols/index.ts';
import {
  assertNoResult,
  Clock,
  MemoryReactorClock,
  StringTransport,
  serverFromString,
  successResultOf,
} from '../../src/reactor/index.ts';
import {
  MultiService,
  SSLServer,
  StreamServerEndpointService,
  TCPServer,
  UNIXServer,
} from '../../src/service/index.ts';
import { certificates } from '../support/certificates.ts';
import { killChildren, start } from '../support/twistd-child.ts';

class Draining extends Factory {
  override protocol = Protocol;
  override noisy = false;
  readonly done = new Deferred<void>();
  calls = 0;

  drain(): Deferred<void> {
    this.calls += 1;
    const waited = new Deferred<void>();
    this.done.addCallback(() => waited.callback());
    return waited;
  }
}

class Endless extends Resource {
  override isLeaf = true;
  override render_GET(): typeof NOT_DONE_YET {
    return NOT_DONE_YET;
  }
}

/** What a stop gives, which a Deferred it is for all of these. */
function stopped(service: { stopService(): unknown }): Deferred<unknown> {
  const result = service.stopService();
  if (!(result instanceof Deferred)) throw new Error('The stop waits for nothing');
  return result;
}

describe('A service that listens, for a factory that can be drained,', () => {
  const reactor = (): MemoryReactorClock => new MemoryReactorClock();
  const context = {
    get: () => ({ key: certificates().server.key, cert: certificates().server.cert }),
  };

  for (const [name, make] of [
    ['TCPServer', (factory: Factory) => new TCPServer(80, factory, { reactor: reactor() })],
    [
      'SSLServer',
      (factory: Factory) => new SSLServer(443, factory, context.get(), { reactor: reactor() }),
    ],
    ['UNIXServer', (factory: Factory) => new UNIXServer('/x', factory, { reactor: reactor() })],
    [
      'StreamServerEndpointService',
      (factory: Factory) =>
        new StreamServerEndpointService(serverFromString(reactor(), 'tcp:80'), factory),
    ],
  ] as const) {
    it(`is stopped when its connections have ended: ${name}`, () => {
      const factory = new Draining();
      const service = make(factory);
      service.startService();
      const stop = stopped(service);
      expect(service.port).to.equal(null);
      expect(factory.calls).to.equal(1);
      assertNoResult(stop);
      factory.done.callback();
      successResultOf(stop);
    });
  }

  it('leaves connections alone while another port uses the factory', () => {
    const factory = new Draining();
    const [one, two] = [80, 81].map((port) => new TCPServer(port, factory, { reactor: reactor() }));
    one?.startService();
    two?.startService();
    successResultOf(stopped(one as TCPServer));
    expect(factory.calls).to.equal(0);
    assertNoResult(stopped(two as TCPServer));
    expect(factory.calls).to.equal(1);
  });

  it('finds it behind one that wraps it', () => {
    const factory = new Draining();
    const service = new TCPServer(80, new WrappingFactory(factory), { reactor: reactor() });
    service.startService();
    const stop = stopped(service);
    assertNoResult(stop);
    factory.done.callback();
    successResultOf(stop);
  });

  it('stops at once for a factory that has no drain', () => {
    const factory = Factory.forProtocol(Protocol);
    factory.noisy = false;
    const service = new TCPServer(80, factory, { reactor: reactor() });
    service.startService();
    successResultOf(stopped(service));
  });

  it('has the application wait for answers under way, as long as drainTimeout says', () => {
    const clock = new Clock();
    const site = new Site(new Endless(), { reactor: clock, drainTimeout: 7 });
    site.noisy = false;
    const application = new MultiService();
    new TCPServer(80, site, { reactor: reactor() }).setServiceParent(application);
    application.startService();
    const transports = [new StringTransport(), new StringTransport()];
    for (const [index, transport] of transports.entries()) {
      const channel = site.buildProtocol(transport.getPeer());
      channel?.makeConnection(transport);
      if (index === 0) channel?.dataReceived(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    }
    const [busy, idle] = transports;
    const stop = stopped(application);
    // It may have something to ask that is on its way.
    expect(idle?.disconnecting).to.equal(false);
    clock.advance(1.25);
    expect(idle?.disconnecting).to.equal(true);
    expect(busy?.disconnecting).to.equal(false);
    clock.advance(5.65);
    expect(busy?.disconnected).to.equal(false);
    assertNoResult(stop);
    clock.advance(0.2);
    expect(busy?.disconnected).to.equal(true);
  });
});

describe('twistd, told to stop,', () => {
  const folder = mkdtempSync(join(tmpdir(), 'strand-drain-'));
  const SIZE = 40_000_000;
  const sockets: Socket[] = [];
  before(() => writeFileSync(join(folder, 'big.bin'), Buffer.alloc(SIZE, 'x')));
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await killChildren();
  });
  after(() => rmSync(folder, { recursive: true }));

  /** A client that has asked for a file that is larger than what buffers on the way hold, and reads none of it yet but its head. */
  function slowClient(port: number): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      sockets.push(socket);
      socket.on('error', reject);
      socket.write('GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n');
      socket.once('readable', () => resolve(socket));
    });
  }

  /** All that comes. */
  async function readAll(socket: Socket): Promise<number> {
    let length = 0;
    for await (const chunk of socket) length += (chunk as Buffer).length; // no encoding was set
    return length;
  }

  const refused = (port: number): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.on('connect', () => socket.destroy());
      socket.on('error', () => resolve(true));
      socket.on('close', (failed) => failed || resolve(false));
    });

  it('lets an answer under way come to its end, and takes no new connections', async () => {
    const child = start(['web', '--path', folder, '--port', '0', '--interface', '127.0.0.1']);
    const port = await child.port();
    const socket = await slowClient(port);
    const ended = child.stop();
    while (!(await refused(port))) await new Promise(setImmediate);
    expect(await readAll(socket)).to.be.above(SIZE);
    expect((await ended).code).to.equal(0);
  });

  it('breaks off what is not done by then', async () => {
    const child = start([
      ...['web', '--path', folder, '--port', '0', '--interface', '127.0.0.1'],
      ...['--drain-timeout', '0.2'],
    ]);
    const socket = await slowClient(await child.port());
    expect((await child.stop()).code).to.equal(0);
    const length = await readAll(socket).catch(() => 0);
    expect(length).to.be.below(SIZE);
  });
});
