import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  FilePasswordDB,
  hashPassword,
  isPasswordHash,
  LoginFailed,
  PasswordFileError,
  TooManyLogins,
  UnauthorizedLogin,
  UsernameHashedPassword,
  UsernamePassword,
  verifyPassword,
} from '../../../src/protocols/index.ts';
import { type LogEvent, setLogObserver } from '../../../src/reactor/index.ts';

const CHEAP = { cost: 10 };

async function errorOf(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('Expected a failure');
}

describe('hashPassword()', () => {
  it('makes another line each time, which only its password fits', async () => {
    const [a, b] = await Promise.all([
      hashPassword('sécret', CHEAP),
      hashPassword('sécret', CHEAP),
    ]);
    expect(a).to.match(/^\$scrypt\$ln=10,r=8,p=1\$[^$=]{22}\$[^$=]{43}$/);
    expect(a).not.to.equal(b);
    expect(isPasswordHash(a)).to.equal(true);
    expect(await verifyPassword('sécret', a)).to.equal(true);
    expect(await verifyPassword('secret', a)).to.equal(false);
    expect(await verifyPassword('', a)).to.equal(false);
  });

  it('agrees with the vector of RFC 7914', async () => {
    // Its third: N=16384, r=8, p=1; the first 32 bytes of 64.
    const hash = Buffer.from(
      '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2',
      'hex',
    );
    const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
    const line = `$scrypt$ln=14,r=8,p=1$${base64(Buffer.from('SodiumChloride'))}$${base64(hash)}`;
    expect(await verifyPassword('pleaseletmein', line)).to.equal(true);
  });

  it('refuses costs out of range', () => {
    expect(() => hashPassword('x', { cost: 9 })).to.throw(RangeError, /cost 9/);
    expect(() => hashPassword('x', { cost: 10, blockSize: 0 })).to.throw(RangeError);
    expect(() => hashPassword('x', { cost: 10.5 })).to.throw(RangeError);
  });

  it('refuses costs that do not go together, and goes on with others', async () => {
    const tooCheapBlocks = { cost: 16, blockSize: 1 };
    for (let i = 0; i < 3; i += 1) {
      expect(() => hashPassword('x', tooCheapBlocks)).to.throw(RangeError, 'cost');
    }
    const line = `$scrypt$ln=16,r=1,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;
    for (let i = 0; i < 3; i += 1) {
      expect(() => verifyPassword('x', line)).to.throw(SyntaxError, 'cost');
    }
    const hash = await hashPassword('x', CHEAP);
    expect(await verifyPassword('x', hash)).to.equal(true);
  });

  it('throws SyntaxError from verifyPassword() for what is no hash, without repeating it', () => {
    for (const bad of [
      '',
      'plain',
      '$scrypt$ln=99,r=8,p=1$',
      '$scrypt$ln=30,r=8,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0c2FsdHNhbHQ',
    ]) {
      expect(() => verifyPassword('x', bad)).to.throw(SyntaxError, /^Not a password hash/);
    }
  });

  it('fails with TooManyLogins when too many wait, and the others are served', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 210 }, () => hashPassword('x', CHEAP).toPromise()),
    );
    const refused = results.filter(({ status }) => status === 'rejected');
    expect(refused).to.have.length(8);
    for (const result of refused) {
      if (result.status === 'rejected') expect(result.reason).to.be.instanceOf(TooManyLogins);
    }
  });
});

describe('FilePasswordDB', () => {
  let folder = '';
  let file = '';
  let events: LogEvent[] = [];
  let restore: ReturnType<typeof setLogObserver>;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'strand-cred-'));
    file = join(folder, 'passwd');
    events = [];
    restore = setLogObserver((event) => events.push(event));
  });

  afterEach(async () => {
    setLogObserver(restore);
    await rm(folder, { recursive: true });
  });

  const login = (db: FilePasswordDB, username: string, password: string) =>
    db.requestAvatarId(new UsernamePassword(username, password));

  it('checks hashed passwords', async () => {
    await writeFile(file, `# people\n\nalice:${await hashPassword('wonder', CHEAP)}\r\n`);
    const db = new FilePasswordDB(file);
    expect(await login(db, 'alice', 'wonder')).to.equal('alice');
    expect(await errorOf(login(db, 'alice', 'x'))).to.be.instanceOf(UnauthorizedLogin);
    expect(await errorOf(login(db, 'nobody', 'wonder'))).to.be.instanceOf(UnauthorizedLogin);
    expect(await errorOf(login(db, 'nobody', ''))).to.be.instanceOf(UnauthorizedLogin);
    expect(events).to.deep.equal([]);
  });

  it('goes on telling right passwords from wrong ones once it has seen the right one', async () => {
    await writeFile(file, `alice:${await hashPassword('wonder', CHEAP)}\n`);
    const db = new FilePasswordDB(file);
    for (let round = 0; round < 2; round++) {
      expect(await login(db, 'alice', 'wonder')).to.equal('alice');
      expect(await errorOf(login(db, 'alice', 'wonders'))).to.be.instanceOf(UnauthorizedLogin);
    }
    await writeFile(file, `alice:${await hashPassword('changed', CHEAP)}\n`);
    await utimes(file, 1, 1);
    expect(await errorOf(login(db, 'alice', 'wonder'))).to.be.instanceOf(UnauthorizedLogin);
  });

  it('takes the hash itself for no password', async () => {
    const hash = await hashPassword('wonder', CHEAP);
    await writeFile(file, `alice:${hash}\n`);
    expect(await errorOf(login(new FilePasswordDB(file), 'alice', hash))).to.be.instanceOf(
      UnauthorizedLogin,
    );
  });

  it('checks clear passwords, and warns of them once', async () => {
    await writeFile(file, 'alice:wonder\nbob:builder\n');
    const db = new FilePasswordDB(file);
    expect(await login(db, 'alice', 'wonder')).to.equal('alice');
    expect(await login(db, 'bob', 'builder')).to.equal('bob');
    expect(await errorOf(login(db, 'bob', 'wonder'))).to.be.instanceOf(UnauthorizedLogin);
    expect(events.map(({ level }) => level)).to.deep.equal(['warn']);
    expect(events[0]?.message).to.contain(file).and.not.to.contain('wonder');
  });

  it('refuses a file with clear passwords when plain is false, naming the line', async () => {
    await writeFile(file, `a:${await hashPassword('x', CHEAP)}\nbob:builder\n`);
    const error = await errorOf(login(new FilePasswordDB(file, { plain: false }), 'a', 'x'));
    expect(error).to.be.instanceOf(PasswordFileError);
    expect(error)
      .to.have.property('message')
      .that.matches(/^Bad line 2 .*"bob" is not hashed$/);
    expect(error).to.have.property('message').that.not.contains('builder');
  });

  it('reads the file again once it has changed', async () => {
    await writeFile(file, 'alice:one\n');
    const db = new FilePasswordDB(file);
    await login(db, 'alice', 'one');
    await writeFile(file, 'alice:two\nbob:x\n');
    await utimes(file, 1, 1);
    expect(await login(db, 'alice', 'two')).to.equal('alice');
    expect(await errorOf(login(db, 'alice', 'one'))).to.be.instanceOf(UnauthorizedLogin);
  });

  it('fails with PasswordFileError when there is no file, and lets in again once there is one', async () => {
    const db = new FilePasswordDB(file);
    const error = await errorOf(login(db, 'alice', 'one'));
    expect(error).to.be.instanceOf(PasswordFileError).and.not.instanceOf(LoginFailed);
    expect(error).to.have.property('message').that.contains(file);
    await writeFile(file, 'alice:one\n');
    expect(await login(db, 'alice', 'one')).to.equal('alice');
  });

  for (const [title, content, message] of [
    ['a line without a password', 'alice\n', /^Bad line 1 .*expected a user name and a password/],
    ['an empty user name', 'a:b\n:x\n', /^Bad line 2 /],
    ['a user who is there twice', 'a:1\na:2\n', /^Bad line 2 .*"a" is there already$/],
    ['a broken hash', 'a:$scrypt$ln=15\n', /^Bad line 1 .*Not a password hash/],
  ] as const) {
    it(`refuses a file with ${title}`, async () => {
      await writeFile(file, content);
      const error = await errorOf(login(new FilePasswordDB(file), 'a', 'b'));
      expect(error).to.be.instanceOf(PasswordFileError);
      expect(error).to.have.property('message').that.matches(message);
    });
  }

  it('refuses a file that is too big', async () => {
    await writeFile(file, 'alice:one\n');
    const error = await errorOf(login(new FilePasswordDB(file, { maxSize: 5 }), 'alice', 'one'));
    expect(error)
      .to.have.property('message')
      .that.matches(/it has 10 bytes, and the limit is 5$/);
  });

  it('knows a user by one name whatever its case when caseSensitive is false', async () => {
    await writeFile(file, 'Alice:one\n');
    const db = new FilePasswordDB(file, { caseSensitive: false });
    expect(await login(db, 'ALICE', 'one')).to.equal('alice');
    expect(await db.getUser('aLICE')).to.deep.equal(['alice', 'one']);
    const strict = new FilePasswordDB(file);
    expect(await errorOf(login(strict, 'alice', 'one'))).to.be.instanceOf(UnauthorizedLogin);
  });

  it('reads other fields, with something else between them', async () => {
    await writeFile(file, '7|pw|carol|/home\n');
    const db = new FilePasswordDB(file, { delim: '|', usernameField: 2, passwordField: 1 });
    expect(await login(db, 'carol', 'pw')).to.equal('carol');
  });

  it('has a hash function of the user made of what was given', async () => {
    await writeFile(file, 'alice:ENOW\n');
    const db = new FilePasswordDB(file, {
      hash: async (_user, password) => password.toUpperCase().split('').reverse().join(''),
    });
    expect(await login(db, 'alice', 'wone')).to.equal('alice');
    expect(await errorOf(login(db, 'alice', 'ENOW'))).to.be.instanceOf(UnauthorizedLogin);
    expect(events).to.deep.equal([]);
  });

  it('does as much for a user who is not there when it has a hash function of the user', async () => {
    await writeFile(file, 'alice:ecila\n');
    const asked: string[] = [];
    const db = new FilePasswordDB(file, {
      hash: (username, password, entry) => {
        asked.push(`${username} ${password} ${entry}`);
        return [...password].reverse().join('');
      },
    });
    const nobody = new UsernamePassword('nobody', 'alice');
    expect(await errorOf(db.requestAvatarId(nobody))).to.be.instanceOf(UnauthorizedLogin);
    expect(asked).to.deep.equal(['nobody alice ecila']);
  });

  it('checks answers to challenges by clear passwords only', async () => {
    class Answer extends UsernameHashedPassword {
      readonly username: string;
      constructor(username: string) {
        super();
        this.username = username;
      }
      checkPassword(): boolean {
        return true;
      }
    }
    await writeFile(file, `alice:one\nbob:${await hashPassword('two', CHEAP)}\n`);
    const db = new FilePasswordDB(file);
    expect(await db.requestAvatarId(new Answer('alice'))).to.equal('alice');
    expect(await errorOf(db.requestAvatarId(new Answer('bob')))).to.be.instanceOf(
      UnauthorizedLogin,
    );
  });

  it('refuses a password that is too long before it costs anything', async () => {
    const db = new FilePasswordDB(join(folder, 'is not there'));
    expect(await errorOf(login(db, 'a', 'x'.repeat(5000)))).to.be.instanceOf(UnauthorizedLogin);
  });
});
