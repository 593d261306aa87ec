/** What may happen between two boxes: TLS begins, or another protocol takes over. With real TLS, see the tests with Twisted. */
import { expect } from 'chai';
import { Deferred } from '../../../src/deferred/index.ts';
import * as amp from '../../../src/protocols/amp/index.ts';
import { Factory, Protocol } from '../../../src/protocols/protocol.ts';
import {
  connectedServerAndClient,
  type LogEvent,
  type PushProducer,
  StringTransport,
  setLogObserver,
} from '../../../src/reactor/index.ts';
import { FailureTrap, Recorder } from '../../support/recorder.ts';
import { failureResultOf, successResultOf } from '../support.ts';

const Ping = new amp.Command('Ping');
const Upgrade = new amp.ProtocolSwitchCommand('Upgrade');

/** Remembers when TLS was started. */
class SecurableTransport extends StringTransport {
  TLS = false;
  inClear: Buffer = Buffer.alloc(0);
  context: unknown;

  startTLS(context: unknown): void {
    this.TLS = true;
    this.context = context;
    this.inClear = this.value();
    this.clear();
  }
}

function box(contents: Record<string, string>): Buffer {
  return new amp.AmpBox(contents).serialize();
}

/** Boxes as objects of text. */
function boxes(bytes: Buffer): Array<Record<string, string>> {
  return amp
    .parseBoxes(bytes)
    .map((each) => Object.fromEntries([...each].map(([key, value]) => [key, value.toString()])));
}

let log: LogEvent[];
let trap: FailureTrap;
let restoreLog: () => void;

