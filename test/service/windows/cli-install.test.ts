import { resolve } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { LoadError, splitCommandLine } from '../../../src/service/index.ts';
import {
  type CommandLineOptions,
  commandLineOf,
  type Installable,
  readCommandLine,
  type ServiceProgram,
  setupOf,
  twistdScript,
  typeScriptOptions,
} from '../../../src/service/windows/cli-install.ts';
import type { ServiceCliOptions } from '../../../src/service/windows/cli-options.ts';

const PROGRAM: ServiceProgram = {
  script: 'C:\\strand\\twistd.js',
  files: ['C:\\my apps\\chat.js'],
  flags: { '--service': 'C:\\my apps\\chat.js' },
  args: [],
  directory: 'C:\\my apps',
};

const TARGET: Installable = {
  name: 'chat',
  description: 'talks',
  dependencies: ['Tcpip'],
  program: () => PROGRAM,
  debug: () => Promise.resolve(0),
};

function lineOf(
  program: Partial<ServiceProgram> = {},
  options: Partial<CommandLineOptions> = {},
): string {
  return commandLineOf(
    'chat',
    { ...PROGRAM, ...program },
    {
      service: {},
      host: {},
      execPath: 'C:\\Program Files\\nodejs\\node.exe',
      nodeVersion: '20.19.0',
      logfile: 'C:\\Data\\chat.log',
      ...options,
    },
  );
}

const wordsOf = (...args: Parameters<typeof lineOf>): string[] => splitCommandLine(lineOf(...args));

describe('commandLineOf()', () => {
  it('is plain node with absolute paths, and says whose process it is', () => {
    expect(lineOf()).to.equal(
      '"C:\\Program Files\\nodejs\\node.exe" C:\\strand\\twistd.js --run-service chat ' +
        '--service "C:\\my apps\\chat.js" --rundir "C:\\my apps" --logfile C:\\Data\\chat.log',
    );
  });

  it('has what was said of host and service', () => {
    expect(
      wordsOf(
        { args: ['-p', '80'] },
        {
          host: { logFormat: 'json', logLevel: 'warn', stopTimeout: 2.5, reactor: 'libuv' },
          service: { preshutdown: 120, eventSource: 'My chat', nodeOption: ['--no-warnings'] },
        },
      ).slice(1),
    ).to.deep.equal([
      ...['--no-warnings', 'C:\\strand\\twistd.js', '--run-service', 'chat'],
      ...['--service', 'C:\\my apps\\chat.js', '--rundir', 'C:\\my apps'],
      ...['--logfile', 'C:\\Data\\chat.log', '--log-format', 'json', '--log-level', 'warn'],
      ...['--stop-timeout', '2.5', '--reactor', 'libuv', '--preshutdown', '120'],
      ...['--event-source', 'My chat', '--', '-p', '80'],
    ]);
  });

  it('makes paths absolute', () => {
    const words = wordsOf({}, { host: { logfile: 'a.log' }, service: { cwd: 'here' } });
    expect(words).to.include(resolve('a.log')).and.to.include(resolve('here'));
  });

  it('has node read TypeScript, where it does not by itself', () => {
    const files = ['C:\\chat.ts'];
    expect(wordsOf({ files }, { nodeVersion: '22.18.0' })[1]).to.equal('C:\\strand\\twistd.js');
    expect(wordsOf({ files }, { nodeVersion: '22.6.0' })[1]).to.equal('--experimental-strip-types');
    expect(
      wordsOf(
        { files },
        { nodeVersion: '22.6.0', service: { nodeOption: ['--experimental-strip-types'] } },
      )[2],
    ).to.equal('C:\\strand\\twistd.js');
    expect(() => lineOf({ files }, { nodeVersion: '20.19.0' })).to.throw(
      LoadError,
      /^Cannot run "C:\\\\strand\\\\twistd.js" as a service: Node 20.19.0 does not read TypeScript/,
    );
  });

  it('keeps what was said before, and takes application and node anew', () => {
    const previous = lineOf(
      { args: ['old'], flags: { '--python': 'C:\\old.js' } },
      {
        host: { logFormat: 'json', logLevel: 'warn' },
        service: { preshutdown: 5, nodeOption: ['--no-warnings'] },
      },
    );
    const words = wordsOf({}, { previous, host: { logLevel: 'debug' }, execPath: 'D:\\node.exe' });
    expect(words).to.deep.equal([
      ...['D:\\node.exe', '--no-warnings', 'C:\\strand\\twistd.js', '--run-service', 'chat'],
      ...['--service', 'C:\\my apps\\chat.js', '--rundir', 'C:\\my apps'],
      ...['--logfile', 'C:\\Data\\chat.log', '--log-format', 'json', '--log-level', 'debug'],
      ...['--preshutdown', '5', '--', 'old'],
    ]);
    expect(lineOf({}, { previous: 'C:\\something.exe else' })).to.equal(lineOf());
  });

  it('takes the early word of the shutdown back with 0', () => {
    const previous = lineOf({}, { service: { preshutdown: 5 } });
    expect(lineOf({}, { previous, service: { preshutdown: 0 } })).to.equal(lineOf());
    expect(setupOf(TARGET, { preshutdown: 0 }, 'line', {})).not.to.have.property(
      'preshutdownTimeout',
    );
  });

  it('leaves another program to itself', () => {
    expect(lineOf({ other: { program: 'C:\\a b\\host.exe', args: '-x "y z"' } })).to.equal(
      '"C:\\a b\\host.exe" -x "y z"',
    );
    expect(lineOf({ other: { program: 'host.exe', args: '' } })).to.equal('"host.exe"');
  });
});

