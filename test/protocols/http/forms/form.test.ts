import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { setUnhandledFailureHandler } from '../../../../src/deferred/index.ts';
import { TemporaryFile } from '../../../../src/protocols/http/forms/upload.ts';
import {
  type Form,
  type FormOptions,
  HTTPError,
  parseForm,
  type Request,
  type RequestBody,
  Resource,
  type UploadSink,
} from '../../../../src/protocols/http/index.ts';
import { type Answer, Serving } from '../serving.ts';

const BOUNDARY = 'x-x-x';
const TYPE = `multipart/form-data; boundary=${BOUNDARY}`;

function part(disposition: string, content: string | Buffer, type?: string): Buffer {
  const typeLine = type === undefined ? '' : `Content-Type: ${type}\r\n`;
  return Buffer.concat([
    Buffer.from(
      `--${BOUNDARY}\r\nContent-Disposition: form-data; ${disposition}\r\n${typeLine}\r\n`,
    ),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ]);
}

function body(...parts: Buffer[]): Buffer {
  return Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

/** Reads a form and says what was in it. */
class Taking extends Resource {
  override isLeaf = true;
  options: FormOptions;
  last: Form | undefined;
  error: unknown;
  settled: Promise<void> | undefined;
  onForm: ((form: Form) => Promise<void>) | undefined;

  constructor(streams: boolean, options: FormOptions) {
    super();
    this.streamsBody = streams;
    this.options = options;
  }

  override render_POST(request: Request | Request<RequestBody>): Promise<string> {
    const answer = this.#take(request);
    this.settled = answer.then(
      () => {},
      (error) => {
        this.error = error;
      },
    );
    return answer;
  }

  async #take(request: Request | Request<RequestBody>): Promise<string> {
    const form = await parseForm(request, this.options);
    this.last = form;
    const files = [];
    for (const file of form.files) {
      const text = file.path === null ? null : (await file.read()).toString('latin1').slice(0, 100);
      files.push([file.name, file.filename, file.type, file.length, text]);
    }
    await this.onForm?.(form);
    return JSON.stringify({ fields: [...form.fields], files });
  }
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((done) => setImmediate(done));
}

