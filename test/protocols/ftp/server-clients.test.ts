import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'basic-ftp';
import { expect } from 'chai';
import { certificates } from '../../support/certificates.ts';
import { Served } from './control.ts';

const run = promisify(execFile);

/** Whether a program is there; without it the test is skipped, or fails where that may not be. */
async function need(context: Mocha.Context, program: string): Promise<void> {
  try {
    await run('sh', ['-c', `command -v ${program}`]);
  } catch {
    if (process.env['CI'] === 'true') throw new Error(`Install ${program}`);
    context.skip();
  }
}

for (const host of ['127.0.0.1', '::1']) {
  for (const way of ['', ' with TLS', ' with implicit TLS']) {
    const secure = way !== '';
    const implicit = way === ' with implicit TLS';
    const title = `${host}${way}`;
    describe(`An FTP server at ${title}`, () => {
      const data = randomBytes(1_500_000);
      let served: Served;
      let folder = '';
      beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), 'strand-ftp-'));
        served = new Served(
          secure ? { tls: certificates().server } : {},
          { '/data.bin': data, '/sub': null, '/sub/in.txt': 'in sub' },
          host,
          implicit,
        );
        writeFileSync(join(folder, 'up.bin'), data);
      });
      afterEach(async () => {
        rmSync(folder, { recursive: true });
        await served.stop();
      });

      const at = (): string => `${host.includes(':') ? `[${host}]` : host}:${served.port}`;
      const uploaded = (name: string): Buffer | null | undefined =>
        served.shell.files.get(`/${name}`);

      it('serves curl: list, download, resume, upload, append', async function () {
        await need(this, 'curl');
        const options = [
          '-s',
          '--max-time',
          '20',
          ...(secure && !implicit ? ['--ssl-reqd'] : []),
          '-k',
          '-u',
          'alice:wonder',
        ];
        const curl = async (...args: string[]): Promise<Buffer> => {
          const { stdout } = await run('curl', [...options, ...args], {
            encoding: 'buffer',
            maxBuffer: 1e8,
          });
          return stdout;
        };
        const url = `${implicit ? 'ftps' : 'ftp'}://${at()}`;
        expect(String(await curl(`${url}/`))).to.match(/ data\.bin\r?\n.* sub\r?\n$/);
        expect((await curl(`${url}/data.bin`)).equals(data)).to.equal(true);
        expect((await curl('-r', '1000-', `${url}/data.bin`)).equals(data.subarray(1000))).to.equal(
          true,
        );
        await curl('-T', join(folder, 'up.bin'), `${url}/new.bin`);
        expect(uploaded('new.bin')?.equals(data)).to.equal(true);
        await curl('--append', '-T', join(folder, 'up.bin'), `${url}/new.bin`);
        expect(uploaded('new.bin')?.length).to.equal(2 * data.length);
        await curl('-Q', 'MKD made', '-Q', 'DELE new.bin', `${url}/`);
        expect(uploaded('made')).to.equal(null);
      });

      it('serves curl in active mode', async function () {
        // Before 8.0, curl began no TLS on connections that it had accepted; Python's ftplib, below, does.
        if (secure) return;
        await need(this, 'curl');
        const { stdout } = await run(
          'curl',
          ['-s', '--max-time', '20', '-u', 'alice:wonder', '-P', '-', `ftp://${at()}/data.bin`],
          { encoding: 'buffer', maxBuffer: 1e8 },
        );
        expect(stdout.equals(data)).to.equal(true);
      });

      it("serves Python's ftplib, passive and active", async function () {
        await need(this, 'python3');
        const script = `
import ftplib, ssl, hashlib, io, sys
secure = ${secure ? 'True' : 'False'}
implicit = ${implicit ? 'True' : 'False'}
class Implicit(ftplib.FTP_TLS):
    @property
    def sock(self): return self._sock
    @sock.setter
    def sock(self, value):
        if value is not None and not isinstance(value, ssl.SSLSocket): value = self.context.wrap_socket(value)
        self._sock = value
for passive in (True, False):
    if secure:
        context = ssl._create_unverified_context()
        f = (Implicit if implicit else ftplib.FTP_TLS)(context=context)
    else:
        f = ftplib.FTP()
    f.connect(${JSON.stringify(host)}, ${served.port}, timeout=20)
    f.login('alice', 'wonder')
    if secure: f.prot_p()
    f.set_pasv(passive)
    out = io.BytesIO()
    f.retrbinary('RETR data.bin', out.write)
    print(hashlib.sha256(out.getvalue()).hexdigest())
    f.storbinary('STOR py.bin', io.BytesIO(out.getvalue()))
    print(f.size('py.bin'))
    print(sorted(name for name, facts in f.mlsd()))
    print(f.nlst())
    lines = []
    f.retrlines('LIST', lines.append)
    print(len(lines))
    f.rename('py.bin', 'py2.bin'); f.delete('py2.bin'); f.mkd('d'); f.rmd('d')
    f.quit()
`;
        const { stdout } = await run('python3', ['-c', script]);
        const once = [
          createHash('sha256').update(data).digest('hex'),
          String(data.length),
          "['data.bin', 'py.bin', 'sub']",
          "['data.bin', 'sub', 'py.bin']",
          '3',
        ];
        expect(stdout.trim().split('\n')).to.deep.equal([...once, ...once]);
      });

      it('serves basic-ftp', async () => {
        const client = new Client(20_000);
        try {
          await client.access({
            host,
            port: served.port,
            user: 'alice',
            password: 'wonder',
            secure: implicit ? 'implicit' : secure,
            secureOptions: { rejectUnauthorized: false },
          });
          const names = (await client.list()).map(({ name, size }) => `${name} ${size}`);
          expect(names).to.deep.equal([`data.bin ${data.length}`, 'sub 0']);
          await client.downloadTo(join(folder, 'down.bin'), 'data.bin');
          expect(readFileSync(join(folder, 'down.bin')).equals(data)).to.equal(true);
          await client.uploadFrom(join(folder, 'up.bin'), 'new.bin');
          expect(uploaded('new.bin')?.equals(data)).to.equal(true);
          await client.downloadTo(join(folder, 'up.bin'), 'data.bin', 1000);
        } finally {
          client.close();
        }
      });

      it('serves lftp: mirrors both ways', async function () {
        await need(this, 'lftp');
        this.timeout(60_000);
        mkdirSync(join(folder, 'tree'));
        const count = 50;
        for (let n = 0; n < count; n++) writeFileSync(join(folder, 'tree', `f${n}`), `file ${n}`);
        const script = [
          'set ssl:verify-certificate no',
          `set ftp:ssl-force ${secure}`,
          'set ftp:ssl-protect-data yes',
          'set net:max-retries 1',
          'set cmd:fail-exit yes',
          `open -u alice,wonder ${implicit ? 'ftps' : 'ftp'}://${at()}`,
          `mirror -R --parallel=3 ${join(folder, 'tree')} /tree`,
          `mirror --parallel=3 /tree ${join(folder, 'back')}`,
          'bye',
        ].join('; ');
        await run('lftp', ['-c', script], { timeout: 50_000 });
        expect(readdirSync(join(folder, 'back'))).to.have.length(count);
        expect(readFileSync(join(folder, 'back', 'f42'), 'utf8')).to.equal('file 42');
      });

      it('serves wget', async function () {
        await need(this, 'wget');
        if (host === '::1') return;
        const file = join(folder, 'wget.bin');
        const options = ['-q', '-T', '20', '--no-check-certificate', '-O', file];
        if (implicit) options.push('--ftps-implicit');
        const url = `${secure ? 'ftps' : 'ftp'}://alice:wonder@${at()}/data.bin`;
        await run('wget', [...options, url]);
        expect(existsSync(file) && readFileSync(file).equals(data)).to.equal(true);
      });
    });
  }
}
