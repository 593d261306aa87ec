import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  AllowAnonymousAccess,
  ANONYMOUS,
  Anonymous,
  InMemoryUsernamePasswordDatabase,
  Portal,
  UsernamePassword,
} from '../../../src/protocols/cred/index.ts';
import {
  FTPAnonymousShell,
  FTPRealm,
  FTPShell,
  type FTPShellInterface,
  IFTPShell,
} from '../../../src/protocols/ftp/index.ts';
import { failure, names, write } from './shell-contract.ts';
import { folders } from './support-files.ts';

describe('FTPRealm', () => {
  const on = folders();

  async function avatar(realm: FTPRealm, id: unknown): Promise<FTPShellInterface> {
    const [interface_, shell] = await realm.requestAvatar(id, null, 'other', IFTPShell);
    expect(interface_).to.equal(IFTPShell);
    return shell;
  }

  it('gives anonymous users a folder to look at', async () => {
    const shell = await avatar(new FTPRealm(on.root), ANONYMOUS);
    expect(shell).to.be.instanceOf(FTPAnonymousShell).and.not.instanceOf(FTPShell);
    expect(await names(shell)).to.include('file');
  });

  it('has no anonymous users if they have no folder', async () => {
    expect(await failure(() => avatar(new FTPRealm(null), ANONYMOUS))).to.equal(
      'ERR_UNAUTHORIZED_LOGIN',
    );
  });

  it('gives users the folder of their name', async () => {
    expect(new FTPRealm('/srv').getHomeDirectory('alice')).to.equal(join('/home', 'alice'));
    const shell = await avatar(new FTPRealm(null, on.base), 'root');
    expect(shell).to.be.instanceOf(FTPShell);
    expect(await names(shell)).to.include('file');
  });

  it('gives nobody a folder whose name means another one', async () => {
    const realm = new FTPRealm(null, on.root);
    for (const user of ['..', '.', '', '../outside', 'folder/..', 'a\0b', 7, null]) {
      expect(await failure(() => avatar(realm, user)), String(user)).to.equal(
        'ERR_UNAUTHORIZED_LOGIN',
      );
    }
  });

  it('can be told where folders are, what shells are like, and to make what is not there', async () => {
    const realm = new FTPRealm(null, '/nowhere', {
      home: async (user) => join(on.base, 'homes', user),
      shell: (user) => ({ permissions: user === 'bob' ? 'elr' : 'elradfmwMT' }),
      createHome: true,
      anonymousShell: { owner: 'ftp' },
    });
    const [alice, bob] = [await avatar(realm, 'alice'), await avatar(realm, 'bob')];
    expect(existsSync(join(on.base, 'homes/bob'))).to.equal(true);
    expect(alice.permits?.('w', ['x'])).to.equal(true);
    expect(bob.permits?.('w', ['x'])).to.equal(false);
    await write(alice, '/x', 'mine');
    expect(await names(bob)).to.deep.equal([]);
  });

  it('reckons the sessions of a user together, and measures anew when there was none', async () => {
    mkdirSync(join(on.base, 'homes/alice'), { recursive: true });
    const realm = new FTPRealm(null, join(on.base, 'homes'), { quota: { maxBytes: 10 } });
    const [, first, leaveFirst] = await realm.requestAvatar('alice', null, IFTPShell);
    const [, second, leaveSecond] = await realm.requestAvatar('alice', null, IFTPShell);
    await write(first, '/a', 'x'.repeat(6));
    expect(await failure(() => write(second, '/b', 'x'.repeat(6)))).to.equal(
      'ERR_FTP_STORAGE_EXCEEDED',
    );
    leaveFirst();
    expect(await failure(() => write(second, '/b', 'x'.repeat(6)))).to.equal(
      'ERR_FTP_STORAGE_EXCEEDED',
    );
    leaveSecond();
    await new FTPShell(join(on.base, 'homes/alice')).removeFile(['a']);
    const [, third] = await realm.requestAvatar('alice', null, IFTPShell);
    await write(third, '/b', 'x'.repeat(6));
  });

  it('gives some users a quota, and others none', async () => {
    const realm = new FTPRealm(null, on.base, {
      quota: (user) => (user === 'root' ? { maxBytes: 1 } : undefined),
    });
    expect(await failure(async () => write(await avatar(realm, 'root'), '/x', 'xx'))).to.equal(
      'ERR_FTP_STORAGE_EXCEEDED',
    );
    await write(await avatar(realm, 'outside'), '/x', 'xx');
  });

  it('has nothing else to give', async () => {
    const realm = new FTPRealm(on.root);
    let message = '';
    try {
      await realm.requestAvatar('alice', null, 'other');
    } catch (error) {
      message = String(error);
    }
    expect(message).to.include('ask it for IFTPShell');
  });

  it('serves a portal', async () => {
    const portal = new Portal(new FTPRealm(on.root, on.base), [
      new AllowAnonymousAccess(),
      new InMemoryUsernamePasswordDatabase({ outside: 'pw' }),
    ]);
    const [, shell] = await portal.login<FTPShellInterface>(
      new UsernamePassword('outside', 'pw'),
      null,
      IFTPShell,
    );
    expect(await names(shell)).to.deep.equal(['secret']);
    const [, anonymous] = await portal.login<FTPShellInterface>(new Anonymous(), null, IFTPShell);
    expect(await names(anonymous)).to.include('file');
    const wrong = new UsernamePassword('outside', 'guess');
    expect(await failure(() => portal.login(wrong, null, IFTPShell))).to.equal(
      'ERR_UNAUTHORIZED_LOGIN',
    );
  });
});
