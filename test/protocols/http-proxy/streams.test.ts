/** Bodies of any length, framed and cut in any way, come out whole on the other side, both ways. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import fc from 'fast-check';
import { cutAt, someCuts } from '../support.ts';
import { bodyOf, HOST, ProxyServer, RawBackend } from './world.ts';

type Framing = 'length' | 'chunked' | 'close';

const someBody: fc.Arbitrary<Buffer> = fc.oneof(
  fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
  fc
    .tuple(fc.nat({ max: 300_000 }), fc.nat({ max: 255 }))
    .map(([length, start]) =>
      Buffer.from(Array.from({ length }, (_, at) => (start + at * 7) & 255)),
    ),
);

/** The fields that say how long a body is, and the body so written. */
function framed(body: Buffer, framing: Framing, cuts: readonly number[]): [string, Buffer] {
  if (framing === 'close') return ['Connection: close\r\n', body];
  if (framing === 'length') return [`Content-Length: ${body.length}\r\n`, body];
  const parts = cutAt(body, cuts).flatMap((part) => [
    Buffer.from(`${part.length.toString(16)}\r\n`),
    part,
    Buffer.from('\r\n'),
  ]);
  return ['Transfer-Encoding: chunked\r\n', Buffer.concat([...parts, Buffer.from('0\r\n\r\n')])];
}

describe('Bodies that go through a reverse proxy', function () {
  this.timeout(60_000);
  let backend: RawBackend;
  let server: ProxyServer;

  before(async () => {
    backend = await RawBackend.start();
    server = new ProxyServer(backend.port);
  });

  after(async () => {
    await server.stop();
    await backend.stop();
  });

  async function writePieces(
    socket: { write(data: Buffer): boolean },
    pieces: readonly Buffer[],
  ): Promise<void> {
    for (const piece of pieces) {
      socket.write(piece);
      await new Promise(setImmediate);
    }
  }

  it('come from the backend as it sent them', async () => {
    const framings = fc.constantFrom<Framing>('length', 'chunked', 'close');
    await fc.assert(
      fc.asyncProperty(
        someBody,
        framings,
        someCuts,
        someCuts,
        async (body, framing, chunks, cuts) => {
          const [fields, bytes] = framed(body, framing, chunks);
          const whole = Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${fields}\r\n`), bytes]);
          backend.answer = (_head, socket) => {
            void writePieces(socket, cutAt(whole, cuts)).then(() => {
              if (framing === 'close') socket.end();
            });
            return null;
          };
          const answer = bodyOf(await server.ask('GET /'));
          expect(Buffer.compare(Buffer.from(answer, 'latin1'), body)).to.equal(0);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('come from the client as it sent them', async () => {
    const framings = fc.constantFrom<Framing>('length', 'chunked');
    backend.answer = () => 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
    await fc.assert(
      fc.asyncProperty(
        someBody,
        framings,
        someCuts,
        someCuts,
        async (body, framing, chunks, cuts) => {
          const [fields, bytes] = framed(body, framing, chunks);
          const head = `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${fields}\r\n`;
          const before = backend.asked.length;
          const client = connect(server.port, HOST);
          client.resume();
          const closed = once(client, 'close');
          await writePieces(client, cutAt(Buffer.concat([Buffer.from(head), bytes]), cuts));
          await closed;
          expect(backend.asked.length).to.equal(before + 1);
          const came = Buffer.from(bodyOf(backend.asked[before] ?? ''), 'latin1');
          expect(Buffer.compare(came, body)).to.equal(0);
        },
      ),
      { numRuns: 40 },
    );
  });
});
