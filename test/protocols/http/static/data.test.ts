import { expect } from 'chai';
import { Data, Resource } from '../../../../src/protocols/http/index.ts';
import { Serving } from '../serving.ts';

describe('Data', () => {
  let serving: Serving;

  beforeEach(() => {
    const root = new Resource();
    root.putChild('text', new Data('0123456789', 'text/plain'));
    root.putChild('bytes', new Data(new Uint8Array([1, 2, 255]), 'application/x-own'));
    root.putChild('empty', new Data('', 'text/plain'));
    serving = new Serving(root);
  });

  afterEach(() => serving.close());

  it('sends bytes or text with the type', async () => {
    const text = await serving.ask('/text');
    expect([text.text, text.headers['content-type'], text.headers['content-length']]).to.deep.equal(
      ['0123456789', 'text/plain', '10'],
    );
    const bytes = await serving.ask('/bytes');
    expect([...bytes.body]).to.deep.equal([1, 2, 255]);
    expect((await serving.ask('/empty')).headers['content-length']).to.equal('0');
    expect((await serving.ask('/text', { method: 'HEAD' })).headers['content-length']).to.equal(
      '10',
    );
    expect((await serving.ask('/text/below')).status).to.equal(404);
  });

  it('has a strong tag, and says 304 to who knows it', async () => {
    const { headers } = await serving.ask('/text');
    expect(headers.etag).to.match(/^"[\w-]{22}"$/);
    expect((await serving.ask('/empty')).headers.etag).to.not.equal(headers.etag);
    const again = await serving.ask('/text', { headers: { 'If-None-Match': headers.etag ?? '' } });
    expect([again.status, again.text]).to.deep.equal([304, '']);
  });

  it('sends ranges', async () => {
    const one = await serving.ask('/text', { headers: { Range: 'bytes=2-3' } });
    expect([one.status, one.text]).to.deep.equal([206, '23']);
    const two = await serving.ask('/text', { headers: { Range: 'bytes=0-0,-1' } });
    expect(two.status).to.equal(206);
    expect(two.text)
      .to.include('bytes 0-0/10\r\n\r\n0\r\n--')
      .and.include('bytes 9-9/10\r\n\r\n9\r\n--');
    const none = await serving.ask('/text', { headers: { Range: 'bytes=10-' } });
    expect([none.status, none.headers['content-range']]).to.deep.equal([416, 'bytes */10']);
  });

  it('refuses what is neither bytes nor text', () => {
    expect(() => new Data(5 as unknown as string, 'text/plain')).to.throw(TypeError);
  });
});
