/** Many sessions at once, with the server in a process of its own. */
import { type ChildProcess, fork } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { connectFTP, type FTPClient } from '../../../src/protocols/ftp/index.ts';
import type { Consumer, Data } from '../../../src/reactor/index.ts';

const SESSIONS = 200;
const SIZE = 10 * 1024 * 1024;
/** Files that are brought. */
const FILES = 8;
/** By how much what a session sends differs from what the next one does: each a stretch of the same bytes. */
const STEP = 4096;

/** What there is in memory-backed storage, if that has room for it all; else on the disk. */
function spaciousFolder(): string {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    if (bavail * bsize > SESSIONS * SIZE * 1.5) return '/dev/shm';
  } catch {} // not on this system
  return tmpdir();
}

/** Sums up what is written to it. */
class Sum implements Consumer {
  readonly #hash = createHash('sha256');
  bytes = 0;
  registerProducer(): void {}
  unregisterProducer(): void {}
  write(data: Data): void {
    this.#hash.update(data);
    this.bytes += Buffer.byteLength(data);
  }
  get hex(): string {
    return this.#hash.digest('hex');
  }
}

function sumOf(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

interface Census {
  readonly descriptors: number;
  readonly sessions: number;
  readonly most: number;
}

describe('An FTP server with many sessions', function () {
  this.timeout(120_000);
  const bytes = randomBytes(SIZE + SESSIONS * STEP);
  let root = '';
  let server: ChildProcess;
  let port = 0;

  before(async () => {
    root = mkdtempSync(join(spaciousFolder(), 'strand-ftp-'));
    mkdirSync(join(root, 'in'));
    for (let n = 0; n < FILES; n++) writeFileSync(join(root, `${n}`), sent(n));
    const program = fileURLToPath(new URL('./fixtures/server.ts', import.meta.url));
    server = fork(program, [root, String(SESSIONS)], { execArgv: ['--import', 'tsx'] });
    [port] = (await once(server, 'message')) as [number]; // what it says first
  });

  after(async () => {
    const gone = once(server, 'exit');
    server.disconnect();
    await gone;
    rmSync(root, { recursive: true });
  });

  function sent(session: number): Buffer {
    return bytes.subarray(session * STEP, session * STEP + SIZE);
  }

  async function census(): Promise<Census> {
    server.send('how are you');
    const [answer] = (await once(server, 'message')) as [Census]; // as the fixture sends it
    return answer;
  }

  const sums = Array.from({ length: FILES }, () => '');

  /** Both ways, half of the sessions in one order, half in the other. */
  async function session(client: FTPClient, number: number): Promise<void> {
    const bring = async (): Promise<void> => {
      const sum = new Sum();
      expect(await client.download(`${number % FILES}`, sum)).to.equal(SIZE);
      expect(sum.hex, `what session ${number} has brought`).to.equal(sums[number % FILES]);
    };
    const send = async (): Promise<void> => {
      const name = `in/${number}`;
      expect(await client.upload(sent(number), name)).to.equal(SIZE);
      const there = await client.checksum(name, 'sha256');
      expect(there, `what session ${number} has sent`).to.equal(sumOf(sent(number)));
      await client.removeFile(name);
    };
    for (const way of number % 2 === 0 ? [bring, send] : [send, bring]) await way();
  }

  it(`moves ${SIZE / 1024 / 1024} MiB both ways in each of ${SESSIONS} at once, with equal checksums, and leaves nothing behind`, async () => {
    for (let n = 0; n < FILES; n++) sums[n] = sumOf(sent(n));
    const before = await census();
    const options = { port, username: 'alice', password: 'wonder', timeout: 60 };
    const clients = await Promise.all(
      Array.from({ length: SESSIONS }, () => connectFTP('127.0.0.1', options)),
    );
    expect((await census()).sessions).to.equal(SESSIONS);
    await Promise.all(clients.map(session));
    expect((await census()).most, 'transfers at once').to.be.above(SESSIONS / 2);
    await Promise.all(clients.map((client) => client.quit()));
    let after = await census();
    // The last descriptors are closed by threads, a moment after the sessions are over.
    for (let tries = 0; tries < 1000 && after.descriptors > before.descriptors; tries++) {
      after = await census();
    }
    expect(after.sessions).to.equal(0);
    expect(after.descriptors, 'descriptors').to.be.at.most(before.descriptors);
    expect(readdirSync(join(root, 'in'))).to.deep.equal([]);
  });
});
