import { linkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { FTPShell, Quota, StorageExceededError } from '../../../src/protocols/ftp/index.ts';
import { Jail } from '../../../src/protocols/ftp/jail.ts';
import { failure, read, upload, write } from './shell-contract.ts';
import { folders } from './support-files.ts';

const EXCEEDED = 'ERR_FTP_STORAGE_EXCEEDED';

describe('Quota', () => {
  it('takes up to its limits, and nothing of what is too much', () => {
    const quota = new Quota({ maxBytes: 10, maxFiles: 2 });
    quota.take('a', 10, 1);
    expect(() => quota.take('b', 1, 1)).to.throw(StorageExceededError, 'b: Exceeded storage');
    expect(quota.usage).to.deep.equal({ bytes: 10, files: 1 });
    quota.take('c', 0, 1);
    expect(() => quota.take('d', 0, 1)).to.throw(StorageExceededError);
    quota.give(4, 2);
    quota.give(100, 100);
    expect(quota.usage).to.deep.equal({ bytes: 0, files: 0 });
  });

  it('measures once, and again after forget() or a failure', async () => {
    const quota = new Quota({});
    let count = 0;
    const measure = async (): Promise<{ bytes: number; files: number }> => {
      count += 1;
      if (count === 1) throw new Error('not now');
      return { bytes: 5, files: 1 };
    };
    expect(await failure(() => quota.ready(measure))).to.equal('undefined');
    await Promise.all([quota.ready(measure), quota.ready(measure)]);
    expect(count).to.equal(2);
    expect(quota.usage).to.deep.equal({ bytes: 5, files: 1 });
    quota.forget();
    await quota.ready(measure);
    expect(quota.usage).to.deep.equal({ bytes: 5, files: 1 });
  });

  it('has limits that are numbers', () => {
    expect(() => new Quota({ maxBytes: -1 })).to.throw(RangeError, 'Bad quota -1');
    expect(() => new Quota({ maxFiles: Number.NaN })).to.throw(RangeError);
  });
});

describe('FTPShell with a quota', () => {
  const on = folders();
  let quota: Quota;
  let shell: FTPShell;
  // There are 9 bytes in 4 files and folders.
  beforeEach(() => {
    quota = new Quota({ maxBytes: 20, maxFiles: 6 });
    shell = new FTPShell(on.root, { quota });
  });
  /** It still knows what there is. */
  async function measured(): Promise<void> {
    expect(quota.usage).to.deep.equal(await new Jail(on.root).measure());
  }

  it('counts what is there already', async () => {
    expect(await failure(() => write(shell, '/new', 'x'.repeat(12)))).to.equal(EXCEEDED);
    await write(shell, '/new', 'x'.repeat(11));
    await measured();
  });

  it('breaks an upload off that is too much, and leaves what was there', async () => {
    const { file, receiver, log } = await upload(shell, '/file');
    receiver.write('x'.repeat(10));
    expect(log).to.deep.equal([]);
    receiver.write('xx');
    expect(log).to.deep.equal(['stop']);
    expect(await failure(() => file.close())).to.equal(EXCEEDED);
    expect(await read(shell, '/file')).to.equal('content');
    await measured();
  });

  it('cuts off what was too much of an appended file', async () => {
    const { file, receiver } = await upload(shell, '/file', { append: true });
    receiver.write('x'.repeat(10));
    receiver.write('xx');
    expect(await failure(() => file.close())).to.equal(EXCEEDED);
    expect(await read(shell, '/file')).to.equal('content');
    await measured();
  });

  it('reckons all that is done', async () => {
    await write(shell, '/file', '12'); // replaced
    await measured();
    await write(shell, '/file', '3', { append: true });
    await measured();
    await write(shell, '/file', 'x', { offset: 1 });
    await measured();
    await shell.makeDirectory(['made']);
    await measured();
    await shell.removeDirectory(['made']);
    await measured();
    await shell.rename(['folder', 'inner'], ['file']);
    await measured();
    expect(await write(shell, '/file', 'u', { unique: true })).to.equal('file.1');
    await measured();
    const failed = await upload(shell, '/file', { unique: true });
    failed.receiver.write('lost');
    await failed.file.abort();
    await measured();
    await shell.removeFile(['file']);
    await measured();
  });

  it('lets no more files be made than there may be, but those replaced that are there', async () => {
    await write(shell, '/a', '');
    await shell.makeDirectory(['b']);
    expect(await failure(() => write(shell, '/c', ''))).to.equal(EXCEEDED);
    expect(await failure(() => write(shell, '/c', '', { unique: true }))).to.equal(EXCEEDED);
    expect(await failure(() => shell.makeDirectory(['c']))).to.equal(EXCEEDED);
    await write(shell, '/a', 'x');
    await measured();
  });

  it('gives back no room for one of two names of a file', async () => {
    linkSync(join(on.root, 'file'), join(on.root, 'twin'));
    await quota.ready(() => new Jail(on.root).measure());
    const before = quota.usage.bytes;
    await shell.removeFile(['twin']);
    expect(quota.usage.bytes).to.equal(before);
  });

  it('is shared by the shells that are given it', async () => {
    const other = new FTPShell(on.root, { quota });
    await write(other, '/a', 'x'.repeat(8));
    expect(await failure(() => write(shell, '/b', 'x'.repeat(8)))).to.equal(EXCEEDED);
    await other.removeFile(['a']);
    await write(shell, '/b', 'x'.repeat(8));
    await measured();
  });

  it('takes limits as well', async () => {
    writeFileSync(join(on.root, 'big'), 'x'.repeat(100));
    const limited = new FTPShell(on.root, { quota: { maxBytes: 100 } });
    expect(await failure(() => write(limited, '/new', 'x'))).to.equal(EXCEEDED);
  });
});
