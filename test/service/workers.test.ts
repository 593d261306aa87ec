import { once } from 'node:events';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect, type NetConnectOpts } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { expect } from 'chai';
import { certificates } from '../support/certificates.ts';
import { Lifelines } from '../support/lifelines.ts';
import { fixture, killChildren, run, start, type TwistdChild } from '../support/twistd-child.ts';

const APP = fixture('apps/who.ts');

/** Asks once who answers, over a connection of its own. Fails when that is refused or broken. */
async function ask(where: NetConnectOpts, path = '/'): Promise<number> {
  const socket = connect(where);
  let answer = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    answer += text;
  });
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  await once(socket, 'close');
  return Number(/^HTTP\/1.1 200 [\s\S]*\r\n\r\n(\d+)$/.exec(answer)?.[1] ?? Number.NaN);
}

/** All who answer: asks until as many have. */
async function everybody(where: NetConnectOpts, count: number): Promise<number[]> {
  const seen = new Set<number>();
  while (seen.size < count) {
    for (const pid of await Promise.all(Array.from({ length: 8 }, () => ask(where)))) seen.add(pid);
  }
  return [...seen].sort();
}

describe('twistd --workers', function () {
  this.timeout(60_000);
  let folder: string;
  let lifelines: Lifelines;

  beforeEach(async () => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'strand-workers-')));
    lifelines = await Lifelines.listen();
  });
  afterEach(async () => {
    await killChildren();
    lifelines.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Where the workers listen, when as many as there are have started. */
  async function started(child: TwistdChild, workers: number): Promise<NetConnectOpts> {
    await child.waitForLine(/^\S+ \[twistd\] info: Started who$/m);
    const ports = [...child.output.matchAll(/listening on 127\.0\.0\.1:(\d+)/g)].map(([, port]) =>
      Number(port),
    );
    expect(ports).to.have.length(workers);
    expect(new Set(ports).size, 'they share one port').to.equal(1);
    return { host: '127.0.0.1', port: ports[0] ?? 0 };
  }

  it('has several processes share a port, replaces them one by one on SIGHUP, while not one connection is refused or broken, and stops them together', async () => {
    const lives = [1, 2, 3, 4].map(() => lifelines.next('who'));
    const child = start(['--service', APP, '--workers', '2'], {
      env: { WHO_LIFELINE: String(lifelines.port) },
    });
    const where = await started(child, 2);
    const before = await everybody(where, 2);
    expect(before).not.to.include(child.pid);
    let over = false;
    let answered = 0;
    const load = Array.from({ length: 4 }, async () => {
      while (!over) {
        expect(await ask(where)).to.be.above(0);
        answered += 1;
      }
    });
    child.signal('SIGHUP');
    await Promise.race([child.waitForLine(/All workers are replaced/), Promise.all(load)]);
    over = true;
    await Promise.all(load);
    expect(answered).to.be.above(10);
    const after = await everybody(where, 2);
    for (const pid of before) expect(after).not.to.include(pid);
    const { code, stdout, stderr } = await child.stop();
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    for (const number of [1, 2]) expect(stdout).to.include(`#${number} [twistd] info: Stopped who`);
    expect(stdout).to.match(/ \[twistd\] info: Stopped who\n$/);
    for (const life of lives) await (await life).gone;
  });

  it('starts one again that has ended, while the others serve, and leaves none behind when the supervisor is killed', async () => {
    const lives = [1, 2, 3].map(() => lifelines.next('who'));
    const child = start(['--service', APP, '--workers', '2'], {
      env: { WHO_LIFELINE: String(lifelines.port) },
    });
    const where = await started(child, 2);
    const before = await everybody(where, 2);
    expect(await ask(where, '/crash')).to.be.NaN;
    await child.waitForLine(/error: Worker \d \(process \d+\) has ended with code 3$/m);
    expect(before).to.include(await ask(where));
    await child.waitForLine(/info: Worker \d starts again in \d/);
    await child.waitForLine(/starts again[\s\S]*Worker \d has started/);
    const after = await everybody(where, 2);
    expect(after).not.to.deep.equal(before);
    await child.stop('SIGKILL');
    for (const life of lives) await (await life).gone;
  });

  it('ends with the reason when the first cannot start', async () => {
    const { code, stderr } = await run(['--service', APP, '--workers', '2'], {
      env: { WHO_FAIL: 'not today' },
    });
    expect(code).to.equal(1);
    expect(stderr).to.match(
      /^twistd: Cannot start application "who": Worker 1 has not started: Cannot load application ".*who.ts": importing .* failed: not today\n/,
    );
  });

  it('shares a UNIX socket, which outlives each of them, and leaves nothing', async function () {
    if (process.platform === 'win32') this.skip();
    const path = join(folder, 'sock');
    for (let round = 0; round < 2; round++) {
      const child = start(['--service', APP, '--workers', '2'], { env: { WHO_PATH: path } });
      await child.waitForLine(/^\S+ \[twistd\] info: Started who$/m);
      const before = await everybody({ path }, 2);
      if (round === 0) {
        child.signal('SIGHUP');
        await child.waitForLine(/All workers are replaced/);
        const after = await everybody({ path }, 2);
        for (const pid of before) expect(after).not.to.include(pid);
      }
      expect((await child.stop()).code).to.equal(0);
      expect(readdirSync(folder)).to.deep.equal([]);
    }
  });

  it('shares a port with TLS too, of a sub-command that is there', async () => {
    const { server, ca } = certificates();
    writeFileSync(join(folder, 'cert'), server.cert);
    writeFileSync(join(folder, 'key'), server.key);
    const child = start(
      [
        ...['--workers', '2', 'web', '--path', folder, '--port', '0', '--https', '0'],
        ...['--certificate', 'cert', '--privkey', 'key'],
      ],
      { cwd: folder },
    );
    await child.waitForLine(/^\S+ \[twistd\] info: Started web$/m);
    const ports = [...child.output.matchAll(/listening on .*?(\d+)$/gim)].map(([, port]) => port);
    expect(ports).to.have.length(4);
    expect(new Set(ports).size).to.equal(2);
    const answers = await Promise.all(
      [...new Set(ports)].map(async (port) => {
        const secured = tlsConnect({ port: Number(port), host: '127.0.0.1', ca: ca.cert });
        return await once(secured, 'secureConnect').then(
          () => secured.end().authorized,
          () => false,
        );
      }),
    );
    expect(answers.sort()).to.deep.equal([false, true]);
    expect((await child.stop()).code).to.equal(0);
  });

  it('writes one log, and one pid file, as a daemon too', async function () {
    if (process.platform === 'win32') this.skip();
    const lives = [1, 2].map(() => lifelines.next('who'));
    const args = ['--service', APP, '--workers', '2', '--daemonize', '-d', folder];
    const { code, stderr } = await run(args, { env: { WHO_LIFELINE: String(lifelines.port) } });
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    const log = (): string => readFileSync(join(folder, 'twistd.log'), 'utf8');
    expect(log())
      .to.match(/ \[twistd\] info: Worker 2 has started/)
      .and.to.match(/ #1 \[twistd\] info: Started who/)
      .and.to.match(/ #2 \[twistd\] info: Started who/);
    process.kill(Number(readFileSync(join(folder, 'twistd.pid'), 'utf8')), 'SIGTERM');
    for (const life of lives) await (await life).gone;
  });
});
