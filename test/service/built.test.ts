import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { killChildren, ROOT, run, start } from '../support/twistd-child.ts';

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

  it('says what to do where it cannot', async function () {
    if (Reflect.get(process.features, 'typescript')) this.skip();
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
