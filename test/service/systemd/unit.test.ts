import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { UsageError } from '../../../src/service/index.ts';
import {
  serviceUnit,
  setupIn,
  socketUnit,
  type UnitDescription,
} from '../../../src/service/posix/systemd/unit.ts';

const PLAIN: UnitDescription = {
  description: 'Chat',
  command: ['/usr/bin/env', 'true'],
  directory: '/tmp',
  requires: [],
  user: null,
  group: null,
  umask: null,
  environment: {},
  restart: 1,
  watchdog: 30,
  stopTimeout: 10,
  disabled: false,
  reloads: false,
  hardening: true,
  writable: [],
  forUser: false,
  socketUnit: null,
  setup: { a: ['%', '\n', '"'] },
};

/** What systemd makes of a quoted line: its rules of systemd.syntax(7) and systemd.service(5), read backwards. */
function words(line: string): string[] {
  const found: string[] = [];
  for (const [, quoted, plain] of line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)) {
    const text = quoted?.replace(/\\(.)/g, (_, c: string) => ({ n: '\n', t: '\t' })[c] ?? c);
    found.push((text ?? plain ?? '').replaceAll('%%', '%').replaceAll('$$', '$'));
  }
  return found;
}

describe('serviceUnit()', () => {
  it('hands each argument on as it is', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary-ascii' })), (args) => {
        const clean = args.map((arg) => arg.replace(/[^\x20-\x7e\n\t]/g, ''));
        const unit = serviceUnit({ ...PLAIN, command: ['/bin/x', ...clean] });
        const line = /^ExecStart=(.*)$/m.exec(unit)?.[1] ?? '';
        expect(words(line)).to.deep.equal(['/bin/x', ...clean]);
      }),
    );
  });

  it('keeps systemd from putting anything in place of what is there', () => {
    const unit = serviceUnit({
      ...PLAIN,
      command: ['/bin/x', '$HOME', '$(HOME)/a', '%h', 'a %h', '100%'],
      environment: { A: '%h $B' },
      directory: '/srv/%h',
      writable: ['/var/%h'],
    });
    expect(unit).to.include('ExecStart=/bin/x "$$HOME" "$$(HOME)/a" "%%h" "a %%h" "100%%"\n');
    // In the value of a variable, a dollar sign is one.
    expect(unit).to.include('Environment="A=%%h $B"\n');
    expect(unit).to.include('WorkingDirectory=/srv/%%h\n').and.to.include('"-/var/%%h"');
    expect(unit.replaceAll('%%', '')).to.not.include('%h');
  });

  it('keeps what it was made with', () => {
    expect(setupIn(serviceUnit(PLAIN))).to.deep.equal(PLAIN.setup);
    expect(setupIn('[Unit]\n')).to.equal(null);
    expect(setupIn('[X-Strand]\nSetup={')).to.equal(null);
  });

  it('keeps a description and a variable on their lines', () => {
    const unit = serviceUnit({
      ...PLAIN,
      description: 'one\n[Service]\nUser=root',
      environment: { A: 'x\nUser=root' },
    });
    expect(unit).to.include('Description=one [Service] User=root\n');
    expect(unit).to.include('Environment="A=x\\nUser=root"\n');
    expect(unit).not.to.match(/^User=/m);
    // A carriage return ends a line too, and a backslash takes the next one in.
    const odd = serviceUnit({
      ...PLAIN,
      description: 'one\rUser=root \\',
      command: ['/bin/x', 'a\rUser=root'],
      environment: { A: 'x\r\0User=root\u0085' },
    });
    expect(odd).to.include('Description=one User=root\nAfter=');
    expect(odd).to.include('ExecStart=/bin/x "a\\x0dUser=root"\n');
    expect(odd).to.include('Environment="A=x\\x0d\\x00User=root\\xc2\\x85"\n');
    expect(odd).not.to.match(/[\r\0]/);
    for (const directory of ['/a\nUser=root', '/a\rb', '/a\\', '/a ']) {
      expect(() => serviceUnit({ ...PLAIN, directory }), directory).to.throw(
        UsageError,
        `Cannot have directory ${JSON.stringify(directory)} in a unit`,
      );
    }
  });

  it('has restrictions, fewer for a user, none if none are wanted', () => {
    expect(serviceUnit(PLAIN)).to.include('ProtectSystem=strict\n').and.to.include('NoNewPriv');
    const user = serviceUnit({ ...PLAIN, forUser: true });
    expect(user).to.include('NoNewPrivileges=yes').and.to.include('WantedBy=default.target');
    expect(user).not.to.include('ProtectSystem');
    expect(serviceUnit({ ...PLAIN, hardening: false })).not.to.match(/NoNewPriv|Protect/);
    expect(serviceUnit(PLAIN)).not.to.match(/MemoryDenyWriteExecute/);
  });

  it('is what systemd takes', function () {
    if (spawnSync('systemd-analyze', ['--version']).status !== 0) {
      if (process.env['CI'] === 'true') throw new Error('Install systemd');
      this.skip();
    }
    this.timeout(60_000);
    const folder = mkdtempSync(join(tmpdir(), 'strand-unit-'));
    try {
      for (const [name, description] of Object.entries({
        plain: PLAIN,
        odd: {
          ...PLAIN,
          command: ['/usr/bin/env', 'a b', 'c"d', "e'f", '$HOME', '%h', '\\', '', 'é', ';'],
          environment: { A: 'b "c" %d $e' },
          user: 'daemon',
          group: 'nogroup',
          umask: 0o22,
          restart: null,
          watchdog: 0,
          reloads: true,
          writable: ['/var/tmp/with space'],
        },
        free: { ...PLAIN, hardening: false, forUser: true },
        activated: { ...PLAIN, socketUnit: 'activated.socket' },
      })) {
        const file = join(folder, `${name}.service`);
        writeFileSync(file, serviceUnit(description));
        const files = [file];
        if (description.socketUnit !== null) {
          files.push(join(folder, description.socketUnit));
          writeFileSync(
            files[1] ?? '',
            socketUnit('Chat', ['8080', '127.0.0.1:81', '[::1]:82', '/run/chat', '@chat']),
          );
        }
        const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...files], {
          encoding: 'utf8',
        });
        const own = stderr.split('\n').filter((line) => line.includes(folder));
        expect({ name, status, own }).to.deep.equal({ name, status: 0, own: [] });
      }
      // It does find mistakes.
      const bad = join(folder, 'bad.service');
      writeFileSync(bad, serviceUnit(PLAIN).replace('KillMode=mixed', 'KillMode=none of them'));
      const { stderr } = spawnSync('systemd-analyze', ['verify', bad], { encoding: 'utf8' });
      expect(stderr).to.match(/kill ?mode/i);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
