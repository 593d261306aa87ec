import { expect } from 'chai';
import { WindowsScm } from '../../../support/windows-scm.ts';
import { wine } from '../../../support/wine.ts';

describe('KoffiScm on Windows: managing services', () => {
  const windows = wine();
  let scm: WindowsScm;

  before(async function () {
    await windows.ready(this);
    scm = await WindowsScm.start(windows);
  });
  afterEach(() => scm.clear());
  after(() => scm?.end());

  async function refusal(done: Promise<unknown>): Promise<unknown> {
    try {
      await done;
    } catch (error) {
      // Errors of the agent carry what the real one had.
      return (error as { winerror?: number }).winerror ?? error;
    }
    return 'none';
  }

  const EXE = 'C:\\windows\\system32\\net.exe';

  it('createService() stores what the definition says, and queryConfig() reads it back', async () => {
    await scm.create({ name: 'strand-dep', imagePath: EXE });
    await scm.create({
      name: 'strand-config',
      displayName: 'Strand – Тест',
      imagePath: '"C:\\Programs and more\\ünï.exe" --run',
      startType: 'automatic',
      errorControl: 'severe',
      loadOrderGroup: 'grp',
      dependencies: ['strand-dep', '+agroup'],
      account: 'NT AUTHORITY\\LocalService',
    });
    expect(await scm.service('strand-config', 'queryConfig', ['query-config'])).to.deep.equal({
      type: 'own-process',
      interactive: false,
      startType: 'automatic',
      errorControl: 'severe',
      imagePath: '"C:\\Programs and more\\ünï.exe" --run',
      loadOrderGroup: 'grp',
      dependencies: ['strand-dep', '+agroup'],
      account: 'NT AUTHORITY\\LocalService',
      displayName: 'Strand – Тест',
    });
  });

  it('createService() takes defaults for what the definition leaves out', async () => {
    await scm.create({ name: 'strand-plain', imagePath: EXE });
    expect(await scm.service('strand-plain', 'queryConfig', ['query-config'])).to.deep.equal({
      type: 'own-process',
      interactive: false,
      startType: 'manual',
      errorControl: 'normal',
      imagePath: EXE,
      loadOrderGroup: '',
      dependencies: [],
      account: 'LocalSystem',
      displayName: 'strand-plain',
    });
  });

  it('changeConfig() changes what is given and leaves the rest', async () => {
    await scm.create({ name: 'strand-a', imagePath: EXE });
    await scm.create({ name: 'strand-change', imagePath: EXE, dependencies: ['strand-a'] });
    const before = await scm.service('strand-change', 'queryConfig', ['query-config']);
    await scm.service('strand-change', 'changeConfig', ['change-config'], {
      displayName: 'Another name',
      startType: 'disabled',
    });
    expect(await scm.service('strand-change', 'queryConfig', ['query-config'])).to.deep.equal({
      // The one object of it that there is.
      ...(before as object),
      displayName: 'Another name',
      startType: 'disabled',
    });
    await scm.service('strand-change', 'changeConfig', ['change-config'], { dependencies: [] });
    expect(await scm.service('strand-change', 'queryConfig', ['query-config'])).to.deep.include({
      dependencies: [],
      displayName: 'Another name',
    });
  });

  it('changeConfig() changes half of the type', async () => {
    await scm.create({ name: 'strand-type', imagePath: EXE });
    await scm.service('strand-type', 'changeConfig', ['change-config', 'query-config'], {
      interactive: true,
    });
    expect(await scm.service('strand-type', 'queryConfig', ['query-config'])).to.include({
      type: 'own-process',
      interactive: true,
    });
  });

  it('queryStatus() of a service that never ran says so', async () => {
    await scm.create({ name: 'strand-never', imagePath: EXE });
    expect(await scm.status('strand-never')).to.deep.equal({
      type: 'own-process',
      state: 'stopped',
      accepts: [],
      win32ExitCode: 1077,
      serviceExitCode: 0,
      checkPoint: 0,
      waitHint: 0,
      pid: 0,
    });
  });

  it('keeps a description, and removes it', async () => {
    await scm.create({ name: 'strand-text', imagePath: EXE });
    const get = () => scm.service('strand-text', 'querySetting', ['query-config'], 'description');
    const set = (text: string) =>
      scm.service('strand-text', 'changeSetting', ['change-config'], 'description', text);
    expect(await get()).to.equal('');
    await set('Says what – it is');
    expect(await get()).to.equal('Says what – it is');
    await set('');
    expect(await get()).to.equal('');
  });

  it('keeps a time for preshutdown, in seconds', async () => {
    await scm.create({ name: 'strand-time', imagePath: EXE });
    const rights = ['change-config'] as const;
    await scm.service('strand-time', 'changeSetting', rights, 'preshutdownTimeout', 12.5);
    expect(
      await scm.service('strand-time', 'querySetting', ['query-config'], 'preshutdownTimeout'),
    ).to.equal(12.5);
  });

  it('keeps an environment and parameters in the registry', async () => {
    await scm.create({ name: 'strand-keys', imagePath: EXE });
    const get = (name: string) =>
      scm.service('strand-keys', 'querySetting', ['query-config'], name);
    const set = (name: string, value: unknown) =>
      scm.service('strand-keys', 'changeSetting', ['change-config'], name, value);
    expect(await get('environment')).to.deep.equal({});
    await set('environment', { A: '1', 'B C': 'x=y', Ü: '' });
    expect(await get('environment')).to.deep.equal({ A: '1', 'B C': 'x=y', Ü: '' });
    await set('environment', {});
    expect(await get('environment')).to.deep.equal({});
    expect(await refusal(set('environment', { 'A=B': '' }))).to.equal(13);

    expect(await get('parameters')).to.deep.equal({});
    await set('parameters', { one: 'x', two: '' });
    await set('parameters', { two: 'y', three: 'z' });
    expect(await get('parameters')).to.deep.equal({ two: 'y', three: 'z' });
  });

  it('says 124 of settings that this Windows does not know', async function () {
    if (!windows.isWine) this.skip();
    await scm.create({ name: 'strand-level', imagePath: EXE });
    for (const [setting, value] of [
      ['delayedStart', true],
      ['recoverOnErrorExit', true],
      ['sidType', 'unrestricted'],
      ['requiredPrivileges', ['SeChangeNotifyPrivilege']],
    ]) {
      const change = scm.service('strand-level', 'changeSetting', ['all'], setting, value);
      expect(await refusal(change), String(setting)).to.equal(124);
      const query = scm.service('strand-level', 'querySetting', ['all'], setting);
      expect(await refusal(query), String(setting)).to.equal(124);
    }
  });

  it('enumerate() lists services with their status', async () => {
    await scm.create({ name: 'strand-list', displayName: 'Listed', imagePath: EXE });
    type Lines = { name: string; displayName: string; status: { state: string } }[];
    const list = async (filter: object) =>
      (await scm.manager('enumerate', ['enumerate'], filter)) as Lines; // what it returns
    const all = await list({});
    const found = all.find(({ name }) => name === 'strand-list');
    expect(found).to.include({ displayName: 'Listed' });
    expect(found?.status.state).to.equal('stopped');
    const active = await list({ state: 'active' });
    expect(active.map(({ name }) => name)).not.to.include('strand-list');
    expect(active.every(({ status }) => status.state !== 'stopped')).to.equal(true);
    expect((await list({ state: 'inactive' })).map(({ name }) => name)).to.include('strand-list');
  });

  it('keyName() and displayName() translate', async () => {
    await scm.create({ name: 'strand-key', displayName: 'The shown name', imagePath: EXE });
    expect(await scm.manager('keyName', ['connect'], 'The shown name')).to.equal('strand-key');
    expect(await scm.manager('displayName', ['connect'], 'strand-key')).to.equal('The shown name');
    expect(await refusal(scm.manager('keyName', ['connect'], 'Nobody'))).to.equal(1060);
  });

  it('dependents() lists what depends on a service, first what must stop first', async () => {
    await scm.create({ name: 'strand-1', imagePath: EXE });
    await scm.create({ name: 'strand-2', imagePath: EXE, dependencies: ['STRAND-1'] });
    await scm.create({ name: 'strand-3', imagePath: EXE, dependencies: ['strand-2', 'strand-1'] });
    const list = (await scm.service('strand-1', 'dependents', ['enumerate-dependents'])) as {
      name: string;
    }[]; // what it returns
    expect(list.map(({ name }) => name)).to.deep.equal(['strand-3', 'strand-2']);
    const active = scm.service('strand-1', 'dependents', ['enumerate-dependents'], {
      state: 'active',
    });
    expect(await active).to.deep.equal([]);
  });

  describe('refuses', () => {
    it('a name that is there (1073), and a display name (1078)', async () => {
      await scm.create({ name: 'strand-there', displayName: 'There', imagePath: EXE });
      expect(await refusal(scm.create({ name: 'STRAND-there', imagePath: EXE }))).to.equal(1073);
      const same = scm.create({ name: 'strand-other', displayName: 'There', imagePath: EXE });
      expect(await refusal(same)).to.equal(1078);
    });

    it('a service that is not there (1060)', async () => {
      expect(await refusal(scm.status('strand-missing'))).to.equal(1060);
    });

    it('names that no service may have (123)', async () => {
      for (const name of ['', 'a/b', 'a\\b', 'x'.repeat(257)]) {
        const done = refusal(scm.create({ name, imagePath: EXE }));
        expect(await done, JSON.stringify(name)).to.equal(123);
      }
    });

    it('the second delete (1072), until whoever has it open closes it', async () => {
      await scm.create({ name: 'strand-mark', imagePath: EXE });
      await scm.call('hold', 'strand-mark', ['query-status', 'delete']);
      await scm.service('strand-mark', 'delete', ['delete']);
      expect(await refusal(scm.call('onHeld', 'strand-mark', 'delete'))).to.equal(1072);
      expect(await refusal(scm.create({ name: 'strand-mark', imagePath: EXE }))).to.equal(1072);
      await scm.call('onHeld', 'strand-mark', 'close');
      expect(await refusal(scm.status('strand-mark'))).to.equal(1060);
      await scm.create({ name: 'strand-mark', imagePath: EXE });
    });

    it('what a handle has no right to (5)', async () => {
      await scm.create({ name: 'strand-right', imagePath: EXE });
      const weak = ['query-config'] as const;
      expect(await refusal(scm.service('strand-right', 'queryStatus', weak))).to.equal(5);
      expect(await refusal(scm.service('strand-right', 'start', weak))).to.equal(5);
      expect(await refusal(scm.service('strand-right', 'control', weak, 'stop'))).to.equal(5);
      expect(await refusal(scm.service('strand-right', 'delete', weak))).to.equal(5);
      const change = scm.service('strand-right', 'changeConfig', weak, { displayName: 'x' });
      expect(await refusal(change)).to.equal(5);
    });

    it('anything once it is closed (6)', async () => {
      await scm.create({ name: 'strand-closed', imagePath: EXE });
      await scm.call('hold', 'strand-closed', ['all']);
      await scm.call('onHeld', 'strand-closed', 'close');
      for (const method of [
        'queryStatus',
        'queryConfig',
        'start',
        'delete',
        'watch',
        'dependents',
      ]) {
        expect(await refusal(scm.call('onHeld', 'strand-closed', method)), method).to.equal(6);
      }
      await scm.call('onHeld', 'strand-closed', 'close');
    });

    it('the start of a disabled service (1058), and of one without a program (2)', async () => {
      await scm.create({ name: 'strand-off', imagePath: EXE, startType: 'disabled' });
      expect(await refusal(scm.start('strand-off'))).to.equal(1058);
      await scm.create({ name: 'strand-empty', imagePath: 'C:\\no\\such\\program.exe' });
      expect(await refusal(scm.start('strand-empty'))).to.be.oneOf([2, 3]);
    });

    it('controls of a service that does not run (1062)', async () => {
      await scm.create({ name: 'strand-idle', imagePath: EXE });
      expect(await refusal(scm.control('strand-idle', 'stop'))).to.equal(1062);
      expect(await refusal(scm.control('strand-idle', 200))).to.equal(1062);
    });

    it('controls that may not be sent (87)', async () => {
      await scm.create({ name: 'strand-odd', imagePath: EXE });
      expect(await refusal(scm.service('strand-odd', 'control', ['all'], 'shutdown'))).to.equal(87);
      expect(await refusal(scm.service('strand-odd', 'control', ['all'], 100))).to.equal(87);
    });

    it('the dispatcher of a process that it did not start, without entries (87)', async () => {
      expect(await refusal(scm.call('dispatchNothing'))).to.equal(87);
    });
  });

  it('says what it tried and why it was refused', async () => {
    const error = await scm.status('strand-missing').catch((reason: unknown) => reason);
    expect(error).to.include({
      code: 'ERROR_SERVICE_DOES_NOT_EXIST',
      message: 'Cannot open service "strand-missing": There is no such service (1060)',
    });
  });

  it('isElevated() tells of an administrator', async function () {
    if (!windows.isWine) this.skip();
    expect(await scm.call('onScm', 'isElevated')).to.equal(true);
  });

  it('grantLogonRight() leaves system, virtual and managed accounts alone', async () => {
    for (const account of ['LocalSystem', 'NT AUTHORITY\\LocalService', 'NT SERVICE\\x', 'D\\m$']) {
      expect(await scm.call('onScm', 'grantLogonRight', account), account).to.equal(false);
    }
    const nobody = scm.call('onScm', 'grantLogonRight', '.\\strand-nobody');
    expect(await refusal(nobody)).to.equal(1332);
  });

  // Wine keeps it to itself that a service which somebody has open is to be deleted.
  const itWhereToldOf = windows.isWine ? () => {} : it;
  itWhereToldOf('watch() ends with null when the service is deleted', async () => {
    await scm.create({ name: 'strand-watched', imagePath: EXE });
    const told = scm.call('watched', 'strand-watched', null);
    await scm.service('strand-watched', 'delete', ['delete']);
    expect(await told).to.deep.equal(['deleted']);
  });
});
