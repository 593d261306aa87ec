/** SITE CHGRP and SITE SYMLINK, with files on disk. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { InMemoryUsernamePasswordDatabase, Portal } from '../../../src/protocols/cred/index.ts';
import {
  FTPFactory,
  FTPRealm,
  FTPShell,
  type FTPShellOptions,
  MemoryShell,
  Permissions,
  Quota,
} from '../../../src/protocols/ftp/index.ts';
import { type ListeningPort, reactor } from '../../../src/reactor/index.ts';
import { Control, Served } from './control.ts';
import { failure, read } from './shell-contract.ts';
import { folders } from './support-files.ts';

/** A group that this process may give files to, which are not of it yet if there is any such; by name and number. */
function someGroup(): [name: string, id: number] {
  const mine = new Set(process.getgroups?.() ?? []);
  const isRoot = process.getuid?.() === 0;
  const groups = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .map(([name = '', , id = '']) => [name, Number(id)] as [string, number])
    .filter(([name, id]) => name !== '' && (isRoot || mine.has(id)));
  return groups.find(([, id]) => id !== process.getgid?.()) ?? groups[0] ?? ['', -1];
}

describe('SITE of an FTP server over files', () => {
  let listening: ListeningPort;
  let factory: FTPFactory;
  let client: Control;
  const on = folders();

  async function serve(shell: FTPShellOptions): Promise<void> {
    const realm = new FTPRealm(null, on.base, { home: () => on.root, shell });
    const users = new InMemoryUsernamePasswordDatabase({ alice: 'wonder' });
    factory = new FTPFactory(new Portal(realm, [users]));
    listening = reactor.listenTCP(0, factory, { interface: '127.0.0.1' });
    client = await Control.open((listening.getHost() as { port: number }).port); // of TCP
    await client.login();
  }

  afterEach(async () => {
    client.close();
    await listening.stopListening();
    await factory.drain(0);
  });

  it('does neither for users who were not given G and S', async () => {
    await serve({});
    expect(await client.say('SITE CHGRP 0 file')).to.match(/^550 .*Permission denied/);
    expect(await client.say('SITE SYMLINK file link')).to.match(/^550 .*Permission denied/);
    expect(existsSync(join(on.root, 'link'))).to.equal(false);
  });

  it('gives files to groups, by name or number', async function () {
    if (process.platform === 'win32') this.skip();
    await serve({ permissions: 'elrG' });
    const [name, id] = someGroup();
    expect(await client.say(`SITE CHGRP ${name} file`)).to.match(/^200 /);
    expect(statSync(join(on.root, 'file')).gid).to.equal(id);
    expect(statSync(join(on.root, 'file')).uid).to.equal(process.getuid?.());
    expect(await client.say(`SITE CHGRP ${process.getgid?.()} file`)).to.match(/^200 /);
    expect(statSync(join(on.root, 'file')).gid).to.equal(process.getgid?.());
    expect(await client.say(`site chgrp "${name}" folder`)).to.match(/^200 /);
    expect(statSync(join(on.root, 'folder')).gid).to.equal(id);
  });

  it('says what is wrong with CHGRP', async () => {
    await serve({ permissions: new Permissions('elrG', [{ path: '/folder', letters: 'elr' }]) });
    symlinkSync(on.outside, join(on.root, 'out'));
    symlinkSync('folder/inner', join(on.root, 'in'));
    const before = statSync(join(on.outside, 'secret')).gid;
    const tries: Array<[string, RegExp]> = [
      ['SITE CHGRP', /^501 /],
      ['SITE CHGRP 0', /^501 /],
      ['SITE CHGRP no-such-group file', /^501 .*No such group/],
      ['SITE CHGRP 4294967295 file', /^501 .*No such group/],
      ['SITE CHGRP -1 file', /^501 .*No such group/],
      ['SITE CHGRP 0 none', /^550 /],
      ['SITE CHGRP 0 out/secret', /^550 /],
      ['SITE CHGRP 0 ../outside/secret', /^550 /],
      ['SITE CHGRP 0 folder/inner', /^550 .*Permission denied/],
      // Whatever link leads there.
      ['SITE CHGRP 0 in', /^550 .*Permission denied/],
    ];
    for (const [command, reply] of tries) {
      expect(await client.say(command), command).to.match(reply);
    }
    expect(statSync(join(on.outside, 'secret')).gid).to.equal(before);
  });

  it('makes links to files and folders, that lead to the same when they are moved', async () => {
    await serve({ permissions: 'elradfmwS' });
    await client.say('CWD folder');
    expect(await client.say('SITE SYMLINK inner ../link')).to.match(/^200 /);
    expect((await client.fetch('RETR /link'))[1]).to.equal('in');
    mkdirSync(join(on.root, 'two words'));
    expect(await client.say('SITE SYMLINK "/two words" "/my link"')).to.match(/^200 /);
    expect(await client.say('CWD /my link')).to.match(/^250 /);
    expect(readlinkSync(join(on.root, 'link'))).to.equal(join(on.root, 'folder/inner'));
    renameSync(join(on.root, 'link'), join(on.root, 'empty/link'));
    expect((await client.fetch('RETR /empty/link'))[1]).to.equal('in');
    expect(await client.say('DELE /empty/link')).to.match(/^250 /);
    expect(readFileSync(join(on.root, 'folder/inner'), 'utf8')).to.equal('in');
  });

  it('makes no links to what is outside or not there, nor where something is', async () => {
    const permissions = new Permissions('elradfmwS', [{ path: '/empty', letters: 'elw' }]);
    await serve({ permissions });
    symlinkSync(on.outside, join(on.root, 'out'));
    const tries: Array<[string, RegExp]> = [
      ['SITE SYMLINK', /^501 /],
      ['SITE SYMLINK file', /^501 /],
      ['SITE SYMLINK out/secret link', /^550 /],
      ['SITE SYMLINK out link', /^550 /],
      ['SITE SYMLINK ../outside/secret link', /^550 /],
      ['SITE SYMLINK none link', /^550 /],
      ['SITE SYMLINK file folder', /^550 .*File exists/],
      ['SITE SYMLINK file out/link', /^550 /],
      ['SITE SYMLINK file /', /^550 /],
      ['SITE SYMLINK file empty/link', /^550 .*Permission denied/],
    ];
    for (const [command, reply] of tries) {
      const said = await client.say(command);
      expect(said, command).to.match(reply);
      expect(said).to.not.include(on.base);
    }
    expect(readdirSync(on.root).sort()).to.deep.equal(['empty', 'file', 'folder', 'out']);
    expect(readdirSync(on.outside)).to.deep.equal(['secret']);
    expect(readdirSync(join(on.root, 'empty'))).to.deep.equal([]);
  });
});

