import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  AccessLogFile,
  type AccessRecord,
  NOT_DONE_YET,
  proxiedLogFormatter,
} from '../../../src/protocols/http/index.ts';
import { setLogObserver } from '../../../src/reactor/index.ts';
import { Clock } from '../support.ts';
import { Connection, get, leaf, NOW, post } from './serving-memory.ts';

const hello = leaf(() => 'hello');

/** Collects lines. */
class Lines {
  text = '';
  write(text: string): void {
    this.text += text;
  }
}

describe('The access log', () => {
  it('has a line in the combined format for each request', () => {
    const logFile = new Lines();
    new Connection(hello, { logFile }).receive(
      get(
        '/a?b',
        'User-Agent: Test/1',
        'Referer: http://x/',
        `Authorization: Basic ${Buffer.from('me:secret').toString('base64')}`,
      ),
    );
    new Connection(hello, { logFile }).receive('HEAD / HTTP/1.0\r\n\r\n');
    const stamp = '[18/Nov/2026:11:06:40 +0000]';
    expect(new Date(NOW * 1000).toISOString()).to.equal('2026-11-18T11:06:40.000Z');
    expect(logFile.text).to.equal(
      `192.168.1.1 - me ${stamp} "GET /a?b HTTP/1.1" 200 5 "http://x/" "Test/1"\n` +
        `192.168.1.1 - - ${stamp} "HEAD / HTTP/1.0" 200 - "-" "-"\n`,
    );
  });

  it('cannot be made to say what did not happen', () => {
    const logFile = new Lines();
    const user = Buffer.from('a b"\n[x]:y').toString('base64');
    new Connection(hello, { logFile }).receive(
      get('/"q"', 'User-Agent: "\\\t\xe9', `Authorization: Basic ${user}`),
    );
    expect(logFile.text.split('\n')).to.have.length(2);
    expect(logFile.text)
      .to.include('- a\\x20b\\"\\x0a[x] [')
      .and.include('"\\"\\\\\\x09\\xe9"')
      .and.include('"GET /\\"q\\" HTTP/1.1"');
  });

  it('names the first address of X-Forwarded-For with proxiedLogFormatter', () => {
    const logFile = new Lines();
    new Connection(hello, { logFile, logFormatter: proxiedLogFormatter }).receive(
      get('/', 'X-Forwarded-For: 10.9.8.7, 10.0.0.1') + get('/'),
    );
    const [first, second] = logFile.text.split('\n');
    expect(first).to.match(/^10\.9\.8\.7 - /);
    expect(second).to.match(/^192\.168\.1\.1 - /);
  });

  it('gives records to accessLog', () => {
    const records: AccessRecord[] = [];
    new Connection(hello, { accessLog: (record) => records.push(record) }).receive(post('/x', 'y'));
    expect(records).to.deep.equal([
      {
        time: NOW,
        client: '192.168.1.1',
        user: null,
        method: 'POST',
        uri: '/x',
        protocol: 'HTTP/1.1',
        host: 'test',
        code: 200,
        length: 5,
        referrer: null,
        agent: null,
      },
    ]);
  });

  it('has no line for a request that was not answered', () => {
    const logFile = new Lines();
    const connection = new Connection(
      leaf(() => NOT_DONE_YET),
      { logFile },
    ).receive(get('/'));
    connection.lose();
    expect(logFile.text).to.equal('');
  });

  describe('AccessLogFile', () => {
    const folder = mkdtempSync(join(tmpdir(), 'strand-log-'));
    after(() => rmSync(folder, { recursive: true }));

    it('gathers lines for a second, and adds to what is there', async () => {
      const path = join(folder, 'access.log');
      const clock = new Clock();
      const file = new AccessLogFile(path, clock);
      file.write('one\n');
      file.write('two\n');
      expect(clock.getDelayedCalls()).to.have.length(1);
      clock.advance(1);
      expect(clock.getDelayedCalls()).to.deep.equal([]);
      await file.close();
      expect(readFileSync(path, 'utf8')).to.equal('one\ntwo\n');
      file.write('three\n');
      await file.close();
      await file.close();
      expect(readFileSync(path, 'utf8')).to.equal('one\ntwo\nthree\n');
      expect(clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('does not wait when there is much', async () => {
      const path = join(folder, 'much.log');
      const clock = new Clock();
      const file = new AccessLogFile(path, clock);
      const line = `${'x'.repeat(999)}\n`;
      for (let n = 0; n < 33; n += 1) file.write(line);
      expect(clock.getDelayedCalls()).to.deep.equal([]);
      await file.close();
      expect(readFileSync(path, 'utf8')).to.equal(line.repeat(33));
    });

    it('says what goes wrong, and tries anew with the next lines', async () => {
      const said: string[] = [];
      const observer = setLogObserver(({ message }) => said.push(message));
      const below = join(folder, 'no', 'such', 'folder');
      const path = join(below, 'access.log');
      const file = new AccessLogFile(path, new Clock());
      file.write('x\n');
      await file.close();
      mkdirSync(below, { recursive: true });
      file.write('y\n');
      await file.close();
      setLogObserver(observer);
      expect(said.join()).to.match(/^Cannot write the access log: ENOENT/);
      expect(readFileSync(path, 'utf8')).to.equal('y\n');
    });

    it('is what logPath makes', async () => {
      const path = join(folder, 'site.log');
      const connection = new Connection(hello, { logPath: path }).receive(get('/'));
      connection.clock.advance(1);
      // Another thread writes it; turns of the loop are all there is to wait for.
      while (!existsSync(path) || readFileSync(path, 'utf8') === '')
        await new Promise(setImmediate);
      expect(readFileSync(path, 'utf8')).to.match(
        /^192\.168\.1\.1 - - \[.*\] "GET \/ HTTP\/1\.1" 200 5 "-" "-"\n$/,
      );
    });
  });
});
