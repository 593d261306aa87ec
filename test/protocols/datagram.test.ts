import { expect } from 'chai';
import { Failure } from '../../src/deferred/index.ts';
import {
  AbstractDatagramProtocol,
  ConnectedDatagramProtocol,
  DatagramProtocol,
  ProtocolInUseError,
} from '../../src/protocols/index.ts';
import {
  ConnectError,
  FakeDatagramTransport,
  LibuvReactor,
  type LogEvent,
  type LogObserver,
  setLogObserver,
  type UDPListeningPort,
} from '../../src/reactor/index.ts';
import { FailureTrap, Progress } from '../support/recorder.ts';

class Echo extends DatagramProtocol {
  override noisy = false;
  readonly calls: string[] = [];

  override startProtocol(): void {
    this.calls.push('start');
  }

  override datagramReceived(datagram: Buffer, addr: [string, number]): void {
    this.transport.write(datagram, addr);
  }

  override stopProtocol(): void {
    this.calls.push('stop');
  }
}

class Ask extends ConnectedDatagramProtocol {
  override noisy = false;
  readonly answers: string[] = [];
  readonly progress = new Progress();
  port = 9;

  override startProtocol(): void {
    this.transport.connect('127.0.0.1', this.port);
    this.transport.write('question');
  }

  override datagramReceived(datagram: Buffer): void {
    this.answers.push(String(datagram));
    this.progress.changed();
  }
}

describe('DatagramProtocol', () => {
  let events: LogEvent[];
  let previous: LogObserver;
  let trap: FailureTrap;

  beforeEach(() => {
    events = [];
    previous = setLogObserver((event) => events.push(event));
    trap = new FailureTrap();
  });

  afterEach(() => {
    setLogObserver(previous);
    trap.restore();
  });

  it('makeConnection() takes the transport, then calls startProtocol()', () => {
    const transport = new FakeDatagramTransport();
    class Check extends Echo {
      override startProtocol(): void {
        expect(this.transport).to.equal(transport);
        super.startProtocol();
      }
    }
    const protocol = new Check();
    protocol.makeConnection(transport);
    expect(protocol.calls).to.deep.equal(['start']);
  });

  it('answers with transport.write()', () => {
    const transport = new FakeDatagramTransport();
    const protocol = new Echo();
    protocol.makeConnection(transport);
    protocol.datagramReceived(Buffer.from('ping'), ['192.0.2.7', 9]);
    expect(transport.written).to.deep.equal([[Buffer.from('ping'), ['192.0.2.7', 9]]]);
  });

  it('doStop() calls stopProtocol(); then another port may start it', () => {
    const protocol = new Echo();
    protocol.makeConnection(new FakeDatagramTransport());
    protocol.doStop();
    const second = new FakeDatagramTransport();
    protocol.makeConnection(second);
    expect(protocol.calls).to.deep.equal(['start', 'stop', 'start']);
    expect(protocol.transport).to.equal(second);
  });

  it('throws ProtocolInUseError when a second port takes it while it serves the first', () => {
    const protocol = new Echo();
    const first = new FakeDatagramTransport();
    protocol.makeConnection(first);
    expect(() => protocol.makeConnection(new FakeDatagramTransport()))
      .to.throw(ProtocolInUseError, 'Cannot start protocol Echo: it serves another port')
      .with.property('code', 'ERR_PROTOCOL_IN_USE');
    expect(protocol.transport).to.equal(first);
    expect(protocol.calls).to.deep.equal(['start']);
  });

  it('can be started again when startProtocol() threw', () => {
    class Once extends Echo {
      override startProtocol(): void {
        super.startProtocol();
        if (this.calls.length === 1) throw new RangeError('not yet');
      }
    }
    const protocol = new Once();
    expect(() => protocol.makeConnection(new FakeDatagramTransport())).to.throw('not yet');
    protocol.makeConnection(new FakeDatagramTransport());
    expect(protocol.calls).to.deep.equal(['start', 'start']);
  });

  it('logs that it starts and stops, unless it is not noisy', () => {
    const noisy = new Echo();
    noisy.noisy = true;
    for (const protocol of [noisy, new Echo()]) {
      protocol.makeConnection(new FakeDatagramTransport());
      protocol.doStop();
    }
    expect(events).to.deep.equal([
      { level: 'info', system: 'Echo', message: 'Starting protocol Echo' },
      { level: 'info', system: 'Echo', message: 'Stopping protocol Echo' },
    ]);
  });

  it('does nothing until it is overridden', () => {
    class Silent extends AbstractDatagramProtocol {}
    const protocol = new Silent();
    const transport = new FakeDatagramTransport();
    protocol.makeConnection(transport);
    protocol.datagramReceived(Buffer.from('x'), ['192.0.2.7', 9]);
    protocol.connectionRefused();
    protocol.doStop();
    expect(transport.written).to.deep.equal([]);
    expect(protocol.logPrefix()).to.equal('Silent');
  });

  it('reports what could not be sent, or connected, until that is overridden', () => {
    const protocol = new Ask();
    protocol.sendFailed(new Failure(new RangeError('sent')), ['192.0.2.7', 9]);
    protocol.connectionFailed(new Failure(new ConnectError('connected')));
    expect(trap.caught.map(({ origin, failure }) => `${origin}: ${failure.value}`)).to.deep.equal([
      'Unhandled error in sending of Ask: RangeError: sent',
      'Unhandled error in connecting Ask: ConnectError: connected',
    ]);
  });

  describe('on a port', () => {
    let reactor: LibuvReactor;
    const listen = (protocol: DatagramProtocol): UDPListeningPort =>
      reactor.listenUDP(0, protocol, { interface: '127.0.0.1' });

    beforeEach(() => {
      reactor = new LibuvReactor();
    });

    afterEach(async () => {
      const running = reactor.run(false);
      reactor.stop();
      await running;
      expect(reactor.openCount).to.equal(0);
    });

    it('ConnectedDatagramProtocol asks a DatagramProtocol', async () => {
      const echo = new Echo();
      const ask = new Ask();
      ask.port = listen(echo).getHost().port;
      const port = listen(ask);
      await ask.progress.until(() => ask.answers.length === 1);
      expect(ask.answers).to.deep.equal(['question']);
      await port.stopListening();
      expect(events.map(({ message }) => message)).to.include.members([
        `Echo listening on UDP 127.0.0.1:${ask.port}`,
      ]);
    });

    it('reports what an async startProtocol() or stopProtocol() is rejected with', async () => {
      class Late extends Echo {
        override async startProtocol(): Promise<void> {
          throw new RangeError('start');
        }
        override async stopProtocol(): Promise<void> {
          throw new RangeError('stop');
        }
      }
      await listen(new Late()).stopListening();
      await new Promise((resolve) => setImmediate(resolve));
      expect(trap.caught.map(({ failure }) => String(failure.value))).to.deep.equal([
        'RangeError: start',
        'RangeError: stop',
      ]);
    });

    it('cannot be served by two ports at once', () => {
      const echo = new Echo();
      listen(echo);
      expect(() => listen(echo)).to.throw(ProtocolInUseError);
      expect(reactor.openCount).to.equal(1);
    });
  });
});
