import { expect } from 'chai';
import { reactorNames } from '../../src/reactor/index.ts';
import { UsageError } from '../../src/service/index.ts';
import { parseOptions, type RunOptions } from '../../src/service/twistd/options.ts';

function optionsOf(...argv: string[]): RunOptions {
  const request = parseOptions(argv);
  if (request.kind !== 'run') throw new Error('it only wants to show something');
  return request.options;
}

function textOf(...argv: string[]): string {
  const request = parseOptions(argv);
  if (request.kind !== 'show') throw new Error('it wants to run');
  return request.text;
}

describe('parseOptions', () => {
  it('has the documented defaults', () => {
    expect(optionsOf('--service', 'chat')).to.include({
      logfile: '-',
      logFormat: 'text',
      logLevel: 'info',
      rundir: '.',
      reactor: 'default',
      stopTimeout: 10,
    });
  });

  it('reads every option, short and long', () => {
    for (const argv of [
      ['-y', 'chat.ts', '-n', '-l', 'log', '-d', '/tmp', '-r', 'libuv'],
      ['--python=chat.ts', '--nodaemon', '--logfile=log', '--rundir=/tmp', '--reactor=libuv'],
    ]) {
      const options = optionsOf(
        ...argv,
        '--log-format',
        'json',
        '--log-level',
        'debug',
        '--stop-timeout',
        '0.5',
      );
      expect(options.target).to.deep.equal({ kind: 'file', file: 'chat.ts' });
      expect(options).to.include({
        logfile: 'log',
        rundir: '/tmp',
        reactor: 'libuv',
        logFormat: 'json',
        logLevel: 'debug',
        stopTimeout: 0.5,
      });
    }
  });

  it('hands on what comes after --, even what looks like an option of ours', () => {
    const options = optionsOf('--service', 'chat', '--', '--port', '4000', '--help');
    expect(options.args).to.deep.equal(['--port', '4000', '--help']);
    expect(options.target).to.deep.equal({ kind: 'name', name: 'chat' });
  });

  it('shows help, version and reactors without an application', () => {
    expect(textOf('--help'))
      .to.match(/^Usage: twistd/)
      .and.to.include('--stop-timeout')
      .and.to.include('Exit codes');
    expect(textOf('--version')).to.match(/^twistd \(Strand\) \d+\.\d+\.\d+\n$/);
    expect(textOf('--help-reactors').trimEnd().split('\n')).to.deep.equal(reactorNames());
  });

  const bad: Array<[title: string, argv: string[], message: RegExp]> = [
    ['no application', [], /^No application to host: give --service NAME\|PATH or -y FILE$/],
    [
      'two applications',
      ['--service', 'a', '-y', 'b'],
      /^Options --service and -y exclude each other/,
    ],
    [
      '--service twice',
      ['--service', 'a', '--service', 'b'],
      /^Option --service was given twice, with "a" and "b"$/,
    ],
    ['an empty name', ['--service', ''], /^Bad value "" of --service/],
    [
      'an unknown option',
      ['--service', 'a', '--servce', 'b'],
      /^Unknown option '--servce' \(Did you mean --service\?\)$/,
    ],
    ['a missing value', ['--service'], /^Option '--service <name>' argument missing$/],
    [
      "an option of Twisted's that is not there yet",
      ['--pidfile=x', '--service', 'a'],
      /^Option '--pidfile' is not supported yet$/,
    ],
    ['a short one likewise', ['--service', 'a', '-u', '0'], /^Option '-u' is not supported yet$/],
    [
      'a bad log format',
      ['--service', 'a', '--log-format', 'xml'],
      /^Bad value "xml" of --log-format: expected text or json$/,
    ],
    [
      'a bad log level',
      ['--service', 'a', '--log-level', 'loud'],
      /^Bad value "loud" of --log-level: expected one of debug,/,
    ],
    [
      'an unknown reactor',
      ['--service', 'a', '--reactor', 'epol'],
      /^Bad value "epol" of --reactor: expected .*libuv/,
    ],
    [
      'a misspelled verb',
      ['--service', 'a', 'instal'],
      /^Unknown command "instal" \(Did you mean install\?\)$/,
    ],
    [
      'an option of the verbs without one',
      ['--service', 'a', '--startup', 'auto'],
      /^Option --startup needs a command, such as install$/,
    ],
    [
      'a stray argument',
      ['--service', 'a', 'b'],
      /^Unexpected argument "b": arguments for the application come after --$/,
    ],
  ];
  for (const value of ['-1', 'soon', '', 'Infinity', 'NaN', '1s']) {
    bad.push([
      `--stop-timeout ${JSON.stringify(value)}`,
      ['--service', 'a', '--stop-timeout', value],
      /^Bad value ".*" of --stop-timeout: expected a number of seconds, 0 or more$/,
    ]);
  }
  for (const [title, argv, message] of bad) {
    it(`throws a UsageError for ${title}`, () => {
      expect(() => parseOptions(argv)).to.throw(UsageError, message);
    });
  }
});