describe('FTPShell.makeSymlink()', () => {
  const on = folders();

  it('makes none where none are followed', async () => {
    const shell = new FTPShell(on.root, { permissions: 'elrwS', followSymlinks: false });
    expect(await failure(() => shell.makeSymlink(['file'], ['link']))).to.equal(
      'ERR_FTP_PERMISSION_DENIED',
    );
    expect(existsSync(join(on.root, 'link'))).to.equal(false);
  });

  it('reckons a link as a file of no size', async () => {
    const quota = new Quota({ maxFiles: 5 });
    const shell = new FTPShell(on.root, { permissions: 'elrwdS', quota });
    await shell.makeSymlink(['file'], ['link']);
    expect(quota.usage.files).to.equal(5);
    expect(await failure(() => shell.makeSymlink(['file'], ['more']))).to.equal(
      'ERR_FTP_STORAGE_EXCEEDED',
    );
    expect(await failure(() => shell.makeSymlink(['file'], ['folder']))).to.equal(
      'ERR_FTP_STORAGE_EXCEEDED',
    );
    expect(await read(shell, '/link')).to.equal('content');
    await shell.removeFile(['link']);
    expect(quota.usage.files).to.equal(4);
    expect(await failure(() => shell.makeSymlink(['file'], ['folder']))).to.equal(
      'ERR_FTP_FILE_EXISTS',
    );
    expect(quota.usage.files).to.equal(4);
    expect(lstatSync(join(on.root, 'folder')).isDirectory()).to.equal(true);
  });
});

describe('SITE of an FTP server whose shell knows less', () => {
  it('says that CHGRP and SYMLINK are not available', async () => {
    const served = new Served({}, { '/a.txt': 'text' });
    const client = await Control.open(served.port);
    try {
      await client.login();
      expect(await client.say('SITE CHGRP 0 a.txt')).to.match(/^502 /);
      expect(await client.say('SITE SYMLINK a.txt b.txt')).to.match(/^502 /);
      expect(await client.say('SITE HELP')).to.match(/CHGRP[\s\S]*SYMLINK/);
    } finally {
      client.close();
      await served.stop();
    }
    expect(new MemoryShell().permits('S', [])).to.equal(false);
  });
});
