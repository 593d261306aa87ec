import { expect } from 'chai';
import fc from 'fast-check';
import { setUnhandledFailureHandler } from '../../../src/deferred/index.ts';
import {
  CloseCode,
  WebSocketClosed,
  WebSocketLimitError,
  WebSocketLost,
  WebSocketOverflow,
  WebSocketProtocolError,
  WebSocketTimeout,
} from '../../../src/protocols/websocket/index.ts';
import {
  ConnectionAborted,
  ConnectionLost,
  type PushProducer,
} from '../../../src/reactor/index.ts';
import { cutAt, someCuts } from '../support.ts';
import { close, frame, text } from './support.ts';
import { clientEnd, type End, serverEnd } from './world.ts';

/** A frame of a server's. */
const plain = (opcode: number, payload: Buffer | string = ''): Buffer =>
  frame({ opcode, payload, key: null });

function closing(code: number, reason = ''): Buffer {
  const payload = Buffer.concat([Buffer.alloc(2), Buffer.from(reason)]);
  payload.writeUInt16BE(code);
  return plain(8, payload);
}

/** What the transport beneath calls. */
function producerOf(end: End): PushProducer {
  const { producer } = end.transport;
  if (producer === null) throw new Error('No producer');
  return producer as PushProducer; // it was registered as one
}

/** Has the transport take no more, as when its buffer is full. */
function stall(end: End): void {
  const { transport } = end;
  const write = transport.write.bind(transport);
  transport.write = (data) => {
    transport.write = write;
    write(data);
    producerOf(end).pauseProducing();
  };
  end.protocol.transport.sendMessage('the last that fits');
  end.said();
}

class Counted implements PushProducer {
  readonly calls: string[] = [];
  pauseProducing(): void {
    this.calls.push('pause');
  }
  resumeProducing(): void {
    this.calls.push('resume');
  }
  stopProducing(): void {
    this.calls.push('stop');
  }
}

