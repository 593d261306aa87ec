/** The example of RxJS does what it says. */
import { expect } from 'chai';
import { dictionary$ } from '../../docs/examples/rx-words.ts';
import {
  AccumulatingProtocol,
  connectProtocol,
  IPv4Address,
  reactor,
  TCP4ClientEndpoint,
  TCP4ServerEndpoint,
} from '../../src/reactor/index.ts';

describe('The example of RxJS', () => {
  it('rx-words.ts answers in order, one word at a time', async () => {
    let at = 0;
    let most = 0;
    let now = 0;
    const lookUp = async (word: string): Promise<string | undefined> => {
      now += 1;
      most = Math.max(most, now);
      await reactor.iterate();
      now -= 1;
      return { one: 'eins', two: 'zwei' }[word];
    };
    const serving = dictionary$(
      new TCP4ServerEndpoint(reactor, 0, { interface: '127.0.0.1' }),
      lookUp,
      (port) => {
        const address = port.getHost();
        if (address instanceof IPv4Address) at = address.port;
      },
    ).subscribe();
    const client = await connectProtocol(
      new TCP4ClientEndpoint(reactor, '127.0.0.1', at),
      new AccumulatingProtocol(),
    );
    client.transport.write('one\ntwo\nthree\n');
    client.transport.loseWriteConnection();
    await client.disconnected;
    serving.unsubscribe();
    expect(client.data.toString()).to.equal('eins\nzwei\nunknown\n');
    expect(most).to.equal(1);
  });
});
