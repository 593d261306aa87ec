/** What the tutorial shows does what it says. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { killChildren, ROOT, start, type TwistdChild } from '../support/twistd-child.ts';

/** Sends `text`, and gives what comes back up to the length of `expected`. */
function exchange(port: number, text: string, length: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.setEncoding('utf8').on('data', (more: string) => {
      answer += more;
      if (answer.length < length) return;
      socket.destroy();
      resolve(answer);
    });
    socket.on('error', reject).on('end', () => reject(new Error(`Only said: ${answer}`)));
  });
}

async function says(port: number, text: string, expected: string): Promise<void> {
  expect(await exchange(port, text, expected.length)).to.equal(expected);
}

describe('The tutorial', function () {
  this.timeout(60_000);
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'strand-tutorial-'));
  });
  afterEach(async () => {
    await killChildren();
    rmSync(folder, { recursive: true, force: true });
  });

  const host = (name: string, env: NodeJS.ProcessEnv = { PORT: '0' }): TwistdChild =>
    start(['--service', `docs/examples/${name}.ts`], { env });

  async function notesOn(url: string): Promise<string[]> {
    const page = await (await fetch(url)).text();
    return [...page.matchAll(/<li>(.*)<\/li>/g)].map(([, note = '']) => note);
  }

  const write = (url: string, text: string): Promise<Response> =>
    fetch(url, { method: 'POST', body: new URLSearchParams({ text }), redirect: 'manual' });

  it('echoes', async () => {
    const child = host('tutorial-echo');
    await says(await child.port(), 'hello', 'hello');
    expect((await child.stop()).code).to.equal(0);
  });

  it('takes notes by lines', async () => {
    const child = host('tutorial-lines');
    const port = await child.port();
    await says(port, 'buy milk\nfeed the cat\n', 'Note 1\nNote 2\n');
    await says(port, '\n', 'buy milk\nfeed the cat\n');
    expect((await child.stop()).code).to.equal(0);
  });

  it('tests that without a network', async () => {
    const test = start([], { program: `${ROOT}docs/examples/tutorial-test.ts` });
    const { code, stdout, stderr } = await test.ended;
    expect([code, stdout, stderr]).to.deep.equal([0, 'ok\n', '']);
  });

  it('shows them on a page', async () => {
    const child = host('tutorial-web');
    const url = `http://127.0.0.1:${await child.port()}/`;
    const { status, headers } = await write(url, 'a < b & "c"');
    expect([status, headers.get('location')]).to.deep.equal([303, '/']);
    expect(await notesOn(url)).to.deep.equal(['a &#60; b &#38; &#34;c&#34;']);
    expect((await child.stop()).code).to.equal(0);
  });

  it('keeps them in a database, whichever way they come', async () => {
    const env = { WEB_PORT: '0', LINES_PORT: '0', NOTES: join(folder, 'notes.db') };
    const begin = async (): Promise<[child: TwistdChild, url: string, lines: number]> => {
      const child = host('tutorial-app', env);
      const [, web] = await child.waitForLine(/Site listening on 127.0.0.1:(\d+)/);
      const [, lines] = await child.waitForLine(/[^e] listening on 127.0.0.1:(\d+)/);
      await child.waitForLine(/Started/);
      return [child, `http://127.0.0.1:${web}/`, Number(lines)];
    };
    const [first, page, lines] = await begin();
    expect((await write(page, 'buy <milk>')).status).to.equal(303);
    await says(lines, 'feed the cat\n\n', 'Written\nfeed the cat\nbuy <milk>\n');
    expect((await first.stop()).code).to.equal(0);
    const [second, again] = await begin();
    expect(await notesOn(again)).to.deep.equal(['feed the cat', 'buy &#60;milk&#62;']);
    expect((await second.stop()).code).to.equal(0);
  });
});
