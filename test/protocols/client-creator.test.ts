import { expect } from 'chai';
import { CancelledError, Failure } from '../../src/deferred/index.ts';
import { ClientCreator, type CreatorReactor, Protocol } from '../../src/protocols/index.ts';
import {
  type Address,
  assertNoResult,
  ConnectionRefusedError,
  type Connector,
  type ConnectTCPOptions,
  type IClientFactory,
  IPv4Address,
  UserError,
} from '../../src/reactor/index.ts';
import { Clock, failureResultOf, StringTransport, successResultOf } from './support.ts';

const ADDRESS = new IPv4Address('TCP', '127.0.0.1', 4321);

class Named extends Protocol {
  readonly name: string;
  made = false;

  constructor(name: string) {
    super();
    this.name = name;
  }

  override connectionMade(): void {
    this.made = true;
  }
}

/** A reactor whose connections are made by the test. */
class StubReactor extends Clock implements CreatorReactor {
  asked: unknown[] = [];
  disconnects = 0;
  factory: IClientFactory | undefined;
  readonly transport = new StringTransport();

  listenTCP(): never {
    throw new Error('Not needed');
  }

  connectTCP(
    host: string,
    port: number | string,
    factory: IClientFactory,
    options?: ConnectTCPOptions,
  ): Connector {
    this.asked = [host, port, options];
    this.factory = factory;
    return {
      state: 'connecting',
      connect: () => {},
      stopConnecting: () => {},
      disconnect: () => {
        this.disconnects += 1;
        this.fail(new Failure(new UserError('Gave up')));
      },
      getDestination: (): Address => ADDRESS,
    };
  }

  succeed(): void {
    this.factory?.buildProtocol(ADDRESS)?.makeConnection(this.transport);
  }

  fail(reason: Failure): void {
    // The connector is of no interest to what is tested here.
    this.factory?.clientConnectionFailed({} as Connector, reason);
  }
}

describe('ClientCreator', () => {
  let reactor: StubReactor;
  beforeEach(() => {
    reactor = new StubReactor();
  });

  it('connectTCP() hands host, port and options to the reactor', () => {
    new ClientCreator(reactor, Named, 'x').connectTCP('example.org', 80, { timeout: 5 });
    expect(reactor.asked).to.deep.equal(['example.org', 80, { timeout: 5 }]);
  });

  it('connectTCP() fires one turn after connectionMade, with a protocol made with the arguments', () => {
    const deferred = new ClientCreator(reactor, Named, 'x').connectTCP('127.0.0.1', 4321);
    reactor.succeed();
    assertNoResult(deferred);
    reactor.advance(0);
    const protocol: Named = successResultOf(deferred);
    expect(protocol).to.include({ name: 'x', made: true, transport: reactor.transport });
  });

  it('connectTCP() fails one turn after the attempt did, with its reason', () => {
    const deferred = new ClientCreator(reactor, Named, 'x').connectTCP('127.0.0.1', 4321);
    reactor.fail(new Failure(new ConnectionRefusedError()));
    assertNoResult(deferred);
    reactor.advance(0);
    failureResultOf(deferred, ConnectionRefusedError);
  });

  it('cancelling while it connects disconnects and fails with CancelledError only', () => {
    const deferred = new ClientCreator(reactor, Named, 'x').connectTCP('127.0.0.1', 4321);
    deferred.cancel();
    expect(reactor.disconnects).to.equal(1);
    failureResultOf(deferred, CancelledError);
    reactor.advance(1);
    expect(reactor.getDelayedCalls()).to.deep.equal([]);
  });

  it('cancelling between connectionMade and firing disconnects', () => {
    const deferred = new ClientCreator(reactor, Named, 'x').connectTCP('127.0.0.1', 4321);
    reactor.succeed();
    deferred.cancel();
    expect(reactor.disconnects).to.equal(1);
    expect(reactor.getDelayedCalls()).to.deep.equal([]);
    failureResultOf(deferred, CancelledError);
  });
});
