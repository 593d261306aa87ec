import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Failure } from '../../src/deferred/index.ts';
import { LogEntry, Logger, openSink, startLogging } from '../../src/service/index.ts';

describe('openSink', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'strand-log-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('appends lines of text to a file, at once', async () => {
    const file = join(folder, 'log');
    for (const message of ['one', 'two']) {
      const sink = await openSink({ file });
      sink.observer(new LogEntry({ level: 'info', namespace: 'test', format: message, time: 0 }));
      expect(readFileSync(file, 'utf8')).to.match(new RegExp(`info: ${message}\n$`));
      sink.close();
    }
    expect(readFileSync(file, 'utf8').split('\n')).to.have.length(3);
  });

  it('writes JSON lines whose facts cannot be mistaken for ours', async () => {
    const file = join(folder, 'log');
    const sink = await openSink({ file, format: 'json' });
    const circular: Record<string, unknown> = { level: 'fake', time: 'fake', big: 10n };
    Object.assign(circular, { self: circular });
    sink.observer(
      new LogEntry({
        level: 'warn',
        namespace: 'chat',
        format: 'level is {level}',
        fields: circular,
        time: 1,
      }),
    );
    sink.observer(
      new LogEntry({
        level: 'critical',
        namespace: 'chat',
        format: 'line\nbreak',
        failure: new Failure(Object.assign(new TypeError('boom'), { code: 'E_BOOM' })),
        time: 2.5,
      }),
    );
    sink.close();
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(lines).to.have.length(2);
    const [first, second] = lines.map((line) => JSON.parse(line));
    expect(first).to.include({
      level: 'warn',
      time: '1970-01-01T00:00:01.000Z',
      namespace: 'chat',
      message: 'level is fake',
      pid: process.pid,
    });
    expect(first.fields).to.include({ level: 'fake', time: 'fake' });
    expect(second).to.include({
      level: 'critical',
      message: 'line\nbreak',
      time: '1970-01-01T00:00:02.500Z',
    });
    expect(second.error).to.include({ type: 'TypeError', code: 'E_BOOM', message: 'boom' });
    expect(second.error.traceback).to.match(/^TypeError: boom\n\s+at /);
    expect(second).not.to.have.property('fields');
  });

  it('fails with a StartError that names a file which cannot be opened', async () => {
    for (const file of [join(folder, 'missing', 'log'), folder]) {
      const error = await openSink({ file }).then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(error).to.include({ code: 'ERR_START' });
      expect(String(error)).to.include(`Cannot open log file ${JSON.stringify(file)}: `);
    }
  });

  it('survives a full disk: never throws, keeps a bounded amount, and closes', async function () {
    if (!existsSync('/dev/full')) this.skip();
    for (const format of ['text', 'json'] as const) {
      const sink = await openSink({ file: '/dev/full', format, maxBuffered: 10_000 });
      for (let n = 0; n < 1000; n++) {
        sink.observer(new LogEntry({ level: 'info', namespace: 'test', format: `message ${n}` }));
      }
      sink.close();
    }
  });
});

describe('startLogging', () => {
  it('writes what was said before and since, at its level and above, until it is stopped', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'strand-log-'));
    try {
      const file = join(folder, 'log');
      const log = new Logger('chat');
      log.info('before');
      const logging = await startLogging({ file, level: 'info' });
      log.info('since');
      log.debug('too mild');
      logging.stop();
      log.info('after');
      const text = readFileSync(file, 'utf8');
      expect(text).to.include('before').and.to.include('since');
      expect(text).not.to.include('too mild').and.not.to.include('after');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
