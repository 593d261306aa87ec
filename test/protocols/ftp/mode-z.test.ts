/** MODE Z, the server's side: with what any client sends, and with lftp. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { deflateSync, inflateSync } from 'node:zlib';
import { expect } from 'chai';
import { setUnhandledFailureHandler } from '../../../src/deferred/index.ts';
import { InMemoryUsernamePasswordDatabase, Portal } from '../../../src/protocols/cred/index.ts';
import {
  type FileReceiver,
  FTPFactory,
  type FTPFactoryOptions,
  FTPRealm,
  MemoryShell,
  type WriteFile,
} from '../../../src/protocols/ftp/index.ts';
import { compressor, decompressor, ZlibPipe } from '../../../src/protocols/ftp/mode-z.ts';
import type { PushProducer } from '../../../src/reactor/index.ts';
import { type ListeningPort, reactor } from '../../../src/reactor/index.ts';
import { Control, collect, Served } from './control.ts';
import { Collector } from './shell-contract.ts';
import { folders } from './support-files.ts';

const run = promisify(execFile);
const BLANKS = Buffer.alloc(3_000_000, ' ');
const NOISE = randomBytes(3_000_000);

/** Has a command send its data; gives them as they came over the wire, and the last reply. */
async function fetch(client: Control, command: string): Promise<[wire: Buffer, last: string]> {
  const socket = await client.passive();
  const all = collect(socket);
  const first = await client.say(command);
  if (!first.startsWith('1')) throw new Error(first);
  return [await all, await client.reply()];
}

