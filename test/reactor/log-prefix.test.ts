import { expect } from 'chai';
import {
  AccumulatingProtocol,
  ConnectionCompleter,
  connectedServerAndClient,
  EventLoggingObserver,
  type IProtocol,
  MemoryReactor,
} from '../../src/reactor/index.ts';
import { logPrefixOf } from '../../src/reactor/log-prefix.ts';
import { FailureTrap, RecordingFactory } from '../support/recorder.ts';

/** What a prefix that wants to tell of the connection does before there is one. */
function broken(): string {
  throw new TypeError('there is no transport yet');
}

class Unnameable extends AccumulatingProtocol {
  logPrefix(): string {
    return broken();
  }

  override dataReceived(): void {
    throw new Error('cannot take it');
  }

  override connectionLost(): void {
    super.connectionLost();
    throw new Error('cannot lose it');
  }
}

describe('logPrefixOf()', () => {
  it('is what it says of itself, else the name of its class', () => {
    expect(logPrefixOf({ logPrefix: () => 'own' })).to.equal('own');
    const plain: IProtocol = new AccumulatingProtocol();
    expect(logPrefixOf(plain)).to.equal('AccumulatingProtocol');
  });

  it('is the name of the class when asking fails, or gives no text', () => {
    expect(logPrefixOf(new Unnameable())).to.equal('Unnameable');
    expect(logPrefixOf({ logPrefix: () => 7 as unknown as string })).to.equal('Object');
  });

  it('is something for what has no class', () => {
    expect(logPrefixOf(Object.create(null))).to.equal('unnamed');
  });
});

describe('A prefix that throws', () => {
  let trap: FailureTrap;

  beforeEach(() => {
    trap = new FailureTrap();
  });

  afterEach(() => trap.restore());

  it('of a protocol hides no error, and its connection ends as any other', () => {
    const [client, server, pump] = connectedServerAndClient(AccumulatingProtocol, Unnameable);
    server.transport.write('anything');
    pump.flush();
    expect(
      trap.caught.map(({ origin, failure }) => [origin, failure.getErrorMessage()]),
    ).to.deep.equal([
      ['Unhandled error in Unnameable,client', 'cannot take it'],
      ['Unhandled error in Unnameable,client', 'cannot lose it'],
    ]);
    expect(client.closed).to.equal(1);
    expect(server.closed).to.equal(1);
  });

  it('of a factory keeps no port from listening and stopping, and no connector from its end', () => {
    const log = new EventLoggingObserver();
    try {
      const reactor = new MemoryReactor();
      const factory = Object.assign(new RecordingFactory(), { logPrefix: broken });
      const port = reactor.listenTCP(0, factory);
      const done = port.stopListening();
      expect(done.called).to.equal(true);
      expect(log.messages()[0]).to.match(/^RecordingFactory listening on /);

      const client = Object.assign(new RecordingFactory(), { logPrefix: broken });
      client.onFailed = () => {
        throw new Error('cannot take that either');
      };
      const connector = reactor.connectTCP('192.0.2.1', 9, client);
      new ConnectionCompleter(reactor).failOnce();
      expect(connector.state).to.equal('disconnected');
      expect(client.calls).to.include('stop');
      expect(trap.caught).to.have.length(1);
    } finally {
      log.remove();
    }
  });
});
