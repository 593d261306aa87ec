import { expect } from 'chai';
import fc from 'fast-check';
import { fail, reportFailure, setDebugging } from '../../src/deferred/index.ts';
import { logEvent } from '../../src/reactor/index.ts';
import {
  capturedLogs,
  formatMessage,
  LogEntry,
  type LogEntryParts,
  Logger,
  LogPublisher,
  textLine,
} from '../../src/service/index.ts';

const quiet = { urgent: null };

describe('formatMessage', () => {
  it('fills in fields', () => {
    expect(formatMessage('{who} joined {room}', { who: 'ann', room: 'lobby' })).to.equal(
      'ann joined lobby',
    );
  });

  it('looks inside, calls, shows and converts', () => {
    const user = { name: 'ann', rooms: ['a', 'b'], count: () => 2 };
    expect(
      formatMessage('{user.name} {user.rooms.1} {user.count()} {user.name!r} {user.name!s}', {
        user,
      }),
    ).to.equal("ann b 2 'ann' ann");
  });

  it('calls a method on its own object', () => {
    const counter = {
      n: 3,
      next(): number {
        return this.n + 1;
      },
    };
    expect(formatMessage('{counter.next()} {f()}', { counter, f: () => 'called' })).to.equal(
      '4 called',
    );
  });

  it('prefers a field whose name is the whole path', () => {
    expect(formatMessage('{a.b}', { 'a.b': 1, a: { b: 2 } })).to.equal('1');
  });

  it('takes doubled braces as braces', () => {
    expect(formatMessage('{{who}} is {who}', { who: 'ann' })).to.equal('{who} is ann');
  });

  it('leaves what is not there as it is written', () => {
    expect(formatMessage('{nobody} {a.b.c} {} {f()}', { a: {}, f: 1 })).to.equal(
      '{nobody} {a.b.c} {} {f()}',
    );
  });

  it('does not read braces in values', () => {
    expect(formatMessage('{text}', { text: '{secret}', secret: 'x' })).to.equal('{secret}');
  });

  it('shows values as people read them', () => {
    class Point {
      toString(): string {
        return '(1, 2)';
      }
    }
    expect(
      formatMessage('{a} {b} {c} {d} {e} {f}', {
        a: null,
        b: undefined,
        c: new Error('broken'),
        d: new Point(),
        e: [1, 'x'],
        f: { g: 1 },
      }),
    ).to.equal("null undefined broken (1, 2) [ 1, 'x' ] { g: 1 }");
  });

  it('says what went wrong with a field instead of throwing', () => {
    const bad = {
      get field(): never {
        throw new Error('no');
      },
    };
    expect(formatMessage('a {bad.field} b', { bad })).to.equal('a {bad.field: no} b');
    const worse = {
      toString(): string {
        throw worse;
      },
    };
    expect(formatMessage('{worse}', { worse })).to.equal('{worse: cannot be shown}');
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string(), fc.dictionary(fc.string(), fc.anything()), (format, fields) => {
        expect(formatMessage(format, fields)).to.be.a('string');
      }),
    );
  });
});

