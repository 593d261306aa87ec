/** The examples of the README do what it says. */
import { connect } from 'node:net';
import { expect } from 'chai';
import { killChildren, ROOT, start } from '../support/twistd-child.ts';

/** Sends `text`, ends our side, and gives all that comes back. */
function exchange(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () =>
      socket.end(text),
    );
    socket.setEncoding('utf8').on('data', (more: string) => {
      answer += more;
    });
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  });
}

describe('The examples of the README', () => {
  afterEach(killChildren);

  it('shout.ts is hosted by twistd, answers, and stops with exit code 0', async () => {
    const child = start(['--service', 'docs/examples/shout.ts'], { env: { PORT: '0' } });
    const port = Number((await child.waitForLine(/listening on 0\.0\.0\.0:(\d+)/))[1]);
    expect(await exchange(port, 'hello\nbye\n')).to.equal('Say something\nHELLO\n');
    expect((await child.stop()).code).to.equal(0);
  });

  it('script.ts echoes, and stops in good order on SIGINT', async () => {
    const child = start([], { program: `${ROOT}docs/examples/script.ts`, env: { PORT: '0' } });
    const port = Number((await child.waitForLine(/Listening on port (\d+)/))[1]);
    expect(await exchange(port, 'there and back')).to.equal('there and back');
    expect((await child.stop('SIGINT')).code).to.equal(0);
  });
});
