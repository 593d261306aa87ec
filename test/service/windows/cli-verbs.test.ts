import { expect } from 'chai';
import { Deferred } from '../../../src/deferred/index.ts';
import type { ServiceStatus } from '../../../src/service/index.ts';
import { MemorySystem } from '../../support/service-system.ts';
import { fixture, ROOT } from '../../support/twistd-child.ts';

const APP = fixture('apps/echo.ts');
const LOG = 'D:\\Data\\strand\\logs\\echo.log';
const LINE = `"C:\\Program Files\\nodejs\\node.exe" ${ROOT}twistd.ts --run-service echo --service ${APP} --rundir ${ROOT.slice(0, -1)} --logfile ${LOG}`;

describe("twistd's commands on Windows", () => {
  let system: MemorySystem;
  beforeEach(() => {
    system = new MemorySystem();
    system.host({ start: () => undefined, stop: () => undefined });
  });

  describe('install', () => {
    it('registers the service, the source of its events and the folder of its log', async () => {
      expect(await system.echo('install')).to.deep.equal({
        code: 0,
        out: 'Installing service echo\nService installed\n',
        err: '',
      });
      system.look('echo', (service) => {
        expect(service.queryConfig()).to.deep.include({
          imagePath: LINE,
          startType: 'manual',
          account: 'LocalSystem',
          displayName: 'echo',
          type: 'own-process',
        });
      });
      expect(system.events.isRegistered('echo')).to.equal(true);
      expect(system.folders).to.deep.equal([LOG]);
    });

    it('sets what is asked for', async () => {
      const { code } = await system.echo(
        ...['install', '--name', 'my echo', '--display-name', 'Echo!', '--description', 'says it'],
        ...['--startup', 'delayed', '--depends', 'Tcpip,+net', '--recovery', 'restart/5s,none'],
        ...['--reset', '1h', '--preshutdown', '2min', '--sid', 'unrestricted', '--env', 'A=1'],
        ...['--env', 'B=2', '--privileges', 'SeX', '--event-source', 'E', '--', '-p', '1'],
      );
      expect(code).to.equal(0);
      system.look('my echo', (service) => {
        expect(service.queryConfig()).to.deep.include({
          displayName: 'Echo!',
          startType: 'automatic',
          dependencies: ['Tcpip', '+net'],
        });
        expect(service.queryConfig().imagePath).to.match(
          / --run-service "my echo" .*\\my echo\.log" --preshutdown 120 --event-source E -- -p 1$/,
        );
        expect(service.querySetting('description')).to.equal('says it');
        expect(service.querySetting('delayedStart')).to.equal(true);
        expect(service.querySetting('recovery')).to.deep.include({
          actions: [
            { type: 'restart', delay: 5 },
            { type: 'none', delay: 0 },
          ],
          resetPeriod: 3600,
        });
        expect(service.querySetting('recoverOnErrorExit')).to.equal(true);
        expect(service.querySetting('preshutdownTimeout')).to.equal(120);
        expect(service.querySetting('sidType')).to.equal('unrestricted');
        expect(service.querySetting('environment')).to.deep.equal({ A: '1', B: '2' });
        expect(service.querySetting('requiredPrivileges')).to.deep.equal(['SeX']);
      });
      expect(system.events.isRegistered('E')).to.equal(true);
    });

    it('of one that is there changes it, and says so', async () => {
      await system.echo(
        'install',
        '--description',
        'old',
        '--log-level',
        'warn',
        '--startup',
        'auto',
      );
      expect(await system.echo('install', '--display-name', 'New')).to.deep.equal({
        code: 0,
        out: [
          'Installing service echo',
          'The service exists already: changing it instead',
          'Changing service configuration',
          'Service updated\n',
        ].join('\n'),
        err: '',
      });
      system.look('echo', (service) => {
        expect(service.queryConfig()).to.include({ displayName: 'New', startType: 'automatic' });
        expect(service.queryConfig().imagePath).to.match(/--log-level warn$/);
        expect(service.querySetting('description')).to.equal('old');
      });
    });

    for (const account of ['LocalService', 'virtual', 'DOM\\managed$']) {
      it(`as ${account} needs no password`, async () => {
        system.prompt = () => Promise.reject(new Error('nobody should be asked'));
        expect(await system.echo('install', '--username', account)).to.include({
          code: 0,
          err: '',
        });
      });
    }

    it('as a user takes the password from where it is said, grants the right, and shows it nowhere', async () => {
      const sources: Array<[options: string[], from: Partial<MemorySystem>]> = [
        [['--password', 'secr et'], {}],
        [['--password-env', 'PW'], { environment: { PW: 'secr et' } }],
        [['--password-stdin'], { input: 'secr et\r\n' }],
        [[], { environment: { STRAND_SERVICE_PASSWORD: 'secr et' } }],
        [[], { prompt: () => Promise.resolve('secr et') }],
      ];
      for (const [options, from] of sources) {
        system = new MemorySystem();
        system.host({ start: () => undefined, stop: () => undefined });
        system.memory.addAccount('.\\anna', 'secr et');
        Object.assign(system, from);
        const installed = await system.echo('install', '--username', 'anna', ...options);
        expect(installed.code, options[0]).to.equal(0);
        expect(installed.out).to.include('Gave .\\anna the right to log on as a service\n');
        expect(installed.err).to.equal(
          options[0] === '--password'
            ? 'Warning: A password on the command line may be seen by others: use --password-stdin\n'
            : '',
        );
        expect(installed.out + system.imagePath('echo')).not.to.include('secr');
        expect((await system.echo('start')).code).to.equal(0); // logging on succeeds
      }
    });

    it('clears the password with a change to an account that has none', async () => {
      system.memory.addAccount('.\\anna', 'x', { logonRight: true });
      await system.echo('install', '--username', 'anna', '--password', 'x');
      expect((await system.echo('update', '--username', 'LocalSystem')).code).to.equal(0);
      expect(system.look('echo', (service) => service.queryConfig().account)).to.equal(
        'LocalSystem',
      );
      expect((await system.echo('start')).code).to.equal(0);
    });

    it('goes on without what can be done without, and says so', async () => {
      system.memory.addAccount('.\\anna', 'x');
      system.memory.grantLogonRight = () => {
        throw new Error('LSA is out');
      };
      system.events.elevated = false;
      system.folderFailure = new Error('The disk is gone');
      const { code, err, out } = await system.echo(
        'install',
        '--username',
        'anna',
        '--password',
        'x',
      );
      expect(code).to.equal(0);
      expect(out).to.match(/Service installed\n$/);
      expect(err.split('\n').slice(1)).to.deep.equal([
        'Warning: Cannot let .\\anna log on as a service, so that it fails to start: LSA is out',
        'Warning: Cannot register its source of events: Cannot create the registry key of event source "echo": Access is denied: it takes more rights, often those of an administrator (5)',
        'Warning: Cannot make the folder of its log: The disk is gone',
        '',
      ]);
    });

    it('with --json prints one object', async () => {
      const { code, out, err } = await system.echo('install', '--json', '--username', 'virtual');
      expect({ code, err }).to.deep.equal({ code: 0, err: '' });
      expect(JSON.parse(out)).to.deep.equal({
        ok: true,
        code: 0,
        command: 'install',
        service: 'echo',
        logfile: LOG,
        imagePath: LINE,
        account: 'NT SERVICE\\echo',
        updated: false,
      });
      const again = await system.echo('install', '--json', '--password-stdin', '--username', 'x');
      expect(JSON.parse(again.out)).to.include({ ok: false, code: 1057, command: 'install' });
    });
  });

  describe('update', () => {
    it('changes what is given, and writes the command line anew', async () => {
      await system.echo('install', '--env', 'A=1', '--recovery', 'restart/5s');
      expect(await system.echo('update', '--startup', 'auto', '--reset', '9s')).to.deep.equal({
        code: 0,
        out: 'Changing service configuration\nService updated\n',
        err: '',
      });
      system.look('echo', (service) => {
        expect(service.queryConfig()).to.include({ startType: 'automatic', imagePath: LINE });
        expect(service.querySetting('environment')).to.deep.equal({ A: '1' });
        expect(service.querySetting('recovery')).to.deep.include({
          actions: [{ type: 'restart', delay: 5 }],
          resetPeriod: 9,
        });
      });
    });

    it('registers another source of events instead of the one before', async () => {
      await system.echo('install');
      await system.echo('update', '--event-source', 'New');
      expect(['echo', 'New'].map((name) => system.events.isRegistered(name))).to.deep.equal([
        false,
        true,
      ]);
      await system.echo('update');
      expect(system.events.isRegistered('New')).to.equal(true);
    });

    it('and install leave a service alone that only displays the name', async () => {
      await system.echo('install', '--name', 'other', '--display-name', 'echo');
      const line = system.imagePath('other');
      expect((await system.echo('update')).code).to.equal(1060);
      expect((await system.echo('install')).code).to.equal(1078);
      expect(system.imagePath('other')).to.equal(line);
    });

    it('takes a delayed start back', async () => {
      await system.echo('install', '--startup', 'delayed');
      await system.echo('update', '--startup', 'auto');
      expect(system.look('echo', (service) => service.querySetting('delayedStart'))).to.equal(
        false,
      );
      await system.echo('update', '--delayed');
      await system.echo('update', '--startup', 'manual');
      system.look('echo', (service) => {
        expect(service.queryConfig().startType).to.equal('manual');
        expect(service.querySetting('delayedStart')).to.equal(false);
      });
    });
  });

  describe('start, stop, restart', () => {
    beforeEach(() => system.echo('install'));

    it('start it, with arguments, and wait until it runs', async () => {
      const ready = new Deferred<void>();
      const args: string[] = [];
      system.host({
        start: (start) => {
          args.push(...start.args);
          system.clock.callLater(100, () => ready.callback());
          return ready;
        },
        stop: () => undefined,
      });
      expect(await system.echo('start', 'a', '--', '-b')).to.deep.equal({
        code: 0,
        out: 'Starting service echo\nService is running, process 1000\n',
        err: '',
      });
      expect(args).to.deep.equal(['a', '-b']);
    });

    it('stop it, and wait until it has stopped', async () => {
      const stopped = new Deferred<void>();
      system.host({
        start: () => undefined,
        stop: () => {
          system.clock.callLater(15, () => stopped.callback());
          return stopped;
        },
      });
      await system.echo('start');
      expect(await system.echo('stop')).to.deep.equal({
        code: 0,
        out: 'Stopping service echo\nService stopped\n',
        err: '',
      });
      expect(system.state('echo')).to.equal('stopped');
    });

    it('tell how it ended when that was no good end: one that hangs ends by its deadline', async () => {
      system.host({ start: () => undefined, stop: () => new Deferred<void>() });
      await system.echo('start');
      expect(await system.echo('stop')).to.deep.equal({
        code: 0,
        out: 'Stopping service echo\nService stopped\n',
        err: 'Warning: It ended with 1053: The service did not answer in time\n',
      });
    });

    it('start it again', async () => {
      await system.echo('start');
      expect(await system.echo('restart')).to.deep.equal({
        code: 0,
        out: 'Restarting service echo\nService is running, process 1004\n',
        err: '',
      });
    });

    it('do not wait with --no-wait or --wait 0', async () => {
      const never = new Deferred<void>();
      system.host({ start: () => never, stop: () => undefined });
      for (const option of [['--no-wait'], ['--wait', '0']]) {
        const { code, out } = await system.echo('start', ...option);
        expect(code).to.equal(0);
        expect(out).to.match(
          /^Starting service echo\nService is start-pending, step \d, next within 10 s, process/,
        );
        system.memory.processOf('echo')?.exit(0);
      }
      system.host({ start: () => undefined, stop: () => never });
      await system.echo('start');
      expect((await system.echo('stop', '--no-wait')).out).to.match(/Service is stop-pending/);
    });

    it('wait no longer than they are told', async () => {
      system.host({ start: () => new Deferred<void>(), stop: () => undefined });
      const before = system.clock.seconds();
      const { code, err } = await system.echo('start', '--timeout', '20s');
      expect(code).to.equal(1053);
      expect(err).to.match(
        /^Error starting service: The service did not answer in time \(1053\)\n/,
      );
      expect(system.clock.seconds() - before).to.be.within(20, 25);
    });

    it('tell at once why it has stopped again, and show the end of its log', async () => {
      system.logs.set(
        LOG,
        [...Array(30).keys()].map((n) => `line ${n}`),
      );
      system.host({
        start: () => Promise.reject(new Error('its file is broken')),
        stop: () => undefined,
      });
      const { code, out, err } = await system.echo('start');
      expect({ code, out }).to.deep.equal({ code: 1064, out: 'Starting service echo\n' });
      expect(err).to.equal(
        [
          'Error starting service: It stopped: 1064: An error in the service made it fail (1064)',
          `The end of its log, ${LOG}:`,
          ...[...Array(20).keys()].map((n) => `line ${n + 10}`),
          '',
        ].join('\n'),
      );
      const json = await system.echo('start', '--json');
      expect(json.code).to.equal(1064);
      expect(JSON.parse(json.out)).to.deep.include({ ok: false, code: 1064, logfile: LOG });
      expect(JSON.parse(json.out).log).to.have.length(20);
    });

    it('with --force stop those that need it first, and restart starts them again', async () => {
      await system.twistd('--service', fixture('apps/where.ts'), 'install', '--depends', 'echo');
      const processes = new Map<string, string>();
      system.memory.program(system.execPath, (process) => {
        const name = / --run-service (\S+)/.exec(process.imagePath)?.[1] ?? '';
        processes.set(name, process.imagePath);
        void process.startDispatcher([
          {
            name,
            main: () => {
              const reporter = process.registerHandler(name, () => {
                void reporter.reportStopped({ win32ExitCode: 0, serviceExitCode: 0 });
                return 0;
              });
              reporter.report({ state: 'running', accepts: ['stop'], checkPoint: 0, waitHint: 0 });
            },
          },
        ]);
      });
      await system.twistd('--service', fixture('apps/where.ts'), 'start');
      expect(system.state('echo')).to.equal('running');
      const refused = await system.echo('stop');
      expect(refused.code).to.equal(1051);
      expect(refused.err).to.include('With --force they are stopped first.');
      expect((await system.echo('restart', '--force')).code).to.equal(0);
      expect([system.state('echo'), system.state('where')]).to.deep.equal(['running', 'running']);
      expect((await system.echo('stop', '--force')).code).to.equal(0);
      expect([system.state('echo'), system.state('where')]).to.deep.equal(['stopped', 'stopped']);
    });

    it('with --json give the status', async () => {
      const { out } = await system.echo('start', '--json');
      const { status, ...rest } = JSON.parse(out) as { status: ServiceStatus };
      expect(rest).to.deep.equal({ ok: true, code: 0, command: 'start', service: 'echo' });
      expect(status).to.deep.include({
        state: 'running',
        pid: 1000,
        accepts: ['stop', 'shutdown'],
      });
    });
  });

  describe('pause and continue', () => {
    it('wait until it is so', async () => {
      const paused = new Deferred<void>();
      system.host({
        start: () => undefined,
        stop: () => undefined,
        pause: () => {
          system.clock.callLater(5, () => paused.callback());
          return paused;
        },
        continue: () => undefined,
      });
      await system.echo('install');
      await system.echo('start');
      expect(await system.echo('pause')).to.deep.equal({
        code: 0,
        out: 'Pausing service echo\nService is paused, process 1000\n',
        err: '',
      });
      expect((await system.echo('pause')).code).to.equal(0); // it is so already
      expect(await system.echo('continue')).to.deep.equal({
        code: 0,
        out: 'Continuing service echo\nService is running, process 1000\n',
        err: '',
      });
    });

    it('end with 1052 where it cannot, 1061 when it fails to, 1062 where it does not run', async () => {
      await system.echo('install');
      expect((await system.echo('pause')).code).to.equal(1062);
      await system.echo('start');
      expect(await system.echo('pause')).to.deep.equal({
        code: 1052,
        out: 'Pausing service echo\n',
        err: 'Error pausing service: The service does not accept this control (1052)\n',
      });
      await system.echo('stop');
      system.host({
        start: () => undefined,
        stop: () => undefined,
        pause: () => Promise.reject(new Error('cannot')),
        continue: () => undefined,
      });
      await system.echo('start');
      const { code, err } = await system.echo('pause');
      expect(code).to.equal(1061);
      expect(err).to.equal('Error pausing service: It is running (1061)\n');
    });
  });

  describe('control', () => {
    it('sends a number, and gives back what the service makes of it', async () => {
      const got: number[] = [];
      system.host({
        start: () => undefined,
        stop: () => undefined,
        control: ({ code }) => {
          got.push(code);
          return code === 200 ? 0 : 13;
        },
      });
      await system.echo('install');
      await system.echo('start');
      expect(await system.echo('control', '200')).to.deep.equal({
        code: 0,
        out: 'Sending control 200 to service echo\nService is running, process 1000\n',
        err: '',
      });
      expect(await system.echo('control', '201')).to.include({
        code: 13,
        err: 'Error sending control to service: The data makes no sense (13)\n',
      });
      expect(got).to.deep.equal([200, 201]);
    });

    for (const [operands, message] of [
      [[], /^Command "control" needs a number from 128 to 255$/],
      [['127'], /^Bad value "127" of control/],
      [['stop'], /^Bad value "stop" of control/],
      [['200', '201'], /^Unexpected argument "201" of command "control"$/],
    ] as const) {
      it(`refuses ${JSON.stringify(operands)}`, async () => {
        await system.echo('install');
        const { code, err } = await system.echo('control', ...operands);
        expect(code).to.equal(2);
        expect(err).to.match(message);
      });
    }
  });

  describe('status', () => {
    it('tells everything, to people', async () => {
      await system.echo(
        ...[
          'install',
          '--startup',
          'delayed',
          '--display-name',
          'Echo',
          '--description',
          'says it',
        ],
        ...['--recovery', 'restart/5s', '--reset', 'never', '--no-on-nonzero-exit', '--env', 'S=x'],
        ...['--depends', 'Tcpip', '--username', 'virtual', '--preshutdown', '1min'],
      );
      expect(await system.echo('status')).to.deep.equal({
        code: 0,
        out: `${[
          'echo (Echo)',
          '  State:       stopped',
          '  Ended with:  1077: The service was not started since the system was',
          '  Start:       automatic (delayed)',
          '  Account:     NT SERVICE\\echo',
          `  Command:     ${LINE} --preshutdown 60`,
          '  Needs:       Tcpip',
          '  Recovery:    restart after 5 s; begins anew never; crashes only',
          '  At shutdown: 60 s',
          '  Environment: S',
          '  Description: says it',
        ].join('\n')}\n`,
        err: '',
      });
    });

    it('tells everything, to programs, but for values that may be secret', async () => {
      await system.echo('install', '--env', 'SECRET=x y z');
      const { out } = await system.echo('status', '--json');
      expect(out).not.to.include('x y z');
      const object = JSON.parse(out);
      expect(object).to.deep.include({ ok: true, code: 0, command: 'status', service: 'echo' });
      expect(object.status).to.include({ state: 'stopped', code: 1, win32ExitCode: 1077, pid: 0 });
      expect(object.config).to.include({ imagePath: LINE, startType: 'manual' });
      expect(object.settings).to.deep.include({ delayedStart: false, environment: ['SECRET'] });
    });

    it('finds it by its display name, and without an application', async () => {
      await system.echo('install', '--display-name', 'The Echo');
      expect((await system.twistd('--service', 'x', 'status', '--name', 'the echo')).out).to.match(
        /^echo \(The Echo\)\n/,
      );
      expect((await system.twistd('--service', './gone/echo.ts', 'status')).code).to.equal(0);
    });

    it('asks another machine', async () => {
      await system.echo('install');
      expect((await system.echo('status', '--machine', 'MACHINE')).code).to.equal(0);
      expect(await system.echo('status', '--machine', 'other')).to.deep.equal({
        code: 1722,
        out: '',
        err: 'Error querying service: The machine does not answer (1722)\n',
      });
    });
  });

  describe('logs', () => {
    it('shows the end of the log that the command line names', async () => {
      await system.echo('install', '-l', '/x/a.log');
      system.logs.set('/x/a.log', [...Array(60).keys()].map(String));
      expect((await system.echo('logs')).out.trimEnd().split('\n')).to.deep.equal(
        [...Array(50).keys()].map((n) => String(n + 10)),
      );
      expect((await system.echo('logs', '--lines', '2')).out).to.equal('58\n59\n');
      expect(JSON.parse((await system.echo('logs', '--json', '--lines', '1')).out)).to.deep.include(
        {
          logfile: '/x/a.log',
          log: ['59'],
        },
      );
    });

    it('ends with 2 where there is none', async () => {
      await system.echo('install');
      const { code, err } = await system.echo('logs');
      expect(code).to.equal(2);
      expect(err).to.match(/^Error reading the log of service: ENOENT.*echo\.log' \(2\)\n$/);
    });
  });

  describe('remove', () => {
    it('stops it, takes it and the source of its events out, and leaves nothing', async () => {
      await system.echo('install', '--event-source', 'My echo');
      await system.echo('start');
      expect(await system.echo('remove')).to.deep.equal({
        code: 0,
        out: 'Removing service echo\nService removed\n',
        err: '',
      });
      expect(system.memory.openManager({ rights: ['enumerate'] }).enumerate()).to.deep.equal([]);
      expect(system.events.isRegistered('My echo')).to.equal(false);
      expect(system.clock.getDelayedCalls()).to.deep.equal([]);
    });

    it('waits until others have closed it, and ends with 1072 when they do not', async () => {
      await system.echo('install');
      const held = system.open('echo');
      const { code, err } = await system.echo('remove', '--wait', '3');
      expect(code).to.equal(1072);
      expect(err).to.match(/being deleted.*\(1072\)\nClose the Services window, Task Manager/s);
      const again = await system.echo('install');
      expect(again.code).to.equal(1072);
      expect(again.err).to.match(/^Error installing service: The service is being deleted/);
      held.close();
      expect((await system.echo('install')).code).to.equal(0);
    });
  });
});