describe('MODE Z of an FTP server', () => {
  let served: Served;
  let client: Control;

  async function serve(options: FTPFactoryOptions = { modeZ: true }): Promise<void> {
    served = new Served(options, {
      '/text': 'one\ntwo\n',
      '/blanks': BLANKS,
      '/noise': NOISE,
      '/nothing': '',
    });
    client = await Control.open(served.port);
    await client.login();
    await client.say('TYPE I');
  }

  afterEach(async () => {
    client.close();
    await served.stop();
  });

  it('is there, and told of, only if it was asked for', async () => {
    await serve({});
    expect(await client.say('FEAT')).to.not.include('MODE Z');
    expect(await client.say('MODE Z')).to.match(/^504 /);
    expect(await client.say('OPTS MODE Z LEVEL 6')).to.match(/^501 /);
    expect((await client.fetch('RETR text'))[1]).to.equal('one\ntwo\n');
    await served.stop();
    await serve();
    expect(await client.say('FEAT')).to.include('\r\n MODE Z\r\n');
    expect(await client.say('mode z')).to.match(/^200 /);
    expect(await client.say('STAT')).to.include('MODE: Deflate');
    expect(await client.say('MODE B')).to.match(/^504 /);
    expect(await client.say('STAT')).to.include('MODE: Deflate');
    expect(await client.say('MODE S')).to.match(/^200 /);
    expect((await client.fetch('RETR text'))[1]).to.equal('one\ntwo\n');
    await client.say('MODE Z');
    await client.say('REIN');
    await client.say('USER alice');
    await client.say('PASS wonder');
    expect((await client.fetch('LIST'))[1]).to.include('text\r\n');
  });

  it('takes the level that a client chooses', async () => {
    await serve();
    const tries: Array<[string, RegExp]> = [
      ['OPTS MODE Z LEVEL 9', /^200 .*9/],
      ['OPTS MODE Z ENGINE ZLIB METHOD 8 LEVEL 1', /^200 .*1/],
      ['OPTS MODE Z', /^200 .*1/],
      ['OPTS MODE Z LEVEL 10', /^501 /],
      ['OPTS MODE Z LEVEL', /^501 /],
      ['OPTS MODE Z LEVEL 0', /^501 /],
      ['OPTS MODE Z BLOCKS 4', /^501 /],
      ['OPTS MODE B', /^501 /],
    ];
    for (const [command, reply] of tries) {
      expect(await client.say(command), command).to.match(reply);
    }
    await client.say('MODE Z');
    const [quick] = await fetch(client, 'RETR blanks');
    await client.say('OPTS MODE Z LEVEL 9');
    const [small] = await fetch(client, 'RETR blanks');
    expect(small.length).to.be.below(quick.length);
  });

  it('sends files and listings compressed, whatever they are like', async () => {
    await serve();
    await client.say('MODE Z');
    for (const [name, content] of [
      ['blanks', BLANKS],
      ['noise', NOISE],
      ['nothing', Buffer.alloc(0)],
    ] as const) {
      const [wire, last] = await fetch(client, `RETR ${name}`);
      expect(last, name).to.match(/^226 /);
      expect(inflateSync(wire).equals(content), name).to.equal(true);
      if (name === 'blanks') expect(wire.length).to.be.below(10_000);
    }
    await client.say('REST 4');
    expect(inflateSync((await fetch(client, 'RETR text'))[0]).toString()).to.equal('two\n');
    await client.say('TYPE A');
    expect(inflateSync((await fetch(client, 'RETR text'))[0]).toString()).to.equal(
      'one\r\ntwo\r\n',
    );
    expect(inflateSync((await fetch(client, 'NLST'))[0]).toString()).to.include('noise\r\n');
  });

  it('takes files that come compressed', async () => {
    await serve();
    await client.say('MODE Z');
    for (const content of [BLANKS.subarray(0, 1_000_000), NOISE, Buffer.alloc(0)]) {
      expect(await client.put('STOR new', deflateSync(content))).to.match(/^226 /);
      expect(served.shell.files.get('/new')?.equals(content)).to.equal(true);
    }
    // Nothing at all is an empty file as well.
    expect(await client.put('STOR none', '')).to.match(/^226 /);
    expect(served.shell.files.get('/none')?.length).to.equal(0);
    expect(await client.put('APPE text', deflateSync('three\n'))).to.match(/^226 /);
    expect(String(served.shell.files.get('/text'))).to.equal('one\ntwo\nthree\n');
    await client.say('TYPE A');
    expect(await client.put('STOR new', deflateSync('a\r\nb\rc\r'))).to.match(/^226 /);
    expect(String(served.shell.files.get('/new'))).to.equal('a\nb\rc\r');
  });

  it('throws away what is not compressed, or was cut off in good order', async () => {
    await serve();
    await client.say('MODE Z');
    const whole = deflateSync(NOISE);
    for (const bad of [
      NOISE,
      Buffer.from('text'),
      whole.subarray(0, 1_000_000),
      whole.subarray(0, 1),
    ]) {
      expect(await client.put('STOR text', bad)).to.match(/^426 .*MODE Z/);
      expect(String(served.shell.files.get('/text'))).to.equal('one\ntwo\n');
    }
    expect(served.shell.aborted).to.equal(4);
    expect(await client.put('STOR text', deflateSync('good'))).to.match(/^226 /);
  });

  it('takes no bombs: what becomes too much, or too many times what it was', async () => {
    await serve({ modeZ: true, maxFileSize: 2_000_000 });
    await client.say('MODE Z');
    const bomb = deflateSync(Buffer.alloc(50_000_000));
    expect(await client.put('STOR text', bomb)).to.match(/^552 /);
    // One that is so small that all of it is there, and its connection over, before the first of it goes off.
    const small = deflateSync(Buffer.alloc(12_000_000));
    served.shell.received = 0;
    expect(await client.put('STOR text', small)).to.match(/^552 /);
    expect(served.shell.received).to.be.below(3_000_000);
    expect(await client.put('STOR text', deflateSync(NOISE.subarray(0, 2_000_001)))).to.match(
      /^552 /,
    );
    expect(String(served.shell.files.get('/text'))).to.equal('one\ntwo\n');
    expect(await client.put('STOR new', deflateSync(NOISE.subarray(0, 2_000_000)))).to.match(
      /^226 /,
    );
    await served.stop();
    await serve();
    await client.say('MODE Z');
    expect(await client.put('STOR text', bomb)).to.match(/^552 /);
    expect(String(served.shell.files.get('/text'))).to.equal('one\ntwo\n');
    await served.stop();
    await serve({ modeZ: true, maxInflation: Number.POSITIVE_INFINITY });
    await client.say('MODE Z');
    expect(await client.put('STOR text', bomb)).to.match(/^226 /);
    expect(served.shell.files.get('/text')?.length).to.equal(50_000_000);
  });

  it('goes on after transfers that are aborted, or whose client vanishes', async () => {
    await serve();
    await client.say('MODE Z');
    const ends: Array<(socket: Socket) => void> = [
      () => client.send('ABOR'),
      (socket) => socket.resetAndDestroy(),
    ];
    for (const command of ['RETR noise', 'STOR text']) {
      for (const end of ends) {
        const socket = await client.passive();
        socket.on('error', () => {});
        socket.pause();
        expect(await client.say(command)).to.match(/^125 /);
        if (command === 'STOR text') socket.write(deflateSync(NOISE).subarray(0, 500_000));
        end(socket);
        expect(await client.reply(), command).to.match(/^426 /);
        if (end === ends[0]) expect(await client.reply()).to.match(/^226 ABOR/);
        socket.destroy();
      }
    }
    expect(String(served.shell.files.get('/text'))).to.equal('one\ntwo\n');
    expect(inflateSync((await fetch(client, 'RETR text'))[0]).toString()).to.equal('one\ntwo\n');
  });
});

