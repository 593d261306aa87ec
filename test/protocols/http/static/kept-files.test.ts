import {
  chmodSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { KeptFiles } from '../../../../src/protocols/http/static/kept-files.ts';

describe('KeptFiles', () => {
  let folder: string;
  let path: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'strand-kept-'));
    path = join(folder, 'a');
    writeFileSync(path, 'one');
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const later = (): number => Date.now() / 1000 + 10;

  function keep(files: KeptFiles, name: string, text: string): void {
    files.add(name, statSync(path), Buffer.from(text));
  }

  /** Waits for the next tick of the file system's clock, which may be a coarse one: changes within one tick do not show. */
  function timePasses(): void {
    const before = statSync(path).ctimeMs;
    const probe = join(folder, 'probe');
    do writeFileSync(probe, 'x');
    while (statSync(probe).ctimeMs <= before);
  }

  function find(files: KeptFiles, name: string): Promise<string | null> {
    return new Promise((done) => files.find(name, (kept) => done(kept?.bytes.toString() ?? null)));
  }

  it('gives what it kept while the file is the same', async () => {
    const files = new KeptFiles(100, false);
    expect(files.has(path)).to.equal(false);
    keep(files, path, 'kept');
    expect(files.has(path)).to.equal(true);
    expect(await find(files, path)).to.equal('kept');
    expect(await find(files, path)).to.equal('kept');
  });

  const changes: [string, () => void][] = [
    ['was written', () => writeFileSync(path, 'two')],
    [
      'was written and given its old time',
      () => {
        const { atime, mtime } = statSync(path);
        writeFileSync(path, 'two');
        utimesSync(path, atime, mtime);
      },
    ],
    ['has other rights', () => chmodSync(path, 0o600)],
    [
      'is another one',
      () => {
        writeFileSync(join(folder, 'b'), 'two');
        renameSync(join(folder, 'b'), path);
      },
    ],
    ['is gone', () => rmSync(path)],
    [
      'is a link now',
      () => {
        renameSync(path, join(folder, 'b'));
        symlinkSync('b', path);
      },
    ],
  ];
  for (const [what, change] of changes) {
    it(`forgets it when the file ${what}`, async () => {
      const files = new KeptFiles(100, false);
      keep(files, path, 'kept');
      timePasses();
      change();
      expect(await find(files, path)).to.equal(null);
      expect(files.has(path)).to.equal(false);
    });
  }

  it('does not want what changed a moment ago', () => {
    const files = new KeptFiles(100, false);
    const stats = statSync(path);
    expect(files.wants(path, stats, stats.ctimeMs / 1000 + 1.9)).to.equal(false);
    expect(files.wants(path, stats, stats.ctimeMs / 1000 + 2)).to.equal(true);
  });

  it('wants small files at once, others the second time, and large ones never', () => {
    const files = new KeptFiles(10_000_000, false);
    const wants = (name: string, size: number): boolean => {
      const wanted = files.wants(name, Object.assign(statSync(path), { size }), later());
      if (wanted) files.leave(name);
      return wanted;
    };
    expect([wants('a', 65_536), wants('b', 65_537), wants('b', 65_537)]).to.deep.equal([
      true,
      false,
      true,
    ]);
    expect([wants('c', 1_048_576), wants('c', 1_048_576)]).to.deep.equal([false, true]);
    expect([wants('d', 1_048_577), wants('d', 1_048_577)]).to.deep.equal([false, false]);
    const little = new KeptFiles(2, false);
    expect(little.wants(path, statSync(path), later())).to.equal(false);
  });

  it('wants a file once at a time', () => {
    const files = new KeptFiles(100, false);
    const stats = statSync(path);
    expect(files.wants(path, stats, later())).to.equal(true);
    expect(files.wants(path, stats, later())).to.equal(false);
    files.leave(path);
    expect(files.wants(path, stats, later())).to.equal(true);
  });

  it('counts a file that is read again in place of the one before', () => {
    const files = new KeptFiles(10, false);
    const stats = statSync(path);
    for (let times = 0; times < 3; times += 1) files.add(path, stats, Buffer.alloc(6));
    expect(files.add('b', stats, Buffer.alloc(4))).to.not.equal(null);
    expect(files.has(path)).to.equal(true);
  });

  it('keeps as much as it may, and what was asked for last', async () => {
    const files = new KeptFiles(10, false);
    const names = ['a', 'b', 'c', 'd'].map((name) => join(folder, name));
    const [a = '', b = '', c = '', d = ''] = names;
    for (const name of [b, c, d]) writeFileSync(name, 'x');
    for (const name of [a, b]) files.add(name, statSync(name), Buffer.alloc(4));
    await find(files, a);
    expect(files.add(c, statSync(c), Buffer.alloc(4))).to.not.equal(null);
    expect(names.map((name) => files.has(name))).to.deep.equal([true, false, true, false]);
    expect(files.add(d, statSync(d), Buffer.alloc(11))).to.equal(null);
    expect(files.has(d)).to.equal(false);
  });

  it('counts what was sent and is still kept', () => {
    const files = new KeptFiles(10, false);
    const stats = statSync(path);
    const kept = files.add(path, stats, Buffer.alloc(8));
    if (kept === null) throw new Error('It was not kept');
    files.use(kept)();
    expect(files.add('b', stats, Buffer.alloc(8))).to.not.equal(null);
    expect(files.has(path)).to.equal(false);
  });

  it('has what is being sent count until it was, and does not let it go', async () => {
    const files = new KeptFiles(10, false);
    const stats = statSync(path);
    const kept = files.add(path, stats, Buffer.alloc(8));
    if (kept === null) throw new Error('It was not kept');
    const [first, second] = [files.use(kept), files.use(kept)];
    expect(files.add('b', stats, Buffer.alloc(4))).to.equal(null);
    expect(files.has(path)).to.equal(true);
    // It has changed, and is forgotten, but the memory is in use.
    writeFileSync(path, 'other');
    expect(await find(files, path)).to.equal(null);
    expect(files.add('b', stats, Buffer.alloc(4))).to.equal(null);
    first();
    expect(files.add('b', stats, Buffer.alloc(4))).to.equal(null);
    second();
    expect(files.add('b', stats, Buffer.alloc(10))).to.not.equal(null);
  });
});
