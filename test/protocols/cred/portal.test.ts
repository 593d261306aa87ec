import { inspect } from 'node:util';
import { expect } from 'chai';
import { fail, succeed } from '../../../src/deferred/index.ts';
import {
  AllowAnonymousAccess,
  ANONYMOUS,
  Anonymous,
  CallableChecker,
  type CredentialsChecker,
  InMemoryUsernamePasswordDatabase,
  Portal,
  type Realm,
  UnauthorizedLogin,
  UnhandledCredentials,
  UsernameHashedPassword,
  UsernamePassword,
} from '../../../src/protocols/index.ts';
import { failureResultOf, successResultOf } from '../../../src/reactor/index.ts';

class Shell {
  readonly owner: unknown;
  constructor(owner: unknown) {
    this.owner = owner;
  }
}

class Realms implements Realm {
  readonly asked: unknown[][] = [];
  loggedOut = 0;
  requestAvatar(avatarId: unknown, mind: unknown, ...interfaces: never[]) {
    this.asked.push([avatarId, mind, ...interfaces]);
    return [Shell, new Shell(avatarId), () => (this.loggedOut += 1)] as const;
  }
}

const users = { alice: 'wonder', bob: '' };

class Answer extends UsernameHashedPassword {
  readonly username = 'alice';
  readonly #made: string;
  constructor(password: string) {
    super();
    this.#made = `hash of ${password}`;
  }
  checkPassword(password: string): boolean {
    return this.#made === `hash of ${password}`;
  }
}

