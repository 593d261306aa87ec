/** How files are read: in pieces, as fast as the client reads, and never left open. */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { File } from '../../../../src/protocols/http/index.ts';
import { type BodyPart, FileBody } from '../../../../src/protocols/http/static/file-body.ts';
import { StringTransport, setLogObserver } from '../../../../src/reactor/index.ts';
import { Serving } from '../serving.ts';

const CONTENT = Buffer.alloc(1_000_000, '0123456789');

function turn(): Promise<void> {
  return new Promise((done) => setImmediate(done));
}

/** Waits until it is so. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn();
}

describe('FileBody', () => {
  let folder: string;
  let path: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'strand-body-'));
    path = join(folder, 'file');
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  beforeEach(() => writeFileSync(path, CONTENT));

  interface Sent {
    readonly transport: StringTransport;
    readonly body: FileBody;
    readonly fd: number;
    readonly ended: (Error | null)[];
  }

  function send(parts: BodyPart[]): Sent {
    const transport = new StringTransport();
    const fd = openSync(path, 'r');
    const ended: (Error | null)[] = [];
    const body = new FileBody(fd, parts, transport, (error) => ended.push(error));
    return { transport, body, fd, ended };
  }

  /** Whether a descriptor still leads to the file. */
  function isOpen(fd: number): boolean {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(path);
    } catch {
      return false;
    }
  }

  it('writes parts and what is between them, in order', async () => {
    const { transport, body, ended, fd } = send([
      Buffer.from('<'),
      { position: 5, length: 3 },
      Buffer.from('|'),
      { position: 0, length: 0 },
      { position: 250_000, length: 400_000 },
      Buffer.from('>'),
    ]);
    body.start();
    await until(() => ended.length > 0);
    expect(ended).to.deep.equal([null]);
    const expected = Buffer.concat([
      Buffer.from('<567|'),
      CONTENT.subarray(250_000, 650_000),
      Buffer.from('>'),
    ]);
    expect(transport.value().equals(expected)).to.equal(true);
    await until(() => !isOpen(fd));
  });

  it('writes nothing while it is to wait', async () => {
    const { transport, body, ended } = send([{ position: 0, length: CONTENT.length }]);
    body.pauseProducing();
    body.start();
    for (let at = 0; at < 20; at += 1) await turn();
    expect(transport.value().length).to.equal(0);
    const write = transport.write.bind(transport);
    const lengths: number[] = [];
    transport.write = (data) => {
      write(data);
      lengths.push(data.length);
      body.pauseProducing();
    };
    for (let writes = 1; writes <= 5; writes += 1) {
      body.resumeProducing();
      await until(() => lengths.length === writes);
      for (let at = 0; at < 20; at += 1) await turn();
      expect(lengths).to.have.length(writes);
    }
    expect(Math.max(...lengths)).to.be.at.most(131_072);
    transport.write = write;
    body.resumeProducing();
    await until(() => ended.length > 0);
    expect(transport.value().length).to.equal(CONTENT.length);
  });

  it('is told to wait from within write', async () => {
    const { transport, body, ended } = send([{ position: 0, length: 300_000 }, Buffer.from('end')]);
    let depth = 0;
    const write = transport.write.bind(transport);
    transport.write = (data) => {
      depth += 1;
      expect(depth).to.equal(1);
      write(data);
      body.pauseProducing();
      body.resumeProducing();
      depth -= 1;
    };
    body.start();
    await until(() => ended.length > 0);
    expect(transport.value().length).to.equal(300_003);
  });

  it('sends bytes in memory likewise, in pieces, and says when they are not needed any more', () => {
    for (const whole of [true, false]) {
      const transport = new StringTransport();
      const events: string[] = [];
      const body = new FileBody(
        CONTENT,
        [Buffer.from('<'), { position: 1, length: 300_000 }, Buffer.from('>')],
        transport,
        (error) => events.push(`done ${error}`),
        () => events.push('freed'),
      );
      const lengths: number[] = [];
      const write = transport.write.bind(transport);
      transport.write = (data) => {
        write(data);
        lengths.push(data.length);
        if (!whole && lengths.length === 2) body.pauseProducing();
      };
      body.start();
      if (whole) {
        expect(events).to.deep.equal(['freed', 'done null']);
        expect(lengths).to.deep.equal([1, 131_072, 131_072, 37_856, 1]);
        const expected = `<${CONTENT.toString('latin1', 1, 300_001)}>`;
        expect(transport.value().toString('latin1') === expected).to.equal(true);
      } else {
        expect(lengths).to.deep.equal([1, 131_072]);
        body.stopProducing();
        body.resumeProducing();
        expect(events).to.deep.equal(['freed']);
        expect(lengths).to.have.length(2);
      }
    }
  });

  it('closes the file when it is stopped, in mid-read as well, and says nothing more', async () => {
    for (const early of [true, false]) {
      const { transport, body, ended, fd } = send([{ position: 0, length: CONTENT.length }]);
      body.start();
      if (!early) await until(() => transport.value().length > 0);
      const before = transport.value().length;
      body.stopProducing();
      body.stopProducing();
      await until(() => !isOpen(fd));
      for (let at = 0; at < 20; at += 1) await turn();
      expect(transport.value().length).to.equal(before);
      expect(ended).to.deep.equal([]);
    }
  });

  it('does not close the file while it is being read, and closes it once', async () => {
    const events: string[] = [];
    const fd = openSync(path, 'r');
    const body = new FileBody(
      fd,
      [{ position: 0, length: 10 }],
      new StringTransport(),
      () => {},
      () => events.push('closed'),
    );
    body.start();
    body.stopProducing();
    expect(events).to.deep.equal([]);
    await until(() => !isOpen(fd));
    for (let at = 0; at < 20; at += 1) await turn();
    expect(events).to.deep.equal(['closed']);
  });

  it('fails when the file has become shorter', async () => {
    const { body, ended, fd } = send([{ position: 0, length: CONTENT.length + 1 }]);
    body.start();
    await until(() => ended.length > 0);
    expect(ended[0]).to.have.property('code', 'ERR_FILE_TRUNCATED');
    await until(() => !isOpen(fd));
  });

  it('fails with what the system says', async () => {
    const ended: (Error | null)[] = [];
    const fd = openSync(folder, 'r'); // a folder cannot be read
    const body = new FileBody(fd, [{ position: 0, length: 5 }], new StringTransport(), (error) =>
      ended.push(error),
    );
    body.start();
    await until(() => ended.length > 0);
    expect(ended[0]).to.have.property('code', 'EISDIR');
  });

  describe('behind a server', () => {
    let serving: Serving;

    beforeEach(() => {
      serving = new Serving(new File(folder));
    });

    afterEach(() => serving.close());

    function descriptors(): string[] {
      return readdirSync('/proc/self/fd').flatMap((fd) => {
        try {
          const target = readlinkSync(`/proc/self/fd/${fd}`);
          return target.startsWith(folder) ? [target] : [];
        } catch {
          return [];
        }
      });
    }

    before(function () {
      if (process.platform !== 'linux') this.skip();
    });

    it('leaves nothing open, whatever was asked', async () => {
      const etag = (await serving.ask('/file')).headers.etag ?? '';
      for (const [target, headers] of [
        ['/file', {}],
        ['/file', { 'If-None-Match': etag }],
        ['/file', { 'If-Match': '"x"' }],
        ['/file', { Range: 'bytes=0-5' }],
        ['/file', { Range: 'bytes=0-5,100-200000' }],
        ['/file', { Range: 'bytes=9999999-' }],
        ['/file/', {}],
        ['/', {}],
        ['/nothing', {}],
      ] as [string, Record<string, string>][]) {
        await serving.ask(target, { headers });
        await serving.ask(target, { headers, method: 'HEAD' });
        await until(() => descriptors().length === 0);
      }
    });

    it('makes a client that does not read wait, and lets go when it leaves', async () => {
      const huge = join(folder, 'huge');
      writeFileSync(huge, '');
      truncateSync(huge, 2_000_000_000);
      const before = process.memoryUsage().arrayBuffers;
      const sockets = Array.from({ length: 8 }, () => {
        const socket = connect(serving.port, '127.0.0.1');
        socket.pause();
        socket.write('GET /huge HTTP/1.1\r\nHost: x\r\n\r\n');
        return socket;
      });
      await until(() => descriptors().length === sockets.length);
      for (let at = 0; at < 300; at += 1) await turn();
      // Two pieces for each, what the sockets of the test hold, and what is not collected yet: little of 16 GB.
      expect(process.memoryUsage().arrayBuffers - before).to.be.below(64_000_000);
      // Others are served meanwhile.
      expect((await serving.ask('/file')).body.equals(CONTENT)).to.equal(true);
      for (const socket of sockets) socket.destroy();
      await until(() => descriptors().length === 0);
      rmSync(huge);
    });

    it('breaks off when the file becomes shorter in the middle', async () => {
      const shrinking = join(folder, 'shrinking');
      writeFileSync(shrinking, '');
      truncateSync(shrinking, 500_000_000);
      const socket = connect(serving.port, '127.0.0.1');
      let length = 0;
      let closed = false;
      socket.on('error', () => {});
      socket.on('close', () => {
        closed = true;
      });
      socket.once('data', () => truncateSync(shrinking, 1000));
      socket.on('data', (chunk) => {
        length += chunk.length;
      });
      socket.write('GET /shrinking HTTP/1.1\r\nHost: x\r\n\r\n');
      const logged: string[] = [];
      const before = setLogObserver((event) => logged.push(event.message));
      await until(() => closed);
      setLogObserver(before);
      expect(length).to.be.below(500_000_000);
      expect(logged.join()).to.include('Cannot send all of /shrinking');
      await until(() => descriptors().length === 0);
    });

    it('sends what was there when it began, if the file grows', async () => {
      const answer = serving.ask('/file');
      appendFileSync(path, 'more');
      const { body, headers } = await answer;
      expect(String(body.length)).to.equal(headers['content-length']);
    });

    it('does not wait for a pipe, and does not find devices', async function () {
      try {
        execFileSync('mkfifo', [join(folder, 'pipe')]);
      } catch {
        this.skip();
      }
      expect((await serving.ask('/pipe')).status).to.equal(404);
      const dev = new Serving(new File('/dev', { followSymlinks: true }));
      try {
        for (const name of ['/null', '/zero', '/tty']) {
          expect((await dev.ask(name)).status, name).to.equal(404);
        }
      } finally {
        await dev.close();
      }
    });

    it('forbids what the system does not let it read', async function () {
      if (process.getuid?.() === 0) this.skip();
      chmodSync(path, 0);
      expect((await serving.ask('/file')).status).to.equal(403);
      chmodSync(path, 0o600);
    });

    it('says 503 while there are no descriptors left', async () => {
      const { Root } = await import('../../../../src/protocols/http/static/open-file.ts');
      const open = Root.prototype.open;
      Root.prototype.open = (_path, done) =>
        done(Object.assign(new Error('too many'), { code: 'EMFILE' }), null);
      try {
        expect((await serving.ask('/file')).status).to.equal(503);
      } finally {
        Root.prototype.open = open;
      }
      expect((await serving.ask('/file')).status).to.equal(200);
      closeSync(openSync(path, 'r'));
    });
  });
});
