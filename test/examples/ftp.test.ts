/** The examples of FTP do what they say. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
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
