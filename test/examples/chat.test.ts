import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { ChatFactory } from '../../docs/examples/chat.ts';
import { Clock, IPv4Address, StringTransport } from '../../src/reactor/index.ts';
import { Progress } from '../support/recorder.ts';
import { killChildren, start, type TwistdChild } from '../support/twistd-child.ts';

const CHAT = 'docs/examples/chat.ts';

/** Somebody who chats, over a socket of Node's own. */
class Person {
  readonly lines: string[] = [];
  readonly progress = new Progress();
  readonly socket: Socket;
  ended = false;
  error: Error | undefined;
  #rest = '';

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setEncoding('utf8');
    this.socket.on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop() ?? '';
      this.lines.push(...lines);
      this.progress.changed();
    });
    this.socket.on('end', () => {
      this.ended = true;
      this.progress.changed();
    });
    this.socket.on('error', (error) => {
      this.error = error;
      this.progress.changed();
    });
  }

  say(line: string): void {
    this.socket.write(`${line}\n`);
  }

  until(condition: () => boolean): Promise<void> {
    return this.progress.until(condition);
  }

  heard(line: string | RegExp): Promise<void> {
    return this.until(() =>
      this.lines.some((heard) => (typeof line === 'string' ? heard === line : line.test(heard))),
    );
  }

  async enter(nick: string, room: string): Promise<void> {
    await this.heard(/^\* Welcome!/);
    this.say(`/nick ${nick}`);
    this.say(`/join ${room}`);
    await this.heard(/^\* You are in/);
  }
}

describe('The chat example, hosted by twistd', function () {
  this.timeout(60_000);
  let child: TwistdChild;
  let port: number;
  const people: Person[] = [];

  beforeEach(async () => {
    child = start(['--service', CHAT], { env: { CHAT_PORT: '0' } });
    port = Number((await child.waitForLine(/listening on 127\.0\.0\.1:(\d+)/))[1]);
  });

  afterEach(async () => {
    for (const person of people.splice(0)) person.socket.destroy();
    await killChildren();
  });

  const arrive = (): Person => {
    const person = new Person(port);
    people.push(person);
    return person;
  };

  it('serves 300 people at once: each sends 100 lines and hears 100, none lost, out of order or astray', async () => {
    const crowd = Array.from({ length: 300 }, arrive);
    await Promise.all(crowd.map((person, n) => person.enter(`p${n}`, `room${Math.floor(n / 2)}`)));
    const partnerOf = (n: number): number => n ^ 1;
    for (let line = 0; line < 100; line++) {
      for (const [n, person] of crowd.entries()) person.say(`${n} says ${line}`);
    }
    const said = (person: Person): string[] => person.lines.filter((line) => line.startsWith('<'));
    await Promise.all(crowd.map((person) => person.until(() => said(person).length >= 100)));
    for (const [n, person] of crowd.entries()) {
      const partner = partnerOf(n);
      const expected = Array.from(
        { length: 100 },
        (_, line) => `<p${partner}> ${partner} says ${line}`,
      );
      expect(said(person)).to.deep.equal(expected);
    }
    // They are still there, and some have just spoken: all are told goodbye.
    for (const person of crowd.slice(0, 50)) person.say('one more thing');
    const outcome = await child.stop('SIGTERM');
    await Promise.all(
      crowd.map((person) => person.until(() => person.ended || person.error !== undefined)),
    );
    for (const person of crowd) {
      expect(person.lines.at(-1)).to.equal('* The server is closing: goodbye');
    }
    expect(outcome.code).to.equal(0);
    expect(outcome.stderr).to.equal('');
  });

  it('has nicknames, rooms, private messages and lists', async () => {
    const [ann, bob, eve] = [arrive(), arrive(), arrive()];
    await ann.enter('ann', 'garden');
    await bob.enter('bob', 'garden');
    await eve.enter('eve', 'cellar');
    await ann.heard('* bob came in');
    ann.say('hello');
    await bob.heard('<ann> hello');
    bob.say('/msg eve over here');
    await eve.heard('[bob] over here');
    ann.say('/who');
    await ann.heard('* Here: ann, bob');
    ann.say('/rooms');
    await ann.heard('* Rooms: garden, cellar');
    eve.say('/nick ann');
    await eve.heard('* ann is taken');
    eve.say('/nick 1\u001b[31m');
    await eve.heard('* 1[31m will not do: letters, digits, - and _');
    eve.say('/msg nobody hi');
    await eve.heard('* There is nobody called nobody');
    eve.say('/dance');
    await eve.heard('* There is no /dance: try /help');
    bob.say('/quit');
    await bob.until(() => bob.ended);
    await ann.heard('* bob is gone');
    expect(eve.lines).to.not.include('<ann> hello');
  });

  it('says goodbye to whoever sends a line without end', async () => {
    const [flood, calm] = [arrive(), arrive()];
    await flood.heard(/Welcome/);
    await calm.heard(/Welcome/);
    flood.socket.write('x'.repeat(100_000));
    await flood.heard('* Lines end after 512 bytes: goodbye');
    await flood.until(() => flood.ended || flood.error !== undefined);
    calm.say('/who');
    await calm.heard(/^\* Here: guest\d$/);
  });

  /** Runs a real client against the server: it says these lines, one after each thing it hears. */
  const converse = async (
    client: string,
    args: string[],
    script: Array<[RegExp, string]>,
  ): Promise<string> => {
    const person: ChildProcessWithoutNullStreams = spawn(client, args);
    let text = '';
    const ended = new Promise<string>((resolve) => person.on('close', () => resolve(text)));
    person.stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more;
      const [next] = script;
      if (next?.[0].test(text)) {
        script.shift();
        person.stdin.write(next[1]);
      }
      // nc stays for what its own input may still bring.
      if (text.includes('* Goodbye')) person.stdin.end();
    });
    return ended;
  };

  for (const [client, lineEnd] of [
    ['nc', '\n'],
    ['telnet', '\r\n'],
  ] as const) {
    it(`talks to ${client}`, async function () {
      if (spawnSync('sh', ['-c', `command -v ${client}`]).status !== 0) {
        if (process.env['CI'] === 'true') throw new Error(`${client} is missing`);
        console.log(`      (install ${client} to run this: apt-get install netcat-openbsd telnet)`);
        this.skip();
      }
      const text = await converse(
        client,
        ['127.0.0.1', String(port)],
        [
          [/Welcome/, `/nick visitor${lineEnd}`],
          [/You are visitor now/, `/quit${lineEnd}`],
        ],
      );
      expect(text).to.contain('* You are visitor now').and.to.contain('* Goodbye');
    });
  }
});

