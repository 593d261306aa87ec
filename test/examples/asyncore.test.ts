/** The examples in the shape of asyncore do what they say. */
import { expect } from 'chai';
import { ChatRoom } from '../../docs/examples/asynchat-chat.ts';
import { HTTPServer } from '../../docs/examples/asynchat-http.ts';
import type { Dispatcher } from '../../src/protocols/asyncore/index.ts';
import {
  AccumulatingProtocol,
  connectProtocol,
  getProcessOutputAndValue,
  reactor,
  setLogObserver,
  TCP4ClientEndpoint,
} from '../../src/reactor/index.ts';

function portOf(server: Dispatcher): number {
  const where = server.getsockname();
  return where === null || typeof where === 'string' ? 0 : where[1];
}

describe('The examples of asyncore', () => {
  it('asynchat-http.ts answers requests with and without a body', async () => {
    const server = new HTTPServer(0);
    try {
      const curl = async (...args: string[]): Promise<string> => {
        const url = `http://127.0.0.1:${portOf(server)}/path`;
        const [out] = await getProcessOutputAndValue('curl', [
          '-sS',
          '--max-time',
          '15',
          ...args,
          url,
        ]);
        return String(out);
      };
      expect(await curl()).to.match(/^GET \/path HTTP\/1.1\r\nHost: /);
      expect(await curl('-d', 'x'.repeat(100_000))).to.equal(
        `POST /path HTTP/1.1\n${'x'.repeat(100_000)}`,
      );
      const tooMuch = [
        '-o',
        '/dev/null',
        '-w',
        '%{http_code}',
        '-H',
        'Content-Length: 99999999',
        '-d',
        'x',
      ];
      expect(await curl(...tooMuch)).to.equal('413');
    } finally {
      server.close();
    }
  });

  it('asynchat-chat.ts says to all what one says', async () => {
    const room = new ChatRoom();
    room.open(0);
    const join = async (name: string): Promise<AccumulatingProtocol> => {
      const endpoint = new TCP4ClientEndpoint(reactor, '127.0.0.1', portOf(room));
      const guest = await connectProtocol(endpoint, new AccumulatingProtocol());
      guest.transport.write(`${name}\n`);
      while (!guest.data.toString().includes('comes in')) await reactor.iterate();
      return guest;
    };
    const [ann, bob] = [await join('Ann'), await join('Bob')];
    ann.transport.write('Hello ');
    ann.transport.write('you\n');
    while (!bob.data.toString().includes('you')) await reactor.iterate();
    ann.transport.loseConnection();
    while (!bob.data.toString().includes('leaves')) await reactor.iterate();
    expect(bob.data.toString()).to.equal(
      'Who are you?\nBob comes in\nAnn: Hello you\nAnn leaves\n',
    );
    // Nobody may flood the room with one line.
    const before = setLogObserver(() => {});
    bob.transport.write('x'.repeat(2000));
    await bob.disconnected;
    setLogObserver(before);
    room.handleClose();
    await ann.disconnected;
  });
});
