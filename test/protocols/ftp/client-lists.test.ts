/** Listings of many servers, their odd cases, and names that lead astray. */
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { type Deferred, succeed } from '../../../src/deferred/index.ts';
import { safeName } from '../../../src/protocols/ftp/client/trees.ts';
import {
  FTPClient,
  parseList,
  parseMLSD,
  type RemoteFile,
} from '../../../src/protocols/ftp/index.ts';

const NOW = Date.UTC(2026, 6, 15, 12) / 1000;

function only(line: string): RemoteFile {
  const [file, more] = parseList(line, NOW);
  if (file === undefined || more !== undefined) throw new Error(`Not one file: ${line}`);
  return file;
}

function time(...parts: [number, number, number, number?, number?]): number {
  const [year, month, day, hour = 0, minute = 0] = parts;
  return Date.UTC(year, month - 1, day, hour, minute) / 1000;
}

describe('parseList()', () => {
  it('reads what ls -l writes', () => {
    expect(
      only('-rw-r--r--   1 alice    staff        1234 Jul 01 10:20 a file.txt\r\n'),
    ).to.deep.equal({
      name: 'a file.txt',
      type: 'file',
      size: 1234,
      modified: time(2026, 7, 1, 10, 20),
      isExact: false,
      permissions: 0o644,
      hardlinks: 1,
      owner: 'alice',
      group: 'staff',
      target: null,
    });
  });

  it('takes a date without a year for the last one that was', () => {
    expect(only('-rw-r--r-- 1 a b 1 Dec 24 18:00 f').modified).to.equal(time(2025, 12, 24, 18));
    // The server's clock may be ahead, by its zone.
    expect(only('-rw-r--r-- 1 a b 1 Jul 16 09:00 f').modified).to.equal(time(2026, 7, 16, 9));
    expect(only('-rw-r--r-- 1 a b 1 Feb 29  2024 f').modified).to.equal(time(2024, 2, 29));
  });

  it('reads folders, links, and bits of all kinds', () => {
    expect(only('drwxrwsr-t+ 2 a b 4096 Jan  1  2020 d')).to.include({
      type: 'directory',
      permissions: 0o3775,
    });
    expect(only('lrwxrwxrwx 1 a b 4 Jan  1  2020 x -> y -> z')).to.include({
      type: 'link',
      name: 'x',
      target: 'y -> z',
    });
    expect(only('-rwSr--r-- 1 a b 4 Jan  1  2020 s')).to.include({ permissions: 0o4644 });
    expect(only('crw-rw-rw- 1 a b 1, 3 Jan  1  2020 null')).to.include({
      type: 'other',
      size: null,
      owner: 'a',
    });
  });

  for (const [line, name, size] of [
    ['-rw-r--r-- 1 alice 12 Jan  1  2020 no group', 'no group', 12],
    ['-rw-r--r-- 12 Jan  1  2020 nobody', 'nobody', 12],
    ['-rw-r--r-- 1 DOMAIN\\al Domain Users 12 Jan  1  2020 x', 'x', 12],
    ['-rw-r--r-- 1 1000 1000 12 1 Jan 2020 day first', 'day first', 12],
    ['-rw-r--r-- 1 a b 12 2020-01-01 10:00 iso', 'iso', 12],
    ['-rw-r--r-- 1 a b 12 Jan  1  2020  blank before', ' blank before', 12],
    ['-rw-r--r-- 1 a b 12 Jan  1  2020 Feb 02 2022 b', 'Feb 02 2022 b', 12],
    ['-rw-r--r-- 1 a b 5368709120 Jan  1  2020 big', 'big', 5368709120],
  ] as const) {
    it(`reads ${JSON.stringify(line)}`, () => {
      expect(only(line)).to.include({ name, size, type: 'file' });
    });
  }

  it('reads what DOS writes', () => {
    expect(only('03-14-24  09:05PM       <DIR>          My Folder')).to.include({
      type: 'directory',
      name: 'My Folder',
      size: null,
      modified: time(2024, 3, 14, 21, 5),
    });
    expect(only('12-31-1999  12:00AM          1,234,567 a b.txt')).to.include({
      type: 'file',
      size: 1_234_567,
      modified: time(1999, 12, 31),
    });
    expect(only('2024-03-14  21:05               12 x')).to.include({
      size: 12,
      modified: time(2024, 3, 14, 21, 5),
    });
    expect(only('03-14-24  09:05AM <SYMLINKD> link [C:\\there]')).to.include({
      type: 'link',
      name: 'link',
      target: 'C:\\there',
    });
  });

  it('leaves out what is no file', () => {
    expect(
      parseList(
        'total 8\r\ndrwxr-xr-x 2 a b 1 Jan 1 2020 .\r\ndrwxr-xr-x 2 a b 1 Jan 1 2020 ..\r\n\r\nwhat?\r\n',
        NOW,
      ),
    ).to.deep.equal([]);
  });

  it('throws at nothing, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.string(),
        (text) => Array.isArray(parseList(text, NOW)) && Array.isArray(parseMLSD(text)),
      ),
    );
  });

  it('takes time in proportion to what comes', () => {
    const line = `-rw-r--r-- 1 a b 1 ${'Jan 1 '.repeat(20_000)}${' '.repeat(50_000)}`;
    expect(parseList(line, NOW)).to.deep.equal([]);
  });
});

