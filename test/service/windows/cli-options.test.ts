import { expect } from 'chai';
import { UsageError } from '../../../src/service/index.ts';
import { parseOptions } from '../../../src/service/twistd/options.ts';
import { nearest, suggestion } from '../../../src/service/windows/cli-names.ts';
import {
  misplacedOptions,
  SERVICE_OPTIONS,
  SERVICE_VERBS,
  type ServiceVerb,
} from '../../../src/service/windows/cli-options.ts';
import {
  type FrameworkRequest,
  frameworkUsage,
  parseFrameworkCommand,
} from '../../../src/service/windows/cli-parse.ts';
import {
  parseControl,
  parseCount,
  parseDuration,
  parseEventSource,
  parseRecovery,
  parseResetPeriod,
  parseSidType,
  parseStartup,
  parseVariable,
} from '../../../src/service/windows/cli-values.ts';

/** What a command line of twistd asks of the service manager. */
function commandOf(...argv: string[]) {
  const request = parseOptions(argv);
  if (request.kind !== 'verb') throw new Error(`It is no command, but ${request.kind}`);
  return request.command;
}

/** The same of `handleCommandLine`. */
function frameworkOf(argv: readonly string[], customInstallOptions = '') {
  const request = parseFrameworkCommand(argv, { program: 'svc.ts', customInstallOptions });
  if (request.kind !== 'verb') throw new Error(`It is no command, but ${request.kind}`);
  return request;
}

describe('values of options', () => {
  for (const [text, seconds] of [
    ['90', 90],
    ['90s', 90],
    ['1.5min', 90],
    ['2m', 120],
    ['500ms', 0.5],
    ['2h', 7200],
    ['1D', 86_400],
    ['0', 0],
    [' 5 s ', 5],
  ] as const) {
    it(`parseDuration() takes ${JSON.stringify(text)} for ${seconds} s`, () => {
      expect(parseDuration('--x', text)).to.equal(seconds);
    });
  }

  const refused: Array<[title: string, f: () => unknown, message: RegExp]> = [
    ...['', '-1', 's', '1w', '1e3', 'NaN', '1..2', 'Infinity', '5constructor'].map(
      (text): [string, () => unknown, RegExp] => [
        `parseDuration() of ${JSON.stringify(text)}`,
        () => parseDuration('--x', text),
        /^Bad value ".*" of --x: expected seconds, or a number with ms, s, min, h or d$/,
      ],
    ),
    [
      'parseStartup()',
      () => parseStartup('--x', 'often'),
      /"often" of --x: expected one of manual,/,
    ],
    ['parseStartup() of what every object has', () => parseStartup('--x', 'constructor'), /of --x/],
    [
      'parseRecovery() of an unknown action',
      () => parseRecovery('--x', 'restart/5s,explode'),
      /"restart\/5s,explode" of --x: expected a list of none, restart, reboot, run-command, each/,
    ],
    ['parseRecovery() of a bad time', () => parseRecovery('--x', 'restart/soon'), /"soon" of --x/],
    [
      'parseRecovery() of too much',
      () => parseRecovery('--x', 'restart/5/6'),
      /of --x: expected a/,
    ],
    ['parseRecovery() of an inherited name', () => parseRecovery('--x', 'constructor'), /of --x/],
    ['parseSidType()', () => parseSidType('--x', 'some'), /one of none, unrestricted, restricted$/],
    [
      'parseVariable() without =',
      () => parseVariable('--x', 'A'),
      /"A" of --x: expected NAME=VALUE/,
    ],
    ['parseVariable() without a name', () => parseVariable('--x', '=1'), /expected NAME=VALUE$/],
    ['parseVariable() with a zero', () => parseVariable('--x', 'A=\0'), /expected NAME=VALUE$/],
    ['parseCount()', () => parseCount('--x', '-1'), /expected a whole number, 0 or more$/],
    ['parseControl() below', () => parseControl('127'), /"127" of control: expected a number from/],
    ['parseControl() above', () => parseControl('256'), /expected a number from 128 to 255$/],
    ['parseControl() of a word', () => parseControl('stop'), /"stop" of control/],
    ['parseEventSource() of nothing', () => parseEventSource('--x', ''), /1 to 255 letters/],
    ['parseEventSource() with a \\', () => parseEventSource('--x', 'a\\b'), /without a backslash$/],
  ];
  for (const [title, f, message] of refused) {
    it(`${title} is refused`, () => {
      expect(f).to.throw(UsageError, message);
    });
  }

  it('parseStartup() knows the words of pywin32 and of sc, in any case', () => {
    const of = (text: string) => parseStartup('--x', text);
    expect(of('manual')).to.deep.equal({ startType: 'manual', delayedStart: false });
    expect(of('demand')).to.deep.equal(of('MANUAL'));
    expect(of('auto')).to.deep.equal({ startType: 'automatic', delayedStart: false });
    expect(of('Delayed')).to.deep.equal({ startType: 'automatic', delayedStart: true });
    expect(of('delayed-auto')).to.deep.equal(of('delayed'));
    expect(of('disabled').startType).to.equal('disabled');
  });

  it('parseRecovery() reads a list of actions with delays', () => {
    expect(parseRecovery('--x', 'restart/5s, restart/1min,run/500ms,reboot,none')).to.deep.equal([
      { type: 'restart', delay: 5 },
      { type: 'restart', delay: 60 },
      { type: 'run-command', delay: 0.5 },
      { type: 'reboot', delay: 0 },
      { type: 'none', delay: 0 },
    ]);
    expect(parseRecovery('--x', 'none')).to.deep.equal([]);
  });

  it('the other values', () => {
    expect(parseResetPeriod('--x', 'never')).to.equal('never');
    expect(parseResetPeriod('--x', '1h')).to.equal(3600);
    expect(parseSidType('--x', 'Unrestricted')).to.equal('unrestricted');
    expect(parseVariable('--x', 'PATH=a=b;c')).to.deep.equal(['PATH', 'a=b;c']);
    expect(parseVariable('--x', 'A=')).to.deep.equal(['A', '']);
    expect(parseCount('--x', '0')).to.equal(0);
    expect(parseControl('128')).to.equal(128);
    expect(parseControl('255')).to.equal(255);
  });
});

