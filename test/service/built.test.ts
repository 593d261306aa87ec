import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { killChildren, ROOT, run, start } from '../support/twistd-child.ts';

/** Newer versions of Node do; the types of the oldest one do not know of it. */
const readsTypeScript = Boolean(Reflect.get(process.features, 'typescript'));

describe('twistd as it is built', () => {
  let folder: string;
  const program = (): string => join(folder, 'strand/dist/twistd.js');

  before(function () {
    this.timeout(60_000);
    folder = mkdtempSync(join(tmpdir(), 'strand-built-'));
    const home = join(folder, 'strand');
    mkdirSync(home);
    symlinkSync(join(ROOT, 'package.json'), join(home, 'package.json'));
    symlinkSync(join(ROOT, 'node_modules'), join(home, 'node_modules'));
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(home, join(folder, 'node_modules/strand'));
    // What does not fit the types elsewhere is the type check's business, not this test's.
    spawnSync(process.execPath, [
      join(ROOT, 'node_modules/typescript/bin/tsc'),
      '-p',
      join(ROOT, 'tsconfig.build.json'),
      '--outDir',
      join(home, 'dist'),
    ]);
    const text = `import { Application } from 'strand';\nexport const application = Application('built');\n`;
    writeFileSync(join(folder, 'plain.mjs'), text);
    writeFileSync(join(folder, 'typed.ts'), text);
    // What `npm init -y` makes.
    mkdirSync(join(folder, 'initial'));
    writeFileSync(join(folder, 'initial/package.json'), '{ "type": "commonjs" }');
    writeFileSync(join(folder, 'initial/plain.js'), text);
    writeFileSync(join(folder, 'initial/typed.ts'), text);
    writeFileSync(
      join(folder, 'initial/old.js'),
      text
        .replace(/^import (.*) from (.*);/, 'const $1 = require($2);')
        .replace('export const ', 'exports.'),
    );
  });
  after(async () => {
    await killChildren();
    rmSync(folder, { recursive: true });
  });

  it('hosts an application in JavaScript that imports the installed package', async () => {
    const child = start(['--service', 'plain'], {
      cwd: folder,
      program: program(),
      nodeArguments: [],
    });
    await child.waitForLine(/Started built/);
    expect((await child.stop()).code).to.equal(0);
  });

  it('hosts one in TypeScript where TypeScript can be read', async () => {
    const child = start(['--service', 'typed'], { cwd: folder, program: program() });
    await child.waitForLine(/Started built/);
    expect((await child.stop()).code).to.equal(0);
  });

  it('has declarations that stand up to a type check of their own', () => {
    const rooms = [
      'deferred',
      'reactor',
      'protocols',
      'protocols/http',
      'protocols/ftp',
      'adbapi',
      'service',
    ];
    const lines = ['strand', ...rooms.map((room) => `strand/${room}`)].map(
      (entry, n) => `import * as entry${n} from '${entry}';\nvoid entry${n};\n`,
    );
    writeFileSync(join(folder, 'entries.mts'), lines.join(''));
    symlinkSync(join(ROOT, 'node_modules/@types'), join(folder, 'node_modules/@types'));
    const { status, stdout } = spawnSync(
      process.execPath,
      [
        join(ROOT, 'node_modules/typescript/bin/tsc'),
        ...'--noEmit --strict --exactOptionalPropertyTypes --skipLibCheck false --module NodeNext --target ES2022 --types node'.split(
          ' ',
        ),
        'entries.mts',
      ],
      { cwd: folder, encoding: 'utf8' },
    );
    expect({ status, stdout }).to.deep.equal({ status: 0, stdout: '' });
  });

  describe('in a project that never said its files are ES modules', () => {
    const tsx = undefined;
    for (const [reader, app, nodeArguments] of [
      ['node', 'plain', []],
      ['node', 'old', []],
      ['tsx', 'plain', tsx],
      ['tsx', 'typed', tsx],
      ['node', 'typed', []],
    ] as const) {
      // Nothing to install would make an older Node read TypeScript: there it is the test below that applies.
      if (reader === 'node' && app === 'typed' && !readsTypeScript) continue;
      it(`hosts ${app} under ${reader}`, async () => {
        const child = start(['--service', app], {
          cwd: join(folder, 'initial'),
          program: program(),
          ...(nodeArguments === undefined ? {} : { nodeArguments }),
        });
        await child.waitForLine(/Started built/);
        const { code, stderr } = await child.stop();
        expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
      });
    }
  });

  if (readsTypeScript) return;
  it('says what to do where it cannot', async () => {
    const { code, stderr } = await run(['--service', 'typed'], {
      cwd: folder,
      program: program(),
      nodeArguments: [],
    });
    expect(code).to.equal(1);
    expect(stderr).to.match(
      /^twistd: Cannot load application "typed": Node v.* does not read TypeScript by itself. Run "npx tsx .*twistd.js ...", or use Node 22.18 or later\n$/,
    );
  });
});
