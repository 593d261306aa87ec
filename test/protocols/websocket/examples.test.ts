/** The examples of WebSocket do what they say. */
import { once } from 'node:events';
import { expect } from 'chai';
import { WebSocket } from 'ws';
import { getProcessOutputAndValue } from '../../../src/reactor/index.ts';
import { killChildren, ROOT, start } from '../../support/twistd-child.ts';

describe('The examples of WebSocket', function () {
  this.timeout(60_000);
  afterEach(killChildren);

  it('websocket-chat.ts tells everybody what anybody says, and websocket-client.ts says something', async () => {
    const child = start(['--service', 'docs/examples/websocket-chat.ts'], { env: { PORT: '0' } });
    const url = `ws://127.0.0.1:${await child.port()}/chat`;
    const socket = new WebSocket(url, 'chat.v1');
    const heard: string[] = [];
    socket.on('message', (data) => heard.push(String(data)));
    await once(socket, 'message');
    const args = [
      '--import',
      import.meta.resolve('tsx'),
      `${ROOT}docs/examples/websocket-client.ts`,
      url,
      'good morning',
    ];
    const [out, error, code] = await getProcessOutputAndValue(process.execPath, args, {
      env: process.env as Record<string, string>, // all of them are strings
    });
    expect([String(error), code]).to.deep.equal(['', 0]);
    expect(String(out)).to.equal('guest 2 is here\nguest 2: good morning\n');
    while (heard.length < 4) await once(socket, 'message');
    expect(heard).to.deep.equal([
      'guest 1 is here',
      'guest 2 is here',
      'guest 2: good morning',
      'guest 2 is gone',
    ]);
    socket.send('/quit');
    const [status, reason] = await once(socket, 'close');
    expect([status, String(reason)]).to.deep.equal([1000, 'Goodbye']);
    expect((await child.stop()).code).to.equal(0);
  });
});
