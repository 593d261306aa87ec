/** Files, as curl and wget get them. */
import { execFile, spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import {
  EncodingResourceWrapper,
  File,
  parseForm,
  type Request,
  type RequestBody,
  Resource,
} from '../../../../src/protocols/http/index.ts';
import { Serving } from '../serving.ts';

const run = promisify(execFile);
const CONTENT = Buffer.alloc(300_000, 'All work and no play makes Jack a dull boy.\n');

class Upload extends Resource {
  override isLeaf = true;
  override streamsBody = true;

  override async render_POST(request: Request<RequestBody>): Promise<string> {
    const form = await parseForm(request);
    const file = form.file('file');
    const bytes = (await file?.read()) ?? Buffer.alloc(0);
    return `${form.get('name')} ${file?.filename} ${file?.type} ${bytes.equals(CONTENT)}`;
  }
}

function without(program: string): boolean {
  if (spawnSync(program, ['--version']).status === 0) return false;
  if (process.env['CI'] === 'true') throw new Error(`Install ${program}`);
  return true;
}

describe('Files and real clients', () => {
  let base: string;
  let serving: Serving;

  before(() => {
    base = mkdtempSync(join(tmpdir(), 'strand-clients-'));
    mkdirSync(join(base, 'root', 'sub'), { recursive: true });
    mkdirSync(join(base, 'to'));
    for (const name of ['text.txt', 'sub/a b.txt', 'sub/ü#?.txt']) {
      writeFileSync(join(base, 'root', name), CONTENT);
      utimesSync(join(base, 'root', name), 1_700_000_000, 1_700_000_000);
    }
    const root = new File(join(base, 'root'), { listing: true });
    root.putChild('upload', new Upload());
    serving = new Serving(new EncodingResourceWrapper(root));
  });

  after(async () => {
    await serving.close();
    rmSync(base, { recursive: true, force: true });
  });

  function to(name: string): string {
    return join(base, 'to', name);
  }

  function isWhole(path: string): boolean {
    return readFileSync(path).equals(CONTENT);
  }

  describe('curl', () => {
    before(function () {
      if (without('curl')) this.skip();
    });

    async function curl(...args: string[]): Promise<string> {
      return (await run('curl', ['-s', '-S', '--max-time', '10', ...args])).stdout;
    }

    it('gets a file, plain and compressed', async () => {
      await curl('-o', to('c1'), `${serving.url}/text.txt`);
      expect(isWhole(to('c1'))).to.equal(true);
      const size = await curl(
        ...['--compressed', '-o', to('c2'), '-w', '%{size_download}'],
        `${serving.url}/text.txt`,
      );
      expect(isWhole(to('c2'))).to.equal(true);
      expect(Number(size)).to.be.below(30_000);
    });

    it('gets a range, several, and the rest of what it has', async () => {
      expect(await curl('-r', '4-7', `${serving.url}/text.txt`)).to.equal('work');
      const several = await curl('-r', '0-2,-5', `${serving.url}/text.txt`);
      expect(several).to.include(`bytes 0-2/${CONTENT.length}\r\n\r\nAll\r\n--`);
      writeFileSync(to('c3'), CONTENT.subarray(0, 100_001));
      await curl('-C', '-', '-o', to('c3'), `${serving.url}/text.txt`);
      expect(isWhole(to('c3'))).to.equal(true);
    });

    it('does not get again what it has, by tag and by date', async () => {
      const url = `${serving.url}/text.txt`;
      await curl('--etag-save', to('tag'), '-o', to('c4'), url);
      const code = ['-w', '%{http_code}', '-o', to('c5')];
      expect(await curl('--etag-compare', to('tag'), ...code, url)).to.equal('304');
      expect(await curl('-z', 'Tue, 14 Nov 2023 22:13:20 GMT', ...code, url)).to.equal('304');
      expect(await curl('-z', 'Tue, 14 Nov 2023 22:13:19 GMT', ...code, url)).to.equal('200');
    });

    it('asks for the head, and goes where a folder is', async () => {
      const head = await curl('-I', `${serving.url}/text.txt`);
      expect(head).to.include('Content-Length: 300000').and.include('Accept-Ranges: bytes');
      expect(await curl('-L', `${serving.url}/sub`)).to.include('./a%20b.txt');
    });

    it('uploads a file in a form', async () => {
      const answer = await curl(
        ...['-F', 'name=Jack', '-F', `file=@${join(base, 'root', 'text.txt')};type=text/plain`],
        `${serving.url}/upload`,
      );
      expect(answer).to.equal('Jack text.txt text/plain true');
    });

    it('cannot get out', async () => {
      for (const path of ['/../x', '/%2e%2e/x', '/sub/..%2f..%2fx']) {
        const code = ['-w', '%{http_code}', '-o', to('c6'), '--path-as-is'];
        expect(await curl(...code, serving.url + path)).to.equal('404');
      }
    });
  });

  describe('wget', () => {
    before(function () {
      if (without('wget')) this.skip();
    });

    async function wget(...args: string[]): Promise<void> {
      await run('wget', ['-q', '-T', '10', '-t', '1', ...args], { cwd: join(base, 'to') });
    }

    it('gets a file, with its date, and the rest of what it has', async () => {
      await wget('-O', 'w1', `${serving.url}/text.txt`);
      expect(isWhole(to('w1'))).to.equal(true);
      writeFileSync(to('text.txt'), CONTENT.subarray(0, 7));
      await wget('-c', `${serving.url}/text.txt`);
      expect(isWhole(to('text.txt'))).to.equal(true);
      expect(statSync(to('text.txt')).mtimeMs).to.equal(1_700_000_000_000);
    });

    it('gets all that a listing leads to', async () => {
      await wget(
        '-r',
        '-np',
        '-nH',
        '--restrict-file-names=nocontrol',
        '-P',
        'mirror',
        `${serving.url}/sub/`,
      );
      expect(isWhole(join(to('mirror'), 'sub', 'a b.txt'))).to.equal(true);
      expect(isWhole(join(to('mirror'), 'sub', 'ü#?.txt'))).to.equal(true);
    });
  });
});