describe('LogPublisher', () => {
  function entry(message: string, level: LogEntryParts['level'] = 'info'): LogEntry {
    return new LogEntry({ level, namespace: 'test', format: message, time: 0 });
  }

  it('hands entries to every observer that wants their level', () => {
    const publisher = new LogPublisher(quiet);
    const all: string[] = [];
    const bad: string[] = [];
    publisher.addObserver(({ message }) => all.push(message));
    publisher.addObserver(({ message }) => bad.push(message), { level: 'error' });
    publisher.publish(entry('fine'));
    publisher.publish(entry('broken', 'critical'));
    expect(all).to.deep.equal(['fine', 'broken']);
    expect(bad).to.deep.equal(['broken']);
  });

  it('wants() says whether a level goes anywhere', () => {
    const publisher = new LogPublisher(quiet);
    expect(publisher.wants('debug')).to.equal(true);
    const observer = (): void => {};
    publisher.addObserver(observer, { level: 'warn' });
    expect([publisher.wants('info'), publisher.wants('warn')]).to.deep.equal([false, true]);
    publisher.removeObserver(observer);
    expect(publisher.wants('debug')).to.equal(true);
  });

  it('keeps entries for the first observer, in order', () => {
    const publisher = new LogPublisher(quiet);
    publisher.publish(entry('one'));
    publisher.publish(entry('two'));
    const [first, second]: [string[], string[]] = [[], []];
    publisher.addObserver(({ message }) => first.push(message));
    publisher.addObserver(({ message }) => second.push(message));
    publisher.publish(entry('three'));
    expect(first).to.deep.equal(['one', 'two', 'three']);
    expect(second).to.deep.equal(['three']);
  });

  it('keeps no more than it should and says how many it forgot', () => {
    const publisher = new LogPublisher({ ...quiet, history: 3 });
    for (let n = 1; n <= 100; n++) publisher.publish(entry(`message ${n}`));
    const seen: string[] = [];
    publisher.addObserver(({ message }) => seen.push(message));
    expect(seen).to.deep.equal([
      '97 earlier messages were forgotten before the log began',
      'message 98',
      'message 99',
      'message 100',
    ]);
  });

  it('keeps memory for no more than twice what it is to keep', () => {
    const publisher = new LogPublisher({ ...quiet, history: 3 });
    for (let n = 1; n <= 100; n++) publisher.publish(entry(`message ${n}`));
    expect(publisher.takeHistory().length).to.be.within(3, 6);
  });

  it('shows warnings and worse at once while nobody observes, unless told to hold them', () => {
    const urgent: string[] = [];
    const publisher = new LogPublisher({ urgent: ({ message }) => urgent.push(message) });
    publisher.publish(entry('info'));
    publisher.publish(entry('warning', 'warn'));
    const release = publisher.hold();
    publisher.publish(entry('held', 'critical'));
    release();
    publisher.publish(entry('again', 'error'));
    expect(urgent).to.deep.equal(['warning', 'again']);
  });

  it('goes on after an observer that throws, keeps calling it, and tells the others', () => {
    const publisher = new LogPublisher(quiet);
    const seen: string[] = [];
    let calls = 0;
    publisher.addObserver(function broken() {
      calls += 1;
      throw new Error('full');
    });
    publisher.addObserver((one) => seen.push(`${one.level} ${one.message}`));
    publisher.publish(entry('one'));
    publisher.publish(entry('two'));
    expect(calls).to.equal(2);
    expect(seen).to.deep.equal([
      'critical A log observer failed: broken',
      'info one',
      'critical A log observer failed: broken',
      'info two',
    ]);
  });

  it('comes to an end when several observers always throw', () => {
    const publisher = new LogPublisher(quiet);
    const seen: string[] = [];
    for (const name of ['a', 'b']) {
      publisher.addObserver(() => {
        throw new Error(name);
      });
    }
    publisher.addObserver(({ failure }) => seen.push(failure?.getErrorMessage() ?? 'entry'));
    publisher.publish(entry('one'));
    expect(seen).to.include.members(['a', 'b', 'entry']);
  });
});

describe('Logger', () => {
  it('publishes with its namespace, a level per method, fields and time', () => {
    const publisher = new LogPublisher(quiet);
    const seen: LogEntry[] = [];
    publisher.addObserver((one) => seen.push(one));
    const log = new Logger('chat', { publisher });
    log.debug('{n}', { n: 1 });
    log.info('{n}', { n: 2 });
    log.warn('{n}', { n: 3 });
    log.error('{n}', { n: 4 });
    log.critical('{n}', { n: 5 });
    expect(
      seen.map(({ level, message, namespace }) => `${namespace} ${level} ${message}`),
    ).to.deep.equal([
      'chat debug 1',
      'chat info 2',
      'chat warn 3',
      'chat error 4',
      'chat critical 5',
    ]);
    expect(seen.every(({ time }) => time > 1.6e9)).to.equal(true);
  });

  it('failure() carries what was thrown, critical unless said otherwise', () => {
    const publisher = new LogPublisher(quiet);
    const seen: LogEntry[] = [];
    publisher.addObserver((one) => seen.push(one));
    const log = new Logger('chat', { publisher });
    log.failure('While {what}', new Error('boom'), { what: 'talking' });
    log.failure('Hm', 'text', {}, 'warn');
    expect(seen.map(({ level, message }) => `${level} ${message}`)).to.deep.equal([
      'critical While talking',
      'warn Hm',
    ]);
    expect(seen.map(({ failure }) => failure?.getErrorMessage())).to.deep.equal(['boom', 'text']);
  });

  it('does not even make an entry that nobody wants', () => {
    const publisher = new LogPublisher(quiet);
    publisher.addObserver(() => {}, { level: 'error' });
    publisher.publish = () => {
      throw new Error('published');
    };
    new Logger('chat', { publisher }).info('nothing');
  });
});

