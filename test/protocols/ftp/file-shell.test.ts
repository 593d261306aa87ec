import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { FTPAnonymousShell, FTPShell, Permissions } from '../../../src/protocols/ftp/index.ts';
import {
  facts,
  failure,
  itCanBeChanged,
  itIsAShell,
  names,
  read,
  type Upload,
  upload,
  write,
} from './shell-contract.ts';
import { folders } from './support-files.ts';

describe('FTPAnonymousShell', () => {
  const on = folders();

  itIsAShell(() => new FTPAnonymousShell(on.root));

  it('changes nothing', async () => {
    const shell = new FTPAnonymousShell(on.root);
    const deeds = [
      () => shell.makeDirectory(['new']),
      () => shell.removeDirectory(['empty']),
      () => shell.removeFile(['file']),
      () => shell.rename(['file'], ['new']),
      () => shell.openForWriting(['new']),
      () => shell.setModified(['file'], 0),
      () => shell.changeMode(['file'], 0o777),
    ];
    for (const deed of deeds) expect(await failure(deed)).to.equal('ERR_FTP_ANONYMOUS_DENIED');
    expect(readdirSync(on.root).sort()).to.deep.equal(['empty', 'file', 'folder']);
  });

  it('permits to look and to read only, and less where it was told so', () => {
    const permissions = new Permissions('elradfmwMT', [{ path: '/folder', letters: 'w' }]);
    const shell = new FTPAnonymousShell(on.root, { permissions });
    const all = ['e', 'l', 'r', 'a', 'd', 'f', 'm', 'w', 'M', 'T'] as const;
    expect(all.filter((letter) => shell.permits(letter, [])).join('')).to.equal('elr');
    expect(all.filter((letter) => shell.permits(letter, ['folder'])).join('')).to.equal('');
  });

  it('tells owners by name, or as it is told to', async () => {
    const [owner, group] = await facts(new FTPAnonymousShell(on.root), '/file', ['owner', 'group']);
    expect(owner).to.be.a('string').that.is.not.equal('');
    expect(group).to.be.a('string').that.is.not.equal('');
    if (process.getuid?.() === 0) expect(owner).to.equal('root');
    const shell = new FTPAnonymousShell(on.root, { owner: 'ftp', group: 'all' });
    expect(await facts(shell, '/file', ['owner', 'group'])).to.deep.equal(['ftp', 'all']);
  });

  it('sums up files, or stretches of them', async () => {
    const shell = new FTPAnonymousShell(on.root);
    writeFileSync(join(on.root, 'digits'), '123456789');
    expect(await shell.checksum(['digits'], 'crc32', 0)).to.equal('cbf43926');
    expect(await shell.checksum(['digits'], 'md5', 0)).to.equal('25f9e794323b453885f5181f1b624d0b');
    expect(await shell.checksum(['digits'], 'sha1', 2, 4)).to.equal(
      'f1f836cb4ea6efb2a0b1b99f41ad8b103eff4b59',
    );
    expect(await shell.checksum(['digits'], 'crc32', 9)).to.equal('00000000');
    expect(await failure(() => shell.checksum(['folder'], 'md5', 0))).to.equal(
      'ERR_FTP_IS_A_DIRECTORY',
    );
    const cancelled = shell.checksum(['digits'], 'sha512', 0);
    cancelled.cancel();
    expect(await failure(() => cancelled)).to.equal('ERR_CANCELLED');
  });

  it('lists large folders whole', async () => {
    const wanted: string[] = [];
    for (let count = 0; count < 300; count++) {
      wanted.push(`f${count}`);
      writeFileSync(join(on.root, 'empty', `f${count}`), 'x'.repeat(count));
    }
    const sizes = new Map<string, unknown>();
    for await (const [name, [size]] of await new FTPAnonymousShell(on.root).list(
      ['empty'],
      ['size'],
    )) {
      sizes.set(name, size);
    }
    expect([...sizes.keys()].sort()).to.deep.equal(wanted.sort());
    for (const [name, size] of sizes) expect(`f${size}`).to.equal(name);
  });

  it('leaves nothing open, whether a listing was begun, ended or neither', async function () {
    if (process.platform !== 'linux') this.skip();
    const open = (): number => readdirSync('/proc/self/fd').length;
    const shell = new FTPAnonymousShell(on.root);
    await names(shell);
    const before = open();
    await names(shell);
    await shell.list([]);
    for await (const _ of await shell.list([])) break;
    await read(shell, '/file');
    await failure(() => read(shell, '/folder'));
    await failure(() => shell.stat(['none']));
    await (await shell.openForReading(['file'])).close();
    expect(open()).to.equal(before);
  });
});

