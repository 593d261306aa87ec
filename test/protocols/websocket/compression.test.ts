import { randomBytes } from 'node:crypto';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { expect } from 'chai';
import { broadcast, type CompressionOptions } from '../../../src/protocols/websocket/index.ts';
import { close, frame } from './support.ts';
import { clientEnd, type End, serverEnd } from './world.ts';

const OFFER = 'permessage-deflate';
const TEXT = JSON.stringify({
  list: Array.from({ length: 100 }, (_, n) => ({ id: n, name: `item ${n}` })),
});

function flushed(data: Buffer | string, options = {}): Buffer {
  const out = deflateRawSync(data, { finishFlush: constants.Z_SYNC_FLUSH, ...options });
  return out.subarray(0, -4);
}

function compressed(payload: Buffer, opcode = 1): Buffer {
  return frame({ opcode, payload, reserved: 0x40 });
}

/** What the server answers to an offer; null for nothing. */
function agreed(offer: string, compression: boolean | CompressionOptions = true): string | null {
  const { answer } = serverEnd({ compression }, { 'Sec-WebSocket-Extensions': offer });
  return /Sec-WebSocket-Extensions: (.*)\r/i.exec(answer)?.[1] ?? null;
}

function server(
  compression: boolean | CompressionOptions = true,
  offer = OFFER,
  more = {},
): End & ReturnType<typeof serverEnd> {
  return serverEnd({ compression, ...more }, { 'Sec-WebSocket-Extensions': offer });
}

const FORGETFUL = `${OFFER}; server_no_context_takeover; client_no_context_takeover`;

