import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { hashPassword } from '../../src/protocols/cred/index.ts';
import { getProcessOutputAndValue } from '../../src/reactor/index.ts';
import { UsageError } from '../../src/service/index.ts';
import { makeService, Options } from '../../src/service/plugins/ftp.ts';
import {
  folderLetters,
  letters,
  mode,
  passiveAddress,
  passiveAddresses,
  ports,
  size,
  sizeAboveZero,
  user,
} from '../../src/service/plugins/ftp-values.ts';
import { main } from '../../src/service/twistd/index.ts';
import { certificates } from '../support/certificates.ts';
import { killChildren, start } from '../support/twistd-child.ts';

/** What curl prints, and what it ends with. */
async function curl(...args: string[]): Promise<{ text: string; code: number }> {
  const [out, , code] = await getProcessOutputAndValue('curl', ['-s', '--max-time', '10', ...args]);
  return { text: String(out), code };
}

/** What curl ends with when the server does not let it. */
const DENIED = { login: 67, folder: 9, quote: 21, upload: 25, file: 78, ssl: 64 } as const;

describe('twistd ftp', function () {
  this.timeout(60_000);
  let folder = '';
  let root = '';
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'strand-ftpd-')));
    root = join(folder, 'root');
    mkdirSync(join(root, 'in'), { recursive: true });
    writeFileSync(join(root, 'hello.txt'), 'hello');
    writeFileSync(join(folder, 'secret'), 'secret');
  });
  afterEach(async () => {
    await killChildren();
    rmSync(folder, { recursive: true });
  });

  const local = ['--port', '0', '--interface', '127.0.0.1', '--login-delay', '0'];

  it('shows a folder to anybody, lets nobody change it, logs transfers, and stops with 0', async () => {
    const log = join(folder, 'xferlog');
    const child = start(['ftp', '--root', root, ...local, '--transfer-log', log, '--verbose']);
    const url = `ftp://127.0.0.1:${await child.port()}`;
    expect((await curl(`${url}/`)).text).to.match(/^-rw.* 5 .* hello\.txt$/m);
    expect((await curl(`${url}/hello.txt`)).text).to.equal('hello');
    expect((await curl('-T', join(folder, 'secret'), `${url}/new`)).code).to.equal(DENIED.upload);
    const out = await curl('--path-as-is', `${url}//../secret`);
    expect(out.text).to.equal('');
    expect(out.code).to.not.equal(0);
    expect((await curl('-u', 'alice:pw', `${url}/`)).code).to.equal(DENIED.login);
    await child.waitForLine(/anonymous@127\.0\.0\.1 transfer-finished kind="download"/);
    const { code } = await child.stop();
    expect(code).to.equal(0);
    expect(readFileSync(log, 'utf8')).to.match(/ 5 \/hello\.txt b _ o a anonymous ftp 0 \* c$/m);
  });

  it('removes what uploads have left behind that a crash cut short, if it is to, and says so', async () => {
    const left = join(root, 'in', '.upload-0123456789abcdef01234567.part');
    for (const [args, isRemoved] of [
      [['--keep-unfinished'], false],
      [[], false],
      [['--sweep-uploads', '0'], true],
    ] as const) {
      writeFileSync(left, 'part');
      const child = start(['ftp', '--root', root, ...local, ...args]);
      const port = await child.port();
      if (isRemoved) await child.waitForLine(/Removed 1 unfinished uploads below/);
      else expect((await curl(`ftp://127.0.0.1:${port}/hello.txt`)).text).to.equal('hello');
      expect(existsSync(left)).to.equal(!isRemoved);
      await child.stop();
    }
  });

  it('gives users folders of their own, with permissions and quotas', async () => {
    const passwords = join(folder, 'passwords');
    const home = join(folder, 'home');
    writeFileSync(passwords, `alice:${await hashPassword('pw')}\n`);
    const child = start([
      ...['ftp', '--root', root, ...local, '--password-file', passwords, '--home', home],
      ...['--create-home', '--quota', '1K', '--permit', '/locked=el', '--permissions', 'elrwm'],
    ]);
    const url = `ftp://127.0.0.1:${await child.port()}`;
    const alice = ['-u', 'alice:pw'];
    expect((await curl(`${url}/`)).code, 'nobody in particular').to.equal(DENIED.login);
    expect((await curl('-u', 'alice:guess', `${url}/`)).code).to.equal(DENIED.login);
    expect((await curl(...alice, '-T', join(folder, 'secret'), `${url}/mine`)).code).to.equal(0);
    expect(readFileSync(join(home, 'alice/mine'), 'utf8')).to.equal('secret');
    expect((await curl(...alice, `${url}/mine`)).text).to.equal('secret');
    writeFileSync(join(folder, 'big'), 'x'.repeat(2000));
    expect((await curl(...alice, '-T', join(folder, 'big'), `${url}/big`)).code).to.not.equal(0);
    expect(existsSync(join(home, 'alice/big'))).to.equal(false);
    mkdirSync(join(home, 'alice/locked'));
    const locked = await curl(...alice, '-T', join(folder, 'secret'), `${url}/locked/x`);
    expect(locked.code).to.equal(DENIED.upload);
    expect((await curl(...alice, '-Q', 'DELE mine', `${url}/`)).code).to.not.equal(0);
    expect((await child.stop()).code).to.equal(0);
  });

  it('serves over TLS, asked for and from the first byte, and nothing without it', async () => {
    const { server } = certificates();
    writeFileSync(join(folder, 'cert.pem'), server.cert);
    writeFileSync(join(folder, 'key.pem'), server.key);
    const tls = ['--certificate', join(folder, 'cert.pem'), '--privkey', join(folder, 'key.pem')];
    const explicit = start(['ftp', '--root', root, ...local, ...tls, '--require-tls', '--mode-z']);
    const url = `127.0.0.1:${await explicit.port()}/hello.txt`;
    const level = ['-k', '--ssl-reqd', '-Q', 'OPTS MODE Z LEVEL 9'];
    expect((await curl(...level, `ftp://${url}`)).text).to.equal('hello');
    expect((await curl('-k', '--ssl-reqd', `ftp://${url}`)).text).to.equal('hello');
    expect((await curl(`ftp://${url}`)).code).to.not.equal(0);
    expect((await explicit.stop()).code).to.equal(0);
    const implicit = start([
      ...['ftp', '--root', root, '--ftps', '0', '--interface', '127.0.0.1', ...tls],
    ]);
    const secure = `ftps://127.0.0.1:${await implicit.port()}/hello.txt`;
    expect((await curl('-k', secure)).text).to.equal('hello');
    const quote = await curl('-k', '-Q', 'OPTS MODE Z LEVEL 9', secure);
    expect(quote.code, 'an option that is not asked for').to.equal(DENIED.quote);
    expect((await implicit.stop()).code).to.equal(0);
  });

  it('takes data connections on the ports that it was told', async () => {
    const child = start(['ftp', '--root', root, ...local, '--passive-ports', '40217-40219']);
    const url = `ftp://127.0.0.1:${await child.port()}/hello.txt`;
    const [, out] = await getProcessOutputAndValue('curl', ['-sv', '--max-time', '10', url]);
    expect(String(out)).to.match(/229 .*\|\|\|4021[789]\|/);
    expect((await child.stop()).code).to.equal(0);
  });

  it('shows its help, and is named in that of twistd', async () => {
    let out = '';
    const streams = { out: (text: string) => (out += text), err: () => {} };
    expect(await main(['ftp', '--help'], streams)).to.equal(0);
    expect(out)
      .to.match(/^Usage: twistd ftp \[options\]\n/)
      .and.contain('--root <DIR>');
    out = '';
    await main(['--help'], streams);
    expect(out).to.match(/^ {2}ftp +serve a folder over FTP$/m);
  });

  function parsed(...args: string[]): InstanceType<typeof Options> {
    const options = new Options();
    const root = args.includes('--root') ? [] : ['--root', '.'];
    options.parseOptions([...root, ...args], 'twistd ftp');
    return options;
  }

  for (const [title, args, message] of [
    ['a folder that is not there', ['--root', '/nowhere'], /there is no such folder$/],
    ['homes that are not there', ['--home', '/nowhere'], /"\/nowhere" of --home/],
    ['a certificate without a key', ['--certificate', 'x'], /go together$/],
    ['TLS without a certificate', ['--require-tls'], /^TLS needs --certificate/],
    ['an address without ports', ['--passive-address', '192.0.2.1'], /needs --passive-ports/],
    [
      'users of two kinds',
      ['--user', 'a:b', '--password-file', 'x'],
      /--user and --password-file exclude each other$/,
    ],
    [
      'both to sweep and not to',
      ['--keep-unfinished', '--sweep-uploads', '9'],
      /exclude each other$/,
    ],
    ['permissions that there are not', ['--permissions', 'xyz'], /--permissions/],
    ['a rate of nothing', ['--max-rate', '0'], /--max-rate/],
  ] as const) {
    it(`throws a UsageError for ${title}`, () => {
      expect(() => parsed(...args)).to.throw(UsageError, message);
    });
  }

  it('throws a UsageError for a certificate that is not there', () => {
    const options = parsed('--ftps', '0', '--certificate', '/no', '--privkey', '/no');
    expect(() => makeService(options)).to.throw(UsageError, /^Bad value "\/no" of --certificate/);
  });

  it('has no option whose name begins with "no": it would be taken for the opposite of another', () => {
    const given = parsed('--passive-only', '--keep-unfinished');
    expect([given.passiveOnly, given.keepUnfinished]).to.deep.equal([true, true]);
  });

  it('takes every option there is', () => {
    const service = makeService(
      parsed(
        ...['--port', '0', '--anonymous', '--user-anonymous', 'guest', '--user', 'a:b'],
        ...['--permit', '/in=elw', '--quota-files', '10', '--links', 'never', '--keep-partial'],
        ...['--sync', '--file-mode', '640', '--directory-mode', '750', '--owner', 'o'],
        ...['--group', 'g', '--passive-ports', '5000', '--passive-address', '192.0.2.1'],
        ...['--passive-only', '--allow-foreign-data', '--allow-low-ports', '--host', 'a.example'],
        ...['--welcome', 'Hi', '--time-out', '9', '--login-timeout', '9', '--dtp-timeout', '9'],
        ...['--stall-timeout', '9', '--handshake-timeout', '9', '--drain-timeout', '0'],
        ...['--max-sessions', '9', '--max-sessions-per-peer', '9', '--max-sessions-per-user', '9'],
        ...['--max-login-failures', '9', '--max-peer-login-failures', '9', '--login-window', '9'],
        ...['--max-rate', '9', '--max-user-rate', '9', '--max-file-size', '9'],
        ...['--sweep-uploads', '9', '--mode-z', '--max-inflation', '9'],
        ...['--max-line-length', '99', '--max-queued-commands', '9', '--max-stat-names', '9'],
      ),
    );
    expect([...service].map(String)).to.deep.equal(['Sessions', 'TCPServer(0)']);
  });
});

