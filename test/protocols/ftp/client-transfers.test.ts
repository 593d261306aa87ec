/** What else a client does with transfers: breaks them off, converts text, tells how far they are. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import {
  CommandFailed,
  type ConnectFTPOptions,
  connectFTP,
  DataConnectionFailed,
  type FTPClient,
  type FTPProgress,
} from '../../../src/protocols/ftp/index.ts';
import { AccumulatingProtocol, reactor } from '../../../src/reactor/index.ts';
import { FOREIGN_SERVERS, type ForeignServer } from './client-servers.ts';
import { Served, until } from './control.ts';

async function failureOf(work: PromiseLike<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error('Expected a failure');
}

const BIG = 40_000_000;

describe('FTPClient, with transfers', () => {
  let served: Served;
  let client: FTPClient;
  let folder = '';

  async function open(options: ConnectFTPOptions = {}): Promise<FTPClient> {
    const who = { username: 'alice', password: 'wonder', timeout: 10 };
    return await connectFTP('127.0.0.1', { port: served.port, ...who, ...options });
  }

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'strand-ftp-client-'));
    served = new Served({}, { '/big': Buffer.alloc(BIG), '/text': 'one\ntwo\n', '/pub': null });
    client = await open();
  });

  afterEach(async () => {
    client.close();
    await served.stop();
    rmSync(folder, { recursive: true });
  });

  describe('abort()', () => {
    it('breaks off a download, and the client goes on', async () => {
      const stream = new PassThrough();
      const began = new Promise((resolve) => stream.once('readable', resolve));
      const failed = failureOf(client.download('/big', stream));
      await began;
      const answer = await client.abort();
      expect(answer.at(-1)).to.match(/^22[56] /);
      expect(await failed).to.be.instanceOf(CommandFailed);
      expect(await client.size('/big')).to.equal(BIG);
      const text = new AccumulatingProtocol();
      await client.retrieveFile('/text', text);
      expect(text.data.toString()).to.equal('one\ntwo\n');
    });

    it('breaks off an upload, of which the server keeps nothing', async () => {
      const [consumer, done] = client.storeFile('/new');
      const failed = failureOf(done);
      const upload = await consumer;
      upload.write(Buffer.alloc(100_000));
      const answer = await client.abort();
      expect(answer.at(-1)).to.match(/^22[56] /);
      expect(await failed).to.be.instanceOf(CommandFailed);
      expect((await client.names('/')).sort()).to.deep.equal(['big', 'pub', 'text']);
    });

    it('is answered when there is nothing to break off', async () => {
      expect((await client.abort()).at(-1)).to.match(/^225 /);
    });

    it('breaks off what has not begun yet', async () => {
      const open = reactor.openCount;
      const failed = failureOf(client.retrieveFile('/big', new AccumulatingProtocol()));
      const answer = await client.abort();
      expect(answer.at(-1)).to.match(/^22[56] /);
      const error = await failed;
      expect(error instanceof CommandFailed || error instanceof DataConnectionFailed).to.equal(
        true,
      );
      expect(await client.size('/big')).to.equal(BIG);
      await until('nothing is left open', () => reactor.openCount <= open);
    });

    for (const kind of FOREIGN_SERVERS) {
      it(`is understood by ${kind.name}`, async function () {
        this.timeout(20_000);
        if (kind.missing() !== null) {
          if (process.env['CI'] === 'true') throw new Error(`No ${kind.name}: ${kind.missing()}`);
          this.skip();
        }
        const server: ForeignServer = await kind.start(false);
        try {
          writeFileSync(join(server.root, 'big'), Buffer.alloc(BIG));
          const { port, username, password } = server;
          const other = await open({ port, username, password });
          const stream = new PassThrough();
          const began = new Promise((resolve) => stream.once('readable', resolve));
          const failed = failureOf(other.download('big', stream));
          await began;
          expect((await other.abort()).at(-1)).to.match(/^[245]\d\d /);
          await failed;
          expect(await other.size('big')).to.equal(BIG);
          await other.quit();
        } finally {
          await server.stop();
        }
      });
    }
  });

  describe('of text', () => {
    it('ends lines with LF here and with CRLF on the way, both ways, and then sends bytes again', async () => {
      const here = join(folder, 'text');
      expect(await client.download('/text', here, { ascii: true })).to.equal(10);
      expect(readFileSync(here, 'utf8')).to.equal('one\ntwo\n');
      expect(await client.upload(here, '/copy', { ascii: true })).to.equal(10);
      expect(String(served.shell.files.get('/copy'))).to.equal('one\ntwo\n');
      const bytes = randomBytes(100_000);
      await client.upload(bytes, '/bytes');
      expect(served.shell.files.get('/bytes')?.equals(bytes)).to.equal(true);
      await client.upload(Buffer.from('three\n'), '/copy', { ascii: true, append: true });
      expect(String(served.shell.files.get('/copy'))).to.equal('one\ntwo\nthree\n');
    });

    it('is converted wherever it is cut, and a last CR is kept', async () => {
      const pieces = ['a\r', '\nb', '\r', 'c\n', '\n', 'd\r'].map((text) => Buffer.from(text));
      await client.upload(pieces, '/cut', { ascii: true });
      expect(String(served.shell.files.get('/cut'))).to.equal('a\nb\rc\n\nd\r');
      const stream = new PassThrough();
      const whole: Buffer[] = [];
      stream.on('data', (data: Buffer) => whole.push(data));
      await client.download('/cut', stream, { ascii: true });
      expect(Buffer.concat(whole).toString()).to.equal('a\nb\rc\n\nd\r');
    });

    it('cannot be resumed, since lengths are not the same', async () => {
      const ascii = { ascii: true, resume: true };
      const here = join(folder, 'text');
      expect(await failureOf(client.download('/text', here, ascii))).to.be.instanceOf(TypeError);
      expect(await failureOf(client.upload(here, '/text', ascii))).to.be.instanceOf(TypeError);
      const offset = { ascii: true, offset: 2 };
      expect(await failureOf(client.download('/text', here, offset))).to.be.instanceOf(TypeError);
    });
  });

  describe('progress$', () => {
    it('tells of each transfer how it begins, goes on and ends, and completes with the client', async () => {
      const told: FTPProgress[] = [];
      const completed = new Promise<void>((resolve) => {
        client.progress$.subscribe({ next: (progress) => told.push(progress), complete: resolve });
      });
      await client.upload(Buffer.alloc(300_000), '/new');
      await client.files('/pub');
      await failureOf(client.retrieveFile('/nowhere', new AccumulatingProtocol()));
      const stream = new PassThrough().resume();
      await client.download('/big', stream);
      await client.quit();
      await completed;
      const ends = told.filter(({ state }) => state !== 'moving');
      expect(ends).to.deep.equal([
        { state: 'begun', kind: 'upload', path: '/new', bytes: 0 },
        { state: 'done', kind: 'upload', path: '/new', bytes: 300_000 },
        { state: 'begun', kind: 'listing', path: '/pub', bytes: 0 },
        { state: 'done', kind: 'listing', path: '/pub', bytes: 0 },
        { state: 'begun', kind: 'download', path: '/nowhere', bytes: 0 },
        { state: 'failed', kind: 'download', path: '/nowhere', bytes: 0 },
        { state: 'begun', kind: 'download', path: '/big', bytes: 0 },
        { state: 'done', kind: 'download', path: '/big', bytes: BIG },
      ]);
      const steps = told.filter(({ path, state }) => path === '/big' && state === 'moving');
      expect(steps.length).to.be.above(10);
      expect(steps.at(-1)?.bytes).to.equal(BIG);
    });

    it('completes at once for a client that is no more', async () => {
      client.close();
      await new Promise<void>((complete) => client.progress$.subscribe({ complete }));
    });
  });
});
