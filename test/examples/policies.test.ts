/** The examples of policies do what they say. */
import { expect } from 'chai';
import { factory as own } from '../../docs/examples/policies-own.ts';
import { Clock, LibuvReactor, StringTransport } from '../../src/reactor/index.ts';
import { Recorder, RecordingFactory } from '../support/recorder.ts';
import { killChildren, start } from '../support/twistd-child.ts';

describe('The examples of policies', function () {
  this.timeout(60_000);
  afterEach(killChildren);

  const reactor = new LibuvReactor();

  function connect(port: number, said: string): Recorder {
    const client = new Recorder({
      made: ({ transport }) => {
        transport.write(said);
      },
    });
    reactor.connectTCP('127.0.0.1', port, new RecordingFactory(() => client));
    return client;
  }

  it('policies.ts serves as many as it may, and tells the rest', async () => {
    const child = start(['--service', 'docs/examples/policies.ts'], {
      env: { PORT: '0', LIMIT: '2' },
    });
    const port = await child.port();
    const clients: Recorder[] = [];
    for (const text of ['one', 'two']) {
      const client = connect(port, text);
      clients.push(client);
      await client.until(() => client.received.toString() === text);
    }
    const third = connect(port, '');
    await third.until(() => third.lost);
    expect(third.received.toString()).to.equal('Too many are here already\r\n');
    for (const client of clients) {
      client.transport.loseConnection();
      await client.until(() => client.lost);
    }
    expect((await child.stop()).code).to.equal(0);
  });

  it('port-forward.ts hands connections on', async () => {
    const server = new Recorder({
      data: ({ transport }, data) => {
        transport.write(`${data} yourself`);
        transport.loseConnection();
      },
    });
    const target = reactor.listenTCP(0, new RecordingFactory(() => server), {
      interface: '127.0.0.1',
    });
    const child = start(['--service', 'docs/examples/port-forward.ts'], {
      env: {
        FORWARD_FROM: 'tcp:0:interface=127.0.0.1',
        FORWARD_TO: `tcp:127.0.0.1:${target.getHost().port}`,
      },
    });
    const client = connect(await child.port(), 'hello');
    await client.until(() => client.lost);
    expect(client.received.toString()).to.equal('hello yourself');
    expect((await child.stop()).code).to.equal(0);
    await target.stopListening();
  });

  it('policies-own.ts counts what passes, and is impatient', () => {
    const clock = new Clock();
    const transport = new StringTransport();
    const wrapper = own.buildProtocol(transport.getPeer());
    Object.assign(wrapper?.wrappedProtocol ?? {}, { clock });
    wrapper?.makeConnection(transport);
    wrapper?.dataReceived(Buffer.from('hello\r\n'));
    clock.advance(59);
    wrapper?.dataReceived(Buffer.from('I am Ada\r\n'));
    clock.advance(3599);
    expect(transport.disconnecting).to.equal(false);
    clock.advance(1);
    expect(transport.disconnecting).to.equal(true);
    expect(transport.value().toString()).to.equal('Go on\r\nGo on\r\nYou are very quiet\r\n');
    expect(wrapper).to.include({ received: 17 });
  });
});
