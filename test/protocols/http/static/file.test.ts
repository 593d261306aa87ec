import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { expect } from 'chai';
import {
  Data,
  File,
  type FileOptions,
  type Request,
  Resource,
  RewriterResource,
} from '../../../../src/protocols/http/index.ts';
import { Serving } from '../serving.ts';

const CHANGED = 1_700_000_000; // Tue, 14 Nov 2023 22:13:20 GMT
const DATE = 'Tue, 14 Nov 2023 22:13:20 GMT';
const LARGE = Buffer.alloc(1_000_003, 'abcdefghijklmnopqrstuvwxyz0123456789');

describe('File', () => {
  let base: string;
  let root: string;
  const open: Serving[] = [];

  function write(name: string, content: string | Buffer, time = CHANGED): void {
    writeFileSync(join(root, name), content);
    utimesSync(join(root, name), time, time);
  }

  before(() => {
    base = mkdtempSync(join(tmpdir(), 'strand-file-'));
    root = join(base, 'root');
    mkdirSync(join(root, 'sub', 'deep'), { recursive: true });
    mkdirSync(join(root, 'listed'));
    mkdirSync(join(root, '.git'));
    mkdirSync(join(root, '.well-known'));
    writeFileSync(join(base, 'secret.txt'), 'secret');
    writeFileSync(join(base, 'root-2.txt'), 'secret');
    write('index.html', '<p>home</p>');
    write('plain.txt', '0123456789');
    write('empty.txt', '');
    write('noext', 'data');
    write('odd.xyzzy', 'data');
    write('late.epub', 'data');
    write('large.bin', LARGE);
    write('sub/index.htm', '<p>sub</p>');
    write('sub/deep/a.txt', 'deep');
    write('listed/<b>&"x".txt', 'x');
    write('listed/a b.txt', 'x'.repeat(2000));
    write('listed/.hidden', 'x');
    write('.git/config', 'secret');
    write('.env', 'secret');
    write('.well-known/security.txt', 'Contact: here');
    write('%2e%2e', 'percent');
    write('tilde~1.txt', 'tilde');
    symlinkSync(join(base, 'secret.txt'), join(root, 'out.txt'));
    symlinkSync(base, join(root, 'outdir'));
    symlinkSync(join(root, 'sub'), join(root, 'inside'));
    symlinkSync('plain.txt', join(root, 'inside.txt'));
    symlinkSync('loop', join(root, 'loop'));
  });

  after(() => rmSync(base, { recursive: true, force: true }));

  afterEach(async () => {
    for (const serving of open.splice(0)) await serving.close();
  });

  function serve(options: FileOptions = {}, path = root): Serving {
    const serving = new Serving(new File(path, options));
    open.push(serving);
    return serving;
  }

  describe('files', () => {
    it('sends a file with its type, length, date and tag', async () => {
      const { status, headers, text } = await serve().ask('/plain.txt');
      expect(status).to.equal(200);
      expect(text).to.equal('0123456789');
      expect(headers['content-type']).to.equal('text/plain; charset=utf-8');
      expect(headers['content-length']).to.equal('10');
      expect(headers['last-modified']).to.equal(DATE);
      expect(headers.etag).to.match(/^"[0-9a-f]+-[0-9a-f]+"$/);
      expect(headers['accept-ranges']).to.equal('bytes');
      expect(headers).to.not.have.property('vary');
      expect(headers).to.not.have.property('cache-control');
    });

    it('sends a large file, and an empty one', async () => {
      const serving = serve();
      expect((await serving.ask('/large.bin')).body.equals(LARGE)).to.equal(true);
      const empty = await serving.ask('/empty.txt');
      expect([empty.status, empty.headers['content-length'], empty.text]).to.deep.equal([
        200,
        '0',
        '',
      ]);
    });

    it('answers HEAD as GET, without the bytes', async () => {
      const serving = serve();
      for (const path of ['/plain.txt', '/large.bin', '/empty.txt', '/']) {
        const get = await serving.ask(path);
        const head = await serving.ask(path, { method: 'HEAD' });
        expect(head.status).to.equal(200);
        expect(head.text).to.equal('');
        delete get.headers.date;
        delete head.headers.date;
        expect(head.headers).to.deep.equal(get.headers);
      }
    });

    it('refuses other methods', async () => {
      const serving = serve();
      for (const method of ['POST', 'PUT', 'DELETE']) {
        const { status, headers } = await serving.ask('/plain.txt', { method });
        expect(status).to.equal(405);
        expect(headers.allow).to.include('GET').and.include('HEAD');
      }
    });

    it('knows uncommon types, and has a harmless one for what nobody knows', async () => {
      const serving = serve({ contentTypes: { '.bin': 'application/x-bin' } });
      const typeOf = async (path: string): Promise<string | undefined> =>
        (await serving.ask(path)).headers['content-type'];
      expect(await typeOf('/late.epub')).to.equal('application/epub+zip');
      expect(await typeOf('/noext')).to.equal('application/octet-stream');
      expect(await typeOf('/odd.xyzzy')).to.equal('application/octet-stream');
      expect(await typeOf('/large.bin')).to.equal('application/x-bin');
    });

    it('says no charset, another default type, and Cache-Control, as options want', async () => {
      const serving = serve({
        charset: null,
        defaultType: 'text/html',
        cacheControl: (path) => (path.endsWith('.txt') ? 'max-age=60' : undefined),
      });
      const text = await serving.ask('/plain.txt');
      expect(text.headers['content-type']).to.equal('text/plain');
      expect(text.headers['cache-control']).to.equal('max-age=60');
      const other = await serving.ask('/noext');
      expect(other.headers['content-type']).to.equal('text/html');
      expect(other.headers).to.not.have.property('cache-control');
    });

    it('does not find what is not there, or is below a file', async () => {
      const serving = serve();
      for (const path of [
        '/nothing',
        '/plain.txt/',
        '/plain.txt/x',
        '/sub/nothing',
        `/${'x'.repeat(300)}`,
        '/long'.repeat(1200),
      ]) {
        expect((await serving.ask(path)).status, path).to.equal(404);
      }
    });

    it('can be one file', async () => {
      const parent = new Resource();
      parent.putChild('one', new File(join(root, 'plain.txt')));
      const serving = new Serving(parent);
      open.push(serving);
      expect((await serving.ask('/one')).text).to.equal('0123456789');
      expect((await serving.ask('/one/')).status).to.equal(404);
    });

    it('has childNotFound, processors, ignored endings and put children', async () => {
      const file = new File(root, {
        processors: { '.xyzzy': (path) => new Data(`made of ${path.slice(-9)}`, 'text/plain') },
      });
      file.ignoreExt('.txt');
      file.childNotFound = new Data('nothing here', 'text/plain');
      file.putChild('put', new Data('was put', 'text/plain'));
      const serving = new Serving(file);
      open.push(serving);
      expect((await serving.ask('/odd.xyzzy')).text).to.equal('made of odd.xyzzy');
      expect((await serving.ask('/plain')).text).to.equal('0123456789');
      expect((await serving.ask('/sub/deep/a')).text).to.equal('deep');
      expect((await serving.ask('/nothing')).text).to.equal('nothing here');
      expect((await serving.ask('/put')).text).to.equal('was put');
    });

    it('refuses endings that are none', () => {
      expect(() => new File(root, { ignoredExts: ['txt'] })).to.throw(TypeError, 'dot');
      expect(() => new File(root, { processors: { '/x': () => new Resource() } })).to.throw(
        TypeError,
      );
      expect(() => new File(root, { contentTypes: { html: 'text/html' } })).to.throw(TypeError);
      expect(() => new File(root).ignoreExt('html')).to.throw(TypeError, 'html');
    });

    it('refuses limits that are none', () => {
      for (const name of ['cacheLength', 'maxRanges', 'maxOverlappingRanges']) {
        for (const value of [-1, Number.NaN, '5']) {
          expect(() => new File(root, { [name]: value }), `${name} ${value}`).to.throw(
            RangeError,
            name,
          );
        }
        new File(root, { [name]: 0 });
        new File(root, { [name]: Number.POSITIVE_INFINITY });
      }
      expect(() => new Data('', 'text/plain', { maxRanges: Number.NaN })).to.throw(RangeError);
    });
  });

  describe('folders', () => {
    it('sends the index', async () => {
      const serving = serve();
      const home = await serving.ask('/');
      expect([home.text, home.headers['content-type']]).to.deep.equal([
        '<p>home</p>',
        'text/html; charset=utf-8',
      ]);
      expect((await serving.ask('/sub/')).text).to.equal('<p>sub</p>');
      expect((await serve({ indexNames: ['plain.txt'] }).ask('/')).text).to.equal('0123456789');
    });

    it('sends who leaves the slash out to where it is not, the query too', async () => {
      const serving = serve();
      const { status, headers } = await serving.ask('/sub?a=b/c');
      expect(status).to.equal(302);
      expect(headers.location).to.equal('/sub/?a=b/c');
    });

    it('never redirects to another host', async () => {
      const serving = serve();
      for (const path of ['//evil.example/..', '//sub', '///sub', '/\\sub']) {
        const { status, headers } = await serving.ask(path);
        if (status === 302) expect(headers.location, path).to.match(/^\/[^/\\]/);
        else expect(status, path).to.be.oneOf([404, 400]);
      }
    });

    it('redirects to a path on this host, wherever the path it was asked for begins', async () => {
      const rule = (request: Request): void => {
        request.postpath = request.postpath.filter((segment) => segment !== '');
      };
      const serving = new Serving(new RewriterResource(new File(root), rule));
      open.push(serving);
      const { status, headers } = await serving.ask('//sub');
      expect([status, headers.location]).to.deep.equal([302, '/sub/']);
    });

    it('forbids folders without an index, unless they are to be listed', async () => {
      expect((await serve().ask('/listed/')).status).to.equal(403);
      expect((await serve().ask('/listed/')).text).to.not.include('a b');
    });

    it('lists with names escaped in text and links, and no hidden ones', async () => {
      const { status, headers, text } = await serve({ listing: true }).ask('/listed/');
      expect(status).to.equal(200);
      expect(headers['content-type']).to.equal('text/html; charset=utf-8');
      expect(headers['content-security-policy']).to.include("default-src 'none'");
      expect(text).to.include('&lt;b&gt;&amp;&quot;x&quot;.txt</a>');
      expect(text).to.include('href="./%3Cb%3E%26%22x%22.txt"');
      expect(text).to.not.include('<b>');
      expect(text).to.include('href="./a%20b.txt">a b.txt</a></td><td class="size">2.0 K</td>');
      expect(text).to.include(DATE);
      expect(text).to.not.include('hidden');
      expect(text).to.include('href="../"');
    });

    it('lists folders first, no links unless they are followed, and as many as it may', async () => {
      const listed = async (options: FileOptions): Promise<string[]> => {
        const { text } = await serve({ indexNames: [], ...options }).ask('/');
        return [...text.matchAll(/href="\.\/([^"]*)"/g)].map((match) => match[1] ?? '');
      };
      const names = await listed({ listing: true });
      expect(names.slice(0, 3)).to.deep.equal(['.well-known/', 'listed/', 'sub/']);
      expect(names).to.not.include('out.txt');
      expect(await listed({ listing: true, followSymlinks: true })).to.include('out.txt');
      expect(await listed({ listing: { hidden: true } })).to.include('.env');
      expect(await listed({ listing: { maxEntries: 2 } })).to.have.length(2);
    });

    it('does not list what cannot be asked for', async function () {
      if (process.platform === 'win32') this.skip();
      write('listed/back\\slash.txt', 'x');
      const { text } = await serve({ listing: true }).ask('/listed/');
      expect(text).to.not.include('slash.txt');
    });

    it('escapes the path in the title', async () => {
      mkdirSync(join(root, '<script>'));
      const { text } = await serve({ listing: true }).ask('/%3Cscript%3E/');
      expect(text).to.include('<h1>/&lt;script&gt;/</h1>').and.not.include('<script>');
    });
  });

  describe('the way out', () => {
    const attempts = [
      '/../secret.txt',
      '/sub/../../secret.txt',
      '/%2e%2e/secret.txt',
      '/%2E%2E/secret.txt',
      '/.%2e/secret.txt',
      '/..%2fsecret.txt',
      '/..%2Fsecret.txt',
      '/%2e%2e%2fsecret.txt',
      '/..%5csecret.txt',
      '/sub%2f..%2f..%2fsecret.txt',
      '/%252e%252e/secret.txt',
      '/%252e%252e%252fsecret.txt',
      '/..%c0%afsecret.txt',
      '/%c0%ae%c0%ae/secret.txt',
      '/..%00/secret.txt',
      '/plain.txt%00.html',
      '/..;/secret.txt',
      '/.../secret.txt',
      '//secret.txt',
      '/sub//deep/a.txt',
      '/-2.txt',
      '/./plain.txt',
      '/%2e/plain.txt',
      '/plain.txt%2f',
      '/%2fetc%2fpasswd',
      '//etc/passwd',
      '/sub/%2e%2e%2f%2e%2e%2fsecret.txt',
      '/plain.txt%0a',
      '/..%ef%bc%8fsecret.txt',
    ];
    for (const path of attempts) {
      it(`is not ${path}`, async () => {
        for (const options of [{}, { followSymlinks: true, hidden: true }] as FileOptions[]) {
          const { status, text } = await serve(options).ask(path);
          expect(status).to.be.oneOf([404, 400]);
          expect(text).to.not.include('secret').and.not.include('root:');
        }
      });
    }

    it('is not an absolute target, nor one with dots', async () => {
      const serving = serve();
      for (const target of ['http://x/../secret.txt', '/..\\secret.txt', 'file:///etc/passwd']) {
        const answer = await serving.raw(
          `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
        );
        expect(answer, target).to.match(/^HTTP\/1\.1 40[04] /);
        expect(answer).to.not.include('secret\n');
      }
    });

    it('decodes once: a name with percent signs is a name', async () => {
      expect((await serve().ask('/%252e%252e')).text).to.equal('percent');
    });

    it('does not follow symbolic links', async () => {
      const serving = serve();
      for (const path of [
        '/out.txt',
        '/outdir/secret.txt',
        '/outdir/',
        '/inside.txt',
        '/inside/deep/a.txt',
        '/loop',
      ]) {
        expect((await serving.ask(path)).status, path).to.equal(404);
      }
    });

    it('closes what it opened over one and does not send', async function () {
      if (process.platform !== 'linux') this.skip();
      const serving = serve();
      const open = (): number => readdirSync('/proc/self/fd').length;
      expect((await serving.ask('/outdir/secret.txt')).status).to.equal(404);
      await new Promise(setImmediate);
      const before = open();
      for (let times = 0; times < 20; times += 1) await serving.ask('/outdir/secret.txt');
      // Another thread closes them.
      for (let turn = 0; turn < 5000 && open() > before + 5; turn += 1) {
        await new Promise(setImmediate);
      }
      expect(open()).to.be.at.most(before + 5);
    });

    it("follows them to what is below the root with 'inside'", async () => {
      const serving = serve({ followSymlinks: 'inside' });
      expect((await serving.ask('/inside.txt')).text).to.equal('0123456789');
      expect((await serving.ask('/inside/deep/a.txt')).text).to.equal('deep');
      for (const path of ['/out.txt', '/outdir/secret.txt', '/outdir/root-2.txt', '/loop']) {
        expect((await serving.ask(path)).status, path).to.equal(404);
      }
    });

    it('follows all of them with true', async () => {
      const serving = serve({ followSymlinks: true });
      expect((await serving.ask('/out.txt')).text).to.equal('secret');
      expect((await serving.ask('/outdir/secret.txt')).text).to.equal('secret');
      expect((await serving.ask('/loop')).status).to.equal(404);
    });

    it('may have a root that is a link, and that is set to another folder', async () => {
      const link = join(base, 'current');
      mkdirSync(join(base, 'two'));
      writeFileSync(join(base, 'two', 'plain.txt'), 'second');
      symlinkSync(root, link);
      const serving = serve({}, link);
      expect((await serving.ask('/plain.txt')).text).to.equal('0123456789');
      symlinkSync(join(base, 'two'), join(base, 'next'));
      renameSync(join(base, 'next'), link);
      expect((await serving.ask('/plain.txt')).text).to.equal('second');
      expect((await serving.ask('/out.txt')).status).to.equal(404);
    });

    it('has no hidden files but .well-known, unless told to', async () => {
      const serving = serve();
      for (const path of ['/.env', '/.git/config', '/%2egit/config', '/.git/']) {
        expect((await serving.ask(path)).status, path).to.equal(404);
      }
      expect((await serving.ask('/.well-known/security.txt')).text).to.equal('Contact: here');
      expect((await serve({ hidden: true }).ask('/.env')).text).to.equal('secret');
    });
  });

  describe('conditions', () => {
    it('says 304 to who has it, with the tag and without a body', async () => {
      const serving = serve({ cacheControl: 'max-age=5' });
      const { headers } = await serving.ask('/plain.txt');
      const etag = headers.etag ?? '';
      for (const condition of [
        { 'If-None-Match': etag },
        { 'If-None-Match': `W/${etag}` },
        { 'If-None-Match': ['"other"', etag] },
        { 'If-None-Match': '*' },
        { 'If-Modified-Since': DATE },
        { 'If-None-Match': etag, 'If-Modified-Since': 'Mon, 13 Nov 2023 22:13:20 GMT' },
      ]) {
        const answer = await serving.ask('/plain.txt', { headers: condition });
        expect(answer.status, JSON.stringify(condition)).to.equal(304);
        expect(answer.text).to.equal('');
        expect(answer.headers.etag).to.equal(etag);
        expect(answer.headers['cache-control']).to.equal('max-age=5');
        expect(answer.headers).to.not.have.property('content-type');
      }
    });

    it('says 412 when it is not what the client took it for', async () => {
      const serving = serve();
      for (const headers of [
        { 'If-Match': '"other"' },
        { 'If-Unmodified-Since': 'Mon, 13 Nov 2023 22:13:20 GMT' },
      ]) {
        const answer = await serving.ask('/plain.txt', { headers });
        expect([answer.status, answer.text]).to.deep.equal([412, '']);
      }
    });

    it('has a new tag when the file has changed', async () => {
      const serving = serve();
      write('changing.txt', 'one');
      const before = (await serving.ask('/changing.txt')).headers.etag ?? '';
      write('changing.txt', 'two', CHANGED + 1);
      const after = await serving.ask('/changing.txt', { headers: { 'If-None-Match': before } });
      expect([after.status, after.text]).to.deep.equal([200, 'two']);
    });

    it('does not say that it changed in the future', async () => {
      write('future.txt', 'x', 4_000_000_000);
      const { headers } = await serve().ask('/future.txt');
      expect(Date.parse(headers['last-modified'] ?? '')).to.be.at.most(
        Date.parse(headers.date ?? ''),
      );
    });

    it('has weak tags, or none, as the option wants', async () => {
      expect((await serve({ etag: 'weak' }).ask('/plain.txt')).headers.etag).to.match(/^W\/"/);
      expect((await serve({ etag: false }).ask('/plain.txt')).headers).to.not.have.property('etag');
    });
  });

  describe('ranges', () => {
    it('sends one', async () => {
      const serving = serve();
      for (const [range, expected, text] of [
        ['bytes=2-4', 'bytes 2-4/10', '234'],
        ['bytes=-3', 'bytes 7-9/10', '789'],
        ['bytes=5-', 'bytes 5-9/10', '56789'],
        ['bytes=0-0,100-', 'bytes 0-0/10', '0'],
      ] as const) {
        const answer = await serving.ask('/plain.txt', { headers: { Range: range } });
        expect(answer.status).to.equal(206);
        expect(answer.text).to.equal(text);
        expect(answer.headers['content-range']).to.equal(expected);
        expect(answer.headers['content-length']).to.equal(String(text.length));
        expect(answer.headers['content-type']).to.equal('text/plain; charset=utf-8');
      }
    });

    it('sends one of a large file', async () => {
      const serving = serve();
      const headers = { Range: 'bytes=500000-899999' };
      const answer = await serving.ask('/large.bin', { headers });
      expect(answer.status).to.equal(206);
      expect(answer.body.equals(LARGE.subarray(500_000, 900_000))).to.equal(true);
    });

    for (const [path, whole, spec] of [
      [
        '/plain.txt',
        Buffer.from('0123456789'),
        [
          [0, 1],
          [5, 6],
          [9, 9],
        ],
      ],
      [
        '/large.bin',
        LARGE,
        [
          [0, 9],
          [300_000, 599_999],
          [1_000_000, 1_000_002],
        ],
      ],
    ] as [string, Buffer, [number, number][]][]) {
      it(`sends several as multipart/byteranges: ${path}`, async () => {
        const headers = { Range: `bytes=${spec.map(([a, b]) => `${a}-${b}`).join(', ')}` };
        const answer = await serve().ask(path, { headers });
        expect(answer.status).to.equal(206);
        expect(answer.headers).to.not.have.property('content-range');
        expect(answer.headers['content-length']).to.equal(String(answer.body.length));
        const match = /^multipart\/byteranges; boundary="([^"]+)"$/.exec(
          answer.headers['content-type'] ?? '',
        );
        const parts = answer.body.toString('latin1').split(`\r\n--${match?.[1]}`);
        expect(parts.shift()).to.equal('');
        expect(parts.pop()).to.equal('--\r\n');
        expect(parts).to.have.length(spec.length);
        for (const [at, part] of parts.entries()) {
          const [first, last] = spec[at] ?? [0, 0];
          const [head = '', ...rest] = part.split('\r\n\r\n');
          expect(head).to.include(`Content-Range: bytes ${first}-${last}/${whole.length}`);
          expect(head).to.match(/Content-Type: (text\/plain|application\/octet-stream)/);
          expect(rest.join('\r\n\r\n')).to.equal(whole.toString('latin1', first, last + 1));
        }
      });
    }

    it('says 416 and the size to who asks beyond the end', async () => {
      const answer = await serve().ask('/plain.txt', { headers: { Range: 'bytes=10-' } });
      expect(answer.status).to.equal(416);
      expect(answer.headers['content-range']).to.equal('bytes */10');
      expect(answer.text).to.equal('');
    });

    it('ignores what is no range, other methods, and bombs', async () => {
      const serving = serve();
      const bomb = `bytes=${Array.from({ length: 1000 }, (_, at) => `${at}-`).join(',')}`;
      for (const range of ['bytes=4-2', 'lines=1-2', 'bytes=x', bomb, 'bytes=0-,0-,0-']) {
        const answer = await serving.ask('/plain.txt', { headers: { Range: range } });
        expect([answer.status, answer.text]).to.deep.equal([200, '0123456789']);
      }
      const head = await serving.ask('/plain.txt', {
        method: 'HEAD',
        headers: { Range: 'bytes=0-1' },
      });
      expect([head.status, head.headers['content-length']]).to.deep.equal([200, '10']);
    });

    it('goes by If-Range', async () => {
      const serving = serve();
      const etag = (await serving.ask('/plain.txt')).headers.etag ?? '';
      const ask = async (ifRange: string): Promise<number> =>
        (await serving.ask('/plain.txt', { headers: { Range: 'bytes=0-1', 'If-Range': ifRange } }))
          .status;
      expect(await ask(etag)).to.equal(206);
      expect(await ask(DATE)).to.equal(206);
      expect(await ask(`W/${etag}`)).to.equal(200);
      expect(await ask('"other"')).to.equal(200);
      expect(await ask('Tue, 14 Nov 2023 22:13:21 GMT')).to.equal(200);
    });

    it('judges conditions before ranges', async () => {
      const serving = serve();
      const etag = (await serving.ask('/plain.txt')).headers.etag ?? '';
      const headers = { Range: 'bytes=100-', 'If-None-Match': etag };
      expect((await serving.ask('/plain.txt', { headers })).status).to.equal(304);
    });
  });

  describe('files that are kept', () => {
    function serveLater(options: FileOptions = {}): Serving {
      // A while after the files were written, so that they are kept.
      const wallTime = (): number => Date.now() / 1000 + 10;
      const serving = new Serving(new File(root, options), { wallTime });
      open.push(serving);
      return serving;
    }

    it('are answered as if they were read', async () => {
      const asked: [string, Record<string, string>][] = [
        ['/plain.txt', {}],
        ['/plain.txt', { Range: 'bytes=1-2' }],
        ['/plain.txt', { Range: 'bytes=1-2,4-5' }],
        ['/plain.txt', { 'If-Modified-Since': DATE }],
        ['/large.bin', {}],
        ['/large.bin', { Range: 'bytes=5-900000' }],
        ['/large.bin', { Range: 'bytes=5-6,300000-600000,-1' }],
        ['/plain.txt/', {}],
        ['/', {}],
        ['/sub/', {}],
      ];
      const kept = serveLater();
      const read = serve({ cacheLength: 0 });
      for (const [path, headers] of asked) {
        for (const method of ['GET', 'HEAD', 'GET', 'GET']) {
          const answers = [];
          for (const serving of [read, kept]) {
            const answer = await serving.ask(path, { headers, method });
            delete answer.headers.date;
            // The boundary of several parts is another one each time.
            const type = answer.headers['content-type'];
            const boundary = /boundary="([^"]*)"/.exec(type ?? '')?.[1] ?? '-';
            answer.headers['content-type'] = type?.replace(boundary, 'B') ?? '';
            const { status, headers: fields, body } = answer;
            const content = body.toString('latin1').replaceAll(boundary, 'B');
            const hash = createHash('sha1').update(content).digest('hex');
            answers.push([status, fields, content.length, hash]);
          }
          expect(answers[1], path).to.deep.equal(answers[0]);
        }
      }
    });

    it('are read again when they have changed, and not found when they are gone', async () => {
      const serving = serveLater();
      write('kept.txt', 'one');
      for (let times = 0; times < 3; times += 1) {
        expect((await serving.ask('/kept.txt')).text).to.equal('one');
      }
      // Of the same length and date: only the time of the change tells, whose clock may be coarse.
      const changed = (): number => statSync(join(root, 'kept.txt')).ctimeMs;
      const before = changed();
      while (changed() === before) write('kept.txt', 'two');
      expect((await serving.ask('/kept.txt')).text).to.equal('two');
      rmSync(join(root, 'kept.txt'));
      expect((await serving.ask('/kept.txt')).status).to.equal(404);
      symlinkSync(join(base, 'secret.txt'), join(root, 'kept.txt'));
      expect((await serving.ask('/kept.txt')).status).to.equal(404);
      rmSync(join(root, 'kept.txt'));
    });
  });

  describe('precompressed files', () => {
    before(() => {
      write('app.js', 'let a = 1;');
      write('app.js.gz', gzipSync('let a = 1;'));
      write('app.js.br', brotliCompressSync('let a = 1;'), CHANGED + 1);
      write('old.css', 'a{}');
      write('old.css.gz', gzipSync('old'), CHANGED - 10);
    });

    it('are sent to clients that take them', async () => {
      const serving = serve({ precompressed: true });
      const ask = (coding: string) =>
        serving.ask('/app.js', { headers: coding === '' ? {} : { 'Accept-Encoding': coding } });
      const plain = await ask('');
      const gzip = await ask('gzip');
      const br = await ask('gzip, br');
      const zstd = await ask('zstd, gzip;q=0.1');
      expect(plain.headers).to.not.have.property('content-encoding');
      expect(gzip.headers['content-encoding']).to.equal('gzip');
      expect(gzip.body.equals(gzipSync('let a = 1;'))).to.equal(true);
      expect(br.headers['content-encoding']).to.equal('br');
      expect(zstd.headers['content-encoding']).to.equal('gzip');
      for (const { headers } of [plain, gzip, br, zstd]) {
        expect(headers.vary).to.equal('Accept-Encoding');
        expect(headers['content-type']).to.equal('text/javascript; charset=utf-8');
      }
      expect(new Set([plain, gzip, br].map(({ headers }) => headers.etag)).size).to.equal(3);
    });

    it('have ranges of their own bytes', async () => {
      const gzip = gzipSync('let a = 1;');
      const headers = { 'Accept-Encoding': 'gzip', Range: 'bytes=0-9' };
      const answer = await serve({ precompressed: true }).ask('/app.js', { headers });
      expect(answer.status).to.equal(206);
      expect(answer.headers['content-encoding']).to.equal('gzip');
      expect(answer.headers['content-range']).to.equal(`bytes 0-9/${gzip.length}`);
      expect(answer.body.equals(gzip.subarray(0, 10))).to.equal(true);
    });

    it('are not sent when they are older, and not without the option', async () => {
      const headers = { 'Accept-Encoding': 'gzip' };
      const old = await serve({ precompressed: true }).ask('/old.css', { headers });
      expect(old.text).to.equal('a{}');
      expect(old.headers).to.not.have.property('content-encoding');
      expect((await serve().ask('/app.js', { headers })).text).to.equal('let a = 1;');
    });
  });
});