describe('suggestions', () => {
  it('nearest() finds what was meant', () => {
    const verbs = Object.keys(SERVICE_VERBS);
    for (const [word, meant] of [
      ['instal', 'install'],
      ['isntall', 'install'],
      ['stpo', 'stop'],
      ['STATUS', 'status'],
      ['retsart', 'restart'],
      ['uninstall', 'install'],
    ] as const) {
      expect(nearest(word, verbs), word).to.equal(meant);
    }
    expect(nearest('frobnicate', verbs)).to.equal(undefined);
    expect(nearest('x', verbs)).to.equal(undefined);
    expect(suggestion('frobnicate', verbs)).to.equal('');
  });
});

describe("twistd's commands", () => {
  it('takes options in any place', () => {
    const expected = commandOf('--service', 'a', '--json', '--name', 'n', 'start', '--wait', '5');
    for (const argv of [
      ['start', '--service', 'a', '--name', 'n', '--wait', '5', '--json'],
      ['--wait', '5', '--json', 'start', '--service=a', '--name=n'],
      ['--json', '--service', 'a', 'start', '--wait=5s', '--name', 'n'],
    ]) {
      expect(commandOf(...argv), argv.join(' ')).to.deep.equal(expected);
    }
    expect(expected.request).to.deep.equal({
      verb: 'start',
      host: {},
      options: { name: 'n', wait: 5, json: true },
      args: [],
      operands: [],
    });
  });

  it('takes --wait without a time, wherever it is', () => {
    for (const argv of [
      ['--service', 'a', '--wait', 'start'],
      ['--service', 'a', 'start', '--wait'],
      ['--wait', '--service', 'a', 'start'],
    ]) {
      expect(commandOf(...argv).request, argv.join(' ')).to.deep.include({
        verb: 'start',
        options: { wait: true },
        args: [],
      });
    }
    expect(commandOf('--service', 'a', 'start', '--no-wait').request.options.wait).to.equal(false);
    expect(commandOf('--service', 'a', 'start', '--wait', '--', '7').request).to.deep.include({
      args: ['7'],
      options: { wait: true },
    });
  });

  it('reads every option', () => {
    const { request } = commandOf(
      ...['--service', 'a', 'install', '--name', 'n', '--display-name', 'N', '--description', 'd'],
      ...['--startup', 'auto', '--delayed', '--username', 'u', '--password', 'p'],
      ...['--password-env', 'E', '--password-stdin', '--interactive', '--depends', 'a, +b,'],
      ...['--recovery', 'restart/1s', '--reset', 'never', '--recovery-command', 'c'],
      ...['--reboot-message', 'm', '--on-nonzero-exit', '--preshutdown', '2min', '--sid', 'none'],
      ...['--privileges', 'SeX,SeY', '--env', 'A=1', '--env', 'B=2=3', '--cwd', '/w'],
      ...['--node-option', '--max-old-space-size=99', '--node-option=-r', '--event-source', 's'],
      ...['-l', 'x.log', '--log-format', 'json', '--log-level', 'warn', '--stop-timeout', '3'],
    );
    expect(request.options).to.deep.equal({
      name: 'n',
      displayName: 'N',
      description: 'd',
      startup: { startType: 'automatic', delayedStart: false },
      delayed: true,
      username: 'u',
      password: 'p',
      passwordEnv: 'E',
      passwordStdin: true,
      interactive: true,
      depends: ['a', '+b'],
      recovery: [{ type: 'restart', delay: 1 }],
      reset: 'never',
      recoveryCommand: 'c',
      rebootMessage: 'm',
      onNonzeroExit: true,
      preshutdown: 120,
      sid: 'none',
      privileges: ['SeX', 'SeY'],
      env: { A: '1', B: '2=3' },
      cwd: '/w',
      nodeOption: ['--max-old-space-size=99', '-r'],
      eventSource: 's',
    });
    expect(request.host).to.deep.equal({
      logfile: 'x.log',
      logFormat: 'json',
      logLevel: 'warn',
      stopTimeout: 3,
    });
    expect(
      commandOf('--service', 'a', 'update', '--no-on-nonzero-exit').request.options,
    ).to.deep.equal({ onNonzeroExit: false });
    expect(
      commandOf('--service', 'a', 'update', '--depends', '').request.options.depends,
    ).to.deep.equal([]);
  });

  it('hands on the arguments of the service: behind --, and with start also before it', () => {
    expect(commandOf('--service', 'a', 'start', 'x', '--', '--y').request.args).to.deep.equal([
      'x',
      '--y',
    ]);
    expect(commandOf('--service', 'a', 'install', '--', '-p', '1').request.args).to.deep.equal([
      '-p',
      '1',
    ]);
    expect(commandOf('--service', 'a', 'control', '200').request).to.deep.include({
      operands: ['200'],
      args: [],
    });
  });

  it('knows the process of a service by --run-service', () => {
    const request = parseOptions(
      '--run-service n --service /a.ts --rundir /w --logfile /l --preshutdown 120 -- x'.split(' '),
    );
    if (request.kind !== 'service') throw new Error('it is none');
    expect(request.process).to.deep.include({
      name: 'n',
      service: { preshutdown: 120 },
      host: { logfile: '/l' },
    });
    expect(request.process.run).to.deep.include({
      target: { kind: 'name', name: '/a.ts' },
      args: ['x'],
      rundir: '/w',
    });
  });

  for (const [argv, message] of [
    [['instal'], /^Unknown command "instal" \(Did you mean install\?\)$/],
    [
      ['install', '--displayname', 'x'],
      /^Unknown option '--displayname' \(Did you mean --display-name\?\)$/,
    ],
    [['--startup', 'auto'], /^Option --startup needs a command, such as install$/],
    [['install', '--startup', 'never'], /^Bad value "never" of --startup: expected one of/],
    [['install', '--env', 'A'], /^Bad value "A" of --env: expected NAME=VALUE$/],
    [['install', '--event-source', ''], /^Bad value "" of --event-source/],
    [['install', '--description'], /argument missing$/],
  ] as const) {
    it(`refuses ${argv.join(' ')}`, () => {
      expect(() => parseOptions(['--service', 'a', ...argv])).to.throw(UsageError, message);
    });
  }

  it('needs an application for a command', () => {
    expect(() => parseOptions(['start'])).to.throw(UsageError, /^No application to host/);
  });

  it('lists commands and options in the help', () => {
    const request = parseOptions(['--help']);
    const text = request.kind === 'show' ? request.text : '';
    for (const verb of Object.keys(SERVICE_VERBS))
      expect(text).to.match(new RegExp(`^  ${verb} `, 'm'));
    for (const { flags, hidden } of SERVICE_OPTIONS) {
      const [long = ''] = /--[\w-]+/.exec(flags) ?? [];
      if (hidden) expect(text).not.to.include(long);
      else expect(text).to.include(long);
    }
    expect(text).to.include('STRAND_SERVICE_PASSWORD');
  });
});

