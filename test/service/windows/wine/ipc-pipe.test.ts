/** Named pipes with an access list: served by the reactor in one program on Windows, used by another. */
import { expect } from 'chai';
import { accessList } from '../../../../src/service/windows/ipc/index.ts';
import { failure } from '../../../support/windows-failure.ts';
import { wine } from '../../../support/wine.ts';
import { twoPrograms } from '../ipc/two-programs.ts';

describe('On Windows, a named pipe', function () {
  this.timeout(60_000);
  const windows = wine();
  const [one, two] = twoPrograms();
  const a = one.call;
  const b = two.call;

  it('is served by the reactor, to those whom its access list lets', async () => {
    const access = accessList([{ who: 'everyone', may: 'connect' }]);
    await a('servePipe', 'p', 'wc-pipe', { access });
    expect(await b('askPipe', 'pipe:wc-pipe', 'hello')).to.equal('hello');
    expect(await a('clientsOfPipe')).to.deep.equal([await b('processId')]);
    const long = 'x'.repeat(300_000);
    expect(await b('askPipe', 'pipe:wc-pipe', long)).to.equal(long);
  });

  // Wine lets everybody connect, and lets a second server in.
  const onWindowsItself = windows.isWine ? it.skip : it;

  onWindowsItself('refuses those whom its access list refuses', async () => {
    const access = accessList([{ who: 'everyone', may: 'all', deny: true }]);
    await a('servePipe', 'p', 'wc-closed', { access });
    const refused = await failure(b('askPipe', 'pipe:wc-closed', 'hello'));
    expect(refused['message']).to.match(/EPERM|EACCES/);
    expect(await a('clientsOfPipe')).to.deep.equal([]);
  });

  it('serves many at a time and one after another', async () => {
    await a('servePipe', 'p', 'wc-many', { backlog: 2 });
    const texts = Array.from({ length: 20 }, (_, n) => `client ${n}`);
    const ask = (text: string) => b('askPipe', 'pipe:wc-many', text);
    expect(await Promise.all(texts.map(ask))).to.deep.equal(texts);
    for (const text of texts) expect(await ask(text)).to.equal(text);
  });

  onWindowsItself('is had by one server', async () => {
    await a('servePipe', 'p', 'wc-first');
    const second = await failure(b('servePipe', 'p', 'wc-first'));
    expect(second['code']).to.equal('ERR_CANNOT_LISTEN');
    expect(second['message']).to.match(/wc-first.*Access is denied/);
  });

  it('delivers what was written before it was closed', async () => {
    await a('serveBytes', 'p', 'wc-last', 300_000);
    expect(String(await b('askPipe', 'pipe:wc-last', '')).length).to.equal(300_000);
  });

  it('cannot be a file', async () => {
    expect(await a('adoptFile')).to.deep.include({
      open: true,
      code: 'ERR_UNSUPPORTED_SOCKET_TYPE',
    });
  });

  it('is gone when the server stops', async () => {
    await a('servePipe', 'p', 'wc-stopped');
    await a('call', 'p', 'stopListening');
    const none = await failure(b('askPipe', 'pipe:wc-stopped', 'x'));
    expect(none['message']).to.match(/ENOENT/);
    await b('servePipe', 'p', 'wc-stopped');
    expect(await a('askPipe', 'pipe:wc-stopped', 'x')).to.equal('x');
  });
});