describe('The protocol of the chat example', () => {
  it('keeps whoever talks too fast waiting, and loses nothing', () => {
    const clock = new Clock();
    const factory = new ChatFactory();
    factory.clock = clock;
    const enter = (): [StringTransport, (text: string) => void] => {
      const transport = new StringTransport();
      const chat = factory.buildProtocol(new IPv4Address('TCP', '127.0.0.1', 1));
      chat?.makeConnection(transport);
      return [transport, (text) => chat?.dataReceived(Buffer.from(text))];
    };
    const [listener] = enter();
    const [, say] = enter();
    const heard = (): string[] =>
      listener
        .value()
        .toString()
        .match(/(?<=<guest2> )\d+/g) ?? [];
    say(Array.from({ length: 300 }, (_, n) => `${n}\n`).join(''));
    // 200 at once, and the one that finds the bucket empty; from then on 50 in a second.
    expect(heard()).to.have.length(201);
    clock.advance(0.019);
    expect(heard()).to.have.length(201);
    clock.pump(Array.from({ length: 50 }, () => 0.02));
    expect(heard()).to.have.length(251);
    clock.pump(Array.from({ length: 60 }, () => 0.02));
    expect(heard()).to.deep.equal(Array.from({ length: 300 }, (_, n) => String(n)));
  });

  it('shows the door to whoever does not listen', () => {
    const transport = new StringTransport();
    const chat = new ChatFactory().buildProtocol(new IPv4Address('TCP', '127.0.0.1', 1));
    chat?.makeConnection(transport);
    const { producer } = transport;
    if (producer === null || !('pauseProducing' in producer)) throw new Error('No push producer');
    // What a transport does when more is unsent than it will hold.
    producer.pauseProducing();
    expect(transport.disconnected).to.equal(true);
  });
});
