/** The server and files on disk, together. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { InMemoryUsernamePasswordDatabase, Portal } from '../../../src/protocols/cred/index.ts';
import {
  FTPFactory,
  FTPRealm,
  type FTPRealmOptions,
  Permissions,
} from '../../../src/protocols/ftp/index.ts';
import { type ListeningPort, reactor } from '../../../src/reactor/index.ts';
import { Control } from './control.ts';
import { folders } from './support-files.ts';

describe('FTPFactory over files', () => {
  let listening: ListeningPort | null = null;
  let factory: FTPFactory;
  let control: Control;

  afterEach(async () => {
    control.close();
    await listening?.stopListening();
    await factory.drain(0);
    await cleanedUp();
    listening = null;
  });

  // After the server has stopped they are removed.
  const on = folders();

  /** Logs alice in. */
  async function serve(options: FTPRealmOptions = {}): Promise<Control> {
    const realm = new FTPRealm(null, on.base, { home: () => on.root, ...options });
    const users = new InMemoryUsernamePasswordDatabase({ alice: 'wonder' });
    factory = new FTPFactory(new Portal(realm, [users]));
    listening = reactor.listenTCP(0, factory, { interface: '127.0.0.1' });
    control = await Control.open((listening.getHost() as { port: number }).port); // of TCP
    await control.login();
    await control.say('TYPE I');
    return control;
  }

  /** Sessions end before the last file of theirs is gone. */
  async function cleanedUp(): Promise<void> {
    while ((await readdir(on.root)).some((name) => name.startsWith('.upload'))) {}
  }

  const onDisk = (): string[] => readdirSync(on.root).sort();
  const text = (name: string): string => readFileSync(join(on.root, name), 'utf8');

  it('sends, stores, appends, resumes and finds names', async () => {
    const client = await serve();
    expect((await client.fetch('RETR file'))[1]).to.equal('content');
    expect(await client.put('STOR new', 'begun')).to.match(/^226 /);
    expect(await client.put('APPE new', ' and')).to.match(/^226 /);
    expect(await client.say('REST 9')).to.match(/^350 /);
    expect(await client.put('STOR new', ' ended')).to.match(/^226 /);
    expect(text('new')).to.equal('begun and ended');
    expect(await client.say('REST 10')).to.match(/^350 /);
    expect((await client.fetch('RETR new'))[1]).to.equal('ended');
    expect(await client.put('STOU file', 'other')).to.match(/^226 .*file\.1/);
    expect(text('file')).to.equal('content');
  });

  it('sends a stretch of a file that RANG names, once', async () => {
    const client = await serve();
    writeFileSync(join(on.root, 'digits'), '0123456789');
    const cases = [
      ['RANG 2 4', '234'],
      ['RANG 8 100', '89'],
      ['RANG 0 0', '0'],
      ['RANG 1 0', '0123456789'],
      ['REST 7', '789'],
    ] as const;
    for (const [command, expected] of cases) {
      expect(await client.say(command)).to.match(/^350 /);
      expect((await client.fetch('RETR digits'))[1], command).to.equal(expected);
      expect((await client.fetch('RETR digits'))[1]).to.equal('0123456789');
    }
    await client.say('RANG 2 4');
    await client.say('REST 3');
    expect((await client.fetch('RETR digits'))[1]).to.equal('3456789');
  });

  it('copies files, says 552 when there is no room, and leaves nothing of it', async () => {
    const client = await serve({ quota: { maxBytes: 20 } });
    await client.say('SITE CPFR file');
    expect(await client.say('SITE CPTO folder/copy')).to.match(/^250 /);
    expect(text('folder/copy')).to.equal('content');
    await client.say('SITE CPFR file');
    expect(await client.say('SITE CPTO folder/more')).to.match(/^552 /);
    expect(readdirSync(join(on.root, 'folder')).sort()).to.deep.equal(['copy', 'inner']);
    await client.say('SITE CPFR file');
    expect(await client.say('SITE CPTO folder')).to.match(/^550 /);
  });

  it('leaves what was there when the client vanishes in mid-upload', async () => {
    const client = await serve();
    for (const command of ['STOR file', 'APPE file', 'STOR new']) {
      const data = await client.passive();
      expect(await client.say(command)).to.match(/^1[25][05] /);
      await new Promise((resolve) => data.write('XXXXXXXXXXXXXXXXX', resolve));
      data.resetAndDestroy();
      expect(await client.reply(), command).to.match(/^426 /);
    }
    expect(text('file')).to.equal('content');
    expect(onDisk()).to.deep.equal(['empty', 'file', 'folder']);
    expect(await client.say('NOOP')).to.match(/^200 /);
  });

  it('leaves what was there when an upload is aborted, or its session ends', async () => {
    const client = await serve();
    const data = await client.passive();
    data.on('error', () => {}); // it is reset
    await client.say('STOR file');
    await new Promise((resolve) => data.write('XXX', resolve));
    expect(await client.say('ABOR')).to.match(/^426 /);
    expect(await client.reply()).to.match(/^226 /);
    expect(text('file')).to.equal('content');
    (await client.passive()).on('error', () => {});
    await client.say('STOR file');
    client.close();
    await factory.drain(5);
    await cleanedUp();
    expect(text('file')).to.equal('content');
    expect(onDisk()).to.deep.equal(['empty', 'file', 'folder']);
  });

  it('keeps what came, if it is told to, and goes on there', async () => {
    const client = await serve({ shell: { keepPartial: true } });
    const data = await client.passive();
    data.on('error', () => {}); // it is reset
    await client.say('STOR new');
    await new Promise((resolve) => data.write('beg', resolve));
    while (!(await client.say('STAT')).includes(', 3 bytes so far')) {}
    expect(await client.say('ABOR')).to.match(/^426 /);
    await client.reply();
    expect(await client.say('SIZE new')).to.equal('213 3');
    await client.say('REST 3');
    expect(await client.put('STOR new', 'un')).to.match(/^226 /);
    expect(text('new')).to.equal('begun');
  });

  it('breaks off what is more than the quota, with 552, and goes on', async () => {
    const client = await serve({ quota: { maxBytes: 20 } });
    expect(await client.put('STOR file', 'x'.repeat(50_000))).to.match(/^552 /);
    expect(text('file')).to.equal('content');
    expect(await client.put('STOR new', 'small')).to.match(/^226 /);
  });

  it('says what is wrong with a path, and nothing of where it is', async () => {
    symlinkSync(on.outside, join(on.root, 'out'));
    const client = await serve();
    const tries: Array<[string, RegExp]> = [
      ['CWD out', /^550 /],
      ['CWD ..', /^550 /],
      ['SIZE /../outside/secret', /^550 /],
      ['MDTM out/secret', /^550 /],
      ['DELE out/secret', /^550 /],
      ['MKD out/x', /^550 /],
      ['RMD folder', /^550 /],
      ['CWD file', /^550 /],
      ['DELE none', /^550 /],
      [`MKD ${'x'.repeat(300)}`, /^553 /],
    ];
    for (const [command, reply] of tries) {
      const said = await client.say(command);
      expect(said, command).to.match(reply);
      expect(said).to.not.include(on.base);
    }
    for (const command of ['RETR out/secret', 'LIST out', 'NLST out', 'MLSD out']) {
      const [first, data] = await client.fetch(command);
      expect(first + data, command).to.not.include('secret\r\n');
      expect(first, command).to.match(/^550 /);
    }
    expect(await client.put('STOR out/x', 'x')).to.match(/^550 /);
    expect(existsSync(join(on.outside, 'x'))).to.equal(false);
  });

  it('holds to permissions, and tells of them in MLSD', async () => {
    mkdirSync(join(on.root, 'incoming'));
    writeFileSync(join(on.root, 'incoming/x'), 'x');
    const permissions = new Permissions('elr', [{ path: '/incoming', letters: 'elw' }]);
    const client = await serve({ shell: { permissions } });
    expect(await client.put('STOR file', 'x')).to.match(/^550 /);
    expect(await client.put('STOR incoming/new', 'x')).to.match(/^226 /);
    expect((await client.fetch('RETR incoming/x'))[0]).to.match(/^550 /);
    expect(await client.say('DELE incoming/x')).to.match(/^550 /);
    const [, listing] = await client.fetch('MLSD incoming');
    expect(/perm=([a-z]*);.* x\r\n/.exec(listing)?.[1]).to.equal('w');
    const [, all] = await client.fetch('MLSD');
    expect(/perm=([a-z]*);.* file\r\n/.exec(all)?.[1]).to.equal('r');
  });
});
