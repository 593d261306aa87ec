import { expect } from 'chai';
import { Deferred } from '../../../src/deferred/index.ts';
import { NativeCallsUnavailable, UsageError } from '../../../src/service/index.ts';
import { parseOptions } from '../../../src/service/twistd/options.ts';
import { manageService, runService } from '../../../src/service/twistd/service-manager.ts';
import { MemorySystem } from '../../support/service-system.ts';
import { fixture } from '../../support/twistd-child.ts';

const ADMINISTRATOR = 'Run this in a terminal that was opened with "Run as administrator".';

describe("twistd's commands on Windows that are refused", () => {
  let system: MemorySystem;
  const never = (): Deferred<void> => new Deferred<void>();
  const idle = { start: () => undefined, stop: () => undefined };
  beforeEach(() => {
    system = new MemorySystem();
    system.host(idle);
  });

  const cases: Array<{
    title: string;
    /** What there is before. */
    given?: () => Promise<unknown> | undefined;
    command: string[];
    code: number;
    err: RegExp;
  }> = [
    ...['update', 'remove', 'start', 'stop', 'restart', 'pause', 'status', 'logs'].map((verb) => ({
      title: `${verb}: there is no such service`,
      command: [verb],
      code: 1060,
      err: /^Error .*: There is no such service \(1060\)\nThe command install registers it\.\n$/,
    })),
    ...['install', 'update', 'remove', 'start', 'stop', 'restart'].map((verb) => ({
      title: `${verb}: no rights`,
      given: async () => {
        await system.echo('install');
        system.memory.elevated = false;
      },
      command: [verb],
      code: 5,
      err: new RegExp(`: Access is denied: .* \\(5\\)\n${ADMINISTRATOR}\n$`),
    })),
    ...['', 'a/b', 'a\\b', 'x'.repeat(257)].map((name) => ({
      title: `install: the name ${JSON.stringify(name.slice(0, 5))} of ${name.length} letters`,
      command: ['install', '--name', name],
      code: 123,
      err: /^Error installing service: The name is empty, too long, or has a char.* \(123\)\n$/,
    })),
    {
      title: 'start: a name that Windows refuses',
      command: ['start', '--name', 'a/b'],
      code: 123,
      err: /\(123\)\n$/,
    },
    {
      title: 'install: an account that is not there',
      command: ['install', '--username', 'nobody', '--password', 'x'],
      code: 1057,
      err: /\(1057\)\nSpell the account DOMAIN\\user, or \.\\user for one of this machine\.\n/,
    },
    {
      title: 'install: a display name that is taken',
      given: () => system.twistd('--service', fixture('apps/where.ts'), 'install'),
      command: ['install', '--display-name', 'WHERE'],
      code: 1078,
      err: /Another service has this name.*\(1078\)/,
    },
    {
      title: 'install: a service that depends on itself',
      command: ['install', '--depends', 'echo'],
      code: 1059,
      err: /\(1059\)/,
    },
    {
      title: 'install: windows for another account',
      command: ['install', '--interactive', '--username', 'virtual'],
      code: 87,
      err: /\(87\)/,
    },
    {
      title: 'start: it runs already',
      given: async () => {
        await system.echo('install');
        await system.echo('start');
      },
      command: ['start'],
      code: 1056,
      err: /^Error starting service: The service is running already \(1056\)\n$/,
    },
    {
      title: 'start: it is disabled',
      given: () => system.echo('install', '--startup', 'disabled'),
      command: ['start'],
      code: 1058,
      err: /\(1058\)\nEnable it: update --startup manual\.\n$/,
    },
    {
      title: 'start: its program does not connect',
      given: () => {
        system.memory.program(system.execPath, () => {});
        return system.echo('install');
      },
      command: ['start'],
      code: 1053,
      err: /\(1053\)\nIts log may say why\. The command doctor looks for the usual reasons\.\n$/,
    },
    {
      title: 'start: its program ends without a word',
      given: () => {
        system.host({ ...idle, start: never });
        system.clock.callLater(30, () => system.memory.processOf('echo')?.exit(3));
        return system.echo('install');
      },
      command: ['start'],
      code: 1067,
      err: /It stopped: 1067: The process ended without a word \(1067\)\nIts log may say why/,
    },
    {
      title: 'start: it hangs',
      given: () => {
        system.host({ ...idle, start: never });
        return system.echo('install');
      },
      command: ['start'],
      code: 1070,
      err: /It stopped: 1070: The service hangs while it starts \(1070\)/,
    },
    {
      title: 'start: its account may not log on',
      given: async () => {
        system.memory.addAccount('.\\anna', 'right');
        await system.echo('install', '--username', 'anna', '--password', 'wrong');
      },
      command: ['start'],
      code: 1069,
      err: /\(1069\)\nSet account and password anew/,
    },
    {
      title: 'start: it needs one that is not there',
      given: () => system.echo('install', '--depends', 'none'),
      command: ['start'],
      code: 1075,
      err: /\(1075\)/,
    },
    {
      title: 'start: it needs one that fails',
      given: async () => {
        await system.twistd(
          '--service',
          fixture('apps/where.ts'),
          'install',
          '--startup',
          'disabled',
        );
        await system.echo('install', '--depends', 'where');
      },
      command: ['start'],
      code: 1068,
      err: /A service that it depends on failed to start \(1068\)/,
    },
    {
      title: 'start: the list of services is locked',
      given: async () => {
        await system.echo('install');
        system.memory.locked = true;
      },
      command: ['start'],
      code: 1055,
      err: /\(1055\)/,
    },
    {
      title: 'stop: it does not run',
      given: () => system.echo('install'),
      command: ['stop'],
      code: 1062,
      err: /^Error stopping service: The service is not running \(1062\)\n$/,
    },
    {
      title: 'stop: it starts, and nobody is to wait',
      given: async () => {
        system.host({ ...idle, start: never });
        await system.echo('install');
        await system.echo('start', '--no-wait');
      },
      command: ['stop', '--no-wait'],
      code: 1061,
      err: /cannot take controls in the state it is in \(1061\)/,
    },
    {
      title: 'stop: its handler does not answer',
      given: async () => {
        await system.echo('install');
        await system.echo('start');
        system.memory.processOf('echo')?.freeze();
      },
      command: ['stop'],
      code: 1053,
      err: /^Error stopping service: The service did not answer in time \(1053\)/,
    },
    {
      title: 'stop: it takes longer than is waited',
      given: async () => {
        system.host({ ...idle, stop: never });
        await system.echo('install');
        await system.echo('start');
      },
      command: ['stop', '--wait', '10'],
      code: 1053,
      err: /\(1053\)/,
    },
  ];
  for (const { title, given, command, code, err } of cases) {
    it(`${title} (${code})`, async () => {
      await given?.();
      const refused = await system.echo(...command);
      expect(refused.code).to.equal(code);
      expect(refused.err).to.match(err);
    });
  }

  it('are told to programs as one object', async () => {
    expect(await system.echo('stop', '--json')).to.deep.equal({
      code: 1060,
      out: '{"ok":false,"code":1060,"command":"stop","service":"echo","error":"There is no such service"}\n',
      err: '',
    });
  });

  it('with 2 when the application is not there', async () => {
    for (const verb of ['install', 'update']) {
      if (verb === 'update') await system.twistd('--service', fixture('apps/echo.ts'), 'install');
      const { code, err } = await system.twistd('--service', './gone/echo.ts', verb);
      expect(code).to.equal(2);
      expect(err).to.match(
        /^Error .*: Cannot find application "\.\/gone\/echo\.ts": tried .* \(2\)\n$/,
      );
    }
    expect((await system.twistd('--service', './gone/echo.ts', 'remove')).code).to.equal(0);
  });

  it('with 2 when node cannot read it', async () => {
    system.nodeVersion = '20.19.0';
    const { code, err } = await system.echo('install');
    expect(code).to.equal(2);
    expect(err).to.match(/Node 20\.19\.0 does not read TypeScript, and a service runs without tsx/);
  });

  it('with 126 when Windows cannot be called', async () => {
    system.scm = {
      openManager: () => {
        throw new NativeCallsUnavailable('Cannot call Windows: koffi is missing');
      },
      grantLogonRight: () => false,
      isElevated: () => false,
    };
    expect(await system.echo('start')).to.deep.equal({
      code: 126,
      out: 'Starting service echo\n',
      err: 'Error starting service: Cannot call Windows: koffi is missing (126)\n',
    });
  });

  it('with what it is when it is a fault of ours', async () => {
    const fault = new TypeError('x is not a function');
    system.scm = {
      openManager: () => {
        throw fault;
      },
      grantLogonRight: () => false,
      isElevated: () => false,
    };
    let thrown: unknown;
    await system.echo('start').catch((error: unknown) => {
      thrown = error;
    });
    expect(thrown).to.equal(fault);
  });

  for (const [argv, message] of [
    [['start', '--startup', 'auto'], /^Option --startup does not go with command "start"$/],
    [['install', '--wait'], /^Option --wait does not go with command "install"$/],
    [['status', '--no-wait'], /^Option --wait does not go with command "status"$/],
    [['install', 'auto'], /^Unexpected argument "auto" of command "install"$/],
    [['stop', '--', 'x'], /^Command "stop" takes no arguments for the service$/],
    [
      ['install', '--startup', 'manual', '--delayed'],
      /^Option --delayed goes with an automatic start/,
    ],
    [['install', '-l', '-'], /^A service has no standard output to log to: give --logfile a file$/],
    [
      ['install', '--perfmonini', 'x'],
      /^Option --perfmonini is not supported: performance counters/,
    ],
    [['install', '--perfmondll', 'x'], /^Option --perfmondll is not supported/],
    [['install', '--password', 'x'], /^A password needs an account: give --username$/],
    [['install', '--username', 'a', '--password', 'x', '--password-stdin'], /exclude each other/],
    [['install', '--username', 'a'], /^No password for "\.\\\\a": set STRAND_SERVICE_PASSWORD/],
    [['install', '--cwd', '/a%PATH%b'], /Windows would replace what is between its percent signs$/],
  ] as const) {
    it(`${argv.join(' ')} makes no sense (2)`, async () => {
      const { code, err } = await system.echo(...argv);
      expect(code).to.equal(2);
      expect(err).to.match(message);
      expect(system.memory.openManager({ rights: ['enumerate'] }).enumerate()).to.deep.equal([]);
    });
  }
});

