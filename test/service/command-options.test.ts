import { expect } from 'chai';
import { defineOptions, HelpRequested, UsageError } from '../../src/service/index.ts';

const Options = defineOptions(
  {
    path: { type: 'string', required: true, value: 'DIR', description: 'folder to serve' },
    port: { type: 'port', short: 'p', default: 8080, description: 'port' },
    logFile: { type: 'string', description: 'log' },
    level: { type: 'string', choices: ['low', 'high'], default: 'low', description: 'level' },
    wait: { type: 'seconds', description: 'wait' },
    workers: { type: 'integer', min: 1, max: 8, default: 1, description: 'workers' },
    ratio: { type: 'number', description: 'ratio' },
    header: { type: 'string', repeat: true, description: 'header' },
    listing: { type: 'flag', description: 'list folders' },
    date: {
      type: 'parsed',
      description: 'date',
      parse: (text) => {
        const time = Date.parse(text);
        if (Number.isNaN(time)) throw new Error('a date');
        return new Date(time);
      },
    },
  },
  {
    description: 'Serves a folder.',
    epilog: 'See also: the manual.',
    check: ({ wait, listing }) => {
      if (wait === 0 && listing)
        throw new UsageError('Options --wait 0 and --listing exclude each other');
    },
  },
);

function read(...args: string[]): InstanceType<typeof Options> {
  const options = new Options();
  options.parseOptions(args, 'twistd try');
  return options;
}

describe('defineOptions()', () => {
  it('gives defaults, undefined, false and [] for what is not given', () => {
    expect({ ...read('--path', '/srv') }).to.deep.equal({
      path: '/srv',
      port: 8080,
      logFile: undefined,
      level: 'low',
      wait: undefined,
      workers: 1,
      ratio: undefined,
      header: [],
      listing: false,
      date: undefined,
    });
  });

  it('reads values of every type', () => {
    const options = read(
      ...['--path=/srv', '-p', '0', '--log-file', 'a b', '--level', 'high', '--wait', '0.5'],
      ...['--workers', '8', '--ratio', '-1e3', '--header', 'a', '--header', 'b', '--listing'],
      ...['--date', '2020-01-01'],
    );
    // Types as the table says, at compile time.
    const port: number = options.port;
    const level: 'low' | 'high' = options.level;
    const header: readonly string[] = options.header;
    const date: Date | undefined = options.date;
    expect([port, level, header, date?.getTime()]).to.deep.equal([
      0,
      'high',
      ['a', 'b'],
      1577836800000,
    ]);
    expect(options).to.include({
      logFile: 'a b',
      wait: 0.5,
      workers: 8,
      ratio: -1000,
      listing: true,
    });
  });

  for (const [title, args, message] of [
    ['a required option that is missing', [], /^Option --path is required$/],
    ['an unknown option', ['--pahth', 'x'], /^Unknown option '--pahth' \(Did you mean --path\?\)$/],
    ['a word too many', ['--path', 'x', 'y'], /^Unexpected argument "y"$/],
    [
      'a command',
      ['install'],
      /^Unexpected argument "install": commands go with --service, as in 'twistd --service NAME install'/,
    ],
    ['a value that is missing', ['--path'], /^Option '--path <DIR>' argument missing$/],
    [
      'an option that was given twice',
      ['--path', 'x', '--path', 'y'],
      /^Option --path was given twice$/,
    ],
    [
      'a port',
      ['--path', 'x', '-p', '65536'],
      /^Bad value "65536" of --port: expected a whole number from 0 to 65535$/,
    ],
    ['half a port', ['--path', 'x', '-p', '1.5'], /^Bad value "1.5" of --port/],
    [
      'no number',
      ['--path', 'x', '--ratio', '0x10'],
      /^Bad value "0x10" of --ratio: expected a number$/,
    ],
    ['an empty number', ['--path', 'x', '--ratio', ''], /^Bad value "" of --ratio/],
    ['more than there is', ['--path', 'x', '--ratio', '1e999'], /^Bad value "1e999" of --ratio/],
    ['too many', ['--path', 'x', '--workers', '9'], /whole number from 1 to 8$/],
    ['a negative time', ['--path', 'x', '--wait', '-1'], /expected a number, 0 or more$/],
    [
      'another choice',
      ['--path', 'x', '--level', 'mid'],
      /^Bad value "mid" of --level: expected one of low, high$/,
    ],
    [
      'what cannot be parsed',
      ['--path', 'x', '--date', 'soon'],
      /^Bad value "soon" of --date: expected a date$/,
    ],
    [
      'values that do not go together',
      ['--path', 'x', '--wait', '0', '--listing'],
      /exclude each other$/,
    ],
  ] as const) {
    it(`throws a UsageError for ${title}`, () => {
      expect(() => read(...args)).to.throw(UsageError, message);
    });
  }

  it('throws HelpRequested with the help at --help', () => {
    let text = '';
    try {
      read('--help');
    } catch (error) {
      if (!(error instanceof HelpRequested)) throw error;
      ({ text } = error);
    }
    expect(text).to.match(/^Usage: twistd try \[options\]\n\nServes a folder\.\n/);
    expect(text).to.contain('--path <DIR>').and.contain('-p, --port <PORT>');
    expect(text).to.contain('(default: 8080)').and.contain('level (low, high)');
    expect(text).to.match(/See also: the manual\.\n$/);
  });

  it('refuses an option that would be the opposite of another', () => {
    const Opposite = defineOptions({ noActive: { type: 'flag', description: 'not' } });
    expect(() => new Opposite().parseOptions([])).to.throw(TypeError, '--no-active');
  });

  it('takes operands where they are described, and a command line as it is', () => {
    const Command = defineOptions(
      { depth: { type: 'integer', short: 'd', description: 'depth' } },
      { operands: { name: 'COMMAND', description: 'what to run', min: 1, commandLine: true } },
    );
    const options = new Command();
    options.parseOptions(['-d', '3', 'ls', '-d', '4', '--', '--help']);
    expect(options.depth).to.equal(3);
    expect(options.operands).to.deep.equal(['ls', '-d', '4', '--', '--help']);
    expect(() => new Command().parseOptions(['-d', '3'])).to.throw(
      UsageError,
      /^COMMAND is missing: what to run$/,
    );
    const Files = defineOptions(
      { all: { type: 'flag', description: 'all' } },
      { operands: { name: 'FILE...', description: 'files' } },
    );
    const files = new Files();
    files.parseOptions(['a', '--all', 'b']);
    expect([files.all, ...files.operands]).to.deep.equal([true, 'a', 'b']);
  });
});