describe('permessage-deflate', () => {
  describe('is agreed upon', () => {
    it('only where it is switched on and offered', () => {
      expect(agreed(OFFER, false)).to.equal(null);
      expect(agreed('x-other')).to.equal(null);
      expect(serverEnd({ compression: true }).answer).to.not.contain('deflate');
    });

    it('without context takeover, unless that is switched on and the client wants it', () => {
      expect(agreed(OFFER)).to.equal(FORGETFUL);
      expect(agreed(OFFER, { contextTakeover: true })).to.equal(OFFER);
      expect(agreed(FORGETFUL, { contextTakeover: true })).to.equal(FORGETFUL);
      const half = `${OFFER}; server_no_context_takeover`;
      expect(agreed(half, { contextTakeover: true })).to.equal(half);
    });

    it('with a window no larger than both ends want', () => {
      expect(agreed(`${OFFER}; server_max_window_bits=10`)).to.equal(
        `${FORGETFUL}; server_max_window_bits=10`,
      );
      expect(agreed(`${OFFER}; server_max_window_bits="12"`, { windowBits: 11 })).to.equal(
        `${FORGETFUL}; server_max_window_bits=11`,
      );
      expect(agreed(`${OFFER}; client_max_window_bits`)).to.equal(FORGETFUL);
      expect(agreed(`${OFFER}; client_max_window_bits=9`)).to.equal(FORGETFUL);
    });

    for (const bad of [
      'server_no_context_takeover=1',
      'server_max_window_bits',
      'server_max_window_bits=7',
      'server_max_window_bits=16',
      'server_max_window_bits=010',
      'server_max_window_bits=8',
      'client_max_window_bits=x',
      'client_max_window_bits; client_max_window_bits',
      'unknown',
    ]) {
      it(`not with an offer of ${bad}; the next one may be better`, () => {
        expect(agreed(`${OFFER}; ${bad}`)).to.equal(null);
        expect(agreed(`${OFFER}; ${bad}, ${OFFER}`)).to.equal(FORGETFUL);
      });
    }

    it('by a client that offers it, and takes only an answer to its offer', () => {
      const answers: [string, boolean][] = [
        [FORGETFUL, true],
        [`${FORGETFUL}; server_max_window_bits=9`, true],
        [OFFER, false],
        [`${FORGETFUL}; client_max_window_bits=10`, false],
        [`${FORGETFUL}; server_max_window_bits`, false],
        [`${FORGETFUL}; x=1`, false],
        [`${FORGETFUL}, ${FORGETFUL}`, false],
        ['x-webkit-deflate-frame', false],
      ];
      for (const [answer, good] of answers) {
        const end = clientEnd({ compression: true }, null);
        expect(end.request).to.contain(`Sec-WebSocket-Extensions: ${FORGETFUL}\r\n`);
        end.answer(
          `HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: PROOF\r\nSec-WebSocket-Extensions: ${answer}\r\n\r\n`,
        );
        expect(end.protocol.heard, answer).to.deep.equal(good ? ['made'] : []);
        if (good) expect(end.protocol.transport.compressed).to.equal(true);
      }
      for (const [bits, good] of [
        ['; server_max_window_bits=11', true],
        ['; server_max_window_bits=13', false],
        ['', false],
      ] as const) {
        const end = clientEnd({ compression: { windowBits: 12 } }, null);
        end.answer(
          `HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: PROOF\r\nSec-WebSocket-Extensions: ${FORGETFUL}${bits}\r\n\r\n`,
        );
        expect(end.protocol.heard, bits).to.deep.equal(good ? ['made'] : []);
      }
      const declined = clientEnd({ compression: true });
      expect(declined.protocol.transport.compressed).to.equal(false);
    });
  });

  describe('decompresses', () => {
    // RFC 7692 section 7.2.3: one block, two fragments, a stored block, a final block, two blocks.
    const examples: Record<string, string> = {
      'one block': 'f248cdc9c90700',
      'a block without compression': '000500faff48656c6c6f00',
      'a block that is the final one': 'f348cdc9c9070000',
      'two blocks': 'f248050000 00ffff cac9c90700'.replaceAll(' ', ''),
    };
    for (const [what, hex] of Object.entries(examples)) {
      it(`the RFC's example of ${what}`, () => {
        const end = server();
        end.receive(compressed(Buffer.from(hex, 'hex')));
        expect(end.protocol.heard).to.deep.equal(['made', 'Hello']);
      });
    }

    it("the RFC's example of fragments", () => {
      const end = server();
      end.receive(
        frame({ opcode: 1, payload: Buffer.from('f248cd', 'hex'), reserved: 0x40, fin: false }),
        frame({ opcode: 0, payload: Buffer.from('c9c90700', 'hex') }),
      );
      expect(end.protocol.heard).to.deep.equal(['made', 'Hello']);
    });

    it("the RFC's example of a message that refers to the one before", () => {
      const end = server({ contextTakeover: true });
      for (const hex of ['f248cdc9c90700', 'f200110000'])
        end.receive(compressed(Buffer.from(hex, 'hex')));
      expect(end.protocol.heard).to.deep.equal(['made', 'Hello', 'Hello']);
    });

    it('not such a one where that was not agreed upon', () => {
      const end = server();
      for (const hex of ['f248cdc9c90700', 'f200110000'])
        end.receive(compressed(Buffer.from(hex, 'hex')));
      expect(end.said()[0]).to.match(/^close 1007/);
    });

    it('messages that are not, among others', () => {
      const end = server();
      end.receive(frame({ opcode: 1, payload: 'plain' }), compressed(flushed('packed')));
      expect(end.protocol.heard).to.deep.equal(['made', 'plain', 'packed']);
    });

    it('an empty one', () => {
      const end = server();
      end.receive(compressed(Buffer.from([0])));
      expect(end.protocol.heard).to.deep.equal(['made', '']);
    });

    it('and refuses what is not compressed so, or not UTF-8', () => {
      for (const payload of [Buffer.from('ff', 'hex'), flushed(Buffer.from([0xc3, 0x28]))]) {
        const end = server();
        end.receive(compressed(payload));
        expect(end.said()[0]).to.match(/^close 1007/);
        expect(end.protocol.heard).to.deep.equal(['made']);
      }
    });

    it('and refuses a bomb before it goes off', () => {
      const bomb = flushed(Buffer.alloc(200 << 20));
      expect(bomb.length).to.be.below(300_000);
      const before = process.memoryUsage().arrayBuffers;
      const end = server(true, OFFER, { maxMessageLength: 1 << 20 });
      end.receive(compressed(bomb, 2));
      expect(end.said()[0]).to.match(/^close 1009 .*decompressed/);
      expect(process.memoryUsage().arrayBuffers - before).to.be.below(16 << 20);
    });

    it('exactly as much as a message may have', () => {
      for (const [size, good] of [
        [1000, true],
        [1001, false],
      ] as const) {
        const end = server(true, OFFER, { maxMessageLength: 1000 });
        end.receive(compressed(flushed(Buffer.alloc(size)), 2));
        expect(end.protocol.heard.length, String(size)).to.equal(good ? 2 : 1);
      }
    });

    it('exactly as much where it ends and begins again', () => {
      for (const [size, good] of [
        [999, true],
        [1000, false],
      ] as const) {
        const end = server(true, OFFER, { maxMessageLength: 1000 });
        const parts = [deflateRawSync(Buffer.alloc(size)), flushed(Buffer.alloc(1))];
        end.receive(compressed(Buffer.concat(parts), 2));
        expect(end.protocol.heard.length, String(size)).to.equal(good ? 2 : 1);
        if (!good) expect(end.said()[0]).to.match(/^close 1009/);
      }
    });

    it('and refuses a message that ends and begins again without end', () => {
      const end = server();
      end.receive(compressed(Buffer.alloc(20_000, Buffer.from([3, 0])), 2));
      expect(end.said()[0]).to.match(/^close 1007 .*again too often/);
    });
  });

  describe('compresses', () => {
    it('messages from the threshold on, when they become shorter', () => {
      const end = server({ threshold: 100 });
      const { transport } = end.protocol;
      transport.sendMessage('x'.repeat(99));
      transport.sendMessage('x'.repeat(100));
      transport.sendMessage(randomBytes(200));
      const said = end.said();
      expect(said[0]).to.equal(`text ${'x'.repeat(99)}`);
      expect(said[1]).to.match(/^compressed /);
      expect(said[2]).to.match(/^bytes /);
      const payload = Buffer.from(said[1]?.slice(11) ?? '', 'hex');
      const whole = Buffer.concat([payload, Buffer.from([0, 0, 0xff, 0xff])]);
      const options = { finishFlush: constants.Z_SYNC_FLUSH };
      expect(inflateRawSync(whole, options).toString()).to.equal('x'.repeat(100));
    });

    it('counts bytes, not characters, for the threshold', () => {
      const end = server({ threshold: 100 });
      end.protocol.transport.sendMessage('€'.repeat(34));
      end.protocol.transport.sendMessage('€'.repeat(33));
      const said = end.said();
      expect(said[0]).to.match(/^compressed/);
      expect(said[1]).to.match(/^text/);
    });

    for (const contextTakeover of [false, true]) {
      for (const windowBits of [9, 12, 15]) {
        it(`what the other end understands, ${contextTakeover ? 'with' : 'without'} context takeover, with a window of ${windowBits} bits`, () => {
          const compression = { threshold: 0, contextTakeover, windowBits };
          const client = clientEnd({ compression }, null);
          const offer = /Sec-WebSocket-Extensions: (.*)\r/.exec(client.request)?.[1] ?? '';
          const end = server(compression, offer);
          client.answer(end.answer.replace(/(Accept: ).*\r/i, '$1PROOF\r'));
          const messages = Array.from(
            { length: 30 },
            (_, n) => TEXT.slice(0, n * n * 5) + n + TEXT.repeat(n),
          );
          for (const message of messages) {
            client.protocol.transport.sendMessage(message);
            end.protocol.transport.sendMessage(message);
            const [up, down] = [client.transport.value(), end.transport.value()];
            client.transport.clear();
            end.transport.clear();
            if (message.length > 1000) expect(up.length).to.be.below(message.length / 2);
            end.receive(up);
            client.receive(down);
          }
          expect(end.protocol.heard).to.deep.equal(['made', ...messages]);
          expect(client.protocol.heard).to.deep.equal(['made', ...messages]);
        });
      }
    }

    it('control frames never', () => {
      const end = server({ threshold: 0 });
      end.protocol.transport.ping('x'.repeat(125));
      end.receive(close(1000));
      expect(end.said()).to.deep.equal([`ping ${'x'.repeat(125)}`, 'close 1000']);
    });
  });

  it('is done once for a broadcast, for each window that was agreed upon', () => {
    const compression = { threshold: 10 };
    const ends = [
      server(compression),
      server(compression),
      server(compression, `${OFFER}; server_max_window_bits=9`),
      server({ threshold: 10, contextTakeover: true }),
      serverEnd(),
    ];
    const writes = ends.map(({ transport }) => {
      const all: unknown[] = [];
      transport.write = (data) => {
        all.push(data);
      };
      return all;
    });
    const count = broadcast(
      ends.map(({ protocol }) => protocol),
      TEXT,
    );
    expect(count).to.equal(5);
    expect(writes.map((all) => all.length)).to.deep.equal([1, 1, 1, 1, 1]);
    const [first, second, small, own, plain] = writes.map(([frame]) => frame as Buffer);
    expect(first).to.equal(second);
    expect(small).to.not.equal(first);
    expect(own).to.not.equal(first);
    expect(plain?.toString().slice(4)).to.equal(TEXT);
    expect(first?.length).to.be.below(TEXT.length / 2);
  });
});