describe('FTPShell', () => {
  const on = folders();
  const shell = (options = {}): FTPShell => new FTPShell(on.root, options);
  /** All names on disk, hidden ones as well. */
  const onDisk = (path = ''): string[] => readdirSync(join(on.root, path)).sort();

  itIsAShell(() => shell());
  itCanBeChanged(() => shell());
  it('gives a folder as Twisted does: under its name', () => {
    expect(shell().filesystemRoot).to.equal(on.root);
    expect(shell()).to.be.instanceOf(FTPAnonymousShell);
  });

  it('writes under a name that no listing shows', async () => {
    const { file, receiver } = await upload(shell(), '/new');
    receiver.write('x');
    expect(onDisk()).to.have.lengthOf(4);
    expect(await names(shell())).to.deep.equal(['empty', 'file', 'folder']);
    await file.close();
    expect(await names(shell())).to.deep.equal(['empty', 'file', 'folder', 'new']);
  });

  it('keeps the mode of a file that it replaces, and gives new ones the mode it was told', async function () {
    if (process.platform === 'win32') this.skip();
    chmodSync(join(on.root, 'file'), 0o640);
    await write(shell(), '/file', 'other');
    await write(shell({ fileMode: 0o600 }), '/new', 'x');
    await shell({ directoryMode: 0o700 }).makeDirectory(['made']);
    const mode = (name: string): number => statSync(join(on.root, name)).mode & 0o777;
    expect([mode('file'), mode('new'), mode('made')]).to.deep.equal([0o640, 0o600, 0o700]);
  });

  it('sets no bits that give away the rights of the owner', async () => {
    const files = shell();
    for (const mode of [0o4755, -1, 0.5]) {
      expect(await failure(() => files.changeMode(['file'], mode))).to.equal(
        'ERR_FTP_PERMISSION_DENIED',
      );
    }
  });

  it('replaces one of two names of a file, not both', async () => {
    linkSync(join(on.root, 'file'), join(on.root, 'other'));
    await write(shell(), '/file', 'new');
    expect(readFileSync(join(on.root, 'other'), 'utf8')).to.equal('content');
  });

  it('writes much, and has its producer wait for the disk', async () => {
    const { file, receiver, log } = await upload(shell({ sync: true }), '/big');
    for (let piece = 0; piece < 63; piece++) receiver.write(Buffer.alloc(65_536, piece));
    expect(log).to.deep.equal([]);
    receiver.write(Buffer.alloc(65_536, 63));
    expect(log).to.deep.equal(['pause']);
    await file.close();
    expect(log).to.deep.equal(['pause', 'resume']);
    const stored = readFileSync(join(on.root, 'big'));
    expect(stored).to.have.lengthOf(64 * 65_536);
    for (let piece = 0; piece < 64; piece++) expect(stored[piece * 65_536 + 7]).to.equal(piece);
  });

  it('has many files share what may wait for the disk', async () => {
    const files = shell();
    const uploads: Upload[] = [];
    for (let n = 0; n < 100; n++) uploads.push(await upload(files, `/many-${n}`));
    for (const { receiver, log } of uploads.slice(0, 2)) {
      for (let piece = 0; piece < 15; piece++) receiver.write(Buffer.alloc(65_536));
      expect(log).to.deep.equal([]);
      receiver.write(Buffer.alloc(65_536));
      expect(log).to.deep.equal(['pause']);
    }
    await Promise.all(uploads.map(({ file }) => file.close()));
    expect(uploads[1]?.log).to.deep.equal(['pause', 'resume']);
    const next = await upload(files, '/alone');
    for (let piece = 0; piece < 63; piece++) next.receiver.write(Buffer.alloc(65_536));
    expect(next.log).to.deep.equal([]);
    await next.file.close();
  });

  it('asks a pull producer for more until there is no more', async () => {
    const file = await shell().openForWriting(['pulled']);
    const receiver = await file.receive();
    let left = 40;
    let pumping = false;
    await new Promise<void>((resolve) => {
      receiver.registerProducer(
        {
          resumeProducing() {
            if (pumping) return;
            pumping = true;
            queueMicrotask(() => {
              pumping = false;
              if (left-- > 0) receiver.write(Buffer.alloc(100_000, 1));
              else resolve();
            });
          },
          stopProducing() {},
        },
        false,
      );
    });
    await file.close();
    expect(statSync(join(on.root, 'pulled')).size).to.equal(4_000_000);
  });

  it('says that a file is stored only if it is, and cleans up', async function () {
    if (process.platform === 'win32') this.skip();
    const { file, receiver } = await upload(shell(), '/new');
    receiver.write('x');
    mkdirSync(join(on.root, 'new')); // while it is written
    expect(await failure(() => file.close())).to.match(/^ERR_FTP_/);
    expect(onDisk()).to.deep.equal(['empty', 'file', 'folder', 'new']);
  });

  it('stops its producer when the disk is full, and says so at the end', async function () {
    const full = '/dev/full';
    if (process.platform !== 'linux') this.skip();
    // What is written to that device finds no room: the nearest thing to a disk that is full.
    const { FileWriting } = await import('../../../src/protocols/ftp/file-writing.ts');
    const { Jail } = await import('../../../src/protocols/ftp/jail.ts');
    const { open } = await import('node:fs/promises');
    const writing = new FileWriting({
      path: '/new',
      folder: await new Jail(on.root).hold([], true),
      name: 'new',
      handle: await open(full, 'w'),
      temporary: 'never-made',
      start: 0,
      partWillDo: false,
      placeholder: false,
      quota: null,
      reckoned: 0,
      reckonedFiles: 1,
      sync: false,
      done: () => {},
    });
    const stopped = new Promise<void>((resolve) => {
      writing.registerProducer(
        { pauseProducing() {}, resumeProducing() {}, stopProducing: resolve },
        true,
      );
    });
    writing.write('x');
    await stopped;
    writing.write('late');
    expect(await failure(() => writing.close())).to.equal('ERR_FTP_STORAGE_EXCEEDED');
    expect(onDisk()).to.deep.equal(['empty', 'file', 'folder']);
  });

  it('keeps the beginning of a large file that is resumed before its end', async () => {
    const before = Buffer.alloc(3_000_000, 'abcdefg');
    writeFileSync(join(on.root, 'file'), before);
    await write(shell(), '/file', 'END', { offset: 2_500_000 });
    const stored = readFileSync(join(on.root, 'file'));
    expect(
      stored.equals(Buffer.concat([before.subarray(0, 2_500_000), Buffer.from('END')])),
    ).to.equal(true);
  });

  it('lets one at a time append to a file', async () => {
    const first = await upload(shell(), '/file', { append: true });
    first.receiver.write('1');
    expect(await failure(() => write(shell(), '/file', '2', { append: true }))).to.equal(
      'ERR_FTP_COMMAND',
    );
    await first.file.close();
    await write(shell(), '/file', '2', { append: true });
    expect(await read(shell(), '/file')).to.equal('content12');
  });

  describe('with keepPartial', () => {
    it('keeps what came of a new file', async () => {
      const { file, receiver } = await upload(shell({ keepPartial: true }), '/new');
      receiver.write('part');
      await file.abort();
      expect(await read(shell(), '/new')).to.equal('part');
    });

    it('keeps what was added to a file', async () => {
      for (const options of [{ append: true }, { offset: 8 }]) {
        const { file, receiver } = await upload(shell({ keepPartial: true }), '/file', options);
        receiver.write('s');
        await file.abort();
      }
      expect(await read(shell(), '/file')).to.equal('contentss');
    });

    it('leaves alone what a part would have less of', async () => {
      for (const options of [{}, { offset: 3 }]) {
        const { file, receiver } = await upload(shell({ keepPartial: true }), '/file', options);
        receiver.write('X');
        await file.abort();
        expect(await read(shell(), '/file')).to.equal('content');
      }
    });

    it('makes no file of nothing', async () => {
      const { file } = await upload(shell({ keepPartial: true }), '/new');
      await file.abort();
      expect(onDisk()).to.deep.equal(['empty', 'file', 'folder']);
    });
  });

  describe('with permissions', () => {
    const permissions = new Permissions('elradfmwMT', [{ path: '/folder', letters: 'el' }]);

    it('holds to them itself', async () => {
      const files = shell({ permissions });
      const deeds = [
        () => files.makeDirectory(['folder', 'new']),
        () => files.removeFile(['folder', 'inner']),
        () => files.rename(['folder', 'inner'], ['x']),
        () => files.rename(['file'], ['folder', 'x']),
        () => files.rename(['folder'], ['x']),
        () => files.removeDirectory(['folder']),
        () => files.openForReading(['folder', 'inner']),
        () => files.openForWriting(['folder', 'x']),
        () => files.openForWriting(['folder', 'inner'], { append: true }),
        () => files.setModified(['folder', 'inner'], 0),
        () => files.changeMode(['folder', 'inner'], 0),
        () => files.checksum(['folder', 'inner'], 'md5', 0),
      ];
      for (const deed of deeds) expect(await failure(deed)).to.equal('ERR_FTP_PERMISSION_DENIED');
      expect(await names(files, '/folder')).to.deep.equal(['inner']);
      await files.access(['folder']);
    });

    it('holds to them whatever link leads there', async () => {
      symlinkSync('folder', join(on.root, 'link'));
      symlinkSync('folder/inner', join(on.root, 'inner'));
      const files = shell({ permissions });
      expect(files.permits('r', ['link', 'inner'])).to.equal(true); // as far as the name tells
      for (const path of ['/link/inner', '/inner']) {
        expect(await failure(() => read(files, path))).to.equal('ERR_FTP_PERMISSION_DENIED');
        expect(await failure(() => write(files, path, 'x'))).to.equal('ERR_FTP_PERMISSION_DENIED');
      }
    });

    it('needs leave to write or delete for a file that is replaced by renaming', async () => {
      const files = shell({ permissions: 'elrf' });
      await files.rename(['file'], ['free']);
      expect(await failure(() => files.rename(['free'], ['folder', 'inner']))).to.equal(
        'ERR_FTP_PERMISSION_DENIED',
      );
    });
  });

  it('writes through a link to a file inside, and leaves the link', async () => {
    symlinkSync('folder/inner', join(on.root, 'link'));
    await write(shell(), '/link', 'new');
    expect(readFileSync(join(on.root, 'folder/inner'), 'utf8')).to.equal('new');
    expect(readlinkSync(join(on.root, 'link'))).to.equal('folder/inner');
  });

  it('deletes and renames links, not what they lead to', async () => {
    symlinkSync(join(on.outside, 'secret'), join(on.root, 'link'));
    await shell().rename(['link'], ['renamed']);
    expect(lstatSync(join(on.root, 'renamed')).isSymbolicLink()).to.equal(true);
    await shell().removeFile(['renamed']);
    expect(readFileSync(join(on.outside, 'secret'), 'utf8')).to.equal('secret');
  });
});
