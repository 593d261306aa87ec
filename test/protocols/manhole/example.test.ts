/** The example of a manhole does what it says. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { hashPassword } from '../../../src/protocols/cred/index.ts';
import { Progress } from '../../support/recorder.ts';
import { killChildren, start } from '../../support/twistd-child.ts';

/** Somebody at a socket. */
class Person {
  readonly socket: Socket;
  readonly #progress = new Progress();
  #heard = '';
  #ended = false;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1').setEncoding('latin1');
    this.socket.on('data', (text: string) => {
      this.#heard += text;
      this.#progress.changed();
    });
    this.socket.on('close', () => {
      this.#ended = true;
      this.#progress.changed();
    });
  }

  /** Says a line, and waits for an answer that is not one to a line before. */
  async ask(line: string, answer: string): Promise<void> {
    this.#heard = '';
    this.socket.write(`${line}\r\n`);
    await this.#progress.until(() => this.#ended || this.#heard.includes(answer));
    expect(this.#heard).to.include(answer);
  }
}

describe('The example of a manhole', function () {
  this.timeout(60_000);
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'strand-manhole-'));
  });
  afterEach(async () => {
    await killChildren();
    rmSync(folder, { recursive: true });
  });

  it('manhole.ts lets whoever has the password look at the running server, and change it', async () => {
    const passwords = join(folder, 'passwords');
    writeFileSync(passwords, `ann:${await hashPassword('secret')}\n`);
    const child = start(['--service', 'docs/examples/manhole.ts'], {
      env: { PORT: '0', MANHOLE_PORT: '0', MANHOLE_PASSWORDS: passwords },
    });
    const ports = [
      await child.port(),
      Number((await child.waitForLine(/ManholeFactory listening on 127\.0\.0\.1:(\d+)/))[1]),
    ];
    const [user, ann] = [new Person(ports[0] ?? 0), new Person(ports[1] ?? 0)];
    await user.ask('ann', 'Hello ann\r\n');
    await ann.ask('ann', 'Password: ');
    await ann.ask('secret', '> ');
    await ann.ask('factory.lines', '1\r\n');
    await ann.ask('factory.greeting = "Goodbye"', "'Goodbye'");
    await user.ask('ann', 'Goodbye ann\r\n');
    user.socket.end();
    await child.waitForLine(/"ann" from 127\.0\.0\.1:\d+: evaluates "factory\.lines"/);
    expect((await child.stop()).code).to.equal(0);
  });

  it('manhole.ts has none unless it is asked for', async () => {
    const child = start(['--service', 'docs/examples/manhole.ts'], {
      env: { PORT: '0', MANHOLE_PORT: '0' },
    });
    await child.port();
    const { code, stdout } = await child.stop();
    expect(code).to.equal(0);
    expect(stdout).to.not.match(/manhole.* listening/i);
  });
});
