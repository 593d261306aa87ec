import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import { UsageError } from '../../../src/service/index.ts';
import {
  askOnTerminal,
  fullAccount,
  isUser,
  type PasswordOptions,
  type PasswordSources,
  passwordFor,
  type TerminalInput,
} from '../../../src/service/windows/passwords.ts';

async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    expect(error).to.be.instanceOf(UsageError);
    return String(error instanceof Error ? error.message : error);
  }
  throw new Error('It was not refused');
}

describe('accounts', () => {
  for (const [account, full] of [
    ['LocalSystem', 'LocalSystem'],
    ['system', 'LocalSystem'],
    ['NT AUTHORITY\\System', 'LocalSystem'],
    ['LocalService', 'NT AUTHORITY\\LocalService'],
    ['network service', 'NT AUTHORITY\\NetworkService'],
    ['nt authority\\networkservice', 'nt authority\\networkservice'],
    ['virtual', 'NT SERVICE\\chat'],
    ['anna', '.\\anna'],
    ['constructor', '.\\constructor'],
    ['.\\anna', '.\\anna'],
    ['DOM\\anna', 'DOM\\anna'],
    ['anna@dom.example', 'anna@dom.example'],
    ['DOM\\managed$', 'DOM\\managed$'],
  ] as const) {
    it(`fullAccount() of ${account} is ${full}`, () => {
      expect(fullAccount(account, 'chat')).to.equal(full);
    });
  }

  it('isUser() holds for those that have a password', () => {
    for (const account of ['.\\anna', 'DOM\\anna', 'anna@dom.example', 'NTX\\a']) {
      expect(isUser(account), account).to.equal(true);
    }
    for (const account of [
      ...['LocalSystem', '.\\LocalSystem', 'NT AUTHORITY\\LocalService', 'NT SERVICE\\chat'],
      'DOM\\managed$',
    ]) {
      expect(isUser(account), account).to.equal(false);
    }
  });
});

describe('passwordFor()', () => {
  const sources = (more: Partial<PasswordSources> = {}): PasswordSources => ({
    environment: {},
    readInput: () => Promise.reject(new Error('nobody said to read')),
    prompt: null,
    ...more,
  });
  const of = (options: PasswordOptions, more: Partial<PasswordSources> = {}) =>
    passwordFor('.\\anna', options, sources(more));

  it('takes the option', async () => {
    expect(await of({ password: ' p ' })).to.equal(' p ');
    expect(await of({ password: '' })).to.equal('');
  });

  it('takes the environment variable that is named, before the usual one', async () => {
    const environment = { MINE: 'a', STRAND_SERVICE_PASSWORD: 'b' };
    expect(await of({ passwordEnv: 'MINE' }, { environment })).to.equal('a');
    expect(await of({}, { environment })).to.equal('b');
    expect(await refusal(of({ passwordEnv: 'OTHER' }, { environment }))).to.equal(
      'No password for ".\\\\anna": environment variable OTHER is not set',
    );
  });

  it('takes standard input, without the end of the line', async () => {
    for (const [input, password] of [
      ['pass word\n', 'pass word'],
      ['pass\r\n', 'pass'],
      ['pass', 'pass'],
      ['a\nb\n', 'a\nb'],
    ] as const) {
      const readInput = (): Promise<string> => Promise.resolve(input);
      expect(await of({ passwordStdin: true }, { readInput })).to.equal(password);
    }
  });

  it('asks when nothing is said and somebody is there', async () => {
    const asked: string[] = [];
    const prompt = (question: string): Promise<string> => {
      asked.push(question);
      return Promise.resolve('typed');
    };
    expect(await of({}, { prompt })).to.equal('typed');
    expect(asked).to.deep.equal(['Password of .\\anna: ']);
  });

  it('refuses when there is none, or two ways are given', async () => {
    expect(await refusal(of({}))).to.match(
      /^No password for ".*": set STRAND_SERVICE_PASSWORD, or give --password-stdin or --password-env$/,
    );
    expect(await refusal(of({ password: 'x', passwordStdin: true }))).to.match(
      /exclude each other/,
    );
    expect(await refusal(of({ passwordEnv: 'x', passwordStdin: true }))).to.match(/exclude/);
  });
});

describe('askOnTerminal()', () => {
  function terminal() {
    const stream = new PassThrough();
    const modes: boolean[] = [];
    let shown = '';
    const input: TerminalInput = Object.assign(stream, {
      setRawMode: (raw: boolean) => void modes.push(raw),
    });
    const answer = askOnTerminal('Password: ', input, (text) => {
      shown += text;
    });
    return { stream, modes, answer, shown: () => shown };
  }

  it('gives what is typed, and shows nothing of it', async () => {
    const { stream, modes, answer, shown } = terminal();
    stream.write('se');
    stream.write('crét 漢\r');
    expect(await answer).to.equal('secrét 漢');
    expect(shown()).to.equal('Password: \n');
    expect(modes).to.deep.equal([true, false]);
    expect(stream.listenerCount('data')).to.equal(0);
  });

  it('takes back letters, whole ones', async () => {
    const { stream, answer } = terminal();
    stream.write('\x7fab😀\x7f\bc\n');
    expect(await answer).to.equal('ac');
  });

  for (const [title, key] of [
    ['Ctrl+C', '\x03'],
    ['Ctrl+D', '\x04'],
  ] as const) {
    it(`gives up with ${title}`, async () => {
      const { stream, modes, answer } = terminal();
      stream.write(`abc${key}`);
      expect(await refusal(answer)).to.equal('No password: whoever was asked gave up');
      expect(modes).to.deep.equal([true, false]);
    });
  }

  it('gives up when the input ends', async () => {
    const { stream, answer } = terminal();
    stream.end('abc');
    expect(await refusal(answer)).to.match(/gave up$/);
  });
});
