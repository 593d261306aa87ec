import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { getProcessOutput } from '../../src/reactor/index.ts';
import { HelpRequested, UsageError } from '../../src/service/index.ts';
import { makeService, Options } from '../../src/service/plugins/web.ts';
import { main } from '../../src/service/twistd/index.ts';
import { certificates } from '../support/certificates.ts';
import { killChildren, start } from '../support/twistd-child.ts';

const curl = async (...args: string[]): Promise<string> =>
  String(await getProcessOutput('curl', ['-s', '--max-time', '10', ...args]));

describe('twistd web', () => {
  let folder = '';
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'strand-web-')));
    mkdirSync(join(folder, 'www/sub'), { recursive: true });
    writeFileSync(join(folder, 'www/index.html'), '<p>hello</p>');
    writeFileSync(join(folder, 'www/big.txt'), 'x'.repeat(20_000));
    writeFileSync(join(folder, 'www/sub/file.txt'), 'in sub');
    writeFileSync(join(folder, 'secret'), 'secret');
  });
  afterEach(async () => {
    await killChildren();
    rmSync(folder, { recursive: true });
  });

  it('serves a folder, lists, compresses, logs requests, and stops with 0', async () => {
    const log = join(folder, 'access.log');
    const child = start([
      ...['web', '--path', join(folder, 'www'), '--port', '0', '--interface', '127.0.0.1'],
      ...['--listing', '--gzip', '--log', log],
    ]);
    const url = `http://127.0.0.1:${await child.port()}`;
    expect(await curl(`${url}/`)).to.equal('<p>hello</p>');
    expect(await curl(`${url}/sub/`)).to.contain('file.txt');
    expect(await curl('--compressed', '-D', '-', `${url}/big.txt`)).to.match(
      /^content-encoding: (gzip|br|zstd)\r$/im,
    );
    expect(await curl('--path-as-is', '-w', '%{http_code}', `${url}/../secret`)).to.match(
      /40[034]$/,
    );
    const { code } = await child.stop();
    expect(code).to.equal(0);
    expect(readFileSync(log, 'utf8')).to.match(/"GET \/sub\/ HTTP\/1\.1" 200 /);
  });

  it('serves over TLS, and on endpoints, beside each other', async () => {
    const { server } = certificates();
    writeFileSync(join(folder, 'cert.pem'), server.cert);
    writeFileSync(join(folder, 'key.pem'), server.key);
    const socket = join(folder, 'web.sock');
    const child = start([
      ...['web', '--path', join(folder, 'www'), '--https', '0', '--interface', '127.0.0.1'],
      ...['--certificate', join(folder, 'cert.pem'), '--privkey', join(folder, 'key.pem')],
      ...['--listen', `unix:${socket}`],
    ]);
    await child.waitForLine(/Started web/);
    const port = /listening on .*?(\d+)$/im.exec(child.output.replace(/.*web\.sock.*\n/g, ''))?.[1];
    expect(await curl('-k', `https://127.0.0.1:${port}/sub/file.txt`)).to.equal('in sub');
    expect(await curl('--unix-socket', socket, 'http://x/sub/file.txt')).to.equal('in sub');
    expect((await child.stop()).code).to.equal(0);
  });

  it('shows its help', async () => {
    let [out, err] = ['', ''];
    const code = await main(['web', '--help'], {
      out: (text) => (out += text),
      err: (text) => (err += text),
    });
    expect({ code, err }).to.deep.equal({ code: 0, err: '' });
    expect(out)
      .to.match(/^Usage: twistd web \[options\]\n/)
      .and.contain('--path <DIR>');
  });

  it('is named in the help of twistd', async () => {
    let out = '';
    await main(['--help'], { out: (text) => (out += text), err: () => {} });
    expect(out).to.match(/^ {2}web +serve a folder over HTTP$/m);
  });

  for (const [title, args, message] of [
    ['no folder', [], /^Option --path is required$/],
    ['a folder that is not there', ['--path', '/nowhere/at/all'], /there is no such folder$/],
    [
      'TLS without a certificate',
      ['--path', '.', '--https', '0'],
      /needs --certificate and --privkey$/,
    ],
    ['a certificate without TLS', ['--path', '.', '--privkey', 'x'], /are for --https$/],
  ] as const) {
    it(`throws a UsageError for ${title}`, () => {
      expect(() => new Options().parseOptions(args, 'twistd web')).to.throw(UsageError, message);
    });
  }

  it('throws a UsageError for a certificate that is not there', () => {
    const options = new Options();
    options.parseOptions([
      '--path',
      '.',
      '--https',
      '0',
      '--certificate',
      '/no',
      '--privkey',
      '/no',
    ]);
    expect(() => makeService(options)).to.throw(
      UsageError,
      /^Bad value "\/no" of --certificate: ENOENT/,
    );
  });

  it('throws HelpRequested rather than ending the process', () => {
    expect(() => new Options().parseOptions(['-h'])).to.throw(HelpRequested);
  });
});
