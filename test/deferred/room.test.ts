import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import * as room from '../../src/deferred/index.ts';

describe('The room strand/deferred', () => {
  it('has what its users are promised', () => {
    const promised =
      `Deferred Failure succeed fail execute maybeDeferred ensureDeferred inlineCallbacks wait gatherResults
      DeferredList race logError passthru setDebugging getDebugging SUCCESS FAILURE setUnhandledFailureHandler reportFailure
      setDefaultClock getDefaultClock DeferredLock DeferredSemaphore DeferredQueue DeferredFilesystemLock
      AlreadyCalledError CancelledError TimeoutError FirstError FailureGroup QueueOverflow QueueUnderflow
      AlreadyTryingToLockError NotACoroutineError`.split(/\s+/);
    expect(room).to.include.all.keys(promised);
  });

  it('loads rxjs when it is first needed, and not before', () => {
    const script = `
      import { createRequire } from 'node:module';
      import { Deferred, succeed } from ${JSON.stringify(new URL('../../src/deferred/index.ts', import.meta.url).href)};
      const { cache } = createRequire(import.meta.url);
      const loaded = () => Object.keys(cache).some((file) => /[\\\\/]rxjs[\\\\/]/.test(file));
      const before = loaded();
      let got;
      succeed(5).toObservable().subscribe((value) => { got = value; });
      console.log(JSON.stringify([before, loaded(), got]));
    `;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
    const output = execFileSync(process.execPath, args, { encoding: 'utf8' });
    expect(JSON.parse(output)).to.deep.equal([false, true, 5]);
  });
});
