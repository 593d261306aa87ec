/** The server and a browser: what a page needs, over plain HTTP and under TLS. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { expect } from 'chai';
import { Subject } from 'rxjs';
import { InMemoryUsernamePasswordDatabase, Portal } from '../../../src/protocols/cred/index.ts';
import {
  DigestCredentialFactory,
  EncodingResourceWrapper,
  File,
  HTTPAuthSessionWrapper,
  type HTTPChannel,
  IResource,
  NOT_DONE_YET,
  parseForm,
  type Request,
  type RequestBody,
  Resource,
  ServerSentEvents,
  Site,
} from '../../../src/protocols/http/index.ts';
import { type Address, LibuvReactor, type ListeningPort } from '../../../src/reactor/index.ts';
import { useBrowser } from '../../support/browser.ts';
import { certificates } from '../../support/certificates.ts';
import { leaf } from './serving-memory.ts';

/** A picture of 3 by 2 pixels, all of one colour. */
function picture(): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const body = Buffer.concat([Buffer.from(type), data]);
    const sum = Buffer.alloc(4);
    let crc = -1;
    for (const byte of body) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
    sum.writeUInt32BE(~crc >>> 0);
    return Buffer.concat([length, body, sum]);
  };
  const row = [0, ...[200, 100, 50], ...[200, 100, 50], ...[200, 100, 50]];
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', Buffer.from([0, 0, 0, 3, 0, 0, 0, 2, 8, 2, 0, 0, 0])),
    chunk('IDAT', deflateSync(Buffer.from([...row, ...row]))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

const HEAD = '<!doctype html><meta charset=utf-8><link rel=icon href="data:,">';

const INDEX = `${HEAD}<title>first</title><link rel=stylesheet href=style.css>
<h1>Größe</h1><img id=picture src="picture.png"><script src=script.js></script>`;

const FORM = `${HEAD}<form method=post enctype=multipart/form-data>
<input name=text value="ä &amp; b"><input type=file name=file><input type=submit id=go></form>`;

const EVENTS = `${HEAD}<title>events</title><ul id=list></ul><script>
  const source = new EventSource('/' + location.hash.slice(1));
  const add = (event) => { list.insertAdjacentHTML('beforeend', '<li>' + event.type + ' ' + event.lastEventId + ' ' + event.data); };
  source.onmessage = add;
  source.addEventListener('named', add);
  source.onopen = () => { document.title = 'open'; };
</script>`;

/** Counts connections. */
class CountingSite extends Site {
  made = 0;
  override buildProtocol(address: Address): HTTPChannel | null {
    this.made += 1;
    return super.buildProtocol(address);
  }
}

class Upload extends Resource {
  override isLeaf = true;
  override streamsBody = true;
  readonly folder: string;
  constructor(folder: string) {
    super();
    this.folder = folder;
  }
  override render_GET(): string {
    return FORM;
  }
  override async render_POST(request: Request<RequestBody>): Promise<string> {
    const form = await parseForm(request, { folder: this.folder });
    const file = form.file('file');
    const hash = createHash('sha256').update((await file?.read()) ?? '');
    return `${HEAD}<p id=text>${form.get('text')?.replace('&', '&amp;')}<p id=name>${file?.filename}<p id=hash>${hash.digest('hex')}`;
  }
}

class Visits extends Resource {
  override isLeaf = true;
  override render_GET(request: Request): string {
    const session = request.getSession() as { visits?: number }; // sessions hold whatever is put on them
    session.visits = (session.visits ?? 0) + 1;
    return `${HEAD}<p id=visits>${session.visits}`;
  }
}

for (const scheme of ['http', 'https'] as const) {
  describe(`A browser, by ${scheme},`, function () {
    this.timeout(30_000);
    const browser = useBrowser();
    const folder = mkdtempSync(join(tmpdir(), 'strand-browser-'));
    const reactor = new LibuvReactor();
    const pictureBytes = picture();
    let site: CountingSite;
    let listening: ListeningPort;
    let url: string;
    let observable: Subject<string>;
    let streaming: Request | undefined;
    const seen: (string | null)[] = [];
    const answered: string[] = [];

    before(() => {
      writeFileSync(join(folder, 'index.html'), INDEX);
      writeFileSync(
        join(folder, 'style.css'),
        `h1 { color: rgb(1, 2, 3) }\n${'/* */'.repeat(500)}`,
      );
      writeFileSync(join(folder, 'script.js'), "document.title = 'scripted';\n".repeat(100));
      writeFileSync(join(folder, 'picture.png'), pictureBytes);
      writeFileSync(join(folder, 'upload.bin'), randomBytes(3_000_000));
      observable = new Subject();
      const root = new Resource();
      root.putChild('files', new EncodingResourceWrapper(new File(folder)));
      root.putChild('upload', new Upload(folder));
      root.putChild('visits', new Visits());
      root.putChild(
        'count',
        leaf(() => String(site.made)),
      );
      root.putChild(
        'page',
        leaf(() => EVENTS),
      );
      root.putChild('observable', new ServerSentEvents(() => observable));
      const compressed = new ServerSentEvents(() => observable, { compress: true });
      root.putChild('compressed', new EncodingResourceWrapper(compressed));
      root.putChild(
        'iterable',
        new ServerSentEvents(
          (_request, last) => {
            seen.push(last);
            const from = last === null ? 1 : Number(last) + 1;
            return (async function* () {
              for (let n = from; n < from + 2; n += 1)
                yield { id: String(n), event: 'named', data: `number ${n}\nsecond line` };
            })();
          },
          { retry: 0.01 },
        ),
      );
      root.putChild(
        'streamed',
        new EncodingResourceWrapper(
          leaf((request) => {
            streaming = request;
            request.setHeader('Content-Type', 'text/html');
            request.write(`${HEAD}<p id=one>one</p>`);
            return NOT_DONE_YET;
          }),
        ),
      );
      const portal = new Portal(
        {
          requestAvatar: (who) => [IResource, leaf(() => `${HEAD}<p id=who>${who}`), () => {}],
        },
        [new InMemoryUsernamePasswordDatabase({ alice: 'wonder' })],
      );
      root.putChild(
        'private',
        new HTTPAuthSessionWrapper(portal, [
          new DigestCredentialFactory('SHA-256', 'staff'),
          new DigestCredentialFactory('MD5', 'staff'),
        ]),
      );
      site = new CountingSite(root, {
        reactor,
        accessLog: ({ code, uri }) => answered.push(`${code} ${uri}`),
      });
      site.noisy = false;
      const options = { interface: '127.0.0.1' };
      listening =
        scheme === 'http'
          ? reactor.listenTCP(0, site, options)
          : reactor.listenSSL(0, site, certificates().selfSigned, options);
      const { port } = listening.getHost() as { port: number }; // it listens on TCP
      url = `${scheme}://127.0.0.1:${port}`;
    });

    after(async () => {
      await listening.stopListening();
      await site.drain(0);
      rmSync(folder, { recursive: true });
    });

    it('loads a page from a folder, with its style, script and picture', async () => {
      const { page, complaints } = await browser.open();
      const answers = new Map<string, [number, string | undefined]>();
      page.on('response', (response) => {
        const name = response.url().split('/').at(-1) ?? '';
        answers.set(name, [response.status(), response.headers()['content-encoding']]);
      });
      await page.goto(`${url}/files/`);
      expect(await page.title()).to.equal('scripted');
      expect(await page.evaluate("document.querySelector('h1').textContent")).to.equal('Größe');
      const colour = "getComputedStyle(document.querySelector('h1')).color";
      expect(await page.evaluate(colour)).to.equal('rgb(1, 2, 3)');
      expect(await page.evaluate('picture.naturalWidth * 10 + picture.naturalHeight')).to.equal(32);
      // Browsers want Brotli from those only who cannot be listened in on; they count loopback among them.
      expect(answers.get('style.css')?.[1]).to.be.oneOf(['br', 'zstd', 'gzip']);
      expect(answers.get('picture.png')).to.deep.equal([200, undefined]);
      expect(complaints).to.deep.equal([]);
    });

    it('asks whether its assets have changed, and is told that they have not; and for parts of them', async () => {
      const { page } = await browser.open();
      await page.goto(`${url}/files/`);
      answered.length = 0;
      const text = `(async () => {
        const again = await fetch('/files/picture.png', { cache: 'no-cache' });
        const part = await fetch('/files/picture.png', { cache: 'no-store', headers: { Range: 'bytes=1-3' } });
        return [again.status, (await again.arrayBuffer()).byteLength, part.status, await part.text()].join();
      })()`;
      expect(await page.evaluate(text)).to.equal(`200,${pictureBytes.length},206,PNG`);
      // Nothing is kept of what came under a certificate that it does not trust.
      const code = scheme === 'http' ? 304 : 200;
      expect(answered).to.deep.equal([`${code} /files/picture.png`, '206 /files/picture.png']);
    });

    it('uses its connections again', async () => {
      const { page } = await browser.open();
      await page.goto(`${url}/page`);
      const before = site.made;
      const text = `(async () => {
        for (let n = 0; n < 30; n += 1) await (await fetch('/count', { cache: 'no-store' })).text();
        return 'done';
      })()`;
      expect(await page.evaluate(text)).to.equal('done');
      expect(site.made - before).to.be.at.most(2);
    });

    it('sends a form with a file, which arrives as it is', async () => {
      const { page, complaints } = await browser.open();
      await page.goto(`${url}/upload`);
      await page.setInputFiles('input[type=file]', join(folder, 'upload.bin'));
      await page.click('#go');
      await page.waitForSelector('#hash');
      expect(await page.textContent('#text')).to.equal('ä & b');
      expect(await page.textContent('#name')).to.equal('upload.bin');
      const hash = createHash('sha256').update(readFileSync(join(folder, 'upload.bin')));
      expect(await page.textContent('#hash')).to.equal(hash.digest('hex'));
      expect(complaints).to.deep.equal([]);
    });

    for (const path of ['observable', 'compressed']) {
      it(`shows what an Observable sends while it sends it (${path})`, async () => {
        const { page, complaints } = await browser.open();
        await page.goto(`${url}/page#${path}`);
        await page.waitForFunction("document.title === 'open'");
        observable.next('one');
        await page.waitForFunction("list.textContent === 'message  one'");
        observable.next('zwei ü');
        await page.waitForFunction("list.textContent === 'message  onemessage  zwei ü'");
        expect(observable.observed).to.equal(true);
        await browser.closePages();
        while (observable.observed) await new Promise(setImmediate);
        expect(complaints).to.deep.equal([]);
      });
    }

    it('comes back when an iterable ends, and says what it saw last', async () => {
      const { page } = await browser.open();
      seen.length = 0;
      await page.goto(`${url}/page#iterable`);
      await page.waitForFunction('list.children.length >= 6');
      const lines = "Array.from(list.children).slice(0, 6).map((li) => li.textContent).join('|')";
      expect(await page.evaluate(lines)).to.equal(
        Array.from({ length: 6 }, (_, n) => `named ${n + 1} number ${n + 1}\nsecond line`).join(
          '|',
        ),
      );
      expect(seen.slice(0, 3)).to.deep.equal([null, '2', '4']);
    });

    it('shows a page while the rest of it is still to come, compressed', async () => {
      const { page, complaints } = await browser.open();
      const loaded = page.goto(`${url}/streamed`);
      while (streaming === undefined) await new Promise(setImmediate);
      await page.waitForSelector('#one');
      streaming.write('<p id=two>two</p>');
      await page.waitForSelector('#two');
      streaming.finish();
      expect((await loaded)?.headers()['content-encoding']).to.be.oneOf(['br', 'zstd', 'gzip']);
      streaming = undefined;
      expect(complaints).to.deep.equal([]);
    });

    it('keeps the cookie of its session, which scripts do not see', async () => {
      const { page } = await browser.open();
      const visit = async (): Promise<unknown> => {
        await page.goto(`${url}/visits`);
        return page.evaluate('visits.textContent + document.cookie');
      };
      expect(await visit()).to.equal('1');
      expect(await visit()).to.equal('2');
      const [cookie] = await page.context().cookies();
      expect(cookie).to.include({ httpOnly: true, secure: scheme === 'https', sameSite: 'Lax' });
    });

    it('logs in by Digest', async () => {
      const { page } = await browser.open({ username: 'alice', password: 'wonder' });
      answered.length = 0;
      expect((await page.goto(`${url}/private`))?.status()).to.equal(200);
      expect(answered).to.deep.equal(['401 /private', '200 /private']);
      expect(await page.evaluate('who.textContent')).to.equal('alice');
    });
  });
}