describe('parseMLSD()', () => {
  it('is done at once with what could be taken apart in ever so many ways', () => {
    const line = `${'x='.repeat(10_000)};; name`;
    expect(parseMLSD(line)).to.deep.equal([]);
    expect(parseMLSD(`${'x=y=z;'.repeat(10_000)}type=dir name`)[0]?.type).to.equal('directory');
    expect(parseMLSD('type=dir;size name')).to.deep.equal([]);
  });

  it('reads facts, whatever their case', () => {
    expect(
      parseMLSD(
        'Type=file;Size=12;Modify=20240314210500.123;UNIX.mode=0644;unix.owner=0; a; b=c\r\n',
      ),
    ).to.deep.equal([
      {
        name: 'a; b=c',
        type: 'file',
        size: 12,
        modified: time(2024, 3, 14, 21, 5),
        isExact: true,
        permissions: 0o644,
        hardlinks: null,
        owner: '0',
        group: null,
        target: null,
      },
    ]);
  });

  it('leaves out the folder itself and the one above it', () => {
    const text =
      'type=cdir; .\r\ntype=pdir; ..\r\ntype=cdir; /pub\r\ntype=dir; sub\r\ntype=OS.unix=slink:/there; link\r\n';
    expect(parseMLSD(text).map(({ name, type, target }) => [name, type, target])).to.deep.equal([
      ['sub', 'directory', null],
      ['link', 'link', '/there'],
    ]);
  });

  it('says nothing of facts that make no sense', () => {
    expect(parseMLSD('type=file;size=-1;modify=yesterday; x')[0]).to.include({
      size: null,
      modified: null,
    });
  });
});

describe('safeName()', () => {
  for (const name of ['', '.', '..', 'a/b', '/etc/passwd', '../x', 'a\0', 'a\nb']) {
    it(`refuses ${JSON.stringify(name)}`, () => {
      expect(() => safeName(name, 'linux'))
        .to.throw()
        .with.property('code', 'ERR_FTP_UNSAFE_NAME');
    });
  }

  for (const name of ['..\\x', 'C:x', 'file:stream', 'NUL', 'com1.txt', 'dot.', 'blank ']) {
    it(`refuses ${JSON.stringify(name)} on Windows only`, () => {
      expect(() => safeName(name, 'win32'))
        .to.throw()
        .with.property('code', 'ERR_FTP_UNSAFE_NAME');
      expect(safeName(name, 'linux')).to.equal(name);
    });
  }
});

describe('downloadDirectory()', () => {
  /** A client whose server lists what the test says. */
  class Listing extends FTPClient {
    readonly listed: Partial<RemoteFile>[];
    readonly fetched: string[] = [];
    constructor(listed: Partial<RemoteFile>[]) {
      super(null);
      this.listed = listed;
    }
    override files(): Deferred<RemoteFile[]> {
      return succeed(this.listed as RemoteFile[]); // all that is looked at
    }
    override download(path: string): Deferred<number> {
      this.fetched.push(path);
      return succeed(0);
    }
  }

  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'strand-ftp-tree-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  async function codeOf(client: FTPClient, to: string, maxDepth?: number): Promise<unknown> {
    try {
      await client.downloadDirectory('/pub', to, maxDepth === undefined ? {} : { maxDepth });
    } catch (error) {
      return (error as { code?: unknown }).code;
    }
    return undefined;
  }

  for (const name of ['../../escaped', '/etc/cron.d/x', '..']) {
    for (const type of ['file', 'directory'] as const) {
      it(`does not follow a ${type} called ${JSON.stringify(name)} out of its folder`, async () => {
        const client = new Listing([{ name, type }]);
        expect(await codeOf(client, folder)).to.equal('ERR_FTP_UNSAFE_NAME');
        expect(client.fetched).to.deep.equal([]);
        expect(readdirSync(folder)).to.deep.equal([]);
      });
    }
  }

  it('does not write through a link that is there already', async () => {
    writeFileSync(join(folder, 'outside'), 'safe');
    symlinkSync(join(folder, 'outside'), join(folder, 'file'));
    const client = new Listing([{ name: 'file', type: 'file' }]);
    expect(await codeOf(client, folder)).to.equal('ERR_FTP_UNSAFE_NAME');
    expect(client.fetched).to.deep.equal([]);
  });

  it('does not go down without end', async () => {
    const client = new Listing([{ name: 'again', type: 'directory' }]);
    expect(await codeOf(client, folder, 5)).to.equal('ERR_FTP_UNSAFE_NAME');
  });

  it('leaves out links', async () => {
    const client = new Listing([
      { name: 'link', type: 'link' },
      { name: 'file', type: 'file' },
    ]);
    expect(await codeOf(client, folder)).to.equal(undefined);
    expect(client.fetched).to.deep.equal(['/pub/file']);
  });
});
