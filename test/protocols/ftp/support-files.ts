/** Folders on disk, for tests of shells. */
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';

/** A new folder, removed after each test: `outside/` with a secret in it, and `root/` with '/file', '/folder/inner' and '/empty/'. */
export function folders(): {
  readonly base: string;
  readonly root: string;
  readonly outside: string;
} {
  let base = '';
  beforeEach(() => {
    base = realpathSync(mkdtempSync(join(tmpdir(), 'strand-ftp-')));
    for (const name of ['root', 'root/folder', 'root/empty', 'outside'])
      mkdirSync(join(base, name));
    writeFileSync(join(base, 'root/file'), 'content');
    writeFileSync(join(base, 'root/folder/inner'), 'in');
    writeFileSync(join(base, 'outside/secret'), 'secret');
  });
  afterEach(() => {
    const left = readdirSync(base, { recursive: true }).filter((name) =>
      String(name).includes('.upload'),
    );
    rmSync(base, { recursive: true, force: true });
    expect(left, 'files of uploads that are over').to.deep.equal([]);
  });
  return {
    get base() {
      return base;
    },
    get root() {
      return join(base, 'root');
    },
    get outside() {
      return join(base, 'outside');
    },
  };
}
