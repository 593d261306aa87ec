import { expect } from 'chai';
import { Deferred, type Failure } from '../../src/deferred/index.ts';
import {
  ClientCreator,
  Factory,
  FileSender,
  LineReceiver,
  Protocol,
  ReconnectingClientFactory,
} from '../../src/protocols/index.ts';
import {
  ConnectionDone,
  ConnectionRefusedError,
  LibuvReactor,
  type ListeningPort,
} from '../../src/reactor/index.ts';

const HOST = '127.0.0.1';

function portOf(port: ListeningPort): number {
  const address = port.getHost();
  if (!('port' in address)) throw new Error(`Not a TCP address: ${address}`);
  return address.port;
}

class Upper extends LineReceiver {
  override lineReceived(line: Buffer): void {
    if (line.length === 0) this.transport.loseConnection();
    else this.sendLine(line.toString().toUpperCase());
  }
}

/** Gathers what it gets; `lost` fires with all of it and the reason. */
class Gatherer extends Protocol {
  readonly lost = new Deferred<[text: string, reason: Failure]>();
  readonly #chunks: Buffer[] = [];

  override dataReceived(data: Buffer): void {
    this.#chunks.push(data);
  }

  override connectionLost(reason: Failure): void {
    this.lost.callback([Buffer.concat(this.#chunks).toString(), reason]);
  }
}

describe('Protocols over TCP on loopback', () => {
  let reactor: LibuvReactor;
  const quiet = <F extends Factory>(factory: F): F => {
    factory.noisy = false;
    return factory;
  };

  beforeEach(() => {
    reactor = new LibuvReactor();
  });
  afterEach(async () => {
    const running = reactor.run(false);
    reactor.stop();
    await running;
  });

  function listen(factory: Factory): number {
    return portOf(reactor.listenTCP(0, quiet(factory), { interface: HOST }));
  }

  it('a ClientCreator reaches a LineReceiver made by a Factory', async () => {
    const port = listen(Factory.forProtocol(Upper));
    const client = await new ClientCreator(reactor, Gatherer).connectTCP(HOST, port);
    client.transport.write('one\r\ntw');
    client.transport.write('o\r\n\r\n');
    const [text, reason] = await client.lost;
    expect(text).to.equal('ONE\r\nTWO\r\n');
    expect(reason.check(ConnectionDone)).to.equal(ConnectionDone);
  });

  it('a ClientCreator fails where nothing listens', async () => {
    const port = reactor.listenTCP(0, quiet(new Factory()), { interface: HOST });
    const number = portOf(port);
    await port.stopListening();
    const error: unknown = await new ClientCreator(reactor, Gatherer)
      .connectTCP(HOST, number)
      .toPromise()
      .catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(ConnectionRefusedError);
  });

  it('a FileSender sends a file larger than the buffers of the connection', async () => {
    const text = 'All work and no play. '.repeat(50_000);
    let at = 0;
    class Server extends Protocol {
      override connectionMade(): void {
        const file = {
          read: async (size: number): Promise<Buffer> => {
            at += size;
            return Buffer.from(text.slice(at - size, at));
          },
        };
        new FileSender()
          .beginFileTransfer(file, this.transport)
          .addCallback(() => this.transport.loseConnection());
      }
    }
    const port = listen(Factory.forProtocol(Server));
    const client = await new ClientCreator(reactor, Gatherer).connectTCP(HOST, port);
    const [received] = await client.lost;
    expect(received.length).to.equal(text.length);
    expect(received === text).to.equal(true);
  });

  it('a ReconnectingClientFactory comes back after a failure and after a loss, until told to stop', async () => {
    const first = reactor.listenTCP(0, quiet(new Factory()), { interface: HOST });
    const number = portOf(first);
    await first.stopListening(); // for the first attempt there is nothing

    const done = new Deferred<void>();
    const calls: string[] = [];
    class Visitor extends Protocol {
      override connectionMade(): void {
        calls.push('made');
        this.transport.loseConnection();
      }
    }
    class Stubborn extends ReconnectingClientFactory {
      override protocol = Visitor;
      override initialDelay = 0.001;
      override factor = 1;
      override clock = reactor;

      override clientConnectionFailed(
        ...args: Parameters<ReconnectingClientFactory['clientConnectionFailed']>
      ): void {
        calls.push('failed');
        if (calls.length === 1) {
          reactor.listenTCP(number, quiet(Factory.forProtocol(Protocol)), { interface: HOST });
        }
        super.clientConnectionFailed(...args);
      }

      override clientConnectionLost(
        ...args: Parameters<ReconnectingClientFactory['clientConnectionLost']>
      ): void {
        calls.push('lost');
        if (calls.length >= 5) {
          this.stopTrying();
          done.callback();
        }
        super.clientConnectionLost(...args);
      }
    }
    const factory = quiet(new Stubborn());
    reactor.connectTCP(HOST, number, factory);
    await done;
    expect(calls).to.deep.equal(['failed', 'made', 'lost', 'made', 'lost']);
    expect(factory.retries).to.equal(2);
    expect(reactor.getDelayedCalls()).to.deep.equal([]);
  });
});
