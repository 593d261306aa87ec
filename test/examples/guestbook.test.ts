import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { Progress } from '../support/recorder.ts';
import { killChildren, start, type TwistdChild } from '../support/twistd-child.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Somebody at the door for lines. */
class Guest {
  readonly lines: string[] = [];
  readonly socket: Socket;
  readonly #progress = new Progress();
  #rest = '';
  gone = false;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop() ?? '';
      this.lines.push(...lines);
      this.#progress.changed();
    });
    const left = (): void => {
      this.gone = true;
      this.#progress.changed();
    };
    this.socket.on('close', left).on('error', left);
  }

  say(...lines: string[]): void {
    this.socket.write(lines.map((line) => `${line}\n`).join(''));
  }

  async until(condition: () => boolean): Promise<void> {
    await this.#progress.until(() => condition() || this.gone);
    if (!condition()) throw new Error(`Only said: ${this.lines.join('\n')}`);
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

describe('The guestbook example, hosted by twistd', function () {
  this.timeout(60_000);
  let folder: string;
  let child: TwistdChild;
  let ports: { http: number; lines: number };
  let agent: Agent;
  const guests: Guest[] = [];

  async function begin(): Promise<void> {
    const env = {
      GUESTBOOK_FILE: join(folder, 'guests.db'),
      GUESTBOOK_PORT: '0',
      GUESTBOOK_LINES: '0',
    };
    child = start(['--service', 'docs/examples/guestbook.ts'], { env });
    const port = async (factory: string): Promise<number> =>
      Number((await child.waitForLine(new RegExp(`${factory} listening on 127.0.0.1:(\\d+)`)))[1]);
    ports = { http: await port('Site'), lines: await port('TalkFactory') };
    await child.waitForLine(/Started guestbook/);
  }

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'strand-guestbook-'));
    agent = new Agent({ keepAlive: true, maxSockets: 50 });
    await begin();
  });

  afterEach(async () => {
    for (const guest of guests.splice(0)) guest.socket.destroy();
    agent.destroy();
    await killChildren();
    rmSync(folder, { recursive: true, force: true });
  });

  const arrive = (): Guest => {
    const guest = new Guest(ports.lines);
    guests.push(guest);
    return guest;
  };

  const http = (
    path: string,
    form?: Record<string, string>,
    headers: Record<string, string> = {},
    method = form === undefined ? 'GET' : 'POST',
  ): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const body = form === undefined ? '' : String(new URLSearchParams(form));
      const type = { 'Content-Type': 'application/x-www-form-urlencoded' };
      const sent = httpRequest(
        {
          ...{ port: ports.http, host: '127.0.0.1', path, method, agent },
          headers: { ...type, 'Content-Length': Buffer.byteLength(body), ...headers },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (part: string) => {
            text += part;
          });
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
          );
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });

  const sign = (name: string, text: string): Promise<Answer> => http('/', { name, text });

  it('is written at either door, read at both, and there again after a restart', async () => {
    const signed = await sign('Ann', 'Lovely garden');
    expect([signed.status, signed.headers.location]).to.deep.equal([303, '/']);
    const bob = arrive();
    expect(await bob.ask('sign Bob: So it is')).to.equal('OK 2');
    const page = async (): Promise<string> => (await http('/')).body;
    expect(await page())
      .to.match(/<b>Bob<\/b>.*So it is[\s\S]*<b>Ann<\/b>.*Lovely garden/)
      .and.to.match(/<form method="post"/);
    bob.say('LIST', 'QUIT');
    await bob.until(() => bob.gone);
    expect(bob.lines.slice(1)).to.deep.equal([
      'OK 2',
      'OK 2',
      '2 Bob: So it is',
      '1 Ann: Lovely garden',
      'OK Goodbye',
    ]);
    const first = await child.stop('SIGTERM');
    expect([first.code, first.stderr]).to.deep.equal([0, '']);
    await begin();
    expect(await page())
      .to.contain('Lovely garden')
      .and.to.contain('So it is');
    const eve = arrive();
    expect(await eve.ask('SIGN Eve: Back again')).to.equal('OK 3');
    const second = await child.stop('SIGINT');
    expect([second.code, second.stderr]).to.deep.equal([0, '']);
  });

  it('shows whatever is written as text, and never takes it for HTML, SQL or lines', async () => {
    const evil = `<script>alert("1")</script> & 'x'); drop table entries; --`;
    await sign(evil.slice(0, 80), evil);
    const { body, headers } = await http('/');
    expect(body).to.contain(
      '&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;); drop table entries; --',
    );
    expect(body).not.to.contain('<script');
    expect(headers['content-security-policy']).to.contain("default-src 'self'");
    await sign('two\r\nlines', 'and\nOK 99\u001b[31m\u202eback');
    const guest = arrive();
    guest.say('LIST 1');
    await guest.until(() => guest.lines.length >= 3);
    expect(guest.lines.slice(1)).to.deep.equal(['OK 1', '2 two lines: and OK 99 [31m back']);
  });

  it('keeps to its limits, and says so', async () => {
    const status = async (answer: Promise<Answer>): Promise<number> => (await answer).status;
    const long = await sign('Ann', 'x'.repeat(1001));
    expect([long.status, long.body.includes('The text has 1001 characters')]).to.deep.equal([
      422,
      true,
    ]);
    expect(await status(sign('\u{1f600}'.repeat(80), '\u{1f600}'.repeat(1000)))).to.equal(303);
    expect(await status(sign(' ', 'hello'))).to.equal(422);
    expect(await status(sign('Ann', 'x'.repeat(20_000)))).to.equal(413);
    expect(await status(http('/?before=1;drop'))).to.equal(404);
    expect(await status(http('/', undefined, {}, 'PUT'))).to.equal(405);
    const crossSite = { 'Sec-Fetch-Site': 'cross-site' };
    expect(await status(http('/', { name: 'a', text: 'b' }, crossSite))).to.equal(403);
    expect(await status(http('/', { name: 'a' }, { 'Content-Type': 'text/plain' }))).to.equal(415);
    const guest = arrive();
    expect(await guest.ask('SIGN : nobody')).to.equal('ERR The name is missing');
    expect(await guest.ask('SIGN no colon')).to.equal('ERR The name is missing');
    expect(await guest.ask('LIST 100')).to.equal('ERR LIST takes a number up to 99');
    expect(await guest.ask('DANCE')).to.match(/^ERR Try SIGN/);
    guest.say('x'.repeat(10_000));
    await guest.until(() => guest.lines.at(-1) === 'ERR Line is too long: goodbye');
    await guest.until(() => guest.gone);
  });

  it('shows a page at a time', async () => {
    const guest = arrive();
    for (let n = 1; n <= 45; n++) guest.say(`SIGN n: text ${n}`);
    await guest.until(() => guest.lines.includes('OK 45'));
    const numbers: string[][] = [];
    for (let path: string | undefined = '/'; path !== undefined; ) {
      const { body }: Answer = await http(path);
      numbers.push(body.match(/(?<=text )\d+/g) ?? []);
      path = /href="(\/\?before=\d+)"/.exec(body)?.[1];
    }
    const all = Array.from({ length: 45 }, (_, n) => String(45 - n));
    expect(numbers).to.deep.equal([all.slice(0, 20), all.slice(20, 40), all.slice(40)]);
  });

  it('serves many at both doors at once: nothing is lost, and each gets the answers to what it asked', async () => {
    const talk = async (who: number): Promise<void> => {
      const guest = arrive();
      guest.say(...Array.from({ length: 10 }, (_, n) => `SIGN line${who}: ${n}`), 'QUIT');
      await guest.until(() => guest.gone);
      expect(guest.lines).to.have.length(12);
      const given = guest.lines.slice(1, -1).map((line) => Number(/^OK (\d+)$/.exec(line)?.[1]));
      expect(given).to.deep.equal([...given].sort((a, b) => a - b));
    };
    const browse = async (who: number): Promise<void> => {
      for (let n = 0; n < 5; n++) {
        expect((await sign(`web${who}`, String(n))).status).to.equal(303);
        expect((await http('/')).status).to.equal(200);
      }
    };
    const numbers = Array.from({ length: 40 }, (_, n) => n);
    await Promise.all([...numbers.map(talk), ...numbers.map(browse)]);
    const guest = arrive();
    expect(await guest.ask('SIGN last: one')).to.equal('OK 601');
  });

  it('says goodbye when it is stopped, after the answers to what was asked', async () => {
    const [busy, idle] = [arrive(), arrive()];
    expect(await idle.ask('LIST 1')).to.equal('OK 0');
    await busy.until(() => busy.lines.length === 1);
    busy.say(...Array.from({ length: 200 }, (_, n) => `SIGN busy: ${n}`));
    await busy.until(() => busy.lines.length > 2);
    const { code, stderr } = await child.stop('SIGTERM');
    await Promise.all([busy, idle].map((guest) => guest.until(() => guest.gone)));
    expect([code, stderr]).to.deep.equal([0, '']);
    for (const guest of [busy, idle]) {
      expect(guest.lines.at(-1)).to.equal('OK Goodbye: the book closes');
    }
    const answered = busy.lines.length - 2;
    // What was answered is written, and nothing else.
    await begin();
    expect(await arrive().ask('SIGN after: all')).to.equal(`OK ${answered + 1}`);
  });

  it('talks to curl and to nc', async function () {
    const run = promisify(execFile);
    for (const program of ['curl', 'nc']) {
      try {
        await run('sh', ['-c', `command -v ${program}`]);
      } catch {
        if (process.env['CI'] === 'true') throw new Error(`${program} is missing`);
        console.log(`      (install ${program} to run this)`);
        this.skip();
      }
    }
    const url = `http://127.0.0.1:${ports.http}/`;
    const form = ['--data-urlencode', 'name=Curly', '--data-urlencode', 'text=a & b'];
    const { stdout } = await run('curl', ['-sL', '--max-time', '10', ...form, url]);
    expect(stdout).to.contain('<b>Curly</b>').and.to.contain('a &amp; b');
    const script = `printf 'LIST\\nQUIT\\n' | nc 127.0.0.1 ${ports.lines}`;
    expect((await run('sh', ['-c', script])).stdout.split('\n').slice(1)).to.deep.equal([
      'OK 1',
      '1 Curly: a & b',
      'OK Goodbye',
      '',
    ]);
  });
});