describe('readCommandLine()', () => {
  it('reads what commandLineOf() wrote', () => {
    const word = fc
      .string({ minLength: 1, unit: 'grapheme' })
      .filter((text) => !/[%\0]/.test(text) && text !== '--');
    fc.assert(
      fc.property(word, fc.array(word), word, (directory, args, eventSource) => {
        const line = lineOf({ directory, args }, { service: { eventSource } });
        expect(readCommandLine(line)).to.deep.equal({
          execPath: 'C:\\Program Files\\nodejs\\node.exe',
          nodeOptions: [],
          script: PROGRAM.script,
          name: 'chat',
          flags: {
            ...PROGRAM.flags,
            '--rundir': directory,
            '--logfile': 'C:\\Data\\chat.log',
            '--event-source': eventSource,
          },
          args,
        });
      }),
    );
  });

  it('gives null for anything else', () => {
    for (const line of [
      '',
      'node.exe',
      '"C:\\x.exe" --run-service',
      'x.exe --run-service y',
      'a b',
    ]) {
      expect(readCommandLine(line), line).to.equal(null);
    }
  });
});

describe('typeScriptOptions()', () => {
  for (const [version, options] of [
    ['v26.1.0', []],
    ['24.0.0', []],
    ['23.6.0', []],
    ['23.5.0', ['--experimental-strip-types']],
    ['22.18.0', []],
    ['22.17.1', ['--experimental-strip-types']],
    ['22.6.0', ['--experimental-strip-types']],
    ['22.5.1', null],
    ['20.19.0', null],
  ] as const) {
    it(`for Node ${version}`, () => {
      if (options === null) expect(() => typeScriptOptions(version, 'x.ts')).to.throw(LoadError);
      else expect(typeScriptOptions(version, 'x.ts')).to.deep.equal(options);
    });
  }
});

describe('twistdScript()', () => {
  it('is the source where node reads it', () => {
    expect(twistdScript('22.18.0')).to.equal(resolve('twistd.ts'));
  });
});

