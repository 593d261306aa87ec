import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { LoadError, UsageError } from '../../src/service/index.ts';
import { loadApplication } from '../../src/service/twistd/load.ts';
import { parseOptions } from '../../src/service/twistd/options.ts';
import { findPlugin, listPlugins } from '../../src/service/twistd/plugins.ts';

describe('plugins', () => {
  let root = '';
  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'strand-plugins-')));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function write(path: string, content: unknown): string {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
    return file;
  }

  const plugins = (table: unknown) => ({ strand: { plugins: table } });

  it('has our own, which nobody can take the place of', () => {
    write('node_modules/evil/package.json', plugins({ web: './web.js' }));
    write('node_modules/evil/web.js', '');
    expect(findPlugin('web', [root])).to.include({ origin: null });
  });

  it('finds those of installed packages, with and without a scope, and of the project itself', () => {
    write('package.json', plugins({ own: './own.ts' }));
    write('own.ts', '');
    write(
      'node_modules/a/package.json',
      plugins({ mail: { module: './dist/mail.js', description: 'SMTP' } }),
    );
    const file = write('node_modules/a/dist/mail.js', '');
    write('node_modules/@x/b/package.json', plugins({ irc: 'irc.js' }));
    write('node_modules/@x/b/irc.js', '');
    const below = join(root, 'some', 'folder');
    mkdirSync(below, { recursive: true });
    const { plugins: found, broken } = listPlugins([below]);
    expect(broken).to.deep.equal([]);
    expect(found.filter(({ origin }) => origin !== null).map(({ name }) => name)).to.deep.equal([
      'own',
      'irc',
      'mail',
    ]);
    expect(findPlugin('mail', [below])).to.deep.equal({
      name: 'mail',
      description: 'SMTP',
      file,
      origin: join(root, 'node_modules/a'),
    });
  });

  it('takes the nearest of two copies of a package', () => {
    for (const home of ['node_modules/a', 'app/node_modules/a']) {
      write(`${home}/package.json`, plugins({ mail: './mail.js' }));
      write(`${home}/mail.js`, '');
    }
    expect(findPlugin('mail', [join(root, 'app')]).origin).to.equal(
      join(root, 'app/node_modules/a'),
    );
  });

  it('fails with a LoadError when two packages have one name', () => {
    for (const name of ['a', 'b']) {
      write(`node_modules/${name}/package.json`, plugins({ mail: './mail.js' }));
      write(`node_modules/${name}/mail.js`, '');
    }
    expect(() => findPlugin('mail', [root])).to.throw(
      LoadError,
      /^Cannot tell which "mail" is meant/,
    );
  });

  it('fails with a UsageError for a name that nobody has, and says which is near', () => {
    write('node_modules/a/package.json', plugins({ mail: './mail.js' }));
    write('node_modules/a/mail.js', '');
    expect(() => findPlugin('mial', [root])).to.throw(
      UsageError,
      /^Unknown command "mial" \(Did you mean mail\?\)/,
    );
  });

  for (const [title, table, message] of [
    [
      'a module out of the package',
      { mail: '../../mail.js' },
      /"\.\.\/\.\.\/mail\.js" is not in the package/,
    ],
    ['an absolute module', { mail: '/etc/passwd' }, /is not in the package/],
    ['no module', { mail: {} }, /^Bad plugin "mail": expected a "module"/],
    ['a module that is not there', { mail: './gone.js' }, /there is no file .*gone\.js$/],
  ] as const) {
    it(`fails with a LoadError for ${title}, and leaves the others alone`, () => {
      write('node_modules/bad/package.json', plugins(table));
      write('node_modules/good/package.json', plugins({ irc: './irc.js' }));
      write('node_modules/good/irc.js', '');
      expect(() => findPlugin('mail', [root])).to.throw(LoadError, message);
      expect(findPlugin('irc', [root]).name).to.equal('irc');
    });
  }

  it('lists what is broken', () => {
    write('node_modules/a/package.json', '{ "strand": ');
    write('node_modules/b/package.json', plugins({ '--rm': './x.js' }));
    write('node_modules/c/package.json', plugins(['x']));
    expect(
      listPlugins([root]).broken.map(({ problem }) => problem.replace(/:.*/s, '')),
    ).to.deep.equal(['Bad package.json', 'Bad plugin "--rm"', 'Bad package.json']);
  });

  it('are applications that get the options after their name', async () => {
    write('node_modules/a/package.json', { type: 'module', ...plugins({ mail: './mail.js' }) });
    write(
      'node_modules/a/mail.js',
      `export class Options { parseOptions(args, name) { this.text = name + ': ' + args.join(' '); } }
       export const makeService = ({ text }) => ({ name: text, privilegedStartService() {}, startService() {}, stopService() {} });`,
    );
    const request = parseOptions(['-l', 'log', 'mail', '--port', '25', '--help']);
    if (request.kind !== 'run') throw new Error('it does not run');
    expect(request.options).to.deep.include({
      target: { kind: 'plugin', name: 'mail' },
      args: ['--port', '25', '--help'],
      logfile: 'log',
    });
    const { name } = await loadApplication(request.options.target, {
      from: [root],
      args: request.options.args,
    });
    expect(name).to.equal('twistd mail: --port 25 --help');
    const named = await loadApplication({ kind: 'name', name: 'mail' }, { from: [root], args: [] });
    expect(named.name).to.equal('mail: ');
  });
});
