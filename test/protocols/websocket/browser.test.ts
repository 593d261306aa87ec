/** Headless Chromium at the other end. */
import { expect } from 'chai';
import { Data, Resource, Site } from '../../../src/protocols/http/index.ts';
import { WebSocketProtocol, WebSocketResource } from '../../../src/protocols/websocket/index.ts';
import { LibuvReactor, type TCPListeningPort } from '../../../src/reactor/index.ts';
import { useBrowser } from '../../support/browser.ts';

const PAGE = `<!DOCTYPE html><link rel="icon" href="data:,"><title>WebSocket</title><script>
  const said = [];
  window.run = (url, protocols, silent = false) => new Promise((resolve) => {
    const socket = new WebSocket(url, protocols);
    socket.binaryType = 'arraybuffer';
    const inbox = [];
    socket.onopen = () => {
      said.push('open ' + socket.protocol + ' ' + socket.extensions);
      if (silent) return;
      socket.send('h\\u00e9llo');
      socket.send(new Uint8Array([1, 2, 255]));
      socket.send('x'.repeat(100000));
    };
    socket.onmessage = ({ data }) => {
      inbox.push(typeof data === 'string' ? data.length + ' ' + data.slice(0, 5) : 'bytes ' + new Uint8Array(data).join());
      if (inbox.length === 3) socket.close(4001, 'done');
    };
    socket.onclose = ({ code, reason, wasClean }) => resolve({ said: said.splice(0), inbox, code, reason, wasClean });
  });
</script>`;

class Echo extends WebSocketProtocol {
  override messageReceived(data: Buffer, isBinary: boolean): void {
    this.transport.sendMessage(data, isBinary);
  }
}

class Goodbye extends WebSocketProtocol {
  override connectionMade(): void {
    this.transport.close(4005, 'not today ✓');
  }
}

describe('Chromium', function () {
  this.timeout(60_000);
  const browser = useBrowser();
  const reactor = new LibuvReactor();
  let port: TCPListeningPort;
  let site: Site;

  before(() => {
    const root = new Resource();
    root.putChild('', new Data(PAGE, 'text/html; charset=utf-8'));
    const options = { reactor, compression: { threshold: 1000 }, protocols: ['v2'] };
    root.putChild('echo', new WebSocketResource(Echo, options));
    root.putChild('bye', new WebSocketResource(Goodbye, { reactor }));
    site = new Site(root, { reactor });
    port = reactor.listenTCP(0, site, { interface: '127.0.0.1' });
  });

  after(async () => {
    await port.stopListening();
    await site.drain(0);
  });

  it('talks to a WebSocketResource, with a subprotocol and compression', async () => {
    const { page, complaints } = await browser.open();
    const at = `127.0.0.1:${port.getHost().port}`;
    await page.goto(`http://${at}/`);
    const result = await page.evaluate(`run('ws://${at}/echo', ['v1', 'v2'])`);
    expect(result).to.deep.include({
      inbox: ['5 héllo', 'bytes 1,2,255', '100000 xxxxx'],
      code: 4001,
      wasClean: true,
    });
    const { said } = result as { said: string[] };
    expect(said[0]).to.match(/^open v2 permessage-deflate/);
    expect(complaints).to.deep.equal([]);
  });

  it('hears why the server closes', async () => {
    const { page } = await browser.open();
    const at = `127.0.0.1:${port.getHost().port}`;
    await page.goto(`http://${at}/`);
    // An end is not clean for Chromium while something it wants to send waits: that would be a race.
    expect(await page.evaluate(`run('ws://${at}/bye', [], true)`)).to.deep.include({
      code: 4005,
      reason: 'not today ✓',
      wasClean: true,
    });
  });

  it('is refused on a page of another origin', async () => {
    const { page } = await browser.open();
    const number = port.getHost().port;
    await page.goto(`http://localhost:${number}/`);
    const result = await page.evaluate(`run('ws://127.0.0.1:${number}/echo')`);
    expect(result).to.deep.include({ code: 1006, wasClean: false, inbox: [] });
  });
});