describe('MODE Z of an FTP server, with shells that wait and are waited for', () => {
  const on = folders();
  let listening: ListeningPort;
  let factory: FTPFactory;
  let client: Control;

  async function serve(portal: Portal): Promise<void> {
    factory = new FTPFactory(portal, { modeZ: true });
    listening = reactor.listenTCP(0, factory, { interface: '127.0.0.1' });
    client = await Control.open((listening.getHost() as { port: number }).port); // of TCP
    await client.login();
    await client.say('TYPE I');
    await client.say('MODE Z');
  }

  afterEach(async () => {
    client.close();
    await listening.stopListening();
    await factory.drain(0);
  });

  const users = new InMemoryUsernamePasswordDatabase({ alice: 'wonder' });

  it('moves files on disk, and keeps to the quota', async () => {
    const options = { home: () => on.root, quota: { maxBytes: 5_000_000 } };
    await serve(new Portal(new FTPRealm(null, on.root, options), [users]));
    expect(await client.put('STOR new', deflateSync(NOISE))).to.match(/^226 /);
    expect(readFileSync(join(on.root, 'new')).equals(NOISE)).to.equal(true);
    expect(inflateSync((await fetch(client, 'RETR new'))[0]).equals(NOISE)).to.equal(true);
    expect(await client.put('STOR more', deflateSync(NOISE))).to.match(/^552 /);
    expect(readFileSync(join(on.root, 'new')).equals(NOISE)).to.equal(true);
    expect(await client.say('SIZE more')).to.match(/^550 /);
  });

  it('answers 451 when what gets the data throws, and goes on', async () => {
    class Broken extends MemoryShell {
      override openForWriting(...args: Parameters<MemoryShell['openForWriting']>): WriteFile {
        const file = super.openForWriting(...args);
        const receiver = file.receive() as FileReceiver; // there at once
        return {
          name: file.name,
          receive: () => ({
            registerProducer: () => {},
            unregisterProducer: () => {},
            write: () => {
              throw new RangeError('no');
            },
          }),
          close: () => file.close(),
          abort: () => {
            receiver.unregisterProducer();
            return file.abort();
          },
        };
      }
    }
    const reported: unknown[] = [];
    const before = setUnhandledFailureHandler((failure) => reported.push(failure.value));
    const realm = { requestAvatar: () => ['', new Broken({ '/x': 'text' }), () => {}] as const };
    await serve(new Portal(realm, [users]));
    try {
      expect(await client.put('STOR x', deflateSync(NOISE))).to.match(/^451 /);
      expect(await client.say('SIZE x')).to.equal('213 4');
      expect(reported.map(String)).to.deep.equal(['RangeError: no']);
    } finally {
      setUnhandledFailureHandler(before);
    }
  });

  it('asks shells that are asked for each piece', async () => {
    const shell = new MemoryShell({ '/noise': NOISE });
    const realm = { requestAvatar: () => ['', shell, () => {}] as const };
    await serve(new Portal(realm, [users]));
    expect(inflateSync((await fetch(client, 'RETR noise'))[0]).equals(NOISE)).to.equal(true);
    expect(await client.put('STOR new', deflateSync(NOISE))).to.match(/^226 /);
    expect(shell.contents('/new')?.equals(NOISE)).to.equal(true);
  });
});