describe('parseForm()', () => {
  let folder: string;
  const open: Serving[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'strand-form-'));
  });

  afterEach(async () => {
    for (const serving of open.splice(0)) await serving.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function serve(streams = true, options: FormOptions = {}): { taking: Taking; serving: Serving } {
    const taking = new Taking(streams, { folder, ...options });
    const serving = new Serving(taking, { maxContentLength: 10_000_000 });
    open.push(serving);
    return { taking, serving };
  }

  function post(serving: Serving, content: Buffer | string, type = TYPE): Promise<Answer> {
    return serving.ask('/', { method: 'POST', headers: { 'Content-Type': type }, body: content });
  }

  for (const streams of [true, false]) {
    describe(streams ? 'from a body as it comes' : 'from a body in memory', () => {
      it('reads fields and files', async () => {
        const { serving } = serve(streams);
        const { status, text } = await post(
          serving,
          body(
            part('name="a"', 'one'),
            part('name="file"; filename="x.txt"', 'content\r\nof x', 'text/plain'),
            part('name="a"', 'zwei é'),
            part('name="empty"; filename=""', '', 'application/octet-stream'),
          ),
        );
        expect(status).to.equal(200);
        expect(JSON.parse(text)).to.deep.equal({
          fields: [['a', ['one', 'zwei é']]],
          files: [
            ['file', 'x.txt', 'text/plain', 13, 'content\r\nof x'],
            ['empty', '', 'application/octet-stream', 0, ''],
          ],
        });
      });

      it('reads urlencoded forms', async () => {
        const { serving } = serve(streams);
        const answer = await post(
          serving,
          'a=1&b=x+y',
          'Application/X-WWW-Form-Urlencoded; charset=utf-8',
        );
        expect(JSON.parse(answer.text)).to.deep.equal({
          fields: [
            ['a', ['1']],
            ['b', ['x y']],
          ],
          files: [],
        });
      });

      it('says 413 beyond a limit, and leaves no file behind', async () => {
        const file = part('name="f"; filename="f"', Buffer.alloc(100_000), 'image/png');
        const cases: [FormOptions, Buffer | string, string?][] = [
          [{ maxFileLength: 99_999 }, body(file)],
          [{ maxFiles: 1 }, body(file, file)],
          [{ maxFiles: 0 }, body(file)],
          [{ maxFields: 1 }, body(file, part('name="a"', '1'), part('name="b"', '2'))],
          [{ maxValueLength: 2 }, body(file, part('name="a"', 'x'.repeat(300_000)))],
          [{ maxNameLength: 2 }, body(file, part('name="abc"', '1'))],
          [
            { maxFieldsLength: 9 },
            body(file, part('name="a"', '12345'), part('name="b"', '12345')),
          ],
          [{ maxLength: 100_100 }, body(file)],
          [{ maxFieldsLength: 9 }, 'a=1234567890', 'application/x-www-form-urlencoded'],
          [{ maxFields: 1 }, 'a=1&b=2', 'application/x-www-form-urlencoded'],
        ];
        for (const [options, content, type] of cases) {
          const { serving } = serve(streams, options);
          const { status } = await post(serving, content, type);
          expect(status, JSON.stringify(options)).to.equal(413);
          expect(readdirSync(folder), JSON.stringify(options)).to.deep.equal([]);
        }
      });

      it('lets forms just within the limits pass', async () => {
        const content = body(
          part('name="ab"', '12'),
          part('name="f"; filename="f"', Buffer.alloc(10), 'image/png'),
        );
        const { serving } = serve(streams, {
          maxFields: 1,
          maxFiles: 1,
          maxFileLength: 10,
          maxNameLength: 2,
          maxValueLength: 2,
          maxFieldsLength: 4,
          maxLength: content.length,
        });
        expect((await post(serving, content)).status).to.equal(200);
      });

      it('says 400 to broken forms, and leaves no file behind', async () => {
        const file = part('name="f"; filename="f"', 'x'.repeat(1000), 'image/png');
        const whole = body(file);
        const cases: [Buffer, string][] = [
          [whole.subarray(0, whole.length - 10), TYPE],
          [whole.subarray(0, 300), TYPE],
          [whole.subarray(0, 20), TYPE],
          [Buffer.from('nothing of the kind'), TYPE],
          [whole, 'multipart/form-data'],
          [whole, 'multipart/form-data; boundary='],
          [whole, `multipart/form-data; boundary=${'x'.repeat(71)}`],
          [body(part('filename="f"', 'x', 'image/png')), TYPE],
          [body(part('x="y"', 'x')), TYPE],
        ];
        for (const [at, [content, type]] of cases.entries()) {
          const { serving } = serve(streams);
          expect((await post(serving, content, type)).status, `case ${at}`).to.equal(400);
          expect(readdirSync(folder)).to.deep.equal([]);
        }
      });

      it('says 415 to what is no form', async () => {
        const { serving } = serve(streams);
        for (const type of ['application/json', 'multipart/mixed; boundary=x', '']) {
          expect((await post(serving, '{}', type)).status).to.equal(415);
        }
      });
    });
  }

  it('takes folders from the names of files', async () => {
    const { serving } = serve();
    const { text } = await post(
      serving,
      body(
        part('name="a"; filename="../../etc/passwd"', 'x', 'text/plain'),
        part('name="b"; filename="C:\\\\dir\\\\x.txt"', 'x', 'text/plain'),
      ),
    );
    const names = JSON.parse(text).files.map((file: unknown[]) => file[1]);
    expect(names).to.deep.equal(['passwd', 'x.txt']);
  });

  it('keeps files private, and removes them when the request is answered', async () => {
    const { serving, taking } = serve();
    let seen = 0;
    taking.onForm = async (form) => {
      const path = form.file('f')?.path ?? '';
      expect(path.startsWith(folder)).to.equal(true);
      expect(statSync(path).mode & 0o777).to.equal(0o600);
      seen += 1;
    };
    const { status } = await post(serving, body(part('name="f"; filename="f"', 'x', 'a/b')));
    expect([status, seen]).to.deep.equal([200, 1]);
    await until(() => readdirSync(folder).length === 0);
    expect(taking.last?.file('f')?.path).to.equal(null);
  });

  it('removes files that were complete when another one fails', async () => {
    const { serving } = serve(true, {
      onFile: async ({ name }) => {
        if (name === 'first') return null;
        const path = (): string => join(folder, readdirSync(folder)[0] ?? '');
        await until(() => path() !== folder && statSync(path()).size === 5);
        for (let turns = 0; turns < 20; turns += 1) await new Promise((done) => setImmediate(done));
        throw new HTTPError(422);
      },
    });
    const { status } = await post(
      serving,
      body(
        part('name="first"; filename="f"', '12345', 'a/b'),
        part('name="second"; filename="f"', '12345', 'a/b'),
      ),
    );
    expect(status).to.equal(422);
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('removes the file when the disk fails, and tells the client no more than that it failed', async () => {
    const { write } = TemporaryFile.prototype;
    let written = 0;
    TemporaryFile.prototype.write = async function (chunk) {
      written += chunk.length;
      if (written <= 100_000) return write.call(this, chunk);
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    };
    const reported: string[] = [];
    const handler = setUnhandledFailureHandler((failure) => {
      reported.push(String(failure.value));
    });
    try {
      const { serving } = serve();
      const answer = await post(
        serving,
        body(
          part('name="first"; filename="f"', Buffer.alloc(50_000), 'a/b'),
          part('name="second"; filename="f"', Buffer.alloc(900_000), 'a/b'),
        ),
      );
      expect(answer.status).to.equal(500);
      expect(answer.text).to.not.include('ENOSPC').and.not.include(folder);
      expect(written).to.be.above(100_000);
      expect(readdirSync(folder)).to.deep.equal([]);
      expect(reported.join()).to.include('ENOSPC');
    } finally {
      TemporaryFile.prototype.write = write;
      setUnhandledFailureHandler(handler);
    }
  });

  it('removes the file when the disk fails at its end', async () => {
    const { end } = TemporaryFile.prototype;
    TemporaryFile.prototype.end = async function () {
      await end.call(this);
      throw Object.assign(new Error('EIO: i/o error, close'), { code: 'EIO' });
    };
    const handler = setUnhandledFailureHandler(() => {});
    try {
      const { serving } = serve();
      const answer = await post(serving, body(part('name="a"; filename="f"', 'abc', 'a/b')));
      expect(answer.status).to.equal(500);
      expect(readdirSync(folder)).to.deep.equal([]);
    } finally {
      TemporaryFile.prototype.end = end;
      setUnhandledFailureHandler(handler);
    }
  });

  it('refuses limits that are none', async () => {
    for (const name of [
      'maxFields',
      'maxNameLength',
      'maxValueLength',
      'maxFieldsLength',
      'maxFiles',
      'maxFileLength',
      'maxLength',
    ]) {
      for (const value of [-1, Number.NaN, '5' as unknown as number]) {
        const request = { getHeader: () => TYPE, content: Buffer.alloc(0) } as unknown as Request;
        const error = await parseForm(request, { [name]: value }).catch((thrown) => thrown);
        expect(error, `${name} ${value}`).to.be.instanceOf(RangeError);
        expect(String(error)).to.include(name);
      }
    }
  });

  it('counts the bytes of fields, not their characters', async () => {
    const serving = serve(false, { maxFieldsLength: 100 }).serving;
    const fits = body(part('name="a"', '\u20ac'.repeat(30)));
    const beyond = body(part('name="a"', '\u20ac'.repeat(40)));
    expect((await post(serving, fits)).status).to.equal(200);
    expect((await post(serving, beyond)).status).to.equal(413);
  });

  it('fails when there is no folder for files', async () => {
    const reported: string[] = [];
    const handler = setUnhandledFailureHandler((failure) => {
      reported.push(String(failure.value));
    });
    try {
      const { serving } = serve(true, { folder: join(folder, 'nowhere') });
      const answer = await post(serving, body(part('name="f"; filename="f"', 'x', 'a/b')));
      expect(answer.status).to.equal(500);
      expect(answer.text).to.not.include('nowhere');
      expect(reported.join()).to.include('ENOENT');
    } finally {
      setUnhandledFailureHandler(handler);
    }
  });

  it('leaves files that were moved where they are', async () => {
    const { serving, taking } = serve();
    const kept = join(folder, 'kept');
    taking.onForm = async (form) => form.file('f')?.moveTo(kept);
    await post(serving, body(part('name="f"; filename="f"', 'content', 'a/b')));
    await taking.last?.dispose();
    expect(readdirSync(folder)).to.deep.equal(['kept']);
    expect(readFileSync(kept, 'utf8')).to.equal('content');
    let failed: unknown;
    await taking.last
      ?.file('f')
      ?.read()
      .catch((error) => {
        failed = error;
      });
    expect(failed).to.be.instanceOf(TypeError);
  });

  it('gives files to a consumer, which makes the client wait', async () => {
    let length = 0;
    let writes = 0;
    let writing = false;
    const events: string[] = [];
    const sink: UploadSink = {
      async write(chunk) {
        expect(writing).to.equal(false);
        writing = true;
        await new Promise((done) => setImmediate(done));
        writing = false;
        length += chunk.length;
        writes += 1;
      },
      end: () => events.push('end'),
      abort: () => events.push('abort'),
    };
    const { serving } = serve(true, {
      onFile: ({ name }) => (name === 'big' ? sink : null),
    });
    const { status, text } = await post(
      serving,
      body(
        part('name="big"; filename="f"', Buffer.alloc(3_000_000), 'a/b'),
        part('name="small"; filename="g"', 'x', 'a/b'),
      ),
    );
    expect(status).to.equal(200);
    expect(JSON.parse(text).files).to.deep.equal([
      ['big', 'f', 'a/b', 3_000_000, null],
      ['small', 'g', 'a/b', 1, 'x'],
    ]);
    expect(length).to.equal(3_000_000);
    expect(writes).to.be.above(10);
    expect(events).to.deep.equal(['end']);
  });

  it('fails with what a consumer fails with, and tells it', async () => {
    const events: unknown[] = [];
    const { serving, taking } = serve(true, {
      onFile: () => ({
        write() {
          throw new Error('disk full');
        },
        end: () => events.push('end'),
        abort: (error) => events.push(error),
      }),
    });
    const { setUnhandledFailureHandler } = await import('../../../../src/deferred/index.ts');
    const before = setUnhandledFailureHandler(() => {});
    try {
      const content = body(part('name="f"; filename="f"', Buffer.alloc(500_000), 'a/b'));
      expect((await post(serving, content)).status).to.equal(500);
    } finally {
      setUnhandledFailureHandler(before);
    }
    expect(taking.error).to.have.property('message', 'disk full');
    expect(events).to.deep.equal([taking.error]);
  });

  it('removes the file when the client goes away in the middle', async () => {
    const events: unknown[] = [];
    let came: () => void = () => {};
    const first = new Promise<void>((done) => {
      came = done;
    });
    const { serving, taking } = serve(true, {
      onFile: ({ name }) =>
        name === 'disk'
          ? null
          : {
              write: () => came(),
              end: () => events.push('end'),
              abort: (error) => events.push(error),
            },
    });
    const socket = connect(serving.port, '127.0.0.1');
    const start = Buffer.concat([
      part('name="disk"; filename="f"', Buffer.alloc(50_000), 'a/b'),
      part('name="f"; filename="f"', Buffer.alloc(50_000), 'a/b').subarray(0, 40_000),
    ]);
    socket.write(
      `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: ${TYPE}\r\nContent-Length: 1000000\r\n\r\n`,
    );
    socket.write(start);
    await first;
    await until(() => readdirSync(folder).length === 1);
    socket.destroy();
    await until(() => events.length > 0);
    await taking.settled;
    expect(taking.error).to.be.instanceOf(Error);
    expect(events).to.deep.equal([taking.error]);
    expect(readdirSync(folder)).to.deep.equal([]);
    expect(existsSync(folder)).to.equal(true);
  });
});