describe('service managers of other platforms', () => {
  const streams = { out: () => {}, err: () => {} };
  async function refusal(promise: Promise<unknown>): Promise<unknown> {
    try {
      return await promise;
    } catch (error) {
      return error;
    }
  }

  it('are not there, which is said', async () => {
    const request = parseOptions(['--service', 'chat', 'install']);
    if (request.kind !== 'verb') throw new Error('it is no command');
    const error = await refusal(manageService(request.command, streams, 'darwin'));
    expect(error).to.be.instanceOf(UsageError);
    expect(error).to.have.property(
      'message',
      'Command "install" is there on Windows and with systemd, not on \'darwin\': without one, "chat" runs in the foreground',
    );
  });

  it('do not take what only systemd understands', async () => {
    for (const [option, name] of [
      ['--socket=80', '--socket'],
      ['--umask=0', '--umask'],
    ] as const) {
      const request = parseOptions(['--service', 'chat', 'install', option], 'linux');
      if (request.kind !== 'verb') throw new Error('it is no command');
      expect(await refusal(manageService(request.command, streams, 'win32')))
        .to.be.instanceOf(UsageError)
        .with.property('message', `Option ${name} does not go with command "install" here`);
    }
  });

  it('start no services', async () => {
    const request = parseOptions(['--service', 'chat', '--run-service', 'chat']);
    if (request.kind !== 'service') throw new Error('it is no service');
    expect(await refusal(runService(request.process, 'darwin')))
      .to.be.instanceOf(UsageError)
      .and.have.property(
        'message',
        "Option --run-service is for Windows' service manager, which 'darwin' has not",
      );
  });
});
