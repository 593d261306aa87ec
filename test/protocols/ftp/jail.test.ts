import {
  closeSync,
  mkdirSync,
  readFileSync,
  readSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { FTPShell } from '../../../src/protocols/ftp/index.ts';
import { checkName, entryOf, type FollowSymlinks, Jail } from '../../../src/protocols/ftp/jail.ts';
import { facts, failure, names, read, upload, write } from './shell-contract.ts';
import { folders } from './support-files.ts';

const DENIED = 'ERR_FTP_PERMISSION_DENIED';

describe('Jail', () => {
  const on = folders();

  for (const byDescriptor of [true, false]) {
    describe(byDescriptor ? 'by descriptors' : 'by true paths', () => {
      before(function () {
        if (byDescriptor && process.platform !== 'linux') this.skip();
      });

      const jail = (follow?: FollowSymlinks): Jail => new Jail(on.root, follow, byDescriptor);

      async function contents(where: Jail, path: string): Promise<string> {
        const { fd, stats } = await where.openFile(path.split('/'));
        const bytes = Buffer.alloc(stats.size);
        readSync(fd, bytes);
        closeSync(fd);
        return bytes.toString();
      }

      it('says where something truly is', async () => {
        symlinkSync('../folder', join(on.root, 'empty/link'));
        const real = await jail().within(['empty', 'link', 'inner'], async (held) => held.real);
        expect(real).to.deep.equal(['folder', 'inner']);
        expect(await jail().within([], async (held) => held.real)).to.deep.equal([]);
      });

      it('follows links that stay inside, by default', async () => {
        symlinkSync('folder', join(on.root, 'relative'));
        symlinkSync(join(on.root, 'file'), join(on.root, 'absolute'));
        expect(await contents(jail(), 'relative/inner')).to.equal('in');
        expect(await contents(jail(), 'absolute')).to.equal('content');
      });

      it('refuses links that lead out: to files, to folders, in two steps, to a neighbour of like name', async () => {
        mkdirSync(join(on.base, 'root-neighbour'));
        writeFileSync(join(on.base, 'root-neighbour/secret'), 'secret');
        symlinkSync(join(on.outside, 'secret'), join(on.root, 'file-out'));
        symlinkSync('../outside', join(on.root, 'out'));
        symlinkSync('out', join(on.root, 'twice'));
        symlinkSync('../root-neighbour', join(on.root, 'near'));
        symlinkSync('..', join(on.root, 'up'));
        const paths = [
          'file-out',
          'out/secret',
          'twice/secret',
          'near/secret',
          'up/outside/secret',
        ];
        for (const path of paths) {
          expect(await failure(() => contents(jail(), path)), path).to.equal(DENIED);
        }
        for (const path of [['out'], ['up'], ['twice']]) {
          expect(await failure(() => jail().hold(path, true))).to.equal(DENIED);
        }
        for (const path of [
          ['out', 'new'],
          ['up', 'new'],
        ]) {
          expect(await failure(() => jail().entry(path, async () => {}))).to.equal(DENIED);
        }
      });

      it('follows none, or all, if it is told so', async () => {
        symlinkSync('folder', join(on.root, 'in'));
        symlinkSync('../outside', join(on.root, 'out'));
        expect(await failure(() => contents(jail(false), 'in/inner'))).to.equal(DENIED);
        expect(await contents(jail(false), 'folder/inner')).to.equal('in');
        expect(await contents(jail(true), 'out/secret')).to.equal('secret');
      });

      it('takes names for names only', async () => {
        for (const name of ['..', '.', '', 'a/b', '../outside/secret', 'a\0b']) {
          expect(await failure(() => jail().hold([name]))).to.equal('ERR_FTP_FILE_NAME');
          expect(await failure(() => jail().openFile([name]))).to.equal('ERR_FTP_FILE_NAME');
          expect(await failure(() => jail().entry([name], async () => {}))).to.equal(
            'ERR_FTP_FILE_NAME',
          );
        }
      });

      it('may have a link for its root, which may be set to another folder', async () => {
        symlinkSync('root', join(on.base, 'current'));
        const jailed = new Jail(join(on.base, 'current'), 'inside', byDescriptor);
        expect(await contents(jailed, 'file')).to.equal('content');
        mkdirSync(join(on.base, 'next'));
        writeFileSync(join(on.base, 'next/file'), 'newer');
        symlinkSync('next', join(on.base, 'current2'));
        renameSync(join(on.base, 'current2'), join(on.base, 'current'));
        expect(await contents(jailed, 'file')).to.equal('newer');
      });

      it('holds folders only where one is wanted', async () => {
        expect(await failure(() => jail().hold(['file'], true))).to.be.oneOf([
          'ENOTDIR',
          'ERR_FTP_IS_NOT_A_DIRECTORY',
        ]);
      });

      it('measures what there is, links left out', async () => {
        symlinkSync(on.outside, join(on.root, 'out'));
        expect(await jail().measure()).to.deep.equal({ bytes: 9, files: 5 });
      });
    });
  }

  it('goes on with the folder it holds, whatever is put in its place', async function () {
    if (process.platform !== 'linux') this.skip();
    const held = await new Jail(on.root).hold(['folder'], true);
    renameSync(join(on.root, 'folder'), join(on.root, 'moved'));
    symlinkSync(on.outside, join(on.root, 'folder'));
    await writeFile(entryOf(held, 'new').path, 'x');
    await held.release();
    expect(readFileSync(join(on.root, 'moved/new'), 'utf8')).to.equal('x');
  });

  it('checkName() knows what is more than a name on Windows', () => {
    const wrong = [
      'a\\b',
      'C:',
      'file:stream',
      'name.',
      'name ',
      'NUL',
      'con.txt',
      'Com1',
      'a*',
      'a"b',
    ];
    for (const name of wrong) {
      expect(() => checkName(name, true), name).to.throw('File name not allowed');
      checkName(name, false);
    }
    for (const name of ['a b', 'null', 'console', 'com', '.hidden', 'ü']) checkName(name, true);
  });
});

describe('FTPShell in its jail', () => {
  const on = folders();
  const shell = (): FTPShell => new FTPShell(on.root);

  beforeEach(() => {
    symlinkSync('../outside', join(on.root, 'out'));
    symlinkSync(join(on.outside, 'secret'), join(on.root, 'secret'));
    symlinkSync(join(on.outside, 'new'), join(on.root, 'dangling'));
  });

  it('does nothing outside, by no command', async () => {
    const files = shell();
    const deeds = [
      () => files.access(['out']),
      () => files.list(['out']),
      () => files.stat(['secret']),
      () => files.stat(['out', 'secret']),
      () => files.openForReading(['secret']),
      () => files.openForReading(['out', 'secret']),
      () => files.openForWriting(['secret']),
      () => files.openForWriting(['secret'], { append: true }),
      () => files.openForWriting(['dangling']),
      () => files.openForWriting(['out', 'new']),
      () => files.openForWriting(['out', 'new'], { unique: true }),
      () => files.makeDirectory(['out', 'new']),
      () => files.removeFile(['out', 'secret']),
      () => files.removeDirectory(['out', 'folder']),
      () => files.rename(['out', 'secret'], ['mine']),
      () => files.rename(['file'], ['out', 'new']),
      () => files.setModified(['secret'], 0),
      () => files.changeMode(['secret'], 0o777),
      () => files.checksum(['secret'], 'md5', 0),
    ];
    mkdirSync(join(on.outside, 'folder'));
    for (const deed of deeds) expect(await failure(deed)).to.equal(DENIED);
    const outside = await names(new FTPShell(on.outside));
    expect(outside).to.deep.equal(['folder', 'secret']);
    expect(readFileSync(join(on.outside, 'secret'), 'utf8')).to.equal('secret');
    expect(await read(files, '/file')).to.equal('content');
  });

  it('lists links that lead out as links, and tells nothing of what they lead to', async () => {
    const listed = new Map<string, unknown>();
    for await (const [name, [directory, size]] of await shell().list([], ['directory', 'size'])) {
      listed.set(name, [directory, size]);
    }
    expect(listed.get('out')).to.deep.equal([false, '../outside'.length]);
    expect(listed.get('secret')).to.deep.equal([false, join(on.outside, 'secret').length]);
    expect(listed.has('dangling')).to.equal(true);
  });

  it('has an upload end where it began, whatever its folder is exchanged for', async function () {
    if (process.platform !== 'linux') this.skip();
    const { file, receiver } = await upload(shell(), '/folder/new');
    receiver.write('x');
    renameSync(join(on.root, 'folder'), join(on.root, 'moved'));
    symlinkSync(on.outside, join(on.root, 'folder'));
    await file.close();
    expect(await names(shell(), '/moved')).to.deep.equal(['inner', 'new']);
    expect(await names(new FTPShell(on.outside))).to.deep.equal(['secret']);
  });

  it('gives nothing when a folder and a link take turns', async function () {
    this.timeout(20_000);
    const files = shell();
    symlinkSync(on.outside, join(on.root, 'link'));
    mkdirSync(join(on.root, 'real'));
    writeFileSync(join(on.root, 'real/secret'), 'mine');
    let over = false;
    const turns = (async () => {
      while (!over) {
        renameSync(join(on.root, 'real'), join(on.root, 'turn'));
        renameSync(join(on.root, 'link'), join(on.root, 'real'));
        await facts(files, '/', ['size']);
        renameSync(join(on.root, 'real'), join(on.root, 'link'));
        renameSync(join(on.root, 'turn'), join(on.root, 'real'));
      }
    })();
    let [refused, given] = [0, 0];
    for (let count = 0; count < 300; count++) {
      await write(files, '/real/mark', 'x').catch(() => {});
      await read(files, '/real/secret').then(
        (text) => {
          expect(text).to.equal('mine');
          given += 1;
        },
        () => {
          refused += 1;
        },
      );
    }
    over = true;
    await turns;
    expect(refused + given).to.equal(300);
    expect(await names(new FTPShell(on.outside))).to.deep.equal(['secret']);
  });
});