describe('Between two boxes', () => {
  beforeEach(() => {
    log = [];
    const previous = setLogObserver((event) => log.push(event));
    restoreLog = () => setLogObserver(previous);
    trap = new FailureTrap();
  });
  afterEach(() => {
    restoreLog();
    trap.restore();
  });

  describe('StartTLS', () => {
    const context = { key: 'k', cert: 'c' };
    let transport: SecurableTransport;
    let peer: amp.AMP;
    beforeEach(() => {
      transport = new SecurableTransport();
      peer = new amp.AMP();
      peer.responder(Ping, () => ({}));
      peer.makeConnection(transport);
    });

    it('is answered in clear, and then TLS begins', () => {
      peer.responder(amp.StartTLS, () => ({ context }));
      peer.dataReceived(box({ _command: 'StartTLS', _ask: '1' }));
      expect(boxes(transport.inClear)).to.deep.equal([{ _answer: '1' }]);
      expect(transport.context).to.equal(context);
      peer.dataReceived(box({ _command: 'Ping', _ask: '2' }));
      expect(boxes(transport.value())).to.deep.equal([{ _answer: '2' }]);
    });

    it('ends the connection when more came in clear behind it', () => {
      const answer = new Deferred<{ context: object }>();
      peer.responder(amp.StartTLS, () => answer);
      const ping = box({ _command: 'Ping', _ask: '2' });
      peer.dataReceived(Buffer.concat([box({ _command: 'StartTLS', _ask: '1' }), ping]));
      peer.dataReceived(ping);
      expect(transport.value()).to.have.length(0);
      answer.callback({ context });
      expect(transport.TLS).to.equal(false);
      expect(transport.disconnected).to.equal(true);
      expect(log.map(({ message }) => message).join()).to.include(
        `${2 * ping.length} bytes came in clear where TLS was to begin`,
      );
    });

    it('goes on in clear when it is refused', () => {
      peer.responder(amp.StartTLS, () => {
        throw new amp.RemoteAmpError('NO', 'not today');
      });
      const ping = box({ _command: 'Ping', _ask: '2' });
      peer.dataReceived(Buffer.concat([box({ _command: 'StartTLS', _ask: '1' }), ping]));
      expect(boxes(transport.value())).to.deep.equal([
        { _error_code: 'NO', _error_description: 'not today', _error: '1' },
        { _answer: '2' },
      ]);
    });

    it('is no command unless there is a responder', () => {
      peer.dataReceived(box({ _command: 'StartTLS', _ask: '1' }));
      expect(boxes(transport.value())[0]).to.include({ _error_code: 'UNHANDLED' });
    });

    it('keeps what is called meanwhile until TLS begins, or does not', () => {
      const started = peer.callRemote(amp.StartTLS, { context: {} });
      peer.callRemoteString('Later');
      expect(boxes(transport.value())).to.deep.equal([{ _command: 'StartTLS', _ask: '1' }]);
      transport.inClear = Buffer.alloc(0);
      peer.dataReceived(box({ _error: '1', _error_code: 'UNHANDLED', _error_description: 'no' }));
      expect(failureResultOf(started).value).to.be.instanceOf(amp.UnhandledCommand);
      expect(boxes(transport.value())[1]).to.include({ _command: 'Later' });
      const again = peer.callRemote(amp.StartTLS, { context: {} });
      peer.callRemoteString('Last');
      peer.dataReceived(box({ _answer: '3' }));
      successResultOf(again);
      expect(boxes(transport.inClear).map((each) => each['_command'])).to.deep.equal([
        ...['StartTLS', 'Later', 'StartTLS'],
      ]);
      expect(boxes(transport.value())[0]).to.include({ _command: 'Last' });
    });

    it('fails where there is no TLS, or there is already', () => {
      const plain = new amp.AMP();
      plain.makeConnection(new StringTransport());
      expect(failureResultOf(plain.callRemote(amp.StartTLS, { context: {} })).value)
        .to.be.instanceOf(amp.AmpError)
        .with.property('message')
        .that.matches(/do not have it/);
      peer.callRemote(amp.StartTLS, { context: {} });
      expect(
        failureResultOf(peer.callRemote(amp.StartTLS, { context: {} })).value,
      ).to.be.instanceOf(amp.OnlyOneTLS);
    });
  });

  describe('ProtocolSwitchCommand', () => {
    it('hands over what came behind the answer, and behind the question', () => {
      const [inner, outer] = [new Recorder(), new Recorder()];
      const [client, server, pump] = connectedServerAndClient(
        () => new amp.AMP(),
        () => new amp.AMP(),
      );
      const answer = new Deferred<{ switchTo: Recorder }>();
      server.responder(Upgrade, () => answer);
      const factory = Factory.forProtocol(Protocol);
      factory.protocol = (() => outer) as never; // what the test wants to see
      const open = client.callRemote(Ping);
      const switched = client.callRemote(Upgrade, { switchTo: factory });
      open.addErrback(() => undefined);
      pump.flush();
      server.dataReceived(Buffer.from('early'));
      answer.callback({ switchTo: inner });
      inner.transport.write('late');
      pump.flush();
      successResultOf(switched);
      expect(inner.received.toString()).to.equal('early');
      expect(outer.received.toString()).to.equal('late');
      client.transport.loseConnection();
      pump.flush();
      expect([inner.lost, outer.lost]).to.deep.equal([true, true]);
    });

    it('fails what was asked before and not answered, and what is asked later', () => {
      const [client, server, pump] = connectedServerAndClient(
        () => new amp.AMP(),
        () => new amp.AMP(),
      );
      const never = new Deferred<undefined>();
      server.responder(Ping, () => never);
      server.responder(Upgrade, () => ({ switchTo: new Protocol() }));
      const before = client.callRemote(Ping);
      client.callRemote(Upgrade, { switchTo: Factory.forProtocol(Protocol) });
      const meanwhile = client.callRemote(Ping);
      pump.flush();
      const after = client.callRemote(Ping);
      for (const result of [before, meanwhile, after]) {
        expect(failureResultOf(result).value).to.be.instanceOf(amp.ProtocolSwitched);
      }
      never.callback(undefined);
      pump.flush();
      expect(trap.caught).to.deep.equal([]);
    });

    it('goes on with boxes when it is refused', () => {
      const [client, server, pump] = connectedServerAndClient(
        () => new amp.AMP(),
        () => new amp.AMP(),
      );
      server.responder(Ping, () => ({}));
      const refused = client.callRemote(Upgrade, { switchTo: Factory.forProtocol(Protocol) });
      pump.flush();
      expect(failureResultOf(refused).value).to.be.instanceOf(amp.UnhandledCommand);
      const ping = client.callRemote(Ping);
      pump.flush();
      successResultOf(ping);
    });

    it('tells a receiver of boxes once that it gets no more', () => {
      const told: string[] = [];
      let sender: amp.BoxSender | undefined;
      const protocol = new amp.BinaryBoxProtocol({
        startReceivingBoxes: (given) => {
          sender = given;
        },
        ampBoxReceived: () => {},
        stopReceivingBoxes: (reason) => told.push(String(reason.type?.name)),
      });
      protocol.makeConnection(new StringTransport());
      const inner = new Recorder();
      sender?.switchTo(inner);
      protocol.connectionLost();
      expect(told).to.deep.equal(['ProtocolSwitched']);
      expect(inner.lost).to.equal(true);
    });

    it('leaves the connection to the other protocol, with little memory held by what came for it', () => {
      const transport = new StringTransport();
      const peer = new amp.AMP();
      const answer = new Deferred<{ switchTo: Recorder }>();
      peer.responder(Ping, () => ({}));
      peer.responder(Upgrade, () => answer);
      peer.makeConnection(transport);
      // It has more unsent than it likes.
      const write = transport.write.bind(transport);
      transport.write = (data) => {
        write(data);
        if (transport.streaming) (transport.producer as PushProducer).pauseProducing(); // which that says it is
      };
      for (let i = 0; i < 2; i += 1) peer.callRemoteString('Big', { all: Buffer.alloc(60_000) });
      expect(transport.producer).to.not.equal(null);
      const padding = box({ _command: 'Ping', pad: 'x'.repeat(50_000) });
      const upgrade = box({ _command: 'Upgrade', _ask: '1' });
      const chunk = Buffer.concat([padding, upgrade, Buffer.from('for the other')]);
      peer.dataReceived(chunk);
      const inner = new Recorder();
      answer.callback({ switchTo: inner });
      expect(transport.producer).to.equal(null);
      expect(inner.received.toString()).to.equal('for the other');
      expect(inner.chunks[0]?.buffer === chunk.buffer).to.equal(false);
    });

    it('takes no more than a box of what may be for the other protocol, while that is not known', () => {
      const transport = new StringTransport();
      const peer = new amp.AMP({ maxBoxSize: 1000 });
      peer.responder(Upgrade, () => new Deferred());
      peer.makeConnection(transport);
      peer.dataReceived(box({ _command: 'Upgrade', _ask: '1' }));
      peer.dataReceived(Buffer.alloc(1000));
      expect(transport.disconnected).to.equal(false);
      peer.dataReceived(Buffer.alloc(1));
      expect(transport.disconnected).to.equal(true);
      expect(log.map(({ message }) => message).join()).to.include('More came than may wait');
    });

    it('ends the connection when the factory of the caller gives none, or throws', () => {
      class Broken extends Factory {
        override buildProtocol(): never {
          throw new Error('no protocol');
        }
      }
      class Empty extends Factory {
        override buildProtocol(): null {
          return null;
        }
      }
      for (const switchTo of [new Broken(), new Empty()]) {
        const [client, server, pump] = connectedServerAndClient(
          () => new amp.AMP(),
          () => new amp.AMP(),
        );
        server.responder(Upgrade, () => ({ switchTo: new Protocol() }));
        const switched = client.callRemote(Upgrade, { switchTo });
        pump.flush();
        expect(client.transport.connected).to.equal(false);
        if (switchTo instanceof Empty) successResultOf(switched);
        else expect(failureResultOf(switched).getErrorMessage()).to.equal('no protocol');
      }
    });

    it('ends the connection when the other protocol throws', () => {
      class Broken extends Protocol {
        override connectionMade(): void {
          throw new Error('broken');
        }
      }
      const [client, server, pump] = connectedServerAndClient(
        () => new amp.AMP(),
        () => new amp.AMP(),
      );
      server.responder(Upgrade, () => ({ switchTo: new Broken() }));
      client.callRemote(Upgrade, { switchTo: Factory.forProtocol(Protocol) });
      pump.flush();
      expect(trap.caught[0]?.failure.getErrorMessage()).to.equal('broken');
      expect(server.transport.connected).to.equal(false);
    });
  });
});