describe('Values of twistd ftp', () => {
  it('size() reads bytes with their units', () => {
    expect(['0', '12', '64K', '1.5k', '2MiB', '1GB'].map(size)).to.deep.equal([
      0,
      12,
      65_536,
      1536,
      2_097_152,
      2 ** 30,
    ]);
    for (const text of ['', 'K', '-1', '1X', '1e3', 'Infinity'])
      expect(() => size(text)).to.throw();
    expect(() => sizeAboveZero('0')).to.throw('more than nothing');
    expect(sizeAboveZero('1')).to.equal(1);
  });

  it('ports() reads ranges', () => {
    expect(ports('5000')).to.deep.equal([5000]);
    expect(ports('5000-5002')).to.deep.equal([5000, 5001, 5002]);
    for (const text of ['', '0', '5002-5000', '65536', '1-70000', '1-2-3', 'a']) {
      expect(() => ports(text), text).to.throw('expected ports');
    }
  });

  it('mode() reads octal permissions', () => {
    expect([mode('640'), mode('0755')]).to.deep.equal([0o640, 0o755]);
    for (const text of ['', '8', '4755', '0o644', '64']) expect(() => mode(text)).to.throw('octal');
  });

  it('letters() and folderLetters() read permissions', () => {
    expect(letters('elr')).to.equal('elr');
    expect(() => letters('E')).to.throw('Bad permissions');
    expect(folderLetters('/a=b=el')).to.deep.equal({ path: '/a=b', letters: 'el' });
    for (const text of ['el', '=el', '/in=x', '/..=el'])
      expect(() => folderLetters(text)).to.throw();
  });

  it('user() reads a name and a password, which may have colons', () => {
    expect(user('a:b:c')).to.deep.equal(['a', 'b:c']);
    for (const text of ['a', ':b', '']) expect(() => user(text)).to.throw('NAME:PASSWORD');
  });

  it('passiveAddress() reads addresses, for all or for networks', () => {
    expect(passiveAddress('192.0.2.1')).to.deep.equal([null, '192.0.2.1']);
    expect(passiveAddress('10.0.0.0/8=10.1.2.3')).to.deep.equal(['10.0.0.0/8', '10.1.2.3']);
    for (const text of ['', 'host', '::1', '10.0.0.0/8=', '10.0.0.0/33=1.2.3.4', 'x=1.2.3.4']) {
      expect(() => passiveAddress(text), text).to.throw('expected an IPv4 address');
    }
  });

  it('passiveAddresses() puts them together, the one for all last', () => {
    expect(passiveAddresses([])).to.equal(undefined);
    expect(passiveAddresses([[null, '192.0.2.1']])).to.equal('192.0.2.1');
    const table = passiveAddresses([
      [null, '192.0.2.1'],
      ['10.0.0.0/8', '10.1.2.3'],
    ]);
    expect(Object.entries(table as Record<string, string>)).to.deep.equal([
      ['10.0.0.0/8', '10.1.2.3'],
      ['0.0.0.0/0', '192.0.2.1'],
    ]);
    expect(() =>
      passiveAddresses([
        [null, '192.0.2.1'],
        [null, '192.0.2.2'],
      ]),
    ).to.throw(UsageError);
  });

  it('size() gives whole bytes or refuses', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        let bytes = 0;
        try {
          bytes = size(text);
        } catch {}
        expect(Number.isInteger(bytes) && bytes >= 0).to.equal(true);
      }),
    );
  });
});
