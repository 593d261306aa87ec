/** The client with the servers of others, in clear and under TLS. */
import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  CommandFailed,
  connectFTP,
  type FTPClient,
  type FTPClientOptions,
  FTPFileListProtocol,
} from '../../../src/protocols/ftp/index.ts';
import { AccumulatingProtocol } from '../../../src/reactor/index.ts';
import { certificates } from '../../support/certificates.ts';
import { FOREIGN_SERVERS, type ForeignServer, type ForeignServerKind } from './client-servers.ts';

async function failureOf(work: PromiseLike<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error('Expected a failure');
}

for (const kind of FOREIGN_SERVERS) {
  for (const tls of [false, true, 'implicit'] as const) {
    if (tls === 'implicit' && !kind.implicit) continue;
    const title = tls === 'implicit' ? ' under implicit TLS' : tls ? ' under TLS' : '';
    describe(`FTPClient with ${kind.name}${title}`, () => suite(kind, tls));
  }
}

function suite(kind: ForeignServerKind, tls: boolean | 'implicit'): void {
  let server: ForeignServer;
  let client: FTPClient;
  let here: string;
  /** Where the server begins: not all of them call it '/'. */
  let home: string;

  before(async function () {
    const missing = kind.missing();
    if (missing !== null) {
      if (process.env['CI'] === 'true') throw new Error(`No ${kind.name}: ${missing}`);
      process.stderr.write(`No ${kind.name}: ${missing}\n`);
      this.skip();
    }
    server = await kind.start(tls);
  });

  after(async () => {
    await server?.stop();
  });

  function open(options: FTPClientOptions = {}): PromiseLike<FTPClient> {
    const { port, username, password } = server;
    const security =
      tls === false
        ? {}
        : ({
            security: tls === 'implicit' ? 'implicit' : 'explicit',
            tls: { ca: certificates().ca.cert },
          } as const);
    return connectFTP('127.0.0.1', {
      port,
      username,
      password,
      timeout: 10,
      ...security,
      ...options,
    });
  }

  beforeEach(async () => {
    here = mkdtempSync(join(tmpdir(), 'strand-ftp-client-'));
    client = await open();
    home = await client.getDirectory();
  });

  afterEach(async () => {
    await client.quit();
    rmSync(here, { recursive: true });
  });

  it('goes compressed both ways, where the server can do that', async function () {
    const features = await client.features();
    const isThere = features.get('MODE') !== undefined;
    expect(isThere).to.equal(kind.name === 'ProFTPD' && tls === false);
    if (!isThere) this.skip();
    const compressed = await open({ modeZ: true });
    const said: string[] = [];
    compressed.progress$.subscribe(({ state, kind: what }) => said.push(`${what} ${state}`));
    // ProFTPD stumbles over most of what gets much smaller, from lftp as well: it brings that, and is sent something else.
    const sent = randomBytes(100_000);
    expect(await compressed.upload(sent, 'sent.bin')).to.equal(sent.length);
    expect(readFileSync(join(server.root, 'sent.bin')).equals(sent)).to.equal(true);
    const lines = Array.from({ length: 50_000 }, (_, n) => `line ${n}: ${Math.sin(n)}\n`);
    const bytes = Buffer.concat([Buffer.from(lines.join('')), randomBytes(1_000_000)]);
    writeFileSync(join(server.root, 'squeezed.bin'), bytes);
    const target = join(here, 'squeezed.bin');
    expect(await compressed.download('squeezed.bin', target)).to.equal(bytes.length);
    expect(readFileSync(target).equals(bytes)).to.equal(true);
    expect((await compressed.files('')).map(({ name }) => name)).to.include('squeezed.bin');
    expect(said).to.include.members(['upload done', 'download done', 'listing done']);
    await compressed.removeFile('squeezed.bin');
    await compressed.removeFile('sent.bin');
    await compressed.quit();
  });

  it('brings back the bytes that it has sent', async () => {
    const bytes = randomBytes(3_000_000);
    expect(await client.upload(bytes, 'big.bin')).to.equal(bytes.length);
    expect(readFileSync(join(server.root, 'big.bin')).equals(bytes)).to.equal(true);
    const target = join(here, 'big.bin');
    expect(await client.download('big.bin', target)).to.equal(bytes.length);
    expect(readFileSync(target).equals(bytes)).to.equal(true);
  });

  it('sends and brings an empty file', async () => {
    await client.upload(Buffer.alloc(0), 'empty');
    expect(readFileSync(join(server.root, 'empty'))).to.have.length(0);
    await client.download('empty', join(here, 'empty'));
    expect(readFileSync(join(here, 'empty'))).to.have.length(0);
  });

  it('gives a file to a protocol, from an offset on, and the next one whole', async () => {
    writeFileSync(join(server.root, 'digits'), '0123456789');
    const part = new AccumulatingProtocol();
    const lines = await client.retrieveFile('digits', part, 4);
    expect(lines.at(-1)).to.match(/^226 /);
    expect(part.data.toString()).to.equal('456789');
    const whole = new AccumulatingProtocol();
    await client.retrieveFile('digits', whole);
    expect(whole.data.toString()).to.equal('0123456789');
  });

  it('stores what is written to the consumer, behind what stays', async () => {
    writeFileSync(join(server.root, 'log'), 'one two');
    const [consumer, done] = client.appendFile('log');
    const upload = await consumer;
    upload.write(' three');
    upload.finish();
    await done;
    expect(readFileSync(join(server.root, 'log'), 'utf8')).to.equal('one two three');
  });

  it('goes on with a download and with an upload', async () => {
    const bytes = randomBytes(100_000);
    writeFileSync(join(server.root, 'resumed'), bytes);
    const target = join(here, 'resumed');
    writeFileSync(target, bytes.subarray(0, 40_000));
    expect(await client.download('resumed', target, { resume: true })).to.equal(60_000);
    expect(readFileSync(target).equals(bytes)).to.equal(true);
    expect(await client.download('resumed', target, { resume: true })).to.equal(0);
    writeFileSync(join(server.root, 'resumed'), bytes.subarray(0, 30_000));
    expect(await client.upload(target, 'resumed', { resume: true })).to.equal(70_000);
    expect(readFileSync(join(server.root, 'resumed')).equals(bytes)).to.equal(true);
  });

  it('lists files with what is known of them, odd names too', async () => {
    const folder = join(server.root, 'listed');
    mkdirSync(folder);
    for (const name of ['plain', 'with two  blanks', 'grüße.txt']) {
      writeFileSync(join(folder, name), 'x'.repeat(name.length));
    }
    mkdirSync(join(folder, 'sub'));
    const files = await client.files('listed');
    const seen = files.map(({ name, type, size }) => [name, type, type === 'file' ? size : 0]);
    expect(seen.sort()).to.deep.equal([
      ['grüße.txt', 'file', 9],
      ['plain', 'file', 5],
      ['sub', 'directory', 0],
      ['with two  blanks', 'file', 16],
    ]);
    const age = Date.now() / 1000 - (files.find(({ name }) => name === 'plain')?.modified ?? 0);
    expect(Math.abs(age)).to.be.below(120);
    expect((await client.names('listed')).map((name) => name.replace(/^.*\//, ''))).to.include(
      'plain',
    );
    const listing = new FTPFileListProtocol();
    await client.list('listed', listing);
    expect(listing.files.map(({ filename }) => filename)).to.include('with two  blanks');
    expect(listing.files.find(({ filename }) => filename === 'plain')).to.include({
      filetype: '-',
      size: 5,
    });
  });

  it('lists a thousand files', async () => {
    mkdirSync(join(server.root, 'many'));
    const names = Array.from({ length: 1000 }, (_, number) => `file-${number}`);
    for (const name of names) writeFileSync(join(server.root, 'many', name), '');
    const files = await client.files('many');
    expect(files.map(({ name }) => name).sort()).to.deep.equal([...names].sort());
  });

  it('makes, renames and removes folders and files', async () => {
    expect(await client.getDirectory()).to.equal(home);
    await client.makeDirectory('a "b"');
    await client.cwd('a "b"');
    expect(await client.getDirectory()).to.equal(`${home.replace(/^\/$/, '')}/a "b"`);
    await client.cdup();
    expect(await client.getDirectory()).to.equal(home);
    await client.upload(Buffer.from('x'), 'a "b"/old');
    await client.rename('a "b"/old', 'a "b"/new');
    expect(existsSync(join(server.root, 'a "b"', 'new'))).to.equal(true);
    await client.removeFile('a "b"/new');
    await client.removeDirectory('a "b"');
    expect(existsSync(join(server.root, 'a "b"'))).to.equal(false);
  });

  it('tells sizes and times', async () => {
    await client.upload(Buffer.from('12345'), 'known');
    expect(await client.size('known')).to.equal(5);
    expect(Math.abs((await client.modified('known')) - Date.now() / 1000)).to.be.below(60);
    if ((await client.features()).has('MFMT')) {
      await client.setModified('known', 1_000_000_000);
      expect(await client.modified('known')).to.equal(1_000_000_000);
    }
  });

  it('asks for checksums where they are offered', async function () {
    const features = await client.features();
    if (!features.has('HASH') && !features.has('XSHA256')) return this.skip();
    await client.upload(Buffer.from('sum'), 'summed');
    expect(await client.checksum('summed', 'sha256')).to.equal(
      createHash('sha256').update('sum').digest('hex'),
    );
    expect(await client.checksum('summed', 'md5')).to.equal(
      createHash('md5').update('sum').digest('hex'),
    );
  });

  it('takes whole folders there, back, and away', async () => {
    const source = join(here, 'source');
    mkdirSync(join(source, 'deep', 'deeper'), { recursive: true });
    writeFileSync(join(source, 'one'), 'one');
    writeFileSync(join(source, 'deep', 'two'), 'two');
    writeFileSync(join(source, 'deep', 'deeper', 'three'), 'three');
    symlinkSync('/etc/passwd', join(source, 'link'));
    expect(await client.uploadDirectory(source, 'tree/of/mine')).to.equal(3);
    expect(existsSync(join(server.root, 'tree', 'of', 'mine', 'link'))).to.equal(false);
    const target = join(here, 'target');
    const seen: string[] = [];
    const onProgress = (bytes: number, path: string) => seen.push(`${path} ${bytes}`);
    expect(await client.downloadDirectory('tree', target, { onProgress })).to.equal(3);
    expect(readFileSync(join(target, 'of', 'mine', 'deep', 'deeper', 'three'), 'utf8')).to.equal(
      'three',
    );
    expect(seen).to.include('tree/of/mine/deep/two 3');
    await client.removeTree('tree');
    expect(existsSync(join(server.root, 'tree'))).to.equal(false);
    await client.ensureDirectory(`${home}/again/and/again`);
    await client.ensureDirectory(`${home}/again/and/again`);
    expect(existsSync(join(server.root, 'again', 'and', 'again'))).to.equal(true);
    expect(await client.getDirectory()).to.equal(home);
  });

  it('fails with what the server says, and goes on', async () => {
    const error = await failureOf(client.download('not-there', join(here, 'not-there')));
    expect(error).to.be.instanceOf(CommandFailed);
    expect((error as CommandFailed).replyCode).to.equal(550);
    expect(existsSync(join(here, 'not-there'))).to.equal(false);
    expect(await failureOf(client.cwd('nowhere'))).to.be.instanceOf(CommandFailed);
    expect(await client.getDirectory()).to.equal(home);
  });

  it('goes on after a download was cancelled', async () => {
    writeFileSync(join(server.root, 'endless'), Buffer.alloc(30_000_000));
    const download = client.download('endless', join(here, 'endless'), {
      onProgress: () => download.cancel(),
    });
    expect(await failureOf(download)).to.have.property('code', 'ERR_CANCELLED');
    expect(await client.getDirectory()).to.equal(home);
  });

  it('moves files with the server connecting', async () => {
    const active = await open({ passive: false });
    await active.upload(Buffer.from('active'), 'active');
    expect((await active.files('')).map(({ name }) => name)).to.include('active');
    expect(await failureOf(active.download('not-there', join(here, 'x')))).to.be.instanceOf(
      CommandFailed,
    );
    await active.download('active', join(here, 'active'));
    expect(readFileSync(join(here, 'active'), 'utf8')).to.equal('active');
    await active.quit();
  });

  it('does many things that were asked for at once, one at a time', async () => {
    const uploads = Array.from({ length: 20 }, (_, number) =>
      client.upload(Buffer.from(String(number)), `queued-${number}`),
    );
    await Promise.all(uploads);
    expect(readFileSync(join(server.root, 'queued-17'), 'utf8')).to.equal('17');
  });

  if (!tls) return;

  it('does not log in where the certificate is not to be trusted', async () => {
    const error = await failureOf(open({ tls: { ca: certificates().otherCA.cert } }));
    expect(error).to.have.property('code', 'ERR_FTP_CONTROL_CONNECTION_LOST');
    expect((error as Error).cause).to.have.property('code', 'ERR_TLS_VERIFICATION');
  });
}