describe('setupOf()', () => {
  const fresh = (options: ServiceCliOptions, more: Partial<Installable> = {}) =>
    setupOf({ ...TARGET, ...more }, options, 'line', null);
  const restart = [{ type: 'restart' as const, delay: 5 }];

  it('gives a new service its defaults', () => {
    expect(fresh({})).to.deep.equal({
      name: 'chat',
      imagePath: 'line',
      displayName: 'chat',
      description: 'talks',
      dependencies: ['Tcpip'],
      startType: 'manual',
    });
    expect(fresh({}, { startType: 'automatic', displayName: 'Chat' })).to.include({
      startType: 'automatic',
      displayName: 'Chat',
    });
  });

  it('leaves of one that is there what is not given', () => {
    const options: ServiceCliOptions = { displayName: 'C' };
    const bare = { name: 'chat', program: TARGET.program, debug: TARGET.debug };
    expect(setupOf(bare, options, 'line', {})).to.deep.equal({
      name: 'chat',
      imagePath: 'line',
      displayName: 'C',
    });
  });

  it('goes by the options before the class', () => {
    expect(fresh({ description: 'd', depends: [], displayName: 'D' })).to.include({
      description: 'd',
      displayName: 'D',
    });
    expect(fresh({ depends: [] }).dependencies).to.deep.equal([]);
  });

  it('sets and takes back the delayed start', () => {
    const auto = { startType: 'automatic', delayedStart: false } as const;
    const delayed = { startType: 'automatic', delayedStart: true } as const;
    const manual = { startType: 'manual', delayedStart: false } as const;
    expect(fresh({ startup: delayed })).to.include(delayed);
    expect(fresh({ delayed: true })).to.include(delayed);
    expect(fresh({ startup: auto, delayed: true })).to.include(delayed);
    expect(fresh({ startup: auto })).not.to.have.property('delayedStart');
    const update = (startup: typeof auto | typeof manual, delayedStart: boolean) =>
      setupOf(TARGET, { startup }, 'line', { delayedStart });
    expect(update(auto, true)).to.include(auto);
    expect(update(auto, false)).not.to.have.property('delayedStart');
    expect(update(manual, true)).not.to.have.property('delayedStart'); // the system takes it back
  });

  it('recovers from errors, too, unless told otherwise', () => {
    expect(fresh({ recovery: restart })).to.deep.include({
      recovery: { actions: restart, resetPeriod: 86_400, rebootMessage: '', command: '' },
      recoverOnErrorExit: true,
    });
    expect(fresh({ recovery: restart, onNonzeroExit: false }).recoverOnErrorExit).to.equal(false);
    expect(fresh({ recovery: [] }).recoverOnErrorExit).to.equal(false);
    expect(fresh({})).not.to.have.any.keys('recovery', 'recoverOnErrorExit');
  });

  it('changes of a recovery plan what is given', () => {
    const recovery = { actions: restart, resetPeriod: 60, rebootMessage: 'm', command: 'c' };
    const changed = (options: ServiceCliOptions) =>
      setupOf(TARGET, options, 'l', { recovery }).recovery;
    expect(changed({ reset: 'never' })).to.deep.equal({ ...recovery, resetPeriod: null });
    expect(changed({ reset: 7 })).to.deep.equal({ ...recovery, resetPeriod: 7 });
    expect(changed({ recoveryCommand: 'x' })).to.deep.equal({ ...recovery, command: 'x' });
    expect(changed({ rebootMessage: 'y' })).to.deep.equal({ ...recovery, rebootMessage: 'y' });
    expect(changed({ recovery: [] })).to.deep.equal({ ...recovery, actions: [] });
    const none = { ...recovery, actions: [], resetPeriod: 0 };
    expect(setupOf(TARGET, { recovery: restart }, 'l', { recovery: none }).recovery).to.include({
      resetPeriod: 86_400,
    });
  });

  it('takes the other options as they are', () => {
    expect(
      fresh({
        ...{ interactive: true, sid: 'restricted', privileges: ['SeX'], preshutdown: 9 },
        ...{ env: { A: '1' }, username: 'localservice' },
      }),
    ).to.deep.include({
      interactive: true,
      sidType: 'restricted',
      requiredPrivileges: ['SeX'],
      preshutdownTimeout: 9,
      environment: { A: '1' },
      account: 'NT AUTHORITY\\LocalService',
    });
  });
});
