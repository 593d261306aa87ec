import { expect } from 'chai';
import { Failure } from '../../src/deferred/index.ts';
import { NoConnectorError, ReconnectingClientFactory } from '../../src/protocols/index.ts';
import {
  type Address,
  type Connector,
  IPv4Address,
  type LogEvent,
  NotConnectingError,
  setLogObserver,
} from '../../src/reactor/index.ts';
import { Clock } from './support.ts';

const REASON = new Failure(new Error('no luck'));

class StubConnector implements Connector {
  state: Connector['state'] = 'disconnected';
  connects = 0;
  stops = 0;
  onStop: () => void = () => {};

  connect(): void {
    this.connects += 1;
    this.state = 'connecting';
  }
  stopConnecting(): void {
    if (this.state !== 'connecting') throw new NotConnectingError('Not connecting');
    this.stops += 1;
    this.state = 'disconnected';
    this.onStop();
  }
  disconnect(): void {}
  getDestination(): Address {
    return new IPv4Address('TCP', '127.0.0.1', 4321);
  }
}

describe('ReconnectingClientFactory', () => {
  let clock: Clock;
  let connector: StubConnector;
  let factory: ReconnectingClientFactory;
  let events: LogEvent[];
  let before: ReturnType<typeof setLogObserver>;

  beforeEach(() => {
    events = [];
    before = setLogObserver((event) => events.push(event));
    clock = new Clock();
    connector = new StubConnector();
    factory = new ReconnectingClientFactory();
    factory.clock = clock;
    factory.jitter = 0;
  });
  afterEach(() => setLogObserver(before));

  /** Fails the attempt and tells how long the factory waits. */
  function failAndWait(): number {
    const start = clock.seconds();
    connector.state = 'disconnected';
    factory.clientConnectionFailed(connector, REASON);
    const [call] = clock.getDelayedCalls();
    if (call === undefined) return Number.NaN;
    const wait = call.getTime() - start;
    clock.advance(wait);
    return wait;
  }

  it("has Twisted's defaults", () => {
    const fresh = new ReconnectingClientFactory();
    expect(fresh).to.include({
      initialDelay: 1,
      maxDelay: 3600,
      factor: Math.E,
      jitter: 0.11962656472,
      delay: 1,
      retries: 0,
      maxRetries: null,
      continueTrying: true,
      clock: null,
      connector: null,
    });
  });

  it('connects again after a failure and after a loss', () => {
    factory.clientConnectionFailed(connector, REASON);
    expect(connector.connects).to.equal(0);
    clock.advance(Math.E);
    expect(connector.connects).to.equal(1);
    connector.state = 'disconnected';
    factory.clientConnectionLost(connector, REASON);
    clock.advance(Math.E ** 2);
    expect(connector.connects).to.equal(2);
    expect(factory.connector).to.equal(connector);
  });

  it('waits factor times as long each time, up to maxDelay', () => {
    factory.factor = 2;
    factory.maxDelay = 9;
    const waits = [failAndWait(), failAndWait(), failAndWait(), failAndWait(), failAndWait()];
    expect(waits).to.deep.equal([2, 4, 8, 9, 9]);
  });

  it('grows from an initialDelay that a subclass sets as a field', () => {
    class Quick extends ReconnectingClientFactory {
      override initialDelay = 0.25;
      override factor = 2;
      override jitter = 0;
    }
    factory = new Quick();
    factory.clock = clock;
    expect([failAndWait(), failAndWait()]).to.deep.equal([0.5, 1]);
  });

  it('scatters the waits by a normal distribution of width jitter', () => {
    factory.jitter = 0.1;
    factory.factor = 1;
    let seed = 1;
    factory.random = () => {
      seed = (seed * 48271) % 2147483647; // Park and Miller, so that the test is the same each time
      return seed / 2147483647;
    };
    const waits: number[] = [];
    for (let i = 0; i < 4000; i += 1) {
      factory.delay = 100;
      waits.push(failAndWait());
    }
    const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length;
    const deviation = Math.sqrt(
      waits.reduce((sum, wait) => sum + (wait - mean) ** 2, 0) / waits.length,
    );
    const within = waits.filter((wait) => Math.abs(wait - 100) < 10).length / waits.length;
    expect(mean).to.be.closeTo(100, 0.6);
    expect(deviation).to.be.closeTo(10, 0.5);
    expect(within).to.be.closeTo(0.683, 0.03);
  });

  it('does not scatter below zero, nor stand still at zero', () => {
    factory.jitter = 10;
    factory.factor = 2;
    factory.random = () => 0.5; // cos(pi) is -1
    expect(failAndWait()).to.equal(2);
    expect(failAndWait()).to.equal(4);
  });

  it('gives up after maxRetries and says so', () => {
    factory.maxRetries = 2;
    failAndWait();
    failAndWait();
    expect(connector.connects).to.equal(2);
    expect(failAndWait()).to.be.NaN;
    expect(events.at(-1)?.message).to.equal(
      "Abandoning IPv4Address(TCP, '127.0.0.1', 4321) after 2 retries",
    );
  });

  it('resetDelay() starts over', () => {
    factory.factor = 2;
    factory.maxRetries = 2;
    failAndWait();
    failAndWait();
    factory.resetDelay();
    expect(factory).to.include({ delay: 1, retries: 0, continueTrying: true });
    expect(failAndWait()).to.equal(2);
  });

  it('stopTrying() cancels the wait', () => {
    factory.clientConnectionFailed(connector, REASON);
    factory.stopTrying();
    expect(clock.getDelayedCalls()).to.deep.equal([]);
    clock.advance(100);
    expect(connector.connects).to.equal(0);
    expect(factory.continueTrying).to.equal(false);
  });

  it('stopTrying() still cancels the wait after resetDelay()', () => {
    factory.clientConnectionFailed(connector, REASON);
    factory.resetDelay();
    factory.stopTrying();
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('stopTrying() gives up the attempt, and its failure does not start another', () => {
    connector.connect();
    factory.startedConnecting(connector);
    connector.onStop = () => factory.clientConnectionFailed(connector, REASON);
    factory.stopTrying();
    expect(connector.stops).to.equal(1);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('stopTrying() in the middle of a failure notification does not retry', () => {
    class Resigned extends ReconnectingClientFactory {
      override clientConnectionFailed(which: Connector, reason: Failure): void {
        this.stopTrying();
        super.clientConnectionFailed(which, reason);
        this.retry(which);
      }
    }
    factory = new Resigned();
    factory.clock = clock;
    factory.clientConnectionFailed(connector, REASON);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
    expect(connector.connects).to.equal(0);
  });

  it('stopTrying() leaves a connection that stands, and a factory that never connected, alone', () => {
    factory.stopTrying();
    connector.state = 'connected';
    factory.connector = connector;
    factory.stopTrying();
    expect(connector.stops).to.equal(0);
  });

  it('retry() without a connector throws NoConnectorError', () => {
    expect(() => factory.retry())
      .to.throw(NoConnectorError)
      .with.property('code', 'ERR_NO_CONNECTOR');
  });

  it('retry() while it waits replaces the wait', () => {
    factory.clientConnectionFailed(connector, REASON);
    factory.retry();
    expect(clock.getDelayedCalls()).to.have.length(1);
    clock.advance(Math.E ** 2);
    expect(connector.connects).to.equal(1);
  });

  it('logs the wait at level info, unless it is not noisy', () => {
    factory.clientConnectionFailed(connector, REASON);
    expect(events.map((event) => [event.level, event.message])).to.deep.equal([
      ['info', "Will retry IPv4Address(TCP, '127.0.0.1', 4321) in 2.718 seconds"],
    ]);
    factory.noisy = false;
    factory.retry();
    expect(events).to.have.length(1);
  });
});
