/** Forms with files, as our own server reads them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  type BodyProducer,
  FileBodyProducer,
  HTTPClient,
  IterableBodyProducer,
  MultipartBody,
  UNKNOWN_LENGTH,
} from '../../../src/protocols/http/client/index.ts';
import {
  type NOT_DONE_YET,
  parseForm,
  type Request,
  Resource,
  Site,
} from '../../../src/protocols/http/index.ts';
import { LibuvReactor } from '../../../src/reactor/index.ts';
import { turns } from '../http/turns.ts';
import { errorOf, Memory } from './memory.ts';

/** Answers with what it has understood. */
class Forms extends Resource {
  override isLeaf = true;

  override async render_POST(request: Request): Promise<string | typeof NOT_DONE_YET> {
    const form = await parseForm(request);
    const files: unknown[] = [];
    for (const file of form.files) {
      files.push([file.name, file.filename, file.type, (await file.read()).length]);
    }
    await form.dispose();
    return JSON.stringify({
      fields: [...form.fields],
      files,
      length: request.getHeader('content-length'),
    });
  }
}

describe('MultipartBody', () => {
  const reactor = new LibuvReactor();
  const client = new HTTPClient({ reactor });
  let url = '';
  let folder = '';
  let stop: () => Promise<unknown> = async () => {};

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'strand-multipart-'));
    writeFileSync(join(folder, 'a.bin'), Buffer.alloc(300_000, 'x'));
    const site = new Site(new Forms(), { reactor });
    const port = reactor.listenTCP(0, site, { interface: '127.0.0.1' });
    url = `http://127.0.0.1:${port.getHost().port}/`;
    stop = async () => {
      await port.stopListening();
      await site.drain(0);
    };
  });

  after(async () => {
    await client.close();
    await stop();
    rmSync(folder, { recursive: true });
  });

  it('sends fields and files', async () => {
    const response = await client.post(url, {
      multipart: {
        name: 'Ada "Countess" ü',
        tags: ['1', 2, true],
        'odd"\r\nname': 'x',
        file: { filename: 'a.bin', content: new FileBodyProducer(join(folder, 'a.bin')) },
        note: { filename: 'grün.txt', content: 'text', type: 'text/plain' },
      },
    });
    const { fields, files, length } = await response.json<{
      fields: unknown;
      files: unknown;
      length: string;
    }>();
    expect(fields).to.deep.equal([
      ['name', ['Ada "Countess" ü']],
      ['tags', ['1', '2', 'true']],
      // As browsers send it.
      ['odd%22%0D%0Aname', ['x']],
    ]);
    expect(files).to.deep.equal([
      ['file', 'a.bin', 'application/octet-stream', 300_000],
      ['note', 'grün.txt', 'text/plain', 4],
    ]);
    expect(Number(length)).to.be.greaterThan(300_000);
  });

  it('has a length if all of its parts have, and can be sent again if they can', () => {
    const file = new FileBodyProducer(join(folder, 'a.bin'));
    const known = new MultipartBody({ a: 'b', file: { filename: 'f', content: file } });
    expect(known.length).to.be.a('number');
    expect(known.replayable).to.equal(true);
    const unknown = new MultipartBody({ file: { filename: 'f', content: ['a', 'b'] } });
    expect(unknown.length).to.equal(UNKNOWN_LENGTH);
    expect(unknown.replayable).to.equal(false);
    expect(
      () => new MultipartBody({ f: { filename: 'f', content: '', type: 'a\r\nX: y' } }),
    ).to.throw(TypeError);
  });

  it('writes what it says, however often, and waits when it is told to', async () => {
    const body = new MultipartBody({ a: '1', b: { filename: 'f', content: 'xyz' } });
    for (let again = 0; again < 2; again += 1) {
      const chunks: string[] = [];
      const done = body.startProducing({
        write: (data) => {
          chunks.push(String(data));
          if (chunks.length === 3) body.pauseProducing();
        },
        registerProducer() {},
        unregisterProducer() {},
      });
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
      expect(chunks).to.have.lengthOf(3);
      body.resumeProducing();
      await done;
      const boundary = body.contentType.slice('multipart/form-data; boundary='.length);
      expect(chunks.join('')).to.equal(
        `--${boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--${boundary}\r\nContent-Disposition: form-data; name="b"; filename="f"\r\nContent-Type: application/octet-stream\r\n\r\nxyz\r\n--${boundary}--\r\n`,
      );
      expect(chunks.join('').length).to.equal(body.length);
    }
  });

  it('has a part wait that begins while the connection takes no more', async () => {
    const body = new MultipartBody({
      file: { filename: 'f', content: new IterableBodyProducer(['one', 'two'], 6) },
    });
    const written: string[] = [];
    const done = body.startProducing({
      write(data) {
        // The head of the part is what was too much.
        if (written.push(String(data)) === 1) body.pauseProducing();
      },
      registerProducer() {},
      unregisterProducer() {},
    });
    await turns(20);
    expect(written).to.have.length(1);
    body.resumeProducing();
    await done;
    expect(written.slice(1, 3)).to.deep.equal(['one', 'two']);
  });

  it('fails when a part is not as long as it said', async () => {
    const short = new IterableBodyProducer(['abc'], 5);
    const error = await errorOf(
      client.post(url, { multipart: { f: { filename: 'f', content: short } } }),
    );
    expect(error).to.have.property('code', 'ERR_HTTP_WRONG_BODY_LENGTH');
  });

  it('stops the part under way when nobody wants the rest', async () => {
    const calls: string[] = [];
    const part: BodyProducer = {
      length: UNKNOWN_LENGTH,
      startProducing: () => new Promise(() => {}),
      pauseProducing: () => calls.push('pause'),
      resumeProducing: () => calls.push('resume'),
      stopProducing: () => calls.push('stop'),
    };
    const memory = new Memory();
    const body = new MultipartBody({ f: { filename: 'f', content: part } });
    const asked = memory.agent.request('POST', 'http://host/', null, body);
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    body.pauseProducing();
    body.resumeProducing();
    asked.addErrback(() => undefined);
    asked.cancel();
    expect(calls).to.deep.equal(['pause', 'resume', 'stop']);
  });
});
