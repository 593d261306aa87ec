import { mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { FTPShell, sweepUploads } from '../../../src/protocols/ftp/index.ts';
import { folders } from './support-files.ts';

const LEFT = '.upload-0123456789abcdef01234567.part';

describe('sweepUploads()', () => {
  const on = folders();

  function leave(path: string, modified: number): void {
    const whole = join(on.base, path);
    writeFileSync(whole, 'part');
    utimesSync(whole, modified, modified);
  }

  it('removes what nobody has written to for so long, in all folders, and nothing else', async () => {
    for (const folder of ['root', 'root/folder', 'outside']) leave(`${folder}/${LEFT}`, 1000);
    leave('root/.upload-ffffffffffffffffffffffff.part', 1900);
    for (const name of ['.upload-me.part', 'upload.part', `x${LEFT}`, `${LEFT}.txt`])
      leave(`root/${name}`, 1000);
    mkdirSync(join(on.root, 'empty', LEFT));
    symlinkSync(on.outside, join(on.root, 'link'));
    expect(await sweepUploads(on.root, { olderThan: 500, now: () => 2000 })).to.equal(2);
    expect(readdirSync(on.root)).to.include.members([
      '.upload-ffffffffffffffffffffffff.part',
      '.upload-me.part',
      'upload.part',
      `x${LEFT}`,
      `${LEFT}.txt`,
    ]);
    expect(readdirSync(on.root)).to.not.include(LEFT);
    expect(readdirSync(join(on.root, 'folder'))).to.deep.equal(['inner']);
    expect(readdirSync(on.outside)).to.include(LEFT);
    expect(readdirSync(join(on.root, 'empty'))).to.deep.equal([LEFT]);
    expect(await sweepUploads(on.root, { olderThan: 0, now: () => 2000 })).to.equal(1);
    for (const name of readdirSync(on.base, { recursive: true }).map(String)) {
      // What folders() looks for when the test is over.
      if (name.includes('.upload')) {
        const { rmSync } = await import('node:fs');
        rmSync(join(on.base, name), { recursive: true, force: true });
      }
    }
  });

  it('leaves alone what this process is writing', async () => {
    const shell = new FTPShell(on.root);
    const file = await shell.openForWriting(['new']);
    expect(await sweepUploads(on.root, { olderThan: 0, now: () => 1e12 })).to.equal(0);
    await file.abort();
  });

  it('takes no age that is none, and minds no folder that is not there', async () => {
    let thrown: unknown;
    await sweepUploads(on.root, { olderThan: -1 }).catch((error: unknown) => (thrown = error));
    expect(thrown).to.be.instanceOf(RangeError);
    expect(await sweepUploads(join(on.root, 'nowhere'))).to.equal(0);
  });
});
