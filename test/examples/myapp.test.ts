/** The showcase is used as people would: a browser at its page, lftp at its drop box, nc at its console, all at once. */
import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { expect } from 'chai';
import { useBrowser } from '../support/browser.ts';
import { Progress } from '../support/recorder.ts';
import { killChildren, ROOT, run, start, type TwistdChild } from '../support/twistd-child.ts';

const execute = promisify(execFile);

/** Leaves a test out where its programs are missing; where everything has to be there, it fails. */
async function needs(context: Mocha.Context, ...programs: string[]): Promise<void> {
  for (const program of programs) {
    try {
      await execute('sh', ['-c', `command -v ${program}`]);
    } catch {
      if (process.env['CI'] === 'true') throw new Error(`${program} is missing`);
      console.log(`      (install ${program} to run this)`);
      context.skip();
    }
  }
}

const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');

/** Somebody with nc at the console. */
class Visitor {
  readonly lines: string[] = [];
  readonly process: ChildProcessWithoutNullStreams;
  readonly #progress = new Progress();
  #rest = '';
  gone = false;

  constructor(port: number) {
    this.process = spawn('nc', ['127.0.0.1', String(port)]);
    this.process.stdin.on('error', () => {}); // it may be gone
    this.process.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop() ?? '';
      this.lines.push(...lines);
      this.#progress.changed();
    });
    this.process.on('close', () => {
      this.gone = true;
      this.#progress.changed();
    });
  }

  say(...lines: string[]): void {
    this.process.stdin.write(lines.map((line) => `${line}\n`).join(''));
  }

  async until(condition: () => boolean): Promise<void> {
    await this.#progress.until(() => condition() || this.gone);
    if (!condition()) throw new Error(`Only said: ${this.lines.join('\n')}`);
  }

  /** The first line that matches, said already or to come. */
  async hears(pattern: RegExp): Promise<string> {
    await this.until(() => this.lines.some((line) => pattern.test(line)));
    return this.lines.find((line) => pattern.test(line)) ?? '';
  }

  /** Waits for the end of the connection, which nc makes its own when it has nothing more to send. */
  async leaves(): Promise<void> {
    this.process.stdin.end();
    await this.until(() => this.gone);
  }

  /** What is said to one line, greeting and all before it left out. */
  async ask(line: string): Promise<string> {
    await this.until(() => this.lines.length > 0);
    const before = this.lines.length;
    this.say(line);
    await this.until(() => this.lines.length > before);
    return this.lines[before] ?? '';
  }
}

interface Ports {
  http: number;
  console: number;
  ftp: number;
}

