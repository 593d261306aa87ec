import { expect } from 'chai';
import { expandedAccount, mayRunServices } from '../../../../src/service/windows/ffi/accounts.ts';
import { has, native } from '../../../../src/service/windows/ffi/koffi.ts';
import { KoffiScm } from '../../../../src/service/windows/scm-koffi.ts';
import { wine } from '../../../support/wine.ts';

describe('calls of Windows from elsewhere', () => {
  before(function () {
    if (process.platform === 'win32') this.skip();
  });

  const missing = `Cannot call functions of Windows: this is '${process.platform}'`;

  it('declaring a function is fine, calling it says that this is not Windows', () => {
    const close = native<[bigint], number>('kernel32.dll', 'CloseHandle', 'int32', ['void *']);
    expect(() => close(1n))
      .to.throw(missing)
      .with.property('code', 'ERR_NATIVE_CALLS_UNAVAILABLE');
    expect(() => has('kernel32.dll', 'CloseHandle')).to.throw(missing);
  });

  it('a call on another thread rejects likewise', async () => {
    const close = native<[bigint], number>('kernel32.dll', 'CloseHandle', 'int32', ['void *']);
    const outcome = await close.async(1n).catch((error: unknown) => error);
    expect(outcome).to.have.property('code', 'ERR_NATIVE_CALLS_UNAVAILABLE');
  });

  it('KoffiScm can be made, and says so when it is used', async () => {
    const scm = new KoffiScm();
    expect(() => scm.openManager()).to.throw(missing);
    expect(() => scm.isElevated()).to.throw(missing);
    const outcome = await scm
      .startDispatcher([{ name: 'x', main: () => {} }])
      .toPromise()
      .catch((error: unknown) => error);
    expect(outcome).to.have.property('code', 'ERR_NATIVE_CALLS_UNAVAILABLE');
  });
});

describe('accounts', () => {
  it('those that may run services by their nature are known', () => {
    for (const name of [
      '',
      'LocalSystem',
      '.\\LocalSystem',
      'nt authority\\networkservice',
      'NT SERVICE\\app',
      'DOMAIN\\managed$',
    ]) {
      expect(mayRunServices(name), name).to.equal(true);
    }
    for (const name of ['.\\me', 'DOMAIN\\me', 'me@domain', 'nt service']) {
      expect(mayRunServices(name), name).to.equal(false);
    }
  });

  it('a dot is this machine', () => {
    expect(expandedAccount('.\\me', 'PC')).to.equal('PC\\me');
    expect(expandedAccount('DOM\\me', 'PC')).to.equal('DOM\\me');
    expect(expandedAccount('me@dom', 'PC')).to.equal('me@dom');
  });
});

describe('calls of Windows, on Windows', () => {
  const windows = wine();
  before(windows.prepare);
  afterEach(() => windows.killPrograms());

  it('without koffi say how to install it', async () => {
    const hidden = windows.path('test/fixtures/windows/no-native-koffi.cjs');
    const agent = await windows.agent({ nodeArguments: ['--require', hidden] });
    const outcome = await agent
      .call('test/fixtures/windows/scm-calls.ts', 'onScm', 'isElevated')
      .catch((error: unknown) => error);
    expect(outcome).to.have.property('code', 'ERR_NATIVE_CALLS_UNAVAILABLE');
    expect(outcome)
      .to.have.property('message')
      .that.includes("Cannot load 'koffi', which calls functions of Windows; 'npm install koffi'");
    await agent.end();
  });
});