describe('ZlibPipe', () => {
  it('has its producer wait while its target does, and loses nothing', async () => {
    const target = new Collector();
    const pipe = new ZlibPipe(compressor(1), target, { failed: () => {} });
    let [paused, resumed] = [0, 0];
    let left = NOISE;
    let isPaused = false;
    const pump = (): void => {
      while (!isPaused && left.length > 0) {
        const piece = left.subarray(0, 100_000);
        left = left.subarray(100_000);
        pipe.write(piece);
      }
    };
    const producer: PushProducer = {
      pauseProducing: () => {
        paused += 1;
        isPaused = true;
      },
      resumeProducing: () => {
        resumed += 1;
        isPaused = false;
        pump();
      },
      stopProducing: () => {},
    };
    pipe.registerProducer(producer, true);
    pipe.pauseProducing();
    pump();
    expect(paused).to.equal(1);
    const stuck = left.length;
    expect(stuck).to.be.above(2_000_000);
    for (let turn = 0; turn < 50; turn++) await new Promise((done) => setImmediate(done));
    expect(target.pieces.length).to.equal(0);
    expect(left.length).to.be.above(1_000_000);
    pipe.resumeProducing();
    while (left.length > 0) await new Promise((done) => setImmediate(done));
    pipe.unregisterProducer();
    expect(target.producer).to.equal(pipe);
    await pipe.end();
    expect(target.producer).to.equal(null);
    expect(resumed).to.be.above(0);
    expect(inflateSync(Buffer.concat(target.pieces)).equals(NOISE)).to.equal(true);
  });

  it('stops its producer when it is stopped, and writes no more', async () => {
    const target = new Collector();
    const problems: string[] = [];
    const pipe = new ZlibPipe(decompressor(), target, {
      failed: (error) => void problems.push(String(error)),
    });
    let stopped = 0;
    const producer = {
      resumeProducing: () => {},
      stopProducing: () => {
        stopped += 1;
      },
    };
    pipe.registerProducer(producer, false);
    pipe.write(deflateSync(NOISE));
    pipe.stopProducing();
    pipe.stopProducing();
    pipe.write('more');
    await pipe.end();
    expect(stopped).to.equal(1);
    expect(target.pieces).to.deep.equal([]);
    expect(problems).to.deep.equal([]);
  });
});

describe('lftp and MODE Z', () => {
  it('moves files both ways compressed', async function () {
    this.timeout(60_000);
    try {
      await run('lftp', ['--version']);
    } catch {
      if (process.env['CI'] === 'true') throw new Error('Install lftp');
      this.skip();
    }
    const base = mkdtempSync(join(tmpdir(), 'strand-ftp-'));
    const wire: number[] = [];
    const served = new Served(
      {
        modeZ: true,
        onEvent: (event) => {
          if (event.type === 'transfer-finished' && event.kind !== 'listing') {
            wire.push(event.bytes);
          }
        },
      },
      { '/blanks': BLANKS },
    );
    try {
      writeFileSync(join(base, 'noise'), NOISE);
      writeFileSync(join(base, 'sheet'), BLANKS.subarray(0, 900_000));
      const script = [
        ...['set ftp:use-mode-z yes', 'set net:max-retries 1', 'set cmd:fail-exit yes'],
        `open -u alice,wonder ftp://127.0.0.1:${served.port}`,
        `get blanks -o ${join(base, 'blanks')}`,
        `put ${join(base, 'sheet')} -o sheet`,
        `put ${join(base, 'noise')} -o noise.txt`,
        'bye',
      ].join('; ');
      await run('lftp', ['-c', script], { timeout: 50_000 });
      expect(readFileSync(join(base, 'blanks')).equals(BLANKS)).to.equal(true);
      expect(served.shell.files.get('/sheet')?.equals(BLANKS.subarray(0, 900_000))).to.equal(true);
      expect(served.shell.files.get('/noise.txt')?.equals(NOISE)).to.equal(true);
      expect(wire).to.have.length(3);
      expect(Math.max(wire[0] ?? 0, wire[1] ?? 0)).to.be.below(10_000);
    } finally {
      rmSync(base, { recursive: true });
      await served.stop();
    }
  });
});
