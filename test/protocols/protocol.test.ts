import { expect } from 'chai';
import {
  ClientFactory,
  connectionDone,
  Factory,
  Protocol,
  ReconnectingClientFactory,
  ServerFactory,
} from '../../src/protocols/index.ts';
import {
  ConnectionDone,
  IPv4Address,
  type LogEvent,
  setLogObserver,
} from '../../src/reactor/index.ts';
import { connect, StringTransport } from './support.ts';

const ADDRESS = new IPv4Address('TCP', '127.0.0.1', 4321);

class Echo extends Protocol {
  override dataReceived(data: Buffer): void {
    this.transport.write(data);
  }
}

class Greeter extends Protocol {
  readonly greeting: string;
  readonly times: number;

  constructor(greeting: string, times = 1) {
    super();
    this.greeting = greeting;
    this.times = times;
  }

  override connectionMade(): void {
    this.transport.write(this.greeting.repeat(this.times));
  }
}

describe('Protocol', () => {
  it('makeConnection() sets transport and connected before it calls connectionMade()', () => {
    const seen: unknown[] = [];
    class Watcher extends Protocol {
      override connectionMade(): void {
        seen.push(this.transport, this.connected);
      }
    }
    const protocol = new Watcher();
    const transport = new StringTransport();
    expect(protocol.connected).to.equal(false);
    protocol.makeConnection(transport);
    expect(seen).to.deep.equal([transport, true]);
  });

  it('does nothing by default', () => {
    const protocol = new Protocol();
    const transport = connect(protocol);
    protocol.dataReceived(Buffer.from('x'));
    protocol.connectionLost();
    expect(transport.value()).to.have.length(0);
    expect(transport.disconnecting).to.equal(false);
  });

  it('logPrefix() is the name of the class', () => {
    expect(new Echo().logPrefix()).to.equal('Echo');
  });

  it('connectionDone holds a ConnectionDone', () => {
    expect(connectionDone.check(ConnectionDone)).to.equal(ConnectionDone);
  });
});

describe('Factory', () => {
  let events: LogEvent[];
  let before: ReturnType<typeof setLogObserver>;

  beforeEach(() => {
    events = [];
    before = setLogObserver((event) => events.push(event));
  });
  afterEach(() => setLogObserver(before));

  it('buildProtocol() makes one of a class that was set on the instance, and tells it of the factory', () => {
    const factory = new Factory();
    factory.protocol = Echo;
    const protocol = factory.buildProtocol(ADDRESS);
    expect(protocol).to.be.instanceOf(Echo);
    expect(protocol).to.have.property('factory', factory);
    expect(factory.buildProtocol(ADDRESS)).to.not.equal(protocol);
  });

  it('buildProtocol() makes one of a class in a field of a subclass', () => {
    class EchoFactory extends Factory {
      override protocol = Echo;
    }
    expect(new EchoFactory().buildProtocol(ADDRESS)).to.be.instanceOf(Echo);
  });

  it('buildProtocol() calls a function of any kind', () => {
    const factory = new Factory();
    factory.protocol = () => new Greeter('arrow');
    expect(factory.buildProtocol(ADDRESS)).to.include({ greeting: 'arrow', factory });
    // biome-ignore lint/complexity/useArrowFunction: ordinary functions are the point
    factory.protocol = function () {
      return new Greeter('ordinary');
    };
    expect(factory.buildProtocol(ADDRESS)).to.include({ greeting: 'ordinary', factory });
  });

  it('buildProtocol() without a protocol throws a TypeError that names the factory', () => {
    class Hollow extends Factory {}
    expect(() => new Hollow().buildProtocol(ADDRESS)).to.throw(
      TypeError,
      'Cannot build a protocol: set "protocol" of Hollow',
    );
  });

  it('forProtocol() gives a factory with that class as its protocol', () => {
    const factory = Factory.forProtocol(Echo);
    expect(factory.protocol).to.equal(Echo);
    const protocol: Echo | null = factory.buildProtocol(ADDRESS); // the type says so too
    expect(protocol).to.be.instanceOf(Echo);
  });

  it("forProtocol() hands further arguments to each protocol's constructor", () => {
    const factory = Factory.forProtocol(Greeter, 'hey', 2);
    const [one, two] = [factory.buildProtocol(ADDRESS), factory.buildProtocol(ADDRESS)];
    expect(one).to.include({ greeting: 'hey', times: 2, factory });
    expect(two).to.include({ greeting: 'hey', times: 2, factory });
    expect(one).to.not.equal(two);
    // @ts-expect-error a greeting is required
    Factory.forProtocol(Greeter);
    // @ts-expect-error and it is text
    Factory.forProtocol(Greeter, 5);
  });

  it('forProtocol() on a subclass gives that subclass', () => {
    class Counting extends ServerFactory {
      built = 0;
    }
    const factory = Counting.forProtocol(Greeter, 'hey');
    factory.built += 1; // known to the type
    expect(factory).to.be.instanceOf(Counting);
    expect(factory.buildProtocol(ADDRESS)).to.include({ greeting: 'hey', factory });

    const client = ClientFactory.forProtocol(Echo);
    expect(client).to.be.instanceOf(ClientFactory);
    expect(client.clientConnectionLost).to.be.a('function');
    expect(ReconnectingClientFactory.forProtocol(Echo).maxDelay).to.equal(3600);
  });

  it('types a protocol by its factory and a factory by its protocol at once', () => {
    class Room extends Factory {
      override protocol = Member;
      readonly members: Member[] = [];
    }
    class Member extends Protocol<Room> {
      override connectionMade(): void {
        this.factory.members.push(this);
      }
    }
    const room = new Room();
    const member = room.buildProtocol(ADDRESS);
    if (member !== null) connect(member);
    expect(room.members).to.deep.equal([member]);
  });

  it('doStart() and doStop() call startFactory() and stopFactory() for the first and the last port only', () => {
    const calls: string[] = [];
    class Shared extends Factory {
      override startFactory(): void {
        calls.push(`start at ${this.numPorts}`);
      }
      override stopFactory(): void {
        calls.push(`stop at ${this.numPorts}`);
      }
    }
    const factory = new Shared();
    factory.doStart();
    factory.doStart();
    expect(factory.numPorts).to.equal(2);
    factory.doStop();
    expect(calls).to.deep.equal(['start at 0']);
    factory.doStop();
    expect(calls).to.deep.equal(['start at 0', 'stop at 0']);
    factory.doStart();
    expect(calls).to.have.length(3);
  });

  it('logs starting and stopping at level info, unless it is not noisy', () => {
    class Loud extends Factory {}
    const loud = new Loud();
    loud.doStart();
    loud.doStop();
    expect(events.map((event) => [event.level, event.system, event.message])).to.deep.equal([
      ['info', 'Loud', 'Starting factory Loud'],
      ['info', 'Loud', 'Stopping factory Loud'],
    ]);
    events.length = 0;
    const quiet = new Loud();
    quiet.noisy = false;
    quiet.doStart();
    quiet.doStop();
    expect(events).to.deep.equal([]);
  });

  it('doStop() once too often is logged as an error and changes nothing', () => {
    let stopped = 0;
    class Once extends Factory {
      override stopFactory(): void {
        stopped += 1;
      }
    }
    const factory = new Once();
    factory.doStop();
    expect(events.map((event) => event.level)).to.deep.equal(['error']);
    expect(factory.numPorts).to.equal(0);
    expect(stopped).to.equal(0);
  });
});
