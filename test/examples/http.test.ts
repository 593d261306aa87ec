/** The examples of HTTP, of logins and of plugins do what they say. */
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { hashPassword } from '../../src/protocols/cred/index.ts';
import { getProcessOutput, getProcessOutputAndValue } from '../../src/reactor/index.ts';
import { useBrowser } from '../support/browser.ts';
import { certificates } from '../support/certificates.ts';
import { killChildren, ROOT, start } from '../support/twistd-child.ts';

const curl = async (...args: string[]): Promise<string> =>
  String(await getProcessOutput('curl', ['-s', '--max-time', '20', ...args]));

describe('The examples of HTTP', function () {
  this.timeout(120_000);
  let folder = '';
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'strand-http-example-')));
  });
  afterEach(async () => {
    await killChildren();
    rmSync(folder, { recursive: true });
  });

  async function run(name: string, env: NodeJS.ProcessEnv = {}) {
    const child = start(['--service', `docs/examples/${name}.ts`], { env: { PORT: '0', ...env } });
    const port = await child.port();
    return { child, url: `http://127.0.0.1:${port}` };
  }

  it('http-resources.ts has resources that are there, are made, and answer over some time', async () => {
    const { child, url } = await run('http-resources');
    expect(await curl(`${url}/hello?name=Ada`)).to.equal('Hello, Ada!\n');
    expect(await curl(`${url}/books/`)).to.equal('["dune"]');
    const book = ['-w', '%{http_code}', `${url}/books/emma`];
    expect(await curl(...book)).to.match(/404$/);
    expect(await curl('-X', 'PUT', '-d', '{"pages":474}', ...book)).to.equal('204');
    expect(await curl(...book)).to.equal('{"pages":474}200');
    expect(await curl('-X', 'PUT', '-d', '{"pages', ...book)).to.match(/400$/);
    expect(await curl('-X', 'DELETE', ...book)).to.equal('204');
    expect(await curl('-X', 'POST', ...book)).to.match(/405$/);
    expect(await curl(`${url}/count`)).to.equal('1\n2\n3\n');
    expect((await child.stop()).code).to.equal(0);
  });

  it('http-upload.ts keeps what is sent, and knows who sent it', async () => {
    const pictures = join(folder, 'pictures');
    const { child, url } = await run('http-upload', { PICTURES: pictures });
    const jar = ['-b', join(folder, 'cookies'), '-c', join(folder, 'cookies')];
    expect(await curl(`${url}/`)).to.contain('<form');
    const file = join(folder, 'photo.jpg');
    writeFileSync(file, Buffer.alloc(3_000_000, 'photo'));
    const sent = await curl(
      ...jar,
      '-L',
      '-F',
      'title=summer',
      '-F',
      `picture=@${file}`,
      `${url}/`,
    );
    expect(sent).to.equal('Your last picture was summer.');
    expect(readFileSync(join(pictures, 'summer.bin')).equals(readFileSync(file))).to.equal(true);
    expect(await curl(`${url}/mine`)).to.equal('You have sent nothing yet.');
    const evil = ['-F', 'title=../evil', '-F', `picture=@${file}`, '-w', '%{http_code}'];
    expect(await curl(...evil, `${url}/`)).to.match(/422$/);
    expect(await curl(`${url}/pictures/`)).to.contain('summer.bin');
    expect((await child.stop()).code).to.equal(0);
  });

  it('http-events.ts sends what one says to all', async () => {
    const { child, url } = await run('http-events');
    const listening = get(`${url}/events`, { agent: false });
    const [events] = (await once(listening, 'response')) as [IncomingMessage];
    events.setEncoding('utf8');
    let text = '';
    const heard = new Promise<void>((resolve) => {
      events.on('data', (part: string) => {
        text += part;
        if (text.includes('data: hello there\n\n')) resolve();
      });
    });
    await curl('-d', 'text=hello there', `${url}/say`);
    await heard;
    listening.destroy();
    expect((await child.stop()).code).to.equal(0);
  });

  it('http-site.ts serves two sites under TLS, and sends there who comes without', async () => {
    const { server } = certificates();
    const www = join(folder, 'www');
    mkdirSync(www);
    writeFileSync(join(www, 'index.html'), '<p>files</p>');
    writeFileSync(join(folder, 'cert.pem'), server.cert);
    writeFileSync(join(folder, 'key.pem'), server.key);
    const child = start(['--service', 'docs/examples/http-site.ts'], {
      env: {
        ...{ WWW: www, PORT: '0', TLS_PORT: '0' },
        ...{ CERTIFICATE: join(folder, 'cert.pem'), PRIVATE_KEY: join(folder, 'key.pem') },
      },
    });
    await child.waitForLine(/Started site|starting? .*site|[Ss]tarted/);
    const ports = [...child.output.matchAll(/listening on .*?(\d+)$/gim)].map(([, port]) => port);
    expect(ports).to.have.length(2);
    const [secure, clear] = ports;
    const page = await curl('-k', '-i', `https://localhost:${secure}/`);
    expect(page)
      .to.match(/^strict-transport-security: /im)
      .and.match(/^x-content-type-options: nosniff\r$/im)
      .and.contain('<p>files</p>');
    const api = ['-k', '-i', '-H', 'Host: api.localhost', '-H', 'Origin: https://other.example'];
    expect(await curl(...api, `https://localhost:${secure}/`))
      .to.match(/^access-control-allow-origin: \*\r$/im)
      .and.contain('{"up":true}');
    expect(await curl('-i', `http://localhost:${clear}/x`)).to.match(
      /^location: https:\/\/localhost:0\/x\r$/im,
    );
    await child.waitForLine(/"method":"GET","uri":"\/","code":200/);
    expect((await child.stop()).code).to.equal(0);
  });

  it('http-testing.ts passes', async () => {
    const [out, err, code] = await getProcessOutputAndValue(process.execPath, [
      ...['--import', import.meta.resolve('tsx'), `${ROOT}docs/examples/http-testing.ts`],
    ]);
    expect([String(out), String(err), code]).to.deep.equal(['ok\n', '', 0]);
  });

  it('http-login.ts lets in who is in the file, and guests if it is to', async () => {
    const passwords = join(folder, 'passwords');
    writeFileSync(passwords, `alice:${await hashPassword('wonder', { cost: 10 })}\n`);
    const { child, url } = await run('http-login', { PASSWORDS: passwords });
    expect(await curl('-u', 'alice:wonder', url)).to.equal('The desk of alice.\n');
    await child.waitForLine(/logged out/);
    const code = ['-o', '/dev/null', '-w', '%{http_code}', url];
    expect(await curl('-u', 'alice:wander', ...code)).to.equal('401');
    expect(await curl('-u', 'bob:wonder', ...code)).to.equal('401');
    expect(await curl(...code)).to.equal('401');
    expect((await child.stop()).code).to.equal(0);
    const open = await run('http-login', { PASSWORDS: passwords, GUESTS: 'yes' });
    expect(await curl(open.url)).to.equal('The desk of nobody.\n');
    expect((await open.child.stop()).code).to.equal(0);
  });

  it('twistd-plugin.ts is a sub-command of the package that names it', async () => {
    const source = readFileSync(`${ROOT}docs/examples/twistd-plugin.ts`, 'utf8');
    writeFileSync(
      join(folder, 'package.json'),
      JSON.stringify({
        type: 'module',
        strand: { plugins: { motd: { module: './motd.ts', description: 'say one thing' } } },
      }),
    );
    // Users import 'strand'.
    writeFileSync(
      join(folder, 'motd.ts'),
      source.replace('../../src/index.ts', `${ROOT}src/index.ts`),
    );
    const inFolder = { cwd: folder };
    const help = start(['--help'], inFolder);
    expect((await help.ended).stdout).to.match(/^ {2}motd +say one thing$/m);
    const wrong = await start(['motd', '--port', '70000', '--text', 'x'], inFolder).ended;
    expect(wrong.code).to.not.equal(0);
    expect(wrong.stderr).to.contain('--port');
    const missing = await start(['motd'], inFolder).ended;
    expect(missing.stderr).to.contain('--text');
    const child = start(
      ['motd', '-p', '0', '--interface', '127.0.0.1', '--text', 'mind the gap', '--shout'],
      inFolder,
    );
    const socket = connect(await child.port(), '127.0.0.1').setEncoding('utf8');
    let text = '';
    for await (const part of socket) text += part;
    expect(text).to.equal('MIND THE GAP\n');
    expect((await child.stop()).code).to.equal(0);
    // It is an application like any other, too.
    const named = ['--service', './motd.ts', '--', '--text', 'x', '--port', '0'];
    const application = start(named, inFolder);
    await application.waitForLine(/Started motd/);
    expect((await application.stop()).code).to.equal(0);
  });

  describe('in a browser', () => {
    const browser = useBrowser();

    it('http-events.ts shows what was said', async () => {
      const { child, url } = await run('http-events');
      const [one, other] = [await browser.open(), await browser.open()];
      for (const { page } of [one, other]) {
        const connected = page.waitForResponse(/events/);
        await page.goto(url);
        await connected;
      }
      await one.page.fill('input', 'ahoy <there>');
      await one.page.click('button');
      for (const { page, complaints } of [one, other]) {
        await page.waitForSelector('li');
        expect(await page.textContent('li')).to.equal('ahoy <there>');
        expect(complaints).to.deep.equal([]);
      }
      await browser.closePages();
      expect((await child.stop()).code).to.equal(0);
    });
  });
});