describe('Portal', () => {
  it('gives the avatar that the realm makes of whoever the checker says it is', () => {
    const realm = new Realms();
    const portal = new Portal(realm, [new InMemoryUsernamePasswordDatabase(users)]);
    const [kind, avatar, logout] = successResultOf(
      portal.login(new UsernamePassword('alice', 'wonder'), 'mind', Shell),
    );
    expect(kind).to.equal(Shell);
    expect(avatar).to.be.instanceOf(Shell);
    expect(avatar.owner).to.equal('alice');
    expect(realm.asked).to.deep.equal([['alice', 'mind', Shell]]);
    logout();
    expect(realm.loggedOut).to.equal(1);
  });

  for (const [title, username, password] of [
    ['a wrong password', 'alice', 'wonders'],
    ['an empty password', 'alice', ''],
    ['an unknown user', 'mallory', 'wonder'],
    ['an unknown user without a password', 'mallory', ''],
    ['a name of every object', 'constructor', ''],
  ] as const) {
    it(`fails with UnauthorizedLogin at ${title}, and the realm is not asked`, () => {
      const realm = new Realms();
      const portal = new Portal(realm, [new InMemoryUsernamePasswordDatabase(users)]);
      const { value } = failureResultOf(
        portal.login(new UsernamePassword(username, password), null, Shell),
        UnauthorizedLogin,
      );
      expect(value).to.have.property('code', 'ERR_UNAUTHORIZED_LOGIN');
      expect(String(value)).not.to.contain('wonder');
      expect(realm.asked).to.deep.equal([]);
    });
  }

  it('lets a user in whose password is empty', () => {
    const portal = new Portal(new Realms(), [new InMemoryUsernamePasswordDatabase(users)]);
    successResultOf(portal.login(new UsernamePassword('bob', ''), null, Shell));
  });

  it('fails with UnhandledCredentials at credentials that no checker takes', () => {
    const portal = new Portal(new Realms(), [new InMemoryUsernamePasswordDatabase(users)]);
    const { value } = failureResultOf(
      portal.login(new Anonymous(), null, Shell),
      UnhandledCredentials,
    );
    expect(value).to.have.property('message').that.contains('Anonymous');
  });

  it('has anonymous users let in by AllowAnonymousAccess as ANONYMOUS', () => {
    const realm = new Realms();
    const portal = new Portal(realm);
    portal.registerChecker(new AllowAnonymousAccess());
    successResultOf(portal.login(new Anonymous(), null, 'anything'));
    expect(realm.asked).to.deep.equal([[ANONYMOUS, null, 'anything']]);
    failureResultOf(portal.login(new UsernamePassword('a', 'b'), null), UnhandledCredentials);
  });

  it('asks the checker that was registered last for a kind', () => {
    const realm = new Realms();
    const portal = new Portal(realm, [new InMemoryUsernamePasswordDatabase(users)]);
    portal.registerChecker(new CallableChecker(() => 'callable'), UsernamePassword);
    successResultOf(portal.login(new UsernamePassword('x', 'y'), null));
    expect(realm.asked[0]?.[0]).to.equal('callable');
    expect(portal.listCredentialsInterfaces()).to.have.members([
      UsernamePassword,
      UsernameHashedPassword,
    ]);
  });

  it('takes credentials of a subclass', () => {
    class Token extends UsernamePassword {}
    const portal = new Portal(new Realms(), [new InMemoryUsernamePasswordDatabase(users)]);
    successResultOf(portal.login(new Token('alice', 'wonder'), null));
  });

  it('checks an answer to a challenge by the clear password', () => {
    const portal = new Portal(new Realms(), [new InMemoryUsernamePasswordDatabase(users)]);
    successResultOf(portal.login(new Answer('wonder'), null));
    failureResultOf(portal.login(new Answer('other'), null), UnauthorizedLogin);
  });

  it('waits for a checker and a realm that answer later, by Deferred or promise', async () => {
    const checker: CredentialsChecker<UsernamePassword> = {
      credentialInterfaces: [UsernamePassword],
      requestAvatarId: ({ username }) => succeed(username),
    };
    const realm: Realm = {
      requestAvatar: async (avatarId) => ['any', avatarId, () => {}],
    };
    const [, avatar] = await new Portal(realm, [checker]).login(
      new UsernamePassword('u', 'p'),
      null,
    );
    expect(avatar).to.equal('u');
  });

  it('hands on what a checker or a realm fails with', () => {
    const broken = new Error('down');
    const checker = new CallableChecker(() => fail(broken));
    const portal = new Portal(new Realms(), [checker]);
    expect(failureResultOf(portal.login(new UsernamePassword('u', 'p'), null)).value).to.equal(
      broken,
    );
    const refusing: Realm = {
      requestAvatar: () => {
        throw broken;
      },
    };
    const other = new Portal(refusing, [new AllowAnonymousAccess()]);
    expect(failureResultOf(other.login(new Anonymous(), null)).value).to.equal(broken);
  });

  it('throws TypeError when given what is no checker', () => {
    // @ts-expect-error a checker has requestAvatarId()
    expect(() => new Portal(new Realms(), [{}])).to.throw(TypeError, /no requestAvatarId/);
  });
});

describe('CallableChecker', () => {
  const login = (checker: CallableChecker) =>
    new Portal({ requestAvatar: (id) => ['i', id, () => {}] }, [checker]).login(
      new UsernamePassword('u', 'p'),
      null,
    );

  it('takes true as the user name, and anything else as who it is', () => {
    expect(successResultOf(login(new CallableChecker(() => true)))[1]).to.equal('u');
    expect(successResultOf(login(new CallableChecker(() => 7)))[1]).to.equal(7);
  });

  it('refuses at false, null and nothing', () => {
    for (const value of [false, null, undefined]) {
      failureResultOf(login(new CallableChecker(() => value)), UnauthorizedLogin);
    }
  });
});

describe('UsernamePassword', () => {
  it('shows its password in no inspection and no JSON', () => {
    const credentials = new UsernamePassword('u', 'hush');
    expect(inspect(credentials)).to.equal('UsernamePassword { username: "u" }');
    expect(inspect({ deep: [credentials] }, { showHidden: true })).not.to.contain('hush');
    expect(JSON.stringify(credentials)).not.to.contain('hush');
  });

  it('throws TypeError for what is not text', () => {
    // @ts-expect-error a password is text
    expect(() => new UsernamePassword('u', undefined)).to.throw(TypeError, /both strings/);
  });
});