describe('The showcase, hosted by twistd', function () {
  this.timeout(60_000);
  let folder: string;
  let data: string;
  let child: TwistdChild;
  let ports: Ports;
  const visitors: Visitor[] = [];

  async function begin(
    { http, console, ftp }: Ports = { http: 0, console: 0, ftp: 0 },
    { args = [], env = {} }: { args?: string[]; env?: NodeJS.ProcessEnv } = {},
  ): Promise<void> {
    const numbers = ['--http', `${http}`, '--console', `${console}`, '--ftp', `${ftp}`];
    child = start(
      [
        ...['--admin', '0', '--service', 'docs/examples/myapp', '--'],
        ...[...numbers, '--data', data, ...args],
      ],
      { env },
    );
    const port = async (factory: string): Promise<number> =>
      Number((await child.waitForLine(new RegExp(`${factory} listening on 127.0.0.1:(\\d+)`)))[1]);
    ports = {
      http: await port('Site'),
      console: await port('ConsoleFactory'),
      ftp: await port('DropBox'),
    };
    await child.waitForLine(/Started myapp/);
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'strand-myapp-'));
    data = join(folder, 'data');
  });

  afterEach(async () => {
    for (const visitor of visitors.splice(0)) visitor.process.kill();
    await killChildren();
    rmSync(folder, { recursive: true, force: true });
  });

  const visit = (): Visitor => {
    const visitor = new Visitor(ports.console);
    visitors.push(visitor);
    return visitor;
  };

  const lftp = async (...commands: string[]): Promise<string> => {
    const settings = ['net:max-retries 1', 'net:timeout 10', 'cmd:fail-exit yes'];
    const script = [
      ...settings.map((setting) => `set ${setting}`),
      `open -p ${ports.ftp} 127.0.0.1`,
      ...commands,
    ].join('; ');
    return (await execute('lftp', ['--norc', '-c', script], { cwd: folder })).stdout;
  };

  const curl = async (...args: string[]): Promise<string> =>
    (await execute('curl', ['-sS', '--max-time', '20', ...args], { cwd: folder })).stdout;
  const status = (...args: string[]): Promise<string> =>
    curl('-o', join(folder, 'answer'), '-w', '%{http_code}', ...args);
  const answer = (): string => readFileSync(join(folder, 'answer'), 'utf8');

  async function stopsWell(): Promise<void> {
    const { code, stderr } = await child.stop('SIGTERM');
    expect([code, stderr]).to.deep.equal([0, '']);
  }

  describe('in a browser', () => {
    const browser = useBrowser();

    it('shows at once what comes in by any door, and goes on by itself after a restart', async function () {
      await needs(this, 'lftp', 'nc');
      await begin();
      const url = `http://127.0.0.1:${ports.http}/`;
      const [ann, bob] = [await browser.open(), await browser.open()];
      const ids = `[...document.querySelectorAll('li')].map((li) => li.id)`;
      for (const { page } of [ann, bob]) {
        await page.goto(url);
        await page.waitForSelector('[data-state=live]');
        // Loaded again, it would not know of this any more.
        await page.evaluate('window.loadedOnce = true');
      }
      const carl = visit();
      expect(await carl.ask('WATCH')).to.equal('OK Watching');

      // Ann writes something; everybody sees it.
      await ann.page.fill('[name=author]', 'Ann');
      await ann.page.fill('[name=text]', 'Lunch at <b>one</b>?');
      await ann.page.click('button');
      for (const { page } of [ann, bob]) {
        await page.waitForSelector('#e1');
        expect(await page.textContent('#e1 p')).to.equal('Lunch at <b>one</b>?');
      }
      await ann.page.waitForFunction('document.querySelector("[name=text]").value === ""');
      await carl.hears(/^#1 Ann: Lunch at <b>one<\/b>\?$/);
      await ann.page.fill('[name=text]', '   ');
      await ann.page.click('button');
      await ann.page.waitForSelector('#problem:not(:empty)');
      expect(await ann.page.textContent('#problem')).to.equal('The text is missing');

      // Somebody drops a file; then it has been looked at by a thread.
      const name = `menu <img src=x onerror=alert(1)> & 'co'.txt`;
      writeFileSync(join(folder, name), 'soup\n'.repeat(1000));
      await lftp(`put "${name}"`);
      for (const { page } of [ann, bob]) {
        await page.waitForSelector('#e2 code');
        expect(await page.textContent('#e2 a')).to.equal(name);
        expect(await page.textContent('#e2')).to.contain('5000 bytes');
        expect(await page.textContent('#e2 code')).to.equal(sha256('soup\n'.repeat(1000)));
        expect(await page.textContent('#e2 .picture')).to.match(/^▃ {5}▃█ {8}$/);
      }
      const digest = sha256('soup\n'.repeat(1000)).slice(0, 12);
      expect(await carl.hears(new RegExp(digest))).to.contain(`somebody dropped ${name}, 5000`);
      const [download] = await Promise.all([
        bob.page.waitForEvent('download'),
        bob.page.click('#e2 a'),
      ]);
      expect(readFileSync(await download.path(), 'utf8')).to.equal('soup\n'.repeat(1000));

      // Dora says something by lines.
      const dora = visit();
      expect(await dora.ask('POST Dora: <script>document.title = "owned"</script>')).to.equal(
        'OK #3',
      );
      for (const { page } of [ann, bob]) {
        await page.waitForSelector('#e3');
        expect(await page.textContent('#e3 p')).to.contain('<script>');
        expect(await page.title()).to.equal('Board');
        const order = await page.evaluate(
          `[...document.querySelectorAll('li')].map((li) => li.id)`,
        );
        expect(order).to.deep.equal(['e3', 'e2', 'e1']);
      }
      expect(ann.complaints.filter((text) => !text.includes('422'))).to.deep.equal([]);
      expect(bob.complaints.filter((text) => !text.includes('ERR_ABORTED'))).to.deep.equal([]);

      // It stops though everybody is there, and says goodbye.
      await stopsWell();
      const [stopping, stopped] = ['Stopping', 'Stopped'].map((word) =>
        Date.parse(new RegExp(`^(\\S+) .*${word} myapp`, 'm').exec(child.output)?.[1] ?? ''),
      );
      // Nobody had to be waited for: the limit for pages that are being sent is ten seconds.
      expect(Number(stopped) - Number(stopping)).to.be.below(8000);
      await carl.hears(/^OK Goodbye: the board closes$/);
      await carl.leaves();
      await ann.page.waitForSelector('[data-state=connecting]');
      await begin(ports);
      for (const { page } of [ann, bob]) await page.waitForSelector('[data-state=live]');
      expect(await visit().ask('POST Eve: Back again')).to.equal('OK #4');
      for (const { page } of [ann, bob]) {
        await page.waitForSelector('#e4');
        expect(await page.evaluate('window.loadedOnce')).to.equal(true);
      }
      const fresh = await browser.open();
      await fresh.page.goto(url);
      expect(await fresh.page.evaluate(ids)).to.deep.equal(['e4', 'e3', 'e2', 'e1']);
      expect(await fresh.page.textContent('#e2 code')).to.equal(sha256('soup\n'.repeat(1000)));
      await stopsWell();
    });

    it('works without scripts as well', async () => {
      await begin();
      const { page } = await browser.open();
      await page.route('**/app.js', (route) => route.abort());
      await page.goto(`http://127.0.0.1:${ports.http}/`);
      await page.fill('[name=author]', 'Ann');
      await page.fill('[name=text]', 'So be it');
      await page.click('button');
      await page.waitForSelector('#e1');
      expect(await page.textContent('#e1 p')).to.equal('So be it');
      await page.fill('[name=author]', ' ');
      await page.fill('[name=text]', 'Nobody');
      await page.click('button');
      await page.waitForSelector('#problem:not(:empty)');
      expect(await page.textContent('#problem')).to.equal('The name is missing');
      await stopsWell();
    });
  });

  it('takes files, and lets nobody change or remove what is there', async function () {
    await needs(this, 'lftp', 'curl', 'nc');
    await begin();
    const inFolder = (name: string, text: string): void => writeFileSync(join(folder, name), text);
    inFolder('one.txt', 'first');
    await lftp('put one.txt');
    inFolder('one.txt', 'second');
    await lftp('put one.txt');
    const files = join(data, 'files');
    expect(readdirSync(files).sort()).to.deep.equal(['one.txt', 'one.txt.1']);
    expect(readFileSync(join(files, 'one.txt'), 'utf8')).to.equal('first');
    for (const command of ['rm one.txt', 'mv one.txt two.txt', 'mkdir sub', 'put one.txt -o .x']) {
      let error: unknown;
      await lftp(command).catch((reason) => {
        error = reason;
      });
      expect(String(error), command).to.match(/5\d\d/);
    }
    expect(readdirSync(files).sort()).to.deep.equal(['one.txt', 'one.txt.1']);
    expect(await lftp('cat one.txt')).to.equal('first');
    const visitor = visit();
    expect(await visitor.ask('STATUS')).to.equal('OK 0 notes, 2 files of 11 bytes, 0 watching');
    // What is dropped is never shown as a page of ours.
    inFolder('evil.html', '<script>alert(1)</script>');
    await lftp('put evil.html');
    const evil = await curl('-i', `http://127.0.0.1:${ports.http}/files/evil.html`);
    expect(evil)
      .to.match(/^content-disposition: attachment\r$/im)
      .and.match(/^content-security-policy: default-src 'none'; sandbox\r$/im)
      .and.match(/^x-content-type-options: nosniff\r$/im);
    await stopsWell();
  });

  it('lets only one user drop files when there is a password', async function () {
    await needs(this, 'curl', 'nc');
    await begin(undefined, { env: { MYAPP_PASSWORD: 'sesame' } });
    writeFileSync(join(folder, 'file'), 'x');
    const drop = (...user: string[]): Promise<number> =>
      curl('-T', 'file', ...user, `ftp://127.0.0.1:${ports.ftp}/`).then(
        () => 0,
        (error: { code: number }) => error.code,
      );
    expect(await drop()).to.equal(67);
    expect(await drop('-u', 'drop:simsalabim')).to.equal(67);
    expect(await drop('-u', 'drop:sesame')).to.equal(0);
    const visitor = visit();
    visitor.say('LIST');
    await visitor.hears(/^#1 drop dropped file, 1 bytes/);
    await stopsWell();
  });

  it('keeps to its limits, and says so', async function () {
    await needs(this, 'curl', 'nc');
    await begin();
    const url = `http://127.0.0.1:${ports.http}/`;
    const post = (text: string, ...more: string[]): Promise<string> =>
      status('-d', 'author=Ann', '--data-urlencode', `text=${text}`, ...more, url);
    expect(await post('hello')).to.equal('303');
    expect(await post('x'.repeat(501))).to.equal('422');
    expect(answer()).to.contain('The text has 501 characters: 500 are room for');
    expect(await post('x'.repeat(501), '-H', 'Accept: text/plain')).to.equal('422');
    expect(answer()).to.equal('The text has 501 characters: 500 are room for');
    expect(await post('x'.repeat(20_000))).to.equal('413');
    for (const site of ['cross-site', 'same-site']) {
      expect(await post('hello', '-H', `Sec-Fetch-Site: ${site}`)).to.equal('403');
    }
    expect(await post('hello', '-H', 'Sec-Fetch-Site: same-origin')).to.equal('303');
    const visitor = visit();
    expect(await visitor.ask('POST nobody')).to.equal('ERR The name is missing');
    expect(await visitor.ask('LIST 100')).to.equal('ERR LIST takes a number up to 99');
    expect(await visitor.ask('DANCE')).to.match(/^ERR Try POST/);
    expect(await visitor.ask('POST Bob: tab\u0007\u202eand bell')).to.equal('OK #3');
    visitor.say('LIST 1');
    expect(await visitor.hears(/^#3/)).to.equal('#3 Bob: tab and bell');
    expect(await visitor.ask('WATCH')).to.equal('OK Watching');
    expect(await visitor.ask('WATCH')).to.equal('ERR You are watching already');
    visitor.say('x'.repeat(10_000));
    await visitor.hears(/^ERR Line is too long: goodbye$/);
    await visitor.leaves();
    const page = await curl('-i', url);
    expect(page).to.match(/^content-security-policy: default-src 'self';/im);
    expect(page).not.to.match(/<script>|<style|style=|\son\w+=/i);
    await stopsWell();
  });

  it('does after the start what a stop has interrupted, and forgets what is old', async function () {
    await needs(this, 'nc');
    await begin();
    const first = visit();
    expect(await first.ask('POST Ann: old')).to.equal('OK #1');
    await stopsWell();
    const files = join(data, 'files');
    const names = Array.from({ length: 51 }, (_, n) => `file${n}`);
    for (const name of names) writeFileSync(join(files, name), name);
    const database = new Database(join(data, 'board.db'));
    const insert = database.prepare(
      "insert into entries (version, author, file, size, sha256) values (?, 'x', ?, 5, ?)",
    );
    for (const [n, name] of names.entries()) insert.run(n + 2, name, n < 49 ? sha256(name) : null);
    database.close();
    rmSync(join(files, 'file50'));
    await begin(undefined, { args: ['--keep', '50'] });
    const visitor = visit();
    expect(await visitor.ask('WATCH')).to.equal('OK Watching');
    // Whether it has seen it happen, or finds it done.
    visitor.say('LIST 50');
    await visitor.until(() => visitor.lines.some((line) => line === 'OK 50'));
    const digest = sha256('file49').slice(0, 12);
    await visitor.hears(new RegExp(`^#51 x dropped file49, 5 bytes, ${digest}`));
    await visitor.hears(/^#52 x dropped file50, 5 bytes, unreadable \[\]$/);
    const status = await visit().ask('STATUS');
    expect(status).to.equal('OK 0 notes, 50 files of 250 bytes, 1 watching');
    await stopsWell();
    expect(existsSync(join(files, 'file0'))).to.equal(false);
    expect(existsSync(join(files, 'file1'))).to.equal(true);
  });

  it('shows what another process has written', async function () {
    await needs(this, 'nc');
    await begin();
    const visitor = visit();
    expect(await visitor.ask('WATCH')).to.equal('OK Watching');
    const database = new Database(join(data, 'board.db'));
    database.exec("insert into entries (version, author, text) values (1, 'cron', 'It is noon')");
    database.close();
    await visitor.hears(/^#1 cron: It is noon$/);
    await stopsWell();
  });

  it('tells how it is', async function () {
    await needs(this, 'curl', 'nc');
    await begin();
    const [, admin] = await child.waitForLine(/Admin endpoint at .*?(\d+)\)?$/m);
    expect(await visit().ask('POST Ann: hello')).to.equal('OK #1');
    expect(await visit().ask('WATCH')).to.equal('OK Watching');
    const metrics = await curl(`http://127.0.0.1:${admin}/metrics`);
    expect(metrics)
      .to.match(/^myapp_followers\{.*service="myapp".*\} 1$/m)
      .and.match(/^myapp_entries_total\{.*kind="note".*\} 1$/m)
      .and.match(/^myapp_entries_total\{.*kind="file".*\} 0$/m)
      .and.match(/^strand_ftp_sessions/m);
    const tree = await curl(`http://127.0.0.1:${admin}/status`);
    for (const name of ['digester', 'look', 'tidy', 'page', 'console', 'drop box']) {
      expect(tree).to.contain(`"name":"${name}"`);
    }
    expect(await status(`http://127.0.0.1:${admin}/readyz`)).to.equal('200');
    await stopsWell();
  });

  it('is what npm start runs, and a unit of systemd with its options', async () => {
    const { scripts } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as {
      scripts: Record<string, string>;
    };
    expect(scripts['start']).to.equal('tsx twistd.ts --service docs/examples/myapp');
    mkdirSync(data);
    const help = await run(['--service', 'docs/examples/myapp', '--', '--help']);
    expect(help.stdout)
      .to.match(/--http <PORT> .*default: 8080/)
      .and.match(/--data <DIR> /);
    const { code, stdout } = await run([
      ...['--service', `${ROOT}docs/examples/myapp`, '-d', data],
      ...['install', '--print', '--startup', 'auto', '--username', 'nobody', '--', '--keep', '200'],
    ]);
    expect(code).to.equal(0);
    expect(stdout)
      .to.match(/^Type=notify$/m)
      .and.match(/^User=nobody$/m)
      .and.match(/^ExecStart=.*--keep"? "?200/m)
      .and.contain(`WorkingDirectory=${data}`);
  });
});