describe('textLine', () => {
  const at = (parts: Partial<LogEntryParts>): string =>
    textLine(
      new LogEntry({
        level: 'info',
        namespace: 'chat',
        format: 'hello',
        time: 1_700_000_000.123,
        ...parts,
      }),
    );

  it('gives time with its offset, namespace, level and message', () => {
    const line = at({});
    expect(line).to.match(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.123[+-]\d\d:\d\d \[chat\] info: hello\n$/,
    );
    expect(new Date(line.slice(0, 29)).getTime()).to.equal(1_700_000_000_123);
  });

  it('puts the traceback below, indented', () => {
    const [first, second, third] = at({ failure: failureOf(new Error('boom')) }).split('\n');
    expect(first).to.match(/info: hello$/);
    expect(second).to.equal('\tError: boom');
    expect(third).to.match(/^\t\s+at /);
  });

  it('lets nobody forge a line or send escape sequences to the terminal', () => {
    const line = at({
      format: '{text}',
      fields: { text: 'x\n2026-01-01T00:00:00.000+00:00 [root] info: all is well\r\x1b[2J\u009b' },
      namespace: 'evil\u001b',
    });
    expect(
      line
        .trimEnd()
        .split('\n')
        .slice(1)
        .every((part) => part.startsWith('\t')),
    ).to.equal(true);
    for (const sign of ['\x1b', '\r', '\u009b']) expect(line).not.to.include(sign);
    expect(line).to.include('\\x0d\\x1b[2J\\x9b');
    expect(line).to.include('[evil\\x1b]');
  });

  it('is coloured by level only when asked', () => {
    const entry = new LogEntry({ level: 'error', namespace: 'chat', format: 'hello', time: 0 });
    expect(textLine(entry)).not.to.include('\x1b');
    const coloured = textLine(entry, { colours: true });
    expect(coloured.startsWith('\x1b[31m')).to.equal(true);
    expect(coloured.endsWith('hello\x1b[0m\n')).to.equal(true);
  });

  it('shows an entry whose error cannot be shown', () => {
    const error = new Error('x');
    Object.defineProperty(error, 'message', {
      get() {
        throw new Error('no');
      },
    });
    expect(at({ failure: failureOf(error) })).to.include('an error that cannot be shown');
  });

  function failureOf(error: Error): NonNullable<LogEntryParts['failure']> {
    const publisher = new LogPublisher(quiet);
    const seen: LogEntry[] = [];
    publisher.addObserver((one) => seen.push(one));
    new Logger('x', { publisher }).failure('x', error);
    const failure = seen[0]?.failure;
    if (failure === undefined) throw new Error('no failure');
    return failure;
  }
});

describe('capturedLogs', () => {
  it('collects what loggers, the reactor and unhandled failures say, and nothing from before or after', async () => {
    const before = capturedLogs();
    new Logger('early').info('early');
    before.stop();
    const logs = capturedLogs();
    new Logger('chat').info('{n} users', { n: 2 });
    logEvent({
      level: 'info',
      system: 'Echo,1,127.0.0.1',
      message: 'not {a} field',
      fields: { a: 1 },
    });
    reportFailure(new Error('boom'), 'Unhandled error in a test');
    logs.stop();
    logEvent({ level: 'info', system: 'later', message: 'later' });
    expect(
      logs.entries.map(({ namespace, level, message }) => [namespace, level, message]),
    ).to.deep.equal([
      ['chat', 'info', '2 users'],
      ['Echo,1,127.0.0.1', 'info', 'not {a} field'],
      ['strand', 'critical', 'Unhandled error in a test'],
    ]);
    expect(logs.entries[1]?.fields).to.deep.equal({ a: 1 });
    expect(logs.entries[2]?.failure?.getErrorMessage()).to.equal('boom');
  });

  it("gets a Deferred's failure once, with the stacks when debugging is on", async () => {
    const logs = capturedLogs();
    setDebugging(true);
    fail(new Error('lost'));
    setDebugging(false);
    await new Promise<void>((resolve) =>
      process.nextTick(() => queueMicrotask(() => process.nextTick(resolve))),
    );
    logs.stop();
    expect(logs.entries.map(({ failure }) => failure?.getErrorMessage())).to.deep.equal(['lost']);
    expect(logs.entries[0]?.fields).to.have.keys('createdAt', 'firedAt');
  });
});