describe('misplacedOptions()', () => {
  it('names those that do not go with a command, each once', () => {
    const found = { startup: undefined as never, wait: false, env: {}, json: true as const };
    const { startup: _, ...options } = found;
    const of = (verb: ServiceVerb | null) => misplacedOptions(options, verb);
    expect(of('start')).to.deep.equal(['--env']);
    expect(of('install')).to.deep.equal(['--wait']);
    expect(of('status')).to.deep.equal(['--env', '--wait']);
    expect(of(null)).to.deep.equal(['--env', '--wait', '--json']);
  });
});

describe('parseFrameworkCommand()', () => {
  it('takes options before the verb, as pywin32 does, and behind it', () => {
    const before = frameworkOf(['--startup', 'auto', '--username', '.\\u', 'install']);
    expect(frameworkOf(['install', '--username=.\\u', '--startup', 'auto'])).to.deep.equal(before);
    expect(before.request).to.deep.include({
      verb: 'install',
      options: { startup: { startType: 'automatic', delayedStart: false }, username: '.\\u' },
    });
  });

  it('takes the beginning of an option for the whole, where that is clear', () => {
    const { options } = frameworkOf([
      '--user',
      'u',
      '--pass',
      'p',
      '--start=manual',
      'install',
    ]).request;
    expect(options).to.deep.equal({
      username: 'u',
      password: 'p',
      startup: { startType: 'manual', delayedStart: false },
    });
    expect(frameworkOf(['--desc', '--start', 'install']).request.options).to.deep.equal({
      description: '--start',
    });
    expect(() => frameworkOf(['--recovery-x', 'u', 'install'])).to.throw(
      UsageError,
      /^Unknown option/,
    );
    expect(() => frameworkOf(['--re', 'u', 'install'])).to.throw(
      UsageError,
      /^Unknown option '--re'/,
    );
  });

  it('hands on what follows start, restart and debug', () => {
    for (const verb of ['start', 'restart', 'debug']) {
      expect(frameworkOf([verb, 'a', 'b', '--', '-c']).request).to.deep.include({
        args: ['a', 'b', '-c'],
        operands: [],
      });
    }
    expect(frameworkOf(['--wait', '10', 'start', 'a']).request).to.deep.include({
      args: ['a'],
      options: { wait: 10 },
    });
    expect(frameworkOf(['--wait', 'start', 'a']).request).to.deep.include({
      args: ['a'],
      options: { wait: true },
    });
  });

  it("gives the caller's own options in getopt's shape, even with letters of ours", () => {
    const { custom } = frameworkOf(['-a', '-l', 'x', '-h', 'install', '-d', 'y'], 'al:hd:z');
    expect(custom).to.deep.equal([
      ['-a', ''],
      ['-l', 'x'],
      ['-h', ''],
      ['-d', 'y'],
    ]);
    expect(frameworkOf(['--logfile', 'f', 'install'], 'l:').request.host).to.deep.equal({
      logfile: 'f',
    });
  });

  it('knows the process of a service', () => {
    const request: FrameworkRequest = parseFrameworkCommand(
      ['--run-service', 'n', '--rundir', '/w', '--logfile', '/l', '--', 'x'],
      { program: 'svc.ts' },
    );
    expect(request).to.deep.equal({
      kind: 'run',
      name: 'n',
      request: { operands: [], args: ['x'], options: { cwd: '/w' }, host: { logfile: '/l' } },
    });
  });

  for (const [argv, message] of [
    [['--json'], /^No command: give one of those below$/],
    [['explode'], /^Unknown command - 'explode'$/],
    [['strat'], /^Unknown command - 'strat' \(Did you mean start\?\)$/],
    [['install', '--startup', 'x'], /^Bad value "x" of --startup/],
    [['install', '--name', 'x'], /^Unknown option '--name'/],
  ] as const) {
    it(`refuses ${argv.join(' ')}`, () => {
      expect(() => frameworkOf(argv)).to.throw(UsageError, message);
    });
  }

  it('shows its help', () => {
    expect(frameworkUsage('svc.ts'))
      .to.match(/^Usage: svc\.ts \[options\] command \[argument\.\.\.\]/)
      .and.to.match(/Commands:\n {2}install /)
      .and.to.include('--startup');
    expect(parseFrameworkCommand(['install', '--help'], { program: 'p' }).kind).to.equal('show');
  });
});
