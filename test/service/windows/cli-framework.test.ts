import { resolve } from 'node:path';
import { expect } from 'chai';
import {
  type HandleCommandLineOptions,
  handleCommandLine,
  ServiceFramework,
} from '../../../src/service/index.ts';
import { MemorySystem } from '../../support/service-system.ts';

class Echo extends ServiceFramework {
  static readonly _svc_name_ = 'PyEcho';
  static readonly _svc_display_name_: string = 'An echo';
  static readonly _svc_description_: string = 'Says it again';
  static readonly _svc_deps_: readonly string[] = ['Tcpip'];
  override SvcDoRun(): void {}
}

const SCRIPT = resolve('svc echo.js');

describe('handleCommandLine()', () => {
  let system: MemorySystem;
  beforeEach(() => {
    system = new MemorySystem();
    system.host({ start: () => undefined, stop: () => undefined });
  });

  function run(argv: readonly string[], more: HandleCommandLineOptions = {}, cls = Echo) {
    return system.command(() =>
      handleCommandLine(cls, argv, {
        script: 'svc echo.js',
        system,
        streams: system.streams,
        ...more,
      }),
    );
  }

  it('installs what the class says, and gives the exit code', async () => {
    expect(await run(['--startup', 'auto', 'install'])).to.deep.equal({
      code: 0,
      out: 'Installing service PyEcho\nService installed\n',
      err: '',
    });
    system.look('PyEcho', (service) => {
      expect(service.queryConfig()).to.deep.include({
        displayName: 'An echo',
        startType: 'automatic',
        dependencies: ['Tcpip'],
        imagePath: `"${system.execPath}" "${SCRIPT}" --run-service PyEcho --rundir ${resolve('.')} --logfile D:\\Data\\strand\\logs\\PyEcho.log`,
      });
      expect(service.querySetting('description')).to.equal('Says it again');
    });
    expect(system.events.isRegistered('PyEcho')).to.equal(true);
  });

  it('does what pywin32 does with the verbs, in its words', async () => {
    class Bare extends Echo {
      static override readonly _svc_deps_ = [];
    }
    const bare = (argv: string[]) => run(argv, {}, Bare);
    await bare(['install']);
    expect(await bare(['start', 'x'])).to.include({
      code: 0,
      out: 'Starting service PyEcho\nService is running, process 1000\n',
    });
    expect(await bare(['install'])).to.deep.include({ code: 0 });
    expect((await bare(['--wait', '10', 'restart'])).out).to.match(/^Restarting service PyEcho\n/);
    expect((await bare(['--wait', '10', 'stop'])).out).to.equal(
      'Stopping service PyEcho\nService stopped\n',
    );
    expect((await bare(['update'])).out).to.equal(
      'Changing service configuration\nService updated\n',
    );
    expect((await bare(['remove'])).out).to.equal('Removing service PyEcho\nService removed\n');
    expect(await bare(['stop'])).to.deep.equal({
      code: 1060,
      out: 'Stopping service PyEcho\n',
      err: 'Error stopping service: There is no such service (1060)\nThe command install registers it.\n',
    });
    expect((await bare(['remove'])).err).to.match(/^Error removing service: There is no/);
  });

  it('takes the class for what it names: a start type, or another program', async () => {
    class Other extends Echo {
      static readonly _svc_start_type_ = 'automatic';
      static readonly _exe_name_ = 'C:\\my host.exe';
      static readonly _exe_args_ = '-x "y z"';
    }
    await run(['install'], {}, Other);
    system.look('PyEcho', (service) => {
      expect(service.queryConfig()).to.include({
        startType: 'automatic',
        imagePath: '"C:\\my host.exe" -x "y z"',
      });
    });
  });

  it('shows its usage and gives 1 for what makes no sense', async () => {
    const none = await run([]);
    expect(none.code).to.equal(1);
    expect(none.out).to.match(/^Usage: svc echo\.js \[options\] command/);
    const unknown = await run(['explode']);
    expect(unknown).to.include({ code: 1, err: "Unknown command - 'explode'\n" });
    expect(unknown.out).to.match(/^Usage: svc echo\.js/);
    expect(await run(['--startup', 'x', 'install'])).to.include({ code: 1 });
    expect(await run(['--help'])).to.include({ code: 0, err: '' });
    expect(system.memory.openManager({ rights: ['enumerate'] }).enumerate()).to.deep.equal([]);
  });

  describe('with custom options', () => {
    it('hands them on after the installation and after an update', async () => {
      const given: unknown[] = [];
      const more: HandleCommandLineOptions = {
        customInstallOptions: 'ab:l:',
        customOptionHandler: (options) => void given.push(options),
      };
      expect((await run(['-a', '-b', 'x y', 'install', '-l', '7'], more)).code).to.equal(0);
      expect((await run(['update'], more)).code).to.equal(0);
      expect(given).to.deep.equal([
        [
          ['-a', ''],
          ['-b', 'x y'],
          ['-l', '7'],
        ],
        [],
      ]);
    });

    it('takes the installation back when the handler throws', async () => {
      const more: HandleCommandLineOptions = {
        customInstallOptions: 'a',
        customOptionHandler: () => Promise.reject(new Error('no such option value')),
      };
      expect(await run(['-a', 'install'], more)).to.deep.equal({
        code: -1,
        out: 'Installing service PyEcho\n',
        err: 'Error installing service: no such option value\n',
      });
      expect(system.memory.openManager({ rights: ['enumerate'] }).enumerate()).to.deep.equal([]);
      expect(system.events.isRegistered('PyEcho')).to.equal(false);
    });

    it('leaves an update that the handler refuses as it is', async () => {
      await run(['install']);
      const more: HandleCommandLineOptions = {
        customOptionHandler: () => {
          throw new RangeError('not like that');
        },
      };
      expect(await run(['update', '--description', 'new'], more)).to.deep.equal({
        code: -1,
        out: 'Changing service configuration\n',
        err: 'Error changing service configuration: not like that\n',
      });
      const json = await run(['install', '--json'], more);
      expect(JSON.parse(json.out)).to.include({ ok: false, code: -1, error: 'not like that' });
      expect(system.look('PyEcho', (service) => service.querySetting('description'))).to.equal(
        'Says it again',
      );
    });
  });

  it('refuses a class without a name', async () => {
    class Nameless extends ServiceFramework {
      override SvcDoRun(): void {}
    }
    let refusal: unknown;
    // A class of JavaScript's may lack anything.
    await run(['debug'], {}, Nameless as unknown as typeof Echo).catch((error: unknown) => {
      refusal = error;
    });
    expect(refusal)
      .to.be.instanceOf(TypeError)
      .with.property('message')
      .that.matches(/^Cannot run class 'Nameless' as a service: .*'_svc_name_'.*got undefined$/);
  });

  it('ends the process of a service that the script does not hold with 1083', async () => {
    const exits: number[] = [];
    const exit = (code: number): void => void exits.push(code);
    expect((await run(['--run-service', 'Other'], { exit })).code).to.equal(1083);
    expect(exits).to.deep.equal([1083]);
  });

  it('says where there is no such service manager, and gives 2', async () => {
    const { code, err } = await system.command(() =>
      handleCommandLine(Echo, ['start'], { streams: system.streams }),
    );
    if (process.platform === 'win32') return;
    expect(code).to.equal(2);
    expect(err).to.match(
      /^Cannot start service "PyEcho": this is 'linux', and the service manager is/,
    );
  });
});
