/** The example of the reverse proxy does what it says. */
import { expect } from 'chai';
import { killChildren, start } from '../../support/twistd-child.ts';
import { HOST, RawBackend } from './world.ts';

describe('The example of the reverse proxy', function () {
  this.timeout(60_000);
  const backends: RawBackend[] = [];
  afterEach(async () => {
    await killChildren();
    for (const backend of backends.splice(0)) await backend.stop();
  });

  it('reverse-proxy.ts asks several backends for what is below /app', async () => {
    for (const name of ['one', 'two']) {
      const backend = await RawBackend.start();
      backends.push(backend);
      backend.answer = (head) => {
        const path = head.split(' ')[1] ?? '';
        return `HTTP/1.1 200 OK\r\nContent-Length: ${name.length + path.length}\r\n\r\n${name}${path}`;
      };
    }
    const child = start(['--service', 'docs/examples/reverse-proxy.ts'], {
      env: { PORT: '0', BACKENDS: backends.map(({ port }) => `${HOST}:${port}`).join(' ') },
    });
    const url = `http://${HOST}:${await child.port()}`;
    const get = async (path: string): Promise<string> => (await fetch(`${url}${path}`)).text();
    const answers = new Set([await get('/app/x'), await get('/app/x'), await get('/app/x')]);
    expect([...answers].sort()).to.deep.equal(['one/x', 'two/x']);
    expect(await get('/')).to.contain('the application');
    expect((await child.stop()).code).to.equal(0);
  });
});
