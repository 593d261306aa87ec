import { expect } from 'chai';
import { Failure, setUnhandledFailureHandler } from '../../../src/deferred/index.ts';
import { Factory, LineReceiver, Protocol } from '../../../src/protocols/index.ts';
import {
  TimeoutFactory,
  TimeoutMixin,
  type TimeoutOptions,
  TimeoutProtocol,
} from '../../../src/protocols/policies/index.ts';
import {
  Clock,
  ConnectionDone,
  type LogEvent,
  StringTransport,
  setLogObserver,
} from '../../../src/reactor/index.ts';

const DONE = new Failure(new ConnectionDone());

describe('TimeoutMixin()', () => {
  class Impatient extends TimeoutMixin(LineReceiver) {
    timeouts = 0;
    override lineReceived(): void {
      this.resetTimeout();
    }
    override timeoutConnection(): unknown {
      this.timeouts += 1;
      return super.timeoutConnection();
    }
  }
  let clock: Clock;
  let protocol: Impatient;
  let transport: StringTransport;

  beforeEach(() => {
    clock = new Clock();
    protocol = new Impatient();
    protocol.clock = clock;
    transport = new StringTransport();
    protocol.makeConnection(transport);
  });

  it('closes the connection when nothing happened for as long', () => {
    protocol.setTimeout(3);
    clock.advance(2.9);
    expect(transport.disconnecting).to.equal(false);
    clock.advance(0.1);
    expect([protocol.timeouts, transport.disconnecting]).to.deep.equal([1, true]);
    expect(protocol.timeOut).to.equal(null);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('resetTimeout() begins anew', () => {
    protocol.setTimeout(3);
    for (let i = 0; i < 5; i++) {
      clock.advance(2);
      protocol.dataReceived(Buffer.from('x\r\n'));
    }
    clock.advance(2.9);
    expect(protocol.timeouts).to.equal(0);
    clock.advance(0.1);
    expect(protocol.timeouts).to.equal(1);
  });

  it('setTimeout() returns the time until now, and null calls it off', () => {
    expect(protocol.setTimeout(10)).to.equal(null);
    expect(protocol.setTimeout(5)).to.equal(10);
    expect(protocol.setTimeout(null)).to.equal(5);
    protocol.resetTimeout();
    clock.advance(60);
    expect(protocol.timeouts).to.equal(0);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('setTimeout() makes the time shorter as well as longer', () => {
    protocol.setTimeout(50);
    protocol.setTimeout(1);
    clock.advance(1);
    expect(protocol.timeouts).to.equal(1);
  });

  it('setTimeout() refuses what is no time', () => {
    for (const wrong of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => protocol.setTimeout(wrong), String(wrong)).to.throw(RangeError, 'Cannot set');
    }
  });

  it('takes its calls from a callLater of the user', () => {
    const other = new Clock();
    protocol.callLater = (...args) => other.callLater(...args);
    protocol.setTimeout(3);
    other.advance(2);
    protocol.resetTimeout();
    other.advance(2);
    expect([protocol.timeouts, other.getDelayedCalls().length]).to.deep.equal([0, 1]);
    other.advance(1);
    expect(protocol.timeouts).to.equal(1);
  });

  it('puts up with a call that somebody else called off', () => {
    protocol.callLater = (...args) => clock.callLater(...args);
    protocol.setTimeout(3);
    clock.getDelayedCalls()[0]?.cancel();
    protocol.resetTimeout();
    expect(clock.getDelayedCalls()).to.deep.equal([]);
    expect(protocol.setTimeout(null)).to.equal(3);
  });

  it('aborts the connection, and reports why, when timeoutConnection() fails', async () => {
    const reports: string[] = [];
    const before = setUnhandledFailureHandler((failure) => reports.push(failure.getErrorMessage()));
    try {
      protocol.timeoutConnection = () => {
        throw new Error('I will not');
      };
      protocol.setTimeout(1);
      clock.advance(1);
      expect([reports, transport.disconnected]).to.deep.equal([['I will not'], true]);

      const second = new Impatient();
      second.clock = clock;
      const its = new StringTransport();
      second.makeConnection(its);
      second.timeoutConnection = () => Promise.reject(new Error('later'));
      second.setTimeout(1);
      clock.advance(1);
      await Promise.resolve();
      expect([reports, its.disconnected]).to.deep.equal([['I will not', 'later'], true]);
    } finally {
      setUnhandledFailureHandler(before);
    }
  });

  it('has Protocol as its base when none is named', () => {
    class Plain extends TimeoutMixin() {
      override connectionMade(): void {
        this.setTimeout(2);
      }
    }
    const plain = new Plain();
    plain.clock = clock;
    const its = new StringTransport();
    plain.makeConnection(its);
    expect(plain).to.be.instanceOf(Protocol);
    clock.advance(2);
    expect(its.disconnecting).to.equal(true);
  });
});

describe('TimeoutFactory', () => {
  let clock: Clock;
  let transport: StringTransport;
  let logged: LogEvent[];
  let before: ReturnType<typeof setLogObserver>;

  beforeEach(() => {
    clock = new Clock();
    transport = new StringTransport();
    logged = [];
    before = setLogObserver((event) => logged.push(event));
  });

  afterEach(() => setLogObserver(before));

  function connect(timeoutPeriod?: number, options: TimeoutOptions = {}): TimeoutProtocol {
    const factory = new TimeoutFactory(Factory.forProtocol(Protocol), timeoutPeriod, {
      clock,
      ...options,
    });
    const wrapper = factory.buildProtocol(transport.getPeer());
    wrapper?.makeConnection(transport);
    return wrapper as TimeoutProtocol; // its factory makes nothing else
  }

  it('closes a connection over which nothing passes for half an hour', () => {
    connect();
    clock.advance(1799.9);
    expect(transport.disconnecting).to.equal(false);
    clock.advance(0.1);
    expect(transport.disconnecting).to.equal(true);
    expect(logged.map(({ message }) => message)).to.deep.equal([
      `Nothing passed for 1800 s: closing the connection of ${transport.getPeer()}`,
    ]);
  });

  it('counts what comes and what is written, either way', () => {
    const wrapper = connect(10);
    for (const pass of [
      () => wrapper.dataReceived(Buffer.from('x')),
      () => wrapper.write('x'),
      () => wrapper.writeSequence(['x', 'y']),
    ]) {
      clock.advance(9);
      pass();
    }
    clock.advance(9);
    expect(transport.disconnecting).to.equal(false);
    clock.advance(1);
    expect(transport.disconnecting).to.equal(true);
    expect(transport.value().toString()).to.equal('xxy');
  });

  it('does not count what is written when it is told so', () => {
    const wrapper = connect(10, { countWrites: false });
    clock.advance(9);
    wrapper.write('x');
    wrapper.writeSequence(['x']);
    clock.advance(1);
    expect(transport.disconnecting).to.equal(true);
  });

  it('aborts a connection that does not get rid of what is left', () => {
    const wrapper = connect(10, { abortTimeout: 5 });
    clock.advance(10);
    wrapper.dataReceived(Buffer.from('a straggler'));
    wrapper.write('more');
    clock.advance(4.9);
    expect(transport.disconnected).to.equal(false);
    clock.advance(0.1);
    expect(transport.disconnected).to.equal(true);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('waits for ever for that where it may', () => {
    connect(10, { abortTimeout: null });
    clock.advance(10_000);
    expect([transport.disconnecting, transport.disconnected]).to.deep.equal([true, false]);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('leaves nothing behind when a connection is lost', () => {
    const wrapper = connect(10);
    wrapper.connectionLost(DONE);
    wrapper.resetTimeout();
    wrapper.setTimeout(3);
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('lets the protocol in it have another time, or none', () => {
    const wrapper = connect(10);
    const seen = wrapper.wrappedProtocol as Protocol; // of its factory
    const timed = seen.transport as unknown as TimeoutProtocol; // what it stands on
    timed.setTimeout(100);
    clock.advance(99);
    expect(transport.disconnecting).to.equal(false);
    timed.cancelTimeout();
    clock.advance(1000);
    expect(transport.disconnecting).to.equal(false);
    timed.setTimeout(1);
    clock.advance(1);
    expect(transport.disconnecting).to.equal(true);
    expect(() => timed.setTimeout(-1)).to.throw(RangeError, 'Cannot set');
  });

  it('does what timeoutFunc() says, and goes on with a connection that it does not close', () => {
    class Asking extends TimeoutProtocol {
      override timeoutFunc(): void {
        this.write('Are you there?');
      }
    }
    const factory = new TimeoutFactory(Factory.forProtocol(Protocol), 10, { clock });
    factory.protocol = Asking;
    factory.buildProtocol(transport.getPeer())?.makeConnection(transport);
    clock.advance(10);
    clock.advance(10);
    expect(transport.value().toString()).to.equal('Are you there?Are you there?');
  });

  it('aborts a connection whose timeoutFunc() fails, at once or later, and reports it', async () => {
    const reports: string[] = [];
    const restore = setUnhandledFailureHandler((failure) =>
      reports.push(failure.getErrorMessage()),
    );
    try {
      for (const timeoutFunc of [
        () => {
          throw new Error('at once');
        },
        () => Promise.reject(new Error('later')),
      ]) {
        transport = new StringTransport();
        const timed = connect(10);
        timed.timeoutFunc = timeoutFunc;
        clock.advance(10);
        await Promise.resolve();
        await Promise.resolve();
        expect(transport.disconnected).to.equal(true);
      }
      expect(reports).to.deep.equal(['at once', 'later']);
    } finally {
      setUnhandledFailureHandler(restore);
    }
  });
});
