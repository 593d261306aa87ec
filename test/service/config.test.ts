import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { LoadError } from '../../src/service/index.ts';
import { loadConfig, wordsOf } from '../../src/service/twistd/config.ts';
import { parseOptions } from '../../src/service/twistd/options.ts';
import { killChildren, ROOT, run, start } from '../support/twistd-child.ts';

describe('strand.config', function () {
  this.timeout(30_000);
  let folder: string;
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'strand-config-')));
  });
  afterEach(async () => {
    await killChildren();
    rmSync(folder, { recursive: true });
  });

  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  const service = pathToFileURL(join(ROOT, 'src/service/index.ts')).href;

  it('has defaults and sub-commands; the command line goes before', async () => {
    write(
      'strand.config.ts',
      `import { defineConfig } from '${service}';
       export default defineConfig({
         twistd: { logLevel: 'debug', 'stop-timeout': 3, originalname: true, umask: '022' },
         plugins: { greet: { module: './greet.ts', description: 'says hello' } },
         options: { greet: { whom: ['world', 'moon'], loud: true, quiet: false } },
       });`,
    );
    write(
      'greet.ts',
      `import { defineOptions, Logger, Service } from '${service}';
       export const Options = defineOptions({
         whom: { type: 'string', repeat: true, description: 'whom' },
         loud: { type: 'flag', description: 'loudly' },
         quiet: { type: 'flag', description: 'quietly' },
       });
       export function makeService(options) {
         new Logger('greet').info('{options}', { options: JSON.stringify(options) });
         return new Service();
       }`,
    );
    const child = start(['greet', '--whom', 'you'], { cwd: folder });
    await child.waitForLine(/\{.*"whom":\["world","moon","you"\],"loud":true,"quiet":false\}/);
    await child.waitForLine(/Started greet/);
    expect((await child.stop()).code).to.equal(0);
    const help = await run(['--help'], { cwd: folder });
    expect(help.stdout).to.match(/^ {2}greet +says hello$/m);

    const config = await loadConfig(folder);
    const options = (argv: string[]) => {
      const request = parseOptions(argv, 'linux', config);
      if (request.kind !== 'run') throw new Error('it does not run');
      return request.options;
    };
    expect(options(['greet'])).to.include({ logLevel: 'debug', stopTimeout: 3 });
    expect(options(['greet']).process).to.include({ originalname: true, umask: 0o22 });
    expect(options(['--log-level', 'warn', 'greet'])).to.include({ logLevel: 'warn' });
    expect(options(['--service', 'x'])).to.include({ logLevel: 'debug' });
    const contrary = { file: '', twistd: { daemonize: true, logfile: 'log', stopTimeout: 3 } };
    const against = (argv: string[]) => {
      const request = parseOptions(argv, 'linux', contrary);
      if (request.kind !== 'run') throw new Error('it does not run');
      return request.options;
    };
    expect(against(['greet', '-n']).process.daemonize, "another one's option").to.equal(true);
    expect(against(['-n', 'greet']).process.daemonize).to.equal(false);
    expect(against(['-n', 'greet'])).to.include({ logfile: 'log', stopTimeout: 3 });
    expect(against(['--syslog', 'greet']).process.syslog).to.equal('twistd');
    const verb = parseOptions(['--service', 'x', 'start'], 'linux', config);
    expect(verb.kind === 'verb' && verb.command.processOptions, 'not for commands').to.deep.equal(
      [],
    );
  });

  it('has no sub-command by the name of what every object has', async () => {
    write(
      'strand.config.mjs',
      "export default { plugins: { a: { module: './a.js' } }, options: {} }",
    );
    const config = await loadConfig(folder);
    for (const name of ['constructor', 'toString', '__proto__']) {
      const request = parseOptions([name], 'linux', config);
      if (request.kind !== 'run') throw new Error('it does not run');
      expect(request.options.target).to.deep.equal({ kind: 'plugin', name });
      expect(request.options.args).to.deep.equal([]);
    }
  });

  it('is none where there is none', async () => {
    expect(await loadConfig(folder)).to.equal(null);
    expect(wordsOf()).to.deep.equal([]);
  });

  for (const [text, problem] of [
    ['export default 5', 'its default export is not an object'],
    ['export const twistd = {}', 'its default export is not an object'],
    ['export default { twist: {} }', 'it has an unknown part "twist"'],
    ['export default { twistd: [] }', 'twistd is not an object'],
    ['export default { twistd: { a: null } }', 'option "a" of twistd is neither text'],
    ['export default { options: { web: 5 } }', 'options.web is not an object'],
    ['export default { plugins: { "A b": {} } }', '"A b" is no name of a plugin'],
    ['export default { plugins: { a: {} } }', 'plugin a has no module'],
    ['throw new Error("not today")', 'not today'],
  ] as const) {
    it(`is refused when it says ${text}`, async () => {
      write('strand.config.mjs', text);
      const error = await loadConfig(folder).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).to.be.instanceOf(LoadError);
      expect(String(error)).to.include('strand.config.mjs').and.to.include(problem);
    });
  }

  it('is told of on the command line, with what the options cannot be', async () => {
    write('strand.config.mjs', 'export default { twistd: { nonsense: 1 } }');
    const { code, stderr } = await run(['--service', 'x'], { cwd: folder });
    expect(code).to.equal(2);
    expect(stderr).to.include("Unknown option '--nonsense=1'");
  });
});
