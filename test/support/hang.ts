/**
 * What keeps the process alive after the last test would hold up everybody who waits for its end. After some time it is named, and the run has failed.
 *
 * Mocha loads this before the tests (`.mocharc.json`).
 */

/** Seconds in which all is over, with much to spare. */
const GRACE = 60;

export const mochaHooks = {
  afterAll(): void {
    const timer = setTimeout(() => {
      const left = process.getActiveResourcesInfo().join(', ');
      console.error(`The tests are over, but the process would not end because of: ${left}`);
      // After mocha's own, which sets the code by the tests alone.
      process.on('exit', () => {
        process.exitCode = 1;
      });
      process.exit();
    }, GRACE * 1000);
    timer.unref();
  },
};
