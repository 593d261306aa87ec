import { expect } from 'chai';
import { reactorNames } from '../../src/reactor/index.ts';
import { UsageError } from '../../src/service/index.ts';
import { parseOptions, type RunOptions } from '../../src/service/twistd/options.ts';

function optionsOf(...argv: string[]): RunOptions {
  const request = parseOptions(argv);
  if (request.kind !== 'run') throw new Error('it only wants to show something');
  return request.options;
}

function parsed(platform: NodeJS.Platform, ...argv: string[]): RunOptions {
  const request = parseOptions(['--service', 'a', ...argv], platform);
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

  it('reads what the process should be', () => {
    expect(optionsOf('--service', 'a').process).to.deep.equal({
      daemonize: false,
      pidfile: null,
      syslog: null,
      logger: null,
      rotation: { size: 10 * 1024 ** 2, keep: 10 },
      umask: null,
      uid: null,
      gid: null,
      euid: false,
      chroot: null,
      profile: null,
      debug: false,
      originalname: false,
      workers: 1,
      admin: null,
      ignored: [],
    });
    const { process: daemon, logfile } = parsed('linux', '--daemonize', '-d', 'run', '-u', 'www');
    expect(daemon).to.include({
      daemonize: true,
      pidfile: 'run/twistd.pid',
      umask: 0o77,
      uid: 'www',
    });
    expect(logfile).to.equal('run/twistd.log');
    expect(parsed('linux', '--daemonize', '--pidfile=').process.pidfile).to.equal(null);
    expect(parsed('linux', '--log-rotate', 'daily').process.rotation).to.deep.equal({
      daily: true,
      keep: 10,
    });
    for (const [text, size] of [
      ['5', 5],
      ['5k', 5120],
      ['3MiB', 3 * 1024 ** 2],
      ['1 gb', 1024 ** 3],
    ] as const) {
      expect(parsed('linux', '--log-rotate', text).process.rotation.size, text).to.equal(size);
    }
    expect(parsed('linux', '--log-rotate', 'never').process.rotation).to.deep.equal({ keep: 10 });
  });

  it('refuses on Windows what Windows does not have', () => {
    for (const option of ['--daemonize', '--syslog', '--umask=0', '-u=x', '-g=x', '--chroot=x']) {
      expect(() => parsed('win32', option), option).to.throw(
        UsageError,
        /^Option --[a-z]+ has no sense on 'win32'/,
      );
    }
    expect(parsed('win32', '--pidfile', 'x').process.pidfile).to.equal('x');
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
      "an option of Twisted's that has no sense",
      ['--file=x', '--service', 'a'],
      /^Option '--file' has no sense here: applications are never saved; --service hosts a module$/,
    ],
    ['a short one likewise', ['--service', 'a', '-e'], /^Option '-e' has no sense here: appl/],
    [
      'foreground and background',
      ['--service', 'a', '-n', '--daemonize'],
      /^Options --daemonize and --nodaemon exclude each other$/,
    ],
    [
      'two places for the log',
      ['--service', 'a', '--syslog', '-l', 'log'],
      /^Options --syslog and --logfile exclude each other$/,
    ],
    [
      "a daemon's standard output",
      ['--service', 'a', '--daemonize', '-l', '-'],
      /^A daemon has no standard output: give --logfile a file, or --syslog$/,
    ],
    [
      'a prefix of nothing',
      ['--service', 'a', '--prefix', 'x'],
      /^Option --prefix goes with --sys/,
    ],
    ['--euid of nobody', ['--service', 'a', '--euid'], /^Option --euid goes with --uid or --gid$/],
    [
      'a umask',
      ['--service', 'a', '--umask', '888'],
      /^Bad value "888" of --umask: expected an oct/,
    ],
    [
      'a size',
      ['--service', 'a', '--log-rotate', '5x'],
      /^Bad value "5x" of --log-rotate: expecte/,
    ],
    ['size 0', ['--service', 'a', '--log-rotate', '0'], /^Bad value "0" of --log-rotate: expected/],
    [
      'a count',
      ['--service', 'a', '--log-keep', '-1'],
      /^Bad value "-1" of --log-keep: expected a/,
    ],
    [
      'no function',
      ['--service', 'a', '--logger', 'x'],
      /^Bad value "x" of --logger: expected a m/,
    ],
    [
      'a bad log format',
      ['--service', 'a', '--log-format', 'xml'],
      /^Bad value "xml" of --log-format: expected text, json or journal$/,
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
