import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { LoadError, UsageError } from '../../src/service/index.ts';
import {
  findModule,
  type LoadedApplication,
  loadApplication,
} from '../../src/service/twistd/load.ts';
import { decide } from '../../src/service/twistd/module-kind.ts';
import { fixture } from '../support/twistd-child.ts';

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'strand-load-')));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(path: string, text = ''): string {
  const full = join(folder, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, text);
  return full;
}

const SERVICE = `{ name: NAME, privilegedStartService() {}, startService() {}, stopService() {} }`;

function find(name: string, ...from: string[]): string {
  return findModule({ kind: 'name', name }, from.length === 0 ? [folder] : from);
}

function load(text: string, args: string[] = [], file = 'app.mjs'): Promise<LoadedApplication> {
  const path = write(file, text.replaceAll('SERVICE', SERVICE).replaceAll('NAME', 'null'));
  return loadApplication({ kind: 'file', file: path }, { from: [folder], args });
}

async function failureOf(loading: Promise<unknown>): Promise<Error> {
  try {
    await loading;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('it did not fail');
}

describe('findModule', () => {
  it('finds a path as it is, with an extension added, and a folder by its index', () => {
    const ts = write('a/chat.ts');
    const js = write('a/plain.js');
    const index = write('a/big/index.ts');
    expect(find('a/chat.ts')).to.equal(ts);
    expect(find('./a/chat')).to.equal(ts);
    expect(find(join(folder, 'a', 'plain'))).to.equal(js);
    expect(find('a/big')).to.equal(index);
    expect(find(`file://${ts}`)).to.equal(ts);
  });

  it('prefers NAME.ts to NAME.js to NAME/index.ts', () => {
    const index = write('chat/index.ts');
    expect(find('chat')).to.equal(index);
    const js = write('chat.js');
    expect(find('chat')).to.equal(js);
    const ts = write('chat.ts');
    expect(find('chat')).to.equal(ts);
  });

  it('looks in each directory in turn', () => {
    const other = write('other/chat.ts');
    expect(find('chat', join(folder, 'missing'), join(folder, 'other'))).to.equal(other);
    const first = write('first/chat.ts');
    expect(find('chat', join(folder, 'first'), join(folder, 'other'))).to.equal(first);
  });

  const packages: Array<[title: string, description: object, entry: string]> = [
    ['exports as text', { exports: './lib/main.js' }, 'lib/main.js'],
    [
      'exports by conditions',
      { exports: { '.': { types: './x.d.ts', require: './x.cjs', import: './esm.js' } } },
      'esm.js',
    ],
    ['exports by conditions alone', { exports: { default: './default.js' } }, 'default.js'],
    ['main', { main: 'lib/start' }, 'lib/start.js'],
    ['nothing', {}, 'index.js'],
  ];
  for (const [title, description, entry] of packages) {
    it(`finds an installed package, also from a folder below, with ${title} in its package.json`, () => {
      write('node_modules/plugin/package.json', JSON.stringify(description));
      const main = write(`node_modules/plugin/${entry}`);
      mkdirSync(join(folder, 'below'));
      expect(find('plugin', join(folder, 'below'))).to.equal(main);
    });
  }

  it('throws a LoadError that names a package.json that cannot be read', () => {
    write('node_modules/plugin/package.json', '{ "main": ');
    expect(() => find('plugin')).to.throw(LoadError, /^Cannot read .*plugin.package\.json: /);
  });

  it('finds a package with a scope', () => {
    write('node_modules/@us/plugin/package.json', '{}');
    const main = write('node_modules/@us/plugin/index.js');
    expect(find('@us/plugin')).to.equal(main);
  });

  it('throws a LoadError that lists what was tried', () => {
    expect(() => find('chat'))
      .to.throw(LoadError, /^Cannot find application "chat": tried /)
      .with.property('message')
      .that.includes(`${join(folder, 'chat.ts')}, `)
      .and.includes(join(folder, 'chat', 'index.ts'))
      .and.includes('installed package "chat"');
  });

  it('takes the file of -y as it is', () => {
    write('chat.ts');
    expect(() => findModule({ kind: 'file', file: 'chat' }, [folder])).to.throw(
      LoadError,
      `Cannot find application "chat": tried ${join(folder, 'chat')}`,
    );
  });
});

describe('loadApplication', () => {
  it('takes the export application', async () => {
    const { service, name } = await load('export const application = SERVICE; export default 1;');
    expect(service).to.respondTo('startService');
    expect(name).to.equal('app');
  });

  it('takes the default export, also of a CommonJS module', async () => {
    await load('export default SERVICE;');
    await load('module.exports = SERVICE;', [], 'a.cjs');
    await load('module.exports = { application: SERVICE };', [], 'b.cjs');
    await load('exports.makeService = () => (SERVICE);', [], 'c.cjs');
  });

  it('waits for an application that is a promise', async () => {
    await load('export const application = Promise.resolve(SERVICE);');
  });

  it('calls makeService, with an empty object when there are no Options, and waits for it', async () => {
    const { name } = await load(
      'export const makeService = async (options) => ({ ...SERVICE, name: JSON.stringify(options) });',
    );
    expect(name).to.equal('{}');
  });

  it('has Options parse the arguments for makeService', async () => {
    const { name } = await load(
      `export class Options { parseOptions(args) { this.args = args; } }
       export const makeService = (options) => ({ ...SERVICE, name: options.constructor.name + options.args.join() });`,
      ['--port', '4000'],
    );
    expect(name).to.equal('Options--port,4000');
  });

  it('names the application after its folder when its file is an index', async () => {
    expect((await load('export default SERVICE;', [], 'chat/index.mjs')).name).to.equal('chat');
  });

  const bad: Array<[title: string, text: string, message: RegExp]> = [
    [
      'throws',
      'throw new Error("boom");',
      /^Cannot load application ".*app.mjs": importing .*app.mjs failed: boom$/,
    ],
    ['throws something else', 'throw 42;', /failed: 42$/],
    ['is no JavaScript', 'export const = 1;', /^Cannot load application .* failed: /],
    [
      'imports what is not there',
      'import "./nothing.mjs";',
      /^Cannot load application .* failed: Cannot find module/,
    ],
    [
      'exports nothing',
      '',
      /^Cannot host application ".*": it exports nothing, but no 'application', 'default' or 'makeService'$/,
    ],
    [
      'exports other things',
      'export const a = 1, b = 2;',
      /it exports 'a', 'b', but no 'application'/,
    ],
    [
      'exports an application that is none',
      'export const application = { a: 1 };',
      /its export 'application' is \{ a: 1 \}, not a service$/,
    ],
    [
      'exports a class',
      'export default class Chat {}',
      /its export 'default' is the function Chat, not a service$/,
    ],
    [
      'has a makeService that fails',
      'export const makeService = () => { throw new Error("boom"); };',
      /its makeService failed: boom$/,
    ],
    [
      'has a makeService that gives nothing',
      'export const makeService = () => {};',
      /its makeService gave undefined, not a service$/,
    ],
    [
      'has Options that cannot parse',
      'export const makeService = () => (SERVICE); export class Options {}',
      /its Options has no method parseOptions$/,
    ],
    [
      'was made with another copy of the framework',
      'class Service { privilegedStartService() {} startService() {} stopService() {} } export default new (class App extends Service {})();',
      /it uses another copy of the framework/,
    ],
  ];
  for (const [title, text, message] of bad) {
    it(`fails with a LoadError for a module that ${title}`, async () => {
      const error = await failureOf(load(text));
      expect(error).to.be.instanceOf(LoadError);
      expect(error.message).to.match(message);
    });
  }

  it('keeps what was thrown as the cause', async () => {
    const { cause } = await failureOf(load('throw new RangeError("boom");'));
    expect(cause).to.be.instanceOf(RangeError);
  });

  it('fails with a UsageError for arguments that nobody takes', async () => {
    for (const text of [
      'export const application = SERVICE;',
      'export const makeService = () => (SERVICE);',
    ]) {
      const error = await failureOf(load(text, ['--port']));
      expect(error).to.be.instanceOf(UsageError);
      expect(error.message).to.match(/^Unexpected argument "--port"/);
    }
  });

  it('lets a UsageError of makeService through', async () => {
    const usage = new UsageError('Bad port');
    Object.assign(globalThis, { usage });
    try {
      expect(
        await failureOf(load('export const makeService = () => { throw globalThis.usage; };')),
      ).to.equal(usage);
    } finally {
      Reflect.deleteProperty(globalThis, 'usage');
    }
  });

  it('shares one copy of the framework with an application in TypeScript', async () => {
    const { service, name } = await loadApplication(
      { kind: 'name', name: 'echo' },
      { from: [fixture('apps')] },
    );
    expect(service.constructor.name).to.equal('ApplicationService');
    expect(name).to.equal('echo');
  });
});

describe('decide', () => {
  const format = (file: string, text: string, from = 'commonjs'): string | null | undefined =>
    decide({ url: `file://${write(file, text)}`, format: from }).format;

  it('makes a module of TypeScript with import or export statements', () => {
    for (const text of [
      "import a from './a.ts';",
      "import './a.ts';",
      "  import { a }\n from './a.ts';",
      "import type { A } from './a.ts';",
      "import * as a from './a.ts';",
      'const a = 1;\nexport { a };',
      'export const a = 1;',
      'export default 1;',
    ]) {
      expect(format('a.ts', text), text).to.equal('module');
    }
  });

  it('makes a module of JavaScript that is none but in its text', () => {
    expect(format('a.js', "import a from './a.js';\nexport const b = a;")).to.equal('module');
    expect(format('a.js', '#!/usr/bin/env node\nexport default 1;')).to.equal('module');
    // Only lines of a text that look like statements.
    const template = 'exports.a = `\nexport const a = 1;\nimport b from "b";\n`;\nreturn;';
    expect(format('a.js', template)).to.equal('commonjs');
    expect(format('a.js', `#!/usr/bin/env node\n${template}`)).to.equal('commonjs');
  });

  it("speaks of TypeScript in Node's own words where Node reads it itself", () => {
    const typed = 'export const a: number = 1;';
    expect(format('a.ts', typed, 'commonjs-typescript')).to.equal('module-typescript');
    expect(format('a.ts', 'exports.a = 1;', 'commonjs-typescript')).to.equal('commonjs-typescript');
  });

  it('takes back what tsx added to the URL, and nothing else', () => {
    const url = `file://${write('a.ts', 'export const a = 1;')}`;
    const tsx =
      '%3Ftsx-commonjs-export-preparse=1?tsx-commonjs-export-preparse=1&tsx-commonjs-virtual-query=1';
    expect(decide({ url: url + tsx, format: 'commonjs' })).to.deep.equal({ url, format: 'module' });
    expect(decide({ url: `${url}?v=1`, format: 'commonjs' })).to.deep.equal({
      url: `${url}?v=1`,
      format: 'module',
    });
  });

  it('leaves CommonJS, other files, and what cannot be read as they are', () => {
    expect(format('a.ts', "const a = require('a'); import('./b.ts');")).to.equal('commonjs');
    expect(format('a.ts', "import a = require('a');\nexport = a;")).to.equal('commonjs');
    expect(format('a.ts', 'importantThing(); exported = 1;')).to.equal('commonjs');
    expect(format('a.cts', 'export const a = 1;')).to.equal('commonjs');
    expect(format('a.jsx', 'export const a = 1;')).to.equal('commonjs');
    expect(format('a.cjs', 'export const a = 1;')).to.equal('commonjs');
    expect(format('node_modules/a/a.ts', 'export const a = 1;')).to.equal('commonjs');
    expect(format('a.ts', 'export const a = 1;', 'json')).to.equal('json');
    expect(decide({ url: 'file:///nowhere/a.ts', format: 'commonjs' }).format).to.equal('commonjs');
    expect(decide({ url: 'node:fs', format: 'builtin' }).format).to.equal('builtin');
  });
});