describe('A WebSocket', () => {
  describe('sends', () => {
    it('text as text, bytes as bytes, and bytes as text if told so', () => {
      const { protocol, said } = serverEnd();
      protocol.transport.sendMessage('é');
      protocol.transport.sendMessage(Buffer.from([0, 255]));
      protocol.transport.sendMessage(new Uint8Array([1]));
      protocol.transport.sendMessage(Buffer.from('text'), false);
      expect(said()).to.deep.equal(['text é', 'bytes 00ff', 'bytes 01', 'text text']);
    });

    for (const size of [0, 1, 125, 126, 65_535, 65_536, 200_000]) {
      it(`${size} bytes, from either end`, () => {
        const data = Buffer.alloc(size, 5);
        const expected = [`bytes ${data.toString('hex')}`];
        const server = serverEnd();
        server.protocol.transport.sendMessage(data);
        expect(server.said()).to.deep.equal(expected);
        const client = clientEnd();
        client.protocol.transport.sendMessage(data);
        expect(client.said()).to.deep.equal(expected);
        expect(data.equals(Buffer.alloc(size, 5)), 'untouched by the mask').to.equal(true);
      });
    }

    it('a small message in one write with its header', () => {
      const { protocol, transport } = serverEnd();
      const writes: unknown[] = [];
      transport.write = (data) => {
        writes.push(data);
      };
      protocol.transport.sendMessage('hello');
      expect(writes).to.deep.equal([Buffer.from('\x81\x05hello', 'latin1')]);
    });

    it('masked with another key each time, as a client', () => {
      const { protocol, transport } = clientEnd();
      for (let n = 0; n < 3000; n += 1) protocol.transport.sendMessage('');
      const keys = new Set<string>();
      const bytes = transport.value();
      for (let at = 0; at < bytes.length; at += 6) keys.add(bytes.toString('hex', at + 2, at + 6));
      expect(keys.size).to.be.above(2990);
    });

    it('refuses what is no data', () => {
      const { protocol } = serverEnd();
      for (const bad of [null, 5, {}, undefined]) {
        expect(() => protocol.transport.sendMessage(bad as unknown as string)).to.throw(TypeError);
        expect(() => protocol.transport.ping(bad as unknown as string)).to.satisfy(() => true);
      }
      expect(() => protocol.transport.ping(Buffer.alloc(126))).to.throw(RangeError, '126 bytes');
    });
  });

  describe('hears', () => {
    it('text and bytes by methods of their own, unless messageReceived() is overridden', () => {
      const end = serverEnd();
      const { protocol } = end;
      const heard: unknown[] = [];
      protocol.messageReceived = Object.getPrototypeOf(
        Object.getPrototypeOf(protocol),
      ).messageReceived;
      protocol.textMessageReceived = (text) => heard.push(text);
      protocol.bytesMessageReceived = (data) => heard.push(data);
      end.receive(text('é'), frame({ opcode: 2, payload: 'é' }));
      expect(heard).to.deep.equal(['é', Buffer.from('é')]);
    });

    it('Pings, which it answers, and Pongs, which it tells of', () => {
      const end = serverEnd();
      end.receive(frame({ opcode: 9, payload: '1' }), frame({ opcode: 10, payload: '2' }));
      expect(end.said()).to.deep.equal(['pong 1']);
      expect(end.protocol.heard).to.deep.equal(['made', 'pong 2']);
      end.protocol.transport.ping('x');
      expect(end.said()).to.deep.equal(['ping x']);
    });
  });

  describe('ends', () => {
    it('by our Close and the answer to it; then the server closes the connection', () => {
      const end = serverEnd();
      const { transport } = end.protocol;
      transport.close(4000, 'enough');
      expect(end.said()).to.deep.equal(['close 4000 enough']);
      expect(transport.disconnecting).to.equal(true);
      expect(end.transport.disconnecting).to.equal(false);
      transport.sendMessage('too late');
      end.receive(text('not delivered'), close(4000, 'enough'));
      expect(end.said()).to.deep.equal([]);
      expect(end.transport.disconnecting).to.equal(true);
      end.lose();
      expect(end.protocol.heard).to.deep.equal(['made', 'lost']);
      const { value } = end.protocol.lost ?? {};
      expect(value).to.be.instanceOf(WebSocketClosed);
      expect(value).to.include({ closeCode: 4000, closeReason: 'enough', byPeer: false });
      expect(end.clock.getDelayedCalls()).to.deep.equal([]);
      expect(transport.connected).to.equal(false);
    });

    it("by the peer's Close, which is answered with its code", () => {
      const end = serverEnd();
      end.receive(close(1001, 'leaving'), text('nothing more'));
      expect(end.said()).to.deep.equal(['close 1001']);
      expect(end.transport.disconnecting).to.equal(true);
      end.lose(new ConnectionLost('reset'));
      const { value } = end.protocol.lost ?? {};
      expect(value).to.be.instanceOf(WebSocketClosed);
      expect(value).to.include({ closeCode: 1001, closeReason: 'leaving', byPeer: true });
    });

    it('by a Close without a code, which is answered with one without', () => {
      const end = serverEnd();
      end.receive(close());
      expect(end.said()).to.deep.equal(['close 1005']);
      end.lose();
      expect(end.protocol.lost?.value).to.include({ closeCode: CloseCode.noStatus });
    });

    it('as a client by waiting for the server to close the connection, for a while', () => {
      const end = clientEnd({ closeTimeout: 5 });
      end.receive(closing(1000));
      expect(end.said()).to.deep.equal(['close 1000']);
      expect(end.transport.disconnecting).to.equal(false);
      end.clock.advance(5);
      expect(end.transport.disconnecting).to.equal(true);
      expect(end.transport.disconnected).to.equal(false);
      end.clock.advance(5);
      expect(end.transport.disconnected).to.equal(true);
      end.lose();
      expect(end.protocol.lost?.value).to.be.instanceOf(WebSocketClosed);
    });

    it("as a client with the server's end of the connection", () => {
      const end = clientEnd();
      end.receive(closing(1000));
      end.end();
      expect(end.transport.disconnecting).to.equal(true);
    });

    it('when the peer does not answer our Close, by an abort', () => {
      const end = serverEnd({ closeTimeout: 3 });
      end.protocol.transport.close();
      end.clock.advance(2.9);
      expect(end.transport.disconnected).to.equal(false);
      end.clock.advance(0.2);
      expect(end.transport.disconnected).to.equal(true);
      end.lose(new ConnectionAborted());
      expect(end.protocol.lost?.value).to.be.instanceOf(WebSocketTimeout);
    });

    it('without a Close by WebSocketLost', () => {
      const broken = serverEnd();
      broken.lose(new ConnectionLost('reset by peer'));
      expect(broken.protocol.lost?.value).to.be.instanceOf(WebSocketLost);
      expect(broken.protocol.lost?.value).to.include({ closeCode: 1006 });
      const ended = serverEnd();
      ended.end();
      expect(ended.transport.disconnecting).to.equal(true);
      ended.lose();
      expect(ended.protocol.lost?.value).to.be.instanceOf(WebSocketLost);
      expect(ended.clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('by abortConnection() at once', () => {
      const end = serverEnd();
      end.protocol.transport.abortConnection();
      expect(end.transport.disconnected).to.equal(true);
      expect(end.said()).to.deep.equal([]);
      end.lose(new ConnectionAborted());
      expect(end.protocol.lost?.value).to.be.instanceOf(ConnectionAborted);
    });

    it('once, whatever is called afterwards', () => {
      const end = serverEnd();
      end.lose();
      const { transport } = end.protocol;
      transport.sendMessage('x');
      transport.ping();
      transport.close();
      transport.abortConnection();
      transport.pauseProducing();
      transport.resumeProducing();
      expect(end.said()).to.deep.equal([]);
      expect(end.protocol.heard).to.deep.equal(['made', 'lost']);
    });

    it('refuses codes and reasons that may not be sent, and is still open', () => {
      const { protocol, said } = serverEnd();
      for (const code of [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 1000.5]) {
        expect(() => protocol.transport.close(code), String(code)).to.throw(RangeError);
      }
      expect(() => protocol.transport.close(1000, 'é'.repeat(62))).to.throw(
        RangeError,
        '124 bytes',
      );
      protocol.transport.sendMessage('still here');
      expect(said()).to.deep.equal(['text still here']);
    });

    it('when the server drains, with 1001', () => {
      const end = serverEnd();
      end.factory.closeAll();
      expect(end.said()).to.deep.equal(['close 1001']);
    });
  });

  describe('whose peer breaks a rule', () => {
    const wrong: Record<string, [Buffer, number]> = {
      'a frame without a mask': [plain(1, 'x'), 1002],
      'reserved bits': [frame({ opcode: 1, reserved: 0x40 }), 1002],
      'text that is not UTF-8': [frame({ opcode: 1, payload: Buffer.from([0xff]) }), 1007],
      'a message that is too long': [frame({ opcode: 2, announced: 2_000_000n }), 1009],
      'a code that is none': [close(1005), 1002],
    };
    for (const [what, [bytes, code]] of Object.entries(wrong)) {
      it(`by ${what} is told ${code}, and the connection ends without a reset`, () => {
        const end = serverEnd();
        end.receive(text('good'), bytes, text('ignored'));
        const [said = ''] = end.said();
        expect(said).to.match(new RegExp(`^close ${code} .`));
        // Our side is closed; what comes is read and dropped until the peer closes too.
        expect(end.transport.writeDisconnecting).to.equal(true);
        expect(end.transport.disconnecting).to.equal(false);
        end.receive(Buffer.alloc(1000));
        end.end();
        expect(end.transport.disconnecting).to.equal(true);
        end.lose();
        expect(end.protocol.heard).to.deep.equal(['made', 'good', 'lost']);
        expect(end.protocol.lost?.value).to.be.instanceOf(WebSocketProtocolError);
        expect(end.protocol.lost?.value).to.include({ closeCode: code });
        expect(end.clock.getDelayedCalls()).to.deep.equal([]);
      });
    }

    it('and does not go away is broken off', () => {
      const end = serverEnd({ closeTimeout: 2 });
      end.receive(plain(1));
      end.clock.advance(2);
      end.clock.advance(2);
      expect(end.transport.disconnected).to.equal(true);
    });

    it('has limits as options, with errors of their own', () => {
      const long = serverEnd({ maxMessageLength: 10 });
      long.receive(text('12345678901'));
      long.lose();
      expect(long.protocol.lost?.value).to.be.instanceOf(WebSocketLimitError);
      const frames = serverEnd({ maxFrameLength: 3 });
      frames.receive(text('123', false), frame({ opcode: 0, payload: '456' }), text('1234'));
      expect(frames.said()[0]).to.match(/^close 1009/);
      const fragments = serverEnd({ maxFragments: 1 });
      fragments.receive(text('a', false), frame({ opcode: 0 }));
      expect(fragments.said()[0]).to.match(/^close 1008/);
    });
  });

  describe('whose protocol fails', () => {
    let reported: string[] = [];
    let before: ReturnType<typeof setUnhandledFailureHandler>;
    beforeEach(() => {
      reported = [];
      before = setUnhandledFailureHandler((failure, context) => {
        reported.push(`${context.origin}: ${String(failure.value)}`);
      });
    });
    afterEach(() => {
      setUnhandledFailureHandler(before);
    });

    it('by throwing is logged; the peer is told 1011 and nothing else', () => {
      const end = serverEnd();
      end.protocol.onMessage = () => {
        throw new Error('my secret');
      };
      end.receive(text('a'), text('b'));
      expect(end.said()).to.deep.equal(['close 1011 Internal error']);
      expect(reported).to.have.length(1);
      expect(reported[0]).to.contain('my secret');
      expect(end.protocol.heard).to.deep.equal(['made', 'a']);
      end.lose();
      expect(end.protocol.lost?.value).to.have.property('message', 'my secret');
    });

    it('by a promise that is rejected likewise', async () => {
      const end = serverEnd();
      end.protocol.onMessage = () => Promise.reject(new Error('later'));
      end.receive(text('a'));
      await new Promise(setImmediate);
      expect(end.said()).to.deep.equal(['close 1011 Internal error']);
      expect(reported).to.have.length(1);
    });

    it('in what its factory does likewise, and the protocol is told of the end all the same', () => {
      const end = serverEnd({}, {}, (protocol) => {
        const { factory } = protocol;
        factory.connectionOpened = () => {
          throw new Error('not opened');
        };
        factory.connectionClosed = () => {
          throw new Error('not closed');
        };
      });
      expect(end.said()).to.deep.equal(['close 1011 Internal error']);
      end.lose();
      expect(end.protocol.heard).to.deep.equal(['lost']);
      expect(reported.map((each) => /not \w+/.exec(each)?.[0])).to.deep.equal([
        'not opened',
        'not closed',
      ]);
    });

    it('in a producer that is told to stop does not keep the connection from its end', () => {
      const broken = {
        pauseProducing() {},
        resumeProducing() {},
        stopProducing() {
          throw new Error('will not stop');
        },
      };
      const aborted = serverEnd();
      aborted.protocol.transport.registerProducer(broken, true);
      aborted.protocol.transport.abortConnection();
      expect(aborted.transport.disconnected).to.equal(true);
      const ended = serverEnd();
      ended.protocol.transport.registerProducer(broken, true);
      ended.end();
      expect(ended.transport.disconnecting).to.equal(true);
      expect(reported).to.have.length(2);
    });

    it('in connectionMade() or pongReceived() likewise', () => {
      const made = serverEnd({}, {}, (protocol) => {
        protocol.onMade = () => {
          throw new Error('at once');
        };
      });
      expect(made.said()).to.deep.equal(['close 1011 Internal error']);
      expect(reported).to.have.length(1);
      const pong = serverEnd();
      pong.protocol.pongReceived = () => {
        throw new Error('pong');
      };
      pong.receive(frame({ opcode: 10 }));
      expect(pong.said()).to.deep.equal(['close 1011 Internal error']);
    });
  });

  describe('with a peer that is silent', () => {
    it('sends a Ping after pingInterval, and breaks off after pongTimeout', () => {
      const end = serverEnd({ pingInterval: 10, pongTimeout: 5 });
      end.clock.advance(9.9);
      expect(end.said()).to.deep.equal([]);
      end.clock.advance(0.2);
      expect(end.said()).to.deep.equal(['ping']);
      end.clock.advance(4.8);
      expect(end.transport.disconnected).to.equal(false);
      end.clock.advance(0.5);
      expect(end.transport.disconnected).to.equal(true);
      end.lose(new ConnectionAborted());
      expect(end.protocol.lost?.value).to.be.instanceOf(WebSocketTimeout);
    });

    it('takes any byte for a sign of life', () => {
      const end = serverEnd({ pingInterval: 10, pongTimeout: 5 });
      for (let n = 0; n < 10; n += 1) {
        end.clock.advance(8);
        end.receive(text('x'));
      }
      expect(end.said()).to.deep.equal([]);
      end.clock.advance(11);
      expect(end.said()).to.deep.equal(['ping']);
      end.clock.advance(4);
      end.receive(frame({ opcode: 10 }));
      end.clock.advance(4);
      expect(end.transport.disconnected).to.equal(false);
      end.clock.advance(7);
      expect(end.said()).to.deep.equal(['ping']);
    });

    it('takes an answer in the same moment', () => {
      const end = serverEnd({ pingInterval: 10, pongTimeout: 5 });
      end.clock.advance(10);
      expect(end.said()).to.deep.equal(['ping']);
      end.receive(frame({ opcode: 10 }));
      for (let n = 0; n < 9; n += 1) end.clock.advance(1);
      expect(end.transport.disconnected).to.equal(false);
      end.clock.advance(2);
      expect(end.said()).to.deep.equal(['ping']);
    });

    it('expects nothing of it while it is not read', () => {
      const end = serverEnd({ pingInterval: 10, pongTimeout: 5, idleTimeout: 30 });
      end.protocol.transport.pauseProducing();
      end.clock.advance(100);
      expect(end.said()).to.deep.equal([]);
      end.protocol.transport.resumeProducing();
      end.clock.advance(11);
      expect(end.said()).to.deep.equal(['ping']);
    });

    it('says goodbye after idleTimeout without a message, Pongs notwithstanding', () => {
      const end = serverEnd({ idleTimeout: 60, pingInterval: 10 });
      for (let n = 0; n < 5; n += 1) {
        end.clock.advance(11);
        end.receive(frame({ opcode: 10 }));
      }
      end.said();
      end.clock.advance(6);
      expect(end.said()).to.deep.equal(['close 1000 Idle']);
    });

    it('does none of that where it is switched off', () => {
      const end = serverEnd({ pingInterval: null });
      end.clock.advance(100_000);
      expect(end.said()).to.deep.equal([]);
      expect(end.clock.getDelayedCalls()).to.deep.equal([]);
    });
  });

  describe('with a peer that does not read', () => {
    it('keeps what the transport does not take, and says how much that is', () => {
      const end = serverEnd();
      const { transport } = end.protocol;
      stall(end);
      transport.sendMessage('12345');
      transport.sendMessage(Buffer.alloc(20_000));
      expect(transport.bufferedAmount).to.equal(7 + 4 + 20_000);
      expect(end.said()).to.deep.equal([]);
      producerOf(end).resumeProducing();
      expect(transport.bufferedAmount).to.equal(0);
      expect(end.said()).to.have.length(2);
    });

    it('is broken off when that is more than maxBuffered', () => {
      const end = serverEnd({ maxBuffered: 100 });
      stall(end);
      end.protocol.transport.sendMessage(Buffer.alloc(98));
      expect(end.transport.disconnected).to.equal(false);
      end.protocol.transport.sendMessage('');
      expect(end.transport.disconnected).to.equal(true);
      end.lose(new ConnectionAborted());
      expect(end.protocol.lost?.value).to.be.instanceOf(WebSocketOverflow);
    });

    it('stops again when the transport pauses in the middle of it, and keeps the order', () => {
      const end = serverEnd();
      const { transport } = end.protocol;
      stall(end);
      const producer = producerOf(end);
      for (let n = 0; n < 5; n += 1) transport.sendMessage(`${n}`);
      const write = end.transport.write.bind(end.transport);
      let left = 2;
      end.transport.write = (data) => {
        write(data);
        left -= 1;
        if (left === 0) producer.pauseProducing();
      };
      producer.resumeProducing();
      transport.sendMessage('5');
      expect(end.said()).to.deep.equal(['text 0', 'text 1']);
      left = 100;
      producer.resumeProducing();
      expect(end.said()).to.deep.equal(['text 2', 'text 3', 'text 4', 'text 5']);
    });

    it('does not keep somebody else from closing the transport, once all has left', () => {
      const end = serverEnd();
      end.protocol.transport.sendMessage('x');
      expect(end.transport.producer).to.equal(null);
      stall(end);
      end.protocol.transport.sendMessage('y');
      expect(end.transport.producer).to.not.equal(null);
      producerOf(end).resumeProducing();
      expect(end.transport.producer).to.equal(null);
      expect(end.said()).to.deep.equal(['text y']);
    });

    it('answers only the last of many Pings', () => {
      const end = serverEnd();
      stall(end);
      for (let n = 0; n < 100; n += 1) end.receive(frame({ opcode: 9, payload: `${n}` }));
      end.protocol.transport.sendMessage('x');
      expect(end.protocol.transport.bufferedAmount).to.equal(3);
      producerOf(end).resumeProducing();
      expect(end.said()).to.deep.equal(['text x', 'pong 99']);
    });

    it('answers a Ping even when nothing else waits', () => {
      const end = serverEnd();
      stall(end);
      end.receive(frame({ opcode: 9, payload: 'only' }));
      producerOf(end).resumeProducing();
      expect(end.said()).to.deep.equal(['pong only']);
    });

    it('leaves nothing in the clock when its goodbye is too much', () => {
      const end = serverEnd({ maxBuffered: 1 });
      stall(end);
      end.protocol.transport.close();
      expect(end.transport.disconnected).to.equal(true);
      expect(end.clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('says goodbye behind what waits', () => {
      const end = serverEnd();
      stall(end);
      end.protocol.transport.sendMessage('first');
      end.protocol.transport.close();
      end.receive(close(1000));
      expect(end.transport.disconnecting).to.equal(false);
      producerOf(end).resumeProducing();
      expect(end.said()).to.deep.equal(['text first', 'close 1000']);
      expect(end.transport.disconnecting).to.equal(true);
    });
  });

  describe('with a producer', () => {
    it('has it wait while the peer does not read', () => {
      const end = serverEnd();
      const producer = new Counted();
      end.protocol.transport.registerProducer(producer, true);
      producerOf(end).pauseProducing();
      end.protocol.transport.sendMessage('x');
      producerOf(end).resumeProducing();
      expect(producer.calls).to.deep.equal(['pause', 'resume']);
      expect(() => end.protocol.transport.registerProducer(producer, true)).to.throw(
        'has one already',
      );
    });

    it('says goodbye when it is done', () => {
      const end = serverEnd();
      const { transport } = end.protocol;
      const producer = new Counted();
      transport.registerProducer(producer, true);
      transport.close(4001);
      expect(transport.disconnecting).to.equal(true);
      transport.sendMessage('the rest');
      transport.unregisterProducer();
      expect(end.said()).to.deep.equal(['text the rest', 'close 4001']);
    });

    it('stops it when the peer says goodbye, or is lost', () => {
      const end = serverEnd();
      const producer = new Counted();
      end.protocol.transport.registerProducer(producer, true);
      end.receive(close());
      expect(producer.calls).to.deep.equal(['stop']);
      const lost = serverEnd();
      const other = new Counted();
      lost.protocol.transport.registerProducer(other, true);
      lost.lose();
      expect(other.calls).to.deep.equal(['stop']);
      const late = new Counted();
      lost.protocol.transport.registerProducer(late, true);
      expect(late.calls).to.deep.equal(['stop']);
    });

    it('asks one that is to be pulled for each piece', () => {
      const end = serverEnd();
      const { transport } = end.protocol;
      let pieces = 0;
      const producer = {
        resumeProducing: (): void => {
          pieces += 1;
          transport.sendMessage(`${pieces}`);
          if (pieces === 3) transport.unregisterProducer();
        },
        stopProducing: (): void => {},
      };
      transport.registerProducer(producer, false);
      expect(end.transport.streaming).to.equal(false);
      for (let n = 0; n < 3; n += 1) end.transport.producer?.resumeProducing();
      expect(end.said()).to.deep.equal(['text 1', 'text 2', 'text 3']);
      expect(end.transport.producer).to.equal(null);
    });
  });

  describe('whose protocol does not want to read', () => {
    it('delivers nothing between pauseProducing() and the turn after resumeProducing()', () => {
      const end = serverEnd();
      const { transport } = end.protocol;
      end.protocol.onMessage = (data) => {
        if (data.toString() === '2') transport.pauseProducing();
      };
      end.receive(text('1'), text('2'), text('3'));
      expect(end.transport.producerState).to.equal('paused');
      end.receive(text('4'));
      expect(end.protocol.heard).to.deep.equal(['made', '1', '2']);
      transport.resumeProducing();
      // Were the end of the connection read before what waits is delivered, that would be lost.
      expect(end.transport.producerState).to.equal('paused');
      expect(end.protocol.heard).to.deep.equal(['made', '1', '2']);
      end.clock.advance(0);
      expect(end.protocol.heard).to.deep.equal(['made', '1', '2', '3', '4']);
      expect(end.transport.producerState).to.equal('producing');
      end.receive(text('5'));
      expect(end.protocol.heard).to.deep.equal(['made', '1', '2', '3', '4', '5']);
    });

    it('leaves nothing in the clock when it goes on after the connection is lost, or broken off', () => {
      for (const end of [serverEnd(), clientEnd()]) {
        const { transport } = end.protocol;
        transport.pauseProducing();
        end.lose();
        transport.resumeProducing();
        expect(end.clock.getDelayedCalls()).to.deep.equal([]);
      }
      const end = serverEnd();
      end.protocol.transport.pauseProducing();
      end.protocol.transport.abortConnection();
      end.protocol.transport.resumeProducing();
      end.clock.advance(0);
      expect(end.clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('still hears the end when it has failed meanwhile', async () => {
      const end = serverEnd();
      const reported: unknown[] = [];
      const before = setUnhandledFailureHandler((failure) => reported.push(failure.value));
      end.protocol.onMessage = () => {
        end.protocol.transport.pauseProducing();
        return Promise.reject(new Error('broken'));
      };
      end.receive(text('x'));
      expect(end.transport.producerState).to.equal('paused');
      await new Promise(setImmediate);
      setUnhandledFailureHandler(before);
      expect(end.said()).to.deep.equal(['close 1011 Internal error']);
      expect([end.transport.producerState, reported.length]).to.deep.equal(['producing', 1]);
    });

    it('still hears the goodbye once it has said its own', () => {
      const end = serverEnd();
      end.protocol.transport.pauseProducing();
      end.protocol.transport.close();
      expect(end.transport.producerState).to.equal('producing');
      end.receive(close(1000));
      expect(end.transport.disconnecting).to.equal(true);
    });
  });

  it('hears from its other end what that said, however it was cut, both ways', () => {
    const message = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc.nat({ max: 70_000 }).map((length) => Buffer.alloc(length, 'x')),
    );
    fc.assert(
      fc.property(fc.array(message, { maxLength: 6 }), someCuts, (messages, cuts) => {
        const [server, client] = [serverEnd(), clientEnd()];
        const expected = messages.map((one) =>
          typeof one === 'string' ? Buffer.from(one).toString() : `bytes ${one.toString('hex')}`,
        );
        for (const [from, to] of [
          [client, server],
          [server, client],
        ] as const) {
          for (const one of messages) from.protocol.transport.sendMessage(one);
          for (const piece of cutAt(from.transport.value(), cuts)) to.receive(piece);
          expect(to.protocol.heard.slice(1)).to.deep.equal(expected);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('is counted by its factory while it stands', () => {
    const end = serverEnd();
    expect([...end.factory.connections]).to.deep.equal([end.protocol]);
    expect(end.factory.broadcast('to all')).to.equal(1);
    expect(end.said()).to.deep.equal(['text to all']);
    end.lose();
    expect(end.factory.connections.size).to.equal(0);
    expect(end.factory.broadcast('to nobody')).to.equal(0);
  });

  it('refuses options that make no sense', () => {
    for (const options of [
      { maxMessageLength: -1 },
      { maxBuffered: Number.NaN },
      { pingInterval: 0 },
      { closeTimeout: -1 },
      { compression: { level: 0 } },
      { compression: { windowBits: 8 } },
      { maxFragments: '5' as unknown as number },
    ]) {
      expect(() => serverEnd(options), JSON.stringify(options)).to.throw(RangeError, 'The option');
    }
  });
});
