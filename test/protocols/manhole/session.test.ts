import { expect } from 'chai';
import fc from 'fast-check';
import { CancelledError, Deferred, Failure } from '../../../src/deferred/index.ts';
import { Manhole, type ManholeOptions } from '../../../src/protocols/manhole/index.ts';
import {
  Clock,
  ConnectionDone,
  type LogEvent,
  StringTransport,
  setLogObserver,
} from '../../../src/reactor/index.ts';
import { FailureTrap } from '../../support/recorder.ts';
import { byteByByte, cutAt, someCuts } from '../support.ts';

let clock: Clock;
let transport: StringTransport;
let session: Manhole;
let log: LogEvent[];
let restoreLog: () => void;

function begin(options: ManholeOptions = {}): void {
  clock = new Clock();
  transport = new StringTransport();
  session = new Manhole('ann', { clock, banner: 'Hi', ...options });
  session.makeConnection(transport);
}

/** What was shown since the last time. */
function shown(): string {
  const text = transport.value().toString();
  transport.clear();
  return text;
}

/** Types a line, or more, and gives what is shown up to the next prompt. */
function type(text: string): string {
  shown();
  session.dataReceived(Buffer.from(text));
  return shown();
}

/** Lets promises arrive. */
async function turns(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

const messages = (): string[] => log.map(({ message }) => message);

describe('Manhole', () => {
  beforeEach(() => {
    log = [];
    const previous = setLogObserver((event) => log.push(event));
    restoreLog = () => setLogObserver(previous);
    begin();
  });
  afterEach(() => {
    session.connectionLost(new Failure(new ConnectionDone()));
    restoreLog();
  });

  it('greets, and shows what comes of a line', () => {
    expect(shown()).to.equal('Hi\n> ');
    expect(type('1 + 1\n')).to.equal('2\n> ');
    expect(type('_ * 2\n')).to.equal('4\n> ');
    expect(type('let a = [1, {b: 2}]\n')).to.equal('> ');
    expect(type('a\n')).to.equal('[ 1, { b: 2 } ]\n> ');
    expect(type('\n')).to.equal('> ');
  });

  it('asks for more until code is complete, and ^C forgets it', () => {
    expect(type('function f(x) {\n')).to.equal('... ');
    expect(type('  return x\n')).to.equal('... ');
    expect(type('}\n')).to.equal('> ');
    expect(type('f(3)\n')).to.equal('3\n> ');
    expect(type('[1,\n\x03')).to.equal('... ^C\n> ');
    expect(type('2\n')).to.equal('2\n> ');
  });

  it('shows errors with their stack, up to the session', () => {
    expect(type('nowhere\n')).to.match(
      /^Uncaught ReferenceError: nowhere is not defined\n {4}at manhole:1:1\n> $/,
    );
    expect(type('throw new Error("x", { cause: 5 })\n')).to.match(
      /^Uncaught Error: x\n {4}at manhole:1:7\n[\s\S]*\[cause\]: 5[\s\S]*> $/,
    );
    expect(type('throw 5\n')).to.equal('Uncaught 5\n> ');
    expect(type('x = ]\n')).to.match(
      /^Uncaught [\s\S]*SyntaxError: Unexpected token '\]'[\s\S]*> $/,
    );
  });

  it('shows Deferreds and promises when they arrive', async () => {
    const deferred = new Deferred<string>();
    const failing = new Deferred<string>();
    begin({
      namespace: { deferred, failing, promise: Promise.resolve(7), done: Promise.reject(8) },
    });
    expect(type('deferred\n')).to.equal('Deferred #1\n> ');
    expect(type('promise\n')).to.equal('Promise #2\n> ');
    expect(type('done\n')).to.equal('Promise #3\n> ');
    expect(type('failing\n')).to.equal('Deferred #4\n> ');
    const [trap, seen] = [new FailureTrap(), [] as unknown[]];
    deferred.callback('value');
    expect(shown()).to.equal("\nDeferred #1: 'value'\n> ");
    // What the application does with it gets what it would have got.
    deferred.addCallback((result) => seen.push(result));
    expect(seen).to.deep.equal(['value']);
    failing.errback(new CancelledError());
    expect(shown()).to.match(/^\nDeferred #4 failed: Uncaught CancelledError/);
    failing.addErrback((failure) => seen.push(failure.type?.name));
    expect(seen).to.deep.equal(['value', 'CancelledError']);
    await turns();
    expect(shown()).to.equal('\nPromise #2: 7\n> \nPromise #3 failed: Uncaught 8\n> ');
    expect(type('deferred\n')).to.match(/^Deferred #5: \d\n> $/);
    trap.restore();
  });

  it('waits for what is awaited, and keeps what is typed meanwhile', async () => {
    let resolve: (value: unknown) => void = () => {};
    begin({ namespace: { wait: () => new Promise((done) => (resolve = done)) } });
    expect(type('const x = 1 + await wait()\nx\n')).to.equal('');
    expect(type('x + 1\n')).to.equal('');
    resolve(5);
    await turns();
    expect(shown()).to.equal('> 6\n> 7\n> ');
    expect(type('await wait()\n')).to.equal('');
    resolve('there');
    await turns();
    expect(shown()).to.equal("'there'\n> ");
    expect(type('_\n')).to.equal("'there'\n> ");
    type('await Promise.reject(new TypeError("no"))\n');
    await turns();
    expect(shown()).to.match(/^Uncaught TypeError: no\n/);
  });

  it('keeps 64 KiB of what is typed meanwhile, and no more', async () => {
    type('await 0\r');
    session.dataReceived(Buffer.from('1 + 1\r'));
    session.dataReceived(Buffer.alloc(65_536, '2'));
    session.dataReceived(Buffer.from('1 + 2\r'));
    await turns();
    const text = shown();
    expect(text).to.equal('0\n> 2\n> 3\n> ');
    expect(text).to.not.include('222');
  });

  it('^C stops waiting, and drops what was typed meanwhile', async () => {
    let resolve: (value: unknown) => void = () => {};
    begin({ namespace: { wait: () => new Promise((done) => (resolve = done)) } });
    type('await wait()\n1 + 1\n');
    expect(type('\x033\n')).to.equal('^C\n> 3\n> ');
    resolve('late');
    await turns();
    expect(shown()).to.equal('');
    // All in one piece.
    expect(type('await wait()\n1\n\x032\n')).to.equal('^C\n> 2\n> ');
  });

  it('shows what is said by console, and nothing that a terminal would obey', () => {
    expect(type('console.log("a", {b: 1}); console.error("%s!", "x"); 5\n')).to.equal(
      'a { b: 1 }\nx!\n5\n> ',
    );
    expect(type('console.log("\\x1b[2J\\x07\\x9b\\u0000\\ttab\\nline")\n')).to.equal(
      '^[[2J^G\\x9b^@\ttab\nline\n> ',
    );
    expect(type('"\\x1b[2J"\n')).to.equal("'\\x1B[2J'\n> ");
  });

  it('what is said later comes before the line that is being typed', () => {
    const calls: Array<() => void> = [];
    begin({ namespace: { later: (f: () => void) => calls.push(f) } });
    session.terminalEcho(true);
    type('later(() => console.log("tick"))\r');
    type('half');
    calls[0]?.();
    expect(shown()).to.equal('\r\x1b[Ktick\n\r> half\x1b[K');
  });

  it('shows what is typed where it has to', () => {
    session.terminalEcho(true);
    expect(type('1')).to.equal('1');
    expect(type('+1\r')).to.equal('+1\n2\n> ');
    session.terminalEcho(false);
    expect(type('1\n')).to.equal('1\n> ');
  });

  it('has colours for terminals that have them', () => {
    expect(type('1\n')).to.equal('1\n> ');
    session.terminalType('XTERM-256COLOR');
    expect(type('1\n')).to.equal('\x1b[33m1\x1b[39m\n> ');
    session.terminalType('DUMB');
    expect(type('1\n')).to.equal('1\n> ');
  });

  it('shows no more of a thing than makes sense', () => {
    expect(type('"x".repeat(1e6)\n').length).to.be.below(11_000);
    expect(type('console.log("x".repeat(1e6))\n').length).to.be.below(101_000);
    expect(
      type('({ get [Symbol.for("nodejs.util.inspect.custom")]() { throw new Error("no") } })\n'),
    ).to.match(/cannot be shown: no/);
  });

  it('survives what cannot be looked at', async () => {
    const traps =
      "new Proxy({}, { has() { throw new Error('no') }, getPrototypeOf() { throw 1 } })";
    expect(type(`${traps}\r`)).to.match(/Uncaught[\s\S]*> $/);
    const fixed = "Object.defineProperty(globalThis, '_', { value: 1, configurable: false }), 2";
    expect(type(`${fixed}\r`)).to.match(/Uncaught TypeError[\s\S]*> $/);
    type('await 3\r');
    await turns();
    expect(shown()).to.match(/Uncaught TypeError[\s\S]*> $/);
    expect(type('4\r')).to.match(/> $/);
    expect(transport.disconnecting).to.equal(false);
  });

  it('evaluates nothing of a line, or of lines, that are too long', () => {
    begin({ maxLineLength: 20, maxCodeLength: 30 });
    expect(type(`globalThis.done = 1${' '.repeat(10)}\n`)).to.equal(
      'Too long: nothing was evaluated\n> ',
    );
    expect(type('typeof done\n')).to.equal("'undefined'\n> ");
    expect(type('[1, 2, 3, 4, 5,\n6, 7, 8, 9, 10]\n')).to.equal(
      '... Too long: nothing was evaluated\n> ',
    );
  });

  it('closes on ^D in an empty line, and after a while of nothing', () => {
    type('1\x04\n');
    expect(transport.disconnecting).to.equal(false);
    type('\x04');
    expect(transport.disconnecting).to.equal(true);
    expect(transport.producer).to.equal(null);
    begin();
    expect(type('\x04globalThis.late = 1\r')).to.equal('\n');
    expect(messages().some((message) => message.includes('late'))).to.equal(false);
    begin({ idleTimeout: 10 });
    clock.advance(9);
    type('1\n');
    clock.advance(9);
    expect(transport.disconnecting).to.equal(false);
    clock.advance(1);
    expect(transport.disconnecting).to.equal(true);
    expect(shown()).to.match(/Idle for too long/);
    expect(messages().at(-1)).to.equal('"ann" from 192.168.1.1:54321: session was idle for 10 s');
    session.connectionLost(new Failure(new ConnectionDone()));
    expect(clock.getDelayedCalls()).to.deep.equal([]);
    begin({ idleTimeout: null });
    expect(clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('drops what a peer does not read, and says how much', () => {
    const calls: Array<() => void> = [];
    begin({ namespace: { later: (f: () => void) => calls.push(f) } });
    type('later(() => { for (let i = 0; i < 100; i++) console.log(i) })\n');
    session.pauseProducing();
    calls[0]?.();
    expect(shown()).to.equal('');
    session.resumeProducing();
    expect(shown()).to.match(/\[300 pieces of output were dropped/);
    expect(type('1\n')).to.equal('1\n> ');
  });

  it('logs when it begins and ends, and what is evaluated', () => {
    type('1 +\n1\n');
    type(`"${'x'.repeat(2000)}"\n`);
    session.connectionLost(new Failure(new ConnectionDone()));
    const [, evaluates, long] = messages();
    expect(messages()).to.have.length(4);
    expect(messages()[0]).to.equal('"ann" from 192.168.1.1:54321: session begins');
    expect(evaluates).to.equal('"ann" from 192.168.1.1:54321: evaluates "1 +\\n1"');
    expect(long).to.have.length.below(1100);
    expect(messages()[3]).to.equal('"ann" from 192.168.1.1:54321: session ends');
    expect(log.every(({ level, system }) => level === 'info' && system === 'Manhole')).to.equal(
      true,
    );
    begin({ logCommands: false });
    type('1\n');
    expect(messages().filter((message) => message.includes('evaluates'))).to.have.length(2);
  });

  it('does the same with whatever is typed, however it is cut', () => {
    const typed = fc.constantFrom(
      ...[
        '1',
        '+',
        ' ',
        '(',
        ')',
        'x',
        '"',
        '`',
        '{',
        '}',
        '\n',
        '\r',
        '\r\n',
        '\x03',
        '\x04',
        '\x7f',
      ],
      ...['\x1b[D', '\x1b[A', '\x1b', '[', '\x01', 'é', '\xff', '//', 'let x = 1', 'throw 1'],
    );
    const outcome = (pieces: readonly Buffer[], echo: boolean): unknown => {
      begin();
      session.terminalEcho(echo);
      for (const piece of pieces) session.dataReceived(piece);
      const all = shown();
      session.connectionLost(new Failure(new ConnectionDone()));
      return all;
    };
    fc.assert(
      fc.property(
        fc.array(typed, { maxLength: 30 }),
        someCuts,
        fc.boolean(),
        (some, cuts, echo) => {
          const bytes = Buffer.from(some.join(''));
          const whole = outcome([bytes], echo);
          expect(outcome(cutAt(bytes, cuts), echo)).to.equal(whole);
          expect(outcome(byteByByte(bytes), echo)).to.equal(whole);
        },
      ),
      { numRuns: 40 },
    );
  }).timeout(20_000);

  it('says nothing any more once it is over', async () => {
    begin({ namespace: { promise: Promise.resolve(1), hook: { f: () => {} } } });
    type('hook.f = () => console.log("late"); promise\n');
    type('await promise\n2\n');
    session.connectionLost(new Failure(new ConnectionDone()));
    await turns();
    expect(shown()).to.equal('');
  });
});
