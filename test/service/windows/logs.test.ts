import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  defaultLogFile,
  defaultSource,
  lastLines,
  logFileOf,
} from '../../../src/service/windows/logs.ts';

describe('defaultLogFile()', () => {
  it('is below the folder for programs’ data', () => {
    expect(defaultLogFile('chat', { ProgramData: 'D:\\Data' })).to.equal(
      'D:\\Data\\strand\\logs\\chat.log',
    );
    expect(defaultLogFile('chat', {})).to.equal('C:\\ProgramData\\strand\\logs\\chat.log');
  });

  it('is a file whatever the service is called', () => {
    expect(defaultLogFile('a:b*"c"<d>|?\n', {})).to.match(/\\logs\\a_b__c__d____\.log$/);
    expect(defaultLogFile('Мой сервис', {})).to.match(/\\logs\\Мой сервис\.log$/);
    expect(defaultLogFile('x'.repeat(256), {})).to.match(/\\logs\\x{200}\.log$/);
    expect(defaultLogFile('..', {})).to.match(/\\logs\\\.\.\.log$/);
  });
});

describe('defaultSource()', () => {
  it('is the name, as far as a source may go', () => {
    expect(defaultSource('chat')).to.equal('chat');
    expect(defaultSource('x'.repeat(256))).to.equal('x'.repeat(255));
  });
});

describe('logFileOf()', () => {
  it('is what the command line names, before the arguments of the application', () => {
    expect(logFileOf('"C:\\n.exe" t.js --run-service a --logfile "C:\\a b.log" -- x')).to.equal(
      'C:\\a b.log',
    );
    expect(logFileOf('"C:\\n.exe" t.js --run-service a -- --logfile x')).to.equal(null);
    expect(logFileOf('C:\\n.exe')).to.equal(null);
    expect(logFileOf('C:\\n.exe --logfile')).to.equal(null);
  });
});

describe('lastLines()', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'strand-logs-'));
    file = join(folder, 'a.log');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  for (const [title, text, count, lines] of [
    ['fewer than asked for', 'a\nb\n', 5, ['a', 'b']],
    ['more than asked for', 'a\nb\nc\n', 2, ['b', 'c']],
    ['a last one without its end', 'a\r\nb', 2, ['a', 'b']],
    ['none', '', 2, []],
    ['none asked for', 'a\n', 0, []],
    ['empty ones', 'a\n\n\n', 2, ['', '']],
  ] as const) {
    it(`gives the last lines: ${title}`, () => {
      writeFileSync(file, text);
      expect(lastLines(file, count)).to.deep.equal(lines);
    });
  }

  it('looks at the end of a large file only, and shows no half lines', () => {
    writeFileSync(file, `${'漢'.repeat(100_000)}\n${'line of text\n'.repeat(1000)}last\n`);
    const lines = lastLines(file, 5000);
    expect(lines).to.have.length(1001);
    expect(lines[0]).to.equal('line of text');
    expect(lines.at(-1)).to.equal('last');
  });

  it('throws where there is none', () => {
    expect(() => lastLines(join(folder, 'none'), 1)).to.throw(/ENOENT/);
  });
});
