import { execFileSync } from 'node:child_process';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import * as fc from 'fast-check';
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
        refusal: null,
        line: null,
        length: 5,
        referrer: null,
        agent: null,
      },
    ]);
  });

  describe('has what was refused', () => {
    const stamp = '[18/Nov/2026:11:06:40 +0000]';
    const long = 'x'.repeat(10_000);

    for (const [what, sent, asked, code, refusal] of [
      ['a wrong method', 'G(T / HTTP/1.1\r\n\r\n', 'G(T / HTTP/1.1', 400, 'ERR_HTTP_METHOD'],
      ['no HTTP at all', '\x16\x03\x01\xff', '\\x16\\x03\\x01\\xff', 400, 'ERR_HTTP_METHOD'],
      [
        'a target with control characters',
        'GET /\x1b[2J\x07 HTTP/1.1\r\n\r\n',
        'GET /\\x1b[2J\\x07 HTTP/1.1',
        400,
        'ERR_HTTP_TARGET',
      ],
      ['no Host', 'GET /a HTTP/1.1\r\n\r\n', 'GET /a HTTP/1.1', 400, 'ERR_HTTP_NO_HOST'],
      [
        'a body that is too long for the parser',
        'POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n',
        'POST /b HTTP/1.1',
        413,
        'ERR_HTTP_BODY_TOO_LONG',
      ],
      [
        'a line that is too long',
        `GET /${long} HTTP/1.1\r\n`,
        `GET /${long}`.slice(0, 1024),
        414,
        'ERR_HTTP_REQUEST_LINE_TOO_LONG',
      ],
      [
        'a head that is too long',
        get('/c', ...Array(3).fill(`A: ${long}`)),
        'GET /c HTTP/1.1',
        431,
        'ERR_HTTP_HEAD_TOO_LONG',
      ],
      [
        'an unknown coding',
        get('/d', 'Transfer-Encoding: zip, chunked'),
        'GET /d HTTP/1.1',
        501,
        'ERR_HTTP_TRANSFER_CODING_UNKNOWN',
      ],
      ['HTTP/2', 'GET / HTTP/2.0\r\n\r\n', 'GET / HTTP/2.0', 505, 'ERR_HTTP_VERSION_UNSUPPORTED'],
    ] as const) {
      it(`${what}: ${code}, in both logs`, () => {
        const logFile = new Lines();
        const records: AccessRecord[] = [];
        const accessLog = (record: AccessRecord): void => void records.push(record);
        const connection = new Connection(hello, { logFile, accessLog, maxBodyLength: 1000 });
        connection.receive(sent);
        expect(connection.said()).to.match(new RegExp(`^HTTP/1.1 ${code} `));
        expect(logFile.text).to.equal(`192.168.1.1 - - ${stamp} "${asked}" ${code} - "-" "-"\n`);
        expect(records).to.have.length(1);
        expect(records[0]).to.include({
          time: NOW,
          client: '192.168.1.1',
          code,
          refusal,
          length: 0,
        });
      });
    }

    it('with method, target and version where these could be read', () => {
      const records: AccessRecord[] = [];
      const accessLog = (record: AccessRecord): void => void records.push(record);
      new Connection(hello, { accessLog }).receive(get('/d', 'Transfer-Encoding: zip, chunked'));
      new Connection(hello, { accessLog }).receive('G(T / HTTP/1.1\r\n\r\n');
      expect(records).to.deep.equal([
        {
          time: NOW,
          client: '192.168.1.1',
          user: null,
          method: 'GET',
          uri: '/d',
          protocol: 'HTTP/1.1',
          host: null,
          code: 501,
          refusal: 'ERR_HTTP_TRANSFER_CODING_UNKNOWN',
          line: 'GET /d HTTP/1.1',
          length: 0,
          referrer: null,
          agent: null,
        },
        {
          time: NOW,
          client: '192.168.1.1',
          user: null,
          method: null,
          uri: null,
          protocol: null,
          host: null,
          code: 400,
          refusal: 'ERR_HTTP_METHOD',
          line: 'G(T / HTTP/1.1',
          length: 0,
          referrer: null,
          agent: null,
        },
      ]);
    });

    it('a head that does not come to its end in time: 408', () => {
      const logFile = new Lines();
      const records: AccessRecord[] = [];
      const connection = new Connection(hello, {
        logFile,
        accessLog: (record) => records.push(record),
        headTimeout: 5,
      });
      connection.receive('GET /slow HTTP/1.1\r\nHost: te');
      connection.clock.advance(6);
      expect(connection.said()).to.match(/^HTTP\/1\.1 408 /);
      expect(logFile.text).to.match(/"GET \/slow HTTP\/1\.1" 408 - "-" "-"\n$/);
      expect(records[0]).to.include({ code: 408, refusal: 'timeout', uri: '/slow' });
    });

    it('a head that ends in its midst: 400', () => {
      const logFile = new Lines();
      const connection = new Connection(hello, { logFile }).receive('GET /half');
      connection.channel.readConnectionLost();
      expect(logFile.text).to.match(/"GET \/half" 400 - "-" "-"\n$/);
    });

    it('a body that is too long, or not what its framing says: a request, which is logged once', () => {
      const logFile = new Lines();
      new Connection(hello, { logFile, maxContentLength: 3 }).receive(post('/long', 'abcd'));
      new Connection(hello, { logFile }).receive(
        `${get('/torn', 'Transfer-Encoding: chunked')}nonsense\r\n`,
      );
      const lines = logFile.text.split('\n');
      expect(lines).to.have.length(3);
      expect(lines[0]).to.match(/"POST \/long HTTP\/1\.1" 413 /);
      expect(lines[1]).to.match(/"GET \/torn HTTP\/1\.1" 400 /);
    });

    it('as one line, whatever came', () => {
      fc.assert(
        fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), (bytes) => {
          const logFile = new Lines();
          const connection = new Connection(hello, { logFile });
          connection.receive(`\x00${Buffer.from(bytes).toString('latin1')}\r\n\r\n`);
          expect(logFile.text).to.match(
            /^192\.168\.1\.1 - - \[[^\]]+\] "(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]|\\x[0-9a-f]{2})*" 400 - "-" "-"\n$/,
          );
        }),
      );
    });
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

    it('drops lines rather than keep them all while the disk does not keep up, and says so', async function () {
      if (process.platform === 'win32') this.skip();
      const path = join(folder, 'pipe');
      execFileSync('mkfifo', [path]);
      const said: string[] = [];
      const observer = setLogObserver(({ message }) => said.push(message));
      const file = new AccessLogFile(path, new Clock());
      // Nobody reads it, and so it cannot even be opened.
      const line = `${'x'.repeat(1_048_575)}\n`;
      for (let n = 0; n < 8; n += 1) file.write(line);
      setLogObserver(observer);
      const closed = file.close();
      let length = 0;
      for await (const chunk of createReadStream(path)) length += (chunk as Buffer).length;
      await closed;
      expect(length).to.equal(4 * 1_048_576);
      expect(said).to.have.length(4);
      expect(said[0]).to.match(/cannot keep up/);
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
