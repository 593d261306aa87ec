import { execFileSync } from 'node:child_process';
import {
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { LogEntry, openSink } from '../../src/service/index.ts';
import { canBePutAside, dayOf, putAside } from '../../src/service/logging/rotation.ts';

const DAY = 86_400;

describe('log rotation', () => {
  let folder: string;
  let log: string;
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'strand-rotation-')));
    log = join(folder, 'log');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const files = (): string[] => readdirSync(folder).sort();
  const say = (text: string, time: number): LogEntry =>
    new LogEntry({ level: 'info', namespace: 'test', format: text, time });
  const make = (...names: string[]): void => {
    for (const name of names) writeFileSync(join(folder, name), name);
  };

  describe('putAside()', () => {
    it('numbers what was there before, and keeps as many as it is to', () => {
      make('log', 'log.1', 'log.2');
      putAside(log, { keep: 2 }, '');
      expect(files()).to.deep.equal(['log.1', 'log.2']);
      expect(readFileSync(`${log}.1`, 'utf8')).to.equal('log');
      expect(readFileSync(`${log}.2`, 'utf8')).to.equal('log.1');
      make('log');
      putAside(log, { keep: 0 }, '');
      expect(files()).to.deep.equal(['log.1', 'log.2', 'log.3']);
    });

    it('removes those that were kept when more were to be', () => {
      make('log', 'log.1', 'log.2', 'log.3', 'log.4', 'log.10');
      putAside(log, { keep: 2 }, '');
      expect(files(), 'what is after a gap is none of its own').to.deep.equal([
        'log.1',
        'log.10',
        'log.2',
      ]);
      expect(readFileSync(`${log}.2`, 'utf8')).to.equal('log.1');
    });

    it('calls it by its day, and keeps the newest, several of one day included', () => {
      make(
        'log',
        'log.2026-01-05',
        'log.2026-01-31',
        'log.2025-12-31',
        'log.1',
        'other.2025-01-01',
      );
      putAside(log, { daily: true, keep: 2 }, '2026-01-31');
      expect(files()).to.deep.equal([
        'log.1',
        'log.2026-01-31',
        'log.2026-01-31.1',
        'other.2025-01-01',
      ]);
      expect(readFileSync(`${log}.2026-01-31.1`, 'utf8')).to.equal('log');
    });

    it('never removes the newest, however often a log is put aside in a day', () => {
      for (let n = 1; n <= 12; n++) {
        writeFileSync(log, `${n}`);
        putAside(log, { daily: true, keep: 2 }, '2026-01-31');
        const texts = files().map((file) => readFileSync(join(folder, file), 'utf8'));
        expect(texts.map(Number).sort((a, b) => a - b)).to.deep.equal(n === 1 ? [1] : [n - 1, n]);
      }
    });

    it('puts aside what a link leads to, and leaves the link', function () {
      if (process.platform === 'win32') this.skip();
      mkdirSync(join(folder, 'big'));
      make('big/log');
      symlinkSync('big/log', log);
      putAside(log, {}, '');
      expect(readdirSync(join(folder, 'big'))).to.deep.equal(['log.1']);
      expect(files()).to.deep.equal(['big', 'log']);
    });
  });

  it('leaves devices alone', async function () {
    if (process.platform === 'win32') this.skip();
    for (const file of ['/dev/null', '/dev/stdout', '/proc/self/fd/1', folder]) {
      expect(canBePutAside(file), file).to.equal(false);
    }
    expect(canBePutAside(log)).to.equal(true);
    // One of the test's own: what is wrong would take the machine's away.
    const device = join(folder, 'null');
    try {
      execFileSync('mknod', [device, 'c', '1', '3'], { stdio: 'ignore' });
      closeSync(openSync(device, 'a'));
    } catch {
      this.skip(); // not root's, or in a folder that has none
    }
    const sink = await openSink({ file: device, rotation: { size: 10 } });
    for (let n = 0; n < 3; n++) sink.observer(say('a line that is longer than that', 0));
    sink.rotate?.();
    sink.close();
    expect(files()).to.deep.equal(['null']);
    expect(statSync(device).isCharacterDevice()).to.equal(true);
  });

  it('begins a new file with the first line of a day, whoever has written it', async () => {
    const now = Date.now() / 1000;
    writeFileSync(log, 'of the day before yesterday\n');
    utimesSync(log, now - 2 * DAY, now - 2 * DAY);
    const sink = await openSink({ file: log, rotation: { daily: true } });
    sink.append?.('of another process\n');
    const before = dayOf(now - 2 * DAY);
    expect(files()).to.deep.equal(['log', `log.${before}`]);
    expect(readFileSync(log, 'utf8')).to.equal('of another process\n');
    sink.observer(say('today', now));
    expect(files()).to.have.length(2);
    sink.observer(say('tomorrow', now + DAY));
    expect(files()).to.have.length(3);
    expect(readFileSync(log, 'utf8'))
      .to.match(/tomorrow\n$/)
      .and.not.to.include('today');
    sink.close();
  });

  it('goes on where it was when it cannot put the file aside, and does better the next time', async () => {
    const inner = join(folder, 'inner');
    mkdirSync(inner);
    const file = join(inner, 'log');
    const sink = await openSink({ file });
    sink.observer(say('one', 0));
    linkSync(file, join(folder, 'kept'));
    renameSync(inner, join(folder, 'away'));
    sink.rotate?.();
    const kept = (): string => readFileSync(join(folder, 'kept'), 'utf8');
    expect(kept()).to.match(/one\n.*error: Cannot put the log .* aside: .*ENOENT/);
    sink.rotate?.();
    mkdirSync(inner);
    sink.rotate?.();
    sink.observer(say('two', 0));
    expect(kept()).not.to.include('two');
    expect(readFileSync(file, 'utf8')).to.match(/two\n$/);
    // Files opened since then have the old one's number if that was closed once too often.
    await new Promise((resolve) => process.nextTick(resolve));
    sink.close();
  });
});
