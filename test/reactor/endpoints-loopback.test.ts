import { expect } from 'chai';
import { Deferred } from '../../src/deferred/index.ts';
import {
  clientFromString,
  connectProtocol,
  HostnameEndpoint,
  serverFromString,
} from '../../src/reactor/endpoints/index.ts';
import {
  CannotListenError,
  ConnectingCancelledError,
  ConnectionRefusedError,
  type IProtocol,
  type IPv4Address,
  LibuvReactor,
  type ListeningPort,
  type Transport,
} from '../../src/reactor/index.ts';

/** Sends back what it gets; fires once it has lost its connection. */
class Echo implements IProtocol {
  transport!: Transport;
  readonly lost = new Deferred<void>();

  makeConnection(transport: Transport): void {
    this.transport = transport;
  }

  dataReceived(data: Buffer): void {
    this.transport.write(data);
  }

  connectionLost(): void {
    this.lost.callback(undefined);
  }
}

/** Fires with the first data it gets. */
class Asking extends Echo {
  readonly answer = new Deferred<string>();

  override dataReceived(data: Buffer): void {
    this.answer.callback(data.toString());
  }
}

describe('Endpoints over loopback', () => {
  const reactor = new LibuvReactor();
  let echoes: Echo[];
  let port: ListeningPort;
  let number: number;

  const factory = {
    buildProtocol(): IProtocol {
      const echo = new Echo();
      echoes.push(echo);
      return echo;
    },
    doStart() {},
    doStop() {},
  };

  beforeEach(async () => {
    echoes = [];
    port = await serverFromString(reactor, 'tcp:0:interface=127.0.0.1').listen(factory);
    number = (port.getHost() as IPv4Address).port; // a TCP port has no other kind of address
  });

  afterEach(async () => {
    await port.stopListening();
    for (const echo of echoes) await echo.lost;
    expect(reactor.openCount).to.equal(0);
  });

  it('a server and a client from strings talk to each other', async () => {
    const endpoint = clientFromString(reactor, `tcp:127.0.0.1:${number}`);
    const asking = await connectProtocol(endpoint, new Asking());
    asking.transport.write('hello');
    expect(await asking.answer).to.equal('hello');
    asking.transport.loseConnection();
    await asking.lost;
  });

  it('HostnameEndpoint reaches localhost, whichever of its addresses listens', async () => {
    const endpoint = new HostnameEndpoint(reactor, 'localhost', number);
    const asking = await connectProtocol(endpoint, new Asking());
    asking.transport.write('hello');
    expect(await asking.answer).to.equal('hello');
    asking.transport.loseConnection();
    await asking.lost;
  });

  it('HostnameEndpoint passes over addresses where nobody listens', async () => {
    reactor.installNameResolver({
      resolveHostName(receiver, name, portNumber = 0) {
        const resolution = { name, cancel() {} };
        receiver.resolutionBegan(resolution);
        const host = port.getHost() as IPv4Address; // as above
        const Class = host.constructor as typeof IPv4Address; // as above
        for (const other of ['127.0.0.2', '127.0.0.3', '127.0.0.1']) {
          receiver.addressResolved(new Class('TCP', other, portNumber));
        }
        receiver.resolutionComplete();
        return resolution;
      },
    });
    const endpoint = new HostnameEndpoint(reactor, 'a.example', number);
    const asking = await connectProtocol(endpoint, new Asking());
    expect((asking.transport.getPeer() as IPv4Address).host).to.equal('127.0.0.1');
    asking.transport.loseConnection();
    await asking.lost;
  });

  it('connect() fails where nobody listens', async () => {
    const other = await serverFromString(reactor, 'tcp:0:interface=127.0.0.1').listen(factory);
    const free = (other.getHost() as IPv4Address).port; // as above
    await other.stopListening();
    const endpoint = clientFromString(reactor, `tcp:127.0.0.1:${free}`);
    const failure = await connectProtocol(endpoint, new Asking()).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).to.be.instanceOf(ConnectionRefusedError);
  });

  it('listen() fails where somebody listens', async () => {
    const endpoint = serverFromString(reactor, `tcp:${number}:interface=127.0.0.1`);
    const failure = await endpoint.listen(factory).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).to.be.instanceOf(CannotListenError);
  });

  it('a cancelled attempt leaves nothing behind', async () => {
    const endpoint = clientFromString(reactor, `tcp:127.0.0.1:${number}`);
    const connecting = connectProtocol(endpoint, new Asking());
    connecting.cancel();
    const failure = await connecting.then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).to.be.instanceOf(ConnectingCancelledError);
    expect(reactor.getDelayedCalls()).to.deep.equal([]);
  });
});
