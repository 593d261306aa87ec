/** The examples of FTP do what they say. */
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { hashPassword } from '../../src/protocols/cred/index.ts';
import { getProcessOutputAndValue } from '../../src/reactor/index.ts';
import { certificates } from '../support/certificates.ts';
import { killChildren, start } from '../support/twistd-child.ts';

async function curl(...args: string[]): Promise<{ text: string; code: number }> {
  const [out, , code] = await getProcessOutputAndValue('curl', ['-s', '--max-time', '20', ...args]);
  return { text: String(out), code };
}

describe('The examples of FTP', function () {
  this.timeout(60_000);
  let folder = '';
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'strand-ftp-example-')));
  });
  afterEach(async () => {
    await killChildren();
    rmSync(folder, { recursive: true });
  });

  it('ftp-users.ts gives users folders, and guests less', async () => {
    const hash = await hashPassword('pw');
    writeFileSync(join(folder, 'passwords'), `alice:${hash}\nguest:${hash}\n`);
    mkdirSync(join(folder, 'home/guest/incoming'), { recursive: true });
    const child = start(['--service', 'docs/examples/ftp-users.ts'], {
      env: { PORT: '0', FTP_FOLDER: folder },
    });
    const url = `ftp://127.0.0.1:${await child.port()}`;
    const file = join(folder, 'passwords');
    expect((await curl('-u', 'alice:pw', '-T', file, `${url}/mine`)).code).to.equal(0);
    expect((await curl('-u', 'alice:pw', `${url}/mine`)).text).to.contain('alice:');
    expect((await curl('-u', 'guest:pw', '-T', file, `${url}/mine`)).code).to.not.equal(0);
    expect((await curl('-u', 'guest:pw', '-T', file, `${url}/incoming/x`)).code).to.equal(0);
    expect((await child.stop()).code).to.equal(0);
  });

  it('ftp-tls.ts lets nobody in without TLS', async () => {
    const { server } = certificates();
    writeFileSync(join(folder, 'cert.pem'), server.cert);
    writeFileSync(join(folder, 'key.pem'), server.key);
    writeFileSync(join(folder, 'hello'), 'hello');
    const child = start(['--service', 'docs/examples/ftp-tls.ts'], {
      env: {
        ...{ PORT: '0', TLS_PORT: '0', FTP_FOLDER: folder },
        CERTIFICATE: join(folder, 'cert.pem'),
        PRIVATE_KEY: join(folder, 'key.pem'),
      },
    });
    const url = `ftp://127.0.0.1:${await child.port()}/hello`;
    expect((await curl('-k', '--ssl-reqd', url)).text).to.equal('hello');
    expect((await curl(url)).code).to.not.equal(0);
    expect((await child.stop()).code).to.equal(0);
  });

  it('ftp-client.ts brings a folder, and says why if it cannot', async () => {
    const child = start(['--service', 'docs/examples/ftp-virtual.ts'], { env: { PORT: '0' } });
    const port = String(await child.port());
    const run = async (password: string): Promise<[out: string, error: string, code: number]> => {
      const program = ['--import', 'tsx', 'docs/examples/ftp-client.ts'];
      const [out, error, code] = await getProcessOutputAndValue(
        process.execPath,
        [...program, '127.0.0.1', port, '/', join(folder, 'here')],
        { env: { ...process.env, FTP_USER: 'alice', FTP_PASSWORD: password } },
      );
      return [String(out), String(error), code];
    };
    expect(await run('guess')).to.deep.equal(['/README: 12 bytes\n1 files\n', '', 0]);
    expect(readFileSync(join(folder, 'here', 'README'), 'utf8')).to.equal('Hello alice\n');
    const [, error, code] = await run('wrong');
    expect(error).to.match(/^Cannot do "PASS \.\.\.": 530 /);
    expect(code).to.equal(1);
    expect((await child.stop()).code).to.equal(0);
  });

  it('ftp-virtual.ts shows what is uploaded', async () => {
    const child = start(['--service', 'docs/examples/ftp-virtual.ts'], { env: { PORT: '0' } });
    const url = `ftp://127.0.0.1:${await child.port()}`;
    writeFileSync(join(folder, 'letter'), 'how are you?');
    const alice = ['-u', 'alice:guess'];
    expect((await curl(...alice, `${url}/README`)).text).to.equal('Hello alice\n');
    expect((await curl(...alice, '-T', join(folder, 'letter'), `${url}/letter`)).code).to.equal(0);
    await child.waitForLine(/\/letter: how are you\?/);
    expect((await curl('-u', 'alice:wrong', `${url}/`)).code).to.equal(67);
    expect((await child.stop()).code).to.equal(0);
  });
});
